//! Files, modes, refusals, paging, adjacencies.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::kit::{Net, ios};

#[tokio::test]
async fn the_files_say_where_everything_is_and_are_private() {
    let net = Net::start(&[]).await;
    let dir = net.sandbox.dir();
    for (file, mode) in [("", 0o700), ("inventory.yaml", 0o600), ("credentials.yaml", 0o600)] {
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
    assert_eq!(devices.len(), 12);
    assert_eq!(devices[0]["platform"], "ios");
    assert_eq!(devices[0]["address"], "127.0.10.1");
    assert_eq!(devices[0]["links"].as_array().unwrap().len(), 4);
    assert_eq!(devices[0]["links"][0]["peer_interface"], "GigabitEthernet0/0/1");
    assert!(dir.join("ready").exists());
}

#[tokio::test]
async fn beijing_is_a_new_layer_and_the_rest_is_full_from_the_start() {
    let net = Net::start(&[]).await;
    let reply = net.ask(json!({"cmd": "adjacencies"})).await;
    let links = reply["adjacencies"].as_array().unwrap();
    assert_eq!(links.len(), 16);
    for link in links {
        let beijing = link["a"]["device"].as_str().unwrap().starts_with("bj");
        assert_eq!(link["full"] == true, !beijing, "{link}");
    }
    assert_eq!(
        net.ask(json!({"cmd": "devices"})).await["devices"]
            .as_array()
            .unwrap()
            .len(),
        12
    );
}

#[tokio::test]
async fn ios_has_modes_and_refuses_in_its_own_words() {
    let net = Net::start(&["bj-core-1", "bj-core-3"]).await;
    let mut shell = net.shell("bj-core-1").await;
    shell.expect("bj-core-1>").await;
    let refused = shell.run("show running-config", "bj-core-1>").await;
    assert!(refused.contains("% Invalid input detected at '^' marker."), "{refused}");
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
}

#[tokio::test]
async fn ios_shows_what_was_typed_and_saves_it_when_told() {
    let net = Net::start(&["bj-core-1", "bj-core-3"]).await;
    let mut shell = ios(&net, "bj-core-1").await;
    shell.run("conf t", r"\(config\)#").await;
    shell.run("int gi0/2", r"\(config-if\)#").await;
    shell.run("ip ospf cost 50", r"\(config-if\)#").await;
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
    assert!(shell.run("wr", "\\[OK\\]").await.contains("Building configuration..."));
    assert!(net.text("bj-core-1", "startup").await.contains(" ip ospf cost 50\n"));
    shell
        .run("copy run start", r"Destination filename \[startup-config\]\?")
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
    shell.run("area 0", r"\[bj-core-2-ospf-100-area-0\.0\.0\.0\]").await;
    shell.run("network 10.1.0.16 0.0.0.3", r"area-0\.0\.0\.0\]").await;
    let refused = shell.run("netwrk 10.1.0.16 0.0.0.3", r"area-0\.0\.0\.0\]").await;
    assert!(
        refused.contains("Error: Unrecognized command found at '^' position."),
        "{refused}"
    );
    shell
        .run("interface GigabitEthernet 0/0/3", r"\[bj-core-2-GigabitEthernet0/0/3\]")
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
        running.contains("ospf 100 router-id 10.255.1.2\r\n area 0.0.0.0\r\n  network 10.1.0.16 0.0.0.3\r\n"),
        "{running}"
    );
    shell.expect("<bj-core-2>").await;
    shell.run("save", r"\[Y/N\]").await;
    shell.run("what", "choose 'YES' or 'NO'").await;
    shell.run("n", "<bj-core-2>").await;
    assert!(!net.text("bj-core-2", "startup").await.contains("cost"));
    shell.run("save", r"\[Y/N\]").await;
    assert!(shell.run("y", "<bj-core-2>").await.contains("successfully"));
    assert!(net.text("bj-core-2", "startup").await.contains(" ospf cost 70\n"));
}

