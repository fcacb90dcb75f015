//! Asking an epmd: where a node listens, which nodes there are, and the request that registers one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::proto::epmd::{
    Alive2Response, DIST_VERSION_HIGH, DIST_VERSION_LOW, EpmdError, MAX_NAMES_RESPONSE,
    NamesResponse, PortResponse, Registration, Request,
};

/// For one question, from the lookup of the host to the answer: as the handshake that usually follows, OTP's
/// `net_setuptime`.
const TIMEOUT: Duration = Duration::from_secs(7);

/// IPv4 or IPv6: a node speaks one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// As with `-proto_dist inet_tcp`.
    V4,
    /// As with `-proto_dist inet6_tcp`.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The loopback addresses, this family's first.
    pub(super) fn loopbacks(self) -> [IpAddr; 2] {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        match self {
            Self::V4 => [v4, v6],
            Self::V6 => [v6, v4],
        }
    }
}

/// Asks epmds, all on one port: every host of a cluster has its epmd there.
#[derive(Debug, Clone)]
pub struct Client {
    port: u16,
    timeout: Duration,
}

/// Why an epmd gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EpmdFailure {
    /// Nobody listens there, or the way there is closed.
    #[error("no connection to epmd at {at}: {error}")]
    NoConnection {
        /// Who was asked.
        at: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// The connection broke.
    #[error("the connection to epmd broke: {0}")]
    Broken(io::Error),
    /// It closed the connection in the place of an answer, which is how epmd refuses a request.
    #[error("epmd closed the connection without an answer")]
    Closed,
    /// No whole answer in time.
    #[error("no answer from epmd within {0:?}")]
    TimedOut(Duration),
    /// An answer that is none.
    #[error(transparent)]
    Garbage(#[from] EpmdError),
}

/// Why a node could not be located.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LocateError {
    /// The host's name has no address of our family.
    #[error("host {host} is not known: {error}")]
    HostUnknown {
        /// The part of the node name after `@`.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// An epmd answered, and no such node is registered at it.
    #[error("no node {name} is registered at epmd on {host}")]
    NotRegistered {
        /// The part of the node name before `@`.
        name: String,
        /// The part of the node name after `@`.
        host: String,
    },
    /// The node speaks other versions of the distribution protocol.
    #[error(
        "node {name} speaks distribution versions {lowest} to {highest}, and this one \
         {DIST_VERSION_LOW} to {DIST_VERSION_HIGH}"
    )]
    Versions {
        /// The part of the node name before `@`.
        name: String,
        /// Lowest version it speaks.
        lowest: u16,
        /// Highest version it speaks.
        highest: u16,
    },
    /// No epmd answered.
    #[error(transparent)]
    Epmd(#[from] EpmdFailure),
}

