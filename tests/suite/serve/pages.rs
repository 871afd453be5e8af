//! The pages: every link leads somewhere, filters stay, nothing that others wrote becomes markup, forms do what they say for
//! whoever may; and a browser has nothing to complain of.

use std::collections::{BTreeSet, VecDeque};
use std::process::Command;

use counterfoil::model::Instant;
use counterfoil::store::{Sqlite, Store};
use serde_json::json;

use super::super::life::{Bench, rules, ticket};
use super::super::servers;
use super::Answer;
use super::access::{AUDITOR, House, OPERATOR, VIEWER, bearer};

const PAGE: &str = "accept: text/html\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

fn page(house: &House, path: &str) -> Answer {
    house.ask("GET", path, &format!("{}{PAGE}", bearer(VIEWER)), "")
}

/// The paths of this site that a page leads to.
fn links(html: &str) -> Vec<String> {
    let all = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    all.filter(|to| to.starts_with('/')).map(|to| to.replace("&amp;", "&").replace("&#39;", "'")).collect()
}

/// Visits everything that links lead to, from the first page on; each page as it came.
fn crawl(house: &House) -> Vec<(String, String)> {
    let (mut todo, mut seen, mut pages) = (VecDeque::from(["/".to_owned()]), BTreeSet::new(), vec![]);
    while let Some(path) = todo.pop_front() {
        if pages.len() >= 400 || !seen.insert(path.clone()) {
            continue;
        }
        let answer = page(house, &path);
        assert_eq!(answer.code, 200, "{path}: {}", answer.body);
        if path.starts_with("/assets/") {
            assert!(answer.head.contains("text/css") && answer.head.contains("immutable"), "{}", answer.head);
            continue;
        }
        assert!(answer.head.contains("content-type: text/html"), "{path}: {}", answer.head);
        todo.extend(links(&answer.body));
        pages.push((path, answer.body));
    }
    pages
}

#[test]
fn every_link_leads_somewhere_and_every_page_is_plain() {
    let house = House::new(true);
    let pages = crawl(&house);
    let has = |start: &str| pages.iter().any(|(path, _)| path.starts_with(start));
    for start in [
        "/findings?",
        "/findings/f1",
        "/people",
        "/people/",
        "/sources",
        "/exceptions",
        "/checks/",
        "/grants?",
    ] {
        assert!(has(start), "no page leads to {start}");
    }
    for (path, html) in &pages {
        for never in ["<script", " style=", " onclick", "javascript:", "<iframe", "http://", "https://"] {
            let html = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!html.contains(never), "{path} holds {never}");
        }
        assert_eq!(html.matches("<h1").count(), 1, "{path}");
        assert!(html.contains("<main id=\"main\"") && html.contains("class=\"skip\""), "{path}");
        assert_eq!(html.matches('<').count(), html.matches('>').count(), "{path}");
    }
}

#[test]
fn nothing_that_others_wrote_becomes_markup() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("s.db")).unwrap();
    let mut bench =
        Bench::on(Box::new(store), rules(&["unapproved-grant", "orphan-account", "missing-review-date"]));
    let hostile = "<script>alert(1)</script>\"'&\u{202e}\u{1b}[31m/../x?y#z";
    for (system, account) in [(hostile, "alice"), ("vpn", hostile)] {
        bench.put("iam", json!({"type": "grant", "system": system, "account": account, "entitlement": hostile, "scope": hostile}));
    }
    let mut asked = ticket(hostile, "approved", &["alice"]);
    asked["url"] = json!("javascript:alert(1)");
    bench.put("tickets", asked);
    bench.pull();
    drop(bench);
    let house = House::on(folder, true);
    let pages = crawl(&house);
    assert!(pages.len() > 20);
    let mut shown = 0;
    for (path, html) in &pages {
        assert!(!html.contains("<script") && !html.contains("javascript:"), "{path}");
        assert!(!html.contains('\u{202e}') && !html.contains('\u{1b}'), "{path}: what cannot be seen");
        shown += html.matches("&lt;script&gt;").count();
    }
    assert!(shown > 10, "and yet it is shown");
}

#[test]
fn what_is_asked_for_stands_in_the_address() {
    let house = House::new(true);
    let listed = page(&house, "/findings?check=unapproved-grant&limit=1&sort=check&order=asc");
    assert!(listed.body.contains("1–1 of 3"), "{}", listed.body);
    let next = links(&listed.body).into_iter().find(|to| to.contains("offset=1")).unwrap();
    assert!(
        next.contains("check=unapproved%2Dgrant") && next.contains("limit=1") && next.contains("sort=check"),
        "{next}"
    );
    assert!(page(&house, &next).body.contains("2–2 of 3"));
    let groups = page(&house, "/findings?check=unapproved-grant&group=owner");
    let into = links(&groups.body).into_iter().find(|to| to.contains("owner=")).unwrap();
    assert!(into.contains("check=unapproved%2Dgrant"), "{into}");
    // What a form sends and left empty does not make the address longer.
    let sent = page(
        &house,
        "/findings?form=1&q=&state=open&severity=high&check=&system=vpn&owner=&sort=severity&order=desc",
    );
    assert_eq!(sent.code, 303);
    assert!(sent.head.contains("location: /findings?severity=high&system=vpn\r\n"), "{}", sent.head);
    let none = page(&house, "/findings?q=nothing%20of%20the%20kind");
    assert!(none.body.contains("No finding fits"), "an empty list says what to do");
}

