//! Access held through other access: the engine against a naive reading on random graphs, whatever the order of the
//! rows; what a grant that rests on another says; what a map may not say.

use counterfoil::connect::{Catalog, PullOptions, PullSummary, Settings, pull_files};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const MANIFEST: &str = r#"
name = "club"
title = "Club"
summary = "Members of groups, and what groups hold."
provides = ["grant", "entitlement"]
INHERIT

[[shape]]
name = "rows"
formats = ["jsonl"]
"#;

/// A connector whose rows are what its map makes of them.
struct Club {
    folder: tempfile::TempDir,
    catalog: Catalog,
}

impl Club {
    fn new(inherit: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let club = folder.path().join("connectors/club");
        fs::create_dir_all(&club).unwrap();
        fs::write(club.join("manifest.toml"), MANIFEST.replace("INHERIT", inherit)).unwrap();
        fs::write(club.join("map.jq"), "if type == \"object\" and .many then .many[] else . end\n").unwrap();
        fs::write(club.join("README.md"), "# club\n").unwrap();
        let catalog = Catalog::load(Some(&folder.path().join("connectors"))).unwrap();
        Self { folder, catalog }
    }

    fn try_pull(&self, rows: &[Value]) -> Result<(Vec<Value>, PullSummary), String> {
        let connector = self.catalog.get("club").unwrap();
        let settings = Settings::from_table(&connector.manifest, &toml::Table::new()).unwrap();
        let options = PullOptions {
            source: "club".into(),
            taken_at: "2026-06-01T00:00:00Z".into(),
            skip_bad_rows: false,
            worker: None,
        };
        let file = self.folder.path().join("rows.jsonl");
        fs::write(&file, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
        let mut lines = Vec::new();
        let mut sink = |line: &str| {
            counterfoil::model::parse_line(line.as_bytes()).expect(line);
            lines.push(serde_json::from_str(line).unwrap());
            Ok(())
        };
        let summary = pull_files(connector, &settings, &options, &[file], &mut sink, &mut |_| {})
            .map_err(|error| error.to_string())?;
        Ok((lines, summary))
    }

    fn pull(&self, rows: &[Value]) -> (Vec<Value>, PullSummary) {
        self.try_pull(rows).unwrap()
    }
}

const INHERIT: &str = "inherit = true";

fn grant(account: &str, entitlement: &str) -> Value {
    json!({"type": "grant", "system": "s", "account": account, "entitlement": entitlement})
}

fn edge(from: &str, to: &str) -> Value {
    json!({"type": "includes", "system": "s", "entitlement": from, "gives": {"entitlement": to}})
}

/// The same with more fields, or others.
fn with(mut value: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more} is no object") };
    value.as_object_mut().unwrap().extend(more);
    value
}

/// Grants that rest on others, by what they are.
fn inherited(lines: &[Value]) -> BTreeMap<String, Value> {
    let rest = lines.iter().filter(|line| line["path"].is_array());
    rest.map(|line| (line["entitlement"].as_str().unwrap().to_owned(), line.clone())).collect()
}

