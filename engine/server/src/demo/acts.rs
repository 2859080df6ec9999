//! The acts. Each asks through the API as a person would, and judges from the devices' logs and configurations.

use super::network::Picture;
use super::stage::{APPROVER, OPERATOR, Stage};
use super::tell::Tell;
use crate::cli::Failure;
use crate::http::dto::{ApprovalView, DiffView, EntryPage, IntentView, ReportView, StepsView, Submission};
use crate::render::{diff, table, tree};
use flyball_engine::intent::replay::replay;
use flyball_engine::intent::state::{Blobs, NoBlobs};
use flyball_engine::journal::{Filter, Head, Journal, verify_chain};
use serde_json::{Value, json};
use std::time::Duration;

const OSPF: &str = "Configure OSPF area 0 with process ID 100 for all core switches in the Beijing data center";
const BEIJING_CORES: [&str; 4] = ["bj-core-1", "bj-core-2", "bj-core-3", "bj-core-4"];
const SHANGHAI: [&str; 4] = ["sh-core-1", "sh-core-2", "sh-edge-1", "sh-edge-2"];
/// How long an act may wait for the next thing to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Act 1: a pair first, a gate, then the rest.
pub(super) async fn configure(stage: &mut Stage, tell: &mut Tell) -> Result<(), Failure> {
    tell.act(1, "an intent in plain words, seen before it is approved");
    let id = submit(stage, tell, OSPF, "CHG-1").await?;
    until(stage, &id, &["awaiting_approval"]).await?;
    show_look(stage, tell, &id).await?;
    tell.promise(
        "nothing was sent before a person approved",
        changed(stage, &BEIJING_CORES).await? == 0,
    );
    approve(stage, tell, &id).await?;
    let end = until_ended(stage, &id).await?;
    let report: ReportView = stage.client(OPERATOR).get(&format!("/v1/intents/{id}/report")).await?;
    tell.line(&table::devices(&report.targets, tell.style()));
    tell.promise("the network does what was asked", end.state == "fulfilled");
    let pair_first = pair_first(stage).await?;
    tell.promise("a pair first, its gate, then the rest", pair_first);
    tell.promise("each device got each command once", once(stage, &BEIJING_CORES).await?);
    Ok(())
}

/// Act 2: everything is there already.
pub(super) async fn again(stage: &mut Stage, tell: &mut Tell) -> Result<(), Failure> {
    tell.act(2, "the same words again");
    let before = changed(stage, &BEIJING_CORES).await?;
    let id = submit(stage, tell, OSPF, "CHG-1").await?;
    let end = until_ended(stage, &id).await?;
    tell.line(&format!("{}: {}", end.state, end.reason.unwrap_or_default()));
    tell.promise("nothing was sent", changed(stage, &BEIJING_CORES).await? == before);
    Ok(())
}

/// Act 3: the engine dies between a device's deed and its word.
pub(super) async fn crash(stage: &mut Stage, tell: &mut Tell) -> Result<(), Failure> {
    tell.act(3, "kill -9 between the deed and the answer");
    let held = "ip ospf cost 1000";
    stage
        .network
        .ask(json!({"cmd": "fault", "device": "bj-core-1", "kind": "hold", "match": held}))
        .await?;
    let id = submit(
        stage,
        tell,
        "Move traffic off the link between bj-core-1 and bj-edge-1",
        "CHG-2",
    )
    .await?;
    until(stage, &id, &["awaiting_approval"]).await?;
    approve(stage, tell, &id).await?;
    let wait = json!({"cmd": "wait", "device": "bj-core-1", "match": held, "timeout_ms": PATIENCE.as_millis() as u64});
    stage.network.ask(wait).await?;
    tell.line(&format!(
        "bj-core-1 has executed «{held}»; its reply is not back yet. SIGKILL to the engine."
    ));
    stage.kill_engine().await?;
    stage
        .network
        .ask(json!({"cmd": "release", "device": "bj-core-1"}))
        .await?;
    stage.resume().await?;
    tell.line("The engine is up again: it finds a call without an answer, so the call is in doubt. It does not send it again:");
    let end = until_ended(stage, &id).await?;
    for line in settlements(stage, &id).await? {
        tell.line(&format!("  {line}"));
    }
    tell.line(&format!("{}: {}", end.state, end.reason.unwrap_or_default()));
    tell.promise(
        "the doubt was settled by probe and the run finished",
        end.state == "fulfilled",
    );
    tell.promise(
        "each device got each command once",
        once(stage, &["bj-core-1", "bj-edge-1"]).await?,
    );
    Ok(())
}

