//! Frames: a length in front of every message, 2 or 4 bytes in the handshake and 4 afterwards; an empty one is a tick.
//!
//! [`Deframer`] owns the read buffer. The reader of a socket asks it for [`space`](Deframer::space), reads into that
//! (uninitialised memory, nothing is zeroed), and takes out whole frames with [`next_frame`](Deframer::next_frame) until there
//! is none. Frames are slices of the read buffer. A frame too large for it gets a buffer of its own, which grows as its bytes
//! arrive, so that it too is handed out without being copied, and no length that a peer announces costs memory.

use bytes::buf::Limit;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::spare::Spares;

/// Longest message of a handshake: a name of 255 characters in four bytes each, the fields, and room for the
/// "extra data" that the guide tells us to accept and ignore.
pub const MAX_HANDSHAKE_FRAME: usize = 2048;

/// Largest frame, and largest reassembled message, taken from a peer unless told otherwise. Nodes with FRAGMENTS
/// send none over 64 KiB and a header; without it, a message is one frame.
pub const DEFAULT_MAX_FRAME: usize = 128 << 20;

/// Read buffer of a connection that has little to say: some tens of small messages fit, a thousand idle connections cost
/// 2 MiB. It grows fourfold with each read that fills it.
const SMALL_BUFFER: usize = 2 << 10;
/// Read buffer of a busy connection: a few fragments of 64 KiB, taken in with one read.
pub(crate) const LARGE_BUFFER: usize = 256 << 10;
/// Frames over this are read into a buffer of their own. Fragments, which are copied to their place anyhow, stay
/// below it.
const OWN_BUFFER: usize = 128 << 10;
/// First size of a frame's own buffer; it doubles as bytes arrive.
const FIRST_STEP: usize = 1 << 20;

/// How many bytes of length go before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// The handshake on TCP.
    Two,
    /// The handshake on TLS, and everything after a handshake.
    Four,
}

impl Prefix {
    /// The number of bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Appends the length of a message of `length` bytes.
    ///
    /// # Errors
    /// When the length does not fit the prefix.
    pub fn put(self, length: usize, out: &mut impl BufMut) -> Result<(), FrameError> {
        let too_long = |_| FrameError::TooLong { length, max: self.max() };
        match self {
            Self::Two => out.put_u16(u16::try_from(length).map_err(too_long)?),
            Self::Four => out.put_u32(u32::try_from(length).map_err(too_long)?),
        }
        Ok(())
    }

    /// `message` behind its length.
    ///
    /// # Errors
    /// When the message is too long for the prefix.
    pub fn frame(self, message: &[u8]) -> Result<Bytes, FrameError> {
        let mut out = BytesMut::with_capacity(self.size() + message.len());
        self.put(message.len(), &mut out)?;
        out.put_slice(message);
        Ok(out.freeze())
    }

    fn max(self) -> usize {
        match self {
            Self::Two => 0xffff,
            Self::Four => 0xffff_ffff,
        }
    }

    /// The length that `bytes` begins with, when all of the prefix is there.
    fn get(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Two => bytes.first_chunk().map(|prefix| usize::from(u16::from_be_bytes(*prefix))),
            Self::Four => {
                let length = u32::from_be_bytes(*bytes.first_chunk()?);
                Some(usize::try_from(length).unwrap_or(usize::MAX))
            }
        }
    }
}

/// What is wrong with a frame: the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The length announced is over the limit. Nothing has been allocated for it.
    #[error(
        "frame of {length} bytes announced, at most {max} are taken (see the max-frame option)"
    )]
    TooLong {
        /// The length announced.
        length: usize,
        /// The limit.
        max: usize,
    },
}

/// One frame as it came off the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An empty frame: the peer is alive and has nothing to say.
    Tick,
    /// A message.
    Message(Bytes),
}

/// The read buffer of a connection: bytes in, frames out.
#[derive(Debug)]
pub struct Deframer {
    prefix: Prefix,
    max: usize,
    buffer: BytesMut,
    /// Capacity to give the read buffer when it is next renewed.
    capacity: usize,
    /// Whether `capacity` was raised since the last read.
    grown: bool,
    /// A frame that is read into a buffer of its own; what follows it goes to `buffer`.
    own: Option<OwnBuffer>,
    spares: Spares,
}

#[derive(Debug)]
struct OwnBuffer {
    bytes: BytesMut,
    length: usize,
}

impl OwnBuffer {
    fn missing(&self) -> usize {
        self.length.saturating_sub(self.bytes.len())
    }
}

impl Deframer {
    /// A reader of handshake messages with the prefix that the carrier brings, at most
    /// [`MAX_HANDSHAKE_FRAME`] bytes each.
    #[must_use]
    pub fn handshake(prefix: Prefix) -> Self {
        Self {
            prefix,
            max: MAX_HANDSHAKE_FRAME,
            buffer: BytesMut::new(),
            capacity: MAX_HANDSHAKE_FRAME,
            grown: false,
            own: None,
            spares: Spares::default(),
        }
    }

