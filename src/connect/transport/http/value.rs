//! What the values of a request stand for.

use serde_json::{Map, Value};

use crate::connect::manifest::http::{Ago, Of, Text, TimeAs};
use crate::model::{Duration, Instant};

/// What values are taken from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    /// The settings of the source.
    pub settings: &'a Map<String, Value>,
    /// The rows the request is made for: one, several in a batch, or none.
    pub rows: &'a [Value],
    /// When the pull began.
    pub now: Instant,
    /// Since when changes are asked for.
    pub since: Option<Instant>,
    /// How many rows a page has at most, as the site says.
    pub page_size: Option<u64>,
}

impl Context<'_> {
    /// The value, or none where there is none.
    ///
    /// # Errors
    /// A setting that is no duration, or JSON in a manifest that is none.
    pub fn value(&self, text: &Text) -> Result<Option<Value>, String> {
        Ok(match text {
            Text::Text(text) => Some(Value::String(text.clone())),
            Text::Number(number) => Some(Value::from(*number)),
            Text::Bool(flag) => Some(Value::Bool(*flag)),
            Text::Of(of) => self.of(of)?,
        })
    }

    /// The same of a parameter. One that is had from a row must be there: without it everything would be asked for, and
    /// taken for what belongs to that row.
    ///
    /// # Errors
    /// As [`Self::value`], and when it is not there.
    pub fn needed(&self, name: &str, text: &Text) -> Result<Option<Value>, String> {
        let value = self.value(text)?;
        if value.is_none()
            && let Text::Of(of) = text
            && matches!(of.as_ref(), Of::Row(_) | Of::Rows(_))
        {
            return Err(format!("there is no `{name}` to ask for"));
        }
        Ok(value)
    }

    fn of(&self, of: &Of) -> Result<Option<Value>, String> {
        Ok(match of {
            Of::Setting(name) => present(self.settings.get(name)),
            Of::Listed(name) => match present(self.settings.get(name)) {
                Some(Value::Array(items)) if items.is_empty() => None,
                Some(Value::Array(items)) => {
                    let items: Option<Vec<String>> = items.iter().map(plain).collect();
                    items.map(|items| Value::String(items.join(",")))
                }
                other => other,
            },
            Of::Row(pointer) => present(self.rows.first().and_then(|row| row.pointer(pointer))),
            Of::Rows(pointer) => {
                let items: Vec<Value> =
                    self.rows.iter().filter_map(|row| present(row.pointer(pointer))).collect();
                (!items.is_empty()).then_some(Value::Array(items))
            }
            Of::Json(text) => Some(
                serde_json::from_str(text).map_err(|e| format!("the manifest has `json = {text}`: {e}"))?,
            ),
            Of::PageSize(most) => Some(Value::from(self.size(*most))),
            Of::Join(parts) => {
                let mut joined = String::new();
                for part in parts {
                    match self.value(part)?.as_ref().and_then(plain) {
                        Some(part) => joined.push_str(&part),
                        None => return Ok(None),
                    }
                }
                Some(Value::String(joined))
            }
            Of::First(choices) => {
                for choice in choices {
                    if let Some(value) = self.value(choice)? {
                        return Ok(Some(value));
                    }
                }
                None
            }
            Of::Since(format) => self.since.map(|since| self.time(since, *format)),
            Of::Ago(ago) => Some(self.time(self.before(ago)?, ago.format)),
        })
    }

    /// How many rows a page is asked to have, where the product gives at most so many.
    fn size(&self, most: u64) -> u64 {
        self.page_size.unwrap_or(most).clamp(1, most)
    }

    /// How many rows the pages of a step are asked to have: the first value of its request that says so.
    pub fn asked_size<'t>(&self, mut texts: impl Iterator<Item = &'t Text>) -> Option<u64> {
        texts.find_map(|text| match text {
            Text::Of(of) => match of.as_ref() {
                Of::PageSize(most) => Some(self.size(*most)),
                _ => None,
            },
            _ => None,
        })
    }

    fn before(&self, ago: &Ago) -> Result<Instant, String> {
        let by = match self.settings.get(&ago.by) {
            Some(Value::String(text)) => text.as_str(),
            _ => ago.by.as_str(),
        };
        let by = Duration::parse(by)
            .map_err(|e| format!("`ago` is `{}`, expected {e}, or a setting that is one", ago.by))?;
        Ok(self.now.minus(by))
    }

    fn time(&self, time: Instant, format: TimeAs) -> Value {
        let ms = time.unix_ms();
        let whole = Instant::from_unix_ms(ms.div_euclid(1000) * 1000).to_string();
        match format {
            TimeAs::Rfc3339 => Value::String(whole),
            TimeAs::Rfc3339Millis => {
                Value::String(format!("{}.{:03}Z", whole.trim_end_matches('Z'), ms.rem_euclid(1000)))
            }
            TimeAs::Blank => Value::String(whole.replace('T', " ").trim_end_matches('Z').to_owned()),
            TimeAs::Date => Value::String(whole.chars().take(10).collect()),
            TimeAs::EpochSeconds => Value::from(ms.div_euclid(1000)),
            TimeAs::EpochMillis => Value::from(ms),
            TimeAs::MinutesAgo => {
                let ago = (self.now.unix_ms() - ms).max(0);
                Value::from(ago / 60_000 + i64::from(ago % 60_000 > 0))
            }
        }
    }
}

/// A value that says something: null and an empty text do not.
fn present(value: Option<&Value>) -> Option<Value> {
    match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(value) => Some(value.clone()),
    }
}

/// A text, number or boolean as it stands in an address or a header.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Puts settings into `{name}` of an address of the manifest: names of regions and tenants, no more.
///
/// # Errors
/// A setting that is not given, or that would change the shape of the address.
pub(super) fn filled(template: &str, settings: &Map<String, Value>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) =
            after.split_once('}').ok_or_else(|| format!("`{template}`: `{{` without `}}`"))?;
        let value = settings.get(name).and_then(Value::as_str).filter(|v| !v.is_empty());
        let value =
            value.ok_or_else(|| format!("setting `{name}` is needed: it is a part of `{template}`"))?;
        if !value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            return Err(format!(
                "setting `{name}` is `{value}`: expected letters, digits, `-`, `_` and `.`, since it is a part of an address"
            ));
        }
        out.push_str(before);
        out.push_str(value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}
