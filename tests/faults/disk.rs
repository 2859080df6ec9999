//! A disk that fails to sync: no record, no action; reads and the API go on; and with the disk mended a restart comes to
//! the end. And a second engine over one store.

use crate::judge::Verdict;
use crate::lives::{Undisturbed, restart_and_judge};
use crate::sample::{Dice, alone, full, skip};
use crate::scene::{Course, LOOK_EVERY, Scene, WAYS};
use crate::tracer::{self, At, Tracer};
use flyball_engine::intent::event::Event;
use flyball_tests::process::engine::{Engine, log};
use flyball_tests::process::folder::{Era, Over};
use flyball_tests::process::{PATIENCE, proc, until};
use rustix::process::Signal;
use serde_json::json;
use std::time::{Duration, Instant};

/// Whoever does nothing for so long does nothing any more.
const AT_REST: Duration = Duration::from_millis(500);

/// Waits until the intent has ended or the journal cannot be written any more, which a submission finds out once nothing
/// happens any more. True: it cannot.
pub(crate) async fn until_ended_or_unwritable(scene: &Scene, engine: &Engine, intent: Option<&str>) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let other = json!({"summary": "another", "steps": [{"id": "r", "tool": "ledger/read", "args": {"n": 1}}]});
    let (mut calls, mut since) = (0, Instant::now());
    loop {
        if let Some(intent) = intent {
            let view = engine.get(&format!("/v1/intents/{intent}")).await.expect("reads go on");
            if ["fulfilled", "rolled_back", "failed", "stuck"].contains(&view["state"].as_str().unwrap_or_default()) {
                return false;
            }
        }
        let now = scene.executed().len();
        if now != calls {
            (calls, since) = (now, Instant::now());
        }
        // Not sooner: another intent has syncs of its own.
        if since.elapsed() > AT_REST && engine.submit(&other).await.is_err() {
            return true;
        }
        assert!(Instant::now() < deadline, "neither an end nor an error");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The engine whose journal cannot be written: reads go on, writes are refused, nothing more is executed.
pub(crate) async fn nothing_more_happens(scene: &Scene, engine: &Engine) {
    let plan = crate::scene::plan(Course::Forward);
    let refused = engine
        .submit(&plan)
        .await
        .expect_err("nothing is taken that cannot be recorded");
    assert!(refused.contains("FB0015"), "{refused}");
    let ready = engine
        .get("/readyz")
        .await
        .expect_err("it cannot write, so it is not ready");
    assert!(ready.contains("503") && ready.contains("unwritable"), "{ready}");
    // A call whose start was recorded before may still come to its answer; then nothing follows.
    let settled = async {
        loop {
            let before = scene.executed().len();
            tokio::time::sleep(AT_REST).await;
            if scene.executed().len() == before {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("it comes to rest");
    engine.get("/v1/intents").await.expect("reads go on");
    engine.get("/v1/servers").await.expect("the API goes on");
}

/// How a run ended whose disk was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mended {
    pub(crate) verdict: Verdict,
    /// It was on its way back by the time it stood still.
    pub(crate) going_back: bool,
}

/// Kills the crippled engine, has the disk mended, and brings the intent to its end.
pub(crate) async fn mended(scene: &Scene, engine: Engine, intent: Option<String>, mend: impl FnOnce()) -> Mended {
    engine.kill().await;
    mend();
    let mut before = scene.records().await.into_values().flatten();
    let going_back = before.any(|e| matches!(e.entry.event, Event::RollbackStarted { .. }));
    let verdict = restart_and_judge(scene, intent).await;
    Mended { verdict, going_back }
}

pub(crate) const COURSES: [Course; 2] = [Course::Forward, Course::Back];

/// The `n`th sync of a run fails. None: the run had ended before.
async fn failed_sync(way: (Over, Era), course: Course, n: usize) -> Option<Mended> {
    let scene = Scene::new(way, course).await;
    let engine = scene.engine().await;
    let tracer = Tracer::attach(engine.pid, At::Fail, n).await;
    let intent = scene.submit(&engine).await.ok();
    let failed = until_ended_or_unwritable(&scene, &engine, intent.as_deref()).await;
    drop(tracer);
    if failed {
        nothing_more_happens(&scene, &engine).await;
    }
    let mended = mended(&scene, engine, intent, || ()).await;
    assert_eq!(mended.verdict, Verdict::AsUndisturbed, "{way:?}, {course:?}, sync {n}");
    failed.then_some(mended)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_sent_and_a_restart_comes_to_the_end() {
    if !tracer::is_here() {
        return skip("strace is not here");
    }
    let _alone = alone().await;
    let mut dice = Dice::new("failed sync");
    let mut cases = Vec::new();
    for way in dice.some(WAYS.to_vec(), 1) {
        for course in COURSES {
            let of = Undisturbed::counted(way, course).await.of(At::Fail);
            cases.extend((1..=of.points()).map(|n| (way, course, n, of)));
        }
    }
    let (mut struck, mut going_back) = (0, 0);
    let cases = dice.some(cases, 4);
    for (way, course, n, of) in &cases {
        let met = failed_sync(*way, *course, *n).await;
        eprintln!("failed sync: {way:?}, {course:?}, {n} of {of:?}: {met:?}");
        assert!(
            met.is_some() || of.may_be_missed(*n),
            "{way:?}, {course:?}, {n} of {of:?}: missed"
        );
        struck += usize::from(met.is_some());
        going_back += usize::from(met.is_some_and(|m| m.going_back));
    }
    eprintln!(
        "failed sync: {struck} of {} runs were struck, {going_back} on their way back",
        cases.len()
    );
    assert!(!full() || going_back >= WAYS.len(), "no rollback was struck");
}

/// What was executed by then, at each look that found the engine waiting for its disk, until it is through.
async fn while_it_waits(scene: &Scene, engine: &Engine, intent: &str) -> Vec<usize> {
    let (deadline, mut during) = (Instant::now() + PATIENCE, Vec::new());
    loop {
        // Counted first: as long as it then is not ready, nothing had been sent yet.
        let executed = scene.executed().len();
        match engine.get("/readyz").await {
            Err(why) => {
                assert!(why.starts_with("503") && why.contains("\"journal\":true"), "{why}");
                during.push(executed);
                engine.get(&format!("/v1/intents/{intent}")).await.expect("reads go on");
            }
            Ok(_) if !during.is_empty() => return during,
            Ok(_) => {}
        }
        assert!(Instant::now() < deadline, "it was ready all the time");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The log says once that the disk does not come back, and once that it is through.
async fn told_once(scene: &Scene) {
    let over = "the disk is through with the write";
    until("it is told of", || log(&scene.folder).contains(over).then_some(())).await;
    let told = log(&scene.folder);
    for words in ["the disk does not come back from a write", over] {
        assert_eq!(told.matches(words).count(), 1, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_come_back_from_a_sync_is_told_of_and_nothing_is_sent_until_it_does() {
    if !tracer::is_here() {
        return skip("strace is not here");
    }
    let _alone = alone().await;
    let scene = Scene::new(WAYS[0], Course::Forward).await;
    let engine = scene.engine().await;
    let tracer = Tracer::attach(engine.pid, At::Stall(15), 8).await;
    let intent = scene.submit(&engine).await.unwrap();
    let during = while_it_waits(&scene, &engine, &intent).await;
    drop(tracer);
    assert_eq!(during.first(), during.last(), "{during:?}");
    told_once(&scene).await;
    assert_eq!(scene.end(engine, &intent).await, Verdict::AsUndisturbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_come_back_from_the_file_of_heads_is_told_of_to_whoever_waits() {
    if !tracer::is_here() {
        return skip("strace is not here");
    }
    let _alone = alone().await;
    let scene = Scene::new(WAYS[0], Course::Forward).await;
    let engine = scene.engine().await;
    let tracer = Tracer::attach(engine.pid, At::StallHeads(15), 1).await;
    let intent = scene.submit(&engine).await.unwrap();
    // Somebody must wait for the disk to be told; the file is written some seconds after the first entry.
    let other = json!({"summary": "another", "steps": [{"id": "r", "tool": "ledger/read", "args": {"n": 1}}]});
    let waits = async {
        while !log(&scene.folder).contains("the disk is through") {
            engine.submit(&other).await.expect("it is taken, late as it may be");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let (_, ()) = tokio::join!(while_it_waits(&scene, &engine, &intent), waits);
    drop(tracer);
    told_once(&scene).await;
    assert_eq!(scene.end(engine, &intent).await, Verdict::AsUndisturbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_engine_over_one_store_is_refused_and_told_who_holds_it() {
    let _alone = alone().await;
    let scene = Scene::new(WAYS[0], Course::Forward).await;
    let first = scene.engine().await;
    let intent = scene.submit(&first).await.unwrap();
    let status = Engine::start_under(&scene.folder, &[])
        .await
        .err()
        .expect("it does not start");
    let said = log(&scene.folder);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("in use by process {}", first.pid)), "{said}");
    // Not even a paused holder lets another one in.
    proc::stop(first.pid).await;
    assert!(Engine::start_under(&scene.folder, &[]).await.is_err());
    proc::signal(first.pid, Signal::CONT);
    assert_eq!(scene.end(first, &intent).await, Verdict::AsUndisturbed);
}
