//! Bytes to nodes: one pass, no recursion, nothing allocated but the nodes.
//!
//! The children of a container are neighbours. When its header is read, room for them is made at the end of the nodes and filled
//! as they arrive; where to go on after a child that is itself a container is kept in the next, still empty, node. So the
//! stack of the decoder lies in the room the result needs anyway, and depth costs nothing.

use std::cell::Cell;
use std::mem::take;
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
use crate::term::Term;

/// "No frame": the slot of the root, which no frame can have.
const NONE: u32 = 0;

/// Room for the nodes of a small message.
type Scratch = [Node; LARGEST_INLINE];

thread_local! {
    /// 4 KiB of nodes per thread, so that a small message costs one allocation. Taken while in use.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

#[cold]
fn new_scratch() -> Box<Scratch> {
    Box::new([Node::NIL; LARGEST_INLINE])
}

/// Where a term stands; `LOCAL_EXT` is allowed right after the version byte only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// After 131.
    AfterVersion,
    /// Inside another term, or one of several.
    Inside,
    /// The payload of a distribution message, which nothing may follow.
    Payload,
}

/// Decodes the term at `start` of `bytes`, and says where it ends.
///
/// The bytes are taken where they stand, unless the term has none of them, and the result is put together where the caller
/// wants it: to move what was just written in pieces stalls the processor, and a small message takes no longer than a few
/// such stalls.
pub(crate) fn decode(
    bytes: &mut Bytes,
    start: usize,
    atoms: Option<Arc<[Atom]>>,
    place: Place,
    end: &mut usize,
) -> Result<Term, DecodeError> {
    let mut root = Node::NIL;
    let mut scratch = SCRATCH.take().unwrap_or_else(new_scratch);
    let shared = block(&mut *scratch, bytes, start, atoms, place, end, &mut root);
    SCRATCH.set(Some(scratch));
    match shared {
        Ok(shared) => Ok(Term { shared, node: root }),
        Err(refused) => Err(*refused),
    }
}

/// The block of the term, unless its root says everything.
#[inline(always)]
fn block(
    scratch: &mut [Node],
    bytes: &mut Bytes,
    start: usize,
    atoms: Option<Arc<[Atom]>>,
    place: Place,
    end: &mut usize,
    root: &mut Node,
) -> Result<Option<Shared>, Box<DecodeError>> {
    if bytes.len() > u32::MAX as usize {
        return Err(DecodeErrorKind::TooLarge.at(0).into());
    }
    let mut room = Room { scratch, grown: Vec::new() };
    let atom_table = atoms.as_deref().unwrap_or_default();
    let mut reader = Reader { input: bytes, pos: start, start, atoms: atom_table, plain: true };
    let mut outcome = attempt(&mut reader, &mut room, place);
    if matches!(outcome, Err(Stop::Room)) {
        // The guess was too low, and to grow would hold old and new nodes at once. So count, and begin again.
        let exact =
            skip::count_nodes(bytes, reader.atoms, start).min(bytes.len() - start + LARGEST_INLINE);
        room.grown = Vec::new();
        room.grown = vec![Node::NIL; exact];
        reader.pos = start;
        outcome = attempt(&mut reader, &mut room, place);
    }
    let length = match outcome {
        Ok(length) => length,
        Err(Stop::Refused(error)) => return Err(error),
        Err(Stop::Room) => return Err(DecodeErrorKind::TooLarge.at(start).into()),
    };
    *end = reader.pos;
    if place == Place::Payload && reader.pos < reader.input.len() {
        let left = reader.input.len() - reader.pos;
        return Err(DecodeErrorKind::Trailing(left).at(reader.pos).into());
    }
    let wire = if reader.plain { (start as u32, reader.pos as u32) } else { (0, 0) };
    let nodes = room.nodes().get(..length).unwrap_or_default();
    let Some(&first) = nodes.first() else {
        return Err(DecodeErrorKind::Truncated.at(start).into());
    };
    *root = first;
    Ok(match first.kind {
        Kind::Int | Kind::Float | Kind::Nil => None,
        _ if length <= LARGEST_INLINE => Some(Shared::copied(nodes, take(bytes), atoms, wire)),
        _ => Some(large(room.grown, length, take(bytes), atoms, wire)),
    })
}

