//! Captured messages with bytes changed, and bytes of nobody: no panic, and what is read can be written and read again.

use bytes::Bytes;
use proptest::prelude::*;

use crate::qi::capability::Capabilities;
use crate::qi::message::{HEADER_SIZE, Header};
use crate::qi::meta::MetaObject;
use crate::qi::signature::Signature;
use crate::qi::value::{Budget, Reader, ReceivedMetas, Value, Writer};

use super::vectors;

/// Few of everything, so that the limits are met.
const SMALL: Budget = Budget { dynamics: 5, nesting: 12, elements: 300, empty_elements: 20, memory: 100_000 };

fn check(bytes: &Bytes, signature: &Signature, shared: Capabilities, budget: Budget) -> Result<(), TestCaseError> {
    let mut metas = ReceivedMetas::default();
    let mut reader = Reader::new(bytes).shared(shared).metas(&mut metas).budget(budget);
    let read = reader.read(signature);
    let rest = reader.rest();
    let mut metas = ReceivedMetas::default();
    let mut eager = Reader::new(bytes).shared(shared).metas(&mut metas).budget(budget).eager();
    let all_read = eager.read(signature);
    let mut metas = ReceivedMetas::default();
    let mut skipping = Reader::new(bytes).shared(shared).metas(&mut metas).budget(budget);
    let skipped = skipping.skip(signature);
    if all_read.is_ok() {
        prop_assert!(read.is_ok() && skipped.is_ok(), "{:?} {:?}", read, skipped);
    }
    if let Ok(value) = read {
        prop_assert!(skipped.is_ok());
        prop_assert_eq!(skipping.rest().len(), rest.len());
        if shared.meta_object_cache {
            return Ok(());
        }
        let written = Writer::new(shared).encode(&value, signature).unwrap();
        let again = Reader::new(&written).shared(shared).read(signature).unwrap();
        // Not the values: NaN is in some of them.
        prop_assert_eq!(Writer::new(shared).encode(&again, signature).unwrap(), written);
    }
    Ok(())
}

/// Changes of single bytes, to any value or to one that lengths and letters like to be.
fn mutations() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(&b"\0\x01\x02\xffbiLsrmovX[]{}()<>+#~"[..])];
    prop::collection::vec((any::<prop::sample::Index>(), byte), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn changed_messages(which: prop::sample::Index, changes in mutations(), cache: bool, uid: bool, small: bool) {
        let vector = which.get(vectors::all());
        let mut payload = vector.payload().to_vec();
        for (at, byte) in changes {
            if !payload.is_empty() {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
        }
        let shared = Capabilities { meta_object_cache: cache, object_ptr_uid: uid, ..Capabilities::default() };
        let budget = if small { SMALL } else { Budget::default() };
        check(&payload.into(), &vector.signature, shared, budget)?;
    }

    #[test]
    fn any_bytes_of_any_type(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..120),
        signature in "[biLdsrmov+#~\\[\\](){}]{1,9}",
        uid: bool,
    ) {
        if let Ok(signature) = Signature::parse(&signature) {
            let shared = Capabilities { object_ptr_uid: uid, ..Capabilities::default() };
            check(&bytes.into(), &signature, shared, SMALL)?;
        }
    }

    #[test]
    fn changed_meta_objects(changes in mutations(), directory: bool) {
        let name = if directory { "metaobject-reply-directory" } else { "metaobject-reply-proof" };
        let vector = vectors::find(name);
        let mut payload = vector.payload().to_vec();
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        if let Ok(meta) = MetaObject::decode(&payload.into()) {
            let written = meta.encode().unwrap();
            prop_assert_eq!(MetaObject::decode(&written).unwrap(), meta.clone());
            let _ = meta.validate();
            for method in meta.methods.values() {
                let _ = (method.parameters_type(), method.return_type());
            }
        }
    }

    #[test]
    fn any_header(bytes in prop::collection::vec(any::<u8>(), 0..40), magic: bool, limit: u32) {
        let mut bytes = bytes;
        if magic && bytes.len() >= 4 {
            bytes[..4].copy_from_slice(b"\x42\xde\xad\x42");
        }
        if let Ok((header, size)) = Header::parse(&bytes, limit) {
            prop_assert!(size <= limit);
            prop_assert_eq!(&header.encode(size)[..], &bytes[..HEADER_SIZE]);
        }
    }
}

#[test]
fn the_deepest_value_fits_on_a_small_stack() {
    let work = || {
        let mut bytes = Vec::new();
        for _ in 0..63 {
            bytes.extend(b"\x05\0\0\0([m])\x01\0\0\0");
        }
        bytes.extend(b"\x01\0\0\0v");
        let bytes = Bytes::from(bytes);
        let value = Reader::new(&bytes).eager().read(&Signature::parse("m").unwrap()).unwrap();
        let copy: Value = value.clone();
        assert_eq!(copy, value);
        assert_eq!(Writer::default().encode(&value, &value.signature()).unwrap(), bytes);
        format!("{value:?}").len()
    };
    let worker = std::thread::Builder::new().stack_size(1024 * 1024).spawn(work).unwrap();
    assert!(worker.join().unwrap() > 0);
}
