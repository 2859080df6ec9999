//! A world of devices with named values, behind a tool server that can be told to misbehave. It keeps the truth: every
//! call that it executed, in order.

use crate::based;
use crate::history::{Hand, Write};
use crate::leases::{self, Timers};
use crate::questions::{Asking, Questions};
use crate::tasks::{TaskEnd, Tasks};
use async_trait::async_trait;
use flyball_engine::contract::Contracts;
use flyball_engine::ports::{Answer, TaskReport, ToolExecutor};
use flyball_engine::question::Answers;
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, ToolName, ToolRequest, ToolSpec};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What a tool server can do instead of answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Executes, and the answer is lost.
    ActAndFallSilent,
    /// Does nothing, and no answer comes.
    FallSilent,
    /// Executes; the answer comes only when [`World::release`] is called.
    ActAndHoldAnswer,
    /// Executes nothing and says so.
    Refuse,
    /// Says yes and does nothing.
    Lie,
    /// Turned away before it was read.
    TurnAway,
    /// No answer comes in time, and it executes after so many milliseconds.
    ActLate(u64),
    /// Executes nothing; the answer that says so comes only when [`World::release`] is called.
    HoldRefusal,
    /// Goes on with the call as a task that ends after so many milliseconds.
    Task(u64, TaskEnd),
    /// Executes nothing: another hand was there, and the base is not the one it was told to expect.
    FindAnotherBase,
    /// Executes, and another hand changes the same value right after.
    ActThenIntrude(Value),
    /// Asks something before it goes on.
    Ask(Asking),
    /// Leaves this value instead, says that it stopped half way, and is too busy to be read just then.
    StopHalfWay(Value),
    /// Executes, and answers with an error that says nothing of that.
    ActAndComplain,
}

#[derive(Default)]
pub(crate) struct Inner {
    devices: BTreeMap<String, BTreeMap<String, Value>>,
    /// The key and the words of each.
    executed: Vec<(String, String)>,
    /// Devices on which a call is out that has not landed, with its key and its words.
    landing: Vec<(Vec<String>, String, String)>,
    pub(crate) history: Vec<Write>,
    overlap: Option<String>,
    reads: u64,
    misbehave: VecDeque<(String, Misbehaviour)>,
    held: Vec<(oneshot::Sender<Outcome>, Outcome)>,
    checks: BTreeMap<String, bool>,
    unreadable: bool,
    life: u32,
    dead: Vec<u32>,
    died: BTreeMap<u32, tokio::time::Instant>,
    readings: VecDeque<Value>,
    keys: BTreeSet<String>,
    pub(crate) tasks: Tasks,
    pub(crate) questions: Questions,
    at_once: usize,
    most_at_once: usize,
    timers: Timers,
    undos_at_once: usize,
    most_undos_at_once: usize,
}

impl Inner {
    pub(crate) fn values_of(&self, device: &str) -> Option<&BTreeMap<String, Value>> {
        self.devices.get(device)
    }

    fn write(&mut self, device: &str, key: &str, value: Option<Value>, by: Hand) {
        let values = self.devices.entry(device.to_owned()).or_default();
        match &value {
            Some(value) => drop(values.insert(key.to_owned(), value.clone())),
            None => drop(values.remove(key)),
        }
        self.history.push(Write::now(device, key, value, by));
    }
}

/// The world. Clones see the same one.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<Inner>>);

impl World {
    /// Devices without any value.
    pub fn of(devices: &[&str]) -> Self {
        let world = Self::default();
        for device in devices {
            world.inner().devices.insert((*device).to_owned(), BTreeMap::new());
        }
        world
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { devices, timers, .. } = &mut *inner;
        timers.run_out(devices);
        inner
    }

    /// Somebody else changes a value.
    pub fn intrude(&self, device: &str, key: &str, value: Value) {
        self.inner().write(device, key, Some(value), Hand::Foreign);
    }

    /// The next call whose words contain `what` misbehaves.
    pub fn misbehave(&self, what: &str, how: Misbehaviour) {
        self.inner().misbehave.push_back((what.to_owned(), how));
    }

    /// Whether the check of this name is good. Checks are good until said otherwise.
    pub fn set_check(&self, name: &str, good: bool) {
        self.inner().checks.insert(name.to_owned(), good);
    }

