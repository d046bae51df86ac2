//! Training steps of action recognition.
//!
//! One optimizer step sees `dataset.batch_size` × `train.num_gpus` samples, in as many passes as needed.
//! Order, frames, crops and dropout masks are functions of (seed, epoch, step); together with the
//! checkpoint's tensors that makes a resumed run follow the one that never stopped.

use std::ops::ControlFlow;

use tch::{Kind, Tensor};

use super::classify::{Asking, measure};
use super::data::ClipError;
use super::data::batch::{Batch, Draw};
use super::data::clips::ClipSet;
use super::data::sampling::Windows;
use super::job::Job;
use super::net::Network;
use super::net::pretrained::{self, Source};
use super::schedule::{Losses, Schedule};
use super::score::Tally;
use super::spec::pretrained_key;
use crate::checkpoint::{Checkpoint, MODEL, Progress, Snapshot, prefixed};
use crate::epochs::{self, Metrics, Training, libtorch_seed};
use crate::error::TrainerError;
use crate::loader::{for_each_batch, shuffled_batches};
use crate::optim::Sgd;
use crate::random::Purpose;
use crate::run::{Ending, Run};
use crate::status::say;

const RESUME_KEY: &str = "train.resume_training_checkpoint_path";
/// Link to the newest checkpoint of a folder.
const LATEST_LINK: &str = "ar_model_latest.safetensors";
/// Names of a checkpoint's tensors beside the network's and the optimizer's.
const TALLY: &str = "tally";
const SCHEDULE: &str = "schedule";

/// Trains until the last epoch, the pause or SIGTERM.
pub(crate) fn train(job: &mut Job<'_>) -> Result<Ending, TrainerError> {
    let course = job.spec.train.course.clone();
    let mut trainer = Trainer::start(job)?;
    epochs::train(&mut trainer, &course)
}

struct Trainer<'a, 'b> {
    job: &'a mut Job<'b>,
    training: ClipSet,
    validation: ClipSet,
    state: State,
    /// Losses of the last completed epoch.
    losses: Losses,
}

/// What changes from step to step.
struct State {
    network: Network,
    optimizer: Sgd,
    schedule: Schedule,
    /// Sums over the epoch under way.
    tally: Tally,
    progress: Progress,
}

impl<'a, 'b> Trainer<'a, 'b> {
    fn start(job: &'a mut Job<'b>) -> Result<Self, TrainerError> {
        let dataset = &job.spec.dataset;
        let training = job.labelled(&dataset.train_dir, "dataset.train_dataset_dir")?;
        let validation = job.labelled(&dataset.val_dir, "dataset.val_dataset_dir")?;
        let state = State::start(job)?;
        let (samples, clips) = (training.clips.len() * dataset.clips_per_video, validation.clips.len());
        say(&format!("training samples: {samples} validation clips: {clips} device: {:?}", job.device));
        Ok(Self { job, training, validation, state, losses: Losses { train: f64::NAN, val: None } })
    }
}

impl Training for Trainer<'_, '_> {
    fn run(&mut self) -> &mut Run {
        self.job.run
    }

    fn progress(&self) -> Progress {
        self.state.progress
    }

    fn train_epoch(&mut self) -> Result<ControlFlow<()>, TrainerError> {
        let Progress { seed, epochs: epoch, epoch_steps, .. } = self.state.progress;
        let dataset = &self.job.spec.dataset;
        let passes = self.job.spec.train.devices.num_gpus as usize;
        let samples = self.training.clips.len() * dataset.clips_per_video;
        let batches = shuffled_batches(samples, dataset.batch_size, seed, epoch);
        let batches = &batches[(epoch_steps as usize * passes).min(batches.len())..];
        let sampler = self.job.sampler(&self.training);
        let make = |members: &[usize]| {
            let sample = |sample: &usize| {
                let clip = sample % sampler.set.clips.len();
                sampler.training_sample(clip, Draw { seed, epoch, sample: *sample })
            };
            let samples: Result<Vec<_>, ClipError> = members.iter().map(sample).collect();
            Ok::<_, ClipError>(sampler.batch(samples?))
        };
        let mut left = batches.len();
        let mut step: Vec<Tally> = Vec::new();
        let mut wanted = 0;
        let mut flow = ControlFlow::Continue(());
        for_each_batch(batches, self.job.workers(), make, |batch| {
            if step.is_empty() {
                wanted = passes.min(left);
                tch::manual_seed(self.state.progress.step_seed());
            }
            left -= 1;
            step.push(pass(&self.state, &batch, sampler.set, self.job.device, wanted)?);
            if step.len() == wanted {
                self.state.update(&step);
                step.clear();
                if epochs::step_is_due(&self.job.spec.train.course, &self.state.progress) {
                    self.state.snapshot().write(&self.job.run.dir)?;
                }
                if self.job.run.should_stop() {
                    flow = ControlFlow::Break(());
                }
            }
            Ok::<_, TrainerError>(flow)
        })?;
        // A signal during the last step finds the epoch complete; it is finished and saved first.
        Ok(if left == 0 { ControlFlow::Continue(()) } else { flow })
    }

    fn complete_epoch(&mut self) -> Metrics {
        let tally = std::mem::take(&mut self.state.tally);
        self.state.progress.count_epoch();
        self.losses = Losses { train: tally.mean_loss(), val: None };
        metrics("train", "train_acc_1", tally)
    }

