//! The end that dialled: name, status, challenge, reply, acknowledgement.

use term::Atom;

use super::digest::Secret;
use super::message::{Ack, Challenge, Name, NodeNameFault, Reply, Status, check_host};
use super::{Failure, HandshakeError, LocalNode, Peer};
use crate::proto::flags::Flags;

/// How the dialling end presents itself.
#[derive(Debug, Clone)]
enum Identity {
    Named {
        flags: Flags,
    },
    /// Asks the peer for a name on this host.
    Unnamed {
        host: Atom,
        flags: Flags,
    },
}

/// The machine of the end that dialled, until the next message.
#[derive(Debug)]
pub struct Initiator {
    identity: Identity,
    peer: Atom,
    secret: Secret,
    challenge: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Status,
    Challenge { granted: Option<(Atom, u32)> },
    Ack { granted: Option<(Atom, u32)>, peer: Box<Peer> },
}

/// What a message led to.
#[derive(Debug)]
#[must_use]
pub enum Progress {
    /// Send `message`, if there is one, and hand the next one received to `machine`.
    Continue {
        /// What to send.
        message: Option<Vec<u8>>,
        /// What to go on with.
        machine: Initiator,
    },
    /// The peer believes that it still has a connection to us. Say whether this attempt is still wanted: it is, unless a
    /// connection from the peer came up meanwhile.
    Alive(AliveQuestion),
    /// The handshake is over: what is received from here on are messages of the connection.
    Established {
        /// Who is at the other end.
        peer: Peer,
        /// The name and creation granted to us, if we asked.
        granted: Option<(Atom, u32)>,
    },
}

/// Status `alive`, to be answered.
#[derive(Debug)]
#[must_use]
pub struct AliveQuestion(Initiator);

impl Initiator {
    /// Begins a handshake with `peer`, whose name is known, and gives the message to send.
    ///
    /// `challenge` must come from the operating system's randomness.
    #[must_use]
    pub fn new(local: &LocalNode, peer: Atom, cookie: &[u8], challenge: u32) -> (Self, Vec<u8>) {
        let flags = local.flags - Flags::NAME_ME;
        let name = Name { flags, creation: Some(local.creation), name: local.name.clone() };
        (Self::start(Identity::Named { flags }, peer, cookie, challenge), name.encode())
    }

    /// Begins a handshake in which `peer` is asked for a name on `host` for us.
    ///
    /// # Errors
    /// When `host` cannot be the part of a node name after the `@`.
    pub fn unnamed(
        host: Atom,
        flags: Flags,
        peer: Atom,
        cookie: &[u8],
        challenge: u32,
    ) -> Result<(Self, Vec<u8>), NodeNameFault> {
        check_host(host.as_str())?;
        // A node with a name on loan is nobody's neighbour: OTP sends one flag in place of the other.
        let flags = (flags | Flags::NAME_ME) - Flags::PUBLISHED;
        let name = Name { flags, creation: Some(0), name: host.clone() };
        Ok((Self::start(Identity::Unnamed { host, flags }, peer, cookie, challenge), name.encode()))
    }

    fn start(identity: Identity, peer: Atom, cookie: &[u8], challenge: u32) -> Self {
        Self { identity, peer, secret: Secret::new(cookie), challenge, state: State::Status }
    }

    /// Takes the next message.
    ///
    /// # Errors
    /// When the handshake has failed; the connection is to be closed.
    pub fn receive(mut self, message: &[u8]) -> Result<Progress, Failure> {
        match std::mem::replace(&mut self.state, State::Status) {
            State::Status => self.status(Status::decode(message)?),
            State::Challenge { granted } => self.challenge(Challenge::decode(message)?, granted),
            State::Ack { granted, peer } => {
                if !self.secret.is_proved_by(&Ack::decode(message)?.digest, self.challenge) {
                    return Err(HandshakeError::BadCookie { peer: self.peer }.into());
                }
                Ok(Progress::Established { peer: *peer, granted })
            }
        }
    }

    fn status(mut self, status: Status) -> Result<Progress, Failure> {
        let peer = self.peer.clone();
        match (status, &self.identity) {
            (Status::Named { name, creation }, Identity::Unnamed { host, .. }) => {
                // The host is ours to say; the peer chooses what goes before it.
                if name.as_str().split_once('@').is_none_or(|(_, granted)| granted != host.as_str())
                {
                    return Err(HandshakeError::WrongNode {
                        wanted: host.clone(),
                        found: name.to_string(),
                    }
                    .into());
                }
                self.state = State::Challenge { granted: Some((name, creation)) };
                Ok(Progress::Continue { message: None, machine: self })
            }
            (Status::Ok | Status::OkSimultaneous, Identity::Named { .. }) => {
                self.state = State::Challenge { granted: None };
                Ok(Progress::Continue { message: None, machine: self })
            }
            (Status::Alive, Identity::Named { .. }) => Ok(Progress::Alive(AliveQuestion(self))),
            (Status::Nok, _) => Err(HandshakeError::Simultaneous(peer).into()),
            (Status::NotAllowed, _) => Err(HandshakeError::NotAllowed(peer).into()),
            (status, _) => Err(HandshakeError::UnexpectedStatus { peer, status }.into()),
        }
    }

    fn challenge(
        mut self,
        challenge: Challenge,
        granted: Option<(Atom, u32)>,
    ) -> Result<Progress, Failure> {
        if challenge.name != self.peer {
            let found = challenge.name.to_string();
            return Err(HandshakeError::WrongNode { wanted: self.peer, found }.into());
        }
        let missing = challenge.flags.missing();
        if !missing.is_empty() {
            return Err(HandshakeError::MissingFlags { peer: self.peer, missing }.into());
        }
        let ours = match &self.identity {
            Identity::Named { flags } | Identity::Unnamed { flags, .. } => *flags,
        };
        let peer = Box::new(Peer {
            name: challenge.name,
            creation: challenge.creation,
            offered: challenge.flags,
            flags: ours.in_common(challenge.flags),
        });
        let reply =
            Reply { challenge: self.challenge, digest: self.secret.answer(challenge.challenge) };
        self.state = State::Ack { granted, peer };
        Ok(Progress::Continue { message: Some(reply.encode()), machine: self })
    }
}

impl AliveQuestion {
    /// `still_wanted`: goes on and takes the old connection's place. Otherwise the peer is told `false`, and this attempt is over.
    ///
    /// # Errors
    /// When the attempt is not wanted any longer; the farewell tells the peer.
    pub fn answer(self, still_wanted: bool) -> Result<Progress, Failure> {
        let mut machine = self.0;
        if !still_wanted {
            return Err(Failure::telling(&Status::False, HandshakeError::StillAlive(machine.peer)));
        }
        machine.state = State::Challenge { granted: None };
        Ok(Progress::Continue { message: Some(Status::True.encode()), machine })
    }
}
