//! Invented findings of every kind, among them names that try to take over the reader's terminal.

use std::borrow::Cow;

use counterfoil::model::Instant;
use counterfoil::model::finding::{
    Accountable, ControlRef, EvidenceView, ExceptionView, FINDING_SCHEMA, Finding, GrantView, PathStepView,
    RequestView, Role, Severity, Standing, Subject,
};

/// An instant that is written out.
pub fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn answers(role: Role, identity: Option<&'static str>, primary: bool) -> Accountable<'static> {
    Accountable { role, identity: identity.map(Cow::Borrowed), primary, duty: role.duty().into() }
}

fn bare(
    n: u8,
    check: &'static str,
    severity: Severity,
    title: &'static str,
    message: &str,
) -> Finding<'static> {
    Finding {
        schema: FINDING_SCHEMA.into(),
        id: format!("f1:{}", format!("{n:02x}").repeat(32)),
        check: check.into(),
        severity,
        title: title.into(),
        message: message.into(),
        standing: None,
        subject: None,
        grant: None,
        request: None,
        item: None,
        beneficiary: None,
        alias: None,
        source: None,
        accountable: Vec::new(),
        reasons: Vec::new(),
        remediation: "revoke the grant, or have it approved".into(),
        controls: vec![
            ControlRef { framework: "nist-csf-2.0".into(), id: "PR.AA-05".into() },
            ControlRef { framework: "nist-sp-800-53-r5".into(), id: "AC-2".into() },
            ControlRef { framework: "nist-sp-800-53-r5".into(), id: "AC-6(7)".into() },
        ],
        evidence: Vec::new(),
        exception: None,
        now: at("2026-06-01T00:00:00Z"),
    }
}

struct Held(&'static str, &'static str, &'static str, &'static str, Option<&'static str>);

fn on_grant(
    mut f: Finding<'static>,
    standing: Standing,
    held: Held,
    owner: Option<&'static str>,
) -> Finding<'static> {
    let Held(system, account, subject, entitlement, scope) = held;
    f.standing = Some(standing);
    f.subject = Some(Subject { id: subject.into(), kind: Some("human".into()) });
    f.grant = Some(GrantView {
        system: system.into(),
        account: account.into(),
        entitlement: entitlement.into(),
        scope: scope.map(Cow::Borrowed),
        path: Vec::new(),
        granted_at: Some(at("2026-01-15T09:30:00.250Z")),
        granted_by: Some("ines@corp.example".into()),
        expires_at: None,
        last_used_at: Some(at("2026-05-30T18:00:00Z")),
        use_attribution: Some("account".into()),
    });
    f.reasons =
        vec![format!("the standing of the grant is {}", standing.as_str()), "no exception names it".into()];
    f.accountable = vec![
        answers(Role::Approver, None, false),
        answers(Role::WorkflowOwner, Some("wendy@corp.example"), false),
        answers(Role::SystemOwner, owner, true),
        answers(Role::Implementer, Some("ines@corp.example"), false),
    ];
    f.evidence = vec![
        EvidenceView {
            source: Some("aws".into()),
            id: Some(format!("{account}/{entitlement}").into()),
            sha256: Some("ab".repeat(32).into()),
            collected_at: Some(at("2026-05-31T23:00:00Z")),
        },
        EvidenceView { source: None, id: None, sha256: None, collected_at: None },
    ];
    f
}

fn request(id: &'static str, state: &'static str) -> RequestView<'static> {
    RequestView {
        source: "jira".into(),
        id: id.into(),
        url: Some(format!("https://tickets.corp.example/browse/{id}").into()),
        state: state.into(),
        decided_at: Some(at("2026-01-10T08:00:00Z")),
        end: Some(at("2026-05-01T00:00:00Z")),
    }
}

