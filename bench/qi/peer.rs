//! Our side of `bench/qi.py`: what `bench/qi/peer.py` is on libqi, with the same commands and output.
//!
//!     qi_bench serve URL [SLEEPERS]                     a directory with the service Bench, and Sleeper0 on; prints where it listens
//!     qi_bench call URL SERVICE METHOD SECONDS ARG...   median round trip of calls one after the other, in µs
//!     qi_bench events URL SUBSCRIBERS BURST SECONDS     events delivered per second, and in all; a connection each
//!     qi_bench clients URL COUNT                        connects that often, one call each, and stays until stdin ends

use std::env::args;
use std::error::Error;
use std::io::{Read, stdin};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nanomsg::qi::client::{Proxy, Session, SessionOptions, SubscribeOptions, shared_reactor};
use nanomsg::qi::server::{Answer, Object, ObjectBuilder, Options, Server};
use nanomsg::qi::value::Value;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Nothing takes this long: what does has gone wrong.
const LIMIT: Duration = Duration::from_secs(20);

fn integer(value: &Value) -> i32 {
    value.integer().and_then(|number| number.try_into().ok()).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "a method that takes its time is what is measured")]
fn be_long(time: Duration) {
    std::thread::sleep(time);
}

fn bench() -> Outcome<Object> {
    let this: Arc<OnceLock<Object>> = Arc::default();
    let mut builder = ObjectBuilder::new();
    builder.method("add", "(ii)", "i", |call| Ok((integer(&call.arguments[0]) + integer(&call.arguments[1])).into()));
    builder.signal("fired", "(i)");
    let me = Arc::clone(&this);
    builder.method("fire", "(i)", "v", move |call| {
        let me = me.get().ok_or("not yet")?;
        for number in 0..integer(&call.arguments[0]) {
            me.emit("fired", vec![number.into()]).map_err(|error| error.to_string())?;
        }
        Ok(Answer::void())
    });
    // For bench/attacks.py.
    builder.signal("image", "(r)");
    let me = Arc::clone(&this);
    builder.method("shoot", "(i)", "v", move |call| {
        let image = Value::Raw(vec![0; integer(&call.arguments[0]) as usize].into());
        me.get().ok_or("not yet")?.emit("image", vec![image]).map_err(|error| error.to_string())?;
        Ok(Answer::void())
    });
    builder.method("work", "(i)", "v", |call| {
        be_long(Duration::from_micros(integer(&call.arguments[0]) as u64));
        Ok(Answer::void())
    });
    builder.method("echo", "(s)", "s", |call| Ok(call.arguments[0].clone().into()));
    builder.method("count", "(m)", "i", |call| {
        let Value::Dynamic(list) = &call.arguments[0] else { return Err("no list".into()) };
        let list = list.value().map_err(|error| error.to_string())?;
        Ok((list.items().map_or(0, <[Value]>::len) as i32).into())
    });
    Ok(this.get_or_init(|| builder.build().expect("a valid object")).clone())
}

fn sleeper() -> Outcome<Object> {
    let mut builder = ObjectBuilder::new();
    builder.method("nap", "(i)", "v", |call| {
        be_long(Duration::from_millis(integer(&call.arguments[0]) as u64));
        Ok(Answer::void())
    });
    Ok(builder.build()?)
}

fn until_stdin_ends() {
    let _ = stdin().read_to_end(&mut Vec::new());
}

/// `sleepers`: services beside Bench, whose methods are long.
fn serve(url: &str, sleepers: usize) -> Outcome {
    let server = Server::standalone(&shared_reactor()?, &[url], Options::default())?;
    server.add_service("Bench", &bench()?)?;
    for number in 0..sleepers {
        server.add_service(&format!("Sleeper{number}"), &sleeper()?)?;
    }
    println!("= {}", server.addresses()[0]);
    until_stdin_ends();
    Ok(())
}

fn connect(url: &str) -> Outcome<Session> {
    Ok(Session::connect(url, SessionOptions { call_timeout: Some(LIMIT), ..SessionOptions::default() })?)
}

fn call(url: &str, service: &str, method: &str, seconds: f64, arguments: &[Value]) -> Outcome {
    let session = connect(url)?;
    let proxy = session.service(service)?;
    let mut times = Vec::new();
    for (window, kept) in [(seconds / 5.0, false), (seconds, true)] {
        let start = Instant::now();
        while start.elapsed().as_secs_f64() < window {
            let begun = Instant::now();
            proxy.call(method, arguments)?;
            if kept {
                times.push(begun.elapsed());
            }
        }
    }
    times.sort();
    println!("= {:.3}", times[times.len() / 2].as_secs_f64() * 1e6);
    Ok(())
}

fn events(url: &str, subscribers: usize, burst: i32, seconds: f64) -> Outcome {
    let sessions = (0..subscribers).map(|_| connect(url)).collect::<Outcome<Vec<_>>>()?;
    let proxies = sessions.iter().map(|session| session.service("Bench")).collect::<Result<Vec<Proxy>, _>>()?;
    let options = SubscribeOptions { queue: burst as usize, timeout: Some(LIMIT), ..SubscribeOptions::default() };
    let feeds: Vec<_> =
        proxies.iter().map(|proxy| proxy.subscribe_with("fired", options.clone())).collect::<Result<_, _>>()?;
    let round = || -> Outcome {
        proxies[0].post("fire", &[burst.into()])?;
        for feed in &feeds {
            for _ in 0..burst {
                let event = feed.next(Some(LIMIT))?;
                assert_eq!(event.missed, 0, "an event is missing");
            }
        }
        Ok(())
    };
    round()?;
    let (start, mut rounds) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < seconds {
        round()?;
        rounds += 1;
    }
    let a_round = f64::from(burst) * subscribers as f64;
    let rate = f64::from(rounds) * a_round / start.elapsed().as_secs_f64();
    println!("= {rate:.0} {:.0}", f64::from(rounds + 1) * a_round);
    Ok(())
}

fn clients(url: &str, count: usize) -> Outcome {
    let sessions = (0..count).map(|_| connect(url)).collect::<Outcome<Vec<_>>>()?;
    for session in &sessions {
        session.service("Bench")?.call("add", &[1.into(), 2.into()])?;
    }
    println!("= {count}");
    until_stdin_ends();
    Ok(())
}

fn main() -> Outcome {
    let words: Vec<String> = args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", url] => serve(url, 0),
        ["serve", url, sleepers] => serve(url, sleepers.parse()?),
        ["call", url, service, method, seconds, ref rest @ ..] => {
            let arguments = rest.iter().map(|word| Ok(word.parse::<i32>()?.into())).collect::<Outcome<Vec<_>>>()?;
            call(url, service, method, seconds.parse()?, &arguments)
        }
        ["events", url, subscribers, burst, seconds] => {
            events(url, subscribers.parse()?, burst.parse()?, seconds.parse()?)
        }
        ["clients", url, count] => clients(url, count.parse()?),
        _ => Err("see the top of bench/qi/peer.rs".into()),
    }
}
