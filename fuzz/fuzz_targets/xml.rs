//! XML, with rows at a fixed path and under any name.
#![no_main]

use std::sync::LazyLock;

use counterfoil::connect::{Manifest, Settings};
use libfuzzer_sys::fuzz_target;

static READER: LazyLock<(Manifest, Settings)> = LazyLock::new(|| {
    counterfoil_fuzz::reader(
        "[[shape]]\nname = \"rss\"\nformats = [\"xml\"]\nrows = [\"rss/channel/item\"]\n\
         [[shape]]\nname = \"unload\"\nformats = [\"xml\"]\nrows = [\"unload/*\"]\n",
    )
});

fuzz_target!(|input: &[u8]| counterfoil_fuzz::decode(&READER.0, &READER.1, input));
