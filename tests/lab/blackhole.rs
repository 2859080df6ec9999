//! Every adjacency Full, and no traffic.

use serde_json::json;

use crate::net::Net;
use crate::routers::Routers;

#[tokio::test]
async fn a_black_hole_is_seen_by_the_data_plane_alone() {
    let Some(routers) = Routers::fresh().await else { return };
    let net = Net::real(&routers).await;
    net.until_reachable().await;
    routers.fault(&["blackhole", "edge1", "edge2"]);

    net.until_full(&[("<one>", 3), ("<two>", 3), ("<left>", 2), ("<right>", 2)])
        .await;
    let seen = net.ok("reachability", json!({})).await;
    assert_eq!(seen["unreachable"], json!(["<left> -> <right>"]), "{seen}");
    assert_eq!(seen["pairs"], 12);
    let ping = net.ok("ping", json!({"device": "<left>", "target": "<right>"})).await;
    assert_eq!(ping["loss"], 1.0, "{ping}");
    let ping = net.ok("ping", json!({"device": "<left>", "target": "<one>"})).await;
    assert_eq!(ping["loss"], 0.0, "{ping}");
}
