//! C programs and the genuine libqi on one bus: each calls what the other serves.

mod support;

use std::time::Duration;

use support::libqi::{Service, client};
use support::{Lib, c_program, command, run};

#[test]
fn c_calls_libqi() {
    let service = Service::start();
    let program = c_program("ctests/libqi_client.c", Lib::Ours);
    run(command(&program, Lib::Ours).arg(&service.url), Duration::from_secs(100)).expect_success("the client");
}

/// Runs a scenario against a service in C.
fn libqi_calls_c(scenario: &str) {
    let program = c_program("ctests/libqi_service.c", Lib::Ours);
    let service = Service::run(&mut command(&program, Lib::Ours));
    client(scenario, &service.url, None);
    assert!(service.finish().success(), "the service says above what was wrong");
}

#[test]
fn libqi_calls_c_with_all_types() {
    libqi_calls_c("calls");
}

#[test]
fn libqi_gets_errors_from_c() {
    libqi_calls_c("errors");
}

#[test]
fn libqi_hears_signals_and_sets_properties_of_c() {
    libqi_calls_c("signals");
}

#[test]
fn libqi_cancels_calls_of_c() {
    libqi_calls_c("cancel");
}

#[test]
fn c_calls_the_objects_that_libqi_passes() {
    libqi_calls_c("guests");
}
