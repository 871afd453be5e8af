//! Pictures of numbers as SVG: shares and counts over time, and bars. Each is described in words, and its numbers stand in a
//! table below it.

use super::page::Page;
use crate::model::Instant;
use crate::report::text::{fit, grouped, shown};

const WIDTH: u64 = 560;
const HEIGHT: u64 = 200;
const LEFT: u64 = 72;
const RIGHT: u64 = 8;
const TOP: u64 = 8;
const BOTTOM: u64 = 24;

/// One of several layers: its name, and the class that gives it its colour.
pub(super) type Layer = (&'static str, &'static str);

/// What is drawn over time: for each instant one number for each layer, from the bottom up.
pub(super) struct OverTime<'a> {
    pub(super) title: &'a str,
    /// In words.
    pub(super) said: String,
    pub(super) layers: &'a [Layer],
    pub(super) points: Vec<(Instant, Vec<u64>)>,
    /// Whether each instant fills the whole height: shares, not numbers.
    pub(super) shares: bool,
}

/// Bars, each with one number for each layer.
pub(super) struct Bars<'a> {
    pub(super) title: &'a str,
    pub(super) said: String,
    pub(super) layers: &'a [Layer],
    pub(super) bars: Vec<(String, Vec<u64>)>,
    /// What has no bar, because it would dwarf the others: it stands in the table alone.
    pub(super) rest: Option<(String, Vec<u64>)>,
}

fn begin(page: &mut Page, title: &str, said: &str, layers: &[Layer], height: u64) {
    page.raw("<figure>\n<figcaption>")
        .text(title)
        .raw("</figcaption>\n<ul class=\"key\" aria-hidden=\"true\">");
    for (name, class) in layers {
        page.raw(&format!("<li><span class=\"{class}\">{name}</span></li>"));
    }
    page.raw(&format!("</ul>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>"))
        .text(title)
        .raw("</title><desc>")
        .text(said)
        .raw("</desc>\n");
}

/// Begins the table below a picture.
fn numbers(page: &mut Page, first: &str, layers: &[Layer]) {
    page.raw("</svg>\n<details><summary>The numbers</summary>\n");
    let names: Vec<String> = layers.iter().map(|(name, _)| format!("#{name}")).collect();
    let mut columns = vec![first];
    columns.extend(names.iter().map(String::as_str));
    page.table(&columns);
}

