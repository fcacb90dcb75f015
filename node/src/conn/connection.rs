//! One connection that is up: what its tasks, its senders and the mailboxes of its messages share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mailbox::{Origin, Runtime, Signal};
use term::{Atom, DecodeError, Pid};
use tokio::runtime::{EnterGuard, Handle};
use tokio::sync::{Notify, watch};

use super::events::{DownReason, Events, NodeKind};
use super::outbox::{Bounds, Busy, Outbox, Pushed, Refused};
use crate::carrier::Address;
use crate::proto::flags::Flags;
use crate::proto::frame::LARGE_BUFFER;
use crate::proto::handshake::Peer;
use crate::proto::tick;
use crate::telemetry::{Traffic, TrafficStats};

/// What a handshake came to.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) node: Atom,
    pub(crate) peer: Peer,
    pub(crate) address: Address,
    /// The peer has said that the connection it had is dead.
    pub(crate) takes_over: bool,
    pub(crate) bounds: Bounds,
    pub(crate) traffic: Traffic,
    pub(crate) runtime: Runtime,
    pub(crate) handle: Handle,
    pub(crate) events: Events,
}

/// A connection that is up.
pub(crate) struct Connection {
    pub(crate) node: Atom,
    pub(crate) peer: Peer,
    pub(crate) kind: NodeKind,
    pub(crate) address: Address,
    /// This node began it.
    pub(crate) dialled: bool,
    /// The runtime's handle of it.
    pub(crate) carried: mailbox::Connection,
    pub(crate) outbox: Outbox,
    pub(crate) traffic: Traffic,
    runtime: Runtime,
    handle: Handle,
    unread: Unread,
    end: End,
    /// The one to the same node before it, if its end was not told yet.
    before: Mutex<Option<Arc<Self>>>,
}

/// The least that a message in a mailbox takes besides its bytes: its place there, and an allocation's edges.
const MESSAGE: usize = 64;

/// Bytes of messages that lie in mailboxes, read by nobody, and [`MESSAGE`] for each.
#[derive(Debug, Default)]
struct Unread {
    bytes: AtomicUsize,
    most: usize,
    fewer: Notify,
    /// The socket is not read meanwhile.
    waited_for: AtomicBool,
}

#[derive(Debug, Default)]
struct End {
    reason: OnceLock<DownReason>,
    decided: Notify,
    so_far: watch::Sender<Progress>,
}

/// How far the end of a connection has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    #[default]
    Pending,
    /// Whoever has to know of it has been told, and nothing more comes over it.
    Told,
    /// Everything has been done that the end asks for.
    Over,
}

impl Connection {
    pub(crate) fn new(
        established: Established,
        carried: mailbox::Connection,
        dialled: bool,
        before: Option<Arc<Self>>,
    ) -> Self {
        let Established {
            node,
            peer,
            address,
            bounds,
            traffic,
            runtime,
            handle,
            events,
            takes_over: _,
        } = established;
        let busy = Busy { node: node.clone(), events };
        let nobody = Pid::new(runtime.node().clone(), 0, 0, runtime.creation());
        Self {
            kind: if peer.is_hidden() { NodeKind::Hidden } else { NodeKind::Visible },
            outbox: Outbox::new(peer.flags, &address, nobody, bounds, busy),
            node,
            peer,
            address,
            dialled,
            carried,
            traffic,
            runtime,
            handle,
            unread: Unread { most: bounds.unread, ..Unread::default() },
            end: End::default(),
            before: Mutex::new(before),
        }
    }

