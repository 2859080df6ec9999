//! Journal and ledger, compared.

use crate::scene::{Course, Records, Scene, WRITES, new_value};
use flyball_engine::intent::event::Event;
use flyball_engine::journal::{Head, verify_chain};
use flyball_tests::process::engine::log;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How a run ended, after it was found to be in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    AsUndisturbed,
    /// Taken back although the undisturbed run goes forward: a fault that could not be settled otherwise.
    TakenBack,
    WaitsForPerson,
}

/// Whether what the journal said earlier is still what it says first.
pub(crate) fn is_prefix(earlier: &Records, later: &Records) -> Result<(), String> {
    for (intent, entries) in earlier {
        let now = later.get(intent).ok_or_else(|| format!("intent {intent} is lost"))?;
        let same = entries.iter().zip(now).all(|(a, b)| a.bytes == b.bytes);
        if !same || now.len() < entries.len() {
            return Err(format!(
                "the journal of {intent} does not begin as it was: {} entries, now {}",
                entries.len(),
                now.len()
            ));
        }
    }
    Ok(())
}

/// Nothing twice, nothing lost, nothing executed that the journal does not know.
pub(crate) fn judge(scene: &Scene, view: &Value, records: &Records) -> Verdict {
    examine(scene, view, records).unwrap_or_else(|why| {
        let story: String = records
            .values()
            .flatten()
            .map(|e| format!("{} {}\n", e.entry.seq, serde_json::to_string(&e.entry.event).unwrap()))
            .collect();
        let calls: String = scene.executed().iter().map(|c| format!("{c:?}\n")).collect();
        panic!(
            "{why}\n{view}\n--- journal\n{story}--- ledger\n{calls}--- log\n{}",
            log(&scene.folder)
        )
    })
}

fn examine(scene: &Scene, view: &Value, records: &Records) -> Result<Verdict, String> {
    for (intent, entries) in records {
        verify_chain(*intent, &Head::empty(), entries).map_err(|e| e.to_string())?;
    }
    nothing_unknown(scene, records)?;
    nothing_twice(scene)?;
    let state = view["state"].as_str().unwrap_or_default();
    if state == "stuck" {
        let said = view["stuck"].as_array().is_some_and(|s| !s.is_empty());
        return if said {
            Ok(Verdict::WaitsForPerson)
        } else {
            Err("stuck, and nobody is told why".into())
        };
    }
    let forward = state == Course::Forward.end();
    let expected: BTreeMap<String, String> = WRITES
        .iter()
        .filter_map(|(name, old)| {
            let value = if forward {
                Some(new_value(name))
            } else {
                old.map(str::to_owned)
            };
            Some(((*name).to_owned(), value?))
        })
        .collect();
    if scene.values() != expected {
        return Err(format!("{state}, but the ledger holds {:?}", scene.values()));
    }
    match state {
        s if s == scene.course.end() => Ok(Verdict::AsUndisturbed),
        "rolled_back" => Ok(Verdict::TakenBack),
        "failed" if !scene.executed().iter().any(|c| c.mutates()) => Ok(Verdict::TakenBack),
        other => Err(format!("it ended as {other}")),
    }
}

/// Each executed change stands in the journal as a started call.
fn nothing_unknown(scene: &Scene, records: &Records) -> Result<(), String> {
    let started: BTreeSet<String> = records
        .values()
        .flatten()
        .filter_map(|e| match &e.entry.event {
            Event::CallStarted { key, .. } => Some(key.to_string()),
            _ => None,
        })
        .collect();
    let unknown = scene
        .executed()
        .into_iter()
        .find(|c| c.mutates() && !c.key.as_ref().is_some_and(|k| started.contains(k)));
    unknown.map_or(Ok(()), |c| Err(format!("executed, but not in the journal: {c:?}")))
}

/// No key and no change was executed twice: a second sending has a key of its own only after proof that the first one
/// had no effect, and the ledger knows better than any proof.
fn nothing_twice(scene: &Scene) -> Result<(), String> {
    let (mut keys, mut changes) = (BTreeSet::new(), BTreeSet::new());
    for call in scene.executed().into_iter().filter(|c| c.mutates()) {
        let change = (call.purpose.clone(), call.args["name"].to_string());
        if !keys.insert(call.key.clone()) || !changes.insert(change) {
            return Err(format!("executed twice: {call:?}"));
        }
    }
    Ok(())
}
