//! Folders and files of every format version open.

use std::path::Path;

use lastmile_client::{Replica, ReplicaOptions};
use lastmile_store::query::Query;

#[test]
fn a_device_folder_of_version_1_opens_rebuilds_and_reads_its_bundle() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1");
    let folder = tempfile::tempdir().unwrap();
    for name in ["replica.db", "device.key", "mark", "day.lastmile"] {
        std::fs::copy(fixture.join(name), folder.path().join(name)).unwrap();
    }
    let replica = Replica::open(folder.path(), ReplicaOptions::default()).unwrap();
    let titles = replica.read(|reader| {
        let query = Query::new(reader.type_no("activity").unwrap(), &["title", "note", "state"]);
        reader.rows(&query).unwrap()
    });
    let cells: Vec<&str> = titles[0].cells.iter().filter_map(|cell| cell.text()).collect();
    assert_eq!(cells, ["清洁日", "改到下午", "submitted"]);
    let rebuilt = replica.with_store(|store| store.rebuild(&mut |_, _| {})).unwrap();
    assert_eq!(rebuilt.before, rebuilt.after);
    assert_eq!(replica.with_store(|store| store.check(&mut |_, _| {})).unwrap(), []);
    let bundle = replica.import_bundle(&folder.path().join("day.lastmile")).unwrap();
    assert!(bundle.batches > 0);
    assert_eq!(bundle.appended, 0, "everything in it is held");
}
