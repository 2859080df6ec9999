//! One folder with its ledger, and the lives of the engine in it.

use crate::judge::{Verdict, judge};
use flyball_engine::ids::IntentId;
use flyball_engine::journal::{Filter, Journal, StoredEntry};
use flyball_store::OpenOptions;
use flyball_tests::process::engine::Engine;
use flyball_tests::process::folder::{Era, Folder, Over, Setup};
use flyball_tests::process::ledger::{self, Executed, Served};
use flyball_tests::process::{PATIENCE, Programs, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// All ways in which the ledger is reached.
pub(crate) const WAYS: [(Over, Era); 4] = [
    (Over::Stdio, Era::Modern),
    (Over::Stdio, Era::Legacy),
    (Over::Http, Era::Modern),
    (Over::Http, Era::Legacy),
];

/// How often the engine is asked how far an intent is.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(30);

/// What the plan ends as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Everything holds.
    Forward,
    /// The post-check is missed at the end: all is taken back.
    Back,
}

impl Course {
    pub(crate) fn end(self) -> &'static str {
        match self {
            Self::Forward => "fulfilled",
            Self::Back => "rolled_back",
        }
    }
}

/// The values that the plan writes, and those that were there before it.
pub(crate) const WRITES: [(&str, Option<&str>); 6] = [
    ("a", None),
    ("b", Some("old-b")),
    ("c", None),
    ("d", Some("old-d")),
    ("e", None),
    ("f", Some("old-f")),
];

pub(crate) fn new_value(name: &str) -> String {
    format!("new-{name}")
}

/// What the plan is called.
pub(crate) const SUMMARY: &str = "ten steps";

/// Ten steps, one after the other: six probed writes, two of them behind a gate, and two reads.
pub(crate) fn plan(course: Course) -> Value {
    let set = |id: &str, needs: &[&str]| json!({"id": id, "needs": needs, "tool": "ledger/set", "args": {"name": id, "value": new_value(id)}});
    let gated = |id: &str, needs: &[&str]| {
        let mut step = set(id, needs);
        step["gate"] = json!({"tool": "ledger/get", "args": {"name": id}, "within": "5s",
            "expect": format!("output.present && output.value == '{}'", new_value(id))});
        step
    };
    let read = |id: &str, needs: &[&str]| json!({"id": id, "needs": needs, "tool": "ledger/read", "args": {"n": id}});
    let steps = [
        read("first", &[]),
        set("a", &["first"]),
        gated("b", &["a"]),
        set("c", &["b"]),
        read("second", &["c"]),
        set("d", &["second"]),
        gated("e", &["d"]),
        set("f", &["e"]),
    ];
    let expect = match course {
        Course::Forward => "output.present",
        Course::Back => "output.value == 'never'",
    };
    json!({"summary": SUMMARY, "steps": steps,
        "post_checks": [{"tool": "ledger/get", "args": {"name": "f"}, "expect": expect}]})
}

pub(crate) struct Scene {
    pub(crate) folder: Folder,
    served: Option<Served>,
    pub(crate) course: Course,
}

/// The journal of a stopped engine, by intent.
pub(crate) type Records = BTreeMap<IntentId, Vec<StoredEntry>>;

impl Scene {
    pub(crate) async fn new(way: (Over, Era), course: Course) -> Self {
        Self::with(Setup::with(way.0, way.1), course).await
    }

    pub(crate) async fn with(setup: Setup, course: Course) -> Self {
        let programs = Programs::find().unwrap_or_else(|why| panic!("{why}"));
        let folder = Folder::new(&programs, setup);
        let before = WRITES.iter().filter_map(|(name, old)| old.map(|old| (name, old)));
        let lines: String = before
            .map(|(name, old)| {
                let line = json!({"tool": "set", "args": {"name": name, "value": old}, "key": null, "purpose": null, "at_us": 0, "pid": 0});
                format!("{line}\n")
            })
            .collect();
        std::fs::write(folder.ledger_dir().join("calls.jsonl"), lines).unwrap();
        let mut scene = Self {
            folder,
            served: None,
            course,
        };
        scene.serve().await;
        scene
    }

