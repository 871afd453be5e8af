//! Builds a JSON value while checking what JSON itself does not: repeated keys, depth, NUL characters.
//!
//! What is wrong with a value is noted rather than thrown, so that the stream stays in step and the next row can
//! still be read.

use crate::connect::limits::MAX_JSON_DEPTH;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What every builder of a [`Value`] does with what has nothing in it: numbers, true, false and null.
macro_rules! scalars {
    () => {
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON value")
        }

        fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
            Ok(Value::Bool(value))
        }

        fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
            Ok(Value::from(value))
        }

        fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
            Ok(Value::from(value))
        }

        fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
            let number = serde_json::Number::from_f64(value).map(Value::Number);
            number.ok_or_else(|| E::custom("a number that is not finite"))
        }

        fn visit_unit<E>(self) -> Result<Value, E> {
            Ok(Value::Null)
        }
    };
}
pub(in crate::connect) use scalars;

/// Notes the first thing that is wrong with a value.
#[derive(Debug, Default)]
pub struct Notes {
    /// What is wrong, and under which keys.
    pub fault: Option<String>,
}

impl Notes {
    fn note(&mut self, message: impl FnOnce() -> String) {
        if self.fault.is_none() {
            self.fault = Some(message());
        }
    }
}

/// Builds one value.
pub struct Build<'n> {
    /// Where faults go.
    pub notes: &'n mut Notes,
    /// Levels above this value.
    pub depth: usize,
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Build<'_> {
    fn text(&mut self, text: &str) {
        if memchr::memchr(0, text.as_bytes()).is_some() {
            self.notes.note(|| "a text holds the NUL character".to_owned());
        }
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;

    scalars!();

    fn visit_str<E>(mut self, value: &str) -> Result<Value, E> {
        self.text(value);
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(mut self, value: String) -> Result<Value, E> {
        self.text(&value);
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        if self.depth >= MAX_JSON_DEPTH {
            self.notes.note(|| format!("nests deeper than {MAX_JSON_DEPTH} levels"));
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        }
        let mut items = Vec::new();
        while let Some(item) =
            seq.next_element_seed(Build { notes: &mut *self.notes, depth: self.depth + 1 })?
        {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        if self.depth >= MAX_JSON_DEPTH {
            self.notes.note(|| format!("nests deeper than {MAX_JSON_DEPTH} levels"));
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        }
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Build { notes: &mut *self.notes, depth: self.depth + 1 })?;
            if object.contains_key(&key) {
                self.notes.note(|| format!("the key `{key}` appears twice in one object"));
                continue;
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// Keeps only enough of a value to recognise it by: keys, the first element of an array, short texts.
pub struct Sketch {
    /// Levels above this value.
    pub depth: usize,
}

/// Levels a sketch keeps.
const SKETCH_DEPTH: usize = 5;

/// Keys a sketch keeps of one object.
const SKETCH_KEYS: usize = 2_000;

impl<'de> DeserializeSeed<'de> for Sketch {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > SKETCH_DEPTH {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| Value::Null);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Sketch {
    type Value = Value;

    scalars!();

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.chars().take(64).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let first = seq.next_element_seed(Self { depth: self.depth + 1 })?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(first.into_iter().collect()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Self { depth: self.depth + 1 })?;
            if object.len() < SKETCH_KEYS {
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}
