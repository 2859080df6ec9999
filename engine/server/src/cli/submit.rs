//! `submit`, and what `plan` has in common with it.

use super::args::Wish;
use super::client::Client;
use super::output::Output;
use super::{Exit, Failure, Outcome, watch};
use crate::finding::Finding;
use crate::http::dto::{IntentBody, RunbookCall, Submission, UndoBody, WindowBody};
use crate::library;
use crate::render::question;
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value};
use std::io::Read;
use std::path::Path;

pub(super) async fn submit(client: &Client, wish: Wish, output: Output) -> Outcome {
    let no_wait = wish.no_wait;
    let taken = send(client, wish, "apply").await?;
    follow(client, taken, no_wait, output).await
}

/// Submits what is wanted.
pub(super) async fn send(client: &Client, wish: Wish, mode: &str) -> Result<Submission, Failure> {
    let (key, audio) = (wish.idempotency_key.clone(), wish.audio.clone());
    let body = body(wish, mode)?;
    match audio {
        Some(file) => {
            let form = form(&file, &body)?;
            client.post_form("/v1/intents", form, key.as_deref()).await
        }
        None => client.post_once("/v1/intents", &body, key.as_deref()).await,
    }
}

/// Takes an intent back by a new one.
pub(super) async fn undo(
    client: &Client,
    of: super::args::Follow,
    body: &UndoBody,
    key: Option<&str>,
    output: Output,
) -> Outcome {
    let path = format!("/v1/intents/{}/undo", of.intent);
    let taken: Submission = client.post_once(&path, body, key).await?;
    follow(client, taken, of.no_wait, output).await
}

async fn follow(client: &Client, taken: Submission, no_wait: bool, output: Output) -> Outcome {
    if no_wait {
        output.show(&taken, |t| t.id.clone());
        return Ok(Exit::Done);
    }
    tell(&taken, output);
    watch::until_rest(client, &taken.id, None, output).await
}

/// Under which name it goes on.
pub(super) fn tell(taken: &Submission, output: Output) {
    let joined = if taken.joined { " (goes on already, joined)" } else { "" };
    output.text(&format!("intent {}{joined}\n", taken.id));
    if let Some(heard) = &taken.heard {
        output.text(&question::heard(heard));
    }
}

/// A recording with what the body says beside it.
fn form(file: &Path, body: &IntentBody) -> Result<Form, Failure> {
    let part = Part::bytes(bytes(file)?).file_name("recording");
    let mut form = Form::new().part("audio", part);
    let fields = serde_json::to_value(body).map_err(|e| Failure::Internal(e.to_string()))?;
    for (name, value) in fields.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        form = form.text(name.clone(), text);
    }
    Ok(form)
}

/// A file, or standard input for `-`.
fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display().to_string();
    let bytes = if name == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    bytes.map_err(|e| Failure::Usage(format!("{name} cannot be read: {e}")))
}

fn body(wish: Wish, mode: &str) -> Result<IntentBody, Failure> {
    if wish.text.is_none() && wish.audio.is_none() && wish.plan.is_none() && wish.runbook.is_none() {
        let ways = "in words (flyball submit \"…\", or spoken: --audio FILE), as a plan (--plan FILE) or as a runbook \
                    (--runbook ID --param KEY=VALUE)";
        return Err(Failure::Usage(format!("say what is wanted: {ways}")));
    }
    // Not left to the parser: it asks for no runbook where words stand, since the two exclude each other.
    if wish.runbook.is_none() && !wish.params.is_empty() {
        let hint = "parameters go with a runbook: --runbook ID --param KEY=VALUE (flyball runbook list shows them)";
        return Err(Failure::Usage(format!(
            "--param without --runbook says nothing; {hint}"
        )));
    }
    let plan = wish.plan.as_deref().map(plan_file).transpose()?;
    let params = params(&wish.params)?;
    let window = wish.window.as_deref().map(window).transpose()?;
    Ok(IntentBody {
        text: wish.text,
        plan,
        runbook: wish.runbook.map(|id| RunbookCall { id, params }),
        mode: Some(mode.to_owned()),
        deadline: wish.deadline,
        labels: wish.labels,
        change: wish.change,
        window,
        backout_by: wish.backout_by,
    })
}

/// `FROM..UNTIL`.
fn window(text: &str) -> Result<WindowBody, Failure> {
    let moments = text
        .split_once("..")
        .filter(|(from, until)| !from.is_empty() && !until.is_empty());
    let (from, until) =
        moments.ok_or_else(|| Failure::Usage(format!("{text:?} is no window: write FROM..UNTIL, such as 0s..2h")))?;
    Ok(WindowBody {
        from: from.to_owned(),
        until: until.to_owned(),
    })
}

/// A plan as JSON or YAML. A file may hold the plan itself or `{"plan": …}`, as the API takes it.
fn plan_file(path: &Path) -> Result<Value, Failure> {
    let (name, bytes) = (path.display().to_string(), bytes(path)?);
    let told = |findings: Vec<Finding>| {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Failure::Usage(findings.join("\n"))
    };
    let text = library::utf8(&name, bytes).map_err(|finding| told(vec![finding]))?;
    let document = library::parse(&name, &text).map_err(told)?;
    let mut value = document.value;
    Ok(match value.get_mut("plan") {
        Some(plan) => plan.take(),
        None => value,
    })
}

/// `key=value`; a value that is JSON is taken as such, all else as a text.
fn params(given: &[String]) -> Result<Value, Failure> {
    let mut params = Map::new();
    for text in given {
        let Some((key, value)) = text.split_once('=') else {
            return Err(Failure::Usage(format!("{text:?} is no parameter: write key=value")));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        params.insert(key.to_owned(), value);
    }
    Ok(Value::Object(params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command};
    use clap::Parser;
    use serde_json::json;

    #[test]
    fn parameters_are_json_where_they_can_be_and_text_elsewhere() {
        let given = ["area=0".to_owned(), "site=beijing".to_owned(), "x=a=b".to_owned()];
        assert_eq!(
            params(&given).unwrap(),
            json!({"area": 0, "site": "beijing", "x": "a=b"})
        );
        assert!(params(&["area".to_owned()]).is_err());
    }

    #[test]
    fn parameters_without_a_runbook_are_a_mistake_and_not_ignored() {
        for words in [
            &["flyball", "submit", "check beijing", "-p", "site=beijing"][..],
            &["flyball", "plan", "--plan", "x.yaml", "-p", "site=beijing"],
        ] {
            let refused = match Cli::try_parse_from(words) {
                Err(e) => e.to_string(),
                Ok(cli) => match cli.command {
                    Command::Submit(wish) | Command::Plan { wish, .. } => match body(wish, "apply") {
                        Err(failure) => {
                            assert_eq!(failure.exit() as u8, 2);
                            format!("{failure:?}")
                        }
                        Ok(body) => panic!("taken as {body:?}"),
                    },
                    other => panic!("{other:?}"),
                },
            };
            assert!(refused.contains("--runbook"), "{refused}");
        }
    }
}
