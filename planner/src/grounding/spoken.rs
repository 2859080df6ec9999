//! Whether an intent speaks of an argument that a tool does not need. What must be given is given; of what may be
//! left out the intent must have the word, or the value goes where nobody put it: a log host becomes a time server.
//! The word is what tells the argument from the tool's others (`cost` for `ospf_cost`), or what people say for it. A
//! tool that names nothing as needed needs the things that it is for.

use super::form::Form;
use super::mention::{Known, has_digit};
use super::reads::is_of_a_network;
use super::{Ground, Piece, literals, mutates, pieces, same, tool_of, unquoted};
use crate::retrieve::{is_interface, parts, stem};
use crate::verbs::is_verb;
use crate::words::{Word, keywords, singular, words};
use flyball_engine::fault::{Fault, escape_pointer};
use flyball_engine::ports::PlanningContext;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What people say for arguments of network tools.
const SAID: &[(&str, &[&str])] = &[
    (
        "ntp",
        &[
            "clock",
            "time server",
            "timeserver",
            "sntp",
            "ntpv3",
            "ntpv4",
            "time source",
            "time from",
            "sync time",
            "synchronise time",
            "synchronize time",
        ],
    ),
    ("syslog", &["log", "loghost", "event", "message"]),
    ("cost", &["metric", "weight"]),
    ("metric", &["cost"]),
    (
        "description",
        &[
            "describe",
            "desc",
            "label",
            "labelled",
            "comment",
            "text",
            "as note",
            "with note",
            "note saying",
        ],
    ),
    (
        "mtu",
        &[
            "mtus",
            "jumbo",
            "packet size",
            "frame size",
            "maximum transmission unit",
        ],
    ),
    ("process", &["instance", "pid", "proc"]),
    ("router id", &["rid"]),
    ("interface", &["port", "nic"]),
    ("assignee", &["assign"]),
];
/// Parts of names that do not say what an argument is about.
const GENERIC: &[&str] = &[
    "id", "ip", "name", "server", "host", "address", "number", "value", "size", "list", "new", "ts", "iid", "uid",
    "uuid", "num",
];
/// Words that an intent has anyway, so that in a name of several parts they tell nothing by themselves.
const COMMON: &[&str] = &[
    "router",
    "switch",
    "device",
    "node",
    "interface",
    "port",
    "link",
    "time",
];

/// What people join to an argument's name: `log-collector`, `ntp-source`.
const JOINED: &[&str] = &[
    "setting",
    "option",
    "parameter",
    "config",
    "level",
    "target",
    "source",
    "collector",
    "service",
    "client",
    "entry",
];

/// Words that ask for a thing to be as another one is.
const ALIKE: &[&str] = &[
    "what",
    "like",
    "alike",
    "same",
    "copy",
    "mirror",
    "clone",
    "match",
    "identical",
    "whatever",
];

/// A step's tool, and the names of things: what its arguments' values are, and what the inventory has.
struct Held<'a> {
    tool: Vec<String>,
    things: &'a BTreeSet<String>,
}

impl Ground {
    /// The optional arguments of a mutating step of which the intent does not speak.
    pub(super) fn unspoken(
        &self,
        pointer: &str,
        step: &Value,
        things: &BTreeSet<String>,
        context: &PlanningContext,
    ) -> Vec<Fault> {
        let tool = tool_of(step);
        let schema = tool
            .as_ref()
            .and_then(|name| Some(&context.catalogue.get(name)?.spec.input_schema));
        let (Some(tool), Some(schema), Some(args)) = (tool, schema, step.get("args")) else {
            return Vec::new();
        };
        let held = Held {
            tool: parts(tool.tool()).into_iter().filter(|part| !is_verb(part)).collect(),
            things,
        };
        let mut faults = Vec::new();
        let at = format!("{pointer}/args");
        self.unspoken_in(&at, args, &Form::of(schema), false, &held, &mut faults);
        faults
    }

