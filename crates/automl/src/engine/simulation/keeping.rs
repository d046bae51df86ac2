//! What must hold of checkpoints after every event: none that is needed is ever given up, whatever goes is in the
//! log before, and nothing is promoted without one unless the log says why.

use super::plan::KEPT;
use super::world::World;
use crate::files::{StudyDir, checkpoint_files};
use automl_config::CheckpointRule;
use automl_core::{EndReason, Event, KeepCheckpoints, Outcome, Study, Trial, TrialId, TrialState};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Follows what becomes of a study's checkpoints.
pub(super) struct Keeping {
    world: World,
    dir: StudyDir,
    rule: CheckpointRule,
    /// What the user asks for beside the study's own setting, while checkpoints are collected.
    pub(super) collecting: Option<KeepCheckpoints>,
    /// All that was ever asked for so: a decision whose append was refused may turn up in the log at any later opening.
    pub(super) collected: Vec<KeepCheckpoints>,
    /// Trials whose last checkpoint was given up because no decision could need it, and that nobody has asked
    /// more of since.
    given_up: BTreeSet<TrialId>,
    /// Trials that were trained and have no checkpoint for a reason that the log tells.
    without: BTreeSet<TrialId>,
    /// When the end of each trial's last attempt was recorded.
    ends: BTreeMap<TrialId, u64>,
    /// When the log last grew.
    grown_at: u64,
}

impl Keeping {
    pub(super) fn new(world: World, dir: StudyDir, rule: CheckpointRule) -> Self {
        let (given_up, without, ends) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let (collecting, collected, grown_at) = (None, Vec::new(), 0);
        Keeping { world, dir, rule, collecting, collected, given_up, without, ends, grown_at }
    }

    /// Looks at what is to be given up before it is; returns what is wrong with that.
    pub(super) fn before(&self, study: &Study, event: &Event) -> Vec<String> {
        let Event::CheckpointsDropped { trial, keep, reason, .. } = event else { return Vec::new() };
        let mut wrongs = Vec::new();
        let known = &study.trials[trial];
        let over_budget = reason.contains("disk budget");
        let again = known.dropped.as_ref().is_some_and(|dropped| dropped.keep == *keep);
        let place = place(study, *trial);
        let mut asked = self.collected.iter().chain([&study.settings.conduct.keep_checkpoints]);
        let kept = if over_budget { place == Some(0) } else { asked.all(|keep| keeps(*keep, place)) };
        if !again && kept {
            wrongs.push(format!("the checkpoints of trial {trial} are to be kept, and go: {reason}"));
        }
        if over_budget {
            let budget = study.settings.conduct.disk_bytes.unwrap_or(u64::MAX);
            let counted: u64 = study.trials.values().filter_map(|trial| trial.checkpoint_bytes).sum();
            if counted <= budget {
                wrongs.push(format!("{counted} bytes are within {budget}, and those of trial {trial} go"));
            }
        }
        if keep.is_some() && *keep != known.checkpoint {
            wrongs.push(format!("trial {trial} is to keep {keep:?}, and would go on from {known:?}"));
        }
        let still_to_be_copied = |child: &&Trial| {
            let inherited = child.inherited.as_ref().filter(|inherited| inherited.from == *trial);
            let source = inherited.and_then(|inherited| inherited.source.as_ref());
            let open = matches!(child.state, TrialState::Queued | TrialState::Running);
            let copied = child.checkpoint.as_ref().is_none_or(|copy| Path::new(copy).exists());
            let there = |source: &String| Path::new(source).exists();
            open && child.reached.is_empty()
                && !copied
                && source.is_some_and(there)
                && source != keep.as_ref()
        };
        if let Some(child) = study.trials.values().find(still_to_be_copied) {
            wrongs.push(format!("trial {trial} gives up what trial {} is still to begin from", child.id));
        }
        wrongs
    }

