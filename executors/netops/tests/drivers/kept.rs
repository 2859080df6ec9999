//! Kept copies of configurations and the secrets in them.

use serde_json::json;

use crate::kit::Lab;

#[tokio::test]
async fn a_secret_that_differs_is_counted_and_not_shown_and_keeps_the_copy_from_being_restored() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let one = json!({"device": "bj-core-1", "name": "latest"});
    let edit = |lines: serde_json::Value| lab.ask(json!({"cmd": "edit", "device": "bj-core-1", "lines": lines}));
    edit(json!(["snmp-server community s3cret-one RO"])).await;
    let kept = lab.ok("keep_config", one.clone()).await;
    assert!(!kept.to_string().contains("s3cret"), "{kept}");
    edit(json!([
        "no snmp-server community s3cret-one RO",
        "snmp-server community s3cret-two RO",
        "ntp server 10.0.0.1"
    ]))
    .await;
    let compared = lab.ok("compare_kept", one.clone()).await;
    assert_eq!(compared["hidden"], 2, "{compared}");
    assert_eq!(compared["extra"], json!(["ntp server 10.0.0.1"]));
    assert!(!compared.to_string().contains("s3cret"), "{compared}");
    let executed = lab.executed("bj-core-1").await;
    for tool in ["preview_restore", "restore_kept"] {
        let refused = lab.err(tool, one.clone()).await;
        assert_eq!(refused["refused"], "not possible here", "{refused}");
        assert!(!refused.to_string().contains("s3cret"), "{refused}");
    }
    assert_eq!(lab.executed("bj-core-1").await, executed, "nothing was sent");
    for entry in std::fs::read_dir(lab.sandbox.dir().join("kept/bj-core-1"))
        .unwrap()
        .flatten()
    {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(6).any(|w| w == b"s3cret"), "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_copy_of_a_device_that_may_not_be_written_to_is_kept_all_the_same() {
    let lab = Lab::start(&["sh-core-1"]).await;
    lab.edit("inventory.yaml", |text| {
        text.replace("writable: true", "writable: false")
    });
    let one = json!({"device": "sh-core-1", "name": "latest"});
    lab.ok("keep_config", one.clone()).await;
    assert_eq!(
        lab.ok("get_kept", json!({"device": "sh-core-1"})).await["kept"][0]["name"],
        "latest"
    );
    let refused = lab.err("restore_kept", one).await;
    assert_eq!(refused["refused"], "not writable", "{refused}");
    let unknown = lab
        .err("compare_kept", json!({"device": "sh-core-1", "name": "golden"}))
        .await;
    assert!(
        unknown["error"].as_str().unwrap().contains("no copy of sh-core-1"),
        "{unknown}"
    );
}
