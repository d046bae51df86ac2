//! Learning rate of each epoch: falling at given epochs, or when a loss no longer falls.
//!
//! The second kind has a memory, which is part of the checkpoint. A loss is better than the best when
//! it is below best·(1 − 1e-4); after more than `patience` epochs in a row that are not, the rate
//! becomes max(rate·decay, `min_lr`) and counting starts anew, as in PyTorch's `ReduceLROnPlateau`.

use tch::Tensor;

use super::spec::{Monitor, SchedulerSpec};

/// Relative fall below which a loss counts as not better.
const THRESHOLD: f64 = 1e-4;

/// The learning rate and what it depends on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schedule {
    kind: SchedulerSpec,
    base: f64,
    /// Rate that a plateau has left.
    rate: f64,
    best: f64,
    /// Epochs in a row that were not better.
    stale: u64,
}

/// Mean losses of an epoch; `None` where it was not validated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Losses {
    /// Training loss.
    pub(crate) train: f64,
    /// Validation loss.
    pub(crate) val: Option<f64>,
}

impl Schedule {
    /// A schedule that starts at `base`.
    pub(crate) fn new(kind: SchedulerSpec, base: f64) -> Self {
        Self { kind, base, rate: base, best: f64::INFINITY, stale: 0 }
    }

    /// Learning rate after so many completed epochs.
    pub(crate) fn rate(&self, epochs: u64) -> f64 {
        match &self.kind {
            SchedulerSpec::MultiStep { steps, decay } => {
                let falls = steps.iter().filter(|step| **step <= epochs).count();
                self.base * decay.powi(falls as i32)
            }
            SchedulerSpec::AutoReduce { .. } => self.rate,
        }
    }

    /// Takes in the losses of a completed epoch.
    pub(crate) fn observe(&mut self, losses: Losses) {
        let SchedulerSpec::AutoReduce { monitor, patience, min_lr, decay } = self.kind else { return };
        let monitored = match monitor {
            Monitor::TrainLoss => Some(losses.train),
            Monitor::ValLoss => losses.val,
        };
        let Some(loss) = monitored else { return };
        if loss < self.best * (1.0 - THRESHOLD) {
            self.best = loss;
            self.stale = 0;
        } else {
            self.stale += 1;
        }
        if self.stale > patience {
            // A rate that started below the limit stays where it is.
            self.rate = self.rate.min((self.rate * decay).max(min_lr));
            self.stale = 0;
        }
    }

    /// The memory as a tensor for a checkpoint.
    pub(crate) fn state(&self) -> Tensor {
        Tensor::from_slice(&[self.rate, self.best, self.stale as f64])
    }

    /// Takes over the memory from [`Self::state`].
    pub(crate) fn restore(&mut self, state: &Tensor) {
        self.rate = state.double_value(&[0]);
        self.best = state.double_value(&[1]);
        self.stale = state.double_value(&[2]) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(patience: u64, min_lr: f64) -> Schedule {
        let kind = SchedulerSpec::AutoReduce { monitor: Monitor::ValLoss, patience, min_lr, decay: 0.5 };
        Schedule::new(kind, 1.0)
    }

    fn observe(schedule: &mut Schedule, losses: &[f64]) -> Vec<f64> {
        let rate = |val: &f64| {
            schedule.observe(Losses { train: 0.0, val: Some(*val) });
            schedule.rate(0)
        };
        losses.iter().map(rate).collect()
    }

    #[test]
    fn steps_multiply_from_their_epoch_on() {
        let kind = SchedulerSpec::MultiStep { steps: vec![2, 4], decay: 0.5 };
        let schedule = Schedule::new(kind, 1.0);
        let rates: Vec<f64> = (0..6).map(|epoch| schedule.rate(epoch)).collect();
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn plateau_halves_after_the_patience_and_stops_at_the_limit() {
        let mut schedule = auto(1, 0.3);
        // Better, worse, worse (the second beyond the patience), better, worse, worse, worse, worse.
        let rates = observe(&mut schedule, &[2.0, 2.0, 1.99999, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3]);
    }

    #[test]
    fn low_rates_are_never_raised_and_other_epochs_do_not_count() {
        let mut schedule = auto(0, 5.0);
        assert_eq!(observe(&mut schedule, &[1.0, 1.0]), [1.0, 1.0]);
        let mut idle = auto(0, 0.0);
        idle.observe(Losses { train: 9.0, val: None });
        assert_eq!(idle, auto(0, 0.0));
    }

    #[test]
    fn memory_survives_a_checkpoint() {
        let mut schedule = auto(1, 0.0);
        observe(&mut schedule, &[2.0, 2.0]);
        let mut other = auto(1, 0.0);
        other.restore(&schedule.state());
        assert_eq!(other, schedule);
        let mut fresh = auto(1, 0.0);
        fresh.restore(&auto(1, 0.0).state());
        assert_eq!(fresh, auto(1, 0.0), "an infinite best survives too");
    }
}
