//! YAML documents that people write, read so that every mistake has its file, line and column.
//!
//! YAML here is data: one document a file, no tags, no anchors, keys are text and stand once. `yes`, `on` and the like
//! are text; only `true`, `false`, `null` and numbers are more.

mod read;

use crate::fault::{escape_pointer, nearest};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentFault {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
    /// What would be right, if that can be told.
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

/// Line and column, both from 1.
pub type Place = (usize, usize);

/// A file's content, and where each part of it stands.
#[derive(Debug, Clone)]
pub struct Document {
    pub file: String,
    pub value: Value,
    /// By JSON pointer; a key's place for what stands under a key.
    places: HashMap<String, Place>,
}

impl Document {
    /// Reads a file's text. An empty file is an empty object.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<DocumentFault>> {
        let (value, places) = read::read(file, text)?;
        Ok(Self {
            file: file.to_owned(),
            value,
            places,
        })
    }

    /// Where the value at a JSON pointer stands; if there is none, where the nearest thing around it does.
    pub fn line_of(&self, pointer: &str) -> Place {
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

    /// A fault at a JSON pointer.
    pub fn fault(&self, pointer: &str, message: impl Into<String>) -> DocumentFault {
        let (line, column) = self.line_of(pointer);
        DocumentFault {
            file: self.file.clone(),
            line,
            column,
            message: message.into(),
            suggestion: None,
        }
    }

    /// The faults of every key of the object at a pointer that is not among the allowed ones, each with the nearest.
    /// What is no object has none.
    pub fn unknown_keys(&self, pointer: &str, allowed: &[&str]) -> Vec<DocumentFault> {
        let object = self.value.pointer(pointer).and_then(Value::as_object);
        let keys = object.into_iter().flat_map(|o| o.keys());
        let unknown = keys.filter(|key| !allowed.contains(&key.as_str()));
        unknown
            .map(|key| {
                let place = format!("{pointer}/{}", escape_pointer(key));
                DocumentFault {
                    suggestion: did_you_mean(key, allowed.iter().copied()),
                    ..self.fault(&place, format!("unknown key {key:?}"))
                }
            })
            .collect()
    }

    /// The whole document as a type; what does not fit is a fault with its line.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Vec<DocumentFault>> {
        self.decode_at("")
    }

    /// The part at a JSON pointer as a type. All unknown keys of an object are told, not just the first.
    pub fn decode_at<T: DeserializeOwned>(&self, pointer: &str) -> Result<T, Vec<DocumentFault>> {
        let part = self.value.pointer(pointer).unwrap_or(&Value::Null);
        let mut faults: Vec<DocumentFault> = Vec::new();
        let mut part = part.clone();
        // Serde stops at its first error. An unknown key is taken out and the rest is tried again; anything else ends.
        loop {
            let error = match T::deserialize(&part) {
                Ok(decoded) if faults.is_empty() => return Ok(decoded),
                Ok(_) => return Err(faults),
                Err(error) => error.to_string(),
            };
            let Some((key, allowed)) = unknown_field(&error) else {
                faults.push(self.misfit(pointer, &part, &error));
                return Err(faults);
            };
            let found = take_key(&mut part, &key, &allowed);
            let place = format!("{pointer}{}", found.clone().unwrap_or_default());
            faults.push(DocumentFault {
                suggestion: did_you_mean(&key, allowed.iter().map(String::as_str)),
                ..self.fault(&place, format!("unknown key {key:?}"))
            });
            if found.is_none() {
                return Err(faults);
            }
        }
    }

    /// A fault for an error that tells no place: serde names a field or quotes a value, which may be found again.
    fn misfit(&self, pointer: &str, part: &Value, error: &str) -> DocumentFault {
        let missing = between(error, "missing field `", "`");
        let quoted = between(error, "string \"", "\"").map(Value::from);
        let first = error.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let first = first.map(|(text, _)| Value::from(text));
        let number = between(error, "integer `", "`").and_then(|n| serde_json::from_str(n).ok());
        let boolean = between(error, "boolean `", "`").and_then(|b| serde_json::from_str(b).ok());
        let variant = between(error, "unknown variant `", "`").map(Value::from);
        let said = [quoted, first, number, boolean, variant].into_iter().flatten().next();
        let place = said.and_then(|said| find_once(part, &said)).unwrap_or_default();
        let suggestion = between(error, "unknown variant `", "`").and_then(|name| {
            let allowed = expected(error);
            did_you_mean(name, allowed.iter().map(String::as_str))
        });
        let message = match missing {
            Some(key) => format!("the key {key:?} is missing"),
            None => error.to_owned(),
        };
        DocumentFault {
            suggestion,
            ..self.fault(&format!("{pointer}{place}"), message)
        }
    }
}

fn did_you_mean<'a>(name: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, allowed).map(|near| format!("did you mean {near:?}?"))
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside)
}

/// Serde's ``unknown field `x`, expected one of `a`, `b` `` taken apart.
fn unknown_field(error: &str) -> Option<(String, Vec<String>)> {
    let key = between(error, "unknown field `", "`")?;
    Some((key.to_owned(), expected(error)))
}

fn expected(error: &str) -> Vec<String> {
    let list = error.split_once(", expected").map_or("", |(_, list)| list);
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Takes an unknown key out of the first object, in document order, that has it and of which all other keys could be
/// known ones; else out of the first that has it. Its pointer.
fn take_key(value: &mut Value, key: &str, allowed: &[String]) -> Option<String> {
    let mut found = Vec::new();
    objects_with(value, key, &mut String::new(), &mut found);
    let fitting = |pointer: &&String| {
        let object = value.pointer(pointer).and_then(Value::as_object);
        object.is_some_and(|o| o.keys().any(|k| allowed.contains(k)))
    };
    let at = found.iter().find(fitting).or_else(|| found.first())?.clone();
    value.pointer_mut(&at)?.as_object_mut()?.remove(key);
    Some(format!("{at}/{}", escape_pointer(key)))
}

fn objects_with(value: &Value, key: &str, pointer: &mut String, found: &mut Vec<String>) {
    if value.get(key).is_some() {
        found.push(pointer.clone());
    }
    each_child(value, pointer, &mut |child, pointer| {
        objects_with(child, key, pointer, found)
    });
}

fn each_child(value: &Value, pointer: &mut String, visit: &mut impl FnMut(&Value, &mut String)) {
    let length = pointer.len();
    let mut child = |name: String, value: &Value| {
        pointer.push('/');
        pointer.push_str(&escape_pointer(&name));
        visit(value, pointer);
        pointer.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(k, v)| child(k.clone(), v)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| child(i.to_string(), v)),
        _ => {}
    }
}

/// The pointer of a value that stands exactly once.
fn find_once(value: &Value, wanted: &Value) -> Option<String> {
    fn search(value: &Value, wanted: &Value, pointer: &mut String, found: &mut Vec<String>) {
        if value == wanted {
            found.push(pointer.clone());
        }
        each_child(value, pointer, &mut |child, pointer| {
            search(child, wanted, pointer, found)
        });
    }
    let mut found = Vec::new();
    search(value, wanted, &mut String::new(), &mut found);
    (found.len() == 1).then(|| found.remove(0))
}

#[cfg(test)]
mod tests;
