//! Node names: `alive@host`, short or long, made as `erl -sname` and `erl -name` make them.
//!
//! A node keeps to one kind for life, and connects only to nodes of its kind: in a cluster of short names the host
//! has no dot, in one of long names it has one or is an IP address (`inet_tcp_dist:splitnode/3`).

mod host;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Most characters in a node name: it is an atom (erl_ext_dist, "ATOM_UTF8_EXT").
pub const MAX_CHARS: usize = 255;

/// Whether hosts are written with their domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// `rust@myhost`, as from `erl -sname`.
    Short,
    /// `rust@myhost.example.org` or `rust@192.0.2.1`, as from `erl -name`.
    Long,
}

/// The name of this node, checked as OTP checks its own at start.
///
/// Cheap to clone. `Display` gives `alive@host`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NodeName {
    full: Arc<str>,
    /// Where the `@` is.
    at: usize,
    kind: NameKind,
}

/// Why a text is not the name of a node, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// The part before `@` is empty or has another character than OTP allows there.
    #[error(
        "`{name}` is no node name: the part before @ must be one or more of A-Z a-z 0-9 _ and -, as in rust@myhost"
    )]
    Alive {
        /// What was given.
        name: String,
    },
    /// The host has a blank, a control character, a second `@`, or a character beyond Latin-1.
    #[error(
        "`{name}` is no node name: the part after the first @ must be a host name or an IP address"
    )]
    Host {
        /// What was given.
        name: String,
    },
    /// More than [`MAX_CHARS`] characters.
    #[error("a node name of {characters} characters: it is an atom, of at most {MAX_CHARS}")]
    TooLong {
        /// How many it has.
        characters: usize,
    },
    /// A short name was asked for, and the host has a dot.
    #[error(
        "can't set short node name `{name}`: its host has a dot. Use `--name {name}` for a long name, \
         or a host without its domain, as in `--sname {alive}@{first}`"
    )]
    DotInShortName {
        /// What was given.
        name: String,
        /// Its part before `@`.
        alive: String,
        /// Its host up to the first dot.
        first: String,
    },
    /// A long name without a host was asked for, and this machine's domain is not known.
    #[error(
        "can't set long node name `{alive}`: the domain of host `{host}` is neither in its name nor in \
         /etc/resolv.conf nor in /etc/hosts. Write the host out, as in `--name {alive}@{host}.example.org` or \
         `--name {alive}@192.0.2.1`, or use `--sname {alive}`"
    )]
    NoDomain {
        /// What was given.
        alive: String,
        /// What this machine calls itself.
        host: String,
    },
    /// The machine does not say what it is called.
    #[error("this machine has no host name: write the host out, as in `{alive}@localhost`")]
    NoHostName {
        /// What was given.
        alive: String,
    },
    /// A peer with a host that no node of our kind can be on.
    #[error("`{peer}` cannot be reached from `{ours}`: {}", mixed(*.kind))]
    Mixed {
        /// The peer's name.
        peer: String,
        /// Our name.
        ours: String,
        /// Our kind.
        kind: NameKind,
    },
}

fn mixed(ours: NameKind) -> &'static str {
    match ours {
        NameKind::Short => {
            "this node has a short name and that host has a dot. Start both with short names or both with long ones"
        }
        NameKind::Long => {
            "this node has a long name and that host has neither a dot nor is it an IP address. Start both with \
             short names or both with long ones"
        }
    }
}

impl NodeName {
    /// The name that `erl -sname NAME` takes: `alive`, completed with this machine's host name up to the first dot,
    /// or `alive@host` with a host without dots.
    ///
    /// # Errors
    /// As `erl` refuses: see [`NameError`].
    pub fn short(name: &str) -> Result<Self, NameError> {
        match split(name) {
            (alive, Some(host)) if host.contains('.') => Err(NameError::DotInShortName {
                name: name.to_owned(),
                alive: alive.to_owned(),
                first: host.split('.').next().unwrap_or_default().to_owned(),
            }),
            (alive, Some(host)) => Self::checked(name, alive, host, NameKind::Short),
            (alive, None) => {
                let host = host::short()
                    .ok_or_else(|| NameError::NoHostName { alive: alive.to_owned() })?;
                Self::checked(name, alive, &host, NameKind::Short)
            }
        }
    }

