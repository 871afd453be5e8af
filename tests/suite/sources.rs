//! Sources as a configuration names them: files by patterns and by age, one way to read and no other, and each asked whether
//! it is in order.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use counterfoil::config::Config;
use tempfile::TempDir;

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of one record, modified so many hours ago.
    fn export(&self, name: &str, id: &str, hours: u64) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), format!("{{\"type\":\"system\",\"id\":\"{id}\"}}\n")).unwrap();
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        fs::File::options().write(true).open(self.path(name)).unwrap().set_modified(then).unwrap();
    }

    fn configure(&self, text: &str) {
        fs::write(self.path("c.toml"), text).unwrap();
    }

    /// Runs the program in another folder; its exit status, what it printed, what it said.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let file = self.path("c.toml").display().to_string();
        let arguments = arguments.iter().map(|a| if *a == "c.toml" { file.as_str() } else { a });
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        let output = command.args(arguments).current_dir("/").env_clear().output().unwrap();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap().replace(&format!("{}/", self.0.path().display()), "")
        };
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// The ids that a pull of the source `a` gives, or what it says.
    fn pull(&self, source: &str) -> Result<Vec<String>, String> {
        self.configure(&format!("[[source]]\nid = \"a\"\nconnector = \"records\"\n{source}"));
        let (status, out, err) = self.run(&["pull", "--config", "c.toml", "--source", "a"]);
        if status != Some(0) {
            return Err(err);
        }
        let records = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        Ok(records.filter_map(|r| r["id"].as_str().map(str::to_owned)).collect())
    }
}

#[test]
fn files_are_looked_for_at_each_pull() {
    let desk = Desk::new();
    desk.export("in/b-2.jsonl", "two", 5);
    desk.export("in/b-1.jsonl", "one", 50);
    let all = "files = [\"in/b-*.jsonl\"]\n";
    assert_eq!(desk.pull(all).unwrap(), ["one", "two"]);
    desk.export("in/b-10.jsonl", "ten", 1);
    assert_eq!(desk.pull(all).unwrap(), ["one", "ten", "two"]);
    assert_eq!(desk.pull(&format!("{all}newest = true\n")).unwrap(), ["ten"]);
    assert_eq!(desk.pull(&format!("{all}modified_within = \"PT6H\"\n")).unwrap(), ["ten", "two"]);
    assert_eq!(desk.pull(&format!("{all}max_age = \"PT2H\"\n")).unwrap().len(), 3);
    assert_eq!(desk.pull("files = [\"**/b-1*.jsonl\"]\n").unwrap(), ["one", "ten"]);
    for (source, says) in [
        (
            "files = [\"in/c-*\"]\n",
            "error: source `a`: in/c-*: there is no such file: is the export put down there?",
        ),
        ("files = [\"in/c\"]\n", "error: source `a`: in/c: cannot be opened: No such file"),
        ("files = [\"in/[\"]\n", "error: source `a`: in/[: `[` without `]`"),
        ("files = [\"in/b-1.*\"]\nmax_age = \"P2D\"\n", "in/b-1.*: last modified P2DT2H"),
        (
            "files = [\"in/b-1.*\"]\nmodified_within = \"P2D\"\n",
            "and `modified_within` is P2D: does the export still run?",
        ),
        (
            "exec = { command = [\"x\"] }\nnewest = true\n",
            "`newest`, `modified_within` and `max_age` go with `files`",
        ),
        ("exec = { command = [\"x\"] }\nmax_age = \"P1D\"\n", "go with `files`"),
        ("files = [\"in\"]\nmax_age = \"2 days\"\n", "c.toml:5:11: found `2 days`, expected a duration"),
    ] {
        let error = desk.pull(source).unwrap_err();
        assert!(error.contains(says), "{source}: {error}");
        let (status, _, err) = desk.run(&["config", "check", "c.toml"]);
        assert!(status == Some(2) && err.contains(says), "{source}: {err}");
    }
}

#[test]
fn the_newest_of_the_files_says_when_they_were_taken() {
    let desk = Desk::new();
    desk.export("in/b-1.jsonl", "one", 50);
    desk.export("in/b-2.jsonl", "two", 5);
    let taken = |source: &str| {
        desk.configure(&format!(
            "[[source]]\nid = \"a\"\nconnector = \"records\"\nfiles = [\"in/b-*\"]\n{source}"
        ));
        let job = Config::load(&desk.path("c.toml")).unwrap().prepared("a").unwrap().unwrap();
        (job.options.taken_at.clone(), job.files().len())
    };
    let modified = fs::metadata(desk.path("in/b-2.jsonl")).unwrap().modified().unwrap();
    let newest = counterfoil::config::instant(modified).to_string();
    assert_eq!(taken(""), (newest.clone(), 2));
    assert_eq!(taken("newest = true\n"), (newest, 1));
    assert_eq!(taken("taken_at = \"2026-06-01T02:00:00+02:00\"\n"), ("2026-06-01T00:00:00Z".to_owned(), 2));
}

#[test]
fn a_source_is_read_in_one_way_that_its_connector_knows() {
    let desk = Desk::new();
    desk.export("r.jsonl", "a", 1);
    let known = "`files`, [source.exec]";
    for (source, says) in [
        ("", format!("expected exactly one of {known}: where connector `records` reads")),
        ("files = [\"r.jsonl\"]\nexec = { command = [\"x\"] }\n", "expected exactly one of".to_owned()),
        ("http = { url = \"https://x.example\" }\n", format!("connector `records` reads from {known}")),
        (
            "exec = { command = [\"x\"] }\ntaken_at = \"2026-06-01T00:00:00Z\"\n",
            "`taken_at` goes with `files`".to_owned(),
        ),
    ] {
        let error = desk.pull(source).unwrap_err();
        assert!(error.contains("error: source `a`: ") && error.contains(&says), "{source}: {error}");
    }
}

