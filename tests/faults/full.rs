//! A disk that is full, or that turns read-only: no record, no action; reads and the API go on; and with the disk mended a
//! restart comes to the end.

use crate::disk::{COURSES, Mended, mended, nothing_more_happens, until_ended_or_unwritable};
use crate::judge::Verdict;
use crate::mounted::{Image, Tmpfs};
use crate::sample::{Dice, alone, full, skip};
use crate::scene::{Course, Scene, WAYS};
use flyball_tests::process::engine::{Engine, log};
use flyball_tests::process::folder::{Era, Over};
use serde_json::json;

const NO_MOUNT: &str = "no file system can be mounted: this takes root";

/// The way to the ledger, the course, and the call during whose answer the disk goes bad.
pub(crate) type Case = ((Over, Era), Course, &'static str, &'static str);

/// Each call of each way there and back.
fn each_call() -> Vec<Case> {
    let calls = WAYS.into_iter().flat_map(|way| {
        let forward = ["a", "b", "c", "d", "e", "f"].map(|name| (way, Course::Forward, name, "do"));
        let back = ["f", "e", "d", "c", "b", "a"].map(|name| (way, Course::Back, name, "undo"));
        forward.into_iter().chain(back)
    });
    calls.collect()
}

/// Goes on to this call, whose effect is there and whose answer waits.
pub(crate) async fn held(scene: &Scene, (.., name, purpose): Case) -> (Engine, String) {
    scene.plant("here", &json!({"kind": "hold", "name": name, "purpose": purpose}));
    let engine = scene.engine().await;
    let intent = scene.submit(&engine).await.unwrap();
    scene.marked("here", "held").await;
    (engine, intent)
}

