//! What an intent says of one thing is not said of another: in "eth1 on r1 to 9000 and eth2 on r2 to 1500" each
//! interface has its device, and each number its interface. The words are parted into stretches, a new one where a
//! kind of word comes again after others; what a stretch lacks it has from those beside it.

mod doing;
mod group;
mod unused;

use super::expression::{Piece, literals, pieces};
use super::form::Form;
use super::mention::has_digit;
use super::places::times;
use super::reads::is_of_devices;
use super::respectively::Paired;
use super::spoken::{self, texts};
use super::switched::switches;
use super::{Ground, owner, same, tool_of, unquoted};
use crate::retrieve::{is_device, is_interface, stem};
use crate::verbs::{is_verb, looks};
use crate::words::{Word, keywords};
use doing::Doing;
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

    /// Whether these words stand in it in a row.
    fn says(&self, value: &[Word]) -> bool {
        let words: Vec<Word> = self.words.iter().map(|(word, _)| (*word).clone()).collect();
        let quoted = |word: &Word| word.quoted && times(&unquoted(&word.raw), value) > 0;
        times(&words, value) > 0 || words.iter().any(quoted)
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
struct Stretches<'w> {
    all: Vec<Stretch<'w>>,
    /// In which of them something is to be done.
    acting: Vec<usize>,
}

impl<'w> Stretches<'w> {
    fn of(words: impl Iterator<Item = &'w Word>, kind: &dyn Fn(&Word) -> Option<Kind>) -> Self {
        let mut all = vec![Stretch::default()];
        let (mut last, mut looking) = (None, None);
        for word in words {
            let of = kind(word);
            let stretch = all.last_mut().expect("there is one from the beginning");
            let turns =
                is_verb(&word.lower) && !word.quoted && looking.is_some_and(|looking| looking != looks(&word.lower));
            let again = !word.quoted && doing::acts(&word.lower) && stretch.acts();
            let again = again
                && stretch
                    .words
                    .iter()
                    .any(|(_, kind)| kind.is_some_and(|kind| kind != Kind::Switch));
            let turns = (turns || again) && stretch.words.last().is_some_and(|(before, _)| opens(before));
            if turns || of.is_some_and(|of| last != Some(of) && stretch.has(of)) {
                let words = stretch.words.split_off(joint(&stretch.words));
                all.push(Stretch { words });
            }
            last = of.or(last);
            if is_verb(&word.lower) && !word.quoted {
                looking = Some(looks(&word.lower));
            }
            all.last_mut().expect("as above").words.push((word, of));
        }
        let acting = (0..all.len()).filter(|at| !only_looks(&all[*at..])).collect();
        Self { all, acting }
    }

    /// The stretch whose words of a kind go with this one: itself, else one before it, else one behind it. What is done
    /// with its own verb has its own values.
    fn with(&self, at: usize, kind: Kind, fits: &dyn Fn(usize) -> bool) -> bool {
        let own = self.source(at, kind).is_some_and(fits);
        let before = || (0..at).rev().find(|at| self.all[*at].has(kind)).is_some_and(fits);
        let thing = matches!(kind, Kind::Device | Kind::Interface);
        own || (!thing && self.all[at].points() && before())
    }

    fn source(&self, at: usize, kind: Kind) -> Option<usize> {
        let has = |at: &usize| self.all[*at].has(kind);
        if matches!(kind, Kind::Device | Kind::Interface) {
            return (0..=at).rev().find(has).or_else(|| (at..self.all.len()).find(has));
        }
        let own = self.all[at].acts();
        let general = kind != Kind::Switch && !self.all[at].is_specific();
        let before = !own || self.all[at].points() || general;
        let before = (0..=at).rev().take(if before { at + 1 } else { 1 }).find(has);
        let goes_on = |behind: &usize| *behind == at || !(own && self.all[*behind].acts());
        before.or_else(|| (at..self.all.len()).take_while(goes_on).find(has))
    }

