//! What a message carries: a term, or the bytes of one that its receiver decodes.

use std::any::{Any, TypeId};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Atom, DecodeError, EncodeError, Encoded, Pid, Reference, Term, TermRef, View};

use crate::ids::owner_of;

/// The content of a message, in the form it came in.
///
/// A message from another node stays bytes until its receiver reads it, on the receiver's own thread. A message
/// between two local processes is a [`Term`] where the sender had one, else bytes that `serde` wrote. Calls, casts and
/// replies between local processes stay in parts, and are spelled out as `gen_server` has them only for who asks for
/// a term, or on the way to another node.
#[derive(Clone)]
pub struct Payload(Form);

/// Four words: a message is moved several times on its way, and bytes are looked at once.
#[derive(Clone)]
enum Form {
    Term(Term),
    Encoded(Box<Encoded>),
    FromPeer(Arc<FromPeer>),
    Call(Box<CallMessage>),
    Cast(Box<Payload>),
    Reply(Box<ReplyMessage>),
}

/// `{'$gen_call', {From, [alias | Tag]}, Request}`, in parts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallMessage {
    /// The alias that the reply goes to, which is also the monitor of the call.
    pub tag: Reference,
    /// What is asked.
    pub request: Payload,
}

impl CallMessage {
    /// `tag` is an alias of the process that asks.
    #[inline]
    pub(crate) const fn new(tag: Reference, request: Payload) -> Self {
        Self { tag, request }
    }

    /// Who asks: the alias says it, and is spared to carry the pid as well. A call is moved about whole, which costs less the
    /// smaller it is.
    #[must_use]
    pub fn from(&self) -> Pid {
        owner_of(&self.tag)
    }
}

/// `{[alias | Tag], Reply}`, in parts.
#[derive(Clone, Debug)]
pub struct ReplyMessage {
    /// The tag of the call.
    pub tag: Reference,
    /// The answer.
    pub value: Payload,
}

/// Where a payload from another node came from, to be told what becomes of it.
///
/// Both are called on the receiver's or sender's thread, perhaps under a lock of the runtime: they must return at once and
/// must not call into the runtime.
pub trait Origin: Send + Sync + 'static {
    /// The bytes are no term: the connection they came over ought to be closed.
    fn undecodable(&self, error: &DecodeError);

    /// The payload is gone, read or dropped; `bytes` is what it held.
    fn released(&self, bytes: usize);
}

struct FromPeer {
    encoded: Encoded,
    origin: Arc<dyn Origin>,
    /// What came, of which `encoded` may be a part.
    held: usize,
}

impl Drop for FromPeer {
    fn drop(&mut self) {
        self.origin.released(self.held);
    }
}

/// Why a payload is not what its reader wants.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no term at all; the connection it came over has been told.
    #[error("the message is no term: {0}")]
    Undecodable(#[from] DecodeError),
    /// It is a term of another shape.
    #[error("the message is not what its receiver asked for: {0}")]
    Mismatch(term::serde::Error),
}

