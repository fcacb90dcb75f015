//! The settings of a node, one by one, and the node made of them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use mailbox::Runtime;
use term::Atom;
use tokio::runtime::Handle;

use crate::admission::{Admission, Network};
use crate::carrier::{Address, Carrier, Carriers, Tcp, TcpOptions};
use crate::config::{Config, EpmdMode};
use crate::conn::{self, Bounds, Hub, Table};
use crate::cookie::Cookie;
use crate::discovery::Discovery;
use crate::error::StartError;
use crate::name::NodeName;
use crate::node::Node;
use crate::proto::flags::Flags;
use crate::proto::handshake::LocalNode;
use crate::proto::tick::DEFAULT_NET_TICKINTENSITY;
use crate::service;

/// Over this many queued bytes a connection is busy, and senders that can wait do: OTP's `+zdbbl` of 1 MiB.
pub const BUSY: usize = 1 << 20;

/// What mailboxes may hold of one peer's messages before its socket is read no more: one message of the largest size fits.
pub const UNREAD: usize = 128 << 20;

/// What OTP takes as `net_tickintensity`.
const TICK_INTENSITIES: RangeInclusive<u32> = 4..=1_000;

/// A node to be. Made by [`Node::builder`](crate::Node::builder).
#[must_use = "a node is made by build()"]
pub struct Builder {
    name: Result<NodeName, StartError>,
    cookie: Option<Cookie>,
    cookies: BTreeMap<String, Cookie>,
    places: BTreeMap<String, Address>,
    settings: Vec<Setting>,
    carriers: Vec<Arc<dyn Carrier>>,
    tcp: TcpOptions,
    discovery: Option<Arc<dyn Discovery>>,
    admission: Admission,
    bounds: Bounds,
    tick_intensity: u32,
}

type Setting = Box<dyn FnOnce(&mut Config) + Send>;

