//! Maps: no key twice, the order of their keys, looking a key up.
//!
//! Pairs stay in the order of the wire, so that a map goes out as it came. The high half of a map's node says how its
//! keys are ordered: as they stand, by an index kept behind the other nodes, or not at all where that is cheap to find out.

use std::cmp::Ordering;

use crate::atom::Atom;
use crate::decode::NO_MAP;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::node::{Kind, Node};
use crate::order::{self, Context, Mode};

/// The keys stand in ascending order.
pub(crate) const ASCENDING: u32 = u32::MAX - 1;
/// The node of a map without pairs: ascending, and in no chain.
pub(crate) const EMPTY: u64 = (ASCENDING as u64) << 32;
/// The keys are leaves, at most [`FEW`], in no order.
const UNORDERED: u32 = u32::MAX - 2;
/// Maps up to this size are searched from end to end; also where the BEAM changes from a flat map to a tree.
pub(crate) const FEW: usize = 32;

/// Checks all maps of a message, the innermost first, and orders those that need it. Refuses with no error where there is no room for an index.
pub(crate) fn check(
    nodes: &mut [Node],
    mut length: usize,
    last: u32,
    bytes: &[u8],
    atoms: &[Atom],
    start: usize,
) -> Result<usize, Option<DecodeError>> {
    let mut slot = last;
    let mut scratch = Vec::new();
    // A map is met before the maps inside it, and the chain runs from the last one met.
    while slot != NO_MAP {
        let Some(map) = nodes.get(slot as usize).copied() else { break };
        let context = Context { nodes, bytes, atoms };
        let order = examine(context, map, &mut scratch)
            .ok_or_else(|| Some(DecodeErrorKind::DuplicateKey.at(start)))?;
        let high = match order {
            Examined::Known(high) => high,
            Examined::Index => {
                let at = length as u32;
                let Some(index) = nodes.get_mut(length..length + index_nodes(scratch.len())) else {
                    return Err(None);
                };
                for (node, three) in index.iter_mut().zip(scratch.chunks(3)) {
                    let position = |i: usize| three.get(i).copied().unwrap_or_default();
                    *node = Node::new(
                        Kind::Nil,
                        position(0),
                        u64::from(position(1)) | (u64::from(position(2)) << 32),
                    );
                }
                length += index.len();
                at
            }
        };
        if let Some(node) = nodes.get_mut(slot as usize) {
            node.b = u64::from(node.b as u32) | (u64::from(high) << 32);
        }
        slot = map.high();
    }
    Ok(length)
}

/// How many nodes the index of that many pairs takes, three to a node.
pub(crate) const fn index_nodes(pairs: usize) -> usize {
    pairs.div_ceil(3)
}

enum Examined {
    Known(u32),
    Index,
}

/// How the keys are ordered; `None` if one is there twice.
fn examine(context: Context<'_>, map: Node, scratch: &mut Vec<u32>) -> Option<Examined> {
    if ascending_prefixes(context, map) {
        return Some(Examined::Known(ASCENDING));
    }
    let pairs = map.count();
    let mut ascending = true;
    let mut last = key_at(context, map, 0);
    let mut last_prefix = prefix(context, last);
    for index in 1..pairs {
        let key = key_at(context, map, index);
        let key_prefix = prefix(context, key);
        let order = match (last_prefix, key_prefix) {
            (Some(last), Some(key)) if last != key => last.cmp(&key),
            _ => compare_keys(context, last, key),
        };
        match order {
            Ordering::Less => {}
            Ordering::Equal => return None,
            Ordering::Greater => {
                ascending = false;
                break;
            }
        }
        (last, last_prefix) = (key, key_prefix);
    }
    if ascending {
        return Some(Examined::Known(ASCENDING));
    }
    if pairs <= FEW && leaves_differ(context, map) {
        return Some(Examined::Known(UNORDERED));
    }
    scratch.clear();
    scratch.extend(0..pairs as u32);
    let mut twice = false;
    scratch.sort_unstable_by(|&a, &b| {
        compare_keys(context, key_at(context, map, a as usize), key_at(context, map, b as usize))
    });
    for pair in scratch.windows(2) {
        if let [a, b] = *pair {
            let (a, b) = (key_at(context, map, a as usize), key_at(context, map, b as usize));
            twice |= order::nodes(context, a, context, b, Mode::Keys) == Ordering::Equal;
        }
    }
    if twice { None } else { Some(Examined::Index) }
}

/// Whether all keys are atoms whose prefixes ascend: most maps of most messages, found out without a call.
#[inline(always)]
fn ascending_prefixes(context: Context<'_>, map: Node) -> bool {
    let end = map.first() + 2 * map.count();
    let pairs = context.nodes.get(map.first()..end).unwrap_or_default();
    let mut last = 0;
    pairs.as_chunks::<2>().0.iter().all(|[key, _]| {
        let prefix = prefix(context, *key).unwrap_or(0);
        std::mem::replace(&mut last, prefix) < prefix
    })
}

