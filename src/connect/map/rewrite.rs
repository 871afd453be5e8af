//! What of a map is worked out once, before there are rows.
//!
//! jq works out everything anew each time it comes to it: a table of two hundred words that stands in a map is built word by
//! word for each row, and an object of five fields is five objects that are added up. So lists and objects that are written
//! out in a map become values that it has from the start, and other objects are made in one piece. Nothing else changes: what
//! a map makes, in which order, and what it calls an error are the same, to which a test holds both.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::native::{Fun, run};
use jaq_core::path::Part;
use jaq_core::{Bind, Ctx, Cv, DataT, Exn, RunPtr, ValX, ValXs};
use jaq_json::{Map as ValMap, Val};

/// Names of the values that a map has from the start. No map can say them.
const NAMES: [&str; 48] = [
    "$!0", "$!1", "$!2", "$!3", "$!4", "$!5", "$!6", "$!7", "$!8", "$!9", "$!10", "$!11", "$!12", "$!13",
    "$!14", "$!15", "$!16", "$!17", "$!18", "$!19", "$!20", "$!21", "$!22", "$!23", "$!24", "$!25", "$!26",
    "$!27", "$!28", "$!29", "$!30", "$!31", "$!32", "$!33", "$!34", "$!35", "$!36", "$!37", "$!38", "$!39",
    "$!40", "$!41", "$!42", "$!43", "$!44", "$!45", "$!46", "$!47",
];

/// Name of the function that makes an object. No map can say it either.
const OBJECT: &str = "!object";

/// Fields of an object that is made in one piece, at most.
const MAX_FIELDS: usize = 16;

/// A map with what was taken out of it.
pub struct Rewritten<'s> {
    /// What is left of it.
    pub term: Term<&'s str>,
    /// What was taken out, to be worked out once.
    pub taken: Vec<Term<&'s str>>,
}

impl<'s> Rewritten<'s> {
    /// Takes a map apart. `None` where it is not read as one term.
    pub fn of(text: &'s str) -> Option<Self> {
        let mut rewritten = Self { term: jaq_core::load::parse(text, |p| p.term())?, taken: Vec::new() };
        let mut term = std::mem::take(&mut rewritten.term);
        rewritten.rewrite(&mut term);
        rewritten.term = term;
        Some(rewritten)
    }

