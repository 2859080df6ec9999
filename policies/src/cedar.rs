//! The questions as Cedar takes them: entities, contexts, and one answer that is honest about policies that failed.

use crate::flatten::flatten;
use crate::library::Library;
use crate::principals::{Party, Principals};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use flyball_engine::actor::OriginKind;
use flyball_engine::contract::EffectClass;
use flyball_engine::intent::event::PlanSource;
use flyball_engine::intent::{Request as Asked, Wish};
use flyball_engine::ports::{Proposal, ProposedCall};
use flyball_engine::target::Target;
use flyball_engine::tool::ToolName;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;
use std::sync::LazyLock;

/// What Cedar says of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    /// The `@id`s of the policies that determined it, sorted: forbids if it was forbidden, none if nothing permits it.
    pub(crate) by: Vec<String>,
    /// Why the question could not be decided. It is then not allowed, whatever else was permitted.
    pub(crate) trouble: Option<String>,
}

impl Answer {
    fn trouble(why: impl ToString) -> Self {
        Self {
            allowed: false,
            by: Vec::new(),
            trouble: Some(why.to_string()),
        }
    }
}

/// Asks. Cedar skips a policy that fails (an overflow, say), and a skipped forbid would let pass what it forbids: so any
/// failure denies.
pub(crate) fn ask(
    library: &Library,
    entities: &Entities,
    party: &Party,
    action: &str,
    resource: EntityUid,
    context: Context,
) -> Answer {
    let principal = uid(party.kind.as_str(), &party.name);
    let request = match Request::new(
        principal,
        uid("Action", action),
        resource,
        context,
        Some(&library.schema),
    ) {
        Ok(request) => request,
        Err(error) => return Answer::trouble(error),
    };
    let response = Authorizer::new().is_authorized(&request, &library.set, entities);
    if let Some(error) = response.diagnostics().errors().next() {
        return Answer::trouble(error);
    }
    let mut by: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    by.sort();
    Answer {
        allowed: response.decision() == Decision::Allow,
        by,
        trouble: None,
    }
}

const TYPES: [&str; 16] = [
    "Action",
    "Role",
    "User",
    "Agent",
    "AlarmRule",
    "Schedule",
    "Server",
    "Tool",
    "Intent",
    "Runbook",
    "Engine",
    "Effect",
    "Source",
    "Origin",
    "Wish",
    "Weekday",
];

/// Parsed once: there are several of them in each question of a plan that may have thousands.
static TYPE_NAMES: LazyLock<HashMap<&str, EntityTypeName>> = LazyLock::new(|| {
    let parse = |name| EntityTypeName::from_str(name).expect("a plain identifier is a type name");
    TYPES.into_iter().map(|name| (name, parse(name))).collect()
});

/// A Cedar entity's name. `kind` is one of [`TYPES`]; the id may hold anything.
pub(crate) fn uid(kind: &str, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(TYPE_NAMES[kind].clone(), EntityId::new(id))
}

/// `Tool::"server/tool"`.
pub(crate) fn tool_uid(tool: &ToolName) -> EntityUid {
    uid("Tool", &tool.to_string())
}

/// The principals in their roles.
pub(crate) fn principal_entities(principals: &Principals) -> Entities {
    let users = principals.users().map(|user| {
        let roles: HashSet<EntityUid> = user.roles.iter().map(|r| uid("Role", r.as_str())).collect();
        Entity::new_no_attrs(uid(user.kind.as_str(), &user.name), roles)
    });
    Entities::from_entities(users, None).expect("names are unique and roles have no parents")
}

/// The same, and the tools in their servers.
pub(crate) fn with_tools<'a>(base: &Entities, tools: impl IntoIterator<Item = &'a ToolName>) -> Entities {
    let tools: BTreeSet<&ToolName> = tools.into_iter().collect();
    let entities = tools.into_iter().map(|tool| {
        let server = HashSet::from([uid("Server", tool.server())]);
        Entity::new_no_attrs(tool_uid(tool), server)
    });
    base.clone()
        .add_entities(entities, None)
        .expect("tools are unique and servers have no parents")
}

type Pairs = Vec<(String, RestrictedExpression)>;

fn pair(pairs: &mut Pairs, name: &str, value: RestrictedExpression) {
    pairs.push((name.to_owned(), value));
}

fn text(value: impl Into<String>) -> RestrictedExpression {
    RestrictedExpression::new_string(value.into())
}

fn word(kind: &str, id: &str) -> RestrictedExpression {
    RestrictedExpression::new_entity_uid(uid(kind, id))
}

fn count(number: usize) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(number).unwrap_or(i64::MAX))
}

fn texts<S: Into<String>>(values: impl IntoIterator<Item = S>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(text))
}

fn context(pairs: Pairs) -> Result<Context, String> {
    Context::from_pairs(pairs).map_err(|e| e.to_string())
}

