//! From messages to frames: the control message and its payload, behind what was agreed on, in one frame or in fragments.
//!
//! [`Sender`] owns what our frames build on each other with: the atom cache and the sequence numbers. It writes into an
//! [`Output`], where many small messages share one buffer and large binaries are passed on by reference. The rest of
//! a message that does not fit one fragment comes back as [`Fragments`], to be written a frame at a time while other messages
//! go on. Two things are for the caller to see to: that frames leave in the order in which they were written here, as the
//! peer's cache follows ours; and that nothing more of a process is written while fragments of it are, as order
//! holds between two processes.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes};
use term::{Cursor, DecodeError, Encoded, Term};
use thiserror::Error;

use super::atom_cache::Outbound;
use super::control::Control;
use super::dist_header::{self, VERSION_MAGIC};
use super::flags::Flags;
use super::fragment::FRAGMENT_SIZE;
use super::receive::PASS_THROUGH;
use super::rewrite::rewrite;

/// Binaries of this size and more are passed on by reference: below it, copying costs less than another piece to write.
const SHARED: usize = 8 << 10;
/// How many parts of a payload are looked at for a large binary among them. Messages have theirs near the start, and
/// one with thousands of parts is not looked through twice.
const PARTS: usize = 64;

/// Where frames go.
pub trait Output {
    /// A buffer to append to.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Bytes that belong behind what the buffer holds now.
    fn insert(&mut self, bytes: Bytes);
}

/// What follows a control message.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes, perhaps with references to atoms of the connection they came over.
    Encoded(Encoded),
    /// A term.
    Term(Term),
}

/// A message that cannot be sent; nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The payload is bytes that are no term.
    #[error("the payload is no term: {0}")]
    Payload(#[from] DecodeError),
    /// A frame has at most 4 GiB, and the peer takes no fragments.
    #[error("a message of {0} bytes does not fit a frame, and fragments were not agreed on")]
    TooLong(usize),
}

/// The sending half of a connection.
#[derive(Debug)]
pub struct Sender {
    form: Form,
    /// Number of the last message sent in fragments.
    sequence: u64,
    control: Vec<u8>,
    parts: Parts,
}

#[derive(Debug)]
enum Form {
    PassThrough,
    Headers { cache: Option<Box<Outbound>>, fragments: bool },
}

impl Sender {
    /// For a connection with these flags in common.
    #[must_use]
    pub fn new(flags: Flags) -> Self {
        let form = if flags.has_distribution_header() {
            let cache = flags.contains(Flags::DIST_HDR_ATOM_CACHE).then(Box::default);
            Form::Headers { cache, fragments: flags.contains(Flags::FRAGMENTS) }
        } else {
            Form::PassThrough
        };
        Self { form, sequence: 0, control: Vec::new(), parts: Parts::default() }
    }

    /// Writes a message, or its first fragment and gives back the others.
    ///
    /// # Errors
    /// When it cannot be sent; the connection is as it was.
    pub fn put(
        &mut self,
        control: &Control,
        content: Option<Content>,
        out: &mut impl Output,
    ) -> Result<Option<Fragments>, SendError> {
        self.control.clear();
        control.encode(&mut self.control);
        self.parts.clear();
        let done = match &mut self.form {
            Form::PassThrough => {
                pass_through(&self.control, content, &mut self.parts, out).map(|()| None)
            }
            Form::Headers { cache, fragments } => {
                let cache = cache.as_deref_mut();
                let sequence = fragments.then_some(&mut self.sequence);
                with_header(&self.control, content, cache, sequence, &mut self.parts, out)
            }
        };
        self.parts.give_back();
        done
    }
}

fn pass_through(
    control: &[u8],
    content: Option<Content>,
    parts: &mut Parts,
    out: &mut impl Output,
) -> Result<(), SendError> {
    parts.buffer.extend_from_slice(&[PASS_THROUGH, VERSION_MAGIC]);
    parts.buffer.extend_from_slice(control);
    if let Some(content) = content {
        parts.buffer.push(VERSION_MAGIC);
        parts.put(content, None)?;
    }
    out.buffer().put_u32(frame_length(parts.len())?);
    parts.write(out);
    Ok(())
}

