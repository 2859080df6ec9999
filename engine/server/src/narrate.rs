//! One line for people per journal entry. Nothing is decided here: it says what the entry says.

use crate::http::dto::HeardView;
use crate::http::views::{awaited_name, clock};
use crate::render::count;
use flyball_engine::intent::event::{
    Awaited, CheckVerdict, Decision, Event, PlanStage, Resolution, SettledBy, StageEnd, WayBack,
};
use flyball_engine::intent::heard::WORDS;
use flyball_engine::intent::meaning::MEANING;
use flyball_engine::payload::Payload;
use flyball_engine::target::Target;
use serde_json::Value;

/// What an entry says, in one line. Values that may hold secrets are never part of it.
pub fn line(event: &Event) -> String {
    planning(event)
        .or_else(|| looking(event))
        .or_else(|| deciding(event))
        .or_else(|| calling(event))
        .or_else(|| settling(event))
        .or_else(|| ending(event))
        .unwrap_or_else(|| event.name().to_owned())
}

fn planning(event: &Event) -> Option<String> {
    Some(match event {
        Event::IntentReceived { request } => match request.undo_of {
            Some(of) => format!("asked for by {}, to take back intent {of}", request.origin.actor),
            None => match HeardView::of(request) {
                Some(heard) => format!("spoken by {}: {}", request.origin.actor, heard.how()),
                None => format!("asked for by {}", request.origin.actor),
            },
        },
        Event::Claimed { epoch, .. } => format!("taken over by an engine (epoch {epoch})"),
        Event::PlanningStarted { revision } => format!("planning, revision {revision}"),
        Event::ModelAnswered {
            purpose,
            model,
            input_tokens,
            output_tokens,
            problem,
            ..
        } => {
            let bad = problem
                .as_deref()
                .map(|p| format!(", not usable: {p}"))
                .unwrap_or_default();
            format!("{model} asked to {purpose} ({input_tokens} tokens in, {output_tokens} out){bad}")
        }
        Event::StageTried { stage, end, why, .. } => format!("{} {why}", stage_name(*stage, *end)),
        Event::ToolsRetrieved { tools, .. } => {
            let left_out = tools.not_shown.len() as u64 + tools.others;
            let shown: Vec<String> = tools.shown.iter().map(ToString::to_string).collect();
            format!("tools shown to the model: {}; {left_out} not shown", shown.join(", "))
        }
        Event::PlanDrafted { source, .. } => format!("a plan was drafted by {}", source_name(source)),
        Event::PlanRefused { reason, .. } => format!("no plan: {reason}"),
        Event::PlanAccepted { digest, source, .. } => {
            format!("plan {} by {} accepted", digest.short(), source_name(source))
        }
        _ => return None,
    })
}

fn stage_name(stage: PlanStage, end: StageEnd) -> String {
    let stage = match stage {
        PlanStage::Phrase => "by phrase",
        PlanStage::Choice => "by choice of a runbook",
        PlanStage::Draft => "by a plan of the model's own",
        PlanStage::Next => "by the runbook that is next",
    };
    match end {
        StageEnd::Fits => format!("planned {stage}:"),
        StageEnd::Passed => format!("not {stage}:"),
        StageEnd::Stopped => format!("no plan {stage}, and nothing else is tried:"),
    }
}

fn looking(event: &Event) -> Option<String> {
    Some(match event {
        Event::StepExpanded { step, items } if items.len() == 1 && items[0].index.is_none() => {
            format!("{step}: one call")
        }
        Event::StepExpanded { step, items } => format!("{step}: {}", count(items.len(), "call")),
        Event::StepSkipped { item, reason } => format!("{item} skipped: {reason}"),
        Event::StepSatisfied { item, .. } => format!("{item} is in place already, nothing is sent"),
        Event::ProbeTaken { item, purpose, reading } => {
            let purpose = serde_json::to_value(purpose).ok();
            let purpose = purpose
                .as_ref()
                .and_then(|v| v.as_str())
                .unwrap_or("probe")
                .replace('_', " ");
            let verdict = match (reading.valid, reading.holds, reading.equal) {
                (false, ..) => reading.problem.clone().unwrap_or_else(|| "no evidence".into()),
                (_, Some(true), _) => "the change is in place".into(),
                (_, _, Some(true)) => "as it was".into(),
                (_, _, Some(false)) => "differs".into(),
                (_, Some(false), _) => "the change is not in place".into(),
                _ => "read".into(),
            };
            format!("{item} probed ({purpose}): {verdict}")
        }
        Event::PreviewTaken {
            item, output, way_back, ..
        } => {
            // Without a preview tool only the way back was chosen.
            let how = match output {
                Payload::Inline(Value::Null) => "looked at, without a preview",
                _ => "previewed",
            };
            match way_back {
                WayBack::Call(undo) => format!("{item} {how}; the way back is {}", undo.tool),
                WayBack::Irreversible { why } => format!("{item} {how}; no way back: {why}"),
            }
        }
        Event::ChecksTaken { readings } => readings
            .iter()
            .map(|r| format!("{}: {}", check_name(&r.check), verdict_name(r.verdict)))
            .collect::<Vec<_>>()
            .join(", "),
        Event::PlanStale { why, .. } => format!("the look is stale, looking again: {why}"),
        _ => return None,
    })
}

