//! One part of a decoded term: 16 bytes that say what it is and where its bytes or its children are.

/// What a [`Node`] is. The meaning of its numbers is beside each kind. "Place" is where the term begins in the bytes, of what was decoded; else 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// `[]`. `a` place.
    Nil,
    /// `b` is the value, `a` place.
    Int,
    /// `extra` is 1 if negative; `a` offset and `b` length of the magnitude, little endian, no leading zeros, beyond 64 bits signed.
    Big,
    /// `b` is the bits, `a` place.
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
    /// `a` elements from node `b` on, then the tail in one more node. At least one element. High half of `b`: place.
    List,
    /// `a` elements from node `b` on. High half of `b`: place.
    Tuple,
    /// `a` pairs from node `b` on, key then value, in the order of the wire. High half of `b`: see `map.rs`. Without
    /// pairs, the low half is the place.
    Map,
    /// The whole wire form: `a` offset, `b` length.
    Pid,
    /// The whole wire form: `a` offset, `b` length.
    Port,
    /// The whole wire form: `a` offset, `b` length.
    Reference,
    /// `fun M:F/A`: three children from node `b` on. High half of `b`: place.
    Export,
    /// A closure: `a` children from node `b` on: module, old index, old uniq, pid, then the free variables.
    /// High half of `b`: offset of the fixed part (arity, uniq, index).
    Fun,
    /// A native record (OTP 29): `a` fields; from node `b` on module, name, names of the fields, values. `extra` is its flag byte.
    /// High half of `b`: place.
    Record,
    /// Bytes only the node that wrote them understands (`LOCAL_EXT`): `a` offset, `b` length.
    Local,
    /// Only while decoding: where to go on when the children are done. `a` end, `b` the frame before; `extra` is 1 in a list.
    Pending,
}

impl Kind {
    /// The kind of this number; the same one back, so it costs a comparison.
    #[inline(always)]
    const fn of(number: u8) -> Self {
        match number {
            0 => Self::Nil,
            1 => Self::Int,
            2 => Self::Big,
            3 => Self::Float,
            4 => Self::Atom,
            5 => Self::AtomLatin1,
            6 => Self::AtomCached,
            7 => Self::Binary,
            8 => Self::Bits,
            9 => Self::String,
            10 => Self::List,
            11 => Self::Tuple,
            12 => Self::Map,
            13 => Self::Pid,
            14 => Self::Port,
            15 => Self::Reference,
            16 => Self::Export,
            17 => Self::Fun,
            18 => Self::Record,
            19 => Self::Local,
            _ => Self::Pending,
        }
    }
}

/// One part of a term: two words, each written and read whole. Parts of a word that are written one by one are not there yet when
/// the whole is read, and the processor waits.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Node {
    /// Kind, `extra`, `small` and `a`, the lowest byte first.
    head: u64,
    pub(crate) b: u64,
}

const _: () = assert!(size_of::<Node>() == 16);

impl Node {
    pub(crate) const NIL: Self = Self::new(Kind::Nil, 0, 0);

    /// Cells that hold bytes and no nodes.
    #[inline(always)]
    pub(crate) fn bytes_of(cells: &[Self]) -> &[u8] {
        bytemuck::cast_slice(cells)
    }

    /// Writes bytes into the cells from `at` on; whether there was room.
    #[inline(always)]
    pub(crate) fn hold(cells: &mut [Self], at: usize, bytes: &[u8]) -> bool {
        let room = bytemuck::cast_slice_mut::<Self, u8>(cells.get_mut(at..).unwrap_or_default());
        match room.get_mut(..bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    #[inline(always)]
    pub(crate) const fn new(kind: Kind, a: u32, b: u64) -> Self {
        Self { head: (kind as u64) | ((a as u64) << 32), b }
    }

    /// With eight bits more.
    #[inline(always)]
    pub(crate) const fn with_extra(kind: Kind, extra: u8, a: u32, b: u64) -> Self {
        Self { head: (kind as u64) | ((extra as u64) << 8) | ((a as u64) << 32), b }
    }

    /// An atom in the bytes; a name is no longer than 1,020 bytes.
    #[inline(always)]
    pub(crate) const fn atom(kind: Kind, from: usize, length: usize) -> Self {
        let small = length as u16;
        Self { head: (kind as u64) | ((small as u64) << 16) | ((from as u64) << 32), b: 0 }
    }

    #[inline(always)]
    pub(crate) const fn int(value: i64) -> Self {
        Self::new(Kind::Int, 0, value as u64)
    }

    /// An integer of a message.
    #[inline(always)]
    pub(crate) const fn int_at(value: i64, at: usize) -> Self {
        Self::new(Kind::Int, at as u32, value as u64)
    }

    #[inline(always)]
    pub(crate) const fn float(value: f64) -> Self {
        Self::new(Kind::Float, 0, value.to_bits())
    }

    /// While decoding: where to go on, and whether that is in a list.
    #[inline(always)]
    pub(crate) const fn pending(tail: bool, end: u32, frame: u64) -> Self {
        Self::with_extra(Kind::Pending, tail as u8, end, frame)
    }

    /// What it is.
    #[inline(always)]
    pub(crate) const fn kind(self) -> Kind {
        Kind::of(self.head as u8)
    }

    /// Eight bits more.
    #[inline(always)]
    pub(crate) const fn extra(self) -> u8 {
        (self.head >> 8) as u8
    }

    /// The length of an atom.
    #[inline(always)]
    pub(crate) const fn small(self) -> usize {
        (self.head >> 16) as u16 as usize
    }

    /// Count or offset.
    #[inline(always)]
    pub(crate) const fn a(self) -> u32 {
        (self.head >> 32) as u32
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
        self.a() as usize
    }

    /// The bytes a span refers to; empty if it is none of this message's (which the decoder rules out).
    #[inline(always)]
    pub(crate) fn span(self, bytes: &[u8]) -> &[u8] {
        let length = match self.kind() {
            Kind::Atom | Kind::AtomLatin1 => self.small(),
            _ => self.b as u32 as usize,
        };
        let from = self.a() as usize;
        bytes.get(from..from.wrapping_add(length)).unwrap_or_default()
    }
}