fn with_header(
    control: &[u8],
    content: Option<Content>,
    mut cache: Option<&mut Outbound>,
    sequence: Option<&mut u64>,
    parts: &mut Parts,
    out: &mut impl Output,
) -> Result<Option<Fragments>, SendError> {
    if let Some(cache) = &mut cache {
        cache.begin();
    }
    let body = parts.body(control, content, cache.as_deref_mut()).and_then(|control_length| {
        // Without fragments a message has to fit a frame, its header (255 new atoms at most) included.
        if sequence.is_none() {
            frame_length(parts.len().saturating_add(1 << 19))?;
        }
        Ok(control_length)
    });
    let control_length = match body {
        Ok(length) => length,
        Err(error) => {
            // The peer must not be expected to know atoms that it will never be told.
            if let Some(cache) = cache {
                cache.abandon();
            }
            return Err(error);
        }
    };
    // "The entire atom cache and control message has to be part of the starting fragment."
    let first = FRAGMENT_SIZE.max(control_length);
    let length = parts.len();
    let fragmented = match sequence {
        Some(sequence) if length > first => {
            *sequence += 1;
            Some((*sequence, 1 + (length - first).div_ceil(FRAGMENT_SIZE) as u64))
        }
        _ => None,
    };
    let at = out.buffer().len();
    out.buffer().put_u32(0);
    dist_header::write(cache.as_deref(), fragmented, out.buffer());
    let header = out.buffer().len() - at - 4;
    let here = if fragmented.is_some() { first } else { length };
    let prefix = frame_length(header + here).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(place) = out.buffer().get_mut(at..at + 4) {
        place.copy_from_slice(&prefix);
    }
    let Some((sequence, fragments)) = fragmented else {
        parts.write(out);
        return Ok(None);
    };
    let mut rest = Fragments { sequence, left: fragments, held: length, pieces: parts.take() };
    rest.put(first, out);
    Ok(Some(rest))
}

fn frame_length(length: usize) -> Result<u32, SendError> {
    u32::try_from(length).map_err(|_| SendError::TooLong(length))
}

/// What is still to be sent of a message in fragments.
#[derive(Debug)]
pub struct Fragments {
    sequence: u64,
    left: u64,
    held: usize,
    pieces: VecDeque<Bytes>,
}

impl Fragments {
    /// Writes the next fragment; whether there are more.
    pub fn put_next(&mut self, out: &mut impl Output) -> bool {
        if self.left == 0 {
            return false;
        }
        let length = self.held.min(FRAGMENT_SIZE);
        let frame = dist_header::FRAGMENT_HEADER + length;
        // A fragment and its header are far below 4 GiB.
        out.buffer().put_u32(u32::try_from(frame).unwrap_or(u32::MAX));
        dist_header::write_continuation(self.sequence, self.left, out.buffer());
        self.put(length, out);
        self.left > 0
    }

    /// Bytes still to be sent, without headers.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Writes that many bytes of the message as the content of a fragment.
    fn put(&mut self, mut length: usize, out: &mut impl Output) {
        self.left = self.left.saturating_sub(1);
        while length > 0
            && let Some(piece) = self.pieces.front_mut()
        {
            let part = piece.split_to(length.min(piece.len()));
            if piece.is_empty() {
                self.pieces.pop_front();
            }
            length -= part.len();
            self.held = self.held.saturating_sub(part.len());
            if part.len() < SHARED {
                out.buffer().extend_from_slice(&part)
            } else {
                out.insert(part)
            }
        }
    }
}

/// The control message and payload of a message as they go out: one buffer, and large pieces at their places in it.
#[derive(Debug, Default)]
struct Parts {
    buffer: Vec<u8>,
    shared: Vec<(usize, Bytes)>,
    shared_length: usize,
}

impl Parts {
    /// What a message may leave behind of its buffer, so that one large one does not hold memory for ever.
    const KEPT: usize = 64 << 10;

    fn clear(&mut self) {
        self.buffer.clear();
        self.shared.clear();
        self.shared_length = 0;
    }

    fn give_back(&mut self) {
        self.clear();
        self.buffer.shrink_to(Self::KEPT);
    }

    fn len(&self) -> usize {
        self.buffer.len() + self.shared_length
    }

    fn share(&mut self, bytes: Bytes) {
        if bytes.len() < SHARED {
            self.buffer.extend_from_slice(&bytes);
        } else {
            self.shared_length += bytes.len();
            self.shared.push((self.buffer.len(), bytes));
        }
    }

