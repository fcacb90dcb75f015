//! A hidden Erlang node in Rust.
