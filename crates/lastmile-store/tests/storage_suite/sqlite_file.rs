//! What only a file has: reopening, refusing, locking, and views that are made anew.

use std::fs;
use std::path::{Path, PathBuf};

use lastmile_model::Catalogue;
use lastmile_store::StoreError;
use lastmile_store::query::{Query, Test};
use lastmile_store::sqlite::{self, OpenOptions, SqliteStorage};
use lastmile_store::storage::{Cell, ChangeState, Durability, Odd, Position, Storage, StoredSeal, Strand};
use rusqlite::Connection;

use crate::engines::{NONE, chain, ids, insert, insert_found, open, record, rows, scope, strand, text, type_no, write};
use crate::operations::{TYPES, dump};

/// A folder with the path of a replica in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replica.db");
    (folder, path)
}

fn try_open(path: &Path) -> Result<Box<dyn Storage>, StoreError> {
    sqlite::open(path, &OpenOptions::default(), Catalogue::builtin())
}

fn fill(storage: &mut dyn Storage) {
    write(storage, |storage| {
        let no = storage.add_scope(&scope(1))?;
        storage.put_strand(&Strand { viewed: 1, ..strand(1, no, 1) })?;
        storage.put_blob(1, 1, 1, b"packed")?;
        storage.put_seal(&StoredSeal { strand: 1, seq: 1, chain: chain(1), signature: [3; 64] })?;
        storage.put_extra(no, record(1), Position(1))?;
        storage.put_odd(&Odd {
            scope: no,
            position: Position(2),
            state: ChangeState::Opaque,
            reason: "newer".to_owned(),
            record_type: "person".to_owned(),
            record: record(2),
        })?;
        storage.put_meta("device", b"one")?;
        assert!(insert_found(storage, no, "person", 1, &[("name", text("张伟"))], Some(("张 伟", "zw"))));
        Ok(())
    });
}

fn finds_zw(storage: &dyn Storage) -> Vec<u8> {
    let mut query = Query::new(type_no("person"), &[]);
    query.find = Some("zw".to_owned());
    ids(storage, &query)
}

#[test]
fn reopening_keeps_everything() {
    let (_folder, path) = place();
    let mut storage = open(&path);
    fill(&mut *storage);
    let before = dump(&*storage, &TYPES);
    drop(storage);
    for _ in 0..2 {
        let storage = open(&path);
        assert_eq!(dump(&*storage, &TYPES), before);
        assert_eq!(finds_zw(&*storage), [1]);
        assert_eq!(storage.integrity().unwrap(), Vec::<String>::new());
    }
    // A reading handle needs no writer.
    let reader = SqliteStorage::open_reader(&path, &OpenOptions::default(), Catalogue::builtin()).unwrap();
    assert_eq!(dump(&*reader, &TYPES), before);
}

#[test]
fn an_open_transaction_dies_with_its_handle() {
    let (_folder, path) = place();
    let mut storage = open(&path);
    storage.begin(Durability::Full).unwrap();
    storage.put_meta("device", b"lost").unwrap();
    drop(storage);
    assert_eq!(open(&path).meta("device").unwrap(), None);
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let (_folder, path) = place();
    let mut first = open(&path);
    assert!(matches!(try_open(&path), Err(StoreError::InUse { path: named }) if named == path));
    let reader = SqliteStorage::open_reader(&path, &OpenOptions::default(), Catalogue::builtin()).unwrap();
    fill(&mut *first);
    assert_eq!(finds_zw(&*reader), [1]);
    assert!(matches!(try_open(&path), Err(StoreError::InUse { .. })));
    drop(first);
    fill(&mut *open(&path.with_file_name("other.db")));
    write(&mut *open(&path), |storage| storage.put_meta("device", b"two"));
    assert_eq!(reader.meta("device").unwrap().as_deref(), Some(b"two".as_slice()));
}

