//! The atom cache of a connection: 2,048 slots that the sender fills and both ends remember, one cache each way
//! (erl_ext_dist, "Distribution Header").
//!
//! Nothing here is shared between connections: what a peer put into its cache goes with the connection.

use std::sync::Arc;

use term::transcode::AtomForm;
use term::{Atom, AtomRef};

/// Slots of a cache, in 8 segments of 256.
pub const SLOTS: usize = 2048;
/// Slots of a segment; its number is the upper part of a slot's.
pub const SEGMENT: usize = 256;
/// Most atoms that one header can refer to.
pub const MAX_ATOMS: usize = 255;

/// What the peer has put into its cache.
#[derive(Debug, Default)]
pub struct Inbound {
    /// Segments come into being when the peer first uses them.
    segments: [Vec<Option<Atom>>; SLOTS / SEGMENT],
    /// The last headers without a new atom: messages of one kind have the same, and share the atoms it means.
    recent: [Recent; RECENT],
}

#[derive(Debug, Default)]
struct Recent {
    /// The references as they came.
    references: Vec<u8>,
    atoms: Option<Arc<[Atom]>>,
}

/// Kinds of messages that a peer sends by turns; a few more cost a look at nothing.
const RECENT: usize = 8;

impl Inbound {
    /// The atom in a slot.
    #[must_use]
    pub fn get(&self, slot: usize) -> Option<&Atom> {
        self.segments.get(slot / SEGMENT)?.get(slot % SEGMENT)?.as_ref()
    }

    /// What these references meant the last time, if that was not long ago and holds still.
    pub(super) fn recent(&self, references: &[u8]) -> Option<Arc<[Atom]>> {
        let recent = self.recent.get(place(references))?;
        if recent.references == references { recent.atoms.clone() } else { None }
    }

    /// These references have no new atom, and mean `atoms`.
    pub(super) fn remember(&mut self, references: &[u8], atoms: &Arc<[Atom]>) {
        if let Some(recent) = self.recent.get_mut(place(references)) {
            recent.references.clear();
            recent.references.extend_from_slice(references);
            recent.atoms = Some(atoms.clone());
        }
    }

    /// Puts an atom into a slot; a slot out of range does not exist and is left alone.
    pub fn set(&mut self, slot: usize, atom: Atom) {
        for recent in &mut self.recent {
            recent.atoms = None;
        }
        if let Some(segment) = self.segments.get_mut(slot / SEGMENT) {
            segment.resize(SEGMENT, None);
            if let Some(place) = segment.get_mut(slot % SEGMENT) {
                *place = Some(atom);
            }
        }
    }
}

/// Where the meaning of references is remembered: headers differ in their number of atoms, or in one slot of the last two.
fn place(references: &[u8]) -> usize {
    let [.., before, last] = references else { return 0 };
    (references.len() + usize::from(*before) + usize::from(*last)) % RECENT
}

/// What we have put into ours, and which slots the message under way refers to.
///
/// An atom goes into one of two slots that its name determines. So that two atoms which meet in one are not
/// forever in each other's way, the second is looked at before either is taken. Names decide nothing
/// else: a peer that chooses them can make our cache useless to itself, no more.
#[derive(Debug)]
pub struct Outbound {
    slots: Vec<Option<Atom>>,
    /// Part of the hash of each slot's atom: names are compared only where it agrees.
    tags: Vec<u32>,
    /// Position in the header under way, by slot; [`UNUSED`] for slots it does not refer to.
    positions: Vec<u8>,
    header: Vec<HeaderAtom>,
    /// What stood in the slots taken for the message under way.
    displaced: Vec<(u16, Option<Atom>, u32)>,
}

/// No position: there are 255, 0 to 254.
const UNUSED: u8 = 255;

/// An atom that a header refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderAtom {
    /// Its slot.
    pub slot: u16,
    /// Whether the header tells the peer its name.
    pub new: bool,
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

