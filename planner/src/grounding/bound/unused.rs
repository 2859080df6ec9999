//! What an intent names is to be used: a plan that has no use for an interface or a number that it is to be about does
//! something else, to other things or by half.

use super::{Kind, kind};
use crate::grounding::expression::{Piece, found, pieces};
use crate::grounding::reads::{is_of_a_network, is_of_devices};
use crate::grounding::{Ground, same, unquoted};
use crate::verbs::may_look;
use crate::words::{Word, singular};
use flyball_engine::fault::Fault;
use flyball_engine::ports::PlanningContext;
use serde_json::{Map, Value};

/// The parts of a step from which its call has its values.
const VALUES: [&str; 3] = ["args", "for_each", "when"];

impl Ground {
    /// The things, addresses and numbers of a change that no step has a use for: not in its arguments, its list or its
    /// condition. A plan whose writes hold all their values themselves is held to them value by value.
    pub(in crate::grounding) fn unused(
        &self,
        steps: &[&Value],
        mutating: &[bool],
        context: &PlanningContext,
    ) -> Option<Fault> {
        let mut writing = steps.iter().zip(mutating).filter(|(_, mutates)| **mutates).peekable();
        if !self.asks_for_change() {
            return None;
        }
        if writing.peek().is_none() {
            // "For every switch tell me its state": a word of change may be a name as well.
            if self.plain.iter().any(|word| may_look(&word.lower)) {
                return None;
            }
            let message = "the intent asks for a change, and every step only reads";
            let fault = Fault::new("/plan/steps", "ground.unused", message);
            return Some(fault.suggest("do what the intent says, or say what is missing in `cannot`"));
        }
        if !writing.any(|(step, _)| VALUES.iter().filter_map(|part| step.get(part)).any(is_bound)) {
            return None;
        }
        if let Some(fault) = self.spread(steps, mutating, context) {
            return Some(fault);
        }
        let used = steps
            .iter()
            .flat_map(|step| VALUES.iter().filter_map(|part| step.get(part)).flat_map(said_in));
        let word = self.named_and_not(&used.collect::<Vec<Word>>(), context)?;
        let message = format!("the intent names {:?}, and no step has a use for it", word.raw);
        let hint = "do all that the intent says, to what it names, or say in `cannot` what is not clear";
        Some(Fault::new("/plan/steps", "ground.unused", message).suggest(hint))
    }

    /// A write to each interface that a tool has found, although the intent names those that are meant.
    fn spread(&self, steps: &[&Value], mutating: &[bool], context: &PlanningContext) -> Option<Fault> {
        let devices = self.devices(std::iter::empty(), context);
        let is_interface = |word: &&Word| kind(word, &devices) == Some(Kind::Interface);
        let named: Vec<&Word> = self.mentions.to_be_used().filter(is_interface).collect();
        let found = |step: &Value| {
            let args = step.get("args").and_then(Value::as_object).into_iter().flatten();
            let mut args = args.filter(|(name, _)| is_of_a_network(name) && !is_of_devices(name));
            let used: Vec<Word> = VALUES
                .iter()
                .filter_map(|part| step.get(part))
                .flat_map(said_in)
                .collect();
            args.any(|(_, value)| is_bound(value)) && !named.iter().any(|word| used.iter().any(|used| same(word, used)))
        };
        let mut writing = (0..steps.len()).filter(|at| mutating[*at] && !named.is_empty() && found(steps[*at]));
        let message = "the intent names its interfaces, and this step is for others, too";
        let fault = Fault::new(
            format!("/plan/steps/{}/args", writing.next()?),
            "ground.unused",
            message,
        );
        Some(fault.suggest("write the interfaces that the intent names"))
    }

    /// The same of a runbook that writes, by the parameters that it was given. What is to be left out of a group, or stay as
    /// it is itself, it cannot know.
    pub(crate) fn beyond(&self, params: &Map<String, Value>, context: &PlanningContext) -> Option<Fault> {
        let used: Vec<Word> = params.values().flat_map(said_in).collect();
        let devices = self.devices(std::iter::empty(), context);
        let one = used.iter().any(|word| kind(word, &devices) == Some(Kind::Device));
        let left = || match one {
            true => self
                .mentions
                .to_stay()
                .find(|word| used.iter().any(|used| same(word, used))),
            false => self.mentions.to_stay().find(|word| !word.is_filler()),
        };
        let word = self.named_and_not(&used, context).or_else(left)?;
        let message = format!(
            "the intent says something of {:?}, for which this runbook has no parameter",
            word.raw
        );
        let hint = "give the values that the intent gives for this; what it says beyond that a runbook does not do";
        Some(Fault::new("/params", "ground.unused", message).suggest(hint))
    }

    fn named_and_not(&self, used: &[Word], context: &PlanningContext) -> Option<&Word> {
        let devices = self.devices(std::iter::empty(), context);
        let named = |word: &&Word| kind(word, &devices).is_some_and(|kind| kind != Kind::Switch);
        let words: Vec<&Word> = self.mentions.to_be_used().collect();
        let counts = |at: usize| is_count(&words[at..]);
        let mut named = (0..words.len()).filter(|at| named(&words[*at]) && !counts(*at));
        let at = named.find(|at| !used.iter().any(|used| same(words[*at], used)))?;
        Some(words[at])
    }
}

/// The words of a value, of expressions those of their literals; what they leave out is not used.
fn said_in(value: &Value) -> Vec<Word> {
    match value {
        Value::Object(map) => map.values().flat_map(said_in).collect(),
        Value::Array(items) => items.iter().flat_map(said_in).collect(),
        Value::String(text) => {
            let of = |piece| match piece {
                Piece::Text(text) => vec![text],
                Piece::Expression(source) => {
                    let literals = found(&source).into_iter().filter(|literal| !literal.excluded);
                    literals.map(|literal| literal.text).collect()
                }
            };
            let texts: Vec<String> = pieces(text).into_iter().flat_map(of).collect();
            texts.iter().flat_map(|text| unquoted(text)).collect()
        }
        Value::Number(number) => unquoted(&number.to_string()),
        Value::Bool(_) | Value::Null => Vec::new(),
    }
}

/// Whether words begin with how many there are of something: "4 core switches", and not "cost 10 on links".
fn is_count(words: &[&Word]) -> bool {
    const BETWEEN: &[&str] = &["on", "of", "in", "at", "for", "to", "and", "from", "with", "by"];
    let number = words
        .first()
        .is_some_and(|word| word.lower.len() <= 2 && word.lower.bytes().all(|c| c.is_ascii_digit()));
    let named = words
        .iter()
        .skip(1)
        .take(2)
        .take_while(|word| !BETWEEN.contains(&word.lower.as_str()));
    let mut named = named.filter(|word| !word.quoted && singular(&word.lower) != word.lower);
    number && named.next().is_some()
}

fn is_bound(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().any(is_bound),
        Value::Array(items) => items.iter().any(is_bound),
        other => other.as_str().is_some_and(|text| text.contains("${")),
    }
}
