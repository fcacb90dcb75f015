//! `Term`, any Erlang value, and `TermRef`, a part of one.

use std::sync::Arc;

use bytes::Bytes;
use num_bigint::{BigInt, Sign};

use crate::atom::{Atom, AtomRef};
use crate::block::{Owner, Rest, Shared};
use crate::compress;
use crate::decode::{self, Place, Source};
use crate::encode::{self, Pieces};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::extent;
use crate::limits::Limits;
use crate::node::{Kind, Node};
use crate::order::Context;
use crate::tag::{COMPRESSED, VERSION_MAGIC};
use crate::view::{List, Map, Tuple, View};

/// Any Erlang value: received, or made by the program with [`term!`](crate::term!), `From` or `serde`.
///
/// * `==` and `Hash` are Erlang's `=:=` (as of OTP 27, so `0.0` and `-0.0` differ); `Ord` is total and exact, the order of map
///   keys. Erlang's own `==` and `<` are in [`order`](mod@crate::order).
/// * It is one shared block, however large: a clone costs a reference count, a part is seen without copying ([`Term::view`], [`Term::as_tuple`] ...).
///   Nothing about it uses the stack in proportion to its depth.
/// * A charlist is a list and an integer an integer, whichever tag carried it.
///
/// ```
/// use term::{Term, term};
/// let reply: Term = term!({ok, [1, 2, 3]});
/// let tuple = reply.as_tuple().unwrap();
/// assert!(tuple.get(0).unwrap().as_atom().unwrap() == "ok");
/// assert_eq!(tuple.get(1).unwrap().as_list().unwrap().len(), 3);
/// ```
#[derive(Clone)]
pub struct Term {
    pub(crate) shared: Owner,
    pub(crate) node: Node,
}

/// A part of a [`Term`], seen where it lies; [`TermRef::to_term`] makes it one of its own.
#[derive(Clone, Copy)]
pub struct TermRef<'a> {
    pub(crate) shared: Option<&'a Shared>,
    pub(crate) node: Node,
}

impl Term {
    /// `[]`.
    pub const NIL: Self = Self::leaf(Node::NIL);

    /// Bytes of memory that it keeps from being given back, without those of the `Term` itself: its own where it is a binary, else all of
    /// the message that it is, or is a part of. Clones share them. For bounds of queues.
    #[must_use]
    pub fn held(&self) -> usize {
        let Some(shared) = self.shared.get() else { return 0 };
        match self.node.kind() {
            Kind::Binary | Kind::Bits | Kind::String => {
                usize::try_from(self.node.b).unwrap_or(usize::MAX)
            }
            _ => shared.bytes().len().saturating_add(size_of_val(shared.nodes())),
        }
    }

    /// What `term_to_binary/1` made (any of its options), as `binary_to_term/1` reads it. Binaries stay slices of `bytes`; bytes after the term are not looked at.
    ///
    /// # Errors
    /// [`DecodeError`] for everything that OTP refuses, and for a compressed term that says it is larger than the default [`Limits`] allow.
    ///
    /// ```
    /// use term::Term;
    /// assert_eq!(Term::decode(vec![131, 97, 42])?, Term::from(42));
    /// assert!(Term::decode(vec![131, 108, 255, 255, 255, 255]).is_err());
    /// # Ok::<(), term::DecodeError>(())
    /// ```
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, DecodeError> {
        Self::decode_with(bytes, &Limits::DEFAULT)
    }

