//! A tool server that tells the truth about itself: each call that it executes is a line of `calls.jsonl`, synced before
//! the answer. What the engine's journal says is compared with these lines.
//!
//! ```text
//! ledger --dir DIR [--era legacy|modern] [--listen ADDRESS] [--unsynced]
//! ```
//!
//! Speaks over standard input and output, or with `--listen` over streamable HTTP at `/mcp`; the address then stands in
//! `DIR/url`. `DIR/faults/*.json` make single calls go wrong: see `faults.rs`. `--unsynced` leaves out the sync, for
//! figures on one disk: a killed process loses nothing by that, a machine without power might.
#![allow(clippy::print_stderr, reason = "a server over stdio may say things there only")]

mod book;
mod faults;
mod http;
mod questions;
mod stdio;
mod tools;

use book::Book;
use faults::Faults;
use rmcp::model::ProtocolVersion;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tools::Ledger;

struct Options {
    dir: PathBuf,
    modern: bool,
    listen: Option<SocketAddr>,
    synced: bool,
}

fn main() {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("ledger: {why}");
            std::process::exit(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime needs only threads");
    if let Err(error) = runtime.block_on(serve(options)) {
        eprintln!("ledger: {error}");
        std::process::exit(1);
    }
    // A blocking read of standard input must not keep the process alive.
    std::process::exit(0);
}

fn options(words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut words = words;
    let (mut dir, mut modern, mut listen, mut synced) = (None, true, None, true);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--dir" => dir = Some(PathBuf::from(value()?)),
            "--era" => match value()?.as_str() {
                "legacy" => modern = false,
                "modern" => modern = true,
                other => return Err(format!("unknown era {other:?}")),
            },
            "--listen" => listen = Some(value()?.parse().map_err(|e| format!("--listen: {e}"))?),
            "--unsynced" => synced = false,
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    let dir = dir.ok_or("--dir is needed")?;
    Ok(Options {
        dir,
        modern,
        listen,
        synced,
    })
}

async fn serve(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let versions: &'static [ProtocolVersion] = if options.modern {
        &[ProtocolVersion::V_2026_07_28]
    } else {
        &[ProtocolVersion::V_2025_11_25]
    };
    let ledger = Ledger {
        versions,
        modern: options.modern,
        book: Arc::new(Book::open(&options.dir, options.synced)?),
        faults: Arc::new(Faults::open(&options.dir)?),
    };
    match options.listen {
        Some(address) => http::serve(ledger, address, &options.dir).await?,
        None => stdio::serve(ledger).await,
    }
    Ok(())
}
