//! A record's line as it is kept, and back: which names it is tied to, what tells it apart, and the time of the pull
//! left out, so that a record that did not change is the same from pull to pull.

use std::borrow::Cow;

use memchr::memmem::{self, Finder};

use crate::judge::reach::{Tie, is_catalogue, ties};
use crate::model::{Instant, MAX_LINE, Record, RecordType, norm, parse_line};
use crate::store::{Hash, Prepared, Token, hash, token};

/// The fields that carry the time of the pull, as a connector writes them.
const FIELDS: [&str; 2] = ["\"observed_at\"", "\"collected_at\""];
/// What stands in a kept line for the time at which its source was last pulled.
const MARK: &str = "@\"";

/// The time of a pull, to be left out of its lines.
pub(super) struct Stamp {
    /// Whether it is a time at all; what a record says of a time that is none makes it no record.
    valid: bool,
    /// Finds the time where it is the whole of a value.
    time: Finder<'static>,
    /// Finds what could be taken for the mark.
    mark: Finder<'static>,
}

impl Stamp {
    pub(super) fn new(taken_at: &str) -> Self {
        Self {
            valid: Instant::parse(taken_at).is_ok(),
            time: Finder::new(&format!(":\"{taken_at}\"")).into_owned(),
            mark: Finder::new(&format!("_at\":\"{MARK}")).into_owned(),
        }
    }

    /// Adds the line with the time of the pull left out, where it carries it; whether it does.
    pub(super) fn without(&self, line: &str, out: &mut String) -> bool {
        let mut done = 0;
        for at in self.time.find_iter(line.as_bytes()) {
            let Some(before) = line.get(done..at) else { continue };
            // What stands before it names the field.
            if FIELDS.iter().any(|field| before.ends_with(field)) {
                out.push_str(before);
                out.push_str(":\"");
                out.push_str(MARK);
                done = at + self.time.needle().len();
            }
        }
        if done > 0 {
            out.push_str(line.get(done..).unwrap_or_default());
        }
        done > 0
    }

    /// Whether the line must be read to know that it is a record, even where a line is held that is kept in the same form:
    /// the two may differ in what became the mark.
    pub(super) fn hides(&self, line: &str) -> bool {
        !self.valid || line.len() > MAX_LINE || self.mark.find(line.as_bytes()).is_some()
    }
}

/// A kept line as the pull at `taken_at` would have written it.
pub(super) fn with_stamp<'l>(kept: &'l str, taken_at: &str) -> Cow<'l, str> {
    let mut out = Cow::Borrowed(kept);
    // Most lines carry none, and of those there are many.
    if memmem::find(kept.as_bytes(), b":\"@\"").is_none() {
        return out;
    }
    for field in FIELDS {
        let whole = format!("{field}:\"{MARK}");
        if out.contains(&whole) {
            out = Cow::Owned(out.replace(&whole, &format!("{field}:\"{taken_at}\"")));
        }
    }
    out
}

/// Prepares a record for the store; `body` is its line as it is kept.
pub(super) fn prepare<'l>(record: &Record<'_>, body: Cow<'l, str>) -> Prepared<'l> {
    let kind = kind(record);
    let mut system = None;
    let mut check = None;
    match record {
        Record::Grant(g) => system = Some(Cow::Owned(g.system.to_string())),
        Record::Exception(e) => check = Some(Cow::Owned(e.check.to_string())),
        _ => {}
    }
    let mut tied = vec![];
    ties(record, &mut |tie: Tie, name| tied.push((tie.number(), name_token(name))));
    tied.sort_unstable();
    tied.dedup();
    let key = key(record, kind, &body);
    Prepared { kind, key, body, ties: tied, catalogue: is_catalogue(kind), system, check }
}

/// Reads a kept line again; `None` when it is none, which only a damaged store can bring about.
pub(super) fn read(kept: &str) -> Option<Prepared<'static>> {
    let line = with_stamp(kept, EPOCH);
    let record = parse_line(line.as_bytes()).ok()?;
    Some(prepare(&record, Cow::Owned(kept.to_owned())))
}

/// A time for lines that are read only for their names.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// Of two lines of one key in one pull, whether the second stands: the later observed, then the one whose known fields
/// sort last.
pub(super) fn second_stands(first: &str, second: &str, taken_at: &str) -> bool {
    let order = |kept: &str| {
        let line = with_stamp(kept, taken_at);
        let observed = parse_line(line.as_bytes()).ok().and_then(|r| observed_at(&r));
        (observed, crate::model::canonical_text(line.as_bytes()).ok())
    };
    order(second) > order(first)
}

fn observed_at(record: &Record<'_>) -> Option<Instant> {
    match record {
        Record::Identity(r) => r.observed_at,
        Record::System(r) => r.observed_at,
        Record::Workflow(r) => r.observed_at,
        Record::Entitlement(r) => r.observed_at,
        Record::Policy(r) => r.observed_at,
        Record::Request(r) => r.observed_at,
        Record::Grant(r) => r.observed_at,
        _ => None,
    }
}

fn kind(record: &Record<'_>) -> RecordType {
    match record {
        Record::Identity(_) => RecordType::Identity,
        Record::System(_) => RecordType::System,
        Record::Workflow(_) => RecordType::Workflow,
        Record::Entitlement(_) => RecordType::Entitlement,
        Record::Policy(_) => RecordType::Policy,
        Record::Delegation(_) => RecordType::Delegation,
        Record::Request(_) => RecordType::Request,
        Record::Grant(_) => RecordType::Grant,
        Record::Usage(_) => RecordType::Usage,
        Record::Certification(_) => RecordType::Certification,
        Record::Exception(_) => RecordType::Exception,
        Record::Snapshot(_) => RecordType::Snapshot,
    }
}

