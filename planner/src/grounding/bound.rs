//! What an intent says of one thing is not said of another: in "eth1 on r1 to 9000 and eth2 on r2 to 1500" each interface has
//! its device, and each number its interface. The words are parted into stretches, a new one where a kind of word comes
//! again after others; what a stretch lacks it has from those beside it.

use super::expression::{Piece, literals, pieces};
use super::form::Form;
use super::mention::has_digit;
use super::places::times;
use super::reads::is_of_devices;
use super::spoken::{self, texts};
use super::switched::switches;
use super::{Ground, owner, same, tool_of, unquoted};
use crate::retrieve::{is_device, is_interface, stem};
use crate::verbs::{is_verb, looks};
use crate::words::{Word, keywords};
use flyball_engine::fault::{Fault, escape_pointer};
use flyball_engine::ports::PlanningContext;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Most combinations of one step's values that are looked at; beyond that nobody could have said them one by one.
const MOST: usize = 4_096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Device,
    Interface,
    Address,
    Number,
    Switch,
}

/// A part of the intent, with the kinds of its words.
#[derive(Default)]
struct Stretch<'w> {
    words: Vec<(&'w Word, Option<Kind>)>,
}

impl<'w> Stretch<'w> {
    fn of(&self, kind: Kind) -> impl Iterator<Item = &'w Word> {
        self.words
            .iter()
            .filter(move |(_, of)| *of == Some(kind))
            .map(|(word, _)| *word)
    }

    fn has(&self, kind: Kind) -> bool {
        self.of(kind).next().is_some()
    }

    /// Whether it says nothing of its things but which they are.
    fn is_bare(&self, telling: &dyn Fn(&str) -> bool) -> bool {
        let tells = |word: &Word| !keywords(&word.lower).is_empty() && !is_verb(&word.lower) && !telling(&word.lower);
        !self.words.iter().any(|(word, kind)| kind.is_none() && tells(word))
    }
}

/// A value of a step.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) pointer: String,
    pub(super) name: String,
    pub(super) words: Vec<Word>,
    pub(super) kind: Option<Kind>,
}

/// The stretches of an intent.
struct Stretches<'w>(Vec<Stretch<'w>>);

impl<'w> Stretches<'w> {
    fn of(words: impl Iterator<Item = &'w Word>, kind: &dyn Fn(&Word) -> Option<Kind>) -> Self {
        let mut all = vec![Stretch::default()];
        let mut last = None;
        for word in words {
            let of = kind(word);
            let stretch = all.last_mut().expect("there is one from the beginning");
            if of.is_some_and(|of| last != Some(of) && stretch.has(of)) {
                let words = stretch.words.split_off(joint(&stretch.words));
                all.push(Stretch { words });
            }
            last = of.or(last);
            all.last_mut().expect("as above").words.push((word, of));
        }
        Self(all)
    }

    /// The words of a kind that go with a stretch: its own, else those before it, else those behind it.
    fn with(&self, at: usize, kind: Kind) -> Vec<&'w Word> {
        let (before, behind) = self.0.split_at(at + 1);
        let nearest = before.iter().rev().chain(behind).find(|stretch| stretch.has(kind));
        nearest.map(|stretch| stretch.of(kind).collect()).unwrap_or_default()
    }

    /// Whether a value may go with a stretch.
    fn fits(&self, at: usize, value: &Given, telling: &dyn Fn(&str) -> bool) -> bool {
        let Some(kind) = value.kind else {
            let here = |stretch: &Stretch<'_>| {
                let words: Vec<Word> = stretch.words.iter().map(|(word, _)| (*word).clone()).collect();
                let quoted = |word: &Word| word.quoted && times(&unquoted(&word.raw), &value.words) > 0;
                times(&words, &value.words) > 0 || words.iter().any(quoted)
            };
            return here(&self.0[at]) || self.0[at].is_bare(telling) || !self.0.iter().any(here);
        };
        let said = self.with(at, kind);
        let is_it = |word: &&Word| value.words.iter().any(|value| means(word, value, kind));
        said.is_empty() || said.iter().any(is_it) || !self.0.iter().any(|stretch| stretch.of(kind).any(|w| is_it(&w)))
    }

    /// Whether some stretch, of those in which something is to be done, says all of these together.
    fn join(&self, values: &[&Given], telling: &dyn Fn(&str) -> bool) -> bool {
        let all = |at: usize| values.iter().all(|value| self.fits(at, value, telling));
        (0..self.0.len()).any(|at| !self.only_looks(at) && all(at))
    }

    /// Whether a stretch only asks to look at its things, and nothing behind points back at them.
    fn only_looks(&self, at: usize) -> bool {
        let says = |stretch: &Stretch<'_>, is: &dyn Fn(&str) -> bool| {
            stretch.words.iter().any(|(word, _)| !word.quoted && is(&word.lower))
        };
        let changes = |word: &str| is_verb(word) && !looks(word);
        let points = |word: &str| POINTING.contains(&word);
        let stretch = &self.0[at];
        says(stretch, &looks) && !says(stretch, &changes) && !self.0[at..].iter().any(|behind| says(behind, &points))
    }
}

