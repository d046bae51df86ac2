//! Cuts a machine into slots, each the place of one running trial.
//!
//! Pure: the GPUs found and the number of CPUs come in, slots come out. A GPU belongs to one slot only,
//! unless the user asks for a fraction of one per trial.

use std::collections::BTreeMap;

use crate::devices::Gpu;

/// A share this much too large or too small still counts as exact: 1/3 has no exact binary form.
const SHARE_TOLERANCE: f64 = 1e-9;
/// More trials than this on one GPU is a mistake in the request, not a plan.
const TRIALS_PER_GPU_MAX: u32 = 64;
/// More trials than this at a time on one machine is a mistake in the request, too.
const PARALLEL_MAX: u32 = 4096;

/// Which GPUs may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuRequest {
    /// All that were found; none is fine, too.
    All,
    /// None: trials run on the CPU.
    None,
    /// These, by index; each must exist.
    List(Vec<u32>),
}

/// The place of one running trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Number of the slot, from 0 without gaps.
    pub id: u32,
    /// Indices of its GPUs; empty on the CPU.
    pub gpus: Vec<u32>,
    /// CPUs that its trial may use, at least 1.
    pub cpus: u32,
}

/// The rules by which slots are cut.
#[derive(Debug)]
pub struct SlotPlan;

/// A request that the machine cannot meet.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SlotError {
    /// A listed GPU does not exist.
    #[error("there is no GPU {index}; {}", there_are(found))]
    NoSuchGpu {
        /// The index asked for.
        index: u32,
        /// The indices that exist.
        found: Vec<u32>,
    },
    /// A GPU is listed twice, or the list is empty.
    #[error("the GPU list {list:?} must name each GPU once and at least one; `none` runs on the CPU")]
    BadList {
        /// The list.
        list: Vec<u32>,
    },
    /// The share per trial is not usable.
    #[error(
        "{per_trial} GPUs per trial is not possible: it must be a whole number, or a fraction from \
         1/{TRIALS_PER_GPU_MAX} to 1; `none` as GPU list runs on the CPU"
    )]
    BadShare {
        /// The share asked for.
        per_trial: f64,
    },
    /// One trial wants more GPUs than there are.
    #[error("one trial needs {per_trial} GPUs and only {available} may be used")]
    TooFewGpus {
        /// GPUs one trial needs.
        per_trial: u32,
        /// GPUs that may be used.
        available: u32,
    },
    /// No trial may run at a time.
    #[error("0 parallel trials leave nothing to run; at least 1 is needed")]
    NoParallel,
    /// More trials at a time than any machine runs.
    #[error("{parallel} parallel trials are too many; at most {PARALLEL_MAX} run at a time")]
    ParallelBeyondReason {
        /// Trials asked for.
        parallel: u32,
    },
    /// More trials at a time than the GPUs have room for.
    #[error(
        "{parallel} parallel trials do not fit: the GPUs have room for {capacity}; fewer GPUs per trial make more"
    )]
    TooManyParallel {
        /// Trials asked for.
        parallel: u32,
        /// Trials that fit.
        capacity: u32,
    },
}

