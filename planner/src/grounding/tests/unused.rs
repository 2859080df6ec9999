use super::*;

/// A look at r7 and a change for each of what it found, or with what it found.
fn after_a_look(step: Value) -> Value {
    let look = json!({"id": "look", "tool": "inventory/get_device", "args": {"device": "r7"}});
    json!([look, step])
}

fn set(args: Value) -> Value {
    let mut args = args;
    args["device"] = json!("r7");
    after_a_look(json!({"id": "set", "tool": "config/set_interface", "args": args}))
}

#[test]
fn what_a_tool_answered_is_given_to_no_argument_of_which_the_intent_does_not_speak() {
    let text = "Set the MTU of eth1 on r7 to 1600";
    let switched = json!({"interface": "eth1", "mtu": 1600, "enabled": "${!steps.look.output.enabled}"});
    assert_eq!(
        faults(text, &set(switched)),
        ["/plan/steps/1/args/enabled ground.argument"]
    );
    let counted = set(json!({"interface": "eth1", "mtu": "${steps.look.output.base.size()}"}));
    assert!(faults(text, &counted).contains(&"/plan/steps/1/args/mtu ground.literal".to_owned()));
    let alike = set(json!({"interface": "eth1", "mtu": "${steps.look.output.mtu}"}));
    assert_eq!(
        faults("Set the MTU of eth1 on r7 to what it was", &alike),
        Vec::<String>::new()
    );
}

#[test]
fn one_interface_that_is_named_does_not_become_all_that_were_found() {
    let each = |items: &str| {
        let args = json!({"device": "r7", "interface": "${item.interface}", "enabled": false});
        after_a_look(json!({"id": "set", "for_each": items, "tool": "config/set_interface", "args": args}))
    };
    let all = "${steps.look.output.links}";
    for (text, items) in [
        ("Shut down eth3 on r7", all),
        ("Shut down eth1 and eth3 on r7", all),
        (
            "Shut down eth3 on r7",
            "${steps.look.output.links.filter(l, l.interface != 'eth3')}",
        ),
        (
            "Shut down eth3 on r7",
            "${steps.look.output.links.filter(l, !(l.interface == 'eth3'))}",
        ),
        (
            "Shut down eth3 on r7",
            "${steps.look.output.links.filter(l, l.interface == 'eth3' || has(l.peer))}",
        ),
    ] {
        let found = faults(text, &each(items));
        let by = |rule: &str| found.iter().any(|fault| fault.ends_with(rule));
        assert!(by("ground.unused") || by("ground.literal"), "{text} {items}: {found:?}");
    }
    let mut beside = each(all);
    let read = json!({"id": "one", "tool": "inventory/get_device", "args": {"device": "r7", "interface": "eth3"}});
    beside.as_array_mut().unwrap().push(read);
    assert_eq!(
        faults("Shut down eth3 on r7", &beside),
        ["/plan/steps/1/args ground.unused"],
        "the read has no part in it"
    );
    let one = "${steps.look.output.links.filter(l, l.interface == 'eth3')}";
    assert_eq!(faults("Shut down eth3 on r7", &each(one)), Vec::<String>::new());
    assert_eq!(
        faults("Shut down every interface of r7", &each(all)),
        Vec::<String>::new()
    );
}

#[test]
fn of_a_group_none_is_picked_by_its_place_and_none_is_the_one_at_the_other_end() {
    let list = json!({"id": "all", "tool": "inventory/list_devices", "args": {"role": "core"}});
    let save = |items: Option<&str>, device: &str| {
        let mut step = json!({"id": "save", "tool": "config/save", "args": {"device": device}});
        if let Some(items) = items {
            step["for_each"] = json!(items);
        }
        json!([list, step])
    };
    let text = "Save the configuration of all core switches";
    for (items, device) in [
        (None, "${steps.all.output.devices[0].name}"),
        (Some("${steps.all.output.devices}"), "${item.peer}"),
        (
            Some("${steps.all.output.devices.filter(d, d.role != 'core')}"),
            "${item.name}",
        ),
        (
            Some("${steps.all.output.devices.filter(d, d.role == 'core' || d.writable)}"),
            "${item.name}",
        ),
        (Some("${[steps.all.output.devices[0]]}"), "${item.name}"),
    ] {
        let found = faults(text, &save(items, device));
        assert!(
            found.iter().any(|fault| fault.ends_with("ground.literal")),
            "{items:?} {device}: {found:?}"
        );
    }
    let each = save(Some("${steps.all.output.devices}"), "${item.name}");
    assert_eq!(faults(text, &each), Vec::<String>::new());
    let ends = save(Some("${steps.all.output.devices}"), "${item.peer}");
    assert_eq!(
        faults("Save the configuration of all neighbors of the core switches", &ends),
        Vec::<String>::new()
    );
}

#[test]
fn to_have_looked_is_not_to_have_done_it() {
    let look = json!([{"id": "look", "tool": "inventory/get_device", "args": {"device": "r7"}}]);
    for text in [
        "Change the MTU of eth1 on r7 to 1900",
        "Shut down eth1 on r7 and save it",
    ] {
        assert_eq!(faults(text, &look), ["/plan/steps ground.unused"], "{text}");
    }
    for text in ["Show r7", "Which switch is r7?", "For every switch tell me its state"] {
        assert_eq!(faults(text, &look), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_runbook_that_writes_is_given_all_that_is_named_and_nothing_is_left_alone() {
    let beyond = |text: &str, params: Value| {
        let params = params.as_object().cloned().unwrap();
        Ground::of(text).beyond(&params, &context()).map(|fault| fault.message)
    };
    let group = json!({"servers": ["10.1.1.1"], "role": "core", "site": "beijing"});
    for text in [
        "Set ntp servers 10.1.1.1 on all core switches in beijing except r7",
        "Add ntp server 10.1.1.1 on all core devices in beijing; do not touch r7",
        "On r7 only: add ntp server 10.1.1.1, as on all core switches in beijing",
        "Add the ntp servers 10.1.1.1 and 10.1.1.2 on every core switch of beijing",
        "Set ntp servers 10.1.1.1 on all core switches in beijing except the old ones",
    ] {
        assert!(beyond(text, group.clone()).is_some(), "{text}");
    }
    for text in [
        "Add ntp server 10.1.1.1 on all core switches in beijing",
        "Add ntp server 10.1.1.1 on the 4 core switches in beijing",
    ] {
        assert_eq!(beyond(text, group.clone()), None, "{text}");
    }
    // What two words name is no count of what stands behind it.
    let cost = json!({"role": "core"});
    assert!(beyond("Set cost 10 on links of core routers", cost.clone()).is_some());
    assert!(beyond("Remove OSPF from r7 links of core routers", cost).is_some());
    let port = json!({"interface": "eth2", "device": "r8"});
    for text in [
        "Turn port eth1 of r7 off, but leave eth2 of r8 on",
        "Turn port eth1 of r7 off and check port eth2 of r8",
    ] {
        assert!(beyond(text, port.clone()).is_some(), "{text}");
    }
    assert!(beyond("Move the traffic off r7 onto r8", json!({"device": "r8"})).is_some());
    for text in [
        "Turn port eth2 of r8 off",
        "Turn port eth2 of r8 off, but leave eth1 of r7 on",
    ] {
        assert_eq!(beyond(text, port.clone()), None, "{text}");
    }
}
