//! What the engine knows of slots and their GPUs: which can take a trial now, and how long and how full they
//! were.

use super::{Engine, Mode, Update};
use automl_core::{Attempt, FailureKind, Trial, TrialId, TrialState};
use automl_exec::GpuReport;
use automl_exec::slots::{self, Slot};
use std::collections::BTreeMap;

/// How long a driver may take to give memory back before that is worth telling.
const GIVEN_BACK_MS: u64 = 3000;

/// What stands in the way of using a slot.
#[derive(Debug)]
pub(super) struct Obstacle {
    /// When it was first seen.
    since: u64,
    /// Whether people know of it.
    told: bool,
}

impl Engine {
    /// Learns which slots can take a trial now, and tells of each change.
    pub(super) fn look_at_gpus(&mut self, observer: &mut dyn FnMut(Update<'_>)) {
        let Some(watch) = &self.gpus else { return };
        let (is_current, report) = (watch.is_current(), watch.report());
        self.gpus_are_known = is_current;
        self.tell_of_errors(&report, observer);
        for (key, held) in &report.held_mib {
            let peak = self.gpu_peaks.entry(key.clone()).or_default();
            *peak = (*peak).max(*held);
        }
        let running = self.study().in_state(TrialState::Running).filter_map(Trial::running_attempt);
        let busy: Vec<u32> = running.map(|attempt| attempt.slot).collect();
        let is_dead = |slot: &Slot| slot.gpus.iter().any(|gpu| report.faulty.contains_key(gpu));
        let now = (self.clock)();
        let mut found = BTreeMap::new();
        // A slot in use holds the memory of its own trial.
        for slot in self.slots.iter().filter(|slot| !busy.contains(&slot.id)) {
            let known = self.obstacles.remove(&slot.id);
            if !is_current && !is_dead(slot) {
                // What was found may be the memory of a trial that has ended since.
                found.extend(known.map(|known| (slot.id, known)));
                continue;
            }
            let Some(why) = report.obstacle(&self.slots, slot) else { continue };
            let (since, told) = known.map_or((now, false), |known| (known.since, known.told));
            let tell = !told && (is_dead(slot) || now.saturating_sub(since) >= GIVEN_BACK_MS);
            if tell {
                observer(Update::Note(&why));
            }
            found.insert(slot.id, Obstacle { since, told: told || tell });
        }
        self.obstacles = found;
        if self.mode == Mode::Search && self.slots.iter().all(is_dead) {
            observer(Update::Note("no GPU is left that can be trusted: the search ends, and can be resumed"));
            self.mode = Mode::Drain(None);
        }
    }

    /// Tells of errors that GPUs have reported, once of each.
    fn tell_of_errors(&mut self, report: &GpuReport, observer: &mut dyn FnMut(Update<'_>)) {
        for error in &report.errors {
            if self.gpu_errors.insert(*error) {
                observer(Update::Note(&format!(
                    "{error}; such errors are mostly a program's, so it is used on"
                )));
            }
        }
    }

    /// Forgets what is known of free memory, as an attempt has ended: its slot is used again when a new look
    /// has found that the driver has given everything back.
    pub(super) fn distrust_gpus(&mut self) {
        if let Some(watch) = &self.gpus {
            watch.look_now();
            self.gpus_are_known = false;
        }
    }

    /// Whether a look at the GPUs will soon change what can be started.
    pub(super) fn awaits_gpus(&self) -> bool {
        !self.gpus_are_known || self.obstacles.values().any(|obstacle| !obstacle.told)
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

    /// Takes the lowest free slot; after the failure of a GPU one with other GPUs, where there is one.
    pub(super) fn take_slot(&self, free: &mut Vec<u32>, trial: TrialId) -> Option<u32> {
        let known = &self.study().trials[&trial];
        let failed_on = known.attempts.last().filter(|_| known.failure() == Some(FailureKind::Device));
        let gpus = |id: u32| self.slots.iter().find(|slot| slot.id == id).map_or(&[][..], |slot| &slot.gpus);
        let avoided = failed_on.map_or(&[][..], |attempt| gpus(attempt.slot));
        let elsewhere = |id: &u32| !gpus(*id).iter().any(|gpu| avoided.contains(gpu));
        let at = free.iter().rposition(elsewhere).or(free.len().checked_sub(1))?;
        Some(free.remove(at))
    }

    /// Returns the numbers of free slots, the lowest last.
    pub(super) fn free_slots(&self) -> Vec<u32> {
        let running = |t: &Trial| t.running_attempt().map(|a| a.slot);
        let busy: Vec<u32> = self.study().trials.values().filter_map(running).collect();
        let surplus = busy.iter().filter(|slot| !self.slots.iter().any(|s| s.id == **slot)).count();
        // Not asked of the watch again: what it has found since was not looked at.
        if !self.gpus_are_known {
            return Vec::new();
        }
        let usable = |id: &u32| !busy.contains(id) && !self.obstacles.contains_key(id);
        let free = self.slots.iter().map(|slot| slot.id).filter(usable);
        let mut free: Vec<u32> = free.collect();
        free.reverse();
        free.drain(..surplus.min(free.len()));
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::simulation::Plan;
    use crate::engine::turns::Input;
    use crate::engine::{EventLog, Parts, RunEnd, Uploads};
    use crate::files::StudyDir;
    use crate::study::{created, metric_rules};
    use automl_config::LogRules;
    use automl_core::Algorithm;
    use automl_exec::devices::{Gpu, GpuProbe, GpuProcess};
    use automl_exec::slots::{GpuRequest, SlotPlan};
    use automl_exec::{Cause, GpuError, GpuWatch, Script, SimulatedExecutor};
    use automl_scrape::Metrics;
    use automl_store::MemoryStore;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    const MEMORY_MIB: u64 = 10_000;

    /// Two GPUs whose free memory, faults and errors are set by the test.
    #[derive(Clone, Default)]
    struct Fake(Arc<Mutex<Gpus>>);

    #[derive(Default)]
    struct Gpus {
        held_mib: [u64; 2],
        faults: BTreeMap<u32, String>,
        errors: Vec<GpuError>,
    }

    impl GpuProbe for Fake {
        fn gpus(&self) -> Result<Vec<Gpu>, String> {
            let gpu = |(index, held): (u32, u64)| Gpu {
                memory_total_mib: MEMORY_MIB,
                memory_free_mib: MEMORY_MIB - held,
                ..Gpu::numbered(index)
            };
            Ok((0..).zip(self.0.lock().unwrap().held_mib).map(gpu).collect())
        }

        fn processes(&self) -> Result<Vec<GpuProcess>, String> {
            Ok(Vec::new())
        }

        fn faults(&self) -> Result<BTreeMap<u32, String>, String> {
            Ok(self.0.lock().unwrap().faults.clone())
        }

        fn watch_errors(&self, _: &dyn Fn() -> bool, sink: &mut dyn FnMut(GpuError)) -> Result<(), String> {
            self.0.lock().unwrap().errors.drain(..).for_each(sink);
            Ok(())
        }
    }

    /// An engine of a study of two trials on two fake GPUs, in a world where time passes when told to.
    struct Machine {
        _dir: tempfile::TempDir,
        fake: Fake,
        world: SimulatedExecutor,
        engine: Engine,
        notes: Vec<String>,
    }

    impl Machine {
        fn new(fake: &Fake, parallel: u32) -> Self {
            Machine::running(fake, parallel, Script::succeed("loss: 0.5\n"))
        }

        /// All trials follow this script, for a second.
        fn running(fake: &Fake, parallel: u32, script: Script) -> Self {
            let plan = Plan::calm(Algorithm::Random, 2, parallel);
            let dir = tempfile::tempdir().unwrap();
            let study = StudyDir::new(dir.path(), "s");
            std::fs::create_dir_all(study.path()).unwrap();
            let log = EventLog::create(Box::new(MemoryStore::new()), created(plan.settings), []).unwrap();
            let (sender, ended) = tokio::sync::mpsc::unbounded_channel();
            let script = Script { ends_after_ms: Some(1000), ..script };
            let world = SimulatedExecutor::new(sender, move |_| Ok(script.clone()));
            let gpus = fake.gpus().unwrap();
            let slots = SlotPlan::new(GpuRequest::All, 1.0, Some(parallel), &gpus, 2).unwrap();
            let rules = metric_rules(&LogRules::of_recipe(&plan.recipe), vec!["loss".into()]);
            let uploads =
                Uploads::start(None, study.uploads(), plan.recipe.upload_rules().clone(), |_| false).0;
            let time = world.clone();
            let mut engine = Engine::new(Parts {
                log,
                dir: study,
                recipe: plan.recipe,
                metrics: Arc::new(Metrics::compile(&rules).unwrap()),
                executor: Box::new(world.clone()),
                ended,
                gpus: GpuWatch::start(fake.clone(), &slots),
                slots,
                uploads,
                clock: Box::new(move || 1_000_000 + time.now_ms()),
            });
            assert!(engine.begin(&mut |_| ()).unwrap().is_none());
            Machine { _dir: dir, fake: fake.clone(), world, engine, notes: Vec::new() }
        }

        fn turn(&mut self) -> Option<RunEnd> {
            let notes = &mut self.notes;
            let end = self.engine.turn(&mut |update| {
                if let Update::Note(note) = update {
                    notes.push(note.to_owned());
                }
            });
            end.unwrap()
        }

        /// Lets a trial end, and the engine hear of it.
        fn end_a_trial(&mut self) {
            self.world.advance(1000);
            let ended = self.engine.ended.try_recv().expect("a trial has ended");
            self.engine.take(Input::Ended(ended)).unwrap();
        }

        /// Takes turns until something holds.
        fn turn_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
            let deadline = Instant::now() + Duration::from_secs(20);
            while !holds(self) {
                assert!(Instant::now() < deadline, "waited in vain for {what}: {:?}", self.notes);
                self.turn();
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn next_trial_waits_until_the_gpus_memory_is_free() {
        let mut machine = Machine::new(&Fake::default(), 1);
        machine.turn();
        assert_eq!(machine.world.started().len(), 1);
        // What the trial held is not given back yet when it ends.
        machine.fake.0.lock().unwrap().held_mib = [6000, 0];
        machine.end_a_trial();
        machine.turn_until("the obstacle", |machine| !machine.engine.obstacles.is_empty());
        assert_eq!(machine.notes, [""; 0], "that it takes a moment is nothing to tell");
        machine.world.advance(GIVEN_BACK_MS);
        machine.turn();
        assert!(machine.notes[0].starts_with("GPU 0 is not used for now: 4000 of 10000 MiB are free"));
        assert_eq!(machine.world.started().len(), 1);
        machine.fake.0.lock().unwrap().held_mib = [0, 0];
        machine.turn_until("the second trial", |machine| machine.world.started().len() == 2);
    }

    #[test]
    fn what_fails_for_its_gpu_is_tried_again_on_another() {
        let broken = Script {
            output: vec![(0, "RuntimeError: CUDA error: unspecified launch failure\n".into())],
            ..Script::end(0, Cause::Exit(1))
        };
        let mut machine = Machine::running(&Fake::default(), 2, broken);
        let deadline = Instant::now() + Duration::from_secs(20);
        while machine.engine.study().trials.values().all(|trial| trial.attempts.len() < 2) {
            machine.turn();
            machine.world.advance(1000);
            while let Ok(ended) = machine.engine.ended.try_recv() {
                machine.engine.take(Input::Ended(ended)).unwrap();
            }
            assert!(Instant::now() < deadline, "nothing is tried again");
            std::thread::yield_now();
        }
        let twice = machine.engine.study().trials.values().find(|trial| trial.attempts.len() == 2).unwrap();
        assert_ne!(twice.attempts[0].slot, twice.attempts[1].slot, "{twice:?}");
    }

    #[test]
    fn gpus_that_report_faults_are_drained_and_the_last_one_ends_the_search() {
        let fake = Fake::default();
        let error = |gpu, xid| GpuError { gpu, xid: Some(xid) };
        fake.0.lock().unwrap().errors = vec![error(0, 31), error(1, 79)];
        let mut machine = Machine::new(&fake, 2);
        let told = |machine: &Machine, words: &str| machine.notes.iter().any(|note| note.starts_with(words));
        let harmless = "GPU 0 reported error XID 31; such errors are mostly a program's";
        // Both trials would be started, and end the search by themselves, if the errors were heard later.
        let heard =
            |machine: &Machine| machine.engine.gpus.as_ref().unwrap().report().faulty.contains_key(&1);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !heard(&machine) {
            assert!(Instant::now() < deadline, "the errors are not heard");
            std::thread::yield_now();
        }
        machine.turn_until("an error", |machine| told(machine, harmless));
        machine.fake.0.lock().unwrap().faults.insert(0, "memory errors".into());
        machine.end_a_trial();
        let deadline = Instant::now() + Duration::from_secs(20);
        while machine.turn() != Some(RunEnd::Stopped) {
            assert!(Instant::now() < deadline, "the search does not end: {:?}", machine.notes);
            while let Ok(ended) = machine.engine.ended.try_recv() {
                machine.engine.take(Input::Ended(ended)).unwrap();
            }
        }
        for words in [
            "GPU 0 is not used any more: memory errors",
            "GPU 1 is not used any more: it has fallen off the bus (XID 79)",
            "no GPU is left that can be trusted",
        ] {
            assert!(told(&machine, words), "{words}: {:?}", machine.notes);
        }
        assert!(machine.engine.study().ended.is_none(), "it can be resumed");
    }
}
