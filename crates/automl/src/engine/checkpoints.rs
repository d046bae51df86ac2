//! Owns the trials' checkpoints: looks whether one is still good, counts them, deletes what can go.
//!
//! What can go is decided by the scheduler crate from the study alone. The decision is durable before the
//! first file is deleted, and an engine that takes over deletes again what an earlier one may have left.

use super::{Engine, EngineError};
use crate::files::{self, CheckpointFile, checkpoint_files};
use crate::gc::referenced;
use automl_core::{Attempt, Event, FailureKind, Outcome, Study, Trial, TrialId};
use automl_scheduler::{Disposal, disposals};
use std::collections::BTreeSet;
use std::path::Path;

impl Engine {
    /// Returns the checkpoint that a trial carries on from. One that is missing or damaged is recorded as
    /// lost, and the trial begins anew. One that is to be copied from another trial is looked at there.
    pub(super) fn good_checkpoint(&mut self, id: TrialId) -> Result<Option<String>, EngineError> {
        let study = self.study();
        let trial = &study.trials[&id];
        let Some(path) = trial.checkpoint.clone().filter(|_| study.settings.fidelity.resumable) else {
            return Ok(None);
        };
        let looked_at = to_be_copied(study, trial).unwrap_or(&path);
        match flaw(trial, Path::new(looked_at)) {
            None => Ok(Some(path)),
            Some(reason) => {
                self.record(Event::CheckpointLost { trial: id, path, reason })?;
                Ok(None)
            }
        }
    }

    /// Copies the checkpoint that a trial is about to carry on from, where it is another trial's. Safe to repeat. One
    /// that has vanished meanwhile is left to the program to miss, and its trial begins anew then.
    pub(super) fn copy_inherited(&self, trial: TrialId) -> Result<(), EngineError> {
        let (study, trial) = (self.study(), &self.study().trials[&trial]);
        let resumed = trial.running_attempt().and_then(|attempt| attempt.resume_from.as_ref());
        let (Some(source), Some(copy)) = (to_be_copied(study, trial), resumed) else { return Ok(()) };
        match files::copy(Path::new(source), Path::new(copy)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(EngineError::File { path: copy.into(), source }),
            Ok(()) => Ok(()),
        }
    }

    /// Records the size of a trial's checkpoints that stay, where the study has a budget for them.
    pub(super) fn count_checkpoints(&mut self, trial: TrialId) -> Result<(), EngineError> {
        let (Some(_), Some(rule)) = (self.study().settings.conduct.disk_bytes, self.recipe.checkpoints())
        else {
            return Ok(());
        };
        let dropped = self.study().trials[&trial].dropped.as_ref();
        let stays = |file: &CheckpointFile| {
            dropped.is_none_or(|dropped| {
                dropped.keep.as_deref().is_some_and(|keep| file.path == Path::new(keep))
            })
        };
        let files = checkpoint_files(&self.dir.results(trial), rule);
        let bytes = files.into_iter().filter(stays).map(|file| file.bytes).sum();
        self.record(Event::CheckpointsCounted { trial, bytes })
    }

    /// Decides which checkpoints can go, where something has happened since the last look that may let some.
    pub(super) fn decide_disposals(&mut self) -> Result<(), EngineError> {
        if !std::mem::take(&mut self.may_dispose) || self.recipe.checkpoints().is_none() {
            return Ok(());
        }
        loop {
            let mut found = disposals(self.study(), &BTreeSet::new());
            if found.is_empty() {
                return Ok(());
            }
            let needed_elsewhere = self.needed_elsewhere();
            let mut spared = BTreeSet::new();
            // Those in whose place others go may be needed, too.
            while found.iter().any(|disposal| needed_elsewhere.contains(&disposal.trial)) {
                let needed =
                    found.iter().map(|disposal| disposal.trial).filter(|id| needed_elsewhere.contains(id));
                spared.extend(needed);
                found = disposals(self.study(), &spared);
            }
            let spared: Vec<TrialId> = spared.into_iter().collect();
            let mut stays = false;
            for Disposal { trial, keep, reason } in found {
                let (kept, spared) = (keep.is_some(), Some(spared.clone()));
                self.record(Event::CheckpointsDropped { trial, keep, reason, spared })?;
                self.to_delete.push(trial);
                if kept && self.study().settings.conduct.disk_bytes.is_some() {
                    self.count_checkpoints(trial)?;
                    stays = true;
                }
            }
            // Of a disk budget less may be free than it seemed.
            if !stays {
                return Ok(());
            }
        }
    }

    /// Returns the trials that other studies or actions were started from.
    fn needed_elsewhere(&self) -> BTreeSet<TrialId> {
        let referenced = referenced(&self.dir);
        if referenced.is_empty() {
            return BTreeSet::new();
        }
        let is_needed = |trial: &&TrialId| {
            let results = self.dir.results(**trial);
            referenced.iter().any(|path| path.starts_with(&results))
        };
        self.study().trials.keys().filter(is_needed).copied().collect()
    }

