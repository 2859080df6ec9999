//! Devices that keep a change only until a timer of their own runs out, unless it is confirmed.

use flyball_engine::contract::{Contracts, EffectClass};
use flyball_engine::tool::{Outcome, ToolName, ToolRequest, ToolSpec};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// A device's values by name.
type Values = BTreeMap<String, Value>;

/// The tools that this file is about.
const TOOLS: [&str; 10] = [
    "prepare",
    "commit",
    "commit_shown",
    "commit_again",
    "extend",
    "extend_again",
    "confirm",
    "confirm_again",
    "cancel",
    "cancel_again",
];

/// What a tool does, whatever its contract says of it: `commit` for `commit_again`.
pub(crate) fn plain(tool: &str) -> &str {
    tool.split('_').next().unwrap_or(tool)
}

/// A change on a timer.
struct Pending {
    lease: String,
    before: Values,
    until: Instant,
}

/// What all devices hold on their timers. A timer that has run out is acted on before anybody looks.
#[derive(Default)]
pub(crate) struct Timers {
    prepared: BTreeMap<String, String>,
    pending: BTreeMap<String, Pending>,
    confirmed: Vec<String>,
    reverted: Vec<String>,
    /// Answers by their call's key, of tools that honour it.
    answers: BTreeMap<String, Outcome>,
}

impl Timers {
    /// Whether a tool is one of those with a timer.
    pub(crate) fn own(tool: &str) -> bool {
        TOOLS.contains(&tool)
    }

    /// Takes back what nobody confirmed in time.
    pub(crate) fn run_out(&mut self, devices: &mut BTreeMap<String, Values>) {
        let now = Instant::now();
        let over: Vec<String> = self
            .pending
            .iter()
            .filter(|(_, p)| p.until <= now)
            .map(|(d, _)| d.clone())
            .collect();
        for device in over {
            if let Some(pending) = self.pending.remove(&device) {
                devices.insert(device.clone(), pending.before);
                self.reverted.push(device);
            }
        }
    }

    /// The lease that a device's change waits on, as the device shows it.
    pub(crate) fn pending(&self, device: &str) -> Option<&str> {
        self.pending.get(device).map(|p| p.lease.as_str())
    }

    /// Devices that went back by themselves, in order.
    pub(crate) fn reverted(&self) -> Vec<String> {
        self.reverted.clone()
    }

    /// Devices that wait to be confirmed, or hold something prepared.
    pub(crate) fn open(&self) -> Vec<String> {
        self.pending.keys().chain(self.prepared.keys()).cloned().collect()
    }

    /// Carries a call out, or says why not. True: it was done now, not answered from memory.
    pub(crate) fn execute(&mut self, request: &ToolRequest, devices: &mut BTreeMap<String, Values>) -> (Outcome, bool) {
        let text = |name: &str| {
            request
                .args
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let terms = request.meta.get("io.flyball/lease").cloned().unwrap_or_default();
        let lease = terms["id"].as_str().unwrap_or_default().to_owned();
        let named = plain(request.tool.tool()) == "commit" || text("lease") == lease;
        if lease.is_empty() || !named {
            return (refused("the call carries no lease of its own"), false);
        }
        let key = request.meta["io.flyball/key"].to_string();
        if let Some(answer) = self.answers.get(&key) {
            return (answer.clone(), false);
        }
        let (device, tool) = (text("device"), request.tool.tool());
        let done = match plain(tool) {
            "prepare" => self.prepare(device, &lease),
            "commit" => self.commit(device, lease, &terms, devices).map(|values| {
                values.insert(text("key"), request.args.get("value").cloned().unwrap_or_default());
            }),
            "extend" => self.extend(&device, &lease, request.args.get("seconds")),
            "confirm" => self.confirm(&device, lease),
            _ => self.cancel(&device, &lease, devices),
        };
        let answer = match done {
            Ok(()) => Outcome::Done {
                output: json!({"ok": true}),
            },
            Err(why) => return (refused(why), false),
        };
        if tool == "prepare" || tool.ends_with("_again") {
            self.answers.insert(key, answer.clone());
        }
        (answer, true)
    }

    fn prepare(&mut self, device: String, lease: &str) -> Result<(), &'static str> {
        match self.prepared.get(&device) {
            Some(other) if other != lease => Err("the candidate is locked"),
            _ => {
                self.prepared.insert(device, lease.to_owned());
                Ok(())
            }
        }
    }

