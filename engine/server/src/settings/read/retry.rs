//! The group `retry`: what trying again may cost.

use super::Reader;
use flyball_engine::span::Span;
use flyball_policies::RetrySettings;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::num::ParseIntError;
use std::str::FromStr;

/// Reads the group; what is left out keeps its default.
pub(super) fn read(reader: &mut Reader<'_>) -> RetrySettings {
    const SPAN: &str = "a length of time, for example 10m";
    const COUNT: &str = "a whole number";
    let default = RetrySettings::default();
    let span = |s: Option<Span>| s.map(Span::duration);
    RetrySettings {
        attempt: span(reader.get("/retry/attempt", SPAN)).unwrap_or(default.attempt),
        longest_wait: span(reader.get("/retry/longest_wait", SPAN)).unwrap_or(default.longest_wait),
        per_intent: reader
            .get("/retry/per_intent", COUNT)
            .map_or(default.per_intent, |c: Count<u32>| c.0),
        per_day: reader
            .get("/retry/per_day", COUNT)
            .map_or(default.per_day, |c: Count<u64>| c.0),
    }
}

/// A whole number. Variables give theirs as texts.
struct Count<N>(N);

impl<'de, N: FromStr<Err = ParseIntError>> Deserialize<'de> for Count<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let given = Value::deserialize(d)?;
        let text = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
        let whole = |_| D::Error::custom(format!("{text:?} is no whole number that fits"));
        text.parse().map(Self).map_err(whole)
    }
}
