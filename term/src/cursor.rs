//! A bounded reader over terms one after the other, for those who know what stands there (control messages).

use bytes::Bytes;

use crate::atom::{Atom, AtomRef};
use crate::decode::{big_node, check_atom};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::identifier;
use crate::node::Kind;
use crate::pid::Pid;
use crate::reference::Reference;
use crate::skip;
use crate::tag::*;
use crate::term::Term;

/// Reads terms from bytes without the leading 131.
///
/// A refused read leaves the cursor where it was.
///
/// ```
/// use term::Cursor;
/// // {2, '', ok}
/// let bytes = [104, 3, 97, 2, 119, 0, 119, 2, b'o', b'k'];
/// let mut cursor = Cursor::new(&bytes, &[]);
/// assert_eq!(cursor.tuple_header()?, 3);
/// assert_eq!(cursor.integer_u64()?, 2);
/// cursor.skip_term()?;
/// assert_eq!(cursor.atom()?, "ok");
/// assert!(cursor.is_empty());
/// # Ok::<(), term::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    input: &'a [u8],
    atoms: &'a [Atom],
    pos: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `input`; `atoms` are what atom cache references mean, by position in the distribution header.
    #[must_use]
    pub const fn new(input: &'a [u8], atoms: &'a [Atom]) -> Self {
        Self { input, atoms, pos: 0 }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.pos
    }

    /// What has not been read.
    #[must_use]
    #[inline]
    pub fn remaining(&self) -> &'a [u8] {
        match self.input.get(self.pos..) {
            Some(rest) => rest,
            None => nothing(),
        }
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pos >= self.input.len()
    }

    /// The tag of the next term.
    #[must_use]
    #[inline]
    pub fn peek_tag(&self) -> Option<u8> {
        self.input.get(self.pos).copied()
    }

    /// Whether the next term is an atom.
    #[must_use]
    pub fn is_atom(&self) -> bool {
        self.peek_tag().is_some_and(skip::is_atom)
    }

    /// Whether the next term is a pid.
    #[must_use]
    pub fn is_pid(&self) -> bool {
        matches!(self.peek_tag(), Some(NEW_PID_EXT | PID_EXT))
    }

    /// Whether the next term is a reference.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        matches!(self.peek_tag(), Some(NEWER_REFERENCE_EXT | NEW_REFERENCE_EXT | REFERENCE_EXT))
    }

    /// Whether the next term is a port.
    #[must_use]
    pub fn is_port(&self) -> bool {
        matches!(self.peek_tag(), Some(V4_PORT_EXT | NEW_PORT_EXT | PORT_EXT))
    }

    /// Whether the next term is an integer.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(
            self.peek_tag(),
            Some(SMALL_INTEGER_EXT | INTEGER_EXT | SMALL_BIG_EXT | LARGE_BIG_EXT)
        )
    }

    /// Whether the next term is a tuple.
    #[must_use]
    pub fn is_tuple(&self) -> bool {
        matches!(self.peek_tag(), Some(SMALL_TUPLE_EXT | LARGE_TUPLE_EXT))
    }

    /// Whether the next term is a list, `[]` included.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.peek_tag(), Some(LIST_EXT | NIL_EXT | STRING_EXT))
    }

    /// The number of elements of the tuple that begins here; they follow.
    ///
    /// # Errors
    /// Where the next term is no tuple, or claims more elements than bytes are left.
    pub fn tuple_header(&mut self) -> Result<usize, DecodeError> {
        match self.peek_tag() {
            Some(SMALL_TUPLE_EXT) => {
                let [arity] = array(self.input, self.pos + 1)?;
                self.counted(2, usize::from(arity))
            }
            Some(LARGE_TUPLE_EXT) => {
                let arity = u32::from_be_bytes(array(self.input, self.pos + 1)?) as usize;
                self.counted(5, arity)
            }
            _ => Err(self.expected("tuple")),
        }
    }

    /// The number of elements of the list that begins here; they follow, and after them (unless it is 0) the tail.
    /// A list written as a string (`STRING_EXT`) is refused: see [`Cursor::term`].
    ///
    /// # Errors
    /// Where the next term is no list, or claims more elements than bytes are left.
    pub fn list_header(&mut self) -> Result<usize, DecodeError> {
        match self.peek_tag() {
            Some(NIL_EXT) => self.counted(1, 0),
            Some(LIST_EXT) => {
                let length = u32::from_be_bytes(array(self.input, self.pos + 1)?) as usize;
                if length > 0 {
                    return self.counted(5, length);
                }
                // No elements before the tail: to OTP, the tail is the term.
                let mut ahead = self.clone();
                while ahead.remaining().starts_with(&[LIST_EXT, 0, 0, 0, 0]) {
                    ahead.pos += 5;
                }
                let length = if ahead.peek_tag() == Some(LIST_EXT) {
                    let length = u32::from_be_bytes(array(ahead.input, ahead.pos + 1)?) as usize;
                    ahead.counted(5, length)?
                } else {
                    ahead.nil()?;
                    0
                };
                self.pos = ahead.pos;
                Ok(length)
            }
            _ => Err(self.expected("list")),
        }
    }

    /// Takes a `[]`.
    ///
    /// # Errors
    /// Where something else stands.
    pub fn nil(&mut self) -> Result<(), DecodeError> {
        if self.peek_tag() == Some(NIL_EXT) {
            self.pos += 1;
            return Ok(());
        }
        Err(self.expected("[]"))
    }

    /// An integer from 0 to 2^64 - 1.
    ///
    /// # Errors
    /// Where the next term is no integer of that range.
    pub fn integer_u64(&mut self) -> Result<u64, DecodeError> {
        let (magnitude, negative, end) = self.magnitude("integer from 0 to 2^64 - 1")?;
        if negative && magnitude != 0 {
            return Err(self.expected("integer from 0 to 2^64 - 1"));
        }
        self.pos = end;
        Ok(magnitude)
    }

    /// An integer of 64 bits.
    ///
    /// # Errors
    /// Where the next term is no integer of that range.
    pub fn integer_i64(&mut self) -> Result<i64, DecodeError> {
        let (magnitude, negative, end) = self.magnitude("integer of 64 bits")?;
        let value = if negative {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).ok()
        };
        let value = value.ok_or_else(|| self.expected("integer of 64 bits"))?;
        self.pos = end;
        Ok(value)
    }

    /// An integer of 32 bits without sign.
    ///
    /// # Errors
    /// Where the next term is no integer of that range.
    pub fn integer_u32(&mut self) -> Result<u32, DecodeError> {
        let mut ahead = self.clone();
        let value = ahead.integer_u64()?;
        let value =
            u32::try_from(value).map_err(|_| self.expected("integer from 0 to 2^32 - 1"))?;
        self.pos = ahead.pos;
        Ok(value)
    }

    /// An atom to keep.
    ///
    /// # Errors
    /// Where the next term is no atom.
    pub fn atom(&mut self) -> Result<Atom, DecodeError> {
        if self.peek_tag() == Some(ATOM_CACHE_REF) {
            let [index] = array(self.input, self.pos + 1)?;
            let atom = self.atoms.get(usize::from(index)).cloned();
            let bad = DecodeErrorKind::BadCacheRef { index, len: self.atoms.len() }.at(self.pos);
            self.pos += if atom.is_some() { 2 } else { 0 };
            return atom.ok_or(bad);
        }
        Ok(self.atom_ref()?.to_atom())
    }

    /// An atom where it lies.
    ///
    /// # Errors
    /// Where the next term is no atom.
    pub fn atom_ref(&mut self) -> Result<AtomRef<'a>, DecodeError> {
        if !self.is_atom() {
            return Err(self.expected("atom"));
        }
        let (atom, end) = atom_at(self.input, Some(self.atoms), self.pos)?;
        self.pos = end;
        Ok(atom)
    }

    /// The number of pairs of the map that begins here; keys and values follow in turn.
    ///
    /// # Errors
    /// Where the next term is no map, or claims more pairs than bytes are left.
    pub fn map_header(&mut self) -> Result<usize, DecodeError> {
        if self.peek_tag() != Some(MAP_EXT) {
            return Err(self.expected("map"));
        }
        let pairs = u32::from_be_bytes(array(self.input, self.pos + 1)?) as usize;
        if pairs.saturating_mul(2) > self.input.len().saturating_sub(self.pos + 5) {
            return Err(DecodeErrorKind::Truncated.at(self.pos));
        }
        self.pos += 5;
        Ok(pairs)
    }

    /// The elements of a list written as a string (`STRING_EXT`).
    ///
    /// # Errors
    /// Where something else stands.
    pub fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        if self.peek_tag() != Some(STRING_EXT) {
            return Err(self.expected("string"));
        }
        let length = usize::from(u16::from_be_bytes(array(self.input, self.pos + 1)?));
        let from = self.pos + 3;
        let bytes = self.input.get(from..).and_then(|rest| rest.get(..length));
        let bytes = bytes.ok_or_else(|| DecodeErrorKind::Truncated.at(from))?;
        self.pos = from + length;
        Ok(bytes)
    }

    /// A float.
    ///
    /// # Errors
    /// Where the next term is no float, or not a finite one.
    #[inline]
    pub fn float(&mut self) -> Result<f64, DecodeError> {
        match self.float_of_today() {
            Some(value) => Ok(value),
            None => self.other_float(),
        }
    }

    /// A finite float in the form that nodes send.
    #[inline(always)]
    pub(crate) fn float_of_today(&mut self) -> Option<f64> {
        let [NEW_FLOAT_EXT, a, b, c, d, e, f, g, h, ..] = *self.remaining() else { return None };
        let value = f64::from_bits(u64::from_be_bytes([a, b, c, d, e, f, g, h]));
        if !value.is_finite() {
            return None;
        }
        self.pos += 9;
        Some(value)
    }

    #[inline(never)]
    fn other_float(&mut self) -> Result<f64, DecodeError> {
        let at = self.pos;
        let (value, length) = match self.peek_tag() {
            Some(NEW_FLOAT_EXT) => {
                (Some(f64::from_bits(u64::from_be_bytes(array(self.input, at + 1)?))), 9)
            }
            Some(FLOAT_EXT) => (crate::decode::parse_old_float(&array(self.input, at + 1)?), 32),
            _ => return Err(self.expected("float")),
        };
        let value = value
            .filter(|value| value.is_finite())
            .ok_or_else(|| DecodeErrorKind::BadFloat.at(at))?;
        self.pos += length;
        Ok(value)
    }

    /// A pid.
    ///
    /// # Errors
    /// Where the next term is no pid.
    #[inline(always)]
    pub fn pid(&mut self) -> Result<Pid, DecodeError> {
        if let [NEW_PID_EXT, SMALL_ATOM_UTF8_EXT, length, rest @ ..] = self.remaining()
            && let Some((name, words)) = rest.split_at_checked(usize::from(*length))
            && let Some(words) = words.first_chunk::<12>()
            && let Some(node) = Atom::of_node(name)
        {
            let [id, serial, creation] = *words.as_chunks::<4>().0 else {
                return Err(self.expected("pid"));
            };
            self.pos += 15 + name.len();
            let word = u32::from_be_bytes;
            return Ok(Pid::new(node, word(id), word(serial), word(creation)));
        }
        if !self.is_pid() {
            return Err(self.expected("pid"));
        }
        Ok(self.identifier()?.pid())
    }

    /// A reference.
    ///
    /// # Errors
    /// Where the next term is no reference.
    pub fn reference(&mut self) -> Result<Reference, DecodeError> {
        if !self.is_reference() {
            return Err(self.expected("reference"));
        }
        Ok(self.identifier()?.reference())
    }

    /// A port.
    ///
    /// # Errors
    /// Where the next term is no port.
    pub fn port(&mut self) -> Result<crate::port::Port, DecodeError> {
        if !self.is_port() {
            return Err(self.expected("port"));
        }
        Ok(self.identifier()?.port())
    }

    /// The bytes of a binary.
    ///
    /// # Errors
    /// Where the next term is no binary.
    pub fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        if self.peek_tag() != Some(BINARY_EXT) {
            return Err(self.expected("binary"));
        }
        let length = u32::from_be_bytes(array(self.input, self.pos + 1)?) as usize;
        let from = self.pos + 5;
        let bytes = self.input.get(from..).and_then(|rest| rest.get(..length));
        let bytes = bytes.ok_or_else(|| DecodeErrorKind::Truncated.at(from))?;
        self.pos = from + length;
        Ok(bytes)
    }

    /// Passes over one term, checking its form but not whether the keys of its maps differ. Uses no stack.
    ///
    /// # Errors
    /// Where no well-formed term stands.
    pub fn skip_term(&mut self) -> Result<&'a [u8], DecodeError> {
        let end = skip::term(self.input, self.atoms, self.pos)?;
        let bytes = self.input.get(self.pos..end).unwrap_or_default();
        self.pos = end;
        Ok(bytes)
    }

    /// Decodes one term; the rest stays.
    ///
    /// # Errors
    /// Where no term stands that OTP would accept.
    pub fn term(&mut self) -> Result<Term, DecodeError> {
        let at = self.pos;
        let end = skip::term(self.input, self.atoms, at)?;
        let bytes = Bytes::copy_from_slice(self.input.get(at..end).unwrap_or_default());
        let table = (!self.atoms.is_empty()).then(|| self.atoms.into());
        let term = Term::decode_fragment(bytes, table)
            .map_err(|error| error.kind.at(at + error.offset))?;
        self.pos = end;
        Ok(term)
    }

    /// All bytes, and where in them the next term begins.
    #[inline(always)]
    pub(crate) const fn place(&self) -> (&'a [u8], usize) {
        (self.input, self.pos)
    }

    /// What atom cache references mean.
    pub(crate) const fn table(&self) -> &'a [Atom] {
        self.atoms
    }

    /// Goes past bytes that were looked at.
    #[inline]
    pub(crate) const fn pass(&mut self, length: usize) {
        self.pos += length;
    }

    /// Goes on at `pos`, to which somebody else has read.
    pub(crate) const fn advance_to(&mut self, pos: usize) {
        self.pos = pos;
    }

    fn counted(&mut self, header: usize, count: usize) -> Result<usize, DecodeError> {
        let after = self.pos + header;
        if count > self.input.len().saturating_sub(after) {
            return Err(DecodeErrorKind::Truncated.at(self.pos));
        }
        self.pos = after;
        Ok(count)
    }

    fn magnitude(&self, expected: &'static str) -> Result<(u64, bool, usize), DecodeError> {
        let at = self.pos + 1;
        match self.peek_tag() {
            Some(SMALL_INTEGER_EXT) => {
                let [value] = array(self.input, at)?;
                Ok((u64::from(value), false, at + 1))
            }
            Some(INTEGER_EXT) => {
                let value = i32::from_be_bytes(array(self.input, at)?);
                Ok((u64::from(value.unsigned_abs()), value < 0, at + 4))
            }
            Some(tag @ (SMALL_BIG_EXT | LARGE_BIG_EXT)) => {
                let (length, at) = if tag == SMALL_BIG_EXT {
                    let [length] = array(self.input, at)?;
                    (usize::from(length), at + 1)
                } else {
                    (u32::from_be_bytes(array(self.input, at)?) as usize, at + 4)
                };
                let [sign] = array(self.input, at)?;
                let digits = self.input.get(at + 1..).and_then(|rest| rest.get(..length));
                let digits = digits.ok_or_else(|| DecodeErrorKind::Truncated.at(at))?;
                let node = big_node(digits, sign != 0, 0);
                let value = match node.kind() {
                    Kind::Int => ((node.b as i64).unsigned_abs(), (node.b as i64) < 0),
                    _ if node.b <= 8 => {
                        let value = digits
                            .iter()
                            .take(8)
                            .rev()
                            .fold(0u64, |value, &digit| (value << 8) | u64::from(digit));
                        (value, sign != 0)
                    }
                    _ => return Err(self.expected(expected)),
                };
                Ok((value.0, value.1, at + 1 + length))
            }
            _ => Err(self.expected(expected)),
        }
    }

    fn identifier(&mut self) -> Result<identifier::Parts<'a>, DecodeError> {
        let at = self.pos;
        let rest = self.input.get(at..).unwrap_or_default();
        let (parts, length) = identifier::read(rest, Some(self.atoms))
            .map_err(|error| error.kind.at(at + error.offset))?;
        self.pos = at + length;
        Ok(parts)
    }

    #[cold]
    fn expected(&self, expected: &'static str) -> DecodeError {
        match self.peek_tag() {
            None => DecodeErrorKind::Truncated.at(self.pos),
            Some(tag) => DecodeErrorKind::Expected { expected, found: kind_of(tag) }.at(self.pos),
        }
    }
}

