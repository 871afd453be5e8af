//! The Spark job on a real cluster: what two workers say together is what one run says, byte for byte, also when one of them
//! is killed; and what people can mend is told in one line.

mod cluster;
#[path = "../../benches/judge/estate.rs"]
mod company;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::write::GzEncoder;
use serde_json::Value;

use crate::reference::estates::{estate, estate_with_twins};
use crate::reference::properties::renamed;
use cluster::{Cluster, Session};

const PROGRAM: &str = env!("CARGO_BIN_EXE_counterfoil");
const NOW: &str = "2026-06-01T00:00:00Z";

/// How many grants the large runs have.
fn grants() -> u64 {
    std::env::var("COUNTERFOIL_SPARK_GRANTS")
        .map_or(200_000, |text| text.parse().expect("COUNTERFOIL_SPARK_GRANTS is a number"))
}

/// A folder with the job, and what is judged.
struct Desk {
    at: PathBuf,
    job: PathBuf,
}

impl Desk {
    fn new(at: &Path) -> Self {
        let desk = Self { at: at.to_owned(), job: at.join("job.py") };
        desk.sh("counterfoil spark-job > job.py");
        desk
    }

    fn path(&self, name: &str) -> String {
        self.at.join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at.join(name)).unwrap()
    }

    /// Runs a script with the program in the place of its name; what it prints.
    fn sh(&self, script: &str) -> String {
        let script = script.replace("counterfoil ", &format!("{PROGRAM} "));
        let mut command = Command::new("bash");
        command.args(["-e", "-o", "pipefail", "-c", &script]).current_dir(&self.at).stdin(Stdio::null());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Judges records in one run, told in `NAME.findings` and `NAME.verdicts`.
    fn whole(&self, name: &str, arguments: &str) {
        self.sh(&format!(
            "counterfoil reconcile --format jsonl --now {NOW} --verdicts {name}.verdicts {arguments} > {name}.findings"
        ));
    }

    /// Holds what the cluster left in `NAME.out` against one run; what it says of itself.
    fn compare(&self, name: &str) -> Value {
        for (kind, file) in [(3, "findings"), (2, "verdicts")] {
            self.sh(&format!(
                "gzip -dc {name}.out/judged/part-*.gz | awk -F'\\t' '$2 == {kind}' | LC_ALL=C sort -S 256M -t$'\\t' -k3,3 \
                 | cut -f4- | cmp - {name}.{file}"
            ));
        }
        self.sh(&format!(
            "for part in {name}.out/judged/part-*.gz; do gzip -dc $part | LC_ALL=C sort -c; gzip -dc $part | tail -n 1 | cut -f4-
             done > {name}.parts; counterfoil shard --check {name}.out/cut.jsonl {name}.parts"
        ));
        let left = fs::read_dir(self.at.join(format!("{name}.out"))).unwrap();
        let staging =
            left.map(|entry| entry.unwrap().file_name()).find(|name| name.to_str().unwrap().starts_with('_'));
        assert_eq!(staging, None);
        let run: Value = serde_json::from_str(&self.read(&format!("{name}.out/run.json"))).unwrap();
        let lines = |file: &str| self.sh(&format!("wc -l < {name}.{file}")).trim().parse::<u64>().unwrap();
        assert_eq!(run["format"], "counterfoil.judged/1");
        assert_eq!(run["judge"]["program"], env!("CARGO_PKG_VERSION"));
        assert_eq!(
            (run["findings"].as_u64(), run["verdicts"].as_u64()),
            (Some(lines("findings")), Some(lines("verdicts")))
        );
        assert_eq!(run["partitions"].as_u64(), Some(lines("parts")));
        run
    }

    /// The arguments of the job for records, judged into `NAME.out`.
    fn arguments(&self, name: &str, records: &[&str], more: &[&str]) -> Vec<String> {
        let mut all = vec!["--records".to_owned()];
        all.extend(records.iter().map(|file| self.path(file)));
        all.extend(["--now", NOW, "--binary", PROGRAM, "--out"].map(str::to_owned));
        all.push(self.path(&format!("{name}.out")));
        all.extend(more.iter().map(|word| (*word).to_owned()));
        all
    }
}

/// Runs the job in the session.
fn run(session: &mut Session, desk: &Desk, name: &str, records: &[&str], more: &[&str]) -> cluster::Ended {
    let arguments = desk.arguments(name, records, more);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    session.run(&desk.job, &arguments)
}

/// What is right: it ends well.
fn runs(session: &mut Session, desk: &Desk, name: &str, records: &[&str], more: &[&str]) -> String {
    let ended = run(session, desk, name, records, more);
    assert_eq!(ended.status, 0, "{name}: {}", ended.err);
    ended.err
}

