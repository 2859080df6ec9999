//! Raw lines that are never sent: they would take the device away, open it, or change the mode behind the driver's back.

use super::Platform;
use super::grammar::Scope;
use super::model::Place;

/// Why a line is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{line}` is not sent: {reason}")]
pub struct Denied {
    pub line: String,
    pub reason: String,
}

const MODES: &str = "the driver enters and leaves configuration mode itself; give configuration lines only";
const LOSS: &str = "it would restart the device or destroy stored data";
const ACCESS: &str = "it would change who may log in";
const LOCKOUT: &str = "it would cut off the way that the device is managed";
const SAVING: &str = "saving is a tool of its own (save)";
const PROMPT: &str = "the driver knows the device by its name";
const SCRIPTS: &str = "it would run something later or elsewhere";

/// Keywords and reason; a token that could be short for the keyword counts as the keyword.
const DENIED: &[(&str, &str)] = &[
    ("reload", LOSS),
    ("reboot", LOSS),
    ("erase", LOSS),
    ("delete", LOSS),
    ("format", LOSS),
    ("write", SAVING),
    ("save", SAVING),
    ("copy", SAVING),
    ("reset", LOSS),
    ("startup", LOSS),
    ("boot", LOSS),
    ("rollback", LOSS),
    ("factory-reset", LOSS),
    ("patch", LOSS),
    ("upgrade", LOSS),
    ("aaa", ACCESS),
    ("tacacs", ACCESS),
    ("tacacs-server", ACCESS),
    ("radius", ACCESS),
    ("radius-server", ACCESS),
    ("hwtacacs-server", ACCESS),
    ("hwtacacs", ACCESS),
    ("username", ACCESS),
    ("local-user", ACCESS),
    ("super", ACCESS),
    ("enable", ACCESS),
    ("password", ACCESS),
    ("service", ACCESS),
    ("privilege", ACCESS),
    ("crypto", LOCKOUT),
    ("rsa", LOCKOUT),
    ("ecc", LOCKOUT),
    ("pki", LOCKOUT),
    ("ip ssh", LOCKOUT),
    ("stelnet", LOCKOUT),
    ("ssh", LOCKOUT),
    ("telnet", LOCKOUT),
    ("line", LOCKOUT),
    ("user-interface", LOCKOUT),
    ("transport", LOCKOUT),
    ("hostname", PROMPT),
    ("sysname", PROMPT),
    ("event", SCRIPTS),
    ("kron", SCRIPTS),
    ("tclsh", SCRIPTS),
    ("macro", SCRIPTS),
    ("schedule", SCRIPTS),
    ("archive", SCRIPTS),
    ("do", MODES),
    ("configure", MODES),
    ("system-view", MODES),
    ("end", MODES),
    ("return", MODES),
    ("disable", MODES),
    ("logout", MODES),
    ("run", MODES),
];

/// Checks raw lines, each with the place in which it would be typed. `management` names the interface that carries the
/// device's management address.
pub fn check(platform: Platform, lines: &[String], places: &[Place], management: Option<&str>) -> Result<(), Denied> {
    if platform == Platform::Junos {
        return super::junos::deny::check(lines, management);
    }
    let top = Place {
        scope: Scope::Global,
        stanza: String::new(),
    };
    for (at, line) in lines.iter().enumerate() {
        let place = places.get(at).unwrap_or(&top);
        let reason = malformed(line)
            .or_else(|| denied_word(line))
            .or_else(|| touches_management(platform, line, place, management));
        if let Some(reason) = reason {
            return Err(Denied {
                line: line.escape_debug().to_string(),
                reason,
            });
        }
    }
    Ok(())
}

/// Text that a terminal would not take as one line: also the guard against line breaks hidden in arguments.
pub fn malformed(line: &str) -> Option<String> {
    if line.chars().any(char::is_control) {
        return Some("it contains a control character".into());
    }
    if line.contains('?') {
        return Some("a question mark asks the device for help instead of being sent".into());
    }
    if line.trim().is_empty() || line.len() > 250 {
        return Some("a line has 1 to 250 bytes".into());
    }
    None
}

fn denied_word(line: &str) -> Option<String> {
    let lower = line.to_lowercase();
    let mut tokens: Vec<&str> = lower.split_whitespace().collect();
    while tokens.len() > 1 && matches!(tokens[0], "no" | "undo" | "default") {
        tokens.remove(0);
    }
    let hit = DENIED.iter().find(|(words, _)| could_mean(&tokens, words))?;
    Some(format!("{} (`{}` is on the deny-list)", hit.1, hit.0))
}

fn could_mean(tokens: &[&str], words: &str) -> bool {
    let words: Vec<&str> = words.split(' ').collect();
    // Words of the known grammar that happen to begin a denied one are written out by everybody: `ip`, `area`.
    let allowed_whole = |token: &str| matches!(token, "ip" | "no" | "undo" | "network" | "mtu" | "ospf" | "router");
    // `quit`/`exit` end a stanza; whether they would end the configuration is the model's business.
    let first = tokens.first().copied().unwrap_or_default();
    if matches!(first, "exit" | "quit") {
        return false;
    }
    tokens.len() >= words.len()
        && words
            .iter()
            .zip(tokens)
            .all(|(word, token)| word == token || (word.starts_with(token) && !allowed_whole(token)))
}

