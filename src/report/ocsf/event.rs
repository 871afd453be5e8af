//! The event: which part of a finding goes where, and what is told of it.

use serde::Serialize;

use super::object::{
    Access, Application, Compliance, Evidence, Permissions, Resource, Tag, Ticket, Unmapped, User,
    control_tags, priority, severity, timestamp, web,
};
use super::{Class, Options, VERSION};
use crate::model::Instant;
use crate::model::event::{Activity, Cause, Event as Told, State};
use crate::model::finding::Finding;

/// What is told of a finding, apart from the finding.
pub(super) struct Telling<'a> {
    uid: String,
    activity: Activity,
    state: State,
    time: Instant,
    /// When it was first seen, which only a run with a memory knows.
    first_seen: Option<Instant>,
    life: Option<Life<'a>>,
}

/// Where an event stands in the life of its finding; the schema has no place for it.
#[derive(Serialize)]
pub(super) struct Life<'a> {
    id: &'a str,
    cause: Cause,
    state: State,
    episode: u32,
    seq: u32,
    run: u64,
    initial: bool,
}

impl<'a> Telling<'a> {
    /// Of a run without a memory: each finding is told as new, and the same one judged at the same instant under the
    /// same id.
    pub(super) fn of_finding(f: &Finding<'_>) -> Self {
        Self {
            uid: format!("{}@{}", f.id, f.now),
            activity: Activity::Create,
            state: if f.exception.is_some() { State::Accepted } else { State::Open },
            time: f.now,
            first_seen: None,
            life: None,
        }
    }

    /// Of an event.
    pub(super) fn of_event(e: &'a Told<'_>) -> Self {
        let life = Life {
            id: &e.id,
            cause: e.cause,
            state: e.state,
            episode: e.episode,
            seq: e.seq,
            run: e.run,
            initial: e.initial,
        };
        Self {
            uid: e.id.clone(),
            activity: e.activity,
            state: e.state,
            time: e.time,
            first_seen: Some(e.first_seen),
            life: Some(life),
        }
    }

    /// `activity_name` and `activity_id`.
    fn activity(&self) -> (&'static str, u8) {
        match self.activity {
            Activity::Create => ("Create", 1),
            Activity::Update => ("Update", 2),
            Activity::Close => ("Close", 3),
        }
    }

    /// `status` and `status_id`.
    fn status(&self) -> (&'static str, u8) {
        match self.state {
            State::Open => ("New", 1),
            State::Accepted => ("Suppressed", 3),
            State::Resolved => ("Resolved", 4),
        }
    }
}

/// An event of any of the three classes; attributes a class has not are `None` or empty and left out.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    activity_id: u8,
    activity_name: &'static str,
    category_uid: u8,
    category_name: &'static str,
    class_uid: u16,
    class_name: &'static str,
    type_uid: u32,
    type_name: String,
    time: i64,
    timezone_offset: i32,
    severity_id: u8,
    severity: &'static str,
    status_id: u8,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<String>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    metadata: Metadata<'a>,
    finding_info: FindingInfo<'a>,
    remediation: Remediation<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compliance: Option<Compliance<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Resource<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    applications: Vec<Application<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permission_analysis_results: Vec<Permissions<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_analysis_result: Option<Access<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidences: Vec<Evidence<'a>>,
    #[serde(flatten)]
    incident: Option<Incident<'a>>,
    unmapped: Unmapped<'a>,
}

/// `metadata`.
#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    product: Product<'a>,
    profiles: &'static [&'static str],
    /// One for each telling: the same finding judged at the same instant has the same.
    uid: String,
    correlation_uid: &'a str,
    event_code: &'a str,
    log_name: &'static str,
    log_provider: &'static str,
    log_version: &'a str,
    original_time: String,
}

/// `product`.
#[derive(Serialize)]
struct Product<'a> {
    uid: &'static str,
    name: &'static str,
    vendor_name: &'static str,
    version: &'a str,
}

/// `finding_info`.
#[derive(Serialize)]
struct FindingInfo<'a> {
    uid: &'a str,
    title: &'a str,
    desc: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<&'static str>,
    analytic: Analytic<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen_time: Option<i64>,
    last_seen_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data_sources: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag<'a>>,
}

/// `analytic`: the check.
#[derive(Serialize)]
struct Analytic<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    type_id: u8,
    uid: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'static str>,
}

/// `remediation`.
#[derive(Serialize)]
struct Remediation<'a> {
    desc: &'a str,
}

/// What the profile `incident` adds.
#[derive(Serialize)]
struct Incident<'a> {
    priority: &'static str,
    priority_id: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tickets: Vec<Ticket<'a>>,
}