    /// The parameters of a runbook that it gives to arguments of which the intent does not speak: one that sets time servers
    /// is none for a log host.
    pub(crate) fn misplaced(&self, plan: &Value, values: &Map<String, Value>, context: &PlanningContext) -> Vec<Fault> {
        let steps = plan.get("steps").and_then(Value::as_array).into_iter().flatten();
        let writing = steps.filter(|step| mutates(step, context));
        let args = |step: &Value| step.get("args").and_then(Value::as_object).cloned().unwrap_or_default();
        let things = self.things(std::iter::empty(), context);
        let args = writing.flat_map(|step| args(step).into_iter().map(move |(arg, given)| (step, arg, given)));
        args.filter_map(|(step, arg, given)| {
            let param = given.as_str()?.strip_prefix("${params.")?.strip_suffix('}')?;
            let alone = json!({"tool": step["tool"], "args": {arg: values.get(param)?}});
            let fault = self.unspoken("", &alone, &things, context).pop()?;
            Some(Fault::new(
                format!("/params/{}", escape_pointer(param)),
                "ground.argument",
                fault.message,
            ))
        })
        .collect()
    }

    /// The names that the text has of things: what mutating steps give their arguments, and the inventory's devices.
    pub(super) fn things<'s>(
        &self,
        steps: impl Iterator<Item = &'s Value>,
        context: &PlanningContext,
    ) -> BTreeSet<String> {
        let said: BTreeSet<&str> = self.words.iter().map(|word| word.lower.as_str()).collect();
        let given = steps.filter_map(|step| step.get("args")).flat_map(texts);
        let given = given.map(|word| word.lower);
        let devices = context.inventory.devices().into_iter().flatten();
        let all = given.chain(devices.map(|name| name.to_lowercase()));
        all.filter(|name| said.contains(name.as_str())).collect()
    }

    /// `holds`: something around it must be given, so that what need not be can be told.
    fn unspoken_in(
        &self,
        pointer: &str,
        value: &Value,
        form: &Form<'_>,
        holds: bool,
        held: &Held<'_>,
        faults: &mut Vec<Fault>,
    ) {
        let args = match value {
            Value::Object(args) => args,
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.unspoken_in(&format!("{pointer}/{at}"), item, &form.items(), holds, held, faults);
                }
                return;
            }
            _ => return,
        };
        let (names, mut required) = (form.names(), form.required());
        if required.is_empty() && !holds {
            required = needed(&names);
        }
        let holds = holds || !names.is_empty();
        let known = known(names.iter().copied(), &held.tool, held.things.clone());
        for (name, value) in args.iter().filter(|(name, _)| names.contains(name.as_str())) {
            let (at, below) = (format!("{pointer}/{}", escape_pointer(name)), form.property(name));
            let needed = |name: &str| !holds || required.contains(name);
            let others = names.iter().copied().filter(|other| other != name);
            let others: Vec<&str> = match needed(name) {
                true => others.filter(|other| !is_of_a_network(other)).collect(),
                false => others.filter(|other| !needed(other)).collect(),
            };
            let beside: Vec<Form<'_>> = others.iter().map(|other| form.property(other)).collect();
            if !is_of_a_network(name) || !needed(name) {
                let said = || needed(name) || self.speaks_of_argument(name, value, &names, held, &known);
                let carried = || self.may_be_carried(name, &below, &names, &known);
                let wrong = match is_claimed(value, &below, &beside) {
                    false if is_carried(value) && !needed(name) && !carried() => {
                        Some(format!("the intent does not speak of `{name}`"))
                    }
                    true if !said() => Some(format!("the intent does not speak of `{name}`")),
                    true if self.labels_otherwise(name, value, &names, &held.tool) => {
                        Some(format!("the intent says this of another argument than `{name}`"))
                    }
                    true if !self.gives_it(name, value, &names, &others, &known) => {
                        Some(format!("the intent says this of another argument than `{name}`"))
                    }
                    _ => None,
                };
                let hint = "use the argument that the intent speaks of, or say in `cannot` what is not clear";
                faults.extend(wrong.map(|message| Fault::new(at.clone(), "ground.argument", message).suggest(hint)));
            }
            self.unspoken_in(&at, value, &below, holds, held, faults);
        }
    }

    /// Whether an argument may have what another device or an earlier step has: the intent speaks of it, or asks for a
    /// likeness.
    fn may_be_carried(&self, name: &str, form: &Form<'_>, names: &BTreeSet<&str>, known: &Known) -> bool {
        let said = names_of(name, names.iter().copied());
        let alike = || self.mentions.meant().any(|word| ALIKE.contains(&word.lower.as_str()));
        let switched = || form.is_switch() && [true, false].iter().any(|on| self.has_bool(*on, Some(name)));
        said.iter().any(|said| !self.mentions.places(said, known).is_empty()) || alike() || switched()
    }

    fn speaks_of_argument(
        &self,
        name: &str,
        value: &Value,
        names: &BTreeSet<&str>,
        held: &Held<'_>,
        known: &Known,
    ) -> bool {
        let spoken_of = |name: &str| {
            let said = names_of(name, names.iter().copied());
            said.iter().any(|name| !self.mentions.places(name, known).is_empty())
        };
        let adds = || {
            let own = names_of(name, names.iter().copied());
            let mut others = names.iter().filter(|other| **other != name && !is_of_a_network(other));
            let added = |words: &Vec<Word>| own.iter().any(|own| self.mentions.adds_to(words, own, known));
            let values = each(value);
            !values.is_empty() && !others.any(|other| spoken_of(other)) && values.iter().all(added)
        };
        let said = spoken_of(name) || adds();
        let values = texts(value);
        let all = |is: &dyn Fn(&Word) -> bool| !values.is_empty() && values.iter().all(is);
        let numbered = |value: &Word| has_digit(value) && self.mentions.stands_behind(value, &held.tool, known);
        said || all(&numbered) || (is_of_interfaces(name) && all(&|value| is_interface(&value.raw)))
    }

    /// Whether a number stands right behind what another argument is called, wherever the intent has it.
    fn labels_otherwise(&self, name: &str, value: &Value, names: &BTreeSet<&str>, tool: &[String]) -> bool {
        let words: Vec<&Word> = self.mentions.meant().collect();
        let called = |name: &str, at: usize| {
            names_of(name, names.iter().copied()).iter().any(|called| {
                let said = at.checked_sub(called.len()).map(|from| &words[from..at]);
                let is = |(said, part): (&&Word, &String)| !said.quoted && stem(&said.lower) == stem(part);
                said.is_some_and(|said| said.iter().zip(called).all(is))
            })
        };
        let otherwise = |value: &[Word]| {
            let [value] = value else {
                return false;
            };
            let at = (0..words.len()).filter(|at| same(words[*at], value) && !words[*at].quoted);
            let other = |at: usize| {
                let others = names.iter().filter(|other| **other != name && !is_of_a_network(other));
                let own = called(name, at) || at.checked_sub(1).is_some_and(|n| tool.contains(&words[n].lower));
                !own && others.clone().any(|other| called(other, at))
            };
            let all: Vec<usize> = at.collect();
            has_digit(value) && !all.is_empty() && all.into_iter().all(other)
        };
        each(value).iter().any(|words| otherwise(words))
    }

    /// Whether the intent says a value of this argument, and not of another one that may be left out.
    fn gives_it(&self, name: &str, value: &Value, names: &BTreeSet<&str>, others: &[&str], known: &Known) -> bool {
        let places = |name: &str| -> Vec<usize> {
            let said = names_of(name, names.iter().copied());
            said.iter().flat_map(|said| self.mentions.places(said, known)).collect()
        };
        let own = places(name);
        let others = others.iter().flat_map(|other| places(other));
        let others: Vec<usize> = others.filter(|place| !own.contains(place)).collect();
        let stands = |words: &Vec<Word>| words.is_empty() || self.mentions.stands_with(words, &own, &others);
        own.is_empty() || each(value).iter().all(stands)
    }
}

