//! The messages of epmd, both directions: what a node asks and what epmd answers (erl_dist_protocol, "EPMD protocol").
//!
//! A request travels behind a 2-byte length, an answer has no length of its own: its fields say where it ends, or
//! the closing of the socket does (names). Both sides are written incrementally: `parse` looks at what has arrived
//! so far and returns `None` until the message is whole, so that whoever owns the socket keeps one buffer and one
//! deadline per request and nothing else.
//!
//! Bounds are those of the C epmd, but where it keeps a name that no node can have (empty, with control characters
//! such as a line break that forges a line of the names listing, with `@`), we refuse it.

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

/// Longest request body that epmd reads: its input buffer of 1,024 bytes less the length prefix and a final NUL.
pub const MAX_REQUEST: usize = 1021;
/// Most characters in the part of a node name before `@`, as for every atom.
pub const MAX_NAME_CHARS: usize = 255;
/// Most bytes of `extra`: the C epmd's bound for a symbol (255 characters of four bytes).
pub const MAX_EXTRA: usize = 1020;
/// Most bytes we take as an answer to [`Request::Names`]: some 20,000 nodes, many more than epmd has descriptors for.
pub const MAX_NAMES_RESPONSE: usize = 1 << 20;
/// Distribution versions a node of OTP 23 or later announces; 6 also asks for a 32-bit creation.
pub const DIST_VERSION_HIGH: u16 = 6;
/// Lowest distribution version announced, as OTP 25 and later do when they register.
pub const DIST_VERSION_LOW: u16 = 5;

const ALIVE2_REQ: u8 = 120;
const PORT_PLEASE2_REQ: u8 = 122;
const NAMES_REQ: u8 = 110;
const DUMP_REQ: u8 = 100;
const KILL_REQ: u8 = 107;
const STOP_REQ: u8 = 115;
const ALIVE2_RESP: u8 = 121;
const ALIVE2_X_RESP: u8 = 118;
const PORT2_RESP: u8 = 119;

/// What is wrong with an epmd message, or with a name somebody wants to register.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EpmdError {
    /// The length prefix is zero or over [`MAX_REQUEST`].
    #[error("epmd request of {0} bytes: the length must be 1 to {MAX_REQUEST}")]
    RequestLength(usize),
    /// More bytes arrived than the length prefix announced.
    #[error("{0} bytes follow a complete epmd message")]
    Trailing(usize),
    /// A message's first byte is none that is known here.
    #[error("unknown epmd message tag {0}")]
    UnknownTag(u8),
    /// A request or answer ends before its fields do, or an inner length points past its end.
    #[error("epmd message {0} is too short for its fields")]
    Truncated(&'static str),
    /// A node name that cannot be one.
    #[error("bad node name in epmd message: {0}")]
    BadName(NameFault),
    /// `extra` is longer than [`MAX_EXTRA`].
    #[error("extra data of {0} bytes: epmd takes at most {MAX_EXTRA}")]
    ExtraTooLong(usize),
    /// A line of the names listing is not `name NAME at port PORT`.
    #[error("names listing has a line that is not `name NAME at port PORT`")]
    BadNamesLine,
    /// The names listing is longer than [`MAX_NAMES_RESPONSE`].
    #[error("names listing of more than {MAX_NAMES_RESPONSE} bytes")]
    NamesTooLong,
}

/// Why a byte string cannot be the part of a node name before `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameFault {
    /// No characters at all.
    #[error("it is empty")]
    Empty,
    /// More than [`MAX_NAME_CHARS`] characters.
    #[error("it has more than {MAX_NAME_CHARS} characters")]
    TooLong,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// A control character: a line break would forge a line of the names listing.
    #[error("it contains a control character")]
    Control,
    /// `@` separates name and host and is never part of either.
    #[error("it contains `@`; epmd registers the part before it")]
    At,
}

