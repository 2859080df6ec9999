//! Whether reads name what the intent names. A read changes nothing, but one of an interface that nobody has named
//! fails at the device, and costs another plan. What an alarm tells may be read too, and what plans that failed have
//! found; nothing else of a read is held to the text.

use super::form::Form;
use super::{Ground, Walk, mutates, tool_of};
use crate::retrieve::parts;
use crate::words::{keywords, singular};
use flyball_engine::fault::{Fault, escape_pointer};
use flyball_engine::ports::PlanningContext;
use serde_json::Value;
use std::collections::BTreeSet;

impl Ground {
    /// The devices and interfaces of a draft's reads that neither the text nor what else was told names: an alarm,
    /// evidence.
    pub(crate) fn strange_reads<'t>(
        &self,
        draft: &Value,
        also: impl IntoIterator<Item = &'t Value>,
        context: &PlanningContext,
    ) -> Vec<Fault> {
        let told = Ground::told(&also.into_iter().map(told).collect::<String>());
        let mut faults = Vec::new();
        let steps = draft.get("steps").and_then(Value::as_array).into_iter().flatten();
        for (at, step) in steps.enumerate().filter(|(_, step)| !mutates(step, context)) {
            let Some(tool) = tool_of(step).and_then(|name| context.catalogue.get(&name)) else {
                continue;
            };
            let form = Form::of(&tool.spec.input_schema);
            let args = step.get("args").and_then(Value::as_object).into_iter().flatten();
            for (name, value) in args.filter(|(name, value)| names_things(name, value) && !told.has_some(value)) {
                let mut walk = Walk {
                    ground: self,
                    writes: false,
                    feeds: false,
                    tool: &[],
                    devices: &BTreeSet::new(),
                    faults: &mut faults,
                };
                let pointer = format!("/plan/steps/{at}/args/{}", escape_pointer(name));
                walk.value(&pointer, Some(name), value, &form.property(name));
            }
        }
        faults
    }

    /// Whether the text has a value that is not empty.
    fn has_some(&self, value: &Value) -> bool {
        !self.words.is_empty() && self.has(value)
    }
}

/// Whether an argument takes devices or interfaces.
pub(super) fn is_of_a_network(name: &str) -> bool {
    keywords(name)
        .iter()
        .any(|word| word == "device" || word == "interface")
}

/// Whether an argument's value is the name of a device or an interface: a switch, a type and a count name none.
fn names_things(name: &str, value: &Value) -> bool {
    let named = parts(name);
    let by = named
        .last()
        .is_some_and(|last| NAMING.contains(&singular(last).as_str()));
    let of_it = if by { &named[..named.len() - 1] } else { &named[..] };
    let is_named = of_it.last().is_some_and(|last| is_of_a_network(last));
    match value {
        Value::Bool(_) | Value::Null => false,
        Value::Number(_) => is_named && by,
        _ => is_named,
    }
}

/// How an argument says that it takes a name.
const NAMING: &[&str] = &["name", "id", "ids", "ip", "ips", "address", "list", "number"];

/// Whether an argument takes devices. The ID of a router is an address.
pub(super) fn is_of_devices(name: &str) -> bool {
    keywords(name).iter().any(|word| word == "device") && parts(name) != ["router", "id"]
}

/// The texts of an alarm, one a line.
fn told(alarm: &Value) -> String {
    match alarm {
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => items.iter().map(told).collect(),
        Value::Object(map) => map.values().map(told).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::context;
    use serde_json::json;

    fn strange(text: &str, alarm: &Value, device: &Value) -> Vec<String> {
        let draft = json!({"steps": [
            {"id": "look", "tool": "inventory/get_device", "args": {"device": device}},
            {"id": "list", "tool": "inventory/list_devices", "args": {"site": "somewhere"}},
        ]});
        let faults = Ground::of(text).strange_reads(&draft, [alarm], &context());
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn a_read_names_no_device_that_neither_the_intent_nor_the_alarm_names() {
        let alarm = json!({"labels": {"device": "r7", "hint": "look at r7"}});
        let invented = ["/plan/steps/0/args/device"];
        let none: [&str; 0] = [];
        assert_eq!(strange("show r1", &Value::Null, &json!("r1")), none);
        assert_eq!(
            strange("show the others", &Value::Null, &json!("${steps.a.output.name}")),
            none
        );
        assert_eq!(strange("look at what alarms", &alarm, &json!("r7")), none);
        assert_eq!(strange("look at what alarms", &alarm, &json!("r8")), invented);
        assert_eq!(strange("show the core", &Value::Null, &json!("r1")), invented);
        assert_eq!(strange("show the router", &Value::Null, &json!("router")), invented);
    }

    #[test]
    fn what_names_no_device_is_not_held_to_the_text() {
        for (name, value) in [
            ("include_interfaces", json!(true)),
            ("device_type", json!("ios")),
            ("max_devices", json!(10)),
            ("interface_limit", json!(5)),
            ("device_count", json!(3)),
        ] {
            assert!(!names_things(name, &value), "{name}");
        }
        for (name, value) in [
            ("device", json!("r8")),
            ("device_ip", json!("10.0.0.8")),
            ("interface_name", json!("eth1")),
            ("device_id", json!(7)),
            ("device_ips", json!(["10.0.0.8"])),
            ("routers", json!(["r8"])),
        ] {
            assert!(names_things(name, &value), "{name}");
        }
    }

    #[test]
    fn what_failed_plans_have_found_may_be_read_and_not_written() {
        let draft = |tool: &str| json!({"steps": [{"id": "a", "tool": tool, "args": {"device": "r8"}}]});
        let (found, ground) = ([json!({"neighbors": ["r8"]})], Ground::of("remove ospf from r7"));
        let (read, write) = (draft("inventory/get_device"), draft("config/remove_ospf"));
        assert!(ground.strange_reads(&read, &found, &context()).is_empty());
        assert_eq!(ground.strange_reads(&read, &[], &context()).len(), 1);
        assert_eq!(ground.faults(&write, &context()).len(), 1);
    }
}
