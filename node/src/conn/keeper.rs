//! Keeps a connection to a peer: connects, and connects again when it has ended.

use std::sync::Weak;
use std::time::Duration;

use term::Atom;
use tokio::sync::watch;
use tokio::time::sleep;

use super::events::NodeEvent;
use super::hub::Hub;

/// The first pause: a peer that restarts needs a little.
const FIRST: Duration = Duration::from_millis(100);

/// The longest: what a person who has started the peer is willing to wait.
const LONGEST: Duration = Duration::from_secs(30);

/// Until the node begins to stop, or is gone.
pub(crate) async fn keep(hub: Weak<Hub>, peer: Atom, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = connect_for_ever(hub, peer) => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
}

async fn connect_for_ever(hub: Weak<Hub>, peer: Atom) {
    let mut pause = FIRST;
    while let Some(there) = hub.upgrade() {
        // From before the attempt, so that no end of its connection is missed.
        let mut events = there.table.events.subscribe();
        let connected = there.connect(&peer).await.is_ok();
        drop(there);
        if connected {
            pause = FIRST;
            loop {
                match events.next().await {
                    Some(NodeEvent::Down { node, .. }) if node == peer => break,
                    Some(NodeEvent::Missed { .. }) => break,
                    Some(_) => {}
                    None => return,
                }
            }
        }
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Between three and five quarters, so that those who lost one peer do not all come back at one moment.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause * 3 / 4 + pause.mul_f64(0.5 * f64::from(random) / f64::from(u32::MAX))
}
