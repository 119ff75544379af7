use super::*;

fn host(scheme: Scheme, host: &str, port: u16) -> Endpoint {
    Endpoint::Host { scheme, host: host.into(), port }
}

#[test]
fn endpoints_come_back_as_their_text() {
    for (text, endpoint, reach) in [
        ("tcp://127.0.0.1:9559", host(Scheme::Tcp, "127.0.0.1", 9559), Reach::Loopback),
        ("tcps://robot.local:9503", host(Scheme::Tcps, "robot.local", 9503), Reach::Other),
        ("tcpsm://10.0.0.1:1", host(Scheme::Tcpsm, "10.0.0.1", 1), Reach::Other),
        ("tcp://localhost:5", host(Scheme::Tcp, "localhost", 5), Reach::Loopback),
        ("tcp://127.8.0.1:5", host(Scheme::Tcp, "127.8.0.1", 5), Reach::Loopback),
        ("tcp://[::1]:5", host(Scheme::Tcp, "::1", 5), Reach::Loopback),
        ("tcp://[::ffff:127.0.0.1]:5", host(Scheme::Tcp, "::ffff:127.0.0.1", 5), Reach::Loopback),
        ("tcp://[fe80::1%eth0]:5", host(Scheme::Tcp, "fe80::1%eth0", 5), Reach::Other),
        ("tcp://[::1%1]:5", host(Scheme::Tcp, "::1%1", 5), Reach::Loopback),
        ("unix:///tmp/with a space", Endpoint::Unix("/tmp/with a space".into()), Reach::Loopback),
        ("unix://x://y", Endpoint::Unix("x://y".into()), Reach::Loopback),
        ("qi:Two Words", Endpoint::Relative("Two Words".into()), Reach::Relative),
        ("tcp://[::]:5", host(Scheme::Tcp, "::", 5), Reach::Any),
        ("tcp://0.0.0.0:0", host(Scheme::Tcp, "0.0.0.0", 0), Reach::Any),
        ("unix:///tmp/a:b", Endpoint::Unix("/tmp/a:b".into()), Reach::Loopback),
        ("qi:ServiceDirectory", Endpoint::Relative("ServiceDirectory".into()), Reach::Relative),
    ] {
        let parsed = Endpoint::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(parsed, endpoint, "{text}");
        assert_eq!(parsed.to_string(), text);
        assert_eq!(parsed.reach(), reach, "{text}");
    }
}

#[test]
fn what_is_no_endpoint_is_refused_with_a_reason() {
    for (text, error) in [
        ("", AddressError::Text),
        ("tcp://a b:1", AddressError::Text),
        ("tcp://a:1\n", AddressError::Text),
        ("tcp://a: 1", AddressError::Text),
        ("unix:///tmp/x\0", AddressError::Text),
        ("unix:///tmp/\x1b[2J", AddressError::Text),
        ("qi:a\nb", AddressError::Text),
        ("tcp://a:000001", AddressError::Port),
        ("tcp://a:01", AddressError::Port),
        ("tcp://a:00", AddressError::Port),
        ("tcp://[]:1", AddressError::Host),
        ("tcp://[a]:1", AddressError::Host),
        ("tcp://[127.0.0.1]:1", AddressError::Host),
        ("tcp://[fe80::1%]:1", AddressError::Host),
        ("tcp://[fe80::1%../x]:1", AddressError::Path),
        ("tcp://[fe80::1%e h]:1", AddressError::Text),
        ("tcp://[fe80::1%e%h]:1", AddressError::Host),
        ("127.0.0.1:0", AddressError::NoScheme),
        ("TCP://127.0.0.1:1", AddressError::Scheme),
        ("http://127.0.0.1:1", AddressError::Scheme),
        ("://127.0.0.1:1", AddressError::Scheme),
        ("tcp://tcps://10.0.0.1:9503", AddressError::Doubled),
        ("tcp://", AddressError::Host),
        ("tcp://:1", AddressError::Host),
        ("tcp://1.2.3:1", AddressError::Host),
        ("tcp://300.2.3.4:1", AddressError::Host),
        ("tcp://a$b:1", AddressError::Host),
        ("tcp://[zz]:1", AddressError::Host),
        ("tcp://[::1:1", AddressError::Brackets),
        ("tcp://::1:1", AddressError::Brackets),
        ("tcp://a", AddressError::NoPort),
        ("tcp://a:", AddressError::Port),
        ("tcp://a:+1", AddressError::Port),
        ("tcp://a:65536", AddressError::Port),
        ("tcp://[::1]1", AddressError::Port),
        ("tcp://a:1/", AddressError::Path),
        ("tcp://user@a:1", AddressError::Path),
        ("unix://", AddressError::Empty),
        ("qi:", AddressError::Empty),
        ("qi://a", AddressError::Scheme),
    ] {
        assert_eq!(Endpoint::parse(text), Err(error), "{text}");
    }
}

