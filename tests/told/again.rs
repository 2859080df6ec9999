//! What is told while something waits to be tried again.

use crate::rig::{Rig, set, step};
use crate::{Told, says, says_not};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::event::{Decision, End};
use flyball_engine::intent::state::IntentState;
use flyball_tests::flaky::Trouble;
use serde_json::{Value, json};

fn turned_away(retry_after_ms: u64) -> Trouble {
    Trouble::TurnedAway {
        retry_after_ms: Some(retry_after_ms),
    }
}

fn shows(state: &IntentState, status: &str) -> bool {
    let mut items = state.items.iter();
    items.any(|(id, item)| state.item_api_name(id, item) == status)
}

async fn backs_off(rig: &Rig, intent: IntentId) -> Told {
    let until = |s: &IntentState| shows(s, "backing_off");
    rig.engine.until_that(intent, "a call that backs off", until).await;
    Told::of(&rig.engine, intent).await
}

#[tokio::test(start_paused = true)]
async fn a_call_that_backs_off_is_shown_with_the_time_the_rule_and_the_reason_of_the_next_try() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("set a", turned_away(7_000), 2);
    let intent = rig.engine.submit(set("a")).await;
    let told = backs_off(&rig, intent).await;
    let wait = told.state.waits.values().next().unwrap();
    let at = flyball::http::views::clock(wait.until_ms);
    let rule = "retry.not_sent.v1";
    let [note] = told.item("s").notes.as_slice() else {
        panic!("{:?}", told.item("s").notes)
    };
    for part in [at.as_str(), rule, "retry 1", "to be sent again", "too many requests"] {
        says(note, part);
        says(&told.tree, part);
    }
    says(&told.lines, &format!("s (do): to be sent again ({rule}): "));
    says(&told.lines, &format!(", from {at} on"));
    assert_eq!(rig.world.executed(), [""; 0], "nothing was sent yet");
    // The report says it once for both, and nothing is left of it beside what has come through.
    assert_eq!(rig.engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    let told = Told::of(&rig.engine, intent).await;
    says(
        &told.reported,
        &format!("tried again 2 times: s (do): to be sent again ({rule})"),
    );
    assert!(told.item("s").notes.is_empty(), "{:?}", told.item("s").notes);
    assert_eq!(rig.world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_put_off_is_not_told_of_as_a_call_that_is_sent_again() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("get a", turned_away(7_000), 1);
    let intent = rig.engine.submit(set("a")).await;
    let waits = |s: &IntentState| !s.waits.is_empty();
    rig.engine.until_that(intent, "a reading that is put off", waits).await;
    let told = Told::of(&rig.engine, intent).await;
    says(&told.lines, "s: to be looked at again (retry.");
    says(&told.lines, "too many requests");
    says_not(&told.lines, "to be sent again");
    says(&told.tree, "to be looked at again from ");
    rig.engine.end(intent).await;
    assert_eq!(rig.world.executed(), ["set a k=1"]);
}

/// A plan whose post-check never holds, so that all is taken back.
fn doomed(device: &str) -> Value {
    let check = json!({"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"});
    json!({"steps": [step("s", device, &[])], "post_checks": [check]})
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_backs_off_is_shown_as_such_in_a_rollback_and_in_an_intent_that_takes_back() {
    let rig = Rig::with(&["a", "b"], Decision::Run, Default::default()).await;
    rig.world.set_check("post", false);
    rig.flaky.trouble("unset a", turned_away(7_000), 1);
    let intent = rig.engine.submit(doomed("a")).await;
    let told = backs_off(&rig, intent).await;
    says(&told.tree, "backing off");
    says(&told.tree, "to be sent again from ");
    assert_eq!(rig.world.value("a", "k"), Some(json!(1)), "it is not taken back yet");
    assert_eq!(rig.engine.end(intent).await.ended.unwrap().0, End::RolledBack);

    rig.world.set_check("post", true);
    let of = rig.engine.submit(set("b")).await;
    rig.engine.end(of).await;
    rig.flaky.trouble("unset b", turned_away(7_000), 1);
    let undo = rig.engine.undo("olga", of).await.unwrap();
    let told = backs_off(&rig, undo).await;
    says(&told.tree, "to be sent again from ");
    says_not(&told.tree, "succeeded");
    assert_eq!(rig.world.value("b", "k"), Some(json!(1)), "it is not taken back yet");
    assert_eq!(rig.engine.end(undo).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(rig.world.value("b", "k"), None);
}
