//! Which runbook a text asks for, and which come close.

use super::phrase::{Phrase, Width, stems};
use super::{ParamKind, Runbook, Runbooks};
use crate::words::keywords;
use flyball_engine::fault::Fault;
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// What came of looking for a text among the phrases.
#[derive(Debug, Clone)]
pub enum PhraseMatch<'a> {
    /// No phrase says this.
    None,
    /// Exactly one runbook, its parameters in their one form.
    One { runbook: &'a Runbook, params: Value },
    /// The text can be read in several ways that are equally good: a question for the one who asked.
    Several(Vec<(&'a Runbook, Value)>),
    /// A phrase fits, but a value breaks the runbook's rules. Nobody else may try.
    Broken { runbook: &'a Runbook, faults: Vec<Fault> },
}

/// One reading of a text.
struct Reading<'a> {
    runbook: &'a Runbook,
    /// How many words of the phrase's own were said: the more, the better the phrase fits.
    weight: usize,
    /// The phrase's parts stand as it has them.
    as_written: bool,
    params: Result<Value, Vec<Fault>>,
}

impl Runbooks {
    /// Finds the runbook whose phrase the whole text says. Of several, the one with most words of its own is
    /// meant, also where a value breaks its rules, and among these the one whose parts stand as written.
    pub fn find(&self, text: &str) -> PhraseMatch<'_> {
        let readings: Vec<Reading<'_>> = self.iter().flat_map(|runbook| runbook.readings(text)).collect();
        let fits = |r: &Reading<'_>| (r.weight, r.as_written);
        let best_fit = readings.iter().filter(|r| r.params.is_ok()).map(fits).max();
        // A runbook that can be read without a fault is not refused for another reading of its own.
        let fits_too = |id: &str| readings.iter().any(|r| r.params.is_ok() && r.runbook.id == id);
        let goes_before = |weight: usize| best_fit.is_none_or(|best| best.0 < weight);
        let broken = broken(&readings).filter(|(weight, runbook, _)| goes_before(*weight) && !fits_too(&runbook.id));
        if let Some((_, runbook, faults)) = broken {
            return PhraseMatch::Broken {
                runbook,
                faults: faults.to_vec(),
            };
        }
        let Some(best_fit) = best_fit else {
            return PhraseMatch::None;
        };
        let mut best: Vec<(&Runbook, Value)> = Vec::new();
        for reading in readings.into_iter().filter(|r| fits(r) == best_fit) {
            let Ok(params) = reading.params else { continue };
            if !best
                .iter()
                .any(|(other, p)| other.id == reading.runbook.id && *p == params)
            {
                best.push((reading.runbook, params));
            }
        }
        match best.len() {
            1 => best
                .pop()
                .map_or(PhraseMatch::None, |(runbook, params)| PhraseMatch::One {
                    runbook,
                    params,
                }),
            _ => PhraseMatch::Several(best),
        }
    }

    /// The runbook that has a phrase for the text but for the kind of a value, and what is wrong with it: for who wonders
    /// why no phrase says this. Another runbook, or a model, may still understand it.
    pub fn nearly(&self, text: &str) -> Option<(&Runbook, Vec<Fault>)> {
        let readings = self.iter().flat_map(|runbook| runbook.readings(text));
        let missed = readings.filter_map(|r| Some((r.weight, r.as_written, r.runbook, r.params.err()?)));
        // The most words of its own, and of these the fewest faults: the reading that was meant, if any was.
        let best = missed.max_by_key(|(weight, as_written, _, faults)| (*weight, Reverse(faults.len()), *as_written));
        best.map(|(_, _, runbook, faults)| (runbook, faults))
    }

    /// The ids of the runbooks that have most in common with the text, best first, at most three.
    pub fn nearest(&self, text: &str) -> Vec<&Runbook> {
        let said: BTreeSet<String> = keywords(text).into_iter().collect();
        let mut scored: Vec<(usize, &Runbook)> = self.iter().map(|r| (r.common_words(&said), r)).collect();
        scored.retain(|(score, _)| *score > 0);
        scored.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        scored.into_iter().take(3).map(|(_, runbook)| runbook).collect()
    }
}

/// A value of another kind means that the phrase was not meant; one that breaks a rule means that it may not be. The reading
/// of most weight, the first of several.
fn broken<'a, 'r>(readings: &'r [Reading<'a>]) -> Option<(usize, &'a Runbook, &'r [Fault])> {
    let rule_only = |faults: &[Fault]| faults.iter().all(|fault| fault.rule != "runbook.param_type");
    let mut best: Option<(usize, &Runbook, &[Fault])> = None;
    for reading in readings {
        match &reading.params {
            Err(faults) if rule_only(faults) && best.is_none_or(|b| b.0 < reading.weight) => {
                best = Some((reading.weight, reading.runbook, faults));
            }
            _ => {}
        }
    }
    best
}

impl Runbook {
    fn readings<'a>(&'a self, text: &str) -> Vec<Reading<'a>> {
        let mut readings = Vec::new();
        for phrase in &self.phrases {
            for said in phrase.readings(text, |name| self.width(name)) {
                let given: Map<String, Value> =
                    said.slots.into_iter().map(|(name, text)| (name, text.into())).collect();
                readings.push(Reading {
                    runbook: self,
                    weight: phrase.own_words().count(),
                    as_written: said.as_written,
                    params: self.accept(&Value::Object(given)),
                });
            }
        }
        readings
    }

    fn width(&self, name: &str) -> Width {
        let Some(param) = self.params.get(name) else {
            return Width::Words(1);
        };
        let entry = param.entry().unwrap_or(param);
        if entry.kind == ParamKind::String {
            return Width::Free;
        }
        let others = self.synonyms.values().flatten();
        let longest = entry.values.iter().chain(others).map(|value| stems(value).len()).max();
        let one = longest.unwrap_or(1).max(1);
        // Between two entries may stand an "and".
        let entries = param.entry().and_then(|_| usize::try_from(param.most_entries()).ok());
        Width::Words(entries.map_or(one, |entries| entries.saturating_mul(one + 1)))
    }

    fn common_words(&self, said: &BTreeSet<String>) -> usize {
        let of_phrase = |phrase: &Phrase| {
            let own: BTreeSet<String> = phrase.own_words().flat_map(keywords).collect();
            own.intersection(said).count()
        };
        let title: BTreeSet<String> = keywords(&self.title).into_iter().collect();
        let best = self.phrases.iter().map(of_phrase).max().unwrap_or(0);
        best * 2 + title.intersection(said).count()
    }
}
