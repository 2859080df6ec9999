//! Whether an expanded plan runs, needs a person or is refused.

use crate::Policies;
use crate::cedar::{self, PlanFacts, ask, effect_name, tool_uid};
use crate::principals::Party;
use crate::rules::{
    NEEDS_PERSON, NO_PERMIT, NOTHING_TO_DO, UNDECIDABLE, UNKNOWN, WRITES_OFF, abridged, denied, digest, named, rule,
};
use cedar_policy::Entities;
use flyball_engine::contract::EffectClass;
use flyball_engine::intent::event::{Decision, PlanSource, RuleApplied};
use flyball_engine::ports::{Proposal, ProposedCall, Verdict};
use flyball_engine::tool::ToolName;
use std::collections::BTreeSet;

/// What was found so far. The strictest finding decides; its rules are the verdict's.
#[derive(Default)]
struct Findings {
    refused: Vec<RuleApplied>,
    for_a_person: Vec<RuleApplied>,
    allowed: Vec<RuleApplied>,
    /// Every rule that had a part in it, those of lesser findings too: an approval binds to their texts.
    determined: BTreeSet<String>,
}

impl Findings {
    fn refuse(&mut self, rules: Vec<RuleApplied>) {
        self.note(&rules);
        self.refused.extend(rules);
    }

    fn ask_a_person(&mut self, rules: Vec<RuleApplied>) {
        self.note(&rules);
        self.for_a_person.extend(rules);
    }

    fn allow(&mut self, rules: Vec<RuleApplied>) {
        self.note(&rules);
        self.allowed.extend(rules);
    }

    fn note(&mut self, rules: &[RuleApplied]) {
        self.determined.extend(rules.iter().map(|r| r.rule.clone()));
    }
}

/// One plan under judgement.
struct Judgement<'a> {
    policies: &'a Policies,
    plan: &'a Proposal,
    parties: Vec<Party>,
    entities: Entities,
    findings: Findings,
}

/// Judges each read and each change for each party; the strictest answer decides.
pub(crate) fn judge(policies: &Policies, plan: &Proposal) -> Verdict {
    let changes: Vec<&ProposedCall> = plan.calls.iter().filter(|c| changes_the_world(c)).collect();
    let origin = &plan.request.origin;
    let mut findings = Findings::default();
    if !changes.is_empty() && !policies.writes {
        findings.refuse(vec![writes_off(changes.len())]);
        return verdict(policies, findings);
    }
    let parties = match policies.principals.parties(&origin.actor, Some(origin.kind)) {
        Ok(parties) => parties,
        Err(name) => {
            findings.refuse(vec![rule(UNKNOWN, unknown(&name), None)]);
            return verdict(policies, findings);
        }
    };
    let tools = plan.calls.iter().map(|c| &c.tool).chain(&plan.reads);
    let mut judgement = Judgement {
        policies,
        plan,
        parties,
        entities: cedar::with_tools(&policies.entities, tools),
        findings,
    };
    judgement.reads();
    judgement.changes(&changes);
    verdict(policies, judgement.findings)
}

/// What has no contract is taken for a change, whatever it is called.
fn changes_the_world(call: &ProposedCall) -> bool {
    call.effect.mutates() || !call.contracted
}

fn writes_off(changes: usize) -> RuleApplied {
    let calls = if changes == 1 {
        "1 call that changes".to_owned()
    } else {
        format!("{changes} calls that change")
    };
    let reason = format!(
        "writes are off, and the plan has {calls} something; to turn them on set `writes: on` in flyball.yaml or FLYBALL_WRITES=on"
    );
    rule(WRITES_OFF, reason, None)
}

pub(crate) fn unknown(name: &str) -> String {
    format!("nobody called {name:?} is named in the settings (`users`)")
}

