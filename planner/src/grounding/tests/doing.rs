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