    /// With which stretches a value may go, of those in which something is to be done.
    fn fitting(&self, value: &Given, telling: &dyn Fn(&str) -> bool) -> BTreeSet<usize> {
        let says = |stretch: &Stretch<'_>| match value.kind {
            Some(kind) => stretch
                .of(kind)
                .any(|word| value.words.iter().any(|value| means(word, value, kind))),
            // To empty a field goes with what it is called.
            None if value.words.is_empty() => stretch.calls(&keywords(&value.name)),
            None => stretch.says(&value.words),
        };
        let said: BTreeSet<usize> = (0..self.all.len()).filter(|at| says(&self.all[*at])).collect();
        let fits = |at: &usize| match value.kind {
            _ if said.is_empty() => true,
            Some(kind) => self.with(*at, kind, &|from| said.contains(&from)),
            None => said.contains(at) || (self.all[*at].is_bare(telling) && self.all[*at].goes_with_another()),
        };
        self.acting.iter().copied().filter(fits).collect()
    }
}

/// Whether a stretch only asks to look at its things, and nothing in it or behind it points back at them.
fn only_looks(stretches: &[Stretch<'_>]) -> bool {
    let says = |stretch: &Stretch<'_>, is: &dyn Fn(&str) -> bool| {
        let mut plain = stretch.words.iter().filter(|(word, _)| !word.quoted);
        plain.any(|(word, _)| is(&word.lower))
    };
    let changes = |word: &str| is_verb(word) && !looks(word);
    let points = |word: &str| POINTING.contains(&word);
    let first = stretches.iter().take(1);
    let mut first = first.filter(|stretch| says(stretch, &looks) && !says(stretch, &changes));
    first.next().is_some() && !stretches.iter().any(|stretch| says(stretch, &points))
}

/// Words that speak again of what was named before.
const POINTING: &[&str] = &[
    "it", "its", "them", "their", "both", "all", "each", "every", "these", "those", "there", "same",
];
/// Words that stand where a device does and are the name of none.
const GENERAL: &[&str] = &[
    "device",
    "core",
    "edge",
    "leaf",
    "spine",
    "both",
    "any",
    "them",
    "these",
    "those",
    "other",
    "same",
    "interface",
];
/// Words that join what comes with what was said.
const JOINING: &[&str] = &["and", "then", "but", "also", "plus", "or"];

