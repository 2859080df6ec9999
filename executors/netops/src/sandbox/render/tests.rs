use super::*;
use crate::sandbox::command::{Command, Mode};
use crate::sandbox::grammar;
use crate::sandbox::model::{Edit, NetworkStatement, OspfEdit};
use crate::sandbox::statements;
use crate::sandbox::topology;

/// Types a configuration into an empty device of the dialect. Lines that only decorate are skipped.
fn replay(dialect: Dialect, text: &str) -> Config {
    let mut config = Config::new(dialect, "");
    let mut mode = Mode::Config;
    for line in text.lines() {
        let Ok(command) = grammar::parse(dialect, &mode, line) else {
            let decoration = [
                "!",
                "#",
                "version",
                "service",
                "frr ",
                "line ",
                " login",
                " transport",
                "user-",
                " auth",
                " protocol",
            ];
            assert!(
                decoration.iter().any(|head| line.starts_with(head)),
                "{mode:?} refuses {line:?}"
            );
            continue;
        };
        type_in(&mut config, &mut mode, command);
    }
    config
}

fn type_in(config: &mut Config, mode: &mut Mode, command: Command) {
    let edit = match (command, &*mode) {
        (Command::EnterInterface(name), _) => {
            *mode = Mode::Interface(name.clone());
            Edit::AddInterface { name, phantom: false }
        }
        (Command::EnterOspf { process, router_id }, _) => {
            *mode = Mode::Ospf(process);
            Edit::AddOspf { process, router_id }
        }
        (Command::EnterArea(area), Mode::Ospf(process) | Mode::Area(process, _)) => {
            let process = *process;
            *mode = Mode::Area(process, area);
            Edit::Ospf {
                process,
                edit: OspfEdit::Area { area, on: true },
            }
        }
        (Command::Here(edit), Mode::Interface(name)) => Edit::Interface {
            name: name.clone(),
            edit,
        },
        (Command::HereOspf(edit), Mode::Ospf(process)) => Edit::Ospf {
            process: *process,
            edit,
        },
        (Command::AreaNetwork { address, wildcard, on }, Mode::Area(process, area)) => {
            let statement = NetworkStatement {
                area: *area,
                address,
                wildcard,
            };
            Edit::Ospf {
                process: *process,
                edit: OspfEdit::Network { statement, on },
            }
        }
        (Command::Edit(edit), _) => edit,
        (Command::Exit | Command::End, _) => return *mode = Mode::Config,
        other => panic!("not a configuration line: {other:?}"),
    };
    config.apply(edit).unwrap();
}

#[test]
fn every_router_of_the_sandbox_reads_its_own_configuration_back() {
    let plans = topology::plans(None);
    let links = topology::links(&plans);
    for plan in plans.iter().filter(|plan| plan.dialect != Dialect::Junos) {
        let config = topology::initial(plan, &links);
        assert_eq!(replay(plan.dialect, &text(&config)), config, "{}", plan.name);
    }
}

#[test]
fn statements_mean_the_configuration_that_they_are_printed_from() {
    let plans = topology::plans(None);
    let links = topology::links(&plans);
    let junos: Vec<_> = plans.iter().filter(|plan| plan.dialect == Dialect::Junos).collect();
    assert_eq!(junos.len(), 2);
    for plan in junos {
        let config = topology::initial(plan, &links);
        let printed: statements::Statements = text(&config)
            .lines()
            .map(|line| statements::words(line.strip_prefix("set ").unwrap()))
            .collect();
        assert_eq!(printed, statements::of(&config));
        assert_eq!(
            statements::config(&printed, &statements::ports(&config)).unwrap(),
            config
        );
    }
}

#[test]
fn everything_that_can_be_configured_comes_back_from_its_text() {
    let lines: [(Dialect, &str); 3] = [
        (
            Dialect::Ios,
            "hostname r\ninterface Loopback0\n ip address 10.0.0.1 255.255.255.255\ninterface GigabitEthernet0/1\n description a b  c\n mtu 1400\n ip address 10.1.0.1 255.255.255.0\n ip ospf network point-to-point\n ip ospf hello-interval 2\n ip ospf dead-interval 9\n ip ospf 7 area 0.0.0.3\n ip ospf cost 77\n shutdown\nrouter ospf 100\n router-id 1.2.3.4\n passive-interface gi0/1\n log-adjacency-changes\n network 10.0.0.0 0.255.255.255 area 0\nsnmp-server community secret RO\nend",
        ),
        (
            Dialect::Vrp,
            "sysname r\ninterface LoopBack0\n ip address 10.0.0.1 32\ninterface GigabitEthernet0/0/1\n description a b\n mtu 1400\n ip address 10.1.0.1 24\n ospf cost 77\n ospf network-type p2p\n ospf timer hello 2\n ospf timer dead 9\n shutdown\nospf 100 router-id 1.2.3.4\n silent-interface GigabitEthernet0/0/1\n area 0\n  network 10.0.0.0 0.255.255.255\n area 5\ninterface GigabitEthernet0/0/1\n ospf enable 100 area 0\nreturn",
        ),
        (
            Dialect::Frr,
            "hostname r\ninterface lo\n ip address 10.0.0.1/32\nexit\ninterface eth1\n description a b\n ip address 10.1.0.1/24\n ip ospf cost 77\n ip ospf hello-interval 2\n ip ospf dead-interval 9\n ip ospf network point-to-point\n shutdown\nexit\nrouter ospf\n ospf router-id 1.2.3.4\n passive-interface eth1\n log-adjacency-changes\n network 10.0.0.0/8 area 0.0.0.0\nexit\nlog syslog informational\nend",
        ),
    ];
    for (dialect, typed) in lines {
        let config = replay(dialect, typed);
        let shown = text(&config);
        // VRP shows interfaces before processes, but wants the process first: what it shows is not what one types.
        let again = if dialect == Dialect::Vrp {
            shown.replace(" ospf enable 100 area 0.0.0.0\n", "")
        } else {
            shown.clone()
        };
        let mut read = replay(dialect, &again);
        if dialect == Dialect::Vrp {
            let port = "GigabitEthernet0/0/1";
            read.interfaces.get_mut(port).unwrap().enable = config.interfaces[port].enable;
        }
        assert_eq!(read, config, "{shown}");
    }
}
