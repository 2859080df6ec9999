use super::*;
use crate::span::Span;

fn call() -> CallState {
    CallState {
        id: "1:s:do:0".parse().unwrap(),
        attempt: 1,
        tool: "world/set".parse().unwrap(),
        started_ms: 1_000,
        deadline_ms: 3_000,
        incarnation: None,
        orphaned: false,
        send_by_ms: 6_000,
        answered: false,
        dead_since_ms: None,
        task: None,
        doubt: None,
        unproven: [1].into(),
        sent_before: None,
        fault: None,
        effect: None,
        settled: None,
        unanswered: false,
        fence: None,
    }
}

fn contract(resend: Resend) -> Contract {
    Contract {
        resend,
        settle_after: Some(Span::secs(10)),
        ..Contract::missing()
    }
}

#[test]
fn nothing_fences_a_call_whose_server_lives_and_knows_no_key() {
    assert_eq!(call().fence_at(&contract(Resend::Fenced), 0, 1_000_000), None);
}

#[test]
fn each_fence_permits_a_resend_and_never_forbids_it() {
    let fenced = contract(Resend::Fenced);
    let with_key = Contract {
        idempotency_arg: Some("request_id".into()),
        ..fenced.clone()
    };
    let stale = Contract {
        refuses_stale: true,
        ..fenced.clone()
    };
    let dead = CallState {
        dead_since_ms: Some(2_000),
        ..call()
    };
    let ended = CallState {
        answered: true,
        task: Some(Task {
            id: "t-1".into(),
            lost: false,
        }),
        ..call()
    };
    for (call, contract, now) in [
        (call(), &with_key, 1_001),
        (call(), &stale, 16_001),
        (dead.clone(), &fenced, 2_001),
        (ended.clone(), &fenced, 2_001),
        (call(), &contract(Resend::Bound), 11_000),
    ] {
        assert!(call.fence_at(contract, 0, now).is_some(), "{call:?} under {contract:?}");
        let never = Contract {
            resend: Resend::Never,
            ..contract.clone()
        };
        assert_eq!(call.fence_at(&never, 0, now), None);
    }
    assert_eq!(
        call().fence_at(&stale, 0, 16_000),
        None,
        "the server's clock may still say that send_by is not over"
    );
}

#[test]
fn a_bound_counts_from_the_latest_of_the_three_moments() {
    let bound = contract(Resend::Bound);
    let now = 11_000;
    assert!(call().fence_at(&bound, 0, now).is_some());
    assert!(call().fence_at(&bound, 1_001, now).is_none(), "claimed later");
    let dead = CallState {
        dead_since_ms: Some(1_002),
        ..call()
    };
    assert_eq!(dead.anchor_ms(1_001), 1_002, "proven dead later still");
}

#[test]
fn an_answer_that_says_nothing_of_the_effect_is_no_fence() {
    let answered = CallState {
        answered: true,
        ..call()
    };
    assert_eq!(answered.fence_at(&contract(Resend::Fenced), 0, 1_000_000), None);
}

#[test]
fn a_former_engines_call_may_leave_until_its_time_is_over_unless_the_process_is_dead() {
    let orphaned = CallState {
        orphaned: true,
        ..call()
    };
    assert_eq!(
        orphaned.anchor_ms(2_000),
        6_000,
        "whoever recorded it may only be paused"
    );
    let dead = CallState {
        dead_since_ms: Some(1_500),
        ..orphaned
    };
    assert_eq!(dead.anchor_ms(2_000), 2_000);
}
