//! The commands: a folder as a cluster leaves it, taken, refused, and what the store then is for.

use std::fs;
use std::io::Write;
use std::path::Path;

use counterfoil::config::Config;
use counterfoil::controls::Controls;
use counterfoil::daemon::{Core, Setup};
use counterfoil::intake::judged::FORMAT;
use counterfoil::intake::rows::Sum;
use counterfoil::judge::checks;
use counterfoil::model::event::State;
use counterfoil::model::{Duration, Instant};
use counterfoil::store::Place;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::partitions::filter::ends;
use crate::reference::estates::estate;
use crate::reference::properties::renamed;

const NOW: &str = "2026-06-01T00:00:00Z";
const CONFIG: &str =
    "[store]\n\n[evidence]\n\n[[sink]]\nid = \"lines\"\n[sink.file]\npath = \"events.jsonl\"\n";
const SOURCE: &str = "\n[[source]]\nid = \"all\"\nconnector = \"records\"\nfiles = [\"a.jsonl\"]\n";

/// Some estates side by side.
fn town(at: &Path) {
    let records = (70_000..70_030)
        .flat_map(|seed| estate(seed).0.into_iter().map(move |record| renamed(record, &format!("{seed} "))));
    // No source is in doubt but where a test says so.
    let records = records.filter(|record| record["type"] != "snapshot");
    let mark = json!({"type": "snapshot", "source": "all", "taken_at": NOW, "complete": true, "provides": ["grant"]});
    let lines: String = records.chain([mark]).map(|record| format!("{record}\n")).collect();
    fs::write(at.join("a.jsonl"), lines).unwrap();
    fs::write(at.join("c.toml"), CONFIG).unwrap();
    fs::write(at.join("sources.toml"), format!("{CONFIG}{SOURCE}")).unwrap();
}

/// What a cluster does, and leaves in `run`.
fn judge(at: &Path, now: &str) {
    let cut = format!(
        "rm -rf run part.* shared; mkdir -p run/judged
         counterfoil shard --records a.jsonl --config c.toml --now {now} --summary run/cut.jsonl \
         | LC_ALL=C sort | awk -F'\\t' '$1 == \"*\" {{print > \"shared\"; next}} {{print > (\"part.\" substr($1, 1, 1))}}'
         for p in part.?; do counterfoil reconcile --partition --tagged --shared shared --config c.toml < $p \
         > run/judged/$p; LC_ALL=C sort -c run/judged/$p; done"
    );
    ends(at, 0, &cut);
    seal(at);
}

/// Writes `run.json`, by what the partitions say of themselves.
fn seal(at: &Path) {
    let mut run = json!({"format": FORMAT, "partitions": 0});
    let mut sum = Sum::default();
    for file in fs::read_dir(at.join("run/judged")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for summary in text.lines().filter_map(|line| line.strip_prefix("~\t9\t\t")) {
            let said: Value = serde_json::from_str(summary).unwrap();
            let add =
                |run: &mut Value, key: &str, n: u64| run[key] = json!(run[key].as_u64().unwrap_or(0) + n);
            for key in ["grants", "verdicts", "findings"] {
                add(&mut run, key, said[key].as_u64().unwrap());
            }
            add(&mut run, "partitions", 1);
            sum.merge(said["findings_sum"].as_str().unwrap().parse().unwrap());
            let of = ["program", "settings", "now"].map(|key| (key, said[key].clone()));
            run["judge"] = of.into_iter().collect();
            run["judge"]["format"] = json!("counterfoil.partition/1");
        }
    }
    run["findings_sum"] = json!(sum);
    fs::write(at.join("run/run.json"), run.to_string()).unwrap();
}

const TAKE: &str = "counterfoil reconcile --judged run --config c.toml --format jsonl";

fn desk() -> tempfile::TempDir {
    let desk = tempfile::tempdir().unwrap();
    town(desk.path());
    judge(desk.path(), NOW);
    desk
}

fn without(lines: &str, field: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove(field);
        value
    };
    lines.lines().map(parse).collect()
}

