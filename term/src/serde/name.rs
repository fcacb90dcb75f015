//! Reading under the name of an atom: a deserializer of its own, so that a name is read without asking which form is meant, and without
//! setting and taking back what says so.

use serde::de::{self, Visitor};

use super::de::Deserializer;
use super::error::Error;
use super::ser::Shape;

/// What stands next, its text as an atom.
pub(super) struct AsAtom<'a, 'de>(pub(super) &'a mut Deserializer<'de>);

impl<'de> AsAtom<'_, 'de> {
    /// Whatever is no text has the text inside it read as atoms.
    #[inline]
    fn inside<T>(
        self,
        read: impl FnOnce(&mut Deserializer<'de>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let outer = std::mem::replace(&mut self.0.shape, Shape::Atom);
        let outcome = read(self.0);
        self.0.shape = outer;
        outcome
    }
}

/// The methods that read no text.
macro_rules! inside {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Error> {
            self.inside(|inner| inner.$method($($argument,)* visitor))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for AsAtom<'_, 'de> {
    type Error = Error;

    #[inline(always)]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.name(visitor)
    }

    #[inline(always)]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.name(visitor)
    }

    inside! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128() deserialize_f32() deserialize_f64()
        deserialize_char() deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_unit()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str) deserialize_seq()
        deserialize_tuple(arity: usize) deserialize_tuple_struct(name: &'static str, arity: usize) deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) deserialize_identifier() deserialize_ignored_any()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
