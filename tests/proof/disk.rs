//! The simulated disk itself: it keeps what was flushed, loses what was not, and tells nobody else's files apart from the real ones.

use lastmile_testkit::Disk;
use lastmile_testkit::disk::{Dirty, Fault, HowLong};
use rusqlite::{Connection, ErrorCode};

/// A disk under a folder that need not be there.
pub fn disk(name: &str) -> (Disk, std::path::PathBuf) {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let no = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = std::path::PathBuf::from(format!("/simulated/{name}-{no}"));
    (Disk::at(&folder), folder.join("file.db"))
}

fn open(path: &std::path::Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, bytes BLOB)")?;
    Ok(connection)
}

fn add(connection: &Connection, n: i64) -> rusqlite::Result<usize> {
    connection.execute("INSERT INTO t VALUES (?1, zeroblob(700))", [n])
}

fn fill(connection: &Connection, numbers: std::ops::Range<i64>) {
    for n in numbers {
        add(connection, n).unwrap();
    }
}

fn numbers(connection: &Connection) -> Vec<i64> {
    let intact: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
    let mut statement = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn two_connections_see_each_other_and_files_stay_in_memory() {
    let (disk, path) = disk("two");
    let (writer, reader) = (open(&path).unwrap(), open(&path).unwrap());
    let mode: String = writer.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    add(&writer, 1).unwrap();
    assert_eq!(numbers(&reader), [1]);
    // A reader keeps its state while the writer goes on, and the writer's checkpoint waits for it.
    reader.execute_batch("BEGIN; SELECT count(*) FROM t").unwrap();
    add(&writer, 2).unwrap();
    assert_eq!(numbers(&reader), [1]);
    writer.busy_timeout(std::time::Duration::ZERO).unwrap();
    let busy = |connection: &Connection| -> bool {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap()
    };
    assert!(busy(&writer));
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(numbers(&reader), [1, 2]);
    assert!(!busy(&writer));
    reader.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = add(&writer, 3).unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    reader.execute_batch("ROLLBACK").unwrap();
    let names = |disk: &Disk| disk.files().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&disk), ["file.db", "file.db-wal"]);
    drop((writer, reader));
    assert_eq!(names(&disk), ["file.db"], "the last connection folds the WAL");
    assert!(!path.exists() && !path.parent().unwrap().exists());
}

#[test]
fn connections_of_many_threads_exclude_each_other() {
    let (_disk, path) = disk("threads");
    drop(open(&path).unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let connection = Connection::open(path).unwrap();
                connection.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
                fill(&connection, thread * 50..thread * 50 + 50);
            });
        }
    });
    assert_eq!(numbers(&open(&path).unwrap()), (0..200).collect::<Vec<_>>());
}

#[test]
fn what_was_flushed_survives_any_cut_and_what_was_not_may_be_lost() {
    let mut torn = 0;
    for seed in 0..400 {
        let (disk, path) = disk("cut");
        let connection = open(&path).unwrap();
        disk.cut_at(disk.operations() + 1 + seed % 50);
        let done = (1..).take_while(|n| add(&connection, *n).is_ok()).count() as i64;
        assert!(disk.is_off());
        assert!(Connection::open(&path).and_then(|again| again.query_row("SELECT 1 FROM t", [], |_| Ok(()))).is_err());
        disk.power_on(seed);
        let before = disk.operations();
        // What died with the power writes nothing more, also when it is closed.
        assert!(add(&connection, 99).is_err());
        drop(connection);
        assert_eq!(disk.operations(), before);
        let found = numbers(&open(&path).unwrap());
        assert!(found == (1..=done).collect::<Vec<_>>() || found == (1..=done + 1).collect::<Vec<_>>(), "{seed}");
        torn += usize::from(found.len() as i64 > done);
    }
    assert!((1..200).contains(&torn), "the commit under way is sometimes there: {torn}");
}

#[test]
fn a_cut_leaves_the_same_for_the_same_seed() {
    let (disk, path) = disk("same");
    let connection = open(&path).unwrap();
    connection.execute_batch("PRAGMA synchronous=OFF").unwrap();
    disk.keep_moments();
    fill(&connection, 0..20);
    let moments = disk.take_moments();
    let last = moments.last().unwrap();
    assert_eq!(last.operation(), disk.operations());
    assert_eq!(last.after_power_cut(3), last.after_power_cut(3));
    let different = (0..20).filter(|seed| last.after_power_cut(*seed) != last.after_power_cut(100)).count();
    assert!(different > 10, "{different}");
}

#[test]
fn a_killed_process_loses_nothing_that_it_wrote() {
    let (disk, path) = disk("killed");
    let connection = open(&path).unwrap();
    connection.execute_batch("PRAGMA synchronous=OFF").unwrap();
    fill(&connection, 0..20);
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    add(&connection, 20).unwrap();
    disk.crash_process();
    assert!(connection.execute_batch("COMMIT").is_err());
    assert_eq!(numbers(&open(&path).unwrap()), (0..20).collect::<Vec<_>>(), "also while the dead one is not dropped");
}

