//! An integer as Erlang has them: of any size.

use num_bigint::BigInt;
use serde::{Deserialize, Serialize};

/// An integer of any size, inside message types.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Integer(#[serde(with = "term::serde::big_integer")] pub BigInt);
