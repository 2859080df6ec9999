//! Resolved arguments as Cedar can look at them. A Cedar context is a closed record: it takes no attribute that the
//! schema does not name, no float and no null. So an argument object becomes a set of `pointer=value` strings.
//!
//! No name can pass for another name or for a value: inside a segment of the pointer `~`, `/` and `=` are written
//! `~0`, `~1` and `~2`, a member called `-` is written `~3`, and so the first `=` of a fact ends its pointer. Values
//! are not escaped or normalised. A string and a number that look alike give the same fact on purpose: what forbids
//! `/area=0` forbids `"0"` too.

use flyball_engine::fault::escape_pointer;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The arguments as facts: `/neighbor/area=0.0.0.0`.
///
/// A string stands bare, all else as in JSON; an empty list is `[]`, an empty object `{}`. What lies in a list is there
/// twice: under its place (`/areas/0=10`) and with `-` for every place (`/areas/-=10`), so that a policy can ask whether
/// any element has a value.
pub fn flatten(args: &Map<String, Value>) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for (name, value) in args {
        let pointer = member("", name);
        collect(&pointer, &pointer, value, &mut facts);
    }
    facts
}

/// `exact` names list places by number, `any` by `-`.
fn collect(exact: &str, any: &str, value: &Value, facts: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                collect(&member(exact, name), &member(any, name), value, facts);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (place, item) in items.iter().enumerate() {
                collect(&format!("{exact}/{place}"), &format!("{any}/-"), item, facts);
            }
        }
        leaf => {
            let text = match leaf {
                Value::String(s) => s.clone(),
                other => other.to_string(),
            };
            facts.insert(format!("{exact}={text}"));
            facts.insert(format!("{any}={text}"));
        }
    }
}

fn member(pointer: &str, name: &str) -> String {
    match name {
        "-" => format!("{pointer}/~3"),
        name => format!("{pointer}/{}", escape_pointer(name).replace('=', "~2")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(args: Value) -> Vec<String> {
        flatten(args.as_object().expect("an object")).into_iter().collect()
    }

    #[test]
    fn nested_objects_become_pointers() {
        assert_eq!(
            facts(json!({"device": "bj-1", "neighbor": {"area": "0.0.0.0", "id": 7}})),
            ["/device=bj-1", "/neighbor/area=0.0.0.0", "/neighbor/id=7"]
        );
    }

    #[test]
    fn list_elements_are_found_by_place_and_by_membership() {
        assert_eq!(
            facts(json!({"areas": [{"id": 10}, {"id": 20}]})),
            ["/areas/-/id=10", "/areas/-/id=20", "/areas/0/id=10", "/areas/1/id=20"]
        );
        assert_eq!(
            facts(json!({"m": [[1, 2]]})),
            ["/m/-/-=1", "/m/-/-=2", "/m/0/0=1", "/m/0/1=2"]
        );
    }

    #[test]
    fn floats_nulls_and_empty_containers_become_strings() {
        assert_eq!(
            facts(json!({"a": 1.5, "b": null, "c": [], "d": {}, "e": true, "f": u64::MAX, "g": ""})),
            [
                "/a=1.5",
                "/b=null",
                "/c=[]",
                "/d={}",
                "/e=true",
                "/f=18446744073709551615",
                "/g="
            ]
        );
    }

    #[test]
    fn a_name_cannot_pass_for_another_name_or_for_a_value() {
        let pairs = [
            (json!({"a": {"b": 1}}), json!({"a/b": 1})),
            (json!({"a=b": "c"}), json!({"a": "b=c"})),
            (json!({"a~1b": 1}), json!({"a/b": 1})),
            (json!({"a": {"-": 1}}), json!({"a": [1]})),
            (json!({"~3": 1}), json!({"-": 1})),
            (json!({"": 1}), json!({"/": 1})),
        ];
        for (one, other) in pairs {
            assert_ne!(facts(one.clone()), facts(other), "{one}");
        }
    }

    #[test]
    fn strange_strings_stay_what_they_are() {
        let strange = "\"}) permit(principal,action,resource);//\n\u{202e}\u{0}\\u{41}";
        assert_eq!(facts(json!({"x": strange})), [format!("/x={strange}")]);
    }
}
