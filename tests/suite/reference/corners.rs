//! Corners that random estates turn to seldom or never, each a few records: the product and the slow reading must
//! agree on them, and what they say is written down.

use serde_json::{Value, json};

use super::compare::difference;
use super::product::product;
use super::{Outcome, judge};

const NOW: &str = "2026-06-01T00:00:00Z";

/// Judges with both; shows standings and checks in one line.
fn both(records: &[Value], config: &Value) -> String {
    let mine: Outcome = judge(records, config, NOW);
    let theirs = product(records, config, NOW).expect("the records are valid");
    if let Some(text) = difference(&mine, &theirs) {
        panic!("{records:#?}\n{text}");
    }
    let mut said: Vec<String> = mine.verdicts.iter().map(|verdict| verdict.standing.clone()).collect();
    said.extend(mine.findings.iter().map(|finding| finding.check.clone()));
    said.join(" ")
}

fn grant(scope: Value) -> Value {
    json!({"type": "grant", "system": "s", "account": "ann", "entitlement": "e", "scope": scope})
}

fn request(fields: Value) -> Value {
    let mut record = json!({"type": "request", "source": "j", "id": "T-1", "state": "approved",
        "beneficiaries": ["ann"], "access": [{"system": "s", "entitlement": "e"}],
        "approvals": [{"approver": "bob", "decision": "approved", "decided_at": "2026-05-01T00:00:00Z"}],
        "policy": "P", "justification": "why", "review_by": "2026-09-01T00:00:00Z"});
    for (name, value) in fields.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

fn owned() -> Value {
    json!({"type": "system", "id": "s", "owner": "olga"})
}

#[test]
fn scopes() {
    // Approved scope, held scope, and whether the first covers the second.
    let cases = [
        (json!("a"), json!("a"), true),
        (json!("a"), json!("a/"), true),
        (json!("a/"), json!("a"), false),
        (json!("a/"), json!("a/b"), false),
        (json!("a"), json!("A"), false),
        (json!("a"), json!(" a"), false),
        (json!("a/*"), json!("a"), true),
        (json!("a/*/*"), json!("a/b"), false),
        (json!("/*"), json!("/x"), true),
        (json!("/*"), json!("x"), false),
        (json!("/*"), json!(null), false),
        (json!("/"), json!("/x"), false),
        (json!("*/*"), json!("x/y"), false),
        (json!("**"), json!("x"), false),
        (json!("a"), json!(""), false),
        (json!(""), json!(null), true),
        (json!("*"), json!(null), true),
        (json!(null), json!(""), true),
    ];
    for (approved, held, covered) in cases {
        let item = json!([{"system": "s", "entitlement": "e", "scope": approved}]);
        let said = both(&[owned(), grant(held.clone()), request(json!({"access": item}))], &json!({}));
        assert_eq!(said.starts_with("approved"), covered, "{approved} covers {held}: {said}");
    }
}

#[test]
fn names() {
    // Two spellings, and whether they are the same name.
    let cases = [
        ("José", "JOSE\u{301}", true),
        ("\u{2003}ann\u{3000}", "ANN", true),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", true),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ", false),
        ("straße", "STRASSE", false),
        ("İpek", "i\u{307}pek", true),
        ("\u{212a}im", "kim", true),
        ("ﬁn", "FIN", false),
        ("a b", "a  b", false),
        ("an\u{200b}n", "ann", false),
    ];
    for (one, other, same) in cases {
        let records = [
            owned(),
            json!({"type": "grant", "system": "s", "account": one, "entitlement": "e"}),
            request(json!({"beneficiaries": [other]})),
        ];
        let said = both(&records, &json!({}));
        assert_eq!(said.starts_with("approved"), same, "{one:?} and {other:?}: {said}");
    }
}

