use super::*;

#[test]
fn one_registration_serves_all() {
    let key = Key { service: 2, object: 1, signal: 107 };
    let other = Key { signal: 108, ..key };
    let mut registrations = Registrations::default();
    let (Join::Register, link) = registrations.join(&key, 1) else { panic!("the first registers") };
    assert_eq!(link >> 32, 107);
    assert_eq!(registrations.join(&key, 2), (Join::Wait, link));
    let (Join::Register, second) = registrations.join(&other, 3) else { panic!("another signal") };
    assert_ne!(link & 0xffff_ffff, second & 0xffff_ffff);
    assert_eq!(registrations.answered(&key, link, true), [1, 2]);
    assert_eq!(registrations.join(&key, 4), (Join::Ready(4), link));
    assert_eq!([registrations.leave(&key, link), registrations.leave(&key, link)], [None, None]);
    assert_eq!(registrations.leave(&key, link), Some(vec![]), "the last unregisters");
    assert_eq!(registrations.leave(&key, link), None);
    // An Error: whoever waits is told, and the next one tries again with a link of its own.
    assert_eq!(registrations.answered(&other, second, false), [3]);
    let (Join::Register, third) = registrations.join(&other, 5) else { panic!("again") };
    assert_ne!(second, third);
    // Who leaves before the answer unregisters; the late answer concerns nobody, so all are told now.
    assert_eq!(registrations.join(&other, 6), (Join::Wait, third));
    assert_eq!(registrations.leave(&other, third), None);
    assert_eq!(registrations.leave(&other, third), Some(vec![5, 6]));
    assert!(registrations.answered(&other, third, true).is_empty());
}
