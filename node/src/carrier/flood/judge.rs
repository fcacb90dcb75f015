//! Whether what comes in is a flood: by what was read, and nothing of the socket.

use std::time::{Duration, Instant};

/// Reads without an answer between them that make a flood, at first.
const READS: u32 = 64;

/// The most reads that are asked for after floods that were none: seconds, at the pace of one.
const MOST_READS: u32 = 1 << 16;

/// How many reads have to fall into one stride: with fewer there is little to save. And a closed circle in which one message goes round
/// then comes to a quarter of what it was.
const WORTH: u32 = 4;

/// A read of this size on the average costs little more for being woken.
const LARGE: u64 = 8 * 1024;

/// After so many strides it is looked whether the flood goes on: a sender may pause for some of them.
const STRIDES: u32 = 16;

/// Looks at which all was well, after which a flood was one.
const LOOKS: u32 = 2;

/// Counts, and says.
#[derive(Debug)]
pub(super) struct Judge {
    stride: Duration,
    /// When the read was from which on the others are counted; none where we have just answered.
    since: Option<Instant>,
    reads: u32,
    bytes: u64,
    /// Reads that make a flood.
    patience: u32,
    flood: Option<Flood>,
}

/// A flood under way.
#[derive(Debug)]
struct Flood {
    /// Bytes that came in [`STRIDES`] when we were woken for each.
    before: u64,
    /// Since the last look.
    bytes: u64,
    strides: u32,
    looks: u32,
}

impl Judge {
    pub(super) const fn new(stride: Duration) -> Self {
        Self { stride, since: None, reads: 0, bytes: 0, patience: READS, flood: None }
    }

    pub(super) const fn stride(&self) -> Duration {
        self.stride
    }

    pub(super) const fn is_flood(&self) -> bool {
        self.flood.is_some()
    }

    /// So many bytes were read, and nothing was written since the last time. The clock is asked only where it matters.
    pub(super) fn has_read(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        let bytes = bytes as u64;
        if let Some(flood) = &mut self.flood {
            flood.bytes += bytes;
            return;
        }
        let Some(since) = self.since else { return self.counts_from(now()) };
        self.reads += 1;
        self.bytes += bytes;
        if self.reads < self.patience {
            return;
        }
        let now = now();
        let time = now.saturating_duration_since(since).as_nanos().max(1);
        let stride = self.stride.as_nanos();
        let is_fast = u128::from(self.reads) * stride >= u128::from(WORTH) * time;
        if is_fast && self.bytes < u64::from(self.reads) * LARGE {
            let before = u128::from(self.bytes) * u128::from(STRIDES) * stride / time;
            let before = u64::try_from(before).unwrap_or(u64::MAX);
            self.flood = Some(Flood { before, bytes: 0, strides: 0, looks: 0 });
        }
        self.counts_from(now);
    }

    /// A stride of the flood is over.
    pub(super) fn strides(&mut self) {
        let Some(flood) = &mut self.flood else { return };
        flood.strides += 1;
        if flood.strides < STRIDES {
            return;
        }
        if flood.bytes >= flood.before / 3 * 2 {
            (flood.bytes, flood.strides, flood.looks) = (0, 0, flood.looks.saturating_add(1));
            return;
        }
        let was_one = flood.looks >= LOOKS;
        self.patience = if was_one { READS } else { (2 * self.patience).min(MOST_READS) };
        self.answered();
    }

    /// Something was written: whoever sends may have waited for that, and may do so again.
    pub(super) const fn answered(&mut self) {
        (self.flood, self.since, self.reads, self.bytes) = (None, None, 0, 0);
    }

    const fn counts_from(&mut self, now: Instant) {
        (self.since, self.reads, self.bytes) = (Some(now), 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIDE: Duration = Duration::from_micros(200);

    /// A judge, and the clock that it looks at.
    struct Court {
        judge: Judge,
        now: Instant,
    }

    impl Court {
        fn new() -> Self {
            Self { judge: Judge::new(STRIDE), now: Instant::now() }
        }

        /// Reads of so many bytes, each so long after the one before, until there is a flood; how many there were, of `most`.
        fn reads(&mut self, most: u32, bytes: usize, apart: Duration) -> u32 {
            for read in 0..most {
                self.now += apart;
                let now = self.now;
                self.judge.has_read(bytes, || now);
                if self.judge.is_flood() {
                    return read + 1;
                }
            }
            most
        }

        /// Looks, before each of which so many bytes came; whether it is a flood yet.
        fn looks(&mut self, looks: u32, bytes: usize) -> bool {
            for _ in 0..looks {
                self.judge.has_read(bytes, Instant::now);
                (0..STRIDES).for_each(|_| self.judge.strides());
            }
            self.judge.is_flood()
        }
    }

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn small_reads_one_soon_after_the_other_are_a_flood_and_slower_or_larger_ones_are_none() {
        assert_eq!(Court::new().reads(1_000, 50, micros(50)), READS + 1);
        assert_eq!(Court::new().reads(1_000, 50, micros(51)), 1_000);
        assert_eq!(Court::new().reads(1_000, LARGE as usize - 1, micros(1)), READS + 1);
        assert_eq!(Court::new().reads(1_000, LARGE as usize, micros(1)), 1_000);
    }

    #[test]
    fn what_is_answered_is_no_flood_and_an_answer_ends_one() {
        let mut court = Court::new();
        for _ in 0..100 {
            assert_eq!(court.reads(READS, 50, micros(1)), READS);
            assert!(!court.judge.is_flood());
            court.judge.answered();
        }
        assert_eq!(court.reads(1_000, 50, micros(1)), READS + 1);
        court.judge.answered();
        assert!(!court.judge.is_flood());
        assert_eq!(court.reads(1_000, 50, micros(1)), READS + 1);
    }

    #[test]
    fn a_flood_lasts_while_two_thirds_of_what_came_before_come() {
        let mut court = Court::new();
        court.reads(1_000, 30, micros(16));
        // 30 bytes in 16 us are 6,000 in sixteen strides.
        assert!(court.looks(100, 4_000));
        assert!(!court.looks(1, 3_999));
    }

    #[test]
    fn floods_that_are_none_are_looked_for_less_and_less_and_a_long_one_begins_anew() {
        let mut court = Court::new();
        let mut patience = READS;
        while patience < MOST_READS {
            assert_eq!(court.reads(2 * MOST_READS, 50, micros(20)), patience + 1);
            assert!(!court.looks(1, 0));
            patience *= 2;
        }
        for _ in 0..2 {
            assert_eq!(court.reads(2 * MOST_READS, 50, micros(20)), MOST_READS + 1);
            assert!(!court.looks(1, 0));
        }
        court.reads(2 * MOST_READS, 50, micros(20));
        assert!(court.looks(LOOKS, 100_000) && !court.looks(1, 0));
        assert_eq!(court.reads(2 * MOST_READS, 50, micros(20)), READS + 1);
    }
}
