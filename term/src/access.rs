//! What a term is seen as: the same words on a whole and on a part.

use bytes::Bytes;
use num_bigint::{BigInt, Sign};

use crate::atom::AtomRef;
use crate::node::Kind;
use crate::order::{Chain, Link};
use crate::pid::Pid;
use crate::port::Port;
use crate::reference::Reference;
use crate::term::{Term, TermRef};
use crate::view::{List, Map, Tuple, View};

/// Says each on both.
macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident($self:ident $(, $argument:ident: $type:ty)*) -> $result:ty $body:block)*) => {
        impl<'a> TermRef<'a> {
            $($(#[$doc])* #[must_use] pub fn $name($self $(, $argument: $type)*) -> $result $body)*
        }
        #[allow(clippy::needless_lifetimes)]
        impl Term {
            $($(#[$doc])* #[must_use] pub fn $name<'a>(&'a self $(, $argument: $type)*) -> $result { self.root().$name($($argument),*) })*
        }
    };
}

impl Term {
    /// What it is, with borrowed contents: for `match`.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.root().view()
    }

    /// The word for its kind, as error messages use it.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        self.root().kind_name()
    }
}

accessors! {
    /// An integer of 64 bits.
    as_i64(self) -> Option<i64> {
        (self.node.kind() == Kind::Int).then_some(self.node.b as i64)
    }

    /// An integer from 0 to 2^64 - 1.
    as_u64(self) -> Option<u64> {
        match self.node.kind() {
            Kind::Int => u64::try_from(self.node.b as i64).ok(),
            Kind::Big if self.node.extra() == 0 => {
                let digits = self.node.span(self.context().bytes);
                (digits.len() <= 8).then(|| digits.iter().rev().fold(0, |value, &digit| (value << 8) | u64::from(digit)))
            }
            _ => None,
        }
    }

    /// An integer of any size.
    as_big_integer(self) -> Option<BigInt> {
        match self.node.kind() {
            Kind::Int => Some(BigInt::from(self.node.b as i64)),
            Kind::Big => {
                let sign = if self.node.extra() == 0 { Sign::Plus } else { Sign::Minus };
                Some(BigInt::from_bytes_le(sign, self.node.span(self.context().bytes)))
            }
            _ => None,
        }
    }

    /// A float (no integer).
    as_f64(self) -> Option<f64> {
        (self.node.kind() == Kind::Float).then(|| f64::from_bits(self.node.b))
    }

    /// An atom.
    as_atom(self) -> Option<AtomRef<'a>> {
        self.context().atom(self.node)
    }

    /// Whether it is the atom of this name.
    is_atom(self, name: &str) -> bool {
        self.as_atom().is_some_and(|atom| atom == *name)
    }

    /// `true` or `false`.
    as_bool(self) -> Option<bool> {
        let atom = self.as_atom()?;
        if atom == "true" { Some(true) } else if atom == "false" { Some(false) } else { None }
    }

    /// The bytes of a binary, where they lie.
    as_bytes(self) -> Option<&'a [u8]> {
        match self.node.kind() {
            Kind::Binary => Some(self.node.span(self.context().bytes)),
            _ => None,
        }
    }

    /// A binary that is UTF-8 text, where it lies.
    as_str(self) -> Option<&'a str> {
        crate::utf8::text(self.as_bytes()?).ok()
    }

    /// A binary to keep: a slice of the message, or a copy where it is under an eighth of a message of more than 4 KiB.
    as_binary(self) -> Option<Bytes> {
        let bytes = self.as_bytes()?;
        let Some(shared) = self.shared else { return Some(Bytes::new()) };
        Some(shared.kept(bytes))
    }

    /// A tuple.
    as_tuple(self) -> Option<Tuple<'a>> {
        (self.node.kind() == Kind::Tuple).then(|| Tuple::new(self))
    }

    /// A proper list, `[]` included.
    as_list(self) -> Option<List<'a>> {
        match self.node.kind() {
            Kind::Nil | Kind::String => Some(List::new(self)),
            Kind::List => Some(List::new(self)).filter(|list| list.tail().is_none()),
            _ => None,
        }
    }

    /// A map.
    as_map(self) -> Option<Map<'a>> {
        (self.node.kind() == Kind::Map).then(|| Map::new(self))
    }

    /// A pid.
    as_pid(self) -> Option<Pid> {
        (self.node.kind() == Kind::Pid).then(|| self.context().identifier(self.node))?.map(|parts| parts.pid())
    }

    /// A port.
    as_port(self) -> Option<Port> {
        (self.node.kind() == Kind::Port).then(|| self.context().identifier(self.node))?.map(|parts| parts.port())
    }

    /// A reference.
    as_reference(self) -> Option<Reference> {
        (self.node.kind() == Kind::Reference).then(|| self.context().identifier(self.node))?.map(|parts| parts.reference())
    }

    /// The text of a charlist: a proper list of code points. `[]` is the empty text.
    as_charlist(self) -> Option<String> {
        let list = self.as_list()?;
        list.iter().map(|element| char::from_u32(u32::try_from(element.as_i64()?).ok()?)).collect()
    }

    /// The bytes of iodata: nested lists of bytes and binaries.
    as_iodata(self) -> Option<Vec<u8>> {
        let context = self.context();
        let mut out = Vec::new();
        let mut stack = vec![];
        let mut node = self.node;
        loop {
            match node.kind() {
                Kind::Binary => out.extend_from_slice(node.span(context.bytes)),
                Kind::Nil | Kind::List | Kind::String => stack.push(Chain::new(node)),
                _ => return None,
            }
            node = loop {
                let Some(chain) = stack.last_mut() else { return Some(out) };
                match chain.next(context) {
                    Link::Element(element) if element.kind() == Kind::Int => out.push(u8::try_from(element.b as i64).ok()?),
                    Link::Element(element) => break element,
                    Link::Tail(tail) => {
                        stack.pop();
                        if tail.kind() != Kind::Binary {
                            return None;
                        }
                        break tail;
                    }
                    Link::End => {
                        stack.pop();
                    }
                }
            };
        }
    }

    /// The `index`th element of a tuple, counted from 0.
    element(self, index: usize) -> Option<TermRef<'a>> {
        self.as_tuple()?.get(index)
    }

    /// The value a map has for an atom key.
    get(self, key: &str) -> Option<TermRef<'a>> {
        self.as_map()?.get(key)
    }
}
