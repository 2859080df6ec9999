use super::*;
use flyball_engine::contract::{Contract, Contracts};
use flyball_engine::ports::NoInventory;
use flyball_engine::tool::{Catalogue, ToolSpec};
use serde_json::json;
use std::sync::Arc;

/// Tools that need a device, and whatever else is said.
fn tools() -> Vec<(&'static str, Value)> {
    let list = json!({"type": ["array", "null"], "items": {"type": "string"}});
    let number = json!({"type": ["integer", "null"]});
    let text = json!({"type": ["string", "null"]});
    vec![
        ("config/set_services", json!({"ntp": list, "syslog": list})),
        (
            "config/set_time",
            json!({"ntp_servers": list, "time_zone": text, "ntp_key": text, "router_name": text}),
        ),
        (
            "config/set_port",
            json!({"mtu": number, "ospf_cost": number, "metric": number, "description": text}),
        ),
        (
            "config/set_ospf",
            json!({"process_id": number, "router_id": text, "interfaces": list}),
        ),
        ("config/set_at_will", json!({"ntp": list, "syslog": list})),
        ("config/set_banner_at_will", json!({"text": text})),
        ("config/make_tunnel", json!({"label": text, "colour": text})),
        ("config/make_vlan", json!({"name": text})),
        ("config/set_issue", json!({"assignees": list, "thread_ts": text})),
        (
            "config/set_names",
            json!({"description": text, "location": text,
                   "ingress": {"enum": ["permit", "deny"]}, "egress": {"enum": ["permit", "deny"]}}),
        ),
        (
            "config/set_speed",
            json!({"speed": {"anyOf": [{"$ref": "#/$defs/Speed"}, {"type": "null"}]},
                   "lane": {"enum": [10, 100]},
                   "timing": {"type": "object", "properties": {"ntp": text, "zone": text}},
                   "burst": {"oneOf": [{"const": 64}, {"type": "integer"}]},
                   "shape": {"type": "object", "properties": {"rate": number, "unit": text}, "required": ["unit"]}}),
        ),
    ]
}

fn context() -> PlanningContext {
    let mut contracts = Contracts::default();
    let specs = tools().into_iter().map(|(name, mut properties)| {
        let contract: Contract = serde_json::from_value(json!({"effect": "reversible"})).unwrap();
        contracts.contracts.insert(name.parse().unwrap(), contract);
        properties["device"] = json!({"type": "string"});
        let needed: &[&str] = match name {
            _ if name.ends_with("_at_will") => &[],
            "config/make_tunnel" => &["device", "label"],
            _ => &["device"],
        };
        ToolSpec {
            name: name.parse().unwrap(),
            description: String::new(),
            input_schema: json!({"type": "object", "properties": properties, "required": needed,
                                 "$defs": {"Speed": {"enum": ["slow", "fast"]}}}),
            output_schema: None,
            annotations: None,
        }
    });
    let specs: Vec<ToolSpec> = specs.collect();
    PlanningContext::first(
        Arc::new(Catalogue::of(specs)),
        Arc::new(contracts),
        Arc::new(NoInventory),
    )
}

/// The arguments of a step on `r1` that a rule refuses, sorted: whether a JSON object keeps its order is the
/// whole build's choice.
fn refused(text: &str, tool: &str, args: &Value, rule: &str) -> Vec<String> {
    let mut args = args.clone();
    args["device"] = json!("r1");
    let draft = json!({"steps": [{"id": "s", "tool": tool, "args": args}]});
    let faults = Ground::of(text).faults(&draft, &context()).into_iter();
    let of_the_rule = faults.filter(|fault| fault.rule == rule);
    let name = |fault: Fault| fault.pointer.replace("/plan/steps/0/args/", "");
    let mut names: Vec<_> = of_the_rule.map(name).collect();
    names.sort();
    names
}

fn unspoken(text: &str, tool: &str, args: &Value) -> Vec<String> {
    refused(text, tool, args, "ground.argument")
}

/// Texts that speak of an argument, and texts that do not.
fn check(tool: &str, name: &str, value: &Value, speaking: &[&str], silent: &[&str]) {
    let args = json!({name: value});
    for text in speaking {
        assert_eq!(unspoken(text, tool, &args), Vec::<String>::new(), "{text}");
    }
    for text in silent {
        assert_eq!(unspoken(text, tool, &args), [name], "{text}");
    }
}

