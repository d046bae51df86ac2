//! MAL, the Mask Auto-Labeler: instance masks learned from boxes.
//!
//! Lan et al., Vision Transformers Are Good Mask Auto-Labelers, CVPR 2023. Reading order: [`spec`] says
//! what is wanted, [`data`] gives batches, [`model`] and [`loss`] are the mathematics, [`train`] makes
//! the steps, [`segment`], [`validate`] and [`infer`] use the result.

mod data;
mod infer;
mod job;
mod loss;
mod model;
mod schedule;
mod segment;
mod size_class;
mod spec;
mod train;
mod validate;

pub(crate) use data::DataError;

use crate::cli::Action;
use crate::error::TrainerError;
use crate::run::{Ending, Run};
use crate::spec::SpecReader;
use job::Job;

/// Does one action of MAL.
pub(crate) fn perform(action: Action, reader: &SpecReader, run: &mut Run) -> Result<Ending, TrainerError> {
    let mut job = Job::new(reader, run)?;
    match action {
        Action::Train => train::train(&mut job),
        Action::Evaluate => infer::evaluate(&mut job),
        Action::Inference => infer::inference(&mut job),
        Action::Export => unreachable!("the command line knows no `mal export`"),
    }
}
