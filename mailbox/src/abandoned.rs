//! Answers that nobody waits for any longer: thrown away before the next receive, so that they are never seen as messages.
//!
//! Whoever drops a request does not hold the mailbox, and its answer may lie there already, even among what a receive has
//! passed over. So the tag is left here, and the receiver looks.

use std::sync::Arc;

use term::Reference;

use crate::call_answer::look_for_answer;
use crate::mailbox::{Look, Mailbox};
use crate::queue::Message;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// The tags of requests whose answers came before they were dropped.
#[derive(Debug, Default)]
pub(crate) struct Abandoned {
    any: AtomicBool,
    tags: Mutex<Vec<Reference>>,
}

impl Abandoned {
    /// The answer to this request has come, and nothing more can come for it.
    pub(crate) fn add(&self, tag: Reference) {
        self.tags.lock().push(tag);
        self.any.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Whether this is one of them; it is one less then.
    pub(crate) fn is(&self, message: &mut Message) -> bool {
        let mut tags = self.tags.lock();
        let mut wanted = |tag: &Reference| tags.iter().position(|abandoned| abandoned == tag);
        let Look::Take(answer) = look_for_answer(message, &mut wanted, &mut None) else {
            return false;
        };
        tags.swap_remove(answer.key);
        true
    }

    fn take(&self) -> Vec<Reference> {
        let mut tags = self.tags.lock();
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *tags)
    }
}

impl Mailbox {
    /// Throws the answers away that were abandoned. Each is there: it came before its request was dropped.
    #[cold]
    pub(crate) fn throw_abandoned_away(&mut self, abandoned: &Arc<Abandoned>) {
        let tags = abandoned.take();
        let mut wanted = |tag: &Reference| tags.contains(tag).then_some(());
        let mut look = |message: &mut Message| look_for_answer(message, &mut wanted, &mut None);
        while self.select_now(&mut look).is_some() {}
    }
}