impl SlotPlan {
    /// Returns the slots for this request, of which `gpus_per_trial` is 1 for exclusive GPUs.
    ///
    /// - Without GPUs, half as many trials as CPUs run at a time unless `parallel` says otherwise.
    /// - Fractions pack several trials on each GPU, and fill all GPUs once before any gets a second
    ///   trial; whole numbers give each trial that many neighbouring GPUs.
    /// - The CPUs are divided evenly and rounded down, and each slot has one at least.
    ///
    /// # Errors
    /// The request contradicts itself or the machine; see [`SlotError`].
    #[expect(clippy::new_ret_no_self, reason = "the plan is its slots; the name groups the rules")]
    pub fn new(
        gpus: GpuRequest,
        gpus_per_trial: f64,
        parallel: Option<u32>,
        found: &[Gpu],
        cpus: u32,
    ) -> Result<Vec<Slot>, SlotError> {
        if parallel == Some(0) {
            return Err(SlotError::NoParallel);
        }
        if let Some(parallel) = parallel.filter(|parallel| *parallel > PARALLEL_MAX) {
            return Err(SlotError::ParallelBeyondReason { parallel });
        }
        // Also where there is no GPU: what is asked for shall not depend on the machine.
        check_share(gpus_per_trial)?;
        let usable = usable(gpus, found)?;
        let mut shares = if usable.is_empty() {
            let parallel = parallel.unwrap_or((cpus / 2).clamp(1, PARALLEL_MAX));
            vec![Vec::new(); parallel as usize]
        } else {
            shares(&usable, gpus_per_trial)?
        };
        if let Some(parallel) = parallel {
            let capacity = u32::try_from(shares.len()).unwrap_or(u32::MAX);
            if parallel > capacity {
                return Err(SlotError::TooManyParallel { parallel, capacity });
            }
            shares.truncate(parallel as usize);
        }
        let count = u32::try_from(shares.len()).unwrap_or(u32::MAX);
        let cpus = (cpus / count).max(1);
        Ok((0..).zip(shares).map(|(id, gpus)| Slot { id, gpus, cpus }).collect())
    }
}

