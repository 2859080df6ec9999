//! Definitions of the tools: names, descriptions, schemas, and annotations that tell the truth.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::{batch, change, commit, config, devices, history, interface, kept, ospf, reach, services, status};
use crate::server::Role;

/// What a tool does to the world, as far as annotations can say.
#[derive(Clone, Copy)]
enum Does {
    Read,
    /// Changes devices; saying it twice changes nothing more.
    Set,
    /// Changes devices in ways that depend on the lines given.
    Lines,
}

/// The tools of a role.
pub(super) fn tools(role: Role) -> Vec<Tool> {
    match role {
        Role::Inventory => inventory(),
        Role::Config => config_tools(),
        Role::Telemetry => telemetry(),
    }
}

fn inventory() -> Vec<Tool> {
    vec![
        tool::<devices::ListDevices, devices::Devices>(
            "list_devices",
            "Lists the devices of the inventory, by site, role or platform.",
            Does::Read,
        ),
        tool::<devices::OneDevice, devices::Detail>(
            "get_device",
            "One device of the inventory, by name or address, with its links and loopback.",
            Does::Read,
        ),
    ]
}

fn config_tools() -> Vec<Tool> {
    let mut tools = vec![
        tool::<ospf::ConfigureOspf, change::Written>(
            "configure_ospf",
            "Puts a device's links and loopback into an OSPF area. Lines already there are not sent again.",
            Does::Set,
        ),
        tool::<ospf::ConfigureOspf, change::Preview>(
            "preview_ospf",
            "Shows the exact lines that configure_ospf would send, and the lines that lead back.",
            Does::Read,
        ),
        tool::<ospf::RemoveOspf, change::Written>("remove_ospf", "Removes an OSPF process from a device.", Does::Set),
        tool::<ospf::RemoveOspf, change::Preview>(
            "preview_remove_ospf",
            "Shows the exact lines that remove_ospf would send, and the lines that lead back.",
            Does::Read,
        ),
        tool::<devices::OneDevice, ospf::OspfState>(
            "get_ospf",
            "OSPF processes of a device as configured: router id, areas, interfaces.",
            Does::Read,
        ),
        tool::<interface::SetInterface, change::Written>(
            "set_interface",
            "Sets description, OSPF cost, MTU or the enabled state of an interface.",
            Does::Set,
        ),
        tool::<interface::SetInterface, change::Preview>(
            "preview_interface",
            "Shows the exact lines that set_interface would send, and the lines that lead back.",
            Does::Read,
        ),
        tool::<interface::OneInterface, interface::InterfaceConfig>(
            "get_interface",
            "An interface of a device as configured.",
            Does::Read,
        ),
    ];
    tools.extend(service_tools());
    tools.extend(text_tools());
    tools.extend(kept_tools());
    tools.extend(commit_tools());
    tools
}

/// Time and log servers.
fn service_tools() -> Vec<Tool> {
    vec![
        tool::<services::SetServices, change::Written>(
            "set_services",
            "Adds NTP servers and syslog hosts to a device; those it has already stay.",
            Does::Set,
        ),
        tool::<services::SetServices, change::Preview>(
            "preview_services",
            "Shows the exact lines that set_services would send, and the lines that lead back.",
            Does::Read,
        ),
        tool::<devices::OneDevice, services::ServicesConfig>(
            "get_services",
            "NTP servers and syslog hosts of a device as configured.",
            Does::Read,
        ),
    ]
}

/// Copies of configurations, kept encrypted by this server.
fn kept_tools() -> Vec<Tool> {
    vec![
        tool::<kept::KeepConfig, kept::KeptOne>(
            "keep_config",
            "Backs up a device's running configuration: keeps an encrypted copy of it under a name.",
            Does::Set,
        ),
        tool::<kept::OneKept, kept::Dropped>("drop_kept", "Forgets a kept copy of a configuration.", Does::Set),
        tool::<devices::OneDevice, kept::AllKept>(
            "get_kept",
            "The kept copies of a device's configuration: names, digests, times.",
            Does::Read,
        ),
        tool::<kept::OneKept, kept::Compared>(
            "compare_kept",
            "Compares a device's running configuration with a kept copy, for example the golden one.",
            Does::Read,
        ),
        tool::<kept::OneKept, change::Written>(
            "restore_kept",
            "Restores a device's configuration: makes the running one what a kept copy says.",
            Does::Set,
        ),
        tool::<kept::OneKept, change::Preview>(
            "preview_restore",
            "Shows the exact lines that restore_kept would send, and the lines that lead back.",
            Does::Read,
        ),
    ]
}

/// Raw lines and whole configurations.
fn text_tools() -> Vec<Tool> {
    let mut tools = vec![
        tool::<config::ApplyLines, change::Written>(
            "apply_lines",
            "Sends native configuration lines to a device one by one and stops at the first that it refuses.",
            Does::Lines,
        ),
        tool::<config::ApplyLines, change::Preview>(
            "preview_lines",
            "Shows what native configuration lines would change, and the lines that lead back.",
            Does::Read,
        ),
        tool::<config::GetConfig, config::ConfigText>(
            "get_config",
            "The running or startup configuration of a device, secrets removed, and whether it is saved, where the device shows that.",
            Does::Read,
        ),
        tool::<devices::OneDevice, config::Saved>(
            "save",
            "Saves the running configuration of a device as its startup configuration, and reads it back.",
            Does::Set,
        ),
    ];
    let batch = define::<batch::BatchResult>(
        "batch_configure_devices",
        "Batch Configure Network Devices",
        object(batch_schema()),
        Does::Lines,
    );
    tools.push(batch);
    tools
}

