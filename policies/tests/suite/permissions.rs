//! What callers of the API may do.

use crate::given::*;
use flyball_engine::actor::{Actor, OriginKind};
use flyball_engine::intent::{Request, Wish};
use flyball_engine::ports::Policy;
use flyball_policies::{Policies, PolicySettings, Role, UserSettings};
use serde_json::Value;

fn agent(name: &str) -> Actor {
    Actor {
        agent: Some(name.into()),
        ..Actor::default()
    }
}

#[track_caller]
fn permitted(policies: &Policies, actor: &Actor, action: &str, request: Option<&Request>) -> String {
    policies.may(actor, action, request).expect("permitted").rule
}

#[track_caller]
fn refused(policies: &Policies, actor: &Actor, action: &str, request: Option<&Request>) -> String {
    policies.may(actor, action, request).expect_err("refused").rule
}

const ACTIONS: [&str; 9] = [
    "submit",
    "read",
    "cancel",
    "undo",
    "settle",
    "approve",
    "pin",
    "read_audit",
    "halt",
];

#[test]
fn each_role_may_what_it_is_for_and_no_more() {
    let policies = defaults();
    let of_another = asked_by("somebody");
    for (who, may) in [
        ("vera", &["read", "read_audit"][..]),
        ("olga", &["submit", "read", "cancel", "undo", "settle", "read_audit"]),
        ("paul", &["read", "approve", "read_audit"]),
        ("adam", &ACTIONS),
        ("nobody", &[]),
    ] {
        for action in ACTIONS {
            let answer = policies.may(&Actor::human(who), action, Some(&of_another));
            assert_eq!(answer.is_ok(), may.contains(&action), "{who} {action}: {answer:?}");
        }
    }
}

#[test]
fn the_names_of_the_api_count_as_the_actions_of_the_design() {
    let policies = defaults();
    let request = asked_by("somebody");
    for action in ["apply", "answer", "input", "pause", "resume", "resolve", "release"] {
        permitted(&policies, &Actor::human("olga"), action, Some(&request));
        refused(&policies, &Actor::human("vera"), action, Some(&request));
    }
    permitted(&policies, &Actor::human("paul"), "deny", Some(&request));
    permitted(&policies, &Actor::human("adam"), "unhalt", None);
    permitted(&policies, &Actor::human("olga"), "release", None);
    for unknown in ["", "call", "call_unattended", "Approve", "drop table"] {
        assert_eq!(
            refused(&policies, &Actor::human("adam"), unknown, Some(&request)),
            "flyball.no_permit"
        );
    }
}

#[test]
fn nobody_approves_their_own_intent_while_another_approver_exists() {
    let policies = defaults();
    assert_eq!(
        refused(&policies, &Actor::human("adam"), "approve", Some(&asked_by("adam"))),
        "approve.not_own"
    );
    assert!(!policies.own_approval_allowed(&Actor::human("adam")));
    assert_eq!(
        permitted(&policies, &Actor::human("adam"), "approve", Some(&asked_by("olga"))),
        "approve.approver"
    );
    assert_eq!(
        refused(&policies, &Actor::human("paul"), "approve", Some(&asked_by("paul"))),
        "approve.not_own"
    );
}

#[test]
fn a_lone_admin_approves_their_own_intent_and_the_rule_says_so() {
    let users = vec![
        UserSettings::person("adam", [Role::Admin, Role::Operator]),
        UserSettings::person("olga", [Role::Operator]),
        // An agent could not approve in adam's place.
        UserSettings::agent("bot", [Role::Admin, Role::Approver]),
    ];
    let policies = Policies::load(PolicySettings { users, ..settings() }).unwrap();
    let adam = Actor::human("adam");
    assert_eq!(
        permitted(&policies, &adam, "approve", Some(&asked_by("adam"))),
        "approve.own_lone_admin"
    );
    assert!(policies.own_approval_allowed(&adam));
    assert_eq!(
        permitted(&policies, &adam, "approve", Some(&asked_by("olga"))),
        "approve.approver"
    );
    for other in ["olga", "bot", "mallory"] {
        assert!(!policies.own_approval_allowed(&Actor::human(other)), "{other}");
    }
}

