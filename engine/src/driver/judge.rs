//! The verdict on an expanded plan, and the digest that an approval binds to.

use super::facts::Facts;
use super::{Deps, DriveError, Driver};
use crate::actor::Actor;
use crate::canonical::Digest;
use crate::contract::EffectClass;
use crate::ids::ItemId;
use crate::intent::event::{Beside, Decision, Event, RuleApplied, WayBack};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::state::IntentState;
use crate::journal::Filter;
use crate::payload::Payload;
use crate::ports::{Proposal, ProposedCall, Verdict};
use crate::target::Target;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Most other intents that a verdict names.
const MOST_BESIDE: usize = 16;

/// What policy is asked, and what an approval will bind to beside its verdict.
pub(super) struct Judgeable {
    proposal: Proposal,
    binds_to: Value,
}

impl Driver {
    /// The expanded plan as policy sees it: the mutating calls that are not in place already.
    pub(super) async fn proposal(&mut self) -> Result<Judgeable, DriveError> {
        let binds_to = binding_facts(&self.ledger.state);
        let proposal = self
            .proposal_of(|_, item| item.status == ItemStatus::Waiting || to_take_back(item))
            .await?;
        Ok(Judgeable { proposal, binds_to })
    }

    async fn proposal_of(&mut self, asked: impl Fn(&ItemId, &ItemState) -> bool) -> Result<Proposal, DriveError> {
        let state = &self.ledger.state;
        let accepted = state.accepted.clone().expect("only an accepted plan is judged");
        let request = state.request.clone();
        let pending: Vec<_> = state
            .items
            .iter()
            .filter(|(id, i)| i.mutating && asked(id, i))
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
        let replan_of = (!self.ledger.state.earlier.is_empty()).then(|| self.ledger.state.judged_before());
        let (intent, source, now_ms) = (self.ledger.id, accepted.source, self.deps.clock.now_ms());
        Ok(Proposal {
            intent,
            request,
            source,
            calls,
            reads,
            replan_of,
            now_ms,
        })
    }
}

/// Whether it is what an earlier intent did and this one is to take back.
fn to_take_back(item: &ItemState) -> bool {
    item.expanded.undoes.is_some() && item.must_be_undone()
}

impl Driver {
    /// Why what was judged is no longer so just before the start: another policy, contract or tool. An approval given for
    /// the old rules is void then.
    pub(super) async fn rules_moved(&mut self) -> Result<Option<Event>, DriveError> {
        let state = &self.ledger.state;
        let (Some(accepted), Some(judged)) = (state.accepted.clone(), state.judged.clone()) else {
            return Ok(None);
        };
        let stale = |why: String, replan| Event::PlanStale {
            items: vec![],
            why,
            replan,
        };
        let catalogue = self.deps.executor.catalogue();
        for (tool, pin) in &accepted.pins {
            if catalogue.get(tool).is_some_and(|known| known.spec.digest() != *pin) {
                return Ok(Some(stale(format!("the definition of {tool} is another now"), true)));
            }
            let (held, present) = (
                accepted.contracts.contracts.get(tool),
                self.deps.contracts.contracts.get(tool),
            );
            if held != present {
                return Ok(Some(stale(format!("the contract of {tool} is another now"), true)));
            }
        }
        let asked = self.proposal().await?;
        let now = verdict(&self.deps, &asked.proposal);
        let moved = digest_of(&asked, &now) != judged.digest;
        Ok(moved.then(|| stale("policy says something else now".to_owned(), false)))
    }

