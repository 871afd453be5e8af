//! The output formats: what each looks like, that the JSON forms lose nothing, that the table stays small.

pub mod sample;

use std::io::{self, Write};

use counterfoil::model::finding::{Finding, Standing};
use counterfoil::report::{
    Format, Head, Options, Standings, Style, Summary, finding_schema, ocsf, text, writer,
};
use proptest::prelude::*;

/// What a format prints for these findings.
pub fn printed(format: Format, options: Options, findings: &[Finding<'_>], summary: &Summary) -> String {
    let mut out = Vec::new();
    {
        let mut w = writer(format, options, &mut out);
        let mut head = Head::new(sample::at("2026-06-01T00:00:00Z"));
        head.version = "1.2.3";
        head.category = |check| (check == "unapproved-grant").then_some("authority");
        w.begin(&head).unwrap();
        for f in findings {
            w.finding(f).unwrap();
        }
        w.end(summary).unwrap();
    }
    String::from_utf8(out).unwrap()
}

fn summary() -> Summary {
    let mut standings = Standings::default();
    for (standing, n) in [
        (Standing::Approved, 1_050),
        (Standing::Birthright, 50),
        (Standing::Expired, 1),
        (Standing::Revoked, 2),
        (Standing::Unapproved, 81),
        (Standing::Unknown, 20),
    ] {
        standings.add(standing, n);
    }
    Summary { standings: Some(standings), skipped_records: 3, dropped_duplicates: 1, hints: vec![] }
}

fn options(width: usize, colour: bool) -> Options {
    Options { style: Style { colour, width }, rows: 3, people: 4, ..Options::default() }
}

fn table(width: usize, colour: bool) -> String {
    printed(Format::Table, options(width, colour), &sample::findings(), &summary())
}

#[test]
fn table_at_80_columns() {
    insta::assert_snapshot!(table(80, false));
}

#[test]
fn table_at_120_columns() {
    insta::assert_snapshot!(table(120, false));
}

#[test]
fn table_in_colour_is_the_same_text() {
    let coloured = table(80, true);
    insta::assert_snapshot!(coloured.replace('\u{1b}', "^"));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((text, tail)) = rest.split_once("\u{1b}[") {
        plain.push_str(text);
        rest = tail.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, table(80, false));
}

#[test]
fn jsonl_and_json_and_ocsf() {
    // The very long name would fill the snapshots; `every_line_is_its_finding` has it.
    let findings: Vec<_> =
        sample::findings().into_iter().filter(|f| f.message != "a very long name").collect();
    insta::assert_snapshot!("jsonl", printed(Format::Jsonl, Options::default(), &findings, &summary()));
    insta::assert_snapshot!(
        "json",
        printed(Format::Json, Options::default(), findings.get(..2).unwrap(), &summary())
    );
    insta::assert_snapshot!("compact", printed(Format::Compact, Options::default(), &findings, &summary()));
    insta::assert_snapshot!("ocsf_2008", printed(Format::Ocsf, Options::default(), &findings, &summary()));
    for class in [ocsf::Class::Detection, ocsf::Class::Compliance] {
        let options = Options { ocsf: ocsf::Options { class, incident: true }, ..Options::default() };
        insta::assert_snapshot!(
            format!("ocsf_{class}"),
            printed(Format::Ocsf, options, &findings, &summary())
        );
    }
}

#[test]
fn every_line_is_its_finding_and_the_array_holds_the_same() {
    let findings = sample::findings();
    let lines = printed(Format::Jsonl, Options::default(), &findings, &summary());
    assert!(!lines.chars().any(|c| c != '\n' && text::is_hidden(c)), "a terminal obeys nothing in it");
    let read: Vec<Finding<'_>> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(read, findings);
    let array = printed(Format::Json, Options::default(), &findings, &summary());
    assert_eq!(serde_json::from_str::<Vec<Finding<'_>>>(&array).unwrap(), findings);
}

#[test]
fn a_compact_line_says_what_the_finding_says_and_leaves_out_what_it_does_not() {
    let findings = sample::findings();
    let lines = printed(Format::Compact, Options::default(), &findings, &summary());
    assert!(!lines.chars().any(|c| c != '\n' && text::is_hidden(c)), "a terminal obeys nothing in it");
    assert_eq!(lines.lines().count(), findings.len());
    for (line, f) in lines.lines().zip(&findings) {
        let (grant, request) = (f.grant.as_ref(), f.request.as_ref());
        let answers: Vec<_> =
            f.accountable.iter().filter(|a| a.primary).filter_map(|a| a.identity.clone()).collect();
        let mut expected = serde_json::json!({
            "id": f.id,
            "check": f.check,
            "severity": f.severity,
            "standing": f.standing,
            "subject": f.subject.as_ref().map(|s| &s.id),
            "system": grant.map(|g| &g.system),
            "account": grant.map(|g| &g.account),
            "entitlement": grant.map(|g| &g.entitlement),
            "scope": grant.and_then(|g| g.scope.as_ref()),
            "request_source": request.map(|r| &r.source),
            "request": request.map(|r| &r.id),
            "item": f.item,
            "beneficiary": f.beneficiary,
            "alias": f.alias,
            "source": f.source,
            "answers": Some(answers).filter(|a| !a.is_empty()),
            "exception": f.exception.is_some().then_some(true),
        });
        expected.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap(), expected);
    }
}

#[test]
fn nothing_found_is_said_in_every_format() {
    let none = Summary::default();
    assert_eq!(printed(Format::Jsonl, Options::default(), &[], &none), "");
    assert_eq!(printed(Format::Json, Options::default(), &[], &none), "[]\n");
    assert_eq!(printed(Format::Compact, Options::default(), &[], &none), "");
    assert_eq!(printed(Format::Ocsf, Options::default(), &[], &none), "");
    let mut standings = Standings::default();
    let empty = Summary { standings: Some(standings), ..Summary::default() };
    insta::assert_snapshot!(printed(Format::Table, Options::default(), &[], &empty), @r"
    0 findings as of 2026-06-01T00:00:00Z
      no grant was judged: the records hold none
    ");
    standings.add(Standing::Approved, 7);
    let fine = Summary { standings: Some(standings), ..Summary::default() };
    insta::assert_snapshot!(printed(Format::Table, Options::default(), &[], &fine), @r"
    0 findings as of 2026-06-01T00:00:00Z
      coverage 100.0 %: 7 of 7 grants justified
        7 approved
    ");
}

#[test]
fn the_schema_names_every_field_that_is_printed() {
    let schema = finding_schema();
    insta::assert_json_snapshot!("finding_schema", schema);
    let lines = printed(Format::Jsonl, Options::default(), &sample::findings(), &summary());
    for line in lines.lines() {
        let finding: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        for key in finding.keys() {
            assert!(schema["properties"].get(key).is_some(), "{key} is not in the schema");
        }
        for key in schema["required"].as_array().unwrap() {
            assert!(finding.contains_key(key.as_str().unwrap()), "{key} is not printed");
        }
    }
}

/// Accepts a few bytes and then fails, as a closed pipe does.
struct Closing(usize);

impl Write for Closing {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(buf.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_an_error_in_every_format() {
    for format in Format::ALL {
        let mut w = writer(format, Options::default(), Closing(20));
        let told = w
            .begin(&Head::new(sample::at("2026-06-01T00:00:00Z")))
            .and_then(|()| sample::findings().iter().try_for_each(|f| w.finding(f)))
            .and_then(|()| w.end(&summary()));
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::BrokenPipe, "{format}");
    }
}

#[test]
fn a_table_of_many_findings_is_as_short_as_one_of_few() {
    let sample = sample::findings();
    let mut many: Vec<Finding<'_>> = Vec::new();
    for f in &sample {
        many.extend(std::iter::repeat_n(f.clone(), 500));
    }
    let few = table(80, false).lines().count();
    let printed = printed(Format::Table, options(80, false), &many, &summary());
    assert!(printed.lines().count() < few + 40, "{printed}");
    assert!(printed.contains("6,500 findings"), "{printed}");
    assert!(printed.contains("… and 997 more"), "{printed}");
}

#[test]
fn formats_and_classes_are_read_from_their_words() {
    for format in Format::ALL {
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert_eq!(
        "yaml".parse::<Format>().unwrap_err(),
        "found `yaml`, expected table, jsonl, json, compact or ocsf"
    );
    for class in ocsf::Class::ALL {
        assert_eq!(class.to_string().parse(), Ok(class));
    }
    assert!("2001".parse::<ocsf::Class>().unwrap_err().contains("`2001`"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_name_breaks_a_format(a in any::<String>(), b in "\\PC*", c in any::<String>(), width in 0usize..200) {
        let mut findings = sample::findings();
        for f in &mut findings {
            f.message = a.clone();
            f.reasons = vec![b.clone(), c.clone()];
            if let Some(g) = &mut f.grant {
                (g.system, g.account, g.entitlement) = (a.clone().into(), b.clone().into(), c.clone().into());
                g.scope = Some(a.clone().into());
            }
            for p in &mut f.accountable {
                p.identity = Some(c.clone().into());
            }
            if f.alias.is_some() {
                f.alias = Some(b.clone().into());
            }
        }
        let lines = printed(Format::Jsonl, Options::default(), &findings, &Summary::default());
        let read: Vec<Finding<'_>> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        prop_assert_eq!(&read, &findings);
        let array = printed(Format::Json, Options::default(), &findings, &Summary::default());
        prop_assert_eq!(&serde_json::from_str::<Vec<Finding<'_>>>(&array).unwrap(), &findings);
        let table = printed(Format::Table, options(width, false), &findings, &summary());
        for line in table.lines() {
            prop_assert!(!line.chars().any(text::is_hidden), "{:?}", line);
            prop_assert!(text::columns(line) <= width.max(60), "{:?}", line);
        }
    }
}
