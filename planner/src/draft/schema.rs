//! The JSON schema of a draft over a few tools. It fixes the shape only; what the plan says is checked afterwards.

use crate::json::Ordered;
use flyball_engine::contract::Contracts;
use flyball_engine::tool::{CatalogueTool, ToolName};
use serde_json::{Map, Value, json};

/// Most steps of a drafted plan. Larger work belongs into a `for_each` or a runbook.
const MOST_STEPS: usize = 12;

/// A plan whose steps call these tools, or `cannot`.
pub(super) fn of(tools: &[(&ToolName, &CatalogueTool)], contracts: &Contracts) -> Ordered {
    let reads: Vec<&ToolName> = tools
        .iter()
        .map(|(n, _)| *n)
        .filter(|n| !contracts.of(n).effect.mutates())
        .collect();
    let steps = tools.iter().map(|(name, tool)| {
        let gated = contracts.of(name).effect.mutates() && !reads.is_empty();
        step(name, tool, gated.then_some(&reads))
    });
    let plan = Ordered::object([
        ("type", "object".into()),
        (
            "properties",
            Ordered::object([
                ("summary", json!({"type": "string", "maxLength": 200}).into()),
                (
                    "steps",
                    Ordered::object([
                        ("type", "array".into()),
                        ("items", Ordered::object([("anyOf", Ordered::List(steps.collect()))])),
                        ("minItems", 1.into()),
                        ("maxItems", MOST_STEPS.into()),
                    ]),
                ),
            ]),
        ),
        ("required", json!(["summary", "steps"]).into()),
        ("additionalProperties", false.into()),
    ]);
    let cannot = json!({
        "type": "object", "properties": {"cannot": {"type": "string", "maxLength": 300}},
        "required": ["cannot"], "additionalProperties": false,
    });
    Ordered::object([
        ("type", "object".into()),
        ("anyOf", Ordered::List(vec![plan, cannot.into()])),
    ])
}

fn step(name: &ToolName, tool: &CatalogueTool, gate: Option<&Vec<&ToolName>>) -> Ordered {
    let mut properties = vec![
        (
            "id".to_owned(),
            json!({"type": "string", "pattern": "^[a-z][a-z0-9_]{0,20}$"}).into(),
        ),
        ("tool".to_owned(), json!({"const": name.to_string()}).into()),
        (
            "for_each".to_owned(),
            json!({"type": "string", "maxLength": 300}).into(),
        ),
        ("args".to_owned(), args(&tool.spec.input_schema).into()),
        (
            "needs".to_owned(),
            json!({"type": "array", "items": {"type": "string", "maxLength": 21}, "maxItems": 8}).into(),
        ),
    ];
    if let Some(reads) = gate {
        properties.push(("gate".to_owned(), self::gate(reads)));
    }
    Ordered::object([
        ("type", "object".into()),
        ("properties", Ordered::Object(properties)),
        ("required", json!(["id", "tool", "args"]).into()),
        ("additionalProperties", false.into()),
    ])
}

fn gate(reads: &[&ToolName]) -> Ordered {
    let names: Vec<String> = reads.iter().map(ToString::to_string).collect();
    Ordered::object([
        ("type", "object".into()),
        (
            "properties",
            Ordered::object([
                ("tool", json!({"type": "string", "enum": names}).into()),
                ("args", json!({"type": "object"}).into()),
                ("expect", json!({"type": "string", "maxLength": 300}).into()),
                ("within", json!({"type": "string", "pattern": "^[0-9]{1,3}s$"}).into()),
            ]),
        ),
        ("required", json!(["tool", "args", "expect"]).into()),
        ("additionalProperties", false.into()),
    ])
}

/// The tool's own schema, where each value may be a binding instead. One with references is left open: they would lead
/// nowhere from inside another schema.
fn args(schema: &Value) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return json!({"type": "object"});
    };
    if schema.to_string().contains("\"$ref\"") {
        return json!({"type": "object"});
    }
    let properties: Map<String, Value> = properties
        .iter()
        .map(|(name, property)| (name.clone(), or_binding(property)))
        .collect();
    let required = schema.get("required").cloned().unwrap_or_else(|| json!([]));
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn or_binding(property: &Value) -> Value {
    match crate::prompt::kind(property) {
        Some("string") if property.get("enum").is_none() => json!({"type": "string", "maxLength": 300}),
        Some(kind @ ("integer" | "number" | "boolean")) => {
            json!({"anyOf": [{"type": kind}, {"type": "string", "pattern": "^\\$\\{[^}]{1,200}\\}$"}]})
        }
        _ => property.clone(),
    }
}
