//! Ticks: when to send one, and when a silent peer counts as gone, by OTP's formula.
//!
//! `net_ticktime` is divided into quarters (`net_tickintensity`, 4 by default). At the end of each, an empty frame is
//! sent if nothing was written during it; and a peer of whom nothing was read during four in a row is given up. Its
//! last byte came at some time in the quarter before those four, so this happens 4/4 to 5/4 of `net_ticktime` after
//! it (60 to 75 seconds by default), within the 3/4 to 5/4 that OTP documents.

use std::time::{Duration, Instant};

/// `net_ticktime` unless told otherwise, as in OTP.
pub const DEFAULT_NET_TICKTIME: Duration = Duration::from_secs(60);
/// `net_tickintensity` unless told otherwise, as in OTP.
pub const DEFAULT_NET_TICKINTENSITY: u32 = 4;
/// Shortest time between two ticks, so that no setting makes a connection spin.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// What a connection has carried so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Bytes, or frames, read: any number that changes when something arrives.
    pub read: u64,
    /// The same for what was written, ticks left out.
    pub written: u64,
    /// Whether there is something in the outgoing queue that the socket has not taken.
    pub pending: bool,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Quiet,
    /// Write an empty frame.
    SendTick,
    /// The peer has been silent for too long: close the connection (`net_tick_timeout`).
    PeerSilent,
}

/// The tick state of one connection.
#[derive(Debug, Clone)]
pub struct Ticker {
    interval: Duration,
    intensity: u32,
    peer_hidden: bool,
    deadline: Instant,
    seen: Traffic,
    /// Quarters in a row during which nothing was read.
    silent: u32,
}

impl Ticker {
    /// Starts at `now` for a connection that has just carried a handshake.
    ///
    /// `net_ticktime` and `intensity` are OTP's kernel parameters of these names. A hidden peer is also ticked
    /// when nothing was read from it, because old ones answer ticks and send none of themselves.
    #[must_use]
    pub fn new(net_ticktime: Duration, intensity: u32, peer_hidden: bool, now: Instant) -> Self {
        let intensity = intensity.max(1);
        let interval = (net_ticktime / intensity).max(MIN_INTERVAL);
        Self {
            interval,
            intensity,
            peer_hidden,
            deadline: now + interval,
            seen: Traffic::default(),
            silent: 0,
        }
    }