    /// As [`Term::decode`], with limits of your own.
    ///
    /// # Errors
    /// As [`Term::decode`].
    pub fn decode_with(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self, DecodeError> {
        Self::decode_message(&mut bytes.into(), limits, &mut 0)
    }

    /// As [`Term::decode_with`]; also says how many bytes the term took, as `binary_to_term(Binary, [used])` does.
    ///
    /// # Errors
    /// As [`Term::decode`].
    pub fn decode_used(
        bytes: impl Into<Bytes>,
        limits: &Limits,
    ) -> Result<(Self, usize), DecodeError> {
        let mut used = 0;
        let term = Self::decode_message(&mut bytes.into(), limits, &mut used)?;
        Ok((term, used))
    }

    fn decode_message(
        bytes: &mut Bytes,
        limits: &Limits,
        used: &mut usize,
    ) -> Result<Self, DecodeError> {
        match **bytes {
            [VERSION_MAGIC, COMPRESSED, ..] => {
                let (mut inflated, length) = compress::inflate(bytes, limits)?;
                let term =
                    decode::decode(Source::Taken(&mut inflated), 0, None, Place::Inside, &mut 0)?;
                *used = length;
                Ok(term)
            }
            [VERSION_MAGIC, ..] => {
                decode::decode(Source::Taken(bytes), 1, None, Place::AfterVersion, used)
            }
            [other, ..] => Err(DecodeErrorKind::BadVersion(other).at(0)),
            [] => Err(DecodeErrorKind::Truncated.at(0)),
        }
    }

    /// A term without 131, and the atoms its cache references mean.
    pub(crate) fn decode_fragment(
        mut bytes: Bytes,
        atoms: Option<Arc<[Atom]>>,
    ) -> Result<Self, DecodeError> {
        decode::decode(Source::Taken(&mut bytes), 0, atoms, Place::Inside, &mut 0)
    }

    /// From bytes that our own encoder has just made of checked parts.
    pub(crate) fn from_encoded(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        Self::decode_fragment(bytes.into(), None)
    }

    pub(crate) const fn leaf(node: Node) -> Self {
        Self { shared: Owner::NONE, node }
    }

    /// One node over bytes of its own.
    pub(crate) fn spanning(node: Node, bytes: Bytes) -> Self {
        let rest = Rest { bytes, atoms: None, wire: (0, 0) };
        Self { shared: Owner::of(Shared::copied(&[node], 1, 0, rest)), node }
    }

    /// The `term_to_binary/1` form, 131 first.
    #[must_use]
    pub fn encode_to_vec(&self) -> Vec<u8> {
        let mut out = vec![VERSION_MAGIC];
        self.encode_into(&mut out);
        out
    }

    /// Appends the term, without 131; makes no allocation where the buffer has room.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        encode::term(self.root(), out);
    }

    /// The compressed form (`term_to_binary(Term, [{compressed, Level}])`), levels 0 to 9; as OTP does it, uncompressed where that is not longer.
    #[must_use]
    pub fn encode_compressed(&self, level: u8) -> Vec<u8> {
        let mut plain = Vec::new();
        self.encode_into(&mut plain);
        compress::deflate(plain, level)
    }

    /// The term without 131 in pieces for vectored output: binaries of 64 KiB and more are not copied.
    ///
    /// ```
    /// use term::{Term, term};
    /// let binary = bytes::Bytes::from(vec![0; 1 << 20]);
    /// let pieces = Term::from(binary).encode_pieces();
    /// assert_eq!(pieces.len(), 2); // the head, and the binary itself
    /// ```
    #[must_use]
    pub fn encode_pieces(&self) -> Vec<Bytes> {
        let mut pieces = Pieces::default();
        encode::term(self.root(), &mut pieces);
        pieces.finish()
    }

