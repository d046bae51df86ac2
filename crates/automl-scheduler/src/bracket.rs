//! The brackets of Hyperband in whole numbers.
//!
//! Notation: R the largest fidelity, r the smallest, η the reduction factor, s_max the largest s with
//! r·η^s ≤ R. Bracket s begins with n = ⌈(s_max + 1)·η^s / (s + 1)⌉ trials; its rung i keeps ⌊n / η^i⌋
//! of them. Li et al., *Hyperband*, JMLR 18 (2018), Algorithm 1.
//!
//! Two deviations from the paper's real numbers: s_max is found by multiplication, because a floating
//! logarithm is one too small for R/r = 243 and η = 3; and rung levels are R / η^k rounded to whole
//! units, the last one exactly R, levels that coincide after rounding being one.

use automl_core::{Fidelity, FidelityPlan, StudySettings};

/// One fidelity level of a bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Fidelity at which trials of this rung are compared.
    pub fidelity: Fidelity,
    /// Number of trials that reach it.
    pub trials: u64,
}

/// One run of successive halving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// Rungs from the lowest to the highest; never empty.
    pub rungs: Vec<Rung>,
}

impl Bracket {
    /// Returns the number of trials that start in the bracket.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.rungs[0].trials
    }

    /// Returns the bracket as it is when only `trials` are left in the budget: the same levels with
    /// fewer trials, at least one of which goes all the way.
    #[must_use]
    pub fn truncated(&self, trials: u64, reduction_factor: u64) -> Bracket {
        if trials >= self.trials() {
            return self.clone();
        }
        let mut left = trials;
        let rungs = self.rungs.iter().map(|rung| {
            let rung = Rung { trials: left, ..*rung };
            left = (left / reduction_factor).max(1);
            rung
        });
        Bracket { rungs: rungs.collect() }
    }
}

/// Returns one Hyperband iteration: brackets from the most aggressive to plain full-fidelity trials.
#[must_use]
pub fn brackets(plan: &FidelityPlan) -> Vec<Bracket> {
    let levels = levels(plan);
    let s_max = levels.len() as u64 - 1;
    (0..=s_max)
        .rev()
        .map(|s| bracket(&levels[(s_max - s) as usize..], s, s_max, plan.reduction_factor))
        .collect()
}

fn bracket(levels: &[Fidelity], s: u64, s_max: u64, eta: u64) -> Bracket {
    // The largest fidelities have brackets of more trials than any study; their sums shall be numbers, too.
    let power = |exponent: u64| u128::from(eta).saturating_pow(exponent as u32);
    let n = u128::from(s_max + 1).saturating_mul(power(s)).div_ceil(u128::from(s + 1));
    let most = u128::from(StudySettings::UNLIMITED);
    let kept = |i: usize| (n / power(i as u64)).clamp(1, most) as u64;
    let rung = |(i, level): (usize, &Fidelity)| Rung { fidelity: *level, trials: kept(i) };
    Bracket { rungs: levels.iter().enumerate().map(rung).collect() }
}

/// Returns the rung levels of a plan, from the smallest to R; never empty.
///
/// Where R was raised, the levels of the first R stay, because trials wait there, and further ones follow
/// by the factor.
#[must_use]
pub fn levels(plan: &FidelityPlan) -> Vec<Fidelity> {
    let Some(base) = plan.base.filter(|base| *base < plan.max) else {
        return levels_below(plan, plan.max);
    };
    let mut levels = levels_below(plan, base);
    let factor = plan.reduction_factor.max(2);
    let further = std::iter::successors(base.0.checked_mul(factor), |level| level.checked_mul(factor));
    levels.extend(further.take_while(|level| *level < plan.max.0).map(Fidelity));
    levels.push(plan.max);
    levels
}

