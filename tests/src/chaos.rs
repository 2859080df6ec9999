//! Random plans, faults and schedules from a seed, on the paused clock; and what must hold whatever they were.

use crate::engine::Engine;
use crate::world::{Misbehaviour, World};
use flyball_engine::ids::{IntentId, ItemId};
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution, Settlement};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::state::IntentState;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const DEVICES: [&str; 4] = ["a", "b", "c", "d"];

/// What happens to a run from outside, at some moment.
#[derive(Debug, Clone)]
enum Happening {
    Crash,
    RestartServer,
    Release,
    Cancel(usize),
    Pause(usize),
    Resume(usize),
    /// A person who cannot wait settles every doubt by what the device shows now.
    Force(usize),
    /// Somebody else's edit, on a key that no plan uses.
    Edit(&'static str),
    Unreadable(bool),
}

/// One run: everything that is decided before it starts.
#[derive(Debug)]
struct Script {
    plans: Vec<Value>,
    misbehaviours: Vec<(String, Misbehaviour)>,
    failing_check: bool,
    /// Simulated milliseconds after the one before.
    happenings: Vec<(u64, Happening)>,
}

impl Script {
    fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let intents = if rng.random_bool(0.3) { 2 } else { 1 };
        let plans = (0..intents).map(|n| plan(&mut rng, n)).collect();
        let misbehaviours: Vec<_> = (0..rng.random_range(0..4)).map(|_| misbehaviour(&mut rng)).collect();
        let mut happenings: Vec<_> = (0..rng.random_range(0..5))
            .map(|_| (rng.random_range(0..9_000), happening(&mut rng, intents)))
            .collect();
        if misbehaviours
            .iter()
            .any(|(_, how)| *how == Misbehaviour::ActAndHoldAnswer)
        {
            let at = rng.random_range(0..=happenings.len());
            happenings.insert(at, (rng.random_range(0..9_000), Happening::Release));
        }
        if rng.random_bool(0.5)
            && misbehaviours
                .iter()
                .any(|(_, how)| matches!(how, Misbehaviour::ActLate(_)))
        {
            // Somebody who decides every half second meets the doubt while the call is still on its way.
            let hurry = (0..16).map(|_| (500, Happening::Force(rng.random_range(0..intents))));
            happenings = hurry.collect();
        }
        Self {
            plans,
            misbehaviours,
            failing_check: rng.random_bool(0.25),
            happenings,
        }
    }
}

fn device(rng: &mut StdRng) -> &'static str {
    DEVICES.choose(rng).expect("there are devices")
}

/// Each step has a key of its own, so that what it left can be told at the end.
fn plan(rng: &mut StdRng, intent: usize) -> Value {
    let mut steps = vec![json!({"id": "all", "tool": "world/list"})];
    for n in 0..rng.random_range(1..5) {
        let (key, value) = (format!("i{intent}s{n}"), rng.random_range(1..100));
        let args = |device: Value| json!({"device": device, "key": key, "value": value});
        let mut step = match rng.random_range(0..5) {
            0 | 1 => json!({"tool": "world/set", "args": args(json!(device(rng)))}),
            2 | 3 => {
                json!({"tool": "world/set", "for_each": "${steps.all.output.devices}", "args": args(json!("${item.name}"))})
            }
            _ => {
                let count = rng.random_range(1..=DEVICES.len());
                let some: Vec<_> = DEVICES.choose_multiple(rng, count).collect();
                json!({"tool": "world/set_fleet", "args": {"devices": some, "key": key, "value": value}})
            }
        };
        step["id"] = json!(format!("s{n}"));
        if n > 0 && rng.random_bool(0.5) {
            step["needs"] = json!([format!("s{}", rng.random_range(0..n))]);
        }
        if rng.random_bool(0.3) {
            step["gate"] =
                json!({"tool": "world/check", "args": {"name": "gate"}, "expect": "output.good", "within": "3s"});
        }
        steps.push(step);
    }
    let check = json!({"tool": "world/check", "args": {"name": "post"}, "expect": "output.good", "within": "2s"});
    json!({"steps": steps, "post_checks": [check]})
}

fn misbehaviour(rng: &mut StdRng) -> (String, Misbehaviour) {
    let verb = ["set", "unset", "set_fleet", "set"]
        .choose(rng)
        .expect("there are verbs");
    let how = match rng.random_range(0..9) {
        8 => Misbehaviour::ActAndHoldAnswer,
        0 => Misbehaviour::ActAndFallSilent,
        1 => Misbehaviour::FallSilent,
        2 => Misbehaviour::ActAndHoldAnswer,
        3 => Misbehaviour::Refuse,
        4 => Misbehaviour::Lie,
        5 => Misbehaviour::TurnAway,
        // Within `timeout` and `settle_after` of the contracts, which is what the operator vouches for.
        _ => Misbehaviour::ActLate(rng.random_range(2_000..11_500)),
    };
    (format!("{verb} {}", device(rng)), how)
}

