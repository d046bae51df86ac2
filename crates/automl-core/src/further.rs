//! What a result says beside the first objective.

use serde::{Deserialize, Serialize};

/// Values of a result beside the first objective, in the order of the study's settings; all finite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Further {
    /// Metric values of the further objectives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objectives: Vec<f64>,
    /// Metric values of the constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<f64>,
}

impl Further {
    /// Tells whether there is nothing beside the first objective.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objectives.is_empty() && self.constraints.is_empty()
    }

    /// Returns every value.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.objectives.iter().chain(&self.constraints).copied()
    }
}
