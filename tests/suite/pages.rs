//! What is said of the checks is true: the example on each page, judged as it stands, yields the finding it names and
//! nothing else of that check; the tables of the README are those of the code.

use counterfoil::intake;
use counterfoil::judge::checks::{self, Check};
use counterfoil::judge::{Settings, World, judge};
use counterfoil::model::Instant;
use counterfoil::model::finding::{Finding, Standing};

/// The records of a page's example, and what the page says comes of them.
struct Example {
    records: String,
    /// `SEVERITY CHECK on OBJECT`
    promise: String,
}

/// The first ```` ```json ```` block of a page, and the `→ …` line right after it.
fn example(page: &str) -> Result<Example, String> {
    let mut lines = page.lines().skip_while(|line| *line != "```json").skip(1);
    let records: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
    if records.is_empty() {
        return Err("no example".to_owned());
    }
    let promise = lines.next().and_then(|line| line.strip_prefix("→ "));
    let promise = promise.ok_or("no line `→ SEVERITY CHECK on OBJECT` after the example")?;
    Ok(Example { records: records.join("\n"), promise: promise.to_owned() })
}

/// What a finding is about, in the words of a page.
fn about(finding: &Finding<'_>) -> String {
    if let Some(grant) = &finding.grant {
        let scope = grant.scope.as_ref().map(|scope| format!(" ({scope})")).unwrap_or_default();
        return format!("{}/{}/{}{scope}", grant.system, grant.account, grant.entitlement);
    }
    if let Some(alias) = &finding.alias {
        return format!("alias {alias}");
    }
    if let Some(source) = &finding.source {
        return format!("source {source}");
    }
    finding.request.as_ref().map(|r| format!("request {}/{}", r.source, r.id)).unwrap_or_default()
}

/// What a check finds in the example, in the words of a page.
fn found(check: &str, example: &Example) -> Result<Vec<String>, String> {
    let now = Instant::parse("2026-06-01T00:00:00Z").map_err(|e| e.to_string())?;
    let taken = intake::read_text("example", &example.records, 1, now).map_err(|e| e.to_string())?;
    let settings = Settings::default();
    let world = World::new(taken.estate, &settings);
    let judgement = judge(&world, &settings, now, 1, &|_| {});
    let findings = judgement.findings(&()).filter(|finding| finding.check == check);
    Ok(findings.map(|f| format!("{} {} on {}", f.severity.as_str(), f.check, about(&f))).collect())
}

/// What is wrong with a page; `None` when its example does what it says.
fn complaint(check: &str, page: &str) -> Option<String> {
    let outcome = example(page).and_then(|example| Ok((found(check, &example)?, example.promise)));
    match outcome {
        Err(why) => Some(format!("{check}: {why}")),
        Ok((found, promise)) if found != [promise.as_str()] => {
            Some(format!("{check}: the page says `{promise}`, the judge says {found:?}"))
        }
        Ok(_) => None,
    }
}

#[test]
fn every_example_yields_its_finding() {
    let complaints: Vec<String> =
        checks::all().filter_map(|c: &Check| complaint(c.name, &c.page())).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_page_that_says_something_else_is_seen() {
    let check = checks::by_name("unused-grant").unwrap();
    let page = check.page();
    assert_eq!(complaint(check.name, &page), None);
    for (from, to) in [
        ("→ medium", "→ high"),
        ("aws-prod/alice/ReadOnlyAccess", "aws-prod/bob/ReadOnlyAccess"),
        ("\n→", "\n\n→"),
        ("\"type\":\"grant\"", "\"type\":\"grunt\""),
        ("2025-12-01T10:00:00Z", "2026-05-31T10:00:00Z"),
        ("```json", "```"),
    ] {
        let altered = page.replace(from, to);
        assert_ne!(altered, page, "{from}");
        assert!(complaint(check.name, &altered).is_some(), "{from} → {to}");
    }
}

/// The rows of the README's tables: `name` and the other cells.
fn rows(readme: &str) -> Vec<(&str, Vec<&str>)> {
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    rows.filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        Some((name, rest.split(" | ").collect()))
    })
    .collect()
}

/// What the README says otherwise than the code.
fn readme_complaints(readme: &str) -> Vec<String> {
    let rows = rows(readme);
    let said: Vec<String> = rows
        .iter()
        .filter_map(|(name, cells)| match cells.as_slice() {
            [_, severity, primary] => Some(format!("{name}: {severity}, {primary}")),
            _ => None,
        })
        .collect();
    let true_of =
        |c: &Check| format!("{}: {}, {}", c.name, c.severity.as_str(), c.primary.as_str().replace('_', " "));
    let mut complaints: Vec<String> =
        checks::all().map(true_of).filter(|line| !said.contains(line)).collect();
    complaints.extend(said.into_iter().filter(|line| !checks::all().any(|c| true_of(c) == *line)));
    let standings: Vec<&str> =
        rows.iter().filter(|(_, cells)| cells.len() == 2).map(|(name, _)| *name).collect();
    if standings != Standing::ALL.map(Standing::as_str) {
        complaints.push(format!("standings {standings:?}"));
    }
    let outcome = |name: &str| Standing::ALL.iter().find(|s| s.as_str() == name).map(|s| s.outcome());
    for (name, cells) in rows.iter().filter(|(_, cells)| cells.len() == 2) {
        let word = serde_json::to_value(outcome(name)).unwrap();
        if word.as_str() != cells.last().copied() {
            complaints.push(format!("{name}: the verdict is {word}"));
        }
    }
    complaints
}

#[test]
fn the_readme_lists_the_checks_and_standings_as_they_are() {
    let readme = include_str!("../../README.md");
    assert_eq!(readme_complaints(readme), [""; 0]);
    for (from, to) in [
        ("| `unused-grant` |", "| `unusual-grant` |"),
        ("a long time | medium | system owner", "a long time | high | system owner"),
        ("a long time | medium | system owner", "a long time | medium | approver"),
        ("| `exceeded` |", "| exceeded |"),
        (
            "| `expired` | was approved until a time that has passed | unjustified |",
            "| `expired` | was | justified |",
        ),
    ] {
        let altered = readme.replace(from, to);
        assert_ne!(altered, readme, "{from}");
        assert!(!readme_complaints(&altered).is_empty(), "{from} → {to}");
    }
}
