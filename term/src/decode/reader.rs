//! One tag after the other, checked: what it says, and how many children follow.

use std::cell::Cell;

use crate::atom::{Atom, MAX_ATOM_CHARACTERS};
use crate::error::DecodeErrorKind;
use crate::identifier;
use crate::map;
use crate::node::{Kind, Node};
use crate::skip;
use crate::tag::*;

use super::leaf::{big_node, check_atom, parse_old_float, short_ascii};
use super::run::Stop;

/// Where reading stands. Its hot users keep a copy of their own, whose address nobody has: then it lives in registers, and the next tag
/// is found without waiting for the store of where it is. So what is called, and not in line, takes it and gives it back by value.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) input: &'a [u8],
    pub(super) pos: usize,
    pub(super) atoms: &'a [Atom],
    /// Whether everything so far is written as we would write it, so that the bytes can be sent on as they are. A doubt makes it false.
    pub(super) plain: &'a Cell<bool>,
}

impl<'a> Reader<'a> {
    /// One tag: a finished leaf, or a container and how many children follow; where they are put is not yet in it. `tail` says whether it
    /// stands as the tail of a list.
    #[inline(always)]
    pub(super) fn one(&mut self, tail: bool) -> Result<(Node, usize), Stop> {
        let at = self.pos;
        let Some(&tag) = self.input.get(at) else {
            return Err(Stop::truncated(at));
        };
        self.pos = at + 1;
        Ok(match tag {
            SMALL_ATOM_UTF8_EXT => {
                let length = usize::from(self.u8()?);
                let from = self.pos;
                let name = self.take(length)?;
                if !short_ascii(self.input, from, length) {
                    check_name(name, from)?;
                }
                (Node::atom(Kind::Atom, from, length), 0)
            }
            SMALL_INTEGER_EXT => (Node::int_at(i64::from(self.u8()?), at), 0),
            INTEGER_EXT => {
                let value = i32::from_be_bytes(self.array()?);
                if matches!(value, 0..=255) {
                    self.doubt();
                }
                (Node::int_at(i64::from(value), at), 0)
            }
            SMALL_TUPLE_EXT => container(Kind::Tuple, at, usize::from(self.u8()?)),
            BINARY_EXT => {
                let length = self.length()?;
                (self.bytes_node(Kind::Binary, length)?, 0)
            }
            NIL_EXT => (Node::new(Kind::Nil, at as u32, 0), 0),
            LIST_EXT => {
                let length = self.length()?;
                if length == 0 {
                    // No elements before the tail: to OTP, the tail is the term.
                    self.doubt();
                    return Err(Stop::Again);
                }
                if self.input.get(self.pos) == Some(&SMALL_INTEGER_EXT) && self.is_string(length) {
                    self.doubt();
                }
                if tail {
                    self.doubt();
                }
                (container(Kind::List, at, length).0, length + 1)
            }
            MAP_EXT => {
                let pairs = self.length()?;
                if pairs == 0 {
                    (Node::new(Kind::Map, 0, map::EMPTY | at as u64), 0)
                } else {
                    (Node::new(Kind::Map, pairs as u32, 0), pairs.saturating_mul(2))
                }
            }
            NEW_FLOAT_EXT => {
                let value = f64::from_bits(u64::from_be_bytes(self.array()?));
                if !value.is_finite() {
                    return Err(Stop::bad_float(at));
                }
                (Node::new(Kind::Float, at as u32, value.to_bits()), 0)
            }
            ATOM_CACHE_REF => {
                self.doubt();
                let index = self.u8()?;
                if usize::from(index) >= self.atoms.len() {
                    return Err(Stop::bad_cache_ref(index, self.atoms.len(), at));
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
                if length == 0 || tail {
                    self.doubt();
                }
                (if length == 0 { Node::NIL } else { node }, 0)
            }
            _ => {
                let (node, children, after) = self.rare(tag, at)?;
                *self = after;
                (node, children)
            }
        })
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
                container(Kind::Tuple, at, arity)
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
                let node = self.big(at, length)?;
                if !self.is_plain_big(at, node) {
                    self.doubt();
                }
                (node, 0)
            }
            LARGE_BIG_EXT => {
                self.doubt();
                let length = self.length()?;
                (self.big(at, length)?, 0)
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
            EXPORT_EXT => self.export(at)?,
            NEW_FUN_EXT => self.fun()?,
            NATIVE_RECORD_EXT => self.record(at)?,
            other => return Err(DecodeErrorKind::UnknownTag(other).at(at).into()),
        };
        Ok((node, children, self))
    }

