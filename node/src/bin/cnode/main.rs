//! `cnode`: a node's tools for the command line, in one binary that needs no Erlang.

mod epmd;
mod names;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use node::config::EPMD_PORT;
use tracing_subscriber::EnvFilter;

/// Tools for Erlang nodes: one binary, no Erlang needed.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the nodes registered at an epmd, as `epmd -names` does
    Names(names::Names),
    /// Serve an epmd in the foreground, until SIGTERM or ctrl-c
    Epmd(epmd::Epmd),
}

/// Where epmd listens; the same for every node of a cluster.
#[derive(Debug, clap::Args)]
struct EpmdPort {
    /// Port of epmd
    #[arg(
        id = "epmd_port",
        long = "epmd-port",
        visible_alias = "port",
        value_name = "PORT",
        env = "ERL_EPMD_PORT",
        default_value_t = EPMD_PORT,
        value_parser = clap::value_parser!(u16).range(1..),
    )]
    port: u16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("cnode=info,warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let done = match options.command {
        Command::Names(names) => names.run().await,
        Command::Epmd(epmd) => epmd.run().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, whatever RUST_BACKTRACE says: what happened, where we looked, how to fix it.
            eprintln!("cnode: {error:#}");
            ExitCode::FAILURE
        }
    }
}
