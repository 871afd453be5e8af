//! What a directory does not show: by rights, by limits; and what is wrong with how one asks.

use super::live::SETTINGS;
use super::slapd::{PASSWORD, Plan, READER, Slapd, skipped};
use super::{Pulled, job};

/// A plan in which the reader sees what these lines say.
fn start(access: &[&str], limits: &[&str]) -> Slapd {
    Slapd::start(&Plan { access, limits, ..Plan::default() })
}

const AUTH: &str = "to attrs=userPassword by anonymous auth by * none";

fn reads(what: &str) -> String {
    format!("to {what} by dn.exact=\"{READER}\" read by * none")
}

#[test]
fn members_that_may_not_be_read_are_missed() {
    if skipped() {
        return;
    }
    let hidden = "to dn.exact=\"cn=ops,ou=groups,dc=corp,dc=example\" attrs=member by * none";
    let server = start(&[AUTH, hidden, &reads("*")], &[]);
    let pulled = Pulled::of(&job(server.dir(), &server.config("", SETTINGS))).unwrap();
    let reasons = pulled.reasons();
    assert!(reasons.contains("the members of the group `ops` may not be read; needed is: read"), "{reasons}");
    assert!(!pulled.grants().contains("alice ops") && pulled.grants().contains("bob staff"));
    assert_eq!(pulled.one("snapshot", "source", "corp-ldap")["complete"], false);
}

#[test]
fn what_the_page_asks_for_is_enough_and_gives_no_more() {
    if skipped() {
        return;
    }
    let page = include_str!("../../../connectors/ldap/README.md");
    let page = page.replace("uid=counterfoil,ou=services,dc=corp,dc=example", READER);
    let block = page.split("```ldif\n").nth(1).unwrap().split("```").next().unwrap();
    let lines =
        |name: &str| -> Vec<&str> { block.lines().filter_map(|line| line.strip_prefix(name)).collect() };
    let access = [lines("olcAccess: "), vec!["to * by * none"]].concat();
    let server = start(&access, &lines("olcLimits: "));
    // The lines for the log are those of every server here.
    let log = page.split("```ldif\n").nth(2).unwrap().split("```").next().unwrap();
    let configured = std::fs::read_to_string(server.dir().join("config.ldif")).unwrap();
    assert!(configured.contains(log.trim_end()), "the page says other lines for the log");
    let settings = format!("{SETTINGS}accesslog_base = \"cn=accesslog\"\n");
    let pulled = Pulled::of(&job(server.dir(), &server.config("", &settings))).unwrap();
    assert_eq!(pulled.reasons(), "");
    let expected: Vec<serde_json::Value> =
        include_str!("corp.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for kind in ["identity", "entitlement", "grant", "usage"] {
        assert_eq!(pulled.bare(kind), super::bare(expected.iter(), kind));
    }
    let done = std::process::Command::new("/usr/bin/ldapsearch")
        .args([
            "-x",
            "-LLL",
            "-H",
            &format!("ldap://127.0.0.1:{}", server.port),
            "-D",
            READER,
            "-w",
            PASSWORD,
        ])
        .args(["-b", "dc=corp,dc=example", "(objectClass=*)", "*", "+"])
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&done.stdout);
    assert!(
        seen.contains("uid: alice") && !seen.contains("userPassword") && !seen.contains("homeDirectory"),
        "{seen}"
    );
}

#[test]
fn the_configuration_on_the_page_is_one() {
    let page = include_str!("../../../connectors/ldap/README.md");
    let block = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let config = counterfoil::config::Config::parse("README.md", block).unwrap();
    assert_eq!(config.sources().unwrap().len(), 2);
}

#[test]
fn groups_that_may_not_be_seen_are_missed() {
    if skipped() {
        return;
    }
    // A directory says of what may not be seen that it is not there; the step says what would show it.
    let hidden = "to dn.subtree=\"ou=groups,dc=corp,dc=example\" by * none";
    let server = start(&[AUTH, hidden, &reads("*")], &[]);
    let job = job(server.dir(), &server.config("", SETTINGS));
    let pulled = Pulled::of(&job).unwrap();
    let reasons = pulled.reasons();
    assert!(
        reasons.contains("step `groups`: there is no `ou=groups,dc=corp,dc=example`, or this account may not see it (no such object, 32")
            && reasons.contains("needed is: read on the entries of groups and their members (olcAccess:"),
        "{reasons}"
    );
    pulled.one("identity", "id", "alice");
    job.probe(&|_| false).unwrap();
}

#[test]
fn who_may_search_but_not_read_is_told_so() {
    if skipped() {
        return;
    }
    let hidden =
        format!("to dn.subtree=\"ou=people,dc=corp,dc=example\" by dn.exact=\"{READER}\" disclose by * none");
    let server = start(&[AUTH, &hidden, &reads("*")], &[]);
    let job = job(server.dir(), &server.config("", SETTINGS));
    let pulled = Pulled::of(&job).unwrap();
    let reasons = pulled.reasons();
    assert!(
        reasons.contains("step `people`: this account may not search `ou=people,dc=corp,dc=example` (insufficient access rights, 50")
            && reasons.contains("needed is: read (of the attributes"),
        "{reasons}"
    );
    // The services came, and stand in their groups; the people do too, by their DNs.
    assert!(pulled.grants().contains("backup ops"), "{:?}", pulled.grants());
    let said = job.probe(&|_| false).unwrap_err().to_string();
    assert!(said.contains("step `people`") && said.contains("needed is: read"), "{said}");
}

