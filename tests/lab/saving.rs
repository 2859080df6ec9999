//! Saving: what a real router says when it worked, when it half worked and when it did not.

use flyball_netops::sandbox::control;
use serde_json::{Value, json};

use crate::net::Net;
use crate::routers::Routers;

fn startup(router: &str) -> String {
    std::fs::read_to_string(Routers::startup(router)).unwrap()
}

#[tokio::test]
async fn a_save_is_believed_when_the_router_confirmed_it_and_a_failed_one_is_not() {
    let Some(routers) = Routers::fresh().await else { return };
    let (real, (sandbox, there, _dir)) = (Net::real(&routers).await, Net::sandbox().await);
    let one = || json!({"device": "<one>"});
    let cost = json!({"device": "<one>", "interface": "<one.two>", "ospf_cost": 33});

    for net in [&real, &sandbox] {
        net.ok("set_interface", cost.clone()).await;
    }
    routers.let_save("core1", false);
    let fault = json!({"cmd": "fault", "device": "sh-core-1", "kind": "fail_save"});
    assert_eq!(control::ask(&there.control_socket(), &fault).await.unwrap()["ok"], true);
    let failed = [real.ask("save", one()).await, sandbox.ask("save", one()).await];
    routers.let_save("core1", true);
    for (net, failed) in [&real, &sandbox].into_iter().zip(failed) {
        let content = failed.content;
        assert!(failed.is_error, "{}: {content}", net.name);
        assert_eq!(
            (&content["saved"], &content["differs"]),
            (&json!(false), &json!(true)),
            "{}: {content}",
            net.name
        );
        let message = content["message"].as_str().unwrap();
        assert!(message.contains("Permission denied"), "{}: {content}", net.name);
        assert_eq!(net.ok("get_config", one()).await["saved"], Value::Null, "{}", net.name);
    }
    assert!(!startup("core1").contains("cost 33"));

    for net in [&real, &sandbox] {
        let saved = net.ok("save", one()).await;
        assert_eq!(
            (&saved["saved"], &saved["differs"], &saved["read_back"]),
            (&json!(true), &json!(false), &json!(false)),
            "{saved}"
        );
        assert_eq!(
            net.ok("get_config", one()).await["saved"],
            Value::Null,
            "{}: what it confirmed is no reading of what it has",
            net.name
        );
        unreadable(net).await;
    }
    assert!(startup("core1").contains("cost 33"));
}

/// vtysh knows `show startup-config` and prints nothing: no answer is better than an empty one.
async fn unreadable(net: &Net) {
    let refused = net
        .ask("get_config", json!({"device": "<one>", "which": "startup"}))
        .await;
    assert!(refused.is_error, "{}: {}", net.name, refused.content);
    assert_ne!(refused.content["error"], Value::Null);
}
