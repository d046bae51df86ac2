//! Looks at the GPUs while trials run: which of them can take a trial now, and what trials use of them.
//!
//! A GPU that is lost or has uncorrectable memory errors takes no trial any more: what a trial computes
//! there would be wrong, or never end. One whose memory somebody else holds takes none as long as that
//! lasts, and so does one whose memory the driver has not given back since the last trial. Where there is
//! no driver to ask, all GPUs are taken for sound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::devices::{Gpu, GpuProbe, GpuProcess, attempt_of};
use crate::slots::{Slot, gpu_share};
use crate::{AttemptKey, GpuError};

/// Time between two looks: asking the driver takes tens of milliseconds.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Time between a look that was asked for and the next one.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Part of a trial's share of a GPU's memory that must be unused before it starts. The rest is what the
/// driver and the desktop keep.
const FREE_SHARE: f64 = 0.8;

/// What a look at the GPUs has found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GpuReport {
    /// GPUs that are no longer used, and why.
    pub faulty: BTreeMap<u32, String>,
    /// Unused and total memory of the others, in MiB.
    pub memory_mib: BTreeMap<u32, (u64, u64)>,
    /// Processes of others, by GPU.
    pub foreign: BTreeMap<u32, Vec<GpuProcess>>,
    /// Memory that each running attempt holds on all of its GPUs, in MiB.
    pub held_mib: BTreeMap<AttemptKey, u64>,
    /// Errors that were reported of GPUs that are used on.
    pub errors: BTreeSet<GpuError>,
}

impl GpuReport {
    /// Takes a look.
    ///
    /// # Errors
    /// The reason why the probe could not tell.
    pub fn look(probe: &dyn GpuProbe) -> Result<Self, String> {
        let mut report = GpuReport { faulty: probe.faults()?, ..GpuReport::default() };
        for Gpu { index, memory_free_mib, memory_total_mib, .. } in probe.gpus()? {
            report.memory_mib.insert(index, (memory_free_mib, memory_total_mib));
        }
        for process in probe.processes()? {
            match attempt_of(process.pid) {
                Some(key) => *report.held_mib.entry(key).or_default() += process.memory_mib.unwrap_or(0),
                None => report.foreign.entry(process.gpu).or_default().push(process),
            }
        }
        Ok(report)
    }

    /// Returns why a slot must not be given a trial now; `None` if it may.
    #[must_use]
    pub fn obstacle(&self, slots: &[Slot], slot: &Slot) -> Option<String> {
        let share = gpu_share(slots, slot.id).unwrap_or(1.0) / slot.gpus.len().max(1) as f64;
        slot.gpus.iter().find_map(|gpu| {
            if let Some(fault) = self.faulty.get(gpu) {
                return Some(format!("GPU {gpu} is not used any more: {fault}"));
            }
            let (free, total) = *self.memory_mib.get(gpu)?;
            let needed = (total as f64 * share * FREE_SHARE) as u64;
            (free < needed).then(|| {
                format!(
                    "GPU {gpu} is not used for now: {free} of {total} MiB are free; {}",
                    self.holders(*gpu)
                )
            })
        })
    }

    fn holders(&self, gpu: u32) -> String {
        let name = |process: &GpuProcess| match process.name.as_str() {
            "" => format!("process {}", process.pid),
            name => format!("{name} (process {})", process.pid),
        };
        let names: Vec<String> = self.foreign.get(&gpu).into_iter().flatten().map(name).collect();
        if names.is_empty() {
            "no process of others holds the rest".into()
        } else {
            format!("others use it: {}", names.join(", "))
        }
    }
}

/// Looks at the GPUs now and then, and listens for their errors, on threads that end when this is dropped.
#[derive(Debug)]
pub struct GpuWatch {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wanted: Condvar,
}

#[derive(Debug)]
struct State {
    report: GpuReport,
    /// How many looks were asked for, and how many of these are answered.
    asked: u64,
    answered: u64,
    is_over: bool,
}

