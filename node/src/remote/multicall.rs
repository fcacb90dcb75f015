//! One function called on many nodes at once, as `erpc:multicall/4` calls it.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Atom, IntoAtom, Pid, Term};
use tokio::task::JoinSet;

use super::call::{self, RemoteCall};
use super::error::RemoteError;
use crate::node::Node;

impl Node {
    /// Calls a function on many nodes at once (`erpc:multicall/4`). Each node's result stands with its name, in the order of the
    /// nodes; the slowest one is waited for.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn ask(node: node::Node) {
    /// let asked = node.multicall::<String>(["a@host", "b@host"], "erlang", "system_info", ("otp_release",));
    /// for (peer, release) in asked.timeout(Duration::from_secs(1)).await {
    ///     match release {
    ///         Ok(release) => println!("{peer} runs {release}"),
    ///         Err(error) => println!("{peer}: {error}"),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Cancellation
    /// Dropping the future gives all of the calls up.
    pub fn multicall<T: DeserializeOwned + 'static>(
        &self,
        nodes: impl IntoIterator<Item = impl IntoAtom>,
        module: impl IntoAtom,
        function: impl IntoAtom,
        arguments: impl Serialize,
    ) -> RemoteCalls<T> {
        let call = self.erpc(self.runtime().node().clone(), module, function, arguments);
        RemoteCalls { nodes: nodes.into_iter().map(IntoAtom::into_atom).collect(), call }
    }
}

/// Calls to be made; see [`Node::multicall`]. Nothing is sent before it is awaited.
#[must_use = "a call does nothing until it is awaited"]
#[derive(Debug)]
pub struct RemoteCalls<T> {
    nodes: Vec<Atom>,
    call: RemoteCall<T>,
}

impl<T> RemoteCalls<T> {
    /// Gives those up that take longer.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { call: self.call.timeout(timeout), ..self }
    }

    /// What the function prints goes to this group leader.
    pub fn group_leader(self, leader: Pid) -> Self {
        Self { call: self.call.group_leader(leader), ..self }
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for RemoteCalls<T> {
    type Output = Vec<(Atom, Result<T, RemoteError>)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { nodes, call } = self;
        Box::pin(async move {
            let mut running = JoinSet::new();
            for (at, node) in nodes.iter().enumerate() {
                let made = call.to(node.clone()).made();
                running.spawn_on(async move { (at, made.await) }, &call.spawner().hub.handle);
            }
            let mut ended: Vec<Option<Result<Term, RemoteError>>> = vec![None; nodes.len()];
            while let Some(joined) = running.join_next().await {
                // One that panicked has no result, which is told below.
                let Ok((at, result)) = joined else { continue };
                if let Some(place) = ended.get_mut(at) {
                    *place = Some(result);
                }
            }
            let results = ended.into_iter().map(|ended| match ended {
                Some(value) => value.and_then(call::read),
                None => Err(RemoteError::Killed(term::term!('killed))),
            });
            nodes.into_iter().zip(results).collect()
        })
    }
}
