use super::*;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n\r\n";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const NAME: &str = "Sec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n";

const WELCOME_LINE: &str = "101 Switching Protocols";
const NO_UPGRADE: &str = "426 Upgrade Required";
const INCOMPATIBLE: &str = "400 Incompatible Socket Type";
const UNRECOGNIZED: &str = "400 Unrecognized Socket Type";
const BAD: &str = "400 Bad Request";
const TOO_LONG: &str = "431 Request Header Fields Too Large";

/// The reply, as text, of a PAIR.
fn reply(request: &str) -> String {
    match answer(request.as_bytes(), PAIR) {
        Some(Answer::Welcome { reply, .. } | Answer::Refused { reply }) => String::from_utf8(reply).unwrap(),
        None => String::from("none"),
    }
}

/// Status and reason of the reply.
fn status(request: &str) -> String {
    let reply = reply(request);
    assert!(reply.ends_with("\r\n\r\n"), "{reply}");
    let line = reply.lines().next().unwrap_or_default();
    line.strip_prefix("HTTP/1.1 ").unwrap_or_default().to_owned()
}

/// What the reply's field of this name says.
fn said(reply: &str, name: &str) -> Option<String> {
    let lines: Vec<_> = reply.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect();
    assert!(lines.len() <= 1, "{reply}");
    lines.first().map(|value| (*value).to_owned())
}