#[test]
fn what_a_group_holds_its_members_hold() {
    let ada = with(
        grant("ada", "staff"),
        json!({
            "native_id": "U-1", "ticket": "REQ-1", "granted_by": "ines", "granted_at": "2026-01-02T00:00:00+01:00",
            "granted_at_basis": "event", "expires_at": "2027-01-01T00:00:00Z", "last_used_at": "2026-05-01T00:00:00Z",
            "usage_tracked_since": "2026-01-01T00:00:00Z", "use_attribution": "account", "colour": "red",
        }),
    );
    let ben = with(
        grant("ben", "staff"),
        json!({"mode": "eligible", "last_used_at": "2026-05-01T00:00:00Z", "use_attribution": "entitlement"}),
    );
    let first = with(
        edge("staff", "readers"),
        json!({"granted_at": "2026-02-01T00:00:00Z", "granted_at_basis": "state", "granted_by": "carl",
               "expires_at": "2026-12-01T00:00:00Z"}),
    );
    let second = with(
        edge("readers", "unused"),
        json!({"gives": {"system": "lake", "entitlement": "select", "scope": "db/sales"}}),
    );
    let (lines, summary) = Club::new(INHERIT).pull(&[ada, ben, first, second]);
    assert_eq!((summary.records, lines.len()), (6, 7));
    let end = lines.last().unwrap();
    assert_eq!(
        (&end["complete"], &end["count"], &end["systems"]),
        (&json!(true), &json!(6), &json!(["lake", "s"]))
    );
    let of = |account: &str, entitlement: &str| {
        let found = |line: &&Value| line["account"] == account && line["entitlement"] == entitlement;
        lines.iter().find(found).unwrap().clone()
    };
    let direct = of("ada", "staff");
    assert_eq!(
        of("ada", "readers"),
        json!({
            "type": "grant", "source": "club", "system": "s", "account": "ada", "entitlement": "readers",
            "path": [{"entitlement": "staff"}], "granted_at": "2026-02-01T00:00:00Z", "granted_at_basis": "state",
            "granted_by": "carl", "expires_at": "2026-12-01T00:00:00Z", "native_id": "U-1",
            "evidence": direct["evidence"], "observed_at": "2026-06-01T00:00:00Z",
            "last_used_at": "2026-05-01T00:00:00Z", "usage_tracked_since": "2026-01-01T00:00:00Z",
            "use_attribution": "account",
        })
    );
    // The second edge says no time, so none is known; its end is known all the same.
    assert_eq!(
        of("ada", "select"),
        json!({
            "type": "grant", "source": "club", "system": "lake", "account": "ada", "entitlement": "select",
            "scope": "db/sales", "path": [{"entitlement": "staff", "system": "s"}, {"entitlement": "readers", "system": "s"}],
            "expires_at": "2026-12-01T00:00:00Z", "native_id": "U-1", "evidence": direct["evidence"],
            "observed_at": "2026-06-01T00:00:00Z", "last_used_at": "2026-05-01T00:00:00Z",
            "usage_tracked_since": "2026-01-01T00:00:00Z", "use_attribution": "account",
        })
    );
    // Use of one entitlement is not use of another, and what has to be activated stays so.
    let ben = of("ben", "readers");
    assert_eq!(
        (&ben["mode"], &ben["last_used_at"], &ben["granted_at"]),
        (&json!("eligible"), &Value::Null, &Value::Null)
    );
}

#[test]
fn a_scope_is_kept_replaced_or_asked_for() {
    let rows = [
        with(grant("ada", "admin"), json!({"scope": "ns/a"})),
        edge("admin", "edit"),
        with(edge("edit", ""), json!({"gives": {"entitlement": "view", "scope": "ns/b"}})),
        with(edge("edit", ""), json!({"gives": {"entitlement": "list", "scope": ""}})),
        with(edge("admin", "only-a"), json!({"scope": "ns/a"})),
        with(edge("admin", "only-b"), json!({"scope": "ns/b"})),
        with(edge("admin", "only-below"), json!({"scope": "ns/a/pods"})),
    ];
    let got = inherited(&Club::new(INHERIT).pull(&rows).0);
    let scopes: Vec<(&str, &Value)> =
        got.iter().map(|(name, line)| (name.as_str(), &line["scope"])).collect();
    let (a, b) = (json!("ns/a"), json!("ns/b"));
    assert_eq!(scopes, [("edit", &a), ("list", &Value::Null), ("only-a", &a), ("view", &b)]);
}

#[test]
fn a_way_the_map_itself_gave_stands_in_front() {
    let rows = [with(grant("ada", "b"), json!({"path": [{"entitlement": "a"}]})), edge("b", "c")];
    let got = inherited(&Club::new(INHERIT).pull(&rows).0);
    assert_eq!(got["c"]["path"], json!([{"entitlement": "a"}, {"entitlement": "b"}]));
}

