//! Whether an intent speaks of an argument that a tool does not need. Where two such arguments take values of one form, a
//! value that the intent says may be put into the wrong one: a log host becomes a time server. So the intent must have a
//! word of the argument's name, or what people say for it. One word of several is enough (`ospf` for `ospf_cost`), and an
//! argument that is alone of its form is not held to this.

use super::{Ground, tool_of};
use crate::retrieve::stem;
use flyball_engine::fault::{Fault, escape_pointer};
use flyball_engine::ports::PlanningContext;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What people say for arguments of network tools.
const SAID: &[(&str, &[&str])] = &[
    ("ntp", &["time", "clock", "timeserver", "chrony"]),
    ("syslog", &["log", "logs", "logging", "loghost"]),
    ("cost", &["metric", "weight"]),
    ("metric", &["cost", "weight"]),
    ("description", &["label", "comment", "text", "name"]),
    ("mtu", &["jumbo"]),
    ("lines", &["commands", "cli"]),
    ("commands", &["lines", "cli"]),
];

/// How many letters of two forms of a word are the same: `describe` and `description`.
const ROOT: usize = 5;

impl Ground {
    /// The optional arguments of a mutating step that could be mistaken for one another, and of which the intent does not
    /// speak.
    pub(super) fn unspoken(&self, pointer: &str, step: &Value, context: &PlanningContext) -> Vec<Fault> {
        let schema = tool_of(step).and_then(|name| Some(&context.catalogue.get(&name)?.spec.input_schema));
        let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
        let (Some(schema), Some(properties), Some(args)) =
            (schema, properties, step.get("args").and_then(Value::as_object))
        else {
            return Vec::new();
        };
        let required: BTreeSet<&str> = strings(schema.get("required")).collect();
        if required.is_empty() {
            // Where nothing is required, an optional argument is nothing special.
            return Vec::new();
        }
        let optional = |name: &&String| !required.contains(name.as_str());
        args.iter()
            .filter(|(name, value)| optional(name) && is_claimed(value, properties.get(*name)))
            .filter(|(name, _)| {
                properties
                    .keys()
                    .filter(optional)
                    .any(|other| alike(properties, name, other))
            })
            .filter(|(name, _)| !self.speaks_of_argument(name))
            .map(|(name, _)| {
                let message = format!("the intent does not speak of `{name}`");
                Fault::new(
                    format!("{pointer}/args/{}", escape_pointer(name)),
                    "ground.argument",
                    message,
                )
                .suggest("use the argument that the intent speaks of, or say in `cannot` what is not clear")
            })
            .collect()
    }

    fn speaks_of_argument(&self, name: &str) -> bool {
        let others = SAID
            .iter()
            .filter(|(called, _)| name.split('_').any(|part| part == *called));
        let mut called = name
            .split(['_', '-'])
            .filter(|part| *part != "id")
            .chain(others.flat_map(|(_, others)| others.iter().copied()));
        called.any(|word| self.plain.iter().any(|said| akin(&said.lower, word)))
    }
}

/// Whether a value is somebody's claim: a binding is what a tool answered, a boolean has rules of its own, a default and an
/// enum's member say themselves what they are.
fn is_claimed(value: &Value, schema: Option<&Value>) -> bool {
    let bound = value.as_str().is_some_and(|text| text.starts_with("${"));
    let of_itself = schema.is_some_and(|s| s.get("enum").is_some() || s.get("default") == Some(value));
    !bound && !of_itself && !value.is_boolean() && !value.is_null()
}

/// Whether two arguments take values of one form.
fn alike(properties: &Map<String, Value>, name: &str, other: &str) -> bool {
    let form = |name: &str| {
        let schema = properties.get(name)?;
        let mut types: Vec<&str> = strings(schema.get("type")).filter(|kind| *kind != "null").collect();
        types.sort_unstable();
        let items = schema.get("items").and_then(|items| items.get("type"));
        Some((types, items))
    };
    name != other && form(name).is_some() && form(name) == form(other)
}

/// A text, or each of a list.
fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let several = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    several.iter().filter_map(Value::as_str)
}

