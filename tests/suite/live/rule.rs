//! What the documentation of a product says of one value in a request.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

/// A rule: just this value, or what it has to be like.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub enum Rule {
    Like(Box<Like>),
    Just(Value),
}

impl TryFrom<Value> for Rule {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Object(_) => {
                serde_json::from_value(value).map(Self::Like).map_err(|e| format!("a rule: {e}"))
            }
            other => Ok(Self::Just(other)),
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Like {
    pub required: bool,
    pub is: Option<Value>,
    pub pattern: Option<String>,
    pub one_of: Vec<String>,
    pub from: Option<i64>,
    pub to: Option<i64>,
    pub time: Option<TimeAs>,
    pub split: Option<String>,
    pub list: bool,
    pub at_most: Option<usize>,
    pub object: Option<BTreeMap<String, Rule>>,
    pub any: bool,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeAs {
    Rfc3339,
    Rfc3339Millis,
    Blank,
    Date,
    EpochSeconds,
    EpochMillis,
    MinutesAgo,
}

impl TimeAs {
    /// Reads a time that has to be written just so. `now` is when the pull is.
    pub fn read(self, text: &str, now: Timestamp) -> Option<Timestamp> {
        let shape = match self {
            Self::Rfc3339 => r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
            Self::Rfc3339Millis => r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
            Self::Blank => r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
            Self::Date => r"\d{4}-\d\d-\d\d",
            Self::EpochSeconds => r"\d{9,10}",
            Self::EpochMillis => r"\d{12,13}",
            Self::MinutesAgo => {
                let minutes: i64 = text.parse().ok()?;
                return now.checked_sub(jiff::SignedDuration::from_mins(minutes)).ok();
            }
        };
        whole(shape, text).then(|| any_time(&Value::String(text.to_owned()))).flatten()
    }
}

/// A pattern, made only once: a thousand pulls ask the same.
pub fn compiled(pattern: &str) -> Regex {
    static KNOWN: LazyLock<Mutex<BTreeMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap();
    if let Some(known) = known.get(pattern) {
        return known.clone();
    }
    let made = Regex::new(pattern).unwrap_or_else(|e| panic!("stub.toml: {e}"));
    known.insert(pattern.to_owned(), made.clone());
    made
}

/// Does the pattern match the whole text?
pub fn whole(pattern: &str, text: &str) -> bool {
    compiled(&format!("^(?s:{pattern})$")).is_match(text)
}

/// A time however a product writes it; one without an offset is UTC.
pub fn any_time(value: &Value) -> Option<Timestamp> {
    let epoch = |number: i64| match number.abs() > 100_000_000_000 {
        true => Timestamp::from_millisecond(number).ok(),
        false => Timestamp::from_second(number).ok(),
    };
    match value {
        Value::Number(number) => number.as_i64().map_or_else(|| epoch(number.as_f64()? as i64), epoch),
        Value::String(text) => {
            if let Ok(number) = text.parse() {
                return epoch(number);
            }
            if let Ok(time) = text.parse::<Timestamp>() {
                return Some(time);
            }
            if let Ok(time) = Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text) {
                return Some(time);
            }
            let civil: DateTime = text.parse().ok()?;
            TimeZone::UTC.to_timestamp(civil).ok()
        }
        _ => None,
    }
}

/// A scalar as text; nothing of what is none.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

impl Rule {
    /// One that anything keeps.
    pub fn anything() -> Self {
        Self::Like(Box::default())
    }

    /// Whether the value has to be there.
    pub fn required(&self) -> bool {
        match self {
            Self::Just(_) => true,
            Self::Like(like) => like.required,
        }
    }

    /// Holds what was given under one name in a query or form against the rule.
    pub fn texts(&self, given: &[&str]) -> Result<(), String> {
        let one = |given: &[&str]| match given {
            [one] => Ok((*one).to_owned()),
            _ => Err(format!("given {} times", given.len())),
        };
        match self {
            Self::Just(value) => {
                let given = one(given)?;
                let wanted = text(value).unwrap_or_else(|| value.to_string());
                if given == wanted { Ok(()) } else { Err(format!("`{given}`, expected `{wanted}`")) }
            }
            Self::Like(like) if like.list => {
                like.counted(given.len())?;
                given.iter().try_for_each(|text| like.text(text))
            }
            Self::Like(like) => like.split(&one(given)?),
        }
    }

    /// Holds a JSON value against the rule.
    pub fn json(&self, given: &Value) -> Result<(), String> {
        match self {
            Self::Just(value) if value == given => Ok(()),
            Self::Just(value) => Err(format!("{given}, expected {value}")),
            Self::Like(like) if like.list => {
                let items = given.as_array().ok_or_else(|| format!("{given} is no array"))?;
                like.counted(items.len())?;
                items.iter().try_for_each(|item| like.json(item))
            }
            Self::Like(like) => like.json(given),
        }
    }
}

impl Like {
    fn counted(&self, items: usize) -> Result<(), String> {
        match self.at_most {
            Some(most) if items > most => Err(format!("{items} items, at most {most} are allowed")),
            _ => Ok(()),
        }
    }

