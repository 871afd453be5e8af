//! SIGKILL at random moments of pull, judgement, commit and delivery, against a receiver that records.

use std::collections::BTreeMap;
use std::time::{Duration as Span, Instant as Tick};

use counterfoil::model::{Duration, Instant};

use super::audit::{audit, remembered, stateless};
use super::estate::{Dice, Estate, SOURCES};
use super::receiver::Mood;
use super::site::{Site, now, until};

const GRANTS: usize = 110;

/// Mass changes pass, so that every round changes something; whether they are held is tested elsewhere.
const SETTINGS: &str = "[guard]\nrecords = 100000\n\n[store]\npath = \"counterfoil.db\"\n\n[schedule]\npull = { every = \"PT1M\" }\n\n[accountability]\noperator = \"desk@corp.example\"\n";

fn kills() -> usize {
    std::env::var("COUNTERFOIL_KILLS")
        .map_or(200, |text| text.parse().expect("COUNTERFOIL_KILLS is a number"))
}

/// What the program was doing when it was killed, as the store shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It had not begun its run.
    Start,
    /// Not every source was taken in.
    Pull,
    /// All were, and nothing of the judgement was committed.
    Judge,
    /// Something was, and the run not ended.
    Commit,
    /// The run had ended, and something waited to be delivered.
    Delivery,
    /// Everything was done.
    End,
}

/// The phase of the run after `last`.
fn phase(site: &Site, last: i64) -> Phase {
    let Some(run) = site.ask("SELECT max(id) FROM run").filter(|run| *run > last) else {
        return Phase::Start;
    };
    if site.ask(&format!("SELECT ended_at FROM run WHERE id = {run}")).is_some() {
        let waiting = site.ask("SELECT count(*) FROM outbox").unwrap();
        return if waiting > 0 { Phase::Delivery } else { Phase::End };
    }
    if site.ask(&format!("SELECT count(*) FROM event WHERE run = {run}")) > Some(0) {
        return Phase::Commit;
    }
    let at =
        Instant::from_unix_ms(site.ask(&format!("SELECT started_at FROM run WHERE id = {run}")).unwrap());
    let taken = format!("SELECT count(*) FROM source WHERE json_extract(state, '$.tried_at') = '{at}'");
    if site.ask(&taken) < Some(SOURCES.len() as i64) { Phase::Pull } else { Phase::Judge }
}

/// The rounds that both sites go through: how the company moves on, and when.
struct Rounds {
    estate: Estate,
    dice: Dice,
    at: Instant,
}

impl Rounds {
    fn new(seed: u64) -> Self {
        let at = Instant::from_unix_ms(now().unix_ms() / 3_600_000 * 3_600_000);
        Self { estate: Estate::new(seed, GRANTS, at), dice: Dice::new(seed + 1), at }
    }

    /// The next round, exported.
    fn next(&mut self, site: &Site) -> Instant {
        self.at = self.at.plus(Duration::minutes(20 + self.dice.below(8 * 60) as u64));
        self.estate.step(self.at);
        site.export(&self.estate, self.at);
        self.at
    }

    /// Quiet days, until nothing flaps, and what is absent was absent often enough.
    fn rest(&mut self, site: &Site) -> Instant {
        site.receiver.set(Mood::Well);
        for wait in [Duration::days(2), Duration::days(2), Duration::minutes(1), Duration::minutes(1)] {
            self.at = self.at.plus(wait);
            site.export(&self.estate, self.at);
            site.reconcile(self.at);
        }
        self.at
    }
}

