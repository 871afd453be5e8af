//! Times as exports write them.

use counterfoil::connect::dates::{Order, Reading, epoch, instant, is_rfc3339, zone};
use proptest::prelude::*;

fn read(text: &str) -> Result<String, String> {
    instant(text, &Reading::default())
}

fn utc(text: &str) -> Result<String, String> {
    instant(text, &Reading { zone: Some("UTC"), ..Reading::default() })
}

fn ordered(text: &str, order: &str) -> Result<String, String> {
    instant(text, &Reading { zone: Some("UTC"), order: Order::by_name(order), ..Reading::default() })
}

#[track_caller]
fn is(read: Result<String, String>, expected: &str) {
    assert_eq!(read.as_deref(), Ok(expected));
}

#[test]
fn times_with_an_offset() {
    for (text, expected) in [
        ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z"),
        ("2024-05-01t12:00:00.5+02:00", "2024-05-01T10:00:00.500Z"),
        ("2024-05-01T12:00:00.000+0000", "2024-05-01T12:00:00Z"),
        ("2024-05-01T12:00:00.123456789-0330", "2024-05-01T15:30:00.123Z"),
        ("2024-05-01 12:00:00 UTC", "2024-05-01T12:00:00Z"),
        ("2024-05-01T12:00+02", "2024-05-01T10:00:00Z"),
        ("2024-05-01T12:00:00+02:00[Europe/Berlin]", "2024-05-01T10:00:00Z"),
        ("Wed, 1 May 2024 12:00:00 +0200", "2024-05-01T10:00:00Z"),
        ("Wed, 01 May 2024 12:00:00 GMT", "2024-05-01T12:00:00Z"),
        ("1 May 24 12:00 EST", "2024-05-01T17:00:00Z"),
        ("Wed, 1 May 2024 12:00:00 +0200 (CEST)", "2024-05-01T10:00:00Z"),
        ("Wed May  1 12:00:00 UTC 2024", "2024-05-01T12:00:00Z"),
        ("Wed May 01 2024 12:00:00 GMT+0200", "2024-05-01T10:00:00Z"),
        ("20240501120000Z", "2024-05-01T12:00:00Z"),
        ("20240501120000.0Z", "2024-05-01T12:00:00Z"),
        ("20240501T120000+0200", "2024-05-01T10:00:00Z"),
        ("1714564800", "2024-05-01T12:00:00Z"),
        ("1714564800123", "2024-05-01T12:00:00.123Z"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
    ] {
        is(read(text), expected);
    }
}

#[test]
fn times_in_a_zone() {
    for (text, expected) in [
        ("2024-05-01 12:00:00", "2024-05-01T12:00:00Z"),
        ("2024-05-01 12:00", "2024-05-01T12:00:00Z"),
        ("2024-05-01", "2024-05-01T00:00:00Z"),
        ("2024/05/01 12:00", "2024-05-01T12:00:00Z"),
        ("01/Jul/25 1:35 AM", "2025-07-01T01:35:00Z"),
        ("01/Jul/25 12:35 AM", "2025-07-01T00:35:00Z"),
        ("01/Jul/25 12:35 PM", "2025-07-01T12:35:00Z"),
        ("01/Jul/25 1:35\u{202f}PM", "2025-07-01T13:35:00Z"),
        ("01/jul./25 1:35 p. m.", "2025-07-01T13:35:00Z"),
        ("01/Jul/25 1:35 nachm.", "2025-07-01T13:35:00Z"),
        ("18/jul/26", "2026-07-18T00:00:00Z"),
        ("19/lip/23", "2023-07-19T00:00:00Z"),
        ("02/paź/23 10:00", "2023-10-02T10:00:00Z"),
        ("05/mai/24", "2024-05-05T00:00:00Z"),
        ("05/févr./24", "2024-02-05T00:00:00Z"),
        ("05/Mär/24", "2024-03-05T00:00:00Z"),
        ("5. März 2024 08:00", "2024-03-05T08:00:00Z"),
        ("5 de julio de 2024", "2024-07-05T00:00:00Z"),
        ("July 5, 2024 3:04:05 PM", "2024-07-05T15:04:05Z"),
        ("Jul 5th, 2024", "2024-07-05T00:00:00Z"),
        ("05/мая/24", "2024-05-05T00:00:00Z"),
        ("05/七月/24", "2024-07-05T00:00:00Z"),
        ("05/7月/24", "2024-07-05T00:00:00Z"),
        ("2024年7月5日 下午3:04", "2024-07-05T15:04:00Z"),
        ("23.10.2024 11:02", "2024-10-23T11:02:00Z"),
        ("03.04.2024", "2024-04-03T00:00:00Z"),
        ("6/21/2025 16:14", "2025-06-21T16:14:00Z"),
        ("21/6/2025 16:14", "2025-06-21T16:14:00Z"),
        ("6/21/25", "2025-06-21T00:00:00Z"),
        ("07/07/2025", "2025-07-07T00:00:00Z"),
        ("31/Dec/69", "2069-12-31T00:00:00Z"),
        ("31/Dec/70", "1970-12-31T00:00:00Z"),
        ("20240501", "2024-05-01T00:00:00Z"),
        ("20240501120000", "2024-05-01T12:00:00Z"),
    ] {
        is(utc(text), expected);
    }
}

#[test]
fn without_an_offset_the_setting_is_named() {
    for text in ["2024-05-01 12:00:00", "01/Jul/25 1:35 AM", "2024-05-01", "20240501"] {
        let message = read(text).unwrap_err();
        assert!(message.contains("set `time_zone`"), "{message}");
    }
}

#[test]
fn ambiguous_dates_are_refused() {
    for text in ["03/04/2025", "3-4-2025 10:00", "01/02/25", "12/11/2025 1:35 PM"] {
        let message = utc(text).unwrap_err();
        assert!(message.contains("set `date_order`"), "{message}");
    }
    is(ordered("03/04/2025", "dmy"), "2025-04-03T00:00:00Z");
    is(ordered("03/04/2025", "mdy"), "2025-03-04T00:00:00Z");
    is(ordered("03/04/05", "ymd"), "2003-04-05T00:00:00Z");
    is(ordered("18/jul/26", "ymd"), "2018-07-26T00:00:00Z");
    // An order that was said holds: what does not fit it is wrong, not turned round.
    ordered("6/21/2025", "dmy").unwrap_err();
    ordered("21/6/2025", "mdy").unwrap_err();
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        " ",
        "soon",
        "n/a",
        "0",
        "12",
        "-",
        "2024",
        "2024-05",
        "31/02/2025",
        "2023-02-29",
        "2024-13-01",
        "2024-05-01 25:00",
        "2024-05-01 12:60",
        "2024-05-01T24:00:00Z",
        "13:00 PM 01/Jul/25",
        "01/Jul/25 0:35 AM",
        "01/Foo/25",
        "1/2/3/4",
        "2024-05-01T12:00:00+99:00",
        "0000-01-01T00:00:00Z",
        "99999999999999",
        "Jul/Aug/25",
        "2024-05-01T12:00:00Z and more",
        "123/45/6789",
        "０１/Jul/25",
    ] {
        assert!(utc(text).is_err(), "`{text}` was read as {:?}", utc(text));
    }
    assert!(utc(&"1/".repeat(10_000)).is_err());
    for number in [-1.0, 1e15, f64::NAN, f64::INFINITY] {
        assert!(epoch(number).is_err());
    }
    is(epoch(1_714_564_800.0), "2024-05-01T12:00:00Z");
    is(epoch(1_714_564_800_123.0), "2024-05-01T12:00:00.123Z");
}

