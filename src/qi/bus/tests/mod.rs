//! One connection, used both ways.

use std::sync::Arc;
use std::time::Duration;

use crate::qi::calls::Counts;
use crate::qi::client::{Proxy, Session, SessionOptions};
use crate::qi::server::{Answer, Object, ObjectBuilder, Options, Server};
use crate::qi::value::Value;
use crate::reactor::Reactor;
use crate::sys::sync::Mutex;

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
