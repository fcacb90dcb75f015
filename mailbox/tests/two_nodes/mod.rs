//! Two runtimes and a wire between them that carries a signal when the test says so.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use mailbox::{BoxFuture, Connection, NoConnection, Nodes, Outbound, Process, Runtime, Signal};
use term::{Atom, IntoAtom, Term};

/// Two nodes, `a@host` and `b@host`.
pub struct TwoNodes {
    pub a: Runtime,
    pub b: Runtime,
    wire: Arc<Mutex<Wire>>,
}

#[derive(Default)]
struct Wire {
    refuses: bool,
    connected: Option<Connected>,
}

struct Connected {
    at_a: Connection,
    at_b: Connection,
    to_a: VecDeque<Signal>,
    to_b: VecDeque<Signal>,
}

/// One node's way to the other.
struct Side {
    wire: Weak<Mutex<Wire>>,
    a: Runtime,
    b: Runtime,
    is_a: bool,
}

impl TwoNodes {
    pub fn new() -> Self {
        let a = Runtime::new("a@host".into_atom(), 1);
        let b = Runtime::new("b@host".into_atom(), 1);
        let wire = Arc::new(Mutex::new(Wire::default()));
        for is_a in [true, false] {
            let side = Side { wire: Arc::downgrade(&wire), a: a.clone(), b: b.clone(), is_a };
            let runtime = if is_a { &a } else { &b };
            assert!(runtime.set_outbound(Arc::new(side)));
        }
        Self { a, b, wire }
    }

    /// A process on each.
    pub fn attach(&self) -> (Process, Process) {
        (self.a.attach().unwrap(), self.b.attach().unwrap())
    }

    /// Carries one signal to `b`; whether there was one.
    pub fn to_b(&self) -> bool {
        let next = self.next(|connected| (connected.to_b.pop_front(), connected.at_b.clone()));
        next.is_some_and(|(signal, via)| {
            self.b.deliver(&via, signal).unwrap();
            true
        })
    }

    /// Carries one signal to `a`; whether there was one.
    pub fn to_a(&self) -> bool {
        let next = self.next(|connected| (connected.to_a.pop_front(), connected.at_a.clone()));
        next.is_some_and(|(signal, via)| {
            self.a.deliver(&via, signal).unwrap();
            true
        })
    }

    fn next(
        &self,
        take: impl FnOnce(&mut Connected) -> (Option<Signal>, Connection),
    ) -> Option<(Signal, Connection)> {
        let mut wire = self.wire.lock().unwrap();
        let (signal, via) = take(wire.connected.as_mut()?);
        Some((signal?, via))
    }

    /// Carries everything, and what that causes, until nothing is under way.
    pub fn settle(&self) {
        while self.to_b() | self.to_a() {}
    }

    /// What is on its way to `b`, as the names of the signals.
    pub fn under_way_to_b(&self) -> Vec<String> {
        let wire = self.wire.lock().unwrap();
        wire.connected.iter().flat_map(|connected| &connected.to_b).map(name).collect()
    }

    /// What is on its way to `a`, as the names of the signals.
    pub fn under_way_to_a(&self) -> Vec<String> {
        let wire = self.wire.lock().unwrap();
        wire.connected.iter().flat_map(|connected| &connected.to_a).map(name).collect()
    }

    /// Both sides take the handshake for done.
    pub fn come_up(&self) {
        let (at_a, at_b) = self.connections();
        self.a.node_up(&at_a, true);
        self.b.node_up(&at_b, true);
    }

    /// Cuts the wire: what is under way is lost.
    pub fn cut(&self) {
        let connected = self.wire.lock().unwrap().connected.take();
        if let Some(connected) = connected {
            self.a.node_down(&connected.at_a);
            self.b.node_down(&connected.at_b);
        }
    }

    /// From here on no connection can be made.
    pub fn refuse(&self) {
        self.wire.lock().unwrap().refuses = true;
    }

    /// The connection as each side has it; makes one if there is none.
    pub fn connections(&self) -> (Connection, Connection) {
        let mut wire = self.wire.lock().unwrap();
        let connected = wire.connect(&self.a, &self.b);
        (connected.at_a.clone(), connected.at_b.clone())
    }
}

/// The next thing in a mailbox, which must be there.
pub fn next(process: &mut Process) -> Term {
    process.try_receive().unwrap().expect("something in the mailbox")
}

/// The mailbox must be empty.
pub fn nothing(process: &mut Process) {
    if let Some(received) = process.try_receive::<Term>().unwrap() {
        panic!("{received} in a mailbox that should be empty");
    }
}

pub fn atom(name: &'static str) -> Term {
    Term::from(name.into_atom())
}

fn name(signal: &Signal) -> String {
    let text = format!("{signal:?}");
    text.split([' ', '(']).next().unwrap_or_default().to_owned()
}

impl Wire {
    fn connect(&mut self, a: &Runtime, b: &Runtime) -> &mut Connected {
        self.connected.get_or_insert_with(|| Connected {
            at_a: a.open_connection(b.node().clone()),
            at_b: b.open_connection(a.node().clone()),
            to_a: VecDeque::new(),
            to_b: VecDeque::new(),
        })
    }
}

impl Side {
    fn other(&self) -> &Runtime {
        if self.is_a { &self.b } else { &self.a }
    }

    fn with<T>(
        &self,
        node: &Atom,
        with: impl FnOnce(&mut Connected, bool) -> T,
    ) -> Result<T, NoConnection> {
        let wire = self.wire.upgrade().ok_or(NoConnection)?;
        let mut wire = wire.lock().unwrap();
        if wire.refuses || node != self.other().node() {
            return Err(NoConnection);
        }
        Ok(with(wire.connect(&self.a, &self.b), self.is_a))
    }
}

impl Outbound for Side {
    fn send(&self, node: &Atom, signal: Signal) -> Result<Connection, NoConnection> {
        self.with(node, |connected, is_a| {
            if is_a {
                connected.to_b.push_back(signal);
                connected.at_a.clone()
            } else {
                connected.to_a.push_back(signal);
                connected.at_b.clone()
            }
        })
    }

    fn begin(&self, node: &Atom) -> Result<Connection, NoConnection> {
        self.with(
            node,
            |connected, is_a| if is_a { connected.at_a.clone() } else { connected.at_b.clone() },
        )
    }

    fn ready(&self, _: &Atom) -> Option<BoxFuture<()>> {
        None
    }

    fn connect(&self, node: &Atom) -> BoxFuture<bool> {
        let connected = self.begin(node).is_ok();
        Box::pin(async move { connected })
    }

    fn disconnect(&self, _: &Atom) -> bool {
        false
    }

    fn nodes(&self, _: Nodes) -> Vec<Atom> {
        let wire = self.wire.upgrade();
        let connected = wire.is_some_and(|wire| wire.lock().unwrap().connected.is_some());
        if connected { vec![self.other().node().clone()] } else { Vec::new() }
    }
}
