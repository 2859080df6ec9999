//! A tool server that asks before it acts: the real program shows the question, takes the answer and goes on.

use crate::judge::Verdict;
use crate::sample::{Dice, alone};
use crate::scene::{Course, Scene, WAYS};
use flyball_engine::intent::event::Event;
use flyball_tests::process::engine::Engine;
use flyball_tests::process::folder::{Era, Over};
use flyball_tests::process::until;
use serde_json::{Value, json};

/// The intent, once its server's question for an item is open.
async fn asked(engine: &Engine, intent: &str) -> Value {
    loop {
        let view = engine.get(&format!("/v1/intents/{intent}")).await.unwrap();
        match view["state"].as_str() {
            Some("awaiting_input") => return view,
            Some("stuck" | "failed" | "rolled_back" | "fulfilled") => panic!("{view}"),
            _ => tokio::time::sleep(crate::scene::LOOK_EVERY).await,
        }
    }
}

/// The command line of the same folder: its exit code and what it says.
async fn flyball(scene: &Scene, engine: &Engine, words: &[&str]) -> (i32, String) {
    let mut command = tokio::process::Command::new(&scene.folder.programs.flyball);
    command
        .args(words)
        .args(["--url", engine.url(), "--config"])
        .arg(scene.folder.path().join("flyball.yaml"));
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), said)
}

/// Asked over its way, shown, answered wrongly and then well.
async fn answered(way: (Over, Era), course: Course, purpose: &str) -> Verdict {
    let scene = Scene::new(way, course).await;
    scene.plant("here", &json!({"kind": "ask", "name": "c", "purpose": purpose}));
    let engine = scene.engine().await;
    let intent = scene.submit(&engine).await.unwrap();
    let view = asked(&engine, &intent).await;
    let question = &view["questions"][0];
    assert_eq!(
        (question["server"].as_str(), question["item"].as_str()),
        (Some("ledger"), Some("c"))
    );
    let (code, said) = flyball(&scene, &engine, &["show", &intent]).await;
    assert_eq!(code, 0, "{said}");
    for part in [
        "| For how many seconds?",
        "seconds  integer, needed: for how long",
        "never enter passwords",
    ] {
        assert!(said.contains(part), "{part:?} is missing:\n{said}");
    }
    let body = json!({"request": question["request"], "answer": {"action": "accept", "content": {"seconds": "x"}}});
    let refused = engine
        .post(&format!("/v1/intents/{intent}/input"), &body)
        .await
        .unwrap_err();
    for part in ["422", "FB0040", "/answer/content/seconds"] {
        assert!(refused.contains(part), "{refused}");
    }
    let (code, said) = flyball(&scene, &engine, &["answer", &intent, "seconds=30"]).await;
    assert_eq!(code, if course == Course::Forward { 0 } else { 6 }, "{said}");
    let late = engine
        .post(&format!("/v1/intents/{intent}/input"), &body)
        .await
        .unwrap_err();
    assert!(late.contains("FB0013"), "{late}");
    scene.end(engine, &intent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_shown_answered_from_the_command_line_and_the_call_is_made_once() {
    let _alone = alone().await;
    for way in WAYS {
        eprintln!("{way:?}");
        assert_eq!(
            answered(way, Course::Forward, "do").await,
            Verdict::AsUndisturbed,
            "{way:?}"
        );
    }
    for way in Dice::new("asked on the way back").some(WAYS.to_vec(), 1) {
        eprintln!("{way:?}, back");
        assert_eq!(
            answered(way, Course::Back, "undo").await,
            Verdict::AsUndisturbed,
            "{way:?}"
        );
    }
}

/// The engine is killed while the question is open. Where the server had ended the call the next engine takes the answer;
/// where it waited, the call is in doubt, and a question is not asked again by itself.
async fn killed(way: (Over, Era)) -> Verdict {
    let scene = Scene::new(way, Course::Forward).await;
    scene.plant("here", &json!({"kind": "ask", "name": "c", "purpose": "do"}));
    let engine = scene.engine().await;
    let intent = scene.submit(&engine).await.unwrap();
    asked(&engine, &intent).await;
    engine.kill().await;
    let engine = scene.engine().await;
    if way.1 == Era::Modern {
        asked(&engine, &intent).await;
        let (code, said) = flyball(&scene, &engine, &["answer", &intent, "seconds=30"]).await;
        assert_eq!(code, 0, "{said}");
    }
    let verdict = scene.end(engine, &intent).await;
    let doubts = scene.records().await.into_values().flatten();
    let doubts = doubts
        .filter(|e| matches!(e.entry.event, Event::CallInDoubt { .. }))
        .count();
    assert_eq!(doubts > 0, way.1 == Era::Legacy);
    verdict
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_outlives_the_engine_where_the_server_had_ended_the_call_and_is_a_doubt_where_it_waited() {
    let _alone = alone().await;
    for way in WAYS {
        eprintln!("{way:?}");
        // A child is dead with its engine, so what it did not do is sent again; over HTTP its time is trusted.
        assert_eq!(killed(way).await, Verdict::AsUndisturbed, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_question_and_a_cancelled_intent_leave_nothing_behind() {
    let _alone = alone().await;
    for way in WAYS {
        for words in [&["answer", "ID", "--decline"][..], &["cancel", "ID"][..]] {
            eprintln!("{way:?}: {words:?}");
            let scene = Scene::new(way, Course::Forward).await;
            scene.plant("here", &json!({"kind": "ask", "name": "c", "purpose": "do"}));
            let engine = scene.engine().await;
            let intent = scene.submit(&engine).await.unwrap();
            asked(&engine, &intent).await;
            let words: Vec<&str> = words.iter().map(|w| if *w == "ID" { &intent } else { *w }).collect();
            let (_, said) = flyball(&scene, &engine, &words).await;
            assert!(!said.contains("FB"), "{said}");
            let view = engine.until_ended(&intent, crate::scene::LOOK_EVERY).await.unwrap();
            assert!(
                matches!(view["state"].as_str(), Some("rolled_back" | "cancelled")),
                "{way:?}: {view}"
            );
            until("the values of before", || {
                (!scene.values().contains_key("c")).then_some(())
            })
            .await;
            assert!(
                scene
                    .executed()
                    .iter()
                    .all(|c| c.args["name"] != "c" || c.tool == "get")
            );
            engine.stop().await;
        }
    }
}
