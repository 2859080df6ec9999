//! A draft's parts, read as far as they can be read: what is malformed becomes a fault, and the rest is checked all
//! the same.

use super::{Check, OnFailure, Step, WaveSize, empty_object};
use crate::fault::{Fault, escape_pointer, nearest};
use crate::ids::StepId;
use crate::span::Span;
use crate::tool::ToolName;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

const PLAN_KEYS: [&str; 5] = ["summary", "platforms", "pre_checks", "steps", "post_checks"];
const STEP_KEYS: [&str; 13] = [
    "id",
    "tool",
    "args",
    "needs",
    "for_each",
    "when",
    "expect",
    "within",
    "hold_for",
    "on_failure",
    "timeout",
    "waves",
    "gate",
];
const CHECK_KEYS: [&str; 5] = ["tool", "args", "expect", "within", "hold_for"];

/// Suggestions cost a comparison with every name there is; past this many faults nobody reads them.
const MAX_SUGGESTIONS: usize = 100;

/// The faults found so far.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, pointer: impl Into<String>, rule: &str, message: impl Into<String>) {
        self.0.push(Fault::new(pointer, rule, message));
    }

    /// A fault with the nearest of the names that would have been right.
    pub(super) fn add_near<'a>(
        &mut self,
        pointer: impl Into<String>,
        rule: &str,
        message: impl Into<String>,
        name: &str,
        right: impl IntoIterator<Item = &'a str>,
    ) {
        let near = match self.0.len() < MAX_SUGGESTIONS {
            true => nearest(name, right),
            false => None,
        };
        let fault = Fault::new(pointer, rule, message);
        self.0.push(match near {
            Some(near) => fault.suggest(format!("did you mean {near:?}?")),
            None => fault,
        });
    }
}

/// The tool and arguments of a step, a gate or a check, and where they stand.
pub(super) struct RawCall {
    pub(super) pointer: String,
    /// None if it is missing or malformed, which is a fault already.
    pub(super) tool: Option<ToolName>,
    /// Null if they are malformed, which is a fault already.
    pub(super) args: Value,
}

pub(super) struct RawCheck {
    pub(super) call: RawCall,
    pub(super) expect: Option<String>,
    within: Option<Span>,
    hold_for: Option<Span>,
}

pub(super) struct RawStep {
    pub(super) call: RawCall,
    pub(super) id: Option<StepId>,
    pub(super) needs: Vec<StepId>,
    pub(super) for_each: Option<Value>,
    pub(super) when: Option<String>,
    pub(super) expect: Option<String>,
    pub(super) within: Option<Span>,
    pub(super) hold_for: Option<Span>,
    on_failure: OnFailure,
    timeout: Option<Span>,
    pub(super) waves: Vec<WaveSize>,
    pub(super) gate: Option<RawCheck>,
}

pub(super) struct Draft {
    pub(super) summary: String,
    pub(super) platforms: Vec<String>,
    pub(super) pre_checks: Vec<RawCheck>,
    pub(super) steps: Vec<RawStep>,
    pub(super) post_checks: Vec<RawCheck>,
}

/// Reads a draft; none if it is no object at all.
pub(super) fn read(draft: &Value, faults: &mut Faults) -> Option<Draft> {
    let mut plan = Object::of(draft, "/plan".to_owned(), "a plan", faults)?;
    plan.only(&PLAN_KEYS);
    let summary = plan.optional("summary").unwrap_or_default();
    let platforms = plan.optional("platforms").unwrap_or_default();
    let steps = plan.list("steps", true);
    let pre_checks = plan.list("pre_checks", false);
    let post_checks = plan.list("post_checks", false);
    Some(Draft {
        summary,
        platforms,
        steps: each(steps, "/plan/steps", faults, read_step),
        pre_checks: each(pre_checks, "/plan/pre_checks", faults, read_check),
        post_checks: each(post_checks, "/plan/post_checks", faults, read_check),
    })
}

fn each<T>(
    list: &[Value],
    pointer: &str,
    faults: &mut Faults,
    read: fn(&Value, String, &mut Faults) -> Option<T>,
) -> Vec<T> {
    let one = |(at, value)| read(value, format!("{pointer}/{at}"), faults);
    list.iter().enumerate().filter_map(one).collect()
}

fn read_step(value: &Value, pointer: String, faults: &mut Faults) -> Option<RawStep> {
    let gate_pointer = format!("{pointer}/gate");
    let mut step = Object::of(value, pointer, "a step", faults)?;
    step.only(&STEP_KEYS);
    let id: Option<String> = step.required("id");
    let mut raw = RawStep {
        id: id.and_then(|id| step.id(id)),
        needs: step.optional("needs").unwrap_or_default(),
        for_each: step.map.get("for_each").filter(|v| !v.is_null()).cloned(),
        when: step.optional("when"),
        expect: step.optional("expect"),
        within: step.optional("within"),
        hold_for: step.optional("hold_for"),
        on_failure: step.optional("on_failure").unwrap_or_default(),
        timeout: step.optional("timeout"),
        waves: step.waves(),
        gate: None,
        call: step.call(),
    };
    if let Some(gate) = value.get("gate").filter(|g| !g.is_null()) {
        raw.gate = read_check(gate, gate_pointer, faults);
    }
    Some(raw)
}

