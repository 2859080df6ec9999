use super::*;

fn calls(steps: &[(&str, Value)]) -> Value {
    let step =
        |(at, (tool, args)): (usize, &(&str, Value))| json!({"id": format!("s{at}"), "tool": tool, "args": args});
    steps.iter().enumerate().map(step).collect()
}

#[test]
fn a_verb_licenses_no_tool_that_does_something_else() {
    let remove = calls(&[("config/remove_ospf", json!({"device": "r1"}))]);
    for text in [
        "Shut eth1 on r1",
        "Disable eth1 on r1",
        "Delete the kept configuration golden of r1",
    ] {
        assert_eq!(faults(text, &remove), ["/plan/steps/0/tool ground.tool"], "{text}");
    }
    assert_eq!(faults("Remove OSPF from r1", &remove), Vec::<String>::new());
    assert_eq!(faults("Turn off OSPF on r1", &remove), Vec::<String>::new());
}

#[test]
fn what_is_done_is_done_to_what_the_intent_says() {
    let text = "Remove OSPF from r1 and shut eth1 on r2";
    let shut = |device: &str| {
        (
            "config/set_interface",
            json!({"device": device, "interface": "eth1", "enabled": false}),
        )
    };
    let remove = |device: &str| ("config/remove_ospf", json!({"device": device}));
    assert_eq!(faults(text, &calls(&[remove("r1"), shut("r2")])), Vec::<String>::new());
    assert!(!faults(text, &calls(&[remove("r2")])).is_empty());
    assert!(!faults(text, &calls(&[shut("r1")])).is_empty());
    let text = "Configure OSPF area 0 on r1 and remove it from r2";
    assert_eq!(faults(text, &calls(&[remove("r2")])), Vec::<String>::new());
    assert!(!faults(text, &calls(&[remove("r1")])).is_empty());
}

#[test]
fn what_is_switched_with_its_own_verb_switches_nothing_else() {
    let shut = |interface: &str| {
        calls(&[(
            "config/set_interface",
            json!({"device": "r1", "interface": interface, "enabled": false}),
        )])
    };
    let text = "Shut eth1 and set the MTU of eth2 to 9000 on r1";
    assert_eq!(faults(text, &shut("eth1")), Vec::<String>::new());
    assert!(!faults(text, &shut("eth2")).is_empty());
    assert!(!faults("Undo the shut of eth1 on r1", &shut("eth1")).is_empty());
}

#[test]
fn a_number_goes_where_it_is_labelled() {
    let ospf = |process: u32, area: &str| {
        calls(&[(
            "config/configure_ospf",
            json!({"device": "r1", "process_id": process, "area": area}),
        )])
    };
    let text = "Configure OSPF process 10 area 20 on r1";
    assert_eq!(faults(text, &ospf(10, "20")), Vec::<String>::new());
    assert!(!faults(text, &ospf(20, "10")).is_empty());
}

#[test]
fn a_group_is_no_wider_than_the_intent_says() {
    let each = |chosen: Value| {
        json!([
            {"id": "l", "tool": "inventory/list_devices", "args": chosen},
            {"id": "e", "for_each": "${steps.l.output.devices}", "tool": "config/remove_ospf", "args": {"device": "${item.name}"}},
        ])
    };
    let text = "Remove OSPF from all core switches in Beijing";
    assert_eq!(
        faults(text, &each(json!({"site": "beijing", "role": "core"}))),
        Vec::<String>::new()
    );
    for chosen in [json!({}), json!({"site": "beijing"}), json!({"role": "core"})] {
        assert_eq!(
            faults(text, &each(chosen.clone())),
            ["/plan/steps/1/for_each ground.wider"],
            "{chosen}"
        );
    }
}

#[test]
fn a_group_that_is_only_looked_at_or_that_is_fine_takes_no_change_of_what_is_named() {
    let list = ("inventory/list_devices", json!({"role": "core"}));
    let mut widened = calls(&[list, ("config/remove_ospf", json!({"device": "${item.name}"}))]);
    widened[1]["for_each"] = json!("${steps.s0.output.devices}");
    let wider = "/plan/steps/1/for_each ground.wider".to_owned();
    for text in [
        "Remove OSPF from r1 and check all core routers",
        "Remove OSPF from r1. All other core routers are fine.",
    ] {
        assert!(faults(text, &widened).contains(&wider), "{text}");
    }
    for text in [
        "Remove OSPF from all core routers",
        "Remove OSPF from every core router",
    ] {
        assert_eq!(faults(text, &widened), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn lists_that_are_paired_go_together_in_their_order() {
    let set = |interface: &str, mtu: u32| {
        let args = json!({"device": "r7", "interface": interface, "mtu": mtu});
        calls(&[("config/set_interface", args)])
    };
    let text = "Set the MTU of eth1, eth2 and eth3 on r7 to 9000, 1600 and 1500 respectively";
    for (interface, mtu) in [("eth1", 9000), ("eth2", 1600), ("eth3", 1500)] {
        assert_eq!(
            faults(text, &set(interface, mtu)),
            Vec::<String>::new(),
            "{interface} {mtu}"
        );
    }
    let elsewhere = "Set the MTU of eth1 and eth2 on r7 to 9000 and 1600 respectively, and the MTU of eth3 to 1600";
    assert_eq!(faults(elsewhere, &set("eth3", 1600)), Vec::<String>::new());
    for (interface, mtu) in [("eth1", 1600), ("eth2", 9000), ("eth3", 1600)] {
        assert_eq!(
            faults(text, &set(interface, mtu)),
            ["/plan/steps/0/args/mtu ground.bound"],
            "{interface} {mtu}"
        );
    }
}
