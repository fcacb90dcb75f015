//! Where nodes listen when not epmd but something else knows: what `-epmd_module` replaces in a BEAM.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::carrier::Promise;
use crate::epmd::{self, Family};
use crate::name::NodeName;

/// The mapping from node names to addresses, in place of epmd: DNS, a table, a service registry.
///
/// A node with one neither asks an epmd nor registers at one. It has the functions of an Erlang `-epmd_module` that matter
/// to a node:
///
/// | here | there |
/// | --- | --- |
/// | [`listen_port`](Discovery::listen_port) | `listen_port_please/2` |
/// | [`announce`](Discovery::announce), [`withdraw`](Discovery::withdraw) | `register_node/3` |
/// | [`locate`](Discovery::locate) | `address_please/3` |
///
/// [`FixedPort`] is OTP's own alternative, [`StaticTable`] the shortest example.
pub trait Discovery: fmt::Debug + Send + Sync + 'static {
    /// The port that the node of this name is to listen on; `None` leaves it to the node's settings.
    fn listen_port(&self, node: &NodeName) -> Option<u16> {
        let _ = node;
        None
    }

    /// The node listens on `port` from now on.
    ///
    /// # Errors
    /// When it cannot be made known; the node does not start then.
    fn announce<'a>(&'a self, node: &'a NodeName, port: u16) -> Promise<'a, io::Result<()>> {
        let _ = (node, port);
        Box::pin(std::future::ready(Ok(())))
    }

    /// The node stops.
    fn withdraw<'a>(&'a self, node: &'a NodeName) -> Promise<'a, ()> {
        let _ = node;
        Box::pin(std::future::ready(()))
    }

    /// Where the node `alive@host` listens. It runs under the deadline of the whole attempt to connect.
    ///
    /// # Errors
    /// When it is not known; the text reaches whoever wanted to connect.
    fn locate<'a>(
        &'a self,
        alive: &'a str,
        host: &'a str,
        family: Family,
    ) -> Promise<'a, io::Result<SocketAddr>>;
}

/// One port for every node, each on a host of its own: what `erl -erl_epmd_port PORT -start_epmd false` does.
///
/// The node listens on that port, and expects every other on it.
#[derive(Debug, Clone, Copy)]
pub struct FixedPort(pub u16);

impl Discovery for FixedPort {
    fn listen_port(&self, _: &NodeName) -> Option<u16> {
        Some(self.0)
    }

    fn locate<'a>(
        &'a self,
        _: &'a str,
        host: &'a str,
        family: Family,
    ) -> Promise<'a, io::Result<SocketAddr>> {
        Box::pin(resolve(host, self.0, family))
    }
}

/// A table written by hand: node names, hosts and ports. Who is not in it is not found.
///
/// ```
/// use node::discovery::StaticTable;
///
/// let table = StaticTable::default()
///     .with("rust@one", "one.example.org", 9100)
///     .with("shop@two", "192.0.2.7", 9200);
/// ```
#[derive(Debug, Clone, Default)]
pub struct StaticTable(HashMap<String, (String, u16)>);

impl StaticTable {
    /// The table with one node more.
    #[must_use]
    pub fn with(mut self, node: &str, host: &str, port: u16) -> Self {
        self.0.insert(node.to_owned(), (host.to_owned(), port));
        self
    }
}

impl Discovery for StaticTable {
    fn listen_port(&self, node: &NodeName) -> Option<u16> {
        self.0.get(node.as_str()).map(|(_, port)| *port)
    }

    fn locate<'a>(
        &'a self,
        alive: &'a str,
        host: &'a str,
        family: Family,
    ) -> Promise<'a, io::Result<SocketAddr>> {
        Box::pin(async move {
            let node = format!("{alive}@{host}");
            let Some((host, port)) = self.0.get(&node) else {
                let why =
                    format!("{node} is not in the table of nodes, which has {}", self.0.len());
                return Err(io::Error::new(io::ErrorKind::NotFound, why));
            };
            resolve(host, *port, family).await
        })
    }
}

async fn resolve(host: &str, port: u16, family: Family) -> io::Result<SocketAddr> {
    let unknown = |why: String| io::Error::new(io::ErrorKind::NotFound, why);
    let found = epmd::resolve(host, family).await;
    let addresses = found.map_err(|error| unknown(format!("host {host} is not known: {error}")))?;
    let first = addresses.first();
    let address = first.ok_or_else(|| unknown(format!("host {host} has no {family:?} address")))?;
    Ok(SocketAddr::new(*address, port))
}
