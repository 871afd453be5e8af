//! Whatever is done to the store, and whatever single thing of it is changed, is found; one entry is proven without it.

use std::fs;

use counterfoil::evidence::{Log as _, verify};
use counterfoil::store::{Sqlite, Store};
use rusqlite::Connection;

use super::site::{CONFIG, Site, check};

#[test]
fn a_log_that_nobody_touched_is_fine() {
    let site = Site::busy();
    let events = site.number("SELECT count(*) FROM event");
    let said = site.fine(&["--checkpoint", "siem.jsonl"]);
    assert!(said.contains(&format!("{} entries ({events} events, 3 runs, 0 actions)", events + 3)), "{said}");
    assert!(said.contains("checkpoints that agree: 3 of the store, 3 from elsewhere"), "{said}");
    assert!(said.contains(&format!("signed as far as entry {}", events + 2)), "{said}");
    // As it is printed, with the public key alone, and of a store that somebody writes to.
    let (note, _) = site.ends(0, &["evidence", "checkpoint"]);
    assert!(note.starts_with("corp.example/log\n") && note.contains("\n\n— corp.example/log "), "{note}");
    site.put("note.txt", &note);
    site.put("c.toml", &CONFIG.replace("key = \"file:log.key\"", ""));
    let db = site.db();
    db.execute_batch("BEGIN IMMEDIATE; UPDATE run SET manifest = 'x'").unwrap();
    let said = site.fine(&["--checkpoint", "note.txt", "--key", &site.key]);
    assert!(said.contains("1 from elsewhere") && said.contains("signed as far as"), "{said}");
    drop(db);
    // The programs' sink alone is told, and of what waits only the last.
    assert_eq!(site.text("siem.jsonl").matches("counterfoil.checkpoint/1").count(), 3);
}

#[test]
fn what_was_done_to_it_is_said_with_its_place() {
    let site = Site::busy();
    let event = |row: i64| -> (String, i64) {
        let db = site.db();
        db.query_row("SELECT id, run FROM event WHERE row = ?1", [row], |r| Ok((r.get(0)?, r.get(1)?)))
            .unwrap()
    };
    let ((id, run), all) = (event(8), site.number("SELECT count(*) FROM evidence"));
    let named = format!("entry 7 (event {id} of run {run})");
    let last = site.number("SELECT max(row) FROM event");
    let (last_id, _) = event(last);
    let cases: [(&str, &str, Vec<String>); 12] = [
        (
            "a text",
            "UPDATE event SET body = replace(body, '\"high\"', '\"low\"') WHERE row = 8",
            vec![format!("{named} was changed"), "expected ".to_owned()],
        ),
        (
            "a row with its text",
            "DELETE FROM event WHERE row = 8",
            vec![format!("entry 7 (the event in row 8) was removed")],
        ),
        (
            "an entry",
            "DELETE FROM evidence WHERE idx = 7",
            vec![
                "entry 7 removed: the log goes on with entry 8".to_owned(),
                format!("event {id} of run {run} is not in the log"),
            ],
        ),
        (
            "two entries",
            "UPDATE evidence SET idx = -1 WHERE idx = 7; UPDATE evidence SET idx = 7 WHERE idx = 9; UPDATE evidence SET idx = 9 WHERE idx = -1",
            vec!["is not in its place: it stands after row 10".to_owned()],
        ),
        (
            "two texts",
            "UPDATE event SET body = (SELECT body FROM event WHERE row = 9) WHERE row = 8",
            vec![format!("{named} was changed")],
        ),
        (
            "a hash within a whole subtree, its text with it",
            "UPDATE event SET body = 'x' WHERE row = 8; UPDATE evidence SET hash = x'dfb8a84f12e4c7bb5ef1b7ea1e1b6ad27d5b7c2c0b8c3a5d2f2ff4f5c0a4b9aa' WHERE idx = 7",
            vec![format!("{named} was changed")],
        ),
        (
            "a manifest",
            "UPDATE run SET manifest = replace(manifest, 'true', 'false') WHERE id = 2",
            vec!["(run 2) was changed".to_owned()],
        ),
        (
            "the tail",
            "DELETE FROM evidence WHERE idx >= 600; DELETE FROM event WHERE row >= 600",
            vec!["removed from the end".to_owned()],
        ),
        (
            "an event that never happened",
            "INSERT INTO event (id, finding, run, at, body) VALUES ('e1:forged', 'f', 3, 0, '{}')",
            vec!["event e1:forged of run 3 is not in the log".to_owned()],
        ),
        (
            "an exception that nobody gave",
            "INSERT INTO accepted VALUES ('f1:x', 'unapproved-grant', 'carol@corp.example', 'because', 9999999999999, 0)",
            vec!["the exception for f1:x by carol@corp.example".to_owned()],
        ),
        (
            "a text that no entry says was forgotten",
            "DELETE FROM event WHERE row = 8; UPDATE evidence SET forgotten = 600 WHERE idx = 7",
            vec![
                "1 texts from entry 7 to 7 were removed: they are marked as forgotten by entry 600"
                    .to_owned(),
            ],
        ),
        (
            "a checkpoint",
            "UPDATE checkpoint SET note = (SELECT note FROM checkpoint ORDER BY size LIMIT 1) WHERE size > 0",
            vec!["was changed: it is one of another size".to_owned()],
        ),
    ];
    assert!(all > 612 && last_id != id, "{all}");
    let before = site.copy();
    for (what, sql, expected) in cases {
        site.tamper(sql);
        let said = site.faults(&[]);
        for text in expected {
            assert!(said.contains(&text), "{what}: {text}\n{said}");
        }
        site.tamper("PRAGMA wal_checkpoint(TRUNCATE)");
        fs::copy(&before.path, site.path("counterfoil.db")).unwrap();
        site.fine(&[]);
    }
}

