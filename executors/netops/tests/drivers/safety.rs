//! What must not happen, and what must not be called success.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flyball_netops::Role;
use flyball_netops::tools::Toolbox;
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{Lab, object};

const SET: &str = "set_interface";

fn cost(device: &str, cost: u32) -> Value {
    json!({"device": device, "interface": "GigabitEthernet0/1", "ospf_cost": cost})
}

#[tokio::test]
async fn a_change_made_meanwhile_by_somebody_else_stops_ours() {
    let lab = Lab::start(&["bj-core-1", "bj-core-2"]).await;
    let preview = lab.ok("preview_interface", cost("bj-core-1", 50)).await;
    lab.ask(
        json!({"cmd": "edit", "device": "bj-core-1", "lines": ["interface GigabitEthernet0/1", "ip ospf cost 60"]}),
    )
    .await;
    let executed = lab.executed("bj-core-1").await;
    let reply = lab
        .reply(
            SET,
            cost("bj-core-1", 50),
            json!({"io.flyball/expect_base": preview["base"]}),
        )
        .await;
    assert!(reply.is_error);
    assert_eq!(reply.content["refused"], "base moved");
    assert_eq!(reply.content["expected"], preview["base"]);
    assert_ne!(reply.content["found"], preview["base"]);
    assert_eq!(lab.executed("bj-core-1").await, executed, "nothing was sent");
}

#[tokio::test]
async fn a_batch_holds_each_device_to_its_own_base() {
    let lab = Lab::start(&["bj-core-1", "bj-core-3"]).await;
    let base = lab.ok("get_config", json!({"device": "bj-core-1"})).await["base"].clone();
    let args = json!({"device_ips": ["bj-core-1", "bj-core-3"], "commands": ["router ospf 9"]});
    let meta = json!({"io.flyball/expect_base": {"bj-core-1": base, "bj-core-3": "sha256:other"}});
    let reply = lab.reply("batch_configure_devices", args, meta).await;
    assert!(reply.is_error);
    assert_eq!(reply.content["results"][0]["changed"], true, "{}", reply.content);
    assert_eq!(reply.content["results"][1]["fault"]["refused"], "base moved");
    assert!(lab.executed("bj-core-3").await.is_empty());
}

#[tokio::test]
async fn a_call_past_its_time_sends_nothing() {
    let lab = Lab::start(&["bj-core-1"]).await;
    for tool in [SET, "save"] {
        let args = if tool == SET {
            cost("bj-core-1", 50)
        } else {
            json!({"device": "bj-core-1"})
        };
        let reply = lab.reply(tool, args, json!({"io.flyball/send_by": 1_000})).await;
        assert!(reply.is_error);
        assert_eq!(reply.content["refused"], "too late");
    }
    let reply = lab
        .reply(SET, cost("bj-core-1", 50), json!({"io.flyball/send_by": "soon"}))
        .await;
    assert!(reply.is_error, "a fence that cannot be read is closed");
    assert!(lab.executed("bj-core-1").await.is_empty());
}

