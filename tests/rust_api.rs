//! The Rust API, as a program sees it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use nanomsg::{Error, EventKind, Message, OptionValue, PollItem, Protocol, Result, Session, Socket, loopback, poll};

const SOON: Option<Duration> = Some(Duration::from_secs(10));

fn pair(address: &str) -> Result<(Socket, Socket)> {
    let (one, other) = (Socket::new(Protocol::Pair)?, Socket::new(Protocol::Pair)?);
    let endpoint = one.bind(address)?;
    other.connect(&one.address(endpoint)?)?;
    one.wait_peers(1, SOON)?;
    other.wait_peers(1, SOON)?;
    Ok((one, other))
}

#[test]
fn messages_come_whole_and_can_be_passed_on() -> Result<()> {
    for address in ["tcp://127.0.0.1:0", "inproc://passed-on"] {
        let (one, other) = pair(address)?;
        let large = vec![7; 300_000];
        one.send(&large)?;
        let mut message = other.recv()?;
        assert_eq!(message, large);
        other.send_message(&mut message)?;
        assert!(message.is_empty());
        assert_eq!(one.recv()?, large);
    }
    Ok(())
}

#[test]
fn what_cannot_be_done_says_so_and_leaves_the_message() -> Result<()> {
    let socket = Socket::new(Protocol::Push)?;
    let mut message = Message::new("kept")?;
    assert_eq!(socket.try_send_message(&mut message), Err(Error::AGAIN));
    assert_eq!(message, "kept");
    socket.set_send_timeout(Some(Duration::from_micros(1)))?;
    assert_eq!(socket.send_timeout()?, Some(Duration::from_millis(1)));
    assert_eq!(socket.send("x"), Err(Error::TIMED_OUT));
    assert_eq!(socket.recv().map(drop), Err(Error::NOT_SUPPORTED));
    assert_eq!(socket.connect("nothing").map(drop), Err(Error::INVALID));
    assert_eq!(socket.subscribe("x"), Err(Error::NO_PROTO_OPT));
    assert_eq!(socket.option(0, 9999), Err(Error::NO_PROTO_OPT));
    socket.close()?;
    assert_eq!(socket.close(), Err(Error::BAD_FD));
    assert_eq!(socket.try_send("x"), Err(Error::BAD_FD));
    let error: std::io::Error = Error::FSM.into();
    assert_eq!(error.to_string(), Error::FSM.to_string());
    Ok(())
}

#[test]
fn options_read_as_they_were_set() -> Result<()> {
    let socket = Socket::new(Protocol::Req)?;
    assert_eq!(socket.recv_timeout()?, None);
    assert_eq!(socket.max_message_size()?, Some(1024 * 1024));
    socket.set_max_message_size(None)?;
    assert_eq!(socket.max_message_size()?, None);
    socket.set_resend_interval(Duration::from_millis(50))?;
    assert_eq!(socket.resend_interval()?, Duration::from_millis(50));
    socket.set_name("asker".into())?;
    assert_eq!(socket.name()?, "asker");
    socket.set_accept_from("127.0.0.0/8".into())?;
    assert_eq!(socket.accept_from()?, "127.0.0.0/8");
    socket.set_tcp_no_delay(true)?;
    assert!(socket.tcp_no_delay()?);
    assert_eq!(socket.set_max_hops(256), Err(Error::INVALID));
    assert_eq!(socket.option(0, 8), Ok(OptionValue::Int(8)));
    // Every row of the table is an option that the engine knows.
    let numbers = [socket.linger().map(drop), socket.send_buffer().map(drop), socket.recv_buffer().map(drop)];
    let times =
        [socket.reconnect_interval(), socket.reconnect_interval_max(), socket.keepalive()].map(|time| time.map(drop));
    let priorities = [socket.send_priority(), socket.recv_priority()].map(|number| number.map(drop));
    let others = [
        socket.ipv4_only().map(drop),
        socket.accept_max().map(drop),
        socket.spin().map(drop),
        socket.coalesce().map(drop),
        socket.connect_timeout().map(drop),
        socket.ipc_mode().map(drop),
        socket.ws_message_type().map(drop),
        Socket::new(Protocol::Surveyor)?.survey_deadline().map(drop),
    ];
    for outcome in numbers.into_iter().chain(times).chain(priorities).chain(others) {
        assert_eq!(outcome, Ok(()));
    }
    Ok(())
}