/// Whatever single thing is changed, it does not pass.
#[test]
fn no_cell_can_be_changed() {
    let site = Site::busy();
    let copy = site.copy();
    let all = site.number("SELECT count(*) FROM evidence");
    let run = site.number("SELECT min(idx) FROM evidence WHERE kind = 1");
    let flip = "CAST(substr(hash, 1, 31) || x'00' AS BLOB)";
    let mut changes = vec![
        "UPDATE evidence_tree SET size = size - 1".to_owned(),
        "UPDATE evidence_tree SET nodes = zeroblob(length(nodes))".to_owned(),
        format!("UPDATE evidence_node SET hash = {flip}"),
        "DELETE FROM evidence_node".to_owned(),
        "UPDATE checkpoint SET note = replace(note, 'corp', 'c0rp') || 'x'".to_owned(),
        "UPDATE run SET manifest = NULL WHERE id = 1".to_owned(),
    ];
    for idx in [0, 1, 254, 255, 256, run - 1, run, run + 1, all - 2, all - 1] {
        for change in [
            format!("hash = {flip}"),
            "kind = (kind + 1) % 3".to_owned(),
            "row = row + 1".to_owned(),
            "row = -1".to_owned(),
            "forgotten = idx + 1".to_owned(),
            format!("idx = {all} + 5"),
        ] {
            changes.push(format!("UPDATE evidence SET {change} WHERE idx = {idx}"));
        }
        changes.push(format!("DELETE FROM evidence WHERE idx = {idx}"));
    }
    let whole = fs::read(&copy.path).unwrap();
    for sql in changes {
        fs::write(&copy.path, &whole).unwrap();
        assert_eq!(check(&copy.path).faults, [""; 0]);
        let changed = Connection::open(&copy.path).unwrap().execute(&sql, []).unwrap();
        assert!(changed > 0, "{sql}");
        // What makes the tree none is an error; all else is a fault.
        let store = Sqlite::open_read(&copy.path).unwrap();
        let found = verify(&store.evidence().unwrap(), &[], &[]);
        assert!(found.map_or(true, |report| !report.faults.is_empty()), "{sql}");
    }
}

