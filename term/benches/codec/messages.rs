//! The messages that are measured: four everyday ones, and shapes that strain one thing each. Bytes as a node writes them, 131 first.

use bytes::Bytes;
use term::{Atom, Encoded, Encoder, Pid, Reference};

/// A named message.
pub(crate) struct Message {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// The same without 131, as a receiver has it from the network: a slice of a frame.
    pub(crate) payload: Encoded,
}

impl Message {
    /// The first word of its name.
    pub(crate) fn letter(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or_default()
    }
}

/// Everything that is measured, the everyday set first.
pub(crate) fn all() -> Vec<Message> {
    vec![
        message("a small call", small_call),
        message("b gen_call", gen_call),
        message("c map of 20 keys", |out| map_of(out, 20)),
        message("e 1,000 records", records),
        message("d1 10,000 bytes as a string", |out| out.byte_list(&vec![65; 10_000])),
        message("d2 10,000 integers", |out| {
            out.list_header(10_000);
            (0..10_000).for_each(|value| out.integer(value));
            out.nil();
        }),
        message("d3 70,000 small integers", |out| out.byte_list(&vec![65; 70_000])),
        message("f binary of 1 MiB", |out| {
            out.tuple_header(2);
            out.atom(&Atom::from_static("data"));
            out.binary(&vec![7; 1 << 20]);
        }),
        message("g depth 10,000", |out| {
            (0..10_000).for_each(|_| out.list_header(1));
            out.nil();
            (0..10_000).for_each(|_| out.nil());
        }),
        message("j 5,000 atoms", |out| {
            out.list_header(5000);
            (0..5000).for_each(|number| {
                out.atom(&Atom::new(format!("atom_number_{}", number % 97)).unwrap())
            });
            out.nil();
        }),
        message("i2 text as code points", |out| {
            out.list_header(100);
            for _ in 0..100 {
                out.list_header(20);
                (0..20).for_each(|at| out.integer(0x3b1 + at));
                out.nil();
            }
            out.nil();
        }),
    ]
}

fn message(name: &'static str, write: impl FnOnce(&mut Encoder<'_>)) -> Message {
    let mut bytes = vec![131];
    write(&mut Encoder::new(&mut bytes));
    let payload = Encoded::new(Bytes::from(bytes.clone()).slice(1..), None);
    Message { name, bytes, payload }
}

/// Who calls.
pub(crate) fn pid() -> Pid {
    Pid::new(Atom::from_static("nonode@nohost"), 85, 0, 0)
}

/// `{call, Pid, {foo, 42}}`.
fn small_call(out: &mut Encoder<'_>) {
    out.tuple_header(3);
    out.atom(&Atom::from_static("call"));
    out.pid(&pid());
    out.tuple_header(2);
    out.atom(&Atom::from_static("foo"));
    out.integer(42);
}

/// `{'$gen_call', {Pid, [alias | Ref]}, {add, 2}}`.
fn gen_call(out: &mut Encoder<'_>) {
    out.tuple_header(3);
    out.atom(&Atom::from_static("$gen_call"));
    out.tuple_header(2);
    out.pid(&pid());
    out.list_header(1);
    out.atom(&Atom::from_static("alias"));
    out.reference(
        &Reference::new(Atom::from_static("server@worker"), 0, &[1, 2, 3, 4, 5]).unwrap(),
    );
    out.tuple_header(2);
    out.atom(&Atom::from_static("add"));
    out.integer(2);
}

/// Atom keys in ascending order, as OTP 25 keeps them; values of all everyday kinds.
fn map_of(out: &mut Encoder<'_>, keys: usize) {
    out.map_header(keys);
    for key in 0..keys {
        out.atom(&Atom::new(format!("key_{key:02}")).unwrap());
        match key % 5 {
            0 => out.integer(key as i64),
            1 => out.binary(b"some text"),
            2 => out.float(1.5),
            3 => out.atom(&Atom::from_static("active")),
            _ => {
                out.tuple_header(5);
                out.atom(&Atom::from_static("point"));
                (0..4).for_each(|value| out.integer(1000 * value));
            }
        }
    }
}

/// `[{user, Id, <<"name">>, 0.5, true, {score, 7}}, ...]`.
fn records(out: &mut Encoder<'_>) {
    out.list_header(1000);
    for id in 0..1000 {
        out.tuple_header(6);
        out.atom(&Atom::from_static("user"));
        out.integer(id * 1000);
        out.binary(format!("user number {id:04}").as_bytes());
        out.float(id as f64 / 2.0);
        out.atom(&Atom::from_static("true"));
        out.tuple_header(2);
        out.atom(&Atom::from_static("score"));
        out.integer(7);
    }
    out.nil();
}
