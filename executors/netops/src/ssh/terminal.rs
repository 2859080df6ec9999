//! Makes sense of the bytes that a device's terminal sends. Pure.

use std::sync::LazyLock;

use regex::Regex;

use crate::platform::Platform;

static ESCAPES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78DEHM]|\x07|\x00").expect("a constant pattern")
});

/// Log lines that a device writes between (or into) everything else.
static LOG_LINES: LazyLock<Regex> = LazyLock::new(|| {
    let month = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
    let ios = format!(
        r"[*.]?{month} +\d{{1,2}} (?:\d{{4}} )?\d\d:\d\d:\d\d(?:\.\d+)?(?: \w+)?: %[A-Z0-9_]+-\d-[A-Z0-9_]+:[^\n]*"
    );
    let vrp = format!(r"{month} +\d{{1,2}} \d{{4}} \d\d:\d\d:\d\d[^\n%]* %%\d\d\w+/\d+/\w+[^\n]*");
    let frr = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)? [A-Z]+: [^\n]*";
    let junos = format!(r"{month} +\d{{1,2}} \d\d:\d\d:\d\d +\S+ \w+\[\d+\]: [^\n]*");
    Regex::new(&format!(r"\n?(?:{ios}|{vrp}|{frr}|{junos})\n")).expect("a constant pattern")
});

static MORE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r" *-{2,4} ?More ?-{2,4} *|-{3}\(more(?: \d+%)?\)-{3} *").expect("a constant pattern"));

static QUESTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:\[confirm\]|\[yes,no\](?: \((?:yes|no)\))?|[\[(]y(?:es)?/n(?:o)?[\])](?:\s*\[[yn]\])?|\[[^\]\n]*\]\?|password|\?)\s*:?\s*$")
        .expect("a constant pattern")
});

/// What the terminal shows, in two readings: log lines may have stood between two lines, or within one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// Log lines taken out, line break kept.
    between: String,
    /// Log lines taken out, the halves joined.
    joined: String,
}

impl Screen {
    /// Reads raw terminal bytes.
    pub fn read(raw: &[u8]) -> Self {
        let text = settle(&ESCAPES.replace_all(&String::from_utf8_lossy(raw), ""));
        let text = MORE.replace_all(&text, "").into_owned();
        let mut joined = text.clone();
        // Two log lines in a row share a line break, so that one pass leaves every second one.
        while LOG_LINES.is_match(&joined) {
            joined = LOG_LINES.replace(&joined, "").into_owned();
        }
        let mut between = text;
        while LOG_LINES.is_match(&between) {
            between = LOG_LINES.replace(&between, "\n").into_owned();
        }
        Self { between, joined }
    }

    /// Whether the terminal waits for a key before it shows more.
    pub fn pages(raw: &[u8]) -> bool {
        let text = settle(&ESCAPES.replace_all(&String::from_utf8_lossy(raw), ""));
        let last = text.rsplit('\n').next().unwrap_or_default().trim_end();
        MORE.find(last)
            .is_some_and(|more| more.end() == last.len() && last.len() - more.start() > 4)
    }

    /// The output after the echo of `line`, and the prompt that ended it; `None` while the answer is not complete.
    pub fn answer(&self, line: &str, prompt: &Prompt) -> Option<Answer> {
        let (between, joined) = self.after_echo(line)?;
        let (mode, certain) = prompt.at_end(&self.joined)?;
        Some(Answer {
            text: without_prompts(between, prompt),
            joined: without_prompts(joined, prompt),
            mode,
            certain,
        })
    }

    /// A question that the device puts after the echo of `line`.
    pub fn question(&self, line: &str) -> Option<String> {
        let (_, joined) = self.after_echo(line)?;
        let last = joined.rsplit('\n').next()?.trim();
        QUESTION.is_match(last).then(|| last.to_owned())
    }

    /// What follows the echo, in both readings. A log line within the echo hides it in one of them, a log line right
    /// behind it in the other.
    fn after_echo(&self, line: &str) -> Option<(&str, &str)> {
        match (after_echo(&self.between, line), after_echo(&self.joined, line)) {
            (Some(between), Some(joined)) => Some((between, joined)),
            (between, joined) => between.or(joined).map(|only| (only, only)),
        }
    }

    /// The last line, where a login waits.
    pub fn last_line(&self) -> &str {
        self.joined.rsplit('\n').next().unwrap_or_default().trim()
    }
}

/// Output of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    /// The same where a log line is taken to have cut a line in two.
    pub joined: String,
    pub mode: Mode,
    /// The prompt stood alone on its line. Otherwise a moment of silence must confirm it.
    pub certain: bool,
}

/// The mode that a prompt shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// `name>` of ios.
    User,
    /// `name#`, or `<name>` of vrp.
    Exec,
    /// `name(config-if)#` or `[name-…]`: what the brackets say.
    Config(String),
}

