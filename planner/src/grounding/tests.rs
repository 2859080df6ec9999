use super::*;
use crate::fixtures::context;
use serde_json::json;

const OSPF: &str = "Configure OSPF area 0 with process ID 100 for all core switches in the Beijing data center";

fn faults(text: &str, steps: &Value) -> Vec<String> {
    let faults = Ground::of(text).faults(&json!({"steps": steps}), &context());
    faults
        .iter()
        .map(|fault| format!("{} {}", fault.pointer, fault.rule))
        .collect()
}

#[test]
fn a_literal_may_be_said_in_another_form() {
    let cases = [
        ("area 0", json!("0.0.0.0"), true),
        ("area 0.0.0.1", json!(1), true),
        ("all core switches", json!("core"), true),
        ("all cores", json!("CORE"), true),
        ("in the Beijing data center", json!("beijing"), true),
        ("for each of Beijing's core switches", json!("beijing"), true),
        ("for each of Beijing’s core switches", json!("Beijing"), true),
        ("r1's neighbours", json!("r1s"), false),
        ("on Gi0/1", json!("GigabitEthernet0/1"), true),
        ("on Gi0/1", json!("GigabitEthernet0/2"), false),
        ("on r1", json!("router1"), false),
        ("to 2001:DB8:0::1", json!("2001:db8::1"), true),
        ("set \"uplink to core\"", json!("uplink to core"), true),
        ("uplink to the core", json!("core to uplink"), false),
        ("area 0", json!(10), false),
        ("router r7", json!(7), false),
        ("two words", json!("two\nwords"), false),
        ("r1 and r2", json!(["r1", "r2"]), true),
        ("r1 and r2", json!(["r1", "r3"]), false),
        ("to 1,500", json!(1500), true),
        ("to 1,500", json!(500), false),
        ("to 1,500", json!(1), false),
        ("to 1, 500", json!(1500), false),
        ("to -5", json!(-5), true),
        ("to -5", json!(5), false),
        ("to 5", json!(-5), false),
        ("to 9k", json!(9000), true),
        ("to 1.5k", json!(1500), true),
        ("to 9k", json!(9), false),
        ("to 9k", json!(90000), false),
    ];
    for (text, literal, wanted) in cases {
        assert_eq!(Ground::of(text).has(&literal), wanted, "{literal} in {text:?}");
    }
}

#[test]
fn a_draft_that_says_what_the_intent_says_stands() {
    let steps = json!([
        {"id": "cores", "tool": "inventory/list_devices", "args": {"site": "beijing", "role": "core"}},
        {"id": "ospf", "for_each": "${steps.cores.output.devices}", "tool": "config/configure_ospf",
         "args": {"device": "${item.name}", "process_id": 100, "area": "0.0.0.0"}}
    ]);
    assert_eq!(faults(OSPF, &steps), Vec::<String>::new());
}

#[test]
fn what_an_argument_is_called_is_no_value_of_it() {
    let shut = |interface: &str| json!([{"id": "shut", "tool": "config/set_interface", "args": {"device": "sh-core-1", "interface": interface, "enabled": false}}]);
    for (text, interface) in [
        ("Shut down the interface on sh-core-1", "interface"),
        ("Shut down the interfaces on sh-core-1", "the interface"),
        ("Shut down the port on sh-core-1", "port"),
    ] {
        let wanted = ["/plan/steps/0/args/interface ground.literal"];
        assert_eq!(faults(text, &shut(interface)), wanted, "{text}");
    }
    let named = "Shut down the interface eth1 on sh-core-1";
    assert_eq!(faults(named, &shut("eth1")), Vec::<String>::new());
    let group = json!([{"id": "ospf", "tool": "config/configure_ospf", "args": {"device": "the router", "area": "area", "process_id": 1}}]);
    assert_eq!(
        faults("Configure OSPF process 1 on the router in the area", &group).len(),
        2
    );
}

