//! The sandbox over real SSH connections.

mod sandbox_kit;

use std::os::unix::fs::PermissionsExt as _;

use sandbox_kit::{Net, Shell};
use serde_json::json;

/// An IOS shell in privileged mode without paging and syslog lines.
async fn ios(net: &Net, device: &str) -> Shell {
    let mut shell = net.shell(device).await;
    shell.expect(&format!("{device}>")).await;
    shell.run("enable", "#").await;
    shell.run("terminal length 0", "#").await;
    shell.run("ter no mon", "mon\r\n.*#").await;
    shell
}

#[tokio::test]
async fn the_files_say_where_everything_is_and_are_private() {
    let net = Net::start(&[]).await;
    let dir = net.sandbox.dir();
    for (file, mode) in [
        ("", 0o700),
        ("inventory.yaml", 0o600),
        ("credentials.yaml", 0o600),
    ] {
        let path = if file.is_empty() {
            dir.to_owned()
        } else {
            dir.join(file)
        };
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            mode,
            "{file}"
        );
    }
    let inventory = net.yaml("inventory.yaml");
    let devices = inventory["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 10);
    assert_eq!(devices[0]["platform"], "ios");
    assert_eq!(devices[0]["address"], "127.0.10.1");
    assert_eq!(devices[0]["links"].as_array().unwrap().len(), 4);
    assert_eq!(
        devices[0]["links"][0]["peer_interface"],
        "GigabitEthernet0/0/1"
    );
    assert!(dir.join("ready").exists());
}

