//! The table as pure decisions: one case for each row, and the neighbours of each.

use counterfoil::alert::life::{Gone, Now, Rules, Seen, Step, absent, seen};
use counterfoil::model::event::Activity::{Close, Create, Update};
use counterfoil::model::event::{Activity, Cause, State};
use counterfoil::model::finding::{Severity, Standing};
use counterfoil::model::life::{Acceptance, Life};
use counterfoil::model::{Duration, Instant};

fn t(hours: i64) -> Instant {
    Instant::from_unix_ms(1_780_000_000_000 + hours * 3_600_000)
}

fn at(hours: i64) -> Now {
    Now { at: t(hours), run: 100 + hours.unsigned_abs() }
}

/// An open finding, told once at hour 0.
fn open() -> Life {
    Life {
        id: "f1:a".to_owned(),
        home: 1,
        check: "unapproved-grant".to_owned(),
        system: Some("aws".to_owned()),
        source: None,
        account: None,
        subject: None,
        request: None,
        grant: Some([1; 16]),
        severity: Severity::High,
        standing: Some(Standing::Unapproved),
        state: State::Open,
        episode: 1,
        seq: 1,
        first_seen: t(0),
        changed_at: t(0),
        material: [1; 16],
        absent: 0,
        absent_run: 0,
        changes: vec![t(0)],
        quiet_at: None,
        told: vec![],
        acceptance: None,
        cause: Cause::Detected,
        owner: None,
        group: None,
        body: "one".to_owned(),
    }
}

fn by(name: &str, until: i64, severity: Severity, standing: Option<Standing>) -> Acceptance {
    Acceptance { by: name.to_owned(), reason: "known".to_owned(), until: t(until), severity, standing }
}

fn ciso() -> Acceptance {
    by("ciso", 1000, Severity::High, Some(Standing::Unapproved))
}

fn accepted() -> Life {
    Life { state: State::Accepted, acceptance: Some(ciso()), cause: Cause::Suppressed, ..open() }
}

fn resolved() -> Life {
    Life { state: State::Resolved, cause: Cause::Revoked, seq: 2, changes: vec![t(0), t(1)], ..open() }
}

/// The finding as it is judged now: the same as it was, or with these differences.
fn sight(material: u8, body: &str, exception: Option<Acceptance>) -> Seen {
    let fresh = Life { material: [material; 16], body: body.to_owned(), ..open() };
    Seen { material: [material; 16], last: Some([1; 16]), fresh, exception }
}

fn graver(exception: Option<Acceptance>) -> Seen {
    let mut seen = sight(2, "two", exception);
    seen.fresh.severity = Severity::Critical;
    seen
}

enum Look {
    Seen(Box<Seen>),
    Gone(Gone),
}

fn is(seen: Seen) -> Look {
    Look::Seen(Box::new(seen))
}

struct Case {
    what: &'static str,
    old: Option<Life>,
    look: Look,
    state: State,
    /// Episode and number of the last event afterwards.
    numbers: (u32, u32),
    told: Option<(Activity, Cause)>,
}

