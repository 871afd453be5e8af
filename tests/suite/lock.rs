//! The lock on a store: one process has it, and however that process ends, the next one gets it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use counterfoil::lock::{LockError, ProcessLock};
use tempfile::TempDir;

/// Names the store to the child that holds its lock.
const STORE: &str = "COUNTERFOIL_TEST_LOCKED_STORE";

/// Whether the lock is free. A test beside this one that starts a process shares our files with it for a moment, and
/// with them the lock, so this asks for a while.
fn is_free(store: &Path) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        ProcessLock::take(store).is_ok()
    })
}

#[test]
fn the_lock_is_had_once_and_given_back() {
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("counterfoil.db");
    let lock = ProcessLock::take(&store).unwrap();
    let error = ProcessLock::take(&store).unwrap_err();
    let own = std::process::id();
    assert!(
        matches!(&error, LockError::Taken { process: Some(process), .. } if *process == own),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!("another counterfoil (process {own}) is running on this store: {}", store.display())
    );
    assert!(ProcessLock::take(&folder.path().join("other.db")).is_ok(), "another store, another lock");
    drop(lock);
    assert!(is_free(&store));
    assert!(!store.exists(), "the store itself is not touched");
}

#[test]
fn what_stands_in_the_file_decides_nothing() {
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("counterfoil.db");
    let file = folder.path().join("counterfoil.db.lock");
    std::fs::write(&file, "99999999999999999999 and a lot more that was left behind").unwrap();
    let lock = ProcessLock::take(&store).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", std::process::id()));
    std::fs::write(&file, "nobody").unwrap();
    let error = ProcessLock::take(&store).unwrap_err().to_string();
    assert!(error.starts_with("another counterfoil is running on this store: "), "{error}");
    drop(lock);
}

#[test]
fn a_lock_that_cannot_be_is_an_error_with_its_file() {
    let folder = TempDir::new().unwrap();
    let error = ProcessLock::take(&folder.path().join("no/such/folder/store.db")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("store.db.lock: the lock of the store cannot be taken: "), "{text}");
}

/// The child of the test below; by itself it does nothing.
#[test]
fn hold_the_lock_for_a_parent() {
    let Some(store) = std::env::var_os(STORE) else { return };
    let _lock = ProcessLock::take(store.as_ref()).unwrap();
    // On a line of its own: the harness of the tests has begun one.
    println!("\nheld");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_process_that_is_killed_gives_the_lock_back() {
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("counterfoil.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["lock::hold_the_lock_for_a_parent", "--exact", "--nocapture"])
        .env(STORE, &store)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "held"));
    let error = ProcessLock::take(&store).unwrap_err();
    assert!(
        matches!(error, LockError::Taken { process: Some(process), .. } if process == child.id()),
        "{error:?}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_free(&store));
}
