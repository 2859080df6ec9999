//! Who stands behind an actor, as Cedar knows them.

use crate::fault::PolicyFault;
use crate::settings::{Role, UserKind, UserSettings};
use flyball_engine::actor::{Actor, OriginKind};
use std::collections::BTreeMap;

/// One principal that must be permitted. An act of several (a person through an agent) needs the permission of each:
/// what an agent may do does not grow with whom it speaks for, nor the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) kind: UserKind,
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
}

impl Party {
    /// For messages: `user "bob" (viewer)`.
    pub(crate) fn told(&self) -> String {
        let kind = match self.kind {
            UserKind::User => "user",
            UserKind::Agent => "agent",
            UserKind::AlarmRule => "alarm rule",
            UserKind::Schedule => "schedule",
        };
        let roles: Vec<&str> = self.roles.iter().map(|r| r.as_str()).collect();
        match roles[..] {
            [] => format!("{kind} {:?} (no role)", self.name),
            _ => format!("{kind} {:?} ({})", self.name, roles.join(", ")),
        }
    }
}

/// The principals of the settings, by kind and name.
pub(crate) struct Principals {
    users: BTreeMap<(UserKind, String), UserSettings>,
}

impl Principals {
    /// Names must be unique: people and agents are told apart by the settings alone, so they share one set of names.
    pub(crate) fn new(users: &[UserSettings]) -> Result<Self, Vec<PolicyFault>> {
        let mut known = BTreeMap::new();
        let mut faults = Vec::new();
        for user in users {
            let twin = match user.kind {
                UserKind::User => Some(UserKind::Agent),
                UserKind::Agent => Some(UserKind::User),
                UserKind::AlarmRule | UserKind::Schedule => None,
            };
            let taken = [Some(user.kind), twin].into_iter().flatten();
            if user.name.trim().is_empty() || user.name.trim() != user.name {
                let message = format!("{:?} is no name", user.name);
                faults.push(PolicyFault::nowhere(
                    "users",
                    message,
                    "write a name without blanks around it",
                ));
            } else if taken
                .into_iter()
                .any(|kind| known.contains_key(&(kind, user.name.clone())))
            {
                let message = format!("the name {:?} is given twice", user.name);
                faults.push(PolicyFault::nowhere("users", message, "merge the two, or rename one"));
            } else {
                known.insert((user.kind, user.name.clone()), user.clone());
            }
        }
        if faults.is_empty() {
            Ok(Self { users: known })
        } else {
            Err(faults)
        }
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &UserSettings> {
        self.users.values()
    }

    /// Whether somebody besides this actor could approve.
    pub(crate) fn other_approver(&self, actor: &Actor) -> bool {
        self.users()
            .any(|u| u.can_approve() && actor.human.as_ref() != Some(&u.name))
    }

    /// All who must be permitted, or the name that nobody knows. A service is only the way in while a person or an
    /// agent is named; alarm rules and schedules are known because the engine, not a caller, says so in the origin.
    pub(crate) fn parties(&self, actor: &Actor, origin: Option<OriginKind>) -> Result<Vec<Party>, String> {
        let mut parties = Vec::new();
        let kind = match origin {
            Some(OriginKind::Alarm) => Some(UserKind::AlarmRule),
            Some(OriginKind::Schedule) => Some(UserKind::Schedule),
            _ => None,
        };
        if let (Some(kind), Some(service)) = (kind, &actor.service) {
            parties.push(self.party(kind, service).unwrap_or_else(|| Party {
                kind,
                name: service.clone(),
                roles: Vec::new(),
            }));
        }
        let named = [
            (&actor.human, &[UserKind::User, UserKind::Agent][..]),
            (&actor.agent, &[UserKind::Agent][..]),
        ];
        for (name, kinds) in named {
            if let Some(name) = name {
                let found = kinds.iter().find_map(|kind| self.party(*kind, name));
                parties.push(found.ok_or_else(|| name.clone())?);
            }
        }
        if parties.is_empty() {
            Err(actor.principal().to_owned())
        } else {
            Ok(parties)
        }
    }

    fn party(&self, kind: UserKind, name: &str) -> Option<Party> {
        let user = self.users.get(&(kind, name.to_owned()))?;
        Some(Party {
            kind,
            name: user.name.clone(),
            roles: user.roles.clone(),
        })
    }
}

/// Whether an act is about the actor's own intent: the same person or the same agent had a part in asking for it.
pub(crate) fn own(actor: &Actor, asked: &Actor) -> bool {
    let names = |a: &Actor| {
        [a.human.clone(), a.agent.clone()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    };
    let asked = names(asked);
    names(actor).iter().any(|name| asked.contains(name))
}