#[test]
fn patterns_are_followed() {
    let with = |text: &str, patterns: &[&'static str]| {
        instant(text, &Reading { patterns: Some(patterns.to_vec()), zone: Some("UTC"), order: None })
    };
    is(with("03/04/2025", &["%d/%m/%Y"]), "2025-04-03T00:00:00Z");
    is(with("03/04/2025", &["%Y-%m-%d", "%m/%d/%Y"]), "2025-03-04T00:00:00Z");
    is(with("3 avr. 2025 à 8:05", &["%d %b %Y à %H:%M"]), "2025-04-03T08:05:00Z");
    is(with("2025-04-03T08:05:06.25+0200", &["%FT%T.%f%z"]), "2025-04-03T06:05:06.250Z");
    is(with("04/03/25 08:05 pm", &["%D %I:%M %p"]), "2025-04-03T20:05:00Z");
    is(with("1714564800", &["%s"]), "2024-05-01T12:00:00Z");
    for (text, pattern) in [
        ("03/04/2025x", "%d/%m/%Y"),
        ("03/04", "%d/%m"),
        ("3", "%Q"),
        ("3", "%"),
        ("13 pm", "%I %p"),
        ("x", "%b"),
    ] {
        let message = with(text, &[Box::leak(pattern.to_owned().into_boxed_str())]).unwrap_err();
        assert!(message.contains(pattern), "{message}");
    }
}

