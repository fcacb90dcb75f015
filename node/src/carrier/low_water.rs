//! How much the kernel keeps of what is written and not yet sent: what the channel takes in half a millisecond.
//!
//! What is in there cannot be overtaken by a small message, so over a network it is to be little. Where a channel takes gigabytes a
//! second, little means that each message of a MiB is written in three parts, with both sides asleep in between: 1 MiB there
//! gives messages of 1 MiB more than half as much again, and nobody waits longer than half a millisecond for it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

/// How long a small message may have to wait for what the kernel has.
const STRIDE: Duration = Duration::from_micros(500);

/// The most: at the pace of the loopback more gains nothing.
const MOST: u32 = 1 << 20;

/// A connection to write to, whose `TCP_NOTSENT_LOWAT` follows its pace.
#[derive(Debug)]
pub(super) struct LowWater {
    half: OwnedWriteHalf,
    pace: Pace,
}

impl LowWater {
    /// The socket has the option set to `least`.
    pub(super) fn new(half: OwnedWriteHalf, least: u32) -> Self {
        Self { half, pace: Pace { least, mark: least, full: None, bytes: 0 } }
    }

    fn note(&mut self, poll: &Poll<io::Result<usize>>) {
        match poll {
            Poll::Ready(Ok(written)) => self.pace.bytes += written,
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                if self.pace.fills(Instant::now()) {
                    // Where the system takes no other mark the one before stays, and is as good as it was.
                    let _ = SockRef::from(self.half.as_ref()).set_tcp_notsent_lowat(self.pace.mark);
                }
            }
        }
    }
}

/// What went between two moments at which the kernel had no more room.
#[derive(Debug)]
struct Pace {
    least: u32,
    mark: u32,
    full: Option<Instant>,
    bytes: usize,
}

impl Pace {
    /// The kernel has no more room; whether the mark is another from here on.
    fn fills(&mut self, now: Instant) -> bool {
        if self.bytes == 0 {
            return false;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let Some(before) = self.full.replace(now) else { return false };
        let time = now.saturating_duration_since(before).as_nanos().max(1);
        // It grows step by step, as what the kernel takes at once says nothing about the channel; and it shrinks at once.
        let most = MOST.max(self.least).min(self.mark.saturating_mul(2));
        let at_pace = bytes as u128 * STRIDE.as_nanos() / time;
        let mark = u32::try_from(at_pace).unwrap_or(most).clamp(self.least, most);
        // A call for each small change would cost more than it brings.
        let is_other = mark == self.least || mark >= self.mark / 2 * 3 || mark <= self.mark / 2;
        let changes = is_other && mark != self.mark;
        if changes {
            self.mark = mark;
        }
        changes
    }
}

impl AsyncWrite for LowWater {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.half).poll_write(cx, bytes);
        self.note(&poll);
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.half).poll_write_vectored(cx, slices);
        self.note(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.half.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: u32 = 128 << 10;

    /// The marks, where the kernel is full again and again after so many bytes in so much time.
    fn marks(pace: &mut Pace, rounds: usize, bytes: usize, time: Duration) -> Vec<u32> {
        let mut now = pace.full.unwrap_or_else(Instant::now);
        let mut one = || {
            pace.bytes = bytes;
            now += time;
            pace.fills(now);
            pace.mark
        };
        (0..rounds).map(|_| one()).collect()
    }

    #[test]
    fn the_mark_grows_step_by_step_over_a_fast_channel_and_is_the_least_again_over_a_slow_one() {
        let mut pace = Pace { least: LEAST, mark: LEAST, full: None, bytes: 0 };
        // The first time there is nothing to compare with.
        let fast = marks(&mut pace, 6, 300 << 10, Duration::from_micros(100));
        assert_eq!(fast, [LEAST, 2 * LEAST, 4 * LEAST, MOST, MOST, MOST]);
        // A line of one gigabit.
        let slow = marks(&mut pace, 2, 1 << 20, Duration::from_millis(9));
        assert_eq!(slow, [LEAST, LEAST]);
        // Asked again without anything written meanwhile.
        pace.bytes = 0;
        assert!(!pace.fills(Instant::now()));
    }
}