#[test]
fn what_a_cluster_left_is_taken_as_a_run_and_printed_as_one() {
    let desk = desk();
    let at = desk.path();
    let [out, said] = ends(at, 0, &format!("{TAKE} --verdicts v.jsonl"));
    // Beside what one run of the same records prints there is nothing, in another order.
    let [whole, _] = ends(
        at,
        0,
        &format!("counterfoil reconcile --records a.jsonl --now {NOW} --format jsonl --verdicts w.jsonl"),
    );
    let (mut found, mut expected): (Vec<&str>, Vec<&str>) = (out.lines().collect(), whole.lines().collect());
    found.sort_unstable();
    expected.sort_unstable();
    expected.dedup();
    assert!(found.len() > 100, "{said}");
    assert_eq!(found, expected);
    let text = |file: &str| fs::read_to_string(at.join(file)).unwrap();
    let mut verdicts = [text("v.jsonl"), text("w.jsonl")].map(|t| without(&t, ""));
    verdicts.iter_mut().for_each(|v| v.sort_by_key(ToString::to_string));
    assert!(verdicts[0] == verdicts[1] && verdicts[0].len() > 50);
    let events =
        text("events.jsonl").lines().filter(|l| l.contains("\"create\"") || l.contains("activity")).count();
    assert!(events >= found.len(), "{events} {said}");
    assert!(said.contains(&format!("run 1: {} findings new, 0 changed, 0 resolved", found.len())), "{said}");
    let [verified, _] = ends(at, 0, "counterfoil verify --config c.toml");
    assert!(!verified.is_empty());
    ends(at, 1, &format!("rm -r counterfoil.db* events.jsonl; {TAKE} --fail-on critical"));
    // Taken once more nothing comes of it, and before the files are read.
    let [out, said] = ends(at, 0, &format!("echo broken > run/judged/part.0; {TAKE}"));
    assert_eq!((out.as_str(), said.as_str()), ("", "counterfoil: run is taken already, by run 1\n"));
    // Nothing that is as old, or older.
    fs::write(at.join("c.toml"), CONFIG.replace("[evidence]", "[checks]\nexpiry_grace = \"PT2H\"")).unwrap();
    judge(at, NOW);
    let [_, said] = ends(at, 2, TAKE);
    assert!(
        said.contains(
            "they are of 2026-06-01T00:00:00Z, and others of 2026-06-01T00:00:00Z were taken already (run 1)"
        ),
        "{said}"
    );
    judge(at, "2026-05-31T00:00:00Z");
    let [_, said] = ends(at, 2, TAKE);
    assert!(said.contains("take later ones"), "{said}");
    // A later one is the next run.
    fs::write(
        at.join("a.jsonl"),
        text("a.jsonl")
            .lines()
            .filter(|l| !l.contains("\"grant\""))
            .map(|l| format!("{l}\n"))
            .collect::<String>(),
    )
    .unwrap();
    judge(at, "2026-06-02T00:00:00Z");
    let [_, said] = ends(at, 0, TAKE);
    assert!(said.contains("run 2: ") && !said.contains(" 0 resolved"), "{said}");
    ends(at, 0, "counterfoil verify --config c.toml");
}

#[test]
fn files_may_be_packed_be_several_partitions_and_lie_beside_marks() {
    let desk = desk();
    let at = desk.path();
    let [plain, _] = ends(at, 0, TAKE);
    ends(
        at,
        0,
        "cd run/judged; cat part.1 part.0 > many; rm part.0 part.1; gzip part.2; : > empty; touch _SUCCESS .x.crc; rm -r ../../counterfoil.db*",
    );
    let three = fs::read(at.join("run/judged/part.3")).unwrap();
    fs::write(at.join("run/judged/part.3.zst"), zstd::encode_all(three.as_slice(), 3).unwrap()).unwrap();
    fs::remove_file(at.join("run/judged/part.3")).unwrap();
    let mut nothing = GzEncoder::new(vec![], flate2::Compression::fast());
    nothing.write_all(b"").unwrap();
    fs::write(at.join("run/judged/nothing.gz"), nothing.finish().unwrap()).unwrap();
    let [packed, _] = ends(at, 0, TAKE);
    assert_eq!(packed, plain);
}

