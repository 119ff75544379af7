//! What is kept for peers takes about as much of the heap as it is charged. By its bytes on the wire a small thing is charged a fraction of
//! that: a server with a budget of 256 MiB had 994 MiB of requests that its methods kept, and a client 1,114 MiB of events.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{c_char, c_int, c_void};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nanomsg::internals::models::{HEADER_SIZE, Message};
use nanomsg::qi::client::{Session, SessionOptions, SubscribeOptions};
use nanomsg::qi::server::{ObjectBuilder, Options, Server};
use nanomsg::qi::value::Value;
use support::free_port;

/// Nothing here takes this long; it ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// What the allocator adds to each block, about.
const BLOCK: usize = 16;

/// Bytes of the heap that are in use.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// All of the process is counted, so one at a time.
static ALONE: Mutex<()> = Mutex::new(());

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: it gives what the system's allocator gives, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() + BLOCK, Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() + BLOCK, Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(block, layout) }
    }
}

// SAFETY: as millrace/qi_service.h has them.
unsafe extern "C" {
    fn nnqi_server_open(urls: *const *const c_char, count: usize, options: *const c_void) -> u64;
    fn nnqi_server_close(server: u64) -> c_int;
    fn nnqi_server_memory(server: u64) -> i64;
    fn nnqi_builder_new() -> u64;
    fn nnqi_method(
        builder: u64,
        name: *const c_char,
        parameters: *const c_char,
        result: *const c_char,
        code: unsafe extern "C" fn(u64, *mut c_void),
        user: *mut c_void,
    ) -> i64;
    fn nnqi_build(builder: u64) -> u64;
    fn nnqi_add_service(server: u64, name: *const c_char, object: u64) -> i64;
    fn nnqi_on_cancel(request: u64, notice: unsafe extern "C" fn(c_int, *mut c_void), user: *mut c_void) -> c_int;
    fn nnqi_reply_canceled(request: u64) -> c_int;
}

/// Requests that C keeps.
static KEPT: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn keep(request: u64, _: *mut c_void) {
    // SAFETY: `cancelled` is of the kind, and can be called at any time.
    unsafe { nnqi_on_cancel(request, cancelled, request as *mut c_void) };
    KEPT.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn cancelled(canceled: c_int, request: *mut c_void) {
    if canceled == 1 {
        // SAFETY: it takes any number.
        unsafe { nnqi_reply_canceled(request as u64) };
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

fn encoded(message: &Message) -> Vec<u8> {
    [&message.header.encode(message.payload.len() as u32)[..], &message.payload].concat()
}

fn eventually(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "it never came about");
        std::thread::yield_now();
    }
}

/// What has been charged meanwhile, against what the heap has grown by.
fn compare(what: &str, count: usize, (charged, taken): (usize, usize)) {
    println!("{what}: {} bytes each are charged, {} taken", charged / count, taken / count);
    assert!(charged * 10 >= taken * 6, "{what}: {charged} are charged, and {taken} taken");
    assert!(charged <= taken * 3, "{what}: {charged} are charged, and {taken} taken");
}

#[test]
fn a_request_that_is_kept() {
    const KEEP: usize = 10_000;
    const PART: usize = 500;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let port = free_port();
    let url = format!("tcp://127.0.0.1:{port}\0");
    // SAFETY: texts end with a zero, and functions are of their kinds.
    let server = unsafe {
        let server = nnqi_server_open([url.as_ptr().cast()].as_ptr(), 1, std::ptr::null());
        let builder = nnqi_builder_new();
        let (name, parameters, result) = (c"keep".as_ptr(), c"(i)".as_ptr(), c"v".as_ptr());
        assert_eq!(nnqi_method(builder, name, parameters, result, keep, std::ptr::null_mut()), 100);
        assert_eq!(nnqi_add_service(server, c"Keeper".as_ptr(), nnqi_build(builder)), 2);
        server
    };
    // SAFETY: it takes any number.
    let charged = || unsafe { nnqi_server_memory(server) } as usize;
    let mut raw = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let authenticate = Message::call(1, 0, 0, 8, vec![0; 4].into());
    raw.write_all(&encoded(&authenticate)).expect("room");
    let mut header = [0; HEADER_SIZE];
    raw.read_exact(&mut header).expect("an answer");
    let before = (charged(), LIVE.load(Ordering::Relaxed));
    for part in 0..KEEP / PART {
        let ids = (part * PART) as u32..((part + 1) * PART) as u32;
        let calls = ids.flat_map(|id| encoded(&Message::call(10 + id, 2, 1, 100, vec![7; 4].into())));
        raw.write_all(&calls.collect::<Vec<u8>>()).expect("room");
        eventually(|| KEPT.load(Ordering::Relaxed) == (part + 1) * PART);
    }
    let after = (charged(), LIVE.load(Ordering::Relaxed));
    compare("a request that is kept", KEEP, (after.0 - before.0, after.1 - before.1));
    drop(raw);
    eventually(|| KEPT.load(Ordering::Relaxed) == 0 && charged() == 0);
    // SAFETY: it takes any number.
    unsafe { nnqi_server_close(server) };
}

#[test]
fn an_event_that_waits() {
    const EVENTS: usize = 20_000;
    const PART: usize = 1000;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let reactor = nanomsg::qi::client::shared_reactor().expect("a reactor");
    let server = Server::standalone(&reactor, &["tcp://127.0.0.1:0"], Options::default()).expect("a server");
    let mut builder = ObjectBuilder::new();
    builder.signal("count", "(i)");
    let object = builder.build().expect("an object");
    server.add_service("Counter", &object).expect("a service");
    let session = Session::connect(&server.addresses()[0], SessionOptions::default()).expect("a session");
    let counter = session.service("Counter").expect("the service");
    let options = SubscribeOptions { queue: EVENTS, ..SubscribeOptions::default() };
    let events = counter.subscribe_with("count", options).expect("a subscription");
    let before = (session.memory(), LIVE.load(Ordering::Relaxed));
    for part in 1..=EVENTS / PART {
        for number in 0..PART {
            object.emit("count", vec![Value::from(number as i32)]).expect("emitted");
        }
        eventually(|| events.len() == part * PART);
    }
    let after = (session.memory(), LIVE.load(Ordering::Relaxed));
    compare("an event that waits", EVENTS, (after.0 - before.0, after.1 - before.1));
    (0..EVENTS).for_each(|_| drop(events.next(Some(LIMIT)).expect("an event")));
    assert!(session.memory() <= before.0, "given back");
    assert!(LIVE.load(Ordering::Relaxed) < before.1 + (after.1 - before.1) / 4, "their places, too");
    session.close();
    server.close();
}
