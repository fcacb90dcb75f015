//! Everything one process can send another: the meaning, free of any wire form.
//!
//! `node`'s bridge turns control messages into these and back; inside one runtime most of them never exist as
//! values, because the router applies them at once.

use serde::{Deserialize, Deserializer};
use term::{Atom, Encoded, Pid, Reference, Term, TermRef, View};

use crate::payload::Payload;

/// What one process sends another, or causes to be sent (the reference manual's chapter on processes, "Signals").
#[derive(Clone, Debug)]
#[allow(
    missing_docs,
    reason = "the fields are those of every signal: who, to whom, which reference, why"
)]
pub enum Signal {
    /// An ordinary message, or one that goes ahead of ordinary ones (OTP 28 and later).
    Message {
        /// Who sent it, where the sender is known: SEND has none.
        from: Option<Pid>,
        to: Dest,
        payload: Payload,
        /// The sequential trace token that came with it.
        token: Option<Term>,
        /// Ahead of ordinary messages; only an alias made with the priority option lets it.
        priority: bool,
    },
    /// `from` links itself to `to`.
    Link { from: Pid, to: Pid },
    /// `from` takes the link away; answered by [`Signal::UnlinkAck`] of the same id (erl_dist_protocol, "Link Protocol").
    Unlink {
        from: Pid,
        to: Pid,
        /// 1 to 2^64-1, unique among the sender's unlinks of this pair that are not yet acknowledged.
        id: u64,
    },
    /// `from` has seen the [`Signal::Unlink`] of this id.
    UnlinkAck { from: Pid, to: Pid, id: u64 },
    /// `from` ended, or could not be reached, and was linked to `to`.
    Exit { from: Pid, to: Pid, reason: Term, token: Option<Term> },
    /// `from` called `exit(to, reason)`.
    Exit2 {
        from: Pid,
        /// A pid or, for priority exits, an alias.
        to: Dest,
        reason: Term,
        token: Option<Term>,
        priority: bool,
    },
    /// `from` wants to be told when `to` ends.
    Monitor { from: Pid, to: Target, reference: Reference },
    /// `from` does not want that any longer.
    Demonitor { from: Pid, to: Target, reference: Reference },
    /// What `to` monitored by `reference` has ended, or could not be reached.
    Down { from: Target, to: Pid, reference: Reference, reason: Term },
    /// `to` gets a new group leader.
    GroupLeader { to: Pid, leader: Pid },
    /// `spawn_request/5`.
    SpawnRequest(Box<SpawnRequest>),
    /// Its answer.
    SpawnReply(Box<SpawnReply>),
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dest {
    /// A process, here or elsewhere.
    Pid(Pid),
    /// A name registered on the node that the signal reaches; in a program, on this one.
    Name(Atom),
    /// A name registered on a node: `{Name, Node}`.
    Remote {
        /// The registered name.
        name: Atom,
        /// The node it is registered on; may be this one.
        node: Atom,
    },
    /// Whichever process made this alias, while it is active.
    Alias(Reference),
}

/// Where a program sends a message: a [`Dest`], or a pid or an alias where it lies, which is not copied to be looked at.
#[derive(Clone, Debug)]
pub enum To<'a> {
    /// A process, here or elsewhere.
    Pid(&'a Pid),
    /// Whichever process made this alias, while it is active.
    Alias(&'a Reference),
    /// Any of all.
    Dest(Dest),
}

/// What a monitor watches: a pid, or a name registered on the node that the signal reaches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A process.
    Pid(Pid),
    /// Whoever has this name when the monitor arrives.
    Name(Atom),
}

/// A request to start a process on another node (erl_dist_protocol, SPAWN_REQUEST).
#[derive(Clone, Debug)]
pub struct SpawnRequest {
    /// Names the request in its reply; the monitor's reference if one is asked for.
    pub id: Reference,
    /// Who asks.
    pub from: Pid,
    /// The new process's group leader.
    pub group_leader: Pid,
    /// The module of the function to run.
    pub module: Atom,
    /// The function to run.
    pub function: Atom,
    /// How many arguments it takes.
    pub arity: u32,
    /// The option list as it came.
    pub options: Term,
    /// The argument list, undecoded.
    pub arguments: Encoded,
    /// The sequential trace token that came with it.
    pub token: Option<Term>,
}

/// The answer to a [`SpawnRequest`] (erl_dist_protocol, SPAWN_REPLY).
#[derive(Clone, Debug)]
pub struct SpawnReply {
    /// The request's.
    pub id: Reference,
    /// Who asked.
    pub to: Pid,
    /// The answering node set a link up (flag 1).
    pub linked: bool,
    /// The answering node set a monitor up (flag 2).
    pub monitored: bool,
    /// The new process, or why there is none.
    pub result: Result<Pid, Atom>,
    /// The sequential trace token that came with it.
    pub token: Option<Term>,
}

impl From<Pid> for Dest {
    fn from(pid: Pid) -> Self {
        Self::Pid(pid)
    }
}

impl From<&Pid> for Dest {
    fn from(pid: &Pid) -> Self {
        Self::Pid(pid.clone())
    }
}

impl From<Atom> for Dest {
    fn from(name: Atom) -> Self {
        Self::Name(name)
    }
}

impl From<&Atom> for Dest {
    fn from(name: &Atom) -> Self {
        Self::Name(name.clone())
    }
}

/// A registered name that is a literal.
///
/// # Panics
/// As [`term::IntoAtom`] does, if it has more than 255 bytes: a mistake in the program.
impl From<&'static str> for Dest {
    fn from(name: &'static str) -> Self {
        Self::Name(Atom::from_static(name))
    }
}

