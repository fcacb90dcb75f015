//! Writes terms one after the other into a buffer, in the forms OTP 26 and later write.

use num_bigint::BigInt;

use crate::atom::{Atom, AtomRef};
use crate::encode;
use crate::pid::Pid;
use crate::port::Port;
use crate::reference::Reference;
use crate::tag::*;
use crate::term::Term;

/// Writes terms, without the leading 131, to the end of a buffer. It checks nothing: a header must be followed by as many terms as it says.
///
/// ```
/// use term::{Atom, Encoder, Term};
/// let mut buffer = Vec::new();
/// let mut encoder = Encoder::new(&mut buffer);
/// encoder.tuple_header(2);
/// encoder.atom(&Atom::from_static("ok"));
/// encoder.integer(7);
/// assert_eq!(buffer, [104, 2, 119, 2, b'o', b'k', 97, 7]);
/// ```
#[derive(Debug)]
pub struct Encoder<'a> {
    buffer: &'a mut Vec<u8>,
}

impl<'a> Encoder<'a> {
    /// An encoder that appends to `buffer`.
    pub const fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer }
    }

    /// The buffer, for what has no method here.
    pub const fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer
    }

    /// Begins a tuple; `arity` terms must follow.
    ///
    /// # Panics
    /// If there are 2^32 or more; no buffer could hold them.
    pub fn tuple_header(&mut self, arity: usize) {
        match u8::try_from(arity) {
            Ok(arity) => self.buffer.extend_from_slice(&[SMALL_TUPLE_EXT, arity]),
            Err(_) => self.counted(LARGE_TUPLE_EXT, arity),
        }
    }

    /// Begins a list; `length` terms and then the tail ([`Encoder::nil`] for a proper list) must follow. For no elements it writes nothing but the header's
    /// place: the tail alone is the list.
    ///
    /// # Panics
    /// If there are 2^32 or more.
    pub fn list_header(&mut self, length: usize) {
        if length > 0 {
            self.counted(LIST_EXT, length);
        }
    }

    /// Begins a map; `pairs` times a key and a value must follow, no key twice.
    ///
    /// # Panics
    /// If there are 2^32 or more.
    pub fn map_header(&mut self, pairs: usize) {
        self.counted(MAP_EXT, pairs);
    }

    /// `[]`.
    pub fn nil(&mut self) {
        self.buffer.push(NIL_EXT);
    }

    /// An atom.
    pub fn atom(&mut self, atom: &Atom) {
        self.atom_utf8(atom.as_str().as_bytes());
    }

    /// An atom of another message.
    pub fn atom_ref(&mut self, atom: AtomRef<'_>) {
        match atom.utf8_bytes() {
            Some(name) => self.atom_utf8(name),
            None => self.atom_utf8(atom.as_str().as_bytes()),
        }
    }

    /// A name of at most 255 characters, so at most 1,020 bytes.
    #[inline]
    pub(crate) fn atom_utf8(&mut self, name: &[u8]) {
        match u8::try_from(name.len()) {
            Ok(length) => self.buffer.extend_from_slice(&[SMALL_ATOM_UTF8_EXT, length]),
            Err(_) => {
                self.buffer.push(ATOM_UTF8_EXT);
                self.buffer.extend_from_slice(&(name.len() as u16).to_be_bytes());
            }
        }
        self.buffer.extend_from_slice(name);
    }

    /// An integer of 64 bits.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        if let Ok(value) = u8::try_from(value) {
            self.buffer.extend_from_slice(&[SMALL_INTEGER_EXT, value]);
        } else if let Ok(value) = i32::try_from(value) {
            let [a, b, c, d] = value.to_be_bytes();
            self.buffer.extend_from_slice(&[INTEGER_EXT, a, b, c, d]);
        } else {
            self.magnitude(value < 0, &value.unsigned_abs().to_le_bytes());
        }
    }

    /// An integer of 64 bits without sign.
    pub fn unsigned(&mut self, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.magnitude(false, &value.to_le_bytes()),
        }
    }

    /// An integer of any size.
    pub fn big_integer(&mut self, value: &BigInt) {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => self.magnitude(
                value.sign() == num_bigint::Sign::Minus,
                &value.magnitude().to_bytes_le(),
            ),
        }
    }

    /// Sign and magnitude, little endian, beyond 32 bits.
    pub(crate) fn magnitude(&mut self, negative: bool, digits: &[u8]) {
        let length = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
        match u8::try_from(length) {
            Ok(length) => self.buffer.extend_from_slice(&[SMALL_BIG_EXT, length]),
            Err(_) => self.counted(LARGE_BIG_EXT, length),
        }
        self.buffer.push(u8::from(negative));
        self.buffer.extend_from_slice(digits.get(..length).unwrap_or_default());
    }

    /// A float.
    ///
    /// # Panics
    /// If it is not finite: Erlang has no such floats, and a peer would drop the connection. Typed writing reports it as an error instead.
    pub fn float(&mut self, value: f64) {
        assert!(value.is_finite(), "Erlang has no {value}");
        self.buffer.push(NEW_FLOAT_EXT);
        self.buffer.extend_from_slice(&value.to_bits().to_be_bytes());
    }

    /// A binary.
    ///
    /// # Panics
    /// If it has 4 GiB or more.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.counted(BINARY_EXT, bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    /// A list of bytes as Erlang writes it: a charlist of Latin-1 text.
    ///
    /// # Panics
    /// If it has 2^32 elements or more.
    pub fn byte_list(&mut self, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(0) => self.nil(),
            Ok(length) => {
                self.buffer.push(STRING_EXT);
                self.buffer.extend_from_slice(&length.to_be_bytes());
                self.buffer.extend_from_slice(bytes);
            }
            Err(_) => {
                self.list_header(bytes.len());
                for &byte in bytes {
                    self.buffer.extend_from_slice(&[SMALL_INTEGER_EXT, byte]);
                }
                self.nil();
            }
        }
    }

    /// A pid.
    pub fn pid(&mut self, pid: &Pid) {
        self.buffer.push(NEW_PID_EXT);
        self.atom(pid.node());
        self.words(&[pid.id(), pid.serial(), pid.creation()]);
    }

    /// A port.
    pub fn port(&mut self, port: &Port) {
        self.buffer.push(V4_PORT_EXT);
        self.atom(port.node());
        self.buffer.extend_from_slice(&port.id().to_be_bytes());
        self.words(&[port.creation()]);
    }

    /// A reference.
    pub fn reference(&mut self, reference: &Reference) {
        self.buffer.push(NEWER_REFERENCE_EXT);
        self.buffer.extend_from_slice(&(reference.words().len() as u16).to_be_bytes());
        self.atom(reference.node());
        self.words(&[reference.creation()]);
        self.words(reference.words());
    }

    /// Any term.
    pub fn term(&mut self, term: &Term) {
        encode::term(term.root(), self.buffer);
    }

    /// Bytes that are a term already (without 131, and without atom cache references).
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(crate) fn words(&mut self, words: &[u32]) {
        for word in words {
            self.buffer.extend_from_slice(&word.to_be_bytes());
        }
    }

    #[inline]
    pub(crate) fn counted(&mut self, tag: u8, count: usize) {
        let count = u32::try_from(count);
        assert!(count.is_ok(), "the external term format counts to 2^32 - 1");
        let [a, b, c, d] = count.unwrap_or_default().to_be_bytes();
        self.buffer.extend_from_slice(&[tag, a, b, c, d]);
    }
}
