//! Schedules: cron against a second reading of it, the days on which clocks change, what a long sleep or a clock set
//! back makes due.

mod slow;

use std::collections::BTreeMap;

use counterfoil::model::{Duration, Instant};
use counterfoil::schedule::{Board, Cadence, Job, Schedule, SetBack};
use proptest::prelude::*;

/// The first three have their clocks changed by an hour and by half an hour, in the north and in the south.
const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana", "UTC"];

/// Crons of every kind: once a day inside and beside gaps and folds, several times a day, days of both kinds.
const CRONS: [&str; 14] = [
    "*/7 * * * *",
    "*/15 * * * *",
    "17 */2 * * 1-5",
    "30 2 * * *",
    "15 2 * * *",
    "0 2 * * *",
    "0 3 * * *",
    "45 1 * * *",
    "0 0 * * *",
    "30 1,2,3 * * *",
    "0 12 13 * 5",
    "5 4 * * 0",
    "5 4 * * 7",
    "59 23 29-31 2-3,5 *",
];

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn duration(text: &str) -> Duration {
    text.parse().unwrap()
}

fn cadence(text: &str) -> Cadence {
    toml::from_str(text).unwrap()
}

fn cron(cron: &str, zone: &str) -> Schedule {
    let cadence =
        Cadence { cron: Some(cron.to_owned()), time_zone: Some(zone.to_owned()), ..Cadence::default() };
    Schedule::new("job", &cadence).unwrap()
}

fn every(text: &str) -> Schedule {
    Schedule::new("job", &Cadence { every: Some(duration(text)), ..Cadence::default() }).unwrap()
}

/// The slots after an instant, one from the other.
fn slots(schedule: &Schedule, after: Instant) -> impl Iterator<Item = Instant> {
    std::iter::successors(schedule.next_after(after), |slot| schedule.next_after(*slot))
}

fn texts(schedule: &Schedule, after: &str, number: usize) -> Vec<String> {
    slots(schedule, at(after)).take(number).map(|slot| slot.to_string()).collect()
}

/// The weeks around the days on which the clocks of these zones change in 2026.
const CHANGES: [[&str; 2]; 2] =
    [["2026-03-01T00:00:00Z", "2026-04-12T00:00:00Z"], ["2026-09-27T00:00:00Z", "2026-11-08T00:00:00Z"]];

/// Slots after the first and up to the last of two instants.
fn between(schedule: &Schedule, from: Instant, to: Instant) -> Vec<Instant> {
    slots(schedule, from).take_while(|slot| *slot <= to).collect()
}

#[test]
fn cron_agrees_with_a_minute_by_minute_reading_over_a_year() {
    for (number, zone) in ZONES.into_iter().enumerate() {
        let year = slow::minutes(zone, 2026);
        let whole = [year[0].0, year[year.len() - 1].0].map(|second| Instant::from_unix_ms(second * 1000));
        for text in CRONS {
            // All slots of a year are many: for some, the weeks in which the clocks change are enough.
            let spans = if number > 2 || text.starts_with('*') {
                CHANGES.map(|span| span.map(at)).to_vec()
            } else {
                vec![whole]
            };
            let mut seen = 0;
            for [from, to] in spans {
                let [start, end] =
                    [from, to].map(|at| year.partition_point(|(second, _)| second * 1000 < at.unix_ms()));
                let minutes = &year[start..(end + 1).min(year.len())];
                let expected: Vec<Instant> = slow::slots(text, minutes)
                    .iter()
                    .map(|second| Instant::from_unix_ms(second * 1000))
                    .collect();
                let found = between(&cron(text, zone), from, to);
                seen += expected.len();
                let more = found.iter().find(|slot| expected.binary_search(slot).is_err());
                let fewer = expected.iter().find(|slot| found.binary_search(slot).is_err());
                assert_eq!(
                    (more, fewer),
                    (None, None),
                    "{text} in {zone}: the first too many, the first missing"
                );
            }
            assert!(seen > 0, "{text} in {zone}: nothing was compared");
        }
    }
}

#[test]
fn going_back_finds_what_going_forward_found() {
    for (zone, text) in ZONES.iter().flat_map(|zone| CRONS[1..].iter().map(move |text| (zone, text))) {
        let schedule = cron(text, zone);
        for [from, to] in CHANGES.map(|span| span.map(at)) {
            for pair in between(&schedule, from, to).windows(2) {
                let just_before = Instant::from_unix_ms(pair[1].unix_ms() - 1);
                assert_eq!(schedule.latest_until(pair[1]), Some(pair[1]), "{text} in {zone}");
                assert_eq!(
                    schedule.latest_until(just_before),
                    Some(pair[0]),
                    "{text} in {zone}, before {}",
                    pair[1]
                );
            }
        }
    }
}

