//! Servers over standard input and output: what is known after a call, whatever happens to the process.
#![allow(clippy::unwrap_used)]

mod support;

use flyball_engine::ports::{Clock, ToolExecutor};
use flyball_engine::tool::{Incarnation, Outcome, PinState, ToolRequest};
use flyball_executors::*;
use rustix::process::Signal;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::*;

#[tokio::test]
async fn both_eras_are_spoken_and_remembered() {
    let rig = rig(vec![own("old", &["world", "legacy"]), own("new", &["world", "modern"])]).await;
    for (alias, era) in [("old", Era::Legacy), ("new", Era::Modern)] {
        let echoed = rig.done(&format!("{alias}/echo"), json!({"a": 1})).await;
        assert_eq!(echoed["args"], json!({"a": 1}));
        assert_eq!(rig.status(alias).era, Some(era));
    }
    use flyball_engine::journal::Journal;
    let eras = rig.facts.facts("era/").await.unwrap();
    assert_eq!(eras.len(), 2);
    assert_eq!(eras[0].1["era"], "modern");
    rig.end().await;
}

#[tokio::test]
async fn our_meta_reaches_the_server_and_the_protocols_own_keys_stay_the_links() {
    let rig = rig(vec![own("s", &["world", "modern"])]).await;
    let mut call = request("s/echo", json!({}));
    call.meta = json!({"io.flyball/intent": "i-1", "io.modelcontextprotocol/protocolVersion": "1999-01-01"})
        .as_object()
        .cloned()
        .unwrap();
    let Outcome::Done { output } = rig.executors.call(call).await.outcome else {
        panic!("no result");
    };
    assert_eq!(output["meta"]["io.flyball/intent"], "i-1");
    rig.end().await;
}

#[tokio::test]
async fn a_tools_no_is_an_error_of_the_tool_and_a_servers_error_is_unknown() {
    let rig = rig(vec![own("s", &["world", "legacy"])]).await;
    let no = rig.call("s/fail", json!({})).await;
    assert_eq!(
        no,
        Outcome::ToolError {
            output: json!({"text": "% Invalid input"})
        }
    );
    assert!(is_unknown(&rig.call("s/broken", json!({})).await));
    rig.end().await;
}

#[tokio::test]
async fn a_process_killed_in_the_middle_of_calls_leaves_them_unknown_and_is_started_anew() {
    let rig = Arc::new(rig(vec![own("s", &["world", "modern"])]).await);
    let life = rig.executors.ready("s").await.unwrap();
    let pid = rig.pid("s");
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { rig.call("s/sleep", json!({"ms": 60_000})).await })
        })
        .collect();
    // Answered behind the others' sending: they are in the server now.
    rig.done("s/pid", json!({})).await;
    signal(pid, Signal::KILL);
    for call in calls {
        assert!(is_unknown(&call.await.unwrap()));
    }
    let next = rig.ready("s").await;
    assert_ne!(next, life);
    assert!(rig.executors.is_dead("s", &life).await);
    assert!(!rig.executors.is_dead("s", &next).await);
    rig.done("s/echo", json!({})).await;
    Arc::into_inner(rig).unwrap().end().await;
}

#[tokio::test]
async fn a_call_on_a_dead_process_is_not_sent_and_names_the_time_of_the_next_attempt() {
    let mut settings = own("s", &["world", "modern"]);
    settings.timeouts.backoff_min_ms = 600_000;
    settings.timeouts.backoff_max_ms = 600_000;
    let rig = rig(vec![settings]).await;
    signal(rig.pid("s"), Signal::KILL);
    until("the death is seen", || rig.status("s").health == Health::Down).await;
    let outcome = rig.call("s/echo", json!({})).await;
    assert!(
        matches!(outcome, Outcome::NotSent { retry_after_ms: Some(ms), .. } if ms > 60_000),
        "{outcome:?}"
    );
    // A person need not wait for it.
    assert!(rig.executors.refresh("s").await.is_err());
    rig.ready("s").await;
    rig.done("s/echo", json!({})).await;
    rig.end().await;
}

#[tokio::test]
async fn an_output_that_breaks_its_announced_schema_is_still_the_output_of_an_executed_call() {
    let rig = rig(vec![own("s", &["world", "modern"])]).await;
    assert_eq!(rig.done("s/typed", json!({})).await, json!({"n": "no number"}));
    rig.end().await;
}

#[tokio::test]
async fn a_call_meant_for_a_former_life_is_not_sent() {
    let rig = rig(vec![own("s", &["world", "modern"])]).await;
    let call = ToolRequest {
        incarnation: Some(Incarnation("1:2:3".into())),
        ..request("s/echo", json!({}))
    };
    assert!(is_not_sent(&rig.executors.call(call).await.outcome));
    rig.end().await;
}

