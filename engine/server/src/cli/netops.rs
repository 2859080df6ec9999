//! `netops`: MCP servers for network devices, and the sandbox network.

use super::args::Netops;
use super::local::until_signalled;
use super::output::{Output, out};
use super::{Exit, Failure, Outcome};
use flyball_netops::sandbox::{self, Sandbox};
use flyball_netops::{Role, ServeOptions};
use std::path::PathBuf;
use tokio::sync::oneshot;

pub(super) async fn run(args: Netops, output: Output) -> Outcome {
    if args.sandbox {
        return Box::pin(run_sandbox(args.dir, output)).await;
    }
    // Standard output belongs to the protocol; so logs go to standard error like the server's own.
    super::local::logs();
    let role = args
        .role
        .ok_or_else(|| Failure::Usage("give --role or --sandbox".into()))?;
    let role: Role = role.parse().map_err(Failure::Usage)?;
    let inventory = args.inventory.unwrap_or_else(|| PathBuf::from("inventory.yaml"));
    let (told, bound) = oneshot::channel();
    let options = ServeOptions {
        role,
        inventory,
        credentials: args.credentials,
        listen: args.listen,
        token: super::client::variable("NETOPS_TOKEN"),
        on_bound: args.listen.map(|_| told),
    };
    tokio::spawn(async move {
        if let Ok(address) = bound.await {
            out(&format!("listening on http://{address}/mcp\n"));
        }
    });
    let served = Box::pin(flyball_netops::serve(options, until_signalled()?)).await;
    served.map_err(|e| Failure::Internal(format!("netops: {e}")))?;
    Ok(Exit::Done)
}

async fn run_sandbox(dir: Option<PathBuf>, output: Output) -> Outcome {
    let shutdown = until_signalled()?;
    // Kept until the end of this function: its files go with it.
    let temporary = match dir {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(|e| Failure::Internal(format!("no temporary folder: {e}")))?),
    };
    let dir = dir.or_else(|| temporary.as_ref().map(|t| t.path().join("sandbox")));
    let dir = dir.ok_or_else(|| Failure::Internal("no folder for the sandbox".into()))?;
    let started = Sandbox::start(sandbox::Options::new(&dir)).await;
    let sandbox = started.map_err(|e| Failure::Internal(format!("the sandbox cannot be started: {e}")))?;
    let shown =
        serde_json::json!({"dir": dir, "inventory": sandbox.inventory_path(), "control": sandbox.control_socket()});
    output.show(&shown, |_| format!("sandbox ready: {}\n", dir.display()));
    shutdown.cancelled().await;
    sandbox.shutdown().await;
    Ok(Exit::Done)
}
