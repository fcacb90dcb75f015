//! What an exported function prints: to the group leader of the one who called it (the guide "The Erlang I/O Protocol").

use term::{Term, term};

use super::{Exception, Invocation};

impl Invocation {
    /// Prints text where the caller's `io:put_chars/1` would, and waits until that is done.
    ///
    /// # Errors
    /// As `io` raises them: `terminated` if there is no group leader any longer, or what it answers.
    pub async fn print(&mut self, text: &str) -> Result<(), Exception> {
        let process = &mut self.process;
        let leader = process.group_leader();
        let monitor = process.monitor(&leader);
        let put_chars = term!({put_chars, 'unicode, text});
        process.send(&leader, term!({io_request, process.pid(), &monitor, put_chars}));
        let answered = process.receive_match(|message| {
            let parts = message.as_tuple()?;
            let (word, reference) = (parts.get(0)?, parts.get(1)?.as_reference()?);
            if reference != monitor {
                return None;
            }
            if parts.len() == 3 && word.is_atom("io_reply") {
                return Some(Some(parts.get(2)?.to_term()));
            }
            word.is_atom("DOWN").then_some(None)
        });
        let answered = answered.await.map_err(|reason| Exception::Exit(reason.into_term()))?;
        process.demonitor_flush(&monitor);
        match answered {
            Some(answer) if answer.is_atom("ok") => Ok(()),
            Some(answer) => {
                Err(Exception::Error(answer.element(1).map_or_else(|| answer.clone(), Term::from)))
            }
            None => Err(Exception::Error(term!('terminated))),
        }
    }
}