#[test]
fn a_log_host_becomes_no_time_server() {
    let ntp = json!({"ntp": ["192.0.2.9"]});
    for text in [
        "Add the line \"logging host 192.0.2.9\" on r1",
        "set the log server of r1 to 192.0.2.9",
        "this time set the log server of r1 to 192.0.2.9",
    ] {
        assert_eq!(unspoken(text, "config/set_services", &ntp), ["ntp"], "{text}");
    }
    for text in ["r1 takes its time from 192.0.2.9", "set NTP on r1 to 192.0.2.9"] {
        let both = json!({"ntp": ["192.0.2.9"], "syslog": ["192.0.2.9"]});
        assert_eq!(unspoken(text, "config/set_services", &both), ["syslog"], "{text}");
    }
}

#[test]
fn what_people_say_for_a_service_speaks_of_it() {
    let one = json!(["192.0.2.9"]);
    let said_of_ntp = [
        "set the clock of r1 by 192.0.2.9",
        "sync the clocks of r1 with 192.0.2.9",
        "set the time-server of r1 to 192.0.2.9",
        "set the timeserver of r1 to 192.0.2.9",
        "set the time source of r1 to 192.0.2.9",
        "let r1 take its time from 192.0.2.9",
        "sync the time of r1 with 192.0.2.9",
        "synchronise the time of r1 with 192.0.2.9",
        "synchronized time for r1: set 192.0.2.9",
        "set the NTP-server of r1 to 192.0.2.9",
        "set SNTP on r1 to 192.0.2.9",
        "set NTPv4 on r1 to 192.0.2.9",
    ];
    let no_time = ["set 192.0.2.9 on r1 in time", "sync the config of r1 with 192.0.2.9"];
    check("config/set_services", "ntp", &one, &said_of_ntp, &no_time);
    let said_of_syslog = [
        "set the log server of r1 to 192.0.2.9",
        "set 192.0.2.9 as log-host of r1",
        "set the loghost of r1 to 192.0.2.9",
        "send the syslog of r1 to 192.0.2.9",
        "r1 logs to 192.0.2.9",
        "send the events of r1 to 192.0.2.9",
        "send the messages of r1 to 192.0.2.9",
    ];
    check(
        "config/set_services",
        "syslog",
        &one,
        &said_of_syslog,
        &["set 192.0.2.9 on r1"],
    );
}

#[test]
fn what_people_say_for_a_setting_of_a_port_speaks_of_it() {
    let said_of_mtu = [
        "set the MTU on r1 to 9000",
        "jumbo frames of 9000 on r1",
        "set the packet size on r1 to 9000",
        "set the size of frames on r1 to 9000",
        "set the MTUs on r1 to 9000",
        "set the maximum transmission unit on r1 to 9000",
    ];
    check(
        "config/set_port",
        "mtu",
        &json!(9000),
        &said_of_mtu,
        &["set r1 to 9000", "raise the cost on r1 to 9000"],
    );
    let said_of_text = [
        "describe r1 as uplink",
        "label r1 uplink",
        "set the comment of r1 to uplink",
        "set the text of r1 to uplink",
        "set the descriptions of r1 to uplink",
        "set desc of r1 to uplink",
        "r1 is to be labelled uplink, set that",
        "set uplink as the note of r1",
    ];
    check(
        "config/set_port",
        "description",
        &json!("uplink"),
        &said_of_text,
        &[
            "set the uplink of r1",
            "Note: set the uplink of r1",
            "note that r1 is the uplink, set it",
        ],
    );
    let said_of_metric = ["set the metric of r1 to 50", "set the cost of r1 to 50"];
    check(
        "config/set_port",
        "metric",
        &json!(50),
        &said_of_metric,
        &["set r1 to 50"],
    );
    let said_of_process = [
        "set OSPF instance 100 on r1",
        "set process 100 of OSPF on r1",
        "set OSPF PID 100 on r1",
        "set OSPF proc 100 on r1",
    ];
    check(
        "config/set_ospf",
        "process_id",
        &json!(100),
        &said_of_process,
        &["set OSPF on r1 with 100"],
    );
}