    /// Control message and payload; gives the length of the first.
    fn body(
        &mut self,
        control: &[u8],
        content: Option<Content>,
        mut cache: Option<&mut Outbound>,
    ) -> Result<usize, SendError> {
        match &mut cache {
            Some(cache) => {
                rewrite(control, &[], cache, &mut self.buffer)?;
            }
            None => self.buffer.extend_from_slice(control),
        }
        let control_length = self.buffer.len();
        if let Some(content) = content {
            self.put(content, cache)?;
        }
        Ok(control_length)
    }

    fn put(&mut self, content: Content, cache: Option<&mut Outbound>) -> Result<(), SendError> {
        match (content, cache) {
            (Content::Encoded(encoded), None) => self.share(encoded.to_bytes_without_cache_refs()?),
            (Content::Encoded(encoded), Some(cache)) => self.rewrite(&encoded, cache)?,
            (Content::Term(term), None) => {
                term.encode_pieces().into_iter().for_each(|piece| self.share(piece))
            }
            (Content::Term(term), Some(cache)) => {
                let mut pieces = term.encode_pieces();
                match (pieces.pop(), pieces.is_empty()) {
                    (Some(piece), true) => self.rewrite(&Encoded::new(piece, None), cache)?,
                    // Large binaries among them: next to those, a few atoms spelled out are nothing.
                    (last, _) => pieces.into_iter().chain(last).for_each(|piece| self.share(piece)),
                }
            }
        }
        Ok(())
    }

    /// Appends a payload with its atoms as references into our cache.
    fn rewrite(&mut self, encoded: &Encoded, cache: &mut Outbound) -> Result<(), DecodeError> {
        let bytes = encoded.bytes();
        if bytes.len() >= SHARED {
            let start = self.buffer.len();
            if self.rewrite_around_binaries(encoded, cache)? {
                return Ok(());
            }
            // Too many parts: begin again. What was chosen stays good.
            self.buffer.truncate(start);
            self.shared.clear();
            self.shared_length = 0;
        }
        let used = rewrite(bytes, encoded.atoms(), cache, &mut self.buffer)?;
        match bytes.len() - used {
            0 => Ok(()),
            trailing => {
                Err(DecodeError { offset: used, kind: term::DecodeErrorKind::Trailing(trailing) })
            }
        }
    }

    /// The same, with large binaries by reference, for payloads of few parts; `false` for those of many.
    fn rewrite_around_binaries(
        &mut self,
        encoded: &Encoded,
        cache: &mut Outbound,
    ) -> Result<bool, DecodeError> {
        let bytes = encoded.bytes();
        let mut cursor = Cursor::new(bytes, encoded.atoms());
        let mut pending = 1usize;
        for _ in 0..PARTS {
            if pending == 0 {
                break;
            }
            pending -= 1;
            let at = cursor.position();
            if cursor.is_tuple() {
                pending += cursor.tuple_header()?;
                self.buffer.extend_from_slice(bytes.get(at..cursor.position()).unwrap_or_default());
            } else if let Ok(length) = cursor.list_header() {
                pending += if length > 0 { length + 1 } else { 0 };
                self.buffer.extend_from_slice(bytes.get(at..cursor.position()).unwrap_or_default());
            } else {
                let part = cursor.skip_term()?;
                match *part {
                    [109, ..] if part.len() > SHARED => {
                        self.share(bytes.slice(at..cursor.position()))
                    }
                    _ => {
                        rewrite(part, encoded.atoms(), cache, &mut self.buffer)?;
                    }
                }
            }
        }
        if pending == 0 && !cursor.is_empty() {
            let trailing = term::DecodeErrorKind::Trailing(cursor.remaining().len());
            return Err(DecodeError { offset: cursor.position(), kind: trailing });
        }
        Ok(pending == 0)
    }

    fn write(&mut self, out: &mut impl Output) {
        let mut from = 0;
        for (at, bytes) in self.shared.drain(..) {
            out.buffer().extend_from_slice(self.buffer.get(from..at).unwrap_or_default());
            out.insert(bytes);
            from = at;
        }
        out.buffer().extend_from_slice(self.buffer.get(from..).unwrap_or_default());
    }

