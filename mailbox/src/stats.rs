//! What the runtime counts. Counters only: rates are for who asks twice.

use crate::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of [`Runtime::stats`](crate::Runtime::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Processes alive now.
    pub processes: usize,
    /// Names registered now.
    pub names: usize,
    /// Timers that have not fired.
    pub timers: usize,
    /// Processes started since the runtime was.
    pub started: u64,
    /// Processes that have ended.
    pub ended: u64,
    /// Processes that ended by a panic.
    pub panicked: u64,
    /// Ordinary messages that bounded mailboxes have dropped.
    pub overflowed: u64,
    /// Messages from other nodes whose bytes were no term.
    pub undecodable: u64,
}

/// Counted apart from the process table, which counts processes.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    panicked: AtomicU64,
    overflowed: AtomicU64,
    undecodable: AtomicU64,
}

impl Counters {
    pub(crate) fn panicked(&self) {
        self.panicked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn overflowed(&self) {
        self.overflowed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn undecodable(&self) {
        self.undecodable.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            panicked: read(&self.panicked),
            overflowed: read(&self.overflowed),
            undecodable: read(&self.undecodable),
            ..Stats::default()
        }
    }
}
