//! Whether a plan runs, waits for a person or is refused.

use crate::given::*;
use flyball_engine::actor::{Actor, OriginKind};
use flyball_engine::contract::EffectClass::{self, Confirmable, Idempotent, Irreversible, Read, Reversible};
use flyball_engine::ids::ItemId;
use flyball_engine::intent::Request;
use flyball_engine::intent::event::{Decision, PlanSource};
use flyball_engine::ports::{Policy, ProposedCall, Verdict};
use flyball_engine::target::Target;
use flyball_policies::{Policies, PolicySettings, Role, UserKind, UserSettings};
use serde_json::json;

/// The verdict on one call of `olga`'s.
fn on(policies: &Policies, source: PlanSource, call: ProposedCall) -> Verdict {
    policies.judge(&plan(asked_by("olga"), source, vec![call]))
}

/// The verdict on a reversible step of a runbook that somebody asked for.
fn asked(policies: &Policies, request: Request) -> Verdict {
    policies.judge(&plan(request, runbook(), vec![call(Reversible)]))
}

#[track_caller]
fn is(verdict: &Verdict, decision: Decision, rules: &[&str]) {
    assert_eq!(
        (verdict.decision, ids(&verdict.rules).as_slice()),
        (decision, rules),
        "{:?}",
        verdict.rules
    );
}

#[test]
fn a_runbook_step_with_a_way_back_runs_unattended_for_operators() {
    for effect in [Reversible, Confirmable, Idempotent] {
        let verdict = on(&defaults(), runbook(), call(effect));
        is(
            &verdict,
            Decision::Run,
            &["call.operator", "reads.people", "unattended.runbook"],
        );
    }
}

#[test]
fn an_idempotent_runbook_step_without_an_undo_needs_a_person() {
    let mut step = call(Idempotent);
    step.way_back = false;
    let verdict = on(&defaults(), runbook(), step);
    is(&verdict, Decision::NeedsApproval, &["flyball.needs_person"]);
    assert!(verdict.rules[0].reason.contains("no way back is known"), "{verdict:?}");
    assert_eq!(verdict.rules[0].item, Some(ItemId::nth(&"ospf".into(), 0)));
}

#[test]
fn an_irreversible_runbook_step_needs_a_person_even_for_an_admin() {
    for who in ["olga", "adam"] {
        let verdict = defaults().judge(&plan(asked_by(who), runbook(), vec![call(Irreversible)]));
        is(&verdict, Decision::NeedsApproval, &["flyball.needs_person"]);
        assert!(verdict.rules[0].reason.contains("irreversible"), "{verdict:?}");
    }
}

#[test]
fn a_models_changes_and_an_operators_own_plan_need_a_person() {
    is(
        &on(&defaults(), model(), call(Reversible)),
        Decision::NeedsApproval,
        &["approval.model"],
    );
    is(
        &on(&defaults(), PlanSource::Operator, call(Reversible)),
        Decision::NeedsApproval,
        &["flyball.needs_person"],
    );
}

#[test]
fn a_call_without_a_contract_needs_a_person_whatever_it_calls_itself() {
    for effect in [Irreversible, Reversible, Read] {
        let mut step = call(effect);
        (step.contracted, step.way_back) = (false, true);
        is(
            &on(&defaults(), runbook(), step),
            Decision::NeedsApproval,
            &["approval.uncontracted"],
        );
    }
}

#[test]
fn one_call_that_needs_a_person_makes_the_plan_wait_and_is_named() {
    let mut second = call(Irreversible);
    second.item = ItemId::single(&"save".into());
    let verdict = defaults().judge(&plan(asked_by("olga"), runbook(), vec![call(Reversible), second]));
    is(&verdict, Decision::NeedsApproval, &["flyball.needs_person"]);
    assert_eq!(verdict.rules.len(), 1);
    assert_eq!(verdict.rules[0].item, Some(ItemId::single(&"save".into())));
}

#[test]
fn a_plan_that_changes_nothing_runs_for_a_viewer_and_with_writes_off() {
    let policies = Policies::load(PolicySettings {
        writes: false,
        ..settings()
    })
    .unwrap();
    is(
        &policies.judge(&plan(asked_by("vera"), model(), vec![])),
        Decision::Run,
        &["reads.people"],
    );
    is(
        &policies.judge(&plan(asked_by("vera"), model(), vec![call(Read)])),
        Decision::Run,
        &["reads.people"],
    );
    let mut empty = plan(asked_by("vera"), model(), vec![]);
    empty.reads.clear();
    is(&policies.judge(&empty), Decision::Run, &["flyball.nothing_to_judge"]);
}

