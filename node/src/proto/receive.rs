//! From frames to messages: what stands in front of a control message, the control message, and its payload as bytes.
//!
//! [`Receiver`] owns what the peer's frames build on each other with: its atom cache and its messages under way. It stands
//! for one connection and goes with it.

use bytes::{Buf, Bytes};
use term::{Cursor, Encoded};
use thiserror::Error;

use super::atom_cache::Inbound;
use super::control::{Control, ControlError};
use super::dist_header::{self, Header, HeaderError, VERSION_MAGIC};
use super::flags::Flags;
use super::fragment::{Bounds, FragmentError, Reassembly};

/// First byte of a message without a distribution header.
pub const PASS_THROUGH: u8 = 112;

/// What is wrong with a frame: erts closes the connection, and so do we.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// A message does not begin as agreed in the handshake.
    #[error(
        "a message does not begin with 112, 131, though neither atom cache nor fragments were agreed on"
    )]
    NotPassThrough,
    /// A bad distribution header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A fragment, and fragments were not agreed on.
    #[error("a fragment, though fragments were not agreed on")]
    NoFragments,
    /// Fragments that do not fit together.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// A bad control message.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The message, or reason, or argument list of a control message is missing.
    #[error("operation {0} without the term that belongs to it")]
    NoPayload(&'static str),
}

/// A message with all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What it does.
    pub control: Control,
    /// The message, reason or argument list, undecoded, for the operations that have one.
    pub payload: Option<Encoded>,
}

/// The receiving half of a connection.
#[derive(Debug)]
pub struct Receiver {
    form: Form,
}

#[derive(Debug)]
enum Form {
    PassThrough,
    Headers { fragments: bool, cache: Box<Inbound>, reassembly: Reassembly },
}

impl Receiver {
    /// For a connection with these flags in common. They decide what form a message has; there is no mixture.
    #[must_use]
    pub fn new(flags: Flags, bounds: Bounds) -> Self {
        let form = if flags.has_distribution_header() {
            let fragments = flags.contains(Flags::FRAGMENTS);
            Form::Headers { fragments, cache: Box::default(), reassembly: Reassembly::new(bounds) }
        } else {
            Form::PassThrough
        };
        Self { form }
    }

    /// Takes a frame that is not empty; gives a message when one is complete.
    ///
    /// # Errors
    /// When the frame breaks the protocol. The connection is to be closed, and this value not used any more; only after
    /// [`ControlError::Obsolete`] it is as good as before.
    pub fn receive(&mut self, mut frame: Bytes) -> Result<Option<Message>, ReceiveError> {
        match &mut self.form {
            Form::PassThrough => pass_through(frame).map(Some),
            Form::Headers { fragments, cache, reassembly } => {
                let (header, length) = dist_header::read(&frame, cache)?;
                if !*fragments && !matches!(header, Header::Whole { .. }) {
                    return Err(ReceiveError::NoFragments);
                }
                frame.advance(length);
                with_header(frame, header, reassembly)
            }
        }
    }

    /// Whether buffers of earlier messages are kept for later ones.
    #[must_use]
    pub fn has_spares(&self) -> bool {
        matches!(&self.form, Form::Headers { reassembly, .. } if reassembly.has_spares())
    }

    /// Some time has passed: those that no message used since this was last said are given back.
    pub fn grow_old(&mut self) {
        if let Form::Headers { reassembly, .. } = &mut self.form {
            reassembly.grow_old();
        }
    }

    /// Bytes held for messages of which fragments are missing.
    #[must_use]
    pub fn held(&self) -> usize {
        match &self.form {
            Form::PassThrough => 0,
            Form::Headers { reassembly, .. } => reassembly.held(),
        }
    }
}

fn pass_through(mut frame: Bytes) -> Result<Message, ReceiveError> {
    let Some(body) = frame.strip_prefix(&[PASS_THROUGH, VERSION_MAGIC]) else {
        return Err(ReceiveError::NotPassThrough);
    };
    let mut cursor = Cursor::new(body, &[]);
    let control = Control::decode(&mut cursor)?;
    let operation = control.operation();
    if !operation.payload {
        return Ok(Message { control, payload: None });
    }
    let at = 2 + cursor.position();
    match frame.get(at..) {
        // Both terms have a version of their own.
        Some([VERSION_MAGIC, _, ..]) => {
            frame.advance(at + 1);
            Ok(Message { control, payload: Some(Encoded::new(frame, None)) })
        }
        _ => Err(ReceiveError::NoPayload(operation.name)),
    }
}

/// `rest` is what stands behind the header.
fn with_header(
    mut rest: Bytes,
    header: Header,
    reassembly: &mut Reassembly,
) -> Result<Option<Message>, ReceiveError> {
    let (atoms, first) = match header {
        Header::Continuation { sequence, fragment } => {
            return whole(reassembly.continuation(sequence, fragment, &rest)?);
        }
        Header::Whole { atoms } => (atoms, None),
        Header::First { sequence, fragments, atoms } => (atoms, Some((sequence, fragments))),
    };
    let mut cursor = Cursor::new(&rest, atoms.as_deref().unwrap_or_default());
    let control = match (Control::decode(&mut cursor), first) {
        (Ok(control), _) => Some(control),
        // "The entire atom cache and control message has to be part of the starting fragment", but a BEAM cuts large
        // binaries wherever they are: in the label of a trace token, in a reason without a payload of its own.
        (Err(error), Some((_, 2..))) if error.is_cut_short() => None,
        (Err(error), _) => return Err(error.into()),
    };
    let read = if control.is_some() { cursor.position() } else { 0 };
    rest.advance(read);
    match first {
        Some((sequence, fragments)) => {
            whole(reassembly.first(sequence, fragments, control, atoms, rest)?)
        }
        None => whole(Some((control, Encoded::new(rest, atoms)))),
    }
}

fn whole(message: Option<(Option<Control>, Encoded)>) -> Result<Option<Message>, ReceiveError> {
    let (control, payload) = match message {
        None => return Ok(None),
        Some((Some(control), payload)) => (control, payload),
        Some((None, all)) => {
            let atoms = all.shared_atoms().cloned();
            let mut cursor = Cursor::new(all.bytes(), atoms.as_deref().unwrap_or_default());
            let control = Control::decode(&mut cursor)?;
            let payload = all.bytes().slice(cursor.position()..);
            (control, Encoded::new(payload, atoms))
        }
    };
    let operation = control.operation();
    if !operation.payload {
        // As erts, we do not mind bytes behind a control message that stands alone.
        return Ok(Some(Message { control, payload: None }));
    }
    if payload.bytes().is_empty() {
        return Err(ReceiveError::NoPayload(operation.name));
    }
    Ok(Some(Message { control, payload: Some(payload) }))
}