/// What tells a record apart from the others of its source.
fn key(record: &Record<'_>, kind: RecordType, body: &str) -> Hash {
    let of = |parts: &[&str]| hash([kind.as_str()].iter().chain(parts).map(|p| p.as_bytes()));
    match record {
        Record::Identity(r) => of(&[&r.id]),
        Record::System(r) => of(&[&r.id]),
        Record::Workflow(r) => of(&[&r.id]),
        Record::Policy(r) => of(&[&r.id]),
        Record::Entitlement(r) => of(&[&r.system, &r.id]),
        Record::Request(r) => request_key(&r.source, &r.id),
        Record::Grant(g) => {
            let path: Vec<_> = g.path.iter().map(|s| (s.system.as_deref(), &*s.entitlement)).collect();
            grant_key(&g.system, &g.account, &g.entitlement, g.scope.as_deref(), &path)
        }
        Record::Delegation(_)
        | Record::Usage(_)
        | Record::Certification(_)
        | Record::Exception(_)
        | Record::Snapshot(_) => of(&[body]),
    }
}

/// The key of a request.
pub(super) fn request_key(source: &str, id: &str) -> Hash {
    hash([RecordType::Request.as_str(), source, id].map(str::as_bytes))
}

/// The key of a grant, from what tells it apart from all others.
pub(super) fn grant_key(
    system: &str,
    account: &str,
    entitlement: &str,
    scope: Option<&str>,
    path: &[(Option<&str>, &str)],
) -> Hash {
    let mut parts: Vec<&[u8]> = vec![b"grant", system.as_bytes(), account.as_bytes(), entitlement.as_bytes()];
    let optional =
        |text: Option<&'_ str>| -> &'static [u8] { if text.is_some() { b"some" } else { b"none" } };
    parts.push(optional(scope));
    let scope = scope.unwrap_or_default();
    parts.push(scope.as_bytes());
    for (system, entitlement) in path {
        parts.push(optional(*system));
        parts.push(system.unwrap_or_default().as_bytes());
        parts.push(entitlement.as_bytes());
    }
    hash(parts)
}

/// The token of a name. The normal form of a normal form may be yet another text (lower case comes after composition,
/// and may compose further); names are told apart here by the form that no longer changes, so that it does not matter
/// how often one was normalised before.
pub(super) fn name_token(name: &str) -> Token {
    let mut form = norm(name).into_owned();
    if !form.is_ascii() {
        for _ in 0..MAX_FORMS {
            let next = norm(&form).into_owned();
            if next == form {
                break;
            }
            form = next;
        }
    }
    token(&form)
}

/// How often a form is normalised again at the most; two are known to be enough for every name ever met.
const MAX_FORMS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn without(stamp: &Stamp, line: &str) -> String {
        let mut out = String::new();
        if stamp.without(line, &mut out) { out } else { line.to_owned() }
    }

    #[test]
    fn a_line_is_the_same_from_pull_to_pull_and_comes_back_whole() {
        let line = |t: &str| {
            format!(
                r#"{{"type":"system","source":"s","id":"a \"observed_at\":\"{t}\"","observed_at":"{t}","since":"{t}","evidence":{{"collected_at":"{t}","x":1}}}}"#
            )
        };
        let one = line("2026-01-01T00:00:00Z");
        let stamp = Stamp::new("2026-01-01T00:00:00Z");
        let kept = without(&stamp, &one);
        assert!(kept.contains(r#""observed_at":"@""#) && kept.contains(r#""collected_at":"@""#));
        assert!(kept.contains(r#""since":"2026-01-01T00:00:00Z""#) && kept.ends_with(r#","x":1}}"#));
        assert_eq!(with_stamp(&kept, "2026-01-01T00:00:00Z"), one);
        let later = "2026-01-02T00:00:00Z";
        assert_eq!(without(&Stamp::new(later), &line(later)).len(), kept.len());
        let own = r#"{"type":"system","id":"a","observed_at":"2020-01-01T00:00:00Z"}"#;
        assert_eq!(without(&stamp, own), own, "its own time stays");
        assert!(!stamp.hides(&one) && !stamp.hides(own));
        assert!(stamp.hides(r#"{"observed_at":"@"}"#), "the mark itself, which is no time");
        assert!(Stamp::new("yesterday").hides(own), "what is no time makes no record");
    }

    /// The first moment of all is a time like any other, though kept lines are read with it.
    #[test]
    fn a_kept_line_is_read_as_it_is_kept() {
        let kept = r#"{"type":"system","id":"a","observed_at":"1970-01-01T00:00:00Z"}"#;
        assert_eq!(read(kept).unwrap().body, kept);
        let kept = r#"{"type":"system","id":"a","observed_at":"@"}"#;
        assert_eq!(read(kept).unwrap().body, kept);
    }

    #[test]
    fn a_key_tells_grants_apart_by_all_that_is_theirs() {
        let keys = [
            grant_key("s", "a", "e", None, &[]),
            grant_key("s", "a", "e", Some(""), &[]),
            grant_key("s", "a", "e", Some("x"), &[]),
            grant_key("s", "a", "e", None, &[(None, "x")]),
            grant_key("s", "a", "e", None, &[(Some(""), "x")]),
            grant_key("sa", "", "e", None, &[]),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
