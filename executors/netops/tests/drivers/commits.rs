//! Commits on trial on a device with a candidate configuration.

use std::time::Duration;

use flyball_netops::Role;
use flyball_netops::tools::{Reply, Toolbox};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::kit::{Lab, eventually, object};

const DEVICE: &str = "gz-edge-1";
/// How long the sandbox's minute is, where a test waits for one to end.
const MINUTE: Duration = Duration::from_secs(2);

fn lines() -> Value {
    json!([
        "set interfaces ge-0/0/1 description \"on trial\"",
        "set interfaces ge-0/0/1 mtu 1400"
    ])
}

fn change() -> Value {
    json!({"device": DEVICE, "lines": lines(), "comment": "trial"})
}

fn one() -> Value {
    json!({"device": DEVICE})
}

fn lease(id: &str, seconds: u64) -> Value {
    json!({"io.flyball/lease": {"id": id, "seconds": seconds}})
}

impl Lab {
    /// Both Junos-like routers, with a short minute.
    async fn candidates() -> Self {
        Self::start_with(&["gz-edge-1", "gz-edge-2"], |options| options.minute = MINUTE).await
    }

    /// For long enough that no test waits for its end.
    async fn leased(&self, tool: &str, args: Value, id: &str) -> Value {
        self.leased_for(60, tool, args, id).await
    }

    async fn leased_for(&self, seconds: u64, tool: &str, args: Value, id: &str) -> Value {
        let reply = self.reply(tool, args.clone(), lease(id, seconds)).await;
        assert!(!reply.is_error, "{tool} {args}: {}", reply.content);
        reply.content
    }

    async fn refused(&self, tool: &str, args: Value, id: &str) -> Value {
        let reply = self.reply(tool, args.clone(), lease(id, 4)).await;
        assert!(reply.is_error, "{tool} {args}: {}", reply.content);
        reply.content
    }

    async fn state(&self, id: &str) -> Value {
        let args = json!({"device": DEVICE, "lines": lines()});
        self.leased("get_commit", args, id).await
    }

    async fn running(&self) -> String {
        self.text(DEVICE, "running").await
    }
}

fn other(lab: &Lab) -> Toolbox {
    Toolbox::new(Role::Config, lab.sandbox.inventory_path(), None, true)
}

async fn by(toolbox: &Toolbox, tool: &str, args: Value, id: &str) -> Reply {
    toolbox.call(tool, object(args), &object(lease(id, 4))).await.unwrap()
}

#[tokio::test]
async fn what_is_prepared_is_committed_on_trial_and_confirmed() {
    let lab = Lab::candidates().await;
    let before = lab.running().await;
    let preview = lab.ok("preview_commit", change()).await;
    assert_eq!(preview["lines"], lines());
    assert_eq!(preview["irreversible"], json!([]), "{preview}");

    let prepared = lab.leased("prepare_commit", change(), "k1").await;
    assert_eq!(
        (&prepared["state"], &prepared["changed"]),
        (&json!("prepared"), &json!(false))
    );
    assert_eq!(lab.running().await, before, "prepared is not in force");
    assert_eq!(lab.state("k1").await["state"], "prepared");
    lab.leased("prepare_commit", change(), "k1").await;

    let trial = lab.leased("commit_confirmed", change(), "k1").await;
    assert_eq!((&trial["state"], &trial["changed"]), (&json!("pending"), &json!(true)));
    let state = lab.state("k1").await;
    assert_eq!(
        (&state["state"], &state["unchanged"]),
        (&json!("pending"), &json!(true)),
        "{state}"
    );
    assert_eq!(state["pending"]["id"], "k1");
    assert_eq!(state["base"], trial["base"]);

    lab.leased("confirm_commit", one(), "k1").await;
    let again = lab.leased("confirm_commit", one(), "k1").await;
    assert_eq!(again["changed"], false, "confirming what is confirmed is fine");
    let state = lab.state("k1").await;
    assert_eq!(
        (&state["state"], &state["pending"]),
        (&json!("confirmed"), &Value::Null),
        "{state}"
    );
    tokio::time::sleep(MINUTE * 3 + Duration::from_millis(300)).await;
    assert!(lab.running().await.contains("on trial"), "it stays");

    let undone = json!({"device": DEVICE, "lines": preview["reverse"]});
    lab.ok("apply_lines", undone).await;
    assert_eq!(lab.running().await, before);
}

