//! The verdict on an expanded plan, and the digest that an approval binds to.

use super::facts::Facts;
use super::{Deps, DriveError, Driver};
use crate::canonical::Digest;
use crate::contract::EffectClass;
use crate::intent::event::{Event, WayBack};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::state::IntentState;
use crate::payload::Payload;
use crate::ports::{Proposal, ProposedCall};
use serde_json::{Map, Value, json};

/// What policy is asked, and what an approval will bind to beside its verdict.
pub(super) struct Judgeable {
    proposal: Proposal,
    binds_to: Value,
}

impl Driver {
    /// The expanded plan as policy sees it: the mutating calls that are not in place already.
    pub(super) async fn proposal(&mut self) -> Result<Judgeable, DriveError> {
        let state = &self.ledger.state;
        let accepted = state.accepted.clone().expect("only an accepted plan is judged");
        let (request, binds_to) = (state.request.clone(), binding_facts(state));
        let pending: Vec<_> = state
            .items
            .iter()
            .filter(|(_, i)| i.mutating && (i.status == ItemStatus::Waiting || to_take_back(i)))
            .map(|(id, i)| (id.clone(), i.clone()))
            .collect();
        let mut calls = Vec::with_capacity(pending.len());
        for (id, item) in pending {
            let Some((step, _)) = accepted.plan.step(&id.step) else {
                continue;
            };
            let (tool, payload, way_back) = match (to_take_back(&item), &item.way_back) {
                // An undo has no way back of its own: what would bring the change again is asking for it again.
                (true, Some(WayBack::Call(undo))) => (undo.tool.clone(), Some(&undo.args), false),
                (_, way_back) => {
                    let known = matches!(way_back, Some(WayBack::Call(_)));
                    (step.tool.clone(), item.expanded.args.as_ref(), known)
                }
            };
            let args = match payload {
                Some(payload) => self.value(payload).await?,
                None => None,
            };
            calls.push(ProposedCall {
                effect: accepted.contracts.of(&tool).effect,
                way_back,
                contracted: accepted.contracts.contracts.contains_key(&tool),
                targets: item.expanded.targets,
                args: args.and_then(|a| a.as_object().cloned()).unwrap_or_else(Map::new),
                tool,
                item: id,
            });
        }
        let reads = accepted
            .plan
            .tools()
            .filter(|t| accepted.contracts.of(t).effect == EffectClass::Read)
            .cloned()
            .collect();
        let (intent, source, now_ms) = (self.ledger.id, accepted.source, self.deps.clock.now_ms());
        Ok(Judgeable {
            proposal: Proposal {
                intent,
                request,
                source,
                calls,
                reads,
                now_ms,
            },
            binds_to,
        })
    }
}

/// Whether it is what an earlier intent did and this one is to take back.
fn to_take_back(item: &ItemState) -> bool {
    item.expanded.undoes.is_some() && item.must_be_undone()
}

/// The plan, its expanded calls, targets, native diffs and undos, the base states, contracts and pins.
fn binding_facts(state: &IntentState) -> Value {
    let accepted = state.accepted.as_ref().expect("only an accepted plan is judged");
    let items: Vec<Value> = state
        .items
        .iter()
        .filter(|(_, i)| i.mutating)
        .map(|(id, i)| item_facts(id, i))
        .collect();
    json!({
        "intent": state.id,
        "revision": state.revision,
        "plan": accepted.digest,
        "contracts": Digest::of_value(&serde_json::to_value(&*accepted.contracts).expect("contracts serialise")),
        "pins": accepted.pins,
        "items": items,
    })
}

fn item_facts(id: &crate::ids::ItemId, item: &ItemState) -> Value {
    let shown = |payload: &Option<Payload>| {
        payload
            .as_ref()
            .map(|p| serde_json::to_value(p).expect("a payload serialises"))
    };
    json!({
        "item": id,
        "status": item.status,
        "args": shown(&item.expanded.args),
        "targets": item.expanded.targets,
        "wave": item.expanded.wave,
        "state": shown(&item.before.as_ref().and_then(|r| r.state.clone())),
        "base": item.preview_base,
        "diff": shown(&item.preview),
        "way_back": item.way_back,
        "left": item.expanded.undoes.as_ref().map(|_| shown(&item.after.as_ref().and_then(|r| r.state.clone()))),
        "overwrite": item.overwrite,
    })
}

/// Asks policy and fixes the digest.
pub(super) fn judge(deps: &Deps, asked: Judgeable) -> Facts {
    let verdict = deps.policy.judge(&asked.proposal);
    let digest = Digest::of_value(&json!({
        "binds_to": asked.binds_to,
        "policies": verdict.policies,
        "decision": verdict.decision,
        "expires_after_s": verdict.approval_ttl.as_secs(),
    }));
    Facts::of(Event::PlanJudged {
        decision: verdict.decision,
        rules: verdict.rules,
        digest,
    })
}

/// Asks for an approval of what was judged.
pub(super) fn request_approval(deps: &Deps, state: &IntentState) -> Facts {
    let judged = state
        .judged
        .as_ref()
        .expect("an approval is asked for after the verdict");
    let expires_ms = deps.clock.now_ms() + deps.policy.approval_ttl().as_millis() as i64;
    let approval = format!("{}-{}", state.id, judged.digest.short());
    Facts::of(Event::ApprovalRequested {
        approval,
        digest: judged.digest.clone(),
        expires_ms,
    })
}
