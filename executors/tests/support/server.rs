//! A server made with rmcp: one set of tools, in either era, over standard input and output or HTTP.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the tools look like now; `change` counts it up.
#[derive(Clone)]
pub struct World {
    pub versions: &'static [ProtocolVersion],
    /// Whether the first question of the modern era is understood.
    pub discoverable: bool,
    pub edition: Arc<watch::Sender<u32>>,
    pub calls: Arc<watch::Sender<u32>>,
    /// Calls that the client asked to give up.
    pub cancelled: Arc<watch::Sender<u32>>,
}

pub const LEGACY: &[ProtocolVersion] = &[ProtocolVersion::V_2025_11_25];
pub const MODERN: &[ProtocolVersion] = &[ProtocolVersion::V_2026_07_28];

impl World {
    pub fn new(versions: &'static [ProtocolVersion]) -> Self {
        Self {
            versions,
            discoverable: versions == MODERN,
            edition: Arc::new(watch::Sender::new(0)),
            calls: Arc::new(watch::Sender::new(0)),
            cancelled: Arc::new(watch::Sender::new(0)),
        }
    }
}

const TOOLS: [&str; 11] = [
    "echo", "sleep", "fail", "panic", "huge", "env", "pid", "change", "broken", "typed", "ask",
];

fn tool(name: &str, edition: u32) -> Tool {
    let schema = json!({"type": "object"}).as_object().cloned().unwrap_or_default();
    let tool = Tool::new(name.to_owned(), format!("{name}, edition {edition}"), Arc::new(schema));
    if name != "typed" {
        return tool;
    }
    let output = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    tool.with_raw_output_schema(Arc::new(output.as_object().cloned().unwrap_or_default()))
}

fn number(args: &Value, key: &str) -> u64 {
    args[key].as_u64().unwrap_or(0)
}

impl World {
    async fn run(&self, name: &str, args: Value, meta: Value) -> Result<CallToolResult, ErrorData> {
        Ok(match name {
            "echo" => CallToolResult::structured(json!({"args": args, "meta": meta})),
            "sleep" => {
                tokio::time::sleep(Duration::from_millis(number(&args, "ms"))).await;
                if let Some(file) = args["file"].as_str() {
                    std::fs::write(file, "done").map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
                }
                CallToolResult::structured(json!({"slept": true}))
            }
            "fail" => CallToolResult::error(vec![ContentBlock::text("% Invalid input")]),
            "panic" => panic!("the tool panics, as asked"),
            "huge" => {
                let size = usize::try_from(number(&args, "bytes")).unwrap_or(0);
                CallToolResult::success(vec![ContentBlock::text("x".repeat(size))])
            }
            "env" => {
                let all: serde_json::Map<_, _> = std::env::vars().map(|(k, v)| (k, v.into())).collect();
                CallToolResult::structured(all.into())
            }
            "pid" => CallToolResult::structured(json!({"pid": std::process::id()})),
            "change" => {
                self.edition.send_modify(|n| *n += 1);
                CallToolResult::structured(json!({}))
            }
            "typed" => CallToolResult::structured(json!({"n": "no number"})),
            "broken" => return Err(ErrorData::internal_error("half way through", None)),
            _ => return Err(ErrorData::invalid_params("tool not found", None)),
        })
    }
}

/// What `ask` asks for.
pub fn form(message: &str) -> ElicitRequestParams {
    let schema = json!({"type": "object", "properties": {"seconds": {"type": "integer"}}, "required": ["seconds"]});
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.to_owned(),
        requested_schema: serde_json::from_value(schema).unwrap(),
    }
}

fn page() -> ElicitRequestParams {
    ElicitRequestParams::UrlElicitationParams {
        meta: None,
        message: "Sign in".into(),
        url: "https://example.invalid/".into(),
        elicitation_id: "e-1".into(),
    }
}

/// What became of a form: the content, or the action as an error.
fn filled(answer: ElicitResult) -> CallToolResult {
    match (answer.action, answer.content) {
        (ElicitationAction::Accept, Some(content)) => CallToolResult::structured(json!({"answered": content})),
        (action, _) => CallToolResult::error(vec![ContentBlock::text(format!("{action:?}"))]),
    }
}

