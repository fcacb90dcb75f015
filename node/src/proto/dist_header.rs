//! The distribution header: what stands in front of a message where the atom cache or fragments are in use
//! (erl_ext_dist, "Distribution Header", "Distribution Header for fragmented messages").
//!
//! `131, 68, N, flags, N references`, or `131, 69, sequence, fragment, N, flags, N references` when fragments
//! follow, each of them `131, 70, sequence, fragment`. The flags are half-bytes, the lower half of a byte first: 1 bit "new
//! entry" and 3 bits segment for each reference; and one more half-byte whose lowest bit says "long atoms".

use std::sync::Arc;

use bytes::BufMut;
use term::Atom;
use thiserror::Error;

use super::atom_cache::{Inbound, Outbound, SEGMENT};

/// First byte of everything in the external term format.
pub const VERSION_MAGIC: u8 = 131;
/// A whole message.
pub const DIST_HEADER: u8 = 68;
/// The first fragment of a message.
pub const DIST_FRAG_HEADER: u8 = 69;
/// Another fragment.
pub const DIST_FRAG_CONT: u8 = 70;

/// Bytes of a continuation in front of its part of the message.
pub const FRAGMENT_HEADER: usize = 18;

/// A distribution header cannot be read: the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// It ends too early.
    #[error("the distribution header is cut short")]
    Truncated,
    /// Does not begin with 131 and one of the three tags.
    #[error("no distribution header, though the atom cache or fragments were agreed on")]
    NotAHeader,
    /// A reference to a slot that nothing was put into.
    #[error("atom cache slot {0} is empty")]
    EmptySlot(usize),
    /// An atom that is not UTF-8 or has more than 255 characters.
    #[error("a bad atom in the distribution header")]
    BadAtom,
}

/// What a header says about the bytes behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// A whole message.
    Whole {
        /// What its cache references mean, by position; `None` when it has none.
        atoms: Option<Arc<[Atom]>>,
    },
    /// The first fragment of a message.
    First {
        /// Names the message among those under way.
        sequence: u64,
        /// How many fragments there are, this one included.
        fragments: u64,
        /// What the message's cache references mean.
        atoms: Option<Arc<[Atom]>>,
    },
    /// Another fragment.
    Continuation {
        /// Names the message.
        sequence: u64,
        /// How many fragments are still to come, this one included.
        fragment: u64,
    },
}

/// Reads the header at the start of `frame` and gives what it says and how long it is.
///
/// The cache is changed as the header says; it is the same as the peer's as long as all headers are read in order.
///
/// # Errors
/// When it is no header. The cache may be changed in part: the connection is to be closed.
pub fn read(frame: &[u8], cache: &mut Inbound) -> Result<(Header, usize), HeaderError> {
    let mut fields = Fields(frame);
    if fields.u8()? != VERSION_MAGIC {
        return Err(HeaderError::NotAHeader);
    }
    let header = match fields.u8()? {
        DIST_HEADER => Header::Whole { atoms: read_atoms(&mut fields, cache)? },
        DIST_FRAG_HEADER => {
            let (sequence, fragments) = (fields.u64()?, fields.u64()?);
            Header::First { sequence, fragments, atoms: read_atoms(&mut fields, cache)? }
        }
        DIST_FRAG_CONT => Header::Continuation { sequence: fields.u64()?, fragment: fields.u64()? },
        _ => return Err(HeaderError::NotAHeader),
    };
    Ok((header, frame.len() - fields.0.len()))
}

