//! The one thread that starts children. The kernel sends a death signal when the *thread* that started a process ends, so
//! it must be a thread that lives as long as we do; a worker of the runtime need not.

use std::io;
use std::process::{Child, Command};
use std::sync::{OnceLock, mpsc};
use tokio::sync::oneshot;

type Order = (Command, oneshot::Sender<io::Result<Child>>);

/// Starts a command from the long-lived thread.
pub(super) async fn spawn(command: Command) -> io::Result<Child> {
    let (tx, rx) = oneshot::channel();
    let gone = || io::Error::other("the thread that starts children is gone");
    orders().send((command, tx)).map_err(|_| gone())?;
    rx.await.map_err(|_| gone())?
}

fn orders() -> &'static mpsc::Sender<Order> {
    static ORDERS: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    ORDERS.get_or_init(|| {
        let (tx, rx) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("flyball-spawn".to_owned())
            .spawn(move || {
                for (mut command, reply) in rx {
                    if let Err(Ok(mut unwanted)) = reply.send(command.spawn()) {
                        let _ = unwanted.kill();
                        let _ = unwanted.wait();
                    }
                }
            })
            .expect("a thread can be started at boot");
        tx
    })
}
