//! Random plans, faults and schedules from a seed, on the paused clock; and what must hold whatever they were.

mod people;
mod verdict;

use crate::clock::LaggingClock;
use crate::engine::{Engine, SetUp};
use crate::tasks::TaskEnd;
use crate::world::{Misbehaviour, World};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution};
use people::People;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const DEVICES: [&str; 4] = ["a", "b", "c", "d"];

/// What happens to a run from outside, at some moment.
#[derive(Debug, Clone)]
enum Happening {
    Crash,
    /// Another engine takes everything over while the first one lives.
    Beside,
    /// Nothing can be written for a while; then the engine starts anew.
    BrokenDisk,
    RestartServer,
    Release,
    Cancel(usize),
    /// A person decides what waits for approval, if anything does: true, it may run.
    Decide(usize, bool),
    Pause(usize),
    Resume(usize),
    /// A person who cannot wait settles every doubt by what the device shows now.
    Force(usize),
    /// A person wants it taken back by an intent of its own.
    Undo(usize),
    /// A person takes a lock away.
    Unlock(usize, &'static str),
    /// Somebody else's edit, on a key that no plan uses.
    Edit(&'static str),
    /// Somebody else's edit of what a plan changes.
    EditOurs(&'static str, String),
    Unreadable(bool),
}

/// One run: everything that is decided before it starts.
#[derive(Debug)]
struct Script {
    plans: Vec<Value>,
    /// Whether each plan must be approved by a person.
    approved: bool,
    /// When each intent's time is up, simulated milliseconds after its submission.
    deadlines: Vec<Option<u64>>,
    misbehaviours: Vec<(String, Misbehaviour)>,
    failing_check: bool,
    /// Simulated milliseconds after the one before.
    happenings: Vec<(u64, Happening)>,
}

impl Script {
    fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let intents = if rng.random_bool(0.3) { 2 } else { 1 };
        let plans: Vec<_> = (0..intents).map(|n| plan(&mut rng, n)).collect();
        let calls = calls_of(&plans);
        let mut misbehaviours: Vec<_> = (0..rng.random_range(0..4))
            .map(|_| misbehaviour(&mut rng, &calls))
            .collect();
        misbehaviours.extend(attempts(&mut rng, &calls));
        if calls.iter().any(|call| call.starts_with("set_blind")) {
            // Where nothing can be read, nobody finds out that a tool says yes and does nothing.
            let lies = misbehaviours.iter_mut().filter(|(_, how)| *how == Misbehaviour::Lie);
            lies.for_each(|(_, how)| *how = Misbehaviour::Refuse);
        }
        let mut happenings: Vec<_> = (0..rng.random_range(0..5))
            .map(|_| (wait(&mut rng), happening(&mut rng, intents)))
            .collect();
        let held = |how: &Misbehaviour| matches!(how, Misbehaviour::ActAndHoldAnswer | Misbehaviour::HoldRefusal);
        if misbehaviours.iter().any(|(_, how)| held(how)) {
            let at = rng.random_range(0..=happenings.len());
            happenings.insert(at, (rng.random_range(0..45_000), Happening::Release));
        }
        let late = |how: &Misbehaviour| matches!(how, Misbehaviour::ActLate(_));
        if rng.random_bool(0.5) && misbehaviours.iter().any(|(_, how)| late(how)) {
            // Somebody who decides every half second meets the doubt while the call is still on its way; and somebody else
            // cannot wait either.
            happenings = (0..16).map(|_| (500, in_a_hurry(&mut rng, intents))).collect();
        }
        let deadlines = plans.iter().map(|_| deadline(&mut rng)).collect();
        Self {
            plans,
            approved: rng.random_bool(0.25),
            deadlines,
            misbehaviours,
            failing_check: rng.random_bool(0.35),
            happenings,
        }
    }
}

fn deadline(rng: &mut StdRng) -> Option<u64> {
    rng.random_bool(0.2).then(|| rng.random_range(10..60_000))
}

fn wait(rng: &mut StdRng) -> u64 {
    let most = if rng.random_bool(0.2) { 40_000 } else { 9_000 };
    rng.random_range(0..most)
}

fn in_a_hurry(rng: &mut StdRng, intents: usize) -> Happening {
    let intent = rng.random_range(0..intents);
    match rng.random_bool(0.25) {
        true => Happening::Undo(intent),
        false => Happening::Force(intent),
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
        let mut step = match rng.random_range(0..12) {
            8 => {
                let count = rng.random_range(1..=DEVICES.len());
                let some: Vec<_> = DEVICES.choose_multiple(rng, count).collect();
                json!({"tool": "world/set_fleet", "args": {"devices": some, "key": key, "value": value}})
            }
            kind @ 5..8 => {
                let tool = if kind == 5 { "world/set_again" } else { "world/set" };
                json!({"tool": tool, "for_each": "${steps.all.output.devices}", "args": args(json!("${item.name}"))})
            }
            kind => {
                let tool = match kind {
                    9 => "world/set_blind",
                    10 => "world/set_again",
                    11 => "world/set_patient",
                    _ => "world/set",
                };
                json!({"tool": tool, "args": args(json!(device(rng)))})
            }
        };
        step["id"] = json!(format!("s{n}"));
        if n > 0 && rng.random_bool(0.5) {
            step["needs"] = json!([format!("s{}", rng.random_range(0..n))]);
        }
        if rng.random_bool(0.15) {
            step["on_failure"] = json!("continue");
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

/// The devices on which a step changes something.
fn devices_of(step: &Value) -> Vec<&str> {
    let args = &step["args"];
    match (&args["devices"], step.get("for_each")) {
        (_, Some(_)) => DEVICES.to_vec(),
        (Value::Array(fleet), _) => fleet.iter().filter_map(Value::as_str).collect(),
        _ => args["device"].as_str().into_iter().collect(),
    }
}

/// The steps of a plan that change something, with the key that each changes.
fn changes_of(plan: &Value) -> impl Iterator<Item = (&Value, &str)> {
    let steps = plan["steps"].as_array().into_iter().flatten();
    steps.filter_map(|step| Some((step, step["args"]["key"].as_str()?)))
}

/// The first words of every call that the plans make: `set a`.
fn calls_of(plans: &[Value]) -> Vec<String> {
    let changes = plans.iter().flat_map(changes_of);
    let calls = changes.flat_map(|(step, _)| {
        let tool = step["tool"].as_str().unwrap_or_default().trim_start_matches("world/");
        let calls = devices_of(step)
            .into_iter()
            .map(move |device| format!("{tool} {device}"));
        calls.collect::<Vec<_>>()
    });
    calls.collect()
}

fn misbehaviour(rng: &mut StdRng, calls: &[String]) -> (String, Misbehaviour) {
    let how = match rng.random_range(0..12) {
        0 => Misbehaviour::ActAndFallSilent,
        1 => Misbehaviour::FallSilent,
        2 | 3 => Misbehaviour::ActAndHoldAnswer,
        4 => Misbehaviour::Refuse,
        5 => Misbehaviour::Lie,
        6 => Misbehaviour::TurnAway,
        7 => Misbehaviour::ActAndComplain,
        8 => {
            let ends = [TaskEnd::Done, TaskEnd::Refused, TaskEnd::Cancelled, TaskEnd::Lost];
            Misbehaviour::Task(rng.random_range(100..9_000), *ends.choose(rng).expect("there are ends"))
        }
        // Within `timeout` and `settle_after` of the contracts, which is what the operator vouches for.
        _ => Misbehaviour::ActLate(rng.random_range(2_000..11_500)),
    };
    if rng.random_bool(0.3) {
        return (format!("unset {}", device(rng)), how);
    }
    (calls.choose(rng).expect("a plan changes something").clone(), how)
}

/// What the attempts of one repeatable call come to.
fn attempts(rng: &mut StdRng, calls: &[String]) -> Vec<(String, Misbehaviour)> {
    let repeatable = |c: &&String| c.starts_with("set_again") || c.starts_with("set_patient");
    let repeatable: Vec<_> = calls.iter().filter(repeatable).collect();
    let Some(call) = repeatable.choose(rng).filter(|_| rng.random_bool(0.6)) else {
        return Vec::new();
    };
    let ways = [
        Misbehaviour::ActAndFallSilent,
        Misbehaviour::ActAndHoldAnswer,
        Misbehaviour::ActAndComplain,
        Misbehaviour::HoldRefusal,
        Misbehaviour::HoldRefusal,
    ];
    let how = |_| ((*call).clone(), ways.choose(rng).expect("there are ways").clone());
    (0..3).map(how).collect()
}

fn happening(rng: &mut StdRng, intents: usize) -> Happening {
    let intent = rng.random_range(0..intents);
    match rng.random_range(0..20) {
        0..3 => Happening::Crash,
        3 => Happening::RestartServer,
        4 => Happening::Release,
        5 => Happening::Cancel(intent),
        6 => Happening::Pause(intent),
        7 => Happening::Edit(device(rng)),
        8..11 => Happening::EditOurs(device(rng), format!("i{intent}s{}", rng.random_range(0..4))),
        11 => Happening::Undo(intent),
        12 => Happening::Unlock(intent, device(rng)),
        13 => Happening::Beside,
        14 => Happening::BrokenDisk,
        15 if rng.random_bool(0.5) => Happening::Resume(intent),
        15 => Happening::Unreadable(rng.random_bool(0.5)),
        16 | 17 => Happening::Decide(intent, rng.random_bool(0.7)),
        _ => Happening::Force(intent),
    }
}

/// What a person sends, and to which intent.
fn command(what: &Happening) -> Option<(usize, What)> {
    let reason = || Some("chaos".to_owned());
    Some(match what {
        Happening::Cancel(n) => (*n, What::Cancel { reason: reason() }),
        Happening::Pause(n) => (*n, What::Pause { reason: reason() }),
        Happening::Resume(n) => (*n, What::Resume),
        Happening::Unlock(n, device) => {
            let (target, reason) = (format!("device:{device}"), "chaos".to_owned());
            (*n, What::ReleaseLock { target, reason })
        }
        _ => return None,
    })
}

/// What happened in runs, by the names of events and ends: so that a test can say that its faults did strike.
pub type Tally = BTreeMap<String, u64>;

/// A run that goes on.
struct Run {
    script: Script,
    engine: Engine,
    started: Instant,
    before: Value,
    /// Engines that lost everything to another one, and live still.
    former: Vec<Engine>,
    /// The script's intents, in its order.
    intents: Vec<IntentId>,
    /// Intents that take one of those back, and which.
    undos: Vec<(IntentId, usize)>,
    /// The last edit of each device's foreign key.
    edits: BTreeMap<&'static str, Value>,
    people: People,
}

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
    let (started, before) = (Instant::now(), world.picture());
    let decision = if script.approved {
        Decision::NeedsApproval
    } else {
        Decision::Run
    };
    // The same clock for each engine of the run.
    let clock = Arc::new(LaggingClock::start());
    let set_up: SetUp = Arc::new(move |deps| deps.clock = clock.clone());
    let engine = Engine::over_with(&world, decision, set_up).await;
    let mut intents = Vec::new();
    for (plan, deadline) in script.plans.iter().zip(&script.deadlines) {
        intents.push(match deadline {
            Some(ms) => engine.submit_until(plan.clone(), Duration::from_millis(*ms)).await,
            None => engine.submit(plan.clone()).await,
        });
    }
    let mut run = Run {
        script,
        engine,
        started,
        before,
        former: Vec::new(),
        intents,
        undos: Vec::new(),
        edits: BTreeMap::new(),
        people: People::of(seed),
    };
    for (wait, what) in run.script.happenings.clone() {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        run = run.happen(&what).await;
    }
    world.set_unreadable(false);
    let played = match run.help().await {
        Ok(()) => run.judge().await,
        Err(why) => Err(why),
    };
    played.map_err(|why| run.told(seed, &why))?;
    Ok(run.tally())
}

impl Run {
    /// Every intent with the script's one that it is about.
    fn all(&self) -> Vec<(IntentId, usize)> {
        let own = self.intents.iter().enumerate().map(|(n, intent)| (*intent, n));
        own.chain(self.undos.iter().copied()).collect()
    }

    async fn happen(mut self, what: &Happening) -> Self {
        match what {
            Happening::Crash => return self.restarted().await,
            Happening::BrokenDisk => {
                self.engine.journal.refuse_writes(Some("no space left"));
                tokio::time::sleep(Duration::from_millis(700)).await;
                self.engine.journal.refuse_writes(None);
                return self.restarted().await;
            }
            Happening::Beside => {
                let beside = self.engine.beside_alike().await;
                self.former.push(std::mem::replace(&mut self.engine, beside));
            }
            Happening::Force(n) => self.force(self.intents[*n], *n).await,
            Happening::Undo(n) => self.undo(*n).await,
            Happening::Decide(n, run) => self.approve(self.intents[*n], *run).await,
            what => match command(what) {
                // A command that does not fit any more is refused; that is not what this is about.
                Some((n, what)) => drop(self.engine.command(self.intents[n], what).await),
                None => self.strike(what),
            },
        }
        self
    }

    /// What happens to the world.
    fn strike(&mut self, what: &Happening) {
        let world = &self.engine.world;
        match what {
            Happening::RestartServer => world.restart_server(),
            Happening::Release => world.release(),
            Happening::Unreadable(how) => world.set_unreadable(*how),
            Happening::Edit(device) => {
                let value = json!(self.edits.len() + 1000);
                world.intrude(device, "foreign", value.clone());
                self.edits.insert(device, value);
            }
            Happening::EditOurs(device, key) => {
                let value = json!(world.history(device, key).len() + 2000);
                world.intrude(device, key, value);
            }
            _ => {}
        }
    }

    async fn restarted(self) -> Self {
        let engine = self.engine.crash_and_restart().await;
        Self { engine, ..self }
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::new();
        for event in self.all().iter().flat_map(|(intent, _)| self.engine.events(*intent)) {
            let name = match &event {
                Event::CallSettled { by, .. } => {
                    format!("settled by {}", json!(by).as_str().unwrap_or("person"))
                }
                Event::IntentEnded {
                    end: End::Fulfilled,
                    partial: true,
                    ..
                } => "fulfilled in part".to_owned(),
                Event::IntentEnded { end, .. } => format!("{end:?}"),
                Event::Resolved {
                    resolution: Resolution::Overwrite,
                    ..
                } => "overwritten".to_owned(),
                Event::TargetsReleased { to: Some(_), .. } => "handed over".to_owned(),
                Event::TargetsReleased { by: Some(_), .. } => "taken away".to_owned(),
                event => event.name().to_owned(),
            };
            *tally.entry(name).or_default() += 1;
        }
        *tally.entry("undone by an intent".to_owned()).or_default() += self.undos.len() as u64;
        tally.retain(|_, count| *count > 0);
        tally
    }

    fn told(&self, seed: u64, why: &str) -> String {
        let stories: Vec<String> = self.all().iter().map(|(i, _)| self.engine.story(*i)).collect();
        let executed = self.engine.world.executed_calls();
        format!(
            "seed {seed}: {why}\n{:?}\nexecuted: {executed:#?}\n{}",
            self.script,
            stories.join("\n----\n")
        )
    }
}
