//! A circuit breaker per credential. The first refused sign-in opens it, for every server that shares the credential, and
//! no time closes it again: each further try could be the one that locks the account. A person who has put the credential
//! right says so by refreshing a server, which lets one request through; so does a restart.

use crate::settings::{ServerSettings, Transport};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialState {
    Good,
    /// Nothing is sent with it until a person refreshes a server that uses it.
    Refused,
    /// The next request decides.
    OnTrial,
}

/// A credential as `/v1/servers` shows it: never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialStatus {
    pub state: CredentialState,
    /// The headers that carry it.
    pub headers: Vec<String>,
    /// Every server that is reached with it.
    pub servers: Vec<String>,
}

struct Inner {
    state: CredentialState,
    /// The one request of a trial is under way.
    out: bool,
}

/// A request's leave. Dropped without an answer it teaches nothing, and a trial's place is free again.
pub(crate) struct Pass {
    credential: Arc<Credential>,
    trial: bool,
}

impl Pass {
    /// Whether the sign-in was refused. None: no answer.
    pub(crate) fn heard(self, refused: Option<bool>) {
        let mut inner = self.credential.inner();
        match refused {
            Some(true) => inner.state = CredentialState::Refused,
            // Only the trial itself can undo a refusal: what left before it says nothing.
            Some(false) if self.trial && inner.state == CredentialState::OnTrial => {
                inner.state = CredentialState::Good;
                self.credential.good_again.send_modify(|n| *n += 1);
            }
            _ => {}
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.trial {
            self.credential.inner().out = false;
        }
    }
}

/// What a server is reached with.
pub(crate) struct Credential {
    headers: Vec<String>,
    servers: Vec<String>,
    inner: Mutex<Inner>,
    /// Counts each time that it was found good again.
    good_again: watch::Sender<u64>,
}

impl Credential {
    fn new(headers: Vec<String>, servers: Vec<String>) -> Self {
        Self {
            headers,
            servers,
            inner: Mutex::new(Inner {
                state: CredentialState::Good,
                out: false,
            }),
            good_again: watch::Sender::new(0),
        }
    }

    /// One for each server that is reached over HTTP, by alias. Servers on one host with the same headers share theirs.
    pub(crate) fn of_all<'a>(servers: impl Iterator<Item = &'a ServerSettings>) -> BTreeMap<String, Arc<Self>> {
        // The values are compared in memory and forgotten with this map.
        let mut shared: BTreeMap<Vec<String>, (Vec<String>, Vec<String>)> = BTreeMap::new();
        for server in servers {
            if let Transport::Http { url, headers } = &server.transport {
                let names = headers.keys().cloned().collect();
                let entry = shared.entry(identity(&server.alias, url, headers));
                entry
                    .or_insert_with(|| (names, Vec::new()))
                    .1
                    .push(server.alias.clone());
            }
        }
        let mut found = BTreeMap::new();
        for (headers, servers) in shared.into_values() {
            let one = Arc::new(Self::new(headers, servers.clone()));
            found.extend(servers.into_iter().map(|alias| (alias, Arc::clone(&one))));
        }
        found
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a request to leave with it. None: it must not.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Pass> {
        let mut inner = self.inner();
        let trial = inner.state == CredentialState::OnTrial;
        let free = match inner.state {
            CredentialState::Good => true,
            CredentialState::Refused => false,
            CredentialState::OnTrial => !std::mem::replace(&mut inner.out, true),
        };
        // Made only if it may leave: one that is dropped here would give the place of the one that is out away.
        free.then(|| Pass {
            credential: Arc::clone(self),
            trial,
        })
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.inner().state == CredentialState::Refused
    }

    /// A person says that it may be tried once more.
    pub(crate) fn try_again(&self) {
        let mut inner = self.inner();
        if inner.state == CredentialState::Refused {
            (inner.state, inner.out) = (CredentialState::OnTrial, false);
        }
    }

    /// Wakes when it was found good again.
    pub(crate) fn good_again(&self) -> watch::Receiver<u64> {
        self.good_again.subscribe()
    }

    pub(crate) fn status(&self) -> CredentialStatus {
        CredentialStatus {
            state: self.inner().state,
            headers: self.headers.clone(),
            servers: self.servers.clone(),
        }
    }
}

/// Host, and all that could say who calls. Without any of that, each server stands for itself.
fn identity(alias: &str, url: &str, headers: &BTreeMap<String, String>) -> Vec<String> {
    let mut identity = Vec::new();
    if let Ok(url) = reqwest::Url::parse(url) {
        let user = (
            url.username(),
            url.password().unwrap_or_default(),
            url.query().unwrap_or_default(),
        );
        if headers.is_empty() && user == ("", "", "") {
            identity.push(alias.to_owned());
        }
        identity.push(url.origin().ascii_serialization());
        identity.extend([user.0, user.1, user.2].map(str::to_owned));
    }
    identity.extend(
        headers
            .iter()
            .map(|(name, value)| format!("{}: {value}", name.to_lowercase())),
    );
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(alias: &str, url: &str, token: Option<&str>) -> ServerSettings {
        let headers = token.map(|t| ("Authorization".to_owned(), t.to_owned()));
        ServerSettings {
            alias: alias.to_owned(),
            transport: Transport::Http {
                url: url.to_owned(),
                headers: headers.into_iter().collect(),
            },
            timeouts: crate::settings::Timeouts::default(),
        }
    }

    fn refuse(one: &Arc<Credential>) {
        one.enter().unwrap().heard(Some(true));
    }

    #[test]
    fn servers_on_one_host_with_the_same_headers_share_a_credential_and_others_do_not() {
        let servers = [
            server("a", "https://h/a", Some("t")),
            server("b", "https://h/b", Some("t")),
            server("c", "https://h/c", Some("other")),
            server("d", "https://elsewhere/d", Some("t")),
            server("e", "https://h/e", None),
            server("f", "https://h/f", None),
        ];
        let all = Credential::of_all(servers.iter());
        refuse(&all["a"]);
        let refused: Vec<&str> = all
            .iter()
            .filter(|(_, c)| c.is_refused())
            .map(|(a, _)| a.as_str())
            .collect();
        assert_eq!(refused, ["a", "b"]);
        assert_eq!(all["b"].status().servers, ["a", "b"]);
        refuse(&all["e"]);
        assert!(!all["f"].is_refused());
    }

    #[test]
    fn a_refused_credential_leaves_only_once_more_for_each_time_that_a_person_says_so() {
        let all = Credential::of_all([server("a", "https://h/a", Some("t"))].iter());
        let one = &all["a"];
        let before = one.enter().unwrap();
        refuse(one);
        // What was under way still comes back well: that does not undo the refusal.
        before.heard(Some(false));
        assert!(one.enter().is_none());
        one.try_again();
        let trial = one.enter().unwrap();
        assert!(one.enter().is_none(), "one at a time");
        drop(trial);
        refuse(one);
        assert!(one.enter().is_none());
        one.try_again();
        one.enter().unwrap().heard(Some(false));
        assert!(one.enter().is_some() && one.enter().is_some());
    }
}
