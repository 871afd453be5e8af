//! The pages, as a browser asks for them: what stands on each, that links lead somewhere and forms only act for who may and
//! meant it, and that no name of somebody else's becomes markup.

use std::collections::{BTreeSet, VecDeque};

use counterfoil::model::{Duration, Instant};
use counterfoil::store::{Sqlite, Store};
use serde_json::json;
use tempfile::TempDir;

use super::super::life::{Bench, rules};
use super::Answer;
use super::access::{House, OPERATOR, VIEWER, bearer};

const HTML: &str = "accept: text/html\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

fn look(house: &House, path: &str, token: &str) -> Answer {
    house.ask("GET", path, &format!("{HTML}{}", bearer(token)), "")
}

/// A page that is there.
fn page(house: &House, path: &str) -> String {
    let answer = look(house, path, OPERATOR);
    assert_eq!(answer.code, 200, "{path}: {answer:?}");
    answer.body
}

/// What stands between two texts, each time.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Vec<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(inside, _)| inside).collect()
}

/// Addresses of this site on a page.
fn links(page: &str) -> Vec<String> {
    let all = between(page, "href=\"", "\"").into_iter().filter(|to| to.starts_with('/'));
    all.map(|to| to.replace("&amp;", "&")).collect()
}

/// The cookie of somebody who signs in.
fn cookie(house: &House, token: &str) -> String {
    let raw = house.raw("POST", "/sign-in", FORM, &format!("token={token}"));
    let cookie = between(&raw, "counterfoil_session=", ";")[0];
    format!("cookie: counterfoil_session={cookie}\r\n")
}

/// The address of the one finding about an account.
fn finding_of(house: &House, account: &str) -> String {
    let all = page(house, &format!("/findings?account={account}&check=unapproved-grant"));
    let mut found = links(&all);
    found.retain(|to| to.starts_with("/findings/f1"));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// What is true of every page.
fn is_sound(path: &str, answer: &Answer) {
    let (text, head) = (&answer.body, &answer.head);
    assert_eq!(text.matches("<h1>").count(), 1, "{path} has one heading: {text}");
    for none in ["<script", "style=\"", " onclick", " onload", "javascript:", "<style", "http://", "<iframe"]
    {
        assert!(!text.contains(none), "{path} holds {none}");
    }
    for needed in
        ["<!doctype html>", "<html lang=\"en\">", "name=\"viewport\"", "<main id=\"main\"", "href=\"#main\""]
    {
        assert!(text.contains(needed), "{path} has no {needed}");
    }
    assert!(
        head.contains("default-src 'none'; style-src 'self'") && head.contains("cache-control: no-store"),
        "{head}"
    );
    for heading in between(text, "<th", ">") {
        assert!(heading.starts_with("ead") || heading.contains("scope="), "{path}: <th{heading}>");
    }
    for input in between(text, "<input", ">").into_iter().filter(|i| !i.contains("type=\"hidden\"")) {
        let at = text.find(input).unwrap();
        let open = text[..at].matches("<label").count() - text[..at].matches("</label>").count();
        assert_eq!(open, 1, "{path}: no label around <input{input}>");
    }
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    for token in [VIEWER, OPERATOR] {
        let mut house = House::new(true);
        house.hold("iam", 7);
        let (mut seen, mut ahead) = (BTreeSet::new(), VecDeque::from(["/".to_owned()]));
        while let Some(path) = ahead.pop_front() {
            let asked = path.split('#').next().unwrap().to_owned();
            // Orders and groups of the same findings are many; those of a few pages speak for all.
            if asked.matches('&').count() > 2 || !seen.insert(asked.clone()) {
                continue;
            }
            let answer = look(&house, &asked, token);
            assert_eq!(answer.code, 200, "{asked}: {answer:?}");
            if !asked.starts_with("/assets/") && !asked.starts_with("/api/") {
                is_sound(&asked, &answer);
                ahead.extend(links(&answer.body));
            }
        }
        for kind in [
            "/findings/f1",
            "/people/",
            "/checks/",
            "/grants?",
            "/assets/",
            "/sources",
            "/exceptions",
            "/findings?group=owner",
        ] {
            assert!(seen.iter().any(|path| path.starts_with(kind)), "nothing leads to {kind}");
        }
    }
}

#[test]
fn the_overview_says_how_much_is_justified_and_where_it_is_worst() {
    let house = House::new(true);
    let text = page(&house, "/");
    for says in [
        "of 3 grants",
        "0.0 %",
        "<b>4</b>",
        "no ticket",
        "owner@<wbr>corp.example",
        "Open for longest",
        "are fresh and whole",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    let empty = House::on(tempfile::tempdir().unwrap(), true);
    let text = page(&empty, "/");
    assert!(text.contains("No run has ended yet") && text.contains("No grant is known"), "{text}");
    assert!(page(&empty, "/findings").contains("Nothing is open"));
    assert!(page(&empty, "/exceptions").contains("No exception is in force"));
}

#[test]
fn the_overview_is_that_of_the_last_run_and_of_none_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("s.db")).unwrap();
    let mut bench = Bench::on(Box::new(store), rules(&["unapproved-grant"]));
    let grant =
        |account: &str| json!({"type": "grant", "system": "vpn", "account": account, "entitlement": "use"});
    bench.put("iam", grant("a1"));
    bench.pull();
    let house = House::on(folder, true);
    for (count, account) in [("of 1 grants", "a2"), ("of 2 grants", "a3"), ("of 3 grants", "a4")] {
        // Asked for twice: the second time nothing is counted.
        let (one, two) = (page(&house, "/"), page(&house, "/"));
        assert!(one.contains(count) && one == two, "{count}: {one}");
        bench.put("iam", grant(account));
        bench.now = bench.now.plus(Duration::minutes(5));
        bench.pull();
    }
}

