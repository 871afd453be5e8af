//! What jq says in jq, or works out anew each time, and maps use on every row: the same in fewer steps.
//!
//! The `jaq` crates define `type` by five comparisons, and compile a regular expression each time it is used. These functions
//! stand in their place and give the same; regular expressions are those of the same crate, and are kept.

use crate::connect::limits::MAX_CACHED_PATTERNS;
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Cv, DataT, Error, RunPtr, ValR, ValT as _};
use jaq_json::Val;
use jaq_std::ValT as _;
use regex_bites::bytes::{Match, Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Names of what is replaced.
const REPLACED: [&str; 10] = [
    "type",
    "isboolean",
    "isnumber",
    "isstring",
    "isarray",
    "isobject",
    "not",
    "matches",
    "split_matches",
    "split_",
];

/// Is this function of jq replaced by one of [`all`]?
pub fn replaces(name: &str) -> bool {
    REPLACED.contains(&name)
}

/// All of them.
pub fn all<D: for<'a> DataT<V<'a> = Val>>() -> impl Iterator<Item = Fun<D>> {
    let functions: [(&str, usize, RunPtr<D>); 10] = [
        ("type", 0, |cv| bome(Ok(Val::from(kind(&cv.1).to_owned())))),
        ("isboolean", 0, |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::Bool(_)))))),
        ("isnumber", 0, |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::Num(_)))))),
        ("isstring", 0, |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::TStr(_) | Val::BStr(_)))))),
        ("isarray", 0, |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::Arr(_)))))),
        ("isobject", 0, |cv| bome(Ok(Val::Bool(matches!(cv.1, Val::Obj(_)))))),
        ("not", 0, |cv| bome(Ok(Val::Bool(!cv.1.as_bool())))),
        ("matches", 2, |cv| bome(parts(false, true, cv))),
        ("split_matches", 2, |cv| bome(parts(true, true, cv))),
        ("split_", 2, |cv| bome(parts(true, false, cv))),
    ];
    functions.into_iter().map(|(name, args, function)| run::<D>((name, v(args), function)))
}

fn kind(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "boolean",
        Val::Num(_) => "number",
        Val::TStr(_) | Val::BStr(_) => "string",
        Val::Arr(_) => "array",
        Val::Obj(_) => "object",
    }
}

/// How an expression is used, as jq writes it.
#[derive(Clone, Copy)]
struct Flags {
    global: bool,
    skip_empty: bool,
}

/// A compiled expression with its flags.
type Compiled = Rc<(Regex, Flags)>;

thread_local! {
    /// Expressions compiled so far, by their flags and their text: a map uses the same few on every row.
    static COMPILED: RefCell<HashMap<(String, String), Compiled>> = RefCell::new(HashMap::new());
}

fn compiled(text: &str, flags: &str) -> Result<Compiled, Error<Val>> {
    COMPILED.with_borrow_mut(|known| {
        let key = (flags.to_owned(), text.to_owned());
        if let Some(found) = known.get(&key) {
            return Ok(Rc::clone(found));
        }
        let has = |flag: char| flags.contains(flag);
        let mut builder = RegexBuilder::new(text);
        builder
            .case_insensitive(has('i'))
            .multi_line(has('m') || has('p'))
            .dot_matches_new_line(has('s') || has('p'))
            .swap_greed(has('l'))
            .ignore_whitespace(has('x'));
        let regex = builder.build().map_err(|error| Error::str(format_args!("invalid regex: {error}")))?;
        let made = Rc::new((regex, Flags { global: has('g'), skip_empty: has('n') }));
        if known.len() >= MAX_CACHED_PATTERNS {
            known.clear();
        }
        known.insert(key, Rc::clone(&made));
        Ok(made)
    })
}

/// The text of a value, or that it is none, as jq says it.
fn as_text(value: &Val) -> Result<&str, Error<Val>> {
    value.try_as_utf8_bytes().and_then(|bytes| std::str::from_utf8(bytes).map_err(Error::str))
}

/// Characters of a text; bytes that are none count as jq shows them.
fn count(text: &[u8]) -> usize {
    std::str::from_utf8(text)
        .map_or_else(|_| String::from_utf8_lossy(text).chars().count(), |text| text.chars().count())
}

/// Finds how many characters are before a byte, best for one byte after the other.
struct Places<'t> {
    text: &'t [u8],
    byte: usize,
    chars: usize,
}

impl Places<'_> {
    fn chars(&mut self, byte: usize) -> usize {
        if byte < self.byte {
            (self.byte, self.chars) = (0, 0);
        }
        self.chars += count(self.text.get(self.byte..byte).unwrap_or_default());
        self.byte = byte;
        self.chars
    }
}

