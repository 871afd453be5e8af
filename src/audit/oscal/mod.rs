//! The pack as OSCAL assessment results (1.1.2): an observation for each finding and each source, with its evidence and what it
//! is about; a finding for each control, satisfied or not.
//!
//! OSCAL knows no third word for a control that cannot be assessed: it is not satisfied, for the reason `other`, and says why.

mod value;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pack::{Assessed, Control, Framework, Listed, Pack};
use super::population::Source;
use crate::model::event::State;
use crate::model::finding::Finding;
use value::{line, prop, props, token, uuid};

/// The version of OSCAL.
const OSCAL: &str = "1.1.2";
/// How many observations a control names.
const RELATED: usize = 1_000;

/// The results, as JSON.
#[must_use]
pub fn oscal(pack: &Pack) -> Value {
    let head = &pack.head;
    let whole = format!("{}\n{}", head.manifest, head.as_of);
    let plan = uuid(&["plan", &whole]);
    json!({"assessment-results": {
        "uuid": uuid(&["results", &whole, &head.from.to_string()]),
        "metadata": {
            "title": format!("Evidence of access as of {}", head.as_of),
            "last-modified": head.as_of.to_string(),
            "version": format!("{} of run {}", head.as_of, head.run),
            "oscal-version": OSCAL,
            "props": props(&[
                ("run", &head.run.to_string()),
                ("run-at", &head.run_at.to_string()),
                ("manifest", &head.manifest),
                ("configuration", head.configuration.as_deref().unwrap_or_default()),
                ("terms", head.terms.as_deref().unwrap_or_default()),
                ("judged-by", head.judged_by.as_deref().unwrap_or_default()),
                ("checkpoint", head.checkpoint.as_deref().unwrap_or_default()),
            ]),
        },
        "import-ap": {"href": format!("#{plan}")},
        "results": [result(pack, &whole)],
        "back-matter": {"resources": [{
            "uuid": plan,
            "title": "How it was assessed",
            "description": "There is no plan apart from the product: each of its checks looks at every live grant, request, name and source. Their pages say what each looks at.",
        }]},
    }})
}

/// What the observations are about, each once.
#[derive(Default)]
struct Subjects {
    components: BTreeMap<String, Value>,
    items: BTreeMap<String, Value>,
}

impl Subjects {
    fn component(&mut self, kind: &str, name: &str) -> String {
        let id = uuid(&["component", kind, name]);
        self.components.entry(id.clone()).or_insert_with(|| {
            json!({
                "uuid": id, "type": kind, "title": line(name), "description": format!("{kind} {}", line(name)),
                "status": {"state": "operational"},
            })
        });
        id
    }

    /// The account that holds a grant, as an item on its system.
    fn account(&mut self, system: &str, account: &str, subject: Option<&str>) -> String {
        let component = self.component("system", system);
        let id = uuid(&["account", system, account]);
        self.items.entry(id.clone()).or_insert_with(|| {
            json!({
                "uuid": id, "description": format!("account {} on {}", line(account), line(system)),
                "props": props(&[("account", account), ("identity", subject.unwrap_or_default())]),
                "implemented-components": [{"component-uuid": component}],
            })
        });
        id
    }
}

