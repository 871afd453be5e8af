//! Random and mutated inputs: whatever comes, an answer and no panic.

use super::Bench;
use proptest::prelude::*;

const SEEDS: [(&str, &str); 4] = [
    ("in.json", r#"{"a":1,"rows":[{"id":"x","t":[1,2,{"k":null}]},{"id":"y"}],"z":"\u00e9"}"#),
    ("in.jsonl", "{\"id\":\"x\"}\n\n{\"id\":2}\n{\"id\":[\"a\",\"b\"]}\n"),
    ("in.csv", "id;b;b\n\"x\n\"\"q\"\"\";1;\ny;;2\n"),
    (
        "in.xml",
        "<?xml version='1.0'?><list a='1'><t>&amp;</t><row><id>x</id></row><row id='2'><![CDATA[y]]></row></list>",
    ),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Bench::new().pull("in.bin", &bytes);
    }

    #[test]
    fn mutations_get_an_answer(
        seed in 0..SEEDS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6),
        skip in any::<bool>(),
    ) {
        let (name, text) = SEEDS[seed];
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte, how) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let _ = Bench::new().pull_set(name, &bytes, &[], skip);
    }
}
