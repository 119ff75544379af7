//! The built libraries from outside: their names, what they export, and that programs link with them.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{ScratchDir, repo_root, run};

/// The public functions of nanomsg 1.2.
const PUBLIC: [&str; 23] = [
    "nn_allocmsg",
    "nn_bind",
    "nn_close",
    "nn_cmsg_nxthdr_",
    "nn_connect",
    "nn_device",
    "nn_errno",
    "nn_freemsg",
    "nn_get_statistic",
    "nn_getsockopt",
    "nn_poll",
    "nn_reallocmsg",
    "nn_recv",
    "nn_recvmsg",
    "nn_send",
    "nn_sendmsg",
    "nn_setsockopt",
    "nn_shutdown",
    "nn_socket",
    "nn_strerror",
    "nn_symbol",
    "nn_symbol_info",
    "nn_term",
];

/// Those of the object bus, `millrace/qi.h`.
const BUS: [&str; 154] = [
    "nnqi_add_service",
    "nnqi_arg",
    "nnqi_arg_bool",
    "nnqi_arg_double",
    "nnqi_arg_int",
    "nnqi_arg_text",
    "nnqi_arguments",
    "nnqi_begin_call",
    "nnqi_bool",
    "nnqi_build",
    "nnqi_builder_free",
    "nnqi_builder_new",
    "nnqi_call",
    "nnqi_call_as",
    "nnqi_call_start",
    "nnqi_call_then",
    "nnqi_caller",
    "nnqi_cancel",
    "nnqi_close",
    "nnqi_concurrency",
    "nnqi_connect",
    "nnqi_convert",
    "nnqi_copy",
    "nnqi_copy_string",
    "nnqi_count",
    "nnqi_decode",
    "nnqi_descriptor",
    "nnqi_document",
    "nnqi_double",
    "nnqi_dropped",
    "nnqi_dynamic",
    "nnqi_emit",
    "nnqi_encode",
    "nnqi_end_call",
    "nnqi_endpoint_close",
    "nnqi_endpoint_connect",
    "nnqi_endpoint_free",
    "nnqi_endpoint_of",
    "nnqi_endpoint_statistics",
    "nnqi_equal",
    "nnqi_error",
    "nnqi_fail",
    "nnqi_find",
    "nnqi_float",
    "nnqi_forward",
    "nnqi_free",
    "nnqi_from_json",
    "nnqi_get_bool",
    "nnqi_get_double",
    "nnqi_get_int",
    "nnqi_get_object",
    "nnqi_get_raw",
    "nnqi_get_string",
    "nnqi_get_text",
    "nnqi_get_uint",
    "nnqi_handler_descriptor",
    "nnqi_handles",
    "nnqi_int",
    "nnqi_is_canceled",
    "nnqi_is_connected",
    "nnqi_is_done",
    "nnqi_item",
    "nnqi_kind",
    "nnqi_limits",
    "nnqi_list",
    "nnqi_make_chooser",
    "nnqi_make_handler",
    "nnqi_map",
    "nnqi_map_key",
    "nnqi_map_value",
    "nnqi_members",
    "nnqi_meta",
    "nnqi_method",
    "nnqi_next",
    "nnqi_next_message",
    "nnqi_object_free",
    "nnqi_object_get",
    "nnqi_object_new",
    "nnqi_object_set",
    "nnqi_object_statistics",
    "nnqi_object_value",
    "nnqi_on_cancel",
    "nnqi_on_subscribers",
    "nnqi_optional",
    "nnqi_pack_slots",
    "nnqi_pending_free",
    "nnqi_perror",
    "nnqi_post",
    "nnqi_property",
    "nnqi_property_checked",
    "nnqi_property_get",
    "nnqi_property_get_within",
    "nnqi_property_set",
    "nnqi_property_set_within",
    "nnqi_provider_address",
    "nnqi_provider_close",
    "nnqi_provider_is_connected",
    "nnqi_provider_memory",
    "nnqi_provider_open",
    "nnqi_provider_statistics",
    "nnqi_provider_workers",
    "nnqi_proxy_free",
    "nnqi_proxy_is_connected",
    "nnqi_proxy_of",
    "nnqi_raw",
    "nnqi_register",
    "nnqi_remove_handler",
    "nnqi_remove_service",
    "nnqi_reply",
    "nnqi_reply_canceled",
    "nnqi_reply_error",
    "nnqi_reply_object",
    "nnqi_request_object",
    "nnqi_send",
    "nnqi_serve",
    "nnqi_server_address",
    "nnqi_server_close",
    "nnqi_server_memory",
    "nnqi_server_open",
    "nnqi_server_reach",
    "nnqi_server_statistics",
    "nnqi_server_url",
    "nnqi_server_workers",
    "nnqi_service",
    "nnqi_services",
    "nnqi_session_memory",
    "nnqi_signal",
    "nnqi_signature",
    "nnqi_string",
    "nnqi_struct",
    "nnqi_subscribe",
    "nnqi_subscribe_with",
    "nnqi_take_bool",
    "nnqi_take_double",
    "nnqi_take_int",
    "nnqi_take_object",
    "nnqi_take_proxy",
    "nnqi_take_text",
    "nnqi_text",
    "nnqi_to_json",
    "nnqi_tuple",
    "nnqi_uint",
    "nnqi_unpack_next_places",
    "nnqi_unpack_places",
    "nnqi_unregister",
    "nnqi_unsubscribe",
    "nnqi_unwrap",
    "nnqi_void",
    "nnqi_wait",
    "nnqi_watch",
    "nnqi_watch_proxy",
    "nnqi_watch_session",
    "nnqi_watch_with",
    "nnqi_when_gone",
];

