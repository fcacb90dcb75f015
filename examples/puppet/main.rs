//! `puppet`: every call of the runtime in reach of an Erlang shell.
//!
//!     cargo run --release --example puppet -- --sname rust@localhost --cookie secret
//!
//!     $ erl -sname me@localhost -setcookie secret
//!     > {puppet, rust@localhost} ! {puppet, self(), tag, spawn}.
//!     > {tag, Pid} = receive Answer -> Answer end.
//!     > link(Pid), Pid ! {puppet, self(), tag, {exit, enough}}.
//!     ** exception exit: enough
//!
//! A puppet is a process, and a command a call that it makes. The commands are in a file for each field: `processes.rs`,
//! `messages.rs`, `calls.rs`, `cluster.rs`, `terms.rs`.

mod calls;
mod cluster;
mod command;
mod messages;
mod processes;
mod puppet;
mod sink;
mod source;
mod terms;

use std::process::ExitCode;

fn main() -> ExitCode {
    examples::run(|node| {
        let puppeteer = node.clone();
        node.spawn_named("echo", examples::echo)?;
        node.spawn_named("sink", sink::sink)?;
        node.spawn_named("source", source::source)?;
        node.spawn_named("puppet", move |process| puppet::puppet(process, puppeteer, None))?;
        Ok(())
    })
}
