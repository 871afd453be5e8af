//! The event: which part of a finding goes where.

use serde::Serialize;

use super::object::{
    Access, Application, Compliance, Evidence, Permissions, Resource, Tag, Ticket, Unmapped, User,
    control_tags, priority, severity, timestamp, web,
};
use super::{Class, Options, VERSION};
use crate::model::finding::Finding;

/// The only activity of a run without a memory: each finding is told as new.
const CREATE: u8 = 1;

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

/// `finding_info`. When a finding was first seen only a run with a memory knows, so it is left out here.
#[derive(Serialize)]
struct FindingInfo<'a> {
    uid: &'a str,
    title: &'a str,
    desc: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<&'static str>,
    analytic: Analytic<'a>,
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
    /// The event of a finding. `version` is the product's, `category` the family of the check.
    pub(super) fn of(
        f: &'a Finding<'a>,
        options: Options,
        version: &'a str,
        category: Option<&'static str>,
    ) -> Self {
        let Options { class, incident } = options;
        let (severity, severity_id) = severity(f.severity);
        let (status, status_id) = if f.exception.is_some() { ("Suppressed", 3) } else { ("New", 1) };
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
            activity_id: CREATE,
            activity_name: "Create",
            category_uid: 2,
            category_name: "Findings",
            class_uid: class.uid(),
            class_name: class.name(),
            type_uid: u32::from(class.uid()) * 100 + u32::from(CREATE),
            type_name: format!("{}: Create", class.name()),
            time: timestamp(f.now),
            timezone_offset: 0,
            severity_id,
            severity,
            status_id,
            status,
            status_code: f.standing.map(|s| s.as_str()),
            status_detail: (!f.reasons.is_empty()).then(|| f.reasons.join("; ")),
            message: &f.message,
            comment: f.exception.as_ref().map(|e| e.reason.as_ref()),
            metadata: Metadata::of(f, incident, version),
            finding_info: FindingInfo::of(f, category),
            remediation: Remediation { desc: &f.remediation },
            compliance: (class == Class::Compliance).then(|| Compliance::of(f)),
            user: user.filter(|_| iam),
            resources: Resource::of(f).into_iter().collect(),
            applications,
            permission_analysis_results: permissions,
            access_analysis_result: access,
            evidences: if iam { Vec::new() } else { Evidence::all(f) },
            incident: incident.then(|| Incident::of(f)),
            unmapped: Unmapped::of(f),
        }
    }
}

impl<'a> Metadata<'a> {
    fn of(f: &'a Finding<'_>, incident: bool, version: &'a str) -> Self {
        Self {
            version: VERSION,
            product: Product { uid: "counterfoil", name: "Counterfoil", vendor_name: "Counterfoil", version },
            profiles: if incident { &["incident"] } else { &[] },
            uid: format!("{}@{}", f.id, f.now),
            correlation_uid: &f.id,
            event_code: &f.check,
            log_name: "findings",
            log_provider: "counterfoil",
            log_version: &f.schema,
            original_time: f.now.to_string(),
        }
    }
}

impl<'a> FindingInfo<'a> {
    fn of(f: &'a Finding<'_>, category: Option<&'static str>) -> Self {
        let mut data_sources: Vec<&str> = f.evidence.iter().filter_map(|e| e.source.as_deref()).collect();
        data_sources.sort_unstable();
        data_sources.dedup();
        Self {
            uid: &f.id,
            title: &f.title,
            desc: &f.message,
            types: category.into_iter().collect(),
            analytic: Analytic { kind: "Rule", type_id: 1, uid: &f.check, name: &f.title, category },
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
