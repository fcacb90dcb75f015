//! Large buffers used again as soon as whoever got their bytes has dropped them.
//!
//! Fresh memory costs more than what it is for: the kernel hands it out page by page and zeroes every one, which takes
//! longer than copying a message into pages that are there. So a connection keeps a handle on the buffers of its last
//! large messages. A buffer whose bytes somebody still holds is let alone, and one that is not used for a while is given back.

use bytes::{Bytes, BytesMut};

/// Smaller ones the allocator itself has at hand.
const LEAST: usize = 128 << 10;
/// Larger ones are rare, and too much to keep for a rare thing.
const MOST: usize = 32 << 20;
/// One is read into while the bytes of the other are with their receiver.
const KEPT: usize = 2;
/// So many reads without a use: messages of that size have stopped coming.
const UNUSED: u32 = 1_000;

/// The buffers of a connection's last large messages.
#[derive(Debug, Default)]
pub(super) struct Spares {
    /// Empty handles on buffers, and how large those are.
    kept: Vec<(BytesMut, usize)>,
    unused: u32,
}

impl Spares {
    /// An empty buffer for a message of about `expected` bytes. Either it has no memory yet, or memory that bytes from
    /// this peer have filled before: `expected` is only what the peer says.
    pub(super) fn take(&mut self, expected: usize) -> BytesMut {
        self.unused = 0;
        // A small message in a large buffer would hold all of it for as long as it lies in a mailbox.
        let fits = |capacity: usize| capacity <= expected.saturating_mul(2);
        let free = |(buffer, capacity): &mut (BytesMut, usize)| {
            fits(*capacity) && buffer.try_reclaim(*capacity)
        };
        match self.kept.iter_mut().position(free) {
            Some(at) => self.kept.swap_remove(at).0,
            None => BytesMut::new(),
        }
    }

    /// The bytes of a whole message, and a handle kept on their buffer where it is worth it.
    pub(super) fn freeze(&mut self, mut message: BytesMut) -> Bytes {
        let capacity = message.capacity();
        if !(LEAST..=MOST).contains(&capacity) {
            return message.freeze();
        }
        self.unused = 0;
        // It came in more and smaller parts than announced.
        let bytes = if capacity / 2 > message.len() {
            let copy = Bytes::copy_from_slice(&message);
            message.clear();
            copy
        } else {
            message.split().freeze()
        };
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push((message, capacity));
        bytes
    }

    /// Whether there is anything to give back.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Something was read, large or not.
    pub(super) fn grow_old(&mut self) {
        self.unused += 1;
        if self.unused > UNUSED {
            self.give_back();
        }
    }

    /// Keeps none.
    pub(super) fn give_back(&mut self) {
        self.kept = Vec::new();
        self.unused = 0;
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
        (0..UNUSED).for_each(|_| spares.grow_old());
        assert!(!spares.is_empty());
        spares.grow_old();
        assert!(spares.is_empty());
        drop(message(&mut spares, 64 << 20));
        assert!(spares.is_empty());
    }
}
