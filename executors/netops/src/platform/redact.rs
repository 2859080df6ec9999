//! Takes secrets out of device text before people, models or journals see it.

use std::sync::LazyLock;

use regex::Regex;

static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?xi)
        (?P<head>\b(?:
            password(?:\s+(?:irreversible-cipher|cipher|simple|\d))?
          | secret(?:\s+\d)?
          | (?:authentication-key|key-string|pre-shared-key|passphrase)(?:\s+(?:cipher|plain|\d))?
          | (?:message-digest-key\s+\d+\s+md5)(?:\s+\d)?
          | authentication-mode\s+\S+\s+\d+\s+(?:cipher|plain)
          | snmp-server\s+community | snmp-agent\s+community\s+(?:read|write)(?:\s+cipher)?
          | irreversible-cipher | cipher
          | (?:tacacs-server|radius-server)\s+key(?:\s+\d)? | key\s+7
        ))\s+(?P<secret>\S+)",
    )
    .expect("a constant pattern")
});

const REMOVED: &str = "<removed>";

/// The line with its secret, if any, replaced.
pub fn line(line: &str) -> String {
    SECRET.replace_all(line, format!("$head {REMOVED}")).into_owned()
}

/// A whole configuration, line by line.
pub fn text(text: &str) -> String {
    text.lines().map(|l| line(l) + "\n").collect()
}

/// Whether the line carries a secret.
pub fn has_secret(line: &str) -> bool {
    SECRET.captures(line).is_some_and(|found| &found["secret"] != REMOVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_each_vendor_go() {
        for (with, without) in [
            ("username a secret 5 $1$abc", "username a secret 5 <removed>"),
            ("enable password hunter2", "enable password <removed>"),
            ("snmp-server community public RO", "snmp-server community <removed> RO"),
            (
                " ip ospf message-digest-key 1 md5 wrong",
                " ip ospf message-digest-key 1 md5 <removed>",
            ),
            (
                "local-user x password irreversible-cipher %^%#",
                "local-user x password irreversible-cipher <removed>",
            ),
            (
                "ospf authentication-mode md5 1 cipher abc",
                "ospf authentication-mode md5 1 cipher <removed>",
            ),
        ] {
            assert_eq!(line(with), without);
            assert!(has_secret(with) && !has_secret(without), "{with}");
        }
        assert_eq!(line("ip ospf cost 10"), "ip ospf cost 10");
    }
}
