//! Records to findings: whatever the lines are, they are judged, once each, and their order changes nothing.
#![no_main]

use counterfoil::intake::{self, Options, Rejects, Source};
use counterfoil::judge::{Builder, Locator, Settings, World, judge};
use counterfoil::model::{Instant, parse_line};
use libfuzzer_sys::fuzz_target;

/// Findings and verdicts of these lines, as they are printed.
fn judged(lines: &[&[u8]]) -> (usize, String) {
    let mut builder = Builder::default();
    for (at, line) in (0..).zip(lines) {
        if let Ok(record) = parse_line(line) {
            builder.add(record, Locator(at), line);
        }
    }
    let mut fetch = |places: &[Locator], show: &mut dyn FnMut(Locator, &[u8])| {
        places.iter().for_each(|place| show(*place, lines[place.0 as usize]));
        Ok(())
    };
    let estate = builder.finish(&mut fetch).expect("the lines are what they were");
    let grants = estate.grant_count();
    let settings = Settings::default();
    let world = World::new(estate, &settings);
    let now = Instant::parse("2026-06-01T00:00:00Z").expect("an instant");
    let judgement = judge(&world, &settings, now, 1, &|_| {});
    let mut said = String::new();
    for finding in judgement.findings(&()) {
        assert!(finding.accountable.iter().any(|one| one.primary), "nobody answers first");
        said.push_str(&serde_json::to_string(&finding).expect("a finding is JSON"));
        said.push('\n');
    }
    let mut verdicts = 0;
    for verdict in judgement.verdicts() {
        assert!(verdict.recheck_at.is_none_or(|at| at > now), "to be judged again in the past");
        said.push_str(&serde_json::to_string(&verdict).expect("a verdict is JSON"));
        said.push('\n');
        verdicts += 1;
    }
    assert_eq!(verdicts, grants, "one verdict for each grant");
    (verdicts, said)
}

fuzz_target!(|input: &[u8]| {
    let mut lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let said = judged(&lines);
    lines.reverse();
    assert_eq!(judged(&lines), said, "the order of the lines decides");
    lines.extend_from_within(..);
    assert_eq!(judged(&lines), said, "saying it twice decides");

    // The same text by way of files: bad lines stop it or are set aside, and neither panics.
    let now = Instant::parse("2026-06-01T00:00:00Z").expect("an instant");
    let source = || [Source::Text { name: "fuzz".to_owned(), text: input.to_vec() }];
    let _ = intake::read(&source(), Options { threads: 1, rejects: None, now, progress: &|_| {} });
    let folder = std::env::temp_dir().join(format!("counterfoil-fuzz-{}", std::process::id()));
    let mut rejects = Rejects::at(&folder);
    let options = Options { threads: 2, rejects: Some(&mut rejects), now, progress: &|_| {} };
    assert!(intake::read(&source(), options).is_ok(), "bad lines are set aside");
});