impl Builder {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.parse().map_err(StartError::Name),
            cookie: None,
            cookies: BTreeMap::new(),
            places: BTreeMap::new(),
            settings: Vec::new(),
            carriers: Vec::new(),
            tcp: TcpOptions::default(),
            discovery: None,
            admission: Admission::default(),
            bounds: Bounds { busy: BUSY, most: 0, unread: UNREAD },
            tick_intensity: DEFAULT_NET_TICKINTENSITY,
        }
    }

    /// The cookie; without it, the one that `erl` finds or makes in `~/.erlang.cookie`.
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// The cookie shared with one peer, as `erlang:set_cookie/2`.
    pub fn cookie_for(mut self, peer: &str, cookie: Cookie) -> Self {
        self.cookies.insert(peer.to_owned(), cookie);
        self
    }

    /// Takes a name made by [`NodeName::short`] or [`NodeName::long`], where the kind is not to follow from the host.
    pub fn name(mut self, name: NodeName) -> Self {
        self.name = Ok(name);
        self
    }

    /// Joins as a visible node: it shows in `nodes()`, and the cluster connects to whom it connects to. Default: hidden.
    pub fn visible(self, visible: bool) -> Self {
        self.set(move |config| config.hidden = !visible)
    }

    /// Whether a visible node prevents overlapping partitions, as the kernel parameter of that name has it; see
    /// [`Config::prevent_overlapping_partitions`].
    pub fn prevent_overlapping_partitions(self, prevent: bool) -> Self {
        self.set(move |config| config.prevent_overlapping_partitions = prevent)
    }

    /// How peers learn the port.
    pub fn epmd(self, mode: EpmdMode) -> Self {
        self.set(move |config| config.epmd = mode)
    }

    /// The port of epmd here and everywhere; default `ERL_EPMD_PORT`, else 4369.
    pub fn epmd_port(self, port: u16) -> Self {
        self.set(move |config| config.epmd_port = port)
    }

    /// The address to listen on, as `inet_dist_use_interface`; an IPv6 address makes an IPv6 node. Default: all of IPv4.
    pub fn interface(self, interface: IpAddr) -> Self {
        self.set(move |config| config.interface = interface)
    }

    /// The ports to listen on, the lowest free one first, as `inet_dist_listen_min` and `inet_dist_listen_max`. Default: any.
    pub fn ports(self, ports: RangeInclusive<u16>) -> Self {
        self.set(move |config| config.ports = ports)
    }

    /// As `net_ticktime`: a silent peer is given up between 3/4 and 5/4 of it. Default 60 s; 1 s to 100 years.
    pub fn ticktime(self, ticktime: Duration) -> Self {
        self.set(move |config| config.ticktime = ticktime)
    }

    /// As `net_tickintensity`: ticks in a [`Builder::ticktime`]. Default 4; 4 to 1,000, as OTP takes them.
    pub fn tick_intensity(mut self, ticks: u32) -> Self {
        self.tick_intensity = ticks;
        self
    }

    /// For a whole handshake, and for a whole attempt to connect. Default 7 s.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.set(move |config| config.handshake_timeout = timeout)
    }

    /// The largest frame, and the largest message put together from fragments, in bytes. Default 128 MiB; at least 4 KiB.
    pub fn max_frame(self, bytes: usize) -> Self {
        self.set(move |config| {
            config.limits.max_frame = bytes;
            config.limits.reassembly = config.limits.reassembly.max(bytes.saturating_mul(2));
        })
    }

    /// Bytes queued for one peer over which senders that can wait do, as `+zdbbl`. Default [`BUSY`], 1 MiB.
    pub fn busy_limit(mut self, bytes: usize) -> Self {
        self.bounds.busy = bytes;
        self
    }

    /// Bytes queued for one peer, without the largest message among them, over which it counts as one that does not read, and is
    /// disconnected. Default 64 MiB.
    pub fn outbound_limit(self, bytes: usize) -> Self {
        self.set(move |config| config.limits.outbound = bytes)
    }

    /// Bytes of one peer's messages in mailboxes, read by nobody, over which its socket is read no more until they are fewer; other
    /// peers do not notice. Default [`UNREAD`], 128 MiB.
    pub fn unread_limit(mut self, bytes: usize) -> Self {
        self.bounds.unread = bytes;
        self
    }

    /// Capability flags not to offer. What each costs: [`Flags::offer`].
    pub fn without(self, flags: Flags) -> Self {
        self.set(move |config| config.switched_off |= flags)
    }

    /// Where a peer listens, so that no epmd is asked for it.
    pub fn peer_at(mut self, peer: &str, address: SocketAddr) -> Self {
        self.places.insert(peer.to_owned(), address.into());
        self
    }

    /// Any other setting.
    pub fn set(mut self, setting: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.settings.push(Box::new(setting));
        self
    }

    /// A transmission channel. Without one the node speaks TCP; the first takes its place, and each further one is another
    /// listener and another way to peers. Which of them leads to a peer: see [`Carrier`].
    pub fn carrier(mut self, carrier: impl Carrier) -> Self {
        self.carriers.push(Arc::new(carrier));
        self
    }

    /// What can be set about TCP beyond [`Builder::interface`] and [`Builder::ports`], which go before what `options` say of them.
    pub fn tcp(mut self, options: TcpOptions) -> Self {
        self.tcp = options;
        self
    }

    /// What knows where nodes listen, in place of epmd.
    pub fn discovery(mut self, discovery: impl Discovery) -> Self {
        self.discovery = Some(Arc::new(discovery));
        self
    }

    /// Allows connections with a node (`a@host`), or with every node of a host (`host`), and with no others but those that are
    /// allowed too; as `net_kernel:allow/1`. Over TLS the peer's certificate must then be for the host of its name.
    pub fn allow(mut self, node_or_host: &str) -> Self {
        self.admission.allow(node_or_host);
        self
    }

    /// Listens to callers from this network, and to none from networks that are not allowed too.
    pub fn allow_network(mut self, network: Network) -> Self {
        self.admission.allow_network(network);
        self
    }

    /// The node. Outside of an async runtime it brings its own.
    ///
    /// # Errors
    /// If the name is none, no cookie is to be had, settings contradict one another, or the system gives no random numbers.
    pub fn build(self) -> Result<Node, StartError> {
        let (hub, own_runtime) = self.hub()?;
        finish(hub, own_runtime)
    }

    /// A hidden node that has no name of its own, and is given one by `peer`, to which it is connected then (`erl -sname undefined`).
    ///
    /// The builder's name says only on which host the node is and of which kind the name is to be, short or long: what is before the
    /// `@` is left out of account. A name on loan is for those who call and are not called: many short-lived nodes that must
    /// not agree on names. [`Node::listen`] is not needed, and if it is called the name is one like any other.
    ///
    /// OTP forgets such a name with its last connection; here processes, and what others know of them, keep it as long as the
    /// node lives, and a later connection uses it again. It has 32 random bits or more, whoever gave it.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), node::StartError> {
    /// let node = node::Node::builder("undefined").build_named_by("a@myhost").await?;
    /// println!("they call us {}", node.name());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Builder::build`]; if the node is to be visible, which a node with a name on loan cannot be; and if `peer` is not to be
    /// reached, has another cookie, or gives no names (nodes before OTP 23 do not).
    pub async fn build_named_by(self, peer: &str) -> Result<Node, StartError> {
        let (hub, own_runtime) = self.hub()?;
        if !hub.config.hidden {
            return Err(StartError::Setting(
                "a node that is given its name cannot be visible: leave .visible(true) away, or choose a name".to_owned(),
            ));
        }
        let peer = atom(peer)?;
        let given = conn::ask_for_name(&hub, &peer).await.map_err(|why| {
            StartError::NoNameGiven { peer: peer.to_string(), why: why.to_string() }
        })?;
        let hub = hub.renamed(given.name()?, given.full().clone(), given.creation());
        let node = finish(hub, own_runtime)?;
        given.connect(&node.hub);
        Ok(node)
    }

    fn hub(self) -> Result<(Hub, Option<tokio::runtime::Runtime>), StartError> {
        let name = self.name?;
        let cookie = match self.cookie {
            Some(cookie) => cookie,
            None => {
                let (cookie, source) = Cookie::find()?;
                tracing::info!(target: "cnode::conn", %source, "cookie");
                cookie
            }
        };
        let mut config = Config::new(name, cookie)?;
        for setting in self.settings {
            setting(&mut config);
        }
        if let Some(port) =
            self.discovery.as_ref().and_then(|known| known.listen_port(&config.name))
        {
            config.ports = port..=port;
        }
        config.check()?;
        if !TICK_INTENSITIES.contains(&self.tick_intensity) {
            return Err(StartError::Setting(format!(
                "a tick intensity of {}: 4 to 1,000 ticks in a ticktime, as OTP takes them",
                self.tick_intensity
            )));
        }
        let flags = Flags::offer(!config.hidden, config.switched_off)
            .map_err(|error| StartError::Setting(error.to_string()))?;
        let own = atom(config.name.as_str())?;
        let local = LocalNode { name: own.clone(), creation: random_creation()?, flags };
        let (handle, own_runtime) = async_runtime()?;
        let _context = handle.enter();
        let bounds = Bounds { most: config.limits.outbound, ..self.bounds };
        let carriers = if self.carriers.is_empty() {
            vec![Arc::new(Tcp::new(tcp_options(self.tcp, &config))) as Arc<dyn Carrier>]
        } else {
            self.carriers
        };
        let runtime = Runtime::new(own.clone(), local.creation);
        let hub = Hub {
            table: Table::new(own, bounds),
            local,
            cookies: by_name(self.cookies)?,
            places: by_name(self.places)?,
            carriers: Carriers::new(carriers),
            discovery: self.discovery,
            admission: self.admission,
            runtime,
            exports: Arc::default(),
            handle: handle.clone(),
            bounds,
            tick_intensity: self.tick_intensity,
            counters: Arc::default(),
            refused: 0.into(),
            config,
        };
        Ok((hub, own_runtime))
    }
}