/// Commits on trial, on devices with a candidate configuration.
fn commit_tools() -> Vec<Tool> {
    vec![
        tool::<commit::CommitLines, change::Preview>(
            "preview_commit",
            "Shows what native lines would change, and the lines that lead back.",
            Does::Read,
        ),
        tool::<commit::CommitLines, commit::Committed>(
            "prepare_commit",
            "Locks a device's candidate configuration, edits it and validates it; the running configuration is untouched.",
            Does::Set,
        ),
        tool::<commit::CommitLines, commit::Committed>(
            "commit_confirmed",
            "Puts native lines into force on trial: the device takes them back by itself unless they are confirmed in time.",
            Does::Set,
        ),
        tool::<commit::OneCommit, commit::Committed>("confirm_commit", "Keeps what is on trial for good.", Does::Set),
        tool::<commit::OneCommit, commit::Committed>(
            "cancel_commit",
            "Puts back at once what was there before the trial, or drops what is only prepared.",
            Does::Set,
        ),
        tool::<commit::OneCommit, commit::Committed>("extend_commit", "Starts the time of a trial anew.", Does::Set),
        tool::<history::GetCommit, history::CommitState>(
            "get_commit",
            "The commits of a device: what is on trial, what became of a lease's commit, and the history.",
            Does::Read,
        ),
    ]
}

fn telemetry() -> Vec<Tool> {
    vec![
        tool::<status::OspfNeighbors, status::Neighbors>(
            "ospf_neighbors",
            "OSPF neighbours of a device and the state of each adjacency.",
            Does::Read,
        ),
        tool::<status::InterfaceStatus, status::Interfaces>(
            "interface_status",
            "Whether the interfaces of a device are up.",
            Does::Read,
        ),
        tool::<reach::Reachability, reach::Reached>(
            "reachability",
            "Each device in scope pings the loopback of every other: which pairs reach each other.",
            Does::Read,
        ),
        tool::<reach::Ping, reach::PingResult>(
            "ping",
            "Pings an address, or another device's loopback, from a device.",
            Does::Read,
        ),
        define::<status::Status>(
            "check_device_status",
            "Check the Status of Network Devices",
            object(status_schema()),
            Does::Read,
        ),
    ]
}

/// As printed in draft-yang-nmrg-mcp-nm-01, section 10.1.
fn batch_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "device_ips": {"type": "array", "items": {"type": "string"}, "description": "Device IP List"},
            "commands": {"type": "array", "items": {"type": "string"}, "description": "CLI Sequence"},
            "credential_id": {"type": "string", "description": "Credential ID"}
        },
        "required": ["device_ips", "commands"]
    })
}

/// As printed in draft-yang-nmrg-mcp-nm-01, section 10.1.
fn status_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "device_ip": {"type": "string"},
            "metrics": {"type": "array", "items": {"enum": ["cpu", "memory", "interface"]}}
        }
    })
}

fn tool<In: JsonSchema, Out: JsonSchema>(name: &'static str, description: &'static str, does: Does) -> Tool {
    define::<Out>(name, description, schema::<In>(), does)
}

fn define<Out: JsonSchema>(name: &'static str, description: &'static str, input: JsonObject, does: Does) -> Tool {
    let annotations = match does {
        Does::Read => ToolAnnotations::new()
            .read_only(true)
            .destructive(false)
            .idempotent(true),
        Does::Set => ToolAnnotations::new()
            .read_only(false)
            .destructive(true)
            .idempotent(true),
        Does::Lines => ToolAnnotations::new()
            .read_only(false)
            .destructive(true)
            .idempotent(false),
    };
    Tool::new(name, description, Arc::new(input))
        .with_raw_output_schema(Arc::new(schema::<Out>()))
        .with_annotations(annotations.open_world(false))
}

fn schema<T: JsonSchema>() -> JsonObject {
    let mut schema = object(schemars::schema_for!(T).to_value());
    schema.remove("$schema");
    schema
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(map) => map,
        _ => JsonObject::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Tool> {
        [Role::Inventory, Role::Config, Role::Telemetry]
            .into_iter()
            .flat_map(tools)
            .collect()
    }

    #[test]
    fn each_tool_has_object_schemas_and_annotations() {
        for tool in all() {
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            assert_eq!(tool.output_schema.as_ref().unwrap()["type"], "object", "{}", tool.name);
            assert!(tool.annotations.unwrap().read_only_hint.is_some(), "{}", tool.name);
        }
    }

    #[test]
    fn only_reads_say_that_they_are_reads() {
        let writes: Vec<_> = all()
            .into_iter()
            .filter(|t| t.annotations.as_ref().unwrap().read_only_hint == Some(false))
            .map(|t| t.name)
            .collect();
        assert_eq!(
            writes,
            [
                "configure_ospf",
                "remove_ospf",
                "set_interface",
                "set_services",
                "apply_lines",
                "save",
                "batch_configure_devices",
                "keep_config",
                "drop_kept",
                "restore_kept",
                "prepare_commit",
                "commit_confirmed",
                "confirm_commit",
                "cancel_commit",
                "extend_commit"
            ]
        );
    }
}
