//! `echo`: answers `{From, Term}` with `{echo, Term}`, in both example nodes.

use node::{Dest, Exit, IntoAtom as _, Payload, Process, Term};

/// A process that sends back what it is sent, and passes over what it does not understand.
///
/// # Errors
/// Never of itself: only when an exit signal ends it.
pub async fn echo(mut process: Process) -> Exit {
    loop {
        let message: Payload = process.receive().await?;
        let Ok((from, body)) = message.read::<(Dest, Term)>() else { continue };
        process.send(from, ("echo".into_atom(), body));
    }
}