    /// The whole as a part.
    #[inline]
    #[must_use]
    pub const fn root(&self) -> TermRef<'_> {
        TermRef { shared: self.shared.get(), node: self.node }
    }

    /// An integer of any size.
    #[must_use]
    pub fn big_integer(value: &BigInt) -> Self {
        if let Ok(value) = i64::try_from(value) {
            return Self::from(value);
        }
        let digits = value.magnitude().to_bytes_le();
        let extra = u8::from(value.sign() == Sign::Minus);
        Self::spanning(Node::with_extra(Kind::Big, extra, 0, digits.len() as u64), digits.into())
    }

    /// A bit string of `bits` bits: the first of `bytes`.
    ///
    /// Returns `None` if there are fewer, or 2^35 or more.
    #[must_use]
    pub fn bit_string(bytes: impl Into<Bytes>, bits: usize) -> Option<Self> {
        let mut bytes = bytes.into();
        let length = bits.div_ceil(8);
        if length > bytes.len() || u32::try_from(length).is_err() {
            return None;
        }
        bytes.truncate(length);
        let extra = (bits % 8) as u8;
        let kind = if extra == 0 { Kind::Binary } else { Kind::Bits };
        Some(Self::spanning(Node::with_extra(kind, extra, 0, length as u64), bytes))
    }

    /// A charlist: the list of the text's code points.
    #[must_use]
    pub fn charlist(text: &str) -> Self {
        if text.is_empty() {
            return Self::NIL;
        }
        let latin1: Option<Vec<u8>> =
            text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
        match latin1 {
            Some(bytes) => {
                Self::spanning(Node::new(Kind::String, 0, bytes.len() as u64), bytes.into())
            }
            None => text.chars().map(u32::from).collect(),
        }
    }

    /// `[First, Second | Tail]`.
    #[must_use]
    pub fn improper_list(elements: &[Self], tail: &Self) -> Self {
        build(|encoder| {
            encoder.list_header(elements.len());
            elements.iter().for_each(|element| encoder.term(element));
            encoder.term(tail);
        })
    }

    /// A tuple of any number of elements; see also `From` for Rust's tuples.
    #[must_use]
    pub fn tuple<'a>(
        elements: impl IntoIterator<Item = &'a Self, IntoIter: ExactSizeIterator>,
    ) -> Self {
        let elements = elements.into_iter();
        build(|encoder| {
            encoder.tuple_header(elements.len());
            elements.for_each(|element| encoder.term(element));
        })
    }

    /// A map. Of two pairs with equal keys (`=:=`) the later counts, as in `maps:from_list/1`.
    #[must_use]
    pub fn map(pairs: impl IntoIterator<Item = (Self, Self)>) -> Self {
        let pairs: std::collections::BTreeMap<Self, Self> = pairs.into_iter().collect();
        build(|encoder| {
            encoder.map_header(pairs.len());
            for (key, value) in &pairs {
                encoder.term(key);
                encoder.term(value);
            }
        })
    }
}

