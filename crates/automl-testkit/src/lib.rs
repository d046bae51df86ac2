//! What the other crates' tests share: small studies, logs built step by step, synthetic objectives.
//!
//! Only ever a dev-dependency. Nothing here touches files, clocks or processes.

mod log;
mod objectives;

pub mod problems;

pub use log::{Log, settings};
pub use objectives::{curve, quadratic};
