use super::Plan;
use super::check::{CheckContext, Limits, check};
use crate::contract::Contracts;
use crate::fault::Fault;
use crate::tool::{Catalogue, PinState, ToolName, ToolSpec};
use serde_json::{Value, json};

fn catalogue() -> Catalogue {
    let tool = |name: &str, properties: Value, required: Value| ToolSpec {
        name: name.parse().unwrap(),
        description: String::new(),
        input_schema: json!({"type": "object", "properties": properties, "required": required}),
        output_schema: None,
        annotations: None,
    };
    let device = json!({"device": {"type": "string"}});
    let mut strict = tool(
        "config/set_mtu",
        json!({"device": {"type": "string"}, "mtu": {"type": "integer", "minimum": 68}}),
        json!(["device", "mtu"]),
    );
    strict.input_schema["additionalProperties"] = json!(false);
    let mut either = tool(
        "config/either",
        json!({"device": {"type": "string"}, "mode": {}}),
        json!(["device"]),
    );
    either.input_schema["anyOf"] =
        json!([{"properties": {"mode": {"const": "a"}}, "required": ["mode"]}, {"required": ["other"]}]);
    Catalogue::of([
        tool(
            "inventory/list_devices",
            json!({"site": {"type": "string"}, "role": {"type": "string"}}),
            json!([]),
        ),
        tool("telemetry/reachability", json!({"site": {"type": "string"}}), json!([])),
        tool("telemetry/ospf_neighbors", device.clone(), json!(["device"])),
        tool(
            "config/configure_ospf",
            json!({"device": {"type": "string"}, "process_id": {"type": "integer"}, "area": {"type": "string"}}),
            json!(["device"]),
        ),
        tool(
            "config/batch_configure_devices",
            json!({"device_ips": {"type": "array", "items": {"type": "string"}}, "commands": {"type": "array", "items": {"type": "string"}}}),
            json!(["device_ips", "commands"]),
        ),
        tool("config/uncontracted", device, json!(["device"])),
        strict,
        either,
    ])
}

fn contracts() -> Contracts {
    serde_json::from_value(json!({"contracts": {
        "inventory/list_devices": {"effect": "read"},
        "telemetry/reachability": {"effect": "read"},
        "telemetry/ospf_neighbors": {"effect": "read"},
        "config/configure_ospf": {"effect": "reversible", "targets": "['device:' + args.device]"},
        "config/set_mtu": {"effect": "reversible", "targets": "['device:' + args.device]"},
        "config/either": {"effect": "idempotent", "targets": "args.device == '' ? [] : ['device:' + string(args[args.device])]"},
        "config/batch_configure_devices": {"effect": "irreversible", "targets": "args.device_ips.map(d, 'device:' + d)", "split_by": "device_ips"},
    }}))
    .unwrap()
}

fn checked_with(draft: &Value, limits: Limits) -> Result<Plan, Vec<Fault>> {
    let mut catalogue = catalogue();
    let changed: ToolName = "config/changed".parse().unwrap();
    let mut copy = catalogue.tools[&"inventory/list_devices".parse::<ToolName>().unwrap()].clone();
    copy.pin = PinState::Changed;
    copy.spec.name = changed.clone();
    catalogue.tools.insert(changed, copy);
    let context = CheckContext {
        catalogue: &catalogue,
        contracts: &contracts(),
        params: json!({"site": "beijing"}),
        alarm: Value::Null,
        limits,
    };
    check(draft, &context)
}

fn checked(draft: &Value) -> Result<Plan, Vec<Fault>> {
    checked_with(draft, Limits::default())
}

/// Pointer and rule of every fault, sorted.
fn faults(draft: &Value) -> Vec<(String, String)> {
    let faults = checked(draft).err().unwrap_or_default();
    let mut found: Vec<_> = faults.into_iter().map(|f| (f.pointer, f.rule)).collect();
    found.sort();
    found
}

fn step_faults(step: Value) -> Vec<(String, String)> {
    faults(&json!({"steps": [list(), step]}))
}

fn list() -> Value {
    json!({"id": "cores", "tool": "inventory/list_devices", "args": {"site": "beijing"}})
}