#[test]
fn of_several_ways_from_one_to_another_the_one_that_gives_more_counts() {
    let ways = [
        json!({"mode": "eligible", "granted_at": "2020-01-01T00:00:00Z"}),
        json!({"expires_at": "2027-01-01T00:00:00Z", "granted_at": "2021-01-01T00:00:00Z"}),
        json!({"granted_at": "2023-01-01T00:00:00Z"}),
        json!({"granted_at": "2022-01-01T00:00:00Z"}),
        json!({}),
    ];
    let club = Club::new(INHERIT);
    for turn in 0..ways.len() {
        let mut rows = vec![with(grant("ada", "a"), json!({"granted_at": "2019-01-01T00:00:00Z"}))];
        rows.extend(ways.iter().map(|more| with(edge("a", "b"), more.clone())));
        rows[1..].rotate_left(turn);
        let (lines, _) = club.pull(&rows);
        let got = inherited(&lines);
        assert_eq!(lines.len(), 3, "one grant, and not one for each way");
        assert_eq!(
            (&got["b"]["granted_at"], &got["b"]["expires_at"]),
            (&json!("2022-01-01T00:00:00Z"), &Value::Null)
        );
    }
}

#[test]
fn an_entitlement_says_what_its_edges_say_unless_it_says_so_itself() {
    let entitlement = |id: &str| json!({"type": "entitlement", "system": "s", "id": id, "risk": "high"});
    let rows = [
        entitlement("group"),
        with(entitlement("told"), json!({"includes": []})),
        entitlement("leaf"),
        edge("group", "leaf"),
        edge("told", "leaf"),
        with(edge("group", ""), json!({"gives": {"system": "t", "entitlement": "x", "scope": "y"}})),
        with(edge("group", "sometimes"), json!({"scope": "z"})),
        edge("group", "group"),
    ];
    let (lines, _) = Club::new(INHERIT).pull(&rows);
    let of = |id: &str| lines.iter().find(|line| line["id"] == id).unwrap();
    let includes = json!([{"entitlement": "leaf"}, {"entitlement": "x", "system": "t", "scope": "y"}]);
    assert_eq!((&of("group")["includes"], &of("group")["risk"]), (&includes, &json!("high")));
    assert_eq!((&of("told")["includes"], &of("leaf")["includes"]), (&json!([]), &Value::Null));
    assert_eq!(lines.len(), 4);
}

#[test]
fn what_is_joined_to_a_grant_reaches_what_rests_on_it() {
    let merge = "inherit = true\n[merge]\ngrant = [\"account\", \"entitlement\"]";
    let rows = [
        json!({"type": "part", "of": "grant", "account": "ada", "entitlement": "a",
               "fill": {"granted_at": "2026-03-01T00:00:00Z"}}),
        grant("ada", "a"),
        with(edge("a", "b"), json!({"granted_at": "2026-01-01T00:00:00Z"})),
    ];
    let got = inherited(&Club::new(merge).pull(&rows).0);
    assert_eq!(got["b"]["granted_at"], json!("2026-03-01T00:00:00Z"));
}

#[test]
fn an_edge_is_read_strictly() {
    let club = Club::new(INHERIT);
    for (bad, message) in [
        (with(edge("a", "b"), json!({"grants": {}})), "with `grants`: expected only system, entitlement"),
        (json!({"type": "includes", "system": "s", "entitlement": "a"}), "without `gives`"),
        (with(edge("a", "b"), json!({"gives": ["b"]})), "without `gives`"),
        (with(edge("a", "b"), json!({"gives": {"entitlement": "b", "mode": "active"}})), "gives `mode`"),
        (with(edge("a", "b"), json!({"gives": {"system": "s"}})), "gives: field `entitlement`"),
        (
            with(edge("a", "b"), json!({"entitlement": 7})),
            "includes: field `entitlement`: found the number 7",
        ),
        (with(edge("a", "b"), json!({"granted_at": "2026-01-01"})), "includes: field `granted_at`"),
        (with(edge("a", "b"), json!({"mode": "sometimes"})), "includes: field `mode`"),
        (with(edge("a", "b"), json!({"scope": ""})), "`scope` is empty"),
        (
            json!({"type": "includes", "entitlement": "a", "gives": {"entitlement": "b"}}),
            "includes: field `system`",
        ),
    ] {
        let row = json!({"many": [grant("ada", "a"), bad]});
        let error = club.try_pull(&[grant("ben", "a"), row]).unwrap_err();
        assert!(error.contains("row 2") && error.contains(message), "{message}: {error}");
    }
    let error = Club::new("").try_pull(&[edge("a", "b")]).unwrap_err();
    assert!(error.contains("row 1") && error.contains("`inherit = true`"), "{error}");
}