/// What sockets have beyond nanomsg's: `millrace/monitor.h`, `millrace/context.h`, `millrace/log.h`.
const OURS: [&str; 11] = [
    "nnx_cancel",
    "nnx_context",
    "nnx_describe",
    "nnx_endpoint_address",
    "nnx_log",
    "nnx_metrics",
    "nnx_monitor",
    "nnx_monitor_close",
    "nnx_monitor_fd",
    "nnx_monitor_next",
    "nnx_wait_peers",
];

/// Nothing else is exported.
fn public() -> Vec<&'static str> {
    PUBLIC.into_iter().chain(BUS).chain(OURS).collect()
}

/// Cargo puts the libraries of a build beside its tests.
fn built(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("path of this test");
    exe.with_file_name(name)
}

fn succeed(command: &mut Command) -> String {
    let outcome = run(command, Duration::from_secs(120));
    outcome.expect_success(&format!("{command:?}"));
    outcome.stdout
}

/// Names of the symbols in the output of `nm -P`.
fn symbols(command: &mut Command) -> Vec<String> {
    let listing = succeed(command);
    let mut names: Vec<String> = listing
        .lines()
        .filter(|line| line.split(' ').count() > 1)
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn the_shared_library_exports_the_public_functions_only() {
    let found = symbols(Command::new("nm").args(["-P", "-D", "--defined-only"]).arg(built("libnanomsg.so")));
    assert_eq!(found, public());
}

#[test]
fn the_shared_library_has_the_name_programs_ask_for() {
    let dynamic = succeed(Command::new("readelf").arg("-d").arg(built("libnanomsg.so")));
    assert!(dynamic.contains("soname: [libnanomsg.so.6]"), "{dynamic}");
    for link in ["libnanomsg.so.6", "libnanomsg.so.5"] {
        for directory in [built(""), built("..")] {
            assert_eq!(fs::read_link(directory.join(link)).expect(link), Path::new("libnanomsg.so"));
        }
    }
}

/// Makes the static library as `make static` does.
fn static_library(dir: &ScratchDir) -> PathBuf {
    let library = dir.path("libnanomsg.a");
    succeed(Command::new(repo_root().join("tools/localise.sh")).arg(built("libnanomsg.a")).arg(&library));
    library
}

#[test]
fn the_static_library_exports_the_public_functions_only() {
    let dir = ScratchDir::new();
    let found = symbols(Command::new("nm").args(["-P", "-g", "--defined-only"]).arg(static_library(&dir)));
    assert_eq!(found, public());
}

#[test]
fn a_static_program_runs() {
    let dir = ScratchDir::new();
    let library = static_library(&dir);
    let program = compile(&dir, PROGRAM, |cc| cc.arg(&library).arg("-static"));
    succeed(&mut Command::new(program));
}

/// Both bring the whole Rust runtime: only hidden names keep them apart.
#[test]
fn two_rust_libraries_fit_into_one_program() {
    let dir = ScratchDir::new();
    let library = static_library(&dir);
    let source = dir.path("other.rs");
    let other = dir.path("libother.a");
    fs::write(&source, OTHER).expect("write a library");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    succeed(Command::new(rustc).args(["--edition=2024", "--crate-type=staticlib", "-o"]).arg(&other).arg(source));
    let program = compile(&dir, PROGRAM, |cc| cc.arg("-DOTHER").arg(&library).arg(&other));
    succeed(&mut Command::new(program));
}

fn compile(dir: &ScratchDir, source: &str, library: impl Fn(&mut Command) -> &mut Command) -> PathBuf {
    let program = dir.path("program");
    let file = dir.path("program.c");
    fs::write(&file, source).expect("write a program");
    let mut cc = support::c_compiler();
    cc.arg("-I").arg(repo_root().join("include")).arg(file).arg("-o").arg(&program);
    succeed(library(&mut cc));
    program
}

const PROGRAM: &str = r#"
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <string.h>
#ifdef OTHER
int other(void);
#endif
int main(void) {
    char buffer[8];
    int a = nn_socket(AF_SP, NN_PAIR);
    int b = nn_socket(AF_SP, NN_PAIR);
#ifdef OTHER
    if (other() != 42) return 1;
#endif
    if (nn_bind(a, "inproc://static") < 0) return 2;
    if (nn_connect(b, "inproc://static") < 0) return 3;
    if (nn_send(b, "hello", 5, 0) != 5) return 4;
    if (nn_recv(a, buffer, sizeof buffer, 0) != 5 || memcmp(buffer, "hello", 5) != 0) return 5;
    return nn_close(a) != 0 || nn_close(b) != 0;
}
"#;

/// Uses what runtimes stumble over when two of them meet: threads and unwinding.
const OTHER: &str = r#"
#[unsafe(no_mangle)]
pub extern "C" fn other() -> i32 {
    let thread = std::thread::spawn(|| std::panic::resume_unwind(Box::new(42)));
    *thread.join().unwrap_err().downcast::<i32>().unwrap()
}
"#;
