//! The settings of a node: plain values, each default with its reason.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cookie::Cookie;
use crate::error::StartError;
use crate::name::NodeName;
use crate::proto::flags::Flags;

/// Where epmd listens unless told otherwise (erl_dist_protocol, "EPMD protocol"; assigned by IANA).
pub const EPMD_PORT: u16 = 4369;
/// OTP's `net_ticktime`: a silent peer is taken for gone after 45 to 75 s.
pub const TICKTIME: Duration = Duration::from_secs(60);
/// OTP's `net_setuptime`, for the whole handshake: here one deadline, which a peer that drips bytes does not renew.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(7);
/// Largest frame and largest reassembled message taken from a peer: twice the 64 MiB that people do send at once, and
/// no more than a machine with a gigabyte can lose to one peer.
pub const MAX_FRAME: usize = 128 << 20;
/// What a peer may have under way in unfinished fragments: two messages of [`MAX_FRAME`], so that one of the largest does not end the
/// connection for the others beside it.
pub const REASSEMBLY: usize = 2 * MAX_FRAME;
/// What may wait to be written to a peer: a second and more of a fast network; OTP's `+zdbbl` default of 1 MiB suspends
/// senders long before, which a task cannot be, so that bursts must fit.
pub const OUTBOUND: usize = 64 << 20;
/// Handshakes under way at once, over one carrier: at a few kilobytes each a bound of a few megabytes.
pub const PENDING_HANDSHAKES: usize = 1_024;
/// Callers that wait in the kernel until they are accepted. OTP's 128 made 2,000 callers at once wait 11 s.
pub const BACKLOG: u32 = 4_096;
/// The longest time that a setting may have: for ever, to all intents, and yet a time that the clock can show.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The settings of a node.
///
/// Made by [`Config::new`] with every default; the fields are there to be set.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Who we are.
    pub name: NodeName,
    /// What we share with the cluster.
    pub cookie: Cookie,
    /// Hidden nodes do not show in `nodes()` and are connected to nobody behind their back. Default true: a sidecar
    /// should neither be drawn into a full mesh nor take part in `global`.
    pub hidden: bool,
    /// Whether a visible node tells its cluster of connections that it loses, and parts with nodes that others have lost: the
    /// kernel parameter of the same name. All nodes of a cluster should have the same. Default true, as in OTP 25 and later. A
    /// hidden node has no part in it.
    pub prevent_overlapping_partitions: bool,
    /// How others learn our port.
    pub epmd: EpmdMode,
    /// Port of epmd, ours and everybody's: default `ERL_EPMD_PORT`, else [`EPMD_PORT`].
    pub epmd_port: u16,
    /// The address to listen on, as `inet_dist_use_interface`. An IPv6 address makes this an IPv6 node. Default: all of
    /// IPv4, as OTP.
    pub interface: IpAddr,
    /// The ports to listen on, the lowest free one first, as `inet_dist_listen_min` and `inet_dist_listen_max`; `0..=0`,
    /// the default, takes any free port.
    pub ports: RangeInclusive<u16>,
    /// As `net_ticktime`; 1 s to 100 years. At least four seconds make sense, as OTP ticks four times in it. Default [`TICKTIME`].
    pub ticktime: Duration,
    /// For the whole handshake, and for each attempt to connect; more than 0, to 100 years. Default [`HANDSHAKE_TIMEOUT`].
    pub handshake_timeout: Duration,
    /// What a peer can make us hold.
    pub limits: Limits,
    /// Capability flags not to offer, for those who know the trade: see [`Flags::offer`]. Default none.
    pub switched_off: Flags,
}

/// What one peer, or all callers together, can make this node hold.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Largest frame, and largest message put together from fragments, in bytes. Default [`MAX_FRAME`].
    pub max_frame: usize,
    /// Bytes in unfinished fragments, a peer; over it the connection ends. Default [`REASSEMBLY`].
    pub reassembly: usize,
    /// Bytes waiting to be written, a peer. Default [`OUTBOUND`].
    pub outbound: usize,
    /// Handshakes under way, over one carrier; one more, and the stranger that has waited longest goes. At least 1; default
    /// [`PENDING_HANDSHAKES`].
    pub pending_handshakes: usize,
    /// Callers waiting to be accepted. Default [`BACKLOG`].
    pub backlog: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame: MAX_FRAME,
            reassembly: REASSEMBLY,
            outbound: OUTBOUND,
            pending_handshakes: PENDING_HANDSHAKES,
            backlog: BACKLOG,
        }
    }
}

