//! Services of one bus on another: what becomes of them when the other is lost, and comes back.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::qi::bus::{Provider, serve};
use crate::qi::calls::CallError;
use crate::qi::client::{Notice, Proxy, Session, SessionOptions, Watch};
use crate::qi::endpoint::Reason;
use crate::qi::server::{Object, ObjectBuilder, Options, Server, ServerError};

use super::LIMIT;

const SOON: Duration = Duration::from_millis(20);
const ANY: &str = "tcp://127.0.0.1:0";

fn camera() -> Object {
    let mut builder = ObjectBuilder::new();
    builder.method("add", "(i)", "i", |call| Ok((call.arguments[0].integer().unwrap_or_default() as i32 + 1).into()));
    builder.signal("image", "(i)");
    builder.property("level", "i", 1);
    builder.build().unwrap()
}

/// A bus with the service `Camera`, at an address that is free.
fn there(url: &str) -> (Server, Object) {
    let (server, object) = (serve(url).unwrap(), camera());
    server.add_service("Camera", &object).unwrap();
    (server, object)
}

fn session(url: &str, reconnects: bool) -> Session {
    let reconnect = reconnects.then(Default::default);
    Session::connect(url, SessionOptions { reconnect, ..SessionOptions::default() }).unwrap()
}

fn notices(session: &Session) -> (Watch, Receiver<Notice>) {
    let (tell, told) = mpsc::channel();
    (session.on_notice(move |notice| drop(tell.send(notice))).unwrap(), told)
}

fn next(told: &Receiver<Notice>) -> Notice {
    told.recv_timeout(LIMIT).unwrap()
}

fn added(told: &Receiver<Notice>) -> u32 {
    match next(told) {
        Notice::ServiceAdded { id, name } if name == "Mirror" => id,
        other => panic!("{other:?}"),
    }
}

fn removed(told: &Receiver<Notice>, id: u32) {
    assert_eq!(next(told), Notice::ServiceRemoved { id, name: "Mirror".into() });
}

fn heard(proxy: &Proxy, signal: &str) -> (Watch, Receiver<i32>) {
    let (tell, told) = mpsc::channel();
    (proxy.on(signal, move |(number,): (i32,)| tell.send(number).unwrap_or_default()).unwrap(), told)
}

fn eventually(done: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
}

fn is_listed(session: &Session) -> bool {
    session.services().unwrap().iter().any(|info| info.name == *"Mirror")
}

#[test]
fn a_service_that_is_passed_on_goes_with_what_it_passes_on_to() {
    let ((far, _), near) = (there(ANY), serve(ANY).unwrap());
    let source = session(&far.addresses()[0], false);
    let camera = source.service("Camera").unwrap();
    let here = session(&near.addresses()[0], false);
    let (_watch, told) = notices(&here);
    let mirror = near.forward(&camera).unwrap();
    near.add_service("Mirror", &mirror).unwrap();
    let id = added(&told);
    let proxy = here.service("Mirror").unwrap();
    assert_eq!(proxy.call_to::<i32>("add", &[4.into()]).unwrap(), 5);
    // So that there is a registration that others could share.
    let _heard = heard(&proxy, "image");
    far.close();
    removed(&told, id);
    assert!(!is_listed(&here) && !proxy.is_connected());
    assert!(matches!(proxy.call("add", &[4.into()]), Err(CallError::Remote(_))));
    for signal in ["image", "level"] {
        assert!(matches!(proxy.subscribe(signal), Err(CallError::Disconnected(Reason::Removed))));
    }
    // The name is free, but not for what is not there.
    assert_eq!(near.add_service("Mirror", &mirror), Err(ServerError::Lost));
    near.add_service("Mirror", &super::doubler()).unwrap();
    added(&told);
    [source, here].iter().for_each(Session::close);
    near.close();
}

