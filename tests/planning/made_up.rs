//! Tools that nobody wrote, of the kinds that a large operator has: enough of them, and alike enough, to be in the way. Each
//! thing has five tools; what people would ask of it is said in other words than the tool's own where people do so.

use flyball_engine::tool::{ToolName, ToolSpec};
use serde_json::json;

pub(crate) struct MadeUp {
    pub(crate) spec: ToolSpec,
    pub(crate) effect: &'static str,
}

/// What is asked, and the tool that does it.
pub(crate) struct Asked {
    pub(crate) text: String,
    pub(crate) tool: String,
}

/// server, thing, what it is, how people call it.
const THINGS: &[(&str, &str, &str, &str)] = &[
    (
        "bgp",
        "bgp_session",
        "BGP session with a neighbouring autonomous system",
        "BGP sessions",
    ),
    (
        "bgp",
        "prefix_list",
        "list of prefixes that a routing policy matches",
        "prefix lists",
    ),
    (
        "bgp",
        "route_policy",
        "policy that routes pass on import or export",
        "route policies",
    ),
    ("vlans", "vlan", "VLAN of a switch", "VLANs"),
    ("vlans", "trunk", "trunk port and the VLANs that it carries", "trunks"),
    (
        "vlans",
        "spanning_tree_instance",
        "spanning tree instance with its root bridge",
        "spanning trees",
    ),
    ("firewall", "acl_rule", "rule of an access list", "access list rules"),
    ("firewall", "nat_rule", "network address translation rule", "NAT rules"),
    ("firewall", "zone", "security zone of a firewall", "security zones"),
    (
        "qos",
        "traffic_class",
        "class of traffic with its bandwidth",
        "traffic classes",
    ),
    ("qos", "policer", "rate limit of a customer port", "policers"),
    ("vpn", "l3vpn", "layer 3 VPN of a customer", "customer VPNs"),
    (
        "vpn",
        "ipsec_tunnel",
        "encrypted tunnel between two sites",
        "IPsec tunnels",
    ),
    ("dns", "dns_record", "record of a DNS zone", "DNS records"),
    ("dns", "dns_zone", "zone of the name servers", "DNS zones"),
    ("dhcp", "dhcp_lease", "address that a client holds", "DHCP leases"),
    ("dhcp", "dhcp_pool", "range of addresses for clients", "DHCP pools"),
    ("ipam", "subnet", "block of addresses and who uses it", "subnets"),
    (
        "ipam",
        "ip_reservation",
        "address that is kept for somebody",
        "address reservations",
    ),
    ("optics", "optical_channel", "wavelength on a fibre", "wavelengths"),
    (
        "optics",
        "transceiver",
        "pluggable optical module with its power levels",
        "transceivers",
    ),
    ("wireless", "access_point", "radio access point", "access points"),
    ("wireless", "ssid", "wireless network name", "SSIDs"),
    (
        "mpls",
        "lsp",
        "label switched path through the core",
        "label switched paths",
    ),
    ("mpls", "te_tunnel", "traffic engineering tunnel", "TE tunnels"),
    (
        "multicast",
        "multicast_group",
        "group of multicast receivers",
        "multicast groups",
    ),
    (
        "images",
        "software_image",
        "operating system image of a device",
        "software images",
    ),
    (
        "images",
        "upgrade_job",
        "upgrade of a device's software",
        "upgrade jobs",
    ),
    (
        "certs",
        "certificate",
        "TLS certificate with its expiry",
        "certificates",
    ),
    ("accounts", "local_user", "user account on a device", "local users"),
    (
        "accounts",
        "radius_server",
        "server that checks logins",
        "RADIUS servers",
    ),
    ("alarms", "alarm", "alarm of the monitoring", "alarms"),
    ("alarms", "silence", "period in which alarms are not sent", "silences"),
    (
        "flows",
        "flow_report",
        "traffic by source and destination",
        "flow reports",
    ),
    ("flows", "top_talker", "host that sends most", "top talkers"),
    ("tickets", "ticket", "trouble ticket", "tickets"),
    (
        "tickets",
        "change_request",
        "change that waits for its window",
        "change requests",
    ),
    ("carriers", "circuit", "leased line of a carrier", "circuits"),
    (
        "carriers",
        "outage_notice",
        "outage that a carrier announced",
        "outage notices",
    ),
    (
        "power",
        "pdu_outlet",
        "outlet of a power distribution unit",
        "power outlets",
    ),
    (
        "power",
        "ups_battery",
        "battery of an uninterruptible supply",
        "UPS batteries",
    ),
    ("racks", "rack", "rack of a data center", "racks"),
    ("racks", "cable", "cable between two ports", "cables"),
    ("spares", "spare_part", "part in stock", "spare parts"),
    ("billing", "invoice", "invoice of a customer", "invoices"),
    ("billing", "tariff", "price of a service", "tariffs"),
    ("customers", "customer", "customer with contacts", "customers"),
    ("customers", "service_order", "order of a new service", "service orders"),
    (
        "lb",
        "virtual_server",
        "virtual server of a load balancer",
        "virtual servers",
    ),
    ("lb", "pool_member", "backend of a load balancer's pool", "pool members"),
    ("cdn", "cache_rule", "rule of what an edge cache keeps", "cache rules"),
    ("voice", "sip_trunk", "telephone trunk", "SIP trunks"),
    (
        "voice",
        "phone_number",
        "telephone number and its owner",
        "phone numbers",
    ),
    ("mobile", "cell", "radio cell of a base station", "cells"),
    ("mobile", "slice", "network slice with its guarantees", "slices"),
    ("ntp", "ntp_server", "time server that devices follow", "time servers"),
    ("snmp", "trap_receiver", "receiver of SNMP traps", "trap receivers"),
    ("syslog", "log_target", "receiver of log messages", "log targets"),
    (
        "backups",
        "config_backup",
        "stored copy of a configuration",
        "configuration backups",
    ),
    (
        "compliance",
        "golden_rule",
        "rule that configurations are held to",
        "golden rules",
    ),
    ("labs", "lab_topology", "virtual network for trials", "lab topologies"),
    (
        "schedules",
        "maintenance_window",
        "time in which changes may be made",
        "maintenance windows",
    ),
];