#[test]
fn what_is_not_whole_or_not_in_order_is_refused_with_its_place_and_nothing_is_taken() {
    let desk = desk();
    let at = desk.path();
    let whole = fs::read_to_string(at.join("run/judged/part.4")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let kind = |line: &&str, kind: &str| line.split('\t').nth(1) == Some(kind);
    let at_kind = |k: &str| lines.iter().position(|l| kind(l, k)).unwrap();
    let [verdict, finding, last] = [at_kind("2"), at_kind("3"), lines.len() - 1];
    let of = |n: usize| lines[n].split('\t').next().unwrap();
    let home = lines.iter().position(|line| line.starts_with(of(finding))).unwrap();
    let edit = |script: &str| format!("cd run/judged; {script}");
    let line = |n: usize| format!("run/judged/part.4: line {}: ", n + 1);
    let sed = |n: usize, what: &str| edit(&format!("sed -i '{}{what}' part.4", n + 1));
    let summary = |what: &str| edit(&format!("sed -i '/^~/s/{what}/' part.4"));
    for (script, what) in [
        ("rm run/run.json".to_owned(), "run/run.json: is not there: it is written last".to_owned()),
        (
            "sed -i s:counterfoil.judged/1:counterfoil.judged/2: run/run.json".to_owned(),
            "found format `counterfoil.judged/2`, expected `counterfoil.judged/1`".to_owned(),
        ),
        (
            "sed -i 's/\"verdicts\":/\"verdicts\":1/' run/run.json".to_owned(),
            "run: verdicts: found ".to_owned(),
        ),
        (
            "sed -i 's/\"program\":\"/\"program\":\"x/' run/run.json".to_owned(),
            "run/run.json: was judged with program `x".to_owned(),
        ),
        (
            "sed -i 's/PT8H/PT9H/; s/\\[evidence\\]/[checks]\\nexpiry_grace = \"PT2H\"/' c.toml".to_owned(),
            "was judged with settings `".to_owned(),
        ),
        ("rm run/cut.jsonl".to_owned(), "run/cut.jsonl: cannot be read: ".to_owned()),
        (
            "sed -i 's/\"homes\":/\"homes\":1/' run/cut.jsonl".to_owned(),
            "run: homes: the partitions saw ".to_owned(),
        ),
        ("echo x >> run/cut.jsonl".to_owned(), "run/cut.jsonl: line 2: ".to_owned()),
        ("cat run/cut.jsonl run/cut.jsonl > x; mv x run/cut.jsonl".to_owned(), "run: expected ".to_owned()),
        ("rm -r run/judged".to_owned(), "run/judged: cannot be read: ".to_owned()),
        ("rm run/judged/*".to_owned(), "run/judged: holds no file".to_owned()),
        ("mkdir run/judged/more".to_owned(), "run/judged/more: is no file".to_owned()),
        ("rm run/judged/part.4".to_owned(), ": the partitions saw ".to_owned()),
        (
            "cp run/judged/part.4 run/judged/part.40".to_owned(),
            " was judged in two partitions, which end at run/judged/part.4: line ".to_owned(),
        ),
        (sed(home, "d"), format!("{}is of a home that was not judged here", line(home))),
        (sed(home, "s/{}/{\"a\":1}/"), format!("{}expected {{}}", line(home))),
        (sed(verdict, "d"), format!("{}verdicts: found ", line(last - 1))),
        (sed(finding, "d"), format!("{}findings: found ", line(last - 1))),
        (sed(finding, "p"), format!("{}stands there twice", line(finding + 1))),
        (sed(home, "{h;d};$G"), format!("{}is of a home that was not judged here", line(home))),
        (sed(home, "{h;n;G}"), format!("{}is out of order", line(home + 2))),
        (
            sed(finding, "s/\"id\":\"f1:./\"id\":\"f1:x/"),
            format!("{}the sum of the findings: found ", line(last)),
        ),
        (
            sed(finding, "s/\"check\"/\"chekc\"/"),
            format!("{}the finding: missing field `check`", line(finding)),
        ),
        (
            sed(finding, "s:counterfoil.finding/1:counterfoil.finding/2:"),
            format!("{}found schema `counterfoil.finding/2`", line(finding)),
        ),
        (
            sed(verdict, "s/\"standing\":\"/\"standing\":\"un/"),
            format!("{}the verdict: unknown variant", line(verdict)),
        ),
        (sed(verdict, "s/^4/x/"), format!("{}expected as home", line(verdict))),
        (sed(verdict, "s/\\t2\\t/\\t7\\t/"), format!("{}expected a kind", line(verdict))),
        (sed(verdict, "s/\\t/ /g"), format!("{}expected four parts", line(verdict))),
        (sed(last, "d"), "run/judged/part.4: ends without the summary of a partition".to_owned()),
        (summary("\"partition\"/\"shard\""), format!("{}the summary is not of a partition", line(last))),
        (
            summary("\"program\":\"/\"program\":\"x"),
            format!("{}the summary: was judged with program `x", line(last)),
        ),
        (
            summary("\"now\":\"2026/\"now\":\"2027"),
            format!("{}the summary: was judged with now `2027", line(last)),
        ),
        (summary("\"complete\":true/\"complete\":false"), "has other snapshots than ".to_owned()),
        (
            edit("gzip part.4; head -c 900 part.4.gz > x.gz; rm part.4.gz"),
            "run/judged/x.gz: cannot be read: ".to_owned(),
        ),
    ] {
        ends(at, 0, &format!("rm -rf saved; cp -r run saved; cp c.toml saved.toml; {script}"));
        let [out, said] = ends(at, 2, TAKE);
        assert!(said.contains(&what) && said.starts_with("error: "), "{script}\nexpected {what}\n{said}");
        assert_eq!(out, "");
        assert!(!at.join("counterfoil.db").exists() && !at.join("events.jsonl").exists(), "{script}");
        ends(at, 0, "rm -rf run; mv saved run; mv saved.toml c.toml");
    }
    ends(at, 0, TAKE);
}

#[test]
fn one_store_holds_records_or_what_was_judged_elsewhere() {
    let desk = desk();
    let at = desk.path();
    let [_, said] = ends(at, 2, &TAKE.replace("c.toml", "sources.toml"));
    assert!(said.contains("--judged: the configuration has [[source]]"), "{said}");
    ends(at, 0, &format!("counterfoil reconcile --config sources.toml --now {NOW}"));
    let [_, said] = ends(at, 2, TAKE);
    assert!(said.contains("the store holds records of its own"), "{said}");
    ends(at, 0, &format!("rm counterfoil.db* events.jsonl; {TAKE}"));
    for script in ["counterfoil reconcile --config sources.toml", "counterfoil run --config sources.toml"] {
        let [_, said] = ends(at, 2, script);
        assert!(
            said.contains(
                "what it holds was judged elsewhere (`reconcile --judged`), and no source goes beside that"
            ),
            "{said}"
        );
    }
    let [found, _] = ends(at, 2, "counterfoil reconcile --config c.toml");
    assert_eq!(found, "");
    // What needs the records says that they are not here; what does not is there.
    let [events, _] = ends(at, 0, "cat events.jsonl");
    let id = events.split('"').find(|text| text.starts_with("f1:")).unwrap();
    for script in [
        format!("counterfoil explain {id} --config c.toml"),
        "counterfoil explain x/y --config c.toml".to_owned(),
        "counterfoil report --config c.toml --out pack.html".to_owned(),
        "counterfoil simulate --config c.toml --against c.toml".to_owned(),
    ] {
        let [_, said] = ends(at, 2, &script);
        assert!(said.contains("was judged elsewhere"), "{script}: {said}");
    }
    ends(at, 0, "counterfoil store show --config c.toml");
    let until = "2099-01-01T00:00:00Z";
    let accept =
        format!("counterfoil accept {id} --until {until} --by a@b.example --reason known --config c.toml");
    let [_, said] = ends(at, 2, &accept);
    assert!(said.contains("further ahead"), "{said}");
}

/// Cuts the records in two slices, and judges them in partitions.
const SLICES: &str = r#"rm -rf run part.*; mkdir -p run/judged
n=$(($(wc -l < a.jsonl) / 2)); head -n $n a.jsonl > s.0; tail -n +$((n + 1)) a.jsonl > s.1
for n in 0 1; do counterfoil shard --survey --slice $n --records s.$n > survey.$n; done
cat survey.? | awk -F'\t' '$1 == "request" {if ($2 in p && p[$2] != $3) print $2; p[$2] = $3}' | sort -u > disputed
for n in 0 1; do counterfoil shard --survey --slice $n --disputed disputed --records s.$n > more.$n; done
counterfoil shard --plan --survey-lines survey.0 survey.1 more.0 more.1 --config c.toml --now NOW > plan
for n in 0 1; do counterfoil shard --with plan --slice $n --records s.$n --tagged > rows.$n; done
cat rows.? | grep '^~' | cut -f4 > run/cut.jsonl
cat rows.? plan | grep -v '^[~*]' | LC_ALL=C sort | awk -F'\t' '{print > ("part." substr($1, 1, 1))}'"#;
const JUDGE: &str = r#"for p in part.?; do counterfoil reconcile --partition --tagged --shared plan --config c.toml < $p > run/judged/$p; done"#;

#[test]
fn what_was_cut_in_slices_is_taken_unless_a_home_was_torn_apart() {
    let desk = desk();
    let at = desk.path();
    let [whole, _] = ends(at, 0, TAKE);
    let cut = SLICES.replace("NOW", NOW);
    ends(at, 0, &format!("rm counterfoil.db* events.jsonl\n{cut}\n{JUDGE}"));
    seal(at);
    let [sliced, _] = ends(at, 0, TAKE);
    assert!(sliced == whole && sliced.lines().count() > 100);
    // A row of a home goes to another partition: all sums are right, and what is told of the home is not.
    let torn = "home=$(grep -h '^[0-9a-f]' part.? | cut -f1 | uniq -d | head -n 1)
        row=$(grep -h \"^$home\" part.? | tail -n 1)
        for p in part.?; do grep -vxF \"$row\" $p > x || true; mv x $p; done; printf '%s\\n' \"$row\" > part.x";
    ends(at, 0, &format!("rm counterfoil.db* events.jsonl\n{cut}\n{torn}\n{JUDGE}"));
    seal(at);
    ends(
        at,
        0,
        "cat run/judged/* | grep '^~' | cut -f4 > sums; counterfoil shard --check run/cut.jsonl sums",
    );
    let [_, said] = ends(at, 2, TAKE);
    assert!(said.contains(" was judged in two partitions, which end at run/judged/part."), "{said}");
    assert!(!at.join("counterfoil.db").exists());
}

#[test]
fn the_daemon_shows_and_tells_what_was_judged_elsewhere_and_never_judges() {
    let desk = desk();
    let at = desk.path();
    let [_, said] = ends(at, 2, "counterfoil run --config c.toml");
    assert!(said.contains("has no [[source]]; there is nothing to watch"), "{said}");
    let [found, _] = ends(at, 0, TAKE);
    let [_, said] = ends(at, 0, "timeout --preserve-status -s TERM 3 counterfoil run --config c.toml");
    assert!(said.contains("counterfoil runs"), "{said}");
    let text = CONFIG.replace("id = \"lines\"", "id = \"lines\"\nheartbeat = \"PT1H\"");
    fs::write(at.join("c.toml"), &text).unwrap();
    let config = Config::load(&at.join("c.toml")).unwrap();
    let names: Vec<&str> = checks::all().map(|check| check.name).collect();
    let setup = Setup::new(&config, Controls::embedded(&names).unwrap(), 1).unwrap();
    let store = Place::File(at.join("counterfoil.db")).open().unwrap();
    let mut core = Core::new(store, setup, Duration::days(4000)).unwrap();
    for day in [1, 40, 400] {
        // As when somebody accepts a finding.
        core.judge_soon();
        let now = NOW.parse::<Instant>().unwrap().plus(Duration::days(day));
        let ticked = core.tick(now, &|| false, &mut |_| panic!("nothing is pulled")).unwrap();
        assert!(ticked.run.is_none() && ticked.heartbeats == 1, "{ticked:?}");
    }
    let mut open = 0;
    core.store().lives(&[State::Open, State::Accepted], &mut |_| open += 1).unwrap();
    assert_eq!(open, found.lines().count());
}

#[test]
fn where_nobody_says_which_sources_are_in_doubt_a_finding_about_one_keeps_all_others_still() {
    let desk = desk();
    let at = desk.path();
    judge(at, "2026-08-01T00:00:00Z");
    let [with, said] = ends(at, 0, TAKE);
    assert!(
        with.lines().count() > 100 && said.contains(" are not told while a source is in doubt"),
        "{said}"
    );
    ends(
        at,
        0,
        "rm counterfoil.db* events.jsonl; sed -i 's/,\"snapshots\":\\[.*\\]//' run/judged/*; ! grep -q snapshots run/judged/*",
    );
    let [without, said] = ends(at, 0, TAKE);
    assert!(said.contains("run 1: 1 findings new, 0 changed, 0 resolved;"), "{said}");
    // What keeps still is printed all the same.
    assert_eq!(without.lines().count(), with.lines().count());
}
