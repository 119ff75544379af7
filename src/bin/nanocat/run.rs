//! Opens the socket and sends and receives as its type does.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nanomsg::Error;
use nanomsg::internals::{
    Body, EngineSocket, Kind, Message, REP, REQ, RESPONDENT, SUB, SUBSCRIBE, SURVEYOR, Session, Wait, options, poll,
    tls,
};

use crate::chat;
use crate::colour;
use crate::events::Events;
use crate::feed::Feed;
use crate::format::Format;
use crate::outcome::{Failure, note};
use crate::plan::{Data, Plan};
use crate::statistics::{Reporter, Tally};

pub fn run(mut plan: Plan) -> Result<(), Failure> {
    let Some(kind) = plan.kind else { return Ok(()) };
    let session = Session::start().map_err(|error| Failure::call("create socket", error))?;
    let socket =
        session.socket(false, i32::from(kind.id), "0").map_err(|error| Failure::call("create socket", error))?;
    let data = std::mem::take(&mut plan.data);
    let cat = Arc::new(Cat { socket: Arc::clone(&socket), kind, tally: Arc::default(), plan });
    let json = cat.plan.format == Format::Json;
    let events = cat.plan.events.then(|| Events::start(&socket, json, cat.plan.stats)).transpose()?;
    let outcome = cat.prepare().and_then(|()| {
        let start = || Reporter::start(Arc::clone(&socket), Arc::clone(&cat.tally), json);
        let _reporter = cat.plan.stats.then(start);
        cat.act(data)
    });
    // What was accepted is still sent, within NN_LINGER.
    let _ = socket.close();
    // The last of them is the end of the socket.
    drop(events);
    session.stop();
    outcome
}

/// The one socket of the program, and what is to be done with it.
pub struct Cat {
    pub socket: Arc<EngineSocket>,
    kind: &'static Kind,
    pub tally: Arc<Tally>,
    pub plan: Plan,
}

impl Cat {
    fn prepare(&self) -> Result<(), Failure> {
        self.set("set send timeout", options::SNDTIMEO, &milliseconds(self.plan.send_timeout))?;
        self.set("set recv timeout", options::RCVTIMEO, &milliseconds(self.plan.recv_timeout))?;
        if let Some(name) = &self.plan.name {
            self.set("set socket name", options::SOCKET_NAME, name)?;
        }
        if self.kind.id == SUB.id {
            let all = [Vec::new()];
            let wanted = if self.plan.subscriptions.is_empty() { &all[..] } else { &self.plan.subscriptions };
            for prefix in wanted {
                let subscribed = self.socket.set_option(i32::from(self.kind.id), SUBSCRIBE, prefix);
                subscribed.map_err(|error| Failure::call("subscribe", error))?;
            }
        }
        for setting in &self.plan.tls {
            let set = self.socket.set_option(tls::LEVEL, setting.option, &setting.value);
            set.map_err(|error| Failure::call(&format!("use {}", setting.written), error))?;
        }
        for address in &self.plan.binds {
            self.socket.bind(address).map_err(|error| self.not_bound(address, error))?;
        }
        for address in &self.plan.connects {
            self.socket.connect(address).map_err(|error| Failure::call("connect", error))?;
        }
        sleep(self.plan.delay.unwrap_or_default());
        Ok(())
    }

    /// Of TLS the most likely mistake is told.
    fn not_bound(&self, address: &[u8], error: Error) -> Failure {
        let is_tls = [&b"tls+tcp://"[..], b"wss://"].iter().any(|scheme| address.starts_with(scheme));
        let shows = |option| self.plan.tls.iter().any(|setting| setting.option == option);
        let failure = Failure::call("bind", error);
        if error == Error::INVALID && is_tls && !(shows(tls::CERT_FILE) && shows(tls::KEY_FILE)) {
            return failure.with_hint("TLS: --tls-cert and --tls-key are needed");
        }
        failure
    }

    fn set(&self, what: &str, option: i32, value: &[u8]) -> Result<(), Failure> {
        self.socket.set_option(0, option, value).map_err(|error| Failure::call(what, error))
    }

    fn act(self: &Arc<Self>, data: Data) -> Result<(), Failure> {
        let is = |kinds: [&Kind; 2]| kinds.iter().any(|kind| kind.id == self.kind.id);
        let lines = data == Data::Lines;
        if !self.kind.can_recv {
            let once = Some(1).filter(|_| !lines && self.plan.interval.is_none());
            return Feed::new(data, self.plan.count.or(once)).map_or(Ok(()), |feed| self.send_all(feed));
        }
        // What receives counts that, and sends as often as it must; only lines are what they are.
        let Some(feed) = Feed::new(data, None) else { return self.receive_all() };
        if is([&REP, &RESPONDENT]) {
            return self.answer_all(feed);
        }
        if lines && !is([&REQ, &SURVEYOR]) {
            return chat::run(self, feed);
        }
        self.converse(feed, lines)
    }