#[test]
fn whenever_it_is_killed_what_was_committed_is_delivered_and_nothing_else() {
    let (seed, kills) = (20_260_601, kills());
    // The same rounds, never disturbed.
    let (tell, hear) = std::sync::mpsc::channel();
    let undisturbed = std::thread::spawn(move || {
        let site = Site::new(Mood::Well, SETTINGS);
        let mut rounds = Rounds::new(seed);
        for () in hear {
            let at = rounds.next(&site);
            site.reconcile(at);
        }
        rounds.rest(&site);
        audit(&site);
        remembered(&site)
    });

    let site = Site::new(Mood::Moody, SETTINGS);
    let mut rounds = Rounds::new(seed);
    let mut dice = Dice::new(seed + 2);
    let mut hit: BTreeMap<Phase, usize> = BTreeMap::new();
    // How long a run takes, learnt from those that came to their end before they were killed.
    let mut usual = Span::from_millis(600);
    let (mut late, mut round) = (0, 0);
    while hit.values().sum::<usize>() < kills {
        let at = rounds.next(&site);
        tell.send(()).unwrap();
        round += 1;
        let last = site.ask("SELECT max(id) FROM run").unwrap_or(0);
        let arguments = ["reconcile", "--format", "jsonl", "--now", &at.to_string()];
        let began = Tick::now();
        let heard = site.receiver.count();
        let mut running = site.start(&arguments);
        if round % 8 == 0 {
            // In the middle of the delivery, wherever that is today.
            let messages = heard + 1 + dice.below(12);
            while running.has_ended().is_none() && site.receiver.count() < messages {
                std::thread::sleep(Span::from_millis(1));
            }
        } else {
            let delay = usual.mul_f64(dice.below(1000) as f64 / 1000.0);
            while running.has_ended().is_none() && began.elapsed() < delay {
                std::thread::sleep(Span::from_millis(1));
            }
        }
        if running.kill() {
            *hit.entry(phase(&site, last)).or_default() += 1;
        } else {
            late += 1;
            usual = usual.mul_f64(0.6) + began.elapsed().mul_f64(0.4);
        }
        // The program may never be quick enough to be missed: then it is given more time.
        usual = usual.mul_f64(1.01);
        // What nobody took for thirty days is given up, and in here that is two hundred rounds: now and then it catches up.
        if round % 25 == 0 {
            site.receiver.set(Mood::Well);
            site.reconcile(at);
            site.receiver.set(Mood::Moody);
        }
    }
    drop(tell);
    println!("killed in {hit:?}, and {late} had ended by themselves; a run takes {usual:?}");
    let at = rounds.rest(&site);
    let tally = audit(&site);
    println!("{tally}");
    let store = remembered(&site);
    assert_eq!(store, stateless(&site, at), "what is remembered is what judging everything finds");
    assert_eq!(store, undisturbed.join().unwrap(), "and what a program finds that was never killed");
    assert!(tally.events > kills && tally.again > 0, "{tally}");
    for phase in [Phase::Pull, Phase::Judge, Phase::Delivery] {
        assert!(hit.get(&phase) >= Some(&(kills / 40).max(1)), "{phase:?} was hardly hit: {hit:?}");
    }
}

#[test]
fn a_daemon_that_is_killed_goes_on_where_it_was() {
    // The clock is real: what changes often within a day must not be held here.
    let settings = format!("{SETTINGS}\n[alerts]\nflapping_changes = 100000\n");
    let site = Site::new(Mood::Moody, &settings);
    let mut estate = Estate::new(77, GRANTS, now());
    let mut dice = Dice::new(78);
    let mut hit: BTreeMap<Phase, usize> = BTreeMap::new();
    // How long a run takes here and now: it is killed before, while and after it judges.
    site.export(&estate, now());
    let begun = Tick::now();
    let mut running = site.start(&["run"]);
    until("a run", Span::from_secs(60), || {
        site.ask("SELECT max(id) FROM run WHERE ended_at IS NOT NULL") > Some(0)
    });
    let usual = begun.elapsed();
    running.stop();
    for _ in 0..kills().div_ceil(8) {
        estate.step(now());
        site.export(&estate, now());
        site.all_due();
        let last = site.ask("SELECT max(id) FROM run").unwrap_or(0);
        let mut running = site.start(&["run"]);
        let most = usize::try_from(usual.as_millis() * 2).unwrap();
        std::thread::sleep(Span::from_millis(dice.below(most) as u64));
        assert!(running.kill(), "it ended by itself:\n{}", site.read("log"));
        *hit.entry(phase(&site, last)).or_default() += 1;
    }
    println!("killed in {hit:?}; a run takes {usual:?}");
    site.receiver.set(Mood::Well);
    // What is absent must be absent twice.
    for _ in 0..3 {
        site.export(&estate, now());
        site.all_due();
        let last = site.ask("SELECT max(id) FROM run").unwrap_or(0);
        let mut running = site.start(&["run"]);
        until("everything is told", Span::from_secs(60), || {
            site.ask(&format!("SELECT count(*) FROM run WHERE ended_at IS NOT NULL AND id > {last}"))
                > Some(0)
                && site.ask("SELECT count(*) FROM outbox") == Some(0)
        });
        running.stop();
    }
    println!("{}", audit(&site));
    assert_eq!(remembered(&site), stateless(&site, now()));
    assert!(hit.get(&Phase::Delivery) > Some(&0) && hit.len() > 1, "{hit:?}");
}
