//! Twenty steps with a fan-out and branches side by side: wherever the engine dies in them, or on the way back, the end is
//! the same.

use flyball_engine::ids::IntentId;
use flyball_engine::intent::event::{Decision, End, Event};
use flyball_engine::journal::{Filter, Journal, StoredEntry};
use flyball_tests::engine::Engine;
use flyball_tests::sample;
use flyball_tests::world::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const DEVICES: [&str; 4] = ["a", "b", "c", "d"];

/// A list, a change on each device, then four branches of four steps side by side, then two more steps. The server begins
/// with no call past its `send_by`, so what was recorded and never sent is sent after all.
fn twenty_steps() -> Value {
    let mut steps = vec![
        json!({"id": "all", "tool": "world/list"}),
        json!({"id": "each", "for_each": "${steps.all.output.devices}", "tool": "world/set_stale",
               "args": {"device": "${item.name}", "key": "mtu", "value": 9000}}),
    ];
    for device in DEVICES {
        let id = |n: u32| format!("{device}{n}");
        let set = |n: u32, after: String| json!({"id": id(n), "needs": [after], "tool": "world/set_stale", "args": {"device": device, "key": format!("k{n}"), "value": n}});
        steps.push(set(1, "each".to_owned()));
        steps.push(set(2, id(1)));
        steps.push(json!({"id": id(3), "needs": [id(2)], "tool": "world/get", "args": {"device": device}}));
        steps.push(set(4, id(3)));
    }
    steps.push(json!({"id": "seen", "needs": ["a4", "b4", "c4", "d4"], "tool": "world/list"}));
    steps.push(json!({"id": "last", "needs": ["seen"], "tool": "world/set_stale",
                      "args": {"device": "a", "key": "done", "value": true}}));
    assert_eq!(steps.len(), 20);
    let check = json!({"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"});
    json!({"steps": steps, "post_checks": [check]})
}

/// How the intent ended. Read entry by entry: folding it all anew for each would take longer than the runs.
async fn end(engine: &Engine, intent: IntentId) -> End {
    let mut changes = engine.journal.watch(intent);
    let mut seen = 0;
    let reading = async {
        loop {
            changes.mark_unchanged();
            let new = engine.journal.read(intent, seen, usize::MAX).await.unwrap();
            seen = new.last().map_or(seen, |e| e.entry.seq);
            let end = new.iter().find_map(|e| match e.entry.event {
                Event::IntentEnded { end, .. } => Some(end),
                _ => None,
            });
            if let Some(end) = end {
                return end;
            }
            changes.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(4 * 3600), reading).await;
    waited.unwrap_or_else(|_| panic!("it does not go on:\n{}", engine.story(intent)))
}

/// How the engine dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// A write fails and is its last. What it had recorded before that has mostly been sent, and nobody hears the answers.
    Refused,
    /// A write is done, and it dies before it hears of that. What it recorded with it was never sent.
    Unheard,
}

/// What twenty steps come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Forward,
    /// The post-check fails: all is taken back.
    Back,
}

impl Course {
    fn end(self) -> End {
        match self {
            Self::Forward => End::Fulfilled,
            Self::Back => End::RolledBack,
        }
    }

    /// How many calls that change something: one for each device, three on each branch, the last; and their undos.
    fn calls(self) -> usize {
        let forward = 4 + 4 * 3 + 1;
        match self {
            Self::Forward => forward,
            Self::Back => 2 * forward,
        }
    }
}

/// One run, and what came of it.
struct Run {
    executed: Vec<String>,
    picture: Value,
    /// The calls whose start stood in the journal when the engine died, and which it had never sent.
    unsent: BTreeSet<String>,
    /// It ended before its death.
    ended: bool,
}

/// Lives until its death. True: it had come to its end before.
async fn live(engine: &Engine, death: Death, writes: u64) -> bool {
    let journal = engine.journal.clone();
    if death == Death::Unheard {
        journal.acknowledge_only(writes);
        let living = async {
            let intent = engine.submit(twenty_steps()).await;
            end(engine, intent).await;
        };
        return tokio::select! {
            biased;
            () = journal.until_unheard() => false,
            () = living => true,
        };
    }
    let intent = engine.submit(twenty_steps()).await;
    journal.refuse_writes_after(writes);
    let dying = async {
        // Whoever failed is tried again for as long as the journal refuses: the first failure is this engine's death.
        while engine.supervisor.not_driven(intent).is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = dying => false,
        _ = end(engine, intent) => true,
    }
}

