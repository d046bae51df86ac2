//! The training loop.
//!
//! One optimizer step sees `train.batch_size` × `train.accum_grad_batches` × `train.num_gpus`
//! objects, in as many passes as needed. Order, crops and drop-path masks are functions of (seed,
//! epoch, step), and the learning rate is one of the step; together with the checkpoint's tensors
//! that makes a resumed run follow the one that never stopped. The loop pauses after
//! `EARLY_STOP_EPOCH` completed epochs, on the schedule of all `train.num_epochs`.

mod state;

use std::ops::ControlFlow;
use std::time::Instant;

use tch::Kind;

use crate::checkpoint::Snapshot;
use crate::data::batch::{Batch, Dataset, Draw, for_each_batch, shuffled_batches};
use crate::error::TrainerError;
use crate::infer::segment_settings;
use crate::loss::{LossInput, MalLoss};
use crate::run::{Ending, Run};
use crate::schedule::{LearningRate, peak_rate};
use crate::segment::Segmenter;
use crate::spec::{CheckpointInterval, Predictor};
use crate::status::{EpochTiming, Status, say};
use crate::validate;
use state::TrainState;

/// Environment variable with the number of completed epochs to pause at.
const EARLY_STOP: &str = "EARLY_STOP_EPOCH";

/// Trains until the last epoch, the pause or SIGTERM.
pub(crate) fn train(run: &mut Run<'_>) -> Result<Ending, TrainerError> {
    let pause_at = early_stop_epoch()?;
    let mut trainer = Trainer::start(run)?;
    let ending = trainer.run_epochs(pause_at)?;
    let total = trainer.run.spec.train.num_epochs;
    let (status, message) = match ending {
        Ending::Finished => (Status::Success, "Train finished successfully.".to_owned()),
        Ending::Paused(epochs) => {
            (Status::Success, format!("Train paused after {epochs} of {total} epochs ({EARLY_STOP})."))
        }
        Ending::Terminated(epochs) => {
            (Status::Failure, format!("Train interrupted by SIGTERM after {epochs} of {total} epochs."))
        }
    };
    say(&message);
    trainer.run.status.write(status, &message)?;
    Ok(ending)
}

fn early_stop_epoch() -> Result<Option<u64>, TrainerError> {
    let Ok(value) = std::env::var(EARLY_STOP) else { return Ok(None) };
    match value.trim().parse() {
        Ok(epochs) if epochs > 0 => Ok(Some(epochs)),
        _ if value.trim().is_empty() => Ok(None),
        _ => Err(TrainerError::Environment {
            name: EARLY_STOP,
            value,
            expected: "a whole number of epochs, 1 or more",
        }),
    }
}

struct Trainer<'a, 'b> {
    run: &'a mut Run<'b>,
    training: Dataset,
    validation: Dataset,
    state: TrainState,
    rate: LearningRate,
    loss: MalLoss,
    /// The state after the last completed epoch, while it is in no file.
    unsaved: Option<Snapshot>,
}

impl<'a, 'b> Trainer<'a, 'b> {
    fn start(run: &'a mut Run<'b>) -> Result<Self, TrainerError> {
        let (training, validation) = (run.training_data()?, run.validation_data()?);
        let state = TrainState::start(run)?;
        let train = &run.spec.train;
        let batches = training.coco.objects.len().div_ceil(train.batch_size);
        let rate = LearningRate::new(train, batches.div_ceil(passes_per_step(run)) as u64);
        let loss = MalLoss::new(&train.loss);
        say(&format!(
            "training objects: {} validation objects: {} device: {:?}",
            training.coco.objects.len(),
            validation.coco.objects.len(),
            run.device
        ));
        say(&format!(
            "learning rate: {:e} = train.lr {:e} x {} devices x batch size {}",
            peak_rate(train),
            train.lr,
            train.num_gpus,
            train.batch_size
        ));
        run.status.write(Status::Running, "Starting Training Loop.")?;
        Ok(Self { run, training, validation, state, rate, loss, unsaved: None })
    }

    fn run_epochs(&mut self, pause_at: Option<u64>) -> Result<Ending, TrainerError> {
        let total = self.run.spec.train.num_epochs;
        let end = pause_at.map_or(total, |epochs| epochs.min(total));
        if self.state.progress.epochs >= end {
            // Nothing is left to train; the caller still learns how good the checkpoint is.
            self.validate(self.state.progress.epochs.saturating_sub(1))?;
        }
        while self.state.progress.epochs < end {
            let started = Instant::now();
            let epoch = self.state.progress.epochs;
            if self.run.should_stop() || self.train_epoch()?.is_break() {
                return self.terminate();
            }
            self.finish_epoch(epoch, started)?;
            let last = epoch + 1 == end;
            if last || (epoch + 1).is_multiple_of(self.run.spec.train.validation_interval) {
                self.validate(epoch)?;
            }
            self.save_epoch(last)?;
        }
        Ok(if end < total { Ending::Paused(self.state.progress.epochs) } else { Ending::Finished })
    }