#[test]
fn ten_thousand_groups_one_in_the_other() {
    let name = |number: usize| format!("g{number:05}");
    let chain = (0..10_000).map(|number| edge(&name(number), &name(number + 1)));
    let mut rows: Vec<Value> = chain.collect();
    rows.push(grant("ada", "g00000"));
    let (lines, summary) = Club::new(INHERIT).pull(&rows);
    let got = inherited(&lines);
    assert_eq!((got.len(), lines.len()), (64, 66));
    assert_eq!(got["g00064"]["path"].as_array().unwrap().len(), 64);
    assert!(
        summary.reasons.join(" ").contains("through `g00000` on `s` by more than 64 steps"),
        "{:?}",
        summary.reasons
    );
    // With a member in each, all that is held at a time is what comes with one of them.
    rows.truncate(1_000);
    rows.extend((0..1_000).map(|number| grant(&format!("u{number}"), &name(number))));
    let (lines, summary) = Club::new(INHERIT).pull(&rows);
    assert_eq!(summary.records, 1_000 + (0..1_000_u64).map(|number| (1_000 - number).min(64)).sum::<u64>());
    assert_eq!(lines.last().unwrap()["complete"], json!(false));
}

/// A held entitlement: system, entitlement, scope. In this order names decide.
type Held = (String, String, Option<String>);

/// Edges between few names, so that circles and several ways from one to another are many.
fn edges() -> impl Strategy<Value = Vec<Value>> {
    let scope = || prop_oneof![4 => Just(None), 1 => Just(Some("x")), 1 => Just(Some("y"))];
    let gives = prop_oneof![4 => Just(None), 1 => Just(Some("")), 1 => Just(Some("x")), 1 => Just(Some("y"))];
    let system = || prop_oneof![3 => Just("s"), 1 => Just("t")];
    let time = || prop_oneof![1 => Just(None), 3 => (1..6u32).prop_map(Some)];
    let terms = (time(), time(), prop_oneof![3 => Just(false), 1 => Just(true)]);
    let one = (system(), 0..5u8, scope(), system(), 0..5u8, gives, terms);
    let one = one.prop_map(|(system, from, when, to_system, to, gives, (since, until, eligible))| {
        let day = |day: Option<u32>, year: u32| day.map(|day| format!("{year}-01-0{day}T00:00:00Z"));
        json!({
            "type": "includes", "system": system, "entitlement": format!("e{from}"), "scope": when,
            "gives": {"system": to_system, "entitlement": format!("e{to}"), "scope": gives},
            "granted_at": day(since, 2020), "granted_by": since.map(|day| format!("by{day}")),
            "expires_at": day(until, 2030), "mode": if eligible { "eligible" } else { "active" },
        })
    });
    prop::collection::vec(one, 0..12)
}

/// One way: its length, what it leads through, and the edges by which it goes; the least of all is the one that counts.
type Way = (usize, Vec<Held>, Vec<(bool, Reverse<String>, bool, String)>);

