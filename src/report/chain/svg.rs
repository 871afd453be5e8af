//! A chain on a scaled axis of time: a lane for each step, a dot for each thing that happened or will.

use std::fmt::Write;

use crate::model::Instant;
use crate::model::chain::{Chain, Link, Step};
use crate::model::finding::Standing;
use crate::report::html::push_text;

/// Units of the picture: it is scaled to whatever width it gets.
const WIDTH: i64 = 720;
const LEFT: i64 = 96;
const RIGHT: i64 = 24;
const LANE: i64 = 20;
const TOP: i64 = 24;

/// Where an instant stands on the axis.
struct Axis {
    from: i64,
    span: i64,
}

impl Axis {
    fn new(times: &[Instant]) -> Option<Self> {
        let from = times.iter().min()?.unix_ms();
        let span = times.iter().max()?.unix_ms().saturating_sub(from).max(1);
        Some(Self { from, span })
    }

    fn x(&self, t: Instant) -> i64 {
        let room = i128::from(WIDTH - LEFT - RIGHT);
        let at = i128::from(t.unix_ms().saturating_sub(self.from)) * room / i128::from(self.span);
        LEFT + i64::try_from(at).unwrap_or(0)
    }
}

/// Adds the picture, with everything it shows told in words too. Nothing is added where no time is known but `now`.
pub(super) fn push(chain: &Chain<'_>, page: &mut String) {
    let events: Vec<(&Link<'_>, Instant)> = chain.links.iter().filter_map(|l| Some((l, l.at?))).collect();
    let mut times: Vec<Instant> = events.iter().map(|(_, t)| *t).collect();
    times.push(chain.now);
    let Some(axis) = Axis::new(&times).filter(|_| !events.is_empty()) else { return };
    let mut lanes: Vec<Step> = chain.links.iter().map(|l| l.step).collect();
    lanes.dedup();
    let height = TOP + LANE * i64::try_from(lanes.len()).unwrap_or(0) + 30;
    let lane = |step: Step| {
        let place = lanes.iter().position(|s| *s == step).unwrap_or(0);
        TOP + LANE * i64::try_from(place).unwrap_or(0) + LANE / 2
    };
    let bottom = height - 26;

    page.push_str("<svg class=\"time\" role=\"img\" viewBox=\"0 0 ");
    let _ = write!(page, "{WIDTH} {height}\" aria-label=\"Time line: ");
    for (n, (l, t)) in events.iter().enumerate() {
        let gap = if n == 0 { "" } else { "; " };
        let _ = write!(page, "{gap}{} {t} ({})", l.step.as_str(), l.state.as_str());
    }
    let _ = writeln!(page, "; now {}\">", chain.now);
    for step in &lanes {
        let y = lane(*step);
        let _ = writeln!(
            page,
            "<line class=\"lane\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/><text class=\"step\" x=\"{}\" y=\"{}\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 10,
            y + 4,
            step.as_str()
        );
    }
    held(chain, &axis, &lane, page);
    let now = axis.x(chain.now);
    let anchor = if now > WIDTH * 3 / 4 { "end" } else { "start" };
    let _ = writeln!(
        page,
        "<line class=\"now\" x1=\"{now}\" y1=\"{}\" x2=\"{now}\" y2=\"{bottom}\"/><text class=\"when\" text-anchor=\"{anchor}\" x=\"{now}\" y=\"14\">now {}</text>",
        TOP - 4,
        day(chain.now)
    );
    for (l, t) in &events {
        let (x, y) = (axis.x(*t), lane(l.step));
        let _ =
            write!(page, "<circle class=\"{}\" cx=\"{x}\" cy=\"{y}\" r=\"5\"><title>{t} ", l.state.as_str());
        push_text(&l.what, page);
        page.push_str("</title></circle>\n");
    }
    let ends = [(times.iter().min(), "start"), (times.iter().max(), "end")];
    for (t, anchor) in ends.into_iter().filter_map(|(t, anchor)| Some((*t?, anchor))) {
        let (x, y) = (axis.x(t), height - 8);
        let _ = writeln!(
            page,
            "<text class=\"when\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"{y}\">{}</text>",
            day(t)
        );
    }
    page.push_str("</svg>\n");
}

/// Since when it is held, and for how long it is approved, as bars.
fn held(chain: &Chain<'_>, axis: &Axis, lane: &dyn Fn(Step) -> i64, page: &mut String) {
    let at = |step: Step| chain.links.iter().filter(move |l| l.step == step).filter_map(|l| l.at);
    let mut bar = |class: &str, step: Step, from: Option<Instant>, to: Option<Instant>| {
        if let (Some(from), Some(to)) = (from, to)
            && from < to
        {
            let (x, y) = (axis.x(from), lane(step) - 3);
            let width = (axis.x(to) - x).max(1);
            let _ = writeln!(
                page,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"6\"/>"
            );
        }
    };
    if chain.grant.is_some() {
        bar("held", Step::Provisioned, at(Step::Provisioned).min(), Some(chain.now));
    }
    let carried = match chain.standing {
        Some(standing) => matches!(standing, Standing::Approved | Standing::Expired | Standing::Revoked),
        None => chain.request.as_ref().is_some_and(|r| r.state == "approved"),
    };
    if carried {
        let taken = at(Step::Revoked).filter(|_| chain.standing == Some(Standing::Revoked)).min();
        let until = [at(Step::Ends).min(), taken].into_iter().flatten().min();
        bar("lasts", Step::Approved, at(Step::Approved).max(), Some(until.unwrap_or(chain.now)));
    }
}

/// The day of an instant.
fn day(t: Instant) -> String {
    t.to_string().chars().take(10).collect()
}
