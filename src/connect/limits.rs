//! Every limit the file transport and the maps keep, in one place, each with its reason.
//!
//! An export is written by somebody else, so its size, depth and width are hostile until counted. A limit that
//! is met ends the pull with an error that names the limit and the place, never with a partial result that looks
//! whole.

/// Bytes one input may have after decompression: 16 GiB. More than any ticket export seen (the largest Jira
/// instances write well below 2 GiB), and small enough to end within minutes.
pub const MAX_DECODED_BYTES: u64 = 16 << 30;

/// How many times larger than its compressed form an input may become. Plain deflate stays below about 1,030:1
/// and real exports (JSON, CSV, XML) below about 40:1, so 200:1 tells a bomb from a repetitive export.
pub const MAX_RATIO: u64 = 200;

/// Decompressed bytes below which the ratio is not looked at: 1 MiB. A small file of blanks compresses better than
/// [`MAX_RATIO`] and harms nobody.
pub const RATIO_FREE_BYTES: u64 = 1 << 20;

/// Entries one zip file may list.
pub const MAX_ZIP_ENTRIES: usize = 10_000;

/// Bytes a spreadsheet (XLSX) may unpack to: 1 GiB. Its shared strings are held in memory as a whole.
pub const MAX_XLSX_BYTES: u64 = 1 << 30;

/// Bytes of a compressed XLSX, which is held in memory when it comes out of another compression: 256 MiB.
pub const MAX_XLSX_FILE_BYTES: u64 = 256 << 20;

/// Bytes of one row in its raw form: 16 MiB, the same as one line of `spec/records.md`.
pub const MAX_ROW_BYTES: u64 = 16 << 20;

/// Bytes of one row where the whole document is the row (an IAM authorization-details file): 256 MiB.
pub const MAX_DOCUMENT_BYTES: u64 = 256 << 20;

/// Bytes in memory that one answer of a product may unpack to, and so much all rows that belong into one page of others, as
/// estimated by the room they take: 1 GiB. JSON of blanks and braces unpacks to a hundred times its bytes, real answers to
/// less than ten times.
pub const MAX_ANSWER_MEMORY: u64 = 1 << 30;

/// Bytes of a refusal that are looked at: 1 MiB. Nobody says more of why than fits into that.
pub const MAX_REFUSAL_BYTES: usize = 1 << 20;

/// Bytes of what a document says outside its rows (`$head`): 4 MiB.
pub const MAX_HEAD_BYTES: u64 = 4 << 20;

/// Bytes of one cell of a CSV: 16 MiB.
pub const MAX_FIELD_BYTES: usize = 16 << 20;

/// Columns of a table. A real Jira export has 2,261.
pub const MAX_COLUMNS: usize = 20_000;

/// Rows of one file.
pub const MAX_ROWS: u64 = 50_000_000;

/// Rows a sheet of an XLSX can have, by the format's own definition (ECMA-376).
pub const MAX_SHEET_ROWS: u32 = 1_048_576;

/// Columns a sheet of an XLSX can have, by the format's own definition (ECMA-376).
pub const MAX_SHEET_COLUMNS: u32 = 16_384;

/// Cells of one sheet: 100 million.
pub const MAX_SHEET_CELLS: u64 = 100_000_000;

/// Levels of nesting in JSON, the same as for a record.
pub const MAX_JSON_DEPTH: usize = 64;

/// Levels of nesting in XML.
pub const MAX_XML_DEPTH: usize = 64;

/// Attributes of one XML element.
pub const MAX_XML_ATTRIBUTES: usize = 256;

/// Records one row may be mapped to. One authorization-details document is one row, so this is generous.
pub const MAX_RECORDS_PER_ROW: u64 = 5_000_000;

/// Levels of nesting of a value that comes out of a map.
pub const MAX_OUTPUT_DEPTH: usize = 64;

/// Bytes of a manifest, a map or a page of a connector folder: 1 MiB.
pub const MAX_CONNECTOR_FILE_BYTES: u64 = 1 << 20;

/// Bytes a compiled regular expression of a setting may take: 4 MiB.
pub const MAX_PATTERN_BYTES: usize = 4 << 20;

/// Compiled patterns kept at hand by one map.
pub const MAX_CACHED_PATTERNS: usize = 256;

/// Address space of the process that runs a map from disk: 2 GiB, in KiB. A document row of [`MAX_DOCUMENT_BYTES`]
/// takes several times its bytes.
pub const MAX_WORKER_KIB: u64 = 2 << 20;

/// Threads that map the rows of one pull: 16. More wait for the one that reads.
pub const MAX_MAP_THREADS: usize = 16;

/// Seconds a map from disk may take over one row.
pub const WORKER_ROW_SECONDS: u64 = 60;

/// Bytes of one result of a map from disk: 64 MiB.
pub const MAX_WORKER_LINE_BYTES: u64 = 64 << 20;

/// Rows that `--skip-bad-records` lists one by one; the others are counted.
pub const MAX_LISTED_REJECTS: usize = 1_000;

/// Bytes that links between rows may take in memory (see `joins` in a manifest), as estimated by
/// [`super::map::Links`]: 1 GiB, about a million approvals with their users.
pub const MAX_LINK_BYTES: u64 = 1 << 30;

/// Records held in memory while their parts are being joined (see `merge` in a manifest).
pub const MAX_HELD_RECORDS: usize = 5_000_000;

/// Bytes of answers that are kept to be asked for with `If-None-Match`: 64 MiB for one source.
pub const MAX_KEPT_ANSWER_BYTES: u64 = 64 << 20;

/// Bytes that grants and what includes what may take in memory (see `inherit` in a manifest), as estimated by
/// [`super::inherit`]: 1 GiB. That is some ten million memberships of a million accounts where one row of the product
/// lists the groups of an account, and about three million where each is a row of its own with its own evidence.
pub const MAX_INHERIT_BYTES: u64 = 1 << 30;

/// Entitlements that may be held through one: 100,000.
pub const MAX_REACH: usize = 100_000;

/// Grants that may rest on others, in one pull: 20 million.
pub const MAX_INHERITED: u64 = 20_000_000;

/// Steps between an account and what it holds through others. Groups nest less than ten deep where a person has to
/// understand them.
pub const MAX_PATH_STEPS: usize = 64;
