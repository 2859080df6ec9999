//! The shipped runbooks' expressions, run by the engine's own evaluator over outputs as the netops tools give them.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use flyball_engine::binding::{resolve, resolve_list};
use flyball_engine::expr::{Bindings, Expr, Root, Scope};
use flyball_engine::intent::Wish;
use flyball_engine::plan::{Check, Step};
use flyball_engine::ports::PlanAnswer;
use flyball_planner::Runbooks;
use serde_json::{Value, json};
use std::path::Path;

fn steps(id: &str) -> Vec<Step> {
    let runbooks = Runbooks::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/server/runbooks")).unwrap();
    let plan = runbooks.get(id).unwrap().plan.clone();
    let checks: Vec<Check> = serde_json::from_value(plan["post_checks"].clone()).unwrap_or_default();
    for check in checks {
        Expr::compile(&check.expect, Scope::CHECK).unwrap();
    }
    serde_json::from_value(plan["steps"].clone()).unwrap()
}

/// `steps` is bound step by step, the other names as they are.
fn bindings(roots: &[(Root, Value)]) -> Bindings {
    let mut bindings = Bindings::new();
    for (root, value) in roots {
        match (root, value) {
            (Root::Steps, Value::Object(steps)) => {
                for (id, step) in steps {
                    bindings.step(&id.as_str().into(), step["output"].clone());
                }
            }
            (root, value) => bindings.set(*root, value.clone()),
        }
    }
    bindings
}

fn holds(expression: &str, scope: Scope, roots: &[(Root, Value)]) -> bool {
    Expr::compile(expression, scope)
        .unwrap()
        .eval_bool(&bindings(roots))
        .unwrap()
}

fn ends() -> Value {
    let link = |interface: &str, peer: &str| json!({"interface": interface, "address": "10.1.0.1/30", "peer": peer});
    let device = |name: &str, links: Value| json!({"name": name, "site": "shanghai", "links": links});
    json!({
        "near": {"output": device("sh-core-1", json!([link("eth1", "sh-core-2"), link("eth2", "sh-edge-1")]))},
        "far": {"output": device("sh-edge-1", json!([link("GigabitEthernet0/1", "sh-core-1"), link("GigabitEthernet0/2", "sh-core-2")]))},
    })
}

#[test]
fn moving_traffic_finds_both_ends_of_the_link_and_no_other() {
    let steps = steps("move-traffic-off-link");
    let scope = bindings(&[(Root::Steps, ends())]);
    let items = resolve_list(steps[2].for_each.as_ref().unwrap(), &scope).unwrap();
    let wanted = [
        json!({"device": "sh-core-1", "interface": "eth2"}),
        json!({"device": "sh-edge-1", "interface": "GigabitEthernet0/1"}),
    ];
    assert_eq!(items, wanted);
    let args = resolve(
        &steps[2].args,
        Scope::ITEM,
        &bindings(&[(Root::Item, items[0].clone())]),
    )
    .unwrap();
    assert_eq!(
        args,
        json!({"device": "sh-core-1", "interface": "eth2", "ospf_cost": 1000})
    );
    // A drain is for the time of the work: nothing saves it.
    assert!(steps.iter().all(|s| s.tool.tool() != "save"));
}

#[test]
fn moving_traffic_off_a_link_that_does_not_exist_stops_at_the_look() {
    let steps = steps("move-traffic-off-link");
    let expect = steps[1].expect.as_ref().unwrap();
    let near = |name: &str| {
        let mut ends = ends();
        ends["far"]["output"]["name"] = name.into();
        let output = ends["near"]["output"].clone();
        holds(expect, Scope::EXPECT, &[(Root::Steps, ends), (Root::Output, output)])
    };
    assert!(near("sh-edge-1"));
    assert!(!near("sh-edge-2"));
}

#[test]
fn ospf_on_a_group_goes_on_only_when_each_neighbor_is_full() {
    let steps = steps("ospf-on-group");
    let gate = steps.iter().find_map(|s| s.gate.as_ref()).unwrap();
    let with = |states: &[&str]| {
        let neighbors: Vec<Value> = states
            .iter()
            .map(|state| json!({"id": "10.0.0.1", "state": state}))
            .collect();
        holds(
            &gate.expect,
            Scope::ITEM_CHECK,
            &[(Root::Output, json!({"neighbors": neighbors}))],
        )
    };
    assert!(with(&["Full", "Full"]));
    assert!(!with(&["Full", "Init"]));
    assert!(!with(&[]));
    let expect = steps[0].expect.as_ref().unwrap();
    assert!(!holds(expect, Scope::EXPECT, &[(Root::Output, json!({"devices": []}))]));
}

#[test]
fn a_description_is_seen_before_it_is_saved() {
    let steps = steps("describe-interface");
    let gate = steps[0].gate.as_ref().unwrap();
    let params = (Root::Params, json!({"text": "uplink"}));
    let seen = |output: Value| holds(&gate.expect, Scope::CHECK, &[params.clone(), (Root::Output, output)]);
    assert!(seen(json!({"description": "uplink"})));
    assert!(!seen(json!({"description": "other"})));
    assert!(!seen(json!({"enabled": true})));
}

#[test]
fn the_health_check_only_reads() {
    for step in steps("health-check") {
        assert!(!step.tool.server().starts_with("config"), "{}", step.tool);
        assert!(step.gate.is_none() && step.waves.is_empty());
    }
}

#[tokio::test]
async fn each_shipped_runbook_passes_the_engines_check() {
    let said = [
        "configure ospf area 0 with process id 100 for all core switches in the Beijing data center",
        "move traffic off the link between sh-core-1 and sh-edge-1",
        "check the health of Beijing",
        "set the description of interface eth1 on sh-core-1 to uplink",
    ];
    for text in said {
        let planned = support::plan_wish(Wish::Text(text.into())).await;
        let PlanAnswer::Draft { draft, params, .. } = &planned.answer else {
            panic!("{:?}", planned.answer)
        };
        assert_eq!(support::checked(draft, params), Vec::<String>::new(), "{text}");
    }
}