    fn commit<'a>(
        &mut self,
        device: String,
        lease: String,
        terms: &Value,
        devices: &'a mut BTreeMap<String, Values>,
    ) -> Result<&'a mut Values, &'static str> {
        if self.pending.contains_key(&device) || self.prepared.get(&device).is_some_and(|other| *other != lease) {
            return Err("another change is under way");
        }
        self.prepared.remove(&device);
        let values = devices.entry(device.clone()).or_default();
        let pending = Pending {
            lease,
            before: values.clone(),
            until: Instant::now() + seconds(&terms["seconds"]),
        };
        self.pending.insert(device, pending);
        Ok(values)
    }

    fn extend(&mut self, device: &str, lease: &str, by: Option<&Value>) -> Result<(), &'static str> {
        let pending = self
            .pending
            .get_mut(device)
            .filter(|p| p.lease == lease)
            .ok_or("nothing is pending")?;
        pending.until = Instant::now() + seconds(by.unwrap_or(&Value::Null));
        Ok(())
    }

    fn confirm(&mut self, device: &str, lease: String) -> Result<(), &'static str> {
        self.pending
            .get(device)
            .filter(|p| p.lease == lease)
            .ok_or("nothing is pending")?;
        self.pending.remove(device);
        self.confirmed.push(lease);
        Ok(())
    }

    fn cancel(
        &mut self,
        device: &str,
        lease: &str,
        devices: &mut BTreeMap<String, Values>,
    ) -> Result<(), &'static str> {
        if self.prepared.get(device).is_some_and(|p| p == lease) {
            self.prepared.remove(device);
            return Ok(());
        }
        self.pending
            .get(device)
            .filter(|p| p.lease == lease)
            .ok_or("nothing is pending")?;
        if let Some(pending) = self.pending.remove(device) {
            devices.insert(device.to_owned(), pending.before);
        }
        Ok(())
    }
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().unwrap_or_default())
}

fn refused(why: &str) -> Outcome {
    Outcome::ToolError {
        output: json!({"text": why, "sent": 0}),
    }
}

/// The tools' definitions.
pub(crate) fn specs() -> Vec<ToolSpec> {
    let of = |tool: &str| {
        let mut properties = Map::from_iter([("device".to_owned(), json!({"type": "string"}))]);
        let more: &[&str] = match plain(tool) {
            "commit" => &["key", "value"],
            "prepare" => &["key", "value", "lease"],
            "extend" => &["lease", "seconds"],
            _ => &["lease"],
        };
        properties.extend(more.iter().map(|name| ((*name).to_owned(), json!({}))));
        let required: Vec<String> = properties.keys().cloned().collect();
        ToolSpec {
            name: ToolName::new("world", tool),
            description: String::new(),
            input_schema: json!({"type": "object", "properties": properties, "required": required}),
            output_schema: None,
            annotations: None,
        }
    };
    TOOLS.into_iter().map(of).collect()
}

/// The tools' contracts. That of `commit_shown` can tell from the probe whether a change is pending; the calls that follow
/// `commit_again` may be sent again under their key while in doubt.
pub(crate) fn contracts() -> Contracts {
    let mut all: Contracts = serde_saphyr::from_str(CONTRACTS).expect("the contracts are well-formed");
    let mut shown = all.of(&ToolName::new("world", "commit"));
    if let Some(probe) = &mut shown.probe {
        probe.pending = Some("output.pending == lease.id".to_owned());
    }
    all.contracts.insert(ToolName::new("world", "commit_shown"), shown);
    let mut again = all.of(&ToolName::new("world", "commit"));
    for call in [&mut again.extend, &mut again.confirm, &mut again.cancel]
        .into_iter()
        .flatten()
    {
        let mut contract = all.of(&call.tool);
        contract.effect = EffectClass::Idempotent;
        call.tool = ToolName::new("world", format!("{}_again", call.tool.tool()));
        all.contracts.insert(call.tool.clone(), contract);
    }
    all.contracts.insert(ToolName::new("world", "commit_again"), again);
    all
}

const CONTRACTS: &str = r#"
contracts:
  world/commit:
    effect: confirmable
    targets: "['device:' + args.device]"
    preview: {tool: world/preview, args: "${args}"}
    probe: {tool: world/get, args: {device: "${args.device}"}, valid: "has(output.values)", select: "output.values"}
    holds: "args.key in state && state[args.key] == args.value"
    holds_within: 1s
    lease: 60s
    prepare:
      tool: world/prepare
      args: {device: "${args.device}", key: "${args.key}", value: "${args.value}", lease: "${lease.id}"}
    extend: {tool: world/extend, args: {device: "${args.device}", lease: "${lease.id}", seconds: "${lease.seconds}"}}
    confirm: {tool: world/confirm, args: {device: "${args.device}", lease: "${lease.id}"}}
    cancel: {tool: world/cancel, args: {device: "${args.device}", lease: "${lease.id}"}}
    undo:
      - {when: "!(args.key in before)", tool: world/unset, args: {device: "${args.device}", key: "${args.key}"}}
      - {tool: world/set, args: {device: "${args.device}", key: "${args.key}", value: "${before[args.key]}"}}
    timeout: 2s
    settle_after: 10s
    resend: never
    no_effect_when: "has(output.sent) && output.sent == 0"
    output_from_state: "{'device': args.device}"
  world/prepare: {effect: idempotent, timeout: 2s, no_effect_when: "has(output.sent) && output.sent == 0"}
  world/extend: {effect: irreversible, timeout: 2s, no_effect_when: "has(output.sent) && output.sent == 0"}
  world/confirm: {effect: irreversible, timeout: 2s, no_effect_when: "has(output.sent) && output.sent == 0"}
  world/cancel: {effect: irreversible, timeout: 2s, no_effect_when: "has(output.sent) && output.sent == 0"}
"#;
