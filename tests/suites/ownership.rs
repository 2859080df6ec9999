//! One owner: whoever lost an intent is fenced and sends nothing; what was acknowledged is never lost; equal requests are
//! one intent while it goes forward.

use flyball_engine::actor::{Actor, Origin, OriginKind};
use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::{Command, What};
use flyball_engine::intent::event::{Decision, End, Event, Resolution, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_engine::intent::{Mode, Request, Wish};
use flyball_engine::journal::{Commit, Error, Journal};
use flyball_engine::span::Span;
use flyball_engine::supervisor::{CommandError, Submitted};
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::stop::Hands;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

fn set(id: &str, device: &str, needs: &[&str]) -> Value {
    json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": device, "key": id, "value": 1}})
}

fn plan(steps: &[Value]) -> Value {
    json!({
        "steps": steps,
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
    })
}

fn request(who: &str, plan: Value) -> Request {
    Request {
        wish: Wish::Plan(plan),
        origin: Origin {
            kind: OriginKind::Operator,
            actor: Actor::human(who),
        },
        mode: Mode::Apply,
        deadline_ms: None,
        labels: vec![],
        change: None,
        window: None,
        backout_by_ms: None,
        undo_of: None,
        alarm: Value::Null,
        heard: None,
    }
}

async fn submit(engine: &Engine, who: &str, plan: Value, key: Option<&str>) -> Result<Submitted, Error> {
    let body = Digest::of_value(&plan);
    let key = key.map(|k| (format!("{who} {k}"), body));
    engine.supervisor.submit(request(who, plan), key).await
}

fn item<'a>(state: &'a IntentState, id: &str) -> &'a str {
    let item = state.items.get(&id.parse().unwrap());
    item.map_or("not there yet", |i| i.status.api_name())
}

