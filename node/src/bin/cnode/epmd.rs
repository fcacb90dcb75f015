//! `cnode epmd`: an epmd in the foreground.

use std::future::Future;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use node::epmd::Server;

use crate::EpmdPort;

#[derive(Debug, clap::Args)]
pub(crate) struct Epmd {
    #[command(flatten)]
    epmd: EpmdPort,
    /// Address to listen on, beside the loopback ones; without it, all of this machine
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    interface: IpAddr,
}

impl Epmd {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        // Before the port is open, so that no signal finds the default handler.
        let ended = ended()?;
        let server = Server::bind(self.epmd.port, self.interface)?;
        let at: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
        let mut out = std::io::stdout();
        writeln!(out, "ready epmd at {}", at.join(" "))?;
        out.flush()?;
        ended.await;
        tracing::info!(target: "cnode::epmd", registered = server.registered(), "ending");
        Ok(())
    }
}

/// Resolves at SIGTERM or SIGINT.
#[cfg(unix)]
fn ended() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Resolves at ctrl-c.
#[cfg(not(unix))]
fn ended() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler there is nothing to wait for but the end of the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