    #[inline(always)]
    fn u8(&mut self) -> Result<u8, Stop> {
        let Some(&byte) = self.input.get(self.pos) else {
            return Err(Stop::truncated(self.pos));
        };
        self.pos += 1;
        Ok(byte)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let Some(bytes) = self.input.get(self.pos..).and_then(|rest| rest.first_chunk::<N>())
        else {
            return Err(Stop::truncated(self.pos));
        };
        self.pos += N;
        Ok(*bytes)
    }

    #[inline(always)]
    fn length(&mut self) -> Result<usize, Stop> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    #[inline(always)]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let Some(bytes) = self.input.get(self.pos..).and_then(|rest| rest.get(..length)) else {
            return Err(Stop::truncated(self.pos));
        };
        self.pos += length;
        Ok(bytes)
    }

    #[inline(always)]
    fn bytes_node(&mut self, kind: Kind, length: usize) -> Result<Node, Stop> {
        let from = self.pos;
        self.take(length)?;
        Ok(Node::new(kind, from as u32, length as u64))
    }

    #[inline(always)]
    fn atom_utf8(&mut self, length: usize) -> Result<Node, Stop> {
        let from = self.pos;
        let name = self.take(length)?;
        check_name(name, from)?;
        Ok(Node::atom(Kind::Atom, from, length))
    }

    fn atom_latin1(&mut self, length: usize) -> Result<Node, Stop> {
        let from = self.pos;
        if length > MAX_ATOM_CHARACTERS {
            return Err(DecodeErrorKind::AtomTooLong.at(from).into());
        }
        let kind = if self.take(length)?.is_ascii() { Kind::Atom } else { Kind::AtomLatin1 };
        Ok(Node::atom(kind, from, length))
    }

    fn big(&mut self, at: usize, length: usize) -> Result<Node, Stop> {
        let negative = self.u8()? != 0;
        let from = self.pos;
        let node = big_node(self.take(length)?, negative, from as u32);
        Ok(if node.kind() == Kind::Int { Node::int_at(node.b as i64, at) } else { node })
    }

    fn bits(&mut self, length: usize, bits: u8, at: usize) -> Result<Node, Stop> {
        let node = self.bytes_node(Kind::Bits, length)?;
        // The last byte uses 1 to 8 bits, so there is one. (OTP 25 still took no bytes with 0 bits; OTP 27 refuses that.)
        match (length, bits) {
            (1.., 8) => Ok(Node::new(Kind::Binary, node.a(), node.b)),
            (1.., 1..=7) => Ok(Node::with_extra(Kind::Bits, bits, node.a(), node.b)),
            _ => Err(DecodeErrorKind::BadBits(bits).at(at).into()),
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
    fn identifier(&mut self, kind: Kind, at: usize) -> Result<Node, Stop> {
        self.doubt();
        let rest = self.input.get(at..).unwrap_or_default();
        let length = identifier::check(rest, self.atoms)
            .map_err(|error| error.kind.at(at + error.offset))?;
        self.pos = at + length;
        Ok(Node::new(kind, at as u32, length as u64))
    }

    /// `fun M:F/A`: two atoms and a small integer.
    fn export(&self, at: usize) -> Result<(Node, usize), Stop> {
        skip::export(self.input, self.atoms, self.pos)?;
        Ok(container(Kind::Export, at, 3))
    }

    /// Size (not trusted, as OTP does not), arity, uniq, index, number of free variables; then terms.
    fn fun(&mut self) -> Result<(Node, usize), Stop> {
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
    fn record(&mut self, at: usize) -> Result<(Node, usize), Stop> {
        let fields = self.length()?;
        let flags = self.u8()?;
        skip::record_head(self.input, self.atoms, self.pos, fields, flags)?;
        let children = fields.saturating_mul(2).saturating_add(2);
        Ok((Node::with_extra(Kind::Record, flags, fields as u32, (at as u64) << 32), children))
    }
}

/// Checks a name that is not short and ASCII.
#[inline(never)]
fn check_name(name: &[u8], from: usize) -> Result<(), Stop> {
    Ok(check_atom(name, from)?)
}

/// A container of as many children as it counts.
#[inline(always)]
const fn container(kind: Kind, at: usize, count: usize) -> (Node, usize) {
    (Node::new(kind, count as u32, (at as u64) << 32), count)
}
