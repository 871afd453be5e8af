//! Progress bars: on standard error, and only when that is a terminal.
//!
//! Inner modules know none of this; they are handed `&dyn Fn(u64)` ([`Bar::counter`]) and say how much they have
//! done. A bar is taken off the screen when it is dropped, so that it never stands in the middle of the findings.
//!
//! A product that is asked ([`Asking`]) has no length that a bar could show: a line says what it is at, and that it waits
//! and why. Where there is no terminal, longer waits and what a program says are lines of their own.

use std::cell::RefCell;
use std::io::{self, Read};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::connect::transport::Doing;
use crate::report::text::shown;

/// How often a bar is drawn at most, per second.
const DRAWS: u8 = 10;

/// The bars of one run.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    shown: bool,
}

impl Progress {
    /// Bars on standard error when it is a terminal; otherwise none.
    #[must_use]
    pub fn on_stderr() -> Self {
        Self { shown: io::IsTerminal::is_terminal(&io::stderr()) }
    }

    /// No bars.
    #[must_use]
    pub fn hidden() -> Self {
        Self { shown: false }
    }

    /// Reading: counts bytes of the input as it lies on disk, out of `total` where all sizes are known.
    #[must_use]
    pub fn reading(self, total: Option<u64>) -> Bar {
        self.bar(total, "reading", Unit::Bytes)
    }

    /// Judging: counts grants.
    #[must_use]
    pub fn judging(self, total: u64) -> Bar {
        self.bar(Some(total), "judging", Unit::Things("grants"))
    }

    /// Writing: counts findings, out of `total` where it is known. Not to be used when the findings go to the
    /// same terminal.
    #[must_use]
    pub fn writing(self, total: Option<u64>) -> Bar {
        self.bar(total, "writing", Unit::Things("findings"))
    }

    /// Asking a product, or running a program: a line that says what goes on.
    #[must_use]
    pub fn asking(self) -> Asking {
        Asking::on(self.target())
    }

    fn bar(self, total: Option<u64>, verb: &'static str, unit: Unit) -> Bar {
        Bar::on(self.target(), total, verb, unit)
    }

    fn target(self) -> ProgressDrawTarget {
        if self.shown { ProgressDrawTarget::stderr_with_hz(DRAWS) } else { ProgressDrawTarget::hidden() }
    }
}

/// What a bar counts.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Bytes,
    Things(&'static str),
}

impl Unit {
    /// The layout for `indicatif`; see its `ProgressStyle` for the keys.
    fn template(self, bounded: bool) -> String {
        match (self, bounded) {
            (Self::Bytes, true) => "{msg:8} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}".into(),
            (Self::Bytes, false) => "{msg:8} {spinner} {bytes} {bytes_per_sec} {elapsed}".into(),
            (Self::Things(what), true) => {
                format!("{{msg:8}} {{wide_bar}} {{human_pos}}/{{human_len}} {what} {{eta}}")
            }
            (Self::Things(what), false) => format!("{{msg:8}} {{spinner}} {{human_pos}} {what} {{elapsed}}"),
        }
    }
}

/// One bar; dropping it takes it off the screen.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    fn on(target: ProgressDrawTarget, total: Option<u64>, verb: &'static str, unit: Unit) -> Self {
        let bar = ProgressBar::with_draw_target(total, target);
        // A layout that cannot be read would be a slip in `template`, which a test sees; the bar has one anyway.
        if let Ok(style) = ProgressStyle::with_template(&unit.template(total.is_some())) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_message(verb);
        if total.is_none() && !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self(bar)
    }

    /// Says that `n` more are done. Cheap enough for each record, and may be called from any thread.
    pub fn advance(&self, n: u64) {
        self.0.inc(n);
    }

    /// The same as a function, for modules that know no bars.
    pub fn counter(&self) -> impl Fn(u64) + Send + Sync + '_ {
        |n| self.advance(n)
    }

    /// A reader that counts what is read through it.
    pub fn reader<R: Read>(&self, inner: R) -> Counted<'_, R> {
        Counted { inner, bar: self }
    }

    /// Runs something that writes to the terminal, with the bar out of its way. `f` must not touch the bar,
    /// which is locked meanwhile.
    pub fn suspended<T>(&self, f: impl FnOnce() -> T) -> T {
        self.0.suspend(f)
    }
}

/// The shortest wait that is told where there is no terminal.
const LONG: Duration = Duration::from_secs(5);

/// What goes on with a product that is asked; dropping it takes its line off the screen.
#[derive(Debug)]
pub struct Asking {
    bar: ProgressBar,
    /// The wait that was told last, until an answer comes: while it lasts it is heard of again and again.
    told: RefCell<Option<(String, String)>>,
}

