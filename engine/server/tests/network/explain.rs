//! What a person is shown before a change, and what an intent answers when asked why.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::engine::{Engine, Folder};
use crate::lab::Lab;

const PAIR: [&str; 2] = ["sh-core-1", "sh-core-2"];

fn costs() -> Value {
    json!({
        "summary": "cost 33 on eth1 of the pair",
        "pre_checks": [{"tool": "inventory/list_devices", "args": {"site": "shanghai"}, "expect": "output.devices.size() == 2"}],
        "steps": [
            {"id": "pair", "tool": "inventory/list_devices", "args": {"site": "shanghai", "role": "core"}},
            {"id": "cost", "for_each": "${steps.pair.output.devices}", "tool": "config/set_interface", "waves": [1],
             "args": {"device": "${item.name}", "interface": "eth1", "ospf_cost": 33},
             "gate": {"tool": "config/get_interface", "args": {"device": "${item.name}", "interface": "eth1"},
                      "expect": "output.ospf_cost == 33", "within": "10s"}},
            {"id": "saved", "needs": ["cost"], "for_each": "${steps.pair.output.devices}", "tool": "config/save",
             "args": {"device": "${item.name}"}, "waves": ["100%"]}
        ],
        "post_checks": [{"tool": "config/get_interface", "args": {"device": PAIR[0], "interface": "eth1"},
                         "expect": "output.ospf_cost == 33"}]
    })
}

/// All of them, in this order.
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} does not come next in\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_reads_as_a_method_of_procedure_and_nothing_is_sent() {
    let lab = Lab::of(&PAIR).await;
    let folder = Folder::over(&lab.sandbox.inventory_path(), true);
    folder.write("cost.json", &costs().to_string());
    let engine = Engine::start(&folder);
    let words = ["plan", "--plan", "cost.json", "--change", "CHG-7"];
    let (code, text) = engine.flyball(&words).await;
    assert_eq!(code, 0, "{text}");
    in_order(
        &text,
        &[
            "Method of procedure: cost 33 on eth1 of the pair\n",
            "change    CHG-7\n",
            "policy    a person must approve it",
            "targets   4 targets on 2 devices",
            "calls     4 calls in 4 stages; 2 without a way back\n",
            "1. What was looked at\n",
            "pair   inventory/list_devices role=core site=shanghai: read\n",
            "by config/preview_interface: read for 2 calls\n",
            "2. Pre-checks\n  ✓ pre-check 1 inventory/list_devices site=shanghai: held\n",
            "3.1 cost, wave 1 of 2: config/set_interface (reversible), after pair\n    sh-core-1\n",
            "+ ip ospf cost 33",
            "↩ no ip ospf cost",
            "gate: for each, config/get_interface device=${item.name} interface=eth1\n",
            "must hold: output.ospf_cost == 33; within 10s\n",
            "3.2 cost, wave 2 of 2: ",
            "sh-core-2\n",
            "3.3 saved, wave 1 of 2: config/save (idempotent), after pair and cost\n",
            "NO WAY BACK",
            "4. Post-checks\n  · post-check 1 config/get_interface device=sh-core-1 interface=eth1: waiting\n",
            "no way back: the contract names no undo (saved/0, saved/1)\n",
            "planned; go on with: flyball apply ",
        ],
    );
    for device in PAIR {
        let executed = lab.executed(device).await;
        assert!(
            !executed
                .iter()
                .any(|e| e.line.contains("cost") || e.line.starts_with("write")),
            "{executed:?}"
        );
    }

    in_each_form(&engine, &text).await;
}

