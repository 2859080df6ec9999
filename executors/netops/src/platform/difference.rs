//! Two configurations of one platform side by side. Lines that the driver understands are shown; of the others, which may
//! hold secrets in words that nobody here knows, only the number is told.

use std::collections::BTreeSet;

use super::Platform;
use super::config::{Config, Node};
use super::grammar::{self, Kind, Known, Scope};
use super::{junos, model, redact};

/// How a configuration differs from a wanted one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Understood lines that only the wanted one has, each with the stanza it stands in.
    pub missing: Vec<String>,
    /// Understood lines that only the present one has.
    pub extra: Vec<String>,
    /// Other lines that only one of them has.
    pub hidden: usize,
}

/// What has to be added to and taken from `present` to make `wanted` of it.
pub fn between(platform: Platform, present: &Config, wanted: &Config) -> Difference {
    let (present, wanted) = (flat(platform, present), flat(platform, wanted));
    let keys = |lines: &[Line]| lines.iter().map(|line| line.key.clone()).collect::<BTreeSet<_>>();
    let only = |lines: Vec<Line>, other: &BTreeSet<String>| -> Vec<Line> {
        lines.into_iter().filter(|line| !other.contains(&line.key)).collect()
    };
    let (in_present, in_wanted) = (keys(&present), keys(&wanted));
    let (extra, missing) = (only(present, &in_wanted), only(wanted, &in_present));
    let hidden = extra.iter().chain(&missing).filter(|line| !line.understood).count();
    let shown = |lines: Vec<Line>| lines.into_iter().filter(|l| l.understood).map(|l| l.text).collect();
    Difference {
        missing: shown(missing),
        extra: shown(extra),
        hidden,
    }
}

/// The native lines that make `wanted` of `present`. Not all of them need be understood.
pub fn lines(platform: Platform, present: &Config, wanted: &Config) -> Vec<String> {
    match platform {
        Platform::Junos => junos::lines_between(present, wanted),
        _ => model::lines_between(platform, present, wanted),
    }
}

struct Line {
    /// What it is compared by.
    key: String,
    text: String,
    understood: bool,
}

fn flat(platform: Platform, config: &Config) -> Vec<Line> {
    let mut lines = Vec::new();
    if platform == Platform::Junos {
        lines.extend(config.nodes.iter().map(|node| Line {
            key: node.line.clone(),
            text: node.line.clone(),
            understood: junos::understands(&node.line) && !redact::has_secret(&node.line),
        }));
    } else {
        below(platform, &config.nodes, Some(Scope::Global), "", &mut lines);
    }
    lines
}

/// The lines of a stanza; `scope` is none within what is not understood.
fn below(platform: Platform, nodes: &[Node], scope: Option<Scope>, stanza: &str, lines: &mut Vec<Line>) {
    for node in nodes {
        let known = scope.and_then(|scope| grammar::classify(platform, scope, &node.line));
        let text = format!("{stanza}{}", node.line);
        lines.push(Line {
            key: format!("{stanza}{}", grammar::normal(&node.line)),
            understood: known.is_some() && !redact::has_secret(&node.line),
            text,
        });
        let (inner, header) = match known {
            Some(Known {
                kind: Kind::Stanza(inner),
                key,
                ..
            }) => (Some(inner), key),
            _ => (None, node.line.clone()),
        };
        below(platform, &node.children, inner, &format!("{stanza}{header} / "), lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understood_lines_are_shown_with_their_stanza_and_others_only_counted() {
        let present = Config::parse(
            "hostname a\nsnmp-server host 10.0.0.1 community one\ninterface Gi0/1\n ip ospf cost 10\n description x\n",
        );
        let wanted = Config::parse(
            "hostname a\nsnmp-server host 10.0.0.1 community two\nntp server 10.0.0.1\ninterface Gi0/1\n description x\n ip ospf cost 20\n",
        );
        let found = between(Platform::Ios, &present, &wanted);
        assert_eq!(
            found,
            Difference {
                missing: vec!["ntp server 10.0.0.1".into(), "interface Gi0/1 / ip ospf cost 20".into()],
                extra: vec!["interface Gi0/1 / ip ospf cost 10".into()],
                hidden: 2,
            }
        );
        assert_eq!(between(Platform::Ios, &present, &present), Difference::default());
    }

    #[test]
    fn the_lines_between_two_configurations_lead_from_one_to_the_other() {
        let present = Config::parse("interface eth1\n ip ospf cost 10\nrouter ospf\n network 10.0.0.0/30 area 0\n");
        let wanted = Config::parse("interface eth1\n description x\n");
        assert_eq!(
            lines(Platform::Frr, &present, &wanted),
            [
                "no router ospf",
                "interface eth1",
                "no ip ospf cost",
                "description x",
                "exit"
            ]
        );
        let set = |text: &str| Config::parse(text);
        assert_eq!(
            lines(
                Platform::Junos,
                &set("set system ntp server 10.0.0.1\nset interfaces ge-0/0/1 mtu 1400\n"),
                &set("set interfaces ge-0/0/1 mtu 1500\n")
            ),
            ["delete system", "set interfaces ge-0/0/1 mtu 1500"]
        );
    }
}
