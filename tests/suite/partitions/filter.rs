//! The commands as a pipe: cut, sort, split, judge, put in order, and the gate behind.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use flate2::write::GzEncoder;

use super::lines_of;
use crate::reference::estates::estate;
use crate::reference::properties::renamed;

const NOW: &str = "2026-06-01T00:00:00Z";

/// Runs what a shell understands, with the program in the place of its name; nothing of the environment but `PATH`.
fn sh(at: &Path, script: &str) -> Output {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let script = script.replace("counterfoil ", concat!(env!("CARGO_BIN_EXE_counterfoil"), " "));
    let mut command = Command::new("sh");
    command.args(["-e", "-c", &script]).current_dir(at).env_clear().env("PATH", path).stdin(Stdio::null());
    command.output().unwrap()
}

/// What a script prints on both channels, where it ends with this status.
fn ends(at: &Path, status: i32, script: &str) -> [String; 2] {
    let output = sh(at, script);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(output.status.code(), Some(status), "{script}\n{out}\n{err}");
    [out, err]
}

/// Several estates side by side, in a file and a compressed one, with the configuration of the first.
fn town(at: &Path) {
    let part = |seeds: std::ops::Range<u64>| {
        let each = seeds.flat_map(|seed| {
            estate(seed).0.into_iter().map(move |record| renamed(record, &format!("{seed} ")))
        });
        lines_of(&each.collect::<Vec<_>>())
    };
    fs::write(at.join("a.jsonl"), part(60_000..60_040)).unwrap();
    let mut packed = GzEncoder::new(vec![], flate2::Compression::fast());
    packed.write_all(part(60_040..60_080).as_bytes()).unwrap();
    fs::write(at.join("b.jsonl.gz"), packed.finish().unwrap()).unwrap();
    fs::write(at.join("c.toml"), "[checks]\nexpiry_grace = \"PT2H\"\n").unwrap();
}

/// As the README says it.
const CUT: &str = r#"cat a.jsonl | counterfoil shard --records - --records b.jsonl.gz --config c.toml --now 2026-06-01T00:00:00Z --summary shard.sum \
  | LC_ALL=C sort | awk -F'\t' '$1 == "*" {print > "shared"; next} {print > ("part." substr($1, 1, 1))}'"#;
const JUDGE: &str = r#"ls part.? | xargs -P 4 -I{} sh -c \
  'cat shared {} | counterfoil reconcile --partition --config c.toml --summary {}.sum --verdicts {}.verdicts > {}.out'"#;
const MERGE: &str =
    "counterfoil shard --check shard.sum part.?.sum && LC_ALL=C sort part.?.out | cut -f2- > findings.jsonl";

#[test]
fn sort_split_and_xargs_make_what_one_run_makes() {
    let desk = tempfile::tempdir().unwrap();
    let at = desk.path();
    town(at);
    let one = "counterfoil reconcile --records b.jsonl.gz --records a.jsonl --config c.toml --now 2026-06-01T00:00:00Z";
    ends(
        at,
        0,
        &format!("{one} --verdicts whole.verdicts > whole.jsonl; {one} --format compact > whole.compact"),
    );
    ends(at, 0, CUT);
    ends(at, 0, JUDGE);
    let [said, _] = ends(at, 0, MERGE);
    let read = |name: &str| fs::read_to_string(at.join(name)).unwrap();
    let (findings, grants) = (read("whole.jsonl").lines().count(), read("whole.verdicts").lines().count());
    assert!(findings > 200 && grants > 100, "{findings} {grants}");
    assert!(
        said.starts_with("17 partitions judged all ")
            && said.contains(&format!("({grants} verdicts, {findings} findings, ")),
        "{said}"
    );
    assert_eq!(read("findings.jsonl"), read("whole.jsonl"));
    ends(at, 0, "LC_ALL=C sort part.?.verdicts | cut -f2- | cmp - whole.verdicts");
    let short = JUDGE.replace("--partition", "--partition --format compact").replace(".verdicts", ".v");
    ends(at, 0, &format!("{short}; LC_ALL=C sort part.?.out | cut -f2- | cmp - whole.compact"));

    // What is lost on the way does not pass.
    let [_, error] = ends(at, 2, "counterfoil shard --check shard.sum part.[0-8-].sum");
    assert!(error.starts_with("error: ") && error.contains(": the partitions saw "), "{error}");
    let [_, error] = ends(at, 2, "counterfoil shard --check part.?.sum");
    assert!(error.contains("expected the line of one `shard`"), "{error}");
    let [_, error] = ends(
        at,
        2,
        "sed s/PLACE/x/ shard.sum | sed 's/\"program\":\"[^\"]*\"/\"program\":\"0.0.0\"/' > other.sum; counterfoil shard --check other.sum part.?.sum",
    );
    assert!(error.contains("a partition was judged by"), "{error}");
}

