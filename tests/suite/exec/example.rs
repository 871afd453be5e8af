//! The example that is shipped, as its page shows it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Desk, texts};

#[test]
fn the_example_is_pulled_and_reconciled() {
    let desk = Desk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/plugins");
    for name in ["shared_mailboxes.py", "shared_mailboxes.json"] {
        fs::copy(folder.join(name), desk.path(name)).unwrap();
    }
    let page = fs::read_to_string(folder.join("README.md")).unwrap();
    let block = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    fs::write(desk.path("c.toml"), block).unwrap();
    let (status, out, err) = texts(desk.command(&["config", "check", "--live", "c.toml"]).output().unwrap());
    assert_eq!((status, out.as_str()), (Some(0), "source `mailboxes` (exec): in order\n"), "{err}");
    let pull =
        || texts(desk.command(&["pull", "--config", "c.toml", "--source", "mailboxes"]).output().unwrap());
    let (status, out, err) = pull();
    assert_eq!(status, Some(0), "{err}");
    assert!(err.contains("source `mailboxes`: 2 mailboxes in shared_mailboxes.json"), "{err}");
    let records: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| records.iter().filter(|r| r["type"] == kind).cloned().collect::<Vec<_>>();
    let grants = of("grant");
    assert_eq!(grants.len(), 3);
    assert_eq!((&grants[0]["account"], &grants[0]["ticket"]), (&"omar@example.com".into(), &"REQ-12".into()));
    assert_eq!((&grants[2]["granted_at"], &grants[2]["last_used_at"]), (&Value::Null, &Value::Null));
    assert_eq!(grants[0]["evidence"]["id"], "output#6", "the same in every pull");
    let ends = of("snapshot");
    assert_eq!((ends.len(), &ends[0]["complete"], &ends[0]["systems"][0]), (1, &true.into(), &"mail".into()));
    assert_eq!(ends[0]["taken_at"], grants[0]["observed_at"]);

    let reconcile = || {
        let (_, out, err) = texts(desk.command(&["reconcile", "--config", "c.toml"]).output().unwrap());
        let finding = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        let found = out
            .lines()
            .map(finding)
            .map(|f| format!("{} {}", f["check"], f["subject"]["id"]).replace('"', ""));
        (found.collect::<Vec<_>>(), err)
    };
    let (found, err) = reconcile();
    for finding in
        ["unapproved-grant dunning", "ownerless-identity old-scanner", "orphan-account omar@example.com"]
    {
        assert!(found.iter().any(|f| f == finding), "{finding}: {found:?}\n{err}");
    }
    assert!(!found.iter().any(|f| f.starts_with("source-incomplete")), "{found:?}");

    // What the mail server leaves out accuses nobody, and is said.
    let data = fs::read_to_string(desk.path("shared_mailboxes.json")).unwrap();
    fs::write(
        desk.path("shared_mailboxes.json"),
        data.replace("\"truncated\": false", "\"truncated\": true"),
    )
    .unwrap();
    assert!(pull().1.contains(r#""reason":"the mail server left mailboxes out of its list""#));
    assert!(reconcile().0.iter().any(|f| f.starts_with("source-incomplete")));
    // What it cannot read it says in the words of Python, and none of it counts.
    fs::write(desk.path("shared_mailboxes.json"), "{").unwrap();
    let (status, out, err) = pull();
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(err.contains("it failed with exit status 1") && err.contains("JSONDecodeError"), "{err}");
}
