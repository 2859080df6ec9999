use super::*;

#[test]
fn a_step_does_not_set_back_what_another_sets() {
    let text = "set the mtu of eth1 on r7 to 9000";
    let twice = [
        ("r7", "eth1", json!({"mtu": 9000})),
        ("r7", "eth1", json!({"mtu": 1500})),
    ];
    assert_eq!(setting(text, &twice), ["/plan/steps/1/args/mtu ground.literal"]);
}

/// What is wrong with setting one interface, or several.
fn setting(text: &str, set: &[(&str, &str, Value)]) -> Vec<String> {
    let step = |(at, (device, interface, rest)): (usize, &(&str, &str, Value))| {
        let mut args = json!({"device": device, "interface": interface});
        args.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({"id": format!("s{at}"), "tool": "config/set_interface", "args": args})
    };
    faults(text, &set.iter().enumerate().map(step).collect())
}

#[test]
fn what_is_said_of_one_thing_is_not_said_of_another() {
    let at = |name: &str| vec![format!("/plan/steps/0/args/{name} ground.bound")];
    for text in [
        "set the mtu of eth1 on r1 to 9000 and of eth2 on r2 to 1600",
        "on r1 set the mtu of eth1 to 9000, on r2 that of eth2 to 1600",
        "Set the mtu: r1 eth1 9000, r2 eth2 1600",
        "set mtu 9000 on eth1 of r1. Set mtu 1600 on eth2 of r2.",
    ] {
        let right = [
            ("r1", "eth1", json!({"mtu": 9000})),
            ("r2", "eth2", json!({"mtu": 1600})),
        ];
        assert_eq!(setting(text, &right), Vec::<String>::new(), "{text}");
        assert_eq!(
            setting(text, &[("r1", "eth1", json!({"mtu": 1600}))]),
            at("mtu"),
            "{text}"
        );
        assert!(
            setting(text, &[("r1", "eth2", json!({"mtu": 9000}))]).contains(&at("mtu")[0]),
            "{text}"
        );
        assert_eq!(setting(text, &[("r1", "eth2", json!({}))]), at("interface"), "{text}");
    }
    let text = "set the mtu of eth1 on r1 to 9000 and of eth2 on r2 to 1500";
    assert_eq!(
        setting(text, &[("r1", "eth1", json!({"mtu": 1500}))]),
        at("mtu"),
        "a default that is said"
    );
    let each = json!([{"id": "s", "for_each": [{"d": "r1", "i": "eth2"}], "tool": "config/set_interface",
                       "args": {"device": "${item.d}", "interface": "${item.i}", "mtu": 9000}}]);
    assert!(!faults(text, &each).is_empty());
}

