//! Small parts that several pages are made of.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::ask::query;
use super::html::{Ago, Elsewhere, Html, Name, Plain, Show, put};
use crate::model::Instant;
use crate::model::finding::{Finding, Outcome, RequestView, Standing};
use crate::model::life::Life;
use crate::store::GroupCount;

/// The address of the findings of which this is true.
pub(super) fn findings(of: &[(&str, &str)]) -> String {
    format!("/findings{}", query(of.iter().copied()))
}

/// A text as one part of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The address of a finding.
pub(super) fn finding(id: &str) -> String {
    format!("/findings/{}", segment(id))
}

/// The address of somebody.
pub(super) fn person(id: &str) -> String {
    format!("/people/{}", segment(id))
}

/// The address of a check.
pub(super) fn check(name: &str) -> String {
    format!("/checks/{}", segment(name))
}

/// The address of a request.
pub(super) fn request(source: &str, id: &str) -> String {
    format!("/requests/{}/{}", segment(source), segment(id))
}

/// The address of a grant.
pub(super) fn grant(system: &str, account: &str, entitlement: &str, scope: Option<&str>) -> String {
    let named = [("system", system), ("account", account), ("entitlement", entitlement)];
    format!("/grants{}", query(named.into_iter().chain(scope.map(|s| ("scope", s)))))
}

/// A link to somebody, or the word that nobody is.
pub(super) struct Person<'a>(pub(super) Option<&'a str>);

impl Show for Person<'_> {
    fn show(&self, page: &mut Html) {
        match self.0 {
            Some(id) => put!(page; "<a href=\"" (person(id)) "\">" (Name(id)) "</a>"),
            None => page.raw("<em class=\"nobody\">nobody</em>"),
        }
    }
}

/// A request: its own page here, and where it can be read.
pub(super) struct Ticket<'a>(pub(super) &'a RequestView<'a>);

impl Show for Ticket<'_> {
    fn show(&self, page: &mut Html) {
        let r = self.0;
        put!(page; "<a href=\"" (request(&r.source, &r.id)) "\">" (Name(&r.id)) "</a> <span class=\"soft\">in " (Name(&r.source)) "</span>");
        if r.url.is_some() {
            put!(page; " <span class=\"soft\">" (Elsewhere(r.url.as_deref(), "open there")) "</span>");
        }
    }
}

/// Grants by what follows from how they stand.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) justified: u64,
    pub(super) unjustified: u64,
    pub(super) unknown: u64,
}

impl Tally {
    pub(super) fn add(&mut self, standing: Standing, count: u64) {
        *match standing.outcome() {
            Outcome::Justified => &mut self.justified,
            Outcome::Unjustified => &mut self.unjustified,
            Outcome::Unknown => &mut self.unknown,
        } += count;
    }

    pub(super) fn all(self) -> u64 {
        self.justified + self.unjustified + self.unknown
    }
}

/// A share in percent, cut and not rounded: only all is 100 %, and only none is 0 %.
pub(super) fn share(part: u64, all: u64) -> String {
    if all == 0 {
        return "–".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(all);
    match tenths {
        1000 => "100 %".to_owned(),
        0 if part > 0 => "< 0.1 %".to_owned(),
        t => format!("{}.{} %", t / 10, t % 10),
    }
}

/// A bar of the three outcomes; what it shows stands beside it in numbers.
pub(super) struct Bar(pub(super) Tally);

impl Show for Bar {
    fn show(&self, page: &mut Html) {
        let Tally { justified, unjustified, .. } = self.0;
        let all = self.0.all().max(1);
        let at = |n: u64| i64::try_from(u128::from(n) * 1000 / u128::from(all)).unwrap_or(0);
        let (one, two) = (at(justified), at(justified + unjustified));
        page.raw(
            "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
        );
        for (class, from, to) in
            [("good", 0, one), ("bad", one, two), ("dim", two, if self.0.all() == 0 { 0 } else { 1000 })]
        {
            if to > from {
                put!(page; "<rect class=\"");
                page.raw(class);
                put!(page; "\" x=\"" (Plain(from)) "\" width=\"" (Plain(to - from)) "\" height=\"10\"/>");
            }
        }
        page.raw("</svg>");
    }
}

/// The finding of a life; `None` of what it said is no longer kept.
pub(super) fn body(life: &Life) -> Option<Finding<'_>> {
    serde_json::from_str(&life.body).ok()
}

