//! Measures planning: retrieval without a model, plans with any model behind an OpenAI-compatible endpoint.
//!
//! ```text
//! cargo run --release -p flyball-tests --example plan_quality -- --recall [--tools 500] [--missed]
//! OPENAI_BASE_URL=http://127.0.0.1:8099/v1 FLYBALL_MODEL_NAME=qwen2.5-coder-1.5b \
//! cargo run --release -p flyball-tests --example plan_quality -- --answers answers.jsonl [--limit 10] [--only ID,ID]
//!     [--ways planner,phrases,top,react,ideal] [--timeout-seconds 600] [--wrong]
//! ```
//!
//! Each answer is appended to the file as it comes; what stands there is not asked again. Without a model's address what
//! stands in the file is graded. The sets are `tests/fixtures/planning`; the planner is the shipped one, with the shipped
//! runbooks and contracts, and the engine's own check.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

mod answers;
mod ask;
mod catalogue;
mod grade;
mod made_up;
mod react;
mod recall;
mod report;
mod run;
mod set;

use std::path::PathBuf;

/// What the command line and the environment say.
pub(crate) struct Options {
    recall: bool,
    missed: bool,
    tools: usize,
    answers: PathBuf,
    limit: usize,
    only: Vec<String>,
    ways: Vec<String>,
    timeout_seconds: u64,
    wrong: bool,
}

fn options(words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut words = words;
    let mut options = Options {
        recall: false,
        missed: false,
        tools: 500,
        answers: PathBuf::from("plan-answers.jsonl"),
        limit: usize::MAX,
        only: Vec::new(),
        ways: ["planner", "phrases", "top", "react", "ideal"]
            .map(str::to_owned)
            .to_vec(),
        timeout_seconds: 600,
        wrong: false,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse::<usize>().map_err(|e| format!("{word}: {e}"));
        let list = |text: String| text.split(',').map(str::to_owned).collect();
        match word.as_str() {
            "--recall" => options.recall = true,
            "--missed" => options.missed = true,
            "--wrong" => options.wrong = true,
            "--tools" => options.tools = number(value()?)?,
            "--limit" => options.limit = number(value()?)?,
            "--timeout-seconds" => options.timeout_seconds = number(value()?)? as u64,
            "--answers" => options.answers = value()?.into(),
            "--only" => options.only = list(value()?),
            "--ways" => options.ways = list(value()?),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(options)
}

#[tokio::main]
async fn main() {
    let done = match options(std::env::args().skip(1)) {
        Ok(options) if options.recall => {
            show_recall(&options);
            Ok(())
        }
        Ok(options) => run::run(&options).await,
        Err(why) => Err(why),
    };
    if let Err(why) = done {
        eprintln!("plan_quality: {why}");
        std::process::exit(2);
    }
}

fn show_recall(options: &Options) {
    let (mut found, mut intents) = (0, 0);
    println!("{} tools; all the right ones among those shown:", options.tools);
    for (name, recall) in recall::on(options.tools) {
        println!(
            "  {name:<15} {:>3} of {:>3}  {:>5.1} %  right one first {:>3}  shown {:.1}  prompt ≤ {} tokens  ≤ {:.1} ms",
            recall.found,
            recall.intents,
            100.0 * recall.share(),
            recall.first,
            recall.mean_shown,
            recall.longest_prompt,
            recall.slowest.as_secs_f64() * 1e3,
        );
        if options.missed {
            recall.missed.iter().for_each(|missed| println!("    {missed}"));
        }
        found += recall.found;
        intents += recall.intents;
    }
    println!(
        "  all             {found:>3} of {intents:>3}  {:>5.1} %",
        100.0 * found as f64 / intents as f64
    );
}