fn happening(rng: &mut StdRng, intents: usize) -> Happening {
    let intent = rng.random_range(0..intents);
    match rng.random_range(0..11) {
        9.. => Happening::Force(intent),
        0..3 => Happening::Crash,
        3 => Happening::RestartServer,
        4 => Happening::Release,
        5 => Happening::Cancel(intent),
        6 => Happening::Pause(intent),
        7 => Happening::Edit(device(rng)),
        _ if rng.random_bool(0.5) => Happening::Resume(intent),
        _ => Happening::Unreadable(rng.random_bool(0.5)),
    }
}

/// What happened in runs, by the names of events and ends: so that a test can say that its faults did strike.
pub type Tally = BTreeMap<String, u64>;

/// Plays the seed's run to its end and checks what must hold. The error says what did not, with the story.
pub async fn play(seed: u64) -> Result<Tally, String> {
    let script = Script::of(seed);
    let world = World::of(&DEVICES);
    for (what, how) in &script.misbehaviours {
        world.misbehave(what, how.clone());
    }
    if script.failing_check {
        world.set_check("post", false);
    }
    let before = world.picture();
    let mut engine = Engine::over(&world, Decision::Run).await;
    let mut intents = Vec::new();
    for plan in &script.plans {
        intents.push(engine.submit(plan.clone()).await);
    }
    let (mut edits, mut people) = (BTreeMap::new(), People::default());
    for (wait, what) in &script.happenings {
        tokio::time::sleep(Duration::from_millis(*wait)).await;
        if let Happening::Force(n) = what {
            people.force(&engine, intents[*n]).await;
        } else {
            engine = happen(engine, &intents, what, &mut edits).await;
        }
    }
    world.set_unreadable(false);
    people
        .help(&engine, &intents)
        .await
        .map_err(|why| told(seed, &script, &engine, &intents, &why))?;
    let judged = judge(&engine, &intents, &script, &before, &edits, &people).await;
    judged.map_err(|why| told(seed, &script, &engine, &intents, &why))?;
    Ok(tally(&engine, &intents))
}

fn tally(engine: &Engine, intents: &[IntentId]) -> Tally {
    let mut tally = Tally::new();
    for event in intents.iter().flat_map(|intent| engine.events(*intent)) {
        let name = match &event {
            Event::CallSettled { by, .. } => {
                format!("settled by {}", serde_json::json!(by).as_str().unwrap_or("person"))
            }
            Event::IntentEnded { end, .. } => format!("{end:?}"),
            event => event.name().to_owned(),
        };
        *tally.entry(name).or_default() += 1;
    }
    tally
}

fn told(seed: u64, script: &Script, engine: &Engine, intents: &[IntentId], why: &str) -> String {
    let stories: Vec<String> = intents.iter().map(|i| engine.story(*i)).collect();
    let executed = engine.world.executed_calls();
    format!(
        "seed {seed}: {why}\n{script:?}\nexecuted: {executed:#?}\n{}",
        stories.join("\n----\n")
    )
}

async fn happen(
    engine: Engine,
    intents: &[IntentId],
    what: &Happening,
    edits: &mut BTreeMap<&'static str, Value>,
) -> Engine {
    let reason = || Some("chaos".to_owned());
    // A command to an intent that has ended is refused; that is not what this is about.
    match what {
        Happening::Crash => return engine.crash_and_restart().await,
        Happening::RestartServer => engine.world.restart_server(),
        Happening::Release => engine.world.release(),
        Happening::Cancel(n) => drop(engine.command(intents[*n], What::Cancel { reason: reason() }).await),
        Happening::Pause(n) => drop(engine.command(intents[*n], What::Pause { reason: reason() }).await),
        Happening::Resume(n) => drop(engine.command(intents[*n], What::Resume).await),
        Happening::Force(_) => {}
        Happening::Edit(device) => {
            let value = json!(edits.len() + 1000);
            engine.world.intrude(device, "foreign", value.clone());
            edits.insert(device, value);
        }
        Happening::Unreadable(how) => engine.world.set_unreadable(*how),
    }
    engine
}

/// The people on duty: they look at the device and tell the truth.
#[derive(Default)]
struct People {
    /// Items that a person said may stay as they are, or was in a hurry about: what they show is that person's.
    accepted: BTreeSet<String>,
}

