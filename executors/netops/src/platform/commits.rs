//! What a device says of its commits (junos: `show system commit`): the evidence that settles a doubt about one of ours.
//!
//! Our comments end with the phase and the lease's id: `… flyball do ID`. Any later commit confirms one that is waiting;
//! a commit by nobody (`by root via other`) right after it is the device taking it back.

use std::sync::LazyLock;

use jiff::civil::DateTime;
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;

/// One entry of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// As the device prints it, in its own time zone.
    pub at: DateTime,
    pub user: String,
    pub via: String,
    /// It was to be confirmed within so many minutes.
    pub minutes: Option<u64>,
    pub comment: String,
}

/// What became of the commit of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// The device knows of none.
    None,
    /// In force, and taken back unless confirmed.
    Pending,
    /// In force to stay.
    Confirmed,
    /// Taken back, by the device or by a cancel.
    Reverted,
}

static HEAD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?P<number>\d+)\s+(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \S+ by (?P<user>\S+) via (?P<via>\S+)(?: commit confirmed, rollback in (?P<minutes>\d+)\s?mins?)?",
    )
    .expect("a constant pattern")
});
static CLOCK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^Current time: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)").expect("a constant pattern"));

/// The history, newest first.
pub fn history(text: &str) -> Vec<Commit> {
    let mut found: Vec<Commit> = Vec::new();
    for line in text.lines() {
        if let Some(head) = HEAD.captures(line) {
            let Some(at) = time(&head["at"]) else { continue };
            found.push(Commit {
                at,
                user: head["user"].to_owned(),
                via: head["via"].to_owned(),
                minutes: head.name("minutes").and_then(|m| m.as_str().parse().ok()),
                comment: String::new(),
            });
        } else if let Some(commit) = found.last_mut().filter(|_| line.starts_with("    ")) {
            let gap = if commit.comment.is_empty() { "" } else { " " };
            commit.comment = format!("{}{gap}{}", commit.comment, line.trim());
        }
    }
    found
}

/// The device's clock.
pub fn clock(text: &str) -> Option<DateTime> {
    time(&CLOCK.captures(text)?[1])
}

fn time(text: &str) -> Option<DateTime> {
    text.replacen(' ', "T", 1).parse().ok()
}

/// The end of a comment of ours.
pub fn mark(phase: &str, lease: &str) -> String {
    format!("flyball {phase} {lease}")
}

/// Phase and lease id of a comment of ours.
pub fn marked(comment: &str) -> Option<(&str, &str)> {
    let mut words = comment.rsplit(' ');
    let (lease, phase) = (words.next()?, words.next()?);
    (words.next() == Some("flyball")).then_some((phase, lease))
}

/// Where the newest commit of this lease stands in the history, with its phase.
fn newest<'h>(history: &'h [Commit], lease: &str) -> Option<(usize, &'h str)> {
    let mut all = history.iter().enumerate();
    all.find_map(|(at, commit)| {
        let (phase, of) = marked(&commit.comment)?;
        (of == lease).then_some((at, phase))
    })
}

/// Whether the commit before this one is of the same lease.
fn continues(history: &[Commit], at: usize, lease: &str) -> bool {
    let older = history.get(at + 1).and_then(|older| marked(&older.comment));
    older.is_some_and(|(_, of)| of == lease)
}

/// What became of the commit of this lease.
pub fn standing(history: &[Commit], lease: &str) -> Standing {
    let Some((at, phase)) = newest(history, lease) else {
        return Standing::None;
    };
    let next = at.checked_sub(1).and_then(|next| history.get(next));
    match (phase, next) {
        ("cancel", _) => Standing::Reverted,
        // Sent when the device had already taken it back: then it stands on nothing.
        ("confirm" | "extend", _) if !continues(history, at, lease) => Standing::Reverted,
        ("confirm" | "apply", _) => Standing::Confirmed,
        (_, None) => Standing::Pending,
        (_, Some(next)) if next.via == "other" => Standing::Reverted,
        (_, Some(_)) => Standing::Confirmed,
    }
}

/// The number of the configuration that was in force before this lease's first commit.
pub fn before(history: &[Commit], lease: &str) -> Option<usize> {
    let of_lease = |commit: &Commit| marked(&commit.comment).is_some_and(|(_, of)| of == lease);
    Some(history.iter().rposition(of_lease)? + 1)
}

/// Milliseconds until the newest commit is taken back, if it is waiting to be confirmed; `minute_ms` is how long the
/// device's minute is. The device prints whole seconds.
pub fn ends_in_ms(history: &[Commit], now: DateTime, minute_ms: u64) -> Option<u64> {
    let newest = history.first()?;
    let lasts = newest.minutes? * minute_ms;
    let gone = now.duration_since(newest.at).as_millis();
    Some(lasts.saturating_sub(u64::try_from(gone).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PENDING: &str = "0   2026-11-22 18:00:10 UTC by flyball via cli commit confirmed, rollback in 2mins\n    ospf cost flyball do k1\n1   2026-11-22 17:00:00 UTC by root via other\n";

    #[test]
    fn a_commit_on_trial_is_pending_until_another_comes() {
        let history = history(PENDING);
        assert_eq!(standing(&history, "k1"), Standing::Pending);
        assert_eq!(standing(&history, "k2"), Standing::None);
        let now = clock("Current time: 2026-11-22 18:00:40 UTC\n").unwrap();
        assert_eq!(ends_in_ms(&history, now, 60_000), Some(90_000));
        assert_eq!(before(&history, "k1"), Some(1));
    }

    #[test]
    fn what_came_after_says_whether_it_stayed() {
        let with = |head: &str| {
            history(&format!(
                "0   2026-11-22 18:01:00 UTC by {head}\n{}",
                PENDING.replacen('0', "1", 1)
            ))
        };
        assert_eq!(standing(&with("root via other"), "k1"), Standing::Reverted);
        assert_eq!(standing(&with("eve via cli"), "k1"), Standing::Confirmed);
        assert_eq!(
            standing(&with("flyball via cli\n    flyball confirm k1"), "k1"),
            Standing::Confirmed
        );
        assert_eq!(
            standing(&with("flyball via cli\n    flyball cancel k1"), "k1"),
            Standing::Reverted
        );
        let late = history(
            "0   2026-11-22 18:03:00 UTC by flyball via cli\n    flyball confirm k1\n1   2026-11-22 18:02:10 UTC by root via other\n",
        );
        assert_eq!(standing(&late, "k1"), Standing::Reverted);
        let extended = with("flyball via cli commit confirmed, rollback in 2mins\n    flyball extend k1");
        assert_eq!(standing(&extended, "k1"), Standing::Pending);
        assert_eq!(before(&extended, "k1"), Some(2));
    }
}
