//! What a caller of the API may do.

use crate::Policies;
use crate::cedar::{self, Answer, ask, uid};
use crate::judge::unknown;
use crate::principals::{Party, own};
use crate::rules::{NO_PERMIT, PEOPLE_ONLY, UNDECIDABLE, UNKNOWN, denied, named, rule};
use crate::settings::UserKind;
use cedar_policy::{Context, EntityUid};
use flyball_engine::actor::Actor;
use flyball_engine::intent::event::RuleApplied;
use flyball_engine::intent::{Request, Wish};

/// Also the refusal's name for what the schema keeps from all but people, so that the reason is a sentence.
const PEOPLE_ONLY_ACTIONS: [&str; 3] = ["approve", "settle", "pin"];

/// The action that counts for what the API calls `name`. `call` and `call_unattended` are judged with a plan, never here.
fn action(name: &str) -> Option<&'static str> {
    Some(match name {
        "submit" | "apply" | "input" | "answer" => "submit",
        "cancel" | "pause" | "resume" => "cancel",
        "settle" | "resolve" | "release" => "settle",
        "approve" | "deny" => "approve",
        "halt" | "unhalt" => "halt",
        "read" => "read",
        "undo" => "undo",
        "pin" => "pin",
        "read_audit" => "read_audit",
        _ => return None,
    })
}

/// Each party behind the actor must be permitted. `Ok` and `Err` name the rules, several joined by `, `.
pub(crate) fn may(
    policies: &Policies,
    actor: &Actor,
    name: &str,
    request: Option<&Request>,
) -> Result<RuleApplied, RuleApplied> {
    let action = action(name).ok_or_else(|| rule(NO_PERMIT, format!("there is no action {name:?}"), None))?;
    // Only the one who asked is what the origin says; anybody else who acts on an alarm's intent is no alarm.
    let origin = request.map(|r| &r.origin).filter(|o| o.actor == *actor).map(|o| o.kind);
    let parties = policies
        .principals
        .parties(actor, origin)
        .map_err(|name| rule(UNKNOWN, unknown(&name), None))?;
    let own = request.is_some_and(|r| own(actor, &r.origin.actor));
    let context = context(policies, actor, action, request, own).map_err(|why| rule(UNDECIDABLE, why, None))?;
    let resource = resource(action, request);
    let mut rules = Vec::new();
    for party in &parties {
        rules.extend(one(policies, party, action, &resource, &context)?);
    }
    Ok(joined(rules))
}

/// Whether this actor might approve their own intent now: by the defaults an admin, while no other approver exists.
pub(crate) fn own_approval_allowed(policies: &Policies, actor: &Actor) -> bool {
    let Ok(parties) = policies.principals.parties(actor, None) else {
        return false;
    };
    let Ok(context) = context(policies, actor, "approve", None, true) else {
        return false;
    };
    let resource = uid("Intent", "this");
    parties
        .iter()
        .all(|party| one(policies, party, "approve", &resource, &context).is_ok())
}

fn context(
    policies: &Policies,
    actor: &Actor,
    action: &str,
    request: Option<&Request>,
    own: bool,
) -> Result<Context, String> {
    if action == "read" {
        return cedar::look(request, None);
    }
    cedar::wanted(request, own, policies.principals.other_approver(actor))
}

/// What is asked without an intent is asked of the engine. An intent has no id that a policy could name beforehand.
fn resource(action: &str, request: Option<&Request>) -> EntityUid {
    match (action, request) {
        ("halt" | "pin", _) | (_, None) => uid("Engine", "flyball"),
        (
            "submit",
            Some(Request {
                wish: Wish::Runbook { id, .. },
                ..
            }),
        ) => uid("Runbook", id),
        (_, Some(_)) => uid("Intent", "this"),
    }
}

fn one(
    policies: &Policies,
    party: &Party,
    action: &str,
    resource: &EntityUid,
    context: &Context,
) -> Result<Vec<RuleApplied>, RuleApplied> {
    if party.kind != UserKind::User && PEOPLE_ONLY_ACTIONS.contains(&action) {
        let reason = format!("only a person may {action}, and {} is none", party.told());
        return Err(rule(PEOPLE_ONLY, reason, None));
    }
    let library = &policies.library;
    let answer: Answer = ask(
        library,
        &policies.entities,
        party,
        action,
        resource.clone(),
        context.clone(),
    );
    if answer.allowed {
        return Ok(named(library, &answer, None));
    }
    let otherwise = || {
        rule(
            NO_PERMIT,
            format!("no policy permits {} to {action}", party.told()),
            None,
        )
    };
    Err(joined(denied(library, &answer, None, otherwise)))
}

fn joined(rules: Vec<RuleApplied>) -> RuleApplied {
    let mut names: Vec<String> = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    for applied in rules {
        if !names.contains(&applied.rule) {
            names.push(applied.rule);
            reasons.push(applied.reason);
        }
    }
    rule(&names.join(", "), reasons.join("; "), None)
}
