//! The parts of the page about findings: how many, what they say of each control, what changed, and each of them.

use std::collections::HashSet;

use super::page::{Cell, Page, short};
use super::parts::{others, period, section};
use super::plot::{Bars, Layer, OverTime};
use crate::audit::lives::Change;
use crate::audit::pack::{AGES, Assessed, BySeverity, ExceptionLine, Framework, Listed, Named, Pack, Top};
use crate::model::event::State;
use crate::model::finding::{Finding, Severity};
use crate::report::text::grouped;

const SEVERITIES: [Layer; 4] =
    [("critical", "critical"), ("high", "high"), ("medium", "medium"), ("low", "low")];

fn severities(n: &BySeverity) -> Vec<u64> {
    vec![n.critical, n.high, n.medium, n.low]
}

fn bars(title: &str, top: Vec<(String, BySeverity)>) -> Bars<'_> {
    let said = match top.first() {
        Some((name, n)) => format!("Most: {name}, with {} open findings.", grouped(n.total())),
        None => "There are no open findings.".to_owned(),
    };
    let bars = top.into_iter().map(|(name, n)| (name, severities(&n))).collect();
    Bars { title, said, layers: &SEVERITIES, bars, rest: None }
}

/// Bars of the largest; the others have none, and stand in the table.
fn largest<'t>(title: &'t str, top: &Top<BySeverity>, nobody: &str) -> Bars<'t> {
    let named = |n: &Named<BySeverity>| (n.name.clone().unwrap_or_else(|| nobody.to_owned()), n.count);
    let mut bars = bars(title, top.listed.iter().map(named).collect());
    bars.rest = others(top).map(|n| (n.name.unwrap_or_default(), severities(&n.count)));
    if let Some((name, n)) = &bars.rest {
        bars.said += &format!(" {name} have {} together.", grouped(n.iter().sum()));
    }
    bars
}

pub(super) fn findings(page: &mut Page, pack: &Pack) {
    section(page, "findings", true);
    let f = &pack.findings;
    page.raw("<ul class=\"figures\">\n");
    for severity in Severity::ALL.into_iter().rev() {
        page.figure(&grouped(f.open.of(severity)), &format!("open, {}", severity.as_str()));
    }
    page.raw("</ul>\n");
    if f.untold > 0 {
        page.p(&format!("{} of the open findings had not been told to anybody by then: a source was in doubt, or they came due after the last run.", grouped(f.untold)));
    }
    if f.lingering > 0 {
        page.p(&format!("{} of the open findings were no longer to be seen and not yet taken for resolved: a source was in doubt, or too few runs had not seen them.", grouped(f.lingering)));
    }
    let over = OverTime {
        title: "Open findings that had been told, at the end of each day",
        said: match (pack.open_over_time.first(), pack.open_over_time.last()) {
            (Some(a), Some(b)) => format!(
                "{} open on {}, {} on {}.",
                grouped(a.open.total()),
                a.at,
                grouped(b.open.total()),
                b.at
            ),
            _ => String::new(),
        },
        layers: &SEVERITIES,
        points: pack.open_over_time.iter().map(|p| (p.at, severities(&p.open))).collect(),
        shares: false,
    };
    page.raw("<div class=\"two\">\n");
    over.draw(page);
    let mut ages: Vec<(String, BySeverity)> =
        AGES.iter().zip(&f.by_age).map(|((name, _), n)| ((*name).to_owned(), *n)).collect();
    if let Some(n) = f.by_age.last().filter(|n| n.total() > 0) {
        ages.push(("not told yet".to_owned(), *n));
    }
    let mut by_age = bars("Age of what is open", ages);
    by_age.said = "How long the open findings have been open.".to_owned();
    by_age.draw(page, "Open for");
    largest("Open findings by system", &f.by_system, "about no grant").draw(page, "System");
    largest("Open findings by who answers first", &f.by_person, "nobody holds the office").draw(page, "Who");
    page.raw("</div>\n").h3("By check");
    page.table(&["Check", "#Open", "#Critical", "#High", "#Medium", "#Low"]);
    for n in &f.by_check {
        page.row(&[
            Cell::Text(n.name.as_deref().unwrap_or_default()),
            Cell::Number(n.count.total()),
            Cell::Number(n.count.critical),
            Cell::Number(n.count.high),
            Cell::Number(n.count.medium),
            Cell::Number(n.count.low),
        ]);
    }
    page.end_table(0, "").raw("</section>\n");
}

