//! `[operation.page]`: how the documentation says that one gets from page to page.

use serde::Deserialize;

use super::spot::{Place, Spot};

/// `[operation.page]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    pub kind: Paging,
    pub into: Option<Spot>,
    pub at: Option<String>,
    pub done: Done,
    pub size: Size,
    pub short: Short,
    pub more: Option<Place>,
    pub last: Option<Place>,
    pub total: Option<Place>,
    pub pages: Option<Place>,
    pub first: Option<Place>,
    pub count: Option<Place>,
    pub per_page: Option<Place>,
    pub page: Option<Place>,
    pub from: Option<u64>,
    pub alone: bool,
    pub relative: bool,
    pub trailing: bool,
}

impl Page {
    /// Does the address of the next page say its number?
    pub fn is_numbered(&self) -> bool {
        matches!(self.kind, Paging::Link | Paging::Url) && self.from.is_some()
    }

    /// What types alone do not say.
    ///
    /// # Errors
    /// What is missing, or does not go together.
    pub fn check(&self) -> Result<(), &'static str> {
        let follows = matches!(self.kind, Paging::Token | Paging::Link | Paging::Url);
        let address = matches!(self.kind, Paging::Link | Paging::Url);
        if self.kind != Paging::One && self.into.is_none() {
            return Err("`page` needs `into`");
        }
        if matches!(self.kind, Paging::Token | Paging::Url) && self.at.is_none() {
            return Err("`page` needs `at`");
        }
        if address && !matches!(self.into, Some(Spot::Query(_))) {
            return Err("`into` of a link or address has to be `query:NAME`");
        }
        if self.short == Short::Shrinks && (self.kind == Paging::Number || self.is_numbered()) {
            return Err(
                "a page with a number does not shrink, since the next one starts where it would have ended: `hides`",
            );
        }
        if self.trailing && (!follows || self.is_numbered()) {
            return Err("`trailing` is for tokens");
        }
        Ok(())
    }

    /// Does a number in the request say where the page starts?
    pub fn is_counted(&self) -> bool {
        matches!(self.kind, Paging::Offset | Paging::Number) || self.is_numbered()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Paging {
    #[default]
    One,
    Token,
    Link,
    Url,
    Offset,
    Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    #[default]
    Absent,
    Null,
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Short {
    #[default]
    Never,
    Shrinks,
    Hides,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Size {
    #[serde(rename = "in")]
    pub spot: Option<Spot>,
    pub default: Option<usize>,
    pub max: Option<usize>,
    pub over: Over,
    pub fixed: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    #[default]
    Refuse,
    Clamp,
}