/// The same for a ticket, and nothing else; from the API in each form.
async fn in_each_form(engine: &Engine, text: &str) {
    let id = text.split("flyball apply ").nth(1).unwrap().lines().next().unwrap();
    let (code, unknown) = engine.flyball(&["diff", id, "--device", "sh-core-11"]).await;
    assert!(code == 1 && unknown.contains("did you mean sh-core-1?"), "{unknown}");
    let (code, shown) = engine.flyball(&["show", id, "--procedure", "--markdown"]).await;
    assert_eq!(code, 0, "{shown}");
    let path = format!("/v1/intents/{id}/plan");
    assert_eq!(shown, engine.text(&path, "text/markdown").await);
    assert!(
        shown.starts_with("# Method of procedure: cost 33 on eth1 of the pair\n"),
        "{shown}"
    );
    in_order(
        &shown,
        &[
            "### 3.1 cost, wave 1 of 2: config/set_interface (reversible), after pair\n\n**sh-core-1** (`cost/0`)",
            "```text\ninterface eth1\nip ospf cost 33\nexit\n```\n\nWay back:\n\n```text\ninterface eth1\nno ip ospf cost\nexit\n```\n",
            "### 3.2 cost, wave 2 of 2",
            "**No way back:** the contract names no undo\n",
        ],
    );
    let plain = engine.text(&path, "text/plain").await;
    assert!(text.contains(&plain), "{plain}\n---\n{text}");
    let view = engine.get(&path).await;
    let procedure = &view["procedure"];
    assert_eq!(
        procedure["count"],
        json!({"targets": 4, "devices": 2, "calls": 4, "in_place": 0, "irreversible": 2, "unverified": 0})
    );
    assert_eq!(procedure["stages"][1]["wave"], 1, "the API counts waves from 0");
    let (_, lines) = engine.flyball(&["plan", "--plan", "cost.json", "--json"]).await;
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["procedure"]["stages"], procedure["stages"]);
}

/// What a model answers to each kind of question, in order.
type Script = Arc<std::sync::Mutex<BTreeMap<&'static str, Vec<Value>>>>;

async fn answer(State(script): State<Script>, Json(question): Json<Value>) -> Json<Value> {
    let purpose = question["response_format"]["json_schema"]["name"].as_str().unwrap();
    let said = script.lock().unwrap().get_mut(purpose).map(|answers| answers.remove(0));
    let said = said.unwrap_or_else(|| panic!("nobody expected to be asked to {purpose}"));
    Json(json!({
        "id": "x", "object": "chat.completion", "created": 0, "model": "scripted",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said.to_string()}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }))
}

