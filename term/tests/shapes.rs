//! What serde's attributes and odder types become, beside the terms of a live node.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it is wrong"
)]

mod beam;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use beam::Beam;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use term::serde::Raw;
use term::{Encoded, Term, term};

/// The value written is what the node makes of `erlang`, and is read back from it.
fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    beam: &mut Beam,
    value: T,
    erlang: &str,
) {
    let bytes = beam.eval(erlang).unwrap();
    assert_eq!(term::to_term(&value).unwrap(), Term::decode(bytes.clone()).unwrap(), "{erlang}");
    reads(beam, value, erlang);
}

/// The value is read from what the node makes of `erlang`, out of bytes and out of a payload.
fn reads<T: DeserializeOwned + PartialEq + std::fmt::Debug>(
    beam: &mut Beam,
    value: T,
    erlang: &str,
) {
    let bytes = beam.eval(erlang).unwrap();
    assert_eq!(term::from_bytes_owned::<T>(&bytes).unwrap(), value, "{erlang}");
    let payload = Encoded::new(bytes[1..].to_vec().into(), None);
    assert_eq!(payload.deserialize::<T>().unwrap(), value, "{erlang}");
}

fn refused<T: DeserializeOwned>(term: &Term) -> String {
    term::from_term::<T>(term).err().map_or_else(|| "taken".to_owned(), |error| error.to_string())
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Place {
    x: i64,
    y: i64,
}

#[test]
fn flattened_fields_are_read_from_atoms_and_written_as_the_map_of_text_that_serde_makes_of_them() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Sensor {
        id: u32,
        #[serde(flatten)]
        place: Place,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Open {
        id: u32,
        #[serde(flatten)]
        more: BTreeMap<String, i64>,
    }
    let beam = &mut Beam::all().remove(0);
    let sensor = || Sensor { id: 7, place: Place { x: 1, y: -2 } };
    reads(beam, sensor(), "#{id => 7, x => 1, y => -2}");
    reads(beam, sensor(), "#{y => -2, <<\"x\">> => 1, other => {a, [b]}, id => 7}");
    same(beam, sensor(), "#{<<\"id\">> => 7, <<\"x\">> => 1, <<\"y\">> => -2}");
    let open = Open { id: 1, more: BTreeMap::from([("a".into(), 2), ("b".into(), 300)]) };
    reads(beam, open, "#{id => 1, a => 2, <<\"b\">> => 300}");
}

#[test]
fn enums_tagged_inside_beside_and_not_at_all() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Inside {
        Circle { radius: f64 },
        At(Place),
        Nothing,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(tag = "t", content = "c", rename_all = "snake_case")]
    enum Beside {
        Number(i64),
        Pair(i64, bool),
        Nothing,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(untagged)]
    enum Untagged {
        Number(i64),
        Natural(u64),
        Float(f64),
        Flag(bool),
        Place(Place),
        Pair(i64, String),
        List(Vec<Self>),
        Text(String),
    }
    let beam = &mut Beam::all().remove(0);
    same(beam, Inside::Circle { radius: 1.5 }, "#{type => <<\"circle\">>, radius => 1.5}");
    same(beam, Inside::At(Place { x: 1, y: 2 }), "#{type => <<\"at\">>, x => 1, y => 2}");
    same(beam, Inside::Nothing, "#{type => <<\"nothing\">>}");
    reads(beam, Inside::Circle { radius: 2.0 }, "#{radius => 2.0, type => circle}");
    same(beam, Beside::Number(5), "#{t => number, c => 5}");
    same(beam, Beside::Pair(5, true), "#{t => pair, c => {5, true}}");
    same(beam, Beside::Nothing, "#{t => nothing}");
    same(beam, Untagged::Number(-5), "-5");
    same(beam, Untagged::Natural(u64::MAX), "(1 bsl 64) - 1");
    // What serde keeps a value in while it tries one variant after the other has no integers of 128 bits.
    let wide = Term::big_integer(&(num_bigint::BigInt::from(1) << 100));
    assert!(refused::<Untagged>(&wide).starts_with("expected any value, found integer"));
    same(beam, Untagged::Float(0.5), "0.5");
    same(beam, Untagged::Flag(true), "true");
    same(beam, Untagged::Place(Place { x: 1, y: 2 }), "#{x => 1, y => 2}");
    same(beam, Untagged::Pair(1, "a".into()), "{1, <<\"a\">>}");
    same(beam, Untagged::Text("größe".into()), "<<\"größe\"/utf8>>");
    let list = vec![Untagged::Number(1), Untagged::List(vec![Untagged::Flag(false)])];
    same(beam, Untagged::List(list), "[1, [false]]");
    // Three, since serde takes two for the fields of `Place`.
    let list = (1..4).map(Untagged::Number).collect();
    reads(beam, Untagged::List(list), "[1, 2, 3]");
}