/// What stands above rows of findings.
pub(super) const ROWS_HEAD: &str = "<table class=\"stack findings\"><thead><tr><th scope=\"col\">Severity</th>\
    <th scope=\"col\">Finding</th><th scope=\"col\">On</th><th scope=\"col\">Answers</th>\
    <th scope=\"col\" class=\"n\">Open for</th></tr></thead><tbody>\n";

/// Findings as rows of a table, each leading to its own page.
pub(super) fn rows(lives: &[Life], now: Instant, page: &mut Html) {
    for life in lives {
        let said = body(life);
        let title = said.as_ref().map_or(life.check.as_str(), |f| &f.title);
        put!(page; "<tr><td class=\"s\">" (life.severity) "</td><th scope=\"row\"><a href=\"" (finding(&life.id)) "\">" (title) "</a>");
        if life.state != crate::model::event::State::Open {
            put!(page; " " (life.state));
        }
        if let Some(f) = &said {
            put!(page; "<span class=\"line\">" (Name(&f.message)) "</span>");
        }
        page.raw("</th><td data-label=\"On\">");
        match (said.as_ref().and_then(|f| f.grant.as_ref()), &life.system, &life.source) {
            (Some(g), ..) => {
                put!(page; (Name(&g.system)) "<span class=\"line\">" (Name(&g.account)) " · " (Name(&g.entitlement)) "</span>");
            }
            (None, Some(system), _) => Name(system).show(page),
            (None, None, Some(source)) => put!(page; "source " (Name(source))),
            _ => page.raw("<span class=\"soft\">–</span>"),
        }
        put!(page; "</td><td data-label=\"Answers\">" (Person(life.owner.as_deref())) "</td><td class=\"n\" data-label=\"Open for\">"
            (Ago(life.first_seen, now)) "</td></tr>\n");
    }
}

/// Groups of findings as rows of a table. `link` says where one leads; `None` leads nowhere.
pub(super) fn groups(
    groups: &[GroupCount],
    none: &'static str,
    now: Instant,
    link: &dyn Fn(Option<&str>) -> Option<String>,
    page: &mut Html,
) {
    for g in groups {
        let name = g.name.as_deref().map(|name| name.rsplit('\n').next().unwrap_or(name));
        put!(page; "<tr><td class=\"s\">" (g.worst) "</td><th scope=\"row\">");
        let to = link(g.name.as_deref());
        if let Some(to) = &to {
            put!(page; "<a href=\"" (to) "\">");
        }
        match name {
            Some(name) => Name(name).show(page),
            None => put!(page; "<em class=\"nobody\">" (*none) "</em>"),
        }
        if to.is_some() {
            page.raw("</a>");
        }
        let [critical, high] = g.urgent;
        put!(page; "</th><td class=\"n\" data-label=\"Findings\">" (g.count) "</td><td class=\"n\" data-label=\"Critical\">" (critical)
            "</td><td class=\"n\" data-label=\"High\">" (high) "</td><td class=\"n\" data-label=\"Oldest\">" (Ago(g.oldest, now)) "</td></tr>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_everything_and_only_none_is_nothing() {
        for (part, all, text) in [
            (0, 0, "–"),
            (0, 10, "0.0 %"),
            (10, 10, "100 %"),
            (999_999, 1_000_000, "99.9 %"),
            (1, 1_000_000, "< 0.1 %"),
            (1, 3, "33.3 %"),
            (u64::MAX, u64::MAX, "100 %"),
        ] {
            assert_eq!(share(part, all), text);
        }
    }

    #[test]
    fn a_name_in_a_path_is_one_part_of_it() {
        assert_eq!(person("a/b?c#é"), "/people/a%2Fb%3Fc%23%C3%A9");
        assert_eq!(
            grant("s", "a&b", "e", Some("x y")),
            "/grants?system=s&account=a%26b&entitlement=e&scope=x%20y"
        );
    }
}
