//! The life of a pipe within its socket (nanomsg-api.md 4). A machine: it is told what happened and says what follows. `T` is a
//! moment, which only its owner can read.
//!
//! ```text
//!   Connecting ─▶ Greeting ─▶ Attached ─▶ HangingUp ─▶ HungUp ─▶ (detached, gone)
//!        │            │          ├─▶ Refused ─▶ (gone)
//!        └────────────┴──────────┴─ lost ─▶ (gone; a dialer tries again)
//!                                └─ leave ─▶ Leaving ─▶ (gone)
//! ```
//!
//! Where a pipe stands with its peer is the transport's business (`transport/pipe.rs`). There, `Opening` is `Connecting` here,
//! `Active` is `Attached`, and `HungUp` is `HangingUp` and, once the protocol has been told, `HungUp`.

use std::time::Duration;

/// Time for a flush that is under way when a socket closes, also if it does not linger.
pub const FLUSH: Duration = Duration::from_millis(100);

/// How far a pipe has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifecycle<T> {
    /// The OS connects.
    Connecting,
    /// Connected, not greeted yet.
    Greeting,
    /// The protocol knows it, since this moment.
    Attached(T),
    /// The peer is gone and the protocol must be told.
    HangingUp(T),
    /// The protocol knows that the peer is gone; unread messages wait.
    HungUp(T),
    /// The protocol refused it.
    Refused(T),
    /// Detached; what was accepted is on its way to the kernel.
    Leaving,
}

/// What a pipe that a command has changed needs, when the command is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settling<T> {
    Nothing,
    /// The protocol does not want it: its connection is lost.
    Lose,
    /// The protocol has to be told that the peer is gone, and whoever replaces connections. Then as `DetachIfRead`.
    HangUp(T),
    /// It goes as soon as there is nothing left to read.
    DetachIfRead,
}

/// What the end of a pipe means for those around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PipeEnd<T> {
    /// The protocol has not heard of a hang-up.
    pub hang_up: bool,
    pub connection: Connection<T>,
}

/// What has become of the connection of a pipe that ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Connection<T> {
    /// It never came about.
    Failed,
    /// It is over, and the protocol had it since then, if at all.
    Over(Option<T>),
    /// It was over before.
    Gone,
}

/// How a pipe goes by our own wish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// When all is written.
    Close,
    /// Then it says end-of-file, and holds on until the peer has seen that: for peers that drop what they have not read when the
    /// connection goes (ipc).
    HalfClose,
    /// What the kernel takes now is written, and no more.
    AtOnce,
}

impl Ending {
    /// How, and for how long at most: somebody may be writing at this moment, which is never long.
    pub fn within(linger: Duration, half_close: bool) -> (Ending, Duration) {
        let ending = match half_close {
            _ if linger.is_zero() => Ending::AtOnce,
            true => Ending::HalfClose,
            false => Ending::Close,
        };
        (ending, linger.max(FLUSH))
    }
}

impl<T: Copy> Lifecycle<T> {
    /// Does CURRENT_CONNECTIONS count it? That is from its attachment until it is detached.
    pub fn is_counted(self) -> bool {
        match self {
            Lifecycle::Attached(_) | Lifecycle::HangingUp(_) | Lifecycle::HungUp(_) | Lifecycle::Refused(_) => true,
            Lifecycle::Connecting | Lifecycle::Greeting | Lifecycle::Leaving => false,
        }
    }

    /// Since when the protocol has had it, if it has.
    pub fn attached_at(self) -> Option<T> {
        match self {
            Lifecycle::Attached(at) | Lifecycle::HangingUp(at) | Lifecycle::HungUp(at) | Lifecycle::Refused(at) => {
                Some(at)
            }
            Lifecycle::Connecting | Lifecycle::Greeting | Lifecycle::Leaving => None,
        }
    }

    pub fn is_attached(self) -> bool {
        matches!(self, Lifecycle::Attached(_))
    }

    /// Does the protocol hear what can be read or written?
    pub fn is_heard(self) -> bool {
        matches!(self, Lifecycle::Attached(_) | Lifecycle::HungUp(_))
    }

    pub fn is_leaving(self) -> bool {
        matches!(self, Lifecycle::Leaving)
    }

    /// The OS connection came about. The time for greeting begins.
    pub fn connected(&mut self) {
        *self = Lifecycle::Greeting;
    }

    /// The greeting is done; the protocol is told next, and may refuse it.
    pub fn attach(&mut self, now: T) {
        *self = Lifecycle::Attached(now);
    }

    /// The protocol does not want it.
    pub fn refuse(&mut self) {
        if let Lifecycle::Attached(since) = *self {
            *self = Lifecycle::Refused(since);
        }
    }

    /// The peer is gone. True if that is news for the protocol.
    pub fn hang_up(&mut self) -> bool {
        let Lifecycle::Attached(since) = *self else { return false };
        *self = Lifecycle::HangingUp(since);
        true
    }

    /// A command is done that changed the pipe.
    pub fn settle(&mut self) -> Settling<T> {
        match *self {
            Lifecycle::Refused(_) => Settling::Lose,
            Lifecycle::HangingUp(since) => {
                *self = Lifecycle::HungUp(since);
                Settling::HangUp(since)
            }
            Lifecycle::HungUp(_) => Settling::DetachIfRead,
            _ => Settling::Nothing,
        }
    }

