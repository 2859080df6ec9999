//! A plan that worked becomes a draft runbook: what the intent's words say of its literals turns into parameters, the rest
//! stays. A draft: a person gives it an owner, checks and a name before anybody relies on it.

use super::param::{Param, ParamKind, area, prefix};
use super::{Runbooks, Source, yaml};
use crate::words::{Word, words};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// A draft runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promoted {
    pub id: String,
    pub yaml: String,
    /// The parameters that literals were turned into.
    pub params: Vec<String>,
    /// Literals that the words do not say, with pointers into the plan: fixed in the draft.
    pub fixed: Vec<(String, Value)>,
    /// What the runbooks' own check still says against the draft.
    pub faults: Vec<String>,
}

/// Makes a draft of an intent's words and the plan that fulfilled it.
pub fn promote(intent: &str, text: &str, plan: &Value) -> Promoted {
    let mut work = Work {
        text,
        words: words(text),
        taken: Vec::new(),
        found: Vec::new(),
        fixed: Vec::new(),
    };
    let mut plan = written(plan);
    for list in ["pre_checks", "steps", "post_checks"] {
        let entries = plan.get_mut(list).and_then(Value::as_array_mut);
        for (i, entry) in entries.into_iter().flatten().enumerate() {
            for part in ["", "/gate"] {
                if let Some(args) = entry.pointer_mut(&format!("{part}/args")) {
                    work.arguments(&format!("/{list}/{i}{part}/args"), args);
                }
            }
        }
    }
    work.in_expressions("", &mut plan);
    work.draft(intent, &plan)
}

/// The plan as somebody would have written it: without what the check added.
fn written(plan: &Value) -> Value {
    let mut plan = plan.clone();
    if let Some(map) = plan.as_object_mut() {
        map.retain(|key, value| {
            let own = ["summary", "pre_checks", "steps", "post_checks"].contains(&key.as_str());
            own && !value.as_array().is_some_and(Vec::is_empty)
        });
    }
    let steps = plan.get_mut("steps").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten().filter_map(Value::as_object_mut) {
        step.retain(|key, value| !(key == "on_failure" && value == "rollback"));
    }
    plan
}

/// A literal that the words say.
struct Found {
    name: String,
    param: Param,
    /// As the plan has it.
    literal: Value,
    /// As the runbook will hand it on.
    value: Value,
    /// The words that say it.
    from: usize,
    to: usize,
}

struct Work<'a> {
    text: &'a str,
    words: Vec<Word>,
    /// Positions of words that are slots already.
    taken: Vec<usize>,
    found: Vec<Found>,
    fixed: Vec<(String, Value)>,
}

