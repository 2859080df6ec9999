//! A server written by hand, line by line, so that it can say what no library would.
#![allow(clippy::print_stdout, dead_code, unreachable_pub, clippy::unwrap_used)]

use serde_json::{Value, json};
use std::io::{BufRead, Write};

fn say(message: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{message}");
    let _ = out.flush();
}

fn reply(id: &Value, result: Value) {
    say(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
}

fn refuse(id: &Value, code: i64, message: &str) {
    say(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}));
}

const TOOLS: [&str; 9] = ["go", "task", "ask", "none", "garbage", "noise", "long", "echo", "code"];

/// The result of `tools/list`, with `marked` in each description.
pub fn list(marked: &str) -> Value {
    let one = |n: &str| json!({"name": n, "description": marked, "inputSchema": {"type": "object"}});
    json!({"resultType": "complete", "tools": TOOLS.map(one), "ttlMs": 0, "cacheScope": "private"})
}

/// The result of `server/discover`.
pub fn discovery() -> Value {
    json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
        "serverInfo": {"name": "raw", "version": "1"}, "ttlMs": 0, "cacheScope": "private"})
}

/// The reply to a call of a tool, as far as it is a plain result.
pub fn result(tool: &str, args: &Value) -> Value {
    match tool {
        "task" => json!({"resultType": "task", "taskId": "t-1", "status": "working", "ttlMs": 60000,
            "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "pollIntervalMs": 500}),
        "ask" => json!({"resultType": "input_required", "requestState": "opaque"}),
        "none" => json!({"resultType": "complete"}),
        _ => json!({"resultType": "complete", "content": [], "structuredContent": args}),
    }
}

/// Serves until the end of input. Modes: `modern`; `dies`: exits on a first message that is no `initialize`; `mute`: says
/// nothing to it; `stubborn`: as modern, and stays when its input ends; `last`: exits after the first call.
pub fn serve(mode: &str) {
    for line in std::io::stdin().lock().lines() {
        let Ok(message) = line.map(|l| serde_json::from_str::<Value>(&l).unwrap_or_default()) else {
            break;
        };
        let id = &message["id"];
        match message["method"].as_str() {
            Some("server/discover") if mode == "dies" => std::process::exit(3),
            Some("server/discover") if mode == "mute" => {}
            Some("server/discover") => reply(id, discovery()),
            Some("initialize") => reply(
                id,
                json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "raw", "version": "1"}}),
            ),
            Some("tools/list") => reply(id, list("raw")),
            Some("tools/call") if mode == "last" => {
                say(
                    &json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}}),
                );
                return;
            }
            Some("tools/call") => call(id, &message["params"]),
            _ => {}
        }
    }
    if mode == "stubborn" {
        loop {
            std::thread::park();
        }
    }
}

fn call(id: &Value, params: &Value) {
    let (tool, args) = (params["name"].as_str().unwrap_or_default(), &params["arguments"]);
    match tool {
        "code" => refuse(
            id,
            args["code"].as_i64().unwrap_or(0),
            args["message"].as_str().unwrap_or_default(),
        ),
        // No JSON at all, and JSON that is cut: the call gets no reply.
        "garbage" => println!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":["),
        "noise" => {
            println!("a stray line from some library");
            reply(id, result(tool, args));
        }
        // With the id behind the result, as some libraries write it.
        "long" => {
            let text = "x".repeat(17 * 1024 * 1024);
            let mut out = std::io::stdout().lock();
            let _ = writeln!(
                out,
                "{{\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}},\"id\":{id}}}"
            );
        }
        _ => reply(id, result(tool, args)),
    }
    let _ = std::io::stdout().flush();
}
