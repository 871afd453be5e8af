//! What is asked of a connector: each scenario is a function from a case to what is wrong with it, and one test for all
//! cases.

pub mod data;
pub mod right;
pub mod second;
pub mod wrong;

use std::collections::VecDeque;
use std::fs;
use std::sync::Mutex;

use super::case::{self, Case};

/// A scenario.
pub type Scenario = fn(&Case) -> Vec<String>;

/// Gives a test to each scenario, and makes a list of them.
macro_rules! scenarios {
    ($($module:ident :: $name:ident),* $(,)?) => {
        /// All scenarios, by name.
        pub const ALL: &[(&str, Scenario)] = &[$((stringify!($name), $module::$name)),*];

        $(
            #[test]
            fn $name() {
                sit(stringify!($name), $module::$name);
            }
        )*
    };
}

scenarios! {
    right::complete,
    right::pages,
    right::throttled,
    right::expired,
    right::dropped,
    right::probe,
    wrong::broken_off,
    wrong::unauthorised,
    wrong::denied,
    wrong::wrong_answers,
    wrong::repeated_cursor,
    wrong::other_host,
    wrong::redirected,
    wrong::secrets,
    data::empty,
    data::unknown_fields,
    data::missing_fields,
    data::hostile_text,
    second::incremental,
}

/// Sits all cases in one scenario.
fn sit(name: &str, scenario: Scenario) {
    let (cases, mut wrong) = case::cases(name);
    if name == "complete" {
        wrong.extend(case::never_made(&cases));
    }
    let sat = cases.len();
    let queue = Mutex::new(cases.iter().collect::<VecDeque<_>>());
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = { queue.lock().unwrap().pop_front() } {
                    let bad = scenario(case);
                    let bad = bad.into_iter().map(|why| format!("{}/{name}: {why}", case.name));
                    found.lock().unwrap().extend(bad);
                }
            });
        }
    });
    wrong.extend(found.into_inner().unwrap());
    wrong.sort();
    let shown = wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(wrong.is_empty(), "{} things wrong with {sat} cases:\n\n{shown}", wrong.len());
}

/// The lines of a file of expected records.
fn expected(case: &Case, file: &str) -> Vec<String> {
    let text = fs::read_to_string(case.folder.join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Says what it happened in.
fn within(what: &str, wrong: Vec<String>) -> Vec<String> {
    wrong.into_iter().map(|why| format!("{what}: {why}")).collect()
}
