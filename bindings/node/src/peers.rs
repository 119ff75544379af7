//! Who sent a message, and sending to one peer.

use std::cell::RefCell;
use std::rc::Rc;

use nanomsg::Error;
use nanomsg::internals::{Body, Header, Message, PeerSender};
use napi::bindgen_prelude::{Env, Result, Unknown};
use napi_derive::napi;

use crate::buffers::{self, Raw};
use crate::hub::Core;
use crate::sockets::number;
use crate::watching::Watching;

#[napi(object, object_from_js = false)]
pub struct NativeMessage {
    #[napi(ts_type = "Buffer")]
    pub body: Raw,
    #[napi(ts_type = "Buffer")]
    pub header: Raw,
    pub peer: Option<NativePeer>,
}

#[napi(object, object_from_js = false)]
pub struct NativePeer {
    pub connection: f64,
    pub address: String,
    pub process: Option<NativeProcess>,
    pub subject: Option<String>,
}

#[napi(object, object_from_js = false)]
pub struct NativeProcess {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

impl NativeMessage {
    pub fn of(env: &Env, message: Message<'static>) -> Result<NativeMessage> {
        let header = buffers::copy(env, &message.header)?;
        let peer = message.peer.as_deref().map(|peer| NativePeer {
            connection: peer.pipe as f64,
            address: peer.address.clone(),
            process: peer.process.map(|process| NativeProcess { pid: process.pid, uid: process.uid, gid: process.gid }),
            subject: peer.subject.clone(),
        });
        Ok(NativeMessage { body: buffers::hand_over(env, message)?, header, peer })
    }
}

/// What sends to one peer that took no more just now.
#[napi]
pub struct NativePeerSender {
    // Dropped before the descriptor that it watches.
    watching: Watching,
    /// None when it was closed.
    sender: RefCell<Option<PeerSender>>,
}

impl NativePeerSender {
    pub fn of(hub: &Rc<Core>, sender: PeerSender) -> NativePeerSender {
        NativePeerSender { watching: Watching::in_loop(hub), sender: RefCell::new(Some(sender)) }
    }
}

#[napi]
impl NativePeerSender {
    /// 0, or what happened; after EAGAIN the event loop says when it is worth another try.
    #[napi]
    pub fn send(&self, env: Env, header: Unknown<'_>, body: Unknown<'_>) -> Result<i32> {
        let mut message = Message::new(Body::Borrowed(buffers::bytes(&env, &body)?));
        message.header = Header::from_slice(buffers::bytes(&env, &header)?);
        let mut sender = self.sender.borrow_mut();
        let sent = sender.as_mut().ok_or(Error::BAD_FD).and_then(|sender| sender.attempt(&mut message));
        Ok(number(sent.map(|()| 0)))
    }

    #[napi]
    pub fn watch(&self, side: u32, slot: u32) -> i32 {
        let fd = || self.sender.borrow().as_ref().map(PeerSender::fd).ok_or(Error::BAD_FD);
        number(self.watching.start(side, slot, fd).map(|()| 0))
    }

    #[napi]
    pub fn pause(&self, side: u32) {
        self.watching.pause(side);
    }

    #[napi]
    pub fn keep_alive(&self, side: u32, yes: bool) {
        self.watching.keep_alive(side, yes);
    }

    #[napi]
    pub fn close(&self) {
        self.watching.end();
        self.sender.borrow_mut().take();
    }
}
