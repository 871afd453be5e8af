//! From one page to the next, and whether the pages were all there are.

use std::collections::HashSet;

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use serde_json::Value;

use super::answer::Page;
use super::ask::Reply;
use super::request::Made;
use super::value::plain;
use crate::connect::manifest::http::Paging;

/// The most pages of one request.
const MAX_PAGES: u64 = 1_000_000;

/// How often the same rows may come in a row: small pages of events can be alike.
const MAX_SAME: u32 = 4;
/// How many pages in a row may hold nothing that the account may see.
const MAX_EMPTY: u32 = 100;

/// Where among the pages one is.
pub(super) struct Pages<'a> {
    paging: &'a Paging,
    /// The request of the first page.
    first: Made,
    /// How many rows a page was asked to have.
    size: Option<u64>,
    /// Requests made, by what they are known by.
    seen: HashSet<u64>,
    /// The number of the next page, or of its first row.
    at: u64,
    rows: u64,
    pages: u64,
    total: Option<u64>,
    /// The rows of the last page, and how often they came in a row.
    same: (u64, u32),
}

/// What comes after a page.
#[derive(Debug)]
pub(super) enum Next {
    /// Another one.
    Page(Box<Made>),
    /// Nothing; these are all.
    End,
    /// Nothing that can be had, though these are not all, or may not be.
    Broken(String),
}

impl<'a> Pages<'a> {
    /// Of a request.
    pub fn new(paging: &'a Paging, first: Made, size: Option<u64>) -> Self {
        let at = match paging {
            Paging::Offset { from, .. } | Paging::Number { from, .. } => *from,
            _ => 0,
        };
        Self { paging, first, size, seen: HashSet::new(), at, rows: 0, pages: 0, total: None, same: (0, 0) }
    }

    /// The request of the first page.
    pub fn first(&mut self) -> Made {
        let made = match self.paging {
            Paging::Offset { into, .. } | Paging::Number { into, .. } => {
                self.first.clone().with_number(into, self.at)
            }
            _ => self.first.clone(),
        };
        self.seen.insert(hash(&made.known_by()));
        made
    }

    /// What comes after this page.
    pub fn next(&mut self, reply: &Reply, page: &Page) -> Next {
        let came = page.rows.len() as u64;
        self.pages += 1;
        self.rows += came;
        let still = self.stands_still(page);
        let next = self.after(reply, page, came);
        // Where it is said how many rows there are, the same ones twice would make up the number.
        if self.same.1 > 1 && came > 0 && self.total.is_some() {
            return Next::Broken("the same page came twice: which one is asked for is not heeded".to_owned());
        }
        let next = match next {
            Ok(Some(next)) => next,
            Ok(None) => return self.end(),
            Err(why) => return Next::Broken(why),
        };
        if !self.seen.insert(hash(&next.known_by())) {
            return Next::Broken("the answer leads back to a page that was read already".to_owned());
        }
        if still {
            return Next::Broken(format!(
                "page after page is the same, {} times by now: the product does not go on",
                self.same.1
            ));
        }
        if self.pages >= MAX_PAGES {
            return Next::Broken(format!("more than {MAX_PAGES} pages"));
        }
        Next::Page(Box::new(next))
    }

    /// Does the product give the same page whatever number the request has? Such a one ignores the parameter.
    fn stands_still(&mut self, page: &Page) -> bool {
        if !matches!(self.paging, Paging::Offset { .. } | Paging::Number { .. }) {
            return false;
        }
        let rows = page.rows.iter().map(Value::to_string).collect::<Vec<_>>();
        let rows = hash(&rows.join("\n"));
        self.same = if self.same.0 == rows { (rows, self.same.1 + 1) } else { (rows, 1) };
        self.same.1 >= if page.rows.is_empty() { MAX_EMPTY } else { MAX_SAME }
    }

    fn end(&self) -> Next {
        match self.total {
            Some(total) if self.rows < total => {
                Next::Broken(format!("{} of {total} rows came: some are hidden, or left out", self.rows))
            }
            None if matches!(
                self.paging,
                Paging::Offset { by_size: true, total: Some(_), last: None, .. }
            ) =>
            {
                // A page without rows may be one whose rows are all hidden.
                Next::Broken("it is not said how many rows there are, and some may be hidden".to_owned())
            }
            _ => Next::End,
        }
    }

