//! `explain`: the chain behind a grant or a request says what the judge says, and of every finding where it rests.

mod chains;
mod parts;
mod shown;

use counterfoil::judge::{Builder, Judgement, Locator, Settings, World, judge};
use counterfoil::model::{Instant, parse_line};
use serde_json::Value;

use crate::reference::product::settings;

/// Judges records and shows the judgement; nothing happens where the records or the configuration are refused.
fn judged(records: &[Value], config: &Value, now: &str, show: &mut dyn FnMut(&Judgement<'_>, &Settings)) {
    let lines: Vec<Vec<u8>> = records.iter().map(|record| record.to_string().into_bytes()).collect();
    let mut builder = Builder::citing_uses();
    for (at, line) in lines.iter().enumerate() {
        let Ok(record) = parse_line(line) else { return };
        builder.add(record, Locator(at as u64), line);
    }
    let estate = builder.finish(&mut |places, show| {
        places.iter().for_each(|place| show(*place, &lines[place.0 as usize]));
        Ok(())
    });
    let Some(settings) = settings(config) else { return };
    let world = World::new(estate.unwrap(), &settings);
    let judgement = judge(&world, &settings, Instant::parse(now).unwrap(), 1, &|_| {});
    show(&judgement, &settings);
}
