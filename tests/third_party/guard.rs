//! Becomes the server that it is told to guard, as `flyball guard` does.
#![allow(clippy::print_stderr)]

fn main() {
    let args = std::env::args_os().skip(2);
    let error = flyball_executors::guard::run(args).expect_err("a guard that goes on has failed");
    eprintln!("guard: {error}");
    std::process::exit(127);
}
