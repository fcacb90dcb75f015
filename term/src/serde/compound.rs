//! Lists, tuples, maps and structs on their way out.

use serde::ser::{self, Serialize};

use super::error::EncodeError;
use super::ser::{Serializer, Shape};
use crate::open;
use crate::tag::MAP_EXT;

/// A list on its way out; its length is filled in at the end.
#[derive(Debug)]
pub struct Sequence<'s, 'a> {
    pub(super) serializer: &'s mut Serializer<'a>,
    pub(super) start: usize,
    pub(super) length: usize,
}

impl ser::SerializeSeq for Sequence<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.length += 1;
        value.serialize(&mut *self.serializer)
    }

    fn end(self) -> Result<(), EncodeError> {
        Serializer::count(self.length)?;
        open::close_list(self.serializer.out, self.start, self.length);
        Ok(())
    }
}

/// The elements of a tuple on their way out.
#[derive(Debug)]
pub struct Elements<'s, 'a> {
    pub(super) serializer: &'s mut Serializer<'a>,
}

macro_rules! elements {
    ($($trait:ident::$method:ident)*) => {$(
        impl ser::$trait for Elements<'_, '_> {
            type Ok = ();
            type Error = EncodeError;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                value.serialize(&mut *self.serializer)
            }
            fn end(self) -> Result<(), EncodeError> {
                Ok(())
            }
        }
    )*};
}
elements!(SerializeTuple::serialize_element SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field);

/// A map, or a struct in its shape, on its way out; the count is filled in at the end.
#[derive(Debug)]
pub struct Pairs<'s, 'a> {
    pub(super) serializer: &'s mut Serializer<'a>,
    shape: Shape,
    start: usize,
    count: usize,
}

impl<'s, 'a> Pairs<'s, 'a> {
    pub(super) fn begin(
        serializer: &'s mut Serializer<'a>,
        name: Option<&'static str>,
        fields: usize,
    ) -> Result<Self, EncodeError> {
        Serializer::count(fields)?;
        let start = serializer.out.len();
        // The shape is not for what is in the value.
        let shape = std::mem::replace(&mut serializer.shape, Shape::Map);
        let mut count = 0;
        match (shape, name) {
            (Shape::Map | Shape::Atom | Shape::Charlist | Shape::Raw, _) => {
                serializer.out.extend_from_slice(&[MAP_EXT, 0, 0, 0, 0])
            }
            (Shape::Proplist, _) => {
                open::open_list(serializer.out);
            }
            (Shape::Record, Some(name)) => {
                open::open_tuple(serializer.out);
                serializer.atom(name)?;
                count = 1;
            }
            (Shape::ElixirStruct, Some(name)) => {
                serializer.out.extend_from_slice(&[MAP_EXT, 0, 0, 0, 0]);
                serializer.atom("__struct__")?;
                if name.starts_with("Elixir.") {
                    serializer.atom(name)?;
                } else {
                    serializer.atom(&format!("Elixir.{name}"))?;
                }
                count = 1;
            }
            (Shape::Record | Shape::ElixirStruct, None) => {
                return Err(EncodeError::Unsuitable(
                    "only a struct with named fields can be a record or an Elixir struct",
                ));
            }
        }
        Ok(Self { serializer, shape, start, count })
    }

    #[inline]
    fn pair<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.count += 1;
        match self.shape {
            Shape::Record => {}
            Shape::Proplist => {
                self.serializer.encoder().tuple_header(2);
                self.serializer.atom(key)?;
            }
            _ => self.serializer.atom(key)?,
        }
        value.serialize(&mut *self.serializer)
    }

    fn skip(&mut self) -> Result<(), EncodeError> {
        // A record's fields are known by their place, so none can be left out.
        if self.shape == Shape::Record {
            self.count += 1;
            return ser::Serializer::serialize_none(&mut *self.serializer);
        }
        Ok(())
    }

    fn finish(self) -> Result<(), EncodeError> {
        // The elements of one list all go out in the shape asked for.
        self.serializer.shape = self.shape;
        Serializer::count(self.count)?;
        let (out, at) = (&mut *self.serializer.out, self.start);
        match self.shape {
            Shape::Record => open::close_tuple(out, at, self.count),
            Shape::Proplist => open::close_list(out, at, self.count),
            _ => open::close_counted(out, at, self.count),
        }
        Ok(())
    }
}

impl ser::SerializeMap for Pairs<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.count += 1;
        if self.shape == Shape::Proplist {
            self.serializer.encoder().tuple_header(2);
        }
        key.serialize(&mut *self.serializer)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self.serializer)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.finish()
    }
}

macro_rules! structs {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Pairs<'_, '_> {
            type Ok = ();
            type Error = EncodeError;
            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), EncodeError> {
                self.pair(key, value)
            }
            fn skip_field(&mut self, _: &'static str) -> Result<(), EncodeError> {
                self.skip()
            }
            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        }
    )*};
}
structs!(SerializeStruct SerializeStructVariant);
