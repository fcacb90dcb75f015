//! The order of terms: Erlang's own (`<`, `==`) and the exact one that `Ord` and `Eq` use (`=:=`, integers before floats of equal value).
//!
//! number < atom < reference < fun < port < pid < tuple < map < `[]` < list < bit string. No recursion: pairs of children wait on a stack of their own.

use std::cmp::Ordering;

use crate::atom::{Atom, AtomRef};
use crate::identifier;
use crate::map::{self, KeyOrder};
use crate::node::{Kind, Node};
use crate::term::{Term, TermRef};

/// How Erlang's `<`, `==` and `>` see two terms: `1 == 1.0`.
///
/// `Ord` for [`Term`] is the exact order instead, in which equal means `=:=`.
///
/// ```
/// use std::cmp::Ordering;
/// use term::{Term, order};
/// assert_eq!(order::compare(&Term::from(1), &Term::from(1.0)), Ordering::Equal);
/// assert!(Term::from(1) < Term::from(1.0));
/// ```
#[must_use]
pub fn compare(a: &Term, b: &Term) -> Ordering {
    compare_refs(a.root(), b.root())
}

/// As [`compare`], for parts of messages.
#[must_use]
pub fn compare_refs(a: TermRef<'_>, b: TermRef<'_>) -> Ordering {
    nodes(a.context(), a.node, b.context(), b.node, Mode::Arithmetic)
}

/// The order in which the BEAM keeps the keys of maps, and compares them: as `Ord`, but all integers come before all floats.
#[must_use]
pub fn compare_as_keys(a: &Term, b: &Term) -> Ordering {
    nodes(a.root().context(), a.node, b.root().context(), b.node, Mode::Keys)
}

/// Whether Erlang's `==` holds.
#[must_use]
pub fn equal(a: &Term, b: &Term) -> bool {
    compare(a, b) == Ordering::Equal
}

/// What nodes mean: where their children, bytes and cached atoms are.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) nodes: &'a [Node],
    pub(crate) bytes: &'a [u8],
    pub(crate) atoms: &'a [Atom],
}

impl<'a> Context<'a> {
    #[inline]
    pub(crate) fn at(&self, index: usize) -> Node {
        self.nodes.get(index).copied().unwrap_or(Node::NIL)
    }

    /// The name of an atom node.
    #[inline]
    pub(crate) fn atom(&self, node: Node) -> Option<AtomRef<'a>> {
        match node.kind() {
            Kind::Atom => Some(AtomRef::utf8(node.span(self.bytes))),
            Kind::AtomLatin1 => Some(AtomRef::latin1(node.span(self.bytes))),
            Kind::AtomCached => self.atoms.get(node.count()).map(Atom::as_ref),
            _ => None,
        }
    }

    /// The parts of an identifier node, which the decoder has checked.
    pub(crate) fn identifier(&self, node: Node) -> Option<identifier::Parts<'a>> {
        identifier::read(node.span(self.bytes), Some(self.atoms)).ok().map(|(parts, _)| parts)
    }
}

/// How numbers compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// By value, an integer before a float of the same value.
    Exact,
    /// By value alone.
    Arithmetic,
    /// As the BEAM orders the keys of maps: all integers before all floats.
    Keys,
}

/// Work left over: neighbouring children, lists that go on, and maps whose values wait for their keys.
enum Frame {
    Run { a: usize, b: usize, left: usize, mode: Mode },
    Lists { a: Chain, b: Chain, mode: Mode },
    Maps(Box<Maps>),
}

struct Maps {
    a: Node,
    b: Node,
    a_order: KeyOrder,
    b_order: KeyOrder,
    /// Counts through the keys, then through the values.
    next: usize,
    mode: Mode,
}

enum Step {
    /// Compare these.
    Pair(Node, Node, Mode),
    /// Compare these, after which the frame has nothing more.
    Last(Node, Node, Mode),
    Done,
    Unequal(Ordering),
}

/// Compares two terms of two messages.
pub(crate) fn nodes(
    a: Context<'_>,
    mut x: Node,
    b: Context<'_>,
    mut y: Node,
    mut mode: Mode,
) -> Ordering {
    let mut stack: Vec<Frame> = Vec::new();
    loop {
        match leaves(a, x, b, y, mode) {
            Some(Ordering::Equal) => {}
            Some(unequal) => return unequal,
            None => match open(a, x, b, y, mode) {
                Ok(frame) => stack.push(frame),
                Err(unequal) => return unequal,
            },
        }
        loop {
            let Some(frame) = stack.last_mut() else { return Ordering::Equal };
            match advance(frame, a, b) {
                Step::Pair(next_x, next_y, next_mode) => {
                    (x, y, mode) = (next_x, next_y, next_mode);
                    break;
                }
                Step::Last(next_x, next_y, next_mode) => {
                    stack.pop();
                    (x, y, mode) = (next_x, next_y, next_mode);
                    break;
                }
                Step::Done => {
                    stack.pop();
                }
                Step::Unequal(order) => return order,
            }
        }
    }
}

