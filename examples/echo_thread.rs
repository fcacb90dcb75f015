//! The first program on a thread, in a program without async: for code that computes or blocks. Its Erlang half is `echo.erl`.
//!
//!     cargo run --release --example echo_thread
use node::{Exit, IntoAtom, Node, Pid, Process, Term};

fn echo(mut process: Process) -> Exit {
    loop {
        let (from, body): (Pid, Term) = process.receive_blocking()?;
        process.send(from, ("echo".into_atom(), body));
    }
}

fn main() -> anyhow::Result<()> {
    let node = Node::new("rust")?; // name, cookie and epmd found as `erl -sname rust` finds them
    node.spawn_thread("echo", echo)?;
    node.block_on(node.listen())?; // from here on peers reach us
    node.block_on(node.until_stopped()); // SIGTERM or ctrl-c
    Ok(())
}
