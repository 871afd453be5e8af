//! Every OCSF event is valid in its class, whatever the finding; and the check that says so fails on each kind of
//! breach.

mod schema;

use counterfoil::model::event::{Activity, Cause, EVENT_SCHEMA, Event, State, event_id};
use counterfoil::model::finding::Finding;
use counterfoil::report::ocsf::{Class, Options as Ocsf, event_line};
use counterfoil::report::{Format, Options, Summary};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::report::{printed, sample};
use schema::faults;

fn events(class: Class, incident: bool, findings: &[Finding<'_>]) -> Vec<Value> {
    let options = Options { ocsf: Ocsf { class, incident }, ..Options::default() };
    let text = printed(Format::Ocsf, options, findings, &Summary::default());
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn every_finding_is_a_valid_event_of_every_class() {
    let findings = sample::findings();
    for class in Class::ALL {
        for incident in [false, true] {
            let events = events(class, incident, &findings);
            assert_eq!(events.len(), findings.len());
            for (event, f) in events.iter().zip(&findings) {
                assert_eq!(faults(event), Vec::<String>::new(), "{class} {incident} {}", f.check);
                assert_eq!(event["finding_info"]["uid"], f.id.as_str());
                assert_eq!(event["time"], json!(1_780_272_000_000_i64), "milliseconds");
                assert_eq!(event["unmapped"]["evidence"], serde_json::to_value(&f.evidence).unwrap());
                assert_eq!(event["unmapped"]["accountable"], serde_json::to_value(&f.accountable).unwrap());
            }
        }
    }
}

#[test]
fn a_finding_that_says_next_to_nothing_is_a_valid_event() {
    let mut f = sample::findings().remove(0);
    f.subject = None;
    f.grant = None;
    f.request = None;
    f.accountable.clear();
    f.controls.clear();
    f.evidence.clear();
    f.reasons.clear();
    for class in Class::ALL {
        for event in events(class, true, std::slice::from_ref(&f)) {
            assert_eq!(faults(&event), Vec::<String>::new(), "{class}");
        }
    }
}

#[test]
fn what_is_accepted_is_suppressed_and_says_why() {
    let findings = sample::findings();
    let at = findings.iter().position(|f| f.exception.is_some()).unwrap();
    let event = events(Class::IamAnalysis, false, &findings).swap_remove(at);
    assert_eq!((&event["status_id"], &event["comment"]), (&json!(3), &json!("seasonal work, back in July")));
}

#[test]
fn every_event_is_valid_and_tells_what_happened() {
    let life = [
        (Activity::Create, State::Open, (1, "Create"), (1, "New")),
        (Activity::Update, State::Accepted, (2, "Update"), (3, "Suppressed")),
        (Activity::Close, State::Resolved, (3, "Close"), (4, "Resolved")),
    ];
    for finding in sample::findings() {
        for (seq, (activity, state, told, status)) in (1..).zip(life) {
            let event = Event {
                schema: EVENT_SCHEMA.into(),
                id: event_id(&finding.id, 1, seq),
                activity,
                cause: Cause::Changed,
                state,
                episode: 1,
                seq,
                first_seen: sample::at("2026-05-01T00:00:00Z"),
                time: sample::at("2026-06-02T00:00:00.5Z"),
                run: 7,
                initial: false,
                finding: finding.clone(),
            };
            for class in Class::ALL {
                let line = event_line(&event, Ocsf { class, incident: true }).unwrap();
                assert!(!line.contains('\n'));
                let line: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(faults(&line), Vec::<String>::new(), "{class} {}", finding.check);
                assert_eq!((&line["activity_id"], &line["activity_name"]), (&json!(told.0), &json!(told.1)));
                assert_eq!(line["type_uid"], json!(u32::from(class.uid()) * 100 + told.0));
                assert_eq!((&line["status_id"], &line["status"]), (&json!(status.0), &json!(status.1)));
                assert_eq!(line["time"], json!(event.time.unix_ms()));
                assert_eq!(line["finding_info"]["first_seen_time"], json!(event.first_seen.unix_ms()));
                assert_eq!(line["metadata"]["uid"], json!(event.id));
                assert_eq!(line["unmapped"]["event"]["cause"], json!("changed"));
                if class == Class::Compliance {
                    assert_eq!(line["compliance"]["status"] == "Pass", state == State::Resolved);
                }
            }
        }
    }
}

#[test]
fn only_addresses_a_browser_opens_are_given_as_urls() {
    let findings = sample::findings();
    let events = events(Class::IamAnalysis, true, &findings);
    assert!(
        findings
            .iter()
            .any(|f| f.request.as_ref().is_some_and(|r| r.url.as_deref() == Some("javascript:alert(1)")))
    );
    for event in &events {
        for url in [&event["src_url"], &event["finding_info"]["src_url"], &event["tickets"][0]["src_url"]] {
            assert!(url.is_null() || url.as_str().unwrap().starts_with("https://"), "{url}");
        }
    }
}

#[test]
fn each_kind_of_breach_is_seen() {
    type Breach = (Class, &'static str, fn(&mut Value));
    let breaches: &[Breach] = &[
        (Class::IamAnalysis, ".colour: unknown key", |e| e["colour"] = json!("red")),
        (Class::IamAnalysis, ".user.shoe_size: unknown key", |e| e["user"]["shoe_size"] = json!(43)),
        (Class::IamAnalysis, ".time: missing", |e| without(e, "time")),
        (Class::IamAnalysis, ".remediation.desc: missing", |e| without(&mut e["remediation"], "desc")),
        (Class::IamAnalysis, ": none of access_analysis_result, applications", |e| {
            without(e, "applications");
            without(e, "permission_analysis_results");
        }),
        (Class::IamAnalysis, ".resources[0]: none of name, uid", |e| {
            without(&mut e["resources"][0], "name");
            without(&mut e["resources"][0], "uid");
        }),
        (Class::IamAnalysis, ".severity_id: not a code", |e| e["severity_id"] = json!(7)),
        (Class::IamAnalysis, ".severity_id: severity is not `Critical`", |e| e["severity"] = json!("High")),
        (Class::IamAnalysis, ".user.type_id: not a code", |e| e["user"]["type_id"] = json!("1")),
        (Class::IamAnalysis, ".time: wrong type", |e| e["time"] = json!("2026-06-01T00:00:00Z")),
        (Class::IamAnalysis, ".time: wrong type", |e| e["time"] = json!(1.5)),
        (Class::IamAnalysis, ".user.email_addr: wrong type", |e| e["user"]["email_addr"] = json!("alice")),
        (Class::IamAnalysis, ".resources: wrong type", |e| e["resources"] = json!({})),
        (Class::IamAnalysis, ".metadata: not an object", |e| e["metadata"] = json!("1.6.0")),
        (Class::IamAnalysis, ".tickets: its profile", |e| e["metadata"]["profiles"] = json!([])),
        (Class::IamAnalysis, ".evidences: unknown key", |e| e["evidences"] = json!([])),
        (Class::IamAnalysis, "type_uid: not the class", |e| e["type_uid"] = json!(200_802)),
        (Class::IamAnalysis, "class_uid: 2001", |e| e["class_uid"] = json!(2001)),
        (Class::Detection, ".user: unknown key", |e| e["user"] = json!({"name": "x"})),
        (Class::Detection, ".evidences[0]: none of user, data", |e| without(&mut e["evidences"][0], "user")),
        (Class::Compliance, ".compliance: missing", |e| without(e, "compliance")),
        (Class::Compliance, ".compliance.status_id: not a code", |e| e["compliance"]["status_id"] = json!(4)),
    ];
    for (class, wanted, breach) in breaches {
        let mut event = events(*class, true, &sample::findings()).swap_remove(0);
        assert!(faults(&event).is_empty());
        breach(&mut event);
        let found = faults(&event);
        assert!(found.iter().any(|f| f.contains(wanted)), "{wanted} is not among {found:?}");
    }
}

fn without(v: &mut Value, key: &str) {
    v.as_object_mut().unwrap().remove(key).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_name_makes_an_event_invalid(a in "\\PC{0,20}|[a-z@.+-]{0,12}", b in any::<String>()) {
        let mut findings = sample::findings();
        for f in &mut findings {
            (f.message, f.reasons) = (b.clone(), vec![a.clone()]);
            if let Some(s) = &mut f.subject {
                (s.id, s.kind) = (a.clone().into(), Some(b.clone().into()));
            }
            if let Some(r) = &mut f.request {
                (r.id, r.state, r.url) = (a.clone().into(), b.clone().into(), Some(b.clone().into()));
            }
            for p in &mut f.accountable {
                p.identity = Some(a.clone().into());
            }
        }
        for class in Class::ALL {
            for event in events(class, true, &findings) {
                prop_assert_eq!(faults(&event), Vec::<String>::new());
            }
        }
    }
}
