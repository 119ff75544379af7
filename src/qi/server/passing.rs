//! Objects of ours in the arguments of calls that a client makes.

use crate::core::Error;
use crate::qi::calls::CallError;
use crate::qi::endpoint::EndPoint;
use crate::qi::value::Value;

use super::adapter::peer_of;
use super::export::Exported;
use super::model::Answer;
use super::reading::members;

/// Has `send` send arguments, an argument tuple with the objects in it, to a service at the peer of a connection that is
/// served. The objects are there for the peer before that, and are taken back if it fails. `ENOTCONN`; `ENOBUFS` if the peer has
/// too many.
pub(in crate::qi) fn passing<T>(
    endpoint: &EndPoint,
    service: u32,
    arguments: &Answer,
    send: impl FnOnce(&[Value]) -> Result<T, CallError>,
) -> Result<T, CallError> {
    let peer = peer_of(endpoint).ok_or(Error::NOT_CONNECTED)?;
    let ids: Vec<_> = arguments.objects.iter().map(|_| peer.new_passed_id()).collect();
    let exported = Exported::with_ids(&peer, service, arguments, &ids);
    let (value, granted) = exported.map_err(|_| Error::NO_BUFFERS)?.into_parts();
    let sent = send(&members(value))?;
    granted.keep();
    Ok(sent)
}
