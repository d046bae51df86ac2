//! What a good end takes beside exit code 0: programs return 0 after a signal, too.

use crate::pattern::Pattern;
use serde::{Deserialize, Serialize};

/// Signs of a training that went to its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SuccessRule {
    /// A printed line that only a whole training has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Pattern>,
    /// Whether the objective must be there for the attempt's last epoch, the first one being 0.
    #[serde(default)]
    pub last_epoch: bool,
    /// Spec key with which the program may end before its last epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unless: Option<String>,
    /// Printed lines that mean failure whatever the exit code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failure_lines: Vec<Pattern>,
}

impl SuccessRule {
    /// Tells whether exit code 0 and a value are enough.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == SuccessRule::default()
    }
}
