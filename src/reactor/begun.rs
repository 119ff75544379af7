//! The streams that a thread has begun. What it has left in their buffers is written before it waits, for whatever: what it waits
//! for may be the answer, on another socket.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use crate::transport::source::Source;

/// Of how many streams a thread knows that it has begun them. Those of which it does not know are looked after by the I/O thread.
const MOST: usize = 64;

thread_local! {
    static MINE: RefCell<Vec<(Weak<dyn Source>, u64)>> = const { RefCell::new(Vec::new()) };
}

/// This thread has begun a stream.
pub fn remember(source: &Arc<dyn Source>, key: u64) {
    // A thread that ends may have lost its list already.
    let _ = MINE.try_with(|mine| {
        let Ok(mut mine) = mine.try_borrow_mut() else { return };
        let source = Arc::downgrade(source);
        if mine.iter().any(|(other, other_key)| *other_key == key && other.ptr_eq(&source)) {
            return;
        }
        if mine.len() == MOST {
            mine.remove(0);
        }
        if mine.try_reserve(1).is_ok() {
            mine.push((source, key));
        }
    });
}

/// Writes what this thread's streams have left, and forgets those that have ended.
#[inline]
pub fn flush_mine() {
    let _ = MINE.try_with(|mine| {
        if mine.try_borrow().is_ok_and(|mine| !mine.is_empty()) {
            flush(mine);
        }
    });
}

#[cold]
fn flush(mine: &RefCell<Vec<(Weak<dyn Source>, u64)>>) {
    // Whom it concerns may begin streams meanwhile.
    let mut begun = mine.take();
    begun.retain(|(source, key)| source.upgrade().is_some_and(|source| source.flush_before_wait(*key)));
    if let Ok(mut mine) = mine.try_borrow_mut() {
        begun.append(&mut mine);
        *mine = begun;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source::Fake;
    use super::*;

    #[test]
    fn who_is_about_to_wait_writes_what_it_has_begun() {
        let fake = Arc::new(Fake::default());
        let source: Arc<dyn Source> = Arc::clone(&fake) as Arc<dyn Source>;
        remember(&source, 7);
        remember(&source, 7);
        remember(&source, 8);
        flush_mine();
        assert_eq!(fake.told(), [7, 8]);
        let elsewhere = std::thread::spawn(flush_mine);
        elsewhere.join().unwrap();
        assert_eq!(fake.told(), [] as [u64; 0]);
        fake.dry.store(true, std::sync::atomic::Ordering::Relaxed);
        flush_mine();
        assert_eq!(fake.told(), [7, 8]);
        flush_mine();
        assert_eq!(fake.told(), [] as [u64; 0], "streams that have ended are forgotten");
    }

    #[test]
    fn sockets_that_are_gone_are_forgotten_and_the_list_stays_short() {
        let gone: Arc<dyn Source> = Arc::new(Fake::default());
        remember(&gone, 1);
        drop(gone);
        let fake = Arc::new(Fake::default());
        let source: Arc<dyn Source> = Arc::clone(&fake) as Arc<dyn Source>;
        for key in 0..MOST as u64 + 1 {
            remember(&source, key);
        }
        flush_mine();
        assert_eq!(fake.told(), (1..MOST as u64 + 1).collect::<Vec<_>>());
    }
}
