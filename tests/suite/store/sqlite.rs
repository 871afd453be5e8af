//! What is particular to SQLite: the file, its schema and how it came about, and how it is written.

use std::fs;
use std::path::Path;

use counterfoil::store::{Sqlite, Store, StoreError};
use rusqlite::Connection;

use super::toy::{Toy, at, pull};
use super::{File, Home};

/// Every file of a store with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap());
    let mut all: Vec<(String, Vec<u8>)> =
        entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect();
    all.sort();
    all
}

/// The schema and its version, as another program sees them.
fn schema(path: &Path) -> (Vec<(String, String)>, u32, u32) {
    let db = Connection::open(path).unwrap();
    let mut statement =
        db.prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let number = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap();
    (rows.map(Result::unwrap).collect(), number("user_version"), number("application_id"))
}

/// Opens what is no store; the error, which names the file. Not a byte of the folder is changed.
fn refused(path: &Path) -> StoreError {
    let folder = path.parent().unwrap();
    let before = files(folder);
    let error = Sqlite::open(path).unwrap_err();
    assert!(files(folder) == before, "the file was touched: {error}");
    error
}

/// A released step never changes: whoever changes this snapshot adds a step in place of editing one.
#[test]
fn the_schema_is_the_one_that_was_released() {
    let home = File::new();
    drop(home.open());
    let (tables, version, application) = schema(&home.path());
    let text: Vec<String> = tables.into_iter().map(|(name, sql)| format!("-- {name}\n{sql}")).collect();
    insta::assert_snapshot!(
        "store_schema",
        format!("application {application:#x}, version {version}\n\n{}", text.join("\n\n"))
    );
}

#[test]
fn opening_twice_changes_nothing() {
    let home = File::new();
    let mut store = home.open();
    pull(&mut *store, "a", &[Toy::grant("g", 0, 1, "vpn")]);
    drop(store);
    let before = (schema(&home.path()), fs::read(home.path()).unwrap());
    for _ in 0..3 {
        drop(home.open());
    }
    assert!((schema(&home.path()), fs::read(home.path()).unwrap()) == before);
}

#[test]
fn a_step_that_was_broken_off_is_done_again() {
    let home = File::new();
    drop(home.open());
    let whole = schema(&home.path());
    // What a power cut leaves behind: the step's transaction, never ended.
    let other = File::new();
    let db = Connection::open(other.path()).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (_, sql) in whole.0.iter().filter(|(_, sql)| !sql.is_empty() && !sql.contains("sqlite_sequence")) {
        // Whatever order they are in, some can be made.
        let _ = db.execute_batch(sql);
    }
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    drop(other.open());
    assert!(schema(&other.path()) == whole);
}

/// Steps go forward: what says that it is newer is left alone, even if it looks like ours.
#[test]
fn a_newer_store_is_refused() {
    let home = File::new();
    drop(home.open());
    let (_, known, _) = schema(&home.path());
    let db = Connection::open(home.path()).unwrap();
    db.pragma_update(None, "user_version", known + 1).unwrap();
    drop(db);
    let error = refused(&home.path());
    assert!(
        matches!(error, StoreError::Newer { found, known: k } if found == known + 1 && k == known),
        "{error:?}"
    );
    let said = error.to_string();
    assert!(
        said.contains(&format!("schema {}", known + 1)) && said.contains("use the newer program"),
        "{said}"
    );
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    for version in [0, 1, 7] {
        let home = File::new();
        let db = Connection::open(home.path()).unwrap();
        db.execute_batch("CREATE TABLE photos (id INTEGER PRIMARY KEY)").unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        drop(db);
        let error = refused(&home.path());
        assert!(matches!(error, StoreError::Broken(_)), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("counterfoil.db: the file is a database of another program"), "{said}");
    }
    for garbage in [&b"hello"[..], &[0; 4096], &b"SQLite format 3\0, but then something else".repeat(100)] {
        let home = File::new();
        fs::write(home.path(), garbage).unwrap();
        let error = refused(&home.path());
        assert!(matches!(error, StoreError::Broken(_)), "{error:?}");
        assert!(error.to_string().contains("counterfoil.db"), "{error}");
    }
    let home = File::new();
    let nowhere = Sqlite::open(&home.spare("no/folder.db")).unwrap_err().to_string();
    assert!(nowhere.contains("no/folder.db"), "{nowhere}");
    let folder = Sqlite::open(home.path().parent().unwrap()).unwrap_err().to_string();
    assert!(folder.contains("cannot be written to"), "{folder}");
}

#[test]
fn tables_are_strict_and_every_commit_is_on_disk() {
    let home = File::new();
    let mut store = home.open();
    pull(&mut *store, "a", &[Toy::grant("g", 0, 1, "vpn")]);
    let db = Connection::open(home.path()).unwrap();
    let mut statement = db
        .prepare("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))).unwrap();
    let tables: Vec<(String, bool)> =
        rows.map(Result::unwrap).filter(|(name, _)| !name.starts_with("sqlite_")).collect();
    assert!(tables.len() > 10 && tables.iter().all(|(_, strict)| *strict), "{tables:?}");
    let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    // Begun by us; and by us, when somebody ended us just after we began it.
    for left_behind in [false, true] {
        let home = File::new();
        if left_behind {
            fs::write(home.path(), "").unwrap();
            fs::set_permissions(home.path(), fs::Permissions::from_mode(0o644)).unwrap();
        }
        let mut store = home.open();
        store.open_run(at(0)).unwrap();
        for (name, _) in files(home.path().parent().unwrap()) {
            assert_eq!(mode(&home.spare(&name)), 0o600, "{name}");
        }
        assert!(files(home.path().parent().unwrap()).len() == 3, "with its WAL");
    }
    // What somebody opened on purpose for a group stays so.
    let home = File::new();
    drop(home.open());
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o640)).unwrap();
    drop(home.open());
    assert_eq!(mode(&home.path()), 0o640);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_written_to_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let home = File::new();
    drop(home.open());
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o400)).unwrap();
    // The superuser may write to anything.
    if fs::OpenOptions::new().append(true).open(home.path()).is_ok() {
        return;
    }
    let opened = Sqlite::open(&home.path()).and_then(|mut store| store.check_writable());
    assert!(matches!(opened, Err(StoreError::ReadOnly(_))), "{opened:?}");
}
