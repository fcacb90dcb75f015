//! The walk over an encoded term that replaces its atoms by references into our cache: one pass, no tree, no stack.
//!
//! It knows the forms that messages are made of and leaves the others (funs, native records, forms of old releases)
//! to [`term::transcode`], which knows them all. What it is for is the time it takes: a structured message is
//! written about as fast as it could be copied, and the BEAM takes it in almost twice as fast as one that spells its atoms.

use term::transcode::{AtomForm, transcode};
use term::{Atom, DecodeError};

use super::atom_cache::Outbound;

const ATOM_CACHE_REF: u8 = 82;
const SMALL_ATOM_UTF8_EXT: u8 = 119;

/// Appends the term at the start of `input`, whose own references mean `atoms`, with its atoms as references into `cache`
/// where that has them. Returns how many bytes of `input` the term took.
///
/// # Errors
/// Where no well-formed term stands; `out` is then as it was.
pub(super) fn rewrite(
    input: &[u8],
    atoms: &[Atom],
    cache: &mut Outbound,
    out: &mut Vec<u8>,
) -> Result<usize, DecodeError> {
    let start = out.len();
    match common(input, atoms, cache, out) {
        Some(used) => Ok(used),
        None => {
            out.truncate(start);
            transcode(input, atoms, out, |atom| cache.choose(atom))
                .inspect_err(|_| out.truncate(start))
        }
    }
}

/// `None` for a form that is not one of the common ones, or no term at all.
fn common(input: &[u8], atoms: &[Atom], cache: &mut Outbound, out: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0usize;
    // Everything between two atoms is copied in one piece.
    let mut copied = 0usize;
    let mut pending = 1usize;
    while pending > 0 {
        pending -= 1;
        let rest = input.get(at..)?;
        // The length of what stands here, and where in it an atom begins, if one does.
        let (length, atom) = match *rest {
            [97, _, ..] => (2, None),
            [SMALL_ATOM_UTF8_EXT | ATOM_CACHE_REF, ..] => (0, Some(0)),
            [104, arity, ..] => {
                pending += usize::from(arity);
                (2, None)
            }
            [98, ..] => (5, None),
            [70, ..] => (9, None),
            [106, ..] => (1, None),
            [109, a, b, c, d, ..] => (5usize.checked_add(count(a, b, c, d))?, None),
            [107, a, b, ..] => (3 + usize::from(u16::from_be_bytes([a, b])), None),
            [108, a, b, c, d, ..] => {
                pending = pending.checked_add(count(a, b, c, d))?.checked_add(1)?;
                (5, None)
            }
            [116, a, b, c, d, ..] => {
                pending = pending.checked_add(count(a, b, c, d).checked_mul(2)?)?;
                (5, None)
            }
            // NEW_PID_EXT and V4_PORT_EXT: a node, and 12 bytes.
            [88 | 120, ..] => (12, Some(1)),
            // NEWER_REFERENCE_EXT: how many words, a node, a creation, the words.
            [90, a, b, ..] => (4 + 4 * usize::from(u16::from_be_bytes([a, b])), Some(3)),
            [110, length, ..] => (3 + usize::from(length), None),
            [77, a, b, c, d, ..] => (6usize.checked_add(count(a, b, c, d))?, None),
            [105, a, b, c, d, ..] => {
                pending = pending.checked_add(count(a, b, c, d))?;
                (5, None)
            }
            _ => return None,
        };
        let Some(before) = atom else {
            at = at.checked_add(length)?;
            if at > input.len() {
                return None;
            }
            continue;
        };
        let from = at + before;
        let (form, name, end) = match *input.get(from..)? {
            [SMALL_ATOM_UTF8_EXT, length, ref rest @ ..] => {
                let name = rest.get(..usize::from(length))?;
                (cache.choose_name(name)?, name, from + 2 + name.len())
            }
            [ATOM_CACHE_REF, position, ..] => {
                let name = atoms.get(usize::from(position))?.as_str().as_bytes();
                (cache.choose_name(name)?, name, from + 2)
            }
            _ => return None,
        };
        let reference = match form {
            AtomForm::CacheRef(position) => Some(position),
            AtomForm::Spelled => None,
        };
        let spelled = input.get(from) == Some(&SMALL_ATOM_UTF8_EXT);
        if reference.is_some() || !spelled {
            copy(input, copied, from, out)?;
            match (reference, u8::try_from(name.len())) {
                (Some(position), _) => out.extend_from_slice(&[ATOM_CACHE_REF, position]),
                (None, Ok(length)) => {
                    out.extend_from_slice(&[SMALL_ATOM_UTF8_EXT, length]);
                    out.extend_from_slice(name);
                }
                (None, Err(_)) => return None,
            }
            copied = end;
        }
        at = end.checked_add(length)?;
        if at > input.len() {
            return None;
        }
    }
    out.extend_from_slice(input.get(copied..at)?);
    Some(at)
}

