//! Calls whose outcome is not known: why, until when that waits, and for whom.

use super::super::dto::{DoubtView, time};
use super::texts;
use flyball_engine::intent::effects::Settling;
use flyball_engine::intent::state::IntentState;

/// Calls of this intent whose outcome is not known.
pub fn doubts(state: &IntentState) -> Vec<DoubtView> {
    let open = state.items.iter();
    open.filter_map(|(id, item)| {
        let settling = state.settling(id)?;
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
            settles_at: settling.at_ms.map(time),
            settles_by: if settling.by_probe { "probe" } else { "person" }.to_owned(),
            waits: waits(&settling),
        })
    })
    .collect()
}

/// What a doubt waits for, in a sentence.
fn waits(settling: &Settling) -> String {
    let Some(at_ms) = settling.at_ms else {
        return "a person must settle it".to_owned();
    };
    let (at, after) = (clock(at_ms), settling.settle_after);
    match settling.by_probe {
        true => format!("probed at {at} (settle_after {after}), then a person"),
        false => format!("a person must settle it from {at} on (settle_after {after})"),
    }
}

/// The time of day, in UTC: none of these is far away.
fn clock(ms: i64) -> String {
    let whole = time(ms - ms.rem_euclid(1000));
    let of_day = whole.split_once('T').map_or(whole.as_str(), |(_, t)| t);
    format!("{} UTC", of_day.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyball_engine::span::Span;

    #[test]
    fn a_doubt_says_until_when_it_waits_and_for_whom() {
        let at_ms = Some(1_764_259_264_987);
        let of = |at_ms, by_probe| {
            waits(&Settling {
                at_ms,
                by_probe,
                settle_after: Span(60_000),
            })
        };
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
