//! What the lives of an engine have in common: how much it writes when nothing disturbs it, and how the next one goes on.

use crate::judge::{Verdict, is_prefix, judge};
use crate::sample::full;
use crate::scene::{Course, LOOK_EVERY, SUMMARY, Scene};
use crate::tracer::{At, Tracer};
use flyball_tests::process::engine::Engine;
use flyball_tests::process::folder::{Era, Over};
use serde_json::Value;

/// What a run comes to that nothing disturbs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Undisturbed {
    syncs: usize,
    /// By the thread that wrote most.
    writes: usize,
}

/// How often something was counted in one run, and how many fewer or more another one may come to: two runs do not share
/// their syncs in quite the same way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    times: usize,
    fewer: usize,
    more: usize,
}

impl Counted {
    /// The last point to be tried. In a full run it lies beyond the end of any run.
    pub(crate) fn points(self) -> usize {
        self.times + if full() { self.more } else { 0 }
    }

    /// Whether a run may have ended before it came to this point.
    pub(crate) fn may_be_missed(self, point: usize) -> bool {
        point + self.fewer > self.times
    }
}

impl Undisturbed {
    /// Runs once and counts.
    pub(crate) async fn counted(way: (Over, Era), course: Course) -> Self {
        let scene = Scene::new(way, course).await;
        let engine = scene.engine().await;
        let tracer = Tracer::count(engine.pid, &scene.folder.path().join("writes")).await;
        let before = engine.syncs().await.unwrap();
        let intent = scene.submit(&engine).await.unwrap();
        let view = engine.until_ended(&intent, LOOK_EVERY).await.unwrap();
        let syncs = engine.syncs().await.unwrap() - before;
        let writes = tracer.counted();
        engine.stop().await;
        let verdict = judge(&scene, &view, &scene.records().await);
        assert_eq!(verdict, Verdict::AsUndisturbed, "{view}");
        let syncs = usize::try_from(syncs).unwrap();
        assert!(syncs > 0 && writes > 0, "{syncs} syncs, {writes} writes");
        Self { syncs, writes }
    }

    pub(crate) fn of(self, at: At) -> Counted {
        let times = match at {
            At::Kill | At::Fail | At::Stall(_) | At::StallHeads(_) => self.syncs,
            At::KillBeforeWrite => self.writes,
        };
        let fewer = match at {
            // How many entries one sync takes along depends on the machine.
            At::Kill | At::Fail | At::Stall(_) | At::StallHeads(_) => 3 + times / 4,
            // Which thread writes what is chance.
            At::KillBeforeWrite => times / 2,
        };
        let more = 3 + times / 4 + fewer;
        Counted { times, fewer, more }
    }
}

/// The intent that the scene is about, if the engine knows one.
async fn known(engine: &Engine) -> Option<String> {
    let page = engine.get("/v1/intents").await.unwrap();
    let rows = page["intents"].as_array().cloned().unwrap_or_default();
    // Before its plan is accepted an intent has no title of its own; then it is the only one that could be meant.
    let ours = rows
        .iter()
        .find(|row| row["title"] == SUMMARY)
        .or_else(|| rows.first().filter(|_| rows.len() == 1));
    ours.and_then(|row| row["id"].as_str()).map(str::to_owned)
}

/// The next life: what was acknowledged is there and comes to its end; what was not is submitted again.
pub(crate) async fn go_on(scene: &Scene, intent: Option<String>) -> (Engine, Value) {
    let engine = scene.engine().await;
    let intent = match intent.or(known(&engine).await) {
        Some(intent) => intent,
        None => scene.submit(&engine).await.unwrap(),
    };
    let view = engine
        .until_ended(&intent, LOOK_EVERY)
        .await
        .unwrap_or_else(|why| panic!("{intent} was acknowledged: {why}"));
    (engine, view)
}

/// Restarts after a death and judges the end.
pub(crate) async fn restart_and_judge(scene: &Scene, intent: Option<String>) -> Verdict {
    let before = scene.records().await;
    let (engine, view) = go_on(scene, intent).await;
    engine.stop().await;
    let after = scene.records().await;
    is_prefix(&before, &after).unwrap_or_else(|why| panic!("{why}"));
    judge(scene, &view, &after)
}