fn finish(hub: Hub, own_runtime: Option<tokio::runtime::Runtime>) -> Result<Node, StartError> {
    let handle = hub.handle.clone();
    let _context = handle.enter();
    let node = Node::assemble(hub, own_runtime);
    service::start(node.runtime(), &node.hub.exports, &node.hub.config)
        .map_err(|error| StartError::Setting(error.to_string()))?;
    Ok(node)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("name", &self.name).finish_non_exhaustive()
    }
}

fn tcp_options(options: TcpOptions, config: &Config) -> TcpOptions {
    TcpOptions {
        interface: config.interface,
        ports: config.ports.clone(),
        backlog: i32::try_from(config.limits.backlog).unwrap_or(i32::MAX),
        ..options
    }
}

/// The one we run in, or one of our own with a worker a core.
fn async_runtime() -> Result<(Handle, Option<tokio::runtime::Runtime>), StartError> {
    if let Ok(handle) = Handle::try_current() {
        return Ok((handle, None));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("node")
        .build()
        .map_err(|error| StartError::Setting(format!("no async runtime: {error}")))?;
    Ok((runtime.handle().clone(), Some(runtime)))
}

/// OTP takes 1 to 3 for the creations of old, which a peer may cut to two bits.
fn random_creation() -> Result<u32, StartError> {
    loop {
        let creation = getrandom::u32()
            .map_err(|error| StartError::Randomness(std::io::Error::other(error)))?;
        if creation > 3 {
            return Ok(creation);
        }
    }
}

fn by_name<T>(named: BTreeMap<String, T>) -> Result<HashMap<Atom, T>, StartError> {
    named.into_iter().map(|(name, value)| Ok((atom(&name)?, value))).collect()
}

fn atom(name: &str) -> Result<Atom, StartError> {
    Atom::new(name)
        .map_err(|_| StartError::Setting(format!("`{name}` is too long for a node name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> Builder {
        Node::builder("rust@here").cookie(Cookie::new("C").unwrap()).epmd(EpmdMode::None)
    }

    #[test]
    fn a_tick_intensity_that_otp_does_not_take_is_refused() {
        for (ticks, taken) in [(0, false), (3, false), (4, true), (1_000, true), (1_001, false)] {
            assert_eq!(builder().tick_intensity(ticks).build().is_ok(), taken, "{ticks}");
        }
    }

    #[test]
    fn beside_one_of_the_largest_messages_there_is_room_for_others_however_large_that_may_be() {
        for most in [1 << 20, 128 << 20, 1 << 30, usize::MAX] {
            let node = builder().max_frame(most).build().unwrap();
            let limits = &node.hub.config.limits;
            assert_eq!(limits.max_frame, most);
            assert!(limits.reassembly >= most.saturating_mul(2));
        }
    }
}
