//! Optimizers whose state can be written to a checkpoint.
//!
//! libtorch's own cannot hand out their moments, and a run resumed without them is another run.

mod adamw;
mod sgd;

pub(crate) use adamw::{AdamW, AdamWSettings};
pub(crate) use sgd::{Sgd, SgdSettings};
