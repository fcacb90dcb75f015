//! Text compared with live BEAMs and a live Elixir.

#![allow(clippy::unwrap_used, missing_docs)]

mod beam;
mod bounds;
mod inspect;
mod parse;
mod print;
mod smoke;
