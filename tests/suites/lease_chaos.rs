//! Confirmable changes under random faults, deaths and decisions: whatever happens, no call is made twice, and in the end
//! every device has the change for good or has nothing of it. `FLYBALL_REPEAT=n` plays one run again, `FLYBALL_FULL=1`
//! ten thousand.

use super::lease::commit_all;
use flyball_engine::actor::Actor;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Resolution, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::sample;
use flyball_tests::world::{Misbehaviour, World};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const DEVICES: [&str; 3] = ["a", "b", "c"];
const VERBS: [&str; 6] = ["prepare", "commit", "extend", "confirm", "cancel", "unset"];

#[derive(Debug, Clone)]
enum Happening {
    /// The engine is away for so many seconds.
    Away(u64),
    Release,
    Cancel,
    Pause,
    Resume,
    Halt,
    Unhalt,
    Unreadable(bool),
}

#[derive(Debug)]
struct Script {
    tool: &'static str,
    hold_for: u64,
    good: bool,
    misbehaviours: Vec<(String, Misbehaviour)>,
    happenings: Vec<(u64, Happening)>,
}

impl Script {
    fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            tool: ["commit", "commit_shown", "commit_again"]
                .choose(&mut rng)
                .expect("there are tools"),
            hold_for: rng.random_range(0..100),
            good: rng.random_bool(0.7),
            misbehaviours: (0..rng.random_range(0..4)).map(|_| misbehaviour(&mut rng)).collect(),
            happenings: (0..rng.random_range(0..5))
                .map(|_| (rng.random_range(0..60_000), happening(&mut rng)))
                .collect(),
        }
    }

    fn plan(&self) -> Value {
        let mut plan = commit_all();
        plan["steps"][1]["tool"] = json!(format!("world/{}", self.tool));
        plan["post_checks"][0]["hold_for"] = json!(format!("{}s", self.hold_for));
        plan
    }
}

fn misbehaviour(rng: &mut StdRng) -> (String, Misbehaviour) {
    let verb = VERBS.choose(rng).expect("there are verbs");
    let device = DEVICES.choose(rng).expect("there are devices");
    let how = match rng.random_range(0..8) {
        0 => Misbehaviour::ActAndFallSilent,
        1 => Misbehaviour::FallSilent,
        2 => Misbehaviour::ActAndHoldAnswer,
        3 => Misbehaviour::Refuse,
        4 => Misbehaviour::TurnAway,
        // A confirm that is a lie shows only where the probe tells what is pending.
        5 if *verb != "confirm" => Misbehaviour::Lie,
        // Within `timeout` and `settle_after` of the contracts, which is what the operator vouches for.
        _ => Misbehaviour::ActLate(rng.random_range(2_000..11_500)),
    };
    let verb = if *verb == "commit" { "commit" } else { verb };
    (format!("{verb} {device}"), how)
}

fn happening(rng: &mut StdRng) -> Happening {
    match rng.random_range(0..12) {
        0..4 => Happening::Away(*[0, 0, 5, 30, 55, 65, 120].choose(rng).expect("there are times")),
        4 => Happening::Release,
        5 => Happening::Cancel,
        6 => Happening::Pause,
        7 => Happening::Resume,
        8 => Happening::Halt,
        9 => Happening::Unhalt,
        _ => Happening::Unreadable(rng.random_bool(0.5)),
    }
}

async fn happen(engine: Engine, intent: IntentId, what: &Happening) -> Engine {
    // A command that does not fit is refused; that is not what this is about.
    match what {
        Happening::Away(seconds) => {
            let remains = engine.crash();
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            return remains.restart().await;
        }
        Happening::Release => engine.world.release(),
        Happening::Cancel => drop(engine.command(intent, What::Cancel { reason: None }).await),
        Happening::Pause => drop(engine.command(intent, What::Pause { reason: None }).await),
        Happening::Resume => drop(engine.command(intent, What::Resume).await),
        Happening::Halt => engine
            .supervisor
            .halt(&Actor::human("anna"), None)
            .await
            .expect("a brake"),
        Happening::Unhalt => engine.supervisor.unhalt(&Actor::human("anna")).await.expect("a brake"),
        Happening::Unreadable(how) => engine.world.set_unreadable(*how),
    }
    engine
}