/// Words that speak again of what was named before.
const POINTING: &[&str] = &[
    "it", "its", "them", "their", "both", "all", "each", "every", "these", "those", "there", "same",
];
/// Words that join what comes with what was said.
const JOINING: &[&str] = &["and", "then", "but", "also", "plus", "or"];

/// Where a new stretch begins: behind the last of the things, where what follows is joined to them.
fn joint(words: &[(&Word, Option<Kind>)]) -> usize {
    let last = words.iter().rposition(|(_, kind)| kind.is_some());
    let from = last.map_or(0, |last| last + 1);
    let joins = |at: &usize| {
        let ends = *at > 0 && words[at - 1].0.clause_ends;
        ends || JOINING.contains(&words[*at].0.lower.as_str())
    };
    (from..words.len()).find(joins).unwrap_or(words.len())
}

fn means(said: &Word, value: &Word, kind: Kind) -> bool {
    match kind {
        Kind::Switch => switches(said).is_some_and(|on| value.lower == on.to_string()),
        _ => same(said, value),
    }
}

impl Ground {
    /// The values of mutating steps that the intent says of other things than the step's.
    pub(super) fn unbound<'s>(
        &self,
        steps: impl Iterator<Item = (usize, &'s Value)> + Clone,
        context: &PlanningContext,
    ) -> Vec<Fault> {
        let devices = self.devices(steps.clone().map(|(_, step)| step), context);
        let kind = |word: &Word| kind(word, &devices);
        let stretches = Stretches::of(self.mentions.meant(), &kind);
        let reading = Reading {
            ground: self,
            kind: &kind,
        };
        let mut faults = Vec::new();
        let mut all = Vec::new();
        for (at, step) in steps {
            let tool = tool_of(step);
            let schema = tool
                .as_ref()
                .and_then(|name| Some(&context.catalogue.get(name)?.spec.input_schema));
            let form = schema.map_or_else(Form::unknown, Form::of);
            let known = spoken::known(form.names().into_iter(), &[], BTreeSet::new());
            let telling = |word: &str| known.words.contains(&stem(word));
            for given in reading.step(&format!("/plan/steps/{at}"), step, &form) {
                let together = match stretches.0.len() {
                    0 | 1 => Vec::new(),
                    _ => strangers(&stretches, &given, &telling),
                };
                for fault in together {
                    if !faults.contains(&fault) {
                        faults.push(fault);
                    }
                }
                all.extend(given.into_iter().map(|given| (tool.clone(), given)));
            }
        }
        faults.extend(self.shared_by_tools(&all));
        faults
    }

    /// What devices are called, as far as it is known: by the inventory, else by how names of devices look.
    fn devices<'s>(&self, steps: impl Iterator<Item = &'s Value>, context: &PlanningContext) -> Devices {
        let args = steps.filter_map(|step| step.get("args")?.as_object()).flatten();
        let given = args
            .filter(|(name, _)| is_of_devices(name))
            .flat_map(|(_, value)| texts(value));
        let mut names: BTreeSet<String> = given.map(|word| word.lower).collect();
        let listed = context.inventory.devices();
        let by_look = listed.is_none();
        names.extend(listed.into_iter().flatten().map(|name| name.to_lowercase()));
        Devices { names, by_look }
    }
}

/// Reads what a step gives.
struct Reading<'a> {
    ground: &'a Ground,
    kind: &'a dyn Fn(&Word) -> Option<Kind>,
}