/// What a tool that says nothing of that needs: the things it is for, and what it does to them if that is one
/// argument only.
fn needed<'n>(names: &BTreeSet<&'n str>) -> BTreeSet<&'n str> {
    let (things, others): (BTreeSet<&str>, BTreeSet<&str>) = names.iter().partition(|name| is_of_a_network(name));
    if others.len() > 1 { things } else { names.clone() }
}

/// The words of each entry of a list, or of the one value.
fn each(value: &Value) -> Vec<Vec<Word>> {
    match value {
        Value::Array(items) => items.iter().map(texts).collect(),
        other => vec![texts(other)],
    }
}

/// Whether a value is somebody's claim: a binding is what a tool answered, a boolean has rules of its own, what the schema
/// says or lists says itself what it is, and of an object each value is looked at by itself.
fn is_claimed(value: &Value, form: &Form<'_>, beside: &[Form<'_>]) -> bool {
    // A number that is listed is a number all the same: 100 may be said of something else. So may what two arguments
    // list.
    let has_digit = |text: &str| text.contains(|c: char| c.is_ascii_digit());
    let says_itself = |text: &str| !has_digit(text) && !beside.iter().any(|form| form.lists(value));
    if form.says(value) || (form.lists(value) && value.as_str().is_some_and(says_itself)) {
        return false;
    }
    match value {
        Value::Null | Value::Bool(_) | Value::Object(_) => false,
        Value::Array(items) if items.is_empty() => true,
        Value::Array(items) => {
            let beside: Vec<Form<'_>> = beside.iter().map(|form| form.items_or_self()).collect();
            items.iter().any(|item| is_claimed(item, &form.items(), &beside))
        }
        Value::String(text) => !is_bound(text),
        Value::Number(_) => true,
    }
}

