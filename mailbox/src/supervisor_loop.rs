//! The loop of a supervisor: ends of children, commands of the program, questions of the cluster.

use std::future::poll_fn;
use std::task::Poll;

use term::{Atom, Pid, Term, term};
use tokio::sync::{mpsc, oneshot};

use crate::call_parts::Parts;
use crate::caller::Caller;
use crate::error::{Exit, Reason};
use crate::mailbox::Found;
use crate::payload::Payload;
use crate::process::Process;
use crate::queue::{Message, System as Signal};
use crate::received::Received;
use crate::server_report::terminating;
use crate::server_start::Ack;
use crate::supervisor::{Strategy, Supervisor};
use crate::supervisor_children::{Children, Outcome};
use crate::supervisor_handle::{ChildState, Command};
use crate::supervisor_questions::milliseconds;
use crate::sys::{self, Flow, System};
use crate::sys_debug::{Debug, Event};

type Commands = Option<mpsc::Receiver<Command>>;

/// What woke the supervisor.
enum Woken {
    Message(Message),
    Command(Command),
    Doomed,
}

/// Runs a supervisor: starts its children, says so, and looks after them until it is to end.
pub(crate) async fn run(
    process: Process,
    supervisor: Supervisor,
    parent: Option<Pid>,
    mut commands: Commands,
    ack: Option<oneshot::Sender<Ack>>,
) -> Exit {
    process.trap_exit(true);
    let mut children = Children::new(process, supervisor);
    children.start_all().await?;
    if let Some(ack) = ack {
        // Whoever started it may be gone.
        let _ = ack.send(Ack::Ready);
    }
    let reason = loop {
        let event = poll_fn(|cx| match poll_command(&mut commands, cx) {
            Poll::Ready(command) => Poll::Ready(Woken::Command(command)),
            Poll::Pending => {
                children.process.mailbox.poll_next(cx, None).map(|found| match found {
                    Found::It(message) => Woken::Message(message),
                    Found::TimedOut | Found::Doomed => Woken::Doomed,
                })
            }
        });
        match event.await {
            Woken::Command(command) => children.command(command).await,
            Woken::Doomed => return Err(children.process.why()),
            Woken::Message(message) => {
                if let Some(reason) = children.message(message, parent.as_ref()).await {
                    break reason;
                }
            }
        }
    };
    terminating(&children.process, &Atom::from_static("supervisor"), &reason);
    children.stop_all().await;
    Err(reason)
}

/// No more come once nobody is left to give one.
fn poll_command(commands: &mut Commands, cx: &mut std::task::Context<'_>) -> Poll<Command> {
    let Some(receiver) = commands else { return Poll::Pending };
    match receiver.poll_recv(cx) {
        Poll::Ready(Some(command)) => Poll::Ready(command),
        Poll::Ready(None) => {
            *commands = None;
            Poll::Pending
        }
        Poll::Pending => Poll::Pending,
    }
}

impl Children {
    /// The reason to end, if there is one now.
    async fn message(&mut self, message: Message, parent: Option<&Pid>) -> Option<Reason> {
        let payload = match message {
            Message::User(payload) => payload,
            Message::Traced(traced) => traced.0,
            Message::System(signal) => return self.signal(*signal, parent).await,
            Message::Wake => return None,
        };
        self.debug.note_message(&self.process, &payload);
        match Parts::of(payload) {
            Parts::Call(from, request) => {
                let caller = Caller::new(from, &self.process);
                if let Some(request) = self.term_of(request) {
                    let reply = self.question(&request).await;
                    if self.debug.is_on() {
                        let state = self.state().unwrap_or_default();
                        let to = caller.to_term();
                        self.debug
                            .note(&self.process, Event::Out { reply: reply.clone(), to, state });
                    }
                    caller.reply(reply);
                }
                None
            }
            Parts::Cast(request) => {
                let request = self.term_of(request)?;
                let outcome = self.tried_again(&request).await;
                self.done(outcome)
            }
            Parts::System(from, request) => {
                let caller = Caller::new(from, &self.process);
                let parent = parent.cloned().unwrap_or_else(|| self.process.pid());
                match sys::handle(self, &parent, caller, request).await {
                    Flow::Go => None,
                    Flow::Terminate(reason) => Some(Reason::new(reason)),
                }
            }
            Parts::Info(_) => {
                tracing::warn!(supervisor = %self.process.pid(), "an unexpected message is ignored");
                self.done(Outcome::Go)
            }
        }
    }

    /// What has come is done with, and there was nothing to reply; the reason to end, if there is one now.
    fn done(&mut self, outcome: Outcome) -> Option<Reason> {
        match outcome {
            Outcome::Over => return Some(Reason::shutdown()),
            Outcome::Go if self.debug.is_on() => {
                let state = self.state().unwrap_or_default();
                self.debug.note(&self.process, Event::NoReply { state });
            }
            Outcome::Go => {}
        }
        None
    }

    async fn signal(&mut self, signal: Signal, parent: Option<&Pid>) -> Option<Reason> {
        if let Signal::Exit { from, reason, .. } = &signal
            && Some(from) == parent
        {
            return Some(Reason::new(reason.clone()));
        }
        if self.debug.is_on() {
            let message = Received::from(signal.clone()).into_term_infallible();
            self.debug.note(&self.process, Event::In(message));
        }
        let outcome = match signal {
            Signal::Exit { from, reason, .. } => self.ended(&from, &reason).await,
            Signal::Down { .. } | Signal::NodeUp(_) | Signal::NodeDown(_) => Outcome::Go,
        };
        self.done(outcome)
    }

    fn term_of(&self, payload: Payload) -> Option<Term> {
        payload.into_term().inspect_err(|error| self.process.undecodable(error)).ok()
    }
}

impl System for Children {
    fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn module(&self) -> Atom {
        Atom::from_static("supervisor")
    }

    fn state(&self) -> Option<Term> {
        let strategy = match self.strategy {
            Strategy::OneForOne => term!('one_for_one),
            Strategy::OneForAll => term!('one_for_all),
            Strategy::RestForOne => term!('rest_for_one),
            Strategy::SimpleOneForOne => term!('simple_one_for_one),
        };
        let children = self.which_children();
        let running = children.iter().filter_map(|child| match &child.state {
            ChildState::Running(pid) => Some(Term::from(pid)),
            ChildState::Stopped | ChildState::Restarting => None,
        });
        let running: Vec<Term> = running.collect();
        Some(term!(#{
            strategy => strategy,
            intensity => self.intensity.restarts(),
            // In seconds, as in the flags of `supervisor`; not all periods are whole ones.
            period => milliseconds(self.intensity.period()) as f64 / 1000.0,
            children => running
        }))
    }

    fn replace_state(&mut self, _: Term) -> Result<(), term::Error> {
        Err(serde::de::Error::custom("the state of a supervisor is not replaced"))
    }

    fn debug(&mut self) -> &mut Debug {
        &mut self.debug
    }

    fn status(&self) -> Vec<Term> {
        // What `supervisor:get_callback_module/1` looks for.
        vec![term!({supervisor, [{(Term::charlist("Callback")), 'supervisor}]})]
    }
}
