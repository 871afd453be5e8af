//! The parts of the page, in the order in which an auditor asks for them: first whether what was judged is all there was.

use std::collections::HashSet;

use super::findings::{changes, exceptions, findings, frameworks, list};
use super::page::{Cell, Page};
use super::plot::{Layer, OverTime};
use crate::audit::pack::{Named, Outcomes, Pack, Top};
use crate::audit::population::{Source, Status};
use crate::report::text::grouped;

const OUTCOMES: [Layer; 3] = [("justified", "good"), ("not known", "none"), ("unjustified", "bad")];

/// The whole page.
pub(super) fn write(page: &mut Page, pack: &Pack) {
    head(page, pack);
    page.raw("<main>\n");
    population(page, &pack.population);
    coverage(page, pack);
    findings(page, pack);
    let listed: HashSet<&str> = pack.list.listed.iter().map(|l| l.finding.id.as_str()).collect();
    frameworks(page, &pack.frameworks, &listed);
    exceptions(page, pack, &listed);
    changes(page, pack, &listed);
    list(page, pack);
    how(page, pack);
    page.raw("</main>\n");
}

fn head(page: &mut Page, pack: &Pack) {
    let head = &pack.head;
    page.raw("<header>\n<h1>Evidence of access</h1>\n");
    page.p(&format!("Who held what, and which approval carried it, as it was known at {}.", head.as_of));
    for caution in &head.cautions {
        page.raw("<p class=\"caution\"><strong>Take care:</strong> ").text(caution).raw("</p>\n");
    }
    page.raw("<ul class=\"figures\">\n");
    let all = pack.coverage.all;
    page.figure(&grouped(all.total()), "live grants")
        .figure(&percent(all.justified, all.total()), "of them justified")
        .figure(&grouped(pack.findings.open.total()), "open findings")
        .figure(&grouped(pack.findings.open.critical + pack.findings.open.high), "of them critical or high")
        .figure(&grouped(pack.findings.accepted.total()), "accepted by an exception")
        .raw("</ul>\n<dl>\n")
        .fact("As of", Cell::Time(Some(head.as_of)))
        .fact("Run", Cell::Text(&format!("{}, of {}", head.run, head.run_at)))
        .fact("Period of changes", Cell::Text(&period(pack)))
        .fact("Hash of the run's manifest", Cell::Code(&head.manifest));
    if let Some(hash) = &head.configuration {
        page.fact("Hash of what it judged with", Cell::Code(hash));
    }
    if let Some(hash) = &head.terms {
        page.fact("Terms kept as", Cell::Code(hash));
    }
    page.fact("Judged by", Cell::Text(head.judged_by.as_deref().unwrap_or("an earlier version")));
    if let Some(checkpoint) = &head.checkpoint {
        page.fact("Checkpoint of the evidence log", Cell::Code(checkpoint));
    }
    page.raw("</dl>\n<nav aria-label=\"Contents\"><ul>\n");
    for (id, title) in PARTS {
        page.raw(&format!("<li><a href=\"#{id}\">{title}</a></li>\n"));
    }
    page.raw("</ul></nav>\n</header>\n");
}

const PARTS: [(&str, &str); 9] = [
    ("population", "Is this everything?"),
    ("coverage", "Coverage"),
    ("findings", "Findings"),
    ("controls", "Controls"),
    ("exceptions", "Exceptions in force"),
    ("changes", "What changed"),
    ("revocations", "Revocations carried out"),
    ("list", "Every open finding"),
    ("how", "How this was made"),
];

pub(super) fn section(page: &mut Page, id: &str, new_page: bool) {
    let title = PARTS.iter().find(|(part, _)| *part == id).map_or("", |(_, title)| title);
    page.section(id, title, new_page);
}

pub(super) fn period(pack: &Pack) -> String {
    let first = if pack.head.from_is_first_known { ", before which nothing is kept" } else { "" };
    format!("from {}{first}", pack.head.from)
}

fn percent(part: u64, all: u64) -> String {
    if all == 0 {
        return "none".to_owned();
    }
    // Never rounded up to all of it.
    let permille = u128::from(part) * 1000 / u128::from(all);
    format!("{}.{} %", permille / 10, permille % 10)
}

