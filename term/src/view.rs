//! Parts of terms by kind: what `Term::view` gives, and tuples, lists, maps, funs and records as one walks through them.

use std::fmt;

use num_bigint::BigInt;

use crate::atom::AtomRef;
use crate::map;
use crate::node::{Kind, Node};
use crate::order::{self, Chain, Link, Mode};
use crate::pid::Pid;
use crate::port::Port;
use crate::reference::Reference;
use crate::term::{Term, TermRef};

/// A term by its kind.
///
/// ```
/// use term::{Term, View, term};
/// match term!({ok, 1}).view() {
///     View::Tuple(tuple) => assert_eq!(tuple.len(), 2),
///     _ => unreachable!(),
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum View<'a> {
    /// An integer of 64 bits.
    Integer(i64),
    /// A larger or smaller integer.
    BigInteger(BigInt),
    /// A float.
    Float(f64),
    /// An atom.
    Atom(AtomRef<'a>),
    /// A binary.
    Binary(&'a [u8]),
    /// A bit string that is no binary.
    Bits {
        /// Its bytes, at least one.
        bytes: &'a [u8],
        /// How many of the highest bits of the last byte belong to it, 1 to 7.
        last: u8,
    },
    /// A proper list, `[]` included.
    List(List<'a>),
    /// A list and its tail, which is no list.
    ImproperList(List<'a>, TermRef<'a>),
    /// A tuple.
    Tuple(Tuple<'a>),
    /// A map.
    Map(Map<'a>),
    /// A pid.
    Pid(Pid),
    /// A port.
    Port(Port),
    /// A reference.
    Reference(Reference),
    /// `fun M:F/A`.
    Export(Export<'a>),
    /// A closure.
    Fun(Fun<'a>),
    /// A native record (OTP 29).
    Record(Record<'a>),
    /// What only the node that wrote it can read (`LOCAL_EXT`); it can be sent back.
    Opaque(TermRef<'a>),
}

/// A tuple.
#[derive(Clone, Copy)]
pub struct Tuple<'a>(TermRef<'a>);

impl<'a> Tuple<'a> {
    pub(crate) const fn new(term: TermRef<'a>) -> Self {
        Self(term)
    }

    /// How many elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.node.count()
    }

    /// Whether it is `{}`.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`, from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<TermRef<'a>> {
        (index < self.len()).then(|| self.0.child(index))
    }

    /// The elements.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TermRef<'a>> + DoubleEndedIterator + 'a {
        run(self.0, self.0.node.first(), self.len())
    }
}

impl<'a> TermRef<'a> {
    /// The part at `index` among those of a container, which has so many.
    fn child(self, index: usize) -> Self {
        self.part(self.context().at(self.node.first() + index))
    }

    /// Such a part that is an atom: the decoder has seen to that.
    fn child_atom(self, index: usize) -> AtomRef<'a> {
        self.child(index).as_atom().unwrap_or(AtomRef::utf8(&[]))
    }
}

fn run<'a>(
    term: TermRef<'a>,
    first: usize,
    length: usize,
) -> impl ExactSizeIterator<Item = TermRef<'a>> + DoubleEndedIterator + 'a {
    let nodes = term.context().nodes.get(first..first + length).unwrap_or_default();
    nodes.iter().map(move |&node| term.part(node))
}

/// A list: its elements, and its tail if that is not `[]`.
#[derive(Clone, Copy)]
pub struct List<'a>(TermRef<'a>);

impl<'a> List<'a> {
    pub(crate) const fn new(term: TermRef<'a>) -> Self {
        Self(term)
    }

    /// How many elements; a step per piece of the list, of which there is one unless a peer writes strange ones.
    #[must_use]
    pub fn len(&self) -> usize {
        let mut length = 0;
        self.pieces(|node| {
            length +=
                if node.kind() == Kind::String { node.b as u32 as usize } else { node.count() }
        });
        length
    }

    /// Whether it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.node.kind() == Kind::Nil
    }

    /// The tail of an improper list.
    #[must_use]
    pub fn tail(&self) -> Option<TermRef<'a>> {
        let last = self.pieces(|_| ());
        (last.kind() != Kind::Nil).then(|| self.0.part(last))
    }

    /// Calls `visit` for each piece; returns the last tail.
    fn pieces(&self, mut visit: impl FnMut(Node)) -> Node {
        let context = self.0.context();
        let mut node = self.0.node;
        loop {
            match node.kind() {
                Kind::List => {
                    visit(node);
                    node = context.at(node.first() + node.count());
                }
                Kind::String => {
                    visit(node);
                    return Node::NIL;
                }
                _ => return node,
            }
        }
    }

    /// The elements.
    #[must_use]
    pub fn iter(&self) -> Elements<'a> {
        Elements { term: self.0, chain: Chain::new(self.0.node) }
    }

    /// The elements as bytes where the list is one string.
    #[must_use]
    pub fn as_latin1(&self) -> Option<&'a [u8]> {
        match self.0.node.kind() {
            Kind::String => Some(self.0.node.span(self.0.context().bytes)),
            Kind::Nil => Some(&[]),
            _ => None,
        }
    }
}

