//! What one Node environment (the main thread, or a worker) has in its event loop: the descriptors that are waited for, and
//! a place where other threads leave results.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{Env, Function, Result, Unknown};
use napi::{Error, JsValue, sys};
use napi_derive::napi;

use crate::buffers::{Raw, check};
use crate::polling::Polling;
use crate::qi::Hooks;
use crate::uv;

/// Makes what another thread has to say, on the environment's own thread: the kind, and a value of JavaScript. `None`: nobody is told.
pub type Make = Box<dyn FnOnce(&Rc<Core>) -> Option<(i32, Raw)> + Send>;

/// What another thread has to say to whoever has this number in `lib`.
pub struct Task {
    pub number: u32,
    pub make: Make,
}

impl Task {
    /// An operation has ended with this errno, or 0.
    pub fn outcome(operation: u32, errno: i32) -> Task {
        Task { number: operation, make: Box::new(move |core| Some((errno, undefined(core)))) }
    }
}

pub fn undefined(core: &Core) -> Raw {
    let mut value = ptr::null_mut();
    // SAFETY: the place is ours.
    unsafe { sys::napi_get_undefined(core.env, &mut value) };
    Raw(value)
}

/// The kind of a task to whoever listens for as long as he likes, rather than for one outcome.
pub const NEWS: i32 = -2;
/// A descriptor is ready.
const READY: i32 = -1;

/// Where other threads leave tasks.
#[derive(Clone)]
pub struct Post(Arc<Mutex<Tasks>>);

struct Tasks {
    waiting: Vec<Task>,
    /// The handle that wakes the loop; none when the environment is gone.
    wakeup: Option<Wakeup>,
}

struct Wakeup(NonNull<uv::Handle>);

// SAFETY: `uv_async_send` may be called by any thread, and is the only thing done with it.
unsafe impl Send for Wakeup {}

impl Post {
    /// Without an environment the task is dropped.
    pub fn send(&self, task: Task) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wakeup) = &tasks.wakeup {
            // SAFETY: the handle is open: it is taken out of here, under the lock, before it is closed.
            unsafe { uv::uv_async_send(wakeup.0.as_ptr()) };
            tasks.waiting.push(task);
        }
    }
}

/// The environment's part, used by its thread alone.
pub struct Core {
    env: sys::napi_env,
    lp: *mut uv::Loop,
    dispatch: sys::napi_ref,
    context: sys::napi_async_context,
    wakeup: Cell<*mut uv::Handle>,
    post: Post,
    /// What the bus asks of `lib`.
    pub(crate) hooks: OnceCell<Hooks>,
    polls: RefCell<HashSet<*mut uv::Handle>>,
    pub(crate) polling: Polling,
    /// How many handles are being closed; and whom to tell when none is, at the end of the environment.
    closing: Cell<usize>,
    hook: Cell<sys::napi_async_cleanup_hook_handle>,
    over: Cell<bool>,
}

/// One for each environment; the package makes it when it is loaded.
#[napi]
pub struct Hub {
    pub(crate) core: Rc<Core>,
}

#[napi]
impl Hub {
    /// `dispatch(number, kind, value)` is called with the number of a poll and -1, of who listens and -2, or of an operation and its errno
    /// or 0.
    #[napi(constructor)]
    pub fn new(env: Env, dispatch: Function<'_, (i32, i32, Unknown), ()>) -> Result<Hub> {
        let raw = env.raw();
        let mut lp: *mut uv::Loop = ptr::null_mut();
        let (mut reference, mut context, mut name) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the environment is alive, the function is a value of it, and all places are ours.
        unsafe {
            check(sys::napi_get_uv_event_loop(raw, (&raw mut lp).cast()), "this runtime has no event loop of libuv")?;
            check(sys::napi_create_reference(raw, dispatch.raw(), 1, &mut reference), "hub")?;
            check(sys::napi_create_string_utf8(raw, c"millrace".as_ptr(), 8, &mut name), "hub")?;
            check(sys::napi_async_init(raw, ptr::null_mut(), name, &mut context), "hub")?;
        }
        let wakeup = uv::allocate(uv::ASYNC);
        // SAFETY: fresh memory of the right size.
        if unsafe { uv::uv_async_init(lp, wakeup.as_ptr(), rung) } != 0 {
            return Err(Error::from_reason("no descriptors left to watch the event loop with"));
        }
        let tasks = Tasks { waiting: Vec::new(), wakeup: Some(Wakeup(wakeup)) };
        let core = Rc::new(Core {
            env: raw,
            lp,
            dispatch: reference,
            context,
            wakeup: Cell::new(wakeup.as_ptr()),
            post: Post(Arc::new(Mutex::new(tasks))),
            hooks: OnceCell::new(),
            polls: RefCell::default(),
            polling: Polling::default(),
            closing: Cell::new(0),
            hook: Cell::new(ptr::null_mut()),
            over: Cell::new(false),
        });
        // SAFETY: the handle is open, and the reference that it gets is taken back when it is closed; so is the hook's when it runs.
        unsafe {
            (*wakeup.as_ptr()).data = Rc::into_raw(Rc::clone(&core)).cast_mut().cast();
            uv::uv_unref(wakeup.as_ptr());
            let argument = Rc::into_raw(Rc::clone(&core)).cast_mut().cast();
            check(sys::napi_add_async_cleanup_hook(raw, Some(ending), argument, ptr::null_mut()), "hub")?;
        }
        Ok(Hub { core })
    }
}

