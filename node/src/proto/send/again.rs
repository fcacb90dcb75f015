//! Control messages that come again: most streams of messages are between the same two processes, and what stands in front of
//! each is the same bytes as long as the atoms in it keep their places in the cache.

use term::DecodeError;

use crate::proto::atom_cache::{HeaderAtom, Outbound};
use crate::proto::control::Control;
use crate::proto::rewrite::rewrite;

/// Of so many control messages that are not the one remembered, one is remembered in its place: a stream is known after a few
/// messages, and where many processes send by turns it is seldom that one is kept in vain.
const TURNS: u8 = 4;

/// Writes control messages with their atoms as references into the cache, and remembers one.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// With every atom spelled out, before they are replaced.
    spelled: Vec<u8>,
    control: Option<Control>,
    written: Vec<u8>,
    atoms: Vec<HeaderAtom>,
    /// The state of the cache in which `written` is right.
    state: u64,
    missed: u8,
}

impl Again {
    /// Appends a control message, the first thing since [`Outbound::begin`].
    pub(super) fn write(
        &mut self,
        control: &Control,
        cache: &mut Outbound,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        if self.control.as_ref() == Some(control) && cache.refer_again(&self.atoms, self.state) {
            out.extend_from_slice(&self.written);
            return Ok(());
        }
        let start = out.len();
        self.spelled.clear();
        control.encode(&mut self.spelled);
        rewrite(&self.spelled, &[], cache, out)?;
        self.spelled.shrink_to(super::Parts::KEPT);
        self.missed = (self.missed + 1) % TURNS;
        if self.missed == 0 && is_plain_message(control) {
            self.control = Some(control.clone());
            self.written.clear();
            self.written.extend_from_slice(out.get(start..).unwrap_or_default());
            self.atoms.clear();
            self.atoms.extend_from_slice(cache.header_atoms());
            self.state = cache.state();
        }
        Ok(())
    }
}

/// A message without a trace token: it comes in streams, and two are quickly told apart.
fn is_plain_message(control: &Control) -> bool {
    match control {
        Control::Send { .. }
        | Control::SendSender { .. }
        | Control::RegSend { .. }
        | Control::AliasSend { .. } => true,
        Control::AltactSigSend(signal) => !signal.exit && signal.token.is_none(),
        _ => false,
    }
}
