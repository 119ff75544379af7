//! REP and RESPONDENT, which are one machine, full and raw (protocols.md 8, 10 and 14).

use super::fake::{FakeSocket, full, raw};
use crate::core::Error;

fn answering() -> [FakeSocket; 2] {
    [full("REP"), full("RESPONDENT")]
}

#[test]
fn an_answer_goes_back_the_way_the_request_came() {
    for mut rep in answering() {
        let asker = rep.attach();
        rep.arrive(asker, b"\0\0\0\x07\x80\0\0\x02abc");
        assert_eq!(rep.recv().unwrap(), (vec![], b"abc".to_vec()));
        assert!(rep.ready().send);
        rep.send(b"yo").unwrap();
        assert_eq!(rep.sent_one(asker), b"\0\0\0\x07\x80\0\0\x02yo");
        assert!(!rep.ready().send);
    }
}

#[test]
fn only_one_answer_to_a_request() {
    for mut rep in answering() {
        assert_eq!(rep.send(b"x"), Err(Error::FSM));
        let asker = rep.attach();
        rep.arrive(asker, b"\x80\0\0\x02abc");
        assert_eq!(rep.send(b"x"), Err(Error::FSM), "not received yet");
        rep.recv().unwrap();
        rep.send(b"x").unwrap();
        assert_eq!(rep.send(b"x"), Err(Error::FSM));
        assert_eq!(rep.sent(asker).len(), 1);
    }
}

#[test]
fn receiving_abandons_the_request_before() {
    for mut rep in answering() {
        let asker = rep.attach();
        rep.arrive(asker, b"\x80\0\0\x01a");
        rep.arrive(asker, b"\x80\0\0\x02b");
        rep.recv().unwrap();
        rep.recv().unwrap();
        rep.send(b"to the second").unwrap();
        assert_eq!(rep.sent_one(asker), b"\x80\0\0\x02to the second");
        rep.arrive(asker, b"\x80\0\0\x03c");
        rep.recv().unwrap();
        assert_eq!(rep.recv(), Err(Error::AGAIN));
        assert_eq!(rep.send(b"x"), Err(Error::FSM), "abandoned though nothing came");
    }
}

#[test]
fn an_answer_that_cannot_be_delivered_is_dropped() {
    for mut rep in answering() {
        for how in ["clogged", "hung up", "gone", "replaced"] {
            let asker = rep.attach();
            rep.arrive(asker, b"\x80\0\0\x02abc");
            rep.recv().unwrap();
            match how {
                "clogged" => rep.set_room(asker, 0),
                "hung up" => {
                    rep.arrive(asker, b"\x80\0\0\x03 keeps the pipe");
                    rep.hangup(asker);
                }
                _ => rep.detach(asker),
            }
            if how == "replaced" {
                assert_eq!(rep.attach(), asker);
            }
            rep.send(b"x").unwrap();
            assert!(rep.transmissions.is_empty(), "{how}");
            assert_eq!(rep.send(b"x"), Err(Error::FSM));
            rep.detach(asker);
        }
    }
}

#[test]
fn a_peer_that_hung_up_is_still_heard() {
    for mut rep in answering() {
        let asker = rep.attach();
        rep.arrive(asker, b"\x80\0\0\x01a");
        rep.arrive(asker, b"\x80\0\0\x02b");
        rep.hangup(asker);
        assert_eq!(rep.recv_all(), [b"a", b"b"]);
    }
}

#[test]
fn malformed_requests_and_far_travellers_are_passed_over() {
    for mut rep in answering() {
        let asker = rep.attach();
        for bad in [&b""[..], b"\x80\0\0", b"\0\0\0\x01abcd", &far(9)] {
            rep.arrive(asker, bad);
            assert!(rep.ready().recv);
            assert_eq!(rep.recv(), Err(Error::AGAIN), "{bad:?}");
        }
        for words in [7, 8] {
            rep.arrive(asker, &far(words));
            rep.recv().unwrap();
        }
        rep.machine().set_max_ttl(1);
        rep.arrive(asker, &far(2));
        rep.arrive_parts(asker, &far(2), b"");
        rep.arrive_parts(asker, &far(1), b"direct");
        assert_eq!(rep.recv_all(), [b"direct"]);
    }
}