#[test]
fn findings_are_filtered_put_in_order_and_paged_by_the_address_alone() {
    let house = House::new(true);
    let text = page(&house, "/findings?check=unapproved-grant&sort=system&order=asc&limit=1");
    assert!(text.contains("1–1 of 3") && text.contains("aria-sort=\"ascending\""), "{text}");
    assert!(text.contains("<option selected>unapproved-grant</option>"));
    let next = links(&text).into_iter().find(|to| to.contains("offset=1")).unwrap();
    assert!(
        ["check=", "sort=system", "order=asc", "limit=1"].iter().all(|kept| next.contains(kept)),
        "{next}"
    );
    assert!(page(&house, &next).contains("2–2 of 3"));
    let last = links(&text).into_iter().find(|to| to.contains("offset=2")).unwrap();
    let text = page(&house, &last);
    assert!(text.contains("3–3 of 3") && !links(&text).iter().any(|to| to.contains("offset=3")));
    // A column put in order goes back to the first page, and turns round when it is asked for again.
    let turned =
        links(&text).into_iter().find(|to| to.contains("sort=system") && to.contains("order=desc")).unwrap();
    assert!(!turned.contains("offset="), "{turned}");
    // The oldest are open for longest.
    assert!(page(&house, "/findings?sort=first_seen&order=asc").contains(
        "aria-sort=\"descending\"><a href=\"/findings?sort=first%5Fseen&amp;order=desc\">Open for"
    ));
    let groups = page(&house, "/findings?group=check&severity=high");
    assert!(groups.contains("href=\"/findings?severity=high&amp;check=unapproved%2Dgrant\""), "{groups}");
    assert!(page(&house, "/findings?q=zzz").contains("No finding fits"));
    assert!(page(&house, "/findings?offset=400").contains("There are only 4 of these"));
    // What a form sends becomes an address that can be passed on.
    let sent = look(
        &house,
        "/findings?form=1&q=&state=open&severity=high&check=&system=&owner=&sort=severity&order=desc",
        VIEWER,
    );
    assert_eq!(sent.code, 303);
    assert!(sent.head.contains("location: /findings?severity=high\r\n"), "{}", sent.head);
    let nobody = look(&house, "/findings?form=1&owner=x&nobody=1", VIEWER);
    assert!(nobody.head.contains("location: /findings?owner=\r\n"), "{}", nobody.head);
}

