//! The names in a certificate, matched as `public_key:pkix_verify_hostname/2` matches them by default.
//!
//! The subjectAltNames count, letter case aside and without wildcards. A certificate that has none is for its common name,
//! where the first label may be a wildcard.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::Shown;

/// What a certificate says whose it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    hosts: Vec<String>,
    addresses: Vec<IpAddr>,
    /// Only of a certificate without any subjectAltName.
    common: Vec<String>,
}

impl Names {
    /// The names in a certificate; none in what is no certificate.
    pub(super) fn of(der: &[u8]) -> Self {
        let mut names = Self::default();
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return names };
        let alternative = match certificate.subject_alternative_name() {
            Ok(Some(extension)) => extension.value.general_names.as_slice(),
            Ok(None) | Err(_) => &[],
        };
        for name in alternative {
            match name {
                GeneralName::DNSName(host) => names.hosts.push((*host).to_owned()),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        if alternative.is_empty() {
            let common = certificate.subject().iter_common_name();
            names.common.extend(common.filter_map(|name| name.as_str().ok().map(str::to_owned)));
        }
        names
    }

    /// Whether the certificate is for this host.
    pub(super) fn is_for(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        address.is_some_and(|address| self.addresses.contains(&address))
            || self.hosts.iter().any(|name| name.eq_ignore_ascii_case(host))
            || self.common.iter().any(|name| is_common_name(name, host))
    }

    /// All of them, for people and for lists.
    pub(super) fn listed(&self) -> Vec<String> {
        let addresses = self.addresses.iter().map(IpAddr::to_string);
        self.hosts.iter().chain(&self.common).cloned().chain(addresses).collect()
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// `verify_hostname_match_default/2` for `cn`: equal and no star in it, or a first label with one star and the rest equal.
fn is_common_name(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    if name == host {
        return !name.contains('*');
    }
    let first = |text: &str| match text.split_once('.') {
        Some((first, rest)) => (first.to_owned(), rest.to_owned()),
        None => (text.to_owned(), String::new()),
    };
    let ((pattern, name_rest), (label, host_rest)) = (first(&name), first(&host));
    let Some((before, after)) = pattern.split_once('*') else { return false };
    name_rest == host_rest
        && label.len() >= before.len() + after.len()
        && label.starts_with(before)
        && label.ends_with(after)
}

/// The names that a peer's certificate proves.
pub(super) fn of_peer(shown: Shown<'_>) -> Vec<String> {
    let own = shown.and_then(<[_]>::first);
    own.map_or_else(Vec::new, |certificate| Names::of(certificate).listed())
}
