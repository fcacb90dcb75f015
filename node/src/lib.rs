//! A hidden Erlang node in Rust.

pub mod carrier;
pub mod proto;
pub mod config;
pub mod cookie;
pub mod epmd;
pub mod error;
pub mod name;