#[tokio::test]
async fn an_engine_that_was_taken_over_from_sends_nothing() {
    let lab = Lab::start(&["bj-core-1", "bj-core-2", "gz-edge-1"]).await;
    let epoch = |epoch: Value| json!({"io.flyball/intent": "one", "io.flyball/epoch": epoch, "io.flyball/lease": {"id": "k", "seconds": 60}});
    let first = lab.reply(SET, cost("bj-core-1", 50), epoch(7.into())).await;
    assert!(!first.is_error, "{}", first.content);
    let executed = lab.executed("bj-core-1").await;
    let lines = json!({"device": "bj-core-1", "lines": ["router ospf 9"]});
    let batch = json!({"device_ips": ["bj-core-1"], "commands": ["router ospf 9"]});
    for (tool, args) in [
        (SET, cost("bj-core-1", 60)),
        ("save", json!({"device": "bj-core-1"})),
        ("apply_lines", lines),
        ("remove_ospf", json!({"device": "bj-core-1", "process_id": 1})),
        ("cancel_commit", json!({"device": "bj-core-1"})),
    ] {
        let refused = lab.reply(tool, args, epoch(6.into())).await.content;
        assert_eq!(
            (&refused["refused"], &refused["seen"]),
            (&json!("older epoch"), &json!(7)),
            "{tool}: {refused}"
        );
    }
    let refused = lab
        .reply("batch_configure_devices", batch, epoch(6.into()))
        .await
        .content;
    assert_eq!(refused["results"][0]["fault"]["refused"], "older epoch", "{refused}");
    assert_eq!(lab.executed("bj-core-1").await, executed, "nothing was sent");

    let elsewhere = lab
        .reply(
            "apply_lines",
            json!({"device": "bj-core-2", "lines": ["ospf 9"]}),
            epoch(6.into()),
        )
        .await;
    assert!(!elsewhere.is_error, "each device has its own: {}", elsewhere.content);
    lab.edit("inventory.yaml", |text| text + "\n");
    let still = lab.reply(SET, cost("bj-core-1", 60), epoch(6.into())).await;
    assert_eq!(
        still.content["refused"], "older epoch",
        "a changed inventory forgets nothing"
    );
    let same = lab.reply(SET, cost("bj-core-1", 60), epoch(7.into())).await;
    assert!(!same.is_error, "{}", same.content);
    assert!(
        lab.reply(SET, cost("bj-core-1", 61), epoch("8".into())).await.is_error,
        "a fence that cannot be read is closed"
    );

    let trial = json!({"device": "gz-edge-1", "lines": ["set interfaces lo0 description x"]});
    assert!(
        !lab.reply("prepare_commit", trial.clone(), epoch(7.into()))
            .await
            .is_error
    );
    let late = lab.reply("commit_confirmed", trial, epoch(6.into())).await;
    assert_eq!(late.content["refused"], "older epoch", "{}", late.content);
}

#[tokio::test]
async fn intents_on_one_device_may_have_been_claimed_differently_often() {
    let lab = Lab::start(&["bj-core-1", "bj-core-2", "bj-core-3"]).await;
    let of = |intent: &str, epoch: u64| json!({"io.flyball/intent": intent, "io.flyball/epoch": epoch});
    let cost_of =
        |interface: &str, cost: u32| json!({"device": "bj-core-1", "interface": interface, "ospf_cost": cost});
    let (one, two) = ("GigabitEthernet0/1", "GigabitEthernet0/2");
    for (intent, epoch, interface, cost) in [
        // The older intent has outlived restarts, the younger one none. Both go forward, and both go back.
        ("old", 3, one, 50),
        ("young", 1, two, 60),
        ("old", 3, one, 10),
        ("young", 1, two, 10),
        ("old", 4, one, 70),
    ] {
        let reply = lab.reply(SET, cost_of(interface, cost), of(intent, epoch)).await;
        assert!(!reply.is_error, "{intent} {epoch}: {}", reply.content);
    }
    let executed = lab.executed("bj-core-1").await;
    let former = lab.reply(SET, cost_of(one, 80), of("old", 3)).await;
    assert_eq!(former.content["refused"], "older epoch", "{}", former.content);
    assert_eq!(lab.executed("bj-core-1").await, executed, "nothing was sent");
}

#[tokio::test]
async fn a_call_that_waited_past_its_time_sends_nothing() {
    let lab = Lab::start(&["bj-core-1", "bj-core-2"]).await;
    let fault = json!({"cmd": "fault", "device": "bj-core-1", "kind": "slow", "ms": 900, "match": "show running-config", "times": 1});
    lab.ask(fault).await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let send_by = u64::try_from(now.as_millis()).unwrap() + 700;
    let reply = lab
        .reply(SET, cost("bj-core-1", 50), json!({"io.flyball/send_by": send_by}))
        .await;
    assert_eq!(
        reply.content["refused"], "too late",
        "asked again before the first line: {}",
        reply.content
    );
    assert!(lab.executed("bj-core-1").await.is_empty());
}

#[tokio::test]
async fn a_device_that_is_not_writable_is_not_written_to() {
    let lab = Lab::start(&["bj-core-1"]).await;
    lab.edit("inventory.yaml", |text| {
        text.replace("writable: true", "writable: false")
    });
    for (tool, args) in [
        (SET, cost("bj-core-1", 50)),
        ("save", json!({"device": "bj-core-1"})),
        (
            "apply_lines",
            json!({"device": "bj-core-1", "lines": ["router ospf 1"]}),
        ),
        (
            "configure_ospf",
            json!({"device": "bj-core-1", "area": "0", "process_id": 1}),
        ),
        ("remove_ospf", json!({"device": "bj-core-1"})),
        (
            "batch_configure_devices",
            json!({"device_ips": ["bj-core-1"], "commands": ["router ospf 1"]}),
        ),
    ] {
        assert_eq!(lab.err(tool, args).await["refused"], "not writable", "{tool}");
    }
    assert!(lab.executed("bj-core-1").await.is_empty());
}

