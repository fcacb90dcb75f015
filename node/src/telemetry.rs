//! What is counted, and the snapshot that shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One connection's traffic, and the sum of all of the node's that it belongs to. Reader and writer add once a batch, so
/// counting costs no message anything.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    own: Counters,
    all: Arc<Counters>,
}

/// Signals and bytes, both ways.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    messages_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Traffic {
    pub(crate) fn of(all: Arc<Counters>) -> Self {
        Self { own: Counters::default(), all }
    }

    pub(crate) fn received(&self, messages: u64, bytes: u64) {
        for counters in [&self.own, &*self.all] {
            counters.messages_in.fetch_add(messages, Ordering::Relaxed);
            counters.bytes_in.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn sent(&self, messages: u64, bytes: u64) {
        for counters in [&self.own, &*self.all] {
            counters.messages_out.fetch_add(messages, Ordering::Relaxed);
            counters.bytes_out.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> TrafficStats {
        self.own.snapshot()
    }
}

impl Counters {
    pub(crate) fn snapshot(&self) -> TrafficStats {
        TrafficStats {
            messages_in: self.messages_in.load(Ordering::Relaxed),
            messages_out: self.messages_out.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }
}

/// How much went over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrafficStats {
    /// Signals received: messages, and links, monitors, exits and their like.
    pub messages_in: u64,
    /// Signals handed to connections.
    pub messages_out: u64,
    /// Bytes read from sockets after the handshake, framing and ticks included.
    pub bytes_in: u64,
    /// Bytes written to sockets after the handshake, framing and ticks included.
    pub bytes_out: u64,
}

/// A node at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Processes alive.
    pub processes: usize,
    /// Connections up.
    pub connections: usize,
    /// Traffic of all connections since the start of the node, the closed ones included.
    pub traffic: TrafficStats,
    /// Handshakes that failed since the start of the node.
    pub refused: u64,
}