fn advance(frame: &mut Frame, a: Context<'_>, b: Context<'_>) -> Step {
    match frame {
        Frame::Run { left: 0, .. } => Step::Done,
        Frame::Run { a: x, b: y, left: 1, mode } => Step::Last(a.at(*x), b.at(*y), *mode),
        Frame::Run { a: x, b: y, left, mode } => {
            let pair = Step::Pair(a.at(*x), b.at(*y), *mode);
            (*x, *y, *left) = (*x + 1, *y + 1, *left - 1);
            pair
        }
        Frame::Lists { a: x, b: y, mode } => match (x.next(a), y.next(b)) {
            (Link::End, Link::End) => Step::Done,
            (Link::Element(x), Link::Element(y)) => Step::Pair(x, y, *mode),
            (Link::Tail(x), Link::Tail(y)) => Step::Last(x, y, *mode),
            // One goes on where the other ends: what is left is compared by its kind.
            (x, y) => Step::Unequal(x.rank().cmp(&y.rank())),
        },
        Frame::Maps(maps) => {
            let pairs = maps.a.count();
            let (next, of_values) =
                if maps.next < pairs { (maps.next, false) } else { (maps.next - pairs, true) };
            if next == pairs {
                return Step::Done;
            }
            maps.next += 1;
            let (x, y) = (maps.a_order.position(a, next), maps.b_order.position(b, next));
            if of_values {
                Step::Pair(map::value_at(a, maps.a, x), map::value_at(b, maps.b, y), maps.mode)
            } else {
                Step::Pair(map::key_at(a, maps.a, x), map::key_at(b, maps.b, y), Mode::Keys)
            }
        }
    }
}

/// Two containers of one rank: their sizes first, then a frame for what is in them.
fn open(a: Context<'_>, x: Node, b: Context<'_>, y: Node, mode: Mode) -> Result<Frame, Ordering> {
    let by_count = |order: Ordering| if order == Ordering::Equal { Ok(()) } else { Err(order) };
    match (x.kind(), y.kind()) {
        (Kind::Map, Kind::Map) => {
            by_count(x.count().cmp(&y.count()))?;
            let (a_order, b_order) = (KeyOrder::of(a, x), KeyOrder::of(b, y));
            Ok(Frame::Maps(Box::new(Maps { a: x, b: y, a_order, b_order, next: 0, mode })))
        }
        (Kind::Tuple, Kind::Tuple) => {
            by_count(x.count().cmp(&y.count()))?;
            Ok(Frame::Run { a: x.first(), b: y.first(), left: x.count(), mode })
        }
        (Kind::Export, Kind::Export) => {
            Ok(Frame::Run { a: x.first(), b: y.first(), left: 3, mode })
        }
        (Kind::Fun, Kind::Fun) => {
            for part in 0..3 {
                let (x, y) = (a.at(x.first() + part), b.at(y.first() + part));
                by_count(leaves(a, x, b, y, Mode::Exact).unwrap_or(Ordering::Equal))?;
            }
            by_count(x.count().cmp(&y.count()))?;
            by_count(fixed_part(a, x).cmp(fixed_part(b, y)))?;
            // Who made it (the fourth part) does not count.
            Ok(Frame::Run {
                a: x.first() + 4,
                b: y.first() + 4,
                left: x.count().saturating_sub(4),
                mode,
            })
        }
        (Kind::Record, Kind::Record) => {
            by_count(x.count().cmp(&y.count()))?;
            by_count(x.extra().cmp(&y.extra()))?;
            Ok(Frame::Run { a: x.first(), b: y.first(), left: 2 + 2 * x.count(), mode })
        }
        _ => Ok(Frame::Lists { a: Chain::new(x), b: Chain::new(y), mode }),
    }
}

/// Arity, uniq and index of a closure, 21 bytes.
pub(crate) fn fixed_part<'a>(context: Context<'a>, fun: Node) -> &'a [u8] {
    let from = fun.high() as usize;
    context.bytes.get(from..from + 21).unwrap_or_default()
}