impl OverTime<'_> {
    pub(super) fn draw(&self, page: &mut Page) {
        use super::page::Cell;
        if self.points.is_empty() {
            page.h3(self.title).aside(&self.said);
            return;
        }
        begin(page, self.title, &self.said, self.layers, HEIGHT);
        self.areas(page);
        numbers(page, "As of", self.layers);
        for (at, counts) in &self.points {
            let mut cells = vec![Cell::Time(Some(*at))];
            cells.extend(counts.iter().map(|n| Cell::Number(*n)));
            page.row(&cells);
        }
        page.end_table(0, "").raw("</details></figure>\n");
    }

    fn areas(&self, page: &mut Page) {
        let (first, last) = match (self.points.first(), self.points.last()) {
            (Some((first, _)), Some((last, _))) => (*first, *last),
            _ => return,
        };
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let most = self.points.iter().map(|(_, n)| n.iter().sum::<u64>()).max().unwrap_or(0).max(1);
        let span = u64::try_from(last.unix_ms() - first.unix_ms()).unwrap_or(0);
        // Tenths of a unit: fine enough for any screen, and the same on every machine.
        let x = |at: Instant| {
            let since = u64::try_from(at.unix_ms() - first.unix_ms()).unwrap_or(0);
            let width = (right - LEFT) * 10;
            LEFT * 10 + if span == 0 { width } else { scaled(since, span, width) }
        };
        let y = |below: u64, all: u64| {
            let height = (bottom - TOP) * 10;
            bottom * 10 - scaled(below, if self.shares { all.max(1) } else { most }, height)
        };
        let mut points: Vec<(u64, &[u64])> =
            self.points.iter().map(|(at, n)| (x(*at), n.as_slice())).collect();
        // A single point would be a line without width.
        if let [(_, only)] = points.as_slice() {
            points = vec![(LEFT * 10, *only), (right * 10, *only)];
        }
        for (layer, (_, class)) in self.layers.iter().enumerate() {
            let edge = |upto: usize| {
                points.iter().map(move |(x, n)| (*x, y(n.iter().take(upto).sum(), n.iter().sum())))
            };
            let upper: Vec<(u64, u64)> = edge(layer + 1).collect();
            let lower: Vec<(u64, u64)> = edge(layer).collect();
            page.raw(&format!("<path class=\"{class}\" d=\"M"));
            for (place, (x, y)) in upper.iter().chain(lower.iter().rev()).enumerate() {
                page.raw(if place == 0 { "" } else { "L" }).raw(&format!("{} {}", tenth(*x), tenth(*y)));
            }
            page.raw("Z\"/>\n");
        }
        let top = if self.shares { "100 %".to_owned() } else { grouped(most) };
        let zero = if self.shares { "0 %" } else { "0" };
        let label = LEFT - 6;
        page.raw(&format!("<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\n"))
            .raw(&format!("<text x=\"{label}\" y=\"{}\" text-anchor=\"end\">{top}</text>", TOP + 10))
            .raw(&format!("<text x=\"{label}\" y=\"{bottom}\" text-anchor=\"end\">{zero}</text>"));
        let day = |at: Instant| at.text().as_str().get(..10).unwrap_or_default().to_owned();
        let below = HEIGHT - 6;
        page.raw(&format!("<text x=\"{LEFT}\" y=\"{below}\">{}</text>", day(first)))
            .raw(&format!("<text x=\"{right}\" y=\"{below}\" text-anchor=\"end\">{}</text>\n", day(last)));
    }
}

impl Bars<'_> {
    pub(super) fn draw(&self, page: &mut Page, first: &str) {
        use super::page::Cell;
        const ROW: u64 = 22;
        const NAMES: u64 = 236;
        const NUMBER: u64 = 64;
        let height = (self.bars.len() as u64).max(1) * ROW + 4;
        begin(page, self.title, &self.said, self.layers, height);
        let most = self.bars.iter().map(|(_, n)| n.iter().sum::<u64>()).max().unwrap_or(0).max(1);
        let room = (WIDTH - NAMES - NUMBER) * 10;
        for (place, (name, counts)) in (0..).zip(&self.bars) {
            let top: u64 = place * ROW + 4;
            let base = top + 12;
            page.raw(&format!("<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">", NAMES - 8))
                .text(&fit(&shown(name), 28))
                .raw("</text>");
            let mut from = NAMES * 10;
            for (n, (_, class)) in counts.iter().zip(self.layers).filter(|(n, _)| **n > 0) {
                // What is there is seen, however little it is.
                let width = scaled(*n, most, room).max(10);
                page.raw(&format!(
                    "<rect class=\"{class}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"16\"/>",
                    tenth(from),
                    tenth(width)
                ));
                from += width;
            }
            let all = grouped(counts.iter().sum());
            page.raw(&format!("<text class=\"v\" x=\"{}\" y=\"{base}\">{all}</text>\n", tenth(from + 60)));
        }
        numbers(page, first, self.layers);
        for (name, counts) in self.bars.iter().chain(&self.rest) {
            let mut cells = vec![Cell::Text(name)];
            cells.extend(counts.iter().map(|n| Cell::Number(*n)));
            page.row(&cells);
        }
        page.end_table(0, "").raw("</details></figure>\n");
    }
}

/// `part` of `all`, on a scale that is so long.
fn scaled(part: u64, all: u64, scale: u64) -> u64 {
    let scaled = u128::from(part) * u128::from(scale) / u128::from(all.max(1));
    u64::try_from(scaled).unwrap_or(scale).min(scale)
}

fn tenth(n: u64) -> String {
    format!("{}.{}", n / 10, n % 10)
}
