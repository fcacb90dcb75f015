//! Other forms for a value than its type says: as `#[serde(with = "...")]` modules, and some as types.

/// Declares a module for `#[serde(with)]` that passes the value on under one of our names.
macro_rules! with {
    ($(#[$doc:meta])* $module:ident, $name:ident) => {
        $(#[$doc])*
        pub mod $module {
            use std::fmt;
            use std::marker::PhantomData;

            use serde::de::{Deserialize, Deserializer, Visitor};
            use serde::ser::{Serialize, Serializer};

            use crate::serde::own::$name;

            /// Writes the value in this form.
            ///
            /// # Errors
            /// The serializer's.
            pub fn serialize<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_newtype_struct($name, value)
            }

            /// Reads the value from this form.
            ///
            /// # Errors
            /// The deserializer's.
            pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
                struct Inner<T>(PhantomData<T>);
                impl<'de, T: Deserialize<'de>> Visitor<'de> for Inner<T> {
                    type Value = T;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a value in another form")
                    }
                    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
                        T::deserialize(deserializer)
                    }
                }
                deserializer.deserialize_newtype_struct($name, Inner(PhantomData))
            }
        }
    };
}

with! {
    /// A `String` (or an `Option`, a `Vec` of them) as an atom.
    ///
    /// ```
    /// #[derive(serde::Serialize)]
    /// struct Reply { #[serde(with = "term::serde::atom")] status: String }
    /// assert_eq!(term::to_term(&Reply { status: "up".into() }).unwrap(), term::term!(#{status => 'up}));
    /// ```
    atom, ATOM
}

with! {
    /// A `String` as a charlist: `"text"` in Erlang, `'text'` in Elixir.
    ///
    /// ```
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct File { #[serde(with = "term::serde::charlist")] name: String }
    /// let file = term::to_term(&File { name: "größe".into() }).unwrap();
    /// assert_eq!(file.get("name").unwrap().as_charlist().unwrap(), "größe");
    /// assert_eq!(term::from_term::<File>(&file).unwrap().name, "größe");
    /// ```
    charlist, CHARLIST
}

with! {
    /// `None` written as `nil`, as Elixir has it. For whole messages see [`Options`](super::Options).
    ///
    /// ```
    /// #[derive(serde::Serialize)]
    /// struct User { #[serde(with = "term::serde::nil")] age: Option<u8> }
    /// assert_eq!(term::to_term(&User { age: None }).unwrap(), term::term!(#{age => 'nil}));
    /// ```
    nil, NIL
}

with! {
    /// A struct as a record: a tuple that begins with the struct's name, then the fields in order.
    ///
    /// ```
    /// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    /// #[serde(rename = "point")]
    /// struct Point { x: i64, y: i64 }
    /// #[derive(serde::Serialize)]
    /// struct Line(#[serde(with = "term::serde::record")] Point);
    /// assert_eq!(term::to_term(&Line(Point { x: 1, y: 2 })).unwrap(), term::term!({point, 1, 2}));
    /// assert_eq!(term::from_term::<term::serde::Record<Point>>(&term::term!({point, 1, 2})).unwrap().0, Point { x: 1, y: 2 });
    /// ```
    record, RECORD
}

with! {
    /// A struct or map as a list of `{Key, Value}`: a proplist, or Elixir's keyword list. On reading, an atom alone is `{Atom, true}`.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Options { port: u16, #[serde(default)] verbose: bool }
    /// let options: term::serde::Proplist<Options> = term::from_term(&term::term!([{port, 80}, 'verbose])).unwrap();
    /// assert!(options.0.verbose && options.0.port == 80);
    /// ```
    proplist, PROPLIST
}

with! {
    /// A struct as an Elixir struct: a map whose `__struct__` is the struct's name after `Elixir.`. On reading, `__struct__` must be there and match.
    ///
    /// ```
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// #[serde(rename = "MyApp.User")]
    /// struct User { age: u8 }
    /// let user = term::to_term(&term::serde::ElixirStruct(User { age: 7 })).unwrap();
    /// assert!(user.get("__struct__").unwrap().is_atom("Elixir.MyApp.User"));
    /// assert_eq!(term::from_term::<term::serde::ElixirStruct<User>>(&user).unwrap().0.age, 7);
    /// ```
    elixir_struct, ELIXIR_STRUCT
}

/// Declares the wrapper type of a form.
macro_rules! wrapper {
    ($(#[$doc:meta])* $type:ident, $module:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type<T>(pub T);

        impl<T: serde::Serialize> serde::Serialize for $type<T> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $module::serialize(&self.0, serializer)
            }
        }

        impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for $type<T> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $module::deserialize(deserializer).map(Self)
            }
        }
    };
}

