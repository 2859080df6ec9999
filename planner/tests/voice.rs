//! Recordings through the transcription route of a scripted server: what is sent, what comes of each answer, what it costs.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use async_trait::async_trait;
use flyball_engine::intent::Wish;
use flyball_engine::journal::Journal;
use flyball_engine::journal::memory::InMemoryJournal;
use flyball_engine::ports::{Clock, Planner};
use flyball_planner::{FlyballPlanner, ModelBudget, ModelSettings, Price, Recording, Spoken, Unheard};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{Said, Script, context, model, planner, raw, refusal, request, silence, status};

struct Still;

#[async_trait]
impl Clock for Still {
    fn now_ms(&self) -> i64 {
        0
    }
    async fn sleep(&self, _: Duration) {}
}

/// Two seconds of nothing, 8 kHz, 8 bit.
fn wav() -> Recording {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data".to_vec();
    bytes.extend(16_000_u32.to_le_bytes());
    bytes.resize(bytes.len() + 16_000, 128);
    Recording::of(bytes).unwrap()
}

fn said(text: &str) -> Said {
    raw(&json!({ "text": text }))
}

async fn ears(script: &Script) -> ModelSettings {
    ModelSettings {
        timeout: Duration::from_secs(2),
        ..model(&script.serve().await, "ears")
    }
}

async fn with(script: &Script) -> FlyballPlanner {
    let ears = ears(script).await;
    planner(Vec::new()).with_ears(&[ears]).unwrap()
}

async fn hear(script: &Script) -> Result<Spoken, Unheard> {
    with(script).await.hear(&wav()).await
}

#[tokio::test]
async fn a_recording_is_put_into_words_with_who_heard_it_and_what_it_took() {
    let reply = json!({"text": " Check the health\nof bj-core-1. ",
        "usage": {"type": "tokens", "input_tokens": 20, "output_tokens": 9, "total_tokens": 29}});
    let script = Script::of([raw(&reply)]);
    let spoken = hear(&script).await.unwrap();
    assert_eq!(spoken.text, "Check the health of bj-core-1.");
    let heard = spoken.heard;
    assert_eq!(
        (heard.kind.as_str(), heard.bytes, heard.audio_ms),
        ("wav", 16_044, Some(2_000))
    );
    assert_eq!((heard.model.as_str(), heard.tokens()), ("ears", (20, 9)));
    assert!(heard.endpoint.starts_with("http://127.0.0.1:"), "{}", heard.endpoint);
    let form = &script.forms()[0];
    for part in [
        "name=\"model\"",
        "ears",
        "name=\"file\"; filename=\"audio.wav\"",
        "audio/wav",
        "json",
    ] {
        assert!(form.contains(part), "{part} is not in {form}");
    }
    assert_eq!(script.keys(), ["Bearer sk-very-secret"]);
}

#[tokio::test]
async fn an_address_is_recorded_without_what_may_be_secret_in_it() {
    let script = Script::of([said("stop")]);
    let base = script.serve().await.replace("http://", "http://user:s3cret@");
    let ears = model(&base, "ears");
    let planner = planner(Vec::new()).with_ears(&[ears]).unwrap();
    let heard = planner.hear(&wav()).await.unwrap().heard;
    assert!(
        !heard.endpoint.contains("s3cret") && heard.endpoint.ends_with("/v1"),
        "{}",
        heard.endpoint
    );
}

#[tokio::test]
async fn a_server_that_counts_no_tokens_is_counted_for_and_one_that_counts_time_is_believed() {
    let script = Script::of([
        said("stop"),
        raw(&json!({"text": "stop", "usage": {"type": "duration", "seconds": 7}})),
    ]);
    let planner = with(&script).await;
    let heard = planner.hear(&wav()).await.unwrap().heard;
    assert_eq!(heard.input_tokens, 20, "two seconds");
    assert!(heard.output_tokens > 0);
    let mp3 = Recording::of(b"ID3\x04\0 nobody knows how long".to_vec()).unwrap();
    let heard = planner.hear(&mp3).await.unwrap().heard;
    assert_eq!((heard.audio_ms, heard.input_tokens), (Some(7_000), 70));
}

