//! From the start of the process to its first word and to the first tool call.

use crate::Options;
use crate::report::Report;
use flyball_tests::process::engine::Engine;
use flyball_tests::process::folder::{Era, Folder, Over, Setup};
use flyball_tests::process::ledger::{Executed, Served, executed, mark, plant, release, until_executed};
use flyball_tests::process::{Programs, until};
use serde_json::json;
use std::time::{Duration, UNIX_EPOCH};

pub(crate) async fn measure(programs: &Programs, options: Options, report: &mut Report) {
    let (mut bare, mut stdio, mut http, mut call, mut resumed) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..options.rounds {
        bare.push(first_word(programs, None).await);
        stdio.push(first_word(programs, Some(Over::Stdio)).await);
        http.push(first_word(programs, Some(Over::Http)).await);
        call.push(first_call(programs).await);
        resumed.push(open_intent(programs).await);
    }
    report.add("start to listening, no tool server", "ms", bare, None);
    report.add("start to listening, one server over stdio", "ms", stdio, None);
    report.add("start to listening, one server over HTTP", "ms", http, None);
    report.add(
        "start to first tool call executed, submitted once it listens (HTTP)",
        "ms",
        call,
        None,
    );
    report.add(
        "kill -9, start to first tool call executed, of an open intent (HTTP)",
        "ms",
        resumed,
        Some(100.0),
    );
}

fn setup(over: Over) -> Setup {
    Setup {
        synced: false,
        ..Setup::with(over, Era::Modern)
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A folder, and the ledger if it is reached over HTTP.
pub(crate) async fn stage(programs: &Programs, setup: Setup) -> (Folder, Option<Served>) {
    let folder = Folder::new(programs, setup);
    let mut served = None;
    if matches!(setup.ledger, Some((Over::Http, _))) {
        served = Some(Served::start(&folder).await);
    }
    folder.settings(served.as_ref().map(|s| s.url.as_str()));
    (folder, served)
}

/// The second start in a folder: keys, token and store are there.
async fn first_word(programs: &Programs, over: Option<Over>) -> f64 {
    let base = setup(over.unwrap_or(Over::Stdio));
    let ledger = base.ledger.filter(|_| over.is_some());
    let (folder, _served) = stage(programs, Setup { ledger, ..base }).await;
    Engine::start(&folder).await.stop().await;
    let engine = Engine::start(&folder).await;
    let time = ms(engine.listening_after);
    engine.stop().await;
    time
}

fn since(engine: &Engine, call: &Executed) -> f64 {
    let at = UNIX_EPOCH + Duration::from_micros(call.at_us);
    ms(at.duration_since(engine.started).unwrap_or_default())
}

async fn first_call(programs: &Programs) -> f64 {
    let (folder, _served) = stage(programs, setup(Over::Http)).await;
    Engine::start(&folder).await.stop().await;
    let engine = Engine::start(&folder).await;
    let plan = json!({"summary": "one call", "steps": [{"id": "one", "tool": "ledger/noop", "args": {"n": 1}}]});
    engine.submit(&plan).await.unwrap();
    let calls = until_executed(&folder.ledger_dir(), 1, |_| true).await;
    let time = since(&engine, &calls[0]);
    engine.stop().await;
    time
}

/// An idempotent call was out when the engine was killed: the next engine repeats it.
async fn open_intent(programs: &Programs) -> f64 {
    let (folder, _served) = stage(programs, setup(Over::Http)).await;
    let dir = folder.ledger_dir();
    plant(&dir, "first", &json!({"kind": "hold", "tool": "noop"}));
    let engine = Engine::start(&folder).await;
    let plan = json!({"summary": "one call", "steps": [{"id": "one", "tool": "ledger/noop", "args": {"n": 1}}]});
    engine.submit(&plan).await.unwrap();
    until("the call is held", || {
        mark(&dir, "first", "held").exists().then_some(())
    })
    .await;
    engine.kill().await;
    release(&dir, "first");
    let before = executed(&dir).len();
    let engine = Engine::start(&folder).await;
    let calls = until_executed(&dir, before + 1, |_| true).await;
    let time = since(&engine, &calls[before]);
    engine.stop().await;
    time
}
