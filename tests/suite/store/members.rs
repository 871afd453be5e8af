//! Several programs on one database, without the programs: who leads, what the one who led before may still do, who sends what,
//! and who pulls.

use std::time::{Duration as Span, Instant as Tick};

use counterfoil::store::{Fate, Member, Postgres, Progress, Slot, SlotState, Store, StoreError};

use super::postgres::Database;
use super::toy::{at, close, event, life, tell};
use super::{File, Home};

fn open(member: &Member, term: u64) -> Postgres {
    Postgres::open(&member.server().led_in(term)).unwrap()
}

/// Beats until it leads.
fn led(member: &mut Member) -> u64 {
    let began = Tick::now();
    loop {
        let beat = member.beat(None, true, None).unwrap();
        if beat.leads {
            return beat.epoch;
        }
        assert!(began.elapsed() < Span::from_secs(10), "it never leads");
        std::thread::sleep(Span::from_millis(50));
    }
}

#[test]
fn one_leads_and_who_led_before_can_change_nothing() {
    let Some(home) = Database::new() else { return };
    let address = home.address();
    let [mut one, mut two] = ["one", "two"].map(|name| Member::new(&address, name).unwrap());
    let first = led(&mut one);
    let beat = two.beat(None, true, None).unwrap();
    assert!(!beat.leads && beat.is_led && beat.leader == "one", "{beat:?}");
    let mut store = open(&one, first);
    store.set_meta("a", "1").unwrap();
    // It keeps the lead for as long as it shows, and two others do not make it one.
    for _ in 0..4 {
        std::thread::sleep(Span::from_secs(1));
        assert!(
            one.beat(Some(first), true, None).unwrap().leads && !two.beat(None, true, None).unwrap().leads
        );
    }
    // A change that began before the other took over, and ends after it.
    let run = store.open_run(at(0)).unwrap();
    let mut second = 0;
    let grants = [super::toy::Toy::grant("g", 0, 1, "vpn")];
    let taken = super::toy::try_pull(&mut store, run, "a", &grants, false, &mut |_| {
        second = led(&mut two);
        Ok(())
    });
    assert!(second > first && taken.is_err(), "{taken:?}");
    for done in [store.set_meta("a", "2"), store.open_run(at(1)).map(drop), store.unmute(at(1))] {
        assert!(matches!(done, Err(StoreError::Superseded(_))), "{done:?}");
    }
    let mut other = open(&two, second);
    assert_eq!(other.meta("a").unwrap().as_deref(), Some("1"));
    assert_eq!(super::toy::records(&other, None), []);
    other.set_meta("a", "3").unwrap();
    let beat = one.beat(Some(first), true, None).unwrap();
    assert!(!beat.leads && beat.epoch == second, "{beat:?}");
    // Who asks is let lead, and who gives it back need not be waited for.
    one.ask().unwrap();
    assert!(two.beat(Some(second), true, None).unwrap().asked);
    two.step_down(second).unwrap();
    assert!(!two.beat(None, true, None).unwrap().leads, "room is left for whoever asked");
    assert!(one.beat(None, true, None).unwrap().leads);
    // A clock that was set back keeps nobody from leading for long.
    let beat = two.beat(None, true, None).unwrap();
    assert!(!beat.leads && beat.is_led);
    assert!(!two.beat(None, true, Some(beat.until - 1)).unwrap().leads, "it was renewed since");
    assert!(two.beat(None, true, Some(beat.until)).unwrap().leads, "it was not");
    one.leave().unwrap();
    two.leave().unwrap();
}

