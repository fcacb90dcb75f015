//! Phoenix.PubSub from Rust: subscribes to a topic that Elixir publishes to, and publishes to one that Elixir subscribes to.
//!
//!     cargo run --release --example pubsub -- --sname rust@localhost --cookie secret
//!     elixir --sname phoenix@localhost --cookie secret examples/pubsub.exs rust@localhost
//!
//! Phoenix's default adapter has a worker on each node in the `pg` group of its name, and the members of that group are all it
//! knows of other nodes. A broadcast is a message `{forward_to_local, Topic, Message, Dispatcher}` to the worker of every other
//! node, which hands the message to its node's subscribers. This program is such a worker.

use std::process::ExitCode;

use node::{Atom, Exit, Groups, Node, Process, Term, term};
use serde::Deserialize;

/// The `pg` scope of every Phoenix.PubSub, an Elixir module's name as Erlang sees it.
const SCOPE: Atom = Atom::from_static("Elixir.Phoenix.PubSub");

/// `{Phoenix.PubSub, name: Demo.PubSub}` in the supervision tree over there. With a `pool_size` there are more groups, `…Adapter_2`
/// and so on, and a worker must be in each.
const ADAPTER: Atom = Atom::from_static("Elixir.Demo.PubSub.Adapter");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    /// A topic, a message, and the dispatcher: a module that hands messages out, which there is none of here.
    ForwardToLocal(String, Term, serde::de::IgnoredAny),
}

struct PubSub {
    groups: Groups,
}

impl PubSub {
    /// From here on what is broadcast elsewhere comes to this process.
    async fn join(node: &Node, process: &Process) -> Result<Self, node::Reason> {
        let groups = node.pg_scope(SCOPE)?;
        groups.join(ADAPTER, &process.pid()).await?;
        Ok(Self { groups })
    }

    /// `Phoenix.PubSub.broadcast/3`: to the subscribers of all nodes but this.
    async fn broadcast(&self, process: &Process, topic: &str, message: &Term) -> Exit {
        for worker in self.groups.members(ADAPTER).await? {
            if worker.node() != process.runtime().node() {
                // The dispatcher is the module that hands messages out over there.
                let forward = term!({forward_to_local, topic, message, SCOPE});
                process.send(worker, forward);
            }
        }
        Ok(())
    }
}

/// Subscribed to `orders`: each order is answered on `receipts`.
async fn worker(mut process: Process, node: Node) -> Exit {
    let pubsub = PubSub::join(&node, &process).await?;
    loop {
        let message: node::Payload = process.receive().await?;
        // Other topics' messages come as well: who subscribes to what is each node's own affair.
        match message.read() {
            Ok(Message::ForwardToLocal(topic, order, _)) if topic == "orders" => {
                tracing::info!(%order, "an order");
                let receipt = term!({receipt, order, process.runtime().node()});
                pubsub.broadcast(&process, "receipts", &receipt).await?;
            }
            _ => {}
        }
    }
}

fn main() -> ExitCode {
    examples::run(|node| {
        let own = node.clone();
        node.spawn(move |process| worker(process, own));
        Ok(())
    })
}