#[test]
fn of_a_name_the_part_is_said_that_tells_it_from_the_others() {
    let speaking = [
        "set the OSPF cost of r1 to 50",
        "set ospf_cost 50 on r1",
        "set the weight of r1 to 50",
        "set the metric of r1 to 50",
        "raise the costs on r1 to 50",
    ];
    let silent = ["set OSPF on r1 to 50", "set the MTU of r1 to 50"];
    check("config/set_port", "ospf_cost", &json!(50), &speaking, &silent);
    let key = json!("k9");
    check(
        "config/set_time",
        "ntp_key",
        &key,
        &["set the key k9 on r1"],
        &["set NTP k9 on r1"],
    );
    let servers = json!(["10.0.0.5"]);
    let speaking = [
        "set the NTP servers of r1 to 10.0.0.5",
        "set ntp-servers 10.0.0.5 on r1",
    ];
    // `ntp` and a word like `server` tell nothing, each by itself, beside `ntp_key`.
    let silent = [
        "set the NTP key of r1 to 10.0.0.5",
        "set the log server of r1 to 10.0.0.5",
    ];
    check("config/set_time", "ntp_servers", &servers, &speaking, &silent);
    let speaking = ["set the router name r1 to x9", "set the name of router r1 to x9"];
    check(
        "config/set_time",
        "router_name",
        &json!("x9"),
        &speaking,
        &["set router r1 to x9"],
    );
}

#[test]
fn what_is_alone_of_its_form_needs_its_word_too() {
    let speaking = [
        "set OSPF on r1 with router id 10.0.0.1",
        "set OSPF on r1, router-id=10.0.0.1",
        "set OSPF on r1, RID 10.0.0.1",
        "set 10.0.0.1 as the id of router r1 in OSPF",
    ];
    let silent = [
        "set OSPF on router r1 and 10.0.0.1",
        "set OSPF on r1 for 10.0.0.1, leave the router id alone",
    ];
    check("config/set_ospf", "router_id", &json!("10.0.0.1"), &speaking, &silent);
    let silent = ["bump MTU of r1", "bump MTU of r1, not the description"];
    check("config/set_port", "description", &json!("bump MTU"), &[], &silent);
}

#[test]
fn what_says_itself_what_it_is_needs_no_word() {
    let speaking = ["configure OSPF 100 on r1", "set up OSPF 100 on r1"];
    let silent = ["configure OSPF on r1 with 100", "configure EIGRP 100 on r1"];
    check("config/set_ospf", "process_id", &json!(100), &speaking, &silent);
    let ports = json!(["eth1", "Gi0/1"]);
    check(
        "config/set_ospf",
        "interfaces",
        &ports,
        &["set OSPF on eth1 and Gi0/1 of r1"],
        &[],
    );
    let numbers = json!(["1", "2"]);
    let silent = ["set OSPF 1 and 2 on r1"];
    check(
        "config/set_ospf",
        "interfaces",
        &numbers,
        &["set OSPF on ports 1 and 2 of r1"],
        &silent,
    );
    let to = json!({"assignees": ["olga"], "thread_ts": "1731"});
    assert!(unspoken("set issue of r1: assign olga, thread 1731", "config/set_issue", &to).is_empty());
    assert_eq!(
        unspoken("set issue of r1: olga, 1731", "config/set_issue", &to),
        ["assignees", "thread_ts"]
    );
    check(
        "config/set_ospf",
        "interfaces",
        &json!(["area"]),
        &[],
        &["set the OSPF area on r1"],
    );
}

#[test]
fn what_is_to_be_left_alone_is_not_spoken_of() {
    let silent = [
        "set the syslog of r1 to 192.0.2.9 and leave the NTP servers alone",
        "set the syslog of r1 to 192.0.2.9, not the NTP",
        "set the syslog of r1 to 192.0.2.9 without touching NTP",
        "don't touch NTP, set the syslog of r1 to 192.0.2.9",
        "set the syslog of r1 to 192.0.2.9 but keep the clock as it is",
        "the time server stays, set the syslog of r1 to 192.0.2.9",
    ];
    let speaking = [
        "leave the syslog of r1 alone, set NTP to 192.0.2.9",
        "don't touch syslog but set NTP on r1 to 192.0.2.9",
    ];
    check("config/set_services", "ntp", &json!(["192.0.2.9"]), &speaking, &silent);
    // And what is to be done is spoken of, whatever stays.
    let meant = [
        "set the syslog of r1 to 192.0.2.9 and leave the NTP servers alone",
        "set the syslog of r1 to 192.0.2.9, not the NTP",
        "don't touch NTP, just set the syslog of r1 to 192.0.2.9",
        "set the syslog of r1 to 192.0.2.9 and keep NTP as it is",
        "set the syslog of r1 to 192.0.2.9 while NTP stays",
        "set the syslog of r1 to 192.0.2.9 and leave everything else unchanged",
        "the time server stays, set the syslog of r1 to 192.0.2.9",
    ];
    check("config/set_services", "syslog", &json!(["192.0.2.9"]), &meant, &[]);
}

