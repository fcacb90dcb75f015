//! Socket to mailboxes. One read delivers everything it holds, and nothing here waits for a mailbox: delivery is a call that
//! returns at once. What the reader does wait for is the socket, and a peer of whose messages mailboxes hold too much.

use std::sync::Arc;

use mailbox::Signal;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::connection::Connection;
use super::events::DownReason;
use super::hub::Hub;
use crate::bridge;
use crate::proto::control::ControlError;
use crate::proto::fragment::{Bounds, MAX_SEQUENCES};
use crate::proto::frame::{Deframer, Frame, FrameError};
use crate::proto::receive::{ReceiveError, Receiver};

/// Reads until the connection ends.
pub(crate) async fn run(
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    mut socket: Box<dyn AsyncRead + Send + Unpin>,
    deframer: Deframer,
) {
    let limits = &hub.config.limits;
    let bounds =
        Bounds { sequences: MAX_SEQUENCES, message: limits.max_frame, total: limits.reassembly };
    let receiver = Receiver::new(connection.peer.flags, bounds);
    let reader = Reader { hub: &hub, connection: &connection, deframer, receiver };
    connection.close(reader.read(&mut *socket).await);
}

struct Reader<'a> {
    hub: &'a Hub,
    connection: &'a Arc<Connection>,
    deframer: Deframer,
    receiver: Receiver,
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
            match self.deliver() {
                Ok(messages) => self.connection.traffic.received(messages, bytes),
                Err(fault) => return DownReason::Protocol(fault.to_string()),
            }
            self.connection.digested().await;
            bytes = match socket.read_buf(&mut self.deframer.space()).await {
                Ok(0) => return DownReason::ConnectionClosed("the peer closed it".to_owned()),
                Ok(read) => u64::try_from(read).unwrap_or(u64::MAX),
                Err(error) => return DownReason::ConnectionClosed(error.to_string()),
            };
        }
    }

    /// Delivers every whole message there is; how many there were.
    fn deliver(&mut self) -> Result<u64, Fault> {
        let mut messages = 0;
        while let Some(frame) = self.deframer.next_frame()? {
            let Frame::Message(frame) = frame else { continue };
            let received = match self.receiver.receive(&frame) {
                // Known, and without a meaning to anybody any more: no reason to cut off whoever still sends it.
                Err(ReceiveError::Control(obsolete @ ControlError::Obsolete { .. })) => {
                    tracing::warn!(target: "cnode::conn", peer = %self.connection.node, "refused: {obsolete}");
                    None
                }
                received => received?,
            };
            if let Some(message) = received {
                messages += 1;
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