impl GpuWatch {
    /// Begins to look, unless no slot has a GPU or nobody can be asked.
    #[must_use]
    pub fn start(probe: impl GpuProbe + Send + Sync + 'static, slots: &[Slot]) -> Option<Self> {
        if slots.iter().all(|slot| slot.gpus.is_empty()) {
            return None;
        }
        let state = State { report: GpuReport::look(&probe).ok()?, asked: 0, answered: 0, is_over: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), wanted: Condvar::new() });
        let (probe, looking, listening) = (Arc::new(probe), Arc::clone(&shared), Arc::clone(&shared));
        let ears = Arc::clone(&probe);
        let start = |name: &str| thread::Builder::new().name(name.into());
        start("gpu-watch").spawn(move || looking.look_again_and_again(&*probe)).ok()?;
        // Without it, faults are still found by looking.
        let _ = start("gpu-errors").spawn(move || listening.listen(&*ears));
        Some(GpuWatch { shared })
    }

    /// Returns what was found last.
    #[must_use]
    pub fn report(&self) -> GpuReport {
        self.shared.lock().report.clone()
    }

    /// Asks for a look now, because what was found before says nothing any more: a trial has ended.
    pub fn look_now(&self) {
        self.shared.lock().asked += 1;
        self.shared.wanted.notify_all();
    }

    /// Whether every look that was asked for is part of the report.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let state = self.shared.lock();
        state.asked == state.answered
    }
}

impl Drop for GpuWatch {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.wanted.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks when asked to and, as the driver takes its time to give memory back, soon again; then less and
    /// less often.
    fn look_again_and_again(&self, probe: &dyn GpuProbe) {
        let mut pause = LOOK_EVERY;
        loop {
            let state = self.lock();
            let is_idle = |state: &mut State| !state.is_over && state.asked == state.answered;
            let waited = self.wanted.wait_timeout_while(state, pause, is_idle);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.is_over {
                return;
            }
            let asked = state.asked;
            pause = if asked == state.answered { LOOK_EVERY.min(2 * pause) } else { LOOK_AGAIN };
            drop(state);
            let found = GpuReport::look(probe);
            let mut state = self.lock();
            state.answered = asked;
            // A driver that is silent for once says nothing about its GPUs.
            if let Ok(mut report) = found {
                // A fault stays: counters start over when a driver is loaded anew.
                report.faulty.extend(std::mem::take(&mut state.report.faulty));
                report.errors = std::mem::take(&mut state.report.errors);
                state.report = report;
            }
        }
    }

