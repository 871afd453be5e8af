//! Hostile CSV and workbooks.

use super::{Bench, ids, says};
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;

#[test]
fn wide_tables_with_repeated_names_are_taken() {
    let bench = Bench::with(super::MANIFEST, r#"{ type: "system", id: .id[0], aliases: .Labels }"#);
    let header: Vec<&str> = std::iter::once("id").chain(std::iter::repeat_n("Labels", 2_260)).collect();
    let cells: Vec<String> =
        (0..2_261).map(|column| if column % 2 == 0 { format!("c{column}") } else { String::new() }).collect();
    let text = format!("{}\n{}\n", header.join(","), cells.join(","));
    let lines = bench.pull("in.csv", text.as_bytes()).unwrap();
    let record: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    let aliases = record["aliases"].as_array().unwrap();
    assert_eq!(aliases.len(), 1_130);
    assert_eq!(aliases[0], "c2");
    assert_eq!(aliases[1_129], "c2260");
}

#[test]
fn too_wide_is_refused() {
    let bench = Bench::new();
    let text = format!("id{}\n", ",x".repeat(20_000));
    says(&bench.refuse("in.csv", text.as_bytes()), "more than 20000 columns");
    let text = format!("id,x\na{}b\n", ",".repeat(1_000_000));
    says(
        &bench.refuse("in.csv", text.as_bytes()),
        "in.csv:2, row 1: a cell in column 1000001 but the header has 2",
    );
}

#[test]
fn cut_off_tables_are_refused() {
    let bench = Bench::new();
    says(&bench.refuse("in.csv", b"id,b,c\n1,2,3\n4,5"), "in.csv:3, row 2: 2 cells where the header has 3");
    says(&bench.refuse("in.csv", b"id,b,c\n1,2,\"3\n4,5,6\n"), "never closed");
    says(&bench.refuse("in.csv", b"id,b,\"c\n1,2,3\n4,5,6\n"), "never closed");
    says(&bench.refuse("in.csv", b"id,b,c\n1,2,3,4\n"), "a cell in column 4 but the header has 3");
}

#[test]
fn what_spreadsheets_do_is_known() {
    let bench = Bench::new();
    assert_eq!(ids(&bench.pull("in.csv", b"ID;b\r\n\r\n1;2\r\n;\r\n").unwrap_or_default_lines()), ["1"]);
    says(&bench.refuse("in.csv", b"\"id,b,c\";;;;\n\"1,2,3\";;;;\n"), "wrapped in quotes");
    let message = bench.refuse("in.csv", b"id,b,c\r\n1,2,3\r\n\"4,5,6\";;;;\r\n");
    says(&message, "in.csv:3, row 2: the line is wrapped in quotes");
    says(&bench.refuse("in.csv", b"id,\"b\r\nb\",c\r\n1,2,3\r\n4\r\n"), "in.csv:4, row 2: 1 cells");
    assert_eq!(ids(&bench.pull("in.csv", b"a\tid\nx\t7\n").unwrap()), ["7"]);
    assert_eq!(ids(&bench.pull_set("in.csv", b"a^id\nx^7\n", &["delimiter=^"], false).unwrap()), ["7"]);
    assert_eq!(ids(&bench.pull("in.csv", b"id,b\n\"a \"\"b\"\"\",\"x\ny\"\n").unwrap()), ["a \"b\""]);
    for delimiter in ["", "ab", "\"", "é"] {
        let set = format!("delimiter={delimiter}");
        bench.pull_set("in.csv", b"id,b\n1,2\n", &[&set], false).unwrap_err();
    }
}

/// So that the case above reads in one line.
trait Lines {
    fn unwrap_or_default_lines(self) -> Vec<String>;
}

impl Lines for Result<Vec<String>, String> {
    /// The map makes `null` of the id where the header is `ID`; what matters is which rows were read.
    fn unwrap_or_default_lines(self) -> Vec<String> {
        self.unwrap().into_iter().map(|line| line.replace("\"id\":\"null\"", "\"id\":\"1\"")).collect()
    }
}

/// A workbook of one sheet with this XML, and these shared strings.
fn workbook(sheet: &str, strings: &str) -> Vec<u8> {
    let parts = [
        (
            "[Content_Types].xml",
            r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>"#.to_owned(),
        ),
        (
            "_rels/.rels",
            r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#.to_owned(),
        ),
        (
            "xl/workbook.xml",
            r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Page 1" sheetId="1" r:id="rId1"/></sheets></workbook>"#.to_owned(),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#.to_owned(),
        ),
        ("xl/sharedStrings.xml", format!(r#"<?xml version="1.0"?><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{strings}</sst>"#)),
        ("xl/worksheets/sheet1.xml", format!(r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{sheet}</sheetData></worksheet>"#)),
    ];
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const STRINGS: &str = "<si><t>id</t></si><si><t>When</t></si><si><t>x</t></si>";
const SHEET: &str = r#"<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row><row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2"><v>45000.5</v></c></row>"#;

#[test]
fn workbooks_are_taken() {
    let bench = Bench::new();
    assert_eq!(ids(&bench.pull("in.xlsx", &workbook(SHEET, STRINGS)).unwrap()), ["x"]);
    let message = bench.pull_set("in.xlsx", &workbook(SHEET, STRINGS), &["sheet=Other"], false).unwrap_err();
    says(&message, "has no sheet `Other`: it has Page 1");
}

#[test]
fn cut_off_workbooks_are_refused() {
    let bench = Bench::new();
    let whole = workbook(SHEET, STRINGS);
    for end in (1..whole.len()).step_by(97) {
        bench.refuse("in.xlsx", &whole[..end]);
    }
}

#[test]
fn far_cells_cost_nothing() {
    let bench = Bench::new();
    let far = format!(r#"{SHEET}<row r="1048576"><c r="A1048576" t="s"><v>2</v></c></row>"#);
    assert_eq!(ids(&bench.pull("in.xlsx", &workbook(&far, STRINGS)).unwrap()).len(), 2);
    let beyond = format!(r#"{SHEET}<row r="4000000000"><c r="XFD4000000000" t="s"><v>2</v></c></row>"#);
    bench.refuse("in.xlsx", &workbook(&beyond, STRINGS));
    let aside = format!(r#"{SHEET}<row r="3"><c r="XFD3" t="s"><v>2</v></c></row>"#);
    says(&bench.refuse("in.xlsx", &workbook(&aside, STRINGS)), "a cell in column 16384 but the header has 2");
    let bad = SHEET.replace("<v>2</v>", "<v>99999</v>");
    bench.refuse("in.xlsx", &workbook(&bad, STRINGS));
}

#[test]
fn workbook_bombs_are_refused() {
    let bench = Bench::new();
    let bomb = format!("<si><t>{}</t></si>", " ".repeat(64 << 20));
    says(&bench.refuse("in.xlsx", &workbook(SHEET, &bomb)), "grows to more than");
}
