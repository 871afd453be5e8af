//! JSON documents with rows in several places, and JSON lines.
#![no_main]

use std::sync::LazyLock;

use counterfoil::connect::{Manifest, Settings};
use libfuzzer_sys::fuzz_target;

static READER: LazyLock<(Manifest, Settings)> = LazyLock::new(|| {
    counterfoil_fuzz::reader(
        "[[shape]]\nname = \"pages\"\nformats = [\"json\"]\nrows = [\"/issues\", \"/*/issues\", \"/result\"]\n\
         [[shape]]\nname = \"array\"\nformats = [\"json\"]\nrows = [\"\"]\n\
         [[shape]]\nname = \"lines\"\nformats = [\"jsonl\"]\nrow_keys = [\"type\"]\n\
         [[shape]]\nname = \"document\"\nformats = [\"json\"]\nrows = [\"document\"]\n",
    )
});

fuzz_target!(|input: &[u8]| counterfoil_fuzz::decode(&READER.0, &READER.1, input));
