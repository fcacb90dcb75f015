//! What ties processes to others, counted: for those who look for what should have been forgotten.

use crate::runtime::Runtime;

/// A count of [`Runtime::ties`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ties {
    /// Ends of links: two for a link between two processes here.
    pub links: usize,
    /// Monitors that processes here have of others.
    pub monitors: usize,
    /// Monitors that others have of processes here.
    pub watchers: usize,
    /// Active aliases.
    pub aliases: usize,
    /// Timers that end with their process, and have not fired.
    pub timers: usize,
    /// Nodes that a process monitors, each counted once, and processes that monitor all nodes.
    pub node_monitors: usize,
    /// Spawn requests without their reply.
    pub spawn_requests: usize,
    /// Processes that connections which are up have to remember for their end, each counted once a connection.
    pub carried: usize,
    /// Monitors by name that came over connections which are up.
    pub carried_names: usize,
}

impl Runtime {
    /// Counts what ties the processes here to each other and to those of other nodes. Looks at every process, one after the
    /// other: to be asked now and then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use mailbox::{Process, Runtime, Ties};
    /// # let runtime = Runtime::new(term::IntoAtom::into_atom("rust@host"), 1);
    /// let (one, other) = (runtime.attach()?, runtime.attach()?);
    /// one.link(&other.pid());
    /// assert_eq!(runtime.ties().links, 2);
    /// drop(other);
    /// assert_eq!(runtime.ties(), Ties::default());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ties(&self) -> Ties {
        let mut ties = Ties::default();
        for cell in self.table().all() {
            let state = cell.lock();
            // A call under way is a monitor and an alias.
            let asking = usize::from(cell.asking().is_any());
            ties.monitors += asking;
            ties.aliases += asking;
            let Some(relations) = state.relations() else { continue };
            ties.links += relations.links.len();
            ties.monitors += relations.monitors.len();
            ties.watchers += relations.watchers.len();
            ties.aliases += relations.aliases.len();
            ties.timers += relations.timers.len();
            ties.node_monitors += relations.node_monitors.len();
            ties.spawn_requests += relations.spawns.len();
        }
        ties.node_monitors += self.nodes_board().subscribed();
        for connection in self.nodes_board().connected() {
            let (processes, names) = connection.load();
            ties.carried += processes;
            ties.carried_names += names;
        }
        ties
    }
}
