//! The control socket, faults and the command log.

use serde_json::json;

use crate::kit::{Net, ios};

#[tokio::test]
async fn a_black_hole_loses_packets_while_everything_stays_full() {
    let net = Net::start(&["sh-core-1", "sh-core-2", "sh-edge-1", "sh-edge-2"]).await;
    net.full(5).await;
    let (answer, _) = net.exec("sh-edge-1", "ping 10.255.2.4 source 10.255.2.3").await;
    assert!(answer.contains("100 percent"), "{answer}");
    for core in ["sh-core-1", "sh-core-2"] {
        net.ask(json!({"cmd": "fault", "device": core, "kind": "black_hole"}))
            .await;
    }
    let (answer, _) = net.exec("sh-edge-1", "ping 10.255.2.4 source 10.255.2.3").await;
    assert!(answer.contains("Success rate is 0 percent (0/5)"), "{answer}");
    let (near, _) = net.exec("sh-edge-1", "ping 10.255.2.1").await;
    assert!(near.contains("100 percent"), "{near}");
    net.full(5).await;
    net.ask(json!({"cmd": "clear"})).await;
    let (answer, _) = net.exec("sh-edge-2", "ping -c 3 -a 10.255.2.4 10.255.2.3").await;
    assert!(answer.contains("0.00% packet loss"), "{answer}");
    let (answer, _) = net.exec("sh-core-1", "ping 10.255.2.2").await;
    assert!(answer.contains(" 0% packet loss"), "{answer}");
}

#[tokio::test]
async fn a_held_reply_waits_for_its_release() {
    let net = Net::start(&["bj-core-1"]).await;
    let mut shell = ios(&net, "bj-core-1").await;
    shell.lines(&["conf t", "interface gi0/0"], r"\(config(-if)?\)#").await;
    net.ask(json!({"cmd": "fault", "device": "bj-core-1", "kind": "hold", "match": "^description"}))
        .await;
    shell.send("description changed\r").await;
    let wait = json!({"cmd": "wait", "device": "bj-core-1", "match": "^description", "timeout_ms": 5000});
    let executed = net.ask(wait.clone()).await;
    assert_eq!(executed["held"], true);
    assert_eq!(executed["entry"]["line"], "description changed");
    assert_eq!(executed["entry"]["config"], true);
    assert!(
        net.text("bj-core-1", "running")
            .await
            .contains(" description changed\n")
    );
    assert_eq!(
        net.ask(json!({"cmd": "release", "device": "bj-core-1"})).await["released"],
        1
    );
    shell.expect(r"changed\r\n.*\(config-if\)#").await;
    assert_eq!(net.ask(wait).await["held"], false);
    let late = json!({"cmd": "wait", "device": "bj-core-1", "match": "^description", "timeout_ms": 50, "after": executed["position"]});
    assert_eq!(net.raw(late).await["ok"], false);
}

#[tokio::test]
async fn a_cut_leaves_the_executed_lines_behind() {
    let net = Net::start(&["bj-core-1"]).await;
    net.ask(json!({"cmd": "fault", "device": "bj-core-1", "kind": "cut", "after_lines": 3}))
        .await;
    let mut shell = ios(&net, "bj-core-1").await;
    shell
        .send("conf t\rinterface gi0/0\rdescription one\rmtu 1400\rshutdown\r")
        .await;
    shell.rest().await;
    let running = net.text("bj-core-1", "running").await;
    assert!(running.contains(" description one\n mtu 1400\n"), "{running}");
    assert!(!running.contains("shutdown"), "{running}");
}

#[tokio::test]
async fn a_failed_save_leaves_the_startup_configuration_alone() {
    let net = Net::start(&["bj-core-1", "bj-core-2", "bj-edge-2"]).await;
    for (device, change, save, failure) in [
        ("bj-core-1", "interface gi0/0", "write memory", "open failed"),
        ("bj-core-2", "interface MEth0/0/0", "save force", "Failed to save"),
        ("bj-edge-2", "interface mgmt0", "write memory", "Permission denied"),
    ] {
        net.ask(json!({"cmd": "edit", "device": device, "lines": [change, "description new"]}))
            .await;
        net.ask(json!({"cmd": "fault", "device": device, "kind": "fail_save"}))
            .await;
        let (text, status) = net.exec(device, save).await;
        assert!(
            text.contains(failure) && !text.contains("[OK]") && status == 1,
            "{text}"
        );
        assert!(!net.text(device, "startup").await.contains("description new"));
        let (text, status) = net.exec(device, save).await;
        assert_eq!(status, 0, "{text}");
        assert!(net.text(device, "startup").await.contains("description new"));
    }
}