fn ids<'a>(ids: &'a [String], all: u64, listed: &HashSet<&str>) -> Cell<'a> {
    let shown = ids.iter().map(|id| (id.as_str(), listed.contains(id.as_str()))).collect();
    Cell::Findings(shown, all.saturating_sub(ids.len() as u64))
}

pub(super) fn frameworks(page: &mut Page, frameworks: &[Framework], listed: &HashSet<&str>) {
    section(page, "controls", true);
    page.p("A control fails where an open finding speaks to it. It passes where there is none and all that its checks rest on was there to be seen; where it was not, it cannot be assessed. Counterfoil looks at access and approvals alone: a pass covers no other part of a control.");
    page.table(&["Framework", "#Controls", "#Pass", "#Fail", "#Not assessable"]);
    for f in frameworks {
        let count = |r: Assessed| f.controls.iter().filter(|c| c.result == r).count() as u64;
        page.row(&[
            Cell::Text(&format!("{} ({})", f.title, f.version)),
            Cell::Number(f.controls.len() as u64),
            Cell::Number(count(Assessed::Pass)),
            Cell::Number(count(Assessed::Fail)),
            Cell::Number(count(Assessed::NotAssessable)),
        ]);
    }
    page.end_table(0, "");
    for f in frameworks {
        page.h3(&format!("{} ({})", f.title, f.version));
        page.table(&[
            "Control",
            "What it asks for",
            "Result",
            "#Open",
            "#Accepted",
            "What was not to be seen",
            "Findings",
        ]);
        for c in &f.controls {
            let class = match c.result {
                Assessed::Pass => "pass",
                Assessed::Fail => "fail",
                Assessed::NotAssessable => "open",
            };
            page.row(&[
                Cell::Text(&c.id),
                Cell::Wide(c.title.clone()),
                Cell::Word(c.result.as_str(), class),
                Cell::Number(c.open),
                Cell::Number(c.accepted),
                Cell::Wide(c.gaps.join("; ")),
                ids(&c.ids, c.open, listed),
            ]);
        }
        page.end_table(0, "");
    }
    page.raw("</section>\n");
}

pub(super) fn exceptions(page: &mut Page, pack: &Pack, listed: &HashSet<&str>) {
    section(page, "exceptions", true);
    if pack.exceptions.total() == 0 {
        page.p("None was in force.").raw("</section>\n");
        return;
    }
    page.table(&["Check", "Accepted by", "Why", "Until", "Given", "#Findings", "Which"]);
    for e in &pack.exceptions.listed {
        let ExceptionLine { check, by, reason, until, given, findings, ids: some } = e;
        page.row(&[
            Cell::Text(check),
            Cell::Text(by),
            Cell::Wide(reason.clone()),
            Cell::Time(Some(*until)),
            Cell::Time(*given),
            Cell::Number(*findings),
            ids(some, *findings, listed),
        ]);
    }
    page.end_table(pack.exceptions.more, "exceptions").raw("</section>\n");
}

fn about(c: &Change) -> String {
    let parts = [c.system.as_deref(), c.account.as_deref(), c.entitlement.as_deref(), c.scope.as_deref()];
    let grant: Vec<&str> = parts.into_iter().flatten().collect();
    match (grant.as_slice(), &c.request) {
        ([], Some(request)) => format!("request {request}"),
        ([], None) => c.subject.clone().unwrap_or_default(),
        _ => grant.join(" / "),
    }
}