impl Outbound {
    /// An empty cache; it takes its memory with the first atom.
    #[must_use]
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            tags: Vec::new(),
            positions: Vec::new(),
            header: Vec::new(),
            displaced: Vec::new(),
        }
    }

    /// Begins a message. What was chosen for the one before stays in the cache.
    pub fn begin(&mut self) {
        for atom in self.header.drain(..) {
            if let Some(position) = self.positions.get_mut(usize::from(atom.slot)) {
                *position = UNUSED;
            }
        }
        self.displaced.clear();
    }

    /// Takes back what was chosen since [`Outbound::begin`]: the message will not be sent, so the peer must not be
    /// expected to know its atoms.
    pub fn abandon(&mut self) {
        for (slot, atom, tag) in std::mem::take(&mut self.displaced).into_iter().rev() {
            self.displace(slot, atom, tag);
        }
        self.begin();
    }

    /// How an atom of the message under way goes out.
    pub fn choose(&mut self, atom: AtomRef<'_>) -> AtomForm {
        self.choose_name(atom.as_str().as_bytes()).unwrap_or(AtomForm::Spelled)
    }

    /// The same for the bytes of an atom's name; `None` if they cannot be one.
    pub(super) fn choose_name(&mut self, name: &[u8]) -> Option<AtomForm> {
        let hash = hash(name);
        let candidates = candidates(hash);
        for slot in candidates {
            if self.tag(slot) == tag(hash)
                && self.at(slot).is_some_and(|atom| atom.as_str().as_bytes() == name)
            {
                return Some(self.refer(slot, false));
            }
        }
        let atom = Atom::new(std::str::from_utf8(name).ok()?).ok()?;
        if self.header.len() >= MAX_ATOMS {
            return Some(AtomForm::Spelled);
        }
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, None);
            self.tags.resize(SLOTS, 0);
            self.positions.resize(SLOTS, UNUSED);
        }
        // An empty slot before one that has to be taken from another atom; never one this message refers to.
        let free = candidates.into_iter().find(|&slot| self.at(slot).is_none());
        let taken = candidates.into_iter().find(|&slot| self.position(slot) == UNUSED);
        Some(match free.or(taken) {
            Some(slot) => {
                self.displace(slot, Some(atom), tag(hash));
                self.refer(slot, true)
            }
            None => AtomForm::Spelled,
        })
    }

    fn displace(&mut self, slot: u16, atom: Option<Atom>, tag: u32) {
        let slot_ = usize::from(slot);
        if let (Some(place), Some(tags)) = (self.slots.get_mut(slot_), self.tags.get_mut(slot_)) {
            let before = (std::mem::replace(place, atom), std::mem::replace(tags, tag));
            self.displaced.push((slot, before.0, before.1));
        }
    }

    /// The atoms that the message under way refers to, in the order of their positions.
    pub fn header(&self) -> impl ExactSizeIterator<Item = (HeaderAtom, &str)> {
        self.header.iter().map(|&atom| (atom, self.at(atom.slot).map_or("", Atom::as_str)))
    }

    /// The same without their names.
    #[must_use]
    pub fn header_atoms(&self) -> &[HeaderAtom] {
        &self.header
    }

    fn refer(&mut self, slot: u16, new: bool) -> AtomForm {
        let position = self.position(slot);
        if position != UNUSED {
            return AtomForm::CacheRef(position);
        }
        match u8::try_from(self.header.len()) {
            Ok(position) if position != UNUSED => {
                self.header.push(HeaderAtom { slot, new });
                if let Some(place) = self.positions.get_mut(usize::from(slot)) {
                    *place = position;
                }
                AtomForm::CacheRef(position)
            }
            _ => AtomForm::Spelled,
        }
    }

    fn at(&self, slot: u16) -> Option<&Atom> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    fn tag(&self, slot: u16) -> u32 {
        self.tags.get(usize::from(slot)).copied().unwrap_or(0)
    }

    fn position(&self, slot: u16) -> u8 {
        self.positions.get(usize::from(slot)).copied().unwrap_or(UNUSED)
    }
}

