//! SURVEYOR, full and raw (protocols.md 9). RESPONDENT is tested with REP, whose machine it is.

use super::fake::{FakeSocket, full, raw};
use crate::core::{Error, PipeId};
use crate::protocol::survey::DEADLINE;

fn set_deadline(surveyor: &mut FakeSocket, milliseconds: i32) {
    surveyor.set_option(DEADLINE, &milliseconds.to_ne_bytes()).unwrap();
}

/// The id of the survey sent last, as this respondent sees it.
fn id(surveyor: &mut FakeSocket, respondent: PipeId) -> Vec<u8> {
    surveyor.sent(respondent).pop().unwrap()[..4].to_vec()
}

fn answer(surveyor: &mut FakeSocket, respondent: PipeId, id: &[u8], body: &[u8]) {
    surveyor.arrive(respondent, &[id, body].concat());
}

#[test]
fn a_survey_goes_to_everybody_and_all_answers_come_back() {
    let mut surveyor = FakeSocket::new("SURVEYOR", false, 6);
    let respondents = [surveyor.attach(), surveyor.attach(), surveyor.attach()];
    surveyor.send(b"who?").unwrap();
    for (respondent, name) in respondents.iter().zip(0..) {
        assert_eq!(surveyor.sent_one(*respondent), b"\x80\0\0\x07who?");
        answer(&mut surveyor, *respondent, b"\x80\0\0\x07", &[name]);
    }
    assert_eq!(surveyor.recv().unwrap(), (vec![], vec![0]));
    assert_eq!(surveyor.recv_all(), [[1], [2]]);
    assert_eq!(surveyor.recv(), Err(Error::AGAIN));
    surveyor.send(b"and now?").unwrap();
    assert_eq!(surveyor.sent_one(respondents[0]), b"\x80\0\0\x08and now?");
}

#[test]
fn an_expired_survey_is_told_once() {
    let mut surveyor = full("SURVEYOR");
    assert_eq!(surveyor.recv(), Err(Error::FSM));
    assert!(surveyor.ready().recv, "a receive would fail at once");
    surveyor.send(b"to nobody").unwrap();
    assert!(!surveyor.ready().recv);
    surveyor.pass_ms(999);
    assert_eq!(surveyor.recv(), Err(Error::AGAIN));
    surveyor.pass_ms(1);
    assert!(surveyor.ready().recv);
    assert_eq!(surveyor.recv(), Err(Error::TIMED_OUT));
    assert_eq!(surveyor.recv(), Err(Error::FSM));
}

#[test]
fn a_new_survey_forgets_the_expiry_of_the_old_one() {
    let mut surveyor = full("SURVEYOR");
    surveyor.send(b"1").unwrap();
    surveyor.pass_ms(1000);
    surveyor.send(b"2").unwrap();
    assert_eq!(surveyor.recv(), Err(Error::AGAIN));
}

#[test]
fn a_new_survey_ends_the_old_one_and_has_its_own_deadline() {
    let mut surveyor = full("SURVEYOR");
    let respondent = surveyor.attach();
    surveyor.send(b"1").unwrap();
    let old = id(&mut surveyor, respondent);
    surveyor.pass_ms(600);
    surveyor.send(b"2").unwrap();
    let new = id(&mut surveyor, respondent);
    answer(&mut surveyor, respondent, &old, b"stale");
    answer(&mut surveyor, respondent, &new, b"fresh");
    assert_eq!(surveyor.recv_all(), [b"fresh"]);
    surveyor.pass_ms(600);
    assert_eq!(surveyor.recv(), Err(Error::AGAIN));
    surveyor.pass_ms(400);
    assert_eq!(surveyor.recv(), Err(Error::TIMED_OUT));
}

#[test]
fn answers_that_were_not_read_in_time_are_lost() {
    let mut surveyor = full("SURVEYOR");
    let respondent = surveyor.attach();
    surveyor.send(b"1").unwrap();
    let old = id(&mut surveyor, respondent);
    answer(&mut surveyor, respondent, &old, b"unread");
    surveyor.pass_ms(1000);
    answer(&mut surveyor, respondent, &old, b"late");
    assert_eq!(surveyor.recv(), Err(Error::TIMED_OUT));
    assert_eq!(surveyor.recv(), Err(Error::FSM));
    surveyor.send(b"2").unwrap();
    assert!(surveyor.ready().recv, "what is stale counts until it is passed over");
    assert_eq!(surveyor.recv(), Err(Error::AGAIN));
    assert!(!surveyor.ready().recv);
}

