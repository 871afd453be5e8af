//! Pages: which rows an answer has, and how it says where the next ones are.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::paging::{Done, Over, Page, Paging, Short};
use super::rows::Values;
use super::rule::text;
use super::spot::{Place, Spot};
use super::wire::Request;

/// A row with the list it belongs to.
pub type Row = (Option<String>, Value);

/// Rows that are handed out page by page. A place without a row is one that the account may not see.
#[derive(Debug, Clone)]
pub struct Listing {
    places: Vec<Option<Row>>,
}

impl Listing {
    pub fn new(rows: Vec<Row>, short: Short) -> Self {
        let hidden = |at: usize| short == Short::Hides && at.is_multiple_of(3);
        let places = rows.into_iter().enumerate().flat_map(|(at, row)| {
            let hidden = hidden(at).then_some(None);
            hidden.into_iter().chain([Some(row)])
        });
        Self { places: places.collect() }
    }
}

/// A page that was given a token or an address, and what that is good for.
#[derive(Debug, Clone)]
pub struct Cursor {
    pub operation: String,
    /// The request it came from, without what says which page.
    pub print: String,
    pub start: usize,
    pub size: usize,
    pub listing: Listing,
    /// The first request of all.
    pub origin: (Request, Values),
    pub used: bool,
}

/// Which page is asked for.
#[derive(Debug)]
pub struct Asked {
    pub start: usize,
    pub size: usize,
    pub listing: Listing,
}

/// How many rows a page may have that is asked for so.
///
/// # Errors
/// When the product does not take that number.
pub fn size(page: &Page, request: &Request, values: &Values, most: Option<usize>) -> Result<usize, String> {
    let size = &page.size;
    if page.kind == Paging::One {
        return Ok(usize::MAX);
    }
    let said = size.spot.as_ref().and_then(|spot| request.at(spot, values));
    let max = size.fixed.or(size.max).unwrap_or(usize::MAX);
    let asked = match said {
        None => size.fixed.or(size.default).unwrap_or(max).min(max),
        Some(said) => {
            let number = text(&said).and_then(|said| said.parse::<usize>().ok());
            let number = number.filter(|number| *number > 0);
            let number = number.ok_or_else(|| format!("the size of a page is {said}"))?;
            if number > max && size.over == Over::Refuse {
                return Err(format!("pages have at most {max} rows, not {number}"));
            }
            number.min(max)
        }
    };
    // A scenario makes pages smaller where the request cannot.
    let smaller = size.spot.is_none() || page.short == Short::Shrinks;
    Ok(most.filter(|_| smaller).map_or(asked, |most| asked.min(most)))
}

/// Where an offset or the number of a page says to start.
///
/// # Errors
/// When it is no number that can be.
pub fn start(page: &Page, request: &Request, values: &Values, size: usize) -> Result<usize, String> {
    let said = page.into.as_ref().and_then(|spot| request.at(spot, values));
    let first = page.from.unwrap_or(if page.kind == Paging::Number { 1 } else { 0 });
    let counted = page.kind == Paging::Number || page.is_numbered();
    let Some(said) = said else { return Ok(0) };
    let number = text(&said).and_then(|said| said.parse::<u64>().ok());
    let number = number.and_then(|number| number.checked_sub(first));
    let number = number.ok_or_else(|| format!("there is no page at {said}"))?;
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    Ok(if counted { number.saturating_mul(size) } else { number })
}

/// A page of rows, and what is said beside them.
#[derive(Debug)]
pub struct Cut {
    pub rows: Vec<Row>,
    /// Where the next page starts, if there is one.
    pub next: Option<usize>,
    /// Numbers and booleans, and where they go.
    pub says: BTreeMap<Place, Value>,
}

/// Cuts one page out of a listing.
pub fn cut(page: &Page, asked: &Asked) -> Cut {
    let places = &asked.listing.places;
    let rest = places.get(asked.start..).unwrap_or_default();
    let mut take = asked.size.min(rest.len());
    if page.short == Short::Shrinks && take > 1 {
        take -= 1;
    }
    let rows: Vec<Row> = rest.iter().take(take).flatten().cloned().collect();
    let end = asked.start.saturating_add(take);
    let more = rest.len() > take;
    let counted = page.is_counted();
    let next = (more || (page.trailing && take > 0 && !counted)).then_some(end);
    let number = |number: usize| Value::from(u64::try_from(number).unwrap_or(u64::MAX));
    let first = usize::try_from(page.from.unwrap_or(0)).unwrap_or(0);
    let pages = places.len().div_ceil(asked.size.max(1));
    let all: [(&Option<Place>, Value); 8] = [
        (&page.more, next.is_some().into()),
        (&page.last, next.is_none().into()),
        (&page.total, number(places.len())),
        (&page.pages, number(pages)),
        (&page.first, number(asked.start + if page.kind == Paging::Offset { first } else { 0 })),
        (&page.count, number(rows.len())),
        (&page.per_page, number(asked.size)),
        (&page.page, number(asked.start / asked.size.max(1) + first.max(usize::from(page.from.is_none())))),
    ];
    let says = all.into_iter().filter_map(|(place, value)| Some((place.clone()?, value))).collect();
    Cut { rows, next, says }
}

/// The address of the next page: this request with another value at a spot.
pub fn address(page: &Page, request: &Request, origin: &str, spot: &Spot, token: &str) -> String {
    let Spot::Query(into) = spot else {
        panic!("stub.toml: `into` of a link or address has to be `query:NAME`")
    };
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let others = request.query.iter().filter(|(name, _)| name != into && !page.alone);
    let mut query: Vec<String> =
        others.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    query.push(format!("{}={}", encode(into), encode(token)));
    let host = if page.relative { "" } else { origin };
    format!("{host}{}?{}", request.raw_path(), query.join("&"))
}

/// How the last page says that it is the last, at the place where others have the next one.
pub fn done(page: &Page) -> Option<Value> {
    match page.done {
        Done::Absent => None,
        Done::Null => Some(Value::Null),
        Done::Empty => Some(Value::String(String::new())),
    }
}

/// Makes a page say that there are more without end.
pub fn endless(page: &Page, cut: &mut Cut) {
    cut.next.get_or_insert(0);
    let many = Value::from(1_000_000_000_u64);
    for (place, value) in [
        (&page.more, true.into()),
        (&page.last, false.into()),
        (&page.total, many.clone()),
        (&page.pages, many),
    ] {
        if let Some(place) = place {
            cut.says.insert(place.clone(), value);
        }
    }
}
