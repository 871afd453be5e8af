//! From the parameters of an address to a question to the store, for pages and programs alike; and back, for links.
//!
//! Every parameter is known, or refused by name: a misspelt filter must not show everything.

use axum::http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::Refusal;
use super::openapi::Parameter;
use crate::judge::checks;
use crate::model::Instant;
use crate::model::event::State;
use crate::model::finding::Severity;
use crate::store::{GroupBy, OrderBy, Page, Which};

/// How many rows a page has at the most.
pub(super) const MAX_LIMIT: u32 = 1000;
/// How many rows are passed over at the most: further pages are found by filtering.
pub(super) const MAX_OFFSET: u64 = 1_000_000;
/// How many bytes a value has.
const MAX_VALUE: usize = 2048;
/// How many parameters there are.
const MAX_PARAMETERS: usize = 64;

/// The parameters of a question about findings, as they are described.
pub(super) fn asked_parameters() -> Vec<Parameter> {
    fn words<T>(all: &[(T, &'static str)]) -> impl Iterator<Item = &'static str> {
        all.iter().map(|(_, word)| *word)
    }
    let states = State::ALL.iter().map(|s| s.as_str()).chain(["all"]);
    vec![
        Parameter::one_of("state", states, true, "Where they are in their life; open when absent."),
        Parameter::one_of("severity", Severity::ALL.iter().map(|s| s.as_str()), true, "How bad they are."),
        Parameter::one_of("check", checks::all().map(|c| c.name), true, "What found them."),
        Parameter::text("system", "The system, as the grant names it."),
        Parameter::text("source", "The source they are about."),
        Parameter::text("owner", "Who answers first; empty: nobody."),
        Parameter::text("subject", "The id of who holds it."),
        Parameter::text("account", "The account."),
        Parameter::text("request", "The request, as SOURCE:ID."),
        Parameter::instant("before", "First seen before this instant."),
        Parameter::text("q", "A text that account, entitlement, subject or id holds."),
        Parameter::one_of("sort", words(&OrderBy::ALL), false, "What they are put in order by."),
        Parameter::one_of("order", ["asc", "desc"], false, "The direction; desc when absent."),
        Parameter::one_of(
            "group",
            words(&GroupBy::ALL),
            false,
            "Count them by this in place of listing them.",
        ),
        Parameter::number("limit", u64::from(MAX_LIMIT), "How many at the most; 100 when absent."),
        Parameter::number("offset", MAX_OFFSET, "How many to pass over."),
    ]
}

/// A question about findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) which: Which,
    pub(super) page: Page,
    pub(super) group: Option<GroupBy>,
    /// What was given, as it was given.
    pub(super) given: Vec<(String, String)>,
}

/// The names of the parameters, with what each takes.
const KNOWN: &str = "state, severity, check, system, source, owner (empty: nobody), subject, account, request (SOURCE:ID), \
                     before, q, sort, order, group, limit, offset";

impl Asked {
    /// Reads the parameters. `limit` is how many rows a page has that does not say.
    pub(super) fn read(uri: &Uri, limit: u32) -> Result<Self, Refusal> {
        let mut asked = Self { page: Page { limit, descending: true, ..Page::default() }, ..Self::default() };
        for (name, value) in parameters(uri)? {
            asked.take(&name, &value).map_err(|why| Refusal::bad(format!("`{name}` = `{value}`: {why}")))?;
            asked.given.push((name, value));
        }
        Ok(asked)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        // A form sends what was left empty.
        if value.is_empty() && name != "owner" {
            return Ok(());
        }
        let which = &mut self.which;
        let own = || Some(value.to_owned());
        match name {
            "state" if value == "all" => which.states = State::ALL.to_vec(),
            "state" => which.states.push(one_of(value, &State::ALL.map(|s| (s, s.as_str())))?),
            "severity" => which.severities.push(one_of(value, &Severity::ALL.map(|s| (s, s.as_str())))?),
            "check" => match checks::by_name(value) {
                Some(check) => which.checks.push(check.name.to_owned()),
                None => return Err("there is no such check; /api/v1/checks lists them".to_owned()),
            },
            "system" => which.system = own(),
            "source" => which.source = own(),
            "owner" => which.owner = Some(own().filter(|owner| !owner.is_empty())),
            "subject" => which.subject = own(),
            "account" => which.account = own(),
            "request" => {
                let (source, id) = value.split_once(':').ok_or("expected SOURCE:ID")?;
                which.request = Some((source.to_owned(), id.to_owned()));
            }
            "before" => which.seen_before = Some(instant(value)?),
            "q" => which.text = own(),
            "sort" => self.page.order = one_of(value, &OrderBy::ALL)?,
            "order" => self.page.descending = one_of(value, &[(false, "asc"), (true, "desc")])?,
            "group" => self.group = Some(one_of(value, &GroupBy::ALL)?),
            "limit" => {
                self.page.limit = u32::try_from(number(value, u64::from(MAX_LIMIT))?).unwrap_or(MAX_LIMIT)
            }
            "offset" => self.page.offset = number(value, MAX_OFFSET)?,
            _ => return Err(format!("there is no such parameter; there are {KNOWN}")),
        }
        Ok(())
    }

    /// The query of a link that asks the same but for these parameters, each with what is to stand in its place, if anything.
    pub(super) fn link(&self, change: &[(&str, Option<&str>)]) -> String {
        let changed = |name: &str| change.iter().any(|(n, _)| *n == name);
        let kept = self.given.iter().filter(|(n, v)| !changed(n) && (!v.is_empty() || n == "owner"));
        let kept = kept.map(|(n, v)| (n.as_str(), v.as_str()));
        let new = change.iter().filter_map(|(n, v)| Some((*n, (*v)?)));
        query(kept.chain(new))
    }
}

/// A query of these parameters, with its question mark; empty where there are none.
pub(super) fn query<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        out.push(if out.is_empty() { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        out.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    out
}

/// The parameters of an address.
pub(super) fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Refusal> {
    let axum::extract::Query(pairs) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|e| Refusal::bad(format!("the parameters cannot be read: {e}")))?;
    if pairs.len() > MAX_PARAMETERS {
        return Err(Refusal::bad(format!("{} parameters; at most {MAX_PARAMETERS}", pairs.len())));
    }
    match pairs.iter().find(|(name, value)| name.len() > 64 || value.len() > MAX_VALUE) {
        Some(_) => Err(Refusal::bad(format!("a parameter is longer than {MAX_VALUE} bytes"))),
        None => Ok(pairs),
    }
}

/// How many rows are asked for, and how many are to be passed over, of a route that takes no other parameter; `most` is how
/// many may be passed over, where any may.
pub(super) fn paged(
    given: &[(String, String)],
    limit: u32,
    most: Option<u64>,
) -> Result<(u32, u64), Refusal> {
    let (mut limit, mut offset) = (limit, 0);
    for (name, value) in given {
        let bad = |why: String| Refusal::bad(format!("`{name}` = `{value}`: {why}"));
        match (name.as_str(), most) {
            ("limit", _) => {
                let number = number(value, u64::from(MAX_LIMIT)).map_err(bad)?;
                limit = u32::try_from(number).unwrap_or(MAX_LIMIT);
            }
            ("offset", Some(most)) => offset = number(value, most).map_err(bad)?,
            _ => {
                let known = if most.is_some() { "there are limit, offset" } else { "there is limit" };
                return Err(bad(format!("there is no such parameter; {known}")));
            }
        }
    }
    Ok((limit, offset))
}

/// Refuses every parameter, of a route that takes none.
pub(super) fn none(uri: &Uri) -> Result<(), Refusal> {
    match parameters(uri)?.first() {
        Some((name, _)) => {
            Err(Refusal::bad(format!("`{name}`: there is no such parameter; this takes none")))
        }
        None => Ok(()),
    }
}

fn one_of<T: Copy>(value: &str, all: &[(T, &str)]) -> Result<T, String> {
    let found = all.iter().find(|(_, word)| *word == value).map(|(one, _)| *one);
    found.ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|(_, word)| *word).collect();
        format!("expected one of {}", words.join(", "))
    })
}

