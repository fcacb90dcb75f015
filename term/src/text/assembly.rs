//! The nodes of a term that is being read: built bottom up, children before their container.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};

use crate::atom::MAX_ATOM_CHARACTERS;
use crate::block::{Owner, Shared};
use crate::map;
use crate::node::{Kind, Node};
use crate::order::{self, Context, Mode};
use crate::term::Term;

/// What is finished so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    /// Finished parts that no container has taken yet.
    pub(super) parts: Vec<Node>,
    /// Those that one has.
    nodes: Vec<Node>,
    /// What both point into.
    pub(super) bytes: Vec<u8>,
}

impl Assembly {
    /// The one finished part as a term.
    pub(super) fn finish(self) -> Term {
        let root = self.parts.first().copied().unwrap_or(Node::NIL);
        match root.kind() {
            Kind::Int | Kind::Float | Kind::Nil => Term::leaf(root),
            _ => Term { shared: Owner::of(Shared::of(self.nodes, self.bytes.into())), node: root },
        }
    }

    /// Moves the finished parts from here on to where a container can point at them.
    pub(super) fn take(&mut self, from: usize) -> u64 {
        let first = self.nodes.len();
        self.nodes.extend(self.parts.drain(from..));
        first as u64
    }

    /// The finished parts from here on as a list, the last of them its tail.
    pub(super) fn list(&mut self, from: usize) {
        let count = (self.parts.len() - from).saturating_sub(1);
        let first = self.take(from);
        self.parts.push(Node::new(Kind::List, count as u32, first));
    }

    /// The finished parts from here on as a map: of equal keys the last counts, as in Erlang source.
    pub(super) fn map(&mut self, from: usize) {
        let pairs = self.parts.drain(from..).collect::<Vec<_>>();
        let context = Context { nodes: &self.nodes, bytes: &self.bytes, atoms: &[] };
        let compare =
            |a: &[Node; 2], b: &[Node; 2]| order::nodes(context, a[0], context, b[0], Mode::Keys);
        let mut pairs = pairs.as_chunks::<2>().0.to_vec();
        // Stable, so that of equal keys the later one stays behind.
        pairs.sort_by(compare);
        let mut unique: Vec<[Node; 2]> = Vec::with_capacity(pairs.len());
        for pair in pairs {
            match unique.last_mut() {
                Some(last) if compare(last, &pair) == Ordering::Equal => *last = pair,
                _ => unique.push(pair),
            }
        }
        let first = self.nodes.len() as u64;
        let count = unique.len() as u32;
        self.nodes.extend(unique.into_flattened());
        self.parts.push(Node::new(Kind::Map, count, first | u64::from(map::ASCENDING) << 32));
    }

    pub(super) fn integer(&mut self, value: BigInt) -> Node {
        if let Ok(value) = i64::try_from(&value) {
            return Node::int(value);
        }
        let at = self.bytes.len() as u32;
        let digits = value.magnitude().to_bytes_le();
        self.bytes.extend_from_slice(&digits);
        Node::with_extra(Kind::Big, u8::from(value.sign() == Sign::Minus), at, digits.len() as u64)
    }

    /// The value of a part that is an integer.
    pub(super) fn big(&self, node: Node) -> BigInt {
        if node.kind() == Kind::Int {
            return (node.b as i64).into();
        }
        let sign = if node.extra() == 0 { Sign::Plus } else { Sign::Minus };
        BigInt::from_bytes_le(sign, node.span(&self.bytes))
    }

    /// A list of characters.
    pub(super) fn string(&mut self, text: &str) -> Node {
        if text.is_empty() {
            return Node::NIL;
        }
        let at = self.bytes.len() as u32;
        if text.chars().all(|character| character <= '\u{ff}') {
            let before = self.bytes.len();
            self.bytes.extend(text.chars().map(|character| u32::from(character) as u8));
            return Node::new(Kind::String, at, (self.bytes.len() - before) as u64);
        }
        let from = self.parts.len();
        self.parts.extend(text.chars().map(|character| Node::int(u32::from(character).into())));
        self.parts.push(Node::NIL);
        let count = self.parts.len() - from - 1;
        let first = self.take(from);
        Node::new(Kind::List, count as u32, first)
    }

    /// A binary, or with 1 to 7 bits in its last byte a bit string.
    pub(super) fn binary(&mut self, bytes: &[u8], last: u8) -> Node {
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        let (kind, extra) = if last == 8 { (Kind::Binary, 0) } else { (Kind::Bits, last) };
        Node::with_extra(kind, extra, at, bytes.len() as u64)
    }

    /// An atom, of a name that is not too long.
    pub(super) fn atom(&mut self, name: &str) -> Option<Node> {
        if name.len() > MAX_ATOM_CHARACTERS && name.chars().count() > MAX_ATOM_CHARACTERS {
            return None;
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name.as_bytes());
        Some(Node::atom(Kind::Atom, at as usize, name.len()))
    }
}
