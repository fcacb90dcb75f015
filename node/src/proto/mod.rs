//! The distribution protocol without I/O: bytes and a `now` in, events and bytes out.
//!
//! Nothing here opens a socket, waits, or reads a clock, and a test keeps it so. The files in the order in which a
//! connection meets them:
//!
//! | file | what |
//! | --- | --- |
//! | `epmd` | requests and answers of the name server |

pub mod atom_cache;
pub mod control;
pub mod dist_header;
pub mod epmd;
pub mod flags;
pub mod fragment;
pub mod frame;
pub mod handshake;
pub mod receive;
pub mod tick;

#[cfg(test)]
mod recordings;
