//! Tests of the machines through their one door, `Protocol::handle`. `fake` is the socket around them.

mod backtrace;
mod bus;
mod contexts;
mod drops;
mod fake;
mod matching;
mod pair;
mod pipeline;
mod pubsub;
mod rep;
mod req;
mod routing;
mod simulation;
mod survey;
mod table;
mod to_one;
mod turns;
