//! Stanzas that a call opened on its way to a line that was refused, and that hold nothing.

use crate::platform::Platform;
use crate::platform::config::{Config, Node};
use crate::platform::grammar::{self, Kind, Scope};

/// Lines that take back what of the `accepted` lines is left in `after` as a mere empty stanza. Interfaces are hardware,
/// not configuration: they are left alone.
pub(super) fn left_behind<'a>(
    platform: Platform,
    before: &Config,
    after: &Config,
    accepted: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let opened: Vec<String> = accepted
        .filter_map(|line| header(platform, Scope::Global, line))
        .collect();
    let fresh = after.nodes.iter().filter(|node| {
        opened.contains(&node.line) && before.find(&node.line).is_none() && is_hollow(platform, Scope::Global, node)
    });
    fresh
        .map(|node| format!("{} {}", platform.words().negate, node.line))
        .collect()
}

fn is_hollow(platform: Platform, scope: Scope, node: &Node) -> bool {
    let known = grammar::classify(platform, scope, &node.line);
    let Some(Kind::Stanza(inner)) = known.filter(|known| !known.has_args).map(|k| k.kind) else {
        return false;
    };
    node.children.iter().all(|child| is_hollow(platform, inner, child))
}

/// The stanza's header as the configuration prints it; `None` for anything but a stanza that can be taken back whole.
fn header(platform: Platform, scope: Scope, line: &str) -> Option<String> {
    let known = grammar::classify(platform, scope, line)?;
    let removable = matches!(known.kind, Kind::Stanza(inner) if inner != Scope::Interface);
    (removable && !known.has_args).then_some(known.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(platform: Platform, before: &str, after: &str, accepted: &[&str]) -> Vec<String> {
        let (before, after) = (Config::parse(before), Config::parse(after));
        left_behind(platform, &before, &after, accepted.iter().copied())
    }

    #[test]
    fn an_empty_process_of_this_call_is_taken_back() {
        let frr = left(
            Platform::Frr,
            "hostname a\n",
            "hostname a\nrouter ospf\n",
            &["router ospf"],
        );
        assert_eq!(frr, ["no router ospf"]);
        let ios = left(Platform::Ios, "", "router ospf 100\n", &["router ospf 100"]);
        assert_eq!(ios, ["no router ospf 100"]);
        let vrp = left(Platform::Vrp, "", "ospf 7\n area 0.0.0.0\n", &["ospf 7", "area 0"]);
        assert_eq!(vrp, ["undo ospf 7"]);
    }

    #[test]
    fn what_was_there_or_holds_something_or_is_somebody_elses_stays() {
        let full = "router ospf\n network 10.0.0.0/8 area 0\n";
        for (before, after, accepted) in [
            ("router ospf\n", "router ospf\n", "router ospf"),
            ("", full, "router ospf"),
            ("", "router ospf\n", "interface eth1"),
            ("", "interface eth1\n", "interface eth1"),
        ] {
            assert!(left(Platform::Frr, before, after, &[accepted]).is_empty(), "{after}");
        }
    }
}
