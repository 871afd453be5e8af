//! What breaks, and what only another directory than OpenLDAP does: ranges, references, pages of its own kind, lies, silence.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use counterfoil::connect::transport::Doing;

use super::live::SETTINGS;
use super::slapd::{Plan, Slapd, skipped};
use super::stub::{Asked, Say, Stub, done, entry, reference, result, tlv};
use super::{Pulled, job};

const DOMAIN: &str = "DC=corp,DC=example";
const AD: &str = "schema = \"active-directory\"\n";
/// Of a stub only the groups are of interest, and those know no members.
const OPEN: &str = "schema = \"openldap\"\nunknown_members = \"account\"\nempty_groups = true\n";

fn pull(stub: &Stub, ldap: &str, settings: &str) -> Result<Pulled, String> {
    let dir = tempfile::tempdir().unwrap();
    Pulled::of(&job(dir.path(), &stub.config(ldap, settings)))
}

/// Whether this asks for groups (and not for people).
fn groups(attributes: &[String]) -> bool {
    attributes.iter().any(|name| name == "member")
}

fn person(name: &str) -> Say {
    entry(&format!("uid={name},{DOMAIN}"), &[("objectClass", &[b"person"]), ("uid", &[name.as_bytes()])])
}

fn group(name: &str, members: &[&[u8]]) -> Say {
    entry(
        &format!("cn={name},{DOMAIN}"),
        &[("objectClass", &[b"groupOfNames"]), ("cn", &[name.as_bytes()]), ("member", members)],
    )
}

/// A stub that answers searches for people and for groups by what is given, and says goodbye to the rest.
fn openldap(people: Vec<Say>, of_groups: Vec<Say>) -> Stub {
    Stub::start(move |asked, _| match asked {
        Asked::Search { attributes, .. } if groups(attributes) => of_groups.clone(),
        Asked::Search { .. } => people.clone(),
        _ => vec![Say::HangUp],
    })
}

#[test]
fn members_that_come_in_ranges_are_asked_for_to_the_end() {
    let asked = Arc::new(Mutex::new(vec![]));
    let seen = Arc::clone(&asked);
    let members: Vec<String> = (0..7).map(|n| format!("CN=p{n},{DOMAIN}")).collect();
    let stub = Stub::start(move |asked, _| {
        let Asked::Search { base, scope, attributes, .. } = asked else { return vec![Say::HangUp] };
        let range = attributes.iter().find_map(|name| name.strip_prefix("member;range=")).map(str::to_owned);
        let values = |from: usize, to: usize| -> Vec<&[u8]> {
            members[from..to].iter().map(String::as_bytes).collect()
        };
        let group = format!("CN=Ops,{DOMAIN}");
        if let Some(range) = range {
            seen.lock().unwrap().push((base.clone(), *scope, range.clone()));
            let from: usize = range.strip_suffix("-*").unwrap().parse().unwrap();
            let name = if from == 6 {
                "member;range=6-*".to_owned()
            } else {
                format!("member;range={from}-{}", from + 2)
            };
            return vec![entry(&group, &[(&name, &values(from, (from + 3).min(7)))]), done(0, "", None)];
        }
        let is_group = groups(attributes);
        let rows = match () {
            () if is_group => vec![
                entry(
                    &group,
                    &[
                        ("objectClass", &[b"group"]),
                        ("cn", &[b"Ops"]),
                        ("member", &[]),
                        ("member;range=0-2", &values(0, 3)),
                    ],
                ),
                entry(
                    &format!("CN=Dev,{DOMAIN}"),
                    &[("objectClass", &[b"group"]), ("cn", &[b"Dev"]), ("member", &values(0, 1))],
                ),
            ],
            () => vec![entry(DOMAIN, &[("objectClass", &[b"domainDNS"])])],
        };
        rows.into_iter().chain([done(0, "", Some(b""))]).collect()
    });
    let pulled =
        pull(&stub, "", &format!("{AD}unknown_members = \"account\"\nprimary_groups = false\n")).unwrap();
    let ops = pulled.grants().iter().filter(|g| g.ends_with(" Ops")).count();
    assert_eq!(
        (ops, pulled.grants().contains(&format!("CN=p6,{DOMAIN} Ops"))),
        (7, true),
        "{:?}",
        pulled.grants()
    );
    assert!(!pulled.reasons().contains("came"), "{}", pulled.reasons());
    let group = format!("CN=Ops,{DOMAIN}");
    let expected = ["3-*", "6-*"].map(|range| (group.clone(), 0, range.to_owned()));
    assert_eq!(*asked.lock().unwrap(), expected, "the rest is asked of the entry itself");
}