#[tokio::test]
async fn denied_lines_never_reach_a_device() {
    let lab = Lab::start(&["bj-core-1", "bj-core-2"]).await;
    let dangerous = [
        ("bj-core-1", "rel"),
        ("bj-core-1", "conf t"),
        ("bj-core-1", "username x privilege 15"),
        ("bj-core-1", "do write erase"),
        ("bj-core-1", "description a\nreload"),
        ("bj-core-1", "exit"),
        ("bj-core-2", "reb"),
        ("bj-core-2", "reset saved-configuration"),
        ("bj-core-2", "return"),
        ("bj-core-2", "quit"),
    ];
    for (device, line) in dangerous {
        let only = lab.err("apply_lines", json!({"device": device, "lines": [line]})).await;
        assert!(only["refused"].is_string(), "{line}: {only}");
        // `exit` and `quit` may end a stanza; nothing else of these may stand in one.
        if !matches!(line, "exit" | "quit") {
            let lines = json!(["interface LoopBack0", line]);
            lab.err("apply_lines", json!({"device": device, "lines": lines})).await;
        }
    }
    for (device, management) in [("bj-core-1", "GigabitEthernet0/0"), ("bj-core-2", "MEth0/0/0")] {
        let lines = json!([format!("interface {management}"), "shutdown"]);
        let refused = lab.err("apply_lines", json!({"device": device, "lines": lines})).await;
        assert_eq!(refused["refused"], "denied");
        let args = json!({"device": device, "interface": management, "enabled": false});
        assert_eq!(lab.err(SET, args).await["refused"], "denied");
    }
    let short = lab
        .err(
            SET,
            json!({"device": "bj-core-1", "interface": "gi0/1", "ospf_cost": 5}),
        )
        .await;
    assert!(
        short["error"].as_str().unwrap().contains("GigabitEthernet0/1"),
        "one name per target: {short}"
    );
    let injected = json!({"device": "bj-core-1", "interface": "GigabitEthernet0/1", "description": "x\nreload"});
    lab.err(SET, injected).await;
    assert!(lab.executed("bj-core-1").await.is_empty() && lab.executed("bj-core-2").await.is_empty());
}

#[tokio::test]
async fn an_interface_that_does_not_exist_is_refused_on_each_platform() {
    let lab = Lab::start(&[]).await;
    for (device, interface) in [
        ("bj-core-1", "GigabitEthernet0/9"),
        ("bj-core-2", "GigabitEthernet0/0/9"),
        ("sh-core-1", "eth9"),
    ] {
        lab.ask(json!({"cmd": "fault", "device": device, "kind": "phantom_interface"}))
            .await;
        let args = json!({"device": device, "interface": interface, "description": "phantom"});
        lab.err(SET, args).await;
        let lines = json!({"device": device, "lines": [format!("interface {interface}"), "description phantom"]});
        lab.err("apply_lines", lines).await;
        assert!(!lab.text(device, "running").await.contains("phantom"));
    }
}

#[tokio::test]
async fn a_cut_in_the_middle_is_unknown_and_never_a_success() {
    let lab = Lab::start(&[]).await;
    for (device, interface) in [
        ("bj-core-1", "GigabitEthernet0/1"),
        ("bj-core-2", "GigabitEthernet0/0/1"),
        ("sh-core-1", "eth1"),
    ] {
        let cost = if device == "bj-core-2" {
            "ospf cost"
        } else {
            "ip ospf cost"
        };
        lab.ask(json!({"cmd": "fault", "device": device, "kind": "cut", "after_lines": 2}))
            .await;
        let lines = json!([
            format!("interface {interface}"),
            format!("{cost} 41"),
            "description later"
        ]);
        let result = lab.err("apply_lines", json!({"device": device, "lines": lines})).await;
        assert!(result["unknown"].is_string(), "{device}: {result}");
        assert!(result.get("base").is_none(), "{result}");
        let read = lab
            .ok("get_interface", json!({"device": device, "interface": interface}))
            .await;
        assert!(read["base"].is_string(), "the next call gets a session of its own");
    }
}

