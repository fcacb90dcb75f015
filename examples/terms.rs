//! Terms: literals, text, parts, bytes, and types of your own. Needs no node; `terms.erl` reads what it writes.
//!
//!     cargo run --release --example terms
use serde::{Deserialize, Serialize};
use term::{Term, View, from_term, term, to_bytes};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Circle(f64),            // {circle, 1.5}
    Rectangle(f64, f64),    // {rectangle, 2.0, 3.0}
    Nothing,                // nothing
    Named { name: String }, // {named, #{name => <<"it">>}}
}

fn main() -> anyhow::Result<()> {
    // A literal: a word at the head of a tuple or for a key is an atom, elsewhere a Rust value; 'word is an atom anywhere.
    let port = 4369;
    let reply = term!({ok, #{name => "rust", ports => [port, port + 1]}, 'undefined});
    println!("{reply}");

    // Its parts, where they lie.
    if let View::Tuple(tuple) = reply.view() {
        let ports = tuple.get(1).and_then(|map| map.get("ports"));
        println!("{} elements, ports {ports:?}", tuple.len());
    }

    // Text, as Erlang reads and prints it; equality and order are Erlang's too.
    let parsed: Term = "[1, 2.0, {three, <<\"3\">>} | tail]".parse()?;
    println!("{parsed} {}", term!([1]) < term!([1.5]));

    // Types: unit variants are atoms, tuple variants tagged tuples, structs maps.
    for text in
        ["{circle, 1.5}", "{rectangle, 2.0, 3.0}", "nothing", "{named, #{name => <<\"it\">>}}"]
    {
        let shape: Shape = from_term(&text.parse()?)?;
        println!("{text} is {shape:?}");
    }
    let wrong = from_term::<Shape>(&term!({circle, "round"}));
    println!("{}", wrong.map_or_else(|error| error.to_string(), |shape| format!("{shape:?}")));

    // Bytes: what binary_to_term/1 takes and term_to_binary/1 makes.
    let file = std::env::temp_dir().join("shapes.etf");
    std::fs::write(&file, to_bytes(&vec![Shape::Circle(1.5), Shape::Nothing])?)?;
    println!(
        "now: erl -noshell -eval '{{ok, B}} = file:read_file({file:?}), io:format(\"~p~n\", [binary_to_term(B)]), halt().'"
    );
    Ok(())
}