    /// The request of the next page, if there is one.
    fn after(&mut self, reply: &Reply, page: &Page, came: u64) -> Result<Option<Made>, String> {
        let document = &page.document;
        match self.paging {
            Paging::One => match link(&reply.headers)? {
                Some(_) => {
                    Err("the answer says that there is another page, which is not asked for".to_owned())
                }
                None => Ok(None),
            },
            Paging::Token { at, into, more, last } => {
                let flag = |pointer: &Option<String>| truth(document.pointer(pointer.as_deref()?)?);
                let token = document.pointer(at).filter(|t| !t.is_null());
                if flag(last) == Some(true) || flag(more) == Some(false) {
                    return Ok(None);
                }
                let token = match token.map(plain) {
                    Some(None) => return Err(format!("what is at `{at}` of the answer is no token")),
                    Some(token) => token.filter(|t| !t.is_empty()),
                    None => None,
                };
                match token {
                    Some(token) => Ok(Some(self.first.clone().with(into, &token))),
                    None if flag(more) == Some(true) || flag(last) == Some(false) => {
                        Err("the answer says that there is more, and not where".to_owned())
                    }
                    None => Ok(None),
                }
            }
            Paging::Link => match link(&reply.headers)? {
                Some(next) => self.follow(&next).map(Some),
                None => Ok(None),
            },
            Paging::Url { at } => match document.pointer(at) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(next)) if next.is_empty() => Ok(None),
                Some(Value::String(next)) => self.follow(next).map(Some),
                Some(_) => Err(format!("what is at `{at}` of the answer is no address")),
            },
            Paging::Offset { into, total, last, by_size, short_is_last, .. } => {
                self.total = number(total.as_deref(), document, &reply.headers).or(self.total);
                let moved = if *by_size { self.size.unwrap_or(came) } else { came };
                self.at += moved;
                let said = last.as_deref().and_then(|pointer| truth(document.pointer(pointer)?));
                let from = match self.paging {
                    Paging::Offset { from, .. } => *from,
                    _ => 0,
                };
                let over = match (self.total, said) {
                    (_, Some(last)) => last || moved == 0,
                    (Some(total), None) => {
                        self.at.saturating_sub(from) >= total || moved == 0 || (came == 0 && !by_size)
                    }
                    (None, None) => came == 0 || *short_is_last && self.size.is_some_and(|size| came < size),
                };
                // Rows that are left out of a page may be all of it.
                if said == Some(false) && came == 0 && !by_size {
                    return Err("the answer says that there is more, and holds nothing".to_owned());
                }
                Ok((!over).then(|| self.first.clone().with_number(into, self.at)))
            }
            Paging::Number { into, pages, total, short_is_last, .. } => {
                self.total = number(total.as_deref(), document, &reply.headers).or(self.total);
                let pages = number(pages.as_deref(), document, &reply.headers);
                self.at += 1;
                if came == 0 && pages.is_some_and(|pages| self.pages < pages) {
                    return Err("the answer says that there is more, and holds nothing".to_owned());
                }
                let over = match (pages, self.total) {
                    (Some(pages), _) => self.pages >= pages,
                    (None, Some(total)) => self.rows >= total || came == 0,
                    (None, None) => came == 0 || *short_is_last && self.size.is_some_and(|size| came < size),
                };
                Ok((!over).then(|| self.first.clone().with_number(into, self.at)))
            }
        }
    }

    /// The address of the next page, which must be of the same product.
    fn follow(&self, next: &str) -> Result<Made, String> {
        let here = self.first.url();
        let url = here.join(next).map_err(|e| format!("the address of the next page is none: {e}"))?;
        if url.origin() != here.origin() {
            return Err(format!(
                "the next page is said to be on {}, not on {}: it is not asked",
                url.origin().ascii_serialization(),
                here.origin().ascii_serialization()
            ));
        }
        if has_name(&url) {
            return Err("the address of the next page holds a name or a password: it is not asked".to_owned());
        }
        Ok(self.first.at(url))
    }
}

/// An address that an answer gave for later, which must be of the same product as this request.
pub(super) fn same_product(made: &Made, url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    (url.origin() == made.url().origin() && !has_name(&url)).then_some(url)
}

/// A name in an address would be sent in place of who asks.
fn has_name(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// True or false, also as text.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        _ => None,
    }
}

/// A number at a pointer, or in a header (`header:NAME`).
fn number(place: Option<&str>, document: &Value, headers: &HeaderMap) -> Option<u64> {
    let place = place?;
    let text = match place.strip_prefix("header:") {
        Some(name) => headers.get(name)?.to_str().ok()?.to_owned(),
        None => plain(document.pointer(place)?)?,
    };
    text.trim().parse().ok()
}