/// Eight bytes of a name at a time, the last ones once more where they do not fill eight.
fn hash(name: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(FACTOR);
        (product as u64) ^ (product >> 64) as u64
    };
    let mut hash = FACTOR ^ name.len() as u64;
    if let Some(last) = name.last_chunk::<8>() {
        for chunk in name.chunks_exact(8) {
            hash = mix(hash, chunk.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)));
        }
        mix(hash, u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        mix(
            hash,
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)),
        )
    } else {
        mix(hash, name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)))
    }
}

/// The two slots that an atom may have: 11 bits of its hash each.
fn candidates(hash: u64) -> [u16; 2] {
    [(hash % SLOTS as u64) as u16, (hash / SLOTS as u64 % SLOTS as u64) as u16]
}

/// The part of a hash that slots do not come from.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(cache: &mut Outbound, name: &str) -> AtomForm {
        cache.choose(Atom::new(name).unwrap().as_ref())
    }

    #[test]
    fn an_atom_is_named_once_and_referred_to_ever_after() {
        let mut cache = Outbound::new();
        for message in 0..3 {
            cache.begin();
            assert_eq!(choose(&mut cache, "hello"), AtomForm::CacheRef(0));
            assert_eq!(choose(&mut cache, "hello"), AtomForm::CacheRef(0));
            assert_eq!(choose(&mut cache, "world"), AtomForm::CacheRef(1));
            let header: Vec<_> =
                cache.header().map(|(atom, name)| (atom.new, name.to_owned())).collect();
            assert_eq!(
                header,
                [(message == 0, "hello".to_owned()), (message == 0, "world".to_owned())]
            );
        }
    }

    #[test]
    fn a_message_refers_to_255_atoms_and_spells_the_rest() {
        let mut cache = Outbound::new();
        cache.begin();
        let forms: Vec<_> = (0..400).map(|i| choose(&mut cache, &format!("atom_{i}"))).collect();
        let referred = forms.iter().filter(|form| matches!(form, AtomForm::CacheRef(_))).count();
        // Some meet in their slots; the BEAM, with one slot for each, does no better.
        assert!((250..=MAX_ATOMS).contains(&referred), "{referred} referred to");
        assert_eq!(cache.header().len(), referred);
    }

    #[test]
    fn no_slot_stands_for_two_atoms_of_one_message() {
        let mut cache = Outbound::new();
        for round in 0..50 {
            cache.begin();
            for i in 0..200 {
                choose(&mut cache, &format!("atom_{}", i * 37 + round * 1000));
            }
            let mut slots: Vec<_> = cache.header().map(|(atom, _)| atom.slot).collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), cache.header().len());
        }
    }

    #[test]
    fn a_message_that_is_not_sent_leaves_the_cache_as_it_was() {
        let mut cache = Outbound::new();
        cache.begin();
        choose(&mut cache, "known");
        let before = cache.slots.clone();
        cache.begin();
        for i in 0..2000 {
            choose(&mut cache, &format!("atom_{i}"));
        }
        cache.abandon();
        assert_eq!(cache.slots, before);
        assert_eq!(choose(&mut cache, "known"), AtomForm::CacheRef(0));
        assert!(!cache.header[0].new);
    }

    #[test]
    fn a_thousand_atoms_in_use_stay_in_the_cache() {
        let mut cache = Outbound::new();
        let mut named = 0;
        for round in 0..10 {
            for i in 0..1000 {
                cache.begin();
                choose(&mut cache, &format!("some_atom_{i}"));
                named +=
                    usize::from(round > 0) * cache.header().filter(|(atom, _)| atom.new).count();
            }
        }
        // With one slot each of 2,039, about a fifth of these names would displace each other in every round.
        assert!(named < 9 * 150, "{named} of 9,000 had to be named again");
    }
}
