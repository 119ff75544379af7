use super::*;

fn info(name: &str, endpoint: &str) -> ServiceInfo {
    ServiceInfo {
        name: name.into(),
        machine_id: "machine".into(),
        process_id: 7,
        endpoints: vec![endpoint.into()],
        session_id: "session".into(),
        ..ServiceInfo::default()
    }
}

const A: Owner = Owner::Connection(10);
const B: Owner = Owner::Connection(11);
const HERE: &str = "tcp://127.0.0.1:1000";

fn directory() -> Directory {
    Directory::new(info("ServiceDirectory", HERE))
}

fn names(directory: &Directory) -> Vec<String> {
    directory.services().map(|(info, _)| info.name.to_string()).collect()
}

#[test]
fn a_service_is_seen_once_it_is_ready() {
    let mut directory = directory();
    assert_eq!(directory.register(A, &info("One", HERE)), Ok(2));
    assert_eq!(names(&directory), ["ServiceDirectory"]);
    assert_eq!(directory.service(&"One".into()).unwrap_err().to_string(), "Cannot find service 'One' in index");
    assert_eq!(directory.ready(A, 2), Ok(Some(Change::Added(2, "One".into()))));
    assert_eq!(directory.ready(A, 2), Ok(None));
    assert_eq!(names(&directory), ["ServiceDirectory", "One"]);
    let (found, owner) = directory.service(&"One".into()).unwrap();
    assert_eq!((found.service_id, owner), (2, A));
    assert_eq!(directory.unregister(A, 2), Ok(Some(Change::Removed(2, "One".into()))));
    assert_eq!(names(&directory), ["ServiceDirectory"]);
}

#[test]
fn ids_are_never_used_again() {
    let mut directory = directory();
    for expected in 2..6 {
        assert_eq!(directory.register(A, &info("One", HERE)), Ok(expected));
        assert_eq!(directory.unregister(A, expected), Ok(None), "it was never listed");
    }
}

#[test]
fn names_are_not_empty_and_unique_over_both_tables() {
    let mut directory = directory();
    let not_text = Text::from_bytes(bytes::Bytes::from_static(b"\xff\xfe"));
    for name in ["".into(), not_text] {
        let record = ServiceInfo { name, ..info("", HERE) };
        assert_eq!(directory.register(A, &record), Err(DirectoryError::BadName));
    }
    directory.register(A, &info("One", HERE)).unwrap();
    assert_eq!(directory.register(B, &info("One", HERE)), Err(DirectoryError::Taken("One".into())));
    directory.ready(A, 2).unwrap();
    assert_eq!(directory.register(B, &info("One", HERE)), Err(DirectoryError::Taken("One".into())));
    let taken = directory.register(B, &info("ServiceDirectory", HERE));
    assert_eq!(taken, Err(DirectoryError::Taken("ServiceDirectory".into())));
}

#[test]
fn only_who_has_registered_may_change() {
    let mut directory = directory();
    directory.register(A, &info("One", HERE)).unwrap();
    assert_eq!(directory.ready(B, 2), Err(DirectoryError::NotOwner(2)));
    assert_eq!(directory.unregister(B, 2), Err(DirectoryError::NotOwner(2)));
    let update = ServiceInfo { service_id: 2, ..info("One", HERE) };
    assert_eq!(directory.update(B, &update), Err(DirectoryError::NotOwner(2)));
    assert_eq!(directory.unregister(B, DIRECTORY_ID), Err(DirectoryError::NotOwner(1)));
    assert_eq!(directory.unregister(Owner::Local, DIRECTORY_ID), Err(DirectoryError::NotOwner(1)));
    assert_eq!(directory.ready(A, 99), Err(DirectoryError::NoId(99)));
}

#[test]
fn who_is_gone_takes_everything_along() {
    let mut directory = directory();
    for (owner, name) in [(A, "One"), (B, "Two"), (A, "Three"), (A, "Staged")] {
        let id = directory.register(owner, &info(name, HERE)).unwrap();
        if name != "Staged" {
            directory.ready(owner, id).unwrap();
        }
    }
    let changes = directory.drop_connection(10);
    assert_eq!(changes, [Change::Removed(2, "One".into()), Change::Removed(4, "Three".into())]);
    assert_eq!(names(&directory), ["ServiceDirectory", "Two"]);
    assert_eq!(directory.register(B, &info("Staged", HERE)), Ok(6), "the name is free again");
    assert_eq!(directory.drop_connection(10), []);
}

#[test]
fn an_update_moves_the_whole_session() {
    let mut directory = directory();
    for (owner, name) in [(A, "One"), (A, "Two"), (B, "Three")] {
        let id = directory.register(owner, &info(name, HERE)).unwrap();
        directory.ready(owner, id).unwrap();
    }
    let there = "tcp://127.0.0.1:2000";
    let update = ServiceInfo { service_id: 2, process_id: 8, ..info("Renamed", there) };
    directory.update(A, &update).unwrap();
    let endpoint = |name: &str| directory.service(&name.into()).unwrap().0.endpoints[0].to_string();
    assert_eq!(endpoint("One"), there, "the name stays");
    assert_eq!(endpoint("Two"), there);
    assert_eq!(endpoint("Three"), HERE, "the session's name is everybody's, its services are not");
    assert_eq!(endpoint("ServiceDirectory"), HERE);
    assert_eq!(directory.service(&"One".into()).unwrap().0.process_id, 8);
}

#[test]
fn records_that_would_hurt_others_are_refused() {
    let mut directory = directory();
    for bad in ["", "nonsense", "tcp://host", "tcp://a b:1"] {
        let refused = directory.register(A, &info("One", bad));
        assert_eq!(refused, Err(DirectoryError::BadEndpoint(bad.into())));
    }
    for good in [HERE, "tcps://robot.local:9503", "unix:///tmp/socket", "qi:Other"] {
        let id = directory.register(A, &info("One", good)).unwrap();
        directory.unregister(A, id).unwrap();
    }
    let long = "x".repeat(70_000);
    assert_eq!(directory.register(A, &info(&long, HERE)), Err(DirectoryError::TooMuch));
}

#[test]
fn nobody_has_all_the_room() {
    let mut directory = directory();
    for number in 0..1024 {
        directory.register(A, &info(&number.to_string(), HERE)).unwrap();
    }
    assert_eq!(directory.register(A, &info("more", HERE)), Err(DirectoryError::TooMuch));
    assert!(directory.register(B, &info("more", HERE)).is_ok());
}
