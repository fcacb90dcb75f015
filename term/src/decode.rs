//! Bytes to nodes: one pass, no recursion, nothing allocated but the nodes.
//!
//! The children of a container are neighbours. When its header is read, room for them is made at the end of the nodes and filled
//! as they arrive; where to go on after a child that is itself a container is kept in the next, still empty, node. So the
//! stack of the decoder lies in the room the result needs anyway, and depth costs nothing.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;

use crate::atom::{Atom, MAX_ATOM_CHARACTERS};
use crate::block::{LARGEST_INLINE, Shared};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::identifier;
use crate::map;
use crate::node::{Kind, Node};
use crate::skip;
use crate::tag::*;

/// "No frame": the slot of the root, which no frame can have.
const NONE: u32 = 0;

thread_local! {
    /// 4 KiB of nodes per thread, so that a small message costs one allocation.
    static SCRATCH: RefCell<Vec<Node>> = const { RefCell::new(Vec::new()) };
}

/// A decoded term: a leaf that needs no bytes, or a block. With it the number of bytes it took.
pub(crate) enum Decoded {
    /// An integer, a float or `[]`.
    Leaf(Node),
    /// Everything else, at node 0.
    Block(Shared),
}

/// Decodes the term at `start` of `bytes`; says where it ends.
pub(crate) fn decode(
    bytes: Bytes,
    start: usize,
    atoms: Option<Arc<[Atom]>>,
    at_root: Place,
) -> Result<(Decoded, usize), DecodeError> {
    if bytes.len() > u32::MAX as usize {
        return Err(DecodeErrorKind::TooLarge.at(0));
    }
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => decode_with(&mut scratch, bytes, start, atoms, at_root),
        Err(_) => decode_with(&mut Vec::new(), bytes, start, atoms, at_root),
    })
}

/// Where a term stands; `LOCAL_EXT` is allowed right after the version byte only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// After 131.
    AfterVersion,
    /// In a distribution message, or inside another term.
    Inside,
}

fn decode_with(
    nodes: &mut Vec<Node>,
    bytes: Bytes,
    start: usize,
    atoms: Option<Arc<[Atom]>>,
    place: Place,
) -> Result<(Decoded, usize), DecodeError> {
    if nodes.capacity() == 0 {
        nodes.reserve_exact(LARGEST_INLINE);
    }
    let mut outcome = attempt(nodes, &bytes, start, &atoms, place);
    if matches!(outcome, Err(Stop::Room)) {
        // The guess was too low, and to grow would hold old and new nodes at once. So count, and begin again.
        let exact = skip::count_nodes(&bytes, atoms.as_deref().unwrap_or_default(), start);
        *nodes = Vec::new();
        nodes.reserve_exact(exact.min(bytes.len() - start + LARGEST_INLINE));
        outcome = attempt(nodes, &bytes, start, &atoms, place);
    }
    let pos = match outcome {
        Ok(pos) => pos,
        Err(stop) => {
            release(nodes);
            return Err(match stop {
                Stop::Refused(error) => error,
                Stop::Room => DecodeErrorKind::TooLarge.at(start),
            });
        }
    };
    let Some(root) = nodes.first().copied() else {
        return Err(DecodeErrorKind::Truncated.at(start));
    };
    let decoded = match root.kind {
        Kind::Int | Kind::Float | Kind::Nil => Decoded::Leaf(root),
        _ if nodes.len() <= LARGEST_INLINE => Decoded::Block(Shared::small(nodes, bytes, atoms)),
        _ => {
            let mut grown = std::mem::take(nodes);
            // Where even a shrinking that moves the nodes stays in the bound.
            if grown.capacity() > grown.len() + grown.len() / 4
                && grown.capacity() + grown.len() <= bytes.len()
            {
                grown.shrink_to_fit();
            }
            Decoded::Block(Shared::large(grown, bytes, atoms))
        }
    };
    Ok((decoded, pos))
}