    /// Starts the ledger, if it is one that is served, and was not started or has died.
    pub(crate) async fn serve(&mut self) {
        if matches!(self.folder.setup.ledger, Some((Over::Http, _))) {
            self.served = None;
            self.served = Some(Served::start(&self.folder).await);
        }
        self.folder.settings(self.served.as_ref().map(|s| s.url.as_str()));
    }

    /// After the ledger's death: over HTTP somebody has to start it again, a child is the engine's own affair.
    pub(crate) async fn serve_again(&mut self) {
        if let Some(served) = &mut self.served {
            served.died().await;
            self.serve().await;
        }
    }

    /// Where the ledger listens, if it is one that is served.
    pub(crate) fn served_port(&self) -> Option<u16> {
        let url = &self.served.as_ref()?.url;
        url.rsplit(':').next()?.split('/').next()?.parse().ok()
    }

    /// The ledger's process, as of its last call.
    pub(crate) fn ledger_pid(&self) -> u32 {
        self.executed().last().expect("it has executed something").pid
    }

    /// Waits until an item of the intent has this status.
    pub(crate) async fn item(&self, engine: &Engine, intent: &str, item: &str, status: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = engine.get(&format!("/v1/intents/{intent}/steps")).await.unwrap();
            let steps = view["steps"].as_array().cloned().unwrap_or_default();
            let mut items = steps
                .iter()
                .flat_map(|s| s["items"].as_array().cloned().unwrap_or_default());
            if items.any(|i| i["id"] == item && i["status"] == status) {
                return;
            }
            assert!(Instant::now() < deadline, "{item} did not become {status}: {view}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the end, stops the engine and judges.
    pub(crate) async fn end(&self, engine: Engine, intent: &str) -> Verdict {
        let view = engine.until_ended(intent, LOOK_EVERY).await.unwrap();
        engine.stop().await;
        judge(self, &view, &self.records().await)
    }

    pub(crate) async fn engine(&self) -> Engine {
        Engine::start(&self.folder).await
    }

    pub(crate) async fn submit(&self, engine: &Engine) -> Result<String, String> {
        engine.submit(&plan(self.course)).await
    }

    /// What the ledger executed for the engine.
    pub(crate) fn executed(&self) -> Vec<Executed> {
        let all = ledger::executed(&self.folder.ledger_dir());
        all.into_iter().filter(|c| c.at_us > 0).collect()
    }

    /// The values that the ledger holds.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        for call in ledger::executed(&self.folder.ledger_dir()) {
            let text = |key: &str| call.args[key].as_str().unwrap_or_default().to_owned();
            match call.tool.as_str() {
                "set" => drop(values.insert(text("name"), text("value"))),
                "unset" => drop(values.remove(&text("name"))),
                _ => {}
            }
        }
        values
    }

    pub(crate) fn plant(&self, name: &str, spec: &Value) {
        ledger::plant(&self.folder.ledger_dir(), name, spec);
    }

    pub(crate) fn release(&self, name: &str) {
        ledger::release(&self.folder.ledger_dir(), name);
    }

    /// Waits for a fault's mark.
    pub(crate) async fn marked(&self, name: &str, mark: &str) {
        let file = ledger::mark(&self.folder.ledger_dir(), name, mark);
        until(&format!("{name} is {mark}"), || file.exists().then_some(())).await;
    }

    /// The whole journal. The engine must not run.
    pub(crate) async fn records(&self) -> Records {
        let data = self.folder.data();
        let options = OpenOptions {
            keys: Some(data.join("keys")),
            ..OpenOptions::default()
        };
        let url = format!("sled:{}", data.join("store").display());
        let journal = flyball_store::open(&url, options).unwrap_or_else(|e| panic!("{e}"));
        records_of(journal.as_ref()).await
    }
}

async fn records_of(journal: &dyn Journal) -> Records {
    let filter = Filter {
        limit: 1000,
        ..Filter::default()
    };
    let mut records = Records::new();
    for row in journal.list(filter).await.unwrap() {
        let entries = journal.read(row.intent, 0, 100_000).await.unwrap();
        records.insert(row.intent, entries);
    }
    records
}
