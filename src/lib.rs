//! Millrace: nanomsg's C library on a Rust engine, for programs in Rust.
//!
//! The Scalability Protocols are patterns of messaging (request and reply, publish and subscribe, pipeline, survey, bus, pair) over tcp, ipc,
//! inproc, WebSocket and TLS. A [`Socket`] has one of these [protocols](Protocol); it is bound and connected to addresses, in any number
//! and any order, and sends and receives whole messages. Peers may be anything that speaks nanomsg's protocols.
//!
//! ```
//! use nanomsg::{Protocol, Socket};
//!
//! let server = Socket::new(Protocol::Rep)?;
//! let endpoint = server.bind("tcp://127.0.0.1:0")?;
//!
//! let client = Socket::new(Protocol::Req)?;
//! client.connect(&server.address(endpoint)?)?;
//! client.send("6 times 7?")?;
//!
//! assert_eq!(server.recv()?, "6 times 7?");
//! server.send("42")?;
//! assert_eq!(client.recv()?, "42");
//! # Ok::<(), nanomsg::Error>(())
//! ```
//!
//! - [`Socket::recv_async`] and [`Socket::send_async`] are futures for any async runtime; [`poll`] waits for several sockets;
//!   [`Socket::recv_fd`] and [`Socket::send_fd`] are for event loops; [`device`] passes messages on.
//! - [`Socket::context`] has many requests, answers or subscriptions at a time on one socket.
//! - [`Error`] is an errno, the same number that C sees.
//! - [`qi`] is the object bus of robots (QiMessaging): sessions, proxies, services.
//!
//! The package is called `millrace`, the library in it `nanomsg`: a program has `millrace = { path = "../millrace" }` among its dependencies, and
//! says `use nanomsg::Socket`.
//!
//! # Features
//!
//! All are on unless `default-features = false` says otherwise; without any there are the protocols over tcp, ipc and inproc.
//!
//! - `ws`: the transport `ws://`; together with `tls`, `wss://`.
//! - `tls`: `tls+tcp://`, and `tcps://` on the object bus.
//! - `qi`: the module [`qi`], and the functions of `millrace/qi.h`.
//! - `tools`: the programs nanocat, nanobench and, with `qi`, nanoqi.
//! - `json`: [`Socket::describe`]. `qi` and `tools` bring it along.
//!
//! How it is made is told in `ARCHITECTURE.md`. `protocols.md 2.2` in a comment is section 2.2 of `docs/spec/protocols.md`, and so for the
//! other files there. Everything that is not shown here is the engine's and private, but for what `internals`
//! names for the project's own tools, bindings and tests; that changes without notice.

#![deny(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]
#![cfg_attr(
    not(all(feature = "ws", feature = "tls", feature = "qi")),
    allow(dead_code, unused_imports, reason = "some is for what was left out")
)]

mod api;
mod capi;
mod core;
mod facade;
#[doc(hidden)]
pub mod internals;
mod protocol;
#[cfg(feature = "qi")]
pub mod qi;
mod reactor;
mod sys;
mod transport;

pub use api::*;
