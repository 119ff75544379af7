//! A call that locks a place without holding what is in it, while that is closed and the place serves another.

use std::sync::Arc;

use loom::thread;

use crate::explore;
use crate::sys::place::{Place, Signpost};

struct Handle {
    signpost: Signpost<u32>,
}

/// As the handle table closes a socket: nobody comes any more, whoever came is waited for, the place is left.
fn close(handle: &Handle, place: &Place<u32>) {
    handle.signpost.take_down();
    *place.lock() = None;
}

#[test]
fn a_call_meets_its_own_or_nobody() {
    explore(3, || {
        // Kept beyond the signposts that point there.
        let place = Arc::new(Place::<u32>::default());
        let handles = Arc::new([1, 2].map(|_| Handle { signpost: Signpost::default() }));
        *place.lock() = Some(1);
        // SAFETY: the place is dropped behind all that use the signposts.
        unsafe { handles[0].signpost.point_to(&place) };
        let (others, other_place) = (Arc::clone(&handles), Arc::clone(&place));
        let closer = thread::spawn(move || {
            close(&others[0], &other_place);
            *other_place.lock() = Some(2);
            // SAFETY: as above.
            unsafe { others[1].signpost.point_to(&other_place) };
        });
        let first = handles[0].signpost.follow().map(|state| *state);
        assert!(matches!(first, None | Some(Some(1))), "{first:?}");
        let second = handles[1].signpost.follow().map(|state| *state);
        assert!(matches!(second, None | Some(Some(2))), "{second:?}");
        closer.join().unwrap();
    });
}
