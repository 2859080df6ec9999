//! Hears a device say no, wherever it hides the word.

use std::sync::LazyLock;

use regex::Regex;

use super::Platform;

/// The first line of `reply` in which the device refuses, if it does.
pub fn find(platform: Platform, reply: &str) -> Option<String> {
    let refused = match platform {
        Platform::Ios | Platform::Frr => percent_refuses,
        Platform::Vrp => vrp_refuses,
        Platform::Junos => junos_refuses,
        Platform::Netconf => return None,
    };
    let line = reply
        .lines()
        .map(str::trim)
        .find(|line| refused(line) || EVERYWHERE.is_match(line))?;
    Some(line.to_owned())
}

/// Words that mean no on every platform; FRR says several of them without a percent sign.
static EVERYWHERE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)permission denied|can't open configuration file [^\n]*(?:denied|space)|^please (?:remove|configure|specify)\b|unknown command|^command (?:incomplete|rejected|failed|authorization failed)|^(?:error|failed)\b[: ]|is not running$|no space left|not enough space|\bopen failed\b|^[a-z_]+ is not running",
    )
    .expect("a constant pattern")
});

/// `%` starts most refusals, and some remarks.
static REMARK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^%\s*(?:warning\b|note\b|info\b|generating\b|.* overlaps with .* \(allowed\))|^%[A-Z0-9_]+-[4-7]-")
        .expect("a constant pattern")
});

fn percent_refuses(line: &str) -> bool {
    line.starts_with('%') && !REMARK.is_match(line)
}

fn vrp_refuses(line: &str) -> bool {
    let word = line.strip_prefix("Error").or_else(|| line.strip_prefix("error"));
    word.is_some_and(|rest| rest.starts_with([':', ' ', '(']))
}

fn junos_refuses(line: &str) -> bool {
    let said = ["syntax error", "missing argument", "unknown command", "invalid value"];
    line.starts_with("error:") || said.iter().any(|said| line.starts_with(said)) || line.ends_with("is ambiguous.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_heard() {
        for (platform, reply) in [
            (Platform::Ios, "     ^\n% Invalid input detected at '^' marker.\n"),
            (Platform::Ios, "% Incomplete command.\n"),
            (Platform::Ios, "% Ambiguous command:  \"i\"\n"),
            (
                Platform::Vrp,
                "         ^\nError: Unrecognized command found at '^' position.\n",
            ),
            (Platform::Vrp, "Error:Incomplete command found at '^' position.\n"),
            (Platform::Vrp, "Error[x]\nError (code 3)\n"),
            (Platform::Frr, "% OSPF is not running in instance mode\n"),
            (Platform::Frr, "% Unknown command: network 10.0.0.0 0.0.0.255 area 0\n"),
            (Platform::Frr, "Please remove all network commands first.\n"),
            (
                Platform::Frr,
                "Building Configuration...\nCan't open configuration file /etc/frr/frr.conf.xyz: Permission denied\n",
            ),
            (Platform::Frr, "ospfd is not running\n"),
        ] {
            assert!(find(platform, reply).is_some(), "{reply}");
        }
    }

    #[test]
    fn remarks_are_not_refusals() {
        for (platform, reply) in [
            (Platform::Frr, "% Warning: can't chown configuration file\n[OK]\n"),
            (Platform::Ios, "Building configuration...\n[OK]\n"),
            (Platform::Vrp, "Info: The configuration takes effect at once.\n"),
            (Platform::Vrp, "Warning: The cost is high.\n"),
            (
                Platform::Ios,
                "OSPF: Reload or use \"clear ip ospf process\" command, for this to take effect\n",
            ),
        ] {
            assert_eq!(find(platform, reply), None, "{reply}");
        }
    }
}
