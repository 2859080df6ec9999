//! What a device says of its commits: the evidence about those on trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::candidate::HISTORY;
use super::change::{self, Looked};
use super::commit::{CommitLines, State, named};
use super::fleet::View;
use super::netconf;
use super::reply::Fault;
use super::terms::Terms;
use crate::inventory::Device;
use crate::platform::Platform;
use crate::platform::commits::{self, Commit, Standing};
use crate::platform::redact;

/// What to read about commits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetCommit {
    /// Device name or management address.
    pub device: String,
    /// Says in `unchanged` whether these lines are in force.
    pub lines: Option<Vec<String>>,
    /// Says in `state` what became of this lease's commit; default: that of `_meta["io.flyball/lease"]`.
    pub lease: Option<String>,
}

/// What the device says of its commits.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CommitState {
    pub device: String,
    /// Digest of the running configuration.
    pub base: String,
    /// The commit that waits to be confirmed.
    pub pending: Option<PendingCommit>,
    /// What became of the lease's commit.
    pub state: State,
    /// The lease's commit is in force, pending or confirmed.
    pub applied_by_lease: bool,
    /// The lines asked about would change nothing: they are in force. Absent when none were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<bool>,
    /// Lines asked about whose effect is not understood.
    pub irreversible: Vec<String>,
    /// Newest first, at most twenty.
    pub history: Vec<PastCommit>,
}

/// A commit that waits to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct PendingCommit {
    /// The lease's id. Empty: it is not a commit of ours. Null: the device does not tell whose it is (netconf, when this
    /// server did not begin it itself).
    pub id: Option<String>,
    /// Rounded down; absent if the device does not tell.
    pub ends_in_seconds: Option<u64>,
}

/// A commit of the past.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PastCommit {
    /// The lease's id, or the call's key, if it was a commit of ours.
    pub id: Option<String>,
    /// `do`, `extend`, `confirm`, `cancel` or `apply`, if it was a commit of ours.
    pub phase: Option<String>,
    pub comment: String,
    /// In the device's own time zone.
    pub at: String,
    pub by: String,
}

/// `get_commit`.
pub(super) async fn get(view: &View, device: &Device, asked: &GetCommit, terms: &Terms) -> Result<CommitState, Fault> {
    if !device.platform.has_candidate() {
        let platform = device.platform.name();
        return Err(Fault::Conflict(format!("{}: {platform} has no commits", device.name)));
    }
    let lease = named(asked.lease.as_deref(), terms)?;
    if device.platform == Platform::Netconf {
        return netconf::commits(view, device, asked, lease).await;
    }
    let clock = "show system uptime";
    let asked_for = CommitLines::of(device, asked.lines.as_deref().unwrap_or_default());
    let mut texts = view.read(device, &[HISTORY, clock]).await?;
    let (history, Looked { foreseen, base }) = loop {
        let looked = change::look(view, device, None, &asked_for).await?;
        // A commit, or one taken back, between the two readings: they do not belong together.
        let again = view.read(device, &[HISTORY, clock]).await?;
        if again[0] == texts[0] {
            break (commits::history(&again[0]), looked);
        }
        texts = again;
    };
    let now = commits::clock(&texts[1]).filter(|_| !history.is_empty());
    let now = now.ok_or_else(|| Fault::Unreadable {
        device: device.name.clone(),
        line: format!("{HISTORY}; {clock}"),
    })?;
    let standing = lease.map_or(Standing::None, |lease| commits::standing(&history, lease));
    let prepared = lease.is_some() && view.held().holder(&device.name).as_deref() == lease;
    Ok(CommitState {
        device: device.name.clone(),
        base,
        pending: commits::ends_in_ms(&history, now, device.commit_minute_ms).map(|ms| PendingCommit {
            id: Some(commits::marked(&history[0].comment).map_or_else(String::new, |(_, of)| of.to_owned())),
            ends_in_seconds: Some(ms / 1_000),
        }),
        state: if prepared && standing == Standing::None {
            State::Prepared
        } else {
            standing.into()
        },
        applied_by_lease: matches!(standing, Standing::Pending | Standing::Confirmed),
        unchanged: asked.lines.is_some().then_some(foreseen.unchanged),
        irreversible: foreseen.irreversible,
        history: history.iter().take(20).map(past).collect(),
    })
}

fn past(commit: &Commit) -> PastCommit {
    let marked = commits::marked(&commit.comment);
    PastCommit {
        id: marked.map(|(_, id)| id.to_owned()),
        phase: marked.map(|(phase, _)| phase.to_owned()),
        comment: redact::line(&commit.comment),
        at: commit.at.to_string(),
        by: commit.user.clone(),
    }
}