/// Why an attempt ended early.
enum Stop {
    /// More nodes are needed than there is room for.
    Room,
    Refused(DecodeError),
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Refused(error)
    }
}

/// Decodes into the room there is, or that one growth gives; says where the term ends.
fn attempt(
    nodes: &mut Vec<Node>,
    bytes: &[u8],
    start: usize,
    atoms: &Option<Arc<[Atom]>>,
    place: Place,
) -> Result<usize, Stop> {
    nodes.clear();
    let atoms = atoms.as_deref().unwrap_or_default();
    let mut decoder =
        Decoder { input: bytes, pos: start, atoms, start, maps: NO_MAP, short: false, nodes };
    let outcome = decoder.run(place);
    let (pos, maps) = (decoder.pos, decoder.maps);
    if decoder.short {
        return Err(Stop::Room);
    }
    outcome?;
    if maps != NO_MAP {
        map::check(nodes, maps, bytes, atoms, start)
            .map_err(|error| error.map_or(Stop::Room, Stop::Refused))?;
    }
    Ok(pos)
}

/// Keeps no more scratch than 4 KiB.
fn release(nodes: &mut Vec<Node>) {
    if nodes.capacity() > LARGEST_INLINE {
        *nodes = Vec::new();
    }
}

/// End of the chain of maps through the high halves of their nodes.
pub(crate) const NO_MAP: u32 = u32::MAX;

struct Decoder<'a> {
    input: &'a [u8],
    pos: usize,
    atoms: &'a [Atom],
    start: usize,
    /// The last map met; each map's node names the one before it.
    maps: u32,
    /// Set where the room did not suffice; the error returned then means nothing.
    short: bool,
    nodes: &'a mut Vec<Node>,
}

