//! A carrier of one's own, in `carrier.rs`: two nodes in one process that talk over pipes in memory, without port or epmd.
//!
//!     cargo run --example memory
mod carrier;

use carrier::Memory;
use node::{Cookie, EpmdMode, Exit, IntoAtom, Node, Pid, Process, Term, term};

async fn echo(mut process: Process) -> Exit {
    loop {
        let (from, body): (Pid, Term) = process.receive().await?;
        process.send(from, ("echo".into_atom(), body));
    }
}

fn node(name: &str, network: &Memory) -> anyhow::Result<Node> {
    let node = Node::builder(name).carrier(network.clone());
    Ok(node.cookie(Cookie::new("shared")?).epmd(EpmdMode::None).build()?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let network = Memory::default();
    let (one, two) = (node("one@here", &network)?, node("two@here", &network)?);
    two.spawn_named("echo", echo)?;
    two.listen().await?;
    let mut me = one.attach()?;
    me.send(("echo", "two@here"), (me.pid(), term!({ hello, 1 })));
    let answer: Result<(Term, Term), _> = me.receive().await;
    let (_, body) = answer.map_err(|reason| anyhow::anyhow!("{reason}"))?;
    println!("two@here answers {body}");
    Ok(())
}
