//! The life of one connection: a handshake, then reader, writer and ticks, then the news of its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use term::Atom;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection::Connection;
use super::events::DownReason;
use super::handshake::{Broken, Talk};
use super::hub::Hub;
use super::table::{AtTheDoor, Attempt, Task, Unclaimed};
use super::writer::{self, Pen};
use super::{lookout, reader};
use crate::carrier::{Address, Channel, Incoming, Prefix, Route};
use crate::proto::handshake::HandshakeError;
use crate::proto::handshake::acceptor::Decision;
use crate::proto::handshake::message::Status;
use crate::proto::tick::{Ticker, Verdict};

/// How long what is queued may take to leave when a connection is ended in order.
const DRAIN: Duration = Duration::from_secs(1);

/// How long the end of a connection may take from the kernel to us, on a machine with other things to do.
const LAST_NEWS: Duration = Duration::from_millis(50);

/// How long a call of ours waits for one of the peer's own that has come first: the few round trips of a handshake, on a wide network
/// or a busy machine. Waited twice, before we connect and before we say our name: twice this is also all the delay that somebody
/// without the cookie can cause who uses the peer's name.
const FIRST_COMER: Duration = Duration::from_millis(500);

/// A stranger came in.
pub(crate) async fn accept(hub: Arc<Hub>, incoming: Incoming, prefix: Prefix) {
    let from = incoming.peer.clone();
    let deadline = Instant::now() + hub.config.handshake_timeout;
    match timeout_at(deadline, prove(&hub, incoming, prefix)).await {
        Ok(Ok((connection, talk, ack))) => begin(hub, connection, talk, Some(ack)),
        Ok(Err(failure)) if failure.is_simultaneous() => {
            tracing::debug!(target: "cnode::handshake", %from, reason = %failure, "refused");
        }
        Ok(Err(failure)) => {
            hub.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(target: "cnode::handshake", %from, reason = %failure, "refused");
        }
        Err(_) => {
            hub.refused.fetch_add(1, Ordering::Relaxed);
            let limit = hub.config.handshake_timeout;
            tracing::warn!(target: "cnode::handshake", %from, ?limit, "refused: the handshake took too long");
        }
    }
}

/// The acceptor's part up to the last message; the name is claimed after the proof and before that.
async fn prove(
    hub: &Arc<Hub>,
    incoming: Incoming,
    prefix: Prefix,
) -> Result<(Arc<Connection>, Talk, Vec<u8>), Refusal> {
    let from = incoming.peer.clone();
    if !hub.admission.admits_caller(&from) {
        return Err(Refusal::ForeignNetwork);
    }
    let channel = incoming.channel.await.map_err(Broken::Io)?;
    let identity = channel.identity.clone();
    let mut talk = Talk::new(channel, prefix);
    let caller = talk.caller(hub.local.clone()).await?;
    let unlisted = caller
        .claimed_name()
        .or_else(|| caller.wanted_host())
        .filter(|name| !hub.admits(name, &identity))
        .cloned();
    // Held until the caller has its place, or is gone.
    let (decision, _at_the_door) = match (caller.claimed_name(), caller.wanted_host()) {
        _ if unlisted.is_some() => (Decision::Refuse, None),
        (Some(name), _) => {
            let (decision, mark) = greet(hub, name).await;
            (decision, Some(mark))
        }
        (None, Some(host)) => (hub.name_for_guest(host), None),
        (None, None) => (Decision::Refuse, None),
    };
    let takes_over = decision == Decision::AskIfAlive;
    let cookie = match caller.claimed_name() {
        Some(name) => hub.cookie_for(name),
        None => hub.config.cookie.clone(),
    };
    let proved = talk.prove(caller, decision, cookie.bytes()).await.map_err(|broken| {
        match (broken, unlisted) {
            (Broken::Said(HandshakeError::Refused { .. }), Some(name)) => Refusal::Unlisted(name),
            (broken, _) => broken.into(),
        }
    })?;
    let (ack, peer) = proved.accept();
    // Nothing is awaited between the claim and the task that tends to it: a stranger may be dismissed at any await.
    let connection = hub.claim(peer, from, takes_over, None)?;
    Ok((connection, talk, ack))
}