#[test]
fn raw_sockets_show_headers() -> Result<()> {
    let (server, client) = (Socket::raw(Protocol::Rep)?, Socket::new(Protocol::Req)?);
    assert!(server.is_raw() && server.protocol() == Protocol::Rep);
    client.connect(&server.address(server.bind("tcp://127.0.0.1:0")?)?)?;
    client.send("question")?;
    let question = server.recv()?;
    assert_eq!(question.header().len(), 8);
    server.send_message(&mut Message::with_header(question.header(), "answer")?)?;
    assert_eq!(client.recv()?, "answer");
    assert_eq!(loopback(&client), Error::INVALID);
    Ok(())
}

#[test]
fn polling_monitoring_counting() -> Result<()> {
    let (one, other) = (Socket::new(Protocol::Pair)?, Socket::new(Protocol::Pair)?);
    let monitor = one.monitor()?;
    other.connect(&one.address(one.bind("tcp://127.0.0.1:0")?)?)?;
    one.wait_peers(1, SOON)?;
    assert_eq!(monitor.next(SOON)?.kind, EventKind::Listening);
    let mut items = [PollItem::recv(&one), PollItem::send(&other)];
    other.wait_peers(1, SOON)?;
    assert_eq!(poll(&mut items, SOON)?, 1);
    assert!(!items[0].can_recv() && items[1].can_send());
    other.send("x")?;
    assert_eq!(one.recv()?, "x");
    assert_eq!(one.statistics()?.messages_received, 1);
    assert!(one.describe()?.starts_with('{'));
    assert_eq!(poll(&mut [PollItem::send(&Socket::new(Protocol::Sub)?)], SOON), Err(Error::NO_PROTO_OPT));
    Ok(())
}

#[test]
fn sessions_have_names_of_their_own() -> Result<()> {
    let (here, there) = (Session::start()?, Session::start()?);
    let open = |session| -> Result<Socket> {
        let socket = Socket::in_session(session, Protocol::Pair)?;
        socket.bind("inproc://same-name")?;
        Ok(socket)
    };
    let (_one, _other) = (open(&here)?, open(&there)?);
    assert_eq!(open(&here).map(drop), Err(Error::ADDR_IN_USE));
    Ok(())
}

/// Counts wakes, and lets a thread wait for them.
struct Counted(Thread, AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.unpark();
    }
}

fn counted() -> (Arc<Counted>, Waker) {
    let counted = Arc::new(Counted(thread::current(), AtomicUsize::new(0)));
    (Arc::clone(&counted), Waker::from(counted))
}

fn poll_once<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn woken(counted: &Counted) -> usize {
    let deadline = Instant::now() + Duration::from_secs(60);
    while counted.1.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "nobody wakes the task");
        thread::park_timeout(Duration::from_secs(1));
    }
    counted.1.swap(0, Ordering::SeqCst)
}

#[test]
fn futures_try_at_once_and_are_woken_later() -> Result<()> {
    for address in ["tcp://127.0.0.1:0", "inproc://futures"] {
        let (one, other) = pair(address)?;
        let (wakes, waker) = counted();
        let mut message = pin!(one.recv_async());
        assert!(poll_once(message.as_mut(), &waker).is_pending());
        assert_eq!(wakes.1.load(Ordering::SeqCst), 0);
        other.send("late")?;
        loop {
            woken(&wakes);
            if let Poll::Ready(message) = poll_once(message.as_mut(), &waker) {
                assert_eq!(message?, "late");
                break;
            }
        }
        let mut sent = pin!(one.send_async("at once"));
        assert_eq!(poll_once(sent.as_mut(), &waker), Poll::Ready(Ok(())));
        assert_eq!(other.recv()?, "at once");
    }
    Ok(())
}

/// A task that is given up takes no message with it, and is not woken.
#[test]
fn futures_that_are_dropped_lose_nothing() -> Result<()> {
    let (one, other) = pair("tcp://127.0.0.1:0")?;
    let (wakes, waker) = counted();
    {
        let mut given_up = pin!(one.recv_async());
        assert!(poll_once(given_up.as_mut(), &waker).is_pending());
    }
    let (more, other_waker) = counted();
    let mut second = pin!(one.recv_async());
    assert!(poll_once(second.as_mut(), &other_waker).is_pending());
    other.send("for the second")?;
    loop {
        woken(&more);
        if let Poll::Ready(message) = poll_once(second.as_mut(), &other_waker) {
            assert_eq!(message?, "for the second");
            break;
        }
    }
    assert_eq!(wakes.1.load(Ordering::SeqCst), 0);
    Ok(())
}