/// What kind of node registers, as the byte epmd passes on unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeType {
    /// A node that shows in `nodes()`: 77, `M`.
    Normal,
    /// A hidden node: 72, `H`.
    Hidden,
    /// Any other byte, passed on as it came (jinterface registers with 110).
    Other(u8),
}

impl NodeType {
    fn from_byte(byte: u8) -> Self {
        match byte {
            77 => Self::Normal,
            72 => Self::Hidden,
            other => Self::Other(other),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Normal => 77,
            Self::Hidden => 72,
            Self::Other(byte) => byte,
        }
    }
}

/// A node as epmd knows it: the body of ALIVE2_REQ, and of PORT2_RESP when the name is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// TCP port of the node's distribution listener.
    pub port: u16,
    /// Hidden or not.
    pub node_type: NodeType,
    /// 0: TCP over IPv4, the only value OTP sends, whatever the carrier is.
    pub protocol: u8,
    /// Highest distribution version the node speaks.
    pub highest: u16,
    /// Lowest distribution version the node speaks.
    pub lowest: u16,
    /// The part of the node name before `@`.
    pub name: String,
    /// Bytes that epmd keeps and repeats unread.
    pub extra: Bytes,
}

impl Registration {
    /// A registration as OTP makes it: protocol 0, versions 5 to 6, no extra.
    ///
    /// # Errors
    /// When `name` cannot be the part of a node name before `@`.
    pub fn new(name: &str, port: u16, node_type: NodeType) -> Result<Self, EpmdError> {
        check_name(name).map_err(EpmdError::BadName)?;
        Ok(Self {
            port,
            node_type,
            protocol: 0,
            highest: DIST_VERSION_HIGH,
            lowest: DIST_VERSION_LOW,
            name: name.to_owned(),
            extra: Bytes::new(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), EpmdError> {
        check_name(&self.name).map_err(EpmdError::BadName)?;
        if self.extra.len() > MAX_EXTRA {
            return Err(EpmdError::ExtraTooLong(self.extra.len()));
        }
        out.extend_from_slice(&self.port.to_be_bytes());
        out.extend_from_slice(&[self.node_type.byte(), self.protocol]);
        out.extend_from_slice(&self.highest.to_be_bytes());
        out.extend_from_slice(&self.lowest.to_be_bytes());
        write_16(out, self.name.as_bytes());
        write_16(out, &self.extra);
        Ok(())
    }

    /// `None`: the fields run past the end of `fields`.
    fn read(fields: &mut Fields<'_>) -> Option<Result<Self, EpmdError>> {
        let port = fields.u16()?;
        let node_type = NodeType::from_byte(fields.u8()?);
        let protocol = fields.u8()?;
        let highest = fields.u16()?;
        let lowest = fields.u16()?;
        let name_length = fields.u16()?;
        let name = fields.take(usize::from(name_length))?;
        let extra_length = fields.u16()?;
        let extra = fields.take(usize::from(extra_length))?;
        if extra.len() > MAX_EXTRA {
            return Some(Err(EpmdError::ExtraTooLong(extra.len())));
        }
        let name = match read_name(name) {
            Ok(name) => name,
            Err(error) => return Some(Err(error)),
        };
        let extra = Bytes::copy_from_slice(extra);
        Some(Ok(Self { port, node_type, protocol, highest, lowest, name, extra }))
    }
}

/// What a node, or `epmd` as a command, asks of epmd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// ALIVE2_REQ: register; the name is held for as long as the connection stays open.
    Alive2(Registration),
    /// PORT_PLEASE2_REQ: where does the node of this name listen?
    PortPlease2 {
        /// The part of the node name before `@`.
        name: String,
    },
    /// NAMES_REQ: list the registered nodes.
    Names,
    /// DUMP_REQ: list with epmd's innards. For debugging; a server may refuse it.
    Dump,
    /// KILL_REQ: end epmd. Recognised so that it can be refused in sight.
    Kill,
    /// STOP_REQ: unregister somebody else's name. Recognised so that it can be refused in sight.
    Stop {
        /// The name to unregister, as it came.
        name: String,
    },
}

impl Request {
    /// Looks for a whole request at the start of `received`.
    ///
    /// `Ok(None)` asks for more bytes; never more than `MAX_REQUEST + 2` of them are needed. As in the C epmd, a
    /// connection carries one request, and bytes behind it are an error.
    ///
    /// # Errors
    /// When what has arrived cannot become a request that epmd answers: the connection is to be closed.
    pub fn parse(received: &[u8]) -> Result<Option<Self>, EpmdError> {
        let Some((prefix, body)) = received.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*prefix));
        if length == 0 || length > MAX_REQUEST {
            return Err(EpmdError::RequestLength(length));
        }
        match body.len().checked_sub(length) {
            None => Ok(None),
            Some(0) => Self::decode(body).map(Some),
            Some(trailing) => Err(EpmdError::Trailing(trailing)),
        }
    }

