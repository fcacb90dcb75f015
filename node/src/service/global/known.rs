//! The other nodes of our partition, each with the version of the protocol that it speaks.

use std::collections::BTreeMap;

use term::{Atom, Term, TermRef};

/// The version of a node that was told of without one (`add_to_known`).
const UNKNOWN: i64 = 0;

#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<Atom, i64>);

impl Known {
    pub(super) fn contains(&self, node: &Atom) -> bool {
        self.0.contains_key(node)
    }

    pub(super) fn insert(&mut self, node: Atom, version: i64) {
        let known = self.0.entry(node).or_insert(version);
        if *known == UNKNOWN {
            *known = version;
        }
    }

    pub(super) fn remove(&mut self, node: &Atom) {
        self.0.remove(node);
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Atom> {
        self.0.keys()
    }

    /// `[Node]`.
    pub(super) fn names(&self) -> Term {
        self.0.keys().map(Term::from).collect()
    }

    /// `[{Node, Version}]`, as nodes of version 7 and later tell one another: those of OTP 25.
    pub(super) fn versions(&self) -> Term {
        versions(&self.0.iter().map(|(node, version)| (node.clone(), *version)).collect::<Vec<_>>())
    }

    /// `#{Node => Version}`.
    pub(super) fn to_map(&self) -> Term {
        Term::map(self.0.iter().map(|(node, version)| (Term::from(node), Term::from(*version))))
    }
}

/// `[{Node, Version}]`.
pub(super) fn versions(nodes: &[(Atom, i64)]) -> Term {
    nodes.iter().map(|(node, version)| Term::from((node, *version))).collect()
}

/// A list of nodes from another: their names, or `{Name, Version}`. What is neither is passed over.
pub(super) fn listed(list: TermRef<'_>) -> Vec<(Atom, i64)> {
    let one = |node: TermRef<'_>| {
        let Some(pair) = node.as_tuple() else { return Some((node.as_atom()?.to_atom(), UNKNOWN)) };
        Some((pair.get(0)?.as_atom()?.to_atom(), pair.get(1)?.as_i64()?))
    };
    list.as_list().map(|list| list.iter().filter_map(one).collect()).unwrap_or_default()
}

/// The same without their versions.
pub(super) fn names(list: TermRef<'_>) -> Vec<Atom> {
    listed(list).into_iter().map(|(name, _)| name).collect()
}