fn is_prefix(before: &[StoredEntry], after: &[StoredEntry]) -> bool {
    before.len() <= after.len() && before.iter().zip(after).all(|(a, b)| a.bytes == b.bytes)
}

/// The calls that could have changed something, and of which the world knows nothing.
fn unsent(before: &[StoredEntry], world: &World) -> BTreeSet<String> {
    let sent: BTreeSet<String> = world.executed_calls().into_iter().map(|(key, _)| key).collect();
    let started = before.iter().filter_map(|stored| match &stored.entry.event {
        Event::CallStarted { call, key, tool, .. }
            if tool.tool().ends_with("set_stale") && !sent.contains(&key.to_string()) =>
        {
            Some(format!("{:?} {}", call.phase, call.item))
        }
        _ => None,
    });
    started.collect()
}

/// The engine dies after so many writes, and another goes on.
async fn run(course: Course, death: Death, writes: u64) -> Run {
    let world = World::of(&DEVICES);
    world.set_check("post", course == Course::Forward);
    let engine = Engine::over(&world, Decision::Run).await;
    let ended = live(&engine, death, writes).await;
    let remains = engine.crash();
    let journal = remains.journal().clone();
    // The first write makes the intent, whether or not anybody hears of it.
    let intent = journal.list(Filter::default()).await.unwrap()[0].intent;
    let before = journal.entries(intent);
    journal.refuse_writes(None);
    journal.acknowledge_all();
    let engine = remains.restart().await;
    let told = end(&engine, intent).await;
    let story = || format!("{death:?} after {writes} writes, {course:?}:\n{}", engine.story(intent));
    assert_eq!(told, course.end(), "{}", story());
    assert!(is_prefix(&before, &journal.entries(intent)), "{}", story());
    assert_eq!(world.overlap(), None, "{}", story());
    let mut executed = world.executed();
    executed.sort();
    assert_eq!(executed.len(), course.calls(), "{}", story());
    engine.assert_replays(intent).await;
    Run {
        executed,
        picture: world.picture(),
        unsent: unsent(&before, &world),
        ended,
    }
}

/// Dies at each write in turn, or at every `every`th; each run ends as the first. The calls that were never sent in some run.
async fn at_each_write(course: Course, death: Death, every: u64) -> BTreeSet<String> {
    let (mut first, mut unsent) = (None, BTreeSet::new());
    let mut writes = 0;
    loop {
        let run = run(course, death, writes).await;
        let (executed, picture) = first.get_or_insert_with(|| (run.executed.clone(), run.picture.clone()));
        assert_eq!(
            (&*executed, &*picture),
            (&run.executed, &run.picture),
            "{death:?} after {writes} writes"
        );
        unsent.extend(run.unsent);
        if run.ended {
            break;
        }
        writes += every;
    }
    // What is done side by side shares its writes; what follows one another does not.
    assert!(writes > 15, "it ended after {writes} writes");
    sample::say(&format!("{death:?} at a write, {course:?}"), writes / every, "runs");
    unsent
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_in_twenty_steps_the_end_is_the_same_and_no_call_is_made_twice() {
    at_each_write(Course::Forward, Death::Refused, 1).await;
    at_each_write(Course::Back, Death::Refused, if sample::full() { 1 } else { 5 }).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_recorded_and_never_sent_is_made_once_whichever_of_the_twenty_steps_it_is_of() {
    let unsent = at_each_write(Course::Forward, Death::Unheard, 1).await;
    assert_eq!(unsent.len(), Course::Forward.calls(), "each of them once: {unsent:?}");
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_was_recorded_and_never_sent_is_made_once_whichever_it_is() {
    let every = if sample::full() { 1 } else { 4 };
    let unsent = at_each_write(Course::Back, Death::Unheard, every).await;
    let undos = unsent.iter().filter(|call| call.starts_with("Undo")).count();
    assert!(undos > 0, "no undo was recorded and not sent: {unsent:?}");
    assert!(
        !sample::full() || unsent.len() == Course::Back.calls(),
        "each of them once: {unsent:?}"
    );
}