impl<'a> IntoIterator for List<'a> {
    type Item = TermRef<'a>;
    type IntoIter = Elements<'a>;
    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

/// The elements of a list.
#[derive(Clone)]
pub struct Elements<'a> {
    term: TermRef<'a>,
    chain: Chain,
}

impl<'a> Iterator for Elements<'a> {
    type Item = TermRef<'a>;

    fn next(&mut self) -> Option<TermRef<'a>> {
        match self.chain.next(self.term.context()) {
            Link::Element(node) => Some(self.term.part(node)),
            Link::Tail(_) | Link::End => None,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.chain.left(), None)
    }
}

/// A map.
#[derive(Clone, Copy)]
pub struct Map<'a>(TermRef<'a>);

impl<'a> Map<'a> {
    pub(crate) const fn new(term: TermRef<'a>) -> Self {
        Self(term)
    }

    /// How many pairs.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.node.count()
    }

    /// Whether it is `#{}`.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of an atom key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<TermRef<'a>> {
        let context = self.0.context();
        let wanted = AtomRef::utf8(key.as_bytes());
        let value = map::find(context, self.0.node, |node| match context.atom(node) {
            Some(atom) => atom.cmp(&wanted),
            None => order::rank(node.kind()).cmp(&order::rank(Kind::Atom)),
        });
        value.map(|value| self.0.part(value))
    }

    /// The value of any key (`=:=`).
    #[must_use]
    pub fn get_term(&self, key: TermRef<'_>) -> Option<TermRef<'a>> {
        let (context, wanted) = (self.0.context(), key.context());
        let value = map::find(context, self.0.node, |node| {
            order::nodes(context, node, wanted, key.node, Mode::Keys)
        });
        value.map(|value| self.0.part(value))
    }

    /// The pairs in the order they came in, which Erlang leaves open.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (TermRef<'a>, TermRef<'a>)> + 'a {
        let map = *self;
        (0..map.len()).map(move |at| map.pair(at))
    }

    /// The pairs in the order of their keys ([`order::compare_as_keys`](crate::order::compare_as_keys)).
    pub fn iter_sorted(&self) -> impl ExactSizeIterator<Item = (TermRef<'a>, TermRef<'a>)> + 'a {
        let map = *self;
        let context = map.0.context();
        let order = map::KeyOrder::of(context, map.0.node);
        (0..map.len()).map(move |nth| map.pair(order.position(context, nth)))
    }

    /// The pair at a place in the order they came in.
    fn pair(self, at: usize) -> (TermRef<'a>, TermRef<'a>) {
        (self.0.child(2 * at), self.0.child(2 * at + 1))
    }
}

/// `fun M:F/A`.
#[derive(Clone, Copy)]
pub struct Export<'a>(TermRef<'a>);

