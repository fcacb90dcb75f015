//! A hand-made peer on a socket of any carrier: the handshake step by step (erl_dist_protocol, "Distribution Handshake"), then frames.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use md5::{Digest as _, Md5};

use crate::bytes::{atom, binary, integer, pid, tuple};
use crate::door::{Door, Socket};

/// What an OTP 27 node offers, but fragments and the atom cache: frames are pass-through then.
pub const PLAIN: u64 = 0xD_07DF_7FBC & !HEADERS;
/// FRAGMENTS and DIST_HDR_ATOM_CACHE: with either, every frame begins with a distribution header.
pub const HEADERS: u64 = 0x80_2000;
/// The same with fragments and the atom cache.
pub const FULL: u64 = PLAIN | HEADERS;
/// The creation this peer claims.
pub const CREATION: u32 = 77;

/// A connection to the node's listener, in whatever state.
#[derive(Debug)]
pub struct Peer {
    /// The socket, for what no method does.
    pub stream: Socket,
    /// The name given in the handshake.
    pub name: String,
    door: Door,
    flags: u64,
}

fn digest(cookie: &str, challenge: u32) -> [u8; 16] {
    Md5::digest(format!("{cookie}{challenge}")).into()
}

impl Peer {
    /// Connects and says nothing.
    pub fn connect(to: impl Into<Door>, name: &str) -> Result<Self> {
        let door = to.into();
        Ok(Self { stream: door.open()?, name: name.to_owned(), door, flags: 0 })
    }

    /// Connects and completes the handshake.
    pub fn join(to: impl Into<Door>, name: &str, cookie: &str, flags: u64) -> Result<Self> {
        let mut peer = Self::connect(to, name)?;
        peer.send_name(flags)?;
        let status = peer.status()?;
        ensure!(
            status == "ok" || status == "ok_simultaneous",
            "the node says {status:?} to {name}"
        );
        peer.authenticate(cookie)?;
        Ok(peer)
    }

    /// A message of the handshake behind its length, as it goes over the wire.
    pub fn framed(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok([&self.door.prefix(message.len())?, message].concat())
    }

    /// A message of the handshake.
    pub fn say(&mut self, message: &[u8]) -> Result<()> {
        let bytes = self.framed(message)?;
        Ok(self.stream.write_all(&bytes)?)
    }

    /// The node's next message of the handshake.
    pub fn hear(&mut self) -> Result<Vec<u8>> {
        let mut prefix = self.door.prefix(0)?;
        self.stream.read_exact(&mut prefix)?;
        let length = prefix.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        ensure!(length <= usize::from(u16::MAX), "a message of {length} bytes in the handshake");
        let mut message = vec![0; length];
        self.stream.read_exact(&mut message)?;
        Ok(message)
    }

    /// The bytes of `send_name` in version 6.
    pub fn name_message(&self, flags: u64) -> Vec<u8> {
        let mut message = vec![b'N'];
        message.extend_from_slice(&flags.to_be_bytes());
        message.extend_from_slice(&CREATION.to_be_bytes());
        message.extend_from_slice(&(self.name.len() as u16).to_be_bytes());
        message.extend_from_slice(self.name.as_bytes());
        message
    }

    /// `send_name`.
    pub fn send_name(&mut self, flags: u64) -> Result<()> {
        self.flags = flags;
        self.say(&self.name_message(flags))
    }

    /// `recv_status`: the word after `s`.
    pub fn status(&mut self) -> Result<String> {
        let message = self.hear().context("no status")?;
        ensure!(message.first() == Some(&b's'), "not a status: {message:?}");
        Ok(String::from_utf8(message[1..].to_vec())?)
    }

    /// `recv_challenge`: the node's challenge.
    pub fn challenge(&mut self) -> Result<u32> {
        let message = self.hear().context("no challenge")?;
        let [b'N', _, _, _, _, _, _, _, _, c1, c2, c3, c4, ..] = message[..] else {
            bail!("not a challenge: {message:?}")
        };
        Ok(u32::from_be_bytes([c1, c2, c3, c4]))
    }