/// What kind of term a tag begins, for messages.
pub(crate) const fn kind_of(tag: u8) -> &'static str {
    match tag {
        SMALL_ATOM_UTF8_EXT | ATOM_UTF8_EXT | SMALL_ATOM_EXT | ATOM_EXT | ATOM_CACHE_REF => "atom",
        SMALL_INTEGER_EXT | INTEGER_EXT | SMALL_BIG_EXT | LARGE_BIG_EXT => "integer",
        NEW_FLOAT_EXT | FLOAT_EXT => "float",
        SMALL_TUPLE_EXT | LARGE_TUPLE_EXT => "tuple",
        NIL_EXT => "[]",
        LIST_EXT | STRING_EXT => "list",
        BINARY_EXT => "binary",
        BIT_BINARY_EXT => "bit string",
        MAP_EXT => "map",
        NEW_PID_EXT | PID_EXT => "pid",
        V4_PORT_EXT | NEW_PORT_EXT | PORT_EXT => "port",
        NEWER_REFERENCE_EXT | NEW_REFERENCE_EXT | REFERENCE_EXT => "reference",
        NEW_FUN_EXT | EXPORT_EXT => "fun",
        NATIVE_RECORD_EXT => "native record",
        _ => "no term",
    }
}

/// Nothing left. Apart, so that a branch leads here that is never taken: choosing between two slices makes whoever reads wait.
#[cold]
#[inline(never)]
const fn nothing<'a>() -> &'a [u8] {
    &[]
}

