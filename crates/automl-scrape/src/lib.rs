//! Log bytes in, measurements out.
//!
//! A training program is never changed to be tuned: what it prints and writes is read while it
//! grows. A [`Scraper`] takes the bytes of one source, in whatever chunks they arrive, and gives
//! [`Measurement`]s of the metrics that [`MetricRules`] ask for. Beside them it keeps [`Notes`]:
//! the reported status, the last lines, and the names seen instead of the ones asked for.
//!
//! Deliberately absent: files, processes, clocks, and any judgement of a value. A NaN is reported
//! as a NaN, a repeated step as a repeated step; the caller decides.
//!
//! Invariants:
//! - any chunking of the same bytes gives the same measurements;
//! - memory is bounded, whatever the bytes are (see [`MAX_LINE_BYTES`] and [`Notes`]);
//! - no input is an error and none panics: a line that says nothing is skipped.
//!
//! ```
//! use std::sync::Arc;
//! use automl_scrape::{MetricRules, Metrics, Scraper, SourceKind};
//!
//! let rules = MetricRules { monitoring: vec!["val_loss".into()], ..MetricRules::default() };
//! let metrics = Arc::new(Metrics::compile(&rules)?);
//! let mut scraper = Scraper::new(&metrics, SourceKind::Text);
//! let mut out = Vec::new();
//! scraper.push(b"Epoch 3/10 loss=0.7 val_lo", &mut out);
//! scraper.push(b"ss=0.25\n", &mut out);
//! assert_eq!(out[0].step, Some(3));
//! assert_eq!(out[0].values["val_loss"], 0.25);
//! # Ok::<(), automl_scrape::RuleError>(())
//! ```

mod line_scraper;
mod scraper;

mod encoding;
mod lines;

mod candidate;
mod line_pattern;
mod rules;

mod alias;
mod names;
mod resolve;
mod suffixes;

mod json;
mod json_lines;
mod status;

mod csv;
mod event_file;
mod event_record;

mod number;
mod pairs;
mod position;
mod text;

mod notes;

pub use alias::aliases;
pub use lines::MAX_LINE_BYTES;
pub use notes::{Notes, Sign, SignLine};
pub use rules::{MetricRules, Metrics, RuleError};
pub use scraper::{Measurement, Scraper, SourceKind};