impl Work<'_> {
    fn arguments(&mut self, pointer: &str, args: &mut Value) {
        for (key, value) in args.as_object_mut().into_iter().flatten() {
            self.argument(&format!("{pointer}/{key}"), key, value);
        }
    }

    fn argument(&mut self, pointer: &str, key: &str, value: &mut Value) {
        match value {
            Value::Object(_) => self.arguments(pointer, value),
            Value::Array(items) => {
                let whole = self.parameter(key, &Value::Array(items.clone()));
                if let Some(binding) = whole {
                    *value = binding;
                    return;
                }
                for (i, item) in items.iter_mut().enumerate() {
                    self.argument(&format!("{pointer}/{i}"), key, item);
                }
            }
            Value::String(text) if text.contains("${") => {}
            literal => match self.parameter(key, literal) {
                Some(binding) => *literal = binding,
                None => self.fixed.push((pointer.to_owned(), literal.clone())),
            },
        }
    }

    /// The binding that takes a literal's place, if the words say it.
    fn parameter(&mut self, key: &str, literal: &Value) -> Option<Value> {
        let binding = |name: &str| Some(Value::from(format!("${{params.{name}}}")));
        if let Some(known) = self.found.iter().find(|found| found.literal == *literal) {
            return binding(&known.name);
        }
        let param = param_of(key, literal)?;
        let free_text = |param: &Param| param.entry().unwrap_or(param).kind == ParamKind::String;
        if free_text(&param) && self.found.iter().any(|found| free_text(&found.param)) {
            return None;
        }
        let (from, to, value) = self.said(&param, literal)?;
        let name = self.name(key);
        self.taken.extend(from..to);
        self.found.push(Found {
            name: name.clone(),
            param,
            literal: literal.clone(),
            value,
            from,
            to,
        });
        binding(&name)
    }

    /// The words that say a literal, and what the parameter makes of them.
    fn said(&self, param: &Param, literal: &Value) -> Option<(usize, usize, Value)> {
        let wanted = param.accept(literal).ok()?;
        let longest = match literal {
            Value::Array(items) => items.len() * 2,
            Value::String(text) => words(text).len(),
            _ => 1,
        };
        // The longest first: a list is said by all its words.
        for length in (1..=longest.min(self.words.len())).rev() {
            for from in 0..=self.words.len() - length {
                let to = from + length;
                if (from..to).any(|at| self.taken.contains(&at)) {
                    continue;
                }
                let slice = &self.text[self.words[from].start..self.words[to - 1].end];
                if let Ok(value) = param.accept(&slice.into())
                    && same(&value, &wanted)
                {
                    return Some((from, to, value));
                }
            }
        }
        None
    }

    fn name(&self, key: &str) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        };
        let key: String = key.chars().map(plain).collect();
        let key = match key.starts_with(|c: char| c.is_ascii_lowercase()) {
            true => key,
            false => format!("p_{key}"),
        };
        let free = |name: &String| !self.found.iter().any(|found| found.name == *name);
        let mut names = std::iter::once(key.clone()).chain((2..).map(|n| format!("{key}_{n}")));
        names.find(free).unwrap_or(key)
    }

    /// Texts in quotes inside expressions are literals too.
    fn in_expressions(&self, key: &str, value: &mut Value) {
        match value {
            Value::String(text) => {
                for found in &self.found {
                    let name = format!("params.{}", found.name);
                    match &found.literal {
                        Value::String(literal) => {
                            for quote in ['\'', '"'] {
                                *text = text.replace(&format!("{quote}{literal}{quote}"), &name);
                            }
                        }
                        Value::Number(number) if is_expression(key, text) => {
                            *text = with_number(text, &number.to_string(), &name);
                        }
                        _ => {}
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.in_expressions(key, item)),
            Value::Object(map) => map.iter_mut().for_each(|(key, item)| self.in_expressions(key, item)),
            _ => {}
        }
    }

    /// A value that the words say more than once. A phrase has one slot for it: what is left would be said of one thing and
    /// done to another.
    fn said_again(&self) -> Option<&Found> {
        let lower = |words: &[Word]| words.iter().map(|word| word.lower.clone()).collect::<Vec<_>>();
        self.found.iter().find(|found| {
            let said = lower(&self.words[found.from..found.to]);
            let times = self
                .words
                .windows(said.len().max(1))
                .filter(|other| lower(other) == said);
            times.count() > 1
        })
    }

    /// The intent's words with slots where literals were.
    fn phrase(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        for (at, word) in self.words.iter().enumerate() {
            match self.found.iter().find(|found| (found.from..found.to).contains(&at)) {
                Some(found) if found.from == at => said.push(format!("{{{}}}", found.name)),
                Some(_) => {}
                None => said.push(word.raw.replace(['{', '}'], "")),
            }
        }
        said.join(" ")
    }

    fn draft(self, intent: &str, plan: &Value) -> Promoted {
        let own = |at: &usize| !self.taken.contains(at) && !self.words[*at].is_filler();
        let plain = |word: &Word| {
            word.lower
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
        };
        let named: Vec<String> = (0..self.words.len())
            .filter(own)
            .map(|at| plain(&self.words[at]))
            .collect();
        let named: Vec<String> = named.into_iter().filter(|word| !word.is_empty()).take(6).collect();
        let id = match named.first() {
            Some(first) if first.starts_with(|c: char| c.is_ascii_lowercase()) => named.join("-"),
            _ => format!("promoted-{}", named.join("-")),
        };
        let title = plan.get("summary").and_then(Value::as_str).filter(|s| !s.is_empty());
        let title = title.unwrap_or(self.text).to_owned();
        let yaml = self.yaml(intent, &id, &title, plan);
        let source = Source::new(format!("{id}.yaml"), yaml.clone());
        let faults = Runbooks::build(&[], &[source]).err().unwrap_or_default();
        let again = self.said_again().map(|found| {
            format!(
                "the words say {} more than once, so that no phrase could be made of them: write one that says it once",
                found.literal
            )
        });
        Promoted {
            id,
            yaml,
            params: self.found.iter().map(|found| found.name.clone()).collect(),
            fixed: self.fixed,
            faults: again
                .into_iter()
                .chain(faults.iter().map(ToString::to_string))
                .collect(),
        }
    }

    fn yaml(&self, intent: &str, id: &str, title: &str, plan: &Value) -> String {
        let mut text = format!(
            "# A draft, made of intent {intent}. Before it is used: an owner, checks that would notice a failure, and its risk.\n"
        );
        for (pointer, literal) in &self.fixed {
            text += &format!("# fixed, the words do not say it: {pointer} = {literal}\n");
        }
        text += &format!("id: {id}\ntitle: {}\nversion: 0\nrisk: high\n", yaml::scalar(title));
        let has_phrase = self.said_again().is_none();
        if has_phrase {
            text += &format!("phrases:{}", yaml::below(&json!([self.phrase()]), 0));
        }
        let params: Map<String, Value> = self
            .found
            .iter()
            .map(|f| (f.name.clone(), declared(&f.param)))
            .collect();
        if !params.is_empty() {
            text += &format!("params:{}", yaml::below(&params.into(), 0));
        }
        text += &format!("plan:{}", yaml::below(plan, 0));
        if !has_phrase {
            return text;
        }
        let values: Map<String, Value> = self.found.iter().map(|f| (f.name.clone(), f.value.clone())).collect();
        let test = match values.is_empty() {
            true => json!([{"say": self.text}]),
            false => json!([{"say": self.text, "params": values}]),
        };
        text + &format!("tests:{}", yaml::below(&test, 0))
    }
}

/// A parameter as a file declares it.
fn declared(param: &Param) -> Value {
    let mut declared = json!({"type": param.kind.as_str()});
    if let Some(of) = param.entry() {
        declared["of"] = of.kind.as_str().into();
    }
    declared
}

/// The narrowest kind that has this literal as it is; none for what is no parameter.
fn param_of(key: &str, literal: &Value) -> Option<Param> {
    let kind = match literal {
        Value::Number(number) if number.is_i64() => ParamKind::Integer,
        Value::String(text) => kind_of(key, text)?,
        Value::Array(items) => {
            let entry = param_of(key, items.first()?)?;
            let alike = |item: &Value| param_of(key, item).is_some_and(|other| other.kind == entry.kind);
            return (entry.kind != ParamKind::List && items.iter().all(alike)).then(|| Param {
                of: Some(Box::new(entry)),
                ..Param::of_kind(ParamKind::List)
            });
        }
        _ => return None,
    };
    Some(Param::of_kind(kind))
}

fn kind_of(key: &str, text: &str) -> Option<ParamKind> {
    if text.contains("${") || text.trim().is_empty() {
        return None;
    }
    let is = |kind| {
        Param::of_kind(kind)
            .accept(&text.into())
            .is_ok_and(|value| value == text)
    };
    Some(if key.contains("area") && area(text).is_some() {
        ParamKind::Area
    } else if text.parse::<IpAddr>().is_ok() {
        ParamKind::Address
    } else if prefix(text).is_some() {
        ParamKind::Prefix
    } else if is(ParamKind::Name) {
        ParamKind::Name
    } else if is(ParamKind::Interface) {
        ParamKind::Interface
    } else {
        ParamKind::String
    })
}

/// Whether a text is read as an expression, whole or in part.
fn is_expression(key: &str, text: &str) -> bool {
    matches!(key, "expect" | "when") || text.contains("${")
}

/// A number of an expression, with a name in its place wherever it stands by itself.
fn with_number(text: &str, number: &str, name: &str) -> String {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '\'' | '"' | '-');
    let (mut made, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(number) {
        let (before, behind) = (&rest[..at], &rest[at + number.len()..]);
        let apart = !before.ends_with(inner) && !behind.starts_with(inner);
        made.push_str(before);
        made.push_str(if apart { name } else { number });
        rest = behind;
    }
    made + rest
}

/// Equal but for case: a person may write a name either way.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.to_lowercase() == other.to_lowercase(),
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PhraseMatch;

    fn plan() -> Value {
        json!({
            "summary": "NTP in Beijing",
            "steps": [
                {"id": "group", "tool": "inventory/list_devices", "args": {"site": "beijing", "role": "core"}, "on_failure": "rollback"},
                {"id": "ntp", "for_each": "${steps.group.output.devices.filter(d, d.site == 'beijing')}", "tool": "config/set_services",
                 "args": {"device": "${item.name}", "ntp": ["10.0.0.1", "10.0.0.2"], "process": 100, "area": "0.0.0.0", "prefer": true},
                 "gate": {"tool": "config/get_services", "args": {"device": "${item.name}"}, "expect": "output.ntp.size() > 0"}},
            ],
            "facts": [{"after": []}], "params": {},
        })
    }

    const SAID: &str =
        "Set the NTP servers 10.0.0.1 and 10.0.0.2 for process 100, area 0 on all core routers in Beijing.";

    #[test]
    fn what_the_words_say_becomes_a_parameter_and_the_same_words_give_the_same_plan() {
        let promoted = promote("i-1", SAID, &plan());
        assert_eq!(promoted.faults, Vec::<String>::new(), "{}", promoted.yaml);
        let runbooks = Runbooks::build(&[], &[Source::new("d.yaml", promoted.yaml.clone())]).unwrap();
        let PhraseMatch::One { runbook, params } = runbooks.find(SAID) else {
            panic!("{}", promoted.yaml)
        };
        let wanted = json!({
            "site": "beijing", "role": "core", "ntp": ["10.0.0.1", "10.0.0.2"], "process": 100, "area": "0.0.0.0",
        });
        assert_eq!(params, wanted);
        assert_eq!(
            runbook.phrases().next(),
            Some("Set the NTP servers {ntp} for process {process} area {area} on all {role} routers in {site}")
        );
        let step = &runbook.plan["steps"][1];
        assert_eq!(step["args"]["ntp"], "${params.ntp}");
        assert_eq!(
            step["for_each"],
            "${steps.group.output.devices.filter(d, d.site == params.site)}"
        );
        assert!(runbook.plan["steps"][0].get("on_failure").is_none());
    }

    #[test]
    fn a_gate_asks_for_the_parameter_and_not_for_the_value_of_then() {
        let plan = json!({"steps": [{"id": "a", "tool": "config/set_interface",
            "args": {"device": "r1", "interface": "eth1", "mtu": 1700},
            "gate": {"tool": "config/get_interface", "args": {"device": "r1", "interface": "eth1"},
                     "expect": "output.mtu == 1700 && output.seen_1700 && output.name == \"eth1\""}}]});
        let made = promote("X", "set the mtu of eth1 on r1 to 1700", &plan);
        let wanted = "output.mtu == params.mtu && output.seen_1700 && output.name == params.interface";
        assert!(made.yaml.contains(wanted), "{}", made.yaml);
    }

    #[test]
    fn what_the_words_do_not_say_stays_and_is_told() {
        let promoted = promote("i-1", "Set NTP on the core routers in Beijing", &plan());
        let mut params = promoted.params;
        params.sort();
        assert_eq!(params, ["role", "site"]);
        let mut fixed: Vec<&str> = promoted.fixed.iter().map(|(pointer, _)| pointer.as_str()).collect();
        fixed.sort_unstable();
        let args = "/steps/1/args";
        let wanted = [
            format!("{args}/area"),
            format!("{args}/ntp/0"),
            format!("{args}/ntp/1"),
            format!("{args}/prefer"),
            format!("{args}/process"),
        ];
        assert_eq!(fixed, wanted);
        assert!(
            promoted.yaml.contains("# fixed, the words do not say it"),
            "{}",
            promoted.yaml
        );
    }

    #[test]
    fn words_that_say_a_value_twice_make_no_phrase_that_could_lie() {
        let plan = json!({"steps": [
            {"id": "a", "tool": "config/set_interface", "args": {"device": "r1", "interface": "eth1", "mtu": 1400}},
            {"id": "b", "tool": "config/save", "args": {"device": "r1"}},
        ]});
        let made = promote("X", "set the mtu of eth1 at r1 to 1400 and save R1", &plan);
        assert!(!made.yaml.contains("phrases:"), "{}", made.yaml);
        assert!(made.yaml.contains("${params.device}"), "{}", made.yaml);
        assert!(made.faults[0].contains("\"r1\" more than once"), "{:?}", made.faults);
    }
}
