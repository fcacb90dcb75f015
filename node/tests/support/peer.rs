//! A peer made of the protocol's machines and nothing else: it shakes hands, and then does what a test wants.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use node::carrier::{Address, Carrier, Channel, Prefix};
use node::proto::flags::Flags;
use node::proto::frame::{Deframer, Frame};
use node::proto::handshake::LocalNode;
use node::proto::handshake::initiator::{Initiator, Progress};
use term::Atom;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A connection to a node, after the handshake.
pub struct Peer {
    pub channel: Channel,
    deframer: Deframer,
}

/// The handshake of `name` up to its end, over any carrier.
pub async fn connect(
    carrier: &impl Carrier,
    to: &Address,
    node: &str,
    name: &str,
    flags: Flags,
) -> Result<Peer> {
    let channel = carrier.connect(node, to).await?;
    let mut peer = Peer { channel, deframer: Deframer::handshake(Prefix::Two) };
    let local = LocalNode { name: Atom::new(name)?, creation: 77, flags };
    let (machine, first) = Initiator::new(&local, Atom::new(node)?, b"secret", 4711);
    peer.say(Prefix::Two, &first).await?;
    let mut progress = machine.receive(&peer.hear().await?)?;
    loop {
        progress = match progress {
            Progress::Established { .. } => break,
            Progress::Alive(question) => question.answer(true)?,
            Progress::Continue { message, machine } => {
                if let Some(message) = message {
                    peer.say(Prefix::Two, &message).await?;
                }
                machine.receive(&peer.hear().await?)?
            }
        };
    }
    peer.deframer = peer.deframer.established(1 << 30);
    Ok(peer)
}

impl Peer {
    async fn say(&mut self, prefix: Prefix, message: &[u8]) -> Result<()> {
        Ok(self.channel.writer.write_all(&prefix.frame(message)?).await?)
    }

    /// Sends one frame.
    pub async fn send(&mut self, frame: &[u8]) -> Result<()> {
        self.say(Prefix::Four, frame).await
    }

    /// The next frame, empty for a tick.
    pub async fn hear(&mut self) -> Result<Bytes> {
        loop {
            match self.deframer.next_frame()? {
                Some(Frame::Message(message)) => return Ok(message),
                Some(Frame::Tick) => return Ok(Bytes::new()),
                None => {}
            }
            let read = self.channel.reader.read_buf(&mut self.deframer.space()).await?;
            ensure!(read > 0, "the node hung up");
        }
    }

    /// Waits for the end; whatever comes before it is dropped.
    pub async fn ended(&mut self) -> Result<()> {
        let mut bytes = [0; 4096];
        loop {
            match self.channel.reader.read(&mut bytes).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => bail!(error),
            }
        }
    }
}

/// Where a node with a carrier of that kind listens.
pub fn at(node: &node::Node) -> Result<Address> {
    node.address().context("it does not listen")
}