    /// All of it in pieces, for a message that is sent over time.
    fn take(&mut self) -> VecDeque<Bytes> {
        let buffer = Bytes::from(std::mem::take(&mut self.buffer));
        let mut pieces = VecDeque::new();
        let mut from = 0;
        for (at, bytes) in self.shared.drain(..) {
            pieces.push_back(buffer.slice(from..at));
            pieces.push_back(bytes);
            from = at;
        }
        pieces.push_back(buffer.slice(from..));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}

#[cfg(test)]
mod tests {
    //! What is written here is read back with our own receiver, which is held against live nodes elsewhere; live nodes
    //! read it in `node/tests`.

    use proptest::prelude::*;
    use term::{Atom, Pid};

    use super::*;
    use crate::proto::fragment::Bounds;
    use crate::proto::frame::{Deframer, Frame, Prefix};
    use crate::proto::receive::{Message, Receiver};

    /// Everything in one buffer, and how many bytes came by reference.
    #[derive(Default)]
    struct Wire {
        bytes: Vec<u8>,
        inserted: usize,
    }

    impl Output for Wire {
        fn buffer(&mut self) -> &mut Vec<u8> {
            &mut self.bytes
        }

        fn insert(&mut self, bytes: Bytes) {
            self.inserted += bytes.len();
            self.bytes.extend_from_slice(&bytes);
        }
    }

    fn control(id: u32) -> Control {
        let to = Pid::new(Atom::from_static("b@h"), 1, 0, 1);
        Control::SendSender { from: Pid::new(Atom::from_static("a@h"), id, 0, 1), to }
    }

    fn receive(flags: Flags, wire: &[u8]) -> Vec<Message> {
        let mut deframer = Deframer::handshake(Prefix::Two).established(1 << 30);
        deframer.push(wire);
        let mut receiver = Receiver::new(flags, Bounds::default());
        let mut messages = Vec::new();
        while let Some(frame) = deframer.next_frame().unwrap() {
            let Frame::Message(frame) = frame else { continue };
            messages.extend(receiver.receive(&frame).unwrap());
        }
        assert_eq!((deframer.pending(), receiver.held()), (0, 0));
        messages
    }

    fn all_forms() -> [Flags; 4] {
        let all = Flags::offered();
        [
            all,
            all - Flags::DIST_HDR_ATOM_CACHE,
            all - Flags::FRAGMENTS,
            all - Flags::FRAGMENTS - Flags::DIST_HDR_ATOM_CACHE,
        ]
    }

    fn binary(length: usize) -> Term {
        Term::from(Bytes::from((0..length).map(|i| (i % 251) as u8).collect::<Vec<u8>>()))
    }

    fn any_term() -> impl Strategy<Value = Term> {
        let leaf = prop_oneof![
            (0..600u32).prop_map(|i| Term::from(Atom::new(format!("atom_{i}")).unwrap())),
            any::<i64>().prop_map(Term::from),
            prop_oneof![0..100usize, 8_000..9_000usize, 60_000..200_000usize].prop_map(binary),
            (0..9u32).prop_map(|id| Term::from(Pid::new(
                Atom::new(format!("node{id}@h")).unwrap(),
                id,
                0,
                1
            ))),
        ];
        leaf.prop_recursive(3, 300, 120, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..120).prop_map(Term::from),
                (inner.clone(), inner).prop_map(Term::from),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_sent_arrives_whatever_was_agreed_on(
            terms in proptest::collection::vec((any_term(), any::<bool>()), 1..8),
            form in 0..4usize,
        ) {
            let flags = all_forms()[form];
            let mut sender = Sender::new(flags);
            let mut wire = Wire::default();
            let mut under_way: VecDeque<Fragments> = VecDeque::new();
            for (id, (term, encoded)) in terms.iter().enumerate() {
                let content =
                    if *encoded { Content::Encoded(Encoded::from_term(term)) } else { Content::Term(term.clone()) };
                under_way.extend(sender.put(&control(id as u32), Some(content), &mut wire).unwrap());
                // One fragment of another message between every two.
                if let Some(mut fragments) = under_way.pop_front()
                    && fragments.put_next(&mut wire)
                {
                    under_way.push_back(fragments);
                }
            }
            while let Some(mut fragments) = under_way.pop_front() {
                if fragments.put_next(&mut wire) {
                    under_way.push_back(fragments);
                }
            }
            let mut messages = receive(flags, &wire.bytes);
            messages.sort_by_key(|message| match &message.control {
                Control::SendSender { from, .. } => from.id(),
                _ => u32::MAX,
            });
            prop_assert_eq!(messages.len(), terms.len());
            for (id, (message, (term, _))) in messages.iter().zip(&terms).enumerate() {
                prop_assert_eq!(&message.control, &control(id as u32));
                prop_assert_eq!(&message.payload.as_ref().unwrap().decode().unwrap(), term);
            }
        }
    }

