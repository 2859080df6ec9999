//! Commands of people become entries here, by the intent's owner, in the order in which they were acknowledged. What was
//! acknowledged is never lost: a command that does not fit *yet* waits in the inbox, and one that does not fit any more
//! leaves an entry that says so.

use super::facts::Facts;
use super::{DriveError, Driver, locks};
use crate::actor::Actor;
use crate::intent::command::{Command, What};
use crate::intent::event::{Event, FaultEffect, Resolution, SettledBy, Settlement};
use crate::intent::heard::WORDS;
use crate::intent::item::ItemStatus;
use crate::intent::meaning::MEANING;
use crate::intent::resolutions::choice;
use crate::intent::state::IntentState;
use serde_json::Value;

impl Driver {
    /// Turns what waits in the inbox into entries. Only what does not fit yet stays there; the driver looks again then.
    pub(super) async fn take_commands(&mut self) -> Result<(), DriveError> {
        self.commands_wait_ms = None;
        for command in self.deps.journal.inbox(self.ledger.id).await? {
            let now = self.deps.clock.now_ms();
            let mut facts = Facts::default();
            match events(&self.ledger.state, &command, now, &mut facts) {
                Ok(()) => {}
                Err(Unfit::NotYet { until_ms, why }) => {
                    tracing::info!(intent = %self.ledger.id, command = %command.id, "a command waits: {why}");
                    let first = self.commands_wait_ms.map_or(until_ms, |at| at.min(until_ms));
                    self.commands_wait_ms = Some(first);
                    continue;
                }
                Err(Unfit::Never(why)) => facts = refusal(&command, why),
            }
            self.ledger.consume(command.id.clone());
            self.record_by(facts, &command.by).await?;
        }
        Ok(())
    }
}

fn refusal(command: &Command, why: String) -> Facts {
    tracing::info!(command = %command.id, "a command came too late: {why}");
    Facts::of(Event::CommandRefused {
        command: command.id.clone(),
        what: command.what.words(),
        by: command.by.clone(),
        why,
    })
}

/// Why a command does not fit an intent's state.
pub(super) enum Unfit {
    Never(String),
    /// It will from then on, Unix milliseconds by the owner's clock, if nothing else happens.
    NotYet {
        until_ms: i64,
        why: String,
    },
}

impl From<String> for Unfit {
    fn from(why: String) -> Self {
        Self::Never(why)
    }
}

impl From<&str> for Unfit {
    fn from(why: &str) -> Self {
        Self::Never(why.to_owned())
    }
}

/// Whether a command fits an intent's state at `now`, as the API asks before it is synced: an error says why not.
pub fn fits(state: &IntentState, command: &Command, now: i64) -> Result<(), String> {
    fits_when(state, command, now).map_err(|unfit| match unfit {
        Unfit::Never(why) | Unfit::NotYet { why, .. } => why,
    })
}

/// The same; an error may say from when on it will.
pub(super) fn fits_when(state: &IntentState, command: &Command, now: i64) -> Result<(), Unfit> {
    events(state, command, now, &mut Facts::default())
}

/// What a command comes to. Times are judged by `now`, the clock of who asks, and never by when the command was sent: that
/// was another engine's clock, or this one's before a restart.
fn events(state: &IntentState, command: &Command, now: i64, facts: &mut Facts) -> Result<(), Unfit> {
    if let Some((end, reason, _)) = &state.ended {
        return Err(format!(
            "the intent has ended: {} ({reason})",
            super::super::intent::effects::end_name(*end)
        )
        .into());
    }
    let by = command.by.clone();
    match &command.what {
        What::Apply if state.applied => return Err("it is being applied already".into()),
        What::Apply => facts.push(Event::ApplyRequested { by }),
        What::Cancel { .. } if state.back_out.is_some() => return Err("it is being stopped already".into()),
        What::Cancel { reason } => facts.push(Event::CancelRequested {
            by,
            reason: reason.clone(),
        }),
        What::Pause { .. } if state.paused.is_some() => return Err("it is paused already".into()),
        What::Pause { reason } => facts.push(Event::PauseRequested {
            by,
            reason: reason.clone(),
        }),
        What::Resume if !may_resume(state) => return Err("it is not paused".into()),
        What::Resume => facts.push(Event::Resumed { by }),
        What::Approve { .. } | What::Deny { .. } => decide(state, command, facts)?,
        What::Settle { .. } => settle(state, command, now, facts)?,
        What::Resolve { .. } => resolve(state, command, facts)?,
        What::Input { request, answer } => input(state, request, answer, by, facts)?,
        What::ReleaseLock { .. } => locks::release(state, command, now, facts)?,
        What::HandOver { to } => locks::hand_over(state, *to, by, now, facts)?,
    }
    Ok(())
}

