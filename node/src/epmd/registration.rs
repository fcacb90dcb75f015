//! This node's entry at epmd: found a place for at start, and kept for as long as the node lives.
//!
//! An epmd forgets a node when the connection it registered on closes, so when that happens the epmd is gone, and the
//! node registers again as soon as one answers: with the same creation, which is in its pids already. In mode `auto` the
//! node serves an epmd itself when none has come back for some seconds.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::client::{Client, EpmdFailure, Family};
use super::server::Server;
use super::table::HeldName;
use crate::config::{Config, EpmdMode};
use crate::error::StartError;
use crate::proto::epmd::{self, Alive2Response, NodeType};

/// How long epmd may take over a registration, as `erl_epmd` waits.
const TIMEOUT: Duration = Duration::from_secs(10);
/// At start, in mode `auto`: how often we look again when the port is neither epmd's nor free, because another node
/// that starts at this moment, or an epmd that ends, has it. A second in all.
const START_TRIES: u32 = 10;
const START_PAUSE: Duration = Duration::from_millis(100);
/// Between attempts to register again: soon at first, and then once a second for ever, which costs nothing on the
/// loopback interface and means that a node is found a second after its epmd is back.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// For so long nobody may listen on epmd's port before a node in mode `auto` serves one itself. An epmd that somebody
/// restarts is back by then; should we have its place, it cannot start, says that one is running, and it is right.
const TAKE_OVER_AFTER: Duration = Duration::from_secs(10);
/// How long an epmd may take to see that we leave.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(500);

/// Which epmd knows a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EpmdKind {
    /// One that somebody else runs.
    External,
    /// One that this process serves.
    Embedded,
    /// None.
    None,
}

/// The word in the ready line.
impl fmt::Display for EpmdKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::External => "external",
            Self::Embedded => "embedded",
            Self::None => "none",
        })
    }
}

/// A node's entry at epmd. Dropping it takes the entry out, [`Registration::withdraw`] also waits until it is.
pub struct Registration {
    creation: u32,
    kind: watch::Receiver<EpmdKind>,
    keeper: Option<JoinHandle<()>>,
    stop: DropGuard,
}

impl Registration {
    /// Makes a node known that accepts connections on `port`, as its settings say where.
    ///
    /// Needs a tokio runtime, on which a task then keeps the entry alive.
    ///
    /// # Errors
    /// When the name is taken, or there is no epmd where these settings need one: see [`StartError`].
    pub async fn announce(config: &Config, port: u16) -> Result<Self, StartError> {
        let stop = CancellationToken::new();
        if config.epmd == EpmdMode::None {
            let (_, kind) = watch::channel(EpmdKind::None);
            return Ok(Self {
                creation: random_creation()?,
                kind,
                keeper: None,
                stop: stop.drop_guard(),
            });
        }
        let node_type = if config.hidden { NodeType::Hidden } else { NodeType::Normal };
        let node = epmd::Registration::new(config.name.alive(), port, node_type)
            .map_err(|error| StartError::Setting(error.to_string()))?;
        let announcer = Announcer {
            node,
            mode: config.epmd,
            port: config.epmd_port,
            interface: config.interface,
            client: Client::new(config.epmd_port).with_timeout(TIMEOUT),
        };
        let (place, creation) = announcer.start().await?;
        let (show, kind) = watch::channel(place.kind());
        let keeper = announcer.keep(place, show, stop.clone());
        Ok(Self { creation, kind, keeper: Some(tokio::spawn(keeper)), stop: stop.drop_guard() })
    }

    /// What epmd gave this life of the node: 32 bits from an epmd of today, 1 to 3 from one of long ago.
    #[must_use]
    pub fn creation(&self) -> u32 {
        self.creation
    }

    /// Which epmd knows the node at present.
    #[must_use]
    pub fn kind(&self) -> EpmdKind {
        *self.kind.borrow()
    }

    /// Takes the entry out, and waits until epmd has seen it: half a second at most.
    pub async fn withdraw(self) {
        let Self { keeper, stop, .. } = self;
        drop(stop);
        if let Some(keeper) = keeper {
            // It ends by itself; had it panicked, its connection would be closed all the same.
            let _ = keeper.await;
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("creation", &self.creation)
            .field("kind", &self.kind())
            .finish()
    }
}

/// A creation for a node that no epmd gives one: 4 or more, as 0 to 3 have meanings of old.
fn random_creation() -> Result<u32, StartError> {
    let random =
        getrandom::u32().map_err(|error| StartError::Randomness(io::Error::other(error)))?;
    Ok(random.max(4))
}

/// Where the entry is.
enum Place {
    /// Held by this connection.
    At(TcpStream),
    /// In our own table.
    Ours(Server, HeldName),
}

impl Place {
    fn kind(&self) -> EpmdKind {
        match self {
            Self::At(_) => EpmdKind::External,
            Self::Ours(..) => EpmdKind::Embedded,
        }
    }

    /// Waits until the epmd is gone; our own never is.
    async fn lost(&mut self) {
        match self {
            Self::At(stream) => {
                let mut byte = [0];
                // epmd never writes here again: whatever comes is the end.
                let _ = stream.read(&mut byte).await;
            }
            Self::Ours(..) => std::future::pending().await,
        }
    }

