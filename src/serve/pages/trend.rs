//! The trend over the runs, drawn: grants that nothing carries, and grants of which nothing can be said. What the picture shows
//! stands below it as a table too.

use super::bits::{Tally, share};
use super::html::{Day, Html, Plain, put};
use crate::engine::Manifest;
use crate::model::Instant;
use crate::model::finding::Outcome;
use crate::store::RunRow;

/// How many points are drawn.
const MOST: usize = 120;
/// How many rows the table has.
const ROWS: usize = 15;

/// Units of the picture: it is scaled to the width it gets.
const WIDTH: i64 = 640;
const HEIGHT: i64 = 170;
const LEFT: i64 = 52;
const RIGHT: i64 = 10;
const TOP: i64 = 12;
const BOTTOM: i64 = 24;

/// How everything stood after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) run: u64,
    pub(super) at: Instant,
    pub(super) tally: Tally,
    pub(super) created: u64,
    pub(super) closed: u64,
}

/// The runs that judged, oldest first.
pub(super) fn points(runs: &[RunRow]) -> Vec<Point> {
    let read = |row: &RunRow| {
        let manifest: Manifest = serde_json::from_str(row.manifest.as_deref()?).ok()?;
        let of = |outcome| manifest.outcomes.get(&outcome).copied().unwrap_or_default();
        let tally = Tally {
            justified: of(Outcome::Justified),
            unjustified: of(Outcome::Unjustified),
            unknown: of(Outcome::Unknown),
        };
        let events = |kind: &str| manifest.events.get(kind).copied().unwrap_or_default();
        let (created, closed) = (events("create"), events("close"));
        manifest.judged.then_some(Point { run: row.id, at: manifest.now, tally, created, closed })
    };
    runs.iter().rev().filter_map(read).collect()
}

/// At most `MOST` of them, the last among them.
fn thinned(points: &[Point]) -> Vec<Point> {
    let step = points.len().div_ceil(MOST).max(1);
    let mut some: Vec<Point> = points.iter().rev().step_by(step).copied().collect();
    some.reverse();
    some
}

/// A round number at or above the greatest value.
fn ceiling(most: u64) -> u64 {
    let mut unit = 1;
    loop {
        for factor in [1, 2, 4, 5, 10] {
            if unit * factor >= most && unit * factor >= 4 {
                return unit * factor;
            }
        }
        match u64::checked_mul(unit, 10) {
            Some(next) if next < u64::MAX / 10 => unit = next,
            _ => return most,
        }
    }
}

/// The picture and its table; a sentence where there is nothing to compare yet.
pub(super) fn show(all: &[Point], page: &mut Html) {
    let points = thinned(all);
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        page.raw("<p class=\"empty\">The trend begins with the first run that judges.</p>\n");
        return;
    };
    if points.len() < 2 {
        page.raw("<p class=\"empty\">One run so far. The trend begins with the next.</p>\n");
    } else {
        draw(&points, *first, *last, page);
    }
    table(all, page);
}

fn draw(points: &[Point], first: Point, last: Point, page: &mut Html) {
    let top = ceiling(points.iter().map(|p| p.tally.unjustified.max(p.tally.unknown)).max().unwrap_or(0));
    let (from, span) = (first.at.unix_ms(), (last.at.unix_ms() - first.at.unix_ms()).max(1));
    let scaled = |part: i64, all: i64, room: i64| {
        i64::try_from(i128::from(part) * i128::from(room) / i128::from(all.max(1))).unwrap_or(0)
    };
    let x = |t: Instant| LEFT + scaled((t.unix_ms() - from).clamp(0, span), span, WIDTH - LEFT - RIGHT);
    let y = |n: u64| HEIGHT - BOTTOM - scaled(n.cast_signed(), top.cast_signed(), HEIGHT - TOP - BOTTOM);
    put!(page; "<svg class=\"trend\" role=\"img\" aria-labelledby=\"trend-title trend-desc\" viewBox=\"0 0 " (Plain(WIDTH)) " "
        (Plain(HEIGHT)) "\">\n<title id=\"trend-title\">Grants without a justification, run by run</title>\n"
        "<desc id=\"trend-desc\">From " (Day(first.at).text()) " to " (Day(last.at).text()) " unjustified grants went from "
        (first.tally.unjustified) " to " (last.tally.unjustified) ", and grants of which nothing can be said from "
        (first.tally.unknown) " to " (last.tally.unknown) ".</desc>\n");
    for quarter in [0, 2, 4] {
        let value = top / 4 * quarter + top % 4 * quarter / 4;
        put!(page; "<line class=\"grid\" x1=\"" (Plain(LEFT)) "\" x2=\"" (Plain(WIDTH - RIGHT)) "\" y1=\"" (Plain(y(value))) "\" y2=\""
            (Plain(y(value))) "\"/><text class=\"y\" x=\"" (Plain(LEFT - 8)) "\" y=\"" (Plain(y(value) + 4)) "\">" (value) "</text>\n");
    }
    for (class, of) in [("dim", unknown as fn(&Point) -> u64), ("bad", unjustified)] {
        page.raw("<polyline class=\"");
        page.raw(class);
        page.raw("\" points=\"");
        for p in points {
            put!(page; (Plain(x(p.at))) "," (Plain(y(of(p)))) " ");
        }
        page.raw("\"/>");
        put!(page; "<circle class=\"" (*class) "\" cx=\"" (Plain(x(last.at))) "\" cy=\"" (Plain(y(of(&last)))) "\" r=\"3.5\"/>\n");
    }
    put!(page; "<text class=\"x\" x=\"" (Plain(LEFT)) "\" y=\"" (Plain(HEIGHT - 6)) "\">" (Day(first.at).text())
        "</text><text class=\"x end\" x=\"" (Plain(WIDTH - RIGHT)) "\" y=\"" (Plain(HEIGHT - 6)) "\">" (Day(last.at).text())
        "</text>\n</svg>\n<ul class=\"legend\"><li class=\"bad\">unjustified</li><li class=\"dim\">unknown</li></ul>\n");
}

