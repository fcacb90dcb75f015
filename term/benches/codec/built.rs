//! The everyday messages as a program builds them: by `term!`.

use term::{Reference, Term, term};

use crate::messages::{Message, pid};

/// What makes this message.
pub(crate) fn builder(message: &Message) -> Option<fn() -> Term> {
    let build: fn() -> Term = match message.letter() {
        "a" => || term!({call, (pid()), {foo, 42}}),
        "b" => || {
            let node = "server@worker".parse().unwrap();
            let reference = Reference::new(node, 0, &[1, 2, 3, 4, 5]).unwrap();
            let tag = term::Atom::from_static("$gen_call");
            term!({(tag), {(pid()), ['alias | reference]}, {add, 2}})
        },
        "c" => || {
            term!(#{
                key_00 => 0, key_01 => "some text", key_02 => 1.5, key_03 => 'active, key_04 => {point, 0, 1000, 2000, 3000},
                key_05 => 5, key_06 => "some text", key_07 => 1.5, key_08 => 'active, key_09 => {point, 0, 1000, 2000, 3000},
                key_10 => 10, key_11 => "some text", key_12 => 1.5, key_13 => 'active, key_14 => {point, 0, 1000, 2000, 3000},
                key_15 => 15, key_16 => "some text", key_17 => 1.5, key_18 => 'active, key_19 => {point, 0, 1000, 2000, 3000}
            })
        },
        "d2" => || Term::from((0..10_000).collect::<Vec<i64>>()),
        "d3" => || Term::from(vec![65u8; 70_000]),
        "e" => || {
            (0..1000i64)
                .map(|id| {
                    let name = format!("user number {id:04}");
                    term!({user, (id * 1000), name, (id as f64 / 2.0), 'true, {score, 7}})
                })
                .collect()
        },
        _ => return None,
    };
    let built = build();
    assert!(built.encode_to_vec() == message.bytes, "{}", message.name);
    Some(build)
}