/// An instant.
pub(super) fn instant(value: &str) -> Result<Instant, String> {
    Instant::parse(value).map_err(|e| format!("expected {e}"))
}

pub(super) fn number(value: &str, most: u64) -> Result<u64, String> {
    value.parse().ok().filter(|n| *n <= most).ok_or_else(|| format!("expected a whole number up to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked, String> {
        Asked::read(&format!("/x?{query}").parse().unwrap(), 50).map_err(|r| r.why)
    }

    #[test]
    fn parameters_are_read_and_come_back_as_a_link() {
        let a = asked("state=open&state=accepted&severity=critical&owner=&request=jira:SEC%201&q=a%26b&sort=owner&order=asc&limit=10&offset=20")
            .unwrap();
        assert_eq!(a.which.states, [State::Open, State::Accepted]);
        assert_eq!(a.which.severities, [Severity::Critical]);
        assert_eq!((a.which.owner.clone(), a.which.text.as_deref()), (Some(None), Some("a&b")));
        assert_eq!(a.which.request, Some(("jira".into(), "SEC 1".into())));
        assert_eq!(
            (a.page.order, a.page.descending, a.page.limit, a.page.offset),
            (OrderBy::Owner, false, 10, 20)
        );
        let link = a.link(&[("offset", Some("30"))]);
        let again = asked(&link[1..]).unwrap();
        assert_eq!((again.page.offset, again.which), (30, a.which));
        assert_eq!(Asked::default().link(&[]), "");
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (query, says) in [
            ("stat=open", "`stat` = `open`: there is no such parameter"),
            ("state=closed", "expected one of open, accepted, resolved"),
            ("severity=HIGH", "expected one of low"),
            ("check=nope", "there is no such check"),
            ("limit=1001", "up to 1000"),
            ("limit=-1", "whole number"),
            ("offset=99999999999999999999", "whole number"),
            ("before=yesterday", "before"),
            ("request=SEC-1", "SOURCE:ID"),
            ("q=%ff%fe", ""),
        ] {
            let e = asked(query).map(|a| a.which.text);
            match e {
                Err(e) => assert!(e.contains(says), "{query}: {e}"),
                Ok(_) => assert_eq!(says, "", "{query} was taken"),
            }
        }
    }
}