#[test]
fn changes_of_the_clock() {
    let berlin = |text: &str| instant(text, &Reading { zone: Some("Europe/Berlin"), ..Reading::default() });
    // 02:30 does not exist that night: moved on by the length of the gap.
    is(berlin("2025-03-30 02:30:00"), "2025-03-30T01:30:00Z");
    // 02:30 happens twice that night: the first one.
    is(berlin("2025-10-26 02:30:00"), "2025-10-26T00:30:00Z");
    is(berlin("2025-07-01 00:00:00"), "2025-06-30T22:00:00Z");
    is(
        instant("2025-07-01 00:00", &Reading { zone: Some("+05:30"), ..Reading::default() }),
        "2025-06-30T18:30:00Z",
    );
}

#[test]
fn zones_are_known_by_name() {
    for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "+02:00", "-0330"] {
        zone(name).unwrap();
    }
    for name in ["", "Mars/Olympus", "CEST", "Europe", "../../etc/passwd", "+25:00"] {
        assert!(zone(name).is_err(), "{name}");
    }
}

#[test]
fn rfc3339_is_told_apart() {
    for (text, is) in [
        ("2024-05-01T12:00:00Z", true),
        ("2024-05-01T12:00:00.5+02:00", true),
        ("2024-05-01T12:00:00", false),
        ("2024-05-01 12:00:00Z", false),
        ("2024-05-01T12:00:00+0200", false),
        ("2024-13-01T12:00:00Z", false),
    ] {
        assert_eq!(is_rfc3339(text), is, "{text}");
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

proptest! {
    #[test]
    fn every_instant_survives_each_way_of_writing(seconds in 0i64..4_102_444_800, millis in 0i32..1000, quarter in -48i32..=56) {
        let timestamp = jiff::Timestamp::new(seconds, millis * 1_000_000).unwrap();
        let expected = {
            let text = timestamp.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            if millis == 0 { format!("{text}Z") } else { format!("{text}.{millis:03}Z") }
        };
        let offset = jiff::tz::Offset::from_seconds(quarter * 900).unwrap();
        let local = offset.to_datetime(timestamp);
        let (sign, minutes) = (if quarter < 0 { '-' } else { '+' }, quarter.abs() * 15);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        let date = local.date();
        let clock = local.strftime("%H:%M:%S");
        let fixed = format!("{sign}{hours:02}:{minutes:02}");
        for text in [
            format!("{date}T{clock}.{millis:03}{fixed}"),
            format!("{date} {clock}.{millis:03} {sign}{hours:02}{minutes:02}"),
        ] {
            prop_assert_eq!(read(&text), Ok(expected.clone()));
        }
        let number = timestamp.as_millisecond();
        if number >= 100_000_000_000 {
            prop_assert_eq!(read(&number.to_string()), Ok(expected));
        }
        // Without fractions: by name of the month, and by order.
        let whole = format!("{}Z", timestamp.strftime("%Y-%m-%dT%H:%M:%S"));
        let month = MONTHS[usize::try_from(local.month() - 1).unwrap()];
        let reading = Reading { zone: Some(&fixed), ..Reading::default() };
        let named = format!("{:02}/{month}/{} {clock}", local.day(), local.year());
        prop_assert_eq!(instant(&named, &reading), Ok(whole.clone()));
        let half = if local.hour() < 12 { "AM" } else { "PM" };
        let hour = match local.hour() % 12 { 0 => 12, hour => hour };
        let twelve = format!("{}/{}/{} {hour}:{:02}:{:02} {half}", local.month(), local.day(), local.year(), local.minute(), local.second());
        let reading = Reading { zone: Some(&fixed), order: Some(Order::Mdy), ..Reading::default() };
        prop_assert_eq!(instant(&twelve, &reading), Ok(whole));
    }

    #[test]
    fn any_text_gets_an_answer(text in "\\PC{0,40}", order in prop::sample::select(vec!["dmy", "mdy", "ymd", ""])) {
        let reading = Reading { zone: Some("Europe/Berlin"), order: Order::by_name(order), ..Reading::default() };
        if let Ok(read) = instant(&text, &reading) {
            prop_assert!(is_rfc3339(&read), "{}", read);
        }
    }

    #[test]
    fn any_date_like_text_gets_an_answer(text in "[0-9]{1,4}[-/. ][0-9A-Za-z]{1,4}[-/. ][0-9]{1,4}( [0-9]{1,2}:[0-9]{2}( ?[APap][Mm])?)?") {
        if let Ok(read) = utc(&text) {
            prop_assert!(is_rfc3339(&read), "{}", read);
        }
    }
}