#[test]
fn members_whose_rest_does_not_come_are_missed() {
    for (later, why) in [
        (vec![done(0, "", None)], "not all values of member of `cn=ops,DC=corp,DC=example` came"),
        (
            vec![
                entry("cn=ops,DC=corp,DC=example", &[("member;range=5-*", &[b"uid=e,dc=x"])]),
                done(0, "", None),
            ],
            "not all values",
        ),
        (vec![done(50, "no", None)], "came (insufficient access rights, 50: no)"),
        (vec![Say::HangUp], "the connection broke: the server hung up"),
    ] {
        let stub = Stub::start(move |asked, _| match asked {
            Asked::Search { attributes, .. } if attributes.iter().any(|a| a.starts_with("member;range")) => {
                later.clone()
            }
            Asked::Search { attributes, .. } if groups(attributes) => vec![
                group("dev", &[b"uid=z,dc=x"]),
                entry(
                    "cn=ops,DC=corp,DC=example",
                    &[("cn", &[b"ops"]), ("member;range=0-1", &[b"uid=a,dc=x", b"uid=b,dc=x"])],
                ),
                done(0, "", None),
            ],
            Asked::Search { .. } => vec![person("alice"), done(0, "", None)],
            _ => vec![Say::HangUp],
        });
        let pulled = pull(&stub, "", OPEN).unwrap();
        assert!(pulled.reasons().contains(why), "{why}: {}", pulled.reasons());
        assert!(pulled.grants().contains("uid=z,dc=x dev"), "{:?}", pulled.grants());
    }
}

#[test]
fn an_entry_without_an_end_has_one() {
    // Each answer holds a megabyte and says that there is more.
    let stub = Stub::start(|asked, _| match asked {
        Asked::Search { attributes, .. } if groups(attributes) => vec![Say::HangUp],
        Asked::Search { attributes, .. } => {
            let from = attributes.iter().find_map(|name| name.strip_prefix("photo;range="));
            let from: u64 = from.map_or(0, |range| range.trim_end_matches("-*").parse().unwrap());
            let name = format!("photo;range={from}-{from}");
            let row =
                entry("uid=big,DC=corp,DC=example", &[("uid", &[b"big"]), (&name, &[&[b'x'; 1 << 20]])]);
            vec![row, done(0, "", None)]
        }
        _ => vec![Say::HangUp],
    });
    let pulled = pull(&stub, "", OPEN).unwrap();
    let why = "not all values of photo of `uid=big,DC=corp,DC=example` came: there are too many";
    assert!(pulled.reasons().contains(why), "{}", pulled.reasons());
    assert!((60..70).contains(&pulled.summary.requests), "{} answers", pulled.summary.requests);
}

#[test]
fn a_server_that_knows_no_pages_sends_all_at_once() {
    let stub = openldap(
        vec![person("alice"), person("bob"), person("carol"), done(0, "", None)],
        vec![group("ops", &[b"uid=alice,DC=corp,DC=example"]), done(0, "", None)],
    );
    let pulled = pull(&stub, "page_size = 1", OPEN).unwrap();
    assert_eq!((pulled.reasons().as_str(), pulled.bare("identity").len()), ("", 3));
    assert!(pulled.grants().contains("alice ops"));
}

#[test]
fn pages_follow_the_cookie_and_never_go_in_circles() {
    // Each page has a cookie of its own; an empty page in between means nothing.
    let stub = Stub::start(|asked, _| match asked {
        Asked::Search { attributes, .. } if groups(attributes) => {
            vec![group("ops", &[b"uid=alice,DC=corp,DC=example"]), done(0, "", Some(b""))]
        }
        Asked::Search { cookie: Some(cookie), .. } => match cookie.as_slice() {
            b"" => vec![person("alice"), done(0, "", Some(b"one"))],
            b"one" => vec![done(0, "", Some(b"two"))],
            b"two" => vec![person("bob"), done(0, "", Some(b""))],
            other => panic!("{other:?}"),
        },
        _ => vec![Say::HangUp],
    });
    let pulled = pull(&stub, "", OPEN).unwrap();
    assert_eq!((pulled.reasons().as_str(), pulled.bare("identity").len()), ("", 2));

    for (page, why) in [
        (
            vec![person("alice"), done(0, "", Some(b"more"))],
            "step `people`: the directory sent the same page twice",
        ),
        (
            vec![done(0, "", Some(b"more"))],
            "step `people`: 1000 pages without an entry came one after the other",
        ),
    ] {
        let stub =
            openldap(page, vec![group("ops", &[b"uid=alice,DC=corp,DC=example"]), done(0, "", Some(b""))]);
        let pulled = pull(&stub, "", OPEN).unwrap();
        assert!(pulled.reasons().contains(why), "{}", pulled.reasons());
        assert!(pulled.bare("entitlement").len() == 1, "the next step is made all the same");
    }
}

