//! Rows in answers: which page of which rows, where the next one is, and what changed since the last time.

use serde_json::{Value, json};

use super::answer::{self, Content};
use super::fault::What;
use super::pages::{self, Asked, Cursor, Cut, Listing};
use super::paging::{Page, Paging};
use super::rows::{self, Found, Values};
use super::rule;
use super::serve::{Point, Refusal, State, Which};
use super::spec::{Operation, Shape};
use super::spot::Place;
use super::wire::{Reply, Request};

/// An answer, and what comes of it once it is sent in full.
pub(super) struct Served {
    pub reply: Reply,
    pub rows: usize,
    pub last: bool,
    /// The token it was asked with.
    pub cursor: Option<String>,
}

impl Served {
    fn of(reply: Reply) -> Self {
        Self { reply, rows: 0, last: true, cursor: None }
    }
}

impl State {
    /// What an operation has to say to a request.
    pub(super) fn serve(
        &mut self,
        operation: &Operation,
        request: &Request,
        values: &Values,
        twist: Option<&What>,
    ) -> Result<Served, Refusal> {
        if let Some(served) = self.going(operation, request)? {
            return Ok(served);
        }
        let page = &operation.page;
        let into =
            page.into.as_ref().filter(|_| matches!(page.kind, Paging::Token | Paging::Link | Paging::Url));
        let into = into.filter(|_| !page.is_numbered());
        let token = into.and_then(|spot| request.at(spot, values)).and_then(|value| rule::text(&value));
        let since = operation.delta.as_ref().and_then(|delta| request.at(&delta.into, values));
        let said = page.size.spot.as_ref().is_some_and(|spot| request.at(spot, values).is_some());
        let mut size = pages::size(page, request, values, self.most)?;
        let (start, listing, origin) = if let Some(token) = &token {
            let cursor = self.cursors.get(token).filter(|cursor| cursor.operation == operation.name);
            let cursor = cursor.ok_or_else(|| format!("`{token}` is no token of {}", operation.name))?;
            let again = matches!(twist, Some(What::Repeat)) || operation.answer.etag;
            if cursor.used && !again {
                return Err(Refusal::Bad(format!("the token `{token}` was answered before")));
            }
            if !page.alone && cursor.print != request.print(&[into.unwrap()]) {
                return Err(Refusal::Bad(format!("the token `{token}` belongs to another question")));
            }
            if !said {
                size = cursor.size;
            }
            (cursor.start, cursor.listing.clone(), cursor.origin.clone())
        } else if let (Some(delta), Some(since)) = (&operation.delta, &since) {
            let point = rule::text(since).and_then(|token| self.points.get(&token));
            let Some(point) = point.filter(|point| point.operation == operation.name) else {
                let why = "the address for changes is too old";
                let reply = self.failure(Some(operation), Which::Missing(delta.expired), why);
                return Ok(Served::of(Reply { status: delta.expired, ..reply }));
            };
            let (asked, of) = &point.asked;
            let Found::Rows(now) = rows::find(operation, asked, of, &self.files, self.now)? else {
                return Err(Refusal::Bad("stub.toml: changes need rows".to_owned()));
            };
            let now: Vec<Value> = now.into_iter().map(|(_, row)| row).collect();
            let changed = rows::changes(delta, &point.rows, &now).into_iter().map(|row| (None, row));
            (0, Listing::new(changed.collect(), page.short), point.asked.clone())
        } else {
            let found = rows::find(operation, request, values, &self.files, self.now)?;
            let rows = match found {
                Found::Missing(200) => Vec::new(),
                Found::Missing(status) => return Err(Refusal::Missing(status)),
                Found::Document(document) => return self.document(operation, request, document),
                Found::Rows(rows) => rows,
            };
            (0, Listing::new(rows, page.short), (request.clone(), values.clone()))
        };
        let counted = page.is_counted();
        let start = if counted { pages::start(page, request, values, size)? } else { start };
        let mut asked = Asked { start, size, listing };
        if counted && twist == Some(&What::Repeat) {
            asked.start = 0;
        }
        let mut cut = pages::cut(page, &asked);
        if twist == Some(&What::Repeat) {
            pages::endless(page, &mut cut);
        }
        self.page(operation, request, asked, cut, token, origin, twist)
    }