#[test]
fn times() {
    let cases = [
        // Finer than a millisecond does not count: this end is now.
        (json!({"expires_at": "2026-06-01T00:00:00.000999Z"}), "expired"),
        (json!({"expires_at": "2026-06-01T00:00:00.001Z"}), "approved"),
        (json!({"expires_at": "2026-06-01T02:00:00.0+02:00"}), "expired"),
        (json!({"valid_from": "2026-06-01T00:00:00Z"}), "approved"),
        (json!({"valid_from": "2026-06-01T00:00:00.001Z"}), "pending"),
        // An end before the start is an end.
        (json!({"valid_from": "2026-07-01T00:00:00Z", "expires_at": "2026-05-01T00:00:00Z"}), "expired"),
        // A length with no start gives no end.
        (json!({"approvals": [], "ttl": "PT1S"}), "approved"),
        (json!({"approvals": [], "ttl": "P31D", "valid_from": "2026-05-01T00:00:00Z"}), "expired"),
        (json!({"approvals": [], "ttl": "P31DT0.001S", "valid_from": "2026-05-01T00:00:00Z"}), "approved"),
        (json!({"approvals": [], "decided_at": "2026-06-02T00:00:00Z"}), "pending"),
    ];
    for (fields, standing) in cases {
        let said = both(&[owned(), grant(json!(null)), request(fields.clone())], &json!({}));
        assert_eq!(said.split(' ').next(), Some(standing), "{fields}: {said}");
    }
}

#[test]
fn a_revocation_that_waits_or_was_refused_is_no_request_for_access() {
    for state in ["pending", "rejected", "cancelled"] {
        let asked = request(json!({"intent": "revoke", "state": state, "emergency": true}));
        assert_eq!(both(&[owned(), grant(json!(null)), asked], &json!({})), "unapproved unapproved-grant");
    }
    // Approved with no date at all: it revokes at no known time, and approves nothing either.
    let asked = request(json!({"intent": "revoke", "approvals": []}));
    assert_eq!(both(&[owned(), grant(json!(null)), asked], &json!({})), "unapproved unapproved-grant");
}

#[test]
fn a_grant_dated_after_the_end_of_its_approval_is_not_stale() {
    // Both dates are still to come, so the approval is in force now and was not when the grant was made.
    let granted = json!({"type": "grant", "system": "s", "account": "ann", "entitlement": "e",
        "granted_at": "2026-07-02T00:00:00Z", "expires_at": "2026-07-01T00:00:00Z"});
    let first = request(json!({"expires_at": "2026-07-01T00:00:00Z"}));
    let second = request(json!({"id": "T-0", "approvals": [], "decided_at": "2026-04-01T00:00:00Z"}));
    let records = [owned(), granted, first, second];
    assert_eq!(both(&records, &json!({})), "approved");
}

#[test]
fn the_grace_of_an_end_is_over_when_it_is_exceeded() {
    for (expires, said) in
        [("2026-07-01T00:15:00Z", "approved"), ("2026-07-01T00:15:00.001Z", "approved expiry-not-enforced")]
    {
        let granted = json!({"type": "grant", "system": "s", "account": "ann", "entitlement": "e", "expires_at": expires});
        let asked = request(json!({"expires_at": "2026-07-01T00:00:00Z"}));
        assert_eq!(both(&[owned(), granted, asked], &json!({})), said);
    }
}

