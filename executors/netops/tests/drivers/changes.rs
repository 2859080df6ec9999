//! Changes, their previews, and the way back.

use serde_json::{Value, json};

use crate::kit::{Lab, strings};

/// One device of each dialect with a data interface.
const DEVICES: [(&str, &str); 4] = [
    ("bj-core-1", "GigabitEthernet0/1"),
    ("bj-core-2", "GigabitEthernet0/0/1"),
    ("sh-core-1", "eth1"),
    ("gz-edge-1", "ge-0/0/1"),
];

/// Those on which each line takes effect as it is typed.
fn live() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEVICES.into_iter().filter(|(device, _)| !device.starts_with("gz"))
}

async fn there_and_back(lab: &Lab, device: &str, preview: (&str, Value), apply: &str) {
    let before = lab.text(device, "running").await;
    let previewed = lab.ok(preview.0, preview.1.clone()).await;
    assert_eq!(previewed["unchanged"], false, "{previewed}");
    assert_eq!(previewed["irreversible"], json!([]), "{previewed}");
    assert_eq!(lab.text(device, "running").await, before, "a preview changes nothing");

    let meta = json!({"io.flyball/expect_base": previewed["base"]});
    let reply = lab.reply(apply, preview.1.clone(), meta).await;
    assert!(!reply.is_error, "{apply}: {}", reply.content);
    assert_eq!(reply.content["changed"], true);
    assert_eq!(reply.content["sent"], previewed["lines"].as_array().unwrap().len());
    assert_ne!(reply.content["base"], previewed["base"]);

    let again = lab.ok(preview.0, preview.1.clone()).await;
    assert_eq!(again["unchanged"], true, "{again}");
    assert_eq!(
        lab.ok(apply, preview.1).await["sent"],
        0,
        "what is there already is not sent again"
    );

    let undone = lab
        .ok("apply_lines", json!({"device": device, "lines": previewed["reverse"]}))
        .await;
    assert_eq!(undone["base"], previewed["base"], "{previewed}");
    assert_eq!(lab.text(device, "running").await, before);
}

#[tokio::test]
async fn interfaces_are_set_and_set_back_on_each_platform() {
    let lab = Lab::start(&[]).await;
    for (device, interface) in DEVICES {
        let mut args = json!({"device": device, "interface": interface, "description": "to the other one", "ospf_cost": 50, "enabled": false});
        if device != "sh-core-1" {
            args["mtu"] = 1400.into();
        }
        there_and_back(&lab, device, ("preview_interface", args), "set_interface").await;
    }
}

#[tokio::test]
async fn an_interface_shows_what_was_set() {
    let lab = Lab::start(&[]).await;
    for (device, interface) in DEVICES {
        let args = json!({"device": device, "interface": interface, "ospf_cost": 77, "description": "d"});
        lab.ok("set_interface", args).await;
        let read = lab
            .ok("get_interface", json!({"device": device, "interface": interface}))
            .await;
        assert_eq!(
            (&read["ospf_cost"], &read["description"]),
            (&json!(77), &json!("d")),
            "{read}"
        );
        assert_eq!(read["enabled"], true);
        assert!(read["address"].as_str().unwrap().ends_with("/30"), "{read}");
        assert!(read["base"].as_str().unwrap().starts_with("sha256:"));
    }
}

