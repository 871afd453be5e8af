//! The OCSF objects events are made of, with the attributes Counterfoil fills, and how each comes from a finding.
//! Names and numbers are the schema's (<https://schema.ocsf.io/1.6.0/objects>).

use serde::Serialize;

use super::event::Life;
use crate::model::Instant;
use crate::model::finding::{
    Accountable, ControlRef, EvidenceView, ExceptionView, Finding, GrantView, RequestView, Role, Severity,
    Standing,
};

/// `user`.
#[derive(Serialize)]
pub(super) struct User<'a> {
    uid: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_addr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Named<'a>>,
    #[serde(rename = "type")]
    kind: &'static str,
    type_id: u8,
}

/// An object of which only the name is known.
#[derive(Serialize)]
pub(super) struct Named<'a> {
    name: &'a str,
}

impl<'a> User<'a> {
    /// Somebody known by key alone.
    pub(super) fn of_key(key: &'a str) -> Self {
        Self { uid: key, name: key, email_addr: email(key), account: None, kind: "Unknown", type_id: 0 }
    }

    /// Whom the finding is about: the holder of the grant, the beneficiary, or the alias in doubt.
    pub(super) fn of(f: &'a Finding<'_>) -> Option<Self> {
        let key =
            f.subject.as_ref().map(|s| s.id.as_ref()).or(f.beneficiary.as_deref()).or(f.alias.as_deref())?;
        let mut user = Self::of_key(key);
        // 99 is the schema's "other": `type` then holds the producer's own word.
        (user.kind, user.type_id) = match f.subject.as_ref().and_then(|s| s.kind.as_deref()) {
            Some("human") => ("User", 1),
            Some("service") => ("Service", 4),
            Some("agent") => ("Agent", 99),
            _ => ("Unknown", 0),
        };
        if let Some(g) = &f.grant {
            user.name = &g.account;
            user.account = Some(Named { name: &g.account });
        }
        Some(user)
    }
}

/// A key that is certainly an e-mail address, after the pattern of the schema's `email_t`.
fn email(key: &str) -> Option<&str> {
    let (local, domain) = key.split_once('@')?;
    let plain = |s: &str, more: &str| {
        !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let labels = domain.contains('.') && domain.split('.').all(|label| plain(label, "-"));
    (plain(local, "._+-'") && labels).then_some(key)
}

/// `resource_details`.
#[derive(Serialize)]
pub(super) struct Resource<'a> {
    uid: String,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<User<'a>>,
    role: &'static str,
    role_id: u8,
}

impl<'a> Resource<'a> {
    /// What is affected: the entitlement, the request or the source. An alias is no resource.
    pub(super) fn of(f: &'a Finding<'_>) -> Option<Self> {
        let (kind, namespace, name, owner): (_, Option<&str>, &str, _) = if let Some(g) = &f.grant {
            ("entitlement", Some(&g.system), &g.entitlement, Role::SystemOwner)
        } else if let Some(r) = &f.request {
            ("request", Some(&r.source), &r.id, Role::WorkflowOwner)
        } else {
            ("source", None, f.source.as_deref()?, Role::Operator)
        };
        // Slashes within the parts are escaped, so that two resources never share an id.
        let part = |s: &str| s.replace('%', "%25").replace('/', "%2F");
        let uid = namespace.map_or_else(|| part(name), |ns| format!("{}/{}", part(ns), part(name)));
        let owner = f.accountable.iter().find(|a| a.role == owner).and_then(|a| a.identity.as_deref());
        Some(Self {
            uid,
            name,
            kind,
            namespace,
            owner: owner.map(User::of_key),
            role: "Affected",
            role_id: 3,
        })
    }
}

/// `application`: the system or source that was looked into.
#[derive(Serialize)]
pub(super) struct Application<'a> {
    uid: &'a str,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> Application<'a> {
    pub(super) fn of(f: &'a Finding<'_>) -> Option<Self> {
        let (name, kind): (&str, _) = match (&f.grant, &f.request) {
            (Some(g), _) => (&g.system, "system"),
            (None, Some(r)) => (&r.source, "source"),
            (None, None) => (f.source.as_deref()?, "source"),
        };
        Some(Self { uid: name, name, kind })
    }
}

/// `permission_analysis_result`: what the identity holds.
#[derive(Serialize)]
pub(super) struct Permissions<'a> {
    granted_privileges: [&'a str; 1],
    policy: AppliedPolicy<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    condition_keys: Vec<Tag<'a>>,
}

/// `policy`, as the entitlement that grants it.
#[derive(Serialize)]
struct AppliedPolicy<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    is_applied: bool,
}

impl<'a> Permissions<'a> {
    pub(super) fn of(g: &'a GrantView<'_>) -> Self {
        let scope = g.scope.as_deref().map(|scope| Tag { name: "scope", values: vec![scope] });
        Self {
            granted_privileges: [&g.entitlement],
            policy: AppliedPolicy { name: &g.entitlement, kind: "entitlement", is_applied: true },
            condition_keys: scope.into_iter().collect(),
        }
    }
}

/// `access_analysis_result`: who has access, where it is no more than a name.
#[derive(Serialize)]
pub(super) struct Access<'a> {
    pub(super) accessors: [User<'a>; 1],
}

/// `key_value_object`.
#[derive(Serialize)]
pub(super) struct Tag<'a> {
    name: &'a str,
    values: Vec<&'a str>,
}

