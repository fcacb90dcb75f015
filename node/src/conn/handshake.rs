//! The handshake over a channel: `proto::handshake`'s machines, fed with bytes, randomness and this node's decisions.
//!
//! One deadline holds for all of it, as OTP's `net_setuptime`; bytes that drip in do not extend it.

use std::io;

use bytes::Bytes;
use term::Atom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::carrier::{Channel, Prefix};
use crate::proto::flags::Flags;
use crate::proto::frame::{Deframer, Frame, FrameError};
use crate::proto::handshake::acceptor::{Acceptor, Caller, Decision, Machine, Next, Proved};
use crate::proto::handshake::initiator::{Initiator, Progress};
use crate::proto::handshake::message::NodeNameFault;
use crate::proto::handshake::{Failure, HandshakeError, LocalNode, Peer};

/// A channel on which a handshake goes on.
pub(crate) struct Talk {
    channel: Channel,
    prefix: Prefix,
    deframer: Deframer,
}

/// Why a handshake ended without a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// What was said.
    #[error(transparent)]
    Said(#[from] HandshakeError),
    /// The length of a message.
    #[error("the handshake failed: {0}")]
    Frame(#[from] FrameError),
    /// The channel.
    #[error("the channel broke during the handshake: {0}")]
    Io(#[from] io::Error),
    /// The peer hung up before it said anything else.
    #[error("the peer hung up during the handshake")]
    HungUp,
    /// The peer hung up on our digest, which is all that a node says about a wrong cookie.
    #[error(
        "{0} hung up when it saw our proof of the cookie: it has another one (see ~/.erlang.cookie and the cookie option)"
    )]
    CookieRefused(Atom),
    /// The peer went on without giving us the name that we asked for.
    #[error("{0} gave us no name")]
    NoName(Atom),
    /// The host that a name is wanted on.
    #[error("cannot ask for a name: {0}")]
    Host(#[from] NodeNameFault),
    /// The operating system gave no randomness for a challenge.
    #[error("no randomness for a challenge: {0}")]
    NoRandomness(getrandom::Error),
}

/// What an initiator's handshake came to.
pub(crate) struct Dialled {
    pub(crate) peer: Peer,
    /// The peer had a connection to us, and was told that it is dead.
    pub(crate) takes_over: bool,
    /// The name and creation that the peer gave us, if we asked.
    pub(crate) granted: Option<(Atom, u32)>,
}

impl Talk {
    pub(crate) fn new(channel: Channel, prefix: Prefix) -> Self {
        Self { channel, prefix, deframer: Deframer::handshake(prefix) }
    }

    /// Reads the name of whoever called.
    pub(crate) async fn caller(&mut self, local: LocalNode) -> Result<Caller, Broken> {
        let message = self.receive().await?;
        match Acceptor::new(local).receive_name(&message) {
            Ok(caller) => Ok(caller),
            Err(failure) => Err(self.part(failure).await),
        }
    }

    /// Goes on with a caller as decided, until it has proved the cookie.
    pub(crate) async fn prove(
        &mut self,
        caller: Caller,
        decision: Decision,
        cookie: &[u8],
    ) -> Result<Proved, Broken> {
        let mut next = caller.decide(decision, cookie, challenge()?);
        loop {
            match next {
                Ok(Next::Proved(proved)) => return Ok(proved),
                Ok(Next::Continue { messages, machine }) => {
                    next = self.exchange(&messages, machine).await?
                }
                Err(failure) => return Err(self.part(failure).await),
            }
        }
    }

    async fn exchange(
        &mut self,
        messages: &[Vec<u8>],
        machine: Machine,
    ) -> Result<Result<Next, Failure>, Broken> {
        for message in messages {
            self.send(message).await?;
        }
        Ok(machine.receive(&self.receive().await?))
    }

    /// Calls `peer`. `still_wanted` answers its question whether its old connection to us is dead.
    pub(crate) async fn call(
        &mut self,
        local: &LocalNode,
        peer: &Atom,
        cookie: &[u8],
        still_wanted: impl Fn() -> bool,
    ) -> Result<Dialled, Broken> {
        let (machine, first) = Initiator::new(local, peer.clone(), cookie, challenge()?);
        self.converse(machine, first, peer, still_wanted).await
    }

    /// Calls `peer` for a name on `host`.
    pub(crate) async fn call_as_guest(
        &mut self,
        host: Atom,
        flags: Flags,
        peer: &Atom,
        cookie: &[u8],
    ) -> Result<Dialled, Broken> {
        let (machine, first) = Initiator::unnamed(host, flags, peer.clone(), cookie, challenge()?)?;
        self.converse(machine, first, peer, || true).await
    }

    async fn converse(
        &mut self,
        machine: Initiator,
        first: Vec<u8>,
        peer: &Atom,
        still_wanted: impl Fn() -> bool,
    ) -> Result<Dialled, Broken> {
        self.send(&first).await?;
        let mut progress = machine.receive(&self.receive().await?);
        let (mut takes_over, mut has_proved) = (false, false);
        loop {
            match progress {
                Ok(Progress::Established { peer, granted }) => {
                    return Ok(Dialled { peer, takes_over, granted });
                }
                Ok(Progress::Alive(question)) => {
                    takes_over = true;
                    progress = question.answer(still_wanted());
                }
                Ok(Progress::Continue { message, machine }) => {
                    if let Some(message) = message {
                        self.send(&message).await?;
                        // The reply to the challenge is the only long one: `true` has five bytes.
                        has_proved = message.first() == Some(&b'r');
                    }
                    let received = match self.receive().await {
                        Err(Broken::HungUp | Broken::Io(_)) if has_proved => {
                            return Err(Broken::CookieRefused(peer.clone()));
                        }
                        received => received?,
                    };
                    progress = machine.receive(&received);
                }
                Err(failure) => return Err(self.part(failure).await),
            }
        }
    }

    /// Says what is left to say before hanging up.
    async fn part(&mut self, failure: Failure) -> Broken {
        if let Some(farewell) = failure.farewell {
            // The error that ends the handshake is the one worth telling, not one in saying goodbye.
            let _ = self.send(&farewell).await;
            let _ = self.channel.writer.shutdown().await;
        }
        Broken::Said(failure.error)
    }

    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<(), Broken> {
        self.channel.writer.write_all(&self.prefix.frame(message)?).await?;
        self.channel.writer.flush().await?;
        Ok(())
    }

    async fn receive(&mut self) -> Result<Bytes, Broken> {
        loop {
            match self.deframer.next_frame()? {
                Some(Frame::Message(message)) => return Ok(message),
                // An empty message is none of the handshake's: its decoder says so.
                Some(Frame::Tick) => return Ok(Bytes::new()),
                None => {}
            }
            if self.channel.reader.read_buf(&mut self.deframer.space()).await? == 0 {
                return Err(Broken::HungUp);
            }
        }
    }

    /// The handshake is over: the channel, and the bytes that came behind its last message.
    pub(crate) fn established(self, max_frame: usize) -> (Channel, Deframer) {
        (self.channel, self.deframer.established(max_frame))
    }
}

/// A challenge from the operating system's randomness: who can guess it needs no cookie.
fn challenge() -> Result<u32, Broken> {
    getrandom::u32().map_err(Broken::NoRandomness)
}