/// People look at the device and tell the truth until the intent has ended.
async fn help(engine: &Engine, intent: IntentId) -> Result<IntentState, String> {
    engine.world.set_unreadable(false);
    engine
        .supervisor
        .unhalt(&Actor::human("anna"))
        .await
        .map_err(|e| e.to_string())?;
    for _ in 0..100 {
        let state = engine.supervisor.state(intent).await.map_err(|e| e.to_string())?;
        if state.ended.is_some() {
            return Ok(state);
        }
        if state.paused.is_some() || state.stuck.contains_key("intent") {
            let _ = engine.command(intent, What::Resume).await;
        }
        for (id, item) in state
            .items
            .iter()
            .filter(|(id, _)| state.stuck.contains_key(&id.to_string()))
        {
            let Some(phase) = item.doubtful_phase() else {
                // The device could not be read when it was to be taken back; now it can. Refused where the person is only
                // told of something, and it goes on by itself.
                let what = What::Resolve {
                    item: id.clone(),
                    resolution: Resolution::Retry,
                    comment: None,
                };
                let _ = engine.command(intent, what).await;
                let _ = engine.command(intent, What::Resume).await;
                continue;
            };
            let call = item.call_of(phase).expect("a doubt is about a call");
            let key = engine.key_of(intent, &call.id);
            let done = engine
                .world
                .executed_calls()
                .iter()
                .any(|(executed, _)| *executed == key);
            let what = What::Settle {
                item: id.clone(),
                verdict: if done {
                    Settlement::Applied
                } else {
                    Settlement::NotApplied
                },
                force: false,
                comment: Some("looked at the device".into()),
            };
            let _ = engine.command(intent, what).await;
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    Err("the intent neither ends nor says what it waits for".into())
}

async fn judge(engine: &Engine, intent: IntentId, script: &Script, state: &IntentState) -> Result<(), String> {
    let world = &engine.world;
    engine.assert_replays(intent).await;
    let mut keys = BTreeSet::new();
    let executed = world.executed_calls();
    if let Some((_, words)) = executed.iter().find(|(key, _)| !keys.insert(key.clone())) {
        return Err(format!("executed twice under one key: {words}"));
    }
    let mut words = BTreeSet::new();
    let once = executed
        .iter()
        .map(|(_, words)| words)
        .filter(|w| !w.starts_with("extend"));
    if let Some(twice) = once.into_iter().find(|w| !words.insert((*w).clone())) {
        return Err(format!("executed twice: {twice}"));
    }
    let (end, why, partial) = state.ended.clone().ok_or("not ended")?;
    let before = world.picture();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    if world.picture() != before {
        return Err(format!(
            "{end:?} ({why}), and then something changed: {before} to {}",
            world.picture()
        ));
    }
    let wanted = (end == End::Fulfilled).then(|| json!(9000));
    if partial || (end == End::Fulfilled && !script.good) {
        return Err(format!(
            "{end:?} ({why}), partial: {partial}, although the check fails: {}",
            !script.good
        ));
    }
    match DEVICES.iter().find(|d| world.value(d, "mtu") != wanted) {
        Some(device) => Err(format!(
            "{end:?} ({why}), but {device} has {:?}",
            world.value(device, "mtu")
        )),
        None => Ok(()),
    }
}

async fn play(seed: u64) -> Result<String, String> {
    let script = Script::of(seed);
    let world = World::of(&DEVICES);
    for (what, how) in &script.misbehaviours {
        world.misbehave(what, how.clone());
    }
    world.set_check("post", script.good);
    let mut engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(script.plan()).await;
    for (wait, what) in &script.happenings {
        tokio::time::sleep(Duration::from_millis(*wait)).await;
        engine = happen(engine, intent, what).await;
    }
    let told = |why: String| {
        let executed = world.executed();
        format!("seed {seed}: {why}\n{script:?}\n{executed:?}\n{}", engine.story(intent))
    };
    let state = help(&engine, intent).await.map_err(told)?;
    judge(&engine, intent, &script, &state).await.map_err(told)?;
    let reverted = if world.reverted().is_empty() {
        ""
    } else {
        " by the devices themselves"
    };
    Ok(format!("{:?}{reverted}", state.ended.map(|(end, ..)| end)))
}

/// Seeds that have found a bug, played in every sample: an answer to an extension that came late barred the way back.
const FOUND: [u64; 2] = [2323, 5572];

#[test]
fn whatever_happens_a_confirmable_change_is_made_for_good_or_not_at_all() {
    let seeds = sample::seeds("chaos of leases", 100);
    let whole = seeds.end - seeds.start > 1;
    let (mut ends, mut failed) = (BTreeMap::<String, u32>::new(), Vec::new());
    let found = FOUND.into_iter().filter(|seed| whole && !seeds.contains(seed));
    for seed in seeds.clone().chain(found) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime starts");
        match runtime.block_on(play(seed)) {
            Ok(end) => *ends.entry(end).or_default() += 1,
            Err(why) => failed.push(why),
        }
    }
    let first: Vec<_> = failed.iter().take(3).map(String::as_str).collect();
    assert!(
        failed.is_empty(),
        "{} runs: {}",
        failed.len(),
        first.join("\n\n========\n\n")
    );
    for end in [
        "Some(Fulfilled)",
        "Some(RolledBack)",
        "Some(RolledBack) by the devices themselves",
        "Some(Cancelled)",
    ] {
        assert!(!whole || ends.contains_key(end), "no run came to {end}: {ends:?}");
    }
}
