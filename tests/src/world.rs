//! A world of devices with named values, behind a tool server that can be told to misbehave. It keeps the truth: every
//! call that it executed, in order.

mod calls;

use crate::based;
use crate::history::{Hand, Write};
use crate::leases::{self, Timers};
use crate::questions::{Asking, Questions};
use crate::tasks::{TaskEnd, Tasks};
use flyball_engine::contract::Contracts;
use flyball_engine::tool::Outcome;
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
