use crate::reactor::baton::{Baton, IoTurn, Wake};

#[test]
fn a_leaving_caller_wakes_the_next_in_the_queue() {
    let baton = Baton::new(0);
    let tenure = baton.acquire(&1).unwrap();
    assert_eq!(baton.acquire(&2), None);
    assert_eq!(baton.acquire(&3), None);
    assert_eq!(baton.release(tenure), Wake::Caller(2));
    assert_eq!(baton.leave(&2), Wake::Caller(3));
}

#[test]
fn the_io_thread_naps_after_a_caller_and_polls_when_none_came_back() {
    let baton = Baton::new(0);
    let tenure = baton.acquire(&1).unwrap();
    assert_eq!(baton.release(tenure), Wake::Nobody);
    assert_eq!(baton.io_turn(), IoTurn::Nap);
    assert!(matches!(baton.io_turn(), IoTurn::Poll(_)));
}

/// Callers that come and go need not wake it each time; one that stays is watched.
#[test]
fn the_io_thread_naps_while_callers_come_and_watches_when_one_stays() {
    let baton = Baton::new(0);
    for _ in 0..3 {
        let tenure = baton.acquire(&1).unwrap();
        assert_eq!(baton.release(tenure), Wake::Nobody);
        let tenure = baton.acquire(&1).unwrap();
        assert_eq!(baton.io_turn(), IoTurn::Nap);
        assert_eq!(baton.release(tenure), Wake::Nobody);
    }
    let tenure = baton.acquire(&1).unwrap();
    assert_eq!(baton.io_turn(), IoTurn::Nap);
    assert_eq!(baton.io_turn(), IoTurn::Watch);
    assert_eq!(baton.release(tenure), Wake::Io);
}

#[test]
fn an_io_thread_that_watches_is_woken_by_the_caller_it_watches() {
    let baton = Baton::new(0);
    let tenure = baton.acquire(&1).unwrap();
    assert_eq!(baton.io_turn(), IoTurn::Watch);
    assert_eq!(baton.release(tenure), Wake::Io);
}

#[test]
fn an_unused_turn_goes_to_the_io_thread_that_watches() {
    let baton = Baton::new(0);
    let tenure = baton.acquire(&1).unwrap();
    assert_eq!(baton.acquire(&2), None);
    assert_eq!(baton.io_turn(), IoTurn::Watch);
    assert_eq!(baton.release(tenure), Wake::Caller(2));
    assert_eq!(baton.leave(&2), Wake::Io);
}

#[test]
fn the_io_thread_yields_to_queued_callers_unless_a_socket_is_attended() {
    let baton = Baton::new(0);
    assert!(matches!(baton.io_turn(), IoTurn::Poll(_)));
    assert_eq!(baton.io_yield(), None);
    assert_eq!(baton.acquire(&1), None);
    baton.keep_polling(true);
    assert_eq!(baton.io_yield(), None);
    baton.keep_polling(false);
    assert_eq!(baton.io_yield(), Some(Wake::Caller(1)));
    assert_eq!(baton.io_turn(), IoTurn::Nap);
}
