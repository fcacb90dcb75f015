//! Where a node under test is reached by a peer made by hand, and the blocking socket that leads there.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, RootCertStore,
    SignatureScheme, StreamOwned, WantsVerifier,
};

use crate::carrier::Carrier;

/// An honest node answers at once; a loaded machine may take a while.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where a node listens, and over what.
#[derive(Debug, Clone)]
pub enum Door {
    /// A port on the loopback.
    Tcp(SocketAddr),
    /// The same behind TLS, and what is needed to be let in there.
    Tls(SocketAddr, Arc<ClientConfig>),
    /// A socket in the file system.
    Local(PathBuf),
}

impl Door {
    /// The door of a node that listens over `carrier`, which has prepared `directory`.
    pub fn of(carrier: Carrier, directory: &Path, node: &str, port: u16) -> Result<Self> {
        let v6 = matches!(carrier, Carrier::Tcp6 | Carrier::Tls6);
        let loopback: IpAddr =
            if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let at = SocketAddr::new(loopback, port);
        Ok(match carrier {
            Carrier::Tcp | Carrier::Tcp6 => Self::Tcp(at),
            Carrier::Tls | Carrier::Tls13 | Carrier::Tls6 => {
                Self::Tls(at, Arc::new(client(carrier, directory)?))
            }
            Carrier::Local => Self::Local(directory.join("dist").join(node)),
        })
    }

    /// A door behind TLS whose certificate is not looked at, for a peer that shows `NAME.pem`.
    pub fn careless(port: u16, directory: &Path, name: &str) -> Result<Self> {
        let config = builder(Carrier::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Careless))
            .with_client_auth_cert(
                certificates(directory, &format!("{name}.pem"))?,
                key(directory, &format!("{name}.key"))?,
            )?;
        Ok(Self::Tls((Ipv4Addr::LOCALHOST, port).into(), Arc::new(config)))
    }

    /// The length before a message of the handshake: 2 bytes, or the 4 of `inet_tls_dist`.
    pub fn prefix(&self, length: usize) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Tls(..) => u32::try_from(length)?.to_be_bytes().to_vec(),
            Self::Tcp(_) | Self::Local(_) => u16::try_from(length)?.to_be_bytes().to_vec(),
        })
    }

    /// Goes in, up to where the bytes of the distribution begin.
    pub fn open(&self) -> Result<Socket> {
        let socket = match self {
            Self::Tcp(at) => Socket::Tcp(tcp(at)?),
            Self::Tls(at, config) => {
                let name = ServerName::try_from("localhost")?;
                let mut connection = ClientConnection::new(config.clone(), name)?;
                let mut stream = tcp(at)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                while connection.is_handshaking() {
                    connection.complete_io(&mut stream).context("no TLS handshake")?;
                }
                Socket::Tls(Box::new(StreamOwned::new(connection, stream)))
            }
            Self::Local(path) => Socket::Local(
                UnixStream::connect(path).context("nobody answers on the Unix socket")?,
            ),
        };
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(socket)
    }
}

impl From<u16> for Door {
    fn from(port: u16) -> Self {
        Self::Tcp((Ipv4Addr::LOCALHOST, port).into())
    }
}

impl From<&Self> for Door {
    fn from(door: &Self) -> Self {
        door.clone()
    }
}

fn tcp(at: &SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(at, Duration::from_secs(5))
        .context("the listener does not answer")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A client with the certificate that every node of a scene has.
fn client(carrier: Carrier, directory: &Path) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(directory, "ca.pem")? {
        roots.add(certificate)?;
    }
    ensure!(!roots.is_empty(), "no authority in ca.pem");
    Ok(builder(carrier)?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(directory, "node.pem")?, key(directory, "node.key")?)?)
}

fn builder(carrier: Carrier) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    let version = if carrier == Carrier::Tls13 { &TLS13 } else { &TLS12 };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder.with_protocol_versions(&[version])?)
}

fn certificates(directory: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>> {
    let pem = read(directory, name)?;
    Ok(CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>()?)
}

fn key(directory: &Path, name: &str) -> Result<PrivateKeyDer<'static>> {
    Ok(PrivateKeyDer::from_pem_slice(&read(directory, name)?)?)
}

fn read(directory: &Path, name: &str) -> Result<Vec<u8>> {
    let path = directory.join(name);
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Takes every certificate for good.
#[derive(Debug)]
struct Careless;

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A way in, open. Dropping it ends it without a word, as the end of a process does.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// TLS, its handshake done.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// A Unix socket.
    Local(UnixStream),
}

impl Socket {
    /// How long a read may take.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(timeout),
            Self::Tls(stream) => stream.sock.set_read_timeout(timeout),
            Self::Local(stream) => stream.set_read_timeout(timeout),
        }
    }

    /// How long a write may take.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(timeout),
            Self::Tls(stream) => stream.sock.set_write_timeout(timeout),
            Self::Local(stream) => stream.set_write_timeout(timeout),
        }
    }

    /// Tells the node that nothing more comes, and goes on reading.
    pub fn finish_writing(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Self::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()
            }
            Self::Local(stream) => stream.shutdown(std::net::Shutdown::Write),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            Self::Local(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Local(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            Self::Local(stream) => stream.flush(),
        }
    }
}
