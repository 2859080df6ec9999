//! The examples' folder as an operator would copy it, with the real servers, a real store and the real policies.

use crate::install::{self, run};
use async_trait::async_trait;
use flyball_engine::actor::{Actor, Origin, OriginKind};
use flyball_engine::contract::load::load;
use flyball_engine::document::Document;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::{Command as Order, What};
use flyball_engine::intent::event::Event;
use flyball_engine::intent::event::PlanSource;
use flyball_engine::intent::state::IntentState;
use flyball_engine::intent::{Mode, Request, Wish};
use flyball_engine::journal::{Head, Journal, verify_chain};
use flyball_engine::plan::check::Limits;
use flyball_engine::ports::{Clock, NoInventory, PlanAnswer, Planned, Planner, PlanningContext, ToolExecutor};
use flyball_engine::supervisor::{Deps, Supervisor};
use flyball_executors::{Executors, Health, Options, ServerEntry, ServerSettings, Timeouts};
use flyball_policies::{Policies, PolicySettings, Role, UserSettings};
use flyball_store::OpenOptions;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Longest wait for anything here: the servers of a busy machine start slowly.
const PATIENCE: Duration = Duration::from_secs(120);

/// The wall clock.
struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Takes an operator's plan as it is.
struct AsGiven;

#[async_trait]
impl Planner for AsGiven {
    async fn plan(&self, request: &Request, _: &PlanningContext) -> Planned {
        let Wish::Plan(draft) = &request.wish else {
            unreachable!("these tests submit plans");
        };
        let answer = PlanAnswer::Draft {
            source: PlanSource::Operator,
            draft: draft.clone(),
            params: Value::Null,
            replans: 0,
        };
        Planned {
            model_calls: vec![],
            notes: vec![],
            answer,
        }
    }
}

/// An engine over the examples' servers. `olga` asks, `anna` approves.
pub(crate) struct Rig {
    folder: TempDir,
    pub(crate) executors: Arc<Executors>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) supervisor: Arc<Supervisor>,
}

/// The examples as they are shipped.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/server/examples")
}