fn deciding(event: &Event) -> Option<String> {
    let said = |comment: &Option<String>| comment.as_deref().map(|c| format!(": {c}")).unwrap_or_default();
    Some(match event {
        Event::PlanJudged {
            decision,
            rules,
            beside,
            ..
        } => {
            let verdict = verdict_of(*decision);
            let others = match beside.len() {
                0 => String::new(),
                n => format!("; {} on the same targets", count(n, "other open intent")),
            };
            // A rule about a change says more than one about looking.
            let about_a_change = rules.iter().find(|rule| rule.item.is_some());
            match about_a_change.or(rules.first()) {
                Some(rule) => format!("{verdict} ({}: {}){others}", rule.rule, rule.reason),
                None => format!("{verdict}{others}"),
            }
        }
        Event::ApprovalRequested { digest, .. } => format!("approval asked for, digest {}", digest.short()),
        Event::ApprovalGiven { by, comment, own, .. } => {
            let own = if *own { " (their own intent)" } else { "" };
            format!("approved by {by}{own}{}", said(comment))
        }
        Event::ApprovalDenied { by, comment, .. } => format!("denied by {by}{}", said(comment)),
        Event::ApprovalExpired { .. } => "nobody approved in time".to_owned(),
        Event::TargetsLocked { targets } => format!("locked {}", names(targets)),
        Event::TargetsWaiting { targets, holders } => {
            format!("waiting for {}: {}", names(targets), holders.join(", "))
        }
        Event::TargetsReleased {
            targets,
            reason,
            by: Some(by),
            to: None,
        } => format!("{by} released the lock on {}: {reason}", names(targets)),
        Event::TargetsReleased { targets, reason, .. } => format!("released {} ({reason})", names(targets)),
        Event::ApplyRequested { by } => format!("{by} said to apply it"),
        Event::PauseRequested { by, reason } => format!("paused by {by}{}", said(reason)),
        Event::Resumed { by } => format!("resumed by {by}"),
        Event::CancelRequested { by, reason } => format!("cancelled by {by}{}", said(reason)),
        Event::DeadlinePassed { .. } => "a deadline passed".to_owned(),
        _ => return None,
    })
}

fn calling(event: &Event) -> Option<String> {
    Some(match event {
        Event::WaveStarted { step, wave } => format!("{step}: wave {} starts", wave + 1),
        Event::WaveJudged {
            step,
            wave,
            passed,
            reason,
        } => {
            let verdict = if *passed { "passed" } else { "did not pass" };
            let why = reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
            format!("{step}: wave {} {verdict}{why}", wave + 1)
        }
        Event::CallStarted {
            call, tool, attempt, ..
        } => {
            let again = if *attempt > 1 {
                format!(", attempt {attempt}")
            } else {
                String::new()
            };
            format!("{} ({}): {tool} is called{again}", call.item, call.phase.as_str())
        }
        Event::CallAnswered { call, .. } => format!("{} ({}): answered", call.item, call.phase.as_str()),
        Event::CallNotSent { call, reason, .. } => format!("{}: not sent: {reason}", call.item),
        Event::CallRetryScheduled { until_ms, .. } => format!("{}, from {} on", again(event), clock(*until_ms)),
        Event::CallFailed { call, fault, .. } => format!("{} ({}): failed: {fault}", call.item, call.phase.as_str()),
        _ => return None,
    })
}

/// What is done again, by which rule, and why; without the time.
pub fn again(event: &Event) -> String {
    let Event::CallRetryScheduled {
        call,
        rule,
        reading,
        why,
        ..
    } = event
    else {
        return line(event);
    };
    let what = match reading {
        // Those have no item of their own.
        Some(Awaited::Plan { .. }) => "the model is to be asked for a plan".to_owned(),
        Some(Awaited::Check { check, .. }) => format!("{} is to be taken", check_name(check)),
        Some(awaited) => format!("{}: {}", call.item, awaited_name(awaited)),
        None => format!("{} ({}): to be sent", call.item, call.phase.as_str()),
    };
    let why = why.as_deref().map(|w| format!(": {w}")).unwrap_or_default();
    format!("{what} again ({rule}){why}")
}

