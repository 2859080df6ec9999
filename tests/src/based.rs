//! Tools of a server that knows a device's configuration by a digest: what is read and shown carries it, and what is
//! written may be told which one to find.

use crate::world::Inner;
use flyball_engine::canonical::Digest;
use flyball_engine::contract::Contracts;
use flyball_engine::tool::{Outcome, ToolName, ToolRequest, ToolSpec};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The contract of the product's tool for raw lines: of lines that it does not understand it sees the base move.
const SHIPPED: &str = include_str!("../../engine/server/contracts/netops.yaml");

/// A device's values.
type Values = BTreeMap<String, Value>;

fn base(values: &Values) -> String {
    Digest::of_value(&json!(values)).to_string()
}

fn text<'a>(args: &'a Map<String, Value>, name: &str) -> &'a str {
    args.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What a reading tool says; none if it is not one of these. A device with the value `mode` shows it in every line; one
/// with the value `frozen` takes nothing.
pub(crate) fn read(tool: &str, args: &Map<String, Value>, inner: &Inner) -> Option<Outcome> {
    let none = Values::new();
    let values = inner.values_of(text(args, "device")).unwrap_or(&none);
    let output = match tool {
        "get_base" => json!({"values": values, "base": base(values)}),
        "preview_base" if values.contains_key("frozen") => {
            let error = format!("{} is frozen: nothing is set there", text(args, "device"));
            return Some(Outcome::ToolError {
                output: json!({"refused": "frozen", "error": error}),
            });
        }
        "preview_base" => {
            let mode = values.get("mode").unwrap_or(&Value::Null);
            let line = format!("set {}={} in {mode}", text(args, "key"), args.get("value")?);
            json!({"lines": [line], "reverse": [], "base": base(values)})
        }
        _ => return None,
    };
    Some(Outcome::Done { output })
}

/// Why a writing tool does nothing: it does not find the base that it was told to expect.
pub(crate) fn refuses(request: &ToolRequest, inner: &Inner) -> Option<Outcome> {
    let expected = request.meta.get("io.flyball/expect_base")?.as_str()?;
    let found = base(inner.values_of(text(&request.args, "device"))?);
    (found != expected).then(another_base)
}

pub(crate) fn another_base() -> Outcome {
    Outcome::ToolError {
        output: json!({"refused": "base moved", "error": "somebody else changed it", "sent": 0}),
    }
}

/// What a tool answers that has written: with the base that it left, where it knows of bases.
pub(crate) fn answer(tool: &str, values: &Values) -> Value {
    match tool {
        "set_based" | "set_raw" => json!({"ok": true, "base": base(values)}),
        _ => json!({"ok": true}),
    }
}

/// The tools' contracts. Raw lines hold as the product's own contract says.
pub(crate) fn contracts() -> Contracts {
    let mut all: Contracts = serde_saphyr::from_str(CONTRACTS).expect("these contracts are well-formed");
    let shipped: Contracts = serde_saphyr::from_str(SHIPPED).expect("the shipped contracts are well-formed");
    let raw = all.contracts.get_mut(&ToolName::new("world", "set_raw"));
    raw.expect("it stands below").holds = shipped.of(&ToolName::new("config", "apply_lines")).holds;
    all
}

/// The tools themselves.
pub(crate) fn specs() -> impl Iterator<Item = ToolSpec> {
    let text = || json!({"type": "string"});
    let device = json!({"type": "object", "properties": {"device": text()}, "required": ["device"]});
    let set = json!({
        "type": "object",
        "properties": {"device": text(), "key": text(), "value": {}},
        "required": ["device", "key", "value"],
    });
    let tools = [
        ("get_base", device),
        ("preview_base", set.clone()),
        ("set_based", set.clone()),
        ("set_raw", set),
    ];
    tools.into_iter().map(|(name, input_schema)| ToolSpec {
        name: ToolName::new("world", name),
        description: String::new(),
        input_schema,
        output_schema: None,
        annotations: None,
    })
}

const CONTRACTS: &str = r#"
contracts:
  world/get_base: {effect: read}
  world/preview_base: {effect: read}
  world/set_based:
    effect: reversible
    targets: "['device:' + args.device + '/interface:' + args.key]"
    preview: {tool: world/preview_base, args: "${args}"}
    probe:
      tool: world/get_base
      args: {device: "${args.device}"}
      valid: "has(output.values)"
      select: "args.key in output.values ? [output.values[args.key]] : []"
    holds: "state == [args.value]"
    holds_within: 1s
    undo:
      - {when: "before.size() == 0", tool: world/unset, args: {device: "${args.device}", key: "${args.key}"}}
      - {tool: world/set, args: {device: "${args.device}", key: "${args.key}", value: "${before[0]}"}}
    timeout: 2s
    settle_after: 10s
    no_effect_when: "has(output.sent) && output.sent == 0"
  world/set_raw:
    effect: reversible
    targets: "['device:' + args.device]"
    probe:
      tool: world/get_base
      args: {device: "${args.device}"}
      valid: "has(output.base)"
      select: "{'base': output.base, 'unchanged': false, 'unknown_lines': 1}"
    holds_within: 1s
    timeout: 2s
    settle_after: 10s
"#;
