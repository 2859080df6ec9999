//! What the next planner may know of the plans that failed: the plan itself, what it did, and what the checks read. It is
//! evidence to be quoted. Readings and outputs that may hold a device's own secrets are left out.

use super::late::{Late, contradiction};
use super::{DriveError, Driver};
use crate::actor::Actor;
use crate::canonical::Digest;
use crate::contract::apply::Known;
use crate::ids::{ItemId, Phase};
use crate::intent::effects::Stage;
use crate::intent::event::{CheckReading, CheckVerdict, Event, Settlement};
use crate::intent::item::ItemState;
use crate::intent::meaning::Meaning;
use crate::intent::state::{Accepted, Earlier};
use crate::payload::Payload;
use crate::plan::Plan;
use crate::ports::Tried;
use serde_json::{Value, json};

/// Most pieces of evidence of one plan, and the longest output that one quotes, in bytes of JSON.
const MOST_EVIDENCE: usize = 40;
const LONGEST_OUTPUT: usize = 1_500;

/// What is known when a plan is looked for: what the words mean, and the plans before this one.
#[derive(Default)]
pub(super) struct Before {
    pub(super) tried: Vec<Tried>,
    /// What models have cost so far, in tokens and in the unit of their prices.
    pub(super) tokens: u64,
    pub(super) cost: f64,
    pub(super) meant: Option<Meaning>,
    essences: Vec<Digest>,
}

impl Before {
    /// Whether a plan was tried already, whatever it calls itself.
    pub(super) fn has(&self, plan: &Plan) -> bool {
        self.essences.contains(&essence(plan))
    }
}

/// A plan but for its summary.
fn essence(plan: &Plan) -> Digest {
    let unnamed = Plan {
        summary: String::new(),
        ..plan.clone()
    };
    unnamed.digest()
}

impl Driver {
    pub(super) async fn tried_before(&mut self) -> Result<Before, DriveError> {
        let (input, output) = self.ledger.state.tokens;
        let mut before = Before {
            tokens: input + output,
            cost: self.ledger.state.cost,
            meant: self.meant().await?,
            ..Before::default()
        };
        for earlier in self.ledger.state.earlier.clone() {
            let Some(accepted) = earlier.accepted.clone() else {
                continue;
            };
            before.essences.push(essence(&accepted.plan));
            before.tried.push(Tried {
                revision: earlier.revision,
                source: accepted.source.clone(),
                plan: as_drafted(&accepted.plan),
                params: accepted.plan.params.clone(),
                why: earlier.why.clone(),
                evidence: self.evidence(&earlier, &accepted).await?,
            });
        }
        Ok(before)
    }

    /// What went wrong first, then what was done.
    async fn evidence(&mut self, earlier: &Earlier, accepted: &Accepted) -> Result<Vec<Value>, DriveError> {
        let mut all = Vec::new();
        let missed = earlier.checks.values().filter(|r| r.verdict != CheckVerdict::Held);
        for reading in missed.take(MOST_EVIDENCE) {
            all.push(self.check_evidence(reading).await?);
        }
        let (failed, others): (Vec<_>, Vec<_>) = earlier.items.iter().partition(|(_, item)| item.reason.is_some());
        for (id, item) in failed.into_iter().chain(others) {
            if all.len() >= MOST_EVIDENCE {
                all.push(json!({"left_out": "more of the same"}));
                break;
            }
            all.push(self.item_evidence(id, item, accepted).await?);
        }
        Ok(all)
    }

    async fn check_evidence(&mut self, reading: &CheckReading) -> Result<Value, DriveError> {
        Ok(json!({
            "check": reading.check,
            "verdict": reading.verdict,
            "problem": reading.problem,
            "output": self.quotable(reading.output.as_ref()).await?,
        }))
    }

    async fn item_evidence(&mut self, id: &ItemId, item: &ItemState, accepted: &Accepted) -> Result<Value, DriveError> {
        let tool = accepted.plan.step(&id.step).map(|(step, _)| step.tool.to_string());
        Ok(json!({
            "step": id.to_string(),
            "tool": tool,
            "status": item.status.api_name(),
            "reason": item.reason,
            "args": self.quotable(item.expanded.args.as_ref()).await?,
            "output": self.quotable(item.output.as_ref()).await?,
        }))
    }

    async fn quotable(&mut self, payload: Option<&Payload>) -> Result<Value, DriveError> {
        let shown = payload.filter(|p| !matches!(p, Payload::Sealed { .. }));
        let Some(payload) = shown else {
            return Ok(payload.map_or(Value::Null, |_| "(not shown: it may hold secrets)".into()));
        };
        let value = self.value(payload).await?.unwrap_or(Value::Null);
        let length = value.to_string().len();
        Ok(if length <= LONGEST_OUTPUT {
            value
        } else {
            format!("(not shown: {length} bytes)").into()
        })
    }
}

impl Driver {
    /// What is still heard of a call whose revision failed and was taken back. It stays evidence; where it contradicts how
    /// the call was settled, nothing of the present plan goes on before a person has looked.
    pub(super) async fn hear_of_earlier(&mut self, late: Late) -> Result<(), DriveError> {
        let state = &self.ledger.state;
        let (Some((earlier, item)), Some(outcome)) = (state.of_earlier(&late.call), late.answer()) else {
            return Ok(());
        };
        let (item, contracts) = (item.clone(), earlier.accepted.as_ref().map(|a| a.contracts.clone()));
        let Some(contracts) = contracts else { return Ok(()) };
        let args = match late.call.phase {
            Phase::Do => self.optional(item.expanded.args.clone()).await?,
            _ => None,
        };
        let args = args.and_then(|a| a.as_object().cloned()).unwrap_or_default();
        let (mut facts, applied, reason) = late.told(&contracts, &Known::of(args), outcome);
        let says = applied.map(|yes| {
            if yes {
                Settlement::Applied
            } else {
                Settlement::NotApplied
            }
        });
        let was = item.settlement_of(&late.call);
        let evidence = was.zip(says).and_then(|(was, says)| contradiction(was, says, &reason));
        if let Some(evidence) = evidence {
            facts.events.extend(self.contradicted_earlier(&late, evidence));
        }
        if self.ledger.state.ended.is_some() {
            facts.events.iter().for_each(|e| self.tell_after_the_end(e));
        }
        self.record(facts).await?;
        self.ledger.flush(Vec::new()).await
    }

    fn contradicted_earlier(&self, late: &Late, evidence: String) -> Vec<Event> {
        let why = format!(
            "{evidence} (revision {}): look at what it touches, then resume, or cancel",
            late.call.revision
        );
        let mut events = vec![Event::SettlementContradicted {
            call: late.call.clone(),
            evidence,
        }];
        let state = &self.ledger.state;
        match state.stage() {
            Stage::Ended => {}
            // The way back stays open: each undo compares what it finds anyhow.
            Stage::RollingBack => events.push(Event::Stuck {
                why,
                item: None,
                phase: None,
            }),
            _ => events.push(Event::PauseRequested {
                by: Actor::engine(),
                reason: Some(why),
            }),
        }
        events
    }
}

/// A plan in the form that people and models write.
fn as_drafted(plan: &Plan) -> Value {
    json!({
        "summary": plan.summary,
        "pre_checks": plan.pre_checks,
        "steps": plan.steps,
        "post_checks": plan.post_checks,
    })
}
