//! Holds the values of a step to the intent, one by one.

use super::expression::{self, Literal, Piece, pieces};
use super::form::Form;
use super::reads::{is_of_a_network, is_of_devices};
use super::{Ground, is_its_name, unquoted};
use crate::retrieve::{is_device, is_interface};
use crate::words::{Word, keywords, words};
use flyball_engine::fault::{Fault, escape_pointer};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A device or an interface.
    Thing,
    /// What chooses things.
    Choice,
    Other,
}

/// By what the things at the other end are spoken of.
const ENDS: &[&str] = &[
    "peer",
    "neighbor",
    "neighbour",
    "adjacent",
    "adjacency",
    "link",
    "end",
    "connected",
    "opposite",
    "remote",
    "side",
];

pub(super) struct Walk<'a> {
    pub(super) ground: &'a Ground,
    /// What is to stay as it is may be looked at, and gives no write a value.
    pub(super) writes: bool,
    /// The parts of the tool's name that are no verbs.
    pub(super) tool: &'a [String],
    /// It chooses what a write is for.
    pub(super) feeds: bool,
    /// What the inventory has, in lower case.
    pub(super) devices: &'a BTreeSet<String>,
    pub(super) faults: &'a mut Vec<Fault>,
}

impl Walk<'_> {
    pub(super) fn value(&mut self, pointer: &str, name: Option<&str>, value: &Value, form: &Form<'_>) {
        if form.says(value) {
            return;
        }
        match value {
            Value::Object(map) => {
                for (key, item) in map {
                    let below = form.property(key);
                    self.value(&format!("{pointer}/{}", escape_pointer(key)), Some(key), item, &below);
                }
            }
            Value::Array(items) => {
                let below = form.items();
                for (i, item) in items.iter().enumerate() {
                    self.value(&format!("{pointer}/{i}"), name, item, &below);
                }
            }
            Value::Bool(on) => self.hold(pointer, value, self.ground.has_bool(*on, name)),
            Value::String(text) if text.contains("${") => self.template(pointer, name, text),
            Value::String(text) if name.is_some_and(|name| is_its_name(text, name) || self.is_small(text, form)) => {
                self.no_value(pointer, text)
            }
            other => {
                let stays = self.stays(name, other);
                self.hold(pointer, other, self.ground.has(other) && !stays);
            }
        }
    }

    /// Whether a text is a word that only joins others, or one that calls what the tool is for.
    fn is_small(&self, text: &str, form: &Form<'_>) -> bool {
        const SMALL: &[&str] = &[
            "on",
            "in",
            "of",
            "to",
            "at",
            "by",
            "for",
            "from",
            "with",
            "and",
            "or",
            "as",
            "the",
            "a",
            "server",
            "configuration",
            "config",
        ];
        let words = unquoted(text);
        let [word] = words.as_slice() else {
            return false;
        };
        let small = SMALL.contains(&word.lower.as_str()) || self.tool.contains(&word.lower);
        let quoted = || self.ground.quotes(&word.lower);
        self.writes && small && !form.lists(&Value::from(text)) && !quoted()
    }

    /// Whether a value is of what is to stay as it is, or only named beside what is to be changed.
    fn stays(&self, name: Option<&str>, value: &Value) -> bool {
        let lower = value.as_str().map(str::to_lowercase).unwrap_or_default();
        let device = self.devices.contains(&lower);
        let thing = device || name.is_some_and(is_of_a_network);
        let named = match (thing, self.feeds) {
            (true, _) => Named::Thing,
            (false, true) => Named::Choice,
            (false, false) => Named::Other,
        };
        let of_devices = device || name.is_some_and(is_of_devices);
        let is_thing = |word: &Word| self.devices.contains(&word.lower) || is_device(&word.lower);
        let beside = || {
            let words = unquoted(&lower);
            matches!(words.as_slice(), [word] if self.ground.mentions.names_beside(word, &is_thing))
        };
        self.writes && (self.ground.leaves(value, named) || (of_devices && !self.feeds && beside()))
    }

    /// Text around expressions, and literals inside them, are literals like any other.
    fn template(&mut self, pointer: &str, name: Option<&str>, text: &str) {
        for piece in pieces(text) {
            let source = match piece {
                Piece::Text(text) if words(&text).is_empty() => continue,
                Piece::Text(text) => {
                    let grounded = self.ground.has_text(&text);
                    self.hold(pointer, &Value::from(text), grounded);
                    continue;
                }
                Piece::Expression(source) => source,
            };
            for literal in expression::found(&source) {
                self.literal(pointer, name, literal);
            }
            let counts = self.writes && !self.feeds && name.is_some() && source.trim_end().ends_with(".size()");
            // Of a list that is gone through, some are picked by what the intent says of them, and by nothing else.
            let listed = self.writes && name.is_none();
            let opens = listed && (expression::picks(&source) || expression::widens(&source));
            if counts || opens || (self.writes && (expression::invents(&source) || self.picks_another(name, &source))) {
                self.hold(pointer, &Value::from(source), false);
            }
        }
    }

    fn literal(&mut self, pointer: &str, name: Option<&str>, literal: Literal) {
        let value = Value::from(literal.text.as_str());
        let grounded = match literal.truth {
            true => self.ground.has_bool(literal.text == "true", name),
            false => self.ground.has_text(&literal.text),
        };
        let stays = !literal.truth && !literal.excluded && self.stays(name, &value);
        // To leave out what is to be changed is to change the others.
        let named = match self.devices.contains(&literal.text.to_lowercase()) {
            true => Named::Thing,
            false => Named::Choice,
        };
        let turned = literal.excluded && self.writes && !self.ground.leaves(&value, named);
        self.hold(pointer, &value, grounded && !stays && !turned);
    }

    /// Whether a device is picked out of an answer by its place, or an interface although the intent names one; and
    /// whether it is the one at the other end, of which the intent does not speak.
    fn picks_another(&self, name: Option<&str>, source: &str) -> bool {
        const OTHER_END: &[&str] = &["peer", "neighbor", "neighbour", "remote", "remote_device"];
        let named = |is: &dyn Fn(&Word) -> bool| self.ground.mentions.meant().any(is);
        let field = source.trim_end().rsplit('.').next().unwrap_or_default();
        let end = |word: &Word| word.quoted || keywords(&word.lower).iter().any(|word| ENDS.contains(&word.as_str()));
        name.is_some_and(|name| match is_of_devices(name) {
            true => expression::picks(source) || (OTHER_END.contains(&field) && !named(&end)),
            false => expression::picks(source) && is_of_a_network(name) && named(&|word| is_interface(&word.lower)),
        })
    }

    fn no_value(&mut self, pointer: &str, text: &str) {
        let message = format!("{text:?} is what the argument is called, not a value");
        let fault = Fault::new(pointer, "ground.literal", message);
        let hint = "use the value that the intent says, or say in `cannot` that it says none";
        self.faults.push(fault.suggest(hint));
    }

    fn hold(&mut self, pointer: &str, value: &Value, grounded: bool) {
        if !grounded {
            let message = format!("{value} does not stand in the intent");
            let fault = Fault::new(pointer, "ground.literal", message);
            let hint = "use what the intent says or a binding to an earlier step, or say what is missing in `cannot`";
            self.faults.push(fault.suggest(hint));
        }
    }
}
