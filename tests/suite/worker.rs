//! A map from disk runs in a process of its own, which is stopped when it loops, swells or dies.

use super::hostile::{Bench, ids, says};
use std::path::PathBuf;

const PROGRAM: &str = env!("CARGO_BIN_EXE_counterfoil");

const MANIFEST: &str = r#"
name = "any"
title = "Any"
summary = "For tests."
provides = ["system"]

[[shape]]
name = "lines"
formats = ["jsonl"]

[[setting]]
name = "prefix"
type = "string"
doc = "What ids begin with."
"#;

fn bench(map: &str) -> Bench {
    Bench { worker: Some(PathBuf::from(PROGRAM)), ..Bench::with(MANIFEST, map) }
}

const LINES: &[u8] = b"{\"id\":\"a\"}\n{\"id\":\"b\",\"deep\":[[[{}]]]}\n{\"id\":\"c\"}\n";

#[test]
fn it_gives_what_a_map_here_gives() {
    let map = r#"{type:"system",id:"\($settings.prefix)\(.id)-\($shape)-\($row)-\($file)"}, (select(.id == "b") | {type:"incomplete",reason:"b"})"#;
    let set = ["prefix=é\n"];
    let apart = bench(map).pull_set("in.jsonl", LINES, &set, false).unwrap();
    let here = Bench::with(MANIFEST, map).pull_set("in.jsonl", LINES, &set, false).unwrap();
    assert_eq!(apart, here);
    assert_eq!(ids(&apart)[2], "é\nc-lines-3-in.jsonl");
}

#[test]
fn errors_name_map_or_row() {
    let message = bench("{type:").pull("in.jsonl", LINES).unwrap_err();
    says(&message, "connectors/any/map.jq:1:");
    let message = bench(r#"if .id == "b" then error("no b") else {type:"system",id} end"#);
    let error = message.pull("in.jsonl", LINES).unwrap_err();
    says(&error, "in.jsonl:2, row 2: no b");
    // The next row is in step.
    let taken = message.pull_set("in.jsonl", LINES, &[], true).unwrap();
    assert_eq!(ids(&taken), ["a", "c"]);
    let odd = bench(r#"if .id == "b" then 7, {type:"system",id} else {type:"system",id} end"#);
    assert_eq!(ids(&odd.pull_set("in.jsonl", LINES, &[], true).unwrap()), ["a", "c"]);
}

#[test]
fn nothing_outside_is_reached() {
    for reaching in
        ["env", "$ENV", "input", "[inputs]", "halt", "now", "debug", "stderr", "halt_error", "localtime"]
    {
        let message =
            bench(&format!("{reaching} | {{type:\"system\",id:\"x\"}}")).pull("in.jsonl", LINES).unwrap_err();
        says(&message, "map.jq:1:");
    }
    bench("include \"x\"; .").pull("in.jsonl", LINES).unwrap_err();
    bench("import \"x\" as x; .").pull("in.jsonl", LINES).unwrap_err();
}

#[cfg(target_os = "linux")]
#[test]
fn swelling_and_dying_are_errors() {
    let message = bench(r#"("x" * 9000000000) | length"#).pull("in.jsonl", LINES).unwrap_err();
    says(&message, "the process of the map ended");
    let message = bench("def deep: [deep]; deep").pull("in.jsonl", LINES).unwrap_err();
    says(&message, "the process of the map ended");
}

#[test]
fn rows_speak_to_each_other_there_too() {
    let manifest = MANIFEST.replacen("[[shape]]", "joins = [\"name\"]\n\n[[shape]]", 1);
    let map = r#"{type: "join", table: "name", key: .id, value: {row: $row}},
        {type: "system", id, aliases: [$joined.name["b"][]?.row | tostring], owner: $taken_at}"#;
    let here = Bench::with(&manifest, map).pull("in.jsonl", LINES).unwrap();
    let apart = Bench { worker: Some(PathBuf::from(PROGRAM)), ..Bench::with(&manifest, map) };
    assert_eq!(apart.pull("in.jsonl", LINES).unwrap(), here);
    says(&here[0], r#""aliases":["2"]"#);
    says(&here[0], r#""owner":"2026-06-01T00:00:00Z""#);
}