    /// The handshake is over: from here on frames have 4 bytes of length and are at most `max` long. Bytes that
    /// arrived behind the last message of the handshake stay and count.
    #[must_use]
    pub fn established(mut self, max: usize) -> Self {
        self.prefix = Prefix::Four;
        self.max = max;
        self.capacity = SMALL_BUFFER;
        self
    }

    /// Room to read into, never empty. Whoever reads takes out all frames before asking for room again.
    #[must_use]
    pub fn space(&mut self) -> Limit<&mut BytesMut> {
        self.grown = false;
        let wanted = self.wanted();
        if let Some(own) = self.own.as_mut().filter(|own| own.missing() > 0) {
            let missing = own.missing();
            if own.bytes.len() == own.bytes.capacity() {
                // As much again as has arrived, not more than is to come: memory follows the bytes received.
                own.bytes.reserve(own.bytes.len().max(FIRST_STEP).min(missing));
            }
            let room = own.bytes.capacity() - own.bytes.len();
            return (&mut own.bytes).limit(room.min(missing));
        }
        let room = self.buffer.capacity() - self.buffer.len();
        if room < wanted.max(self.capacity / 4) {
            let more = self.capacity.saturating_sub(self.buffer.len());
            self.buffer.reserve(more.max(wanted).max(1));
        }
        let room = self.buffer.capacity() - self.buffer.len();
        (&mut self.buffer).limit(room)
    }