/// The example's plan.
pub(crate) fn plan() -> Value {
    let text = std::fs::read_to_string(examples().join("plans/announce-maintenance.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The contract files, read.
pub(crate) fn contract_files() -> Vec<Document> {
    let files = std::fs::read_dir(examples().join("contracts")).unwrap();
    let read = |path: PathBuf| Document::parse(path.to_str().unwrap(), &std::fs::read_to_string(&path).unwrap());
    files.map(|f| read(f.unwrap().path()).unwrap()).collect()
}

impl Rig {
    /// Starts everything; none when a server cannot be had on this machine.
    pub(crate) async fn start() -> Option<Self> {
        let programs = install::programs()?;
        let folder = tempfile::tempdir().unwrap();
        make_workspace(&folder.path().join("workspace"));
        let servers = servers(folder.path(), &programs);
        let store = format!("sled:{}", folder.path().join("data/store").display());
        let journal = flyball_store::open(&store, OpenOptions::default()).unwrap();
        let options = Options::new(install::target().join("examples/third-party-guard"));
        let executors = Arc::new(
            Executors::start(servers, journal.clone(), Arc::new(SystemClock), options)
                .await
                .unwrap(),
        );
        let up = || executors.status().iter().all(|server| server.health == Health::Up);
        until("every server is up", up).await;
        let policy = PolicySettings {
            dir: Some(examples().join("policies")),
            writes: true,
            users: vec![
                UserSettings::person("olga", [Role::Operator]),
                UserSettings::person("anna", [Role::Approver]),
            ],
            ..PolicySettings::default()
        };
        let executor: Arc<dyn ToolExecutor> = executors.clone();
        let contracts = load(&contract_files(), Some(&executor.catalogue())).unwrap_or_else(|f| panic!("{f:#?}"));
        let supervisor = Supervisor::new(Deps {
            journal: journal.clone(),
            executor,
            planner: Arc::new(AsGiven),
            policy: Arc::new(Policies::load(policy).unwrap()),
            clock: Arc::new(SystemClock),
            contracts: Arc::new(contracts),
            inventory: Arc::new(NoInventory),
            limits: Limits::default(),
            deadline: None,
            build: "test".into(),
        });
        supervisor.start().await.unwrap();
        Some(Self {
            folder,
            executors,
            journal,
            supervisor,
        })
    }

    /// A path in the folder that the servers may touch.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("workspace").join(name)
    }

    /// What git says in the workspace, without any server.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.file(""), args)
    }

    /// The memory server's file, its lines in order.
    pub(crate) fn memory(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("memory.jsonl")).unwrap_or_default();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    pub(crate) fn pid(&self, alias: &str) -> Option<u32> {
        self.executors.status().into_iter().find(|s| s.alias == alias)?.pid
    }

    pub(crate) async fn submit(&self, plan: Value) -> IntentId {
        let request = Request {
            wish: Wish::Plan(plan),
            origin: Origin {
                kind: OriginKind::Operator,
                actor: Actor::human("olga"),
            },
            mode: Mode::Apply,
            deadline_ms: None,
            labels: vec![],
            change: None,
            window: None,
            backout_by_ms: None,
            undo_of: None,
            alarm: Value::Null,
            heard: None,
        };
        self.supervisor.submit(request, None).await.unwrap().intent
    }

    /// Runs a plan to its end.
    pub(crate) async fn run(&self, plan: Value) -> (IntentId, IntentState) {
        let intent = self.submit(plan).await;
        (
            intent,
            self.until(intent, "an end", |state| state.ended.is_some()).await,
        )
    }

    /// Approves what is to be approved, and waits for the end.
    pub(crate) async fn approve(&self, intent: IntentId) -> IntentState {
        let state = self.until(intent, "approval", |state| state.approval.is_some()).await;
        let approval = state.approval.unwrap();
        let what = What::Approve {
            approval: approval.id,
            digest: approval.digest,
            comment: None,
            own: false,
        };
        self.order(intent, what).await;
        self.until(intent, "an end", |state| state.ended.is_some()).await
    }

    /// A person says something.
    pub(crate) async fn order(&self, intent: IntentId, what: What) {
        let order = Order {
            id: format!("{what:?}"),
            by: Actor::human("anna"),
            at_ms: SystemClock.now_ms(),
            what,
        };
        self.supervisor.command(intent, order).await.unwrap();
    }

    /// Waits until the state is as `good` says.
    pub(crate) async fn until(&self, intent: IntentId, what: &str, good: impl Fn(&IntentState) -> bool) -> IntentState {
        let mut changes = self.journal.watch(intent);
        let deadline = Instant::now() + PATIENCE;
        loop {
            changes.mark_unchanged();
            let state = self.supervisor.state(intent).await.unwrap();
            if good(&state) {
                return state;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, changes.changed()).await.is_err() {
                panic!("no {what}; the story so far:\n{}", self.story(intent).await);
            }
        }
    }

    pub(crate) async fn events(&self, intent: IntentId) -> Vec<Event> {
        let entries = self.journal.read(intent, 0, 10_000).await.unwrap();
        verify_chain(intent, &Head::empty(), &entries).unwrap();
        entries.into_iter().map(|e| e.entry.event).collect()
    }

    /// The tools of all calls that were sent and may change something, in order, undos too.
    pub(crate) async fn sent(&self, intent: IntentId) -> Vec<String> {
        let events = self.events(intent).await;
        let contracts = &self.supervisor.deps().contracts;
        let tools = events.iter().filter_map(|e| match e {
            Event::CallStarted { tool, .. } if contracts.of(tool).effect.mutates() => Some(tool.to_string()),
            _ => None,
        });
        tools.collect()
    }

    /// The story so far, one line an entry.
    pub(crate) async fn story(&self, intent: IntentId) -> String {
        let lines = self.events(intent).await;
        let lines = lines.iter().map(|e| serde_json::to_string(e).unwrap());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Stops the servers, so that none outlives its test.
    pub(crate) async fn end(self) {
        self.supervisor.shutdown(Duration::from_secs(5)).await;
        self.executors.shutdown(Duration::from_secs(1)).await;
    }
}

/// A repository with one commit, in which the author is known.
fn make_workspace(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    git(dir, &["init", "-q", "-b", "main"]);
    for (key, value) in [("user.name", "Olga"), ("user.email", "olga@example.net")] {
        git(dir, &["config", key, value]);
    }
    git(dir, &["commit", "-q", "--allow-empty", "-m", "Begin"]);
}

fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(dir).args(args);
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The servers of the example's settings, started in `folder`, their programs found in `bins`.
fn servers(folder: &Path, bins: &[PathBuf]) -> Vec<ServerSettings> {
    let file = examples().join("flyball.yaml");
    let settings = Document::parse("flyball.yaml", &std::fs::read_to_string(file).unwrap()).unwrap();
    let entries: BTreeMap<String, ServerEntry> = serde_json::from_value(settings.value["mcp_servers"].clone()).unwrap();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(bins.iter().cloned().chain(std::env::split_paths(&inherited))).unwrap();
    let placed = entries.into_iter().map(|(alias, mut entry)| {
        entry.cwd = Some(folder.join(entry.cwd.unwrap_or_default()));
        entry.env.insert("PATH".into(), path.to_str().unwrap().into());
        entry.timeouts = Timeouts {
            drain_ms: 500,
            backoff_min_ms: 50,
            backoff_max_ms: 500,
            ..Timeouts::default()
        };
        ServerSettings::from_entry(alias, entry).unwrap()
    });
    placed.collect()
}

/// Waits until something outside of the engine is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{what}: did not come to pass");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A plan of these steps, run in order.
pub(crate) fn in_order(steps: &[(&str, Value)]) -> Value {
    let step = |(at, (tool, args)): (usize, &(&str, Value))| {
        let needs: Vec<String> = at
            .checked_sub(1)
            .map(|before| format!("s{before}"))
            .into_iter()
            .collect();
        json!({"id": format!("s{at}"), "needs": needs, "tool": tool, "args": args})
    };
    let steps: Vec<Value> = steps.iter().enumerate().map(step).collect();
    json!({"steps": steps})
}

/// A plan of these steps, run in order, whose post-check is missed: what was done is taken back.
pub(crate) fn missed(steps: &[(&str, Value)]) -> Value {
    let mut plan = in_order(steps);
    plan["post_checks"] =
        json!([{"tool": "time/get_current_time", "args": {"timezone": "UTC"}, "expect": "output.timezone == 'Mars'"}]);
    plan
}

/// Makes a hook of the repository: a shell script.
pub(crate) fn hook(rig: &Rig, name: &str, script: &str) {
    let path = rig.file(".git/hooks").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    run(Command::new("chmod").arg("+x").arg(path)).unwrap();
}