/// All ways from `here` that go through nothing twice.
fn ways(edges: &[Value], here: &Held, so_far: &Way, found: &mut BTreeMap<Held, BTreeSet<Way>>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    for edge in edges {
        let when = text(&edge["scope"]);
        if edge["system"] != here.0 || edge["entitlement"] != here.1 || (when.is_some() && when != here.2) {
            continue;
        }
        let gives = &edge["gives"];
        let scope = match text(&gives["scope"]) {
            None => here.2.clone(),
            Some(scope) => Some(scope).filter(|scope| !scope.is_empty()),
        };
        let there: Held = (text(&gives["system"]).unwrap(), text(&gives["entitlement"]).unwrap(), scope);
        if so_far.1.contains(&there) {
            continue;
        }
        let end = text(&edge["expires_at"]).unwrap_or_else(|| "9999".to_owned());
        let start = text(&edge["granted_at"]);
        let terms = (edge["mode"] == "eligible", Reverse(end), start.is_none(), start.unwrap_or_default());
        let (length, mut through, mut by) = so_far.clone();
        through.push(there.clone());
        by.push(terms);
        let way = (length + 1, through, by);
        found.entry(there.clone()).or_default().insert(way.clone());
        ways(edges, &there, &way, found);
    }
}

/// What a direct grant of `start`, granted on the third, brings with it.
fn naive(edges: &[Value], start: &Held) -> BTreeSet<String> {
    let mut found = BTreeMap::new();
    ways(edges, start, &(0, vec![start.clone()], Vec::new()), &mut found);
    let shortest = found.into_iter().map(|(there, ways)| {
        let (_, through, by) = ways.into_iter().next().unwrap();
        let path: Vec<Value> = through[..through.len() - 1]
            .iter()
            .map(|(system, entitlement, _)| match *system == there.0 {
                true => json!({"entitlement": entitlement}),
                false => json!({"entitlement": entitlement, "system": system}),
            })
            .collect();
        let since = "2020-01-03T00:00:00Z".to_owned();
        let known = by.iter().all(|(_, _, unknown, _)| !unknown);
        let since = by.iter().map(|(.., since)| since.clone()).chain([since]).max().filter(|_| known);
        let until = by.iter().map(|(_, Reverse(end), ..)| end).min().filter(|end| *end != "9999");
        json!([there.0, there.1, there.2, path, since, until, by.iter().any(|(eligible, ..)| *eligible)])
            .to_string()
    });
    shortest.collect()
}

fn shown(line: &Value) -> String {
    let fields =
        ["system", "entitlement", "scope", "path", "granted_at", "expires_at"].map(|key| line[key].clone());
    let mut fields = fields.to_vec();
    fields.push(json!(line["mode"] == "eligible"));
    Value::Array(fields).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_reads_as_the_naive_one(edges in edges(), scoped in any::<bool>(), seed in any::<u64>()) {
        let club = Club::new(INHERIT);
        let scope = scoped.then_some("x");
        let start: Held = ("s".to_owned(), "e0".to_owned(), scope.map(str::to_owned));
        let direct = |account: &str| {
            with(grant(account, "e0"), json!({"scope": scope, "granted_at": "2020-01-03T00:00:00Z"}))
        };
        let mut rows = edges.clone();
        rows.extend([direct("ada"), direct("ben")]);
        let (lines, summary) = club.pull(&rows);
        prop_assert!(summary.reasons.is_empty());
        let expected = naive(&edges, &start);
        for account in ["ada", "ben"] {
            let mine = lines.iter().filter(|line| line["account"] == account && line["path"].is_array());
            let got: Vec<String> = mine.map(shown).collect();
            prop_assert_eq!(got.len(), expected.len());
            prop_assert_eq!(&got.into_iter().collect::<BTreeSet<_>>(), &expected);
        }
        // Another order of the rows. What a record says of its row (its number, its hash) is of the direct grant, so it stays.
        let mut order: Vec<(u64, Value)> = rows
            .into_iter()
            .enumerate()
            .map(|(place, row)| (seed.rotate_left(u32::try_from(place).unwrap() * 7) ^ place as u64, row))
            .collect();
        order.sort_by_key(|(key, _)| *key);
        let rows: Vec<Value> = order.into_iter().map(|(_, row)| row).collect();
        let sorted = |lines: &[Value]| {
            let strip = |line: &Value| {
                let mut line = line.clone();
                line.as_object_mut().unwrap().remove("evidence");
                line.to_string()
            };
            let mut lines: Vec<String> = lines.iter().map(strip).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(sorted(&club.pull(&rows).0), sorted(&lines));
    }
}
