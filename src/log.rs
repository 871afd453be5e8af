//! The log: one line for each event, to standard error.
//!
//! A log is read in a terminal and by programs that split it at line ends, and it tells of names that others chose. So
//! nothing in a line can start a new line, move the cursor or turn the direction of the text: such characters are shown
//! by their numbers.

use std::ffi::OsString;
use std::fmt::{self, Write};

use schemars::JsonSchema;
use serde::Deserialize;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::{Format as Events, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::util::SubscriberInitExt;

/// Variables that stand in place of [`Log::level`], the first that is set.
pub const VARIABLES: [&str; 2] = ["COUNTERFOIL_LOG", "RUST_LOG"];

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How a line looks.
    pub format: Format,
    /// The least important that is logged: `error`, `warn`, `info`, `debug`, `trace` or `off`; or a list of them by
    /// module, such as `info,counterfoil::sink=debug`. The environment (`COUNTERFOIL_LOG`, then `RUST_LOG`) overrides it.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Text, level: "info".to_owned() }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// A JSON object, for programs.
    Json,
}

/// Why there can be no log as it is configured.
#[derive(Debug)]
pub struct LogError(String);

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LogError {}

/// Logs to standard error from here on, for the whole process.
///
/// # Errors
/// When the level is none, or there is a log already.
pub fn start(log: &Log) -> Result<(), LogError> {
    let subscriber = subscriber(log, &|name| std::env::var_os(name), std::io::stderr)?;
    subscriber.try_init().map_err(|_| LogError("the log was started already".to_owned()))
}

/// What [`start`] starts, with an environment given as a function and another place for the lines.
///
/// # Errors
/// When the level is none.
pub fn subscriber<W>(
    log: &Log,
    environment: &dyn Fn(&str) -> Option<OsString>,
    lines: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer::<tracing_subscriber::layer::Layered<EnvFilter, Registry>>()
        .with_ansi(false)
        // It would print, and end the process, once standard error is closed.
        .log_internal_errors(false)
        .with_writer(lines);
    let registry = Registry::default().with(filter(log, environment)?);
    Ok(match log.format {
        Format::Text => {
            let events = Safe { inner: Events::default().with_ansi(false), shown: number };
            Box::new(registry.with(layer.event_format(events)))
        }
        Format::Json => {
            let events = Safe { inner: Events::default().json().flatten_event(true), shown: json_number };
            Box::new(registry.with(layer.fmt_fields(JsonFields::new()).event_format(events)))
        }
    })
}

fn filter(log: &Log, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<EnvFilter, LogError> {
    let set = |name: &'static str| environment(name).filter(|value| !value.is_empty()).map(|v| (name, v));
    let (place, text) = match VARIABLES.into_iter().find_map(set) {
        Some((name, value)) => (format!("${name}"), value.to_string_lossy().into_owned()),
        None => ("`level`".to_owned(), log.level.clone()),
    };
    let wrong = |why: &dyn fmt::Display| {
        let mut shown = String::new();
        let _ = safe(&mut shown, &text, number);
        LogError(format!(
            "{place} = `{shown}`: {why}; expected error, warn, info, debug, trace or off, or a list such as \
             info,counterfoil::sink=debug"
        ))
    };
    // A filter takes a word that is no level for the name of a module, and then logs nothing else.
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let bare = text.split(',').map(str::trim).filter(|part| !part.contains(['=', '[', ':']));
    for part in bare {
        if !LEVELS.iter().any(|level| part.eq_ignore_ascii_case(level)) {
            return Err(wrong(&format_args!("`{}` is no level", part.escape_debug())));
        }
    }
    EnvFilter::builder().parse(&text).map_err(|e| wrong(&e))
}

/// Writes events as `inner` does, and whatever could do something to a terminal by its number.
struct Safe<F> {
    inner: F,
    /// How such a character is shown.
    shown: fn(&mut dyn Write, char) -> fmt::Result,
}

impl<S, N, F> FormatEvent<S, N> for Safe<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        safe(&mut writer, line.strip_suffix('\n').unwrap_or(&line), self.shown)?;
        writer.write_char('\n')
    }
}

/// Copies a text, all on one line and with nothing that cannot be seen.
fn safe(to: &mut dyn Write, text: &str, shown: fn(&mut dyn Write, char) -> fmt::Result) -> fmt::Result {
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unsafe(*c)) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        to.write_str(before)?;
        shown(to, c)?;
        rest = after.strip_prefix(c).unwrap_or("");
    }
    to.write_str(rest)
}

/// Whether a character does something instead of being seen: controls, line ends of every kind, marks that turn the
/// direction of text, and those without width, behind which two texts that differ look the same.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `\u{202e}`, and `\n` where Rust has a short form.
fn number(to: &mut dyn Write, c: char) -> fmt::Result {
    match c {
        '\n' | '\r' | '\t' => write!(to, "{}", c.escape_default()),
        _ => write!(to, "{}", c.escape_unicode()),
    }
}

/// `\u202e`, as it stands inside a string of JSON; there is nowhere else that such a character could be.
fn json_number(to: &mut dyn Write, c: char) -> fmt::Result {
    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(to, "\\u{unit:04x}"))
}
