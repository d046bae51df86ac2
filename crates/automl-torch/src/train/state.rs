//! What changes from step to step: both networks, the moments, and the progress.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::checkpoint::{Checkpoint, Progress, Snapshot};
use crate::data::random::{Purpose, Stream};
use crate::error::TrainerError;
use crate::model::{Network, pretrained};
use crate::optim::{AdamW, AdamWSettings};
use crate::run::Run;
use crate::status::say;

const RESUME_KEY: &str = "train.resume_training_checkpoint_path";

/// The changing part of a run.
#[derive(Debug)]
pub(super) struct TrainState {
    /// The network that learns.
    pub(super) student: Network,
    /// Its moving average.
    pub(super) teacher: Network,
    optimizer: AdamW,
    /// How far the run has come.
    pub(super) progress: Progress,
}

impl TrainState {
    /// Starts anew, from a pretrained encoder, or from the checkpoint that the spec names.
    pub(super) fn start(run: &Run<'_>) -> Result<Self, TrainerError> {
        let train = &run.spec.train;
        let resumed = match &train.resume {
            Some(path) => Some((path, Checkpoint::read(path, RESUME_KEY)?)),
            None => None,
        };
        let stored = resumed.as_ref().map(|(_, checkpoint)| checkpoint.progress);
        let seed = train.seed.or(stored.map(|progress| progress.seed)).unwrap_or_else(seed_from_clock);
        tch::manual_seed(libtorch_seed(seed, Purpose::Weights));
        let new = || Network::new(run.arch, &run.spec.model, run.crop_side as i64, run.device);
        let (student, mut teacher) = (new(), new());
        if let (Some(path), None) = (&train.pretrained, &resumed) {
            pretrained::load_encoder(&student, run.arch, path)?;
            say(&format!("encoder loaded from {}", path.display()));
        }
        teacher.follow(&student);
        let optimizer = AdamW::new(AdamWSettings::of(train), student.variables());
        let fresh = Progress { epochs: 0, epoch_steps: 0, steps: 0, loss_sum: 0.0, seed };
        let progress = Progress { seed, ..stored.unwrap_or(fresh) };
        if let Some((path, checkpoint)) = &resumed {
            checkpoint.restore_student(&student)?;
            checkpoint.restore_teacher(&teacher)?;
            checkpoint.restore_optimizer(&optimizer)?;
            say(&format!("resumed after {} epochs from {}", progress.epochs, path.display()));
        }
        say(&format!("seed: {seed}"));
        Ok(Self { student, teacher, optimizer, progress })
    }

    /// Seed of libtorch's generator for the step under way.
    pub(super) fn step_seed(&self) -> i64 {
        let Progress { seed, epochs, epoch_steps, .. } = self.progress;
        libtorch_seed(seed, Purpose::Step { epoch: epochs, step: epoch_steps })
    }

    /// Makes one optimizer step from the gradients, and lets the teacher follow.
    pub(super) fn update(&mut self, rate: f64, loss: f64, teacher_momentum: f64) {
        self.optimizer.step(rate, self.progress.steps + 1);
        self.teacher.average_towards(&self.student, teacher_momentum);
        self.progress.steps += 1;
        self.progress.epoch_steps += 1;
        self.progress.loss_sum += loss;
    }

    /// Counts the epoch as completed and returns its mean loss over the steps.
    pub(super) fn complete_epoch(&mut self) -> f64 {
        let mean = self.progress.loss_sum / self.progress.epoch_steps as f64;
        self.progress.epochs += 1;
        self.progress.epoch_steps = 0;
        self.progress.loss_sum = 0.0;
        mean
    }

    /// A copy of all this.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.student, &self.teacher, &self.optimizer, self.progress)
    }
}

fn libtorch_seed(seed: u64, purpose: Purpose) -> i64 {
    // 63 bits: the seed is a signed number there.
    (Stream::open(seed, purpose).bits() >> 1) as i64
}

/// A seed for runs that ask for a new one each time; printed, so that it can be repeated.
fn seed_from_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let purpose = Purpose::FreshSeed { process: u64::from(std::process::id()) };
    Stream::open(since.as_nanos() as u64, purpose).bits() >> 33
}