#[test]
fn a_time_that_is_left_out_runs_once_at_the_end_of_the_gap() {
    for (zone, text, after, expected) in [
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "America/New_York",
            "30 2 * * *",
            "2026-03-07T12:00:00Z",
            ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        ),
        // Half an hour is left out: 02:00 is followed by 02:30.
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-03T00:00:00Z",
            ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"],
        ),
        (
            "Asia/Kathmandu",
            "30 2 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-28T20:45:00Z", "2026-03-29T20:45:00Z"],
        ),
        // Several times a day: what is left out is left out.
        (
            "Europe/Berlin",
            "30 2,3 * * *",
            "2026-03-28T12:00:00Z",
            ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "Europe/Berlin",
            "*/30 * * * *",
            "2026-03-29T00:15:00Z",
            ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"],
        ),
        // A whole day was left out where the date line was moved.
        (
            "Pacific/Apia",
            "30 2 * * *",
            "2011-12-29T13:00:00Z",
            ["2011-12-30T12:30:00Z", "2011-12-31T12:30:00Z"],
        ),
    ] {
        let schedule = cron(text, zone);
        assert_eq!(texts(&schedule, after, 2), expected, "{text} in {zone}");
        let just_before = Instant::from_unix_ms(at(expected[1]).unix_ms() - 1);
        assert_eq!(schedule.latest_until(just_before), Some(at(expected[0])), "{text} in {zone}, going back");
    }
}

#[test]
fn a_time_that_comes_twice_runs_once_if_it_is_the_only_one_of_the_day() {
    for (zone, text, after, expected) in [
        (
            "Europe/Berlin",
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-10-31T12:00:00Z",
            ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        ),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-04T00:00:00Z",
            ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
        ),
        (
            "Europe/Berlin",
            "30 1,2 * * *",
            "2026-10-25T00:00:00Z",
            ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
        ),
    ] {
        let schedule = cron(text, zone);
        assert_eq!(texts(&schedule, after, 2), expected, "{text} in {zone}");
        let just_before = Instant::from_unix_ms(at(expected[1]).unix_ms() - 1);
        assert_eq!(schedule.latest_until(just_before), Some(at(expected[0])), "{text} in {zone}, going back");
    }
}

