//! The end that listened: name, status, challenge, reply, acknowledgement.

use term::Atom;

use super::digest::Secret;
use super::message::{Ack, Challenge, Complement, Name, Reply, Status, check_node_name};
use super::{Failure, HandshakeError, LocalNode, Peer};
use crate::proto::flags::Flags;

/// The machine of the end that listened, before it knows who calls.
#[derive(Debug)]
pub struct Acceptor {
    local: LocalNode,
}

impl Acceptor {
    /// Waits for the name of whoever called.
    #[must_use]
    pub fn new(local: LocalNode) -> Self {
        Self { local }
    }

    /// Takes the first message.
    ///
    /// # Errors
    /// When the name is none or ours, or a mandatory flag is missing.
    pub fn receive_name(self, message: &[u8]) -> Result<Caller, Failure> {
        let name = Name::decode(message)?;
        if name.name == self.local.name {
            return Err(Failure::telling(&Status::NotAllowed, HandshakeError::OwnName(name.name)));
        }
        // An old name message has the lower half only; the rest is looked at when the complement has come.
        let known = if name.creation.is_some() { u64::MAX } else { u64::from(u32::MAX) };
        let missing = name.flags.missing() & Flags::from_bits_retain(known);
        if !missing.is_empty() {
            return Err(missing_flags(name.name, missing));
        }
        Ok(Caller { local: self.local, name })
    }
}

/// A caller that has said who it is, and proved nothing yet: decide what to tell it.
#[derive(Debug)]
#[must_use]
pub struct Caller {
    local: LocalNode,
    name: Name,
}

/// What to tell a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing stands against it.
    Accept,
    /// We are dialling it at the same time and our attempt gives way (see [`Decision::simultaneous`]): end it.
    AcceptSimultaneous,
    /// We are dialling it at the same time and our attempt counts.
    RefuseSimultaneous,
    /// There is a connection of this name: ask the caller whether this one is to take its place. If it says so and proves
    /// the cookie, [`Proved`] is reached, and the old connection is to be closed then.
    AskIfAlive,
    /// It asked for a name: this is it.
    Grant {
        /// A full node name on the caller's host that no other node has.
        name: Atom,
        /// A creation, random and not 0.
        creation: u32,
    },
    /// It may not connect.
    Refuse,
}

impl Decision {
    /// Which of two attempts counts when `local` and `caller` dial each other at the same time: that of the node with
    /// the greater name (erl_dist_protocol, "recv_status"; names are compared as Erlang compares atoms).
    #[must_use]
    pub fn simultaneous(local: &Atom, caller: &Atom) -> Self {
        if local.as_str() > caller.as_str() {
            Self::RefuseSimultaneous
        } else {
            Self::AcceptSimultaneous
        }
    }
}

impl Caller {
    /// The name it claims, unproved: keep nothing by it. `None` if it wants to be given one.
    #[must_use]
    pub fn claimed_name(&self) -> Option<&Atom> {
        if self.wants_name() { None } else { Some(&self.name.name) }
    }

    /// The host it wants a name on, if it wants one.
    #[must_use]
    pub fn wanted_host(&self) -> Option<&Atom> {
        if self.wants_name() { Some(&self.name.name) } else { None }
    }

    /// The flags it offers; of an old name message the lower half.
    #[must_use]
    pub fn offered(&self) -> Flags {
        self.name.flags
    }

    fn wants_name(&self) -> bool {
        self.name.flags.contains(Flags::NAME_ME)
    }

    /// Goes on as decided: what to send now, and the machine for the next message.
    ///
    /// `cookie` is the one for this peer, `challenge` must come from the operating system's randomness.
    ///
    /// # Errors
    /// When the decision was to refuse: the farewell says so to the caller. Also when a name is granted to one that
    /// has one or refused to one that wants one, or a granted name is not one on the caller's host.
    pub fn decide(
        self,
        decision: Decision,
        cookie: &[u8],
        challenge: u32,
    ) -> Result<Next, Failure> {
        let refuse = |status: Status, peer| {
            let error = HandshakeError::Refused { peer, status: status.clone() };
            Err(Failure::telling(&status, error))
        };
        let status = match decision {
            Decision::RefuseSimultaneous => return refuse(Status::Nok, self.name.name),
            Decision::Refuse => return refuse(Status::NotAllowed, self.name.name),
            // A name on loan is given, or the caller is turned away: it takes no other status.
            Decision::Grant { .. } if !self.wants_name() => {
                return refuse(Status::NotAllowed, self.name.name);
            }
            Decision::Grant { name, creation } => {
                check_node_name(name.as_str()).map_err(super::message::MessageError::from)?;
                if name
                    .as_str()
                    .split_once('@')
                    .is_none_or(|(_, host)| host != self.name.name.as_str())
                {
                    return refuse(Status::NotAllowed, self.name.name);
                }
                Status::Named { name, creation }
            }
            _ if self.wants_name() => return refuse(Status::NotAllowed, self.name.name),
            Decision::Accept => Status::Ok,
            Decision::AcceptSimultaneous => Status::OkSimultaneous,
            Decision::AskIfAlive => Status::Alive,
        };
        let message = status.encode();
        let offer = match status {
            // The asking node looks for its own flag in our answer.
            Status::Named { .. } => (self.local.flags | Flags::NAME_ME) - Flags::PUBLISHED,
            _ => self.local.flags,
        };
        let (name, creation) = match status.clone() {
            Status::Named { name, creation } => (name, Some(creation)),
            _ => (self.name.name, self.name.creation),
        };
        let caller = Unproved {
            peer: Name { flags: self.name.flags, creation, name },
            offer,
            secret: Secret::new(cookie),
            challenge,
        };
        let challenge = Challenge {
            flags: offer,
            challenge: caller.challenge,
            creation: self.local.creation,
            name: self.local.name,
        };
        if status == Status::Alive {
            let machine = Machine { caller, state: State::Alive { challenge } };
            return Ok(Next::Continue { messages: vec![message], machine });
        }
        Ok(caller.challenged(vec![message], &challenge))
    }
}

