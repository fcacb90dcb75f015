//! References: unique values, and the aliases and monitor references made of them.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::atom::Atom;

/// Most 32-bit words a reference has (erl_ext_dist, `NEWER_REFERENCE_EXT`; 5 since OTP 26).
pub const MAX_REFERENCE_WORDS: usize = 5;

/// A reference: one to five words made unique by a node.
#[derive(Clone)]
pub struct Reference {
    node: Atom,
    creation: u32,
    length: u8,
    words: [u32; MAX_REFERENCE_WORDS],
}

/// A reference has one to five words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reference has 1 to 5 words, not {0}")]
pub struct BadReferenceLength(pub usize);

impl Reference {
    /// A reference from its parts, words in the order of the wire (the first is the least significant).
    ///
    /// # Errors
    /// [`BadReferenceLength`] unless there are one to five words.
    pub fn new(node: Atom, creation: u32, words: &[u32]) -> Result<Self, BadReferenceLength> {
        if words.is_empty() || words.len() > MAX_REFERENCE_WORDS {
            return Err(BadReferenceLength(words.len()));
        }
        let mut padded = [0; MAX_REFERENCE_WORDS];
        for (to, from) in padded.iter_mut().zip(words) {
            *to = *from;
        }
        Ok(Self { node, creation, length: words.len() as u8, words: padded })
    }

    /// From words with zeros after the last of `length`.
    pub(crate) const fn padded(
        node: Atom,
        creation: u32,
        length: usize,
        words: [u32; MAX_REFERENCE_WORDS],
    ) -> Self {
        let length = if length > MAX_REFERENCE_WORDS { MAX_REFERENCE_WORDS } else { length };
        Self { node, creation, length: length as u8, words }
    }

    /// A reference of a number of words that is known when this is compiled, 1 to 5: three of them are the kind that
    /// `make_ref/0` makes.
    #[must_use]
    #[inline]
    pub const fn from_words<const N: usize>(node: Atom, creation: u32, words: [u32; N]) -> Self {
        const { assert!(N > 0 && N <= MAX_REFERENCE_WORDS, "a reference has 1 to 5 words") };
        let mut padded = [0; MAX_REFERENCE_WORDS];
        let mut at = 0;
        while at < N {
            padded[at] = words[at];
            at += 1;
        }
        Self { node, creation, length: N as u8, words: padded }
    }

    /// The name of the node that made it.
    #[must_use]
    pub const fn node(&self) -> &Atom {
        &self.node
    }

    /// Which life of the node.
    #[must_use]
    pub const fn creation(&self) -> u32 {
        self.creation
    }

    /// The words, the first the least significant.
    #[must_use]
    pub fn words(&self) -> &[u32] {
        self.words.get(..usize::from(self.length)).unwrap_or(&self.words)
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words && self.creation == other.creation && self.node == other.node
    }
}

impl Eq for Reference {}

impl Hash for Reference {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.words.hash(state);
        self.creation.hash(state);
        self.node.hash(state);
    }
}

impl Ord for Reference {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let high_first = self.words.iter().rev().cmp(other.words.iter().rev());
        (&self.node, self.creation).cmp(&(&other.node, other.creation)).then(high_first)
    }
}

impl PartialOrd for Reference {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// `#Ref<rust@host.1.2.3>`, the most significant word first, as the BEAM prints it.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#Ref<{}", self.node.as_str())?;
        for word in self.words().iter().rev() {
            write!(f, ".{word}")?;
        }
        f.write_str(">")
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