/// A sender waits for room, and a socket that is closed ends every wait.
#[test]
fn futures_end_with_their_socket() -> Result<()> {
    let socket = Socket::new(Protocol::Push)?;
    let (wakes, waker) = counted();
    let mut sent = pin!(socket.send_async("nobody takes it"));
    assert!(poll_once(sent.as_mut(), &waker).is_pending());
    socket.close()?;
    woken(&wakes);
    assert_eq!(poll_once(sent.as_mut(), &waker), Poll::Ready(Err(Error::BAD_FD)));
    let only_sends = Socket::new(Protocol::Push)?;
    let mut received = pin!(only_sends.recv_async());
    assert!(matches!(poll_once(received.as_mut(), &waker), Poll::Ready(Err(Error::NOT_SUPPORTED))));
    Ok(())
}

/// Who waits for an answer to what was given up is told that there will be none.
#[test]
fn futures_end_when_their_question_is_given_up() -> Result<()> {
    let client = Socket::new(Protocol::Req)?;
    client.send("nobody is there")?;
    let (wakes, waker) = counted();
    let mut answer = pin!(client.recv_async());
    assert!(poll_once(answer.as_mut(), &waker).is_pending());
    client.cancel()?;
    assert_eq!(wakes.1.load(Ordering::SeqCst), 1);
    assert!(matches!(poll_once(answer.as_mut(), &waker), Poll::Ready(Err(Error::FSM))));
    assert_eq!(Socket::new(Protocol::Pair)?.cancel(), Err(Error::NOT_SUPPORTED));
    Ok(())
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not come");
        thread::yield_now();
    }
}

/// What the future comes to, polled whenever it is woken.
fn block_on<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    let (wakes, waker) = counted();
    loop {
        match poll_once(future.as_mut(), &waker) {
            Poll::Ready(value) => return value,
            Poll::Pending => woken(&wakes),
        };
    }
}

#[test]
fn contexts_are_awaited_for_themselves() -> Result<()> {
    for address in ["tcp://127.0.0.1:0", "inproc://awaited-contexts"] {
        let (server, client) = (Socket::new(Protocol::Rep)?, Socket::new(Protocol::Req)?);
        client.connect(&server.address(server.bind(address)?)?)?;
        let (asks, answers) = ([client.context()?, client.context()?], [server.context()?, server.context()?]);
        // All of a REP's contexts wait for the next request, whichever gets it; one of them is given up meanwhile.
        let (wakes, waker) = counted();
        {
            let extra = server.context()?;
            let mut given_up = pin!(extra.recv_async());
            assert!(poll_once(given_up.as_mut(), &waker).is_pending());
        }
        let (mut first, mut second) = (pin!(answers[0].recv_async()), pin!(answers[1].recv_async()));
        assert!(poll_once(first.as_mut(), &waker).is_pending() && poll_once(second.as_mut(), &waker).is_pending());
        assert_eq!(wakes.1.load(Ordering::SeqCst), 0);
        for (context, question) in asks.iter().zip(["one", "two"]) {
            block_on(pin!(context.send_async(question)))?;
        }
        let (first, second) = (block_on(first)?, block_on(second)?);
        assert!((first == "one" && second == "two") || (first == "two" && second == "one"), "{first:?} {second:?}");

        // Each asker waits for its own answer.
        let (mut one, mut two) = (pin!(asks[0].recv_async()), pin!(asks[1].recv_async()));
        assert!(poll_once(one.as_mut(), &waker).is_pending() && poll_once(two.as_mut(), &waker).is_pending());
        for (context, question) in answers.iter().zip([&first, &second]).rev() {
            block_on(pin!(context.send_async(&**question)))?;
        }
        assert_eq!(block_on(two)?, "two");
        assert_eq!(block_on(one)?, "one");
    }
    Ok(())
}

/// What is for one peer waits for that one, whatever others take; and for nobody who is not there.
#[test]
fn a_future_waits_for_one_peer() -> Result<()> {
    let hub = Socket::new(Protocol::Bus)?;
    hub.set_recv_peer(true)?;
    let address = hub.address(hub.bind("tcp://127.0.0.1:0")?)?;
    let (slow, quick) = (Socket::new(Protocol::Bus)?, Socket::new(Protocol::Bus)?);
    let mut pipes = Vec::new();
    for (name, member) in [("slow", &slow), ("quick", &quick)] {
        member.connect(&address)?;
        member.wait_peers(1, SOON)?;
        member.send(name)?;
        pipes.push(hub.recv()?.peer().map(|peer| peer.pipe).expect("it was asked for"));
    }
    let large = vec![1; 100_000];
    let (wakes, waker) = counted();
    let mut sent = 0;
    let mut waiting = loop {
        let mut future = Box::pin(hub.send_to_async(pipes[0], &large));
        match poll_once(future.as_mut(), &waker) {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => break future,
        }
        sent += 1;
    };
    block_on(pin!(hub.send_to_async(pipes[1], "meanwhile")))?;
    assert_eq!(quick.recv()?, "meanwhile");

    let reads = thread::spawn(move || (0..=sent).try_for_each(|_| slow.recv().map(drop)).map(|()| slow));
    loop {
        match poll_once(waiting.as_mut(), &waker) {
            Poll::Ready(outcome) => break outcome?,
            Poll::Pending => woken(&wakes),
        };
    }
    drop(waiting);
    let slow = reads.join().expect("it does not panic")?;
    slow.close()?;
    let gone = until(|| hub.send_to(pipes[0], "late").err());
    assert_eq!(gone, Error::HOST_UNREACHABLE);
    assert_eq!(block_on(pin!(hub.send_to_async(pipes[0], "late"))), Err(Error::HOST_UNREACHABLE));
    Ok(())
}

