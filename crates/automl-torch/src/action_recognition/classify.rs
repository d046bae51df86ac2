//! Class probabilities of whole clips.
//!
//! A clip is seen through one or more windows of time; its probabilities are the mean of theirs.

use std::ops::ControlFlow;

use tch::{Device, Kind, Tensor};

use super::data::ClipError;
use super::data::batch::{Batch, Sampler};
use super::data::sampling::{Picks, Windows};
use super::net::Network;
use super::score::Tally;
use crate::error::TrainerError;
use crate::loader::{for_each_batch, ordered_batches};

/// How the network is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    /// Which parts of a clip are looked at.
    pub(crate) windows: Windows,
    /// Samples in a batch.
    pub(crate) batch_size: usize,
    /// Threads that prepare batches.
    pub(crate) workers: usize,
    /// Where the network lives.
    pub(crate) device: Device,
}

/// Mean class probabilities of every clip of the sampler's set, in order.
pub(crate) fn probabilities(
    network: &Network,
    sampler: &Sampler<'_>,
    asking: Asking,
) -> Result<Vec<Vec<f64>>, TrainerError> {
    let mut sums: Vec<Option<Tensor>> = sampler.set.clips.iter().map(|_| None).collect();
    let mut counts = vec![0.0; sums.len()];
    for_each_window(network, sampler, asking, |batch, logits| {
        let shares = logits.softmax(-1, Kind::Double).to_device(Device::Cpu);
        for (at, sample) in (0..).zip(&batch.samples) {
            let share = shares.get(at);
            counts[sample.clip] += 1.0;
            let sum = &mut sums[sample.clip];
            *sum = Some(match sum.take() {
                Some(sum) => sum + share,
                None => share,
            });
        }
    })?;
    let mean = |(sum, count): (Option<Tensor>, f64)| {
        let sum = sum.expect("every clip has a window");
        Vec::<f64>::try_from(sum / count).expect("probabilities are doubles on the CPU")
    };
    Ok(sums.into_iter().zip(counts).map(mean).collect())
}

/// Cross entropy and hits over every window of a labelled set.
pub(crate) fn measure(
    network: &Network,
    sampler: &Sampler<'_>,
    asking: Asking,
) -> Result<Tally, TrainerError> {
    let mut tally = Tally::default();
    for_each_window(network, sampler, asking, |batch, logits| {
        let labels = batch.labels(sampler.set, asking.device);
        let loss = logits.cross_entropy_for_logits(&labels).to_kind(Kind::Double).double_value(&[]);
        tally.add(Tally::of(logits, &labels, loss));
    })?;
    Ok(tally)
}

/// Hands every batch with its logits to `consume`.
fn for_each_window(
    network: &Network,
    sampler: &Sampler<'_>,
    asking: Asking,
    mut consume: impl FnMut(&Batch, &Tensor),
) -> Result<(), TrainerError> {
    let clips = sampler.set.clips.iter().enumerate();
    let windows: Vec<(usize, Picks)> = clips
        .flat_map(|(at, clip)| {
            sampler.sampling.windows(clip.frames, asking.windows).into_iter().map(move |picks| (at, picks))
        })
        .collect();
    let make = |members: &[usize]| {
        let sample = |at: &usize| sampler.test_sample(windows[*at].0, &windows[*at].1);
        let samples: Result<Vec<_>, ClipError> = members.iter().map(sample).collect();
        Ok::<_, ClipError>(sampler.batch(samples?))
    };
    for_each_batch(&ordered_batches(windows.len(), asking.batch_size), asking.workers, make, |batch| {
        let logits = tch::no_grad(|| network.forward(&batch.inputs(asking.device), false));
        consume(&batch, &logits);
        Ok(ControlFlow::Continue(()))
    })
}

/// Index of the most probable class.
pub(crate) fn most_probable(probabilities: &[f64]) -> usize {
    let indices = 0..probabilities.len();
    indices.max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).expect("a network has a class")
}