/// Each call at most once, and the world as the end says: everything done, or nothing left.
fn assert_done_once(world: &World, end: End, round: u32) {
    let executed = world.executed();
    let each: BTreeSet<&String> = executed.iter().collect();
    assert_eq!(
        each.len(),
        executed.len(),
        "round {round}: something was done twice: {executed:?}"
    );
    let done = json!({"a": {"s1": 1, "s3": 1}, "b": {"s2": 1}, "c": {"s4": 1}});
    let nothing = json!({"a": {}, "b": {}, "c": {}});
    let expected = if end == End::Fulfilled { done } else { nothing };
    assert_eq!(world.picture(), expected, "round {round}: {end:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_wakes_while_another_has_taken_over_does_nothing_twice_and_nothing_unseen() {
    let steps = [
        set("s1", "a", &[]),
        set("s2", "b", &["s1"]),
        set("s3", "a", &["s1"]),
        set("s4", "c", &["s3"]),
    ];
    // Servers that carry a call out soon after they got it: only the former engine's time to send is to be waited out.
    let soon: SetUp = Arc::new(|deps| {
        let mut contracts = World::contracts();
        for contract in contracts.contracts.values_mut() {
            contract.settle_after = Some(Span::secs(1));
        }
        deps.contracts = Arc::new(contracts);
    });
    let (mut fenced, mut left_late) = (0, 0);
    for round in 1..=100u32 {
        let world = World::of(&["a", "b", "c"]);
        let good = round % 2 == 0;
        world.set_check("post", good);
        let hands = Hands::of(&world, round.div_ceil(2));
        let (executor, contracts) = (hands.clone(), soon.clone());
        let set_up: SetUp = Arc::new(move |deps| {
            contracts(deps);
            deps.executor = executor.clone();
        });
        let first = Engine::over_with(&world, Decision::Run, set_up).await;
        let intent = first.submit(plan(&steps)).await;
        tokio::select! {
            () = hands.until_stopped() => {}
            _ = first.end(intent) => {}
        }
        let second = first.beside_with(soon.clone()).await;
        let before = world.executed();
        // At once, or at the last moment at which a call that it recorded may leave.
        tokio::time::sleep(Duration::from_millis(u64::from(round % 4) * 1_600)).await;
        hands.go_on();
        let (end, ..) = second.end(intent).await.ended.unwrap();
        let executed = world.executed();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(
            world.executed(),
            executed,
            "round {round}: something landed after the end"
        );
        assert_done_once(&world, end, round);
        second.assert_replays(intent).await;
        let lost = first.supervisor.is_lost(intent);
        fenced += u32::from(lost);
        left_late += u32::from(lost && executed.len() > before.len());
    }
    assert!(
        fenced >= 80 && left_late >= 10,
        "{fenced} taken over, {left_late} times something was done after it"
    );
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_was_stopped_is_fenced_when_it_wakes_and_sends_nothing() {
    let steps = [
        set("s1", "a", &[]),
        set("s2", "b", &["s1"]),
        set("s3", "a", &["s1"]),
        set("s4", "c", &["s3"]),
    ];
    let (mut fenced, mut fulfilled) = (0, 0);
    for round in 1..=100u32 {
        let world = World::of(&["a", "b", "c"]);
        let good = round % 2 == 0;
        world.set_check("post", good);
        let hands = Hands::of(&world, round.div_ceil(2));
        let first = Engine::through(hands.clone(), &world, Decision::Run).await;
        let intent = first.submit(plan(&steps)).await;
        // Late rounds stop after the end: then there is nothing to take over.
        tokio::select! {
            () = hands.until_stopped() => {}
            _ = first.end(intent) => {}
        }
        let second = first.beside().await;
        let (end, ..) = second.end(intent).await.ended.unwrap();
        // A call that was recorded and never left is not sent again, since nothing shows that it cannot land: taken back,
        // if anything was done.
        let untouched = world.executed().is_empty() && end == End::Failed;
        assert!(
            untouched || end == End::RolledBack || (good && end == End::Fulfilled),
            "{}",
            second.story(intent)
        );
        let (executed, entries) = (world.executed(), second.journal.entries(intent));
        hands.go_on();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(
            world.executed(),
            executed,
            "round {round}: the first sent after it was fenced"
        );
        assert_eq!(
            second.journal.entries(intent),
            entries,
            "round {round}: the first wrote"
        );
        assert!(
            !first.supervisor.is_driving(intent),
            "round {round}: the first stopped driving"
        );
        assert_done_once(&world, end, round);
        second.assert_replays(intent).await;
        fulfilled += u32::from(end == End::Fulfilled);
        fenced += u32::from(first.supervisor.is_lost(intent));
    }
    assert!(
        fenced >= 80 && fulfilled >= 30,
        "{fenced} stopped in mid-run, {fulfilled} were fulfilled all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_recorded_but_slept_past_its_time_does_not_leave() {
    let world = World::of(&["a"]);
    // Counted by trial: whatever the number, no call may leave later than it was allowed to.
    for stop_at in 1..30 {
        let hands = Hands::of(&world, stop_at);
        let engine = Engine::through(hands.clone(), &world, Decision::Run).await;
        let intent = engine.submit(plan(&[set(&format!("k{stop_at}"), "a", &[])])).await;
        tokio::select! {
            () = hands.until_stopped() => {}
            _ = engine.end(intent) => {}
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let before = world.executed();
        hands.go_on();
        engine.end(intent).await;
        let slept = |e: &Event| matches!(e, Event::CallNotSent { reason, .. } if reason.contains("time to be sent"));
        if engine.events(intent).iter().any(slept) {
            assert_eq!(
                world.executed().len(),
                before.len() + 1,
                "sent once, by the attempt after it"
            );
            return;
        }
    }
    panic!("no stop fell between the record and the sending");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_further_than_thought_is_loaded_again_and_the_intent_goes_on() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine
        .submit(plan(&[set("s1", "a", &[]), set("s2", "b", &["s1"])]))
        .await;
    let state = engine.until(intent, "awaiting_approval").await;
    // An entry of the same epoch that the driver does not know of, as after a write whose success was lost.
    let head = engine.journal.head(intent).await.unwrap();
    let entry = engine.journal.entries(intent).pop().unwrap().entry;
    let event = Event::Summarised {
        report: flyball_engine::payload::Payload::Inline(json!("a stray entry")),
    };
    let stray = flyball_engine::journal::StoredEntry::seal(flyball_engine::journal::Entry {
        seq: head.seq + 1,
        prev_hash: head.hash,
        event,
        ..entry
    });
    let commit = Commit {
        entries: vec![stray],
        ..Commit::default()
    };
    engine
        .journal
        .commit(intent, state.epoch, head.seq, commit)
        .await
        .unwrap();
    engine.approve(intent).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed().len(), 2);
    engine.assert_replays(intent).await;
}

/// Commands of each kind with the plan, the state in which each fits, and how the intent then ends.
#[tokio::test(start_paused = true)]
async fn a_command_that_was_acknowledged_survives_the_engine() {
    let cancel = || What::Cancel { reason: None };
    for (mode, decision, at, what, end) in [
        (Mode::Plan, Decision::Run, "planned", What::Apply, End::Fulfilled),
        (Mode::Plan, Decision::Run, "planned", cancel(), End::Cancelled),
        (
            Mode::Apply,
            Decision::NeedsApproval,
            "awaiting_approval",
            cancel(),
            End::Cancelled,
        ),
    ] {
        let world = World::of(&["a"]);
        let engine = Engine::over(&world, decision).await;
        let intent = engine.submit_as("olga", plan(&[set("s", "a", &[])]), mode).await;
        engine.until(intent, at).await;
        // The engine dies between the acknowledgement and its first look at the inbox.
        engine.supervisor.abort();
        let command = Command {
            id: "c".into(),
            by: Actor::human("anna"),
            at_ms: 0,
            what,
        };
        for _ in 0..3 {
            engine.journal.post(intent, command.clone()).await.unwrap();
        }
        let engine = engine.crash_and_restart().await;
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            end,
            "{}",
            engine.story(intent)
        );
        let asked = |e: &&Event| matches!(e, Event::ApplyRequested { .. } | Event::CancelRequested { .. });
        assert_eq!(
            engine.events(intent).iter().filter(asked).count(),
            1,
            "sent three times, it is one command"
        );
        engine.journal.post(intent, command).await.unwrap();
        assert!(
            engine.journal.inbox(intent).await.unwrap().is_empty(),
            "not even after it was dealt with"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_to_an_intent_that_has_ended_is_refused_with_the_reason() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan(&[set("s", "a", &[])])).await;
    engine.end(intent).await;
    let item = || "s".parse().unwrap();
    for what in [
        What::Cancel { reason: None },
        What::Apply,
        What::Resume,
        What::Pause { reason: None },
        What::Settle {
            item: item(),
            verdict: Settlement::Applied,
            force: true,
            comment: None,
        },
        What::Resolve {
            item: item(),
            resolution: Resolution::Retry,
            comment: None,
        },
    ] {
        match engine.command(intent, what).await {
            Err(CommandError::Refused(why)) => assert!(why.contains("has ended: fulfilled"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(engine.journal.inbox(intent).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fifty_equal_submissions_at_once_are_one_intent() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let all = (0..50).map(|_| submit(&engine, "olga", plan(&[set("s", "a", &[])]), None));
    let all: Vec<Submitted> = futures::future::join_all(all)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let ids: BTreeSet<IntentId> = all.iter().map(|s| s.intent).collect();
    assert_eq!((ids.len(), all.iter().filter(|s| !s.joined).count()), (1, 1));
    engine.end(all[0].intent).await;
    let keyed = (0..50).map(|_| submit(&engine, "olga", plan(&[set("t", "a", &[])]), Some("k")));
    let keyed: Vec<Submitted> = futures::future::join_all(keyed)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let ids: BTreeSet<IntentId> = keyed.iter().map(|s| s.intent).collect();
    assert_eq!((ids.len(), keyed.iter().filter(|s| !s.repeated).count()), (1, 1));
    engine.end(keyed[0].intent).await;
    assert_eq!(world.executed(), ["set a s=1", "set a t=1"]);
}

#[tokio::test(start_paused = true)]
async fn an_equal_request_joins_only_its_own_principal_and_mode_and_only_while_it_goes_forward() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let wish = || plan(&[set("s", "a", &[])]);
    let first = submit(&engine, "olga", wish(), None).await.unwrap().intent;
    engine.until(first, "awaiting_approval").await;
    assert!(submit(&engine, "olga", wish(), None).await.unwrap().joined);
    let petra = submit(&engine, "petra", wish(), None).await.unwrap();
    assert!(!petra.joined, "another principal's is its own");
    let look = engine.submit_as("olga", wish(), Mode::Plan).await;
    assert_ne!(look, first, "another mode is another request");
    engine.until(petra.intent, "awaiting_approval").await;
    world.misbehave("set a s", Misbehaviour::ActAndFallSilent);
    engine.approve(first).await;
    engine
        .until_that(first, "a doubt", |s| item(s, "s") == "in_doubt")
        .await;
    assert!(
        submit(&engine, "olga", wish(), None).await.unwrap().joined,
        "in doubt, it goes forward still"
    );
    engine.command(first, What::Cancel { reason: None }).await.unwrap();
    engine.until_that(first, "the way back", |s| s.rollback.is_some()).await;
    let again = submit(&engine, "olga", wish(), None).await.unwrap();
    assert!(!again.joined, "what goes back is not joined");
    engine.end(first).await;
    engine.approve(petra.intent).await;
    assert_eq!(engine.end(petra.intent).await.ended.unwrap().0, End::Fulfilled);
}

#[tokio::test(start_paused = true)]
async fn another_principals_equal_intent_waits_at_the_locks_and_then_finds_its_steps_satisfied() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let wish = || plan(&[set("s", "a", &[]), set("t", "b", &["s"])]);
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let olga = submit(&engine, "olga", wish(), None).await.unwrap().intent;
    engine.until_executed(1).await;
    let petra = submit(&engine, "petra", wish(), None).await.unwrap().intent;
    engine.until_that(petra, "a wait", |s| s.waiting_for.is_some()).await;
    world.release();
    assert_eq!(engine.end(olga).await.ended.unwrap().0, End::Fulfilled);
    let state = engine.end(petra).await;
    assert_eq!(
        state.ended.clone().unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(petra)
    );
    assert_eq!((item(&state, "s"), item(&state, "t")), ("satisfied", "satisfied"));
    assert_eq!(world.executed(), ["set a s=1", "set b t=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_its_principals_and_keeps_its_body_also_after_a_restart() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let (one, two) = (plan(&[set("s", "a", &[])]), plan(&[set("t", "a", &[])]));
    let first = submit(&engine, "olga", one.clone(), Some("k")).await.unwrap();
    engine.end(first.intent).await;
    let engine = engine.crash_and_restart().await;
    let again = submit(&engine, "olga", one, Some("k")).await.unwrap();
    assert_eq!((again.intent, again.repeated), (first.intent, true));
    assert!(matches!(
        submit(&engine, "olga", two.clone(), Some("k")).await,
        Err(Error::KeyReused)
    ));
    let petra = submit(&engine, "petra", two, Some("k")).await.unwrap();
    assert!(!petra.repeated, "another's key is another key");
    engine.end(petra.intent).await;
    assert_eq!(world.executed(), ["set a s=1", "set a t=1"]);
}