/// Act 4: every adjacency is Full, and traffic is gone.
pub(super) async fn black_hole(stage: &mut Stage, tell: &mut Tell) -> Result<(), Failure> {
    tell.act(4, "all adjacencies Full, and traffic black-holed");
    let before = stage.network.picture(&SHANGHAI).await?;
    // The detour's last hop forwards nothing, though its control plane is in perfect health.
    stage
        .network
        .ask(json!({"cmd": "fault", "device": "sh-core-2", "kind": "black_hole", "toward": "sh-edge-1"}))
        .await?;
    let id = submit(
        stage,
        tell,
        "Move traffic off the link between sh-core-1 and sh-edge-1",
        "CHG-3",
    )
    .await?;
    until(stage, &id, &["awaiting_approval"]).await?;
    show_look(stage, tell, &id).await?;
    approve(stage, tell, &id).await?;
    until_item(stage, &id, "cost/0", "succeeded").await?;
    let edit =
        json!({"cmd": "edit", "device": "sh-core-1", "lines": ["interface eth2", "description fibre test 4711"]});
    stage.network.ask(edit).await?;
    tell.line("Meanwhile somebody else edits sh-core-1, eth2: «description fibre test 4711».");
    let stuck = until(stage, &id, &["stuck"]).await?;
    for why in &stuck.stuck {
        tell.line(&format!("  {why}"));
    }
    until_item(stage, &id, "cost/1", "undone").await?;
    let during = stage.network.picture(&SHANGHAI).await?;
    let others = SHANGHAI
        .iter()
        .filter(|d| **d != "sh-core-1")
        .all(|d| during[*d] == before[*d]);
    tell.promise(
        "the post-check saw the black hole, and what nobody else had touched was rolled back",
        others,
    );
    tell.promise(
        "Flyball refused to overwrite the edit",
        during["sh-core-1"].0.contains("fibre test 4711"),
    );
    way_back(stage, tell, &id, &before).await
}

/// Act 4, the end: a person decides about the conflict, and what was there before is there again.
async fn way_back(stage: &Stage, tell: &mut Tell, id: &str, before: &Picture) -> Result<(), Failure> {
    tell.types(
        OPERATOR,
        "flyball resolve … cost/0 overwrite   (she looked: it is only a description)",
    );
    resolve(stage, id, "cost/0", "overwrite").await?;
    let end = until_ended(stage, id).await?;
    tell.line(&format!("{}: {}", end.state, end.reason.clone().unwrap_or_default()));
    let after = stage.network.picture(&SHANGHAI).await?;
    tell.promise("the intent ended as rolled back", end.state == "rolled_back");
    tell.promise(
        "the edit is still there",
        after["sh-core-1"].0.contains("description fibre test 4711"),
    );
    let same = same_but_for_edit(before, &after);
    tell.promise(
        "running and startup configurations equal those before, that edit aside",
        same,
    );
    for device in SHANGHAI.iter().filter(|_| !same) {
        tell.line(&format!(
            "{device} before:\n{}\n{device} after:\n{}",
            before[*device].0, after[*device].0
        ));
    }
    Ok(())
}

/// The journal is verified and folded again, offline; then the figures.
pub(super) async fn footer(stage: &mut Stage, tell: &mut Tell, elapsed: Duration) -> Result<(), Failure> {
    let (calls, tokens) = cost(stage).await?;
    tell.line("");
    let clean = stage.stop_engine().await;
    tell.promise("the engine stopped in order", clean);
    let (entries, whole) = verify_journal(stage).await?;
    tell.promise(
        &format!("journal verified: {entries} entries, chain whole, every intent folds to the same state again"),
        whole,
    );
    let seconds = (elapsed.as_secs_f64() * 10.0).round() / 10.0;
    for (name, value) in [
        ("seconds", json!(seconds)),
        ("calls", json!(calls)),
        ("syncs", json!(stage.syncs())),
        ("tokens", json!(tokens)),
        ("entries", json!(entries)),
    ] {
        tell.figure(name, value);
    }
    let (kept, all) = tell.promises_kept();
    let syncs = stage.syncs();
    tell.line(&format!("{seconds} s, {calls} calls that could change something or read for a plan, {syncs} syncs, {tokens} tokens; {kept} of {all} promises kept"));
    Ok(())
}

