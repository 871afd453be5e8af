//! Links between rows of which only the latest counts.
//!
//! A log says of an account that it was used, a million times, and all that is wanted is when last. A map that makes
//! `{"type":"join","table":T,"key":K,"value":TEXT,"keep":"latest"}` has, of all values of that key, only the one that sorts
//! last in `$joined.T[K]`: memory is taken for each key, not for each row. Times in UTC of one length sort as they passed.

use super::limits::MAX_LINK_BYTES;
use super::map::{Links, is_link};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a key is taken to cost in memory beside its texts, in bytes.
const KEY_BYTES: u64 = 128;

/// The latest value of each key.
#[derive(Debug)]
pub(super) struct Latest {
    tables: BTreeMap<String, BTreeMap<String, String>>,
    bytes: u64,
    limit: u64,
}

impl Default for Latest {
    fn default() -> Self {
        Self { tables: BTreeMap::new(), bytes: 0, limit: MAX_LINK_BYTES }
    }
}

impl Latest {
    /// Takes one result of the first run. `false`: it is none of these links.
    ///
    /// # Errors
    /// The link misses a part of it, or there is no more room.
    pub fn take(&mut self, result: &Map<String, Value>) -> Result<bool, String> {
        let text = |name: &str| result.get(name).and_then(Value::as_str);
        match text("keep") {
            None if result.get("keep").is_none_or(Value::is_null) => return Ok(false),
            Some("latest") if is_link(result) => {}
            _ if !is_link(result) => return Ok(false),
            _ => return Err("the map made a link whose `keep` is not `latest`".to_owned()),
        }
        let (Some(table), Some(key), Some(value)) = (text("table"), text("key"), text("value")) else {
            return Err(
                "the map made a link to keep the latest of, and `table`, `key` or `value` is no text"
                    .to_owned(),
            );
        };
        let keys = match self.tables.get_mut(table) {
            Some(keys) => keys,
            None => self.tables.entry(table.to_owned()).or_default(),
        };
        match keys.get_mut(key) {
            Some(held) if value > held.as_str() => {
                self.bytes += value.len().saturating_sub(held.len()) as u64;
                value.clone_into(held);
            }
            Some(_) => {}
            None => {
                self.bytes += (key.len() + value.len()) as u64 + KEY_BYTES;
                keys.insert(key.to_owned(), value.to_owned());
            }
        }
        if self.is_full() {
            return Err(format!(
                "the keys of `{table}` and other tables take more than {} MiB: pull the export in parts, each with the rows it needs",
                self.limit >> 20
            ));
        }
        Ok(true)
    }

    /// Was a link refused for want of room?
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes > self.limit
    }

    /// Adds what was kept to the other links.
    ///
    /// # Errors
    /// A table is not listed in the manifest, or there is no more room.
    pub fn add_to(self, links: &mut Links) -> Result<(), String> {
        for (table, keys) in self.tables {
            for (key, value) in keys {
                let link = json!({"type": "join", "table": table, "key": key, "value": value});
                link.as_object().map_or(Ok(()), |link| links.take(link))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(latest: &mut Latest, link: &Value) -> Result<bool, String> {
        latest.take(link.as_object().unwrap())
    }

    #[test]
    fn a_million_rows_of_one_key_take_the_room_of_one() {
        let mut latest = Latest { limit: 400, ..Latest::default() };
        for second in 0..10_000 {
            let link = json!({"type": "join", "table": "use", "key": "ada", "keep": "latest",
                              "value": format!("{:05}", (second * 7_919) % 10_000)});
            assert_eq!(take(&mut latest, &link), Ok(true));
        }
        let other =
            |key: &str| json!({"type": "join", "table": "use", "key": key, "value": "x", "keep": "latest"});
        assert_eq!(take(&mut latest, &other("ben")), Ok(true));
        let error =
            take(&mut latest, &other("a key that is one too many for this much room, since it is long"))
                .unwrap_err();
        assert!(error.contains("`use`") && error.contains("in parts") && latest.is_full(), "{error}");
        assert_eq!(latest.tables["use"]["ada"], "09999");
    }

    #[test]
    fn what_is_no_such_link_is_left_to_others() {
        let mut latest = Latest::default();
        assert_eq!(
            take(&mut latest, &json!({"type": "join", "table": "t", "key": "k", "value": 1})),
            Ok(false)
        );
        assert_eq!(take(&mut latest, &json!({"type": "grant", "keep": "latest"})), Ok(false));
        let odd = json!({"type": "join", "table": "t", "key": "k", "value": "v", "keep": "first"});
        assert!(take(&mut latest, &odd).unwrap_err().contains("`keep`"));
        let number = json!({"type": "join", "table": "t", "key": "k", "value": 1, "keep": "latest"});
        assert!(take(&mut latest, &number).unwrap_err().contains("no text"));
    }
}
