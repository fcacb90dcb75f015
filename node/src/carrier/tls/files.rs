//! Certificates and keys: read from their files, and read again when the files have changed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use thiserror::Error;

use super::ciphers;
use super::options::{HostCheck, TlsSide, Version};
use super::verify::{OfClient, OfServer};

/// Why TLS cannot be had as it was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {what} {}: {error}", .file.display())]
    Unreadable {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        file: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what} in PEM form, which begins with `-----BEGIN`{hint}", .file.display())]
    NotPem {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        file: PathBuf,
        /// What may be the matter.
        hint: &'static str,
    },
    /// A file is needed and was not named.
    #[error("TLS needs {0}")]
    Missing(&'static str),
    /// rustls does not take them, or not together.
    #[error("certificate {cert} and its key cannot be used: {error}", cert = .cert.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// None of the authorities can be used.
    #[error("{} cannot be used as authorities: {error}", .file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// Why.
        error: String,
    },
    /// Versions and ciphers that do not go together.
    #[error("the TLS versions and ciphers that are set do not go together: {0}")]
    Contradiction(rustls::Error),
}

/// What was made of a side's files, and when they were last seen to change.
pub(super) struct Kept<Made> {
    side: TlsSide,
    make: fn(&TlsSide) -> Result<Made, TlsError>,
    current: Mutex<(Vec<Stamp>, Arc<Made>)>,
}

/// What changes when a file is replaced or written.
type Stamp = Option<(u64, u64, i64, i64, u64)>;

impl<Made> Kept<Made> {
    pub(super) fn new(
        side: TlsSide,
        make: fn(&TlsSide) -> Result<Made, TlsError>,
    ) -> Result<Self, TlsError> {
        // In this order: what changes meanwhile is read again.
        let stamps = stamps(&side);
        let made = Arc::new(make(&side)?);
        Ok(Self { side, make, current: Mutex::new((stamps, made)) })
    }

    pub(super) fn side(&self) -> &TlsSide {
        &self.side
    }

    /// What the files say now; what they said before, when they cannot be used now.
    pub(super) fn now(&self) -> Arc<Made> {
        let stamps = stamps(&self.side);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 != stamps {
            match (self.make)(&self.side) {
                Ok(made) => {
                    tracing::info!(target: "cnode::conn", cert = self.side.files().cert, "certificates read again");
                    current.1 = Arc::new(made);
                }
                Err(error) => {
                    tracing::warn!(target: "cnode::conn", %error, "the certificates have changed and cannot be used; those before them stay");
                }
            }
            // Once for each change, also for one that cannot be used.
            current.0 = stamps;
        }
        current.1.clone()
    }
}

impl<Made> std::fmt::Debug for Kept<Made> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("side", &self.side).finish_non_exhaustive()
    }
}

fn stamps(side: &TlsSide) -> Vec<Stamp> {
    let stamp = |found: Metadata| {
        (found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.size())
    };
    let files = [&side.cert, &side.key, &side.ca];
    files.iter().map(|file| fs::metadata(file.as_ref()?).ok().map(stamp)).collect()
}

/// What is needed to accept.
pub(super) fn server(side: &TlsSide) -> Result<ServerConfig, TlsError> {
    let provider = provider(side);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(side))
        .map_err(TlsError::Contradiction)?;
    let builder = if side.verify {
        let (file, roots) = authorities(side)?;
        let mut judge = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if !side.fail_if_no_peer_cert {
            judge = judge.allow_unauthenticated();
        }
        let inner = judge
            .build()
            .map_err(|error| TlsError::Authorities { file, error: error.to_string() })?;
        builder.with_client_cert_verifier(Arc::new(OfClient { inner, depth: side.depth }))
    } else {
        builder.with_no_client_auth()
    };
    let cert = side.cert.as_deref().ok_or(TlsError::Missing("a certificate to listen with"))?;
    let mut config = builder
        .with_single_cert(certificates(cert)?, key(side, cert)?)
        .map_err(|error| TlsError::Unusable { cert: cert.to_owned(), error })?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.ignore_client_order = side.honor_cipher_order;
    Ok(config)
}

/// What is needed to dial.
pub(super) fn client(side: &TlsSide) -> Result<ClientConfig, TlsError> {
    let provider = provider(side);
    let roots = if side.verify { Some(authorities(side)?.1) } else { None };
    let judge = OfServer {
        provider: provider.clone(),
        roots,
        check_host: side.host != HostCheck::Off,
        depth: side.depth,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(side))
        .map_err(TlsError::Contradiction)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge));
    let mut config = match &side.cert {
        Some(cert) => builder
            .with_client_auth_cert(certificates(cert)?, key(side, cert)?)
            .map_err(|error| TlsError::Unusable { cert: cert.clone(), error })?,
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn provider(side: &TlsSide) -> Arc<CryptoProvider> {
    let cipher_suites = side.ciphers.clone().unwrap_or_else(ciphers::preferred);
    Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() })
}

fn versions(side: &TlsSide) -> Vec<&'static SupportedProtocolVersion> {
    let version = |version: &Version| match version {
        Version::Tls12 => &TLS12,
        Version::Tls13 => &TLS13,
    };
    side.versions.iter().map(version).collect()
}

fn authorities(side: &TlsSide) -> Result<(PathBuf, RootCertStore), TlsError> {
    let file = side.ca.clone().ok_or(TlsError::Missing(
        "a file of authorities that peers' certificates must come from",
    ))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&file)? {
        roots.add(certificate).map_err(|error| TlsError::Authorities {
            file: file.clone(),
            error: error.to_string(),
        })?;
    }
    Ok((file, roots))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "certificate";
    let text = read(what, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::NotPem { what, file: file.to_owned(), hint: "" }),
    }
}

fn key(side: &TlsSide, cert: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let what = "private key";
    let file = side.key.as_deref().unwrap_or(cert);
    let text = zeroize::Zeroizing::new(read(what, file)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let encrypted = text.windows(9).any(|word| word == b"ENCRYPTED");
        let hint = if encrypted {
            "; it is encrypted, and there is nobody to ask for the password"
        } else {
            ""
        };
        TlsError::NotPem { what, file: file.to_owned(), hint }
    })
}

fn read(what: &'static str, file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| TlsError::Unreadable { what, file: file.to_owned(), error })
}