#[test]
fn numbers_at_their_borders() {
    let beam = &mut Beam::all().remove(0);
    same(beam, i128::MAX, "(1 bsl 127) - 1");
    same(beam, u128::from(u64::MAX) + 1, "1 bsl 64");
    same(beam, 1.5f32, "1.5");
    same(beam, f64::MIN_POSITIVE, "2.2250738585072014e-308");
    reads(beam, 3.0f64, "3");
    reads(beam, 16_777_216f32, "16777216");
    same(beam, std::num::NonZeroU8::new(1).unwrap(), "1");
    for (expected, found) in [
        ("expected i8, found integer `128`", refused::<i8>(&term!(128))),
        ("expected u64, found integer `-1`", refused::<u64>(&term!(-1))),
        ("expected integer, found float", refused::<i64>(&term!(1.0))),
        ("expected float, found binary", refused::<f64>(&term!("1.0"))),
    ] {
        assert!(found.starts_with(expected), "{found}");
    }
    let wide = Term::big_integer(&(num_bigint::BigInt::from(1) << 200));
    assert_eq!(refused::<u128>(&wide), "expected integer, found an integer of 201 bits");
    assert!(term::to_bytes(&f32::INFINITY).is_err());
    let zeros = term::to_term(&[0.0f64, -0.0]).unwrap();
    assert_ne!(zeros.element(0), zeros.element(1));
}

#[test]
fn text_bytes_and_single_characters() {
    let beam = &mut Beam::all().remove(0);
    same(beam, 'λ', "<<\"λ\"/utf8>>");
    same(beam, "a\0\u{1b}\n\u{10ffff}".to_owned(), "<<97, 0, 27, 10, 16#10ffff/utf8>>");
    same(beam, String::new(), "<<>>");
    // A `Vec<u8>` is a list of bytes to serde, which Erlang writes as a string.
    same(beam, vec![1u8, 2], "[1, 2]");
    assert_eq!(refused::<char>(&term!("ab")), "expected a character, found string \"ab\"");
    assert_eq!(refused::<String>(&term!([104, 105])), "expected binary, found list");
    let bytes = Term::from(bytes::Bytes::from_static(&[0xff, 0xfe]));
    assert_eq!(refused::<String>(&bytes), "expected binary of UTF-8 text, found other bytes");
    let message = bytes.encode_to_vec();
    assert_eq!(term::from_bytes::<&[u8]>(&message).unwrap(), [0xff, 0xfe]);
}

