//! A node without a name of its own: the first node that it calls gives it one, and it is gone when it has done its work. Its Erlang
//! half is any node:
//!
//!     erl -sname host
//!     cargo run --release --example guest -- host
use anyhow::Context as _;
use node::{Atom, IntoAtom as _, Node, NodeName, Term};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let host = std::env::args().nth(1).context("say which node to call: guest NAME[@HOST]")?;
    // Completed as `erl -sname` completes it.
    let host: NodeName = host.parse()?;
    let guest = Node::builder(&format!("undefined@{}", host.host()));
    let node = guest.build_named_by(host.as_str()).await?;
    println!("{host} calls us {}", node.name());
    let peer = Atom::new(host.as_str())?;
    let nodes: Term = node.rpc(peer, "erlang", "nodes", ("hidden".into_atom(),)).await?;
    println!("and knows {nodes}");
    node.stop().await;
    Ok(())
}
