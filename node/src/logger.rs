//! Rust's `tracing` events in the log of a BEAM node: a layer that sends them to its `logger`.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mailbox::{Exit, Nodes, Process};
use term::{Atom, IntoAtom, Term, term};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::node::Node;

/// Events that wait to be sent. As many as OTP's `logger_proxy` lets wait before it drops.
const WAITING: usize = 1_000;

/// The most bytes of one text; what is longer ends in dots. A log line that is longer is a mistake, and not to be paid for by
/// the log of another node.
const LONGEST: usize = 16 * 1024;

/// A [`Layer`] that sends events to the `logger` of a BEAM node, where its handlers and filters see them as those of that node;
/// made by [`Node::logger`].
///
/// | of the event | in the log event |
/// | --- | --- |
/// | level | `error`, `warning`, `info`, `debug`; `TRACE` is `debug` as well. OTP logs `notice` and above unless told otherwise |
/// | message, then its fields as `name=value` | `msg`: `{string, Text}` |
/// | fields | `fields` of `meta`: a map of atoms to booleans, numbers, text |
/// | target, module, file, line | `target`, `module`, `file`, `line` of `meta` |
/// | time | `time` of `meta`, in microseconds |
/// | this node, the process that sends | `node`, `pid` of `meta` |
///
/// It never blocks and never connects. Up to 1,000 events wait for a connection that is slow; those that come while there is no
/// connection, or while that many wait, are dropped, and the next that is sent is preceded by a warning that says how many.
/// This library's own events (targets `cnode::…`) are not forwarded: sending one could make the next.
#[derive(Debug)]
pub struct LoggerLayer {
    sender: Sender<Entry>,
    dropped: Arc<AtomicU64>,
}

/// A log event on its way: `{log, Level, Text, Meta}` but for the process.
#[derive(Debug)]
struct Entry {
    level: &'static str,
    text: String,
    meta: Vec<(Term, Term)>,
}

impl Node {
    /// A `tracing` layer that sends events to the `logger` of a BEAM node.
    ///
    /// ```no_run
    /// # async fn log(node: node::Node) {
    /// use tracing_subscriber::layer::SubscriberExt as _;
    /// use tracing_subscriber::util::SubscriberInitExt as _;
    ///
    /// tracing_subscriber::registry().with(node.logger("a@host")).init();
    /// node.connect(&"a@host".parse().unwrap()).await; // or keep_connected: the layer never connects
    /// tracing::warn!(disk = "/var", percent = 97, "almost full");
    /// # }
    /// ```
    pub fn logger(&self, to: impl IntoAtom) -> LoggerLayer {
        let (sender, receiver) = channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let (to, lost) = (to.into_atom(), Arc::clone(&dropped));
        self.spawn(move |process| forward(process, to, receiver, lost));
        LoggerLayer { sender, dropped }
    }
}

/// Sends what waits, for as long as there is a layer.
async fn forward(
    process: Process,
    to: Atom,
    mut waiting: Receiver<Entry>,
    dropped: Arc<AtomicU64>,
) -> Exit {
    let proxy = (Atom::from_static("logger_proxy"), to.clone());
    while let Some(entry) = waiting.recv().await {
        if !process.runtime().nodes(Nodes::Connected).contains(&to) {
            dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let meta = vec![(term!('time), Term::from(now()))];
            let text = format!("{count} log events of {} were dropped", process.runtime().node());
            process.send(proxy.clone(), log(&process, Entry { level: "warning", text, meta }));
        }
        // Waits where the connection has more to send than its busy limit; meanwhile others wait, up to their number.
        process.send_wait(proxy.clone(), log(&process, entry)).await;
    }
    Ok(())
}

/// As `logger_proxy` sends the events of processes whose group leader is on another node.
fn log(process: &Process, entry: Entry) -> Term {
    let Entry { level, text, mut meta } = entry;
    // Not `gl`: the event would be sent back to the node of that group leader.
    meta.push((term!('pid), Term::from(process.pid())));
    meta.push((term!('node), Term::from(process.runtime().node())));
    Term::from((term!('log), Atom::from_static(level), text, Term::map(meta)))
}

/// Microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

thread_local! {
    /// An event is being taken: those that this causes are passed over.
    static TAKING: Cell<bool> = const { Cell::new(false) };
}

/// Until it is dropped, also where a field's `Debug` panics.
struct Taking;

impl Taking {
    fn begin() -> Option<Self> {
        (!TAKING.replace(true)).then_some(Self)
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        TAKING.set(false);
    }
}

impl<S: Subscriber> Layer<S> for LoggerLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let target = metadata.target();
        if target == "cnode" || target.starts_with("cnode::") {
            return;
        }
        let Some(_taking) = Taking::begin() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { mut message, others } = fields;
        for (name, value) in &others {
            let _ = write!(message, "{}{name}={value}", if message.is_empty() { "" } else { " " });
        }
        let mut meta =
            vec![
                (term!('time), Term::from(now())),
                (term!('target), Term::from(target)),
                (
                    term!('fields),
                    Term::map(others.into_iter().map(|(name, value)| {
                        (Term::from(Atom::from_static(name)), value.into_term())
                    })),
                ),
            ];
        if let Some(module) = metadata.module_path() {
            meta.push((term!('module), Term::from(module)));
        }
        if let Some(file) = metadata.file() {
            // OTP's own are lists of characters.
            let file = file.chars().map(|c| Term::from(u32::from(c))).collect();
            meta.push((term!('file), file));
        }
        if let Some(line) = metadata.line() {
            meta.push((term!('line), Term::from(line)));
        }
        let entry = Entry { level: level(*metadata.level()), text: cut(message), meta };
        if self.sender.try_send(entry).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

enum Value {
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
}

impl Value {
    fn into_term(self) -> Term {
        match self {
            Self::Bool(value) => Term::from(value),
            Self::Integer(value) => Term::from(value),
            Self::Unsigned(value) => Term::from(value),
            Self::Float(value) if value.is_finite() => Term::from(value),
            // Erlang has no such floats.
            Self::Float(value) => Term::from(value.to_string()),
            Self::Text(value) => Term::from(value),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl Fields {
    fn push(&mut self, field: &Field, value: Value) {
        match value {
            Value::Text(text) if field.name() == "message" => self.message = text,
            value => self.others.push((field.name(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, Value::Float(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Integer(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Unsigned(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, Value::Text(cut(value.to_owned())));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, Value::Text(cut(format!("{value:?}"))));
    }
}