impl People {
    /// Helps until every intent has ended.
    async fn help(&mut self, engine: &Engine, intents: &[IntentId]) -> Result<(), String> {
        for _ in 0..200 {
            let mut open = false;
            for intent in intents {
                let state = engine.supervisor.state(*intent).await.map_err(|e| e.to_string())?;
                if state.ended.is_none() {
                    open = true;
                    self.decide(engine, *intent, &state).await;
                }
            }
            if !open {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        Err("an intent neither ends nor says what it waits for".into())
    }

    /// Settles every doubt at once, although the call may land yet.
    async fn force(&mut self, engine: &Engine, intent: IntentId) {
        let Ok(state) = engine.supervisor.state(intent).await else {
            return;
        };
        for (id, item) in &state.items {
            if matches!(item.status, ItemStatus::InDoubt | ItemStatus::UndoInDoubt) {
                self.accepted.insert(format!("{intent} {id}"));
                let _ = engine.command(intent, truth(engine, intent, id, item, true)).await;
            }
        }
    }

    async fn decide(&mut self, engine: &Engine, intent: IntentId, state: &IntentState) {
        if state.paused.is_some() || state.stuck.contains_key("intent") {
            let _ = engine.command(intent, What::Resume).await;
        }
        if state.stuck.is_empty() {
            return;
        }
        for (id, item) in &state.items {
            let comment = Some("looked at the device".to_owned());
            let what = match item.status {
                ItemStatus::InDoubt | ItemStatus::UndoInDoubt => truth(engine, intent, id, item, false),
                ItemStatus::UndoConflict | ItemStatus::UndoFailed => {
                    self.accepted.insert(format!("{intent} {id}"));
                    What::Resolve {
                        item: id.clone(),
                        resolution: Resolution::Accept,
                        comment,
                    }
                }
                _ => continue,
            };
            let _ = engine.command(intent, what).await;
        }
    }
}

/// What the device shows of a call in doubt.
fn truth(engine: &Engine, intent: IntentId, id: &ItemId, item: &ItemState, force: bool) -> What {
    let undoing = item.status == ItemStatus::UndoInDoubt;
    let call = if undoing { &item.undo } else { &item.call };
    let key = key_of(engine, intent, call.as_ref().expect("a doubt is about a call"));
    let done = engine
        .world
        .executed_calls()
        .iter()
        .any(|(executed, _)| *executed == key);
    let verdict = if done {
        Settlement::Applied
    } else {
        Settlement::NotApplied
    };
    let comment = Some("looked at the device".to_owned());
    What::Settle {
        item: id.clone(),
        verdict,
        force,
        comment,
    }
}

/// The key under which a call was last sent.
fn key_of(engine: &Engine, intent: IntentId, of: &flyball_engine::intent::item::CallState) -> String {
    let mut keys = engine.events(intent).into_iter().filter_map(|event| match event {
        Event::CallStarted { call, key, .. } if call == of.id => Some(key.to_string()),
        _ => None,
    });
    keys.next_back().unwrap_or_default()
}

async fn judge(
    engine: &Engine,
    intents: &[IntentId],
    script: &Script,
    before: &Value,
    edits: &BTreeMap<&'static str, Value>,
    people: &People,
) -> Result<(), String> {
    let world = &engine.world;
    let executed = world.executed_calls();
    let mut keys = BTreeSet::new();
    if let Some((_, words)) = executed.iter().find(|(key, _)| !keys.insert(key.clone())) {
        return Err(format!("executed twice under one key: {words}"));
    }
    let mut started = BTreeSet::new();
    for intent in intents {
        engine.assert_replays(*intent).await;
        started.extend(engine.events(*intent).into_iter().filter_map(|event| match event {
            Event::CallStarted { key, .. } => Some(key.to_string()),
            _ => None,
        }));
    }
    if let Some((_, words)) = executed.iter().find(|(key, _)| !started.contains(key)) {
        return Err(format!("executed without an entry: {words}"));
    }
    if let Some(overlap) = world.overlap() {
        return Err(format!(
            "a call was sent to a device on which another could still land: {overlap}"
        ));
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    if world.executed_calls().len() != executed.len() {
        return Err("a call landed after the end".into());
    }
    for (device, value) in edits {
        if world.value(device, "foreign").as_ref() != Some(value) {
            return Err(format!("somebody else's edit of {device} is gone"));
        }
    }
    for (n, intent) in intents.iter().enumerate() {
        let state = engine.supervisor.state(*intent).await.map_err(|e| e.to_string())?;
        let (end, why, partial) = state.ended.clone().ok_or("not ended")?;
        let fulfilled = end == End::Fulfilled && !partial;
        if fulfilled && script.failing_check {
            return Err("fulfilled although a check fails".into());
        }
        let excused = people.accepted.iter().any(|a| a.starts_with(&intent.to_string()));
        if !excused {
            values(world, &script.plans[n], before, fulfilled)
                .map_err(|what| format!("{end:?} ({why}), but {what}"))?;
        }
    }
    Ok(())
}

/// Whether the keys of a plan are as it asks, or as they were.
fn values(world: &World, plan: &Value, before: &Value, fulfilled: bool) -> Result<(), String> {
    for step in plan["steps"].as_array().into_iter().flatten() {
        let args = &step["args"];
        let Some(key) = args["key"].as_str() else { continue };
        let devices: Vec<&str> = match (&args["devices"], step.get("for_each")) {
            (_, Some(_)) => DEVICES.to_vec(),
            (Value::Array(fleet), _) => fleet.iter().filter_map(Value::as_str).collect(),
            _ => args["device"].as_str().into_iter().collect(),
        };
        for device in devices {
            let wanted = if fulfilled {
                Some(&args["value"])
            } else {
                before[device].get(key)
            };
            let found = world.value(device, key);
            if found.as_ref() != wanted {
                return Err(format!("{device} {key} is {found:?}, not {wanted:?}"));
            }
        }
    }
    Ok(())
}