fn cases() -> Vec<Case> {
    use State::{Accepted, Open, Resolved};
    let case = |what, old, look, state, numbers, told| Case { what, old, look, state, numbers, told };
    let spent = Life { state: Open, acceptance: Some(ciso()), severity: Severity::Critical, ..open() };
    let absent_once = Life { absent: 1, absent_run: 90, ..open() };
    let graver_ciso = by("ciso", 1000, Severity::Critical, Some(Standing::Unapproved));
    vec![
        case("found", None, is(sight(1, "one", None)), Open, (1, 1), Some((Create, Cause::Detected))),
        case(
            "found, and accepted from the start",
            None,
            is(sight(1, "one", Some(ciso()))),
            Accepted,
            (1, 1),
            Some((Create, Cause::Suppressed)),
        ),
        case("nothing changed", Some(open()), is(sight(1, "one", None)), Open, (1, 1), None),
        case("only the last use changed", Some(open()), is(sight(1, "two", None)), Open, (1, 1), None),
        case(
            "what matters changed",
            Some(open()),
            is(sight(2, "two", None)),
            Open,
            (1, 2),
            Some((Update, Cause::Changed)),
        ),
        case("absent for the first time", Some(open()), Look::Gone(Gone::NotSeen), Open, (1, 1), None),
        case("justified for the first time", Some(open()), Look::Gone(Gone::Approved), Open, (1, 1), None),
        case(
            "absent for the second time",
            Some(absent_once.clone()),
            Look::Gone(Gone::NotSeen),
            Resolved,
            (1, 2),
            Some((Close, Cause::SourceChanged)),
        ),
        case(
            "justified for the second time",
            Some(absent_once.clone()),
            Look::Gone(Gone::Approved),
            Resolved,
            (1, 2),
            Some((Close, Cause::Approved)),
        ),
        case(
            "counted once in one run",
            Some(Life { absent_run: 105, ..absent_once.clone() }),
            Look::Gone(Gone::NotSeen),
            Open,
            (1, 1),
            None,
        ),
        case("seen again in between", Some(absent_once), is(sight(1, "one", None)), Open, (1, 1), None),
        case(
            "the grant is gone",
            Some(open()),
            Look::Gone(Gone::Revoked),
            Resolved,
            (1, 2),
            Some((Close, Cause::Revoked)),
        ),
        case(
            "the source is no longer configured",
            Some(open()),
            Look::Gone(Gone::Retired),
            Resolved,
            (1, 2),
            Some((Close, Cause::SourceChanged)),
        ),
        case(
            "the check is off",
            Some(open()),
            Look::Gone(Gone::CheckOff),
            Resolved,
            (1, 2),
            Some((Close, Cause::CheckOff)),
        ),
        case(
            "the check of what flaps is off",
            Some(Life { quiet_at: Some(t(20)), changes: vec![t(1), t(2), t(3), t(4)], ..open() }),
            Look::Gone(Gone::CheckOff),
            Resolved,
            (1, 2),
            Some((Close, Cause::CheckOff)),
        ),
        case(
            "what changes too often",
            Some(Life { changes: vec![t(1), t(2), t(3)], ..open() }),
            Look::Gone(Gone::Revoked),
            Open,
            (1, 2),
            Some((Update, Cause::Flapping)),
        ),
        case(
            "its check is off",
            Some(Life { changes: vec![t(1), t(2), t(3)], ..open() }),
            Look::Gone(Gone::CheckOff),
            Resolved,
            (1, 2),
            Some((Close, Cause::CheckOff)),
        ),
        case(
            "an accepted one goes too",
            Some(accepted()),
            Look::Gone(Gone::Revoked),
            Resolved,
            (1, 2),
            Some((Close, Cause::Revoked)),
        ),
        case("resolved stays so", Some(resolved()), Look::Gone(Gone::NotSeen), Resolved, (1, 2), None),
        case(
            "found again",
            Some(resolved()),
            is(sight(1, "one", None)),
            Open,
            (2, 3),
            Some((Update, Cause::Reopened)),
        ),
        case(
            "found again, and accepted",
            Some(resolved()),
            is(sight(1, "one", Some(ciso()))),
            Accepted,
            (2, 3),
            Some((Update, Cause::Reopened)),
        ),
        case(
            "accepted",
            Some(open()),
            is(sight(1, "one", Some(ciso()))),
            Accepted,
            (1, 2),
            Some((Update, Cause::Suppressed)),
        ),
        case("accepted still", Some(accepted()), is(sight(1, "one", Some(ciso()))), Accepted, (1, 1), None),
        case(
            "accepted by somebody else from now on",
            Some(accepted()),
            is(sight(1, "one", Some(by("cfo", 2000, Severity::High, Some(Standing::Unapproved))))),
            Accepted,
            (1, 1),
            None,
        ),
        case(
            "another ticket under an exception that holds",
            Some(accepted()),
            is(sight(2, "two", Some(ciso()))),
            Accepted,
            (1, 2),
            Some((Update, Cause::Changed)),
        ),
        case(
            "the exception ended",
            Some(accepted()),
            is(sight(1, "one", None)),
            Open,
            (1, 2),
            Some((Update, Cause::ExceptionEnded)),
        ),
        case(
            "grown beyond the exception",
            Some(accepted()),
            is(graver(Some(graver_ciso.clone()))),
            Open,
            (1, 2),
            Some((Update, Cause::ExceptionOutgrown)),
        ),
        case(
            "outgrown is not accepted by the same exception",
            Some(Life { material: [2; 16], ..spent.clone() }),
            is(graver(Some(graver_ciso))),
            Open,
            (1, 1),
            None,
        ),
        case(
            "outgrown is accepted by another exception",
            Some(Life { material: [2; 16], ..spent }),
            is(graver(Some(by("cfo", 2000, Severity::Critical, Some(Standing::Unapproved))))),
            Accepted,
            (1, 2),
            Some((Update, Cause::Suppressed)),
        ),
    ]
}

fn look(old: Option<&Life>, look: Look, now: Now) -> Step {
    match look {
        Look::Seen(s) => seen(old, *s, now, &Rules::default()),
        Look::Gone(gone) => absent(old.unwrap(), gone, now, &Rules::default()),
    }
}

