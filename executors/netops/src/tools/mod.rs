//! What MCP clients can call. [`Toolbox::call`] is the whole of it; [`crate::server`] carries it over a transport.

mod batch;
mod candidate;
mod catalogue;
mod change;
mod commit;
mod config;
mod devices;
mod editor;
mod epochs;
mod fleet;
mod held;
mod history;
mod hollow;
mod interface;
mod kept;
mod netconf;
mod ospf;
mod reach;
mod reply;
mod services;
mod shelf;
mod status;
mod terms;

use std::path::PathBuf;

use rmcp::model::{JsonObject, Tool};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::server::Role;
use change::Planner;
use fleet::{Fleet, View};
use reply::Fault;
pub use reply::Reply;
use terms::Terms;

/// The tools of one role.
pub struct Toolbox {
    role: Role,
    fleet: Fleet,
    /// The caller is known (stdio, or a checked bearer token), so secrets may be shown for a probe or an undo.
    trusted: bool,
    tools: Vec<Tool>,
}

impl Toolbox {
    /// Tools of this role over the devices of this inventory.
    pub fn new(role: Role, inventory: PathBuf, credentials: Option<PathBuf>, trusted: bool) -> Self {
        Self {
            role,
            fleet: Fleet::new(inventory, credentials),
            trusted,
            tools: catalogue::tools(role),
        }
    }

    /// Reads the inventory once, so that mistakes in it show at the start.
    pub fn check(&self) -> Result<(), crate::inventory::Error> {
        self.fleet.view().map(drop)
    }

    /// Definitions, with schemas and annotations.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// Calls a tool; `None` if this role has none of that name. `meta` is the request's `_meta`.
    pub async fn call(&self, name: &str, args: JsonObject, meta: &Map<String, Value>) -> Option<Reply> {
        if !self.tools.iter().any(|tool| tool.name == name) {
            return None;
        }
        let outcome = match self.role {
            Role::Inventory => self.inventory_tool(name, args),
            Role::Config => self.config_tool(name, args, meta).await,
            Role::Telemetry => self.telemetry_tool(name, args).await,
        };
        Some(outcome.unwrap_or_else(Reply::from))
    }

    fn inventory_tool(&self, name: &str, args: JsonObject) -> Result<Reply, Fault> {
        match name {
            "list_devices" => devices::list(&self.fleet, &parse(args)?).map(|list| Reply::ok(&list)),
            _ => devices::get(&self.fleet, &parse(args)?).map(|device| Reply::ok(&device)),
        }
    }

    async fn config_tool(&self, name: &str, args: JsonObject, meta: &Map<String, Value>) -> Result<Reply, Fault> {
        let terms = Terms::read(meta)?;
        let view = self.fleet.view()?;
        match name {
            "configure_ospf" => write::<ospf::ConfigureOspf>(&view, args, &terms).await,
            "preview_ospf" => preview::<ospf::ConfigureOspf>(&view, args).await,
            "remove_ospf" => write::<ospf::RemoveOspf>(&view, args, &terms).await,
            "preview_remove_ospf" => preview::<ospf::RemoveOspf>(&view, args).await,
            "set_interface" => write::<interface::SetInterface>(&view, args, &terms).await,
            "preview_interface" => preview::<interface::SetInterface>(&view, args).await,
            "set_services" => write::<services::SetServices>(&view, args, &terms).await,
            "preview_services" => preview::<services::SetServices>(&view, args).await,
            "apply_lines" => write::<config::ApplyLines>(&view, args, &terms).await,
            "preview_lines" => preview::<config::ApplyLines>(&view, args).await,
            "batch_configure_devices" => {
                let result = batch::configure(&view, &parse(args)?, &terms).await?;
                Ok(Reply::new(&result, !result.success))
            }
            "save" => {
                let asked: devices::OneDevice = parse(args)?;
                let saved = config::save(&view, view.inventory.resolve(&asked.device)?, &terms).await?;
                Ok(Reply::new(&saved, saved.is_error()))
            }
            "prepare_commit" | "commit_confirmed" | "confirm_commit" | "cancel_commit" | "extend_commit" => {
                commit_tool(&view, name, args, &terms).await
            }
            "preview_commit" => preview::<commit::CommitLines>(&view, args).await,
            "keep_config" | "drop_kept" | "get_kept" | "compare_kept" | "restore_kept" | "preview_restore" => {
                kept_tool(&view, name, args, &terms).await
            }
            _ => self.config_reading(&view, name, args, &terms).await,
        }
    }

    async fn config_reading(&self, view: &View, name: &str, args: JsonObject, terms: &Terms) -> Result<Reply, Fault> {
        match name {
            "get_ospf" => {
                let asked: devices::OneDevice = parse(args)?;
                Ok(Reply::ok(
                    &ospf::get(view, view.inventory.resolve(&asked.device)?).await?,
                ))
            }
            "get_interface" => {
                let asked: interface::OneInterface = parse(args)?;
                let device = view.inventory.resolve(&asked.device)?;
                Ok(Reply::ok(&interface::get(view, device, &asked.interface).await?))
            }
            "get_services" => {
                let asked: devices::OneDevice = parse(args)?;
                let device = view.inventory.resolve(&asked.device)?;
                Ok(Reply::ok(&services::get(view, device).await?))
            }
            "get_commit" => {
                let asked: history::GetCommit = parse(args)?;
                let device = view.inventory.resolve(&asked.device)?;
                Ok(Reply::ok(&history::get(view, device, &asked, terms).await?))
            }
            _ => {
                let asked: config::GetConfig = parse(args)?;
                let device = view.inventory.resolve(&asked.device)?;
                let open = self.trusted && matches!(terms.purpose.as_deref(), Some("probe" | "undo"));
                Ok(Reply::ok(&config::get(view, device, asked.which, open).await?))
            }
        }
    }

