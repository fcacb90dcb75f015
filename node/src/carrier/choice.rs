//! Which carrier leads to which peer, at a node with several.

use std::sync::Arc;

use super::{Address, Carrier};
use crate::conn::Refusal;

/// The carriers of a node, in the order they were given.
#[derive(Debug)]
pub(crate) struct Carriers(Vec<Arc<dyn Carrier>>);

/// The way to a peer.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) carrier: Arc<dyn Carrier>,
    pub(crate) address: Address,
}

impl Carriers {
    pub(crate) fn new(carriers: Vec<Arc<dyn Carrier>>) -> Self {
        Self(carriers)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Carrier>> {
        self.0.iter()
    }

    /// The first that knows from the name alone where `node` is.
    pub(crate) fn locate(&self, node: &str) -> Option<Route> {
        self.0.iter().find_map(|carrier| {
            carrier.locate(node).map(|address| Route { carrier: carrier.clone(), address })
        })
    }

    /// The first that can connect to `address`.
    pub(crate) fn route_to(&self, address: Address) -> Result<Route, Refusal> {
        match self.0.iter().find(|carrier| carrier.reaches(&address)) {
            Some(carrier) => Ok(Route { carrier: carrier.clone(), address }),
            None => Err(Refusal::NotFound(format!("no carrier of this node leads to {address}"))),
        }
    }
}
