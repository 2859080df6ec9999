//! What the world does with a call: it misbehaves as told, executes, and answers.

use super::{Inner, Misbehaviour, World};
use crate::based;
use crate::history::Hand;
use crate::leases::{self, Timers};
use async_trait::async_trait;
use flyball_engine::ports::{Answer, TaskReport, ToolExecutor};
use flyball_engine::question::Answers;
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, ToolName, ToolRequest, ToolSpec};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::sync::oneshot;

impl World {
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
