//! The pack as one page: everything in one file, without scripts and without anything that is fetched, for a browser or a
//! printer. Every picture says in words what it shows, and has its numbers below it.

mod findings;
mod page;
mod parts;
mod plot;

use base64::Engine;
use sha2::{Digest, Sha256};

use super::pack::Pack;
use page::Page;

/// How the page looks.
const STYLE: &str = include_str!("style.css");

/// The page.
#[must_use]
pub fn html(pack: &Pack) -> String {
    let mut page = Page::default();
    // Whatever a name may hold: nothing runs, nothing is fetched, and no other style counts.
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-")
        .raw(&hash)
        .raw("'; base-uri 'none'; form-action 'none'\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta name=\"robots\" content=\"noindex\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>")
        .text(&format!("Evidence of access as of {}", pack.head.as_of))
        .raw("</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n");
    parts::write(&mut page, pack);
    page.raw("</body>\n</html>\n");
    page.finish()
}
