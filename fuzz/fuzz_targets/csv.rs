//! CSV, in any encoding, and what a CSV file may be packed in.
#![no_main]

use std::sync::LazyLock;

use counterfoil::connect::{Manifest, Settings};
use libfuzzer_sys::fuzz_target;

static READER: LazyLock<(Manifest, Settings)> = LazyLock::new(|| {
    counterfoil_fuzz::reader(
        "[[shape]]\nname = \"table\"\nformats = [\"csv\", \"xlsx\"]\nfallback_encoding = \"windows-1252\"\n",
    )
});

fuzz_target!(|input: &[u8]| counterfoil_fuzz::decode(&READER.0, &READER.1, input));