/// The parts of a text that an expression does not match (`between`) and those that it does (`matches`), in their order.
fn parts<D: for<'a> DataT<V<'a> = Val>>(between: bool, matches: bool, mut cv: Cv<'_, D>) -> ValR<Val> {
    let flags = cv.0.pop_var();
    let expression = cv.0.pop_var();
    let flags = as_text(&flags)?;
    // An unknown flag is said before an expression that is none.
    if let Some(unknown) = flags.chars().find(|flag| !"gnimslxp".contains(*flag)) {
        return Err(Error::str(format_args!("invalid regex flag: {unknown}")));
    }
    let compiled = compiled(as_text(&expression)?, flags)?;
    let (regex, flags) = &*compiled;
    let text = cv.1.try_as_utf8_bytes()?;
    let mut places = Places { text, byte: 0, chars: 0 };
    let mut found = Vec::new();
    let mut last = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        if flags.skip_empty && whole.is_empty() {
            continue;
        }
        if between {
            found.push(cv.1.as_sub_str(text.get(last..whole.start()).unwrap_or_default()));
            last = whole.end();
        }
        if matches {
            let groups = captures.iter().zip(regex.capture_names());
            let group = |(group, name): (Option<Match<'_>>, Option<&str>)| {
                let group = group?;
                let fields = [
                    ("offset", Val::from(places.chars(group.start()))),
                    ("length", Val::from(count(group.as_bytes()))),
                    ("string", cv.1.as_sub_str(group.as_bytes())),
                ];
                let name = name.map(|name| ("name", Val::from(name.to_owned())));
                let fields = fields.into_iter().chain(name);
                Some(Val::obj(fields.map(|(key, value)| (Val::from(key.to_owned()), value)).collect()))
            };
            found.push(groups.filter_map(group).collect());
        }
        if !flags.global {
            break;
        }
    }
    if between {
        found.push(cv.1.as_sub_str(text.get(last..).unwrap_or_default()));
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::all;
    use jaq_core::data::JustLut;
    use jaq_core::load::{Arena, File, Loader};
    use jaq_core::{Compiler, Ctx, Vars};
    use jaq_json::Val;
    use proptest::prelude::*;

    /// What an expression gives of a value, with jq's own functions or those that stand in their place.
    fn run(code: &str, input: &Val, own: bool) -> Vec<String> {
        type Data = JustLut<Val>;
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs::<Data>().chain(jaq_std::funs()).chain(jaq_json::funs());
        let own = |name: &str| own || !super::replaces(name);
        let arena = Arena::default();
        let modules = Loader::new(definitions.filter(|definition| own(definition.name)))
            .load(&arena, File { code, path: () })
            .unwrap();
        let functions = functions.filter(|(name, ..)| own(name)).chain(all());
        let filter = Compiler::default().with_funs(functions).compile(modules).unwrap();
        let context = Ctx::<Data>::new(&filter.lut, Vars::new([]));
        let results = filter.id.run((context, input.clone()));
        results
            .map(|result| result.map_or_else(|e| format!("error: {:?}", e.get_err().ok()), |v| v.to_string()))
            .collect()
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[ab \u{e9}\u{10ffff}x-z.\t\n]{0,12}", any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn expressions_find_what_those_of_jq_find(
            text in text(),
            expression in prop_oneof![
                8 => prop::sample::select(vec![
                    "a", "^\\s+", "\\s+$", "[^a-z0-9]", "(?<one>a)(?<two>b)?", "", "x*", "(.)(.)", "\\w+", "\u{e9}", "^", "$", ".", "A|B", "(", "[",
                ]).prop_map(str::to_owned),
                1 => any::<String>(),
            ],
            flags in prop::sample::select(vec!["", "g", "gn", "i", "gi", "gx", "p", "s", "m", "l", "q", "gz"]),
        ) {
            let quoted = (serde_json::to_string(&expression).unwrap(), serde_json::to_string(flags).unwrap());
            let input = Val::from(text);
            for call in ["matches", "split_matches", "split_", "test", "scan", "capture", "splits", "match"] {
                let code = format!("{call}({}; {})", quoted.0, quoted.1);
                prop_assert_eq!(run(&code, &input, false), run(&code, &input, true), "{} {}", code, input);
            }
            let code = format!("[gsub({}; \"<\\(.)>\"), sub({}; \"-\"; {})]", quoted.0, quoted.0, quoted.1);
            prop_assert_eq!(run(&code, &input, false), run(&code, &input, true), "{} {}", code, input);
        }
    }

    #[test]
    fn kinds_are_those_of_jq() {
        let code = "[null, true, false, 0, -1.5, nan, infinite, 100000000000000000000, \"\", \"a\", [], [1], {}, {a: 1}, (\"a\" | tobytes)]
            | map(type, isboolean, isnumber, isstring, isarray, isobject, not, (try test(\"a\") catch .), (try test(1) catch .))";
        assert_eq!(run(code, &Val::Null, false), run(code, &Val::Null, true));
    }
}
