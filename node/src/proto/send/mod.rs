//! From messages to frames: the control message and its payload, behind what was agreed on, in one frame or in fragments.
//!
//! [`Sender`] owns what our frames build on each other with: the atom cache and the sequence numbers. It writes into an
//! [`Output`], where many small messages share one buffer and large binaries are passed on by reference. The rest of
//! a message that does not fit one fragment comes back as [`Fragments`], to be written a frame at a time while other messages
//! go on. Two things are for the caller to see to: that frames leave in the order in which they were written here, as the
//! peer's cache follows ours; and that nothing more of a process is written while fragments of it are, as order
//! holds between two processes.

mod again;
mod parts;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::{BufMut, Bytes};
use term::{DecodeError, Encoded, Term};
use thiserror::Error;

use super::atom_cache::Outbound;
use super::control::Control;
use super::dist_header::{self, VERSION_MAGIC};
use super::flags::Flags;
use super::fragment::FRAGMENT_SIZE;
use super::receive::PASS_THROUGH;
use again::Again;
use parts::Parts;

/// Binaries of this size and more are passed on by reference: below it, copying costs less than another piece to write.
const SHARED: usize = 8 << 10;
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
    /// Bytes of a message in each of its fragments.
    fragment: usize,
    /// Bytes of the longest message that goes in one piece all the same.
    whole: usize,
    control: Again,
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
        let (control, parts) = (Again::default(), Parts::default());
        Self { form, sequence: 0, fragment: FRAGMENT_SIZE, whole: 0, control, parts }
    }

    /// Cuts messages into fragments of so many bytes from the next one on; the smallest size is erts' own, 64 KiB. The
    /// larger, the less work for both ends, and the longer everything else waits for one of them.
    pub fn set_fragment_size(&mut self, bytes: usize) {
        self.fragment = bytes.max(FRAGMENT_SIZE);
    }

    /// Lets messages of up to so many bytes go in one piece from the next one on. A receiver puts fragments together with a copy, one
    /// that is a BEAM into memory that is new each time; but all else waits for the whole of the message.
    pub fn set_whole_size(&mut self, bytes: usize) {
        self.whole = bytes;
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
        self.parts.clear();
        let done = match &mut self.form {
            Form::PassThrough => {
                pass_through(control, content, &mut self.parts, out).map(|()| None)
            }
            Form::Headers { cache, fragments } => {
                let cache = cache.as_deref_mut();
                let cut = fragments.then_some((&mut self.sequence, self.fragment, self.whole));
                let parts = &mut self.parts;
                with_header(control, &mut self.control, content, cache, cut, parts, out)
            }
        };
        self.parts.give_back();
        done
    }
}

fn pass_through(
    control: &Control,
    content: Option<Content>,
    parts: &mut Parts,
    out: &mut impl Output,
) -> Result<(), SendError> {
    parts.buffer.extend_from_slice(&[PASS_THROUGH, VERSION_MAGIC]);
    control.encode(&mut parts.buffer);
    if let Some(content) = content {
        parts.buffer.push(VERSION_MAGIC);
        parts.put(content, None)?;
    }
    out.buffer().put_u32(frame_length(parts.len())?);
    parts.write(out);
    Ok(())
}

fn with_header(
    control: &Control,
    again: &mut Again,
    content: Option<Content>,
    mut cache: Option<&mut Outbound>,
    cut: Option<(&mut u64, usize, usize)>,
    parts: &mut Parts,
    out: &mut impl Output,
) -> Result<Option<Fragments>, SendError> {
    if let Some(cache) = &mut cache {
        cache.begin();
    }
    let body =
        parts.body(control, again, content, cache.as_deref_mut()).and_then(|control_length| {
            // Without fragments a message has to fit a frame, its header (255 new atoms at most) included.
            if cut.is_none() {
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
    let size = cut.as_ref().map_or(FRAGMENT_SIZE, |(_, size, _)| *size);
    let first = size.max(control_length);
    let length = parts.len();
    let fragmented = match cut {
        Some((sequence, _, whole)) if length > first.max(whole) => {
            *sequence += 1;
            Some((*sequence, 1 + (length - first).div_ceil(size) as u64))
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
    let mut rest =
        Fragments { sequence, size, left: fragments, held: length, pieces: parts.take() };
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
    size: usize,
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
        let length = self.held.min(self.size);
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