/// Whether a value comes from earlier steps, whole or in part.
fn is_carried(value: &Value) -> bool {
    match value {
        Value::String(text) => is_bound(text),
        Value::Array(items) => items.iter().any(is_carried),
        _ => false,
    }
}

/// Whether a text is nothing but what earlier steps have answered: no word beside the expressions, and no literal in them.
fn is_bound(text: &str) -> bool {
    let pieces = pieces(text);
    let binds = |piece: &Piece| matches!(piece, Piece::Expression(_));
    let adds = |piece: &Piece| match piece {
        Piece::Text(text) => !words(text).is_empty(),
        Piece::Expression(source) => !literals(source).is_empty(),
    };
    pieces.iter().any(binds) && !pieces.iter().any(adds)
}

/// The words of all texts and numbers of a value.
pub(super) fn texts(value: &Value) -> Vec<Word> {
    match value {
        Value::String(text) => unquoted(text),
        Value::Number(number) => unquoted(&number.to_string()),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

/// Whether an argument takes interfaces: what is called `eth1` says itself what it is.
fn is_of_interfaces(name: &str) -> bool {
    keywords(name).last().is_some_and(|word| word == "interface")
}

/// What words may be joined with an argument's name, and the names of things.
pub(super) fn known<'n>(names: impl Iterator<Item = &'n str>, tool: &[String], things: BTreeSet<String>) -> Known {
    let said = SAID.iter().flat_map(|(_, said)| *said).flat_map(|said| said.split(' '));
    let own = names.flat_map(parts).chain(tool.iter().cloned());
    let general = [GENERIC, COMMON, JOINED].into_iter().flatten().copied();
    let words = general.chain(said).map(stem);
    Known {
        things,
        words: words.chain(own.map(|part| stem(&part))).collect(),
    }
}

/// What an argument is about: its name without what says nothing of that.
pub(super) fn subject(name: &str) -> String {
    let all: Vec<String> = parts(name).iter().map(|part| stem(part)).collect();
    let telling = |part: &&String| !GENERIC.iter().any(|general| stem(general) == **part);
    let some: Vec<&str> = all.iter().filter(telling).map(String::as_str).collect();
    if some.is_empty() { all.join(" ") } else { some.join(" ") }
}

/// By what an intent may call an argument, each as words that stand beside each other: its whole name, the part that tells
/// it from the tool's other arguments, and what people say for that.
pub(super) fn names_of<'n>(name: &'n str, all: impl Iterator<Item = &'n str>) -> Vec<Vec<String>> {
    let own = match parts(name) {
        parts if parts.is_empty() => vec![name.to_lowercase()],
        parts => parts,
    };
    let others: BTreeSet<String> = all
        .filter(|other| *other != name)
        .flat_map(parts)
        .map(|part| stem(&part))
        .collect();
    let tells = |part: &&String| !GENERIC.contains(&singular(part).as_str()) && !others.contains(&stem(part));
    let telling = own.iter().rev().find(tells);
    let telling = telling.filter(|part| own.len() == 1 || !COMMON.contains(&singular(part).as_str()));
    let whole = own.join(" ");
    let rows = SAID
        .iter()
        .filter(|(called, _)| *called == whole || telling.is_some_and(|part| stem(part) == stem(called)));
    let said = rows.flat_map(|(_, said)| *said);
    let said: Vec<Vec<String>> = said.map(|said| said.split(' ').map(str::to_owned).collect()).collect();
    let telling = telling.map(|part| vec![part.clone()]);
    std::iter::once(own.clone()).chain(telling).chain(said).collect()
}

#[cfg(test)]
mod tests;
