//! Atoms: names of at most 255 characters, owned (`Atom`) or borrowed from a message (`AtomRef`).

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use smol_str::SmolStr;

use crate::utf8::text;

/// Most characters an atom may have (erl_ext_dist, `ATOM_UTF8_EXT`).
pub const MAX_ATOM_CHARACTERS: usize = 255;

/// An Erlang atom that a program keeps: a shared or inline name, 24 bytes, cheap to clone.
///
/// No table stands behind it: an atom lives as long as someone holds it, so a peer cannot fill one.
/// Names of up to 23 bytes are held inline.
///
/// ```
/// use term::{Atom, IntoAtom};
/// let ok = Atom::new("ok").unwrap();
/// assert_eq!(ok, "ok".into_atom());
/// assert_eq!(ok, "ok");
/// assert!(Atom::new(&"x".repeat(256)).is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Atom(SmolStr);

/// A name has more than the 255 characters an atom may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an atom has at most 255 characters, this name has {characters}; send it as a binary")]
pub struct AtomTooLong {
    /// How many characters the name has.
    pub characters: usize,
}

impl Atom {
    /// An atom of this name.
    ///
    /// # Errors
    /// [`AtomTooLong`] if the name has more than 255 characters.
    pub fn new(name: impl AsRef<str>) -> Result<Self, AtomTooLong> {
        let name = name.as_ref();
        check_length(name)?;
        Ok(Self(SmolStr::new(name)))
    }

    /// An atom whose name is a literal; makes no allocation and may be a `const`.
    ///
    /// # Panics
    /// If the name has more than 255 bytes, at compile time where it is a `const`.
    ///
    /// ```
    /// use term::Atom;
    /// const OK: Atom = Atom::from_static("ok");
    /// assert_eq!(OK.as_str(), "ok");
    /// ```
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        assert!(name.len() <= MAX_ATOM_CHARACTERS, "an atom has at most 255 characters");
        Self(SmolStr::new_static(name))
    }

    /// The name, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The borrowed form.
    #[must_use]
    pub fn as_ref(&self) -> AtomRef<'_> {
        AtomRef::utf8(self.0.as_bytes())
    }

    /// For names whose length was checked by the decoder.
    pub(crate) fn from_checked(name: &str) -> Self {
        Self(SmolStr::new(name))
    }
}

thread_local! {
    /// The node of the identifier read last on this thread: most of a conversation comes from one, and a name longer than 23 bytes
    /// is then allocated once.
    static LAST_NODE: RefCell<Atom> = const { RefCell::new(Atom::from_static("nonode@nohost")) };
}

impl Atom {
    /// The node of an identifier by the bytes of a name of at most 255 characters; `None` if they are no UTF-8.
    #[inline]
    pub(crate) fn of_node(name: &[u8]) -> Option<Self> {
        LAST_NODE.with(|kept| {
            let mut last = kept.try_borrow_mut().ok()?;
            if last.as_str().as_bytes() != name {
                *last = Self::from_checked(text(name).ok()?);
            }
            Some(last.clone())
        })
    }
}

fn check_length(name: &str) -> Result<(), AtomTooLong> {
    if name.len() > MAX_ATOM_CHARACTERS {
        let characters = name.chars().count();
        if characters > MAX_ATOM_CHARACTERS {
            return Err(AtomTooLong { characters });
        }
    }
    Ok(())
}

