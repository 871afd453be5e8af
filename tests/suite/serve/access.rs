//! Who may see and do what: tokens, sessions, roles, other hosts, other sites.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use counterfoil::model::event::State;
use counterfoil::model::life::{SourceState, Trouble};
use counterfoil::model::{Duration, Instant};
use counterfoil::serve::{Facts, Serve, Server, Site, Status};
use counterfoil::store::{Batch, Sqlite, Store};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::super::life::Bench;
use super::{Answer, send};

const NOW: &str = "2026-06-01T13:00:00Z";
pub const VIEWER: &str = "viewer-viewer-viewer-viewer";
pub const OPERATOR: &str = "operator-operator-operator";
pub const AUDITOR: &str = "auditor-auditor-auditor-a";
pub const DECIDER: &str = "decider-decider-decider-d";

/// A store with findings of a small company: its file goes with the folder.
pub fn small_company() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("s.db")).unwrap();
    let mut bench =
        Bench::on(Box::new(store), super::super::life::rules(&["unapproved-grant", "orphan-account"]));
    for account in ["alice", "boss", "nobody"] {
        bench.put("iam", json!({"type": "grant", "system": "vpn", "account": account, "entitlement": "use"}));
    }
    bench.pull();
    folder
}

/// A server on that store at which one signs in, for the time of a test.
pub struct House {
    pub address: SocketAddr,
    pub store: Sqlite,
    pub woken: Arc<AtomicUsize>,
    site: Arc<Site>,
    pub status: Arc<Status>,
    runtime: tokio::runtime::Runtime,
    end: Option<oneshot::Sender<()>>,
    /// Goes with the server.
    folder: TempDir,
}

impl House {
    pub fn new(signs_in: bool) -> Self {
        Self::on(small_company(), signs_in)
    }

    pub fn on(folder: TempDir, signs_in: bool) -> Self {
        Self::with(folder, signs_in, "")
    }

    /// With more in its configuration.
    pub fn with(folder: TempDir, signs_in: bool, more: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut text = "listen = \"127.0.0.1:0\"\n".to_owned();
        if signs_in {
            for (name, token) in
                [("viewer", VIEWER), ("operator", OPERATOR), ("auditor", AUDITOR), ("decider", DECIDER)]
            {
                let path = folder.path().join(name);
                std::fs::write(&path, token).unwrap();
                #[cfg(unix)]
                std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
                text += &format!(
                    "[[token]]\nname = \"{name}@corp.example\"\nsecret = \"file:{name}\"\nroles = [\"{name}\"]\n"
                );
            }
        }
        // What is said of no table comes first.
        let (own, tables) = more.find('[').map_or((more, ""), |at| more.split_at(at));
        let text = format!("{own}\n{text}{tables}");
        let serve: Serve = toml::from_str(&text).unwrap();
        let open = || Sqlite::open(&folder.path().join("s.db")).unwrap();
        let stores: Vec<Box<dyn Store>> = vec![Box::new(open()), Box::new(open())];
        let woken = Arc::new(AtomicUsize::new(0));
        let wake = Arc::clone(&woken);
        let now = || Instant::parse(NOW).unwrap();
        let status = Arc::new(Status::new("1.2.3"));
        let look = Arc::new(move || {
            wake.fetch_add(1, Ordering::SeqCst);
        });
        let site = Site::new(&serve, folder.path(), Arc::clone(&status), stores, now, look).unwrap();
        let mut facts = Facts { max_exception: Duration::days(30), ..Facts::default() };
        for (id, connector) in [("hr", "records"), ("tickets", "jira"), ("iam", "records")] {
            facts.sources.insert(id.to_owned(), connector.to_owned());
        }
        site.set_facts(facts);
        let (end, ended) = oneshot::channel::<()>();
        let site = Arc::new(site);
        if site.decides() {
            site.keep_decisions(Box::new(open())).unwrap();
        }
        let server = runtime.block_on(Server::bind(&serve, Arc::clone(&site))).unwrap();
        let address = server.address();
        runtime.spawn(server.run(async { drop(ended.await) }));
        Self { address, store: open(), woken, site, status, runtime, end: Some(end), folder }
    }

    /// Where its store and its secrets are.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// As if a run had ended.
    pub fn renew(&self, changed: bool) {
        self.site.renew_decisions(changed);
    }

    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let host =
            if headers.contains("host:") { String::new() } else { format!("host: {}\r\n", self.address) };
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let request =
            format!("{method} {path} HTTP/1.1\r\n{host}connection: close\r\n{headers}{length}\r\n{body}");
        self.runtime.block_on(send(self.address, request.as_bytes())).unwrap()
    }

    pub fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, &bearer(token), "")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.end.take());
    }
}