fn settling(event: &Event) -> Option<String> {
    Some(match event {
        Event::CallInDoubt { call, reason, .. } => format!("{} in doubt: {reason}", call.item),
        // The handle is as good as a key at some servers: it stays in the journal.
        Event::TaskNoted { call, lost: None, .. } => format!("{}: the server works on it as a task", call.item),
        Event::TaskNoted {
            call, lost: Some(why), ..
        } => format!("{}: its task is lost: {why}", call.item),
        Event::LateAnswer { call, reason, .. } => format!("{}: a late answer came: {reason}", call.item),
        Event::CallSettled {
            call,
            verdict,
            by,
            evidence,
            ..
        } => {
            let by = match by {
                SettledBy::Task => "the server's task".to_owned(),
                SettledBy::LateAnswer => "the late answer".to_owned(),
                SettledBy::Probe => "a probe".to_owned(),
                SettledBy::Person { by, .. } => by.to_string(),
            };
            format!("{}: settled as {} by {by}: {evidence}", call.item, verdict.words())
        }
        Event::SettlementContradicted { call, evidence } => {
            format!("{}: what it was settled as is contradicted: {evidence}", call.item)
        }
        Event::InputRequested { .. } | Event::InputGiven { .. } => return asking(event),
        Event::LeaseExtended { call, .. } => format!("{}: the device's timer was extended", call.item),
        Event::LeaseExpired { call, .. } => format!("{}: the device's timer ran out", call.item),
        _ => return None,
    })
}

fn asking(event: &Event) -> Option<String> {
    Some(match event {
        Event::InputRequested { request, .. } if request == WORDS => "the words are read back to a person".to_owned(),
        Event::InputGiven {
            request, by, declined, ..
        } if request == WORDS => match declined {
            true => format!("{by} says that these are not the words"),
            false => format!("{by} says that these are the words"),
        },
        Event::InputRequested { request, .. } if request == MEANING => {
            "the words can mean several things: a person is asked which".to_owned()
        }
        Event::InputGiven {
            request, by, declined, ..
        } if request == MEANING => match declined {
            true => format!("{by} says that none of these is meant"),
            false => format!("{by} says what is meant"),
        },
        Event::InputRequested { request, tool, .. } => {
            let server = tool.as_ref().map_or("the server", |t| t.server());
            format!("{server} asks before it goes on: question {request}")
        }
        Event::InputGiven {
            request, by, declined, ..
        } => match declined {
            true => format!("{by} declined to answer question {request}"),
            false => format!("{by} answered question {request}"),
        },
        _ => return None,
    })
}

fn ending(event: &Event) -> Option<String> {
    Some(match event {
        Event::ReplanDecided { revision, why } => format!("planning again (revision {revision}): {why}"),
        Event::RollbackStarted { why } => format!("taking everything back: {why}"),
        Event::UndoConflict { item, why, .. } => format!("{item} is not taken back: {why}"),
        Event::UndoBlocked { item, by } => format!("{item} cannot be taken back before {by}"),
        Event::Resolved {
            item,
            resolution,
            by,
            comment,
        } => {
            let what = match resolution {
                Resolution::Retry => "retry",
                Resolution::Accept => "accept it as it is",
                Resolution::Overwrite => "overwrite what is there now",
            };
            let said = comment.as_deref().map(|c| format!(" ({c})")).unwrap_or_default();
            format!("{by} resolved {item}: {what}{said}")
        }
        Event::CommandRefused { what, by, why, .. } => format!("nothing came of {by}'s «{what}»: {why}"),
        Event::DriftFound { item, .. } => format!("{item} has drifted"),
        Event::Summarised { .. } => "summarised".to_owned(),
        Event::Stuck { why, item, .. } => match item {
            Some(item) => format!("stuck at {item}: {why}"),
            None => format!("stuck: {why}"),
        },
        Event::IntentEnded { end, reason, partial } => {
            let partial = if *partial { " in part" } else { "" };
            let end = flyball_engine::intent::effects::end_name(*end).replace('_', " ");
            format!("{end}{partial}: {reason}")
        }
        _ => return None,
    })
}

/// What policy said, for people.
pub fn verdict_of(decision: Decision) -> &'static str {
    match decision {
        Decision::Run => "policy lets it run",
        Decision::NeedsApproval => "policy asks for a person's approval",
        Decision::Refuse => "policy refuses it",
    }
}

/// Who made a plan, for people.
pub fn source_name(source: &flyball_engine::intent::event::PlanSource) -> String {
    use flyball_engine::intent::event::PlanSource;
    match source {
        PlanSource::Runbook { id } => format!("runbook {id}"),
        PlanSource::Model { name } => format!("model {name}"),
        PlanSource::Operator => "operator".to_owned(),
    }
}

/// A check's name: `pre 1`, `post 1`, `gate of ospf/0`.
pub fn check_name(check: &flyball_engine::intent::event::CheckId) -> String {
    use flyball_engine::intent::event::CheckId;
    match check {
        CheckId::Pre { index } => format!("pre-check {}", index + 1),
        CheckId::Post { index } => format!("post-check {}", index + 1),
        CheckId::Gate { item } => format!("gate of {item}"),
        CheckId::Expect { item } => format!("expectation of {item}"),
    }
}

/// How a check ended, for people.
pub fn verdict_name(verdict: CheckVerdict) -> &'static str {
    match verdict {
        CheckVerdict::Held => "held",
        CheckVerdict::Missed => "missed",
        CheckVerdict::Unreadable => "unreadable",
        CheckVerdict::Recorded => "recorded",
    }
}

/// Targets in one phrase; long lists are cut.
fn names(targets: &[Target]) -> String {
    let shown: Vec<&str> = targets.iter().take(4).map(Target::as_str).collect();
    match targets.len().saturating_sub(4) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