#[test]
fn another_judge_is_refused() {
    let desk = tempfile::tempdir().unwrap();
    let at = desk.path();
    town(at);
    let cut = format!(
        "counterfoil shard --records a.jsonl --config c.toml --now {NOW} --summary s | LC_ALL=C sort > p"
    );
    ends(at, 0, &cut);
    let judge = "counterfoil reconcile --partition --summary q";
    ends(at, 0, &format!("{judge} --config c.toml --now {NOW} < p"));
    for (script, what) in [
        (format!("{judge} < p"), "was cut for settings `"),
        (
            format!("{judge} --config c.toml --now 2026-06-01T00:00:01Z < p"),
            "was cut for now `2026-06-01T00:00:00Z`, and this is `2026-06-01T00:00:01Z`",
        ),
        (
            format!(
                "sed 's/\"program\":\"[^\"]*\"/\"program\":\"0.0.0\"/' p > other; {judge} --config c.toml < other"
            ),
            "was cut for program `0.0.0`, and this is `",
        ),
    ] {
        let [out, error] = ends(at, 2, &script);
        assert_eq!(out, "");
        assert!(error.starts_with(&format!("error: the partition: line 1: {what}")), "{error}");
    }
    let rows = fs::read_to_string(at.join("p")).unwrap();
    let grant = rows.lines().position(|row| row.split('\t').nth(1) == Some("6")).unwrap() + 1;
    for (script, what) in [
        (
            format!("{judge} --config c.toml --format table < p"),
            "found --format table, expected jsonl or compact",
        ),
        (format!("head -n 3 p > few; {judge} --config c.toml < few"), "rows that every partition needs"),
        (format!("grep -v '^[*]' p > few; {judge} --config c.toml < few"), "line 1: expected the header"),
        (
            format!("sed '{grant}s/$/x/' p > broken; {judge} --config c.toml < broken"),
            &format!("the partition: line {grant}: found "),
        ),
        (format!("{judge} < /dev/null"), "is empty"),
        ("counterfoil reconcile --partition --records a.jsonl".to_owned(), "cannot be used with"),
        ("counterfoil shard".to_owned(), "required"),
    ] {
        let [_, error] = ends(at, 2, &script);
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn bad_lines_are_named_or_passed_over_as_in_one_run() {
    let desk = tempfile::tempdir().unwrap();
    let at = desk.path();
    town(at);
    let mut text = fs::read_to_string(at.join("a.jsonl")).unwrap();
    let lines = text.lines().count();
    text.push_str("{\"type\":\"grant\",\"source\":\"iam\"}\nnonsense\n");
    fs::write(at.join("a.jsonl"), text).unwrap();
    let [_, error] =
        ends(at, 2, &format!("counterfoil shard --records b.jsonl.gz --records a.jsonl --now {NOW}"));
    let [_, expected] =
        ends(at, 2, &format!("counterfoil reconcile --records b.jsonl.gz --records a.jsonl --now {NOW}"));
    assert_eq!(error, expected);
    assert!(error.contains(&format!("a.jsonl: line {}: field `system`", lines + 1)), "{error}");
    let [_, said] = ends(
        at,
        0,
        &format!(
            "counterfoil reconcile --records a.jsonl --now {NOW} --skip-bad-records --rejects whole.rejects > whole
             counterfoil shard --records a.jsonl --now {NOW} --skip-bad-records --rejects cut.rejects --summary s | LC_ALL=C sort > p
             counterfoil reconcile --partition --summary q < p | LC_ALL=C sort | cut -f2- > parts
             cmp whole parts; cmp whole.rejects cut.rejects; counterfoil shard --check s q"
        ),
    );
    assert!(said.contains("2 lines are no records and were passed over; they are in cut.rejects"), "{said}");
    let findings = fs::read_to_string(at.join("parts")).unwrap();
    assert!(findings.contains("\"source\":\"iam\"") && findings.contains("source-incomplete"), "{findings}");
}

/// One account holds what others hold together: it takes the room of its rows, not more than that.
#[test]
fn one_account_with_50_000_grants_is_judged_in_bounded_memory() {
    let desk = tempfile::tempdir().unwrap();
    let at = desk.path();
    let mut text = String::from("{\"type\":\"identity\",\"id\":\"hot\"}\n");
    for n in 0..50_000 {
        text += &format!(
            "{{\"type\":\"grant\",\"system\":\"s\",\"account\":\"hot\",\"entitlement\":\"e{}\",\"scope\":\"p/{n}\"}}\n",
            n % 50
        );
        if n % 50 == 0 {
            text += &format!(
                "{{\"type\":\"request\",\"source\":\"j\",\"id\":\"{n}\",\"state\":\"approved\",\"beneficiaries\":[\"HOT\"],\"access\":[{{\"system\":\"s\",\"entitlement\":\"e{}\",\"scope\":\"p/{n}\"}}]}}\n",
                n % 50
            );
        }
    }
    fs::write(at.join("r.jsonl"), text).unwrap();
    let all = format!(
        "counterfoil shard --records r.jsonl --threads 1 --now {NOW} --summary s | LC_ALL=C sort > p
        ulimit -v 400000
        counterfoil reconcile --partition --format compact --threads 1 --summary q < p > out
        counterfoil shard --check s q"
    );
    let [said, _] = ends(at, 0, &all);
    assert!(said.starts_with("1 partitions judged all 50000 grants (50000 verdicts, "), "{said}");
    let whole = format!(
        "counterfoil reconcile --records r.jsonl --format compact --threads 1 --now {NOW} > whole
        LC_ALL=C sort out | cut -f2- | cmp - whole"
    );
    ends(at, 0, &whole);
}