#[test]
fn another_programs_file_is_refused_and_stays_as_it_is() {
    let (_folder, path) = place();
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("PRAGMA application_id=7; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);").unwrap();
    drop(theirs);
    let before = fs::read(&path).unwrap();
    assert!(matches!(try_open(&path), Err(StoreError::NotAReplica { path: named }) if named == path));
    let reader = SqliteStorage::open_reader(&path, &OpenOptions::default(), Catalogue::builtin());
    assert!(matches!(reader, Err(StoreError::NotAReplica { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let (_folder, path) = place();
    fs::write(&path, "name,phone\n".repeat(500)).unwrap();
    assert!(matches!(try_open(&path), Err(StoreError::WrongKey { .. })));
    assert_eq!(fs::read(&path).unwrap(), "name,phone\n".repeat(500).into_bytes());
}

#[test]
fn a_newer_file_is_refused() {
    let (_folder, path) = place();
    fill(&mut *open(&path));
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version=99").unwrap();
    let before = fs::read(&path).unwrap();
    let refused = try_open(&path).map(drop);
    assert!(matches!(&refused, Err(StoreError::Newer { found: 99, known, .. }) if *known < 99));
    assert!(refused.unwrap_err().to_string().contains("update the program"));
    let reader = SqliteStorage::open_reader(&path, &OpenOptions::default(), Catalogue::builtin());
    assert!(matches!(reader, Err(StoreError::Newer { found: 99, .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[cfg(not(feature = "encryption"))]
#[test]
fn a_key_needs_encryption_in_the_build() {
    let (_folder, path) = place();
    let options = OpenOptions { key: Some([7; 32]), without_search: false };
    assert!(matches!(sqlite::open(&path, &options, Catalogue::builtin()), Err(StoreError::NoEncryption)));
    assert!(!format!("{options:?}").contains('7'), "a key is never printed");
}

#[cfg(feature = "encryption")]
#[test]
fn an_encrypted_file_shows_nothing_and_opens_with_its_key_alone() {
    let (folder, path) = place();
    let keyed = |byte: u8| OpenOptions { key: Some([byte; 32]), without_search: false };
    let open_with = |options: &OpenOptions| sqlite::open(&path, options, Catalogue::builtin());
    let mut storage = open_with(&keyed(7)).unwrap();
    fill(&mut *storage);
    let before = dump(&*storage, &TYPES);
    // Neither the database nor its log, which is not yet moved into it, shows what was written.
    for marker in ["张伟".as_bytes(), b"packed", b"SQLite format 3", b"CREATE TABLE"] {
        for file in fs::read_dir(folder.path()).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(marker.len()).any(|at| at == marker));
        }
    }
    assert!(fs::metadata(&path).unwrap().len() > 0);
    drop(storage);
    assert!(matches!(try_open(&path), Err(StoreError::WrongKey { .. })));
    assert!(matches!(open_with(&keyed(8)).map(drop), Err(StoreError::WrongKey { .. })));
    let storage = open_with(&keyed(7)).unwrap();
    assert_eq!(dump(&*storage, &TYPES), before);
    assert_eq!(finds_zw(&*storage.reader().unwrap()), [1]);
}

#[test]
fn a_folder_that_is_missing_or_a_file_is_named_as_the_cause() {
    let (folder, path) = place();
    fs::write(&path, "").unwrap();
    for place in [folder.path().join("missing/replica.db"), path.join("replica.db")] {
        let error = try_open(&place).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::Engine { .. }), "{error:?}");
        assert!(error.to_string().starts_with("creating the lock file: "), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = place();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.path().join("probe"), "").is_ok() {
        eprintln!("skipped: this user may write everywhere, so permissions say nothing");
        return;
    }
    let refused = try_open(&path).map(drop);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(refused, Err(StoreError::ReadOnly { path: named }) if named == path));
}

#[test]
fn another_shape_of_the_catalogue_empties_the_views_alone() {
    let (_folder, path) = place();
    fill(&mut *open(&path));
    let addition = "name = \"person\"\nzh = \"人员\"\nen = \"Person\"\nfields = [\n  { name = \"nickname\", kind = \"text\", max = 20, \
                    merge = \"R\", level = 2, indexed = true, zh = \"小名\", en = \"Nickname\" },\n]\n";
    let wider = Catalogue::builtin().extended("more.toml", addition).unwrap();

    let mut storage = sqlite::open(&path, &OpenOptions::default(), &wider).unwrap();
    assert_eq!(ids(&*storage, &Query::new(type_no("person"), &[])), NONE);
    assert_eq!(finds_zw(&*storage), NONE);
    assert_eq!(storage.odds(None).unwrap(), []);
    assert!(!storage.has_extras(1).unwrap());
    assert_eq!(storage.strands().unwrap(), [strand(1, 1, 1)], "to be viewed from the first commit on");
    assert_eq!(storage.blob_with(1, 1).unwrap().unwrap().packed, b"packed");
    assert_eq!(storage.seals(1).unwrap().len(), 1);
    assert_eq!(storage.meta("device").unwrap().as_deref(), Some(b"one".as_slice()));
    write(&mut *storage, |storage| Ok(insert(storage, 1, "person", 5, &[])));
    let query = Query::new(type_no("person"), &["nickname"]).filter("nickname", Test::IsNull, Cell::Null);
    assert_eq!(rows(&*storage, &query).len(), 1);
    drop(storage);

    // The same shape again keeps the rows, the older one makes the views anew once more.
    let storage = sqlite::open(&path, &OpenOptions::default(), &wider).unwrap();
    assert_eq!(ids(&*storage, &Query::new(type_no("person"), &[])), [5]);
    drop(storage);
    let storage = open(&path);
    assert_eq!(ids(&*storage, &Query::new(type_no("person"), &[])), NONE);
    assert_eq!(storage.integrity().unwrap(), Vec::<String>::new());
}

#[test]
fn views_made_by_other_rules_are_made_anew() {
    let (_folder, path) = place();
    fill(&mut *open(&path));
    let person = type_no("person");
    let filled = ids(&*open(&path), &Query::new(person, &[]));
    assert_ne!(filled, NONE);
    let mut storage = open(&path);
    let shape = String::from_utf8(storage.meta("views.shape").unwrap().unwrap()).unwrap();
    let rules = format!("-- rules {}\n", lastmile_store::columns::EVALUATION);
    assert!(shape.starts_with(&rules), "{shape}");
    let other = shape.replacen(&rules, "-- rules 0\n", 1);
    write(&mut *storage, |storage| storage.put_meta("views.shape", other.as_bytes()));
    drop(storage);
    let storage = open(&path);
    assert_eq!(ids(&*storage, &Query::new(person, &[])), NONE);
    assert_eq!(storage.strands().unwrap(), [strand(1, 1, 1)], "to be viewed from the first commit on");
}

#[test]
fn type_names_that_look_alike_do_not_collide() {
    let (_folder, path) = place();
    let more = |name: &str| {
        let field = "merge = \"R\", level = 0, search = true, indexed = true, zh = \"甲\", en = \"A\"";
        format!(
            "name = \"{name}\"\nzh = \"甲\"\nen = \"A\"\nscope = \"any\"\nfields = [\n  \
             {{ name = \"data\", kind = \"text\", max = 20, {field} }},\n  {{ name = \"rec\", kind = \"text\", max = 20, {field} }},\n  \
             {{ name = \"position\", kind = \"text\", max = 20, {field} }},\n  {{ name = \"more\", kind = \"text\", max = 20, {field} }},\n]\n"
        )
    };
    let catalogue = ["team_data", "team_name", "team_words", "team_words_data", "team_id"]
        .iter()
        .fold(Catalogue::builtin().clone(), |catalogue, name| catalogue.extended("more.toml", &more(name)).unwrap());
    let storage = sqlite::open(&path, &OpenOptions::default(), &catalogue).unwrap();
    assert_eq!(storage.integrity().unwrap(), Vec::<String>::new());
    for number in 0..catalogue.types().len() {
        assert_eq!(ids(&*storage, &Query::new(number, &["id"])), NONE);
    }
}
