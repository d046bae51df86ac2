//! Fidelities that are no whole numbers, counted in parts of one.
//!
//! The search counts whole units. A program whose fidelity is a fraction, of the data say, gets the units
//! divided by the number of parts: 33 of 100 parts is 0.33, exactly as it would be written.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Into how many parts one unit of the program's fidelity is cut; whole units where it is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Parts(pub(crate) u64);

impl Default for Parts {
    fn default() -> Self {
        Parts(1)
    }
}

impl Parts {
    pub(crate) fn is_whole(&self) -> bool {
        self.0 <= 1
    }

    /// Returns what the program is given for a number of parts.
    pub(crate) fn value(self, parts: u64) -> Value {
        if self.is_whole() { json!(parts) } else { json!(parts as f64 / self.0 as f64) }
    }

    /// Returns how many parts a value of the program is; `None` where it is not a whole number of them,
    /// at least one.
    pub(crate) fn count(self, value: &Value) -> Option<u64> {
        if self.is_whole() {
            return value.as_u64().filter(|n| *n >= 1);
        }
        let parts = (value.as_f64()? * self.0 as f64).round();
        let counted = (1.0..=1e15).contains(&parts).then_some(parts as u64)?;
        (self.value(counted).as_f64() == value.as_f64()).then_some(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_written_as_people_would() {
        assert_eq!(Parts(1).value(57).to_string(), "57");
        assert_eq!(Parts(100).value(57).to_string(), "0.57");
        assert_eq!(Parts(100).count(&json!(0.57)), Some(57));
        assert_eq!(Parts(100).count(&json!(1)), Some(100));
        assert_eq!(Parts(100).count(&json!(0.575)), None);
        assert_eq!(Parts(1).count(&json!(0.5)), None);
        assert_eq!(Parts(100).count(&json!(0)), None);
    }
}
