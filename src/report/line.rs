//! A finding as JSON, written by hand: the same bytes as the serializer writes in `json.rs`, several times
//! faster. A test holds the two together.

use std::borrow::Cow;
use std::io::Write as _;

use crate::model::Instant;
use crate::model::finding::{
    Accountable, ControlRef, EvidenceView, ExceptionView, Finding, GrantView, PathStepView, RequestView,
    Severity,
};
use crate::model::write_safe;

/// Writes findings of one judgement as lines of JSON. What many of them have in common (the texts of their check and
/// its controls) is rendered once.
#[derive(Debug, Default)]
pub struct Lines<'a> {
    known: Vec<Common<'a>>,
}

/// What findings have in common, and how it is written.
#[derive(Debug)]
struct Common<'a> {
    schema: Cow<'a, str>,
    check: Cow<'a, str>,
    severity: Severity,
    title: Cow<'a, str>,
    remediation: Cow<'a, str>,
    controls: Vec<ControlRef<'a>>,
    written: Written,
}

/// The parts of a finding that its check decides, up to the value that follows each.
#[derive(Debug, Default)]
struct Written {
    /// Up to the id.
    begin: Vec<u8>,
    /// From behind the id to the message.
    check: Vec<u8>,
    /// From behind the reasons to the evidence.
    controls: Vec<u8>,
}

/// How many are remembered; findings come sorted by severity and check, so these are the kinds of their subjects.
const KNOWN: usize = 8;

impl<'a> Lines<'a> {
    /// Appends a finding as one line, with the line end.
    pub fn write(&mut self, finding: &Finding<'a>, out: &mut Vec<u8>) {
        let at = self.known.iter().position(|common| common.is_of(finding));
        let at = at.unwrap_or_else(|| {
            if self.known.len() >= KNOWN {
                self.known.clear();
            }
            self.known.push(Common::of(finding));
            self.known.len() - 1
        });
        if let Some(common) = self.known.get(at) {
            write(finding, &common.written, out);
            out.push(b'\n');
        }
    }
}

/// Appends a finding as JSON.
pub(super) fn write_finding(finding: &Finding<'_>, out: &mut Vec<u8>) {
    write(finding, &Written::of(finding), out);
}

impl<'a> Common<'a> {
    fn of(f: &Finding<'a>) -> Self {
        Self {
            schema: f.schema.clone(),
            check: f.check.clone(),
            severity: f.severity,
            title: f.title.clone(),
            remediation: f.remediation.clone(),
            controls: f.controls.clone(),
            written: Written::of(f),
        }
    }

    /// Whether a finding has the very same texts, by where they are: to compare them would be to read them all.
    fn is_of(&self, f: &Finding<'_>) -> bool {
        let same = |a: &str, b: &str| std::ptr::eq(a, b);
        self.severity == f.severity
            && same(&self.check, &f.check)
            && same(&self.title, &f.title)
            && same(&self.schema, &f.schema)
            && same(&self.remediation, &f.remediation)
            && self.controls.len() == f.controls.len()
            && self
                .controls
                .iter()
                .zip(&f.controls)
                .all(|(a, b)| same(&a.id, &b.id) && same(&a.framework, &b.framework))
    }
}

impl Written {
    fn of(f: &Finding<'_>) -> Self {
        let mut written = Self::default();
        let out = &mut written.begin;
        out.extend_from_slice(b"{\"schema\":");
        string(&f.schema, out);
        out.extend_from_slice(b",\"id\":");
        let out = &mut written.check;
        out.extend_from_slice(b",\"check\":");
        string(&f.check, out);
        out.extend_from_slice(b",\"severity\":\"");
        out.extend_from_slice(f.severity.as_str().as_bytes());
        out.extend_from_slice(b"\",\"title\":");
        string(&f.title, out);
        out.extend_from_slice(b",\"message\":");
        let out = &mut written.controls;
        out.extend_from_slice(b",\"remediation\":");
        string(&f.remediation, out);
        out.extend_from_slice(b",\"controls\":");
        list(&f.controls, out, |c, out| {
            out.extend_from_slice(b"{\"framework\":");
            string(&c.framework, out);
            out.extend_from_slice(b",\"id\":");
            string(&c.id, out);
            out.push(b'}');
        });
        out.extend_from_slice(b",\"evidence\":");
        written
    }
}

