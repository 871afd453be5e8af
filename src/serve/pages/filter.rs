//! The form by which findings are filtered, and the tidy address that comes of it.

use super::super::ask::{Asked, query};
use super::html::{Html, put};
use crate::judge::checks;
use crate::model::event::State;
use crate::model::finding::Severity;

/// What the form sends beside filters, so that its address can be told from one that was written.
const SENT: &str = "form";
/// The form's word for findings that nobody answers for.
const NOBODY: &str = "nobody";
/// How many systems are offered; more would make the page heavy, and any can be typed.
const OFFERED: usize = 500;

/// Where a form that was sent leads: to the same question without what was left empty. `None` of an address that no form
/// made.
pub(super) fn tidied(given: &[(String, String)]) -> Option<String> {
    let sent = given.iter().any(|(name, _)| name == SENT);
    let nobody = given.iter().any(|(name, _)| name == NOBODY);
    let kept = given.iter().filter(|(name, value)| {
        name != SENT && name != NOBODY && !value.is_empty() && !(nobody && name == "owner")
    });
    let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
    // What a form says of the order is left out where it says nothing.
    let kept =
        kept.filter(|pair| !matches!(pair, ("sort", "severity") | ("order", "desc") | ("state", "open")));
    let nobody = nobody.then_some(("owner", ""));
    sent.then(|| format!("/findings{}", query(kept.chain(nobody))))
}

/// The form, as the question was asked.
pub(super) fn form(asked: &Asked, systems: &[String], p: &mut Html) {
    let which = &asked.which;
    p.raw("<form class=\"filter\" method=\"get\" action=\"/findings\" role=\"search\" aria-label=\"Filter findings\">\n\
           <input type=\"hidden\" name=\"form\" value=\"1\">\n<div class=\"fields\">\n");
    text("q", "Search", which.text.as_deref(), "search", "", p);
    state(&which.states, p);
    p.raw("<fieldset class=\"checks\"><legend>Severity</legend><div>");
    for severity in Severity::ALL.iter().rev() {
        put!(p; "<label><input type=\"checkbox\" name=\"severity\" value=\"" (severity.as_str()) "\"");
        if which.severities.contains(severity) {
            p.raw(" checked");
        }
        put!(p; "> " (*severity) "</label>");
    }
    p.raw("</div></fieldset>\n");
    p.raw("<label class=\"field\"><span>Check</span><select name=\"check\"><option value=\"\">any</option>");
    for check in checks::all() {
        put!(p; "<option");
        if which.checks.iter().any(|c| c == check.name) {
            p.raw(" selected");
        }
        put!(p; ">" (check.name) "</option>");
    }
    p.raw("</select></label>\n");
    text("system", "System", which.system.as_deref(), "text", " list=\"systems\"", p);
    p.raw("<datalist id=\"systems\">");
    for system in systems.iter().take(OFFERED) {
        put!(p; "<option value=\"" (system) "\">");
    }
    p.raw("</datalist>\n");
    let owner = which.owner.as_ref().and_then(Option::as_deref);
    text("owner", "Who answers", owner, "text", "", p);
    sort(asked, p);
    p.raw("</div>\n<details");
    let narrow = which.subject.is_some()
        || which.account.is_some()
        || which.request.is_some()
        || which.source.is_some();
    if narrow || which.seen_before.is_some() || which.owner == Some(None) {
        p.raw(" open");
    }
    p.raw("><summary>More filters</summary>\n<div class=\"fields\">\n");
    text("subject", "Holder", which.subject.as_deref(), "text", "", p);
    text("account", "Account", which.account.as_deref(), "text", "", p);
    let request = which.request.as_ref().map(|(source, id)| format!("{source}:{id}"));
    text("request", "Ticket (SOURCE:ID)", request.as_deref(), "text", "", p);
    text("source", "Source", which.source.as_deref(), "text", "", p);
    let before = which.seen_before.map(|t| t.to_string());
    text(
        "before",
        "First seen before",
        before.as_deref(),
        "text",
        " placeholder=\"2026-06-01T00:00:00Z\"",
        p,
    );
    p.raw("<label class=\"tick\"><input type=\"checkbox\" name=\"nobody\" value=\"1\"");
    if which.owner == Some(None) {
        p.raw(" checked");
    }
    p.raw("> nobody answers</label>\n</div>\n</details>\n");
    if let Some((_, group)) = asked.given.iter().find(|(name, _)| name == "group") {
        put!(p; "<input type=\"hidden\" name=\"group\" value=\"" (group) "\">");
    }
    p.raw("<p class=\"do\"><button>Filter</button> <a href=\"/findings\">Take all off</a></p>\n</form>\n");
}

fn text(
    name: &'static str,
    label: &'static str,
    value: Option<&str>,
    kind: &'static str,
    more: &'static str,
    p: &mut Html,
) {
    put!(p; "<label class=\"field\"><span>" (*label) "</span><input type=\"" (*kind) "\" name=\"" (*name) "\" value=\"" (value) "\"");
    p.raw(more);
    p.raw("></label>\n");
}

fn state(states: &[State], p: &mut Html) {
    p.raw("<label class=\"field\"><span>State</span><select name=\"state\">");
    let open: &[State] = &[State::Open];
    let chosen = if states.is_empty() { open } else { states };
    let choices: [(&'static str, &[State]); 4] = [
        ("open", &[State::Open]),
        ("accepted", &[State::Accepted]),
        ("resolved", &[State::Resolved]),
        ("all", &State::ALL),
    ];
    for (word, of) in choices {
        put!(p; "<option");
        if chosen == of {
            p.raw(" selected");
        }
        put!(p; ">" (word) "</option>");
    }
    p.raw("</select></label>\n");
}

fn sort(asked: &Asked, p: &mut Html) {
    p.raw("<label class=\"field\"><span>Sort by</span><select name=\"sort\">");
    for (order, word) in crate::store::OrderBy::ALL {
        put!(p; "<option value=\"" (*word) "\"");
        if order == asked.page.order {
            p.raw(" selected");
        }
        put!(p; ">" (word.replace('_', " ")) "</option>");
    }
    p.raw("</select></label>\n<label class=\"field\"><span>Order</span><select name=\"order\">");
    for (descending, word, label) in [(true, "desc", "greatest first"), (false, "asc", "least first")] {
        put!(p; "<option value=\"" (*word) "\"");
        if descending == asked.page.descending {
            p.raw(" selected");
        }
        put!(p; ">" (*label) "</option>");
    }
    p.raw("</select></label>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_short_address_and_an_address_stays_what_it_is() {
        let pairs = |text: &[(&str, &str)]| {
            text.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        };
        let sent = |text: &[(&str, &str)]| tidied(&pairs(text));
        assert_eq!(sent(&[("severity", "high"), ("owner", "")]), None);
        assert_eq!(
            sent(&[("form", "1"), ("q", ""), ("owner", ""), ("sort", "severity"), ("order", "desc")])
                .unwrap(),
            "/findings"
        );
        assert_eq!(
            sent(&[
                ("form", "1"),
                ("q", "a b"),
                ("severity", "high"),
                ("severity", "low"),
                ("state", "open")
            ])
            .unwrap(),
            "/findings?q=a%20b&severity=high&severity=low"
        );
        assert_eq!(sent(&[("form", "1"), ("owner", "x"), ("nobody", "1")]).unwrap(), "/findings?owner=");
    }
}
