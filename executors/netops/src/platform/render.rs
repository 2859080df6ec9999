//! Vendor lines from templates: one file per platform and change, in `templates/`.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::Platform;
use super::ospf::Network;

/// What an OSPF change needs.
#[derive(Debug, Clone, Serialize)]
pub struct OspfChange {
    pub process_id: Option<u32>,
    pub router_id: Option<String>,
    /// Dotted.
    pub area: String,
    pub networks: Vec<NetworkStatement>,
    /// Interfaces that are put into the area by a line of their own (frr, where that style is in use).
    pub members: Vec<String>,
}

/// A subnet in the spellings that templates need.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkStatement {
    pub network: String,
    pub wildcard: String,
    pub prefix: String,
}

impl From<Network> for NetworkStatement {
    fn from(from: Network) -> Self {
        Self {
            network: from.network().to_string(),
            wildcard: from.wildcard().to_string(),
            prefix: format!("{}/{}", from.network(), from.length),
        }
    }
}

/// What an OSPF removal needs: the process, and interfaces with a membership line of their own.
#[derive(Debug, Clone, Serialize)]
pub struct OspfRemoval {
    pub process_id: Option<u32>,
    /// Only if there is such a process.
    pub exists: bool,
    pub members: Vec<OwnMembership>,
}

/// An interface's own membership line.
#[derive(Debug, Clone, Serialize)]
pub struct OwnMembership {
    pub interface: String,
    pub area: String,
}

/// What an interface change needs; absent means untouched.
#[derive(Debug, Clone, Default, Serialize)]
pub struct InterfaceChange {
    pub interface: String,
    pub description: Option<String>,
    /// 0 takes it away.
    pub ospf_cost: Option<u32>,
    pub mtu: Option<u32>,
    pub enabled: Option<bool>,
    /// The area in which the interface speaks OSPF: junos says the cost there.
    pub ospf_area: Option<String>,
}

/// Servers that are added.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ServicesChange {
    pub ntp: Vec<String>,
    pub syslog: Vec<String>,
}

/// A platform cannot do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    let sources = [
        ("ios/ospf", include_str!("../../templates/ios/ospf.j2")),
        ("ios/ospf_remove", include_str!("../../templates/ios/ospf_remove.j2")),
        ("ios/interface", include_str!("../../templates/ios/interface.j2")),
        ("ios/services", include_str!("../../templates/ios/services.j2")),
        ("vrp/services", include_str!("../../templates/vrp/services.j2")),
        ("junos/services", include_str!("../../templates/junos/services.j2")),
        ("vrp/ospf", include_str!("../../templates/vrp/ospf.j2")),
        ("vrp/ospf_remove", include_str!("../../templates/vrp/ospf_remove.j2")),
        ("vrp/interface", include_str!("../../templates/vrp/interface.j2")),
        ("junos/ospf", include_str!("../../templates/junos/ospf.j2")),
        (
            "junos/ospf_remove",
            include_str!("../../templates/junos/ospf_remove.j2"),
        ),
        ("junos/interface", include_str!("../../templates/junos/interface.j2")),
        ("frr/ospf", include_str!("../../templates/frr/ospf.j2")),
        ("frr/ospf_remove", include_str!("../../templates/frr/ospf_remove.j2")),
        ("frr/interface", include_str!("../../templates/frr/interface.j2")),
    ];
    for (name, source) in sources {
        env.add_template(name, source).expect("a template of ours parses");
    }
    env
});

/// Lines that put networks or interfaces into an OSPF area; none if nothing is missing.
pub fn ospf(platform: Platform, change: &OspfChange) -> Vec<String> {
    lines(platform, "ospf", change)
}

/// Lines that remove an OSPF process.
pub fn ospf_removal(platform: Platform, change: &OspfRemoval) -> Vec<String> {
    lines(platform, "ospf_remove", change)
}

/// Lines that set an interface's properties. What the platform cannot do is refused by name.
pub fn interface(platform: Platform, change: &InterfaceChange) -> Result<Vec<String>, Unsupported> {
    if platform == Platform::Frr && change.mtu.is_some() {
        return Err(Unsupported("mtu cannot be set on frr: the kernel owns it".into()));
    }
    if platform == Platform::Junos {
        if change.ospf_cost.is_some() && change.ospf_area.is_none() {
            let name = &change.interface;
            return Err(Unsupported(format!(
                "{name} is in no OSPF area, so it has no cost on junos; configure_ospf first"
            )));
        }
        if change.description.as_ref().is_some_and(|text| text.contains('"')) {
            return Err(Unsupported("a description cannot hold a double quote on junos".into()));
        }
    }
    Ok(lines(platform, "interface", change))
}

/// Lines that add time and log servers, on platforms where these are configured at all.
pub fn services(platform: Platform, change: &ServicesChange) -> Vec<String> {
    lines(platform, "services", change)
}

fn lines(platform: Platform, name: &str, context: &impl Serialize) -> Vec<String> {
    let template = TEMPLATES
        .get_template(&format!("{}/{name}", platform.name()))
        .expect("each platform has the templates that it is asked for");
    let text = template
        .render(minijinja::value::Serde(context))
        .expect("a template of ours renders its own context");
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(process_id: Option<u32>) -> OspfChange {
        let network = NetworkStatement {
            network: "10.1.0.0".into(),
            wildcard: "0.0.0.3".into(),
            prefix: "10.1.0.0/30".into(),
        };
        OspfChange {
            process_id,
            router_id: Some("1.1.1.1".into()),
            area: "0.0.0.0".into(),
            networks: vec![network],
            members: vec![],
        }
    }

    #[test]
    fn ospf_in_the_words_of_each_platform() {
        assert_eq!(
            ospf(Platform::Ios, &change(Some(100))),
            [
                "router ospf 100",
                "router-id 1.1.1.1",
                "network 10.1.0.0 0.0.0.3 area 0.0.0.0",
                "exit"
            ]
        );
        assert_eq!(
            ospf(Platform::Vrp, &change(Some(100))),
            [
                "ospf 100 router-id 1.1.1.1",
                "area 0.0.0.0",
                "network 10.1.0.0 0.0.0.3",
                "quit",
                "quit"
            ]
        );
        assert_eq!(
            ospf(Platform::Frr, &change(None)),
            [
                "router ospf",
                "ospf router-id 1.1.1.1",
                "network 10.1.0.0/30 area 0.0.0.0",
                "exit"
            ]
        );
    }

    #[test]
    fn interfaces_in_the_words_of_each_platform() {
        let change = InterfaceChange {
            interface: "GigabitEthernet0/1".into(),
            description: Some("to bj-core-2".into()),
            ospf_cost: Some(50),
            mtu: Some(9000),
            enabled: Some(true),
            ospf_area: None,
        };
        assert_eq!(
            interface(Platform::Ios, &change).unwrap(),
            [
                "interface GigabitEthernet0/1",
                "description to bj-core-2",
                "mtu 9000",
                "ip ospf cost 50",
                "no shutdown",
                "exit"
            ]
        );
        assert_eq!(
            interface(Platform::Vrp, &change).unwrap(),
            [
                "interface GigabitEthernet0/1",
                "description to bj-core-2",
                "mtu 9000",
                "ospf cost 50",
                "undo shutdown",
                "quit"
            ]
        );
        assert!(
            interface(Platform::Frr, &change).is_err(),
            "mtu is refused by name on frr"
        );
    }
}