#[test]
fn the_samples_of_the_rfc_agree() {
    assert_eq!(accept(KEY.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(key(*b"the sample nonce"), KEY);
}

#[test]
fn a_request_is_answered_when_all_of_it_is_there() {
    for cut in 0..REQUEST.len() {
        assert_eq!(answer(&REQUEST.as_bytes()[..cut], PAIR), None);
    }
    let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n\r\n";
    let followed = format!("{REQUEST}\u{1}");
    let whole = Answer::Welcome { used: REQUEST.len(), reply: expected.into(), is_nanomsg: false };
    assert_eq!(answer(followed.as_bytes(), PAIR), Some(whole));
}

/// What browsers, proxies and libraries make of a request: each way to say the same.
#[test]
fn spelling_is_free_where_it_may_be() {
    for (from, to) in [
        ("Host: h", "hOST:h  "),
        ("Host: h", "Host:"),
        ("websocket", "WebSocket"),
        ("Upgrade: websocket", "UPGRADE:\tWEBSOCKET\t"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Upgrade: websocket", "Upgrade: h2c\r\nupgrade: websocket"),
        ("Connection: Upgrade", "Connection: keep-alive, UPGRADE"),
        ("Connection: Upgrade", "Connection: , upgrade ,keep-alive,"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        ("Connection: Upgrade", "connection: Upgrade\r\nX: 1\r\nCONNECTION: keep-alive"),
        ("GET /", "GET /any/path?query=1"),
        ("GET /", "GET http://h:80/path"),
        ("GET /", "GET "),
        ("HTTP/1.1", "HTTP/1.2"),
        ("Host: h", "X-Other: 1\r\nHost: h"),
        ("Host: h", "Origin: http://elsewhere\r\nCookie: a=b; c=\"d,e\"\r\nHost: h"),
        ("Host: h", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nHost: h"),
        ("Host: h", "Sec-WebSocket-Extensions: x, y\r\nSec-WebSocket-Extensions: z\r\nHost: h"),
        ("Sec-WebSocket-", "sec-websocket-"),
        ("Sec-WebSocket-", "SEC-WEBSOCKET-"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "not base64"),
    ] {
        let request = REQUEST.replace(from, to);
        let reply = reply(&request);
        assert_eq!(status(&request), WELCOME_LINE, "{from}: {to}");
        assert_eq!(said(&reply, "Sec-WebSocket-Protocol").as_deref(), Some("pair.sp.nanomsg.org"), "{from}: {to}");
        assert_eq!(said(&reply, "Sec-WebSocket-Extensions"), None, "{from}: {to}");
    }
}

/// RFC 7230, 3.5: empty lines before a request are ignored, and a line feed ends a line as well. nanomsg aborts at the former.
#[test]
fn lines_end_and_begin_as_they_may() {
    let unix = REQUEST.replace("\r\n", "\n");
    let first_only = REQUEST.replacen("\r\n", "\n", 1);
    let last_only = REQUEST.replace("\r\n\r\n", "\r\n\n");
    for request in [REQUEST, &unix, &first_only, &last_only] {
        for before in ["", "\r\n", "\n", "\r\n\r\n", "\n\r\n\n"] {
            let request = format!("{before}{request}");
            assert_eq!(status(&request), WELCOME_LINE, "{request:?}");
            for cut in 0..request.len() {
                assert_eq!(answer(&request.as_bytes()[..cut], PAIR), None, "{request:?} to {cut}");
            }
            let Some(Answer::Welcome { used, .. }) = answer(request.as_bytes(), PAIR) else { unreachable!() };
            assert_eq!(used, request.len());
        }
    }
    assert_eq!(status("GET / HTTP/1.1\n\n"), NO_UPGRADE, "whole, though nothing is asked for");
    assert_eq!(status("hello\nworld\n\n"), BAD);
    assert_eq!(status(&"\r\n".repeat(32 * 1024)), TOO_LONG, "not endless");
    let reply = reply(REQUEST).replace("\r\n", "\n");
    assert!(matches!(welcome(reply.as_bytes(), PAIR, KEY), Parsed::Whole { value: false, .. }));
}

/// Of the subprotocols that a client offers the server names the one it speaks, as it is written there.
#[test]
fn one_of_the_names_that_are_offered_is_chosen() {
    for (offered, chosen) in [
        ("", None),
        ("Sec-WebSocket-Protocol:\r\n", None),
        ("Sec-WebSocket-Protocol: ,\r\n", None),
        ("Sec-WebSocket-Protocol: PAIR.sp.Nanomsg.org\r\n", Some("PAIR.sp.Nanomsg.org")),
        ("Sec-WebSocket-Protocol: chat, pair.sp.nanomsg.org\r\n", Some("pair.sp.nanomsg.org")),
        ("Sec-WebSocket-Protocol: pair.sp.nanomsg.org,chat\r\n", Some("pair.sp.nanomsg.org")),
        ("Sec-WebSocket-Protocol: bus.sp.nanomsg.org , pair.sp.nanomsg.org\r\n", Some("pair.sp.nanomsg.org")),
        (
            "Sec-WebSocket-Protocol: chat\r\nX: y\r\nsec-websocket-protocol: pair.sp.nanomsg.org\r\n",
            Some("pair.sp.nanomsg.org"),
        ),
        ("Sec-WebSocket-Protocol: Pair.sp.nanomsg.org, pair.sp.nanomsg.org\r\n", Some("Pair.sp.nanomsg.org")),
    ] {
        let request = REQUEST.replace(NAME, offered);
        assert_eq!(status(&request), WELCOME_LINE, "{offered}");
        assert_eq!(said(&reply(&request), "Sec-WebSocket-Protocol").as_deref(), chosen, "{offered}");
    }
    for (offered, refused) in [
        ("bus.sp.nanomsg.org", INCOMPATIBLE),
        ("bus.sp.nanomsg.org, chat", INCOMPATIBLE),
        ("pear.sp.nanomsg.org", UNRECOGNIZED),
        ("pair", UNRECOGNIZED),
        ("chat, mqtt", UNRECOGNIZED),
        ("pair.sp.nanomsg.org.", UNRECOGNIZED),
    ] {
        let request = REQUEST.replace("pair.sp.nanomsg.org", offered);
        assert_eq!(status(&request), refused, "{offered}");
    }
    let unnamed = REQUEST.replace(NAME, "");
    assert!(matches!(answer(unnamed.as_bytes(), 0x70), Some(Answer::Refused { .. })), "a BUS must be asked for");
}

#[test]
fn refusals_say_what_would_do() {
    for (from, to, refused) in [
        ("Upgrade: websocket\r\n", "", NO_UPGRADE),
        ("Connection: Upgrade\r\n", "", NO_UPGRADE),
        ("websocket", "h2c", NO_UPGRADE),
        ("websocket", "websockets", NO_UPGRADE),
        ("Connection: Upgrade", "Connection: close", NO_UPGRADE),
        ("Version: 13", "Version: 8", NO_UPGRADE),
        ("Version: 13", "Version: 13, 8", NO_UPGRADE),
        ("Sec-WebSocket-Version: 13\r\n", "", NO_UPGRADE),
        ("Host: h\r\n", "", "400 Host Must Be Given Once"),
        ("Host: h", "Host: h\r\nHost: h", "400 Host Must Be Given Once"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", "400 Sec-WebSocket-Key Must Be Given Once"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "", "400 Sec-WebSocket-Key Must Be Given Once"),
        ("Host: h", "Host: h\r\nSec-WebSocket-Key: another", "400 Sec-WebSocket-Key Must Be Given Once"),
        ("GET", "POST", "405 Method Not Allowed"),
        ("GET", "HEAD", "405 Method Not Allowed"),
        ("HTTP/1.1", "HTTP/1.0", BAD),
        ("HTTP/1.1", "HTTP/2", BAD),
        ("HTTP/1.1", "", BAD),
        ("GET / ", "GET/ ", BAD),
        ("GET / ", "GET / / ", BAD),
        ("GET / ", "get / ", BAD),
        ("Host: h", "Host h", BAD),
        ("Host: h", "Host : h", BAD),
    ] {
        let request = REQUEST.replace(from, to);
        assert_eq!(status(&request), refused, "{from}: {to}");
        let reply = reply(&request);
        assert_eq!(said(&reply, "Sec-WebSocket-Version").as_deref(), Some("13"), "{reply}");
        assert_eq!(said(&reply, "Content-Length").as_deref(), Some("0"), "{reply}");
        assert!(said(&reply, "Connection").unwrap().ends_with("close"), "{reply}");
        assert_eq!(said(&reply, "Upgrade").is_some(), refused == NO_UPGRADE, "{reply}");
        assert_eq!(said(&reply, "Allow").is_some(), refused.starts_with("405"), "{reply}");
    }
    for rubbish in ["\u{1}\u{2}", "\0SP\0\0\u{10}\0\0", "hello", "\rGET", "\r\n hello"] {
        assert_eq!(status(rubbish), BAD, "{rubbish:?}: refused as soon as it is there");
    }
}

#[test]
fn heads_may_be_long_but_not_endless() {
    let field = |number: usize, size: usize| format!("X-{number}: {}\r\n", "x".repeat(size));
    let with = |fields: String| REQUEST.replace("Host: h\r\n", &format!("Host: h\r\n{fields}"));
    assert_eq!(status(&with(field(0, 20 * 1024))), WELCOME_LINE, "one long field");
    assert_eq!(status(&with((0..130).map(|number| field(number, 100)).collect())), WELCOME_LINE, "many fields");
    assert_eq!(status(&with(field(0, 64 * 1024))), TOO_LONG);
    assert_eq!(status(&with((0..300).map(|number| field(number, 1)).collect())), TOO_LONG);
    let endless = format!("GET /{}", "x".repeat(64 * 1024));
    assert_eq!(status(&endless), TOO_LONG);
    assert_eq!(status(&"X".repeat(64 * 1024)), TOO_LONG);
    let long = reply(REQUEST).replace("\r\n\r\n", &format!("\r\n{}\r\n", field(0, 20 * 1024)));
    assert!(matches!(welcome(long.as_bytes(), PAIR, KEY), Parsed::Whole { .. }));
    let longer = long.replace("X-0: ", &format!("X-0: {}", "x".repeat(64 * 1024)));
    assert_eq!(welcome(longer.as_bytes(), PAIR, KEY), Parsed::Bad);
    assert_eq!(welcome(&longer.as_bytes()[..longer.len() - 4], PAIR, KEY), Parsed::Bad);
}

#[test]
fn every_client_is_welcome_at_its_peer_only() {
    let opening = Opening { host: "h:1".into(), path: "/".into(), key: key([7; 16]) };
    for (own, _, peer) in ROLES {
        assert_eq!(peer_of(own), peer);
        let request = opening.request(own);
        for (other, ..) in ROLES {
            match answer(&request, other) {
                Some(Answer::Welcome { reply, used, is_nanomsg }) => {
                    assert_eq!((other, used, is_nanomsg), (peer, request.len(), true));
                    let whole = Parsed::Whole { used: reply.len(), value: true };
                    assert_eq!(welcome(&reply, own, &opening.key), whole);
                    assert_eq!(welcome(&reply, own, "another key"), Parsed::Bad);
                    for cut in 0..reply.len() {
                        assert_eq!(welcome(&reply[..cut], own, &opening.key), Parsed::Partial);
                    }
                }
                _ => assert_ne!(other, peer),
            }
        }
    }
}

#[test]
fn a_client_takes_nothing_but_a_welcome() {
    let good = reply(REQUEST);
    let takes = |from: &str, to: &str| {
        let reply = good.replace(from, to);
        match welcome(reply.as_bytes(), PAIR, KEY) {
            Parsed::Whole { used, value } => {
                assert_eq!((used, value), (reply.len(), reply == good), "{from}: {to}");
                true
            }
            Parsed::Bad => false,
            Parsed::Partial => panic!("{from}: {to} is whole"),
        }
    };
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    for (from, to) in [
        ("", ""),
        ("Switching Protocols", "Fine"),
        ("Upgrade", "upGrade"),
        ("websocket", "WebSocket"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Connection: Upgrade", "connection: keep-alive\r\nX: y\r\nconnection: upgrade"),
        (accept, "sec-websocket-ACCEPT:s3pPLMBiTxaQ9kYGzzhZRbK+xOo=  "),
        (NAME, ""),
        (NAME, "Sec-WebSocket-Protocol: \r\n"),
        (NAME, "Sec-WebSocket-Protocol: PAIR.sp.nanomsg.org\r\n"),
        (NAME, "Sec-WebSocket-Extensions: \r\n"),
        (NAME, "Server: nginx\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
    ] {
        assert!(takes(from, to), "{from}: {to}");
    }
    for (from, to) in [
        ("101", "200"),
        ("101 Switching Protocols", "400 Bad Request"),
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Connection: Upgrade\r\n", ""),
        ("Connection: Upgrade", "Connection: keep-alive"),
        ("s3pP", "xxxx"),
        (accept, "X: y"),
        (accept, &format!("{accept}\r\n{accept}")),
        (NAME, "Sec-WebSocket-Protocol: bus.sp.nanomsg.org\r\n"),
        (NAME, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        ("HTTP", "ICAP"),
    ] {
        assert!(!takes(from, to), "{from}: {to}");
    }
    assert_eq!(welcome("HTTP/1.1 400 no\r\n\r\n".as_bytes(), PAIR, KEY), Parsed::Bad);
}

/// Whoever asks in nanomsg's words may be one who does not come back after a close frame.
#[test]
fn nanomsg_is_known_by_its_words() {
    let is_nanomsg = |request: &str| match answer(request.as_bytes(), PAIR) {
        Some(Answer::Welcome { is_nanomsg, .. }) => is_nanomsg,
        refused => panic!("{refused:?}"),
    };
    let words = REQUEST.replace("Host: h", "Host: h:80").replace("GET /", "GET /a?b");
    assert!(is_nanomsg(&words));
    for (from, to) in [
        ("Host: h:80", "Host: h"),
        ("Host: h:80", "Host: h:80\r\nOrigin: http://h"),
        ("Host: h:80", "Host:h:80"),
        ("Upgrade: websocket", "upgrade: websocket"),
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        (NAME, ""),
        (NAME, "Sec-WebSocket-Protocol: pair.sp.nanomsg.org\r\nUser-Agent: x\r\n"),
    ] {
        assert!(!is_nanomsg(&words.replace(from, to)), "{from}: {to}");
    }
}
