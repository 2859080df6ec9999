//! A server killed in the middle of a call: in doubt, settled by its probe, and never done twice. The repository's own
//! hooks hold the call where it is to be killed.

use crate::rig::{Rig, hook, plan, until};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::event::{End, Event, Settlement};
use rustix::process::{Pid, Signal, kill_process};

/// Reaches this point of the commit once, says so in the file `here`, and stays there until it is killed.
const STAY_ONCE: &str = "[ -e .git/here ] && exit 0; touch .git/here; while :; do sleep 0.05; done";

/// Kills the git server while the commit is held by the hook, and waits for the end.
async fn killed_in(rig: &Rig, name: &str) -> (IntentId, End) {
    hook(rig, name, STAY_ONCE);
    let intent = rig.submit(plan()).await;
    until("the commit is held", || rig.file(".git/here").exists()).await;
    let pid = rig.pid("git").unwrap();
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
    let state = rig.until(intent, "an end", |state| state.ended.is_some()).await;
    assert_ne!(rig.pid("git"), Some(pid));
    (intent, state.ended.unwrap().0)
}

fn verdicts(events: &[Event]) -> Vec<Settlement> {
    let settled = events.iter().filter_map(|e| match e {
        Event::CallSettled { verdict, .. } => Some(*verdict),
        _ => None,
    });
    settled.collect()
}

/// How often a call came to be in doubt. A later entry that says since when its process is dead is no other doubt.
fn doubts(events: &[Event]) -> usize {
    let began = |e: &&Event| {
        matches!(
            e,
            Event::CallInDoubt {
                dead_since_ms: None,
                ..
            }
        )
    };
    events.iter().filter(began).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_after_its_commit_is_found_to_have_committed() {
    let Some(rig) = Rig::start().await else { return };
    let (intent, end) = killed_in(&rig, "post-commit").await;
    let events = rig.events(intent).await;
    assert_eq!(end, End::Fulfilled, "{}", rig.story(intent).await);
    assert_eq!((doubts(&events), verdicts(&events)), (1, vec![Settlement::Applied]));
    let commits = rig.sent(intent).await.iter().filter(|t| *t == "git/git_commit").count();
    assert_eq!(commits, 1);
    assert_eq!(rig.git(&["rev-list", "--count", "HEAD"]).trim(), "2");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_before_its_commit_is_asked_again_once_it_is_dead() {
    let Some(rig) = Rig::start().await else { return };
    let (intent, end) = killed_in(&rig, "pre-commit").await;
    let events = rig.events(intent).await;
    assert_eq!(end, End::Fulfilled, "{}", rig.story(intent).await);
    assert_eq!((doubts(&events), verdicts(&events)), (1, vec![Settlement::NotApplied]));
    let commits = rig.sent(intent).await.iter().filter(|t| *t == "git/git_commit").count();
    assert_eq!(commits, 2);
    assert_eq!(rig.git(&["rev-list", "--count", "HEAD"]).trim(), "2");
    rig.end().await;
}