    /// Decodes a request without its length prefix.
    ///
    /// # Errors
    /// When it is not a request or its name or lengths are bad.
    pub fn decode(body: &[u8]) -> Result<Self, EpmdError> {
        let (&tag, rest) = body.split_first().ok_or(EpmdError::RequestLength(0))?;
        match tag {
            // The C epmd tolerates bytes behind `extra`, so old clients may send them.
            ALIVE2_REQ => Registration::read(&mut Fields(rest))
                .unwrap_or(Err(EpmdError::Truncated("ALIVE2_REQ")))
                .map(Self::Alive2),
            PORT_PLEASE2_REQ => Ok(Self::PortPlease2 { name: read_name(without_final_nul(rest))? }),
            NAMES_REQ => Ok(Self::Names),
            DUMP_REQ => Ok(Self::Dump),
            KILL_REQ => Ok(Self::Kill),
            STOP_REQ => Ok(Self::Stop {
                name: String::from_utf8_lossy(without_final_nul(rest)).into_owned(),
            }),
            other => Err(EpmdError::UnknownTag(other)),
        }
    }

    /// The request with its length prefix, ready to be written.
    ///
    /// # Errors
    /// When a name or `extra` is outside what epmd takes.
    pub fn encode(&self) -> Result<Vec<u8>, EpmdError> {
        let mut out = vec![0, 0];
        match self {
            Self::Alive2(registration) => {
                out.push(ALIVE2_REQ);
                registration.write(&mut out)?;
            }
            Self::PortPlease2 { name } => {
                check_name(name).map_err(EpmdError::BadName)?;
                out.push(PORT_PLEASE2_REQ);
                out.extend_from_slice(name.as_bytes());
            }
            Self::Names => out.push(NAMES_REQ),
            Self::Dump => out.push(DUMP_REQ),
            Self::Kill => out.push(KILL_REQ),
            Self::Stop { name } => {
                out.push(STOP_REQ);
                out.extend_from_slice(name.as_bytes());
            }
        }
        let length = out.len() - 2;
        match u16::try_from(length) {
            Ok(prefix) if length <= MAX_REQUEST => {
                out[..2].copy_from_slice(&prefix.to_be_bytes());
                Ok(out)
            }
            _ => Err(EpmdError::RequestLength(length)),
        }
    }
}

/// The answer to [`Request::Alive2`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alive2Response {
    /// Registered; the creation makes this life of the name different from the one before.
    Registered {
        /// 32 bits in ALIVE2_X_RESP, 1 to 3 in ALIVE2_RESP.
        creation: u32,
    },
    /// Refused: any result that is not 0; epmd sends 1 when the name is taken.
    Refused {
        /// The result byte.
        result: u8,
    },
}

