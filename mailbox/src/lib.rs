//! Processes without a network.
