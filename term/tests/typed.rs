//! Typed reading and writing, patterns, payloads and conversions, with the terms of a live node.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it is wrong"
)]

mod beam;

use std::collections::BTreeMap;
use std::sync::Arc;

use beam::Beam;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use term::serde::{Charlist, ElixirStruct, IoData, Options, Proplist, Record, Serializer};
use term::transcode::{AtomForm, transcode};
use term::{Atom, Encoded, IntoAtom, Pid, Reference, Term, match_term, term};

/// The value written is what the node makes of `erlang`, and reads back as itself.
fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    beam: &mut Beam,
    value: T,
    erlang: &str,
) {
    let theirs = Term::decode(beam.eval(erlang).unwrap()).unwrap();
    assert_eq!(term::to_term(&value).unwrap(), theirs, "{erlang}");
    let bytes = beam.eval(erlang).unwrap();
    assert_eq!(term::from_bytes_owned::<T>(&bytes).unwrap(), value, "{erlang}");
    assert_eq!(
        Encoded::new(bytes[1..].to_vec().into(), None).deserialize::<T>().unwrap(),
        value,
        "{erlang}"
    );
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
#[serde(rename_all = "snake_case")]
enum Request {
    Stop,
    Foo(i64),
    Pair(i64, String),
    Move { x: f64, to: Option<u8> },
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Default, Clone)]
#[serde(rename = "point")]
struct Point {
    x: i64,
    y: Option<i64>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Unit;

#[test]
fn rust_types_are_the_erlang_terms_the_table_says() {
    let beam = &mut Beam::all().remove(0);
    same(beam, 7u8, "7");
    same(beam, -70_000i64, "-70000");
    same(beam, u64::MAX, "16#ffffffffffffffff");
    same(beam, i64::MIN, "-16#8000000000000000");
    same(beam, i128::MIN, "-(1 bsl 127)");
    same(beam, u128::MAX, "(1 bsl 128) - 1");
    same(beam, 1.5f64, "1.5");
    same(beam, true, "true");
    same(beam, "größe".to_owned(), "<<\"größe\"/utf8>>");
    same(beam, 'x', "<<\"x\">>");
    same(beam, (), "ok");
    same(beam, None::<i64>, "undefined");
    same(beam, Some(3), "3");
    same(beam, vec![1i64, 2, 3], "[1, 2, 3]");
    same(beam, vec![1i64, 2, 300], "[1, 2, 300]");
    same(beam, Vec::<String>::new(), "[]");
    same(beam, vec![7u8; 70_000], "lists:duplicate(70000, 7)");
    same(beam, (1, "a".to_owned(), false), "{1, <<\"a\">>, false}");
    same(beam, [1, 2], "{1, 2}");
    same(beam, BTreeMap::from([("a".into_atom(), 1), ("b".into_atom(), 2)]), "#{a => 1, b => 2}");
    same(beam, Unit, "'Unit'");
    same(beam, Request::Stop, "stop");
    same(beam, Request::Foo(1), "{foo, 1}");
    same(beam, Request::Pair(1, "b".into()), "{pair, 1, <<\"b\">>}");
    same(beam, Request::Move { x: 0.5, to: None }, "{move, #{x => 0.5, to => undefined}}");
    same(beam, Point { x: 1, y: Some(2) }, "#{x => 1, y => 2}");
    same(beam, Record(Point { x: 1, y: None }), "{point, 1, undefined}");
    same(
        beam,
        Record(vec![Point { x: 1, y: None }, Point { x: 2, y: Some(3) }]),
        "[{point, 1, undefined}, {point, 2, 3}]",
    );
    same(beam, Proplist(Point { x: 1, y: Some(2) }), "[{x, 1}, {y, 2}]");
    same(
        beam,
        ElixirStruct(Point { x: 1, y: Some(2) }),
        "#{'__struct__' => 'Elixir.point', x => 1, y => 2}",
    );
    same(beam, Charlist("größe".to_owned()), "\"größe\"");
    same(beam, Charlist("λ".to_owned()), "[955]");
    same(beam, IoData(b"abc".to_vec()), "<<\"abc\">>");
    same(beam, Ok::<i64, String>(1), "{ok, 1}");
    same(beam, Err::<i64, String>("no".into()), "{error, <<\"no\">>}");
    same(beam, Ok::<(), String>(()), "ok");
    same(beam, term!([{a, 1}, #{b => 'c}]), "[{a, 1}, #{b => c}]");
    same(beam, "with space".into_atom(), "'with space'");
}

#[test]
fn identifiers_inside_types_are_the_real_ones() {
    let beam = &mut Beam::all().remove(0);
    let bytes =
        beam.eval("{call, self(), make_ref(), hd(erlang:ports()), [#{pid => self()}]}").unwrap();
    let (tag, pid, reference, port, rest): (
        Atom,
        Pid,
        Reference,
        term::Port,
        Vec<BTreeMap<Atom, Pid>>,
    ) = term::from_bytes(&bytes).unwrap();
    assert_eq!((tag.as_str(), pid.node().as_str()), ("call", "nonode@nohost"));
    assert_eq!(rest[0].values().next(), Some(&pid));
    let again = term::to_term(&(tag, pid, reference, port, rest)).unwrap();
    assert_eq!(again, Term::decode(bytes).unwrap());
}

/// `{OldPid, OldReference, ok}`: they are shorter than today's, and what follows must not be taken for a part of them.
#[test]
fn identifiers_of_old_nodes_are_read_in_the_middle_of_others() {
    let node = [119, 3, b'a', b'@', b'b'];
    let bytes = [
        &[131, 104, 3, 103][..],
        &node,
        &[0, 0, 0, 1, 0, 0, 0, 2, 3, 114, 0, 1],
        &node,
        &[3, 0, 0, 0, 7, 119, 2, b'o', b'k'],
    ]
    .concat();
    let (pid, reference, ok): (Pid, Reference, Atom) = term::from_bytes(&bytes).unwrap();
    assert_eq!(pid, Pid::new("a@b".into_atom(), 1, 2, 3));
    assert_eq!(reference, Reference::new("a@b".into_atom(), 3, &[7]).unwrap());
    assert_eq!(ok.as_str(), "ok");
}

#[test]
fn all_that_elixir_and_iodata_may_say_is_read() {
    let read = |term: Term| term::from_term::<IoData>(&term).unwrap().0;
    assert_eq!(read(term!(["a", [98, ["c"]], 100 | "e"])), b"abcde");
    assert!(term::from_term::<IoData>(&term!(["a", 300])).is_err());
    assert_eq!(term::from_term::<Option<i64>>(&term!('nil)).unwrap(), None);
    let point: Proplist<Point> = term::from_term(&term!([{x, 1}, {unknown, "more"}])).unwrap();
    assert_eq!(point.0, Point { x: 1, y: None });
    let mut out = Vec::new();
    let nil = Options { none: Atom::from_static("nil") };
    Point::default().serialize(&mut Serializer::with_options(&mut out, &nil)).unwrap();
    assert_eq!(Term::decode([vec![131], out].concat()).unwrap(), term!(#{x => 0, y => 'nil}));
}

#[test]
fn lists_are_read_whatever_tags_they_are_made_of() {
    // [1, 2 | [3, 4 | "\5\6"]] in three pieces.
    let bytes =
        [131, 108, 0, 0, 0, 2, 97, 1, 97, 2, 108, 0, 0, 0, 2, 97, 3, 97, 4, 107, 0, 2, 5, 6];
    assert_eq!(term::from_bytes::<Vec<u8>>(&bytes).unwrap(), [1, 2, 3, 4, 5, 6]);
    let term = Term::decode(bytes.to_vec()).unwrap();
    assert_eq!(term, Term::from([1, 2, 3, 4, 5, 6]));
    assert_eq!(term.encode_to_vec(), [131, 107, 0, 6, 1, 2, 3, 4, 5, 6]);
    let improper = [131, 108, 0, 0, 0, 1, 97, 1, 97, 2];
    assert_eq!(
        term::from_bytes::<Vec<u8>>(&improper).unwrap_err().to_string(),
        "expected [] at the end of a list, found integer 2"
    );
}

#[test]
fn errors_name_the_path() {
    fn error<T: DeserializeOwned>(term: Term) -> String {
        term::from_term::<T>(&term)
            .err()
            .map_or_else(|| "no error".to_owned(), |error| error.to_string())
    }
    let users = term!([#{name => "a"}, #{name => "b"}, #{name => 'ok}]);
    assert_eq!(
        error::<Vec<BTreeMap<Atom, String>>>(users),
        "[2].name: expected binary, found atom ok"
    );
    assert_eq!(
        error::<(i64, (i64, i64))>(term!({(1), {(2), 'x}})),
        "[1][1]: expected integer, found atom x"
    );
    assert_eq!(
        error::<(i64, i64)>(term!({ (1) })),
        "expected tuple of 2 elements, found tuple of 1 elements"
    );
    assert_eq!(error::<u8>(term!(300)), "expected u8, found integer `300`");
    assert_eq!(error::<Request>(term!({foo, 'x})), "[1]: expected integer, found atom x");
    assert_eq!(error::<Request>(term!('bar)), "expected stop, foo, pair or move, found bar");
    assert_eq!(error::<Request>(term!({move, #{x => "1"}})), "[1].x: expected float, found binary");
    assert_eq!(error::<Point>(term!(#{})), "key x is missing");
    assert_eq!(error::<Pid>(term!([])), "expected pid, found []");
    assert!(term::to_bytes(&f64::NAN).is_err());
}

#[test]
fn enums_without_tags_hold_pids_and_numbers() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(untagged)]
    enum Any {
        Pid(Pid),
        Number(i64),
        Text(String),
    }
    let pid = Pid::new("a@b".into_atom(), 1, 2, 3);
    for (any, term) in [
        (Any::Pid(pid.clone()), Term::from(&pid)),
        (Any::Number(7), Term::from(7)),
        (Any::Text("x".into()), Term::from("x")),
    ] {
        assert_eq!(term::to_term(&any).unwrap(), term);
        assert_eq!(term::from_term::<Any>(&term).unwrap(), any);
    }
}

#[test]
fn patterns_take_the_first_arm_that_matches() {
    let me = Pid::new("a@b".into_atom(), 1, 2, 3);
    let answer = |message: &Term| {
        match_term!(message, {
            {stop, reason} if reason.is_atom("normal") => "stopped".to_owned(),
            {call, from @ Pid, {foo, x @ i64}} => format!("foo {x} from {}", from.id()),
            {call, (me), 'ping} => "pinged by me".to_owned(),
            {(1), _} => "one".to_owned(),
            {tag @ Atom, #{name => name @ &str, "key" => _}} => format!("{tag} {name}"),
            [] => "nothing".to_owned(),
            [first @ i64, second | rest] => format!("{first} {} and {}", second.as_i64().unwrap_or(0), rest.as_list().map_or(0, |list| list.len())),
            [_ | 'tail] => "improper".to_owned(),
            "text" => "a binary".to_owned(),
            -1 => "minus one".to_owned(),
            'atom => "an atom".to_owned(),
            {} => "empty".to_owned(),
            other => format!("other {}", other.kind_name()),
        })
    };
    let from = me.clone();
    for (message, expected) in [
        (term!({stop, 'normal}), "stopped"),
        (term!({stop, 'other}), "other tuple"),
        (term!({call, from, {foo, 42}}), "foo 42 from 1"),
        (term!({call, from, 'ping}), "pinged by me"),
        (term!({(1), "x"}), "one"),
        (term!({user, #{name => "ada", "key" => 1, more => 2}}), "user ada"),
        (term!([]), "nothing"),
        (term!([1, 2, 3, 4]), "1 2 and 2"),
        (term!([1000, 2000]), "1000 2000 and 0"),
        (term!([1 | 'tail]), "improper"),
        (term!("text"), "a binary"),
        (term!(-1), "minus one"),
        (term!('atom), "an atom"),
        (term!({}), "empty"),
        (term!(1.5), "other float"),
    ] {
        assert_eq!(answer(&message), expected, "{message}");
    }
    // Arms may leave a loop of the caller's.
    let mut rounds = 0;
    loop {
        rounds += 1;
        match_term!(term!({done}), { {done} => break, _ => continue });
    }
    assert_eq!(rounds, 1);
}

#[test]
fn cache_references_mean_atoms_by_position_and_are_spelled_out_or_made() {
    let atoms: Arc<[Atom]> = Arc::new(["ok".into_atom(), "a@b".into_atom()]);
    // {ok, <a@b.1.2>, fun m:ok/1, [ok]} with references.
    let bytes = [
        &[104, 4, 82, 0, 88, 82, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3][..],
        &[113, 119, 1, b'm', 82, 0, 97, 1, 108, 0, 0, 0, 1, 82, 0, 106],
    ]
    .concat();
    let payload = Encoded::new(bytes.into(), Some(atoms.clone()));
    let term = payload.decode().unwrap();
    let pid = Pid::new("a@b".into_atom(), 1, 2, 3);
    assert!(term.element(0).unwrap().is_atom("ok"));
    assert_eq!(term.element(1).unwrap().as_pid(), Some(pid.clone()));
    let spelled = payload.to_bytes_without_cache_refs().unwrap();
    assert_eq!(Encoded::new(spelled.clone(), None).decode().unwrap(), term);
    assert_eq!(Encoded::from_term(&term).bytes(), &spelled);
    let (tag, from, ..): (Atom, Pid, Term, Vec<Atom>) = payload.deserialize().unwrap();
    assert_eq!((tag.as_str(), from), ("ok", pid));
    let mut again = Vec::new();
    let position = |atom: term::AtomRef<'_>| atoms.iter().position(|known| atom == *known);
    transcode(&spelled, &[], &mut again, |atom| {
        position(atom).map_or(AtomForm::Spelled, |at| AtomForm::CacheRef(at as u8))
    })
    .unwrap();
    assert_eq!(again, payload.bytes()[..]);
    assert!(Encoded::new(vec![82, 2].into(), Some(atoms)).decode().is_err());
    assert!(Encoded::new(vec![82, 0].into(), None).decode().is_err());
}

#[test]
fn closures_keep_their_size_right_when_their_atoms_change_form() {
    for mut beam in Beam::all() {
        let bytes = beam.random(99, 500).into_iter().filter(|bytes| bytes.contains(&112));
        for bytes in bytes.take(100) {
            let atoms = ["oracle".into_atom()];
            let mut short = Vec::new();
            let choose = |atom: term::AtomRef<'_>| {
                if atom == "oracle" { AtomForm::CacheRef(0) } else { AtomForm::Spelled }
            };
            transcode(&bytes[1..], &[], &mut short, choose).unwrap();
            let mut long = Vec::new();
            transcode(&short, &atoms, &mut long, |_| AtomForm::Spelled).unwrap();
            assert_eq!(long, bytes[1..]);
        }
    }
}

#[cfg(feature = "eetf")]
#[test]
fn eetf_agrees_on_what_both_know_and_says_what_it_does_not() {
    let beam = &mut Beam::all().remove(0);
    let mut brought = 0;
    for bytes in beam.random(12, 2000) {
        let ours = Term::decode(bytes.clone()).unwrap();
        // Closures are beyond both conversions; a float that equals an integer is one key too few for eetf's maps.
        let Ok(theirs) = eetf::Term::decode(&bytes[..]) else { continue };
        match (Term::try_from(&theirs), eetf::Term::try_from(&ours)) {
            (Ok(back), Ok(there)) => {
                assert_eq!(back, ours);
                assert_eq!(Term::try_from(there).unwrap(), ours);
                brought += 1;
            }
            (Err(error), _) | (_, Err(error)) => {
                assert!(error.to_string().contains("closures"), "{error}")
            }
        }
    }
    assert!(brought > 1000, "{brought}");
    let list = eetf::Term::from(eetf::List { elements: vec![eetf::FixInteger::from(-1).into()] });
    assert_eq!(Term::try_from(&list).unwrap(), Term::from([-1]));
}

/// Another deserializer may hand over the bytes of any term where an integer is read.
#[test]
fn what_is_no_integer_is_not_read_as_zero() {
    use serde::de::value::{BytesDeserializer, Error};
    let read = |bytes: &[u8]| {
        term::serde::big_integer::deserialize(BytesDeserializer::<Error>::new(bytes))
    };
    assert_eq!(read(&[97, 42]).unwrap(), num_bigint::BigInt::from(42));
    // `ok`
    let refused = read(&[119, 2, b'o', b'k']).unwrap_err().to_string();
    assert!(refused.contains("expected integer, found atom"), "{refused}");
}
