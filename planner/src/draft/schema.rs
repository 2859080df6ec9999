//! The JSON schema of a draft over a few tools. It fixes the shape only; what the plan says is checked afterwards.

use crate::json::Ordered;
use crate::retrieve::Tool;
use flyball_engine::contract::Contracts;
use flyball_engine::tool::ToolName;
use serde_json::{Map, Value, json};

/// Most steps of a drafted plan. Larger work belongs into a `for_each` or a runbook.
const MOST_STEPS: usize = 12;

/// A plan whose steps call these tools, or `cannot`.
pub(super) fn of(tools: &[Tool<'_>], contracts: &Contracts) -> Ordered {
    let reads: Vec<&ToolName> = tools
        .iter()
        .map(|(n, _)| *n)
        .filter(|n| !contracts.of(n).effect.mutates())
        .collect();
    let steps = tools.iter().map(|tool| {
        let gated = contracts.of(tool.0).effect.mutates() && !reads.is_empty();
        step(tool, gated.then_some(&reads))
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

fn step((name, tool): &Tool<'_>, gate: Option<&Vec<&ToolName>>) -> Ordered {
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

/// Longest schema of one tool's arguments, in bytes of JSON. A longer one is left open, as one that is not understood: the
/// arguments are checked afterwards in any case.
const LONGEST_ARGS: usize = 6_000;

/// The tool's own schema, where each value may be a binding instead.
fn args(schema: &Value) -> Value {
    let open = || json!({"type": "object"});
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return open();
    };
    let properties: Map<String, Value> = properties
        .iter()
        .map(|(name, property)| (name.clone(), or_binding(schema, property)))
        .collect();
    let required = schema.get("required").cloned().unwrap_or_else(|| json!([]));
    let typed =
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    if typed.to_string().len() > LONGEST_ARGS {
        return open();
    }
    typed
}

fn or_binding(root: &Value, property: &Value) -> Value {
    let binding = || json!({"type": "string", "pattern": "^\\$\\{[^}]{1,200}\\}$"});
    let property = crate::prompt::plain(root, property);
    if let Some(values) = property.get("enum").and_then(Value::as_array) {
        let values: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
        return json!({"anyOf": [{"enum": values}, binding()]});
    }
    match crate::prompt::kind(property) {
        Some("string") => json!({"type": "string", "maxLength": 300}),
        Some(kind @ ("integer" | "number" | "boolean")) => json!({"anyOf": [{"type": kind}, binding()]}),
        Some("array") => {
            let items = property
                .get("items")
                .map_or_else(|| json!({}), |items| item(root, items));
            json!({"anyOf": [{"type": "array", "items": items, "maxItems": 64}, binding()]})
        }
        Some("object") => json!({"anyOf": [{"type": "object"}, binding()]}),
        // What a server does not type takes any one value.
        _ => json!({}),
    }
}

/// The elements of a list: plain values typed, anything deeper open.
fn item(root: &Value, items: &Value) -> Value {
    let items = crate::prompt::plain(root, items);
    match (items.get("enum"), crate::prompt::kind(items)) {
        (Some(values), _) => json!({"enum": values}),
        (None, Some("string")) => json!({"type": "string", "maxLength": 300}),
        (None, Some(kind)) => json!({"type": kind}),
        (None, None) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_typed_and_any_of_them_may_be_a_binding() {
        let schema = json!({
            "properties": {
                "device": {"type": "string"}, "count": {"type": ["integer", "null"]},
                "platform": {"anyOf": [{"$ref": "#/$defs/Platform"}, {"type": "null"}]},
                "lines": {"type": "array", "items": {"type": "string"}},
                "metrics": {"type": ["array", "null"], "items": {"$ref": "#/$defs/Metric"}},
            },
            "required": ["device"],
            "$defs": {"Platform": {"type": "string", "enum": ["ios", "frr"]}, "Metric": {"enum": ["cpu"]}},
        });
        let typed = args(&schema);
        let binding = json!({"type": "string", "pattern": "^\\$\\{[^}]{1,200}\\}$"});
        let of = |name: &str| typed["properties"][name].clone();
        assert_eq!(of("device"), json!({"type": "string", "maxLength": 300}));
        assert_eq!(of("count"), json!({"anyOf": [{"type": "integer"}, binding]}));
        assert_eq!(of("platform"), json!({"anyOf": [{"enum": ["ios", "frr"]}, binding]}));
        assert_eq!(of("lines")["anyOf"][0]["items"]["type"], "string");
        assert_eq!(of("metrics")["anyOf"][0]["items"], json!({"enum": ["cpu"]}));
        assert_eq!(typed["additionalProperties"], false);
        assert!(
            !typed.to_string().contains("$ref"),
            "a reference would lead nowhere from inside another schema"
        );
    }

    #[test]
    fn a_schema_without_an_end_is_left_open() {
        let properties: Map<String, Value> = (0..500)
            .map(|n| (format!("field_{n}"), json!({"type": "string"})))
            .collect();
        assert_eq!(args(&json!({"properties": properties})), json!({"type": "object"}));
        assert_eq!(args(&json!(true)), json!({"type": "object"}));
    }

    #[test]
    fn each_tool_is_a_form_of_its_own_with_its_name_fixed() {
        let context = crate::fixtures::context();
        let tools: Vec<_> = context.catalogue.tools.iter().collect();
        let schema = serde_json::to_value(of(&tools, &context.contracts)).unwrap();
        let forms = &schema["anyOf"][0]["properties"]["steps"]["items"]["anyOf"];
        let names: Vec<&str> = forms
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["properties"]["tool"]["const"].as_str().unwrap())
            .collect();
        let wanted: Vec<String> = tools.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, wanted);
        assert_eq!(schema["anyOf"][1]["required"], json!(["cannot"]));
    }
}