/// The controls, as one tag for each framework.
pub(super) fn control_tags<'a>(controls: &'a [ControlRef<'_>]) -> Vec<Tag<'a>> {
    let mut tags: Vec<Tag<'a>> = Vec::new();
    for c in controls {
        match tags.iter_mut().find(|t| t.name == c.framework) {
            Some(tag) => tag.values.push(&c.id),
            None => tags.push(Tag { name: &c.framework, values: vec![&c.id] }),
        }
    }
    tags
}

/// `compliance`.
#[derive(Serialize)]
pub(super) struct Compliance<'a> {
    control: &'a str,
    desc: &'a str,
    standards: Vec<&'a str>,
    requirements: Vec<String>,
    checks: [Check<'a>; 1],
    status: &'static str,
    status_id: u8,
}

/// `check`.
#[derive(Serialize)]
struct Check<'a> {
    uid: &'a str,
    name: &'a str,
    standards: Vec<&'a str>,
    severity: &'static str,
    severity_id: u8,
    status: &'static str,
    status_id: u8,
}

impl<'a> Compliance<'a> {
    /// `resolved`: the finding no longer holds.
    pub(super) fn of(f: &'a Finding<'_>, resolved: bool) -> Self {
        let (status, status_id) = match (resolved, &f.source) {
            (true, _) => ("Pass", 1),
            // A finding about a source says that something could not be looked at: no control failed by that.
            (false, Some(_)) => ("Warning", 2),
            (false, None) => ("Fail", 3),
        };
        let (severity, severity_id) = severity(f.severity);
        let standards: Vec<&str> = control_tags(&f.controls).iter().map(|t| t.name).collect();
        let check = Check {
            uid: &f.check,
            name: &f.title,
            standards: standards.clone(),
            severity,
            severity_id,
            status,
            status_id,
        };
        Self {
            control: &f.check,
            desc: &f.title,
            standards,
            requirements: f.controls.iter().map(|c| format!("{} {}", c.framework, c.id)).collect(),
            checks: [check],
            status,
            status_id,
        }
    }
}

/// `evidences`, of the classes that have them.
#[derive(Serialize)]
pub(super) struct Evidence<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a EvidenceView<'a>>,
}

impl<'a> Evidence<'a> {
    /// Whom the finding is about, which these classes have no attribute of their own for; then the records.
    pub(super) fn all(f: &'a Finding<'a>) -> Vec<Self> {
        let who =
            User::of(f).map(|user| Self { uid: None, name: Some("subject"), user: Some(user), data: None });
        let record = |e: &'a EvidenceView<'a>| Self {
            uid: e.id.as_deref(),
            name: e.source.as_deref(),
            user: None,
            data: Some(e),
        };
        who.into_iter().chain(f.evidence.iter().map(record)).collect()
    }
}

/// `ticket`, of the profile `incident`.
#[derive(Serialize)]
pub(super) struct Ticket<'a> {
    uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_url: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    type_id: u8,
    status: &'a str,
    status_id: u8,
}

impl<'a> Ticket<'a> {
    pub(super) fn of(r: &'a RequestView<'_>) -> Self {
        // The schema's ticket states are those of a work queue. Only one of ours is among them; the others are
        // given as "other" with our own word, so that an approved request never reads as a closed case.
        let (status, status_id) =
            if r.state == "cancelled" { ("Canceled", 7) } else { (r.state.as_ref(), 99) };
        Self { uid: &r.id, src_url: web(r), kind: "External", type_id: 2, status, status_id }
    }
}

/// The address of a request, where it is one a browser opens.
pub(super) fn web<'a>(r: &'a RequestView<'_>) -> Option<&'a str> {
    r.url.as_deref().filter(|url| url.starts_with("https://") || url.starts_with("http://"))
}

/// What the schema has no place for.
#[derive(Serialize)]
pub(super) struct Unmapped<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<Standing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<&'a GrantView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a RequestView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    beneficiary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    accountable: &'a [Accountable<'a>],
    reasons: &'a [String],
    controls: &'a [ControlRef<'a>],
    evidence: &'a [EvidenceView<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a ExceptionView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Life<'a>>,
}

impl<'a> Unmapped<'a> {
    pub(super) fn of(f: &'a Finding<'a>, event: Option<Life<'a>>) -> Self {
        Self {
            standing: f.standing,
            grant: f.grant.as_ref(),
            request: f.request.as_ref(),
            item: f.item,
            beneficiary: f.beneficiary.as_deref(),
            alias: f.alias.as_deref(),
            source: f.source.as_deref(),
            accountable: &f.accountable,
            reasons: &f.reasons,
            controls: &f.controls,
            evidence: &f.evidence,
            exception: f.exception.as_ref(),
            event,
        }
    }
}

/// `severity` and `severity_id`: 1 is informational, which no finding is.
pub(super) fn severity(s: Severity) -> (&'static str, u8) {
    match s {
        Severity::Low => ("Low", 2),
        Severity::Medium => ("Medium", 3),
        Severity::High => ("High", 4),
        Severity::Critical => ("Critical", 5),
    }
}

/// `priority` and `priority_id`, of the profile `incident`.
pub(super) fn priority(s: Severity) -> (&'static str, u8) {
    let (caption, id) = severity(s);
    (caption, id - 1)
}

/// The schema's `timestamp_t`: milliseconds since 1970.
pub(super) fn timestamp(at: Instant) -> i64 {
    at.unix_ms()
}