fn example() -> Value {
    json!({
        "summary": "OSPF process 100, area 0, on all Beijing core switches",
        "pre_checks": [{"tool": "telemetry/reachability", "args": {"site": "beijing"}, "expect": "output.reachable_share > 0.9"}],
        "steps": [
            {"id": "ospf", "for_each": "${steps.cores.output.devices}",
             "tool": "config/configure_ospf", "args": {"device": "${item.name}", "process_id": 100, "area": "0.0.0.0"},
             "waves": [2, "25%", "100%"],
             "gate": {"tool": "telemetry/ospf_neighbors", "args": {"device": "${item.name}"},
                      "expect": "output.neighbors.size() > 0 && output.neighbors.all(n, n.state == 'Full')", "within": "60s", "hold_for": "5s"}},
            {"id": "cores", "tool": "inventory/list_devices", "args": {"site": "${params.site}", "role": "core"}},
            {"id": "look_again", "tool": "telemetry/reachability", "needs": ["ospf"], "expect": "output.reachable_share > 0.5", "within": "5s"}
        ],
        "post_checks": [
            {"tool": "telemetry/reachability", "args": {"site": "beijing"}, "within": "60s", "hold_for": "5s",
             "expect": "output.unreachable.all(x, x in before.unreachable)"}
        ]
    })
}

#[test]
fn a_sound_draft_becomes_a_plan_in_an_order_in_which_it_can_run() {
    let plan = checked(&example()).unwrap();
    let ids: Vec<_> = plan.steps.iter().map(|s| s.id.0.as_str()).collect();
    assert_eq!(ids, ["cores", "ospf", "look_again"]);
    let flags: Vec<_> = plan.facts.iter().map(|f| (f.mutating, f.look)).collect();
    assert_eq!(flags, [(false, true), (true, false), (false, false)]);
    assert_eq!(plan.facts[1].after, ["cores".into()]);
    assert_eq!(plan.facts[1].binds, ["cores".into()]);
    assert_eq!(plan.facts[2].after, ["ospf".into()]);
    assert!(plan.facts[2].binds.is_empty(), "`needs` orders and does not bind");
    assert_eq!(plan.params, json!({"site": "beijing"}));
    let again: Plan = serde_json::from_value(serde_json::to_value(&plan).unwrap()).unwrap();
    assert_eq!(again.digest(), plan.digest());
}

#[test]
fn the_misspelled_argument_of_the_drafts_own_example_is_caught_before_anything_is_sent() {
    let draft = json!({"steps": [{"id": "ospf", "tool": "config/batch_configure_devices",
        "args": {"device_ips": ["192.168.10.1"], "command": ["router ospf 100"]}}]});
    let faults = checked(&draft).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(
        (faults[0].pointer.as_str(), faults[0].rule.as_str()),
        ("/plan/steps/0/args", "plan.args")
    );
    assert!(
        faults[0].suggestion.as_ref().unwrap().contains("commands"),
        "{faults:?}"
    );
}

#[test]
fn what_is_no_plan_at_all_is_a_fault_and_no_panic() {
    for draft in [
        json!("please configure ospf"),
        json!(null),
        json!(7),
        json!([]),
        json!({}),
        json!({"steps": []}),
        json!({"steps": {}}),
        json!({"steps": ["a", null, 3]}),
        json!({"steps": [{}]}),
        json!({"steps": [{"id": 1, "tool": 2, "args": 3, "needs": 4, "waves": 5, "gate": 6}]}),
        json!({"steps": [list()], "pre_checks": [{}], "post_checks": "x"}),
        json!({"steps": [list()], "summary": 5}),
    ] {
        let faults = checked(&draft).expect_err(&draft.to_string());
        assert!(
            faults
                .iter()
                .all(|f| f.pointer.starts_with("/plan") && !f.message.is_empty()),
            "{faults:?}"
        );
    }
}