fn result(pack: &Pack, whole: &str) -> Value {
    let mut subjects = Subjects::default();
    let mut observations: Vec<Value> = vec![];
    for source in &pack.population {
        observations.push(of_source(source, pack, &mut subjects));
    }
    // By control, the findings that speak to it.
    let mut related: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for listed in &pack.list.listed {
        let (observation, id) = of_finding(listed, pack, &mut subjects);
        observations.push(observation);
        if listed.stood.state != State::Open {
            continue;
        }
        for c in &listed.finding.controls {
            let all = related.entry((c.framework.to_string(), c.id.to_string())).or_default();
            if all.len() < RELATED {
                all.push(id.clone());
            }
        }
    }
    let controls = pack.frameworks.iter().flat_map(|f| f.controls.iter().map(move |c| (f, c)));
    let findings: Vec<Value> = controls
        .map(|(f, c)| {
            let key = (f.id.clone(), c.id.clone());
            of_control(f, c, related.get(&key).map_or(&[][..], Vec::as_slice), whole)
        })
        .collect();
    let mut result = json!({
        "uuid": uuid(&["result", whole]),
        "title": format!("Access as of {}", pack.head.as_of),
        "description": described(pack),
        "start": pack.head.from.to_string(),
        "end": pack.head.as_of.to_string(),
        "reviewed-controls": {"control-selections": selections(&pack.frameworks)},
    });
    if let Some(result) = result.as_object_mut() {
        let mut local = serde_json::Map::new();
        let mut put = |name: &str, all: BTreeMap<String, Value>| {
            if !all.is_empty() {
                local.insert(name.to_owned(), all.into_values().collect());
            }
        };
        put("components", subjects.components);
        put("inventory-items", subjects.items);
        // Empty lists are not allowed.
        for (name, value) in [("observations", observations), ("findings", findings)] {
            if !value.is_empty() {
                result.insert(name.to_owned(), value.into());
            }
        }
        if !local.is_empty() {
            result.insert("local-definitions".to_owned(), local.into());
        }
        let mut remarks = pack.head.cautions.clone();
        if pack.list.more > 0 {
            remarks.push(format!("{} more findings are in the CSV pack.", pack.list.more));
        }
        if !remarks.is_empty() {
            result.insert("remarks".to_owned(), remarks.join(" ").into());
        }
    }
    result
}

fn described(pack: &Pack) -> String {
    let (all, open) = (pack.coverage.all, pack.findings.open);
    format!(
        "{} live grants: {} justified, {} unjustified, {} not known. {} open findings ({} critical, {} high, {} medium, {} low), {} accepted.",
        all.total(),
        all.justified,
        all.unjustified,
        all.unknown,
        open.total(),
        open.critical,
        open.high,
        open.medium,
        open.low,
        pack.findings.accepted.total()
    )
}

fn selections(frameworks: &[Framework]) -> Value {
    let of = frameworks.iter().filter(|f| !f.controls.is_empty()).map(|f| {
        // Two controls may differ in what a token cannot hold.
        let ids: std::collections::BTreeSet<String> = f.controls.iter().map(|c| token(&c.id)).collect();
        let ids: Vec<Value> = ids.into_iter().map(|id| json!({"control-id": id})).collect();
        json!({
            "description": format!("{} ({})", line(&f.title), line(&f.version)),
            "props": props(&[("framework", &f.id)]),
            "include-controls": ids,
        })
    });
    let all: Vec<Value> = of.collect();
    if all.is_empty() { json!([{"include-all": {}}]) } else { all.into() }
}

fn of_source(s: &Source, pack: &Pack, subjects: &mut Subjects) -> Value {
    let subject = subjects.component("source", &s.id);
    let records: Vec<String> = s.records.iter().map(|(t, n)| format!("{} {}", n.now, t.as_str())).collect();
    let why = s.why.as_deref().map_or_else(String::new, |why| format!(": {}", line(why)));
    let mut observation = json!({
        "uuid": uuid(&["population", &pack.head.as_of.to_string(), &s.id]),
        "title": format!("Population of source {}", line(&s.id)),
        "description": format!("{}{why}. Records: {}.", s.status.as_str(), if records.is_empty() { "none".to_owned() } else { records.join(", ") }),
        "props": props(&[
            ("status", s.status.as_str()),
            ("read-by", s.by.as_deref().unwrap_or_default()),
            ("run", &s.run.map_or_else(String::new, |r| r.to_string())),
            ("sha256", s.sha256.as_deref().unwrap_or_default()),
        ]),
        "methods": ["EXAMINE"],
        "types": ["population"],
        "subjects": [{"subject-uuid": subject, "type": "component"}],
        "collected": s.taken_at.or(s.tried_at).unwrap_or(pack.head.as_of).to_string(),
    });
    if let (Some(missing), Some(o)) = (&s.missing, observation.as_object_mut()) {
        o.insert("remarks".to_owned(), line(missing).into());
    }
    observation
}

