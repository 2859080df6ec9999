use super::*;

#[test]
fn a_value_feeds_as_many_arguments_as_it_is_said_times() {
    let numbers = json!({"mtu": 50, "ospf_cost": 50, "metric": 50});
    let of = |text: &str| refused(text, "config/set_port", &numbers, "ground.literal").len();
    assert_eq!(of("set MTU, cost, metric of r1: 50"), 2);
    assert_eq!(of("set MTU 50, cost 50, metric of r1"), 1);
    assert_eq!(of("set MTU 50, cost 50, metric 50 of r1"), 0);
    let taken = json!({"description": "to r2 by 50", "mtu": 50, "metric": 50});
    let of = |text: &str| refused(text, "config/set_port", &taken, "ground.literal").len();
    assert!(of("describe r1 as \"to r2 by 50\", MTU 50, metric") > 0);
    assert_eq!(of("describe r1 as \"to r2 by 50\", MTU 50, metric 50"), 0);
}

#[test]
fn two_arguments_share_what_is_said_of_both() {
    let both = json!({"ntp": ["10.0.0.5"], "syslog": ["10.0.0.5"]});
    let of = |text: &str, rule: &str| refused(text, "config/set_services", &both, rule);
    for text in [
        "use 10.0.0.5 as NTP and syslog server of r1",
        "set 10.0.0.5 as NTP server and as log host of r1",
        "r1: set NTP/syslog to 10.0.0.5",
        "set 10.0.0.5 for syslog as well as for NTP on r1",
        "set NTP to 10.0.0.5 and syslog to 10.0.0.5 on r1",
    ] {
        assert_eq!(of(text, "ground.literal"), Vec::<String>::new(), "{text}");
        assert_eq!(of(text, "ground.argument"), Vec::<String>::new(), "{text}");
    }
    for text in [
        "set NTP to 10.0.0.5 and syslog to 10.0.0.6 on r1",
        "set NTP to 10.0.0.5 on r1, and ask me for the syslog",
        "set NTP of r1 to 10.0.0.5. And the syslog?",
        "set NTP of r1 to 10.0.0.5 and leave syslog alone",
    ] {
        assert_eq!(of(text, "ground.literal"), ["syslog"], "{text}");
    }
    let ospf = json!({"process_id": 100, "router_id": "100"});
    let text = "set OSPF process 100 and a router id on r1";
    assert_eq!(refused(text, "config/set_ospf", &ospf, "ground.literal").len(), 1);
}

#[test]
fn a_value_goes_where_the_intent_says_it() {
    let of = |text: &str| {
        let args = json!({"ntp": ["10.0.0.5"], "syslog": ["10.0.0.6"]});
        unspoken(text, "config/set_services", &args)
    };
    let none: [&str; 0] = [];
    for text in [
        "set NTP to 10.0.0.5 and syslog to 10.0.0.6 on r1",
        "use 10.0.0.5 as NTP and 10.0.0.6 as syslog server of r1",
        "set NTP and syslog of r1 to 10.0.0.5 and 10.0.0.6",
        "set 10.0.0.5 and 10.0.0.6 on r1, for NTP and syslog",
        "set the syslog of r1 to 10.0.0.6. NTP comes from 10.0.0.5.",
    ] {
        assert_eq!(of(text), none, "{text}");
    }
    assert_eq!(
        of("set NTP to 10.0.0.6 and syslog to 10.0.0.5 on r1"),
        ["ntp", "syslog"]
    );
    assert_eq!(
        of("set NTP to 10.0.0.6. Set syslog to 10.0.0.5 on r1"),
        ["ntp", "syslog"]
    );
    let args = json!({"mtu": 50, "ospf_cost": 9000});
    let swapped = unspoken("set the cost of r1 to 50, the MTU to 9000", "config/set_port", &args);
    assert_eq!(swapped, ["mtu", "ospf_cost"]);
    let one = unspoken(
        "set NTP to 10.0.0.6 and syslog to 10.0.0.5 on r1",
        "config/set_services",
        &json!({"syslog": ["10.0.0.6"]}),
    );
    assert_eq!(one, ["syslog"]);
}

#[test]
fn a_word_goes_where_the_intent_says_it() {
    let of = |text: &str, args: Value| unspoken(text, "config/set_names", &args);
    let none: [&str; 0] = [];
    let text = "set the description of r1 to spare port and its location to hall west";
    assert_eq!(
        of(text, json!({"description": "spare port", "location": "hall west"})),
        none
    );
    assert_eq!(of(text, json!({"description": "hall west"})), ["description"]);
    assert_eq!(of(text, json!({"location": "spare port"})), ["location"]);
    let quoted = "set the location of r1 to \"hall west\", the description to \"location: east\"";
    assert_eq!(
        of(
            quoted,
            json!({"description": "location: east", "location": "hall west"})
        ),
        none
    );
    assert_eq!(of(quoted, json!({"description": "hall west"})), ["description"]);
    let listed = "on r1 set ingress to permit and egress to deny";
    assert_eq!(of(listed, json!({"ingress": "permit", "egress": "deny"})), none);
    assert_eq!(
        of(listed, json!({"ingress": "deny", "egress": "permit"})),
        ["egress", "ingress"]
    );
    assert_eq!(of("set ingress of r1 to deny", json!({"egress": "deny"})), ["egress"]);
}

