//! A chain as a page of its own, or as the part of another: no script, nothing fetched from anywhere, every text escaped.

use std::fmt::Write;

use super::{answering, heading, holder, named, role, stands, svg, verdict};
use crate::model::chain::{Chain, ChainFinding, Link, LinkState};
use crate::model::finding::{EvidenceView, Outcome};
use crate::report::html::{escaped, is_address};
use crate::report::text::count;

/// How it looks, by day and by night.
const STYLE: &str = include_str!("chain.css");

/// The whole page.
#[must_use]
pub fn html_page(chain: &Chain<'_>) -> String {
    let mut page = String::with_capacity(1 << 15);
    let title = escaped(&heading(chain));
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    html_fragment(chain, &mut page);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Adds the part of a page that tells a chain; the style is the caller's, or that of [`html_page`].
pub fn html_fragment(chain: &Chain<'_>, page: &mut String) {
    page.push_str("<article class=\"chain\">\n");
    head(chain, page);
    svg::push(chain, page);
    if !chain.links.is_empty() {
        page.push_str("<h2>The chain</h2>\n<ol class=\"links\">\n");
        chain.links.iter().for_each(|l| link(l, page));
        page.push_str("</ol>\n");
    }
    items(chain, page);
    others(chain, page);
    findings(chain, page);
    people(chain, page);
    page.push_str("</article>\n");
}

fn head(chain: &Chain<'_>, page: &mut String) {
    let _ = writeln!(page, "<h1><bdi>{}</bdi></h1>", escaped(&heading(chain)));
    if let Some(holder) = holder(chain) {
        let _ = writeln!(page, "<p class=\"holder\"><bdi>{}</bdi></p>", escaped(&holder));
    }
    if let Some(verdict) = verdict(chain) {
        let class = if chain.verdict == Some(Outcome::Justified) { "ok" } else { "wrong" };
        let _ = writeln!(page, "<p class=\"verdict {class}\">{}</p>", escaped(&verdict));
    }
    let because = if chain.standing.is_some() { "Because " } else { "In short: " };
    let _ = writeln!(page, "<p class=\"why\"><bdi>{because}{}.</bdi></p>", escaped(&chain.why));
}

fn link(l: &Link<'_>, page: &mut String) {
    let state = l.state.as_str();
    let _ = writeln!(
        page,
        "<li class=\"{state}\"><p class=\"what\"><span class=\"step\">{}</span> <span class=\"state\">{state}</span>",
        l.step.as_str()
    );
    if let Some(at) = l.at {
        let _ = write!(page, "<time datetime=\"{at}\">{at}</time> ");
    }
    let _ = writeln!(page, "<bdi>{}</bdi></p>", escaped(&l.what));
    if l.state != LinkState::Ok {
        let mut said: Vec<String> = l.checks.iter().map(|c| format!("<code>{}</code>", escaped(c))).collect();
        if !l.answers.is_empty() {
            said.push(format!("{} answers", escaped(&answering(&l.answers))));
        }
        if !said.is_empty() {
            let _ = writeln!(page, "<p class=\"answers\">{}</p>", said.join(" · "));
        }
    }
    let people = l.who.iter().map(|w| {
        let written = w.written.as_ref().map(|t| format!(", written {t}")).unwrap_or_default();
        (w.role.replace('_', " "), format!("{}{written}", w.id))
    });
    let facts = l.facts.iter().map(|f| (f.name.to_string(), f.value.clone()));
    let all: Vec<(String, String)> = people.chain(facts).collect();
    if !all.is_empty() {
        page.push_str("<dl>");
        for (name, value) in all {
            let value = if name == "address" && is_address(&value) {
                let value = escaped(&value);
                format!("<a href=\"{value}\" rel=\"noopener noreferrer\">{value}</a>")
            } else {
                escaped(&value)
            };
            let _ = write!(page, "<dt>{}</dt><dd><bdi>{value}</bdi></dd>", escaped(&name));
        }
        page.push_str("</dl>\n");
    }
    if !l.evidence.is_empty() {
        page.push_str("<ul class=\"proof\">");
        l.evidence.iter().for_each(|e| evidence(e, page));
        page.push_str("</ul>\n");
    }
    page.push_str("</li>\n");
}

fn evidence(e: &EvidenceView<'_>, page: &mut String) {
    let mut parts: Vec<String> =
        [&e.source, &e.id].into_iter().flatten().map(|t| format!("<bdi>{}</bdi>", escaped(t))).collect();
    if let Some(hash) = &e.sha256 {
        parts.push(format!("<code>sha256 {}</code>", escaped(hash)));
    }
    parts.extend(e.collected_at.map(|t| format!("collected <time datetime=\"{t}\">{t}</time>")));
    let _ = write!(page, "<li>{}</li>", parts.join(" "));
}

fn items(chain: &Chain<'_>, page: &mut String) {
    if chain.items.is_empty() {
        return;
    }
    page.push_str("<h2>What became of it</h2>\n<ul class=\"items\">\n");
    for item in &chain.items {
        let (class, word) = if item.held { ("ok", "holds") } else { ("gap", "does not hold") };
        let scope = item.scope.as_ref().map(|s| format!(" (scope {s})")).unwrap_or_default();
        let text = format!("{} {word} {} on {}{scope}", item.beneficiary, item.entitlement, item.system);
        let _ = write!(page, "<li class=\"{class}\"><bdi>{}</bdi>", escaped(&text));
        if !item.grants.is_empty() {
            page.push_str("<ul>");
            for grant in &item.grants {
                let (name, stands) = (escaped(&named(grant)), escaped(&stands(grant)));
                let _ = write!(page, "<li><bdi>{name}</bdi>: {stands}</li>");
            }
            more(item.grants_left, page);
            page.push_str("</ul>");
        }
        page.push_str("</li>\n");
    }
    more(chain.items_left, page);
    page.push_str("</ul>\n");
}

fn others(chain: &Chain<'_>, page: &mut String) {
    if chain.others.is_empty() {
        return;
    }
    page.push_str("<h2>Other requests</h2>\n<ul class=\"others\">\n");
    for other in &chain.others {
        let when = other.decided_at.map(|t| format!(", decided {t}")).unwrap_or_default();
        let text = format!("{} ({}{when}) {}", other.id, other.state, other.why);
        let _ = writeln!(page, "<li><bdi>{}</bdi></li>", escaped(&text));
    }
    more(chain.others_left, page);
    page.push_str("</ul>\n");
}

fn more(n: u64, page: &mut String) {
    if n > 0 {
        let _ = write!(page, "<li class=\"more\">and {} more</li>", count(n, "line"));
    }
}

fn findings(chain: &Chain<'_>, page: &mut String) {
    let _ = writeln!(page, "<h2>Findings ({})</h2>", chain.findings.len());
    if chain.findings.is_empty() {
        page.push_str("<p>None.</p>\n");
    }
    for f in &chain.findings {
        finding(f, page);
    }
}

fn finding(f: &ChainFinding<'_>, page: &mut String) {
    let severity = f.severity.as_str();
    let _ = writeln!(
        page,
        "<section class=\"finding {severity}\">\n<h3><span class=\"severity\">{severity}</span> {} <code>{}</code></h3>\n<p><bdi>{}</bdi></p>",
        escaped(&f.title),
        escaped(&f.check),
        escaped(&f.message)
    );
    if let Some(e) = &f.exception {
        let text = format!("Accepted by {} until {}: {}", e.accepted_by, e.expires_at, e.reason);
        let _ = writeln!(page, "<p class=\"accepted\"><bdi>{}</bdi></p>", escaped(&text));
    }
    let controls: Vec<String> = f.controls.iter().map(|c| format!("{} {}", c.framework, c.id)).collect();
    let _ = write!(
        page,
        "<dl><dt>clears it</dt><dd>{}</dd><dt>answers</dt><dd><bdi>{}</bdi></dd>",
        escaped(&f.remediation),
        escaped(&answering(&f.answers))
    );
    if !controls.is_empty() {
        let _ = write!(page, "<dt>controls</dt><dd>{}</dd>", escaped(&controls.join(", ")));
    }
    let _ = writeln!(page, "<dt>id</dt><dd><code>{}</code></dd></dl>\n</section>", escaped(&f.id));
}

fn people(chain: &Chain<'_>, page: &mut String) {
    if chain.accountable.is_empty() {
        return;
    }
    page.push_str("<h2>Who answers</h2>\n<table class=\"people\">\n");
    for a in &chain.accountable {
        let (class, who) = match &a.identity {
            Some(who) => ("", escaped(who)),
            None => (" class=\"gap\"", "nobody".to_owned()),
        };
        let _ = writeln!(
            page,
            "<tr{class}><th scope=\"row\">{}</th><td><bdi>{who}</bdi></td><td>{}</td></tr>",
            escaped(&role(a.role)),
            escaped(&a.duty)
        );
    }
    page.push_str("</table>\n");
}