impl Decoder<'_> {
    fn run(&mut self, place: Place) -> Result<(), DecodeError> {
        if place == Place::AfterVersion && self.input.get(self.pos) == Some(&LOCAL_EXT) {
            let length = self.input.len() - self.pos;
            self.nodes.push(Node::new(Kind::Local, self.pos as u32, length as u64));
            self.pos = self.input.len();
            return Ok(());
        }
        self.nodes.push(Node::NIL);
        let (mut slot, mut end, mut saved) = (0usize, 1usize, NONE);
        loop {
            if slot == end {
                if saved == NONE {
                    return Ok(());
                }
                slot = saved as usize;
                let frame = self.nodes[slot];
                end = frame.count();
                saved = frame.b as u32;
            }
            let (node, children) = self.one()?;
            if children == 0 {
                self.nodes[slot] = node;
                slot += 1;
                continue;
            }
            if node.kind == Kind::Map {
                self.nodes[slot] = Node { b: node.b | (u64::from(self.maps) << 32), ..node };
                self.maps = slot as u32;
            } else {
                self.nodes[slot] = node;
            }
            // The last child needs no frame: what follows it is what follows its parent.
            if slot + 1 < end {
                self.nodes[slot + 1] = Node::new(Kind::Pending, end as u32, u64::from(saved));
                saved = (slot + 1) as u32;
            }
            slot = node.first();
            end = slot + children;
        }
    }

    /// One tag: a finished leaf, or a container whose children follow and for which room was made.
    #[inline(always)]
    fn one(&mut self) -> Result<(Node, usize), DecodeError> {
        loop {
            let at = self.pos;
            let Some(&tag) = self.input.get(at) else {
                return Err(DecodeErrorKind::Truncated.at(at));
            };
            self.pos = at + 1;
            return Ok(match tag {
                SMALL_ATOM_UTF8_EXT => {
                    let length = usize::from(self.u8()?);
                    (self.atom_utf8(length)?, 0)
                }
                SMALL_INTEGER_EXT => (Node::int(i64::from(self.u8()?)), 0),
                INTEGER_EXT => (Node::int(i64::from(i32::from_be_bytes(self.array()?))), 0),
                SMALL_TUPLE_EXT => {
                    let arity = usize::from(self.u8()?);
                    self.container(Kind::Tuple, arity, arity)?
                }
                BINARY_EXT => {
                    let length = self.length()?;
                    (self.bytes_node(Kind::Binary, length)?, 0)
                }
                NIL_EXT => (Node::NIL, 0),
                LIST_EXT => {
                    let length = self.length()?;
                    if length == 0 {
                        // No elements before the tail: to OTP, the tail is the term.
                        continue;
                    }
                    self.container(Kind::List, length, length.saturating_add(1))?
                }
                MAP_EXT => {
                    let pairs = self.length()?;
                    self.container(Kind::Map, pairs, pairs.saturating_mul(2))?
                }
                NEW_FLOAT_EXT => {
                    let value = f64::from_bits(u64::from_be_bytes(self.array()?));
                    if !value.is_finite() {
                        return Err(DecodeErrorKind::BadFloat.at(at));
                    }
                    (Node::float(value), 0)
                }
                ATOM_CACHE_REF => {
                    let index = self.u8()?;
                    if usize::from(index) >= self.atoms.len() {
                        return Err(
                            DecodeErrorKind::BadCacheRef { index, len: self.atoms.len() }.at(at)
                        );
                    }
                    (Node::new(Kind::AtomCached, u32::from(index), 0), 0)
                }
                NEW_PID_EXT | PID_EXT => (self.identifier(Kind::Pid, at)?, 0),
                NEWER_REFERENCE_EXT | NEW_REFERENCE_EXT | REFERENCE_EXT => {
                    (self.identifier(Kind::Reference, at)?, 0)
                }
                V4_PORT_EXT | NEW_PORT_EXT | PORT_EXT => (self.identifier(Kind::Port, at)?, 0),
                STRING_EXT => {
                    let length = usize::from(u16::from_be_bytes(self.array()?));
                    let node = self.bytes_node(Kind::String, length)?;
                    (if length == 0 { Node::NIL } else { node }, 0)
                }
                _ => return self.rare(tag, at),
            });
        }
    }

    /// The tags off the hot path.
    #[inline(never)]
    fn rare(&mut self, tag: u8, at: usize) -> Result<(Node, usize), DecodeError> {
        Ok(match tag {
            LARGE_TUPLE_EXT => {
                let arity = self.length()?;
                self.container(Kind::Tuple, arity, arity)?
            }
            ATOM_UTF8_EXT => {
                let length = usize::from(u16::from_be_bytes(self.array()?));
                (self.atom_utf8(length)?, 0)
            }
            SMALL_ATOM_EXT => {
                let length = usize::from(self.u8()?);
                (self.atom_latin1(length)?, 0)
            }
            ATOM_EXT => {
                let length = usize::from(u16::from_be_bytes(self.array()?));
                (self.atom_latin1(length)?, 0)
            }
            SMALL_BIG_EXT => {
                let length = usize::from(self.u8()?);
                (self.big(length)?, 0)
            }
            LARGE_BIG_EXT => {
                let length = self.length()?;
                (self.big(length)?, 0)
            }
            FLOAT_EXT => {
                let text: [u8; 31] = self.array()?;
                let value =
                    parse_old_float(&text).ok_or_else(|| DecodeErrorKind::BadFloat.at(at))?;
                (Node::float(value), 0)
            }
            BIT_BINARY_EXT => {
                let length = self.length()?;
                let bits = self.u8()?;
                (self.bits(length, bits, at)?, 0)
            }
            EXPORT_EXT => self.export()?,
            NEW_FUN_EXT => self.fun()?,
            NATIVE_RECORD_EXT => self.record()?,
            other => return Err(DecodeErrorKind::UnknownTag(other).at(at)),
        })
    }

    /// Makes room for children after checking that the bytes left can hold them: every term takes at least one byte.
    #[inline(always)]
    fn container(
        &mut self,
        kind: Kind,
        count: usize,
        children: usize,
    ) -> Result<(Node, usize), DecodeError> {
        if children > self.input.len() - self.pos {
            return Err(DecodeErrorKind::Truncated.at(self.pos));
        }
        let first = self.nodes.len();
        if children > self.nodes.capacity() - first {
            self.grow(children)?;
        }
        self.nodes.resize(first + children, Node::NIL);
        Ok((Node::new(kind, count as u32, first as u64), children))
    }

    /// More room than the scratch has, once: a guess from how densely the bytes were used so far.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, children: usize) -> Result<(), DecodeError> {
        let (len, left) = (self.nodes.len(), self.input.len() - self.pos);
        if self.nodes.capacity() > LARGEST_INLINE {
            self.short = true;
            return Err(DecodeErrorKind::TooLarge.at(self.pos));
        }
        // No more nodes than bytes can ever be needed: 16 bytes of nodes per byte of the wire.
        let most = len + left;
        let used = (self.pos - self.start).max(1);
        let guess = (len as u128 * (used + left) as u128 * 9 / (used as u128 * 8)) as usize + 64;
        self.nodes.reserve_exact(guess.clamp(len + children, most) - len);
        Ok(())
    }

    #[inline(always)]
    fn u8(&mut self) -> Result<u8, DecodeError> {
        let Some(&byte) = self.input.get(self.pos) else {
            return Err(DecodeErrorKind::Truncated.at(self.pos));
        };
        self.pos += 1;
        Ok(byte)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some(bytes) = self.input.get(self.pos..).and_then(|rest| rest.first_chunk::<N>())
        else {
            return Err(DecodeErrorKind::Truncated.at(self.pos));
        };
        self.pos += N;
        Ok(*bytes)
    }

    #[inline(always)]
    fn length(&mut self) -> Result<usize, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    #[inline(always)]
    fn take(&mut self, length: usize) -> Result<&[u8], DecodeError> {
        let Some(bytes) = self.input.get(self.pos..).and_then(|rest| rest.get(..length)) else {
            return Err(DecodeErrorKind::Truncated.at(self.pos));
        };
        self.pos += length;
        Ok(bytes)
    }

    #[inline(always)]
    fn bytes_node(&mut self, kind: Kind, length: usize) -> Result<Node, DecodeError> {
        let from = self.pos;
        self.take(length)?;
        Ok(Node::new(kind, from as u32, length as u64))
    }

    #[inline(always)]
    fn atom_utf8(&mut self, length: usize) -> Result<Node, DecodeError> {
        let from = self.pos;
        let name = self.take(length)?;
        check_atom(name, from)?;
        Ok(Node { small: length as u16, ..Node::new(Kind::Atom, from as u32, 0) })
    }

    fn atom_latin1(&mut self, length: usize) -> Result<Node, DecodeError> {
        let from = self.pos;
        if length > MAX_ATOM_CHARACTERS {
            return Err(DecodeErrorKind::AtomTooLong.at(from));
        }
        let kind = if self.take(length)?.is_ascii() { Kind::Atom } else { Kind::AtomLatin1 };
        Ok(Node { small: length as u16, ..Node::new(kind, from as u32, 0) })
    }

    fn big(&mut self, length: usize) -> Result<Node, DecodeError> {
        let negative = self.u8()? != 0;
        let from = self.pos;
        Ok(big_node(self.take(length)?, negative, from as u32))
    }

    fn bits(&mut self, length: usize, bits: u8, at: usize) -> Result<Node, DecodeError> {
        let node = self.bytes_node(Kind::Bits, length)?;
        // The last byte uses 1 to 8 bits, so there is one. (OTP 25 still took no bytes with 0 bits; OTP 27 refuses that.)
        match (length, bits) {
            (1.., 8) => Ok(Node { kind: Kind::Binary, ..node }),
            (1.., 1..=7) => Ok(Node { extra: bits, ..node }),
            _ => Err(DecodeErrorKind::BadBits(bits).at(at)),
        }
    }

    fn identifier(&mut self, kind: Kind, at: usize) -> Result<Node, DecodeError> {
        let rest = self.input.get(at..).unwrap_or_default();
        let length = identifier::check(rest, self.atoms)
            .map_err(|error| error.kind.at(at + error.offset))?;
        self.pos = at + length;
        Ok(Node::new(kind, at as u32, length as u64))
    }

    /// `fun M:F/A`: two atoms and a small integer.
    fn export(&mut self) -> Result<(Node, usize), DecodeError> {
        skip::export(self.input, self.atoms, self.pos)?;
        self.container(Kind::Export, 3, 3)
    }

    /// Size (not trusted, as OTP does not), arity, uniq, index, number of free variables; then terms.
    fn fun(&mut self) -> Result<(Node, usize), DecodeError> {
        let _size: [u8; 4] = self.array()?;
        let fixed = self.pos;
        let _arity_uniq_index: [u8; 21] = self.array()?;
        let free = self.length()?;
        skip::fun_head(self.input, self.atoms, self.pos)?;
        let (node, children) = self.container(Kind::Fun, free, free.saturating_add(4))?;
        Ok((Node { a: children as u32, b: node.b | ((fixed as u64) << 32), ..node }, children))
    }

    /// Number of fields, a flag byte, module, name, the names of the fields, their values (OTP 29).
    fn record(&mut self) -> Result<(Node, usize), DecodeError> {
        let fields = self.length()?;
        let flags = self.u8()?;
        let names = fields.saturating_add(2);
        skip::atoms(self.input, self.atoms, self.pos, names)?;
        let (node, children) =
            self.container(Kind::Record, fields, names.saturating_add(fields))?;
        Ok((Node { extra: flags, ..node }, children))
    }
}

