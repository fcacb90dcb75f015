//! epmd, both as we ask one and as we serve one, against the `erl` and `epmd` of every OTP release found here.
//!
//! | file | what |
//! | --- | --- |
//! | `erl` | starting Erlang nodes and our server, each a process of its own on a private port |
//! | `server` | real nodes at the epmd we serve |
//! | `registration` | our node at a real epmd, and what it does without one |
//! | `hostile` | strangers who send garbage, drip, hold connections, or ask for what is not theirs |

#![allow(clippy::unwrap_used, reason = "what a helper here cannot do is a failed test")]

mod erl;
mod hostile;
mod registration;
mod server;
