//! The rows of a partition: how a record is framed with its home, so that any tool that sorts and splits lines can carry it.
//!
//! ```text
//! HOME <tab> KIND <tab> NUMBER <tab> JSON
//! ```
//!
//! `HOME` is `*` (needed in every partition), `-` (belongs to no subject) or 16 hexadecimal digits; whoever carries rows need
//! not know what they mean. `KIND` is one digit, `NUMBER` twelve: no two rows of a home have the same of both. All three are
//! of one width, so the order of the bytes of whole lines (`LC_ALL=C sort`) is the order that a partition must have: what
//! all share first, then home by home, and of each home all that decides before what is decided.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::judge::Home;
use crate::model::{Instant, Record};

/// The name and version of this format.
pub const FORMAT: &str = "counterfoil.partition/1";

/// How many slices there can be, and how many numbers each has.
pub const SLICES: u16 = 10_000;
pub(super) const IN_SLICE: u64 = 100_000_000;

/// The slice of which a row with this number is.
pub(super) fn slice_of(number: u64) -> u64 {
    number / IN_SLICE
}

/// The row of nobody.
pub(super) const NOBODY: &[u8] = b"-\t7\t000000000000\t{}";

/// How long the frame of a row can be.
pub(super) const FRAME: usize = 40;

/// Which partitions a row is for. In the order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum For {
    Every,
    One(Home),
}

/// What a row holds. In the order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// What must be the same for all partitions of one run.
    Header,
    /// A system on which grants are held, wherever.
    Held,
    /// A record that every partition needs.
    Shared,
    Request,
    Usage,
    Certification,
    Grant,
    /// Nothing: it says that what belongs to no subject is told where this row is.
    Nobody,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Header,
        Self::Held,
        Self::Shared,
        Self::Request,
        Self::Usage,
        Self::Certification,
        Self::Grant,
        Self::Nobody,
    ];

    /// The kind of a record.
    pub(super) fn of(record: &Record<'_>) -> Self {
        match record {
            Record::Request(_) => Self::Request,
            Record::Usage(_) => Self::Usage,
            Record::Certification(_) => Self::Certification,
            Record::Grant(_) => Self::Grant,
            _ => Self::Shared,
        }
    }

    /// Whether rows for these partitions can hold it.
    fn fits(self, to: For) -> bool {
        match to {
            For::Every => self <= Self::Shared,
            For::One(Home::Nobody) => self == Self::Nobody,
            For::One(Home::Of(_)) => self > Self::Shared && self != Self::Nobody,
        }
    }
}

/// A row, taken apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) to: For,
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) json: &'a [u8],
}

impl<'a> Row<'a> {
    /// Takes a line apart; what was expected where it is no row.
    pub(super) fn of(line: &'a [u8]) -> Result<Self, &'static str> {
        let mut parts = line.splitn(4, |b| *b == b'\t');
        let mut part =
            || parts.next().ok_or("four parts with tabs between them: home, kind, number and JSON");
        let (home, kind, number, json) = (part()?, part()?, part()?, part()?);
        let to = match home {
            b"*" => For::Every,
            _ => For::One(home_of_text(home).ok_or("as home `*`, `-` or 16 hexadecimal digits")?),
        };
        let kind = match kind {
            [digit] => Kind::ALL.get(usize::from(digit.wrapping_sub(b'0'))).copied(),
            _ => None,
        };
        let kind = kind.filter(|kind| kind.fits(to)).ok_or("a kind that there is for this home")?;
        let number = digits(number, 12, 10).ok_or("a number of 12 digits")?;
        Ok(Self { to, kind, number, json })
    }

    /// Where the number stands in the line of a row that every partition needs.
    pub(super) const NUMBER: usize = 4;

    /// The row as a line, without its end.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = vec![];
        self.write(&mut line);
        line
    }

    /// Where it stands among all rows.
    pub(super) fn place(&self) -> (For, Kind, u64) {
        (self.to, self.kind, self.number)
    }

    /// Writes the row as a line, without its end.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        use std::io::Write as _;
        let kind = self.kind as u8;
        // A vector takes all that is written.
        let _ = match self.to {
            For::Every => write!(out, "*\t{kind}\t{:012}\t", self.number),
            For::One(home) => write!(out, "{home}\t{kind}\t{:012}\t", self.number),
        };
        put_json(self.json, out);
    }
}