    /// Deletes what was decided to go, once that is durable, unless somebody has come to need it since. Returns what people
    /// should know.
    pub(super) fn delete_dropped(&mut self) -> Vec<String> {
        let trials = std::mem::take(&mut self.to_delete);
        let needed_elsewhere = if trials.is_empty() { BTreeSet::new() } else { self.needed_elsewhere() };
        let free = trials.into_iter().filter(|trial| !needed_elsewhere.contains(trial));
        free.filter_map(|trial| self.delete_checkpoints(trial)).collect()
    }

    /// Deletes again what an earlier engine may have left behind.
    pub(super) fn resume_deleting(&mut self) {
        let dropped = self.study().trials.values().filter(|trial| trial.dropped.is_some());
        self.to_delete = dropped.map(|trial| trial.id).collect();
    }

    fn delete_checkpoints(&self, trial: TrialId) -> Option<String> {
        let (rule, dropped) = (self.recipe.checkpoints()?, self.study().trials[&trial].dropped.as_ref()?);
        let deleted = files::delete_checkpoints(&self.dir.results(trial), rule, dropped.keep.as_deref());
        deleted.err().map(|(path, error)| format!("cannot delete checkpoint {}: {error}", path.display()))
    }
}

/// Returns the checkpoint that a trial's own is still to be copied from: that of a trial which has not gone on since.
fn to_be_copied<'a>(study: &'a Study, trial: &'a Trial) -> Option<&'a String> {
    let inherited = trial.inherited.as_ref().filter(|_| trial.reached.is_empty())?;
    let (source, copy) = (inherited.source.as_ref()?, trial.checkpoint.as_ref()?);
    let last = study.trials.get(&inherited.from)?.attempts.last()?.end.as_ref()?;
    let is_there =
        matches!(last.outcome, Outcome::Reached { fidelity, .. } if fidelity == inherited.fidelity);
    (is_there && !Path::new(copy).exists()).then_some(source)
}

/// Says what is wrong with a checkpoint, if anything can be seen.
fn flaw(trial: &Trial, path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) => return Some(format!("cannot read it: {error}")),
        Ok(metadata) if metadata.is_file() && metadata.len() == 0 => return Some("it is empty".into()),
        Ok(_) => {}
    }
    let last = trial.attempts.last()?;
    let failed = failed_on_checkpoint(last, &last.end.as_ref()?.outcome);
    (failed && last.resume_from.as_deref() == path.to_str()).then(|| FAILED_ON_IT.into())
}

/// What is wrong with a checkpoint that a program cannot begin from.
pub(super) const FAILED_ON_IT: &str = "the program failed on it before it reported anything";

/// Tells whether an attempt failed before it reported anything of what it carried on from, as far as is known: not
/// where the machine or the setup is known to be at fault.
pub(super) fn failed_on_checkpoint(attempt: &Attempt, outcome: &Outcome) -> bool {
    let Outcome::Failed { kind, .. } = outcome else { return false };
    let may_be_at_fault = match kind {
        FailureKind::Exit
        | FailureKind::Signal
        | FailureKind::Silent
        | FailureKind::Reported
        | FailureKind::NoMetric => true,
        FailureKind::OutOfMemory
        | FailureKind::TimeLimit
        | FailureKind::Launch
        | FailureKind::NotFinite
        | FailureKind::Lost
        | FailureKind::HostMemory
        | FailureKind::DiskFull
        | FailureKind::Device
        | FailureKind::Setup
        | FailureKind::Limit
        | FailureKind::Known => false,
    };
    may_be_at_fault && attempt.resume_from.is_some() && attempt.series.names().next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::Algorithm;
    use automl_testkit::{Log, settings};

    #[test]
    fn checkpoints_that_are_gone_empty_or_fatal_are_no_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        let log = Log::new(settings(Algorithm::Hyperband)).suggest(1).start(1, 1, 1).reach(1, 1, 1, 0.5);
        let trial = log.study().unwrap().trials[&TrialId(1)].clone();
        assert!(flaw(&trial, &path).unwrap().starts_with("cannot read it"));
        std::fs::write(&path, "").unwrap();
        assert_eq!(flaw(&trial, &path).unwrap(), "it is empty");
        std::fs::write(&path, "weights").unwrap();
        assert_eq!(flaw(&trial, &path), None);

        let start = Event::AttemptStarted {
            trial: TrialId(1),
            attempt: automl_core::AttemptNumber(2),
            until: automl_core::Fidelity(3),
            resume_from: Some(path.to_string_lossy().into_owned()),
            slot: 0,
            log_offsets: Vec::new(),
            worker: None,
            why: None,
            asked: None,
        };
        let log = log.with(start);
        let after = |kind| log.clone().fail(1, 2, kind).study().unwrap().trials[&TrialId(1)].clone();
        assert_eq!(flaw(&after(FailureKind::Exit), &path).unwrap(), FAILED_ON_IT);
        for kind in [FailureKind::HostMemory, FailureKind::DiskFull, FailureKind::Device, FailureKind::Setup]
        {
            assert_eq!(flaw(&after(kind), &path), None, "{kind:?}: the machine failed");
        }
    }
}
