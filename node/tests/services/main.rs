//! Kernel services between Rust nodes of this process and live nodes of every release found here.

#![allow(clippy::unwrap_used, reason = "what a helper here cannot do is a failed test")]

mod clients;
mod cluster;
mod comings_and_goings;
mod global;
mod group_leader;
mod groups;
mod logger;
mod remote;
mod served;
mod supervision;
