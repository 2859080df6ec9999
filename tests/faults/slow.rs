//! Servers that answer late, bit by bit, or with too much.

use crate::judge::{Verdict, judge};
use crate::sample::{Dice, alone};
use crate::scene::{Course, LOOK_EVERY, Scene, WAYS};
use flyball_engine::intent::event::Event;
use flyball_tests::process::engine::Engine;
use flyball_tests::process::folder::{Era, Over, Setup};
use flyball_tests::process::{PATIENCE, proc};
use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};

fn impatient(way: (Over, Era), settle_after: &'static str) -> Setup {
    Setup {
        timeout: "1s",
        settle_after,
        ..Setup::with(way.0, way.1)
    }
}

/// When the held answer is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    InDoubt,
    OnceLaterStepsRun,
    InRollback,
    AfterTheEnd,
}

const RELEASES: [Release; 4] = [
    Release::InDoubt,
    Release::OnceLaterStepsRun,
    Release::InRollback,
    Release::AfterTheEnd,
];

/// Waits until the intent's view is as `good` says.
async fn until_view(engine: &Engine, intent: &str, what: &str, good: impl Fn(&serde_json::Value) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let view = engine.get(&format!("/v1/intents/{intent}")).await.unwrap();
        if good(&view) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: did not come to pass: {view}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn in_doubt(engine: &Engine, intent: &str) {
    let told = |d: &serde_json::Value| d["waits"].is_string() && d["settles_by"].is_string();
    let doubtful = |v: &serde_json::Value| v["in_doubt"].as_array().is_some_and(|d| d.first().is_some_and(told));
    until_view(engine, intent, "a doubt", doubtful).await;
}

async fn held(way: (Over, Era), release: Release) -> Verdict {
    let course = if release == Release::InRollback {
        Course::Back
    } else {
        Course::Forward
    };
    // Long enough that the answer comes before any probe could tell, or so short that the probe comes first.
    let settle_after = if release == Release::InDoubt { "20s" } else { "200ms" };
    let scene = Scene::with(impatient(way, settle_after), course).await;
    scene.plant("here", &json!({"kind": "hold", "name": "c", "purpose": "do"}));
    if release == Release::InRollback {
        scene.plant("back", &json!({"kind": "hold", "name": "e", "purpose": "undo"}));
    }
    let engine = scene.engine().await;
    let intent = scene.submit(&engine).await.unwrap();
    scene.marked("here", "held").await;
    match release {
        Release::InDoubt => in_doubt(&engine, &intent).await,
        Release::OnceLaterStepsRun => scene.item(&engine, &intent, "d", "succeeded").await,
        Release::InRollback => scene.marked("back", "held").await,
        Release::AfterTheEnd => {
            engine.until_ended(&intent, LOOK_EVERY).await.unwrap();
        }
    }
    scene.release("here");
    // In whatever phase it comes, after the end too: it is in the journal before the engine is told to stop.
    heard_late(&engine, &intent).await;
    scene.release("back");
    let verdict = scene.end(engine, &intent).await;
    let late = scene.records().await.into_values().flatten();
    let late = late
        .filter(|e| matches!(e.entry.event, Event::LateAnswer { .. }))
        .count();
    eprintln!("held: {way:?} {release:?}: {late} late answers in the journal");
    assert!(late >= 1, "the late answer is in the journal");
    verdict
}

/// Waits until a late answer stands in the intent's journal.
async fn heard_late(engine: &Engine, intent: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = engine
            .get(&format!("/v1/intents/{intent}/events?limit=1000"))
            .await
            .unwrap();
        if page.to_string().contains("LateAnswer") {
            return;
        }
        assert!(Instant::now() < deadline, "the late answer was not heard: {page}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_held_past_the_timeout_changes_nothing_whenever_it_comes() {
    let _alone = alone().await;
    let cases = WAYS.iter().flat_map(|way| RELEASES.map(|release| (*way, release)));
    for (way, release) in Dice::new("held").some(cases.collect(), 4) {
        assert_eq!(held(way, release).await, Verdict::AsUndisturbed, "{way:?} {release:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_lands_after_its_caller_gave_up_is_found_to_have_landed() {
    let _alone = alone().await;
    for way in Dice::new("lands late").some(WAYS.to_vec(), 1) {
        let scene = Scene::with(impatient(way, "3s"), Course::Forward).await;
        scene.plant("here", &json!({"kind": "land_late", "name": "c", "purpose": "do"}));
        let engine = scene.engine().await;
        let intent = scene.submit(&engine).await.unwrap();
        in_doubt(&engine, &intent).await;
        scene.release("here");
        assert_eq!(scene.end(engine, &intent).await, Verdict::AsUndisturbed, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_byte_by_byte_is_no_answer_in_time() {
    let _alone = alone().await;
    for way in Dice::new("drip").some(WAYS.to_vec(), 1) {
        let scene = Scene::with(impatient(way, "200ms"), Course::Forward).await;
        eprintln!("drip: {way:?}");
        // Over stdio every other answer waits behind the slow one, that of the probe too: there it shall end within the test.
        let ms = if way.0 == Over::Stdio { 100 } else { 1000 };
        scene.plant("here", &json!({"kind": "drip", "name": "c", "purpose": "do", "ms": ms}));
        let engine = scene.engine().await;
        let intent = scene.submit(&engine).await.unwrap();
        let view = engine.until_ended(&intent, LOOK_EVERY).await.unwrap();
        // In order it would stop only once the answer is out.
        engine.kill().await;
        let verdict = judge(&scene, &view, &scene.records().await);
        assert_eq!(verdict, Verdict::AsUndisturbed, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_before_the_answer_is_not_kept_in_memory() {
    let _alone = alone().await;
    for way in Dice::new("flood").some(WAYS.to_vec(), 2) {
        let scene = Scene::new(way, Course::Forward).await;
        scene.plant(
            "here",
            &json!({"kind": "flood", "name": "c", "purpose": "do", "bytes": 64 << 20}),
        );
        let engine = scene.engine().await;
        let before = proc::status(engine.pid, "VmHWM");
        let intent = scene.submit(&engine).await.unwrap();
        engine.until_ended(&intent, LOOK_EVERY).await.unwrap();
        let grown = proc::status(engine.pid, "VmHWM").saturating_sub(before) / 1024;
        let logged = std::fs::metadata(scene.folder.path().join("engine.log")).map_or(0, |m| m.len() >> 10);
        eprintln!("flood: {way:?}: {grown} MiB more at the most, {logged} KiB of log");
        assert!(grown < 128, "{way:?}: {grown} MiB more");
        assert_eq!(scene.end(engine, &intent).await, Verdict::AsUndisturbed, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_that_goes_on_later_is_settled_when_it_does() {
    let _alone = alone().await;
    for way in Dice::new("stopped").some(WAYS.to_vec(), 2) {
        let scene = Scene::with(impatient(way, "200ms"), Course::Forward).await;
        scene.plant("here", &json!({"kind": "hold", "name": "c", "purpose": "do"}));
        let engine = scene.engine().await;
        let intent = scene.submit(&engine).await.unwrap();
        scene.marked("here", "held").await;
        let ledger = scene.ledger_pid();
        proc::stop(ledger).await;
        scene.release("here");
        in_doubt(&engine, &intent).await;
        proc::signal(ledger, Signal::CONT);
        assert_eq!(scene.end(engine, &intent).await, Verdict::AsUndisturbed, "{way:?}");
    }
}

/// The server is stopped before the call leaves and goes on only when `settle_after` is long over: its contract's word is
/// broken, and what a probe said before may be contradicted. Nothing is sent twice, and no verdict stands that is wrong:
/// it ends as undisturbed, or a person is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_reads_a_call_after_its_time_gets_it_once_and_nobody_is_told_wrong() {
    let _alone = alone().await;
    for way in Dice::new("stopped unread").some(WAYS.to_vec(), 2) {
        // A contract that trusts `settle_after` alone would ask for what is broken here.
        let setup = Setup {
            resend: "fenced",
            ..impatient(way, "200ms")
        };
        let scene = Scene::with(setup, Course::Forward).await;
        scene.plant("d", &json!({"kind": "hold", "name": "d", "purpose": "do"}));
        let engine = scene.engine().await;
        let intent = scene.submit(&engine).await.unwrap();
        scene.marked("d", "held").await;
        let path = format!("/v1/intents/{intent}");
        engine
            .post(&format!("{path}/pause"), &json!({"reason": "a test"}))
            .await
            .unwrap();
        scene.release("d");
        scene.item(&engine, &intent, "d", "succeeded").await;
        let ledger = scene.ledger_pid();
        proc::stop(ledger).await;
        engine.post(&format!("{path}/resume"), &json!({})).await.unwrap();
        in_doubt(&engine, &intent).await;
        // Five times its time: whoever settles by the clock alone would have done it by now.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let view = engine.get(&path).await.unwrap();
        assert_eq!(
            view["in_doubt"].as_array().map(Vec::len),
            Some(1),
            "nobody can know yet: {view}"
        );
        proc::signal(ledger, Signal::CONT);
        let verdict = scene.end(engine, &intent).await;
        eprintln!("stopped unread: {way:?}: {verdict:?}");
        assert_ne!(verdict, Verdict::TakenBack, "{way:?}");
    }
}
