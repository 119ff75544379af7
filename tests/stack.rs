//! What the library takes of a caller's stack: programs have threads with 16 KiB (PTHREAD_STACK_MIN). The rows are measured by
//! ctests/stack.c and ctests/qi_stack.c, which say how, and stand in DESIGN.md.

mod support;

use std::time::Duration;
use support::{Lib, c_program, command, run};

/// PTHREAD_STACK_MIN less its guard page: all that a thread of that size has.
const LEAST: usize = 16 * 1024 - 4096;

/// Without optimisation every value has a place of its own on the stack. Nobody ships that, so there it need only end.
const LIMIT: usize = if cfg!(debug_assertions) { 200 * 1024 } else { LEAST };

fn fits(program: &str) {
    let mut command = command(&c_program(program, Lib::Ours), Lib::Ours);
    let outcome = run(command.arg(LIMIT.to_string()), Duration::from_secs(60));
    print!("{}", outcome.stdout);
    outcome.expect_success(program);
}

#[test]
fn every_function_fits_into_the_smallest_stack() {
    fits("ctests/stack.c");
}

#[test]
fn so_does_every_function_of_the_bus() {
    fits("ctests/qi_stack.c");
}
