//! What events make of one trial: from queued through its attempts to its end.
//!
//! Knows nothing of other trials; whether a transition may happen is checked by the study's fold before.

use crate::event::{AttemptEnd, FailureKind, Origin, Outcome};
use crate::ids::{Fidelity, TrialId};
use crate::trial::{Attempt, Trial, TrialState};
use crate::value::Params;
use std::collections::BTreeMap;

/// A trial lost by the machine (not by its program) more often than this has failed.
const LOSSES_MAX: u32 = 3;

/// Why a trial ends where it would otherwise wait to be promoted.
const OUTSIDE: &str = "lies outside the bounds since they were changed";

impl Trial {
    pub(crate) fn new(id: TrialId, params: &Params, bracket: Option<u32>, origin: &Origin, at: u64) -> Self {
        Trial {
            id,
            params: params.clone(),
            bracket,
            origin: origin.clone(),
            state: TrialState::Queued,
            attempts: Vec::new(),
            reached: BTreeMap::new(),
            further: BTreeMap::new(),
            foreign: None,
            checkpoint: None,
            inherited: None,
            checkpoint_lost: None,
            checkpoint_bytes: None,
            stopping: None,
            dropped: None,
            reason: None,
            failures: 0,
            losses: 0,
            suggested_at: at,
            ended_at: None,
        }
    }

    /// Ends a paused trial that lies outside the bounds.
    pub(crate) fn give_up_outside(&mut self) {
        self.state = TrialState::Stopped;
        self.reason = Some(OUTSIDE.into());
    }

    pub(crate) fn last_attempt(&mut self) -> &mut Attempt {
        self.attempts.last_mut().expect("a running trial has an attempt")
    }

    pub(crate) fn finish_attempt(&mut self, end: &AttemptEnd, at: u64) {
        self.ended_at = Some(at);
        self.stopping = None;
        let attempt = self.last_attempt();
        attempt.ended_at = Some(at);
        attempt.end = Some(end.clone());
        attempt.series.shrink();
    }

    /// Moves the trial on after an attempt: the one place where an outcome becomes a state.
    pub(crate) fn settle(&mut self, outcome: &Outcome, max: Fidelity, retries: u32) {
        match outcome {
            Outcome::Reached { fidelity, value, checkpoint, further } => {
                self.reached.insert(*fidelity, *value);
                if !further.is_empty() {
                    self.further.insert(*fidelity, further.clone());
                }
                self.checkpoint.clone_from(checkpoint);
                self.state = if *fidelity >= max { TrialState::Complete } else { TrialState::Paused };
            }
            Outcome::Infeasible { reason } => {
                self.reason = Some(reason.clone());
                self.state = TrialState::Infeasible;
            }
            Outcome::Failed { kind, reason } => {
                self.failures += 1;
                self.reason = Some(reason.clone());
                let again = kind.may_be_transient() && self.failures <= retries;
                self.state = if again { TrialState::Queued } else { TrialState::Failed };
            }
            Outcome::Interrupted { reason, by_request } => {
                self.losses += u32::from(!by_request);
                self.reason = Some(reason.clone());
                self.state = if self.losses > LOSSES_MAX { TrialState::Failed } else { TrialState::Queued };
            }
        }
    }

    /// Returns what kind of failure ended the trial.
    #[must_use]
    pub fn failure(&self) -> Option<FailureKind> {
        match &self.attempts.last()?.end.as_ref()?.outcome {
            Outcome::Failed { kind, .. } => Some(*kind),
            Outcome::Interrupted { .. } if self.state == TrialState::Failed => Some(FailureKind::Lost),
            Outcome::Reached { .. } | Outcome::Infeasible { .. } | Outcome::Interrupted { .. } => None,
        }
    }
}
