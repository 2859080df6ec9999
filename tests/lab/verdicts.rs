//! The same calls on real FRR and on the sandbox, one table for both.

use flyball_netops::sandbox::control;
use serde_json::{Value, json};

use crate::net::{Net, Verdict};
use crate::routers::Routers;

/// A call, and what both networks must answer at least.
type Row = (&'static str, Value, Value);

const NOT_POSSIBLE: &str = "not possible here";

/// Calls each row on both networks; the verdicts must equal one another and contain what the row expects.
async fn same_verdicts(real: &Net, sandbox: &Net, table: &[Row]) {
    for (tool, args, expected) in table {
        let (one, other) = (
            real.ask(tool, args.clone()).await,
            sandbox.ask(tool, args.clone()).await,
        );
        let (one, other) = (comparable(one), comparable(other));
        assert!(
            contains(&one.content, expected),
            "FRR: {tool} {args}: {}\nwanted {expected}",
            one.content
        );
        assert_eq!(one, other, "{tool} {args}: left is FRR, right the sandbox");
    }
}

/// Without what may differ between networks that agree: digests, and how many echoes it took.
fn comparable(mut verdict: Verdict) -> Verdict {
    if let Value::Object(map) = &mut verdict.content {
        map.remove("base");
        if map.contains_key("loss") {
            map.retain(|key, _| !matches!(key.as_str(), "sent" | "received"));
        }
    }
    verdict
}

fn contains(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|f| contains(f, value))),
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| contains(f, e))
        }
        _ => found == expected,
    }
}