    /// Queues a signal; gives it back when the connection is ending.
    #[allow(
        clippy::result_large_err,
        reason = "the signal comes back to be sent another way; it is moved once"
    )]
    pub(crate) fn send(&self, signal: Signal) -> Result<(), Refused> {
        match self.outbox.push(signal)? {
            Pushed::Done => {}
            Pushed::Overflow => self.close(DownReason::SlowConsumer),
            Pushed::Answer(signal) => {
                // Not from here: who sends may hold a lock of the runtime.
                let (runtime, carried) = (self.runtime.clone(), self.carried.clone());
                self.handle.spawn(async move {
                    if let Err(error) = runtime.deliver(&carried, signal) {
                        tracing::warn!(target: "cnode::conn", %error, "an answer in a peer's name was refused");
                    }
                });
            }
        }
        Ok(())
    }

    /// Whether senders that can wait should.
    pub(crate) fn is_full(&self) -> bool {
        self.outbox.is_busy()
    }

    /// Completes when there is room, or the connection is ending.
    pub(crate) async fn room(&self) {
        self.outbox.room().await;
    }

    /// Ends the connection; the first reason counts.
    pub(crate) fn close(&self, reason: DownReason) {
        if self.end.reason.set(reason).is_ok() {
            self.outbox.close();
            self.unread.fewer.notify_waiters();
            self.end.decided.notify_one();
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.end.reason.get().is_some()
    }

    /// The tokio around whoever polls its channel, which may have timers and tasks of its own.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Ends the connection when it is dropped, should nothing have ended it by then: for its tasks, so that a panic in one of them,
    /// in a carrier of the program's own, is the end of the connection and not of a half of it.
    pub(crate) fn ends_here(self: &Arc<Self>) -> EndsHere {
        EndsHere(self.clone())
    }

    /// Completes when it has been decided that the connection ends. One task waits for it: the driver.
    pub(crate) async fn closing(&self) {
        while !self.is_closing() {
            self.end.decided.notified().await;
        }
    }

    /// The runtime has been told of its end.
    pub(crate) fn is_told(&self) {
        self.end.so_far.send_replace(Progress::Told);
    }

    /// Everything has been done that the end asks for.
    pub(crate) fn is_over(&self) {
        self.end.so_far.send_replace(Progress::Over);
    }

    /// Completes when the runtime has been told of the end of the connection to the same node before this one.
    pub(crate) async fn is_next(&self) {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            before.has_come_to(Progress::Told).await;
        }
    }

    /// Completes when everything has been done that the end asks for.
    pub(crate) async fn over(&self) {
        self.has_come_to(Progress::Over).await;
    }

    async fn has_come_to(&self, progress: Progress) {
        // The sender lives as long as `self`.
        let _ = self.end.so_far.subscribe().wait_for(|so_far| *so_far >= progress).await;
    }

    /// Why it ends, or ended.
    pub(crate) fn reason(&self) -> DownReason {
        self.end.reason.get().cloned().unwrap_or(DownReason::Disconnected)
    }

    /// Counts a message that goes into a mailbox; [`Origin::released`] counts it out.
    pub(crate) fn delivers(&self, bytes: usize) {
        self.unread.bytes.fetch_add(bytes + MESSAGE, Ordering::SeqCst);
    }

    /// Whether so many messages lie unread that, were each the last of its read buffer to stay, the buffers they keep would come to
    /// what all unread messages may take.
    pub(crate) fn is_crowded(&self) -> bool {
        let messages = self.unread.most / LARGE_BUFFER;
        self.unread.bytes.load(Ordering::Relaxed) > messages * MESSAGE
    }

    /// Completes when mailboxes hold less of this peer's messages than its bound. Other peers do not notice; this one
    /// finds its socket full, and its own flow control does the rest.
    pub(crate) async fn digested(&self) {
        while self.unread.bytes.load(Ordering::Relaxed) > self.unread.most {
            let fewer = self.unread.fewer.notified();
            if self.unread.bytes.load(Ordering::SeqCst) <= self.unread.most || self.is_closing() {
                break;
            }
            self.unread.waited_for.store(true, Ordering::Relaxed);
            fewer.await;
        }
        self.unread.waited_for.store(false, Ordering::Relaxed);
    }

    /// Whether the socket is left unread, so that nothing heard of the peer says nothing about the peer.
    pub(crate) fn is_deaf(&self) -> bool {
        self.unread.waited_for.load(Ordering::Relaxed)
    }

    /// What the ticker judges by.
    pub(crate) fn seen(&self) -> tick::Traffic {
        let TrafficStats { bytes_in, bytes_out, .. } = self.traffic.snapshot();
        // A tick that is queued and not yet written counts too early, and only until it is.
        let written = bytes_out.wrapping_sub(self.outbox.ticked());
        tick::Traffic { read: bytes_in, written, pending: self.outbox.is_pending() }
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        ConnectionInfo {
            node: self.node.clone(),
            kind: self.kind,
            address: self.address.clone(),
            dialled: self.dialled,
            creation: self.peer.creation,
            flags: self.peer.flags,
            offered: self.peer.offered,
            traffic: self.traffic.snapshot(),
            queued: self.outbox.len(),
            unread: self.unread.bytes.load(Ordering::SeqCst),
        }
    }
}

/// See [`Connection::ends_here`].
pub(crate) struct EndsHere(Arc<Connection>);

impl Drop for EndsHere {
    fn drop(&mut self) {
        self.0.close(DownReason::ConnectionClosed(PANICKED.to_owned()));
    }
}

/// Why a connection ends whose channel panics.
pub(crate) const PANICKED: &str = "its carrier panicked";

/// A connection at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The peer.
    pub node: Atom,
    /// Whether it publishes itself, and we do.
    pub kind: NodeKind,
    /// Its end of the channel.
    pub address: Address,
    /// Whether this node began it.
    pub dialled: bool,
    /// The number that tells this life of the peer from an earlier one.
    pub creation: u32,
    /// The capability flags that both have.
    pub flags: Flags,
    /// The capability flags that the peer offered, ones that we do not have included.
    pub offered: Flags,
    /// What it has carried.
    pub traffic: TrafficStats,
    /// Bytes waiting to be written.
    pub queued: usize,
    /// Bytes of the peer's messages in mailboxes, read by nobody yet, and 64 for each of them.
    pub unread: usize,
}

/// What becomes of this connection's messages on the side of their receivers.
impl Origin for Connection {
    /// erts does the same: a body is decoded in the receiving process, and a bad one closes its connection.
    fn undecodable(&self, error: &DecodeError) {
        self.close(DownReason::Protocol(format!("a message is no term: {error}")));
    }

    fn released(&self, bytes: usize) {
        let bytes = bytes + MESSAGE;
        let before = self.unread.bytes.fetch_sub(bytes, Ordering::SeqCst);
        if before > self.unread.most && before - bytes.min(before) <= self.unread.most {
            self.unread.fewer.notify_waiters();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("node", &self.node)
            .field("kind", &self.kind)
            .field("address", &self.address)
            .field("dialled", &self.dialled)
            .field("flags", &self.peer.flags)
            .finish_non_exhaustive()
    }
}