/// The block of a message that has grown out of the scratch.
#[inline(never)]
fn large(
    mut nodes: Vec<Node>,
    length: usize,
    bytes: Bytes,
    atoms: Option<Arc<[Atom]>>,
    wire: (u32, u32),
) -> Shared {
    nodes.truncate(length);
    // Where even a shrinking that moves the nodes stays in the bound.
    if nodes.capacity() > length + length / 4 && nodes.capacity() + length <= bytes.len() {
        nodes.shrink_to_fit();
    }
    Shared::grown(nodes, bytes, atoms, wire)
}

/// Where nodes are put: the scratch of the thread, or, for a message that needs more, a vector of its own. What lies in them beyond the
/// part in use is left over from other messages and never read.
struct Room<'a> {
    scratch: &'a mut [Node],
    grown: Vec<Node>,
}

impl Room<'_> {
    #[inline]
    fn nodes(&mut self) -> &mut [Node] {
        if self.grown.is_empty() { self.scratch } else { &mut self.grown }
    }

    /// More room than the scratch has, once: a guess from how densely the bytes were used so far.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, length: usize, children: usize, reader: &Reader<'_>) -> Result<(), Stop> {
        if !self.grown.is_empty() {
            return Err(Stop::Room);
        }
        let left = reader.input.len() - reader.pos;
        // No more nodes than bytes can ever be needed: 16 bytes of nodes per byte of the wire.
        let most = length + left;
        let used = (reader.pos - reader.start).max(1);
        let guess = (length as u128 * (used + left) as u128 * 9 / (used as u128 * 8)) as usize + 64;
        let mut grown = Vec::with_capacity(guess.clamp(length + children, most));
        grown.extend_from_slice(self.scratch.get(..length).unwrap_or_default());
        grown.resize(grown.capacity(), Node::NIL);
        self.grown = grown;
        Ok(())
    }
}

/// Why an attempt ended early.
enum Stop {
    /// More nodes are needed than there is room for.
    Room,
    /// Apart, so that success fits registers.
    Refused(Box<DecodeError>),
}

impl From<DecodeError> for Stop {
    #[cold]
    fn from(error: DecodeError) -> Self {
        Self::Refused(error.into())
    }
}

/// Decodes into the room there is, or that one growth gives; the number of nodes.
#[inline(always)]
fn attempt(reader: &mut Reader<'_>, room: &mut Room<'_>, place: Place) -> Result<usize, Stop> {
    if place == Place::AfterVersion && reader.input.get(reader.pos) == Some(&LOCAL_EXT) {
        let length = reader.input.len() - reader.pos;
        if let Some(node) = room.nodes().first_mut() {
            *node = Node::new(Kind::Local, reader.pos as u32, length as u64);
        }
        reader.pos = reader.input.len();
        return Ok(1);
    }
    let (length, maps) = run(reader, room)?;
    if maps == NO_MAP {
        return Ok(length);
    }
    map::check(room.nodes(), length, maps, reader.input, reader.atoms, reader.start)
        .map_err(|error| error.map_or(Stop::Room, Stop::from))
}

/// End of the chain of maps through the high halves of their nodes.
pub(crate) const NO_MAP: u32 = u32::MAX;

/// The loop over all tags: the number of nodes, and the last map met, from which each map's node names the one before it.
fn run(reader: &mut Reader<'_>, room: &mut Room<'_>) -> Result<(usize, u32), Stop> {
    let mut nodes = room.nodes();
    let mut length = 1usize;
    let mut maps = NO_MAP;
    let (mut slot, mut end, mut saved, mut in_list) = (0usize, 1usize, NONE, false);
    loop {
        let children = reader.one(&mut nodes[slot])?;
        if children == 0 {
            // A string as the tail of a list, which we write as one list.
            if in_list && slot + 1 == end && nodes[slot].kind == Kind::String {
                reader.plain = false;
            }
            slot += 1;
            // Done with these children: on with those who wait.
            if slot == end {
                if saved == NONE {
                    return Ok((length, maps));
                }
                slot = saved as usize;
                let frame = nodes[slot];
                end = frame.count();
                saved = frame.b as u32;
                in_list = frame.extra != 0;
            }
            continue;
        }
        // Every term takes at least one byte.
        if children > reader.input.len() - reader.pos {
            return Err(DecodeErrorKind::Truncated.at(reader.pos).into());
        }
        if children > nodes.len() - length {
            room.grow(length, children, reader)?;
            nodes = room.nodes();
        }
        let kind = nodes[slot].kind;
        nodes[slot].b |= length as u64;
        if kind == Kind::Map {
            nodes[slot].b |= u64::from(maps) << 32;
            maps = slot as u32;
        }
        // A list as the tail of a list, which we write as one.
        if kind == Kind::List && in_list && slot + 1 == end {
            reader.plain = false;
        }
        // The last child needs no frame: what follows it is what follows its parent.
        if slot + 1 < end {
            nodes[slot + 1] = Node {
                extra: u8::from(in_list),
                ..Node::new(Kind::Pending, end as u32, u64::from(saved))
            };
            saved = (slot + 1) as u32;
        }
        in_list = kind == Kind::List;
        slot = length;
        length += children;
        end = length;
    }
}