wrapper! {
    /// Text as a charlist: see [`charlist`](mod@charlist).
    Charlist, charlist
}
wrapper! {
    /// A struct as a record: see [`record`](mod@record).
    Record, record
}
wrapper! {
    /// A struct or map as a proplist: see [`proplist`](mod@proplist).
    Proplist, proplist
}
wrapper! {
    /// A struct as an Elixir struct: see [`elixir_struct`](mod@elixir_struct).
    ElixirStruct, elixir_struct
}

/// A `bytes::Bytes` that shares the message it is read from (by [`Encoded::deserialize`](crate::Encoded::deserialize)), without a copy unless it is a small part of a large
/// message.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Upload { #[serde(with = "term::serde::shared")] body: bytes::Bytes }
/// let payload = term::encode(&Upload { body: vec![7; 1000].into() }).unwrap();
/// let upload: Upload = payload.deserialize().unwrap();
/// assert!(payload.bytes().as_ptr_range().contains(&upload.body.as_ptr()));
/// ```
pub mod shared {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer};

    use crate::serde::own::{SHARED, SharedVisitor};

    /// Writes a binary.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Reads a binary.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_newtype_struct(SHARED, SharedVisitor)
    }
}

/// A `num_bigint::BigInt` as an integer of any size.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Key { #[serde(with = "term::serde::big_integer")] modulus: num_bigint::BigInt }
/// let modulus = num_bigint::BigInt::from(3).pow(500);
/// let bytes = term::to_bytes(&Key { modulus: modulus.clone() }).unwrap();
/// assert_eq!(term::from_bytes::<Key>(&bytes).unwrap().modulus, modulus);
/// ```
pub mod big_integer {
    use num_bigint::BigInt;
    use serde::{Deserializer, Serializer};

    use crate::cursor::Cursor;
    use crate::error::DecodeErrorKind;
    use crate::serde::own::{BIG_INTEGER, RawVisitor, serialize_raw};

    /// Writes an integer.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(value: &BigInt, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_raw(serializer, BIG_INTEGER, |encoder| encoder.big_integer(value))
    }

    /// Reads an integer.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BigInt, D::Error> {
        // Bytes of another deserializer may be of any term.
        let read = |cursor: &mut Cursor<'_>| {
            let term = cursor.term()?;
            term.as_big_integer().ok_or_else(|| {
                DecodeErrorKind::Expected { expected: "integer", found: term.kind_name() }.at(0)
            })
        };
        deserializer
            .deserialize_newtype_struct(BIG_INTEGER, RawVisitor { expected: "integer", read })
    }
}

/// A `Vec<u8>` written as a binary and read from any iodata: nested lists of bytes and binaries.
///
/// ```
/// use term::serde::IoData;
/// let page: IoData = term::from_term(&term::term!(["<p>", [60, "b>"], "</p>"])).unwrap();
/// assert_eq!(page.0, b"<p><b></p>");
/// ```
pub mod iodata {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    use crate::serde::own::IODATA;

    /// Writes a binary.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Reads iodata.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct BytesVisitor;
        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("iodata")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Vec<u8>, D::Error> {
                deserializer.deserialize_byte_buf(self)
            }
        }
        deserializer.deserialize_newtype_struct(IODATA, BytesVisitor)
    }
}

/// Bytes written as a binary and read from any iodata: see [`iodata`](mod@iodata).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IoData(pub Vec<u8>);

impl serde::Serialize for IoData {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        iodata::serialize(&self.0, serializer)
    }
}

impl<'de> serde::Deserialize<'de> for IoData {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        iodata::deserialize(deserializer).map(Self)
    }
}
