//! How well clips are classified.

use tch::{Device, Kind, Tensor};

/// Clips by their true and their predicted class.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Confusion {
    counts: Vec<Vec<u64>>,
}

/// Cross entropy and hits over several batches.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Tally {
    /// Sum of the losses of clips.
    pub(crate) loss: f64,
    /// Clips whose most probable class is theirs.
    pub(crate) hits: f64,
    /// Clips.
    pub(crate) clips: f64,
}

impl Confusion {
    /// No clips yet.
    pub(crate) fn new(classes: usize) -> Self {
        Self { counts: vec![vec![0; classes]; classes] }
    }

    /// Counts one clip.
    pub(crate) fn count(&mut self, truth: usize, predicted: usize) {
        self.counts[truth][predicted] += 1;
    }

    /// Hits in % of the clips of each class; `None` where it has no clip.
    pub(crate) fn class_accuracies(&self) -> Vec<Option<f64>> {
        let of_class = |(class, row): (usize, &Vec<u64>)| {
            let clips: u64 = row.iter().sum();
            (clips > 0).then(|| 100.0 * row[class] as f64 / clips as f64)
        };
        self.counts.iter().enumerate().map(of_class).collect()
    }

    /// Hits in % of all clips.
    pub(crate) fn accuracy(&self) -> f64 {
        let hits: u64 = self.counts.iter().enumerate().map(|(class, row)| row[class]).sum();
        let clips: u64 = self.counts.iter().flatten().sum();
        100.0 * hits as f64 / clips as f64
    }

    /// Mean of the classes' accuracies, in %; classes without clips do not count.
    pub(crate) fn mean_class_accuracy(&self) -> f64 {
        let known: Vec<f64> = self.class_accuracies().into_iter().flatten().collect();
        known.iter().sum::<f64>() / known.len() as f64
    }
}

impl Tally {
    /// Loss and hits of one batch of logits.
    pub(crate) fn of(logits: &Tensor, labels: &Tensor, mean_loss: f64) -> Self {
        let hits = logits.argmax(-1, false).eq_tensor(labels).sum(Kind::Double).double_value(&[]);
        let clips = labels.numel() as f64;
        Self { loss: mean_loss * clips, hits, clips }
    }

    /// Adds another tally.
    pub(crate) fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.hits += other.hits;
        self.clips += other.clips;
    }

    /// Mean loss of a clip.
    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss / self.clips
    }

    /// Share of hits, from 0 to 1.
    pub(crate) fn accuracy(&self) -> f64 {
        self.hits / self.clips
    }

    /// The sums as a tensor for a checkpoint.
    pub(crate) fn state(&self) -> Tensor {
        Tensor::from_slice(&[self.loss, self.hits, self.clips])
    }

    /// The sums from [`Self::state`].
    pub(crate) fn from_state(state: &Tensor) -> Self {
        let state = state.to_device(Device::Cpu);
        let [loss, hits, clips] = [0, 1, 2].map(|at| state.double_value(&[at]));
        Self { loss, hits, clips }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracies_are_per_class_and_overall() {
        let mut confusion = Confusion::new(3);
        for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (0, 0), (1, 1), (1, 0)] {
            confusion.count(truth, predicted);
        }
        assert_eq!(confusion.class_accuracies(), [Some(75.0), Some(50.0), None]);
        assert!((confusion.accuracy() - 400.0 / 6.0).abs() < 1e-9);
        assert_eq!(confusion.mean_class_accuracy(), 62.5);
    }

    #[test]
    fn tallies_weigh_batches_by_their_clips() {
        let logits = Tensor::from_slice2(&[[2f32, 1.0], [0.0, 3.0], [1.0, 0.0]]);
        let labels = Tensor::from_slice(&[0i64, 1, 1]);
        let mut tally = Tally::of(&logits, &labels, 0.5);
        assert_eq!(tally, Tally { loss: 1.5, hits: 2.0, clips: 3.0 });
        tally.add(Tally { loss: 0.5, hits: 1.0, clips: 1.0 });
        assert_eq!((tally.mean_loss(), tally.accuracy()), (0.5, 0.75));
        assert_eq!(Tally::from_state(&tally.state()), tally);
    }
}