    /// Puts a page into its answer.
    #[allow(clippy::too_many_arguments, reason = "one page has so many sides")]
    fn page(
        &mut self,
        operation: &Operation,
        request: &Request,
        asked: Asked,
        cut: Cut,
        token: Option<String>,
        origin: (Request, Values),
        twist: Option<&What>,
    ) -> Result<Served, Refusal> {
        let page = &operation.page;
        let lists = match operation.rows.shape() {
            Shape::Lists => self.files.get(operation.rows.file()).and_then(Value::as_object),
            _ => None,
        };
        let lists: Vec<String> = lists.map(|lists| lists.keys().cloned().collect()).unwrap_or_default();
        let rows = cut.rows.len();
        let mut body = answer::build(operation, Content::Rows(cut.rows), &lists)?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for (place, value) in cut.says {
            match place {
                Place::Pointer(at) => answer::say(&mut body, &at, value)?,
                Place::Header(name) => headers.push((name, rule::text(&value).unwrap_or_default())),
            }
        }
        let host = self.addresses.get(&request.base).map_or("", String::as_str);
        let mut host: String = host.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        if let Some(What::Elsewhere(other)) = twist {
            host.clone_from(other);
        }
        let last = cut.next.is_none();
        let follows = matches!(page.kind, Paging::Token | Paging::Link | Paging::Url);
        if follows {
            let into = page.into.as_ref().ok_or("stub.toml: `page` needs `into`".to_owned())?;
            let next = cut.next.map(|start| {
                if page.is_numbered() {
                    let start = if twist == Some(&What::Repeat) { asked.start } else { start };
                    let number = u64::try_from(start / asked.size.max(1)).unwrap_or(u64::MAX);
                    return (number + page.from.unwrap_or(0)).to_string();
                }
                // What repeats is the very token that came.
                let again = token.clone().filter(|_| twist == Some(&What::Repeat));
                again.unwrap_or_else(|| self.cursor(operation, request, start, &asked, &origin))
            });
            let elsewhere = matches!(twist, Some(What::Elsewhere(_)));
            let next = next.or_else(|| elsewhere.then(|| "elsewhere".to_owned()));
            let at = page.at.as_deref().unwrap_or_default();
            match (page.kind, &next) {
                (Paging::Link, next) => {
                    headers.push(("link".to_owned(), format!("<{host}{}>; rel=\"self\"", request.target)));
                    if let Some(token) = next {
                        let address = pages::address(page, request, &host, into, token);
                        headers.push(("link".to_owned(), format!("<{address}>; rel=\"next\"")));
                    }
                }
                (Paging::Token, Some(token)) => answer::say(&mut body, at, json!(token))?,
                (_, Some(token)) => {
                    let address = pages::address(page, request, &host, into, token);
                    answer::say(&mut body, at, json!(address))?;
                }
                (_, None) => {
                    if let Some(value) = pages::done(page) {
                        answer::say(&mut body, at, value)?;
                    }
                }
            }
        }
        if let (Some(delta), true) = (&operation.delta, last) {
            let token = self.name("d");
            let (first, values) = origin;
            let Found::Rows(now) = rows::find(operation, &first, &values, &self.files, self.now)? else {
                return Err(Refusal::Bad("stub.toml: changes need rows".to_owned()));
            };
            let alone = Page { alone: true, ..page.clone() };
            let address = pages::address(&alone, request, &host, &delta.into, &token);
            answer::say(&mut body, &delta.at, json!(address))?;
            let rows = now.into_iter().map(|(_, row)| row).collect();
            let point = Point { operation: operation.name.clone(), asked: (first, values), rows };
            self.points.insert(token, point);
        }
        let mut served = self.finish(operation, request, body, headers)?;
        let unchanged = served.reply.status == 304;
        served.rows = if unchanged { 0 } else { rows };
        served.last = last;
        served.cursor = token;
        Ok(served)
    }

    fn name(&mut self, letter: &str) -> String {
        self.made += 1;
        // With characters that have to be encoded, as real ones have.
        format!("{letter}{}/+=&", self.made)
    }

    fn cursor(
        &mut self,
        operation: &Operation,
        request: &Request,
        start: usize,
        asked: &Asked,
        origin: &(Request, Values),
    ) -> String {
        let print = request.print(&operation.page.into.iter().collect::<Vec<_>>());
        // Where answers are known by what they hold, addresses in them stay the same.
        let token = match operation.answer.etag {
            true => format!("{}/+=&{start}", counterfoil::connect::map::sha256(print.as_bytes())),
            false => self.name("t"),
        };
        let cursor = Cursor {
            operation: operation.name.clone(),
            print,
            start,
            size: asked.size,
            listing: asked.listing.clone(),
            origin: origin.clone(),
            used: false,
        };
        self.cursors.insert(token.clone(), cursor);
        token
    }

    /// The answer of a job that is not done yet.
    fn going(&mut self, operation: &Operation, request: &Request) -> Result<Option<Served>, Refusal> {
        let Some(job) = &operation.job else { return Ok(None) };
        let calls = self.jobs.entry(format!("{} {}", operation.name, request.print(&[]))).or_default();
        *calls += 1;
        if calls.is_multiple_of(job.calls.max(1)) {
            return Ok(None);
        }
        let mut body = answer::build(operation, Content::Nothing, &[])?;
        answer::say(&mut body, &job.at, json!(job.going))?;
        Ok(Some(Served::of(answer::write(&operation.answer, &body)?)))
    }

    fn document(
        &mut self,
        operation: &Operation,
        request: &Request,
        document: Value,
    ) -> Result<Served, Refusal> {
        let body = answer::build(operation, Content::Document(document), &[])?;
        let mut served = self.finish(operation, request, body, Vec::new())?;
        served.rows = usize::from(served.reply.status != 304);
        Ok(served)
    }

    /// Writes an answer, and says what does not depend on the page.
    fn finish(
        &mut self,
        operation: &Operation,
        request: &Request,
        mut body: Value,
        headers: Vec<(String, String)>,
    ) -> Result<Served, Refusal> {
        if let Some(job) = &operation.job {
            answer::say(&mut body, &job.at, json!(job.done))?;
        }
        if self.unknown && body.is_object() {
            answer::say(&mut body, "/unknownToAll", json!({ "is": ["new", 1, null] }))?;
        }
        let mut reply = answer::write(&operation.answer, &body)?;
        reply.headers.extend(headers);
        for (place, value) in &operation.answer.with {
            if let Place::Header(name) = place {
                reply = reply.header(name, rule::text(value).unwrap_or_default());
            }
        }
        if operation.answer.etag {
            let tag = format!("W/\"{}\"", counterfoil::connect::map::sha256(&reply.body));
            if request.header("if-none-match") == tag {
                self.seen.unchanged += 1;
                reply.status = 304;
                reply.body.clear();
                if self.bare {
                    reply.headers.clear();
                }
            }
            reply = reply.header("etag", tag);
        }
        Ok(Served::of(reply))
    }
}
