//! Binaries being built from their segments: `<<1, 2:3, "abc", 1.0:32/float-little>>`.

use num_bigint::BigInt;

use crate::order::mask;

/// The value of a segment.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Integer(BigInt),
    Float(f64),
    /// Bytes, and how many of the bits of all of them count.
    Bits(&'a [u8], usize),
    /// A string: one segment for each character.
    Text(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Float,
    Binary,
    Utf8,
    Utf16,
    Utf32,
}

/// How a segment is to be written; fields not given are not set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Specification {
    kind: Option<Kind>,
    signed: Option<bool>,
    endian: Option<Endian>,
    unit: Option<usize>,
    size: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endian {
    Big,
    Little,
    Native,
}

fn set<T: PartialEq>(place: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match place {
        Some(there) if *there != value => Err("two of its types contradict each other"),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

impl Specification {
    pub(super) fn with_size(size: Option<usize>) -> Self {
        Self { size, ..Self::default() }
    }

    /// A word after the slash, and for `unit` its number.
    pub(super) fn add(&mut self, word: &str, number: Option<usize>) -> Result<(), &'static str> {
        if word == "unit" {
            return match number {
                Some(unit @ 1..=256) => set(&mut self.unit, unit),
                _ => Err("a unit is 1 to 256"),
            };
        }
        if number.is_some() {
            return Err("only `unit` has a number");
        }
        match word {
            "integer" => set(&mut self.kind, Kind::Integer),
            "float" => set(&mut self.kind, Kind::Float),
            "binary" => set(&mut self.kind, Kind::Binary),
            "bytes" => set(&mut self.kind, Kind::Binary).and_then(|()| set(&mut self.unit, 8)),
            "bitstring" | "bits" => {
                set(&mut self.kind, Kind::Binary).and_then(|()| set(&mut self.unit, 1))
            }
            "utf8" => set(&mut self.kind, Kind::Utf8),
            "utf16" => set(&mut self.kind, Kind::Utf16),
            "utf32" => set(&mut self.kind, Kind::Utf32),
            "signed" => set(&mut self.signed, true),
            "unsigned" => set(&mut self.signed, false),
            "big" => set(&mut self.endian, Endian::Big),
            "little" => set(&mut self.endian, Endian::Little),
            "native" => set(&mut self.endian, Endian::Native),
            _ => Err(
                "a type is integer, float, binary, bytes, bitstring, bits, utf8, utf16, utf32, signed, unsigned, big, little, native or unit:N",
            ),
        }
    }

    fn little(&self) -> bool {
        let native = cfg!(target_endian = "little");
        self.endian == Some(Endian::Little) || native && self.endian == Some(Endian::Native)
    }

    /// Bits of a number.
    fn number_bits(&self, default: usize) -> Result<usize, &'static str> {
        match (self.size, self.unit) {
            (None, None) => Ok(default),
            (None, Some(_)) => Err("a unit needs a size"),
            (Some(size), unit) => size.checked_mul(unit.unwrap_or(1)).ok_or(TOO_LARGE),
        }
    }
}

const TOO_LARGE: &str = "its size is larger than a text may ask for";

/// Bits written so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    bits: usize,
}

impl Bits {
    /// The bytes, and how many bits of the last one count: 8 if all.
    pub(super) fn finish(self) -> (Vec<u8>, u8) {
        let last = (self.bits % 8) as u8;
        (self.bytes, if last == 0 { 8 } else { last })
    }

