//! How much of what could be tried a run tries, as the environment says. The same words everywhere:
//!
//! | variable | what it does |
//! |---|---|
//! | `FLYBALL_FULL` | all cases instead of a sample; off if it is not set, empty or `0` |
//! | `FLYBALL_SEED` | another sample of the same size, or where a full run of seeds begins |
//! | `FLYBALL_REPEAT` | for tests that play seeds: this one again, and nothing else |

use std::ops::Range;

/// Whether every case runs.
#[must_use]
pub fn full() -> bool {
    std::env::var_os("FLYBALL_FULL").is_some_and(|v| is_on(&v.to_string_lossy()))
}

fn is_on(value: &str) -> bool {
    !matches!(value, "" | "0")
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

/// The seed of this run's samples, if one was chosen.
#[must_use]
pub fn seed() -> Option<u64> {
    number("FLYBALL_SEED")
}

/// Which seeds a test of seeds plays: so many, or ten thousand in a full run, or one again. Says so.
#[must_use]
pub fn seeds(name: &str, count: u64) -> Range<u64> {
    let range = range(full(), seed(), number("FLYBALL_REPEAT"), count);
    say(name, range.end - range.start, "seeds");
    range
}

fn range(full: bool, seed: Option<u64>, repeat: Option<u64>, count: u64) -> Range<u64> {
    if let Some(one) = repeat {
        assert!(!full, "FLYBALL_REPEAT plays one seed and FLYBALL_FULL all: choose");
        return one..one + 1;
    }
    let from = seed.unwrap_or(0);
    from..from + if full { 10_000 } else { count }
}

/// How many cases ran: of a sample nobody is to think that it was everything.
#[allow(clippy::print_stderr)]
pub fn say(name: &str, count: u64, what: &str) {
    let full = if full() { "a full run" } else { "a sample" };
    eprintln!("{name}: {count} {what}, {full}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_is_on_if_it_says_anything_but_nothing_or_zero() {
        assert!(is_on("1") && is_on("yes"));
        assert!(!is_on("") && !is_on("0"));
    }

    #[test]
    fn a_seed_never_makes_a_run_smaller() {
        assert_eq!(range(false, None, None, 150), 0..150);
        assert_eq!(range(false, Some(7), None, 150), 7..157);
        assert_eq!(range(true, Some(7), None, 150), 7..10_007);
        assert_eq!(range(false, Some(7), Some(3), 150), 3..4);
    }

    #[test]
    #[should_panic(expected = "choose")]
    fn a_full_run_of_one_seed_is_refused() {
        let _ = range(true, None, Some(3), 150);
    }
}
