//! News that the I/O thread puts off. A socket in the midst of a call needs none before the call is done; to wait for that
//! would make the call wait for us next. So whoever polls next tells it: the caller itself, if it comes to that, or the I/O
//! thread a moment later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::transport::pipe::Ready;
use crate::transport::source::Source;

use super::sync::Mutex;

/// How often news is put off.
const PATIENCE: u8 = 4;

/// What becomes of news for somebody who is busy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Busy {
    Wait,
    /// For who looks again soon.
    Defer,
}

pub struct News {
    pub source: Arc<dyn Source>,
    pub key: u64,
    pub ready: Ready,
    /// How often it was put off.
    pub deferred: u8,
}

/// Nothing is told under its lock: the one who tells may be held up.
#[derive(Default)]
pub struct Deferred {
    news: Mutex<Vec<News>>,
    some: AtomicBool,
}

impl Deferred {
    pub fn is_empty(&self) -> bool {
        !self.some.load(Ordering::Relaxed)
    }

    /// Tells what was put off, in its order.
    pub fn tell_all(&self, busy: Busy) {
        if self.is_empty() {
            return;
        }
        let all = {
            let mut news = self.news.lock();
            self.some.store(false, Ordering::Relaxed);
            std::mem::take(&mut *news)
        };
        for news in all {
            self.tell(news, busy);
        }
    }

    pub fn tell(&self, news: News, busy: Busy) {
        if busy == Busy::Defer && news.deferred < PATIENCE && news.source.is_busy() {
            let mut all = self.news.lock();
            self.some.store(true, Ordering::Relaxed);
            all.push(News { deferred: news.deferred + 1, ..news });
        } else {
            news.source.ready(news.key, news.ready);
        }
    }
}
