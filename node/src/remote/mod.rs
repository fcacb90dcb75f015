//! Functions on other nodes, called and started: `erpc`, `rpc`, `spawn/4` and `spawn_request/5` from this side.

mod call;
mod error;
mod multicall;
mod spawn;

pub use call::RemoteCall;
pub use error::RemoteError;
pub use multicall::RemoteCalls;
pub use spawn::{RemoteSpawn, SpawnFailed};
