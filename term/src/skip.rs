//! Walks over terms without building anything: where they end, how many parts they have, whether their form is right.

use crate::atom::Atom;
use crate::cursor::atom_at;
use crate::decode::{certainly_ascii, check_atom, parse_old_float, short_ascii, word};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::identifier;
use crate::map;
use crate::tag::*;

/// A reader over bytes with the atoms its cache references mean. Counts instead of a stack: depth costs nothing.
struct Walk<'a> {
    input: &'a [u8],
    pos: usize,
    atoms: &'a [Atom],
    /// Terms still to be read.
    pending: usize,
}

/// The end of the term at `pos`, having checked everything but the keys of maps.
pub(crate) fn term(input: &[u8], atoms: &[Atom], pos: usize) -> Result<usize, DecodeError> {
    let (mut pos, mut pending) = usual(input, pos, 1);
    while pending > 0 {
        let (after, children) = one(input, atoms, pos)?;
        (pos, pending) = usual(input, after, pending - 1 + children);
    }
    Ok(pos)
}

/// Walks over the terms that most messages are made of, up to the end of `pending` or a term for [`Walk`]; where that is, and how many are
/// left. It refuses nothing: what is not plainly right is left where it is. So a position and a count are all it keeps, in registers.
#[inline(always)]
fn usual(input: &[u8], mut pos: usize, mut pending: usize) -> (usize, usize) {
    while pending > 0 {
        let Some((after, children)) = plain(input, pos) else { break };
        if after > input.len() || children > input.len() - after {
            break;
        }
        pos = after;
        pending = pending - 1 + children;
    }
    (pos, pending)
}

/// Where the usual term at `at` ends, if that is in the input, and how many children follow.
#[inline(always)]
fn plain(input: &[u8], at: usize) -> Option<(usize, usize)> {
    Some(match *input.get(at)? {
        SMALL_ATOM_UTF8_EXT => {
            let length = usize::from(*input.get(at + 1)?);
            if at + 2 + length > input.len() || !certainly_ascii(input, at + 2, length) {
                return None;
            }
            (at + 2 + length, 0)
        }
        SMALL_INTEGER_EXT => (at + 2, 0),
        INTEGER_EXT => (at + 5, 0),
        NIL_EXT => (at + 1, 0),
        SMALL_TUPLE_EXT => (at + 2, usize::from(*input.get(at + 1)?)),
        BINARY_EXT => ((at + 5).checked_add(word(input, at + 1)? as usize)?, 0),
        LIST_EXT => (at + 5, (word(input, at + 1)? as usize).checked_add(1)?),
        MAP_EXT => (at + 5, (word(input, at + 1)? as usize).checked_mul(2)?),
        NEW_PID_EXT => (identifier::today_if(input, at, 1, 12, certainly_ascii)?, 0),
        NEWER_REFERENCE_EXT => {
            let words = input.get(at + 2).copied().unwrap_or_default();
            let tail = 4 + 4 * usize::from(words);
            (identifier::today_if(input, at, 3, tail, certainly_ascii)?, 0)
        }
        NEW_FLOAT_EXT => {
            let bits = u64::from_be_bytes(*input.get(at + 1..)?.first_chunk()?);
            if !f64::from_bits(bits).is_finite() {
                return None;
            }
            (at + 9, 0)
        }
        _ => return None,
    })
}

/// One tag and its own data: where its children begin, and how many there are. Atoms inside an identifier are its data.
pub(crate) fn one(input: &[u8], atoms: &[Atom], pos: usize) -> Result<(usize, usize), DecodeError> {
    let mut walk = Walk { input, pos, atoms, pending: 1 };
    walk.step()?;
    Ok((walk.pos, walk.pending))
}

/// How many nodes the term at `pos` needs at most, indexes of maps included; stops at the first error, which the decoder will meet too.
pub(crate) fn count_nodes(input: &[u8], atoms: &[Atom], pos: usize) -> usize {
    let mut walk = Walk { input, pos, atoms, pending: 1 };
    let mut nodes = 0;
    while walk.pending > 0
        && let Ok(more) = walk.step_of_nodes()
    {
        nodes += more;
    }
    nodes + walk.pending
}

