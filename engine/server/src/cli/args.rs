//! What can be typed.

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Closed-loop intent automation for networks: says what will change, asks, changes it, verifies it, takes it back.
#[derive(Debug, Parser)]
#[command(name = "flyball", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What was typed, with the environment under it. Ends the process over what cannot be, as clap does.
    pub fn typed() -> Self {
        let matches = without_empty_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|e| e.exit())
    }
}

/// A variable that is empty is as one that is not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.is_empty())
    };
    let command = command.mut_args(|arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg });
    command.mut_subcommands(without_empty_variables)
}

/// Goes with every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Where the server answers; default: that of the settings.
    #[arg(long, env = "FLYBALL_URL", global = true)]
    pub url: Option<String>,
    /// The settings file.
    #[arg(long, env = "FLYBALL_CONFIG", global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// No colours, no live drawing.
    #[arg(long, global = true)]
    pub no_color: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look, and show as a method of procedure what would be done; nothing is sent. `apply` goes on from there.
    Plan {
        #[command(flatten)]
        wish: Wish,
        /// Markdown, for a change ticket, and nothing else on standard output.
        #[arg(long, conflicts_with_all = ["json", "no_wait"])]
        markdown: bool,
    },
    /// Look, ask, change and verify: plan and apply in one.
    Submit(Wish),
    /// Go on with an intent that was planned.
    Apply(Follow),
    /// Show the change of an intent in the devices' own words, with the way back.
    Diff {
        intent: String,
        #[arg(long)]
        device: Option<String>,
    },
    /// List intents, newest first.
    List {
        /// A state, or `open`.
        #[arg(long)]
        state: Option<String>,
        #[arg(long)]
        origin: Option<String>,
        #[arg(long)]
        target: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show one intent: where it stands, the plan as a tree, the report once it has ended.
    Show {
        intent: String,
        /// Its plan as a method of procedure instead.
        #[arg(long)]
        procedure: bool,
        /// The procedure as Markdown, for a change ticket.
        #[arg(long, requires = "procedure", conflicts_with = "json")]
        markdown: bool,
    },
    /// Tell why an intent is planned and decided as it is, from its journal: runbook or model, tools shown and not, faults
    /// repaired, rules applied, who approved, what it cost.
    Why { intent: String },
    /// Follow an intent until it has ended or waits for a person.
    Watch {
        intent: String,
        /// Go on while it waits for a person, to its end.
        #[arg(long)]
        follow: bool,
    },
    /// Print an intent's plan as a graph.
    Graph {
        intent: String,
        /// DOT instead of Mermaid.
        #[arg(long)]
        dot: bool,
    },
    /// Approve what an intent waits for. Shows it first and asks, unless --digest or --yes is given.
    Approve(Approve),
    /// Deny what an intent waits for.
    Deny {
        /// The approval or its intent.
        id: String,
        #[arg(long)]
        comment: Option<String>,
    },
    /// Approvals that are waited for.
    Approvals,
    /// Stop an intent: nothing new is sent, what was sent is taken back.
    Cancel {
        #[command(flatten)]
        follow: Follow,
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take back what an intent did that has ended: a new intent with its own diff and approval.
    Undo {
        #[command(flatten)]
        follow: Follow,
        /// Look and show the diff only; `apply` goes on from there.
        #[arg(long)]
        plan: bool,
        /// The change ticket.
        #[arg(long)]
        change: Option<String>,
        /// Sending the same thing twice with one key does it once.
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Start nothing new until resumed.
    Pause {
        intent: String,
        #[arg(long)]
        reason: Option<String>,
    },
    /// Go on after a pause.
    Resume(Follow),
    /// Answer a question: fill in the form that a tool's server asks for, or confirm words that were heard
    /// (`confirmed=true`), or say what they mean (`meaning=NAME`), or decline to. Never enter passwords, keys or tokens.
    Answer(Answer),
    /// Say what became of a call that is in doubt, and follow the intent until it rests.
    Settle {
        intent: String,
        /// `step` or `step/3`.
        item: String,
        #[arg(value_parser = ["applied", "not_applied", "partial", "taken_over"])]
        verdict: String,
        /// Before the call is certain to be over.
        #[arg(long)]
        force: bool,
        #[arg(long)]
        comment: Option<String>,
        /// Do not wait.
        #[arg(long)]
        no_wait: bool,
    },
    /// Decide about an item that needs a person, and follow the intent until it rests.
    Resolve {
        intent: String,
        /// `step` or `step/3`.
        item: String,
        #[arg(value_parser = ["retry", "accept", "overwrite"])]
        resolution: String,
        #[arg(long)]
        comment: Option<String>,
        /// Do not wait.
        #[arg(long)]
        no_wait: bool,
    },
    /// See it work: four acts on a sandbox network, in under a minute.
    Demo {
        /// Leave everything running for exploring, until interrupted.
        #[arg(long)]
        keep: bool,
    },
    /// From now on no call that changes something is started.
    Halt {
        #[arg(long)]
        reason: Option<String>,
    },
    /// Lift the halt.
    Unhalt,
    /// Every halt there was: who, when, why, and who lifted it.
    Halts,
    /// Calls whose outcome is not known.
    InDoubt,
    /// Who holds which target; `locks release TARGET --reason …` takes one away.
    Locks {
        #[command(subcommand)]
        action: Option<LockAction>,
    },
    /// The tools of all servers; `tools show SERVER/TOOL` shows a definition and what changed in it, `tools pin SERVER/TOOL
    /// DIGEST` signs it off.
    Tools {
        #[command(subcommand)]
        action: Option<ToolAction>,
    },
    /// The MCP servers and how they are doing.
    Servers,
    /// Runbooks.
    Runbook {
        #[command(subcommand)]
        action: RunbookAction,
    },
    /// Read settings, contracts, runbooks, policies, alarm rules and plans, and report every mistake at once.
    Check {
        /// A folder with a flyball.yaml; default: that of --config, or this one.
        dir: Option<PathBuf>,
    },
    /// Explain an error code.
    Explain { code: String },
    /// Run the server.
    Serve {
        /// Over the settings: address:port, port 0 takes a free one.
        #[arg(long)]
        listen: Option<SocketAddr>,
        /// Open the store although its end is missing, after `flyball explain FB0016` was read and followed.
        #[arg(long)]
        accept_lost_tail: bool,
    },
    /// MCP servers for network devices, and a network to try them on.
    Netops(Netops),
    /// Starts a child so that it dies with the engine (used by the engine itself).
    #[command(hide = true)]
    Guard,
}

/// What is wanted.
#[derive(Debug, Args)]
pub struct Wish {
    /// In words.
    #[arg(conflicts_with_all = ["plan", "runbook"])]
    pub text: Option<String>,
    /// Spoken: a recording's file (wav, mp3, ogg or webm); `-` reads standard input. What was heard is shown, and changes
    /// nothing before a person has confirmed it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "plan", "runbook"])]
    pub audio: Option<PathBuf>,
    /// A plan's file (JSON or YAML); `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "runbook")]
    pub plan: Option<PathBuf>,
    /// A runbook's id, with parameters as --param KEY=VALUE.
    #[arg(long, value_name = "ID")]
    pub runbook: Option<String>,
    #[arg(long = "param", short = 'p', value_name = "KEY=VALUE", requires = "runbook")]
    pub params: Vec<String>,
    /// The change ticket.
    #[arg(long)]
    pub change: Option<String>,
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// RFC 3339, or a length of time such as 2h.
    #[arg(long)]
    pub deadline: Option<String>,
    /// Changes may start only then: FROM..UNTIL, each RFC 3339 or a length of time from now (0s..2h).
    #[arg(long, value_name = "FROM..UNTIL")]
    pub window: Option<String>,
    /// Not verified by then: taken back.
    #[arg(long)]
    pub backout_by: Option<String>,
    /// Sending the same thing twice with one key does it once.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Print the id and do not wait.
    #[arg(long)]
    pub no_wait: bool,
}

/// An intent that is followed until it rests.
#[derive(Debug, Args)]
pub struct Follow {
    pub intent: String,
    /// Do not wait.
    #[arg(long)]
    pub no_wait: bool,
}

/// The answer to a form: a tool's server asks, or it is asked whether words were heard right (`confirmed=true`) or which of
/// several things they mean (`meaning=NAME`).
#[derive(Debug, Args)]
pub struct Answer {
    #[command(flatten)]
    pub follow: Follow,
    /// The form's fields. A list is written with commas.
    #[arg(value_name = "KEY=VALUE")]
    pub fields: Vec<String>,
    /// Which question, where several are open.
    #[arg(long, value_name = "NAME")]
    pub request: Option<String>,
    /// The fields as a JSON object in a file; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "fields")]
    pub file: Option<PathBuf>,
    /// Do not fill it in: the server hears that it was declined.
    #[arg(long, conflicts_with_all = ["fields", "file"])]
    pub decline: bool,
    /// Neither fill it in nor decline: the server hears that nobody will answer.
    #[arg(long, conflicts_with_all = ["fields", "file", "decline"])]
    pub dismiss: bool,
}

#[derive(Debug, Args)]
pub struct Approve {
    /// The approval or its intent.
    pub id: String,
    /// The digest that was shown, or its first twelve digits or more; another one is refused.
    #[arg(long)]
    pub digest: Option<String>,
    /// Approve what stands there now without asking.
    #[arg(long)]
    pub yes: bool,
    #[arg(long)]
    pub comment: Option<String>,
    /// Do not wait.
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Subcommand)]
pub enum LockAction {
    /// Takes a lock away from the intent that holds it.
    Release {
        target: String,
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum ToolAction {
    /// Shows a tool's definition, and how it differs from the one that was signed off.
    Show {
        /// `server/tool`.
        tool: String,
    },
    /// Signs a tool's definition off.
    Pin { tool: String, digest: String },
}

#[derive(Debug, Subcommand)]
pub enum RunbookAction {
    /// Lists the runbooks with the phrases that call them.
    List,
    /// Shows a runbook's file.
    Show { id: String },
    /// Runs the runbooks' own tests, those of all or of one. Needs no server.
    Test { id: Option<String> },
    /// Shows which runbook words would call, and with which parameters. Submits nothing.
    Try { text: String },
    /// Makes a draft runbook of a plan that a model made and that worked: what its words say becomes parameters.
    Promote {
        intent: String,
        /// Write it here instead of printing it; a file that is there is left alone.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// `--role R` serves tools over an inventory, `--sandbox` runs a network of devices to try them on.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Netops {
    /// inventory, config or telemetry.
    #[arg(long, conflicts_with = "sandbox")]
    pub role: Option<String>,
    /// Serve HTTP here instead of standard input and output.
    #[arg(long, requires = "role")]
    pub listen: Option<SocketAddr>,
    #[arg(long, env = "NETOPS_INVENTORY", value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    #[arg(long, env = "NETOPS_CREDENTIALS", value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// Run the sandbox network.
    #[arg(long)]
    pub sandbox: bool,
    /// Where the sandbox keeps its files; default: a temporary folder.
    #[arg(long, requires = "sandbox")]
    pub dir: Option<PathBuf>,
}
