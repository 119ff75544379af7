//! Handshakes that cost time (TLS) are done by a thread of their own: neither under a socket's lock, where they would hold up its
//! callers, nor by the I/O thread, where they would hold up everybody. The reactor tells as ever when one can go on.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::Error;
use crate::sys::signals::spawn_without_signals;
use crate::transport::source::Source;
use crate::transport::stream::Stream;

/// Handshakes of one socket that are under way at a time. Of more, the oldest is given up: who opens connections and says nothing keeps
/// nobody else out.
pub const MOST: usize = 256;

/// The keys of pipes whose handshake was begun, the oldest first; others among them are done.
pub type BegunHandshakes = VecDeque<u64>;

/// A handshake that can go on; how it ends is told by [`Source::prepared`].
pub struct PendingHandshake {
    pub source: Arc<dyn Source>,
    pub key: u64,
    pub stream: Arc<dyn Stream>,
}

/// The thread, from the first handshake of a session to its end.
#[derive(Debug, Default)]
pub struct Handshakes(Mutex<Option<Sender<PendingHandshake>>>);

impl Handshakes {
    pub fn go_on(&self, handshake: PendingHandshake) {
        let mut sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = match &*sender {
            Some(sender) => sender.send(handshake).map_err(|lost| (lost.0, Error::BAD_FD)),
            None => {
                let (send, receive) = channel();
                match spawn_without_signals("millrace-tls", move || serve(&receive)) {
                    Ok(_) => sender.insert(send).send(handshake).map_err(|lost| (lost.0, Error::BAD_FD)),
                    Err(error) => Err((handshake, error.into())),
                }
            }
        };
        drop(sender);
        if let Err((handshake, error)) = outcome {
            handshake.source.prepared(handshake.key, Err(error));
        }
    }

    pub fn stop(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn serve(all: &Receiver<PendingHandshake>) {
    for PendingHandshake { source, key, stream } in all {
        match stream.prepare() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            outcome => source.prepared(key, outcome.map_err(as_ours)),
        }
    }
}

/// A fault of the peer's has no number of the system's.
fn as_ours(error: std::io::Error) -> Error {
    error.raw_os_error().map_or(Error::PROTO, Error::from_errno)
}
