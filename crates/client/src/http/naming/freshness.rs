//! Which of two lists is the newer one. Pure.
//!
//! Times of one server can be compared, those of two cannot: their clocks differ. What was asked for is believed over what
//! came by itself.

use std::net::IpAddr;

/// How a list came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// As the answer to a question.
    Asked,
    /// By itself, from an address at which a server has answered.
    Pushed,
    /// By itself, from anywhere.
    PushedByStranger,
}

/// When and where a list was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// By the clock of the server, in ms.
    pub(super) made_ms: i64,
    /// The server.
    pub(super) from: IpAddr,
}

/// What becomes of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is shown.
    Take,
    /// It is older than what is shown.
    Drop,
    /// It cannot be told; the server is asked.
    Ask,
}

/// Compares a list that came with the one that is shown.
pub(super) fn judge(shown: Option<Stamp>, new: Stamp, came: Came) -> Verdict {
    let is_older = shown.is_some_and(|shown| shown.from == new.from && new.made_ms < shown.made_ms);
    match came {
        Came::PushedByStranger => Verdict::Ask,
        // A push that was sent later has overtaken the answer, or the push is a copy that was sent again.
        Came::Asked | Came::Pushed if is_older => Verdict::Drop,
        Came::Asked => Verdict::Take,
        Came::Pushed if shown.is_some_and(|shown| shown.from != new.from) => Verdict::Ask,
        Came::Pushed => Verdict::Take,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(made_ms: i64, server: u8) -> Stamp {
        Stamp { made_ms, from: IpAddr::from([10, 0, 0, server]) }
    }

    #[test]
    fn within_one_server_the_later_list_counts() {
        for came in [Came::Asked, Came::Pushed] {
            assert_eq!(judge(None, stamp(5, 1), came), Verdict::Take, "{came:?}");
            assert_eq!(judge(Some(stamp(5, 1)), stamp(6, 1), came), Verdict::Take, "{came:?}");
            assert_eq!(
                judge(Some(stamp(5, 1)), stamp(5, 1), came),
                Verdict::Take,
                "{came:?}: equal times are no reason"
            );
            assert_eq!(judge(Some(stamp(5, 1)), stamp(4, 1), came), Verdict::Drop, "{came:?}");
        }
    }

    #[test]
    fn a_server_whose_clock_is_behind_does_not_freeze_the_list() {
        assert_eq!(judge(Some(stamp(9, 1)), stamp(5, 2), Came::Asked), Verdict::Take);
        assert_eq!(judge(Some(stamp(9, 1)), stamp(5, 2), Came::Pushed), Verdict::Ask);
        assert_eq!(judge(Some(stamp(9, 1)), stamp(99, 2), Came::Pushed), Verdict::Ask);
    }

    #[test]
    fn strangers_are_never_believed() {
        assert_eq!(judge(None, stamp(5, 9), Came::PushedByStranger), Verdict::Ask);
        assert_eq!(judge(Some(stamp(5, 1)), stamp(6, 9), Came::PushedByStranger), Verdict::Ask);
    }
}