#[test]
fn connecting_and_listening_have_defaults() {
    for (text, endpoint) in [
        ("127.0.0.1:5000", host(Scheme::Tcp, "127.0.0.1", 5000)),
        ("robot", host(Scheme::Tcp, "robot", 9559)),
        ("tcps://robot", host(Scheme::Tcps, "robot", 9559)),
        ("[::1]", host(Scheme::Tcp, "::1", 9559)),
    ] {
        assert_eq!(Endpoint::to_connect(text), Ok(endpoint), "{text}");
    }
    assert_eq!(Endpoint::to_connect("tcp://a:0"), Err(AddressError::NoPort));
    assert_eq!(Endpoint::to_connect("tcp://0.0.0.0:1"), Err(AddressError::Any));
    assert_eq!(Endpoint::to_connect("qi:Proof"), Err(AddressError::Scheme));
    assert_eq!(Endpoint::to_connect("tcp://tcps://a:1"), Err(AddressError::Doubled));
    assert_eq!(Endpoint::to_listen("tcp://127.0.0.1"), Ok(host(Scheme::Tcp, "127.0.0.1", 0)));
    assert_eq!(Endpoint::to_listen("127.0.0.1:0"), Err(AddressError::NoScheme));
    assert_eq!(Endpoint::to_listen("qi:Proof"), Err(AddressError::Scheme));
}

#[test]
fn where_one_listens_at_all_addresses_each_can_be_dialled_in_the_form_of_its_family() {
    let own = ["127.0.0.1", "192.0.2.5", "::1", "fe80::1", "2001:db8::5", "::ffff:192.0.2.5"];
    let own: Vec<std::net::IpAddr> = own.iter().map(|text| text.parse().unwrap()).collect();
    for (listened, dialled) in [
        ("tcp://0.0.0.0:7", &["tcp://127.0.0.1:7", "tcp://192.0.2.5:7"][..]),
        ("tcps://0.0.0.0:7", &["tcps://127.0.0.1:7", "tcps://192.0.2.5:7"]),
        ("tcp://[::ffff:0.0.0.0]:7", &["tcp://127.0.0.1:7", "tcp://192.0.2.5:7"]),
        ("tcp://[::]:7", &["tcp://127.0.0.1:7", "tcp://192.0.2.5:7", "tcp://[::1]:7", "tcp://[2001:db8::5]:7"]),
        ("tcp://192.0.2.5:7", &["tcp://192.0.2.5:7"]),
        ("tcp://[::ffff:192.0.2.5]:7", &["tcp://192.0.2.5:7"]),
        ("tcp://robot:7", &["tcp://robot:7"]),
        ("unix:///x", &["unix:///x"]),
    ] {
        let found: Vec<_> =
            Endpoint::parse(listened).unwrap().to_be_dialled(&own).iter().map(Endpoint::to_string).collect();
        assert_eq!(found, dialled, "{listened}");
    }
    assert!(Endpoint::parse("tcp://0.0.0.0:7").unwrap().to_be_dialled(&[]).is_empty());
}