#[test]
fn words_names_and_both_sundays_are_read() {
    let after = "2026-05-01T10:00:00Z";
    for (text, next) in [
        ("@hourly", "2026-05-01T11:00:00Z"),
        ("@daily", "2026-05-02T00:00:00Z"),
        ("@weekly", "2026-05-03T00:00:00Z"),
        ("@monthly", "2026-06-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("0 6 * * sun", "2026-05-03T06:00:00Z"),
        ("0 6 * * 0", "2026-05-03T06:00:00Z"),
        ("0 6 * * 7", "2026-05-03T06:00:00Z"),
        ("0 6 * * 6-7", "2026-05-02T06:00:00Z"),
        ("0 6 L * *", "2026-05-31T06:00:00Z"),
        ("0 6 29 FEB *", "2028-02-29T06:00:00Z"),
    ] {
        assert_eq!(texts(&cron(text, "UTC"), after, 1), [next], "{text}");
    }
    assert_eq!(texts(&every("PT1H"), after, 2), ["2026-05-01T11:00:00Z", "2026-05-01T12:00:00Z"]);
    assert_eq!(texts(&every("P1D"), after, 1), ["2026-05-02T00:00:00Z"]);
}

#[test]
fn what_cannot_be_a_schedule_is_refused_with_its_name() {
    for (text, part) in [
        ("", "neither `every` nor `cron`"),
        ("every = \"PT1H\"\ncron = \"@daily\"", "both `every` and `cron`"),
        ("every = \"PT59S\"", "expected PT1M to P366D"),
        ("every = \"P367D\"", "expected PT1M to P366D"),
        ("every = \"PT1H\"\ntime_zone = \"Europe/Berlin\"", "`time_zone` belongs to `cron`"),
        ("every = \"PT1H\"\njitter = \"PT1H\"", "less than `every`"),
        ("cron = \"@daily\"\njitter = \"P2D\"", "at most P1D"),
        ("cron = \"\"", "expected minute, hour"),
        ("cron = \"* * * *\"", "expected minute, hour"),
        ("cron = \"0 * * * * *\"", "expected minute, hour"),
        ("cron = \"0 0 * * * * 2026\"", "expected minute, hour"),
        ("cron = \"60 * * * *\"", "expected minute, hour"),
        ("cron = \"0 24 * * *\"", "expected minute, hour"),
        ("cron = \"0 0 0 * *\"", "expected minute, hour"),
        ("cron = \"0 0 * 13 *\"", "expected minute, hour"),
        ("cron = \"0 0 * * 8\"", "expected minute, hour"),
        ("cron = \"*/0 * * * *\"", "expected minute, hour"),
        ("cron = \"@reboot\"", "expected minute, hour"),
        ("cron = \"0 0 31 2 *\"", "no such day ever comes"),
        ("cron = \"@daily\"\ntime_zone = \"Europe/Berlim\"", "there is no such zone"),
    ] {
        let error = Schedule::new("pull jira", &cadence(text)).unwrap_err().to_string();
        assert!(
            error.starts_with("the schedule of `pull jira`: ") && error.contains(part),
            "{text}: {error}"
        );
    }
    assert!(toml::from_str::<Cadence>("evry = \"PT1H\"").is_err(), "a mistyped name");
    let long = Cadence { cron: Some("1,".repeat(10_000)), ..Cadence::default() };
    assert!(Schedule::new("job", &long).unwrap_err().to_string().len() < 500);
}

#[test]
fn jitter_is_a_jobs_own_and_always_the_same() {
    let with = |name: &str| {
        let cadence = cadence("cron = \"0 * * * *\"\ntime_zone = \"Europe/Berlin\"\njitter = \"PT5M\"");
        Schedule::new(name, &cadence).unwrap()
    };
    let start = at("2026-03-01T00:00:00Z");
    let mut shifts = std::collections::BTreeSet::new();
    for name in ["pull jira", "pull aws", "pull okta", "judge", "digest"] {
        // Without jitter the slots are the full hours, before and after the clocks change.
        let shifted: Vec<i64> = slots(&with(name), start).take(2000).map(|slot| slot.unix_ms()).collect();
        let shift = shifted[0] % 3_600_000;
        assert!((0..300_000).contains(&shift) && shift % 1000 == 0, "{shift}");
        assert!(shifted.windows(2).all(|pair| pair[1] - pair[0] == 3_600_000), "{name}");
        shifts.insert(shift);
    }
    assert!(shifts.len() > 3, "they spread: {shifts:?}");
    // Stored slots and other processes rely on it: a change of the hash would run every job again.
    assert_eq!(texts(&with("pull jira"), "2026-03-01T00:00:00Z", 1), ["2026-03-01T00:03:00Z"]);
}

#[test]
fn the_ends_of_the_calendar_are_no_panic() {
    for schedule in
        [every("P366D"), every("PT1M"), cron("* * * * *", "Europe/Berlin"), cron("@yearly", "Asia/Kathmandu")]
    {
        for t in [Instant::MIN, Instant::MAX, at("0001-01-01T00:00:00Z"), at("4999-12-31T23:59:59Z")] {
            let (next, latest) = (schedule.next_after(t), schedule.latest_until(t));
            assert!(next.is_none_or(|next| next > t) && latest.is_none_or(|latest| latest <= t));
        }
    }
}

#[test]
fn a_long_sleep_is_one_slot_and_costs_no_walk() {
    let started = std::time::Instant::now();
    let schedule = cron("* * * * *", "Australia/Lord_Howe");
    let (after, now) = (at("1970-01-01T00:00:00Z"), at("2026-05-01T10:00:30Z"));
    assert_eq!(schedule.last_due(after, now), Some(at("2026-05-01T10:00:00Z")), "29 million slots later");
    assert!(started.elapsed().as_secs() < 2);
    assert_eq!(schedule.last_due(now, after), None, "the clock went back");
    assert_eq!(schedule.last_due(now, now), None);
    assert_eq!(schedule.last_due(at("2026-05-01T10:00:00Z"), now), None, "that slot is done");
}

#[test]
fn a_board_says_what_is_due_until_it_is_done() {
    let named = |name: &str, text: &str| Schedule::new(name, &cadence(text)).unwrap();
    let schedules = || [named("judge", "every = \"PT1H\""), named("pull", "cron = \"30 * * * *\"")];
    let state = BTreeMap::from([("gone".to_owned(), at("2026-05-01T00:00:00Z"))]);
    let mut board = Board::new(schedules(), &state);
    let now = at("2026-05-01T10:10:00Z");
    let job = |name: &str, slot: &str| Job { name: name.to_owned(), slot: at(slot) };
    let both = [job("pull", "2026-05-01T09:30:00Z"), job("judge", "2026-05-01T10:00:00Z")];
    assert_eq!(board.next_wake(now), Some(now), "what never ran is due at once");
    assert_eq!(board.due(now).jobs, both);
    assert_eq!(board.due(now).jobs, both, "until it is done");
    for Job { name, slot } in &both {
        board.done(name, *slot);
    }
    board.done("nobody", now);
    assert!(board.due(now).jobs.is_empty());
    assert_eq!(board.next_wake(now), Some(at("2026-05-01T10:30:00Z")));

    // Stopped and started again a week later: each once.
    let mut board = Board::new(schedules(), &board.state());
    let now = at("2026-05-08T10:40:00Z");
    let due = board.due(now);
    assert_eq!(due.jobs, [job("judge", "2026-05-08T10:00:00Z"), job("pull", "2026-05-08T10:30:00Z")]);
    assert_eq!(due.set_back, []);
    board.done("judge", at("2026-05-08T10:00:00Z"));
    board.done("judge", at("2026-05-01T11:00:00Z"));
    assert_eq!(board.state()["judge"], at("2026-05-08T10:00:00Z"), "a late word takes nothing back");
    assert_eq!(Board::default().next_wake(now), None);
}

#[test]
fn a_clock_set_back_silences_no_job() {
    let schedule = every("PT1H");
    let last = at("2026-05-01T10:00:00Z");
    let board = || Board::new([schedule.clone()], &BTreeMap::from([("job".to_owned(), last)]));

    // By less than a period: it waits for its next slot, and the one that is done does not run again.
    let now = at("2026-05-01T09:30:00Z");
    let mut little = board();
    assert_eq!(little.due(now), counterfoil::schedule::Due::default());
    assert_eq!(little.next_wake(now), Some(at("2026-05-01T11:00:00Z")));

    // By years: said once, and then on with the new time.
    let now = at("2020-01-01T00:20:00Z");
    let mut long = board();
    assert_eq!(long.next_wake(now), Some(now), "it has something to say");
    let due = long.due(now);
    assert_eq!(due.set_back, [SetBack { name: "job".to_owned(), last }]);
    assert_eq!(due.jobs, []);
    assert_eq!(long.due(now), counterfoil::schedule::Due::default(), "said once");
    assert_eq!(long.next_wake(now), Some(at("2020-01-01T01:00:00Z")));
    assert_eq!(long.due(at("2020-01-01T01:00:00Z")).jobs.len(), 1);
}

/// A schedule of any kind.
fn any_schedule() -> impl Strategy<Value = Schedule> {
    let cron = (0..CRONS.len(), 0..ZONES.len(), 0_u64..=30).prop_map(|(text, zone, jitter)| Cadence {
        cron: Some(CRONS[text].to_owned()),
        time_zone: Some(ZONES[zone].to_owned()),
        jitter: Some(Duration::minutes(jitter)),
        ..Cadence::default()
    });
    let every = (1_u64..=3000, 0_u64..3000).prop_map(|(every, jitter)| Cadence {
        every: Some(Duration::minutes(every)),
        jitter: Some(Duration::minutes(jitter % every.min(1440))),
        ..Cadence::default()
    });
    ("[a-z]{1,8}", prop_oneof![cron, every])
        .prop_map(|(name, cadence)| Schedule::new(&name, &cadence).unwrap())
}

/// Milliseconds between 2020 and 2030.
const TIMES: std::ops::Range<i64> = 1_577_836_800_000..1_893_456_000_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn slots_only_go_forward_and_none_is_passed_over(schedule in any_schedule(), ms in TIMES) {
        let t = Instant::from_unix_ms(ms);
        let found: Vec<Instant> = slots(&schedule, t).take(20).collect();
        prop_assert_eq!(found.len(), 20);
        prop_assert!(found[0] > t && found.is_sorted_by(|a, b| a < b));
        for pair in found.windows(2) {
            let middle = Instant::from_unix_ms(i64::midpoint(pair[0].unix_ms(), pair[1].unix_ms()));
            prop_assert_eq!(schedule.next_after(middle), Some(pair[1]));
            prop_assert_eq!(schedule.latest_until(middle), Some(pair[0]));
        }
    }

    #[test]
    fn what_is_due_is_the_last_of_what_was_missed(schedule in any_schedule(), ms in TIMES, slept in 0_i64..300_000_000) {
        let (after, now) = (Instant::from_unix_ms(ms), Instant::from_unix_ms(ms + slept));
        let missed = slots(&schedule, after).take_while(|slot| *slot <= now).last();
        prop_assert_eq!(schedule.last_due(after, now), missed);
        prop_assert_eq!(schedule.last_due(now, after), None);
    }

    #[test]
    fn no_cron_makes_it_panic(text in "[*0-9,/@#LW?+ a-z-]{0,24}", fields in "([*0-9,/LW#-]{1,4} ){4}[*0-9L#-]{1,3}", ms in TIMES) {
        for text in [text, fields] {
            let cadence = Cadence { cron: Some(text), ..Cadence::default() };
            if let Ok(schedule) = Schedule::new("job", &cadence) {
                let t = Instant::from_unix_ms(ms);
                prop_assert!(schedule.next_after(t).is_none_or(|next| next > t));
                prop_assert!(schedule.latest_until(t).is_none_or(|latest| latest <= t));
            }
        }
    }
}