/// Which epmd is told about this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EpmdMode {
    /// The one that answers; where none does, one that this process serves.
    #[default]
    Auto,
    /// One that somebody else runs; without it the start fails.
    External,
    /// One that this process serves; if its port is taken the start fails.
    Embedded,
    /// None: peers must know our port, as with OTP's `-erl_epmd_port`.
    None,
}

impl Config {
    /// Everything by default, the port of epmd from the environment.
    ///
    /// # Errors
    /// When `ERL_EPMD_PORT` is set and is no port.
    pub fn new(name: NodeName, cookie: Cookie) -> Result<Self, StartError> {
        Ok(Self {
            name,
            cookie,
            hidden: true,
            prevent_overlapping_partitions: true,
            epmd: EpmdMode::default(),
            epmd_port: epmd_port_from_environment()?,
            interface: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            ports: 0..=0,
            ticktime: TICKTIME,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            limits: Limits::default(),
            switched_off: Flags::empty(),
        })
    }

    /// Whether these settings can work together.
    ///
    /// # Errors
    /// Says which cannot, and what to set instead.
    pub fn check(&self) -> Result<(), StartError> {
        let complain = |text: String| Err(StartError::Setting(text));
        let (low, high) = (*self.ports.start(), *self.ports.end());
        if low > high {
            return complain(format!("--port-min {low} is above --port-max {high}: swap them"));
        }
        if low == 0 && high != 0 {
            return complain(format!("--port-max {high} needs a --port-min of 1 or more"));
        }
        if self.epmd_port == 0 {
            return complain(
                "--epmd-port 0: epmd needs a port that other nodes know, 4369 by custom".to_owned(),
            );
        }
        if self.ticktime < Duration::from_secs(1) {
            return complain(format!("--ticktime {:?}: a whole second at least", self.ticktime));
        }
        if self.handshake_timeout.is_zero() {
            return complain("a handshake needs more time than none: 7 s by custom".to_owned());
        }
        if self.ticktime.max(self.handshake_timeout) > LONGEST {
            return complain(
                "times of more than 100 years: --ticktime, or that of the handshake".to_owned(),
            );
        }
        if self.limits.max_frame < MIN_FRAME {
            return complain(format!(
                "--max-frame {}: less than nodes tell each other of themselves, {MIN_FRAME} bytes at least",
                self.limits.max_frame
            ));
        }
        if self.limits.pending_handshakes == 0 {
            return complain("pending_handshakes 0: nobody could connect; 1 at least".to_owned());
        }
        Flags::offer(!self.hidden, self.switched_off)
            .map(drop)
            .map_err(|indispensable| StartError::Setting(indispensable.to_string()))
    }
}

/// Room for what OTP's own services say to each new node. Whoever sends fragments, of 64 KiB in OTP, sends a message beyond any
/// smaller bound, which is refused by its first fragment already.
const MIN_FRAME: usize = 4 << 10;

/// `ERL_EPMD_PORT`, as every program of OTP reads it, or [`EPMD_PORT`].
///
/// # Errors
/// When it is set and is no port.
pub fn epmd_port_from_environment() -> Result<u16, StartError> {
    let Some(value) = std::env::var_os("ERL_EPMD_PORT").filter(|value| !value.is_empty()) else {
        return Ok(EPMD_PORT);
    };
    value.to_str().and_then(|value| value.trim().parse().ok()).filter(|port| *port != 0).ok_or_else(|| {
        StartError::Setting(format!(
            "ERL_EPMD_PORT is {value:?}: it must be a port, 1 to 65535, the same for every node here"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("rust@host".parse().unwrap(), Cookie::new("C").unwrap()).unwrap()
    }

    #[test]
    fn the_defaults_work_together() {
        assert!(config().check().is_ok());
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        let refused = |change: fn(&mut Config)| {
            let mut config = config();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(refused(|c| c.ports = RangeInclusive::new(9200, 9100)).contains("--port-min 9200"));
        assert!(refused(|c| c.ports = 0..=9100).contains("--port-max 9100"));
        assert!(refused(|c| c.epmd_port = 0).contains("--epmd-port"));
        assert!(refused(|c| c.ticktime = Duration::ZERO).contains("--ticktime"));
        assert!(refused(|c| c.handshake_timeout = Duration::ZERO).contains("handshake"));
        assert!(refused(|c| c.handshake_timeout = Duration::MAX).contains("100 years"));
        assert!(refused(|c| c.ticktime = Duration::MAX).contains("100 years"));
        assert!(
            refused(|c| c.switched_off = Flags::EXTENDED_PIDS_PORTS)
                .contains("EXTENDED_PIDS_PORTS")
        );
        assert!(refused(|c| c.limits.max_frame = 0).contains("--max-frame"));
        assert!(refused(|c| c.limits.pending_handshakes = 0).contains("pending_handshakes"));
    }
}
