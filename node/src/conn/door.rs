//! The accept loop: strangers come in, and their number is bounded.
//!
//! A stranger holds a task, a descriptor and a few hundred bytes until it has proved the cookie or its deadline has
//! passed. When there are too many, or no descriptor is left, the one that has waited longest goes: an honest peer needs
//! a millisecond, so who has been there longest is the likeliest to be stalling.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::carrier::{Incoming, Listener};

/// How long to wait after a failed `accept`: descriptors come back when connections end, which no event announces.
const AFTER_FAILURE: Duration = Duration::from_millis(20);

/// Accepts for ever. `greet` is one stranger's handshake; it must end by itself at a deadline. `most` of them are under way at once.
pub(crate) async fn accept_loop<Greet, Done>(
    mut listener: Box<dyn Listener>,
    most: usize,
    greet: Greet,
) where
    Greet: Fn(Incoming) -> Done,
    Done: Future<Output = ()> + Send + 'static,
{
    let mut strangers = Strangers { waiting: VecDeque::new(), most };
    loop {
        match listener.accept().await {
            Ok(incoming) => strangers.admit(greet(incoming)),
            Err(error) => {
                if out_of_descriptors(&error) {
                    strangers.dismiss_oldest();
                }
                tracing::warn!(target: "cnode::conn", listener = %listener.address(), %error, "accept failed; going on");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// Those whose handshake is under way, oldest first. Dropping it ends them all.
struct Strangers {
    waiting: VecDeque<AbortHandle>,
    most: usize,
}

impl Strangers {
    fn admit(&mut self, handshake: impl Future<Output = ()> + Send + 'static) {
        if self.waiting.len() >= self.most {
            self.waiting.retain(|stranger| !stranger.is_finished());
        }
        if self.waiting.len() >= self.most {
            self.dismiss_oldest();
        }
        self.waiting.push_back(tokio::spawn(handshake).abort_handle());
    }

    fn dismiss_oldest(&mut self) {
        self.waiting.retain(|stranger| !stranger.is_finished());
        if let Some(oldest) = self.waiting.pop_front() {
            tracing::debug!(target: "cnode::handshake", "too many strangers: the one that waited longest is dismissed");
            oldest.abort();
        }
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        for stranger in &self.waiting {
            stranger.abort();
        }
    }
}

/// EMFILE and ENFILE have no `io::ErrorKind` of their own.
fn out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::carrier::{Address, Promise};

    /// A listener that answers from a script, then waits for ever.
    #[derive(Debug)]
    struct Scripted(VecDeque<io::Result<()>>);

    impl Listener for Scripted {
        fn address(&self) -> Address {
            Address::Named("scripted".into())
        }

        fn accept(&mut self) -> Promise<'_, io::Result<Incoming>> {
            let next = self.0.pop_front();
            Box::pin(async move {
                match next {
                    None => std::future::pending().await,
                    Some(Err(error)) => Err(error),
                    Some(Ok(())) => Ok(Incoming {
                        peer: Address::Named("stranger".into()),
                        channel: Box::pin(std::future::pending()),
                    }),
                }
            })
        }
    }

    struct Present(Arc<AtomicUsize>);

    impl Drop for Present {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    const MOST: usize = 1_000;

    async fn run(script: impl IntoIterator<Item = io::Result<()>>) -> (usize, usize) {
        let (came, there) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counters = (came.clone(), there.clone());
        let door = tokio::spawn(accept_loop(
            Box::new(Scripted(script.into_iter().collect())),
            MOST,
            move |incoming: Incoming| {
                counters.0.fetch_add(1, Ordering::SeqCst);
                counters.1.fetch_add(1, Ordering::SeqCst);
                let present = Present(counters.1.clone());
                async move {
                    let _present = present;
                    let _ = incoming.channel.await;
                }
            },
        ));
        tokio::time::sleep(Duration::from_secs(1)).await;
        door.abort();
        (came.load(Ordering::SeqCst), there.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_beyond_the_bound_push_out_the_oldest_and_newcomers_are_served() {
        let (came, there) = run((0..MOST + 500).map(|_| Ok(()))).await;
        assert_eq!(came, MOST + 500);
        assert_eq!(there, MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn running_out_of_descriptors_costs_the_oldest_stranger_and_not_the_listener() {
        let script = [Ok(()), Ok(()), Err(io::Error::from_raw_os_error(24)), Ok(())];
        assert_eq!(run(script).await, (3, 2));
    }
}