#[tokio::test]
async fn each_way_of_hearing_nothing_has_its_name() {
    let quota = r#"{"error": {"code": "insufficient_quota"}}"#;
    type Named = fn(&Unheard) -> bool;
    let cases: [(Vec<Said>, Named); 9] = [
        (vec![status(404, "no")], |u| {
            matches!(u, Unheard::NoRoute { status: 404, .. })
        }),
        (vec![status(501, "no")], |u| matches!(u, Unheard::NoRoute { .. })),
        (vec![status(401, "no")], |u| matches!(u, Unheard::Rejected(_))),
        (vec![status(400, "no")], |u| matches!(u, Unheard::Rejected(_))),
        (vec![status(429, quota)], |u| matches!(u, Unheard::Rejected(_))),
        (vec![status(200, "stop")], |u| matches!(u, Unheard::Unusable(_))),
        (vec![raw(&json!({"words": "stop"}))], |u| {
            matches!(u, Unheard::Unusable(_))
        }),
        (vec![said(" [BLANK_AUDIO] ")], |u| matches!(u, Unheard::Silence)),
        (vec![silence()], |u| matches!(u, Unheard::Busy { wait: None, .. })),
    ];
    for (script, is) in cases {
        let script = Script::of(script);
        let unheard = hear(&script).await.unwrap_err();
        assert!(is(&unheard), "{unheard:?}");
        assert_eq!(script.forms().len(), 1, "{unheard}: it is not asked again");
    }
    let nobody = planner(Vec::new());
    assert!(!nobody.can_hear());
    assert_eq!(nobody.hear(&wav()).await, Err(Unheard::NoModel));
}

#[tokio::test]
async fn a_busy_server_is_waited_for_and_one_that_asks_for_longer_is_told_of_with_its_time() {
    let soon = status(503, "loading").with_header("retry-after-ms", "50");
    let script = Script::of([soon, status(500, "boom"), said("stop")]);
    assert_eq!(hear(&script).await.unwrap().text, "stop");
    assert_eq!(script.forms().len(), 3);
    for code in [429, 503] {
        let script = Script::of([status(code, "later").with_header("retry-after", "1800")]);
        let unheard = hear(&script).await.unwrap_err();
        let Unheard::Busy { why, wait } = &unheard else {
            panic!("{unheard:?}")
        };
        assert_eq!(*wait, Some(Duration::from_secs(1800)), "{why}");
        assert_eq!(script.forms().len(), 1, "it is left alone for so long");
    }
}

#[tokio::test]
async fn where_one_server_cannot_hear_the_next_is_asked_and_what_may_pass_is_told_first() {
    let (deaf, hears) = (Script::of([status(404, "no")]), Script::of([said("stop")]));
    let both = [ears(&deaf).await, ears(&hears).await];
    let planner_of = |ears: &[ModelSettings]| planner(Vec::new()).with_ears(ears).unwrap();
    assert_eq!(planner_of(&both).hear(&wav()).await.unwrap().text, "stop");
    let busy = Script::of([status(429, "later").with_header("retry-after", "60")]);
    let deaf = Script::of([status(404, "no")]);
    let both = [ears(&busy).await, ears(&deaf).await];
    let unheard = planner_of(&both).hear(&wav()).await.unwrap_err();
    assert!(matches!(unheard, Unheard::Busy { .. }), "{unheard:?}");
}

#[tokio::test]
async fn a_budget_is_held_before_a_recording_is_sent_and_what_it_took_is_the_days_and_the_intents() {
    let journal: Arc<dyn Journal> = Arc::new(InMemoryJournal::default());
    let script = Script::of([said("stop")]);
    let mut dear = ears(&script).await;
    dear.price = Price {
        minute: 30.0,
        ..Price::default()
    };
    let budget = ModelBudget {
        cost_per_day: Some(1.5),
        tokens_per_intent: Some(100),
        ..ModelBudget::default()
    };
    let planner = planner(vec![ears(&Script::default()).await])
        .with_ears(&[dear])
        .unwrap();
    let planner = planner.with_budget(budget, journal, Arc::new(Still));
    let heard = planner.hear(&wav()).await.unwrap().heard;
    assert!((heard.cost - 1.0).abs() < 1e-9, "two seconds of 30 a minute");
    assert!((planner.spent_today().await.cost - 1.0).abs() < 1e-9);
    let unheard = planner.hear(&wav()).await.unwrap_err();
    assert!(
        matches!(&unheard, Unheard::Budget(why) if why.contains("the day's budget of cost")),
        "{unheard:?}"
    );
    assert_eq!(script.forms().len(), 1, "it was not sent");

    let mut spoken = request(
        Wish::Text("We would like OSPF in area 0 on core switches".into()),
        Value::Null,
    );
    spoken.heard = Some(heard);
    let planned = planner.plan(&spoken, &context()).await;
    let why = refusal(&planned);
    assert!(
        why.contains("the intent's budget of tokens") && !why.contains(": 0 of 100"),
        "{why}"
    );
}
