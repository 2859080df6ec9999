//! What a caller adds to a call in `_meta`, and what it forbids.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::fleet::View;
use super::reply::Fault;
use crate::inventory::Device;

/// No line is sent later than this after the call came in: who stopped waiting for the answer (`timeout` in the
/// contracts) and then waited on (`settle_after`) can trust that nothing lands afterwards.
const WINDOW: Duration = Duration::from_secs(25);

/// What the caller adds to a call in `_meta`.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    received: Instant,
    expect_base: ExpectedBase,
    send_by: Option<SendBy>,
    epoch: Option<u64>,
    /// `io.flyball/intent`: epochs are counted within an intent.
    intent: Option<String>,
    /// `io.flyball/key`: the same for each sending of one call.
    pub key: Option<String>,
    /// `io.flyball/lease`.
    pub lease: Option<LeaseTerms>,
    /// `io.flyball/purpose`.
    pub purpose: Option<String>,
}

/// Until when a line may be sent. The wall clock, which is what caller and server have in common, is read once, when the
/// call comes in; from there it is counted steadily, so that setting that clock keeps no time open and closes none.
#[derive(Debug, Clone, Copy)]
struct SendBy {
    /// As the caller said it, Unix milliseconds.
    ms: u64,
    /// How much of it was left when the call came in. None: it was over.
    left: Option<Duration>,
}

/// A commit on trial: its name, and how long it stands without being confirmed or extended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct LeaseTerms {
    pub id: String,
    pub seconds: u64,
}

#[derive(Debug, Clone, Default)]
enum ExpectedBase {
    #[default]
    Any,
    One(String),
    PerDevice(BTreeMap<String, String>),
}

