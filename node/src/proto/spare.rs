//! Large buffers used again as soon as whoever got their bytes has dropped them.
//!
//! Fresh memory costs more than what it is for: the kernel hands it out page by page and zeroes every one, which takes
//! longer than copying a message into pages that are there. So a connection keeps a handle on the buffers of its last
//! large messages. A buffer whose bytes somebody still holds is let alone, and when no large message comes for a while all are given back.

use bytes::{Bytes, BytesMut};

use super::frame::DEFAULT_MAX_FRAME;

/// Smaller ones the allocator itself has at hand.
const LEAST: usize = 128 << 10;
/// The last messages of all that are kept were this long at most: as the largest taken by default. Without it 64 MiB, which pass
/// a second time in half the time, would be fetched anew for each.
const MOST: usize = DEFAULT_MAX_FRAME;
/// One is read into while the bytes of the other are with their receiver.
const KEPT: usize = 2;

/// The buffers of a connection's last large messages.
#[derive(Debug, Default)]
pub(super) struct Spares {
    kept: Vec<Spare>,
    used: bool,
}

#[derive(Debug)]
struct Spare {
    /// An empty handle on the buffer.
    buffer: BytesMut,
    capacity: usize,
    /// How long its last message was. What lies behind may never have been touched, and then is no memory.
    length: usize,
}

impl Spares {
    /// An empty buffer for a message of about `expected` bytes. Either it has no memory yet, or memory that bytes from
    /// this peer have filled before: `expected` is only what the peer says.
    pub(super) fn take(&mut self, expected: usize) -> BytesMut {
        self.used = true;
        // A small message in a large buffer would hold all of it for as long as it lies in a mailbox.
        let fits = |capacity: usize| capacity <= expected.saturating_mul(2);
        let free =
            |spare: &mut Spare| fits(spare.capacity) && spare.buffer.try_reclaim(spare.capacity);
        match self.kept.iter_mut().position(free) {
            Some(at) => self.kept.swap_remove(at).buffer,
            None => BytesMut::new(),
        }
    }

    /// The bytes of a whole message, and a handle kept on their buffer where it is worth it.
    pub(super) fn freeze(&mut self, mut message: BytesMut) -> Bytes {
        let (capacity, length) = (message.capacity(), message.len());
        if capacity < LEAST || length > MOST {
            return message.freeze();
        }
        self.used = true;
        // It came in more and smaller parts than announced.
        let bytes = if capacity / 2 > length {
            let copy = Bytes::copy_from_slice(&message);
            message.clear();
            copy
        } else {
            message.split().freeze()
        };
        while self.kept.len() >= KEPT || self.held() > MOST - length {
            self.kept.remove(0);
        }
        self.kept.push(Spare { buffer: message, capacity, length });
        bytes
    }

    /// Whether there is anything to give back.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Some time has passed. When no large message came since this was last said, they have stopped coming.
    pub(super) fn grow_old(&mut self) {
        if !std::mem::take(&mut self.used) {
            self.kept = Vec::new();
        }
    }

    fn held(&self) -> usize {
        self.kept.iter().map(|spare| spare.length).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(spares: &mut Spares, length: usize) -> Bytes {
        let mut buffer = spares.take(length);
        buffer.extend_from_slice(&vec![7; length]);
        spares.freeze(buffer)
    }

    #[test]
    fn a_buffer_is_used_again_when_its_bytes_are_dropped_and_not_before() {
        let mut spares = Spares::default();
        let first = message(&mut spares, 1 << 20);
        let second = message(&mut spares, 1 << 20);
        assert_ne!(first.as_ptr(), second.as_ptr());
        let place = first.as_ptr();
        let part = first.slice(5..9);
        drop(first);
        let third = message(&mut spares, 1 << 20);
        assert_ne!(third.as_ptr(), place);
        assert_eq!(&part[..], &[7; 4]);
        drop((second, third));
        let places =
            [message(&mut spares, 1 << 20), message(&mut spares, 1 << 20)].map(|m| m.as_ptr());
        assert_ne!(places[0], places[1]);
    }

    #[test]
    fn a_small_message_does_not_hold_a_large_buffer_whatever_was_announced() {
        let mut spares = Spares::default();
        drop(message(&mut spares, 8 << 20));
        assert_eq!(spares.take(100_000).capacity(), 0);
        let mut buffer = spares.take(8 << 20);
        assert!(buffer.capacity() >= 8 << 20);
        buffer.extend_from_slice(&[1; 1000]);
        let short = spares.freeze(buffer);
        assert_eq!(&short[..], &[1; 1000]);
        // The large one is free while the short message lives.
        assert!(spares.take(8 << 20).capacity() >= 8 << 20);
    }

    #[test]
    fn nothing_is_kept_for_ever() {
        let mut spares = Spares::default();
        drop(message(&mut spares, 1 << 20));
        spares.grow_old();
        drop(message(&mut spares, 1 << 20));
        spares.grow_old();
        assert!(!spares.is_empty());
        spares.grow_old();
        assert!(spares.is_empty());
    }

    #[test]
    fn all_together_are_bounded() {
        let mut spares = Spares::default();
        drop(message(&mut spares, MOST + 1));
        assert!(spares.is_empty());
        drop((message(&mut spares, MOST / 2), message(&mut spares, MOST / 4)));
        assert_eq!(spares.kept.len(), 2);
        let longest = message(&mut spares, MOST - 1);
        assert_eq!((spares.kept.len(), spares.held()), (1, MOST - 1));
        drop((longest, message(&mut spares, 1 << 20)));
        assert_eq!((spares.kept.len(), spares.held()), (1, 1 << 20));
    }
}