    /// Makes probes fail, or work again.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.inner().unreadable = unreadable;
    }

    /// The server's process dies and another takes its place.
    pub fn restart_server(&self) {
        let mut inner = self.inner();
        let life = inner.life;
        inner.dead.push(life);
        inner.died.insert(life, tokio::time::Instant::now());
        inner.life += 1;
    }

    /// The next probes get these outputs instead of the truth, in this order.
    pub fn answer_reads_with(&self, outputs: impl IntoIterator<Item = Value>) {
        self.inner().readings.extend(outputs);
    }

    /// Lets every answer that was held back go.
    pub fn release(&self) {
        for (to, outcome) in std::mem::take(&mut self.inner().held) {
            let _ = to.send(outcome);
        }
    }

    /// All devices with their values: the picture that a rollback must restore.
    pub fn picture(&self) -> Value {
        json!(self.inner().devices)
    }

    /// A device's value.
    pub fn value(&self, device: &str, key: &str) -> Option<Value> {
        self.inner().devices.get(device).and_then(|d| d.get(key)).cloned()
    }

    /// Every mutating call that was executed, in order: `set a mtu=9000`.
    pub fn executed(&self) -> Vec<String> {
        self.inner().executed.iter().map(|(_, words)| words.clone()).collect()
    }

    /// The same, each with the key that it was sent under.
    pub fn executed_calls(&self) -> Vec<(String, String)> {
        self.inner().executed.clone()
    }

    /// The first call that came for a device while another was still to land there.
    pub fn overlap(&self) -> Option<String> {
        self.inner().overlap.clone()
    }

    /// How many read-only calls were answered.
    pub fn reads(&self) -> u64 {
        self.inner().reads
    }

    /// The greatest number of mutating calls that were out at the same time.
    pub fn most_at_once(&self) -> usize {
        self.inner().most_at_once
    }

    /// Devices that took a change back because nobody confirmed it in time, in order.
    pub fn reverted(&self) -> Vec<String> {
        self.inner().timers.reverted()
    }

    /// Devices on which something is pending or prepared.
    pub fn open(&self) -> Vec<String> {
        self.inner().timers.open()
    }

    /// The greatest number of undos that were out at the same time.
    pub fn most_undos_at_once(&self) -> usize {
        self.inner().most_undos_at_once
    }

    /// The contracts of the world's tools.
    pub fn contracts() -> Contracts {
        let mut all: Contracts = serde_saphyr::from_str(CONTRACTS).expect("the world's contracts are well-formed");
        all.contracts.extend(leases::contracts().contracts);
        all.contracts.extend(based::contracts().contracts);
        crate::variants::with_variants(all)
    }

    fn read(&self, tool: &str, args: &Map<String, Value>) -> Outcome {
        let mut inner = self.inner();
        inner.reads += 1;
        if let Some(outcome) = based::read(tool, args, &inner) {
            return outcome;
        }
        let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match tool {
            "list" => {
                let devices: Vec<Value> = inner.devices.keys().map(|name| json!({"name": name})).collect();
                Outcome::Done {
                    output: json!({ "devices": devices }),
                }
            }
            "get" if inner.unreadable => Outcome::ToolError {
                output: json!({"text": "the device does not answer"}),
            },
            "get" if !inner.readings.is_empty() => Outcome::Done {
                output: inner.readings.pop_front().unwrap_or_default(),
            },
            "get" => match inner.devices.get(&text("device")) {
                Some(values) => Outcome::Done {
                    output: json!({"device": text("device"), "values": values, "pending": inner.timers.pending(&text("device"))}),
                },
                None => Outcome::ToolError {
                    output: json!({"text": "no such device"}),
                },
            },
            "preview" => {
                let line = format!(
                    "set {} {}={}",
                    text("device"),
                    text("key"),
                    args.get("value").unwrap_or(&Value::Null)
                );
                Outcome::Done {
                    output: json!({"device": text("device"), "lines": [line], "reverse": []}),
                }
            }
            "check" => {
                let good = inner.checks.get(&text("name")).copied().unwrap_or(true);
                Outcome::Done {
                    output: json!({ "good": good, "reads": inner.reads }),
                }
            }
            other => Outcome::Rejected {
                code: -32602,
                message: format!("no tool {other}"),
            },
        }
    }

    pub(crate) fn execute(&self, request: &ToolRequest, intrusion: Option<Value>) -> Outcome {
        let (tool, args) = (request.tool.tool(), &request.args);
        let under = key(request);
        let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (device, key) = (text("device"), text("key"));
        let mut inner = self.inner();
        if let Some(no) = based::refuses(request, &inner) {
            return no;
        }
        if Timers::own(tool) {
            let Inner { devices, timers, .. } = &mut *inner;
            let (outcome, done) = timers.execute(request, devices);
            if let Some(value) = intrusion {
                devices.entry(device).or_default().insert(key, value);
            }
            inner.executed.extend(done.then(|| (under, words(tool, args))));
            return outcome;
        }
        let value = args.get("value").cloned().unwrap_or(Value::Null);
        if let Some(key) = args.get("request").and_then(Value::as_str)
            && !inner.keys.insert(key.to_owned())
        {
            return yes();
        }
        let words = words(tool, args);
        inner.executed.push((under.clone(), words));
        let hand = Hand::Call {
            under,
            undo: is_undo(request),
        };
        if let Some(fleet) = args.get("devices").and_then(Value::as_array) {
            for device in fleet.iter().filter_map(Value::as_str) {
                inner.write(device, &key, Some(value.clone()), hand.clone());
            }
            return yes();
        }
        inner.write(&device, &key, (!tool.starts_with("unset")).then_some(value), hand);
        if intrusion.is_some() {
            inner.write(&device, &key, intrusion, Hand::Foreign);
        }
        let values = inner.devices.entry(device).or_default();
        Outcome::Done {
            output: based::answer(tool, values),
        }
    }

    fn begin(&self, request: &ToolRequest) {
        let mut inner = self.inner();
        inner.at_once += 1;
        inner.most_at_once = inner.most_at_once.max(inner.at_once);
        inner.undos_at_once += usize::from(is_undo(request));
        inner.most_undos_at_once = inner.most_undos_at_once.max(inner.undos_at_once);
        let (devices, words) = (devices(&request.args), words(request.tool.tool(), &request.args));
        let key = key(request);
        // Attempts of one call may overlap where its contract lets it be repeated.
        let other = inner
            .landing
            .iter()
            .find(|(busy, other, _)| *other != key && busy.iter().any(|d| devices.contains(d)));
        if let Some((_, _, other)) = other {
            let both = format!("{words} came before {other} had landed");
            inner.overlap.get_or_insert(both);
        }
        inner.landing.push((devices, key, words));
    }

    /// A call has had its effect, or never will have one.
    pub(crate) fn landed(&self, request: &ToolRequest) {
        let key = key(request);
        let mut inner = self.inner();
        if let Some(at) = inner.landing.iter().position(|(_, k, _)| *k == key) {
            inner.landing.remove(at);
        }
    }

    fn finish(&self, undo: bool) {
        let mut inner = self.inner();
        inner.at_once -= 1;
        inner.undos_at_once -= usize::from(undo);
    }

    fn misbehaviour(&self, words: &str) -> Option<Misbehaviour> {
        let mut inner = self.inner();
        let at = inner
            .misbehave
            .iter()
            .position(|(what, _)| words.contains(what.as_str()))?;
        inner.misbehave.remove(at).map(|(_, how)| how)
    }

    /// The call has its effect only then, whoever still waits for it.
    fn execute_after(&self, request: &ToolRequest, ms: u64) {
        let (world, request) = (self.clone(), request.clone());
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
            world.execute(&request, None);
            world.landed(&request);
        });
    }

    fn stop_half_way(&self, request: &ToolRequest, left: Value) -> Outcome {
        self.execute(request, Some(left));
        self.answer_reads_with([json!({"text": "% busy"})]);
        Outcome::ToolError {
            output: json!({"text": "stopped half way", "sent": 1}),
        }
    }

    fn complain(&self, request: &ToolRequest) -> Outcome {
        self.execute(request, None);
        Outcome::ToolError {
            output: json!({"text": "something went wrong"}),
        }
    }

    async fn mutate(&self, request: &ToolRequest) -> Answer {
        let (tool, args) = (request.tool.tool(), &request.args);
        let silence = || Outcome::Unknown {
            reason: "no answer in time".into(),
            task: None,
            retry_after_ms: None,
        };
        let how = self.misbehaviour(&words(tool, args));
        if !matches!(how, Some(Misbehaviour::ActLate(_) | Misbehaviour::Task(..))) {
            self.landed(request);
        }
        match how {
            None => self.execute(request, None).into(),
            Some(Misbehaviour::ActThenIntrude(value)) => self.execute(request, Some(value)).into(),
            Some(Misbehaviour::StopHalfWay(value)) => self.stop_half_way(request, value).into(),
            Some(Misbehaviour::Lie) => yes().into(),
            Some(Misbehaviour::Ask(how)) => self.ask(request, how),
            Some(Misbehaviour::FindAnotherBase) => based::another_base().into(),
            Some(Misbehaviour::ActAndComplain) => self.complain(request).into(),
            Some(Misbehaviour::Refuse) => Outcome::ToolError {
                output: json!({"text": "refused", "sent": 0}),
            }
            .into(),
            Some(Misbehaviour::TurnAway) => Outcome::NotSent {
                reason: "busy".into(),
                retry_after_ms: Some(100),
            }
            .into(),
            Some(Misbehaviour::ActLate(ms)) => {
                self.execute_after(request, ms);
                tokio::time::sleep(std::time::Duration::from_millis(request.timeout_ms)).await;
                silence().into()
            }
            Some(Misbehaviour::Task(ms, end)) => self.begin_task(request.clone(), ms, end).into(),
            Some(Misbehaviour::HoldRefusal) => {
                tokio::time::sleep(std::time::Duration::from_millis(request.timeout_ms)).await;
                let (to, late) = oneshot::channel();
                let output = json!({"text": "refused", "sent": 0});
                self.inner().held.push((to, Outcome::ToolError { output }));
                Answer {
                    outcome: silence(),
                    late: Some(late),
                }
            }
            Some(how) => {
                let said = match how {
                    Misbehaviour::FallSilent => silence(),
                    _ => self.execute(request, None),
                };
                tokio::time::sleep(std::time::Duration::from_millis(request.timeout_ms)).await;
                let mut answer = Answer::from(silence());
                if how == Misbehaviour::ActAndHoldAnswer {
                    let (to, late) = oneshot::channel();
                    self.inner().held.push((to, said));
                    answer.late = Some(late);
                }
                answer
            }
        }
    }
}

