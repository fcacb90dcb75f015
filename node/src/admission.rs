//! Who may be a peer at all: the node names and hosts that are allowed, and the networks that callers may come from.
//!
//! Both lists are empty by default, and then keep nobody out; the cookie decides in any case.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

use crate::carrier::Address;

/// The lists, as a node has them.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    names: Vec<String>,
    networks: Vec<Network>,
}

impl Admission {
    /// Allows a node (`a@host`) or every node of a host (`host`), as `net_kernel:allow/1`; the first that is allowed bars all
    /// others.
    pub fn allow(&mut self, node_or_host: impl Into<String>) {
        self.names.push(node_or_host.into());
    }

    /// Allows callers from a network; the first that is allowed bars all others. It says nothing about callers that do not
    /// come over a network.
    pub fn allow_network(&mut self, network: Network) {
        self.networks.push(network);
    }

    /// Whether a node of this name may be connected to, by whoever begins. `identity` is what its channel proved: as in
    /// `inet_tls_dist`, a certificate must then be for the host of the name.
    #[must_use]
    pub fn admits_node(&self, name: &str, identity: &[String]) -> bool {
        // Who asks for a name says only its host.
        let host = name.split_once('@').map_or(name, |(_, host)| host);
        let listed = |allowed: &String| allowed == name || allowed == host;
        self.names.is_empty() || self.names.iter().any(listed) && proves(identity, host)
    }

    /// Whether callers from there are listened to.
    #[must_use]
    pub fn admits_caller(&self, from: &Address) -> bool {
        match from {
            Address::Socket(address) => {
                self.networks.is_empty()
                    || self.networks.iter().any(|network| network.contains(address.ip()))
            }
            Address::Path(_) | Address::Named(_) => true,
        }
    }
}

fn proves(identity: &[String], host: &str) -> bool {
    identity.is_empty() || identity.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// A network: an address and how many of its first bits count, `10.1.0.0/16`. One address alone is a network of itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no [`Network`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no network: write an address and the number of its bits that count, as in 10.1.0.0/16 or fd00::/8"
)]
pub struct NetworkError(String);

impl Network {
    /// Whether `address` is in it. An IPv4 address that came in on an IPv6 socket counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(network) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(network) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let fault = || NetworkError(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let most = if address.is_ipv4() { u32::BITS } else { Ipv6Addr::BITS } as u8;
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(fault)?,
        };
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Address {
        Address::Socket(address.parse().unwrap())
    }

    #[test]
    fn without_lists_everybody_is_admitted() {
        let everybody = Admission::default();
        assert!(everybody.admits_node("a@b", &[]) && everybody.admits_caller(&from("192.0.2.1:1")));
    }

    #[test]
    fn a_node_is_admitted_by_its_name_or_its_host_and_by_nothing_like_them() {
        let mut some = Admission::default();
        some.allow("a@here");
        some.allow("there");
        for (name, admitted) in [
            ("a@here", true),
            ("b@here", false),
            ("b@there", true),
            ("a@there.x", false),
            ("there", true),
            ("here", false),
        ] {
            assert_eq!(some.admits_node(name, &[]), admitted, "{name}");
        }
    }

    #[test]
    fn a_certificate_must_be_for_the_host_of_a_listed_name() {
        let mut some = Admission::default();
        some.allow("a@here");
        assert!(some.admits_node("a@here", &["HERE".to_owned()]));
        assert!(!some.admits_node("a@here", &["there".to_owned()]));
    }

    #[test]
    fn a_network_holds_the_addresses_that_share_its_first_bits() {
        for (network, address, held) in [
            ("10.1.0.0/16", "10.1.255.1", true),
            ("10.1.0.0/16", "10.2.0.1", false),
            ("10.1.0.0/16", "::ffff:10.1.0.1", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "fe80::1", true),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), held, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_an_example() {
        for text in ["", "here", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "/8"] {
            assert!(
                text.parse::<Network>().unwrap_err().to_string().contains("10.1.0.0/16"),
                "{text}"
            );
        }
    }

    #[test]
    fn networks_say_nothing_about_callers_on_the_same_machine() {
        let mut some = Admission::default();
        some.allow_network("192.0.2.0/24".parse().unwrap());
        assert!(some.admits_caller(&Address::Path("/run/x".into())));
        assert!(
            some.admits_caller(&from("192.0.2.9:4000"))
                && !some.admits_caller(&from("127.0.0.1:4000"))
        );
    }
}
