//! Reading the state of the network.

use serde_json::json;

use crate::kit::{Lab, eventually, strings};

#[tokio::test]
async fn the_inventory_is_listed_and_filtered() {
    let lab = Lab::start(&[]).await;
    let cores = lab.ok("list_devices", json!({"site": "beijing", "role": "core"})).await;
    assert_eq!(cores["devices"].as_array().unwrap().len(), 4);
    assert_eq!(
        lab.ok("list_devices", json!({"platform": "frr"})).await["devices"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let one = lab.ok("get_device", json!({"device": "127.0.10.2"})).await;
    assert_eq!(
        (&one["name"], &one["platform"], &one["writable"]),
        (&json!("bj-core-2"), &json!("vrp"), &json!(true))
    );
    assert!(!one["links"].as_array().unwrap().is_empty());
    lab.err("list_devices", json!({"sight": "beijing"})).await;
    let slip = lab.err("list_devices", json!({"site": "beijin"})).await.to_string();
    assert!(
        slip.contains("no device has the site") && slip.contains("beijing, "),
        "{slip}"
    );
}

#[tokio::test]
async fn neighbours_are_read_on_each_platform() {
    let lab = Lab::start(&[]).await;
    for (device, process) in [("sh-core-1", None), ("sh-edge-1", Some(1)), ("sh-edge-2", Some(1))] {
        let mut args = json!({"device": device});
        if let Some(process) = process {
            args["process_id"] = process.into();
        }
        let found = lab.ok("ospf_neighbors", args).await;
        let neighbors = found["neighbors"].as_array().unwrap();
        assert!(neighbors.len() >= 2, "{found}");
        for neighbor in neighbors {
            assert_eq!(neighbor["state"], "Full", "{found}");
            assert!(neighbor["address"].is_string() && neighbor["interface"].is_string());
        }
    }
    assert_eq!(
        lab.ok("ospf_neighbors", json!({"device": "sh-edge-1", "process_id": 9}))
            .await["neighbors"],
        json!([])
    );
    lab.err("ospf_neighbors", json!({"device": "sh-core-1", "process_id": 1}))
        .await;
}

#[tokio::test]
async fn interfaces_and_load_are_read_on_each_platform() {
    let lab = Lab::start(&[]).await;
    for (device, interface) in [
        ("bj-core-1", "GigabitEthernet0/1"),
        ("bj-core-2", "GigabitEthernet0/0/1"),
        ("sh-core-1", "eth1"),
    ] {
        lab.ok(
            "set_interface",
            json!({"device": device, "interface": interface, "enabled": false}),
        )
        .await;
        let one = lab
            .ok("interface_status", json!({"device": device, "interface": interface}))
            .await;
        assert_eq!(
            (&one["interfaces"][0]["admin_up"], &one["interfaces"][0]["up"]),
            (&json!(false), &json!(false)),
            "{one}"
        );
        let all = lab.ok("interface_status", json!({"device": device})).await;
        assert!(
            all["interfaces"].as_array().unwrap().iter().any(|i| i["up"] == true),
            "{all}"
        );
        let status = lab.ok("check_device_status", json!({"device_ip": device})).await;
        assert!(status["interfaces"].is_array());
        if device == "sh-core-1" {
            assert_eq!(status["unsupported"], json!(["cpu", "memory"]));
            lab.err("check_device_status", json!({"device_ip": device, "metrics": ["cpu"]}))
                .await;
        } else {
            assert!(
                status["cpu_percent"].is_number() && status["memory_percent"].is_number(),
                "{status}"
            );
        }
    }
    lab.err("check_device_status", json!({})).await;
}

#[tokio::test]
async fn pings_follow_the_data_plane() {
    let lab = Lab::start(&[]).await;
    for device in ["sh-core-1", "sh-edge-1"] {
        let ping = lab.ok("ping", json!({"device": device, "target": "sh-edge-2"})).await;
        assert_eq!(ping["loss"], 0.0, "{ping}");
    }
    let ping = lab
        .ok(
            "ping",
            json!({"device": "sh-edge-2", "target": "sh-edge-1", "count": 2}),
        )
        .await;
    assert_eq!((&ping["sent"], &ping["received"]), (&json!(2), &json!(2)));
    for device in ["sh-core-1", "sh-edge-1", "sh-edge-2"] {
        let ping = lab.ok("ping", json!({"device": device, "target": "bj-core-1"})).await;
        assert_eq!(ping["loss"], 1.0, "{ping}");
    }
}

#[tokio::test]
async fn reachability_counts_ordered_pairs_and_what_cannot_be_asked() {
    let lab = Lab::start(&[]).await;
    let all = lab.ok("reachability", json!({"site": "shanghai"})).await;
    assert_eq!(
        (&all["pairs"], &all["reachable_share"]),
        (&json!(12), &json!(1.0)),
        "{all}"
    );
    // Both cores drop what they should pass on; every adjacency stays Full.
    for core in ["sh-core-1", "sh-core-2"] {
        lab.ask(json!({"cmd": "fault", "device": core, "kind": "black_hole"}))
            .await;
    }
    let holed = lab.ok("reachability", json!({"site": "shanghai"})).await;
    assert!(
        strings(&holed["unreachable"]).contains(&"sh-edge-1 -> sh-edge-2".to_owned()),
        "{holed}"
    );
    let beijing = lab
        .ok("reachability", json!({"devices": ["bj-core-1", "bj-core-2"]}))
        .await;
    assert_eq!(
        strings(&beijing["unreachable"]),
        ["bj-core-1 -> bj-core-2", "bj-core-2 -> bj-core-1"]
    );
}

#[tokio::test]
async fn a_new_area_comes_up_across_vendors_while_terminals_are_interrupted() {
    let lab = Lab::start(&[]).await;
    let cores = ["bj-core-1", "bj-core-2", "bj-core-3", "bj-core-4"];
    for core in cores {
        lab.ok(
            "configure_ospf",
            json!({"device": core, "area": "0.0.0.0", "process_id": 100}),
        )
        .await;
    }
    // Each poll runs while adjacencies come up and their log lines cut into the sessions.
    eventually("all adjacencies of the cores are Full", || async {
        for core in cores {
            let found = lab
                .ok("ospf_neighbors", json!({"device": core, "process_id": 100}))
                .await;
            let neighbors = found["neighbors"].as_array().unwrap();
            if neighbors.len() < 4 || neighbors.iter().any(|n| n["state"] != "Full") {
                return false;
            }
        }
        true
    })
    .await;
    let all = lab.ok("reachability", json!({"site": "beijing"})).await;
    assert_eq!(all["unreachable"], json!([]));
}
