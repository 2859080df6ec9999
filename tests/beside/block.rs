//! A block of runs by either engine, measured in the same way: CPU by what the kernel says of the engine's process, time
//! by what the ledger executed.

use crate::peer::Peer;
use crate::shape::Shape;
use crate::tail::{Span, Tail, by_run};
use flyball_tests::process::engine::{Engine, log};
use flyball_tests::process::folder::Folder;
use flyball_tests::process::ledger::Executed;
use flyball_tests::process::proc;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// After the last call of a run the engine has still to note its end.
const AFTER: Duration = Duration::from_millis(60);

/// The runs of a block.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) shape: Shape,
    pub(crate) runs: Vec<String>,
    pub(crate) at_once: bool,
}

impl Order {
    pub(crate) fn new(shape: &Shape, salt: &str, runs: usize, at_once: bool) -> Self {
        Self {
            shape: shape.clone(),
            runs: (0..runs).map(|at| format!("{salt}x{at}")).collect(),
            at_once,
        }
    }

    fn calls(&self) -> usize {
        self.runs.len() * self.shape.len()
    }
}

/// What a block took.
pub(crate) struct Block {
    /// User and system time of the engine's process.
    pub(crate) cpu: Duration,
    /// When each run was asked for (Unix seconds), and what was executed for it.
    pub(crate) runs: Vec<(f64, Span)>,
}

impl Block {
    fn of(order: &Order, cpu: Duration, asked: &[f64], calls: &[Executed]) -> Self {
        let spans: BTreeMap<String, Span> = by_run(calls);
        let each = order.runs.iter().zip(asked);
        let runs: Vec<(f64, Span)> = each.map(|(run, asked)| (*asked, spans[run])).collect();
        assert!(runs.iter().all(|(_, s)| s.calls == order.shape.len()));
        Self { cpu, runs }
    }

    pub(crate) fn cpu_ms_a_run(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / self.runs.len() as f64
    }

    /// From the request of a run to its last call, milliseconds each.
    pub(crate) fn walls_ms(&self) -> Vec<f64> {
        let wall = |(asked, span): &(f64, Span)| span.last as f64 / 1000.0 - asked * 1000.0;
        self.runs.iter().map(wall).collect()
    }

    /// From the first request to the last call of all.
    pub(crate) fn runs_a_second(&self) -> f64 {
        let first = self.runs.iter().map(|r| r.0).fold(f64::MAX, f64::min);
        let last = self.runs.iter().map(|r| r.1.last).max().unwrap_or(0);
        self.runs.len() as f64 / (last as f64 / 1e6 - first)
    }

    /// From the first call of a run to its last, milliseconds each.
    pub(crate) fn spans_ms(&self) -> Vec<f64> {
        let span = |(_, span): &(f64, Span)| (span.last - span.first) as f64 / 1000.0;
        self.runs.iter().map(span).collect()
    }
}

pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Flyball's runs. What it is asked afterwards, whether all is fulfilled, is not in its CPU.
pub(crate) async fn flyball(engine: &Engine, folder: &Folder, order: &Order) -> Block {
    let mut tail = Tail::new(&folder.ledger_dir());
    let before = proc::cpu(engine.pid);
    let plans: Vec<_> = order.runs.iter().map(|run| order.shape.plan(run)).collect();
    let (mut asked, mut intents, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for together in plans.chunks(if order.at_once { plans.len() } else { 1 }) {
        asked.extend(together.iter().map(|_| now()));
        let submissions = together.iter().map(|plan| engine.submit(plan));
        intents.extend(futures::future::try_join_all(submissions).await.unwrap());
        calls.extend(tail.until(together.len() * order.shape.len(), |_| true).await);
        tokio::time::sleep(AFTER).await;
    }
    let cpu = proc::cpu(engine.pid).saturating_sub(before);
    for intent in &intents {
        let view = engine.until_ended(intent, AFTER).await.unwrap();
        assert_eq!(view["state"], "fulfilled", "{view}\n{}", log(folder));
    }
    Block::of(order, cpu, &asked, &calls)
}

/// LangGraph's runs.
pub(crate) async fn peer(peer: &mut Peer, folder: &Folder, order: &Order) -> Block {
    let mut tail = Tail::new(&folder.ledger_dir());
    let before = proc::cpu(peer.pid);
    peer.tell(&order.shape, &order.runs, order.at_once, false).await;
    let times = peer.ended().await;
    let cpu = proc::cpu(peer.pid).saturating_sub(before);
    let calls = tail.until(order.calls(), |_| true).await;
    let asked: Vec<f64> = times.iter().map(|(began, _)| *began).collect();
    Block::of(order, cpu, &asked, &calls)
}