fn population(page: &mut Page, sources: &[Source]) {
    section(page, "population", false);
    page.p("What was judged is what these sources held. Of a source that is not complete, what is missing proves nothing.");
    page.table(&[
        "Source",
        "How it was read",
        "State",
        "Taken",
        "Taken in",
        "#Records",
        "#New",
        "#Gone",
        "#Changed",
        "SHA-256",
    ]);
    for s in sources {
        let class = if s.status == Status::Complete { "pass" } else { "fail" };
        let run = match (s.run, s.pulled_at) {
            (Some(run), Some(at)) => format!("run {run}, {at}"),
            _ => "never".to_owned(),
        };
        page.row(&[
            Cell::Text(&s.id),
            Cell::Text(s.by.as_deref().unwrap_or("not known")),
            Cell::Word(s.status.as_str(), class),
            Cell::Time(s.taken_at),
            Cell::Text(&run),
            Cell::Number(s.total.now),
            Cell::Number(s.total.added),
            Cell::Number(s.total.removed),
            Cell::Number(s.total.changed),
            Cell::Code(s.sha256.as_deref().unwrap_or("none")),
        ]);
    }
    page.end_table(0, "");
    let doubtful: Vec<&Source> = sources.iter().filter(|s| s.status != Status::Complete).collect();
    if !doubtful.is_empty() {
        page.h3("What is missing");
        page.table(&["Source", "State", "Why", "What follows"]);
        for s in doubtful {
            page.row(&[
                Cell::Text(&s.id),
                Cell::Word(s.status.as_str(), "fail"),
                Cell::Wide(s.why.clone().unwrap_or_default()),
                Cell::Wide(s.missing.clone().unwrap_or_default()),
            ]);
        }
        page.end_table(0, "");
    }
    page.raw("<details><summary>Records by type</summary>\n");
    page.table(&["Source", "Type", "#Records", "#Before", "#New", "#Gone", "#Changed"]);
    for (s, (kind, n)) in sources.iter().flat_map(|s| s.records.iter().map(move |r| (s, r))) {
        page.row(&[
            Cell::Text(&s.id),
            Cell::Text(kind.as_str()),
            Cell::Number(n.now),
            Cell::Number(n.before),
            Cell::Number(n.added),
            Cell::Number(n.removed),
            Cell::Number(n.changed),
        ]);
    }
    page.end_table(0, "").raw("</details>\n</section>\n");
}

fn outcomes(o: &Outcomes) -> Vec<u64> {
    vec![o.justified, o.unknown, o.unjustified]
}

fn coverage(page: &mut Page, pack: &Pack) {
    section(page, "coverage", true);
    let (c, all) = (&pack.coverage, pack.coverage.all);
    page.p(&format!(
        "Of {} live grants an approval, an open emergency or a birthright carried {} ({}); nothing carried {}; of {} that is not known, because tickets were not seen completely.",
        grouped(all.total()), grouped(all.justified), percent(all.justified, all.total()), grouped(all.unjustified), grouped(all.unknown)
    ));
    let over = OverTime {
        title: "Share of grants that are justified",
        said: match (pack.coverage_over_time.first(), pack.coverage_over_time.last()) {
            (Some(a), Some(b)) => format!(
                "{} justified after run {} on {}, {} after run {} on {}.",
                percent(a.grants.justified, a.grants.total()),
                a.run,
                a.at,
                percent(b.grants.justified, b.grants.total()),
                b.run,
                b.at
            ),
            _ => "No run of the period kept how the grants stood.".to_owned(),
        },
        layers: &OUTCOMES,
        points: pack.coverage_over_time.iter().map(|p| (p.at, outcomes(&p.grants))).collect(),
        shares: true,
    };
    over.draw(page);
    page.raw("<div class=\"two\"><div>\n");
    page.h3("By system").table(&["System", "#Grants", "#Justified", "#Not known", "#Unjustified", "#Share"]);
    let rest = others(&c.by_system);
    for n in c.by_system.listed.iter().chain(&rest) {
        outcome_row(page, n.name.as_deref().unwrap_or("none"), &n.count);
    }
    page.end_table(0, "").raw("</div><div>\n");
    page.h3("By kind of holder").table(&[
        "Kind",
        "#Grants",
        "#Justified",
        "#Not known",
        "#Unjustified",
        "#Share",
    ]);
    for (kind, n) in &c.by_kind {
        outcome_row(page, kind.unwrap_or("nobody known"), n);
    }
    page.end_table(0, "");
    page.h3("By standing").table(&["Standing", "#Grants"]);
    for (standing, n) in &c.by_standing {
        page.row(&[Cell::Text(standing), Cell::Number(*n)]);
    }
    page.end_table(0, "").raw("</div></div>\n</section>\n");
}

/// The names that are not listed, as one.
pub(super) fn others<T: Copy>(top: &Top<T>) -> Option<Named<T>> {
    (top.others > 0).then(|| Named { name: Some(format!("{} others", grouped(top.others))), count: top.rest })
}

fn outcome_row(page: &mut Page, name: &str, n: &Outcomes) {
    let all = n.total();
    page.row(&[
        Cell::Text(name),
        Cell::Number(all),
        Cell::Number(n.justified),
        Cell::Number(n.unknown),
        Cell::Number(n.unjustified),
        Cell::Text(&percent(n.justified, all)),
    ]);
}

fn how(page: &mut Page, pack: &Pack) {
    section(page, "how", false);
    page.p("Everything here was rebuilt from the history that Counterfoil keeps: the records as they were after the run, judged again as of the instant with the settings kept with that run, and the events of all runs up to it. No clock was read and no id was drawn: the same instant gives this page to the byte, as long as what it rests on is kept.");
    page.p(&format!(
        "To get it again: counterfoil report --as-of {} --from {} --format html --out PATH",
        pack.head.as_of, pack.head.from
    ));
    page.aside(&format!("Made by Counterfoil {}.", pack.head.version));
    page.raw("</section>\n");
}
