//! A session: a directory, and the services it knows (qi-messaging.md 11, 12, 22, 23).

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::core::Error;
use crate::qi::calls::{CallError, Connection, Result};
use crate::qi::meta::ServiceInfo;
use crate::reactor::deadline_in;
use crate::sys::sync::Mutex;

use super::directory::Directory;
use super::notices::Notice;
use super::proxy::Proxy;
use super::reconnector;
use super::session_core::{ConnectionObserver, Core, Link, SessionOptions, Unreached};
use super::watch::Watch;

/// A connection to a directory and to what it leads to. Clones are the same session; when the last is dropped, its
/// connections live as long as proxies hold them. All methods may be called from any thread; those that wait are
/// `EDEADLK` on a thread that reads a connection.
#[derive(Clone)]
pub struct Session(Arc<Core>);

/// A session, as long as somebody else keeps it.
pub(in crate::qi) struct WeakSession(Weak<Core>);

impl WeakSession {
    pub fn upgrade(&self) -> Option<Session> {
        self.0.upgrade().map(Session)
    }
}

/// Gives up a [`Session::connect_unless`], from any thread; and one that has not begun. A session that has come about is closed.
#[derive(Clone, Default)]
pub struct GiveUp(Arc<Mutex<GivingUp>>);

#[derive(Default)]
struct GivingUp {
    session: Weak<Core>,
    done: bool,
}

impl GiveUp {
    /// Gives it up.
    pub fn now(&self) {
        let mut state = self.0.lock();
        state.done = true;
        let session = state.session.upgrade();
        drop(state);
        if let Some(session) = session {
            session.close();
        }
    }

    /// False: it was given up before.
    fn watch(&self, core: &Arc<Core>) -> bool {
        let mut state = self.0.lock();
        state.session = Arc::downgrade(core);
        !state.done
    }
}

impl fmt::Debug for GiveUp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "GiveUp({})", self.0.lock().done)
    }
}

/// How long a service may be listed that is not there: who takes it back tells the directory first, or right after.
const CLEAR: Duration = Duration::from_millis(250);

/// Why a service is worth waiting for.
enum NotYet {
    /// The directory does not know it.
    Unlisted,
    /// The directory is lost, and looked for.
    DirectoryLost,
    /// The directory knows it, and who is to have it does not.
    Unserved(Unserved),
}

/// It goes, which the directory is about to say, and perhaps comes again; or nothing will ever be there.
struct Unserved {
    id: u32,
    error: CallError,
    since: Instant,
}

impl Unserved {
    /// For how long it has been so. Fails with its error when that is clear.
    fn since_first(self, before: Option<Unserved>) -> Result<Unserved> {
        let first = before.filter(|before| (before.id, &before.error) == (self.id, &self.error)).unwrap_or(self);
        if first.since.elapsed() < CLEAR { Ok(first) } else { Err(first.error) }
    }
}

/// [`Session::connect`] with the default options.
pub fn connect(url: &str) -> Result<Session> {
    Session::connect(url, SessionOptions::default())
}

impl Session {
    /// Connects to the directory at `url` (`tcp://host:port`; scheme and port may be missing: tcp, 9559) and authenticates. The
    /// errors tell what to do: see [`CallError`].
    pub fn connect(url: &str, options: SessionOptions) -> Result<Session> {
        Session::start(url, options, None)
    }

    /// [`Session::connect`], unless another thread gives that up: then it fails at once, and nothing stays open.
    pub fn connect_unless(url: &str, options: SessionOptions, given_up: &GiveUp) -> Result<Session> {
        let core = Core::new(url, options, None)?;
        if !given_up.watch(&core) {
            return Err(Error::NOT_CONNECTED.into());
        }
        Session::begin(core)
    }

    /// The `observer` lives on the directory's connection.
    pub(in crate::qi) fn start(
        url: &str,
        options: SessionOptions,
        observer: Option<Arc<dyn ConnectionObserver>>,
    ) -> Result<Session> {
        Session::begin(Core::new(url, options, observer)?)
    }

    fn begin(core: Arc<Core>) -> Result<Session> {
        core.open()?;
        if let Some(backoff) = core.options.reconnect {
            reconnector::start(&core, backoff)?;
        }
        Ok(Session(core))
    }

    /// The directory. [`CallError::Disconnected`] while it is lost.
    pub fn directory(&self) -> Result<Directory> {
        Ok(self.0.link()?.directory)
    }

    /// The directory's connection.
    pub fn connection(&self) -> Result<Arc<Connection>> {
        Ok(self.0.link()?.connection)
    }

    /// The id of the directory's machine; empty if it does not say.
    pub fn machine_id(&self) -> Result<String> {
        Ok(self.0.link()?.machine)
    }

