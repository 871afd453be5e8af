//! Where a finding or a verdict stands among all, as a text: lines that begin with it are brought into the final order by
//! any tool that sorts lines by their bytes, wherever they were made.
//!
//! Parts stand in the order in which the judge compares them, each behind a space. What a text holds below `"` is written
//! as `!` and one more sign, so that nothing in it is a space, a tab or a line end, and the order of the bytes stays.

use crate::model::finding::{Finding, PathStepView, Severity, Verdict};

/// Appends the place of a finding: severity, check, and what it is about.
pub fn order_of_finding(finding: &Finding<'_>, out: &mut Vec<u8>) {
    out.push(match finding.severity {
        Severity::Critical => b'0',
        Severity::High => b'1',
        Severity::Medium => b'2',
        Severity::Low => b'3',
    });
    text(&finding.check, out);
    let request = |out: &mut Vec<u8>| {
        maybe(finding.request.as_ref().map(|r| &*r.id), out);
        maybe(finding.request.as_ref().map(|r| &*r.source), out);
    };
    if let Some(g) = &finding.grant {
        for part in [&g.system, &g.account, &g.entitlement] {
            text(part, out);
        }
        maybe(g.scope.as_deref(), out);
        request(out);
        path(&g.path, out);
    } else if finding.request.is_some() {
        request(out);
        maybe(finding.item.map(|item| format!("{item:010}")).as_deref(), out);
        maybe(finding.beneficiary.as_deref(), out);
    } else {
        maybe(finding.alias.as_deref().or(finding.source.as_deref()), out);
    }
}

/// Appends the place of a verdict: the grant it is about.
pub fn order_of_verdict(verdict: &Verdict<'_>, out: &mut Vec<u8>) {
    for part in [&verdict.system, &verdict.account, &verdict.entitlement] {
        text(part, out);
    }
    maybe(verdict.scope.as_deref(), out);
    path(&verdict.path, out);
}

/// The last of all parts: of two paths the one that the other begins with comes first.
fn path(steps: &[PathStepView<'_>], out: &mut Vec<u8>) {
    for step in steps {
        maybe(step.system.as_deref(), out);
        text(&step.entitlement, out);
    }
}

/// A text that may be absent, which comes before all that are there.
fn maybe(part: Option<&str>, out: &mut Vec<u8>) {
    match part {
        None => out.push(b' '),
        Some(part) => {
            out.extend_from_slice(b" +");
            put(part, out);
        }
    }
}

fn text(part: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    put(part, out);
}

fn put(part: &str, out: &mut Vec<u8>) {
    if part.bytes().all(|b| b > b'!') {
        return out.extend_from_slice(part.as_bytes());
    }
    for b in part.bytes() {
        if b > b'!' {
            out.push(b);
        } else {
            out.extend_from_slice(&[b'!', b'@' + b]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_compare_as_their_texts(
            a in prop::collection::vec(prop::option::of("[\u{0}\t\n !\"+A\u{7f}é]{0,3}"), 3),
            b in prop::collection::vec(prop::option::of("[\u{0}\t\n !\"+A\u{7f}é]{0,3}"), 3),
        ) {
            let line = |parts: &[Option<String>], words: bool| {
                let mut out = vec![];
                for part in parts {
                    if words { text(part.as_deref().unwrap_or(""), &mut out) } else { maybe(part.as_deref(), &mut out) }
                }
                out.extend_from_slice(b"\t{}");
                assert!(out.iter().all(|b| *b >= b'\t') && !out.contains(&b'\n'));
                out
            };
            prop_assert_eq!(line(&a, false).cmp(&line(&b, false)), a.cmp(&b));
            let words = |parts: &[Option<String>]| -> Vec<String> { parts.iter().map(|p| p.clone().unwrap_or_default()).collect() };
            prop_assert_eq!(line(&a, true).cmp(&line(&b, true)), words(&a).cmp(&words(&b)));
        }
    }
}
