//! Control data: a sequence of properties, each a head, data, and padding to eight bytes (nanomsg-api.md 2.7).

use std::ffi::c_int;

use smallvec::SmallVec;

use super::headers::nn::{PROTO_SP, SP_HDR, nn_cmsghdr};
use super::headers::peer::{
    NN_PEER, NN_PEER_ADDRESS, NN_PEER_PIPE, NN_PEER_PROCESS, NN_PEER_SEND_TO, NN_PEER_SUBJECT, nnx_process,
};
use super::headers::ws::{NN_WS, NN_WS_MSG_TYPE};
use crate::core::peer::{Peer, Process};
use crate::core::{Error, Result};

/// Bytes of a property's head.
pub const HEAD: usize = size_of::<nn_cmsghdr>();
const WORD: usize = size_of::<usize>();

/// A head of no length, behind the last property. Without it, what a buffer held before would pass for more of them.
pub const END: [u8; HEAD] = [0; HEAD];

/// Control data on the way to C; the usual header fits without an allocation.
pub type Control = SmallVec<[u8; 64]>;

/// Finds the property that follows the one at offset `after`, or the first. `None` at the end: no room
/// for another head, a length that leaves the area, or [`END`].
pub fn next(area: &[u8], after: Option<usize>) -> Option<usize> {
    let start = match after {
        None => 0,
        // Zeroed memory looks like a property of no length; it must not be its own successor.
        Some(offset) => match length(area, offset)? {
            0 => return None,
            length => offset.checked_add(length.checked_next_multiple_of(WORD)?)?,
        },
    };
    let length = length(area, start)?;
    let end = start.checked_add(length.checked_next_multiple_of(WORD)?)?;
    (end <= area.len() && (length > 0 || after.is_none())).then_some(start)
}

/// The protocol header in control data from C: the first SP_HDR property. Empty if there is none or if it
/// is malformed; what follows it is not looked at.
pub fn header(area: &[u8]) -> &[u8] {
    first(area, (PROTO_SP, SP_HDR)).and_then(counted).unwrap_or_default()
}

/// The WebSocket opcode that control data from C ask for; 0 if they ask for none.
pub fn opcode(area: &[u8]) -> u8 {
    first(area, (NN_WS, NN_WS_MSG_TYPE)).and_then(<[u8]>::first).copied().unwrap_or_default()
}

/// The peer to which control data from C send, if they name one. `EINVAL` for a property that has no number.
pub fn send_to(area: &[u8]) -> Result<Option<u64>> {
    let Some(data) = first(area, (NN_PEER, NN_PEER_SEND_TO)) else { return Ok(None) };
    let number = data.first_chunk().ok_or(Error::INVALID)?;
    Ok(Some(u64::from_ne_bytes(*number)))
}

/// The data of the first property of this level and type.
fn first(area: &[u8], wanted: (c_int, c_int)) -> Option<&[u8]> {
    let mut offset = next(area, None);
    while let Some(start) = offset {
        if level_and_type(area, start) == wanted {
            return Some(data(area, start));
        }
        offset = next(area, Some(start));
    }
    None
}

/// The control data of a received message: one SP_HDR property, also when the header is empty.
pub fn property(header: &[u8]) -> Control {
    let mut control = Control::new();
    append(&mut control, (PROTO_SP, SP_HDR), &[&header.len().to_ne_bytes(), header]);
    control
}

/// The control data that tell who sent a message.
pub fn append_peer(control: &mut Control, peer: &Peer) {
    append(control, (NN_PEER, NN_PEER_PIPE), &[&peer.pipe.to_ne_bytes()]);
    if !peer.address.is_empty() {
        append(control, (NN_PEER, NN_PEER_ADDRESS), &[peer.address.as_bytes(), b"\0"]);
    }
    if let Some(Process { pid, uid, gid }) = peer.process {
        let fields = [pid.to_ne_bytes(), uid.to_ne_bytes(), gid.to_ne_bytes()];
        append(control, (NN_PEER, NN_PEER_PROCESS), &[fields.as_flattened()]);
    }
    if let Some(subject) = &peer.subject {
        append(control, (NN_PEER, NN_PEER_SUBJECT), &[subject.as_bytes(), b"\0"]);
    }
}

