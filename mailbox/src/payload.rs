//! What a message carries: a term, or the bytes of one that its receiver decodes.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{DecodeError, EncodeError, Encoded, Pid, Reference, Term};

/// The content of a message, in the form it came in.
///
/// A message from another node stays bytes until its receiver reads it, on the receiver's own thread. A message
/// between two local processes is a [`Term`] where the sender had one, else bytes that `serde` wrote. Calls and their
/// replies between local processes stay in parts, and are spelled out as `gen_server` has them only for who asks for
/// a term, or on the way to another node.
#[derive(Clone)]
pub struct Payload(Form);

#[derive(Clone)]
enum Form {
    Term(Term),
    Encoded(Encoded),
    Received(Box<FromPeer>),
    Call(Box<Call>),
    Cast(Box<Payload>),
    Reply(Box<Reply>),
}

/// `{'$gen_call', {From, [alias | Tag]}, Request}`, in parts.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks.
    pub from: Pid,
    /// The alias that the reply goes to, which is also the monitor of the call.
    pub tag: Reference,
    /// What is asked.
    pub request: Payload,
}

/// `{[alias | Tag], Reply}`, in parts.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The tag of the call.
    pub tag: Reference,
    /// The answer.
    pub value: Payload,
}

/// Where a payload from another node came from, to be told what became of it.
///
/// Both are called on the receiver's thread and must return at once.
pub trait Origin: Send + Sync + 'static {
    /// The bytes are no term: the connection they came over ought to be closed.
    fn undecodable(&self, error: &DecodeError);

    /// The payload has left its mailbox, read or dropped; `bytes` is what it held.
    fn released(&self, bytes: usize);
}

struct FromPeer {
    encoded: Encoded,
    origin: Option<Arc<dyn Origin>>,
}
