//! A second reading of cron: slow, and written from what the fields mean. It walks over every minute of a year, looks at
//! the clock on the wall, and shares nothing with the product but the table of time zones.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZoneDatabase;

/// One field: the values at which it holds, and whether it was written `*`.
struct Field {
    holds: Vec<bool>,
    star: bool,
}

/// Lists, ranges, steps and stars of numbers.
fn field(text: &str, low: usize, high: usize) -> Field {
    let mut holds = vec![false; high + 1];
    for part in text.split(',') {
        let (range, step) =
            part.split_once('/').map_or((part, 1), |(range, step)| (range, step.parse().unwrap()));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            None if range == "*" => (low, high),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        (from..=to).step_by(step).for_each(|value| holds[value] = true);
    }
    Field { holds, star: text == "*" }
}

/// Every minute of a year in a zone: seconds since 1970, and what the clock on the wall shows.
pub fn minutes(zone: &str, year: i16) -> Vec<(i64, DateTime)> {
    // The table inside the program: that of the machine may be older.
    let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
    let start = |year: i16| format!("{year}-01-01T00:00:00Z").parse::<Timestamp>().unwrap().as_second();
    let minutes = (start(year)..start(year + 1)).step_by(60);
    minutes.map(|second| (second, zone.to_datetime(Timestamp::from_second(second).unwrap()))).collect()
}

/// The slots, in seconds since 1970, among these minutes but the first.
pub fn slots(cron: &str, minutes: &[(i64, DateTime)]) -> Vec<i64> {
    let [minute, hour, day, month, weekday] = cron.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{cron}")
    };
    let once_a_day = [minute, hour].iter().all(|text| text.parse::<u8>().is_ok());
    let (minute, hour, day) = (field(minute, 0, 59), field(hour, 0, 23), field(day, 1, 31));
    let (month, mut weekday) = (field(month, 1, 12), field(weekday, 0, 7));
    weekday.holds[0] |= weekday.holds[7];
    let at = |number: i8| number as usize;
    let on_day = |wall: DateTime| {
        let in_month = day.holds[at(wall.day())];
        let in_week = weekday.holds[at(wall.weekday().to_sunday_zero_offset())];
        if day.star || weekday.star { in_month && in_week } else { in_month || in_week }
    };
    let matches = |wall: DateTime| {
        minute.holds[at(wall.minute())]
            && hour.holds[at(wall.hour())]
            && month.holds[at(wall.month())]
            && on_day(wall)
    };
    let mut found = vec![];
    // The furthest the clock on the wall has ever been: what is not beyond it comes for the second time.
    let mut furthest = minutes[0].1;
    for &[(_, before), (second, wall)] in minutes.array_windows::<2>() {
        let runs =
            matches(wall) || (once_a_day && jumps(before, wall) && left_out(before, wall).any(matches));
        let again = once_a_day && wall <= furthest;
        if runs && !again {
            found.push(second);
        }
        if once_a_day {
            furthest = furthest.max(wall);
        }
    }
    found
}

/// Whether the clock on the wall may have left something out; surely not when the day is one minute further.
fn jumps(before: DateTime, wall: DateTime) -> bool {
    let of_day = |wall: DateTime| i32::from(wall.hour()) * 60 + i32::from(wall.minute());
    of_day(wall) - of_day(before) != 1
}

/// What the clock on the wall never showed between two minutes that follow each other.
fn left_out(before: DateTime, wall: DateTime) -> impl Iterator<Item = DateTime> {
    let next = |wall: DateTime| wall.checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
    std::iter::successors(Some(next(before)), move |left| Some(next(*left)))
        .take_while(move |left| *left < wall)
}
