//! What devices say apart from show commands: prompts, refusals, questions, syslog lines, ping.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::command::Mode;
use super::dataplane::Loss;
use super::grammar::Fault;
use super::model::{Config, Dialect};

/// The prompt, without a line break.
pub(crate) fn prompt(config: &Config, mode: &Mode) -> String {
    let name = &config.hostname;
    match (config.dialect, mode) {
        (Dialect::Ios, Mode::User) => format!("{name}>"),
        (Dialect::Ios, Mode::Exec) => format!("{name}#"),
        (Dialect::Ios, mode) => format!("{name}({})#", mode.name()),
        (Dialect::Junos, Mode::User | Mode::Exec) => format!("flyball@{name}> "),
        (Dialect::Junos, _) => format!("\n[edit]\nflyball@{name}# "),
        (Dialect::Frr, Mode::User | Mode::Exec) => format!("{name}# "),
        (Dialect::Frr, mode) => format!("{name}({})# ", mode.name()),
        (Dialect::Vrp, Mode::User | Mode::Exec) => format!("<{name}>"),
        (Dialect::Vrp, Mode::Config) => format!("[{name}]"),
        (Dialect::Vrp, Mode::Interface(interface)) => format!("[{name}-{interface}]"),
        (Dialect::Vrp, Mode::Ospf(process)) => format!("[{name}-ospf-{process}]"),
        (Dialect::Vrp, Mode::Area(process, area)) => {
            format!("[{name}-ospf-{process}-area-{}]", area.as_dotted())
        }
    }
}

/// A refusal. The caret stands under the word, which the terminal shows behind the prompt.
pub(crate) fn refusal(dialect: Dialect, prompt: &str, line: &str, fault: &Fault) -> String {
    let shown = prompt.rsplit('\n').next().unwrap_or(prompt);
    let caret = format!("{}^", " ".repeat(shown.chars().count() + fault.offset()));
    match (dialect, fault) {
        (Dialect::Ios, Fault::Unknown { .. } | Fault::WrongParameter { .. }) => {
            format!("{caret}\n% Invalid input detected at '^' marker.\n\n")
        }
        (Dialect::Ios, Fault::Incomplete { .. }) => "% Incomplete command.\n\n".to_owned(),
        (Dialect::Ios, Fault::Ambiguous { .. }) => format!("% Ambiguous command:  \"{line}\"\n"),
        (Dialect::Vrp, Fault::Unknown { .. }) => {
            format!("{caret}\nError: Unrecognized command found at '^' position.\n")
        }
        (Dialect::Vrp, Fault::WrongParameter { .. }) => {
            format!("{caret}\nError: Wrong parameter found at '^' position.\n")
        }
        (Dialect::Vrp, Fault::Incomplete { .. }) => {
            format!("{caret}\nError:Incomplete command found at '^' position.\n")
        }
        (Dialect::Vrp, Fault::Ambiguous { .. }) => {
            format!("{caret}\nError:Ambiguous command found at '^' position.\n")
        }
        (Dialect::Junos, Fault::Unknown { .. }) => format!("{caret}\nunknown command.\n"),
        (Dialect::Junos, Fault::WrongParameter { .. }) => format!("{caret}\nsyntax error.\n"),
        (Dialect::Junos, Fault::Incomplete { .. }) => format!("{caret}\nmissing argument.\n"),
        (Dialect::Junos, Fault::Ambiguous { .. }) => format!("{caret}\n'{line}' is ambiguous.\n"),
        (Dialect::Frr, Fault::Unknown { .. } | Fault::WrongParameter { .. }) => {
            format!("% Unknown command: {line}\n")
        }
        (Dialect::Frr, Fault::Incomplete { .. }) => format!("% Command incomplete: {line}\n"),
        (Dialect::Frr, Fault::Ambiguous { .. }) => "% Ambiguous command.\n".to_owned(),
    }
}

