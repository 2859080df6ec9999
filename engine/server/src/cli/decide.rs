//! What a person decides: approve, deny, apply, cancel, pause, resume, settle, resolve, halt.

use super::args::{Approve, Follow};
use super::client::Client;
use super::output::{Output, confirm};
use super::{Exit, Failure, Outcome, watch};
use crate::http::dto::{ApprovalView, DecisionBody, DiffView, HaltView, IntentView, ReasonBody, StepsView, Taken};
use crate::render::{diff, tree};
use serde::Serialize;
use serde_json::json;

pub(super) async fn approve(client: &Client, args: Approve, output: Output) -> Outcome {
    let approval = waiting(client, &args.id).await?;
    let digest = match args.digest {
        Some(digest) => digest,
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

async fn waiting(client: &Client, id: &str) -> Result<ApprovalView, Failure> {
    let approvals: Vec<ApprovalView> = client.get("/v1/approvals").await?;
    let found = approvals.into_iter().find(|a| a.id == id || a.intent == id);
    found.ok_or_else(|| Failure::Usage(format!("no approval {id} is waited for; see: flyball approvals")))
}

/// What an approval is about, as a person needs to see it.
async fn show(client: &Client, approval: &ApprovalView, output: Output) -> Result<(), Failure> {
    let steps: StepsView = client.get(&format!("/v1/intents/{}/steps", approval.intent)).await?;
    let change: DiffView = client.get(&format!("/v1/intents/{}/diff", approval.intent)).await?;
    output.text(&format!("{} asks: {}\n\n", approval.asked_by, approval.title));
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
        output.show(&taken, |t| {
            format!("{verb}: intent {} is {}", t.id, t.state.replace('_', " "))
        });
        return Ok(Exit::Done);
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

/// `settle` and `resolve`, of `step` or `step/3`.
pub(super) async fn item(
    client: &Client,
    intent: &str,
    item: &str,
    verb: &str,
    body: &impl Serialize,
    output: Output,
) -> Outcome {
    let taken: Taken = client
        .post(&format!("/v1/intents/{intent}/steps/{item}/{verb}"), body)
        .await?;
    output.show(&taken, |t| {
        format!("{verb} {item}: intent {} is {}", t.id, t.state.replace('_', " "))
    });
    Ok(Exit::Done)
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