#[tokio::test]
async fn another_host_key_is_refused() {
    let lab = Lab::start(&["bj-core-1", "bj-core-2"]).await;
    let keys: Vec<String> = std::fs::read_to_string(lab.sandbox.inventory_path())
        .unwrap()
        .lines()
        .filter_map(|line| {
            Some(
                line.trim()
                    .trim_start_matches("- ")
                    .strip_prefix("host_key:")?
                    .trim()
                    .to_owned(),
            )
        })
        .collect();
    lab.edit("inventory.yaml", |text| text.replace(&keys[0], &keys[1]));
    let refused = lab.err("get_config", json!({"device": "bj-core-1"})).await;
    assert!(
        refused["error"].as_str().unwrap().contains("host key mismatch"),
        "{refused}"
    );
    lab.edit("inventory.yaml", |text| text.replace("host_key:", "host_key_gone:"));
    let refused = lab.err("get_config", json!({"device": "bj-core-1"})).await;
    assert!(
        refused["error"].as_str().unwrap().contains("no host key is pinned"),
        "{refused}"
    );
}

/// Forwards to the device and counts connections; the inventory then points here.
async fn counted(lab: &Lab) -> Arc<AtomicUsize> {
    let device = lab.ok("get_device", json!({"device": "bj-core-1"})).await;
    let address = device["address"].as_str().unwrap().to_owned();
    let text = std::fs::read_to_string(lab.sandbox.inventory_path()).unwrap();
    let port = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("port: "))
        .unwrap()
        .to_owned();
    let listener = TcpListener::bind((address.as_str(), 0)).await.unwrap();
    let ours = listener.local_addr().unwrap().port();
    lab.edit("inventory.yaml", |text| {
        text.replace(&format!("port: {port}"), &format!("port: {ours}"))
    });
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let port: u16 = port.parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut far = TcpStream::connect((address.as_str(), port)).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await.ok() });
        }
    });
    count
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let count = counted(&lab).await;
    let right = std::fs::read_to_string(lab.sandbox.dir().join("credentials.yaml")).unwrap();
    lab.edit("credentials.yaml", |text| text.replace("password: ", "password: wrong"));
    let calls = (0..4).map(|_| lab.err("get_config", json!({"device": "bj-core-1"})));
    for refused in futures::future::join_all(calls).await {
        let error = refused["error"].as_str().unwrap();
        assert!(error.contains("authentication refused"), "{refused}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1, "four calls, one attempt");
    lab.edit("credentials.yaml", |_| right.clone());
    lab.ok("get_config", json!({"device": "bj-core-1"})).await;
}

#[tokio::test]
async fn a_credential_that_is_not_there_is_refused() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let args = json!({"device_ips": ["bj-core-1"], "commands": ["router ospf 1"], "credential_id": "nobody"});
    assert!(
        lab.err("batch_configure_devices", args).await["error"]
            .as_str()
            .unwrap()
            .contains("nobody")
    );
}

#[tokio::test]
async fn secrets_are_shown_to_a_trusted_probe_only() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let probe = json!({"io.flyball/purpose": "probe"});
    let seen = lab
        .reply("get_config", json!({"device": "bj-core-1"}), probe.clone())
        .await
        .content;
    assert_eq!(seen["redacted"], false);
    assert_eq!(
        lab.ok("get_config", json!({"device": "bj-core-1"})).await["redacted"],
        true
    );
    let stranger = Toolbox::new(Role::Config, lab.sandbox.inventory_path(), None, false);
    let args = object(json!({"device": "bj-core-1"}));
    let reply = stranger.call("get_config", args, &object(probe)).await.unwrap();
    assert_eq!(reply.content["redacted"], true);
}

#[tokio::test]
async fn an_unknown_device_is_refused_with_the_nearest_name() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let refused = lab.err("get_config", json!({"device": "bj-cor-1"})).await;
    assert!(
        refused["error"].as_str().unwrap().contains("nearest name is bj-core-1"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_dead_kept_session_does_not_fail_the_next_call() {
    let lab = Lab::start(&["bj-core-1"]).await;
    lab.ok("get_config", json!({"device": "bj-core-1"})).await;
    lab.ask(json!({"cmd": "fault", "device": "bj-core-1", "kind": "cut", "after_lines": 1}))
        .await;
    lab.err(
        "apply_lines",
        json!({"device": "bj-core-1", "lines": ["interface GigabitEthernet0/1"]}),
    )
    .await;
    lab.ok("get_config", json!({"device": "bj-core-1"})).await;
}
