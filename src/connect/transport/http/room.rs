//! How much memory what a product says may take: its answers unpack to many times their bytes, and of pages there may be
//! no end.

use std::cell::Cell;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::connect::decode::value::scalars;
use crate::connect::limits::MAX_ANSWER_MEMORY;

/// All there is; in tests so little that it is soon used up.
const MOST: u64 = if cfg!(test) { 16 << 20 } else { MAX_ANSWER_MEMORY };
/// What a value takes beside its text.
const VALUE: u64 = size_of::<Value>() as u64;
/// What the first entry of an object takes: a node of the tree has room for eleven.
const OBJECT: u64 = 11 * ENTRY;
/// What an entry of an object takes.
const ENTRY: u64 = (size_of::<String>() + size_of::<Value>()) as u64;

/// Room for what is held at the same time.
#[derive(Debug)]
pub(super) struct Room(Cell<u64>);

impl Room {
    /// As much as there may be.
    pub fn new() -> Self {
        Self(Cell::new(MOST))
    }

    /// Takes some of it.
    ///
    /// # Errors
    /// When there is not so much left.
    pub fn take(&self, bytes: u64) -> Result<(), String> {
        match self.0.get().checked_sub(bytes) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(format!("it would take more than {} MiB of memory", MOST >> 20)),
        }
    }

    /// Takes what a value needs, text and all.
    ///
    /// # Errors
    /// When there is not so much left.
    pub fn hold(&self, value: &Value) -> Result<(), String> {
        self.take(VALUE)?;
        match value {
            Value::String(text) => self.take(text.len() as u64),
            Value::Array(items) => items.iter().try_for_each(|item| self.hold(item)),
            Value::Object(object) => object.iter().enumerate().try_for_each(|(number, (key, value))| {
                self.entry(number, key)?;
                self.hold(value)
            }),
            _ => Ok(()),
        }
    }

    /// Takes what an element of XML needs: its text is no longer than the answer, and it becomes an object where it has others
    /// in it.
    ///
    /// # Errors
    /// When there is not so much left.
    pub fn element(&self, name: &str) -> Result<(), String> {
        self.take(VALUE + ENTRY + name.len() as u64)
    }

    /// An object has one more entry.
    fn entry(&self, number: usize, key: &str) -> Result<(), String> {
        self.take(key.len() as u64 + if number == 0 { OBJECT } else { ENTRY })
    }
}

/// Reads JSON into a room. A second value for a key is refused: which of them is meant nobody knows, and rows would be
/// lost with the other.
///
/// # Errors
/// What is wrong with it.
pub(super) fn json(text: &[u8], room: &Room) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Build(room).deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Builds one value.
struct Build<'r>(&'r Room);

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.take(VALUE).map_err(D::Error::custom)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;

    scalars!();

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.take(value.len() as u64).map_err(E::custom)?;
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Build(self.0))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.0.entry(object.len(), &key).map_err(A::Error::custom)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` appears twice in one object")));
            }
            let value = map.next_value_seed(Build(self.0))?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_it_is_and_counted() {
        let room = Room::new();
        let text = r#"{"a":[1,-2,3.5,1e3,true,null,"ä\u00e4"],"b":{"c":{}},"n":18446744073709551615}"#;
        let value = json(text.as_bytes(), &room).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        let (read, held) = (room.0.get(), Room::new());
        held.hold(&value).unwrap();
        assert_eq!(held.0.get(), read, "what is read and what is held is counted the same");
        for (text, part) in [
            (r#"{"a":1,"a":1}"#, "the key `a` appears twice in one object"),
            (r#"[{"x":{"b":1,"c":2,"b":3}}]"#, "the key `b` appears twice in one object"),
            ("{} {}", "trailing characters"),
            ("[1", "EOF"),
            (&"[".repeat(200), "recursion limit"),
        ] {
            let error = json(text.as_bytes(), &Room::new()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_unpacks_to_too_much_is_not_read() {
        let many = |part: &str, times: usize| format!("[{}0]", part.repeat(times));
        for (text, reads) in [
            (many("{\"\":0},", 20_000), true),
            (many("{\"\":0},", 30_000), false),
            (many("0,", 500_000), true),
            (many("0,", 530_000), false),
        ] {
            let room = Room::new();
            let read = json(text.as_bytes(), &room).map(drop).map_err(|e| e.to_string());
            assert_eq!(read.is_ok(), reads, "{read:?}");
            assert!(reads || read.unwrap_err().contains("more than 16 MiB of memory"));
        }
    }
}
