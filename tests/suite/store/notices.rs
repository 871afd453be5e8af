//! Notices: signs of life and digests.

use counterfoil::store::{Close, Content, Fate, NewNotice, Store};

use super::Home;
use super::toy::{at, event, tell};

fn notice(sink: &str, kind: &str, id: &str, seconds: i64) -> NewNotice {
    let body = format!("{{\"id\":{id:?}}}");
    NewNotice { sink: sink.to_owned(), id: id.to_owned(), kind: kind.to_owned(), body, at: at(seconds) }
}

fn waiting(store: &dyn Store, sink: &str) -> Vec<String> {
    store.letters(sink, at(1_000_000), 99).unwrap().into_iter().map(|l| l.message).collect()
}

/// A sink that is away for a month is told once that all is well.
pub fn of_signs_of_life_the_latest_waits(home: &dyn Home) {
    let mut store = home.open();
    tell(&mut *store, 1, vec![], vec![event("e1", "f", 0, &[("siem", None)])]);
    store.notify(&notice("siem", "digest", "d1", 0)).unwrap();
    for n in 0..50 {
        store.notify(&notice("siem", "heartbeat", &format!("h{n}"), n)).unwrap();
        store.notify(&notice("other", "heartbeat", &format!("o{n}"), n)).unwrap();
        if n % 10 == 0 {
            let letters = store.letters("siem", at(n), 99).unwrap();
            let fates: Vec<_> = letters
                .into_iter()
                .map(|l| (l, Fate::Retry { at: at(n + 1), reason: "away".to_owned() }))
                .collect();
            store.settle(&fates).unwrap();
        }
    }
    assert_eq!(waiting(&*store, "siem"), ["e1", "d1", "h49"]);
    assert_eq!(waiting(&*store, "other"), ["o49"]);
    let last = store.letters("siem", at(49), 99).unwrap().pop().unwrap();
    let body = "{\"id\":\"h49\"}".to_owned();
    assert_eq!(last.content, Content::Notice { kind: "heartbeat".to_owned(), body });
    assert_eq!((last.at, last.attempts), (at(49), 0));
    // One that was on its way when the next was made may come back with any fate.
    store.notify(&notice("siem", "heartbeat", "h50", 50)).unwrap();
    for fate in [Fate::Delivered, Fate::Dead { reason: String::new() }] {
        store.settle(&[(last.clone(), fate)]).unwrap();
    }
    assert_eq!(waiting(&*store, "siem"), ["e1", "d1", "h50"]);
    assert_eq!(store.outbox().unwrap().iter().map(|q| q.dead).sum::<u64>(), 0);
}

pub fn of_signs_of_life_that_were_refused_the_latest_is_kept(home: &dyn Home) {
    let mut store = home.open();
    tell(&mut *store, 1, vec![], vec![event("e1", "f", 0, &[("siem", None), ("other", None)])]);
    store.notify(&notice("other", "heartbeat", "o", 0)).unwrap();
    for sink in ["other", "siem"] {
        for n in 0..5 {
            if sink == "siem" {
                store.notify(&notice("siem", "heartbeat", &format!("h{n}"), n)).unwrap();
            }
            let letters = store.letters(sink, at(n), 99).unwrap();
            let dead = |l| (l, Fate::Dead { reason: "unknown schema".to_owned() });
            store.settle(&letters.into_iter().map(dead).collect::<Vec<_>>()).unwrap();
        }
    }
    let dead: Vec<String> = store.dead_letters(None, 99).unwrap().into_iter().map(|l| l.message).collect();
    assert_eq!(dead, ["e1", "e1", "o", "h4"], "events are all kept");
}

pub fn a_digest_waits_for_its_receiver(home: &dyn Home) {
    let mut store = home.open();
    let run = store.open_run(at(0)).unwrap();
    let notices = vec![notice("chat", "digest", "d1", 0), notice("mail", "digest", "d2", 0)];
    store.close_run(Close { run, at: at(1), manifest: "{}", meta: &[], notices, slots: &[] }).unwrap();
    store.notify(&notice("chat", "heartbeat", "h1", 2)).unwrap();
    store.notify(&notice("chat", "digest", "d3", 3)).unwrap();
    assert_eq!(waiting(&*store, "chat"), ["d1", "h1", "d3"]);
    assert_eq!(waiting(&*store, "mail"), ["d2"]);
}