#[test]
fn a_value_does_not_take_in_what_the_intent_says_of_another() {
    let describe = |text: &str| json!([{"id": "set", "tool": "config/set_interface", "args": {"device": "sh-core-1", "interface": "eth1", "description": text}}]);
    let asked = "Change the description of interface eth1 on sh-core-1";
    for text in [asked, "description of interface eth1", "interface eth1 on sh-core-1"] {
        let found = faults(asked, &describe(text));
        assert!(
            found
                .iter()
                .all(|f| f == "/plan/steps/0/args/description ground.literal"),
            "{text}: {found:?}"
        );
        assert!(!found.is_empty(), "{text}");
    }
    let told = "Change the description of interface eth1 on sh-core-1 to \"eth1 to sh-core-2\"";
    assert_eq!(faults(told, &describe("eth1 to sh-core-2")), Vec::<String>::new());
    let inside = "Label the uplink of sh-core-1 with \"to eth1 of r2\"";
    assert!(
        !faults(inside, &describe("to eth1 of r2")).is_empty(),
        "eth1 is said in the text only"
    );
    let lines = json!([{"id": "set", "tool": "config/set_interface", "args": {"device": "sh-core-1", "interface": "eth1", "lines": [asked]}}]);
    assert!(!faults(asked, &lines).is_empty());
}

#[test]
fn what_is_said_once_is_the_value_of_one_argument() {
    let ospf = |area: &str| json!([{"id": "set", "tool": "config/configure_ospf", "args": {"device": "r7", "process_id": 100, "area": area}}]);
    let found = faults("Configure OSPF process 100 on r7", &ospf("100"));
    assert!(
        found.contains(&"/plan/steps/0/args/area ground.argument".to_owned()),
        "{found:?}"
    );
    let twice = faults("Configure OSPF process 100 in area 100 on r7", &ospf("100"));
    assert_eq!(twice, Vec::<String>::new());
}

#[test]
fn what_is_invented_is_named() {
    let steps = json!([
        {"id": "cores", "tool": "inventory/list_devices", "args": {"site": "shanghai"}},
        {"id": "other", "tool": "inventory/list_devices", "args": {"site": "paris"}},
        {"id": "ospf", "for_each": "${steps.cores.output.devices}", "tool": "config/configure_ospf",
         "args": {"device": "${item.name + '-x'}", "process_id": 200, "area": "0.0.0.0"}}
    ]);
    let wanted = [
        "/plan/steps/0/args/site ground.literal",
        "/plan/steps/2/args/device ground.literal",
        "/plan/steps/2/args/process_id ground.literal",
        "/plan/steps ground.unused",
    ];
    assert_eq!(faults(OSPF, &steps), wanted);
}

#[test]
fn a_write_needs_a_verb_of_its_kind() {
    let write = json!([{"id": "a", "tool": "config/configure_ospf", "args": {"device": "r7", "area": "0"}}]);
    let remove = json!([{"id": "a", "tool": "config/remove_ospf", "args": {"device": "r7"}}]);
    let verb = ["/plan/steps/0/tool ground.verb"];
    assert_eq!(faults("check area 0 of r7", &write), verb);
    assert_eq!(faults("remove area 0 from r7", &write), verb);
    assert_eq!(faults("configure r7", &remove), verb);
    assert!(faults("configure area 0 on r7", &write).is_empty());
    assert!(faults("remove ospf from r7", &remove).is_empty());
}

#[test]
fn a_tool_without_a_contract_counts_as_a_write() {
    let steps = json!([{"id": "a", "tool": "other/mystery", "args": {}}]);
    assert_eq!(faults("check r7", &steps), ["/plan/steps/0/tool ground.verb"]);
}

#[test]
fn defaults_of_the_schema_and_switches_need_no_word() {
    let set = |args: Value| json!([{"id": "a", "tool": "config/set_interface", "args": args}]);
    let off = set(json!({"device": "r7", "interface": "eth1", "enabled": false}));
    assert!(faults("shut interface eth1 on r7", &off).is_empty());
    assert_eq!(
        faults("set interface eth1 on r7", &off),
        ["/plan/steps/0/args/enabled ground.literal"]
    );
    let on = set(json!({"device": "r7", "interface": "eth1", "enabled": true}));
    for text in [
        "turn on interface eth1 of r7",
        "set interface eth1 of r7 up",
        "Switch interface eth1 of r7 on.",
    ] {
        assert!(faults(text, &on).is_empty(), "{text}");
    }
    for text in ["on r7 set interface eth1", "set interface eth1 on r7"] {
        assert_eq!(
            faults(text, &on),
            ["/plan/steps/0/args/enabled ground.literal"],
            "{text}"
        );
    }
    let default = set(json!({"device": "r7", "interface": "eth1", "mtu": 1500}));
    assert!(faults("set interface eth1 on r7", &default).is_empty());
    // To take something away switches nothing off.
    let emptied = set(json!({"device": "r7", "interface": "eth1", "description": "", "enabled": false}));
    assert_eq!(
        faults("remove the description of interface eth1 on r7", &emptied),
        ["/plan/steps/0/args/enabled ground.literal"]
    );
}