#[tokio::test]
async fn ospf_is_configured_and_taken_back_on_ios_and_vrp() {
    let lab = Lab::start(&[]).await;
    for device in ["bj-core-1", "bj-core-2"] {
        let args = json!({"device": device, "area": "0", "process_id": 100, "router_id": "10.255.1.9"});
        there_and_back(&lab, device, ("preview_ospf", args.clone()), "configure_ospf").await;

        lab.ok("configure_ospf", args).await;
        let state = lab.ok("get_ospf", json!({"device": device})).await;
        let process = &state["processes"][0];
        assert_eq!(
            (&process["id"], &process["areas"]),
            (&json!(100), &json!(["0.0.0.0"])),
            "{state}"
        );
        assert_eq!(process["router_id"], "10.255.1.9");
        assert_eq!(
            process["uncovered"],
            json!([]),
            "all links and the loopback are in: {state}"
        );

        let before = lab.text(device, "running").await;
        let preview = lab.ok("preview_remove_ospf", json!({"device": device})).await;
        lab.ok("remove_ospf", json!({"device": device, "process_id": 100}))
            .await;
        assert_eq!(
            lab.ok("get_ospf", json!({"device": device})).await["processes"],
            json!([])
        );
        assert_eq!(lab.ok("remove_ospf", json!({"device": device})).await["changed"], false);
        lab.ok("apply_lines", json!({"device": device, "lines": preview["reverse"]}))
            .await;
        assert_eq!(lab.text(device, "running").await, before, "{preview}");
    }
}

#[tokio::test]
async fn ospf_on_frr_has_no_process_number() {
    let lab = Lab::start(&[]).await;
    let refused = lab
        .err(
            "configure_ospf",
            json!({"device": "sh-core-1", "area": "0", "process_id": 1}),
        )
        .await;
    assert!(refused["error"].as_str().unwrap().contains("process_id"), "{refused}");
    let refused = lab
        .err("configure_ospf", json!({"device": "bj-core-1", "area": "0"}))
        .await;
    assert!(
        refused["error"].as_str().unwrap().contains("process_id is needed"),
        "{refused}"
    );

    let before = lab.text("sh-core-1", "running").await;
    let preview = lab.ok("preview_remove_ospf", json!({"device": "sh-core-1"})).await;
    lab.ok("remove_ospf", json!({"device": "sh-core-1"})).await;
    let args = json!({"device": "sh-core-1", "area": "0.0.0.0"});
    there_and_back(&lab, "sh-core-1", ("preview_ospf", args), "configure_ospf").await;
    lab.ok(
        "apply_lines",
        json!({"device": "sh-core-1", "lines": preview["reverse"]}),
    )
    .await;
    assert_eq!(lab.text("sh-core-1", "running").await, before);
}

#[tokio::test]
async fn ospf_on_junos_is_said_on_the_interfaces() {
    let lab = Lab::start(&["gz-edge-1", "gz-edge-2"]).await;
    let before = lab.text("gz-edge-1", "running").await;
    let state = lab.ok("get_ospf", json!({"device": "gz-edge-1"})).await;
    assert_eq!(state["processes"][0]["areas"], json!(["0.0.0.0"]), "{state}");
    assert_eq!(state["processes"][0]["uncovered"], json!([]), "{state}");
    let neighbors = lab.ok("ospf_neighbors", json!({"device": "gz-edge-1"})).await;
    assert_eq!(neighbors["neighbors"][0]["state"], "Full", "{neighbors}");
    assert_eq!(neighbors["neighbors"][0]["interface"], "ge-0/0/1");

    let preview = lab.ok("preview_remove_ospf", json!({"device": "gz-edge-1"})).await;
    lab.ok("remove_ospf", json!({"device": "gz-edge-1"})).await;
    assert_eq!(
        lab.ok("get_ospf", json!({"device": "gz-edge-1"})).await["processes"],
        json!([])
    );
    let costly = json!({"device": "gz-edge-1", "interface": "ge-0/0/1", "ospf_cost": 5});
    let refused = lab.err("set_interface", costly).await;
    assert!(refused["error"].as_str().unwrap().contains("no OSPF area"), "{refused}");
    let args = json!({"device": "gz-edge-1", "area": "0", "router_id": "10.255.3.9"});
    there_and_back(&lab, "gz-edge-1", ("preview_ospf", args), "configure_ospf").await;
    lab.ok(
        "apply_lines",
        json!({"device": "gz-edge-1", "lines": preview["reverse"]}),
    )
    .await;
    assert_eq!(lab.text("gz-edge-1", "running").await, before);
}

