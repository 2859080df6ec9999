//! Measures the built program beside LangGraph with its SQLite checkpointer, in one run, before one and the same tool
//! server: what calls cost, what a crash costs, how soon each goes on.
//!
//! ```text
//! cargo build --release && cargo build --release -p flyball-executors --example ledger
//! cargo run --release -p flyball-tests --example beside -- [--json] [--rounds 5] [--runs 20] [--crashes 20] [--only speed|crash|boot]
//! ```
//!
//! Needs Python 3 with `venv` and a way to PyPI: the packages are installed once, beside the build. Rounds of the two take
//! turns, and shares are formed inside a round, for on a busy machine only these are steady. Both reach the ledger over
//! HTTP in the form that LangGraph's adapters speak (sessions, event streams). LangGraph runs as a careful user would
//! run it (`peer.py`): `durability="sync"`, one session for all calls. Flyball's figures name their contract
//! (`tests/src/process/folder.rs`). Where time counts the ledger does not sync, so that each engine has the disk to
//! itself; where effects count it does.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

mod block;
mod boot;
mod crash;
mod peer;
mod shape;
mod speed;
mod table;
mod tail;

use flyball_tests::measure;
use flyball_tests::process::Programs;
use flyball_tests::process::folder::{Era, Folder, Over, Setup};
use flyball_tests::process::ledger::Served;
use std::path::PathBuf;
use table::Table;

/// What the command line says, and where the programs are.
pub(crate) struct Options {
    json: bool,
    rounds: usize,
    /// Runs of a block, one at a time.
    runs: usize,
    crashes: usize,
    /// One part, or all.
    only: Option<String>,
    /// Whether there is a tracer to count syncs with.
    strace: bool,
    programs: Programs,
    python: PathBuf,
}

/// A folder and its ledger, over HTTP.
pub(crate) struct Stage {
    pub(crate) folder: Folder,
    served: Served,
}

impl Stage {
    pub(crate) async fn set(programs: &Programs, synced: bool) -> Self {
        let setup = Setup {
            synced,
            ..Setup::with(Over::Http, Era::Legacy)
        };
        let folder = Folder::new(programs, setup);
        let served = Served::start(&folder).await;
        folder.settings(Some(&served.url));
        Self { folder, served }
    }

    pub(crate) fn url(&self) -> String {
        self.served.url.clone()
    }
}

fn options(words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut words = words;
    let mut options = Options {
        json: false,
        rounds: 5,
        runs: 20,
        crashes: 20,
        only: None,
        strace: std::process::Command::new("strace").arg("-V").output().is_ok(),
        programs: Programs::find()?,
        python: PathBuf::new(),
    };
    while let Some(word) = words.next() {
        let mut number = || {
            let number = words.next().and_then(|w| w.parse::<usize>().ok()).filter(|n| *n > 0);
            number.ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--json" => options.json = true,
            "--rounds" => options.rounds = number()?,
            "--runs" => options.runs = number()?,
            "--crashes" => options.crashes = number()?,
            "--only" => options.only = Some(words.next().ok_or("--only needs speed, crash or boot")?),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    options.python = peer::install()?;
    Ok(options)
}

fn main() {
    let options = options(std::env::args().skip(1)).unwrap_or_else(|why| {
        eprintln!("beside: {why}");
        std::process::exit(2)
    });
    if cfg!(debug_assertions) {
        eprintln!("beside: this is no release build; its figures say nothing");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut table = Table::default();
    runtime.block_on(async {
        let wanted = |part: &str| options.only.as_ref().is_none_or(|only| only == part);
        let before = measure::load();
        if wanted("speed") {
            speed::measure(&options, &mut table).await;
        }
        if wanted("boot") {
            boot::measure(&options, &mut table).await;
        }
        if wanted("crash") {
            crash::measure(&options, &mut table).await;
        }
        table.note(format!(
            "LangGraph: {}; the machine's load was {before} before and {} after.",
            peer::PACKAGES.join(", "),
            measure::load()
        ));
    });
    println!("{}", if options.json { table.json() } else { table.text() });
}
