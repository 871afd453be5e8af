//! Slices: however records are shared out before they are cut, the rows are those of one cut, and what is judged of them is
//! what one run says.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil::intake::cut::{Sliced, cut_slice};
use counterfoil::intake::partition::Partition;
use counterfoil::intake::plan::{Plan, plan};
use counterfoil::intake::rows::{FORMAT, Judge, Tally};
use counterfoil::intake::shard::{Cut, Sharded, shard};
use counterfoil::intake::survey::{Keys, Slice, survey, survey_disputed};
use counterfoil::intake::{self, IntakeError, Options, Rejects, Source};
use counterfoil::judge::{Home, Said, Settings, World, judge};
use counterfoil::model::Instant;
use counterfoil::report::{Lines, order_of_finding, order_of_verdict};
use serde_json::{Value, json};

use super::{CONTROLS, Told, assert_alike, partitions, together, told};
use crate::reference::estates::{Dice, estate, estate_with_twins};
use crate::reference::product::settings;

fn judge_at(now: Instant) -> Judge {
    Judge { format: FORMAT.to_owned(), program: "p".to_owned(), settings: "s".to_owned(), now }
}

fn text(name: &str, text: &str) -> [Source; 1] {
    [Source::Text { name: name.to_owned(), text: text.as_bytes().to_vec() }]
}

fn slice(number: u16, threads: usize) -> Slice<'static> {
    Slice { number, program: "p", threads, progress: &|_| {} }
}

fn lines(bytes: Vec<u8>) -> Vec<String> {
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

/// What is surveyed of slices, as a cluster would put it together: without the lines of the requests, but with all records of
/// those that are in dispute.
fn surveyed(slices: &BTreeMap<u16, String>, threads: usize) -> (Vec<String>, Keys, usize) {
    let folder = tempfile::tempdir().unwrap();
    let (mut all, mut people) = (vec![], BTreeMap::<String, BTreeSet<String>>::new());
    for (number, records) in slices {
        let mut rejects = Rejects::at(&folder.path().join("rejects"));
        let mut out = vec![];
        survey(&text("records", records), &slice(*number, threads), Some(&mut rejects), &mut out)
            .unwrap()
            .unwrap();
        let lines = lines(out);
        assert!(lines.last().unwrap().starts_with("seen\t"));
        for line in lines {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["request", key, whom] => {
                    people.entry(key.to_owned()).or_default().insert(whom.to_owned());
                }
                _ => all.push(line),
            }
        }
    }
    let disputed = people.into_iter().filter(|(_, whom)| whom.len() > 1);
    let keys: String = disputed.map(|(key, _)| key + "\n").collect();
    let keys_read = Keys::of(&keys).unwrap();
    for (number, records) in slices {
        let mut out = vec![];
        survey_disputed(&text("records", records), &slice(*number, threads), &keys_read, true, &mut out)
            .unwrap()
            .unwrap();
        all.extend(lines(out));
    }
    (all, keys_read, keys.lines().count())
}

fn planned(surveyed: &[String], now: Instant) -> Result<String, String> {
    let mut out = vec![];
    let lines: String = surveyed.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    match plan(&text("surveys", &lines), &judge_at(now), (2, &|_| {}), &mut out) {
        Ok(done) => done.map(|_| String::from_utf8(out).unwrap()).map_err(|e| e.to_string()),
        Err(e) => Err(e.to_string()),
    }
}

fn read(plan: &str) -> Result<Plan, IntakeError> {
    let [source] = text("plan", plan);
    Plan::read(&source, 2)
}

fn sliced(
    number: u16,
    records: &str,
    plan: &Plan,
    threads: usize,
    pass_over: bool,
) -> Result<(Vec<String>, Sliced), IntakeError> {
    let mut out = vec![];
    let cut = cut_slice(&text("records", records), &slice(number, threads), plan, pass_over, &mut out)?;
    Ok((lines(out), cut.unwrap()))
}