    /// Bytes so far.
    pub(super) const fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a segment, if its size is not more than `room` bytes.
    pub(super) fn add(
        &mut self,
        value: Value<'_>,
        how: &Specification,
        room: usize,
    ) -> Result<(), &'static str> {
        if let Value::Text(text) = value {
            let count = text.chars().count();
            if how.number_bits(8).is_ok_and(|bits| bits.saturating_mul(count) / 8 > room) {
                return Err(TOO_LARGE);
            }
            let one = |bits: &mut Self, code: u32| bits.one(Value::Integer(code.into()), how, room);
            // Types are wrong or right whether there is a character to write or not.
            one(&mut Self::default(), 0)?;
            return text.chars().try_for_each(|character| one(self, character.into()));
        }
        self.one(value, how, room)
    }

    fn one(
        &mut self,
        value: Value<'_>,
        how: &Specification,
        room: usize,
    ) -> Result<(), &'static str> {
        match how.kind.unwrap_or(Kind::Integer) {
            Kind::Integer => {
                let Value::Integer(value) = value else { return Err("an integer is needed") };
                let bits = how.number_bits(8)?;
                if bits / 8 > room {
                    return Err(TOO_LARGE);
                }
                self.integer(&value, bits, how.little());
                Ok(())
            }
            Kind::Float => self.float(value, how),
            Kind::Binary => {
                let Value::Bits(bytes, length) = value else { return Err("a binary is needed") };
                let unit = how.unit.unwrap_or(8);
                let wanted = match how.size {
                    None if !length.is_multiple_of(unit) => {
                        return Err("it has a number of bits that its unit does not divide");
                    }
                    None => length,
                    Some(size) => size.checked_mul(unit).ok_or(TOO_LARGE)?,
                };
                if wanted > length {
                    return Err("it is shorter than its size says");
                }
                if wanted / 8 > room {
                    return Err(TOO_LARGE);
                }
                self.bits(bytes, wanted);
                Ok(())
            }
            kind => self.character(value, how, kind),
        }
    }

    fn character(
        &mut self,
        value: Value<'_>,
        how: &Specification,
        kind: Kind,
    ) -> Result<(), &'static str> {
        if how.size.is_some() || how.unit.is_some() {
            return Err("a UTF type has neither size nor unit");
        }
        let Value::Integer(value) = value else { return Err("a character is needed") };
        let character =
            u32::try_from(value).ok().and_then(char::from_u32).ok_or("it is no character")?;
        match kind {
            Kind::Utf8 => self.bytes(character.encode_utf8(&mut [0; 4]).as_bytes()),
            Kind::Utf16 => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.bytes(&if how.little() { unit.to_le_bytes() } else { unit.to_be_bytes() });
                }
            }
            _ => {
                let code = u32::from(character);
                self.bytes(&if how.little() { code.to_le_bytes() } else { code.to_be_bytes() });
            }
        }
        Ok(())
    }

    fn float(&mut self, value: Value<'_>, how: &Specification) -> Result<(), &'static str> {
        let value = match value {
            Value::Float(value) => value,
            Value::Integer(value) => value.to_string().parse::<f64>().unwrap_or(f64::INFINITY),
            _ => return Err("a number is needed"),
        };
        if !value.is_finite() {
            return Err("it is larger than any float");
        }
        // Smaller floats may become infinite, as in the BEAM's evaluator.
        let (mut bytes, length) = match how.number_bits(64)? {
            64 => (value.to_be_bytes(), 8),
            32 => (widen((value as f32).to_be_bytes()), 4),
            16 => (widen(half(value).to_be_bytes()), 2),
            _ => return Err("a float has 16, 32 or 64 bits"),
        };
        let Some(bytes) = bytes.get_mut(..length) else { return Ok(()) };
        if how.little() {
            bytes.reverse();
        }
        self.bytes(bytes);
        Ok(())
    }

    /// The lowest bits of a number.
    fn integer(&mut self, value: &BigInt, bits: usize, little: bool) {
        let mut bytes = value.to_signed_bytes_le();
        let fill = if value.sign() == num_bigint::Sign::Minus { 0xff } else { 0 };
        bytes.resize(bits.div_ceil(8), fill);
        let over = (bits % 8) as u8;
        // The highest byte may be needed in part only: its lowest bits, moved up for writing.
        if over != 0
            && let Some(highest) = bytes.last_mut()
        {
            *highest <<= 8 - over;
        }
        if little {
            self.bits(&bytes, bits);
            return;
        }
        bytes.reverse();
        match bytes.split_first() {
            Some((highest, rest)) if over != 0 => {
                self.push(*highest, over);
                self.bytes(rest);
            }
            _ => self.bytes(&bytes),
        }
    }

    /// The first `bits` bits of some bytes.
    fn bits(&mut self, bytes: &[u8], bits: usize) {
        let (whole, over) = (bits / 8, (bits % 8) as u8);
        self.bytes(bytes.get(..whole).unwrap_or_default());
        if over > 0 {
            self.push(bytes.get(whole).copied().unwrap_or_default(), over);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.bits.is_multiple_of(8) {
            self.bytes.extend_from_slice(bytes);
            self.bits += bytes.len() * 8;
        } else {
            bytes.iter().for_each(|&byte| self.push(byte, 8));
        }
    }

    /// The highest `count` bits of a byte, 1 to 8.
    fn push(&mut self, byte: u8, count: u8) {
        let byte = byte & mask(count);
        let used = (self.bits % 8) as u8;
        self.bits += usize::from(count);
        match self.bytes.last_mut() {
            Some(last) if used > 0 => {
                *last |= byte >> used;
                if count > 8 - used {
                    self.bytes.push(byte << (8 - used));
                }
            }
            _ => self.bytes.push(byte),
        }
    }
}

fn widen<const N: usize>(bytes: [u8; N]) -> [u8; 8] {
    let mut wide = [0; 8];
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = from;
    }
    wide
}

/// A float of 16 bits, rounded once, ties to even.
fn half(value: f64) -> u16 {
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let value = value.abs();
    // From here on the nearest is beyond 65504, the largest.
    if value >= 65520.0 {
        return sign | 0x7c00;
    }
    let rounded = if value < f64::from(2.0f32.powi(-14)) {
        // Below the smallest normal number neighbours are 2^-24 apart: as a whole number of those.
        (value * f64::from(1u32 << 24)).round_ties_even() as u16
    } else {
        let bits = value.to_bits() - ((1023 - 15) << 52);
        let odd = (bits >> 42) & 1;
        ((bits + (1 << 41) - 1 + odd) >> 42) as u16
    };
    sign | rounded
}
