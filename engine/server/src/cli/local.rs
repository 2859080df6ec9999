//! Commands that need no server: the server itself, the check, the error pages, the guard.

use super::args::Global;
use super::client::{URL_FILE, environment, settings, settings_file};
use super::output::Output;
use super::{Exit, Failure, Outcome};
use crate::errors::Code;
use crate::finding::Finding;
use crate::http::problem::Problem;
use crate::render::count;
use crate::wiring::StartError;
use crate::{check, serve};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Becomes a guarded child.
pub(super) fn guard(words: Vec<OsString>) -> ExitCode {
    let Err(error) = flyball_executors::guard::run(words);
    Output::new(false, true).note(&format!("flyball guard: {error}\n"));
    ExitCode::FAILURE
}

/// Cancelled by SIGTERM or SIGINT, and when nobody reads standard output any more.
pub(super) fn until_signalled() -> Result<CancellationToken, Failure> {
    let failed = |e: std::io::Error| Failure::Internal(format!("signals cannot be heard: {e}"));
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    let token = CancellationToken::new();
    let (told, reader) = (token.clone(), super::output::reader_gone());
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, () = reader.cancelled() => {} }
        told.cancel();
    });
    Ok(token)
}

/// This program, as children are to start it again.
pub(super) fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|e| Failure::Internal(format!("this program's own file is not known: {e}")))
}

/// Logs go to standard error; `FLYBALL_LOG` filters them.
pub(super) fn logs() {
    let filter = super::client::variable("FLYBALL_LOG").ok_or(());
    let filter = filter.and_then(|asked| tracing_subscriber::EnvFilter::try_new(asked).map_err(drop));
    // async-openai logs whole bodies when it cannot read them: they may hold the text of an intent.
    let filter = filter.unwrap_or_else(|()| tracing_subscriber::EnvFilter::new("info,rmcp=warn,async_openai=off"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Told on standard error, where it cannot be written either: whoever logs would panic, the store's threads too.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_writer(std::io::stderr);
    // A second call (the demo starts several parts in one process) keeps the first.
    let _ = logs.try_init();
}

pub(super) async fn serve(
    global: &Global,
    listen: Option<SocketAddr>,
    accept_lost_tail: bool,
    output: Output,
) -> Outcome {
    logs();
    let mut settings = match settings(global) {
        Ok(settings) => settings,
        Err(findings) => return Ok(mistakes(&findings, output)),
    };
    settings.listen = listen.unwrap_or(settings.listen);
    settings.accept_lost_tail = accept_lost_tail;
    let shutdown = until_signalled()?;
    let url_file = settings.data.join(URL_FILE);
    let bound = |address: SocketAddr| {
        let url = format!("http://{address}");
        // Only a convenience for the command line on this machine.
        let _ = std::fs::write(&url_file, &url);
        super::output::out(&format!("listening on {url}\n"));
    };
    let served = Box::pin(serve::serve(&settings, &program()?, shutdown, bound)).await;
    match served {
        Ok(()) => {
            let _ = std::fs::remove_file(&url_file);
            Ok(Exit::Done)
        }
        Err(serve::Error::Start(StartError::Settings(findings))) => Ok(mistakes(&findings, output)),
        Err(error) => {
            let problem = Problem::new(error.code(), error.to_string());
            Err(Failure::Problem(Box::new(problem)))
        }
    }
}

/// Tells every mistake.
fn mistakes(findings: &[Finding], output: Output) -> Exit {
    if output.json {
        output.value(&findings);
        return Exit::Failed;
    }
    for finding in findings {
        output.note(&format!("{finding}\n"));
    }
    output.note(&format!(
        "{}: {}\n",
        Code::BadSettings,
        count(findings.len(), "mistake")
    ));
    Exit::Failed
}

pub(super) fn check(global: &Global, dir: Option<&Path>, output: Output) -> Exit {
    let (file, must_exist) = settings_file(global, dir);
    // A folder may do without the file, but it must be there itself.
    let must_exist = must_exist || dir.is_some_and(|d| !d.exists());
    let found = check::check(&file, must_exist, &environment());
    if output.json {
        output.value(&found);
    } else {
        let mistakes: String = found.iter().map(|f| format!("{f}\n")).collect();
        output.text(&mistakes);
        let (name, told) = (file.display(), count(found.len(), "mistake"));
        let told = if found.is_empty() { "no mistakes" } else { &told };
        if file.exists() {
            output.text(&format!("{name}: {told}\n"));
        } else {
            output.text(&format!("there is no {name}: the defaults are used; {told}\n"));
        }
    }
    if found.is_empty() { Exit::Done } else { Exit::Failed }
}

pub(super) fn explain(code: &str, output: Output) -> Outcome {
    let Some(found) = Code::find(code) else {
        let known: Vec<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
        return Err(Failure::Usage(format!(
            "there is no error code {code}; known are {}",
            known.join(" ")
        )));
    };
    let page = serde_json::json!({"code": found.as_str(), "title": found.title(), "page": found.page()});
    output.show(&page, |_| found.page().to_owned());
    Ok(Exit::Done)
}
