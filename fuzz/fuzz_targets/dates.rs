//! Times and durations, of records and of exports: what is read prints, and what is printed reads the same.
#![no_main]

use counterfoil::connect::dates::{self, Order, Reading, duration};
use counterfoil::model::{Duration, Instant};
use libfuzzer_sys::fuzz_target;

const ZONES: [Option<&str>; 6] =
    [None, Some("UTC"), Some("Europe/Berlin"), Some("America/St_Johns"), Some("+14:00"), Some("Pacific/Apia")];
const ORDERS: [Option<Order>; 4] = [None, Some(Order::Dmy), Some(Order::Mdy), Some(Order::Ymd)];

fuzz_target!(|input: &[u8]| {
    let Some((how, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(instant) = Instant::parse(text) {
        assert_eq!(Instant::parse(&instant.to_string()), Ok(instant));
    }
    if let Ok(length) = Duration::parse(text) {
        assert_eq!(Duration::parse(&length.to_string()), Ok(length));
    }
    if let Some(length) = duration::iso(text) {
        assert!(Duration::parse(&length).is_ok(), "{length}");
    }
    // After a NUL stands a pattern to read by.
    let (text, pattern) = text.split_once('\0').map_or((text, None), |(text, pattern)| (text, Some(pattern)));
    let how = usize::from(*how);
    let reading = Reading {
        patterns: pattern.map(|pattern| vec![pattern]),
        zone: ZONES[how % ZONES.len()],
        order: ORDERS[how / ZONES.len() % ORDERS.len()],
    };
    match dates::instant(text, &reading) {
        Ok(instant) => assert!(Instant::parse(&instant).is_ok(), "{instant}"),
        Err(why) => assert!(!why.is_empty()),
    }
});