#[test]
fn structs_without_fields_newtypes_and_options_in_options() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Stopped;
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Meters(f64);
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Empty {}
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Nothing();
    let beam = &mut Beam::all().remove(0);
    same(beam, Stopped, "'Stopped'");
    same(beam, Meters(2.5), "2.5");
    same(beam, vec![Some(Meters(2.5)), None], "[2.5, undefined]");
    same(beam, Empty {}, "#{}");
    same(beam, Nothing(), "{}");
    same(beam, Some(Some(1)), "1");
    same(beam, None::<Option<i64>>, "undefined");
    // Erlang has one way to say nothing, so what is inside is lost.
    assert_eq!(term::to_term(&Some(None::<i64>)).unwrap(), term!('undefined));
    assert_eq!(term::from_term::<Option<Option<i64>>>(&term!('undefined)).unwrap(), None);
    // An atom is what it is where an atom is wanted, `undefined` and `nil` too.
    let atoms: Vec<term::Atom> = term::from_term(&term!(['undefined, 'nil, 'true])).unwrap();
    assert_eq!(atoms, ["undefined", "nil", "true"]);
}

#[test]
fn maps_and_sets_with_keys_of_any_kind() {
    let beam = &mut Beam::all().remove(0);
    same(
        beam,
        BTreeMap::from([(1, "a".to_owned()), (300, "b".into())]),
        "#{1 => <<\"a\">>, 300 => <<\"b\">>}",
    );
    same(beam, BTreeMap::from([((1, 2), vec![1])]), "#{{1, 2} => [1]}");
    same(beam, HashMap::from([(vec!["k".to_owned()], true)]), "#{[<<\"k\">>] => true}");
    same(beam, BTreeMap::from([(Some(1), 1), (None, 0)]), "#{1 => 1, undefined => 0}");
    same(beam, BTreeMap::from([(true, 1), (false, 0)]), "#{true => 1, false => 0}");
    same(beam, BTreeMap::from([('a', ())]), "#{<<\"a\">> => ok}");
    same(beam, BTreeSet::from([3, 1, 2]), "[1, 2, 3]");
    let twice = term::to_term(&Pairs(vec![(1, 1), (1, 2)]));
    assert!(twice.is_err(), "a key twice is no map");

    /// A map that serde is told to write pair by pair.
    struct Pairs(Vec<(i64, i64)>);
    impl Serialize for Pairs {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().copied())
        }
    }
}

#[test]
fn improper_lists_and_what_has_no_type_pass_as_they_are() {
    let beam = &mut Beam::all().remove(0);
    for erlang in ["[a | b]", "{[1 | 2], #{k => [x | <<1:3>>]}}", "[self() | make_ref()]"] {
        let bytes = beam.eval(erlang).unwrap();
        let term = Term::decode(bytes.clone()).unwrap();
        assert_eq!(term::from_bytes::<Term>(&bytes).unwrap(), term, "{erlang}");
        let raw: Raw<'_> = term::from_bytes(&bytes).unwrap();
        assert_eq!(raw.bytes(), &bytes[1..], "{erlang}");
        assert_eq!(term::to_term(&(raw.clone(), 1)).unwrap(), Term::tuple(&[term, 1.into()]));
        assert_eq!(
            term::from_bytes::<(Raw<'_>,)>(&term::to_bytes(&(raw,)).unwrap()).unwrap().0.bytes(),
            &bytes[1..]
        );
    }
    assert_eq!(
        refused::<Vec<i64>>(&term!([1, 2000 | 'tail])),
        "expected [] at the end of a list, found atom tail"
    );
}

#[test]
fn raw_parts_spell_out_what_an_atom_cache_holds() {
    let atoms = std::sync::Arc::from(["ok".parse().unwrap(), "a@b".parse().unwrap()]);
    // {ok, <a@b.1.2>} with references into the cache.
    let bytes = vec![104, 2, 82, 0, 88, 82, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    let payload = Encoded::new(bytes.into(), Some(atoms));
    let (ok, pid): (Raw<'_>, Raw<'_>) = payload.deserialize().unwrap();
    assert_eq!(ok.bytes(), [119, 2, b'o', b'k']);
    assert_eq!(pid.read::<term::Pid>().unwrap(), term::Pid::new("a@b".parse().unwrap(), 1, 2, 3));
    assert_eq!(pid.into_owned().decode().unwrap().kind_name(), "pid");
}

/// A struct as somebody writes it by hand: the names of its fields are known as text alone.
#[derive(PartialEq, Debug)]
struct ByHand {
    width: i64,
    height: i64,
}

impl<'de> Deserialize<'de> for ByHand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        enum Field {
            Width,
            Height,
        }
        struct Names;
        impl Visitor<'_> for Names {
            type Value = Field;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("width or height")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Field, E> {
                match name {
                    "width" => Ok(Field::Width),
                    "height" => Ok(Field::Height),
                    _ => Err(E::unknown_field(name, FIELDS)),
                }
            }
        }
        impl<'de> Deserialize<'de> for Field {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_identifier(Names)
            }
        }
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = ByHand;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a size")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<ByHand, A::Error> {
                let mut size = ByHand { width: 0, height: 0 };
                while let Some(field) = pairs.next_key()? {
                    match field {
                        Field::Width => size.width = pairs.next_value()?,
                        Field::Height => size.height = pairs.next_value()?,
                    }
                }
                Ok(size)
            }
        }
        const FIELDS: &[&str] = &["width", "height", "depth"];
        deserializer.deserialize_struct("ByHand", FIELDS, Pairs)
    }
}

#[test]
fn fields_are_found_by_every_name_they_have_in_any_order() {
    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Named {
        #[serde(alias = "one", alias = "uno")]
        first: i64,
        #[serde(rename = "zwei")]
        second: i64,
        #[serde(default)]
        third: Option<i64>,
        größe: i64,
    }
    let maps = [
        ("#{first => 1, zwei => 2, third => 3, 'größe' => 4}", Some(3)),
        ("#{one => 1, zwei => 2, third => 3, 'größe' => 4}", Some(3)),
        ("#{uno => 1, 'größe' => 4, zwei => 2}", None),
        ("#{<<\"uno\">> => 1, <<\"größe\"/utf8>> => 4, zwei => 2, third => undefined}", None),
    ];
    for mut beam in Beam::all() {
        for (map, third) in maps {
            reads(&mut beam, Named { first: 1, second: 2, third, größe: 4 }, map);
        }
    }
    for (map, expected) in [
        (term!(#{first => 1, one => 1}), "key first is there twice"),
        (term!(#{first => 1, second => 2}), "found second"),
        (term!(#{first => 1, zwei => 2}), "größe"),
    ] {
        let error = refused::<Named>(&map);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn fields_of_a_type_that_knows_their_names_as_text_alone_are_found() {
    for mut beam in Beam::all() {
        for map in ["#{width => 2, height => 3}", "#{height => 3, <<\"width\">> => 2}"] {
            reads(&mut beam, ByHand { width: 2, height: 3 }, map);
        }
    }
    let in_order = Encoded::from_term(&term!(#{width => 2, height => 3}));
    assert_eq!(in_order.deserialize::<ByHand>().unwrap(), ByHand { width: 2, height: 3 });
    let error = refused::<ByHand>(&term!(#{width => 2, height => 3, depth => 4}));
    assert!(error.contains("found depth"), "{error}");
}