#[tokio::test]
async fn raw_lines_are_foreseen_and_taken_back() {
    let lab = Lab::start(&[]).await;
    let cases = [
        (
            "bj-core-1",
            json!([
                "int gi0/1",
                "desc raw",
                "ip ospf cost 20",
                "ip ospf cost 30",
                "shut",
                "exit",
                "router ospf 7",
                "network 10.0.0.0 0.255.255.255 area 3"
            ]),
        ),
        (
            "bj-core-2",
            json!([
                "interface GigabitEthernet0/0/1",
                "description raw",
                "ospf cost 20",
                "shutdown",
                "quit",
                "ospf 7",
                "area 0.0.0.3",
                "network 10.0.0.0 0.255.255.255",
                "quit",
                "quit"
            ]),
        ),
        (
            "sh-core-1",
            json!([
                "interface eth1",
                "description raw",
                "ip ospf cost 20",
                "shutdown",
                "exit"
            ]),
        ),
        (
            "gz-edge-1",
            json!([
                "set interfaces ge-0/0/1 description \"raw one\"",
                "delete protocols ospf area 0 interface lo0.0",
                "set protocols ospf area 3 interface lo0.0 metric 20",
                "set protocols ospf area 3 interface lo0.0 metric 30",
                "set snmp community x authorization read-only",
                "set system ntp server 10.0.0.1"
            ]),
        ),
    ];
    for (device, lines) in cases {
        let args = json!({"device": device, "lines": lines});
        there_and_back(&lab, device, ("preview_lines", args), "apply_lines").await;
    }
}

#[tokio::test]
async fn a_line_that_is_not_understood_has_no_way_back() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let args = json!({"device": "bj-core-1", "lines": ["banner motd x"]});
    let preview = lab.ok("preview_lines", args).await;
    assert_eq!(preview["irreversible"], json!(["banner motd x"]));
    assert_eq!(preview["unchanged"], false);
}

#[tokio::test]
async fn the_first_refused_line_stops_the_rest_and_is_told() {
    let lab = Lab::start(&[]).await;
    for (device, interface) in live() {
        let cost = if device == "bj-core-2" {
            "ospf cost"
        } else {
            "ip ospf cost"
        };
        let lines = json!([
            format!("interface {interface}"),
            format!("{cost} 40"),
            "flurb the network",
            "description never"
        ]);
        let result = lab.err("apply_lines", json!({"device": device, "lines": lines})).await;
        assert_eq!(
            (&result["sent"], &result["changed"]),
            (&json!(3), &json!(true)),
            "{result}"
        );
        assert_eq!(result["refused"]["line"], "flurb the network");
        assert_eq!(result["lines"][1], json!({"line": format!("{cost} 40"), "ok": true}));
        assert!(!lab.text(device, "running").await.contains("never"));
        assert!(result["base"].is_string(), "{result}");
        let after = lab
            .ok("get_interface", json!({"device": device, "interface": interface}))
            .await;
        assert_eq!((&after["ospf_cost"], &after["base"]), (&json!(40), &result["base"]));
    }
}

#[tokio::test]
async fn the_drafts_own_lines_are_refused_by_frr_and_said_so() {
    let lab = Lab::start(&[]).await;
    let commands = json!(["router ospf 100", "network 192.168.0.0 0.0.255.255 area 0"]);
    let result = lab
        .err(
            "batch_configure_devices",
            json!({"device_ips": ["127.0.10.11"], "commands": commands}),
        )
        .await;
    assert_eq!(result["success"], false);
    assert_eq!(result["results"][0]["refused"]["line"], "router ospf 100", "{result}");
    assert_eq!(result["results"][0]["changed"], false);
}