/// Builds a term from what `write` writes, which is always well formed here.
pub(crate) fn build(write: impl FnOnce(&mut crate::encoder::Encoder<'_>)) -> Term {
    let mut bytes = Vec::new();
    write(&mut crate::encoder::Encoder::new(&mut bytes));
    Term::from_encoded(bytes).unwrap_or(Term::NIL)
}

impl<'a> TermRef<'a> {
    #[inline]
    pub(crate) fn context(&self) -> Context<'a> {
        match self.shared {
            Some(shared) => {
                Context { nodes: shared.nodes(), bytes: shared.bytes(), atoms: shared.atoms() }
            }
            None => Context { nodes: &[], bytes: &[], atoms: &[] },
        }
    }

    /// The bytes of this term where it lies in them just as we would write it: as a whole message, or as a part of one.
    #[inline]
    pub(crate) fn wire(&self) -> Option<&'a [u8]> {
        let shared = self.shared?;
        let root = shared.nodes().first()?;
        if root.kind() == self.node.kind() && root.a() == self.node.a() && root.b == self.node.b {
            shared.wire()
        } else {
            self.wire_of_part()
        }
    }

    #[inline(never)]
    fn wire_of_part(&self) -> Option<&'a [u8]> {
        self.shared?.wire()?;
        let context = self.context();
        let (from, to) = extent::of(context, self.node)?;
        context.bytes.get(from..to)
    }

    #[inline]
    pub(crate) const fn part(&self, node: Node) -> Self {
        Self { shared: self.shared, node }
    }

    /// This part as a term of its own. It shares the message's block, except where it is a small part (under an eighth) of a
    /// message of more than 4 KiB: then it is copied, so that keeping a crumb does not keep the loaf.
    #[must_use]
    pub fn to_term(self) -> Term {
        let Some(shared) = self.shared else { return Term::leaf(self.node) };
        if matches!(self.node.kind(), Kind::Int | Kind::Float | Kind::Nil) {
            return Term::leaf(self.node);
        }
        let whole = shared.bytes().len() + 16 * shared.nodes().len();
        if whole > 4096 && self.smaller_than(whole / 8) {
            return build(|encoder| encode::term(self, encoder.buffer()));
        }
        Term { shared: Owner::of(shared.clone()), node: self.node }
    }

    /// Whether nodes and bytes together stay under `limit`; looks at no more than that.
    fn smaller_than(self, limit: usize) -> bool {
        let context = self.context();
        let mut runs = vec![(self.node, 1usize, 0usize)];
        let mut size = 0usize;
        while let Some((node, left, at)) = runs.pop() {
            if left > 1 {
                runs.push((context.at(at), left - 1, at + 1));
            }
            size += 16;
            let children = match node.kind() {
                Kind::List => node.count() + 1,
                Kind::Tuple | Kind::Fun => node.count(),
                Kind::Map => 2 * node.count(),
                Kind::Export => 3,
                Kind::Record => 2 + 2 * node.count(),
                Kind::Nil | Kind::Int | Kind::Float | Kind::AtomCached | Kind::Pending => 0,
                _ => {
                    size += node.span(context.bytes).len();
                    0
                }
            };
            if size + 16 * children >= limit {
                return false;
            }
            if children > 0 {
                runs.push((context.at(node.first()), children, node.first() + 1));
            }
        }
        true
    }

    /// What it is, with borrowed contents: for `match`.
    #[must_use]
    pub fn view(self) -> View<'a> {
        let context = self.context();
        match self.node.kind() {
            Kind::Int => View::Integer(self.node.b as i64),
            Kind::Big => View::BigInteger(self.as_big_integer().unwrap_or_default()),
            Kind::Float => View::Float(f64::from_bits(self.node.b)),
            Kind::Atom | Kind::AtomLatin1 | Kind::AtomCached => {
                View::Atom(context.atom(self.node).unwrap_or(AtomRef::utf8(&[])))
            }
            Kind::Binary => View::Binary(self.node.span(context.bytes)),
            Kind::Bits => {
                View::Bits { bytes: self.node.span(context.bytes), last: self.node.extra() }
            }
            Kind::Nil | Kind::List | Kind::String => {
                let list = List::new(self);
                match list.tail() {
                    None => View::List(list),
                    Some(tail) => View::ImproperList(list, tail),
                }
            }
            Kind::Tuple => View::Tuple(Tuple::new(self)),
            Kind::Map => View::Map(Map::new(self)),
            Kind::Pid => context
                .identifier(self.node)
                .map_or(View::Opaque(self), |parts| View::Pid(parts.pid())),
            Kind::Port => context
                .identifier(self.node)
                .map_or(View::Opaque(self), |parts| View::Port(parts.port())),
            Kind::Reference => context
                .identifier(self.node)
                .map_or(View::Opaque(self), |parts| View::Reference(parts.reference())),
            Kind::Export => View::Export(crate::view::Export::new(self)),
            Kind::Fun => View::Fun(crate::view::Fun::new(self)),
            Kind::Record => View::Record(crate::view::Record::new(self)),
            Kind::Local | Kind::Pending => View::Opaque(self),
        }
    }

    /// The word for its kind, as error messages use it.
    #[must_use]
    pub const fn kind_name(self) -> &'static str {
        match self.node.kind() {
            Kind::Int | Kind::Big => "integer",
            Kind::Float => "float",
            Kind::Atom | Kind::AtomLatin1 | Kind::AtomCached => "atom",
            Kind::Binary => "binary",
            Kind::Bits => "bit string",
            Kind::Nil => "[]",
            Kind::List | Kind::String => "list",
            Kind::Tuple => "tuple",
            Kind::Map => "map",
            Kind::Pid => "pid",
            Kind::Port => "port",
            Kind::Reference => "reference",
            Kind::Export | Kind::Fun => "fun",
            Kind::Record => "native record",
            Kind::Local | Kind::Pending => "opaque term",
        }
    }
}

/// A slice of a message to keep: shared, or copied where it is a small part of a large one.
pub(crate) fn kept(message: &Bytes, slice: &[u8]) -> Bytes {
    if message.len() > 4096 && slice.len() < message.len() / 8 {
        return Bytes::copy_from_slice(slice);
    }
    message.slice_ref(slice)
}

/// `[]`.
impl Default for Term {
    fn default() -> Self {
        Self::NIL
    }
}
