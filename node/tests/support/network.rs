//! What the nodes of a test talk over: pipes in memory, TCP, TLS or Unix sockets, with nobody but the test to know where they are.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use node::carrier::{Local, Promise, Tcp, TcpOptions, Tls, TlsOptions};
use node::discovery::Discovery;
use node::epmd::Family;
use node::{Builder, NodeName};
use tempfile::TempDir;
use tests::carrier::{Authority, Holder};

use super::memory::Memory;

/// One of them.
#[derive(Clone)]
pub enum Network {
    Memory(Memory),
    Tcp(Ports),
    Tls(Ports, Arc<TempDir>),
    Local(Arc<TempDir>),
}

/// The ports of the nodes that listen.
#[derive(Debug, Clone, Default)]
pub struct Ports(Arc<Mutex<HashMap<String, u16>>>);

impl Network {
    pub fn memory() -> Self {
        Self::Memory(Memory::default())
    }

    pub fn tcp() -> Self {
        Self::Tcp(Ports::default())
    }

    /// With a certificate for the hosts of these tests.
    pub fn tls() -> Result<Self> {
        let directory = TempDir::new()?;
        let authority = Authority::new("the authority of a test")?;
        std::fs::write(directory.path().join("ca.pem"), authority.pem())?;
        authority.issue(directory.path(), "node", &Holder::of(&["here", "here.there"]))?;
        Ok(Self::Tls(Ports::default(), Arc::new(directory)))
    }

    pub fn local() -> Result<Self> {
        Ok(Self::Local(Arc::new(TempDir::new()?)))
    }

    /// One of the same kind, with nobody in it.
    pub fn another(&self) -> Result<Self> {
        Ok(match self {
            Self::Memory(_) => Self::memory(),
            Self::Tcp(_) => Self::tcp(),
            Self::Tls(_, directory) => Self::Tls(Ports::default(), directory.clone()),
            Self::Local(_) => Self::local()?,
        })
    }

    /// A node's way into it.
    pub fn carry(&self, node: Builder) -> Result<Builder> {
        // Small buffers, as pipes in memory have them: what a slow peer does not read is soon felt.
        let loopback = TcpOptions {
            interface: Ipv4Addr::LOCALHOST.into(),
            send_buffer: Some(64 * 1024),
            receive_buffer: Some(64 * 1024),
            ..TcpOptions::default()
        };
        Ok(match self {
            Self::Memory(memory) => node.carrier(memory.clone()),
            Self::Tcp(ports) => node.carrier(Tcp::new(loopback)).discovery(ports.clone()),
            Self::Tls(ports, directory) => {
                let file = |name: &str| Path::join(directory.path(), name);
                let tls = TlsOptions::mutual(&file("node.pem"), &file("node.key"), &file("ca.pem"));
                node.carrier(Tls::new(loopback, tls)?).discovery(ports.clone())
            }
            Self::Local(directory) => node.carrier(Local::new(directory.path().join("dist"))),
        })
    }
}

impl Discovery for Ports {
    fn announce<'a>(&'a self, node: &'a NodeName, port: u16) -> Promise<'a, io::Result<()>> {
        let mut ports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ports.insert(node.as_str().to_owned(), port);
        Box::pin(std::future::ready(Ok(())))
    }

    fn locate<'a>(
        &'a self,
        alive: &'a str,
        host: &'a str,
        _: Family,
    ) -> Promise<'a, io::Result<SocketAddr>> {
        let ports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let port = ports.get(&format!("{alive}@{host}")).copied();
        let found = port.map(|port| (Ipv4Addr::LOCALHOST, port).into());
        Box::pin(std::future::ready(found.ok_or_else(|| io::ErrorKind::NotFound.into())))
    }
}

/// Tests that are functions of a network: each over all of them.
#[macro_export]
macro_rules! over_each_network {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            use $crate::support::network::Network;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() -> anyhow::Result<()> {
                super::$test(Network::memory()).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_tcp() -> anyhow::Result<()> {
                super::$test(Network::tcp()).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_tls() -> anyhow::Result<()> {
                super::$test(Network::tls()?).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_unix_sockets() -> anyhow::Result<()> {
                super::$test(Network::local()?).await
            }
        })+
    };
}
