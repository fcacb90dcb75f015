//! Links and monitors across the language border: `watcher` tells why processes end, `fragile` ends the ones linked to it.
//! Its Erlang half is `links.erl`.
//!
//!     cargo run --release --example links
use node::{Exit, Node, Pid, Process, Received};

/// Monitors every pid it is sent, on whatever node, and prints what became of it.
async fn watcher(mut process: Process) -> Exit {
    loop {
        match process.receive().await? {
            Received::Message(message) => {
                let pid: Pid = message.read()?;
                process.monitor(&pid);
                println!("watching {pid}");
            }
            Received::Down { object, reason, .. } => println!("{object} ended: {reason}"),
            other => println!("{other:?}"),
        }
    }
}

/// Takes a divisor and panics at zero, as its links and monitors will hear: `{panic, <<"attempt to divide by zero">>}`.
async fn fragile(mut process: Process) -> Exit {
    loop {
        let (from, divisor): (Pid, i64) = process.receive().await?;
        process.send(from, 100 / divisor);
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let node = Node::new("rust")?;
    node.spawn_named("watcher", watcher)?;
    node.spawn_named("fragile", fragile)?;
    node.listen().await?;
    node.until_stopped().await;
    Ok(())
}