impl Payload {
    /// What `message` is on its way: itself if it is a [`Term`] or a small value, else bytes.
    ///
    /// # Errors
    /// If the value cannot be a term.
    #[inline]
    pub fn new<M: Serialize + 'static>(mut message: M) -> Result<Self, EncodeError> {
        // Decided when this is compiled for an `M`.
        let any: &mut dyn Any = &mut message;
        if let Some(term) = any.downcast_mut::<Term>() {
            return Ok(Self(Form::Term(std::mem::take(term))));
        }
        if let Some(payload) = any.downcast_mut::<Self>() {
            return Ok(std::mem::replace(payload, Self(Form::Term(Term::NIL))));
        }
        if let Some(number) = any.downcast_ref::<i64>() {
            return Ok(Self(Form::Term(Term::from(*number))));
        }
        if let Some(atom) = any.downcast_ref::<Atom>() {
            return Ok(Self(Form::Term(Term::from(atom))));
        }
        term::encode(&message).map(Self::from)
    }

    /// Bytes from another node, as they came.
    #[must_use]
    pub fn received(encoded: Encoded, origin: Arc<dyn Origin>) -> Self {
        let held = encoded.bytes().len();
        Self(Form::FromPeer(Arc::new(FromPeer { encoded, origin, held })))
    }

    /// `{'$gen_call', {From, [alias | Tag]}, Request}`.
    #[must_use]
    #[inline]
    pub fn call(call: CallMessage) -> Self {
        Self(Form::Call(Box::new(call)))
    }

    /// `{'$gen_cast', Request}`.
    #[must_use]
    #[inline]
    pub fn cast(request: Self) -> Self {
        Self(Form::Cast(Box::new(request)))
    }

    /// `{[alias | Tag], Reply}`.
    #[must_use]
    #[inline]
    pub fn reply(reply: ReplyMessage) -> Self {
        Self(Form::Reply(Box::new(reply)))
    }

    /// The parts of a call that a local process made, or the payload back; one from elsewhere is a term to be taken
    /// apart.
    ///
    /// # Errors
    /// The payload, if it is anything else.
    #[inline]
    pub fn into_call(self) -> Result<CallMessage, Self> {
        match self.0 {
            Form::Call(call) => Ok(*call),
            form => Err(Self(form)),
        }
    }

    /// The request of a cast that a local process made, or the payload back.
    ///
    /// # Errors
    /// The payload, if it is anything else.
    #[inline]
    pub fn into_cast(self) -> Result<Self, Self> {
        match self.0 {
            Form::Cast(request) => Ok(*request),
            form => Err(Self(form)),
        }
    }

    /// The parts of a reply that a local process made, or the payload back.
    ///
    /// # Errors
    /// The payload, if it is anything else.
    #[inline]
    pub fn into_reply(self) -> Result<ReplyMessage, Self> {
        match self.0 {
            Form::Reply(reply) => Ok(*reply),
            form => Err(Self(form)),
        }
    }

    /// The tag, if this is a local process's reply.
    pub(crate) fn reply_tag(&self) -> Option<&Reference> {
        match &self.0 {
            Form::Reply(reply) => Some(&reply.tag),
            _ => None,
        }
    }

    /// The term, decoded here and now if it was bytes.
    ///
    /// # Errors
    /// If the bytes are no term; the connection they came over is told.
    pub fn into_term(self) -> Result<Term, DecodeError> {
        match self.0 {
            Form::Term(term) => Ok(term),
            Form::Encoded(encoded) => encoded.decode(),
            Form::FromPeer(from) => {
                from.encoded.decode().inspect_err(|error| from.origin.undecodable(error))
            }
            Form::Call(call) => {
                let from = Term::from((call.from(), tag_term(call.tag)));
                Ok(Term::from((Atom::from_static("$gen_call"), from, call.request.into_term()?)))
            }
            Form::Cast(request) => {
                Ok(Term::from((Atom::from_static("$gen_cast"), request.into_term()?)))
            }
            Form::Reply(reply) => Ok(Term::from((tag_term(reply.tag), reply.value.into_term()?))),
        }
    }

    /// The value, straight from the bytes where it is bytes.
    ///
    /// # Errors
    /// If it is no term, or not a `T`.
    #[inline]
    pub fn read<T: DeserializeOwned + 'static>(mut self) -> Result<T, ReadError> {
        self.read_out()
    }

    /// [`read`](Self::read) from where the payload lies; `[]` may be left in its place.
    #[inline(always)]
    pub(crate) fn read_out<T: DeserializeOwned + 'static>(&mut self) -> Result<T, ReadError> {
        let mut slot: Option<T> = None;
        let any: &mut dyn Any = &mut slot;
        if let Some(slot) = any.downcast_mut::<Option<Self>>() {
            *slot = Some(self.take());
        } else if let Some(slot) = any.downcast_mut::<Option<Term>>() {
            *slot = Some(match &mut self.0 {
                Form::Term(term) => std::mem::take(term),
                _ => self.take().into_term()?,
            });
        } else if let (Form::Term(term), Some(slot)) = (&self.0, any.downcast_mut::<Option<i64>>())
            && let Some(number) = term.as_i64()
        {
            *slot = Some(number);
        } else {
            slot = Some(self.deserialize()?);
        }
        slot.ok_or_else(|| ReadError::Mismatch(serde::de::Error::custom("no value")))
    }

    /// [`read`](Self::read) for who has a use for what is of another shape: it comes back.
    pub(crate) fn read_or_back<T: DeserializeOwned + 'static>(
        self,
    ) -> Result<T, (ReadError, Self)> {
        let as_it_is = [TypeId::of::<Self>(), TypeId::of::<Term>(), TypeId::of::<i64>()];
        if !as_it_is.contains(&TypeId::of::<T>()) {
            return self.deserialize().map_err(|error| (error, self));
        }
        // As itself or a term it can only fail as a whole, and an integer is a small thing to keep.
        let copy = if TypeId::of::<T>() == TypeId::of::<i64>() {
            self.clone()
        } else {
            Self(Form::Term(Term::NIL))
        };
        self.read().map_err(|error| (error, copy))
    }

    /// The payload; `[]` is left in its place.
    pub(crate) const fn take(&mut self) -> Self {
        std::mem::replace(self, Self(Form::Term(Term::NIL)))
    }

    fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        match &self.0 {
            Form::Encoded(encoded) => encoded.deserialize().map_err(ReadError::Mismatch),
            Form::FromPeer(from) => {
                from.encoded.deserialize().map_err(|error| match from.encoded.decode() {
                    Ok(_) => ReadError::Mismatch(error),
                    Err(error) => {
                        from.origin.undecodable(&error);
                        ReadError::Undecodable(error)
                    }
                })
            }
            _ => {
                let term = self.clone().into_term()?;
                Encoded::from_term(&term).deserialize().map_err(ReadError::Mismatch)
            }
        }
    }

    /// The bytes, for a connection.
    ///
    /// # Errors
    /// If a part of it came as bytes that are no term.
    pub fn into_encoded(self) -> Result<Encoded, DecodeError> {
        match self.0 {
            Form::Term(term) => Ok(Encoded::from_term(&term)),
            Form::Encoded(encoded) => Ok(*encoded),
            Form::FromPeer(from) => Ok(from.encoded.clone()),
            form => Self(form).into_term().map(|term| Encoded::from_term(&term)),
        }
    }

    /// About how many bytes it keeps in memory while it waits, from what can be seen without encoding it.
    #[must_use]
    pub fn len_hint(&self) -> usize {
        match &self.0 {
            Form::Term(term) => term.held(),
            Form::Call(call) => call.request.len_hint(),
            Form::Cast(request) => request.len_hint(),
            Form::Reply(reply) => reply.value.len_hint(),
            _ => self.as_encoded().map_or(0, |encoded| encoded.bytes().len()),
        }
    }

    /// The term if it is one already, else the bytes: what costs nothing to look at.
    #[must_use]
    pub fn as_term(&self) -> Option<&Term> {
        match &self.0 {
            Form::Term(term) => Some(term),
            _ => None,
        }
    }

    /// The bytes, where it is bytes.
    pub(crate) fn as_encoded(&self) -> Option<&Encoded> {
        match &self.0 {
            Form::Encoded(encoded) => Some(encoded),
            Form::FromPeer(from) => Some(&from.encoded),
            _ => None,
        }
    }

    /// The part of the bytes that is one of the term's elements; what is no bytes stays as it is.
    pub(crate) fn narrow(self, part: Range<usize>) -> Self {
        let narrowed = |encoded: &Encoded| {
            let bytes = encoded.bytes().get(part.clone()).unwrap_or_default();
            Encoded::new(encoded.bytes().slice_ref(bytes), encoded.shared_atoms().cloned())
        };
        match self.0 {
            Form::Encoded(encoded) => Self::from(narrowed(&encoded)),
            Form::FromPeer(mut from) => {
                let part = narrowed(&from.encoded);
                match Arc::get_mut(&mut from) {
                    Some(alone) => {
                        alone.encoded = part;
                        Self(Form::FromPeer(from))
                    }
                    // Who holds the whole answers for it.
                    None => Self::from(part),
                }
            }
            form => Self(form),
        }
    }

    /// Makes a term of it in place, so that it is decoded once however often it is looked at.
    ///
    /// # Errors
    /// As [`into_term`](Self::into_term).
    pub(crate) fn term(&mut self) -> Result<&Term, DecodeError> {
        if !matches!(self.0, Form::Term(_)) {
            let form = std::mem::replace(&mut self.0, Form::Term(Term::NIL));
            self.0 = Form::Term(Self(form).into_term()?);
        }
        match &self.0 {
            Form::Term(term) => Ok(term),
            // Not reached: it was made one just now.
            _ => Ok(&NIL),
        }
    }
}

