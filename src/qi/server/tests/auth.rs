//! Service 0, row by row of the table in section 10.

use std::sync::Arc;

use bytes::Bytes;

use crate::qi::capability::{AuthState, Capabilities, CapabilityMap, REASON_KEY, TOKEN_KEY, USER_KEY};
use crate::qi::message::{Header, Message, Type};
use crate::qi::server::auth::{Authenticator, Verdict};
use crate::qi::value::{Dynamic, Value};

use super::harness::*;

const AUTH: (u32, u32, u32) = (0, 0, 8);

fn login(user: &str, token: &str) -> Bytes {
    let mut map = CapabilityMap::announcing(&LIBQI);
    // As Python sends them: a dynamic in a dynamic.
    let wrap = |text: &str| Value::Dynamic(Box::new(Dynamic::new(Value::from(text).into_dynamic())));
    map.set(USER_KEY, wrap(user));
    map.set(TOKEN_KEY, wrap(token));
    capability_map(&map)
}

fn guarded(ask: impl Fn(&[u8], &[u8], &str) -> Verdict + Send + Sync + 'static) -> World {
    let ask: Arc<Authenticator> = Arc::new(move |shown: &crate::qi::server::Credentials<'_>| {
        ask(shown.user.unwrap_or_default(), shown.token.unwrap_or_default(), shown.remote)
    });
    World::with(0, Some(ask))
}

#[test]
fn any_map_lets_in() {
    for map in [CapabilityMap::default(), CapabilityMap::announcing(&LIBQI)] {
        let client = World::new().stranger();
        assert!(!client.peer.is_authenticated());
        let id = client.call_at(AUTH, capability_map(&map));
        let reply = client.only();
        assert_eq!(reply.header, Header::new(Type::Reply, id, 0, 0, 8));
        let map = map_of(&reply);
        assert_eq!(map.state(), Some(AuthState::Done));
        assert_eq!(map.capabilities(), Capabilities::OURS);
        assert!(matches!(map.get("__qi_auth_state"), Some(Value::UInt32(3))));
        assert!(client.peer.is_authenticated());
        assert!(client.fake.state.lock().authenticated.is_some());
    }
}

#[test]
fn what_is_shared_is_what_both_have() {
    let world = World::new();
    let theirs = Capabilities { meta_object_cache: true, object_ptr_uid: false, ..LIBQI };
    let client = world.client_with(&theirs);
    let shared = client.peer.shared();
    assert!(!shared.meta_object_cache && !shared.object_ptr_uid && shared.message_flags);
    assert_eq!(client.fake.state.lock().authenticated, Some(shared));
}

#[test]
fn what_is_no_map_closes_silently() {
    for ty in [Type::Call, Type::Post, Type::Event, Type::Reply] {
        let client = World::new().stranger();
        let header = Header::new(ty, 5, 0, 0, 8);
        client.message(Message { header, payload: Bytes::from_static(b"\x05\0\0\0") });
        client.none();
        assert!(client.is_closed(), "{ty:?}");
    }
}

#[test]
fn who_is_older_than_authentication_gets_a_capability_message() {
    for (ty, answers) in [(Type::Call, 2), (Type::Post, 1), (Type::Event, 1)] {
        let client = World::new().stranger();
        client.message(Message { header: Header::new(ty, 5, 0, 0, 3), payload: Bytes::new() });
        let sent = client.take();
        assert_eq!(sent.len(), answers, "a Call has no Reply, but must not be left alone");
        assert_eq!(sent[0].header.ty, Type::Capability);
        let Header { service, object, action, .. } = sent[0].header;
        assert_eq!((service, object, action), (0, 0, 0));
        assert_eq!(map_of(&sent[0]).capabilities(), Capabilities::OURS);
        assert!(client.peer.is_authenticated());
        assert!(!client.is_closed());
        if answers == 2 {
            assert_eq!(sent[1].header.ty, Type::Error);
        }
    }
}

#[test]
fn strangers_reach_nothing_and_stay() {
    let client = World::new().stranger();
    let id = client.call_at((1, 1, 2), args("(I)", vec![0u32.into()]));
    let refused = client.only();
    assert_eq!(refused.header.id, id);
    assert_eq!(error(&refused), "The call request could not be handled.");
    client.message(Message::post(7, 1, 1, 2, Bytes::new()));
    client.cancel(id);
    client.none();
    assert!(!client.is_closed());
    assert!(!client.peer.is_authenticated());
}

#[test]
fn a_capability_message_counts_but_lets_nobody_in() {
    let client = World::new().stranger();
    let first = Capabilities { object_ptr_uid: false, ..LIBQI };
    client.message(Message::capability(5, capability_map(&CapabilityMap::announcing(&first))));
    client.none();
    assert!(!client.peer.is_authenticated());
    client.call_at(AUTH, capability_map(&CapabilityMap::announcing(&LIBQI)));
    client.only();
    assert!(!client.peer.shared().object_ptr_uid, "the first value wins");
    assert!(client.peer.shared().message_flags);
}

#[test]
fn of_what_a_peer_announces_nothing_else_is_kept() {
    let client = World::new().stranger();
    let mut map = CapabilityMap::announcing(&LIBQI);
    map.set("other", "x".repeat(10_000).as_str().into());
    let payload = capability_map(&map);
    client.message(Message::capability(5, payload.clone()));
    client.none();
    assert!(payload.is_unique(), "a stranger could have us keep as many as it likes");
    client.call_at(AUTH, payload.clone());
    assert_eq!(map_of(&client.only()).state(), Some(AuthState::Done));
    assert!(payload.is_unique());
    assert!(client.peer.shared().message_flags);
}

