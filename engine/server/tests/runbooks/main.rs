//! The shipped runbooks on the sandbox, through the engine as it is run: each does what it says, and one whose check misses
//! takes everything back.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod rig;

use rig::Rig;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn each_shipped_runbook_does_what_it_says_and_a_missed_check_takes_it_back() {
    let rig = Rig::start().await;
    tokio::join!(shanghai(&rig), beijing(&rig), guangzhou(&rig));
    command_line(&rig).await;
    rig.stop().await;
}

/// Interfaces, drains, adjacencies, on frr with ios and vrp at the other ends.
async fn shanghai(rig: &Rig) {
    rig.fulfils("Check the health of Shanghai").await;
    let before = [rig.running("sh-core-1").await, rig.running("sh-edge-1").await];
    rig.fulfils("Drain sh-core-1").await;
    assert_eq!(rig.running("sh-core-1").await.matches("ip ospf cost 60000").count(), 3);
    assert!(
        rig.running("sh-edge-2").await.contains("ospf cost 60000"),
        "the far ends too"
    );
    rig.fulfils("Put sh-core-1 back into service").await;
    assert_eq!([rig.running("sh-core-1").await, rig.running("sh-edge-1").await], before);

    rig.fulfils("Shut down interface eth2 on sh-core-1").await;
    assert!(rig.running("sh-core-1").await.contains(" shutdown"));
    rig.fulfils("On sh-core-1, bring up interface eth2").await;
    assert!(!rig.running("sh-core-1").await.contains(" shutdown"));
    rig.console("sh-edge-1", &["interface GigabitEthernet0/1", "shutdown"])
        .await;
    rig.fulfils("Restore the OSPF adjacency between sh-core-1 and sh-edge-1")
        .await;
    assert_eq!([rig.running("sh-core-1").await, rig.running("sh-edge-1").await], before);

    rig.fulfils("Move traffic off the link between sh-core-1 and sh-edge-1")
        .await;
    rig.fulfils("Describe interface eth1 on sh-core-1 as \"to its pair\"")
        .await;
    assert!(rig.running("sh-core-1").await.contains("description to its pair"));
}

/// OSPF, time servers and kept copies, on ios and vrp.
async fn beijing(rig: &Rig) {
    rig.fulfils("Configure OSPF area 0 with process ID 100 for all core switches in the Beijing data center")
        .await;
    rig.fulfils("Set NTP servers 10.255.0.1 and 10.255.0.2 on all core routers in Beijing")
        .await;
    assert!(rig.running("bj-core-1").await.contains("ntp server 10.255.0.2"));
    assert!(
        rig.running("bj-core-2")
            .await
            .contains("ntp-service unicast-server 10.255.0.2")
    );
    let (state, refused) = rig
        .ends("Set NTP servers 10.255.0.1 on all edge routers in Beijing", None)
        .await;
    assert_eq!(state, "refused", "{refused}");
    assert_eq!(refused["faults"][0]["rule"], "plan.platforms");
    assert!(
        refused["reason"].as_str().unwrap().contains("device:bj-edge-2 is frr"),
        "{refused}"
    );

    rig.fulfils("Keep the configuration of bj-core-1 as golden").await;
    rig.fulfils("Compare bj-core-1 with its golden configuration").await;
    rig.fulfils("Back up the configuration of bj-core-1").await;
    let golden = rig.running("bj-core-1").await;
    rig.console(
        "bj-core-1",
        &["interface GigabitEthernet0/2", "description somebody else"],
    )
    .await;
    let (state, missed) = rig.ends("Compare bj-core-1 with its golden configuration", None).await;
    assert_eq!(state, "failed", "{missed}");

    let restore = "Restore the configuration of bj-core-1 from golden";
    let (state, refused) = rig.ends(restore, None).await;
    assert_eq!(state, "refused", "{refused}");
    assert_eq!(refused["faults"][0]["rule"], "runbook.window");
    let (state, restored) = rig.ends(restore, Some(json!({"from": "0s", "until": "1h"}))).await;
    assert_eq!(state, "fulfilled", "{restored}");
    assert_eq!(rig.running("bj-core-1").await, golden);
    rig.nothing_kept_can_be_read("bj-core-1", "interface GigabitEthernet");
}

/// Log servers, and the only link of a site: shutting it down must not last. On junos.
async fn guangzhou(rig: &Rig) {
    rig.fulfils("Add the syslog server 10.255.0.9 on all edge devices in Guangzhou")
        .await;
    assert!(
        rig.running("gz-edge-1")
            .await
            .contains("set system syslog host 10.255.0.9 any info")
    );
    let before = rig.running("gz-edge-2").await;
    let (state, view) = rig.ends("Disable interface ge-0/0/1 on gz-edge-2", None).await;
    assert_eq!(state, "rolled_back", "{view}");
    assert_eq!(rig.running("gz-edge-2").await, before);
}

/// The command line over the same server.
async fn command_line(rig: &Rig) {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let (code, text) = rig.flyball(&["runbook", "list", "--json"]).await;
    assert_eq!((code, json(&text).as_array().unwrap().len()), (0, 14));
    let (code, text) = rig.flyball(&["runbook", "show", "restore-configuration"]).await;
    assert!(code == 0 && text.contains("window: required"), "{text}");
    let (code, text) = rig.flyball(&["runbook", "show", "restore-config"]).await;
    assert!(code == 1 && text.contains("restore-configuration"), "{text}");

    let (code, text) = rig
        .flyball(&["runbook", "try", "drain every core router", "--json"])
        .await;
    assert_eq!((code, &json(&text)["outcome"]), (3, &json!("none")));
    let (code, text) = rig.flyball(&["runbook", "try", "drain sh-core-2", "--json"]).await;
    let tried = json(&text);
    assert_eq!((code, &tried["outcome"]), (0, &json!("one")), "{tried}");
    assert_eq!(
        tried["matches"][0]["call"],
        "--runbook drain-device -p device=sh-core-2"
    );

    let (code, text) = rig.flyball(&["runbook", "test", "--json"]).await;
    let tested = json(&text);
    assert_eq!((code, &tested["mistakes"]), (0, &json!([])), "{tested}");
    assert!(tested["tests"].as_array().unwrap().len() > 40, "{tested}");

    let (state, intent) = rig.ends("Check the health of Guangzhou", None).await;
    assert_eq!(state, "fulfilled", "{intent}");
    let (code, text) = rig
        .flyball(&["runbook", "promote", intent["id"].as_str().unwrap()])
        .await;
    assert!(
        code == 1 && text.contains("it ran the runbook health-check already"),
        "{text}"
    );
}
