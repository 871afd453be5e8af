//! What the fuzz targets share: a file that holds the input, and the decoders run over it.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use counterfoil::connect::decode::{archive, recognise, rows};
use counterfoil::connect::{Manifest, Settings};

/// Shows the input as a file, since an export is read from a file and more than once.
///
/// # Panics
/// When there is no place for a temporary file.
pub fn as_file<T>(input: &[u8], look: impl FnOnce(&Path) -> T) -> T {
    thread_local! {
        static FILE: RefCell<Option<tempfile::NamedTempFile>> = const { RefCell::new(None) };
    }
    FILE.with_borrow_mut(|slot| {
        let file = slot.get_or_insert_with(|| tempfile::NamedTempFile::new().expect("a temporary file"));
        let handle: &mut File = file.as_file_mut();
        handle.set_len(0).expect("an empty file");
        handle.seek(SeekFrom::Start(0)).expect("its start");
        handle.write_all(input).expect("the input in it");
        look(file.path())
    })
}

/// Runs the decoders over the input, as a pull does before any map; nothing may panic, and a row that was read is
/// a row that can be written.
pub fn decode(manifest: &Manifest, settings: &Settings, input: &[u8]) {
    as_file(input, |path| {
        let Ok(inputs) = archive::open(path) else { return };
        for input in inputs {
            let Ok(recognised) = recognise(&input, manifest, settings) else { continue };
            let Some(shape) = manifest.shapes.iter().find(|shape| shape.name == recognised.shape) else { continue };
            let _ = rows(&input, &recognised, shape, settings, &mut |row, _| {
                match row {
                    Ok(row) => assert!(serde_json::to_string(&row.value).is_ok()),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
                Ok(())
            });
        }
    });
}

/// A manifest of these shapes, and settings that say nothing.
///
/// # Panics
/// When the shapes are written wrongly.
#[must_use]
pub fn reader(shapes: &str) -> (Manifest, Settings) {
    let head = "name = \"fuzz\"\ntitle = \"Fuzz\"\nsummary = \"What nobody would write.\"\nprovides = []\n";
    let manifest = Manifest::parse(&format!("{head}{shapes}"), "manifest.toml").expect("a manifest");
    let settings = Settings::parse(&manifest, []).expect("settings");
    (manifest, settings)
}