/// Whether something new begins behind a word.
fn opens(before: &Word) -> bool {
    before.clause_ends || JOINING.contains(&before.lower.as_str())
}

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
        let stretches = Stretches::of(self.mentions.meant_or_quoted(), &kind);
        let said = self.mentions.meant_or_quoted().filter(|word| !word.is_filler());
        let said: Vec<&Word> = said.collect();
        let paired = Paired::all(&said);
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
            let args = step.get("args").and_then(Value::as_object);
            let quotes = |text: &str| self.quotes(&text.to_lowercase());
            let doing = tool
                .as_ref()
                .zip(args)
                .and_then(|(tool, args)| Doing::of(tool, args, &form, &quotes));
            let places = doing.as_ref().map(|doing| doing.places(&stretches));
            let doing = doing.filter(|_| tool.as_ref().is_some_and(|tool| self.backs(tool)));
            faults.extend(doing.and_then(|doing| undone(at, step, &doing, places.as_ref(), &stretches)));
            let given = reading.step(&format!("/plan/steps/{at}"), step, &form);
            faults.extend(group::widened(at, step, &given, places.as_ref(), &stretches));
            for given in given {
                let together = match stretches.all.len() {
                    0 | 1 => Vec::new(),
                    _ => strangers(&stretches, &given, places.as_ref(), &telling),
                };
                let crossed = paired.iter().filter_map(|paired| paired.crossed(&given));
                let crossed = crossed.map(|value| fault(value, "other things"));
                for fault in together.into_iter().chain(crossed) {
                    if !faults.contains(&fault) {
                        faults.push(fault);
                    }
                }
                let said = given.into_iter().filter(|given| !given.words.is_empty());
                all.extend(said.map(|given| (tool.clone(), given)));
            }
        }
        faults.extend(self.shared_by_tools(&all));
        faults
    }

    /// What stands where a device does: "eth1 on alpha".
    fn named_by_place(&self) -> Vec<String> {
        let words: Vec<&Word> = self.mentions.meant().collect();
        let on = |word: &Word| ["on", "of", "at"].contains(&word.lower.as_str());
        let name = |word: &Word| {
            let known = is_verb(&word.lower)
                || keywords(&word.lower)
                    .iter()
                    .all(|word| GENERAL.contains(&word.as_str()));
            !known && !word.is_filler() && word.lower.chars().all(char::is_alphabetic)
        };
        let rows = words
            .windows(3)
            .filter(|row| is_interface(&row[0].lower) && on(row[1]) && name(row[2]));
        rows.map(|row| row[2].lower.clone()).collect()
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
        if by_look {
            names.extend(self.named_by_place());
        }
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
            Value::Bool(on) if self.ground.switches_by_itself(name) => vec![on.to_string()],
            Value::Bool(_) | Value::Null => return,
        };
        for text in texts {
            let words = unquoted(&text);
            let kind = match words.as_slice() {
                [] if value.as_str().is_some_and(|text| !text.contains("${")) => None,
                [] => continue,
                _ if value.is_boolean() => Some(Kind::Switch),
                _ if times(&self.ground.words, &words) == 0 => continue,
                // No text switches: `downlink` is a word like any other.
                [word] => (self.kind)(word).filter(|kind| *kind != Kind::Switch),
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

/// What a step does that the intent does not ask for, or not so.
fn undone(
    at: usize,
    step: &Value,
    doing: &Doing<'_>,
    places: Option<&BTreeSet<usize>>,
    stretches: &Stretches<'_>,
) -> Option<Fault> {
    let tool = &step["tool"];
    if places.is_some_and(BTreeSet::is_empty) && !stretches.acting.is_empty() {
        let message = format!("the intent does not speak of what {tool} does");
        let fault = Fault::new(format!("/plan/steps/{at}/tool"), "ground.tool", message);
        return Some(fault.suggest("use the tool that does what the intent says, or say what is missing in `cannot`"));
    }
    let message = format!("the intent says of what {tool} is to take something away, and this step takes it all");
    let fault = Fault::new(format!("/plan/steps/{at}/args"), "ground.tool", message);
    doing
        .is_wider(stretches)
        .then(|| fault.suggest("give the argument that the intent gives"))
}

/// What stands together in a step and not in the intent.
fn strangers(
    stretches: &Stretches<'_>,
    given: &[Given],
    places: Option<&BTreeSet<usize>>,
    telling: &dyn Fn(&str) -> bool,
) -> Vec<Fault> {
    let done = |at: usize| places.is_none_or(|places| places.is_empty() || places.contains(&at));
    let fitting: Vec<BTreeSet<usize>> = given.iter().map(|value| stretches.fitting(value, telling)).collect();
    let (devices, interfaces) = (targets(given, Kind::Device), targets(given, Kind::Interface));
    let is_target = |value: &Given| matches!(value.kind, Some(Kind::Device | Kind::Interface));
    let others = (0..given.len()).filter(|at| !is_target(&given[*at])).map(Some);
    let others: Vec<Option<usize>> = others.chain([None]).collect();
    if devices.len() * interfaces.len() * others.len() > MOST {
        return given.iter().take(1).map(|first| fault(first, "more things")).collect();
    }
    let mut apart: BTreeSet<usize> = BTreeSet::new();
    for (device, interface) in devices.iter().flat_map(|d| interfaces.iter().map(move |i| (d, i))) {
        for other in &others {
            let together: Vec<usize> = [device, interface, other].into_iter().flatten().copied().collect();
            let joined = |at: usize| done(at) && together.iter().all(|value| fitting[*value].contains(&at));
            if !stretches.acting.iter().any(|at| joined(*at)) {
                apart.extend(together.last());
            }
        }
    }
    apart.into_iter().map(|at| fault(&given[at], "other things")).collect()
}

/// The things of a kind that a step is for. Of two arguments it cannot be told which goes with what.
fn targets(given: &[Given], kind: Kind) -> Vec<Option<usize>> {
    let all: Vec<usize> = (0..given.len()).filter(|at| given[*at].kind == Some(kind)).collect();
    let names: BTreeSet<&str> = all.iter().map(|at| given[*at].name.as_str()).collect();
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