/// How many nodes the next `terms` from `pos` on need, and how many bytes these are: fewer where the input ends before. With them counts
/// a part of each container that is still to come: of what is deep, all is begun before anything ends.
pub(crate) fn sample_nodes(
    input: &[u8],
    atoms: &[Atom],
    pos: usize,
    terms: usize,
) -> (usize, usize) {
    // Terms without end: whose children they are does not matter.
    const ENDLESS: usize = usize::MAX / 2;
    let mut walk = Walk { input, pos, atoms, pending: ENDLESS };
    let (mut nodes, mut end, mut containers, mut to_come) = (0, pos, 0, 0);
    for _ in 0..terms {
        let before = walk.pending;
        let Ok(more) = walk.step_of_nodes() else { break };
        nodes += more;
        containers += usize::from(walk.pending >= before);
        to_come = walk.pending.saturating_sub(ENDLESS);
        end = walk.pos;
    }
    (nodes + to_come.min(containers), end - pos)
}

/// Whether an `EXPORT_EXT` at `pos` has its two atoms and small integer.
pub(crate) fn export(input: &[u8], cache: &[Atom], pos: usize) -> Result<(), DecodeError> {
    let arity = atoms(input, cache, pos, 2)?;
    match input.get(arity) {
        Some(&SMALL_INTEGER_EXT) => Ok(()),
        // The long form of a small number is allowed.
        Some(&INTEGER_EXT) if input.get(arity + 1..arity + 4) == Some(&[0, 0, 0]) => Ok(()),
        Some(_) => {
            Err(DecodeErrorKind::BadFun("an arity that is no integer from 0 to 255").at(arity))
        }
        None => Err(DecodeErrorKind::Truncated.at(arity)),
    }
}

/// Whether module, old index, old uniq and pid of a closure are of their kinds.
pub(crate) fn fun_head(input: &[u8], cache: &[Atom], pos: usize) -> Result<(), DecodeError> {
    let mut at = atoms(input, cache, pos, 1)?;
    for _ in 0..2 {
        match input.get(at) {
            Some(&(SMALL_INTEGER_EXT | INTEGER_EXT | SMALL_BIG_EXT | LARGE_BIG_EXT)) => {
                at = term(input, cache, at)?
            }
            Some(_) => {
                return Err(
                    DecodeErrorKind::BadFun("an old index or uniq that is no integer").at(at)
                );
            }
            None => return Err(DecodeErrorKind::Truncated.at(at)),
        }
    }
    match input.get(at) {
        Some(&(NEW_PID_EXT | PID_EXT)) => Ok(()),
        Some(_) => Err(DecodeErrorKind::BadFun("a creator that is no pid").at(at)),
        None => Err(DecodeErrorKind::Truncated.at(at)),
    }
}

/// Whether `count` atoms stand at `pos`; the end.
pub(crate) fn atoms(
    input: &[u8],
    cache: &[Atom],
    pos: usize,
    count: usize,
) -> Result<usize, DecodeError> {
    let mut walk = Walk { input, pos, atoms: cache, pending: 0 };
    for _ in 0..count {
        match input.get(walk.pos) {
            Some(&tag) if is_atom(tag) => {
                walk.pending = 1;
                walk.step()?;
            }
            Some(_) => {
                return Err(DecodeErrorKind::Expected { expected: "atom", found: "another term" }
                    .at(walk.pos));
            }
            None => return Err(DecodeErrorKind::Truncated.at(walk.pos)),
        }
    }
    Ok(walk.pos)
}

