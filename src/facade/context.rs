//! A context: a socket's connections, used with protocol state of one's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::options::{self, OptionValue, int};
use crate::core::{ContextId, Error, Kind, Result};
use crate::sys::eventfd::SharedFd;

use super::close::Closing;
use super::socket::EngineSocket;
use super::state::SocketState;
use super::waiters::Side;

/// Asks, answers or subscribes on the connections of a socket as a socket of its own would: many requests under way at once, on one
/// socket. Those of types REQ, REP, SURVEYOR, RESPONDENT and SUB have contexts. The socket itself can be used beside them, and as one of
/// them ([`Context::of`]). All methods may be called from any thread, also several at a time. Dropping it closes it.
pub struct Context {
    socket: Arc<EngineSocket>,
    id: ContextId,
    is_closed: AtomicBool,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?}.{}", self.socket, self.id.0)
    }
}

impl Context {
    /// Opens a context, with the options that its socket has now. `ENOTSUP` (a raw socket, or a type without), `EBADF`.
    pub fn open(socket: &Arc<EngineSocket>) -> Result<Context> {
        let id = socket.with_open(SocketState::open_context)?;
        Ok(Context { socket: Arc::clone(socket), id, is_closed: AtomicBool::new(false) })
    }

    /// The socket itself, for whoever does not care which it has. Dropping it leaves the socket open.
    pub fn of(socket: Arc<EngineSocket>) -> Context {
        Context { socket, id: ContextId::SOCKET, is_closed: AtomicBool::new(false) }
    }

    /// The socket, if this is the socket itself.
    pub fn as_socket(&self) -> Option<&Arc<EngineSocket>> {
        (self.id == ContextId::SOCKET).then_some(&self.socket)
    }

    /// Whose context it is.
    pub fn socket(&self) -> &Arc<EngineSocket> {
        &self.socket
    }

    /// Which of its socket's it is; 0 is the socket itself.
    pub fn id(&self) -> ContextId {
        self.id
    }

    /// The type of its socket.
    pub fn kind(&self) -> &'static Kind {
        self.socket.kind()
    }

    /// As [`EngineSocket::cancel`].
    pub fn cancel(&self) -> Result<()> {
        self.socket.cancel_in(self.id)
    }

    /// Sets an option that contexts have for themselves: NN_SNDTIMEO, NN_RCVTIMEO, and those of the protocol. `ENOPROTOOPT` for all
    /// others, which are the socket's; `EINVAL`, `EBADF`.
    pub fn set_option(&self, level: i32, option: i32, value: &[u8]) -> Result<()> {
        if self.id == ContextId::SOCKET {
            return self.socket.set_option(level, option, value);
        }
        self.socket.with_context(self.id, |state| {
            if level == i32::from(state.core.kind().id) {
                return state.core.set_protocol_option(self.id, option, value);
            }
            let own = state.contexts.get_mut(self.id).ok_or(Error::BAD_FD)?;
            match (level, option) {
                (0, options::SNDTIMEO) => own.sndtimeo = int(value)?,
                (0, options::RCVTIMEO) => own.rcvtimeo = int(value)?,
                _ => return Err(Error::NO_PROTO_OPT),
            }
            Ok(())
        })
    }

    /// Reads an option: its own, or one of its socket. NN_SNDFD and NN_RCVFD are its own.
    pub fn option(&self, level: i32, option: i32) -> Result<OptionValue> {
        let own = |read: fn(&super::contexts::ContextState) -> i32| {
            self.socket.with_context(self.id, |state| Ok(state.contexts.get(self.id).map(read)))
        };
        let limit = match (level, option) {
            (0, options::SNDTIMEO) => own(|own| own.sndtimeo)?,
            (0, options::RCVTIMEO) => own(|own| own.rcvtimeo)?,
            _ => None,
        };
        match limit {
            Some(milliseconds) => Ok(OptionValue::Int(milliseconds)),
            None => self.socket.option_in(self.id, level, option),
        }
    }

    /// The descriptor of NN_SNDFD or NN_RCVFD, which stays open for whoever watches it when the context is closed: it is readable then.
    /// `ENOPROTOOPT`, `EMFILE`, `EBADF`.
    pub fn descriptor(&self, option: i32) -> Result<SharedFd> {
        self.socket.descriptor_in(self.id, option)
    }

    /// Gives up what was asked or is to be answered, and ends the calls of others with `EBADF`. Its socket stays open, unless it is the
    /// socket itself: then as [`EngineSocket::close`]. `EBADF` if it is closed already.
    pub fn close(&self) -> Result<()> {
        if let Some(closing) = self.start_closing()? {
            closing.wait();
        }
        Ok(())
    }

    /// The first half of [`Context::close`], which does not wait. Only of the socket itself anything lingers.
    pub fn start_closing(&self) -> Result<Option<Closing>> {
        if let Some(socket) = self.as_socket() {
            return socket.start_closing().map(Some);
        }
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Err(Error::BAD_FD);
        }
        self.socket.with(|state| state.close_context(self.id));
        Ok(None)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if self.id != ContextId::SOCKET {
            self.socket.with(|state| {
                state.close_context(self.id);
                state.contexts.remove(self.id);
            });
        }
    }
}

impl SocketState {
    fn open_context(&mut self) -> Result<ContextId> {
        self.core.check_contexts()?;
        let context = self.contexts.insert(self.core.options.sndtimeo, self.core.options.rcvtimeo);
        self.core.open_context(context, &mut self.pipes);
        Ok(context)
    }

    /// The socket may have ended it already.
    fn close_context(&mut self, context: ContextId) {
        let Some(own) = self.contexts.get_mut(context).filter(|own| own.is_open) else { return };
        own.end(&self.runtime, &mut self.pipes.work);
        self.core.close_context(context, &mut self.pipes);
        // Those who wait in line look whether it is their context that was closed.
        self.waiters.wake_all(Side::Recv, &mut self.pipes.work);
    }
}
