//! Action recognition: classes of actions in short clips, seen as frames, as optical flow, or both.
//!
//! Reading order: [`spec`] says what is wanted, [`data`] gives batches, [`net`] is the mathematics,
//! [`train`] makes the steps with [`schedule`], [`classify`] and [`score`] measure, [`infer`] and
//! [`export`] use the result.

mod classify;
mod data;
mod export;
mod infer;
mod job;
mod net;
mod schedule;
mod score;
mod spec;
mod train;

pub(crate) use data::ClipError;

use crate::cli::Action;
use crate::error::TrainerError;
use crate::run::{Ending, Run};
use crate::spec::SpecReader;
use job::Job;

/// Does one action of action recognition.
pub(crate) fn perform(action: Action, reader: &SpecReader, run: &mut Run) -> Result<Ending, TrainerError> {
    let mut job = Job::new(action, reader, run)?;
    match action {
        Action::Train => train::train(&mut job),
        Action::Evaluate => infer::evaluate(&mut job),
        Action::Inference => infer::inference(&mut job),
        Action::Export => export::export(&mut job),
    }
}
