//! The settings of one source: what the manifest declares, what the site gave, checked against each other.

use super::manifest::{Manifest, SettingSpec, SettingType};
use serde_json::{Map, Value};

/// A setting that every connector has, because the file transport itself reads it.
#[derive(Debug, Clone, Copy)]
pub struct CommonSetting {
    /// Its key.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
}

/// The settings every connector has.
pub const COMMON: &[CommonSetting] = &[
    CommonSetting { name: "shape", doc: "take the input to be of this shape instead of recognising it" },
    CommonSetting {
        name: "encoding",
        doc: "encoding of the text: utf-8, utf-16le, utf-16be or windows-1252; without it a byte order mark or valid UTF-8 decides",
    },
    CommonSetting {
        name: "delimiter",
        doc: "the character between the cells of a CSV; without it the header line decides",
    },
    CommonSetting {
        name: "sheet",
        doc: "name of the sheet of a workbook to read; without it the first sheet that fits",
    },
];

/// Is it a setting that every connector has?
#[must_use]
pub fn is_common(name: &str) -> bool {
    COMMON.iter().any(|setting| setting.name == name)
}

/// The settings of one source, checked: every declared one has a value, of its type, or null.
#[derive(Debug, Clone)]
pub struct Settings {
    values: Map<String, Value>,
    common: Map<String, Value>,
}

impl Settings {
    /// Settings from a TOML table, as a configuration file holds them.
    ///
    /// # Errors
    /// A setting that is unknown, of the wrong type, or required and missing.
    pub fn from_table(manifest: &Manifest, table: &toml::Table) -> Result<Self, String> {
        let given = table.iter().map(|(key, value)| (key.as_str(), Given::Toml(value)));
        Self::build(manifest, given)
    }

    /// Settings from `key=value` texts, as the command line gives them.
    ///
    /// # Errors
    /// A text without `=`; a setting that is unknown, given twice, of the wrong type, or required and missing.
    pub fn parse<'a>(manifest: &Manifest, pairs: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut given = Vec::new();
        for pair in pairs {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("setting `{pair}`: expected key=value"))?;
            if given.iter().any(|(known, _)| *known == key) {
                return Err(format!("setting `{key}` is given twice"));
            }
            given.push((key, Given::Text(value)));
        }
        Self::build(manifest, given)
    }

    fn build<'a>(
        manifest: &Manifest,
        given: impl IntoIterator<Item = (&'a str, Given<'a>)>,
    ) -> Result<Self, String> {
        let mut values: Map<String, Value> =
            manifest.settings.iter().map(|spec| (spec.name.clone(), Value::Null)).collect();
        for spec in &manifest.settings {
            if let Some(default) = &spec.default {
                let value = convert(spec, &Given::Toml(default))
                    .map_err(|message| format!("connector `{}`: default of {message}", manifest.name))?;
                values.insert(spec.name.clone(), value);
            }
        }
        let mut common = Map::new();
        for (key, value) in given {
            if is_common(key) {
                common.insert(key.to_owned(), Value::String(value.text(key)?));
                continue;
            }
            let spec = manifest.setting(key).ok_or_else(|| unknown(manifest, key))?;
            values.insert(key.to_owned(), convert(spec, &value)?);
        }
        for spec in &manifest.settings {
            if spec.required && values.get(&spec.name).is_none_or(Value::is_null) {
                return Err(format!(
                    "setting `{}` is required by connector `{}`: {}",
                    spec.name, manifest.name, spec.doc
                ));
            }
        }
        Ok(Self { values, common })
    }

    /// All declared settings as the map sees them.
    #[must_use]
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.values
    }

    /// A setting that every connector has.
    #[must_use]
    pub fn common(&self, name: &str) -> Option<&str> {
        self.common.get(name).and_then(Value::as_str)
    }
}