fn may_resume(state: &IntentState) -> bool {
    state.paused.is_some() || state.stuck.contains_key("intent") || state.only_told().next().is_some()
}

fn input(state: &IntentState, request: &str, answer: &Value, by: Actor, facts: &mut Facts) -> Result<(), String> {
    match request {
        WORDS => return words(state, answer, by, facts),
        MEANING => return meaning(state, answer, by, facts),
        _ => {}
    }
    let open = state.open_questions().find(|(open, ..)| *open == request);
    let (_, asked, _) = open.ok_or_else(|| format!("no question {request:?} is open"))?;
    let contracts = state.accepted.as_ref().map(|a| &a.contracts);
    let sealed = contracts.is_some_and(|c| c.of(&asked.tool).sealed);
    let declined = answer["action"] != "accept";
    let (request, answer) = (request.to_owned(), facts.payload(answer.clone(), sealed));
    facts.push(Event::InputGiven {
        request,
        answer,
        by,
        declined,
    });
    Ok(())
}

/// Only a person can say what was said: an agent would repeat what it was shown.
fn words(state: &IntentState, answer: &Value, by: Actor, facts: &mut Facts) -> Result<(), String> {
    state.open_words().ok_or("no words wait to be confirmed")?;
    if by.human.is_none() {
        return Err(format!(
            "only a person can say whether these are the words, and {by} is none"
        ));
    }
    let declined = answer["action"] != "accept";
    let answer = facts.payload(answer.clone(), false);
    facts.push(Event::InputGiven {
        request: WORDS.to_owned(),
        answer,
        by,
        declined,
    });
    Ok(())
}

fn meaning(state: &IntentState, answer: &Value, by: Actor, facts: &mut Facts) -> Result<(), String> {
    state.open_meaning().ok_or("nobody is asked what is meant")?;
    let declined = answer["action"] != "accept";
    let answer = facts.payload(answer.clone(), false);
    facts.push(Event::InputGiven {
        request: MEANING.to_owned(),
        answer,
        by,
        declined,
    });
    Ok(())
}

