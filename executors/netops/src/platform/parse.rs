//! Reads what the devices print about their state.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;

use super::Platform;

/// One OSPF neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Neighbor {
    /// Router id.
    pub id: String,
    /// `Down`, `Attempt`, `Init`, `2-Way`, `ExStart`, `Exchange`, `Loading` or `Full`.
    pub state: String,
    pub interface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Process number, where the platform prints it.
    #[serde(skip)]
    pub process: Option<u32>,
}

/// One interface's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InterfaceState {
    pub name: String,
    /// Not shut down by configuration.
    pub admin_up: bool,
    /// Passing traffic.
    pub up: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// What a ping printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echoes {
    pub sent: u32,
    pub received: u32,
}

/// Neighbours, from the text of the platform's neighbour command.
pub fn neighbors(platform: Platform, text: &str) -> Vec<Neighbor> {
    match platform {
        Platform::Ios | Platform::Frr => text.lines().filter_map(neighbor_row).collect(),
        Platform::Vrp => vrp_neighbors(text),
        Platform::Junos => text.lines().filter_map(junos_neighbor).collect(),
        Platform::Netconf => Vec::new(),
    }
}

/// `ID Pri State/Role … Address Interface[:own address] …`
fn neighbor_row(line: &str) -> Option<Neighbor> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let id: Ipv4Addr = words.first()?.parse().ok()?;
    words.get(1)?.parse::<u32>().ok()?;
    let state = normal_state(words.get(2)?.split('/').next()?)?;
    let at = words
        .iter()
        .rposition(|word| word.parse::<Ipv4Addr>().is_ok())
        .filter(|at| *at > 2)?;
    let interface = words.get(at + 1)?.split(':').next()?.to_owned();
    Some(Neighbor {
        id: id.to_string(),
        state,
        interface,
        address: Some(words[at].to_owned()),
        process: None,
    })
}

/// `Address Interface State ID Pri Dead`
fn junos_neighbor(line: &str) -> Option<Neighbor> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [address, unit, state, id, ..] = words.as_slice() else {
        return None;
    };
    let (address, id): (Ipv4Addr, Ipv4Addr) = (address.parse().ok()?, id.parse().ok()?);
    Some(Neighbor {
        id: id.to_string(),
        state: normal_state(state)?,
        interface: unit.split('.').next()?.to_owned(),
        address: Some(address.to_string()),
        process: None,
    })
}

fn vrp_neighbors(text: &str) -> Vec<Neighbor> {
    let mut process = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["OSPF", "Process", number, ..] => process = number.parse().ok(),
            [area, interface, id, state, ..] if area.parse::<Ipv4Addr>().is_ok() => {
                let (Ok(id), Some(state)) = (id.parse::<Ipv4Addr>(), normal_state(state)) else {
                    continue;
                };
                found.push(Neighbor {
                    id: id.to_string(),
                    state,
                    interface: (*interface).to_owned(),
                    address: None,
                    process,
                });
            }
            _ => {}
        }
    }
    found
}

fn normal_state(word: &str) -> Option<String> {
    const STATES: [&str; 8] = [
        "Down", "Attempt", "Init", "2-Way", "ExStart", "Exchange", "Loading", "Full",
    ];
    let plain = |text: &str| text.replace('-', "").to_lowercase();
    let asked = plain(word);
    let found = STATES
        .iter()
        .find(|state| plain(state) == asked || (asked == "twoway" && **state == "2-Way"))?;
    Some((*found).to_owned())
}

/// Interfaces, from the text of the platform's brief command. On frr `admin_up` is a guess from `up`: the brief form
/// does not print it, the caller corrects it from the configuration.
pub fn interfaces(platform: Platform, text: &str) -> Vec<InterfaceState> {
    let row = match platform {
        Platform::Ios => ios_interface,
        Platform::Vrp => vrp_interface,
        Platform::Frr => frr_interface,
        Platform::Junos => return junos_interfaces(text),
        Platform::Netconf => return Vec::new(),
    };
    text.lines().filter_map(row).collect()
}

fn own_address(word: &str) -> Option<String> {
    let address = word.split('/').next()?;
    address.parse::<Ipv4Addr>().is_ok().then(|| address.to_owned())
}

fn ios_interface(line: &str) -> Option<InterfaceState> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.len() < 6 || !matches!(words[2], "YES" | "NO") {
        return None;
    }
    let admin_up = !line.contains("administratively down");
    let up = words[words.len() - 1] == "up" && admin_up && words[words.len() - 2] == "up";
    Some(InterfaceState {
        name: words[0].to_owned(),
        admin_up,
        up,
        address: own_address(words[1]),
    })
}