/// Several estates side by side in two files, one of them compressed and with the ends of lines of Windows, with requests of
/// which each file has its own record.
fn town(desk: &Desk) {
    let part = |seeds: std::ops::Range<u64>, end: &str, seen: &str, person: &str| {
        let mut text = String::new();
        for seed in seeds {
            let records = if seed % 4 == 0 { estate_with_twins(seed).0 } else { estate(seed).0 };
            for record in records {
                text += &format!("{}{end}", renamed(record, &format!("{seed} ")));
            }
        }
        text += &format!(
            "{{\"type\":\"grant\",\"system\":\"s\",\"account\":\"{person}\",\"entitlement\":\"e\"}}{end}"
        );
        text += &format!(
            r#"{{"type":"request","source":"j","id":"1","state":"approved","beneficiaries":["{person}"],"observed_at":"{seen}","decided_at":"2026-01-01T00:00:00Z","access":[{{"system":"s","entitlement":"e"}}]}}"#
        );
        text
    };
    fs::write(desk.at.join("a.jsonl"), part(60_000..60_030, "\n", "2026-05-01T00:00:00Z", "ann")).unwrap();
    let mut packed = GzEncoder::new(vec![], flate2::Compression::fast());
    packed.write_all(part(60_030..60_060, "\r\n", "2026-05-02T00:00:00Z", "bob").as_bytes()).unwrap();
    fs::write(desk.at.join("b.jsonl.gz"), packed.finish().unwrap()).unwrap();
    fs::write(desk.at.join("c.toml"), "[checks]\nexpiry_grace = \"PT2H\"\n").unwrap();
}

/// An estate with so many grants; of which a fifth are one account's, where that is asked for.
fn write_company(path: &Path, grants: u64, skewed: bool) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let own = if skewed { grants / 5 } else { 0 };
    company::write(grants - own, &mut out).unwrap();
    for n in 0..own {
        let what = format!(
            "\"system\":\"sys-{}\",\"entitlement\":\"role-{}\",\"scope\":\"hot-{n}\"",
            n % 200,
            n % 50
        );
        writeln!(
            out,
            "{{\"type\":\"grant\",{what},\"account\":\"emp1\",\"granted_at\":\"2026-05-01T00:00:00Z\"}}"
        )
        .unwrap();
        if n % 10 == 0 {
            writeln!(
                out,
                "{{\"type\":\"request\",\"source\":\"jira\",\"id\":\"HOT-{n}\",\"state\":\"approved\",\"beneficiaries\":[\"person1@corp.example\"],\"access\":[{{{what}}}]}}"
            )
            .unwrap();
        }
    }
    out.flush().unwrap();
}

