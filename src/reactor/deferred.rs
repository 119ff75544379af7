//! News that the I/O thread puts off. A socket in the midst of a call needs none before the call is done; to wait for that
//! would make the call wait for us next. So whoever polls next tells it: the caller itself, if it comes to that, or the I/O
//! thread a moment later.

use std::sync::Arc;

use crate::transport::pipe::Ready;
use crate::transport::source::Source;

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

#[derive(Default)]
pub struct Deferred(Vec<News>);

impl Deferred {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells what was put off, in its order.
    pub fn tell_all(&mut self, busy: Busy) {
        for news in std::mem::take(&mut self.0) {
            self.tell(news, busy);
        }
    }

    pub fn tell(&mut self, news: News, busy: Busy) {
        if busy == Busy::Defer && news.deferred < PATIENCE && news.source.is_busy() {
            self.0.push(News { deferred: news.deferred + 1, ..news });
        } else {
            news.source.ready(news.key, news.ready);
        }
    }
}
