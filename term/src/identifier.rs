//! The wire forms of pids, ports and references, old and new: checked once, read when somebody looks.

use crate::atom::{Atom, AtomRef};
use crate::cursor::atom_at;
use crate::decode::short_ascii;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::pid::Pid;
use crate::port::Port;
use crate::reference::{MAX_REFERENCE_WORDS, Reference};
use crate::tag::*;

/// An identifier where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) node: AtomRef<'a>,
    pub(crate) creation: u32,
    /// Id of a pid or port; of a reference its words (big endian, least significant word first) are in `words`.
    pub(crate) id: u64,
    pub(crate) serial: u32,
    pub(crate) words: &'a [u8],
}

/// Checks the identifier that begins `bytes`; its length. Offsets in errors count from its tag.
pub(crate) fn check(bytes: &[u8], atoms: &[Atom]) -> Result<usize, DecodeError> {
    read(bytes, Some(atoms)).map(|(_, length)| length)
}

/// The end of an identifier in today's form with its own short ASCII atom, `head` bytes after its tag and with `tail` bytes after the
/// atom. `None` for any other, which may still be right.
#[inline(always)]
pub(crate) fn today(input: &[u8], at: usize, head: usize, tail: usize) -> Option<usize> {
    today_if(input, at, head, tail, short_ascii)
}

/// [`today`] with another test of whether the name is ASCII.
#[inline(always)]
pub(crate) fn today_if(
    input: &[u8],
    at: usize,
    head: usize,
    tail: usize,
    ascii: impl Fn(&[u8], usize, usize) -> bool,
) -> Option<usize> {
    let &[SMALL_ATOM_UTF8_EXT, length] = input.get(at + head..at + head + 2)? else { return None };
    let name = at + head + 2;
    let after = name + usize::from(length);
    // A reference has 1 to 5 words, in the second of two bytes.
    let counted = head == 1 || (matches!(tail, 8..=24) && input.get(at + 1) == Some(&0));
    let end = after + tail;
    (counted && end <= input.len() && ascii(input, name, usize::from(length))).then_some(end)
}

/// The parts of an identifier.
pub(crate) fn read<'a>(
    bytes: &'a [u8],
    atoms: Option<&'a [Atom]>,
) -> Result<(Parts<'a>, usize), DecodeError> {
    let Some((&tag, _)) = bytes.split_first() else { return Err(DecodeErrorKind::Truncated.at(0)) };
    let mut at = 1;
    let count = match tag {
        NEW_REFERENCE_EXT | NEWER_REFERENCE_EXT => {
            let count = usize::from(u16::from_be_bytes(array(bytes, &mut at)?));
            if count == 0 || count > MAX_REFERENCE_WORDS {
                return Err(DecodeErrorKind::BadIdentifier("reference").at(0));
            }
            count
        }
        _ => 1,
    };
    let (node, after) = atom_at(bytes, atoms, at)?;
    at = after;
    let mut parts = Parts { node, creation: 0, id: 0, serial: 0, words: &[] };
    match tag {
        NEW_PID_EXT | PID_EXT => {
            parts.id = u64::from(u32::from_be_bytes(array(bytes, &mut at)?));
            parts.serial = u32::from_be_bytes(array(bytes, &mut at)?);
            parts.creation = creation(bytes, &mut at, tag == PID_EXT, "pid")?;
        }
        PORT_EXT | NEW_PORT_EXT => {
            parts.id = u64::from(u32::from_be_bytes(array(bytes, &mut at)?));
            parts.creation = creation(bytes, &mut at, tag == PORT_EXT, "port")?;
        }
        V4_PORT_EXT => {
            parts.id = u64::from_be_bytes(array(bytes, &mut at)?);
            parts.creation = creation(bytes, &mut at, false, "port")?;
        }
        REFERENCE_EXT => {
            let from = at;
            let _id: [u8; 4] = array(bytes, &mut at)?;
            parts.words = bytes.get(from..at).unwrap_or_default();
            parts.creation = creation(bytes, &mut at, true, "reference")?;
            parts.check_old_words()?;
        }
        NEW_REFERENCE_EXT | NEWER_REFERENCE_EXT => {
            parts.creation = creation(bytes, &mut at, tag == NEW_REFERENCE_EXT, "reference")?;
            let from = at;
            parts.words = bytes
                .get(from..from + count * 4)
                .ok_or_else(|| DecodeErrorKind::Truncated.at(from))?;
            at += count * 4;
            if tag == NEW_REFERENCE_EXT {
                parts.check_old_words()?;
            }
        }
        other => return Err(DecodeErrorKind::UnknownTag(other).at(0)),
    }
    Ok((parts, at))
}

/// Old forms have two bits of creation in one byte.
fn creation(
    bytes: &[u8],
    at: &mut usize,
    old: bool,
    what: &'static str,
) -> Result<u32, DecodeError> {
    if !old {
        return Ok(u32::from_be_bytes(array(bytes, at)?));
    }
    let [creation] = array(bytes, at)?;
    if creation > 3 {
        Err(DecodeErrorKind::BadIdentifier(what).at(0))
    } else {
        Ok(u32::from(creation))
    }
}

fn array<const N: usize>(bytes: &[u8], at: &mut usize) -> Result<[u8; N], DecodeError> {
    let Some(found) = bytes.get(*at..).and_then(|rest| rest.first_chunk::<N>()) else {
        return Err(DecodeErrorKind::Truncated.at(*at));
    };
    *at += N;
    Ok(*found)
}

impl Parts<'_> {
    pub(crate) fn pid(&self) -> Pid {
        Pid::new(self.node.to_node(), self.id as u32, self.serial, self.creation)
    }

    pub(crate) fn port(&self) -> Port {
        Port::new(self.node.to_node(), self.id, self.creation)
    }

    /// The first word of an old reference has 18 bits (erl_ext_dist, `NEW_REFERENCE_EXT`).
    fn check_old_words(&self) -> Result<(), DecodeError> {
        let [first, ..] = self.reference_words();
        if first < 1 << 18 {
            Ok(())
        } else {
            Err(DecodeErrorKind::BadIdentifier("reference").at(0))
        }
    }

    /// The words, least significant first, zeros after the last.
    pub(crate) fn reference_words(&self) -> [u32; MAX_REFERENCE_WORDS] {
        let mut words = [0; MAX_REFERENCE_WORDS];
        for (to, from) in words.iter_mut().zip(self.words.as_chunks::<4>().0) {
            *to = u32::from_be_bytes(*from);
        }
        words
    }

    pub(crate) fn reference(&self) -> Reference {
        let words = self.reference_words();
        Reference::padded(self.node.to_node(), self.creation, self.words.len() / 4, words)
    }
}
