//! What an intent will do, as somebody checks it, and why: `plan`, `show --procedure` and `why`.

use super::args::Wish;
use super::client::Client;
use super::output::{Output, out};
use super::{Exit, Outcome, submit, watch};
use crate::http::dto::{IntentView, PlanView, WhyView};
use crate::render;

/// Looks, and shows what would be done.
pub(super) async fn plan(client: &Client, wish: Wish, markdown: bool, output: Output) -> Outcome {
    let no_wait = wish.no_wait;
    let taken = submit::send(client, wish, "plan").await?;
    if no_wait {
        output.show(&taken, |t| t.id.clone());
        return Ok(Exit::Done);
    }
    // A file for a ticket is made of the procedure alone.
    let on_the_way = if markdown { output.quietly() } else { output };
    submit::tell(&taken, on_the_way);
    let view = watch::to_rest(client, &taken.id, on_the_way).await?;
    planned(client, &view, markdown, output).await
}

async fn planned(client: &Client, view: &IntentView, markdown: bool, output: Output) -> Outcome {
    let goes_on = matches!(view.state.as_str(), "planned" | "awaiting_approval");
    if view.plan.is_none() || !(goes_on || markdown || output.json) {
        return watch::finish(client, view, output).await;
    }
    if output.json {
        output.value_line(view);
        output.value_line(&read(client, &view.id).await?);
    } else if markdown {
        out(&as_markdown(client, &view.id).await?);
    } else {
        let plan = read(client, &view.id).await?;
        output.text(&format!("\n{}", render::procedure::text(&plan.procedure, output.style)));
        output.text(&watch::next_step(view));
        output.text(&format!(
            "for a change ticket: flyball show {} --procedure --markdown\n",
            view.id
        ));
    }
    Ok(Exit::of_state(&view.state))
}

/// The procedure of an intent that is there already.
pub(super) async fn procedure(client: &Client, intent: &str, markdown: bool, output: Output) -> Outcome {
    if markdown {
        out(&as_markdown(client, intent).await?);
        return Ok(Exit::Done);
    }
    let plan = read(client, intent).await?;
    output.show(&plan, |p| render::procedure::text(&p.procedure, output.style));
    Ok(Exit::Done)
}

async fn read(client: &Client, intent: &str) -> Result<PlanView, super::Failure> {
    client.get(&format!("/v1/intents/{intent}/plan")).await
}

async fn as_markdown(client: &Client, intent: &str) -> Result<String, super::Failure> {
    client
        .get_text(&format!("/v1/intents/{intent}/plan"), "text/markdown")
        .await
}

/// Why an intent is as it is.
pub(super) async fn why(client: &Client, intent: &str, output: Output) -> Outcome {
    let view: WhyView = client.get(&format!("/v1/intents/{intent}/why")).await?;
    output.show(&view, |v| render::why::why(v, output.style));
    Ok(Exit::Done)
}