fn write(f: &Finding<'_>, common: &Written, out: &mut Vec<u8>) {
    out.extend_from_slice(&common.begin);
    string(&f.id, out);
    out.extend_from_slice(&common.check);
    string(&f.message, out);
    out.extend_from_slice(b",\"standing\":");
    or_null(f.standing.as_ref(), out, |standing, out| word(standing.as_str(), out));
    out.extend_from_slice(b",\"subject\":");
    or_null(f.subject.as_ref(), out, |subject, out| {
        out.extend_from_slice(b"{\"id\":");
        string(&subject.id, out);
        out.extend_from_slice(b",\"kind\":");
        text_or_null(subject.kind.as_ref(), out);
        out.push(b'}');
    });
    out.extend_from_slice(b",\"grant\":");
    or_null(f.grant.as_ref(), out, grant);
    out.extend_from_slice(b",\"request\":");
    or_null(f.request.as_ref(), out, request);
    if let Some(item) = f.item {
        out.extend_from_slice(b",\"item\":");
        number(item, out);
    }
    for (name, value) in [
        (&b",\"beneficiary\":"[..], &f.beneficiary),
        (b",\"alias\":", &f.alias),
        (b",\"source\":", &f.source),
    ] {
        if let Some(value) = value {
            out.extend_from_slice(name);
            string(value, out);
        }
    }
    out.extend_from_slice(b",\"accountable\":");
    list(&f.accountable, out, accountable);
    out.extend_from_slice(b",\"reasons\":");
    list(&f.reasons, out, |reason, out| string(reason, out));
    out.extend_from_slice(&common.controls);
    list(&f.evidence, out, evidence);
    if let Some(e) = &f.exception {
        out.extend_from_slice(b",\"exception\":");
        exception(e, out);
    }
    out.extend_from_slice(b",\"now\":");
    instant(f.now, out);
    out.push(b'}');
}

fn grant(g: &GrantView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"system\":");
    string(&g.system, out);
    out.extend_from_slice(b",\"account\":");
    string(&g.account, out);
    out.extend_from_slice(b",\"entitlement\":");
    string(&g.entitlement, out);
    out.extend_from_slice(b",\"scope\":");
    text_or_null(g.scope.as_ref(), out);
    out.extend_from_slice(b",\"path\":");
    list(&g.path, out, step);
    out.extend_from_slice(b",\"granted_at\":");
    instant_or_null(g.granted_at, out);
    out.extend_from_slice(b",\"granted_by\":");
    text_or_null(g.granted_by.as_ref(), out);
    out.extend_from_slice(b",\"expires_at\":");
    instant_or_null(g.expires_at, out);
    out.extend_from_slice(b",\"last_used_at\":");
    instant_or_null(g.last_used_at, out);
    if let Some(attribution) = &g.use_attribution {
        out.extend_from_slice(b",\"use_attribution\":");
        string(attribution, out);
    }
    out.push(b'}');
}

fn step(s: &PathStepView<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(system) = &s.system {
        out.extend_from_slice(b"\"system\":");
        string(system, out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"entitlement\":");
    string(&s.entitlement, out);
    out.push(b'}');
}

fn request(r: &RequestView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"source\":");
    string(&r.source, out);
    out.extend_from_slice(b",\"id\":");
    string(&r.id, out);
    out.extend_from_slice(b",\"url\":");
    text_or_null(r.url.as_ref(), out);
    out.extend_from_slice(b",\"state\":");
    string(&r.state, out);
    out.extend_from_slice(b",\"decided_at\":");
    instant_or_null(r.decided_at, out);
    out.extend_from_slice(b",\"end\":");
    instant_or_null(r.end, out);
    out.push(b'}');
}

fn accountable(a: &Accountable<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"role\":");
    word(a.role.as_str(), out);
    out.extend_from_slice(b",\"identity\":");
    text_or_null(a.identity.as_ref(), out);
    let primary: &[u8] =
        if a.primary { b",\"primary\":true,\"duty\":" } else { b",\"primary\":false,\"duty\":" };
    out.extend_from_slice(primary);
    string(&a.duty, out);
    out.push(b'}');
}

