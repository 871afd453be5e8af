//! A strict reader of OpenMetrics text, written from the specification: it stops at whatever a collector might not take.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// What was read.
pub struct Exposition {
    samples: BTreeMap<(String, Labels), f64>,
}

/// A name of a metric or a label.
fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `a="b",c="d"} 1`: the labels and what follows the brace.
fn labels(text: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once("=\"").expect(text);
        assert!(is_name(name), "{text}");
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect(text) {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match chars.next().expect(text).1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("escaped {c}: {text}"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "a label twice: {text}");
        match after[end..].strip_prefix(',') {
            Some(next) => rest = next,
            None => return (labels, after[end..].strip_prefix('}').expect(text)),
        }
    }
}

impl Exposition {
    /// Reads all, or stops the test.
    pub fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends in # EOF");
        let mut samples = BTreeMap::new();
        let mut families = BTreeSet::new();
        let (mut family, mut kind, mut documented) = (String::new(), String::new(), String::new());
        for line in body.split_terminator('\n') {
            if let Some(comment) = line.strip_prefix("# ") {
                let [word, name, rest] = comment.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                    panic!("{line}")
                };
                assert!(is_name(name) && name.starts_with("counterfoil_"), "{line}");
                match word {
                    "HELP" => {
                        assert!(rest.len() > 10 && rest.ends_with('.') && !rest.ends_with(".."), "{line}");
                        documented = name.to_owned();
                    }
                    "TYPE" => {
                        assert_eq!(documented, name, "a type without help");
                        assert!(families.insert(name.to_owned()), "a family in two places: {line}");
                        (family, kind) = (name.to_owned(), rest.to_owned());
                    }
                    "UNIT" => assert!(name == family && name.ends_with(&format!("_{rest}")), "{line}"),
                    _ => panic!("{line}"),
                }
                continue;
            }
            let at = line.find(['{', ' ']).expect(line);
            let (name, rest) = line.split_at(at);
            let (labels, value) = rest.strip_prefix('{').map_or((Labels::new(), rest), labels);
            let suffix =
                name.strip_prefix(&family).unwrap_or_else(|| panic!("outside of its family: {line}"));
            let suffixes: &[&str] = match kind.as_str() {
                "gauge" => &[""],
                "counter" => &["_total"],
                "info" => &["_info"],
                "histogram" => &["_sum", "_count", "_bucket"],
                _ => panic!("{kind}"),
            };
            assert!(is_name(name) && suffixes.contains(&suffix), "{line}");
            assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{line}");
            let value: f64 = value.strip_prefix(' ').expect(line).parse().expect(line);
            assert!(value.is_finite() && value >= 0.0, "{line}");
            assert!(samples.insert((name.to_owned(), labels), value).is_none(), "a sample twice: {line}");
        }
        Self { samples }
    }

    /// The value of a sample.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// How many samples have this name.
    pub fn count(&self, name: &str) -> usize {
        self.samples.keys().filter(|(of, _)| of == name).count()
    }

    /// The names of all samples, those of a histogram as one.
    pub fn names(&self) -> Vec<&str> {
        let ends = ["_sum", "_count", "_bucket"];
        let names = self
            .samples
            .keys()
            .map(|(name, _)| ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name));
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }
}
