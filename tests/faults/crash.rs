//! SIGKILL of the engine: at each sync of a plan and of its rollback, and between an effect and its answer.

use crate::judge::Verdict;
use crate::lives::{Undisturbed, restart_and_judge};
use crate::sample::{Dice, alone, full, skip};
use crate::scene::{Course, LOOK_EVERY, Scene, WAYS};
use crate::tracer::{self, At, Tracer};
use flyball_tests::process::folder::{Era, Over, Setup};
use flyball_tests::process::proc;
use serde_json::json;
use std::collections::BTreeMap;

/// What one life of the engine came to.
struct Life {
    /// The intent, if its submission was acknowledged.
    intent: Option<String>,
    killed: bool,
}

/// Submits the plan and lives until the tracer strikes or the intent has ended.
async fn live(scene: &Scene, at: At, nth: usize) -> Life {
    let mut engine = scene.engine().await;
    let tracer = Tracer::attach(engine.pid, at, nth).await;
    let intent = scene.submit(&engine).await.ok();
    if let Some(intent) = &intent
        && engine.until_ended(intent, LOOK_EVERY).await.is_ok()
    {
        drop(tracer);
        engine.stop().await;
        return Life {
            intent: Some(intent.clone()),
            killed: false,
        };
    }
    engine.ended().await;
    drop(tracer);
    Life { intent, killed: true }
}

/// The ways that a test goes: all of them, or a few.
fn ways(dice: &mut Dice, count: usize) -> Vec<(Over, Era)> {
    dice.some(WAYS.to_vec(), count)
}

/// Kills at each point of one course, counted on each way, and a few beyond: at the last of all the run ends by itself, so
/// nothing was left out.
async fn kill_at(name: &str, course: Course, at: At, sample: usize) {
    if !tracer::is_here() {
        return skip("strace is not here");
    }
    let _alone = alone().await;
    let mut dice = Dice::new(name);
    let mut cases = Vec::new();
    for way in ways(&mut dice, 2) {
        let counted = Undisturbed::counted(way, course).await;
        let of = counted.of(at);
        eprintln!("{name}: {way:?} comes to {counted:?}");
        cases.extend((1..=of.points()).map(|n| (way, n, of)));
    }
    let (mut struck, mut beyond) = (0, BTreeMap::new());
    let cases = dice.some(cases, sample);
    for (way, n, of) in &cases {
        let scene = Scene::new(*way, course).await;
        let life = live(&scene, at, *n).await;
        eprintln!("{name}: {way:?}, {n} of {of:?}, killed: {}", life.killed);
        struck += usize::from(life.killed);
        beyond.insert(format!("{way:?}"), !life.killed);
        assert!(
            life.killed || of.may_be_missed(*n),
            "{way:?}, {n} of {of:?}: not killed"
        );
        let verdict = restart_and_judge(&scene, life.intent).await;
        // Every write here has a probe that tells: nothing has to wait, or to be taken back.
        assert_eq!(verdict, Verdict::AsUndisturbed, "{way:?}, {n}");
    }
    eprintln!("{name}: {struck} kills in {} runs, full: {}", cases.len(), full());
    let unreached = beyond.iter().find(|(_, beyond)| full() && !**beyond);
    assert_eq!(unreached, None, "killed at its last point: there may be more of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_sync_of_a_plan_it_ends_as_undisturbed() {
    kill_at("kill at a sync", Course::Forward, At::Kill, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_sync_of_a_rollback_it_ends_as_undisturbed() {
    kill_at("kill at a sync of the rollback", Course::Back, At::Kill, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_any_write_of_the_journal_it_ends_as_undisturbed() {
    kill_at("kill before a write", Course::Forward, At::KillBeforeWrite, 4).await;
    if full() {
        kill_at(
            "kill before a write of the rollback",
            Course::Back,
            At::KillBeforeWrite,
            4,
        )
        .await;
    }
}

/// Nothing fences a server that outlives the engine, unless its contract trusts `settle_after`: a call that was recorded
/// and never arrived is then not sent again. What went before it is taken back, or a person is asked.
#[tokio::test(flavor = "multi_thread")]
async fn killed_before_a_call_that_nothing_fences_it_takes_back_and_sends_nothing_again() {
    if !tracer::is_here() {
        return skip("strace is not here");
    }
    let _alone = alone().await;
    let mut dice = Dice::new("unfenced");
    let way = dice.one(&WAYS[2..]);
    let setup = Setup {
        resend: "fenced",
        ..Setup::with(way.0, way.1)
    };
    let mut ends = Vec::new();
    for n in dice.some((1..=20).collect(), 5) {
        let scene = Scene::with(setup, Course::Forward).await;
        let life = live(&scene, At::Kill, n).await;
        ends.push(restart_and_judge(&scene, life.intent).await);
    }
    eprintln!("unfenced: {ends:?}");
    assert!(!ends.contains(&Verdict::WaitsForPerson), "each probe tells: {ends:?}");
}

/// The call is executed and its answer held; the engine dies, and the answer comes to nobody.
async fn killed_between(way: (Over, Era), course: Course, name: &str, purpose: &str, early: bool) -> Verdict {
    let scene = Scene::new(way, course).await;
    scene.plant("here", &json!({"kind": "hold", "name": name, "purpose": purpose}));
    let engine = scene.engine().await;
    let intent = scene.submit(&engine).await.unwrap();
    scene.marked("here", "held").await;
    engine.kill().await;
    if early {
        scene.release("here");
    }
    let verdict = restart_and_judge(&scene, Some(intent)).await;
    scene.release("here");
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_effect_and_answer_it_settles_by_probe_and_sends_nothing_twice() {
    let _alone = alone().await;
    let mut dice = Dice::new("between");
    for round in 0..if full() { 200 } else { 6 } {
        let way = dice.one(&WAYS);
        let course = dice.one(&[Course::Forward, Course::Back]);
        let name = dice.one(&["a", "b", "c", "d", "e", "f"]);
        let back = course == Course::Back && dice.below(2) == 0;
        let purpose = if back { "undo" } else { "do" };
        let early = dice.below(2) == 0;
        let case = format!("round {round}: {way:?} {course:?} {name} {purpose}, released early: {early}");
        eprintln!("{case}");
        let verdict = killed_between(way, course, name, purpose, early).await;
        assert_eq!(verdict, Verdict::AsUndisturbed, "{case}");
    }
}

/// It outlives the engine with the call in hand, although the process that the engine started is dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_left_its_session_is_dead_before_what_it_got_is_sent_again() {
    let _alone = alone().await;
    for way in Dice::new("left session").some(WAYS[..2].to_vec(), 1) {
        let setup = Setup {
            left_session: true,
            ..Setup::with(way.0, way.1)
        };
        let scene = Scene::with(setup, Course::Forward).await;
        scene.plant("here", &json!({"kind": "land_late", "name": "c", "purpose": "do"}));
        let engine = scene.engine().await;
        let intent = scene.submit(&engine).await.unwrap();
        scene.marked("here", "held").await;
        let ledger = scene.ledger_pid();
        engine.kill().await;
        assert!(proc::is_alive(ledger), "it has not heard of the engine's death");
        let verdict = restart_and_judge(&scene, Some(intent)).await;
        assert!(!proc::is_alive(ledger), "{way:?}: the call could still land");
        assert_eq!(verdict, Verdict::AsUndisturbed, "{way:?}");
    }
}
