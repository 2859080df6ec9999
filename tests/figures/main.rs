//! Measures the built program on this machine: start, memory and CPU at rest, CPU and syncs of a step, size.
//!
//! ```text
//! cargo build --release && cargo build --release -p flyball-executors --example ledger
//! cargo run --release -p flyball-tests --example figures -- [--json] [--rounds 5] [--rest-seconds 30]
//! ```
//!
//! Each figure names the contract it ran under (`tests/src/process/folder.rs`). It is taken several times; median, least
//! and most are shown. CPU and syncs are steady; times of the clock are this machine's, of this minute. The ledger does
//! not sync here, so that the engine has the disk to itself.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

mod chain;
mod report;
mod rest;
mod size;
mod start;

use flyball_tests::process::Programs;
use report::Report;

/// What the command line says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    json: bool,
    rounds: usize,
    rest_seconds: u64,
}

fn options(words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut words = words;
    let mut options = Options {
        json: false,
        rounds: 5,
        rest_seconds: 30,
    };
    while let Some(word) = words.next() {
        let mut number = || {
            let number = words.next().and_then(|w| w.parse::<u64>().ok()).filter(|n| *n > 0);
            number.ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--json" => options.json = true,
            "--rounds" => options.rounds = usize::try_from(number()?).map_err(|e| e.to_string())?,
            "--rest-seconds" => options.rest_seconds = number()?,
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(options)
}

fn main() {
    let options = options(std::env::args().skip(1)).unwrap_or_else(|why| end(&why));
    let programs = Programs::find().unwrap_or_else(|why| end(&why));
    if cfg!(debug_assertions) {
        eprintln!("figures: this is no release build; its figures say nothing");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut report = Report::default();
    runtime.block_on(async {
        size::measure(&programs, &mut report);
        start::measure(&programs, options, &mut report).await;
        rest::measure(&programs, options, &mut report).await;
        chain::measure(&programs, options, &mut report).await;
        chain::compare_with_strace(&programs, &mut report).await;
    });
    println!("{}", if options.json { report.json() } else { report.table() });
}

fn end(why: &str) -> ! {
    eprintln!("figures: {why}");
    std::process::exit(2)
}