fn unjustified(p: &Point) -> u64 {
    p.tally.unjustified
}

fn unknown(p: &Point) -> u64 {
    p.tally.unknown
}

fn table(all: &[Point], page: &mut Html) {
    page.raw(
        "<details><summary>The last runs as a table</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The last runs\">\
         <table><thead><tr><th scope=\"col\" class=\"n\">Run</th><th scope=\"col\">As of</th><th scope=\"col\" class=\"n\">Justified</th>\
         <th scope=\"col\" class=\"n\">Unjustified</th><th scope=\"col\" class=\"n\">Unknown</th><th scope=\"col\" class=\"n\">Share justified</th>\
         <th scope=\"col\" class=\"n\">New findings</th><th scope=\"col\" class=\"n\">Resolved</th></tr></thead><tbody>\n",
    );
    for p in all.iter().rev().take(ROWS) {
        let t = p.tally;
        put!(page; "<tr><th scope=\"row\" class=\"n\">" (p.run) "</th><td>" (p.at) "</td><td class=\"n\">" (t.justified)
            "</td><td class=\"n\">" (t.unjustified) "</td><td class=\"n\">" (t.unknown) "</td><td class=\"n\">"
            (share(t.justified, t.all())) "</td><td class=\"n\">" (p.created) "</td><td class=\"n\">" (p.closed) "</td></tr>\n");
    }
    page.raw("</tbody></table></div></details>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(run: u64, unjustified: u64, unknown: u64) -> Point {
        let at = Instant::from_unix_ms(i64::try_from(run).unwrap() * 3_600_000);
        Point { run, at, tally: Tally { justified: 10, unjustified, unknown }, created: 0, closed: 0 }
    }

    #[test]
    fn the_axis_ends_at_a_round_number() {
        for (most, top) in [
            (0, 4),
            (3, 4),
            (5, 5),
            (6, 10),
            (11, 20),
            (21, 40),
            (41, 50),
            (99, 100),
            (101, 200),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(ceiling(most), top, "{most}");
        }
    }

    #[test]
    fn all_that_is_drawn_lies_in_the_picture_however_large_it_is() {
        for points in [
            vec![point(1, 0, 0), point(2, u64::MAX / 4, 7)],
            (1..5000).map(|n| point(n, n % 37, n % 11)).collect(),
            vec![point(3, 5, 5), point(3, 4, 4)],
        ] {
            let mut page = Html::default();
            show(&points, &mut page);
            let page = page.into_text();
            for line in page.lines().filter(|l| l.starts_with("<polyline")) {
                let places = line.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
                let places: Vec<(i64, i64)> = places
                    .split_whitespace()
                    .map(|p| {
                        p.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap()
                    })
                    .collect();
                assert!(places.len() >= 2 && places.len() <= MOST);
                assert!(
                    places.iter().all(|(x, y)| (LEFT..=WIDTH).contains(x) && (0..=HEIGHT).contains(y)),
                    "{line}"
                );
            }
            assert!(page.contains("<polyline") && page.contains("<desc"));
        }
        let mut page = Html::default();
        show(&[point(1, 1, 1)], &mut page);
        assert!(!page.into_text().contains("<svg"));
    }
}
