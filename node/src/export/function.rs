//! Rust functions as exported ones: their arguments read from terms, their results made terms.

use std::future::Future;
use std::sync::Arc;

use mailbox::Payload;
use serde::Serialize;
use serde::de::DeserializeOwned;
use term::{Term, term};

use super::{Body, Exception, Invocation, Outcome};

/// A Rust function or closure that can be exported: of up to eight arguments, async or not.
///
/// `Marker` tells the kinds of functions apart and is always inferred.
pub trait Function<Marker>: Send + Sync + 'static {
    /// How many arguments it takes, and the function on terms.
    #[doc(hidden)]
    fn into_body(self) -> (usize, Body);
}

/// What an exported function may return.
pub trait Returned<Marker> {
    /// As the caller gets it.
    ///
    /// # Errors
    /// What it raises.
    fn into_outcome(self) -> Outcome;
}

/// A value that serde makes a term of.
#[derive(Debug)]
pub struct Plain;

/// A value, or an exception.
#[derive(Debug)]
pub struct Raising;

impl<T: Serialize + 'static> Returned<Plain> for T {
    fn into_outcome(self) -> Outcome {
        // Also where serde fails for its own reasons: a float that is not finite, say.
        let unsaid = |error: &dyn std::fmt::Display| {
            Exception::Error(term!({'bad_result, error.to_string()}))
        };
        let payload = Payload::new(self).map_err(|error| unsaid(&error))?;
        payload.into_term().map_err(|error| unsaid(&error))
    }
}

impl<T: Serialize + 'static> Returned<Raising> for Result<T, Exception> {
    fn into_outcome(self) -> Outcome {
        self.and_then(<T as Returned<Plain>>::into_outcome)
    }
}

/// Reads the next argument; one of the wrong kind is as a call that no clause takes.
fn argument<T: DeserializeOwned + 'static>(
    arguments: &mut impl Iterator<Item = Term>,
) -> Result<T, Exception> {
    let no_clause = || Exception::Error(term!('function_clause));
    let term = arguments.next().ok_or_else(no_clause)?;
    Payload::from(term).read().map_err(|error| {
        tracing::debug!(target: "cnode::service", %error, "an argument of another kind");
        no_clause()
    })
}

#[doc(hidden)]
#[derive(Debug)]
pub struct Now;

#[doc(hidden)]
#[derive(Debug)]
pub struct Later;

macro_rules! functions {
    ($($argument:ident)*) => {
        #[allow(non_snake_case, unused_mut, unused_variables, reason = "named after their types; there may be none")]
        impl<F, R, M, $($argument),*> Function<(Now, M, fn($($argument),*) -> R)> for F
        where
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
            R: Returned<M>,
            $($argument: DeserializeOwned + Send + 'static,)*
        {
            fn into_body(self) -> (usize, Body) {
                let function = Arc::new(self);
                let body: Body = Arc::new(move |invocation: Invocation| {
                    let function = Arc::clone(&function);
                    Box::pin(async move {
                        let mut arguments = invocation.arguments.into_iter();
                        $(let $argument = argument::<$argument>(&mut arguments)?;)*
                        function($($argument),*).into_outcome()
                    })
                });
                (0 $(+ { stringify!($argument); 1 })*, body)
            }
        }

        #[allow(non_snake_case, unused_mut, unused_variables, reason = "named after their types; there may be none")]
        impl<F, Fut, R, M, $($argument),*> Function<(Later, M, fn($($argument),*) -> R)> for F
        where
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: Returned<M> + 'static,
            $($argument: DeserializeOwned + Send + 'static,)*
        {
            fn into_body(self) -> (usize, Body) {
                let function = Arc::new(self);
                let body: Body = Arc::new(move |invocation: Invocation| {
                    let function = Arc::clone(&function);
                    Box::pin(async move {
                        let Invocation { process, arguments } = invocation;
                        let mut arguments = arguments.into_iter();
                        $(let $argument = argument::<$argument>(&mut arguments)?;)*
                        let returned = function($($argument),*).await;
                        drop(process);
                        returned.into_outcome()
                    })
                });
                (0 $(+ { stringify!($argument); 1 })*, body)
            }
        }
    };
}

functions!();
functions!(A);
functions!(A B);
functions!(A B C);
functions!(A B C D);
functions!(A B C D E);
functions!(A B C D E G);
functions!(A B C D E G H);
functions!(A B C D E G H I);