fn vrp_interface(line: &str) -> Option<InterfaceState> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, address, physical, protocol, ..] = words.as_slice() else {
        return None;
    };
    if own_address(address).is_none() && *address != "unassigned" {
        return None;
    }
    let is_up = |word: &str| word.starts_with("up");
    let (admin_up, up) = (!physical.starts_with('*'), is_up(physical) && is_up(protocol));
    Some(InterfaceState {
        name: (*name).to_owned(),
        admin_up,
        up,
        address: own_address(address),
    })
}

fn frr_interface(line: &str) -> Option<InterfaceState> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, state) = (words.first()?, words.get(1)?);
    if !matches!(*state, "up" | "down") {
        return None;
    }
    let address = words.get(3).and_then(|word| own_address(word));
    Some(InterfaceState {
        name: (*name).to_owned(),
        admin_up: *state == "up",
        up: *state == "up",
        address,
    })
}

/// One row for each port, and one for each unit and protocol below it, which has the address.
fn junos_interfaces(text: &str) -> Vec<InterfaceState> {
    let mut found: Vec<InterfaceState> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, admin @ ("up" | "down"), link @ ("up" | "down"), rest @ ..] = words.as_slice() else {
            continue;
        };
        let port = name.split('.').next().unwrap_or(name);
        if port == *name {
            found.push(InterfaceState {
                name: port.to_owned(),
                admin_up: *admin == "up",
                up: *admin == "up" && *link == "up",
                address: None,
            });
        } else if let (["inet", address, ..], Some(state)) = (rest, found.iter_mut().find(|state| state.name == port)) {
            state.address = state.address.take().or_else(|| own_address(address));
        }
    }
    found
}

/// Interfaces that exist on paper only, from frr's `show interface`.
pub fn frr_phantoms(text: &str) -> Vec<String> {
    let (mut present, mut phantoms) = (None, Vec::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Interface ") {
            present = rest.split_whitespace().next().map(str::to_owned);
        } else if line.trim() == "pseudo interface" {
            phantoms.extend(present.take());
        }
    }
    phantoms
}

static IOS_ECHOES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"Success rate is \d+ percent \((\d+)/(\d+)\)").expect("a constant pattern"));
static SENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(\d+) (?:packet\(s\)|packets) transmitted").expect("a constant pattern"));
static RECEIVED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(\d+) (?:packet\(s\) |packets )?received").expect("a constant pattern"));

/// Echoes sent and received; `None` when the text holds no summary.
pub fn echoes(platform: Platform, text: &str) -> Option<Echoes> {
    if platform == Platform::Ios {
        let found = IOS_ECHOES.captures(text)?;
        return Some(Echoes {
            sent: found[2].parse().ok()?,
            received: found[1].parse().ok()?,
        });
    }
    let number = |pattern: &Regex| pattern.captures(text)?[1].parse().ok();
    Some(Echoes {
        sent: number(&SENT)?,
        received: number(&RECEIVED)?,
    })
}

static CPU: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:CPU utilization for five seconds:|CPU Usage\s*:|%?Cpu[^:\n]*:)\s*(\d+(?:\.\d+)?)\s*%")
        .expect("a constant pattern")
});
static MEMORY_SHARE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)Memory (?:Using Percentage(?: Is)?\s*:|utilization)\s*(\d+(?:\.\d+)?)\s*(?:%|percent)")
        .expect("a constant pattern")
});
static MEMORY_IOS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\s*Processor\s+\S+\s+(\d+)\s+(\d+)").expect("a constant pattern"));

static IDLE_JUNOS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\s*Idle\s+(\d+) percent").expect("a constant pattern"));

/// CPU use in percent.
pub fn cpu_percent(text: &str) -> Option<f64> {
    if let Some(idle) = IDLE_JUNOS.captures(text) {
        return idle[1].parse::<f64>().ok().map(|idle| 100.0 - idle);
    }
    CPU.captures(text)?[1].parse().ok()
}