#[test]
fn a_cluster_says_what_one_run_says() {
    let desk = tempfile::tempdir().unwrap();
    let Some(mut cluster) = Cluster::start(desk.path()) else { return };
    let desk = Desk::new(desk.path());
    let mut session = cluster.session();

    odd_records(&mut session, &desk);
    tables(&mut session, &desk);
    bad_records(&mut session, &desk);
    faults(&mut session, &desk);
    submitted(&cluster, &desk);

    write_company(&desk.at.join("even.jsonl"), grants(), false);
    desk.whole("even", "--records even.jsonl");
    runs(&mut session, &desk, "even", &["even.jsonl"], &[]);
    assert_eq!(desk.compare("even")["grants"], grants());
    let tables =
        ["findings", "verdicts"].map(|table| desk.sh(&format!("ls even.out/{table}/part-*.parquet | wc -l")));
    assert!(tables.iter().all(|files| files.trim() != "0"), "{tables:?}");

    // A worker and its executor are killed while they judge.
    write_company(&desk.at.join("skewed.jsonl"), grants(), true);
    desk.whole("skewed", "--records skewed.jsonl");
    std::thread::scope(|scope| {
        let job = scope.spawn(|| {
            runs(&mut session, &desk, "skewed", &["skewed.jsonl"], &["--partitions", "6", "--no-tables"])
        });
        let child = loop {
            match cluster.children("--partition").first() {
                Some(child) => break *child,
                None => assert!(!job.is_finished(), "the job ended before it was killed"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        cluster.kill_the_worker_of(child);
        let until = Instant::now() + Duration::from_secs(10);
        while cluster.children("--partition").contains(&child) {
            assert!(Instant::now() < until, "the child of an executor that was killed is still there");
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster.add_worker();
        job.join().unwrap();
    });
    assert_eq!(desk.compare("skewed")["grants"], grants());
    assert!(session.log().contains("Lost executor"), "{}", session.log());

    drop(session);
    assert_eq!(cluster.stop(), [0; 0], "processes that are left");
}

/// Records of every kind and of every mistake, in slices that must know of each other.
fn odd_records(session: &mut Session, desk: &Desk) {
    town(desk);
    desk.whole("town", "--records a.jsonl --records b.jsonl.gz --config c.toml");
    let config = desk.path("c.toml");
    let said =
        runs(session, desk, "town", &["a.jsonl", "b.jsonl.gz"], &["--config", &config, "--partitions", "5"]);
    assert!(said.contains("there are disputed requests"), "{said}");
    desk.compare("town");
    // What it left becomes a run as any other, and becomes it once.
    let store = format!("{}\n[store]\npath = \"town.db\"\n", desk.read("c.toml"));
    fs::write(desk.at.join("store.toml"), store).unwrap();
    let take = "counterfoil reconcile --config store.toml --judged town.out --format jsonl";
    desk.sh(&format!("{take} > town.taken"));
    let told = |file: &str| -> BTreeMap<String, (String, String)> {
        let finding = |line: &str| {
            let f: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| f[name].as_str().unwrap().to_owned();
            (text("id"), (text("check"), f["grant"].to_string()))
        };
        // Of two that share an id the first stands for both.
        let text = desk.read(file);
        let mut lines: Vec<&str> = text.lines().collect();
        lines.reverse();
        lines.into_iter().map(finding).collect()
    };
    let (taken, found) = (told("town.taken"), told("town.findings"));
    assert!(found.len() > 100 && taken == found, "{} taken, {} found", taken.len(), found.len());
    assert!(desk.sh(&format!("{take} 2>&1")).contains("is taken already"));
    assert!(
        desk.sh("counterfoil verify --config store.toml").contains("checkpoints that agree: 1 of the store")
    );
}

/// Tables say what the lines say that they were made of.
fn tables(session: &mut Session, desk: &Desk) {
    write_company(&desk.at.join("small.jsonl"), 400, false);
    desk.whole("small", "--records small.jsonl");
    let types = session.make_tables(&desk.at.join("small.jsonl"), &desk.at.join("tables"));
    let folders: Vec<String> = types.iter().map(|name| format!("tables/{name}")).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let mut more = vec!["--format", "parquet", "--record-column", "body", "--type"];
    more.extend(types.iter().map(String::as_str));
    runs(session, desk, "small", &folders, &more);
    desk.compare("small");
}

/// A line that is no record stops the run and is named; or it is passed over as one run does.
fn bad_records(session: &mut Session, desk: &Desk) {
    let text = desk.read("small.jsonl") + "{\"type\":\"grant\",\"source\":\"iam\"}\nnonsense\n";
    fs::write(desk.at.join("bad.jsonl"), text).unwrap();
    let error = run(session, desk, "bad", &["bad.jsonl"], &[]).error().to_owned();
    assert!(error.starts_with("error: ") && error.contains("field `system`"), "{error}");
    assert!(error.contains("bad.jsonl that begins `{\"type\":\"grant\",\"source\":\"iam\"}`"), "{error}");
    assert!(!desk.at.join("bad.out/run.json").exists());

    // The job reads what Spark hands it: lines without a source are of none that has a name.
    desk.whole("bad", "--records - --skip-bad-records --rejects bad.rejects < bad.jsonl");
    runs(session, desk, "bad", &["bad.jsonl"], &["--skip-bad-records"]);
    desk.compare("bad");
    desk.sh("cat bad.out/rejects/part-* | cmp - bad.rejects");
}

/// What people can mend is one line, at the end.
fn faults(session: &mut Session, desk: &Desk) {
    let error = run(session, desk, "town", &["a.jsonl"], &[]).error().to_owned();
    assert!(
        error.contains("town.out holds ") && error.ends_with("expected a folder that is new or empty"),
        "{error}"
    );

    // Workers that have another version than the driver.
    let script = format!(
        "#!/bin/sh\ncase \"$1:$PWD\" in --version:*/worker?/*) echo counterfoil 0.0.7; exit;; esac\nexec {PROGRAM} \"$@\"\n"
    );
    let other = desk.at.join("other");
    fs::write(&other, script).unwrap();
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let other = desk.path("other");
    for (binary, what) in [
        (other.as_str(), "is version '0.0.7', and the driver's is '"),
        ("local:/bin/true", "', and this job was written by '"),
    ] {
        let error = run(session, desk, "f", &["a.jsonl"], &["--binary", binary]).error().to_owned();
        assert!(error.starts_with("error: ") && error.contains(what), "{error}");
    }
    let error = run(session, desk, "f", &["nothing.jsonl"], &[]).error().to_owned();
    assert!(error.contains("nothing.jsonl"), "{error}");
    let config = desk.path("bad.toml");
    fs::write(&config, "[checks]\nexpiry = 1\n").unwrap();
    let error = run(session, desk, "f", &["a.jsonl"], &["--config", &config]).error().to_owned();
    assert!(error.contains("bad.toml") && error.contains("expiry"), "{error}");
}

/// Without a session around it, the job ends as a command does.
fn submitted(cluster: &Cluster, desk: &Desk) {
    let arguments = desk.arguments("f", &["a.jsonl"], &["--binary", "/nowhere/counterfoil"]);
    let done = cluster.submit(&desk.job, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(
        said.contains("\nerror: /nowhere/counterfoil: there is no such file\n")
            || said.starts_with("error: /nowhere"),
        "{said}"
    );
}
