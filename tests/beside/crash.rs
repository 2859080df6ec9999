//! SIGKILL at a random moment while a call is in flight: how often the call is made again, whether one is lost, and how
//! soon after its start the next life goes on.

use crate::peer::Peer;
use crate::shape::{CHAIN, Shape, name};
use crate::table::{Figure, Goal, Table};
use crate::{Options, Stage};
use flyball_tests::process::engine::Engine;
use flyball_tests::process::ledger::{Executed, executed, mark, plant};
use flyball_tests::process::{PATIENCE, until};
use rand::Rng;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CONTRACT: &str = "reversible, probed; settle_after 200 ms, resend: bound";
/// How long the call takes that the engine is killed in: its effect comes in the middle.
const CALL_MS: u64 = 40;
const FAULT: &str = "slow";

/// Where and when an engine is killed.
#[derive(Debug, Clone, Copy)]
struct Moment {
    step: usize,
    /// After the call has reached the tool server.
    after: Duration,
}

impl Moment {
    /// Not in the last step: there must be something to go on with.
    fn any() -> Self {
        let mut dice = rand::rng();
        Self {
            step: dice.random_range(0..CHAIN - 1),
            after: Duration::from_micros(dice.random_range(0..CALL_MS * 1000)),
        }
    }
}

/// What came of one crash.
struct Outcome {
    duplicated: f64,
    lost: f64,
    /// From the start of the process to the first call that it made.
    first_call: f64,
    /// … and to the first call of a step that was not begun before the crash.
    next_step: f64,
}

fn made(calls: &[Executed], at: usize) -> impl Iterator<Item = &Executed> {
    let wanted = name(at);
    calls
        .iter()
        .filter(move |c| c.tool == "set" && c.args["name"] == wanted.as_str())
}

fn judge(dir: &Path, moment: Moment, before: usize, started: SystemTime) -> Outcome {
    let calls = executed(dir);
    let counts = (0..CHAIN).map(|at| made(&calls, at).count());
    let (duplicated, lost) = counts.fold((0, 0), |(d, l), n| (d + n.saturating_sub(1), l + usize::from(n == 0)));
    let since = |call: &Executed| {
        let at = UNIX_EPOCH + Duration::from_micros(call.at_us);
        at.duration_since(started).unwrap_or_default().as_secs_f64() * 1000.0
    };
    Outcome {
        duplicated: duplicated as f64,
        lost: lost as f64,
        first_call: calls.get(before).map_or(f64::NAN, since),
        next_step: made(&calls, moment.step + 1).next().map_or(f64::NAN, since),
    }
}

/// Waits for the call, for the moment, and has the engine killed; then for the effect, which comes whoever is dead.
async fn strike(dir: &Path, moment: Moment, kill: impl Future<Output = ()>) -> usize {
    until("the call", || mark(dir, FAULT, "held").exists().then_some(())).await;
    tokio::time::sleep(moment.after).await;
    kill.await;
    until("the effect", || {
        let calls = executed(dir);
        made(&calls, moment.step).next().map(|_| calls.len())
    })
    .await
}

fn plant_slow(dir: &Path, moment: Moment) {
    let fault = json!({"kind": "slow", "tool": "set", "name": name(moment.step), "ms": CALL_MS});
    plant(dir, FAULT, &fault);
}

async fn flyball(options: &Options, moment: Moment) -> Outcome {
    let stage = Stage::set(&options.programs, true).await;
    let dir = stage.folder.ledger_dir();
    plant_slow(&dir, moment);
    let engine = Engine::start(&stage.folder).await;
    let intent = engine.submit(&Shape::writes().plan("one")).await.unwrap();
    let before = strike(&dir, moment, engine.kill()).await;
    let engine = Engine::start(&stage.folder).await;
    let view = engine.until_ended(&intent, Duration::from_millis(30)).await.unwrap();
    assert_eq!(view["state"], "fulfilled", "{view}");
    let outcome = judge(&dir, moment, before, engine.started);
    engine.stop().await;
    outcome
}

async fn peer(options: &Options, moment: Moment) -> Outcome {
    let stage = Stage::set(&options.programs, true).await;
    let dir = stage.folder.ledger_dir();
    plant_slow(&dir, moment);
    let (shape, runs) = (Shape::writes(), ["one".to_owned()]);
    let start = || Peer::start(&options.python, stage.folder.path(), &stage.url());
    let mut life = start();
    life.ready().await;
    life.tell(&shape, &runs, false, true).await;
    let before = strike(&dir, moment, life.kill()).await;
    let mut life = start();
    // What it is to go on with lies there before it is up, as it would for a service.
    life.tell(&shape, &runs, false, true).await;
    life.ready().await;
    tokio::time::timeout(PATIENCE, life.ended()).await.unwrap();
    let outcome = judge(&dir, moment, before, life.started);
    life.kill().await;
    outcome
}

pub(crate) async fn measure(options: &Options, table: &mut Table) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..options.crashes {
        let moment = Moment::any();
        eprintln!("beside: crash {} of {}: {moment:?}", round + 1, options.crashes);
        ours.push(flyball(options, moment).await);
        theirs.push(peer(options, moment).await);
    }
    let mut add = |what: &str, unit, of: fn(&Outcome) -> f64, goal| {
        table.add(Figure {
            what: what.to_owned(),
            contract: CONTRACT,
            unit,
            flyball: ours.iter().map(of).collect(),
            peer: theirs.iter().map(of).collect(),
            goal,
        });
    };
    add(
        "kill -9 while a call is in flight: effects duplicated a crash",
        "",
        |o| o.duplicated,
        Goal::AtMost(0.0),
    );
    add("… effects lost a crash", "", |o| o.lost, Goal::AtMost(0.0));
    add(
        "… start of the process to its first call (Flyball's is the probe that settles)",
        "ms",
        |o| o.first_call,
        Goal::None,
    );
    add(
        "… to the first call of the next step",
        "ms",
        |o| o.next_step,
        Goal::None,
    );
    let all = |of: &[Outcome], what: fn(&Outcome) -> f64| of.iter().map(what).sum::<f64>();
    table.note(format!(
        "{} crashes of each: Flyball duplicated {} effects and lost {}, LangGraph duplicated {} and lost {}.",
        options.crashes,
        all(&ours, |o| o.duplicated),
        all(&ours, |o| o.lost),
        all(&theirs, |o| o.duplicated),
        all(&theirs, |o| o.lost),
    ));
}
