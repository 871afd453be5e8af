//! What is kept between pulls, where something is in the way.

use serde_json::json;

use super::*;

fn open(folder: &Path) -> Keep {
    Keep::open(Some(folder), "../odd \0 id", "same", Instant::from_unix_ms(1000), Duration::days(1))
}

fn pull(keep: &mut Keep, key: &str) -> Batch {
    let mut rows = keep.rows("../step", false, false).unwrap();
    rows.add(key.to_owned(), &json!({ "id": key })).unwrap();
    rows.saw("", Instant::from_unix_ms(0));
    keep.done(rows, Value::Null).unwrap()
}

#[test]
fn two_pulls_of_a_source_do_not_write_into_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = open(folder.path());
    let mut second = open(folder.path());
    assert_eq!(pull(&mut first, "a").rows, 1);
    assert_eq!(pull(&mut second, "b").rows, 1);
    second.commit().unwrap();
    first.commit().unwrap();
    assert_eq!(pull(&mut open(folder.path()), "c").rows, 2, "what the first kept, and the new one");
    let inside = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(inside, 1, "nothing is beside the folder of the source");
}

#[test]
fn a_pull_goes_on_where_nothing_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let mut keep = open(&file);
    assert_eq!(pull(&mut keep, "a").rows, 1);
    keep.commit().unwrap();
    let mut keep = open(folder.path());
    let own = keep.folder.clone().unwrap();
    fs::remove_dir_all(&own).unwrap();
    assert_eq!(pull(&mut keep, "a").rows, 1);
    keep.commit().unwrap();
    assert!(!own.exists());
}

#[test]
fn rows_that_nothing_says_since_when_for_are_asked_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut keep = open(folder.path());
    let mut rows = keep.rows("step", false, false).unwrap();
    rows.add("gone".to_owned(), &json!({"id": "gone"})).unwrap();
    keep.done(rows, Value::Null).unwrap();
    keep.commit().unwrap();
    let keep = open(folder.path());
    assert!(!keep.rows("step", false, false).unwrap().has("gone"), "the whole list will come again");
    assert!(keep.rows("step", true, false).unwrap().has("gone"), "events stay");
}