/// Who asked, under which labels and ticket: in every context.
fn asked(asked: Option<&Asked>) -> Pairs {
    let mut pairs = Pairs::new();
    let origin = match asked.map(|r| r.origin.kind) {
        Some(OriginKind::Operator) => "operator",
        Some(OriginKind::Alarm) => "alarm",
        Some(OriginKind::Agent) => "agent",
        Some(OriginKind::Schedule) => "schedule",
        None => "none",
    };
    pair(&mut pairs, "origin", word("Origin", origin));
    pair(&mut pairs, "by", text(asked.map_or("", |r| r.origin.actor.principal())));
    pair(
        &mut pairs,
        "labels",
        texts(asked.map(|r| r.labels.clone()).unwrap_or_default()),
    );
    if let Some(change) = asked.and_then(|r| r.change.as_ref()) {
        pair(&mut pairs, "change", text(change));
    }
    pairs
}

/// The context of `read`.
pub(crate) fn look(request: Option<&Asked>, plan: Option<&Proposal>) -> Result<Context, String> {
    let mut pairs = asked(request);
    if let Some(plan) = plan {
        pair(&mut pairs, "source", word("Source", source(&plan.source)));
        pair(&mut pairs, "time", time(plan.now_ms)?);
    }
    context(pairs)
}

/// The context of what a caller of the API wants to do.
pub(crate) fn wanted(request: Option<&Asked>, own: bool, other_approver: bool) -> Result<Context, String> {
    let mut pairs = asked(request);
    let wish = match request.map(|r| &r.wish) {
        Some(Wish::Text(_)) => "text",
        Some(Wish::Plan(_)) => "plan",
        Some(Wish::Runbook { .. }) => "runbook",
        None => "none",
    };
    pair(&mut pairs, "wish", word("Wish", wish));
    pair(&mut pairs, "own", RestrictedExpression::new_bool(own));
    pair(
        &mut pairs,
        "other_approver",
        RestrictedExpression::new_bool(other_approver),
    );
    context(pairs)
}

/// What all calls of a plan share.
pub(crate) struct PlanFacts {
    shared: Pairs,
}

impl PlanFacts {
    /// `changes` are the plan's calls that may change the world.
    pub(crate) fn of(plan: &Proposal, changes: &[&ProposedCall]) -> Result<Self, String> {
        let mut shared = asked(Some(&plan.request));
        let targets: BTreeSet<&Target> = changes.iter().flat_map(|c| &c.targets).collect();
        let devices: BTreeSet<&str> = targets.iter().filter_map(|t| t.device()).collect();
        pair(&mut shared, "target_count", count(targets.len()));
        pair(&mut shared, "device_count", count(devices.len()));
        pair(&mut shared, "call_count", count(changes.len()));
        pair(&mut shared, "source", word("Source", source(&plan.source)));
        if let PlanSource::Runbook { id } = &plan.source {
            pair(&mut shared, "runbook", text(id));
        }
        pair(&mut shared, "time", time(plan.now_ms)?);
        Ok(Self { shared })
    }

    /// The context of `call` and `call_unattended`.
    pub(crate) fn call(&self, call: &ProposedCall) -> Result<Context, String> {
        let mut pairs = self.shared.clone();
        pair(&mut pairs, "effect", word("Effect", effect_name(call.effect)));
        pair(
            &mut pairs,
            "contracted",
            RestrictedExpression::new_bool(call.contracted),
        );
        pair(&mut pairs, "way_back", RestrictedExpression::new_bool(call.way_back));
        pair(&mut pairs, "targets", texts(call.targets.iter().map(Target::as_str)));
        let devices: BTreeSet<&str> = call.targets.iter().filter_map(Target::device).collect();
        pair(&mut pairs, "devices", texts(devices));
        pair(&mut pairs, "args", texts(flatten(&call.args)));
        context(pairs)
    }
}

/// The effect's id in policies.
pub(crate) fn effect_name(effect: EffectClass) -> &'static str {
    match effect {
        EffectClass::Read => "read",
        EffectClass::Idempotent => "idempotent",
        EffectClass::Reversible => "reversible",
        EffectClass::Confirmable => "confirmable",
        EffectClass::Irreversible => "irreversible",
    }
}

fn source(source: &PlanSource) -> &'static str {
    match source {
        PlanSource::Runbook { .. } => "runbook",
        PlanSource::Model { .. } => "model",
        PlanSource::Operator => "operator",
    }
}

fn time(unix_ms: i64) -> Result<RestrictedExpression, String> {
    use jiff::civil::Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    let at = jiff::Timestamp::from_millisecond(unix_ms).map_err(|e| e.to_string())?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let weekday = match at.weekday() {
        Monday => "monday",
        Tuesday => "tuesday",
        Wednesday => "wednesday",
        Thursday => "thursday",
        Friday => "friday",
        Saturday => "saturday",
        Sunday => "sunday",
    };
    let long = |n: i8| RestrictedExpression::new_long(i64::from(n));
    let mut pairs = Pairs::new();
    pair(&mut pairs, "unix_ms", RestrictedExpression::new_long(unix_ms));
    pair(&mut pairs, "date", text(at.date().to_string()));
    pair(&mut pairs, "hour", long(at.hour()));
    pair(&mut pairs, "minute", long(at.minute()));
    pair(&mut pairs, "weekday", word("Weekday", weekday));
    RestrictedExpression::new_record(pairs).map_err(|e| e.to_string())
}