#[tokio::test]
async fn what_nobody_confirms_is_taken_back_by_the_device_though_the_server_is_gone() {
    let lab = Lab::candidates().await;
    let before = lab.running().await;
    let server = other(&lab);
    let trial = by(&server, "commit_confirmed", change(), "k1").await;
    assert!(!trial.is_error, "{}", trial.content);
    assert!(lab.running().await.contains("on trial"));
    drop(server);
    eventually("the device takes it back", || async { lab.running().await == before }).await;
    let state = lab.state("k1").await;
    assert_eq!(
        (&state["state"], &state["unchanged"]),
        (&json!("reverted"), &json!(false)),
        "{state}"
    );
    assert_eq!(state["pending"], Value::Null);
    for tool in ["confirm_commit", "extend_commit"] {
        let late = lab.refused(tool, one(), "k1").await;
        assert_eq!(late["refused"], "expired", "{tool}: {late}");
    }
    lab.leased("cancel_commit", one(), "k1").await;
    assert_eq!(lab.running().await, before);
}

/// Where the child finds its inventory.
const INVENTORY: &str = "FLYBALL_TEST_INVENTORY";

#[tokio::test]
async fn a_process_that_is_killed_between_commit_and_confirm_leaves_it_to_the_device() {
    let lab = Lab::candidates().await;
    let before = lab.running().await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "commits::a_child_commits_and_waits",
            "--ignored",
            "--nocapture",
        ])
        .env(INVENTORY, lab.sandbox.inventory_path())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines
        .next_line()
        .await
        .unwrap()
        .expect("it says so")
        .contains("committed")
    {}
    assert!(lab.running().await.contains("on trial"));
    child.kill().await.unwrap();
    eventually("the device takes it back", || async { lab.running().await == before }).await;
    assert_eq!(lab.state("k1").await["state"], "reverted");
    lab.leased("commit_confirmed", change(), "k2").await;
}

