//! Bytes to nodes: one pass, no recursion, nothing allocated but the nodes.
//!
//! The children of a container are neighbours. When its header is read, room for them is made at the end of the nodes and filled
//! as they arrive; where to go on after a child that is itself a container is kept in the next, still empty, node. So the
//! stack of the decoder lies in the room the result needs anyway, and depth costs nothing.

use std::cell::{Cell, RefCell};
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

thread_local! {
    /// 4 KiB of nodes per thread, so that a small message costs one allocation.
    static SCRATCH: RefCell<[Node; LARGEST_INLINE]> =
        const { RefCell::new([Node::NIL; LARGEST_INLINE]) };
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
    let shared = SCRATCH.with(|scratch| {
        // Nothing that decodes is called while decoding; if it were, it would have nodes of its own from the beginning.
        let mut none = [];
        let mut scratch = scratch.try_borrow_mut();
        let nodes = scratch.as_mut().map_or(&mut none[..], |scratch| &mut scratch[..]);
        block(nodes, bytes, start, atoms, place, end, &mut root)
    });
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
    let mut room = Room { scratch, grown: Vec::new(), exact: false };
    let atom_table = atoms.as_deref().unwrap_or_default();
    let plain = Cell::new(true);
    let mut reader = Reader { input: bytes, pos: start, start, atoms: atom_table, plain: &plain };
    let length = loop {
        match attempt(&mut reader, &mut room, place) {
            Ok(length) => break length,
            Err(Stop::Refused(error)) => return Err(error),
            Err(Stop::Room) if room.exact => {
                return Err(DecodeErrorKind::TooLarge.at(start).into());
            }
            Err(Stop::Room) => {
                room.count(bytes, reader.atoms, start);
                reader.pos = start;
                plain.set(true);
            }
        }
    };
    *end = reader.pos;
    if place == Place::Payload && reader.pos < reader.input.len() {
        let left = reader.input.len() - reader.pos;
        return Err(DecodeErrorKind::Trailing(left).at(reader.pos).into());
    }
    let wire = if plain.get() { (start as u32, reader.pos as u32) } else { (0, 0) };
    let nodes = room.nodes().get(..length).unwrap_or_default();
    let Some(&first) = nodes.first() else {
        return Err(DecodeErrorKind::Truncated.at(start).into());
    };
    *root = first;
    Ok(match first.kind() {
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
    /// Whether the nodes were counted.
    exact: bool,
}

impl Room<'_> {
    #[inline]
    fn nodes(&mut self) -> &mut [Node] {
        if self.grown.is_empty() { self.scratch } else { &mut self.grown }
    }

    /// As much room as the term needs. The guess was too low, and to grow would hold old and new nodes at once: so they are counted, and
    /// decoding begins again.
    #[cold]
    #[inline(never)]
    fn count(&mut self, bytes: &[u8], atoms: &[Atom], start: usize) {
        let exact =
            skip::count_nodes(bytes, atoms, start).min(bytes.len() - start + LARGEST_INLINE);
        self.grown = Vec::new();
        self.grown = vec![Node::NIL; exact];
        self.exact = true;
    }

    /// More room than the scratch has, once: a guess from how densely the bytes were used so far.
    #[cold]
    #[inline(never)]
    fn grow(
        &mut self,
        length: usize,
        children: usize,
        used: usize,
        left: usize,
    ) -> Result<(), Stop> {
        if !self.grown.is_empty() {
            return Err(Stop::Room);
        }
        // No more nodes than bytes can ever be needed: 16 bytes of nodes per byte of the wire.
        let most = length + left;
        let used = used.max(1);
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
#[inline(always)]
fn run(of: &mut Reader<'_>, room: &mut Room<'_>) -> Result<(usize, u32), Stop> {
    let mut reader = *of;
    let mut nodes = room.nodes();
    let mut length = 1usize;
    let mut maps = NO_MAP;
    let (mut slot, mut end, mut saved) = (0usize, 1usize, NONE);
    loop {
        let children = reader.one(&mut nodes[slot])?;
        if children == 0 {
            slot += 1;
            // Done with these children: on with those who wait.
            if slot == end {
                if saved == NONE {
                    of.pos = reader.pos;
                    return Ok((length, maps));
                }
                slot = saved as usize;
                let frame = nodes[slot];
                end = frame.count();
                saved = frame.b as u32;
            }
            continue;
        }
        // Every term takes at least one byte.
        if children > reader.input.len() - reader.pos {
            return Err(DecodeErrorKind::Truncated.at(reader.pos).into());
        }
        if children > nodes.len() - length {
            room.grow(
                length,
                children,
                reader.pos - reader.start,
                reader.input.len() - reader.pos,
            )?;
            nodes = room.nodes();
        }
        let kind = nodes[slot].kind();
        nodes[slot].b |= length as u64;
        if kind == Kind::Map {
            nodes[slot].b |= u64::from(maps) << 32;
            maps = slot as u32;
        }
        // The last child needs no frame: what follows it is what follows its parent.
        if slot + 1 < end {
            let tail = nodes[slot + 1].is_tail();
            nodes[slot + 1] = Node::pending(tail, end as u32, u64::from(saved));
            saved = (slot + 1) as u32;
        }
        slot = length;
        length += children;
        end = length;
        if kind == Kind::List {
            nodes[end - 1] = Node::pending(true, 0, 0);
        }
    }
}

/// Where reading stands. Its hot users keep a copy of their own, whose address nobody has: then it lives in registers, and the next tag
/// is found without waiting for the store of where it is. So what is called, and not in line, takes it and gives it back by value.
#[derive(Clone, Copy)]
struct Reader<'a> {
    input: &'a [u8],
    pos: usize,
    start: usize,
    atoms: &'a [Atom],
    /// Whether everything so far is written as we would write it, so that the bytes can be sent on as they are. A doubt makes it false.
    plain: &'a Cell<bool>,
}

impl<'a> Reader<'a> {
    /// One tag: a finished leaf, or a container and how many children follow; where they are put is not yet in it. Written in place: a node built elsewhere and copied costs a stall of the store buffer.
    #[inline(always)]
    fn one(&mut self, out: &mut Node) -> Result<usize, Stop> {
        loop {
            let at = self.pos;
            let Some(&tag) = self.input.get(at) else {
                return Err(DecodeErrorKind::Truncated.at(at).into());
            };
            self.pos = at + 1;
            let (node, children) = match tag {
                SMALL_ATOM_UTF8_EXT => {
                    let length = usize::from(self.u8()?);
                    let from = self.pos;
                    let name = self.take(length)?;
                    if !short_ascii(self.input, from, length) {
                        check_atom(name, from)?;
                    }
                    (Node::atom(Kind::Atom, from, length), 0)
                }
                SMALL_INTEGER_EXT => (Node::int(i64::from(self.u8()?)), 0),
                INTEGER_EXT => {
                    let value = i32::from_be_bytes(self.array()?);
                    if matches!(value, 0..=255) {
                        self.doubt();
                    }
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
                        self.doubt();
                        continue;
                    }
                    if self.input.get(self.pos) == Some(&SMALL_INTEGER_EXT)
                        && self.is_string(length)
                    {
                        self.doubt();
                    }
                    if out.is_tail() {
                        self.doubt();
                    }
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
                        return Err(DecodeErrorKind::BadFloat.at(at).into());
                    }
                    (Node::float(value), 0)
                }
                ATOM_CACHE_REF => {
                    self.doubt();
                    let index = self.u8()?;
                    if usize::from(index) >= self.atoms.len() {
                        return Err(DecodeErrorKind::BadCacheRef { index, len: self.atoms.len() }
                            .at(at)
                            .into());
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
                    if length == 0 || out.is_tail() {
                        self.doubt();
                    }
                    (if length == 0 { Node::NIL } else { node }, 0)
                }
                _ => {
                    let (node, children, after) = self.rare(tag, at)?;
                    *self = after;
                    (node, children)
                }
            };
            *out = node;
            return Ok(children);
        }
    }

    /// The tags off the hot path.
    #[inline(never)]
    fn rare(mut self, tag: u8, at: usize) -> Result<(Node, usize, Self), Stop> {
        let (node, children) = match tag {
            LARGE_TUPLE_EXT => {
                let arity = self.length()?;
                if arity <= 255 {
                    self.doubt();
                }
                container(Kind::Tuple, arity)
            }
            ATOM_UTF8_EXT => {
                let length = usize::from(u16::from_be_bytes(self.array()?));
                if length <= 255 {
                    self.doubt();
                }
                (self.atom_utf8(length)?, 0)
            }
            SMALL_ATOM_EXT => {
                self.doubt();
                let length = usize::from(self.u8()?);
                (self.atom_latin1(length)?, 0)
            }
            ATOM_EXT => {
                self.doubt();
                let length = usize::from(u16::from_be_bytes(self.array()?));
                (self.atom_latin1(length)?, 0)
            }
            SMALL_BIG_EXT => {
                let length = usize::from(self.u8()?);
                let node = self.big(length)?;
                if !self.is_plain_big(at, node) {
                    self.doubt();
                }
                (node, 0)
            }
            LARGE_BIG_EXT => {
                self.doubt();
                let length = self.length()?;
                (self.big(length)?, 0)
            }
            FLOAT_EXT => {
                self.doubt();
                let text: [u8; 31] = self.array()?;
                let value =
                    parse_old_float(&text).ok_or_else(|| DecodeErrorKind::BadFloat.at(at))?;
                (Node::float(value), 0)
            }
            BIT_BINARY_EXT => {
                self.doubt();
                let length = self.length()?;
                let bits = self.u8()?;
                (self.bits(length, bits, at)?, 0)
            }
            PID_EXT => (self.identifier(Kind::Pid, at)?, 0),
            NEW_REFERENCE_EXT | REFERENCE_EXT => (self.identifier(Kind::Reference, at)?, 0),
            V4_PORT_EXT => (self.today(Kind::Port, at, 1, 12)?, 0),
            NEW_PORT_EXT | PORT_EXT => (self.identifier(Kind::Port, at)?, 0),
            EXPORT_EXT => self.export()?,
            NEW_FUN_EXT => self.fun()?,
            NATIVE_RECORD_EXT => self.record()?,
            other => return Err(DecodeErrorKind::UnknownTag(other).at(at).into()),
        };
        Ok((node, children, self))
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
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
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
        Ok(Node::atom(Kind::Atom, from, length))
    }

    fn atom_latin1(&mut self, length: usize) -> Result<Node, DecodeError> {
        let from = self.pos;
        if length > MAX_ATOM_CHARACTERS {
            return Err(DecodeErrorKind::AtomTooLong.at(from));
        }
        let kind = if self.take(length)?.is_ascii() { Kind::Atom } else { Kind::AtomLatin1 };
        Ok(Node::atom(kind, from, length))
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
            (1.., 8) => Ok(Node::new(Kind::Binary, node.a(), node.b)),
            (1.., 1..=7) => Ok(Node::with_extra(Kind::Bits, bits, node.a(), node.b)),
            _ => Err(DecodeErrorKind::BadBits(bits).at(at)),
        }
    }

    /// An identifier in today's form with its own atom, `head` bytes after the tag and `tail` bytes after the atom; or any other.
    #[inline(always)]
    fn today(&mut self, kind: Kind, at: usize, head: usize, tail: usize) -> Result<Node, Stop> {
        match identifier::today(self.input, at, head, tail) {
            Some(end) => {
                self.pos = end;
                Ok(Node::new(kind, at as u32, (end - at) as u64))
            }
            None => {
                let (node, after) = self.identifier_apart(kind, at)?;
                *self = after;
                Ok(node)
            }
        }
    }

    /// Something is not, or may not be, as we would write it.
    #[inline(always)]
    fn doubt(&self) {
        self.plain.set(false);
    }

    /// Whether the `length` elements here and their tail are a list of bytes, which we write as a string.
    #[inline(never)]
    fn is_string(self, length: usize) -> bool {
        let rest = self.input.get(self.pos..).unwrap_or_default();
        length <= usize::from(u16::MAX)
            && rest.get(2 * length) == Some(&NIL_EXT)
            && rest
                .chunks_exact(2)
                .take(length)
                .all(|pair| pair.first() == Some(&SMALL_INTEGER_EXT))
    }

    /// Whether a `SMALL_BIG_EXT` is beyond 32 bits, with no leading zeros and a sign of 0 or 1.
    fn is_plain_big(&self, at: usize, node: Node) -> bool {
        let beyond = node.kind() == Kind::Big || i32::try_from(node.b as i64).is_err();
        beyond
            && self.input.get(at + 2).is_some_and(|&sign| sign <= 1)
            && self.input.get(self.pos - 1) != Some(&0)
    }

    #[inline(never)]
    fn identifier_apart(mut self, kind: Kind, at: usize) -> Result<(Node, Self), Stop> {
        let node = self.identifier(kind, at)?;
        Ok((node, self))
    }

    #[inline(always)]
    fn identifier(&mut self, kind: Kind, at: usize) -> Result<Node, DecodeError> {
        self.doubt();
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
        self.doubt();
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
        Ok((Node::with_extra(Kind::Record, flags, fields as u32, 0), children))
    }
}

/// A container of as many children as it counts.
#[inline(always)]
const fn container(kind: Kind, count: usize) -> (Node, usize) {
    (Node::new(kind, count as u32, 0), count)
}

/// Whether the `length` bytes of a name at `from`, which are there, are ASCII. Names are short: in line, a word at a time.
#[inline(always)]
pub(crate) fn short_ascii(input: &[u8], from: usize, length: usize) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let rest = input.get(from..).unwrap_or_default();
    if length < 8 {
        // What follows the name is shifted out.
        return match rest.first_chunk::<8>() {
            Some(word) => ((u64::from_le_bytes(*word) << 1) << (63 - 8 * length)) & HIGH == 0,
            None => rest.get(..length).is_some_and(<[u8]>::is_ascii),
        };
    }
    let Some(name) = rest.get(..length) else { return false };
    let last = name.last_chunk::<8>().map_or(HIGH, |last| u64::from_le_bytes(*last));
    let words = name.as_chunks::<8>().0;
    words.iter().fold(last, |seen, word| seen | u64::from_le_bytes(*word)) & HIGH == 0
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
    Node::with_extra(Kind::Big, u8::from(negative), from, length as u64)
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
