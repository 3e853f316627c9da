//! The folder: made at the first start, whole after every stop.

use lastmile_relay::{Office, OfficeAnswer, OfficeCommand, OfficeDesk, OfficeError, RelayError, RelayFolder};
use lastmile_store::StoreError;

use crate::device::{COMMUNITY, activity, apart, enrolled, fresh_id, options, relay, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_and_a_start_lose_nothing() {
    let (folder, relay) = relay().await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    let id = fresh_id();
    let mut device = apart(move || {
        device.save(vec![activity(id, "清洁日", 20)]);
        assert_eq!(device.sync(), None);
        device
    })
    .await;
    let epoch = relay.epoch();
    relay.stop().await.unwrap();

    let relay = start(folder.path()).await;
    assert_eq!(relay.epoch(), epoch);
    device.addr = relay.addr();
    let device = apart(move || {
        assert_eq!(device.sync(), None);
        device
    })
    .await;
    relay.settle().await.unwrap();
    let mut reader = relay.reader().await.unwrap();
    assert_eq!(reader.digest(None).unwrap(), device.store.reader().unwrap().digest(None).unwrap());
    drop(reader);
    relay.stop().await.unwrap();

    let mut desk = OfficeDesk::open(folder.path(), &options()).unwrap();
    let OfficeAnswer::Status(status) = desk.run(OfficeCommand::Status).unwrap() else { panic!("another answer") };
    assert_eq!(status.devices.len(), 2, "the office and one device");
    assert!(status.devices.iter().any(|device| device.last_contact_ms.is_some()));
    assert!(!folder.path().join("admin.token").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_has_the_folder() {
    let (folder, _relay) = relay().await;
    let path = folder.path().to_owned();
    let again = RelayFolder::open_or_create(&path, &options());
    assert!(matches!(again, Err(RelayError::Store(StoreError::InUse { .. }))));

    // Whoever works on this computer reaches the relay that has it open.
    apart(move || {
        let mut office = Office::open(&path, &options()).unwrap();
        assert!(matches!(office, Office::Running(_)));
        assert!(matches!(office.run(OfficeCommand::Status), Ok(OfficeAnswer::Status(_))));
        let nothing = OfficeCommand::Verify { which: lastmile_relay::Selection::Ids(vec![fresh_id().0]) };
        assert!(matches!(office.run(nothing), Err(OfficeError::NotFound { .. })));
        std::fs::write(path.join("admin.token"), "guessed").unwrap();
        let mut office = Office::open(&path, &options()).unwrap();
        assert_eq!(office.run(OfficeCommand::Status), Err(OfficeError::NotPermitted));
    })
    .await;
}

#[test]
fn keys_are_private_and_needed() {
    let folder = tempfile::TempDir::new().unwrap();
    drop(RelayFolder::open_or_create(folder.path(), &options()).unwrap());
    for name in ["root.key", "office.key", "value.key", "fingerprint.key"] {
        let path = folder.path().join(name);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim().len(), 64);
    }
    // Keys alone may be what an interrupted first start left; a deployment without its database is not begun anew.
    let database = folder.path().join("relay.db");
    let kept = std::fs::read(&database).unwrap();
    std::fs::remove_file(&database).unwrap();
    let opened = RelayFolder::open_or_create(folder.path(), &options());
    assert!(matches!(opened, Err(RelayError::DatabaseMissing { path }) if path == database));
    std::fs::write(&database, kept).unwrap();
    // The root may be kept elsewhere; the key of sealed values may not go missing unnoticed.
    std::fs::remove_file(folder.path().join("root.key")).unwrap();
    drop(RelayFolder::open_or_create(folder.path(), &options()).unwrap());
    std::fs::remove_file(folder.path().join("value.key")).unwrap();
    let opened = RelayFolder::open_or_create(folder.path(), &options());
    assert!(matches!(opened, Err(RelayError::KeyMissing { .. })));
    let nowhere = OfficeDesk::open(folder.path().join("none"), &options());
    assert!(matches!(nowhere, Err(RelayError::NoRelay { .. })));
}
