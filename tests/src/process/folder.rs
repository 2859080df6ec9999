//! An operator's folder around the ledger: settings, contracts, and a policy that lets every write run unattended.

use super::Programs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const CONTRACTS: &str = r#"contracts:
  ledger/noop: {effect: idempotent, targets: "['ledger:noop-' + string(args.n)]", settle_after: 100ms}
  ledger/read: {effect: read}
  ledger/get: {effect: read, timeout: TIMEOUT}
  ledger/set:
    effect: reversible
    targets: "['ledger:' + args.name]"
    probe: {tool: ledger/get, args: {name: "${args.name}"}, valid: "has(output.present)", select: "output"}
    holds: "state.present && state.value == args.value"
    undo:
      - {when: "!before.present", tool: ledger/unset, args: {name: "${args.name}"}}
      - {tool: ledger/set, args: {name: "${args.name}", value: "${before.value}"}}
    timeout: TIMEOUT
    settle_after: SETTLE_AFTER
    resend: RESEND
  ledger/unset:
    effect: reversible
    targets: "['ledger:' + args.name]"
    probe: {tool: ledger/get, args: {name: "${args.name}"}, valid: "has(output.present)", select: "output"}
    holds: "!state.present"
    undo:
      - {when: "before.present", tool: ledger/set, args: {name: "${args.name}", value: "${before.value}"}}
    timeout: TIMEOUT
    settle_after: SETTLE_AFTER
    resend: RESEND
"#;

const POLICY: &str = r#"@id("ledger.unattended")
@reason("a ledger is nobody's network")
permit (principal, action == Action::"call_unattended", resource);
"#;

/// How the ledger is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Stdio,
    Http,
}

/// Which wire form the ledger speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// What the folder is to say.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// None: no tool server at all.
    pub ledger: Option<(Over, Era)>,
    /// Whether the ledger syncs each line before it answers.
    pub synced: bool,
    /// The contracts' `timeout` and `settle_after`.
    pub timeout: &'static str,
    pub settle_after: &'static str,
    /// The contracts' `resend`.
    pub resend: &'static str,
    /// Whether the ledger, as a child, runs behind a wrapper, in a session of its own, and is told of no end of its input
    /// for a minute.
    pub left_session: bool,
}

impl Setup {
    /// A child is fenced by its death. Over HTTP the server outlives the engine, so there its `settle_after` is trusted.
    pub fn with(over: Over, era: Era) -> Self {
        Self {
            ledger: Some((over, era)),
            synced: true,
            timeout: "20s",
            settle_after: "200ms",
            resend: if over == Over::Stdio { "fenced" } else { "bound" },
            left_session: false,
        }
    }
}

fn contracts(setup: Setup) -> String {
    let places = [
        ("TIMEOUT", setup.timeout),
        ("SETTLE_AFTER", setup.settle_after),
        ("RESEND", setup.resend),
    ];
    let fill = |text: String, (place, value): (&str, &str)| text.replace(place, value);
    places.into_iter().fold(CONTRACTS.to_owned(), fill)
}

/// The folder. Removed with it: the engine's data, the ledger's. Left where it is if a test fails over it.
pub struct Folder {
    dir: TempDir,
    pub setup: Setup,
    pub programs: Programs,
}

impl Folder {
    pub fn new(programs: &Programs, setup: Setup) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("flyball-process-")
            .tempdir()
            .expect("a folder can be made");
        let folder = Self {
            dir,
            setup,
            programs: programs.clone(),
        };
        for (name, text) in [
            ("flyball.yaml", "{}".to_owned()),
            ("contracts/ledger.yaml", contracts(setup)),
            ("policies/unattended.cedar", POLICY.to_owned()),
        ] {
            folder.write(name, &text);
        }
        std::fs::create_dir_all(folder.ledger_dir()).expect("a folder can be made");
        folder.settings(None);
        folder
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("flyball-data")
    }

    pub fn ledger_dir(&self) -> PathBuf {
        self.path().join("ledger")
    }

    /// The ledger's arguments.
    pub fn ledger_args(&self) -> Vec<String> {
        let (_, era) = self.setup.ledger.unwrap_or((Over::Stdio, Era::Modern));
        let dir = self.ledger_dir().display().to_string();
        let mut args = vec!["--dir".to_owned(), dir, "--era".to_owned(), era.name().to_owned()];
        if !self.setup.synced {
            args.push("--unsynced".to_owned());
        }
        args
    }

    fn ledger_command(&self) -> (String, Vec<String>) {
        let (command, args) = (self.programs.ledger.display().to_string(), self.ledger_args());
        if !self.setup.left_session {
            return (command, args);
        }
        let ledger = format!("{command} {}", args.join(" "));
        let script = format!("exec 3<&0; setsid sh -c '(cat; sleep 61) | {ledger}' <&3 & wait");
        ("sh".to_owned(), vec!["-c".to_owned(), script])
    }

    /// Writes the settings; over HTTP the ledger must be up, for its address.
    pub fn settings(&self, url: Option<&str>) {
        let server = match (self.setup.ledger, url) {
            (None, _) | (Some((Over::Http, _)), None) => String::new(),
            (Some((Over::Http, _)), Some(url)) => format!("mcp_servers:\n  ledger: {{url: \"{url}\"}}\n"),
            (Some((Over::Stdio, _)), _) => {
                let (command, args) = self.ledger_command();
                let args = serde_json::to_string(&args).expect("strings serialise");
                format!("mcp_servers:\n  ledger: {{command: \"{command}\", args: {args}}}\n")
            }
        };
        let rules = if self.setup.ledger.is_some() {
            "contracts: ./contracts\npolicies: ./policies\n"
        } else {
            ""
        };
        self.write(
            "flyball.yaml",
            &format!("listen: 127.0.0.1:0\nwrites: on\n{rules}{server}"),
        );
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        let parent = path.parent().expect("every file lies in the folder");
        std::fs::create_dir_all(parent).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    }
}

impl Drop for Folder {
    #[allow(
        clippy::print_stderr,
        reason = "whoever reads why a test failed wants to look further"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            eprintln!("left for a look: {}", self.path().display());
        }
    }
}
