//! Plans over real servers: done, done already, and taken back as far as it goes.

use crate::rig::{Rig, in_order, missed, plan};
use flyball_engine::ids::ItemId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{End, Resolution};
use flyball_engine::intent::item::ItemStatus;
use flyball_engine::intent::replay::replay;
use flyball_engine::intent::state::{IntentState, NoBlobs};
use serde_json::{Value, json};
use std::fs::{read_to_string, write};

/// The example's plan with a post-check that is always missed, and without the steps named.
fn doomed(without: &[&str]) -> Value {
    let mut plan = plan();
    plan["post_checks"][2]["expect"] = json!("output.entities.size() == 2");
    let steps = plan["steps"].as_array_mut().unwrap();
    steps.retain(|step| !without.contains(&step["id"].as_str().unwrap()));
    for step in steps {
        if step["id"] == "remember" && without.contains(&"commit") {
            step["needs"] = json!(["stage"]);
        }
    }
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn one_plan_runs_across_four_servers_and_once_more_finds_all_of_it_in_place() {
    let Some(rig) = Rig::start().await else { return };
    let (intent, state) = rig.run(plan()).await;
    let story = rig.story(intent).await;
    assert_eq!(state.ended.as_ref().unwrap().0, End::Fulfilled, "{story}");
    let note = read_to_string(rig.file("CHG-2041.md")).unwrap();
    assert!(note.ends_with("22:00 UTC (Beijing is +8.0h).\n"), "{note}");
    assert_eq!(
        rig.git(&["log", "--format=%an %s"]),
        "Olga Announce the maintenance of bj-core-1\nOlga Begin\n"
    );
    assert_eq!(rig.git(&["show", "HEAD:CHG-2041.md"]), note);
    assert_eq!(rig.git(&["status", "--porcelain"]), "");
    assert_eq!(rig.memory()[0]["observations"][1], "opens at 22:00 UTC, Beijing +8.0h");
    let sent = [
        "files/write_file",
        "git/git_add",
        "git/git_commit",
        "memory/create_entities",
    ];
    assert_eq!(rig.sent(intent).await, sent);
    let entries = rig.journal.read(intent, 0, 10_000).await.unwrap();
    assert_eq!(replay(intent, &entries, &NoBlobs).unwrap(), state);

    let (again, state) = rig.run(plan()).await;
    let (end, reason, _) = state.ended.unwrap();
    assert_eq!(end, End::Fulfilled, "{}", rig.story(again).await);
    assert!(reason.contains("nothing was sent"), "{reason}");
    assert!(rig.sent(again).await.is_empty());
    assert_eq!(rig.git(&["rev-list", "--count", "HEAD"]).trim(), "2");
    assert_eq!(rig.memory().len(), 1);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_check_takes_everything_back_as_long_as_nothing_is_committed() {
    let Some(rig) = Rig::start().await else { return };
    write(rig.file("mine.txt"), "not of this intent").unwrap();
    let (intent, state) = rig.run(doomed(&["commit"])).await;
    let story = rig.story(intent).await;
    assert_eq!(state.ended.unwrap().0, End::RolledBack, "{story}");
    let undone = ["memory/delete_entities", "git/git_reset", "files/move_file"];
    assert_eq!(rig.sent(intent).await[3..], undone, "{story}");
    assert!(!rig.file("CHG-2041.md").exists());
    // The server cannot delete: what it wrote is moved aside, and said so.
    assert_eq!(
        rig.git(&["status", "--porcelain"]),
        "?? CHG-2041.md.taken-back\n?? mine.txt\n"
    );
    assert!(rig.memory().is_empty());
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_taken_back_waits_for_a_person_with_what_lies_under_it() {
    let Some(rig) = Rig::start().await else { return };
    let intent = rig.submit(doomed(&[])).await;
    let blocked = |state: &IntentState| state.items.values().filter(|i| i.status == ItemStatus::Blocked).count() == 2;
    let state = rig.until(intent, "two blocked", blocked).await;
    assert_eq!(state.api_state(), "stuck");
    assert!(rig.memory().is_empty(), "{}", rig.story(intent).await);
    assert_eq!(rig.sent(intent).await[4..], ["memory/delete_entities"]);
    assert_eq!(rig.git(&["rev-list", "--count", "HEAD"]).trim(), "2");
    let why: Vec<_> = state.stuck.iter().map(|s| format!("{s:?}")).collect();
    assert!(why.iter().any(|w| w.contains("cannot be taken back")), "{why:?}");

    // What the commit was made of may stay; said first, since a decided commit lets what it blocks be taken back.
    for step in ["note", "stage", "commit"] {
        let item: ItemId = step.parse().unwrap();
        let what = What::Resolve {
            item,
            resolution: Resolution::Accept,
            comment: None,
        };
        rig.order(intent, what).await;
    }
    let state = rig.until(intent, "an end", |state| state.ended.is_some()).await;
    let (end, _, partial) = state.ended.unwrap();
    assert_eq!((end, partial), (End::RolledBack, true), "{}", rig.story(intent).await);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overwriting_a_file_is_shown_as_irreversible_and_waits_for_a_person() {
    let Some(rig) = Rig::start().await else { return };
    write(rig.file("CHG-2041.md"), "somebody's words").unwrap();
    let intent = rig.submit(plan()).await;
    rig.until(intent, "approval", |state| state.approval.is_some()).await;
    assert_eq!(read_to_string(rig.file("CHG-2041.md")).unwrap(), "somebody's words");
    let state = rig.approve(intent).await;
    assert_eq!(state.ended.unwrap().0, End::Fulfilled, "{}", rig.story(intent).await);
    assert!(read_to_string(rig.file("CHG-2041.md")).unwrap().contains("22:00 UTC"));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_contracts_call_reversible_is_as_before_after_its_undo() {
    let Some(rig) = Rig::start().await else { return };
    write(rig.file("a.txt"), "one\ntwo\n").unwrap();
    let entity = |name: &str, said: &[&str]| json!({"name": name, "entityType": "device", "observations": said});
    let relation = |to: &str| json!({"from": "r1", "to": to, "relationType": "linked"});
    let begin = json!({"steps": [
        {"id": "devices", "tool": "memory/create_entities", "args": {"entities": [
            entity("r1", &["up"]), entity("r2", &["up", "old"]), entity("r3", &[])]}},
        {"id": "links", "needs": ["devices"], "tool": "memory/create_relations", "args": {"relations": [relation("r2")]}},
    ]});
    let (intent, state) = rig.run(begin).await;
    assert_eq!(state.ended.unwrap().0, End::Fulfilled, "{}", rig.story(intent).await);
    let before = rig.memory();

    let steps = [
        (
            "files/edit_file",
            json!({"path": "a.txt", "edits": [{"oldText": "two", "newText": "2"}]}),
        ),
        ("files/move_file", json!({"source": "a.txt", "destination": "b.txt"})),
        (
            "memory/add_observations",
            json!({"observations": [{"entityName": "r1", "contents": ["up", "new"]}]}),
        ),
        (
            "memory/create_relations",
            json!({"relations": [relation("r2"), relation("r3")]}),
        ),
        ("memory/delete_relations", json!({"relations": [relation("r2")]})),
        (
            "memory/delete_observations",
            json!({"deletions": [{"entityName": "r2", "observations": ["old", "never"]}]}),
        ),
        ("memory/create_entities", json!({"entities": [entity("r4", &["x"])]})),
        ("memory/delete_entities", json!({"entityNames": ["r4"]})),
    ];
    let (intent, state) = rig.run(missed(&steps)).await;
    let story = rig.story(intent).await;
    assert_eq!(state.ended.unwrap().0, End::RolledBack, "{story}");
    assert_eq!(rig.sent(intent).await.len(), 2 * steps.len(), "{story}");
    assert_eq!(read_to_string(rig.file("a.txt")).unwrap(), "one\ntwo\n");
    assert!(!rig.file("b.txt").exists());
    assert_eq!(rig.memory(), before, "{story}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_contract_refuses_is_never_sent() {
    let Some(rig) = Rig::start().await else { return };
    let calls = [
        ("files/write_file", json!({"path": "../outside", "content": "x"})),
        ("files/write_file", json!({"path": "./twice", "content": "x"})),
        ("git/git_add", json!({"repo_path": ".", "files": ["."]})),
        ("everything/get-env", json!({})),
    ];
    for (tool, args) in calls {
        let (intent, state) = rig.run(missed(&[(tool, args.clone())])).await;
        assert_eq!(state.ended.unwrap().0, End::Refused, "{tool} {args}");
        assert!(rig.sent(intent).await.is_empty());
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_way_back_is_approved_and_found_in_place_the_second_time() {
    let Some(rig) = Rig::start().await else { return };
    let steps = [
        ("files/create_directory", json!({"path": "notes"})),
        ("files/write_file", json!({"path": "notes/a.md", "content": "a\n"})),
        ("git/git_add", json!({"repo_path": ".", "files": ["notes/a.md"]})),
        ("git/git_commit", json!({"repo_path": ".", "message": "Notes"})),
        (
            "git/git_create_branch",
            json!({"repo_path": ".", "branch_name": "next"}),
        ),
        ("git/git_checkout", json!({"repo_path": ".", "branch_name": "next"})),
    ];
    let intent = rig.submit(in_order(&steps)).await;
    let state = rig.approve(intent).await;
    assert_eq!(state.ended.unwrap().0, End::Fulfilled, "{}", rig.story(intent).await);
    assert_eq!(rig.git(&["branch", "--show-current"]), "next\n");
    assert_eq!(rig.git(&["show", "HEAD:notes/a.md"]), "a\n");
    let (again, state) = rig.run(in_order(&steps)).await;
    assert_eq!(state.ended.unwrap().0, End::Fulfilled, "{}", rig.story(again).await);
    assert!(rig.sent(again).await.is_empty());
    rig.end().await;
}
