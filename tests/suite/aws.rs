//! What the exams of `connectors/aws-iam` and `connectors/aws-identity-center` cannot say with one case: what is not known stays
//! unknown, names that two share name neither, and each setting does what it says.

use counterfoil::connect::transport::{Fetched, Writer};
use counterfoil::connect::{Catalog, PullOptions, Settings, pull_fetched};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What one pull gives.
struct Pulled(Vec<Value>);

impl Pulled {
    /// Records of a type, of whose fields these have this text.
    fn of(&self, kind: &str, fields: &[(&str, &str)]) -> Vec<&Value> {
        let fits =
            |record: &&Value| record["type"] == kind && fields.iter().all(|(key, text)| record[key] == *text);
        self.0.iter().filter(fits).collect()
    }

    /// The only one.
    fn one(&self, kind: &str, fields: &[(&str, &str)]) -> &Value {
        let all = self.of(kind, fields);
        assert_eq!(all.len(), 1, "{kind} {fields:?}: {all:?}");
        all[0]
    }
}

/// Pulls what steps got. All steps named here were read to their end, but for those that end in `!`.
fn pull(connector: &str, steps: &[(&str, Vec<Value>)], settings: &str) -> Result<Pulled, String> {
    let catalog = Catalog::load(Some(&folder())).unwrap();
    let connector = catalog.get(connector).unwrap();
    let name = |step: &str| step.trim_end_matches('!').to_owned();
    let whole: Vec<&str> = steps.iter().map(|(step, _)| *step).filter(|step| !step.ends_with('!')).collect();
    let batches = steps.iter().map(|(step, rows)| {
        let mut writer = Writer::new(&name(step)).unwrap();
        rows.iter().for_each(|row| writer.row(row).unwrap());
        writer.head(json!({ "_whole": whole }));
        writer.finish().unwrap()
    });
    let fetched = Fetched { batches: batches.collect(), reasons: Vec::new(), requests: 1 };
    let settings = Settings::from_table(&connector.manifest, &toml::from_str(settings).unwrap()).unwrap();
    let options = PullOptions {
        source: "aws".into(),
        taken_at: "2026-06-01T00:00:00Z".into(),
        skip_bad_rows: false,
        worker: None,
    };
    let mut lines = Vec::new();
    let mut sink = |line: &str| {
        lines.push(serde_json::from_str(line).unwrap());
        Ok(())
    };
    pull_fetched(connector, &settings, &options, fetched, &mut sink, &mut |_| {})
        .map_err(|e| e.to_string())?;
    Ok(Pulled(lines))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors")
}

// --- IAM ---

const ACCOUNT: &str = "111122223333";

fn arn(what: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:{what}")
}

fn attached(arns: &[&str]) -> Value {
    arns.iter().map(|arn| json!({"PolicyName": "x", "PolicyArn": arn})).collect()
}

