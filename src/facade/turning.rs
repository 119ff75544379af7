//! The turn of an event loop of others that runs on this thread, for those who do something in it.

use std::cell::Cell;

thread_local! {
    static TURN: Cell<LoopTurn> = const { Cell::new(LoopTurn { of: 0, seen: TurnOutcome { moved: false, may_spin: false, bytes_under_way: 0 } }) };
}

#[derive(Clone, Copy)]
struct LoopTurn {
    /// The loop, by the address of what is told of it. 0: none.
    of: usize,
    seen: TurnOutcome,
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurnOutcome {
    /// Something came on a connection, or there was room.
    pub moved: bool,
    /// No socket of these is without NN_SPIN.
    pub may_spin: bool,
    /// How much is still to come, or to go, of the message of which a piece was moved last.
    pub bytes_under_way: usize,
}

/// Runs a turn of this loop.
pub fn run(of: usize, turn: impl FnOnce()) -> TurnOutcome {
    let outer = TURN.replace(LoopTurn { of, seen: TurnOutcome { may_spin: true, ..TurnOutcome::default() } });
    turn();
    TURN.replace(outer).seen
}

/// Is it this loop's?
pub fn is_of(of: usize) -> bool {
    TURN.try_with(Cell::get).is_ok_and(|turn| turn.of == of)
}

/// So far.
pub fn seen() -> TurnOutcome {
    TURN.get().seen
}

/// A piece of a message was moved: says whether its socket spins, and how much there is still of it.
pub fn moved(tell: impl FnOnce() -> (bool, usize)) {
    let mut turn = TURN.get();
    if turn.of != 0 {
        let (spins, bytes_under_way) = tell();
        turn.seen = TurnOutcome { moved: true, may_spin: turn.seen.may_spin && spins, bytes_under_way };
        TURN.set(turn);
    }
}
