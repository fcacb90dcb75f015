//! The first program: a process called `echo`, on a node that Erlang can reach. Its Erlang half is `echo.erl`.
//!
//!     cargo run --release --example echo
use node::{Exit, IntoAtom, Node, Pid, Process, Term};

async fn echo(mut process: Process) -> Exit {
    loop {
        let (from, body): (Pid, Term) = process.receive().await?;
        process.send(from, ("echo".into_atom(), body));
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let node = Node::new("rust")?; // name, cookie and epmd found as `erl -sname rust` finds them
    node.spawn_named("echo", echo)?;
    node.listen().await?; // from here on peers reach us
    node.until_stopped().await; // SIGTERM or ctrl-c
    Ok(())
}
