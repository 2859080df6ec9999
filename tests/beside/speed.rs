//! What calls cost while all goes well: chains one at a time, chains at once, a fan. Rounds of both engines take turns.

use crate::block::{self, Block, Order};
use crate::peer::Peer;
use crate::shape::{FAN_MS, Shape};
use crate::table::{Figure, Goal, Table};
use crate::{Options, Stage};
use flyball_tests::measure::{spread, sync_time};
use flyball_tests::process::engine::Engine;
use flyball_tests::process::{proc, until};
use std::process::{Command, Stdio};

pub(crate) const IDEMPOTENT: &str = "idempotent, no probe";
pub(crate) const READ: &str = "read";

/// Both engines, running, before one ledger.
struct Pair {
    stage: Stage,
    engine: Engine,
    peer: Peer,
    blocks: usize,
}

/// What one round of both gave.
struct Round {
    flyball: Block,
    peer: Block,
    /// Syncs of Flyball a step, as it says itself.
    syncs: f64,
}

impl Pair {
    async fn start(options: &Options) -> Self {
        let stage = Stage::set(&options.programs, false).await;
        let engine = Engine::start(&stage.folder).await;
        let mut peer = Peer::start(&options.python, stage.folder.path(), &stage.url());
        peer.ready().await;
        Self {
            stage,
            engine,
            peer,
            blocks: 0,
        }
    }

    fn order(&mut self, shape: &Shape, runs: usize, at_once: bool) -> Order {
        self.blocks += 1;
        Order::new(shape, &format!("b{}", self.blocks), runs, at_once)
    }

    async fn flyball(&mut self, order: &Order) -> (Block, f64) {
        let before = self.engine.syncs().await.unwrap();
        let block = block::flyball(&self.engine, &self.stage.folder, order).await;
        let syncs = self.engine.syncs().await.unwrap() - before;
        let steps = (order.runs.len() * order.shape.len()) as f64;
        (block, syncs as f64 / steps)
    }

    async fn peer(&mut self, order: &Order) -> Block {
        block::peer(&mut self.peer, &self.stage.folder, order).await
    }

    /// One block of each; who begins changes from round to round.
    async fn round(&mut self, shape: &Shape, runs: usize, at_once: bool, round: usize) -> Round {
        let (ours, theirs) = (self.order(shape, runs, at_once), self.order(shape, runs, at_once));
        if round.is_multiple_of(2) {
            let (flyball, syncs) = self.flyball(&ours).await;
            let peer = self.peer(&theirs).await;
            Round { flyball, peer, syncs }
        } else {
            let peer = self.peer(&theirs).await;
            let (flyball, syncs) = self.flyball(&ours).await;
            Round { flyball, peer, syncs }
        }
    }

    async fn rounds(&mut self, shape: &Shape, runs: usize, at_once: bool, rounds: usize) -> Vec<Round> {
        // The first block pays for what is made once.
        self.round(shape, runs.min(4), at_once, 0).await;
        let mut all = Vec::new();
        for round in 0..rounds {
            all.push(self.round(shape, runs, at_once, round).await);
        }
        all
    }
}

fn each(rounds: &[Round], of: impl Fn(&Block) -> f64) -> (Vec<f64>, Vec<f64>) {
    let (ours, theirs) = rounds.iter().map(|r| (of(&r.flyball), of(&r.peer))).unzip();
    (ours, theirs)
}

pub(crate) async fn measure(options: &Options, table: &mut Table) {
    let mut pair = Pair::start(options).await;
    for (tool, contract) in [("noop", IDEMPOTENT), ("read", READ)] {
        chain(&mut pair, options, table, tool, contract).await;
        at_once(&mut pair, options, table, tool, contract).await;
    }
    for (tool, contract) in [("noop", IDEMPOTENT), ("read", READ)] {
        fan(&mut pair, options, table, tool, contract).await;
    }
    if options.strace {
        counted(&mut pair, table).await;
    }
    pair.engine.stop().await;
    pair.peer.kill().await;
}

async fn chain(pair: &mut Pair, options: &Options, table: &mut Table, tool: &str, contract: &'static str) {
    let rounds = pair
        .rounds(&Shape::chain(tool), options.runs, false, options.rounds)
        .await;
    let (flyball, peer) = each(&rounds, Block::cpu_ms_a_run);
    table.add(Figure {
        what: "10 calls one after the other, one run at a time: CPU a run".into(),
        contract,
        unit: "ms",
        flyball,
        peer,
        goal: Goal::Share(0.2),
    });
    let (flyball, peer) = each(&rounds, |b| spread(&b.walls_ms()).1);
    table.add(Figure {
        what: "… request to last call".into(),
        contract,
        unit: "ms",
        flyball,
        peer,
        goal: Goal::None,
    });
    let goal = match contract {
        READ => Goal::None,
        _ => Goal::AtMost(1.0),
    };
    table.add(Figure {
        what: "… syncs a step, the run's own shared out".into(),
        contract,
        unit: "",
        flyball: rounds.iter().map(|r| r.syncs).collect(),
        peer: vec![],
        goal,
    });
}