/// Whoever can write to the store makes it all anew; the SIEM's checkpoints do not agree.
#[test]
fn a_log_that_was_made_anew_or_set_back_does_not_agree_with_the_siem() {
    let site = Site::busy();
    let forged = Site::busy();
    forged.run(4, 200);
    forged.put("theirs.jsonl", &site.text("siem.jsonl"));
    let (note, _) = site.ends(0, &["evidence", "checkpoint"]);
    forged.put("note.txt", &note);
    forged.fine(&[]);
    let said = forged.faults(&["--checkpoint", "note.txt", "--key", &site.key]);
    assert!(said.contains("is not to be believed") && said.contains("no known key"), "{said}");
    assert!(said.contains("something in entries 0 to ") && said.contains("in note.txt says"), "{said}");
    // The forger has the key as well.
    let forged = Site { key: site.key.clone(), ..forged };
    forged.put("log.key", &site.text("log.key"));
    fs::remove_file(forged.path("counterfoil.db")).unwrap();
    forged.run(1, 299);
    forged.run(2, 305);
    forged.fine(&[]);
    let said = forged.faults(&["--checkpoint", "theirs.jsonl"]);
    assert!(
        said.contains("something in entries 0 to ") && said.contains(" (runs 1 to 2) is not what it was"),
        "{said}"
    );
    assert!(said.contains("in theirs.jsonl says") && !said.contains("believed"), "{said}");

    // Set back to where it was.
    let site = Site::busy();
    let (copy, size) = (site.copy(), site.number("SELECT count(*) FROM evidence"));
    site.run(4, 290);
    let now = site.number("SELECT count(*) FROM evidence");
    site.tamper("PRAGMA wal_checkpoint(TRUNCATE)");
    fs::copy(&copy.path, site.path("counterfoil.db")).unwrap();
    site.fine(&[]);
    let said = site.faults(&["--checkpoint", "siem.jsonl"]);
    let expected = format!(
        "entries {size} to {} removed from the end: the checkpoint of {now} entries in siem.jsonl covers them, and the log has {size}",
        now - 1
    );
    assert!(said.contains(&expected), "{expected}\n{said}");

    // Cut by somebody who leaves the rest as if it had never been longer: found where two checkpoints differ.
    site.tamper(&format!("DELETE FROM evidence WHERE idx >= {}", size - 1));
    assert!(site.faults(&[]).contains("removed from the end: the log had"));
}

#[test]
fn one_line_of_the_siem_is_proven_without_the_log() {
    let site = Site::busy();
    let elsewhere = tempfile::tempdir().unwrap();
    let at = |name: &str| elsewhere.path().join(name).to_str().unwrap().to_owned();
    let all: Vec<String> = site.text("siem.jsonl").lines().map(str::to_owned).collect();
    let events: Vec<&String> = all.iter().filter(|l| l.contains("counterfoil.event/1")).collect();
    assert!(events.iter().all(|line| line.contains("\\u200b")));
    for line in [events[0], events[255], events[events.len() - 1]] {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        site.ends(0, &["evidence", "prove", event["id"].as_str().unwrap(), "--out", &at("")]);
        let mut proof = fs::read_dir(elsewhere.path()).unwrap().map(|e| e.unwrap().path());
        let proof = proof.find(|p| p.extension().unwrap() == "tlog-proof").unwrap();
        assert_eq!(fs::read_to_string(proof.with_extension("json")).unwrap(), *line);
        fs::write(at("line.txt"), format!("{line}\n")).unwrap();
        let proof = proof.to_str().unwrap().to_owned();
        let check = |key: &str| {
            ["evidence", "check", "--proof", &proof, "--entry", &at("line.txt"), "--key", key]
                .map(str::to_owned)
        };
        let run = |status, key: &str| {
            let arguments = check(key);
            site.ends(status, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let (said, _) = run(0, &site.key);
        assert!(said.contains("of the log corp.example/log, as its checkpoint of "), "{said}");
        let (_, said) = run(2, &Site::new().key);
        assert!(said.contains("no known key"), "{said}");
        fs::write(at("line.txt"), line.replacen("high", "low", 1)).unwrap();
        let (_, said) = run(2, &site.key);
        assert!(said.contains("this text is not entry"), "{said}");
        for entry in fs::read_dir(elsewhere.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    site.ends(0, &["evidence", "prove", "run:2", "--out", &at("")]);
    site.ends(0, &["evidence", "prove", "3", "--out", &at("")]);
    let (_, said) = site.ends(2, &["evidence", "prove", "3", "--out", &at("")]);
    assert!(said.contains("nothing is overwritten"), "{said}");
    for none in ["e1:none", "run:99", "run:x", "99999"] {
        site.ends(2, &["evidence", "prove", none, "--out", &at("")]);
    }
    // Every entry can be: the way up is the same whatever is kept of it.
    let store = Sqlite::open_read(&site.path("counterfoil.db")).unwrap();
    let log = store.evidence().unwrap();
    for index in 0..log.frontier().unwrap().size() {
        let shown = log.show(index).unwrap().unwrap();
        let head = counterfoil::evidence::Checkpoint::parse(&shown.checkpoint.note).unwrap().head;
        let entry = counterfoil::evidence::tree::leaf(shown.text.as_bytes());
        assert!(
            counterfoil::evidence::tree::includes(&entry, index, head.size, &shown.path, &head.root),
            "{index}"
        );
    }
}