#[test]
fn a_finding_is_accepted_on_its_page_by_who_may_and_meant_it() {
    let house = House::new(true);
    let path = finding_of(&house, "alice");
    let text = page(&house, &path);
    for says in [
        "What clears it",
        "Who answers",
        "Proof",
        "What happened",
        "Seen for the first time",
        "/grants?system=vpn",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert!(!look(&house, &path, VIEWER).body.contains("<textarea"), "a viewer is shown no form");
    let accept = format!("{path}/accept");
    let with = cookie(&house, OPERATOR);
    let own = house.ask("GET", &path, &format!("{HTML}{with}"), "").body;
    let word = between(&own, "name=\"word\" value=\"", "\"")[0].to_owned();
    let post =
        |headers: &str, body: &str| house.ask("POST", &accept, &format!("{HTML}{FORM}{headers}"), body);
    let good = "until=2026-06-10&reason=a+change+is+under+way";
    for (headers, body, code) in [
        (with.clone(), good.to_owned(), 403),
        (with.clone(), format!("{good}&word=guessed"), 403),
        (format!("{with}sec-fetch-site: cross-site\r\n"), format!("{good}&word={word}"), 403),
        (cookie(&house, VIEWER), format!("{good}&word={word}"), 403),
        (String::new(), good.to_owned(), 401),
        (with.clone(), format!("until=soon&reason=x&word={word}"), 422),
        (with.clone(), format!("until=2027-06-10&reason=%3Cb%3E&word={word}"), 422),
    ] {
        let answer = post(&headers, &body);
        assert_eq!(answer.code, code, "{body}: {answer:?}");
        is_sound(&accept, &answer);
        if code == 422 {
            assert!(
                answer.body.contains("role=\"alert\"") && !answer.body.contains("<b></textarea>"),
                "{}",
                answer.body
            );
        }
    }
    let now = Instant::parse("2026-06-01T13:00:00Z").unwrap();
    assert!(house.store.accepted(now).unwrap().is_empty());
    let done = post(&with, &format!("{good}&word={word}"));
    assert_eq!(done.code, 303, "{done:?}");
    assert!(done.head.contains(&format!("location: {}\r\n", path.to_lowercase())), "{}", done.head);
    let given = house.store.accepted(now).unwrap();
    assert_eq!(
        (given[0].by.as_str(), given[0].reason.as_str()),
        ("operator@corp.example", "a change is under way")
    );
    assert_eq!(given[0].until.to_string(), "2026-06-10T00:00:00Z");
    let text = page(&house, &path);
    assert!(text.contains("It takes effect with the next run") && !text.contains("<textarea"), "{text}");
    assert!(page(&house, "/exceptions").contains("a change is under way"));
}

#[test]
fn exceptions_in_force_stand_in_the_order_of_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("s.db")).unwrap();
    let mut bench = Bench::on(Box::new(store), rules(&["unapproved-grant"]));
    for (account, until) in
        [("a1", "2026-06-20T00:00:00Z"), ("a2", "2026-06-05T00:00:00Z"), ("a3", "2026-06-25T00:00:00Z")]
    {
        bench.put("iam", json!({"type": "grant", "system": "vpn", "account": account, "entitlement": "use"}));
        bench.put(
            "iam",
            json!({"type": "exception", "check": "unapproved-grant", "system": "vpn", "account": account, "entitlement": "use",
                "accepted_by": "boss@corp.example", "reason": format!("why {account}"), "accepted_at": "2026-05-01T00:00:00Z",
                "expires_at": until}),
        );
    }
    bench.pull();
    let house = House::on(folder, true);
    let text = page(&house, "/exceptions");
    let places =
        ["why a2", "why a1", "why a3"].map(|why| text.find(why).unwrap_or_else(|| panic!("{why}: {text}")));
    assert!(places.is_sorted(), "{text}");
    assert_eq!(text.matches("ends in").count(), 1, "within 14 days of now: {text}");
}

#[test]
fn a_held_pull_is_looked_at_and_let_pass_on_the_page_of_sources() {
    let mut house = House::new(true);
    house.hold("iam", 7);
    assert!(!look(&house, "/sources", VIEWER).body.contains("/sources/iam/approve"));
    let with = cookie(&house, OPERATOR);
    let text = house.ask("GET", "/sources", &format!("{HTML}{with}"), "").body;
    for says in
        ["the pull of run 7 is held", "9 of 10 are gone", "It has 1 records; the last good one had 10"]
    {
        assert!(text.contains(says), "{says}: {text}");
    }
    let word = between(&text, "name=\"word\" value=\"", "\"")[0];
    let post =
        |body: String| house.ask("POST", "/sources/iam/approve", &format!("{HTML}{FORM}{with}"), &body).code;
    assert_eq!(post("run=7".to_owned()), 403);
    assert_eq!(post(format!("run=6&word={word}")), 409, "not the one that was looked at");
    assert_eq!(post(format!("run=7&word={word}")), 303);
    assert!(page(&house, "/sources").contains("Somebody has let it pass"));
}