/// A cut of everything, where lines that are no records are passed over.
fn cut_at_once(records: &str, now: Instant) -> (Vec<String>, Sharded) {
    let folder = tempfile::tempdir().unwrap();
    let mut rejects = Rejects::at(&folder.path().join("rejects"));
    let how = Cut { judge: judge_at(now), threads: 2, rejects: Some(&mut rejects), progress: &|_| {} };
    let mut out = vec![];
    let sharded = shard(&text("records", records), how, &mut out).unwrap().unwrap();
    (lines(out), sharded)
}

/// What one run says, where lines that are no records are passed over.
fn whole(records: &str, settings: &Settings, now: Instant) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let mut rejects = Rejects::at(&folder.path().join("rejects"));
    let options = Options { threads: 1, rejects: Some(&mut rejects), now, progress: &|_| {} };
    let taken = intake::read(&text("records", records), options).unwrap();
    told(&judge(&World::new(taken.estate, settings), settings, now, 1, &|_| {}), false)
}

/// Rows without their numbers, and without the header, of which the sum depends on them.
fn unnumbered(rows: &[String]) -> Vec<[&str; 3]> {
    let parts = rows.iter().map(|row| row.splitn(4, '\t').collect::<Vec<_>>());
    let mut rows: Vec<[&str; 3]> =
        parts.filter(|parts| parts[1] != "0").map(|parts| [parts[0], parts[1], parts[3]]).collect();
    rows.sort_unstable();
    rows
}

/// An estate with requests that stand there again for other people, and now and then lines that are no records.
fn troubled(seed: u64, records: &[Value], dice: &mut Dice) -> Vec<String> {
    let mut lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let requests: Vec<&Value> = records.iter().filter(|r| r["type"] == "request").collect();
    if !requests.is_empty() {
        for _ in 0..dice.below(3) {
            let mut copy = requests[dice.below(requests.len())].clone();
            copy["beneficiaries"] = match dice.below(3) {
                0 => json!([]),
                _ => requests[dice.below(requests.len())]["beneficiaries"].clone(),
            };
            copy["observed_at"] = json!(format!("2026-05-0{}T00:00:00Z", 1 + dice.below(9)));
            lines.push(copy.to_string());
        }
    }
    if seed.is_multiple_of(4) {
        lines.push("nonsense".to_owned());
        lines.push("{\"type\":\"grant\",\"source\":\"iam\"}".to_owned());
        lines.push("{\"type\":\"system\",\t\"id\":\"\\u0000tab\"}\r".to_owned());
    }
    lines
}

/// Shares lines out to slices at random, of which some may stay empty.
fn share(lines: &[String], dice: &mut Dice) -> BTreeMap<u16, String> {
    let mut slices: BTreeMap<u16, String> =
        (0..1 + dice.below(6)).map(|_| (dice.below(10_000) as u16, String::new())).collect();
    let numbers: Vec<u16> = slices.keys().copied().collect();
    for line in lines {
        let to = slices.get_mut(&numbers[dice.below(numbers.len())]).unwrap();
        to.push_str(line);
        to.push('\n');
    }
    slices
}

