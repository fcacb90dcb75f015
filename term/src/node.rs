//! One part of a decoded term: 16 bytes that say what it is and where its bytes or its children are.

/// What a [`Node`] is. The meaning of its numbers is beside each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// `[]`.
    Nil,
    /// `b` is the value.
    Int,
    /// `extra` is 1 if negative; `a` offset and `b` length of the magnitude, little endian, no leading zeros, beyond 64 bits signed.
    Big,
    /// `b` is the bits.
    Float,
    /// `a` offset, `small` length, checked UTF-8.
    Atom,
    /// `a` offset, `small` length, Latin-1 and not ASCII.
    AtomLatin1,
    /// `a` position in the table of the block.
    AtomCached,
    /// `a` offset, `b` length.
    Binary,
    /// `a` offset, `b` length, `extra` bits used in the last byte, 1 to 7.
    Bits,
    /// A list of bytes: `a` offset, `b` length, at least one.
    String,
    /// `a` elements from node `b` on, then the tail in one more node. At least one element.
    List,
    /// `a` elements from node `b` on.
    Tuple,
    /// `a` pairs from node `b` on, key then value, in the order of the wire. High half of `b`: see `map.rs`.
    Map,
    /// The whole wire form: `a` offset, `b` length.
    Pid,
    /// The whole wire form: `a` offset, `b` length.
    Port,
    /// The whole wire form: `a` offset, `b` length.
    Reference,
    /// `fun M:F/A`: three children from node `b` on.
    Export,
    /// A closure: `a` children from node `b` on: module, old index, old uniq, pid, then the free variables.
    /// High half of `b`: offset of the fixed part (arity, uniq, index).
    Fun,
    /// A native record (OTP 29): `a` fields; from node `b` on module, name, names of the fields, values. `extra` is its flag byte.
    Record,
    /// Bytes only the node that wrote them understands (`LOCAL_EXT`): `a` offset, `b` length.
    Local,
    /// Only while decoding: where to go on when the children are done. `a` end, `b` the frame before.
    Pending,
}

/// One part of a term.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) extra: u8,
    pub(crate) small: u16,
    pub(crate) a: u32,
    pub(crate) b: u64,
}

const _: () = assert!(size_of::<Node>() == 16);

impl Node {
    pub(crate) const NIL: Self = Self::new(Kind::Nil, 0, 0);

    #[inline(always)]
    pub(crate) const fn new(kind: Kind, a: u32, b: u64) -> Self {
        Self { kind, extra: 0, small: 0, a, b }
    }

    #[inline(always)]
    pub(crate) const fn int(value: i64) -> Self {
        Self::new(Kind::Int, 0, value as u64)
    }

    #[inline(always)]
    pub(crate) const fn float(value: f64) -> Self {
        Self::new(Kind::Float, 0, value.to_bits())
    }

    /// First child (low half of `b`).
    #[inline(always)]
    pub(crate) const fn first(self) -> usize {
        self.b as u32 as usize
    }

    /// High half of `b`.
    #[inline(always)]
    pub(crate) const fn high(self) -> u32 {
        (self.b >> 32) as u32
    }

    /// Count or offset.
    #[inline(always)]
    pub(crate) const fn count(self) -> usize {
        self.a as usize
    }

    /// The bytes a span refers to; empty if it is none of this message's (which the decoder rules out).
    #[inline(always)]
    pub(crate) fn span(self, bytes: &[u8]) -> &[u8] {
        let length = match self.kind {
            Kind::Atom | Kind::AtomLatin1 => self.small as usize,
            _ => self.b as u32 as usize,
        };
        let from = self.a as usize;
        bytes.get(from..from.wrapping_add(length)).unwrap_or_default()
    }
}
