//! Training steps of MAL.
//!
//! One optimizer step sees `train.batch_size` × `train.accum_grad_batches` × `train.num_gpus`
//! objects, in as many passes as needed. Order, crops and drop-path masks are functions of (seed,
//! epoch, step), and the learning rate is one of the step; together with the checkpoint's tensors
//! that makes a resumed run follow the one that never stopped.

mod state;

use std::ops::ControlFlow;

use tch::Kind;

use crate::checkpoint::{Progress, Snapshot};
use crate::epochs::{self, Metrics, Training};
use crate::error::TrainerError;
use crate::loader::{for_each_batch, shuffled_batches};
use crate::mal::data::DataError;
use crate::mal::data::batch::{Batch, Dataset, Draw};
use crate::mal::infer::segment_settings;
use crate::mal::job::Job;
use crate::mal::loss::{LossInput, MalLoss};
use crate::mal::schedule::{LearningRate, peak_rate};
use crate::mal::segment::Segmenter;
use crate::mal::spec::Predictor;
use crate::mal::validate;
use crate::run::{Ending, Run};
use crate::status::say;
use state::TrainState;

/// Trains until the last epoch, the pause or SIGTERM.
pub(crate) fn train(job: &mut Job<'_>) -> Result<Ending, TrainerError> {
    let course = job.spec.train.course.clone();
    let mut trainer = Trainer::start(job)?;
    epochs::train(&mut trainer, &course)
}

struct Trainer<'a, 'b> {
    job: &'a mut Job<'b>,
    training: Dataset,
    validation: Dataset,
    state: TrainState,
    rate: LearningRate,
    loss: MalLoss,
}

impl<'a, 'b> Trainer<'a, 'b> {
    fn start(job: &'a mut Job<'b>) -> Result<Self, TrainerError> {
        let (training, validation) = (job.training_data()?, job.validation_data()?);
        let state = TrainState::start(job)?;
        let train = &job.spec.train;
        let batches = training.coco.objects.len().div_ceil(train.batch_size);
        let rate = LearningRate::new(train, batches.div_ceil(passes_per_step(job)) as u64);
        let loss = MalLoss::new(&train.loss);
        say(&format!(
            "training objects: {} validation objects: {} device: {:?}",
            training.coco.objects.len(),
            validation.coco.objects.len(),
            job.device
        ));
        say(&format!(
            "learning rate: {:e} = train.lr {:e} x {} devices x batch size {}",
            peak_rate(train),
            train.lr,
            train.devices.num_gpus,
            train.batch_size
        ));
        Ok(Self { job, training, validation, state, rate, loss })
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
        let passes = passes_per_step(self.job);
        let (spec, side) = (&self.job.spec.train, self.job.crop_side);
        let progress = self.state.progress;
        let draw = Draw { seed: progress.seed, epoch: progress.epochs, margin_rate: spec.margin_rate };
        let objects = self.training.coco.objects.len();
        let batches = shuffled_batches(objects, spec.batch_size, draw.seed, draw.epoch);
        let batches = &batches[(progress.epoch_steps as usize * passes).min(batches.len())..];
        let training = &self.training;
        let make = |objects: &[usize]| {
            let samples: Result<Vec<_>, _> =
                objects.iter().map(|object| training.training_sample(*object, draw)).collect();
            Ok::<_, DataError>(Batch::new(samples?, side))
        };
        let mut step = StepUnderWay::default();
        let mut left = batches.len();
        let mut flow = ControlFlow::Continue(());
        for_each_batch(batches, self.job.workers(), make, |batch| {
            if step.passes == 0 {
                step = StepUnderWay::begin(passes.min(left));
                tch::manual_seed(self.state.progress.step_seed());
            }
            left -= 1;
            step.loss += pass(&self.state, &self.loss, &batch, self.job.device, step.wanted)?;
            step.passes += 1;
            if step.passes == step.wanted {
                let spec = &self.job.spec;
                self.state.update(
                    self.rate.at(self.state.progress.steps),
                    step.loss,
                    spec.model.teacher_momentum,
                );
                step = StepUnderWay::default();
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
        let loss = self.state.complete_epoch();
        Metrics { kpi: vec![("train_loss".to_owned(), loss)], text: format!("train_loss: {loss:.6}") }
    }

    fn validate(&mut self) -> Result<Metrics, TrainerError> {
        let spec = &self.job.spec;
        let settings = segment_settings(self.job, spec.evaluate.batch_size.max(spec.train.batch_size));
        let (student, teacher) = (&self.state.student, &self.state.teacher);
        let segmenter = Segmenter { student, teacher, predictor: Predictor::Student };
        Ok(validate::measure(&segmenter, &self.validation, settings)?.metrics())
    }

    fn snapshot(&self) -> Snapshot {
        self.state.snapshot()
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
fn passes_per_step(job: &Job<'_>) -> usize {
    job.spec.train.accumulation * job.spec.train.devices.num_gpus as usize
}