pub fn bearer(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") }
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

#[test]
fn nothing_but_health_is_told_to_who_has_not_signed_in() {
    let house = House::new(true);
    assert_eq!(house.get("/healthz", "").code, 200);
    let ready = house.get("/readyz", "");
    assert_eq!((ready.code, ready.body.as_str()), (503, "{\"ready\":false}"), "not why: that names sources");
    for path in ["/metrics", "/api/v1/findings", "/api/v1/findings/f1:x"] {
        for token in ["", "wrong-wrong-wrong-wrong-wrong", &VIEWER[1..], DECIDER] {
            let answer = house.get(path, token);
            let code = if token == DECIDER { 403 } else { 401 };
            assert_eq!(answer.code, code, "{path} with {token:?}");
            assert!(body(&answer)["error"].is_string());
        }
        let basic = house.ask("GET", path, "authorization: Basic dmlld2VyOnZpZXdlcg==\r\n", "");
        assert_eq!(basic.code, 401);
    }
    assert!(house.get("/readyz", VIEWER).body.contains("reasons"));
    assert_eq!(house.get("/metrics", VIEWER).code, 200);
    let page = house.ask("GET", "/api/v1/findings?state=open", "accept: text/html\r\n", "");
    assert_eq!(page.code, 303);
    assert!(
        page.head.contains("location: /sign-in?then=%2fapi%2fv1%2ffindings%3fstate%3dopen"),
        "{}",
        page.head
    );
    assert!(
        page.head.contains("content-security-policy: default-src 'none'") && page.head.contains("no-store")
    );
}

#[test]
fn where_nobody_signs_in_a_page_elsewhere_learns_and_changes_nothing() {
    let house = House::new(false);
    assert_eq!(house.get("/api/v1/findings", "").code, 200);
    let elsewhere = house.ask("GET", "/api/v1/findings", "host: rebound.evil.example\r\n", "");
    assert_eq!(elsewhere.code, 421);
    assert_eq!(house.ask("GET", "/api/v1/findings", "host: localhost:1\r\n", "").code, 200);
    let id =
        body(&house.get("/api/v1/findings", ""))["findings"][0]["finding"]["id"].as_str().unwrap().to_owned();
    let wanted = json!({"until": "2026-06-10T00:00:00Z", "reason": "because"}).to_string();
    let refused = house.ask(
        "POST",
        &format!("/api/v1/findings/{id}/accept"),
        "content-type: application/json\r\n",
        &wanted,
    );
    assert_eq!(refused.code, 403, "nobody would answer for it");
    assert!(refused.body.contains("[[serve.token]]"), "{}", refused.body);
}

#[test]
fn findings_are_filtered_put_in_order_paged_and_counted() {
    let house = House::new(true);
    let ask = |query: &str| {
        let answer = house.get(&format!("/api/v1/findings{query}"), VIEWER);
        assert_eq!(answer.code, 200, "{query}: {answer:?}");
        body(&answer)
    };
    let all = ask("");
    assert_eq!((&all["total"], &all["limit"]), (&json!(4), &json!(100)));
    let orphan = ask("?check=orphan-account");
    assert_eq!(orphan["total"], 1);
    assert_eq!(orphan["findings"][0]["finding"]["grant"]["account"], "nobody");
    assert_eq!(ask("?account=alice&system=vpn&severity=high&state=open&state=accepted")["total"], 1);
    assert_eq!(ask("?subject=alice%40corp.example")["total"], 1);
    assert_eq!(ask("?q=ALICE")["total"], 1);
    assert_eq!(ask("?q=%25")["total"], 0, "a sign that means something in a pattern");
    assert_eq!(ask("?owner=owner%40corp.example")["total"], 4);
    assert_eq!(ask("?owner=")["total"], 0);
    assert_eq!(ask("?state=resolved")["total"], 0);
    assert_eq!(ask("?before=2026-06-01T12:00:00Z")["total"], 0);
    let mut seen = vec![];
    for offset in 0..5 {
        let page = ask(&format!("?sort=check&order=asc&limit=1&offset={offset}"));
        assert_eq!(page["total"], 4);
        seen.extend(
            page["findings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|f| f["finding"]["check"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(seen, ["orphan-account", "unapproved-grant", "unapproved-grant", "unapproved-grant"]);
    let groups = ask("?group=check");
    assert_eq!(groups["groups"][0]["name"], "unapproved-grant");
    assert_eq!(groups["groups"][0]["count"], 3);
    assert_eq!(ask("?group=request")["groups"][0]["name"], Value::Null);
    let bad = house.get("/api/v1/findings?sevrity=high", VIEWER);
    assert_eq!(bad.code, 400);
    assert!(body(&bad)["error"].as_str().unwrap().contains("`sevrity`"));
    assert_eq!(house.get("/api/v1/findings/f1:none", VIEWER).code, 404);
    let id = orphan["findings"][0]["finding"]["id"].as_str().unwrap();
    assert_eq!(body(&house.get(&format!("/api/v1/findings/{id}"), AUDITOR))["state"], "open");
}

#[test]
fn a_finding_is_accepted_by_who_may_and_in_that_name() {
    let mut house = House::new(true);
    let found = body(&house.get("/api/v1/findings?account=alice", VIEWER));
    let id = found["findings"][0]["finding"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/findings/{id}/accept");
    let accept = |house: &House, token: &str, body: &str| {
        house.ask("POST", &path, &format!("{}content-type: application/json\r\n", bearer(token)), body)
    };
    let wanted = json!({"until": "2026-06-10T00:00:00Z", "reason": "a change is under way"}).to_string();
    for token in [VIEWER, AUDITOR, DECIDER] {
        assert_eq!(accept(&house, token, &wanted).code, 403);
    }
    for (body, code) in [
        ("", 400),
        ("{", 400),
        ("[]", 422),
        ("{\"until\":\"2026-06-10\",\"reason\":\"x\"}", 422),
        ("{\"until\":\"2026-06-10T00:00:00Z\",\"reason\":\"\"}", 422),
        ("{\"until\":\"2026-06-01T00:00:00Z\",\"reason\":\"x\"}", 422),
        ("{\"until\":\"2027-06-01T00:00:00Z\",\"reason\":\"x\"}", 422),
        ("{\"until\":\"2026-06-10T00:00:00Z\",\"reason\":\"x\",\"by\":\"boss\"}", 422),
    ] {
        let answer = accept(&house, OPERATOR, body);
        assert_eq!(answer.code, code, "{body}: {answer:?}");
        assert!(self::body(&answer)["error"].is_string());
    }
    assert!(house.store.accepted(Instant::parse(NOW).unwrap()).unwrap().is_empty());
    assert_eq!(accept(&house, OPERATOR, &wanted).code, 200);
    let given = house.store.accepted(Instant::parse(NOW).unwrap()).unwrap();
    assert_eq!((given[0].by.as_str(), given[0].finding.as_str()), ("operator@corp.example", id.as_str()));
    assert_eq!(house.woken.load(Ordering::SeqCst), 1, "and it is told soon");
    // What is resolved cannot be accepted.
    let life =
        counterfoil::model::life::Life { state: State::Resolved, ..house.store.life(&id).unwrap().unwrap() };
    house.store.commit(Batch { lives: vec![life], ..Batch::default() }).unwrap();
    assert_eq!(accept(&house, OPERATOR, &wanted).code, 404);
}

#[test]
fn a_browser_signs_in_is_remembered_and_speaks_only_for_itself() {
    let house = House::new(true);
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    assert_eq!(house.get("/sign-in", "").code, 200);
    let wrong = house.ask("POST", "/sign-in", form, "token=wrong-wrong-wrong-wrong");
    assert_eq!(wrong.code, 401);
    assert!(!wrong.head.contains("set-cookie"));
    let answer = house.ask("POST", "/sign-in", form, &format!("token={OPERATOR}&then=%2Fx%3Fa"));
    assert_eq!(answer.code, 303);
    assert!(
        answer.head.contains("location: /x?a") && answer.head.contains("httponly; samesite=lax"),
        "{}",
        answer.head
    );
    let away = house.ask("POST", "/sign-in", form, &format!("token={OPERATOR}&then=%2F%2Fevil.example"));
    assert!(away.head.contains("location: /\r\n"), "{}", away.head);
    let cookie = {
        // The head is lower case here, so the cookie is asked for again as it is.
        let raw = house.raw("POST", "/sign-in", form, &format!("token={OPERATOR}"));
        let at = raw.find("counterfoil_session=").unwrap();
        raw[at..].split(';').next().unwrap().to_owned()
    };
    let with = format!("cookie: other=1; {cookie}\r\n");
    assert_eq!(house.ask("GET", "/api/v1/findings", &with, "").code, 200);
    let found = house.ask("GET", "/api/v1/findings?account=alice", &with, "");
    let id = body(&found)["findings"][0]["finding"]["id"].as_str().unwrap().to_owned();
    let wanted = json!({"until": "2026-06-10T00:00:00Z", "reason": "x"}).to_string();
    let post = |headers: &str| {
        let headers = format!("{with}content-type: application/json\r\n{headers}");
        house.ask("POST", &format!("/api/v1/findings/{id}/accept"), &headers, &wanted)
    };
    assert_eq!(post("").code, 403, "a session alone is not enough");
    assert_eq!(post("x-csrf-token: guessed\r\n").code, 403);
    assert_eq!(post("sec-fetch-site: cross-site\r\n").code, 403);
    assert!(house.store.accepted(Instant::parse(NOW).unwrap()).unwrap().is_empty());
    assert_eq!(house.ask("POST", "/sign-out", &with, "").code, 303);
    assert_eq!(
        house.ask("GET", "/api/v1/findings", &with, "").code,
        401,
        "the cookie means nothing any more"
    );
}

impl House {
    /// The answer as it came.
    pub fn raw(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// As if the last pull of a source were held.
    pub fn hold(&mut self, source: &str, run: u64) {
        let trouble = Some(Trouble::Held { run, before: 10, now: 1, reason: "9 of 10 are gone".to_owned() });
        let state = self.store.sources().unwrap().into_iter().find(|s| s.id == source).unwrap_or_default();
        self.store.save_source(&SourceState { id: source.to_owned(), trouble, ..state }).unwrap();
    }
}

#[test]
fn a_held_pull_is_let_pass_by_who_looked_at_it() {
    let mut house = House::new(true);
    house.hold("iam", 7);
    let sources = body(&house.get("/api/v1/sources", VIEWER));
    let iam = sources["sources"].as_array().unwrap().iter().find(|s| s["id"] == "iam").unwrap();
    assert_eq!(
        (&iam["state"], &iam["trouble"]["run"], &iam["connector"]),
        (&json!("held"), &json!(7), &json!("records"))
    );
    let approve = |house: &House, source: &str, token: &str, run: u64| {
        let headers = format!("{}content-type: application/json\r\n", bearer(token));
        house
            .ask(
                "POST",
                &format!("/api/v1/sources/{source}/approve"),
                &headers,
                &json!({ "run": run }).to_string(),
            )
            .code
    };
    assert_eq!(approve(&house, "iam", VIEWER, 7), 403);
    assert_eq!(approve(&house, "iam", OPERATOR, 6), 409, "not the one that was looked at");
    assert_eq!(approve(&house, "hr", OPERATOR, 7), 409);
    assert_eq!(approve(&house, "none", OPERATOR, 7), 404);
    let approved =
        |house: &House| house.store.sources().unwrap().into_iter().find(|s| s.id == "iam").unwrap().approved;
    assert_eq!(approved(&house), None);
    assert_eq!(approve(&house, "iam", OPERATOR, 7), 200);
    assert_eq!((approved(&house), house.woken.load(Ordering::SeqCst)), (Some(1), 1));
}

#[test]
fn what_runs_did_is_for_auditors() {
    let house = House::new(true);
    assert_eq!(house.get("/api/v1/runs", VIEWER).code, 403);
    let runs = body(&house.get("/api/v1/runs?limit=1", AUDITOR));
    assert_eq!(runs["runs"][0]["manifest"]["grants"], 3);
    assert_eq!(house.get("/api/v1/runs?limit=0x", AUDITOR).code, 400);
}

#[test]
fn tokens_that_are_short_shared_or_open_to_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    write("short", "0123456789", 0o600);
    write("good", "0123456789012345678901234567", 0o600);
    write("open", "0123456789012345678901234567", 0o644);
    let refused = |entries: &str| {
        let serve: Serve = toml::from_str(entries).unwrap();
        let status = Arc::new(Status::new("1"));
        let site = Site::new(&serve, folder.path(), status, vec![], || Instant::MIN, Arc::new(|| {}));
        site.err().map(|e| e.to_string())
    };
    let entry = |name: &str, file: &str, roles: &str| {
        format!("[[token]]\nname = \"{name}\"\nsecret = \"file:{file}\"\nroles = {roles}\n")
    };
    let good = entry("a", "good", "[\"viewer\"]");
    assert_eq!(refused(&good), None);
    for (entries, says) in [
        (entry("a", "short", "[\"viewer\"]"), "fewer than 20 characters"),
        (entry("", "good", "[\"viewer\"]"), "`name` is empty"),
        (entry("a", "good", "[]"), "`roles` is empty"),
        (entry("a", "none", "[\"viewer\"]"), "none"),
        (good.clone() + &entry("b", "good", "[\"operator\"]"), "another entry has the same token"),
    ] {
        let error = refused(&entries).unwrap();
        assert!(error.contains(says) && !error.contains("0123456789"), "{error}");
    }
    #[cfg(unix)]
    assert!(refused(&entry("a", "open", "[\"viewer\"]")).is_some());
    assert!(
        toml::from_str::<Serve>("[[token]]\nname = \"a\"\nsecret = \"file:x\"\nroles = [\"admin\"]").is_err()
    );
}