/// The observation, and its id.
fn of_finding(listed: &Listed, pack: &Pack, subjects: &mut Subjects) -> (Value, String) {
    let (f, stood) = (&listed.finding, &listed.stood);
    let id = uuid(&["observation", &pack.head.as_of.to_string(), &f.id]);
    let first = f.accountable.iter().find(|a| a.primary);
    let owner = first.and_then(|a| a.identity.as_deref()).unwrap_or("nobody");
    let since = stood.opened.map_or_else(String::new, |t| t.to_string());
    let mut observation = json!({
        "uuid": id,
        "title": line(&f.title),
        "description": line(&f.message),
        "props": props(&[
            ("finding", &f.id),
            ("check", &f.check),
            ("severity", f.severity.as_str()),
            ("state", stood.state.as_str()),
            ("since", &since),
            ("standing", f.standing.map_or("", |s| s.as_str())),
            ("answers-first", owner),
            ("request", &f.request.as_ref().map_or_else(String::new, |r| format!("{} {}", r.source, r.id))),
            ("entitlement", f.grant.as_ref().map_or("", |g| &g.entitlement)),
            ("scope", f.grant.as_ref().and_then(|g| g.scope.as_deref()).unwrap_or_default()),
            ("note", stood.untold.or(stood.lingers).unwrap_or_default()),
        ]),
        "methods": ["TEST"],
        "types": ["finding"],
        "collected": collected(f, pack).to_string(),
        "remarks": line(&f.remediation),
    });
    if let Some(o) = observation.as_object_mut() {
        let subject = match (&f.grant, &f.source) {
            (Some(g), _) => {
                let who = f.subject.as_ref().map(|s| &*s.id);
                Some(
                    json!({"subject-uuid": subjects.account(&g.system, &g.account, who), "type": "inventory-item"}),
                )
            }
            (None, Some(s)) => {
                Some(json!({"subject-uuid": subjects.component("source", s), "type": "component"}))
            }
            (None, None) => None,
        };
        o.extend(subject.map(|s| ("subjects".to_owned(), json!([s]))));
        let evidence: Vec<Value> = f.evidence.iter().map(evidence).collect();
        if !evidence.is_empty() {
            o.insert("relevant-evidence".to_owned(), evidence.into());
        }
    }
    (observation, id)
}

fn evidence(e: &crate::model::finding::EvidenceView<'_>) -> Value {
    let (source, id) = (e.source.as_deref().unwrap_or("a source"), e.id.as_deref().unwrap_or("a record"));
    json!({
        "description": format!("{} of {}", line(id), line(source)),
        "props": props(&[
            ("source", source),
            ("record", id),
            ("sha256", e.sha256.as_deref().unwrap_or_default()),
            ("collected-at", &e.collected_at.map_or_else(String::new, |t| t.to_string())),
        ]),
    })
}

/// When the last of its evidence was collected.
fn collected(f: &Finding<'_>, pack: &Pack) -> crate::model::Instant {
    f.evidence.iter().filter_map(|e| e.collected_at).max().unwrap_or(pack.head.as_of)
}

fn of_control(f: &Framework, c: &Control, related: &[String], whole: &str) -> Value {
    let (state, reason) = match c.result {
        Assessed::Pass => ("satisfied", "pass"),
        Assessed::Fail => ("not-satisfied", "fail"),
        Assessed::NotAssessable => ("not-satisfied", "other"),
    };
    let gaps = c.gaps.join("; ");
    let said = match c.result {
        Assessed::Pass => {
            "No open finding speaks to it, and all that its checks rest on was there to be seen.".to_owned()
        }
        Assessed::Fail => format!("{} open findings speak to it.", c.open),
        Assessed::NotAssessable => format!("It cannot be assessed with the evidence: {}.", line(&gaps)),
    };
    let id = token(&c.id);
    let mut finding = json!({
        "uuid": uuid(&["control", whole, &f.id, &c.id]),
        "title": format!("{} {}", line(&f.title), line(&c.id)),
        "description": line(&c.title),
        "props": props(&[
            ("framework", &f.id),
            ("control", &c.id),
            ("open", &c.open.to_string()),
            ("accepted", &c.accepted.to_string()),
            ("gaps", &gaps),
        ]),
        "target": {
            "type": "objective-id",
            "target-id": id,
            "props": [prop("framework", &f.id)],
            "status": {"state": state, "reason": reason, "remarks": said},
        },
    });
    if !related.is_empty()
        && let Some(finding) = finding.as_object_mut()
    {
        let all: Vec<Value> = related.iter().map(|id| json!({"observation-uuid": id})).collect();
        finding.insert("related-observations".to_owned(), all.into());
    }
    finding
}
