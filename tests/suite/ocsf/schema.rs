//! A strict reading of OCSF 1.6.0, for the three classes and the attributes Counterfoil writes: what is not in
//! these tables is an unknown key. Written by hand after <https://schema.ocsf.io/1.6.0>.

use serde_json::{Map, Value};

/// What an attribute holds.
enum Is {
    /// Text.
    Text,
    /// Text that looks like an e-mail address.
    Email,
    /// A whole number.
    Whole,
    /// True or false.
    Flag,
    /// Any JSON.
    Any,
    /// Any object.
    Free,
    /// A code, the attribute that holds its caption, and the captions. Of 99 the caption is the producer's own.
    Code(&'static str, &'static [(i64, &'static str)]),
    /// An object of the schema.
    Object(&'static str),
    /// A list of text.
    Texts,
    /// A list of objects of the schema.
    Objects(&'static str),
}

use Is::{Any, Code, Email, Flag, Free, Object, Objects, Text, Texts, Whole};

/// An attribute: its name, whether it must be there, what it holds, and the profile it needs.
type Attribute = (&'static str, bool, Is, Option<&'static str>);

const YES: bool = true;
const NO: bool = false;

const SEVERITY: &[(i64, &str)] = &[
    (0, "Unknown"),
    (1, "Informational"),
    (2, "Low"),
    (3, "Medium"),
    (4, "High"),
    (5, "Critical"),
    (6, "Fatal"),
    (99, ""),
];
const PRIORITY: &[(i64, &str)] =
    &[(0, "Unknown"), (1, "Low"), (2, "Medium"), (3, "High"), (4, "Critical"), (99, "")];
const STATUS: &[(i64, &str)] = &[
    (0, "Unknown"),
    (1, "New"),
    (2, "In Progress"),
    (3, "Suppressed"),
    (4, "Resolved"),
    (5, "Archived"),
    (6, "Deleted"),
    (99, ""),
];
const OUTCOME: &[(i64, &str)] = &[(0, "Unknown"), (1, "Pass"), (2, "Warning"), (3, "Fail"), (99, "")];

fn class(uid: i64) -> Option<(Vec<Attribute>, &'static [&'static str])> {
    let mut all: Vec<Attribute> = vec![
        (
            "activity_id",
            YES,
            Code("activity_name", &[(0, "Unknown"), (1, "Create"), (2, "Update"), (3, "Close"), (99, "")]),
            None,
        ),
        ("activity_name", NO, Text, None),
        ("category_uid", YES, Code("category_name", &[(2, "Findings")]), None),
        ("category_name", NO, Text, None),
        ("class_name", NO, Text, None),
        ("type_uid", YES, Whole, None),
        ("type_name", NO, Text, None),
        ("time", YES, Whole, None),
        ("timezone_offset", NO, Whole, None),
        ("severity_id", YES, Code("severity", SEVERITY), None),
        ("severity", NO, Text, None),
        ("status_id", NO, Code("status", STATUS), None),
        ("status", NO, Text, None),
        ("status_code", NO, Text, None),
        ("status_detail", NO, Text, None),
        ("message", NO, Text, None),
        ("comment", NO, Text, None),
        ("metadata", YES, Object("metadata"), None),
        ("finding_info", YES, Object("finding_info"), None),
        ("remediation", NO, Object("remediation"), None),
        ("resources", NO, Objects("resource_details"), None),
        ("unmapped", NO, Free, None),
        ("assignee", NO, Object("user"), Some("incident")),
        ("priority_id", NO, Code("priority", PRIORITY), Some("incident")),
        ("priority", NO, Text, Some("incident")),
        ("src_url", NO, Text, Some("incident")),
        ("tickets", NO, Objects("ticket"), Some("incident")),
    ];
    match uid {
        2003 => {
            all.push(("class_uid", YES, Code("class_name", &[(2003, "Compliance Finding")]), None));
            all.push(("compliance", YES, Object("compliance"), None));
            all.push(("evidences", NO, Objects("evidences"), None));
            Some((all, &[]))
        }
        2004 => {
            all.push(("class_uid", YES, Code("class_name", &[(2004, "Detection Finding")]), None));
            all.push(("evidences", NO, Objects("evidences"), None));
            Some((all, &[]))
        }
        2008 => {
            all.push(("class_uid", YES, Code("class_name", &[(2008, "IAM Analysis Finding")]), None));
            all.push(("access_analysis_result", NO, Object("access_analysis_result"), None));
            all.push(("applications", NO, Objects("application"), None));
            all.push(("identity_activity_metrics", NO, Free, None));
            all.push(("permission_analysis_results", NO, Objects("permission_analysis_result"), None));
            all.push(("user", NO, Object("user"), None));
            let one_of = &[
                "access_analysis_result",
                "applications",
                "identity_activity_metrics",
                "permission_analysis_results",
            ];
            Some((all, one_of))
        }
        _ => None,
    }
}

const NAMED: &[&str] = &["name", "uid"];

fn object(name: &str) -> (Vec<Attribute>, &'static [&'static str]) {
    match name {
        "metadata" => (
            vec![
                ("version", YES, Text, None),
                ("product", YES, Object("product"), None),
                ("profiles", NO, Texts, None),
                ("uid", NO, Text, None),
                ("correlation_uid", NO, Text, None),
                ("event_code", NO, Text, None),
                ("log_name", NO, Text, None),
                ("log_provider", NO, Text, None),
                ("log_version", NO, Text, None),
                ("original_time", NO, Text, None),
            ],
            &[],
        ),
        "product" => (
            vec![
                ("name", NO, Text, None),
                ("uid", NO, Text, None),
                ("vendor_name", NO, Text, None),
                ("version", NO, Text, None),
            ],
            NAMED,
        ),
        "finding_info" => (
            vec![
                ("uid", YES, Text, None),
                ("title", NO, Text, None),
                ("desc", NO, Text, None),
                ("types", NO, Texts, None),
                ("analytic", NO, Object("analytic"), None),
                ("first_seen_time", NO, Whole, None),
                ("last_seen_time", NO, Whole, None),
                ("src_url", NO, Text, None),
                ("data_sources", NO, Texts, None),
                ("tags", NO, Objects("key_value_object"), None),
            ],
            &[],
        ),
        "analytic" => (
            vec![
                (
                    "type_id",
                    YES,
                    Code(
                        "type",
                        &[(0, "Unknown"), (1, "Rule"), (2, "Behavioral"), (3, "Statistical"), (99, "")],
                    ),
                    None,
                ),
                ("type", NO, Text, None),
                ("uid", NO, Text, None),
                ("name", NO, Text, None),
                ("category", NO, Text, None),
            ],
            NAMED,
        ),
        "key_value_object" => (
            vec![("name", YES, Text, None), ("value", NO, Text, None), ("values", NO, Texts, None)],
            &["value", "values"],
        ),
        "remediation" => (vec![("desc", YES, Text, None)], &[]),
        "user" => (
            vec![
                ("uid", NO, Text, None),
                ("name", NO, Text, None),
                ("email_addr", NO, Email, None),
                ("account", NO, Object("account"), None),
                (
                    "type_id",
                    NO,
                    Code(
                        "type",
                        &[(0, "Unknown"), (1, "User"), (2, "Admin"), (3, "System"), (4, "Service"), (99, "")],
                    ),
                    None,
                ),
                ("type", NO, Text, None),
            ],
            NAMED,
        ),
        "account" => (vec![("name", NO, Text, None), ("uid", NO, Text, None)], NAMED),
        "resource_details" => (
            vec![
                ("uid", NO, Text, None),
                ("name", NO, Text, None),
                ("type", NO, Text, None),
                ("namespace", NO, Text, None),
                ("owner", NO, Object("user"), None),
                (
                    "role_id",
                    NO,
                    Code(
                        "role",
                        &[
                            (0, "Unknown"),
                            (1, "Target"),
                            (2, "Actor"),
                            (3, "Affected"),
                            (4, "Related"),
                            (99, ""),
                        ],
                    ),
                    None,
                ),
                ("role", NO, Text, None),
            ],
            NAMED,
        ),
        "application" => {
            (vec![("uid", NO, Text, None), ("name", NO, Text, None), ("type", NO, Text, None)], NAMED)
        }
        "permission_analysis_result" => (
            vec![
                ("granted_privileges", NO, Texts, None),
                ("policy", NO, Object("policy"), None),
                ("condition_keys", NO, Objects("key_value_object"), None),
            ],
            &[],
        ),
        "policy" => (
            vec![
                ("name", NO, Text, None),
                ("uid", NO, Text, None),
                ("type", NO, Text, None),
                ("is_applied", NO, Flag, None),
            ],
            NAMED,
        ),
        "access_analysis_result" => (vec![("accessors", YES, Objects("user"), None)], &[]),
        "compliance" => (
            vec![
                ("control", NO, Text, None),
                ("desc", NO, Text, None),
                ("standards", NO, Texts, None),
                ("requirements", NO, Texts, None),
                ("checks", NO, Objects("check"), None),
                ("status_id", NO, Code("status", OUTCOME), None),
                ("status", NO, Text, None),
            ],
            &[],
        ),
        "check" => (
            vec![
                ("uid", NO, Text, None),
                ("name", NO, Text, None),
                ("standards", NO, Texts, None),
                ("severity_id", NO, Code("severity", SEVERITY), None),
                ("severity", NO, Text, None),
                ("status_id", NO, Code("status", OUTCOME), None),
                ("status", NO, Text, None),
            ],
            &[],
        ),
        // Of the many kinds of evidence the schema asks for one of, these are the two written.
        "evidences" => (
            vec![
                ("uid", NO, Text, None),
                ("name", NO, Text, None),
                ("user", NO, Object("user"), None),
                ("data", NO, Any, None),
            ],
            &["user", "data"],
        ),
        "ticket" => (
            vec![
                ("uid", NO, Text, None),
                ("src_url", NO, Text, None),
                (
                    "type_id",
                    NO,
                    Code("type", &[(0, "Unknown"), (1, "Internal"), (2, "External"), (99, "")]),
                    None,
                ),
                ("type", NO, Text, None),
                (
                    "status_id",
                    NO,
                    Code(
                        "status",
                        &[
                            (0, "Unknown"),
                            (1, "New"),
                            (2, "In Progress"),
                            (3, "Notified"),
                            (4, "On Hold"),
                            (5, "Resolved"),
                            (6, "Closed"),
                            (7, "Canceled"),
                            (8, "Reopened"),
                            (99, ""),
                        ],
                    ),
                    None,
                ),
                ("status", NO, Text, None),
            ],
            &["src_url", "uid"],
        ),
        other => unreachable!("no table for {other}"),
    }
}

/// What is wrong with an event; empty when nothing is.
pub fn faults(event: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let uid = event["class_uid"].as_i64().unwrap_or(0);
    let Some((attributes, one_of)) = class(uid) else {
        return vec![format!("class_uid: {uid} is not written")];
    };
    let profiles: Vec<&str> =
        event["metadata"]["profiles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    check(event, &attributes, one_of, &profiles, "", &mut out);
    if event["type_uid"].as_i64() != event["activity_id"].as_i64().map(|a| uid * 100 + a) {
        out.push("type_uid: not the class and the activity".into());
    }
    out
}

fn check(
    v: &Value,
    attributes: &[Attribute],
    one_of: &[&str],
    profiles: &[&str],
    at: &str,
    out: &mut Vec<String>,
) {
    let Some(map) = v.as_object() else { return out.push(format!("{at}: not an object")) };
    for (key, value) in map {
        let at = format!("{at}.{key}");
        let Some((_, _, is, profile)) = attributes.iter().find(|a| a.0 == key) else {
            out.push(format!("{at}: unknown key"));
            continue;
        };
        if profile.is_some_and(|p| !profiles.contains(&p)) {
            out.push(format!("{at}: its profile is not declared"));
        }
        holds(value, is, map, profiles, &at, out);
    }
    for (key, required, _, _) in attributes {
        if *required && !map.contains_key(*key) {
            out.push(format!("{at}.{key}: missing"));
        }
    }
    if !one_of.is_empty() && !one_of.iter().any(|key| map.contains_key(*key)) {
        out.push(format!("{at}: none of {}", one_of.join(", ")));
    }
}

fn holds(v: &Value, is: &Is, map: &Map<String, Value>, profiles: &[&str], at: &str, out: &mut Vec<String>) {
    let right = match is {
        Text => v.is_string(),
        Email => v
            .as_str()
            .is_some_and(|s| s.split_once('@').is_some_and(|(_, d)| d.contains('.')) && s.is_ascii()),
        Whole => v.is_i64(),
        Flag => v.is_boolean(),
        Any => true,
        Free => v.is_object(),
        Texts => v.as_array().is_some_and(|a| a.iter().all(Value::is_string)),
        Code(sibling, captions) => match captions.iter().find(|(code, _)| v.as_i64() == Some(*code)) {
            None => return out.push(format!("{at}: not a code of the schema")),
            Some((99, _)) => return,
            Some((_, caption)) => {
                if map.get(*sibling).is_some_and(|s| s != caption) {
                    out.push(format!("{at}: {sibling} is not `{caption}`"));
                }
                true
            }
        },
        Object(name) => {
            let (attributes, one_of) = object(name);
            return check(v, &attributes, one_of, profiles, at, out);
        }
        Objects(name) => {
            let (attributes, one_of) = object(name);
            for (i, v) in v.as_array().into_iter().flatten().enumerate() {
                check(v, &attributes, one_of, profiles, &format!("{at}[{i}]"), out);
            }
            v.is_array()
        }
    };
    if !right {
        out.push(format!("{at}: wrong type"));
    }
}
