//! The life of a study: asked for, created, opened again, looked at.

mod bounds;
mod error;
mod open;
mod options;
mod raise;
mod view;

pub use bounds::{NewBounds, new_bounds};
pub use error::StudyError;
pub use open::{OpenStudy, create, create_with, open, open_to_end, slots};
pub(crate) use open::{
    begin, created, fetch_downloads, has_begun, metric_rules, reopen, settings_mended, take_unborn,
    write_settings,
};
pub use options::{Changes, DEFAULT_TRIALS, StudyOptions, settings};
pub(crate) use options::{check_name, check_population, new_tag};
pub use raise::can_raise;
pub(crate) use raise::raise;
pub use view::{View, Watch, exists, list, view};
pub(crate) use view::{other_owner, whole_journal};