#[test]
fn a_lying_disk_loses() {
    let lost = (0..50)
        .filter(|seed| {
            let (disk, path) = disk("lying");
            let connection = open(&path).unwrap();
            disk.lie_about_sync(true);
            fill(&connection, 0..20);
            disk.power_on(*seed);
            open(&path).and_then(|again| again.query_row("SELECT count(*) FROM t", [], |row| row.get(0))) != Ok(20)
        })
        .count();
    assert!(lost > 25, "{lost}");
}

#[test]
fn faults_strike_once_or_until_cured() {
    let (disk, path) = disk("faults");
    let connection = open(&path).unwrap();
    let code = |connection: &Connection| add(connection, 1).unwrap_err().sqlite_error().unwrap().extended_code;
    disk.fail(Fault::Full, 0, HowLong::Once);
    assert_eq!(code(&connection), rusqlite::ffi::SQLITE_FULL);
    disk.fail(Fault::Write, 0, HowLong::UntilCured);
    assert_eq!(code(&connection), rusqlite::ffi::SQLITE_IOERR_WRITE);
    assert_eq!(code(&connection), rusqlite::ffi::SQLITE_IOERR_WRITE);
    disk.cure();
    for dirty in [Dirty::Kept, Dirty::Forgotten, Dirty::Reverted] {
        disk.fail(Fault::Sync(dirty), 0, HowLong::Once);
        assert_eq!(code(&connection), rusqlite::ffi::SQLITE_IOERR_FSYNC);
    }
    disk.capacity(Some(disk.files().iter().map(|(_, len)| len).sum()));
    let full = (0..100).find_map(|n| add(&connection, n).err()).unwrap();
    assert_eq!(full.sqlite_error_code(), Some(ErrorCode::DiskFull));
    disk.capacity(None);
    add(&connection, 1000).unwrap();
    assert_eq!(numbers(&connection).last(), Some(&1000));
    // What a failed flush forgot is read until the power goes, and then it is not there.
    disk.fail(Fault::Sync(Dirty::Forgotten), 0, HowLong::Once);
    assert!(connection.execute_batch("PRAGMA wal_checkpoint").is_err() || add(&connection, 1001).is_err());
}

#[test]
fn a_snapshot_opens_under_another_folder() {
    let (first, path) = disk("first");
    let connection = open(&path).unwrap();
    fill(&connection, 0..20);
    let snapshot = first.snapshot();
    add(&connection, 20).unwrap();
    let (second, elsewhere) = disk("second");
    second.restore(&snapshot);
    let clone = open(&elsewhere).unwrap();
    assert_eq!(numbers(&clone), (0..20).collect::<Vec<_>>());
    fill(&clone, 21..300);
    assert_eq!(numbers(&connection), (0..=20).collect::<Vec<_>>(), "neither touches the other");
    first.restore(&snapshot);
    assert!(add(&connection, 22).is_err(), "what was open is dead");
    assert_eq!(numbers(&open(&path).unwrap()), (0..20).collect::<Vec<_>>());
    assert_eq!(first.files()[0].0, "file.db");
}

#[test]
fn rot_stays() {
    let (disk, path) = disk("rot");
    drop(open(&path).unwrap());
    let whole = disk.snapshot().read("file.db").unwrap();
    assert!(disk.flip("file.db", 5000, 3) && !disk.flip("file.db", whole.len(), 0) && !disk.flip("no file", 0, 0));
    disk.power_on(0);
    let rotten = disk.snapshot().read("file.db").unwrap();
    assert_eq!((rotten.len(), rotten[5000] ^ whole[5000]), (whole.len(), 8));
    assert!(disk.truncate("file.db", 4096));
    disk.power_on(0);
    assert_eq!(disk.files(), [("file.db".to_owned(), 4096)]);
    assert_eq!(disk.snapshot().read("file.db").unwrap(), whole[..4096]);
}

#[test]
fn thousands_of_disks_come_and_go() {
    for _ in 0..3000 {
        let (disk, path) = disk("many");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (n INTEGER)").unwrap();
        disk.crash_process();
    }
    // Other tests have some open meanwhile.
    assert!(Disk::held() < 300, "{}", Disk::held());
}

#[test]
fn other_files_are_the_real_ones() {
    let (disk, _) = disk("beside");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.db");
    let connection = open(&path).unwrap();
    add(&connection, 1).unwrap();
    assert!(path.exists() && folder.path().join("file.db-wal").exists());
    assert_eq!(disk.operations(), 0);
    drop(connection);
    // A folder is the real file system's again when its disk is gone.
    let claimed = Disk::at(folder.path());
    assert!(Connection::open(&path).unwrap().prepare("SELECT n FROM t").is_err());
    drop(claimed);
    assert_eq!(numbers(&open(&path).unwrap()), [1]);
}
