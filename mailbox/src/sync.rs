//! The locks: std's, or shuttle's where interleavings are checked.
//!
//! A panic never leaves a state of ours half changed (user code does not run under these locks), so poison is ignored.

#[cfg(not(mailbox_shuttle))]
use std::sync as primitives;

#[cfg(mailbox_shuttle)]
use shuttle::sync as primitives;

pub(crate) use primitives::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// A mutual exclusion lock without poison.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(primitives::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(primitives::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A readers-writer lock without poison.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(primitives::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(primitives::RwLock::new(value))
    }

    #[inline]
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    #[inline]
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
