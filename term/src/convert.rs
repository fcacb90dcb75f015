//! Rust values as terms, and terms as Rust values: `From` and `TryFrom`.

use bytes::Bytes;
use num_bigint::BigInt;

use crate::atom::{Atom, AtomRef};
use crate::node::{Kind, Node};
use crate::pid::Pid;
use crate::port::Port;
use crate::reference::Reference;
use crate::term::{Term, TermRef, build};

macro_rules! from_integer {
    ($($type:ty)*) => {$(
        impl From<$type> for Term {
            fn from(value: $type) -> Self {
                Self::leaf(Node::int(i64::from(value)))
            }
        }
    )*};
}
from_integer!(i8 i16 i32 i64 u8 u16 u32);

macro_rules! from_wide {
    ($($type:ty)*) => {$(
        impl From<$type> for Term {
            fn from(value: $type) -> Self {
                match i64::try_from(value) {
                    Ok(value) => Self::from(value),
                    Err(_) => Self::big_integer(&BigInt::from(value)),
                }
            }
        }
    )*};
}
from_wide!(u64 i128 u128 usize isize);

/// # Panics
/// If the float is not finite: Erlang has no such floats.
impl From<f64> for Term {
    fn from(value: f64) -> Self {
        assert!(value.is_finite(), "Erlang has no {value}");
        Self::leaf(Node::float(value))
    }
}

/// `true` or `false`.
impl From<bool> for Term {
    fn from(value: bool) -> Self {
        Self::from(Atom::from_static(if value { "true" } else { "false" }))
    }
}

impl From<BigInt> for Term {
    fn from(value: BigInt) -> Self {
        Self::big_integer(&value)
    }
}

impl From<Atom> for Term {
    fn from(atom: Atom) -> Self {
        Self::from(&atom)
    }
}

impl From<&Atom> for Term {
    fn from(atom: &Atom) -> Self {
        let name = Bytes::copy_from_slice(atom.as_str().as_bytes());
        Self::spanning(Node::atom(Kind::Atom, 0, name.len()), name)
    }
}

impl From<AtomRef<'_>> for Term {
    fn from(atom: AtomRef<'_>) -> Self {
        Self::from(atom.to_atom())
    }
}

/// # Panics
/// If there are 4 GiB or more.
impl From<Bytes> for Term {
    fn from(bytes: Bytes) -> Self {
        assert!(u32::try_from(bytes.len()).is_ok(), "a binary has less than 4 GiB");
        Self::spanning(Node::new(Kind::Binary, 0, bytes.len() as u64), bytes)
    }
}

/// A binary of UTF-8 text.
impl From<&str> for Term {
    fn from(text: &str) -> Self {
        Self::from(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// A binary of UTF-8 text.
impl From<String> for Term {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

macro_rules! from_identifier {
    ($($type:ty => $method:ident)*) => {$(
        impl From<&$type> for Term {
            fn from(value: &$type) -> Self {
                build(|encoder| encoder.$method(value))
            }
        }
        impl From<$type> for Term {
            fn from(value: $type) -> Self {
                Self::from(&value)
            }
        }
    )*};
}
from_identifier!(Pid => pid Port => port Reference => reference);

impl From<TermRef<'_>> for Term {
    fn from(part: TermRef<'_>) -> Self {
        part.to_term()
    }
}

impl From<&Self> for Term {
    fn from(term: &Self) -> Self {
        term.clone()
    }
}

/// A proper list.
impl<T: Into<Self>> From<Vec<T>> for Term {
    fn from(elements: Vec<T>) -> Self {
        elements.into_iter().collect()
    }
}

/// A proper list.
impl<T: Into<Self>, const N: usize> From<[T; N]> for Term {
    fn from(elements: [T; N]) -> Self {
        elements.into_iter().collect()
    }
}

/// A proper list.
impl<T: Into<Self>> FromIterator<T> for Term {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut body = vec![0; 5];
        let mut length = 0usize;
        for element in elements {
            element.into().encode_into(&mut body);
            length += 1;
        }
        if length == 0 {
            return Self::NIL;
        }
        body.push(crate::tag::NIL_EXT);
        let mut head = Vec::with_capacity(5);
        crate::encoder::Encoder::new(&mut head).list_header(length);
        for (to, from) in body.iter_mut().zip(head) {
            *to = from;
        }
        Self::from_encoded(body).unwrap_or(Self::NIL)
    }
}

macro_rules! from_tuple {
    ($($name:ident)*) => {
        impl<$($name: Into<Term>),*> From<($($name,)*)> for Term {
            #[allow(non_snake_case)]
            fn from(($($name,)*): ($($name,)*)) -> Self {
                Self::tuple(&[$($name.into()),*])
            }
        }
    };
}
from_tuple!(A);
from_tuple!(A B);
from_tuple!(A B C);
from_tuple!(A B C D);
from_tuple!(A B C D E);
from_tuple!(A B C D E F);
from_tuple!(A B C D E F G);
from_tuple!(A B C D E F G H);

/// What a term could not be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct WrongKind {
    expected: &'static str,
    found: &'static str,
}

macro_rules! try_into {
    ($($type:ty: $expected:literal, $method:ident;)*) => {$(
        impl TryFrom<&Term> for $type {
            type Error = WrongKind;
            fn try_from(term: &Term) -> Result<Self, WrongKind> {
                Self::try_from(term.root())
            }
        }
        impl TryFrom<TermRef<'_>> for $type {
            type Error = WrongKind;
            fn try_from(term: TermRef<'_>) -> Result<Self, WrongKind> {
                term.$method().map(Into::into).ok_or_else(|| WrongKind { expected: $expected, found: term.kind_name() })
            }
        }
    )*};
}
try_into! {
    i64: "integer of 64 bits", as_i64;
    u64: "integer from 0 to 2^64 - 1", as_u64;
    f64: "float", as_f64;
    bool: "true or false", as_bool;
    BigInt: "integer", as_big_integer;
    Pid: "pid", as_pid;
    Port: "port", as_port;
    Reference: "reference", as_reference;
    Bytes: "binary", as_binary;
    String: "binary of UTF-8 text", as_str;
}

impl TryFrom<TermRef<'_>> for Atom {
    type Error = WrongKind;
    fn try_from(term: TermRef<'_>) -> Result<Self, WrongKind> {
        term.as_atom()
            .map(AtomRef::to_atom)
            .ok_or_else(|| WrongKind { expected: "atom", found: term.kind_name() })
    }
}

impl TryFrom<&Term> for Atom {
    type Error = WrongKind;
    fn try_from(term: &Term) -> Result<Self, WrongKind> {
        Self::try_from(term.root())
    }
}
