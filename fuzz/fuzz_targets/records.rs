//! One line of records: what is read has a canonical text, and that text is the same record.
#![no_main]

use counterfoil::model::{Record, canonical_text, parse_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    match parse_line(line) {
        // A count beyond 2^53 is not itself as a double, which is how RFC 8785 writes numbers.
        Ok(Record::Snapshot(_)) => assert!(canonical_text(line).is_ok()),
        Ok(record) => {
            let known = canonical_text(line).expect("a record has a canonical text");
            // It holds what a record of this type says, and the type is no part of that.
            let value: serde_json::Value = serde_json::from_slice(line).expect("a record is JSON");
            let fields = known.trim_start_matches('{');
            let typed = format!("{{\"type\":{}{}{fields}", value["type"], if fields == "}" { "" } else { "," });
            let again = parse_line(typed.as_bytes()).expect("a canonical text is a record");
            assert_eq!(record, again);
            assert_eq!(canonical_text(typed.as_bytes()), Ok(known));
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(canonical_text(line).is_err(), "no record, and yet it has a canonical text");
        }
    }
});