/// What is added to a sound step, the pointer of the fault below the step, and its rule.
const MISTAKES: &str = r#"
{"tool": "config/configure_osfp"} => /tool plan.unknown_tool
{"tool": "confg/configure_ospf"} => /tool plan.unknown_server
{"tool": "configure_ospf"} => /tool plan.tool
{"tool": "config/changed", "args": {}} => /tool plan.unpinned
{"args": {}} => /args plan.args
{"args": []} => /args plan.args
{"args": {"device": 5}} => /args/device plan.args
{"args": {"device": "r1", "process_id": "x"}} => /args/process_id plan.args
{"id": "S"} => /id plan.id
{"id": "9a"} => /id plan.id
{"id": ""} => /id plan.id
{"id": "in"} => /id plan.id
{"id": "null"} => /id plan.id
{"id": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} => /id plan.id
{"id": "cores"} => /id plan.repeated_id
{"nedes": ["cores"]} => /nedes plan.unknown_key
{"needs": ["core"]} => /needs/0 plan.reference
{"needs": ["s"]} =>  plan.cycle
{"when": "steps.s.output.x"} =>  plan.cycle
{"when": "steps.corse.output.x"} => /when plan.reference
{"when": "steps.cores.outputs[0]"} => /when plan.reference
{"when": "steps.cores.x"} => /when plan.expression
{"when": "output.x"} => /when plan.expression
{"when": "1 +"} => /when plan.expression
{"when": 5} => /when plan.shape
{"args": {"device": "${item.name}"}} => /args/device plan.expression
{"args": {"device": "${steps.cores.output.name"}} => /args/device plan.expression
{"expect": "true"} => /expect plan.read_only
{"within": "5s"} => /within plan.read_only
{"hold_for": "5s"} => /hold_for plan.read_only
{"timeout": "5 seconds"} => /timeout plan.shape
{"on_failure": "explode"} => /on_failure plan.shape
{"waves": [1]} => /waves plan.shape
{"for_each": ["a"], "waves": [0]} => /waves/0 plan.shape
{"for_each": "cores"} => /for_each plan.shape
{"for_each": {"a": 1}} => /for_each plan.shape
{"for_each": "${item.x}"} => /for_each plan.expression
{"gate": {"tool": "config/set_mtu", "args": {"device": "a", "mtu": 68}, "expect": "true"}} => /gate/tool plan.read_only
{"gate": {"tool": "config/uncontracted", "args": {"device": "a"}, "expect": "true"}} => /gate/tool plan.read_only
{"gate": {"tool": "telemetry/reachability"}} => /gate plan.shape
{"gate": {"tool": "telemetry/reachability", "expect": "nope"}} => /gate/expect plan.expression
{"gate": {"tool": "telemetry/reachability", "expect": "true", "when": "x"}} => /gate/when plan.unknown_key
{"tool": "telemetry/reachability", "args": {}, "gate": {"tool": "telemetry/reachability", "expect": "true"}} => /gate plan.shape
{"tool": "telemetry/reachability", "args": {}, "within": "5s"} => /within plan.shape
{"tool": "telemetry/reachability", "args": {}, "for_each": ["a"], "waves": [1]} => /waves plan.shape
{"tool": "config/set_mtu", "args": {"device": "a", "mtu": 67}} => /args/mtu plan.args
{"tool": "config/set_mtu", "args": {"device": "a", "mtu": 68, "mut": 1}} => /args plan.args
"#;

#[test]
fn each_mistake_of_a_step_has_its_rule_and_its_place() {
    for line in MISTAKES.trim().lines() {
        let (more, fault) = line.split_once(" => ").unwrap();
        let (pointer, rule) = fault.split_once(' ').unwrap();
        let mut step = json!({"id": "s", "tool": "config/configure_ospf", "args": {"device": "r1"}});
        let more: Value = serde_json::from_str(more).unwrap();
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let expected = (format!("/plan/steps/1{pointer}"), rule.to_owned());
        assert_eq!(step_faults(step), [expected], "{line}");
    }
}

#[test]
fn every_bad_wave_is_named() {
    let step = json!({"id": "s", "tool": "config/configure_ospf", "args": {"device": "r1"}, "for_each": ["a"],
        "waves": [0, 1, "10", true, "25%"]});
    let pointers: Vec<_> = step_faults(step).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(
        pointers,
        [
            "/plan/steps/1/waves/0",
            "/plan/steps/1/waves/2",
            "/plan/steps/1/waves/3"
        ]
    );
}