    /// `send_challenge_reply` with the digest of this cookie, and our own challenge.
    pub fn reply(&mut self, cookie: &str, challenge: u32, ours: u32) -> Result<()> {
        let mut message = vec![b'r'];
        message.extend_from_slice(&ours.to_be_bytes());
        message.extend_from_slice(&digest(cookie, challenge));
        self.say(&message)
    }

    /// From the challenge to the node's acknowledgement, which must prove the cookie too.
    pub fn authenticate(&mut self, cookie: &str) -> Result<()> {
        let challenge = self.challenge()?;
        let ours = 0x1234_5678;
        self.reply(cookie, challenge, ours)?;
        let ack = self.hear().context("no challenge_ack")?;
        ensure!(
            ack.first() == Some(&b'a') && ack[1..] == digest(cookie, ours),
            "the node does not know the cookie: {ack:?}"
        );
        Ok(())
    }

    /// One frame, behind its 4-byte length.
    pub fn frame(&mut self, content: &[u8]) -> Result<()> {
        let mut bytes = u32::try_from(content.len())?.to_be_bytes().to_vec();
        bytes.extend_from_slice(content);
        Ok(self.stream.write_all(&bytes)?)
    }

    /// The content of a frame with a control message and perhaps a message, as this connection's flags want it.
    pub fn content(&self, control: &[u8], payload: Option<&[u8]>) -> Vec<u8> {
        if self.flags & HEADERS == 0 {
            let mut bytes = vec![112, 131];
            bytes.extend_from_slice(control);
            if let Some(payload) = payload {
                bytes.push(131);
                bytes.extend_from_slice(payload);
            }
            return bytes;
        }
        let mut bytes = vec![131, 68, 0];
        bytes.extend_from_slice(control);
        bytes.extend_from_slice(payload.unwrap_or_default());
        bytes
    }

    /// Sends a control message and perhaps a message.
    pub fn control(&mut self, control: &[u8], payload: Option<&[u8]>) -> Result<()> {
        let content = self.content(control, payload);
        self.frame(&content)
    }

    /// This peer's own pid.
    pub fn pid(&self) -> Vec<u8> {
        pid(&self.name, 5, 0, CREATION)
    }

    /// The control message REG_SEND (6).
    pub fn reg_send(&self, to: &str) -> Vec<u8> {
        tuple(&[integer(6), self.pid(), atom(""), atom(to)])
    }

    /// Sends to a registered name.
    pub fn send(&mut self, to: &str, message: &[u8]) -> Result<()> {
        let control = self.reg_send(to);
        self.control(&control, Some(message))
    }

    /// The next frame that is no tick.
    pub fn next_frame(&mut self) -> Result<Vec<u8>> {
        loop {
            let frame = self.next_frame_or_tick()?;
            if !frame.is_empty() {
                return Ok(frame);
            }
        }
    }

    /// The next frame; a tick is empty.
    pub fn next_frame_or_tick(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("no frame")?;
        let mut content = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut content)?;
        Ok(content)
    }

    /// Asks `echo` for a small binary and waits until it comes back.
    pub fn echo(&mut self, mark: &[u8]) -> Result<Duration> {
        let begun = Instant::now();
        let message = tuple(&[self.pid(), binary(mark)]);
        self.send("echo", &message)?;
        let wanted = binary(mark);
        loop {
            let frame = self.next_frame().context("no answer from echo")?;
            if frame.windows(wanted.len()).any(|window| window == wanted) {
                return Ok(begun.elapsed());
            }
        }
    }

    /// Waits until the node closes the connection, reading away what it still sends; how long that took.
    pub fn closed_within(&mut self, within: Duration) -> Result<Duration> {
        let begun = Instant::now();
        let mut buffer = [0; 65536];
        loop {
            let left = within.saturating_sub(begun.elapsed());
            if left.is_zero() {
                bail!("the node still holds the connection after {within:?}");
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(begun.elapsed()),
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                // A reset is a close too: the node had unread bytes of ours. So are the end of TLS
                // without a word, and its last word that something was wrong.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionReset
                            | ErrorKind::BrokenPipe
                            | ErrorKind::UnexpectedEof
                            | ErrorKind::InvalidData
                    ) =>
                {
                    return Ok(begun.elapsed());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
