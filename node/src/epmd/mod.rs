//! epmd, the mapping from node names to ports: asking one, being known to one, serving one.
//!
//! | file | what |
//! | --- | --- |
//! | `client` | lookups and listings, each under one deadline |
//! | `registration` | this node's entry: found a place for at start, kept for life |
//! | `server` | an epmd within this process: listeners, requests, what is refused |
//! | `table` | what a served epmd knows: names, creations |
//!
//! The messages themselves are in [`crate::proto::epmd`].

mod client;
mod registration;
mod server;
mod table;

pub(crate) use client::resolve;
pub use client::{Client, EpmdFailure, Family, LocateError};
pub use registration::{EpmdKind, Registration};
pub use server::Server;
pub use table::{HeldName, RegisterError};