impl From<Reference> for Dest {
    fn from(alias: Reference) -> Self {
        Self::Alias(alias)
    }
}

impl From<&Reference> for Dest {
    fn from(alias: &Reference) -> Self {
        Self::Alias(alias.clone())
    }
}

impl From<To<'_>> for Dest {
    fn from(to: To<'_>) -> Self {
        match to {
            To::Pid(pid) => pid.into(),
            To::Alias(alias) => alias.into(),
            To::Dest(dest) => dest,
        }
    }
}

/// `{Name, Node}`.
impl<N: term::IntoAtom, M: term::IntoAtom> From<(N, M)> for Dest {
    fn from((name, node): (N, M)) -> Self {
        Self::Remote { name: name.into_atom(), node: node.into_atom() }
    }
}

impl From<Target> for Dest {
    fn from(target: Target) -> Self {
        match target {
            Target::Pid(pid) => Self::Pid(pid),
            Target::Name(name) => Self::Name(name),
        }
    }
}

impl To<'_> {
    /// The pid, if it is one.
    #[inline(always)]
    pub(crate) const fn pid(&self) -> Option<&Pid> {
        match self {
            Self::Pid(pid) => Some(pid),
            Self::Dest(Dest::Pid(pid)) => Some(pid),
            _ => None,
        }
    }

    /// The alias, if it is one.
    #[inline(always)]
    pub(crate) const fn alias(&self) -> Option<&Reference> {
        match self {
            Self::Alias(alias) => Some(alias),
            Self::Dest(Dest::Alias(alias)) => Some(alias),
            _ => None,
        }
    }
}

impl<'a> From<&'a Pid> for To<'a> {
    #[inline(always)]
    fn from(pid: &'a Pid) -> Self {
        Self::Pid(pid)
    }
}

impl<'a> From<&'a Reference> for To<'a> {
    #[inline(always)]
    fn from(alias: &'a Reference) -> Self {
        Self::Alias(alias)
    }
}

impl From<Dest> for To<'_> {
    #[inline(always)]
    fn from(dest: Dest) -> Self {
        Self::Dest(dest)
    }
}

impl From<Pid> for To<'_> {
    #[inline(always)]
    fn from(pid: Pid) -> Self {
        Self::Dest(pid.into())
    }
}

impl From<Reference> for To<'_> {
    #[inline(always)]
    fn from(alias: Reference) -> Self {
        Self::Dest(alias.into())
    }
}

impl From<Atom> for To<'_> {
    fn from(name: Atom) -> Self {
        Self::Dest(name.into())
    }
}

impl From<&Atom> for To<'_> {
    fn from(name: &Atom) -> Self {
        Self::Dest(name.into())
    }
}

/// A registered name that is a literal.
///
/// # Panics
/// As [`term::IntoAtom`] does, if it has more than 255 bytes: a mistake in the program.
impl From<&'static str> for To<'_> {
    fn from(name: &'static str) -> Self {
        Self::Dest(name.into())
    }
}

/// `{Name, Node}`.
impl<N: term::IntoAtom, M: term::IntoAtom> From<(N, M)> for To<'_> {
    fn from(remote: (N, M)) -> Self {
        Self::Dest(remote.into())
    }
}

impl From<Target> for To<'_> {
    fn from(target: Target) -> Self {
        Self::Dest(target.into())
    }
}

/// A term is no address: it is neither a pid, a name, `{Name, Node}` nor a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a pid, a registered name, {{Name, Node}} or an alias")]
pub struct NoDest;

/// What may stand to the left of Erlang's `!`.
impl TryFrom<TermRef<'_>> for Dest {
    type Error = NoDest;

    fn try_from(term: TermRef<'_>) -> Result<Self, NoDest> {
        match term.view() {
            View::Pid(pid) => Ok(pid.into()),
            View::Reference(alias) => Ok(alias.into()),
            View::Atom(name) => Ok(name.to_atom().into()),
            View::Tuple(pair) if pair.len() == 2 => {
                let atom = |index| pair.get(index).and_then(|part| part.as_atom()).ok_or(NoDest);
                Ok((atom(0)?.to_atom(), atom(1)?.to_atom()).into())
            }
            _ => Err(NoDest),
        }
    }
}

impl TryFrom<&Term> for Dest {
    type Error = NoDest;

    fn try_from(term: &Term) -> Result<Self, NoDest> {
        Self::try_from(term.root())
    }
}

/// So that a message type may say who is to be answered, however its sender names them.
impl<'de> Deserialize<'de> for Dest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(&Term::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
