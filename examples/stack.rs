//! A gen_server in Rust, called from Elixir: the stack of the GenServer documentation. Its Elixir half is `stack.exs`.
//!
//!     cargo run --release --example stack
use node::{Caller, Next, Node, Process, Reply, Server, Term, term};
use serde::Deserialize;

#[derive(Default)]
struct Stack(Vec<Term>);

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Call {
    Pop, // GenServer.call(stack, :pop)
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cast {
    Push(Term), // GenServer.cast(stack, {:push, element})
}

impl Server for Stack {
    type Call = Call;
    type Reply = Term;
    type Cast = Cast;
    type Info = Term;

    async fn call(
        &mut self,
        Call::Pop: Call,
        _from: Caller,
        _process: &mut Process,
    ) -> Reply<Term> {
        Reply::Now(self.0.pop().unwrap_or_else(|| term!('nil)))
    }

    async fn cast(&mut self, Cast::Push(element): Cast, _process: &mut Process) -> Next {
        self.0.push(element);
        Next::Wait
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let node = Node::new("rust")?;
    node.runtime().start_named("stack", Stack::default()).await?;
    node.listen().await?;
    node.until_stopped().await;
    Ok(())
}