#[test]
fn what_is_switched_or_called_somehow_is_so_where_the_intent_says_it() {
    let at = |name: &str| vec![format!("/plan/steps/0/args/{name} ground.bound")];
    let switched = "shut eth1 on r1 and bring eth2 on r2 up";
    let right = [
        ("r1", "eth1", json!({"enabled": false})),
        ("r2", "eth2", json!({"enabled": true})),
    ];
    assert_eq!(setting(switched, &right), Vec::<String>::new());
    assert_eq!(
        setting(switched, &[("r2", "eth2", json!({"enabled": false}))]),
        at("enabled")
    );
    let enabled = "disable eth1 on r1, enable eth2 on r1";
    assert_eq!(
        setting(enabled, &[("r1", "eth2", json!({"enabled": false}))]),
        at("enabled")
    );
    let named = "set the description: uplink on eth1 of r1 and spare port on eth2 of r2";
    assert_eq!(
        setting(named, &[("r1", "eth1", json!({"description": "spare port"}))]),
        at("description")
    );
    assert_eq!(
        setting(named, &[("r2", "eth2", json!({"description": "spare port"}))]),
        Vec::<String>::new()
    );
    let looked = "shut eth1 on r1 and check eth2 on r2";
    let stranger = setting(looked, &[("r2", "eth2", json!({"enabled": false}))]);
    assert!(stranger.contains(&at("interface")[0]), "{stranger:?}");
    assert_eq!(
        setting(looked, &[("r1", "eth1", json!({"enabled": false}))]),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_said_once_of_several_things_is_said_of_each() {
    for text in [
        "set the mtu to 9000 on eth1 of r1 and on eth2 of r2",
        "eth1 of r1 and eth2 of r2: set the mtu to 9000",
        "set the mtu of eth1 of r1 to 9000. Do so on eth2 of r2, too.",
        "check eth1 of r1 and eth2 of r2 and set the mtu of both to 9000",
        "r1 (10.0.0.1) eth1 and r2 (10.0.0.2) eth2: set mtu 9000",
    ] {
        let both = [
            ("r1", "eth1", json!({"mtu": 9000})),
            ("r2", "eth2", json!({"mtu": 9000})),
        ];
        assert_eq!(setting(text, &both), Vec::<String>::new(), "{text}");
    }
    for text in [
        "set the mtu of eth1 and eth2 on r1 and r2 to 9000",
        "on r1, r2: set eth1, eth2 to mtu 9000",
    ] {
        for (device, interface) in [("r1", "eth1"), ("r1", "eth2"), ("r2", "eth1"), ("r2", "eth2")] {
            assert_eq!(
                setting(text, &[(device, interface, json!({"mtu": 9000}))]),
                Vec::<String>::new(),
                "{text}"
            );
        }
    }
    let two = "set mtu 9000 on eth1 and bring it up too, r1. On eth2 mtu 1600";
    assert_eq!(
        setting(two, &[("r1", "eth2", json!({"mtu": 1600}))]),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_right_is_said_in_many_ways() {
    let set = [("r1", "eth1", json!({"mtu": 9000}))];
    for text in [
        "Without touching eth2 set the mtu of eth1 on r1 to 9000",
        "Without touching NTP set the mtu of eth1 on r1 to 9k",
        "r1's mtu is to be set to 9,000, on eth1",
    ] {
        assert_eq!(setting(text, &set), Vec::<String>::new(), "{text}");
    }
    let off = [("r1", "eth1", json!({"mtu": 9000, "enabled": false}))];
    let passive = "r1's mtu is to be set to 9000, eth1 shut down";
    assert_eq!(setting(passive, &off), Vec::<String>::new());
    let eth2 = [("r1", "eth2", json!({"mtu": 9000}))];
    let refused = ["/plan/steps/0/args/interface ground.literal"];
    assert_eq!(
        setting("Without touching eth2 set the mtu of eth1 on r1 to 9000", &eth2),
        refused
    );
    let each = |names: [&'static str; 3]| names.map(|name| (name, "eth1", json!({"mtu": 9000})));
    for text in [
        "set the mtu of eth1 to 9000 on r1, r2, r3",
        "r1, r2, r3: set the mtu of eth1 to 9000",
    ] {
        assert_eq!(setting(text, &each(["r1", "r2", "r3"])), Vec::<String>::new(), "{text}");
    }
    for text in [
        "set the mtu of eth1 on alpha, beta, gamma to 9000",
        "on alpha, beta and gamma set the mtu of eth1 to 9000",
    ] {
        assert_eq!(
            setting(text, &each(["alpha", "beta", "gamma"])),
            Vec::<String>::new(),
            "{text}"
        );
    }
    let more = setting(
        "set the mtu of eth1 on alpha to 9000",
        &each(["alpha", "beta", "gamma"]),
    );
    assert!(more.contains(&"/plan/steps ground.count".to_owned()));
}

#[test]
fn a_long_text_is_held_to_in_bounded_time() {
    for piece in [
        "a-b-",
        "1,111",
        ",111",
        "not:\n- r1\n",
        "without touching ",
        "say no: ",
        "alone ",
        "eth1 on r1 to 9000 and ",
    ] {
        let text = piece.repeat(8_000 / piece.len());
        let begun = std::time::Instant::now();
        setting(&text, &[("r1", "eth1", json!({"mtu": 9000, "enabled": false}))]);
        assert!(begun.elapsed().as_secs() < 20, "{piece}");
    }
}