#[test]
fn a_lone_approver_does_not_approve_their_own_intent() {
    let users = vec![UserSettings::person("paul", [Role::Approver, Role::Operator])];
    let policies = Policies::load(PolicySettings { users, ..settings() }).unwrap();
    assert_eq!(
        refused(&policies, &Actor::human("paul"), "approve", Some(&asked_by("paul"))),
        "approve.not_own"
    );
}

#[test]
fn where_nobody_has_the_approvers_role_nobody_approves() {
    let users = vec![UserSettings::person("olga", [Role::Operator])];
    let policies = Policies::load(PolicySettings { users, ..settings() }).unwrap();
    assert_eq!(
        refused(&policies, &Actor::human("olga"), "approve", Some(&asked_by("somebody"))),
        "flyball.no_permit"
    );
}

#[test]
fn an_intent_that_ones_agent_asked_for_is_ones_own() {
    let mut through_bot = agent("bot");
    through_bot.human = Some("adam".into());
    let request = request(OriginKind::Agent, through_bot);
    assert_eq!(
        refused(&defaults(), &Actor::human("adam"), "approve", Some(&request)),
        "approve.not_own"
    );
    permitted(&defaults(), &Actor::human("paul"), "approve", Some(&request));
}

#[test]
fn agents_never_approve_settle_or_pin_whatever_roles_they_have_and_whom_they_speak_for() {
    let policies = with(r#"@id("all") permit(principal, action, resource);"#);
    let request = asked_by("olga");
    let mut for_adam = agent("bot");
    for_adam.human = Some("adam".into());
    // The third presents itself as a person; the settings know better.
    for actor in [agent("bot"), for_adam, Actor::human("bot")] {
        for action in ["approve", "deny", "settle", "resolve", "release", "pin"] {
            assert_eq!(
                refused(&policies, &actor, action, Some(&request)),
                "flyball.people_only",
                "{action}"
            );
        }
    }
    permitted(&policies, &agent("bot"), "submit", Some(&request));
}

#[test]
fn an_approval_without_an_intent_is_refused() {
    assert_eq!(
        refused(&defaults(), &Actor::human("adam"), "approve", None),
        "flyball.undecidable"
    );
}

#[test]
fn strangers_and_the_engine_itself_may_nothing() {
    let policies = with(r#"@id("all") permit(principal, action, resource);"#);
    for actor in [
        Actor::human("mallory"),
        agent("olga"),
        Actor::engine(),
        Actor::default(),
    ] {
        for action in ACTIONS {
            assert_eq!(
                refused(&policies, &actor, action, None),
                "flyball.unknown_principal",
                "{action}"
            );
        }
    }
}

#[test]
fn alarm_rules_and_schedules_submit_but_nobody_becomes_one_by_acting_on_their_intent() {
    let policies = defaults();
    for kind in [OriginKind::Alarm, OriginKind::Schedule] {
        let service = |name: &str| Actor {
            service: Some(name.into()),
            ..Actor::default()
        };
        let request = request(kind, service("ospf-down"));
        permitted(&policies, &service("ospf-down"), "submit", Some(&request));
        refused(&policies, &service("ospf-down"), "cancel", Some(&request));
        assert_eq!(
            refused(&policies, &service("other"), "submit", Some(&request)),
            "flyball.unknown_principal"
        );
        permitted(&policies, &Actor::human("adam"), "approve", Some(&request));
    }
}

#[test]
fn a_policy_may_close_one_runbook() {
    let policies = with(
        r#"@id("no_reload") @reason("reloads are for the night shift")
           forbid(principal, action == Action::"submit", resource == Runbook::"reload");"#,
    );
    let olga = Actor::human("olga");
    let mut request = asked_by("olga");
    request.wish = Wish::Runbook {
        id: "reload".into(),
        params: Value::Null,
    };
    let refusal = policies.may(&olga, "submit", Some(&request)).expect_err("forbidden");
    assert_eq!(refusal.rule, "no_reload");
    assert_eq!(refusal.reason, "reloads are for the night shift");
    request.wish = Wish::Runbook {
        id: "other\"".into(),
        params: Value::Null,
    };
    permitted(&policies, &olga, "submit", Some(&request));
}
