//! AWS IAM and IAM Identity Center, as moto plays them: a pull finds what boto3 made, and the next run of the program says what
//! was granted and revoked in between.

mod server;

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;
use server::Moto;
use tempfile::TempDir;

/// Keys that moto takes for those of its first account.
const KEYS: &str = "access_key_id = \"file:id\"\nsecret_access_key = \"file:key\"\n";

/// Checks of what is not what happens here: how well an approval is written down, whose an account is, its use.
const OFF: [&str; 6] = [
    "missing-justification",
    "missing-owner",
    "missing-policy-basis",
    "missing-review-date",
    "orphan-account",
    "usage-unknown",
];

/// A folder with a configuration, from which the program is run.
struct Desk(TempDir);

impl Desk {
    /// One source of AWS, another of tickets and people, and a store.
    fn new(source: &str, tickets: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for (name, secret) in [("id", "AKIAEXAMPLEEXAMPLE12"), ("key", "example/secret+key")] {
            desk.write(name, secret);
            std::fs::set_permissions(desk.0.path().join(name), Permissions::from_mode(0o600)).unwrap();
        }
        desk.write("tickets.jsonl", tickets);
        let tickets = "[[source]]\nid = \"tickets\"\nconnector = \"records\"\nfiles = [\"tickets.jsonl\"]\n";
        let off = OFF.map(|check| format!("{check} = {{ enabled = false }}\n")).concat();
        let rest = format!("{tickets}[checks]\n{off}[store]\npath = \"counterfoil.db\"\n");
        desk.write("c.toml", &format!("{source}\n{rest}"));
        desk
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    /// Runs the program: what it printed, line by line, and what it said.
    fn run(&self, arguments: &[&str]) -> (Vec<Value>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        let done = command.args(arguments).current_dir(self.0.path()).env_clear().output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{arguments:?}: {said}");
        let lines = String::from_utf8(done.stdout).unwrap();
        (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), said)
    }

    /// Pulls a source: its records in short, and the end mark.
    fn pull(&self, source: &str) -> (BTreeSet<String>, Value) {
        let (mut records, _) = self.run(&["pull", "--config", "c.toml", "--source", source]);
        let end = records.pop().unwrap();
        assert_eq!(end["count"], records.len());
        (records.iter().map(short).collect(), end)
    }

    /// Reconciles: which grants nobody approved, in short, and how many findings are new, changed and resolved.
    fn reconcile(&self) -> (BTreeSet<String>, String) {
        let (findings, said) = self.run(&["reconcile", "--config", "c.toml", "--format", "jsonl"]);
        let open = findings.iter().map(|finding| {
            assert_eq!(finding["check"], "unapproved-grant", "{finding}");
            let grant = &finding["grant"];
            let through = grant["path"].as_array().into_iter().flatten();
            let through: Vec<&str> = through.filter_map(|step| step["entitlement"].as_str()).collect();
            let what = format!("{} {}", grant["account"], grant["entitlement"]);
            let through =
                if through.is_empty() { String::new() } else { format!(" ({})", through.join(", ")) };
            format!("{}{through}", what.replace('"', ""))
        });
        let run = said.lines().find(|line| line.contains("findings new")).unwrap_or(&said);
        let counts = run.split_once(": ").unwrap().1.split_once(": ").unwrap().1;
        (open.collect(), counts.to_owned())
    }
}