    /// The names of what was taken out.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().take(self.taken.len())
    }

    fn rewrite(&mut self, term: &mut Term<&'s str>) {
        if is_table(term) {
            self.take(term);
            return;
        }
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => {}
            Term::Str(_, parts) => {
                for part in parts {
                    if let StrPart::Term(term) = part {
                        self.rewrite(term);
                    }
                }
            }
            Term::Arr(Some(term)) | Term::Neg(term) | Term::Label(_, term) => self.rewrite(term),
            Term::Obj(fields) => {
                for value in fields.iter_mut().filter_map(|(_, value)| value.as_mut()) {
                    self.rewrite(value);
                }
                self.object(term);
            }
            Term::BinOp(left, _, right) => {
                self.rewrite(left);
                self.rewrite(right);
            }
            Term::Fold(_, term, _, args) => {
                self.rewrite(term);
                args.iter_mut().for_each(|term| self.rewrite(term));
            }
            Term::TryCatch(term, catch) => {
                self.rewrite(term);
                catch.iter_mut().for_each(|term| self.rewrite(term));
            }
            Term::IfThenElse(branches, otherwise) => {
                for (condition, term) in branches {
                    self.rewrite(condition);
                    self.rewrite(term);
                }
                otherwise.iter_mut().for_each(|term| self.rewrite(term));
            }
            Term::Def(definitions, term) => {
                definitions.iter_mut().for_each(|definition| self.rewrite(&mut definition.body));
                self.rewrite(term);
            }
            Term::Call(_, args) => args.iter_mut().for_each(|term| self.rewrite(term)),
            Term::Path(term, path) => {
                self.rewrite(term);
                for (part, _) in &mut path.0 {
                    match part {
                        Part::Index(term) => self.rewrite(term),
                        Part::Range(from, to) => {
                            from.iter_mut().chain(to).for_each(|term| self.rewrite(term))
                        }
                    }
                }
            }
        }
    }

    /// Puts a name in the place of a term, as long as there are names.
    fn take(&mut self, term: &mut Term<&'s str>) -> bool {
        let Some(name) = NAMES.get(self.taken.len()) else { return false };
        self.taken.push(std::mem::replace(term, Term::Var(name)));
        true
    }

    /// Makes an object whose keys are written out in one piece.
    fn object(&mut self, term: &mut Term<&'s str>) {
        let Term::Obj(fields) = term else { return };
        let written = |(key, value): &(Term<&'s str>, Option<Term<&'s str>>)| match key {
            Term::Var(_) => value.is_none(),
            key => value.is_some() && is_text(key),
        };
        if !(2..=MAX_FIELDS).contains(&fields.len()) || !fields.iter().all(written) {
            return;
        }
        let key = |key: &Term<&'s str>| match key {
            Term::Var(name) => Term::Str(None, vec![StrPart::Str(name.get(1..).unwrap_or_default())]),
            key => key.clone(),
        };
        let commas = |keys: Term<&'s str>, key| Term::BinOp(Box::new(keys), BinaryOp::Comma, Box::new(key));
        let keys = fields.iter().map(|(name, _)| key(name)).reduce(commas);
        let mut keys = Term::Arr(keys.map(Box::new));
        if !self.take(&mut keys) {
            return;
        }
        let values = std::mem::take(fields).into_iter().map(|(key, value)| value.unwrap_or(key));
        *term = Term::Call(OBJECT, std::iter::once(keys).chain(values).collect());
    }
}

/// Is this a text without anything to be put in?
fn is_text(term: &Term<&str>) -> bool {
    matches!(term, Term::Str(None, parts) if parts.iter().all(|part| !matches!(part, StrPart::Term(_))))
}

/// Is this a list or an object that is written out whole?
fn is_table(term: &Term<&str>) -> bool {
    match term {
        Term::Arr(Some(items)) => items_written(items),
        Term::Obj(fields) => {
            !fields.is_empty()
                && fields.iter().all(|(key, value)| is_text(key) && value.as_ref().is_some_and(is_written))
        }
        _ => false,
    }
}

fn items_written(term: &Term<&str>) -> bool {
    match term {
        Term::BinOp(left, BinaryOp::Comma, right) => items_written(left) && items_written(right),
        other => is_written(other),
    }
}

fn is_written(term: &Term<&str>) -> bool {
    matches!(term, Term::Num(_) | Term::Arr(None)) || is_text(term) || is_table(term)
}

/// The function that makes objects, for each number of fields.
pub fn functions<D: for<'a> DataT<V<'a> = Val>>() -> impl Iterator<Item = Fun<D>> {
    let all: [RunPtr<D>; MAX_FIELDS - 1] = [
        object::<2, D>,
        object::<3, D>,
        object::<4, D>,
        object::<5, D>,
        object::<6, D>,
        object::<7, D>,
        object::<8, D>,
        object::<9, D>,
        object::<10, D>,
        object::<11, D>,
        object::<12, D>,
        object::<13, D>,
        object::<14, D>,
        object::<15, D>,
        object::<16, D>,
    ];
    all.into_iter().zip(2..).map(|(function, fields)| {
        let args = std::iter::once(Bind::Var(())).chain(std::iter::repeat_n(Bind::Fun(()), fields));
        run::<D>((OBJECT, args.collect(), function))
    })
}

/// A value of an object that is to be worked out.
type Value<'a, D> = (jaq_core::compile::TermId, Ctx<'a, D>);