/// verb, its effect, how a description says it, how a person asks for it.
const VERBS: &[(&str, &str, &str, &str)] = &[
    ("list", "read", "Lists every", "Which {} do we have in Shanghai?"),
    (
        "get",
        "read",
        "Gives one",
        "Give me the details of one of the {}: number 17",
    ),
    (
        "create",
        "reversible",
        "Creates a new",
        "Add another one to the {}, called blue-7",
    ),
    (
        "update",
        "reversible",
        "Changes a",
        "Change the owner of blue-7 among the {}",
    ),
    ("delete", "irreversible", "Removes a", "Delete blue-7 from the {}"),
];

pub(crate) fn all() -> Vec<MadeUp> {
    let one = |(server, thing, what, _): &(&str, &str, &str, &str)| {
        let (server, thing, what) = ((*server).to_owned(), (*thing).to_owned(), (*what).to_owned());
        VERBS.iter().map(move |(verb, effect, says, _)| MadeUp {
            spec: ToolSpec {
                name: ToolName::new(
                    server.clone(),
                    format!("{verb}_{thing}{}", if *verb == "list" { "s" } else { "" }),
                ),
                description: format!("{says} {what}."),
                input_schema: json!({"type": "object", "properties": {
                    "name": {"type": "string", "description": format!("name of the {what}")},
                    "site": {"type": "string"}, "owner": {"type": "string"}, "limit": {"type": "integer"}}}),
                output_schema: None,
                annotations: None,
            },
            effect,
        })
    };
    THINGS.iter().flat_map(one).collect()
}

/// One question for each thing, a verb after the other.
pub(crate) fn questions() -> Vec<Asked> {
    let one = |(at, (server, thing, _, called)): (usize, &(&str, &str, &str, &str))| {
        let (verb, _, _, asks) = VERBS[at % VERBS.len()];
        Asked {
            text: asks.replace("{}", called),
            tool: format!("{server}/{verb}_{thing}{}", if verb == "list" { "s" } else { "" }),
        }
    };
    THINGS.iter().enumerate().map(one).collect()
}