#[tokio::test]
async fn somebody_elses_edit_is_executed_and_told_apart_in_the_log() {
    let net = Net::start(&["sh-edge-1", "sh-core-1"]).await;
    let lines = ["interface GigabitEthernet0/1", "ip ospf cost 99", "bogus"];
    let reply = net
        .ask(json!({"cmd": "edit", "device": "sh-edge-1", "lines": lines}))
        .await;
    assert_eq!(reply["results"][2]["refused"], true);
    assert!(net.text("sh-edge-1", "running").await.contains(" ip ospf cost 99\n"));
    let log = net.log("sh-edge-1").await;
    assert_eq!(log.len(), 3);
    assert!(
        log.iter()
            .all(|entry| entry["peer"] == "console" && entry["user"] == "intruder" && entry["session"] == 0)
    );
    assert_eq!(log[1]["result"], "ok");
    assert_eq!(log[2]["result"], "refused");
}

#[tokio::test]
async fn every_executed_command_is_in_the_log_exactly_once() {
    let net = Net::start(&["bj-core-1"]).await;
    net.ask(json!({"cmd": "fault", "device": "bj-core-1", "kind": "refuse", "match": "mtu"}))
        .await;
    let mut shell = ios(&net, "bj-core-1").await;
    let lines = [
        "conf t",
        "interface gi0/0",
        "description x",
        "description x",
        "mtu 1400",
        "end",
    ];
    shell.lines(&lines, r"bj-core-1(\(.*\))?#").await;
    let path = net.sandbox.dir().join("logs/bj-core-1.log");
    let text = std::fs::read_to_string(path).unwrap();
    let entries: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<String> = entries
        .iter()
        .skip(3)
        .map(|entry| {
            format!(
                "{} {} {} {}",
                entry["mode"], entry["line"], entry["result"], entry["config"]
            )
            .replace('"', "")
        })
        .collect();
    assert_eq!(
        told,
        [
            "exec conf t ok false",
            "config interface gi0/0 ok false",
            "config-if description x ok true",
            "config-if description x noop false",
            "config-if mtu 1400 refused false",
            "config-if end ok false",
        ]
    );
    assert_eq!(net.log("bj-core-1").await.len(), entries.len());
}

#[tokio::test]
async fn a_slow_line_lands_even_if_its_session_is_gone() {
    let net = Net::start(&["bj-core-1"]).await;
    let mut shell = ios(&net, "bj-core-1").await;
    shell.lines(&["conf t", "interface gi0/0"], r"\(config(-if)?\)#").await;
    net.ask(json!({"cmd": "fault", "device": "bj-core-1", "kind": "slow", "ms": 300, "match": "late"}))
        .await;
    shell.send("description late\r").await;
    shell.expect("late\r\n").await;
    drop(shell);
    net.ask(json!({"cmd": "wait", "device": "bj-core-1", "match": "late", "timeout_ms": 5000}))
        .await;
    assert!(net.text("bj-core-1", "running").await.contains(" description late\n"));
}

#[tokio::test]
async fn a_reload_brings_back_what_was_saved() {
    let net = Net::start(&["sh-edge-1", "sh-core-1"]).await;
    net.ask(json!({"cmd": "edit", "device": "sh-edge-1", "lines": ["hostname lost"]}))
        .await;
    let mut shell = net.shell("sh-edge-1").await;
    shell.expect("lost>").await;
    shell.run("enable", "lost#").await;
    shell.run("reload", r"\[confirm\]").await;
    shell.send("y").await;
    shell.rest().await;
    assert!(net.text("sh-edge-1", "running").await.contains("hostname sh-edge-1"));
    net.full(1).await;
}