/// Writes a record. Tabs and carriage returns, which JSON has between its parts only, become spaces: there are tools that
/// take either for an end.
pub(super) fn put_json(json: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(json);
    if memchr::memchr2(b'\t', b'\r', json).is_some() {
        let json = out.get_mut(start..).unwrap_or_default().iter_mut();
        json.filter(|b| matches!(b, b'\t' | b'\r')).for_each(|b| *b = b' ');
    }
}

/// A home as it is written.
pub(super) fn home_of_text(text: &[u8]) -> Option<Home> {
    if text == b"-" { Some(Home::Nobody) } else { digits(text, 16, 16).map(Home::Of) }
}

/// A number of exactly so many digits, the letters small.
pub(super) fn digits(text: &[u8], width: usize, radix: u32) -> Option<u64> {
    let digit = |b: &u8| b.is_ascii_digit() || (radix == 16 && (b'a'..=b'f').contains(b));
    let text = std::str::from_utf8(text).ok().filter(|t| t.len() == width && t.bytes().all(|b| digit(&b)))?;
    u64::from_str_radix(text, radix).ok()
}

/// A sum of hashes: the same for the same things in any order and however they are shared out, another where one is
/// lost, doubled or changed. It tells accidents, not malice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// One more thing.
    pub fn add(&mut self, bytes: &[u8]) {
        let mut hasher = rustc_hash::FxHasher::default();
        hasher.write(bytes);
        hasher.write_usize(bytes.len());
        // What is summed must differ in all its bits.
        let mut x = hasher.finish().wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = self.0.wrapping_add(x ^ (x >> 31));
    }

    /// All that another sum holds.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    fn is_of_none(&self) -> bool {
        *self == Self::default()
    }

    /// The sum of homes, each added once.
    pub(super) fn add_home(&mut self, home: Home) {
        match home {
            Home::Nobody => self.add(b"-"),
            Home::Of(number) => self.add(&number.to_be_bytes()),
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Sum {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        digits(text.as_bytes(), 16, 16)
            .map(Self)
            .ok_or_else(|| format!("found `{text}`, expected 16 hexadecimal digits"))
    }
}

impl Serialize for Sum {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Who judges how: the same for all partitions of one run, or they say nothing together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judge {
    /// [`FORMAT`].
    pub format: String,
    /// The version of the program.
    pub program: String,
    /// A hash of everything in the configuration that findings depend on.
    pub settings: String,
    /// The instant judged at.
    pub now: Instant,
}

/// The first row of every partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    #[serde(flatten)]
    pub(super) judge: Judge,
    /// How many rows every partition has besides this one, and their sum.
    pub(super) shared: u64,
    pub(super) shared_sum: Sum,
}

impl Header {
    /// Reads it, its format first: a header of another one may say other things.
    pub(super) fn of(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let bad = |e: serde_json::Error| format!("the header: {e}");
        let Format { format } = serde_json::from_slice(json).map_err(bad)?;
        if format != FORMAT {
            return Err(format!("the header: found format `{format}`, expected `{FORMAT}`"));
        }
        serde_json::from_slice(json).map_err(bad)
    }
}

/// Rows, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    pub(super) rows: u64,
    pub(super) sum: Sum,
}

impl Count {
    pub(super) fn add(&mut self, line: &[u8]) {
        self.rows += 1;
        self.sum.add(line);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.sum.merge(other.sum);
    }
}

