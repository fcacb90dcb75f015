//! A hidden Erlang node in Rust.

pub mod proto;
