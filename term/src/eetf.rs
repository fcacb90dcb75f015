//! To and from the terms of the `eetf` crate, for programs that hold some already.
//!
//! What comes in is made canonical: a `ByteList` is a list, a small `BigInteger` an integer. What eetf cannot say is refused by name.

use eetf as e;
use num_bigint::BigInt;

use crate::atom::{Atom, AtomTooLong};
use crate::encoder::Encoder;
use crate::error::DecodeError;
use crate::pid::Pid;
use crate::port::Port;
use crate::reference::{BadReferenceLength, Reference};
use crate::term::{Term, TermRef};
use crate::view::View;

/// Why a term could not be brought over.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EetfError {
    /// An atom of more than 255 characters, which eetf allows.
    #[error(transparent)]
    AtomTooLong(#[from] AtomTooLong),
    /// A reference with more words than OTP takes.
    #[error(transparent)]
    Reference(#[from] BadReferenceLength),
    /// A float that is not finite.
    #[error("Erlang has no {0}")]
    NotFinite(f64),
    /// A kind of term that the other side has no word for.
    #[error("eetf has no {0}")]
    Unknown(&'static str),
    /// Nested deeper than eetf's own recursion survives on a thread's stack.
    #[error("nested deeper than {0} levels, more than eetf can hold without overflowing the stack")]
    TooDeep(usize),
    /// A map with a key twice, once the keys are canonical.
    #[error("not a term: {0}")]
    Invalid(#[from] DecodeError),
}

/// eetf drops, clones, compares and prints by recursion. This deep it does so on a thread of 256 KiB, as a test shows; the types that
/// serde reads may be as deep ([`Limits`](crate::Limits)).
const MAX_DEPTH: usize = 128;

impl TryFrom<&e::Term> for Term {
    type Error = EetfError;

    fn try_from(term: &e::Term) -> Result<Self, EetfError> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        let mut stack = vec![Todo::Term(term)];
        while let Some(todo) = stack.pop() {
            match todo {
                Todo::Term(term) => write(term, &mut encoder, &mut stack)?,
                Todo::Nil => encoder.nil(),
            }
        }
        Ok(Self::from_encoded(bytes)?)
    }
}

impl TryFrom<e::Term> for Term {
    type Error = EetfError;

    fn try_from(term: e::Term) -> Result<Self, EetfError> {
        Self::try_from(&term)
    }
}

/// What is still to be written, the next at the end.
enum Todo<'a> {
    Term(&'a e::Term),
    Nil,
}

fn atom(atom: &e::Atom) -> Result<Atom, AtomTooLong> {
    Atom::new(&atom.name)
}

fn write<'a>(
    term: &'a e::Term,
    encoder: &mut Encoder<'_>,
    stack: &mut Vec<Todo<'a>>,
) -> Result<(), EetfError> {
    match term {
        e::Term::Atom(name) => encoder.atom(&atom(name)?),
        e::Term::FixInteger(integer) => encoder.integer(i64::from(integer.value)),
        e::Term::BigInteger(integer) => encoder.big_integer(&integer.value),
        e::Term::Float(float) if float.value.is_finite() => encoder.float(float.value),
        e::Term::Float(float) => return Err(EetfError::NotFinite(float.value)),
        e::Term::Pid(pid) => {
            encoder.pid(&Pid::new(atom(&pid.node)?, pid.id, pid.serial, pid.creation))
        }
        e::Term::Port(port) => encoder.port(&Port::new(atom(&port.node)?, port.id, port.creation)),
        e::Term::Reference(reference) => {
            encoder.reference(&Reference::new(
                atom(&reference.node)?,
                reference.creation,
                &reference.id,
            )?);
        }
        e::Term::ExternalFun(fun) => {
            encoder.raw(&[crate::tag::EXPORT_EXT]);
            encoder.atom(&atom(&fun.module)?);
            encoder.atom(&atom(&fun.function)?);
            encoder.integer(i64::from(fun.arity));
        }
        e::Term::InternalFun(_) => return Err(EetfError::Unknown("closures that can be read")),
        e::Term::Binary(binary) => encoder.binary(&binary.bytes),
        e::Term::BitBinary(bits) => {
            let used =
                bits.bytes.len().saturating_sub(1) * 8 + usize::from(bits.tail_bits_size.min(8));
            let used = if bits.bytes.is_empty() { 0 } else { used };
            let mut bytes = bits.bytes.clone();
            // eetf keeps the last bits at the low end of their byte, the wire at the high end.
            if let Some(last) = bytes.last_mut() {
                *last = last
                    .checked_shl(u32::from(8u8.saturating_sub(bits.tail_bits_size)))
                    .unwrap_or(0);
            }
            match Term::bit_string(bytes, used) {
                Some(term) => encoder.term(&term),
                None => return Err(EetfError::Unknown("bit strings of that size")),
            }
        }
        e::Term::ByteList(list) => encoder.byte_list(&list.bytes),
        e::Term::List(list) => {
            encoder.list_header(list.elements.len());
            stack.push(Todo::Nil);
            stack.extend(list.elements.iter().rev().map(Todo::Term));
        }
        e::Term::ImproperList(list) => {
            encoder.list_header(list.elements.len());
            stack.push(Todo::Term(&list.last));
            stack.extend(list.elements.iter().rev().map(Todo::Term));
        }
        e::Term::Tuple(tuple) => {
            encoder.tuple_header(tuple.elements.len());
            stack.extend(tuple.elements.iter().rev().map(Todo::Term));
        }
        e::Term::Map(map) => {
            encoder.map_header(map.map.len());
            stack.extend(
                map.map.iter().flat_map(|(key, value)| [Todo::Term(value), Todo::Term(key)]),
            );
        }
    }
    Ok(())
}

impl TryFrom<&Term> for e::Term {
    type Error = EetfError;

    fn try_from(term: &Term) -> Result<Self, EetfError> {
        read(term.root())
    }
}

impl TryFrom<Term> for e::Term {
    type Error = EetfError;

    fn try_from(term: Term) -> Result<Self, EetfError> {
        Self::try_from(&term)
    }
}

/// A container whose parts are being brought over.
struct Frame<'a> {
    kind: Container,
    /// Parts to come, the next at the end; of a map key and value in turn, of an improper list the tail after the elements.
    left: Vec<TermRef<'a>>,
    made: Vec<e::Term>,
}