/// What to answer to a name. A peer that hung up and calls again must not be asked whether its old connection is alive, only
/// because the news of its end is a moment behind: that moment is waited for.
async fn greet<'a>(hub: &'a Hub, name: &Atom) -> (Decision, AtTheDoor<'a>) {
    for _ in 0..10 {
        match hub.table.greet(name) {
            (Decision::AskIfAlive, _) => sleep(LAST_NEWS / 10).await,
            decided => return decided,
        }
    }
    hub.table.greet(name)
}

/// Why a handshake that was proved, or not, leads to no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error(transparent)]
    Unclaimed(#[from] Unclaimed),
    #[error("{0}")]
    NotFound(String),
    #[error("no caller from there is listened to: it is in none of the networks that are allowed")]
    ForeignNetwork,
    #[error("it is not among the nodes that are allowed")]
    NotAllowed,
    #[error(
        "{0} is not among the nodes that are allowed: allow it, or all of its host; over TLS its certificate must be for \
         that host too"
    )]
    Unlisted(Atom),
    #[error("cannot connect to {address}: {source}")]
    Unreachable { address: Address, source: std::io::Error },
    #[error("no answer within {0:?}")]
    TooLong(Duration),
}

impl Refusal {
    /// Two that dialled each other: one of the two connections goes, which is nobody's fault.
    fn is_simultaneous(&self) -> bool {
        match self {
            Self::Unclaimed(unclaimed) => *unclaimed == Unclaimed::Simultaneous,
            Self::Broken(Broken::Said(HandshakeError::Refused { status, .. })) => {
                *status == Status::Nok
            }
            _ => false,
        }
    }
}

/// An attempt to connect that ends with its task also where that panics, in a discovery or a carrier of the program's own: whoever
/// waits for it is told.
struct Dialling {
    hub: Arc<Hub>,
    node: Atom,
    attempt: Attempt,
}

impl Dialling {
    fn fails(&self, why: &str) {
        if let Task::Down(carried) = self.hub.table.fail(&self.node, self.attempt, why) {
            tracing::warn!(target: "cnode::handshake", node = %self.node, reason = why, "could not connect");
            self.hub.runtime.node_down(&carried);
        }
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        if thread::panicking() {
            self.fails("a panic in the discovery or the carrier; standard error has its text");
        }
    }
}

/// Connects to `node`, for the attempt that waits in the table.
pub(crate) async fn dial(hub: Arc<Hub>, node: Atom, attempt: Attempt) {
    let dialling = Dialling { hub: hub.clone(), node: node.clone(), attempt };
    let limit = hub.config.handshake_timeout;
    let outcome = match timeout(limit, call(&hub, &node, attempt)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Refusal::TooLong(limit)),
    };
    let failure = match outcome {
        Ok((connection, talk)) => return begin(hub, connection, talk, None),
        Err(failure) => failure,
    };
    if matches!(failure, Refusal::Broken(Broken::Said(HandshakeError::Simultaneous(_)))) {
        hub.table.awaits_peer(&node, attempt);
    }
    if matches!(failure, Refusal::Broken(Broken::CookieRefused(_))) {
        // A peer that hangs up at this place may have begun to dial us meanwhile, and prefer that; its call is on its way then.
        sleep(4 * LAST_NEWS).await;
    }
    if hub.table.expects_peer(&node, attempt) {
        // The peer's own connection is the one that counts: when it has proved itself, it takes the place of this attempt, and
        // ends this task.
        sleep(limit).await;
    }
    dialling.fails(&failure.to_string());
}

async fn call(
    hub: &Arc<Hub>,
    node: &Atom,
    attempt: Attempt,
) -> Result<(Arc<Connection>, Talk), Refusal> {
    if !hub.admits(node, &[]) {
        return Err(Refusal::NotAllowed);
    }
    // A caller that proves itself takes the place of this attempt, and ends this task; one that does not is not waited for long.
    let _ = timeout(FIRST_COMER, hub.table.door_is_free(node)).await;
    let Route { carrier, address } = hub.locate(node).await?;
    let channel = match carrier.connect(node.as_str(), &address).await {
        Ok(channel) => channel,
        Err(source) => return Err(Refusal::Unreachable { address, source }),
    };
    // One may have come meanwhile. From our turn on ours may be the one that counts, and the peer, whose own we refuse for it, waits
    // for it only shortly: so nothing that takes its time lies between the two and our name.
    let in_turn = timeout(FIRST_COMER, hub.table.call_in_turn(node, attempt)).await;
    if !in_turn.unwrap_or_else(|_| hub.table.call_now(node, attempt)) {
        return Err(Unclaimed::GivenUp.into());
    }
    let mut talk = Talk::new(channel, carrier.handshake_prefix());
    let cookie = hub.cookie_for(node);
    let still_wanted = || hub.table.is_pending(node, attempt);
    let dialled = talk.call(&hub.local, node, cookie.bytes(), still_wanted).await?;
    let connection = hub.claim(dialled.peer, address, dialled.takes_over, Some(attempt))?;
    Ok((connection, talk))
}