fn read_atoms(
    fields: &mut Fields<'_>,
    cache: &mut Inbound,
) -> Result<Option<Arc<[Atom]>>, HeaderError> {
    let count = usize::from(fields.u8()?);
    if count == 0 {
        return Ok(None);
    }
    let rest = fields.0;
    let flags = fields.take(count / 2 + 1)?;
    // With nothing new among them the references have one byte each.
    let known = if flags.iter().all(|byte| byte & 0x88 == 0) {
        rest.get(..flags.len() + count)
    } else {
        None
    };
    if let Some(atoms) = known.and_then(|references| cache.recent(references)) {
        fields.take(count)?;
        return Ok(Some(atoms));
    }
    let half =
        |index: usize| flags.get(index / 2).map_or(0, |byte| byte >> (4 * (index % 2)) & 0xf);
    let long = half(count) & 1 != 0;
    let mut atoms = Vec::with_capacity(count);
    for index in 0..count {
        let half = half(index);
        let slot = usize::from(half & 7) * SEGMENT + usize::from(fields.u8()?);
        let atom = if half & 8 == 0 {
            cache.get(slot).ok_or(HeaderError::EmptySlot(slot))?.clone()
        } else {
            let length = if long { usize::from(fields.u16()?) } else { usize::from(fields.u8()?) };
            let name =
                std::str::from_utf8(fields.take(length)?).map_err(|_| HeaderError::BadAtom)?;
            let atom = Atom::new(name).map_err(|_| HeaderError::BadAtom)?;
            cache.set(slot, atom.clone());
            atom
        };
        atoms.push(atom);
    }
    let atoms = atoms.into();
    if let Some(references) = known {
        cache.remember(references, &atoms);
    }
    Ok(Some(atoms))
}

/// Appends the header of a message whose atoms were chosen from `cache`; without a cache it refers to none.
/// `fragments`: the sequence and number of fragments of a message that is sent in several.
pub fn write(cache: Option<&Outbound>, fragments: Option<(u64, u64)>, out: &mut impl BufMut) {
    out.put_u8(VERSION_MAGIC);
    match fragments {
        None => out.put_u8(DIST_HEADER),
        Some((sequence, fragments)) => {
            out.put_u8(DIST_FRAG_HEADER);
            out.put_u64(sequence);
            out.put_u64(fragments);
        }
    }
    match cache {
        Some(cache) => write_atoms(cache, out),
        None => out.put_u8(0),
    }
}

fn write_atoms(cache: &Outbound, out: &mut impl BufMut) {
    let count = cache.header().len();
    out.put_u8(u8::try_from(count).unwrap_or(u8::MAX));
    if count == 0 {
        return;
    }
    let long = cache.header().any(|(atom, name)| atom.new && name.len() > usize::from(u8::MAX));
    let atoms = cache.header_atoms();
    let half = |index: usize| match atoms.get(index) {
        Some(atom) => u8::from(atom.new) << 3 | (usize::from(atom.slot) / SEGMENT) as u8,
        None => u8::from(index == count && long),
    };
    for byte in 0..count / 2 + 1 {
        out.put_u8(half(2 * byte) | half(2 * byte + 1) << 4);
    }
    for (atom, name) in cache.header() {
        out.put_u8((usize::from(atom.slot) % SEGMENT) as u8);
        if atom.new {
            if long {
                out.put_u16(name.len() as u16);
            } else {
                out.put_u8(name.len() as u8);
            }
            out.put_slice(name.as_bytes());
        }
    }
}

/// Appends the header of a fragment that is not the first.
pub fn write_continuation(sequence: u64, fragment: u64, out: &mut impl BufMut) {
    out.put_u8(VERSION_MAGIC);
    out.put_u8(DIST_FRAG_CONT);
    out.put_u64(sequence);
    out.put_u64(fragment);
}

