//! The capability flags of the handshake: their values, which a peer must have, and which we offer and why.
//!
//! Values are those of OTP's `dist.hrl` and of what live nodes send. The guide (erl_dist_protocol, "Distribution
//! Flags") has one of them wrong: it prints MANDATORY_25_DIGEST as bit 36, which is internal to the virtual machine.

use std::fmt;

use bitflags::bitflags;
use thiserror::Error;

bitflags! {
    /// Capability flags, by OTP's names without the `DFLAG_` in front.
    ///
    /// A peer's word is kept with bits we have no name for, as later releases add some.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Flags: u64 {
        /// The node shows in `nodes()` and takes part in `global`: a visible node.
        const PUBLISHED = 0x1;
        /// An atom cache of long ago; no node in use offers it.
        const ATOM_CACHE = 0x2;
        /// References of more than one word.
        const EXTENDED_REFERENCES = 0x4;
        /// MONITOR_P, DEMONITOR_P and MONITOR_P_EXIT.
        const DIST_MONITOR = 0x8;
        /// Funs have tags of their own.
        const FUN_TAGS = 0x10;
        /// Monitors by registered name.
        const DIST_MONITOR_NAME = 0x20;
        /// An atom cache of long ago, for hidden nodes; no node in use offers it.
        const HIDDEN_ATOM_CACHE = 0x40;
        /// NEW_FUN_EXT.
        const NEW_FUN_TAGS = 0x80;
        /// Pids and ports of more than 18 bits.
        const EXTENDED_PIDS_PORTS = 0x100;
        /// EXPORT_EXT.
        const EXPORT_PTR_TAG = 0x200;
        /// BIT_BINARY_EXT.
        const BIT_BINARIES = 0x400;
        /// NEW_FLOAT_EXT.
        const NEW_FLOATS = 0x800;
        /// Characters over 255 in I/O requests.
        const UNICODE_IO = 0x1000;
        /// Atoms travel as references into a cache, set up in a distribution header.
        const DIST_HDR_ATOM_CACHE = 0x2000;
        /// SMALL_ATOM_EXT.
        const SMALL_ATOM_TAGS = 0x4000;
        /// Atoms in UTF-8.
        const UTF8_ATOMS = 0x1_0000;
        /// MAP_EXT.
        const MAP_TAG = 0x2_0000;
        /// Creations of 32 bits.
        const BIG_CREATION = 0x4_0000;
        /// SEND_SENDER in place of SEND: a message names its sender.
        const SEND_SENDER = 0x8_0000;
        /// Any term as the label of a sequential trace token.
        const BIG_SEQTRACE_LABELS = 0x10_0000;
        /// Exit reasons behind the control message in place of inside it.
        const EXIT_PAYLOAD = 0x40_0000;
        /// Messages split into fragments, so that a large one holds up no other: ours, where the channel would take it for more
        /// than 16 ms, or it has more than 16 MiB.
        const FRAGMENTS = 0x80_0000;
        /// Handshake of OTP 23: the `N` messages with 64 bits of flags.
        const HANDSHAKE_23 = 0x100_0000;
        /// UNLINK_ID and its acknowledgement.
        const UNLINK_ID = 0x200_0000;
        /// Stands for all that OTP 25 requires.
        const MANDATORY_25_DIGEST = 0x400_0000;
        /// SPAWN_REQUEST and SPAWN_REPLY.
        const SPAWN = 1 << 32;
        /// Asks for a node name to be given.
        const NAME_ME = 1 << 33;
        /// Pids with 32 bits each of number and serial, ports of 64 bits, references of five words.
        const V4_NC = 1 << 34;
        /// Process aliases: ALIAS_SEND.
        const ALIAS = 1 << 35;
        /// ALTACT_SIG_SEND: priority messages and all alias messages of OTP 28 and later.
        const ALTACT_SIG = 1 << 37;
        /// RECORD_EXT, native records of OTP 29.
        const NATIVE_RECORDS = 1 << 38;
    }
}

