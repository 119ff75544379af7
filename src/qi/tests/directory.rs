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

/// Memory.
fn there_is(_: usize) -> bool {
    true
}

fn directory() -> Directory {
    Directory::new(info("ServiceDirectory", HERE))
}

fn names(directory: &Directory) -> Vec<String> {
    directory.services().map(|(info, _)| info.name.to_string()).collect()
}

#[test]
fn a_service_is_seen_once_it_is_ready() {
    let mut directory = directory();
    assert_eq!(directory.register(A, &info("One", HERE), there_is), Ok(2));
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
        assert_eq!(directory.register(A, &info("One", HERE), there_is), Ok(expected));
        assert_eq!(directory.unregister(A, expected), Ok(None), "it was never listed");
    }
}

#[test]
fn names_are_not_empty_and_unique_over_both_tables() {
    let mut directory = directory();
    let not_text = Text::from_bytes(bytes::Bytes::from_static(b"\xff\xfe"));
    for name in ["".into(), not_text] {
        let record = ServiceInfo { name, ..info("", HERE) };
        assert_eq!(directory.register(A, &record, there_is), Err(DirectoryError::BadName));
    }
    directory.register(A, &info("One", HERE), there_is).unwrap();
    assert_eq!(directory.register(B, &info("One", HERE), there_is), Err(DirectoryError::Taken("One".into())));
    directory.ready(A, 2).unwrap();
    assert_eq!(directory.register(B, &info("One", HERE), there_is), Err(DirectoryError::Taken("One".into())));
    let taken = directory.register(B, &info("ServiceDirectory", HERE), there_is);
    assert_eq!(taken, Err(DirectoryError::Taken("ServiceDirectory".into())));
}

#[test]
fn only_who_has_registered_may_change() {
    let mut directory = directory();
    directory.register(A, &info("One", HERE), there_is).unwrap();
    assert_eq!(directory.ready(B, 2), Err(DirectoryError::NotOwner(2)));
    assert_eq!(directory.unregister(B, 2), Err(DirectoryError::NotOwner(2)));
    let update = ServiceInfo { service_id: 2, ..info("One", HERE) };
    assert_eq!(directory.update(B, &update, there_is), Err(DirectoryError::NotOwner(2)));
    assert_eq!(directory.unregister(B, DIRECTORY_ID), Err(DirectoryError::NotOwner(1)));
    assert_eq!(directory.unregister(Owner::Local, DIRECTORY_ID), Err(DirectoryError::NotOwner(1)));
    assert_eq!(directory.ready(A, 99), Err(DirectoryError::NoId(99)));
}

#[test]
fn who_is_gone_takes_everything_along() {
    let mut directory = directory();
    for (owner, name) in [(A, "One"), (B, "Two"), (A, "Three"), (A, "Staged")] {
        let id = directory.register(owner, &info(name, HERE), there_is).unwrap();
        if name != "Staged" {
            directory.ready(owner, id).unwrap();
        }
    }
    let changes = directory.drop_connection(10);
    assert_eq!(changes, [Change::Removed(2, "One".into()), Change::Removed(4, "Three".into())]);
    assert_eq!(names(&directory), ["ServiceDirectory", "Two"]);
    assert_eq!(directory.register(B, &info("Staged", HERE), there_is), Ok(6), "the name is free again");
    assert_eq!(directory.drop_connection(10), []);
}

#[test]
fn an_update_moves_the_whole_session() {
    let mut directory = directory();
    for (owner, name) in [(A, "One"), (A, "Two"), (B, "Three")] {
        let id = directory.register(owner, &info(name, HERE), there_is).unwrap();
        directory.ready(owner, id).unwrap();
    }
    let there = "tcp://127.0.0.1:2000";
    let update = ServiceInfo { service_id: 2, process_id: 8, ..info("Renamed", there) };
    directory.update(A, &update, there_is).unwrap();
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
        let refused = directory.register(A, &info("One", bad), there_is);
        assert_eq!(refused, Err(DirectoryError::BadEndpoint(bad.into())));
    }
    for good in [HERE, "tcps://robot.local:9503", "unix:///tmp/socket", "qi:Other"] {
        let id = directory.register(A, &info("One", good), there_is).unwrap();
        directory.unregister(A, id).unwrap();
    }
    let long = "x".repeat(70_000);
    assert_eq!(directory.register(A, &info(&long, HERE), there_is), Err(DirectoryError::TooMuch));
}

#[test]
fn nobody_has_all_the_room() {
    let mut directory = directory();
    for number in 0..1024 {
        directory.register(A, &info(&number.to_string(), HERE), there_is).unwrap();
    }
    assert_eq!(directory.register(A, &info("more", HERE), there_is), Err(DirectoryError::TooMuch));
    assert!(directory.register(B, &info("more", HERE), there_is).is_ok());
}

#[test]
fn all_records_fit_an_answer_whoever_sends_them() {
    let mut directory = directory();
    let long = |owner: u64, number: u32| info(&format!("{owner} {number} {}", "x".repeat(60_000)), HERE);
    let fill = |directory: &mut Directory, owner: u64| {
        let fits = |number: &u32| directory.register(Owner::Connection(owner), &long(owner, *number), there_is).is_ok();
        (0..1000).take_while(fits).count()
    };
    let filled: Vec<_> = (0..60).map(|owner| fill(&mut directory, owner)).collect();
    assert!((50..70).contains(&filled[0]), "one by itself, half: {filled:?}");
    assert!(filled[..8].iter().all(|filled| *filled > 0), "others, too: {filled:?}");
    let all = (0..60).map(|owner| directory.bytes_of(Owner::Connection(owner))).sum::<usize>();
    assert!(all <= MAX_RECORDS, "{all}");
    assert!(directory.register(Owner::Local, &info("ours", HERE), there_is).is_ok(), "who keeps the directory");
    directory.drop_connection(0);
    assert_eq!(directory.bytes_of(Owner::Connection(0)), 0);
    assert!(fill(&mut directory, 0) > 0);
}

#[test]
fn an_update_of_all_endpoints_counts_for_each() {
    let mut directory = directory();
    for number in 0..1000 {
        directory.register(A, &info(&number.to_string(), HERE), there_is).unwrap();
    }
    let before = directory.bytes_of(A);
    let endpoints = vec![format!("unix:///{}", "x".repeat(30_000)).as_str().into()];
    let update = ServiceInfo { service_id: 2, endpoints, ..info("0", HERE) };
    assert_eq!(directory.update(A, &update, there_is), Err(DirectoryError::TooMuch));
    assert_eq!((directory.bytes_of(A), directory.service(&"0".into()).is_err()), (before, true));
    assert_eq!(directory.services.get(&3).unwrap().info.endpoints[0].to_string(), HERE, "nothing has changed");
}

#[test]
fn what_there_is_no_memory_for_changes_nothing() {
    let mut directory = directory();
    directory.register(A, &info("One", HERE), there_is).unwrap();
    let one = directory.bytes_of(A);
    let mut asked = 0;
    let refused = directory.register(A, &info("Two", HERE), |bytes| {
        asked = bytes;
        false
    });
    assert_eq!((refused, asked), (Err(DirectoryError::TooMuch), 2 * one));
    let update = ServiceInfo { service_id: 2, endpoints: vec![HERE.into(), HERE.into()], ..info("One", HERE) };
    assert_eq!(directory.update(A, &update, |_| false), Err(DirectoryError::TooMuch));
    assert_eq!(directory.bytes_of(A), one);
    assert_eq!(directory.register(B, &info("Two", HERE), there_is), Ok(3), "the name is free, and no id was used");
}
