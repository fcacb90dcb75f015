//! How large the pieces are that messages go in: what the channel takes in a moment, so that nobody waits for longer than that behind
//! somebody else's message.

use std::time::{Duration, Instant};

use crate::carrier::Address;
use crate::proto::fragment::FRAGMENT_SIZE;

/// Least bytes of fragments taken into one write; together with the kernel's unsent data (`TCP_NOTSENT_LOWAT`, 128 KiB where
/// the channel is no faster) it is what a small signal may have to wait for.
pub(super) const FRAGMENTS_A_WRITE: usize = 128 * 1024;

/// How long a small signal may have to wait for a fragment of somebody else's. A channel that takes more than erts' 64 KiB
/// in this time gets larger fragments: each costs both ends a frame, and the receiver a copy.
const STRIDE: Duration = Duration::from_micros(250);

/// Largest fragment: some MiB a millisecond is what the loopback takes, and a message of 1 MiB goes in one piece then.
const LARGEST_FRAGMENT: usize = (1 << 20) + (64 << 10);

/// The same over a Unix socket. For a frame over 512 KiB a BEAM takes pages that are new to it, and gives them back; where bytes
/// come in as cheaply as here that is felt: with larger fragments messages of 1 MiB went at 0.35 to 0.75 of the rate.
const LARGEST_FRAGMENT_LOCALLY: usize = 256 << 10;

/// How long everything else may have to wait for a message that goes in one piece. What is cut costs a receiving BEAM a copy into new
/// memory, which nearly halves the rate of messages of 16 MiB; and a BEAM's own small messages wait as long or longer, for what its
/// kernel's buffers hold.
const WHOLE_STRIDE: Duration = Duration::from_millis(16);

/// Largest message that goes in one piece: what the loopback takes in that time. A larger one is cut all the way, so that while it is
/// under way small ones wait for a fragment only.
const LARGEST_WHOLE: usize = (16 << 20) + (64 << 10);

/// How much the channel takes in [`STRIDE`] and in [`WHOLE_STRIDE`], from the last write large enough to tell.
pub(super) struct Pace {
    pub(super) fragment: usize,
    largest: usize,
    pub(super) whole: usize,
    largest_whole: usize,
    begun: Option<Instant>,
}

impl Pace {
    pub(super) fn of(to: &Address) -> Self {
        let (largest, largest_whole) = match to {
            Address::Path(_) => (LARGEST_FRAGMENT_LOCALLY, LARGEST_FRAGMENT_LOCALLY),
            Address::Socket(_) | Address::Named(_) => (LARGEST_FRAGMENT, LARGEST_WHOLE),
        };
        Self { fragment: FRAGMENT_SIZE, largest, whole: FRAGMENT_SIZE, largest_whole, begun: None }
    }

    pub(super) fn begin(&mut self, bytes: usize) {
        self.begun = (bytes >= FRAGMENTS_A_WRITE).then(Instant::now);
    }

    /// Whether sizes are others from here on.
    pub(super) fn end(&mut self, bytes: usize) -> bool {
        let Some(begun) = self.begun.take() else { return false };
        self.took(bytes, begun.elapsed())
    }

    fn took(&mut self, bytes: usize, time: Duration) -> bool {
        let before = (self.fragment, self.whole);
        let size = |size, stride: Duration, largest: usize| {
            // They grow step by step, as the kernel's buffer takes a first write at once however slow the channel; and they
            // shrink at once.
            let most = largest.min(size * 2);
            let at_pace = bytes as u128 * stride.as_nanos() / time.as_nanos().max(1);
            usize::try_from(at_pace).unwrap_or(most).clamp(FRAGMENT_SIZE, most)
        };
        self.fragment = size(self.fragment, STRIDE, self.largest);
        self.whole = size(self.whole, WHOLE_STRIDE, self.largest_whole);
        (self.fragment, self.whole) != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_one_piece_grows_step_by_step_with_the_pace_and_shrinks_at_once() {
        let mut pace = Pace::of(&Address::Named("somewhere".to_owned()));
        assert_eq!(pace.whole, FRAGMENT_SIZE);
        let gigabyte_a_second = |pace: &mut Pace| pace.took(1 << 20, Duration::from_millis(1));
        gigabyte_a_second(&mut pace);
        assert_eq!(pace.whole, 2 * FRAGMENT_SIZE);
        for _ in 0..10 {
            gigabyte_a_second(&mut pace);
        }
        assert_eq!((pace.whole, pace.fragment), (16 << 20, (1 << 20) / 4));
        pace.took(1 << 20, Duration::from_micros(1));
        assert_eq!(pace.whole, LARGEST_WHOLE);
        // 10 MiB a second, as a line of 100 Mbit/s has it.
        pace.took(1 << 20, Duration::from_millis(100));
        assert_eq!((pace.whole, pace.fragment), ((1 << 20) * 16 / 100, FRAGMENT_SIZE));
    }

    #[test]
    fn a_fast_channel_gets_larger_fragments_step_by_step_and_a_slow_one_none() {
        let network = Address::Named("somewhere".to_owned());
        let mut pace = Pace::of(&network);
        let sizes: Vec<usize> = (0..6)
            .map(|_| {
                pace.took(1 << 20, Duration::from_micros(100));
                pace.fragment
            })
            .collect();
        assert_eq!(sizes[..3], [2 * FRAGMENT_SIZE, 4 * FRAGMENT_SIZE, 8 * FRAGMENT_SIZE]);
        assert_eq!(sizes[5], LARGEST_FRAGMENT);
        assert!(pace.took(1 << 20, Duration::from_millis(1)));
        assert_eq!(pace.fragment, (1 << 20) / 4);
        pace.took(1 << 20, Duration::from_millis(100));
        assert_eq!(pace.fragment, FRAGMENT_SIZE);
        pace.took(FRAGMENTS_A_WRITE, Duration::from_millis(1));
        assert_eq!(pace.fragment, FRAGMENT_SIZE);
        let mut near = Pace::of(&Address::Path("/run/dist/a@b".into()));
        while near.took(1 << 20, Duration::from_micros(100)) {}
        assert_eq!(
            (near.fragment, near.whole),
            (LARGEST_FRAGMENT_LOCALLY, LARGEST_FRAGMENT_LOCALLY)
        );
    }
}
