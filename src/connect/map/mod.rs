//! `map.jq`: compiled once per pull, run once per row.
//!
//! jq is run by the `jaq` crates. A map sees its row and the variables of [`VARIABLES`], and nothing else: what could
//! reach outside or read a clock (`env`, `input`, `halt`, `now`, `localtime`, `debug`, `stderr`, modules) is not
//! there. JSON never goes through jaq's own reader, which has no limit on depth. What a map has that needs no row is worked
//! out once (`rewrite`), what jq does the long way is done the short way (`swift`), and the usual rows of a connector whose
//! manifest says `native` are mapped without jq ([`columns`]); what comes out is the same each time.

pub mod columns;
mod convert;
mod html;
mod links;
mod natives;
mod rewrite;
mod swift;
pub mod worker;

use jaq_core::data::JustLut;
use jaq_core::load::parse::{BinaryOp, Def, Term};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::native::Fun;
use jaq_core::{Compiler, Ctx, Filter, Vars};
use jaq_json::Val;
use rewrite::Rewritten;
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

/// The name under which the main file calls a map that was taken apart.
const ENTRY: &str = "cf_map";

/// A compiled map.
pub struct Program {
    filter: Filter<Data>,
    /// What the map has from the start, before its variables.
    constants: Vec<Val>,
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
        if let Some(program) = Self::rewritten(text) {
            return Ok(program);
        }
        let arena = Arena::default();
        let modules = Loader::new(definitions())
            .load(&arena, File { code: text, path: () })
            .map_err(|errors| load_error(text, file, errors))?;
        let filter = Compiler::default()
            .with_funs(functions())
            .with_global_vars(VARIABLES)
            .compile(modules)
            .map_err(|errors| compile_error(text, file, errors))?;
        Ok(Self { filter, constants: Vec::new() })
    }

    /// The map with everything worked out that needs no row. Where that cannot be done, the map as it stands says why.
    fn rewritten(text: &str) -> Option<Self> {
        // A map that says this name would call itself.
        let rewritten = Rewritten::of(text).filter(|_| !text.contains(ENTRY))?;
        let names: Vec<&str> = rewritten.names().chain(VARIABLES).collect();
        let comma = |all, one| Term::BinOp(Box::new(all), BinaryOp::Comma, Box::new(one));
        let constants = match rewritten.taken.into_iter().reduce(comma) {
            None => Vec::new(),
            Some(tables) => {
                let filter = Self::body(tables, std::iter::empty(), std::iter::empty(), &[])?;
                let context = Ctx::<Data>::new(&filter.lut, Vars::new([]));
                filter.id.run((context, Val::Null)).collect::<Result<_, _>>().ok()?
            }
        };
        let filter = Self::body(rewritten.term, definitions(), functions(), &names)?;
        Some(Self { filter, constants })
    }

    /// Compiles a term.
    fn body<'s>(
        term: Term<&'s str>,
        definitions: impl Iterator<Item = Def>,
        functions: impl Iterator<Item = Fun<Data>>,
        variables: &[&'s str],
    ) -> Option<Filter<Data>> {
        // The main file must be text: all it does is to call the term.
        let map = Def { name: ENTRY, args: Vec::new(), body: term };
        #[expect(
            clippy::map_identity,
            reason = "a definition that lives for ever is taken for one that lives as long as the term"
        )]
        let definitions = definitions.map(|definition| -> Def<&'s str> { definition });
        let arena = Arena::default();
        let code = File { code: ENTRY, path: () };
        let modules = Loader::new(definitions.chain([map])).load(&arena, code).ok()?;
        let compiler = Compiler::default().with_funs(functions).with_global_vars(variables.iter().copied());
        compiler.compile(modules).ok()
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
        let variables = [
            bindings.settings.clone(),
            bindings.shape.clone(),
            Val::from(number),
            bindings.file.clone(),
            bindings.head.clone(),
            Val::utf8_str(at.to_owned()),
            bindings.joined.0.clone(),
            bindings.taken_at.clone(),
        ];
        let variables = Vars::new(self.constants.iter().cloned().chain(variables));
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

/// jq's own definitions that a map may call.
fn definitions() -> impl Iterator<Item = Def> {
    let all = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    all.filter(|definition| !REFUSED.contains(&definition.name) && !swift::replaces(definition.name))
}

/// The functions that a map may call.
fn functions() -> impl Iterator<Item = Fun<Data>> {
    let all = jaq_core::funs::<Data>().chain(jaq_std::funs()).chain(jaq_json::funs());
    all.filter(|(name, ..)| !REFUSED.contains(name) && *name != "fromjson" && !swift::replaces(name))
        .chain(natives::all())
        .chain(swift::all())
        .chain(rewrite::functions())
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