/// Whether a native record may have these flags, and its module, name and names of fields, of which none is there twice.
pub(crate) fn record_head(
    input: &[u8],
    cache: &[Atom],
    pos: usize,
    fields: usize,
    flags: u8,
) -> Result<(), DecodeError> {
    // One bit is known to OTP 29: whether the record is exported.
    if flags > 1 {
        return Err(DecodeErrorKind::BadRecord("unknown flags").at(pos));
    }
    let first = atoms(input, cache, pos, 2)?;
    atoms(input, cache, first, fields)?;
    // Places, not names: four bytes for a field, of which the wire has three at least.
    let mut places = Vec::with_capacity(fields);
    let mut at = first;
    for _ in 0..fields {
        places.push(at as u32);
        at = atom_at(input, Some(cache), at)?.1;
    }
    let name = |place: u32| atom_at(input, Some(cache), place as usize).map(|(name, _)| name).ok();
    places.sort_unstable_by_key(|&place| name(place));
    if places.windows(2).any(|pair| matches!(pair, [a, b] if name(*a) == name(*b))) {
        return Err(DecodeErrorKind::BadRecord("the same field twice").at(first));
    }
    Ok(())
}

/// Whether a tag is one of an atom.
pub(crate) const fn is_atom(tag: u8) -> bool {
    matches!(tag, SMALL_ATOM_UTF8_EXT | ATOM_UTF8_EXT | SMALL_ATOM_EXT | ATOM_EXT | ATOM_CACHE_REF)
}

