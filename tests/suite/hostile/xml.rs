//! Hostile XML.

use super::{Bench, ids, says};

const GOOD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- c --><list n='1'><title>T</title><row><id>x &amp; &#233;</id></row><row><id><![CDATA[<y>]]></id></row></list>";

#[test]
fn whole_is_taken() {
    let bench = Bench::new();
    assert_eq!(ids(&bench.pull("in.xml", GOOD.as_bytes()).unwrap()), ["x & é", "<y>"]);
    assert_eq!(ids(&bench.pull("in.xml", b"<list/>").unwrap()), [""; 0]);
}

#[test]
fn every_cut_is_refused() {
    let bench = Bench::new();
    for end in 0..GOOD.len() {
        bench.refuse("in.xml", &GOOD.as_bytes()[..end]);
    }
    says(&bench.refuse("in.xml", b"<list><row><id>a</id>"), "the file ends within <row>: is it cut off?");
}

#[test]
fn document_types_are_refused() {
    let bench = Bench::new();
    let laughs = r#"<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;">]><list><row><id>&lol1;</id></row></list>"#;
    says(&bench.refuse("in.xml", laughs.as_bytes()), "document type");
    let file =
        r#"<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><list><row><id>&x;</id></row></list>"#;
    says(&bench.refuse("in.xml", file.as_bytes()), "document type");
    says(&bench.refuse("in.xml", b"<list><row><id>&unknown;</id></row></list>"), "the entity `&unknown;`");
    says(&bench.refuse("in.xml", b"<list><row id='&unknown;'/></list>"), "attribute `id`");
    for reference in ["&#0;", "&#xD800;", "&#x110000;", "&#99999999999;", "&#;", "&;", "&"] {
        bench.refuse("in.xml", format!("<list><row><id>{reference}</id></row></list>").as_bytes());
    }
}

#[test]
fn depth_and_width_are_bounded() {
    let bench = Bench::new();
    for depth in [64, 1_000, 200_000] {
        let message = bench.refuse("in.xml", "<list>".repeat(depth + 1).as_bytes());
        says(&message, "nests deeper than 64");
        let inner = format!("<list><row>{}{}</row></list>", "<a>".repeat(depth), "</a>".repeat(depth));
        says(&bench.refuse("in.xml", inner.as_bytes()), "nests deeper than 64");
    }
    let attributes: String = (0..300).map(|number| format!(" a{number}='1'")).collect();
    says(&bench.refuse("in.xml", format!("<list><row{attributes}/></list>").as_bytes()), "attributes");
    says(&bench.refuse("in.xml", b"<list><row a='1' a='2'/></list>"), "appears twice");
}

#[test]
fn broken_markup_is_refused() {
    let bench = Bench::new();
    for broken in [
        "<list><row><id>a</row></id></list>",
        "<list></other>",
        "<list><row a=1/></list>",
        "<list><row a/></list>",
        "<list/><list/>",
        "<list/>text",
        "<list><row><!-- </row></list>",
        "<list><row><![CDATA[</row></list>",
        "<>",
        "< list/>",
        "<list",
    ] {
        bench.refuse("in.xml", broken.as_bytes());
    }
}

#[test]
fn encodings_are_followed() {
    let bench = Bench::new();
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><list><row><id>J\xf6rg</id></row></list>";
    assert_eq!(ids(&bench.pull("in.xml", latin).unwrap()), ["Jörg"]);
    let unknown = b"<?xml version='1.0' encoding='EBCDIC-CP-US'?><list/>";
    says(&bench.refuse("in.xml", unknown), "EBCDIC");
    says(&bench.refuse("in.xml", b"<list><row><id>J\xf6rg</id></row></list>"), "not valid UTF-8");
    let wide: Vec<u8> = std::iter::once(0xfeff)
        .chain("<?xml version='1.0' encoding='UTF-16'?><list><row><id>ö</id></row></list>".encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(ids(&bench.pull("in.xml", &wide).unwrap()), ["ö"]);
}

#[test]
fn other_documents_are_named() {
    let bench = Bench::new();
    says(&bench.refuse("in.xml", b"<rss><channel/></rss>"), "XML of no shape");
}
