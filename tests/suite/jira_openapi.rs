//! What `connectors/jira` asks of Jira Cloud is what Jira's own OpenAPI document has: each step is held against its
//! operation by path, method, parameters, keys of the body, what is required, and types.
//!
//! `jira/openapi.json` is an extract of the vendor's documents: the operations that are used, with names, types and bounds.
//! The approvals of the service desk are in a document of their own. Jira Data Center publishes none that is as exact.

use counterfoil::connect::manifest::http::{Method, Of, Paging, Step, Text, TimeAs};
use counterfoil::connect::manifest::{Manifest, SettingType};
use counterfoil::connect::{Catalog, Connector};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Steps that are of Data Center.
const WITHOUT_DOCUMENT: [&str; 2] = ["search-dc", "approvals-dc"];

fn connector() -> Connector {
    let catalog = Catalog::load(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors"))).unwrap();
    catalog.get("jira").unwrap().clone()
}

fn documents() -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/jira/openapi.json");
    let read: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for document in read["documents"].as_array().unwrap() {
        for said in ["title", "version", "source", "date"] {
            assert!(document[said].is_string(), "openapi.json: a document does not say its `{said}`");
        }
    }
    read["documents"].as_array().unwrap().clone()
}

/// A path with nothing in its braces: what a parameter is called there is nobody's matter.
fn bare(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// The operation of a step, with its parameters.
fn operation(documents: &[Value], step: &Step) -> Result<Value, String> {
    let method = match step.method {
        Method::Get => "get",
        Method::Post => "post",
        Method::List => "list",
    };
    let paths = documents.iter().flat_map(|document| document["paths"].as_object().unwrap());
    let here: Vec<&Value> =
        paths.filter(|(path, _)| bare(path) == bare(&step.path)).map(|(_, item)| item).collect();
    match here.as_slice() {
        [] => Err(format!("there is no path {}", step.path)),
        [item, ..] => item.get(method).cloned().ok_or(format!("{} cannot be asked by {method}", step.path)),
    }
}

/// What a value of a manifest is once it is worked out: JSON of the type, with the greatest number there can be. Several where
/// it is one of several; none where it can be absent.
fn outcomes(manifest: &Manifest, step: &Step, text: &Text) -> Vec<Option<Value>> {
    let one = |value: Value| vec![Some(value)];
    let of = match text {
        Text::Text(text) => return one(text.as_str().into()),
        Text::Number(number) => return one((*number).into()),
        Text::Bool(flag) => return one((*flag).into()),
        Text::Of(of) => of.as_ref(),
    };
    match of {
        Of::Setting(name) => {
            let spec = manifest.setting(name).unwrap();
            let value = match spec.kind {
                SettingType::List => Value::from(vec!["a"]),
                SettingType::Integer => 1.into(),
                SettingType::Bool => true.into(),
                SettingType::Map => Value::Object(Map::new()),
                _ => "a".into(),
            };
            if spec.default.is_some() || spec.required { one(value) } else { vec![Some(value), None] }
        }
        Of::Listed(_) => vec![Some("a,b".into()), None],
        Of::Row(_) => vec![Some("a".into()), None],
        Of::Rows(_) => one(vec!["a"; step.batch.unwrap_or(1)].into()),
        Of::Json(text) => one(serde_json::from_str(text).unwrap()),
        Of::PageSize(most) => one((*most).into()),
        Of::Join(parts) => {
            let absent = parts.iter().any(|part| outcomes(manifest, step, part).contains(&None));
            if absent { vec![Some("a".into()), None] } else { one("a".into()) }
        }
        Of::First(choices) => {
            let mut all = Vec::new();
            for choice in choices {
                all.retain(Option::is_some);
                all.extend(outcomes(manifest, step, choice));
                if all.last().is_some_and(Option::is_some) {
                    break;
                }
            }
            all
        }
        Of::Since(format) => vec![Some(written(*format)), None],
        Of::Ago(ago) => one(written(ago.format)),
    }
}

fn written(format: TimeAs) -> Value {
    match format {
        TimeAs::EpochSeconds | TimeAs::EpochMillis | TimeAs::MinutesAgo => 1.into(),
        _ => "2026-06-01".into(),
    }
}

/// Whether a value is what a schema wants. In a query everything is text, and only what could be no number is wrong.
fn fits(schema: &Value, value: &Value, in_query: bool) -> Result<(), String> {
    let wanted = schema["type"].as_str().unwrap_or("any");
    let is = match wanted {
        "string" => value.is_string() || in_query && !value.is_array(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array() || in_query && value.is_string(),
        "object" => value.is_object(),
        _ => true,
    };
    if !is {
        return Err(format!("is {value}, expected {wanted}"));
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        return Err(format!("is {value}, expected one of {known:?}"));
    }
    let bound = |name: &str| schema[name].as_f64();
    if let Some(number) = value.as_f64()
        && (bound("maximum").is_some_and(|most| number > most)
            || bound("minimum").is_some_and(|least| number < least))
    {
        return Err(format!("is {value}, out of bounds"));
    }
    let Some(items) = value.as_array() else { return Ok(()) };
    if bound("maxItems").is_some_and(|most| items.len() as f64 > most)
        || bound("minItems").is_some_and(|least| (items.len() as f64) < least)
    {
        return Err(format!("has {} items, which are too many or too few", items.len()));
    }
    items.iter().try_for_each(|item| fits(&schema["items"], item, in_query))
}

/// What of a step its operation does not have, or does not have so.
fn complaints(manifest: &Manifest, documents: &[Value], step: &Step) -> Vec<String> {
    let operation = match operation(documents, step) {
        Ok(operation) => operation,
        Err(why) => return vec![why],
    };
    let mut wrong = Vec::new();
    let of_page = match &step.page {
        Paging::Token { into, .. } => Some((into, Value::from("a"))),
        Paging::Offset { into, .. } | Paging::Number { into, .. } => Some((into, Value::from(0))),
        _ => None,
    };
    let mut in_query: BTreeMap<&str, Vec<Option<Value>>> =
        step.query.iter().map(|(name, text)| (name.as_str(), outcomes(manifest, step, text))).collect();
    let mut in_body: BTreeMap<&str, Vec<Option<Value>>> =
        step.body.iter().map(|(name, text)| (name.as_str(), outcomes(manifest, step, text))).collect();
    if let Some((into, value)) = of_page {
        let there = if step.body.is_empty() { &mut in_query } else { &mut in_body };
        there.insert(into, vec![Some(value), None]);
    }
    let given = |there: &BTreeMap<&str, Vec<Option<Value>>>, name: &str| {
        there.get(name).is_some_and(|all| !all.contains(&None) && !all.is_empty())
    };
    let parameters = operation["parameters"].as_array().unwrap();
    let known = |name: &str| parameters.iter().find(|p| p["name"] == name && p["in"] == "query");
    for (name, values) in &in_query {
        let Some(parameter) = known(name) else {
            wrong.push(format!("there is no parameter `{name}`"));
            continue;
        };
        let bad = values.iter().flatten().filter_map(|v| fits(&parameter["schema"], v, true).err());
        wrong.extend(bad.map(|why| format!("`{name}` {why}")));
    }
    for parameter in parameters.iter().filter(|p| p["in"] == "query" && p["required"] == true) {
        let name = parameter["name"].as_str().unwrap();
        if !given(&in_query, name) {
            wrong.push(format!("`{name}` is required"));
        }
    }
    let schema = &operation["requestBody"]["schema"];
    if schema.is_null() && !in_body.is_empty() {
        wrong.push("there is no body".to_owned());
        return wrong;
    }
    if operation["requestBody"]["required"] == true && in_body.is_empty() {
        wrong.push("a body is required".to_owned());
    }
    for (name, values) in &in_body {
        let Some(property) = schema["properties"].get(*name) else {
            wrong.push(format!("there is no key `{name}` in the body"));
            continue;
        };
        let bad = values.iter().flatten().filter_map(|v| fits(property, v, false).err());
        wrong.extend(bad.map(|why| format!("`{name}` {why}")));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !given(&in_body, name) {
            wrong.push(format!("`{name}` is required in the body"));
        }
    }
    wrong
}

#[test]
fn every_step_is_an_operation_of_the_vendors_document() {
    let (connector, documents) = (connector(), documents());
    let manifest = &connector.manifest;
    let steps = &manifest.http.as_ref().unwrap().steps;
    let mut held = 0;
    for step in steps.iter().filter(|step| !WITHOUT_DOCUMENT.contains(&step.name.as_str())) {
        let wrong = complaints(manifest, &documents, step);
        assert!(wrong.is_empty(), "step `{}`: {}", step.name, wrong.join("; "));
        held += 1;
    }
    let operations: usize =
        documents.iter().map(|document| document["paths"].as_object().unwrap().len()).sum();
    assert_eq!(held, operations, "openapi.json has operations that no step is");
    assert_eq!(held + WITHOUT_DOCUMENT.len(), steps.len());
}

#[test]
fn a_request_that_the_document_does_not_have_is_found() {
    let (connector, documents) = (connector(), documents());
    let manifest = &connector.manifest;
    let step =
        |name: &str| manifest.http.as_ref().unwrap().steps.iter().find(|s| s.name == name).unwrap().clone();
    let text = |text: &str| Text::Text(text.to_owned());
    let size = |most: u64| Text::Of(Box::new(Of::PageSize(most)));
    let found = |step: &Step, word: &str| {
        let wrong = complaints(manifest, &documents, step).join("; ");
        assert!(wrong.contains(word), "expected `{word}`, found `{wrong}`");
    };

    let mut search = step("search");
    search.body.insert("startAt".to_owned(), Text::Number(0));
    found(&search, "there is no key `startAt`");
    let mut search = step("search");
    search.body.insert("expand".to_owned(), Text::Of(Box::new(Of::Json(r#"["names"]"#.to_owned()))));
    found(&search, "`expand` is [\"names\"], expected string");
    search.body.insert("fields".to_owned(), text("*all"));
    found(&search, "`fields` is \"*all\", expected array");
    search.body.insert("maxResults".to_owned(), text("100"));
    found(&search, "`maxResults` is \"100\", expected integer");
    search.query.insert("validateQuery".to_owned(), text("strict"));
    found(&search, "there is no parameter `validateQuery`");
    let mut search = step("search");
    search.path = "/rest/api/3/search".to_owned();
    found(&search, "there is no path /rest/api/3/search");
    let mut search = step("search");
    search.method = Method::Get;
    found(&search, "cannot be asked by get");
    let mut search = step("search");
    search.body.clear();
    found(&search, "a body is required");

    let mut log = step("changelog");
    log.body.remove("issueIdsOrKeys");
    found(&log, "`issueIdsOrKeys` is required in the body");
    let mut log = step("changelog");
    log.batch = Some(1001);
    found(&log, "`issueIdsOrKeys` has 1001 items");
    log.body.insert("maxResults".to_owned(), size(10_001));
    found(&log, "`maxResults` is 10001, out of bounds");
    log.page = Paging::Token { at: "/next".into(), into: "cursor".into(), more: None, last: None };
    found(&log, "there is no key `cursor`");

    let mut comments = step("comments");
    comments.query.insert("orderBy".to_owned(), text("updated"));
    found(&comments, "`orderBy` is \"updated\", expected one of");
    let mut approvals = step("approvals");
    approvals.page = Paging::Offset {
        into: "startAt".into(),
        from: 0,
        total: None,
        last: None,
        by_size: false,
        short_is_last: false,
    };
    found(&approvals, "there is no parameter `startAt`");
    approvals.query.insert("limit".to_owned(), text("all"));
    found(&approvals, "`limit` is \"all\", expected integer");
}
