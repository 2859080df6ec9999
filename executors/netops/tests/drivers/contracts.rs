//! The shipped contracts say of these tools what the tools do.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cel::{Context, Program, Value as Cel};
use flyball_netops::Role;
use flyball_netops::tools::Toolbox;
use serde_json::{Value, json};

use crate::kit::Lab;

fn contracts() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../engine/server/contracts/netops.yaml");
    let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["contracts"].clone()
}

/// Integers as signed ones, as the engine does.
fn cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(b) => Cel::Bool(*b),
        Value::Number(n) => n.as_i64().map_or_else(|| Cel::Float(n.as_f64().unwrap()), Cel::Int),
        Value::String(s) => Cel::from(s.clone()),
        Value::Array(list) => Cel::from(list.iter().map(cel).collect::<Vec<_>>()),
        Value::Object(map) => {
            let map: HashMap<String, Cel> = map.iter().map(|(k, v)| (k.clone(), cel(v))).collect();
            Cel::Map(map.into())
        }
    }
}

/// Evaluates on a roomy stack.
fn eval(expression: &Value, scope: Value) -> Value {
    let text = expression.as_str().unwrap().to_owned();
    let run = move || {
        let program = Program::compile(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let mut context = Context::default();
        for (name, value) in scope.as_object().unwrap() {
            context.add_variable_from_value(name.clone(), cel(value));
        }
        let result = program
            .execute(&context)
            .unwrap_or_else(|e| panic!("{text}: {e}\n{scope}"));
        result.json().unwrap()
    };
    std::thread::Builder::new()
        .stack_size(16 << 20)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap()
}

/// Fills `${…}` arguments.
fn args(template: &Value, scope: &Value) -> Value {
    match template {
        Value::String(text) => match text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) {
            Some(expression) => eval(&expression.into(), scope.clone()),
            None => template.clone(),
        },
        Value::Object(map) => map
            .iter()
            .map(|(k, v)| (k.clone(), args(v, scope)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn local(tool: &Value) -> &str {
    tool.as_str().unwrap().split_once('/').unwrap().1
}

async fn probe(lab: &Lab, contract: &Value, given: &Value) -> Value {
    let probe = &contract["probe"];
    let output = lab
        .ok(local(&probe["tool"]), args(&probe["args"], &json!({"args": given})))
        .await;
    assert_eq!(
        eval(&probe["valid"], json!({"output": output})),
        json!(true),
        "{output}"
    );
    eval(&probe["select"], json!({"output": output}))
}

/// Look, do, probe, undo, probe: what the engine would do with one call.
async fn round_trip(lab: &Lab, tool: &str, given: Value) {
    let contract = &contracts()[format!("config/{tool}")];
    eval(&contract["targets"], json!({"args": given}));
    let preview_args = args(&contract["preview"]["args"], &json!({"args": given}));
    let preview = lab.ok(local(&contract["preview"]["tool"]), preview_args).await;
    let before = probe(lab, contract, &given).await;
    let scope = |state: &Value| json!({"args": given, "before": before, "state": state, "preview": preview});
    assert_eq!(
        eval(&contract["holds"], scope(&before)),
        json!(false),
        "{tool} {given}: {before}"
    );

    let output = lab.ok(tool, given.clone()).await;
    assert_eq!(
        eval(&contract["fails_when"], json!({"args": given, "output": output})),
        json!(false)
    );
    let after = probe(lab, contract, &given).await;
    assert_eq!(
        eval(&contract["holds"], scope(&after)),
        json!(true),
        "{tool} {given}: {after}"
    );

    let undos = contract["undo"].as_array().unwrap();
    let undo = undos
        .iter()
        .find(|undo| eval(&undo["when"], scope(&after)) == json!(true))
        .expect("an undo fits");
    lab.ok(local(&undo["tool"]), args(&undo["args"], &scope(&after))).await;
    assert_eq!(probe(lab, contract, &given).await, before, "{tool} {given}: undone");
}

#[tokio::test]
async fn each_tool_has_a_contract_and_reads_are_reads() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let mut tools = BTreeMap::new();
    for role in [Role::Inventory, Role::Config, Role::Telemetry] {
        let toolbox = Toolbox::new(role, lab.sandbox.inventory_path(), None, true);
        for tool in toolbox.tools() {
            let read = tool.annotations.as_ref().unwrap().read_only_hint.unwrap();
            tools.insert(format!("{}/{}", role.name(), tool.name), read);
        }
    }
    let contracts = contracts();
    let stated: BTreeMap<String, bool> = contracts
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, c)| (name.clone(), c["effect"] == "read"))
        .collect();
    assert_eq!(stated, tools);
}

#[tokio::test]
async fn changes_hold_after_and_are_undone_as_their_contracts_say() {
    let lab = Lab::start(&[]).await;
    for (device, interface) in [
        ("bj-core-3", "GigabitEthernet0/1"),
        ("bj-core-4", "GigabitEthernet0/0/1"),
    ] {
        let ospf = json!({"device": device, "area": "0", "process_id": 100});
        round_trip(&lab, "configure_ospf", ospf).await;
        let one = json!({"device": device, "area": "0.0.0.0", "process_id": 100, "interfaces": [interface], "router_id": "10.9.9.9"});
        round_trip(&lab, "configure_ospf", one).await;
        let set =
            json!({"device": device, "interface": interface, "ospf_cost": 99, "description": "x", "enabled": false});
        round_trip(&lab, "set_interface", set).await;
        let lines = json!([format!("interface {interface}"), "description raw"]);
        round_trip(&lab, "apply_lines", json!({"device": device, "lines": lines})).await;
        round_trip(
            &lab,
            "batch_configure_devices",
            json!({"device_ips": [device], "commands": lines}),
        )
        .await;
    }
    for device in ["bj-core-3", "bj-core-4", "gz-edge-2"] {
        let servers = json!({"device": device, "ntp": ["10.255.0.1"], "syslog": ["10.255.0.9", "10.255.0.8"]});
        round_trip(&lab, "set_services", servers).await;
    }
    round_trip(&lab, "remove_ospf", json!({"device": "sh-edge-1", "process_id": 1})).await;
    round_trip(&lab, "remove_ospf", json!({"device": "sh-edge-2"})).await;
    round_trip(&lab, "remove_ospf", json!({"device": "sh-core-1"})).await;
    round_trip(&lab, "remove_ospf", json!({"device": "gz-edge-1"})).await;
    let set = json!({"device": "gz-edge-2", "interface": "ge-0/0/1", "ospf_cost": 99, "enabled": false});
    round_trip(&lab, "set_interface", set).await;
    round_trip(
        &lab,
        "set_interface",
        json!({"device": "sh-core-1", "interface": "eth1", "ospf_cost": 12}),
    )
    .await;
}

#[tokio::test]
async fn without_a_process_number_nothing_holds_where_processes_have_numbers() {
    let lab = Lab::start(&["sh-edge-1", "sh-core-1"]).await;
    let contract = &contracts()["config/configure_ospf"];
    // Both run OSPF in area 0 already; only frr has a process without a number.
    for (device, held) in [("sh-edge-1", false), ("sh-core-1", true)] {
        let given = json!({"device": device, "area": "0"});
        let state = probe(&lab, contract, &given).await;
        let scope = json!({"args": given, "state": state});
        assert_eq!(eval(&contract["holds"], scope), json!(held), "{device}: {state}");
        let preview = lab.reply("preview_ospf", given, json!({})).await;
        assert_eq!(preview.is_error, !held, "{}", preview.content);
    }
}

#[tokio::test]
async fn lines_that_are_not_understood_hold_by_the_base_that_their_own_answer_names() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let lines = json!(["snmp-server location x"]);
    for (tool, edit, given) in [
        (
            "apply_lines",
            "router ospf 8",
            json!({"device": "bj-core-1", "lines": lines}),
        ),
        (
            "batch_configure_devices",
            "router ospf 9",
            json!({"device_ips": ["bj-core-1"], "commands": ["snmp-server location y"]}),
        ),
    ] {
        let contract = &contracts()[format!("config/{tool}")];
        let before = probe(&lab, contract, &given).await;
        let output = lab.ok(tool, given.clone()).await;
        let judged = |state: &Value| {
            let scope = json!({"args": given, "before": before, "state": state, "output": output});
            eval(&contract["holds"], scope)
        };
        assert_eq!(judged(&before), json!(false), "{tool}");
        assert_eq!(
            judged(&probe(&lab, contract, &given).await),
            json!(true),
            "{tool}: {output}"
        );
        lab.ok("apply_lines", json!({"device": "bj-core-1", "lines": [edit]}))
            .await;
        assert_eq!(judged(&probe(&lab, contract, &given).await), json!(false), "{tool}");
    }
}

