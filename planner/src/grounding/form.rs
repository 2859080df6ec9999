//! The form of a tool's argument, wherever its schema says it: what `$ref` names, and the alternatives of `anyOf`, `oneOf`
//! and `allOf`, are looked into. Not a validator: the engine's check is that.

use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeSet;

/// How many alternatives of one argument are looked at, and how deep.
const MOST: usize = 64;

/// All schemas that stand for one value. Without any, nothing is known of it.
#[derive(Clone)]
pub(super) struct Form<'a> {
    root: &'a Value,
    all: Vec<&'a Value>,
}

impl<'a> Form<'a> {
    /// The form of a tool's arguments.
    pub(super) fn of(root: &'a Value) -> Self {
        Self { root, all: Vec::new() }.with([root])
    }

    /// The form of nothing that is known.
    pub(super) fn unknown() -> Self {
        Self {
            root: &Value::Null,
            all: Vec::new(),
        }
    }

    fn with(&self, schemas: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut all: Vec<&Value> = schemas.into_iter().collect();
        let mut at = 0;
        while at < all.len() && all.len() < MOST {
            let alternatives = ["anyOf", "oneOf", "allOf"]
                .into_iter()
                .filter_map(|key| all[at].get(key)?.as_array());
            let more: Vec<&Value> = alternatives.flatten().chain(self.named(all[at])).collect();
            all.extend(more);
            at += 1;
        }
        Self { root: self.root, all }
    }

    /// What a `$ref` within the same schema names.
    fn named(&self, schema: &Value) -> Option<&'a Value> {
        self.root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
    }

    pub(super) fn property(&self, name: &str) -> Self {
        self.with(self.all.iter().filter_map(|schema| schema.get("properties")?.get(name)))
    }

    pub(super) fn items(&self) -> Self {
        self.with(self.all.iter().filter_map(|schema| schema.get("items")))
    }

    /// The form of a list's entries and of what is no list.
    pub(super) fn items_or_self(&self) -> Self {
        self.with(self.all.iter().copied().chain(self.items().all))
    }

    /// The names of all arguments.
    pub(super) fn names(&self) -> BTreeSet<&'a str> {
        let properties = self
            .all
            .iter()
            .filter_map(|schema| schema.get("properties")?.as_object());
        properties.flat_map(|map| map.keys()).map(String::as_str).collect()
    }

    /// The arguments that cannot be left out, whichever alternative is taken.
    pub(super) fn required(&self) -> BTreeSet<&'a str> {
        let visits = Cell::new(MOST);
        self.all
            .first()
            .map(|schema| self.required_by(schema, &visits))
            .unwrap_or_default()
    }

    // A schema is a stranger's: one that names itself twice would be looked into for ever.
    fn required_by(&self, schema: &'a Value, visits: &Cell<usize>) -> BTreeSet<&'a str> {
        let Some(left) = visits.get().checked_sub(1) else {
            return BTreeSet::new();
        };
        visits.set(left);
        let list = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
        let below = |schema| self.required_by(schema, visits);
        let mut required: BTreeSet<&str> = list("required").filter_map(Value::as_str).collect();
        required.extend(list("allOf").chain(self.named(schema)).flat_map(below));
        for key in ["anyOf", "oneOf"] {
            let in_each = list(key).map(below).reduce(|a, b| &a & &b);
            required.extend(in_each.into_iter().flatten());
        }
        required
    }

    /// Whether the schema itself says this value.
    pub(super) fn says(&self, value: &Value) -> bool {
        let says = |schema: &&Value| ["default", "const"].iter().any(|key| schema.get(key) == Some(value));
        self.all.iter().any(says)
    }

    /// Whether it is on or off.
    pub(super) fn is_switch(&self) -> bool {
        let boolean =
            |kind: &Value| kind == "boolean" || kind.as_array().is_some_and(|all| all.contains(&"boolean".into()));
        self.all.iter().any(|schema| schema.get("type").is_some_and(boolean))
    }

    /// Whether the value is one of a few that the schema lists.
    pub(super) fn lists(&self, value: &Value) -> bool {
        let lists = |schema: &&Value| {
            schema
                .get("enum")
                .and_then(Value::as_array)
                .is_some_and(|all| all.contains(value))
        };
        self.all.iter().any(lists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_form_is_found_inside_of_alternatives_and_references() {
        let schema = json!({
            "properties": {
                "speed": {"anyOf": [{"$ref": "#/$defs/Speed"}, {"type": "null"}]},
                "to": {"oneOf": [{"type": "string"}, {"properties": {"vlan": {"default": 1}}}]},
                "all": {"type": ["array", "null"], "items": {"$ref": "#/$defs/Speed"}},
            },
            "$defs": {"Speed": {"enum": ["slow", "fast"]}, "Self": {"$ref": "#/$defs/Self"}},
        });
        let form = Form::of(&schema);
        assert!(form.property("speed").lists(&json!("fast")) && !form.property("speed").lists(&json!("warp")));
        assert!(form.property("to").property("vlan").says(&json!(1)));
        assert!(form.property("all").items().lists(&json!("slow")));
        assert!(form.property("none").names().is_empty());
        let endless = json!({"$ref": "#/$defs/Self", "$defs": {"Self": {"$ref": "#/$defs/Self"}}});
        assert!(Form::of(&endless).required().is_empty());
        let twice = json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}], "required": ["a"]});
        assert_eq!(Form::of(&twice).required(), BTreeSet::from(["a"]));
    }

    #[test]
    fn required_is_what_no_alternative_leaves_out() {
        let schema = json!({
            "required": ["device"], "$ref": "#/$defs/More",
            "oneOf": [{"required": ["vrf", "ntp"]}, {"required": ["vrf", "syslog"]}],
            "$defs": {"More": {"allOf": [{"required": ["site"]}]}},
        });
        assert_eq!(Form::of(&schema).required(), BTreeSet::from(["device", "site", "vrf"]));
    }
}
