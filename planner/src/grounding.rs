//! Whether a model's draft says only what the intent says. A model may arrange; it may not invent: each literal of a
//! mutating step, and of the reads that choose its items and targets, must stand in the intent's text, and a mutating
//! step needs a verb behind it; of an argument that may be left out the text must speak. What tools answered, and the
//! alarm's text, ground nothing. How much may change, and whether the devices exist, is in [`budget`] and [`targets`].

mod beside;
mod bound;
mod budget;
mod excepted;
mod expression;
mod form;
mod mention;
mod places;
mod reads;
mod respectively;
mod shared;
mod spoken;
mod switched;
pub(crate) mod targets;
mod told_of;
mod values;

use crate::acts;
use crate::retrieve::parts;
use crate::runbook::{Runbook, area, prefix};
use crate::speech::parted;
use crate::verbs::{self, AskedFor, Verb};
use crate::words::{Word, keywords, singular, words};
use expression::{Piece, literals, pieces};
use flyball_engine::fault::{Fault, escape_pointer};
use flyball_engine::ports::PlanningContext;
use flyball_engine::tool::ToolName;
use form::Form;
use mention::Mentions;
use places::times;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use values::{Named, Walk};

/// What an intent's text gives a plan to stand on.
pub(crate) struct Ground {
    words: Vec<Word>,
    /// Those that stand in no quotes.
    plain: Vec<Word>,
    mentions: Mentions,
    asked: AskedFor,
    verbs: BTreeSet<Verb>,
}

impl Ground {
    pub(crate) fn of(text: &str) -> Self {
        let text = &parted(text);
        let asked = verbs::asked_for(text);
        Self {
            words: unquoted(text),
            plain: words(text).into_iter().filter(|word| !word.quoted).collect(),
            mentions: Mentions::of(text),
            verbs: asked.changes.iter().copied().collect(),
            asked,
        }
    }

    /// A text that only has words: nothing is asked for in it.
    fn told(text: &str) -> Self {
        Self {
            words: unquoted(text),
            ..Self::of("")
        }
    }

    /// Whether a verb of the text is behind what a tool's name promises to change.
    pub(crate) fn backs(&self, tool: &ToolName) -> bool {
        let asked = match verbs::needed_by(tool.tool()) {
            Some(verb) => self.verbs.contains(&verb),
            None => self.asks_for_change(),
        };
        let called = |word: &str| {
            tool.tool()
                .split(|c: char| !c.is_alphanumeric())
                .any(|part| part == word)
        };
        asked
            || self
                .asked
                .beside
                .iter()
                .flat_map(|words| words.iter())
                .any(|word| called(word))
    }

    /// Whether the text asks for any change.
    pub(crate) fn asks_for_change(&self) -> bool {
        !self.verbs.is_empty()
    }

    /// Whether the text asks for the kind of change that a runbook's own phrases ask for.
    pub(crate) fn asks_for(&self, runbook: &Runbook) -> bool {
        let said = self.plain.iter().map(|word| word.lower.as_str());
        if acts::differ(said, runbook.own_words()) {
            return false;
        }
        let offered = verbs::in_words(runbook.own_words());
        match offered.is_empty() {
            true => self.asks_for_change(),
            false => !offered.is_disjoint(&self.verbs),
        }
    }

    /// Whether the text has a word of what a runbook's phrases are about, or one that the runbook lists for it. Verbs tell
    /// nothing here: everything is checked and set.
    pub(crate) fn speaks_of(&self, runbook: &Runbook) -> bool {
        let own: Vec<&str> = runbook.own_words().filter(|word| !verbs::is_verb(word)).collect();
        let others = own
            .iter()
            .flat_map(|word| runbook.other_words(word))
            .map(String::as_str);
        let about: BTreeSet<String> = own.iter().copied().chain(others).flat_map(keywords).collect();
        let said = self.words.iter().flat_map(|word| keywords(&word.lower));
        let mut said = said.filter(|word| !verbs::is_verb(word));
        about.is_empty() || said.any(|word| about.contains(&word))
    }

    /// Whether the text has most of the words of what some phrase of a runbook is about. A small model that is offered a
    /// runbook which only looks takes it for any question about the same thing.
    pub(crate) fn speaks_mostly_of(&self, runbook: &Runbook) -> bool {
        let said: BTreeSet<String> = self.words.iter().flat_map(|word| keywords(&word.lower)).collect();
        let is_said = |word: &&str| {
            let others = runbook.other_words(word).iter().map(String::as_str);
            std::iter::once(*word)
                .chain(others)
                .flat_map(keywords)
                .any(|word| said.contains(&word))
        };
        runbook.words_of_phrases().any(|phrase| {
            let about = phrase.into_iter().filter(|word| !verbs::is_verb(word));
            let about: BTreeSet<&str> = about.filter(|word| !keywords(word).is_empty()).collect();
            about.is_empty() || about.iter().filter(|word| is_said(word)).count() * 2 > about.len()
        })
    }

