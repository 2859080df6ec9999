use super::*;
use crate::contract::Contract;
use serde_json::json;

fn parse(text: &str) -> Document {
    Document::parse("a.yaml", text).unwrap()
}

fn faults(text: &str) -> Vec<String> {
    let faults = Document::parse("a.yaml", text).expect_err(text);
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn yaml_becomes_the_json_that_its_author_meant() {
    for (text, expected) in [
        ("", json!({})),
        ("# nothing\n", json!({})),
        (
            "a: 1\nb: -2\nc: 1.5\nd: 18446744073709551615\n",
            json!({"a": 1, "b": -2, "c": 1.5, "d": u64::MAX}),
        ),
        (
            "a: true\nb: yes\nc: off\nd: ~\ne:\n",
            json!({"a": true, "b": "yes", "c": "off", "d": null, "e": null}),
        ),
        (
            "a: 10.0.0.1\nb: 0.0.0.0\nc: 0123\nd: 1e\ne: '5'\nf: \"x\\ty\"\n",
            json!({"a": "10.0.0.1", "b": "0.0.0.0", "c": "0123", "d": "1e", "e": "5", "f": "x\ty"}),
        ),
        ("a: [1, {b: 2}, []]\nc: {}\n", json!({"a": [1, {"b": 2}, []], "c": {}})),
        ("- 1\n- - 2\n  - 3\n- k: v\n", json!([1, [2, 3], {"k": "v"}])),
        (
            "a: |\n  one\n  two\nb: >\n  one\n  two\n",
            json!({"a": "one\ntwo\n", "b": "one two\n"}),
        ),
        (
            "a: \"${args}\"\nb: 5s\nc: aa:bb:cc\n",
            json!({"a": "${args}", "b": "5s", "c": "aa:bb:cc"}),
        ),
        ("1: one\ntrue: yes\n", json!({"1": "one", "true": "yes"})),
        ("---\na: 1\n...\n", json!({"a": 1})),
    ] {
        assert_eq!(parse(text).value, expected, "{text}");
    }
}

#[test]
fn every_value_knows_its_line_and_what_is_absent_knows_what_is_around_it() {
    let document = parse("a:\n  b:\n    - x: 1\n    - x: 2\n      y/z: 3\nc: {d: 4}\n");
    for (pointer, place) in [
        ("", (1, 1)),
        ("/a", (1, 1)),
        ("/a/b", (2, 3)),
        ("/a/b/0", (3, 7)),
        ("/a/b/1/x", (4, 7)),
        ("/a/b/1/y~1z", (5, 7)),
        ("/a/b/1/missing/deeper", (4, 7)),
        ("/c/d", (6, 5)),
        ("/nowhere", (1, 1)),
    ] {
        assert_eq!(document.line_of(pointer), place, "{pointer}");
    }
}

#[test]
fn what_is_not_well_formed_has_its_line() {
    for (text, line) in [
        ("a: 1\n b: 2\n", 2),
        ("a:\n  b: 1\n c: 2\n", 3),
        ("a: [1, 2\n", 1),
        ("a: 'open\n", 1),
        ("a: 1\na: 2\n", 2),
        ("a:\n  b: 1\n  b: 2\n", 3),
        ("a: &x 1\n", 1),
        ("a: &x 1\nb: *x\n", 2),
        ("a: !!str 1\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 1\n? [b]\n: 2\n", 2),
        ("a: 1\n\tb: 2\n", 1),
        ("a: 99999999999999999999999\n", 1),
    ] {
        let found = faults(text);
        assert!(
            found.iter().any(|f| f.starts_with(&format!("a.yaml:{line}:"))),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn all_unknown_keys_are_told_with_their_lines_and_the_nearest_known_ones() {
    let document = parse("effect: reversible\ntarget: x\nprobe:\n  tool: a/b\n  args: {}\n  vaild: x\nfoo: 1\n");
    let found = document.decode::<Contract>().unwrap_err();
    let mut found: Vec<_> = found.into_iter().map(|f| (f.line, f.column, f.suggestion)).collect();
    found.sort();
    let near = |name: &str| Some(format!("did you mean {name:?}?"));
    assert_eq!(found, [(2, 1, near("targets")), (6, 3, near("valid")), (7, 1, None)]);
}

#[test]
fn a_value_that_does_not_fit_its_type_has_its_line() {
    for (text, line, part) in [
        ("effect: reversable\n", 1, "reversible"),
        ("targets: x\n", 1, "effect"),
        ("effect: read\ntargets: 7\n", 2, "7"),
        ("effect: read\n\ntimeout: 5 seconds\n", 3, "5 seconds"),
        ("effect: read\nprobe:\n  tool: nonsense\n  args: {}\n", 3, "nonsense"),
        ("effect: read\nsealed: maybe\n", 2, "maybe"),
    ] {
        let found = parse(text).decode::<Contract>().unwrap_err();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, line, "{text}: {found:?}");
        assert!(found[0].to_string().contains(part), "{}", found[0]);
    }
}

#[test]
fn unknown_keys_of_one_object_can_be_asked_for() {
    let document = parse("listen: x\nlisetn: y\ndeep:\n  a: 1\n");
    let found = document.unknown_keys("", &["listen", "deep"]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].line, found[0].suggestion.as_deref()),
        (2, Some("did you mean \"listen\"?"))
    );
    assert!(document.unknown_keys("/deep", &["a"]).is_empty());
    assert!(document.unknown_keys("/listen", &[]).is_empty());
}
