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

/// Which of a cache's atoms is in which slot. A connection uses some tens of the 2,048 slots, all over them: so the atoms stand
/// side by side elsewhere, and a slot that is empty costs two bytes, or none in a segment that is not used.
#[derive(Debug, Default, Clone, PartialEq)]
struct Index {
    /// One more than the number of the slot's atom; 0 for an empty slot.
    segments: [Option<Box<[u16; SEGMENT]>>; SLOTS / SEGMENT],
}

impl Index {
    fn get(&self, slot: usize) -> Option<usize> {
        let segment = self.segments.get(slot / SEGMENT)?.as_ref()?;
        usize::from(*segment.get(slot % SEGMENT)?).checked_sub(1)
    }

    /// Points a slot to an atom, or to none; whether there is such a slot.
    fn set(&mut self, slot: usize, number: Option<usize>) -> bool {
        let Some(segment) = self.segments.get_mut(slot / SEGMENT) else { return false };
        let segment = segment.get_or_insert_with(|| Box::new([0; SEGMENT]));
        let number = number.and_then(|number| u16::try_from(number + 1).ok());
        if let Some(place) = segment.get_mut(slot % SEGMENT) {
            *place = number.unwrap_or(0);
        }
        true
    }
}

/// What the peer has put into its cache.
#[derive(Debug, Default)]
pub struct Inbound {
    index: Index,
    /// No more of them than slots: who comes into a slot takes the place of the one before.
    atoms: Vec<Atom>,
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
        self.atoms.get(self.index.get(slot)?)
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
        match self.index.get(slot).and_then(|number| self.atoms.get_mut(number)) {
            Some(place) => *place = atom,
            None => {
                if self.index.set(slot, Some(self.atoms.len())) {
                    self.atoms.push(atom);
                }
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
    index: Index,
    atoms: Vec<Cached>,
    header: Vec<HeaderAtom>,
    /// The slots taken for the message under way, in this order, and what stood in them.
    displaced: Vec<(u16, Option<Cached>)>,
    /// Counts the changes of slots.
    state: u64,
}

/// An atom in a slot of ours.
#[derive(Debug, Clone, PartialEq)]
struct Cached {
    atom: Atom,
    digest: Digest,
    /// Its position in the header under way, or [`UNUSED`].
    position: u8,
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
            index: Index::default(),
            atoms: Vec::new(),
            header: Vec::new(),
            displaced: Vec::new(),
            state: 0,
        }
    }

    /// As long as this is the same, so is every slot.
    pub(super) fn state(&self) -> u64 {
        self.state
    }

    /// Refers to these atoms, in these positions, as the header of a message did when the cache was in this `state`; whether it is
    /// still. Nothing may have been chosen since [`Outbound::begin`].
    pub(super) fn refer_again(&mut self, atoms: &[HeaderAtom], state: u64) -> bool {
        if self.state != state || !self.header.is_empty() {
            return false;
        }
        for (position, atom) in (0..UNUSED).zip(atoms) {
            if let Some(number) = self.index.get(usize::from(atom.slot))
                && let Some(cached) = self.atoms.get_mut(number)
            {
                cached.position = position;
            }
            self.header.push(HeaderAtom { slot: atom.slot, new: false });
        }
        true
    }

    /// Begins a message. What was chosen for the one before stays in the cache.
    pub fn begin(&mut self) {
        self.begin_header();
        self.displaced.clear();
    }

    fn begin_header(&mut self) {
        for HeaderAtom { slot, .. } in self.header.drain(..) {
            if let Some(number) = self.index.get(usize::from(slot))
                && let Some(cached) = self.atoms.get_mut(number)
            {
                cached.position = UNUSED;
            }
        }
    }

    /// Takes back what was chosen since [`Outbound::begin`]: the message will not be sent, so the peer must not be
    /// expected to know its atoms.
    pub fn abandon(&mut self) {
        self.begin_header();
        self.state += 1;
        for (slot, before) in std::mem::take(&mut self.displaced).into_iter().rev() {
            let slot = usize::from(slot);
            match (before, self.index.get(slot)) {
                (Some(before), Some(number)) => {
                    if let Some(cached) = self.atoms.get_mut(number) {
                        *cached = before;
                    }
                }
                // Taken back in reverse, the atom of a slot that was empty is the last one.
                (None, Some(_)) => {
                    self.atoms.pop();
                    self.index.set(slot, None);
                }
                (_, None) => {}
            }
        }
    }

    /// How an atom of the message under way goes out.
    pub fn choose(&mut self, atom: AtomRef<'_>) -> AtomForm {
        self.choose_name(atom.as_str().as_bytes()).unwrap_or(AtomForm::Spelled)
    }