async fn submit(stage: &Stage, tell: &Tell, words: &str, change: &str) -> Result<String, Failure> {
    tell.types(OPERATOR, &format!("flyball submit \"{words}\" --change {change}"));
    let body = json!({"text": words, "change": change});
    let submission: Submission = stage.client(OPERATOR).post("/v1/intents", &body).await?;
    Ok(submission.id)
}

async fn show_look(stage: &Stage, tell: &Tell, id: &str) -> Result<(), Failure> {
    let client = stage.client(APPROVER);
    let steps: StepsView = client.get(&format!("/v1/intents/{id}/steps")).await?;
    let view: DiffView = client.get(&format!("/v1/intents/{id}/diff")).await?;
    tell.line(&tree::tree(&steps, tell.style()));
    tell.line(&diff::diff(&view, tell.style()));
    Ok(())
}

async fn approve(stage: &Stage, tell: &Tell, id: &str) -> Result<(), Failure> {
    let client = stage.client(APPROVER);
    let open: Vec<ApprovalView> = client.get("/v1/approvals").await?;
    let approval = open.into_iter().find(|a| a.intent == id);
    let approval = approval.ok_or_else(|| Failure::Internal("no approval is asked for".into()))?;
    tell.types(
        APPROVER,
        &format!("flyball approve {id}   (digest {})", approval.digest.short()),
    );
    let body = json!({"decision": "approve", "digest": approval.digest, "comment": "seen"});
    let _: Value = client.post(&format!("/v1/approvals/{}", approval.id), &body).await?;
    Ok(())
}

async fn resolve(stage: &Stage, id: &str, item: &str, resolution: &str) -> Result<(), Failure> {
    let body = json!({"resolution": resolution, "comment": "only a description"});
    let _: Value = stage
        .client(OPERATOR)
        .post(&format!("/v1/intents/{id}/steps/{item}/resolve"), &body)
        .await?;
    Ok(())
}

