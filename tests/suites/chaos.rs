//! The promises, over random plans, faults and schedules. `FLYBALL_REPEAT=n` plays one run again, `FLYBALL_FULL=1` plays
//! ten thousand.

use flyball_tests::chaos::{Tally, play};
use flyball_tests::sample;

/// What must have come about somewhere, or the runs were too tame to prove anything.
const STRUCK: [&str; 21] = [
    "Fulfilled",
    "RolledBack",
    "Cancelled",
    "CallInDoubt",
    "LateAnswer",
    "settled by probe",
    "settled by late_answer",
    "settled by person",
    "UndoConflict",
    "TargetsWaiting",
    "Claimed",
    "TaskNoted",
    "UndoBlocked",
    "overwritten",
    "handed over",
    "taken away",
    "undone by an intent",
    "ApprovalGiven",
    "ApprovalDenied",
    "DeadlinePassed",
    "fulfilled in part",
];

fn on_a_paused_clock(seed: u64) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime starts");
    runtime.block_on(play(seed))
}

#[test]
fn whatever_happens_nothing_is_done_twice_lost_or_left_half_done() {
    let seeds = sample::seeds("chaos", 150);
    let whole = seeds.end - seeds.start > 1;
    let (mut tally, mut failed) = (Tally::new(), Vec::new());
    for seed in seeds {
        match on_a_paused_clock(seed) {
            Ok(seen) => seen
                .into_iter()
                .for_each(|(name, count)| *tally.entry(name).or_default() += count),
            Err(why) if failed.len() < 3 => failed.push(why),
            Err(_) => {}
        }
    }
    println!("{tally:#?}");
    assert!(failed.is_empty(), "{}", failed.join("\n\n========\n\n"));
    for name in STRUCK.iter().filter(|_| whole) {
        assert!(tally.contains_key(*name), "no run came to {name}: {tally:#?}");
    }
}
