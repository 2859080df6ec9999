//! What it costs while nothing happens.

use crate::Options;
use crate::report::Report;
use crate::start::stage;
use flyball_tests::process::engine::Engine;
use flyball_tests::process::folder::{Era, Over, Setup};
use flyball_tests::process::{Programs, proc};
use serde_json::json;
use std::time::Duration;

pub(crate) async fn measure(programs: &Programs, options: Options, report: &mut Report) {
    let (folder, _served) = stage(programs, Setup::with(Over::Stdio, Era::Modern)).await;
    let engine = Engine::start(&folder).await;
    // Planned and waiting for `apply`.
    let plan = json!({"plan": {"summary": "waits", "steps": [{"id": "one", "tool": "ledger/noop", "args": {"n": 1}}]},
        "mode": "plan", "deadline": "1h"});
    engine.post("/v1/intents", &plan).await.unwrap();
    // What the start has left to do, the first writing of the heads among it, is not rest.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let (cpu, woken) = (proc::cpu(engine.pid), proc::wakeups(engine.pid));
    tokio::time::sleep(Duration::from_secs(options.rest_seconds)).await;
    let cpu = proc::cpu(engine.pid).saturating_sub(cpu);
    let woken = proc::wakeups(engine.pid).saturating_sub(woken);
    let mib = |kib: u64| kib as f64 / 1024.0;
    let resident = mib(proc::status(engine.pid, "VmRSS"));
    report.add(
        "resident at rest, one server over stdio, one intent waiting",
        "MiB",
        vec![resident],
        Some(64.0),
    );
    let anonymous = mib(proc::status(engine.pid, "RssAnon"));
    report.add("of it not the program's own file", "MiB", vec![anonymous], None);
    let seconds = options.rest_seconds;
    report.add(
        format!("CPU of {seconds} s at rest"),
        "ms",
        vec![cpu.as_secs_f64() * 1000.0],
        None,
    );
    report.add(
        "wake-ups of all threads at rest",
        "a second",
        vec![woken as f64 / seconds as f64],
        None,
    );
    engine.stop().await;
}
