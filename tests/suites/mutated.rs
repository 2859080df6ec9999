//! Valid plans with one thing broken: each is refused by the right rule at the right place, and nothing was called for it.

use flyball_engine::intent::event::{Decision, End, Event};
use flyball_tests::engine::Engine;
use flyball_tests::world::World;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// Valid plans: a group, a chain, a look with two branches.
fn valid() -> Vec<(&'static str, Value)> {
    let set = |id: &str, device: &str, more: Value| {
        let mut step = json!({"id": id, "tool": "world/set", "args": {"device": device, "key": id, "value": 1}});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step
    };
    let group = json!({"steps": [
        {"id": "all", "tool": "world/list"},
        set("each", "${item.name}", json!({"for_each": "${steps.all.output.devices}", "waves": [1, "100%"]})),
        {"id": "seen", "tool": "world/get", "args": {"device": "a"}, "needs": ["each"]},
    ]});
    let chain = json!({"steps": [
        set("one", "a", json!({})), set("two", "a", json!({"needs": ["one"]})), set("three", "b", json!({"needs": ["two"]})),
    ]});
    let branches = json!({"steps": [
        {"id": "near", "tool": "world/get", "args": {"device": "a"}},
        {"id": "far", "tool": "world/get", "args": {"device": "b"}},
        set("join", "a", json!({"when": "steps.near.output.values.size() >= steps.far.output.values.size()"})),
    ]});
    vec![("group", group), ("chain", chain), ("branches", branches)]
}

/// A broken plan with the faults that it must have: pointer and rule.
struct Broken {
    what: String,
    plan: Value,
    faults: Vec<(String, &'static str)>,
}

fn steps(plan: &Value) -> &Vec<Value> {
    plan["steps"].as_array().unwrap()
}

/// The ids that a step waits for.
fn sources(step: &Value, ids: &[String]) -> Vec<usize> {
    let text = step.to_string();
    let reads =
        |id: &String| text.contains(&format!("steps.{id}.")) || step["needs"].to_string().contains(&format!("{id:?}"));
    (0..ids.len())
        .filter(|at| step["id"] != ids[*at].as_str() && reads(&ids[*at]))
        .collect()
}

/// Every way to break one thing of a plan.
fn mutations(name: &str, plan: &Value) -> Vec<Broken> {
    let ids = steps(plan).iter().map(|step| step["id"].as_str().unwrap().to_owned());
    let ids: Vec<String> = ids.collect();
    let mut breaking = Breaking {
        name,
        plan,
        ids: &ids,
        all: Vec::new(),
    };
    for at in 0..ids.len() {
        breaking.order(at);
        breaking.references(at);
        breaking.tool(at);
        breaking.arguments(at);
        breaking.id(at);
    }
    breaking.all
}

struct Breaking<'a> {
    name: &'a str,
    plan: &'a Value,
    ids: &'a [String],
    all: Vec<Broken>,
}

