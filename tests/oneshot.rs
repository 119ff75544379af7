//! Nothing accepted is lost at close, and NN_LINGER bounds what closing may take: see ctests/oneshot.c.
//!
//! What the genuine library does, measured: a blocking nn_send that returned has handed a small message to the kernel (the
//! calling thread makes the system call itself), so over tcp the message arrives whatever the sender does next. Over ipc the
//! genuine receiver drops a connection with everything unread as soon as it notices the hang-up, and loses 5 to 30 in 100
//! messages of a genuine sender. It keeps all of ours, for our sender closes only its own half until the receiver has read
//! to the end; and our receiver keeps all of the genuine sender's, for it reads what the kernel holds before it gives up.

mod support;

use std::time::Duration;
use support::patterns::{Report, TRANSPORTS, address, genuine_only, our_lib};
use support::peer::Peer;
use support::{Lib, ScratchDir, c_program, command, run};

const COUNT: usize = 100;

fn oneshot(lib: Lib, args: &[&str]) -> std::process::Command {
    let mut oneshot = command(&c_program("ctests/oneshot.c", lib), lib);
    oneshot.args(args);
    oneshot
}

/// The receiving program, already bound; its next answer is its result.
fn receiver(lib: Lib, role: &str, address: &str, count: usize) -> Result<Peer, String> {
    let command = oneshot(lib, &[role, address, &count.to_string()]);
    let mut peer = Peer::spawn(command, format!("{lib:?} {role}"));
    peer.hear()?;
    Ok(peer)
}

fn sent(lib: Lib, args: &[&str]) -> Result<String, String> {
    let outcome = run(&mut oneshot(lib, args), Duration::from_secs(90));
    if outcome.code == Some(0) { Ok(outcome.stdout) } else { Err(format!("{lib:?} {args:?}: {outcome:?}")) }
}

/// Sender, receiver and transport, with ours on at least one side.
fn rows() -> Vec<(Lib, Lib, &'static str)> {
    if genuine_only() {
        // The only pairing of the reference that keeps everything.
        return vec![(Lib::Genuine, Lib::Genuine, "tcp")];
    }
    let pairings = [(Lib::Ours, Lib::Ours), (Lib::Ours, Lib::Genuine), (Lib::Genuine, Lib::Ours)];
    pairings.into_iter().flat_map(|(from, to)| TRANSPORTS.map(|transport| (from, to, transport))).collect()
}

/// One receiver, and all the numbers sent to it by `send`.
fn all_arrive(send: impl Fn(Lib, &str) -> Result<(), String>) {
    let dir = ScratchDir::new();
    let mut report = Report::default();
    for (from, to, transport) in rows() {
        let address = address(transport, &dir);
        let result = receiver(to, "receive", &address, COUNT).and_then(|mut receiver| {
            send(from, &address)?;
            receiver.hear_expected(&format!("{COUNT} of {COUNT}"))
        });
        report.row(format!("{from:?} to {to:?} over {transport}"), result);
    }
    report.finish();
}

fn in_turn(ending: &str) {
    all_arrive(|lib, address| {
        (0..COUNT).try_for_each(|i| sent(lib, &["send", address, &i.to_string(), ending]).map(drop))
    });
}

#[test]
fn processes_that_return() {
    in_turn("return");
}

#[test]
fn processes_that_exit() {
    in_turn("exit");
}

#[test]
fn processes_all_at_once() {
    all_arrive(|lib, address| {
        let start = |i: usize| oneshot(lib, &["send", address, &i.to_string(), "exit"]).spawn();
        let mut senders: Vec<_> = (0..COUNT).map(|i| start(i).expect("start a sender")).collect();
        senders.iter_mut().try_for_each(|sender| match sender.wait() {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("a sender: {other:?}")),
        })
    });
}

#[test]
fn one_process_again_and_again() {
    all_arrive(|lib, address| sent(lib, &["loop", address, &COUNT.to_string()]).map(drop));
}

/// The last bodies are still on their way, one of them half with the kernel, when the sender closes and ends.
#[test]
fn large_backlog() {
    let dir = ScratchDir::new();
    let mut report = Report::default();
    // The reference gives up what the kernel has not taken.
    for (from, to, transport) in rows().into_iter().filter(|row| row.0 == Lib::Ours) {
        let address = address(transport, &dir);
        let result = receiver(to, "slow", &address, 20).and_then(|mut receiver| {
            sent(from, &["backlog", &address, "20", "20000"])?;
            receiver.hear_expected("20 of 20")
        });
        report.row(format!("{from:?} to {to:?} over {transport}"), result);
    }
    report.finish();
}

/// How long nn_close took with a receiver that takes nothing.
fn close_time(role: &str, linger: &str, transport: &str, to: Lib) -> Result<u64, String> {
    let dir = ScratchDir::new();
    let address = address(transport, &dir);
    let _receiver = receiver(to, "deaf", &address, 0)?;
    let words = sent(our_lib(), &[role, &address, linger])?;
    let ms = words.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    ms.ok_or_else(|| format!("\"{words}\" has no time"))
}

fn close_takes(role: &str, linger: &str, allowed: std::ops::Range<u64>) {
    let mut report = Report::default();
    for to in [our_lib(), Lib::Genuine] {
        for transport in TRANSPORTS {
            let result = close_time(role, linger, transport, to).and_then(|ms| {
                if allowed.contains(&ms) { Ok(()) } else { Err(format!("nn_close took {ms} ms, not {allowed:?}")) }
            });
            report.row(format!("{role} {linger} to {to:?} over {transport}"), result);
        }
    }
    report.finish();
}

#[test]
fn linger_zero_drops_at_once() {
    close_takes("stuck", "0", 0..500);
}

/// How long exactly depends on where the last message is stuck; the upper bound is generous for a busy machine.
#[test]
fn linger_is_an_upper_bound() {
    close_takes("stuck", "300", 0..2300);
}

#[test]
fn nothing_sent_closes_at_once() {
    close_takes("idle", "", 0..500);
}