/// Hands a connection that has its place to tasks of its own. `ack` is the handshake's last message, if it is ours.
pub(crate) fn begin(hub: Arc<Hub>, connection: Arc<Connection>, talk: Talk, ack: Option<Vec<u8>>) {
    let handle = hub.handle.clone();
    handle.spawn(live(hub, connection, talk, ack));
}

async fn live(hub: Arc<Hub>, connection: Arc<Connection>, mut talk: Talk, ack: Option<Vec<u8>>) {
    if let Some(ack) = ack {
        match timeout(hub.config.handshake_timeout, talk.send(&ack)).await {
            Ok(Ok(())) => {}
            Ok(Err(broken)) => connection.close(DownReason::SetupFailed(broken.to_string())),
            Err(_) => connection.close(DownReason::SetupFailed("it does not read".to_owned())),
        }
    }
    // First `nodedown` and all that ends with the old one, then `nodeup` and what comes over this.
    connection.is_next().await;
    let (Channel { reader, writer, .. }, deframer) = talk.established(hub.config.limits.max_frame);
    tracing::info!(
        target: "cnode::conn",
        node = %connection.node, kind = %connection.kind, address = %connection.address, dialled = connection.dialled,
        "connected"
    );
    hub.runtime.node_up(&connection.carried, connection.peer.is_hidden());
    let pen = Arc::new(Pen::new(writer));
    lookout::watch(&connection, &pen, hub.config.ticktime, hub.tick_intensity);
    let writing = hub.handle.spawn(writer::run(connection.clone(), pen));
    let reading = hub.handle.spawn(reader::run(hub.clone(), connection.clone(), reader, deframer));
    tend(&hub, &connection).await;
    // From here on the table gives it to nobody.
    hub.table.retire(&connection);
    stop_reading(reading).await;
    hub.runtime.node_down(&connection.carried);
    connection.is_told();
    hub.table.has_left(&connection);
    tracing::info!(target: "cnode::conn", node = %connection.node, reason = %connection.reason(), "disconnected");
    stop_writing(&connection, writing).await;
    connection.is_over();
}

/// Ticks until the connection is to end.
async fn tend(hub: &Hub, connection: &Connection) {
    let hidden = connection.peer.is_hidden();
    let mut ticker =
        Ticker::new(hub.config.ticktime, hub.tick_intensity, hidden, Instant::now().into_std());
    // Quarters in which it was we who did not listen: they count as if something had come.
    let mut deaf = 0;
    loop {
        let deadline = Instant::from_std(ticker.deadline());
        if timeout_at(deadline, connection.closing()).await.is_ok() {
            return;
        }
        let mut seen = connection.seen();
        if connection.is_deaf() {
            deaf += 1;
        }
        seen.read = seen.read.wrapping_add(deaf);
        match ticker.tick(Instant::now().into_std(), seen) {
            Verdict::Quiet => {}
            Verdict::SendTick => connection.outbox.tick(),
            Verdict::PeerSilent => connection.close(DownReason::NetTickTimeout),
        }
    }
}

/// Nothing that this connection brought may be delivered after the news of its end.
async fn stop_reading(reading: JoinHandle<()>) {
    reading.abort();
    // Aborted, ended or panicked: in each case it delivers no more.
    let _ = reading.await;
}

/// An orderly end lets what is queued leave; a broken channel, or a peer that does not read, gets nothing more.
async fn stop_writing(connection: &Connection, mut writing: JoinHandle<()>) {
    let orderly = matches!(connection.reason(), DownReason::Disconnected | DownReason::Stopped);
    let time = if orderly { DRAIN } else { Duration::ZERO };
    if timeout(time, &mut writing).await.is_err() {
        writing.abort();
    }
}
