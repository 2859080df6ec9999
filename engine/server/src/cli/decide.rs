//! What a person decides: approve, deny, apply, cancel, pause, resume, settle, resolve, halt.

use super::args::{Approve, Command, Follow};
use super::client::Client;
use super::output::{Output, confirm};
use super::{Exit, Failure, Outcome, watch};
use crate::errors::Code;
use crate::http::dto::{
    ApprovalView, DecisionBody, DiffView, HaltView, IntentView, ReasonBody, ResolveBody, SettleBody, StepsView, Taken,
};
use crate::http::problem::Problem;
use crate::render::{diff, harmless, tree};
use flyball_engine::canonical::Digest;
use serde::Serialize;
use serde_json::json;

pub(super) async fn approve(client: &Client, args: Approve, output: Output) -> Outcome {
    let approval = waiting(client, &args.id).await?;
    let digest = match args.digest {
        Some(given) => meant(&given, &approval.digest)?,
        None => {
            if !args.yes {
                show(client, &approval, output).await?;
            }
            if !args.yes && !confirm("approve this?") {
                let hint = format!(
                    "give --digest {} (or --yes) to approve without being asked",
                    approval.digest
                );
                return Err(Failure::Usage(format!("not approved; {hint}")));
            }
            approval.digest.to_string()
        }
    };
    let before: IntentView = client.get(&format!("/v1/intents/{}", approval.intent)).await?;
    let body = DecisionBody {
        decision: "approve".into(),
        digest: Some(digest),
        comment: args.comment,
    };
    let taken: Taken = client.post(&format!("/v1/approvals/{}", approval.id), &body).await?;
    if args.no_wait {
        output.show(&taken, |t| format!("approved; intent {}", t.id));
        return Ok(Exit::Done);
    }
    watch::until_rest(client, &approval.intent, Some(before.seq), output).await
}

/// How much of a digest names one: as much as lists show, and more than anybody hits by chance.
const DIGEST_LEAST: usize = 12;

/// The digest of which the beginning was typed, as lists show it. What does not begin it goes to the server as it is, whose
/// check is exact and says what stands there now.
fn meant(given: &str, open: &Digest) -> Result<String, Failure> {
    let of_open = open.as_str().strip_prefix("sha256:").unwrap_or(open.as_str());
    let typed = given.strip_prefix("sha256:").unwrap_or(given);
    if typed.len() < DIGEST_LEAST {
        let least = format!("give at least {DIGEST_LEAST} of its digits");
        return Err(Failure::Usage(format!("{given:?} is too short for a digest: {least}")));
    }
    match of_open.starts_with(typed) {
        true => Ok(open.to_string()),
        false => Ok(given.to_owned()),
    }
}

async fn waiting(client: &Client, id: &str) -> Result<ApprovalView, Failure> {
    let approvals: Vec<ApprovalView> = client.get("/v1/approvals").await?;
    let found = approvals.into_iter().find(|a| a.id == id || a.intent == id);
    match found {
        Some(found) => Ok(found),
        None => Err(none_is_waited_for(client, id).await),
    }
}

/// Where an intent of this name stands instead; of any other name nobody knows more.
async fn none_is_waited_for(client: &Client, id: &str) -> Failure {
    match client.get::<IntentView>(&format!("/v1/intents/{id}")).await {
        Ok(view) => stands_elsewhere(&view, "no approval is waited for"),
        Err(_) => Failure::Usage(format!("no approval {id} is waited for; see: flyball approvals")),
    }
}

/// What was to be decided about is not open: the intent has ended, or does something else.
pub(super) fn stands_elsewhere(view: &IntentView, instead: &str) -> Failure {
    let state = view.state.replace('_', " ");
    let reason = view.reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default();
    let code = match watch::has_ended(&view.state) {
        true => Code::Ended,
        false => Code::DoesNotFit,
    };
    let detail = format!("intent {} is {state}{reason}: {instead}", view.id);
    Failure::Problem(Box::new(Problem::new(code, detail)))
}

/// What an approval is about, as a person needs to see it.
async fn show(client: &Client, approval: &ApprovalView, output: Output) -> Result<(), Failure> {
    let steps: StepsView = client.get(&format!("/v1/intents/{}/steps", approval.intent)).await?;
    let change: DiffView = client.get(&format!("/v1/intents/{}/diff", approval.intent)).await?;
    output.text(&format!(
        "{} asks: {}\n\n",
        harmless(&approval.asked_by),
        harmless(&approval.title)
    ));
    output.text(&tree::tree(&steps, output.style));
    output.text(&format!("\n{}", diff::diff(&change, output.style)));
    Ok(())
}

pub(super) async fn deny(client: &Client, id: &str, comment: Option<String>, output: Output) -> Outcome {
    let body = DecisionBody {
        decision: "deny".into(),
        digest: None,
        comment,
    };
    let taken: Taken = client.post(&format!("/v1/approvals/{id}"), &body).await?;
    output.show(&taken, |t| format!("denied; intent {}", t.id));
    Ok(Exit::Done)
}