#[tokio::test]
async fn a_trial_is_pending_confirmed_and_undone_as_its_contract_says() {
    let lab = Lab::start(&["gz-edge-1", "gz-edge-2"]).await;
    let contract = &contracts()["config/commit_confirmed"];
    let given = json!({"device": "gz-edge-1", "lines": ["set interfaces ge-0/0/1 mtu 1400"]});
    let lease = json!({"id": "sha256:00ff", "seconds": 60});
    let meta = json!({"io.flyball/lease": lease});
    let preview_args = args(&contract["preview"]["args"], &json!({"args": given}));
    let preview = lab.ok("preview_commit", preview_args).await;
    let before = probe(&lab, contract, &given).await;
    let scope =
        |state: &Value| json!({"args": given, "before": before, "state": state, "preview": preview, "lease": lease});
    assert_eq!(eval(&contract["holds"], scope(&before)), json!(false));
    for (phase, pending) in [("prepare", false), ("do", true), ("extend", true), ("confirm", false)] {
        let (tool, with) = match contract.get(phase) {
            Some(call) => (local(&call["tool"]), args(&call["args"], &scope(&before))),
            None => ("commit_confirmed", given.clone()),
        };
        let reply = lab.reply(tool, with, meta.clone()).await;
        assert!(!reply.is_error, "{phase}: {}", reply.content);
        let output = json!({"args": given, "output": reply.content});
        assert_eq!(eval(&contract["fails_when"], output), json!(false), "{phase}");
        let state = probe(&lab, contract, &given).await;
        assert_eq!(
            eval(&contract["holds"], scope(&state)),
            json!(phase != "prepare"),
            "{phase}"
        );
        let read = lab
            .ok("get_commit", args(&contract["probe"]["args"], &scope(&before)))
            .await;
        let shown = json!({"output": read, "lease": lease});
        assert_eq!(
            eval(&contract["probe"]["pending"], shown),
            json!(pending),
            "{phase}: {read}"
        );
    }
    let undo = &contract["undo"][0];
    lab.ok(local(&undo["tool"]), args(&undo["args"], &scope(&before))).await;
    assert_eq!(probe(&lab, contract, &given).await, before);
}