impl<'a> Event<'a> {
    /// The event that tells of a finding. `version` is the product's, `category` the family of the check.
    pub(super) fn of(
        f: &'a Finding<'a>,
        telling: Telling<'a>,
        options: Options,
        version: &'a str,
        category: Option<&'static str>,
    ) -> Self {
        let Options { class, incident } = options;
        let (severity, severity_id) = severity(f.severity);
        let (status, status_id) = telling.status();
        let (activity_name, activity_id) = telling.activity();
        let iam = class == Class::IamAnalysis;
        let user = User::of(f);
        let mut applications: Vec<Application<'a>> = Application::of(f).into_iter().collect();
        let mut access = None;
        let mut permissions = Vec::new();
        if let (true, Some(g)) = (iam, &f.grant) {
            permissions.push(Permissions::of(g));
        }
        // Class 2008 wants at least one result of an analysis. Where there is no grant and no source there is
        // still a name that stands for somebody.
        if iam && permissions.is_empty() && applications.is_empty() {
            let name = f.alias.as_deref().or(f.beneficiary.as_deref()).unwrap_or(&f.check);
            access = Some(Access { accessors: [User::of_key(name)] });
        }
        if !iam {
            applications.clear();
        }
        Self {
            activity_id,
            activity_name,
            category_uid: 2,
            category_name: "Findings",
            class_uid: class.uid(),
            class_name: class.name(),
            type_uid: u32::from(class.uid()) * 100 + u32::from(activity_id),
            type_name: format!("{}: {activity_name}", class.name()),
            time: timestamp(telling.time),
            timezone_offset: 0,
            severity_id,
            severity,
            status_id,
            status,
            status_code: f.standing.map(|s| s.as_str()),
            status_detail: (!f.reasons.is_empty()).then(|| f.reasons.join("; ")),
            message: &f.message,
            comment: f.exception.as_ref().map(|e| e.reason.as_ref()),
            metadata: Metadata::of(f, &telling, incident, version),
            finding_info: FindingInfo::of(f, &telling, category),
            remediation: Remediation { desc: &f.remediation },
            compliance: (class == Class::Compliance)
                .then(|| Compliance::of(f, telling.state == State::Resolved)),
            user: user.filter(|_| iam),
            resources: Resource::of(f).into_iter().collect(),
            applications,
            permission_analysis_results: permissions,
            access_analysis_result: access,
            evidences: if iam { Vec::new() } else { Evidence::all(f) },
            incident: incident.then(|| Incident::of(f)),
            unmapped: Unmapped::of(f, telling.life),
        }
    }
}

impl<'a> Metadata<'a> {
    fn of(f: &'a Finding<'_>, telling: &Telling<'_>, incident: bool, version: &'a str) -> Self {
        Self {
            version: VERSION,
            product: Product { uid: "counterfoil", name: "Counterfoil", vendor_name: "Counterfoil", version },
            profiles: if incident { &["incident"] } else { &[] },
            uid: telling.uid.clone(),
            correlation_uid: &f.id,
            event_code: &f.check,
            log_name: "findings",
            log_provider: "counterfoil",
            log_version: &f.schema,
            original_time: telling.time.to_string(),
        }
    }
}

impl<'a> FindingInfo<'a> {
    fn of(f: &'a Finding<'_>, telling: &Telling<'_>, category: Option<&'static str>) -> Self {
        let mut data_sources: Vec<&str> = f.evidence.iter().filter_map(|e| e.source.as_deref()).collect();
        data_sources.sort_unstable();
        data_sources.dedup();
        Self {
            uid: &f.id,
            title: &f.title,
            desc: &f.message,
            types: category.into_iter().collect(),
            analytic: Analytic { kind: "Rule", type_id: 1, uid: &f.check, name: &f.title, category },
            first_seen_time: telling.first_seen.map(timestamp),
            last_seen_time: timestamp(f.now),
            src_url: f.request.as_ref().and_then(web),
            data_sources,
            tags: control_tags(&f.controls),
        }
    }
}

impl<'a> Incident<'a> {
    fn of(f: &'a Finding<'_>) -> Self {
        let (priority, priority_id) = priority(f.severity);
        let first = f.accountable.iter().find(|a| a.primary).and_then(|a| a.identity.as_deref());
        Self {
            priority,
            priority_id,
            assignee: first.map(User::of_key),
            src_url: f.request.as_ref().and_then(web),
            tickets: f.request.iter().map(Ticket::of).collect(),
        }
    }
}