impl PartialEq<str> for Atom {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Atom {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl AsRef<str> for Atom {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Looks like Erlang source: `ok`, `'Elixir.Foo'`.
impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}

impl fmt::Debug for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Atom {
    type Err = AtomTooLong;
    fn from_str(name: &str) -> Result<Self, AtomTooLong> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Atom {
    type Error = AtomTooLong;
    fn try_from(name: &str) -> Result<Self, AtomTooLong> {
        Self::new(name)
    }
}

impl TryFrom<String> for Atom {
    type Error = AtomTooLong;
    fn try_from(name: String) -> Result<Self, AtomTooLong> {
        check_length(&name)?;
        Ok(Self(SmolStr::from(name)))
    }
}

/// What can stand where an atom is wanted: an [`Atom`] or a literal.
///
/// ```
/// use term::IntoAtom;
/// assert_eq!("echo".into_atom().as_str(), "echo");
/// ```
pub trait IntoAtom {
    /// The atom.
    ///
    /// # Panics
    /// For a literal of more than 255 bytes, which is a mistake in the program; see [`Atom::new`] for names that come from outside.
    fn into_atom(self) -> Atom;
}

impl IntoAtom for Atom {
    fn into_atom(self) -> Atom {
        self
    }
}

impl IntoAtom for &Atom {
    fn into_atom(self) -> Atom {
        self.clone()
    }
}

impl IntoAtom for &'static str {
    fn into_atom(self) -> Atom {
        Atom::from_static(self)
    }
}

/// An atom inside a message: compared and printed where it lies, copied only by [`AtomRef::to_atom`].
///
/// ```
/// use term::Term;
/// let message = Term::decode(vec![131, 119, 2, b'o', b'k']).unwrap();
/// let atom = message.as_atom().unwrap();
/// assert!(atom == "ok");
/// ```
#[derive(Clone, Copy)]
pub struct AtomRef<'a> {
    name: &'a [u8],
    latin1: bool,
}

impl<'a> AtomRef<'a> {
    pub(crate) const fn utf8(name: &'a [u8]) -> Self {
        Self { name, latin1: false }
    }

    /// Latin-1 bytes, at least one of them not ASCII.
    pub(crate) const fn latin1(name: &'a [u8]) -> Self {
        Self { name, latin1: true }
    }

    /// The bytes of the name where they are UTF-8 already.
    pub(crate) const fn utf8_bytes(self) -> Option<&'a [u8]> {
        if self.latin1 { None } else { Some(self.name) }
    }

    /// The name; borrowed, except for the Latin-1 atoms with accents that old nodes write.
    #[must_use]
    pub fn as_str(self) -> Cow<'a, str> {
        if self.latin1 {
            Cow::Owned(self.name.iter().map(|&byte| char::from(byte)).collect())
        } else {
            // Checked when the message was decoded, so nothing is ever lost here.
            text(self.name).map_or_else(|_| String::from_utf8_lossy(self.name), Cow::Borrowed)
        }
    }

    /// An atom to keep.
    #[must_use]
    pub fn to_atom(self) -> Atom {
        Atom::from_checked(&self.as_str())
    }

    /// A node to keep.
    pub(crate) fn to_node(self) -> Atom {
        self.utf8_bytes().and_then(Atom::of_node).unwrap_or_else(|| self.to_atom())
    }

    /// The characters of the name.
    pub fn chars(self) -> impl Iterator<Item = char> + 'a {
        let (latin1, utf8) = if self.latin1 {
            (self.name, "")
        } else {
            (&[][..], text(self.name).unwrap_or_default())
        };
        latin1.iter().map(|&byte| char::from(byte)).chain(utf8.chars())
    }

    fn equals(self, other: &str) -> bool {
        if self.latin1 {
            self.name.iter().map(|&byte| char::from(byte)).eq(other.chars())
        } else {
            self.name == other.as_bytes()
        }
    }
}

impl PartialEq for AtomRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        if self.latin1 == other.latin1 {
            self.name == other.name
        } else {
            self.chars().eq(other.chars())
        }
    }
}

impl Eq for AtomRef<'_> {}

impl PartialEq<str> for AtomRef<'_> {
    fn eq(&self, other: &str) -> bool {
        self.equals(other)
    }
}

impl PartialEq<&str> for AtomRef<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.equals(other)
    }
}

impl PartialEq<Atom> for AtomRef<'_> {
    fn eq(&self, other: &Atom) -> bool {
        self.equals(other.as_str())
    }
}

/// By code points, which is also the order of the UTF-8 bytes.
impl Ord for AtomRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.latin1 == other.latin1 {
            self.name.cmp(other.name)
        } else {
            self.chars().cmp(other.chars())
        }
    }
}

impl PartialOrd for AtomRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for AtomRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.latin1 {
            self.as_str().hash(state);
        } else {
            // As `str` hashes itself, so that both spellings agree.
            state.write(self.name);
            state.write_u8(0xff);
        }
    }
}

impl fmt::Display for AtomRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::text::write_atom(f, *self)
    }
}

impl fmt::Debug for AtomRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