#[test]
fn while_writes_are_off_no_change_passes_and_the_reason_says_how_to_turn_them_on() {
    let permissive = r#"@id("all") permit(principal, action, resource);"#;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("all.cedar"), permissive).unwrap();
    for default_policies in [true, false] {
        let policies = Policies::load(PolicySettings {
            writes: false,
            default_policies,
            dir: Some(dir.path().to_owned()),
            ..settings()
        })
        .unwrap();
        let verdict = policies.judge(&plan(asked_by("adam"), runbook(), vec![call(Reversible)]));
        is(&verdict, Decision::Refuse, &["flyball.writes_off"]);
        assert!(verdict.rules[0].reason.contains("`writes: on`"), "{verdict:?}");
    }
    assert!(!PolicySettings::default().writes, "off is the default");
}

#[test]
fn viewers_approvers_and_people_without_a_role_change_nothing() {
    for who in ["vera", "paul"] {
        let verdict = asked(&defaults(), asked_by(who));
        is(&verdict, Decision::Refuse, &["flyball.no_permit"]);
        assert!(verdict.rules[0].reason.contains(who), "{verdict:?}");
    }
    let verdict = asked(&defaults(), asked_by("nobody"));
    assert_eq!(verdict.decision, Decision::Refuse);
    assert_eq!(verdict.rules.len(), 2, "neither the read nor the call: {verdict:?}");
}

