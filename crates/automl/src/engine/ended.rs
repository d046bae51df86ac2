//! Takes the end of an attempt in: the rest of its logs, what came of it, what that means for its trial.

use super::checkpoints::{FAILED_ON_IT, failed_on_checkpoint};
use super::{Engine, EngineError, outcome, success};
use automl_core::{AttemptEnd, Event, Fidelity, GpuUse, Outcome, TrialId, TrialState};
use automl_exec::AttemptEnded;
use std::path::PathBuf;

impl Engine {
    /// Takes the end of an attempt. One that is not followed, such as an earlier one of its trial that was
    /// given up, or one that was reported before, changes nothing.
    pub(super) fn on_ended(&mut self, ended: &AttemptEnded) -> Result<(), EngineError> {
        let AttemptEnded { key, verdict } = ended;
        let trial = TrialId(key.trial);
        let followed = self.live.get(&trial).is_some_and(|live| live.number().0 == key.attempt);
        let Some(mut live) = followed.then(|| self.live.remove(&trial)).flatten() else { return Ok(()) };
        self.upload(trial, true);
        for event in live.finish()? {
            self.record(event)?;
        }
        let study = self.log.study();
        let known = &study.trials[&trial];
        let attempt = known.running_attempt().expect("a followed attempt is running");
        let stopping = known.stopping.clone();
        let stopped_at = attempt.furthest_step().filter(|_| stopping.is_some()).map(Fidelity);
        let number = attempt.number;
        let notes = live.notes();
        let printed = self.launcher.streams(trial, number);
        let incomplete = success::incomplete(
            self.recipe.success(),
            attempt,
            study.settings.metrics().next(),
            &printed.each_ref().map(PathBuf::as_path),
        );
        let facts = outcome::Facts {
            incomplete,
            cause: &verdict.cause,
            oom_kills: verdict.oom_kills,
            attempt,
            metrics: study.settings.metrics().collect(),
            further_objectives: study.settings.further_objectives.len(),
            best: study.best_reading(known),
            stopped_at,
            notes: &notes,
            checkpoint: self.launcher.checkpoint(&self.recipe, trial, stopped_at.unwrap_or(attempt.until)),
            asked: live.asked,
            diagnosis: self.failures.diagnose(&notes),
        };
        let mut outcome = facts.outcome();
        // Whoever begins anew because of a checkpoint needs no retry.
        let lost = attempt.resume_from.clone().filter(|_| failed_on_checkpoint(attempt, &outcome));
        if let (Some(_), Outcome::Failed { reason, .. }) = (&lost, &mut outcome) {
            let reason = format!("failed on its checkpoint, and begins anew: {reason}");
            outcome = Outcome::Interrupted { reason, by_request: false };
        }
        let peak_mib = self.gpu_peaks.remove(key);
        let gpu = self.gpu_ms(attempt, verdict.ended_ms).map(|ms| GpuUse { ms, peak_mib });
        let automl_exec::Verdict { cpu_ms, max_rss_kib, memory_peak_kib, .. } = *verdict;
        let end = AttemptEnd { outcome, cpu_ms, max_rss_kib, memory_peak_kib, gpu };
        let given_up = if live.cancelled { Some("cancelled on request".into()) } else { stopping };
        self.record(Event::AttemptEnded { trial, attempt: number, end })?;
        if let Some(path) = lost {
            self.record(Event::CheckpointLost { trial, path, reason: FAILED_ON_IT.into() })?;
        }
        self.distrust_gpus();
        self.count_checkpoints(trial)?;
        let open = matches!(self.study().trials[&trial].state, TrialState::Queued | TrialState::Paused);
        if let Some(reason) = given_up.filter(|_| open) {
            self.record(Event::TrialStopped { trial, reason })?;
        }
        Ok(())
    }
}