    /// Whether the text has this literal, in whatever form.
    pub(crate) fn has(&self, literal: &Value) -> bool {
        match literal {
            Value::Null => true,
            Value::Bool(on) => self.has_bool(*on, None),
            Value::Number(number) => self.has_text(&number.to_string()),
            Value::String(text) => self.has_text(text),
            Value::Array(items) => items.iter().all(|item| self.has(item)),
            Value::Object(map) => map.values().all(|item| self.has(item)),
        }
    }

    /// Whether the intent names something only to say that it is to stay as it is: a number, an address, and of what
    /// names things anything.
    fn leaves(&self, literal: &Value, named: Named) -> bool {
        let text = match literal {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return false,
        };
        let words = unquoted(&text);
        let [word] = words.as_slice() else {
            return self.mentions.tells_only(&text);
        };
        (named != Named::Other || mention::has_digit(word)) && self.mentions.leaves(word, named == Named::Thing)
    }

    fn has_text(&self, literal: &str) -> bool {
        if literal.contains(char::is_control) {
            return false;
        }
        let wanted = unquoted(literal);
        if wanted.is_empty() {
            // To empty a field is to take something away.
            return literal.trim().is_empty() && self.verbs.contains(&Verb::Remove);
        }
        times(&self.words, &wanted) > 0
    }

    /// Whether a word stands in quotes by itself.
    fn quotes(&self, word: &str) -> bool {
        self.mentions.quotes(word)
    }

