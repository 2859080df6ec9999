use super::*;
use crate::ids::StepId;
use serde_json::json;

fn bindings() -> Bindings {
    let mut bindings = Bindings::new()
        .with(Root::Args, json!({"device": "r1", "process_id": 100, "area": "0.0.0.0", "lines": ["a", "b"]}))
        .with(
            Root::Output,
            json!({"neighbors": [{"state": "Full"}, {"state": "Full"}], "share": 0.95, "big": u64::MAX, "by_name": {"c": 3, "a": 1, "b": 2}}),
        )
        .with(Root::State, json!([{"id": 100, "areas": ["0.0.0.0"]}]))
        .with(Root::Before, json!([]));
    bindings.step(&StepId::from("cores"), json!({"devices": [{"name": "a"}]}));
    bindings
}

/// Every name in scope: what `Scope::CONTRACT` and `Scope::STEP` have together.
const ALL: Scope = Scope::of(&Root::ALL);

fn eval(source: &str) -> Result<Value, String> {
    let expr = Expr::compile(source, ALL).map_err(|f| f.message)?;
    expr.eval(&bindings()).map_err(|e| e.message)
}

#[test]
fn expressions_over_json_have_the_results_that_an_operator_expects() {
    for (source, expected) in [
        ("args.process_id + 1", json!(101)),
        ("args.process_id == 100", json!(true)),
        ("-args.process_id", json!(-100)),
        ("output.share > 0.9", json!(true)),
        ("output.big", json!(u64::MAX)),
        ("output.big > 1u", json!(true)),
        ("has(args.missing)", json!(false)),
        ("has(args.device)", json!(true)),
        ("size(args.lines) == 2 && args.lines.size() == 2", json!(true)),
        ("args.lines[1]", json!("b")),
        ("args['device']", json!("r1")),
        ("['device:' + args.device]", json!(["device:r1"])),
        ("{'device': args.device, 'n': 1.5}", json!({"device": "r1", "n": 1.5})),
        (
            "output.neighbors.size() > 0 && output.neighbors.all(n, n.state == 'Full')",
            json!(true),
        ),
        (
            "state.exists(p, (!has(args.process_id) || p.id == args.process_id) && args.area in p.areas)",
            json!(true),
        ),
        ("before.size() == 0", json!(true)),
        ("output.by_name.map(k, output.by_name[k])", json!([1, 2, 3])),
        ("output.by_name.filter(k, k != 'b')", json!(["a", "c"])),
        (
            "args.lines.map(l, args.lines.map(m, l + m))",
            json!([["aa", "ab"], ["ba", "bb"]]),
        ),
        ("args.lines.exists_one(l, l == 'a')", json!(true)),
        ("args.lines.map(l, l == 'a', l + '!')", json!(["a!"])),
        ("args.lines.all(l, l.matches('^[ab]$'))", json!(true)),
        ("type(args.device) == string", json!(true)),
        ("steps.cores.output.devices.size()", json!(1)),
        ("args.process_id > 50 ? 'big' : 'small'", json!("big")),
        ("'a' in args.lines && 'device' in args", json!(true)),
    ] {
        assert_eq!(eval(source), Ok(expected), "{source}");
    }
}

#[test]
fn what_has_no_result_is_an_error_and_never_false() {
    for source in [
        "output.missing == null",
        "args.missing",
        "args.device.missing",
        "args.lines[7]",
        "args.device + 1",
        "1 / 0",
        "9223372036854775807 + 1",
        "args.device > 1",
        "args.device.matches('(')",
        "int('x')",
        "preview.reverse",
        "steps.absent.output == 1",
        "0.0 / 0.0",
        "b'bytes'",
        "args.lines.all(l, l > 1)",
    ] {
        assert!(eval(source).is_err(), "{source}: {:?}", eval(source));
    }
}

