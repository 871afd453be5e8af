//! Emptying the outbox with a daemon's core: receivers with every fault, a clock that is set, signs of life.

use std::path::Path;

use counterfoil::alert::guard;
use counterfoil::daemon::{Core, Pause, Post, Sent, Setup, deliver};
use counterfoil::engine::SourceSpec;
use counterfoil::model::event::Heartbeat;
use counterfoil::model::{Duration, Instant, RecordType};
use counterfoil::schedule::{Cadence, Schedule};
use counterfoil::sink::{Audience, Filter};
use counterfoil::store::{Sqlite, Store};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::bench::{HOUR, How, START, grant, pulled, rules};
use crate::simulation::inbox::{Arrivals, Fault, Handle, inbox, lock};

/// A core with one source of grants, pulled every hour, and one receiver of two messages at a time.
struct Office {
    _folder: tempfile::TempDir,
    runtime: Runtime,
    core: Core,
    post: Post,
    arrivals: Arrivals,
    sink: Handle,
    pause: Pause,
    now: Instant,
    grants: Vec<Value>,
    how: How,
}

fn open(path: &Path) -> Box<dyn Store> {
    Box::new(Sqlite::open(path).unwrap())
}

fn office(heartbeat: Option<Duration>) -> Office {
    office_of(Audience::Machines, heartbeat)
}

fn office_of(audience: Audience, heartbeat: Option<Duration>) -> Office {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let arrivals = Arrivals::default();
    let sink = inbox("siem", audience, Filter::default(), 2, heartbeat, &arrivals);
    let mut own = rules(&["unapproved-grant"]);
    own.guard = guard::Limits { records: u64::MAX, percent: 100 };
    own.listeners = vec![sink.to.listener.clone()];
    let every = Cadence { every: Some(HOUR), ..Cadence::default() };
    let setup = Setup {
        rules: own,
        sources: vec![SourceSpec { id: "iam".to_owned(), provides: vec![RecordType::Grant], by: None }],
        destinations: vec![sink.to.clone()],
        schedules: vec![Schedule::new("pull iam", &every).unwrap()],
        judge_after_pull: true,
        signer: None,
    };
    let core = Core::new(open(&path), setup, Duration::days(400)).unwrap();
    let post = Post::new(open(&path));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (pause, now, how) = (Pause::default(), START.parse().unwrap(), How::Whole);
    Office { _folder: folder, runtime, core, post, arrivals, sink, pause, now, grants: vec![], how }
}

impl Office {
    fn tick(&mut self) -> u64 {
        let (now, grants, how) = (self.now, &self.grants, self.how);
        let mut pull = |source: &str| pulled(source, "grant", grants, how, now);
        self.core.tick(now, &|| false, &mut pull).unwrap().heartbeats
    }

    fn deliver(&mut self) -> Sent {
        self.runtime.block_on(deliver(&self.post, &self.sink.to, &mut self.pause, self.now)).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        lock(&self.arrivals).iter().map(|got| got.id.clone()).collect()
    }