impl Walk<'_> {
    /// One step; the nodes of that term without its children.
    #[inline(always)]
    fn step_of_nodes(&mut self) -> Result<usize, DecodeError> {
        let (tag, before) = (self.input.get(self.pos), self.pending);
        self.step()?;
        if tag == Some(&MAP_EXT) {
            // Most maps need no index, but this is for those that do.
            return Ok(1 + map::index_nodes((self.pending + 1 - before) / 2));
        }
        Ok(1)
    }

    #[inline(always)]
    fn step(&mut self) -> Result<(), DecodeError> {
        let at = self.pos;
        let Some(&tag) = self.input.get(at) else { return Err(DecodeErrorKind::Truncated.at(at)) };
        self.pos = at + 1;
        self.pending -= 1;
        match tag {
            SMALL_ATOM_UTF8_EXT => {
                let length = usize::from(self.u8()?);
                self.atom_utf8(length)
            }
            SMALL_INTEGER_EXT => self.skip(1),
            INTEGER_EXT => self.skip(4),
            NIL_EXT => Ok(()),
            SMALL_TUPLE_EXT => {
                let arity = usize::from(self.u8()?);
                self.children(arity)
            }
            BINARY_EXT => {
                let length = self.length()?;
                self.skip(length)
            }
            LIST_EXT => {
                let length = self.length()?;
                self.children(length.saturating_add(1))
            }
            MAP_EXT => {
                let pairs = self.length()?;
                self.children(pairs.saturating_mul(2))
            }
            NEW_PID_EXT => match identifier::today(self.input, at, 1, 12) {
                Some(end) => {
                    self.pos = end;
                    Ok(())
                }
                None => self.rare(tag, at),
            },
            NEWER_REFERENCE_EXT => {
                let words = self.input.get(at + 2).copied().unwrap_or_default();
                match identifier::today(self.input, at, 3, 4 + 4 * usize::from(words)) {
                    Some(end) => {
                        self.pos = end;
                        Ok(())
                    }
                    None => self.rare(tag, at),
                }
            }
            NEW_FLOAT_EXT => {
                let value = f64::from_bits(u64::from_be_bytes(self.array()?));
                if value.is_finite() { Ok(()) } else { Err(DecodeErrorKind::BadFloat.at(at)) }
            }
            _ => self.rare(tag, at),
        }
    }

    #[inline(never)]
    fn rare(&mut self, tag: u8, at: usize) -> Result<(), DecodeError> {
        match tag {
            NEW_FLOAT_EXT => {
                let value = f64::from_bits(u64::from_be_bytes(self.array()?));
                if value.is_finite() { Ok(()) } else { Err(DecodeErrorKind::BadFloat.at(at)) }
            }
            ATOM_CACHE_REF => {
                let index = self.u8()?;
                if usize::from(index) < self.atoms.len() {
                    return Ok(());
                }
                Err(DecodeErrorKind::BadCacheRef { index, len: self.atoms.len() }.at(at))
            }
            NEW_PID_EXT | PID_EXT | NEWER_REFERENCE_EXT | NEW_REFERENCE_EXT | REFERENCE_EXT
            | V4_PORT_EXT | NEW_PORT_EXT | PORT_EXT => {
                let rest = self.input.get(at..).unwrap_or_default();
                let length = identifier::check(rest, self.atoms)
                    .map_err(|error| error.kind.at(at + error.offset))?;
                self.pos = at + length;
                Ok(())
            }
            STRING_EXT => {
                let length = usize::from(u16::from_be_bytes(self.array()?));
                self.skip(length)
            }
            LARGE_TUPLE_EXT => {
                let arity = self.length()?;
                self.children(arity)
            }
            ATOM_UTF8_EXT => {
                let length = usize::from(u16::from_be_bytes(self.array()?));
                self.atom_utf8(length)
            }
            SMALL_ATOM_EXT => {
                let length = usize::from(self.u8()?);
                self.skip(length)
            }
            ATOM_EXT => {
                let length = usize::from(u16::from_be_bytes(self.array()?));
                if length > crate::atom::MAX_ATOM_CHARACTERS {
                    return Err(DecodeErrorKind::AtomTooLong.at(self.pos));
                }
                self.skip(length)
            }
            SMALL_BIG_EXT => {
                let length = usize::from(self.u8()?);
                self.skip(length + 1)
            }
            LARGE_BIG_EXT => {
                let length = self.length()?;
                self.skip(length.saturating_add(1))
            }
            FLOAT_EXT => {
                let text: [u8; 31] = self.array()?;
                parse_old_float(&text).map(|_| ()).ok_or_else(|| DecodeErrorKind::BadFloat.at(at))
            }
            BIT_BINARY_EXT => {
                let length = self.length()?;
                let bits = self.u8()?;
                match (length, bits) {
                    (1.., 1..=8) => self.skip(length),
                    _ => Err(DecodeErrorKind::BadBits(bits).at(at)),
                }
            }
            EXPORT_EXT => {
                export(self.input, self.atoms, self.pos)?;
                self.children(3)
            }
            NEW_FUN_EXT => {
                self.skip(25)?;
                let free = self.length()?;
                fun_head(self.input, self.atoms, self.pos)?;
                self.children(free.saturating_add(4))
            }
            NATIVE_RECORD_EXT => {
                let fields = self.length()?;
                let flags = self.u8()?;
                record_head(self.input, self.atoms, self.pos, fields, flags)?;
                self.children(fields.saturating_mul(2).saturating_add(2))
            }
            other => Err(DecodeErrorKind::UnknownTag(other).at(at)),
        }
    }

    #[inline(always)]
    fn children(&mut self, children: usize) -> Result<(), DecodeError> {
        if children > self.input.len() - self.pos {
            return Err(DecodeErrorKind::Truncated.at(self.pos));
        }
        self.pending += children;
        Ok(())
    }

    #[inline(always)]
    fn skip(&mut self, length: usize) -> Result<(), DecodeError> {
        if length > self.input.len() - self.pos {
            return Err(DecodeErrorKind::Truncated.at(self.pos));
        }
        self.pos += length;
        Ok(())
    }

    #[inline(always)]
    fn u8(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline(always)]
    fn length(&mut self) -> Result<usize, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
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
    fn atom_utf8(&mut self, length: usize) -> Result<(), DecodeError> {
        let from = self.pos;
        self.skip(length)?;
        let name = self.input.get(from..self.pos).unwrap_or_default();
        if length < 256 && short_ascii(self.input, from, length) {
            Ok(())
        } else {
            check_atom(name, from)
        }
    }
}