/// The machine of the end that listened, after its decision, until the next message.
#[derive(Debug)]
pub struct Machine {
    caller: Unproved,
    state: State,
}

#[derive(Debug)]
enum State {
    Alive { challenge: Challenge },
    Complement,
    Reply,
}

#[derive(Debug)]
struct Unproved {
    peer: Name,
    offer: Flags,
    secret: Secret,
    challenge: u32,
}

/// What a message led to.
#[derive(Debug)]
#[must_use]
pub enum Next {
    /// Send `messages` in order, and hand the next message received to `machine`.
    Continue {
        /// What to send.
        messages: Vec<Vec<u8>>,
        /// What to go on with.
        machine: Machine,
    },
    /// The caller has proved the cookie: now its name may be claimed.
    Proved(Proved),
}

impl Machine {
    /// Takes the next message.
    ///
    /// # Errors
    /// When the handshake has failed; the connection is to be closed.
    pub fn receive(mut self, message: &[u8]) -> Result<Next, Failure> {
        match self.state {
            State::Alive { challenge } => match Status::decode(message)? {
                Status::True => Ok(self.caller.challenged(Vec::new(), &challenge)),
                Status::False => Err(HandshakeError::StillAlive(self.caller.peer.name).into()),
                status => {
                    Err(HandshakeError::UnexpectedStatus { peer: self.caller.peer.name, status }
                        .into())
                }
            },
            State::Complement => {
                let complement = Complement::decode(message)?;
                let high = Flags::from_bits_retain(u64::from(complement.flags_high) << 32);
                self.caller.peer.flags |= high;
                self.caller.peer.creation = Some(complement.creation);
                let missing = self.caller.peer.flags.missing();
                if !missing.is_empty() {
                    return Err(missing_flags(self.caller.peer.name, missing));
                }
                Ok(Next::Continue {
                    messages: Vec::new(),
                    machine: Self { caller: self.caller, state: State::Reply },
                })
            }
            State::Reply => self.caller.proved(&Reply::decode(message)?),
        }
    }

    /// The name the caller claims, unproved.
    #[must_use]
    pub fn claimed_name(&self) -> &Atom {
        &self.caller.peer.name
    }
}

impl Unproved {
    fn challenged(self, mut messages: Vec<Vec<u8>>, challenge: &Challenge) -> Next {
        messages.push(challenge.encode());
        let state = if self.peer.creation.is_some() { State::Reply } else { State::Complement };
        Next::Continue { messages, machine: Machine { caller: self, state } }
    }

    fn proved(self, reply: &Reply) -> Result<Next, Failure> {
        if !self.secret.is_proved_by(&reply.digest, self.challenge) {
            return Err(HandshakeError::BadCookie { peer: self.peer.name }.into());
        }
        let ack = Ack { digest: self.secret.answer(reply.challenge) }.encode();
        let peer = Peer {
            name: self.peer.name,
            creation: self.peer.creation.unwrap_or(0),
            offered: self.peer.flags,
            flags: self.offer.in_common(self.peer.flags),
        };
        Ok(Next::Proved(Proved { peer, ack }))
    }
}

/// A caller that knows the cookie. Claim its name, close what it takes the place of, then send the acknowledgement; or
/// drop this and close, when another connection of that name came up meanwhile.
#[derive(Debug)]
#[must_use]
pub struct Proved {
    peer: Peer,
    ack: Vec<u8>,
}

impl Proved {
    /// Who it is.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The last message to send, and who is at the other end. What is received from here on are messages of the connection.
    #[must_use]
    pub fn accept(self) -> (Vec<u8>, Peer) {
        (self.ack, self.peer)
    }
}

fn missing_flags(peer: Atom, missing: Flags) -> Failure {
    Failure::telling(&Status::NotAllowed, HandshakeError::MissingFlags { peer, missing })
}