#[tokio::test]
async fn unknown_requests_are_refused() {
    let net = Net::start(&["bj-core-1"]).await;
    for request in [
        json!({"cmd": "dance"}),
        json!({"cmd": "fault", "device": "bj-core-1", "kind": "melt"}),
        json!({"cmd": "fault", "device": "nobody", "kind": "fail_save"}),
        json!({"cmd": "fault", "device": "bj-core-1", "kind": "black_hole", "toward": "nobody"}),
        json!({"cmd": "fault", "device": "bj-core-1", "kind": "hold", "match": "("}),
        json!({"cmd": "show", "device": "bj-core-1", "what": "off"}),
    ] {
        let reply = net.raw(request.clone()).await;
        assert!(
            reply["ok"] == false && reply["error"].is_string(),
            "{request} → {reply}"
        );
    }
}

#[tokio::test]
async fn a_held_reply_is_given_up_when_its_session_dies() {
    let net = Net::start(&["bj-core-1"]).await;
    let mut shell = ios(&net, "bj-core-1").await;
    shell.lines(&["conf t", "interface gi0/0"], r"\(config(-if)?\)#").await;
    let fault = json!({"cmd": "fault", "device": "bj-core-1", "kind": "hold", "match": "^mtu"});
    net.ask(fault).await;
    shell.send("mtu 1400\rmtu 1300\r").await;
    let wait = json!({"cmd": "wait", "device": "bj-core-1", "match": "^mtu"});
    assert_eq!(net.ask(wait.clone()).await["held"], true);
    drop(shell);
    net.sessions("bj-core-1", 0).await;
    assert_eq!(net.ask(wait).await["held"], false);
    assert!(
        net.text("bj-core-1", "running").await.contains(" mtu 1400\n"),
        "the line typed behind it is lost"
    );
    let released = net.ask(json!({"cmd": "release", "device": "bj-core-1"})).await;
    assert_eq!(released["released"], 0);
}

#[tokio::test]
async fn a_phantom_interface_can_be_accepted_everywhere() {
    let net = Net::start(&["bj-core-1"]).await;
    let mut shell = ios(&net, "bj-core-1").await;
    net.ask(json!({"cmd": "fault", "device": "bj-core-1", "kind": "phantom_interface"}))
        .await;
    shell
        .lines(
            &["conf t", "interface gi0/9", "description nobody home"],
            r"\(config(-if)?\)#",
        )
        .await;
    assert!(
        shell
            .run("interface gi0/8", r"\(config-if\)#")
            .await
            .contains("% Invalid input")
    );
    let running = net.text("bj-core-1", "running").await;
    assert!(
        running.contains("interface GigabitEthernet0/9\n description nobody home\n"),
        "{running}"
    );
    let brief = shell.run("do show ip interface brief", r"0/9 .*\r\n").await;
    assert!(
        brief.contains("GigabitEthernet0/9") && brief.trim_end().ends_with("down"),
        "{brief}"
    );
}

#[tokio::test]
async fn an_enable_secret_is_asked_for_when_there_is_one() {
    let net = Net::start_with(&["bj-core-1"], |options| {
        options.enable_secret = Some("open-sesame".to_owned())
    })
    .await;
    assert_eq!(net.yaml("credentials.yaml")["sandbox"]["enable"], "open-sesame");
    let mut shell = net.shell("bj-core-1").await;
    shell.expect("bj-core-1>").await;
    shell.run("enable", "Password: ").await;
    shell.run("wrong", "% Access denied\r\nbj-core-1>").await;
    shell.run("enable", "Password: ").await;
    let echoed = shell.run("open-sesame", "bj-core-1#").await;
    assert!(!echoed.contains("sesame"));
    assert!(net.log("bj-core-1").await.iter().all(|entry| entry["line"] == "enable"));
}

#[tokio::test]
async fn all_devices_serve_many_sessions_at_once_and_go_down_together() {
    let net = Net::start(&[]).await;
    let devices = net.ask(json!({"cmd": "devices"})).await;
    let names: Vec<String> = devices["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| device["name"].as_str().unwrap().to_owned())
        .collect();
    let shells = futures::future::join_all(names.iter().flat_map(|name| [net.shell(name), net.shell(name)])).await;
    let dir = net.sandbox.dir().to_owned();
    net.stop().await;
    for mut shell in shells {
        shell.rest().await;
    }
    assert!(!dir.join("ready").exists() && !dir.join("control.sock").exists());
}
