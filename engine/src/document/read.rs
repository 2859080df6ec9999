//! Text → JSON value with places, over the events of the YAML parser.

use super::{DocumentFault, Place};
use crate::fault::escape_pointer;
use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;

type Places = HashMap<String, Place>;

/// A container that is being read.
enum Open {
    List(Vec<Value>),
    Object {
        fields: Map<String, Value>,
        /// A key whose value comes next.
        key: Option<String>,
    },
}

struct Reader<'t> {
    file: &'t str,
    open: Vec<Open>,
    /// JSON pointer of what is being read.
    pointer: String,
    places: Places,
    root: Option<Value>,
    documents: usize,
    faults: Vec<DocumentFault>,
}

/// The value of a file and where its parts stand.
pub(super) fn read(file: &str, text: &str) -> Result<(Value, Places), Vec<DocumentFault>> {
    let mut reader = Reader {
        file,
        open: Vec::new(),
        pointer: String::new(),
        places: Places::new(),
        root: None,
        documents: 0,
        faults: Vec::new(),
    };
    for next in Parser::new_from_str(text) {
        match next {
            Ok((event, span)) => reader.event(event, place(&span.start)),
            Err(error) => {
                reader.broken(&error);
                break;
            }
        }
        if reader.documents > 1 {
            break;
        }
    }
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    // A file of comments alone is an empty object: all defaults.
    let root = match reader.root {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(value) => value,
    };
    Ok((root, reader.places))
}

fn place(mark: &Marker) -> Place {
    (mark.line(), mark.col() + 1)
}

impl Reader<'_> {
    fn fault(&mut self, (line, column): Place, message: impl Into<String>) {
        self.faults.push(DocumentFault {
            file: self.file.to_owned(),
            line: line.max(1),
            column,
            message: message.into(),
            suggestion: None,
        });
    }

    fn broken(&mut self, error: &ScanError) {
        let message = format!("not well-formed YAML: {}", error.info());
        self.fault(place(error.marker()), message);
    }

    fn event(&mut self, event: Event<'_>, at: Place) {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fault(at, "a second document begins here: a file holds one");
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_only(anchor, tag.is_some(), at);
                self.scalar(&text, style, at);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.plain_only(anchor, tag.is_some(), at);
                self.begin(Open::List(Vec::new()), at);
            }
            Event::MappingStart(_, anchor, tag) => {
                self.plain_only(anchor, tag.is_some(), at);
                let fields = Map::new();
                self.begin(Open::Object { fields, key: None }, at);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.fault(at, "aliases (`*name`) are not read: write the value out");
                self.value(Value::Null, at);
            }
            _ => {}
        }
    }

    fn plain_only(&mut self, anchor: usize, tagged: bool, at: Place) {
        if anchor != 0 {
            self.fault(at, "anchors (`&name`) are not read: write the value out");
        }
        if tagged {
            self.fault(at, "tags (`!name`) are not read");
        }
    }

    /// Whether a key is due, that is, the next thing in an object.
    fn at_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Object { key: None, .. }))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Place) {
        if self.at_key() {
            self.key(text, at);
            return;
        }
        let value = match style {
            ScalarStyle::Plain => typed(text),
            _ => Ok(Value::from(text)),
        };
        match value {
            Ok(value) => self.value(value, at),
            Err(why) => {
                self.fault(at, why);
                self.value(Value::Null, at);
            }
        }
    }

    fn key(&mut self, text: &str, at: Place) {
        let taken = matches!(self.open.last(), Some(Open::Object { fields, .. }) if fields.contains_key(text));
        let below = format!("{}/{}", self.pointer, escape_pointer(text));
        if taken {
            let (line, _) = self.places.get(&below).copied().unwrap_or(at);
            self.fault(at, format!("the key {text:?} stands twice, first in line {line}"));
        } else {
            self.places.insert(below.clone(), at);
        }
        self.pointer = below;
        if let Some(Open::Object { key, .. }) = self.open.last_mut() {
            *key = Some(text.to_owned());
        }
    }

    /// Enters an element of a list; objects are entered by their keys.
    fn enter(&mut self, at: Place) {
        if let Some(Open::List(items)) = self.open.last() {
            self.pointer = format!("{}/{}", self.pointer, items.len());
            self.places.insert(self.pointer.clone(), at);
        } else if self.open.is_empty() {
            self.places.insert(String::new(), at);
        }
    }

    fn begin(&mut self, container: Open, at: Place) {
        if self.at_key() {
            self.fault(at, "a key must be text");
            self.key("", at);
        }
        self.enter(at);
        self.open.push(container);
    }

    fn end(&mut self) {
        let value = match self.open.pop() {
            Some(Open::List(items)) => Value::Array(items),
            Some(Open::Object { fields, .. }) => Value::Object(fields),
            None => return,
        };
        self.put(value);
    }

    fn value(&mut self, value: Value, at: Place) {
        if self.at_key() {
            self.key("", at);
            return;
        }
        self.enter(at);
        self.put(value);
    }

    /// Puts a finished value where it belongs and leaves it.
    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object { fields, key }) => {
                // A key that stands twice is a fault already; the first stays.
                if let Some(key) = key.take() {
                    fields.entry(key).or_insert(value);
                }
            }
        }
        let parent = self.pointer.rfind('/').unwrap_or(0);
        self.pointer.truncate(parent);
    }
}

/// A plain scalar's value by YAML's core schema, less its octal and hexadecimal forms, which are text.
fn typed(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match number(text)? {
            Some(number) => Value::Number(number),
            None => Value::from(text),
        },
    })
}

/// A number, if a text is one. `1.2.3.4`, `0.0.0.0` and `12e` are text, and so is `0123`, which people mean as a code.
fn number(text: &str) -> Result<Option<Number>, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if digits.len() > 1 && digits.starts_with('0') && whole {
        return Ok(None);
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if whole {
        let small = text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from));
        return small
            .map(Some)
            .map_err(|_| format!("the number {text} is too large: write it in quotes"));
    }
    let decimal = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !decimal {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(float) => Number::from_f64(float)
            .map(Some)
            .ok_or_else(|| format!("the number {text} is too large: write it in quotes")),
        Err(_) => Ok(None),
    }
}