/// The order between the kinds.
pub(crate) const fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Int | Kind::Big | Kind::Float => 0,
        Kind::Atom | Kind::AtomLatin1 | Kind::AtomCached => 1,
        Kind::Reference => 2,
        Kind::Export | Kind::Fun => 3,
        Kind::Port => 4,
        Kind::Pid => 5,
        Kind::Tuple => 6,
        Kind::Record => 7,
        Kind::Map => 8,
        Kind::Nil => 9,
        Kind::List | Kind::String => 10,
        Kind::Binary | Kind::Bits => 11,
        Kind::Local | Kind::Pending => 12,
    }
}

/// The order of two terms that are leaves or of different kinds; `None` for two containers of one kind.
#[inline]
pub(crate) fn leaves(
    a: Context<'_>,
    x: Node,
    b: Context<'_>,
    y: Node,
    mode: Mode,
) -> Option<Ordering> {
    Some(match (x.kind(), y.kind()) {
        (Kind::Int, Kind::Int) => (x.b as i64).cmp(&(y.b as i64)),
        (Kind::Atom, Kind::Atom) | (Kind::String, Kind::String) => {
            x.span(a.bytes).cmp(y.span(b.bytes))
        }
        (Kind::Binary, Kind::Binary) => x.span(a.bytes).cmp(y.span(b.bytes)),
        (Kind::Tuple, Kind::Tuple) if x.count() == 0 && y.count() == 0 => Ordering::Equal,
        (Kind::Tuple, Kind::Tuple) | (Kind::Map, Kind::Map) | (Kind::Record, Kind::Record) => {
            return None;
        }
        (Kind::Nil, Kind::Nil) => Ordering::Equal,
        _ => return rare_leaves(a, x, b, y, mode),
    })
}

#[inline(never)]
fn rare_leaves(a: Context<'_>, x: Node, b: Context<'_>, y: Node, mode: Mode) -> Option<Ordering> {
    let by_rank = rank(x.kind()).cmp(&rank(y.kind()));
    if by_rank != Ordering::Equal {
        return Some(by_rank);
    }
    Some(match rank(x.kind()) {
        0 => number::compare(a, x, b, y, mode),
        1 => a.atom(x)?.cmp(&b.atom(y)?),
        2 => {
            let (x, y) = (a.identifier(x)?, b.identifier(y)?);
            let words = x.reference_words().iter().rev().cmp(y.reference_words().iter().rev());
            x.node.cmp(&y.node).then(x.creation.cmp(&y.creation)).then(words)
        }
        3 if x.kind() != y.kind() => (x.kind() == Kind::Export).cmp(&(y.kind() == Kind::Export)),
        4 => {
            let (x, y) = (a.identifier(x)?, b.identifier(y)?);
            x.node.cmp(&y.node).then(x.creation.cmp(&y.creation)).then(x.id.cmp(&y.id))
        }
        5 => {
            let (x, y) = (a.identifier(x)?, b.identifier(y)?);
            let id = (x.serial, x.id).cmp(&(y.serial, y.id));
            id.then_with(|| x.node.cmp(&y.node)).then(x.creation.cmp(&y.creation))
        }
        11 => bits(a, x).cmp(bits(b, y)),
        12 => x.span(a.bytes).cmp(y.span(b.bytes)),
        _ => return None,
    })
}

/// A bit string as whole bytes and a last byte that says how many of its bits count: shorter comes first where one begins the other.
fn bits<'a>(context: Context<'a>, node: Node) -> impl Iterator<Item = (u8, u8)> + 'a {
    let bytes = node.span(context.bytes);
    let last = bytes.len().saturating_sub(1);
    bytes.iter().enumerate().map(move |(index, &byte)| match node.kind() {
        Kind::Bits if index == last => (byte & mask(node.extra()), node.extra()),
        _ => (byte, 8),
    })
}

/// The highest `bits` bits.
pub(crate) const fn mask(bits: u8) -> u8 {
    match bits {
        1..=7 => 0xff << (8 - bits),
        _ => 0xff,
    }
}

/// One step along a list, whatever it is made of: pieces of `LIST_EXT` and `STRING_EXT`, one the tail of the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    at: usize,
    left: usize,
    string: bool,
}

/// What comes next in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    Element(Node),
    /// The tail of an improper list.
    Tail(Node),
    /// `[]`.
    End,
}

impl Link {
    const fn rank(self) -> u8 {
        match self {
            Self::Element(_) => rank(Kind::List),
            Self::Tail(node) => rank(node.kind()),
            Self::End => rank(Kind::Nil),
        }
    }
}

