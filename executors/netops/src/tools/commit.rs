//! Commits on trial: prepared, put into force for a while, then confirmed, extended or cancelled. The device itself takes
//! back what nobody confirms, also when this process and the engine are gone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{self, Looked, Planner, Written};
use super::config::check_lines;
use super::editor::{self, Done, Editor, How};
use super::fleet::{Found, View};
use super::held::Prepared;
use super::reply::Fault;
use super::terms::{Terms, is_lease_id};
use crate::inventory::Device;
use crate::platform::commits::Standing;

/// Lines for one commit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitLines {
    /// Device name or management address.
    pub device: String,
    /// junos: set and delete lines. netconf: one element, the XML that belongs into `<config>`.
    pub lines: Vec<String>,
    /// For the device's history, where it keeps comments. The lease's id is added.
    #[serde(default)]
    pub comment: Option<String>,
}

/// Which commit on trial.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneCommit {
    /// Device name or management address.
    pub device: String,
    /// The lease's id; default: that of `_meta["io.flyball/lease"]`.
    pub lease: Option<String>,
}

/// Where the commit of a lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Neither prepared nor committed, as far as the device remembers.
    None,
    /// In the candidate, locked and validated; the running configuration is untouched.
    Prepared,
    /// In force until its time is over.
    Pending,
    /// In force to stay.
    Confirmed,
    /// Taken back.
    Reverted,
}

impl From<Standing> for State {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::None => Self::None,
            Standing::Pending => Self::Pending,
            Standing::Confirmed => Self::Confirmed,
            Standing::Reverted => Self::Reverted,
        }
    }
}

/// What became of a call.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Committed {
    /// The lease's id.
    pub lease: String,
    /// Absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    #[serde(flatten)]
    pub written: Written,
}

impl Committed {
    /// Whether anything but a clean success happened.
    pub(super) fn is_error(&self) -> bool {
        self.written.is_error()
    }

    fn new(lease: &str, state: State, written: Written) -> Self {
        let state = written.unknown.is_none().then_some(state);
        let lease = lease.to_owned();
        Self { lease, state, written }
    }
}

impl Planner for CommitLines {
    fn raw(&self) -> Option<&[String]> {
        Some(&self.lines)
    }

    fn lines(&self, _device: &Device, _found: &Found) -> Result<Vec<String>, Fault> {
        check_lines(&self.lines)?;
        Ok(self.lines.iter().map(|line| line.trim().to_owned()).collect())
    }
}

impl CommitLines {
    /// These lines for this device.
    pub(super) fn of(device: &Device, lines: &[String]) -> Self {
        Self {
            device: device.name.clone(),
            lines: lines.to_vec(),
            comment: None,
        }
    }
}

impl OneCommit {
    fn lease<'a>(&'a self, terms: &'a Terms) -> Result<&'a str, Fault> {
        named(self.lease.as_deref(), terms)?.ok_or_else(|| Fault::Arguments("lease is missing".into()))
    }
}

/// The lease of the arguments, else of `_meta`; both may be given if they agree.
pub(super) fn named<'a>(given: Option<&'a str>, terms: &'a Terms) -> Result<Option<&'a str>, Fault> {
    let term = terms.lease.as_ref().map(|lease| lease.id.as_str());
    match (given, term) {
        (Some(given), Some(term)) if given != term => Err(Fault::Arguments(
            "lease is not that of _meta[\"io.flyball/lease\"]".into(),
        )),
        (Some(given), _) if !is_lease_id(given) => Err(Fault::Arguments("lease is not an id".into())),
        (given, term) => Ok(given.or(term)),
    }
}

/// `prepare_commit`.
pub(super) async fn prepare(
    view: &View,
    device: &Device,
    asked: &CommitLines,
    terms: &Terms,
) -> Result<Committed, Fault> {
    terms.admit(view, device)?;
    let lease = &terms.lease()?.id;
    let _alone = view.writer(device).await;
    if view.held().has(&device.name, lease, &asked.lines) {
        let base = change::look(view, device, None, asked).await?.base;
        return Ok(Committed::new(lease, State::Prepared, Written::untouched(device, base)));
    }
    let mut written = Written::untouched(device, String::new());
    let ready = ready(view, device, asked, terms, &mut written).await?;
    let state = match ready {
        Ready::Filled(editor, before) => {
            let prepared = Prepared {
                editor,
                lines: asked.lines.clone(),
                before,
            };
            view.held().keep(&device.name, lease, prepared);
            State::Prepared
        }
        Ready::Refused => State::None,
        Ready::Already(standing) => State::from(standing),
    };
    Ok(Committed::new(lease, state, written))
}

