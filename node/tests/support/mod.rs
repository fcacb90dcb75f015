//! What several test files use.

pub mod memory;
pub mod peer;