    /// The name that `erl -name NAME` takes: `alive@host` as it is, or `alive`, completed with this machine's host
    /// name and domain.
    ///
    /// Like `erl` this takes a host without a dot, and like `erl` nodes with long names will then refuse to connect
    /// to it; see [`NodeName::is_reachable`].
    ///
    /// # Errors
    /// As `erl` refuses: see [`NameError`].
    pub fn long(name: &str) -> Result<Self, NameError> {
        match split(name) {
            (alive, Some(host)) => Self::checked(name, alive, host, NameKind::Long),
            (alive, None) => {
                let host = host::short()
                    .ok_or_else(|| NameError::NoHostName { alive: alive.to_owned() })?;
                let full = host::full()
                    .ok_or_else(|| NameError::NoDomain { alive: alive.to_owned(), host })?;
                Self::checked(name, alive, &full, NameKind::Long)
            }
        }
    }

    fn checked(given: &str, alive: &str, host: &str, kind: NameKind) -> Result<Self, NameError> {
        // The two patterns of `net_kernel:create_name/3`, and `@` refused in the host as `erlang:setnode/2` does.
        let alive_ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if alive.is_empty() || !alive.chars().all(alive_ok) {
            return Err(NameError::Alive { name: given.to_owned() });
        }
        if host.is_empty()
            || !host.chars().all(|c| ('!'..='ÿ').contains(&c) && c != '@' && !c.is_control())
        {
            return Err(NameError::Host { name: given.to_owned() });
        }
        let full = format!("{alive}@{host}");
        let characters = full.chars().count();
        if characters > MAX_CHARS {
            return Err(NameError::TooLong { characters });
        }
        Ok(Self { full: full.into(), at: alive.len(), kind })
    }

    /// `alive@host`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The part before `@`, which is what epmd knows the node by.
    #[must_use]
    pub fn alive(&self) -> &str {
        self.full.get(..self.at).unwrap_or_default()
    }

    /// The part after `@`: a host name or an IP address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.full.get(self.at + 1..).unwrap_or_default()
    }

    /// Short or long.
    #[must_use]
    pub fn kind(&self) -> NameKind {
        self.kind
    }

    /// Whether nodes of the same kind will connect to this one. False for a long name whose host has no dot and is
    /// no IP address: `erl` takes such a name too, and then its peers refuse it.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.fits(self.host())
    }

    /// Splits a peer's name into alive and host, as `inet_tcp_dist:splitnode/3` does before it connects.
    ///
    /// # Errors
    /// When it is no node name, or of the other kind than ours: such nodes never connect.
    pub fn split_peer<'a>(&self, peer: &'a str) -> Result<(&'a str, &'a str), NameError> {
        match split(peer) {
            ("", _) => Err(NameError::Alive { name: peer.to_owned() }),
            (_, None) => Err(NameError::Host { name: peer.to_owned() }),
            (alive, Some(host)) if self.fits(host) => Ok((alive, host)),
            (_, Some(_)) => Err(NameError::Mixed {
                peer: peer.to_owned(),
                ours: self.to_string(),
                kind: self.kind,
            }),
        }
    }

    fn fits(&self, host: &str) -> bool {
        match self.kind {
            NameKind::Short => !host.contains('.'),
            NameKind::Long => host.contains('.') || host.parse::<IpAddr>().is_ok(),
        }
    }
}

/// The part before the first `@`, and what follows unless that is empty: `erl` completes `a@` like `a`.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((alive, "")) => (alive, None),
        Some((alive, host)) => (alive, Some(host)),
        None => (name, None),
    }
}