/// What a node of OTP 25 requires of its peers, and what [`Flags::MANDATORY_25_DIGEST`] stands for.
pub const MANDATORY_25: Flags = Flags::EXTENDED_REFERENCES
    .union(Flags::FUN_TAGS)
    .union(Flags::EXTENDED_PIDS_PORTS)
    .union(Flags::NEW_FUN_TAGS)
    .union(Flags::EXPORT_PTR_TAG)
    .union(Flags::BIT_BINARIES)
    .union(Flags::NEW_FLOATS)
    .union(Flags::UTF8_ATOMS)
    .union(Flags::MAP_TAG)
    .union(Flags::BIG_CREATION)
    .union(Flags::HANDSHAKE_23);

/// What OTP 26 and later require on top of [`MANDATORY_25`].
pub const MANDATORY_26: Flags = Flags::V4_NC.union(Flags::UNLINK_ID);

/// What we require of a peer: what OTP 26 to 29 require. OTP 25 offers all of it.
pub const MANDATORY: Flags = MANDATORY_25.union(MANDATORY_26);

/// A flag that we offer, and where the code is that makes the offer good.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// The flag.
    pub flag: Flags,
    /// A file of the workspace and a word in it that stands for the code behind the flag.
    pub honoured_by: (&'static str, &'static str),
}

const fn offer(flag: Flags, file: &'static str, word: &'static str) -> Offer {
    Offer { flag, honoured_by: (file, word) }
}

/// Every flag that we offer by default and the code that honours it; a test holds the two together.
pub const OFFERED: &[Offer] = &[
    offer(Flags::EXTENDED_REFERENCES, "term/src/decode", "NEWER_REFERENCE_EXT"),
    offer(Flags::DIST_MONITOR, "node/src/bridge/inbound.rs", "Control::MonitorP"),
    offer(Flags::FUN_TAGS, "term/src/decode", "NEW_FUN_EXT"),
    offer(Flags::DIST_MONITOR_NAME, "node/src/bridge/inbound.rs", "ProcessOrName::Name"),
    offer(Flags::NEW_FUN_TAGS, "term/src/decode", "NEW_FUN_EXT"),
    offer(Flags::EXTENDED_PIDS_PORTS, "term/src/decode", "NEW_PID_EXT"),
    offer(Flags::EXPORT_PTR_TAG, "term/src/decode", "EXPORT_EXT"),
    offer(Flags::BIT_BINARIES, "term/src/decode", "BIT_BINARY_EXT"),
    offer(Flags::NEW_FLOATS, "term/src/decode", "NEW_FLOAT_EXT"),
    offer(Flags::UNICODE_IO, "node/src/service/group_leader.rs", "unicode"),
    offer(Flags::DIST_HDR_ATOM_CACHE, "node/src/proto/atom_cache.rs", "struct Outbound"),
    offer(Flags::SMALL_ATOM_TAGS, "term/src/decode", "SMALL_ATOM_EXT"),
    offer(Flags::UTF8_ATOMS, "term/src/decode", "SMALL_ATOM_UTF8_EXT"),
    offer(Flags::MAP_TAG, "term/src/decode", "MAP_EXT"),
    offer(Flags::BIG_CREATION, "term/src/decode", "NEW_PID_EXT"),
    offer(Flags::SEND_SENDER, "node/src/bridge/inbound.rs", "Control::SendSender"),
    offer(Flags::BIG_SEQTRACE_LABELS, "node/src/bridge/inbound.rs", "token"),
    offer(Flags::EXIT_PAYLOAD, "node/src/bridge/inbound.rs", "Control::PayloadExit"),
    offer(Flags::FRAGMENTS, "node/src/proto/fragment.rs", "struct Reassembly"),
    offer(Flags::HANDSHAKE_23, "node/src/proto/handshake/message.rs", "b'N'"),
    offer(Flags::UNLINK_ID, "node/src/bridge/inbound.rs", "Control::UnlinkId"),
    offer(Flags::MANDATORY_25_DIGEST, "node/src/proto/flags.rs", "fn with_digest_expanded"),
    offer(Flags::SPAWN, "node/src/service/spawn.rs", "impl SpawnService"),
    offer(Flags::V4_NC, "term/src/decode", "V4_PORT_EXT"),
    offer(Flags::ALIAS, "node/src/bridge/inbound.rs", "Control::AliasSend"),
    offer(Flags::ALTACT_SIG, "node/src/bridge/inbound.rs", "Control::AltactSigSend"),
    offer(Flags::NATIVE_RECORDS, "term/src/decode", "NATIVE_RECORD_EXT"),
];