fn read_check(value: &Value, pointer: String, faults: &mut Faults) -> Option<RawCheck> {
    let mut check = Object::of(value, pointer, "a check", faults)?;
    check.only(&CHECK_KEYS);
    Some(RawCheck {
        expect: check.required("expect"),
        within: check.optional("within"),
        hold_for: check.optional("hold_for"),
        call: check.call(),
    })
}

/// An object of the draft, and where its faults go.
struct Object<'v, 'f> {
    map: &'v Map<String, Value>,
    pointer: String,
    faults: &'f mut Faults,
}

impl<'v, 'f> Object<'v, 'f> {
    fn of(value: &'v Value, pointer: String, what: &str, faults: &'f mut Faults) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self { map, pointer, faults }),
            other => {
                let kind = crate::expr::kind_of(other);
                faults.add(
                    pointer,
                    "plan.shape",
                    format!("{what} must be a JSON object, not {kind}"),
                );
                None
            }
        }
    }

    fn at(&self, key: &str) -> String {
        format!("{}/{}", self.pointer, escape_pointer(key))
    }

    fn only(&mut self, known: &[&'static str]) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            let message = format!("there is no key {key:?} here");
            let pointer = self.at(key);
            self.faults
                .add_near(pointer, "plan.unknown_key", message, key, known.iter().copied());
        }
    }

    fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.map.get(key).filter(|v| !v.is_null())?;
        match T::deserialize(value) {
            Ok(read) => Some(read),
            Err(error) => {
                let pointer = self.at(key);
                self.faults.add(pointer, "plan.shape", format!("`{key}`: {error}"));
                None
            }
        }
    }

    fn required<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        if self.map.get(key).is_none_or(Value::is_null) {
            let message = format!("the key `{key}` is missing");
            self.faults.add(self.pointer.clone(), "plan.shape", message);
            return None;
        }
        self.optional(key)
    }

    fn list(&mut self, key: &str, required: bool) -> &'v [Value] {
        match self.map.get(key) {
            Some(Value::Array(list)) if required && list.is_empty() => {
                let pointer = self.at(key);
                self.faults.add(pointer, "plan.shape", "a plan needs at least one step");
            }
            Some(Value::Array(list)) => return list,
            None | Some(Value::Null) if required => {
                let message = format!("the key `{key}` is missing");
                self.faults.add(self.pointer.clone(), "plan.shape", message);
            }
            None | Some(Value::Null) => {}
            Some(_) => {
                let pointer = self.at(key);
                self.faults
                    .add(pointer, "plan.shape", format!("`{key}` must be a list"));
            }
        }
        &[]
    }

    fn waves(&mut self) -> Vec<WaveSize> {
        let mut waves = Vec::new();
        for (i, value) in self.list("waves", false).iter().enumerate() {
            match WaveSize::try_from(value.clone()) {
                Ok(size) => waves.push(size),
                Err(error) => {
                    let pointer = format!("{}/{i}", self.at("waves"));
                    self.faults.add(pointer, "plan.shape", error);
                }
            }
        }
        waves
    }

    fn id(&mut self, id: String) -> Option<StepId> {
        let tail = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let good = id.len() <= 63 && id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(tail);
        let why = if !good {
            "must begin with a lower-case letter and hold only those, digits and `_`, at most 63"
        } else if crate::expr::KEYWORDS.contains(&id.as_str()) {
            "is a word that expressions keep for themselves"
        } else {
            return Some(StepId(id));
        };
        let pointer = self.at("id");
        self.faults
            .add(pointer, "plan.id", format!("the step id {id:.80?} {why}"));
        None
    }

    fn call(&mut self) -> RawCall {
        let name: Option<String> = self.required("tool");
        let tool = name.and_then(|name| match name.parse() {
            Ok(tool) => Some(tool),
            Err(error) => {
                let pointer = self.at("tool");
                self.faults.add(pointer, "plan.tool", format!("{error}"));
                None
            }
        });
        let args = match self.map.get("args") {
            None | Some(Value::Null) => empty_object(),
            Some(args @ Value::Object(_)) => args.clone(),
            Some(_) => {
                let pointer = self.at("args");
                self.faults.add(pointer, "plan.args", "`args` must be an object");
                Value::Null
            }
        };
        RawCall {
            pointer: self.pointer.clone(),
            tool,
            args,
        }
    }
}

impl RawCheck {
    /// The check, once there are no faults.
    pub(super) fn finish(self) -> Option<Check> {
        Some(Check {
            tool: self.call.tool?,
            args: self.call.args,
            expect: self.expect?,
            within: self.within,
            hold_for: self.hold_for,
        })
    }
}

impl RawStep {
    /// The step, once there are no faults.
    pub(super) fn finish(self) -> Option<Step> {
        let gate = match self.gate {
            None => None,
            Some(gate) => Some(gate.finish()?),
        };
        Some(Step {
            id: self.id?,
            tool: self.call.tool?,
            args: self.call.args,
            needs: self.needs,
            for_each: self.for_each,
            when: self.when,
            expect: self.expect,
            within: self.within,
            hold_for: self.hold_for,
            on_failure: self.on_failure,
            timeout: self.timeout,
            waves: self.waves,
            gate,
        })
    }
}
