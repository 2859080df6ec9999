//! Servers that a device uses for itself: time and logs. Which are configured, in each platform's words.

use super::Platform;
use super::config::Config;

/// What is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    pub ntp: Vec<String>,
    pub syslog: Vec<String>,
}

/// The lines' words before the address; none: the platform has no such line.
fn heads(platform: Platform) -> Option<(&'static str, &'static str)> {
    match platform {
        Platform::Ios => Some(("ntp server", "logging host")),
        Platform::Vrp => Some(("ntp-service unicast-server", "info-center loghost")),
        Platform::Junos => Some(("set system ntp server", "set system syslog host")),
        Platform::Frr | Platform::Netconf => None,
    }
}

/// Whether the platform can be told which servers to use: under frr the system below owns both.
pub fn are_configurable(platform: Platform) -> bool {
    heads(platform).is_some()
}

/// The servers of a configuration, in its order, each once.
pub fn read(platform: Platform, config: &Config) -> Services {
    let Some((ntp, syslog)) = heads(platform) else {
        return Services::default();
    };
    let named = |head: &str| {
        let mut found: Vec<String> = Vec::new();
        for node in &config.nodes {
            let address = super::config::after(&node.line, head).and_then(|rest| rest.split(' ').next());
            if let Some(address) = address.filter(|a| !found.iter().any(|known| known == a)) {
                found.push(address.to_owned());
            }
        }
        found
    };
    Services {
        ntp: named(ntp),
        syslog: named(syslog),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_in_the_words_of_each_platform() {
        for (platform, text) in [
            (
                Platform::Ios,
                "ntp server 10.0.0.1 prefer\nntp server 10.0.0.2\nlogging host 10.0.0.9\n",
            ),
            (
                Platform::Vrp,
                "ntp-service unicast-server 10.0.0.1\nntp-service unicast-server 10.0.0.2\ninfo-center loghost 10.0.0.9\n",
            ),
            (
                Platform::Junos,
                "set system ntp server 10.0.0.1\nset system ntp server 10.0.0.2\nset system syslog host 10.0.0.9 any info\n",
            ),
        ] {
            let found = read(platform, &Config::parse(text));
            assert_eq!(found.ntp, ["10.0.0.1", "10.0.0.2"], "{platform:?}");
            assert_eq!(found.syslog, ["10.0.0.9"], "{platform:?}");
        }
        assert!(!are_configurable(Platform::Frr));
    }
}