/// Who waits in a context is told that there will be no answer, also when the socket is closed.
#[test]
fn futures_of_contexts_end_with_what_they_wait_for() -> Result<()> {
    let client = Socket::new(Protocol::Req)?;
    let (one, other) = (client.context()?, client.context()?);
    let (wakes, waker) = counted();
    for context in [&one, &other] {
        context.set_send_timeout(Some(Duration::ZERO))?;
        assert_eq!(context.send("nobody is there"), Ok(()), "a request waits for a peer by itself");
    }
    let (mut given_up, mut closed) = (pin!(one.recv_async()), pin!(other.recv_async()));
    assert!(poll_once(given_up.as_mut(), &waker).is_pending() && poll_once(closed.as_mut(), &waker).is_pending());
    one.cancel()?;
    assert_eq!(wakes.1.swap(0, Ordering::SeqCst), 1);
    assert!(matches!(poll_once(given_up.as_mut(), &waker), Poll::Ready(Err(Error::FSM))));
    client.close()?;
    woken(&wakes);
    assert!(matches!(poll_once(closed.as_mut(), &waker), Poll::Ready(Err(Error::BAD_FD))));
    assert!(matches!(block_on(pin!(one.send_async("late"))), Err(Error::BAD_FD)));
    Ok(())
}

#[test]
fn contexts_ask_and_answer_for_themselves() -> Result<()> {
    let (server, client) = (Socket::new(Protocol::Rep)?, Socket::new(Protocol::Req)?);
    client.connect(&server.address(server.bind("tcp://127.0.0.1:0")?)?)?;
    server.set_recv_timeout(SOON)?;
    client.set_recv_timeout(SOON)?;
    let (asks, answers) = ([client.context()?, client.context()?], [server.context()?, server.context()?]);
    assert_eq!(asks[0].recv_timeout()?, SOON);
    let mut questions = Vec::new();
    for (asking, question) in asks.iter().zip(["one", "two"]) {
        asking.send(question)?;
        questions.push(question);
    }
    // The second to be asked is the first to be answered.
    let asked: Vec<Message> = answers.iter().map(|context| context.recv()).collect::<Result<_>>()?;
    for (context, question) in answers.iter().zip(&asked).rev() {
        context.send(&**question)?;
    }
    for (asking, question) in asks.iter().zip(questions) {
        assert_eq!(asking.recv()?, question);
    }
    assert!(matches!(asks[0].try_recv(), Err(Error::FSM)));
    client.close()?;
    assert!(matches!(asks[0].send("late"), Err(Error::BAD_FD)));
    Ok(())
}

#[test]
fn contexts_have_options_and_subscriptions_of_their_own() -> Result<()> {
    let (publisher, subscriber) = (Socket::new(Protocol::Pub)?, Socket::new(Protocol::Sub)?);
    subscriber.connect(&publisher.address(publisher.bind("tcp://127.0.0.1:0")?)?)?;
    publisher.wait_peers(1, SOON)?;
    let (oslo, all) = (subscriber.context()?, subscriber.context()?);
    oslo.set_recv_timeout(SOON)?;
    all.set_recv_timeout(SOON)?;
    oslo.subscribe("oslo")?;
    all.subscribe("")?;
    publisher.send("berlin 11")?;
    publisher.send("oslo 3")?;
    assert_eq!(oslo.recv()?, "oslo 3");
    assert_eq!(all.recv()?, "berlin 11");
    assert_eq!(all.recv()?, "oslo 3");
    oslo.unsubscribe("oslo")?;
    assert_eq!(oslo.unsubscribe("oslo"), Err(Error::INVALID));
    assert_eq!(oslo.set_resend_interval(Duration::from_secs(1)), Err(Error::NO_PROTO_OPT));
    assert!(matches!(Socket::new(Protocol::Pub)?.context(), Err(Error::NOT_SUPPORTED)));
    assert!(matches!(Socket::raw(Protocol::Rep)?.context(), Err(Error::NOT_SUPPORTED)));
    Ok(())
}
