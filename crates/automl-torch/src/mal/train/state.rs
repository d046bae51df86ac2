//! What changes from step to step: both networks, the moments, and the progress.

use tch::Tensor;

use crate::checkpoint::{Checkpoint, MODEL, Progress, Snapshot, prefixed};
use crate::epochs::libtorch_seed;
use crate::error::TrainerError;
use crate::mal::job::Job;
use crate::mal::model::{Network, TEACHER, pretrained};
use crate::mal::spec::TrainSpec;
use crate::optim::{AdamW, AdamWSettings};
use crate::random::Purpose;
use crate::status::say;

/// Link to the newest checkpoint of a folder.
const LATEST_LINK: &str = "mal_model_latest.safetensors";
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
    pub(super) fn start(job: &Job<'_>) -> Result<Self, TrainerError> {
        let train = &job.spec.train;
        let resumed = match &train.course.resume {
            Some(path) => Some((path, Checkpoint::read(path, RESUME_KEY)?)),
            None => None,
        };
        let progress = Progress::begin(&train.course, resumed.as_ref().map(|(_, file)| file.progress));
        let seed = progress.seed;
        tch::manual_seed(libtorch_seed(seed, Purpose::Weights));
        let new = || Network::new(job.arch, &job.spec.model, job.crop_side as i64, job.device);
        let (student, mut teacher) = (new(), new());
        if let (Some(path), None) = (&train.pretrained, &resumed) {
            pretrained::load_encoder(&student, job.arch, path)?;
            say(&format!("encoder loaded from {}", path.display()));
        }
        teacher.follow(&student);
        let optimizer = AdamW::new(settings(train), student.variables());
        let state = Self { student, teacher, optimizer, progress };
        if let Some((path, checkpoint)) = &resumed {
            checkpoint.restore(state.tensors())?;
            say(&format!("resumed after {} epochs from {}", progress.epochs, path.display()));
        }
        say(&format!("seed: {seed}"));
        Ok(state)
    }

    /// All that a checkpoint holds, sharing memory with the state.
    fn tensors(&self) -> Vec<(String, Tensor)> {
        let networks = [(MODEL, &self.student), (TEACHER, &self.teacher)];
        let variables = networks.iter().flat_map(|(prefix, network)| prefixed(prefix, network.variables()));
        variables.chain(self.optimizer.state()).collect()
    }

    /// Makes one optimizer step from the gradients, and lets the teacher follow.
    pub(super) fn update(&mut self, rate: f64, loss: f64, teacher_momentum: f64) {
        self.optimizer.step(rate, self.progress.steps + 1);
        self.teacher.average_towards(&self.student, teacher_momentum);
        self.progress.count_step(loss);
    }

    /// Counts the epoch as completed and returns its mean loss over the steps.
    pub(super) fn complete_epoch(&mut self) -> f64 {
        let mean = self.progress.loss_sum / self.progress.epoch_steps as f64;
        self.progress.count_epoch();
        mean
    }

    /// A copy of all this.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.tensors(), self.progress, LATEST_LINK)
    }
}

/// The optimizer's constants of a spec.
fn settings(train: &TrainSpec) -> AdamWSettings {
    AdamWSettings { betas: train.betas, eps: train.eps, weight_decay: train.weight_decay }
}