async fn until(stage: &Stage, id: &str, states: &[&str]) -> Result<IntentView, Failure> {
    let client = stage.client(OPERATOR);
    let waiting = async {
        loop {
            let view: IntentView = client.get(&format!("/v1/intents/{id}")).await?;
            if states.contains(&view.state.as_str()) {
                return Ok(view);
            }
            if is_end(&view.state) {
                let why = view.reason.unwrap_or_default();
                return Err(Failure::Internal(format!("the intent ended as {} ({why})", view.state)));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let timed = tokio::time::timeout(PATIENCE, waiting).await;
    timed.unwrap_or_else(|_| {
        Err(Failure::Internal(format!(
            "the intent did not become {} in time",
            states.join(" or ")
        )))
    })
}

async fn until_ended(stage: &Stage, id: &str) -> Result<IntentView, Failure> {
    until(
        stage,
        id,
        &["fulfilled", "rolled_back", "failed", "refused", "cancelled", "stuck"],
    )
    .await
}

fn is_end(state: &str) -> bool {
    matches!(state, "fulfilled" | "rolled_back" | "failed" | "refused" | "cancelled")
}

async fn until_item(stage: &Stage, id: &str, item: &str, status: &str) -> Result<(), Failure> {
    let client = stage.client(OPERATOR);
    let waiting = async {
        loop {
            let view: StepsView = client.get(&format!("/v1/intents/{id}/steps")).await?;
            if view
                .steps
                .iter()
                .flat_map(|s| &s.items)
                .any(|i| i.id == item && i.status == status)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    let timed = tokio::time::timeout(PATIENCE, waiting).await;
    timed.unwrap_or_else(|_| Err(Failure::Internal(format!("{item} did not become {status} in time"))))
}

/// How many lines by which the engine changed these devices.
async fn changed(stage: &Stage, devices: &[&str]) -> Result<usize, Failure> {
    let mut lines = 0;
    for device in devices {
        lines += stage.network.changes(device).await?.len();
    }
    Ok(lines)
}

/// No device executed the same changing line twice in a row of one change.
async fn once(stage: &Stage, devices: &[&str]) -> Result<bool, Failure> {
    for device in devices {
        let changes = stage.network.changes(device).await?;
        let mut lines: Vec<&str> = changes.iter().map(|c| c.line.as_str()).collect();
        let all = lines.len();
        lines.sort_unstable();
        lines.dedup();
        if all == 0 || lines.len() != all {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The devices fall into two pairs, and the second pair was touched only after the first.
async fn pair_first(stage: &Stage) -> Result<bool, Failure> {
    let mut first_change = Vec::new();
    for device in BEIJING_CORES {
        let changes = stage.network.changes(device).await?;
        first_change.extend(changes.first().map(|c| c.at_ms));
    }
    first_change.sort_unstable();
    // The gate holds for a second before the next wave may start.
    Ok(first_change.len() == 4 && first_change[2] - first_change[1] >= 1000)
}

async fn settlements(stage: &Stage, id: &str) -> Result<Vec<String>, Failure> {
    let page: EntryPage = stage
        .client(OPERATOR)
        .get(&format!("/v1/intents/{id}/events?limit=1000"))
        .await?;
    let of_doubt = page
        .entries
        .into_iter()
        .filter(|e| matches!(e.kind.as_str(), "CallInDoubt" | "CallSettled"));
    Ok(of_doubt.map(|e| e.text).collect())
}

/// The same, but for the description that somebody else set.
fn same_but_for_edit(before: &Picture, after: &Picture) -> bool {
    let mut expected = before.clone();
    if let Some((running, _)) = expected.get_mut("sh-core-1") {
        *running = running.replace(
            "interface eth2\n description to sh-edge-1",
            "interface eth2\n description fibre test 4711",
        );
    }
    expected == *after && before != after
}

async fn cost(stage: &Stage) -> Result<(u64, u64), Failure> {
    let client = stage.client(OPERATOR);
    let page: crate::http::dto::IntentPage = client.get("/v1/intents?limit=100").await?;
    let (mut calls, mut tokens) = (0, 0);
    for row in page.intents {
        let view: IntentView = client.get(&format!("/v1/intents/{}", row.id)).await?;
        calls += view.cost.calls;
        tokens += view.cost.input_tokens + view.cost.output_tokens;
    }
    Ok((calls, tokens))
}

struct Fetched(std::collections::HashMap<flyball_engine::canonical::Digest, Vec<u8>>);

impl Blobs for Fetched {
    fn bytes(&self, digest: &flyball_engine::canonical::Digest) -> Option<Vec<u8>> {
        self.0.get(digest).cloned().or_else(|| NoBlobs.bytes(digest))
    }
}

/// Opens the stopped engine's store, checks each chain and folds it twice.
async fn verify_journal(stage: &Stage) -> Result<(usize, bool), Failure> {
    let internal = |e: String| Failure::Internal(e);
    let data = stage.dir().join("flyball-data");
    let url = format!("sled:{}", data.join("store").display());
    let options = flyball_store::OpenOptions {
        keys: Some(data.join("keys")),
        ..flyball_store::OpenOptions::default()
    };
    let journal = flyball_store::open(&url, options).map_err(|e| internal(e.to_string()))?;
    let rows = journal
        .list(Filter {
            limit: 1000,
            ..Filter::default()
        })
        .await
        .map_err(|e| internal(e.to_string()))?;
    let (mut count, mut whole) = (0, !rows.is_empty());
    for row in rows {
        let entries = journal
            .read(row.intent, 0, 100_000)
            .await
            .map_err(|e| internal(e.to_string()))?;
        count += entries.len();
        whole &= verify_chain(row.intent, &Head::empty(), &entries).is_ok();
        let blobs = blobs_of(journal.as_ref(), row.intent, &entries).await;
        let (once, again) = (
            replay(row.intent, &entries, &blobs),
            replay(row.intent, &entries, &blobs),
        );
        whole &= matches!((&once, &again), (Ok(a), Ok(b)) if a == b && a.api_state() == row.state);
    }
    Ok((count, whole))
}

async fn blobs_of(
    journal: &dyn Journal,
    intent: flyball_engine::ids::IntentId,
    entries: &[flyball_engine::journal::StoredEntry],
) -> Fetched {
    let mut found = Fetched(std::collections::HashMap::new());
    for stored in entries {
        let flyball_engine::intent::event::Event::PlanAccepted { plan, contracts, .. } = &stored.entry.event else {
            continue;
        };
        for digest in [plan, contracts].into_iter().filter_map(|p| p.blob()) {
            if let Ok(Some(bytes)) = journal.blob(intent, digest).await {
                found.0.insert(digest.clone(), bytes);
            }
        }
    }
    found
}