async fn at_once(pair: &mut Pair, options: &Options, table: &mut Table, tool: &str, contract: &'static str) {
    let rounds = pair.rounds(&Shape::chain(tool), 32, true, options.rounds).await;
    let (flyball, peer) = each(&rounds, Block::runs_a_second);
    table.add(Figure {
        what: "32 such runs at once: runs a second".into(),
        contract,
        unit: "",
        flyball,
        peer,
        goal: Goal::Times(10.0),
    });
    let (flyball, peer) = each(&rounds, Block::cpu_ms_a_run);
    table.add(Figure {
        what: "… CPU a run".into(),
        contract,
        unit: "ms",
        flyball,
        peer,
        goal: Goal::None,
    });
    table.add(Figure {
        what: "… syncs a step".into(),
        contract,
        unit: "",
        flyball: rounds.iter().map(|r| r.syncs).collect(),
        peer: vec![],
        goal: Goal::AtMost(0.25),
    });
}

async fn fan(pair: &mut Pair, options: &Options, table: &mut Table, tool: &str, contract: &'static str) {
    let shape = Shape::fan(tool);
    let sync = sync_time(pair.stage.folder.path()).unwrap().as_secs_f64() * 1000.0;
    let rounds = pair
        .rounds(&shape, options.runs.div_ceil(4), false, options.rounds)
        .await;
    let (flyball, peer) = each(&rounds, |b| spread(&b.spans_ms()).1);
    table.note(format!(
        "A sync of 4 KiB took {sync:.2} ms before the fan under the contract \"{contract}\"."
    ));
    table.add(Figure {
        what: format!("1 call, 20 of {FAN_MS} ms beside each other, 1 call; alone: first call to last"),
        contract,
        unit: "ms",
        flyball,
        peer,
        goal: Goal::AtMost(FAN_MS as f64 + 5.0 * sync + 5.0),
    });
    let rounds = pair.rounds(&shape, 16, true, options.rounds).await;
    let (flyball, peer) = each(&rounds, |b| spread(&b.spans_ms()).1);
    table.add(Figure {
        what: "… 16 such runs at once".into(),
        contract,
        unit: "ms",
        flyball,
        peer,
        goal: Goal::AtMost(2.0 * FAN_MS as f64),
    });
}

/// Counts the syncs of both from outside, in a pass of its own: a traced process is a slow one.
async fn counted(pair: &mut Pair, table: &mut Table) {
    for (what, runs, at_once) in [("one run at a time", 5, false), ("32 runs at once", 32, true)] {
        let (ours, theirs) = (Shape::chain("noop"), Shape::chain("noop"));
        let (ours, theirs) = (pair.order(&ours, runs, at_once), pair.order(&theirs, runs, at_once));
        let steps = (runs * ours.shape.len()) as f64;
        let trace = pair.stage.folder.path().join("trace");
        let tracer = Tracer::attach(pair.engine.pid, &trace).await;
        pair.flyball(&ours).await;
        let flyball = tracer.count() / steps;
        let tracer = Tracer::attach(pair.peer.pid, &trace).await;
        pair.peer(&theirs).await;
        let peer = tracer.count() / steps;
        table.add(Figure {
            what: format!("syncs a step as strace counts them, {what}"),
            contract: IDEMPOTENT,
            unit: "",
            flyball: vec![flyball],
            peer: vec![peer],
            goal: Goal::None,
        });
    }
}

/// `strace` on a running process.
struct Tracer<'a> {
    tracer: std::process::Child,
    trace: &'a std::path::Path,
}

impl<'a> Tracer<'a> {
    async fn attach(pid: u32, trace: &'a std::path::Path) -> Self {
        let tracer = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=fdatasync,fsync", "-o"])
            .arg(trace)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the tracer", || {
            (proc::status(pid, "TracerPid") == u64::from(tracer.id())).then_some(())
        })
        .await;
        Self { tracer, trace }
    }

    /// How many syncs were begun while it was there.
    fn count(mut self) -> f64 {
        proc::signal(self.tracer.id(), rustix::process::Signal::TERM);
        let _ = self.tracer.wait();
        let text = std::fs::read_to_string(self.trace).unwrap_or_default();
        let begun = |l: &&str| l.contains(" fdatasync(") || l.contains(" fsync(");
        text.lines().filter(begun).count() as f64
    }
}