    /// When [`Ticker::tick`] is to be called next.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Judges the quarter that ends at [`Ticker::deadline`]; before it, nothing happens.
    ///
    /// A call that comes late counts as one quarter however late it is: a program that was suspended, or kept its
    /// threads busy, must not mistake its own absence for its peer's.
    pub fn tick(&mut self, now: Instant, traffic: Traffic) -> Verdict {
        if now < self.deadline {
            return Verdict::Quiet;
        }
        self.deadline = (self.deadline + self.interval).max(now + self.interval / 2);
        let read = traffic.read != self.seen.read;
        let written = traffic.written != self.seen.written;
        self.seen = traffic;
        self.silent = if read { 0 } else { self.silent + 1 };
        if self.silent >= self.intensity {
            Verdict::PeerSilent
        } else if (!written && !traffic.pending) || (self.peer_hidden && !read) {
            Verdict::SendTick
        } else {
            Verdict::Quiet
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_idle_connection_is_ticked_every_quarter() {
        let start = Instant::now();
        let mut ticker = Ticker::new(DEFAULT_NET_TICKTIME, DEFAULT_NET_TICKINTENSITY, false, start);
        let mut traffic = Traffic { read: 1, written: 1, pending: false };
        assert_eq!(ticker.tick(start + 14 * SECOND, traffic), Verdict::Quiet);
        assert_eq!(
            ticker.tick(start + 15 * SECOND, traffic),
            Verdict::Quiet,
            "something was written"
        );
        for quarter in 2..40 {
            traffic.read += 1;
            assert_eq!(ticker.deadline(), start + 15 * quarter * SECOND);
            assert_eq!(ticker.tick(start + 15 * quarter * SECOND, traffic), Verdict::SendTick);
        }
    }

    #[test]
    fn a_connection_that_writes_or_has_bytes_waiting_is_not_ticked() {
        let start = Instant::now();
        let mut ticker = Ticker::new(60 * SECOND, 4, false, start);
        let mut traffic = Traffic::default();
        for quarter in 1..20 {
            traffic.read += 1;
            if quarter < 10 {
                traffic.written += 1
            } else {
                traffic.pending = true
            }
            assert_eq!(ticker.tick(start + 15 * quarter * SECOND, traffic), Verdict::Quiet);
        }
    }

    #[test]
    fn a_hidden_peer_of_whom_nothing_is_read_is_ticked_all_the_same() {
        let start = Instant::now();
        let mut ticker = Ticker::new(60 * SECOND, 4, true, start);
        assert_eq!(
            ticker.tick(start + 15 * SECOND, Traffic { read: 1, written: 1, pending: false }),
            Verdict::Quiet
        );
        assert_eq!(
            ticker.tick(start + 30 * SECOND, Traffic { read: 1, written: 2, pending: false }),
            Verdict::SendTick
        );
    }

    #[test]
    fn a_peer_silent_from_any_moment_on_is_cut_between_three_and_five_quarters_later() {
        for last_byte in 0..60 {
            let start = Instant::now();
            let mut ticker = Ticker::new(60 * SECOND, 4, false, start);
            let mut cut = None;
            for now in 1..200 {
                let traffic = Traffic { read: now.min(last_byte), written: now, pending: false };
                if ticker.tick(start + now as u32 * SECOND, traffic) == Verdict::PeerSilent {
                    cut = Some(now);
                    break;
                }
            }
            let silence = cut.unwrap() - last_byte;
            assert!((45..=75).contains(&silence), "cut after {silence} s");
        }
    }

    #[test]
    fn coming_late_does_not_cost_the_connection() {
        let start = Instant::now();
        let mut ticker = Ticker::new(60 * SECOND, 4, false, start);
        let traffic = Traffic { read: 1, written: 1, pending: false };
        assert_eq!(ticker.tick(start + 15 * SECOND, traffic), Verdict::Quiet);
        assert_eq!(ticker.tick(start + 3600 * SECOND, traffic), Verdict::SendTick);
        assert!(ticker.deadline() > start + 3600 * SECOND);
    }

    #[test]
    fn no_setting_makes_a_connection_spin() {
        let start = Instant::now();
        assert!(Ticker::new(Duration::ZERO, 0, false, start).deadline() > start);
    }

    /// One end of a connection under virtual time: what it has read and written so far.
    struct End {
        ticker: Ticker,
        traffic: Traffic,
        ticks: u64,
    }

    impl End {
        fn new(now: Instant, intensity: u32, hidden: bool) -> Self {
            let ticker = Ticker::new(60 * SECOND, intensity, hidden, now);
            Self { ticker, traffic: Traffic::default(), ticks: 0 }
        }
    }

    proptest! {
        /// Two ends, each with a schedule of its own, a line with a delay, and now and then something to say: as long as both live
        /// neither gives the other up; when one has gone silent, the other does so in time, and not earlier.
        #[test]
        fn two_ends_keep_each_other_and_miss_each_other_in_time(
            offset in 0..15_000u32, delay in 0..4_000u32, late in 0..3_000u32, says in 0..120_000u64, dies in 60_000..600_000u64,
            intensity in prop_oneof![Just(4u32), 4..60u32], hidden in any::<bool>(),
        ) {
            const STEP: u64 = 50;
            let start = Instant::now();
            let at = |ms: u64| start + Duration::from_millis(ms);
            let mut ends = [End::new(start, intensity, hidden), End::new(at(offset.into()), intensity, hidden)];
            // What is on the line: when it arrives, and to whom.
            let mut line: Vec<(u64, usize)> = Vec::new();
            let mut last_heard = 0;
            let slack = u64::from(late) * u64::from(intensity) + 2 * STEP * u64::from(intensity);
            for now in (0..dies + 80_000 + slack).step_by(STEP as usize) {
                line.retain(|(arrives, to)| {
                    let there = *arrives <= now;
                    if there {
                        ends[*to].traffic.read += 4;
                        if *to == 0 {
                            last_heard = now;
                        }
                    }
                    !there
                });
                for (this, end) in ends.iter_mut().enumerate() {
                    let dead = this == 1 && now >= dies;
                    // An end that is busy comes to its ticks late.
                    if dead || at(now) < end.ticker.deadline() + Duration::from_millis(late.into()) {
                        continue;
                    }
                    let verdict = end.ticker.tick(at(now), end.traffic);
                    let arrives = now + u64::from(delay);
                    match verdict {
                        Verdict::SendTick => {
                            end.ticks += 1;
                            line.push((arrives, 1 - this));
                        }
                        Verdict::Quiet => {}
                        Verdict::PeerSilent => {
                            let silence = now - last_heard;
                            prop_assert_eq!(this, 0, "the one that lives was given up");
                            prop_assert!(now >= dies, "given up while it lived");
                            prop_assert!((45_000..=75_000 + slack).contains(&silence), "after {} ms", silence);
                            return Ok(());
                        }
                    }
                    if now % 120_000 > says && this == 0 {
                        end.traffic.written += 1;
                        line.push((arrives, 1));
                    }
                }
            }
            prop_assert!(false, "a dead peer was kept");
        }
    }
}