/// Leaves `kib` free on the engine's file system, then submits. How it ended, and whether the disk was ever full. None: this
/// process may not mount.
async fn full_disk(way: (Over, Era), course: Course, kib: u64) -> Option<(Mended, bool)> {
    let scene = Scene::new(way, course).await;
    let disk = Tmpfs::mount(&scene.folder.data(), "1m")?;
    let started = Engine::start_under(&scene.folder, &[]).await;
    let Ok(engine) = started else {
        // Too small from the beginning is an honest answer, if it says so.
        assert!(log(&scene.folder).contains("FB"), "{}", log(&scene.folder));
        disk.remount("size=64m");
        let engine = scene.engine().await;
        return Some((mended(&scene, engine, None, || ()).await, true));
    };
    disk.fill(kib);
    let intent = scene.submit(&engine).await.ok();
    let full = until_ended_or_unwritable(&scene, &engine, intent.as_deref()).await;
    if full {
        nothing_more_happens(&scene, &engine).await;
    }
    Some((mended(&scene, engine, intent, || disk.make_room()).await, full))
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_sent_unrecorded_and_with_room_it_comes_to_the_end() {
    let _alone = alone().await;
    let room = [0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];
    let cases = WAYS
        .into_iter()
        .flat_map(|way| COURSES.map(|course| (way, course)))
        .flat_map(|(way, course)| room.map(|kib| (way, course, kib)));
    for (way, course, kib) in Dice::new("room on the disk").some(cases.collect(), 3) {
        let Some((mended, full)) = full_disk(way, course, kib).await else {
            return skip(NO_MOUNT);
        };
        eprintln!("full disk: {way:?}, {course:?}, {kib} KiB left, full: {full}, {mended:?}");
        assert_eq!(
            mended.verdict,
            Verdict::AsUndisturbed,
            "{way:?}, {course:?}, {kib} KiB left"
        );
        // Less than one segment of the database's log can never hold a whole run.
        assert!(full || kib > 32, "{kib} KiB were enough");
    }
}

/// The disk is full by the time a call is answered.
async fn full_at(case: Case) -> Option<(Mended, bool)> {
    let scene = Scene::new(case.0, case.1).await;
    let disk = Tmpfs::mount(&scene.folder.data(), "16m")?;
    let (engine, intent) = held(&scene, case).await;
    disk.fill(0);
    scene.release("here");
    let full = until_ended_or_unwritable(&scene, &engine, Some(&intent)).await;
    if full {
        nothing_more_happens(&scene, &engine).await;
    }
    Some((mended(&scene, engine, Some(intent), || disk.make_room()).await, full))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_at_any_call_there_or_back_stops_it_and_with_room_it_comes_to_the_end() {
    let _alone = alone().await;
    let (mut struck, mut going_back) = (0, 0);
    let cases = Dice::new("full at a call").some(each_call(), 3);
    for case in &cases {
        let Some((mended, full)) = full_at(*case).await else {
            return skip(NO_MOUNT);
        };
        eprintln!("full at a call: {case:?}: full: {full}, {mended:?}");
        assert_eq!(mended.verdict, Verdict::AsUndisturbed, "{case:?}");
        struck += usize::from(full);
        going_back += usize::from(full && mended.going_back);
    }
    eprintln!(
        "full at a call: {struck} of {} were stopped, {going_back} on their way back",
        cases.len()
    );
    assert!(
        struck > 0 && (!full() || going_back > 0),
        "{struck} stopped, {going_back} going back"
    );
}

/// The file system turns read-only by the time a call is answered.
async fn read_only_at(case: Case) -> Option<Mended> {
    let scene = Scene::new(case.0, case.1).await;
    let disk = Image::mount(&scene.folder.path().join("image"), &scene.folder.data())?;
    let (engine, intent) = held(&scene, case).await;
    let changes = || scene.executed().iter().filter(|c| c.mutates()).count();
    let before = changes();
    disk.turn_read_only();
    scene.release("here");
    assert!(
        until_ended_or_unwritable(&scene, &engine, Some(&intent)).await,
        "{case:?}: it ended"
    );
    nothing_more_happens(&scene, &engine).await;
    assert_eq!(changes(), before, "{case:?}: something was sent");
    Some(mended(&scene, engine, Some(intent), || disk.mend()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn once_the_file_system_turns_read_only_nothing_is_sent_and_mended_it_comes_to_the_end() {
    let _alone = alone().await;
    let mut dice = Dice::new("read-only");
    let (back, forward): (Vec<Case>, Vec<Case>) = each_call().into_iter().partition(|case| case.1 == Course::Back);
    for case in [dice.some(forward, 1), dice.some(back, 1)].concat() {
        let Some(mended) = read_only_at(case).await else {
            return skip("no image can be mounted: this takes root and a loop device");
        };
        eprintln!("read-only: {case:?}: {mended:?}");
        assert_eq!(mended.verdict, Verdict::AsUndisturbed, "{case:?}");
        assert_eq!(mended.going_back, case.1 == Course::Back, "{case:?}");
    }
}

/// A request so large that the database writes its buffers in the midst of the one write that it is.
fn larger_than_the_buffers(n: usize) -> serde_json::Value {
    let words = "a".repeat(900 << 10);
    json!({"summary": format!("{n} {words}"), "steps": [{"id": "r", "tool": "ledger/read", "args": {"n": 1}}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_recorded_can_be_read_after_a_write_that_broke_off_half_way() {
    let _alone = alone().await;
    let scene = Scene::new(WAYS[0], Course::Forward).await;
    let Some(disk) = Image::mount(&scene.folder.path().join("image"), &scene.folder.data()) else {
        return skip("no image can be mounted: this takes root and a loop device");
    };
    let engine = scene.engine().await;
    let intent = scene.submit(&engine).await.unwrap();
    assert!(!until_ended_or_unwritable(&scene, &engine, Some(&intent)).await);
    let record = format!("/v1/intents/{intent}/steps");
    let before = engine.get(&record).await.unwrap();
    disk.turn_read_only();
    for n in 0..5 {
        let refused = engine.submit(&larger_than_the_buffers(n)).await.unwrap_err();
        assert!(refused.contains("FB0015"), "{refused}");
        nothing_more_happens(&scene, &engine).await;
        assert_eq!(engine.get(&record).await.expect("reads go on"), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_read_only_file_system_the_engine_says_so_and_does_not_start() {
    let _alone = alone().await;
    let scene = Scene::new(WAYS[0], Course::Forward).await;
    let Some(disk) = Tmpfs::mount(&scene.folder.data(), "64m") else {
        return skip(NO_MOUNT);
    };
    scene.engine().await.stop().await;
    disk.remount("ro");
    let status = Engine::start_under(&scene.folder, &[])
        .await
        .err()
        .expect("it does not start");
    let said = log(&scene.folder);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("Read-only file system") && said.contains("FB"), "{said}");
    assert!(!scene.executed().iter().any(|c| c.mutates()));
    disk.remount("rw");
    let engine = scene.engine().await;
    let intent = scene.submit(&engine).await.unwrap();
    assert_eq!(scene.end(engine, &intent).await, Verdict::AsUndisturbed);
}