#[tokio::test]
#[ignore = "one half of the test above, in a process of its own"]
async fn a_child_commits_and_waits() {
    let Some(inventory) = std::env::var_os(INVENTORY) else {
        return;
    };
    let toolbox = Toolbox::new(Role::Config, inventory.into(), None, true);
    let reply = by(&toolbox, "commit_confirmed", change(), "k1").await;
    assert!(!reply.is_error, "{}", reply.content);
    println!("committed");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn an_extended_lease_outlives_its_first_time() {
    let lab = Lab::candidates().await;
    let before = lab.running().await;
    lab.leased_for(6, "commit_confirmed", change(), "k1").await;
    for _ in 0..2 {
        tokio::time::sleep(MINUTE * 2).await;
        let extended = lab.leased_for(6, "extend_commit", one(), "k1").await;
        assert_eq!(extended["state"], "pending");
        assert!(lab.running().await.contains("on trial"));
    }
    eventually("it ends after the last extension", || async {
        lab.running().await == before
    })
    .await;
    assert_eq!(
        lab.state("k1").await["state"],
        "reverted",
        "back to what was there before all of it"
    );
}

#[tokio::test]
async fn a_cancel_puts_it_back_at_once_extended_or_not() {
    let lab = Lab::candidates().await;
    let before = lab.running().await;
    for (id, extend) in [("k1", false), ("k2", true)] {
        lab.leased("commit_confirmed", change(), id).await;
        if extend {
            lab.leased("extend_commit", one(), id).await;
        }
        let cancelled = lab.leased("cancel_commit", one(), id).await;
        assert_eq!(
            (&cancelled["state"], &cancelled["changed"]),
            (&json!("reverted"), &json!(true))
        );
        assert_eq!(lab.running().await, before);
        assert_eq!(lab.leased("cancel_commit", one(), id).await["changed"], false);
        assert_eq!(
            lab.refused("commit_confirmed", change(), id).await["refused"],
            "expired"
        );
    }
    lab.leased("prepare_commit", change(), "k3").await;
    assert_eq!(lab.leased("cancel_commit", one(), "k3").await["state"], "none");
    assert_eq!(lab.state("k3").await["state"], "none");
    lab.leased("prepare_commit", change(), "k4").await;
}

#[tokio::test]
async fn a_second_clients_lock_is_refused_and_named() {
    let lab = Lab::candidates().await;
    lab.leased("prepare_commit", change(), "k1").await;
    let second = other(&lab);
    let refused = by(&second, "prepare_commit", change(), "k2").await;
    assert_eq!(refused.content["refused"], "locked", "{}", refused.content);
    let holder = refused.content["holder"].as_str().unwrap();
    assert!(
        holder.contains("flyball terminal") && holder.contains("127.0.0.1"),
        "{holder}"
    );
    let own = lab.refused("commit_confirmed", change(), "k9").await;
    assert!(own["holder"].as_str().unwrap().contains("k1"), "{own}");
    let plain = lab
        .err(
            "set_interface",
            json!({"device": DEVICE, "interface": "ge-0/0/1", "mtu": 1300}),
        )
        .await;
    assert_eq!(plain["refused"], "locked");

    lab.leased("cancel_commit", one(), "k1").await;
    let now = by(&second, "prepare_commit", change(), "k2").await;
    assert!(!now.is_error, "{}", now.content);
    drop(second);
    let free = || async { !lab.reply("prepare_commit", change(), lease("k3", 4)).await.is_error };
    eventually("the lock ends with its holder", free).await;
}

#[tokio::test]
async fn edits_that_somebody_else_left_are_neither_committed_nor_lost() {
    let lab = Lab::candidates().await;
    let foreign = json!({"cmd": "edit", "device": DEVICE, "lines": ["set interfaces ge-0/0/1 mtu 1300"]});
    lab.ask(foreign).await;
    for tool in ["prepare_commit", "commit_confirmed"] {
        assert_eq!(lab.refused(tool, change(), "k1").await["refused"], "dirty candidate");
    }
    let plain = json!({"device": DEVICE, "lines": lines()});
    assert_eq!(lab.err("apply_lines", plain).await["refused"], "dirty candidate");
    assert!(!lab.running().await.contains("1300"));
    lab.ask(json!({"cmd": "edit", "device": DEVICE, "lines": ["commit"]}))
        .await;
    assert!(
        lab.running().await.contains("1300"),
        "their work is still theirs to commit"
    );
}

#[tokio::test]
async fn somebody_elses_trial_is_not_confirmed_by_a_commit_of_ours() {
    let lab = Lab::candidates().await;
    let theirs = [
        "set interfaces ge-0/0/1 mtu 1300",
        "commit confirmed 4 comment \"mine\"",
    ];
    lab.ask(json!({"cmd": "edit", "device": DEVICE, "lines": theirs})).await;
    for tool in ["prepare_commit", "commit_confirmed", "confirm_commit"] {
        let refused = lab
            .refused(tool, if tool == "confirm_commit" { one() } else { change() }, "k1")
            .await;
        assert_eq!(refused["refused"], "awaiting confirmation", "{refused}");
        assert!(refused["pending"].as_str().unwrap().contains("mine"));
    }
    let state = lab.state("k1").await;
    assert_eq!(
        (&state["state"], &state["pending"]["id"]),
        (&json!("none"), &json!("")),
        "not one of ours: {state}"
    );
    let gone = || async { !lab.running().await.contains("1300") };
    eventually("theirs is taken back", gone).await;
    lab.leased("commit_confirmed", change(), "k1").await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_in_the_history() {
    let lab = Lab::candidates().await;
    let hold = json!({"cmd": "fault", "device": DEVICE, "kind": "cut", "after_lines": 3});
    lab.ask(hold).await;
    let lost = lab.refused("commit_confirmed", change(), "k1").await;
    assert!(lost["unknown"].is_string() && lost.get("state").is_none(), "{lost}");
    let state = lab.state("k1").await;
    assert_eq!(
        (&state["state"], &state["applied_by_lease"]),
        (&json!("pending"), &json!(true)),
        "{state}"
    );
    let newest = &state["history"][0];
    assert_eq!((&newest["id"], &newest["phase"]), (&json!("k1"), &json!("do")));
    assert!(newest["comment"].as_str().unwrap().ends_with("k1"), "{newest}");
    let again = lab.leased("commit_confirmed", change(), "k1").await;
    assert_eq!(
        (&again["sent"], &again["state"]),
        (&json!(0), &json!("pending")),
        "not done twice"
    );
    lab.leased("confirm_commit", one(), "k1").await;
}

#[tokio::test]
async fn an_edit_whose_answer_was_lost_leaves_nothing() {
    let lab = Lab::candidates().await;
    let before = lab.running().await;
    lab.ask(json!({"cmd": "fault", "device": DEVICE, "kind": "cut", "after_lines": 1}))
        .await;
    let lost = lab.refused("commit_confirmed", change(), "k1").await;
    assert!(lost["refused"].is_object() && lost.get("unknown").is_none(), "{lost}");
    assert_eq!(lost["changed"], false);
    assert_eq!(lab.running().await, before);
    lab.leased("commit_confirmed", change(), "k1").await;
}

#[tokio::test]
async fn a_line_or_a_whole_that_is_refused_leaves_nothing_in() {
    let lab = Lab::candidates().await;
    let before = lab.running().await;
    let wrong_line = json!(["set interfaces ge-0/0/1 mtu 1400", "set interfaces ge-0/0/1 mtu many"]);
    let wrong_whole = json!([
        "set interfaces ge-0/0/1 mtu 1400",
        "set protocols ospf area 7 interface ge-0/0/1.0"
    ]);
    for (lines, refused) in [
        (wrong_line, "set interfaces ge-0/0/1 mtu many"),
        (wrong_whole, "commit check"),
    ] {
        let args = json!({"device": DEVICE, "lines": lines});
        let plain = lab.err("apply_lines", args.clone()).await;
        assert_eq!(plain["refused"]["line"], refused, "{plain}");
        assert_eq!(
            (&plain["changed"], &plain["base"]),
            (&json!(false), &lab.state("k").await["base"])
        );
        for tool in ["prepare_commit", "commit_confirmed"] {
            let result = lab.refused(tool, args.clone(), "k1").await;
            assert_eq!(
                (&result["refused"]["line"], &result["state"]),
                (&json!(refused), &json!("none")),
                "{result}"
            );
        }
        assert_eq!(lab.running().await, before);
    }
    let denied = json!({"device": DEVICE, "lines": ["set system login user x class super-user"]});
    assert_eq!(lab.refused("prepare_commit", denied, "k1").await["refused"], "denied");
    lab.leased("prepare_commit", change(), "k1").await;
}

#[tokio::test]
async fn a_prepared_change_is_not_committed_over_another_base_or_with_other_lines() {
    let lab = Lab::candidates().await;
    lab.leased("prepare_commit", change(), "k1").await;
    let others = json!({"device": DEVICE, "lines": ["set interfaces ge-0/0/1 mtu 1300"]});
    lab.refused("commit_confirmed", others, "k1").await;
    let mut meta = lease("k2", 4);
    meta["io.flyball/expect_base"] = "sha256:other".into();
    let reply = lab.reply("prepare_commit", change(), meta).await;
    assert_eq!(reply.content["refused"], "base moved", "{}", reply.content);
    assert!(!lab.running().await.contains("1300"));
    lab.leased("prepare_commit", change(), "k3").await;
}

#[tokio::test]
async fn a_lease_must_be_named_and_whole_minutes() {
    let lab = Lab::candidates().await;
    let refused = lab.err("commit_confirmed", change()).await;
    assert!(
        refused["error"].as_str().unwrap().contains("io.flyball/lease"),
        "{refused}"
    );
    for bad in [
        json!({"id": "a b", "seconds": 4}),
        json!({"id": "a"}),
        json!({"id": "a", "seconds": 0}),
    ] {
        let reply = lab
            .reply("commit_confirmed", change(), json!({"io.flyball/lease": bad}))
            .await;
        assert!(reply.is_error, "{}", reply.content);
    }
    let reply = lab.reply("commit_confirmed", change(), lease("k1", 3)).await;
    assert!(
        reply.content["refused"]["message"]
            .as_str()
            .unwrap()
            .contains("not a multiple"),
        "{}",
        reply.content
    );
    let live = lab
        .refused("prepare_commit", json!({"device": "gz-edge-2", "lines": ["x"]}), "k")
        .await;
    assert_eq!(live["refused"], "denied");
}

#[tokio::test]
async fn platforms_without_a_candidate_say_so() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let args = json!({"device": "bj-core-1", "lines": ["router ospf 9"]});
    let reply = lab.reply("commit_confirmed", args, lease("k1", 60)).await;
    assert!(
        reply.content["error"].as_str().unwrap().contains("no candidate"),
        "{}",
        reply.content
    );
    let state = lab.err("get_commit", json!({"device": "bj-core-1"})).await;
    assert_eq!(state["refused"], "not possible here");
}

#[tokio::test]
async fn other_changes_are_one_commit_each_with_the_calls_key() {
    let lab = Lab::candidates().await;
    let args = json!({"device": DEVICE, "interface": "ge-0/0/1", "ospf_cost": 50, "description": "x"});
    let reply = lab
        .reply("set_interface", args, json!({"io.flyball/key": "call-7"}))
        .await;
    assert!(!reply.is_error, "{}", reply.content);
    let state = lab.ok("get_commit", one()).await;
    assert_eq!(
        (&state["history"][0]["id"], &state["history"][0]["phase"]),
        (&json!("call-7"), &json!("apply"))
    );
    let commits = lab.executed(DEVICE).await;
    assert_eq!(
        commits.iter().filter(|line| line.starts_with("commit comment")).count(),
        1,
        "{commits:?}"
    );
    assert_eq!(lab.ok("get_config", one()).await["saved"], true);
    assert_eq!(lab.ok("save", one()).await["saved"], true);
}