#[test]
fn what_one_sends_no_other_does_and_what_comes_after_it_waits() {
    let Some(home) = Database::new() else { return };
    let address = home.address();
    let [mut one, mut two] = ["one", "two"].map(|name| Member::new(&address, name).unwrap());
    one.beat(None, false, None).unwrap();
    two.beat(None, false, None).unwrap();
    let [mut first, second] = [&one, &two].map(|member| Postgres::open(member.server()).unwrap());
    let sinks: &[(&str, Option<&str>)] = &[("siem", None), ("chat", Some("g"))];
    let events = (0..6).map(|n| event(&format!("e{n}"), &format!("f{}", n % 3), n, sinks)).collect();
    tell(&mut first, 1, (0..3).map(|n| life(&format!("f{n}"), n)).collect(), events);
    close(&mut first, 1);
    let ids = |letters: &[counterfoil::store::Letter]| {
        letters.iter().map(|l| l.message.clone()).collect::<Vec<_>>()
    };
    let (ours, theirs) =
        (first.letters("siem", at(99), 2).unwrap(), second.letters("siem", at(99), 9).unwrap());
    assert_eq!((ids(&ours), ids(&theirs)), (vec!["e0".into(), "e1".into()], vec!["e2".into()]));
    assert!(
        second.letters("siem", at(99), 9).unwrap().iter().all(|l| l.message == "e2"),
        "its own it may have again"
    );
    // A message of a group goes as a whole.
    let group = first.letters("chat", at(99), 9).unwrap();
    assert!(
        group.len() == 1 && group[0].rows.len() == 6 && second.letters("chat", at(99), 9).unwrap().is_empty()
    );
    let fates =
        |letters: Vec<_>, fate: &Fate| letters.into_iter().map(|l| (l, fate.clone())).collect::<Vec<_>>();
    first.settle(&fates(ours, &Fate::Delivered)).unwrap();
    assert_eq!(
        ids(&second.letters("siem", at(99), 9).unwrap()),
        ["e2", "e3", "e4"],
        "of e5 the word before is being sent"
    );
    // What comes of it later is said by whoever has it now.
    let retry = Fate::Retry { at: at(500), reason: "busy".to_owned() };
    first.settle(&fates(group.clone(), &retry)).unwrap();
    assert!(second.letters("chat", at(99), 9).unwrap().is_empty(), "it is put off");
    let group = second.letters("chat", at(500), 9).unwrap();
    assert_eq!((group.len(), group[0].attempts), (1, 1));
    first.settle(&fates(group.clone(), &retry)).unwrap();
    assert!(first.letters("chat", at(500), 9).unwrap().is_empty(), "another has it");
    // Who is no longer there sends nothing.
    two.leave().unwrap();
    assert_eq!(first.letters("chat", at(500), 9).unwrap()[0].attempts, 1);
    assert_eq!(ids(&first.letters("siem", at(99), 9).unwrap()), ["e2", "e3", "e4"]);
}

/// Several at once, for as long as there is anything.
#[test]
fn however_they_hurry_each_message_is_claimed_once() {
    let Some(home) = Database::new() else { return };
    let address = home.address();
    let members: Vec<Member> = (0..4)
        .map(|n| {
            let mut member = Member::new(&address, &format!("m{n}")).unwrap();
            member.beat(None, false, None).unwrap();
            member
        })
        .collect();
    let mut store = home.open();
    let all = 600;
    let events = (0..all).map(|n| event(&format!("e{n}"), &format!("f{n}"), n, &[("siem", None)])).collect();
    tell(&mut *store, 1, (0..all).map(|n| life(&format!("f{n}"), n)).collect(), events);
    close(&mut *store, 1);
    let claims = |server: counterfoil::store::Server| {
        let mut store = Postgres::open(&server).unwrap();
        let mut claimed: Vec<String> = vec![];
        let began = Tick::now();
        // What another has claimed and not sent yet may be there alone for a moment.
        while began.elapsed() < Span::from_secs(60) && !store.outbox().unwrap().is_empty() {
            let letters = store.letters("siem", at(10_000), 5).unwrap();
            claimed.extend(letters.iter().map(|letter| letter.message.clone()));
            let sent: Vec<_> = letters.into_iter().map(|letter| (letter, Fate::Delivered)).collect();
            store.settle(&sent).unwrap();
        }
        claimed
    };
    let claimed: Vec<String> = std::thread::scope(|scope| {
        let hands: Vec<_> = members
            .iter()
            .map(|member| {
                let server = member.server().clone();
                scope.spawn(move || claims(server))
            })
            .collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    });
    let once: std::collections::BTreeSet<&String> = claimed.iter().collect();
    assert_eq!(claimed.len(), once.len(), "some were claimed twice");
    assert_eq!(once.len(), all as usize, "some were not claimed");
}