/// A device's prompt, once its name is known.
#[derive(Debug, Clone)]
pub struct Prompt {
    platform: Platform,
    pattern: Regex,
}

impl Prompt {
    /// The prompt of the device that calls itself `hostname`.
    pub fn new(platform: Platform, hostname: &str) -> Self {
        // ios shortens long names inside the modes' prompts.
        let short: String = hostname.chars().take(20).collect();
        let (short, rest) = (
            regex::escape(&short),
            if hostname.chars().count() > 20 { r"\S*?" } else { "" },
        );
        let pattern = match platform {
            Platform::Vrp => {
                format!(r"(?P<user><{short}{rest}>)|\[[~*]?{short}{rest}(?P<view>-[^\]\s]+)?\]")
            }
            Platform::Junos => format!(r"[\w.-]+@{short}{rest}(?P<sign>[>#])"),
            Platform::Ios | Platform::Frr | Platform::Netconf => {
                format!(r"{short}{rest}(?:\((?P<view>[\w./:-]+)\))?(?P<sign>[>#])")
            }
        };
        let pattern = Regex::new(&format!(r"(?:{pattern})\s*$")).expect("an escaped name fits the pattern");
        Self { platform, pattern }
    }

    /// The name in a prompt that is seen for the first time.
    pub fn learn(platform: Platform, line: &str) -> Option<String> {
        static PLAIN: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"^([\w.-]+)(?:\([\w./:-]+\))?[>#]\s*$").expect("a constant pattern"));
        static ANGLED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^<([\w.-]+)>\s*$").expect("a constant pattern"));
        static USER_AT: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"^[\w.-]+@([\w.-]+)[>#]\s*$").expect("a constant pattern"));
        let pattern = match platform {
            Platform::Vrp => &ANGLED,
            Platform::Junos => &USER_AT,
            Platform::Ios | Platform::Frr | Platform::Netconf => &PLAIN,
        };
        Some(pattern.captures(line.trim())?[1].to_owned())
    }

    /// The mode, if `text` ends in this prompt, and whether it stands alone on its line.
    pub fn at_end(&self, text: &str) -> Option<(Mode, bool)> {
        let last = text.rsplit('\n').next().unwrap_or_default();
        let found = self.pattern.captures(last)?;
        let alone = last[..found.get(0)?.start()].trim().is_empty();
        let view = found
            .name("view")
            .map(|view| view.as_str().trim_start_matches('-').to_owned());
        let mode = match (self.platform, view) {
            (Platform::Vrp, _) if found.name("user").is_some() => Mode::Exec,
            (Platform::Vrp, view) => Mode::Config(view.unwrap_or_default()),
            (Platform::Junos, _) if found.name("sign").is_some_and(|sign| sign.as_str() == ">") => Mode::Exec,
            (Platform::Junos, _) => Mode::Config(String::new()),
            (_, Some(view)) => Mode::Config(view),
            (_, None) if found.name("sign").is_some_and(|sign| sign.as_str() == ">") => Mode::User,
            (_, None) => Mode::Exec,
        };
        Some((mode, alone))
    }
}

/// Plays carriage returns and backspaces as a terminal would.
fn settle(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut line: Vec<char> = Vec::new();
    let mut cursor = 0_usize;
    for c in text.replace("\r\n", "\n").replace("\r\r", "\r").chars() {
        match c {
            '\n' => {
                out.extend(line.drain(..));
                out.push('\n');
                cursor = 0;
            }
            '\r' => cursor = 0,
            '\x08' => cursor = cursor.saturating_sub(1),
            _ => {
                if cursor < line.len() {
                    line[cursor] = c;
                } else {
                    line.push(c);
                }
                cursor += 1;
            }
        }
    }
    out.extend(line);
    out
}

fn after_echo<'a>(text: &'a str, line: &str) -> Option<&'a str> {
    let mut from = 0;
    while let Some(at) = text[from..].find(line) {
        let rest = &text[from + at + line.len()..];
        let trimmed = rest.trim_start_matches(' ');
        if let Some(output) = trimmed.strip_prefix('\n') {
            return Some(output);
        }
        from += at + line.len().max(1);
    }
    None
}

