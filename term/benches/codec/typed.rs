//! The everyday messages as Rust types: such as borrow what they can, and such as own what they have.

use std::hint::black_box;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use term::serde::Raw;
use term::{Atom, Encoded, Pid};

use crate::messages::Message;
use crate::{Run, look};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Foo(i64),
    Add(i64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Call<From, Tag> {
    Call(From, Request),
    #[serde(rename = "$gen_call")]
    GenCall((From, Tag), Request),
}

#[derive(Serialize, Deserialize)]
struct Point<Atom>(Atom, i64, i64, i64, i64);

/// An atom, borrowed.
struct Name<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        term::serde::atom::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        term::serde::atom::serialize(self.0, serializer)
    }
}

macro_rules! keys {
    ($($number:ident $text:ident $float:ident $atom:ident $tuple:ident)*) => {
        #[derive(Serialize, Deserialize)]
        struct Keys<Text, Atom> {
            $($number: i64, $text: Text, $float: f64, $atom: Atom, $tuple: Point<Atom>,)*
        }
    };
}
keys! {
    key_00 key_01 key_02 key_03 key_04
    key_05 key_06 key_07 key_08 key_09
    key_10 key_11 key_12 key_13 key_14
    key_15 key_16 key_17 key_18 key_19
}

#[derive(Serialize, Deserialize)]
struct User<Text, Atom>(Atom, i64, Text, f64, bool, (Atom, i64));

/// As many as there are, without keeping them.
struct Users<User>(PhantomData<User>);

impl<'de, User: Deserialize<'de>> Deserialize<'de> for Users<User> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<User>(PhantomData<User>);
        impl<'de, User: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<User> {
            type Value = Users<User>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("users")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut users: A,
            ) -> Result<Users<User>, A::Error> {
                while let Some(user) = users.next_element::<User>()? {
                    look(user);
                }
                Ok(Users(PhantomData))
            }
        }
        deserializer.deserialize_seq(Visitor(PhantomData))
    }
}

/// Reading into types that borrow, and into types that own.
pub(crate) fn readers(message: &Message) -> Vec<Run<'_>> {
    fn read<'a, T: Deserialize<'a>>(payload: &'a Encoded) -> Run<'a> {
        assert!(payload.deserialize::<T>().is_ok(), "{:?}", payload.deserialize::<T>().err());
        Box::new(move || look(payload.deserialize::<T>()))
    }
    let payload = &message.payload;
    match message.letter() {
        "a" | "b" => {
            vec![read::<Call<Raw<'_>, Raw<'_>>>(payload), read::<Call<Pid, Encoded>>(payload)]
        }
        "c" => vec![read::<Keys<&str, Name<'_>>>(payload), read::<Keys<String, Atom>>(payload)],
        "e" => vec![
            read::<Users<User<&str, Name<'_>>>>(payload),
            read::<Users<User<String, Atom>>>(payload),
        ],
        _ => Vec::new(),
    }
}

/// Writing what such types hold into a reused buffer.
pub(crate) fn writer(message: &Message) -> Option<Run<'_>> {
    fn write<'a, T: Deserialize<'a> + Serialize + 'a>(message: &'a Message) -> Run<'a> {
        let value: T = message.payload.deserialize().unwrap();
        let mut buffer = Vec::with_capacity(2 * message.bytes.len());
        term::encode_into(&value, &mut buffer).unwrap();
        assert!(buffer == message.bytes[1..], "{}", message.name);
        Box::new(move || {
            buffer.clear();
            buffer.push(131);
            look(term::encode_into(&value, &mut buffer));
            black_box(&buffer);
        })
    }
    match message.letter() {
        "a" | "b" => Some(write::<Call<Pid, Raw<'_>>>(message)),
        "c" => Some(write::<Keys<&str, Name<'_>>>(message)),
        "d2" | "d3" => Some(write::<Vec<i64>>(message)),
        "e" => Some(write::<Vec<User<&str, Name<'_>>>>(message)),
        _ => None,
    }
}
