//! Rewrites the atoms of encoded terms without building them: spelled out for peers without a cache, or as references for those with one.

use crate::atom::{Atom, AtomRef};
use crate::cursor::atom_at;
use crate::encoder::Encoder;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::skip;
use crate::tag::*;

/// How an atom goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomForm {
    /// By name.
    Spelled,
    /// By its position in the distribution header.
    CacheRef(u8),
}

/// Copies the term at the start of `input` to the end of `out`, asking `choose` about every atom in it, those in pids, references, ports and funs
/// included. `atoms` are what references in `input` mean. Returns how many bytes of `input` the term took.
///
/// # Errors
/// Where no well-formed term stands (keys of maps are not compared); `out` then ends with part of it.
///
/// ```
/// use term::transcode::{AtomForm, transcode};
/// let mut out = Vec::new();
/// transcode(&[104, 1, 119, 2, b'o', b'k'], &[], &mut out, |_| AtomForm::CacheRef(3)).unwrap();
/// assert_eq!(out, [104, 1, 82, 3]);
/// ```
pub fn transcode(
    input: &[u8],
    atoms: &[Atom],
    out: &mut Vec<u8>,
    mut choose: impl FnMut(AtomRef<'_>) -> AtomForm,
) -> Result<usize, DecodeError> {
    let mut pos = 0;
    // Everything between two atoms is copied in one piece.
    let mut copied = 0;
    let mut pending = 1usize;
    let mut sizes: Vec<Size> = Vec::new();
    while pending > 0 {
        let Some(&tag) = input.get(pos) else { return Err(DecodeErrorKind::Truncated.at(pos)) };
        pending -= 1;
        let at_atom = match tag {
            tag if skip::is_atom(tag) => Some(pos),
            NEW_PID_EXT | PID_EXT | V4_PORT_EXT | NEW_PORT_EXT | PORT_EXT | REFERENCE_EXT => {
                Some(pos + 1)
            }
            NEWER_REFERENCE_EXT | NEW_REFERENCE_EXT => Some(pos + 3),
            _ => None,
        };
        let (start, begins_fun) = (pos, tag == NEW_FUN_EXT);
        let (next, children) = skip::one(input, atoms, pos)?;
        if let Some(at) = at_atom {
            let (atom, after) = atom_at(input, Some(atoms), at)?;
            out.extend_from_slice(input.get(copied..at).unwrap_or_default());
            match choose(atom) {
                AtomForm::Spelled => Encoder::new(out).atom_ref(atom),
                AtomForm::CacheRef(index) => out.extend_from_slice(&[ATOM_CACHE_REF, index]),
            }
            copied = after;
        }
        pos = next;
        if begins_fun {
            // The size of a fun is in bytes, so it changes with its atoms.
            sizes.push(Size { place: out.len() + (start + 1 - copied), until: pending });
        }
        pending += children;
        while let Some(size) = sizes.last()
            && pending == size.until
        {
            out.extend_from_slice(input.get(copied..pos).unwrap_or_default());
            copied = pos;
            size.fill(out);
            sizes.pop();
        }
    }
    out.extend_from_slice(input.get(copied..pos).unwrap_or_default());
    Ok(pos)
}

/// A fun's size field, to be filled in when its last part is written.
struct Size {
    place: usize,
    /// How many terms are still to come when the fun is complete.
    until: usize,
}

impl Size {
    fn fill(&self, out: &mut [u8]) {
        let size = (out.len() - self.place) as u32;
        if let Some(place) = out.get_mut(self.place..self.place + 4) {
            place.copy_from_slice(&size.to_be_bytes());
        }
    }
}

/// Copies a term with every atom by name.
pub(crate) fn spell_out(
    input: &[u8],
    atoms: &[Atom],
    out: &mut Vec<u8>,
) -> Result<usize, DecodeError> {
    transcode(input, atoms, out, |_| AtomForm::Spelled)
}
