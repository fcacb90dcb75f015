//! What can be set about TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::SupportedCipherSuite;

use super::optfile::{self, OptfileError};

/// What can be set about TLS: one part for when peers call, one for when this node does.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// For accepting; without it the node cannot listen.
    pub server: Option<TlsSide>,
    /// For dialling; without it the node cannot call anybody.
    pub client: Option<TlsSide>,
}

/// One part.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TlsSide {
    /// The certificate and what leads from it to its authority, PEM (`certfile`).
    pub cert: Option<PathBuf>,
    /// The private key of the certificate, PEM, not encrypted (`keyfile`). Default: in [`TlsSide::cert`], as OTP.
    pub key: Option<PathBuf>,
    /// The authorities that peers' certificates must come from, PEM (`cacertfile`).
    pub ca: Option<PathBuf>,
    /// Whether the peer's certificate is checked (`verify`): default true.
    pub verify: bool,
    /// Whether a caller without a certificate is sent away (`fail_if_no_peer_cert`): default true. Of meaning to a server
    /// only.
    pub fail_if_no_peer_cert: bool,
    /// Which name the certificate of the called must have (`server_name_indication`). Of meaning to a client only.
    pub host: HostCheck,
    /// The versions offered (`versions`): default both.
    pub versions: Vec<Version>,
    /// The cipher suites offered (`ciphers`): `None`, the default, offers all nine that rustls has, and with TLS 1.2 the
    /// ChaCha20 ones first. A connection with TLS 1.2 and AES-GCM ends after 2^24 records written, as its key is used up then.
    pub(super) ciphers: Option<Vec<SupportedCipherSuite>>,
    /// Whether the server's order of ciphers counts (`honor_cipher_order`): default true.
    pub honor_cipher_order: bool,
    /// How many certificates may stand between the peer's own and its authority's (`depth`): default 10, as OTP.
    pub depth: usize,
}

/// The name that a certificate must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostCheck {
    /// The host of the node's name: `b` of `a@b`. What OTP does, and the default.
    Node,
    /// This one, whatever the node is called.
    Name(String),
    /// Any: whoever has a certificate of the authority can then answer for every other node that has one.
    Off,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2, what OTP speaks between nodes unless told otherwise.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsOptions {
    /// Both sides prove themselves with certificates of the authorities in `ca`: the least that keeps strangers out.
    #[must_use]
    pub fn mutual(cert: &Path, key: &Path, ca: &Path) -> Self {
        let side = TlsSide {
            cert: Some(cert.to_owned()),
            key: Some(key.to_owned()),
            ca: Some(ca.to_owned()),
            ..TlsSide::default()
        };
        Self { server: Some(side.clone()), client: Some(side) }
    }

    /// The file that a BEAM takes as `-ssl_dist_optfile`: `[{server, [Option]}, {client, [Option]}].` Paths in it count from
    /// the working directory, as there. What it does not say is as OTP 26 and later have it: a client checks the server, a
    /// server asks for a certificate only with `{verify, verify_peer}`.
    ///
    /// Taken are `certfile`, `keyfile`, `cacertfile`, `certs_keys` (with one entry), `verify`, `fail_if_no_peer_cert`, `depth`,
    /// `versions`, `ciphers`, `honor_cipher_order` and `server_name_indication`; `reuse_sessions`, `secure_renegotiate`,
    /// `client_renegotiation`, `hibernate_after`, `log_level` and `honor_ecc_order` ask for nothing that would be different
    /// here.
    ///
    /// # Errors
    /// When it cannot be read or is no such term, and for every option that is not in the list above, by name: an option
    /// passed over could be one that keeps somebody out.
    pub fn from_optfile(file: &Path) -> Result<Self, OptfileError> {
        optfile::read(file)
    }
}

impl Default for TlsSide {
    fn default() -> Self {
        Self {
            cert: None,
            key: None,
            ca: None,
            verify: true,
            fail_if_no_peer_cert: true,
            host: HostCheck::Node,
            versions: vec![Version::Tls12, Version::Tls13],
            ciphers: None,
            honor_cipher_order: true,
            depth: 10,
        }
    }
}

/// The files of one part, as complaints mention them.
#[derive(Debug)]
pub(super) struct Mentioned {
    pub(super) cert: String,
    pub(super) has_cert: bool,
    pub(super) ca: String,
}

impl TlsSide {
    pub(super) fn files(&self) -> Arc<Mentioned> {
        let shown = |file: &Option<PathBuf>| match file {
            Some(file) => file.display().to_string(),
            None => "no file".to_owned(),
        };
        Arc::new(Mentioned {
            cert: shown(&self.cert),
            has_cert: self.cert.is_some(),
            ca: shown(&self.ca),
        })
    }
}
