//! The messages of the handshake, as they travel behind their length.

use std::fmt;

use term::Atom;
use thiserror::Error;

use super::digest::Digest;
use crate::proto::flags::Flags;

/// A message of the handshake cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Another message was due.
    #[error("expected {expected}, got a message that begins with byte {found:?}")]
    Unexpected {
        /// What was due.
        expected: &'static str,
        /// First byte of what came, if any.
        found: Option<u8>,
    },
    /// Too short, or too long where nothing may follow.
    #[error("{0} of the wrong length")]
    Length(&'static str),
    /// A node name that cannot be one.
    #[error("bad node name: {0}")]
    Name(#[from] NodeNameFault),
    /// A status that is none.
    #[error("unknown status {0:?}")]
    Status(String),
}

/// Why a string is not a node name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NodeNameFault {
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// More than 255 characters.
    #[error("it has more than 255 characters")]
    TooLong,
    /// No `@`, more than one, or nothing on one of its sides.
    #[error("it is not of the form name@host")]
    NotNameAtHost,
    /// A host name was due, and this is empty or has an `@`.
    #[error("it is not a host name")]
    NotHost,
    /// A control character.
    #[error("it contains a control character")]
    Control,
}

/// Whether `name` is a full node name: `name@host`, nothing empty, no control characters, at most 255 characters.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_node_name(name: &str) -> Result<(), NodeNameFault> {
    match name.split_once('@') {
        Some((alive, host)) if !alive.is_empty() && !host.is_empty() && !host.contains('@') => {
            check_characters(name)
        }
        _ => Err(NodeNameFault::NotNameAtHost),
    }
}

/// Whether `host` is the part of a node name after the `@`.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_host(host: &str) -> Result<(), NodeNameFault> {
    if host.is_empty() || host.contains('@') {
        Err(NodeNameFault::NotHost)
    } else {
        check_characters(host)
    }
}

fn check_characters(name: &str) -> Result<(), NodeNameFault> {
    if name.chars().any(char::is_control) {
        Err(NodeNameFault::Control)
    } else if name.chars().count() > term::MAX_ATOM_CHARACTERS {
        Err(NodeNameFault::TooLong)
    } else {
        Ok(())
    }
}

/// The first message, from the end that dialled: who it is. `N` since OTP 23, `n` before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Its flags: in the old form the lower 32 bits, the others follow in [`Complement`].
    pub flags: Flags,
    /// Its creation; `None` in the old form.
    pub creation: Option<u32>,
    /// Its full name, or with [`Flags::NAME_ME`] its host name only.
    pub name: Atom,
}

impl Name {
    /// Reads either form.
    ///
    /// # Errors
    /// When it is neither, or the name is not one.
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        const WHAT: &str = "name message";
        match message.split_first() {
            Some((b'N', rest)) => {
                let mut fields = Fields(rest, WHAT);
                let flags = Flags::from_bits_retain(fields.u64()?);
                let creation = fields.u32()?;
                // "Any extra data after the node name must be accepted and ignored."
                let name = fields.counted()?;
                let check =
                    if flags.contains(Flags::NAME_ME) { check_host } else { check_node_name };
                Ok(Self { flags, creation: Some(creation), name: read_name(name, check)? })
            }
            Some((b'n', rest)) => {
                let mut fields = Fields(rest, WHAT);
                let _version = fields.u16()?;
                let flags = Flags::from_bits_retain(u64::from(fields.u32()?));
                Ok(Self { flags, creation: None, name: read_name(fields.0, check_node_name)? })
            }
            first => Err(unexpected("a name message (`N` or `n`)", first)),
        }
    }

    /// The `N` form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![b'N'];
        out.extend_from_slice(&self.flags.bits().to_be_bytes());
        out.extend_from_slice(&self.creation.unwrap_or(0).to_be_bytes());
        put_counted(&mut out, self.name.as_str());
        out
    }
}

