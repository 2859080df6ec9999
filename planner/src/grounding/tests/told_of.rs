use super::*;

fn mtu(value: u32) -> Value {
    let args = json!({"device": "r7", "interface": "eth1", "mtu": value});
    json!([{"id": "a", "tool": "config/set_interface", "args": args}])
}

#[test]
fn what_is_only_told_of_is_no_value_to_set() {
    for text in [
        "Change the MTU of eth1 on r7 from 1400 to 9000",
        "Replace the MTU 1400 of eth1 on r7 by 9000",
        "The MTU of eth1 on r7 was 1400, set it to 9000",
        "The MTU of eth1 on r7 is 1400. Set it to 9000.",
        "Set the MTU of eth1 on r7, currently 1400, to 9000",
        "Ticket 1400: set the MTU of eth1 on r7 to 9000",
        "Within 1400 seconds set the MTU of eth1 on r7 to 9000",
        "Set the MTU of eth1 on r7 to 9000; at most 1400 is supported elsewhere",
    ] {
        assert_eq!(
            faults(text, &mtu(1400)),
            ["/plan/steps/0/args/mtu ground.literal"],
            "{text}"
        );
        assert_eq!(faults(text, &mtu(9000)), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_word_that_only_joins_others_is_no_value() {
    let ospf =
        |area: &str| json!([{"id": "a", "tool": "config/configure_ospf", "args": {"device": "r7", "area": area}}]);
    for area in ["in", "ospf", "on"] {
        let found = faults("Configure OSPF on r7 in area 0", &ospf(area));
        assert_eq!(found, ["/plan/steps/0/args/area ground.literal"], "{area}");
    }
    assert_eq!(
        faults("Configure OSPF on r7 in area 0", &ospf("0")),
        Vec::<String>::new()
    );
}
