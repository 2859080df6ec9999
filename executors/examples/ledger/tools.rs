//! The tools, in either era.

use crate::book::Book;
use crate::faults::{Faults, die};
use crate::questions;
use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const NAMES: [&str; 5] = ["noop", "read", "get", "set", "unset"];

#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) versions: &'static [ProtocolVersion],
    pub(crate) modern: bool,
    pub(crate) book: Arc<Book>,
    pub(crate) faults: Arc<Faults>,
}

fn tool(name: &'static str) -> Tool {
    let (text, ms) = (
        json!({"type": "string"}),
        json!({"type": "integer", "description": "answer after so many milliseconds"}),
    );
    let (about, properties, required) = match name {
        "noop" => (
            "Does nothing. As often as you like.",
            json!({"n": {}, "ms": ms}),
            json!([]),
        ),
        "read" => (
            "Says what it was told.",
            json!({"n": {}, "name": text, "value": text, "ms": ms}),
            json!([]),
        ),
        "get" => ("Reads a value.", json!({"name": text}), json!(["name"])),
        "set" => (
            "Sets a value.",
            json!({"name": text, "value": text}),
            json!(["name", "value"]),
        ),
        _ => ("Removes a value.", json!({"name": text}), json!(["name"])),
    };
    let schema =
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let schema: Map<String, Value> = schema.as_object().cloned().unwrap_or_default();
    Tool::new(name, about, Arc::new(schema))
}

impl Ledger {
    async fn run(&self, name: &str, args: Value, meta: Value) -> Result<CallToolResult, ErrorData> {
        let fault = self.faults.take(name, &args, &meta);
        let kind = fault.as_ref().map_or("", |f| f.kind());
        match (&fault, kind) {
            (_, "die_before") => die(),
            (Some(fault), "land_late") => fault.hold().await,
            (Some(fault), "slow") => fault.first_half().await,
            _ => {}
        }
        let takes = Duration::from_millis(args["ms"].as_u64().unwrap_or(0));
        let (book, tool) = (self.book.clone(), name.to_owned());
        let executed = tokio::task::spawn_blocking(move || book.execute(&tool, &args, &meta)).await;
        let executed = executed.map_err(|e| e.to_string());
        let executed = executed.and_then(|done| done.map_err(|e| e.to_string()));
        match (&fault, kind) {
            (_, "die_after") => die(),
            (Some(fault), "hold") => fault.hold().await,
            (Some(fault), "slow") => fault.second_half().await,
            (Some(fault), _) => self.faults.arm(fault),
            _ => {}
        }
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        match executed {
            Ok(Some(output)) => Ok(CallToolResult::structured(output)),
            Ok(None) => Err(ErrorData::invalid_params("tool not found", None)),
            Err(why) => Err(ErrorData::internal_error(why, None)),
        }
    }
}

impl ServerHandler for Ledger {
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.versions)
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        if !self.modern {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "server/discover", None));
        }
        Ok(DiscoverResult::from_server_info(
            self.versions.to_vec(),
            self.get_info(),
        ))
    }

    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("ledger", "1"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(NAMES.into_iter().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let answered = questions::answered(&request);
        let args = Value::Object(request.arguments.unwrap_or_default());
        let meta = serde_json::to_value(&context.meta).unwrap_or_default();
        if let Some(response) = self.asks(&request.name, &args, &meta, answered, &context).await {
            return Ok(response);
        }
        // Not bound to the context: a call in hand is finished whether or not its caller still waits.
        let (me, name) = (self.clone(), request.name.to_string());
        let done = tokio::spawn(async move { me.run(&name, args, meta).await }).await;
        let done = done.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
        done.map(CallToolResponse::Complete)
    }
}
