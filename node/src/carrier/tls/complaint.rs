//! What went wrong with TLS, in words for whoever has to mend it.

use std::io;

use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
use thiserror::Error as ThisError;

use super::options::Mentioned;

/// Why a TLS handshake came to nothing, or a channel broke.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub(super) enum Complaint {
    #[error("the peer's certificate has expired{0}: renew it there")]
    Expired(String),
    #[error(
        "the peer's certificate is not valid yet: correct the clock of one of the two machines"
    )]
    NotYet,
    #[error(
        "the peer's certificate is for {presented}, and not for the host {expected} of the node's name"
    )]
    WrongHost { expected: String, presented: String },
    #[error(
        "the peer's certificate comes from no authority in {0}: have it signed by one of them, or add its own"
    )]
    UnknownAuthority(String),
    #[error("the peer's certificate is not taken: {0}")]
    Certificate(String),
    #[error(
        "the peer has shown no certificate: it needs a certfile and a keyfile of its own, signed by an authority in {0}"
    )]
    NoCertificate(String),
    #[error("the peer says that our certificate {0} has expired: renew it")]
    OursExpired(String),
    #[error(
        "the peer does not know the authority of our certificate {0}: add that to its cacertfile"
    )]
    OursUnknown(String),
    #[error(
        "the peer wants a certificate from us, and got none that it takes: name one with its key"
    )]
    OursMissing,
    #[error(
        "the peer does not take our certificate {cert} ({alert}): see that it is for the host of this node's name; the \
         peer's own log says more"
    )]
    OursRefused { cert: String, alert: String },
    #[error(
        "the peer ended the TLS handshake: our certificate {0} is not for the host of this node's name, or we have no \
         cipher in common; its own log says which"
    )]
    NoAgreement(String),
    #[error("the peer ended the TLS handshake ({0}): it says why in its own log")]
    Alert(String),
    #[error(
        "the peer does not speak TLS: start it with -proto_dist inet_tls, or this node without TLS"
    )]
    NotTls,
    #[error("the two nodes have no TLS version or cipher in common: {0}")]
    NothingInCommon(String),
    #[error(
        "the peer wants new keys, as a BEAM does after 2^28 records, and TLS 1.2 cannot give them here: a new connection will \
         have some; with {{versions, ['tlsv1.3']}} in the peer's options connections last"
    )]
    Renegotiation,
    #[error("TLS failed: {0}")]
    Other(String),
    #[error("the peer hung up during the TLS handshake, or in the middle of a connection")]
    HungUp,
}

impl Complaint {
    /// An error of TLS made clear; any other is left as it is.
    pub(super) fn about(error: io::Error, files: &Mentioned) -> io::Error {
        let complaint = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(inner) => Self::of(inner, files),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::HungUp,
            None => return error,
        };
        io::Error::new(error.kind(), complaint)
    }

    fn of(error: &Error, files: &Mentioned) -> Self {
        match error {
            Error::InvalidCertificate(bad) => Self::of_certificate(bad, files),
            Error::NoCertificatesPresented => Self::NoCertificate(files.ca.clone()),
            Error::AlertReceived(alert) => Self::of_alert(*alert, files),
            Error::InvalidMessage(_) => Self::NotTls,
            Error::PeerIncompatible(why) => Self::NothingInCommon(format!("{why:?}")),
            other => Self::Other(other.to_string()),
        }
    }

    fn of_certificate(bad: &Bad, files: &Mentioned) -> Self {
        match bad {
            Bad::Expired => Self::Expired(String::new()),
            Bad::ExpiredContext { time, not_after } => {
                let hours = time.as_secs().saturating_sub(not_after.as_secs()) / 3_600;
                Self::Expired(match hours {
                    0..48 => format!(" {hours} hours ago"),
                    _ => format!(" {} days ago", hours / 24),
                })
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => Self::NotYet,
            Bad::UnknownIssuer => Self::UnknownAuthority(files.ca.clone()),
            Bad::NotValidForNameContext { expected, presented } => Self::WrongHost {
                expected: expected.to_str().into_owned(),
                presented: match presented.as_slice() {
                    [] => "no host at all".to_owned(),
                    names => names.join(", "),
                },
            },
            other => Self::Certificate(other.to_string()),
        }
    }

    fn of_alert(alert: Alert, files: &Mentioned) -> Self {
        match alert {
            Alert::CertificateExpired => Self::OursExpired(files.cert.clone()),
            Alert::UnknownCA => Self::OursUnknown(files.cert.clone()),
            Alert::CertificateRequired => Self::OursMissing,
            // OTP's word for all of these with TLS 1.2.
            Alert::HandshakeFailure if files.has_cert => Self::NoAgreement(files.cert.clone()),
            Alert::HandshakeFailure => Self::OursMissing,
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::AccessDenied => {
                Self::OursRefused { cert: files.cert.clone(), alert: format!("{alert:?}") }
            }
            Alert::ProtocolVersion | Alert::InsufficientSecurity => {
                Self::NothingInCommon(format!("{alert:?}"))
            }
            other => Self::Alert(format!("{other:?}")),
        }
    }
}