impl Terms {
    /// Reads the keys `io.flyball/…`. One that cannot be read is a fault: ignoring a fence would open it.
    pub(super) fn read(meta: &Map<String, Value>) -> Result<Self, Fault> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Self::read_at(meta, wall.map_or(u64::MAX, |d| d.as_millis() as u64))
    }

    /// The same of a call that came in just now, at this time of the wall clock.
    fn read_at(meta: &Map<String, Value>, wall_ms: u64) -> Result<Self, Fault> {
        let bad = |key: &str| Fault::Arguments(format!("_meta[\"io.flyball/{key}\"] cannot be read"));
        let expect_base = match meta.get("io.flyball/expect_base") {
            None | Some(Value::Null) => ExpectedBase::Any,
            Some(Value::String(base)) => ExpectedBase::One(base.clone()),
            Some(value @ Value::Object(_)) => {
                let map = serde_json::from_value(value.clone()).map_err(|_| bad("expect_base"))?;
                ExpectedBase::PerDevice(map)
            }
            Some(_) => return Err(bad("expect_base")),
        };
        let number = |key: &str| match meta.get(&format!("io.flyball/{key}")) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| bad(key)),
        };
        let text = |key: &str| meta.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            received: Instant::now(),
            expect_base,
            send_by: number("send_by")?.map(|ms| SendBy::of(ms, wall_ms)),
            epoch: number("epoch")?,
            intent: text("io.flyball/intent"),
            key: text("io.flyball/key"),
            lease: LeaseTerms::read(meta.get("io.flyball/lease")).ok_or_else(|| bad("lease"))?,
            purpose: text("io.flyball/purpose"),
        })
    }

    /// Refuses when the configuration is not the one that the caller looked at.
    pub(super) fn check_base(&self, device: &Device, found: &str) -> Result<(), Fault> {
        let expected = match &self.expect_base {
            ExpectedBase::Any => return Ok(()),
            ExpectedBase::One(base) => Some(base),
            ExpectedBase::PerDevice(map) => map.get(&device.name).or_else(|| map.get(&device.address.to_string())),
        };
        match expected {
            Some(expected) if expected == found => Ok(()),
            // A map that leaves a device out does not approve of changing it.
            other => Err(Fault::BaseMoved {
                device: device.name.clone(),
                expected: other.cloned().unwrap_or_else(|| "none given for this device".into()),
                found: found.to_owned(),
            }),
        }
    }

    /// Refuses what must not be sent: to a device that is not writable, by an engine that another has taken over from, or
    /// too late. Asked on arrival, and again right before the first line.
    pub(super) fn admit(&self, view: &View, device: &Device) -> Result<(), Fault> {
        refuse_unless_writable(device)?;
        self.admit_reading(view, device)
    }

    /// As [`Terms::admit`], of what is kept about a device and sends it nothing: it need not be writable.
    pub(super) fn admit_reading(&self, view: &View, device: &Device) -> Result<(), Fault> {
        view.epochs().check(device, self.intent.as_deref(), self.epoch)?;
        self.check_time(device)
    }

    /// The lease, which a commit on trial cannot do without.
    pub(super) fn lease(&self) -> Result<&LeaseTerms, Fault> {
        let missing = || Fault::Arguments("_meta[\"io.flyball/lease\"] is missing: {\"id\", \"seconds\"}".into());
        self.lease.as_ref().ok_or_else(missing)
    }

    /// Refuses when the time to send is over.
    fn check_time(&self, device: &Device) -> Result<(), Fault> {
        match self.send_by {
            Some(send_by) if send_by.is_over(self.received.elapsed()) => Err(Fault::TooLate {
                device: device.name.clone(),
                send_by_ms: send_by.ms,
            }),
            _ if self.is_over() => Err(Fault::Busy {
                device: device.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether it is too long since the call came in to send another line.
    pub(super) fn is_over(&self) -> bool {
        self.received.elapsed() > WINDOW
    }
}

impl SendBy {
    fn of(ms: u64, wall_ms: u64) -> Self {
        let left = ms.checked_sub(wall_ms).map(Duration::from_millis);
        Self { ms, left }
    }

    /// Whether it is over so long after the call came in.
    fn is_over(&self, waited: Duration) -> bool {
        self.left.is_none_or(|left| waited > left)
    }
}

/// A device is written to only if the inventory says so.
pub(super) fn refuse_unless_writable(device: &Device) -> Result<(), Fault> {
    if device.writable {
        Ok(())
    } else {
        Err(Fault::NotWritable(device.name.clone()))
    }
}

impl LeaseTerms {
    /// `Some(None)` if there is none; `None` if it cannot be read. The id becomes part of a comment on the device.
    fn read(value: Option<&Value>) -> Option<Option<Self>> {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return Some(None);
        };
        let lease: Self = serde_json::from_value(value.clone()).ok()?;
        (is_lease_id(&lease.id) && (1..=86_400).contains(&lease.seconds)).then_some(Some(lease))
    }
}

/// Letters, digits and a few signs, at most 128.
pub(super) fn is_lease_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
    (1..=128).contains(&id.len()) && id.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Whether a call that came in at `wall_ms` is too late after so many milliseconds, allowed until 100,000.
    fn is_late(wall_ms: u64, after_ms: u64) -> bool {
        let meta = json!({"io.flyball/send_by": 100_000});
        let terms = Terms::read_at(meta.as_object().unwrap(), wall_ms).unwrap();
        terms.send_by.unwrap().is_over(Duration::from_millis(after_ms))
    }

    #[test]
    fn the_time_to_send_is_counted_from_when_the_call_came_in() {
        assert!(!is_late(95_000, 5_000));
        assert!(is_late(95_000, 5_001), "whatever the wall clock says by then");
        assert!(is_late(100_001, 0), "it came too late");
    }

    #[test]
    fn a_wall_clock_that_is_far_behind_opens_no_longer_time_than_any_call_has() {
        assert!(
            !is_late(1_000, 99_000),
            "by the caller's word alone it would be in time"
        );
        let meta = json!({"io.flyball/send_by": 100_000});
        let mut terms = Terms::read_at(meta.as_object().unwrap(), 1_000).unwrap();
        terms.received -= WINDOW + Duration::from_millis(1);
        assert!(terms.is_over());
    }
}
