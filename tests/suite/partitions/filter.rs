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
pub fn ends(at: &Path, status: i32, script: &str) -> [String; 2] {
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

/// What a cluster does, with what every machine has: records come in slices, and each partition leaves one stream.
const SLICES: &str = r#"{ cat a.jsonl; gunzip -c b.jsonl.gz; } | split -n r/4 -d -a 1 - slice.
for n in 0 1 2 3; do counterfoil shard --survey --slice $n --records - < slice.$n > survey.$n; done
grep -h ^request survey.? | sort -u | cut -f 2 | uniq -d > disputed
for n in 0 1 2 3; do counterfoil shard --survey --slice $n --disputed disputed --records slice.$n > again.$n; done
cat survey.? | grep -v ^request | sort -u > lines
counterfoil shard --plan --survey-lines lines again.? --config c.toml --now 2026-06-01T00:00:00Z > plan
for n in 0 1 2 3; do counterfoil shard --with plan --slice $n --tagged --records - < slice.$n > rows.$n; done
cat rows.? plan | LC_ALL=C sort | awk -F'\t' '$1 == "*" {next} $1 == "~" {if ($2 == 9 && $3 != "") print $4 > "cut.jsonl"; next} {print > ("part." substr($1, 1, 1))}'
: > part.none"#;
const TAGGED: &str = r#"ls part.* | xargs -P 4 -I{} sh -c \
  'counterfoil reconcile --partition --tagged --shared plan --config c.toml < {} > {}.out && LC_ALL=C sort -c {}.out'
LC_ALL=C sort -m part.*.out > all
grep ^~ all | cut -f 4 > parts.jsonl
awk -F'\t' '$2 == 3' all | cut -f 3- | LC_ALL=C sort | cut -f 2- > findings.jsonl
awk -F'\t' '$2 == 2' all | cut -f 3- | LC_ALL=C sort | cut -f 2- > verdicts
awk -F'\t' '$2 == 1' all > homes
counterfoil shard --check cut.jsonl parts.jsonl"#;

#[test]
fn slices_and_tagged_partitions_make_what_one_run_makes() {
    let desk = tempfile::tempdir().unwrap();
    let at = desk.path();
    town(at);
    let one = "counterfoil reconcile --records b.jsonl.gz --records a.jsonl --config c.toml --now 2026-06-01T00:00:00Z";
    ends(at, 0, &format!("{one} --verdicts whole.verdicts > whole.jsonl"));
    ends(at, 0, SLICES);
    let [said, _] = ends(at, 0, TAGGED);
    assert!(said.starts_with("18 partitions judged all "), "{said}");
    ends(at, 0, "cmp findings.jsonl whole.jsonl && cmp verdicts whole.verdicts && LC_ALL=C sort -c plan");
    let read = |name: &str| fs::read_to_string(at.join(name)).unwrap();
    // Each home once, and as many as one cut has.
    ends(at, 0, &CUT.replace("| awk", "> /dev/null; : | awk"));
    let homes: Vec<String> = read("homes").lines().map(|line| line[..line.len() - 5].to_owned()).collect();
    assert!(read("shard.sum").contains(&format!("\"homes\":{},", homes.len())));
    assert!(homes.is_sorted_by(|a, b| a < b));
    assert_eq!(read("part.none.out").lines().count(), 1);
    assert!(read("part.none.out").starts_with("~\t9\t\t{\"by\":\"partition\","));
    assert!(!read("cut.jsonl").contains("homes"));

    // What is lost, doubled or of another plan does not pass.
    for (script, what) in [
        (
            "head -n 3 cut.jsonl > x; counterfoil shard --check x parts.jsonl",
            "3 slices were cut, and 4 were planned",
        ),
        (
            "head -n 1 cut.jsonl > x; counterfoil shard --check cut.jsonl x parts.jsonl",
            "slice 0 was cut twice",
        ),
        (
            "counterfoil shard --check cut.jsonl shard.sum parts.jsonl",
            "expected the line of one `shard`, or those of all its slices",
        ),
        (
            "counterfoil shard --check parts.jsonl",
            "expected the line of one `shard`, or those of all its slices",
        ),
        ("head -n 9 parts.jsonl > x; counterfoil shard --check cut.jsonl x", ": the partitions saw "),
        (
            "sed '2s/\"slices\":4/\"slices\":5/' cut.jsonl > x; counterfoil shard --check x parts.jsonl",
            "slice 1 was cut by another plan than slice 0",
        ),
        (
            "sed 's/\"slices\":4//; s/,}/}/' cut.jsonl > x; counterfoil shard --check x parts.jsonl",
            "does not say which",
        ),
        (
            "sed 's/\"program\":\"[^\"]*\"/\"program\":\"0.0.0\"/' cut.jsonl > x; counterfoil shard --check x parts.jsonl",
            "a partition was judged by",
        ),
    ] {
        let [_, error] = ends(at, 2, script);
        assert!(error.contains(what), "{script}: {error}");
    }
}

#[test]
fn what_does_not_go_with_a_plan_is_refused() {
    let desk = tempfile::tempdir().unwrap();
    let at = desk.path();
    town(at);
    ends(at, 0, SLICES);
    let with = "counterfoil shard --slice 1 --records slice.1 --with";
    let [out, said] = ends(at, 0, &format!("{with} plan --config c.toml --now {NOW}"));
    assert!(said.starts_with("counterfoil: {\"by\":\"slice\","), "{said}");
    assert_eq!(out, ends(at, 0, "grep -v ^~ rows.1")[0]);
    ends(at, 0, &format!("{with} plan --summary s; grep ^~ rows.1 | cut -f 4 | cmp - s"));
    let shared = "counterfoil reconcile --partition --tagged --config c.toml --shared";
    for (script, what) in [
        (format!("{with} nowhere"), "error: nowhere: cannot be read: "),
        (format!("{with} a.jsonl"), "error: a.jsonl: line 1: expected four parts"),
        (
            format!("{with} plan --config c.toml --now 2026-06-01T00:00:01Z"),
            "error: plan: line 1: was cut for now `",
        ),
        (format!(": > d.toml; {with} plan --config d.toml"), "error: plan: line 1: was cut for settings `"),
        (
            format!("sed '1s/\"program\":\"[^\"]*\"/\"program\":\"0.0.0\"/' plan > x; {with} x"),
            "error: x: line 1: was cut for program `0.0.0`",
        ),
        (format!("head -n 20 plan > x; {with} x"), "error: x: has 19 of the rows that every partition needs"),
        (format!("head -n -1 plan > x; {with} x"), "error: x: was cut short"),
        (
            "counterfoil shard --slice 4 --records slice.1 --with plan".to_owned(),
            "error: slice 4: plan: slice 4 is not among its 4",
        ),
        (
            "counterfoil shard --slice 2 --records slice.1 --with plan".to_owned(),
            "error: slice 2: slice 2 is not what was surveyed",
        ),
        (
            "counterfoil shard --slice 10000 --records slice.1 --with plan".to_owned(),
            "10000 is not in 0..10000",
        ),
        ("counterfoil shard --records slice.1 --with plan".to_owned(), "--slice"),
        ("counterfoil shard --records slice.1 --survey".to_owned(), "--slice"),
        ("counterfoil shard --records slice.1 --slice 1".to_owned(), "required"),
        (
            "counterfoil shard --records slice.1 --slice 1 --survey --with plan".to_owned(),
            "cannot be used with",
        ),
        (
            "counterfoil shard --records slice.1 --slice 1 --survey --now 2026-06-01T00:00:00Z".to_owned(),
            "cannot be used with",
        ),
        (
            "counterfoil shard --records slice.1 --slice 1 --survey --disputed nowhere".to_owned(),
            "error: nowhere: cannot be read",
        ),
        (
            "counterfoil shard --records slice.1 --slice 1 --survey --disputed c.toml".to_owned(),
            "error: c.toml: line 1: expected the key of a request",
        ),
        (format!("{with} plan --disputed disputed"), "cannot be used with"),
        ("counterfoil shard --plan".to_owned(), "--survey-lines"),
        ("counterfoil shard --plan --survey-lines lines --records a.jsonl".to_owned(), "cannot be used with"),
        ("counterfoil shard --plan --survey-lines nowhere".to_owned(), "error: nowhere: cannot be read"),
        (
            "grep -v ^seen lines > x; counterfoil shard --plan --survey-lines x".to_owned(),
            "at least one slice",
        ),
        ("counterfoil shard --plan --survey-lines lines survey.1".to_owned(), "was surveyed twice"),
        ("counterfoil shard --records a.jsonl --tagged".to_owned(), "--with"),
        (
            "echo nonsense | counterfoil shard --records - --survey --slice 3".to_owned(),
            "error: slice 3: standard input: line 1: ",
        ),
        (format!("{shared} nowhere < part.0"), "error: nowhere: cannot be read: "),
        (format!("{shared} part.0 < part.0"), "error: part.0: line 1: expected the header"),
        (
            format!("{shared} plan --now 2026-06-01T00:00:01Z < part.0"),
            "error: plan: line 1: was cut for now `",
        ),
        (
            format!("head -n 20 plan > x; {shared} x < part.0"),
            "error: x: has 19 of the rows that every partition needs",
        ),
        (
            format!("head -n 3 plan | {shared} plan"),
            "the partition: line 1: a row that every partition needs: those are read from plan",
        ),
        (format!("cat part.1 part.0 | {shared} plan"), "is out of order"),
        (format!("{shared} plan --format compact < part.0"), "found --format compact, expected jsonl"),
        (format!("{shared} plan --summary s < part.0"), "cannot be used with"),
        (format!("{shared} plan --verdicts v < part.0"), "cannot be used with"),
        ("counterfoil reconcile --records a.jsonl --tagged".to_owned(), "cannot be used with"),
        ("counterfoil reconcile --records a.jsonl --shared plan".to_owned(), "cannot be used with"),
        ("counterfoil reconcile --records a.jsonl --summary s".to_owned(), "cannot be used with"),
        ("counterfoil reconcile --config c.toml --tagged".to_owned(), "--partition"),
        ("counterfoil shard --survey-lines lines --records a.jsonl".to_owned(), "cannot be used with"),
        ("counterfoil shard --check cut.jsonl --slice 1".to_owned(), "cannot be used with"),
    ] {
        let [_, error] = ends(at, 2, &script);
        assert!(error.contains(what), "{script}: {error}");
    }
}

#[test]
fn bad_lines_of_slices_are_named_or_passed_over_as_in_one_run() {
    let desk = tempfile::tempdir().unwrap();
    let at = desk.path();
    town(at);
    let mut text = fs::read_to_string(at.join("a.jsonl")).unwrap();
    text.insert_str(0, "nonsense\n");
    text.push_str("{\"type\":\"grant\",\"source\":\"iam\"}\n");
    fs::write(at.join("a.jsonl"), text).unwrap();
    let [said, _] = ends(
        at,
        0,
        &format!(
            "cat a.jsonl | counterfoil reconcile --records - --now {NOW} --skip-bad-records --rejects whole.rejects > whole
             split -n l/2 -d -a 1 a.jsonl slice.
             slice() {{ n=$1; shift; counterfoil shard --slice $n --records - --skip-bad-records \"$@\" < slice.$n; }}
             slice 0 --survey --rejects rejects.0 > survey.0; slice 1 --survey --rejects rejects.1 > survey.1
             grep -h ^request survey.? | sort -u | cut -f 2 | uniq -d > disputed
             slice 0 --survey --disputed disputed > again.0; slice 1 --survey --disputed disputed > again.1
             counterfoil shard --plan --survey-lines survey.? again.? --now {NOW} > plan
             slice 0 --with plan --summary sum.0 > rows.0; slice 1 --with plan --summary sum.1 > rows.1
             cat rows.? plan | grep -v '^[*~]' | LC_ALL=C sort > part
             counterfoil reconcile --partition --shared plan --summary q < part | LC_ALL=C sort | cut -f2- > parts
             cmp whole parts; wc -l < rejects.0; wc -l < rejects.1; counterfoil shard --check sum.0 sum.1 q"
        ),
    );
    assert!(said.starts_with("1\n1\n1 partitions judged all "), "{said}");
    let error = &ends(at, 2, "counterfoil shard --with plan --slice 0 --records slice.0")[1];
    assert!(error.starts_with("error: slice 0: slice.0: line 1: "), "{error}");
    let asked = "counterfoil shard --survey --slice 0 --records slice.0 --disputed /dev/null";
    assert!(ends(at, 2, asked)[1].starts_with("error: slice 0: slice.0: line 1: "));
    ends(at, 0, &format!("{asked} --skip-bad-records"));
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
