//! Names of things: intents, steps, items, calls.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// One intent, for its whole life. UUID version 7, so that ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(pub Uuid);

impl IntentId {
    /// A fresh id. Callers record it; nothing is ever derived from it.
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for IntentId {
    type Err = uuid::Error;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(s).map(Self)
    }
}

/// A step's id: `[a-z][a-z0-9_]{0,62}`, unique in its plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StepId {
    fn from(s: &str) -> Self {
        Self(s.to_owned())
    }
}

/// One tool call of a step, or one element of its `for_each`. Written `step` or `step/3`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId {
    pub step: StepId,
    /// The element's place in the `for_each` list, from 0; none for a step without one.
    pub index: Option<u32>,
}

impl ItemId {
    pub fn single(step: &StepId) -> Self {
        Self {
            step: step.clone(),
            index: None,
        }
    }

    pub fn nth(step: &StepId, index: u32) -> Self {
        Self {
            step: step.clone(),
            index: Some(index),
        }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            None => self.step.fmt(f),
            Some(i) => write!(f, "{}/{i}", self.step),
        }
    }
}

/// A text that is not an id of the kind asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no {1}")]
pub struct BadId(String, &'static str);

impl FromStr for ItemId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = || BadId(s.to_owned(), "item id (`step` or `step/3`)");
        match s.split_once('/') {
            None if !s.is_empty() => Ok(Self {
                step: StepId(s.to_owned()),
                index: None,
            }),
            Some((step, n)) if !step.is_empty() => Ok(Self {
                step: StepId(step.to_owned()),
                index: Some(n.parse().map_err(|_| bad())?),
            }),
            _ => Err(bad()),
        }
    }
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Prepare,
    Do,
    Undo,
    Confirm,
    Cancel,
    Extend,
}

impl Phase {
    pub const ALL: [Self; 6] = [
        Self::Prepare,
        Self::Do,
        Self::Undo,
        Self::Confirm,
        Self::Cancel,
        Self::Extend,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Do => "do",
            Self::Undo => "undo",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Extend => "extend",
        }
    }
}

impl FromStr for Phase {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == s)
            .ok_or_else(|| BadId(s.to_owned(), "phase"))
    }
}

/// One call of a phase: the same over attempts and restarts. The generation grows only after a settled `not_applied`.
/// Written `revision:item:phase:generation`, for example `1:ospf/3:do:0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    pub revision: u32,
    pub item: ItemId,
    pub phase: Phase,
    pub generation: u32,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}:{}",
            self.revision,
            self.item,
            self.phase.as_str(),
            self.generation
        )
    }
}

impl FromStr for CallId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = || BadId(s.to_owned(), "call id (`revision:item:phase:generation`)");
        let parts: Vec<&str> = s.split(':').collect();
        let [revision, item, phase, generation] = parts[..] else {
            return Err(bad());
        };
        Ok(Self {
            revision: revision.parse().map_err(|_| bad())?,
            item: item.parse()?,
            phase: phase.parse()?,
            generation: generation.parse().map_err(|_| bad())?,
        })
    }
}

/// Serialise through `Display` and `FromStr`, so that ids can be keys of JSON objects.
macro_rules! as_text {
    ($($id:ty),*) => {$(
        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(ItemId, CallId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_being_written_and_read() {
        for text in ["1:ospf/3:do:0", "2:save:undo:1"] {
            assert_eq!(text.parse::<CallId>().unwrap().to_string(), text);
        }
        for text in ["ospf", "ospf/0"] {
            assert_eq!(text.parse::<ItemId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in ["", "/3", "ospf/x", "1:ospf:do", "1:ospf:jump:0"] {
            assert!(text.parse::<CallId>().is_err(), "{text}");
        }
        assert!("ospf/x".parse::<ItemId>().is_err());
    }
}
