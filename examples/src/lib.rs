//! What the example nodes share: their options, the ready line, and their end.

mod echo;
mod integer;
mod options;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use node::Node;
use tracing_subscriber::EnvFilter;

pub use echo::echo;
pub use integer::Integer;
pub use options::Options;

/// The life of an example node: reads the options, makes the node, has its processes started, opens the door, says so on
/// standard output, and waits for SIGTERM or ctrl-c.
///
/// A start that cannot work says why in one line on standard error. What the node logs goes there as well: warnings, or
/// what the environment variable `RUST_LOG` asks for (`RUST_LOG=info`).
pub fn run(start: impl FnOnce(&Node) -> anyhow::Result<()>) -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        // `--help` is no mistake, and has more than one line.
        Err(help) if !help.use_stderr() => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return failed(&options::one_line(&error)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match live(&options, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("{error:#}")),
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn live(options: &Options, start: impl FnOnce(&Node) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let node = options.node()?;
    // Before the door opens: whoever reaches the node finds every name.
    start(&node)?;
    node.block_on(async {
        // Before anybody is told that we are ready: who stops the node at once stops it properly.
        let stopped = node.until_stopped();
        node.listen().await?;
        ready(&node)?;
        stopped.await;
        Ok(())
    })
}

fn ready(node: &Node) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let port = node.port().unwrap_or_default();
    writeln!(out, "ready {} port={port} epmd={}", node.name(), node.epmd_mode_in_use())?;
    Ok(out.flush()?)
}
