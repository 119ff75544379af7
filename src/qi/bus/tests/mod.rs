//! One connection, used both ways.

use std::sync::Arc;
use std::time::Duration;

use crate::qi::calls::{CallError, Counts};
use crate::qi::client::{Proxy, Session, SessionOptions};
use crate::qi::server::{Answer, Object, ObjectBuilder, Options, Server};
use crate::qi::value::Value;
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;

use super::Provider;

mod gateway;
mod machine_ids;
mod notices;
mod queues;
mod typed;

/// Nothing here takes this long; it ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(20);

fn doubler() -> Object {
    let mut builder = ObjectBuilder::new();
    builder.method("double", "(i)", "i", |call| Ok(Answer::from(call.arguments[0].integer().unwrap() as i32 * 2)));
    builder.build().unwrap()
}

/// Calls what it is given, as a server does and as a client does.
fn caller(lent: &Arc<Mutex<Option<Proxy>>>) -> Object {
    let mut builder = ObjectBuilder::new();
    let keep = Arc::clone(lent);
    builder.method("call", "(oi)", "i", move |call| {
        let remote = call.remote(&call.arguments[0]).ok_or("no object")?;
        let proxy = Proxy::of_remote(&remote)?;
        let once = remote.call("double", vec![call.arguments[1].clone().into()], LIMIT)?;
        let twice = proxy.call("double", &[(*once).clone()])?;
        *keep.lock() = Some(proxy);
        Ok(Answer::from((*twice).clone()))
    });
    builder.build().unwrap()
}

/// Services of a server and of a provider that listen at every address are called by whoever asks the directory, whichever
/// family it came by; no two providers have the same id, and none tells where it is in memory.
#[test]
fn who_listens_at_every_address_can_be_called() {
    for any in ["tcp://0.0.0.0:0", "tcp://[::]:0"] {
        let reactor = Reactor::start().unwrap();
        let server = Server::standalone(&reactor, &[any], Options::default()).unwrap();
        server.add_service("Near", &doubler()).unwrap();
        let port = server.addresses()[0].rsplit_once(':').unwrap().1.to_owned();
        let url = format!("tcp://127.0.0.1:{port}");
        let provide = || Provider::start(&url, &[any], SessionOptions::default(), Options::default()).unwrap();
        let providers = [provide(), provide()];
        providers[0].register("Far", &doubler()).unwrap();
        providers[1].register("Further", &doubler()).unwrap();
        let session = Session::connect(&url, SessionOptions::default()).unwrap();
        for name in ["Near", "Far", "Further"] {
            let answer = session.service(name).unwrap().call("double", &[5.into()]).unwrap();
            assert_eq!(*answer, Value::from(10), "{name} at {any}");
        }
        let services = session.services().unwrap();
        let mut ids: Vec<_> = services.iter().map(|info| info.session_id.lossy().into_owned()).collect();
        assert!(ids.iter().all(|id| id.len() == 36 && !id.contains("0x")), "{ids:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3, "the directory's and two providers'");
        for info in services {
            let endpoints: Vec<_> = info.endpoints.iter().map(|text| text.lossy().into_owned()).collect();
            let own = endpoints.iter().filter(|text| text.starts_with("tcp://127.0.0.1:")).count();
            assert_eq!(own, 1, "{endpoints:?}");
            assert!(
                !endpoints.iter().any(|text| text.contains("ffff:") || text.contains("//0.0.0.0")),
                "{endpoints:?}"
            );
        }
        drop(providers);
        server.close();
    }
}

#[test]
fn no_answer_is_unknown_to_a_connection_that_is_used_both_ways() {
    let reactor = Reactor::start().unwrap();
    let server = Server::standalone(&reactor, &["tcp://127.0.0.1:0"], Options::default()).unwrap();
    let lent = Arc::default();
    server.add_service("Caller", &caller(&lent)).unwrap();
    let session = Session::connect(&server.addresses()[0], SessionOptions::default()).unwrap();
    let proxy = session.service("Caller").unwrap();
    let own = doubler();
    let answer = proxy.passing(vec![own.to_value(), Value::from(5)], &[own], |arguments| proxy.call("call", arguments));
    assert_eq!(answer.unwrap(), Value::from(20));
    let there = lent.lock().take().unwrap();
    for connection in [proxy.connection(), there.connection()] {
        assert_eq!(connection.counts(), Counts::default(), "{connection:?}");
        assert_eq!(connection.pending_calls(), 0);
    }
    drop((proxy, there));
    session.close();
    server.close();
}

#[test]
fn calls_of_objects_that_peers_pass_have_the_limit_of_their_session() {
    let reactor = Reactor::start().unwrap();
    let server = Server::standalone(&reactor, &["tcp://127.0.0.1:0"], Options::default()).unwrap();
    let kept: Arc<Mutex<Vec<_>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let mut silent = ObjectBuilder::new();
    silent.method_later("never", "()", "v", move |call| keep.lock().push(call));
    let silent = silent.build().unwrap();
    let mut builder = ObjectBuilder::new();
    builder.method("make", "()", "o", move |_| Ok(Answer::from(&silent)));
    server.add_service("Maker", &builder.build().unwrap()).unwrap();
    let limit = Duration::from_millis(50);
    let options = SessionOptions { call_timeout: Some(limit), ..SessionOptions::default() };
    let session = Session::connect(&server.addresses()[0], options).unwrap();
    let made = session.service("Maker").unwrap().call("make", &[]).unwrap();
    for object in [made.proxy().unwrap(), Proxy::of_object(&made.objects()[0]).unwrap()] {
        let begun = std::time::Instant::now();
        assert_eq!(object.call("never", &[]).unwrap_err(), CallError::TimedOut);
        assert!(begun.elapsed() >= limit);
    }
    session.close();
    kept.lock().clear();
    server.close();
}