impl<'a> Breaking<'a> {
    fn step(&self, at: usize) -> &'a Value {
        &steps(self.plan)[at]
    }

    fn add(&mut self, what: &str, plan: Value, pointer: String, rule: &'static str) {
        self.all.push(Broken {
            what: format!("{}: {what}", self.name),
            plan,
            faults: vec![(pointer, rule)],
        });
    }

    fn with(&self, at: usize, change: impl Fn(&mut Map<String, Value>)) -> Value {
        let mut broken = self.plan.clone();
        change(broken["steps"][at].as_object_mut().unwrap());
        broken
    }

    /// The step's needs and one more, and where that stands.
    fn needs(&self, at: usize, more: &str) -> (usize, Value) {
        let mut needs = self.step(at)["needs"].as_array().cloned().unwrap_or_default();
        needs.push(more.into());
        (needs.len() - 1, Value::Array(needs))
    }

    fn order(&mut self, at: usize) {
        let (id, place) = (&self.ids[at], format!("/plan/steps/{at}"));
        let (_, itself) = self.needs(at, id);
        let own = self.with(at, |s| drop(s.insert("needs".into(), itself.clone())));
        self.add(&format!("{id} waits for itself"), own, place, "plan.cycle");
        for source in sources(self.step(at), self.ids) {
            if self.step(source).get("needs").is_none() {
                let back = self.with(source, |s| drop(s.insert("needs".into(), json!([id]))));
                let what = format!("{} and {id} wait for each other", self.ids[source]);
                self.add(&what, back, format!("/plan/steps/{}", source.min(at)), "plan.cycle");
            }
        }
    }

    fn references(&mut self, at: usize) {
        let (id, place) = (&self.ids[at], format!("/plan/steps/{at}"));
        let (last, nobody) = self.needs(at, "nobody");
        let dangling = self.with(at, |s| drop(s.insert("needs".into(), nobody.clone())));
        let pointer = format!("{place}/needs/{last}");
        self.add(&format!("{id} needs nobody"), dangling, pointer, "plan.reference");
        if self.step(at).get("when").is_none() {
            let read = self.with(at, |s| drop(s.insert("when".into(), "steps.nobody.output.x".into())));
            self.add(
                &format!("{id} reads nobody"),
                read,
                format!("{place}/when"),
                "plan.reference",
            );
        }
    }

    fn tool(&mut self, at: usize) {
        let (id, pointer) = (&self.ids[at], format!("/plan/steps/{at}/tool"));
        for (what, tool, rule) in [
            ("tool", "world/sett", "plan.unknown_tool"),
            ("server", "word/set", "plan.unknown_server"),
        ] {
            let broken = self.with(at, |s| drop(s.insert("tool".into(), tool.into())));
            self.add(&format!("{id} calls an unknown {what}"), broken, pointer.clone(), rule);
        }
    }

    fn arguments(&mut self, at: usize) {
        let (id, pointer) = (&self.ids[at], format!("/plan/steps/{at}/args"));
        for (argument, value) in self.step(at)["args"].as_object().into_iter().flatten() {
            if value.is_string() {
                let wrong = self.with(at, |s| s["args"][argument] = json!(5));
                let pointer = format!("{pointer}/{argument}");
                self.add(&format!("{id}: {argument} is a number"), wrong, pointer, "plan.args");
            }
            let missing = self.with(at, |s| drop(s["args"].as_object_mut().unwrap().remove(argument)));
            self.add(
                &format!("{id} without {argument}"),
                missing,
                pointer.clone(),
                "plan.args",
            );
        }
    }

    fn id(&mut self, at: usize) {
        let id = &self.ids[at];
        let reads = |reader: &usize| sources(self.step(*reader), self.ids).contains(&at);
        let readers: Vec<usize> = (0..self.ids.len()).filter(reads).collect();
        if at > 0 && readers.is_empty() {
            let twice = self.with(at, |s| drop(s.insert("id".into(), self.ids[0].clone().into())));
            let pointer = format!("/plan/steps/{at}/id");
            self.add(&format!("{id} takes another's id"), twice, pointer, "plan.repeated_id");
        }
        if let [reader] = readers[..] {
            let mut gone = self.plan.clone();
            gone["steps"].as_array_mut().unwrap().remove(at);
            let place = format!("/plan/steps/{}", reader - usize::from(reader > at));
            let pointer = match self.step(reader) {
                step if step.get("needs").is_some() => format!("{place}/needs/0"),
                step if step.get("for_each").is_some() => format!("{place}/for_each"),
                _ => format!("{place}/when"),
            };
            self.add(&format!("{id} is missing"), gone, pointer, "plan.reference");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_valid_plan_with_one_thing_broken_is_refused_at_its_place_before_any_call() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut broken = 0;
    for case in valid().iter().flat_map(|(name, plan)| mutations(name, plan)) {
        let intent = engine.submit(case.plan.clone()).await;
        let state = engine.end(intent).await;
        assert_eq!(
            state.ended.as_ref().map(|(end, ..)| *end),
            Some(End::Refused),
            "{}",
            case.what
        );
        let told = engine.events(intent).into_iter().find_map(|event| match event {
            Event::PlanRefused { faults, .. } => Some(faults),
            _ => None,
        });
        let told = told.unwrap_or_default();
        let told: Vec<(String, &str)> = told
            .iter()
            .map(|fault| (fault.pointer.clone(), fault.rule.as_str()))
            .collect();
        assert_eq!(told, case.faults, "{}", case.what);
        broken += 1;
    }
    assert!(broken > 60, "only {broken} ways to break them");
    assert_eq!(world.executed(), Vec::<String>::new());
    assert_eq!(world.reads(), 0, "not even a look");
    for (name, plan) in valid() {
        let intent = engine.submit(plan).await;
        let state = engine.end(intent).await;
        assert_eq!(
            state.ended.unwrap().0,
            End::Fulfilled,
            "{name} is valid: {}",
            engine.story(intent)
        );
    }
}

/// The most that a plan may take here. Far above what it takes, also on a machine that is busy with other things, and far
/// below what anything quadratic would.
const LONG: Duration = Duration::from_secs(300);

fn read(id: String, more: Value) -> Value {
    let mut step = json!({"id": id, "tool": "world/get", "args": {"device": "a"}});
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_any_size_is_answered() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let chain: Vec<Value> = (0..10_000)
        .map(|n: usize| {
            read(
                format!("s{n}"),
                json!({"needs": (n > 0).then(|| format!("s{}", n - 1)).into_iter().collect::<Vec<_>>()}),
            )
        })
        .collect();
    let brackets = format!("${{{}steps.s0.output{}}}", "(".repeat(60), ")".repeat(60));
    let bracketed = json!([
        read("s0".into(), json!({})),
        read("s1".into(), json!({"args": {"device": brackets}}))
    ]);
    let big = json!([read("s0".into(), json!({"args": {"device": "x".repeat(1 << 20)}}))]);
    let cases = [
        ("a chain of 10,000", json!(chain), "/plan/steps", "plan.too_large"),
        (
            "60 brackets in each other",
            bracketed,
            "/plan/steps/1/args/device",
            "plan.expression",
        ),
        ("1 MiB of JSON", big, "/plan", "plan.too_large"),
    ];
    for (what, steps, pointer, rule) in cases {
        let began = Instant::now();
        let intent = engine.submit(json!({"steps": steps})).await;
        let state = engine.end(intent).await;
        assert_eq!(state.ended.as_ref().map(|(end, ..)| *end), Some(End::Refused), "{what}");
        let refused = engine.events(intent).into_iter().any(|event| {
            matches!(event, Event::PlanRefused { faults, .. } if faults.iter().any(|f| f.pointer == pointer && f.rule == rule))
        });
        assert!(refused, "{what}: {}", engine.story(intent));
        assert!(began.elapsed() < LONG, "{what} took {:?}", began.elapsed());
    }
    assert_eq!(world.reads(), 0);
}

#[tokio::test(start_paused = true)]
async fn deep_references_and_wide_plans_are_answered() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let nested = format!("${{steps.s0.output{}}}", "[0]".repeat(60));
    let deep = json!([
        read("s0".into(), json!({})),
        read("s1".into(), json!({"args": {"device": nested}}))
    ]);
    // 60 fields deep is a reference like any other: it finds nothing, and the step is refused.
    let intent = engine.submit(json!({"steps": deep})).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Refused);
    let mut wide: Vec<Value> = (0..1_000)
        .map(|n: usize| read(format!("w{n}"), json!({"needs": ["first"]})))
        .collect();
    wide.insert(0, read("first".into(), json!({})));
    let all: Vec<String> = (0..1_000).map(|n: usize| format!("w{n}")).collect();
    wide.push(read("last".into(), json!({"needs": all})));
    let began = Instant::now();
    let intent = engine.submit(json!({"steps": wide})).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "a thousand beside each other are a plan"
    );
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
}