/// The levels R / η^k down to the smallest fidelity.
fn levels_below(plan: &FidelityPlan, max: Fidelity) -> Vec<Fidelity> {
    let (min, max, eta) = (plan.min.0.max(1), max.0.max(1), plan.reduction_factor.max(2));
    let mut divisor = 1_u64;
    let mut levels = vec![max];
    // Where a product is beyond all numbers it is beyond the largest fidelity, too.
    while min.checked_mul(divisor).and_then(|n| n.checked_mul(eta)).is_some_and(|n| n <= max) {
        divisor *= eta;
        levels.push(max.saturating_add(divisor / 2) / divisor);
    }
    levels.reverse();
    levels.dedup();
    levels.into_iter().map(Fidelity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(min: u64, max: u64, eta: u64) -> FidelityPlan {
        FidelityPlan {
            unit: "epoch".into(),
            min: Fidelity(min),
            max: Fidelity(max),
            reduction_factor: eta,
            resumable: true,
            base: None,
            full_first: FidelityPlan::FULL_FIRST,
        }
    }

    fn table(min: u64, max: u64, eta: u64) -> Vec<Vec<(u64, u64)>> {
        let rows = |b: &Bracket| b.rungs.iter().map(|r| (r.trials, r.fidelity.0)).collect();
        brackets(&plan(min, max, eta)).iter().map(rows).collect()
    }

    #[test]
    fn brackets_match_reference_tables() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../tests/golden/hyperband.json")).unwrap();
        let cases = golden["paper"].as_object().unwrap();
        assert!(cases.len() >= 7);
        for (name, case) in cases {
            let (r, eta) = (case["R"].as_u64().unwrap(), case["eta"].as_u64().unwrap());
            let expected: Vec<Vec<(u64, u64)>> = case["brackets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|bracket| {
                    let rungs = bracket["rungs"].as_array().unwrap();
                    rungs
                        .iter()
                        .map(|rung| {
                            (rung["n"].as_u64().unwrap(), rung["r_exact"].as_f64().unwrap().round() as u64)
                        })
                        .collect()
                })
                .collect();
            assert_eq!(table(1, r, eta), expected, "{name}");
        }
    }

    #[test]
    fn powers_lose_no_bracket() {
        assert_eq!(table(1, 243, 3).len(), 6);
        assert_eq!(table(1, 1000, 10).len(), 4);
        assert_eq!(table(1, 59049, 3).len(), 11);
    }

    #[test]
    fn last_rung_is_always_the_largest_fidelity() {
        for (min, max, eta) in [(1, 50, 3), (1, 100, 3), (2, 7, 2), (3, 3, 3), (5, 4, 2), (1, 1, 4)] {
            for bracket in table(min, max, eta) {
                assert_eq!(bracket.last().unwrap().1, max, "{min} {max} {eta}");
                assert!(bracket.windows(2).all(|w| w[0].1 < w[1].1 && w[0].0 >= w[1].0));
            }
        }
    }

    /// Brackets by counting up: no division, no logarithm.
    fn counted(min: u64, max: u64, eta: u64) -> Vec<Vec<(u64, u64)>> {
        let count_up = |reached: &dyn Fn(u64) -> bool| (0..).find(|n| reached(*n)).unwrap();
        let power = |exponent: u64| (0..exponent).fold(1, |product, _| product * eta);
        let s_max = count_up(&|s| min * power(s + 1) > max);
        let level = |k: u64| count_up(&|level| (2 * level + 1) * power(k) > 2 * max);
        let bracket = |s: u64| {
            let n = count_up(&|n| n * (s + 1) >= (s_max + 1) * power(s));
            let kept = |i: u64| count_up(&|kept| (kept + 1) * power(i) > n);
            (0..=s).map(|i| (kept(i), level(s - i))).collect()
        };
        (0..=s_max).rev().map(bracket).collect()
    }

    #[test]
    fn brackets_are_those_of_counting_up() {
        for eta in 2..=5 {
            for max in (1..=60).chain([81, 100, 243, 256, 729]) {
                for min in [1, 2, 7, max].into_iter().filter(|min| *min <= max) {
                    assert_eq!(
                        table(min, max, eta),
                        counted(min, max, eta),
                        "min {min}, max {max}, eta {eta}"
                    );
                }
            }
        }
    }

    #[test]
    fn rungs_of_the_largest_fidelities_come_to_an_end() {
        for max in [u64::MAX, u64::MAX - 1, 1 << 63] {
            let rungs = levels(&plan(1, max, 2));
            assert_eq!((rungs.len(), rungs.last()), (64, Some(&Fidelity(max))));
            assert!(rungs.windows(2).all(|pair| pair[0] < pair[1]), "{max}");
            for bracket in brackets(&plan(1, max, 2)) {
                assert!(bracket.rungs.windows(2).all(|pair| pair[0].trials >= pair[1].trials), "{bracket:?}");
            }
        }
    }

    #[test]
    fn raised_fidelity_keeps_the_rungs_that_trials_wait_at() {
        let raised = |base, max| {
            let plan = FidelityPlan { base: Some(Fidelity(base)), ..plan(1, max, 3) };
            levels(&plan).into_iter().map(|level| level.0).collect::<Vec<_>>()
        };
        assert_eq!(raised(9, 27), [1, 3, 9, 27]);
        assert_eq!(raised(9, 30), [1, 3, 9, 27, 30]);
        assert_eq!(raised(20, 50), [2, 7, 20, 50]);
        assert_eq!(raised(9, 9), [1, 3, 9]);
    }

    #[test]
    fn truncated_bracket_still_finishes_a_trial() {
        let bracket = &brackets(&plan(1, 27, 3))[0];
        let small = bracket.truncated(5, 3);
        assert_eq!(small.rungs.iter().map(|r| r.trials).collect::<Vec<_>>(), [5, 1, 1, 1]);
        assert_eq!(bracket.truncated(99, 3), *bracket);
    }
}
