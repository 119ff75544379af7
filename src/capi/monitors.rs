//! Handles of monitors: numbers from 1 that are not given out twice in a process.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::sync::{Arc, PoisonError, RwLock};

use crate::core::{Error, Result};
use crate::facade::Monitor;
use crate::sys::per_process::PerProcess;

#[derive(Debug, Default)]
struct MonitorRegistry {
    open: BTreeMap<c_int, Arc<Monitor>>,
    last: c_int,
}

/// Those of the parent are not a forked child's.
static REGISTRY: PerProcess<RwLock<MonitorRegistry>> = PerProcess::new();

fn registry() -> &'static RwLock<MonitorRegistry> {
    REGISTRY.get_or_make(RwLock::default)
}

pub fn add(monitor: Arc<Monitor>) -> Result<c_int> {
    let mut registry = registry().write().unwrap_or_else(PoisonError::into_inner);
    registry.last = registry.last.checked_add(1).ok_or(Error::TOO_MANY_FILES)?;
    let handle = registry.last;
    registry.open.insert(handle, monitor);
    Ok(handle)
}

/// `EBADF` if there is none with this handle.
pub fn get(handle: c_int) -> Result<Arc<Monitor>> {
    let registry = registry().read().unwrap_or_else(PoisonError::into_inner);
    registry.open.get(&handle).map(Arc::clone).ok_or(Error::BAD_FD)
}

/// Ends it, and the waits for its next event. `EBADF` as for [`get`].
pub fn remove(handle: c_int) -> Result<()> {
    let removed = registry().write().unwrap_or_else(PoisonError::into_inner).open.remove(&handle);
    removed.map(|monitor| monitor.close()).ok_or(Error::BAD_FD)
}