impl Asking {
    fn on(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(LINE) {
            bar.set_style(style);
        }
        bar.set_message("asking");
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, told: RefCell::default() }
    }

    /// Shows what goes on, or tells `note` where it is not shown.
    pub fn see(&self, doing: &Doing<'_>, note: &dyn Fn(&str)) {
        match doing {
            Doing::Asked { step, requests, rows } => {
                self.told.replace(None);
                self.bar.set_message(format!(
                    "asking   {}: {}, {}",
                    shown(step),
                    counted(*requests, "request"),
                    counted(*rows, "row")
                ));
            }
            Doing::Waiting { step, pause, why } => {
                let line = format!("waits {} s at step `{}`: {}", seconds(*pause), shown(step), shown(why));
                let wait = Some(((*step).to_owned(), (*why).to_owned()));
                let new = *self.told.borrow() != wait;
                if self.bar.is_hidden() && *pause >= LONG && new {
                    self.told.replace(wait);
                    note(&line);
                }
                self.bar.set_message(line);
            }
            Doing::Said { line } => self.bar.suspend(|| note(&shown(line))),
            Doing::Busy => {}
        }
    }

    /// Shows how far what came has been mapped.
    pub fn mapped(&self, rows: u64, records: u64) {
        self.bar.set_message(format!("mapping  {}, {}", counted(rows, "row"), counted(records, "record")));
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The layout of the line.
const LINE: &str = "{spinner} {wide_msg} {elapsed}";

/// `1 row`, `2,048 rows`.
#[must_use]
pub fn counted(n: u64, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", indicatif::HumanCount(n))
}

/// Whole seconds, a part of one counted whole.
fn seconds(pause: Duration) -> u64 {
    pause.as_secs() + u64::from(pause.subsec_nanos() > 0)
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A reader that tells a bar how much passed.
#[derive(Debug)]
pub struct Counted<'b, R> {
    inner: R,
    bar: &'b Bar,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.bar.advance(u64::try_from(n).unwrap_or(u64::MAX));
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;
    use std::sync::{Arc, Mutex};

    /// A terminal of 60 columns that keeps what is written to it.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn put(&self, s: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(s);
            Ok(())
        }
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            60
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, s: &str) -> io::Result<()> {
            self.put(s)?;
            self.put("\n")
        }
        fn write_str(&self, s: &str) -> io::Result<()> {
            self.put(s)
        }
        fn clear_line(&self) -> io::Result<()> {
            self.put("<clear>")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn drawn(total: Option<u64>, unit: Unit) -> String {
        let screen = Screen::default();
        let bar = Bar::on(ProgressDrawTarget::term_like(Box::new(screen.clone())), total, "reading", unit);
        bar.counter()(2048);
        bar.0.force_draw();
        let text = screen.text();
        drop(bar);
        assert!(
            screen.text().len() > text.len() && screen.text().ends_with("<clear>"),
            "{:?}",
            screen.text()
        );
        text
    }

    #[test]
    fn every_layout_can_be_read_and_shows_what_was_counted() {
        for unit in [Unit::Bytes, Unit::Things("grants")] {
            for bounded in [true, false] {
                ProgressStyle::with_template(&unit.template(bounded)).unwrap();
            }
        }
        let text = drawn(Some(4096), Unit::Bytes);
        assert!(text.contains("reading") && text.contains("2.00 KiB/4.00 KiB"), "{text:?}");
        let text = drawn(Some(4096), Unit::Things("grants"));
        assert!(text.contains("2,048/4,096 grants"), "{text:?}");
        let text = drawn(None, Unit::Things("findings"));
        assert!(text.contains("2,048 findings"), "{text:?}");
    }

    #[test]
    fn a_hidden_bar_still_counts_and_a_reader_passes_everything_on() {
        let bar = Progress::hidden().reading(None);
        assert!(bar.0.is_hidden());
        let mut read = Vec::new();
        bar.reader(&b"twelve bytes"[..]).read_to_end(&mut read).unwrap();
        assert_eq!((read.as_slice(), bar.0.position()), (&b"twelve bytes"[..], 12));
        let bar = Progress::hidden().judging(5);
        bar.advance(5);
        assert_eq!(
            (bar.suspended(|| 5), bar.0.position(), Progress::hidden().writing(None).0.length()),
            (5, 5, None)
        );
    }

    #[test]
    fn a_product_that_is_asked_is_seen_and_its_waits_are_told_once() {
        let asked = Doing::Asked { step: "issues", requests: 1, rows: 2048 };
        let wait =
            |s| Doing::Waiting { step: "issues", pause: Duration::from_millis(s), why: "429 \u{1b}[2J" };
        let line = "waits 7 s at step `issues`: 429 \\u{1b}[2J";
        let screen = Screen::default();
        let asking = Asking::on(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        for (doing, says) in [(&asked, "asking   issues: 1 request, 2,048 rows"), (&wait(6500), line)] {
            asking.see(doing, &|_| panic!("the line says it"));
            asking.bar.force_draw();
            assert!(screen.text().contains(says), "{:?}", screen.text());
        }
        drop(asking);
        assert!(screen.text().ends_with("<clear>"), "{:?}", screen.text());

        let told = RefCell::new(vec![]);
        let hidden = Progress::hidden().asking();
        let program = Doing::Said { line: "half way" };
        for doing in
            [asked.clone(), wait(4999), wait(6500), Doing::Busy, wait(5500), program, asked, wait(6500)]
        {
            hidden.see(&doing, &|line| told.borrow_mut().push(line.to_owned()));
        }
        assert_eq!(*told.borrow(), [line, "half way", line]);
    }
}
