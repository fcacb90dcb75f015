//! The choices a printer takes: which control sequence, which characters, whose release.

use crate::atom::Atom;

/// Which OTP release a detail is taken from, where releases differ.
///
/// Printing: OTP 27 and later put `maybe` and `else` in quotes, OTP 25 does not; with the `t` modifier, OTP 29 takes fewer binaries
/// that are no UTF-8 for Latin-1 text. Nothing else differs: floats, escapes, layout are the same, and native records print on OTP 29 only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Release {
    /// OTP 25 and 26. The default, as the oldest release that the node speaks with.
    #[default]
    Otp25,
    /// OTP 27 and 28.
    Otp27,
    /// OTP 29.
    Otp29,
}

/// Which characters the output may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Without the `t` modifier.
    Latin1,
    /// With it.
    Unicode,
}

/// Which characters make a list or a binary text (`io:printable_range/0`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// `+pc latin1`.
    Latin1,
    /// `+pc unicode`.
    Unicode,
}

/// How one term is written on one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style<'a> {
    /// Whether lists and binaries may show as text: `~p`, not `~w`.
    pub(crate) strings: bool,
    pub(crate) encoding: Encoding,
    pub(crate) range: Range,
    pub(crate) release: Release,
    /// Maps in the order of their keys: the `k` modifier.
    pub(crate) ordered: bool,
    /// The node whose pids are `<0.85.0>`.
    pub(crate) local: Option<&'a Atom>,
}

impl Style<'_> {
    /// `~0p`.
    pub(crate) const PLAIN: Self = Self {
        strings: true,
        encoding: Encoding::Latin1,
        range: Range::Latin1,
        release: Release::Otp25,
        ordered: false,
        local: None,
    };
}
