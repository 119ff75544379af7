//! Control data: a sequence of properties, each a head, data, and padding to eight bytes (nanomsg-api.md 2.7).

use std::ffi::c_int;

use smallvec::SmallVec;

use super::headers::nn::{PROTO_SP, SP_HDR, nn_cmsghdr};
use super::headers::ws::{NN_WS, NN_WS_MSG_TYPE};

/// Bytes of a property's head.
pub const HEAD: usize = size_of::<nn_cmsghdr>();
const WORD: usize = size_of::<usize>();

/// Control data on the way to C; the usual header fits without an allocation.
pub type Control = SmallVec<[u8; 64]>;

/// Finds the property that follows the one at offset `after`, or the first. `None` at the end: no room
/// for another head, or a length that leaves the area.
pub fn next(area: &[u8], after: Option<usize>) -> Option<usize> {
    let start = match after {
        None => 0,
        // Zeroed memory looks like a property of no length; it must not be its own successor.
        Some(offset) => match length(area, offset)? {
            0 => return None,
            length => offset.checked_add(length.checked_next_multiple_of(WORD)?)?,
        },
    };
    let end = start.checked_add(length(area, start)?.checked_next_multiple_of(WORD)?)?;
    (end <= area.len()).then_some(start)
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
    let length = HEAD + (WORD + header.len()).next_multiple_of(WORD);
    control.extend_from_slice(&length.to_ne_bytes());
    control.extend_from_slice(&PROTO_SP.to_ne_bytes());
    control.extend_from_slice(&SP_HDR.to_ne_bytes());
    control.extend_from_slice(&header.len().to_ne_bytes());
    control.extend_from_slice(header);
    control.resize(length, 0);
    control
}

/// The control data that tell a received message's WebSocket opcode.
pub fn opcode_property(opcode: u8) -> [u8; HEAD + WORD] {
    let mut property = [0; HEAD + WORD];
    property[..WORD].copy_from_slice(&(HEAD + WORD).to_ne_bytes());
    property[WORD..WORD + 4].copy_from_slice(&NN_WS.to_ne_bytes());
    property[WORD + 4..HEAD].copy_from_slice(&NN_WS_MSG_TYPE.to_ne_bytes());
    property[HEAD] = opcode;
    property
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
        let property_of_text = opcode_property(1);
        assert_eq!(property_of_text.to_vec(), [head(24, -4, 1), vec![1, 0, 0, 0, 0, 0, 0, 0]].concat());
        assert_eq!(opcode(&[&property(b"head")[..], &property_of_text].concat()), 1);
        assert_eq!(opcode(&property(b"head")), 0);
        assert_eq!(opcode(&head(16, -4, 1)), 0);
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