/// Memory in use, in percent.
pub fn memory_percent(text: &str) -> Option<f64> {
    if let Some(found) = MEMORY_SHARE.captures(text) {
        return found[1].parse().ok();
    }
    let found = MEMORY_IOS.captures(text)?;
    let (total, used): (f64, f64) = (found[1].parse().ok()?, found[2].parse().ok()?);
    (total > 0.0).then(|| (used / total * 1000.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_each_platform() {
        let ios = "Neighbor ID     Pri   State           Dead Time   Address         Interface\n10.255.1.2        1   FULL/  -        00:00:03    10.1.0.2        GigabitEthernet0/1\n";
        let found = neighbors(Platform::Ios, ios);
        assert_eq!(found[0].state, "Full");
        assert_eq!(
            (found[0].interface.as_str(), found[0].address.as_deref()),
            ("GigabitEthernet0/1", Some("10.1.0.2"))
        );
        let frr = "\nNeighbor ID     Pri State           Up Time         Dead Time Address         Interface                        RXmtL RqstL DBsmL\n10.255.0.3        1 Full/-          1m02s             3.200s 10.0.0.2        to-core2:10.0.0.1                    0     0     0\n";
        let found = neighbors(Platform::Frr, frr);
        assert_eq!(
            (found[0].interface.as_str(), found[0].address.as_deref()),
            ("to-core2", Some("10.0.0.2"))
        );
        let vrp = "\t OSPF Process 100 with Router ID 10.255.1.2\n\t\t  Peer Statistic Information\n ----\n Area Id          Interface                        Neighbor id      State\n 0.0.0.0          GigabitEthernet0/0/1             10.255.1.1       ExStart\n";
        let found = neighbors(Platform::Vrp, vrp);
        assert_eq!(
            (found[0].id.as_str(), found[0].state.as_str(), found[0].process),
            ("10.255.1.1", "ExStart", Some(100))
        );
    }

    #[test]
    fn interfaces_of_each_platform() {
        let ios = "Interface                  IP-Address      OK? Method Status                Protocol\nGigabitEthernet0/0         127.0.10.1      YES NVRAM  up                    up\nGigabitEthernet0/1         unassigned      YES unset  administratively down down\n";
        let found = interfaces(Platform::Ios, ios);
        assert_eq!(found.len(), 2);
        assert!(found[0].up && !found[1].admin_up && found[1].address.is_none());
        let vrp = "*down: administratively down\nInterface                         IP Address/Mask      Physical   Protocol\nGigabitEthernet0/0/2              unassigned           *down      down\nLoopBack0                         10.255.1.2/32        up         up(s)\n";
        let found = interfaces(Platform::Vrp, vrp);
        assert_eq!(found.len(), 2);
        assert!(!found[0].admin_up && found[1].up);
        let frr = "Interface       Status  VRF             Addresses\n---------       ------  ---             ---------\neth1            up      default         10.1.0.1/30\n";
        assert_eq!(interfaces(Platform::Frr, frr)[0].address.as_deref(), Some("10.1.0.1"));
    }

    #[test]
    fn an_interface_that_exists_on_paper_only_is_told_by_frrs_long_table() {
        let text = "Interface eth1 is up, line protocol is up\n  vrf: default\n  index 2 metric 0 mtu 1500 speed 10000 \nInterface nope0 is down\n  Link ups:       0    last: (never)\n  vrf: default\n  Description: pseudo interface of mine\n  pseudo interface\n";
        assert_eq!(frr_phantoms(text), ["nope0"]);
    }

    #[test]
    fn pings_of_each_platform() {
        let full = Some(Echoes { sent: 5, received: 5 });
        assert_eq!(
            echoes(Platform::Ios, "!!!!!\nSuccess rate is 100 percent (5/5), round-trip\n"),
            full
        );
        assert_eq!(
            echoes(
                Platform::Vrp,
                "  5 packet(s) transmitted\n  5 packet(s) received\n  0.00% packet loss\n"
            ),
            full
        );
        assert_eq!(
            echoes(Platform::Frr, "5 packets transmitted, 5 received, 0% packet loss\n"),
            full
        );
        assert_eq!(echoes(Platform::Ios, "% Unrecognized host\n"), None);
    }

    #[test]
    fn cpu_and_memory() {
        assert_eq!(
            cpu_percent("CPU utilization for five seconds: 5%/0%; one minute: 6%"),
            Some(5.0)
        );
        assert_eq!(cpu_percent("CPU Usage            : 7% Max: 60%"), Some(7.0));
        assert_eq!(memory_percent("Memory Using Percentage Is: 43%"), Some(43.0));
        assert_eq!(
            memory_percent("      Head    Total(b)     Used(b)\nProcessor   7F2B     200     50   150\n"),
            Some(25.0)
        );
    }
}