impl World {
    /// Asks `rounds` times, each in the way of its era; the answers of all rounds are the result. `way`: `page` asks for
    /// something that is no form; `patience_ms`: how long an answer is waited for in the old era.
    async fn ask(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let args = Value::Object(request.arguments.clone().unwrap_or_default());
        let rounds = number(&args, "rounds").max(1);
        let asked = |n: u64| match args["way"].as_str() {
            Some("page") => page(),
            _ => form(&format!("{} {n}", args["what"].as_str().unwrap_or("round"))),
        };
        if self.versions == MODERN {
            return Ok(ask_by_ending(&request, rounds, asked));
        }
        let patience = match number(&args, "patience_ms") {
            0 => 60_000,
            ms => ms,
        };
        let mut last = None;
        for round in 1..=rounds {
            match fill_in(&context, asked(round), Duration::from_millis(patience)).await {
                Ok(answer) if answer.action == ElicitationAction::Accept => last = Some(answer),
                Ok(answer) => return Ok(filled(answer).into()),
                Err(why) => return Ok(CallToolResult::error(vec![ContentBlock::text(why)]).into()),
            }
        }
        Ok(last.map(filled).unwrap_or_default().into())
    }
}

/// Asks while the call is out, and waits.
pub async fn fill_in(
    context: &RequestContext<RoleServer>,
    form: ElicitRequestParams,
    patience: Duration,
) -> Result<ElicitResult, String> {
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(form));
    let options = rmcp::service::PeerRequestOptions::with_timeout(patience);
    let sent = context.peer.send_request_with_option(request, options).await;
    let answer = sent.map_err(|e| e.to_string())?.await_response().await;
    match answer.map_err(|e| e.to_string())? {
        ClientResult::ElicitResult(result) => Ok(result),
        other => Err(format!("{other:?}")),
    }
}

fn ask_by_ending(
    request: &CallToolRequestParams,
    rounds: u64,
    asked: impl Fn(u64) -> ElicitRequestParams,
) -> CallToolResponse {
    let done = request.request_state.as_deref().and_then(|s| s.strip_prefix("after-"));
    let done: u64 = done.and_then(|n| n.parse().ok()).unwrap_or(0);
    let answer = request.input_responses.as_ref().and_then(|r| r.get("key"));
    let answer: Option<ElicitResult> = answer.and_then(|a| serde_json::from_value(a.clone()).ok());
    match answer {
        Some(answer) if answer.action != ElicitationAction::Accept || done >= rounds => filled(answer).into(),
        _ => {
            let ask = InputRequest::Elicitation(ElicitRequest::new(asked(done + 1)));
            let requests = [("key".to_owned(), ask)].into();
            InputRequiredResult::new(Some(requests), Some(format!("after-{}", done + 1))).into()
        }
    }
}

impl ServerHandler for World {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.versions)
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        if !self.discoverable {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "server/discover", None));
        }
        Ok(DiscoverResult::from_server_info(
            self.versions.to_vec(),
            self.get_info(),
        ))
    }

    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("world", "1"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let edition = *self.edition.borrow();
        // A long life is claimed on purpose: a client that believed it would never see a change.
        let mut list = ListToolsResult::with_all_items(TOOLS.iter().map(|n| tool(n, edition)).collect());
        list.ttl_ms = Some(3_600_000);
        Ok(list)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.calls.send_modify(|n| *n += 1);
        if request.name == "ask" {
            return self.ask(request, context).await;
        }
        let args = Value::Object(request.arguments.unwrap_or_default());
        let meta = serde_json::to_value(&context.meta).unwrap_or_default();
        let result = tokio::select! {
            result = self.run(&request.name, args, meta) => result,
            () = context.ct.cancelled() => {
                self.cancelled.send_modify(|n| *n += 1);
                return Err(ErrorData::internal_error("given up", None));
            }
        };
        if request.name == "change" {
            let _ = context.peer.notify_tool_list_changed().await;
        }
        result.map(CallToolResponse::Complete)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut edition = self.edition.subscribe();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                changed = edition.changed() => {
                    if changed.is_err() || context.sink().notify_tool_list_changed().await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }
}
