//! The service directory as a client sees it: service 1, object 1 (qi-messaging.md 11).

use std::sync::Arc;
use std::time::Duration;

use crate::qi::actions::MAIN_OBJECT;
use crate::qi::directory::DIRECTORY_ID;
use crate::qi::meta::{ServiceInfo, ServiceInfoLayout};
use crate::qi::value::Value;

use super::call::{CallOptions, PendingCall};
use super::proxy::Proxy;
use crate::qi::calls::Connection;
use crate::qi::calls::{CallError, Result};

/// Service and object of the directory.
pub const DIRECTORY: (u32, u32) = (DIRECTORY_ID, MAIN_OBJECT);
/// Its name.
pub const DIRECTORY_NAME: &str = "ServiceDirectory";

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
    /// nobody sees the service before [`Directory::service_ready`].
    pub fn register_service(&self, info: &ServiceInfo) -> Result<u32> {
        let meta = self.proxy.meta();
        let parameters = meta.methods_named("registerService").next().map(|method| method.parameters_type());
        let layout = match parameters {
            Some(parameters) => ServiceInfoLayout::of(&parameters?).unwrap_or(ServiceInfoLayout::Seven),
            None => ServiceInfoLayout::Seven,
        };
        self.proxy.call_to("registerService", &[info.to_value(layout)])
    }

    /// The service can be used.
    pub fn service_ready(&self, id: u32) -> Result<()> {
        self.proxy.call("serviceReady", &[id.into()]).map(drop)
    }

    /// [`Directory::unregister_service`] for who does not wait for what comes of it, or only so long.
    pub(in crate::qi) fn forget_service(&self, id: u32, timeout: Option<Duration>) -> Result<PendingCall> {
        let options = CallOptions { timeout, at_once: true, ..CallOptions::default() };
        self.proxy.start_call("unregisterService", &[id.into()], &options)
    }

    /// The service is no more.
    pub fn unregister_service(&self, id: u32) -> Result<()> {
        self.proxy.call("unregisterService", &[id.into()]).map(drop)
    }
}

fn odd(what: &str, value: &Value) -> CallError {
    CallError::Protocol(format!("the directory's {what} answers a value of type {}", value.signature()))
}