fn object<'a, const N: usize, D: for<'v> DataT<V<'v> = Val>>(mut cv: Cv<'a, D>) -> ValXs<'a, Val> {
    let mut values: Vec<Value<'a, D>> = (0..N).map(|_| cv.0.pop_fun()).collect();
    values.reverse();
    let Val::Arr(keys) = cv.0.pop_var() else { return Box::new(std::iter::empty()) };
    // Nearly always each value is one value.
    let mut map = Ok(ValMap::with_capacity_and_hasher(N, Default::default()));
    for (at, (id, ctx)) in values.iter().enumerate() {
        let mut results = id.run::<D>((ctx.clone(), cv.1.clone()));
        let one = (results.size_hint().1 == Some(1)).then(|| results.next()).flatten();
        match one {
            Some(value) => add(&mut map, keys.get(at), value),
            None => {
                drop(results);
                return several(map, keys.to_vec(), at, values.split_off(at), cv.1);
            }
        }
    }
    Box::new(std::iter::once(map.map(Val::obj)))
}

/// The first error counts, as where objects are added up from the left.
fn add<'a>(map: &mut Result<ValMap, Exn<'a, Val>>, key: Option<&Val>, value: ValX<'a, Val>) {
    match (&mut *map, value) {
        (Ok(known), Ok(value)) => drop(known.insert(key.cloned().unwrap_or_default(), value)),
        (Ok(_), Err(error)) => *map = Err(error),
        (Err(_), _) => {}
    }
}

/// An object for each choice of the values that are left, the last changing first.
fn several<'a, D: for<'v> DataT<V<'v> = Val>>(
    map: Result<ValMap, Exn<'a, Val>>,
    keys: Vec<Val>,
    at: usize,
    values: Vec<Value<'a, D>>,
    input: Val,
) -> ValXs<'a, Val> {
    let Some(((id, ctx), rest)) = values.split_first() else {
        return Box::new(std::iter::once(map.map(Val::obj)));
    };
    let rest = rest.to_vec();
    let results = id.run::<D>((ctx.clone(), input.clone()));
    Box::new(results.flat_map(move |value| {
        let mut map = map.clone();
        add(&mut map, keys.get(at), value);
        several(map, keys.clone(), at + 1, rest.clone(), input.clone())
    }))
}

#[cfg(test)]
mod tests {
    use crate::connect::map::{Bindings, Joined, Program, VARIABLES, definitions, functions};
    use jaq_core::Compiler;
    use jaq_core::load::{Arena, File, Loader};
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    /// The map as it stands.
    fn plain(text: &str) -> Option<Program> {
        let arena = Arena::default();
        let modules = Loader::new(definitions()).load(&arena, File { code: text, path: () }).ok()?;
        let compiler = Compiler::default().with_funs(functions()).with_global_vars(VARIABLES);
        Some(Program { filter: compiler.compile(modules).ok()?, constants: Vec::new() })
    }

    /// What a map makes, up to its error.
    fn made(map: &Program, row: &Json) -> (Vec<String>, Option<String>) {
        let settings = json!({"a": [1, 2], "b": "x"});
        let bindings =
            Bindings::new(&settings, "s", "f", &json!({}), &Joined::default(), "2026-06-01T00:00:00Z");
        let mut all = Vec::new();
        let mut take = |value: Json| {
            all.push(value.to_string());
            if all.len() > 200 { Err("enough".to_owned()) } else { Ok(()) }
        };
        let failed = map.run(row, 1, "", &bindings, &mut take).err();
        (all, failed)
    }

    fn same(text: &str) {
        let (plain, rewritten) = (plain(text), Program::rewritten(text));
        // Only a map that can be compiled can be taken apart; whoever says the name it is called by is left alone.
        assert!(rewritten.is_none() || plain.is_some(), "{text}");
        let (Some(plain), Some(rewritten)) = (plain, rewritten) else { return };
        for row in [json!(null), json!({"a": 1, "b": ["x", "y"]}), json!([3, "a"]), json!("a")] {
            assert_eq!(made(&plain, &row), made(&rewritten, &row), "{text} {row}");
        }
    }