impl Alive2Response {
    /// Looks for a whole answer; `Ok(None)` asks for more bytes (it has 4 or 6).
    ///
    /// # Errors
    /// When the bytes are no answer to ALIVE2_REQ.
    pub fn parse(received: &[u8]) -> Result<Option<Self>, EpmdError> {
        let (result, creation, rest) = match *received {
            [] => return Ok(None),
            [ALIVE2_X_RESP, result, a, b, c, d, ref rest @ ..] => {
                (result, u32::from_be_bytes([a, b, c, d]), rest)
            }
            [ALIVE2_RESP, result, a, b, ref rest @ ..] => {
                (result, u32::from(u16::from_be_bytes([a, b])), rest)
            }
            [ALIVE2_RESP | ALIVE2_X_RESP, ..] => return Ok(None),
            [other, ..] => return Err(EpmdError::UnknownTag(other)),
        };
        match (rest.len(), result) {
            (0, 0) => Ok(Some(Self::Registered { creation })),
            (0, result) => Ok(Some(Self::Refused { result })),
            (trailing, _) => Err(EpmdError::Trailing(trailing)),
        }
    }

    /// The answer in the form that suits the asker: ALIVE2_X_RESP when it announced version 6 or higher, else
    /// ALIVE2_RESP with the creation folded into 1 to 3, which is all that those nodes know.
    #[must_use]
    pub fn encode(self, asker_highest: u16) -> Vec<u8> {
        // A refusal carries a creation nobody reads; the C epmd fills in 99.
        let (result, creation) = match self {
            Self::Registered { creation } => (0, creation),
            Self::Refused { result } => (result, 99),
        };
        if asker_highest >= 6 {
            let mut out = vec![ALIVE2_X_RESP, result];
            out.extend_from_slice(&creation.to_be_bytes());
            out
        } else {
            let small = if result == 0 { 1 + (creation % 3) as u8 } else { 99 };
            vec![ALIVE2_RESP, result, 0, small]
        }
    }
}

/// The answer to [`Request::PortPlease2`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortResponse {
    /// The name is registered like this.
    Found(Registration),
    /// The name is not registered.
    NotFound {
        /// The result byte, not 0; epmd sends 1.
        result: u8,
    },
}

impl PortResponse {
    /// Looks for a whole answer; `Ok(None)` asks for more bytes, at most some 2,100.
    ///
    /// # Errors
    /// When the bytes are no answer to PORT_PLEASE2_REQ.
    pub fn parse(received: &[u8]) -> Result<Option<Self>, EpmdError> {
        match *received {
            [] | [PORT2_RESP] => Ok(None),
            [PORT2_RESP, 0, ref rest @ ..] => {
                let mut fields = Fields(rest);
                match Registration::read(&mut fields) {
                    None => match announced_too_long(rest) {
                        Some(error) => Err(error),
                        None => Ok(None),
                    },
                    Some(Err(error)) => Err(error),
                    Some(Ok(_)) if !fields.0.is_empty() => Err(EpmdError::Trailing(fields.0.len())),
                    Some(Ok(registration)) => Ok(Some(Self::Found(registration))),
                }
            }
            [PORT2_RESP, result] => Ok(Some(Self::NotFound { result })),
            [PORT2_RESP, _, ref rest @ ..] => Err(EpmdError::Trailing(rest.len())),
            [other, ..] => Err(EpmdError::UnknownTag(other)),
        }
    }

    /// The answer, ready to be written.
    ///
    /// # Errors
    /// When the registration's name or `extra` is outside what epmd takes.
    pub fn encode(&self) -> Result<Vec<u8>, EpmdError> {
        match self {
            Self::Found(registration) => {
                let mut out = vec![PORT2_RESP, 0];
                registration.write(&mut out)?;
                Ok(out)
            }
            Self::NotFound { result } => Ok(vec![PORT2_RESP, (*result).max(1)]),
        }
    }
}

/// One line of the names listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameEntry {
    /// The part of the node name before `@`.
    pub name: String,
    /// TCP port of the node's distribution listener.
    pub port: u16,
}

