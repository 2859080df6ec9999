//! What a typed line means, in words that all dialects share.

use std::net::Ipv4Addr;

use super::model::{Area, Edit, InterfaceEdit, OspfEdit};

/// Where in the command language a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// IOS before `enable`.
    User,
    /// Privileged exec, the VRP user view, vtysh's first prompt.
    Exec,
    Config,
    Interface(String),
    Ospf(u16),
    /// VRP only: an area inside a process.
    Area(u16, Area),
}

impl Mode {
    /// The name in the command log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Exec => "exec",
            Self::Config => "config",
            Self::Interface(_) => "config-if",
            Self::Ospf(_) => "config-router",
            Self::Area(..) => "config-router-area",
        }
    }

    pub(crate) fn is_config(&self) -> bool {
        !matches!(self, Self::User | Self::Exec)
    }

    /// The mode that `exit` or `quit` leads to; none closes the session.
    pub(crate) fn parent(&self) -> Option<Self> {
        match self {
            Self::User | Self::Exec => None,
            Self::Config => Some(Self::Exec),
            Self::Interface(_) | Self::Ospf(_) => Some(Self::Config),
            Self::Area(process, _) => Some(Self::Ospf(*process)),
        }
    }
}

/// A parsed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Enable,
    Disable,
    Configure,
    EnterInterface(String),
    EnterOspf {
        process: u16,
        router_id: Option<Ipv4Addr>,
    },
    EnterArea(Area),
    Exit,
    End,
    /// Run the rest as an exec command from a configuration mode.
    Do(String),
    /// Lines before `-- More --`; 0 switches paging off.
    PageLength(u32),
    Monitor(bool),
    Nothing,
    Show(Show),
    Save {
        ask: bool,
    },
    Reload,
    Ping {
        destination: Ipv4Addr,
        source: Option<Ipv4Addr>,
        count: u32,
    },
    Edit(Edit),
    /// An edit of the interface or process whose mode the session is in.
    Here(InterfaceEdit),
    HereOspf(OspfEdit),
    /// `network A W` inside a VRP area.
    AreaNetwork {
        address: Ipv4Addr,
        wildcard: Ipv4Addr,
        on: bool,
    },
    /// Something about the candidate configuration (Junos-like).
    Candidate(Candidate),
    /// Understood and refused in these words.
    Refuse(&'static str),
}

impl Command {
    /// True for a change of the configuration.
    pub(crate) fn is_edit(&self) -> bool {
        matches!(
            self,
            Self::Edit(_) | Self::Here(_) | Self::HereOspf(_) | Self::AreaNetwork { .. }
        )
    }

    /// True for what works on or with a candidate.
    pub(crate) fn is_candidate(&self) -> bool {
        matches!(
            self,
            Self::Candidate(
                Candidate::Set(_) | Candidate::Delete(_) | Candidate::Rollback(_) | Candidate::Commit { .. }
            )
        )
    }

    /// True for a configuration line that enters a sub-mode (and may create what it enters).
    pub(crate) fn enters(&self) -> bool {
        matches!(
            self,
            Self::EnterInterface(_) | Self::EnterOspf { .. } | Self::EnterArea(_)
        )
    }
}

/// What is done to or with a candidate configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Candidate {
    /// Enter configuration mode, alone or not.
    Edit {
        exclusive: bool,
    },
    Set(String),
    Delete(String),
    /// The candidate's change.
    Compare,
    Show,
    Check,
    Commit {
        /// To be confirmed within so many minutes.
        minutes: Option<u32>,
        comment: Option<String>,
    },
    Rollback(usize),
}

/// What a show or display command shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    Running,
    Startup,
    Neighbors,
    NeighborsJson,
    OspfInterfaces,
    InterfaceAddresses,
    Interfaces,
    Routes,
    Cpu,
    Memory,
    Daemons,
    Version,
    /// Junos-like: what was committed.
    Commits,
    /// Junos-like: the device's clock.
    Clock,
}