/// Whether two words are forms of one.
fn akin(said: &str, word: &str) -> bool {
    let root = |text: &str| text.chars().take(ROOT).collect::<String>();
    stem(said) == stem(word) || (word.len() >= ROOT && root(said) == root(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyball_engine::contract::{Contract, Contracts};
    use flyball_engine::ports::NoInventory;
    use flyball_engine::tool::{Catalogue, ToolSpec};
    use serde_json::json;
    use std::sync::Arc;

    fn context() -> PlanningContext {
        let list = json!({"type": ["array", "null"], "items": {"type": "string"}});
        let number = json!({"type": ["integer", "null"]});
        let tools = [
            (
                "config/set_services",
                json!({"device": {"type": "string"}, "ntp": list, "syslog": list}),
            ),
            (
                "config/set_port",
                json!({"device": {"type": "string"}, "mtu": number, "ospf_cost": number}),
            ),
            (
                "config/set_ospf",
                json!({"device": {"type": "string"}, "process_id": number}),
            ),
        ];
        let mut contracts = Contracts::default();
        let specs = tools.map(|(name, properties)| {
            let contract: Contract = serde_json::from_value(json!({"effect": "reversible"})).unwrap();
            contracts.contracts.insert(name.parse().unwrap(), contract);
            ToolSpec {
                name: name.parse().unwrap(),
                description: String::new(),
                input_schema: json!({"type": "object", "properties": properties, "required": ["device"]}),
                output_schema: None,
                annotations: None,
            }
        });
        PlanningContext::first(
            Arc::new(Catalogue::of(specs)),
            Arc::new(contracts),
            Arc::new(NoInventory),
        )
    }

    fn unspoken(text: &str, tool: &str, args: &Value) -> Vec<String> {
        let draft = json!({"steps": [{"id": "s", "tool": tool, "args": args}]});
        let faults = Ground::of(text).faults(&draft, &context()).into_iter();
        let of_the_rule = faults.filter(|fault| fault.rule == "ground.argument");
        of_the_rule.map(|fault| fault.pointer).collect()
    }

    #[test]
    fn a_log_host_becomes_no_time_server() {
        let ntp = json!({"device": "r1", "ntp": ["192.0.2.9"]});
        let syslog = json!({"device": "r1", "syslog": ["192.0.2.9"]});
        for text in [
            "Add the line \"logging host 192.0.2.9\" on r1",
            "set the log server of r1 to 192.0.2.9",
        ] {
            assert_eq!(
                unspoken(text, "config/set_services", &ntp),
                ["/plan/steps/0/args/ntp"],
                "{text}"
            );
        }
        for text in [
            "set the log server of r1 to 192.0.2.9",
            "send the syslog of r1 to 192.0.2.9",
            "r1 logs to 192.0.2.9",
        ] {
            assert!(unspoken(text, "config/set_services", &syslog).is_empty(), "{text}");
        }
        for text in ["r1 takes its time from 192.0.2.9", "set NTP on r1 to 192.0.2.9"] {
            assert!(unspoken(text, "config/set_services", &ntp).is_empty(), "{text}");
            let both = json!({"device": "r1", "ntp": ["192.0.2.9"], "syslog": ["192.0.2.9"]});
            assert_eq!(
                unspoken(text, "config/set_services", &both),
                ["/plan/steps/0/args/syslog"]
            );
        }
    }

    #[test]
    fn a_number_goes_where_it_was_said_to_go() {
        let mtu = json!({"device": "r1", "mtu": 9000});
        assert!(unspoken("set the MTU on r1 to 9000", "config/set_port", &mtu).is_empty());
        assert!(unspoken("jumbo frames of 9000 on r1", "config/set_port", &mtu).is_empty());
        for text in ["set r1 to 9000", "raise the cost on r1 to 9000"] {
            assert_eq!(
                unspoken(text, "config/set_port", &mtu),
                ["/plan/steps/0/args/mtu"],
                "{text}"
            );
        }
    }

    #[test]
    fn what_can_be_mistaken_for_nothing_else_needs_no_word() {
        let process = json!({"device": "r1", "process_id": 100});
        assert!(unspoken("configure OSPF 100 on r1", "config/set_ospf", &process).is_empty());
        let bound = json!({"device": "r1", "ntp": "${steps.r2.output.ntp}"});
        assert!(unspoken("give r1 what r2 has", "config/set_services", &bound).is_empty());
    }
}