/// The rows that are for one partition, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows of each kind; a request for two people is two.
    pub requests: u64,
    /// See `requests`.
    pub usages: u64,
    /// See `requests`.
    pub certifications: u64,
    /// Every grant has one row.
    pub grants: u64,
    /// Over all these rows.
    pub rows_sum: Sum,
    /// Homes, the one for nobody among them; none of a slice, as it shares them with others.
    #[serde(default, skip_serializing_if = "is_none")]
    pub homes: u64,
    /// Over all homes, each once.
    #[serde(default, skip_serializing_if = "Sum::is_of_none")]
    pub homes_sum: Sum,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Tally {
    /// That of the row of nobody, which is at one home.
    #[must_use]
    pub fn of_nobody() -> Self {
        let mut tally = Self::default();
        tally.count(Kind::Nobody, NOBODY);
        tally.count_home(Home::Nobody);
        tally
    }

    /// Counts a row.
    pub(super) fn count(&mut self, kind: Kind, line: &[u8]) {
        match kind {
            Kind::Request => self.requests += 1,
            Kind::Usage => self.usages += 1,
            Kind::Certification => self.certifications += 1,
            Kind::Grant => self.grants += 1,
            Kind::Header | Kind::Held | Kind::Shared | Kind::Nobody => {}
        }
        self.rows_sum.add(line);
    }

    /// Counts a home, once.
    pub(super) fn count_home(&mut self, home: Home) {
        self.homes += 1;
        self.homes_sum.add_home(home);
    }

    /// Takes in what another counted.
    pub fn merge(&mut self, other: &Self) {
        // Counts may come from a file.
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.requests, other.requests);
        add(&mut self.usages, other.usages);
        add(&mut self.certifications, other.certifications);
        add(&mut self.grants, other.grants);
        self.rows_sum.merge(other.rows_sum);
        add(&mut self.homes, other.homes);
        self.homes_sum.merge(other.homes_sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_back_as_they_were_and_their_bytes_are_in_their_order(
            rows in prop::collection::vec((0..4u64, 0..8usize, prop::sample::select(vec![0, 1, 9, 10, 999_999_999_999u64])), 2),
        ) {
            let row = |&(home, kind, number): &(u64, usize, u64)| {
                let to = match home {
                    0 => For::Every,
                    1 => For::One(Home::Nobody),
                    _ => For::One(Home::Of(home << 60)),
                };
                Row { to, kind: Kind::ALL[kind], number, json: b"{\"a\": 1}" }
            };
            let lines: Vec<Vec<u8>> = rows.iter().map(|r| {
                let mut line = vec![];
                row(r).write(&mut line);
                line
            }).collect();
            let read: Vec<_> = lines.iter().map(|line| Row::of(line)).collect();
            for (read, made) in read.iter().zip(&rows) {
                let made = row(made);
                match read {
                    Ok(read) => prop_assert_eq!((read.place(), read.json), (made.place(), made.json)),
                    Err(_) => prop_assert!(!made.kind.fits(made.to)),
                }
            }
            prop_assert_eq!(lines[0].cmp(&lines[1]), row(&rows[0]).place().cmp(&row(&rows[1]).place()));
        }
    }

    #[test]
    fn no_row_has_a_tab_or_a_carriage_return_in_its_record() {
        let line = b"{\t\"type\":\"system\",\r\"id\":\"a\\tb\\r\"}\r";
        let mut row = vec![];
        Row { to: For::Every, kind: Kind::Shared, number: 7, json: line }.write(&mut row);
        let json = Row::of(&row).unwrap().json;
        assert_eq!(json, b"{ \"type\":\"system\", \"id\":\"a\\tb\\r\"} ");
        let id = |line: &[u8]| match crate::model::parse_line(line) {
            Ok(Record::System(s)) => s.id.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!((id(line), id(json)), ("a\tb\r".to_owned(), "a\tb\r".to_owned()));
        // Within a text there is none: such a line is no record.
        assert!(crate::model::parse_line(b"{\"type\":\"system\",\"id\":\"a\tb\"}").is_err());
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for line in [
            "",
            "*",
            "*\t0\t000000000000",
            "+\t3\t000000000000\t{}",
            "*\t3\t000000000000\t{}",
            "-\t6\t000000000000\t{}",
            "00000000000000aA\t3\t000000000000\t{}",
            "00000000000000a\t3\t000000000000\t{}",
            "00000000000000aa\t8\t000000000000\t{}",
            "00000000000000aa\t3\t+00000000000\t{}",
            "00000000000000aa\t3\t00000000000\t{}",
            "00000000000000aa\t33\t000000000000\t{}",
        ] {
            assert!(Row::of(line.as_bytes()).is_err(), "{line}");
        }
        assert!(Row::of(b"00000000000000aa\t3\t000000000000\t").is_ok());
    }

    #[test]
    fn a_sum_does_not_depend_on_the_order_and_shows_what_is_lost_or_doubled() {
        let sum = |words: &[&str]| {
            let mut sum = Sum::default();
            words.iter().for_each(|w| sum.add(w.as_bytes()));
            sum
        };
        assert_eq!(sum(&["a", "b", ""]), sum(&["", "b", "a"]));
        for other in [&["a"][..], &["a", "b", "b"], &["a", "c"], &["ab"], &["a", "b", ""], &["a", "b\0"]] {
            assert_ne!(sum(&["a", "b"]), sum(other));
        }
        assert_eq!(sum(&["a"]).to_string().parse::<Sum>(), Ok(sum(&["a"])));
    }
}
