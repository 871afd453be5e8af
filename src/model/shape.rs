//! The shape of a record type: its fields, which are required, and what each may hold. Made from the same
//! declaration as the type itself; used to say exactly what is wrong with a line that the fast reader refused.

use super::strict::Json;
use super::time::{Duration, Instant};

/// What a field may hold.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Any text.
    Text,
    /// A time, RFC 3339 with an offset.
    Instant,
    /// A duration, ISO 8601 without years and months.
    Duration,
    /// `true` or `false`.
    Bool,
    /// A whole number from 0 to this.
    Count(u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text that a parse function accepts; the words say what is expected.
    Parsed(fn(&str) -> bool, &'static str),
    /// A list, each item of this shape.
    List(&'static Shape),
    /// An object with these fields; others are ignored.
    Object(&'static [Field]),
}

/// A named field of an object.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// Whether it must be there and not `null`.
    pub required: bool,
    /// What it may hold.
    pub shape: Shape,
}

/// A type with a [`Shape`].
pub trait Shaped {
    /// The shape.
    const SHAPE: Shape;
}

impl<T: Shaped> Shaped for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

impl Shaped for super::Text<'_> {
    const SHAPE: Shape = Shape::Text;
}
impl Shaped for Instant {
    const SHAPE: Shape = Shape::Instant;
}
impl Shaped for Duration {
    const SHAPE: Shape = Shape::Duration;
}
impl Shaped for bool {
    const SHAPE: Shape = Shape::Bool;
}
impl Shaped for u64 {
    const SHAPE: Shape = Shape::Count(u64::MAX);
}
impl Shaped for u32 {
    const SHAPE: Shape = Shape::Count(u32::MAX as u64);
}

/// What is wrong with a value: where, what was found, what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The field, as a path (`access[0].system`).
    pub field: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl Shape {
    /// In words, for a message.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Text => "a text".into(),
            Self::Instant => "a time as RFC 3339 with an offset, such as 2026-06-01T09:30:00Z".into(),
            Self::Duration => "a duration such as P90D, P2W or PT8H".into(),
            Self::Bool => "true or false".into(),
            Self::Count(max) => format!("a whole number from 0 to {max}"),
            Self::OneOf(words) => format!("one of `{}`", words.join("`, `")),
            Self::Parsed(_, words) => (*words).to_owned(),
            Self::List(of) => format!("a list, each item {}", of.describe()),
            Self::Object(_) => "an object".into(),
        }
    }

    /// The first thing wrong with a value, in the order of the shape's fields; `None` when it fits.
    #[must_use]
    pub fn check(&self, value: &Json, field: &str) -> Option<Mismatch> {
        let wrong =
            |expected: String| Some(Mismatch { field: field.to_owned(), found: value.describe(), expected });
        match (self, value) {
            (Self::Text, Json::Text(_)) | (Self::Bool, Json::Bool(_)) => None,
            (Self::Instant, Json::Text(s)) => Instant::parse(s).err().and_then(|e| wrong(e.to_string())),
            (Self::Duration, Json::Text(s)) => Duration::parse(s).err().and_then(|e| wrong(e.to_string())),
            (Self::Count(max), Json::Number(n)) if n.as_u64().is_some_and(|n| n <= *max) => None,
            (Self::OneOf(words), Json::Text(s)) if words.contains(&s.as_str()) => None,
            (Self::Parsed(accepts, _), Json::Text(s)) if accepts(s) => None,
            (Self::List(of), Json::List(items)) => {
                items.iter().enumerate().find_map(|(i, item)| of.check(item, &format!("{field}[{i}]")))
            }
            (Self::Object(fields), Json::Object(_)) => {
                let path =
                    |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
                fields.iter().find_map(|f| match value.get(f.name) {
                    None | Some(Json::Null) if f.required => Some(Mismatch {
                        field: path(f.name),
                        found: if value.get(f.name).is_some() { "null".into() } else { "nothing".into() },
                        expected: format!("{} (the field is required)", f.shape.describe()),
                    }),
                    None | Some(Json::Null) => None,
                    Some(v) => f.shape.check(v, &path(f.name)),
                })
            }
            _ => wrong(self.describe()),
        }
    }

    /// The value with only the fields this shape names, at every depth.
    #[must_use]
    pub fn known(&self, value: Json) -> Json {
        match (self, value) {
            (Self::List(of), Json::List(items)) => {
                Json::List(items.into_iter().map(|i| of.known(i)).collect())
            }
            (Self::Object(fields), Json::Object(given)) => Json::Object(
                given
                    .into_iter()
                    .filter_map(|(k, v)| fields.iter().find(|f| f.name == k).map(|f| (k, f.shape.known(v))))
                    .collect(),
            ),
            (_, value) => value,
        }
    }
}
