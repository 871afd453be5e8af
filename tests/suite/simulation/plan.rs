//! What goes wrong in a week, made from a seed: each kind of trouble at least once, at another time for each seed.

use counterfoil::model::{Duration, Instant};

use super::inbox::Fault;
use crate::life::How;
use crate::reference::estates::Dice;

pub const SOURCES: [&str; 4] = ["hr", "tickets", "aws", "git"];
pub const SINKS: [&str; 4] = ["siem", "high", "lake", "chat"];

/// One thing that happens to the program or around it.
#[derive(Debug, Clone, Copy)]
pub enum Turn {
    /// How the pulls of a source go from now on.
    Pulls(usize, How),
    /// Whether a source shows nothing at all from now on.
    Empty(usize, bool),
    /// What is wrong with a receiver from now on.
    Fault(usize, Fault),
    /// By how many milliseconds the clock is wrong from now on.
    Clock(i64),
    /// The program is gone until then.
    Down(Duration),
    /// The next run is asked to stop after so many steps.
    Stop(usize),
    /// Another configuration, by its number.
    Reload(usize),
    /// Somebody accepts a finding, for so many hours.
    Accept(u64),
    /// Somebody approves what is held.
    Approve,
    /// What was given up is tried again.
    Replay,
    /// The company changes.
    Stir,
}

const DAY: i64 = 86_400_000;

/// Until when things go wrong, and when the week ends.
pub const CALM: Duration = Duration::hours(6 * 24 + 6);
pub const END: Duration = Duration::hours(7 * 24 + 1);

struct Plan {
    dice: Dice,
    start: Instant,
    turns: Vec<(Instant, Turn)>,
}

impl Plan {
    /// At some minute of these hours.
    fn at(&mut self, from: u64, to: u64) -> Instant {
        let minutes = from * 60 + self.dice.below(((to - from) * 60) as usize) as u64;
        self.start.plus(Duration::minutes(minutes)).plus(Duration::seconds(self.dice.below(60) as u64))
    }

    /// Something begins, and ends hours later.
    fn spell(&mut self, from: u64, to: u64, hours: u64, begin: Turn, end: Turn) {
        let at = self.at(from, to);
        self.turns.push((at, begin));
        self.turns.push((at.plus(Duration::hours(hours)), end));
    }
}

/// A week, in its order.
pub fn week(seed: u64, start: Instant) -> Vec<(Instant, Turn)> {
    let mut p = Plan { dice: Dice::new(seed ^ 0x91a2), start, turns: vec![] };
    let whole = |source| Turn::Pulls(source, How::Whole);
    for day in 0..6 {
        let hour = day * 24;
        for how in [How::Failed, How::Cut, How::Partial, How::Unmarked] {
            let source = p.dice.below(SOURCES.len());
            let hours = 1 + p.dice.below(5) as u64;
            p.spell(hour + 2, hour + 18, hours, Turn::Pulls(source, how), whole(source));
        }
        let source = p.dice.below(SOURCES.len());
        p.spell(hour + 2, hour + 14, 3, Turn::Empty(source, true), Turn::Empty(source, false));
        for fault in [
            Fault::Away,
            Fault::Lost,
            Fault::Busy(Duration::minutes(20)),
            Fault::Half(Duration::minutes(7)),
            Fault::Short,
            Fault::Locked,
        ] {
            let sink = p.dice.below(SINKS.len());
            p.spell(hour, hour + 22, 1, Turn::Fault(sink, fault), Turn::Fault(sink, Fault::None));
        }
        // Away for long, and then well enough to take a part of what waits.
        let (sink, away) = (p.dice.below(SINKS.len()), p.at(hour, hour + 16));
        p.turns.push((away, Turn::Fault(sink, Fault::Away)));
        p.turns.push((away.plus(Duration::hours(5)), Turn::Fault(sink, Fault::Short)));
        p.turns.push((away.plus(Duration::hours(6)), Turn::Fault(sink, Fault::None)));
        p.spell(hour, hour + 20, 2, Turn::Fault(2, Fault::Picky), Turn::Fault(2, Fault::None));
        for turn in [
            Turn::Stop(2),
            Turn::Stop(4),
            Turn::Stop(5),
            Turn::Reload(day as usize),
            Turn::Accept(3),
            Turn::Accept(20),
            Turn::Approve,
            Turn::Replay,
            Turn::Down(Duration::seconds(2)),
        ] {
            let at = p.at(hour, hour + 24);
            p.turns.push((at, turn));
        }
    }
    // A source that nobody can read for more than a day, a program that is gone for a night, a clock that is wrong.
    let source = p.dice.below(SOURCES.len());
    p.spell(26, 40, 30, Turn::Pulls(source, How::Failed), whole(source));
    let night = p.at(80, 90);
    p.turns.push((night, Turn::Down(Duration::hours(9))));
    p.spell(50, 56, 2, Turn::Clock(-DAY), Turn::Clock(0));
    p.spell(110, 120, 2, Turn::Clock(DAY), Turn::Clock(0));
    for _ in 0..180 {
        let at = p.at(0, 6 * 24);
        p.turns.push((at, Turn::Stir));
    }
    // From here on all is well.
    let calm = start.plus(CALM);
    p.turns.retain(|(at, _)| *at < calm);
    for source in 0..SOURCES.len() {
        p.turns.push((calm, whole(source)));
        p.turns.push((calm, Turn::Empty(source, false)));
    }
    p.turns.extend((0..SINKS.len()).map(|sink| (calm, Turn::Fault(sink, Fault::None))));
    p.turns.extend([(calm, Turn::Clock(0)), (calm, Turn::Replay), (calm, Turn::Reload(0))]);
    p.turns.extend((1..16).map(|hour| (calm.plus(Duration::hours(hour)), Turn::Approve)));
    p.turns.sort_by_key(|(at, _)| *at);
    p.turns
}