#[test]
fn of_two_sights_the_later_stands_and_else_the_greater_text() {
    let sight = |used: &str, seen: Value| {
        json!({"type": "grant", "system": "s", "account": "ann", "entitlement": "e", "path": [],
            "last_used_at": used, "observed_at": seen})
    };
    let old = "2025-01-01T00:00:00Z";
    let fresh = "2026-05-31T00:00:00Z";
    let without = |mut record: Value| {
        record.as_object_mut().unwrap().remove("path");
        record
    };
    let unused = "unapproved unapproved-grant unused-grant";
    let used = "unapproved unapproved-grant";
    // The same instant in two spellings is the same instant: the text decides, and `2026…` sorts after `2025…`.
    let noon = json!("2026-05-31T12:00:00Z");
    let noon_too = json!("2026-05-31T14:00:00+02:00");
    let cases = [
        (sight(old, noon.clone()), sight(fresh, json!(null)), unused),
        (sight(old, json!(null)), sight(fresh, json!("1999-01-01T00:00:00Z")), used),
        (sight(old, noon.clone()), sight(fresh, noon_too.clone()), used),
        (sight(old, noon_too), sight(fresh, noon), used),
        // A path that is not known and one without a step are the same path.
        (without(sight(old, json!(null))), sight(fresh, json!(null)), used),
        (sight(old, json!(null)), without(sight(fresh, json!(null))), used),
    ];
    for (one, other, said) in cases {
        assert_eq!(both(&[owned(), one.clone(), other.clone()], &json!({})), said, "{one} {other}");
        assert_eq!(both(&[owned(), other, one], &json!({})), said);
    }
}

#[test]
fn a_snapshot_that_says_little() {
    let snapshot = |fields: Value| {
        let mut record = json!({"type": "snapshot", "source": "j", "taken_at": NOW, "complete": false});
        for (name, value) in fields.as_object().unwrap() {
            record[name] = value.clone();
        }
        record
    };
    let cases = [
        (json!({}), "unapproved unapproved-grant source-incomplete"),
        (json!({"provides": []}), "unapproved unapproved-grant source-incomplete"),
        (json!({"provides": ["request"], "systems": ["elsewhere"]}), "unknown source-incomplete"),
    ];
    for (fields, said) in cases {
        let mut words: Vec<String> = both(&[owned(), grant(json!(null)), snapshot(fields)], &json!({}))
            .split(' ')
            .map(str::to_string)
            .collect();
        words[1..].sort();
        let mut wanted: Vec<&str> = said.split(' ').collect();
        wanted[1..].sort_unstable();
        assert_eq!(words, wanted);
    }
    // No grant is owed on a system whose grants were not all seen; elsewhere it is.
    let owed = request(json!({"beneficiaries": ["zed"]}));
    for (systems, is_owed) in
        [(json!(null), false), (json!([]), false), (json!(["S "]), false), (json!(["elsewhere"]), true)]
    {
        let records = [
            owned(),
            grant(json!(null)),
            owed.clone(),
            snapshot(json!({"provides": ["grant"], "systems": systems})),
        ];
        assert_eq!(both(&records, &json!({})).contains("approval-not-fulfilled"), is_owed, "{systems}");
    }
}

#[test]
fn a_subject_of_no_known_kind() {
    let rule = json!({"birthright": [{"system": "s", "entitlement": "e", "identity_kinds": ["human"]}]});
    let all = json!({"birthright": [{"system": "s", "entitlement": "e"}]});
    assert_eq!(both(&[owned(), grant(json!(null))], &rule), "unapproved unapproved-grant");
    assert_eq!(both(&[owned(), grant(json!(null))], &all), "birthright");
    let policy = json!({"type": "policy", "id": "P", "identity_kinds": ["service"]});
    assert_eq!(both(&[owned(), grant(json!(null)), request(json!({})), policy], &json!({})), "approved");
}

#[test]
fn blanks_and_small_words() {
    let cases = [
        (json!({"justification": "\u{3000}\t"}), "approved missing-justification"),
        (
            json!({"changes": [{"at": NOW, "by": "ann", "field": " Expires_At "}]}),
            "approved changed-after-approval",
        ),
        (
            json!({"approvals": [{"approver": "BOB ", "decision": "approved", "decided_at": null}],
            "requester": "bob", "decided_at": "2026-05-01T00:00:00Z"}),
            "approved self-approval",
        ),
    ];
    for (fields, said) in cases {
        assert_eq!(
            both(&[owned(), grant(json!(null)), request(fields.clone())], &json!({})),
            said,
            "{fields}"
        );
    }
}
