//! Whoever proposes configurations: a sampler of ours, or a peer behind a pipe.

use crate::trade::Trader;
use automl_core::{Direction, Fidelity, Loss, Objective, Params, SearchSpace, TrialId};
use automl_sampler::{History, Observation, Sampler, SamplerKind, SuggestError};
use automl_testkit::problems::Reading;

/// Our samplers by name. A new one is one line.
pub(crate) const OWN: [(&str, SamplerKind); 7] = [
    ("auto", SamplerKind::Auto),
    ("gp", SamplerKind::Bayesian),
    ("gp-warped", SamplerKind::Warped),
    ("tpe", SamplerKind::Tpe),
    ("cma-es", SamplerKind::CmaEs),
    ("sobol", SamplerKind::Sobol),
    ("random", SamplerKind::Random),
];

/// A sampler of another project.
#[derive(Debug)]
pub(crate) struct PeerKind {
    /// Name here.
    pub(crate) name: &'static str,
    /// Name in `peers.py`.
    pub(crate) driver: &'static str,
    /// Virtual environment that it lives in: `requirements/ENVIRONMENT.txt`.
    pub(crate) environment: Environment,
    /// Package whose pinned version its remembered results belong to.
    pub(crate) package: &'static str,
    /// Raised when `peers.py` drives the peer in another way, so that remembered results are discarded.
    pub(crate) revision: u32,
    /// Whether programs are thought to carry on by themselves where a configuration is to be trained further.
    pub(crate) resumes: bool,
}

/// The peers.
pub(crate) const PEERS: [PeerKind; 8] = [
    peer("optuna-tpe", Environment::Main, "optuna"),
    peer("optuna-tpe-group", Environment::Main, "optuna"),
    peer("optuna-tpe-univariate", Environment::Main, "optuna"),
    peer("optuna-gp", Environment::Torch, "optuna"),
    peer("smac", Environment::Main, "smac"),
    peer("hyperopt", Environment::Main, "hyperopt"),
    peer("hebo", Environment::Torch, "HEBO"),
    peer("ax", Environment::Ax, "ax-platform"),
];

const fn peer(name: &'static str, environment: Environment, package: &'static str) -> PeerKind {
    PeerKind { name, driver: name, environment, package, revision: 1, resumes: false }
}

/// The peers that search learning curves. SMAC3 trains a promoted configuration from its beginning; the second of it shows
/// what that costs.
pub(crate) const CURVE_PEERS: [PeerKind; 3] = [
    peer("optuna-hyperband", Environment::Main, "optuna"),
    peer("smac-hyperband", Environment::Main, "smac"),
    PeerKind { name: "smac-resumed", resumes: true, ..peer("smac-hyperband", Environment::Main, "smac") },
];

/// The peers that search several objectives.
pub(crate) const OBJECTIVE_PEERS: [PeerKind; 3] = [
    peer("optuna-nsga2", Environment::Main, "optuna"),
    peer("optuna-tpe", Environment::Main, "optuna"),
    peer("optuna-gp", Environment::Torch, "optuna"),
];

/// A Python virtual environment of peers that can live together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Environment {
    Main,
    Torch,
    Ax,
}

impl Environment {
    /// Returns its folder's name and its requirements.
    pub(crate) fn parts(self) -> (&'static str, &'static str) {
        match self {
            Environment::Main => ("main", include_str!("requirements/main.txt")),
            Environment::Torch => ("torch", include_str!("requirements/torch.txt")),
            Environment::Ax => ("ax", include_str!("requirements/ax.txt")),
        }
    }
}

/// Proposes and is told, as a study's user would do it.
pub(crate) trait Asker {
    /// Returns the configuration of a new trial, `None` when the space is exhausted.
    fn ask(&mut self, trial: TrialId) -> Result<Option<Params>, String>;
    /// Takes a trial's value, `None` if it failed.
    fn tell(&mut self, trial: TrialId, value: Option<f64>) -> Result<(), String>;
    /// Seconds of processor time spent so far.
    fn seconds(&self) -> f64;
}

/// One of our samplers and the history it is asked with.
pub(crate) struct Own<'a> {
    sampler: Box<dyn Sampler>,
    space: &'a SearchSpace,
    history: History,
    seed: u64,
    seconds: f64,
}

impl<'a> Own<'a> {
    pub(crate) fn new(kind: SamplerKind, space: &'a SearchSpace, evaluations: u64, seed: u64) -> Self {
        let history = History { budget: Some(evaluations), ..History::default() };
        Own { sampler: kind.build(), space, history, seed, seconds: 0.0 }
    }

    /// Takes a trial from the running ones.
    fn finished(&mut self, trial: TrialId) -> Result<Params, String> {
        let position = self.history.pending.iter().position(|(pending, _)| *pending == trial);
        let position = position.ok_or_else(|| format!("trial {trial} is not running"))?;
        Ok(self.history.pending.remove(position).1)
    }
}

/// The first value is the loss, the others are those of the further objectives.
impl Trader for Own<'_> {
    fn tell_all(&mut self, trial: TrialId, reading: &Reading) -> Result<(), String> {
        let params = self.finished(trial)?;
        let losses: Option<Vec<Loss>> = reading.values.iter().map(|value| loss(*value)).collect();
        let losses = losses.ok_or_else(|| format!("trial {trial} reported {:?}", reading.values))?;
        let (first, others) = losses.split_first().ok_or("a trial has an objective")?;
        self.history.observations.push(Observation {
            others: others.to_vec(),
            violations: reading.violations.clone(),
            ..Observation::single(trial, params, *first, Fidelity(1))
        });
        Ok(())
    }
}

fn loss(value: f64) -> Option<Loss> {
    Objective { metric: "loss".into(), direction: Direction::Minimize }.loss(value)
}

impl Asker for Own<'_> {
    fn ask(&mut self, trial: TrialId) -> Result<Option<Params>, String> {
        let before = thread_seconds();
        let suggestion = self.sampler.suggest(self.space, &self.history, trial, self.seed);
        self.seconds += thread_seconds() - before;
        let suggestion = match suggestion {
            Ok(suggestion) => suggestion,
            Err(SuggestError::Exhausted { .. }) => return Ok(None),
        };
        if !suggestion.origin.theta.is_empty() {
            self.history.theta = suggestion.origin.theta;
        }
        self.history.pending.push((trial, suggestion.params.clone()));
        Ok(Some(suggestion.params))
    }

    fn tell(&mut self, trial: TrialId, value: Option<f64>) -> Result<(), String> {
        let params = self.finished(trial)?;
        match value.and_then(loss) {
            Some(loss) => {
                self.history.observations.push(Observation::single(trial, params, loss, Fidelity(1)));
            }
            None => self.history.failed.push((trial, params)),
        }
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// Processor time of this thread: other programs on the machine do not count.
pub(crate) fn thread_seconds() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("the kernel knows its threads");
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 * 1e-6
}