/// A record in short: what it is about, and what is known of it.
fn short(record: &Value) -> String {
    let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
    let mut words = vec![text("type")];
    words.extend(
        ["system", "id", "account", "entitlement"].iter().map(|key| text(key)).filter(|t| !t.is_empty()),
    );
    for (key, mark) in [
        ("risk", "risk"),
        ("ticket", "ticket"),
        ("owner", "owner"),
        ("mode", "mode"),
        ("attribution", "use of"),
    ] {
        if let Some(word) = record[key].as_str().filter(|word| *word != "normal") {
            words.push(format!("{mark} {word}"));
        }
    }
    for key in ["path", "includes"] {
        let steps = record[key].as_array().into_iter().flatten();
        words.extend(steps.filter_map(|step| Some(format!("{key} {}", step["entitlement"].as_str()?))));
    }
    words.join(" ")
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn access(moto: &Moto) -> String {
    format!(
        "[source.http]\nurl = \"{}\"\nconnection = {{ allow_private = true }}\n[source.http.auth.aws]\n{KEYS}",
        moto.url()
    )
}

const PEOPLE: &str = r#"
{"type":"identity","id":"ada@corp.example","aliases":["ada"]}
{"type":"identity","id":"ben@corp.example","aliases":["ben"]}
{"type":"identity","id":"cleo@corp.example","aliases":["cleo"]}
{"type":"identity","id":"ines@corp.example"}
"#;

/// An approved request.
fn approved(id: &str, for_whom: &str, system: &str, entitlement: &str) -> String {
    format!(
        r#"{{"type":"request","source":"tickets","id":"{id}","state":"approved","beneficiaries":["{for_whom}@corp.example"],"access":[{{"system":"{system}","entitlement":"{entitlement}"}}],"approvals":[{{"approver":"ines@corp.example","decision":"approved","decided_at":"2025-01-10T09:00:00Z"}}],"requested_at":"2025-01-09T09:00:00Z","decided_at":"2025-01-10T09:00:00Z"}}"#
    ) + "\n"
}

#[test]
fn users_groups_roles_and_policies_of_iam() {
    let Some(moto) = Moto::start() else { return };
    let other = "arn:aws:iam::444455556666:role/counterfoil";
    let source = format!(
        "[[source]]\nid = \"aws\"\nconnector = \"aws-iam\"\n{}\n[source.settings]\ncloudtrail = false\n\n\
         [[source]]\nid = \"other\"\nconnector = \"aws-iam\"\n{}role_arn = \"{other}\"\nsts_url = \"{}\"\n\
         [source.settings]\ncloudtrail = false\nsystem = \"aws-sandbox\"\n",
        access(&moto),
        access(&moto),
        moto.url(),
    );
    let tickets = PEOPLE.to_owned()
        + &approved("SEC-1", "ada", "aws-123456789012", "AdministratorAccess")
        + &approved("SEC-2", "ben", "aws-123456789012", "developers");
    let desk = Desk::new(&source, &tickets);
    moto.run(
        r#"
for name in ["ada", "ben"]:
    iam.create_user(UserName=name, Tags=[{"Key": "Ticket", "Value": "SEC-1"}] if name == "ada" else [])
iam.create_group(GroupName="developers")
iam.add_user_to_group(GroupName="developers", UserName="ben")
release = policy(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::releases/*")
release = iam.create_policy(PolicyName="Release+Bucket", PolicyDocument=release)["Policy"]["Arn"]
everything = iam.create_policy(PolicyName="Everything", PolicyDocument=policy("iam:*"))["Policy"]["Arn"]
iam.attach_user_policy(UserName="ada", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
iam.attach_group_policy(GroupName="developers", PolicyArn=release)
iam.put_group_policy(GroupName="developers", PolicyName="logs", PolicyDocument=policy("logs:*"))
iam.create_role(RoleName="deploy", Path="/ci/", Tags=[{"Key": "owner", "Value": "ines@corp.example"}],
                AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::%s:user/ben" % ACCOUNT, "Service": "ec2.amazonaws.com"}))
iam.attach_role_policy(RoleName="deploy", PolicyArn=everything)
iam.create_login_profile(UserName="ben", Password="Example-password-1")

# Another account, in which a role is taken on.
keys = client("sts").assume_role(RoleArn="arn:aws:iam::444455556666:role/counterfoil", RoleSessionName="seed")["Credentials"]
there = client("iam", "us-east-1", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
               aws_session_token=keys["SessionToken"])
there.create_user(UserName="cleo")
there.attach_user_policy(UserName="cleo", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
"#,
    );
    let (records, end) = desk.pull("aws");
    assert_eq!((end["complete"].clone(), end["reason"].clone()), (true.into(), Value::Null));
    assert_eq!(end["systems"], serde_json::json!(["aws-123456789012"]));
    let expected = lines(
        "system aws-123456789012
        entitlement aws-123456789012 AdministratorAccess risk high
        entitlement aws-123456789012 policy/Release+Bucket
        entitlement aws-123456789012 policy/Everything risk high
        entitlement aws-123456789012 inline/group/developers/logs
        entitlement aws-123456789012 group/developers includes policy/Release+Bucket includes inline/group/developers/logs
        entitlement aws-123456789012 role/deploy risk high owner ines@corp.example
        grant aws-123456789012 ada AdministratorAccess ticket SEC-1
        grant aws-123456789012 ben group/developers
        grant aws-123456789012 ben policy/Release+Bucket path group/developers
        grant aws-123456789012 ben inline/group/developers/logs path group/developers
        grant aws-123456789012 ben role/deploy
        grant aws-123456789012 ec2.amazonaws.com role/deploy
        grant aws-123456789012 role/deploy policy/Everything
        usage aws-123456789012 ada use of account
        usage aws-123456789012 ben use of account",
    );
    assert_eq!(records, expected);
    let (records, end) = desk.pull("other");
    assert_eq!(end["complete"], true);
    assert!(records.contains("grant aws-sandbox cleo ReadOnlyAccess") && records.len() == 4, "{records:?}");

    let before = lines(
        "ben role/deploy
        cleo ReadOnlyAccess
        ec2.amazonaws.com role/deploy
        role/deploy policy/Everything",
    );
    let (open, _) = desk.reconcile();
    assert_eq!(open, before);
    let (open, counts) = desk.reconcile();
    assert_eq!((open, counts.as_str()), (before.clone(), "0 findings new, 0 changed, 0 resolved"));

    moto.run("iam.attach_user_policy(UserName=\"ben\", PolicyArn=\"arn:aws:iam::aws:policy/IAMFullAccess\")");
    let (open, counts) = desk.reconcile();
    let mut more = before.clone();
    more.insert("ben IAMFullAccess".to_owned());
    assert_eq!((open, counts.as_str()), (more, "1 findings new, 0 changed, 0 resolved"));

    moto.run(
        r#"
iam.detach_user_policy(UserName="ben", PolicyArn="arn:aws:iam::aws:policy/IAMFullAccess")
iam.update_assume_role_policy(RoleName="deploy", PolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
"#,
    );
    let (open, counts) = desk.reconcile();
    let mut left = before;
    left.remove("ben role/deploy");
    assert_eq!((open, counts.as_str()), (left, "0 findings new, 0 changed, 2 resolved"));
}

#[test]
fn permission_sets_and_groups_of_identity_center() {
    let Some(moto) = Moto::start() else { return };
    let source = format!(
        "[[source]]\nid = \"center\"\nconnector = \"aws-identity-center\"\n{}\n\
         [source.settings]\nregion = \"eu-central-1\"\ncloudtrail = false\nowner_tag = \"\"\n",
        access(&moto),
    );
    let tickets = PEOPLE.to_owned()
        + &approved("SEC-1", "ada", "Master", "permission-set/Admin")
        + &approved("SEC-2", "ben", "aws-identity-center", "Engineers");
    let desk = Desk::new(&source, &tickets);
    moto.run(
        r#"
client("organizations", "us-east-1").create_organization(FeatureSet="ALL")
for name in ["ada", "ben", "cleo"]:
    store.create_user(**of_store, UserName=name, DisplayName=name.title(), Name={"GivenName": name, "FamilyName": "X"})
store.create_group(**of_store, DisplayName="Engineers")
store.create_group_membership(**membership("ben", "Engineers"))
for name in ["Admin", "Deploy", "Read"]:
    arn = sso.create_permission_set(**here, Name=name)["PermissionSet"]["PermissionSetArn"]
    sso.provision_permission_set(**here, PermissionSetArn=arn, TargetType="ALL_PROVISIONED_ACCOUNTS")
sso.attach_managed_policy_to_permission_set(
    **here, PermissionSetArn=permission_set("Admin"), ManagedPolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
sso.put_inline_policy_to_permission_set(**here, PermissionSetArn=permission_set("Deploy"), InlinePolicy=policy("iam:*"))
sso.create_account_assignment(**assignment("USER", user("ada"), "Admin"))
sso.create_account_assignment(**assignment("GROUP", group("Engineers"), "Read"))
"#,
    );
    let (records, end) = desk.pull("center");
    assert_eq!((end["complete"].clone(), end["reason"].clone()), (true.into(), Value::Null));
    assert_eq!(end["systems"], serde_json::json!(["aws-123456789012", "aws-identity-center"]));
    let expected = lines(
        "system aws-identity-center
        system aws-123456789012
        entitlement aws-identity-center group/Engineers includes permission-set/Read
        entitlement aws-123456789012 permission-set/Admin risk high
        entitlement aws-123456789012 permission-set/Deploy risk high
        entitlement aws-123456789012 permission-set/Read
        grant aws-123456789012 ada permission-set/Admin
        grant aws-identity-center ben group/Engineers
        grant aws-123456789012 ben permission-set/Read path group/Engineers",
    );
    assert_eq!(records, expected);
    let (open, _) = desk.reconcile();
    assert_eq!(open, lines(""));

    moto.run(
        r#"
sso.create_account_assignment(**assignment("USER", user("ben"), "Deploy"))
store.create_group_membership(**membership("cleo", "Engineers"))
"#,
    );
    let (open, counts) = desk.reconcile();
    let found = lines(
        "ben permission-set/Deploy
        cleo group/Engineers
        cleo permission-set/Read (group/Engineers)",
    );
    assert_eq!((open, counts.as_str()), (found, "3 findings new, 0 changed, 0 resolved"));

    moto.run(
        r#"
sso.delete_account_assignment(**assignment("USER", user("ben"), "Deploy"))
sso.delete_account_assignment(**assignment("GROUP", group("Engineers"), "Read"))
"#,
    );
    let (open, counts) = desk.reconcile();
    let left = lines("cleo group/Engineers");
    assert_eq!((open, counts.as_str()), (left, "0 findings new, 0 changed, 2 resolved"));

    moto.run(
        r#"
gone = store.get_group_membership_id(**membership("cleo", "Engineers"))["MembershipId"]
store.delete_group_membership(**of_store, MembershipId=gone)
"#,
    );
    let (open, counts) = desk.reconcile();
    assert_eq!((open, counts.as_str()), (lines(""), "0 findings new, 0 changed, 1 resolved"));
}
