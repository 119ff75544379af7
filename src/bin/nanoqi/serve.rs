//! `nanoqi serve`: a directory of its own.

use nanomsg::qi::client::shared_reactor;
use nanomsg::qi::server::{Options, Server, Verdict};

use crate::arguments::Arguments;
use crate::outcome::{Failure, Outcome, line};

/// Serves until the process is ended. With `--user` and `--token`, only who knows both is let in.
pub fn serve(url: &str, arguments: &Arguments) -> Outcome {
    let failed = |text: String| Failure { code: 2, text };
    let mut options = Options::default();
    if let (Some(user), Some(token)) = (arguments.user.clone(), arguments.token()) {
        options = options.authenticator(move |credentials| {
            let known = credentials.user == Some(user.as_bytes()) && credentials.token == Some(token.as_bytes());
            if known { Verdict::Accept(Vec::new()) } else { Verdict::Reject("unknown user or wrong token".into()) }
        });
    }
    let reactor = shared_reactor().map_err(|error| failed(error.to_string()))?;
    let server = Server::standalone(&reactor, &[url], options).map_err(|error| failed(error.to_string()))?;
    for address in server.addresses() {
        line(address)?;
    }
    loop {
        std::thread::park();
    }
}
