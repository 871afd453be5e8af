//! Every check's page tells the truth: its example, judged as it stands, yields the finding it names, and nothing
//! else of that check.

use counterfoil::intake;
use counterfoil::judge::checks::{self, Check};
use counterfoil::judge::{Settings, World, judge};
use counterfoil::model::Instant;
use counterfoil::model::finding::Finding;

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