fn evidence(e: &EvidenceView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"source\":");
    text_or_null(e.source.as_ref(), out);
    out.extend_from_slice(b",\"id\":");
    text_or_null(e.id.as_ref(), out);
    out.extend_from_slice(b",\"sha256\":");
    text_or_null(e.sha256.as_ref(), out);
    out.extend_from_slice(b",\"collected_at\":");
    instant_or_null(e.collected_at, out);
    out.push(b'}');
}

fn exception(e: &ExceptionView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"accepted_by\":");
    string(&e.accepted_by, out);
    out.extend_from_slice(b",\"reason\":");
    string(&e.reason, out);
    out.extend_from_slice(b",\"expires_at\":");
    instant(e.expires_at, out);
    out.push(b'}');
}

/// A list, each item written by a function.
pub(super) fn list<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

fn or_null<T>(value: Option<&T>, out: &mut Vec<u8>, write: impl FnOnce(&T, &mut Vec<u8>)) {
    match value {
        Some(value) => write(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn text_or_null(text: Option<&Cow<'_, str>>, out: &mut Vec<u8>) {
    or_null(text, out, |text, out| string(text, out));
}

fn instant_or_null(t: Option<Instant>, out: &mut Vec<u8>) {
    or_null(t.as_ref(), out, |t, out| instant(*t, out));
}

fn instant(t: Instant, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(t.text().as_bytes());
    out.push(b'"');
}

/// One of our own words, in which nothing needs an escape.
pub(super) fn word(word: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

pub(super) fn number(n: u32, out: &mut Vec<u8>) {
    // A vector takes whatever is written to it.
    let _ = write!(out, "{n}");
}

/// A text as JSON.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    if is_plain(text.as_bytes()) {
        word(text, out);
    } else {
        // A vector takes whatever is written to it.
        let _ = write_safe(text, out);
    }
}

/// Whether a text stands in JSON as it is and nothing in it is hidden: ASCII that is seen, without quotation mark and
/// backslash.
fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    if !words.iter().all(|word| is_plain_word(u64::from_ne_bytes(*word))) {
        return false;
    }
    match text.last_chunk::<8>() {
        Some(last) => is_plain_word(u64::from_ne_bytes(*last)),
        None => rest.iter().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')),
    }
}

/// The same for eight bytes at once.
fn is_plain_word(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    // Each is exact in its lowest byte that is at fault, and only whether there is one matters.
    let control = word.wrapping_sub(0x20 * ONES) & !word;
    let not_ascii = word | word.wrapping_add(ONES);
    let (quote, backslash) = (zero(word ^ (0x22 * ONES)), zero(word ^ (0x5c * ONES)));
    (control | not_ascii | quote | backslash) & HIGH == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::{Role, Standing, Subject};
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    /// Texts as strangers write them, mostly short, of signs that JSON or a terminal would take for its own.
    fn text() -> impl Strategy<Value = Cow<'static, str>> {
        let hostile = "[ -~]{0,20}|[\"\\\\/\u{7f}\u{80}\u{8}\u{c}\n\r\t\u{1}\u{1b}a-c]{0,12}|\\PC{0,9}";
        let bidi = "[a\u{ad}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}\u{1d173}é王𝄞]{0,9}";
        prop_oneof![hostile, bidi, any::<String>()].prop_map(Cow::Owned)
    }

    fn time() -> impl Strategy<Value = Instant> {
        prop_oneof![
            (-62_167_219_200_000i64..=253_402_300_799_999).prop_map(Instant::from_unix_ms),
            (0i64..4_000_000_000).prop_map(|s| Instant::from_unix_ms(s * 1000)),
        ]
    }

    fn grants() -> impl Strategy<Value = GrantView<'static>> {
        let path = vec((option::of(text()), text()), 0..3);
        let times = (option::of(time()), option::of(time()), option::of(time()));
        let names = (text(), text(), text(), option::of(text()), option::of(text()), option::of(text()));
        (names, path, times).prop_map(|((system, account, entitlement, scope, by, seen), path, times)| {
            GrantView {
                system,
                account,
                entitlement,
                scope,
                path: path
                    .into_iter()
                    .map(|(system, entitlement)| PathStepView { system, entitlement })
                    .collect(),
                granted_at: times.0,
                granted_by: by,
                expires_at: times.1,
                last_used_at: times.2,
                use_attribution: seen,
            }
        })
    }

    fn requests() -> impl Strategy<Value = RequestView<'static>> {
        (text(), text(), option::of(text()), text(), option::of(time()), option::of(time())).prop_map(
            |(source, id, url, state, decided_at, end)| RequestView {
                source,
                id,
                url,
                state,
                decided_at,
                end,
            },
        )
    }

    fn people() -> impl Strategy<Value = Vec<Accountable<'static>>> {
        let role = prop_oneof![Just(Role::Approver), Just(Role::WorkflowOwner), Just(Role::Operator)];
        let one = (role, option::of(text()), any::<bool>(), text());
        vec(
            one.prop_map(|(role, identity, primary, duty)| Accountable { role, identity, primary, duty }),
            0..4,
        )
    }

    fn proofs() -> impl Strategy<Value = Vec<EvidenceView<'static>>> {
        let one = (option::of(text()), option::of(text()), option::of(text()), option::of(time()));
        let one = one.prop_map(|(source, id, sha256, collected_at)| EvidenceView {
            source,
            id,
            sha256,
            collected_at,
        });
        vec(one, 0..3)
    }

    fn findings() -> impl Strategy<Value = Finding<'static>> {
        let head = (text(), text(), text(), 0..4usize, text(), text(), option::of(0..10usize));
        let about = (
            option::of((text(), option::of(text()))),
            option::of(grants()),
            option::of(requests()),
            option::of(any::<u32>()),
            (option::of(text()), option::of(text()), option::of(text())),
        );
        let controls = vec((text(), text()), 0..4);
        let exception = option::of((text(), text(), time()));
        let tail = (people(), vec(text(), 0..3), text(), controls, proofs(), exception, time());
        (head, about, tail).prop_map(|(head, about, tail)| Finding {
            schema: head.0,
            id: head.1.into_owned(),
            check: head.2,
            severity: Severity::ALL[head.3],
            title: head.4,
            message: head.5.into_owned(),
            standing: head.6.map(|n| Standing::ALL[n]),
            subject: about.0.map(|(id, kind)| Subject { id, kind }),
            grant: about.1,
            request: about.2,
            item: about.3,
            beneficiary: about.4.0,
            alias: about.4.1,
            source: about.4.2,
            accountable: tail.0,
            reasons: tail.1.into_iter().map(Cow::into_owned).collect(),
            remediation: tail.2,
            controls: tail.3.into_iter().map(|(framework, id)| ControlRef { framework, id }).collect(),
            evidence: tail.4,
            exception: tail.5.map(|(accepted_by, reason, expires_at)| ExceptionView {
                accepted_by,
                reason,
                expires_at,
            }),
            now: tail.6,
        })
    }

    fn serialized(finding: &Finding<'_>) -> String {
        let mut out = Vec::new();
        super::super::write_line(finding, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn a_finding_is_written_as_the_serializer_would(all in vec(findings(), 1..12)) {
            let (mut lines, mut out, mut expected) = (Lines::default(), Vec::new(), String::new());
            // Twice, and again with other texts in the same places: what is remembered is not mixed up.
            for finding in all.iter().chain(&all) {
                lines.write(finding, &mut out);
                expected.push_str(&serialized(finding));
                let mut other = finding.clone();
                other.severity = other.severity.raised();
                other.controls.pop();
                lines.write(&other, &mut out);
                expected.push_str(&serialized(&other));
            }
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }

        #[test]
        fn a_text_is_plain_if_each_of_its_bytes_is(text in any::<Vec<u8>>(), at in 0usize..20, b in any::<u8>()) {
            let plain = |b: &u8| (b' '..=b'~').contains(b) && *b != b'"' && *b != b'\\';
            prop_assert_eq!(is_plain(&text), text.iter().all(plain));
            let mut text = *b"twenty plain letters";
            text[at] = b;
            for length in 0..=text.len() {
                prop_assert_eq!(is_plain(&text[..length]), text[..length].iter().all(plain));
            }
        }
    }
}