/// What partitions print as one stream each, in order; the findings of all of them together, in theirs.
fn tagged(parts: &[Vec<String>], plan: &str, settings: &Settings) -> Vec<u8> {
    let mut findings = vec![];
    for part in parts {
        let rows: String =
            part.iter().filter(|row| !row.starts_with('*')).flat_map(|row| [row.as_str(), "\n"]).collect();
        let mut partition = Partition::open_with("plan", plan.as_bytes(), rows.as_bytes(), 300).unwrap();
        let now = partition.judge().now;
        let mut all: Vec<Vec<u8>> = vec![];
        while let Some(batch) = partition.next_batch().unwrap() {
            let world = World::new(batch.estate, settings);
            let mut judgement = judge(&world, settings, now, 1, &|_| {});
            judgement.stay_home(&batch.homes).unwrap();
            let (mut teller, mut lines) = (judgement.teller(&*CONTROLS), Lines::default());
            for (home, said) in judgement.by_home(&batch.homes) {
                assert!(batch.homes.contains(&home));
                let mut line = format!("{home}\t").into_bytes();
                match said {
                    Said::Here => line.extend_from_slice(b"1\t\t{}\n"),
                    Said::Verdict(at) => {
                        let verdict = judgement.verdict_at(at).unwrap();
                        line.extend_from_slice(b"2\t");
                        order_of_verdict(&verdict, &mut line);
                        line.push(b'\t');
                        serde_json::to_writer(&mut line, &verdict).unwrap();
                        line.push(b'\n');
                    }
                    Said::Finding(at) => {
                        let finding = teller.tell(at).unwrap();
                        assert!(finding.alias.is_none() && finding.source.is_none() || home == Home::Nobody);
                        line.extend_from_slice(b"3\t");
                        let start = line.len();
                        order_of_finding(finding, &mut line);
                        line.push(b'\t');
                        lines.write(finding, &mut line);
                        findings.push(line[start..].to_vec());
                    }
                }
                all.push(line);
            }
        }
        assert!(all.is_sorted_by(|a, b| a < b), "each line once, in the order of their bytes");
    }
    findings.sort_unstable();
    findings.into_iter().flat_map(|line| line.splitn(2, |b| *b == b'\t').last().unwrap().to_vec()).collect()
}

/// Cuts an estate in slices, and holds what comes out against one cut and one run; how many requests were in dispute.
fn compare(seed: u64, records: &[Value], config: &Value, now: &str) -> usize {
    let (settings, now) = (settings(config).unwrap(), Instant::parse(now).unwrap());
    let mut dice = Dice::new(seed ^ 0x51_1ce5);
    let lines = troubled(seed, records, &mut dice);
    let all: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let slices = share(&lines, &mut dice);
    let threads = 1 + dice.below(3);
    let (mut surveyed, _, disputed) = surveyed(&slices, threads);
    let ordered = planned(&surveyed, now).unwrap();
    dice.shuffle(&mut surveyed);
    let planned = planned(&surveyed, now).unwrap();
    assert_eq!(planned, ordered, "seed {seed}: the order of what was surveyed");
    assert!(planned.lines().is_sorted_by(|a, b| a < b), "seed {seed}: the order of the plan");

    let plan = read(&planned).unwrap();
    let mut rows: Vec<String> = planned.lines().filter(|l| !l.starts_with('~')).map(str::to_owned).collect();
    let mut tally = Tally::of_nobody();
    for (number, records) in &slices {
        let (more, cut) = sliced(*number, records, &plan, threads, true).unwrap();
        assert_eq!(cut.slices, slices.len() as u64);
        assert!(
            more.iter().all(|row| row[19..].starts_with(&format!("{number:04}"))),
            "seed {seed}: numbers"
        );
        rows.extend(more);
        tally.merge(&cut.tally);
    }
    let (at_once, sharded) = cut_at_once(&all, now);
    assert_eq!(unnumbered(&rows), unnumbered(&at_once), "seed {seed}: the rows");

    let expected = whole(&all, &settings, now);
    let n = 1 + dice.below(5);
    let parts = partitions(&rows, &mut |_| dice.below(n));
    let (found, sum) = together(&parts, 300, &settings);
    assert_alike(seed, "in slices", &found, &expected);
    assert_eq!(Tally { homes: 0, homes_sum: tally.homes_sum, ..sum.clone() }, Tally { homes: 0, ..tally });
    assert_eq!((sum.homes, sum.homes_sum), (sharded.tally.homes, sharded.tally.homes_sum));
    assert_eq!(tagged(&parts, &planned, &settings), expected[0].concat(), "seed {seed}: tagged");
    disputed
}