    /// Trains the rest of the epoch; breaks off where SIGTERM has arrived.
    fn train_epoch(&mut self) -> Result<ControlFlow<()>, TrainerError> {
        let passes = passes_per_step(self.run);
        let (spec, side) = (&self.run.spec.train, self.run.crop_side);
        let progress = self.state.progress;
        let draw = Draw { seed: progress.seed, epoch: progress.epochs, margin_rate: spec.margin_rate };
        let objects = self.training.coco.objects.len();
        let batches = shuffled_batches(objects, spec.batch_size, draw.seed, draw.epoch);
        let batches = &batches[(progress.epoch_steps as usize * passes).min(batches.len())..];
        let training = &self.training;
        let make = |objects: &[usize]| {
            let samples: Result<Vec<_>, _> =
                objects.iter().map(|object| training.training_sample(*object, draw)).collect();
            Ok(Batch::new(samples?, side))
        };
        let mut step = StepUnderWay::default();
        let mut left = batches.len();
        let mut flow = ControlFlow::Continue(());
        for_each_batch(batches, self.run.workers(), make, |batch| {
            if step.passes == 0 {
                step = StepUnderWay::begin(passes.min(left));
                tch::manual_seed(self.state.step_seed());
            }
            left -= 1;
            step.loss += pass(&self.state, &self.loss, &batch, self.run.device, step.wanted)?;
            step.passes += 1;
            if step.passes == step.wanted {
                let spec = &self.run.spec;
                self.state.update(
                    self.rate.at(self.state.progress.steps),
                    step.loss,
                    spec.model.teacher_momentum,
                );
                step = StepUnderWay::default();
                save_step(self.run, &self.state)?;
                if self.run.should_stop() {
                    flow = ControlFlow::Break(());
                }
            }
            Ok::<_, TrainerError>(flow)
        })?;
        // A signal during the last step finds the epoch complete; it is finished and saved first.
        Ok(if left == 0 { ControlFlow::Continue(()) } else { flow })
    }

    fn finish_epoch(&mut self, epoch: u64, started: Instant) -> Result<(), TrainerError> {
        let loss = self.state.complete_epoch();
        say(&format!("epoch: {epoch} train_loss: {loss:.6}"));
        let max_epoch = self.run.spec.train.num_epochs - 1;
        self.run.status.write_epoch(EpochTiming { epoch, max_epoch, took: started.elapsed() })?;
        self.run.status.write_metrics(&[("train_loss".to_owned(), loss)], "Train metrics generated.")
    }

    fn validate(&mut self, epoch: u64) -> Result<(), TrainerError> {
        let settings =
            segment_settings(self.run, self.run.spec.evaluate.batch_size.max(self.run.spec.train.batch_size));
        let (student, teacher) = (&self.state.student, &self.state.teacher);
        let segmenter = Segmenter { student, teacher, predictor: Predictor::Student };
        let metrics = validate::measure(&segmenter, &self.validation, settings)?.metrics();
        say(&format!("epoch: {epoch} {}", validate::metrics_text(&metrics)));
        self.run.status.write_metrics(&metrics, "Eval metrics generated.")
    }

    /// Writes the completed epoch where it is due, else keeps a copy for SIGTERM.
    fn save_epoch(&mut self, last: bool) -> Result<(), TrainerError> {
        let epochs = self.state.progress.epochs;
        let due = match self.run.spec.train.checkpoint_interval {
            CheckpointInterval::Epochs(interval) => epochs.is_multiple_of(interval),
            CheckpointInterval::Steps(_) => false,
        };
        let snapshot = self.state.snapshot();
        if last || due {
            snapshot.write(&self.run.dir)?;
            self.unsaved = None;
        } else {
            self.unsaved = Some(snapshot);
        }
        Ok(())
    }

    fn terminate(&mut self) -> Result<Ending, TrainerError> {
        if let Some(snapshot) = self.unsaved.take() {
            snapshot.write(&self.run.dir)?;
        }
        Ok(Ending::Terminated(self.state.progress.epochs))
    }
}

/// One optimizer step while its passes are summed.
#[derive(Debug, Default)]
struct StepUnderWay {
    wanted: usize,
    passes: usize,
    loss: f64,
}

impl StepUnderWay {
    fn begin(wanted: usize) -> Self {
        Self { wanted, passes: 0, loss: 0.0 }
    }
}

/// Forward and backward of one batch that is one of `passes`; returns its share of the step's loss.
fn pass(
    state: &TrainState,
    loss: &MalLoss,
    batch: &Batch,
    device: tch::Device,
    passes: usize,
) -> Result<f64, TrainerError> {
    let sizes = batch.sizes();
    let images = batch.clean(device);
    let student_logits = state.student.forward(&batch.jittered(device), &sizes, true);
    let teacher_logits = tch::no_grad(|| state.teacher.forward(&images, &sizes, false));
    let box_masks = batch.box_masks(student_logits.size()[1] as usize, device);
    let (epoch, step) = (state.progress.epochs, state.progress.steps);
    let input = LossInput {
        student_logits: &student_logits,
        teacher_logits: &teacher_logits,
        box_masks: &box_masks,
        images: &images,
        epoch,
        step,
    };
    let share = loss.forward(&input) / passes as f64;
    let value = share.to_kind(Kind::Double).double_value(&[]);
    if !value.is_finite() {
        return Err(TrainerError::LossNotFinite { epoch, step });
    }
    share.backward();
    Ok(value)
}

/// Batches whose gradients make one optimizer step.
fn passes_per_step(run: &Run<'_>) -> usize {
    run.spec.train.accumulation * run.spec.train.num_gpus as usize
}

/// Writes a checkpoint in the middle of an epoch where those are asked for.
fn save_step(run: &Run<'_>, state: &TrainState) -> Result<(), TrainerError> {
    if let CheckpointInterval::Steps(interval) = run.spec.train.checkpoint_interval
        && state.progress.steps.is_multiple_of(interval)
    {
        state.snapshot().write(&run.dir)?;
    }
    Ok(())
}