#[test]
fn people_have_a_desk_and_access_and_a_grant_has_its_chain() {
    let house = House::new(true);
    let text = page(&house, "/people");
    assert!(text.contains("href=\"/people/owner%40corp%2Eexample\""), "{text}");
    assert!(
        page(&house, "/people/owner%40corp%2Eexample").contains("Answers for <span class=\"num\">4</span>")
    );
    assert!(
        page(&house, "/people/alice%40corp%2Eexample")
            .contains("About their access <span class=\"num\">1</span>")
    );
    let chain = page(&house, "/grants?system=vpn&account=alice&entitlement=use");
    assert!(
        chain.contains("<article class=\"chain\">") && chain.contains("role=\"img\"")
            || chain.contains("The chain"),
        "{chain}"
    );
    assert_eq!(look(&house, "/grants?system=vpn&account=zoe&entitlement=use", VIEWER).code, 404);
    assert_eq!(look(&house, "/grants?system=vpn", VIEWER).code, 400);
    assert_eq!(look(&house, "/requests/jira/NONE-1", VIEWER).code, 404);
    let check = page(&house, "/checks/unapproved-grant");
    assert!(
        check.contains("<h2>How to clear it</h2>") && check.contains("Open <span class=\"num\">3</span>"),
        "{check}"
    );
    assert_eq!(look(&house, "/checks/none", VIEWER).code, 404);
}

#[test]
fn what_is_refused_is_a_page_for_people_and_json_for_programs() {
    let house = House::new(true);
    for (path, code, says) in [
        ("/nowhere", 404, "Not found"),
        ("/findings/f1:none", 404, "There is no finding of that id"),
        ("/findings?colour=red", 400, "there is no such parameter"),
        ("/people?x=1", 400, "That cannot be asked"),
    ] {
        let answer = look(&house, path, VIEWER);
        assert_eq!(answer.code, code, "{path}");
        is_sound(path, &answer);
        assert!(answer.body.contains(says) && answer.head.contains("text/html"), "{path}: {answer:?}");
        let program = house.get(path, VIEWER);
        assert_eq!(program.code, code);
        assert!(
            program.head.contains("application/json") && program.body.starts_with("{\"error\":"),
            "{path}"
        );
    }
    let answer =
        house.ask("POST", "/findings/f1:x/accept", &format!("{HTML}{FORM}{}", bearer(VIEWER)), "until=x");
    assert_eq!(answer.code, 403);
    assert!(answer.body.contains("You may not do that"), "{answer:?}");
    assert!(look(&house, "/", "").head.contains("location: /sign-in?then=%2f"));
    let form = look(&house, "/sign-in?then=%2Ffindings%3Fq%3D%22%3E", "");
    assert!(
        form.body.contains("value=\"/findings?q=&quot;&gt;\"") || form.body.contains("value=\"/\""),
        "{}",
        form.body
    );
}

#[test]
fn the_style_is_kept_for_good_under_a_name_of_its_own() {
    let house = House::new(true);
    let page = look(&house, "/sign-in", "").body;
    let path = links(&page).into_iter().find(|to| to.starts_with("/assets/")).unwrap();
    let style = house.get(&path, "");
    assert_eq!(style.code, 200);
    assert!(style.head.contains("text/css") && style.head.contains("immutable"), "{}", style.head);
    assert!(
        !style.body.contains("url(") && !style.body.contains("@import"),
        "nothing is loaded from elsewhere"
    );
    assert_eq!(house.get("/assets/style-0000000000000000.css", "").code, 404);
}

/// A company in which every name is chosen to do harm.
fn hostile_company() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("s.db")).unwrap();
    let mut bench = Bench::on(Box::new(store), rules(&["unapproved-grant", "orphan-account"]));
    let evil = "<script>alert(1)</script>\u{202e}\"'&amp;";
    for system in [evil, "a/../b?c#d%2F"] {
        bench.put(
            "iam",
            json!({"type": "grant", "system": system, "account": evil, "entitlement": evil, "scope": evil}),
        );
    }
    bench.pull();
    folder
}

#[test]
fn names_of_others_are_never_markup() {
    let house = House::on(hostile_company(), true);
    let (mut seen, mut ahead) = (BTreeSet::new(), VecDeque::from(["/".to_owned()]));
    while let Some(path) = ahead.pop_front() {
        if path.matches('&').count() > 3
            || path.starts_with("/checks")
            || path.starts_with("/assets")
            || !seen.insert(path.clone())
        {
            continue;
        }
        let answer = look(&house, &path, OPERATOR);
        assert_eq!(answer.code, 200, "{path}: {answer:?}");
        is_sound(&path, &answer);
        assert!(!answer.body.contains('\u{202e}'), "{path} turns the order of signs round");
        ahead.extend(links(&answer.body));
    }
    assert!(seen.iter().any(|path| path.starts_with("/grants?")), "{seen:?}");
}