    fn later(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    /// With findings of so many grants in the outbox.
    fn with(grants: usize) -> Office {
        let mut office = office(None);
        office.grants = (0..grants).map(|n| grant(&format!("p{n}"))).collect();
        office.tick();
        office
    }
}

fn sent(taken: u64, later: u64, refused: u64) -> Sent {
    Sent { taken, later, refused }
}

#[test]
fn a_receiver_that_is_away_is_asked_later_and_later_and_loses_nothing() {
    let mut office = Office::with(3);
    office.sink.set(Fault::Away);
    let mut asked = vec![];
    for second in 0..4000 {
        if office.deliver().later > 0 {
            asked.push(second);
        }
        office.later(Duration::seconds(1));
    }
    assert_eq!(asked, [0, 1, 6, 36, 156, 456, 1356, 2256, 3156]);
    office.sink.set(Fault::None);
    office.later(Duration::minutes(15));
    assert_eq!((office.deliver(), office.deliver()), (sent(2, 0, 0), sent(1, 0, 0)));
    assert_eq!(office.pause, Pause::default());
    assert_eq!(office.deliver(), sent(0, 0, 0));
}

#[test]
fn an_answer_that_was_lost_is_a_second_copy_with_the_same_id() {
    let mut office = Office::with(1);
    office.sink.set(Fault::Lost);
    office.deliver();
    office.sink.set(Fault::None);
    office.later(Duration::seconds(1));
    office.deliver();
    let arrivals = lock(&office.arrivals).clone();
    assert_eq!(arrivals.len(), 2);
    assert_eq!((&arrivals[0].id, &arrivals[0].content), (&arrivals[1].id, &arrivals[1].content));
}

#[test]
fn a_receiver_that_asks_for_rest_gets_it() {
    for fault in [Fault::Busy(Duration::minutes(10)), Fault::Half(Duration::minutes(10))] {
        let mut office = Office::with(6);
        office.sink.set(fault);
        assert!(office.deliver().later > 0);
        office.sink.set(Fault::None);
        office.later(Duration::minutes(9));
        assert_eq!(office.deliver(), sent(0, 0, 0), "{fault:?}: not yet, not even another message");
        office.later(Duration::minutes(1));
        assert_eq!(office.deliver(), sent(2, 0, 0), "{fault:?}");
    }
}

#[test]
fn what_no_receipt_came_for_is_tried_again() {
    let mut office = Office::with(2);
    office.sink.set(Fault::Short);
    assert_eq!(office.deliver(), sent(1, 1, 0));
    office.later(Duration::seconds(1));
    assert_eq!(office.deliver(), sent(1, 0, 0));
    assert_eq!(office.ids().len(), 2);
}

/// The activities that arrived, by the account they are about.
fn heard(office: &Office) -> Vec<String> {
    let arrivals = lock(&office.arrivals);
    let events = arrivals.iter().flat_map(|got| &got.events);
    events.map(|e| format!("{} {}", e.finding.grant.as_ref().unwrap().account, e.activity.as_str())).collect()
}

#[test]
fn nothing_of_a_finding_overtakes_what_was_said_before() {
    for audience in [Audience::Machines, Audience::People] {
        let mut office = office_of(audience, None);
        office.tick();
        office.deliver();
        office.later(HOUR);
        // Two systems, so that people are told of each apart.
        let mut other = grant("b");
        other["system"] = Value::from("git");
        office.grants = vec![grant("a"), other];
        office.tick();
        office.later(HOUR);
        office.grants.clear();
        office.tick();
        office.sink.set(Fault::Short);
        assert_eq!(office.deliver(), sent(1, 1, 0), "{audience:?}");
        office.sink.set(Fault::None);
        assert_eq!(office.deliver(), sent(1, 0, 0), "{audience:?}: the other finding goes on");
        let (first, second) = (heard(&office), heard(&office)[0][..1].to_owned());
        assert_eq!(first, [format!("{second} create"), format!("{second} close")], "{audience:?}");
        office.later(Duration::seconds(1));
        office.deliver();
        office.deliver();
        let waited = if second == "a" { "b" } else { "a" };
        assert_eq!(
            heard(&office)[2..],
            [format!("{waited} create"), format!("{waited} close")],
            "{audience:?}"
        );
    }
}

#[test]
fn a_sink_whose_settings_are_wrong_keeps_its_messages() {
    let mut office = Office::with(1);
    office.sink.set(Fault::Locked);
    office.deliver();
    office.sink.set(Fault::None);
    office.later(Duration::minutes(14));
    assert_eq!(office.deliver(), sent(0, 0, 0));
    office.later(Duration::minutes(1));
    assert_eq!(office.deliver(), sent(1, 0, 0));
}

#[test]
fn what_is_refused_is_kept_and_can_be_sent_again() {
    let mut office = Office::with(9);
    office.sink.set(Fault::Picky);
    let mut refused = 0;
    for _ in 0..9 {
        refused += office.deliver().refused;
    }
    assert!(refused > 0 && refused < 9);
    let dead = office.core.store().dead_letters(Some("siem"), 100).unwrap();
    assert_eq!(dead.len() as u64, refused);
    assert!(dead.iter().all(|d| d.reason == "400" && d.finding.is_some()));
    office.sink.set(Fault::None);
    assert_eq!(office.deliver(), sent(0, 0, 0), "not by itself");
    assert_eq!(office.core.store().replay(None, office.now).unwrap(), refused);
    while office.deliver().taken > 0 {}
    let ids: std::collections::BTreeSet<String> = office.ids().into_iter().collect();
    assert_eq!(ids.len(), 9);
}

#[test]
fn a_clock_that_is_set_back_keeps_nobody_waiting() {
    for (back, fault) in [
        (Duration::hours(2), Fault::None),
        (Duration::days(1), Fault::None),
        (Duration::hours(23), Fault::Busy(Duration::hours(3))),
        (Duration::days(1), Fault::Locked),
        (Duration::days(30), Fault::Away),
    ] {
        let mut office = Office::with(1);
        office.sink.set(fault);
        if fault != Fault::None {
            office.deliver();
        }
        office.sink.set(Fault::None);
        office.now = office.now.minus(back);
        assert_eq!(office.deliver(), sent(1, 0, 0), "{back} {fault:?}");
    }
}

fn beat(office: &Office) -> Heartbeat {
    let arrivals = lock(&office.arrivals);
    arrivals.iter().rev().find_map(|got| serde_json::from_str(&got.content).ok()).unwrap()
}

#[test]
fn a_sink_hears_that_all_is_well_and_a_dead_one_only_the_last_time() {
    let mut office = office(Some(HOUR));
    office.grants = vec![grant("alice")];
    assert_eq!(office.tick(), 1);
    office.deliver();
    office.deliver();
    let first = beat(&office);
    assert_eq!(first.next_within_s, 7200);
    office.later(Duration::minutes(59));
    assert_eq!(office.tick(), 0);
    office.sink.set(Fault::Away);
    for _ in 0..20 {
        office.later(HOUR);
        assert_eq!(office.tick(), 1);
        office.deliver();
    }
    assert_eq!(office.core.store().outbox().unwrap()[0].waiting, 1, "the last one");
    office.sink.set(Fault::None);
    office.later(Duration::minutes(15));
    office.deliver();
    let last = beat(&office);
    assert_eq!(last.open, [(counterfoil::model::finding::Severity::High, 1)].into());
    assert!(last.time > first.time && last.doubtful_sources.is_empty(), "{last:?}");
}

#[test]
fn a_sign_of_life_names_every_source_in_doubt() {
    let mut office = office(Some(HOUR));
    office.tick();
    while office.deliver().taken > 0 {}
    assert_eq!(beat(&office).doubtful_sources["iam"], "it was never read");
    office.how = How::Failed;
    office.later(HOUR);
    office.tick();
    office.later(HOUR);
    office.tick();
    while office.deliver().taken > 0 {}
    assert!(beat(&office).doubtful_sources["iam"].contains("no route to host"));
    office.how = How::Whole;
    office.later(HOUR);
    office.tick();
    office.later(Duration::hours(30));
    office.tick();
    while office.deliver().taken > 0 {}
    assert!(
        beat(&office).doubtful_sources["iam"].contains("last read"),
        "not read for a day: {:?}",
        beat(&office)
    );
}

#[test]
fn signs_of_life_go_on_when_the_clock_is_set() {
    let mut office = office(Some(HOUR));
    assert_eq!(office.tick(), 1);
    office.now = office.now.minus(Duration::days(1));
    assert_eq!(office.tick(), 1, "back");
    office.later(HOUR);
    assert_eq!(office.tick(), 1);
    office.later(Duration::days(1));
    assert_eq!(office.tick(), 1, "forward: one, not twenty-four");
}