/// The findings of this sample, in the order in which the judge hands them over.
pub fn findings() -> Vec<Finding<'static>> {
    let mut all = vec![];

    let title = "Access is still held after it was revoked";
    let mut f = on_grant(
        bare(
            1,
            "revocation-failed",
            Severity::Critical,
            title,
            "`alice` still holds `AdministratorAccess` on `aws-prod`",
        ),
        Standing::Revoked,
        Held("aws-prod", "alice", "alice@corp.example", "AdministratorAccess", None),
        Some("carol@corp.example"),
    );
    f.request = Some(request("SEC-101", "approved"));
    all.push(f);

    let mut f = on_grant(
        bare(
            2,
            "revocation-failed",
            Severity::Critical,
            title,
            "`svc-backup` still holds `Owner` on `github`",
        ),
        Standing::Revoked,
        Held("github", "svc-backup", "svc-backup", "Owner", Some("/orgs/corp/repos/payments")),
        None,
    );
    f.subject = Some(Subject { id: "svc-backup".into(), kind: Some("service".into()) });
    f.request = Some(RequestView {
        state: "cancelled".into(),
        url: Some("javascript:alert(1)".into()),
        ..request("SEC-102", "")
    });
    all.push(f);

    let mut f = on_grant(
        bare(
            3,
            "approval-expired",
            Severity::High,
            "The approval has ended",
            "the approval `SEC-103` ended on 2026-05-01",
        ),
        Standing::Expired,
        Held(
            "aws-prod",
            "arn:aws:iam::123456789012:user/engineering/platform/bob",
            "bob@corp.example",
            "arn:aws:iam::123456789012:policy/platform/BreakGlassAdministrator",
            Some("/prod/eu-central-1"),
        ),
        Some("carol@corp.example"),
    );
    f.request = Some(request("SEC-103", "approved"));
    if let Some(g) = &mut f.grant {
        g.path = vec![PathStepView { system: Some("okta".into()), entitlement: "platform-admins".into() }];
    }
    all.push(f);

    let mut f = on_grant(
        bare(
            4,
            "self-approval",
            Severity::High,
            "The beneficiary approved the request alone",
            "only `dan` approved",
        ),
        Standing::Approved,
        Held("okta", "dan@corp.example", "dan@corp.example", "Super Admin", None),
        Some("carol@corp.example"),
    );
    f.request = Some(request("SEC-104", "approved"));
    f.accountable = vec![
        answers(Role::Approver, Some("dan@corp.example"), true),
        answers(Role::Approver, Some("dora@corp.example"), true),
        answers(Role::WorkflowOwner, None, false),
        answers(Role::SystemOwner, Some("carol@corp.example"), false),
    ];
    all.push(f);

    let mut f = bare(
        5,
        "source-incomplete",
        Severity::High,
        "A source was not seen completely",
        "the source `servicenow` returned exactly 10000 rows, which is its limit: requests may be missing, so an absent approval there proves nothing",
    );
    f.source = Some("servicenow".into());
    f.accountable = vec![answers(Role::Operator, Some("olga@corp.example"), true)];
    f.evidence = vec![EvidenceView {
        source: Some("servicenow".into()),
        id: None,
        sha256: Some("cd".repeat(32).into()),
        collected_at: None,
    }];
    all.push(f);

    // Names that try to do something to the reader.
    let hostile: [(&'static str, &'static str, &'static str); 4] = [
        ("\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[31mroot", "mallory@corp.example", "Reader"),
        ("alice\u{202e}elpmaxe.proc@nimda", "al\u{200b}ice@corp.example", "Re\u{ad}ader"),
        ("line\nbreak\r\ttab", "line@corp.example", "Reader\u{9b}1m"),
        ("王小明", "zo\u{eb}@corp.example", "閱讀者"),
    ];
    for (i, (account, subject, entitlement)) in hostile.into_iter().enumerate() {
        let n = 6 + u8::try_from(i).unwrap();
        let f = on_grant(
            bare(
                n,
                "unapproved-grant",
                Severity::High,
                "No approval exists",
                &format!("`{account}` holds `{entitlement}`"),
            ),
            Standing::Unapproved,
            Held("wiki", account, subject, entitlement, None),
            Some(if i == 0 { "\u{1b}[31mowner@corp.example" } else { "walt@corp.example" }),
        );
        all.push(f);
    }
    let long: &'static str = Box::leak("n".repeat(5000).into_boxed_str());
    let mut f = on_grant(
        bare(10, "unapproved-grant", Severity::High, "No approval exists", "a very long name"),
        Standing::Unapproved,
        Held("wiki", long, "nora@corp.example", "Reader", None),
        Some("walt@corp.example"),
    );
    f.subject = Some(Subject { id: "agent-nora".into(), kind: Some("agent".into()) });
    all.push(f);

    let mut f = bare(
        11,
        "ambiguous-identity",
        Severity::Medium,
        "An alias is claimed twice",
        "`sam` is claimed by `sam.a@corp.example` and `sam.b@corp.example`",
    );
    f.alias = Some("sam".into());
    f.accountable = vec![answers(Role::Operator, Some("olga@corp.example"), true)];
    all.push(f);

    let mut f = bare(
        12,
        "unreconcilable-request",
        Severity::Medium,
        "The request cannot be matched to any access",
        "`SEC-109` names no beneficiary",
    );
    f.request =
        Some(RequestView { url: None, decided_at: None, end: None, ..request("SEC-109", "approved") });
    f.accountable = vec![
        answers(Role::Approver, None, false),
        answers(Role::WorkflowOwner, None, true),
        answers(Role::SystemOwner, None, false),
    ];
    all.push(f);

    let mut f = on_grant(
        bare(13, "unused-grant", Severity::Medium, "The grant is not used", "not used for 120 days"),
        Standing::Approved,
        Held("aws-prod", "erin", "erin@corp.example", "ReadOnlyAccess", None),
        Some("carol@corp.example"),
    );
    f.exception = Some(ExceptionView {
        accepted_by: "ciso@corp.example".into(),
        reason: "seasonal work, back in July".into(),
        expires_at: at("2026-08-01T00:00:00Z"),
    });
    all.push(f);

    let mut f = bare(
        14,
        "approval-not-fulfilled",
        Severity::Low,
        "An approval was never carried out",
        "`frank@corp.example` holds nothing that item 1 of `SEC-110` covers",
    );
    f.request = Some(request("SEC-110", "approved"));
    f.item = Some(1);
    f.beneficiary = Some("frank@corp.example".into());
    f.accountable = vec![
        answers(Role::Approver, Some("bob@corp.example"), false),
        answers(Role::SystemOwner, Some("carol@corp.example"), true),
    ];
    all.push(f);
    all
}
