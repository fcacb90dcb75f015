//! A hidden Erlang node in Rust.

pub mod carrier;
pub mod proto;
pub mod cookie;
pub mod name;
