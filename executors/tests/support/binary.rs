//! The tests' child process: a guard, a server made with rmcp, and one that breaks the rules.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::zombie_processes)]

#[path = "raw.rs"]
mod raw;
#[path = "server.rs"]
mod server;

use rmcp::ServiceExt;
use server::{LEGACY, MODERN, World};
use std::time::Duration;

fn main() {
    let mut args = std::env::args_os().skip(1);
    match args.next().and_then(|a| a.into_string().ok()).as_deref() {
        Some("guard") => {
            let error = flyball_executors::guard::run(args).expect_err("a guard that goes on has failed");
            eprintln!("guard: {error}");
            std::process::exit(127);
        }
        Some("raw") => raw_server(
            args.next()
                .and_then(|a| a.into_string().ok())
                .unwrap_or_default()
                .as_str(),
        ),
        Some("world") => world(args.filter_map(|a| a.into_string().ok()).collect()),
        // Starts its arguments as a server would be started, tells the pid, and waits to be killed.
        Some("engine") => engine(args.collect()),
        other => panic!("unknown mode {other:?}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

// world legacy|modern|between [milliseconds to boot]. `between` knows the modern question and no modern version.
fn world(args: Vec<String>) {
    let versions = if args[0] == "modern" { MODERN } else { LEGACY };
    let boot = args.get(1).and_then(|ms| ms.parse().ok()).unwrap_or(0);
    std::thread::sleep(Duration::from_millis(boot));
    eprintln!("world is up");
    runtime().block_on(async {
        let stdio = (tokio::io::stdin(), tokio::io::stdout());
        let mut world = World::new(versions);
        world.discoverable |= args[0] == "between";
        if let Ok(server) = world.serve(stdio).await {
            let _ = server.waiting().await;
        }
    });
    // A blocking read of standard input must not keep the process alive.
    std::process::exit(0);
}

fn raw_server(mode: &str) {
    if mode == "stubborn" {
        // Deaf to TERM and to the end of its input.
        runtime().block_on(async {
            let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal");
            tokio::task::spawn_blocking(|| raw::serve("stubborn"));
            loop {
                term.recv().await;
            }
        });
    }
    raw::serve(mode);
}

fn engine(command: Vec<std::ffi::OsString>) {
    use std::process::{Command, Stdio};
    let me = std::env::current_exe().expect("this program has a path");
    let mut child = Command::new(me);
    child
        .args(["guard", "--parent", &std::process::id().to_string(), "--"])
        .args(command);
    let child = child
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child");
    println!("{}", child.id());
    loop {
        std::thread::park();
    }
}
