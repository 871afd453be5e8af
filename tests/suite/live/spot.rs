//! Places: where something stands in a request or an answer.

use serde::Deserialize;

/// A place in a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Spot {
    Path(String),
    Query(String),
    Header(String),
    Form(String),
    Body(String),
}

impl TryFrom<String> for Spot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (kind, name) = text.split_once(':').unwrap_or_default();
        let name = name.to_owned();
        match kind {
            "path" => Ok(Self::Path(name)),
            "query" => Ok(Self::Query(name)),
            "header" => Ok(Self::Header(name.to_ascii_lowercase())),
            "form" => Ok(Self::Form(name)),
            "body" if name.starts_with('/') => Ok(Self::Body(name)),
            _ => Err(format!(
                "`{text}`: expected path:NAME, query:NAME, header:NAME, form:NAME or body:/POINTER"
            )),
        }
    }
}

/// A place in an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum Place {
    Pointer(String),
    Header(String),
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("header:") {
            Some(name) => Ok(Self::Header(name.to_owned())),
            None if text.starts_with('/') => Ok(Self::Pointer(text)),
            None => Err(format!("`{text}`: expected /POINTER or header:NAME")),
        }
    }
}
