//! The crate nanomsg at work: patterns, polling, time limits, errors.   nanomsg-user DIRECTORY PORT

use std::io::{Read, Write};

use nanomsg::{PollFd, PollInOut, PollRequest, Protocol, Socket};

fn opened(protocol: Protocol) -> Socket {
    let mut socket = Socket::new(protocol).expect("a socket");
    socket.set_receive_timeout(20000).expect("a time limit");
    socket.set_send_timeout(20000).expect("a time limit");
    socket
}

fn sent(from: &mut Socket, to: &mut Socket, body: &[u8]) {
    from.write_all(body).expect("sent");
    let mut got = Vec::new();
    to.read_to_end(&mut got).expect("received");
    assert_eq!(got, body);
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let addresses = [
        "inproc://crate".to_owned(),
        format!("ipc://{}/crate", arguments[1]),
        format!("tcp://127.0.0.1:{}", arguments[2]),
    ];
    for address in &addresses {
        use Protocol::{Pair, Pull, Push, Rep, Req};
        for (one, other, answers) in [(Pair, Pair, true), (Pull, Push, false), (Rep, Req, true)] {
            let (mut bound, mut connected) = (opened(one), opened(other));
            let mut endpoint = bound.bind(address).expect("bound");
            let mut outgoing = connected.connect(address).expect("connected");
            for body in [&b"x"[..], &[7; 256], &[8; 65536]] {
                sent(&mut connected, &mut bound, body);
                if answers {
                    sent(&mut bound, &mut connected, body);
                }
            }
            outgoing.shutdown().expect("shut down");
            endpoint.shutdown().expect("shut down");
        }
    }
    let (mut publisher, mut subscriber) = (opened(Protocol::Pub), opened(Protocol::Sub));
    subscriber.subscribe(b"a").expect("subscribed");
    let _bound = subscriber.bind("inproc://topics").expect("bound");
    let _connected = publisher.connect("inproc://topics").expect("connected");
    publisher.write_all(b"b").expect("sent");
    publisher.write_all(b"a1").expect("sent");
    let mut polled = [subscriber.new_pollfd(PollInOut::In)];
    let mut request = PollRequest::new(&mut polled);
    assert_eq!(Socket::poll(&mut request, 20000).expect("polled"), 1);
    assert!(request.get_fds()[0].can_read());
    let mut got = String::new();
    subscriber.read_to_string(&mut got).expect("received");
    assert_eq!(got, "a1");
    let mut alone = opened(Protocol::Pull);
    assert!(alone.nb_read(&mut [0; 9]).is_err());
    assert!(alone.bind("fax://1").is_err());
    println!("ok");
}