fn resolve(state: &IntentState, command: &Command, facts: &mut Facts) -> Result<(), String> {
    let What::Resolve {
        item,
        resolution,
        comment,
    } = &command.what
    else {
        return Err("no resolution".into());
    };
    let known = state.items.get(item).ok_or_else(|| format!("no item {item}"))?;
    let (by, comment) = (command.by.clone(), comment.clone());
    let event = Event::Resolved {
        item: item.clone(),
        resolution: *resolution,
        by,
        comment,
    };
    if !known.status.needs_a_person() || known.status.after(&event, known.probed).is_none() {
        let stands = known.status.api_name();
        return Err(match (resolution, known.status) {
            (Resolution::Overwrite, ItemStatus::Failed) => {
                let fits = choice(state.resolutions(item));
                format!(
                    "{item} is {stands}: overwrite is for an undo that another hand's change stands in the way of; here {fits} fits"
                )
            }
            _ => format!("{item} is {stands}: there is nothing to resolve that way"),
        });
    }
    let resend = known.status == ItemStatus::Failed && *resolution == Resolution::Retry;
    if resend && known.lease.is_some() {
        return Err(format!(
            "{item} is to be confirmed: it is not sent again: accept it, or cancel the intent"
        ));
    }
    let harmless = known.call.as_ref().is_none_or(|c| c.effect == Some(FaultEffect::None));
    if resend && (!harmless || state.rollback.is_some()) {
        // Sent again, it might be done twice; and while rolling back it would drop out of what must be taken back.
        return Err(format!(
            "{item} may have had an effect, or is being taken back: accept it, or cancel the intent"
        ));
    }
    let unfenced = known
        .call
        .as_ref()
        .is_some_and(|c| c.settled.is_some() && c.fence.is_none());
    if resend && unfenced {
        return Err(format!(
            "nothing shows that the first sending of {item} can land no more: accept it, or cancel the intent"
        ));
    }
    let offered = state.resolutions(item);
    if !offered.contains(resolution) {
        let (stands, said, fits) = (known.status.api_name(), resolution.as_str(), choice(offered));
        return Err(format!("{item} is {stands}: {said} does not fit; here {fits} does"));
    }
    facts.push(event);
    Ok(())
}

fn decide(state: &IntentState, command: &Command, facts: &mut Facts) -> Result<(), String> {
    let (id, by) = match &command.what {
        What::Approve { approval, .. } | What::Deny { approval, .. } => (approval, command.by.clone()),
        _ => return Err("no decision".into()),
    };
    let open = state.approval.as_ref().filter(|a| a.id == *id && a.given_by.is_none());
    let open = open.ok_or_else(|| format!("approval {id} is not open"))?;
    match &command.what {
        What::Approve {
            digest, comment, own, ..
        } => {
            if *digest != open.digest {
                return Err("the digest is not that of what is to be approved".into());
            }
            let (approval, digest, comment) = (id.clone(), digest.clone(), comment.clone());
            facts.push(Event::ApprovalGiven {
                approval,
                digest,
                by,
                comment,
                own: *own,
            });
        }
        What::Deny { comment, .. } => {
            facts.push(Event::ApprovalDenied {
                approval: id.clone(),
                by,
                comment: comment.clone(),
            });
        }
        _ => {}
    }
    Ok(())
}

fn settle(state: &IntentState, command: &Command, now: i64, facts: &mut Facts) -> Result<(), Unfit> {
    let What::Settle {
        item,
        verdict,
        force,
        comment,
    } = &command.what
    else {
        return Err("no settlement".into());
    };
    let known = state.items.get(item).ok_or_else(|| format!("no item {item}"))?;
    let (phase, decides) = match (known.doubtful_phase(), &known.contradiction) {
        (Some(phase), _) => (phase, false),
        (None, Some(_)) if known.status.is_open() => return Err(format!("a call of {item} is still under way").into()),
        (None, Some(contradiction)) => (contradiction.phase, true),
        (None, None) => return Err(format!("{item} is {}, not in doubt", known.status.api_name()).into()),
    };
    let call = known.call_of(phase).ok_or("nothing was sent")?;
    let until_ms = state.settled_from(call);
    let left = until_ms.saturating_sub(now);
    if left > 0 && !force && !decides {
        let seconds = left / 1000 + 1;
        let why = format!("the call could still land for {seconds} s: wait, or settle with force");
        return Err(Unfit::NotYet { until_ms, why });
    }
    let contract = state.contract_of_call(call);
    let fence = call
        .fence_at(&contract, state.claimed_ms, now)
        .filter(|_| *verdict == Settlement::NotApplied && !decides);
    let by = SettledBy::Person {
        by: command.by.clone(),
        comment: comment.clone(),
        forced: *force && left > 0,
    };
    let evidence = comment.clone().unwrap_or_else(|| "a person looked".to_owned());
    facts.push(Event::CallSettled {
        call: call.id.clone(),
        verdict: *verdict,
        by,
        evidence,
        fence: fence.map(str::to_owned),
    });
    Ok(())
}