fn neighbor(part: &str) -> Value {
    let ip = format!("<{part}.one.ip>");
    json!({"id": format!("<{part}.lo>"), "state": "Full", "address": ip, "interface": format!("<one.{part}>")})
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn the_state_of_a_router_reads_the_same() {
    let Some(routers) = Routers::fresh().await else { return };
    let (real, (sandbox, ..)) = (Net::real(&routers).await, &Net::sandbox().await);
    sandbox.until_full(&[("<one>", 3), ("<two>", 3)]).await;
    for net in [&real, sandbox] {
        net.until_reachable().await;
    }
    let one = || json!({"device": "<one>"});
    let up = |name: &str| json!({"name": name, "admin_up": true, "up": true});
    let ospf = json!({"processes": [{"areas": ["0.0.0.0"], "router_id": "<one.lo>", "uncovered": [],
        "interface_names": ["<one.left>", "<one.right>", "<one.two>", "lo"]}]});
    same_verdicts(
        &real,
        sandbox,
        &[
            ("get_ospf", one(), ospf),
            (
                "ospf_neighbors",
                one(),
                json!({"neighbors": [neighbor("left"), neighbor("right"), neighbor("two")]}),
            ),
            (
                "interface_status",
                one(),
                json!({"interfaces": [up("<one.left>"), up("<one.right>"), up("<one.two>"), up("lo"), up("mgmt0")]}),
            ),
            (
                "interface_status",
                json!({"device": "<one>", "interface": "<one.two>"}),
                json!({"interfaces": [up("<one.two>")]}),
            ),
            (
                "interface_status",
                json!({"device": "<one>", "interface": "nope0"}),
                json!({"refused": NOT_POSSIBLE}),
            ),
            (
                "reachability",
                json!({}),
                json!({"reachable_share": 1.0, "pairs": 12, "unreachable": []}),
            ),
            (
                "ping",
                json!({"device": "<one>", "target": "<right>"}),
                json!({"loss": 0.0}),
            ),
            (
                "ping",
                json!({"device": "<one>", "target": "10.99.99.99"}),
                json!({"loss": 1.0}),
            ),
            (
                "check_device_status",
                json!({"device_ip": "<one.mgmt>"}),
                json!({"unsupported": ["cpu", "memory"]}),
            ),
            (
                "ospf_neighbors",
                json!({"device": "<one>", "process_id": 1}),
                json!({"refused": NOT_POSSIBLE}),
            ),
        ],
    )
    .await;
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn ospf_is_taken_away_and_configured_with_the_same_verdicts() {
    let Some(routers) = Routers::fresh().await else { return };
    let (real, (sandbox, ..)) = (Net::real(&routers).await, &Net::sandbox().await);
    let one = || json!({"device": "<one>"});
    let link = |area: &str| json!({"device": "<one>", "area": area, "interfaces": ["<one.two>"]});
    let lines = json!({"lines": ["router ospf", "network <one.two.net> area 0.0.0.0", "exit"], "reverse": ["no router ospf"],
        "irreversible": [], "unchanged": false});
    let mut before = Vec::new();
    for net in [&real, sandbox] {
        let back = net.ok("preview_remove_ospf", one()).await;
        before.push((net, back["base"].clone(), back["reverse"].clone()));
    }
    same_verdicts(
        &real,
        sandbox,
        &[
            (
                "configure_ospf",
                json!({"device": "<one>", "area": "0", "process_id": 100}),
                json!({"refused": NOT_POSSIBLE}),
            ),
            (
                "remove_ospf",
                json!({"device": "<one>", "process_id": 100}),
                json!({"refused": NOT_POSSIBLE}),
            ),
            (
                "remove_ospf",
                one(),
                json!({"changed": true, "sent": 1, "lines": [{"line": "no router ospf", "ok": true}]}),
            ),
            ("remove_ospf", one(), json!({"changed": false, "sent": 0})),
            ("get_ospf", one(), json!({"processes": []})),
            ("ospf_neighbors", one(), json!({"neighbors": []})),
            ("preview_ospf", link("0"), lines),
            ("configure_ospf", link("0"), json!({"changed": true, "sent": 3})),
            ("configure_ospf", link("0.0.0.0"), json!({"changed": false, "sent": 0})),
            ("configure_ospf", link("1"), json!({"refused": NOT_POSSIBLE})),
            (
                "get_ospf",
                one(),
                json!({"processes": [{"areas": ["0.0.0.0"], "interface_names": ["<one.two>"]}]}),
            ),
            (
                "preview_ospf",
                json!({"device": "<one>", "area": "0"}),
                json!({"unchanged": false}),
            ),
            (
                "configure_ospf",
                json!({"device": "<one>", "area": "0"}),
                json!({"changed": true, "sent": 5}),
            ),
            ("get_ospf", one(), json!({"processes": [{"uncovered": []}]})),
            ("remove_ospf", one(), json!({"changed": true})),
        ],
    )
    .await;
    for (net, base, reverse) in before {
        net.ok("apply_lines", json!({"device": "<one>", "lines": reverse}))
            .await;
        assert_eq!(net.base("<one>").await, base, "{}: {reverse}", net.name);
        net.until_full(&[("<one>", 3)]).await;
    }
}

#[tokio::test]
async fn an_interface_is_set_and_set_back_with_the_same_verdicts() {
    let Some(routers) = Routers::fresh().await else { return };
    let (real, (sandbox, ..)) = (Net::real(&routers).await, &Net::sandbox().await);
    let start = json!({"device": "<one>", "interface": "<one.two>", "description": "old", "ospf_cost": 20});
    let wanted = json!({"device": "<one>", "interface": "<one.two>", "description": "new words", "ospf_cost": 50, "enabled": false});
    for net in [&real, sandbox] {
        net.ok("set_interface", start.clone()).await;
    }
    let bases = (real.base("<one>").await, sandbox.base("<one>").await);
    let reverse = [
        "interface <one.two>",
        "no shutdown",
        "description old",
        "ip ospf cost 20",
        "exit",
    ];
    same_verdicts(&real, sandbox, &[
        ("preview_interface", wanted.clone(), json!({"unchanged": false, "irreversible": [],
            "lines": ["interface <one.two>", "description new words", "ip ospf cost 50", "shutdown", "exit"], "reverse": reverse})),
        ("set_interface", wanted.clone(), json!({"changed": true, "sent": 5})),
        ("set_interface", wanted, json!({"changed": false, "sent": 0})),
        ("get_interface", json!({"device": "<one>", "interface": "<one.two>"}),
            json!({"description": "new words", "ospf_cost": 50, "enabled": false})),
        ("interface_status", json!({"device": "<one>", "interface": "<one.two>"}),
            json!({"interfaces": [{"admin_up": false, "up": false}]})),
        ("apply_lines", json!({"device": "<one>", "lines": reverse}), json!({"changed": true, "sent": 5})),
        ("interface_status", json!({"device": "<one>", "interface": "<one.two>"}),
            json!({"interfaces": [{"admin_up": true, "up": true}]})),
    ])
    .await;
    assert_eq!((real.base("<one>").await, sandbox.base("<one>").await), bases);
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn what_is_refused_is_refused_in_both_and_changes_nothing() {
    let Some(routers) = Routers::fresh().await else { return };
    let (real, (sandbox, ..)) = (Net::real(&routers).await, &Net::sandbox().await);
    let bases = (real.base("<one>").await, sandbox.base("<one>").await);
    let lines = |lines: &[&str]| json!({"device": "<one>", "lines": lines});
    let set = |more: Value| {
        let mut args = json!({"device": "<one>", "interface": "<one.two>"});
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    same_verdicts(
        &real,
        sandbox,
        &[
            (
                "set_interface",
                set(json!({"interface": "nope0", "description": "x"})),
                json!({"refused": NOT_POSSIBLE}),
            ),
            (
                "apply_lines",
                lines(&["interface nope0", "description x"]),
                json!({"refused": NOT_POSSIBLE}),
            ),
            (
                "set_interface",
                set(json!({"mtu": 1400})),
                json!({"refused": NOT_POSSIBLE}),
            ),
            (
                "set_interface",
                set(json!({"interface": "mgmt0", "enabled": false})),
                json!({"refused": "denied"}),
            ),
            (
                "apply_lines",
                lines(&["hostname x"]),
                json!({"refused": "denied", "line": "hostname x"}),
            ),
            ("apply_lines", lines(&["do write memory"]), json!({"refused": "denied"})),
            (
                "apply_lines",
                lines(&["router ospf 100"]),
                json!({"sent": 1, "changed": false,
            "refused": {"line": "router ospf 100", "message": "% OSPF is not running in instance mode"}}),
            ),
            (
                "apply_lines",
                lines(&["router ospf", "network 192.168.0.0 0.0.255.255 area 0"]),
                json!({"sent": 2, "changed": false,
            "refused": {"line": "network 192.168.0.0 0.0.255.255 area 0",
                "message": "% Unknown command: network 192.168.0.0 0.0.255.255 area 0"}}),
            ),
            (
                "apply_lines",
                lines(&["interface <one.two>", "ip ospf cost 0"]),
                json!({"sent": 2, "changed": false,
            "refused": {"line": "ip ospf cost 0"}}),
            ),
            (
                "apply_lines",
                lines(&["interface <one.two>", "ip ospf"]),
                json!({"refused": {"message": "% Command incomplete: ip ospf"}}),
            ),
            (
                "apply_lines",
                lines(&["interface <one.two>", "ip ospf area 0"]),
                json!({"changed": false, "sent": 2}),
            ),
        ],
    )
    .await;
    assert_eq!((real.base("<one>").await, sandbox.base("<one>").await), bases);
}

#[tokio::test]
async fn an_interface_that_somebody_only_wrote_about_is_still_none() {
    let Some(routers) = Routers::fresh().await else { return };
    let (real, (sandbox, there, _dir)) = (Net::real(&routers).await, &Net::sandbox().await);
    let phantom = ["interface nope0", "description nothing is there"];
    routers.edit("core1", &phantom);
    let edit = json!({"cmd": "edit", "device": "sh-core-1", "lines": phantom});
    assert_eq!(control::ask(&there.control_socket(), &edit).await.unwrap()["ok"], true);
    let nope = |more: Value| {
        let mut args = json!({"device": "<one>", "interface": "nope0"});
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        args
    };
    same_verdicts(
        &real,
        sandbox,
        &[
            (
                "set_interface",
                nope(json!({"description": "x"})),
                json!({"refused": NOT_POSSIBLE}),
            ),
            ("get_interface", nope(json!({})), json!({"refused": NOT_POSSIBLE})),
            ("interface_status", nope(json!({})), json!({"refused": NOT_POSSIBLE})),
            (
                "apply_lines",
                json!({"device": "<one>", "lines": phantom}),
                json!({"refused": NOT_POSSIBLE}),
            ),
            (
                "configure_ospf",
                json!({"device": "<one>", "area": "0", "interfaces": ["nope0"]}),
                json!({"refused": NOT_POSSIBLE}),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_dead_ospf_daemon_is_no_evidence_that_there_is_no_ospf() {
    let Some(routers) = Routers::fresh().await else { return };
    let net = Net::real(&routers).await;
    let left = || json!({"device": "<left>"});
    routers.fault(&["kill-ospfd", "edge1"]);
    // vtysh goes on, and its running configuration says nothing of OSPF any more.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while routers.running("edge1").contains("router ospf") {
        assert!(std::time::Instant::now() < deadline, "the daemon did not end");
    }
    let area = || json!({"device": "<left>", "area": "0"});
    for (tool, args) in [
        ("get_ospf", left()),
        ("ospf_neighbors", left()),
        ("preview_remove_ospf", left()),
        ("remove_ospf", left()),
        ("preview_ospf", area()),
        ("configure_ospf", area()),
    ] {
        let verdict = net.ask(tool, args).await;
        assert!(verdict.is_error, "{tool}: {}", verdict.content);
        let error = verdict.content["error"].as_str().unwrap();
        assert!(error.contains("ospfd is not running"), "{tool}: {error}");
    }
}
