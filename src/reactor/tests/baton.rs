use crate::reactor::baton::{Baton, IoTurn, Wake};

#[test]
fn a_leaving_caller_wakes_the_next_in_the_queue() {
    let baton = Baton::new();
    assert!(baton.acquire(&1));
    assert!(!baton.acquire(&2));
    assert!(!baton.acquire(&3));
    assert_eq!(baton.release(), Wake::Caller(2));
    assert_eq!(baton.leave(&2), Wake::Caller(3));
}

#[test]
fn the_io_thread_naps_after_a_caller_and_polls_when_none_came_back() {
    let baton = Baton::new();
    assert!(baton.acquire(&1));
    assert_eq!(baton.release(), Wake::Nobody);
    assert_eq!(baton.io_turn(), IoTurn::Nap);
    assert_eq!(baton.io_turn(), IoTurn::Poll);
}

/// Callers that come and go need not wake it each time; one that stays lets it sleep.
#[test]
fn the_io_thread_naps_while_callers_come_and_sleeps_when_one_stays() {
    let baton = Baton::new();
    for _ in 0..3 {
        assert!(baton.acquire(&1));
        assert_eq!(baton.release(), Wake::Nobody);
        assert!(baton.acquire(&1));
        assert_eq!(baton.io_turn(), IoTurn::Nap);
        assert_eq!(baton.release(), Wake::Nobody);
    }
    assert!(baton.acquire(&1));
    assert_eq!(baton.io_turn(), IoTurn::Nap);
    assert_eq!(baton.io_turn(), IoTurn::Sleep);
    assert_eq!(baton.release(), Wake::Io);
}

#[test]
fn an_io_thread_that_sleeps_is_woken_by_the_caller_it_sleeps_for() {
    let baton = Baton::new();
    assert!(baton.acquire(&1));
    assert_eq!(baton.io_turn(), IoTurn::Sleep);
    assert_eq!(baton.release(), Wake::Io);
}

#[test]
fn an_unused_turn_goes_to_the_io_thread_that_sleeps() {
    let baton = Baton::new();
    assert!(baton.acquire(&1));
    assert!(!baton.acquire(&2));
    assert_eq!(baton.io_turn(), IoTurn::Sleep);
    assert_eq!(baton.release(), Wake::Caller(2));
    assert_eq!(baton.leave(&2), Wake::Io);
}

#[test]
fn the_io_thread_yields_to_queued_callers_unless_a_socket_is_attended() {
    let baton = Baton::new();
    assert_eq!(baton.io_turn(), IoTurn::Poll);
    assert_eq!(baton.io_yield(), None);
    assert!(!baton.acquire(&1));
    baton.attend(true);
    assert_eq!(baton.io_yield(), None);
    baton.attend(false);
    assert_eq!(baton.io_yield(), Some(Wake::Caller(1)));
    assert_eq!(baton.io_turn(), IoTurn::Nap);
}
