//! The exam tries itself: each scenario is shown what it is there for and has to complain, and the stub is shown
//! requests that the documentation does not allow.

mod planted;
mod stub;