    fn listen(&self, probe: &dyn GpuProbe) {
        let is_over = || self.lock().is_over;
        // Some drivers report nothing; faults are still found by looking.
        let _ = probe.watch_errors(&is_over, &mut |error| {
            let mut state = self.lock();
            match error.fault() {
                Some(fault) => drop(state.report.faulty.insert(error.gpu, fault)),
                None => drop(state.report.errors.insert(error)),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::{GpuRequest, SlotPlan};

    struct Fake {
        free: [u64; 2],
        faults: BTreeMap<u32, String>,
        processes: Vec<GpuProcess>,
        errors: Vec<GpuError>,
    }

    impl GpuProbe for Fake {
        fn gpus(&self) -> Result<Vec<Gpu>, String> {
            let gpu = |(index, free): (u32, u64)| Gpu {
                memory_total_mib: 10_000,
                memory_free_mib: free,
                ..Gpu::numbered(index)
            };
            Ok((0..).zip(self.free).map(gpu).collect())
        }

        fn processes(&self) -> Result<Vec<GpuProcess>, String> {
            Ok(self.processes.clone())
        }

        fn faults(&self) -> Result<BTreeMap<u32, String>, String> {
            Ok(self.faults.clone())
        }

        fn watch_errors(&self, _: &dyn Fn() -> bool, sink: &mut dyn FnMut(GpuError)) -> Result<(), String> {
            self.errors.iter().for_each(|error| sink(*error));
            Ok(())
        }
    }

    fn fake(free: [u64; 2]) -> Fake {
        Fake { free, faults: BTreeMap::new(), processes: Vec::new(), errors: Vec::new() }
    }

    fn obstacles(probe: &Fake, per_trial: f64) -> Vec<Option<String>> {
        let slots = SlotPlan::new(GpuRequest::All, per_trial, None, &probe.gpus().unwrap(), 8).unwrap();
        let report = GpuReport::look(probe).unwrap();
        slots.iter().map(|slot| report.obstacle(&slots, slot)).collect()
    }

    #[test]
    fn sound_and_free_gpus_take_trials() {
        assert_eq!(obstacles(&fake([10_000, 9_000]), 1.0), [None, None]);
    }

    #[test]
    fn faulty_gpus_are_drained_with_their_reason() {
        let mut probe = fake([10_000, 10_000]);
        probe.faults.insert(1, "it fell off the bus".into());
        let found = obstacles(&probe, 1.0);
        assert_eq!(found[0], None);
        assert_eq!(found[1].as_deref(), Some("GPU 1 is not used any more: it fell off the bus"));
        assert!(obstacles(&probe, 2.0)[0].is_some(), "a trial on both needs both");
    }

    #[test]
    fn memory_of_others_is_waited_for() {
        let mut probe = fake([4_000, 10_000]);
        probe.processes.push(GpuProcess { gpu: 0, pid: 0, name: "blender".into(), memory_mib: Some(6_000) });
        let found = obstacles(&probe, 1.0);
        let obstacle = found[0].as_deref().unwrap();
        assert!(obstacle.contains("4000 of 10000 MiB are free; others use it: blender"), "{obstacle}");
        assert_eq!(found[1], None);
        // Enough for the first of two that share it.
        assert_eq!(obstacles(&probe, 0.5), [None, None, None, None]);
    }

    #[test]
    fn memory_of_attempts_is_theirs() {
        let key = AttemptKey { study: "0000000a".into(), trial: 3, attempt: 1 };
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env(crate::process::MARKER, key.to_string())
            .spawn()
            .unwrap();
        crate::process::wait_for_environment(child.id());
        let mut probe = fake([10_000, 10_000]);
        let on = |gpu, mib| GpuProcess { gpu, pid: child.id(), name: "sleep".into(), memory_mib: Some(mib) };
        probe.processes = vec![on(0, 300), on(1, 500)];
        let report = GpuReport::look(&probe).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(report.held_mib, [(key, 800)].into());
        assert!(report.foreign.is_empty());
    }

    #[test]
    fn reported_errors_drain_a_gpu_or_are_told() {
        let mut probe = fake([10_000, 10_000]);
        let error = |gpu, xid| GpuError { gpu, xid: Some(xid) };
        probe.errors = vec![error(0, 31), error(1, 79)];
        let slots = SlotPlan::new(GpuRequest::All, 1.0, None, &probe.gpus().unwrap(), 8).unwrap();
        let watch = GpuWatch::start(probe, &slots).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while watch.report().faulty.is_empty() {
            assert!(std::time::Instant::now() < deadline, "no error is heard");
            thread::yield_now();
        }
        // Another look does not find what was only heard, and must not forget it.
        look(&watch);
        let report = watch.report();
        assert_eq!(report.errors, [error(0, 31)].into());
        let why = report.obstacle(&slots, &slots[1]);
        assert_eq!(why.as_deref(), Some("GPU 1 is not used any more: it has fallen off the bus (XID 79)"));
        assert_eq!(report.obstacle(&slots, &slots[0]), None);
    }

    #[test]
    fn looks_that_are_asked_for_are_taken_at_once() {
        /// Has more free memory with every look.
        struct Freeing(std::sync::atomic::AtomicU64);

        impl GpuProbe for Freeing {
            fn gpus(&self) -> Result<Vec<Gpu>, String> {
                let looks = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok(vec![Gpu { memory_total_mib: 10, memory_free_mib: looks, ..Gpu::numbered(0) }])
            }
            fn processes(&self) -> Result<Vec<GpuProcess>, String> {
                Ok(Vec::new())
            }
            fn faults(&self) -> Result<BTreeMap<u32, String>, String> {
                Ok(BTreeMap::new())
            }
            fn watch_errors(&self, _: &dyn Fn() -> bool, _: &mut dyn FnMut(GpuError)) -> Result<(), String> {
                Err("nothing is reported".into())
            }
        }

        let slots = SlotPlan::new(GpuRequest::All, 1.0, None, &[Gpu::numbered(0)], 8).unwrap();
        let watch = GpuWatch::start(Freeing(0.into()), &slots).unwrap();
        assert!(watch.is_current() && watch.report().memory_mib[&0].0 == 0);
        let start = std::time::Instant::now();
        look(&watch);
        assert!(start.elapsed() < LOOK_EVERY, "it does not wait for the next look");
        assert!(watch.report().memory_mib[&0].0 > 0);
    }

    /// Asks for a look and waits for it.
    fn look(watch: &GpuWatch) {
        watch.look_now();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !watch.is_current() {
            assert!(std::time::Instant::now() < deadline, "nobody looks");
            thread::yield_now();
        }
    }

    #[test]
    fn nobody_watches_a_cpu() {
        let slots = SlotPlan::new(GpuRequest::None, 1.0, None, &[], 4).unwrap();
        assert!(GpuWatch::start(fake([0, 0]), &slots).is_none());
        let slots = SlotPlan::new(GpuRequest::All, 1.0, None, &[Gpu::numbered(0)], 4).unwrap();
        assert!(GpuWatch::start(fake([7, 8]), &slots).unwrap().report().memory_mib.len() == 2);
    }
}