fn array<const N: usize>(input: &[u8], at: usize) -> Result<[u8; N], DecodeError> {
    match input.get(at..).and_then(|rest| rest.first_chunk::<N>()) {
        Some(found) => Ok(*found),
        None => Err(DecodeErrorKind::Truncated.at(at)),
    }
}

/// The atom at `at` and where it ends. Without a table a cache reference reads as the empty atom.
pub(crate) fn atom_at<'a>(
    input: &'a [u8],
    atoms: Option<&'a [Atom]>,
    at: usize,
) -> Result<(AtomRef<'a>, usize), DecodeError> {
    let [tag] = array(input, at)?;
    let (from, length) = match tag {
        SMALL_ATOM_UTF8_EXT | SMALL_ATOM_EXT => {
            let [length] = array(input, at + 1)?;
            (at + 2, usize::from(length))
        }
        ATOM_UTF8_EXT | ATOM_EXT => {
            (at + 3, usize::from(u16::from_be_bytes(array(input, at + 1)?)))
        }
        ATOM_CACHE_REF => {
            let [index] = array(input, at + 1)?;
            let Some(atoms) = atoms else { return Ok((AtomRef::utf8(&[]), at + 2)) };
            return match atoms.get(usize::from(index)) {
                Some(atom) => Ok((atom.as_ref(), at + 2)),
                None => Err(DecodeErrorKind::BadCacheRef { index, len: atoms.len() }.at(at)),
            };
        }
        other => {
            return Err(
                DecodeErrorKind::Expected { expected: "atom", found: kind_of(other) }.at(at)
            );
        }
    };
    let name = input.get(from..).and_then(|rest| rest.get(..length));
    let name = name.ok_or_else(|| DecodeErrorKind::Truncated.at(from))?;
    if matches!(tag, SMALL_ATOM_UTF8_EXT | ATOM_UTF8_EXT) {
        check_atom(name, from)?;
        return Ok((AtomRef::utf8(name), from + length));
    }
    if length > crate::atom::MAX_ATOM_CHARACTERS {
        return Err(DecodeErrorKind::AtomTooLong.at(from));
    }
    Ok((if name.is_ascii() { AtomRef::utf8(name) } else { AtomRef::latin1(name) }, from + length))
}