/// Appends what stands between two atoms: mostly a few bytes, for which one move of sixteen is less than a call that finds out how many.
fn copy(input: &[u8], from: usize, to: usize, out: &mut Vec<u8>) -> Option<()> {
    let rest = input.get(from..)?;
    let length = to.checked_sub(from)?;
    match rest.first_chunk::<16>() {
        Some(chunk) if length <= chunk.len() => {
            let end = out.len() + length;
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(rest.get(..length)?),
    }
    Some(())
}

fn count(a: u8, b: u8, c: u8, d: u8) -> usize {
    u32::from_be_bytes([a, b, c, d]) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::recordings::{
        FRAGMENTS_NO_CACHE, HEADERS, OLD_FORMS, flags_without, messages,
    };
    use super::*;
    use crate::proto::flags::Flags;

    type Walk = fn(&[u8], &[Atom], &mut Outbound, &mut Vec<u8>) -> Result<usize, DecodeError>;

    fn general(
        input: &[u8],
        atoms: &[Atom],
        cache: &mut Outbound,
        out: &mut Vec<u8>,
    ) -> Result<usize, DecodeError> {
        transcode(input, atoms, out, |atom| cache.choose(atom))
    }

    /// What a walk writes, beginning with an empty cache.
    fn run(walk: Walk, input: &[u8], atoms: &[Atom]) -> Result<Vec<u8>, DecodeError> {
        let mut cache = Outbound::new();
        cache.begin();
        let mut out = vec![1, 2, 3];
        walk(input, atoms, &mut cache, &mut out).map(|_| out)
    }

    #[test]
    fn payloads_of_live_nodes_come_out_as_the_general_walk_writes_them() {
        let mut seen = 0;
        for (recording, flags) in [
            (HEADERS[2], flags_without(Flags::empty())),
            (FRAGMENTS_NO_CACHE[1], flags_without(Flags::DIST_HDR_ATOM_CACHE)),
            (OLD_FORMS[0], flags_without(Flags::FRAGMENTS | Flags::DIST_HDR_ATOM_CACHE)),
        ] {
            for payload in
                messages(recording, flags).into_iter().filter_map(|message| message.payload)
            {
                let (input, atoms) = (payload.bytes(), payload.atoms());
                assert_eq!(run(rewrite, input, atoms), run(general, input, atoms), "{payload:?}");
                seen += 1;
            }
        }
        assert!(seen > 40);
    }

    proptest! {
        #[test]
        fn on_any_bytes_it_does_what_the_general_walk_does(
            bytes in proptest::collection::vec(
                prop_oneof![
                    proptest::sample::select(&[70u8, 77, 82, 88, 90, 97, 98, 104, 106, 107, 108, 109, 110, 112, 116, 119][..]),
                    0..6u8,
                    any::<u8>(),
                ],
                0..60,
            ),
        ) {
            let atoms = [Atom::from_static("zero"), Atom::from_static("one")];
            prop_assert_eq!(run(rewrite, &bytes, &atoms), run(general, &bytes, &atoms));
        }
    }
}