/// A request without a body and `words` words of header.
fn far(words: usize) -> Vec<u8> {
    let mut bytes = vec![0; 4 * words];
    bytes[4 * words - 4] = 0x80;
    bytes
}

#[test]
fn an_answer_takes_no_header() {
    for mut rep in answering() {
        let asker = rep.attach();
        rep.arrive(asker, b"\x80\0\0\x02abc");
        rep.recv().unwrap();
        assert_eq!(rep.send_with(b"\0\0\0\0", b"x"), Err(Error::INVALID));
        rep.send(b"still possible").unwrap();
        assert_eq!(rep.sent_one(asker)[4..], *b"still possible");
    }
}

#[test]
fn askers_are_served_in_turn() {
    for mut rep in answering() {
        let askers = [rep.attach(), rep.attach()];
        for number in 0..2 {
            rep.arrive(askers[0], &[0x80, 0, 0, 0, 0, number]);
            rep.arrive(askers[1], &[0x80, 0, 0, 0, 1, number]);
        }
        let mut order = Vec::new();
        while let Ok((_, body)) = rep.recv() {
            rep.send(&body).unwrap();
            order.push(body);
        }
        assert_eq!(order, [[0, 0], [1, 0], [0, 1], [1, 1]]);
        assert_eq!(rep.transmissions, [askers[0], askers[1], askers[0], askers[1]]);
    }
}

// ---- raw REP

fn raw_answering() -> [FakeSocket; 2] {
    [raw("REP"), raw("RESPONDENT")]
}

#[test]
fn a_raw_rep_shows_key_and_words() {
    for mut rep in raw_answering() {
        let askers = [rep.attach(), rep.attach()];
        for asker in askers {
            rep.arrive(asker, b"\x80\0\0\x02abc");
        }
        let (first, body) = rep.recv().unwrap();
        let (second, _) = rep.recv().unwrap();
        assert_eq!((first.len(), &first[4..], body.as_slice()), (8, &b"\x80\0\0\x02"[..], &b"abc"[..]));
        let keys = [&first, &second].map(|header| u32::from_be_bytes(header[..4].try_into().unwrap()));
        assert_eq!(keys[1], keys[0] + 1);
        assert!(keys[0] < 1 << 31);
        // Answers find their way in any order, and more than once.
        rep.send_with(&second, b"2").unwrap();
        rep.send_with(&first, b"1").unwrap();
        rep.send_with(&first, b"1").unwrap();
        assert_eq!(rep.sent(askers[1]), [b"\x80\0\0\x022"]);
        assert_eq!(rep.sent(askers[0]).len(), 2);
    }
}

#[test]
fn a_raw_rep_drops_answers_without_a_way() {
    for mut rep in raw_answering() {
        rep.send(b"nobody there").unwrap();
        let asker = rep.attach_with(8, 8, 1);
        rep.arrive(asker, b"\x80\0\0\x02abc");
        let (header, _) = rep.recv().unwrap();
        for bad in [&b""[..], b"abc", b"\x7f\xff\xff\xff\x80\0\0\x02"] {
            rep.send_with(bad, b"x").unwrap();
        }
        assert!(rep.transmissions.is_empty());
        rep.send_with(&header, b"fits").unwrap();
        rep.send_with(&header, b"clogged").unwrap();
        assert_eq!(rep.sent(asker), [b"\x80\0\0\x02fits"]);
        assert!(rep.ready().send);
    }
}

#[test]
fn a_raw_rep_obeys_the_hop_limit() {
    for mut rep in raw_answering() {
        let asker = rep.attach();
        rep.arrive(asker, &far(9));
        rep.arrive(asker, &far(8));
        assert_eq!(rep.recv().unwrap().0.len(), 4 * 9);
        rep.machine().set_max_ttl(255);
        rep.arrive(asker, &far(255));
        assert_eq!(rep.recv().unwrap().0.len(), 4 * 256);
    }
}
