//! Runs the C conformance programs of `ctests/`: on our library, on our library under valgrind, on the reference (which
//! proves that they tell the truth about it), and, linked with the reference, on our library.

mod support;

use std::process::Command;
use std::time::Duration;
use support::{Lib, c_program, command, require_genuine, require_tool, run};

/// Programs also limit themselves; this is for those that cannot even do that any more.
const LIMIT: Duration = Duration::from_secs(40);
const SLOW_LIMIT: Duration = Duration::from_secs(300);

fn source(name: &str) -> String {
    format!("ctests/{name}.c")
}

fn on_ours(name: &str) {
    let program = c_program(&source(name), Lib::Ours);
    run(&mut command(&program, Lib::Ours), LIMIT).expect_success(name);
}

fn under_valgrind(name: &str) {
    require_tool("valgrind", "valgrind");
    let program = c_program(&source(name), Lib::Ours);
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"])
        .args(["--fair-sched=yes", "--child-silent-after-fork=yes"])
        .args(untrue_of(name))
        .arg(&program)
        .env("LD_LIBRARY_PATH", support::our_lib_dir())
        .env("CTEST_SLOW", "1");
    run(&mut valgrind, SLOW_LIMIT).expect_success(name);
}

/// memcheck takes what ring's assembly makes of a TLS 1.3 handshake for uninitialised, and with it everything that is encrypted.
fn untrue_of(name: &str) -> &'static [&'static str] {
    if ["peers", "secure"].contains(&name) { &["--undef-value-errors=no"] } else { &[] }
}

fn on_genuine(name: &str) {
    require_genuine();
    let program = c_program(&source(name), Lib::Genuine);
    run(command(&program, Lib::Genuine).env("CTEST_GENUINE", "1"), LIMIT).expect_success(name);
}

/// One test per program and way to run it.
macro_rules! programs {
    ($($name:ident)* ; not under valgrind: $($bare:ident)* ; only ours: $($own:ident)* ; neither: $($alone:ident)*) => {
        mod ours { $(#[test] fn $name() { super::on_ours(stringify!($name)); })*
                   $(#[test] fn $bare() { super::on_ours(stringify!($bare)); })*
                   $(#[test] fn $own() { super::on_ours(stringify!($own)); })*
                   $(#[test] fn $alone() { super::on_ours(stringify!($alone)); })* }
        mod valgrind { $(#[test] fn $name() { super::under_valgrind(stringify!($name)); })*
                       $(#[test] fn $own() { super::under_valgrind(stringify!($own)); })* }
        mod genuine { $(#[test] fn $name() { super::on_genuine(stringify!($name)); })*
                      $(#[test] fn $bare() { super::on_genuine(stringify!($bare)); })* }

        /// No program is forgotten here.
        #[test]
        fn complete() {
            let listed = [$(concat!(stringify!($name), ".c"),)* $(concat!(stringify!($bare), ".c"),)*
                          $(concat!(stringify!($own), ".c"),)* $(concat!(stringify!($alone), ".c"),)*];
            let files = std::fs::read_dir(support::repo_root().join("ctests")).expect("ctests");
            for file in files.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()) {
                let text = std::fs::read_to_string(support::repo_root().join("ctests").join(&file)).expect("source");
                let is_program = file.ends_with(".c") && text.contains("return finish();");
                assert!(!is_program || listed.contains(&file.as_str()), "{file} is not listed");
            }
        }
    };
}

// valgrind enforces the descriptor limit itself, by closing a connection that the kernel has accepted: so the
// connection that waits for a descriptor, which is what fdlimit is about, never survives there. And in a forked child it
// finds the I/O thread's thread-local memory (80 bytes) lost: that thread does not exist there to free it (fork, closed). What ends in exit
// handlers and destructors (late) leaves to the system what it has open. valgrind also needs memory of its own, so that a limit
// means nothing there, and the genuine library gives up when memory is short. What sends bursts (accepted)
// sends none there.
programs! {
    abi burst bus churn closing cmsg defects device direction dupbind empty fdoptions handles inproc_queue
    inproc_rebind inproc_sync interruption iovec ipc_files lbfq linger malformed many_sockets mismatch names nnmsg options
    optlengths oversize pair peerloss pipeline poll print_errors pubsub realloc reconnect reqrep reqrep_raw spin stats survey
    symbols tcp_addresses term threads timeouts truncation ttl unread urls wire ws;
    not under valgrind: accepted daemon fdlimit fork held_up late qi_accepted qi_fork stopped;
    only ours: addresses cancel contexts given log monitor network peers qi_access qi_bus qi_calls qi_cancel qi_ends qi_forward qi_limits qi_misuse qi_notices qi_objects qi_short qi_values reused secure;
    neither: closed memory qi_memory qi_perror
}

/// Programs linked with Debian's library, as they are, find ours under its SONAME.
#[test]
fn drop_in_for_the_reference() {
    require_genuine();
    for name in ["pair", "reqrep", "pubsub", "device", "nnmsg", "cmsg", "poll"] {
        let program = c_program(&source(name), Lib::Genuine);
        run(&mut command(&program, Lib::Ours), LIMIT).expect_success(name);
    }
}