/// A flag cannot be switched off because every node refuses a peer without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("flags {0} cannot be switched off: every node since OTP 26 refuses a peer without them")]
pub struct Indispensable(pub Flags);

impl Flags {
    /// All that [`OFFERED`] lists: what a hidden node offers unless told otherwise.
    #[must_use]
    pub fn offered() -> Self {
        OFFERED.iter().fold(Self::empty(), |all, offer| all | offer.flag)
    }

    /// The flags to offer: [`OFFERED`], as a visible node if so asked, less those that the user switched off.
    ///
    /// Any flag that is not in [`MANDATORY`] can be switched off, alone or with others; towards a peer that does not have it either
    /// we do without it anyway. What goes with each:
    ///
    /// | without | |
    /// | --- | --- |
    /// | FRAGMENTS | large messages come two to three times faster from a BEAM, and hold up everything behind them, both ways |
    /// | DIST_HDR_ATOM_CACHE | every atom of every message is spelled out, both ways |
    /// | DIST_MONITOR, DIST_MONITOR_NAME | no monitors over the connection: calls to a process that is gone wait for their time-out |
    /// | ALIAS | a BEAM calls us without an alias: the late answer to a call that timed out is delivered to its caller |
    /// | ALTACT_SIG | priority messages of OTP 28 and later come as ordinary ones |
    /// | SEND_SENDER | messages to pids do not say who sends them; tracing over there shows less |
    /// | EXIT_PAYLOAD | exit reasons travel inside the control message, and a large one holds up what is behind it |
    /// | SPAWN | no spawn requests: `erpc` and `spawn` towards us are refused by the caller's own node |
    /// | UNICODE_IO | a BEAM process whose group leader is here prints characters over 255 as question marks or escapes |
    /// | SMALL_ATOM_TAGS | atoms that are spelled out take a byte more |
    /// | BIG_SEQTRACE_LABELS | sequential trace tokens with a label that is no small integer do not come |
    /// | NATIVE_RECORDS | processes of OTP 29 cannot send us native records |
    /// | MANDATORY_25_DIGEST | nothing: each flag that it stands for is offered beside it |
    ///
    /// # Errors
    /// When `switched_off` holds a flag of [`MANDATORY`].
    pub fn offer(visible: bool, switched_off: Self) -> Result<Self, Indispensable> {
        let indispensable = switched_off & MANDATORY;
        if !indispensable.is_empty() {
            return Err(Indispensable(indispensable));
        }
        let published = if visible { Self::PUBLISHED } else { Self::empty() };
        Ok((Self::offered() | published) - switched_off)
    }

    /// The word with [`Flags::MANDATORY_25_DIGEST`] spelled out, as OTP 25 and later read it.
    #[must_use]
    pub fn with_digest_expanded(self) -> Self {
        if self.contains(Self::MANDATORY_25_DIGEST) { self | MANDATORY_25 } else { self }
    }

    /// What of [`MANDATORY`] a peer with these flags lacks; empty when the two can talk.
    #[must_use]
    pub fn missing(self) -> Self {
        MANDATORY - self.with_digest_expanded()
    }

    /// What both sides understand: the flags that hold for a connection.
    #[must_use]
    pub fn in_common(self, peer: Self) -> Self {
        self.with_digest_expanded() & peer.with_digest_expanded()
    }