#[tokio::test]
async fn a_copy_is_kept_compared_and_gone_back_to_as_its_contracts_say() {
    let lab = Lab::start(&["bj-core-1", "bj-core-2", "sh-core-1", "gz-edge-1"]).await;
    for (device, lines) in [
        (
            "bj-core-1",
            json!([
                "interface GigabitEthernet0/0",
                "description x",
                "exit",
                "ntp server 10.0.0.1"
            ]),
        ),
        ("bj-core-2", json!(["interface MEth0/0/0", "description x"])),
        ("sh-core-1", json!(["router ospf", "network 10.9.0.0/30 area 0"])),
        (
            "gz-edge-1",
            json!(["set interfaces fxp0 description x", "set system ntp server 10.0.0.1"]),
        ),
    ] {
        let one = json!({"device": device, "name": "golden"});
        lab.ok("keep_config", one.clone()).await;
        let golden = lab.text(device, "running").await;
        assert_eq!(lab.ok("compare_kept", one.clone()).await["same"], true);
        lab.ok("apply_lines", json!({"device": device, "lines": lines})).await;
        round_trip(&lab, "restore_kept", one.clone()).await;
        lab.ok("restore_kept", one).await;
        assert_eq!(lab.text(device, "running").await, golden, "{device}");
    }
}

#[tokio::test]
async fn a_name_that_stood_for_another_copy_does_so_again_after_the_undo() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let contract = &contracts()["config/keep_config"];
    let given = json!({"device": "bj-core-1", "name": "golden"});
    let state = || async {
        let output = lab.ok("get_kept", json!({"device": "bj-core-1"})).await;
        eval(&contract["probe"]["select"], json!({"output": output, "args": given}))
    };
    let undo = |before: Value| {
        let scope = json!({"args": given, "before": before});
        let undos = contract["undo"].as_array().unwrap();
        let fits = |undo: &&Value| {
            undo.get("when")
                .is_none_or(|when| eval(when, scope.clone()) == json!(true))
        };
        let undo = undos.iter().find(fits).unwrap();
        (local(&undo["tool"]).to_owned(), args(&undo["args"], &scope))
    };
    let before = state().await;
    lab.ok("keep_config", given.clone()).await;
    assert_eq!(
        eval(&contract["holds"], json!({"args": given, "state": state().await})),
        json!(true)
    );
    let lines = json!(["interface GigabitEthernet0/0", "description x"]);
    lab.ok("apply_lines", json!({"device": "bj-core-1", "lines": lines}))
        .await;
    let between = state().await;
    assert_eq!(
        eval(&contract["holds"], json!({"args": given, "state": between})),
        json!(false)
    );
    lab.ok("keep_config", given.clone()).await;
    let (tool, with) = undo(between.clone());
    lab.ok(&tool, with).await;
    assert_eq!(state().await, between);
    let (tool, with) = undo(before.clone());
    assert_eq!(tool, "drop_kept");
    lab.ok(&tool, with).await;
    assert_eq!(state().await, before);
}