    async fn leave(self) {
        match self {
            Self::At(mut stream) => {
                // epmd closes its side when it has taken the name out.
                let left = async {
                    stream.shutdown().await?;
                    stream.read(&mut [0]).await
                };
                let _ = timeout(LEAVE_TIMEOUT, left).await;
            }
            Self::Ours(server, name) => {
                drop(name);
                if server.registered() > 0 {
                    tracing::warn!(
                        target: "cnode::epmd",
                        registered = server.registered(),
                        "our epmd ends with this node; nodes registered at it cannot be looked up until they restart"
                    );
                }
            }
        }
    }
}

/// Everything that registering, and registering again, needs.
struct Announcer {
    node: epmd::Registration,
    mode: EpmdMode,
    port: u16,
    interface: IpAddr,
    client: Client,
}

/// What came of one attempt at an epmd that somebody else runs.
enum Attempt {
    Registered(TcpStream, u32),
    Taken(SocketAddr),
    /// Nobody listens.
    Nobody(io::Error),
    /// Somebody does, who does not answer as epmd.
    Failed(SocketAddr, EpmdFailure),
}

impl Announcer {
    async fn start(&self) -> Result<(Place, u32), StartError> {
        if self.mode == EpmdMode::Embedded {
            return self.serve();
        }
        let mut tries = START_TRIES;
        loop {
            tries -= 1;
            match self.attempt().await {
                Attempt::Registered(stream, creation) => return Ok((Place::At(stream), creation)),
                Attempt::Taken(epmd) => return Err(self.taken(epmd)),
                Attempt::Nobody(error) if self.mode == EpmdMode::External => {
                    return Err(StartError::NoEpmd { port: self.port, error });
                }
                Attempt::Nobody(_) => match self.serve() {
                    Err(StartError::EpmdPortTaken { .. }) if tries > 0 => {}
                    served => return served,
                },
                Attempt::Failed(_, EpmdFailure::Closed | EpmdFailure::Broken(_)) if tries > 0 => {}
                Attempt::Failed(epmd, error) => return Err(StartError::NotEpmd { epmd, error }),
            }
            sleep(START_PAUSE).await;
        }
    }

    fn taken(&self, epmd: SocketAddr) -> StartError {
        StartError::NameTaken { name: self.node.name.clone(), epmd }
    }

    /// Serves an epmd with our name in it before anybody can ask.
    fn serve(&self) -> Result<(Place, u32), StartError> {
        let (server, name) = Server::bind_with(self.port, self.interface, |server| {
            let at = server.addresses().first().copied();
            let at = at.unwrap_or_else(|| SocketAddr::new(self.interface, self.port));
            server.register(self.node.clone()).map_err(|_| self.taken(at))
        })?;
        tracing::info!(target: "cnode::epmd", addresses = ?server.addresses(), "serving epmd");
        let creation = name.creation();
        Ok((Place::Ours(server, name), creation))
    }

    /// Tries the loopback address of our family, then the other's: both lead to the one epmd of this machine.
    async fn attempt(&self) -> Attempt {
        let mut nobody = None;
        for epmd in Family::of(self.interface).loopbacks() {
            let at = SocketAddr::new(epmd, self.port);
            match self.client.register(&self.node, epmd).await {
                Ok((stream, Alive2Response::Registered { creation })) => {
                    return Attempt::Registered(stream, creation);
                }
                Ok((_, Alive2Response::Refused { .. })) => return Attempt::Taken(at),
                Err(EpmdFailure::NoConnection { error, .. }) => {
                    nobody.get_or_insert(error);
                }
                Err(failure) => return Attempt::Failed(at, failure),
            }
        }
        Attempt::Nobody(nobody.unwrap_or_else(|| io::ErrorKind::NotConnected.into()))
    }

    /// Keeps the entry alive until told to stop, and takes it out then.
    async fn keep(self, mut place: Place, show: watch::Sender<EpmdKind>, stop: CancellationToken) {
        while stop.run_until_cancelled(place.lost()).await.is_some() {
            tracing::warn!(target: "cnode::epmd", port = self.port, "epmd is gone; registering again as soon as one answers");
            match stop.run_until_cancelled(self.again()).await {
                Some(found) => place = found,
                None => return,
            }
            tracing::info!(target: "cnode::epmd", epmd = %place.kind(), "registered again");
            show.send_replace(place.kind());
        }
        place.leave().await;
    }

    async fn again(&self) -> Place {
        let mut pause = FIRST_PAUSE;
        let mut nobody_since: Option<Instant> = None;
        // Each obstacle is said once, not once a second.
        let mut said = None;
        loop {
            let obstacle = match self.attempt().await {
                Attempt::Registered(stream, _) => return Place::At(stream),
                Attempt::Nobody(_) => {
                    let since = *nobody_since.get_or_insert_with(Instant::now);
                    if self.mode == EpmdMode::Auto
                        && since.elapsed() >= TAKE_OVER_AFTER
                        && let Ok((place, _)) = self.serve()
                    {
                        return place;
                    }
                    None
                }
                Attempt::Taken(_) => {
                    nobody_since = None;
                    Some("another node has registered our name meanwhile; trying on")
                }
                Attempt::Failed(..) => {
                    nobody_since = None;
                    Some("what listens on epmd's port does not answer as epmd; trying on")
                }
            };
            if obstacle.is_some() && obstacle != said {
                tracing::warn!(target: "cnode::epmd", name = %self.node.name, port = self.port, "{}", obstacle.unwrap_or_default());
                said = obstacle;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}
