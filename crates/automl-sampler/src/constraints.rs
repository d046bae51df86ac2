//! Constraints that are measured with the results: one model for each.
//!
//! A violation `c <= 0` holds. Its sign is what counts and its scale is unknown, so that `−asinh(c/s)` is
//! modelled, `s` being the median magnitude: zero stays zero, and huge violations do not drown small ones.

use automl_surrogate::{CholeskyError, Column, FitOptions, Requirement, TrainingSet, fit, standardise};

/// Rows and violations of one constraint.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Vec<f64>>,
    pub(crate) violations: Vec<f64>,
}

impl Measured {
    /// Fits the model that says where the constraint holds; `None` where it was never measured.
    pub(crate) fn requirement(&self, columns: &[Column]) -> Option<Result<Requirement, CholeskyError>> {
        (!self.rows.is_empty()).then(|| self.fitted(columns))
    }

    fn fitted(&self, columns: &[Column]) -> Result<Requirement, CholeskyError> {
        let mut margins = margins(&self.violations);
        // Zero takes part, so that it is shifted and scaled like all others.
        margins.push(0.0);
        let mut targets = standardise(&margins);
        let threshold = targets.pop().expect("one was pushed");
        let model = fit(TrainingSet::new(columns, &self.rows, &targets), &FitOptions::default())?;
        Ok(Requirement { model, threshold, log_probability_min: f64::NEG_INFINITY })
    }
}

/// Transformed violations, positive where the constraint holds with room to spare.
fn margins(violations: &[f64]) -> Vec<f64> {
    let mut magnitudes: Vec<f64> = violations.iter().map(|v| v.abs()).filter(|&v| v > 0.0).collect();
    magnitudes.sort_by(f64::total_cmp);
    let scale = magnitudes.get(magnitudes.len() / 2).copied().unwrap_or(1.0);
    // Beyond 1e15 scales all violations are alike; the division of extremes could overflow.
    violations.iter().map(|v| -libm::asinh((v / scale).clamp(-1e15, 1e15))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_keep_sign_and_order_at_every_scale() {
        for scale in [1e-300, 1.0, 1e300] {
            let found = margins(&[-2.0 * scale, 0.0, 0.5 * scale, 1e7 * scale]);
            assert!(found[0] > 0.0 && found[1] == 0.0 && found[2] < 0.0 && found[3] < found[2]);
            assert!(found.iter().all(|margin| margin.abs() < 40.0), "{found:?}");
        }
        assert_eq!(margins(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
