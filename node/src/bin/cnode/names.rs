//! `cnode names`: the nodes registered at an epmd.

use std::io::Write;
use std::net::IpAddr;

use anyhow::{Context, bail};
use node::epmd::{Client, EpmdFailure};

use crate::EpmdPort;

#[derive(Debug, clap::Args)]
pub(crate) struct Names {
    /// Host whose epmd is asked: a name or an IP address
    #[arg(default_value = "localhost")]
    host: String,
    #[command(flatten)]
    epmd: EpmdPort,
}

impl Names {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let port = self.epmd.port;
        let client = Client::new(port);
        let mut failures = Vec::new();
        for address in self.addresses().await? {
            match client.names(address).await {
                Ok(names) => {
                    // The words of `epmd -names`, for whoever reads those with a script.
                    let mut text =
                        format!("epmd: up and running on port {} with data:\n", names.epmd_port);
                    for entry in names.entries {
                        text.push_str(&format!("{entry}\n"));
                    }
                    return Ok(std::io::stdout().write_all(text.as_bytes())?);
                }
                Err(failure @ EpmdFailure::NoConnection { .. }) => {
                    failures.push(failure.to_string())
                }
                Err(failure) => {
                    return Err(failure)
                        .with_context(|| format!("port {port} of {address} is no epmd's"));
                }
            }
        }
        bail!(
            "{}. Is a node running there, and does its epmd use port {port}?",
            failures.join("; ")
        );
    }

    async fn addresses(&self) -> anyhow::Result<Vec<IpAddr>> {
        let host = &self.host;
        let found = tokio::net::lookup_host((host.as_str(), 0)).await;
        let mut addresses = Vec::new();
        for address in found.with_context(|| format!("host {host} is not known"))? {
            if !addresses.contains(&address.ip()) {
                addresses.push(address.ip());
            }
        }
        Ok(addresses)
    }
}