/// What the end that listened says to a name, and the other end to `alive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Go on.
    Ok,
    /// Go on; the other attempt, ours, is given up.
    OkSimultaneous,
    /// Stop: our attempt at the same connection counts.
    Nok,
    /// Stop: not allowed, or a mandatory flag is missing.
    NotAllowed,
    /// There is a connection of this name already: is this one to take its place?
    Alive,
    /// Yes, to [`Status::Alive`].
    True,
    /// No, to [`Status::Alive`].
    False,
    /// Go on, under this name.
    Named {
        /// The full name granted.
        name: Atom,
        /// The creation granted.
        creation: u32,
    },
}

impl Status {
    /// Reads a status message.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let text = match message.split_first() {
            Some((b's', text)) => text,
            first => return Err(unexpected("a status (`s`)", first)),
        };
        if let Some(rest) = text.strip_prefix(b"named:") {
            let mut fields = Fields(rest, "status `named:`");
            let name = read_name(fields.counted()?, check_node_name)?;
            return Ok(Self::Named { name, creation: fields.u32()? });
        }
        Ok(match text {
            b"ok" => Self::Ok,
            b"ok_simultaneous" => Self::OkSimultaneous,
            b"nok" => Self::Nok,
            b"not_allowed" => Self::NotAllowed,
            b"alive" => Self::Alive,
            b"true" => Self::True,
            b"false" => Self::False,
            other => {
                let shown = other.get(..other.len().min(40)).unwrap_or_default();
                return Err(MessageError::Status(String::from_utf8_lossy(shown).into_owned()));
            }
        })
    }

    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![b's'];
        match self {
            Self::Named { name, creation } => {
                out.extend_from_slice(b"named:");
                put_counted(&mut out, name.as_str());
                out.extend_from_slice(&creation.to_be_bytes());
            }
            other => out.extend_from_slice(other.word().as_bytes()),
        }
        out
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::OkSimultaneous => "ok_simultaneous",
            Self::Nok => "nok",
            Self::NotAllowed => "not_allowed",
            Self::Alive => "alive",
            Self::True => "true",
            Self::False => "false",
            Self::Named { .. } => "named",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { name, .. } => write!(f, "named: {name}"),
            other => f.write_str(other.word()),
        }
    }
}

/// The challenge of the end that listened: who it is, and the number to prove the cookie with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Its flags.
    pub flags: Flags,
    /// A random number.
    pub challenge: u32,
    /// Its creation.
    pub creation: u32,
    /// Its full name.
    pub name: Atom,
}

impl Challenge {
    /// Reads the challenge; the old form is read too, so that what its sender lacks can be named.
    ///
    /// # Errors
    /// When it is none, or the name is not one.
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        const WHAT: &str = "challenge";
        match message.split_first() {
            Some((b'N', rest)) => {
                let mut fields = Fields(rest, WHAT);
                let flags = Flags::from_bits_retain(fields.u64()?);
                let challenge = fields.u32()?;
                let creation = fields.u32()?;
                let name = read_name(fields.counted()?, check_node_name)?;
                Ok(Self { flags, challenge, creation, name })
            }
            Some((b'n', rest)) => {
                let mut fields = Fields(rest, WHAT);
                let _version = fields.u16()?;
                let flags = Flags::from_bits_retain(u64::from(fields.u32()?)) - Flags::HANDSHAKE_23;
                let challenge = fields.u32()?;
                Ok(Self {
                    flags,
                    challenge,
                    creation: 0,
                    name: read_name(fields.0, check_node_name)?,
                })
            }
            first => Err(unexpected("a challenge (`N`)", first)),
        }
    }

    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![b'N'];
        out.extend_from_slice(&self.flags.bits().to_be_bytes());
        out.extend_from_slice(&self.challenge.to_be_bytes());
        out.extend_from_slice(&self.creation.to_be_bytes());
        put_counted(&mut out, self.name.as_str());
        out
    }
}

