//! The tools as MCP clients meet them.

use flyball_netops::server::{NetopsServer, serve_on};
use flyball_netops::tools::Toolbox;
use flyball_netops::{Role, ServeOptions, serve};
use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, RequestMetaObject};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::kit::{Lab, object};

fn call(tool: &'static str, args: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(object(args))
}

#[tokio::test]
async fn a_client_on_a_stream_lists_and_calls_the_tools() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let (near, far) = tokio::io::duplex(64 * 1024);
    let toolbox = Toolbox::new(Role::Config, lab.sandbox.inventory_path(), None, true);
    let shutdown = CancellationToken::new();
    let server = NetopsServer::new(Role::Config, toolbox);
    let serving = tokio::spawn(serve_on(server, tokio::io::split(far), shutdown.clone()));
    let client = ().serve(near).await.unwrap();

    let tools = client.list_all_tools().await.unwrap();
    assert_eq!(tools.len(), 29);
    assert!(
        tools
            .iter()
            .all(|tool| tool.output_schema.is_some() && tool.annotations.is_some())
    );

    let result = client
        .call_tool(call("get_ospf", json!({"device": "bj-core-1"})))
        .await
        .unwrap();
    assert_eq!(result.is_error, Some(false));
    assert_eq!(result.structured_content.unwrap()["processes"], json!([]));

    let mut late = call("save", json!({"device": "bj-core-1"}));
    let mut meta = RequestMetaObject::new();
    meta.0.0.insert("io.flyball/send_by".into(), json!(1));
    late.meta = Some(meta);
    let refused = client.call_tool(late).await.unwrap();
    assert_eq!(refused.is_error, Some(true));
    assert_eq!(refused.structured_content.unwrap()["refused"], "too late");

    client
        .call_tool(call("ping", json!({})))
        .await
        .expect_err("a tool of another role");
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

async fn over_http(lab: &Lab, role: Role, token: Option<&str>) -> (String, CancellationToken) {
    let shutdown = CancellationToken::new();
    let (tell, bound) = oneshot::channel();
    let options = ServeOptions {
        role,
        inventory: lab.sandbox.inventory_path(),
        credentials: None,
        listen: Some("127.0.0.1:0".parse().unwrap()),
        token: token.map(str::to_owned),
        on_bound: Some(tell),
    };
    tokio::spawn(serve(options, shutdown.clone()));
    (format!("http://{}/mcp", bound.await.unwrap()), shutdown)
}

#[tokio::test]
async fn a_client_over_http_needs_the_token() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let (url, shutdown) = over_http(&lab, Role::Inventory, Some("open sesame")).await;
    let config = |token: &str| StreamableHttpClientTransportConfig::with_uri(url.clone()).auth_header(token);
    let wrong = StreamableHttpClientTransport::from_config(config("wrong"));
    assert!(().serve(wrong).await.is_err());
    let client = ().serve(StreamableHttpClientTransport::from_config(config("open sesame"))).await.unwrap();
    let result = client.call_tool(call("list_devices", json!({}))).await.unwrap();
    assert_eq!(result.structured_content.unwrap()["devices"][0]["name"], "bj-core-1");
    shutdown.cancel();
}

#[tokio::test]
async fn a_foreign_origin_is_turned_away() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let (url, shutdown) = over_http(&lab, Role::Inventory, None).await;
    let request = reqwest::Client::new()
        .post(&url)
        .header("origin", "https://evil.example")
        .header("content-type", "application/json");
    let status = request.body("{}").send().await.unwrap().status();
    assert_eq!(status, 403);
    shutdown.cancel();
}

#[tokio::test]
async fn an_open_address_needs_a_token() {
    let lab = Lab::start(&["bj-core-1"]).await;
    let options = ServeOptions {
        role: Role::Inventory,
        inventory: lab.sandbox.inventory_path(),
        credentials: None,
        listen: Some("0.0.0.0:0".parse().unwrap()),
        token: None,
        on_bound: None,
    };
    let refused = serve(options, CancellationToken::new()).await.unwrap_err();
    assert!(refused.to_string().contains("token"), "{refused}");
}
