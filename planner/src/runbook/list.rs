//! Lists of one kind of thing: how a text says them, and what a runbook accepts of them.

use super::param::{NotAccepted, Param, ParamKind};
use crate::words::words;
use serde_json::{Value, json};

/// Most entries where the file sets no `max`.
const LONGEST_LIST: i64 = 32;

impl Param {
    /// What a list's entries are; None: no list.
    pub(super) fn entry(&self) -> Option<&Param> {
        self.of.as_deref().filter(|_| self.kind == ParamKind::List)
    }

    /// Most entries of a list.
    pub(super) fn most_entries(&self) -> i64 {
        self.max.unwrap_or(LONGEST_LIST)
    }

    /// A text as the values that it says: for a list its entries, else itself.
    pub(crate) fn spoken(&self, given: &Value) -> Value {
        match (self.entry(), given) {
            (Some(of), Value::String(text)) => split(text, of).into(),
            // A single value is a list of one.
            (Some(_), Value::Number(_)) => json!([given]),
            _ => given.clone(),
        }
    }

    pub(super) fn accept_list(&self, of: &Param, given: &Value) -> Result<Value, NotAccepted> {
        let spoken = self.spoken(given);
        let Value::Array(items) = &spoken else {
            return Err(self.other_kind());
        };
        let mut accepted: Vec<Value> = Vec::with_capacity(items.len());
        for item in items {
            let value = of.accept(item).map_err(|refused| NotAccepted {
                wanted: format!("a list, each entry {}", refused.wanted),
                ..refused
            })?;
            // Each once: saying a thing twice asks for nothing more.
            if !accepted.contains(&value) {
                accepted.push(value);
            }
        }
        let size = i64::try_from(accepted.len()).unwrap_or(i64::MAX);
        let (min, max) = (self.min.unwrap_or(1), self.most_entries());
        if size < min || size > max {
            return Err(NotAccepted {
                other_kind: false,
                wanted: format!("a list of {min} to {max} entries"),
            });
        }
        Ok(accepted.into())
    }

    pub(super) fn list_schema(&self, of: &Param) -> Value {
        json!({
            "type": "array",
            "items": of.schema(),
            "minItems": self.min.unwrap_or(1),
            "maxItems": self.most_entries(),
        })
    }
}

/// Entries that may have several words stand between commas or "and", others between blanks as well.
fn split(text: &str, of: &Param) -> Vec<Value> {
    let many_words = of.kind == ParamKind::String || of.values.iter().any(|value| value.contains(' '));
    if !many_words {
        let all = words(text).into_iter();
        return all
            .filter(|word| word.quoted || !matches!(word.lower.as_str(), "and" | "&"))
            .map(|word| word.raw.into())
            .collect();
    }
    let parts = text.split([',', ';']).flat_map(|part| part.split(" and "));
    let entry = |part: &str| {
        let part = part.trim();
        let part = part.strip_prefix("and ").unwrap_or(part);
        part.trim_matches(['"', '“', '”']).trim().to_owned()
    };
    parts
        .map(entry)
        .filter(|part| !part.is_empty())
        .map(Value::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ParamKind) -> Param {
        Param {
            of: Some(Box::new(Param::of_kind(kind))),
            max: Some(3),
            ..Param::of_kind(ParamKind::List)
        }
    }

    #[test]
    fn a_list_is_said_with_commas_blanks_and_and() {
        let addresses = of(ParamKind::Address);
        let wanted = json!(["10.0.0.1", "2001:db8::1"]);
        for given in [
            json!("10.0.0.1, 2001:DB8::1"),
            json!("10.0.0.1 and 2001:db8::1"),
            json!("10.0.0.1, 2001:db8::1, and 10.0.0.1"),
            json!(["10.0.0.1", "2001:db8:0::1"]),
        ] {
            assert_eq!(addresses.accept(&given), Ok(wanted.clone()), "{given}");
        }
        let texts = of(ParamKind::String);
        assert_eq!(
            texts.accept(&json!("to the core, spare link and \"old one\"")),
            Ok(json!(["to the core", "spare link", "old one"]))
        );
        assert_eq!(of(ParamKind::Integer).accept(&json!(7)), Ok(json!([7])));
    }

    #[test]
    fn an_entry_of_another_kind_and_too_many_entries_are_told_apart() {
        let addresses = of(ParamKind::Address);
        let refused = addresses.accept(&json!("10.0.0.1 and core")).unwrap_err();
        assert!(refused.other_kind);
        assert_eq!(refused.wanted, "a list, each entry an IP address");
        let refused = addresses
            .accept(&json!("10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4"))
            .unwrap_err();
        assert_eq!(
            (refused.other_kind, refused.wanted.as_str()),
            (false, "a list of 1 to 3 entries")
        );
        assert!(!addresses.accept(&json!([])).unwrap_err().other_kind);
    }
}
