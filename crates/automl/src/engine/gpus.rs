//! What the engine knows of GPUs: which slots cannot be used now, and how long and how full they were.

use super::{Engine, Update};
use automl_core::{Attempt, Trial, TrialState};
use automl_exec::slots;
use std::collections::BTreeMap;

impl Engine {
    /// Learns which slots can take a trial now, and tells of each change.
    pub(super) fn look_at_gpus(&mut self, observer: &mut dyn FnMut(Update<'_>)) {
        let Some(watch) = &self.gpus else { return };
        let report = watch.report();
        for (key, held) in &report.held_mib {
            let peak = self.gpu_peaks.entry(key.clone()).or_default();
            *peak = (*peak).max(*held);
        }
        let running = self.study().in_state(TrialState::Running).filter_map(Trial::running_attempt);
        let busy: Vec<u32> = running.map(|attempt| attempt.slot).collect();
        // A slot in use holds the memory of its own trial.
        let idle = self.slots.iter().filter(|slot| !busy.contains(&slot.id));
        let found = idle.filter_map(|slot| Some((slot.id, report.obstacle(&self.slots, slot)?)));
        let found: BTreeMap<u32, String> = found.collect();
        for (slot, obstacle) in &found {
            if !self.obstacles.contains_key(slot) {
                observer(Update::Note(obstacle));
            }
        }
        self.obstacles = found;
    }

    /// Returns the GPU time of all attempts, those that run now included.
    pub(super) fn gpu_ms_of_all(&self) -> u64 {
        let now = (self.clock)();
        let running = self.study().in_state(TrialState::Running).filter_map(Trial::running_attempt);
        let running = running.filter_map(|attempt| self.gpu_ms(attempt, now));
        running.fold(self.study().gpu_ms, u64::saturating_add)
    }

    /// Returns the GPU time of an attempt up to an instant; none on the CPU.
    pub(super) fn gpu_ms(&self, attempt: &Attempt, until: u64) -> Option<u64> {
        let share = slots::gpu_share(&self.slots, attempt.slot).filter(|share| *share > 0.0)?;
        Some((until.saturating_sub(attempt.started_at) as f64 * share) as u64)
    }
}
