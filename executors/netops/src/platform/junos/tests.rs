use super::*;

const TEXT: &str = "set interfaces ge-0/0/1 description \"to there\"\nset interfaces ge-0/0/1 unit 0 family inet address 10.3.0.1/30\nset interfaces lo0 unit 0 family inet address 10.255.3.1/32\nset protocols ospf area 0.0.0.0 interface ge-0/0/1.0 metric 5\nset protocols ospf area 0.0.0.0 interface lo0.0\nset routing-options router-id 10.255.3.1\n";

fn plays(lines: &[&str]) -> Foreseen {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    foresee(&Config::parse(TEXT), &|name| name != "ge-0/0/9", &lines).unwrap()
}

#[test]
fn what_is_there_already_changes_nothing() {
    let same = plays(&[
        "set protocols ospf area 0 interface lo0.0",
        "set protocols ospf area 0 interface ge-0/0/1.0",
        "set interfaces ge-0/0/1 description \"to there\"",
        "delete interfaces ge-0/0/2",
    ]);
    assert!(same.unchanged, "{same:?}");
}

#[test]
fn values_lead_back_by_their_old_ones_and_new_entries_by_their_top() {
    let back = |lines: &[&str]| plays(lines).reverse;
    assert_eq!(
        back(&[
            "set interfaces ge-0/0/1 description \"new one\"",
            "set interfaces ge-0/0/1 mtu 1400"
        ]),
        [
            "delete interfaces ge-0/0/1 mtu",
            "set interfaces ge-0/0/1 description \"to there\""
        ]
    );
    assert_eq!(
        back(&["set protocols ospf area 1 interface ge-0/0/2.0 metric 3"]),
        ["delete protocols ospf area 0.0.0.1"]
    );
    assert_eq!(
        back(&["delete protocols ospf area 0 interface ge-0/0/1.0 metric"]),
        ["set protocols ospf area 0.0.0.0 interface ge-0/0/1.0 metric 5"]
    );
    assert_eq!(
        back(&["delete protocols ospf"]),
        [
            "set protocols ospf area 0.0.0.0 interface ge-0/0/1.0 metric 5",
            "set protocols ospf area 0.0.0.0 interface lo0.0"
        ]
    );
}

#[test]
fn what_is_not_understood_has_no_way_back() {
    assert_eq!(plays(&["set chassis alarm x"]).irreversible, ["set chassis alarm x"]);
    let lines = ["set interfaces ge-0/0/9 mtu 1400".to_owned()];
    assert!(foresee(&Config::parse(TEXT), &|name| name != "ge-0/0/9", &lines).is_err());
}

#[test]
fn interfaces_and_the_process_are_read() {
    let config = Config::parse(TEXT);
    let interfaces = interfaces(&config);
    let port = interfaces.iter().find(|i| i.name == "ge-0/0/1").unwrap();
    assert_eq!(
        (port.ospf_cost, port.description.as_deref()),
        (Some(5), Some("to there"))
    );
    let process = process(&config, &interfaces, &["ge-0/0/2".to_owned()]).unwrap();
    assert_eq!(process.areas, ["0.0.0.0"]);
    assert_eq!(process.interface_names, ["ge-0/0/1", "lo0"]);
    assert_eq!(process.uncovered, ["ge-0/0/2"]);
    assert_eq!(process.router_id.as_deref(), Some("10.255.3.1"));
}