#[test]
fn slices_cut_by_one_plan_are_cut_as_everything_at_once() {
    let mut disputed = 0;
    for seed in 51_000..51_200 {
        let (records, config, now) = estate(seed);
        disputed += usize::from(compare(seed, &records, &config, &now) > 0);
    }
    for seed in 51_200..51_225 {
        let (records, config, now) = estate_with_twins(seed);
        compare(seed, &records, &config, &now);
    }
    assert!(disputed > 40, "{disputed}");
}

/// Three slices, with one request in dispute among the first two of them, and what is surveyed of all.
fn three() -> (BTreeMap<u16, String>, Vec<String>, Instant) {
    let request = |people: &str, seen: &str| {
        format!(
            r#"{{"type":"request","source":"j","id":"1","state":"approved","beneficiaries":{people},"observed_at":"{seen}","access":[{{"system":"s","entitlement":"e"}}]}}"#
        )
    };
    let slices = BTreeMap::from([
        (
            0,
            [
                r#"{"type":"identity","id":"a"}"#,
                r#"{"type":"grant","system":"s","account":"a","entitlement":"e"}"#,
                &request(r#"["a"]"#, "2026-05-01T00:00:00Z"),
            ]
            .join("\n"),
        ),
        (7, [r#"{"type":"system","id":"s"}"#, &request(r#"["b"]"#, "2026-05-02T00:00:00Z")].join("\n")),
        (
            9999,
            [
                r#"{"type":"grant","system":"t","account":"b","entitlement":"e"}"#,
                r#"{"type":"system","id":"t"}"#,
            ]
            .join("\n"),
        ),
    ]);
    let (surveyed, _, disputed) = surveyed(&slices, 1);
    assert_eq!(disputed, 1);
    (slices, surveyed, Instant::parse("2026-06-01T00:00:00Z").unwrap())
}

#[test]
fn what_is_lost_of_a_survey_shows_in_the_plan_or_when_slices_are_cut() {
    let (slices, surveyed, now) = three();
    let errors = |surveyed: &[String]| -> String {
        let plan = match planned(surveyed, now) {
            Ok(plan) => read(&plan).unwrap(),
            Err(e) => return e,
        };
        let cut = slices.iter().map(|(number, records)| sliced(*number, records, &plan, 1, false));
        cut.filter_map(Result::err).map(|e| e.to_string()).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(errors(&surveyed), "");
    for at in 0..surveyed.len() {
        let line = &surveyed[at];
        let mut lost = surveyed.clone();
        lost.remove(at);
        let error = errors(&lost);
        let expected = match line.split('\t').next().unwrap() {
            "shared" => "lines `shared` with the sum",
            "held" => "the plan does not know that grants are held on system",
            "request-of" => "records: line 3: request `1` of `j` is in dispute, and the plan does not know",
            "seen" if line.contains("\"rows\":0") => "is not among its 2",
            _ => "has no line `seen`",
        };
        let second = "records: line 2: request `1` of `j` is in dispute";
        assert!(
            error.contains(expected) || line.starts_with("request-of") && error.contains(second),
            "{line}: {error}"
        );
        let mut doubled = surveyed.clone();
        doubled.push(line.clone());
        let error = errors(&doubled);
        let expected = match line.split('\t').next().unwrap() {
            "shared" => "lines `shared` with the sum",
            "seen" => "was surveyed twice",
            _ => "",
        };
        assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{line}: {error}");
    }
    // Where the keys of requests are there, those in dispute must be.
    let keys = ["request\t0000000000000001\t0000000000000001", "request\t0000000000000001\t0000000000000002"];
    let more: Vec<String> = surveyed.iter().cloned().chain(keys.map(str::to_owned)).collect();
    assert!(
        errors(&more).starts_with("request 0000000000000001 is for different people in different records")
    );
    for (line, expected) in [
        ("", "surveys: line 1: expected a line of a survey"),
        ("shared\t1\t{}", "expected a number of 12 digits"),
        ("shared\t000000000001\t{}", "line 1: "),
        (
            "shared\t000000000001\t{\"type\":\"grant\",\"system\":\"s\",\"account\":\"a\",\"entitlement\":\"e\"}",
            "expected a record that every partition needs",
        ),
        ("held\ts", "line 1: expected value"),
        ("request\t1\t2", "expected two parts of 16 hexadecimal digits"),
        ("request-of\t{\"type\":\"system\",\"id\":\"s\"}", "expected a request"),
        ("seen\t{}", "missing field"),
        (
            "seen\t{\"slice\":10000,\"program\":\"p\",\"records\":0,\"rejected\":0,\"rows\":0,\"sum\":\"0000000000000000\"}",
            "expected one below 10000",
        ),
        (
            "seen\t{\"slice\":1,\"program\":\"q\",\"records\":0,\"rejected\":0,\"rows\":0,\"sum\":\"0000000000000000\"}",
            "slice 1 was surveyed by program `q`, and this is `p`",
        ),
    ] {
        let error = planned(&[line.to_owned()], now).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
    assert!(planned(&[], now).unwrap_err().contains("at least one slice"));
}

#[test]
fn a_plan_that_is_cut_short_or_changed_is_refused() {
    let (_, surveyed, now) = three();
    let planned = planned(&surveyed, now).unwrap();
    assert!(read(&planned).is_ok());
    let lines: Vec<&str> = planned.lines().collect();
    assert_eq!(lines.iter().map(|line| &line[..3]).collect::<String>().matches("~\t2").count(), 1);
    for end in 0..planned.len() - 1 {
        assert!(read(&planned[..end]).is_err(), "{}", &planned[..end]);
    }
    for at in 0..lines.len() {
        let mut lost = lines.clone();
        lost.remove(at);
        // The row of nobody is missed at the gate.
        assert_eq!(read(&lost.join("\n")).is_ok(), lines[at].starts_with('-'), "{}", lines[at]);
        if !lines[at].starts_with('-') && at + 1 < lines.len() {
            let mut doubled = lines.clone();
            doubled.insert(at, lines[at]);
            assert!(read(&doubled.join("\n")).is_err(), "{}", lines[at]);
        }
    }
    for (from, to, expected) in [
        ("partition/1", "partition/2", "plan: line 1: the header: found format `counterfoil.partition/2`"),
        ("*\t2\t", "*\t3\t", "expected a kind that there is for this home"),
        ("-\t7\t", "0000000000000000\t7\t", "expected a kind"),
        ("-\t7\t000000000000\t{}", "0000000000000000\t6\t000000000001\t{}", "does not belong into a plan"),
        ("~\t1\t", "~\t3\t", "expected the line of a slice or a request"),
        ("\"id\":\"a\"", "\"id\":\"b\"", "of the rows that every partition needs, with the sum"),
        ("\"records\":3", "\"records\":4", "lines of slices and requests, with the sum"),
    ] {
        let error = read(&planned.replacen(from, to, 1)).err().unwrap().to_string();
        assert!(error.contains(expected), "{from}: {error}");
    }
}

#[test]
fn a_slice_that_is_not_what_was_surveyed_is_refused() {
    let (slices, surveyed, now) = three();
    let plan = read(&planned(&surveyed, now).unwrap()).unwrap();
    let error = |number, records: &str, pass_over| {
        sliced(number, records, &plan, 1, pass_over).unwrap_err().to_string()
    };
    assert!(error(8, "", false).ends_with("slice 8 is not among its 3"));
    for (records, what) in [
        (String::new(), "it has 0 records, 0 bad lines and 0 rows"),
        (format!("{}\nnonsense", slices[&0]), "it has 3 records, 1 bad lines and 1 rows"),
        (slices[&0].replace("\"id\":\"a\"", "\"id\":\"c\""), "it has 3 records, 0 bad lines and 1 rows"),
    ] {
        let error = error(0, &records, true);
        assert!(error.starts_with("slice 0 is not what was surveyed: ") && error.contains(what), "{error}");
    }
    assert!(error(0, "nonsense", false).starts_with("records: line 1: "));
}