    /// The same for the bytes of an atom's name; `None` if they cannot be one.
    pub(super) fn choose_name(&mut self, name: &[u8]) -> Option<AtomForm> {
        let digest = Digest::of(name);
        let candidates = digest.candidates();
        for slot in candidates {
            if let Some(number) = self.index.get(usize::from(slot))
                && let Some(cached) = self.atoms.get_mut(number)
                && cached.digest == digest
                && (digest.is_all() || cached.atom.as_str().as_bytes() == name)
            {
                if cached.position != UNUSED {
                    return Some(AtomForm::CacheRef(cached.position));
                }
                return Some(refer(&mut self.header, cached, slot, false));
            }
        }
        let atom = Atom::new(std::str::from_utf8(name).ok()?).ok()?;
        if self.header.len() >= MAX_ATOMS {
            return Some(AtomForm::Spelled);
        }
        // An empty slot before one that has to be taken from another atom; never one this message refers to.
        let free = candidates.into_iter().find(|&slot| self.at(slot).is_none());
        let taken = || {
            let unused =
                |slot: &u16| self.at(*slot).is_some_and(|cached| cached.position == UNUSED);
            candidates.into_iter().find(unused)
        };
        let Some(slot) = free.or_else(taken) else { return Some(AtomForm::Spelled) };
        let mut cached = Cached { atom, digest, position: UNUSED };
        let form = refer(&mut self.header, &mut cached, slot, true);
        self.put(slot, cached);
        Some(form)
    }

    fn put(&mut self, slot: u16, cached: Cached) {
        self.state += 1;
        let number = self.index.get(usize::from(slot));
        let before = match number.and_then(|number| self.atoms.get_mut(number)) {
            Some(place) => Some(std::mem::replace(place, cached)),
            None => {
                self.index.set(usize::from(slot), Some(self.atoms.len()));
                self.atoms.push(cached);
                None
            }
        };
        self.displaced.push((slot, before));
    }

    /// The atoms that the message under way refers to, in the order of their positions.
    pub fn header(&self) -> impl ExactSizeIterator<Item = (HeaderAtom, &str)> {
        self.header
            .iter()
            .map(|&atom| (atom, self.at(atom.slot).map_or("", |cached| cached.atom.as_str())))
    }

    /// The same without their names.
    #[must_use]
    pub fn header_atoms(&self) -> &[HeaderAtom] {
        &self.header
    }

    fn at(&self, slot: u16) -> Option<&Cached> {
        self.atoms.get(self.index.get(usize::from(slot))?)
    }
}

/// Gives an atom that the header does not refer to yet its position there.
fn refer(header: &mut Vec<HeaderAtom>, cached: &mut Cached, slot: u16, new: bool) -> AtomForm {
    match u8::try_from(header.len()) {
        Ok(position) if position != UNUSED => {
            header.push(HeaderAtom { slot, new });
            cached.position = position;
            AtomForm::CacheRef(position)
        }
        _ => AtomForm::Spelled,
    }
}

/// What is looked at before a name itself: its length, and two words that hold all of it where it is short, as nearly all are.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Digest {
    length: usize,
    words: [u64; 2],
}

impl Digest {
    fn of(name: &[u8]) -> Self {
        let words = if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            let (mut first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
            for chunk in name.get(8..name.len() - 8).unwrap_or_default().chunks(8) {
                let word = chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
                first = mix(first, word);
            }
            [first, last]
        } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            [u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last))]
        } else {
            [name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0]
        };
        Self { length: name.len(), words }
    }

    /// Whether no other name has the same.
    fn is_all(&self) -> bool {
        self.length <= 16
    }

    /// The two slots that an atom may have: 11 bits of a hash each.
    fn candidates(&self) -> [u16; 2] {
        let [first, last] = self.words;
        let hash = mix(mix(first, self.length as u64), last);
        [(hash % SLOTS as u64) as u16, (hash / SLOTS as u64 % SLOTS as u64) as u16]
    }
}

fn mix(hash: u64, word: u64) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let product = u128::from(hash ^ FACTOR ^ word) * u128::from(FACTOR);
    (product as u64) ^ (product >> 64) as u64
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
        cache.begin();
        let before = (cache.index.clone(), cache.atoms.clone());
        cache.begin();
        for i in 0..2000 {
            choose(&mut cache, &format!("atom_{i}"));
        }
        cache.abandon();
        let used =
            |index: &Index| (0..SLOTS).filter_map(|slot| index.get(slot)).collect::<Vec<_>>();
        assert_eq!((used(&cache.index), &cache.atoms), (used(&before.0), &before.1));
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
