//! Texts that hang, overflow the stack of or blow up an unguarded CEL. Each runs in a process of its own, since an
//! overflow aborts and cannot be caught, and must come back as an error or a result, in time.

use super::{Bindings, Expr, Root, Scope};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Which case this process is to run, if it was started for one.
const CASE: &str = "FLYBALL_HOSTILE_EXPRESSION";
const DEADLINE: Duration = Duration::from_secs(60);

/// Name, text, and whether it may have a result.
fn cases() -> Vec<(&'static str, String, bool)> {
    let nested = |open: &str, n: usize, close: &str| format!("{}1{}", open.repeat(n), close.repeat(n));
    let long = |n: usize| "[1,2,3,4,5,6,7,8,9,10]+".repeat(n) + "[1]";
    vec![
        ("parentheses at the limit", nested("(", 31, ")"), true),
        ("parentheses beyond", nested("(", 33, ")"), false),
        ("50k parentheses", nested("(", 50_000, ")"), false),
        ("20k lists", nested("[", 20_000, "]"), false),
        ("95 lists", nested("[", 95, "]"), false),
        ("lists at the limit", nested("[", 30, "]"), true),
        ("mixed brackets at the limit", nested("([{'a':", 10, "}])"), true),
        ("brackets and conditionals", nested("(true?[", 8, "][0]:1)"), true),
        ("100k nots", "!".repeat(100_000) + "true", false),
        ("2k nots", "!".repeat(2_000) + "true", false),
        ("nots with spaces", "! ".repeat(900) + "true", false),
        ("2k minuses", "-".repeat(2_000) + "1", false),
        ("60k ands", "true".to_owned() + &"&&true".repeat(60_000), false),
        ("100 ands", "true".to_owned() + &"&&true".repeat(100), true),
        ("conditionals in a row", "true?1:".repeat(280) + "1", false),
        ("conditionals at the limit", "true?1:".repeat(16) + "1", true),
        ("60k indices", "args".to_owned() + &"[0]".repeat(60_000), false),
        ("600 indices", "args".to_owned() + &"[0]".repeat(600), false),
        ("250 indices", "args".to_owned() + &"[0]".repeat(250), false),
        ("1k selections", "args".to_owned() + &".a".repeat(1_000), false),
        ("250 selections", "(args".to_owned() + &".a".repeat(250) + ")", false),
        ("400 calls", "args.x".to_owned() + &".size()".repeat(250), false),
        ("additions", "1".to_owned() + &"+1".repeat(1_000), false),
        ("250 additions", "1".to_owned() + &"+1".repeat(250), false),
        ("comparisons", "1".to_owned() + &"<1".repeat(250), false),
        ("an open string", "'".to_owned() + &"(".repeat(500), false),
        ("brackets in a string", format!("'{}'", "(".repeat(1_000)), true),
        ("brackets in a raw string", format!("r'\\{}'", "(".repeat(1_000)), true),
        ("a comment", "1 // ".to_owned() + &"(".repeat(1_000), true),
        ("many commas", format!("[{}1]", "1,".repeat(900)), true),
        ("too many commas", format!("[{}1]", "1,".repeat(1_000)), false),
        ("a map", format!("{{{}'z':1}}", "'a':1,".repeat(300)), false),
        (
            "five nested loops",
            "args.l.map(a,args.l.map(b,args.l.map(c,args.l.map(d,args.l.map(e,1)))))".to_owned(),
            false,
        ),
        (
            "two nested loops, too long",
            "args.l.map(a, args.l.map(b, 1))".to_owned(),
            false,
        ),
        (
            "two nested loops, an error swallowed",
            "args.l.exists(a, args.l.exists(b, b > 5000)) || true".to_owned(),
            false,
        ),
        (
            "a search in a loop",
            "args.l.all(a, !(a + 5000 in args.l))".to_owned(),
            false,
        ),
        (
            "loops side by side",
            "args.l.map(a, a).filter(b, b > 0).all(c, c > 0)".to_owned(),
            true,
        ),
        (
            "a loop over a made list",
            format!("({}).map(a, ({}).map(b, args.l.size()))", long(5), long(5)),
            true,
        ),
        (
            "text doubling in a loop",
            "args.l.map(a, args.s + args.s + args.s + args.s + args.s)".to_owned(),
            false,
        ),
        (
            "text doubling in nested loops",
            "args.l.map(a, args.s + args.s).map(t, t + t).map(t, t + t)".to_owned(),
            false,
        ),
        (
            "list doubling in a loop",
            "args.l.map(a, args.l + args.l)".to_owned(),
            false,
        ),
        ("a regular expression", "args.s.matches('(a+)+$')".to_owned(), true),
        (
            "a huge regular expression",
            "'a'.matches('((a{1000}){1000}){1000}')".to_owned(),
            false,
        ),
        (
            "overflow",
            "9223372036854775807 * 9223372036854775807".to_owned(),
            false,
        ),
        ("negative overflow", "-9223372036854775808 - 1".to_owned(), false),
        ("the smallest divided", "-9223372036854775808 / -1".to_owned(), false),
        (
            "the smallest's remainder",
            "-9223372036854775808 % -1".to_owned(),
            false,
        ),
        ("a number too long", "9".repeat(1_000), false),
        (
            "a far date",
            "timestamp('9999-12-31T23:59:59Z') + duration('1000000h')".to_owned(),
            false,
        ),
        ("not ascii", "args.\u{1F600}".to_owned(), false),
        ("quotes in a name", "args.`\"`".to_owned(), false),
        ("control characters", "1\u{0}+1".to_owned(), false),
        ("an escape at the end", "'\\".to_owned(), false),
        ("triple quotes", "'''a'b''c''' + \"\"\"d\"\"\"".to_owned(), true),
    ]
}

fn run(source: &str) -> Result<Value, String> {
    let list: Vec<u32> = (0..3_000).collect();
    let args = json!({"l": list, "s": "a".repeat(100_000), "x": [1]});
    let expr = Expr::compile(source, Scope::ARGS).map_err(|f| f.message)?;
    let result = expr.eval(&Bindings::new().with(Root::Args, args));
    result.map_err(|e| e.message)
}

#[test]
fn hostile_texts_end_as_values_in_a_process_of_their_own() {
    if let Ok(case) = std::env::var(CASE) {
        let (name, source, may) = cases().swap_remove(case.parse().unwrap());
        let result = run(&source);
        assert!(result.is_ok() == may, "{name}: {result:.200?}");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let mut failed = Vec::new();
    for (number, (name, ..)) in cases().into_iter().enumerate() {
        let mut child = Command::new(&this)
            .args([
                "--exact",
                "expr::hostile_tests::hostile_texts_end_as_values_in_a_process_of_their_own",
            ])
            .env(CASE, number.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let until = Instant::now() + DEADLINE;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() > until => break None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        if status.is_none() {
            child.kill().unwrap();
        }
        if !status.is_some_and(|s| s.success()) {
            let output = child.wait_with_output().unwrap();
            failed.push(format!(
                "{name}: {status:?} {}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_guard_survives_all_of_them_in_one_process() {
    for (name, source, may) in cases() {
        let result = run(&source);
        assert!(result.is_ok() == may, "{name}: {result:.200?}");
    }
    assert_eq!(run("args.x[0] + 1"), Ok(json!(2)), "the evaluators still serve");
}
