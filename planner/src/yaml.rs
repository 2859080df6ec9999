//! YAML as a JSON value that still knows where each part was written. Decides nothing about what the parts mean.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

/// One mistake in a file that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFault {
    pub file: String,
    /// From 1; 0 when the whole file is meant.
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub suggestion: Option<String>,
}

impl fmt::Display for DocumentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// A parsed file.
pub(crate) struct Document {
    pub(crate) file: String,
    pub(crate) value: Value,
    places: BTreeMap<String, (usize, usize)>,
}

impl Document {
    /// Reads one YAML document. A fault says where reading stopped.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Vec<DocumentFault>> {
        let tree: Spanned<Tree> = serde_saphyr::from_str(text).map_err(|error| vec![syntax_fault(file, &error)])?;
        let mut places = BTreeMap::new();
        let value = tree.value.flatten("", place(&tree.referenced), &mut places);
        Ok(Self {
            file: file.to_owned(),
            value,
            places,
        })
    }

    /// A fault at the place that a JSON pointer leads to, or at its nearest existing ancestor.
    pub(crate) fn fault(&self, pointer: &str, message: impl Into<String>) -> DocumentFault {
        let (line, column) = self.place_of(pointer);
        DocumentFault {
            file: self.file.clone(),
            line,
            column,
            message: message.into(),
            suggestion: None,
        }
    }

    fn place_of(&self, pointer: &str) -> (usize, usize) {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return *place;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return (1, 1),
            }
        }
    }
}

fn syntax_fault(file: &str, error: &serde_saphyr::Error) -> DocumentFault {
    let (line, column) = error.location().map_or((0, 0), |l| place(&l));
    let text = error.to_string();
    DocumentFault {
        file: file.to_owned(),
        line,
        column,
        message: text.lines().next().unwrap_or("unreadable YAML").to_owned(),
        suggestion: None,
    }
}

fn place(location: &serde_saphyr::Location) -> (usize, usize) {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    (number(location.line()), number(location.column()))
}

enum Tree {
    Leaf(Value),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl Tree {
    fn flatten(self, pointer: &str, at: (usize, usize), places: &mut BTreeMap<String, (usize, usize)>) -> Value {
        places.insert(pointer.to_owned(), at);
        match self {
            Self::Leaf(value) => value,
            Self::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(i, item)| {
                    let at = place(&item.referenced);
                    item.value.flatten(&format!("{pointer}/{i}"), at, places)
                })
                .collect(),
            // A key's own place: with a block below it, the value begins on another line.
            Self::Map(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(key, item)| {
                        let below = format!("{pointer}/{}", flyball_engine::fault::escape_pointer(&key.value));
                        let value = item.value.flatten(&below, place(&key.referenced), places);
                        (key.value, value)
                    })
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Bool(v)))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(v.into()))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(v.into()))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Number::from_f64(v).map_or(Value::Null, Value::Number)))
    }
    fn visit_str<E>(self, v: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(v.into()))
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }
    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "id: x\nplan:\n  steps:\n    - id: a\n      args: {n: 1, on: true, none: ~, text: \"5\"}\n";

    #[test]
    fn yaml_becomes_the_json_that_it_looks_like() {
        let document = Document::parse("a.yaml", TEXT).unwrap();
        let args = json!({"n": 1, "on": true, "none": null, "text": "5"});
        assert_eq!(
            document.value,
            json!({"id": "x", "plan": {"steps": [{"id": "a", "args": args}]}})
        );
    }

    #[test]
    fn a_fault_stands_where_its_key_was_written() {
        let document = Document::parse("a.yaml", TEXT).unwrap();
        let line = |pointer| document.fault(pointer, "").line;
        assert_eq!(line("/plan"), 2);
        assert_eq!(line("/plan/steps"), 3);
        assert_eq!(line("/plan/steps/0/args/n"), 5);
        assert_eq!(line("/plan/steps/0/nothing/here"), 4);
    }

    #[test]
    fn broken_yaml_names_its_line() {
        let faults = Document::parse("a.yaml", "id: x\nplan: [1, 2\nother: }").err().unwrap();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].line >= 2, "{}", faults[0]);
    }

    #[test]
    fn a_key_written_twice_is_a_fault() {
        let faults = Document::parse("a.yaml", "id: x\nid: y\n").err().unwrap();
        assert_eq!(faults[0].line, 2, "{}", faults[0]);
    }
}
