//! Flyball's own start after SIGKILL, by its log: what LangGraph leaves to whoever starts it again.

use crate::speed::IDEMPOTENT;
use crate::table::{Figure, Goal, Table};
use crate::{Options, Stage};
use flyball_tests::process::engine::{Engine, log};
use flyball_tests::process::folder::Folder;
use flyball_tests::process::ledger::{executed, mark, plant, release, until_executed};
use flyball_tests::process::{PATIENCE, until};
use serde_json::json;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Open intents of the second measurement.
const OPEN: usize = 1000;
const DAY_MS: f64 = 86_400_000.0;

pub(crate) async fn measure(options: &Options, table: &mut Table) {
    let (mut whole, mut opened) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let (from_start, from_open) = first_dispatch(options).await;
        whole.push(from_start);
        opened.push(from_open);
    }
    let mut add = |what: &str, flyball: Vec<f64>, goal: f64| {
        table.add(Figure {
            what: what.to_owned(),
            contract: IDEMPOTENT,
            unit: "ms",
            flyball,
            peer: vec![],
            goal: Goal::AtMost(goal),
        });
    };
    add(
        "kill -9 with a call in flight: start of the process to the call made again",
        whole,
        100.0,
    );
    add("… opening the store to the call made again", opened, 100.0);
    let (mut took, mut from_start) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds.min(3) {
        let (ms, since_start) = many_open(options).await;
        took.push(ms);
        from_start.push(since_start);
    }
    add(
        "1,000 planned intents: kill -9, opening the store to all of them taken up",
        took,
        1000.0,
    );
    add("… start of the process to all of them taken up", from_start, 1000.0);
}

const OPENING: &str = "opening the store";
const TAKEN_UP: &str = "open intents are taken up";

/// When the engine logged a line, after a place in its log: milliseconds of the day (UTC). None: not yet.
fn logged(folder: &Folder, from: usize, what: &str) -> Option<f64> {
    let text = log(folder);
    let line = text[from..].lines().find(|l| l.contains(what))?;
    let (_, time) = line.split_once('T')?;
    let time = time.split_once('Z')?.0;
    let parts: Vec<f64> = time.split(':').filter_map(|p| p.parse().ok()).collect();
    let [hours, minutes, seconds] = parts[..] else {
        return None;
    };
    Some(((hours * 60.0 + minutes) * 60.0 + seconds) * 1000.0)
}

async fn until_logged(folder: &Folder, from: usize, what: &str) -> f64 {
    until(what, || logged(folder, from, what)).await
}

/// Milliseconds of the day since Unix microseconds.
fn of_day(us: u64) -> f64 {
    us as f64 / 1000.0 % DAY_MS
}

fn between(earlier: f64, later: f64) -> f64 {
    (later - earlier).rem_euclid(DAY_MS)
}

fn started(engine: &Engine) -> f64 {
    let since = engine.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    of_day(u64::try_from(since.as_micros()).unwrap())
}

async fn first_dispatch(options: &Options) -> (f64, f64) {
    let stage = Stage::set(&options.programs, false).await;
    let dir = stage.folder.ledger_dir();
    plant(&dir, "first", &json!({"kind": "hold", "tool": "noop"}));
    let engine = Engine::start(&stage.folder).await;
    let plan = json!({"summary": "one call", "steps": [{"id": "one", "tool": "ledger/noop", "args": {"n": 1}}]});
    engine.submit(&plan).await.unwrap();
    until("the call", || mark(&dir, "first", "held").exists().then_some(())).await;
    engine.kill().await;
    release(&dir, "first");
    let (before, from) = (executed(&dir).len(), log(&stage.folder).len());
    let engine = Engine::start(&stage.folder).await;
    let calls = until_executed(&dir, before + 1, |_| true).await;
    let opening = until_logged(&stage.folder, from, OPENING).await;
    let (began, at) = (started(&engine), of_day(calls[before].at_us));
    engine.stop().await;
    (between(began, at), between(opening, at))
}

async fn many_open(options: &Options) -> (f64, f64) {
    let stage = Stage::set(&options.programs, false).await;
    let engine = Engine::start(&stage.folder).await;
    let planned = |at: usize| {
        json!({"mode": "plan", "deadline": "1h", "plan": {"summary": format!("waits {at}"),
            "steps": [{"id": "one", "tool": "ledger/noop", "args": {"n": at}}]}})
    };
    let bodies: Vec<_> = (0..OPEN).map(planned).collect();
    for some in bodies.chunks(50) {
        let posts = some.iter().map(|body| engine.post("/v1/intents", body));
        futures::future::try_join_all(posts).await.unwrap();
    }
    until_planned(&engine).await;
    engine.kill().await;
    let from = log(&stage.folder).len();
    let engine = Engine::start(&stage.folder).await;
    let taken_up = until_logged(&stage.folder, from, TAKEN_UP).await;
    let opening = until_logged(&stage.folder, from, OPENING).await;
    let began = started(&engine);
    engine.stop().await;
    (between(opening, taken_up), between(began, taken_up))
}

/// Waits until all wait for `apply`.
async fn until_planned(engine: &Engine) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = engine.get("/v1/intents?state=planning&limit=1").await.unwrap();
        let looking = engine.get("/v1/intents?state=looking&limit=1").await.unwrap();
        let none = |page: &serde_json::Value| page["intents"].as_array().is_some_and(Vec::is_empty);
        if none(&page) && none(&looking) {
            return;
        }
        assert!(Instant::now() < deadline, "{page} {looking}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
