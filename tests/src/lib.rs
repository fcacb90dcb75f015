//! Tests against real BEAM nodes: what starts them, what drives them, what ends them.
//!
//! What must hold is written in Erlang (`tests/erl/*_suite.erl`, one function a case), as a user of the node sees it, and
//! runs on every OTP release found here; what an Erlang node cannot do (start with wrong options, speak garbage) is written
//! in Rust. Either way the node under test is a program of its own, started as a user starts it.
//!
//! ```text
//! #[test] > scene::Scene > node::start_node     the sidecar or puppet example, in a process group of its own
//!                        > epmd::start_epmd     a private epmd: no test sees another's names
//!                        > suite::run           a BEAM that runs one suite: prints `@ok case`, `@FAILED case ..`,
//!                                               and asks the scene for what only it can do (`@ask start ..`)
//! ```
//!
//! | file | what lives there |
//! | --- | --- |
//! | `otp` | the Erlang releases of this machine, and a command line for each |
//! | `carrier` | what the nodes talk over, and certificates |
//! | `compile` | the Erlang suites, compiled by each release |
//! | `group` | a child process group: output kept, deadlines, killed on drop |
//! | `log` | a child's output by lines, waited for with a deadline |
//! | `janitor` | ends every group left when the test process itself is killed |
//! | `scene` | one test's world: directory, epmd port, nodes |
//! | `epmd` | private epmd daemons, and epmd's requests made by hand |
//! | `node` | the examples: built, found, started, their ready line read |
//! | `suite` | one Erlang suite run to its end, its cases counted |
//! | `ask` | what a running suite may ask the scene to do |
//! | `door` | where a node is reached, and a blocking socket to it, over each carrier |
//! | `peer` | a hand-made peer: handshake, frames, control messages |
//! | `proxy` | the network between two nodes: silence, delay, slow lines, resets |
//! | `hostile` | a node that must survive, and what is sent to it |
//! | `bytes` | external-format bytes written by hand |
//!
//! To try one thing: `CNODE_TEST_CASES=foo_adds_one cargo test -p tests --test sidecar any_answers`. To run the
//! same suites against another program that keeps the contract: `CNODE_TEST_SIDECAR=/path` or `CNODE_TEST_PUPPET=/path`.

mod ask;
pub mod bytes;
pub mod carrier;
mod compile;
pub mod door;
pub mod epmd;
pub mod group;
pub mod hostile;
mod janitor;
pub mod log;
pub mod node;
pub mod otp;
pub mod peer;
pub mod proxy;
pub mod scene;
pub mod suite;
