//! SIGKILL of the engine: at each sync of a plan and of its rollback, and between an effect and its answer.

use crate::judge::{Verdict, is_prefix, judge};
use crate::sample::{Dice, alone, full, skip};
use crate::scene::{Course, LOOK_EVERY, Scene, WAYS};
use crate::tracer::{self, At, Tracer};
use flyball_tests::process::engine::Engine;
use flyball_tests::process::folder::{Era, Over, Setup};
use serde_json::{Value, json};

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

/// The next life: what was acknowledged is there and comes to its end; what was not is submitted again.
async fn go_on(scene: &Scene, intent: Option<String>) -> (Engine, Value) {
    let engine = scene.engine().await;
    let page = engine.get("/v1/intents").await.unwrap();
    let found = page["intents"][0]["id"].as_str().map(str::to_owned);
    assert!(
        intent.is_none() || intent == found,
        "{intent:?} was acknowledged: {page}"
    );
    let intent = match found {
        Some(found) => found,
        None => scene.submit(&engine).await.unwrap(),
    };
    let view = engine.until_ended(&intent, LOOK_EVERY).await.unwrap();
    (engine, view)
}

/// Restarts after a kill and judges the end.
async fn restart_and_judge(scene: &Scene, intent: Option<String>) -> Verdict {
    let before = scene.records().await;
    let (engine, view) = go_on(scene, intent).await;
    engine.stop().await;
    let after = scene.records().await;
    is_prefix(&before, &after).unwrap_or_else(|why| panic!("{why}"));
    judge(scene, &view, &after)
}

/// How many syncs the undisturbed run makes.
async fn syncs_of(way: (Over, Era), course: Course) -> usize {
    let scene = Scene::new(way, course).await;
    let engine = scene.engine().await;
    let before = engine.syncs().await.unwrap();
    let intent = scene.submit(&engine).await.unwrap();
    let view = engine.until_ended(&intent, LOOK_EVERY).await.unwrap();
    let syncs = engine.syncs().await.unwrap() - before;
    engine.stop().await;
    let verdict = judge(&scene, &view, &scene.records().await);
    assert_eq!(verdict, Verdict::AsUndisturbed, "{view}");
    usize::try_from(syncs).unwrap()
}

/// Kills at syncs of one course over all ways; how many cases, and how many wait for a person.
async fn kill_at_syncs(name: &str, course: Course, at: At, sample: usize) {
    if !tracer::is_here() {
        return skip("strace is not here");
    }
    let _alone = alone().await;
    let mut dice = Dice::new(name);
    let syncs = syncs_of(WAYS[0], course).await;
    // About three writes go before a sync, by eight threads.
    let points = if at == At::Kill { syncs } else { syncs / 2 };
    let cases = WAYS
        .iter()
        .flat_map(|way| (1..=points).map(move |n| (*way, n)))
        .collect();
    let (mut run, mut struck, mut waiting) = (0, 0, 0);
    for (way, n) in dice.some(cases, sample) {
        let scene = Scene::new(way, course).await;
        let life = live(&scene, at, n).await;
        eprintln!("{name}: {way:?}, {n} of {points}, killed: {}", life.killed);
        run += 1;
        struck += usize::from(life.killed);
        let verdict = restart_and_judge(&scene, life.intent).await;
        assert_ne!(verdict, Verdict::TakenBack, "{way:?}, {n}");
        waiting += usize::from(verdict == Verdict::WaitsForPerson);
    }
    eprintln!(
        "{name}: {struck} kills in {run} runs, {waiting} wait for a person, full: {}",
        full()
    );
    // A run that shares more syncs than the counted one ends before its own comes. Most must be struck, or nothing was shown.
    assert!(4 * struck >= 3 * run, "{name}: only {struck} of {run} runs were killed");
    // Every write here has a probe that tells: nothing has to wait.
    assert_eq!(waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_sync_of_a_plan_it_ends_as_undisturbed() {
    kill_at_syncs("kill at a sync", Course::Forward, At::Kill, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_sync_of_a_rollback_it_ends_as_undisturbed() {
    kill_at_syncs("kill at a sync of the rollback", Course::Back, At::Kill, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_any_write_of_the_journal_it_ends_as_undisturbed() {
    kill_at_syncs("kill before a write", Course::Forward, At::KillBeforeWrite, 4).await;
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