/// How far a change has come before its commit.
enum Ready {
    /// Edited and valid, over the configuration of this digest.
    Filled(Box<dyn Editor>, String),
    /// The device said no; nothing is left of it.
    Refused,
    /// This lease has committed before.
    Already(Standing),
}

/// Looks, compares, locks, edits and validates.
async fn ready(
    view: &View,
    device: &Device,
    asked: &CommitLines,
    terms: &Terms,
    written: &mut Written,
) -> Result<Ready, Fault> {
    let lease = terms.lease()?;
    if asked.lines.is_empty() {
        return Err(Fault::Arguments("lines must not be empty".into()));
    }
    let Looked { foreseen, base: before } = change::look(view, device, None, asked).await?;
    let mut editor = editor::open(view, device, None, Some(&lease.id)).await?;
    let standing = editor.standing(&lease.id).await?;
    if standing != Standing::None {
        written.base = Some(editor.base().await?);
        editor.leave().await;
        if standing == Standing::Pending && !foreseen.unchanged {
            return Err(Fault::Awaiting {
                device: device.name.clone(),
                what: "and these lines are not in force".to_owned(),
            });
        }
        return Ok(Ready::Already(standing));
    }
    let looked_at = match terms.check_base(device, &before) {
        Ok(()) => editor::refuse_if_moved(&mut editor, device, &before).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = looked_at {
        editor.leave().await;
        return Err(fault);
    }
    written.base = Some(before.clone());
    let filled = editor::fill(editor, &foreseen.lines, terms, written).await;
    Ok(filled.map_or(Ready::Refused, |editor| Ready::Filled(editor, before)))
}

/// `commit_confirmed`.
pub(super) async fn on_trial(
    view: &View,
    device: &Device,
    asked: &CommitLines,
    terms: &Terms,
) -> Result<Committed, Fault> {
    terms.admit(view, device)?;
    let lease = terms.lease()?;
    let _alone = view.writer(device).await;
    let mut written = Written::untouched(device, String::new());
    let ready = match prepared(view, device, asked, terms, &mut written).await? {
        Some(ready) => ready,
        None => ready(view, device, asked, terms, &mut written).await?,
    };
    let (mut editor, before) = match ready {
        Ready::Filled(editor, before) => (editor, before),
        Ready::Refused => return Ok(Committed::new(&lease.id, State::None, written)),
        Ready::Already(Standing::Pending) => return Ok(Committed::new(&lease.id, State::Pending, written)),
        Ready::Already(standing) => return Err(over(device, &lease.id, standing)),
    };
    if let Err(fault) = terms.admit(view, device) {
        editor.leave().await;
        return Err(fault);
    }
    let how = How::Trial {
        lease: &lease.id,
        seconds: lease.seconds,
        comment: asked.comment.as_deref().unwrap_or_default(),
    };
    let done = editor.commit(&how).await;
    let state = if matches!(done, Done::Yes(_)) {
        State::Pending
    } else {
        State::None
    };
    editor::settle(editor, done, &before, &mut written).await;
    Ok(Committed::new(&lease.id, state, written))
}

/// The change prepared for this lease, if it is still good: the session may have died, and the lock with it.
async fn prepared(
    view: &View,
    device: &Device,
    asked: &CommitLines,
    terms: &Terms,
    written: &mut Written,
) -> Result<Option<Ready>, Fault> {
    let Some(mut prepared) = view.held().take(&device.name, &terms.lease()?.id) else {
        return Ok(None);
    };
    let Ok(base) = prepared.editor.base().await else {
        return Ok(None);
    };
    let same = prepared.lines == asked.lines;
    if !same || base != prepared.before {
        prepared.editor.leave().await;
        return Err(if same {
            Fault::BaseMoved {
                device: device.name.clone(),
                expected: prepared.before,
                found: base,
            }
        } else {
            Fault::Conflict(format!("{}: other lines were prepared for this lease", device.name))
        });
    }
    if let Err(fault) = terms.check_base(device, &base) {
        prepared.editor.leave().await;
        return Err(fault);
    }
    written.base = Some(base);
    Ok(Some(Ready::Filled(prepared.editor, prepared.before)))
}

/// `confirm_commit`.
pub(super) async fn confirm(
    view: &View,
    device: &Device,
    asked: &OneCommit,
    terms: &Terms,
) -> Result<Committed, Fault> {
    let lease = asked.lease(terms)?;
    follow(view, device, lease, terms, &How::Confirm { lease }).await
}

/// `cancel_commit`.
pub(super) async fn cancel(view: &View, device: &Device, asked: &OneCommit, terms: &Terms) -> Result<Committed, Fault> {
    let lease = asked.lease(terms)?;
    follow(view, device, lease, terms, &How::Cancel { lease }).await
}

/// `extend_commit`.
pub(super) async fn extend(view: &View, device: &Device, asked: &OneCommit, terms: &Terms) -> Result<Committed, Fault> {
    let lease = asked.lease(terms)?;
    let seconds = terms.lease()?.seconds;
    follow(view, device, lease, terms, &How::Extend { lease, seconds }).await
}

/// Does what comes after a commit on trial. Done before is as good as done now.
async fn follow(view: &View, device: &Device, lease: &str, terms: &Terms, how: &How<'_>) -> Result<Committed, Fault> {
    terms.admit(view, device)?;
    let _alone = view.writer(device).await;
    if let Some(prepared) = view.held().take(&device.name, lease) {
        let base = prepared.before;
        prepared.editor.leave().await;
        if matches!(how, How::Cancel { .. }) {
            return Ok(Committed::new(lease, State::None, Written::untouched(device, base)));
        }
        return Err(over(device, lease, Standing::None));
    }
    let mut editor = editor::open(view, device, None, Some(lease)).await?;
    let (standing, before) = (editor.standing(lease).await?, editor.base().await?);
    let mut written = Written::untouched(device, before.clone());
    let wanted = match how {
        How::Confirm { .. } => Standing::Confirmed,
        How::Cancel { .. } => Standing::Reverted,
        _ => Standing::Pending,
    };
    let nothing_to_do = match how {
        How::Cancel { .. } => matches!(standing, Standing::Reverted | Standing::None),
        _ => standing == wanted && !matches!(how, How::Extend { .. }),
    };
    if nothing_to_do || standing != Standing::Pending {
        editor.leave().await;
        return if nothing_to_do {
            Ok(Committed::new(lease, standing.into(), written))
        } else {
            Err(over(device, lease, standing))
        };
    }
    if let Err(fault) = terms.admit(view, device) {
        editor.leave().await;
        return Err(fault);
    }
    let done = editor.commit(how).await;
    let stands = if matches!(done, Done::Yes(_)) {
        // The device may have taken it back in the very moment.
        editor.standing(lease).await.unwrap_or(wanted)
    } else {
        standing
    };
    editor::settle(editor, done, &before, &mut written).await;
    if written.unknown.is_none() && written.refused.is_none() && stands != wanted {
        return Err(over(device, lease, stands));
    }
    Ok(Committed::new(lease, stands.into(), written))
}

fn over(device: &Device, lease: &str, standing: Standing) -> Fault {
    let why = match standing {
        Standing::None => "the device knows of no such commit",
        Standing::Reverted => "it was taken back, for it was not confirmed in time or was cancelled",
        Standing::Confirmed => "it was confirmed before and stands for good",
        Standing::Pending => "it is pending already",
    };
    let (device, lease, why) = (device.name.clone(), lease.to_owned(), why.to_owned());
    if standing == Standing::Confirmed {
        return Fault::Conflict(format!("{device}: the commit of lease {lease}: {why}"));
    }
    Fault::Expired { device, lease, why }
}