#[tokio::test]
async fn an_empty_process_opened_on_the_way_to_a_refused_line_is_taken_back() {
    let lab = Lab::start(&["bj-core-1", "bj-core-2", "bj-edge-2"]).await;
    lab.ok("remove_ospf", json!({"device": "bj-edge-2"})).await;
    for (device, open, back) in [
        ("bj-core-1", json!(["router ospf 7", "flurb"]), "no router ospf 7"),
        ("bj-core-2", json!(["ospf 7", "area 0.0.0.0", "flurb"]), "undo ospf 7"),
        ("bj-edge-2", json!(["router ospf", "flurb"]), "no router ospf"),
    ] {
        let before = lab.text(device, "running").await;
        let args = json!({"device": device, "lines": open});
        let result = lab.err("apply_lines", args).await;
        assert_eq!(result["taken_back"], json!([back]), "{result}");
        assert_eq!(result["changed"], false, "{result}");
        assert_eq!(lab.text(device, "running").await, before, "{device}");
    }
}

#[tokio::test]
async fn a_batch_reports_each_device_and_each_line() {
    let lab = Lab::start(&["bj-core-1", "bj-core-2", "bj-core-3"]).await;
    let args = json!({"device_ips": ["127.0.10.1", "bj-core-3", "bj-core-2"], "commands": ["router ospf 100", "network 10.0.0.0 0.255.255.255 area 0"]});
    let result = lab.err("batch_configure_devices", args).await;
    let by_device: Vec<_> = result["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["device"].as_str().unwrap(), r["changed"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        by_device,
        [("bj-core-1", true), ("bj-core-3", true), ("bj-core-2", false)],
        "{result}"
    );
    assert_eq!(result["results"][2]["refused"]["line"], "router ospf 100");
    let wrong = lab
        .err(
            "batch_configure_devices",
            json!({"device_ips": ["127.0.10.1"], "command": ["router ospf 1"]}),
        )
        .await;
    assert!(wrong["error"].as_str().unwrap().contains("commands"), "{wrong}");
}

#[tokio::test]
async fn saving_is_believed_when_read_back_or_where_nothing_is_shown_when_confirmed() {
    let lab = Lab::start(&[]).await;
    for (device, interface) in live() {
        let shows_startup = device != "sh-core-1";
        let shown = |saved: bool| if shows_startup { json!(saved) } else { Value::Null };
        let saved = lab.ok("get_config", json!({"device": device})).await["saved"].clone();
        assert_eq!(saved, shown(true), "{device}");
        lab.ok(
            "set_interface",
            json!({"device": device, "interface": interface, "ospf_cost": 33}),
        )
        .await;
        let saved = lab.ok("get_config", json!({"device": device})).await["saved"].clone();
        assert_eq!(saved, shown(false), "{device}");
        lab.ask(json!({"cmd": "fault", "device": device, "kind": "fail_save"}))
            .await;
        let failed = lab.err("save", json!({"device": device})).await;
        assert_eq!(
            (&failed["saved"], &failed["differs"]),
            (&json!(false), &json!(true)),
            "{failed}"
        );
        assert!(failed["message"].is_string(), "{failed}");
        let saved = lab.ok("save", json!({"device": device})).await;
        assert_eq!(
            (&saved["saved"], &saved["differs"], &saved["read_back"]),
            (&json!(true), &json!(false), &json!(shows_startup))
        );
        let saved = lab.ok("get_config", json!({"device": device})).await["saved"].clone();
        assert_eq!(saved, shown(true), "{device}: what was confirmed once is no reading");
        if !shows_startup {
            continue;
        }
        let startup = lab
            .ok("get_config", json!({"device": device, "which": "startup"}))
            .await;
        assert!(startup["config"].as_str().unwrap().contains("33"), "{startup}");
    }
}

#[tokio::test]
async fn previews_show_the_native_lines() {
    let lab = Lab::start(&[]).await;
    let args = json!({"device": "bj-core-1", "interface": "GigabitEthernet0/1", "ospf_cost": 50});
    let preview = lab.ok("preview_interface", args).await;
    assert_eq!(
        strings(&preview["lines"]),
        ["interface GigabitEthernet0/1", "ip ospf cost 50", "exit"]
    );
    assert_eq!(
        strings(&preview["reverse"]),
        ["interface GigabitEthernet0/1", "no ip ospf cost", "exit"]
    );
    assert_eq!(preview["platform"], "ios");
}
