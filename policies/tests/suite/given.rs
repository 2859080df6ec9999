//! What the sentences start from.

use flyball_engine::actor::{Actor, Origin, OriginKind};
use flyball_engine::contract::EffectClass;
use flyball_engine::ids::{IntentId, ItemId};
use flyball_engine::intent::event::{PlanSource, RuleApplied};
use flyball_engine::intent::{Mode, Request, Wish};
use flyball_engine::ports::{Proposal, ProposedCall};
use flyball_engine::target::Target;
use flyball_policies::{Policies, PolicyFault, PolicySettings, Role, UserSettings};
use serde_json::{Value, json};
use std::fs;

/// Sunday, 2026-11-22 14:30 UTC.
pub(crate) const SUNDAY_AFTERNOON: i64 = 1_795_357_800_000;

/// One of each role; `bot` is an agent with all roles.
pub(crate) fn users() -> Vec<UserSettings> {
    use Role::{Admin, Approver, Operator, Viewer};
    vec![
        UserSettings::person("vera", [Viewer]),
        UserSettings::person("olga", [Operator]),
        UserSettings::person("paul", [Approver]),
        UserSettings::person("adam", [Admin]),
        UserSettings::person("nobody", []),
        UserSettings::agent("bot", [Viewer, Operator, Approver, Admin]),
    ]
}

pub(crate) fn settings() -> PolicySettings {
    PolicySettings {
        writes: true,
        users: users(),
        ..PolicySettings::default()
    }
}

/// The shipped defaults, writes on.
pub(crate) fn defaults() -> Policies {
    Policies::load(settings()).expect("the shipped policies load")
}

/// The defaults and files of these texts: `0.cedar`, `1.cedar` …
pub(crate) fn try_with(texts: &[&str]) -> Result<Policies, Vec<PolicyFault>> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (n, text) in texts.iter().enumerate() {
        fs::write(dir.path().join(format!("{n}.cedar")), text).expect("a file");
    }
    Policies::load(PolicySettings {
        dir: Some(dir.path().to_owned()),
        ..settings()
    })
}

pub(crate) fn with(text: &str) -> Policies {
    try_with(&[text]).expect("these policies load")
}

pub(crate) fn request(kind: OriginKind, actor: Actor) -> Request {
    Request {
        wish: Wish::Text("OSPF on all Beijing cores".into()),
        origin: Origin { kind, actor },
        mode: Mode::Apply,
        deadline_ms: None,
        labels: vec![],
        change: None,
        window: None,
        backout_by_ms: None,
        undo_of: None,
        alarm: Value::Null,
        heard: None,
    }
}

/// What a person asked for.
pub(crate) fn asked_by(name: &str) -> Request {
    request(OriginKind::Operator, Actor::human(name))
}

pub(crate) fn runbook() -> PlanSource {
    PlanSource::Runbook { id: "ospf".into() }
}

pub(crate) fn model() -> PlanSource {
    PlanSource::Model { name: "m".into() }
}

/// A contracted change of this class; all but irreversible ones have a way back.
pub(crate) fn call(effect: EffectClass) -> ProposedCall {
    ProposedCall {
        item: ItemId::nth(&"ospf".into(), 0),
        tool: "config/configure_ospf".parse().expect("a tool name"),
        effect,
        way_back: effect != EffectClass::Irreversible,
        contracted: true,
        targets: vec![Target::parse("device:bj-core-1/interface:Gi0/1").expect("a target")],
        args: json!({"device": "bj-core-1", "area": "0.0.0.0"})
            .as_object()
            .cloned()
            .unwrap_or_default(),
    }
}

pub(crate) fn plan(request: Request, source: PlanSource, calls: Vec<ProposedCall>) -> Proposal {
    Proposal {
        intent: IntentId::fresh(),
        request,
        source,
        calls,
        replan_of: None,
        reads: vec!["inventory/list_devices".parse().expect("a tool name")],
        now_ms: SUNDAY_AFTERNOON,
    }
}

pub(crate) fn ids(rules: &[RuleApplied]) -> Vec<&str> {
    let mut ids: Vec<&str> = rules.iter().map(|r| r.rule.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
