//! Who is calling: bearer tokens. The administrator's stands in the data folder, named ones are known by their digest
//! only.

use crate::settings::User;
use flyball_engine::actor::Actor;
use flyball_engine::actor::OriginKind;
use flyball_engine::canonical::Digest;
use flyball_policies::UserKind;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The principal behind `admin.token`.
pub const ADMIN: &str = "admin";

/// The file that holds the administrator's token.
pub fn admin_token_file(data: &Path) -> PathBuf {
    data.join("admin.token")
}

/// The administrator's token: made (mode 0600) at the first start, read later. A file that others can read is refused.
pub fn admin_token(data: &Path) -> std::io::Result<String> {
    let path = admin_token_file(data);
    if path.exists() {
        crate::settings::secret::refuse_exposed(&path).map_err(std::io::Error::other)?;
        return Ok(std::fs::read_to_string(&path)?.trim().to_owned());
    }
    let token: String = rand::random::<[u8; 32]>().iter().map(|b| format!("{b:02x}")).collect();
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    file.write_all(token.as_bytes())?;
    file.sync_all()?;
    Ok(token)
}

/// Somebody who called with a known token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub actor: Actor,
    pub kind: OriginKind,
    /// The id of the command that the request is, where the request itself names one (by its idempotency key).
    pub command: Option<String>,
}

impl Caller {
    /// A person or an agent of this name.
    pub fn named(name: &str, kind: UserKind) -> Self {
        match kind {
            UserKind::Agent => Self {
                actor: Actor {
                    agent: Some(name.to_owned()),
                    ..Actor::default()
                },
                kind: OriginKind::Agent,
                command: None,
            },
            _ => Self {
                actor: Actor::human(name),
                kind: OriginKind::Operator,
                command: None,
            },
        }
    }
}

/// The digests of all tokens with who they stand for.
pub struct Tokens(Vec<(Digest, Caller)>);

impl Tokens {
    /// The administrator's token and those of named users.
    pub fn new(admin: &str, users: &[User]) -> Self {
        let mut all = vec![(digest(admin), Caller::named(ADMIN, UserKind::User))];
        for user in users {
            if let Some(token) = &user.token {
                all.push((token.clone(), Caller::named(&user.name, user.kind)));
            }
        }
        Self(all)
    }

    /// Who a token stands for. Takes the same time whichever token it is, and whether or not there is one.
    pub fn caller(&self, token: &str) -> Option<Caller> {
        let given = digest(token);
        let mut found = None;
        for (known, caller) in &self.0 {
            if equal(known.as_str().as_bytes(), given.as_str().as_bytes()) {
                found = Some(caller.clone());
            }
        }
        found
    }
}

/// What stands in the settings for a token.
pub fn digest(token: &str) -> Digest {
    Digest::of_bytes(token.as_bytes())
}

/// Compares without stopping at the first difference.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y));
    std::hint::black_box(difference) == 0 && a.len() == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_first_start_makes_a_token_that_only_its_owner_can_read_and_later_ones_keep_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = admin_token(dir.path()).unwrap();
        let mode = std::fs::metadata(admin_token_file(dir.path()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!((first.len(), mode & 0o777), (64, 0o600));
        assert_eq!(admin_token(dir.path()).unwrap(), first);
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(admin_token_file(dir.path()), open).unwrap();
        assert!(admin_token(dir.path()).is_err());
    }

    #[test]
    fn a_token_stands_for_the_one_whose_digest_it_has() {
        let alice = User {
            name: "alice".into(),
            roles: vec![],
            kind: UserKind::Agent,
            token: Some(digest("alices")),
        };
        let tokens = Tokens::new("root", &[alice]);
        assert_eq!(tokens.caller("root").unwrap().actor, Actor::human(ADMIN));
        let agent = tokens.caller("alices").unwrap();
        assert_eq!(
            (agent.kind, agent.actor.agent.as_deref()),
            (OriginKind::Agent, Some("alice"))
        );
        assert!(tokens.caller("").is_none() && tokens.caller("roo").is_none());
    }
}
