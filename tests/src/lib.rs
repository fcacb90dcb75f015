//! Starts and stops the real nodes that the tests talk to.