    /// Takes in bytes that were read elsewhere.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut space = self.space();
            let (head, tail) = bytes.split_at(space.remaining_mut().min(bytes.len()));
            space.put_slice(head);
            bytes = tail;
        }
    }

    /// The next whole frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// When a length is over the limit; the connection is to be closed.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(own) = &mut self.own {
            if own.missing() > 0 {
                return Ok(None);
            }
            let bytes = std::mem::take(&mut own.bytes);
            self.own = None;
            return Ok(Some(Frame::Message(self.spares.freeze(bytes))));
        }
        // A read that filled all there was calls for a larger buffer next time.
        if !self.grown
            && self.buffer.len() == self.buffer.capacity()
            && self.buffer.len() >= self.capacity / 2
        {
            self.grown = true;
            self.capacity = (self.capacity * 4).min(LARGE_BUFFER);
        }
        let Some(length) = self.frame_length()? else { return Ok(None) };
        let whole = self.prefix.size() + length;
        if self.buffer.len() < whole {
            if length > OWN_BUFFER {
                self.move_out();
            }
            return Ok(None);
        }
        self.buffer.advance(self.prefix.size());
        if length == 0 {
            if self.prefix == Prefix::Four && self.buffer.is_empty() {
                // Ticks come when there is nothing else: no need of a large buffer, nor of the one that is there.
                self.capacity = self.capacity.min(SMALL_BUFFER);
                if self.buffer.capacity() > SMALL_BUFFER {
                    self.buffer = BytesMut::new();
                }
            }
            return Ok(Some(Frame::Tick));
        }
        Ok(Some(Frame::Message(self.buffer.split_to(length).freeze())))
    }

    /// Whether buffers of earlier frames are kept for later ones.
    #[must_use]
    pub fn has_spares(&self) -> bool {
        !self.spares.is_empty()
    }

    /// Some time has passed: those that no frame used since this was last said are given back.
    pub fn grow_old(&mut self) {
        self.spares.grow_old();
    }

    /// Bytes held that are not yet a whole frame.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() + self.own.as_ref().map_or(0, |own| own.bytes.len())
    }

    fn frame_length(&self) -> Result<Option<usize>, FrameError> {
        match self.prefix.get(&self.buffer) {
            Some(length) if length > self.max => Err(FrameError::TooLong { length, max: self.max }),
            length => Ok(length),
        }
    }

    /// Bytes that the frame at the start of the buffer still lacks.
    fn wanted(&self) -> usize {
        let length = self.prefix.get(&self.buffer).unwrap_or(0).min(OWN_BUFFER);
        (self.prefix.size() + length).saturating_sub(self.buffer.len())
    }

    /// Gives the unfinished frame at the start of the buffer a buffer of its own.
    fn move_out(&mut self) {
        let Some(length) = self.prefix.get(&self.buffer) else { return };
        let mut bytes = self.spares.take(length);
        bytes.reserve(length.min(FIRST_STEP.max(self.buffer.len())));
        bytes.extend_from_slice(self.buffer.get(self.prefix.size()..).unwrap_or_default());
        self.buffer.clear();
        self.own = Some(OwnBuffer { bytes, length });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frames of these payload lengths, filled with a pattern, as they stand on the wire.
    fn stream(prefix: Prefix, lengths: &[usize]) -> (Vec<u8>, Vec<Frame>) {
        let mut wire = Vec::new();
        let mut frames = Vec::new();
        for (number, &length) in lengths.iter().enumerate() {
            let payload: Vec<u8> = (0..length).map(|i| (i * 7 + number) as u8).collect();
            wire.extend_from_slice(&prefix.frame(&payload).unwrap());
            frames.push(if length == 0 { Frame::Tick } else { Frame::Message(payload.into()) });
        }
        (wire, frames)
    }

    fn drain(deframer: &mut Deframer, into: &mut Vec<Frame>) {
        while let Some(frame) = deframer.next_frame().unwrap() {
            into.push(frame);
        }
    }

    #[test]
    fn frames_come_out_whole_however_the_bytes_are_split_in_two() {
        for prefix in [Prefix::Two, Prefix::Four] {
            let (wire, frames) = stream(prefix, &[0, 1, 5, 0, 300, 2]);
            for cut in 0..=wire.len() {
                let mut deframer = Deframer::handshake(prefix);
                let mut got = Vec::new();
                for part in [&wire[..cut], &wire[cut..]] {
                    deframer.push(part);
                    drain(&mut deframer, &mut got);
                }
                assert_eq!(got, frames, "cut at {cut}");
                assert_eq!(deframer.pending(), 0);
            }
        }
    }

    proptest! {
        #[test]
        fn frames_of_any_size_come_out_whole_in_reads_of_any_size(
            lengths in proptest::collection::vec(prop_oneof![0..40usize, 1_000..70_000usize, 120_000..400_000usize], 0..8),
            reads in proptest::collection::vec(1..90_000usize, 1..20),
        ) {
            let (wire, frames) = stream(Prefix::Four, &lengths);
            let mut deframer = Deframer::handshake(Prefix::Two).established(1 << 20);
            let mut got = Vec::new();
            let mut rest = &wire[..];
            for read in reads.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                // As a socket is read: into the space given, no more than there is room for.
                let mut space = deframer.space();
                prop_assert!(space.remaining_mut() > 0);
                let (head, tail) = rest.split_at((*read).min(space.remaining_mut()).min(rest.len()));
                space.put_slice(head);
                rest = tail;
                drain(&mut deframer, &mut got);
            }
            prop_assert_eq!(got, frames);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_allocated_for_it() {
        let mut deframer = Deframer::handshake(Prefix::Two).established(1000);
        deframer.push(&u32::MAX.to_be_bytes());
        assert_eq!(
            deframer.next_frame(),
            Err(FrameError::TooLong { length: 0xffff_ffff, max: 1000 })
        );
        let mut deframer = Deframer::handshake(Prefix::Two);
        deframer.push(&[0xff, 0xff]);
        assert_eq!(
            deframer.next_frame(),
            Err(FrameError::TooLong { length: 0xffff, max: MAX_HANDSHAKE_FRAME })
        );
    }

    #[test]
    fn memory_for_a_large_frame_follows_the_bytes_received() {
        let mut deframer = Deframer::handshake(Prefix::Two).established(1 << 30);
        deframer.push(&(1u32 << 30).to_be_bytes());
        assert_eq!(deframer.next_frame(), Ok(None));
        let mut received = 0;
        while received < 8 << 20 {
            let room = deframer.space().remaining_mut();
            assert!(
                room <= received.max(FIRST_STEP),
                "{room} bytes of room after {received} received"
            );
            deframer.push(&vec![1; room]);
            received += room;
            assert_eq!(deframer.next_frame(), Ok(None));
        }
    }

    #[test]
    fn bytes_behind_the_handshake_belong_to_the_connection() {
        let mut wire = Prefix::Two.frame(b"a0123456789abcdef").unwrap().to_vec();
        wire.extend_from_slice(&Prefix::Four.frame(b"first").unwrap());
        let mut deframer = Deframer::handshake(Prefix::Two);
        deframer.push(&wire);
        assert_eq!(
            deframer.next_frame(),
            Ok(Some(Frame::Message(Bytes::from_static(b"a0123456789abcdef"))))
        );
        let mut deframer = deframer.established(DEFAULT_MAX_FRAME);
        assert_eq!(deframer.next_frame(), Ok(Some(Frame::Message(Bytes::from_static(b"first")))));
    }

    #[test]
    fn a_large_frame_is_handed_out_without_being_copied() {
        let mut deframer = Deframer::handshake(Prefix::Two).established(1 << 30);
        let length = 900_000;
        deframer.push(&u32::to_be_bytes(length));
        assert_eq!(deframer.next_frame(), Ok(None));
        let mut start = None;
        for _ in 0..length {
            let mut space = deframer.space();
            start.get_or_insert_with(|| space.chunk_mut().as_mut_ptr() as usize);
            space.put_u8(7);
        }
        let Ok(Some(Frame::Message(frame))) = deframer.next_frame() else { panic!("no frame") };
        assert_eq!(Some(frame.as_ptr() as usize), start);
    }
}