impl Slot {
    /// Returns the variables that keep a trial within its slot.
    ///
    /// - `CUDA_VISIBLE_DEVICES`: its GPUs; `-1` on the CPU. Both `-1` and the empty text hide all GPUs
    ///   from CUDA, but many a script takes an empty variable for one that is not set.
    /// - `CUDA_DEVICE_ORDER=PCI_BUS_ID`: CUDA's own order is by speed, and the indices are by bus.
    /// - `OMP_NUM_THREADS`, `MKL_NUM_THREADS`: its CPUs; the default is every core of the machine.
    /// - `OMP_WAIT_POLICY=PASSIVE`: threads that spin while they wait slow their neighbours down tenfold.
    pub fn env(&self) -> BTreeMap<String, String> {
        let indices: Vec<String> = self.gpus.iter().map(u32::to_string).collect();
        let visible = if indices.is_empty() { "-1".to_owned() } else { indices.join(",") };
        let cpus = self.cpus.to_string();
        [
            ("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
            ("CUDA_VISIBLE_DEVICES", &visible),
            ("MKL_NUM_THREADS", &cpus),
            ("OMP_NUM_THREADS", &cpus),
            ("OMP_WAIT_POLICY", "PASSIVE"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}

/// Returns how many GPUs a slot has, a GPU that several slots share counting in part; none for an unknown
/// slot.
#[must_use]
pub fn gpu_share(slots: &[Slot], id: u32) -> Option<f64> {
    let slot = slots.iter().find(|slot| slot.id == id)?;
    let sharers = |gpu: &u32| slots.iter().filter(|slot| slot.gpus.contains(gpu)).count();
    Some(slot.gpus.iter().map(|gpu| 1.0 / sharers(gpu) as f64).sum())
}

fn usable(request: GpuRequest, found: &[Gpu]) -> Result<Vec<u32>, SlotError> {
    let found: Vec<u32> = found.iter().map(|gpu| gpu.index).collect();
    let list = match request {
        GpuRequest::All => return Ok(found),
        GpuRequest::None => return Ok(Vec::new()),
        GpuRequest::List(list) => list,
    };
    let repeated = list.iter().enumerate().any(|(i, index)| list[..i].contains(index));
    if list.is_empty() || repeated {
        return Err(SlotError::BadList { list });
    }
    match list.iter().find(|index| !found.contains(index)) {
        Some(&index) => Err(SlotError::NoSuchGpu { index, found }),
        None => Ok(list),
    }
}

/// Says which GPUs there are, for whoever named another one.
fn there_are(found: &[u32]) -> String {
    let found: Vec<String> = found.iter().map(u32::to_string).collect();
    match found.is_empty() {
        true => "none was found on this machine; `none` runs on the CPU".into(),
        false => format!("found: {}", found.join(", ")),
    }
}

/// Refuses a share of GPUs that no machine can give a trial.
fn check_share(per_trial: f64) -> Result<(), SlotError> {
    let enough = per_trial * f64::from(TRIALS_PER_GPU_MAX) >= 1.0 - SHARE_TOLERANCE;
    let whole = per_trial.fract() == 0.0 && per_trial <= f64::from(u32::MAX);
    let possible = per_trial.is_finite() && enough && (per_trial < 1.0 || whole);
    if possible { Ok(()) } else { Err(SlotError::BadShare { per_trial }) }
}

/// Deals the GPUs out: one list of indices for each slot. The share has been checked.
fn shares(usable: &[u32], per_trial: f64) -> Result<Vec<Vec<u32>>, SlotError> {
    if per_trial < 1.0 {
        // At most 64 by `check_share`.
        let rounds = (1.0 / per_trial + SHARE_TOLERANCE).floor() as usize;
        return Ok((0..rounds).flat_map(|_| usable.iter().map(|&index| vec![index])).collect());
    }
    let each = per_trial as usize;
    if each > usable.len() {
        let available = u32::try_from(usable.len()).unwrap_or(u32::MAX);
        return Err(SlotError::TooFewGpus { per_trial: per_trial as u32, available });
    }
    Ok(usable.chunks_exact(each).map(<[u32]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(indices: &[u32]) -> Vec<Gpu> {
        indices.iter().map(|&index| Gpu::numbered(index)).collect()
    }

    fn plan(
        request: GpuRequest,
        per_trial: f64,
        parallel: Option<u32>,
        found: &[u32],
        cpus: u32,
    ) -> Vec<Vec<u32>> {
        let slots = SlotPlan::new(request, per_trial, parallel, &gpus(found), cpus).unwrap();
        let ids: Vec<u32> = slots.iter().map(|slot| slot.id).collect();
        assert_eq!(ids, (0..slots.len() as u32).collect::<Vec<_>>());
        slots.into_iter().map(|slot| slot.gpus).collect()
    }

    fn refusal(request: GpuRequest, per_trial: f64, parallel: Option<u32>) -> SlotError {
        SlotPlan::new(request, per_trial, parallel, &gpus(&[0, 1]), 8).unwrap_err()
    }

    #[test]
    fn exclusive_gpus_have_one_slot_each() {
        assert_eq!(plan(GpuRequest::All, 1.0, None, &[0, 2], 8), [[0], [2]]);
        assert_eq!(plan(GpuRequest::List(vec![2]), 1.0, None, &[0, 2], 8), [[2]]);
    }

    #[test]
    fn fractions_fill_every_gpu_once_first() {
        assert_eq!(plan(GpuRequest::All, 0.5, None, &[0, 1], 8), [[0], [1], [0], [1]]);
        assert_eq!(plan(GpuRequest::All, 0.5, Some(2), &[0, 1], 8), [[0], [1]]);
        for (per_trial, count) in [(1.0 / 3.0, 3), (0.3, 3), (0.1, 10), (1.0 / 49.0, 49), (1.0 / 64.0, 64)] {
            assert_eq!(plan(GpuRequest::All, per_trial, None, &[0], 8).len(), count, "{per_trial}");
        }
    }

    #[test]
    fn shares_of_gpus_add_up() {
        let share = |per_trial, id| {
            let slots = SlotPlan::new(GpuRequest::All, per_trial, None, &gpus(&[0, 1]), 8).unwrap();
            gpu_share(&slots, id)
        };
        assert_eq!([share(2.0, 0), share(1.0, 1), share(0.25, 7)], [Some(2.0), Some(1.0), Some(0.25)]);
        assert_eq!(share(1.0, 2), None);
        let cpu = SlotPlan::new(GpuRequest::None, 1.0, None, &[], 4).unwrap();
        assert_eq!(gpu_share(&cpu, 0), Some(0.0));
    }

    #[test]
    fn several_gpus_per_trial_leave_the_rest_idle() {
        assert_eq!(plan(GpuRequest::All, 2.0, None, &[0, 1, 2, 3, 4], 8), [[0, 1], [2, 3]]);
    }

    #[test]
    fn cpu_slots_share_the_cpus() {
        for (parallel, cpus, count, each) in [
            (None, 8, 4, 2),
            (None, 1, 1, 1),
            (None, 7, 3, 2),
            (Some(3), 8, 3, 2),
            (Some(4), 2, 4, 1),
            (None, 0, 1, 1),
        ] {
            for request in [GpuRequest::All, GpuRequest::None] {
                let slots = SlotPlan::new(request, 1.0, parallel, &[], cpus).unwrap();
                assert_eq!(slots.len(), count, "{parallel:?} {cpus}");
                assert!(
                    slots.iter().all(|slot| slot.cpus == each && slot.gpus.is_empty()),
                    "{parallel:?} {cpus}"
                );
            }
        }
        assert_eq!(plan(GpuRequest::None, 1.0, Some(1), &[0, 1], 8), [[0u32; 0]]);
    }

    #[test]
    fn impossible_requests_are_named() {
        let all = || GpuRequest::All;
        assert_eq!(
            refusal(GpuRequest::List(vec![1, 7]), 1.0, None),
            SlotError::NoSuchGpu { index: 7, found: vec![0, 1] }
        );
        assert_eq!(refusal(GpuRequest::List(vec![]), 1.0, None), SlotError::BadList { list: vec![] });
        assert_eq!(refusal(GpuRequest::List(vec![1, 1]), 1.0, None), SlotError::BadList { list: vec![1, 1] });
        assert_eq!(refusal(all(), 3.0, None), SlotError::TooFewGpus { per_trial: 3, available: 2 });
        assert_eq!(refusal(all(), 1.0, Some(0)), SlotError::NoParallel);
        assert_eq!(refusal(all(), 1.0, Some(3)), SlotError::TooManyParallel { parallel: 3, capacity: 2 });
        for per_trial in [0.0, -1.0, 1.5, 0.01, f64::INFINITY, f64::NAN] {
            assert!(matches!(refusal(all(), per_trial, None), SlotError::BadShare { .. }), "{per_trial}");
            let without_gpus = SlotPlan::new(all(), per_trial, None, &[], 8);
            assert!(matches!(without_gpus, Err(SlotError::BadShare { .. })), "{per_trial} on the CPU");
        }
        let none = SlotPlan::new(GpuRequest::List(vec![3]), 1.0, None, &[], 8).unwrap_err();
        assert!(none.to_string().contains("none was found"), "{none}");
    }

    #[test]
    fn nobody_runs_billions_of_trials_at_a_time() {
        for found in [gpus(&[]), gpus(&[0, 1])] {
            let refused = SlotPlan::new(GpuRequest::All, 1.0, Some(u32::MAX), &found, 8);
            assert_eq!(refused, Err(SlotError::ParallelBeyondReason { parallel: u32::MAX }));
        }
        assert_eq!(plan(GpuRequest::None, 1.0, Some(PARALLEL_MAX), &[], 8).len(), PARALLEL_MAX as usize);
    }

    #[test]
    fn environment_keeps_a_trial_in_its_slot() {
        let slot = Slot { id: 0, gpus: vec![2, 3], cpus: 6 };
        let env = slot.env();
        let expected = [
            ("CUDA_DEVICE_ORDER", "PCI_BUS_ID"),
            ("CUDA_VISIBLE_DEVICES", "2,3"),
            ("MKL_NUM_THREADS", "6"),
            ("OMP_NUM_THREADS", "6"),
            ("OMP_WAIT_POLICY", "PASSIVE"),
        ];
        assert!(env.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
        assert_eq!(Slot { gpus: vec![], ..slot }.env()["CUDA_VISIBLE_DEVICES"], "-1");
    }
}
