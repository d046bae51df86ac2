//! A user with wishes, some of which make no sense.

use super::chance::Chance;
use crate::wishes::Wish;
use automl_core::{ParamValue, Params, Study, TrialId};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Leaves wishes in a study's folder.
pub(super) struct Wisher {
    folder: PathBuf,
    rate: f64,
    wishes: u64,
    /// Names of wishes that ask for a configuration which fits.
    pub(super) enqueued: BTreeSet<String>,
}

impl Wisher {
    pub(super) fn new(folder: PathBuf, rate: f64) -> Self {
        Wisher { folder, rate, wishes: 0, enqueued: BTreeSet::new() }
    }

    /// Perhaps wishes something.
    pub(super) fn wish(&mut self, chance: &Chance, study: &Study) {
        if !chance.happens(self.rate) {
            return;
        }
        self.wishes += 1;
        let name = format!("{:013}-1", self.wishes);
        let wish = match chance.below(11) {
            0 => Wish::Stop,
            1 => Wish::Pause,
            2 | 3 => Wish::Cancel { trial: TrialId(1 + chance.below(study.started() + 1)) },
            4 => Wish::Set {
                trials: Some(chance.below(12)),
                timeout_ms: None,
                parallel: None,
                max_fidelity: None,
                bounds: Vec::new(),
            },
            5 => Wish::Set {
                trials: None,
                timeout_ms: None,
                parallel: Some(1 + chance.below(4) as u32),
                max_fidelity: None,
                bounds: Vec::new(),
            },
            7 => Wish::Set {
                trials: None,
                timeout_ms: None,
                parallel: None,
                max_fidelity: Some(5 + 4 * chance.below(6)),
                bounds: Vec::new(),
            },
            8 => Wish::Set {
                trials: None,
                timeout_ms: Some(1_000 * chance.below(2_000_000)),
                parallel: None,
                max_fidelity: None,
                bounds: Vec::new(),
            },
            // Some of these are no bounds at all.
            9 => Wish::Set {
                trials: chance.happens(0.3).then(|| chance.below(12)),
                timeout_ms: None,
                parallel: None,
                max_fidelity: None,
                bounds: vec![format!("x={}..{}", chance.unit() - 0.2, chance.unit() + 0.2)],
            },
            6 => Wish::Enqueue { params: Params::default() },
            _ => {
                self.enqueued.insert(name.clone());
                let x = ParamValue::Float(chance.unit());
                Wish::Enqueue { params: [("x".to_string(), x)].into_iter().collect() }
            }
        };
        std::fs::create_dir_all(&self.folder).expect("a writable folder");
        let text = serde_json::to_vec(&wish).expect("plain values always serialise");
        std::fs::write(self.folder.join(format!("{name}.json")), text).expect("a writable folder");
    }
}