#[tokio::test]
async fn frr_refuses_process_numbers_and_wildcards_and_takes_any_interface() {
    let net = Net::start(&["bj-edge-2"]).await;
    let mut shell = net.shell("bj-edge-2").await;
    shell.expect("bj-edge-2# ").await;
    shell.run("configure terminal", r"\(config\)# ").await;
    let refused = shell.run("router ospf 100", r"\(config\)# ").await;
    assert!(refused.contains("% OSPF is not running in instance mode"), "{refused}");
    shell.run("router ospf", r"\(config-router\)# ").await;
    let refused = shell
        .run("network 10.9.0.0 0.0.0.3 area 0", r"\(config-router\)# ")
        .await;
    assert!(
        refused.contains("% Unknown command: network 10.9.0.0 0.0.0.3 area 0"),
        "{refused}"
    );
    shell.run("network 10.9.0.0/30 area 0", r"\(config-router\)# ").await;
    let quiet = shell.run("interface to-nowhere", r"\(config-if\)# ").await;
    assert!(!quiet.contains('%'), "{quiet}");
    shell.run("description nothing there", r"\(config-if\)# ").await;
    let refused = shell.run("write memory", r"\(config-if\)# ").await;
    assert!(refused.contains("% Unknown command: write memory"), "{refused}");
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
async fn junos_edits_a_candidate_and_commits_it_as_a_whole() {
    let net = Net::start(&["gz-edge-1"]).await;
    let before = net.text("gz-edge-1", "running").await;
    let mut shell = net.shell("gz-edge-1").await;
    shell.expect("flyball@gz-edge-1> ").await;
    shell.run("set cli screen-length 0", "> ").await;
    shell
        .run("configure exclusive", r"\[edit\]\r\nflyball@gz-edge-1# ")
        .await;
    shell.run("set interfaces ge-0/0/1 mtu 1400", "# ").await;
    let refused = shell.run("set interfaces ge-0/0/1 mtu many", "# ").await;
    assert!(refused.contains("syntax error"), "{refused}");
    let change = shell.run("show | compare", r"mtu 1400;.*\r\n[^#]*# ").await;
    assert!(
        change.contains("[edit interfaces ge-0/0/1]\r\n+   mtu 1400;"),
        "{change}"
    );
    assert_eq!(net.text("gz-edge-1", "running").await, before);
    shell.run("set protocols ospf area 0 interface ge-0/0/7.0", "# ").await;
    let failed = shell.run("commit check", "check-out failed").await;
    assert!(failed.contains("interface is not configured"), "{failed}");
    shell
        .run("delete protocols ospf area 0 interface ge-0/0/7.0", "# ")
        .await;
    shell.run("commit check", "configuration check succeeds").await;
    shell.run("commit comment \"by hand\"", "commit complete").await;
    assert!(net.text("gz-edge-1", "running").await.contains("mtu 1400"));
    assert_eq!(
        net.text("gz-edge-1", "startup").await,
        net.text("gz-edge-1", "running").await
    );
    let history = shell.run("run show system commit", r"1   .*via other").await;
    assert!(history.contains("by flyball via cli\r\n    by hand"), "{history}");
    shell.run("rollback 1", "load complete").await;
    shell.run("exit configuration-mode", r"\[yes,no\] \(yes\) ").await;
    shell.run("yes", "flyball@gz-edge-1> ").await;
    assert!(
        net.text("gz-edge-1", "running").await.contains("mtu 1400"),
        "discarded, not committed"
    );
}

#[tokio::test]
async fn junos_takes_back_what_nobody_confirms_and_frees_the_lock_of_a_session_that_died() {
    let net = Net::start_with(&["gz-edge-1"], |options| {
        options.minute = std::time::Duration::from_millis(400)
    })
    .await;
    let before = net.text("gz-edge-1", "running").await;
    let mut shell = net.shell("gz-edge-1").await;
    shell.expect("> ").await;
    shell.run("configure exclusive", "# ").await;
    shell.run("set interfaces ge-0/0/1 mtu 1400", "# ").await;
    shell
        .run("commit confirmed 2 comment \"trial\"", "rolled back in 2 minutes")
        .await;
    assert_ne!(net.text("gz-edge-1", "running").await, before);
    let wait = json!({"cmd": "wait", "device": "gz-edge-1", "match": "was not confirmed", "timeout_ms": 5000});
    assert_eq!(net.ask(wait).await["entry"]["config"], true);
    assert_eq!(net.text("gz-edge-1", "running").await, before);

    shell.run("set interfaces ge-0/0/1 mtu 1500", "# ").await;
    let mut second = net.shell("gz-edge-1").await;
    second.expect("> ").await;
    let refused = second.run("configure exclusive", "exclusive \\[edit\\]").await;
    assert!(refused.contains("locked by:\r\n  flyball terminal"), "{refused}");
    drop(shell);
    net.sessions("gz-edge-1", 1).await;
    second.expect("> ").await;
    second.run("configure exclusive", "# ").await;
    let clean = second.run("show | compare", "compare\r\n.*\r\n[^#]*# ").await;
    assert!(!clean.contains("1500"), "{clean}");
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
        &["system-view", "ospf 100", "area 0", "network 10.0.0.0 0.255.255.255"],
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
    let peers = two.run("display ospf peer brief", r"Total Peer\(s\): +1").await;
    assert!(peers.contains("Full"), "{peers}");
    two.lines(&["int gi0/0/1", "ospf timer hello 5"], r"\[.*\]").await;
    net.full(0).await;
}

#[tokio::test]
async fn long_answers_stop_at_each_page_until_paging_is_off() {
    let net = Net::start(&[]).await;
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
    shell.run("display current-configuration", "---- More ----").await;
    shell.send(" ").await;
    shell.expect("\r\nreturn\r\n").await;
    shell.expect("<bj-core-2>").await;
    shell.run("screen-length 0 temporary", "<bj-core-2>").await;
    let all = shell.run("display current-configuration", "<bj-core-2>").await;
    assert!(!all.contains("More"), "{all}");
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
async fn syslog_lines_interrupt_the_terminal_wherever_it_stands() {
    let net = Net::start(&["bj-core-1"]).await;
    let mut shell = net.shell("bj-core-1").await;
    shell.expect("bj-core-1>").await;
    shell.run("enable", "bj-core-1#").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        shell.run("conf t", r"\(config\)#").await;
        shell.send("end\rshow version\r").await;
        seen.push(shell.expect(r"(?s)Version 15.*?\r\nbj-core-1#").await);
    }
    let line = r"\*[A-Z][a-z]{2} \d{2} [\d:.]+: %SYS-5-CONFIG_I: Configured from console by flyball on vty0 \(127\.0\.0\.1\)\r\n";
    let places = [
        format!(r"\r\nbj-core-1#\r\n{line}"),
        format!(r"\r\nbj-co\r\n{line}re-1#"),
        format!(r"\r\n{line}bj-core-1#"),
    ];
    for (text, place) in seen.iter().zip(places) {
        assert!(regex::Regex::new(&place).unwrap().is_match(text), "{place}: {text:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let net = Net::start(&["bj-core-1"]).await;
    assert!(!net.login("bj-core-1", "flyball", "wrong").await);
    assert!(!net.login("bj-core-1", "root", "wrong").await);
}
