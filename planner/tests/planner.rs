//! Without a model: phrases, runbooks, operators' plans and refusals.

mod support;

use flyball_engine::intent::event::{PlanSource, PlanStage, StageEnd};
use flyball_engine::intent::{Window, Wish};
use flyball_engine::ports::{PlanAnswer, Planner, PlanningContext};
use flyball_planner::{ApiKey, FlyballPlanner, ModelSettings, Runbooks, Source};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{checker, context, faults, plan_among, plan_wish, refusal, request, stages};

#[tokio::test]
async fn a_phrase_needs_no_model_and_gives_the_same_plan_each_time() {
    let text = "Configure OSPF area 0 with process ID 100 for all core switches in the Beijing data center";
    let first = plan_wish(Wish::Text(text.into())).await;
    let second = plan_wish(Wish::Text(text.to_uppercase())).await;
    assert!(first.model_calls.is_empty());
    let PlanAnswer::Draft {
        source, draft, params, ..
    } = &first.answer
    else {
        panic!("{:?}", first.answer)
    };
    assert_eq!(
        *source,
        PlanSource::Runbook {
            id: "ospf-on-group".into()
        }
    );
    assert_eq!(
        draft["summary"],
        "OSPF process 100, area 0.0.0.0, on all core switches of beijing"
    );
    assert_eq!(draft["steps"][2]["waves"], json!([2, "100%"]));
    assert_eq!(params["site"], "beijing");
    assert_eq!(format!("{:?}", first.answer), format!("{:?}", second.answer));
}

#[tokio::test]
async fn an_operators_plan_goes_on_as_it_is() {
    let planned = plan_wish(Wish::Plan(json!({"steps": "whatever"}))).await;
    let PlanAnswer::Draft { source, draft, .. } = &planned.answer else {
        panic!("{:?}", planned.answer)
    };
    assert_eq!((source, draft), (&PlanSource::Operator, &json!({"steps": "whatever"})));
}

#[tokio::test]
async fn a_runbook_by_its_id_takes_only_what_it_accepts() {
    let wish = |id: &str, params: Value| Wish::Runbook { id: id.into(), params };
    let planned = plan_wish(wish("health-check", json!({"site": "Beijing"}))).await;
    let PlanAnswer::Draft { params, .. } = &planned.answer else {
        panic!("{:?}", planned.answer)
    };
    assert_eq!(*params, json!({"site": "beijing"}));
    let planned = plan_wish(wish("health-check", json!({"sight": "x"}))).await;
    let wanted = [
        "/params/sight runbook.unknown_param",
        "/params/site runbook.missing_param",
    ];
    assert_eq!(faults(&planned), wanted);
    let planned = plan_wish(wish("helth-check", json!({}))).await;
    assert_eq!(refusal(&planned), "there is no runbook `helth-check`");
}

