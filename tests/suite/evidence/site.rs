//! A small company with a log, and what is done to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use counterfoil::evidence::{Report, verify};
use counterfoil::store::{Sqlite, Store};
use rusqlite::Connection;
use tempfile::TempDir;

pub const CONFIG: &str = r#"[store]
path = "counterfoil.db"
keep = "P30D"

[evidence]
key = "file:log.key"

[accountability]
operator = "ops@corp.example"

[[source]]
id = "all"
connector = "records"
files = ["records.jsonl"]

[[sink]]
id = "siem"
heartbeat = "PT0S"
file = { path = "siem.jsonl" }
"#;

/// A small company whose log has a key, a folder for it, and a SIEM that keeps what it is told.
pub struct Site {
    pub folder: TempDir,
    pub key: String,
}

impl Site {
    pub fn new() -> Self {
        let mut site = Self { folder: tempfile::tempdir().unwrap(), key: String::new() };
        site.key = site.keygen("log.key");
        site.put("c.toml", CONFIG);
        site
    }

    /// After three runs with more findings than there are entries in one subtree of which the hash is kept.
    pub fn busy() -> Self {
        let site = Self::new();
        for (day, grants) in [(1, 300), (2, 304), (3, 301)] {
            site.run(day, grants);
        }
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        let configured = !arguments.contains(&"keygen") && !arguments.contains(&"check");
        command.args(arguments).args(configured.then_some(["--config", "c.toml"]).iter().flatten());
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null()).output().unwrap()
    }

    /// Runs what must end with this status; its standard output and standard error.
    pub fn ends(&self, status: i32, arguments: &[&str]) -> (String, String) {
        let output = self.output(arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{out}\n{err}");
        (out, err)
    }

    pub fn keygen(&self, file: &str) -> String {
        self.ends(0, &["evidence", "keygen", "--name", "corp.example/log", "--out", file]).0.trim().to_owned()
    }

    /// A run in which so many hold what nobody approved.
    pub fn run(&self, day: u32, grants: usize) {
        let mut records = String::from("{\"type\":\"identity\",\"id\":\"ops@corp.example\"}\n");
        for n in 0..grants {
            // The name holds what a terminal would hide: the log has the text as programs are told it.
            records.push_str(&format!(
                "{{\"type\":\"grant\",\"system\":\"vpn\",\"account\":\"p{n}\u{200b}\",\"entitlement\":\"use\"}}\n"
            ));
        }
        self.put("records.jsonl", &records);
        let now = format!("2026-06-{day:02}T00:00:00Z");
        self.ends(0, &["reconcile", "--format", "compact", "--now", &now]);
    }

    pub fn db(&self) -> Connection {
        Connection::open(self.path("counterfoil.db")).unwrap()
    }

    pub fn number(&self, sql: &str) -> i64 {
        self.db().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Does something to the store that the program would not do.
    pub fn tamper(&self, sql: &str) {
        self.db().execute_batch(sql).unwrap();
    }

    /// What `verify` says is wrong, with these further arguments.
    pub fn faults(&self, more: &[&str]) -> String {
        let (_, said) = self.ends(2, &[&["verify"], more].concat());
        said
    }

    pub fn fine(&self, more: &[&str]) -> String {
        self.ends(0, &[&["verify"], more].concat()).0
    }

    /// The store as it is, in another place.
    pub fn copy(&self) -> Copy {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.db");
        self.ends(0, &["store", "backup", path.to_str().unwrap()]);
        Copy { _folder: folder, path }
    }
}

/// A copy of a store, to be broken.
pub struct Copy {
    _folder: TempDir,
    pub path: PathBuf,
}

pub fn check(path: &Path) -> Report {
    verify(&Sqlite::open_read(path).unwrap().evidence().unwrap(), &[], &[]).unwrap()
}
