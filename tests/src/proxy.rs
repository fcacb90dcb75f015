//! The network between two nodes: a proxy whose connections can fall silent, be slowed down, closed and reset.
//!
//! A node is reached through its proxy when epmd, or a static place, names the proxy's port in place of the node's own. What is
//! done to a proxy holds for the connections it has and for those to come, except the ones that were pinned: the tester's
//! own, by which it sees what the others make of it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::epmd;

/// How often a direction that is silent looks whether it still is.
const LOOK: Duration = Duration::from_millis(5);

/// What is read at once. With [`UNDER_WAY`] it bounds what the network holds, so that a slow reader is felt by the sender.
const CHUNK: usize = 16 * 1024;
const UNDER_WAY: usize = 16;

/// A proxy in front of one node.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    network: Arc<Network>,
    registered: Option<epmd::Registered>,
}

#[derive(Debug, Default)]
struct Network {
    /// The port of the node behind it; 0 while there is none.
    target: AtomicU16,
    /// From whoever dialled towards the node.
    forth: Way,
    back: Way,
    connections: Mutex<Vec<Connection>>,
    over: AtomicBool,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    silent: AtomicBool,
    delay_ms: AtomicU64,
    /// Bytes a second; 0 is as fast as it goes.
    rate: AtomicU64,
}

#[derive(Debug)]
struct Connection {
    dialler: TcpStream,
    node: TcpStream,
    pinned: Arc<AtomicBool>,
}

impl Proxy {
    /// A proxy with no node behind it yet.
    pub fn open() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let network = Arc::new(Network::default());
        let of_thread = network.clone();
        thread::spawn(move || of_thread.accept(&listener));
        Ok(Self { port, network, registered: None })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Registers `name` with an epmd, as if the node listened here.
    pub fn register(&mut self, epmd_port: u16, name: &str) -> Result<()> {
        self.registered = Some(epmd::register(epmd_port, name.as_bytes(), self.port)?);
        Ok(())
    }

    /// Obeys a few words: `to PORT`, `silent WAY`, `delay WAY MS`, `rate WAY BYTES`, `heal`, `close`, `reset`, `pin`; a way is `forth`
    /// (from who dialled to the node), `back` or `both`.
    pub fn obey(&self, words: &[&str]) -> Result<()> {
        let network = &self.network;
        match words {
            ["to", port] => network.target.store(port.parse()?, Ordering::SeqCst),
            ["silent", way] => {
                network.each(way, |way| way.silent.store(true, Ordering::SeqCst))?;
            }
            ["delay", way, ms] => {
                let ms = ms.parse()?;
                network.each(way, |way| way.delay_ms.store(ms, Ordering::SeqCst))?;
            }
            ["rate", way, bytes] => {
                let bytes = bytes.parse()?;
                network.each(way, |way| way.rate.store(bytes, Ordering::SeqCst))?;
            }
            ["heal"] => network.each("both", Way::heal)?,
            ["close"] => network.end(|connection| {
                let _ = connection.dialler.shutdown(Shutdown::Both);
                let _ = connection.node.shutdown(Shutdown::Both);
            }),
            ["reset"] => network.end(|connection| {
                // Connecting a TCP socket to no address breaks it, with a reset to the peer, whoever else holds it.
                let _ = rustix::net::connect_unspec(&connection.dialler);
                let _ = rustix::net::connect_unspec(&connection.node);
            }),
            ["pin"] => {
                for connection in network.connections().iter() {
                    connection.pinned.store(true, Ordering::SeqCst);
                }
            }
            _ => bail!("no such thing to do to a proxy: {words:?}"),
        }
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.over.store(true, Ordering::SeqCst);
        // The thread that accepts looks up.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        for connection in self.network.connections().drain(..) {
            let _ = connection.dialler.shutdown(Shutdown::Both);
            let _ = connection.node.shutdown(Shutdown::Both);
        }
    }
}

impl Network {
    fn each(&self, way: &str, change: impl Fn(&Way)) -> Result<()> {
        match way {
            "forth" => change(&self.forth),
            "back" => change(&self.back),
            "both" => {
                change(&self.forth);
                change(&self.back);
            }
            _ => bail!("{way:?} is no way"),
        }
        Ok(())
    }

    fn end(&self, end: impl Fn(&Connection)) {
        self.connections().retain(|connection| {
            let pinned = connection.pinned.load(Ordering::SeqCst);
            if !pinned {
                end(connection);
            }
            pinned
        });
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for dialler in listener.incoming() {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            // Who finds nobody behind the proxy sees its connection closed, as by a host that has no such listener.
            let _ = dialler.context("accept").and_then(|dialler| self.join(dialler));
        }
    }

    fn join(self: &Arc<Self>, dialler: TcpStream) -> Result<()> {
        let target = self.target.load(Ordering::SeqCst);
        let node = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
        dialler.set_nodelay(true)?;
        node.set_nodelay(true)?;
        let pinned = Arc::new(AtomicBool::new(false));
        self.carry(dialler.try_clone()?, node.try_clone()?, |network| &network.forth, &pinned);
        self.carry(node.try_clone()?, dialler.try_clone()?, |network| &network.back, &pinned);
        self.connections().push(Connection { dialler, node, pinned });
        Ok(())
    }

    /// One direction of one connection: what is read is written when its time has come.
    fn carry(
        self: &Arc<Self>,
        from: TcpStream,
        to: TcpStream,
        way: fn(&Self) -> &Way,
        pinned: &Arc<AtomicBool>,
    ) {
        let (sender, receiver) = sync_channel(UNDER_WAY);
        thread::spawn(move || read(from, &sender));
        let (network, pinned) = (self.clone(), pinned.clone());
        thread::spawn(move || {
            network.write(&to, &receiver, way, &pinned);
            let _ = to.shutdown(Shutdown::Write);
        });
    }

    fn write(
        &self,
        mut to: &TcpStream,
        chunks: &Receiver<(Instant, Vec<u8>)>,
        way: fn(&Self) -> &Way,
        pinned: &AtomicBool,
    ) {
        let way = way(self);
        loop {
            let next = chunks.recv_timeout(LOOK);
            while way.silent.load(Ordering::SeqCst)
                && !pinned.load(Ordering::SeqCst)
                && !self.over.load(Ordering::SeqCst)
            {
                thread::sleep(LOOK);
            }
            let (came, bytes) = match next {
                Ok(chunk) => chunk,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let bad = !pinned.load(Ordering::SeqCst);
            if bad {
                let delay = Duration::from_millis(way.delay_ms.load(Ordering::SeqCst));
                thread::sleep((came + delay).saturating_duration_since(Instant::now()));
            }
            let rate = if bad { way.rate.load(Ordering::SeqCst) } else { 0 };
            // A slow line carries a little all the time, not much now and then.
            let piece = if rate == 0 {
                bytes.len()
            } else {
                usize::try_from(rate / 50).unwrap_or(1).max(1)
            };
            for piece in bytes.chunks(piece) {
                if to.write_all(piece).is_err() {
                    return;
                }
                if rate != 0 {
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    fn heal(&self) {
        self.silent.store(false, Ordering::SeqCst);
        self.delay_ms.store(0, Ordering::SeqCst);
        self.rate.store(0, Ordering::SeqCst);
    }
}

fn read(mut from: TcpStream, sender: &SyncSender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(length) => {
                let Some(bytes) = buffer.get(..length) else { return };
                if sender.send((Instant::now(), bytes.to_vec())).is_err() {
                    return;
                }
            }
        }
    }
}
