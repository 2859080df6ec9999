//! `flyball`: see the library of the same name.

fn main() -> std::process::ExitCode {
    flyball::cli::main()
}