#[napi]
impl Hub {
    /// Whether tasks are waited for: the process does not end then.
    #[napi]
    pub fn keep_alive(&self, yes: bool) {
        if !self.core.over.get() {
            // SAFETY: the handle is open until `over`.
            unsafe {
                match yes {
                    true => uv::uv_ref(self.core.wakeup.get()),
                    false => uv::uv_unref(self.core.wakeup.get()),
                }
            }
        }
    }
}

impl Core {
    pub fn env(&self) -> Env {
        Env::from_raw(self.env)
    }

    /// Where other threads leave tasks.
    pub fn post(&self) -> Post {
        self.post.clone()
    }

    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Calls JavaScript, which then also runs what it has promised.
    fn tell(self: &Rc<Self>, number: u32, make: impl FnOnce(&Rc<Core>) -> Option<(i32, Raw)>) {
        if self.over.get() {
            return;
        }
        let env = self.env;
        let mut scope = ptr::null_mut();
        // SAFETY: called on the environment's thread by its event loop, in a scope of its own.
        unsafe { sys::napi_open_handle_scope(env, &mut scope) };
        if let Some((kind, value)) = make(self) {
            self.dispatch(number, kind, value);
        }
        // SAFETY: opened above.
        unsafe { sys::napi_close_handle_scope(env, scope) };
    }

    fn dispatch(&self, number: u32, kind: i32, value: Raw) {
        let env = self.env;
        let (mut function, mut this) = (ptr::null_mut(), ptr::null_mut());
        let mut arguments = [ptr::null_mut(), ptr::null_mut(), value.0];
        // SAFETY: called on the environment's thread in a scope; all places are ours. An exception is Node's "uncaught exception", which
        // `napi_make_callback` leaves pending.
        unsafe {
            sys::napi_get_reference_value(env, self.dispatch, &mut function);
            sys::napi_get_global(env, &mut this);
            sys::napi_create_uint32(env, number, &mut arguments[0]);
            sys::napi_create_int32(env, kind, &mut arguments[1]);
            let count = arguments.len();
            let status =
                sys::napi_make_callback(env, self.context, this, function, count, arguments.as_ptr(), ptr::null_mut());
            if status == sys::Status::napi_pending_exception {
                let mut exception = ptr::null_mut();
                sys::napi_get_and_clear_last_exception(env, &mut exception);
                sys::napi_fatal_exception(env, exception);
            }
        }
    }
}

/// A descriptor in the event loop.
pub struct Poll {
    handle: *mut uv::Handle,
    hub: Rc<Core>,
}

struct Watched {
    what: What,
    hub: Rc<Core>,
}

#[derive(Clone, Copy)]
enum What {
    /// What has this number in `lib`.
    Told(u32),
    /// The engine's poll.
    Engine,
}

impl Poll {
    /// Watches from now on whether the descriptor is readable; `dispatch` is told READY as long as it is.
    pub fn start(hub: &Rc<Core>, fd: c_int, number: u32) -> Result<Poll> {
        Poll::new(hub, fd, What::Told(number))
    }

    /// The same for the engine's poll.
    pub fn of_engine(hub: &Rc<Core>, fd: c_int) -> Result<Poll> {
        Poll::new(hub, fd, What::Engine)
    }

    fn new(hub: &Rc<Core>, fd: c_int, what: What) -> Result<Poll> {
        let handle = uv::allocate(uv::POLL).as_ptr();
        let data = Box::new(Watched { what, hub: Rc::clone(hub) });
        // SAFETY: fresh memory of the right size; the data is taken back in `closed`.
        unsafe {
            if hub.is_over() || uv::uv_poll_init(hub.lp, handle, fd) != 0 {
                uv::free(handle, uv::POLL);
                return Err(Error::from_reason("the event loop cannot watch this socket"));
            }
            (*handle).data = Box::into_raw(data).cast();
            uv::uv_poll_start(handle, uv::READABLE, ready);
        }
        hub.polls.borrow_mut().insert(handle);
        Ok(Poll { handle, hub: Rc::clone(hub) })
    }