#[test]
fn a_place_the_directory_sends_on_to_is_missed_unless_it_is_known() {
    let references = |places: &[&str]| -> Vec<Say> {
        let more = places.iter().map(|place| reference(place));
        [person("alice")].into_iter().chain(more).chain([done(0, "", Some(b""))]).collect()
    };
    let of_groups = || vec![group("ops", &[b"uid=alice,DC=corp,DC=example"]), done(0, "", Some(b""))];
    let harmless = [
        "ldap://ForestDnsZones.corp.example/DC=ForestDnsZones,DC=corp,DC=example",
        "ldap://DomainDnsZones.corp.example/DC=DomainDnsZones,DC=corp,DC=example",
        "ldap://corp.example/CN=Configuration,DC=corp,DC=example",
    ];
    let pulled = pull(&openldap(references(&harmless), of_groups()), "", OPEN).unwrap();
    assert_eq!(pulled.reasons(), "");

    let child = "ldap://emea.corp.example/DC=emea,DC=corp,DC=example";
    let pulled_child = pull(&openldap(references(&[child]), of_groups()), "", OPEN).unwrap();
    let reasons = pulled_child.reasons();
    assert!(
        reasons.contains(&format!("step `people`: the directory sends on to {child}"))
            && reasons.contains("other_sources"),
        "{reasons}"
    );
    let known = "other_sources = [\"dc=EMEA, dc=corp, dc=example\"]";
    let pulled = pull(&openldap(references(&[child]), of_groups()), known, OPEN).unwrap();
    assert_eq!(pulled.reasons(), "");

    let many: Vec<String> = (0..50).map(|n| format!("ldap://x/DC=d{n},DC=example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let pulled = pull(&openldap(references(&many), of_groups()), "", OPEN).unwrap();
    assert_eq!(pulled.summary.reasons.len(), 5, "{}", pulled.reasons());
}

#[test]
fn results_say_what_is_missing_and_keep_what_came() {
    for (code, part) in [
        (3, "stopped at a limit of its own (time limit exceeded, 3: why)"),
        (4, "stopped at a limit of its own (size limit exceeded, 4: why)"),
        (11, "stopped at a limit of its own (administrative limit exceeded, 11: why)"),
        (10, "the directory sends on to elsewhere for `DC=corp,DC=example`"),
        (1, "wants a `bind` first; needed is"),
        (51, "failed (busy, 51: why)"),
        (80, "failed (other, 80: why)"),
        (99, "failed (no result that is known, 99: why)"),
    ] {
        let part = if code == 1 { "wants a `bind` first" } else { part };
        let stub = openldap(
            vec![person("alice"), done(code, "why", None)],
            vec![group("ops", &[b"uid=alice,DC=corp,DC=example"]), done(0, "", None)],
        );
        let pulled = pull(&stub, "", OPEN).unwrap();
        assert!(
            pulled.reasons().contains("step `people`") && pulled.reasons().contains(part),
            "{code}: {}",
            pulled.reasons()
        );
        assert!(pulled.grants().contains("alice ops"), "{code}");
    }
    // What a server says is shown on one line.
    let stub = openldap(
        vec![done(80, "a\nb\u{202e}c", None)],
        vec![group("ops", &[b"uid=alice,DC=corp,DC=example"]), done(0, "", None)],
    );
    let pulled = pull(&stub, "", OPEN).unwrap();
    assert!(pulled.reasons().contains("a\\nb\\u{202e}c"), "{}", pulled.reasons());
}

#[test]
fn what_is_no_directory_or_lies_is_an_error_and_never_a_crash() {
    let nested = |depth: usize| (0..depth).fold(vec![], |inner, _| tlv(0x30, &inner));
    let long = [&[0x30, 0x88][..], &[0x7f; 8]].concat();
    for (name, say, part) in [
        (
            "a web server",
            Say::Raw(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()),
            "no message of LDAP",
        ),
        ("a hundred thousand levels", Say::Raw(nested(100_000)), "no message of LDAP"),
        ("longer than memory", Say::Raw(long), "more than 128 MiB in one piece"),
        (
            "a gigabyte is announced",
            Say::Raw([&[0x30, 0x84][..], &(1_u32 << 30).to_be_bytes()].concat()),
            "more than 128 MiB",
        ),
        ("half a message", Say::Raw(vec![0x30, 0x20, 2, 1]), "no answer within 0.7 s"),
        ("another's answer", Say::Numbered(77, result(0x65, 0, "")), "the server answers what was not asked"),
        (
            "goodbye",
            Say::Numbered(0, result(0x78, 52, "shutting down")),
            "the server ended the connection (52): shutting down",
        ),
        ("bound", Say::Message(result(0x61, 0, ""), vec![]), "answers a search with something else"),
        ("hangs up", Say::HangUp, "the connection broke: the server hung up"),
        ("silence", Say::Silence, "no answer within 0.7 s (`timeout`)"),
    ] {
        let stub = Stub::start(move |_, _| vec![say.clone()].into_iter().chain([Say::Silence]).collect());
        let said =
            pull(&stub, "timeout = \"PT0.7S\"", OPEN).err().unwrap_or_else(|| panic!("{name} was taken"));
        assert!(said.contains(part), "{name}: {said}");
    }
}

#[test]
fn nothing_said_before_tls_is_believed() {
    for (answer, part) in [
        (
            vec![Say::Message(result(0x78, 2, "no TLS here"), vec![])],
            "`start_tls` was refused (2): no TLS here",
        ),
        (
            vec![Say::Raw(
                [tlv(0x30, &[&[2, 1, 1][..], &result(0x78, 0, "")].concat()), vec![0x30, 0x05]].concat(),
            )],
            "sent more before TLS than it was asked",
        ),
        (vec![Say::Message(result(0x78, 0, ""), vec![]), Say::Silence], "cannot agree on TLS"),
    ] {
        let stub = Stub::start(move |asked, _| match asked {
            Asked::Extended => answer.clone(),
            other => panic!("{other:?} came without TLS"),
        });
        let dir = tempfile::tempdir().unwrap();
        let config = stub.config("start_tls = true\ntimeout = \"PT0.7S\"", OPEN);
        let said = Pulled::of(&job(dir.path(), &config)).unwrap_err();
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_password_that_a_server_repeats_is_not_told() {
    const PASSWORD: &str = "canary-of-a-password";
    for say in [
        Say::Message(result(0x61, 49, &format!("wrong: {PASSWORD}")), vec![]),
        Say::Numbered(0, result(0x78, 8, &format!("goodbye {PASSWORD}"))),
        Say::Message(result(0x61, 0, ""), vec![]),
    ] {
        let stub = Stub::start(move |asked, _| match asked {
            Asked::Bind => vec![say.clone()],
            Asked::Search { .. } => vec![done(80, &format!("no {PASSWORD}"), None)],
            _ => vec![Say::HangUp],
        });
        let dir = tempfile::tempdir().unwrap();
        crate::servers::put_secret(&dir.path().join("secret"), PASSWORD);
        let bind = "bind = { simple = { dn = \"cn=reader\", password = \"file:secret\" } }";
        let job = job(dir.path(), &stub.config("", OPEN).replace("bind = \"none\"", bind));
        for said in [Pulled::of(&job).unwrap_err(), job.probe(&|_| false).unwrap_err().to_string()] {
            assert!(said.contains("***") && !said.contains("canary"), "{said}");
        }
    }
}

#[test]
fn a_pull_is_watched_and_can_be_broken_off() {
    // Entries that come slowly, for ever.
    let stub = Stub::start(|asked, _| match asked {
        Asked::Search { .. } => vec![person("alice"), Say::Silence],
        _ => vec![Say::HangUp],
    });
    let dir = tempfile::tempdir().unwrap();
    let slow = job(dir.path(), &stub.config("", OPEN));
    let busy = Cell::new(0);
    let begun = Instant::now();
    let said = Pulled::watched(&slow, &|doing| {
        busy.set(busy.get() + u32::from(*doing == Doing::Busy));
        busy.get() >= 3
    });
    assert_eq!(said.unwrap_err(), "the pull was broken off");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "told only every second or more: {took:?}");

    // With a deadline it ends by itself, and what came is there.
    let ended = Pulled::of(&job(dir.path(), &stub.config("deadline = \"PT1S\"", OPEN))).unwrap();
    assert!(
        ended.reasons().contains("step `people`: the time for the whole pull is up (`deadline`)"),
        "{}",
        ended.reasons()
    );
    assert_eq!(ended.bare("identity").len(), 1);
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_what_came() {
    if skipped() {
        return;
    }
    let server = Slapd::start(&Plan::default());
    let job = job(server.dir(), &server.config("page_size = 1", SETTINGS));
    let pages = AtomicUsize::new(0);
    let pulled = Pulled::watched(&job, &|doing| {
        if matches!(doing, Doing::Asked { .. }) && pages.fetch_add(1, Ordering::SeqCst) == 1 {
            server.kill();
        }
        false
    });
    let pulled = pulled.unwrap();
    let reasons = pulled.reasons();
    assert!(reasons.contains("step `people`: "), "{reasons}");
    assert!(reasons.contains("the connection broke") || reasons.contains("cannot send"), "{reasons}");
    assert!(reasons.contains("not asked for after that: groups"), "{reasons}");
    assert_eq!(pulled.bare("identity").len(), 2);
    assert_eq!(pulled.one("snapshot", "source", "corp-ldap")["complete"], false);
}