#[test]
fn what_is_refused_is_a_page_for_people_and_json_for_programs() {
    let house = House::new(true);
    for (path, code) in [
        ("/findings/f1:none", 404),
        ("/nothing", 404),
        ("/findings?sevrity=high", 400),
        ("/grants?system=a", 400),
        ("/grants?system=a&account=b&entitlement=c", 404),
        ("/requests/jira/none", 404),
        ("/checks/none", 404),
    ] {
        let html = page(&house, path);
        assert_eq!(html.code, code, "{path}");
        assert!(
            html.body.starts_with("<!doctype html>") && html.body.contains("<h1>"),
            "{path}: {}",
            html.body
        );
        let json = house.get(path, VIEWER);
        assert_eq!(json.code, code, "{path}");
        if code == 404 && (path.starts_with("/grants") || path.starts_with("/requests")) {
            continue; // A page that says what is near.
        }
        assert!(
            serde_json::from_str::<serde_json::Value>(&json.body).unwrap()["error"].is_string(),
            "{path}"
        );
    }
    let outside = house.ask("GET", "/", PAGE, "");
    assert!(
        outside.code == 303 && outside.head.contains("location: /sign-in?then=%2f\r\n"),
        "{}",
        outside.head
    );
    let sign_in = house.ask("GET", "/sign-in?then=%2F%22%3E%3Cscript%3E", PAGE, "");
    assert!(sign_in.code == 200 && !sign_in.body.contains("<script"));
}

/// A browser that has signed in with a token: its cookie.
fn signed_in(house: &House, token: &str) -> String {
    let raw = house.raw("POST", "/sign-in", FORM, &format!("token={token}"));
    let at = raw.find("counterfoil_session=").unwrap();
    raw[at..].split(';').next().unwrap().to_owned()
}

fn word(html: &str) -> Option<String> {
    html.split("name=\"word\" value=\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned())
}

#[test]
fn forms_do_what_they_say_for_who_may_and_only_from_our_pages() {
    let mut house = House::new(true);
    house.hold("iam", 7);
    let listed = page(&house, "/findings?account=alice");
    let path = links(&listed.body).into_iter().find(|to| to.starts_with("/findings/f1")).unwrap();
    let with = |cookie: &str| format!("cookie: {cookie}\r\n{PAGE}");
    let viewer = with(&signed_in(&house, VIEWER));
    let seen = house.ask("GET", &path, &viewer, "");
    assert!(seen.body.contains("An operator can do that") && word(&seen.body).is_none(), "{}", seen.body);
    assert_eq!(
        house
            .ask("POST", &format!("{path}/accept"), &format!("{viewer}{FORM}"), "until=2026-06-10&reason=x")
            .code,
        403
    );
    let operator = with(&signed_in(&house, OPERATOR));
    let word = word(&house.ask("GET", &path, &operator, "").body).unwrap();
    let send =
        |house: &House, to: &str, body: &str| house.ask("POST", to, &format!("{operator}{FORM}"), body);
    let accept = format!("{path}/accept");
    for body in [
        "until=2026-06-10&reason=x",
        "word=&until=2026-06-10&reason=x",
        "word=guessed&until=2026-06-10&reason=x",
    ] {
        assert_eq!(send(&house, &accept, body).code, 403, "{body}");
    }
    let wrong = send(&house, &accept, &format!("word={word}&until=2036-06-10&reason=%3Cb%3E"));
    assert_eq!(wrong.code, 422);
    assert!(
        wrong.body.contains("further ahead") && wrong.body.contains("&lt;b&gt;</textarea>"),
        "what was written stays"
    );
    assert!(house.store.accepted(Instant::MIN).unwrap().is_empty());
    let done = send(&house, &accept, &format!("word={word}&until=2026-06-10&reason=under%20way"));
    assert_eq!(done.code, 303, "{}", done.body);
    let given = house.store.accepted(Instant::MIN).unwrap();
    assert_eq!((given[0].by.as_str(), given[0].reason.as_str()), ("operator@corp.example", "under way"));
    assert!(page(&house, "/exceptions").body.contains("under way"));
    let sources = house.ask("GET", "/sources", &operator, "").body;
    assert!(sources.contains("Let the pull of run 7 pass"), "{sources}");
    assert_eq!(send(&house, "/sources/iam/approve", "run=7").code, 403);
    assert_eq!(send(&house, "/sources/iam/approve", &format!("word={word}&run=6")).code, 409);
    assert_eq!(send(&house, "/sources/iam/approve", &format!("word={word}&run=7")).code, 303);
    assert!(
        house
            .ask("GET", "/sources", &with(&signed_in(&house, AUDITOR)), "")
            .body
            .contains("Somebody has let it pass")
    );
}

#[test]
fn the_chain_of_a_grant_is_a_page() {
    let house = House::new(true);
    let chain = page(&house, "/grants?system=vpn&account=alice&entitlement=use");
    assert_eq!(chain.code, 200, "{}", chain.body);
    assert!(chain.body.contains("class=\"chain\"") && chain.body.contains("unapproved"), "{}", chain.body);
    assert!(chain.body.contains("Findings about it"));
}

#[test]
fn a_browser_has_nothing_to_complain_of() {
    let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];
    let found = || chromium.iter().find(|path| std::path::Path::new(path).exists());
    if !servers::is_there("chromium", &["chromium"], &|| found().is_some()) {
        return;
    }
    let Some(programs) = servers::python("playwright", &["playwright==1.65.2"]) else { return };
    let house = House::new(true);
    let cookie = signed_in(&house, OPERATOR);
    let cookie = cookie.split_once('=').unwrap().1;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/serve/browser.py");
    let address = format!("http://{}", house.address);
    let output = Command::new(programs.join("python"))
        .args([script, found().unwrap(), &address, cookie])
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("complaint:"), "{said}");
    let pages: u32 = said.split_once(" pages").and_then(|(n, _)| n.parse().ok()).unwrap();
    assert!(pages > 40, "only {pages} pages were looked at");
}
