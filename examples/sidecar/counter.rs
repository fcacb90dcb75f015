//! `counter`: a gen_server.

use std::time::Duration;

use examples::Integer;
use node::{Caller, IntoAtom as _, Next, Process, Reply, Server, Term, term};
use serde::Deserialize;

#[derive(Debug, Default)]
pub(crate) struct Counter(Integer);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Call {
    Get,
    Add(Integer),
    Sleep(u64),
    Crash,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cast {
    Set(Integer),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Info {
    Tick,
}

impl Server for Counter {
    type Call = Call;
    type Reply = Integer;
    type Cast = Cast;
    type Info = Info;

    async fn call(&mut self, call: Call, from: Caller, process: &mut Process) -> Reply<Integer> {
        match call {
            Call::Get => Reply::Now(self.0.clone()),
            Call::Add(n) => {
                self.0.0 += n.0;
                Reply::Now(self.0.clone())
            }
            Call::Sleep(ms) => {
                process.detach(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    from.reply("ok".into_atom());
                });
                Reply::Later
            }
            Call::Crash => Reply::Exit(term!({crash, 'requested})),
        }
    }

    async fn cast(&mut self, Cast::Set(n): Cast, _: &mut Process) -> Next {
        self.0 = n;
        Next::Wait
    }

    async fn info(&mut self, Info::Tick: Info, _: &mut Process) -> Next {
        self.0.0 += 1;
        Next::Wait
    }

    fn bad_call(&mut self, request: Term, _: Caller, _: &term::Error) -> Reply<Term> {
        Reply::Exit(term!({bad_call, request}))
    }

    fn bad_cast(&mut self, _: Term, _: &term::Error) -> Next {
        Next::Wait
    }

    fn state(&self) -> Option<Term> {
        term::to_term(&self.0).ok()
    }

    fn replace_state(&mut self, state: Term) -> Result<(), term::Error> {
        self.0 = term::from_term(&state)?;
        Ok(())
    }
}
