//! What the cases of `jira` and `servicenow` cannot say: what whoever asks may not see is said, and never taken for not there.

use std::path::Path;
use std::sync::Arc;

use counterfoil::connect::Catalog;
use serde_json::{Value, json};

use super::case::Case;
use super::paging::Short;
use super::rows::Files;
use super::sit::{How, Sat, Sitting};

fn case(connector: &str, folder: &str) -> Case {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors");
    let catalog = Catalog::load(Some(&root)).unwrap();
    Case::load(catalog.get(connector).unwrap(), connector, &root.join(connector).join(folder)).unwrap()
}

/// What comes of a case with other rows.
fn with(case: &Case, change: impl Fn(&mut Files)) -> Sat {
    let mut files = case.files.clone();
    change(&mut files);
    let sat = Sitting::new(case).with(files).pull(How::default());
    assert_eq!(sat.wrong(), Vec::<String>::new());
    sat
}

fn record(sat: &Sat, id: &str) -> Option<Value> {
    let records = sat.lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.into_iter().find(|record| record["id"] == id)
}

/// The service desk says of a request that there is no such thing: whoever asks is no agent.
#[test]
fn a_request_whose_approvals_are_not_shown_leaves_the_pull_open() {
    let case = case("jira", "live/cloud");
    let unseen = |files: &mut Files| {
        let approvals = files.get_mut("approvals.json").unwrap().as_object_mut().unwrap();
        assert!(approvals.remove("30301").is_some());
    };
    let sat = with(&case, unseen);
    assert!(sat.said().contains("ITSM-301: it is a request"), "{}", sat.said());
    assert!(!sat.said().contains("ITSM-304"), "it is no request, and has no approvals: {}", sat.said());

    // What stands in the issue itself is as good.
    let sat = with(&case, |files| {
        let field = files["approvals.json"]["30301"].clone();
        unseen(files);
        files.get_mut("issues.json").unwrap()[0]["fields"]["customfield_10099"] = field;
    });
    assert!(sat.is_whole(), "{}", sat.said());
    assert_eq!(record(&sat, "ITSM-301").unwrap()["state"], "approved");
}

#[test]
fn approvals_are_not_asked_for_where_they_do_not_count() {
    let mut case = case("jira", "live/cloud");
    case.settings.insert("service_desk_approvals".to_owned(), false.into());
    let sat = with(&case, |_| {});
    assert!(sat.is_whole(), "{}", sat.said());
    assert_eq!(sat.seen.calls.get("approvals"), None);
    assert_eq!(record(&sat, "ITSM-301").unwrap()["state"], "pending");
}

/// Which issues are of a service project is not known where Jira was not asked for the project.
#[test]
fn issues_without_a_project_leave_the_pull_open() {
    for edition in ["live/cloud", "live/data-center"] {
        let case = case("jira", edition);
        let sat = with(&case, |files| {
            for issue in files.get_mut("issues.json").unwrap().as_array_mut().unwrap() {
                issue["fields"].as_object_mut().unwrap().remove("project");
            }
        });
        assert!(sat.said().contains("add `project` to the setting `fields`"), "{edition}: {}", sat.said());
    }
}

/// A change log that is of no issue that was asked for may be that of one that was.
#[test]
fn a_change_log_of_another_issue_leaves_the_pull_open() {
    let case = case("jira", "live/cloud");
    for other in [json!("99999"), Value::Null] {
        let sat = with(&case, |files| {
            files.get_mut("changelogs.json").unwrap()["30311"][0]["issueId"] = other.clone();
        });
        let said = sat.said();
        assert!(said.contains("changelog") && said.contains("belong to none"), "{other}: {said}");
    }
}

/// ServiceNow counts rows that a rule hides.
#[test]
fn hidden_rows_of_any_table_leave_the_pull_open() {
    let case = case("servicenow", "live");
    for number in 0..case.spec.operations.len() {
        let mut case = case.clone();
        let mut spec = (*case.spec).clone();
        spec.operations[number].page.short = Short::Hides;
        let name = spec.operations[number].name.clone();
        case.spec = Arc::new(spec);
        let sat = with(&case, |_| {});
        let said = sat.said();
        assert!(said.contains(&name) && said.contains("some are hidden"), "{name}: {said}");
        assert_eq!(
            record(&sat, "RITM0010001").unwrap()["state"],
            "approved",
            "what came is read all the same"
        );
    }
}

/// Without the count a page that is empty may be one whose rows are all hidden.
#[test]
fn rows_that_nobody_counts_leave_the_pull_open() {
    let mut case = case("servicenow", "live");
    let mut spec = (*case.spec).clone();
    spec.operations[0].page.total = None;
    case.spec = Arc::new(spec);
    let said = with(&case, |_| {}).said();
    assert!(said.contains("sc_req_item: it is not said how many rows there are"), "{said}");
}

/// Where only some items are asked for, a request whose items are not there may have some.
#[test]
fn a_request_is_one_of_its_own_only_where_all_items_were_asked_for() {
    let narrow = case("servicenow", "live");
    assert_eq!(record(&with(&narrow, |_| {}), "REQ0010077"), None);
    let mut all = narrow;
    all.settings.remove("query");
    assert!(record(&with(&all, |_| {}), "REQ0010077").is_some());
    assert_eq!(record(&with(&all, |_| {}), "REQ0010001"), None, "it has items");
}
