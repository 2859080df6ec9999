//! What a step costs: chains of calls, each after the one before.

use crate::Options;
use crate::report::Report;
use crate::start::stage;
use flyball_tests::process::engine::{Engine, log};
use flyball_tests::process::folder::{Era, Folder, Over, Setup};
use flyball_tests::process::ledger::{Executed, until_executed};
use flyball_tests::process::{Programs, proc};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Intents of a chain, one after the other, for one reading.
const INTENTS: usize = 20;
const STEPS: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Idempotent,
    Probed,
    Read,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Idempotent, Self::Probed, Self::Read];

    fn name(self) -> &'static str {
        match self {
            Self::Idempotent => "idempotent no-op",
            Self::Probed => "probed write with an undo",
            Self::Read => "read",
        }
    }

    fn tool(self) -> &'static str {
        match self {
            Self::Idempotent => "noop",
            Self::Probed => "set",
            Self::Read => "read",
        }
    }

    fn goal(self) -> f64 {
        match self {
            Self::Idempotent => 1.0,
            Self::Probed => 2.0,
            Self::Read => 0.0,
        }
    }

    /// A chain of steps. `salt` makes each write one that is not in place yet.
    fn plan(self, steps: usize, salt: usize) -> Value {
        let step = |at: usize| {
            let args = match self {
                Self::Probed => json!({"name": format!("n{at}"), "value": salt.to_string()}),
                _ => json!({"n": at}),
            };
            let needs: Vec<String> = at.checked_sub(1).map(|b| format!("s{b}")).into_iter().collect();
            json!({"id": format!("s{at}"), "tool": format!("ledger/{}", self.tool()), "args": args, "needs": needs})
        };
        let steps: Vec<Value> = (0..steps).map(step).collect();
        json!({"summary": "a chain", "steps": steps})
    }
}

/// What one block of intents took, all of them together.
struct Block {
    cpu: Duration,
    syncs: u64,
    /// From submission to the last executed call, of each intent.
    times: Vec<Duration>,
}

struct Line<'a> {
    engine: &'a Engine,
    folder: &'a Folder,
    salt: usize,
    executed: usize,
}

impl Line<'_> {
    async fn one(&mut self, kind: Kind, steps: usize) -> Duration {
        self.salt += 1;
        self.executed += steps;
        let submitted = SystemTime::now();
        let intent = self.engine.submit(&kind.plan(steps, self.salt)).await.unwrap();
        let own = |c: &Executed| c.tool == kind.tool();
        let calls = until_executed(&self.folder.ledger_dir(), self.executed, own).await;
        // Asked once the last call is out, not all the while: the questions are in the engine's CPU.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let pause = Duration::from_millis(30);
        let view = self.engine.until_ended(&intent, pause).await.unwrap();
        assert_eq!(view["state"], "fulfilled", "{view}\n{}", log(self.folder));
        let last = calls.iter().rfind(|c| own(c)).unwrap().at_us;
        let at = UNIX_EPOCH + Duration::from_micros(last);
        at.duration_since(submitted).unwrap_or_default()
    }

    async fn block(&mut self, kind: Kind, steps: usize, intents: usize) -> Block {
        let (cpu, syncs) = (proc::cpu(self.engine.pid), self.engine.syncs().await.unwrap());
        let mut times = Vec::new();
        for _ in 0..intents {
            times.push(self.one(kind, steps).await);
        }
        Block {
            cpu: proc::cpu(self.engine.pid).saturating_sub(cpu),
            syncs: self.engine.syncs().await.unwrap() - syncs,
            times,
        }
    }
}

fn setup(over: Over) -> Setup {
    Setup {
        synced: false,
        ..Setup::with(over, Era::Modern)
    }
}

pub(crate) async fn measure(programs: &Programs, options: Options, report: &mut Report) {
    for over in [Over::Http, Over::Stdio] {
        for kind in Kind::ALL {
            measure_one(programs, options, report, over, kind).await;
        }
    }
}

async fn measure_one(programs: &Programs, options: Options, report: &mut Report, over: Over, kind: Kind) {
    let (folder, _served) = stage(programs, setup(over)).await;
    let engine = Engine::start(&folder).await;
    let mut line = Line {
        engine: &engine,
        folder: &folder,
        salt: 0,
        executed: 0,
    };
    line.block(kind, STEPS, 2).await;
    let (mut cpu, mut syncs, mut times) = (vec![], vec![], vec![]);
    for _ in 0..options.rounds {
        let block = line.block(kind, STEPS, INTENTS).await;
        let calls = (INTENTS * STEPS) as f64;
        cpu.push(block.cpu.as_secs_f64() * 1000.0 / calls);
        syncs.push(block.syncs as f64 / calls);
        times.extend(block.times.iter().map(|t| t.as_secs_f64() * 1000.0 / STEPS as f64));
    }
    // A chain of one tells what the intent itself costs: asked for, planned, judged, locked, ended.
    let short = line.block(kind, 1, INTENTS).await;
    let one_more = |per_step: &[f64], short: f64| {
        let ten = per_step.iter().sum::<f64>() / per_step.len() as f64 * STEPS as f64;
        vec![(ten - short / INTENTS as f64) / (STEPS - 1) as f64]
    };
    let more_cpu = one_more(&cpu, short.cpu.as_secs_f64() * 1000.0);
    let more_syncs = one_more(&syncs, short.syncs as f64);
    let of = format!("{}, {over:?}", kind.name()).to_lowercase();
    report.add(
        format!("{of}: engine CPU a step, the intent's own shared out"),
        "ms",
        cpu,
        None,
    );
    report.add(
        format!("{of}: engine CPU that one more step costs"),
        "ms",
        more_cpu,
        None,
    );
    report.add(
        format!("{of}: syncs a step, the intent's own shared out"),
        "",
        syncs,
        Some(kind.goal()),
    );
    report.add(
        format!("{of}: syncs that one more step costs"),
        "",
        more_syncs,
        Some(kind.goal()),
    );
    report.add(
        format!("{of}: submission to last call, a tenth of it"),
        "ms",
        times,
        None,
    );
    engine.stop().await;
}

/// Counts the same syncs from outside, once.
pub(crate) async fn compare_with_strace(programs: &Programs, report: &mut Report) {
    let (folder, _served) = stage(programs, setup(Over::Http)).await;
    let trace = folder.path().join("strace");
    let mut tracer: Vec<std::ffi::OsString> = ["strace", "-f", "-e", "trace=fdatasync,fsync,sync_file_range", "-o"]
        .map(Into::into)
        .to_vec();
    tracer.push(trace.clone().into());
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        eprintln!("figures: no strace here, so the engine's own count stands alone");
        return;
    }
    let engine = Engine::start_under(&folder, &tracer).await.unwrap();
    let mut line = Line {
        engine: &engine,
        folder: &folder,
        salt: 0,
        executed: 0,
    };
    let seen = |call: &str| {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        text.lines().filter(|l| l.contains(&format!(" {call}("))).count() as f64
    };
    let before = (seen("fdatasync"), seen("fsync"), seen("sync_file_range"));
    let block = line.block(Kind::Probed, STEPS, 5).await;
    report.add(
        "50 probed writes: syncs, as the engine says",
        "",
        vec![block.syncs as f64],
        None,
    );
    for (call, before) in [
        ("fdatasync", before.0),
        ("fsync", before.1),
        ("sync_file_range", before.2),
    ] {
        let count = seen(call) - before;
        report.add(
            format!("50 probed writes: {call}, as strace says"),
            "",
            vec![count],
            None,
        );
    }
    engine.stop().await;
}
