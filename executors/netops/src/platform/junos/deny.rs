//! Set statements that are never sent.

use super::words;
use crate::platform::deny::{Denied, malformed};

const ACCESS: &str = "it would change who may log in";
const LOCKOUT: &str = "it would cut off the way that the device is managed";
const PROMPT: &str = "the driver knows the device by its name";
const SCRIPTS: &str = "it would run something later or elsewhere";
const HIDDEN: &str = "its effect elsewhere in the configuration cannot be foreseen";

/// Paths and reasons. A word that could be short for a keyword counts as the keyword.
const DENIED: &[(&str, &str)] = &[
    ("system login", ACCESS),
    ("system root-authentication", ACCESS),
    ("system authentication-order", ACCESS),
    ("system radius-server", ACCESS),
    ("system tacplus-server", ACCESS),
    ("access", ACCESS),
    ("system services", LOCKOUT),
    ("system commit", LOCKOUT),
    ("system ports", LOCKOUT),
    ("system host-name", PROMPT),
    ("system scripts", SCRIPTS),
    ("event-options", SCRIPTS),
    ("groups", HIDDEN),
    ("apply-groups", HIDDEN),
    ("apply-groups-except", HIDDEN),
];

/// Checks lines: `set` and `delete` only, none that leads to a denied path or takes one away.
pub(in crate::platform) fn check(lines: &[String], management: Option<&str>) -> Result<(), Denied> {
    for line in lines {
        if let Some(reason) = malformed(line).or_else(|| reason(line, management)) {
            return Err(Denied {
                line: line.escape_debug().to_string(),
                reason,
            });
        }
    }
    Ok(())
}

fn reason(line: &str, management: Option<&str>) -> Option<String> {
    let (verb, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    if !matches!(verb, "set" | "delete") {
        return Some("only set and delete lines are; the driver enters, commits and leaves itself".to_owned());
    }
    if rest.matches('"').count() % 2 == 1 {
        return Some("a double quote is not closed".to_owned());
    }
    let path = words(rest);
    if path.iter().any(|word| word == "|") {
        return Some("it would be piped".to_owned());
    }
    let deletes = verb == "delete";
    if path.is_empty() || deletes && path.len() < 2 && !path.iter().any(|word| word == "snmp") {
        return Some("it would take away a whole part of the configuration".to_owned());
    }
    let denied = DENIED.iter().find(|(words, _)| covers(&path, words, deletes));
    if let Some((words, reason)) = denied {
        return Some(format!("{reason} (`{words}` is on the deny-list)"));
    }
    touches_management(&path, management?)
}

/// Whether the path lies at or below the denied one, or would take it away with what is above it.
fn covers(path: &[String], denied: &str, deletes: bool) -> bool {
    let words: Vec<&str> = denied.split(' ').collect();
    let same = words
        .iter()
        .zip(path)
        .all(|(word, given)| word.starts_with(given.as_str()));
    same && (path.len() >= words.len() || deletes)
}

fn touches_management(path: &[String], management: &str) -> Option<String> {
    let mut words = path.iter().map(String::as_str);
    let first = words.next()?;
    let second = words.next()?;
    let harmless = words.next() == Some("description");
    let touches = "interfaces".starts_with(first) && second.split('.').next() == Some(management);
    (touches && !harmless).then(|| format!("{management} carries the management address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(line: &str) -> bool {
        check(&[line.to_owned()], Some("fxp0")).is_err()
    }

    #[test]
    fn what_would_lock_out_or_open_is_denied_in_all_spellings() {
        for line in [
            "commit",
            "commit and-quit",
            "rollback 1",
            "exit",
            "run request system reboot",
            "load override x",
            "set system login user a class super-user",
            "set sys log user a",
            "set system root-authentication plain-text-password",
            "delete system services ssh",
            "delete system",
            "delete interfaces",
            "delete",
            "set system host-name x",
            "set interfaces fxp0 disable",
            "delete interfaces fxp0 unit 0",
            "set interfaces fxp0.0 disable",
            "set apply-groups x",
            "set interfaces ge-0/0/1 description a | save x",
            "set interfaces ge-0/0/1 description \"a",
            "set interfaces ge-0/0/1 description a\ncommit",
        ] {
            assert!(denied(line), "{line}");
        }
    }

    #[test]
    fn ordinary_statements_pass() {
        for line in [
            "set interfaces ge-0/0/1 description \"to | there\"",
            "set interfaces fxp0 description \"out of band\"",
            "delete protocols ospf",
            "set protocols ospf area 0 interface ge-0/0/1.0 metric 5",
            "set system ntp server 10.0.0.1",
        ] {
            assert!(!denied(line), "{line}");
        }
    }
}