#[test]
fn every_row_of_the_table() {
    for case in cases() {
        let what = case.what;
        let step = look(case.old.as_ref(), case.look, at(5));
        assert_eq!(step.told, case.told, "{what}");
        let life = step.life.or(case.old).unwrap();
        assert_eq!((life.state, (life.episode, life.seq)), (case.state, case.numbers), "{what}");
        assert!(life.acceptance.is_none() || life.state != State::Resolved, "{what}");
        assert_eq!(life.first_seen, if what.starts_with("found") && life.episode == 1 { t(5) } else { t(0) });
        if step.told.is_some() {
            assert_eq!(life.changed_at, t(5), "{what}");
        }
    }
}

#[test]
fn what_does_not_matter_is_remembered_and_not_told() {
    let step = seen(Some(&open()), sight(1, "two", None), at(5), &Rules::default());
    assert_eq!(step.life.unwrap().body, "two");
    let step = seen(Some(&open()), sight(1, "one", None), at(5), &Rules::default());
    assert_eq!(step.life, None, "and nothing is written when nothing is new");
}

#[test]
fn seen_in_between_begins_to_count_anew() {
    let once = look(Some(&open()), Look::Gone(Gone::NotSeen), at(1)).life.unwrap();
    let back = look(Some(&once), is(sight(1, "one", None)), at(2)).life.unwrap();
    let again = look(Some(&back), Look::Gone(Gone::NotSeen), at(3));
    assert_eq!((again.told, again.life.unwrap().absent), (None, 1));
}

/// Plays looks, one an hour; what was told.
fn play(looks: &[(i64, u8)]) -> (Life, Vec<(i64, Cause)>) {
    let mut life = open();
    let mut told = vec![];
    let mut last = [1; 16];
    for (hour, what) in looks {
        let step = match what {
            0 => absent(&life, Gone::Revoked, at(*hour), &Rules::default()),
            material => {
                let s = Seen { last: Some(last), ..sight(*material, "x", None) };
                last = [*material; 16];
                seen(Some(&life), s, at(*hour), &Rules::default())
            }
        };
        told.extend(step.told.map(|(_, cause)| (*hour, cause)));
        life = step.life.unwrap_or(life);
    }
    (life, told)
}

#[test]
fn what_flaps_is_said_once_and_then_kept_until_it_is_quiet() {
    let (life, told) = play(&[(1, 0), (2, 1), (3, 0), (4, 1), (5, 0), (6, 1), (29, 1)]);
    assert_eq!(told, [(1, Cause::Revoked), (2, Cause::Reopened), (3, Cause::Flapping)]);
    assert_eq!((life.state, life.quiet_at), (State::Open, Some(t(30))), "an hour 6 change, and a day");
    let (life, told) = play(&[(1, 0), (2, 1), (3, 0), (4, 1), (5, 0), (29, 0)]);
    assert_eq!((life.state, told.last()), (State::Resolved, Some(&(29, Cause::Revoked))));
    let (life, told) = play(&[(1, 2), (2, 1), (3, 2), (4, 1), (28, 1)]);
    assert_eq!(told, [(1, Cause::Changed), (2, Cause::Changed), (3, Cause::Flapping), (28, Cause::Changed)]);
    assert_eq!((life.state, life.quiet_at), (State::Open, None));
}

#[test]
fn looking_at_what_flaps_is_no_change() {
    let mut looks = vec![(1, 0), (2, 1), (3, 0), (4, 0)];
    looks.extend((5..40).map(|hour| (hour, 0)));
    let (life, told) = play(&looks);
    assert_eq!(told.last(), Some(&(27, Cause::Revoked)), "a day after its last change: {told:?}");
    assert_eq!(life.state, State::Resolved);
    let mut looks = vec![(1, 2), (2, 1), (3, 2), (4, 3)];
    looks.extend((5..40).map(|hour| (hour, 3)));
    let (_, told) = play(&looks);
    assert_eq!(told.last(), Some(&(28, Cause::Changed)), "{told:?}");
}

#[test]
fn three_changes_a_day_are_no_flapping() {
    let (_, told) = play(&[(8, 2), (16, 1), (24, 2), (32, 1), (40, 2)]);
    assert!(told.iter().all(|(_, cause)| *cause == Cause::Changed), "{told:?}");
    let rules = Rules { flapping_window: Duration::hours(48), ..Rules::default() };
    let old = Life { changes: vec![t(0), t(8), t(16)], ..open() };
    let step = seen(Some(&old), sight(2, "two", None), at(24), &rules);
    assert_eq!(step.told, Some((Update, Cause::Flapping)));
}