    /// All that a draft says and the text does not.
    pub(crate) fn faults(&self, draft: &Value, context: &PlanningContext) -> Vec<Fault> {
        let steps: Vec<&Value> = draft
            .get("steps")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect();
        if steps.is_empty() {
            let fault = Fault::new("/plan/steps", "ground.empty", "the plan has no steps");
            return vec![fault.suggest("write the steps, or say what is missing in `cannot`")];
        }
        let mutating: Vec<bool> = steps.iter().map(|step| mutates(step, context)).collect();
        let feeding = feeding(&steps, &mutating);
        let mut faults = self.over_budget(&steps, &mutating, context);
        let writing = || {
            steps
                .iter()
                .zip(&mutating)
                .filter(|(_, mutates)| **mutates)
                .map(|(step, _)| *step)
        };
        let things = self.things(writing(), context);
        let devices = inventory(context);
        for (i, step) in steps.iter().enumerate() {
            let pointer = format!("/plan/steps/{i}");
            if mutating[i] {
                faults.extend(self.verb_fault(&pointer, step));
                faults.extend(self.unspoken(&pointer, step, &things, context));
            }
            if mutating[i] {
                faults.extend(self.unexcepted(i, step, &devices));
            }
            if mutating[i] || feeding[i] {
                self.literals_of(&pointer, step, &devices, context, &mut faults);
            }
        }
        let writes = steps.iter().copied().enumerate().filter(|(at, _)| mutating[*at]);
        let twice = self
            .unbound(writes.clone(), context)
            .into_iter()
            .chain(self.shared(writes, context));
        for fault in twice {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        faults.extend(self.wider(&steps, &mutating));
        faults.extend(self.unused(&steps, &mutating, context));
        faults.extend(targets::unknown(draft, &Value::Null, context));
        faults
    }

    fn verb_fault(&self, pointer: &str, step: &Value) -> Option<Fault> {
        let tool = tool_of(step)?;
        let backed = self.backs(&tool);
        let message = format!("`{tool}` changes the network, and no verb of the intent asks for that");
        let fault = Fault::new(format!("{pointer}/tool"), "ground.verb", message);
        (!backed).then(|| fault.suggest("leave the step out, or say what is missing in `cannot`"))
    }

    fn literals_of(
        &self,
        pointer: &str,
        step: &Value,
        devices: &BTreeSet<String>,
        context: &PlanningContext,
        faults: &mut Vec<Fault>,
    ) {
        let schema = tool_of(step).and_then(|name| Some(&context.catalogue.get(&name)?.spec.input_schema));
        let form = schema.map_or_else(Form::unknown, Form::of);
        let tool = tool_of(step).map(|tool| parts(tool.tool())).unwrap_or_default();
        let tool: Vec<String> = tool.into_iter().filter(|part| !verbs::is_verb(part)).collect();
        let mut walk = Walk {
            ground: self,
            writes: true,
            feeds: !mutates(step, context),
            tool: &tool,
            devices,
            faults,
        };
        if let Some(args) = step.get("args") {
            walk.value(&format!("{pointer}/args"), None, args, &form);
            let mut claimed = args.as_object().cloned().unwrap_or_default();
            claimed.retain(|name, value| !form.property(name).says(value));
            for (long, short) in self.swallowed(&claimed) {
                walk.faults
                    .push(swallowing(format!("{pointer}/args/{}", escape_pointer(long)), short));
            }
        }
        if let Some(items) = step.get("for_each") {
            walk.value(&format!("{pointer}/for_each"), None, items, &Form::unknown());
        }
    }
}

/// What the inventory has, in lower case.
fn inventory(context: &PlanningContext) -> BTreeSet<String> {
    let devices = context.inventory.devices().into_iter().flatten();
    devices.map(|name| name.to_lowercase()).collect()
}

fn tool_of(step: &Value) -> Option<ToolName> {
    step.get("tool")?.as_str()?.parse().ok()
}

fn mutates(step: &Value, context: &PlanningContext) -> bool {
    tool_of(step).is_some_and(|tool| context.contracts.of(&tool).effect.mutates())
}

/// Which steps choose items, targets or values of a mutating one, directly or through others.
fn feeding(steps: &[&Value], mutating: &[bool]) -> Vec<bool> {
    let id = |step: &Value| step.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut feeding = vec![false; steps.len()];
    let mut open: Vec<usize> = (0..steps.len()).filter(|i| mutating[*i]).collect();
    while let Some(reader) = open.pop() {
        let text = steps[reader].to_string();
        for (i, step) in steps.iter().enumerate() {
            let id = id(step);
            // Wider than an exact reference on purpose: a read that is held to the text in vain gets a question.
            let read = text.contains("steps") && text.contains(&id);
            if !feeding[i] && i != reader && !id.is_empty() && read {
                feeding[i] = true;
                open.push(i);
            }
        }
    }
    feeding
}

/// The words of a text, those in quotes like any other.
fn unquoted(text: &str) -> Vec<Word> {
    let all = words(&text.replace(['"', '“', '”'], " "));
    let within = |word: Word| if word.quoted { words(&word.raw) } else { vec![word] };
    all.into_iter().flat_map(within).collect()
}

/// A value that takes in what the intent says of another.
pub(crate) fn swallowing(pointer: String, other: &str) -> Fault {
    let message = format!("it takes in what the intent says of `{other}`");
    let hint = "use the words that the intent gives for it, or say what is missing in `cannot`";
    Fault::new(pointer, "ground.literal", message).suggest(hint)
}

/// Other words for what an argument is called.
const CALLED: &[(&str, &[&str])] = &[
    ("interface", &["port", "nic"]),
    ("device", &["router", "switch", "node"]),
];

/// Whether a text only says what an argument is called: "the interface" names none, though the intent has the word.
fn is_its_name(text: &str, name: &str) -> bool {
    let stems = |text: &str| -> Vec<String> {
        let words = words(&text.replace(['"', '_'], " "));
        words.iter().filter(|w| !w.is_filler()).map(Word::stem).collect()
    };
    let said = stems(text);
    let others = CALLED.iter().find(|(called, _)| *called == name);
    let is_other = others.is_some_and(|(_, others)| said.len() == 1 && others.contains(&said[0].as_str()));
    said == stems(name) || is_other
}

/// Whether a word of the text and one of a literal mean the same thing.
fn same(said: &Word, wanted: &Word) -> bool {
    let owner = (!said.quoted).then(|| owner(&said.lower)).flatten();
    let (said, wanted) = (said.lower.as_str(), wanted.lower.as_str());
    said == wanted
        || owner == Some(wanted)
        || singular(said) == singular(wanted)
        || thousands(said).is_some_and(|said| said == wanted)
        || (said == "backbone" && area(wanted) == area("0"))
        || both(said, wanted, area)
        || both(said, wanted, |text| text.parse::<IpAddr>().ok())
        || both(said, wanted, prefix)
        || abbreviates(said, wanted)
}

/// The number that `9k` is.
fn thousands(word: &str) -> Option<String> {
    let digits = word.strip_suffix('k')?;
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    let known = (1..=9).contains(&whole.len()) && part.len() <= 3 && all_digits(whole) && all_digits(part);
    known.then(|| format!("{whole}{part:0<3}").trim_start_matches('0').to_owned())
}

/// `beijing` of `beijing's`.
fn owner(word: &str) -> Option<&str> {
    word.strip_suffix("'s").or_else(|| word.strip_suffix("’s"))
}

fn both<T: PartialEq>(a: &str, b: &str, form: impl Fn(&str) -> Option<T>) -> bool {
    form(a).is_some_and(|a| form(b) == Some(a))
}

/// `gi0/1` for `gigabitethernet0/1`: the same numbers, the name cut short.
fn abbreviates(short: &str, long: &str) -> bool {
    let split = |text: &str| {
        text.find(|c: char| c.is_ascii_digit())
            .map(|at| (text[..at].to_owned(), text[at..].to_owned()))
    };
    let (Some((short, a)), Some((long, b))) = (split(short), split(long)) else {
        return false;
    };
    let named = long.len() > short.len() && short.len() >= 2 && short.chars().all(char::is_alphabetic);
    named && a == b && a.contains('/') && long.starts_with(&short)
}

#[cfg(test)]
mod tests;
