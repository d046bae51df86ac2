//! A surface over many rows at a bounded cost.
//!
//! A prediction takes time proportional to the square of the number of rows. Beyond some hundred rows most of
//! them say nothing about one place: candidates are first ranked with the exact mean, which is cheap, and the
//! variance that a *core* of representative rows leaves, which is too large where other rows lie. The best of
//! them are ranked again, and then climbed, with the rows around each alone (Gramacy and Apley, Local Gaussian
//! Process Approximation for Large Computer Experiments, J. Comput. Graph. Stat. 24 (2015)).

use crate::acquisition::Acquisition;
use crate::linalg::CholeskyError;
use crate::preference::Preference;
use crate::process::{GaussianProcess, Prediction};
use crate::subset::{neighbours, representatives};
use crate::surface::{Requirement, Surface};

/// Rows up to which everything is exact.
const EXACT_ROWS: usize = 256;
/// Rows of the core.
const CORE_ROWS: usize = 150;
/// Rows around a candidate that is ranked again, and around one that is climbed.
pub(crate) const RANK_ROWS: usize = 80;
pub(crate) const CLIMB_ROWS: usize = 192;

/// A surface that owns its models.
pub(crate) struct Patch<'a> {
    model: GaussianProcess,
    acquisition: Acquisition,
    requirements: Vec<Requirement>,
    preference: Option<&'a Preference>,
}

impl Patch<'_> {
    pub(crate) fn surface(&self) -> Surface<'_> {
        Surface {
            model: &self.model,
            acquisition: self.acquisition,
            growth: None,
            requirements: &self.requirements,
            preference: self.preference,
        }
    }
}

/// A surface over too many rows, with its core.
pub(crate) struct Reduced<'a> {
    whole: &'a Surface<'a>,
    core: Patch<'a>,
}

impl<'a> Reduced<'a> {
    /// Returns `None` where the whole surface is cheap enough, has several objectives, or its core has no factor.
    pub(crate) fn new(whole: &'a Surface<'a>) -> Option<Self> {
        if whole.growth.is_some() || whole.model.data().len() <= EXACT_ROWS {
            return None;
        }
        let core = restricted(whole, |process| representatives(process.data(), CORE_ROWS)).ok()?;
        Some(Self { whole, core })
    }

    /// Evaluates many rows roughly.
    pub(crate) fn values(&self, rows: &[Vec<f64>]) -> Vec<f64> {
        let requirements: Vec<Vec<Prediction>> = (self.whole.requirements.iter())
            .zip(&self.core.requirements)
            .map(|(whole, core)| rough(&whole.model, &core.model, rows))
            .collect();
        let found = rough(self.whole.model, &self.core.model, rows).into_iter();
        let value = |(i, (row, found)): (usize, (&Vec<f64>, Prediction))| {
            let worth = self.whole.acquisition.value(found);
            self.whole.value_of(row, worth, requirements.iter().map(|predictions| predictions[i]))
        };
        rows.iter().zip(found).enumerate().map(value).collect()
    }

    /// Returns the surface of the `count` rows around `centre`, or `None` where they have no factor.
    pub(crate) fn around(&self, centre: &[f64], count: usize) -> Option<Patch<'a>> {
        restricted(self.whole, |process| neighbours(process.data(), process.kernel(), centre, count)).ok()
    }
}

/// Exact means with the deviations of the core.
fn rough(whole: &GaussianProcess, core: &GaussianProcess, rows: &[Vec<f64>]) -> Vec<Prediction> {
    let means = whole.predict_means(rows).into_iter();
    means.zip(core.predict(rows)).map(|(mean, found)| Prediction { mean, ..found }).collect()
}

fn restricted<'a>(
    whole: &Surface<'a>,
    rows: impl Fn(&GaussianProcess) -> Vec<usize>,
) -> Result<Patch<'a>, CholeskyError> {
    let restrict = |process: &GaussianProcess| process.restricted(&rows(process));
    let requirement = |whole: &Requirement| {
        let Requirement { threshold, log_probability_min, .. } = *whole;
        Ok(Requirement { model: restrict(&whole.model)?, threshold, log_probability_min })
    };
    Ok(Patch {
        model: restrict(whole.model)?,
        acquisition: whole.acquisition,
        requirements: whole.requirements.iter().map(requirement).collect::<Result<_, _>>()?,
        preference: whole.preference,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;
    use crate::draws::Draws;
    use crate::kernel::Hyperparameters;
    use crate::training::TrainingSet;

    fn process(n: u64) -> GaussianProcess {
        let draws = Draws::new(3);
        let rows: Vec<Vec<f64>> = (0..n).map(|i| (0..3).map(|j| draws.uniform(i, j)).collect()).collect();
        let targets: Vec<f64> = rows.iter().map(|row| libm::sin(5.0 * row[0]) + row[1] * row[2]).collect();
        let hyperparameters = Hyperparameters::with_unknown_mean(vec![0.4, 0.8, 0.9], 1.0, 1e-4);
        GaussianProcess::condition(
            TrainingSet::new(&[Column::Continuous; 3], &rows, &targets),
            hyperparameters,
        )
        .unwrap()
    }

    #[test]
    fn few_rows_stay_exact() {
        let model = process(40);
        let acquisition = Acquisition::UpperConfidenceBound { deviations: 1.0 };
        assert!(
            Reduced::new(&Surface {
                model: &model,
                acquisition,
                growth: None,
                requirements: &[],
                preference: None
            })
            .is_none()
        );
    }

    #[test]
    fn patches_agree_with_the_whole_near_their_centre() {
        let model = process(400);
        let acquisition = Acquisition::UpperConfidenceBound { deviations: 1.0 };
        let whole = Surface { model: &model, acquisition, growth: None, requirements: &[], preference: None };
        let reduced = Reduced::new(&whole).unwrap();
        let draws = Draws::new(8);
        let rows: Vec<Vec<f64>> = (0..20).map(|i| (0..3).map(|j| draws.uniform(i, j)).collect()).collect();
        let (exact, rough) = (whole.values(&rows), reduced.values(&rows));
        for (row, (exact, rough)) in rows.iter().zip(exact.iter().zip(rough)) {
            assert!(rough > exact - 1e-3 && rough < exact + 0.15, "{exact} {rough}");
            let patch = reduced.around(row, CLIMB_ROWS).unwrap();
            let local = patch.surface().values(std::slice::from_ref(row))[0];
            assert!((local - exact).abs() < 5e-3, "{exact} {local}");
        }
    }
}
