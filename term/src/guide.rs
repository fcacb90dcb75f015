//! Terms in Rust, for people who know Erlang.
//!
//! # What is what
//!
//! | Erlang | Rust |
//! | --- | --- |
//! | `{ok, 42}` | `term!({ok, 42})`, or `("ok".into_atom(), 42)`, or an enum's `Ok(42)` |
//! | `[1, 2 \| T]` | `term!([1, 2 \| t])` |
//! | `#{name => <<"x">>}` | `term!(#{name => "x"})`, or a struct with `name: String` |
//! | `"abc"` (a list) | `Term::charlist("abc")`, or `String` with `#[serde(with = "term::serde::charlist")]` |
//! | `<<"abc">>` | `"abc"`, `&[u8]`, `Bytes` |
//! | `ok` | `term!('ok)`, `"ok".into_atom()` |
//! | `undefined` | `None` |
//! | `self()`, `make_ref()` | [`Pid`](crate::Pid), [`Reference`](crate::Reference): usable inside any type |
//! | `case Msg of ... end` | [`match_term!`](crate::match_term!) |
//! | `X =:= Y` | `x == y` |
//! | `X == Y`, `X < Y` | [`order::equal`](crate::order::equal), [`order::compare`](crate::order::compare) |
//! | `term_to_binary(X)` | [`Term::encode_to_vec`](crate::Term::encode_to_vec), [`to_bytes`](crate::to_bytes) |
//! | `binary_to_term(B)` | [`Term::decode`](crate::Term::decode), [`from_bytes`](crate::from_bytes) |
//! | `element(1, T)`, `maps:get(k, M)` | `t.element(0)`, `m.get("k")` |
//! | `io:format("~0p", [X])` | `println!("{x}")` |
//!
//! # Prefer types
//!
//! A message that has a shape is best a Rust type: the compiler knows it, nothing is built in between, and what does not fit is named.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use term::{Pid, term};
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq)]
//! #[serde(rename_all = "snake_case")]
//! enum Message {
//!     Call(Pid, Request), // {call, Pid, Request}
//!     Stop,               // stop
//! }
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq)]
//! #[serde(rename_all = "snake_case")]
//! enum Request {
//!     Add(i64, i64),                        // {add, 1, 2}
//!     Find { name: String, max: Option<u32> }, // {find, #{name => <<"x">>, max => undefined}}
//! }
//!
//! let message: Message = term::from_term(&term!('stop)).unwrap();
//! assert_eq!(message, Message::Stop);
//! ```
//!
//! The whole table, records, proplists and Elixir structs included, is in [`serde`](crate::serde).
//!
//! # Where there is no type
//!
//! ```
//! use term::{match_term, term};
//! let message = term!({'ignored, 1});
//! let text = match_term!(message, {
//!     {ok, n @ i64} => format!("a number, {n}"),
//!     {error, reason} => format!("an error, {reason}"),
//!     other => format!("something else, {other}"),
//! });
//! assert_eq!(text, "something else, {ignored,1}");
//! ```
//!
//! A `Term` shares the message it came in: cloning it, or taking a part with `to_term`, copies nothing (a small part of a large message is copied, so that it
//! does not keep the rest alive). Atoms need no table: they live as long as someone holds them, and a peer can fill nothing.
//!
//! # What differs from Erlang
//!
//! * `Ord` on terms is exact: `1` comes before `1.0`, which is not equal to it. Erlang's own order is in [`order`](mod@crate::order).
//! * `0.0` and `-0.0` are two terms, as since OTP 27.
//! * Closures cannot be called here; they can be kept, compared and sent back. So can terms in a node's own encoding.
//! * Strings in Rust are binaries in Erlang. Lists of code points have to be asked for.