    /// Whether messages travel behind a distribution header. It is all or nothing: a connection with either flag
    /// takes no pass-through message, one with neither takes no header.
    #[must_use]
    pub fn has_distribution_header(self) -> bool {
        self.intersects(Self::DIST_HDR_ATOM_CACHE | Self::FRAGMENTS)
    }

    /// Monitors work only where the peer has both of their flags, as in erts.
    #[must_use]
    pub fn has_monitors(self) -> bool {
        self.contains(Self::DIST_MONITOR | Self::DIST_MONITOR_NAME)
    }
}

/// OTP's names joined by ` | `; bits without a name in hexadecimal.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bitflags::parser::to_writer(self, f)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#x}: {self})", self.bits())
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// `erts_internal:get_dflags()` of OTP 29, default flags of a hidden node.
    const OTP_29_HIDDEN: u64 = 0x6d_07df_7fbc;
    /// The same of OTP 25 and 27.
    const OTP_27_HIDDEN: u64 = 0xd_07df_7fbc;

    #[test]
    fn we_offer_exactly_what_otp_29_offers() {
        assert_eq!(Flags::offered().bits(), OTP_29_HIDDEN);
    }

    #[test]
    fn internal_bits_of_the_virtual_machine_are_never_set() {
        assert_eq!(Flags::offered().bits() & (1 << 36 | 1 << 15 | 1 << 21), 0);
        assert_eq!(Flags::all().bits() & (1 << 36 | 1 << 15 | 1 << 21), 0);
    }

    #[test]
    fn what_live_nodes_offer_has_all_that_we_require() {
        for word in [OTP_27_HIDDEN, OTP_29_HIDDEN] {
            assert_eq!(Flags::from_bits_retain(word).missing(), Flags::empty());
        }
        assert_eq!(MANDATORY.bits(), 0x4_0307_0f94);
    }

    #[test]
    fn what_is_missing_is_named() {
        let peer = Flags::from_bits_retain(OTP_27_HIDDEN) - Flags::V4_NC - Flags::UNLINK_ID;
        assert_eq!(peer.missing().to_string(), "UNLINK_ID | V4_NC");
    }

    #[test]
    fn the_digest_stands_for_what_otp_25_requires() {
        let peer = Flags::MANDATORY_25_DIGEST | Flags::V4_NC | Flags::UNLINK_ID;
        assert_eq!(peer.missing(), Flags::empty());
        assert!(Flags::offered().in_common(peer).contains(MANDATORY));
    }

    #[test]
    fn optional_flags_can_be_switched_off_and_mandatory_ones_cannot() {
        let without = Flags::offer(true, Flags::FRAGMENTS).unwrap();
        assert!(without.contains(Flags::PUBLISHED) && !without.contains(Flags::FRAGMENTS));
        assert_eq!(
            Flags::offer(false, Flags::V4_NC | Flags::ALIAS),
            Err(Indispensable(Flags::V4_NC))
        );
    }

    #[test]
    fn every_flag_offered_names_code_that_is_there() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for Offer { flag, honoured_by: (path, word) } in OFFERED {
            let found = sources(&workspace.join(path)).iter().any(|file| {
                let text = std::fs::read_to_string(file).unwrap();
                // The table itself and the tests do not count as code behind a flag.
                let code = text.split("#[cfg(test)]").next().unwrap_or("");
                code.lines()
                    .filter(|line| !line.trim_start().starts_with("offer("))
                    .any(|line| line.contains(word))
            });
            assert!(found, "{flag} is offered, but {path} has no `{word}`");
        }
    }

    #[test]
    fn no_flag_is_listed_twice() {
        let sum: u64 = OFFERED.iter().map(|offer| offer.flag.bits()).sum();
        assert_eq!(sum, Flags::offered().bits());
    }

    fn sources(path: &Path) -> Vec<PathBuf> {
        if path.is_file() {
            return vec![path.to_owned()];
        }
        let mut all = Vec::new();
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() || path.extension().is_some_and(|extension| extension == "rs") {
                all.extend(sources(&path));
            }
        }
        all
    }
}