impl Client {
    /// A client of the epmds on `port`, that waits 7 s for an answer.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { port, timeout: TIMEOUT }
    }

    /// Waits at most this long for each answer.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Finds the address of the node `name@host`: the host's addresses of this family are asked one after the other
    /// until an epmd answers.
    ///
    /// # Errors
    /// When the host is not known, no epmd answers, or it does not know such a node.
    pub async fn locate(
        &self,
        name: &str,
        host: &str,
        family: Family,
    ) -> Result<SocketAddr, LocateError> {
        let located = timeout(self.timeout, self.locate_at_leisure(name, host, family)).await;
        located.unwrap_or(Err(LocateError::Epmd(EpmdFailure::TimedOut(self.timeout))))
    }

    async fn locate_at_leisure(
        &self,
        name: &str,
        host: &str,
        family: Family,
    ) -> Result<SocketAddr, LocateError> {
        let unknown = |error| LocateError::HostUnknown { host: host.to_owned(), error };
        let mut last = unknown(io::Error::new(
            io::ErrorKind::NotFound,
            format!("it has no {family:?} address"),
        ));
        for address in resolve(host, family).await.map_err(unknown)? {
            match self.port_please(name, address).await {
                Ok(Some(node))
                    if node.highest < DIST_VERSION_LOW || node.lowest > DIST_VERSION_HIGH =>
                {
                    return Err(LocateError::Versions {
                        name: name.to_owned(),
                        lowest: node.lowest,
                        highest: node.highest,
                    });
                }
                Ok(Some(node)) => return Ok(SocketAddr::new(address, node.port)),
                Ok(None) => {
                    return Err(LocateError::NotRegistered {
                        name: name.to_owned(),
                        host: host.to_owned(),
                    });
                }
                Err(failure) => last = failure.into(),
            }
        }
        Err(last)
    }

    /// PORT_PLEASE2_REQ: what the epmd at this address knows of a node; `None` when it is not registered.
    ///
    /// # Errors
    /// When no epmd answers.
    pub async fn port_please(
        &self,
        name: &str,
        epmd: IpAddr,
    ) -> Result<Option<Registration>, EpmdFailure> {
        let request = Request::PortPlease2 { name: name.to_owned() };
        let (_, answer) = self.ask(epmd, &request, PortResponse::parse).await?;
        Ok(match answer {
            PortResponse::Found(node) => Some(node),
            PortResponse::NotFound { .. } => None,
        })
    }

    /// NAMES_REQ: the nodes registered at the epmd at this address.
    ///
    /// # Errors
    /// When no epmd answers.
    pub async fn names(&self, epmd: IpAddr) -> Result<NamesResponse, EpmdFailure> {
        let names = async {
            let stream = self.connect(epmd, &Request::Names).await?;
            let mut received = Vec::new();
            let bound = MAX_NAMES_RESPONSE as u64 + 1;
            stream.take(bound).read_to_end(&mut received).await.map_err(EpmdFailure::Broken)?;
            if received.is_empty() {
                return Err(EpmdFailure::Closed);
            }
            Ok(NamesResponse::decode(&received)?)
        };
        timeout(self.timeout, names).await.unwrap_or(Err(EpmdFailure::TimedOut(self.timeout)))
    }

    /// ALIVE2_REQ: registers a node for as long as the connection that comes back stays open.
    pub(super) async fn register(
        &self,
        node: &Registration,
        epmd: IpAddr,
    ) -> Result<(TcpStream, Alive2Response), EpmdFailure> {
        self.ask(epmd, &Request::Alive2(node.clone()), Alive2Response::parse).await
    }

    /// Sends a request and reads until `parse` has seen a whole answer.
    async fn ask<Answer>(
        &self,
        epmd: IpAddr,
        request: &Request,
        parse: impl Fn(&[u8]) -> Result<Option<Answer>, EpmdError>,
    ) -> Result<(TcpStream, Answer), EpmdFailure> {
        let ask = async {
            let mut stream = self.connect(epmd, request).await?;
            // Grows with what arrives; `parse` refuses what announces more than an answer has.
            let mut received = Vec::with_capacity(64);
            loop {
                if let Some(answer) = parse(&received)? {
                    return Ok((stream, answer));
                }
                if stream.read_buf(&mut received).await.map_err(EpmdFailure::Broken)? == 0 {
                    return Err(EpmdFailure::Closed);
                }
            }
        };
        timeout(self.timeout, ask).await.unwrap_or(Err(EpmdFailure::TimedOut(self.timeout)))
    }

    async fn connect(&self, epmd: IpAddr, request: &Request) -> Result<TcpStream, EpmdFailure> {
        let at = SocketAddr::new(epmd, self.port);
        let request = request.encode()?;
        let mut stream = TcpStream::connect(at)
            .await
            .map_err(|error| EpmdFailure::NoConnection { at, error })?;
        stream.write_all(&request).await.map_err(EpmdFailure::Broken)?;
        Ok(stream)
    }
}

/// The addresses of a host, of one family; an IP address is its own.
pub(crate) async fn resolve(host: &str, family: Family) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((host, 0)).await?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in
        found.map(|address| address.ip()).filter(|address| Family::of(*address) == family)
    {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}
