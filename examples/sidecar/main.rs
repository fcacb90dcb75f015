//! `sidecar`: a node beside your Erlang or Elixir one, with a process that computes, one that echoes, a server, and functions.
//!
//!     cargo run --release --example sidecar
//!
//!     $ erl -sname me                                        $ iex --sname me
//!     > Rust = 'rust@myhost'.                                > rust = :"rust@myhost"
//!     > {any, Rust} ! {call, self(), {foo, 3}}, flush().     > send({:any, rust}, {:call, self(), {:foo, 3}})
//!     > {echo, Rust} ! {self(), "hello"}, flush().           > send({:echo, rust}, {self(), "hello"})
//!     > gen_server:call({counter, Rust}, {add, 2}).          > GenServer.call({:counter, rust}, {:add, 2})
//!     > rpc:call(Rust, math, add, [2, 3]).                   > :erpc.call(rust, :text, :upcase, ["hello"])

mod any;
mod counter;
mod functions;

use std::process::ExitCode;
use std::time::Duration;

use mailbox::Supervisor;

use crate::counter::Counter;

fn main() -> ExitCode {
    examples::run(|node| {
        node.spawn_named("any", any::any)?;
        node.spawn_named("echo", examples::echo)?;
        // A crash on request is no sign that something is wrong with it: it may come often.
        let counter = Supervisor::one_for_one().intensity(1_000, Duration::from_secs(1));
        node.runtime().supervise_blocking(counter.child("counter", Counter::default))?;
        functions::export(node)?;
        Ok(())
    })
}