#[test]
fn nothing_at_all_is_an_error_and_no_pull() {
    if skipped() {
        return;
    }
    let server = start(&[AUTH, "to * by * none"], &[]);
    let job = job(server.dir(), &server.config("", SETTINGS));
    let said = Pulled::of(&job).unwrap_err();
    for part in ["step `people`", "step `groups`", "no such object, 32", "olcAccess"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = job.probe(&|_| false).unwrap_err().to_string();
    assert!(said.contains("there is no `ou=people,dc=corp,dc=example`"), "{said}");
}

#[test]
fn a_limit_on_size_leaves_the_pull_incomplete_with_what_came() {
    if skipped() {
        return;
    }
    let limit = format!("dn.exact=\"{READER}\" size.prtotal=2");
    let server = start(&[], &[&limit]);
    let pulled = Pulled::of(&job(server.dir(), &server.config("page_size = 1", SETTINGS))).unwrap();
    let reasons = pulled.reasons();
    assert!(
        reasons
            .contains("step `people`: the directory stopped at a limit of its own (size limit exceeded, 4"),
        "{reasons}"
    );
    assert!(reasons.contains("olcLimits"), "{reasons}");
    // Two of four people, and of the services, which are another search, the one.
    assert_eq!(pulled.bare("identity").len(), 3, "{reasons}");

    // Where pages are not allowed at all nothing comes, and it is said why.
    let limit = format!("dn.exact=\"{READER}\" size.prtotal=disabled");
    let server = start(&[], &[&limit]);
    let said = Pulled::of(&job(server.dir(), &server.config("", SETTINGS))).unwrap_err();
    assert!(
        said.contains("administrative limit exceeded, 11: pagedResults") && said.contains("olcLimits"),
        "{said}"
    );
    assert!(!said.contains("no entry came"), "{said}");
}

#[test]
fn a_limit_of_our_own_leaves_the_pull_incomplete_with_what_came() {
    if skipped() {
        return;
    }
    let server = start(&[], &[]);
    let config = server.config("page_size = 2\nmax_entries = 3", SETTINGS);
    let pulled = Pulled::of(&job(server.dir(), &config)).unwrap();
    assert_eq!(pulled.bare("identity").len(), 3);
    let reasons = pulled.reasons();
    assert!(reasons.contains("step `people`: more than 3 entries (`max_entries`)"), "{reasons}");
    assert!(reasons.contains("not asked for after that: groups"), "{reasons}");
}

#[test]
fn a_wrong_password_is_said_without_it() {
    if skipped() {
        return;
    }
    let server = start(&[], &[]);
    crate::servers::put_secret(&server.dir().join("reader.secret"), "canary-that-is-wrong");
    let job = job(server.dir(), &server.config("", SETTINGS));
    for said in [Pulled::of(&job).unwrap_err(), job.probe(&|_| false).unwrap_err().to_string()] {
        assert!(
            said.contains(
                "`bind` was refused: the name or the password in `bind` is wrong (invalid credentials, 49"
            ),
            "{said}"
        );
        assert!(!said.contains("canary") && !said.contains(PASSWORD), "{said}");
    }
    std::fs::remove_file(server.dir().join("reader.secret")).unwrap();
    let said = Pulled::of(&job).unwrap_err();
    assert!(said.contains("`password`: the secret file:reader.secret"), "{said}");
}

#[test]
fn nobody_sees_what_everybody_may() {
    if skipped() {
        return;
    }
    let server =
        start(&[AUTH, "to dn.subtree=\"ou=groups,dc=corp,dc=example\" by * none", "to * by * read"], &[]);
    let pulled = Pulled::of(&job(server.dir(), &server.config("bind = \"none\"", SETTINGS))).unwrap();
    pulled.one("identity", "id", "alice");
    assert!(pulled.reasons().contains("step `groups`"), "{}", pulled.reasons());
}

#[test]
fn a_setting_that_is_no_filter_or_no_place_is_said() {
    if skipped() {
        return;
    }
    let server = start(&[], &[]);
    let said =
        Pulled::of(&job(server.dir(), &server.config("", &format!("{SETTINGS}people_filter = \"uid=*\"\n"))))
            .unwrap_err();
    assert!(
        said.contains("setting `people_filter`: `uid=*` is no filter: expected `(` at character 1"),
        "{said}"
    );
    let settings = SETTINGS.replace("ou=groups,dc=corp,dc=example", "the groups");
    let pulled = Pulled::of(&job(server.dir(), &server.config("", &settings))).unwrap();
    assert!(
        pulled.reasons().contains("step `groups`: `the groups` is no name of an entry"),
        "{}",
        pulled.reasons()
    );
}