pub(super) fn changes(page: &mut Page, pack: &Pack, listed: &HashSet<&str>) {
    section(page, "changes", true);
    page.p(&format!("What happened to findings {}, in {} runs.", period(pack), grouped(pack.head.runs)));
    page.table(&["What", "#How often"]);
    for (cause, n) in &pack.changes_by_cause {
        page.row(&[Cell::Text(cause), Cell::Number(*n)]);
    }
    page.end_table(0, "").h3("The latest");
    page.table(&["When", "#Run", "What", "State", "Severity", "Check", "About", "Finding"]);
    for c in pack.changes.listed.iter().rev() {
        page.row(&[
            Cell::Time(Some(c.at)),
            Cell::Number(c.run),
            Cell::Text(c.cause.as_str()),
            Cell::Text(c.state.as_str()),
            Cell::Severity(c.severity),
            Cell::Text(&c.check),
            Cell::Wide(about(c)),
            ids(std::slice::from_ref(&c.finding), 1, listed),
        ]);
    }
    page.end_table(pack.changes.more, "earlier ones; changes.csv of the CSV pack has all")
        .raw("</section>\n");
    section(page, "revocations", false);
    page.p("Grants that were found gone, and the pull that showed it.");
    page.table(&[
        "Seen gone",
        "#Run",
        "Grant",
        "Check",
        "Finding",
        "Source",
        "Taken",
        "SHA-256 of the snapshot",
    ]);
    for r in pack.revocations.listed.iter().rev() {
        let c = &r.change;
        let seen = r.seen_in.first();
        page.row(&[
            Cell::Time(Some(c.at)),
            Cell::Number(c.run),
            Cell::Wide(about(c)),
            Cell::Text(&c.check),
            Cell::Code(short(&c.finding)),
            Cell::Text(seen.map_or("in an earlier pull", |s| &s.source)),
            Cell::Time(seen.and_then(|s| s.taken_at)),
            Cell::Code(seen.map_or("", |s| &s.sha256)),
        ]);
    }
    page.end_table(pack.revocations.more, "earlier ones; changes.csv of the CSV pack has all")
        .raw("</section>\n");
}

pub(super) fn list(page: &mut Page, pack: &Pack) {
    section(page, "list", true);
    page.aside(
        "Sources first, then by severity. The CSV pack has every column of every finding, with its evidence.",
    );
    page.table(&["Severity", "What", "About", "Answers first", "Since", "State", "Rests on", "Finding"]);
    for l in &pack.list.listed {
        finding_row(page, l);
    }
    page.end_table(pack.list.more, "in findings.csv of the CSV pack").raw("</section>\n");
}

fn finding_row(page: &mut Page, l: &Listed) {
    let f = &l.finding;
    let first = f.accountable.iter().find(|a| a.primary);
    let who = first.map_or_else(String::new, |a| {
        format!("{} ({})", a.identity.as_deref().unwrap_or("nobody"), a.role.as_str().replace('_', " "))
    });
    let note = l.stood.untold.or(l.stood.lingers).map_or_else(String::new, |why| format!(": {why}"));
    let again =
        if l.stood.episode > 1 { format!(", for the {}. time", l.stood.episode) } else { String::new() };
    let mut state = format!("{}{again}{note}", l.stood.state.as_str());
    if let Some(e) = f.exception.as_ref().filter(|_| l.stood.state == State::Accepted) {
        state = format!("{state} by {} until {}: {}", e.accepted_by, e.expires_at, e.reason);
    }
    page.row_at(
        Some(&f.id),
        &[
            Cell::Severity(f.severity),
            Cell::Wide(format!("{} ({}): {}", f.title, f.check, f.message)),
            Cell::Wide(finding_about(f)),
            Cell::Text(&who),
            Cell::Time(l.stood.opened),
            Cell::Text(&state),
            Cell::Wide(evidence(f)),
            Cell::Findings(vec![(f.id.as_str(), true)], 0),
        ],
    );
}

fn finding_about(f: &Finding<'_>) -> String {
    let mut parts: Vec<String> = vec![];
    if let Some(s) = &f.subject {
        parts.push(s.kind.as_deref().map_or_else(|| s.id.to_string(), |k| format!("{} ({k})", s.id)));
    }
    if let Some(g) = &f.grant {
        let scope = g.scope.as_deref().map_or_else(String::new, |s| format!(" on {s}"));
        parts.push(format!("{} / {} / {}{scope}", g.system, g.account, g.entitlement));
    }
    if let Some(r) = &f.request {
        parts.push(format!("request {} {} ({})", r.source, r.id, r.state));
    }
    parts.extend(f.alias.as_ref().map(|a| format!("name {a}")));
    parts.extend(f.source.as_ref().map(|s| format!("source {s}")));
    parts.join("; ")
}

fn evidence(f: &Finding<'_>) -> String {
    let of = f.evidence.iter().map(|e| {
        let part =
            |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or("not known").to_owned();
        let hash = e
            .sha256
            .as_deref()
            .map_or_else(String::new, |h| format!(", sha256 {}…", h.get(..12).unwrap_or(h)));
        format!("{} {}{hash}", part(&e.source), part(&e.id))
    });
    of.collect::<Vec<_>>().join("; ")
}
