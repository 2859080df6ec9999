//! Following an intent: a live tree at a terminal, plain lines in a pipe, lines of JSON for programs.

use super::client::{Client, Told};
use super::output::Output;
use super::{Exit, Failure, Outcome};
use crate::errors::Code;
use crate::http::RESTART;
use crate::http::dto::{DiffView, EntryView, HaltView, IntentView, ReportView, StepsView};
use crate::http::problem::Problem;
use crate::render::{diff, harmless, question, table, tree};
use futures::{Stream, StreamExt};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::pin::pin;
use std::time::{Duration, Instant};

/// The tree is drawn at most this often.
const DRAW_EVERY: Duration = Duration::from_millis(120);
/// How long to wait before asking again when the stream broke off.
const AGAIN: Duration = Duration::from_millis(500);
/// How often to look, while nothing happens, whether anything can.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often in a row the stream may break off before the server counts as gone.
const TRIES: u32 = 20;

/// Follows until the intent has ended.
pub(super) async fn to_the_end(client: &Client, intent: &str, output: Output) -> Outcome {
    let view = follow(client, intent, 0, output, |v| has_ended(&v.state)).await?;
    finish(client, &view, output).await
}

/// Follows until the intent has ended or waits for a person. `after`: the entry behind which a rest counts, since a
/// command that was only posted has not moved it yet.
pub(super) async fn until_rest(client: &Client, intent: &str, after: Option<u64>, output: Output) -> Outcome {
    let moved = after.unwrap_or(0);
    let view = follow(client, intent, moved, output, |v| rests(v) && v.seq > moved).await?;
    finish(client, &view, output).await
}

/// Follows until the intent has ended or waits for a person, and shows nothing of what it came to.
pub(super) async fn to_rest(client: &Client, intent: &str, output: Output) -> Result<IntentView, Failure> {
    follow(client, intent, 0, output, rests).await
}

pub(super) fn has_ended(state: &str) -> bool {
    matches!(state, "fulfilled" | "rolled_back" | "failed" | "refused" | "cancelled")
}

/// Whether nothing more happens without a person.
fn rests(view: &IntentView) -> bool {
    let waits = || {
        matches!(
            view.state.as_str(),
            "planned" | "awaiting_approval" | "awaiting_input" | "paused" | "stuck"
        )
    };
    has_ended(&view.state) || (waits() && !view.about_to_move)
}

