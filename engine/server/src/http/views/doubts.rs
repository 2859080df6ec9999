//! Calls whose outcome is not known: why, until when that waits, and for whom.

use super::super::dto::{DoubtView, time};
use super::notes::clock;
use super::texts;
use flyball_engine::ids::ItemId;
use flyball_engine::intent::effects::Settling;
use flyball_engine::intent::event::Awaited;
use flyball_engine::intent::state::IntentState;

/// Calls of this intent whose outcome is not known, as it stands now.
pub fn doubts(state: &IntentState, now_ms: i64) -> Vec<DoubtView> {
    let open = state.items.iter();
    open.filter_map(|(id, item)| {
        let settling = state.settling(id)?;
        let at_ms = next_probe(state, id, &settling);
        let call = item.open_call()?;
        let doubt = call.doubt.as_ref()?;
        Some(DoubtView {
            intent: state.id.to_string(),
            item: id.to_string(),
            phase: call.id.phase.as_str().to_owned(),
            tool: call.tool.to_string(),
            targets: texts(&item.expanded.targets),
            since: time(doubt.since_ms),
            reason: doubt.reason.clone(),
            settles_at: at_ms.filter(|at| *at > now_ms).map(time),
            settles_by: if settling.by_probe { "probe" } else { "person" }.to_owned(),
            waits: waits(&Settling { at_ms, ..settling }, now_ms),
        })
    })
    .collect()
}

/// A probe that could not be taken is taken again, later than the first one was due.
fn next_probe(state: &IntentState, item: &ItemId, settling: &Settling) -> Option<i64> {
    let again = Awaited::Settle { item: item.clone() };
    let again = state.waits.get(&again).map(|w| w.until_ms);
    settling.at_ms.max(again.filter(|_| settling.by_probe))
}

/// What a doubt waits for, in a sentence.
fn waits(settling: &Settling, now_ms: i64) -> String {
    let Some(at_ms) = settling.at_ms else {
        return "a person must settle it".to_owned();
    };
    let (at, after) = (clock(at_ms), settling.settle_after);
    match (settling.by_probe, at_ms > now_ms) {
        (true, true) => format!("probed at {at} (settle_after {after}), then a person"),
        (true, false) => format!("being probed since {at} (settle_after {after}), then a person"),
        (false, true) => format!("a person must settle it from {at} on (settle_after {after})"),
        (false, false) => "a person must settle it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyball_engine::span::Span;

    #[test]
    fn a_doubt_says_until_when_it_waits_and_for_whom() {
        let at_ms = Some(1_764_259_264_987);
        let seen = |now_ms, at_ms, by_probe| {
            let settle_after = Span(60_000);
            waits(
                &Settling {
                    at_ms,
                    by_probe,
                    settle_after,
                },
                now_ms,
            )
        };
        let of = |at_ms, by_probe| seen(0, at_ms, by_probe);
        let late = |by_probe| seen(1_764_259_265_000, at_ms, by_probe);
        assert_eq!(
            late(true),
            "being probed since 16:01:04 UTC (settle_after 1m), then a person"
        );
        assert_eq!(late(false), "a person must settle it");
        assert_eq!(
            of(at_ms, true),
            "probed at 16:01:04 UTC (settle_after 1m), then a person"
        );
        assert_eq!(
            of(at_ms, false),
            "a person must settle it from 16:01:04 UTC on (settle_after 1m)"
        );
        assert_eq!(of(None, false), "a person must settle it");
    }
}