    /// A fault of the connection, or of the peer: what the end of the pipe means.
    pub fn lost(self) -> PipeEnd<T> {
        let connection = match self {
            Lifecycle::Connecting => Connection::Failed,
            Lifecycle::Greeting => Connection::Over(None),
            Lifecycle::Attached(since) | Lifecycle::HangingUp(since) | Lifecycle::Refused(since) => {
                Connection::Over(Some(since))
            }
            Lifecycle::HungUp(_) | Lifecycle::Leaving => Connection::Gone,
        };
        PipeEnd { hang_up: self.is_attached(), connection }
    }

    /// The pipe is to end by our own wish: as [`Lifecycle::lost`], `None` if it is leaving already. Here only `Over` says that
    /// there is a connection to drop.
    pub fn leave(&mut self) -> Option<PipeEnd<T>> {
        if self.is_leaving() {
            return None;
        }
        let mut end = self.lost();
        if let Lifecycle::Refused(_) = self {
            end.connection = Connection::Gone;
        }
        *self = Lifecycle::Leaving;
        Some(end)
    }

    /// Its time for connecting, greeting or lingering is over. Is that the end of it?
    pub fn is_out_of_time(self) -> bool {
        matches!(self, Lifecycle::Connecting | Lifecycle::Greeting | Lifecycle::Leaving)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock moved by hand.
    type Life = Lifecycle<u32>;

    fn attached(now: u32) -> Life {
        let mut lifecycle = Life::Connecting;
        lifecycle.connected();
        lifecycle.attach(now);
        lifecycle
    }

    #[test]
    fn a_connection_that_does_not_come_about_has_failed() {
        assert!(Life::Connecting.is_out_of_time());
        assert_eq!(Life::Connecting.lost(), PipeEnd { hang_up: false, connection: Connection::Failed });
    }

    #[test]
    fn who_does_not_greet_in_time_was_connected_and_never_attached() {
        let mut lifecycle = Life::Connecting;
        lifecycle.connected();
        assert!(lifecycle.is_out_of_time() && !lifecycle.is_counted());
        assert_eq!(lifecycle.lost(), PipeEnd { hang_up: false, connection: Connection::Over(None) });
        lifecycle.attach(7);
        assert!(!lifecycle.is_out_of_time(), "an attached pipe has no time limit");
    }

    #[test]
    fn the_protocol_hears_of_a_hang_up_once_and_of_what_can_still_be_read() {
        let mut lifecycle = attached(7);
        assert_eq!(lifecycle.settle(), Settling::Nothing);
        assert!(lifecycle.hang_up());
        assert!(!lifecycle.hang_up(), "twice is no news");
        assert!(!lifecycle.is_heard(), "first the protocol is told");
        assert_eq!(lifecycle.settle(), Settling::HangUp(7));
        assert!(lifecycle.is_heard() && lifecycle.is_counted());
        assert_eq!(lifecycle.settle(), Settling::DetachIfRead);
        assert_eq!(lifecycle.lost(), PipeEnd { hang_up: false, connection: Connection::Gone });
    }

    #[test]
    fn whom_the_protocol_refuses_is_lost_and_was_there() {
        let mut lifecycle = attached(7);
        lifecycle.refuse();
        assert_eq!(lifecycle.settle(), Settling::Lose);
        assert_eq!(lifecycle.lost(), PipeEnd { hang_up: false, connection: Connection::Over(Some(7)) });
        let mut early = Life::Greeting;
        early.refuse();
        assert_eq!(early, Life::Greeting, "nobody is refused who was not offered");
    }

    #[test]
    fn a_lost_pipe_is_replaced_according_to_how_long_it_lasted() {
        assert_eq!(attached(9).lost(), PipeEnd { hang_up: true, connection: Connection::Over(Some(9)) });
    }

    #[test]
    fn who_leaves_leaves_once() {
        for (mut lifecycle, hang_up, connection) in [
            (Life::Connecting, false, Connection::Failed),
            (Life::Greeting, false, Connection::Over(None)),
            (Life::Attached(3), true, Connection::Over(Some(3))),
            (Life::HangingUp(3), false, Connection::Over(Some(3))),
            (Life::HungUp(3), false, Connection::Gone),
            (Life::Refused(3), false, Connection::Gone),
        ] {
            assert_eq!(lifecycle.leave(), Some(PipeEnd { hang_up, connection }));
            assert_eq!(lifecycle.leave(), None);
            assert!(lifecycle.is_out_of_time(), "it lingers for a time");
            assert!(!lifecycle.is_counted() && !lifecycle.hang_up());
        }
    }

    #[test]
    fn only_who_lingers_holds_on() {
        let second = Duration::from_secs(1);
        assert_eq!(Ending::within(second, false), (Ending::Close, second));
        assert_eq!(Ending::within(second, true), (Ending::HalfClose, second));
        assert_eq!(Ending::within(Duration::ZERO, true), (Ending::AtOnce, FLUSH));
        assert_eq!(Ending::within(Duration::from_millis(1), true), (Ending::HalfClose, FLUSH));
    }
}