#[test]
fn a_pull_is_done_by_one_and_comes_back_whole() {
    let Some(home) = Database::new() else { return };
    let address = home.address();
    let [mut one, mut two] = ["one", "two"].map(|name| Member::new(&address, name).unwrap());
    one.beat(None, false, None).unwrap();
    two.beat(None, false, None).unwrap();
    let [first, second] = [&one, &two].map(|member| Postgres::open(member.server()).unwrap());
    for source in ["a", "b", "a"] {
        first.want(source).unwrap();
    }
    let can = |source: &str| source != "b";
    let a = first.take_errand(&can).unwrap().unwrap();
    assert_eq!((a.source.as_str(), first.take_errand(&can).unwrap()), ("a", None));
    let b = second.take_errand(&|_| true).unwrap().unwrap();
    assert_eq!((b.source.as_str(), second.take_errand(&|_| true).unwrap()), ("b", None));
    // More than one part.
    let pulled: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    assert!(!second.hand_in(a.id, "2026-01-01T00:00:00Z", &mut &pulled[..]).unwrap(), "it is not its own");
    assert!(first.hand_in(a.id, "2026-01-01T00:00:00Z", &mut &pulled[..]).unwrap());
    let mut back = vec![];
    second.handed_in(a.id, &mut back).unwrap();
    assert!(back == pulled);
    // Whoever dies in one leaves it to the next, and comes too late with what it has.
    two.leave().unwrap();
    let again = first.take_errand(&|_| true).unwrap().unwrap();
    assert_eq!(again.id, b.id);
    assert!(!second.hand_in(b.id, "2026-01-01T00:00:00Z", &mut &b"late"[..]).unwrap());
    first.give_up(b.id, "no such file").unwrap();
    let all: Vec<Progress> = first.errands().unwrap().into_iter().map(|e| e.progress).collect();
    let done = Progress::Done("2026-01-01T00:00:00Z".to_owned());
    assert_eq!(all, [done, Progress::Failed("no such file".to_owned())]);
    first.drop_errand(a.id).unwrap();
    first.drop_errand(b.id).unwrap();
    assert_eq!(first.errands().unwrap(), []);
}

#[test]
fn of_slots_what_was_done_stays_done_and_a_later_one_stands_for_those_before() {
    fn all(home: &dyn Home) {
        let mut store = home.open();
        let slot = |job: &str, slot: i64, state, epoch| Slot {
            job: job.to_owned(),
            slot: at(slot),
            state,
            epoch,
            at: at(slot),
        };
        use SlotState::{Done, Due, Missed, Running};
        store
            .put_slots(&[
                slot("pull a", 10, Done, 1),
                slot("pull a", 20, Running, 1),
                slot("reconcile", 15, Due, 1),
            ])
            .unwrap();
        // Another term: the one that was begun is begun again, what was done is not.
        store
            .put_slots(&[
                slot("pull a", 10, Running, 2),
                slot("pull a", 30, Running, 2),
                slot("pull b", 5, Missed, 2),
            ])
            .unwrap();
        let found: Vec<_> =
            store.slots(9).unwrap().into_iter().map(|s| (s.job, s.slot, s.state, s.epoch)).collect();
        let row = |job: &str, slot: i64, state, epoch| (job.to_owned(), at(slot), state, epoch);
        assert_eq!(
            found,
            [
                row("pull a", 30, Running, 2),
                row("pull a", 20, Missed, 1),
                row("reconcile", 15, Due, 1),
                row("pull a", 10, Done, 1),
                row("pull b", 5, Missed, 2),
            ]
        );
        assert_eq!(store.last_slots().unwrap(), [("pull a".to_owned(), at(10))]);
        store.put_slots(&[slot("pull a", 30, Done, 2)]).unwrap();
        store.forget_slots_ahead("pull a", at(20)).unwrap();
        assert_eq!(store.last_slots().unwrap(), [("pull a".to_owned(), at(10))]);
    }
    all(&File::new());
    if let Some(home) = Database::new() {
        all(&home);
    }
}
