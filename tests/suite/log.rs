//! The log: its formats and levels, and that nothing logged can do anything to a terminal or start a line.

use std::ffi::OsString;
use std::io::Write;
use std::sync::{Arc, Mutex};

use counterfoil::log::{Format, Log, subscriber};
use proptest::prelude::*;

/// Where lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is logged by `work`.
fn logged(log: &Log, environment: &[(&str, &str)], work: impl FnOnce()) -> Result<String, String> {
    let lines = Lines::default();
    let to = lines.clone();
    let variable = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
    let subscriber = subscriber(log, &variable, move || to.clone()).map_err(|e| e.to_string())?;
    tracing::subscriber::with_default(subscriber, work);
    Ok(String::from_utf8(lines.0.lock().unwrap().clone()).unwrap())
}

fn level(level: &str) -> Log {
    Log { level: level.to_owned(), ..Log::default() }
}

const FORMATS: [Format; 2] = [Format::Text, Format::Json];

/// Every way in which a text gets into a line: a message, fields shown and debugged, a span's fields, an error.
fn tell(text: &str) {
    let span = tracing::info_span!("pull", source = text, debugged = ?text);
    let _inside = span.enter();
    let error = std::io::Error::other(text.to_owned());
    tracing::info!(name = text, shown = %text, error = &error as &dyn std::error::Error, "said: {text}");
}

fn is_harmless(line: &str) -> bool {
    line.chars().all(|c| {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
        !c.is_control() && !turns && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{feff}')
    })
}

#[test]
fn a_line_tells_time_level_place_and_fields() {
    let text =
        logged(&Log::default(), &[], || tracing::warn!(source = "jira", records = 3, "pulled")).unwrap();
    assert!(text.ends_with("Z  WARN suite::log: pulled source=\"jira\" records=3\n"), "{text}");
    let json = Log { format: Format::Json, ..Log::default() };
    let line = logged(&json, &[], || tracing::warn!(source = "jira", records = 3, "pulled")).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["level"], &line["message"], &line["source"], &line["records"]),
        (&"WARN".into(), &"pulled".into(), &"jira".into(), &3.into())
    );
    assert!(line["timestamp"].as_str().unwrap().parse::<counterfoil::model::Instant>().is_ok());
}

#[test]
fn nothing_logged_starts_a_line_or_reaches_the_terminal() {
    let hostile = "a\nERROR forged\r\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\0\u{7f}\u{85}\t\u{202e}gpj\u{2066}\u{2028}\u{200b}\u{feff}\u{e0041}z";
    for format in FORMATS {
        let text = logged(&Log { format, ..Log::default() }, &[], || tell(hostile)).unwrap();
        let line = text.strip_suffix('\n').unwrap();
        assert!(is_harmless(line), "{line:?}");
        assert!(line.contains("202e") && line.contains("forged"), "shown, not dropped: {line}");
    }
    // Nor is anything lost in JSON: a program reads back what was logged.
    let line = logged(&Log { format: Format::Json, ..Log::default() }, &[], || tell(hostile)).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["name"], hostile);
    assert_eq!(line["span"]["source"], hostile);
}

#[test]
fn names_in_any_script_are_left_as_they_are() {
    for format in FORMATS {
        let text =
            logged(&Log { format, ..Log::default() }, &[], || tell("Zoë Ångström 山田 عمر ✓")).unwrap();
        assert!(text.contains("Zoë Ångström 山田 عمر ✓"), "{text}");
    }
}

#[test]
fn the_environment_overrides_the_level_and_ours_comes_first() {
    let work = || {
        tracing::debug!("small");
        tracing::error!("big");
    };
    let count =
        |log: &Log, environment: &[(&str, &str)]| logged(log, environment, work).unwrap().lines().count();
    assert_eq!(count(&Log::default(), &[]), 1);
    assert_eq!(count(&level("debug"), &[]), 2);
    assert_eq!(count(&level("off"), &[]), 0);
    assert_eq!(count(&level("error,suite::log=debug"), &[]), 2);
    assert_eq!(count(&level("debug,suite::log=off"), &[]), 0);
    assert_eq!(count(&level("info"), &[("RUST_LOG", "debug")]), 2);
    assert_eq!(count(&level("info"), &[("RUST_LOG", "debug"), ("COUNTERFOIL_LOG", "off")]), 0);
    assert_eq!(count(&level("info"), &[("COUNTERFOIL_LOG", "")]), 1, "an empty one is none");
}

#[test]
fn a_level_that_is_none_is_an_error_and_not_silence() {
    for (text, part) in [
        ("infoo", "`infoo` is no level"),
        ("", "`` is no level"),
        ("info,counterfoil=loud", "expected error, warn"),
    ] {
        let error = logged(&level(text), &[], || ()).unwrap_err();
        assert!(error.starts_with("`level` = ") && error.contains(part), "{error}");
    }
    let error = logged(&Log::default(), &[("RUST_LOG", "\u{1b}[2J")], || ()).unwrap_err();
    assert!(error.starts_with("$RUST_LOG = ") && is_harmless(&error), "{error:?}");
}

#[test]
fn the_configuration_is_closed() {
    assert_eq!(toml::from_str::<Log>("").unwrap(), Log::default());
    let log = toml::from_str::<Log>("format = \"json\"\nlevel = \"debug\"").unwrap();
    assert_eq!(log, Log { format: Format::Json, level: "debug".to_owned() });
    assert!(toml::from_str::<Log>("formt = \"json\"").is_err());
    assert!(toml::from_str::<Log>("format = \"xml\"").is_err());
}

proptest! {
    #[test]
    fn any_text_stays_on_one_harmless_line(text in any::<String>(), controls in "[\\x00-\\x1f\\x7f-\\x9fa\u{202a}-\u{202e}\u{2028}\"\\\\]{0,12}") {
        for format in FORMATS {
            for text in [&text, &controls] {
                let written = logged(&Log { format, ..Log::default() }, &[], || tell(text)).unwrap();
                let line = written.strip_suffix('\n').unwrap();
                prop_assert!(is_harmless(line), "{line:?}");
                if format == Format::Json {
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    prop_assert_eq!(&line["name"], text.as_str());
                }
            }
        }
    }
}
