use std::net::Ipv4Addr;

use super::*;
use crate::sandbox::model::{Dialect, Interface, NetworkStatement, Ospf};

fn router(name: &str, interface: &str, address: [u8; 4]) -> Config {
    let mut config = Config::new(Dialect::Ios, name);
    let stanza = Interface {
        address: Some((Ipv4Addr::from(address), 30)),
        ..Interface::default()
    };
    config.interfaces.insert(interface.to_owned(), stanza);
    let statement = NetworkStatement {
        area: Area::number(0),
        address: Ipv4Addr::new(10, 0, 0, 0),
        wildcard: Ipv4Addr::new(0, 255, 255, 255),
    };
    config.ospf.insert(
        100,
        Ospf {
            networks: [statement].into(),
            ..Ospf::default()
        },
    );
    config
}

fn pair() -> (Network, Configs) {
    let end = |device: &str| End {
        device: device.to_owned(),
        interface: "GigabitEthernet0/1".to_owned(),
    };
    let configs = [("r1", [10, 0, 0, 1]), ("r2", [10, 0, 0, 2])]
        .map(|(name, address)| (name.to_owned(), router(name, "GigabitEthernet0/1", address)));
    (
        Network::new(vec![Link {
            a: end("r1"),
            b: end("r2"),
        }]),
        configs.into(),
    )
}

fn interface(configs: &mut Configs) -> &mut Interface {
    configs
        .get_mut("r1")
        .unwrap()
        .interfaces
        .get_mut("GigabitEthernet0/1")
        .unwrap()
}

#[test]
fn an_adjacency_walks_to_full_in_about_two_seconds() {
    let (mut network, configs) = pair();
    let mut seen = Vec::new();
    for now in (0..=2_600).step_by(100) {
        seen.extend(network.step(&configs, now).into_iter().map(|change| (change.to, now)));
    }
    let states: Vec<State> = seen.iter().map(|(state, _)| *state).collect();
    assert_eq!(states, [State::Init, State::ExStart, State::Full]);
    let full_at = seen.last().unwrap().1;
    assert!((1_500..=2_500).contains(&full_at), "full at {full_at}");
}

#[test]
fn what_does_not_match_never_becomes_an_adjacency() {
    type Spoil = fn(&mut Interface);
    let spoils: [(&str, Spoil); 5] = [
        ("hello", |interface| interface.hello = Some(3)),
        ("dead", |interface| interface.dead = Some(9)),
        ("subnet", |interface| {
            interface.address = Some((Ipv4Addr::new(10, 0, 0, 1), 29))
        }),
        ("area", |interface| interface.enable = Some((100, Area::number(1)))),
        ("shutdown", |interface| interface.shutdown = true),
    ];
    for (name, spoil) in spoils {
        let (mut network, mut configs) = pair();
        spoil(interface(&mut configs));
        for now in (0..10_000).step_by(100) {
            network.step(&configs, now);
        }
        assert_eq!(network.state(0), State::Down, "{name}");
    }
}

#[test]
fn a_different_mtu_stops_the_exchange_of_databases() {
    let (mut network, mut configs) = pair();
    interface(&mut configs).mtu = Some(1400);
    for now in (0..10_000).step_by(100) {
        network.step(&configs, now);
    }
    assert_eq!(network.state(0), State::ExStart);
}

#[test]
fn an_adjacency_is_lost_at_once_and_takes_its_time_to_come_back() {
    let (mut network, mut configs) = pair();
    network.settle(&configs, 0);
    assert_eq!(network.state(0), State::Full);
    assert!(network.step(&configs, 100).is_empty());
    interface(&mut configs).hello = Some(7);
    let lost = network.step(&configs, 200);
    assert_eq!(
        lost,
        [Change {
            link: 0,
            from: State::Full,
            to: State::Down
        }]
    );
    interface(&mut configs).hello = None;
    network.step(&configs, 300);
    assert_eq!(network.state(0), State::Init);
    network.step(&configs, 300 + 2_500);
    assert_eq!(network.state(0), State::Full);
}