enum Container {
    List,
    ImproperList,
    Tuple,
    Map,
}

impl<'a> Frame<'a> {
    /// The frame of a container.
    fn of(term: TermRef<'a>) -> Option<Self> {
        let (kind, mut left): (_, Vec<_>) = match term.view() {
            View::List(list) => (Container::List, list.iter().collect()),
            View::ImproperList(list, tail) => {
                (Container::ImproperList, list.iter().chain([tail]).collect())
            }
            View::Tuple(tuple) => (Container::Tuple, tuple.iter().collect()),
            View::Map(map) => {
                (Container::Map, map.iter().flat_map(|(key, value)| [key, value]).collect())
            }
            _ => return None,
        };
        left.reverse();
        Some(Self { kind, made: Vec::with_capacity(left.len()), left })
    }

    /// The container, once all parts are there.
    fn finish(self) -> e::Term {
        let mut elements = self.made;
        match (self.kind, elements.pop()) {
            (Container::ImproperList, Some(last)) => {
                e::ImproperList { elements, last: Box::new(last) }.into()
            }
            (kind, last) => {
                elements.extend(last);
                match kind {
                    Container::Tuple => e::Tuple { elements }.into(),
                    Container::Map => {
                        let mut map = std::collections::HashMap::with_capacity(elements.len() / 2);
                        let mut parts = elements.into_iter();
                        while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                            map.insert(key, value);
                        }
                        e::Map { map }.into()
                    }
                    Container::List | Container::ImproperList => e::List { elements }.into(),
                }
            }
        }
    }
}

fn read(root: TermRef<'_>) -> Result<e::Term, EetfError> {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    let mut next = Some(root);
    loop {
        let mut made = None;
        if let Some(term) = next.take() {
            match Frame::of(term) {
                Some(_) if frames.len() == MAX_DEPTH => return Err(EetfError::TooDeep(MAX_DEPTH)),
                Some(frame) => frames.push(frame),
                None => made = Some(leaf(term)?),
            }
        } else {
            made = frames.pop().map(Frame::finish);
        }
        match (frames.last_mut(), made) {
            (Some(frame), made) => {
                frame.made.extend(made);
                next = frame.left.pop();
            }
            (None, Some(made)) => return Ok(made),
            // Not reached: without a frame something has been made.
            (None, None) => return Err(EetfError::Unknown("such terms")),
        }
    }
}

/// What has no parts.
fn leaf(term: TermRef<'_>) -> Result<e::Term, EetfError> {
    let name = |atom: &Atom| e::Atom::from(atom.as_str());
    Ok(match term.view() {
        View::Integer(value) => match i32::try_from(value) {
            Ok(value) => e::FixInteger::from(value).into(),
            Err(_) => e::BigInteger { value: BigInt::from(value) }.into(),
        },
        View::BigInteger(value) => e::BigInteger { value }.into(),
        View::Float(value) => e::Float { value }.into(),
        View::Atom(atom) => e::Atom::from(&*atom.as_str()).into(),
        View::Binary(bytes) => e::Binary::from(bytes.to_vec()).into(),
        View::Bits { bytes, last } => {
            let mut bytes = bytes.to_vec();
            if let Some(byte) = bytes.last_mut() {
                *byte = byte.checked_shr(u32::from(8u8.saturating_sub(last))).unwrap_or(0);
            }
            e::BitBinary { bytes, tail_bits_size: last }.into()
        }
        View::Pid(pid) => e::Pid {
            node: name(pid.node()),
            id: pid.id(),
            serial: pid.serial(),
            creation: pid.creation(),
        }
        .into(),
        View::Port(port) => {
            e::Port { node: name(port.node()), id: port.id(), creation: port.creation() }.into()
        }
        View::Reference(reference) => e::Reference {
            node: name(reference.node()),
            id: reference.words().to_vec(),
            creation: reference.creation(),
        }
        .into(),
        View::Export(fun) => e::ExternalFun {
            module: e::Atom::from(&*fun.module().as_str()),
            function: e::Atom::from(&*fun.function().as_str()),
            arity: fun.arity(),
        }
        .into(),
        // Frames, above.
        View::List(_) | View::ImproperList(..) | View::Tuple(_) | View::Map(_) => {
            return Err(EetfError::Unknown("such terms"));
        }
        View::Fun(_) => return Err(EetfError::Unknown("closures that can be made")),
        View::Record(_) => return Err(EetfError::Unknown("native records")),
        View::Opaque(_) => return Err(EetfError::Unknown("terms in a node's own encoding")),
    })
}