    async fn telemetry_tool(&self, name: &str, args: JsonObject) -> Result<Reply, Fault> {
        let view = self.fleet.view()?;
        let resolve = |name: &str| view.inventory.resolve(name);
        match name {
            "ospf_neighbors" => {
                let asked: status::OspfNeighbors = parse(args)?;
                Ok(Reply::ok(
                    &status::neighbors(&view, resolve(&asked.device)?, &asked).await?,
                ))
            }
            "interface_status" => {
                let asked: status::InterfaceStatus = parse(args)?;
                let device = resolve(&asked.device)?;
                Ok(Reply::ok(
                    &status::interfaces(&view, device, asked.interface.as_deref()).await?,
                ))
            }
            "check_device_status" => {
                let asked: status::CheckStatus = parse(args)?;
                let ip = asked
                    .device_ip
                    .ok_or_else(|| Fault::Arguments("device_ip is missing".into()))?;
                Ok(Reply::ok(
                    &status::check(&view, resolve(&ip)?, asked.metrics.as_deref()).await?,
                ))
            }
            "ping" => {
                let asked: reach::Ping = parse(args)?;
                Ok(Reply::ok(&reach::ping(&view, resolve(&asked.device)?, &asked).await?))
            }
            _ => Ok(Reply::ok(&reach::reachability(&view, &parse(args)?).await?)),
        }
    }
}

/// The arguments of a change name their device.
trait ForDevice: DeserializeOwned + Planner {
    fn device(&self) -> &str;
}

impl ForDevice for ospf::ConfigureOspf {
    fn device(&self) -> &str {
        &self.device
    }
}

impl ForDevice for ospf::RemoveOspf {
    fn device(&self) -> &str {
        &self.device
    }
}

impl ForDevice for interface::SetInterface {
    fn device(&self) -> &str {
        &self.device
    }
}

impl ForDevice for services::SetServices {
    fn device(&self) -> &str {
        &self.device
    }
}

impl ForDevice for config::ApplyLines {
    fn device(&self) -> &str {
        &self.device
    }
}

impl ForDevice for commit::CommitLines {
    fn device(&self) -> &str {
        &self.device
    }
}

/// The tools that work on a commit on trial.
async fn commit_tool(view: &View, name: &str, args: JsonObject, terms: &Terms) -> Result<Reply, Fault> {
    let committed = if matches!(name, "prepare_commit" | "commit_confirmed") {
        let asked: commit::CommitLines = parse(args)?;
        let device = view.inventory.resolve(&asked.device)?;
        if name == "prepare_commit" {
            commit::prepare(view, device, &asked, terms).await?
        } else {
            commit::on_trial(view, device, &asked, terms).await?
        }
    } else {
        let asked: commit::OneCommit = parse(args)?;
        let device = view.inventory.resolve(&asked.device)?;
        match name {
            "confirm_commit" => commit::confirm(view, device, &asked, terms).await?,
            "cancel_commit" => commit::cancel(view, device, &asked, terms).await?,
            _ => commit::extend(view, device, &asked, terms).await?,
        }
    };
    Ok(Reply::new(&committed, committed.is_error()))
}

/// The tools that work on kept copies.
async fn kept_tool(view: &View, name: &str, args: JsonObject, terms: &Terms) -> Result<Reply, Fault> {
    if name == "keep_config" {
        let asked: kept::KeepConfig = parse(args)?;
        let device = view.inventory.resolve(&asked.device)?;
        return Ok(Reply::ok(&kept::keep(view, device, &asked, terms).await?));
    }
    if name == "get_kept" {
        let asked: devices::OneDevice = parse(args)?;
        return Ok(Reply::ok(
            &kept::all(view, view.inventory.resolve(&asked.device)?).await?,
        ));
    }
    let asked: kept::OneKept = parse(args)?;
    let device = view.inventory.resolve(&asked.device)?;
    match name {
        "drop_kept" => Ok(Reply::ok(&kept::forget(view, device, &asked, terms)?)),
        "compare_kept" => Ok(Reply::ok(&kept::compare(view, device, &asked).await?)),
        "preview_restore" => {
            let restore = kept::Restore::to(view, device, &asked)?;
            Ok(Reply::ok(&change::preview(view, device, &restore).await?))
        }
        _ => {
            let restore = kept::Restore::to(view, device, &asked)?;
            let written = change::write(view, device, None, terms, &restore).await?;
            Ok(Reply::new(&written, written.is_error()))
        }
    }
}

async fn write<T: ForDevice>(view: &View, args: JsonObject, terms: &Terms) -> Result<Reply, Fault> {
    let asked: T = parse(args)?;
    let device = view.inventory.resolve(asked.device())?;
    let written = change::write(view, device, None, terms, &asked).await?;
    Ok(Reply::new(&written, written.is_error()))
}

async fn preview<T: ForDevice>(view: &View, args: JsonObject) -> Result<Reply, Fault> {
    let asked: T = parse(args)?;
    let device = view.inventory.resolve(asked.device())?;
    Ok(Reply::ok(&change::preview(view, device, &asked).await?))
}

fn parse<T: for<'de> Deserialize<'de>>(args: JsonObject) -> Result<T, Fault> {
    serde_json::from_value(Value::Object(args)).map_err(|error| Fault::Arguments(error.to_string()))
}

/// The reply of a tool that panicked.
pub fn broken(reason: impl Into<String>) -> Reply {
    Fault::Broken(reason.into()).into()
}