/// Checks that a name is UTF-8 of at most 255 characters.
#[inline(always)]
pub(crate) fn check_atom(name: &[u8], from: usize) -> Result<(), DecodeError> {
    if name.is_ascii() {
        return if name.len() <= MAX_ATOM_CHARACTERS {
            Ok(())
        } else {
            Err(DecodeErrorKind::AtomTooLong.at(from))
        };
    }
    match std::str::from_utf8(name) {
        Err(_) => Err(DecodeErrorKind::AtomNotUtf8.at(from)),
        Ok(name)
            if name.len() > MAX_ATOM_CHARACTERS && name.chars().count() > MAX_ATOM_CHARACTERS =>
        {
            Err(DecodeErrorKind::AtomTooLong.at(from))
        }
        Ok(_) => Ok(()),
    }
}

/// An integer of any number of digits, as the one kind it is.
pub(crate) fn big_node(digits: &[u8], negative: bool, from: u32) -> Node {
    let length = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
    let digits = digits.get(..length).unwrap_or_default();
    if length <= 8 {
        let magnitude =
            digits.iter().rev().fold(0u64, |value, &digit| (value << 8) | u64::from(digit));
        let value = if negative {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        if let Some(value) = value {
            return Node::int(value);
        }
    }
    Node { extra: u8::from(negative), ..Node::new(Kind::Big, from, length as u64) }
}

/// `FLOAT_EXT`: `%.20e` in 31 bytes, filled up with zeros.
pub(crate) fn parse_old_float(text: &[u8; 31]) -> Option<f64> {
    let length = text.iter().position(|&byte| byte == 0)?;
    // OTP takes a comma for the point, as some locales have it.
    let text = std::str::from_utf8(text.get(..length)?).ok()?.replace(',', ".");
    let mantissa = text.split(['e', 'E']).next()?.trim_start_matches(['-', '+']);
    let (whole, fraction) = mantissa.split_once('.')?;
    if whole.is_empty() || fraction.is_empty() {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}