/// The address with `rel="next"` among all headers `Link`, RFC 8288.
pub(super) fn link(headers: &HeaderMap) -> Result<Option<String>, String> {
    for header in headers.get_all(LINK) {
        let mut rest = header.to_str().map_err(|_| "a header `Link` that is no text".to_owned())?;
        while let Some((_, after)) = rest.split_once('<') {
            let Some((address, after)) = after.split_once('>') else { break };
            // The parameters go on to the comma before the next address.
            let (parameters, behind) = match after.find(",") {
                Some(_) if after.contains('<') => {
                    let end = after.find('<').unwrap_or(after.len());
                    (after.get(..end).unwrap_or_default(), after.get(end..).unwrap_or_default())
                }
                _ => (after, ""),
            };
            let next = parameters.split(';').any(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or_default();
                let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
                name.trim().eq_ignore_ascii_case("rel")
                    && value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
            });
            if next {
                return Ok(Some(address.to_owned()));
            }
            rest = behind;
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_all_links() {
        let next = |values: &[&'static str]| {
            let headers = values.iter().map(|v| (LINK, v.parse().unwrap())).collect();
            link(&headers).unwrap()
        };
        assert_eq!(next(&["</a>; rel=\"self\"", "</b?x=1,2>; rel=\"next\""]).as_deref(), Some("/b?x=1,2"));
        assert_eq!(
            next(&["</a>; rel=\"prev\", </b>; rel=\"next\", </c>; rel=\"last\""]).as_deref(),
            Some("/b")
        );
        assert_eq!(next(&["</a>; title=\"x\"; rel=\"prev next\""]).as_deref(), Some("/a"));
        assert_eq!(next(&["</a>; rel=next"]).as_deref(), Some("/a"));
        assert_eq!(next(&["</a>; rel=\"nextish\""]), None);
        assert_eq!(next(&["<", "nonsense", "</a>"]), None);
        assert_eq!(next(&[]), None);
    }

    fn made() -> Made {
        let manifest = crate::connect::Manifest::parse(
            r#"
name = "sample"
title = "Sample"
summary = "Example"
provides = ["identity"]
map = "records"
[http]
bases.main = {}
auth.kinds = ["none"]
[[http.step]]
name = "rows"
path = "/rows"
"#,
            "manifest.toml",
        )
        .unwrap();
        let http = manifest.http.unwrap();
        let settings = serde_json::Map::new();
        let context = super::super::value::Context {
            settings: &settings,
            rows: &[],
            now: crate::model::Instant::from_unix_ms(0),
            since: None,
            page_size: None,
        };
        let base = Url::parse("https://api.example.com:8443/v1").unwrap();
        Made::new(&http, &http.steps[0], &base, &context).unwrap()
    }

    fn next(
        paging: &Paging,
        pages: &[Value],
        headers: &[(&'static str, &'static str)],
    ) -> Result<u64, String> {
        let mut all = Pages::new(paging, made(), None);
        all.first();
        for (number, document) in pages.iter().enumerate() {
            let headers = headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
            let reply = Reply { status: 200, headers, body: Vec::new() };
            let rows = document.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
            match all.next(&reply, &Page { document: document.clone(), rows }) {
                Next::Page(_) => {}
                Next::End => return Ok(number as u64 + 1),
                Next::Broken(why) => return Err(why),
            }
        }
        Ok(0)
    }

    #[test]
    fn pages_that_may_not_be_all_are_not_the_end() {
        use serde_json::json;
        let token = Paging::Token {
            at: "/next".to_owned(),
            into: "token".to_owned(),
            more: None,
            last: Some("/last".to_owned()),
        };
        assert_eq!(next(&token, &[json!({"next": "a"}), json!({"next": null})], &[]), Ok(2));
        assert!(next(&token, &[json!({"next": {"id": 1}})], &[]).unwrap_err().contains("no token"));
        assert!(next(&token, &[json!({"last": false})], &[]).unwrap_err().contains("not where"));
        let more = ("link", "</rows?page=2>; rel=\"next\"");
        assert!(next(&Paging::One, &[json!({})], &[more]).unwrap_err().contains("another page"));
        assert_eq!(next(&Paging::One, &[json!({})], &[]), Ok(1));
        let offset = Paging::Offset {
            into: "at".to_owned(),
            from: 0,
            total: Some("/total".to_owned()),
            last: None,
            by_size: false,
            short_is_last: false,
        };
        let same = json!({"total": 4, "rows": [{"id": 1}, {"id": 2}]});
        assert!(next(&offset, &[same.clone(), same], &[]).unwrap_err().contains("twice"));
        let page = |ids: [u64; 2]| json!({"total": 4, "rows": [{"id": ids[0]}, {"id": ids[1]}]});
        assert_eq!(next(&offset, &[page([1, 2]), page([3, 4])], &[]), Ok(2));
    }

    #[test]
    fn the_next_page_is_of_the_same_product() {
        let url = Paging::Url { at: "/next".to_owned() };
        let ask = |address: &str| next(&url, &[serde_json::json!({"next": address})], &[]);
        for address in ["/v1/rows?page=2", "?page=2", "https://api.example.com:8443/rows?page=2"] {
            assert_eq!(ask(address), Ok(0), "{address}");
        }
        for address in [
            "//evil.example/rows",
            "http://api.example.com:8443/rows",
            "https://api.example.com/rows",
            "https://api.example.com:8443@evil.example/rows",
            "https://user:canary@api.example.com:8443/rows",
            "\\\\evil.example\\rows",
            "file:///etc/passwd",
        ] {
            let error = ask(address).unwrap_err();
            assert!(error.contains("not asked") && !error.contains("canary"), "{address}: {error}");
        }
    }
}
