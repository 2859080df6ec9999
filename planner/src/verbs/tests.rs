use super::*;

#[test]
fn only_what_is_asked_for_is_a_change() {
    use Verb::{Change, Remove, Restart};
    let cases: &[(&str, &[Verb])] = &[
        ("Configure OSPF area 0 on r1", &[Change]),
        ("please set the mtu of r1 to 9000", &[Change]),
        ("on bj-core-1 set the description of eth1 to x", &[Change]),
        ("we need to shut interface eth1 on r1", &[Remove]),
        ("turn off OSPF on r1", &[Remove]),
        ("turn on OSPF on r1", &[Change]),
        ("take a look at r1", &[]),
        ("take r1 out of service", &[Remove]),
        ("reload r1", &[Restart]),
        ("check r1 and set its cost to 10", &[Change]),
        ("Check the OSPF neighbors of router r7", &[]),
        ("check the set of neighbors", &[]),
        ("show me how to configure ospf", &[]),
        ("why did someone shut interface eth1?", &[]),
        ("show interfaces that are up, down and shut", &[]),
        ("is OSPF configured on r1", &[]),
        ("do not configure ospf on r1", &[]),
        ("the link was shut", &[]),
        ("list devices, and then remove ospf from r1", &[Remove]),
        ("report on \"set\"", &[]),
        ("comment on issue 5", &[Change]),
        ("which comments are on issue 5", &[]),
        ("is any commit on trial", &[]),
        ("tell me about r1", &[]),
        ("tell the channel that r1 is back", &[Change]),
        ("read the file and post it to the channel", &[Change]),
        ("describe the node worker-3", &[]),
        ("name the edge routers", &[]),
        ("give me the details of r1", &[]),
        ("let me see the startup config", &[]),
        ("set eth1 to an mtu of 1400?", &[]),
        ("could you set eth1 of r1 to an mtu of 1400?", &[Change]),
        ("was r1 set up? set up r2.", &[Change]),
        ("report whether they set the mtu", &[]),
        ("I wonder if we should set the mtu", &[]),
        ("leave the set mtu alone", &[]),
        ("without touching NTP set the mtu of eth1", &[Change]),
        ("without changing the cost shut eth1", &[Remove]),
        ("without touching the cost set on eth1", &[]),
        ("without having set the mtu", &[]),
        ("without needing to set the mtu", &[]),
        ("without touching NTP", &[]),
        ("without being asked to shut eth1", &[]),
        ("", &[]),
    ];
    for (text, wanted) in cases {
        let wanted: BTreeSet<Verb> = wanted.iter().copied().collect();
        let asked: BTreeSet<Verb> = asked_for(text).changes.into_iter().collect();
        assert_eq!(asked, wanted, "{text}");
    }
}

#[test]
fn what_is_done_beside_the_network_licenses_only_the_tools_that_are_called_so() {
    let beside = |text: &str, tool: &str| asked_for(text).beside.iter().any(|words| words.contains(&tool));
    for (text, tool) in [
        ("file an issue about r1", "create"),
        ("let #noc know that r1 is back", "post"),
        ("leave a comment on issue 5", "comment"),
        ("unstage everything", "reset"),
    ] {
        assert!(beside(text, tool), "{text}");
        assert_eq!(asked_for(text).changes, [], "{text}");
    }
    for text in [
        "Log in to r1 to find out whether the mtu of eth1 is 1400",
        "Leave eth1 of r1 with mtu 1400 alone",
        "Link eth1 of r1: is its mtu 1400?",
        "Title: is the mtu of eth1 on r1 1400?",
        "Did the update of r1 leave mtu 1400 on eth1? Export the answer.",
        "Record whether eth1 of r1 has an mtu of 1400",
        "Let Anna know whether eth1 of r1 has an mtu of 1400",
        "Document the mtu of eth1 on r1: is it 1400?",
        "Load on eth1 of r1 with mtu 1400?",
        "Mail says mtu 1400 on eth1 of r1. Is that so?",
        "Please mark down whether eth1 of r1 has an mtu of 1400",
        "I wonder if an mtu of 1400 on eth1 of r1 would reduce drops",
    ] {
        assert_eq!(asked_for(text).changes, [], "{text}");
    }
}

#[test]
fn a_tools_name_may_promise_a_kind_of_change() {
    assert_eq!(needed_by("remove_ospf"), Some(Verb::Remove));
    assert_eq!(needed_by("configure_ospf"), Some(Verb::Change));
    assert_eq!(needed_by("reload"), Some(Verb::Restart));
    assert_eq!(needed_by("set_interface"), None);
    assert_eq!(needed_by("batch_configure_devices"), None);
}