/// A value as it was given.
enum Given<'a> {
    Toml(&'a toml::Value),
    Text(&'a str),
}

impl Given<'_> {
    fn text(&self, key: &str) -> Result<String, String> {
        match self {
            Self::Text(text) if !text.is_empty() => Ok((*text).to_owned()),
            Self::Toml(toml::Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            _ => Err(format!("setting `{key}`: expected text")),
        }
    }

    /// As JSON; a text stays a text.
    fn json(&self) -> Result<Value, String> {
        match self {
            Self::Text(text) => Ok(Value::String((*text).to_owned())),
            Self::Toml(value) => to_json(value),
        }
    }
}

fn unknown(manifest: &Manifest, key: &str) -> String {
    let mut known: Vec<&str> = manifest.settings.iter().map(|spec| spec.name.as_str()).collect();
    known.extend(COMMON.iter().map(|setting| setting.name));
    format!("setting `{key}` is not one of connector `{}`: it knows {}", manifest.name, known.join(", "))
}

/// TOML to JSON. A TOML time becomes text.
pub(crate) fn to_json(value: &toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => {
            serde_json::Number::from_f64(*number).map(Value::Number).ok_or("a number that is not finite")?
        }
        toml::Value::Boolean(flag) => Value::Bool(*flag),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Ok((key.clone(), to_json(value)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

/// Checks a value against its declaration.
fn convert(spec: &SettingSpec, given: &Given<'_>) -> Result<Value, String> {
    let wrong = |why: &str| {
        let expected = if spec.kind == SettingType::Enum {
            format!("one of {}", spec.values.join(", "))
        } else {
            spec.kind.expected().to_owned()
        };
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        format!("setting `{}`: expected {expected}{why}", spec.name)
    };
    let value = given.json().map_err(|why| wrong(&why))?;
    let typed = match spec.kind {
        SettingType::Bool => match &value {
            Value::Bool(_) => value,
            Value::String(text) if text == "true" => Value::Bool(true),
            Value::String(text) if text == "false" => Value::Bool(false),
            _ => return Err(wrong("")),
        },
        SettingType::Integer => match &value {
            Value::Number(number) if number.is_i64() => value,
            Value::String(text) => Value::from(text.trim().parse::<i64>().map_err(|_| wrong(text))?),
            _ => return Err(wrong("")),
        },
        SettingType::List => match value {
            Value::String(text) => list(&text).map_err(|why| wrong(&why))?,
            Value::Array(items) if items.iter().all(Value::is_string) => Value::Array(items),
            _ => return Err(wrong("")),
        },
        SettingType::Map => match value {
            Value::String(text) => map(&text).map_err(|why| wrong(&why))?,
            Value::Object(_) => value,
            _ => return Err(wrong("")),
        },
        _ => {
            let Value::String(text) = &value else { return Err(wrong("")) };
            check_text(spec, text).map_err(|why| wrong(&why))?;
            value
        }
    };
    Ok(typed)
}

fn check_text(spec: &SettingSpec, text: &str) -> Result<(), String> {
    match spec.kind {
        SettingType::Enum if !spec.values.iter().any(|value| value == text) => Err(format!("it is `{text}`")),
        SettingType::TimeZone => super::dates::zone(text).map(drop),
        SettingType::Instant => {
            if super::dates::is_rfc3339(text) {
                Ok(())
            } else {
                Err(format!("it is `{text}`"))
            }
        }
        SettingType::Duration => match super::dates::duration::iso(text) {
            Some(known) if known == text => Ok(()),
            _ => Err(format!("it is `{text}`")),
        },
        SettingType::Pattern => super::map::pattern(text).map(drop),
        _ => Ok(()),
    }
}

/// A list as JSON or separated by commas.
fn list(text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    if trimmed.starts_with('[') {
        let value: Value = serde_json::from_str(trimmed).map_err(|error| error.to_string())?;
        return match &value {
            Value::Array(items) if items.iter().all(Value::is_string) => Ok(value),
            _ => Err("every item must be text".into()),
        };
    }
    let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
    Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
}

/// A map as JSON, as an inline TOML table, or as `key:value` pairs separated by commas.
fn map(text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    if trimmed.starts_with('{') {
        if let Ok(value @ Value::Object(_)) = serde_json::from_str(trimmed) {
            return Ok(value);
        }
        let table: toml::Table = toml::from_str(&format!("value = {trimmed}"))
            .map_err(|_| "neither JSON nor a TOML table".to_owned())?;
        return table.get("value").map_or(Ok(Value::Null), to_json);
    }
    let mut object = Map::new();
    for pair in trimmed.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(':').ok_or_else(|| format!("`{pair}` has no `:`"))?;
        let key = key.trim().to_owned();
        if object.contains_key(&key) {
            return Err(format!("`{key}` is given twice"));
        }
        object.insert(key, Value::String(value.trim().to_owned()));
    }
    Ok(Value::Object(object))
}
