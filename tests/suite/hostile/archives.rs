//! Hostile archives.

use super::{Bench, ids, says};
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;

const GOOD: &[u8] = br#"{"rows":[{"id":"x"}]}"#;

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn whole_ones_are_taken() {
    let bench = Bench::new();
    assert_eq!(ids(&bench.pull("in.json.gz", &gz(GOOD)).unwrap()), ["x"]);
    assert_eq!(ids(&bench.pull("in.json.zst", &zst(GOOD)).unwrap()), ["x"]);
    // The content decides, not the name.
    assert_eq!(ids(&bench.pull("in.csv", &gz(GOOD)).unwrap()), ["x"]);
    let several = zipped(&[("b/two.json", GOOD), ("a/one.csv", b"id\ny\n"), ("__MACOSX/._x", b"\0\0")]);
    assert_eq!(ids(&bench.pull("in.zip", &several).unwrap()), ["x", "y"]);
}

#[test]
fn names_of_entries_are_only_shown() {
    let bench = Bench::new();
    let escaping = zipped(&[("../../../../tmp/counterfoil-escape\u{7}.json", b"{\"no\":1}")]);
    let message = bench.refuse("in.zip", &escaping);
    says(&message, "in.zip!../../../../tmp/counterfoil-escape?.json: JSON of no shape");
    assert!(!std::path::Path::new("/tmp/counterfoil-escape\u{7}.json").exists());
}

#[test]
fn cut_off_ones_are_refused() {
    let bench = Bench::new();
    let noise: Vec<u8> = (0..3_000u32)
        .flat_map(|n| format!("{{\"id\":\"{:x}\"}}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
        .collect();
    for (name, whole) in [
        ("in.jsonl.gz", gz(&noise)),
        ("in.jsonl.zst", zst(&noise)),
        ("in.zip", zipped(&[("in.jsonl", &noise)])),
    ] {
        assert_eq!(ids(&bench.pull(name, &whole).unwrap()).len(), 3_000);
        for part in 1..10 {
            bench.refuse(name, &whole[..whole.len() * part / 10]);
        }
        bench.refuse(name, &whole[..whole.len() - 1]);
    }
}

#[test]
fn bombs_are_refused() {
    let bench = Bench::new();
    let blanks = vec![b' '; 64 << 20];
    says(&bench.refuse("in.json.gz", &gz(&blanks)), "more than 200 times");
    says(&bench.refuse("in.json.zst", &zst(&blanks)), "more than 200 times");
    says(&bench.refuse("in.zip", &zipped(&[("in.json", &blanks)])), "more than 200 times");
    // Below the limit, repetition is no crime.
    let fine = [vec![b' '; 900 << 10], GOOD.to_vec()].concat();
    assert_eq!(ids(&bench.pull("in.json.gz", &gz(&fine)).unwrap()), ["x"]);
}

#[test]
fn archives_in_archives_are_refused() {
    let bench = Bench::new();
    let inner = zipped(&[("in.json", GOOD)]);
    says(&bench.refuse("in.zip", &zipped(&[("inner.zip", &inner)])), "within a zip");
    says(&bench.refuse("in.zip", &zipped(&[("in.json.gz", &gz(GOOD))])), "within a zip");
    says(&bench.refuse("in.zip.gz", &gz(&inner)), "within a compressed file");
    says(&bench.refuse("in.json.gz", &gz(&gz(GOOD))), "within a compressed file");
    says(&bench.refuse("in.zip", &zipped(&[])), "in.zip");
}

#[test]
fn too_many_entries_are_refused() {
    let bench = Bench::new();
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..10_001 {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file(format!("{number}.json"), options).unwrap();
    }
    let many = writer.finish().unwrap().into_inner();
    says(&bench.refuse("in.zip", &many), "10001 entries");
}

#[test]
fn folders_and_missing_files_are_named() {
    let bench = Bench::new();
    let catalog = counterfoil::connect::Catalog::load(Some(&bench.folder.path().join("connectors"))).unwrap();
    let connector = catalog.get("any").unwrap();
    let settings = counterfoil::connect::Settings::parse(&connector.manifest, []).unwrap();
    let options = counterfoil::connect::PullOptions {
        source: "any".into(),
        taken_at: "2026-06-01T00:00:00Z".into(),
        skip_bad_rows: false,
        worker: None,
    };
    for (path, piece) in [("connectors", "is a folder"), ("absent.json", "cannot be opened")] {
        let file = bench.folder.path().join(path);
        let error = counterfoil::connect::pull_files(
            connector,
            &settings,
            &options,
            &[file],
            &mut |_| Ok(()),
            &mut |_| {},
        )
        .unwrap_err();
        says(&error.to_string(), piece);
    }
}
