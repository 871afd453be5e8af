//! The forms of a pack: pages in which nothing that a name holds does anything, cells that are no formulas, and OSCAL that an
//! independent program accepts.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::process::Command;

use counterfoil::audit::{MANIFEST, SUMS, Spool, Zipped, gather, html, oscal, zipped};
use serde_json::json;

use super::{all_rules, asked, history, rows, tables};
use crate::life::{BOSS, Bench, grant, ticket};
use crate::servers;

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "=HYPERLINK(\"http://evil.example\")",
    "@SUM(A1)",
    "+1",
    "-1",
    "\u{202e}gnp.exe",
    "' onclick='x",
    "]]></style><style>",
    "a,b\"c",
];

fn hostile() -> Bench {
    let mut bench = Bench::new(all_rules());
    for name in HOSTILE {
        let mut own = grant(name);
        own["entitlement"] = json!(name);
        own["system"] = json!(name);
        own["scope"] = json!(name);
        bench.put("iam", own);
        bench.put("tickets", ticket(name, "approved", &[BOSS]));
    }
    bench.pull();
    bench
}

#[test]
fn a_zip_holds_the_tables_to_the_byte_and_never_more_than_there_is_room_for() {
    let (mut bench, _) = history();
    let store = bench.engine.store();
    let memory = || -> io::Result<Box<dyn Spool>> { Ok(Box::new(Cursor::new(vec![]))) };
    let read = |make: &dyn Fn() -> io::Result<Box<dyn Spool>>| {
        let Zipped::Whole(mut spool, length, at) = zipped(store, &asked(None), 1 << 20, make).unwrap() else {
            panic!()
        };
        let mut bytes = vec![];
        spool.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, length);
        (bytes, at)
    };
    let (bytes, at) = read(&memory);
    assert!(read(&|| Ok(Box::new(tempfile::tempfile().unwrap()))).0 == bytes, "wherever it is kept");
    let (files, pack) = tables(store, &asked(None));
    assert_eq!(at, pack.head.as_of);
    let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let mut names: Vec<String> = vec![];
    for n in 0..zip.len() {
        let mut file = zip.by_index(n).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let name = file.name().unwrap().into_owned();
        assert!(files.get(&name).is_none_or(|own| *own == text), "{name}");
        assert_eq!(file.last_modified(), Some(zip::DateTime::default()), "{name}");
        names.push(name);
    }
    assert_eq!(names.len(), files.len() + 2);
    assert_eq!(names[names.len() - 2..], [MANIFEST, SUMS]);
    assert!(files.keys().all(|name| names.contains(name)));
    for room in [0, 100, 1000] {
        assert!(matches!(zipped(store, &asked(None), room, &memory).unwrap(), Zipped::TooLarge), "{room}");
    }
    // A disk that is full is said, and nothing is handed out.
    for room in [0, 100, 1500] {
        let narrow = || -> io::Result<Box<dyn Spool>> { Ok(Box::new(Narrow(Cursor::new(vec![]), room))) };
        let failed = zipped(store, &asked(None), 1 << 20, &narrow).err().map(|e| e.to_string());
        assert!(failed.as_deref().is_some_and(|e| e.contains("the disk is full")), "{room}: {failed:?}");
    }
}

/// Keeps so many bytes.
struct Narrow(Cursor<Vec<u8>>, usize);