#[tokio::test]
async fn saving_holds_when_saved_as_read_or_where_nothing_is_shown_as_answered() {
    let lab = Lab::start(&["bj-core-1", "sh-core-1"]).await;
    let contract = &contracts()["config/save"];
    let holds = |state: &Value, output: &Value| eval(&contract["holds"], json!({"state": state, "output": output}));
    for (device, interface, unsaved, saved) in [
        ("bj-core-1", "Loopback0", "no", "yes"),
        ("sh-core-1", "lo", "unknown", "unknown"),
    ] {
        let given = json!({"device": device});
        let change = json!({"device": device, "interface": interface, "description": "x"});
        lab.ok("set_interface", change).await;
        let state = probe(&lab, contract, &given).await;
        assert_eq!(state, json!({"saved": unsaved}), "{device}");
        assert_eq!(holds(&state, &json!({"saved": false})), json!(false), "{device}");
        let output = lab.ok("save", given.clone()).await;
        assert_eq!(eval(&contract["fails_when"], json!({"output": output})), json!(false));
        let state = probe(&lab, contract, &given).await;
        assert_eq!(state, json!({"saved": saved}), "{device}");
        assert_eq!(holds(&state, &output), json!(true), "{device}");
    }
}

#[tokio::test]
async fn what_is_said_to_refuse_calls_past_their_time_does() {
    let lab = Lab::start(&["bj-core-1", "gz-edge-1"]).await;
    lab.ok("keep_config", json!({"device": "bj-core-1", "name": "golden"}))
        .await;
    let (ios, junos) = (json!("bj-core-1"), json!("gz-edge-1"));
    let lines = json!({"device": ios, "lines": ["router ospf 9"]});
    let trial = json!({"device": junos, "lines": ["set interfaces lo0 description x"]});
    let lease = json!({"device": junos, "lease": "l-1"});
    let calls = BTreeMap::from([
        ("configure_ospf", json!({"device": ios, "process_id": 1, "area": "0"})),
        ("remove_ospf", json!({"device": ios, "process_id": 1})),
        (
            "set_interface",
            json!({"device": ios, "interface": "GigabitEthernet0/1", "ospf_cost": 50}),
        ),
        ("apply_lines", lines),
        (
            "batch_configure_devices",
            json!({"device_ips": [ios], "commands": ["router ospf 9"]}),
        ),
        ("set_services", json!({"device": ios, "ntp": ["10.0.0.1"]})),
        ("keep_config", json!({"device": ios, "name": "latest"})),
        ("restore_kept", json!({"device": ios, "name": "golden"})),
        ("drop_kept", json!({"device": ios, "name": "golden"})),
        ("save", json!({"device": ios})),
        ("prepare_commit", trial.clone()),
        ("commit_confirmed", trial),
        ("confirm_commit", lease.clone()),
        ("extend_commit", lease.clone()),
        ("cancel_commit", lease),
    ]);
    let contracts = contracts();
    let contracts = contracts.as_object().unwrap().iter();
    let said = contracts.filter(|(_, c)| c["refuses_stale"] == true);
    let said: BTreeSet<&str> = said.map(|(name, _)| name.trim_start_matches("config/")).collect();
    assert_eq!(said, calls.keys().copied().collect());
    for (tool, args) in calls {
        let meta = json!({"io.flyball/send_by": 1_000, "io.flyball/lease": {"id": "l-1", "seconds": 60}});
        let reply = lab.reply(tool, args, meta).await;
        assert!(
            reply.is_error && reply.content.to_string().contains("too late"),
            "{tool}: {}",
            reply.content
        );
    }
    assert!(lab.executed("bj-core-1").await.is_empty() && lab.executed("gz-edge-1").await.is_empty());
}