/// The kind follows from the host: with a dot, or an IP address, the name is a long one.
impl FromStr for NodeName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        match split(name) {
            (_, Some(host)) if host.contains('.') || host.parse::<IpAddr>().is_ok() => {
                Self::long(name)
            }
            _ => Self::short(name),
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.full, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_completed_with_the_host_name_up_to_its_first_dot() {
        let name = NodeName::short("rust").unwrap();
        assert_eq!(name.alive(), "rust");
        assert!(!name.host().is_empty() && !name.host().contains('.'), "{name}");
        assert_eq!(NodeName::short("rust@").unwrap(), name);
        assert_eq!("rust".parse::<NodeName>().unwrap(), name);
    }

    // What `erl` of OTP 25, 27 and 29 answered to the same words.
    #[test]
    fn explicit_names_are_taken_and_refused_as_erl_does() {
        assert_eq!(NodeName::short("a@b").unwrap().as_str(), "a@b");
        assert_eq!(NodeName::long("a@vm").unwrap().as_str(), "a@vm");
        assert_eq!(NodeName::long("a@vm.x").unwrap().as_str(), "a@vm.x");
        assert_eq!(NodeName::long("a@127.0.0.1").unwrap().host(), "127.0.0.1");
        assert_eq!(NodeName::long("a@::1").unwrap().host(), "::1");
        for name in ["a@vm.x", "a@127.0.0.1"] {
            assert!(
                matches!(NodeName::short(name), Err(NameError::DotInShortName { .. })),
                "{name}"
            );
        }
        for name in ["a.b", "@x", "", "a b@x", "ä@x", "a\n@x"] {
            assert!(matches!(NodeName::short(name), Err(NameError::Alive { .. })), "{name}");
        }
        for name in ["a@b@c.d", "a@b c.d", "a@b\n.c", "a@Ω.c"] {
            assert!(matches!(NodeName::long(name), Err(NameError::Host { .. })), "{name}");
        }
    }

    #[test]
    fn a_name_longer_than_an_atom_is_refused() {
        let host = "h".repeat(253);
        assert!(NodeName::short(&format!("a@{host}")).is_ok());
        assert_eq!(
            NodeName::short(&format!("ab@{host}")),
            Err(NameError::TooLong { characters: 256 })
        );
    }

    #[test]
    fn the_kind_of_a_name_written_out_follows_from_its_host() {
        for (name, kind) in [
            ("a@b", NameKind::Short),
            ("a@b.c", NameKind::Long),
            ("a@127.0.0.1", NameKind::Long),
            ("a@::1", NameKind::Long),
        ] {
            assert_eq!(name.parse::<NodeName>().unwrap().kind(), kind, "{name}");
        }
    }

    #[test]
    fn peers_of_the_other_kind_are_refused_with_both_names() {
        let short = NodeName::short("a@b").unwrap();
        let long = NodeName::long("a@b.c").unwrap();
        assert_eq!(short.split_peer("x@y"), Ok(("x", "y")));
        assert_eq!(long.split_peer("x@y.z"), Ok(("x", "y.z")));
        assert_eq!(long.split_peer("x@::1"), Ok(("x", "::1")));
        for (ours, peer) in [(&short, "x@y.z"), (&long, "x@y")] {
            let text = ours.split_peer(peer).unwrap_err().to_string();
            assert!(text.contains(peer) && text.contains(ours.as_str()), "{text}");
        }
        for peer in ["x", "@y", "x@", ""] {
            assert!(short.split_peer(peer).is_err(), "{peer}");
        }
    }

    #[test]
    fn a_long_name_on_a_host_without_a_dot_says_that_no_peer_will_connect() {
        assert!(!NodeName::long("a@vm").unwrap().is_reachable());
        assert!(NodeName::long("a@vm.x").unwrap().is_reachable());
        assert!(NodeName::short("a@vm").unwrap().is_reachable());
    }
}
