//! Every line parsed into a struct that borrows its texts, and dropped.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use counterfoil::model::Text;
use serde::Deserialize;

/// What a record of any type can say that the judge looks at.
#[derive(Deserialize)]
#[allow(dead_code, reason = "it is parsed, and that is all")]
struct Any<'a> {
    #[serde(borrow)]
    r#type: Text<'a>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    status_since: Option<Text<'a>>,
    #[serde(borrow, default)]
    aliases: Vec<Text<'a>>,
    #[serde(borrow)]
    owner: Option<Text<'a>>,
    #[serde(borrow)]
    manager: Option<Text<'a>>,
    #[serde(borrow, default)]
    groups: Vec<Text<'a>>,
    #[serde(borrow)]
    system: Option<Text<'a>>,
    #[serde(borrow)]
    account: Option<Text<'a>>,
    #[serde(borrow)]
    entitlement: Option<Text<'a>>,
    #[serde(borrow)]
    scope: Option<Text<'a>>,
    #[serde(borrow)]
    granted_at: Option<Text<'a>>,
    #[serde(borrow)]
    expires_at: Option<Text<'a>>,
    #[serde(borrow)]
    last_used_at: Option<Text<'a>>,
    #[serde(borrow)]
    usage_tracked_since: Option<Text<'a>>,
    #[serde(borrow)]
    ticket: Option<Text<'a>>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow)]
    state: Option<Text<'a>>,
    #[serde(borrow)]
    intent: Option<Text<'a>>,
    #[serde(borrow)]
    requester: Option<Text<'a>>,
    #[serde(borrow, default)]
    beneficiaries: Vec<Text<'a>>,
    #[serde(borrow, default)]
    access: Vec<Access<'a>>,
    #[serde(borrow, default)]
    approvals: Vec<Approval<'a>>,
    #[serde(borrow)]
    requested_at: Option<Text<'a>>,
    #[serde(borrow)]
    policy: Option<Text<'a>>,
    #[serde(borrow)]
    justification: Option<Text<'a>>,
    #[serde(borrow)]
    review_by: Option<Text<'a>>,
    #[serde(borrow)]
    workflow: Option<Text<'a>>,
    #[serde(borrow)]
    completed_at: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "it is parsed, and that is all")]
struct Access<'a> {
    #[serde(borrow)]
    system: Text<'a>,
    #[serde(borrow)]
    entitlement: Text<'a>,
    #[serde(borrow)]
    scope: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "it is parsed, and that is all")]
struct Approval<'a> {
    #[serde(borrow)]
    approver: Option<Text<'a>>,
    #[serde(borrow)]
    decision: Option<Text<'a>>,
    #[serde(borrow)]
    decided_at: Option<Text<'a>>,
}

/// How much is read at once.
const BLOCK: u64 = 4 << 20;
/// More than the longest line.
const MORE: usize = 1 << 16;

/// Parses all lines of a file on this many threads; how many there are.
pub fn parse(file: &Path, threads: usize) -> u64 {
    let file = File::open(file).unwrap();
    let size = file.metadata().unwrap().len();
    let next = AtomicU64::new(0);
    let work = || {
        let (mut lines, mut buffer) = (0, vec![0; BLOCK as usize + MORE]);
        loop {
            let from = next.fetch_add(1, Ordering::Relaxed) * BLOCK;
            if from >= size {
                return lines;
            }
            // A line belongs to the block that its first byte is in.
            let before = u64::from(from > 0);
            let mut read = 0;
            while read < buffer.len() {
                match file.read_at(&mut buffer[read..], from - before + read as u64).unwrap() {
                    0 => break,
                    n => read += n,
                }
            }
            let end = (BLOCK + before) as usize;
            let mut at = if before == 0 { 0 } else { memchr::memchr(b'\n', &buffer[..read]).unwrap() + 1 };
            while at < end.min(read) {
                let stop = memchr::memchr(b'\n', &buffer[at..read]).map_or(read, |n| at + n);
                black_box(serde_json::from_slice::<Any<'_>>(&buffer[at..stop]).unwrap());
                lines += 1;
                at = stop + 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    })
}
