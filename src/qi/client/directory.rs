//! The service directory as a client sees it: service 1, object 1 (qi-messaging.md 11).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::qi::actions::MAIN_OBJECT;
use crate::qi::directory::DIRECTORY_ID;
use crate::qi::meta::{ServiceInfo, ServiceInfoLayout};
use crate::qi::value::Value;

use super::call::CallOptions;
use super::proxy::{Proxy, typed};
use crate::qi::calls::waiting::Slot;
use crate::qi::calls::{CallError, Connection, Received, Result};
use crate::reactor::deadline_in;

/// Service and object of the directory.
pub const DIRECTORY: (u32, u32) = (DIRECTORY_ID, MAIN_OBJECT);
/// Its name.
pub const DIRECTORY_NAME: &str = "ServiceDirectory";

/// A service that the directory is to forget, or may be about to register though nobody wants it any more. It is over when the
/// directory has said so, or is gone.
#[derive(Clone, Debug, Default)]
pub(in crate::qi) struct TakingBack(Arc<Slot<Result<()>>>);

impl TakingBack {
    pub fn is_over(&self) -> bool {
        self.0.is_full()
    }
}

/// The directory on one connection. Its members are found by name, so other ids than libqi's do.
#[derive(Clone, Debug)]
pub struct Directory {
    proxy: Proxy,
}

impl Directory {
    /// The directory at the other end of a connection. Fails like a call.
    pub fn new(connection: &Arc<Connection>, timeout: Option<Duration>) -> Result<Directory> {
        Ok(Directory { proxy: Proxy::new(connection, DIRECTORY.0, DIRECTORY.1, timeout)? })
    }

    /// The directory's object itself.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// All services that are ready, as the directory lists them.
    pub fn services(&self) -> Result<Vec<ServiceInfo>> {
        let list = self.proxy.call("services", &[])?;
        let infos = list.items().map(|items| items.iter().map(ServiceInfo::from_value).collect());
        infos.flatten().ok_or_else(|| odd("services", list.value()))
    }

    /// One service by name; [`CallError::NoService`] with the directory's words if it is not ready. `timeout`: if not as long as for
    /// the directory's other calls.
    pub fn service(&self, name: &str, timeout: Option<Duration>) -> Result<ServiceInfo> {
        let options = CallOptions { timeout, ..CallOptions::default() };
        match self.proxy.call_with("service", &[name.into()], &options) {
            Ok(info) => ServiceInfo::from_value(&info).ok_or_else(|| odd("service", info.value())),
            Err(CallError::Remote(text)) => Err(CallError::NoService { name: name.into(), text }),
            Err(error) => Err(error),
        }
    }

    /// The id of the directory's machine.
    pub fn machine_id(&self) -> Result<String> {
        self.proxy.call_to("machineId", &[])
    }

    /// Registers a service, in the layout that the directory declares; its id in `info` is not looked at. Gives the new id;
    /// nobody sees the service before [`Directory::service_ready`]. What it registers when the time is over is taken back.
    pub fn register_service(&self, info: &ServiceInfo) -> Result<u32> {
        self.try_register(info, self.deadline()).map_err(|(error, _)| error)
    }

    /// When what it is asked now must have been answered.
    pub(in crate::qi) fn deadline(&self) -> Option<Instant> {
        deadline_in(self.proxy.0.timeout())
    }

    /// [`Directory::register_service`], and what is taken back if it is too late.
    pub(in crate::qi) fn try_register(
        &self,
        info: &ServiceInfo,
        deadline: Option<Instant>,
    ) -> std::result::Result<u32, (CallError, Option<TakingBack>)> {
        let (answer, late) = (Arc::new(Slot::default()), TakingBack::default());
        let done = {
            let (me, answer, late) = (self.clone(), Arc::clone(&answer), late.clone());
            move |outcome: Result<Received>| {
                let connection = me.proxy.connection();
                match answer.offer(Some(connection.reactor()), outcome.and_then(typed)) {
                    None => {}
                    // The directory cannot be told to leave off (libqi's), or had begun.
                    Some(Ok(id)) => me.take_back_as(id, &late),
                    Some(Err(_)) => late.0.fill(Some(connection.reactor()), Ok(())),
                }
            }
        };
        let call = self
            .registration(info)
            .and_then(|info| self.proxy.call_lasting("registerService", &[info], deadline, Box::new(done)));
        let call = call.map_err(|error| (error, None))?;
        let connection = self.proxy.connection();
        let outcome = answer.wait(connection.reactor(), Some(connection.endpoint()), deadline).or_else(|why| {
            call.cancel();
            match answer.offer(None, Err(CallError::Canceled)) {
                None => Err((CallError::from(why), Some(late))),
                // It came in this moment.
                Some(unused) => Ok(answer.take().unwrap_or(unused)),
            }
        });
        outcome?.map_err(|error| (error, None))
    }

    /// In the layout that the directory declares.
    fn registration(&self, info: &ServiceInfo) -> Result<Value> {
        let meta = self.proxy.meta();
        let parameters = meta.methods_named("registerService").next().map(|method| method.parameters_type());
        let layout = match parameters {
            Some(parameters) => ServiceInfoLayout::of(&parameters?).unwrap_or(ServiceInfoLayout::Seven),
            None => ServiceInfoLayout::Seven,
        };
        Ok(info.to_value(layout))
    }

    /// The service can be used.
    pub fn service_ready(&self, id: u32) -> Result<()> {
        self.proxy.call("serviceReady", &[id.into()]).map(drop)
    }

    /// [`Directory::unregister_service`] which goes on when nobody waits for it any more.
    pub(in crate::qi) fn take_back(&self, id: u32) -> TakingBack {
        let asked = TakingBack::default();
        self.take_back_as(id, &asked);
        asked
    }

    fn take_back_as(&self, id: u32, asked: &TakingBack) {
        let (asked, connection) = (asked.clone(), self.proxy.connection());
        let done = move |outcome: Result<Received>| asked.0.fill(Some(connection.reactor()), outcome.map(drop));
        self.proxy.call_anyway("unregisterService", &[id.into()], Box::new(done));
    }

    /// What came of it, for the one who waits first. `None`: it is not over by then.
    pub(in crate::qi) fn taken_back(&self, asked: &TakingBack, deadline: Option<Instant>) -> Option<Result<()>> {
        let connection = self.proxy.connection();
        asked.0.wait(connection.reactor(), Some(connection.endpoint()), deadline).ok()
    }

    /// The service is no more.
    pub fn unregister_service(&self, id: u32) -> Result<()> {
        self.proxy.call("unregisterService", &[id.into()]).map(drop)
    }
}

fn odd(what: &str, value: &Value) -> CallError {
    CallError::Protocol(format!("the directory's {what} answers a value of type {}", value.signature()))
}
