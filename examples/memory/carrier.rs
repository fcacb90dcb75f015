//! A carrier of the user's own: two nodes in one process, over pipes in memory.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use node::carrier::{Address, Carrier, Channel, Incoming, Listener, Promise};
use tokio::io::{DuplexStream, duplex, split};
use tokio::sync::mpsc;

/// Who listens, by node name. Clones are the same network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    doors: Arc<Mutex<HashMap<String, mpsc::UnboundedSender<DuplexStream>>>>,
}

#[derive(Debug)]
struct Door {
    node: String,
    callers: mpsc::UnboundedReceiver<DuplexStream>,
}

fn channel(stream: DuplexStream, peer: Address) -> Channel {
    let (reader, writer) = split(stream);
    Channel { reader: Box::new(reader), writer: Box::new(writer), peer, identity: Vec::new() }
}

impl Carrier for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn listen<'a>(&'a self, node: &'a str) -> Promise<'a, io::Result<Box<dyn Listener>>> {
        let (sender, callers) = mpsc::unbounded_channel();
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned(), sender);
        let door = Door { node: node.to_owned(), callers };
        Box::pin(async { Ok(Box::new(door) as Box<dyn Listener>) })
    }

    fn connect<'a>(&'a self, _: &'a str, to: &'a Address) -> Promise<'a, io::Result<Channel>> {
        Box::pin(async move {
            let (near, far) = duplex(64 * 1024);
            let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
            let door = doors.get(&to.to_string()).ok_or(io::ErrorKind::ConnectionRefused)?;
            door.send(far).map_err(|_| io::ErrorKind::ConnectionRefused)?;
            Ok(channel(near, to.clone()))
        })
    }

    fn locate(&self, node: &str) -> Option<Address> {
        Some(Address::Named(node.to_owned()))
    }
}

impl Listener for Door {
    fn address(&self) -> Address {
        Address::Named(self.node.clone())
    }

    fn accept(&mut self) -> Promise<'_, io::Result<Incoming>> {
        Box::pin(async {
            let stream = self.callers.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
            let peer = Address::Named("a pipe".to_owned());
            let channel = channel(stream, peer.clone());
            Ok(Incoming { peer, channel: Box::pin(async { Ok(channel) }) })
        })
    }
}