#[test]
fn what_is_to_stay_as_it_is_gives_no_write_a_value() {
    let set = |args: Value| json!([{"id": "a", "tool": "config/set_interface", "args": args}]);
    let at = |name: &str| format!("/plan/steps/0/args/{name} ground.literal");
    let eth2 = set(json!({"device": "r7", "interface": "eth2", "enabled": false}));
    assert_eq!(
        faults("shut interface eth1 on r7 but leave eth2 up", &eth2),
        [at("interface")]
    );
    let r8 = set(json!({"device": "r8", "interface": "eth1", "enabled": false}));
    assert_eq!(faults("shut interface eth1 on r7, not on r8", &r8), [at("device")]);
    let mtu = set(json!({"device": "r7", "interface": "eth1", "mtu": 1400}));
    assert_eq!(
        faults("set the mtu of interface eth1 on r7 to 9000, not to 1400", &mtu),
        [at("mtu")]
    );
    let meant = set(json!({"device": "r7", "interface": "eth1", "mtu": 9000}));
    for text in [
        "set the mtu of interface eth1 on r7 to 9000, not to 1400",
        "don't touch r8, just set the mtu of interface eth1 on r7 to 9000",
        "set the mtu of interface eth1 on r7 to 9000 and leave r8 alone",
    ] {
        assert_eq!(faults(text, &meant), Vec::<String>::new(), "{text}");
    }
}

fn switched(device: &str, enabled: bool) -> Value {
    let args = json!({"device": device, "interface": "eth1", "enabled": enabled});
    json!([{"id": "a", "tool": "config/set_interface", "args": args}])
}

#[test]
fn a_list_of_what_is_to_stay_gives_no_write_a_value() {
    let shut = |device: &str| switched(device, false);
    for text in [
        "Shut eth1 of r9. Don't touch:\n- r7\n- r8",
        "don't touch:\n- r7\n- r8\n\nShut eth1 of r9.",
        "Do not touch\n- r7\n- r8\nShut eth1 of r9",
        "Don't touch:\n1. r7.\n2. r8.\nShut eth1 of r9",
        "Leave these alone:\n\n* r7\n* r8, and r6\nShut eth1 of r9",
        "These stay as they are:\nr7\nr8\n\nShut eth1 of r9",
    ] {
        for device in ["r7", "r8"] {
            let refused = ["/plan/steps/0/args/device ground.literal"];
            assert_eq!(faults(text, &shut(device)), refused, "{text}");
        }
        assert_eq!(faults(text, &shut("r9")), Vec::<String>::new(), "{text}");
    }
    let forbidden = "Do not:\n- reload r8\n- shut eth1 of r7, then shut eth1 of r8";
    assert!(faults(forbidden, &shut("r8")).contains(&"/plan/steps/0/tool ground.verb".to_owned()));
    let wanted = "Do the following:\n- shut eth1 of r7\n- leave r8 alone";
    assert_eq!(faults(wanted, &shut("r7")), Vec::<String>::new());
}

#[test]
fn what_is_set_up_is_not_switched_on() {
    let on = switched("r7", true);
    for text in [
        "set up interface eth1 of r7",
        "interface eth1 of r7: please set it up",
        "leave eth2 up and set interface eth1 of r7",
    ] {
        let refused = ["/plan/steps/0/args/enabled ground.literal"];
        assert_eq!(faults(text, &on), refused, "{text}");
    }
    for text in ["bring up eth1 of r7", "bring eth1 of r7 up again", "set eth1 of r7 up"] {
        assert_eq!(faults(text, &on), Vec::<String>::new(), "{text}");
    }
    let off = switched("r7", false);
    let text = "remove the label of eth1 on r7, but do not shut it down";
    assert_eq!(faults(text, &off), ["/plan/steps/0/args/enabled ground.literal"]);
}

