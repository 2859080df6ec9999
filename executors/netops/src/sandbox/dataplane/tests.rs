use super::*;
use crate::sandbox::topology;

const EDGE_1: Ipv4Addr = Ipv4Addr::new(10, 255, 2, 3);
const EDGE_2: Ipv4Addr = Ipv4Addr::new(10, 255, 2, 4);

fn shanghai() -> (Network, Configs) {
    let plans = topology::plans(None);
    let links = topology::links(&plans);
    let configs: Configs = plans
        .iter()
        .map(|plan| (plan.name.to_owned(), topology::initial(plan, &links)))
        .collect();
    let mut network = Network::new(links.into_iter().map(|(link, _)| link).collect());
    network.settle(&configs, 0);
    (network, configs)
}

fn ping(network: &Network, configs: &Configs, holes: &[Hole]) -> Result<Vec<String>, Loss> {
    Fabric {
        network,
        configs,
        holes,
    }
    .ping("sh-edge-1", Some(EDGE_1), EDGE_2)
}

fn set_cost(configs: &mut Configs, device: &str, interface: &str, cost: u32) {
    configs
        .get_mut(device)
        .unwrap()
        .interfaces
        .get_mut(interface)
        .unwrap()
        .cost = Some(cost);
}

#[test]
fn a_cost_moves_the_path_to_the_other_core() {
    let (network, mut configs) = shanghai();
    assert_eq!(
        ping(&network, &configs, &[]).unwrap(),
        ["sh-edge-1", "sh-core-1", "sh-edge-2"]
    );
    set_cost(&mut configs, "sh-edge-1", "GigabitEthernet0/1", 50);
    assert_eq!(
        ping(&network, &configs, &[]).unwrap(),
        ["sh-edge-1", "sh-core-2", "sh-edge-2"]
    );
    set_cost(&mut configs, "sh-core-2", "eth3", 50);
    assert_eq!(
        ping(&network, &configs, &[]).unwrap(),
        ["sh-edge-1", "sh-core-2", "sh-core-1", "sh-edge-2"]
    );
}

#[test]
fn a_hole_toward_one_neighbour_drops_only_what_goes_there() {
    let (network, mut configs) = shanghai();
    let hole = Hole {
        device: "sh-core-1".to_owned(),
        toward: Some("sh-edge-2".to_owned()),
    };
    assert_eq!(
        ping(&network, &configs, std::slice::from_ref(&hole)),
        Err(Loss::Dropped)
    );
    // The answer takes the other way round, which leads through the same core unless its costs say otherwise.
    set_cost(&mut configs, "sh-edge-1", "GigabitEthernet0/1", 50);
    assert!(ping(&network, &configs, &[hole]).is_ok());
}

#[test]
fn without_an_adjacency_there_is_no_route() {
    let (network, configs) = shanghai();
    let fabric = Fabric {
        network: &network,
        configs: &configs,
        holes: &[],
    };
    assert_eq!(
        fabric.ping("bj-core-1", None, Ipv4Addr::new(10, 255, 1, 2)),
        Err(Loss::NoRoute)
    );
    assert!(fabric.ping("bj-core-1", None, Ipv4Addr::new(10, 1, 0, 2)).is_ok());
    assert_eq!(
        fabric.ping("bj-core-1", Some(EDGE_1), Ipv4Addr::new(10, 1, 0, 2)),
        Err(Loss::NoSuchSource)
    );
    assert_eq!(fabric.ping("bj-core-1", None, EDGE_2), Err(Loss::NoRoute));
    assert!(
        fabric
            .routes("sh-edge-1")
            .iter()
            .any(|route| route.prefix == (EDGE_2, 32) && route.cost == Some(21))
    );
}