    #[test]
    fn what_a_map_makes_stays_as_it_is() {
        for text in [
            "{a: 1, b: 2}",
            "{a: (1, 2), b: (3, 4), c: 5}",
            "{a: (1, error(\"x\")), b: (3, 4)}",
            "{a: error(\"x\"), b: empty}",
            "{a: error(\"x\"), b: error(\"y\")}",
            "first({a: ., b: repeat(1)})",
            "{a: 1, a: ., b: 2, a: 3}",
            "{$row, x: ., \"y z\": [.]}",
            "{a, b: .} ",
            "{(\"a\", \"b\"): ., c: 1}",
            "{\"a\\(1)\": ., c: 1}",
            "{a: ., b: ([1, 2, [3, {c: \"\\n\\u00e9\"}]] | .[2][1].c)}",
            "def t: [\"a\", \"b\"]; def t2: {x: t, y: {z: [1.5, 100000000000000000000]}}; [t, t2, (t | .[0] = 5), t]",
            "def true: 5; [true, false, null], {a: true, b: .}",
            "path({a: ., b: .})",
            "[paths], (try path([1, 2]) catch .)",
            "try ([1, 2] |= .) catch ., try ({a: 1, b: 2} |= .) catch ., try ({a: ., b: 2} |= .) catch .",
            "def f($n): if $n == 0 then {a: ., b: $n} else f($n - 1) end; f(50)",
            "def f: {a: ., b: (if . == null then 1 else null | f end)}; f",
            "label $out | {a: (1, break $out, 2), b: .}",
            "reduce [1, 2, 3][] as $x ({s: 0, n: .}; .s += $x)",
            "[.[]? as {a: $x} ?// $x | {x: $x, y: 1}]",
            "{a: 1, b: 2} as {a: $x, b: $y} | {$x, $y}",
            "$settings.a[] as $x | {x: $x, y: $settings.b, z: [\"a\", \"b\"][$x - 1]}",
            "[limit(3; {a: (1, 2), b: (1, 2)})], isempty({a: empty, b: 1})",
            "{a: (1, null | select(. == 1)), b: select(. != null)}",
            "nothing_of_this_name",
            "cf_map",
            "{a: $nothing, b: 1}",
            "{",
        ] {
            same(text);
        }
    }

    #[test]
    fn every_map_that_is_shipped_is_taken_apart() {
        for connector in crate::connect::Catalog::load(None).unwrap().iter() {
            if let Some(map) = &connector.map {
                assert!(Program::rewritten(map).is_some(), "{}", connector.name());
            }
        }
    }

    #[test]
    fn more_tables_than_there_are_names_do_no_harm() {
        let tables: Vec<String> = (0..100).map(|n| format!("[{n}, \"{n}\"], {{a: ., b: {n}}}")).collect();
        same(&tables.join(", "));
        let fields: Vec<String> = (0..20).map(|n| format!("f{n}: .")).collect();
        same(&format!("{{{}}}", fields.join(", ")));
    }

    fn term() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            ".",
            "1",
            "2.50",
            "\"a\"",
            "null",
            "true",
            "[]",
            "{}",
            "empty",
            "error(\"e\")",
            "$row",
            "$settings.a[]",
            ".[]?",
            ".a?",
        ]);
        leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|all| format!("[{}]", all.join(", "))),
                prop::collection::vec(("[a-c]", inner.clone()), 1..4).prop_map(|all| {
                    let all: Vec<String> =
                        all.into_iter().map(|(key, value)| format!("{key}: ({value})")).collect();
                    format!("{{{}}}", all.join(", "))
                }),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) | ({b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}), ({b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) // ({b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) as $x | [$x, ({b})]")),
                (inner.clone(), inner.clone())
                    .prop_map(|(a, b)| format!("(try ({a}) catch {{e: ., b: ({b})}})")),
                inner.clone().prop_map(|a| format!("first({a})")),
                inner.clone().prop_map(|a| format!("(({a}) | tojson)")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn what_any_map_makes_stays_as_it_is(text in term()) {
            same(&text);
        }
    }
}