impl fmt::Display for NameEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name {} at port {}", self.name, self.port)
    }
}

/// The answer to [`Request::Names`]; it ends when epmd closes the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesResponse {
    /// Port that epmd itself listens on.
    pub epmd_port: u32,
    /// The registered nodes.
    pub entries: Vec<NameEntry>,
}

impl NamesResponse {
    /// Decodes a whole answer, from the first byte to the end of the stream. Read at most
    /// [`MAX_NAMES_RESPONSE`] bytes of it.
    ///
    /// # Errors
    /// When it is cut short, too long, or has a line of another shape.
    pub fn decode(received: &[u8]) -> Result<Self, EpmdError> {
        if received.len() > MAX_NAMES_RESPONSE {
            return Err(EpmdError::NamesTooLong);
        }
        let (port, text) =
            received.split_first_chunk::<4>().ok_or(EpmdError::Truncated("NAMES_RESP"))?;
        let text = std::str::from_utf8(text).map_err(|_| EpmdError::BadName(NameFault::NotUtf8))?;
        let entries = text.split_terminator('\n').map(names_line).collect::<Result<_, _>>()?;
        Ok(Self { epmd_port: u32::from_be_bytes(*port), entries })
    }

    /// The answer, ready to be written before closing.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.epmd_port.to_be_bytes().to_vec();
        for entry in &self.entries {
            out.extend_from_slice(format!("{entry}\n").as_bytes());
        }
        out
    }
}

fn names_line(line: &str) -> Result<NameEntry, EpmdError> {
    // `erl_epmd` reads the same words. From the right, as a foreign node's name may hold blanks.
    let (name, port) = line
        .strip_prefix("name ")
        .and_then(|rest| rest.rsplit_once(" at port "))
        .ok_or(EpmdError::BadNamesLine)?;
    let port = port.parse().map_err(|_| EpmdError::BadNamesLine)?;
    check_name(name).map_err(EpmdError::BadName)?;
    Ok(NameEntry { name: name.to_owned(), port })
}

/// Whether `name` can be the part of a node name before `@`.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_name(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        Err(NameFault::Empty)
    } else if name.chars().count() > MAX_NAME_CHARS {
        Err(NameFault::TooLong)
    } else if name.chars().any(char::is_control) {
        Err(NameFault::Control)
    } else if name.contains('@') {
        Err(NameFault::At)
    } else {
        Ok(())
    }
}

fn read_name(bytes: &[u8]) -> Result<String, EpmdError> {
    let name = std::str::from_utf8(bytes).map_err(|_| EpmdError::BadName(NameFault::NotUtf8))?;
    check_name(name).map_err(EpmdError::BadName)?;
    Ok(name.to_owned())
}

/// A final NUL is no part of the name: C clients of long ago sent it.
fn without_final_nul(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(&[0]).unwrap_or(bytes)
}

/// A PORT2_RESP that announces more name or extra than any epmd holds will not get better by waiting.
fn announced_too_long(fields: &[u8]) -> Option<EpmdError> {
    let mut fields = Fields(fields);
    fields.take(8)?;
    let name_length = usize::from(fields.u16()?);
    if name_length > MAX_NAME_CHARS * 4 {
        return Some(EpmdError::BadName(NameFault::TooLong));
    }
    fields.take(name_length)?;
    let extra_length = usize::from(fields.u16()?);
    (extra_length > MAX_EXTRA).then_some(EpmdError::ExtraTooLong(extra_length))
}

/// Appends a 2-byte length and the bytes; callers have bounded them far below 65,536.
fn write_16(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend(bytes.iter().take(usize::from(length)));
}

/// What is left of a message; every read says `None` at its end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        let (head, tail) = self.0.split_first_chunk::<2>()?;
        self.0 = tail;
        Some(u16::from_be_bytes(*head))
    }
}
