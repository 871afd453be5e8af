//! Colour and width: decided by the caller, never looked up here.

use std::fmt::Display;

use anstyle::{AnsiColor, Style as Ansi};

use crate::model::finding::Severity;

/// The narrowest table that is laid out; a narrower terminal wraps it.
const MIN_WIDTH: usize = 60;

/// How the table looks on the terminal at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    /// No colour, 100 columns: what a file gets.
    fn default() -> Self {
        Self { colour: false, width: 100 }
    }
}

impl Style {
    /// What the terminal and the environment ask for: colour only on a terminal that is not `dumb`, and never
    /// when `NO_COLOR` holds anything (<https://no-color.org>).
    ///
    /// ```
    /// use counterfoil::report::Style;
    /// assert!(Style::choose(true, None, Some("xterm"), 80).colour);
    /// assert!(!Style::choose(true, Some("1"), Some("xterm"), 80).colour);
    /// assert!(!Style::choose(false, None, Some("xterm"), 80).colour);
    /// ```
    #[must_use]
    pub fn choose(is_terminal: bool, no_color: Option<&str>, term: Option<&str>, width: usize) -> Self {
        let wanted = no_color.is_none_or(str::is_empty) && term != Some("dumb");
        Self { colour: is_terminal && wanted, width }
    }

    /// Columns to lay out for.
    pub(super) fn columns(self) -> usize {
        self.width.max(MIN_WIDTH)
    }

    pub(super) fn paint(self, ansi: Ansi, text: impl Display) -> String {
        if self.colour { format!("{ansi}{text}{ansi:#}") } else { text.to_string() }
    }

    pub(super) fn bold(self, text: impl Display) -> String {
        self.paint(Ansi::new().bold(), text)
    }

    pub(super) fn dim(self, text: impl Display) -> String {
        self.paint(Ansi::new().dimmed(), text)
    }

    pub(super) fn warning(self, text: impl Display) -> String {
        self.paint(Ansi::new().bold().fg_color(Some(AnsiColor::Yellow.into())), text)
    }

    pub(super) fn good(self, text: impl Display) -> String {
        self.paint(Ansi::new().fg_color(Some(AnsiColor::Green.into())), text)
    }

    pub(super) fn severity(self, severity: Severity, text: impl Display) -> String {
        let ansi = match severity {
            Severity::Critical => Ansi::new().bold().fg_color(Some(AnsiColor::Red.into())),
            Severity::High => Ansi::new().fg_color(Some(AnsiColor::Red.into())),
            Severity::Medium => Ansi::new().fg_color(Some(AnsiColor::Yellow.into())),
            Severity::Low => Ansi::new().fg_color(Some(AnsiColor::Cyan.into())),
        };
        self.paint(ansi, text)
    }
}