impl Read for Narrow {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1 = self.1.checked_sub(bytes.len()).ok_or_else(|| io::Error::other("the disk is full"))?;
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Narrow {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn no_name_becomes_markup_and_none_hides() {
    let mut bench = hostile();
    let pack = gather(bench.engine.store(), &asked(None), &mut ()).unwrap();
    let page = html(&pack);
    for piece in ["<script", "<img", "onerror=alert(1)>", "\u{202e}", "' onclick='", "]]></style>"] {
        assert!(!page.contains(piece), "{piece}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("\\u{202e}gnp.exe"));
    // One style, no script, nothing that is fetched, no handler.
    assert_eq!(page.matches("<style>").count(), 1);
    for piece in ["<link", "src=", "url(", "javascript:", "@import", " style=", "http://www"] {
        let own = page.replace("&quot;&gt;&lt;img src=x", "");
        assert!(!own.contains(piece), "{piece}");
    }
    // As XML, every element is closed.
    let body = page.split_once("<body>").unwrap().1.split_once("</body>").unwrap().0;
    let mut reader = quick_xml::Reader::from_str(body);
    let mut open: Vec<String> = vec![];
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(e) => open.push(e.name().as_ref().to_owned()),
            quick_xml::events::Event::End(e) => assert_eq!(open.pop().unwrap(), *e.name().as_ref()),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
}

#[test]
fn no_cell_is_a_formula() {
    let mut bench = hostile();
    let (files, _) = tables(bench.engine.store(), &asked(None));
    let mut found = 0;
    for (name, text) in &files {
        for row in rows(text) {
            for (column, cell) in row {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{name} {column}: {cell}");
                found += usize::from(HOSTILE.iter().any(|h| cell == *h || cell == format!("'{h}")));
            }
        }
    }
    assert!(found > HOSTILE.len() * 3, "the names are there");
}

#[test]
fn trestle_takes_the_results() {
    let Some(programs) = servers::python("trestle", &["compliance-trestle==5.2.0"]) else { return };
    let (mut bench, past) = history();
    let mut odd = hostile();
    let folder = tempfile::tempdir().unwrap();
    let works = |command: &mut Command| {
        let done = command.current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        (done.status.success(), said)
    };
    assert!(works(Command::new(programs.join("trestle")).arg("init")).0);
    let packs = [
        gather(bench.engine.store(), &asked(Some(past[6])), &mut ()).unwrap(),
        gather(bench.engine.store(), &asked(Some(past[0])), &mut ()).unwrap(),
        gather(odd.engine.store(), &asked(None), &mut ()).unwrap(),
    ];
    let place = |n: usize| folder.path().join(format!("assessment-results/p{n}/assessment-results.json"));
    for (n, pack) in packs.iter().enumerate() {
        std::fs::create_dir_all(place(n).parent().unwrap()).unwrap();
        std::fs::write(place(n), oscal(pack).to_string()).unwrap();
    }
    let validate = || works(Command::new(programs.join("trestle")).args(["validate", "--all"]));
    let (fine, said) = validate();
    assert!(fine && said.matches("VALID: Model").count() == 3, "{said}");
    // That it looks is shown by a breach.
    let mut broken = oscal(&packs[0]);
    broken["assessment-results"]["results"][0]["findings"][0]["target"]["status"]["state"] = json!("perhaps");
    std::fs::write(place(1), broken.to_string()).unwrap();
    assert!(!validate().0);
}

#[test]
fn oscal_ids_lead_somewhere() {
    let (mut bench, past) = history();
    let pack = gather(bench.engine.store(), &asked(Some(past[6])), &mut ()).unwrap();
    let all = oscal(&pack);
    let result = &all["assessment-results"]["results"][0];
    let ids = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|o| o["uuid"].as_str().unwrap().to_owned()).collect()
    };
    let observations = ids(&result["observations"]);
    assert_eq!(observations.len() as u64, pack.list.total() + pack.population.len() as u64);
    let local = &result["local-definitions"];
    let subjects = [ids(&local["components"]), ids(&local["inventory-items"])].concat();
    for o in result["observations"].as_array().unwrap() {
        for s in o["subjects"].as_array().into_iter().flatten() {
            assert!(subjects.contains(&s["subject-uuid"].as_str().unwrap().to_owned()));
        }
    }
    let mut failed = 0;
    for f in result["findings"].as_array().unwrap() {
        failed += usize::from(f["target"]["status"]["reason"] == "fail");
        for o in f["related-observations"].as_array().into_iter().flatten() {
            assert!(observations.contains(&o["observation-uuid"].as_str().unwrap().to_owned()));
        }
    }
    assert!(failed > 0);
    let mut every = [observations, subjects, ids(&result["findings"])].concat();
    let all = every.len();
    every.sort_unstable();
    every.dedup();
    assert_eq!(every.len(), all);
}
