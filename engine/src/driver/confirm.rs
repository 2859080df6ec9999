//! Under the lock: is everything still what was approved? The state must be, and so must the change and its way back as
//! they are shown. What only a base digest tells (somebody changed something else on the device) voids nothing: the tool is
//! told to expect the base that was found with all else equal. Where a tool finds yet another one, nothing was done.

use super::facts::Facts;
use super::job::{self, ItemJob};
use super::work::Told;
use super::{DriveError, Driver, look};
use crate::contract::apply::{self, Known};
use crate::ids::{ItemId, Phase};
use crate::intent::event::{Event, FaultEffect, ProbePurpose, WayBack};
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What a preview shows to whoever approves: the lines of the change, those that lead back, and those that do not.
const SHOWN: [&str; 3] = ["lines", "reverse", "irreversible"];

/// What was looked at, and approved if policy asked for that.
struct Approved {
    state: Option<Value>,
    base: Option<String>,
    way_back: Option<WayBack>,
}

impl Driver {
    /// Takes probe and preview again under the lock.
    pub(super) async fn prepare_confirm(&mut self, item: &ItemId) -> Result<BoxFuture<'static, Told>, DriveError> {
        let undo_of = self.ledger.state.request.undo_of;
        let job = self.item_job(item).await?;
        let state = match undo_of {
            Some(_) => self.looked(item).await?,
            None => job.known.before.as_deref().cloned(),
        };
        let of = self.item(item);
        let approved = Approved {
            state,
            base: of.preview_base.clone(),
            way_back: of.way_back.clone().filter(|_| undo_of.is_none()),
        };
        Ok(Box::pin(async move { Told::Facts(confirm(job, approved).await) }))
    }

    /// The state that an item's look showed.
    async fn looked(&mut self, item: &ItemId) -> Result<Option<Value>, DriveError> {
        let state = self.item(item).looked.clone().and_then(|r| r.state);
        Ok(self.optional(state).await?.map(|v| (*v).clone()))
    }

    /// A tool that finds another base than it was told to expect does nothing. Where that is all that this intent has
    /// sent, its plan is stale, not failed.
    pub(super) fn look_again_if_moved(&self, facts: &mut Facts) {
        let state = &self.ledger.state;
        let going = state.back_out.is_none() && state.rollback.is_none() && state.ended.is_none();
        let Some((item, said)) = facts.events.iter().find_map(moved).filter(|_| going) else {
            return;
        };
        // What is prepared on a device has to be let go of there.
        let others = state
            .items
            .iter()
            .any(|(id, other)| other.lease.is_some() || (*id != item && other.was_sent()));
        // Under a key that the server keeps, the same no would come back for good.
        let keyed = state
            .contract_of_item(&item)
            .is_some_and(|c| c.idempotency_arg.is_some());
        if others || keyed || self.item(&item).generation > 0 {
            return;
        }
        facts.push(Event::PlanStale {
            why: format!("it was changed in the moment before it was sent: {said}"),
            items: vec![item],
            replan: false,
        });
    }
}

/// The item of a call that found another base, and the tool's words.
fn moved(event: &Event) -> Option<(ItemId, String)> {
    let Event::CallFailed {
        call,
        effect: FaultEffect::None,
        output: Some(output),
        ..
    } = event
    else {
        return None;
    };
    let output = output.value(None).filter(|_| call.phase == Phase::Do)?;
    // A fleet tool says it of each device.
    let each = output.get("results").and_then(Value::as_array);
    let faults: Vec<&Value> = match each {
        Some(results) => results.iter().map(|r| r.get("fault").unwrap_or(r)).collect(),
        None => vec![&output],
    };
    let is_moved = |fault: &&Value| fault.get("refused").and_then(Value::as_str) == Some(BASE_MOVED);
    let said = job::refusal(faults.first()?, false)?;
    faults.iter().all(is_moved).then(|| (call.item.clone(), said))
}

/// How a tool that is given `io.flyball/expect_base` says that it found another one.
const BASE_MOVED: &str = "base moved";

/// Compares what is there under the lock with what was approved. The facts end with `PlanStale` if it is not so any more.
async fn confirm(job: ItemJob, approved: Approved) -> Facts {
    let taken = job.probe_until(Duration::from_secs(2), |_| true).await;
    let equal = taken.valid && taken.state == approved.state;
    let mut facts = Facts::default();
    job.taken(&mut facts, ProbePurpose::Stale, &taken, Some(equal));
    let stale = match (equal, &approved.way_back) {
        (false, _) => Some("the network is not as it was when the plan was looked at".to_owned()),
        (true, Some(way_back)) => shown_again(&job, way_back, approved.base.as_deref(), &mut facts).await,
        (true, None) => None,
    };
    if let Some(why) = stale {
        facts.push(Event::PlanStale {
            items: vec![job.item],
            why,
            replan: false,
        });
    }
    facts
}

/// Takes the preview again. Some: why the change is not the approved one any more. Else a new base is told, if there is
/// one, with the approved way back.
async fn shown_again(job: &ItemJob, way_back: &WayBack, base: Option<&str>, facts: &mut Facts) -> Option<String> {
    job.contract.preview.as_ref()?;
    let (mut again, mut taken) = (job.clone(), Facts::default());
    let event = match look::preview(&mut again, &mut taken).await {
        Ok(event) => event,
        Err(unread) => return Some(format!("the change cannot be shown again: {}", unread.why)),
    };
    let Event::PreviewTaken {
        item,
        output,
        base: found,
        ..
    } = event
    else {
        return None;
    };
    let (was, is) = (job.known.preview.as_deref(), again.known.preview.as_deref());
    if SHOWN
        .iter()
        .any(|part| was.and_then(|p| p.get(part)) != is.and_then(|p| p.get(part)))
    {
        return Some("the change or its way back is not the one that was looked at".to_owned());
    }
    if found.as_deref() == base {
        return None;
    }
    if !leads_back_from(job, found.as_deref()) {
        return Some("its way back was made for a configuration that is another one now".to_owned());
    }
    facts.extend(taken);
    facts.push(Event::PreviewTaken {
        item,
        output,
        way_back: way_back.clone(),
        base: found,
    });
    None
}

/// Whether the approved way back does not depend on the base.
fn leads_back_from(job: &ItemJob, base: Option<&str>) -> bool {
    let mut preview = job.known.preview.as_deref().cloned().unwrap_or(Value::Null);
    if let Some(shown) = preview.as_object_mut() {
        shown.insert("base".to_owned(), base.into());
    }
    let known = Known {
        preview: Some(Arc::new(preview)),
        ..job.known.clone()
    };
    apply::choose_undo(&job.contract, &job.known) == apply::choose_undo(&job.contract, &known)
}