    /// All services that are ready.
    pub fn services(&self) -> Result<Vec<ServiceInfo>> {
        self.0.link()?.directory.services()
    }

    /// A service by name. A connection that leads there is used again; else its endpoints are dialled, and the first that
    /// answers is used (section 12). Fails with [`CallError::NoService`], [`CallError::Unreachable`], or as connecting does.
    pub fn service(&self, name: &str) -> Result<Proxy> {
        self.0.service(name, None).map_err(|unreached| unreached.error)
    }

    /// [`Session::service`], once it is ready; waits for that for at most `timeout` (`None`: for ever), reaching it included. What is listed, but refuses
    /// to say what it is, is asked again while it may be about to go and come; if it still says the same a quarter of a second later, that is the error.
    pub fn wait_for_service(&self, name: &str, timeout: Option<Duration>) -> Result<Proxy> {
        let deadline = deadline_in(timeout);
        let mut unserved: Option<Unserved> = None;
        loop {
            let seen = self.0.changes.count();
            let why = match self.0.service(name, deadline) {
                Ok(proxy) => return Ok(proxy),
                Err(unreached) => self.not_yet(unreached, deadline)?,
            };
            unserved = match why {
                NotYet::Unlisted | NotYet::DirectoryLost => None,
                NotYet::Unserved(now) => Some(now.since_first(unserved)?),
            };
            let look_again = unserved.as_ref().map(|unserved| unserved.since + CLEAR);
            match self.0.changes.wait(seen, deadline.into_iter().chain(look_again).min()) {
                Err(Error::TIMED_OUT) if deadline.is_none_or(|deadline| deadline > Instant::now()) => {}
                Err(Error::TIMED_OUT) => return Err(unserved.map_or(CallError::TimedOut, |unserved| unserved.error)),
                outcome => outcome?,
            }
        }
    }

    /// Why a service is worth waiting for that cannot be had now; or the error, if it is not.
    fn not_yet(&self, Unreached { error, listed }: Unreached, deadline: Option<Instant>) -> Result<NotYet> {
        let is_over = deadline.is_some_and(|deadline| deadline <= Instant::now());
        let reconnects = self.0.options.reconnect.is_some() && !self.0.is_closed();
        match (error, listed) {
            (CallError::NoService { .. }, _) => Ok(NotYet::Unlisted),
            (error @ CallError::Remote(_), Some(id)) => {
                Ok(NotYet::Unserved(Unserved { id, error, since: Instant::now() }))
            }
            // Whatever it was that had to be given up: the caller's time is over.
            _ if is_over => Err(CallError::TimedOut),
            (error, _) if error.is_disconnection() && reconnects => Ok(NotYet::DirectoryLost),
            (error, _) => Err(error),
        }
    }

    /// The directory's connection is there.
    pub fn is_connected(&self) -> bool {
        self.0.link().is_ok()
    }

    /// Bytes in use of what its connections may keep in memory: messages that have not wholly arrived, events that nobody has taken, what is to
    /// be sent, and 16 KiB for each connection ([`Budget`](crate::qi::endpoint::Budget)).
    pub fn memory(&self) -> usize {
        self.0.options.dial.config.budget.used()
    }

    /// How often the directory has been connected to again after a loss.
    pub fn reconnections(&self) -> u64 {
        self.0.reconnections()
    }

    /// Has `callback` told what becomes of the session: [`Notice::Lost`] when the directory's connection has ended, also by
    /// [`Session::close`]; [`Notice::Restored`] when there is another one, if the session reconnects; and which services come and go
    /// meanwhile. What is lost already is told at once. It is called as that of [`Proxy::watch`] is; of notices that wait for it 10,000 are
    /// kept.
    ///
    /// ```no_run
    /// # use nanomsg::qi::client::{Notice, Session, SessionOptions};
    /// # fn main() -> nanomsg::qi::client::Result<()> {
    /// let session = Session::connect("tcp://robot.local:9559", SessionOptions::default())?;
    /// let _notices = session.on_notice(|notice| match notice {
    ///     Notice::ServiceAdded { name, .. } => println!("{name} is there"),
    ///     other => println!("{other:?}"),
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_notice(&self, callback: impl FnMut(Notice) + Send + 'static) -> Result<Watch> {
        self.0.notices.listen(callback)
    }

    pub(in crate::qi) fn link(&self) -> Result<Link> {
        self.0.link()
    }

    /// A handle that does not keep it.
    pub(in crate::qi) fn downgrade(&self) -> WeakSession {
        WeakSession(Arc::downgrade(&self.0))
    }

    /// Has what is lost looked for, if the session does that.
    pub(in crate::qi) fn look_again(&self) {
        self.0.changes.tell();
    }

    /// Closes all connections. Calls under way fail, subscriptions end.
    pub fn close(&self) {
        self.0.close();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Session({})", self.0.url)
    }
}
