//! From states and events to text and JSON. Pure but for the local time zone: nothing here prints.

pub(crate) mod forecast;
pub(crate) mod happening;
pub(crate) mod header;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod live;
pub(crate) mod paint;
pub(crate) mod rungs;
pub(crate) mod secret;
pub(crate) mod size;
pub(crate) mod sparkline;
pub(crate) mod status;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod value;
