use super::*;

fn shut(device: &str) -> Value {
    switched(device, false)
}

#[test]
fn a_name_without_a_digit_is_left_like_any_other() {
    for text in [
        "Shut eth1 on beta, not on alpha",
        "Shut eth1 on beta and leave alpha alone",
        "Shut eth1 on beta; alpha must not be touched",
        "Shut eth1 on beta, hands off alpha",
        "Shut eth1 on beta, aber nicht auf alpha",
    ] {
        let refused = ["/plan/steps/0/args/device ground.literal"];
        assert_eq!(faults(text, &shut("alpha")), refused, "{text}");
        assert_eq!(faults(text, &shut("beta")), Vec::<String>::new(), "{text}");
    }
    let chosen = json!([
        {"id": "l", "tool": "inventory/list_devices", "args": {"site": "shanghai"}},
        {"id": "e", "for_each": "${steps.l.output.devices}", "tool": "config/remove_ospf", "args": {"device": "${item.name}"}},
    ]);
    let text = "Remove OSPF from all routers in Beijing but not in Shanghai";
    assert!(faults(text, &chosen).contains(&"/plan/steps/0/args/site ground.literal".to_owned()));
}

#[test]
fn once_is_enough_where_it_is_about_the_thing_itself() {
    for text in [
        "Shut eth1 on r1, r2, r3 - but not on r2",
        "Shut eth1 on r1 (r2 is the backup; do not shut r2)",
        "Do not, under any circumstances, shut r2. Shut eth1 on r1, which is beside r2.",
        "Do not shut eth1 on r2\nor r3. Shut eth1 on r1.",
        "Shut eth1 on r1.\nExceptions:\n- r2",
    ] {
        assert!(!faults(text, &shut("r2")).is_empty(), "{text}");
        assert_eq!(faults(text, &shut("r1")), Vec::<String>::new(), "{text}");
    }
    for text in [
        "Shut eth1 on r1, and don't touch the description of eth1 on r1",
        "Shut eth1 on r1, but do not reboot r1",
        "r1 is not reachable over eth2, so shut eth1 on r1",
        "OSPF does not come up on r1: shut eth1",
        "Not urgent: shut eth1 on r1",
        "Don't forget to shut eth1 on r1",
        "Shut r1/eth1",
    ] {
        assert_eq!(faults(text, &shut("r1")), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_verb_is_negated_from_anywhere_before_it() {
    let remove = json!([{"id": "a", "tool": "config/remove_ospf", "args": {"device": "r7"}}]);
    for text in [
        "I don't want you to remove OSPF from r7",
        "You must not, whatever happens, remove OSPF from r7",
        "Nobody may remove OSPF from r7",
        "Refrain from any attempt to remove OSPF from r7",
    ] {
        assert!(
            faults(text, &remove).contains(&"/plan/steps/0/tool ground.verb".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn what_is_left_stands_in_an_expression_only_to_be_left_out() {
    let text = "Remove OSPF from all routers, but not from r2";
    let with = |filter: &str| {
        json!([
            {"id": "l", "tool": "inventory/list_devices", "args": {}},
            {"id": "e", "for_each": format!("${{steps.l.output.devices{filter}}}"), "tool": "config/remove_ospf",
             "args": {"device": "${item.name}"}},
        ])
    };
    let refused = "/plan/steps/1/for_each ground.literal".to_owned();
    for filter in [".filter(d, d.name == 'r2')", ".filter(d, !(d.name != 'r2'))"] {
        assert!(faults(text, &with(filter)).contains(&refused), "{filter}");
    }
    for filter in [".filter(d, d.name != 'r2')", ".filter(d, !(d.name in ['r2']))"] {
        assert_eq!(faults(text, &with(filter)), Vec::<String>::new(), "{filter}");
    }
    assert_eq!(faults(text, &with("")), ["/plan/steps/1/for_each ground.left"]);
}

#[test]
fn an_expression_makes_no_value_that_nobody_said() {
    let set = |name: &str, value: &str| {
        let mut args = json!({"device": "r7", "interface": "eth1"});
        args[name] = json!(value);
        json!([{"id": "a", "tool": "config/set_interface", "args": args}])
    };
    let text = "set the mtu of eth1 on r7 to 9000";
    for (name, value) in [
        ("enabled", "${true}"),
        ("mtu", "${9000 - 9000}"),
        ("mtu", "${index}"),
        ("mtu", "${''}"),
    ] {
        let refused = format!("/plan/steps/0/args/{name} ground.literal");
        assert!(faults(text, &set(name, value)).contains(&refused), "{value}");
    }
    assert_eq!(faults(text, &set("mtu", "${9000}")), Vec::<String>::new());
    let other = json!([
        {"id": "l", "tool": "inventory/get_device", "args": {"device": "r7"}},
        {"id": "a", "tool": "config/remove_ospf", "args": {"device": "${steps.l.output.links[0].peer}"}},
    ]);
    assert_eq!(
        faults("remove ospf from r7", &other),
        ["/plan/steps/1/args/device ground.literal"]
    );
}
