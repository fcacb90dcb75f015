//! TLS over TCP, as `inet_tls_dist` and `inet6_tls_dist`: both sides show a certificate, and the host of a node's name is
//! checked against it.
//!
//! | file | what |
//! | --- | --- |
//! | `options` | what can be set: files, versions, who must prove what |
//! | `optfile` | the same read from OTP's `-ssl_dist_optfile` |
//! | `ciphers` | cipher suites by the names OTP has for them |
//! | `files` | certificates and keys: read, and read again when they change |
//! | `verify` | whose certificate is taken |
//! | `names` | the names in a certificate, matched as `public_key:pkix_verify_hostname/2` matches them |
//! | `watched` | whether a peer wants to renegotiate, which rustls does not do |
//! | `complaint` | what went wrong, in words for whoever has to mend it |
//!
//! The handshake's messages have a length of 4 bytes here, as in `inet_tls_dist`. Sessions are never resumed: connections
//! between nodes live for days, and each one begins with the certificates as they are then.

mod ciphers;
mod complaint;
mod files;
mod names;
mod optfile;
mod options;
mod verify;
mod watched;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, ReadBuf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{Address, Carrier, Channel, Incoming, Listener, Prefix, Promise, TcpOptions, tcp};
use complaint::Complaint;
use files::Kept;
use watched::Watched;

pub use files::TlsError;
pub use optfile::OptfileError;
pub use options::{HostCheck, TlsOptions, TlsSide, Version};

/// TLS over TCP.
#[derive(Debug, Clone)]
pub struct Tls {
    tcp: TcpOptions,
    server: Option<Arc<Kept<ServerConfig>>>,
    client: Option<Arc<Kept<ClientConfig>>>,
}

impl Tls {
    /// TLS with these options. The files are read now, and again whenever they have changed when a connection is made: a
    /// certificate is renewed by replacing its files. Files that cannot be used then are said in the log, and the ones before
    /// them stay in use.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should, or options contradict one another.
    pub fn new(tcp: TcpOptions, options: TlsOptions) -> Result<Self, TlsError> {
        let server = options.server.map(|side| Kept::new(side, files::server)).transpose()?;
        let client = options.client.map(|side| Kept::new(side, files::client)).transpose()?;
        Ok(Self { tcp, server: server.map(Arc::new), client: client.map(Arc::new) })
    }
}

impl Carrier for Tls {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn handshake_prefix(&self) -> Prefix {
        Prefix::Four
    }

    fn listen<'a>(&'a self, _node: &'a str) -> Promise<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let server = self.server.clone().ok_or_else(|| {
                io::Error::other("the TLS options are for dialling only: they have no server part")
            })?;
            let listener = tcp::bind(&self.tcp)?;
            Ok(Box::new(TlsDoor { listener, tcp: self.tcp.clone(), server }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, node: &'a str, to: &'a Address) -> Promise<'a, io::Result<Channel>> {
        Box::pin(async move {
            let client = self.client.as_deref().ok_or_else(|| {
                io::Error::other("the TLS options are for listening only: they have no client part")
            })?;
            let name = server_name(&client.side().host, node, to)?;
            let stream = tcp::dial(to, &self.tcp).await?;
            let files = client.side().files();
            let stream = TlsConnector::from(client.now())
                .connect(name, Watched::new(stream))
                .await
                .map_err(|error| Complaint::about(error, &files))?;
            Ok(channel(stream.into(), to.clone(), files))
        })
    }

    fn reaches(&self, address: &Address) -> bool {
        matches!(address, Address::Socket(_))
    }

    fn is_private(&self) -> bool {
        true
    }
}

/// What the peer's certificate must be for; sent as the server name indication unless it is an IP address, as OTP does.
fn server_name(check: &HostCheck, node: &str, to: &Address) -> io::Result<ServerName<'static>> {
    let name = match check {
        HostCheck::Node => node.split_once('@').map_or(node, |(_, host)| host),
        HostCheck::Name(name) => name,
        HostCheck::Off => match to {
            Address::Socket(address) => return Ok(ServerName::from(address.ip())),
            _ => node,
        },
    };
    ServerName::try_from(name.to_owned()).map_err(|_| {
        let why = format!("`{name}` is no host name that a certificate could be for");
        io::Error::new(io::ErrorKind::InvalidInput, why)
    })
}

#[derive(Debug)]
struct TlsDoor {
    listener: TcpListener,
    tcp: TcpOptions,
    server: Arc<Kept<ServerConfig>>,
}

impl Listener for TlsDoor {
    fn address(&self) -> Address {
        match self.listener.local_addr() {
            Ok(address) => address.into(),
            Err(_) => Address::Socket((self.tcp.interface, 0).into()),
        }
    }

    fn accept(&mut self) -> Promise<'_, io::Result<Incoming>> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            let (tcp, server) = (self.tcp.clone(), self.server.clone());
            Ok(Incoming {
                peer: from.into(),
                channel: Box::pin(async move {
                    tcp::tune(&stream, &tcp)?;
                    greet(stream, from.into(), &server).await
                }),
            })
        })
    }
}

/// The handshake with a stranger; the deadline is the caller's.
async fn greet(
    stream: TcpStream,
    peer: Address,
    server: &Kept<ServerConfig>,
) -> io::Result<Channel> {
    let files = server.side().files();
    let stream = TlsAcceptor::from(server.now())
        .accept(Watched::new(stream))
        .await
        .map_err(|error| Complaint::about(error, &files))?;
    Ok(channel(stream.into(), peer, files))
}

fn channel(mut stream: TlsStream<Watched<TcpStream>>, peer: Address, files: Files) -> Channel {
    let identity = names::of_peer(stream.get_ref().1.peer_certificates());
    stream.get_mut().0.opened();
    let (reader, writer) = split(stream);
    let reader = Box::new(Explained { reader, files });
    Channel { reader, writer: Box::new(writer), peer, identity }
}

/// The files that a complaint mentions.
type Files = Arc<options::Mentioned>;

/// A reader whose errors say what they mean. With TLS 1.3 a client learns that its certificate is refused when it reads for
/// the first time, and not before.
struct Explained<Reader> {
    reader: Reader,
    files: Files,
}

impl<Reader: AsyncRead + Unpin> AsyncRead for Explained<Reader> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.reader).poll_read(cx, buffer);
        read.map_err(|error| Complaint::about(error, &self.files))
    }
}

/// The certificates that a peer showed, if it did.
type Shown<'a> = Option<&'a [CertificateDer<'a>]>;
