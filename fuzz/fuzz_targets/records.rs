//! One line of records: what is read has a canonical text, and that text is the same record.
#![no_main]

use counterfoil::model::{canonical_text, parse_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    match parse_line(line) {
        Ok(record) => {
            let text = canonical_text(line).expect("a record has a canonical text");
            let again = parse_line(text.as_bytes()).expect("a canonical text is a record");
            assert_eq!(record, again);
            assert_eq!(canonical_text(text.as_bytes()).as_deref(), Ok(text.as_str()));
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let _ = canonical_text(line);
        }
    }
});
