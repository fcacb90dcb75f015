//! Pids and references: how this node numbers them, and how it knows its own again.

use crate::sync::atomic::{AtomicU64, Ordering};

use term::{Atom, Pid, Reference};

/// Which local process: the slot in the table (`id`) and how often it was used before (`serial`), as in its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Number(u64);

impl Number {
    /// Never given to a process.
    pub(crate) const NOBODY: Self = Self(u64::MAX);

    pub(crate) const fn new(id: u32, serial: u32) -> Self {
        Self(((serial as u64) << 32) | id as u64)
    }

    pub(crate) const fn id(self) -> u32 {
        self.0 as u32
    }

    pub(crate) const fn serial(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// A key for [`crate::few::Few`].
    pub(crate) const fn key(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_key(key: u64) -> Self {
        Self(key)
    }
}

/// Which reference of this runtime: the n-th it made.
pub(crate) type RefNumber = u64;

/// Where a pid's process is to be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the process table.
    Here(Number),
    /// It lived on this node in an earlier life of it: it is no more.
    Past,
    /// On another node.
    Elsewhere,
}

/// This node's name and creation, and the counter behind its references.
#[derive(Debug)]
pub(crate) struct Ids {
    node: Atom,
    creation: u32,
    references: AtomicU64,
}

impl Ids {
    pub(crate) const fn new(node: Atom, creation: u32) -> Self {
        Self { node, creation, references: AtomicU64::new(1) }
    }

    pub(crate) const fn node(&self) -> &Atom {
        &self.node
    }

    pub(crate) const fn creation(&self) -> u32 {
        self.creation
    }

    pub(crate) fn pid(&self, number: Number) -> Pid {
        Pid::new(self.node.clone(), number.id(), number.serial(), self.creation)
    }

    #[inline(always)]
    pub(crate) fn place(&self, pid: &Pid) -> Place {
        if !same(pid.node(), &self.node) {
            Place::Elsewhere
        } else if pid.creation() != self.creation {
            Place::Past
        } else {
            Place::Here(Number::new(pid.id(), pid.serial()))
        }
    }

    /// A reference of three words, as `make_ref/0` makes.
    pub(crate) fn make_ref(&self) -> (RefNumber, Reference) {
        let number = self.references.fetch_add(1, Ordering::Relaxed);
        (number, Reference::from_words(self.node.clone(), self.creation, spread(number)))
    }

    /// A reference that also says whose alias it is, in two more words (OTP's own aliases have five as well).
    pub(crate) fn make_alias(&self, owner: Number) -> (RefNumber, Reference) {
        let number = self.references.fetch_add(1, Ordering::Relaxed);
        (number, self.alias(number, owner))
    }

    /// The alias of this number again.
    pub(crate) fn alias(&self, number: RefNumber, owner: Number) -> Reference {
        let [low, middle, high] = spread(number);
        let words = [low, middle, high, owner.id(), owner.serial()];
        Reference::from_words(self.node.clone(), self.creation, words)
    }

    /// The plain reference of this number again.
    pub(crate) fn reference(&self, number: RefNumber) -> Reference {
        Reference::from_words(self.node.clone(), self.creation, spread(number))
    }

    /// The number of a reference, if this runtime made it.
    pub(crate) fn ref_number(&self, reference: &Reference) -> Option<RefNumber> {
        if reference.creation() != self.creation || !same(reference.node(), &self.node) {
            return None;
        }
        match *reference.words() {
            [low, middle, high] | [low, middle, high, _, _] => gather(low, middle, high),
            _ => None,
        }
    }

    /// The number of an alias and its owner, if this runtime made it.
    pub(crate) fn alias_owner(&self, alias: &Reference) -> Option<(RefNumber, Number)> {
        let number = self.ref_number(alias)?;
        match *alias.words() {
            [_, _, _, id, serial] => Some((number, Number::new(id, serial))),
            _ => None,
        }
    }

    /// Whether this node, in this life or an earlier one, made the reference.
    pub(crate) fn is_own_ref(&self, reference: &Reference) -> bool {
        reference.node() == &self.node
    }
}

/// The process that an alias stands for, as its node writes pids; only for aliases of this runtime's making.
pub(crate) fn owner_of(alias: &Reference) -> Pid {
    let number = match *alias.words() {
        [_, _, _, id, serial] => Number::new(id, serial),
        _ => Number::NOBODY,
    };
    Pid::new(alias.node().clone(), number.id(), number.serial(), alias.creation())
}

/// Whether two names are equal; node names are short, and a call of `memcmp` would be most of the work.
#[inline(always)]
fn same(one: &Atom, other: &Atom) -> bool {
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        8..=16 => same_ends::<8>(one, other),
        17..=32 => same_ends::<16>(one, other),
        _ => one == other,
    }
}

/// Whether the first `N` bytes and the last `N` are: all of them, where there are `N` to twice as many.
#[inline(always)]
fn same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk::<N>()
        && one.last_chunk::<N>() == other.last_chunk::<N>()
}

/// Only 18 bits of a reference's first word count (erl_ext_dist, NEW_REFERENCE_EXT).
const FIRST_WORD_BITS: u32 = 18;

const fn spread(number: RefNumber) -> [u32; 3] {
    let low = (number & ((1 << FIRST_WORD_BITS) - 1)) as u32;
    [low, (number >> FIRST_WORD_BITS) as u32, (number >> (FIRST_WORD_BITS + 32)) as u32]
}

const fn gather(low: u32, middle: u32, high: u32) -> Option<RefNumber> {
    if low >> FIRST_WORD_BITS != 0 || high >> (64 - FIRST_WORD_BITS - 32) != 0 {
        return None;
    }
    Some(low as u64 | (middle as u64) << FIRST_WORD_BITS | (high as u64) << (FIRST_WORD_BITS + 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Ids {
        Ids::new(Atom::from_static("rust@host"), 7)
    }

    #[test]
    fn a_pid_finds_its_number_again() {
        let ids = ids();
        let number = Number::new(12, 3);
        assert_eq!(ids.place(&ids.pid(number)), Place::Here(number));
    }

    #[test]
    fn a_pid_of_an_older_creation_is_past_and_of_another_node_elsewhere() {
        let ids = ids();
        assert_eq!(ids.place(&Pid::new(Atom::from_static("rust@host"), 12, 3, 6)), Place::Past);
        assert_eq!(
            ids.place(&Pid::new(Atom::from_static("rust@other"), 12, 3, 7)),
            Place::Elsewhere
        );
    }

    #[test]
    fn references_keep_to_18_bits_in_the_first_word_and_are_found_again() {
        for number in [1, (1 << 18) - 1, 1 << 18, u64::from(u32::MAX), u64::MAX] {
            let [low, middle, high] = spread(number);
            assert!(low < 1 << 18);
            assert_eq!(gather(low, middle, high), Some(number));
        }
        assert_eq!(gather(1 << 18, 0, 0), None);
    }

    #[test]
    fn an_alias_names_its_owner_and_a_plain_reference_nobody() {
        let ids = ids();
        let alias = ids.alias(77, Number::new(5, 9));
        assert_eq!(ids.alias_owner(&alias), Some((77, Number::new(5, 9))));
        assert_eq!(owner_of(&alias), ids.pid(Number::new(5, 9)));
        assert_eq!(ids.ref_number(&ids.reference(77)), Some(77));
        assert_eq!(ids.alias_owner(&ids.reference(77)), None);
        let foreign = Reference::new(Atom::from_static("a@host"), 7, alias.words()).unwrap();
        assert_eq!(ids.alias_owner(&foreign), None);
    }
}