impl Judgement<'_> {
    fn reads(&mut self) {
        let called_reads = self
            .plan
            .calls
            .iter()
            .filter(|c| !changes_the_world(c))
            .map(|c| &c.tool);
        let tools: BTreeSet<&ToolName> = self.plan.reads.iter().chain(called_reads).collect();
        if tools.is_empty() {
            return;
        }
        let context = match cedar::look(Some(&self.plan.request), Some(self.plan)) {
            Ok(context) => context,
            Err(why) => return self.findings.refuse(vec![rule(UNDECIDABLE, why, None)]),
        };
        let library = &self.policies.library;
        for tool in tools {
            for party in &self.parties {
                let answer = ask(library, &self.entities, party, "read", tool_uid(tool), context.clone());
                if answer.allowed {
                    self.findings.allow(named(library, &answer, None));
                } else {
                    let otherwise = || {
                        rule(
                            NO_PERMIT,
                            format!("no policy permits {} to read {tool}", party.told()),
                            None,
                        )
                    };
                    self.findings.refuse(denied(library, &answer, None, otherwise));
                }
            }
        }
    }

    fn changes(&mut self, changes: &[&ProposedCall]) {
        let facts = match PlanFacts::of(self.plan, changes) {
            Ok(facts) => facts,
            Err(why) => return self.findings.refuse(vec![rule(UNDECIDABLE, why, None)]),
        };
        for call in changes {
            for at in 0..self.parties.len() {
                self.change(&facts, call, at);
            }
        }
    }

    /// One change for one party: refused, for a person, or allowed.
    fn change(&mut self, facts: &PlanFacts, call: &ProposedCall, party: usize) {
        let (library, party, item) = (&self.policies.library, &self.parties[party], Some(&call.item));
        let context = match facts.call(call) {
            Ok(context) => context,
            Err(why) => return self.findings.refuse(vec![rule(UNDECIDABLE, why, item)]),
        };
        let asked = |action, context| ask(library, &self.entities, party, action, tool_uid(&call.tool), context);
        let sent = asked("call", context.clone());
        if !sent.allowed {
            let otherwise = || {
                rule(
                    NO_PERMIT,
                    format!("no policy permits {} to call {}", party.told(), call.tool),
                    item,
                )
            };
            return self.findings.refuse(denied(library, &sent, item, otherwise));
        }
        self.findings.allow(named(library, &sent, item));
        let alone = asked("call_unattended", context);
        if alone.allowed {
            self.findings.allow(named(library, &alone, item));
        } else {
            let otherwise = || rule(NEEDS_PERSON, why_a_person(call, &self.plan.source, party), item);
            self.findings.ask_a_person(denied(library, &alone, item, otherwise));
        }
    }
}

/// What speaks for a look by a person, as far as the call itself tells.
fn why_a_person(call: &ProposedCall, source: &PlanSource, party: &Party) -> String {
    let mut why = Vec::new();
    if call.effect == EffectClass::Irreversible {
        why.push("it is irreversible".to_owned());
    } else if !call.way_back {
        why.push(format!("it is {} and no way back is known", effect_name(call.effect)));
    }
    if *source == PlanSource::Operator {
        why.push("it comes from an operator's own plan, not from a reviewed runbook".to_owned());
    }
    why.push(format!("{} asked", party.told()));
    format!(
        "no policy lets {} run without a person's approval: {}",
        call.tool,
        why.join(", ")
    )
}

fn verdict(policies: &Policies, mut findings: Findings) -> Verdict {
    let nothing = findings.refused.is_empty() && findings.for_a_person.is_empty() && findings.allowed.is_empty();
    if nothing {
        findings.allow(vec![rule(NOTHING_TO_DO, "the plan calls nothing", None)]);
    }
    let policies_digest = digest(&policies.library, &findings.determined);
    let (decision, rules) = if !findings.refused.is_empty() {
        (Decision::Refuse, findings.refused)
    } else if !findings.for_a_person.is_empty() {
        (Decision::NeedsApproval, findings.for_a_person)
    } else {
        (Decision::Run, findings.allowed)
    };
    Verdict {
        decision,
        rules: abridged(without_repeats(rules)),
        policies: policies_digest,
        approval_ttl: policies.approval_ttl,
    }
}

/// Two parties, or many reads, under the same rule are said once.
fn without_repeats(rules: Vec<RuleApplied>) -> Vec<RuleApplied> {
    let mut seen = std::collections::HashSet::new();
    rules
        .into_iter()
        .filter(|r| seen.insert((r.rule.clone(), r.reason.clone(), r.item.clone())))
        .collect()
}
