//! A node without a name of its own: it asks the first peer for one, and keeps the connection on which it was given.

use std::sync::Arc;

use term::Atom;
use tokio::time::timeout;

use super::driver::{self, Refusal};
use super::handshake::{Broken, Talk};
use super::hub::Hub;
use super::table::{Begun, Task};
use crate::carrier::{Address, Route};
use crate::name::{NameError, NameKind, NodeName};
use crate::proto::handshake::Peer;

/// A name that a peer has given us, and the connection to it.
pub(crate) struct Given {
    name: Atom,
    creation: u32,
    kind: NameKind,
    peer: Peer,
    address: Address,
    talk: Talk,
}

/// The handshake of a node that asks for a name.
pub(crate) async fn ask_for_name(hub: &Hub, peer: &Atom) -> Result<Given, Refusal> {
    let limit = hub.config.handshake_timeout;
    timeout(limit, ask(hub, peer)).await.unwrap_or(Err(Refusal::TooLong(limit)))
}

async fn ask(hub: &Hub, peer: &Atom) -> Result<Given, Refusal> {
    let Route { carrier, address } = hub.locate(peer).await?;
    let channel = match carrier.connect(peer.as_str(), &address).await {
        Ok(channel) => channel,
        Err(source) => return Err(Refusal::Unreachable { address, source }),
    };
    let mut talk = Talk::new(channel, carrier.handshake_prefix());
    let host =
        Atom::new(hub.config.name.host()).map_err(|error| Refusal::NotFound(error.to_string()))?;
    let cookie = hub.cookie_for(peer);
    let dialled = talk.call_as_guest(host, hub.local.flags, peer, cookie.bytes()).await?;
    let Some((name, creation)) = dialled.granted else {
        return Err(Broken::NoName(peer.clone()).into());
    };
    let kind = hub.config.name.kind();
    Ok(Given { name, creation, kind, peer: dialled.peer, address, talk })
}

impl Given {
    /// The name, of the kind that was asked for.
    pub(crate) fn name(&self) -> Result<NodeName, NameError> {
        match self.kind {
            NameKind::Short => NodeName::short(self.name.as_str()),
            NameKind::Long => NodeName::long(self.name.as_str()),
        }
    }

    pub(crate) fn full(&self) -> &Atom {
        &self.name
    }

    pub(crate) fn creation(&self) -> u32 {
        self.creation
    }

    /// Gives the connection its place in the node that has the name now.
    pub(crate) fn connect(self, hub: &Arc<Hub>) {
        let place = hub.table.begin(&self.peer.name, || hub.open(&self.peer.name));
        let Some(Begun { task: Task::Dial(attempt), .. }) = place else { return };
        match hub.claim(self.peer, self.address, false, Some(attempt)) {
            Ok(connection) => driver::begin(hub.clone(), connection, self.talk, None),
            // Nobody else has the table yet, so there is nobody to be told.
            Err(error) => {
                tracing::warn!(target: "cnode::handshake", %error, "the connection on which we were named was not taken");
            }
        }
    }
}