fn devices(args: &Map<String, Value>) -> Vec<String> {
    let fleet = args
        .get("devices")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let all = fleet.iter().chain(args.get("device")).filter_map(Value::as_str);
    all.map(str::to_owned).collect()
}

fn yes() -> Outcome {
    Outcome::Done {
        output: json!({"ok": true}),
    }
}

/// The key that a call was sent under.
fn key(request: &ToolRequest) -> String {
    let key = request.meta.get("io.flyball/key").and_then(Value::as_str);
    key.unwrap_or_default().to_owned()
}

fn is_undo(request: &ToolRequest) -> bool {
    request.meta.get("io.flyball/purpose") == Some(&json!("undo"))
}

fn words(tool: &str, args: &Map<String, Value>) -> String {
    let tool = if Timers::own(tool) { leases::plain(tool) } else { tool };
    let text = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default();
    let fleet = args.get("devices").and_then(Value::as_array);
    let fleet = fleet.map(|f| f.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
    let device = fleet.unwrap_or_else(|| text("device").to_owned());
    match args.get("value") {
        Some(value) => format!("{tool} {device} {}={value}", text("key")),
        None if args.contains_key("lease") => format!("{tool} {device}"),
        None => format!("{tool} {device} {}", text("key")),
    }
}

#[async_trait]
impl ToolExecutor for World {
    fn catalogue(&self) -> Arc<Catalogue> {
        let string = || json!({"type": "string"});
        let schema = |names: &[&str], extra: &[&str]| {
            let properties: Map<String, Value> = names
                .iter()
                .map(|n| ((*n).to_owned(), string()))
                .chain(extra.iter().map(|n| ((*n).to_owned(), json!({}))))
                .collect();
            let required: Vec<&str> = names.iter().chain(extra).copied().collect();
            json!({"type": "object", "properties": properties, "required": required})
        };
        let tools = [
            ("list", schema(&[], &[])),
            ("get", schema(&["device"], &[])),
            ("preview", schema(&["device", "key"], &["value"])),
            ("check", schema(&["name"], &[])),
            ("set", schema(&["device", "key"], &["value"])),
            ("set_same", schema(&["device", "key"], &["value"])),
            ("set_blind", schema(&["device", "key"], &["value"])),
            ("unset", schema(&["device", "key"], &[])),
            ("set_fleet", schema(&["key"], &["devices", "value"])),
        ];
        let set = schema(&["device", "key"], &["value"]);
        let variants = crate::variants::NAMES.map(|name| (name, set.clone()));
        let unsets = crate::variants::UNSETS.map(|name| (name, schema(&["device", "key"], &[])));
        let specs = tools
            .into_iter()
            .chain(variants)
            .chain(unsets)
            .map(|(name, input_schema)| ToolSpec {
                name: ToolName::new("world", name),
                description: String::new(),
                input_schema,
                output_schema: None,
                annotations: None,
            });
        Arc::new(Catalogue::of(specs.chain(leases::specs()).chain(based::specs())))
    }

    async fn ready(&self, _: &str) -> Result<Incarnation, Outcome> {
        Ok(Incarnation(self.inner().life.to_string()))
    }

    async fn call(&self, request: ToolRequest) -> Answer {
        // Every call takes a moment, so that calls that run side by side are seen to.
        if !request.mutating {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            return self.read(request.tool.tool(), &request.args).into();
        }
        // The server goes on with what it was asked to do, whether or not the engine still waits.
        let world = self.clone();
        let executing = tokio::spawn(async move {
            world.begin(&request);
            let undo = is_undo(&request);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            let answer = world.mutate(&request).await;
            world.finish(undo);
            answer
        });
        executing.await.expect("the world does not panic")
    }

    async fn go_on(&self, request: ToolRequest, answers: Answers) -> Answer {
        self.answered(request, answers).await
    }

    async fn dismiss(&self, parked: &str) {
        self.let_go(parked);
    }

    async fn is_dead(&self, _: &str, incarnation: &Incarnation) -> bool {
        self.inner().dead.iter().any(|life| life.to_string() == incarnation.0)
    }

    async fn dead_for(&self, _: &str, incarnation: &Incarnation) -> Option<std::time::Duration> {
        let life = incarnation.0.parse().ok()?;
        self.inner().died.get(&life).map(tokio::time::Instant::elapsed)
    }

    async fn task(&self, _: &str, task: &str) -> TaskReport {
        self.report_task(task)
    }
}

const CONTRACTS: &str = r#"
contracts:
  world/list: {effect: read}
  world/get: {effect: read}
  world/preview: {effect: read}
  world/check: {effect: read}
  world/set: &set
    effect: reversible
    targets: "['device:' + args.device]"
    preview: {tool: world/preview, args: "${args}"}
    probe: {tool: world/get, args: {device: "${args.device}"}, valid: "has(output.values)", select: "output.values"}
    holds: "args.key in state && state[args.key] == args.value"
    holds_within: 1s
    undo:
      - {when: "!(args.key in before)", tool: world/unset, args: {device: "${args.device}", key: "${args.key}"}}
      - {tool: world/set, args: {device: "${args.device}", key: "${args.key}", value: "${before[args.key]}"}}
    timeout: 2s
    settle_after: 10s
    no_effect_when: "has(output.sent) && output.sent == 0"
    output_from_state: "{'device': args.device}"
  world/set_same:
    effect: idempotent
    targets: "['device:' + args.device]"
    timeout: 2s
    settle_after: 10s
  world/set_blind:
    effect: reversible
    targets: "['device:' + args.device]"
    timeout: 2s
    settle_after: 10s
    undo:
      - {tool: world/unset, args: {device: "${args.device}", key: "${args.key}"}}
  world/set_fleet:
    effect: reversible
    split_by: devices
    targets: "args.devices.map(d, 'device:' + d)"
    probe: {tool: world/get, args: {device: "${args.devices[0]}"}, valid: "has(output.values)", select: "output.values"}
    holds: "args.key in state && state[args.key] == args.value"
    undo:
      - {when: "!(args.key in before)", tool: world/unset, args: {device: "${args.devices[0]}", key: "${args.key}"}}
    timeout: 2s
    settle_after: 10s
  world/unset:
    effect: reversible
    targets: "['device:' + args.device]"
    timeout: 2s
    settle_after: 10s
"#;