impl<'a> Export<'a> {
    pub(crate) const fn new(term: TermRef<'a>) -> Self {
        Self(term)
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> AtomRef<'a> {
        self.0.child_atom(0)
    }

    /// The function's name.
    #[must_use]
    pub fn function(&self) -> AtomRef<'a> {
        self.0.child_atom(1)
    }

    /// How many arguments it takes, 0 to 255.
    #[must_use]
    pub fn arity(&self) -> u8 {
        self.0.child(2).as_i64().and_then(|arity| u8::try_from(arity).ok()).unwrap_or_default()
    }
}

/// A closure of some node: it can be kept, compared and sent back, not called.
#[derive(Clone, Copy)]
pub struct Fun<'a>(TermRef<'a>);

impl<'a> Fun<'a> {
    pub(crate) const fn new(term: TermRef<'a>) -> Self {
        Self(term)
    }

    fn fixed<const N: usize>(&self, from: usize) -> [u8; N] {
        let fixed = order::fixed_part(self.0.context(), self.0.node);
        fixed.get(from..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    /// The module it was written in.
    #[must_use]
    pub fn module(&self) -> AtomRef<'a> {
        self.0.child_atom(0)
    }

    /// How many arguments it takes, 0 to 255.
    #[must_use]
    pub fn arity(&self) -> u8 {
        let [arity] = self.fixed(0);
        arity
    }

    /// The hash of the module's code.
    #[must_use]
    pub fn uniq(&self) -> [u8; 16] {
        self.fixed(1)
    }

    /// Its number in the module.
    #[must_use]
    pub fn index(&self) -> u32 {
        u32::from_be_bytes(self.fixed(17))
    }

    /// The number older nodes know it by.
    #[must_use]
    pub fn old_index(&self) -> TermRef<'a> {
        self.0.child(1)
    }

    /// The hash older nodes know it by.
    #[must_use]
    pub fn old_uniq(&self) -> TermRef<'a> {
        self.0.child(2)
    }

    /// The process that made it.
    #[must_use]
    pub fn creator(&self) -> Option<Pid> {
        self.0.child(3).as_pid()
    }

    /// The variables it has captured.
    pub fn free_variables(&self) -> impl ExactSizeIterator<Item = TermRef<'a>> + 'a {
        run(self.0, self.0.node.first() + 4, self.0.node.count().saturating_sub(4))
    }
}

/// A native record (OTP 29; OTP calls their form experimental).
#[derive(Clone, Copy)]
pub struct Record<'a>(TermRef<'a>);

impl<'a> Record<'a> {
    pub(crate) const fn new(term: TermRef<'a>) -> Self {
        Self(term)
    }

    /// The module that defines it.
    #[must_use]
    pub fn module(&self) -> AtomRef<'a> {
        self.0.child_atom(0)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> AtomRef<'a> {
        self.0.child_atom(1)
    }

    /// Whether its module exports it.
    #[must_use]
    pub const fn is_exported(&self) -> bool {
        self.0.node.extra() & 1 != 0
    }

    /// How many fields.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.node.count()
    }

    /// Whether it has no fields.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names and values of the fields.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (AtomRef<'a>, TermRef<'a>)> + 'a {
        let record = *self;
        (0..record.len()).map(move |index| {
            let name = record.0.child_atom(2 + index);
            (name, record.0.child(2 + record.len() + index))
        })
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<TermRef<'a>> {
        self.fields().find(|(name, _)| *name == *field).map(|(_, value)| value)
    }
}

macro_rules! debug_as_term {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl<'a> From<$name<'a>> for TermRef<'a> {
            fn from(part: $name<'a>) -> Self {
                part.0
            }
        }
        impl From<$name<'_>> for Term {
            fn from(part: $name<'_>) -> Self {
                part.0.to_term()
            }
        }
    )*};
}
debug_as_term!(Tuple List Map Export Fun Record);

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("left", &self.chain.left()).finish_non_exhaustive()
    }
}