    /// PUSH and PUB.
    fn send_all(&self, mut feed: Feed) -> Result<(), Failure> {
        let mut message = Vec::new();
        let mut last = None;
        while feed.next(&mut message).map_err(|error| Failure::file("reading", "-", &error))? {
            if let Some(last) = last {
                self.sleep_out(last);
            }
            last = Some(Instant::now());
            self.send(&message)?;
        }
        Ok(())
    }

    /// Waits until messages came, and ends when none does in time.
    fn receive_all(&self) -> Result<(), Failure> {
        self.receive_until(None)
    }

    /// REP and RESPONDENT. Nothing to answer in time is an error here.
    fn answer_all(&self, mut feed: Feed) -> Result<(), Failure> {
        let mut answer = Vec::new();
        while !self.is_enough() {
            self.receive().map_err(|error| Failure::call("recv", error)).and_then(|message| self.print(&message))?;
            feed.next(&mut answer).map_err(|error| Failure::file("reading", "-", &error))?;
            self.send(&answer)?;
        }
        Ok(())
    }

    /// Sends, and prints what comes back; again with an interval, or line by line.
    fn converse(&self, mut feed: Feed, lines: bool) -> Result<(), Failure> {
        let mut message = Vec::new();
        while !self.is_enough() && feed.next(&mut message).map_err(|error| Failure::file("reading", "-", &error))? {
            let begin = Instant::now();
            self.send(&message)?;
            match self.plan.interval {
                Some(interval) => {
                    self.receive_until(begin.checked_add(interval))?;
                    if !self.is_enough() {
                        self.sleep_out(begin);
                    }
                }
                None if lines => self.receive_all()?,
                None => return self.receive_all(),
            }
        }
        Ok(())
    }

    /// Prints what comes until then, or until nothing comes in time, or there is nothing to wait for, or it is enough.
    fn receive_until(&self, end: Option<Instant>) -> Result<(), Failure> {
        while !self.is_enough() {
            if let Some(end) = end {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                let limit = self.plan.recv_timeout.filter(|limit| *limit >= 0.0).unwrap_or(f64::INFINITY);
                self.set("set recv timeout", options::RCVTIMEO, &milliseconds(Some(limit.min(left.as_secs_f64()))))?;
            }
            match self.receive() {
                Ok(message) => self.print(&message)?,
                Err(Error::TIMED_OUT | Error::FSM) => break,
                Err(error) => return Err(Failure::call("recv", error)),
            }
        }
        Ok(())
    }

    pub fn is_enough(&self) -> bool {
        self.plan.count.is_some_and(|count| self.tally.received.messages() >= count)
    }

    /// Start to start, the interval.
    fn sleep_out(&self, begin: Instant) {
        if let Some(interval) = self.plan.interval {
            sleep(interval.saturating_sub(begin.elapsed()));
        }
    }

    pub fn send(&self, bytes: &[u8]) -> Result<(), Failure> {
        match again(|| self.socket.send(&mut Message::new(Body::Borrowed(bytes)), Wait::Option)) {
            Ok(_) => self.tally.sent.add(bytes.len()),
            Err(Error::AGAIN) => note("Message not sent (EAGAIN)"),
            Err(error) => return Err(Failure::call("send", error)),
        }
        Ok(())
    }

    pub fn receive(&self) -> Result<Message<'static>, Error> {
        let message = again(|| self.socket.recv(Wait::Option))?;
        self.tally.received.add(message.body.len());
        Ok(message)
    }

    pub fn print(&self, message: &Message<'_>) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let mut text = Vec::new();
        self.plan.format.append(message.body.bytes(), colour::wanted(&out), &mut text);
        out.write_all(&text).and_then(|()| out.flush()).map_err(Failure::from_output)
    }
}

/// The program handles no signals, so whatever interrupts a call (a stop and its continuation) is none of its business.
fn again<T>(mut call: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        match call() {
            Err(Error::INTERRUPTED) => {}
            outcome => return outcome,
        }
    }
}

/// A time as the options take it. For ever, if there is none, and below zero; what is above zero is not rounded to nothing.
fn milliseconds(seconds: Option<f64>) -> [u8; 4] {
    let time = match seconds {
        Some(seconds) if seconds > 0.0 => ((seconds * 1000.0).round() as i32).max(1),
        Some(0.0) => 0,
        _ => -1,
    };
    time.to_ne_bytes()
}

fn sleep(time: Duration) {
    let end = Instant::now().checked_add(time);
    while end.is_none_or(|end| Instant::now() < end) {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        // Polling nothing fails only by being interrupted.
        let _ = poll(&mut [], left);
    }
}
