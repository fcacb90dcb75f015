//! Between the wire and its meaning: control messages to signals and back, one file each way, both total.
//!
//! | file | what |
//! | --- | --- |
//! | `inbound` | [`Message`](crate::proto::receive::Message) to [`Signal`](mailbox::Signal) |
//! | `outbound` | [`Signal`](mailbox::Signal) to control message and payload, in the form that the peer's flags ask for |

mod inbound;
mod outbound;

#[cfg(test)]
mod tests;

pub use inbound::{BadReason, inbound};
pub use outbound::{Outgoing, Withheld, outbound};