#[test]
fn what_is_only_looked_at_takes_no_value_from_what_is_set() {
    for text in [
        "check NTP and set syslog to 192.0.2.9 on r1",
        "set syslog to 192.0.2.9 on r1 and check NTP",
        "Check NTP. Set 192.0.2.9 as log host of r1",
    ] {
        let ntp = json!({"ntp": ["192.0.2.9"]});
        assert_eq!(unspoken(text, "config/set_services", &ntp), ["ntp"], "{text}");
        let syslog = json!({"syslog": ["192.0.2.9"]});
        assert_eq!(
            unspoken(text, "config/set_services", &syslog),
            Vec::<String>::new(),
            "{text}"
        );
    }
}

#[test]
fn a_listed_number_and_what_stands_within_an_optional_object_need_their_word_too() {
    let listed = json!({"lane": 100});
    assert_eq!(
        unspoken("set the rate of r1 to 100", "config/set_speed", &listed),
        ["lane"]
    );
    let within = json!({"timing": {"ntp": "192.0.2.9"}});
    let text = "set the log server of r1 to 192.0.2.9";
    assert_eq!(unspoken(text, "config/set_speed", &within), ["timing/ntp"]);
}

#[test]
fn a_word_that_is_the_value_of_one_argument_speaks_of_no_other() {
    let mut args = json!({"syslog": ["192.0.2.9"], "device": "log-server"});
    let draft = |args: &Value| json!({"steps": [{"id": "s", "tool": "config/set_services", "args": args}]});
    let faults = |text: &str, args: &Value| Ground::of(text).faults(&draft(args), &context());
    let found = faults("set 192.0.2.9 on log-server", &args);
    assert_eq!(found[0].rule, "ground.argument", "{found:?}");
    args["device"] = json!("r1");
    assert!(faults("set 192.0.2.9 as log-server on r1", &args).is_empty());
    let own = json!({"description": "change the description of r1"});
    let text = "change the description of r1";
    assert_eq!(unspoken(text, "config/set_port", &own), Vec::<String>::new());
}

#[test]
fn bindings_need_no_word_and_what_stands_beside_them_does() {
    let text = "give r1 what r2 has, and 192.0.2.9";
    let bound = [
        json!("${steps.r2.output.ntp}"),
        json!(["${steps.r2.output.ntp[0]}"]),
        json!(["${item.a}", "${item.b}"]),
    ];
    for ntp in &bound {
        // Nor does the intent ask for a likeness here: then a binding is no word for what nobody speaks of.
        let said = unspoken(
            "set the syslog server of r1 to 192.0.2.9",
            "config/set_services",
            &json!({"ntp": ntp}),
        );
        assert_eq!(said, ["ntp"], "{ntp}");
    }
    for ntp in bound {
        assert!(
            unspoken(text, "config/set_services", &json!({"ntp": ntp})).is_empty(),
            "{ntp}"
        );
    }
    let claims = [
        json!(["${steps.r2.output.ntp[0]}", "192.0.2.9"]),
        json!(["192.0.2.9 ${steps.r2.output.ntp}"]),
        json!("${steps.r2.output.ntp} r2"),
        json!("${'192.0.2.9'}"),
        json!([]),
    ];
    for ntp in claims {
        assert_eq!(
            unspoken(text, "config/set_services", &json!({"ntp": ntp})),
            ["ntp"],
            "{ntp}"
        );
    }
}

#[test]
fn a_schema_is_looked_into_for_what_it_says_itself() {
    let of = |args: Value| unspoken("set r1 to fast or 64 or 100 kbit", "config/set_speed", &args);
    assert!(of(json!({"speed": "fast"})).is_empty(), "one of a few");
    assert_eq!(of(json!({"speed": "100"})), ["speed"]);
    assert!(of(json!({"burst": 64})).is_empty(), "the schema's own");
    assert_eq!(of(json!({"burst": 100})), ["burst"]);
    assert_eq!(of(json!({"shape": {"rate": 100, "unit": "kbit"}})), ["shape/rate"]);
}

mod given;
