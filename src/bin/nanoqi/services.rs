//! Services as the command line names them: by their names or by patterns, and waited for with `--wait`.

use std::sync::mpsc::sync_channel;
use std::time::Instant;

use nanomsg::qi::client::{CallError, Proxy, Session};

use crate::arguments::Arguments;
use crate::outcome::Failure;
use crate::path::matches;

/// A service; with `--wait` when it has come.
pub fn service(session: &Session, name: &str, arguments: &Arguments) -> Result<Proxy, Failure> {
    if !arguments.wait {
        return Ok(session.service(name)?);
    }
    session.wait_for_service(name, arguments.timeout).map_err(|error| match error {
        CallError::TimedOut => late(name),
        error => error.into(),
    })
}

fn late(name: &str) -> Failure {
    Failure { code: 5, text: format!("no service {name} has come in time") }
}

/// The names of all services.
pub fn names(session: &Session) -> Result<Vec<String>, Failure> {
    Ok(session.services()?.into_iter().map(|info| info.name.lossy().into_owned()).collect())
}

/// The names of all services that a pattern means; with `--wait` when there is one.
pub fn matching(session: &Session, pattern: &str, arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let (told, changes) = sync_channel(1);
    let _watch = match arguments.wait {
        // One that waits is enough.
        true => Some(session.on_notice(move |_| told.try_send(()).unwrap_or_default())?),
        false => None,
    };
    let deadline = arguments.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let mut names = names(session)?;
        names.retain(|name| matches(pattern, name));
        if !names.is_empty() || !arguments.wait {
            return Ok(names);
        }
        let has_changed = match deadline {
            Some(deadline) => changes.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok(),
            None => changes.recv().is_ok(),
        };
        if !has_changed {
            return Err(late(pattern));
        }
    }
}