const _: () = assert!(size_of::<Payload>() == 4 * size_of::<usize>());

static NIL: Term = Term::NIL;

/// The improper list `[alias | Reference]`, as `gen` tags calls since OTP 24.
fn tag_term(tag: Reference) -> Term {
    Term::improper_list(&[Term::from(Atom::from_static("alias"))], &Term::from(tag))
}

/// The reference in a call's tag `[alias | Reference]`.
pub(crate) fn alias_of_tag(tag: TermRef<'_>) -> Option<Reference> {
    let View::ImproperList(list, tail) = tag.view() else { return None };
    let head = list.iter().next()?;
    if head.is_atom("alias") { tail.as_reference() } else { None }
}

impl From<Term> for Payload {
    #[inline]
    fn from(term: Term) -> Self {
        Self(Form::Term(term))
    }
}

impl From<Encoded> for Payload {
    fn from(encoded: Encoded) -> Self {
        Self(Form::Encoded(Box::new(encoded)))
    }
}

/// As the term it is.
impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.clone().into_term().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Payload {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Term::deserialize(deserializer).map(Self::from)
    }
}

/// The form only: contents do not belong in logs.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Form::Term(_) => "Payload(term)",
            Form::Encoded(_) | Form::FromPeer(_) => "Payload(bytes)",
            Form::Call(_) => "Payload(call)",
            Form::Cast(_) => "Payload(cast)",
            Form::Reply(_) => "Payload(reply)",
        })
    }
}
