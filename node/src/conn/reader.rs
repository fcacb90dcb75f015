//! Socket to mailboxes. One read delivers everything it holds, and nothing here waits for a mailbox: delivery is a call that
//! returns at once. What the reader does wait for is the socket, and a peer of whose messages mailboxes hold too much.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use mailbox::Signal;
use term::Encoded;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::events::DownReason;
use super::hub::Hub;
use crate::bridge;
use crate::proto::control::ControlError;
use crate::proto::fragment::{Bounds, MAX_SEQUENCES};
use crate::proto::frame::{Deframer, Frame, FrameError, LARGE_BUFFER};
use crate::proto::receive::{ReceiveError, Receiver};

/// A read of this many bytes is seldom the last: more is in the kernel already.
const MUCH: u64 = 32 * 1024;

/// Largest payload that is copied where many lie unread: a quarter of the largest read buffer. One that is larger keeps at most four
/// times what it is counted as.
const COPIED: usize = LARGE_BUFFER / 4;

/// How often we look whether the buffers of large messages are still in use: none that is not is kept for longer than a second.
const LOOK: Duration = Duration::from_millis(500);

/// Reads until the connection ends.
pub(crate) async fn run(
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    mut socket: Box<dyn AsyncRead + Send + Unpin>,
    deframer: Deframer,
) {
    let _ends = connection.ends_here();
    let limits = &hub.config.limits;
    let bounds =
        Bounds { sequences: MAX_SEQUENCES, message: limits.max_frame, total: limits.reassembly };
    let receiver = Receiver::new(connection.peer.flags, bounds);
    let reader = Reader { hub: &hub, connection: &connection, deframer, receiver, look: None };
    connection.close(reader.read(&mut *socket).await);
}

struct Reader<'a> {
    hub: &'a Hub,
    connection: &'a Arc<Connection>,
    deframer: Deframer,
    receiver: Receiver,
    /// When we look at the spare buffers next.
    look: Option<Instant>,
}

/// What a peer did: it ends its connection and nothing else.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Reason(#[from] bridge::BadReason),
    #[error(transparent)]
    Refused(#[from] mailbox::Refused),
}

impl Reader<'_> {
    async fn read(mut self, socket: &mut (dyn AsyncRead + Send + Unpin)) -> DownReason {
        // Bytes may have come right behind the handshake.
        let mut bytes = 0;
        loop {
            let messages = match self.deliver() {
                Ok(messages) => messages,
                Err(fault) => return DownReason::Protocol(fault.to_string()),
            };
            self.connection.traffic.received(messages, bytes);
            self.connection.digested().await;
            if messages > 0 && bytes >= MUCH {
                // The receivers woken just now wait for this very worker: without a pause they would until the kernel has
                // nothing left, which is long beside a large message.
                to_the_back().await;
            }
            bytes = match self.read_more(socket).await {
                Ok(0) => return DownReason::ConnectionClosed("the peer closed it".to_owned()),
                Ok(read) => u64::try_from(read).unwrap_or(u64::MAX),
                Err(error) => return DownReason::ConnectionClosed(error.to_string()),
            };
        }
    }

    async fn read_more(
        &mut self,
        socket: &mut (dyn AsyncRead + Send + Unpin),
    ) -> io::Result<usize> {
        while self.deframer.has_spares() || self.receiver.has_spares() {
            let look = *self.look.get_or_insert_with(|| Instant::now() + LOOK);
            // Asked for by itself, as a read that is ready goes before a time that has passed.
            if Instant::now() < look {
                let mut space = self.deframer.space();
                if let Ok(read) = timeout_at(look, socket.read_buf(&mut space)).await {
                    return read;
                }
            }
            self.look = None;
            self.deframer.grow_old();
            self.receiver.grow_old();
        }
        socket.read_buf(&mut self.deframer.space()).await
    }

    /// Delivers every whole message there is; how many there were.
    fn deliver(&mut self) -> Result<u64, Fault> {
        let mut messages = 0;
        // Those that lie here since earlier: what comes now may be read in a moment.
        let is_crowded = self.connection.is_crowded();
        while let Some(frame) = self.deframer.next_frame()? {
            let Frame::Message(frame) = frame else { continue };
            let received = match self.receiver.receive(frame) {
                // Known, and without a meaning to anybody any more: no reason to cut off whoever still sends it.
                Err(ReceiveError::Control(obsolete @ ControlError::Obsolete { .. })) => {
                    tracing::warn!(target: "cnode::conn", peer = %self.connection.node, "refused: {obsolete}");
                    None
                }
                received => received?,
            };
            if let Some(mut message) = received {
                messages += 1;
                if is_crowded {
                    message.payload = message.payload.map(on_its_own);
                }
                let held = message.payload.as_ref().map_or(0, |payload| payload.bytes().len());
                let signal = bridge::inbound(message, self.connection)?;
                if matches!(signal, Signal::Message { .. }) {
                    self.connection.delivers(held);
                }
                self.hub.runtime.deliver(&self.connection.carried, signal)?;
            }
        }
        Ok(messages)
    }
}

/// A small payload apart from the read buffer it came in, which it would keep for as long as it lies in a mailbox.
fn on_its_own(payload: Encoded) -> Encoded {
    if payload.bytes().len() > COPIED {
        return payload;
    }
    Encoded::new(Bytes::copy_from_slice(payload.bytes()), payload.shared_atoms().cloned())
}

/// Lets the worker's other tasks run first. Unlike `yield_now` it does not ask the kernel for news in between.
async fn to_the_back() {
    let mut been = false;
    poll_fn(|cx| {
        if been {
            return Poll::Ready(());
        }
        been = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