/// Posts a command and follows the intent until it rests again.
async fn command(client: &Client, follow: Follow, verb: &str, body: &impl Serialize, output: Output) -> Outcome {
    let before: IntentView = client.get(&format!("/v1/intents/{}", follow.intent)).await?;
    let path = format!("/v1/intents/{}/{verb}", follow.intent);
    let taken: Taken = client.post(&path, body).await?;
    if follow.no_wait {
        return Ok(tell(&taken, verb, output));
    }
    watch::until_rest(client, &follow.intent, Some(before.seq), output).await
}

pub(super) async fn apply(client: &Client, follow: Follow, output: Output) -> Outcome {
    command(client, follow, "apply", &json!({}), output).await
}

pub(super) async fn cancel(client: &Client, follow: Follow, reason: Option<String>, output: Output) -> Outcome {
    command(client, follow, "cancel", &ReasonBody { reason }, output).await
}

pub(super) async fn resume(client: &Client, follow: Follow, output: Output) -> Outcome {
    command(client, follow, "resume", &json!({}), output).await
}

pub(super) async fn pause(client: &Client, intent: &str, reason: Option<String>, output: Output) -> Outcome {
    let follow = Follow {
        intent: intent.to_owned(),
        no_wait: true,
    };
    command(client, follow, "pause", &ReasonBody { reason }, output).await
}

/// `settle` and `resolve`.
pub(super) async fn on_item(client: &Client, command: Command, output: Output) -> Outcome {
    match command {
        Command::Settle {
            intent,
            item,
            verdict,
            force,
            comment,
            no_wait,
        } => {
            let body = SettleBody {
                verdict,
                force,
                comment,
            };
            let follow = Follow { intent, no_wait };
            decide(client, follow, (&item, "settle"), &body, output).await
        }
        Command::Resolve {
            intent,
            item,
            resolution,
            comment,
            no_wait,
        } => {
            let body = ResolveBody { resolution, comment };
            let follow = Follow { intent, no_wait };
            decide(client, follow, (&item, "resolve"), &body, output).await
        }
        other => Err(Failure::Internal(format!("{other:?} decides about no item"))),
    }
}

/// Of `step` or `step/3`. A word of which nothing came is all that is told; else where the intent comes to rest, which may
/// be the same item again.
async fn decide(
    client: &Client,
    follow: Follow,
    (item, verb): (&str, &str),
    body: &impl Serialize,
    output: Output,
) -> Outcome {
    let Follow { intent, no_wait } = follow;
    let before: Option<IntentView> = match no_wait {
        true => None,
        false => Some(client.get(&format!("/v1/intents/{intent}")).await?),
    };
    let path = format!("/v1/intents/{intent}/steps/{item}/{verb}");
    let taken: Taken = client.post(&path, body).await?;
    let what = format!("{verb} {item}");
    match before.filter(|_| !taken.refused) {
        None => Ok(tell(&taken, &what, output)),
        Some(before) => {
            output.text(&format!("{}\n", told(&taken, &what)));
            watch::until_rest(client, &intent, Some(before.seq), output).await
        }
    }
}

/// That a command is recorded, and what came of it as far as that is known.
fn tell(taken: &Taken, what: &str, output: Output) -> Exit {
    output.show(taken, |taken| told(taken, what));
    match taken.refused {
        true => Exit::Failed,
        false => Exit::Done,
    }
}

fn told(taken: &Taken, what: &str) -> String {
    let Taken { id, state, came, .. } = taken;
    let state = state.replace('_', " ");
    match came {
        _ if !taken.taken_in => {
            format!("{what}: accepted and recorded, and yet to be taken in; see: flyball show {id}")
        }
        Some(why) if taken.refused => format!("{what}: recorded, but {}; intent {id} is {state}", harmless(why)),
        Some(came) => format!(
            "{what}: accepted and recorded: {}; intent {id} is {state}",
            harmless(came)
        ),
        None => format!("{what}: accepted and recorded; intent {id} is {state}"),
    }
}

pub(super) async fn halt(client: &Client, reason: Option<String>, output: Output) -> Outcome {
    let halt: HaltView = client.post("/v1/halt", &ReasonBody { reason }).await?;
    output.show(&halt, HaltView::line);
    Ok(Exit::Done)
}

pub(super) async fn unhalt(client: &Client, output: Output) -> Outcome {
    let halt: HaltView = client.post("/v1/unhalt", &json!({})).await?;
    output.show(&halt, HaltView::line);
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_the_open_digest_is_enough_and_another_one_is_left_to_the_server() {
        let open = Digest::of_bytes(b"the change");
        let hex = open.as_str().strip_prefix("sha256:").unwrap();
        for typed in [&hex[..12], &hex[..40], hex, open.as_str(), &open.as_str()[..19]] {
            assert_eq!(meant(typed, &open).unwrap(), open.as_str(), "{typed}");
        }
        assert!(matches!(meant(&hex[..11], &open), Err(Failure::Usage(_))));
        assert!(matches!(meant("sha256:", &open), Err(Failure::Usage(_))));
        assert_eq!(meant("000000000000", &open).unwrap(), "000000000000");
    }
}