async fn follow(
    client: &Client,
    intent: &str,
    mut after: u64,
    output: Output,
    done: impl Fn(&IntentView) -> bool,
) -> Result<IntentView, Failure> {
    let mut live = output.live.then(Live::new);
    let mut tries = 0;
    // Nothing happens any more where nothing can be recorded.
    let done = |view: &IntentView| view.unwritable.is_some() || done(view);
    loop {
        let view: IntentView = client.get(&format!("/v1/intents/{intent}")).await?;
        if done(&view) {
            // Lines of what happened before are told even when it is all over.
            if live.is_none() {
                tell_rest(client, intent, after, view.seq, output).await?;
            }
            return Ok(view);
        }
        let events = match client.events(intent, after).await {
            Ok(events) => events,
            Err(error) if tries >= TRIES => return Err(error),
            Err(_) => {
                tries += 1;
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let before = after;
        let mut round = Round {
            client,
            intent,
            output,
            live: live.as_mut(),
            after: &mut after,
        };
        round.run(pin!(events), &done).await?;
        tries = if after > before { 0 } else { tries + 1 };
        if tries >= TRIES {
            return Err(Failure::Internal("the stream of events keeps breaking off".into()));
        }
        if after == before {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// One stream, until it ends or the intent is where it should be.
struct Round<'a> {
    client: &'a Client,
    intent: &'a str,
    output: Output,
    live: Option<&'a mut Live>,
    after: &'a mut u64,
}

impl Round<'_> {
    async fn run(
        &mut self,
        mut events: impl Stream<Item = Told> + Unpin,
        done: &impl Fn(&IntentView) -> bool,
    ) -> Result<(), Failure> {
        while let Some(told) = self.next(&mut events, done).await? {
            let entry = match told {
                Told::Entry(entry) => entry,
                Told::Halt(halt) => {
                    self.tell_halt(&halt);
                    if let Some(live) = &mut self.live {
                        live.drawn = None;
                        live.draw(self.client, self.intent, self.output).await?;
                    }
                    continue;
                }
            };
            *self.after = entry.seq;
            match &mut self.live {
                None => tell(&entry, self.output),
                Some(live) => live.draw(self.client, self.intent, self.output).await?,
            }
            if may_rest(&entry.kind) {
                let view: IntentView = self.client.get(&format!("/v1/intents/{}", self.intent)).await?;
                if done(&view) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What comes next. None: the stream has ended, or the intent is where it should be and says nothing more.
    async fn next(
        &self,
        events: &mut (impl Stream<Item = Told> + Unpin),
        done: &impl Fn(&IntentView) -> bool,
    ) -> Result<Option<Told>, Failure> {
        loop {
            if let Ok(told) = tokio::time::timeout(LOOK_EVERY, events.next()).await {
                return Ok(told);
            }
            let view: IntentView = self.client.get(&format!("/v1/intents/{}", self.intent)).await?;
            if done(&view) {
                return Ok(None);
            }
        }
    }
}

impl Round<'_> {
    fn tell_halt(&mut self, halt: &HaltView) {
        let line = crate::render::harmless(&halt.line());
        match &mut self.live {
            Some(live) => live.halt = halt.halted.then_some(line),
            None if self.output.json => self
                .output
                .value_line(&serde_json::json!({"kind": "halt", "halt": halt})),
            None => self.output.text(&format!("{:>15}{line}\n", "")),
        }
    }
}

/// After which entries an intent may wait for a person. Asking after each one would be a fold per entry.
fn may_rest(kind: &str) -> bool {
    matches!(
        kind,
        "IntentEnded"
            | "ApprovalRequested"
            | "PlanJudged"
            | "Stuck"
            | "PauseRequested"
            | "InputRequested"
            // Given while it was paused, or about one of several items, it moves nothing.
            | "InputGiven"
            | "Resolved"
            | "CallSettled"
            | "CommandRefused"
    )
}

fn tell(entry: &EntryView, output: Output) {
    if output.json {
        output.value_line(entry);
    } else {
        let time = entry.at.get(11..19).unwrap_or("");
        output.text(&format!(
            "{time} {:>4}  {}\n",
            entry.seq,
            crate::render::harmless(&entry.text)
        ));
    }
}

async fn tell_rest(client: &Client, intent: &str, after: u64, upto: u64, output: Output) -> Result<(), Failure> {
    let mut after = after;
    while after < upto {
        let path = format!("/v1/intents/{intent}/events?after={after}&limit=1000");
        let page: crate::http::dto::EntryPage = client.get(&path).await?;
        let Some(last) = page.entries.last() else { return Ok(()) };
        after = last.seq;
        page.entries.iter().for_each(|e| tell(e, output));
    }
    Ok(())
}

/// The tree that is drawn over itself.
struct Live {
    bar: ProgressBar,
    drawn: Option<Instant>,
    /// The halt in force, in one line.
    halt: Option<String>,
}

impl Live {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_draw_target(ProgressDrawTarget::stdout());
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is constant"));
        Self {
            bar,
            drawn: None,
            halt: None,
        }
    }

    async fn draw(&mut self, client: &Client, intent: &str, output: Output) -> Result<(), Failure> {
        if self.drawn.is_some_and(|at| at.elapsed() < DRAW_EVERY) {
            return Ok(());
        }
        self.drawn = Some(Instant::now());
        let view: IntentView = client.get(&format!("/v1/intents/{intent}")).await?;
        let steps: StepsView = client.get(&format!("/v1/intents/{intent}/steps")).await?;
        let mut text = tree::progress(&steps, &view.state, output.style) + &tree::tree(&steps, output.style);
        if let Some(halt) = &self.halt {
            text += &format!("{halt}\n");
        }
        self.bar.set_message(text);
        self.bar.tick();
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What is shown when nothing more happens by itself, and the exit code that goes with it.
pub(super) async fn finish(client: &Client, view: &IntentView, output: Output) -> Outcome {
    let shown = shown(client, view, output).await?;
    let Some(why) = &view.unwritable else { return Ok(shown) };
    if !output.json {
        let detail = format!("{why}: intent {} stands still; {RESTART}", view.id);
        output.problem(&Problem::new(Code::Unwritable, detail));
    }
    Ok(Exit::Stuck)
}

async fn shown(client: &Client, view: &IntentView, output: Output) -> Outcome {
    let exit = match view.contradicted.is_empty() {
        true => Exit::of_state(&view.state),
        // Its end may not be what it says.
        false => Exit::Stuck,
    };
    if output.json {
        output.value_line(view);
        return Ok(exit);
    }
    let style = output.style;
    if has_ended(&view.state) {
        let report: ReportView = client.get(&format!("/v1/intents/{}/report", view.id)).await?;
        output.text(&format!("\n{}", table::report(&report, style)));
        for fault in &view.faults {
            let suggestion = fault
                .suggestion
                .as_deref()
                .map(|s| format!("\n    → {}", harmless(s)))
                .unwrap_or_default();
            output.text(&format!(
                "{} {} [{}]{suggestion}\n",
                harmless(&fault.pointer),
                harmless(&fault.message),
                fault.rule
            ));
        }
        // What only reads was asked for the sake of what it read.
        if view.state == "fulfilled" && report.targets.is_empty() {
            let steps: StepsView = client.get(&format!("/v1/intents/{}/steps", view.id)).await?;
            output.text(&tree::outputs(&steps, style));
        }
        return Ok(exit);
    }
    let steps: StepsView = client.get(&format!("/v1/intents/{}/steps", view.id)).await?;
    output.text(&format!("\n{}", tree::tree(&steps, style)));
    let read_back = view.questions.iter().any(|q| q.kind == question::WORDS);
    if let Some(heard) = view.heard.as_ref().filter(|_| !read_back) {
        output.text(&format!("\n{}", question::heard(heard)));
    }
    if read_back || matches!(view.state.as_str(), "planned" | "awaiting_approval") {
        let change: DiffView = client.get(&format!("/v1/intents/{}/diff", view.id)).await?;
        output.text(&format!("\n{}", diff::diff(&change, style)));
    }
    output.text(&question::questions(&view.id, &view.questions, style));
    output.text(&next_step(view));
    Ok(exit)
}

/// What a person can do now.
pub(super) fn next_step(view: &IntentView) -> String {
    let id = &view.id;
    match view.state.as_str() {
        "planned" => format!("\nplanned; go on with: flyball apply {id}\n"),
        "awaiting_approval" => {
            let reasons = view.approval.iter().flat_map(|a| &a.reasons);
            let reasons: String = reasons.map(|r| format!("  {}\n", harmless(r))).collect();
            format!("\nwaiting for approval\n{reasons}approve with: flyball approve {id}\n")
        }
        "awaiting_input" => String::new(),
        "paused" => format!("\npaused; go on with: flyball resume {id}\n"),
        "stuck" => {
            let why: String = view.stuck.iter().map(|s| format!("  {}\n", harmless(s))).collect();
            let ways: String = view.ways.iter().map(|w| format!("  {}\n", harmless(w))).collect();
            let given: String = view.given.iter().map(|g| format!("  {}\n", harmless(g))).collect();
            match (view.stuck.is_empty(), given.is_empty()) {
                (true, false) => format!("\nstuck, but a person has decided; nothing more is asked:\n{given}"),
                (false, false) => {
                    format!("\ngiven already:\n{given}stuck, a person must decide:\n{why}go on with one of:\n{ways}")
                }
                _ => format!("\nstuck, a person must decide:\n{why}go on with one of:\n{ways}"),
            }
        }
        state => format!("\n{}\n", state.replace('_', " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_intent_ends_with_the_commands_that_fit_and_no_others() {
        let view = IntentView {
            state: "stuck".into(),
            stuck: vec!["s: the outcome is not known".into()],
            ways: vec![
                "flyball settle ID s applied".into(),
                "flyball settle ID s not_applied".into(),
            ],
            ..IntentView::default()
        };
        let text = next_step(&view);
        assert!(text.contains("s: the outcome is not known"), "{text}");
        assert!(
            text.contains("go on with one of:\n  flyball settle ID s applied\n  flyball settle ID s not_applied\n"),
            "{text}"
        );
        assert!(!text.contains("resolve"), "{text}");
    }

    #[test]
    fn every_resting_state_has_its_exit_code() {
        let at = |state: &str| IntentView {
            state: state.to_owned(),
            ..IntentView::default()
        };
        for (state, code) in [
            ("fulfilled", Exit::Done),
            ("planned", Exit::Done),
            ("failed", Exit::Failed),
            ("refused", Exit::Refused),
            ("cancelled", Exit::Refused),
            ("stuck", Exit::Stuck),
            ("rolled_back", Exit::RolledBack),
            ("awaiting_approval", Exit::Waiting),
            ("awaiting_input", Exit::Stuck),
        ] {
            assert!(rests(&at(state)), "{state}");
            assert_eq!(Exit::of_state(state), code, "{state}");
        }
        assert!(!rests(&at("executing")) && !rests(&at("looking")));
        let about_to_move = |state| IntentView {
            about_to_move: true,
            ..at(state)
        };
        assert!(!rests(&about_to_move("stuck")) && rests(&about_to_move("cancelled")));
    }
}