#[test]
fn all_faults_of_a_draft_come_at_once() {
    let draft = json!({
        "stpes": [],
        "steps": [
            {"id": "In", "tool": "config/nothing", "expect": "x +"},
            {"id": "b", "tool": "config/configure_ospf", "args": {"devise": "${steps.nobody.output.x}"}, "needs": ["c"]},
            {"id": "c", "tool": "inventory/list_devices", "needs": ["b"]},
        ],
        "post_checks": [{"tool": "telemetry/reachability", "expect": "outptu.x"}],
    });
    let rules: Vec<_> = faults(&draft).into_iter().map(|(_, rule)| rule).collect();
    for rule in [
        "unknown_key",
        "id",
        "unknown_tool",
        "expression",
        "args",
        "reference",
        "cycle",
    ] {
        assert!(rules.contains(&format!("plan.{rule}")), "{rule}: {rules:?}");
    }
    let all = checked(&draft).unwrap_err();
    let suggests = |pointer: &str, what: &str| {
        all.iter()
            .any(|f| f.pointer == pointer && f.suggestion.as_ref().is_some_and(|s| s.contains(what)))
    };
    assert!(suggests("/plan/stpes", "steps"), "{all:?}");
    assert!(suggests("/plan/steps/1/args", "device"), "{all:?}");
    assert!(suggests("/plan/post_checks/0/expect", "output"), "{all:?}");
}

#[test]
fn faults_at_and_below_templates_wait_until_the_templates_are_filled() {
    for (args, sound) in [
        (
            json!({"device": "${steps.cores.output.name}", "mtu": "${steps.cores.output.mtu}"}),
            true,
        ),
        (json!({"device": "r1", "mtu": "9000"}), false),
        (json!({"device": "${steps.cores.output.name}"}), false),
    ] {
        let step = json!({"id": "s", "tool": "config/set_mtu", "args": args});
        assert_eq!(step_faults(step).is_empty(), sound, "{args}");
    }
    for (mode, sound) in [("${steps.cores.output.mode}", true), ("a", true), ("b", false)] {
        let step = json!({"id": "s", "tool": "config/either", "args": {"device": "r1", "mode": mode}});
        assert_eq!(step_faults(step).is_empty(), sound, "{mode}");
    }
}

#[test]
fn items_and_targets_of_a_change_follow_from_the_look_alone() {
    let change = json!({"id": "first", "tool": "config/configure_ospf", "args": {"device": "r1"}});
    let read = json!({"id": "after", "tool": "inventory/list_devices", "needs": ["first"]});
    let with = |step: Value| faults(&json!({"steps": [list(), change.clone(), read.clone(), step]}));
    let at = |pointer: &str| vec![(format!("/plan/steps/3{pointer}"), "plan.depends_on_change".to_owned())];
    let mtu =
        |device: &str, mtu: &str| json!({"id": "s", "tool": "config/set_mtu", "args": {"device": device, "mtu": mtu}});
    assert_eq!(
        with(mtu("${steps.cores.output.x}", "${steps.first.output.mtu}")),
        [],
        "no target depends on it"
    );
    for source in ["first", "after"] {
        let device = format!("${{steps.{source}.output.name}}");
        assert_eq!(
            with(mtu(&device, "${steps.cores.output.mtu}")),
            at("/args/device"),
            "{source}"
        );
        let mut each = mtu("${item}", "${steps.cores.output.mtu}");
        each["for_each"] = json!(format!("${{steps.{source}.output.names}}"));
        assert_eq!(with(each), at("/for_each"), "{source}");
    }
    let whole = json!({"id": "s", "tool": "config/either", "args": {"device": "a", "mode": "a", "x": "${steps.first.output.x}"}});
    assert_eq!(
        with(whole),
        at("/args/x"),
        "its targets read the arguments by computed names"
    );
    let fleet = json!({"id": "s", "tool": "config/batch_configure_devices", "args": {"device_ips": ["${steps.first.output.ip}"], "commands": ["${steps.first.output.c}"]}});
    assert_eq!(with(fleet), at("/args/device_ips/0"));
    let read_only = json!({"id": "s", "for_each": "${steps.first.output.names}", "tool": "telemetry/reachability"});
    assert_eq!(with(read_only), [], "a read may follow from a change");
}

