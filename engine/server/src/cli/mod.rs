//! The command line: a client of the API, and the few commands that run something themselves.

mod answer;
pub mod args;
pub mod client;
mod decide;
mod explain;
mod local;
mod netops;
pub mod output;
mod read;
mod runbook;
mod submit;
mod watch;

use crate::http::problem::Problem;
use args::{Cli, Command, RunbookAction};
use client::Client;
use output::Output;
use std::process::ExitCode;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// Refused, denied or cancelled.
    Refused = 3,
    /// Stuck or in doubt.
    Stuck = 4,
    Unreachable = 5,
    RolledBack = 6,
    /// Waiting for approval.
    Waiting = 7,
    /// Ended by Ctrl-C (SIGINT), as shells name it.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// What an intent's state is as an exit code.
    pub fn of_state(state: &str) -> Self {
        match state {
            "fulfilled" | "planned" => Self::Done,
            "refused" | "cancelled" => Self::Refused,
            "stuck" | "paused" | "awaiting_input" => Self::Stuck,
            "rolled_back" => Self::RolledBack,
            "awaiting_approval" => Self::Waiting,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The server (or the way to it) said no.
    Problem(Box<Problem>),
    /// What was typed cannot be.
    Usage(String),
    Internal(String),
}

impl Failure {
    fn tell(&self, output: Output) {
        match self {
            Self::Problem(problem) => output.problem(problem),
            Self::Usage(text) | Self::Internal(text) => output.note(&format!("flyball: {text}\n")),
        }
    }
}

type Outcome = Result<Exit, Failure>;

/// Runs what was typed. `guard` comes before everything else: it must run while the process has one thread.
pub fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|w| w == "guard") {
        return local::guard(words.collect());
    }
    let cli = Cli::typed();
    let output = Output::new(cli.global.json, cli.global.no_color);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => {
            output.note(&format!("flyball: the runtime cannot be started: {e}\n"));
            return Exit::Failed.into();
        }
    };
    let exit = runtime.block_on(Box::pin(run(cli, output)));
    exit.unwrap_or_else(|failure| {
        failure.tell(output);
        failure.exit()
    })
    .into()
}

async fn run(cli: Cli, output: Output) -> Outcome {
    let global = &cli.global;
    match cli.command {
        Command::Serve {
            listen,
            accept_lost_tail,
        } => return local::serve(global, listen, accept_lost_tail, output).await,
        Command::Check { dir } => return Ok(local::check(global, dir.as_deref(), output)),
        Command::Runbook {
            action: RunbookAction::Test { id },
        } => return runbook::test(global, id.as_deref(), output),
        Command::Explain { code } => return local::explain(&code, output),
        Command::Netops(args) => return netops::run(args, output).await,
        Command::Demo { keep } => return Box::pin(crate::demo::run(crate::demo::Options { keep }, output)).await,
        Command::Guard => return Err(Failure::Usage("guard is for the engine itself".into())),
        _ => {}
    }
    let client = Client::new(global)?;
    remote(cli.command, &client, output).await
}

async fn remote(command: Command, client: &Client, output: Output) -> Outcome {
    match command {
        Command::Plan { wish, markdown } => explain::plan(client, wish, markdown, output).await,
        Command::Show {
            intent,
            procedure: true,
            markdown,
        } => explain::procedure(client, &intent, markdown, output).await,
        Command::Why { intent } => explain::why(client, &intent, output).await,
        Command::Submit(wish) => submit::submit(client, wish, output).await,
        Command::Watch { intent, follow: true } => watch::to_the_end(client, &intent, output).await,
        Command::Watch { intent, follow: false } => watch::until_rest(client, &intent, None, output).await,
        Command::Approve(args) => decide::approve(client, args, output).await,
        Command::Deny { id, comment } => decide::deny(client, &id, comment, output).await,
        Command::Apply(follow) => decide::apply(client, follow, output).await,
        Command::Cancel { follow, reason } => decide::cancel(client, follow, reason, output).await,
        Command::Undo {
            follow,
            plan,
            change,
            idempotency_key,
        } => {
            let body = crate::http::dto::UndoBody {
                mode: plan.then(|| "plan".to_owned()),
                change,
                labels: Vec::new(),
            };
            submit::undo(client, follow, &body, idempotency_key.as_deref(), output).await
        }
        Command::Pause { intent, reason } => decide::pause(client, &intent, reason, output).await,
        Command::Resume(follow) => decide::resume(client, follow, output).await,
        Command::Answer(args) => answer::answer(client, args, output).await,
        settled @ (Command::Settle { .. } | Command::Resolve { .. }) => decide::on_item(client, settled, output).await,
        Command::Runbook { action } => runbook::run(action, client, output).await,
        Command::Halt { reason } => decide::halt(client, reason, output).await,
        Command::Unhalt => decide::unhalt(client, output).await,
        other => read::run(other, client, output).await,
    }
}