const _: () = assert!(size_of::<nnx_process>() == 12, "append_peer writes its fields one after the other");

/// Adds a property. Its length counts the padding, as nanomsg has it.
fn append(control: &mut Control, (level, kind): (c_int, c_int), data: &[&[u8]]) {
    let size: usize = data.iter().map(|part| part.len()).sum();
    let end = control.len() + HEAD + size.next_multiple_of(WORD);
    control.extend_from_slice(&(end - control.len()).to_ne_bytes());
    control.extend_from_slice(&level.to_ne_bytes());
    control.extend_from_slice(&kind.to_ne_bytes());
    data.iter().for_each(|part| control.extend_from_slice(part));
    control.resize(end, 0);
}

/// The control data that tell a received message's WebSocket opcode.
pub fn append_opcode(control: &mut Control, opcode: u8) {
    append(control, (NN_WS, NN_WS_MSG_TYPE), &[&[opcode]]);
}

/// `cmsg_len` of the property at `offset`, if there is room for a head.
fn length(area: &[u8], offset: usize) -> Option<usize> {
    let head = area.get(offset..offset.checked_add(HEAD)?)?;
    Some(usize::from_ne_bytes(*head.first_chunk()?))
}

fn level_and_type(area: &[u8], offset: usize) -> (c_int, c_int) {
    let number = |at: usize| {
        let bytes = area.get(offset + at..).and_then(<[u8]>::first_chunk).copied();
        c_int::from_ne_bytes(bytes.unwrap_or_default())
    };
    (number(WORD), number(WORD + size_of::<c_int>()))
}

/// The data of the property at `offset`, which [`next`] has found.
fn data(area: &[u8], offset: usize) -> &[u8] {
    let end = offset + length(area, offset).unwrap_or(0);
    area.get(offset + HEAD..end).unwrap_or_default()
}