    fn is_open(&self) -> bool {
        self.hub.polls.borrow().contains(&self.handle)
    }

    pub fn resume(&self) {
        if self.is_open() {
            // SAFETY: open, and of this thread.
            unsafe { uv::uv_poll_start(self.handle, uv::READABLE, ready) };
        }
    }

    pub fn pause(&self) {
        if self.is_open() {
            // SAFETY: open, and of this thread.
            unsafe { uv::uv_poll_stop(self.handle) };
        }
    }

    /// Whether it keeps the process alive while it is not paused.
    pub fn keep_alive(&self, yes: bool) {
        if !self.is_open() {
            return;
        }
        // SAFETY: open, and of this thread.
        unsafe {
            match yes {
                true => uv::uv_ref(self.handle),
                false => uv::uv_unref(self.handle),
            }
        }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        if self.hub.polls.borrow_mut().remove(&self.handle) {
            self.hub.close_poll(self.handle);
        }
    }
}

unsafe extern "C" fn ready(handle: *mut uv::Handle, _status: c_int, _events: c_int) {
    // SAFETY: set when the handle was opened, and valid until it is closed, which what is called here may do: so it is copied.
    let (what, hub) = unsafe {
        let watched = &*(*handle).data.cast::<Watched>();
        (watched.what, Rc::clone(&watched.hub))
    };
    match what {
        What::Engine => hub.polling.turn(),
        What::Told(number) => {
            hub.polling.told();
            hub.tell(number, |core| Some((READY, undefined(core))));
            hub.polling.linger();
        }
    }
}

unsafe extern "C" fn poll_closed(handle: *mut uv::Handle) {
    // SAFETY: libuv is through with the handle, and its data is what `start` put there.
    let hub = unsafe {
        let watched = Box::from_raw((*handle).data.cast::<Watched>());
        uv::free(handle, uv::POLL);
        watched.hub
    };
    hub.one_closed();
}

/// Another thread has left something.
unsafe extern "C" fn rung(handle: *mut uv::Handle) {
    // SAFETY: the reference that `Hub::new` put there; the handle keeps it, so it is counted once more.
    let core = unsafe {
        let data = (*handle).data.cast::<Core>();
        Rc::increment_strong_count(data);
        Rc::from_raw(data)
    };
    let tasks = std::mem::take(&mut core.post.0.lock().unwrap_or_else(PoisonError::into_inner).waiting);
    for task in tasks {
        core.tell(task.number, task.make);
    }
}

/// The environment ends: its handles must be closed before its loop is.
unsafe extern "C" fn ending(hook: sys::napi_async_cleanup_hook_handle, argument: *mut c_void) {
    // SAFETY: the reference that `Hub::new` gave the hook.
    let core = unsafe { Rc::from_raw(argument.cast::<Core>()) };
    core.over.set(true);
    core.hook.set(hook);
    let tasks = {
        let mut tasks = core.post.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.wakeup = None;
        std::mem::take(&mut tasks.waiting)
    };
    drop(tasks);
    core.polling.end();
    let polls = std::mem::take(&mut *core.polls.borrow_mut());
    polls.into_iter().for_each(|handle| core.close_poll(handle));
    core.closing.set(core.closing.get() + 1);
    // SAFETY: open until now.
    unsafe { uv::uv_close(core.wakeup.get(), Some(wakeup_closed)) };
}

unsafe extern "C" fn wakeup_closed(handle: *mut uv::Handle) {
    // SAFETY: libuv is through with the handle; its data is the reference of `Hub::new`.
    let core = unsafe {
        let core = Rc::from_raw((*handle).data.cast::<Core>());
        uv::free(handle, uv::ASYNC);
        core
    };
    core.one_closed();
}

impl Core {
    fn close_poll(&self, handle: *mut uv::Handle) {
        self.closing.set(self.closing.get() + 1);
        // SAFETY: it was in `polls`, hence is open; whoever takes it out closes it.
        unsafe {
            uv::uv_poll_stop(handle);
            uv::uv_close(handle, Some(poll_closed));
        }
    }

    fn one_closed(&self) {
        self.closing.set(self.closing.get() - 1);
        let hook = if self.closing.get() == 0 { self.hook.replace(ptr::null_mut()) } else { ptr::null_mut() };
        if !hook.is_null() {
            // SAFETY: told once, as the interface wants.
            unsafe { sys::napi_remove_async_cleanup_hook(hook) };
        }
    }
}