/// What an old name message had no room for; follows the challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complement {
    /// The upper half of the flags.
    pub flags_high: u32,
    /// The creation.
    pub creation: u32,
}

impl Complement {
    /// Reads the message.
    ///
    /// # Errors
    /// When it is another one.
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let mut fields = tagged(message, b'c', "complement", "a complement (`c`)")?;
        let complement = Self { flags_high: fields.u32()?, creation: fields.u32()? };
        fields.end()?;
        Ok(complement)
    }

    /// The message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut out = vec![b'c'];
        out.extend_from_slice(&self.flags_high.to_be_bytes());
        out.extend_from_slice(&self.creation.to_be_bytes());
        out
    }
}

/// The dialling end's proof of the cookie, and its own challenge.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    /// A random number.
    pub challenge: u32,
    /// The answer to the other end's.
    pub digest: Digest,
}

impl Reply {
    /// Reads the message.
    ///
    /// # Errors
    /// When it is another one.
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let mut fields = tagged(message, b'r', "challenge reply", "a challenge reply (`r`)")?;
        let reply = Self { challenge: fields.u32()?, digest: fields.digest()? };
        fields.end()?;
        Ok(reply)
    }

    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![b'r'];
        out.extend_from_slice(&self.challenge.to_be_bytes());
        out.extend_from_slice(self.digest.as_bytes());
        out
    }
}

/// The listening end's proof of the cookie: the last message.
#[derive(Debug, Clone, Copy)]
pub struct Ack {
    /// The answer to the dialling end's challenge.
    pub digest: Digest,
}

impl Ack {
    /// Reads the message.
    ///
    /// # Errors
    /// When it is another one.
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let mut fields = tagged(
            message,
            b'a',
            "challenge acknowledgement",
            "a challenge acknowledgement (`a`)",
        )?;
        let ack = Self { digest: fields.digest()? };
        fields.end()?;
        Ok(ack)
    }

    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![b'a'];
        out.extend_from_slice(self.digest.as_bytes());
        out
    }
}

fn tagged<'a>(
    message: &'a [u8],
    tag: u8,
    what: &'static str,
    expected: &'static str,
) -> Result<Fields<'a>, MessageError> {
    match message.split_first() {
        Some((&found, rest)) if found == tag => Ok(Fields(rest, what)),
        first => Err(unexpected(expected, first)),
    }
}

fn unexpected(expected: &'static str, first: Option<(&u8, &[u8])>) -> MessageError {
    MessageError::Unexpected { expected, found: first.map(|(&byte, _)| byte) }
}

fn read_name(
    bytes: &[u8],
    check: fn(&str) -> Result<(), NodeNameFault>,
) -> Result<Atom, MessageError> {
    let name = std::str::from_utf8(bytes).map_err(|_| NodeNameFault::NotUtf8)?;
    check(name)?;
    Ok(Atom::new(name).map_err(|_| NodeNameFault::TooLong)?)
}

/// A name behind its 2-byte length; an atom has at most 1,020 bytes.
fn put_counted(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(name.as_bytes());
}

/// What is left of a message, and what the message is.
struct Fields<'a>(&'a [u8], &'static str);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(MessageError::Length(self.1))?;
        self.0 = tail;
        Ok(*head)
    }

    fn u16(&mut self) -> Result<u16, MessageError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, MessageError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, MessageError> {
        self.array().map(u64::from_be_bytes)
    }

    fn digest(&mut self) -> Result<Digest, MessageError> {
        self.array().map(Digest::from_bytes)
    }

    fn counted(&mut self) -> Result<&'a [u8], MessageError> {
        let length = usize::from(self.u16()?);
        let (head, tail) = self.0.split_at_checked(length).ok_or(MessageError::Length(self.1))?;
        self.0 = tail;
        Ok(head)
    }

    fn end(&self) -> Result<(), MessageError> {
        if self.0.is_empty() { Ok(()) } else { Err(MessageError::Length(self.1)) }
    }
}
