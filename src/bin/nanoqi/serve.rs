//! `nanoqi serve`: a directory of its own.

use nanomsg::qi::client::shared_reactor;
use nanomsg::qi::server::Budget;
use nanomsg::qi::server::TlsServer;
use nanomsg::qi::server::{Options, Server, Verdict};

use crate::arguments::Arguments;
use crate::outcome::{Failure, Outcome, file, line, usage};

/// Serves until the process is ended. With `--user` and `--token`, only who knows both is let in; half of them is a mistake that
/// would leave the door open.
pub fn serve(url: &str, arguments: &Arguments) -> Outcome {
    let failed = |text: String| Failure { code: 2, text };
    let mut options = Options::default();
    options = match (arguments.user.clone(), arguments.token().map_err(usage)?) {
        (None, None) => options,
        (Some(user), Some(token)) => options.authenticator(move |credentials| {
            let known = credentials.user == Some(user.as_bytes()) && credentials.token == Some(token.as_bytes());
            if known { Verdict::Accept(Vec::new()) } else { Verdict::Reject("unknown user or wrong token".into()) }
        }),
        (None, Some(_)) => {
            return Err(usage("serve: a token without --user would let everybody in; give both, or none"));
        }
        (Some(_), None) => {
            return Err(usage(
                "serve: --user without a token would let everybody in; set NANOQI_TOKEN, or give neither",
            ));
        }
    };
    if let Some(bytes) = arguments.memory {
        options.connection.budget = Budget::new(bytes);
    }
    if arguments.authorities.is_some() {
        return Err(usage("serve: --ca is for who connects; --cert and --key are what is shown to them"));
    }
    if arguments.certificate.is_some() && !url.starts_with("tcps://") {
        return Err(usage(format!("serve: --cert and --key are for a tcps:// URL, and {url} is in plain text")));
    }
    options.connection.tls_server = match (&arguments.certificate, &arguments.key) {
        (None, None) if url.starts_with("tcps://") => {
            return Err(usage("serve: a tcps:// URL wants --cert and --key, which clients are shown"));
        }
        (None, None) => None,
        (Some(chain), Some(key)) => {
            let identity = TlsServer::from_pem(&file(chain)?, &file(key)?);
            let wrong = |_| usage(format!("{chain}, {key}: not a certificate and its key, both in PEM"));
            Some(identity.map_err(wrong)?)
        }
        _ => return Err(usage("serve: --cert and --key belong together")),
    };
    let reactor = shared_reactor().map_err(|error| failed(error.to_string()))?;
    let server = Server::standalone(&reactor, &[url], options).map_err(|error| failed(error.to_string()))?;
    for address in server.addresses() {
        line(address)?;
    }
    loop {
        std::thread::park();
    }
}
