//! What each vendor's words mean. Everything here is text in, text out: no socket, no clock.

pub mod commits;
pub mod config;
pub mod deny;
pub mod difference;
pub mod grammar;
pub mod junos;
pub mod model;
pub mod ospf;
pub mod parse;
pub mod redact;
pub mod refusal;
pub mod render;
pub mod services;

use serde::{Deserialize, Serialize};

/// The command-line families that can be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    Ios,
    Vrp,
    Frr,
    /// Edits go into a candidate, which is committed as a whole.
    Junos,
    /// No command line: NETCONF, whatever the vendor. A change is one element, the XML that belongs into `<config>`.
    Netconf,
}

/// The fixed words of a platform: what the driver itself types.
#[derive(Debug)]
pub struct Words {
    pub paging_off: &'static str,
    pub enter_config: &'static str,
    pub leave_config: &'static str,
    /// Leaves one stanza.
    pub up: &'static str,
    pub negate: &'static str,
    pub running: &'static str,
    pub startup: &'static str,
    pub save: &'static str,
    pub neighbors: &'static str,
    pub interfaces: &'static str,
}

const IOS: Words = Words {
    paging_off: "terminal length 0",
    enter_config: "configure terminal",
    leave_config: "end",
    up: "exit",
    negate: "no",
    running: "show running-config",
    startup: "show startup-config",
    save: "write memory",
    neighbors: "show ip ospf neighbor",
    interfaces: "show ip interface brief",
};

const VRP: Words = Words {
    paging_off: "screen-length 0 temporary",
    enter_config: "system-view",
    leave_config: "return",
    up: "quit",
    negate: "undo",
    running: "display current-configuration",
    startup: "display saved-configuration",
    save: "save",
    neighbors: "display ospf peer brief",
    interfaces: "display ip interface brief",
};

const FRR: Words = Words {
    interfaces: "show interface brief",
    ..IOS
};

/// `save` is empty: what is committed is saved.
const JUNOS: Words = Words {
    paging_off: "set cli screen-length 0",
    enter_config: "configure exclusive",
    leave_config: "exit configuration-mode",
    up: "top",
    negate: "delete",
    running: "show configuration | display set",
    startup: "show configuration | display set",
    save: "",
    neighbors: "show ospf neighbor",
    interfaces: "show interfaces terse",
};

/// There is nothing to type; the pool of terminals refuses such a device.
const NONE: Words = Words {
    paging_off: "",
    enter_config: "",
    leave_config: "",
    up: "",
    negate: "",
    running: "",
    startup: "",
    save: "",
    neighbors: "",
    interfaces: "",
};

impl Platform {
    /// The name used in the inventory and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ios => "ios",
            Self::Vrp => "vrp",
            Self::Frr => "frr",
            Self::Junos => "junos",
            Self::Netconf => "netconf",
        }
    }

    /// What the driver types here.
    pub fn words(self) -> &'static Words {
        match self {
            Self::Ios => &IOS,
            Self::Vrp => &VRP,
            Self::Frr => &FRR,
            Self::Junos => &JUNOS,
            Self::Netconf => &NONE,
        }
    }

    /// Whether OSPF processes carry numbers here.
    pub fn has_process_ids(self) -> bool {
        matches!(self, Self::Ios | Self::Vrp)
    }

    /// Whether changes are made in a candidate and take effect together, by a commit.
    pub fn has_candidate(self) -> bool {
        matches!(self, Self::Junos | Self::Netconf)
    }

    /// What to answer when the device asks before it obeys this line. `None`: the driver never answers for it.
    pub fn answer_to_question(self, line: &str) -> Option<&'static str> {
        let deletes_process = line.starts_with("undo ospf ") && line.split_whitespace().count() == 3;
        (self == Self::Vrp && (line == self.words().save || deletes_process)).then_some("Y")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_of_the_drivers_own_commands_are_answered() {
        assert_eq!(Platform::Vrp.answer_to_question("save"), Some("Y"));
        assert_eq!(Platform::Vrp.answer_to_question("undo ospf 100"), Some("Y"));
        assert_eq!(Platform::Vrp.answer_to_question("reboot"), None);
        assert_eq!(Platform::Ios.answer_to_question("reload"), None);
    }
}
