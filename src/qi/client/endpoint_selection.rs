//! How to get to a service: which connections there are, which endpoints to dial and in what order. Pure
//! (qi-messaging.md 12).

use std::borrow::Cow;

use crate::qi::address::{AddressError, Endpoint, Reach, Scheme};
use crate::qi::meta::ServiceInfo;

/// What a connection is known under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionKey {
    /// A machine's id and the text of an endpoint.
    Address(String, String),
    /// It is used for this service: `qi:Name`.
    Service(String),
}

/// The connections of a session.
#[derive(Debug)]
pub struct Connections<T>(Vec<(ConnectionKey, T)>);

impl<T> Default for Connections<T> {
    fn default() -> Self {
        Connections(Vec::new())
    }
}

impl<T: Clone> Connections<T> {
    /// Notes a connection; it comes first among those of this key.
    pub fn add(&mut self, key: ConnectionKey, connection: T) {
        self.0.insert(0, (key, connection));
    }

    /// Forgets those that are of no use; gives them, so that they can be dropped under no lock.
    pub fn remove(&mut self, useless: impl Fn(&T) -> bool) -> Vec<T> {
        let (gone, kept) = std::mem::take(&mut self.0).into_iter().partition(|(_, connection)| useless(connection));
        self.0 = kept;
        gone.into_iter().map(|(_, connection)| connection).collect()
    }

    /// All of them, those with several keys several times.
    pub fn all(&self) -> Vec<T> {
        self.0.iter().map(|(_, connection)| connection.clone()).collect()
    }

    /// A connection to where the service is, if there is one.
    pub fn find(&self, info: &ServiceInfo) -> Option<T> {
        info.endpoints.iter().find_map(|endpoint| {
            let text = endpoint.lossy();
            let key = match text.strip_prefix("qi:") {
                Some(name) => ConnectionKey::Service(name.into()),
                None => ConnectionKey::Address(info.machine_id.lossy().into_owned(), text.into_owned()),
            };
            self.0.iter().find(|(known, _)| *known == key).map(|(_, connection)| connection.clone())
        })
    }
}

/// What a session thinks of endpoints without TLS. Whoever can register a service chooses its endpoints, so none may lead to less
/// than the session was told to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainText {
    /// As good as others: the directory is reached so, too.
    Allowed,
    /// Where there is nothing else.
    Last,
    /// Never: the session knows whom to believe, or would show its token, which its directory has got over TLS.
    Refused,
}

/// The record with addresses of one link as this machine knows them, if the service is on another one: by the interface that leads to
/// its directory, if an address of a link does.
pub fn by_link<'i>(info: &'i ServiceInfo, directory: &str, ours: impl FnOnce() -> Vec<String>) -> Cow<'i, ServiceInfo> {
    let Ok(directory) = Endpoint::parse(directory) else { return Cow::Borrowed(info) };
    // To find out which machine this is takes a look at its interfaces, which few need.
    let is_elsewhere = || !ours().iter().any(|id| info.machine_id == id.as_str());
    let Some(zone) = directory.zone().filter(|_| is_elsewhere()) else { return Cow::Borrowed(info) };
    let mut info = info.clone();
    for text in &mut info.endpoints {
        if let Ok(endpoint) = Endpoint::parse(&text.lossy()) {
            *text = endpoint.by_zone(zone).to_string().as_str().into();
        }
    }
    Cow::Owned(info)
}

/// Where a session is.
#[derive(Clone, Copy, Debug)]
pub struct Whereabouts<'m> {
    /// What this machine is called.
    pub ids: &'m [String],
    /// The directory is reached by a loopback address or a unix socket, so it may well list others of this machine, by whatever ids.
    pub directory_is_near: bool,
}

/// The endpoints of a service that can be dialled from here, in the order to dial them; or why none can be: each endpoint with its
/// reason.
pub fn endpoints(info: &ServiceInfo, here: Whereabouts<'_>, plain: PlainText) -> Result<Vec<Endpoint>, Vec<String>> {
    let is_here = here.ids.iter().any(|id| info.machine_id == id.as_str());
    let (mut near, mut far, mut strange, mut useless) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for text in &info.endpoints {
        let text = text.lossy();
        match Endpoint::parse(&text) {
            Err(AddressError::Scheme) => useless.push(format!("{text} (of another kind)")),
            Err(error) => useless.push(format!("{text} ({error})")),
            Ok(Endpoint::Host { scheme: Scheme::Tcpsm, .. }) => {
                useless.push(format!("{text} (wants a certificate of ours)"));
            }
            Ok(Endpoint::Host { scheme: Scheme::Tcp, .. }) if plain == PlainText::Refused => {
                useless.push(format!("{text} (without TLS, which this session has authorities or a token for)"));
            }
            Ok(Endpoint::Host { port: 0, .. }) => useless.push(format!("{text} (has no port)")),
            Ok(endpoint) => match endpoint.reach() {
                Reach::Relative => useless.push(format!("{text} (no such connection)")),
                Reach::Any => useless.push(format!("{text} (is where it listens, not where it is)")),
                Reach::Loopback if is_here => near.push(endpoint),
                Reach::Loopback if here.directory_is_near => strange.push(endpoint),
                Reach::Loopback => useless.push(format!("{text} (loopback of another machine: {})", info.machine_id)),
                Reach::Other => far.push(endpoint),
            },
        }
    }
    // On one machine, what is not loopback is dialled when no loopback has let us in soon. libqi leaves it out: but machines of one id
    // may have several loopbacks, as containers of one image have.
    let mut found = near;
    found.extend(far);
    // A service with nothing but loopback, in a directory that is here: if it can be reached at all, it is here, too. Each kind of library
    // makes machine ids by a rule of its own.
    if found.is_empty() {
        found = strange;
    }
    if plain == PlainText::Last {
        found.sort_by_key(|endpoint| matches!(endpoint, Endpoint::Host { scheme: Scheme::Tcp, .. }));
    }
    if found.is_empty() { Err(useless) } else { Ok(found) }
}
