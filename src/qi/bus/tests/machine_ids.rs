//! Everything of one machine finds each other there, by loopback and unix sockets, whatever each calls the machine.

use std::sync::Arc;

use crate::qi::bus::Provider;
use crate::qi::client::{Session, SessionOptions};
use crate::qi::meta::ServiceInfo;
use crate::qi::server::{Options, Server};
use crate::qi::value::Value;
use crate::reactor::Reactor;

use super::doubler;

const LOOPBACK: &str = "tcp://127.0.0.1:0";

/// A directory of another kind, here: it calls this machine as we never would.
fn foreign(reactor: &Arc<Reactor>) -> (Server, Vec<String>) {
    let options = Options { machine_id: Some("foreign".into()), ..Options::default() };
    let unix = format!("unix:///tmp/millrace-ids-{}-{:p}", std::process::id(), Arc::as_ptr(reactor));
    let server = Server::standalone(reactor, &[LOOPBACK, &unix], options).unwrap();
    let urls = server.addresses();
    (server, urls)
}

fn mine() -> SessionOptions {
    SessionOptions { machine_id: Some("mine".into()), ..SessionOptions::default() }
}

fn doubles(session: &Session, name: &str) {
    assert_eq!(*session.service(name).unwrap().call("double", &[4.into()]).unwrap(), Value::from(8));
}

fn machine_of(session: &Session, name: &str) -> String {
    let services = session.services().unwrap();
    services.iter().find(|info| info.name == *name).unwrap().machine_id.lossy().into_owned()
}

#[test]
fn a_provider_is_on_the_machine_of_a_directory_that_is_here_whatever_that_calls_it() {
    let reactor = Reactor::start().unwrap();
    let (server, urls) = foreign(&reactor);
    for url in &urls {
        let provider = Provider::start(url, &[LOOPBACK], mine(), Options::default()).unwrap();
        provider.register("Far", &doubler()).unwrap();
        for from in &urls {
            let session = Session::connect(from, mine()).unwrap();
            assert_eq!(machine_of(&session, "Far"), "foreign", "what clients of that kind look for");
            doubles(&session, "Far");
            session.close();
        }
        provider.close();
    }
    // Unless it is told what to say.
    let options = Options { machine_id: Some("container".into()), ..Options::default() };
    let provider = Provider::start(&urls[0], &[LOOPBACK], mine(), options).unwrap();
    provider.register("Far", &doubler()).unwrap();
    let session = Session::connect(&urls[0], mine()).unwrap();
    assert_eq!(machine_of(&session, "Far"), "container");
    session.close();
    provider.close();
    server.close();
}

/// As a provider of qiloop's at a directory of libqi's: three kinds, three ids.
#[test]
fn a_service_of_no_known_machine_is_looked_for_here_if_its_directory_is_here() {
    let reactor = Reactor::start().unwrap();
    let (server, urls) = foreign(&reactor);
    let elsewhere = Server::provider(&reactor, &[LOOPBACK, &urls[1].replace("ids", "at")], Options::default()).unwrap();
    let registrar = Session::connect(&urls[0], mine()).unwrap();
    let endpoints = elsewhere.addresses();
    for (name, machine, endpoint) in
        [("Tcp", "third", 0), ("Unix", "third", 1), ("OfItsMachine", "foreign", 0), ("UnixOfIt", "foreign", 1)]
    {
        let info = ServiceInfo {
            name: name.into(),
            machine_id: machine.into(),
            endpoints: vec![endpoints[endpoint].as_str().into()],
            ..ServiceInfo::default()
        };
        let directory = registrar.directory().unwrap();
        let id = directory.register_service(&info).unwrap();
        elsewhere.add_registered(id, &doubler());
        directory.service_ready(id).unwrap();
        for url in &urls {
            // Each dials by itself.
            let session = Session::connect(url, mine()).unwrap();
            doubles(&session, name);
            session.close();
        }
    }
    registrar.close();
    [server, elsewhere].iter().for_each(Server::close);
}
