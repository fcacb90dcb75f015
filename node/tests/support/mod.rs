//! What several test files use.
#![allow(unreachable_pub, dead_code, reason = "each test file is a crate and uses its part")]

pub mod live;
#[path = "../../../examples/memory/carrier.rs"]
pub(crate) mod memory;
pub mod network;
pub mod peer;