#[tokio::test]
async fn shanghai_is_full_from_the_start_and_beijing_is_a_new_layer() {
    let net = Net::start(&[]).await;
    let reply = net.ask(json!({"cmd": "adjacencies"})).await;
    let links = reply["adjacencies"].as_array().unwrap();
    assert_eq!(links.len(), 15);
    for link in links {
        let shanghai = link["a"]["device"].as_str().unwrap().starts_with("sh");
        assert_eq!(link["full"] == true, shanghai, "{link}");
    }
    assert_eq!(
        net.ask(json!({"cmd": "devices"})).await["devices"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
}

#[tokio::test]
async fn ios_modes_refusals_and_round_trip() {
    let net = Net::start(&["bj-core-1", "bj-core-3"]).await;
    let mut shell = net.shell("bj-core-1").await;
    shell.expect("bj-core-1>").await;
    let refused = shell.run("show running-config", "bj-core-1>").await;
    assert!(
        refused.contains("% Invalid input detected at '^' marker."),
        "{refused}"
    );
    shell.run("en", "bj-core-1#").await;
    shell.run("terminal length 0", "#").await;
    shell.run("conf t", r"bj-core-1\(config\)#").await;
    shell.run("int gi0/2", r"\(config-if\)#").await;
    shell.run("ip ospf cost 50", r"\(config-if\)#").await;
    let refused = shell.run("ip ospf cost many", r"\(config-if\)#").await;
    let caret = refused.lines().find(|line| line.trim() == "^").unwrap();
    assert_eq!(
        caret.find('^'),
        Some("bj-core-1(config-if)#".len() + "ip ospf cost ".len())
    );
    assert!(
        shell
            .run("ip ospf cost", r"\(config-if\)#")
            .await
            .contains("% Incomplete command.")
    );
    assert!(
        shell
            .run("interface gi0/9", r"\(config-if\)#")
            .await
            .contains("% Invalid input")
    );
    shell.run("router ospf 100", r"\(config-router\)#").await;
    shell
        .run("network 10.1.0.4 0.0.0.3 area 0", r"\(config-router\)#")
        .await;
    shell.run("end", "bj-core-1#").await;
    let running = shell.run("sh run", "\r\nend\r\n").await;
    assert!(running.contains(" ip ospf cost 50\r\n"), "{running}");
    assert!(
        running.contains("router ospf 100\r\n network 10.1.0.4 0.0.0.3 area 0\r\n"),
        "{running}"
    );
    assert!(!net.text("bj-core-1", "startup").await.contains("cost"));
    assert!(
        shell
            .run("wr", "\\[OK\\]")
            .await
            .contains("Building configuration...")
    );
    assert!(
        net.text("bj-core-1", "startup")
            .await
            .contains(" ip ospf cost 50\n")
    );
    shell
        .run(
            "copy run start",
            r"Destination filename \[startup-config\]\?",
        )
        .await;
    shell.run("", "\\[OK\\]").await;
}

#[tokio::test]
async fn vrp_views_refusals_save_question_and_round_trip() {
    let net = Net::start(&["bj-core-2", "bj-core-4"]).await;
    let mut shell = net.shell("bj-core-2").await;
    shell.expect("<bj-core-2>").await;
    shell.run("screen-length 0 temporary", "<bj-core-2>").await;
    shell.run("system-view", r"\[bj-core-2\]").await;
    shell
        .run("ospf 100 router-id 10.255.1.2", r"\[bj-core-2-ospf-100\]")
        .await;
    shell
        .run("area 0", r"\[bj-core-2-ospf-100-area-0\.0\.0\.0\]")
        .await;
    shell
        .run("network 10.1.0.16 0.0.0.3", r"area-0\.0\.0\.0\]")
        .await;
    let refused = shell
        .run("netwrk 10.1.0.16 0.0.0.3", r"area-0\.0\.0\.0\]")
        .await;
    assert!(
        refused.contains("Error: Unrecognized command found at '^' position."),
        "{refused}"
    );
    shell
        .run(
            "interface GigabitEthernet 0/0/3",
            r"\[bj-core-2-GigabitEthernet0/0/3\]",
        )
        .await;
    shell.run("ospf cost 70", r"0/3\]").await;
    assert!(
        shell
            .run("ospf cost", r"0/3\]")
            .await
            .contains("Error:Incomplete command found at '^' position.")
    );
    shell.run("return", "<bj-core-2>").await;
    let running = shell.run("dis cur", "return\r\n").await;
    assert!(
        running.contains(
            "ospf 100 router-id 10.255.1.2\r\n area 0.0.0.0\r\n  network 10.1.0.16 0.0.0.3\r\n"
        ),
        "{running}"
    );
    shell.expect("<bj-core-2>").await;
    shell.run("save", r"\[Y/N\]").await;
    shell.run("what", "choose 'YES' or 'NO'").await;
    shell.run("n", "<bj-core-2>").await;
    assert!(!net.text("bj-core-2", "startup").await.contains("cost"));
    shell.run("save", r"\[Y/N\]").await;
    assert!(shell.run("y", "<bj-core-2>").await.contains("successfully"));
    assert!(
        net.text("bj-core-2", "startup")
            .await
            .contains(" ospf cost 70\n")
    );
}

#[tokio::test]
async fn frr_refuses_process_numbers_and_wildcards_and_takes_any_interface() {
    let net = Net::start(&["bj-edge-2"]).await;
    let mut shell = net.shell("bj-edge-2").await;
    shell.expect("bj-edge-2# ").await;
    shell.run("configure terminal", r"\(config\)# ").await;
    let refused = shell.run("router ospf 100", r"\(config\)# ").await;
    assert!(
        refused.contains("% OSPF is not running in instance mode"),
        "{refused}"
    );
    shell.run("router ospf", r"\(config-router\)# ").await;
    let refused = shell
        .run("network 10.9.0.0 0.0.0.3 area 0", r"\(config-router\)# ")
        .await;
    assert!(
        refused.contains("% Unknown command: network 10.9.0.0 0.0.0.3 area 0"),
        "{refused}"
    );
    shell
        .run("network 10.9.0.0/30 area 0", r"\(config-router\)# ")
        .await;
    let quiet = shell.run("interface to-nowhere", r"\(config-if\)# ").await;
    assert!(!quiet.contains('%'), "{quiet}");
    shell
        .run("description nothing there", r"\(config-if\)# ")
        .await;
    let refused = shell.run("write memory", r"\(config-if\)# ").await;
    assert!(
        refused.contains("% Unknown command: write memory"),
        "{refused}"
    );
    shell.run("end", "bj-edge-2# ").await;
    let saved = shell.run("write memory", "bj-edge-2# ").await;
    assert!(saved.contains("Note: this version of vtysh never writes vtysh.conf\r\nBuilding Configuration...\r\nIntegrated configuration saved to /etc/frr/frr.conf\r\n[OK]"));
    let startup = net.text("bj-edge-2", "startup").await;
    assert!(
        startup.contains("interface to-nowhere\n description nothing there\nexit\n"),
        "{startup}"
    );
    assert!(
        shell
            .run("show ip ospf neighbor json", "bj-edge-2# ")
            .await
            .contains("\"neighbors\"")
    );
}

#[tokio::test]
async fn cores_become_neighbours_when_both_ends_match_and_ping_through() {
    let net = Net::start(&["bj-core-1", "bj-core-2"]).await;
    let mut one = ios(&net, "bj-core-1").await;
    let prompt = r"bj-core-1(\(.*\))?#";
    one.lines(
        &[
            "conf t",
            "router ospf 100",
            "network 10.0.0.0 0.255.255.255 area 0",
            "end",
        ],
        prompt,
    )
    .await;
    assert!(
        one.run("ping 10.255.1.2 source 10.255.1.1", r"\(./5\)")
            .await
            .contains("Success rate is 0 percent")
    );
    let mut two = net.shell("bj-core-2").await;
    two.expect("<bj-core-2>").await;
    two.lines(
        &[
            "system-view",
            "ospf 100",
            "area 0",
            "network 10.0.0.0 0.255.255.255",
        ],
        r"\[.*\]",
    )
    .await;
    let syslog = two.expect("NeighborCurrentState=Full").await;
    assert!(syslog.contains("%%01OSPF/4/NBR_CHANGE"), "{syslog}");
    net.full(1).await;
    one.expect("#").await;
    let neighbours = one.run("sh ip ospf nei", "GigabitEthernet0/1").await;
    assert!(
        neighbours.contains("10.255.1.2") && neighbours.contains("FULL/DR"),
        "{neighbours}"
    );
    assert!(
        one.run("ping 10.255.1.2 source 10.255.1.1", r"\(./5\)")
            .await
            .contains("Success rate is 100 percent")
    );
    let peers = two
        .run("display ospf peer brief", r"Total Peer\(s\): +1")
        .await;
    assert!(peers.contains("Full"), "{peers}");
    two.lines(&["int gi0/0/1", "ospf timer hello 5"], r"\[.*\]")
        .await;
    net.full(0).await;
}

#[tokio::test]
async fn a_black_hole_loses_packets_while_everything_stays_full() {
    let net = Net::start(&["sh-core-1", "sh-core-2", "sh-edge-1", "sh-edge-2"]).await;
    net.full(5).await;
    let (answer, _) = net
        .exec("sh-edge-1", "ping 10.255.2.4 source 10.255.2.3")
        .await;
    assert!(answer.contains("100 percent"), "{answer}");
    for core in ["sh-core-1", "sh-core-2"] {
        net.ask(json!({"cmd": "fault", "device": core, "kind": "black_hole"}))
            .await;
    }
    let (answer, _) = net
        .exec("sh-edge-1", "ping 10.255.2.4 source 10.255.2.3")
        .await;
    assert!(
        answer.contains("Success rate is 0 percent (0/5)"),
        "{answer}"
    );
    let (near, _) = net.exec("sh-edge-1", "ping 10.255.2.1").await;
    assert!(near.contains("100 percent"), "{near}");
    net.full(5).await;
    net.ask(json!({"cmd": "clear"})).await;
    let (answer, _) = net
        .exec("sh-edge-2", "ping -c 3 -a 10.255.2.4 10.255.2.3")
        .await;
    assert!(answer.contains("0.00% packet loss"), "{answer}");
    let (answer, _) = net.exec("sh-core-1", "ping 10.255.2.2").await;
    assert!(answer.contains(" 0% packet loss"), "{answer}");
}

#[tokio::test]
async fn a_held_reply_waits_for_its_release() {
    let net = Net::start(&["bj-core-1"]).await;
    let mut shell = ios(&net, "bj-core-1").await;
    shell
        .lines(&["conf t", "interface gi0/0"], r"\(config(-if)?\)#")
        .await;
    net.ask(
        json!({"cmd": "fault", "device": "bj-core-1", "kind": "hold", "match": "^description"}),
    )
    .await;
    shell.send("description changed\r").await;
    let wait =
        json!({"cmd": "wait", "device": "bj-core-1", "match": "^description", "timeout_ms": 5000});
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
        net.ask(json!({"cmd": "release", "device": "bj-core-1"}))
            .await["released"],
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
    assert!(
        running.contains(" description one\n mtu 1400\n"),
        "{running}"
    );
    assert!(!running.contains("shutdown"), "{running}");
}

#[tokio::test]
async fn a_failed_save_leaves_the_startup_configuration_alone() {
    let net = Net::start(&["bj-core-1", "bj-core-2", "bj-edge-2"]).await;
    for (device, change, save, failure) in [
        (
            "bj-core-1",
            "interface gi0/0",
            "write memory",
            "open failed",
        ),
        (
            "bj-core-2",
            "interface MEth0/0/0",
            "save force",
            "Failed to save",
        ),
        (
            "bj-edge-2",
            "interface mgmt0",
            "write memory",
            "Permission denied",
        ),
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
        assert!(
            !net.text(device, "startup")
                .await
                .contains("description new")
        );
        let (text, status) = net.exec(device, save).await;
        assert_eq!(status, 0, "{text}");
        assert!(
            net.text(device, "startup")
                .await
                .contains("description new")
        );
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
    assert!(
        net.text("sh-edge-1", "running")
            .await
            .contains(" ip ospf cost 99\n")
    );
    let log = net.log("sh-edge-1").await;
    assert_eq!(log.len(), 3);
    assert!(log.iter().all(|entry| entry["peer"] == "console"
        && entry["user"] == "intruder"
        && entry["session"] == 0));
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
    let entries: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
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
async fn long_answers_stop_at_each_page_until_paging_is_off() {
    let net = Net::start(&["bj-core-1", "bj-core-2"]).await;
    let mut shell = net.shell("bj-core-1").await;
    shell.expect("bj-core-1>").await;
    shell.run("enable", "#").await;
    shell.run("show running-config", " --More-- ").await;
    shell.send(" ").await;
    shell.expect("\r\nend\r\n").await;
    shell.run("show running-config", " --More-- ").await;
    shell.send("q").await;
    shell.expect("bj-core-1#").await;
    let mut shell = net.shell("bj-core-2").await;
    shell.expect("<bj-core-2>").await;
    shell
        .run("display current-configuration", "---- More ----")
        .await;
    shell.send(" ").await;
    shell.expect("return").await;
    shell.expect("<bj-core-2>").await;
    shell.run("screen-length 0 temporary", "<bj-core-2>").await;
    let all = shell
        .run("display current-configuration", "<bj-core-2>")
        .await;
    assert!(!all.contains("More"), "{all}");
}

#[tokio::test]
async fn a_slow_line_lands_even_if_its_session_is_gone() {
    let net = Net::start(&["bj-core-1"]).await;
    let mut shell = ios(&net, "bj-core-1").await;
    shell
        .lines(&["conf t", "interface gi0/0"], r"\(config(-if)?\)#")
        .await;
    net.ask(
        json!({"cmd": "fault", "device": "bj-core-1", "kind": "slow", "ms": 300, "match": "late"}),
    )
    .await;
    shell.send("description late\r").await;
    shell.expect("late\r\n").await;
    drop(shell);
    net.ask(json!({"cmd": "wait", "device": "bj-core-1", "match": "late", "timeout_ms": 5000}))
        .await;
    assert!(
        net.text("bj-core-1", "running")
            .await
            .contains(" description late\n")
    );
}

#[tokio::test]
async fn a_shell_without_a_terminal_does_not_echo() {
    let net = Net::start(&["bj-edge-2"]).await;
    let mut shell = net.shell_of("bj-edge-2", false).await;
    shell.expect("bj-edge-2# ").await;
    shell.send("show version\n").await;
    let answer = shell.expect("bj-edge-2# ").await;
    assert!(answer.starts_with("FRRouting 8.4.4"), "{answer}");
    shell.send("exit\n").await;
    shell.rest().await;
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
    assert!(
        net.text("sh-edge-1", "running")
            .await
            .contains("hostname sh-edge-1")
    );
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