impl Reading<'_> {
    /// The values of a step that the intent has; of a list of things one after the other.
    fn step(&self, pointer: &str, step: &Value, form: &Form<'_>) -> Vec<Vec<Given>> {
        let mut args = Vec::new();
        if let Some(given) = step.get("args") {
            self.value(&format!("{pointer}/args"), "args", given, form, &mut args);
        }
        let at = format!("{pointer}/for_each");
        let items = match step.get("for_each") {
            None => return vec![args],
            Some(Value::Array(items)) => items.as_slice(),
            Some(other) => std::slice::from_ref(other),
        };
        let one = |(n, item): (usize, &Value)| {
            let mut given = args.clone();
            self.value(&format!("{at}/{n}"), "for_each", item, &Form::unknown(), &mut given);
            given
        };
        items.iter().enumerate().map(one).collect()
    }

    fn value(&self, pointer: &str, name: &str, value: &Value, form: &Form<'_>, into: &mut Vec<Given>) {
        let texts = match value {
            Value::Object(map) => {
                for (key, item) in map {
                    let at = format!("{pointer}/{}", escape_pointer(key));
                    self.value(&at, key, item, &form.property(key), into);
                }
                return;
            }
            Value::Array(items) => {
                items
                    .iter()
                    .for_each(|item| self.value(pointer, name, item, &form.items(), into));
                return;
            }
            Value::String(text) if text.contains("${") => bound_literals(text),
            Value::String(text) => vec![text.clone()],
            Value::Number(number) => vec![number.to_string()],
            Value::Bool(on) if self.ground.switches_both(name) => vec![on.to_string()],
            Value::Bool(_) | Value::Null => return,
        };
        for text in texts {
            let words = unquoted(&text);
            let kind = match words.as_slice() {
                [] => continue,
                _ if value.is_boolean() => Some(Kind::Switch),
                _ if times(&self.ground.words, &words) == 0 => continue,
                [word] => (self.kind)(word),
                _ => None,
            };
            // What the schema lists says itself what it is.
            if kind.is_none() && form.lists(value) {
                continue;
            }
            let (pointer, name) = (pointer.to_owned(), name.to_owned());
            into.push(Given {
                pointer,
                name,
                words,
                kind,
            });
        }
    }
}

/// The literals in a template.
fn bound_literals(text: &str) -> Vec<String> {
    let of = |piece| match piece {
        Piece::Text(text) => vec![text],
        Piece::Expression(source) => literals(&source),
    };
    pieces(text).into_iter().flat_map(of).collect()
}

struct Devices {
    names: BTreeSet<String>,
    by_look: bool,
}

fn kind(word: &Word, devices: &Devices) -> Option<Kind> {
    let lower = owner(&word.lower).unwrap_or(&word.lower);
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    if word.quoted {
        None
    } else if devices.names.contains(lower) {
        Some(Kind::Device)
    } else if is_address(lower.split('/').next().unwrap_or(lower)) {
        Some(Kind::Address)
    } else if is_interface(lower) {
        Some(Kind::Interface)
    } else if lower.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()) {
        Some(Kind::Number)
    } else if devices.by_look && has_digit(word) && is_device(lower) {
        Some(Kind::Device)
    } else {
        switches(word).map(|_| Kind::Switch)
    }
}

/// What stands together in a step and not in the intent.
fn strangers(stretches: &Stretches<'_>, given: &[Given], telling: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let (devices, interfaces) = (targets(given, Kind::Device), targets(given, Kind::Interface));
    let others: Vec<Option<&Given>> = given
        .iter()
        .filter(|value| !matches!(value.kind, Some(Kind::Device | Kind::Interface)))
        .map(Some)
        .collect();
    let others = if others.is_empty() { vec![None] } else { others };
    let mut faults = Vec::new();
    if devices.len() * interfaces.len() * others.len() > MOST {
        faults.extend(given.first().map(|first| fault(first, "more things")));
        return faults;
    }
    for device in &devices {
        for interface in &interfaces {
            for other in &others {
                let together: Vec<&Given> = [device, interface, other].into_iter().flatten().copied().collect();
                if let (Some(last), false) = (together.last(), stretches.join(&together, telling)) {
                    faults.push(fault(last, "other things"));
                }
            }
        }
    }
    faults
}

/// The things of a kind that a step is for. Of two arguments it cannot be told which goes with what.
fn targets(given: &[Given], kind: Kind) -> Vec<Option<&Given>> {
    let all: Vec<&Given> = given.iter().filter(|value| value.kind == Some(kind)).collect();
    let names: BTreeSet<&str> = all.iter().map(|value| value.name.as_str()).collect();
    match names.len() {
        1 => all.into_iter().map(Some).collect(),
        _ => vec![None],
    }
}

fn fault(value: &Given, of: &str) -> Fault {
    let message = format!("the intent says `{}` of {of} than this step's", value.name);
    let hint = "keep together what the intent says together, or say in `cannot` what is not clear";
    Fault::new(value.pointer.clone(), "ground.bound", message).suggest(hint)
}
