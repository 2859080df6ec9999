//! What is sent again, when, and by which rule.

use crate::given::defaults;
use flyball_engine::contract::EffectClass::{self, Confirmable, Idempotent, Irreversible, Read, Reversible};
use flyball_engine::ports::{Policy, RetryQuestion};
use flyball_engine::tool::Outcome;
use flyball_policies::{Policies, PolicySettings, RetrySettings};
use serde_json::json;
use std::time::Duration;

fn lost() -> Outcome {
    Outcome::Unknown {
        reason: "timeout".into(),
        task: None,
        retry_after_ms: None,
    }
}

fn not_sent(retry_after_ms: Option<u64>) -> Outcome {
    Outcome::NotSent {
        reason: "connection refused".into(),
        retry_after_ms,
    }
}

/// Waits in milliseconds and the rule of the attempts after the first, until no more is granted.
fn retries(effect: EffectClass, outcome: &Outcome) -> Vec<(u128, String)> {
    retries_on(false, effect, outcome)
}

fn retries_on(way_back: bool, effect: EffectClass, outcome: &Outcome) -> Vec<(u128, String)> {
    let (policies, tool) = (defaults(), "a/b".parse().expect("a tool name"));
    let granted = (1..100).map_while(|attempts| {
        policies.retry(&RetryQuestion {
            tool: &tool,
            effect,
            outcome,
            attempts,
            way_back,
        })
    });
    granted.map(|g| (g.after.as_millis(), g.rule)).collect()
}

#[test]
fn a_lost_answer_of_a_read_or_an_idempotent_call_is_asked_for_three_times_more() {
    let rule = "retry.read.v1".to_owned();
    assert_eq!(
        retries(Read, &lost()),
        [(200, rule.clone()), (400, rule.clone()), (800, rule)]
    );
    let rules = retries(Idempotent, &lost());
    assert_eq!(rules.len(), 3);
    assert!(rules.iter().all(|(_, rule)| rule == "retry.idempotent.v1"));
}

#[test]
fn a_change_whose_outcome_is_unknown_is_never_sent_again() {
    for effect in [Reversible, Confirmable, Irreversible] {
        assert_eq!(retries(effect, &lost()), []);
    }
    let task = Outcome::Unknown {
        reason: "timeout".into(),
        task: Some("t1".into()),
        retry_after_ms: None,
    };
    assert_eq!(retries(Idempotent, &task), []);
}

#[test]
fn what_never_left_may_be_sent_whatever_it_does() {
    for effect in [Read, Idempotent, Reversible, Confirmable, Irreversible] {
        let granted = retries(effect, &not_sent(None));
        assert_eq!(granted.len(), 3);
        assert!(granted.iter().all(|(_, rule)| rule == "retry.not_sent.v1"));
    }
}

#[test]
fn a_servers_wish_for_patience_is_honoured_within_reason() {
    assert_eq!(retries(Reversible, &not_sent(Some(7_000)))[0].0, 7_000);
    assert_eq!(retries(Reversible, &not_sent(Some(1)))[0].0, 500);
    assert_eq!(retries(Reversible, &not_sent(Some(u64::MAX))), []);
}

#[test]
fn a_server_that_is_away_for_a_while_is_left_alone_by_what_may_be_repeated_and_a_change_stays_in_doubt() {
    let away = |retry_after_ms| Outcome::Unknown {
        reason: "HTTP 503".into(),
        task: None,
        retry_after_ms,
    };
    assert_eq!(retries(Read, &away(Some(7_000)))[0].0, 7_000);
    assert_eq!(retries(Idempotent, &away(Some(7_000)))[0].0, 7_000);
    assert_eq!(retries_on(true, Read, &away(Some(90_000)))[0].0, 90_000);
    assert_eq!(retries(Read, &away(Some(1)))[0].0, 200);
    assert_eq!(retries(Read, &away(Some(u64::MAX))), []);
    for effect in [Reversible, Confirmable, Irreversible] {
        assert_eq!(retries(effect, &away(Some(1))), []);
    }
}

#[test]
fn answers_refusals_and_questions_are_not_retried() {
    let outcomes = [
        Outcome::Done { output: json!({}) },
        Outcome::ToolError { output: json!({}) },
        Outcome::Rejected {
            code: 401,
            message: "who are you".into(),
        },
        Outcome::NeedsInput {
            question: flyball_engine::question::Question::default(),
        },
    ];
    for outcome in outcomes {
        for effect in [Read, Idempotent, Irreversible] {
            assert_eq!(retries(effect, &outcome), [], "{outcome:?}");
        }
    }
}

#[test]
fn the_way_back_has_minutes_of_patience_for_a_server_that_is_away() {
    let granted = retries_on(true, Reversible, &not_sent(None));
    assert!(granted.iter().all(|(_, rule)| rule == "retry.way_back.v1"));
    let waited: u128 = granted.iter().map(|(ms, _)| ms).sum();
    assert!((240_000..600_000).contains(&waited), "{waited} ms");
    assert_eq!(retries_on(true, Reversible, &not_sent(Some(90_000)))[0].0, 90_000);
    // Patience is not blindness: an undo whose outcome is unknown is in doubt like any other call.
    assert_eq!(retries_on(true, Reversible, &lost()), []);
}

#[test]
fn the_operators_settings_bound_the_patience_and_name_the_budgets() {
    let settings = PolicySettings {
        retry: RetrySettings {
            longest_wait: Duration::from_secs(5),
            per_intent: 7,
            per_day: 70,
            ..RetrySettings::default()
        },
        ..PolicySettings::default()
    };
    let policies = Policies::load(settings).expect("the defaults load");
    let budget = policies.retry_budget();
    assert_eq!((budget.per_intent, budget.per_day), (7, 70));
    let (tool, outcome) = ("a/b".parse().expect("a tool name"), not_sent(Some(6_000)));
    let question = RetryQuestion {
        tool: &tool,
        effect: Read,
        outcome: &outcome,
        attempts: 1,
        way_back: false,
    };
    assert_eq!(policies.retry(&question), None);
}