#[test]
fn a_service_that_is_passed_on_comes_back_with_it_and_so_do_its_events() {
    let ((far, object), near) = (there(ANY), serve(ANY).unwrap());
    let url = far.addresses()[0].clone();
    let source = session(&url, true);
    let camera = source.service("Camera").unwrap();
    let (here, reconnecting) = (session(&near.addresses()[0], false), session(&near.addresses()[0], true));
    let (_watch, told) = notices(&here);
    let mirror = near.forward(&camera).unwrap();
    let id = near.add_service("Mirror", &mirror).unwrap();
    assert_eq!(added(&told), id);
    let proxies = [&here, &reconnecting].map(|session| session.service("Mirror").unwrap());
    let heard = [heard(&proxies[0], "image"), heard(&proxies[0], "level"), heard(&proxies[1], "image")];
    object.fire("image", (1,)).unwrap();
    object.set("level", 2).unwrap();
    assert_eq!([0, 1, 2].map(|at| heard[at].1.recv_timeout(LIMIT)), [Ok(1), Ok(2), Ok(1)]);
    far.close();
    removed(&told, id);
    assert!(!is_listed(&here));
    assert!(matches!(here.service("Mirror"), Err(CallError::NoService { .. })));
    assert!(!proxies[0].is_connected() && proxies[0].subscribe("image").is_err());
    // As for the first time, at the place of old.
    let (far, object) = there(&url);
    assert_eq!(added(&told), id, "it is the service that it was");
    assert!(proxies[0].is_connected() && proxies[0].subscribe("image").is_ok());
    let again = here.service("Mirror").unwrap();
    assert_eq!(again.call_to::<i32>("add", &[4.into()]).unwrap(), 5);
    eventually(|| object.subscribers("image") == 1 && object.subscribers("level") == 1);
    object.fire("image", (3,)).unwrap();
    object.set("level", 4).unwrap();
    assert_eq!([0, 1].map(|at| heard[at].1.recv_timeout(LIMIT)), [Ok(3), Ok(4)]);
    // Who looks after his subscriptions himself has left this one for a moment.
    eventually(|| object.fire("image", (5,)).is_ok() && heard[2].1.recv_timeout(SOON) == Ok(5));
    assert_eq!(object.subscribers("image"), 1, "one for all");
    drop(heard);
    [source, here, reconnecting].iter().for_each(Session::close);
    [far, near].iter().for_each(Server::close);
}

/// In the directory of another process.
#[test]
fn a_provider_takes_back_what_it_passes_on_and_offers_it_again() {
    let ((far, _), near) = (there(ANY), serve(ANY).unwrap());
    let (url, near_url) = (far.addresses()[0].clone(), near.addresses()[0].clone());
    let source = session(&url, true);
    let camera = source.service("Camera").unwrap();
    let here = session(&near_url, false);
    let (_watch, told) = notices(&here);
    let provider = Provider::start(&near_url, &[ANY], SessionOptions::default(), Options::default()).unwrap();
    let mirror = camera.forwarded().unwrap();
    let id = provider.register("Mirror", &mirror).unwrap();
    assert_eq!(added(&told), id);
    far.close();
    removed(&told, id);
    assert!(matches!(provider.register("Other", &mirror), Err(error) if error.is_disconnection()));
    let (far, _) = there(&url);
    let again = added(&told);
    let call = || here.service("Mirror").unwrap().call_to::<i32>("add", &[4.into()]);
    assert_eq!(call().unwrap(), 5);
    // For good, if nobody finds it again.
    source.close();
    removed(&told, again);
    assert!(matches!(provider.unregister("Mirror"), Err(CallError::NoService { .. })));
    drop(provider);
    here.close();
    [far, near].iter().for_each(Server::close);
}

/// Who has got it knows it as it was.
#[test]
fn what_comes_back_as_another_is_not_passed_on() {
    let ((far, _), near) = (there(ANY), serve(ANY).unwrap());
    let url = far.addresses()[0].clone();
    let source = session(&url, true);
    let camera = source.service("Camera").unwrap();
    let here = session(&near.addresses()[0], false);
    let (_watch, told) = notices(&here);
    let mirror = near.forward(&camera).unwrap();
    let id = near.add_service("Mirror", &mirror).unwrap();
    assert_eq!(added(&told), id);
    far.close();
    removed(&told, id);
    let far = serve(&url).unwrap();
    let (tell, of_camera) = mpsc::channel();
    let _watch_camera = camera.on_notice(move |notice| drop(tell.send(notice))).unwrap();
    assert!(matches!(next(&of_camera), Notice::Lost(_)));
    far.add_service("Camera", &super::doubler()).unwrap();
    assert_eq!(next(&of_camera), Notice::Restored);
    assert_eq!(near.add_service("Again", &mirror), Err(ServerError::Lost));
    assert!(!is_listed(&here));
    let fresh = near.forward(&camera).unwrap();
    near.remove_service(id).unwrap();
    near.add_service("Mirror", &fresh).unwrap();
    added(&told);
    assert_eq!(here.service("Mirror").unwrap().call_to::<i32>("double", &[4.into()]).unwrap(), 8);
    [source, here].iter().for_each(Session::close);
    [far, near].iter().for_each(Server::close);
}