#[tokio::test]
async fn a_late_reply_to_a_mutating_call_is_delivered() {
    let rig = rig(vec![own("s", &["world", "legacy"])]).await;
    let answer = rig.call_within("s/sleep", json!({"ms": 700}), 100).await;
    assert!(is_unknown(&answer.outcome));
    let late = answer.late.expect("a mutating call stays open").await.unwrap();
    assert_eq!(
        late,
        Outcome::Done {
            output: json!({"slept": true})
        }
    );
    rig.end().await;
}

#[tokio::test]
async fn a_read_that_timed_out_is_cancelled_and_has_no_late_reply() {
    let rig = rig(vec![own("s", &["world", "modern"])]).await;
    let call = ToolRequest {
        timeout_ms: 100,
        mutating: false,
        ..request("s/sleep", json!({"ms": 60_000}))
    };
    let answer = rig.executors.call(call).await;
    assert!(is_unknown(&answer.outcome) && answer.late.is_none());
    rig.done("s/echo", json!({})).await;
    rig.end().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_cut_its_mutating_call() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("effect");
    let rig = Arc::new(rig(vec![own("s", &["world", "modern"])]).await);
    let (of_task, name) = (Arc::clone(&rig), file.to_str().unwrap().to_owned());
    let call = tokio::spawn(async move { of_task.call("s/sleep", json!({"ms": 300, "file": name})).await });
    rig.done("s/pid", json!({})).await;
    call.abort();
    until("the effect lands", || file.exists()).await;
    let _ = call.await;
    Arc::into_inner(rig).unwrap().end().await;
}

#[tokio::test]
async fn a_panicking_tool_ends_unknown_by_our_own_timeout() {
    let rig = rig(vec![own("s", &["world", "legacy"])]).await;
    assert!(is_unknown(&rig.call_within("s/panic", json!({}), 300).await.outcome));
    rig.done("s/echo", json!({})).await;
    rig.end().await;
}

#[tokio::test]
async fn a_reply_that_is_too_long_ends_its_call_at_once() {
    let rig = rig(vec![own("s", &["world", "modern"]), own("r", &["raw", "modern"])]).await;
    for (tool, args) in [("s/huge", json!({"bytes": 17 * 1024 * 1024})), ("r/long", json!({}))] {
        let answer = rig.call_within(tool, args, 60_000).await;
        assert!(answer.late.is_none(), "ended by the timeout");
        let Outcome::Unknown { reason, .. } = answer.outcome else {
            panic!("{tool}: {:?}", answer.outcome);
        };
        assert!(reason.contains("longer than"), "{reason}");
    }
    rig.done("s/echo", json!({})).await;
    rig.end().await;
}

#[tokio::test]
async fn stray_lines_do_no_harm_and_an_unreadable_reply_ends_by_our_timeout() {
    let rig = rig(vec![own("r", &["raw", "modern"])]).await;
    assert_eq!(rig.done("r/noise", json!({"a": 1})).await, json!({"a": 1}));
    assert!(is_unknown(&rig.call_within("r/garbage", json!({}), 300).await.outcome));
    rig.done("r/echo", json!({})).await;
    rig.end().await;
}

#[tokio::test]
async fn tasks_questions_and_empty_results_are_told_apart() {
    let rig = rig(vec![own("r", &["raw", "modern"])]).await;
    assert!(matches!(rig.call("r/task", json!({})).await, Outcome::Unknown { task: Some(t), .. } if t == "t-1"));
    assert!(matches!(rig.call("r/ask", json!({})).await, Outcome::NeedsInput { .. }));
    assert_eq!(rig.done("r/none", json!({})).await, json!({"text": ""}));
    let code = rig
        .call("r/code", json!({"code": -32602, "message": "Unknown tool: x"}))
        .await;
    assert!(matches!(code, Outcome::Rejected { code: -32602, .. }));
    assert!(is_unknown(
        &rig.call("r/code", json!({"code": -32000, "message": "x"})).await
    ));
    rig.end().await;
}

#[tokio::test]
async fn a_process_that_closes_its_output_and_lives_on_is_put_down_and_replaced() {
    let script = format!("{} raw last | sed -u 3q; exec 1>&-; sleep 300", binary().display());
    let rig = rig(vec![stdio("s", "sh", &["-c", &script])]).await;
    let (pid, life) = (rig.pid("s"), rig.ready("s").await);
    let start = Instant::now();
    assert!(is_unknown(&rig.call("s/go", json!({})).await));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_ne!(rig.ready("s").await, life);
    assert!(!is_alive(pid));
    rig.end().await;
}

