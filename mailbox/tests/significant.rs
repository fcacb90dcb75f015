//! Supervisors that end with their significant children (OTP 24).

#![allow(clippy::unwrap_used, reason = "what is not there fails the test, and says where")]

use std::time::Duration;

use mailbox::{
    AutoShutdown, Child, ChildError, Exit, Process, Reason, Received, Runtime, StartError,
    Supervision, Supervisor,
};
use term::{IntoAtom, Term, term};

const PATIENCE: Duration = Duration::from_secs(10);

fn runtime() -> Runtime {
    Runtime::new("rust@host".into_atom(), 1)
}

/// Ends with whatever it is sent.
async fn mortal(mut process: Process) -> Exit {
    let reason: Term = process.receive().await?;
    Err(Reason::new(reason))
}

fn child(id: &'static str) -> Child {
    Child::process(id, mortal).transient()
}

fn supervisor(when: AutoShutdown) -> Supervisor {
    Supervisor::one_for_one()
        .auto_shutdown(when)
        .intensity(10, PATIENCE)
        .with(child("one").significant())
        .with(child("two").temporary().significant())
        .with(child("other"))
}

/// A supervisor, and a process that watches it.
async fn started(when: AutoShutdown) -> (Runtime, Supervision, Process) {
    let runtime = runtime();
    let supervision = runtime.supervise(supervisor(when)).await.unwrap();
    let me = runtime.attach().unwrap();
    me.monitor(supervision.pid());
    (runtime, supervision, me)
}

async fn down(me: &mut Process) -> Option<Term> {
    match me.receive_timeout(PATIENCE).await.unwrap()? {
        Received::Down { reason, .. } => Some(reason),
        other => panic!("{other:?}"),
    }
}

/// The supervisor has dealt with everything that it was told so far.
async fn goes_on(supervision: &Supervision, me: &mut Process) {
    supervision.count_children().await.unwrap();
    assert!(me.try_receive::<Received>().unwrap().is_none());
}

#[tokio::test]
async fn any_significant_child_takes_the_supervisor_and_its_siblings_with_it() {
    let (runtime, _, mut me) = started(AutoShutdown::AnySignificant).await;
    me.send("one", term!('normal));
    assert_eq!(down(&mut me).await, Some(term!('shutdown)));
    assert_eq!((runtime.whereis("two"), runtime.whereis("other")), (None, None));
}

#[tokio::test]
async fn a_significant_child_that_is_started_again_has_not_ended() {
    let (runtime, supervision, mut me) = started(AutoShutdown::AnySignificant).await;
    let one = runtime.whereis("one").unwrap();
    let ended = me.monitor(&one);
    me.send(&one, term!('crash));
    let Some(Received::Down { reference, .. }) = me.receive_timeout(PATIENCE).await.unwrap() else {
        panic!("it does not end")
    };
    assert_eq!(reference, ended);
    while runtime.whereis("one").is_none_or(|pid| pid == one) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    goes_on(&supervision, &mut me).await;
    // A temporary one is not, whatever it ends with.
    me.send("two", term!('crash));
    assert_eq!(down(&mut me).await, Some(term!('shutdown)));
}

#[tokio::test]
async fn all_significant_children_have_to_end_where_that_is_asked() {
    let (runtime, supervision, mut me) = started(AutoShutdown::AllSignificant).await;
    me.send("one", term!('normal));
    while runtime.whereis("one").is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    goes_on(&supervision, &mut me).await;
    me.send("two", term!('crash));
    assert_eq!(down(&mut me).await, Some(term!('shutdown)));
    assert_eq!(runtime.whereis("other"), None);
}

#[tokio::test]
async fn the_end_of_others_or_by_termination_does_not_count() {
    let (runtime, supervision, mut me) = started(AutoShutdown::AnySignificant).await;
    me.send("other", term!('normal));
    supervision.terminate_child("one").await.unwrap();
    while runtime.whereis("other").is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    goes_on(&supervision, &mut me).await;
}

#[tokio::test]
async fn what_cannot_be_significant_is_refused_as_supervisor_does() {
    let runtime = runtime();
    let refused = |supervisor: Supervisor| async {
        match runtime.supervise(supervisor).await {
            Err(StartError::Stopped(reason)) => reason.into_term(),
            other => panic!("{other:?}"),
        }
    };
    let never = Supervisor::one_for_one().with(child("one").significant());
    assert_eq!(
        refused(never).await,
        term!({start_spec, {bad_combination, [{auto_shutdown, 'never}, {significant, true}]}})
    );
    let any = || Supervisor::one_for_one().auto_shutdown(AutoShutdown::AnySignificant);
    let permanent = Child::process("one", mortal).significant();
    assert_eq!(
        refused(any().with(permanent.clone())).await,
        term!({start_spec, {bad_combination, [{restart, 'permanent}, {significant, true}]}})
    );
    let supervision = runtime.supervise(any()).await.unwrap();
    let error = supervision.start_child(permanent).await.unwrap_err();
    assert!(matches!(error, ChildError::Start(StartError::Stopped(_))), "{error}");
}
