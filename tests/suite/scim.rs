//! SCIM against a real server: what is made over its API is pulled, judged, and gone once it is taken away.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::servers;

const TOKEN: &str = "a-token-of-no-use-elsewhere";

/// The server; it ends with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(programs: &Path) -> Self {
        let port = servers::free_port();
        let child = Command::new(programs.join("scim2-server"))
            .args(["--hostname", "127.0.0.1", "--port", &port.to_string(), "--bearer-token", TOKEN])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, port };
        let end = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(server.child.try_wait().unwrap().is_none(), "the server ended");
            assert!(Instant::now() < end, "the server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// One request; the answer, null where it is empty.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let body = body.to_string();
        let head = format!(
            "{method} /v2{path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        assert!(status.starts_with('2'), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Makes one; its id.
    fn make(&self, path: &str, resource: &Value) -> String {
        self.ask("POST", path, resource)["id"].as_str().unwrap().to_owned()
    }

    fn user(&self, name: &str, more: &Value) -> String {
        let mut user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name});
        user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.make("/Users", &user)
    }

    fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let schemas = ["urn:ietf:params:scim:schemas:core:2.0:Group"];
        self.make("/Groups", &json!({"schemas": schemas, "displayName": name, "members": members}))
    }

    fn patch(&self, group: &str, operation: &Value) {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        self.ask(
            "PATCH",
            &format!("/Groups/{group}"),
            &json!({"schemas": schemas, "Operations": [operation]}),
        );
    }
}

/// A folder with a configuration whose only source is the server.
struct Desk(TempDir);

impl Desk {
    fn new(port: u16) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let token = desk.0.path().join("token");
        fs::write(&token, TOKEN).unwrap();
        owner_alone(&token);
        let text = format!(
            "[store]\npath = \"store.db\"\n\
             [[source]]\nid = \"portal\"\nconnector = \"scim\"\n\
             [source.http]\nurl = \"http://127.0.0.1:{port}/v2\"\npage_size = 2\n\
             auth.bearer.token = \"file:token\"\nconnection = {{ allow_private = true, allow_http = true }}\n\
             [source.settings]\nsystem = \"portal\"\nhigh_risk_patterns = [\"^Admins$\"]\n"
        );
        fs::write(desk.0.path().join("c.toml"), text).unwrap();
        desk
    }

    /// The JSON lines that a command prints.
    fn run(&self, arguments: &[&str]) -> Vec<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        command.args(arguments).args(["--config", "c.toml"]).current_dir(self.0.path()).env_clear();
        let done = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{said}");
        let printed = String::from_utf8(done.stdout).unwrap();
        assert!(!printed.contains(TOKEN) && !said.contains(TOKEN));
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn pull(&self) -> Vec<Value> {
        self.run(&["pull", "--source", "portal"])
    }

    /// Who is found to hold what without an approval, by the next judgement.
    fn unapproved(&self) -> Vec<String> {
        let findings = self.run(&["reconcile", "--format", "jsonl"]);
        let of = findings.iter().filter(|finding| finding["check"] == "unapproved-grant");
        let mut found: Vec<String> = of
            .map(|f| &f["grant"])
            .map(|g| format!("{} {}", g["account"].as_str().unwrap(), g["entitlement"].as_str().unwrap()))
            .collect();
        found.sort();
        found
    }
}

/// Nobody else may read a secret.
#[cfg(unix)]
fn owner_alone(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn owner_alone(_: &Path) {}

fn held(records: &[Value]) -> Vec<String> {
    let grants = records.iter().filter(|record| record["type"] == "grant");
    let mut held: Vec<String> = grants
        .map(|g| {
            let through =
                g["path"][0]["entitlement"].as_str().map(|e| format!(" by {e}")).unwrap_or_default();
            format!("{} {}{through}", g["account"].as_str().unwrap(), g["entitlement"].as_str().unwrap())
        })
        .collect();
    held.sort();
    held
}

#[test]
fn a_real_server_is_read_and_what_it_changes_is_seen() {
    let Some(programs) = servers::python("scim", &["scim2-server==0.8.3"]) else { return };
    let server = Server::start(&programs);
    let mail = |address: &str| json!({"emails": [{"value": address, "primary": true}], "active": true});
    let ada = server.user("ada", &mail("ada@example.com"));
    let ben = server.user("ben", &mail("ben@example.com"));
    let gone = server.user("gone", &json!({"active": false, "displayName": "Gone With The Wind"}));
    let inner = server.group("On Call", &[&ben, &gone]);
    let admins = server.group("Admins", &[&ada]);
    let nested = json!({"op": "add", "path": "members", "value": [{"value": inner, "type": "Group"}]});
    let readers = server.group("Readers", &[]);
    server.patch(&readers, &nested);
    let desk = Desk::new(server.port);

    // Three users and three groups, two at a time.
    let records = desk.pull();
    let end = records.last().unwrap();
    assert_eq!((&end["type"], &end["complete"]), (&json!("snapshot"), &json!(true)), "{end}");
    let first =
        ["ada Admins", "ben On Call", "ben Readers by On Call", "gone On Call", "gone Readers by On Call"];
    assert_eq!(held(&records), first);
    let identity = |id: &str| records.iter().find(|r| r["type"] == "identity" && r["id"] == id).unwrap();
    assert_eq!(identity("ada@example.com")["status"], "active");
    assert_eq!(identity("gone")["status"], "disabled");
    let risk =
        |id: &str| &records.iter().find(|r| r["type"] == "entitlement" && r["id"] == id).unwrap()["risk"];
    assert_eq!((risk("Admins"), risk("Readers")), (&json!("high"), &json!("normal")));
    assert!(desk.unapproved().contains(&"ada Admins".to_owned()));
    assert!(!desk.unapproved().contains(&"ben Admins".to_owned()));

    // Granted …
    server.patch(&admins, &json!({"op": "add", "path": "members", "value": [{"value": ben}]}));
    assert!(held(&desk.pull()).contains(&"ben Admins".to_owned()));
    assert!(desk.unapproved().contains(&"ben Admins".to_owned()));

    // … and taken away.
    server.patch(&admins, &json!({"op": "remove", "path": format!("members[value eq \"{ben}\"]")}));
    assert_eq!(held(&desk.pull()), first);
    assert!(!desk.unapproved().contains(&"ben Admins".to_owned()));
}
