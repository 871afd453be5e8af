//! Hostile JSON and JSONL.

use super::{Bench, ids, says};

const GOOD: &str = r#"{"a":[1,{"b":null}],"rows":[{"id":"x","t":"é\n"},{"id":"y","n":-1.5e3}],"z":true}"#;

#[test]
fn whole_is_taken() {
    let bench = Bench::new();
    assert_eq!(ids(&bench.pull("in.json", GOOD.as_bytes()).unwrap()), ["x", "y"]);
    let with_mark = [b"\xef\xbb\xbf", GOOD.as_bytes()].concat();
    assert_eq!(ids(&bench.pull("in.json", &with_mark).unwrap()), ["x", "y"]);
    let little: Vec<u8> =
        std::iter::once(0xfeff).chain(GOOD.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(ids(&bench.pull("in.json", &little).unwrap()), ["x", "y"]);
    let big: Vec<u8> =
        std::iter::once(0xfeff).chain(GOOD.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    assert_eq!(ids(&bench.pull("in.json", &big).unwrap()), ["x", "y"]);
}

#[test]
fn pages_behind_each_other_are_taken() {
    let bench = Bench::new();
    let pages = r#"{"rows":[{"id":"a"}]} {"rows":[{"id":"b"}]}
        {"rows":[]}"#;
    assert_eq!(ids(&bench.pull("in.json", pages.as_bytes()).unwrap()), ["a", "b"]);
    let nested = r#"{"pages":[{"rows":[{"id":"a"}]},{"rows":[{"id":"b"}]}]}"#;
    assert_eq!(ids(&bench.pull("in.json", nested.as_bytes()).unwrap()), ["a", "b"]);
}

#[test]
fn every_cut_is_refused() {
    let bench = Bench::new();
    for end in 0..GOOD.len() {
        bench.refuse("in.json", &GOOD.as_bytes()[..end]);
    }
    says(&bench.refuse("in.json", &GOOD.as_bytes()[..50]), "is it cut off?");
    says(&bench.refuse("in.json", &GOOD.as_bytes()[..50]), "in.json:1:");
}

#[test]
fn second_document_cut_off_is_refused() {
    let bench = Bench::new();
    bench.refuse("in.json", br#"{"rows":[{"id":"a"}]} {"rows":[{"id":"b"}"#);
    bench.refuse("in.json", br#"{"rows":[{"id":"a"}]} trailing"#);
}

#[test]
fn depth_is_bounded() {
    let bench = Bench::new();
    for (open, close) in [("[", "]"), ("{\"k\":", "}")] {
        for depth in [65, 200, 100_000] {
            let bomb = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            bench.refuse("in.json", bomb.as_bytes());
            bench.refuse("in.json", open.repeat(depth).as_bytes());
            let message = bench.refuse("in.json", format!("{{\"rows\":[{{\"id\":{bomb}}}]}}").as_bytes());
            assert!(message.contains("deep") || message.contains("recursion"), "{message}");
            bench.refuse("in.json", format!("{{\"around\":{bomb},\"rows\":[]}}").as_bytes());
            bench.refuse("in.jsonl", format!("{{\"id\":{bomb}}}\n{{\"id\":1}}\n").as_bytes());
        }
        let fine = format!("{}1{}", open.repeat(60), close.repeat(60));
        bench.pull("in.json", format!("{{\"rows\":[{{\"id\":1,\"deep\":{fine}}}]}}").as_bytes()).unwrap();
    }
}

#[test]
fn repeated_keys_are_refused() {
    let bench = Bench::new();
    let message = bench.refuse("in.json", br#"{"rows":[{"id":"a"},{"id":"b","x":{"k":1,"k":2}}]}"#);
    says(&message, "row 2: the key `k` appears twice");
    says(&bench.refuse("in.json", br#"{"x":1,"rows":[],"x":2}"#), "the key `x` appears twice");
    says(&bench.refuse("in.json", br#"{"rows":[],"rows":[{"id":"a"}]}"#), "the key `rows` appears twice");
    let message = bench.refuse("in.jsonl", b"{\"id\":1}\n{\"id\":2,\"id\":3}\n");
    says(&message, "in.jsonl:2, row 2: the key `id` appears twice");
}

#[test]
fn bad_rows_can_be_passed_over() {
    let bench = Bench::new();
    let lines = b"{\"id\":1}\n{\"id\":2,\"id\":3}\nnot json\n{\"id\":4}\n";
    let taken = bench.pull_set("in.jsonl", lines, &[], true).unwrap();
    assert_eq!(ids(&taken), ["1", "4"]);
    says(taken.last().unwrap(), r#""complete":false"#);
    says(taken.last().unwrap(), "2 bad rows were passed over");
    let rows = br#"{"rows":[{"id":1},{"id":2,"id":3},{"id":"\u0000"},{"id":4}]}"#;
    assert_eq!(ids(&bench.pull_set("in.json", rows, &[], true).unwrap()), ["1", "4"]);
}

#[test]
fn numbers_that_are_none_are_refused() {
    let bench = Bench::new();
    for number in ["NaN", "Infinity", "-Infinity", "1e999", "01", "+1", ".5", "0x10"] {
        bench.refuse("in.json", format!("{{\"rows\":[{{\"id\":{number}}}]}}").as_bytes());
        bench.refuse("in.jsonl", format!("{{\"id\":{number}}}\n{{\"id\":1}}\n").as_bytes());
    }
}

#[test]
fn encodings_are_not_guessed() {
    let bench = Bench::new();
    let latin = b"{\"rows\":[{\"id\":\"J\xf6rg\"}]}";
    says(&bench.refuse("in.json", latin), "not valid UTF-8: set `encoding`");
    let taken = bench.pull_set("in.json", latin, &["encoding=windows-1252"], false).unwrap();
    assert_eq!(ids(&taken), ["Jörg"]);
    let unmarked: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    says(&bench.refuse("in.json", &unmarked), "NUL");
    assert_eq!(
        ids(&bench.pull_set("in.json", &unmarked, &["encoding=utf-16le"], false).unwrap()),
        ["x", "y"]
    );
    // A lone surrogate, and half a character at the end.
    let broken: Vec<u8> = [0xfeff_u16, u16::from(b'{'), 0xd800, u16::from(b'}')]
        .into_iter()
        .flat_map(u16::to_le_bytes)
        .collect();
    bench.refuse("in.json", &broken);
    bench.refuse("in.json", b"\xff\xfe{\x00\"");
    bench.refuse("in.json", b"{\"rows\":[{\"id\":\"\xf0\x9f");
}

#[test]
fn nothing_is_no_export() {
    let bench = Bench::new();
    let nothings: [&[u8]; 6] =
        [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"  \n\t ", b"\xef\xbb\xbf \r\n"];
    for nothing in nothings {
        for name in ["in.json", "in.jsonl", "in.csv", "in.xml", "in.xlsx"] {
            says(&bench.refuse(name, nothing), "empty");
        }
    }
}

#[test]
fn nul_is_refused() {
    let bench = Bench::new();
    says(&bench.refuse("in.json", b"{\"rows\":[\n{\"id\":\"a\0\"}]}"), "in.json:2: a NUL byte");
    says(&bench.refuse("in.json", br#"{"rows":[{"id":"a\u0000"}]}"#), "NUL character");
    says(&bench.refuse("in.csv", b"id\na\0\n"), "NUL byte");
    says(&bench.refuse("in.xml", b"<list><row><id>\0</id></row></list>"), "NUL byte");
}

#[test]
fn long_rows_are_refused() {
    let bench = Bench::new();
    let longest = "x".repeat(100 << 20);
    says(&bench.refuse("in.csv", format!("id\n{longest}\n").as_bytes()), "longer than 16 MiB");
    drop(longest);
    let long = "x".repeat(20 << 20);
    says(
        &bench.refuse("in.json", format!("{{\"rows\":[{{\"id\":\"{long}\"}}]}}").as_bytes()),
        "longer than 16 MiB",
    );
    says(
        &bench.refuse("in.jsonl", format!("{{\"id\":1}}\n{{\"id\":\"{long}\"}}\n").as_bytes()),
        "longer than 16 MiB",
    );
    says(&bench.refuse("in.csv", format!("id\n\"{long}").as_bytes()), "longer than 16 MiB");
    says(&bench.refuse("in.csv", long.as_bytes()), "longer than 16 MiB");
    says(
        &bench.refuse("in.xml", format!("<list><row><id>{long}</id></row></list>").as_bytes()),
        "longer than 16 MiB",
    );
    says(
        &bench.refuse("in.xml", format!("<list><row id='{long}'/></list>").as_bytes()),
        "longer than 16 MiB",
    );
}

#[test]
fn many_rows_are_no_long_row() {
    // With a fallback the text is read once more, to see whether it is UTF-8.
    let bench =
        Bench::with(&format!("{}fallback_encoding = \"windows-1252\"\n", super::MANIFEST), super::MAP);
    let filler = "y".repeat(450 << 10);
    let rows: Vec<String> = (0..40).map(|id| format!("{{\"id\":{id},\"f\":\"{filler}\"}}")).collect();
    let document = format!("{{\"rows\":[{}]}}", rows.join(","));
    assert_eq!(ids(&bench.pull("in.json", document.as_bytes()).unwrap()).len(), 40);
    assert_eq!(ids(&bench.pull("in.jsonl", rows.join("\n").as_bytes()).unwrap()).len(), 40);
    let rows: Vec<String> = (0..40).map(|id| format!("<row><id>{id}</id><f>{filler}</f></row>")).collect();
    assert_eq!(
        ids(&bench.pull("in.xml", format!("<list>{}</list>", rows.concat()).as_bytes()).unwrap()).len(),
        40
    );
    let rows: Vec<String> = (0..40).map(|id| format!("{id},\"{filler}\"")).collect();
    assert_eq!(
        ids(&bench.pull("in.csv", format!("id,f\n{}\n", rows.join("\n")).as_bytes()).unwrap()).len(),
        40
    );
}

#[test]
fn other_shapes_are_named() {
    let bench = Bench::new();
    let message = bench.refuse("in.json", br#"{"errorMessages":["no"],"errors":{}}"#);
    says(&message, "JSON of no shape that connector `any` knows: its keys are `errorMessages`, `errors`");
    says(&bench.refuse("in.json", b"<!DOCTYPE html><html><body>Log in</body></html>"), "login page");
    says(&bench.refuse("in.json", br#"{"rows":{"id":"a"}}"#), "no shape");
    bench.refuse("in.json", b"[]");
    says(&bench.refuse("in.json", br#"{"rows":[1,"a"]}"#), "its keys are `rows`");
    says(&bench.refuse("in.json", br#"{"rows":[{"id":1},"a"]}"#), "row 2");
}