#[test]
fn malformed_answers_are_passed_over() {
    let mut surveyor = full("SURVEYOR");
    let respondent = surveyor.attach();
    surveyor.send(b"?").unwrap();
    let id = id(&mut surveyor, respondent);
    surveyor.arrive(respondent, b"");
    surveyor.arrive(respondent, &id[..3]);
    surveyor.arrive_parts(respondent, &id[..2], &[&id[2..], b"ok"].concat());
    assert_eq!(surveyor.recv_all(), [b"ok"]);
}

#[test]
fn who_is_not_writable_misses_the_survey() {
    let mut surveyor = full("SURVEYOR");
    let clogged = surveyor.attach_with(8, 8, 0);
    let gone = surveyor.attach();
    surveyor.hangup_only(gone);
    surveyor.send(b"?").unwrap();
    assert!(surveyor.transmissions.is_empty());
    surveyor.set_room(clogged, 1);
    assert!(surveyor.transmissions.is_empty(), "there is no second chance");
}

#[test]
fn a_respondent_that_hung_up_is_heard() {
    let mut surveyor = full("SURVEYOR");
    let respondent = surveyor.attach();
    surveyor.send(b"?").unwrap();
    let id = id(&mut surveyor, respondent);
    answer(&mut surveyor, respondent, &id, b"bye");
    surveyor.hangup(respondent);
    assert_eq!(surveyor.recv_all(), [b"bye"]);
}

#[test]
fn a_survey_takes_no_header() {
    let mut surveyor = full("SURVEYOR");
    let respondent = surveyor.attach();
    assert_eq!(surveyor.send_with(b"\x80\0\0\0", b"?"), Err(Error::INVALID));
    assert!(surveyor.sent(respondent).is_empty());
    assert_eq!(surveyor.recv(), Err(Error::FSM));
}

#[test]
fn the_deadline_is_read_when_the_survey_is_sent() {
    let mut surveyor = full("SURVEYOR");
    assert_eq!(surveyor.option(DEADLINE), Ok(1000));
    set_deadline(&mut surveyor, 50);
    surveyor.send(b"?").unwrap();
    set_deadline(&mut surveyor, 5000);
    surveyor.pass_ms(50);
    assert_eq!(surveyor.recv(), Err(Error::TIMED_OUT));
    assert_eq!(surveyor.option(DEADLINE), Ok(5000));
}

#[test]
fn a_deadline_of_zero_expires_at_once() {
    let mut surveyor = full("SURVEYOR");
    let respondent = surveyor.attach();
    surveyor.send(b"first").unwrap();
    set_deadline(&mut surveyor, 0);
    surveyor.send(b"?").unwrap();
    assert_eq!(surveyor.sent(respondent).len(), 2);
    assert_eq!(surveyor.alarm(), None);
    assert_eq!(surveyor.recv(), Err(Error::TIMED_OUT));
    assert_eq!(surveyor.recv(), Err(Error::FSM));
}

#[test]
fn the_deadline_is_checked() {
    let mut surveyor = full("SURVEYOR");
    for bad in [&(-1_i32).to_ne_bytes()[..], &[], &[0; 3], &[0; 8]] {
        assert_eq!(surveyor.set_option(DEADLINE, bad), Err(Error::INVALID));
    }
    assert_eq!(surveyor.option(DEADLINE), Ok(1000));
}

#[test]
fn a_raw_surveyor_has_neither_ids_nor_deadlines() {
    let mut surveyor = raw("SURVEYOR");
    let respondents = [surveyor.attach(), surveyor.attach()];
    assert_eq!(surveyor.recv(), Err(Error::AGAIN));
    surveyor.send_with(b"\x80\0\0\x09", b"?").unwrap();
    assert_eq!(surveyor.alarm(), None);
    for respondent in respondents {
        assert_eq!(surveyor.sent_one(respondent), b"\x80\0\0\x09?");
    }
    surveyor.arrive(respondents[1], b"abc");
    surveyor.arrive(respondents[1], b"\0\0\0\x03rest");
    assert_eq!(surveyor.recv().unwrap(), (b"\0\0\0\x03".to_vec(), b"rest".to_vec()));
    assert_eq!(surveyor.recv(), Err(Error::AGAIN));
}
