//! Over standard input and output. Answers pass through a pump, where they can be cut, slowed down or flooded.

use crate::faults::{Faults, Wire, die};
use crate::tools::Ledger;
use rmcp::ServiceExt;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub(crate) async fn serve(ledger: Ledger) {
    let faults = ledger.faults.clone();
    let (out, pumped) = tokio::io::duplex(1 << 20);
    let pump = tokio::spawn(pump(pumped, faults));
    if let Ok(server) = ledger.serve((tokio::io::stdin(), out)).await {
        let _ = server.waiting().await;
    }
    // What was answered before the end of input is still written.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(5), pump).await;
}

async fn pump(mut from: DuplexStream, faults: Arc<Faults>) {
    let mut stdout = tokio::io::stdout();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if write(&mut stdout, &buffer[..size], &faults).await.is_err() {
            return;
        }
    }
}

async fn write(out: &mut tokio::io::Stdout, bytes: &[u8], faults: &Faults) -> std::io::Result<()> {
    match faults.disarm() {
        Some(Wire::Cut) => {
            out.write_all(&bytes[..bytes.len() / 2]).await?;
            out.flush().await?;
            die()
        }
        Some(Wire::Drip(pause)) => {
            for byte in bytes {
                out.write_all(&[*byte]).await?;
                out.flush().await?;
                tokio::time::sleep(pause).await;
            }
        }
        Some(Wire::Flood(size)) => {
            let line = [b"noise ".repeat(170), b"\n".to_vec()].concat();
            for _ in 0..size.div_ceil(line.len()) {
                out.write_all(&line).await?;
            }
            out.write_all(bytes).await?;
        }
        None => out.write_all(bytes).await?,
    }
    out.flush().await
}