    fn split(&self, given: &str) -> Result<(), String> {
        let Some(by) = &self.split else { return self.text(given) };
        let items: Vec<&str> = given.split(by.as_str()).collect();
        self.counted(items.len())?;
        items.into_iter().try_for_each(|item| self.text(item))
    }

    fn text(&self, given: &str) -> Result<(), String> {
        if let Some(is) = &self.is {
            let wanted = text(is).unwrap_or_else(|| is.to_string());
            if given != wanted {
                return Err(format!("`{given}`, expected `{wanted}`"));
            }
        }
        if let Some(pattern) = &self.pattern
            && !whole(pattern, given)
        {
            return Err(format!("`{given}` does not match `{pattern}`"));
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|known| known == given) {
            return Err(format!("`{given}` is none of {}", self.one_of.join(", ")));
        }
        if self.from.is_some() || self.to.is_some() {
            let number: i64 = given.parse().map_err(|_| format!("`{given}` is no whole number"))?;
            self.within(number)?;
        }
        if let Some(time) = self.time
            && time.read(given, Timestamp::UNIX_EPOCH).is_none()
        {
            return Err(format!("`{given}` is no time written as {time:?}"));
        }
        if let Some(object) = &self.object {
            let value: Value =
                serde_json::from_str(given).map_err(|_| format!("`{given}` is no JSON object"))?;
            keys(object, &value)?;
        }
        Ok(())
    }

    fn within(&self, number: i64) -> Result<(), String> {
        if self.from.is_some_and(|from| number < from) || self.to.is_some_and(|to| number > to) {
            let end = |end: Option<i64>| end.map_or(String::new(), |end| end.to_string());
            return Err(format!("{number} is not within {}..{}", end(self.from), end(self.to)));
        }
        Ok(())
    }

    fn json(&self, given: &Value) -> Result<(), String> {
        if let Some(is) = &self.is
            && is != given
        {
            return Err(format!("{given}, expected {is}"));
        }
        if let Some(object) = &self.object {
            return keys(object, given);
        }
        // What is asked of numbers and texts holds for what stands there, not for how it could be read.
        let number = self.from.is_some() || self.to.is_some();
        let epoch = matches!(self.time, Some(TimeAs::EpochSeconds | TimeAs::EpochMillis));
        if epoch {
            let number = given.as_number().ok_or_else(|| format!("{given} is no number"))?;
            return self.text(&number.to_string());
        }
        let text = self.pattern.is_some() || !self.one_of.is_empty() || self.time.is_some();
        match given {
            Value::Number(given) if number => {
                self.within(given.as_i64().ok_or_else(|| format!("{given} is no whole number"))?)
            }
            Value::String(given) if !number => self.split(given),
            _ if number => Err(format!("{given} is no number")),
            _ if text || self.split.is_some() => Err(format!("{given} is no text")),
            _ => Ok(()),
        }
    }
}

/// Holds the keys of a JSON object against their rules.
pub fn keys(rules: &BTreeMap<String, Rule>, given: &Value) -> Result<(), String> {
    let object = given.as_object().ok_or_else(|| format!("{given} is no object"))?;
    for (key, value) in object {
        let rule = rules.get(key).ok_or_else(|| format!("unknown key `{key}`"))?;
        rule.json(value).map_err(|why| format!("key `{key}`: {why}"))?;
    }
    match rules.iter().find(|(key, rule)| rule.required() && !object.contains_key(*key)) {
        Some((key, _)) => Err(format!("key `{key}` is missing")),
        None => Ok(()),
    }
}

/// Holds the parameters of a query or the fields of a form against their rules. Names in `free` are looked at elsewhere.
pub fn parameters(
    rules: &BTreeMap<String, Rule>,
    given: &[(String, String)],
    free: &[&str],
) -> Result<(), String> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in given {
        names.entry(name).or_default().push(value);
    }
    for (name, values) in &names {
        match rules.get(*name) {
            Some(rule) => rule.texts(values).map_err(|why| format!("`{name}`: {why}"))?,
            None if free.contains(name) && values.len() == 1 => {}
            None if free.contains(name) => return Err(format!("`{name}` given {} times", values.len())),
            None => return Err(format!("unknown parameter `{name}`")),
        }
    }
    match rules.iter().find(|(name, rule)| rule.required() && !names.contains_key(name.as_str())) {
        Some((name, _)) => Err(format!("`{name}` is missing")),
        None => Ok(()),
    }
}