#[test]
fn what_is_read_before_the_first_change_cannot_depend_on_one() {
    let draft = json!({
        "pre_checks": [{"tool": "telemetry/reachability", "args": {"site": "${steps.first.output.x}"}, "expect": "steps.first.output.y"}],
        "steps": [
            {"id": "first", "tool": "config/configure_ospf", "args": {"device": "r1"}},
            {"id": "second", "tool": "config/configure_ospf", "args": {"device": "r2"},
             "gate": {"tool": "telemetry/reachability", "args": {"site": "${steps.first.output.x}"}, "expect": "steps.first.output.y == output.y"}},
        ],
        "post_checks": [{"tool": "telemetry/reachability", "args": {"site": "${steps.first.output.x}"}, "expect": "output.x == steps.first.output.x"}],
    });
    let expected = [
        "/plan/post_checks/0/args/site",
        "/plan/pre_checks/0/args/site",
        "/plan/pre_checks/0/expect",
        "/plan/steps/1/gate/args/site",
    ];
    let expected = expected.map(|p| (p.to_owned(), "plan.depends_on_change".to_owned()));
    assert_eq!(faults(&draft), expected);
}

#[test]
fn a_cycle_names_its_steps() {
    let step = |id: &str, needs: &[&str]| json!({"id": id, "tool": "inventory/list_devices", "needs": needs});
    let draft = json!({"steps": [step("a", &[]), step("b", &["a", "d"]), step("c", &["b"]), step("d", &["c"]), step("e", &["d"])]});
    let all = checked(&draft).unwrap_err();
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].pointer, "/plan/steps/1");
    assert!(all[0].message.ends_with("b, c, d"), "{}", all[0].message);
}

fn chain(length: usize) -> Value {
    let step = |n: usize| {
        let needs: Vec<String> = (n > 0).then(|| format!("s{}", n - 1)).into_iter().collect();
        json!({"id": format!("s{n}"), "tool": "inventory/list_devices", "needs": needs})
    };
    json!({"steps": (0..length).map(step).collect::<Vec<_>>()})
}

#[test]
fn plans_beyond_the_limits_are_refused_and_those_within_are_not() {
    assert_eq!(checked(&chain(1_000)).unwrap().steps.len(), 1_000);
    for (draft, pointer) in [
        (chain(1_001), "/plan/steps"),
        (chain(10_000), "/plan/steps"),
        (chain(10_001), "/plan/steps"),
        (json!({"steps": [list()], "summary": "x".repeat(1 << 20)}), "/plan"),
    ] {
        assert_eq!(faults(&draft), [(pointer.to_owned(), "plan.too_large".to_owned())]);
    }
    let tight = Limits {
        steps: 1,
        ..Limits::default()
    };
    assert!(checked_with(&example(), tight).is_err());
}

/// A thousand steps in layers of 20, each bound to four of the layer before.
fn broad() -> Value {
    let step = |n: usize| {
        let layer = n / 20;
        let sources = (0..4)
            .filter(|_| layer > 0)
            .map(|k| (layer - 1) * 20 + (n * 7 + k * 5) % 20);
        let args: serde_json::Map<String, Value> = sources
            .enumerate()
            .map(|(k, source)| (format!("a{k}"), json!(format!("${{steps.s{source}.output.x[0].y}}"))))
            .collect();
        json!({"id": format!("s{n}"), "tool": "inventory/list_devices", "args": args, "when": "params.site == 'beijing'"})
    };
    json!({"steps": (0..1_000).map(step).collect::<Vec<_>>()})
}

#[test]
fn a_thousand_steps_with_four_thousand_edges_are_one_plan() {
    let draft = broad();
    let started = std::time::Instant::now();
    let plan = checked(&draft).unwrap();
    println!("1,000 steps, 4,000 edges: {:?}", started.elapsed());
    let edges: usize = plan.facts.iter().map(|f| f.after.len()).sum();
    assert_eq!((plan.steps.len(), edges), (1_000, 980 * 4));
}