fn policy(name: &str, actions: Value) -> Value {
    let document = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}});
    json!({"PolicyId": name, "Arn": arn(&format!("policy/{name}")), "DefaultVersionId": "v1",
           "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true, "Document": document}]})
}

fn role(path: &str, name: &str, policies: &[&str]) -> Value {
    json!({"RoleId": name, "RoleName": name, "Path": path, "Arn": arn(&format!("role{path}{name}")),
           "CreateDate": "2025-01-01T00:00:00Z", "AttachedManagedPolicies": attached(policies),
           "RoleLastUsed": {"LastUsedDate": "2026-05-31T00:00:00Z"}})
}

/// A role with policies of these actions, and what IAM says of each service it may use.
fn used(actions: &[Value], services: &[(&str, Option<&str>)], steps: [&str; 3]) -> Pulled {
    let names: Vec<String> = (0..actions.len()).map(|number| format!("p{number}")).collect();
    let arns: Vec<String> = names.iter().map(|name| arn(&format!("policy/{name}"))).collect();
    let mut rows: Vec<Value> =
        names.iter().zip(actions).map(|(name, actions)| policy(name, actions.clone())).collect();
    let mut role = role("/", "r", &arns.iter().map(String::as_str).collect::<Vec<_>>());
    let services =
        services.iter().map(|(name, last)| json!({"ServiceNamespace": name, "LastAuthenticated": last}));
    role["_accessed"] = services.collect();
    rows.push(role);
    pull(
        "aws-iam",
        &[(steps[0], rows), (steps[1], vec![]), (steps[2], vec![])],
        "service_last_accessed = true",
    )
    .unwrap()
}

const ALL: [&str; 3] = ["authorization-details", "last-accessed-job", "last-accessed"];

#[test]
fn a_policy_is_used_when_its_services_are() {
    let last = "2026-04-01T00:00:00Z";
    let services = [("s3", Some(last)), ("sqs", None), ("iam", None)];
    let actions = [
        json!("s3:GetObject"),
        json!(["sqs:SendMessage", "S3:Put*"]),
        json!("sqs:*"),
        json!("*"),
        json!("unheard:Of"),
        json!(["sqs:SendMessage", "unheard:Of"]),
        json!("iam:ListUsers"),
        json!("iam:PassRole"),
        json!("iam:P*Role"),
        json!("iam:*"),
    ];
    let pulled = used(&actions, &services, ALL);
    let of = |number: usize| {
        let id = format!("policy/p{number}");
        let found = pulled.of("usage", &[("account", "role/r"), ("entitlement", &id)]);
        found.first().map(|usage| {
            assert_eq!(usage["tracked_since"], "2025-04-27T00:00:00Z");
            (
                usage["attribution"].as_str().unwrap().to_owned(),
                usage["last_used_at"].as_str().map(str::to_owned),
            )
        })
    };
    let service = |last: Option<&str>| Some(("service".to_owned(), last.map(str::to_owned)));
    let account = Some(("account".to_owned(), Some(last.to_owned())));
    assert_eq!(of(0), service(Some(last)));
    assert_eq!(of(1), service(Some(last)));
    assert_eq!(of(2), service(None));
    assert_eq!(of(3), account);
    // IAM keeps no book on it.
    assert_eq!((of(4), of(5)), (None, None));
    assert_eq!(of(6), service(None));
    // To pass on a role leaves no trace.
    assert_eq!((of(7), of(8), of(9)), (account.clone(), account.clone(), account));
    // The use of the role as a whole would hide all that.
    assert!(pulled.of("grant", &[("account", "role/r")]).iter().all(|grant| grant["last_used_at"].is_null()));
}

#[test]
fn where_services_are_not_known_of_all_the_account_is_used_as_a_whole() {
    for steps in [[ALL[0], ALL[1], "last-accessed!"], [ALL[0], "last-accessed-job!", ALL[2]]] {
        let pulled = used(&[json!("s3:*")], &[("s3", None)], steps);
        assert_eq!(pulled.of("usage", &[]).len(), 0);
        let grant = pulled.one("grant", &[("account", "role/r")]);
        assert_eq!(
            (grant["last_used_at"].as_str(), grant["use_attribution"].as_str()),
            (Some("2026-05-31T00:00:00Z"), Some("account"))
        );
    }
}

#[test]
fn roles_that_are_left_out_take_no_policy_with_them() {
    let managed = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let rows = vec![
        role("/aws-service-role/x.amazonaws.com/", "linked", &[managed]),
        role("/aws-reserved/sso.amazonaws.com/", "AWSReservedSSO_Read_0", &[managed]),
        role("/", "plain", &[managed]),
    ];
    let pull =
        |settings: &str| pull("aws-iam", &[("authorization-details", rows.clone())], settings).unwrap();
    for (settings, roles) in [
        ("", 3),
        ("service_linked_roles = false", 2),
        ("identity_center_roles = false", 2),
        ("service_linked_roles = false\nidentity_center_roles = false", 1),
    ] {
        let pulled = pull(settings);
        assert_eq!(pulled.of("grant", &[("entitlement", "ReadOnlyAccess")]).len(), roles, "{settings}");
        pulled.one("entitlement", &[("id", "ReadOnlyAccess")]);
    }
}

// --- IAM Identity Center ---

const SET: &str = "arn:aws:sso:::permissionSet/ssoins-0/ps-0";

/// An instance, a permission set on one account, a user and a group that are assigned it, and a member of the group.
fn center() -> Vec<(&'static str, Vec<Value>)> {
    let assigned = |kind: &str, id: &str| json!({"PrincipalType": kind, "PrincipalId": id, "_from": {"account": ACCOUNT, "set": SET}});
    vec![
        (
            "instances",
            vec![
                json!({"InstanceArn": "arn:aws:sso:::instance/ssoins-0", "Regions": [{"RegionName": "eu-west-1"}]}),
            ],
        ),
        ("accounts", vec![json!({"Id": ACCOUNT, "Name": "Production"})]),
        (
            "permission-sets",
            vec![
                json!({"value": SET, "_set": [{"Name": "Deploy"}], "_managed": [], "_customer": [], "_inline": [{}]}),
            ],
        ),
        ("provisioned", vec![json!({"value": ACCOUNT, "_from": {"set": SET}})]),
        ("assignments", vec![assigned("USER", "u-ada"), assigned("GROUP", "g-1")]),
        (
            "groups",
            vec![
                json!({"GroupId": "g-1", "DisplayName": "Engineers"}),
                json!({"GroupId": "g-2", "DisplayName": "Others"}),
            ],
        ),
        ("memberships", vec![json!({"MemberId": {"UserId": "u-ben"}, "_from": {"group": "g-1"}})]),
        (
            "users",
            vec![
                json!({"UserId": "u-ada", "UserName": "ada", "Emails": [{"Value": "ada@corp.example"}]}),
                json!({"UserId": "u-ben", "UserName": "ben"}),
            ],
        ),
        ("assignments-created", vec![]),
        ("assignments-deleted", vec![]),
        ("sign-ins", vec![]),
        ("role-credentials", vec![]),
    ]
}

fn with(steps: &mut [(&'static str, Vec<Value>)], step: &str, rows: Vec<Value>) {
    steps.iter_mut().find(|(name, _)| *name == step).unwrap().1 = rows;
}

fn sign_in(user: &str, set: &str) -> Value {
    let event = json!({"eventTime": "2026-05-20T00:00:00Z", "eventName": "Federate", "eventSource": "signin.amazonaws.com",
        "userIdentity": {"onBehalfOf": {"userId": user}}, "serviceEventDetails": {"account_id": ACCOUNT, "role_name": set}});
    json!({"CloudTrailEvent": event.to_string()})
}

fn ask(steps: &[(&str, Vec<Value>)], settings: &str) -> Pulled {
    pull("aws-identity-center", steps, &format!("region = \"eu-west-1\"\n{settings}")).unwrap()
}

#[test]
fn what_was_not_used_is_only_known_where_the_log_is() {
    let mut steps = center();
    with(&mut steps, "sign-ins", vec![sign_in("u-ada", "Deploy")]);
    let of = |pulled: &Pulled, account: &str| {
        let found = pulled.of("usage", &[("account", account), ("entitlement", "permission-set/Deploy")]);
        found.first().map(|usage| {
            [&usage["last_used_at"], &usage["tracked_since"]].map(|at| at.as_str().map(str::to_owned))
        })
    };
    let (last, tracked) = (Some("2026-05-20T00:00:00Z".to_owned()), Some("2026-03-03T00:00:00Z".to_owned()));
    let pulled = ask(&steps, "sign_ins = true");
    assert_eq!(of(&pulled, "ada"), Some([last.clone(), tracked.clone()]));
    assert_eq!(of(&pulled, "ben"), Some([None, tracked]), "a member of the group");
    assert!(ask(&steps, "").of("usage", &[]).is_empty());

    // Not read to its end; of a second region nothing is read; a log without any sign-in is another account's.
    let partly: Vec<_> = steps
        .iter()
        .map(|(name, rows)| {
            (if *name == "role-credentials" { "role-credentials!" } else { name }, rows.clone())
        })
        .collect();
    let mut regions = steps.clone();
    with(
        &mut regions,
        "instances",
        vec![json!({"InstanceArn": "i", "Regions": [{"RegionName": "a"}, {"RegionName": "b"}]})],
    );
    for steps in [&partly, &regions] {
        let pulled = ask(steps, "sign_ins = true");
        assert_eq!((of(&pulled, "ada"), of(&pulled, "ben")), (Some([last.clone(), None]), None));
    }
    let mut gone = steps.clone();
    with(
        &mut gone,
        "instances",
        vec![
            json!({"InstanceArn": "i", "Regions": [{"RegionName": "a"}, {"RegionName": "b", "Status": "REMOVING"}]}),
        ],
    );
    assert!(of(&ask(&gone, "sign_ins = true"), "ben").is_some());
    with(&mut steps, "sign-ins", vec![]);
    assert!(ask(&steps, "sign_ins = true").of("usage", &[]).is_empty());
}

#[test]
fn what_things_are_called() {
    let mut steps = center();
    let pulled = ask(&steps, "");
    let aliases = |pulled: &Pulled, kind: &str, id: &str| pulled.one(kind, &[("id", id)])["aliases"].clone();
    assert_eq!(aliases(&pulled, "system", "aws-111122223333"), json!([ACCOUNT, "Production"]));
    assert_eq!(aliases(&pulled, "entitlement", "permission-set/Deploy"), json!([SET, "Deploy"]));
    assert_eq!(aliases(&pulled, "entitlement", "group/Engineers"), json!(["g-1", "Engineers"]));
    let through = pulled.one("grant", &[("account", "ben"), ("entitlement", "permission-set/Deploy")]);
    assert_eq!(through["path"], json!([{"entitlement": "group/Engineers", "system": "aws-identity-center"}]));

    for (names, ada, ben) in [("email", "ada@corp.example", "ben"), ("id", "u-ada", "u-ben")] {
        let pulled = ask(
            &steps,
            &format!(
                "account_names = \"{names}\"\nshort_names = false\naccount_systems = false\norganization = false"
            ),
        );
        pulled.one("grant", &[("account", ada), ("entitlement", "permission-set/Deploy")]);
        pulled.one("grant", &[("account", ben), ("entitlement", "group/Engineers")]);
        assert_eq!(aliases(&pulled, "entitlement", "group/Engineers"), json!(["g-1"]));
        assert_eq!(pulled.of("system", &[]).len(), 1);
    }
    // Two of one name have neither it, and what could not be had goes by its id.
    with(
        &mut steps,
        "groups",
        vec![
            json!({"GroupId": "g-1", "DisplayName": "Same"}),
            json!({"GroupId": "g-2", "DisplayName": "Same"}),
        ],
    );
    with(&mut steps, "permission-sets", vec![json!({"value": SET})]);
    with(&mut steps, "users", vec![]);
    let pulled = ask(&steps, "");
    let through = pulled.one("grant", &[("account", "u-ben"), ("entitlement", "permission-set/ps-0")]);
    assert_eq!(through["path"][0]["entitlement"], "group/g-1");
    assert_eq!(aliases(&pulled, "entitlement", "group/g-2"), json!(["g-2"]));
}

#[test]
fn who_assigned_what_and_when() {
    let event = |name: &str, at: &str, by: Value| {
        let asked = json!({"targetId": ACCOUNT, "permissionSetArn": SET, "principalId": "u-ada"});
        let event = json!({"eventTime": at, "eventID": at, "eventName": name, "eventSource": "sso.amazonaws.com",
            "userIdentity": by, "requestParameters": asked});
        json!({"CloudTrailEvent": event.to_string()})
    };
    let session =
        json!({"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/Admins/cleo/x"});
    let user = json!({"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/staff/ines"});
    let root = json!({"type": "Root", "arn": "arn:aws:iam::111122223333:root"});
    let create = "CreateAccountAssignment";
    let granted = |created: Vec<Value>, deleted: Vec<Value>, settings: &str| {
        let mut steps = center();
        with(&mut steps, "assignments-created", created);
        with(&mut steps, "assignments-deleted", deleted);
        let pulled = ask(&steps, settings);
        let grant = pulled.one("grant", &[("account", "ada")]);
        [&grant["granted_at"], &grant["granted_by"]]
            .map(|field| field.as_str().unwrap_or_default().to_owned())
    };
    let (one, two, three) = ("2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z", "2026-05-03T00:00:00Z");
    let gone = |at: &str| vec![event("DeleteAccountAssignment", at, user.clone())];
    assert_eq!(
        granted(vec![event(create, two, user.clone()), event(create, one, session.clone())], vec![], ""),
        [one, "cleo/x"]
    );
    assert_eq!(
        granted(vec![event(create, three, user.clone()), event(create, one, session.clone())], gone(two), ""),
        [three, "ines"]
    );
    assert_eq!(granted(vec![event(create, two, root.clone())], gone(two), ""), [two, "<root_account>"]);
    assert_eq!(
        granted(vec![event(create, one, root)], gone(two), ""),
        ["", ""],
        "it is there, and nobody knows since when"
    );
    for (word, who) in
        [("role", "role/Admins"), ("arn", "arn:aws:sts::111122223333:assumed-role/Admins/cleo/x")]
    {
        assert_eq!(
            granted(vec![event(create, one, session.clone())], vec![], &format!("granted_by = \"{word}\""))
                [1],
            who
        );
    }
    // From after the pull.
    assert_eq!(granted(vec![event(create, "2026-06-02T00:00:00Z", user)], vec![], ""), ["", ""]);
}

#[test]
fn a_row_that_cannot_be_understood_is_named() {
    let mut steps = center();
    with(
        &mut steps,
        "assignments",
        vec![
            json!({"PrincipalType": "ROBOT", "PrincipalId": "r", "_from": {"account": ACCOUNT, "set": SET}}),
        ],
    );
    let error =
        |steps: &[(&str, Vec<Value>)]| pull("aws-identity-center", steps, "region = \"x\"").err().unwrap();
    assert!(
        error(&steps).contains("`PrincipalType` is `ROBOT`: expected USER or GROUP"),
        "{}",
        error(&steps)
    );
    with(
        &mut steps,
        "assignments",
        vec![json!({"PrincipalType": "USER", "_from": {"account": ACCOUNT, "set": SET}})],
    );
    assert!(error(&steps).contains("a row without `PrincipalId`"), "{}", error(&steps));
}
