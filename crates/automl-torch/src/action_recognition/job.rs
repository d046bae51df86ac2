//! What every action shares: spec, device, and the way from folders to samples.

use std::path::PathBuf;

use tch::Device;

use super::data::ClipError;
use super::data::batch::Sampler;
use super::data::clips::ClipSet;
use super::data::sampling::Sampling;
use super::net::Network;
use super::spec::ActionSpec;
use crate::checkpoint::Checkpoint;
use crate::cli::Action;
use crate::error::TrainerError;
use crate::run::{self, Run};
use crate::spec::{SpecReader, required};

/// One action of action recognition.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// Results folder and status file.
    pub(crate) run: &'a mut Run,
    /// The checked spec.
    pub(crate) spec: ActionSpec,
    /// Where tensors live.
    pub(crate) device: Device,
}

impl<'a> Job<'a> {
    /// Checks the spec and picks the device.
    pub(crate) fn new(action: Action, reader: &SpecReader, run: &'a mut Run) -> Result<Self, TrainerError> {
        let spec = ActionSpec::read(reader)?;
        run.keep_spec(reader)?;
        let device = run::pick_device(spec.devices(action))?;
        Ok(Self { run, spec, device })
    }

    /// Threads that prepare batches.
    pub(crate) fn workers(&self) -> usize {
        run::workers(self.spec.dataset.workers, self.device)
    }

    /// Clips of the classes in a folder that must be set.
    pub(crate) fn labelled(&self, dir: &Option<PathBuf>, key: &'static str) -> Result<ClipSet, TrainerError> {
        let dir = required(dir, key)?;
        Ok(ClipSet::labelled(dir, key, &self.spec.dataset.classes, &self.sampling())?)
    }

    /// Clips without classes in a folder that must be set.
    pub(crate) fn unlabelled(
        &self,
        dir: &Option<PathBuf>,
        key: &'static str,
    ) -> Result<ClipSet, TrainerError> {
        let clips: Result<_, ClipError> = ClipSet::unlabelled(required(dir, key)?, key, &self.sampling());
        Ok(clips?)
    }

    /// Turns the clips of a set into samples.
    pub(crate) fn sampler<'s>(&'s self, set: &'s ClipSet) -> Sampler<'s> {
        Sampler {
            set,
            sampling: self.sampling(),
            augmentation: &self.spec.dataset.augmentation,
            shape: &self.spec.model.shape,
            input_size: self.spec.model.input_size,
        }
    }

    fn sampling(&self) -> Sampling {
        Sampling { strategy: self.spec.model.strategy, lengths: self.spec.model.lengths }
    }

    /// The network of a checkpoint that must be set, for use without training, and its completed epochs.
    pub(crate) fn load(
        &self,
        path: &Option<PathBuf>,
        key: &'static str,
    ) -> Result<(Network, u64), TrainerError> {
        let checkpoint = Checkpoint::read(required(path, key)?, key)?;
        let mut network = Network::new(&self.spec.model.shape, self.device);
        checkpoint.restore_model(network.variables())?;
        network.freeze();
        Ok((network, checkpoint.progress.epochs))
    }
}
