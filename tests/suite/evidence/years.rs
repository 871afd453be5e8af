//! What happens to a log over the years: texts are forgotten, people act, keys change, stores come from before it.

use std::fs;

use counterfoil::store::Sqlite;

use super::site::{CONFIG, Site};

#[test]
fn what_was_forgotten_is_told_from_what_was_removed() {
    let site = Site::new();
    site.run(1, 20);
    site.run(2, 12);
    site.run(3, 12);
    let closed = site.number("SELECT count(*) FROM finding WHERE state = 2");
    assert!(closed >= 8);
    let (id, idx): (String, i64) = {
        let sql = "SELECT e.id, v.idx FROM event e JOIN evidence v ON v.kind = 0 AND v.row = e.row
            JOIN finding f ON f.id = e.finding WHERE f.state = 2 LIMIT 1";
        site.db().query_row(sql, [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap()
    };
    let events = site.number("SELECT count(*) FROM event");
    // `store prune` goes by the clock of the machine, and all this is long over by it or lies ahead: by the store itself.
    let prune = |day: u32| {
        use counterfoil::store::{Retention, Store as _};
        let before = format!("2026-06-{day:02}T00:00:00Z").parse().unwrap();
        Sqlite::open(&site.path("counterfoil.db")).unwrap().prune(Retention { before }).unwrap()
    };
    prune(1);
    assert_eq!(site.number("SELECT count(*) FROM evidence_action"), 0, "what forgets nothing says nothing");
    prune(20);
    assert!(site.number("SELECT count(*) FROM event") < events);
    prune(21);
    assert_eq!(site.number("SELECT count(*) FROM evidence_action"), 1);
    site.run(22, 13);
    let gone = site.number("SELECT count(*) FROM evidence WHERE forgotten IS NOT NULL");
    assert!(gone >= closed * 2, "{gone}");
    let said = site.fine(&["--checkpoint", "siem.jsonl"]);
    assert!(said.contains(&format!("{gone} texts were forgotten, as the log itself says")), "{said}");
    let (_, said) = site.ends(2, &["evidence", "prove", &idx.to_string()]);
    assert!(said.contains("its text was forgotten"), "{said}");
    site.ends(2, &["evidence", "prove", &id]);
    // One more, with the mark that others have.
    let by = site.number("SELECT max(forgotten) FROM evidence");
    let row = site.number("SELECT min(row) FROM event");
    site.tamper(&format!("PRAGMA foreign_keys = OFF; DELETE FROM event WHERE row = {row}; UPDATE evidence SET forgotten = {by} WHERE kind = 0 AND row = {row}"));
    let said = site.faults(&[]);
    assert!(said.contains(&format!("entry {by} says that {gone} texts")), "{said}");
    assert!(said.contains(&format!("and {} others are marked so", gone + 1)), "{said}");
}

#[test]
fn what_people_do_is_in_the_log() {
    let site = Site::new();
    site.run(1, 2);
    let finding =
        site.db().query_row("SELECT id FROM finding LIMIT 1", [], |r| r.get::<_, String>(0)).unwrap();
    let accept = [
        "accept",
        &finding,
        "--until",
        "2027-06-01T00:00:00Z",
        "--reason",
        "moving, REQ-7",
        "--by",
        "carol@corp.example",
    ];
    let until = counterfoil::config::instant(std::time::SystemTime::now())
        .plus(counterfoil::model::Duration::days(9))
        .to_string();
    site.ends(0, &accept.map(|a| if a.starts_with("2027") { &until } else { a }));
    site.put("c.toml", &CONFIG.replace("[accountability]", "[guard]\nrecords = 3\n\n[accountability]"));
    site.run(2, 40);
    let run = site.number("SELECT max(id) FROM run");
    site.ends(0, &["approve", "--run", &run.to_string(), "--by", "dora@corp.example"]);
    site.run(3, 40);
    let actions: Vec<serde_json::Value> = {
        let db = site.db();
        let mut statement = db.prepare("SELECT body FROM evidence_action ORDER BY idx").unwrap();
        let rows = statement.query_map([], |r| r.get::<_, String>(0)).unwrap();
        rows.map(|text| serde_json::from_str(&text.unwrap()).unwrap()).collect()
    };
    assert_eq!(actions.len(), 2);
    for (action, expected) in actions.iter().zip([
        serde_json::json!({"schema": "counterfoil.action/1", "action": "accepted", "by": "carol@corp.example", "finding": finding, "reason": "moving, REQ-7", "until": until}),
        serde_json::json!({"action": "approved", "by": "dora@corp.example", "run": run, "source": "all", "before": 3, "now": 41}),
    ]) {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(action[name], *value, "{name} of {action}");
        }
    }
    site.fine(&[]);
    site.tamper("UPDATE accepted SET until = until + 1000000");
    assert!(site.faults(&[]).contains("is not in the log"));
    site.tamper("UPDATE accepted SET until = until - 1000000; UPDATE evidence_action SET body = replace(body, 'carol', 'nobody')");
    assert!(site.faults(&[]).contains("(an action) was changed"));
}

#[test]
fn a_key_is_changed_in_three_steps_and_not_behind_anybodys_back() {
    let site = Site::new();
    site.run(1, 3);
    let next = site.keygen("next.key");
    let with_next = CONFIG.replace("log.key\"", &format!("next.key\"\nverifiers = [\"{}\"]", site.key));
    let copy = site.copy();
    // Without a word.
    site.put("c.toml", &with_next);
    site.run(2, 4);
    let said = site.faults(&[]);
    assert!(
        said.contains(&format!("is signed by {next}, and no entry before it announces that key")),
        "{said}"
    );
    // As it should be.
    site.tamper("PRAGMA wal_checkpoint(TRUNCATE)");
    fs::copy(&copy.path, site.path("counterfoil.db")).unwrap();
    site.put("c.toml", CONFIG);
    site.ends(
        0,
        &["evidence", "announce", &next, "--by", "carol@corp.example", "--reason", "a year is over"],
    );
    site.run(2, 4);
    site.put("c.toml", &with_next);
    site.run(3, 5);
    let (out, said) = site.ends(0, &["verify"]);
    assert!(out.contains("3 of the store") && !said.contains("took over"), "{out}{said}");
    // The earlier key is not known any more.
    site.put("c.toml", &CONFIG.replace("log.key", "next.key"));
    assert!(site.faults(&[]).contains("no known key"));
    for bad in ["x", &site.text("next.key")] {
        site.ends(2, &["evidence", "announce", bad, "--by", "c", "--reason", "r"]);
    }
    // A key is a secret: a file that exists is not overwritten, and one that others may read is not used.
    let (_, said) = site.ends(2, &["evidence", "keygen", "--out", "next.key"]);
    assert!(said.contains("nothing is overwritten"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(site.path("next.key")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
    site.put("c.toml", &CONFIG.replace("[evidence]", "[evidence]\nverifiers = [\"a+b+c\"]"));
    assert!(site.faults(&[]).contains("[evidence] verifiers: number 1: expected a public key"));
}

#[test]
fn without_a_key_checkpoints_are_kept_and_said_to_be_unsigned() {
    let site = Site::new();
    site.put("c.toml", &CONFIG.replace("key = \"file:log.key\"", ""));
    site.run(1, 3);
    let (out, said) = site.ends(0, &["verify"]);
    assert!(out.contains("1 of the store") && said.contains("there is no key"), "{out}{said}");
    let (note, said) = site.ends(0, &["evidence", "checkpoint"]);
    assert!(note.starts_with("counterfoil\n") && said.contains("nobody signed it"), "{note}{said}");
    assert!(!site.text("siem.jsonl").contains("checkpoint"));
    let (_, said) = site.ends(2, &["evidence", "prove", "0"]);
    assert!(said.contains("nobody signed the checkpoint"), "{said}");
    // Once there is one, signatures begin, and may not end.
    site.put("c.toml", CONFIG);
    site.run(2, 4);
    site.fine(&[]);
    site.put("c.toml", &CONFIG.replace("key = \"file:log.key\"", &format!("verifiers = [\"{}\"]", site.key)));
    site.run(3, 5);
    assert!(site.faults(&[]).contains("is not to be believed: nobody signed it"));
}

/// A store from before there was a log: it begins with what is there.
#[test]
fn a_store_that_had_no_log_begins_one_with_what_it_holds() {
    let site = Site::busy();
    let events = site.number("SELECT count(*) FROM event");
    site.tamper(
        "DROP TABLE evidence; DROP TABLE evidence_action; DROP TABLE evidence_node; DROP TABLE evidence_tree;
         DROP TABLE checkpoint; DROP INDEX finding_look; DROP TABLE slot; PRAGMA user_version = 2;
         INSERT INTO accepted VALUES ('f1:x', 'unapproved-grant', 'carol@corp.example', 'because', 9999999999999, 0)",
    );
    let said = site.faults(&[]);
    assert!(said.contains("schema 2") && said.contains("store show"), "{said}");
    site.ends(0, &["store", "show"]);
    let said = site.fine(&[]);
    assert!(said.contains(&format!("{} entries ({events} events, 3 runs, 2 actions)", events + 5)), "{said}");
    let begun: String =
        site.db().query_row("SELECT body FROM evidence_action ORDER BY idx DESC", [], |r| r.get(0)).unwrap();
    assert!(
        begun.contains(&format!("\"action\":\"begun\",\"events\":{events},\"runs\":3,\"exceptions\":1")),
        "{begun}"
    );
    site.ends(0, &["store", "show"]);
    assert_eq!(site.number("SELECT count(*) FROM evidence"), events + 5);
    // The runs stand where they ended.
    let order = "SELECT count(*) FROM evidence r JOIN evidence e ON r.kind = 1 AND e.kind = 0
        JOIN event x ON x.row = e.row WHERE (x.run <= r.row) <> (e.idx < r.idx)";
    assert_eq!(site.number(order), 0);
    site.run(4, 300);
    site.fine(&[]);
}