#[test]
fn a_part_of_a_things_name_speaks_of_nothing() {
    let one = json!(["192.0.2.9"]);
    let silent = [
        "set 192.0.2.9 as log host on r1, and check ntp-gw",
        "set 192.0.2.9 on r1 as on ntp_gw",
        "set 192.0.2.9 on r1 and on clock-west",
    ];
    let speaking = [
        "set the NTP-source of r1 to 192.0.2.9",
        "set ntp_server=192.0.2.9 on r1",
    ];
    check("config/set_services", "ntp", &one, &speaking, &silent);
    let steps = json!({"steps": [
        {"id": "a", "tool": "config/set_services", "args": {"device": "r1", "syslog": ["192.0.2.9"]}},
        {"id": "b", "tool": "config/set_services", "args": {"device": "log-server"}},
    ]});
    let faults = Ground::of("set 192.0.2.9 on r1 and log-server").faults(&steps, &context());
    assert_eq!(faults[0].pointer, "/plan/steps/0/args/syslog", "{faults:?}");
}

#[test]
fn what_is_said_once_feeds_one_argument_in_all_steps_together() {
    let faults = |text: &str, steps: &[(&str, Value)]| -> Vec<String> {
        let step =
            |(at, (tool, args)): (usize, &(&str, Value))| json!({"id": format!("s{at}"), "tool": tool, "args": args});
        let steps: Vec<Value> = steps.iter().enumerate().map(step).collect();
        let faults = Ground::of(text)
            .faults(&json!({"steps": steps}), &context())
            .into_iter();
        faults.map(|fault| fault.pointer).collect()
    };
    let none: [&str; 0] = [];
    let mtu = ("config/set_port", json!({"device": "r1", "mtu": 100}));
    let cost = ("config/set_port", json!({"device": "r1", "ospf_cost": 100}));
    let steps = [mtu.clone(), cost];
    assert!(!faults("set MTU 100 on r1. The cost of r1, too.", &steps).is_empty());
    assert_eq!(
        faults("set the MTU to 100 on r1 and then the cost of r1 to 100", &steps),
        none
    );
    assert_eq!(faults("set MTU and cost of r1 to 100", &steps), none);
    let steps = [mtu, ("config/set_ospf", json!({"device": "r1", "process_id": 100}))];
    let text = "set OSPF process 100 on r1 and then the MTU of r1";
    assert_eq!(faults(text, &steps), ["/plan/steps/1/args/process_id"]);
    assert_eq!(
        faults("set OSPF process 100 on r1 and the MTU of r1 to 100", &steps),
        none
    );
    let steps = [
        ("config/set_port", json!({"device": "r1", "description": "uplink"})),
        ("config/make_vlan", json!({"device": "r2", "name": "uplink"})),
    ];
    let text = "set the description of r1 to uplink and create a VLAN on r2, with a name";
    assert!(!faults(text, &steps).is_empty());
    let text = "set the description of r1 to uplink and create a VLAN with the name uplink on r2";
    assert_eq!(faults(text, &steps), none);
}

#[test]
fn of_a_tool_that_needs_nothing_the_intent_speaks_of_what_is_set() {
    let ntp = json!(["192.0.2.9"]);
    let speaking = ["set NTP on r1 to 192.0.2.9"];
    let silent = ["set the log server of r1 to 192.0.2.9", "set 192.0.2.9 on r1"];
    check("config/set_at_will", "ntp", &ntp, &speaking, &silent);
    let only = ["set the banner of r1 to \"keep out\""];
    check("config/set_banner_at_will", "text", &json!("keep out"), &only, &[]);
}

#[test]
fn what_is_missing_or_kept_is_spoken_of_where_more_is_added_and_nothing_else_is_said() {
    let speaking = [
        "r1 has no NTP server. Add 10.0.0.1",
        "r1 has no NTP server yet, add 10.0.0.1 there",
        "keep the existing NTP servers of r1 and add 10.0.0.1",
        "on r1 keep existing NTP servers and add server 10.0.0.1 too",
    ];
    let silent = [
        "r1 has no NTP server. Add 10.0.0.1 as log host",
        "r1 has no NTP server. Add 10.0.0.1 for the audit trail",
        "r1 has no NTP. Set syslog. Add 10.0.0.1",
        "keep the existing NTP servers of r1 and set 10.0.0.1",
        "keep the existing NTP servers of r1 and add 10.0.0.1 for the events",
        "leave the existing NTP servers of r1 alone and add 10.0.0.1",
        "keep NTP on r1 as it is and add 10.0.0.1",
        "r1 must not have NTP. Add 10.0.0.1",
    ];
    check("config/set_services", "ntp", &json!(["10.0.0.1"]), &speaking, &silent);
}

#[test]
fn a_value_that_is_needed_has_its_place_too() {
    let of = |text: &str, args: Value| unspoken(text, "config/make_tunnel", &args);
    let none: [&str; 0] = [];
    let text = "set the label of r1 to west and its colour to blue";
    assert_eq!(of(text, json!({"label": "west", "colour": "blue"})), none);
    assert_eq!(of(text, json!({"label": "blue"})), ["label"]);
    assert_eq!(of("set r1 to west", json!({"label": "west"})), none);
}