/// What saving prints, after any question.
pub(crate) fn saved(dialect: Dialect, worked: bool) -> &'static str {
    match (dialect, worked) {
        (Dialect::Ios, true) => "Building configuration...\n[OK]\n",
        (Dialect::Ios, false) => "Building configuration...\nstartup-config file open failed (Not enough space)\n",
        (Dialect::Vrp, true) => {
            "Now saving the current configuration to the slot 0.\nInfo: Save the configuration successfully.\n"
        }
        (Dialect::Vrp, false) => {
            "Now saving the current configuration to the slot 0.\nError: Failed to save the configuration: the storage space is insufficient.\n"
        }
        // A commit saves.
        (Dialect::Junos, _) => "",
        (Dialect::Frr, true) => {
            "Note: this version of vtysh never writes vtysh.conf\nBuilding Configuration...\nIntegrated configuration saved to /etc/frr/frr.conf\n[OK]\n"
        }
        (Dialect::Frr, false) => {
            "Note: this version of vtysh never writes vtysh.conf\nBuilding Configuration...\nError renaming /etc/frr/frr.conf to /etc/frr/frr.conf.sav: Permission denied\n% Error: failed to open configuration file /etc/frr/frr.conf: Permission denied\n"
        }
    }
}

/// The name of a month, the civil date and the time of day of a moment (milliseconds since 1970, UTC).
pub(crate) fn clock(ms: u64, format: &str) -> String {
    let moment = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default();
    jiff::fmt::strtime::format(format, moment).unwrap_or_default()
}

/// The far end of an adjacency as the near end names it.
pub(crate) struct Neighbour<'a> {
    pub(crate) process: u16,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) address: Ipv4Addr,
    pub(crate) interface: &'a str,
}

/// The syslog line about an adjacency that came up or went down.
pub(crate) fn adjacency(config: &Config, neighbour: &Neighbour<'_>, up: bool, ms: u64) -> String {
    let Neighbour {
        process,
        router_id,
        address,
        interface,
    } = neighbour;
    match config.dialect {
        Dialect::Ios => {
            let change = if up {
                "LOADING to FULL, Loading Done"
            } else {
                "FULL to DOWN, Neighbor Down: Dead timer expired"
            };
            let time = clock(ms, "%b %d %H:%M:%S%.3f");
            format!("*{time}: %OSPF-5-ADJCHG: Process {process}, Nbr {router_id} on {interface} from {change}")
        }
        Dialect::Vrp => {
            let time = clock(ms, "%b %d %Y %H:%M:%S+00:00");
            let (event, before, now) = if up {
                ("LoadingDone", "Loading", "Full")
            } else {
                ("InactivityTimer", "Full", "Down")
            };
            format!(
                "{time} {} %%01OSPF/4/NBR_CHANGE_E(l)[0]:Neighbor changes event: neighbor status changed. (ProcessId={process}, NeighborAddress={address}, NeighborEvent={event}, NeighborPreviousState={before}, NeighborCurrentState={now})",
                config.hostname
            )
        }
        Dialect::Junos => {
            let time = clock(ms, "%b %d %H:%M:%S");
            let change = if up {
                "changed from Loading to Full (event LoadDone)"
            } else {
                "changed from Full to Down (event InactiveTimer)"
            };
            format!(
                "{time}  {} rpd[1842]: RPD_OSPF_NBRUP: OSPF neighbor {address} (realm ospf-v2 {interface}.0 area 0.0.0.0) state {change}",
                config.hostname
            )
        }
        Dialect::Frr => {
            let time = clock(ms, "%Y/%m/%d %H:%M:%S");
            let change = if up {
                "from Loading to Full"
            } else {
                "from Full to Deleted"
            };
            format!("{time} OSPF: [HKQ86-RZ6F8] AdjChg: Nbr {router_id}(default) on {interface}:{address}: {change}")
        }
    }
}

/// The syslog line of IOS after somebody left configuration mode.
pub(crate) fn configured(user: &str, peer: &str, ms: u64) -> String {
    let time = clock(ms, "%b %d %H:%M:%S%.3f");
    format!("*{time}: %SYS-5-CONFIG_I: Configured from console by {user} on vty0 ({peer})")
}