#[tokio::test]
async fn a_stopped_process_costs_a_timeout_and_nothing_hangs() {
    let rig = rig(vec![own("s", &["world", "modern"]), own("t", &["world", "modern"])]).await;
    let pid = rig.pid("s");
    signal(pid, Signal::STOP);
    let big = "x".repeat(200 * 1024);
    let start = Instant::now();
    // More than a pipe holds, so that even the cancelling message has nowhere to go.
    for mutating in [true, false] {
        let call = ToolRequest {
            timeout_ms: 300,
            mutating,
            ..request("s/echo", json!({ "big": big }))
        };
        assert!(is_unknown(&rig.executors.call(call).await.outcome));
    }
    assert!(start.elapsed() < Duration::from_secs(3));
    rig.done("t/echo", json!({})).await;
    rig.end().await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn whether_a_call_is_in_time_goes_by_the_engines_clock_wherever_the_wall_clock_was_set() {
    for ahead in [-3_600_000, 3_600_000] {
        let clock = Arc::new(OffClock(ahead));
        let rig = rig_by(
            clock.clone(),
            vec![own("s", &["world", "modern"])],
            journal(),
            options(),
        )
        .await;
        for (left, leaves) in [(60_000, true), (-1, false)] {
            let call = ToolRequest {
                send_by_ms: Some(clock.now_ms() + left),
                ..request("s/echo", json!({}))
            };
            let outcome = rig.executors.call(call).await.outcome;
            assert_eq!(
                matches!(outcome, Outcome::Done { .. }),
                leaves,
                "{ahead} {left}: {outcome:?}"
            );
            assert_eq!(is_not_sent(&outcome), !leaves, "{ahead} {left}: {outcome:?}");
        }
        rig.end().await;
    }
}

#[tokio::test]
async fn a_broken_server_says_why_and_costs_the_others_nothing() {
    let servers = vec![own("good", &["world", "modern"]), stdio("bad", "/no/such/program", &[])];
    let rig = rig(servers).await;
    rig.done("good/echo", json!({})).await;
    let status = rig.status("bad");
    assert_eq!(status.health, Health::Down);
    assert!(status.last_error.unwrap().contains("/no/such/program"));
    let outcome = rig.executors.ready("bad").await.unwrap_err();
    assert!(matches!(outcome, Outcome::NotSent { .. }));
    assert!(matches!(rig.call("none/x", json!({})).await, Outcome::Rejected { .. }));
    assert!(matches!(
        rig.call("good/none", json!({})).await,
        Outcome::Rejected { .. }
    ));
    rig.end().await;
}

#[tokio::test]
async fn a_changed_definition_is_seen_at_once_in_both_eras_and_unusable_until_signed_off() {
    let rig = rig(vec![own("old", &["world", "legacy"]), own("new", &["world", "modern"])]).await;
    for alias in ["old", "new"] {
        let name = format!("{alias}/echo").parse().unwrap();
        let pin = || rig.executors.catalogue().get(&name).unwrap().pin;
        assert_eq!(pin(), PinState::Pinned);
        rig.done(&format!("{alias}/change"), json!({})).await;
        until("the change is seen", || pin() == PinState::Changed).await;
        let refused = rig.call(&format!("{alias}/echo"), json!({})).await;
        assert!(matches!(refused, Outcome::Rejected { .. }), "{refused:?}");
        let digest = rig.executors.catalogue().get(&name).unwrap().spec.digest();
        rig.executors.pin(&name, &digest).await.unwrap();
        rig.done(&format!("{alias}/echo"), json!({})).await;
    }
    rig.end().await;
}

#[tokio::test]
async fn with_pinning_by_approval_nothing_is_usable_before() {
    let options = Options {
        pinning: Pinning::Approve,
        ..options()
    };
    let rig = rig_with(vec![own("s", &["world", "modern"])], journal(), options).await;
    assert!(matches!(rig.call("s/echo", json!({})).await, Outcome::Rejected { .. }));
    assert_eq!(rig.status("s").unusable_tools, rig.status("s").tools);
    rig.end().await;
}

#[tokio::test]
async fn without_a_record_of_the_process_only_reads_go_through() {
    let facts = journal();
    // The pins first, with a journal that works.
    rig_with(vec![own("s", &["world", "modern"])], facts.clone(), options())
        .await
        .end()
        .await;
    facts.refuse_writes(Some("the disk is full"));
    let rig = rig_with(vec![own("s", &["world", "modern"])], facts.clone(), options()).await;
    assert!(is_not_sent(&rig.executors.ready("s").await.unwrap_err()));
    assert!(is_not_sent(&rig.call("s/echo", json!({})).await));
    let read = ToolRequest {
        mutating: false,
        ..request("s/echo", json!({}))
    };
    assert!(matches!(rig.executors.call(read).await.outcome, Outcome::Done { .. }));
    facts.refuse_writes(None);
    rig.executors.ready("s").await.unwrap();
    rig.done("s/echo", json!({})).await;
    rig.end().await;
}

#[tokio::test]
async fn a_server_that_dies_of_the_first_question_is_asked_in_the_old_way() {
    let rig = rig(vec![own("s", &["raw", "dies"])]).await;
    rig.done("s/echo", json!({})).await;
    assert_eq!(rig.status("s").era, Some(Era::Legacy));
    rig.end().await;
}

#[tokio::test]
async fn servers_that_boot_for_longer_than_the_librarys_patience_come_up_in_both_eras() {
    let rig = rig(vec![
        own("old", &["world", "legacy", "11000"]),
        own("new", &["world", "modern", "11000"]),
    ])
    .await;
    assert_eq!(rig.status("old").era, Some(Era::Legacy));
    assert_eq!(rig.status("new").era, Some(Era::Modern));
    rig.end().await;
}

#[tokio::test]
async fn a_server_that_knows_the_new_question_but_no_new_version_is_spoken_to_in_the_old_way() {
    let rig = rig(vec![own("s", &["world", "between"])]).await;
    rig.done("s/echo", json!({})).await;
    assert_eq!(rig.status("s").era, Some(Era::Legacy));
    rig.end().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_the_first_question_is_asked_in_the_old_way() {
    let rig = rig(vec![own("s", &["raw", "mute"])]).await;
    rig.done("s/echo", json!({})).await;
    assert_eq!(rig.status("s").era, Some(Era::Legacy));
    rig.end().await;
}

#[tokio::test]
async fn a_remembered_era_that_is_wrong_is_found_out() {
    use flyball_engine::journal::Journal;
    let facts = journal();
    rig_with(vec![own("s", &["world", "legacy"])], facts.clone(), options())
        .await
        .end()
        .await;
    let mut fact = facts.fact("era/s").await.unwrap().unwrap();
    fact["era"] = json!("modern");
    facts.put_fact("era/s", fact).await.unwrap();
    let rig = rig_with(vec![own("s", &["world", "legacy"])], facts.clone(), options()).await;
    rig.done("s/echo", json!({})).await;
    assert_eq!(facts.fact("era/s").await.unwrap().unwrap()["era"], "legacy");
    rig.end().await;
}

#[tokio::test]
async fn more_calls_than_allowed_wait_their_turn_and_are_not_sent_when_it_does_not_come() {
    let options = Options {
        in_flight: 1,
        ..options()
    };
    let rig = rig_with(vec![own("s", &["world", "modern"])], journal(), options).await;
    let slow = rig.call_within("s/sleep", json!({"ms": 1_000}), 100).await;
    assert!(is_unknown(&slow.outcome));
    // The slow one goes on behind its timeout, so there is no room yet.
    assert!(is_not_sent(&rig.call_within("s/echo", json!({}), 100).await.outcome));
    slow.late.unwrap().await.unwrap();
    rig.done("s/echo", json!({})).await;
    rig.end().await;
}

#[tokio::test]
async fn a_graceful_stop_waits_for_mutating_calls_and_takes_no_new_ones() {
    let rig = Arc::new(rig(vec![own("s", &["world", "modern"])]).await);
    let pid = rig.pid("s");
    let of_task = Arc::clone(&rig);
    let call = tokio::spawn(async move { of_task.call("s/sleep", json!({"ms": 500})).await });
    rig.done("s/pid", json!({})).await;
    assert!(rig.executors.shutdown(Duration::from_secs(20)).await);
    assert!(matches!(call.await.unwrap(), Outcome::Done { .. }));
    assert!(is_not_sent(&rig.call("s/echo", json!({})).await));
    assert!(!is_alive(pid));
    use flyball_engine::journal::Journal;
    assert!(rig.facts.facts("child/").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_graceful_stop_has_a_bound_and_says_that_it_cut_something() {
    let rig = rig(vec![own("s", &["world", "modern"])]).await;
    let answer = rig.call_within("s/sleep", json!({"ms": 60_000}), 50).await;
    assert!(is_unknown(&answer.outcome));
    assert!(!rig.executors.shutdown(Duration::from_millis(50)).await);
    // A cut connection is no reply.
    assert!(answer.late.unwrap().await.is_err());
}