async fn model(script: Script) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/v1/chat/completions", post(answer))
        .with_state(script);
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn draft(tool: &str) -> Value {
    json!({"summary": "cost 33", "steps": [
        {"id": "cost", "tool": tool, "args": {"device": PAIR[0], "interface": "eth1", "ospf_cost": 33}}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn why_names_tools_shown_and_not_faults_repaired_rules_applied_and_who_approved_with_their_entries() {
    let lab = Lab::of(&PAIR).await;
    let script = BTreeMap::from([
        ("choose", vec![json!({"runbook": "none"})]),
        ("draft", vec![draft("config/set_interfaces")]),
        ("repair", vec![draft("config/set_interface")]),
    ]);
    let base = model(Arc::new(std::sync::Mutex::new(script))).await;
    let folder = Folder::over(&lab.sandbox.inventory_path(), true).with_model(&base);
    let engine = Engine::start(&folder);
    let id = engine
        .say("On sh-core-1 set the OSPF cost of interface eth1 to 33")
        .await;
    engine.until(&id, "awaiting_approval").await;
    let (code, text) = engine.flyball(&["show", &id, "--procedure"]).await;
    assert_eq!(code, 0, "{text}");
    in_order(
        &text,
        &[
            "planned   by model scripted\n",
            ", awaiting approval\n",
            "+ ip ospf cost 33",
        ],
    );
    engine.approve(&id).await;
    engine.until(&id, "fulfilled").await;
    why(&engine, &id).await;
    why_in_words(&engine, &id).await;
    report(&engine, &id).await;
}

async fn why(engine: &Engine, id: &str) {
    let why = engine.get(&format!("/v1/intents/{id}/why")).await;
    let entries = engine.entries(id).await;
    let is = |entry: &Value, kind: &str| entries[entry.as_u64().unwrap() as usize - 1]["kind"] == kind;
    let plan = &why["plans"][0];
    assert_eq!(plan["source"], "model scripted", "{why:#}");
    let tools = &plan["tools"][0];
    assert!(is(&tools["entry"], "ToolsRetrieved"));
    let has = |list: &Value, tool: &str| list.as_array().unwrap().iter().any(|t| t == tool || t["tool"] == tool);
    assert!(has(&tools["shown"], "config/set_interface"), "{tools}");
    assert!(
        has(&tools["not_shown"], "config/preview_interface"),
        "the engine calls it by itself: {tools}"
    );
    let answers = plan["answers"].as_array().unwrap();
    assert!(answers.iter().all(|a| is(&a["entry"], "ModelAnswered")));
    let [drafted, repaired] = [&answers[answers.len() - 2], &answers[answers.len() - 1]];
    assert_eq!(
        (&drafted["faults"][0]["rule"], &repaired["round"]),
        (&json!("plan.unknown_tool"), &json!(1))
    );
    assert_eq!(drafted["faults"][0]["repaired_in"], repaired["entry"]);
    let decisions = why["decisions"].as_array().unwrap();
    let decided = |kind: &str| {
        decisions
            .iter()
            .find(|d| is(&d["entries"][0], kind))
            .unwrap_or_else(|| panic!("{why:#}"))
    };
    let rule = &decided("PlanJudged")["rules"][0];
    assert!(rule["why"].as_str().unwrap().starts_with("approval.model: "), "{rule}");
    assert_eq!(rule["items"], json!(["cost"]));
    assert!(
        decided("ApprovalGiven")["text"]
            .as_str()
            .unwrap()
            .starts_with("approved by ")
    );
}

async fn why_in_words(engine: &Engine, id: &str) {
    let (code, text) = engine.flyball(&["why", id]).await;
    assert_eq!(code, 0, "{text}");
    in_order(
        &text,
        &[
            "asked in words: On sh-core-1 set the OSPF cost of interface eth1 to 33 [1]\n",
            "not by phrase: ",
            "shown to the model (",
            "not shown, the engine calls it by itself: config/preview_interface, ",
            "scripted asked to draft: 11 tokens in, 7 out",
            "[plan.unknown_tool]; repaired [",
            "round 1 of repair",
            "policy asks for a person's approval [",
            "approval.model: ",
            "applied to cost\n",
            "approved by ",
            "scripted was asked ",
            "1 call sent [",
        ],
    );
}

/// The report: each sentence and each target with its entries, the three verdicts apart, the cost.
async fn report(engine: &Engine, id: &str) {
    let report = engine.get(&format!("/v1/intents/{id}/report")).await;
    let sentences = report["sentences"].as_array().unwrap();
    assert!(
        sentences.iter().all(|s| !s["entries"].as_array().unwrap().is_empty()),
        "{report:#}"
    );
    assert!(
        sentences.last().unwrap()["text"]
            .as_str()
            .unwrap()
            .starts_with("fulfilled: "),
        "{report:#}"
    );
    let target = &report["targets"][0];
    let said = [&target["applied"], &target["verified"], &target["persisted"]];
    assert_eq!(said, ["changed", "verified", "-"], "{target}");
    assert!(target["entries"].as_array().unwrap().len() >= 2, "{target}");
    let cost = &report["cost"];
    assert!(
        cost["input_tokens"].as_u64().unwrap() >= 22 && cost["seconds"].as_f64().unwrap() > 0.0,
        "{cost}"
    );
    assert_eq!(cost["calls"], 1);
    let (_, text) = engine.flyball(&["show", id]).await;
    assert!(
        text.contains("device     changed  verified  persisted  entries\nsh-core-1  changed  verified  -          ["),
        "{text}"
    );
    assert!(text.contains("\n1 call, "), "{text}");
}

fn cost(cost: u32, expected: u32) -> Value {
    let args = json!({"device": PAIR[0], "interface": "eth1"});
    let mut set = args.clone();
    set["ospf_cost"] = cost.into();
    json!({"summary": format!("cost {cost}"), "steps": [{"id": "cost", "tool": "config/set_interface", "args": set}],
           "post_checks": [{"tool": "config/get_interface", "args": args,
                            "expect": format!("output.ospf_cost == {expected}")}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_failed_stays_in_the_report_and_the_next_one_and_why_tell_of_it() {
    let lab = Lab::of(&PAIR).await;
    let script = BTreeMap::from([
        ("choose", vec![json!({"runbook": "none"}), json!({"runbook": "none"})]),
        ("draft", vec![cost(33, 44), cost(34, 34)]),
    ]);
    let base = model(Arc::new(std::sync::Mutex::new(script))).await;
    let folder = Folder::over(&lab.sandbox.inventory_path(), true).with_model(&base);
    let engine = Engine::start(&folder);
    let id = engine
        .say("On sh-core-1 set the OSPF cost of interface eth1 to 33, else to 34")
        .await;
    engine.approve(&id).await;
    let second = |view: &Value| view["revision"] == 2 && view["state"] == "awaiting_approval";
    let mut view = engine.get(&format!("/v1/intents/{id}")).await;
    while !second(&view) {
        let ended =
            ["fulfilled", "failed", "rolled_back", "refused", "stuck"].contains(&view["state"].as_str().unwrap());
        assert!(!ended, "{}", engine.story(&id).await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        view = engine.get(&format!("/v1/intents/{id}")).await;
    }
    let (_, text) = engine.flyball(&["show", &id, "--procedure"]).await;
    in_order(
        &text,
        &["failed    and taken back, plan 1: post-check 1", "+ ip ospf cost 34"],
    );
    engine.approve(&id).await;
    engine.until(&id, "fulfilled").await;

    let report = engine.get(&format!("/v1/intents/{id}/report")).await;
    let rows = report["targets"].as_array().unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|r| (&r["applied"], &r["verified"], &r["note"]))
        .collect();
    let [of_second, of_first] = told[..] else {
        panic!("{report:#}")
    };
    assert_eq!(of_second, (&json!("changed"), &json!("verified"), &Value::Null));
    assert_eq!(of_first, (&json!("taken back"), &json!("verified"), &json!("plan 1")));
    let cited = |row: &Value| row["entries"].as_array().unwrap().clone();
    assert!(!cited(&rows[0]).is_empty() && !cited(&rows[1]).is_empty(), "{report:#}");
    assert!(
        cited(&rows[0]).iter().all(|entry| !cited(&rows[1]).contains(entry)),
        "{report:#}"
    );
    let (_, text) = engine.flyball(&["why", &id]).await;
    in_order(
        &text,
        &[
            "plan 1\n",
            "accepted [",
            "plan 2\n",
            "accepted [",
            "taking everything back",
            "planning again",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_concerns_both_ends_of_a_link_is_shown_under_the_device_that_is_configured() {
    let lab = Lab::of(&["bj-core-1", "bj-edge-1"]).await;
    let folder = Folder::over(&lab.sandbox.inventory_path(), true);
    let engine = Engine::start(&folder);
    for (device, interface) in [("bj-edge-1", "GigabitEthernet0/1"), ("bj-core-1", "GigabitEthernet0/4")] {
        let args = json!({"device": device, "interface": interface, "mtu": 9000});
        let plan = json!({"steps": [{"id": "mtu", "tool": "config/set_interface", "args": args}]});
        let id = engine.submit(plan).await;
        engine.until(&id, "awaiting_approval").await;
        let diff = engine.get(&format!("/v1/intents/{id}/diff")).await;
        let shown: Vec<&Value> = diff["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| &d["device"])
            .collect();
        assert_eq!(shown, [device], "{diff}");
        let steps = engine.get(&format!("/v1/intents/{id}/steps")).await;
        let steps = steps.to_string();
        let target = format!("device:{device}/interface:{interface}");
        assert!(steps.contains(&target), "{steps}");
        assert_eq!(
            steps.matches("/interface:").count(),
            2,
            "both ends are touched: {steps}"
        );
        let (code, said) = engine.flyball(&["deny", &id]).await;
        assert_eq!(code, 0, "{said}");
    }
}