#[test]
fn an_error_tells_types_and_not_the_values_it_met() {
    let secret = Bindings::new().with(Root::Args, json!({"community": "s3cret"}));
    for source in [
        "args.community + 1",
        "args.community > 1",
        "args.community.size(1)",
        "{args.community: 1, args.community: 2}",
        "int(args.community)",
        "[1][args.community]",
    ] {
        let expr = Expr::compile(source, Scope::ARGS).unwrap();
        let error = expr.eval(&secret).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn only_a_bool_is_a_judgement() {
    let judge = |source| Expr::compile(source, ALL).unwrap().eval_bool(&bindings());
    assert_eq!(judge("args.process_id == 100"), Ok(true));
    for source in ["args.process_id", "'true'", "args", "[true]"] {
        assert!(judge(source).is_err(), "{source}");
    }
}

#[test]
fn names_out_of_scope_unknown_functions_and_computed_steps_do_not_compile() {
    for (source, scope, suggestion) in [
        ("arg.device", Scope::ARGS, "args"),
        ("outptu.x > 1", Scope::EXPECT, "output"),
        ("item.name", Scope::STEP, ""),
        ("output.x.map(i, i + item.y)", Scope::EXPECT, ""),
        ("args.lines.sizes()", Scope::ARGS, "size"),
        ("now()", Scope::ARGS, ""),
        ("steps.cores.devices", Scope::STEP, "steps.cores.output"),
        ("steps", Scope::STEP, "steps.ID.output"),
        ("steps[params.x].output", Scope::STEP, ""),
        (".args", Scope::ARGS, ""),
        ("Thing{a: 1}", Scope::ARGS, ""),
        ("args.device =! 1", Scope::ARGS, ""),
        ("args.(", Scope::ARGS, ""),
        ("", Scope::ARGS, ""),
        ("   ", Scope::ARGS, ""),
        ("in", Scope::ARGS, ""),
        ("args.x.map(args)", Scope::ARGS, ""),
        ("args.?x", Scope::ARGS, ""),
    ] {
        let fault = Expr::compile(source, scope).expect_err(source);
        let found = fault.suggestion.clone().unwrap_or_default();
        assert!(found.contains(suggestion), "{source}: {fault:?}");
    }
}

#[test]
fn what_an_expression_reads_is_known_before_it_runs() {
    let uses = |source| Expr::compile(source, ALL).unwrap().uses().clone();
    let steps = uses("steps.a.output.x + steps.b.outputs.map(item, item.y)[0]");
    assert_eq!(
        steps.steps().into_iter().collect::<Vec<_>>(),
        [("a", false), ("b", true)]
    );
    assert_eq!(
        steps.roots().collect::<Vec<_>>(),
        ["steps"],
        "a loop's variable hides the name"
    );
    let plain = uses("steps.a.output['devices'][0].name");
    assert_eq!(plain.steps().into_iter().collect::<Vec<_>>(), [("a", false)]);
    let Some(Fields::Only(fields)) = uses("['device:' + args.device]").of("args").cloned() else {
        panic!("only some of args is read");
    };
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["device"]);
    assert_eq!(uses("args.filter(k, k == 'x')").of("args"), Some(&Fields::All));
    assert_eq!(uses("args[output.key] + args.device").of("args"), Some(&Fields::All));
}

#[test]
fn a_batch_answers_in_order_and_one_error_does_not_touch_the_others() {
    let compile = |s: &str| Expr::compile(s, ALL).unwrap();
    let jobs = ["args.device", "1 + 1", "args.nope + 1", "args.lines[0]", "2 + 2"];
    let jobs = jobs.map(|s| (compile(s), bindings())).to_vec();
    let results: Vec<_> = eval_all(jobs).into_iter().map(Result::ok).collect();
    assert_eq!(
        results,
        [
            Some(json!("r1")),
            Some(json!(2)),
            None,
            Some(json!("a")),
            Some(json!(4))
        ]
    );
}

#[test]
fn many_threads_may_ask_at_once() {
    let ask = |n: i64| {
        let expr = Expr::compile("args.n * 2", Scope::ARGS).unwrap();
        expr.eval(&Bindings::new().with(Root::Args, json!({ "n": n }))).unwrap()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..32).map(|n| (n, scope.spawn(move || ask(n)))).collect();
        for (n, thread) in threads {
            assert_eq!(thread.join().unwrap(), json!(n * 2));
        }
    });
}

/// Plain paths do not go through CEL; they must mean the same.
#[test]
fn plain_paths_mean_what_cel_means() {
    for path in [
        "args",
        "args.device",
        "args.lines[1]",
        "args.lines[9]",
        "args.lines.x",
        "args['device']",
        "args.missing.deeper",
        "output.big",
        "output.neighbors[0].state",
        "state[0].areas[0]",
        "state.id",
        "steps.cores.output",
        "steps.cores.output.devices[0].name",
        "steps.absent.output",
        "steps.cores.outputs",
        "alarm.x",
    ] {
        // Parentheses make it more than a path.
        assert_eq!(eval(path).ok(), eval(&format!("({path})")).ok(), "{path}");
    }
}