    /// Follows an event that has become durable, just now or some time ago; returns what is wrong.
    pub(super) fn after(&mut self, study: &Study, event: &Event, just_now: bool) -> Vec<String> {
        match event {
            Event::CheckpointInherited { source: Some(source), copy: Some(copy), .. } => {
                self.world.shelf(|shelf| shelf.expect_copy(source, copy));
            }
            Event::CheckpointLost { trial, path, .. } => {
                self.without.insert(*trial);
                if just_now && !self.is_to_blame(study, *trial, path) {
                    return vec![format!("{path} is said to be lost, and is not")];
                }
            }
            Event::CheckpointsDropped { trial, keep, .. } => {
                let results = self.dir.results(*trial);
                self.world.shelf(|shelf| shelf.condemn(&results, keep.as_deref()));
                if keep.is_none() {
                    self.given_up.insert(*trial);
                }
            }
            // Whoever asks for more gets it from what there still is.
            Event::FidelityRaised { .. } | Event::BudgetChanged { .. } | Event::BoundsChanged { .. } => {
                self.without.append(&mut self.given_up);
            }
            Event::AttemptStarted { trial, .. } => return self.started(study, *trial, just_now),
            Event::CheckpointsCounted { trial, bytes } if just_now => {
                return self.counted(study, *trial, *bytes);
            }
            Event::AttemptEnded { trial, end, .. } => {
                self.ends.insert(*trial, self.world.now());
                if let Outcome::Reached { checkpoint, .. } = &end.outcome {
                    return self.reached(study, *trial, checkpoint.as_ref(), just_now);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// All events that became durable together have been followed.
    pub(super) fn grown(&mut self) {
        self.grown_at = self.world.now();
    }

    /// Compares with the disk, as often as anybody looks.
    pub(super) fn audit(&self) -> Vec<String> {
        let now = self.world.now();
        self.world.shelf(|shelf| shelf.audit(now))
    }

    /// At the end of a search nothing is left but what is to be kept.
    pub(super) fn ended(&self, study: &Study) -> Vec<String> {
        let over_budget = study.settings.conduct.disk_bytes.is_some();
        let mut left = 0;
        let mut wrongs = Vec::new();
        // A limit of time leaves trials in the queue, which go on if it is raised, and failures leave paused ones, which
        // go on once what failed is mended.
        let mended = study.ended.is_some_and(EndReason::can_be_mended);
        let goes_on = |state| state == TrialState::Queued || (mended && state == TrialState::Paused);
        let over = |trial: &&Trial| !goes_on(trial.state) && !trial.attempts.is_empty();
        for trial in study.trials.values().filter(over) {
            let results = self.dir.results(trial.id);
            // What a program that was cut off writes after the end of its trial is nobody's.
            let ended = self.ends.get(&trial.id).copied().unwrap_or(0);
            let (pinned, files) = self.world.shelf(|shelf| {
                let is_known = |path: &Path| {
                    let name = path.strip_prefix(&results).ok().and_then(Path::to_str);
                    path.exists() && name.is_some_and(|name| self.rule.is_checkpoint(name))
                };
                let of = shelf.of(&results).filter(|(path, at)| *at <= ended && is_known(path));
                (shelf.is_pinned(&results), of.map(|(path, _)| path.to_path_buf()).collect::<Vec<_>>())
            });
            if pinned || self.is_kept(study, trial.id, true) {
                continue;
            }
            left += files.iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>();
            if !files.is_empty() && !self.is_kept(study, trial.id, false) {
                wrongs.push(format!("at the end, trial {} still has {files:?}", trial.id));
            }
        }
        let budget = study.settings.conduct.disk_bytes.unwrap_or(u64::MAX);
        if over_budget && left > budget {
            wrongs.push(format!("at the end, {left} bytes are left under a budget of {budget}"));
        }
        wrongs
    }
}

impl Keeping {
    /// Tells whether a trial's checkpoints stay, whatever else goes.
    fn is_kept(&self, study: &Study, trial: TrialId, over_budget: bool) -> bool {
        let own = study.settings.conduct.keep_checkpoints;
        let keep = if over_budget { KeepCheckpoints::Best } else { self.collecting.unwrap_or(own) };
        keeps(keep, place(study, trial))
    }

    /// Tells whether a checkpoint that is said to be lost really is no good.
    fn is_to_blame(&self, study: &Study, trial: TrialId, path: &str) -> bool {
        let path = Path::new(path);
        let silent = |trial: &Trial| {
            trial.attempts.last().is_some_and(|attempt| attempt.series.names().next().is_none())
        };
        !path.exists() || self.world.shelf(|shelf| shelf.is_excused(path)) || silent(&study.trials[&trial])
    }

    /// A trial that was trained before goes on from its checkpoint, or the log says why it does not.
    fn started(&self, study: &Study, trial: TrialId, just_now: bool) -> Vec<String> {
        let known = &study.trials[&trial];
        let resumed = known.running_attempt().and_then(|attempt| attempt.resume_from.as_ref());
        if known.trained().is_none() || !study.settings.fidelity.resumable {
            let wrong = resumed.filter(|_| !study.settings.fidelity.resumable);
            return wrong
                .map(|path| format!("trial {trial} cannot carry on from {path}"))
                .into_iter()
                .collect();
        }
        match resumed {
            None if !self.without.contains(&trial) => {
                let given_up = self.given_up.contains(&trial);
                vec![format!("trial {trial} begins anew for no reason (given up: {given_up})")]
            }
            None => Vec::new(),
            Some(path) if known.checkpoint.as_ref() != Some(path) => {
                vec![format!("trial {trial} carries on from {path}, not from {:?}", known.checkpoint)]
            }
            Some(path) => {
                let source = known.inherited.as_ref().and_then(|inherited| inherited.source.as_ref());
                let there = [Some(path), source].into_iter().flatten().any(|path| Path::new(path).exists());
                // It may vanish while a full disk keeps the start from being written.
                let excused = there || self.world.shelf(|shelf| shelf.is_excused(Path::new(path)));
                let missing = just_now && !excused;
                let told = || format!("trial {trial} is to carry on from {path}, which is missing");
                missing.then(told).into_iter().collect()
            }
        }
    }

    /// A result comes with the checkpoint that it was reached with.
    fn reached(
        &mut self,
        study: &Study,
        trial: TrialId,
        checkpoint: Option<&String>,
        just_now: bool,
    ) -> Vec<String> {
        let results = self.dir.results(trial);
        self.given_up.remove(&trial);
        match checkpoint {
            None => {
                self.without.insert(trial);
                let reached = study.trials[&trial].fidelity().map_or(0, |fidelity| fidelity.0);
                let files = checkpoint_files(&results, &self.rule);
                let fits = |path: &Path| {
                    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                    self.rule.completed(name).is_none_or(|epochs| epochs <= reached)
                };
                let forgotten = files.iter().find(|file| fits(&file.path)).filter(|_| just_now);
                forgotten.map(|file| format!("the result of trial {trial} forgets {}", file.path.display()))
            }
            Some(path) => {
                self.without.remove(&trial);
                // It may vanish while a full disk keeps the result from being written.
                let path = Path::new(path);
                let there = path.exists() || self.world.shelf(|shelf| shelf.is_excused(path));
                let wrong = just_now && !(there && path.starts_with(&results));
                let path = path.display();
                wrong.then(|| format!("trial {trial} has no checkpoint {path}"))
            }
        }
        .into_iter()
        .collect()
    }

    fn counted(&self, study: &Study, trial: TrialId, bytes: u64) -> Vec<String> {
        let dropped = study.trials[&trial].dropped.as_ref();
        let stays = |path: &Path| dropped.is_none_or(|dropped| dropped.keep.as_deref() == path.to_str());
        let results = self.dir.results(trial);
        let files = checkpoint_files(&results, &self.rule);
        let sum = |counts: &dyn Fn(&Path) -> bool| -> u64 {
            files.iter().filter(|file| stays(&file.path) && counts(&file.path)).map(|file| file.bytes).sum()
        };
        // They may break, or be written, while a full disk keeps their size from being recorded.
        let (there, for_long) = self.world.shelf(|shelf| {
            let new = |path: &Path| shelf.of(&results).any(|(p, at)| p == path && at > self.grown_at);
            (sum(&|_| true), sum(&|path| !new(path)))
        });
        let wrong =
            !(for_long..=there).contains(&bytes) && !self.world.shelf(|shelf| shelf.is_damaged(&results));
        wrong
            .then(|| format!("trial {trial} has {there} bytes of checkpoints, not {bytes}"))
            .into_iter()
            .collect()
    }
}

/// Tells whether a trial in such a place has its checkpoints kept.
fn keeps(keep: KeepCheckpoints, place: Option<usize>) -> bool {
    match keep {
        KeepCheckpoints::All => true,
        KeepCheckpoints::Best => place == Some(0),
        KeepCheckpoints::None => false,
        KeepCheckpoints::Top(n) => place.is_some_and(|place| place < n as usize),
    }
}

/// Returns how many trials are better than one: who got further, or as far with a better result.
fn place(study: &Study, trial: TrialId) -> Option<usize> {
    let standing = |trial: &Trial| {
        let reached = trial.fidelity()?;
        Some((std::cmp::Reverse(reached), study.rank_at(trial, reached)?))
    };
    let own = standing(study.trials.get(&trial)?)?;
    let others = study.trials.values().filter(|trial| trial.foreign.is_none()).filter_map(standing);
    Some(others.filter(|other| *other < own).count())
}

/// Returns the settings that may be asked for when checkpoints are collected.
pub(super) fn collectable() -> &'static [KeepCheckpoints] {
    &KEPT[1..]
}
