//! A disk that is full, fails to sync, or cannot be written: no record, no action; reads and the API go on; and with the
//! disk mended a restart comes to the end. And a second engine over one store.

use crate::judge::{Verdict, is_prefix, judge};
use crate::sample::{Dice, alone, skip};
use crate::scene::{Course, LOOK_EVERY, Scene, WAYS};
use crate::tracer::{self, At, Tracer};
use flyball_tests::process::engine::{Engine, log};
use flyball_tests::process::{PATIENCE, proc};
use rustix::process::Signal;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Waits until the intent has ended or the journal cannot be written any more, which a submission finds out.
/// True: it cannot.
async fn until_ended_or_unwritable(engine: &Engine, intent: Option<&str>) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let other = json!({"summary": "another", "steps": [{"id": "r", "tool": "ledger/read", "args": {"n": 1}}]});
    loop {
        if let Some(intent) = intent {
            let view = engine.get(&format!("/v1/intents/{intent}")).await.expect("reads go on");
            if ["fulfilled", "rolled_back", "failed", "stuck"].contains(&view["state"].as_str().unwrap_or_default()) {
                return false;
            }
        }
        if engine.submit(&other).await.is_err() {
            return true;
        }
        assert!(Instant::now() < deadline, "neither an end nor an error");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The engine whose journal cannot be written: reads go on, writes are refused, nothing more is executed.
async fn nothing_more_happens(scene: &Scene, engine: &Engine) {
    let plan = crate::scene::plan(Course::Forward);
    let refused = engine
        .submit(&plan)
        .await
        .expect_err("nothing is taken that cannot be recorded");
    assert!(refused.contains("FB"), "{refused}");
    // A call whose start was recorded before may still come to its answer; then nothing follows.
    let settled = async {
        loop {
            let before = scene.executed().len();
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            if scene.executed().len() == before {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("it comes to rest");
    engine.get("/v1/intents").await.expect("reads go on");
    engine.get("/v1/servers").await.expect("the API goes on");
}

/// Kills the crippled engine, and with the disk mended brings the intent to its end.
async fn mended(scene: &Scene, engine: Engine, intent: Option<String>) -> Verdict {
    engine.kill().await;
    let before = scene.records().await;
    let engine = scene.engine().await;
    let intent = match intent {
        Some(intent) => intent,
        None => scene.submit(&engine).await.unwrap(),
    };
    let view = engine.until_ended(&intent, LOOK_EVERY).await.unwrap();
    engine.stop().await;
    let after = scene.records().await;
    is_prefix(&before, &after).unwrap_or_else(|why| panic!("{why}"));
    judge(scene, &view, &after)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_sent_and_a_restart_comes_to_the_end() {
    if !tracer::is_here() {
        return skip("strace is not here");
    }
    let _alone = alone().await;
    let mut dice = Dice::new("failed sync");
    let cases = WAYS.iter().flat_map(|way| (1..=19).map(move |n| (*way, n)));
    let (mut run, mut struck) = (0, 0);
    for (way, n) in dice.some(cases.collect(), 4) {
        let scene = Scene::new(way, Course::Forward).await;
        let engine = scene.engine().await;
        let tracer = Tracer::attach(engine.pid, At::Fail, n).await;
        let intent = scene.submit(&engine).await.ok();
        let failed = until_ended_or_unwritable(&engine, intent.as_deref()).await;
        drop(tracer);
        eprintln!("failed sync: {way:?}, sync {n}, failed: {failed}");
        run += 1;
        struck += usize::from(failed);
        if failed {
            nothing_more_happens(&scene, &engine).await;
        }
        assert_eq!(
            mended(&scene, engine, intent).await,
            Verdict::AsUndisturbed,
            "{way:?}, sync {n}"
        );
    }
    eprintln!("failed sync: {struck} of {run} runs were struck");
    assert!(
        4 * struck >= 3 * run,
        "only {struck} of {run} runs came to their failing sync"
    );
}

/// A file system of its own, unmounted with this value.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// None: this process may not mount.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output();
        mounted.is_ok_and(|m| m.status.success()).then(|| Self(at.to_owned()))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status();
        assert!(status.unwrap().success(), "remount {options}");
    }

    /// Bytes that can still be written.
    fn free(&self) -> u64 {
        let told = rustix::fs::statvfs(&self.0).unwrap();
        told.f_bavail * told.f_frsize
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Leaves `kib` free on the engine's file system, then submits. How it ended, and whether the disk was ever full. None: this
/// process may not mount.
async fn full_disk(way: usize, kib: u64) -> Option<(Verdict, bool)> {
    let scene = Scene::new(WAYS[way], Course::Forward).await;
    let disk = Tmpfs::mount(&scene.folder.data(), "1m")?;
    let started = Engine::start_under(&scene.folder, &[]).await;
    let Ok(engine) = started else {
        // Too small from the beginning is an honest answer, if it says so.
        assert!(log(&scene.folder).contains("FB"), "{}", log(&scene.folder));
        disk.remount("size=64m");
        let engine = scene.engine().await;
        return Some((mended(&scene, engine, None).await, true));
    };
    let ballast = scene.folder.data().join("ballast");
    let size = disk.free().saturating_sub(kib << 10);
    std::fs::write(&ballast, vec![b'.'; usize::try_from(size).unwrap()]).unwrap();
    let intent = scene.submit(&engine).await.ok();
    let full = until_ended_or_unwritable(&engine, intent.as_deref()).await;
    if full {
        nothing_more_happens(&scene, &engine).await;
    }
    std::fs::remove_file(&ballast).unwrap();
    disk.remount("size=64m");
    Some((mended(&scene, engine, intent).await, full))
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_sent_unrecorded_and_with_room_it_comes_to_the_end() {
    let _alone = alone().await;
    let points = [0, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512];
    for kib in Dice::new("full").some(points.to_vec(), 3) {
        let way = Dice::new("full").below(WAYS.len());
        match full_disk(way, kib).await {
            None => return skip("no file system can be mounted: this takes root"),
            Some((verdict, full)) => {
                eprintln!("full disk: {:?}, {kib} KiB left, full: {full}", WAYS[way]);
                assert_eq!(verdict, Verdict::AsUndisturbed, "{kib} KiB left");
                // Less than one segment of the database's log can never hold a whole run.
                assert!(full || kib > 32, "{kib} KiB were enough");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_read_only_file_system_the_engine_says_so_and_does_not_start() {
    let _alone = alone().await;
    let scene = Scene::new(WAYS[0], Course::Forward).await;
    let Some(disk) = Tmpfs::mount(&scene.folder.data(), "64m") else {
        return skip("no file system can be mounted: this takes root");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_second_engine_over_one_store_is_refused_and_told_who_holds_it() {
    let _alone = alone().await;
    let scene = Scene::new(WAYS[0], Course::Forward).await;
    let first = scene.engine().await;
    let intent = scene.submit(&first).await.unwrap();
    let status = Engine::start_under(&scene.folder, &[])
        .await
        .err()
        .expect("it does not start");
    let said = log(&scene.folder);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("in use by process {}", first.pid)), "{said}");
    // Not even a paused holder lets another one in.
    proc::signal(first.pid, Signal::STOP);
    assert!(Engine::start_under(&scene.folder, &[]).await.is_err());
    proc::signal(first.pid, Signal::CONT);
    assert_eq!(scene.end(first, &intent).await, Verdict::AsUndisturbed);
}
