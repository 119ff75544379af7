//! The order of a race, with a clock moved by hand.

use super::*;

fn at(start: Instant, milliseconds: u64) -> Instant {
    start + Duration::from_millis(milliseconds)
}

#[test]
fn the_next_begins_after_a_pause_and_the_others_go_on() {
    let start = Instant::now();
    let mut race = Race::new(["a", "b", "c"], None);
    assert_eq!((race.begin(start), race.begin(start)), (Some("a"), None));
    assert_eq!(race.wake(), Some(at(start, 250)));
    assert_eq!(race.begin(at(start, 249)), None);
    assert_eq!((race.begin(at(start, 250)), race.begin(at(start, 250))), (Some("b"), None));
    assert_eq!(race.begin(at(start, 600)), Some("c"));
    assert_eq!((race.wake(), race.begin(at(start, 9999))), (None, None), "all are under way");
    assert!(!race.is_lost());
}

#[test]
fn a_failure_lets_the_next_begin_at_once() {
    let start = Instant::now();
    let mut race = Race::new(["a", "b"], None);
    assert_eq!(race.begin(start), Some("a"));
    race.failed();
    assert_eq!(race.begin(start), Some("b"));
    assert!(!race.is_lost());
    race.failed();
    assert!(race.is_lost() && race.begin(start).is_none());
}

#[test]
fn what_a_name_stands_for_is_tried_in_its_place() {
    let start = Instant::now();
    let mut race = Race::new(["name", "z"], None);
    assert_eq!(race.begin(start), Some("name"));
    race.became(vec!["a", "b"]);
    assert_eq!((race.begin(start), race.begin(start)), (Some("a"), None));
    assert_eq!(race.begin(at(start, 250)), Some("b"));
    assert_eq!(race.begin(at(start, 500)), Some("z"));
    let mut race = Race::new(["name"], None);
    race.begin(start);
    race.became(Vec::new());
    assert!(race.is_lost());
}

/// A deadline leaves each of them a share.
#[test]
fn all_get_their_turn_before_the_end() {
    let start = Instant::now();
    let end = at(start, 300);
    let mut race = Race::new(["a", "b", "c"], Some(end));
    assert_eq!(race.begin(start), Some("a"));
    assert_eq!(race.wake(), Some(at(start, 100)));
    assert_eq!(race.begin(at(start, 100)), Some("b"));
    assert_eq!(race.begin(at(start, 200)), Some("c"));
    assert_eq!(race.wake(), Some(end));
    assert!(!race.is_late(at(start, 299)) && race.is_late(end));
}

#[test]
fn a_list_without_end_is_cut() {
    let start = Instant::now();
    let mut race = Race::new(0.., None);
    assert_eq!(race.begin(start), Some(0));
    race.became((1000..).take(5000).collect());
    let mut begun = 0;
    while race.begin(start).is_some() {
        race.failed();
        begun += 1;
    }
    assert_eq!(begun, MAX_WAITING);
    assert!(race.is_lost());
}
