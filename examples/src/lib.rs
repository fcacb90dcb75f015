//! What the example nodes share.