    #[test]
    fn what_came_over_one_connection_goes_out_over_another() {
        let flags = Flags::offered();
        let mut first = Wire::default();
        let term = Term::from((Atom::from_static("hello"), Atom::from_static("world")));
        Sender::new(flags).put(&control(1), Some(Content::Term(term.clone())), &mut first).unwrap();
        let received = receive(flags, &first.bytes).remove(0).payload.unwrap();
        assert!(!received.atoms().is_empty());
        for flags in all_forms() {
            let mut sender = Sender::new(flags);
            let mut second = Wire::default();
            // Other atoms first, so that positions differ.
            sender
                .put(
                    &control(2),
                    Some(Content::Term(Term::from(Atom::from_static("other")))),
                    &mut second,
                )
                .unwrap();
            sender.put(&control(3), Some(Content::Encoded(received.clone())), &mut second).unwrap();
            assert_eq!(
                receive(flags, &second.bytes)[1].payload.as_ref().unwrap().decode().unwrap(),
                term
            );
        }
    }

    #[test]
    fn the_second_message_of_its_kind_is_shorter() {
        let mut sender = Sender::new(Flags::offered());
        let content = || Some(Content::Term(Term::from(Atom::from_static("a_rather_long_atom"))));
        let mut wire = Wire::default();
        sender.put(&control(1), content(), &mut wire).unwrap();
        let first = wire.bytes.len();
        sender.put(&control(1), content(), &mut wire).unwrap();
        assert!(
            wire.bytes.len() - first < first - 20,
            "{first}, then {}",
            wire.bytes.len() - first
        );
    }

    #[test]
    fn large_binaries_are_not_copied() {
        for flags in all_forms() {
            for encoded in [false, true] {
                let term = Term::from((Atom::from_static("reply"), binary(1 << 20)));
                let content = if encoded {
                    Content::Encoded(Encoded::from_term(&term))
                } else {
                    Content::Term(term)
                };
                let mut wire = Wire::default();
                let mut sender = Sender::new(flags);
                if let Some(mut fragments) =
                    sender.put(&control(1), Some(content), &mut wire).unwrap()
                {
                    while fragments.put_next(&mut wire) {}
                    assert_eq!(fragments.held(), 0);
                }
                assert!(
                    wire.inserted >= (1 << 20) - SHARED * 2,
                    "{flags}: {} by reference",
                    wire.inserted
                );
            }
        }
    }

    #[test]
    fn a_payload_that_is_no_term_is_refused_and_leaves_the_connection_as_it_was() {
        let flags = Flags::offered();
        let mut sender = Sender::new(flags);
        let mut wire = Wire::default();
        // A tuple of two, of which the second is missing; its first atom would have been new in the cache.
        let broken = Encoded::new(Bytes::from_static(&[104, 2, 119, 3, b'n', b'e', b'w']), None);
        assert!(sender.put(&control(1), Some(Content::Encoded(broken)), &mut wire).is_err());
        assert!(wire.bytes.is_empty());
        let term = Term::from(Atom::from_static("new"));
        sender.put(&control(1), Some(Content::Term(term.clone())), &mut wire).unwrap();
        assert_eq!(
            receive(flags, &wire.bytes)[0].payload.as_ref().unwrap().decode().unwrap(),
            term
        );
    }

    #[test]
    fn one_large_message_does_not_hold_memory_for_ever() {
        let mut sender = Sender::new(Flags::offered() - Flags::FRAGMENTS);
        let list: Vec<Term> = (0..200_000).map(Term::from).collect();
        sender
            .put(&control(1), Some(Content::Term(Term::from(list))), &mut Wire::default())
            .unwrap();
        assert!(sender.parts.buffer.capacity() <= Parts::KEPT);
    }
}
