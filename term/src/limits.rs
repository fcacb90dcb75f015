//! How much a message may make us do.

/// Bounds for decoding. The defaults suit a node whose peers hold its cookie.
///
/// ```
/// use term::Limits;
/// let careful = Limits { max_inflated: 1 << 20, ..Limits::default() };
/// # let _ = careful;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that a compressed term may claim to inflate to, 0 to 4 GiB - 1. 64 MiB by default: the largest
    /// message that the interleaving of fragments is meant for; a 64 KiB input cannot claim more than about that anyway.
    pub max_inflated: u32,
    /// Deepest nesting that `serde` follows into a type that contains itself. 128 by default, as `serde_json` has it. Types that do not contain
    /// themselves never get near it, and decoding into a [`Term`](crate::Term) has no such bound because it uses no stack.
    pub max_typed_depth: u16,
}

impl Limits {
    /// The default limits, as a constant.
    pub const DEFAULT: Self = Self { max_inflated: 64 << 20, max_typed_depth: 128 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
