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
    let ids: Vec<String> = steps(plan)
        .iter()
        .map(|step| step["id"].as_str().unwrap().to_owned())
        .collect();
    let mut all = Vec::new();
    let mut add = |what: String, plan: Value, faults: Vec<(String, &'static str)>| {
        all.push(Broken {
            what: format!("{name}: {what}"),
            plan,
            faults,
        });
    };
    let with = |at: usize, change: &dyn Fn(&mut Map<String, Value>)| {
        let mut broken = plan.clone();
        change(broken["steps"][at].as_object_mut().unwrap());
        broken
    };
    for (at, step) in steps(plan).iter().enumerate() {
        let place = format!("/plan/steps/{at}");
        let needs = |more: &str| {
            let mut needs = step["needs"].as_array().cloned().unwrap_or_default();
            needs.push(more.into());
            (needs.len() - 1, Value::Array(needs))
        };
        let (last, itself) = needs(&ids[at]);
        let own = with(at, &|s| drop(s.insert("needs".into(), itself.clone())));
        add(
            format!("{} waits for itself", ids[at]),
            own,
            vec![(place.clone(), "plan.cycle")],
        );
        for source in sources(step, &ids) {
            let back = with(source, &|s| drop(s.insert("needs".into(), json!([ids[at]]))));
            let first = format!("/plan/steps/{}", source.min(at));
            if steps(plan)[source].get("needs").is_none() {
                add(
                    format!("{} and {} wait for each other", ids[source], ids[at]),
                    back,
                    vec![(first, "plan.cycle")],
                );
            }
        }
        let (_, nobody) = needs("nobody");
        let dangling = with(at, &|s| drop(s.insert("needs".into(), nobody.clone())));
        add(
            format!("{} needs nobody", ids[at]),
            dangling,
            vec![(format!("{place}/needs/{last}"), "plan.reference")],
        );
        let read = with(at, &|s| drop(s.insert("when".into(), "steps.nobody.output.x".into())));
        if step.get("when").is_none() {
            add(
                format!("{} reads nobody", ids[at]),
                read,
                vec![(format!("{place}/when"), "plan.reference")],
            );
        }
        let tool = with(at, &|s| drop(s.insert("tool".into(), "world/sett".into())));
        add(
            format!("{} calls an unknown tool", ids[at]),
            tool,
            vec![(format!("{place}/tool"), "plan.unknown_tool")],
        );
        let server = with(at, &|s| drop(s.insert("tool".into(), "word/set".into())));
        add(
            format!("{} calls an unknown server", ids[at]),
            server,
            vec![(format!("{place}/tool"), "plan.unknown_server")],
        );
        for (argument, value) in step["args"].as_object().into_iter().flatten() {
            if value.is_string() {
                let wrong = with(at, &|s| s["args"][argument] = json!(5));
                add(
                    format!("{}: {argument} is a number", ids[at]),
                    wrong,
                    vec![(format!("{place}/args/{argument}"), "plan.args")],
                );
            }
            let missing = with(at, &|s| drop(s["args"].as_object_mut().unwrap().remove(argument)));
            add(
                format!("{} without {argument}", ids[at]),
                missing,
                vec![(format!("{place}/args"), "plan.args")],
            );
        }
    }
    for (at, id) in ids.iter().enumerate() {
        let readers: Vec<usize> = (0..ids.len())
            .filter(|reader| sources(&steps(plan)[*reader], &ids).contains(&at))
            .collect();
        if at > 0 && readers.is_empty() {
            let twice = with(at, &|s| drop(s.insert("id".into(), ids[0].clone().into())));
            add(
                format!("{id} takes another's id"),
                twice,
                vec![(format!("/plan/steps/{at}/id"), "plan.repeated_id")],
            );
        }
        if let [reader] = readers[..] {
            let mut gone = plan.clone();
            gone["steps"].as_array_mut().unwrap().remove(at);
            let place = format!("/plan/steps/{}", reader - usize::from(reader > at));
            let where_read = match &steps(plan)[reader] {
                step if step.get("needs").is_some() => format!("{place}/needs/0"),
                step if step.get("for_each").is_some() => format!("{place}/for_each"),
                _ => format!("{place}/when"),
            };
            add(format!("{id} is missing"), gone, vec![(where_read, "plan.reference")]);
        }
    }
    all
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

/// The most that a plan's check may take here. Far above what it takes, far below what anything quadratic would.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_plan_of_any_size_is_answered() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let read = |id: String, more: Value| {
        let mut step = json!({"id": id, "tool": "world/get", "args": {"device": "a"}});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        step
    };
    let chain: Vec<Value> = (0..10_000)
        .map(|n: usize| {
            read(
                format!("s{n}"),
                json!({"needs": (n > 0).then(|| format!("s{}", n - 1)).into_iter().collect::<Vec<_>>()}),
            )
        })
        .collect();
    let nested = format!("${{steps.s0.output{}}}", "[0]".repeat(60));
    let deep = json!([
        read("s0".into(), json!({})),
        read("s1".into(), json!({"args": {"device": nested}}))
    ]);
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