#[tokio::test]
async fn a_refusal_that_comes_close_to_nothing_names_what_there_is() {
    let unknown = Wish::Runbook {
        id: "zzz".into(),
        params: json!({}),
    };
    for wish in [unknown, Wish::Text("qqq".into())] {
        let planned = plan_wish(wish).await;
        let reason = refusal(&planned);
        assert!(
            reason.contains("; there are ") && reason.contains("health-check"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn what_nobody_understands_is_refused_with_what_comes_close() {
    let planned = plan_wish(Wish::Text("put OSPF on the edge".into())).await;
    let PlanAnswer::Refused { reason, nearest, .. } = &planned.answer else {
        panic!("{:?}", planned.answer)
    };
    assert_eq!(nearest[0], "ospf-on-group");
    assert!(
        reason.contains("no model is configured") && reason.contains("configure ospf area {area}"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_is_refused_with_its_fault() {
    let text = "set the description of interface eth1 on sh-core-1 to \"x; reload\"";
    let planned = plan_wish(Wish::Text(text.into())).await;
    assert_eq!(faults(&planned), ["/params/text runbook.param_rule"]);
    let reason = refusal(&planned);
    assert!(
        reason.contains("`text` must be") && reason.contains("x; reload"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_phrase_that_fits_but_for_a_value_of_another_kind_is_told_with_the_slot_the_value_and_what_is_wanted() {
    let text = "id: mtu\ntitle: t\nphrases: [\"set the mtu of {device} to {mtu}\"]\n\
                params: {device: {type: name}, mtu: {type: integer, min: 1280, max: 9216}}\nplan: {steps: []}\n";
    let request = request(Wish::Text("Set the MTU of r1 to jumbo".into()), Value::Null);
    let planned = plan_among(book(&[text]), &request).await;
    let wanted = "a phrase of the runbook `mtu` says this, but `mtu` must be";
    let reason = refusal(&planned);
    assert!(
        reason.starts_with(wanted) && reason.contains("not \"jumbo\""),
        "{reason}"
    );
    assert!(reason.ends_with("no model is configured"), "{reason}");
    assert_eq!(faults(&planned), ["/params/mtu runbook.param_type"]);
    let (stage, end, why) = stages(&planned)[0];
    assert_eq!((stage, end), (PlanStage::Phrase, StageEnd::Passed));
    assert!(why.contains("`mtu` must be"), "{why}");
}

fn book(texts: &[&str]) -> Runbooks {
    let sources: Vec<Source> = texts.iter().map(|text| Source::new("x.yaml", *text)).collect();
    Runbooks::build(&[], &sources).expect("a runbook of a test is sound")
}

#[tokio::test]
async fn a_runbook_that_wants_a_window_is_refused_without_one_however_it_is_asked_for() {
    let text = "id: swap\ntitle: t\nwindow: required\nphrases: [swap it]\nplan: {steps: []}\n";
    let by_id = Wish::Runbook {
        id: "swap".into(),
        params: Value::Null,
    };
    for wish in [Wish::Text("swap it".into()), by_id] {
        let mut asked = request(wish, Value::Null);
        let planned = plan_among(book(&[text]), &asked).await;
        assert_eq!(faults(&planned), ["/window runbook.window"]);
        asked.window = Some(Window {
            from_ms: 0,
            until_ms: 1,
        });
        let planned = plan_among(book(&[text]), &asked).await;
        assert!(matches!(planned.answer, PlanAnswer::Draft { .. }), "{planned:?}");
    }
}

#[tokio::test]
async fn words_that_two_runbooks_take_may_mean_either_and_none_is_guessed() {
    let of = |id: &str| {
        format!("id: {id}\ntitle: t\nphrases: [\"restart {{what}}\"]\nparams: {{what: {{type: name}}}}\nplan: {{}}\n")
    };
    let runbooks = book(&[&of("one"), &of("two")]);
    let asked = request(Wish::Text("restart ntp".into()), Value::Null);
    let planned = plan_among(runbooks.clone(), &asked).await;
    let PlanAnswer::Several { meanings } = planned.answer else {
        panic!("{planned:?}")
    };
    let told: Vec<_> = meanings.iter().map(|m| (m.runbook.as_str(), &m.params)).collect();
    let ntp = json!({"what": "ntp"});
    assert_eq!(told, [("one", &ntp), ("two", &ntp)]);

    let context = PlanningContext {
        meant: meanings.into_iter().nth(1),
        ..context()
    };
    let planner = FlyballPlanner::new(runbooks, None, checker()).unwrap();
    let planned = planner.plan(&asked, &context).await;
    let PlanAnswer::Draft { source, params, .. } = planned.answer else {
        panic!("{planned:?}")
    };
    assert_eq!((source, params), (PlanSource::Runbook { id: "two".into() }, ntp));
}

#[tokio::test]
async fn a_models_address_is_checked_and_not_quoted() {
    let settings = |base_url: &str| ModelSettings {
        base_url: base_url.into(),
        name: "m".into(),
        api_key: Some(ApiKey::new("sk-very-secret")),
        timeout: Duration::from_secs(1),
        price: Default::default(),
    };
    for bad in ["ftp://user:secret@host/v1", "not an address", ""] {
        let error = FlyballPlanner::new(Runbooks::default(), Some(settings(bad)), Arc::new(|_, _, _| Vec::new()));
        assert_eq!(
            error.err().unwrap().to_string(),
            "the model's base_url is no http or https address"
        );
    }
    assert!(!format!("{:?}", settings("http://localhost/v1")).contains("sk-very-secret"));
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_refused_before_it_is_used() {
    let of = |key: &str| {
        let settings = ModelSettings {
            base_url: "http://localhost/v1".into(),
            name: "m".into(),
            api_key: Some(ApiKey::new(key)),
            timeout: Duration::from_secs(1),
            price: Default::default(),
        };
        FlyballPlanner::new(Runbooks::default(), Some(settings), Arc::new(|_, _, _| Vec::new()))
    };
    assert!(of("sk-from-a-file\n").is_ok());
    let refused = of("sk-one\nsk-two").err().unwrap().to_string();
    assert!(refused.contains("api_key") && !refused.contains("sk-"), "{refused}");
}