    /// In mid-run current policy may only deny, and then a person decides. The approved way back is not asked about.
    pub(super) async fn denied_now(&mut self, item: &ItemId) -> Result<Option<Event>, DriveError> {
        let asked = self.proposal_of(|id, _| id == item).await?;
        let verdict = verdict(&self.deps, &asked);
        if verdict.decision != Decision::Refuse {
            return Ok(None);
        }
        let rule = verdict
            .rules
            .first()
            .map_or_else(String::new, |r| format!(": {} ({})", r.reason, r.rule));
        Ok(Some(Event::PauseRequested {
            by: Actor::engine(),
            reason: Some(format!("policy denies {item} now{rule}")),
        }))
    }
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

fn item_facts(id: &ItemId, item: &ItemState) -> Value {
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
pub(super) async fn judge(deps: &Deps, asked: Judgeable) -> Facts {
    let verdict = verdict(deps, &asked.proposal);
    let digest = digest_of(&asked, &verdict);
    Facts::of(Event::PlanJudged {
        decision: verdict.decision,
        rules: verdict.rules,
        digest,
        beside: beside(deps, &asked.proposal).await,
    })
}

/// Other open intents on the same targets. The locks keep them apart; this only tells. A journal that cannot be read
/// tells nothing here, and stops the intent where it matters.
async fn beside(deps: &Deps, proposal: &Proposal) -> Vec<Beside> {
    let mine: BTreeSet<&Target> = proposal.calls.iter().flat_map(|call| &call.targets).collect();
    if mine.is_empty() {
        return Vec::new();
    }
    let filter = Filter {
        open: true,
        ..Filter::default()
    };
    let rows = deps.journal.list(filter).await.unwrap_or_default();
    let others = rows.into_iter().filter(|row| row.intent != proposal.intent);
    let others = others.filter_map(|row| {
        let shared = |target: &&&Target| row.targets.iter().any(|theirs| theirs.conflicts_with(target));
        let targets: Vec<Target> = mine.iter().filter(shared).map(|target| (*target).clone()).collect();
        (!targets.is_empty()).then(|| Beside {
            intent: row.intent,
            title: row.title.clone(),
            by: row.by.to_string(),
            state: row.state.clone(),
            targets,
        })
    });
    others.take(MOST_BESIDE).collect()
}

/// What policy says. A device that the inventory does not let be written to is refused before anybody is asked.
fn verdict(deps: &Deps, asked: &Proposal) -> Verdict {
    let mut verdict = deps.policy.judge(asked);
    for call in &asked.calls {
        for target in call
            .targets
            .iter()
            .filter(|t| deps.inventory.writable(t) == Some(false))
        {
            verdict.decision = Decision::Refuse;
            verdict.rules.insert(
                0,
                RuleApplied {
                    rule: "inventory.writable".into(),
                    reason: format!("{target} does not say `writable: true` in the inventory"),
                    item: Some(call.item.clone()),
                },
            );
        }
    }
    replanned(&mut verdict, asked);
    verdict
}

/// What a plan writes that was made after another failed: always for a person to approve, and only where the plans before
/// were judged to write, since what it was made from was read from the network.
fn replanned(verdict: &mut Verdict, asked: &Proposal) {
    let Some(before) = asked.replan_of.as_ref().filter(|_| !asked.calls.is_empty()) else {
        return;
    };
    let rule = |rule: &str, reason: String, item| RuleApplied {
        rule: rule.into(),
        reason,
        item,
    };
    if let Some(before) = before {
        for call in &asked.calls {
            let outside = |t: &&Target| !before.iter().any(|known| known.covers(t));
            for target in call.targets.iter().filter(outside) {
                verdict.decision = Decision::Refuse;
                let reason =
                    format!("{target} is no target of the plan that failed: ask for it in an intent of its own");
                verdict
                    .rules
                    .insert(0, rule("replan.targets", reason, Some(call.item.clone())));
            }
        }
    }
    if verdict.decision == Decision::Run {
        verdict.decision = Decision::NeedsApproval;
        let reason = "it was planned after another plan had failed, so a person looks at it".to_owned();
        verdict.rules.push(rule("replan.person", reason, None));
    }
}

/// What an approval binds to.
fn digest_of(asked: &Judgeable, verdict: &Verdict) -> Digest {
    Digest::of_value(&json!({
        "binds_to": asked.binds_to,
        "policies": verdict.policies,
        "decision": verdict.decision,
        "expires_after_s": verdict.approval_ttl.as_secs(),
    }))
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