/// What is left of a header.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], HeaderError> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(HeaderError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(HeaderError::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, HeaderError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, HeaderError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, HeaderError> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    //! What we write is read back here; what live nodes write is read in `proto::recordings`, and what we write is read
    //! by live nodes in the tests against them.

    use proptest::prelude::*;
    use term::transcode::AtomForm;

    use super::*;

    proptest! {
        #[test]
        fn the_peers_cache_follows_ours(
            messages in proptest::collection::vec(proptest::collection::vec(0..3000u32, 0..400), 1..30),
            long in any::<bool>(),
        ) {
            let mut ours = Outbound::new();
            let mut theirs = Inbound::default();
            for message in messages {
                ours.begin();
                let mut referred = Vec::new();
                for number in message {
                    let accents = if long && number % 7 == 0 { "ä".repeat(240) } else { String::new() };
                    let atom = Atom::new(format!("{accents}{number}")).unwrap();
                    if let AtomForm::CacheRef(position) = ours.choose(atom.as_ref()) {
                        referred.push((position, atom));
                    }
                }
                let mut header = Vec::new();
                write(Some(&ours), None, &mut header);
                header.extend_from_slice(b"rest");
                let (read, length) = read(&header, &mut theirs).unwrap();
                prop_assert_eq!(&header[length..], b"rest");
                let Header::Whole { atoms } = read else { panic!("another header") };
                for (position, atom) in referred {
                    prop_assert_eq!(atoms.as_ref().and_then(|atoms| atoms.get(usize::from(position))), Some(&atom));
                }
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), tag in 68..71u8) {
            let mut cache = Inbound::default();
            let _ = read(&bytes, &mut cache);
            let _ = read(&[&[131, tag][..], &bytes].concat(), &mut cache);
        }
    }

    #[test]
    fn headers_of_fragments_are_read_as_written() {
        let mut cache = Inbound::default();
        let mut bytes = Vec::new();
        write(None, Some((7, 3)), &mut bytes);
        let first = Header::First { sequence: 7, fragments: 3, atoms: None };
        assert_eq!(read(&bytes, &mut cache), Ok((first, 19)));
        let mut bytes = Vec::new();
        write_continuation(7, 2, &mut bytes);
        assert_eq!(bytes.len(), FRAGMENT_HEADER);
        assert_eq!(
            read(&bytes, &mut cache),
            Ok((Header::Continuation { sequence: 7, fragment: 2 }, 18))
        );
    }

    #[test]
    fn a_reference_to_an_empty_slot_is_refused() {
        let mut cache = Inbound::default();
        assert_eq!(
            read(&[131, 68, 1, 0x07, 9], &mut cache),
            Err(HeaderError::EmptySlot(7 * 256 + 9))
        );
        // The same slot, filled with `ok`, then referred to.
        assert!(read(&[131, 68, 1, 0x0f, 9, 2, b'o', b'k'], &mut cache).is_ok());
        assert!(read(&[131, 68, 1, 0x07, 9], &mut cache).is_ok());
    }

    #[test]
    fn the_same_references_share_their_atoms_until_a_slot_has_another() {
        let mut cache = Inbound::default();
        let mut atoms = |bytes: &[u8]| match read(bytes, &mut cache).unwrap().0 {
            Header::Whole { atoms } => atoms.unwrap(),
            header => panic!("{header:?}"),
        };
        let fill = |slot: u8, name: &[u8; 2]| [&[131, 68, 1, 0x08, slot, 2][..], name].concat();
        atoms(&fill(9, b"ok"));
        atoms(&fill(8, b"no"));
        let both = [131, 68, 2, 0, 0, 9, 8];
        let first = atoms(&both);
        assert_eq!(first[..], ["ok", "no"].map(|name| Atom::new(name).unwrap()));
        assert!(Arc::ptr_eq(&first, &atoms(&both)));
        assert_eq!(atoms(&[131, 68, 2, 0, 0, 8, 9])[0], "no");
        atoms(&fill(9, b"ko"));
        assert_eq!(atoms(&both)[0], "ko");
    }

    #[test]
    fn atoms_that_cannot_be_are_refused() {
        let mut cache = Inbound::default();
        assert_eq!(read(&[131, 68, 1, 0x08, 9, 1, 0xff], &mut cache), Err(HeaderError::BadAtom));
        let mut long = vec![131, 68, 1, 0x18, 9, 1, 0];
        long.extend_from_slice(&[b'a'; 256]);
        assert_eq!(read(&long, &mut cache), Err(HeaderError::BadAtom));
        assert_eq!(read(&long[..200], &mut cache), Err(HeaderError::Truncated));
    }
}
