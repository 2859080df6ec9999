//! SIGKILL of the tool server: before it read a call, after it read it, after it acted, in the middle of its answer.

use crate::judge::Verdict;
use crate::sample::{Dice, alone};
use crate::scene::{Course, Scene, WAYS};
use flyball_engine::intent::event::Event;
use flyball_tests::process::folder::{Era, Over};
use flyball_tests::process::{proc, until};
use rustix::process::Signal;
use serde_json::json;

async fn dies(way: (Over, Era), kind: &str, name: &str, purpose: &str) -> Verdict {
    let course = if purpose == "undo" {
        Course::Back
    } else {
        Course::Forward
    };
    let mut scene = Scene::new(way, course).await;
    scene.plant("here", &json!({"kind": kind, "name": name, "purpose": purpose}));
    let engine = scene.engine().await;
    let intent = scene.submit(&engine).await.unwrap();
    scene.marked("here", "taken").await;
    scene.serve_again().await;
    scene.end(engine, &intent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_over_a_call_is_settled_by_probe_and_sent_nothing_twice() {
    let _alone = alone().await;
    let mut dice = Dice::new("server dies");
    let kinds = ["die_before", "die_after", "cut"];
    let cases = WAYS.iter().flat_map(|way| {
        kinds
            .iter()
            .flat_map(move |kind| ["do", "undo"].map(|purpose| (*way, *kind, purpose)))
    });
    for (way, kind, purpose) in dice.some(cases.collect(), 6) {
        let name = dice.one(&["a", "b", "c", "d", "e", "f"]);
        let case = format!("{way:?}: {kind} at {purpose} of {name}");
        eprintln!("{case}");
        assert_eq!(dies(way, kind, name, purpose).await, Verdict::AsUndisturbed, "{case}");
    }
}

/// Bytes that have left for the ledger and that it has not read.
fn unread(scene: &Scene, ledger: u32) -> u64 {
    match scene.served_port() {
        Some(port) => proc::unread_at(port),
        None => proc::unread_on_stdin(ledger),
    }
}

/// The server is stopped before the call leaves, and killed once the call lies unread in its pipe or socket.
async fn killed_before_reading(way: (Over, Era)) -> Verdict {
    let mut scene = Scene::new(way, Course::Forward).await;
    // While an intent is paused the call in hand is followed to its end and nothing new begins.
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
    assert_eq!(unread(&scene, ledger), 0, "{way:?}: nothing else is under way");
    engine.post(&format!("{path}/resume"), &json!({})).await.unwrap();
    scene.item(&engine, &intent, "e", "running").await;
    // The record comes before the call: only now is it on its way for sure.
    until("the call in the pipe or socket", || {
        (unread(&scene, ledger) > 0).then_some(())
    })
    .await;
    proc::signal(ledger, Signal::KILL);
    scene.serve_again().await;
    let verdict = scene.end(engine, &intent).await;
    let records = scene.records().await;
    let mut events = records.values().flatten().map(|stored| &stored.entry.event);
    assert!(
        events.any(|e| matches!(e, Event::CallInDoubt { call, .. } if call.item.to_string() == "e")),
        "{way:?}: it had left, so nobody could know what came of it"
    );
    assert!(
        !scene
            .executed()
            .iter()
            .any(|c| c.pid == ledger && c.args["name"] == "e" && c.mutates())
    );
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_before_it_read_a_call_gets_it_once_it_is_back() {
    let _alone = alone().await;
    for way in Dice::new("unread").some(WAYS.to_vec(), 2) {
        eprintln!("unread: {way:?}");
        assert_eq!(killed_before_reading(way).await, Verdict::AsUndisturbed, "{way:?}");
    }
}
