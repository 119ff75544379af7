use crate::reactor::leadership::{IoTurn, Leadership, Unwritten, Wake};

#[test]
fn a_leaving_caller_wakes_the_next_in_the_queue() {
    let leadership = Leadership::new(0);
    let tenure = leadership.acquire(&1).unwrap();
    assert_eq!(leadership.acquire(&2), None);
    assert_eq!(leadership.acquire(&3), None);
    assert_eq!(leadership.release(tenure), Wake::Caller(2));
    assert_eq!(leadership.leave(&2), Wake::Caller(3));
}

#[test]
fn the_io_thread_naps_after_a_caller_and_polls_when_none_came_back() {
    let leadership = Leadership::new(0);
    let tenure = leadership.acquire(&1).unwrap();
    assert_eq!(leadership.release(tenure), Wake::Nobody);
    assert_eq!(leadership.io_turn(true), IoTurn::Nap { held: false, hurried: false });
    assert!(matches!(leadership.io_turn(true), IoTurn::Poll(_)));
}

/// Callers that come and go need not wake it each time; one that stays is watched.
#[test]
fn the_io_thread_naps_while_callers_come_and_watches_when_one_stays() {
    let leadership = Leadership::new(0);
    for _ in 0..3 {
        let tenure = leadership.acquire(&1).unwrap();
        assert_eq!(leadership.release(tenure), Wake::Nobody);
        let tenure = leadership.acquire(&1).unwrap();
        assert_eq!(leadership.io_turn(true), IoTurn::Nap { held: true, hurried: false });
        assert_eq!(leadership.release(tenure), Wake::Nobody);
    }
    let tenure = leadership.acquire(&1).unwrap();
    assert_eq!(leadership.io_turn(true), IoTurn::Nap { held: true, hurried: false });
    assert_eq!(
        leadership.io_turn(false),
        IoTurn::Nap { held: true, hurried: false },
        "no sooner than after the longest nap"
    );
    assert_eq!(leadership.io_turn(true), IoTurn::Watch);
    assert_eq!(leadership.release(tenure), Wake::Io);
}

#[test]
fn an_io_thread_that_watches_is_woken_by_the_caller_it_watches() {
    let leadership = Leadership::new(0);
    let tenure = leadership.acquire(&1).unwrap();
    assert_eq!(leadership.io_turn(true), IoTurn::Watch);
    assert_eq!(leadership.release(tenure), Wake::Io);
}

#[test]
fn an_unused_turn_goes_to_the_io_thread_that_watches() {
    let leadership = Leadership::new(0);
    let tenure = leadership.acquire(&1).unwrap();
    assert_eq!(leadership.acquire(&2), None);
    assert_eq!(leadership.io_turn(true), IoTurn::Watch);
    assert_eq!(leadership.release(tenure), Wake::Caller(2));
    assert_eq!(leadership.leave(&2), Wake::Io);
}

#[test]
fn the_io_thread_yields_to_queued_callers_unless_a_socket_is_attended() {
    let leadership = Leadership::new(0);
    assert!(matches!(leadership.io_turn(true), IoTurn::Poll(_)));
    assert_eq!(leadership.io_yield(), None);
    assert_eq!(leadership.acquire(&1), None);
    leadership.keep_polling(true);
    assert_eq!(leadership.io_yield(), None);
    leadership.keep_polling(false);
    assert_eq!(leadership.io_yield(), Some(Wake::Caller(1)));
    assert_eq!(leadership.io_turn(true), IoTurn::Nap { held: false, hurried: false });
}

#[test]
fn the_io_thread_makes_way_for_a_loop_and_polls_when_none_came_back() {
    let leadership = Leadership::<u32>::new(0);
    assert!(matches!(leadership.io_turn(true), IoTurn::Poll(_)));
    assert_eq!(leadership.io_yield(), None, "nobody has come");
    assert_eq!(leadership.loop_comes(), None, "it looks without the lead");
    assert_eq!(leadership.io_yield(), Some(Wake::Nobody));
    assert_eq!(leadership.io_turn(true), IoTurn::Nap { held: false, hurried: false });
    let tenure = leadership.loop_comes().unwrap();
    assert_eq!(leadership.release(tenure), Wake::Nobody);
    assert_eq!(leadership.io_turn(true), IoTurn::Nap { held: false, hurried: false });
    assert!(matches!(leadership.io_turn(true), IoTurn::Poll(_)));
}

#[test]
fn a_loop_does_not_keep_the_io_thread_from_an_attended_socket() {
    let leadership = Leadership::<u32>::new(0);
    leadership.keep_polling(true);
    assert!(matches!(leadership.io_turn(true), IoTurn::Poll(_)));
    assert_eq!(leadership.loop_comes(), None);
    assert_eq!(leadership.io_yield(), None);
}

/// The rest of a large message does not wait until a lease is over, or two.
#[test]
fn what_the_kernel_has_no_room_for_hurries_the_io_thread() {
    let leadership = Leadership::new(0);
    let tenure = leadership.acquire(&1).unwrap();
    leadership.release(tenure);
    assert_eq!(leadership.io_turn(true), IoTurn::Nap { held: false, hurried: false });
    assert_eq!(leadership.unwritten(Unwritten::Begins), Wake::Io);
    assert!(leadership.has_unwritten());
    assert_eq!(leadership.unwritten(Unwritten::GoesOn), Wake::Nobody, "it has been told");
    // Somebody comes and goes meanwhile.
    let tenure = leadership.acquire(&1).unwrap();
    assert_eq!(leadership.release(tenure), Wake::Nobody, "as it was");
    assert_eq!(leadership.io_turn(true), IoTurn::Nap { held: false, hurried: true });
    assert!(matches!(leadership.io_turn(true), IoTurn::Poll(_)), "nobody has come back");
}

#[test]
fn who_polls_fetches_the_news_of_room_and_hurries_the_io_thread_when_it_leaves() {
    let leadership = Leadership::new(0);
    let tenure = leadership.acquire(&1).unwrap();
    assert_eq!(leadership.unwritten(Unwritten::Begins), Wake::Nobody);
    assert_eq!(leadership.io_turn(false), IoTurn::Nap { held: true, hurried: false });
    assert_eq!(leadership.release(tenure), Wake::Io);
    let tenure = leadership.acquire(&1).unwrap();
    assert_eq!(leadership.unwritten(Unwritten::Ends), Wake::Nobody);
    assert_eq!(leadership.release(tenure), Wake::Nobody, "all is written");
    assert_eq!(leadership.io_turn(true), IoTurn::Nap { held: false, hurried: false });
}

/// One that does not read must not have callers of others wake the I/O thread for ever.
#[test]
fn a_pipe_that_does_not_get_on_is_no_reason_for_haste_in_the_long_run() {
    let leadership = Leadership::new(0);
    let comes_and_goes = || {
        let tenure = leadership.acquire(&1).unwrap();
        leadership.release(tenure) == Wake::Io || matches!(leadership.io_turn(true), IoTurn::Nap { hurried: true, .. })
    };
    leadership.unwritten(Unwritten::Begins);
    assert!(comes_and_goes());
    let hurries = (0..1000).filter(|_| comes_and_goes()).count();
    assert!(hurries < 100 && !comes_and_goes(), "{hurries}");
    leadership.unwritten(Unwritten::GoesOn);
    assert!(comes_and_goes(), "it got on");
}