fn touches_management(platform: Platform, line: &str, place: &Place, management: Option<&str>) -> Option<String> {
    let management = management?;
    let reason = || Some(format!("{management} carries the management address"));
    let words = platform.words();
    let rest = line.trim().strip_prefix(words.negate).map_or(line.trim(), str::trim);
    let first = rest.split_whitespace().next().unwrap_or_default();
    if line.trim().starts_with(words.negate) && !first.is_empty() && "interface".starts_with(first) {
        let named = rest
            .split_once(' ')
            .is_some_and(|(_, name)| super::model::same_interface(management, name));
        return if named { reason() } else { None };
    }
    let inside = place.scope == Scope::Interface && place.stanza == format!("interface {management}");
    let harmless = matches!(first, "exit" | "quit") || (first.len() >= 3 && "description".starts_with(first));
    let leaves = "interface".starts_with(first) || "router".starts_with(first);
    if inside && !harmless && !leaves { reason() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deny(platform: Platform, line: &str) -> bool {
        check(platform, &[line.to_owned()], &[], None).is_err()
    }

    #[test]
    fn dangerous_lines_and_their_abbreviations_are_denied() {
        for line in [
            "reload",
            "rel",
            "RELOAD in 5",
            "no reload",
            "do reload",
            "write erase",
            "wr",
            "erase startup-config",
            "del flash:x",
            "format flash:",
            "aaa new-model",
            "tacacs-server host 1.1.1.1",
            "tacacs server x",
            "username a secret b",
            "user a",
            "no username a",
            "crypto key zeroize rsa",
            "cry k z",
            "no ip ssh",
            "ip ssh version 1",
            "no ip ss",
            "line vty 0 4",
            "conf t",
            "configure terminal",
            "end",
            "do show run",
            "hostname x",
            "enable secret x",
            "radius-server key x",
            "copy run start",
            "event manager applet x",
        ] {
            assert!(deny(Platform::Ios, line), "{line}");
        }
    }

    #[test]
    fn the_other_platforms_words_are_denied_too() {
        for line in [
            "reset saved-configuration",
            "reset sav",
            "reboot",
            "reb",
            "reboot fast",
            "system-view",
            "sys",
            "return",
            "save",
            "local-user a password cipher b",
            "aaa",
            "undo stelnet server enable",
            "undo ssh server",
            "sysname x",
            "user-interface vty 0 4",
            "undo local-user a",
            "startup saved-configuration x",
            "format cfcard:",
        ] {
            assert!(deny(Platform::Vrp, line), "{line}");
        }
        for line in [
            "conf t",
            "end",
            "write",
            "hostname x",
            "do show run",
            "service integrated-vtysh-config",
        ] {
            assert!(deny(Platform::Frr, line), "{line}");
        }
    }

    #[test]
    fn ordinary_lines_pass() {
        for line in [
            "router ospf 100",
            "router-id 1.1.1.1",
            "network 10.0.0.0 0.0.0.3 area 0",
            "interface GigabitEthernet0/1",
            "ip ospf cost 50",
            "description reload the truck",
            "shutdown",
            "no shutdown",
            "ip address 10.0.0.1 255.255.255.252",
            "mtu 1500",
            "exit",
            "no router ospf 100",
            "passive-interface default",
        ] {
            assert!(!deny(Platform::Ios, line), "{line}");
        }
        for line in [
            "ospf 100",
            "area 0.0.0.0",
            "ospf cost 50",
            "undo ospf 100",
            "quit",
            "undo shutdown",
            "description d",
        ] {
            assert!(!deny(Platform::Vrp, line), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_two_lines_or_asks_for_help_is_denied() {
        for line in ["description a\nreload", "description a\rreload", "show ?", "", "  "] {
            assert!(deny(Platform::Ios, line), "{line:?}");
        }
    }

    #[test]
    fn the_management_interface_keeps_its_address_and_stays_up() {
        let inside = Place {
            scope: Scope::Interface,
            stanza: "interface GigabitEthernet0/0".into(),
        };
        let denied = |line: &str, place: &Place| {
            check(
                Platform::Ios,
                &[line.into()],
                std::slice::from_ref(place),
                Some("GigabitEthernet0/0"),
            )
            .is_err()
        };
        for line in [
            "shutdown",
            "shut",
            "no ip address",
            "ip address 1.1.1.1 255.0.0.0",
            "ip addr dhcp",
            "mtu 68",
        ] {
            assert!(denied(line, &inside), "{line}");
        }
        let top = Place {
            scope: Scope::Global,
            stanza: String::new(),
        };
        assert!(denied("no interface gi0/0", &top));
        assert!(denied("no int GigabitEthernet0/0", &top));
        assert!(!denied("description out of band", &inside));
        assert!(!denied("interface GigabitEthernet0/1", &inside));
    }
}