#[test]
fn a_file_that_is_no_table_is_not_repeated() {
    let desk = Desk::new();
    fs::write(desk.path("long"), "ä".repeat(1 << 20)).unwrap();
    let error = desk.pull("files = [\"long\"]\n").unwrap_err();
    assert!(
        error.contains("its header is `ää") && error.contains("ä…`") && error.len() < 1000,
        "{}",
        error.len()
    );
}

#[cfg(unix)]
#[test]
fn nobody_waits_at_a_pipe() {
    let desk = Desk::new();
    let made = Command::new("mkfifo").arg(desk.path("pipe")).status().unwrap();
    assert!(made.success());
    let error = desk.pull("files = [\"pipe\"]\n").unwrap_err();
    assert!(error.contains("pipe: is no regular file"), "{error}");
}

#[test]
fn of_one_way_it_is_not_said_that_there_are_several() {
    let desk = Desk::new();
    desk.configure("[[source]]\nid = \"a\"\nconnector = \"okta\"\n");
    let (status, _, error) = desk.run(&["pull", "--config", "c.toml", "--source", "a"]);
    assert_eq!(status, Some(2));
    assert!(error.contains("source `a`: expected [source.http]: where connector `okta` reads"), "{error}");
}

#[test]
fn only_files_were_taken_at_another_time() {
    let desk = Desk::new();
    desk.export("r.jsonl", "a", 1);
    let pull = ["pull", "--config", "c.toml", "--source", "a", "--taken-at", "2026-06-01T00:00:00Z"];
    desk.pull("files = [\"r.jsonl\"]\n").unwrap();
    assert!(desk.run(&pull).1.contains("\"taken_at\":\"2026-06-01T00:00:00Z\""));
    desk.pull("exec = { command = [\"x\"] }\n").unwrap_err();
    let (status, _, err) = desk.run(&pull);
    assert!(status == Some(2) && err.contains("--taken-at goes with files"), "{err}");
}

#[test]
fn every_source_is_asked_although_one_fails() {
    let desk = Desk::new();
    desk.export("r.jsonl", "a", 1);
    let source = |id: &str, more: &str| format!("[[source]]\nid = \"{id}\"\n{more}\n");
    let sources = [
        source("good", "connector = \"records\"\nfiles = [\"r.*\"]"),
        source("gone", "connector = \"records\"\nfiles = [\"none.jsonl\"]"),
        source("odd", "connector = \"jira\"\nfiles = [\"r.jsonl\"]\nsettings = { project = 1 }"),
        source("program", "connector = \"records\"\nexec = { command = [\"./none\"] }"),
        source("also", "connector = \"records\"\nfiles = [\"r.jsonl\"]"),
    ];
    desk.configure(&sources.concat());
    let (status, out, err) = desk.run(&["config", "check", "--live", "c.toml"]);
    assert_eq!(status, Some(2));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 5, "{out}");
    for (line, says) in lines.iter().zip([
        "source `good` (files): in order",
        "source `gone` (files): none.jsonl: cannot be opened",
        "source `odd`: ",
        "source `program` (exec): [source.exec]: `command`: ",
        "source `also` (files): in order",
    ]) {
        assert!(line.starts_with(says), "{line}");
    }
    assert!(err.contains("error: c.toml: 3 of 5 sources cannot be pulled, see above"), "{err}");

    desk.configure(&[&sources[0], &sources[1], &sources[4]].map(String::as_str).concat());
    let (status, out, err) =
        desk.run(&["config", "check", "--live", "c.toml", "--source", "also", "--source", "good"]);
    assert_eq!((status, out.lines().count()), (Some(0), 2), "{out}{err}");
    assert!(err.contains("c.toml: in order, 2 sources asked"), "{err}");
    let (status, _, err) = desk.run(&["config", "check", "--live", "c.toml", "--source", "none"]);
    assert!(
        status == Some(2) && err.contains("there is no source `none`: there are good, gone, also"),
        "{err}"
    );
    assert_eq!(
        desk.run(&["config", "check", "c.toml", "--source", "good"]).0,
        Some(2),
        "it goes with --live"
    );
    // What else is wrong is said as well.
    desk.configure(&format!("{}[[sink]]\nid = \"s\"\nfile = {{ path = \"none/x\" }}\n", sources[1]));
    let (status, _, err) = desk.run(&["config", "check", "--live", "c.toml"]);
    assert!(status == Some(2) && err.contains("1 of 1 sources") && err.contains("sink `s`: "), "{err}");
}

#[test]
fn connectors_are_listed_by_their_kind() {
    let desk = Desk::new();
    let (_, out, _) = desk.run(&["connectors"]);
    let kinds: Vec<&str> = out.lines().filter(|l| !l.is_empty() && !l.starts_with(' ')).collect();
    assert_eq!(kinds.len(), 4, "{out}");
    for (kind, name) in
        [("tickets: ", "jira"), ("access: ", "aws-iam"), ("directory: ", "directory"), ("any: ", "records")]
    {
        let after = out.split(&format!("\n{kind}")).nth(usize::from(!out.starts_with(kind))).unwrap_or(&out);
        let part = after.split("\n\n").next().unwrap();
        let line = part
            .lines()
            .position(|line| line.starts_with(&format!("  {name} ")))
            .unwrap_or_else(|| panic!("{name}: {part}"));
        let how = part.lines().nth(line + 1).unwrap();
        assert!(how.contains("yields ") && how.contains("read by files, exec"), "{how}");
    }
}
