//! The draft's section 10 lines, sent raw to real routers.

use serde_json::{Value, json};

use crate::net::Net;
use crate::routers::Routers;

const PROCESS: &str = "router ospf 100";
const WILDCARD: &str = "network 192.168.0.0 0.0.255.255 area 0";

/// A device's part of a batch that ended at a refused line.
fn refused_at(result: &Value, device: &str, sent: usize, line: &str, message: &str) {
    assert_eq!(result["device"], device, "{result}");
    assert_eq!(result["sent"], sent, "{result}");
    assert_eq!(result["refused"], json!({"line": line, "message": message}), "{result}");
    assert_eq!(result["changed"], false, "{result}");
    let lines = result["lines"].as_array().unwrap();
    assert_eq!(lines.len(), sent, "nothing is sent after a refusal: {result}");
    assert_eq!(lines[sent - 1]["line"], line);
    assert!(
        lines[..sent - 1].iter().all(|l| l["ok"] == true) && lines[sent - 1]["ok"] == false,
        "{result}"
    );
}

#[tokio::test]
async fn the_drafts_process_id_is_refused_and_nothing_is_sent_after_it() {
    let Some(routers) = Routers::fresh().await else { return };
    let net = Net::real(&routers).await;
    let before = ["core1", "edge1"].map(|router| routers.running(router));
    let args = json!({"device_ips": ["<one.mgmt>", "<left.mgmt>"], "commands": [PROCESS, WILDCARD]});
    let verdict = net.ask("batch_configure_devices", args).await;
    assert!(verdict.is_error);
    assert_eq!(verdict.content["success"], false);
    for (result, device) in verdict.content["results"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["<one>", "<left>"])
    {
        refused_at(result, device, 1, PROCESS, "% OSPF is not running in instance mode");
    }
    assert_eq!(["core1", "edge1"].map(|router| routers.running(router)), before);
}

#[tokio::test]
async fn the_drafts_wildcard_mask_is_refused_and_no_empty_process_is_left_behind() {
    let Some(routers) = Routers::fresh().await else { return };
    let net = Net::real(&routers).await;
    // One router that runs OSPF, and one without, where the first line alone makes a process.
    net.ok("remove_ospf", json!({"device": "<left>"})).await;
    let before = ["core1", "edge1"].map(|router| routers.running(router));
    assert!(before[0].contains("router ospf") && !before[1].contains("router ospf"));
    let args = json!({"device_ips": ["<one.mgmt>", "<left.mgmt>"], "commands": ["router ospf", WILDCARD, "log-adjacency-changes"]});
    let verdict = net.ask("batch_configure_devices", args).await;
    assert!(verdict.is_error);
    let results = verdict.content["results"].as_array().unwrap();
    for (result, device) in results.iter().zip(["<one>", "<left>"]) {
        refused_at(result, device, 2, WILDCARD, &format!("% Unknown command: {WILDCARD}"));
    }
    assert_eq!(results[1]["taken_back"], json!(["no router ospf"]), "{}", results[1]);
    assert!(results[0].get("taken_back").is_none(), "{}", results[0]);
    assert_eq!(["core1", "edge1"].map(|router| routers.running(router)), before);
}