/// Takes a count and that many bytes from the front of `data`; not even one byte is malformed.
fn counted(data: &[u8]) -> Option<&[u8]> {
    let (count, rest) = data.split_first_chunk()?;
    rest.get(..usize::from_ne_bytes(*count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(length: usize, level: c_int, kind: c_int) -> Vec<u8> {
        [&length.to_ne_bytes()[..], &level.to_ne_bytes(), &kind.to_ne_bytes()].concat()
    }

    #[test]
    fn a_header_comes_back_from_its_property() {
        for len in 0..=40_u8 {
            let bytes: Vec<u8> = (0..len).collect();
            let control = property(&bytes);
            assert_eq!(control.len() % 8, 0);
            assert_eq!(length(&control, 0), Some(control.len()));
            assert_eq!(header(&control), bytes);
        }
    }

    #[test]
    fn the_empty_header_is_a_property_of_24_bytes() {
        let expected = [head(24, 1, 1), vec![0; 8]].concat();
        assert_eq!(property(&[]).as_slice(), expected);
        assert_eq!(property(&[1; 8]).len(), 32);
    }

    #[test]
    fn iteration_ends_where_the_area_does() {
        let two = [property(&[]), property(&[9; 4])].concat();
        assert_eq!(next(&two, None), Some(0));
        assert_eq!(next(&two, Some(0)), Some(24));
        assert_eq!(next(&two, Some(24)), None);
        assert_eq!(next(&two[..55], Some(0)), None);
        assert_eq!(next(&two[..15], None), None);
        assert_eq!(next(&[], None), None);
        assert_eq!(next(&two, Some(1000)), None);
    }

    #[test]
    fn zeroes_are_a_property_without_a_successor() {
        let area = [0; 64];
        assert_eq!(next(&area, None), Some(0));
        assert_eq!(next(&area, Some(0)), None);
        assert_eq!(header(&area), b"");
        let ended = [&property(b"head")[..], &END, &property(b"old")].concat();
        assert_eq!(next(&ended, Some(0)), None);
    }

    #[test]
    fn absurd_lengths_end_the_iteration() {
        for length in [usize::MAX, usize::MAX - 7, usize::MAX / 2, 17, 100] {
            let area = head(length, 1, 1);
            assert_eq!(next(&area, None), None, "{length}");
            assert_eq!(next(&area, Some(0)), None, "{length}");
        }
    }

    #[test]
    fn other_properties_are_skipped_and_rubbish_behind_the_header_is_ignored() {
        let other = [head(17, -4, 1), vec![2; 8]].concat();
        let area = [&other[..], &property(b"head"), &[0xff; 40]].concat();
        assert_eq!(header(&area), b"head");
    }

    #[test]
    fn an_opcode_comes_back_from_its_property_behind_a_header() {
        let mut property_of_text = Control::new();
        append_opcode(&mut property_of_text, 1);
        assert_eq!(property_of_text.to_vec(), [head(24, -4, 1), vec![1, 0, 0, 0, 0, 0, 0, 0]].concat());
        assert_eq!(opcode(&[&property(b"head")[..], &property_of_text].concat()), 1);
        assert_eq!(opcode(&property(b"head")), 0);
        assert_eq!(opcode(&head(16, -4, 1)), 0);
    }

    #[test]
    fn a_peer_is_told_by_properties_of_its_own_behind_the_header() {
        let process = Some(Process { pid: 7, uid: 8, gid: 9 });
        let peer = Peer { pipe: 1 << 40, address: "there".to_owned(), process, subject: Some("CN=x".to_owned()) };
        let mut control = property(b"head");
        append_peer(&mut control, &peer);
        assert_eq!(header(&control), b"head");
        let data = |kind| first(&control, (NN_PEER, kind)).unwrap_or_default();
        assert_eq!(data(NN_PEER_PIPE), (1_u64 << 40).to_ne_bytes());
        assert_eq!(data(NN_PEER_ADDRESS), b"there\0\0\0");
        assert_eq!(
            &data(NN_PEER_PROCESS)[..12],
            [7_u32.to_ne_bytes(), 8_u32.to_ne_bytes(), 9_u32.to_ne_bytes()].as_flattened()
        );
        assert_eq!(data(NN_PEER_SUBJECT), b"CN=x\0\0\0\0");
        assert_eq!(send_to(&control), Ok(None), "who sends back what was received sends to nobody by that");
    }

    #[test]
    fn where_to_send_is_a_number_or_an_error() {
        let of = |data: &[u8]| {
            let mut control = property(b"");
            append(&mut control, (NN_PEER, NN_PEER_SEND_TO), &[data]);
            control
        };
        assert_eq!(send_to(&of(&7_u64.to_ne_bytes())), Ok(Some(7)));
        assert_eq!(send_to(&of(b"")), Err(Error::INVALID));
        assert_eq!(send_to(&head(20, NN_PEER, NN_PEER_SEND_TO)[..]), Ok(None), "it leaves the area");
        assert_eq!(send_to(&[head(20, NN_PEER, NN_PEER_SEND_TO), vec![0; 8]].concat()), Err(Error::INVALID));
    }

    #[test]
    fn malformed_headers_are_no_headers() {
        let too_long = [head(32, 1, 1), 9_usize.to_ne_bytes().to_vec(), vec![0; 8]].concat();
        assert_eq!(header(&too_long), b"");
        let no_count = [head(20, 1, 1), vec![0; 8]].concat();
        assert_eq!(header(&no_count), b"");
        let shorter_than_a_head = [head(8, 1, 1), vec![0; 16]].concat();
        assert_eq!(header(&shorter_than_a_head), b"");
    }
}
