//! What a subscription keeps when its queue is full.

use crate::qi::client::{CallError, Overflow, Session, SessionOptions, SubscribeOptions};
use crate::qi::endpoint::Reason;
use crate::qi::server::{ObjectBuilder, Options, Server};
use crate::qi::value::Value;
use crate::reactor::Reactor;

use super::LIMIT;

#[test]
fn a_full_queue_keeps_the_oldest_the_newest_or_ends_the_subscription() {
    let reactor = Reactor::start().unwrap();
    let server = Server::standalone(&reactor, &["tcp://127.0.0.1:0"], Options::default()).unwrap();
    let mut builder = ObjectBuilder::new();
    builder.signal("count", "(i)");
    let object = builder.build().unwrap();
    server.add_service("Counter", &object).unwrap();
    let session = Session::connect(&server.addresses()[0], SessionOptions::default()).unwrap();
    let proxy = session.service("Counter").unwrap();
    let subscribe = |when_full, queue| {
        let options = SubscribeOptions { queue, when_full, ..SubscribeOptions::default() };
        proxy.subscribe_with("count", options).unwrap()
    };
    let oldest = subscribe(Overflow::KeepOldest, 3);
    let newest = subscribe(Overflow::KeepNewest, 3);
    let ends = subscribe(Overflow::End, 3);
    // Made last, so it is offered each event last.
    let all = subscribe(Overflow::KeepOldest, 100);
    for number in 0..10 {
        object.emit("count", vec![Value::from(number)]).unwrap();
    }
    let number = |event: &crate::qi::client::Event| event.to::<(i32,)>().unwrap().0;
    for expected in 0..10 {
        assert_eq!(number(&all.next(Some(LIMIT)).unwrap()), expected);
    }
    let take = |subscription: &crate::qi::client::Subscription| {
        let event = subscription.next(Some(LIMIT)).unwrap();
        (number(&event), event.missed)
    };
    assert_eq!([take(&oldest), take(&oldest), take(&oldest)], [(0, 0), (1, 0), (2, 0)]);
    assert_eq!([take(&newest), take(&newest), take(&newest)], [(7, 7), (8, 0), (9, 0)]);
    assert_eq!([take(&ends), take(&ends), take(&ends)], [(0, 0), (1, 0), (2, 0)]);
    assert!(matches!(ends.next(Some(LIMIT)), Err(CallError::Disconnected(Reason::QueueFull))));
    assert_eq!([oldest.missed(), newest.missed(), all.missed()], [7, 7, 0]);
    drop((oldest, newest, ends, all, proxy));
    session.close();
    server.close();
}
