//! A message as it goes out, its payload's atoms rewritten and its large binaries by reference.

use std::collections::VecDeque;

use bytes::Bytes;
use term::{Cursor, DecodeError, Encoded};

use super::again::Again;
use super::{Content, Output, SHARED, SendError};
use crate::proto::atom_cache::Outbound;
use crate::proto::control::Control;
use crate::proto::rewrite::rewrite;

/// How many parts of a payload are looked at for a large binary among them. Messages have theirs near the start, and
/// one with thousands of parts is not looked through twice.
const PARTS: usize = 64;

/// The control message and payload of a message as they go out: one buffer, and large pieces at their places in it.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) buffer: Vec<u8>,
    shared: Vec<(usize, Bytes)>,
    shared_length: usize,
}

impl Parts {
    /// What a message may leave behind of its buffer, so that one large one does not hold memory for ever.
    pub(super) const KEPT: usize = 64 << 10;

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.shared.clear();
        self.shared_length = 0;
    }

    pub(super) fn give_back(&mut self) {
        self.clear();
        self.buffer.shrink_to(Self::KEPT);
    }

    pub(super) fn len(&self) -> usize {
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
    pub(super) fn body(
        &mut self,
        control: &Control,
        again: &mut Again,
        content: Option<Content>,
        mut cache: Option<&mut Outbound>,
    ) -> Result<usize, SendError> {
        match &mut cache {
            Some(cache) => again.write(control, cache, &mut self.buffer)?,
            None => control.encode(&mut self.buffer),
        }
        let control_length = self.buffer.len();
        if let Some(content) = content {
            self.put(content, cache)?;
        }
        Ok(control_length)
    }

    pub(super) fn put(
        &mut self,
        content: Content,
        cache: Option<&mut Outbound>,
    ) -> Result<(), SendError> {
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

    pub(super) fn write(&mut self, out: &mut impl Output) {
        let mut from = 0;
        for (at, bytes) in self.shared.drain(..) {
            out.buffer().extend_from_slice(self.buffer.get(from..at).unwrap_or_default());
            out.insert(bytes);
            from = at;
        }
        out.buffer().extend_from_slice(self.buffer.get(from..).unwrap_or_default());
    }

    /// All of it in pieces, for a message that is sent over time.
    pub(super) fn take(&mut self) -> VecDeque<Bytes> {
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
