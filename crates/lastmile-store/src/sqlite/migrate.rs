//! Numbered migrations of the fixed tables.

use std::path::Path;

use rusqlite::Connection;

use super::explain;
use crate::StoreError;

/// Marks a file as a Lastmile replica: "LMIL".
const APPLICATION_ID: i64 = 0x4c4d_494c;

/// Every migration in order; the format's number is how many have run.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../../../schema/sql/migrations/0001_start.sql"),
    include_str!("../../../../schema/sql/migrations/0002_erased.sql"),
    include_str!("../../../../schema/sql/migrations/0003_files.sql"),
];

fn pragma(connection: &Connection, name: &str, path: &Path) -> Result<i64, StoreError> {
    connection
        .query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
        .map_err(|error| explain("reading the format", path, error))
}

/// Refuses a file that is newer than this program or no replica.
pub(super) fn refuse_foreign(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let application = pragma(connection, "application_id", path)?;
    let found = pragma(connection, "user_version", path)?;
    if application != APPLICATION_ID {
        return Err(StoreError::NotAReplica { path: path.to_owned() });
    }
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// Returns the file's format, 0 for one without tables; refuses what is newer or no replica without touching it.
pub(super) fn format(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| explain("reading the format", path, error))?;
    if tables == 0 { Ok(0) } else { refuse_foreign(connection, path) }
}

/// Brings the file to the newest format, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| explain("migrating the replica", path, error);
    let found = format(connection, path)?;
    let done = usize::try_from(found).unwrap_or(0);
    for (number, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        transaction.execute_batch(sql).map_err(failed)?;
        let version = number.saturating_add(1);
        transaction
            .execute_batch(&format!("PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={version};"))
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn migrated_equals_current_and_again_does_nothing() {
        let path = Path::new("test");
        let mut migrated = Connection::open_in_memory().unwrap();
        migrate(&mut migrated, path).unwrap();
        let current = Connection::open_in_memory().unwrap();
        current.execute_batch(include_str!("../../../../schema/sql/current.sql")).unwrap();
        assert_eq!(schema(&migrated), schema(&current));
        migrate(&mut migrated, path).unwrap();
        assert_eq!(schema(&migrated), schema(&current));
    }

    #[test]
    fn a_newer_file_is_refused() {
        let path = Path::new("test");
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, path).unwrap();
        connection.execute_batch("PRAGMA user_version=99").unwrap();
        assert!(matches!(migrate(&mut connection, path), Err(StoreError::Newer { found: 99, .. })));
    }

    #[test]
    fn another_programs_file_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(migrate(&mut connection, Path::new("test")), Err(StoreError::NotAReplica { .. })));
    }
}
