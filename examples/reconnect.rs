//! A client whose server is restarted again and again. It needs no code for that: `connect` connects in the background, and
//! anew whenever the connection is lost, and a REQ socket sends its request again. The statistics tell what happened.
//!
//! Run:    cargo run --example reconnect -- ask tcp://127.0.0.1:5555 3
//!         | answer 1
//!         | answer 2
//!         | answer 3
//!         | made ... connections, lost ..., ... attempts failed
//! Run:    for i in 1 2 3; do cargo run --example reconnect -- serve tcp://127.0.0.1:5555; done

use std::error::Error;

use nanomsg::capi::headers::nn::{NN_STAT_BROKEN_CONNECTIONS, NN_STAT_CONNECT_ERRORS, NN_STAT_ESTABLISHED_CONNECTIONS};
use nanomsg::core::{Body, Message, options};
use nanomsg::facade::{Session, Wait};
use nanomsg::protocol::reqrep::{REP, REQ, RESEND_IVL};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => serve(address),
        ["ask", address, questions] => ask(address, questions.parse()?),
        _ => Err("usage: reconnect serve ADDRESS | reconnect ask ADDRESS QUESTIONS".into()),
    }
}

/// Answers one request and ends, as a server does that crashes a lot.
fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, REP.id.into(), "server")?;
    socket.bind(address.as_bytes())?;
    let mut question = socket.recv(Wait::Option)?;
    socket.send(&mut question, Wait::Option)?;
    socket.close()?;
    session.stop();
    Ok(())
}

fn ask(address: &str, questions: u32) -> Result<(), Box<dyn Error>> {
    let session = Session::start()?;
    let socket = session.socket(false, REQ.id.into(), "client")?;
    let set = |level: u16, option: i32, value: i32| socket.set_option(level.into(), option, &value.to_ne_bytes());
    // The pause between attempts: 20 ms at first, then longer and longer, up to a second. Set before `connect`.
    set(0, options::RECONNECT_IVL, 20)?;
    set(0, options::RECONNECT_IVL_MAX, 1000)?;
    // A request that was lost without a trace is sent again after two seconds instead of a minute.
    set(REQ.id, RESEND_IVL, 2000)?;
    // How long we are patient. After this, `recv` says ETIMEDOUT.
    set(0, options::RCVTIMEO, 30000)?;
    socket.connect(address.as_bytes())?;

    for number in 1..=questions {
        let question = number.to_string();
        socket.send(&mut Message::new(Body::Borrowed(question.as_bytes())), Wait::Option)?;
        println!("answer {}", String::from_utf8_lossy(socket.recv(Wait::Option)?.body.bytes()));
    }
    let [made, lost, failed] = [NN_STAT_ESTABLISHED_CONNECTIONS, NN_STAT_BROKEN_CONNECTIONS, NN_STAT_CONNECT_ERRORS]
        .map(|s| socket.statistic(s));
    println!("made {} connections, lost {}, {} attempts failed", made?, lost?, failed?);
    socket.close()?;
    session.stop();
    Ok(())
}
