//! One call to the processes of one name on many nodes (`gen_server:multi_call/4`).

use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Atom, IntoAtom};

use crate::call_error::CallError;
use crate::call_request::Requests;
use crate::payload::Payload;
use crate::process::Process;

/// What came of a [`multi_call`](Process::multi_call).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiReply<T> {
    /// Nodes and their replies, in the order they came.
    pub replies: Vec<(Atom, T)>,
    /// Nodes without: nobody of that name, no connection, ended, too late, or a reply that is no `T`.
    pub bad_nodes: Vec<Atom>,
}

impl Process {
    /// Calls the processes of one name on many nodes at once, this one perhaps among them, and waits for all their replies,
    /// no longer than `timeout` altogether.
    ///
    /// # Errors
    /// If the request cannot be a term, or the process itself is to end.
    pub async fn multi_call<T: DeserializeOwned + 'static, N: IntoAtom>(
        &mut self,
        nodes: impl IntoIterator<Item = N>,
        name: impl IntoAtom,
        request: impl Serialize + 'static,
        timeout: Duration,
    ) -> Result<MultiReply<T>, CallError> {
        let request = Payload::new(request)?;
        let name = name.into_atom();
        let deadline = Instant::now().checked_add(timeout);
        let mut requests: Requests<Atom, T> = Requests::new();
        for node in nodes {
            let node = node.into_atom();
            let pending = self.send_request_payload((&name, &node).into(), Ok(request.clone()));
            requests.add(node, pending);
        }
        let mut reply = MultiReply { replies: Vec::new(), bad_nodes: Vec::new() };
        loop {
            match requests.next_until(self, deadline).await {
                Ok(Some((node, Ok(value)))) => reply.replies.push((node, value)),
                Ok(Some((node, Err(_)))) => reply.bad_nodes.push(node),
                Ok(None) => return Ok(reply),
                Err(CallError::TimedOut) => {
                    reply.bad_nodes.extend(requests.abandon(self));
                    return Ok(reply);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
