//! What people and programs are told once nothing can be recorded any more: that it is so, and that only a restart helps.

use crate::full::held;
use crate::judge::Verdict;
use crate::mounted::Tmpfs;
use crate::sample::{alone, skip};
use crate::scene::{Course, Scene, WAYS};
use flyball_tests::process::Programs;
use flyball_tests::process::engine::Engine;
use serde_json::json;
use std::time::Duration;

const RESTART: &str = "start the server again";
/// A command that waits any longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The command line against this engine: its exit code and all that it said.
async fn flyball(scene: &Scene, engine: &Engine, words: &[&str]) -> (Option<i32>, String) {
    let token = std::fs::read_to_string(scene.folder.data().join("admin.token")).unwrap();
    let mut command = tokio::process::Command::new(Programs::find().unwrap().flyball);
    command.args(words).env("FLYBALL_URL", engine.url()).kill_on_drop(true);
    command
        .env("FLYBALL_TOKEN", token.trim())
        .current_dir(scene.folder.path());
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{words:?} hangs")).unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.into_owned())
}

fn says(text: &str, parts: &[&str], never: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not said in\n{text}");
    }
    for part in never {
        assert!(!text.contains(part), "{part:?} is said in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_each_way_of_asking_says_so_and_that_a_restart_is_needed() {
    let _alone = alone().await;
    let case = (WAYS[0], Course::Forward, "a", "do");
    let scene = Scene::new(case.0, case.1).await;
    let Some(disk) = Tmpfs::mount(&scene.folder.data(), "16m") else {
        return skip("no file system can be mounted: this takes root");
    };
    let (engine, intent) = held(&scene, case).await;
    assert!(engine.get("/readyz").await.is_ok(), "it can write still");
    disk.fill(0);
    // Whoever follows it already must not be left hanging.
    let words = ["watch", intent.as_str()];
    let (follows, _) = tokio::join!(flyball(&scene, &engine, &words), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        scene.release("here");
    });
    assert_eq!(follows.0, Some(4), "{}", follows.1);
    says(
        &follows.1,
        &["FB0015", RESTART, &intent],
        &["tried again by itself", "FB0016"],
    );

    let ready = engine.get("/readyz").await.expect_err("it is not ready");
    says(&ready, &["503", "unwritable", "no storage space", RESTART], &["Os {"]);
    for verb in ["cancel", "pause"] {
        let refused = engine.post(&format!("/v1/intents/{intent}/{verb}"), &json!({})).await;
        let refused = refused.expect_err("nothing is taken that cannot be recorded");
        says(&refused, &["503", "FB0015"], &["FB0016"]);
    }
    let (code, text) = flyball(&scene, &engine, &["show", &intent]).await;
    assert_eq!(code, Some(0), "{text}");
    says(&text, &[RESTART], &["tried again by itself"]);
    let plan = crate::scene::plan(Course::Back).to_string();
    std::fs::write(scene.folder.path().join("plan.json"), plan).unwrap();
    let (code, text) = flyball(&scene, &engine, &["submit", "--plan", "plan.json"]).await;
    assert_eq!(code, Some(1), "{text}");
    says(&text, &["FB0015", "flyball explain FB0015"], &[]);
    let log = flyball_tests::process::engine::log(&scene.folder);
    says(&log, &["before the server is started again"], &[]);

    engine.kill().await;
    disk.make_room();
    let engine = scene.engine().await;
    assert!(engine.get("/readyz").await.is_ok(), "it can write again");
    assert_eq!(scene.end(engine, &intent).await, Verdict::AsUndisturbed);
}
