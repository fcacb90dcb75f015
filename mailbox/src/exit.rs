//! What an exit signal does to its receiver: a pure decision (reference manual, "Receiving Exit Signals").

/// Why an exit signal was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The sender was linked and ended; the link was still active or not.
    Link {
        /// Whether the receiver's side of the link was active when the signal came.
        active: bool,
    },
    /// The sender called `exit/2`, perhaps on itself.
    Call {
        /// Sender and receiver are the same process.
        on_itself: bool,
    },
}

/// As far as the reason counts for the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Kill,
    Other,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Ignore,
    /// `{'EXIT', From, Reason}` is put into the mailbox.
    Message,
    /// The receiver ends with the signal's reason.
    End,
    /// The receiver ends with `killed`.
    EndKilled,
}

pub(crate) const fn decide(cause: Cause, kind: Kind, trap_exit: bool) -> Verdict {
    match (cause, kind) {
        (Cause::Link { active: false }, _) => Verdict::Ignore,
        (Cause::Call { .. }, Kind::Kill) => Verdict::EndKilled,
        _ if trap_exit => Verdict::Message,
        // A process that sends itself `normal` ends; everyone else shrugs it off.
        (Cause::Call { on_itself: true }, Kind::Normal) => Verdict::End,
        (_, Kind::Normal) => Verdict::Ignore,
        _ => Verdict::End,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Cause = Cause::Link { active: true };
    const CALL: Cause = Cause::Call { on_itself: false };

    #[test]
    fn a_signal_over_a_link_that_is_no_more_is_ignored() {
        for kind in [Kind::Normal, Kind::Kill, Kind::Other] {
            for trap_exit in [true, false] {
                assert_eq!(decide(Cause::Link { active: false }, kind, trap_exit), Verdict::Ignore);
            }
        }
    }

    #[test]
    fn kill_by_call_cannot_be_trapped_but_by_link_it_can() {
        assert_eq!(decide(CALL, Kind::Kill, true), Verdict::EndKilled);
        assert_eq!(decide(CALL, Kind::Kill, false), Verdict::EndKilled);
        assert_eq!(decide(LINK, Kind::Kill, true), Verdict::Message);
        assert_eq!(decide(LINK, Kind::Kill, false), Verdict::End);
    }

    #[test]
    fn normal_ends_only_who_sends_it_to_itself() {
        assert_eq!(decide(LINK, Kind::Normal, false), Verdict::Ignore);
        assert_eq!(decide(CALL, Kind::Normal, false), Verdict::Ignore);
        assert_eq!(decide(Cause::Call { on_itself: true }, Kind::Normal, false), Verdict::End);
        assert_eq!(decide(Cause::Call { on_itself: true }, Kind::Normal, true), Verdict::Message);
    }

    #[test]
    fn any_other_reason_ends_who_does_not_trap() {
        assert_eq!(decide(LINK, Kind::Other, false), Verdict::End);
        assert_eq!(decide(CALL, Kind::Other, false), Verdict::End);
        assert_eq!(decide(LINK, Kind::Other, true), Verdict::Message);
        assert_eq!(decide(CALL, Kind::Other, true), Verdict::Message);
    }
}