/// A ping's output: all answers or none. The real vtysh pings until Ctrl-C; this one stops by itself.
pub(crate) fn ping(dialect: Dialect, destination: Ipv4Addr, count: u32, result: &Result<Vec<String>, Loss>) -> String {
    match dialect {
        Dialect::Ios => ping_ios(destination, count, result),
        Dialect::Vrp => ping_vrp(destination, count, result.is_ok()),
        Dialect::Frr => ping_linux(destination, count, result),
        Dialect::Junos => ping_junos(destination, count, result.is_ok()),
    }
}

fn ping_ios(destination: Ipv4Addr, count: u32, result: &Result<Vec<String>, Loss>) -> String {
    if *result == Err(Loss::NoSuchSource) {
        return "% Invalid source address- IP address not on any of our up interfaces\n".to_owned();
    }
    let count_text = usize::try_from(count).unwrap_or(5);
    let (mark, percent, got) = if result.is_ok() { ("!", 100, count) } else { (".", 0, 0) };
    let mut out = format!(
        "Type escape sequence to abort.\nSending {count}, 100-byte ICMP Echos to {destination}, timeout is 2 seconds:\n{}\nSuccess rate is {percent} percent ({got}/{count})",
        mark.repeat(count_text)
    );
    if result.is_ok() {
        out.push_str(", round-trip min/avg/max = 1/1/4 ms");
    }
    out.push('\n');
    out
}

fn ping_vrp(destination: Ipv4Addr, count: u32, arrived: bool) -> String {
    let mut out = format!("  PING {destination}: 56  data bytes, press CTRL_C to break\n");
    for sequence in 1..=count {
        let _ = if arrived {
            writeln!(
                out,
                "    Reply from {destination}: bytes=56 Sequence={sequence} ttl=254 time=1 ms"
            )
        } else {
            writeln!(out, "    Request time out")
        };
    }
    let (got, lost) = if arrived { (count, "0.00") } else { (0, "100.00") };
    let _ = write!(
        out,
        "\n  --- {destination} ping statistics ---\n    {count} packet(s) transmitted\n    {got} packet(s) received\n    {lost}% packet loss\n"
    );
    if arrived {
        out.push_str("    round-trip min/avg/max = 1/1/2 ms\n");
    }
    out.push('\n');
    out
}

fn ping_junos(destination: Ipv4Addr, count: u32, arrived: bool) -> String {
    let mut out = format!("PING {destination} ({destination}): 56 data bytes\n");
    let (got, lost) = if arrived { (count, 0) } else { (0, 100) };
    for sequence in 0..got {
        let _ = writeln!(
            out,
            "64 bytes from {destination}: icmp_seq={sequence} ttl=63 time=0.512 ms"
        );
    }
    let _ = writeln!(
        out,
        "\n--- {destination} ping statistics ---\n{count} packets transmitted, {got} packets received, {lost}% packet loss"
    );
    if arrived {
        out.push_str("round-trip min/avg/max/stddev = 0.489/0.512/0.540/0.021 ms\n");
    }
    out
}

fn ping_linux(destination: Ipv4Addr, count: u32, result: &Result<Vec<String>, Loss>) -> String {
    if *result == Err(Loss::NoRoute) {
        return "ping: connect: Network is unreachable\n".to_owned();
    }
    let mut out = format!("PING {destination} ({destination}) 56(84) bytes of data.\n");
    let (got, lost) = if result.is_ok() { (count, 0) } else { (0, 100) };
    for sequence in 1..=got {
        let _ = writeln!(
            out,
            "64 bytes from {destination}: icmp_seq={sequence} ttl=63 time=0.071 ms"
        );
    }
    let _ = writeln!(
        out,
        "\n--- {destination} ping statistics ---\n{count} packets transmitted, {got} received, {lost}% packet loss, time {}ms",
        u64::from(count.saturating_sub(1)) * 1_000
    );
    if result.is_ok() {
        out.push_str("rtt min/avg/max/mdev = 0.060/0.071/0.081/0.008 ms\n");
    }
    out
}