/// Drops prompts that the device printed again after a log line, and the halves of one that was cut.
fn without_prompts(text: &str, prompt: &Prompt) -> String {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let last = lines.pop().unwrap_or_default();
    if prompt.at_end(last).is_none_or(|(_, alone)| !alone)
        && let Some(previous) = lines.last()
        && prompt.at_end(&format!("{previous}{last}")).is_some()
    {
        lines.pop();
    }
    lines.retain(|line| prompt.at_end(line).is_none_or(|(_, alone)| !alone));
    let text = lines.join("\n");
    text.trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ios() -> Prompt {
        Prompt::new(Platform::Ios, "bj-core-1")
    }

    const LOG: &str =
        "*Nov 22 18:00:00.123: %OSPF-5-ADJCHG: Process 1, Nbr 10.255.1.2 on Gi0/1 from LOADING to FULL, Loading Done";

    fn read(text: &str) -> Screen {
        Screen::read(text.as_bytes())
    }

    #[test]
    fn an_answer_is_what_stands_between_echo_and_prompt() {
        let screen = read("show clock\r\n18:00\r\nbj-core-1#");
        let answer = screen.answer("show clock", &ios()).unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.mode, answer.certain),
            ("18:00", Mode::Exec, true)
        );
    }

    #[test]
    fn a_prompt_before_the_echo_ends_nothing() {
        let screen = read(&format!("\r\n{LOG}\r\nbj-core-1#"));
        assert_eq!(screen.answer("show clock", &ios()), None);
    }

    #[test]
    fn a_log_line_may_come_anywhere() {
        for text in [
            format!("\r\n{LOG}\r\nbj-core-1#show clock\r\n18:00\r\nbj-core-1#"),
            format!("show cl\r\n{LOG}\r\nock\r\n18:00\r\nbj-core-1#"),
            format!("show cl\r\n{LOG}\r\nbj-core-1#show clock\r\n18:00\r\nbj-core-1#"),
            format!("show clock\r\n{LOG}\r\n18:00\r\nbj-core-1#"),
            format!("show clock\r\n18:00\r\n{LOG}\r\n{LOG}\r\nbj-core-1#"),
            format!("show clock\r\n18:00\r\nbj-co\r\n{LOG}\r\nre-1#"),
            format!("show clock\r\n18:00\r\nbj-co{LOG}\r\nre-1#"),
            format!("show clock\r\n18:00\r\nbj-co\r\n{LOG}\r\nbj-core-1#"),
            format!("show clock\r\n18:00\r\nbj-core-1#\r\n{LOG}\r\nbj-core-1#"),
        ] {
            let answer = read(&text)
                .answer("show clock", &ios())
                .unwrap_or_else(|| panic!("{text}"));
            assert_eq!(answer.mode, Mode::Exec);
            assert!(answer.text.starts_with("18:00"), "{text:?} -> {:?}", answer.text);
            assert!(!answer.text.contains("ADJCHG"));
        }
        assert_eq!(
            read(&format!("show clock\r\n18:00\r\nbj-core-1#\r\n{LOG}")).answer("show clock", &ios()),
            None
        );
    }

    #[test]
    fn modes_are_read_from_prompts() {
        let vrp = Prompt::new(Platform::Vrp, "bj-core-2");
        assert_eq!(vrp.at_end("<bj-core-2>"), Some((Mode::Exec, true)));
        assert_eq!(vrp.at_end("[bj-core-2]"), Some((Mode::Config(String::new()), true)));
        assert_eq!(
            vrp.at_end("[bj-core-2-ospf-100-area-0.0.0.0]").unwrap().0,
            Mode::Config("ospf-100-area-0.0.0.0".into())
        );
        assert_eq!(
            vrp.at_end("[bj-core-2-GigabitEthernet0/0/1]").unwrap().0,
            Mode::Config("GigabitEthernet0/0/1".into())
        );
        assert_eq!(
            ios().at_end("bj-core-1(config-if)#").unwrap().0,
            Mode::Config("config-if".into())
        );
        assert_eq!(ios().at_end("bj-core-1>").unwrap().0, Mode::User);
        assert_eq!(
            Prompt::new(Platform::Frr, "core1").at_end("core1# ").unwrap().0,
            Mode::Exec
        );
    }

    #[test]
    fn a_pager_is_seen_and_leaves_no_trace() {
        let raw = b"show run\r\nline 1\r\n --More-- ";
        assert!(Screen::pages(raw));
        let after = "show run\r\nline 1\r\n --More-- \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08line 2\r\nbj-core-1#";
        let answer = read(after).answer("show run", &ios()).unwrap();
        assert_eq!(
            answer.text.lines().map(str::trim_end).collect::<Vec<_>>(),
            ["line 1", "line 2"]
        );
        assert!(Screen::pages(b"x\r\n  ---- More ----"));
        assert!(!Screen::pages(b"x\r\nbj-core-1#"));
    }

    #[test]
    fn questions_are_seen() {
        for asked in [
            "save\r\nThe current configuration will be written. Are you sure to continue?[Y/N]",
            "save\r\nAre you sure to continue? [Y/N]:",
            "save\r\nProceed with reload? [confirm]",
            "save\r\nDestination filename [startup-config]? ",
        ] {
            assert!(read(asked).question("save").is_some(), "{asked}");
        }
        assert_eq!(read("save\r\nbj-core-1#").question("save"), None);
    }
}
