//! A hidden Erlang node in Rust.

pub mod bridge;
pub mod carrier;
pub mod config;
pub mod cookie;
pub mod epmd;
pub mod error;
pub mod name;
pub mod proto;