/// The first eight bytes of an atom that lies in the message, zeros after its end: atoms whose prefixes differ are ordered as these.
#[inline(always)]
fn prefix(context: Context<'_>, key: Node) -> Option<u64> {
    if key.kind() != Kind::Atom {
        return None;
    }
    let from = key.count();
    let length = key.small().min(8);
    match context.bytes.get(from..).and_then(|rest| rest.first_chunk::<8>()) {
        // What follows the name is shifted out.
        Some(word) if length > 0 => {
            Some((u64::from_be_bytes(*word) >> (64 - 8 * length)) << (64 - 8 * length))
        }
        _ => None,
    }
}

#[inline]
fn compare_keys(context: Context<'_>, a: Node, b: Node) -> Ordering {
    order::leaves(context, a, context, b, Mode::Keys)
        .unwrap_or_else(|| order::nodes(context, a, context, b, Mode::Keys))
}

/// Whether all keys are leaves and certainly differ: by a filter of 1,024 bits. A false alarm only means a sort.
fn leaves_differ(context: Context<'_>, map: Node) -> bool {
    let mut seen = [0u64; 16];
    for index in 0..map.count() {
        let key = key_at(context, map, index);
        let hash = match key.kind() {
            Kind::Int | Kind::Float => key.b ^ u64::from(key.kind() as u8),
            Kind::Atom => fold(key.span(context.bytes), 1),
            Kind::AtomCached => fold(
                context
                    .atoms
                    .get(key.count())
                    .map(|atom| atom.as_str().as_bytes())
                    .unwrap_or_default(),
                1,
            ),
            Kind::Binary => fold(key.span(context.bytes), 2),
            _ => return false,
        };
        let bit = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        let Some(word) = seen.get_mut((bit / 64) as usize) else { return false };
        if *word & (1 << (bit % 64)) != 0 {
            return false;
        }
        *word |= 1 << (bit % 64);
    }
    true
}

fn fold(bytes: &[u8], seed: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    let hash = words
        .iter()
        .fold(seed ^ bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash =
        rest.iter().fold(0u64, |word, &byte| (word << 8) | u64::from(byte)) ^ hash.rotate_left(7);
    hash ^ (hash >> 29)
}

/// The key of the pair at `index` in the order of the wire.
pub(crate) fn key_at(context: Context<'_>, map: Node, index: usize) -> Node {
    context.nodes.get(map.first() + 2 * index).copied().unwrap_or(Node::NIL)
}

/// The value of the pair at `index` in the order of the wire.
pub(crate) fn value_at(context: Context<'_>, map: Node, index: usize) -> Node {
    context.nodes.get(map.first() + 2 * index + 1).copied().unwrap_or(Node::NIL)
}

/// The order of a map's keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyOrder {
    /// As they stand.
    Ascending,
    /// By the index that begins at this node.
    Index(usize),
    /// Found out just now.
    Few([u8; FEW]),
}

impl KeyOrder {
    /// Finds it out.
    pub(crate) fn of(context: Context<'_>, map: Node) -> Self {
        match map.high() {
            ASCENDING => Self::Ascending,
            UNORDERED => {
                let mut index = [0; FEW];
                let count = map.count().min(FEW);
                for (position, to) in index.iter_mut().enumerate() {
                    *to = position as u8;
                }
                if let Some(index) = index.get_mut(..count) {
                    index.sort_unstable_by(|&a, &b| {
                        let (a, b) = (
                            key_at(context, map, usize::from(a)),
                            key_at(context, map, usize::from(b)),
                        );
                        order::leaves(context, a, context, b, Mode::Keys).unwrap_or(Ordering::Equal)
                    });
                }
                Self::Few(index)
            }
            at => Self::Index(at as usize),
        }
    }

    /// The wire position of the key that is `nth` in ascending order.
    pub(crate) fn position(&self, context: Context<'_>, nth: usize) -> usize {
        match self {
            Self::Ascending => nth,
            Self::Few(index) => index.get(nth).copied().map_or(nth, usize::from),
            Self::Index(at) => {
                let node = context.nodes.get(at + nth / 3).copied().unwrap_or(Node::NIL);
                match nth % 3 {
                    0 => node.count(),
                    1 => node.first(),
                    _ => node.high() as usize,
                }
            }
        }
    }
}

/// The value of the key for which `compare` says `Equal`; it says how a key of the map stands to the one wanted.
pub(crate) fn find(
    context: Context<'_>,
    map: Node,
    mut compare: impl FnMut(Node) -> Ordering,
) -> Option<Node> {
    let pairs = map.count();
    if pairs <= FEW / 2 || map.high() == UNORDERED {
        let index =
            (0..pairs).find(|&index| compare(key_at(context, map, index)) == Ordering::Equal)?;
        return Some(value_at(context, map, index));
    }
    let order = KeyOrder::of(context, map);
    let (mut low, mut high) = (0, pairs);
    while low < high {
        let middle = low + (high - low) / 2;
        let position = order.position(context, middle);
        match compare(key_at(context, map, position)) {
            Ordering::Equal => return Some(value_at(context, map, position)),
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
        }
    }
    None
}
