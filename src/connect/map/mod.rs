//! `map.jq`: compiled once per pull, run once per row.
//!
//! jq is run by the `jaq` crates. A map sees its row and the variables of [`VARIABLES`], and nothing else: what could
//! reach outside or read a clock (`env`, `input`, `halt`, `now`, `localtime`, `debug`, `stderr`, modules) is not
//! there. JSON never goes through jaq's own reader, which has no limit on depth.

mod convert;
mod html;
mod links;
mod natives;
pub mod worker;

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars};
use jaq_json::Val;
use serde_json::Value;

pub use links::{Joined, Links, is_link};
pub use natives::{pattern, sha256};

/// The variables a map has, in order: the settings, the name of the shape, the number of the row, the base name of
/// the file, what the document says outside its rows, where in the document the row was found, what other rows say
/// to it (null in the first run and where the connector joins nothing; see [`Links`]), and when the export was taken
/// (RFC 3339, as the caller gave it).
pub const VARIABLES: [&str; 8] =
    ["$settings", "$shape", "$row", "$file", "$head", "$at", "$joined", "$taken_at"];

/// jq definitions that reach outside, by name.
const REFUSED: &[&str] = &[
    "halt",
    "halt_error",
    "env",
    "now",
    "localtime",
    "strflocaltime",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "input",
    "inputs",
    "input_line_number",
    "input_filename",
];

type Data = JustLut<Val>;

/// A compiled map.
pub struct Program {
    filter: Filter<Data>,
}

/// The variables of one file, ready for the map.
pub struct Bindings {
    settings: Val,
    shape: Val,
    file: Val,
    head: Val,
    joined: Joined,
    taken_at: Val,
}

impl Bindings {
    /// Converts the variables that stay the same throughout a file.
    #[must_use]
    pub fn new(
        settings: &Value,
        shape: &str,
        file: &str,
        head: &Value,
        joined: &Joined,
        taken_at: &str,
    ) -> Self {
        Self {
            settings: convert::to_val(settings),
            shape: Val::utf8_str(shape.to_owned()),
            file: Val::utf8_str(file.to_owned()),
            head: convert::to_val(head),
            joined: joined.clone(),
            taken_at: Val::utf8_str(taken_at.to_owned()),
        }
    }
}

impl Program {
    /// Compiles the text of a map. `file` is only for messages.
    ///
    /// # Errors
    /// Text with file, line and column.
    pub fn compile(text: &str, file: &str) -> Result<Self, String> {
        let allowed = |name: &str| !REFUSED.contains(&name);
        let definitions = jaq_core::defs()
            .chain(jaq_std::defs())
            .chain(jaq_json::defs())
            .filter(|definition| allowed(definition.name));
        let functions = jaq_core::funs::<Data>()
            .chain(jaq_std::funs())
            .chain(jaq_json::funs())
            .filter(|(name, ..)| allowed(name) && *name != "fromjson")
            .chain(natives::all());
        let arena = Arena::default();
        let modules = Loader::new(definitions)
            .load(&arena, File { code: text, path: () })
            .map_err(|errors| load_error(text, file, errors))?;
        let filter = Compiler::default()
            .with_funs(functions)
            .with_global_vars(VARIABLES)
            .compile(modules)
            .map_err(|errors| compile_error(text, file, errors))?;
        Ok(Self { filter })
    }

    /// Runs the map on one row and hands on each result.
    ///
    /// # Errors
    /// What the map called an error, or what `take` returned.
    pub fn run(
        &self,
        row: &Value,
        number: u64,
        at: &str,
        bindings: &Bindings,
        take: &mut dyn FnMut(Value) -> Result<(), String>,
    ) -> Result<(), String> {
        let number = isize::try_from(number).map_err(|_| "too many rows".to_owned())?;
        let variables = Vars::new([
            bindings.settings.clone(),
            bindings.shape.clone(),
            Val::from(number),
            bindings.file.clone(),
            bindings.head.clone(),
            Val::utf8_str(at.to_owned()),
            bindings.joined.0.clone(),
            bindings.taken_at.clone(),
        ]);
        let context = Ctx::<Data>::new(&self.filter.lut, variables);
        for result in self.filter.id.run((context, convert::to_val(row))) {
            let value = result.map_err(|exception| match exception.get_err() {
                Ok(error) => convert::error_text(error),
                Err(_) => "the map stopped itself".to_owned(),
            })?;
            take(convert::from_val(&value)?)?;
        }
        Ok(())
    }
}

/// Line and column of a piece of the text.
fn position(text: &str, part: &str) -> (usize, usize) {
    let start = jaq_core::load::span(text, part).start.min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn load_error(text: &str, file: &str, errors: jaq_core::load::Errors<&str, ()>) -> String {
    use jaq_core::load::Error;
    for (_, error) in errors {
        let (part, message) = match error {
            Error::Io(found) => match found.into_iter().next() {
                Some((part, message)) => (part, message),
                None => continue,
            },
            Error::Lex(found) => match found.into_iter().next() {
                Some((expected, part)) => (part, format!("expected {}", expected.as_str())),
                None => continue,
            },
            Error::Parse(found) => match found.into_iter().next() {
                Some((expected, part)) => (part, format!("expected {}", expected.as_str())),
                None => continue,
            },
        };
        let (line, column) = position(text, part);
        return format!("{file}:{line}:{column}: {message}");
    }
    format!("{file}: cannot be read as jq")
}

fn compile_error(text: &str, file: &str, errors: jaq_core::compile::Errors<&str, ()>) -> String {
    for (_, found) in errors {
        if let Some((name, kind)) = found.into_iter().next() {
            let (line, column) = position(text, name);
            let hint = if REFUSED.contains(&name) { ": a map may not reach outside" } else { "" };
            let arity = match kind {
                jaq_core::compile::Undefined::Filter(arity) if arity > 0 => format!("/{arity}"),
                _ => String::new(),
            };
            return format!("{file}:{line}:{column}: there is no {} `{name}{arity}`{hint}", kind.as_str());
        }
    }
    format!("{file}: cannot be compiled")
}
