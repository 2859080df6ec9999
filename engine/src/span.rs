//! Lengths of time as people write them: `500ms`, `20s`, `5m`, `2h`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span(pub u64);

impl Span {
    pub const fn secs(s: u64) -> Self {
        Self(s * 1000)
    }
    pub const fn millis(self) -> u64 {
        self.0
    }
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// Why a text is no length of time.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no length of time: write a whole number and a unit, for example 500ms, 20s, 5m or 2h")]
pub struct BadSpan(String);

impl FromStr for Span {
    type Err = BadSpan;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = || BadSpan(s.to_owned());
        let digits = s.len() - s.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = s.split_at(digits);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
            if self.0 > 0 && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}ms", self.0)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_they_are_written() {
        for (text, ms) in [("500ms", 500), ("20s", 20_000), ("5m", 300_000), ("2h", 7_200_000)] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0, span.to_string().as_str()), (ms, text));
        }
        for bad in ["", "5", "s", "-1s", "1.5s", "5 s", "99999999999999999999s"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