    fn validate(&mut self) -> Result<Metrics, TrainerError> {
        let asking = Asking {
            windows: Windows::Centre,
            batch_size: self.job.spec.dataset.batch_size,
            workers: self.job.workers(),
            device: self.job.device,
        };
        let tally = measure(&self.state.network, &self.job.sampler(&self.validation), asking)?;
        self.losses.val = Some(tally.mean_loss());
        Ok(metrics("val", "val_acc_1", tally))
    }

    fn adapt(&mut self, validated: bool) {
        let val = self.losses.val.filter(|_| validated);
        self.state.schedule.observe(Losses { val, ..self.losses });
    }

    fn snapshot(&self) -> Snapshot {
        self.state.snapshot()
    }
}

/// `<split>_loss` and `<split>_acc` for the status file; stdout has the accuracy under `printed`.
fn metrics(split: &str, printed: &str, tally: Tally) -> Metrics {
    let (loss, accuracy) = (tally.mean_loss(), tally.accuracy());
    Metrics {
        kpi: vec![(format!("{split}_loss"), loss), (format!("{split}_acc"), accuracy)],
        text: format!("{split}_loss: {loss:.6} {printed}: {accuracy:.4}"),
    }
}

impl State {
    /// Starts anew, from pretrained weights, or from the checkpoint that the spec names.
    fn start(job: &Job<'_>) -> Result<Self, TrainerError> {
        let train = &job.spec.train;
        let resumed = match &train.course.resume {
            Some(path) => Some((path, Checkpoint::read(path, RESUME_KEY)?)),
            None => None,
        };
        let progress = Progress::begin(&train.course, resumed.as_ref().map(|(_, file)| file.progress));
        tch::manual_seed(libtorch_seed(progress.seed, Purpose::Weights));
        let network = Network::new(&job.spec.model.shape, job.device);
        if resumed.is_none() {
            load_pretrained(&network, job)?;
        }
        let optimizer = Sgd::new(train.optimizer, network.variables());
        let schedule = Schedule::new(train.scheduler.clone(), train.lr);
        let mut state = Self { network, optimizer, schedule, tally: Tally::default(), progress };
        if let Some((path, checkpoint)) = &resumed {
            state.restore(checkpoint)?;
            say(&format!("resumed after {} epochs from {}", progress.epochs, path.display()));
        }
        say(&format!("seed: {}", progress.seed));
        Ok(state)
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainerError> {
        let tensors = self.tensors();
        let copies: Vec<(String, Tensor)> =
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        checkpoint.restore(copies)?;
        let filled = |wanted: &str| tensors.iter().find(|(name, _)| name == wanted).map(|(_, tensor)| tensor);
        self.tally = Tally::from_state(filled(TALLY).expect("a checkpoint's tensors hold the tally"));
        self.schedule.restore(filled(SCHEDULE).expect("a checkpoint's tensors hold the schedule"));
        Ok(())
    }

    /// All that a checkpoint holds; networks and optimizer share memory with the state.
    fn tensors(&self) -> Vec<(String, Tensor)> {
        let mut tensors = prefixed(MODEL, self.network.variables());
        tensors.extend(self.optimizer.state());
        tensors.push((TALLY.to_owned(), self.tally.state()));
        tensors.push((SCHEDULE.to_owned(), self.schedule.state()));
        tensors
    }

    /// Makes one optimizer step from the gradients of its passes.
    fn update(&mut self, passes: &[Tally]) {
        self.optimizer.step(self.schedule.rate(self.progress.epochs));
        passes.iter().for_each(|tally| self.tally.add(*tally));
        self.progress.count_step(passes.iter().map(|tally| tally.loss).sum());
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::take(self.tensors(), self.progress, LATEST_LINK)
    }
}

/// Fills the network, or its streams, from the files that the spec names.
fn load_pretrained(network: &Network, job: &Job<'_>) -> Result<(), TrainerError> {
    let model = &job.spec.model;
    let joined = model.shape.streams.len() > 1;
    for weights in &model.stream_pretrained {
        let stream = if joined { format!("model_{}.", weights.modality.name()) } else { String::new() };
        let source = Source {
            path: &weights.path,
            key: pretrained_key(weights.modality),
            stream: &stream,
            fresh_classifier: weights.fresh_classifier,
        };
        pretrained::load(network, &source)?;
        say(&format!("{} weights loaded from {}", weights.modality.name(), weights.path.display()));
    }
    if let Some(path) = model.joint_pretrained.as_ref().filter(|_| joined) {
        let key = "model.joint_pretrained_model_path";
        pretrained::load(network, &Source { path, key, stream: "", fresh_classifier: false })?;
        say(&format!("joint weights loaded from {}", path.display()));
    }
    Ok(())
}

/// Forward and backward of one batch that is one of `passes`.
fn pass(
    state: &State,
    batch: &Batch,
    set: &ClipSet,
    device: tch::Device,
    passes: usize,
) -> Result<Tally, TrainerError> {
    let labels = batch.labels(set, device);
    let logits = state.network.forward(&batch.inputs(device), true);
    let loss = logits.cross_entropy_for_logits(&labels);
    let value = loss.to_kind(Kind::Double).double_value(&[]);
    if !value.is_finite() {
        let Progress { epochs: epoch, steps: step, .. } = state.progress;
        return Err(TrainerError::LossNotFinite { epoch, step });
    }
    (loss / passes as f64).backward();
    Ok(Tally::of(&logits, &labels, value))
}