#[test]
fn a_broken_capability_message_closes_at_any_time() {
    for client in [World::new().stranger(), World::new().client()] {
        client.message(Message::capability(5, Bytes::from_static(b"\x01\0\0\0")));
        client.none();
        assert!(client.is_closed());
    }
}

/// They are read where all connections are: a megabyte of them took 60 ms of everybody's time.
#[test]
fn too_long_a_capability_message_closes_at_any_time() {
    let mut map = CapabilityMap::announcing(&LIBQI);
    map.set("other", "x".repeat(70_000).as_str().into());
    let client = World::new().client();
    client.message(Message::capability(5, capability_map(&map)));
    client.none();
    assert!(client.is_closed());
}

#[test]
fn authenticating_again_tells_only_the_state() {
    let client = World::new().client();
    client.call_at(AUTH, capability_map(&CapabilityMap::announcing(&LIBQI)));
    let map = map_of(&client.only());
    assert_eq!(map.state(), Some(AuthState::Done));
    assert_eq!(map.entries().count(), 1);
    client.call_at((0, 0, 2), Bytes::new());
    assert_eq!(client.only().header.ty, Type::Error);
    client.call_at((0, 1, 8), Bytes::new());
    assert_eq!(error(&client.only()), "The call request could not be handled.");
}

#[test]
fn a_provider_sees_user_token_and_place() {
    let world = guarded(|user, token, remote| match (user, token) {
        (b"nao", b"secret") if remote == "tcp://10.0.0.1:5000" => Verdict::Accept(vec![("auth_x".into(), 1.into())]),
        _ => Verdict::Reject("not you".into()),
    });
    let client = world.stranger();
    client.call_at(AUTH, login("nao", "secret"));
    let map = map_of(&client.only());
    assert_eq!(map.state(), Some(AuthState::Done));
    assert_eq!(map.get("auth_x"), Some(&Value::Int32(1)));
    assert_eq!(client.peer.user().unwrap(), "nao");
    assert!(client.peer.is_authenticated());
}

#[test]
fn a_rejection_is_an_error_and_the_end() {
    for reason in ["not you", ""] {
        let world = guarded(move |_, _, _| Verdict::Reject(reason.into()));
        let client = world.stranger();
        let id = client.call_at(AUTH, login("nao", "guess"));
        let refused = client.only();
        assert_eq!((refused.header.id, error(&refused)), (id, reason.into()));
        assert!(client.is_closed());
        assert!(!client.peer.is_authenticated());
    }
}

#[test]
fn a_provider_that_panics_rejects() {
    let world = guarded(|_, _, _| panic!("deliberate"));
    let client = world.stranger();
    client.call_at(AUTH, login("nao", "guess"));
    assert_eq!(client.only().header.ty, Type::Error);
    assert!(client.is_closed());
}

#[test]
fn rounds_go_on_until_the_provider_is_content() {
    let world = guarded(|_, token, _| match token {
        b"second" => Verdict::Accept(Vec::new()),
        _ => Verdict::Continue(vec![("auth_newToken".into(), "second".into())]),
    });
    let client = world.stranger();
    client.call_at(AUTH, login("nao", "first"));
    let map = map_of(&client.only());
    assert_eq!(map.state(), Some(AuthState::Continue));
    assert_eq!(map.get("auth_newToken").and_then(Value::as_str), Some("second"));
    assert!(!client.peer.is_authenticated());
    client.call_at((1, 1, 2), Bytes::new());
    assert_eq!(client.only().header.ty, Type::Error);
    // The second map holds only what the authenticator returns, and no capabilities.
    let mut map = CapabilityMap::default();
    map.set(TOKEN_KEY, "second".into());
    client.call_at(AUTH, capability_map(&map));
    assert_eq!(map_of(&client.only()).state(), Some(AuthState::Done));
    assert!(client.peer.is_authenticated() && client.peer.shared().message_flags);
}

#[test]
fn rounds_come_to_an_end() {
    let world = guarded(|_, _, _| Verdict::Continue(Vec::new()));
    let client = world.stranger();
    for _ in 0..16 {
        client.call_at(AUTH, login("nao", "again"));
        assert_eq!(map_of(&client.only()).state(), Some(AuthState::Continue));
    }
    client.call_at(AUTH, login("nao", "again"));
    assert_eq!(client.only().header.ty, Type::Error);
    assert!(client.is_closed());
}

#[test]
fn with_a_provider_nothing_else_is_taken() {
    for ty in [Type::Call, Type::Post] {
        let world = guarded(|_, _, _| Verdict::Accept(Vec::new()));
        let client = world.stranger();
        client.message(Message { header: Header::new(ty, 5, 0, 0, 3), payload: Bytes::new() });
        let refused = client.only();
        assert!(error(&refused).contains("Expected authentication"));
        assert!(client.is_closed());
    }
}

#[test]
fn a_reason_is_not_a_state() {
    let mut map = CapabilityMap::default();
    map.set(REASON_KEY, "x".into());
    let client = World::new().stranger();
    client.call_at(AUTH, capability_map(&map));
    assert_eq!(map_of(&client.only()).state(), Some(AuthState::Done));
}