#[test]
fn a_draft_changes_no_more_than_the_intent_names() {
    let set = |id: &str, device: &str| json!({"id": id, "tool": "config/set_interface", "args": {"device": device, "interface": "eth1"}});
    let one = "set interface eth1 on r7";
    assert!(faults(one, &json!([set("a", "r7")])).is_empty());
    assert_eq!(
        faults(one, &json!([set("a", "r7"), set("b", "r7")])),
        ["/plan/steps/1 ground.count"]
    );
    let list = json!({"id": "all", "tool": "inventory/list_devices", "args": {}});
    let each = json!({"id": "each", "for_each": "${steps.all.output.devices}", "tool": "config/remove_ospf", "args": {"device": "${item.name}"}});
    assert_eq!(
        faults("remove ospf from r7", &json!([list, each])),
        [
            "/plan/steps/1/for_each ground.count",
            "/plan/steps/1/for_each ground.wider",
            "/plan/steps ground.unused"
        ]
    );
    assert!(faults("remove ospf from all routers", &json!([list, each])).is_empty());
    let many: Vec<Value> = ["r7", "7", "eth1", "r7"].iter().enumerate().map(|(n, device)| {
        json!({"id": format!("s{n}"), "tool": "config/set_interface", "args": {"device": device, "interface": "eth1", "mtu": n}})
    }).collect();
    assert!(faults(one, &json!(many)).contains(&"/plan/steps ground.count".to_owned()));
}

#[test]
fn what_has_no_way_back_is_called_by_its_name() {
    let steps = json!([{"id": "a", "tool": "tickets/purge_archive", "args": {}}]);
    assert_eq!(
        faults("delete the old things", &steps),
        ["/plan/steps/0/tool ground.effect"]
    );
    assert!(faults("delete the archive", &steps).is_empty());
}

/// An inventory of two devices.
struct Two;

impl flyball_engine::ports::Inventory for Two {
    fn canonical(&self, target: flyball_engine::target::Target) -> Vec<flyball_engine::target::Target> {
        vec![target]
    }
    fn writable(&self, target: &flyball_engine::target::Target) -> Option<bool> {
        ["sh-core-1", "sh-core-2"].contains(&target.device()?).then_some(true)
    }
    fn redundancy_group(&self, _: &flyball_engine::target::Target) -> Option<String> {
        None
    }
    fn devices(&self) -> Option<Vec<String>> {
        Some(vec!["sh-core-1".into(), "sh-core-2".into()])
    }
}

#[test]
fn a_device_that_nobody_has_is_named_with_the_one_that_may_be_meant() {
    let mut context = context();
    let mut contracts = (*context.contracts).clone();
    let name = "config/remove_ospf".parse().unwrap();
    contracts.contracts.get_mut(&name).unwrap().targets = Some("['device:' + args.device]".into());
    context.contracts = contracts.into();
    context.inventory = std::sync::Arc::new(Two);
    let unknown = |device: &str, params: Value| {
        let draft = json!({"steps": [{"id": "a", "tool": "config/remove_ospf", "args": {"device": device}}]});
        targets::unknown(&draft, &params, &context)
    };
    assert!(unknown("sh-core-2", Value::Null).is_empty());
    assert!(
        unknown("${item.name}", Value::Null).is_empty(),
        "what a list yields is not known yet"
    );
    for (device, params) in [("sh-core-9", Value::Null), ("${params.a}", json!({"a": "sh-core-9"}))] {
        let faults = unknown(device, params);
        assert_eq!(
            (faults[0].pointer.as_str(), faults[0].rule.as_str()),
            ("/plan/steps/0/args", "ground.unknown_device")
        );
        assert!(
            faults[0].suggestion.as_ref().unwrap().contains("did you mean"),
            "{faults:?}"
        );
    }
}

#[test]
fn a_plan_without_steps_is_none() {
    assert_eq!(faults(OSPF, &json!([])), ["/plan/steps ground.empty"]);
}

mod attacks;
mod doing;
mod left_alone;
mod together;
mod told_of;
mod unused;
