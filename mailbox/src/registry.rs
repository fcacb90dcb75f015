//! Registered names, with OTP's rules: one name a process, one process a name, `undefined` is nobody's.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use term::Atom;

use crate::cell::{Cell, Stage};
use crate::error::{RegisterError, UnregisterError};
use crate::ids::Number;
use crate::sync::RwLock;

/// From names to processes. Each message to a name looks here, where std's hashing took longer than the rest; what that guards against
/// is keys that a stranger puts in, and a peer only asks for names.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<HashMap<Atom, Number, RandomState>>);

impl Names {
    /// `register/2`; `cell` is the process, if it is alive and local.
    pub(crate) fn register(
        &self,
        name: Atom,
        cell: Option<&Arc<Cell>>,
    ) -> Result<(), RegisterError> {
        if name == "undefined" {
            return Err(RegisterError::Undefined);
        }
        let Some(cell) = cell else { return Err(RegisterError::NoProcess) };
        // The names first, then the process: so that an end either finds the name or comes before it.
        let mut names = self.0.write();
        if names.contains_key(&name) {
            return Err(RegisterError::Taken(name));
        }
        let mut state = cell.lock();
        if state.stage() != Stage::Alive {
            return Err(RegisterError::NoProcess);
        }
        let relations = state.relations_mut();
        if let Some(has) = &relations.name {
            return Err(RegisterError::HasName(has.clone()));
        }
        relations.name = Some(name.clone());
        names.insert(name, cell.number());
        Ok(())
    }

    /// `unregister/1`; `find` gives the process of a number.
    pub(crate) fn unregister(
        &self,
        name: &Atom,
        find: impl FnOnce(Number) -> Option<Arc<Cell>>,
    ) -> Result<(), UnregisterError> {
        let mut names = self.0.write();
        let Some(number) = names.remove(name) else { return Err(UnregisterError(name.clone())) };
        if let Some(cell) = find(number)
            && let Some(relations) = cell.lock().known_relations_mut()
        {
            relations.name = None;
        }
        Ok(())
    }

    /// The process of this name has ended.
    pub(crate) fn forget(&self, name: &Atom, number: Number) {
        let mut names = self.0.write();
        if names.get(name) == Some(&number) {
            names.remove(name);
        }
    }

    pub(crate) fn whereis(&self, name: &Atom) -> Option<Number> {
        self.0.read().get(name).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().len()
    }

    pub(crate) fn all(&self) -> Vec<Atom> {
        self.0.read().keys().cloned().collect()
    }
}