struct Reader<'a> {
    input: &'a [u8],
    pos: usize,
    start: usize,
    atoms: &'a [Atom],
    /// Whether everything so far is written as we would write it, so that the bytes can be sent on as they are. A doubt makes it false.
    plain: bool,
}

impl Reader<'_> {
    /// One tag: a finished leaf, or a container and how many children follow; where they are put is not yet in it. Written in place: a node built elsewhere and copied costs a stall of the store buffer.
    #[inline(always)]
    fn one(&mut self, out: &mut Node) -> Result<usize, DecodeError> {
        loop {
            let at = self.pos;
            let Some(&tag) = self.input.get(at) else {
                return Err(DecodeErrorKind::Truncated.at(at));
            };
            self.pos = at + 1;
            let (node, children) = match tag {
                SMALL_ATOM_UTF8_EXT => {
                    let length = usize::from(self.u8()?);
                    let from = self.pos;
                    let name = self.take(length)?;
                    if !short_ascii(name) {
                        check_atom(name, from)?;
                    }
                    (Node { small: length as u16, ..Node::new(Kind::Atom, from as u32, 0) }, 0)
                }
                SMALL_INTEGER_EXT => (Node::int(i64::from(self.u8()?)), 0),
                INTEGER_EXT => {
                    let value = i32::from_be_bytes(self.array()?);
                    self.plain &= !matches!(value, 0..=255);
                    (Node::int(i64::from(value)), 0)
                }
                SMALL_TUPLE_EXT => container(Kind::Tuple, usize::from(self.u8()?)),
                BINARY_EXT => {
                    let length = self.length()?;
                    (self.bytes_node(Kind::Binary, length)?, 0)
                }
                NIL_EXT => (Node::NIL, 0),
                LIST_EXT => {
                    let length = self.length()?;
                    if length == 0 {
                        // No elements before the tail: to OTP, the tail is the term.
                        self.plain = false;
                        continue;
                    }
                    // A list that begins with a byte might be all bytes, which we write as a string.
                    self.plain &= self.input.get(self.pos) != Some(&SMALL_INTEGER_EXT);
                    (Node::new(Kind::List, length as u32, 0), length + 1)
                }
                MAP_EXT => {
                    let pairs = self.length()?;
                    if pairs == 0 {
                        (Node::new(Kind::Map, 0, map::EMPTY), 0)
                    } else {
                        (Node::new(Kind::Map, pairs as u32, 0), pairs.saturating_mul(2))
                    }
                }
                NEW_FLOAT_EXT => {
                    let value = f64::from_bits(u64::from_be_bytes(self.array()?));
                    if !value.is_finite() {
                        return Err(DecodeErrorKind::BadFloat.at(at));
                    }
                    (Node::float(value), 0)
                }
                ATOM_CACHE_REF => {
                    self.plain = false;
                    let index = self.u8()?;
                    if usize::from(index) >= self.atoms.len() {
                        return Err(
                            DecodeErrorKind::BadCacheRef { index, len: self.atoms.len() }.at(at)
                        );
                    }
                    (Node::new(Kind::AtomCached, u32::from(index), 0), 0)
                }
                NEW_PID_EXT => (self.today(Kind::Pid, at, 1, 12)?, 0),
                NEWER_REFERENCE_EXT => {
                    let words = self.input.get(at + 2).copied().unwrap_or_default();
                    (self.today(Kind::Reference, at, 3, 4 + 4 * usize::from(words))?, 0)
                }
                STRING_EXT => {
                    let length = usize::from(u16::from_be_bytes(self.array()?));
                    let node = self.bytes_node(Kind::String, length)?;
                    self.plain &= length > 0;
                    (if length == 0 { Node::NIL } else { node }, 0)
                }
                _ => self.rare(tag, at)?,
            };
            *out = node;
            return Ok(children);
        }
    }

    /// The tags off the hot path.
    #[inline(never)]
    fn rare(&mut self, tag: u8, at: usize) -> Result<(Node, usize), DecodeError> {
        let plain = self.plain;
        self.plain = false;
        Ok(match tag {
            LARGE_TUPLE_EXT => {
                let arity = self.length()?;
                self.plain = plain && arity > 255;
                container(Kind::Tuple, arity)
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
                let node = self.big(length)?;
                self.plain = plain && self.is_plain_big(at, node);
                (node, 0)
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
            PID_EXT => (self.identifier(Kind::Pid, at)?, 0),
            NEW_REFERENCE_EXT | REFERENCE_EXT => (self.identifier(Kind::Reference, at)?, 0),
            V4_PORT_EXT | NEW_PORT_EXT | PORT_EXT => (self.identifier(Kind::Port, at)?, 0),
            EXPORT_EXT => self.export()?,
            NEW_FUN_EXT => self.fun()?,
            NATIVE_RECORD_EXT => self.record()?,
            other => return Err(DecodeErrorKind::UnknownTag(other).at(at)),
        })
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

    /// An identifier in today's form with its own atom, `head` bytes after the tag and `tail` bytes after the atom; or any other.
    #[inline(always)]
    fn today(
        &mut self,
        kind: Kind,
        at: usize,
        head: usize,
        tail: usize,
    ) -> Result<Node, DecodeError> {
        match identifier::today(self.input, at, head, tail) {
            Some(end) => {
                self.pos = end;
                Ok(Node::new(kind, at as u32, (end - at) as u64))
            }
            None => self.identifier(kind, at),
        }
    }

    /// Whether a `SMALL_BIG_EXT` is beyond 32 bits, with no leading zeros and a sign of 0 or 1.
    fn is_plain_big(&self, at: usize, node: Node) -> bool {
        let beyond = node.kind == Kind::Big || i32::try_from(node.b as i64).is_err();
        beyond
            && self.input.get(at + 2).is_some_and(|&sign| sign <= 1)
            && self.input.get(self.pos - 1) != Some(&0)
    }

    #[inline(never)]
    fn identifier(&mut self, kind: Kind, at: usize) -> Result<Node, DecodeError> {
        self.plain = false;
        let rest = self.input.get(at..).unwrap_or_default();
        let length = identifier::check(rest, self.atoms)
            .map_err(|error| error.kind.at(at + error.offset))?;
        self.pos = at + length;
        Ok(Node::new(kind, at as u32, length as u64))
    }

    /// `fun M:F/A`: two atoms and a small integer.
    fn export(&self) -> Result<(Node, usize), DecodeError> {
        skip::export(self.input, self.atoms, self.pos)?;
        Ok((Node::new(Kind::Export, 3, 0), 3))
    }

    /// Size (not trusted, as OTP does not), arity, uniq, index, number of free variables; then terms.
    fn fun(&mut self) -> Result<(Node, usize), DecodeError> {
        let _size: [u8; 4] = self.array()?;
        let fixed = self.pos;
        let _arity_uniq_index: [u8; 21] = self.array()?;
        let free = self.length()?;
        skip::fun_head(self.input, self.atoms, self.pos)?;
        let children = free.saturating_add(4);
        Ok((Node::new(Kind::Fun, children as u32, (fixed as u64) << 32), children))
    }

    /// Number of fields, a flag byte, module, name, the names of the fields, their values (OTP 29).
    fn record(&mut self) -> Result<(Node, usize), DecodeError> {
        let fields = self.length()?;
        let flags = self.u8()?;
        let names = fields.saturating_add(2);
        skip::atoms(self.input, self.atoms, self.pos, names)?;
        let children = names.saturating_add(fields);
        Ok((Node { extra: flags, ..Node::new(Kind::Record, fields as u32, 0) }, children))
    }
}

/// A container of as many children as it counts.
#[inline(always)]
const fn container(kind: Kind, count: usize) -> (Node, usize) {
    (Node::new(kind, count as u32, 0), count)
}

/// Whether a name is ASCII; its length is that of one byte, so it is short enough. Names are short: eight bytes at a time, in line.
#[inline(always)]
pub(crate) fn short_ascii(name: &[u8]) -> bool {
    let (words, rest) = name.as_chunks::<8>();
    let mut seen = words.iter().fold(0, |seen, word| seen | u64::from_ne_bytes(*word));
    let (halves, rest) = rest.as_chunks::<4>();
    seen = halves.iter().fold(seen, |seen, half| seen | u64::from(u32::from_ne_bytes(*half)));
    seen = rest.iter().fold(seen, |seen, &byte| seen | u64::from(byte));
    (seen & 0x8080_8080_8080_8080) == 0
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
