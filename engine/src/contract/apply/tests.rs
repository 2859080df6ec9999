use super::*;
use serde_json::json;

fn contract(more: Value) -> Contract {
    let mut value = json!({
        "effect": "reversible",
        "targets": "['device:' + args.device]",
        "preview": {"tool": "config/preview_ospf", "args": "${args}"},
        "probe": {"tool": "config/get_ospf", "args": {"device": "${args.device}"}, "valid": "has(output.processes)", "select": "output.processes"},
        "holds": "state.exists(p, (!has(args.process_id) || p.id == args.process_id) && args.area in p.areas)",
        "undo": [
            {"when": "before.size() == 0", "tool": "config/remove_ospf", "args": {"device": "${args.device}"}},
            {"tool": "config/apply_lines", "args": {"device": "${args.device}", "lines": "${preview.reverse}"}}
        ],
        "fails_when": "has(output.result) && output.result.contains('% Unknown command')",
        "refuse_when": "args.device == ''",
        "output_from_state": "{'device': args.device, 'count': state.size()}"
    });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

fn args(value: Value) -> Args {
    value.as_object().unwrap().clone()
}

fn r1() -> Args {
    args(json!({"device": "r1", "process_id": 100, "area": "0.0.0.0"}))
}

fn tool() -> ToolName {
    "config/configure_ospf".parse().unwrap()
}

#[test]
fn targets_are_canonical_and_an_error_is_no_empty_list() {
    let of = |source: &str| targets(&tool(), &contract(json!({ "targets": source })), &r1());
    let names = |source: &str| of(source).map(|t| t.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(names("['device:' + args.device]"), Ok(vec!["device:r1".to_owned()]));
    let twice = "['device:b', 'device:a', 'device:b']";
    assert_eq!(names(twice), Ok(vec!["device:a".to_owned(), "device:b".to_owned()]));
    for bad in [
        "args.device",
        "[args.process_id]",
        "['nonsense']",
        "[args.missing]",
        "[]",
        "['device:']",
    ] {
        assert!(of(bad).is_err(), "{bad}: {:?}", of(bad));
    }
    assert_eq!(
        targets(&tool(), &Contract::missing(), &r1()),
        Ok(vec![Target::server("config")])
    );
}

#[test]
fn a_call_is_refused_by_its_arguments_and_by_an_expression_without_a_result() {
    assert_eq!(refused(&contract(json!({})), &r1()), None);
    assert!(refused(&contract(json!({})), &args(json!({"device": ""}))).is_some());
    assert!(refused(&contract(json!({})), &args(json!({}))).is_some());
    assert!(refused(&contract(json!({"refuse_when": "args.process_id"})), &r1()).is_some());
    assert_eq!(refused(&Contract::missing(), &r1()), None);
}

#[test]
fn probe_and_preview_take_their_arguments_from_the_calls() {
    let contract = contract(json!({}));
    assert_eq!(probe_args(&contract, &r1()), Some(Ok(args(json!({"device": "r1"})))));
    assert_eq!(preview_args(&contract, &r1()), Some(Ok(r1())));
    assert!(probe_args(&contract, &Args::new()).unwrap().is_err());
    assert_eq!(probe_args(&Contract::missing(), &r1()), None);
    let text = CallTemplate {
        tool: tool(),
        args: json!("${args.device}"),
    };
    let lease = LeaseTerms {
        id: Digest::zero(),
        seconds: 60,
    };
    let known = Known {
        lease: Some(lease),
        ..Known::of(r1())
    };
    assert!(lease_args(&text, &known).is_err(), "arguments are an object");
    let named = CallTemplate {
        tool: tool(),
        args: json!({"device": "${args.device}", "for": "${lease.seconds}", "id": "${lease.id}"}),
    };
    let expected = args(json!({"device": "r1", "for": 60, "id": Digest::zero()}));
    assert_eq!(lease_args(&named, &known), Ok(expected));
    assert!(lease_args(&named, &Known::of(r1())).is_err(), "no lease, no call");
}

#[test]
fn only_a_valid_reading_is_evidence_and_only_a_result_says_whether_the_change_holds() {
    let judge = |more: Value, output: Value| judge_reading(&contract(more), &Known::of(r1()), &output);
    let there = json!({"processes": [{"id": 100, "areas": ["0.0.0.0"]}], "base": "sha256:1"});
    let good = judge(json!({}), there.clone());
    assert_eq!((good.valid, good.holds, good.problem), (true, Some(true), None));
    assert_eq!(
        (good.state, good.base),
        (Some(there["processes"].clone()), Some("sha256:1".to_owned()))
    );
    assert_eq!(judge(json!({}), json!({"processes": []})).holds, Some(false));
    for (more, output) in [
        (json!({}), json!({"error": "x"})),
        (json!({}), json!(null)),
        (
            json!({"probe": {"tool": "a/b", "args": {}, "valid": "output.ok", "select": "output.processes"}}),
            there.clone(),
        ),
        (
            json!({"probe": {"tool": "a/b", "args": {}, "select": "output.nothing"}}),
            there.clone(),
        ),
        (
            json!({"probe": {"tool": "a/b", "args": {}, "valid": "1 / 0 == 1"}}),
            there.clone(),
        ),
    ] {
        let judged = judge(more.clone(), output);
        assert!(
            !judged.valid && judged.state.is_none() && judged.holds.is_none() && judged.problem.is_some(),
            "{more}"
        );
    }
    let odd = judge(json!({"holds": "state[0].missing == 1"}), there.clone());
    assert!(odd.valid && odd.holds.is_none() && odd.problem.is_some());
    let plain = judge(
        json!({"holds": "true", "probe": {"tool": "a/b", "args": {}}}),
        there.clone(),
    );
    assert_eq!((plain.state, plain.holds), (Some(there), Some(true)));
    assert!(!judge_reading(&Contract::missing(), &Known::of(r1()), &json!({})).valid);
}

#[test]
fn the_way_back_is_the_first_that_fits_and_an_error_makes_there_be_none() {
    let choose = |more: Value, before: Option<Value>, preview: Option<Value>| {
        let known = Known {
            before: before.map(Arc::new),
            preview: preview.map(Arc::new),
            ..Known::of(r1())
        };
        choose_undo(&contract(more), &known).map(|(tool, args)| (tool.to_string(), Value::Object(args)))
    };
    let remove = ("config/remove_ospf".to_owned(), json!({"device": "r1"}));
    let lines = (
        "config/apply_lines".to_owned(),
        json!({"device": "r1", "lines": ["no x"]}),
    );
    let reverse = Some(json!({"reverse": ["no x"]}));
    assert_eq!(choose(json!({}), Some(json!([])), None), Ok(remove));
    assert_eq!(choose(json!({}), Some(json!([1])), reverse.clone()), Ok(lines));
    assert!(
        choose(json!({}), Some(json!([1])), None).is_err(),
        "its arguments have no result"
    );
    assert!(
        choose(json!({}), None, reverse).is_err(),
        "the first undo's when has no result"
    );
    let never = json!({"undo": [{"when": "false", "tool": "a/b", "args": {}}]});
    assert!(choose(never, None, None).unwrap_err().contains("fits"));
    assert!(choose(json!({"undo": []}), None, None).unwrap_err().contains("no undo"));
}

#[test]
fn success_that_reads_like_failure_is_one_and_what_cannot_be_told_is_no_success() {
    let known = Known::of(r1());
    let judge = |output: Value| fails(&contract(json!({})), &known, &output);
    assert_eq!(judge(json!({"result": "ok"})), Ok(false));
    assert_eq!(judge(json!({"success": true})), Ok(false));
    assert_eq!(judge(json!({"result": "% Unknown command"})), Ok(true));
    assert!(judge(json!({"result": 7})).is_err());
    assert!(judge(json!("text")).is_err() || judge(json!("text")) == Ok(false));
    assert_eq!(fails(&Contract::missing(), &known, &json!("anything")), Ok(false));
}

#[test]
fn what_later_steps_read_can_be_made_from_the_state() {
    let known = Known::of(r1());
    let made = output_from_state(&contract(json!({})), &known, &json!([1, 2]));
    assert_eq!(made, Some(Ok(json!({"device": "r1", "count": 2}))));
    assert!(
        output_from_state(&contract(json!({"output_from_state": "state.x"})), &known, &json!([]))
            .unwrap()
            .is_err()
    );
    assert_eq!(output_from_state(&Contract::missing(), &known, &json!([])), None);
}