#[test]
fn whom_nobody_knows_may_not_even_look() {
    let policies = with(r#"@id("all") permit(principal, action, resource);"#);
    let strangers = [
        asked_by("mallory"),
        asked_by("olga "),
        asked_by("Olga"),
        asked_by(""),
        asked_by("olga\" || true || \""),
        request(OriginKind::Operator, Actor::default()),
        request(OriginKind::Operator, Actor::engine()),
        request(
            OriginKind::Agent,
            Actor {
                agent: Some("olga".into()),
                ..Actor::default()
            },
        ),
    ];
    for stranger in strangers {
        let looking = policies.judge(&plan(stranger.clone(), runbook(), vec![]));
        is(&looking, Decision::Refuse, &["flyball.unknown_principal"]);
        assert_eq!(asked(&policies, stranger).decision, Decision::Refuse);
    }
}

#[test]
fn a_person_and_an_agent_together_may_only_what_each_may() {
    let agent = |human: &str, agent: &str| {
        let actor = Actor {
            human: Some(human.into()),
            agent: Some(agent.into()),
            service: Some("mcp".into()),
        };
        request(OriginKind::Agent, actor)
    };
    let policies = defaults();
    assert_eq!(asked(&policies, agent("olga", "bot")).decision, Decision::Run);
    assert_eq!(asked(&policies, agent("vera", "bot")).decision, Decision::Refuse);
    assert_eq!(asked(&policies, agent("olga", "mallory")).decision, Decision::Refuse);
    assert_eq!(asked(&policies, agent("mallory", "bot")).decision, Decision::Refuse);
}

#[test]
fn an_alarm_rule_asks_a_person_unless_it_was_made_an_operator() {
    let alarm = || {
        let actor = Actor {
            service: Some("ospf-down".into()),
            ..Actor::default()
        };
        request(OriginKind::Alarm, actor)
    };
    is(
        &asked(&defaults(), alarm()),
        Decision::NeedsApproval,
        &["flyball.needs_person"],
    );
    let mut users = users();
    users.push(UserSettings {
        kind: UserKind::AlarmRule,
        ..UserSettings::person("ospf-down", [Role::Operator])
    });
    let trusted = Policies::load(PolicySettings { users, ..settings() }).unwrap();
    assert_eq!(asked(&trusted, alarm()).decision, Decision::Run);
    let mut as_operator = alarm();
    as_operator.origin.kind = OriginKind::Operator;
    assert_eq!(
        asked(&trusted, as_operator).decision,
        Decision::Refuse,
        "a caller that only names the rule is not it"
    );
}

#[test]
fn a_forbid_overrides_every_permit() {
    let policies = with(
        r#"@id("all") permit(principal, action, resource);
           @id("freeze") @reason("nobody touches bj-core-1 on weekends")
           forbid(principal, action == Action::"call", resource in Server::"config")
           when { context.devices.contains("bj-core-1") && context.time.weekday == Weekday::"sunday" };"#,
    );
    let verdict = asked(&policies, asked_by("adam"));
    is(&verdict, Decision::Refuse, &["freeze"]);
    assert_eq!(verdict.rules[0].reason, "nobody touches bj-core-1 on weekends");
    let mut elsewhere = plan(asked_by("adam"), runbook(), vec![call(Reversible)]);
    elsewhere.calls[0].targets = vec![Target::parse("device:sh-core-1").unwrap()];
    assert_eq!(policies.judge(&elsewhere).decision, Decision::Run);
    let mut monday = plan(asked_by("adam"), runbook(), vec![call(Reversible)]);
    monday.now_ms += 86_400_000;
    assert_eq!(policies.judge(&monday).decision, Decision::Run);
}

#[test]
fn a_forbidden_read_refuses_the_plan() {
    let policies = with(
        r#"@id("no_inventory") @reason("the inventory is closed")
           forbid(principal, action == Action::"read", resource == Tool::"inventory/list_devices");"#,
    );
    is(&asked(&policies, asked_by("olga")), Decision::Refuse, &["no_inventory"]);
}

#[test]
fn a_policy_that_fails_while_it_is_asked_denies() {
    let policies = with(
        r#"@id("overflow") forbid(principal, action == Action::"call", resource)
           when { context.target_count * 9223372036854775807 + 9223372036854775807 < 0 };"#,
    );
    let verdict = asked(&policies, asked_by("adam"));
    is(&verdict, Decision::Refuse, &["flyball.undecidable"]);
    assert!(verdict.rules[0].reason.contains("overflow"), "{verdict:?}");
}

#[test]
fn permits_of_the_operator_widen_what_runs_unattended_but_not_for_models_or_unknown_tools() {
    let policies = with(
        r#"@id("save_alone") @reason("saving is harmless")
           permit(principal in Role::"operator", action == Action::"call_unattended", resource);"#,
    );
    assert_eq!(on(&policies, runbook(), call(Irreversible)).decision, Decision::Run);
    is(
        &on(&policies, model(), call(Irreversible)),
        Decision::NeedsApproval,
        &["approval.model"],
    );
}

#[test]
fn arguments_with_strange_strings_match_only_what_they_are() {
    let policies = with(
        r#"@id("no_backbone") @reason("area 0 is closed")
           forbid(principal, action == Action::"call", resource) when { context.args.contains("/area=0.0.0.0") };"#,
    );
    let decision = |args: serde_json::Value| {
        let mut step = call(Reversible);
        step.args = args.as_object().cloned().unwrap();
        on(&policies, runbook(), step).decision
    };
    assert_eq!(decision(json!({"area": "0.0.0.0"})), Decision::Refuse);
    for harmless in [
        json!({"note": "/area=0.0.0.0"}),
        json!({"x\u{0}\"]) || true //\n": "\u{202e}'\"\\", "area": "1"}),
        json!({"a/area": "0.0.0.0"}),
        json!({"n": null, "f": 1e300, "big": u64::MAX, "deep": [[[{"a": []}]]]}),
        json!({}),
    ] {
        assert_eq!(decision(harmless.clone()), Decision::Run, "{harmless}");
    }
}

#[test]
fn every_fact_of_a_call_can_be_asked_for() {
    let policies = with(
        r#"@id("seen") forbid(principal is User, action == Action::"call", resource == Tool::"config/configure_ospf")
           when {
             context.effect == Effect::"confirmable" && context.contracted && context.way_back &&
             context.targets.contains("device:bj-core-1/interface:Gi0/1") && context.devices.contains("bj-core-1") &&
             context.target_count == 1 && context.device_count == 1 && context.call_count == 2 &&
             context.origin == Origin::"operator" && context.by == "olga" && context.source == Source::"runbook" &&
             context has runbook && context.runbook == "ospf" && context.labels.contains("night") &&
             context has change && context.change == "CHG-7" &&
             context.time.date == "2026-11-22" && context.time.hour == 14 && context.time.minute == 30 &&
             context.time.unix_ms == 1795357800000 && context.args.containsAll(["/area=0.0.0.0", "/device=bj-core-1"])
           };"#,
    );
    let mut request = asked_by("olga");
    request.labels = vec!["night".into()];
    request.change = Some("CHG-7".into());
    let verdict = policies.judge(&plan(request, runbook(), vec![call(Confirmable), call(Confirmable)]));
    is(&verdict, Decision::Refuse, &["seen"]);
}

#[test]
fn the_digest_changes_with_the_policies_that_determined_the_verdict_and_with_no_other() {
    let digest = |policies: &Policies| on(policies, model(), call(Reversible)).policies;
    let other = with(r#"@id("x") forbid(principal, action == Action::"halt", resource);"#);
    assert_eq!(digest(&defaults()), digest(&other));
    let first = with(r#"@id("x") permit(principal is User, action == Action::"call", resource);"#);
    let second = with(r#"@id("x") permit(principal, action == Action::"call", resource);"#);
    assert_ne!(digest(&defaults()), digest(&first));
    assert_ne!(digest(&first), digest(&second));
}

#[test]
fn a_verdict_over_many_items_names_some_and_counts_the_rest() {
    let calls = (0..500).map(|n| ProposedCall {
        item: ItemId::nth(&"ospf".into(), n),
        ..call(EffectClass::Irreversible)
    });
    let verdict = defaults().judge(&plan(asked_by("olga"), runbook(), calls.collect()));
    assert_eq!(verdict.rules.len(), 64);
    assert!(verdict.rules[63].reason.ends_with("(and so for 436 more items)"));
    assert_eq!(verdict.rules[0].item, Some(ItemId::nth(&"ospf".into(), 0)));
}

#[test]
fn a_time_that_no_calendar_knows_is_refused() {
    let mut strange = plan(asked_by("olga"), runbook(), vec![call(Reversible)]);
    strange.now_ms = i64::MAX;
    is(&defaults().judge(&strange), Decision::Refuse, &["flyball.undecidable"]);
}
