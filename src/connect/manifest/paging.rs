//! How one gets from page to page.

use serde::Deserialize;

/// How one gets from page to page. A page that was seen before ends the pull as not complete.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Paging {
    /// There is one page.
    #[default]
    One,
    /// The answer holds a token for the next page; none, null or `""` on the last.
    Token {
        /// Where it is.
        at: String,
        /// The parameter of the next request, in the query, body or form, wherever the others are.
        into: String,
        /// A pointer to a boolean that says there is more. Where it does and there is no token, the pull is not complete.
        #[serde(default)]
        more: Option<String>,
        /// A pointer to a boolean that says this is the last page: then a token is not followed. Without it a token always
        /// is.
        #[serde(default)]
        last: Option<String>,
    },
    /// The header `Link` with `rel="next"`, RFC 8288.
    Link,
    /// The answer holds the address of the next page.
    Url {
        /// Where it is.
        at: String,
    },
    /// The request says from which row.
    Offset {
        /// The parameter.
        into: String,
        /// The number of the first row.
        #[serde(default)]
        from: u64,
        /// A pointer to the number of all rows, or `header:NAME`.
        #[serde(default)]
        total: Option<String>,
        /// A pointer to a boolean that says this is the last page.
        #[serde(default)]
        last: Option<String>,
        /// Each page moves by what was asked for, not by what came (rows the account may not see are left out of a page).
        #[serde(default)]
        by_size: bool,
        /// A page with fewer rows than were asked for is the last. Otherwise only an empty one is, where neither `total` nor
        /// `last` says more.
        #[serde(default)]
        short_is_last: bool,
    },
    /// The request says which page.
    Number {
        /// The parameter.
        into: String,
        /// The number of the first page.
        #[serde(default = "one")]
        from: u64,
        /// A pointer to the number of pages, or `header:NAME`.
        #[serde(default)]
        pages: Option<String>,
        /// A pointer to the number of all rows, or `header:NAME`.
        #[serde(default)]
        total: Option<String>,
        /// A page with fewer rows than were asked for is the last.
        #[serde(default)]
        short_is_last: bool,
    },
}

fn one() -> u64 {
    1
}