impl Chain {
    /// From the start of a list (`[]` included).
    #[inline]
    pub(crate) fn new(node: Node) -> Self {
        match node.kind() {
            Kind::List => Self { at: node.first(), left: node.count(), string: false },
            Kind::String => Self { at: node.count(), left: node.b as u32 as usize, string: true },
            _ => Self { at: 0, left: 0, string: true },
        }
    }

    #[inline]
    pub(crate) fn next(&mut self, context: Context<'_>) -> Link {
        loop {
            if self.left > 0 {
                self.left -= 1;
                self.at += 1;
                return if self.string {
                    Link::Element(Node::int(i64::from(
                        context.bytes.get(self.at - 1).copied().unwrap_or_default(),
                    )))
                } else {
                    Link::Element(context.at(self.at - 1))
                };
            }
            if self.string {
                return Link::End;
            }
            let tail = context.at(self.at);
            match tail.kind() {
                Kind::Nil => return Link::End,
                Kind::List | Kind::String => *self = Self::new(tail),
                _ => return Link::Tail(tail),
            }
        }
    }

    /// How many elements are left in this piece at least.
    pub(crate) const fn left(&self) -> usize {
        self.left
    }
}

mod number {
    //! Numbers of different kinds, compared exactly.

    use std::cmp::Ordering;

    use num_bigint::BigUint;

    use super::{Context, Mode};
    use crate::node::{Kind, Node};

    pub(super) fn compare(
        a: Context<'_>,
        x: Node,
        b: Context<'_>,
        y: Node,
        mode: Mode,
    ) -> Ordering {
        let by_value = match (x.kind(), y.kind()) {
            (Kind::Float, Kind::Float) => {
                let (x, y) = (f64::from_bits(x.b), f64::from_bits(y.b));
                return match mode {
                    Mode::Exact | Mode::Keys => x.total_cmp(&y),
                    Mode::Arithmetic => x.partial_cmp(&y).unwrap_or(Ordering::Equal),
                };
            }
            (Kind::Float, _) if mode == Mode::Keys => return Ordering::Greater,
            (_, Kind::Float) if mode == Mode::Keys => return Ordering::Less,
            (Kind::Float, _) => integer_to_float(b, y, f64::from_bits(x.b)).reverse(),
            (_, Kind::Float) => integer_to_float(a, x, f64::from_bits(y.b)),
            _ => return integers(a, x, b, y),
        };
        if by_value == Ordering::Equal && mode == Mode::Exact {
            (x.kind() == Kind::Float).cmp(&(y.kind() == Kind::Float))
        } else {
            by_value
        }
    }

    fn negative(node: Node) -> bool {
        if node.kind() == Kind::Int { (node.b as i64) < 0 } else { node.extra() != 0 }
    }

    /// A big integer is beyond every 64-bit one.
    fn integers(a: Context<'_>, x: Node, b: Context<'_>, y: Node) -> Ordering {
        let signs = negative(y).cmp(&negative(x));
        if signs != Ordering::Equal {
            return signs;
        }
        let magnitudes = match (x.kind(), y.kind()) {
            (Kind::Int, Kind::Int) => return (x.b as i64).cmp(&(y.b as i64)),
            (Kind::Int, _) => Ordering::Less,
            (_, Kind::Int) => Ordering::Greater,
            _ => {
                let (x, y) = (x.span(a.bytes), y.span(b.bytes));
                x.len().cmp(&y.len()).then_with(|| x.iter().rev().cmp(y.iter().rev()))
            }
        };
        if negative(x) { magnitudes.reverse() } else { magnitudes }
    }

    fn integer_to_float(context: Context<'_>, integer: Node, float: f64) -> Ordering {
        const TWO_63: f64 = 9_223_372_036_854_775_808.0;
        if integer.kind() == Kind::Int {
            let value = integer.b as i64;
            if float >= TWO_63 {
                return Ordering::Less;
            }
            if float < -TWO_63 {
                return Ordering::Greater;
            }
            let whole = float.trunc();
            return value
                .cmp(&(whole as i64))
                .then_with(|| whole.partial_cmp(&float).unwrap_or(Ordering::Equal));
        }
        let by_magnitude = if float.abs() < TWO_63 || negative(integer) != (float < 0.0) {
            Ordering::Greater
        } else {
            // At and above 2^63 a float is mantissa times a power of two, both whole.
            let bits = float.to_bits();
            let exponent = ((bits >> 52) & 0x7ff) as i64 - 1075;
            let mantissa = BigUint::from((bits & ((1 << 52) - 1)) | (1 << 52));
            BigUint::from_bytes_le(integer.span(context.bytes))
                .cmp(&(mantissa << exponent.max(0) as u64))
        };
        if negative(integer) { by_magnitude.reverse() } else { by_magnitude }
    }
}
