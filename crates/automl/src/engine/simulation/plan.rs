//! What a seed stands for: a study, and how much goes wrong around it.

use super::chance::Chance;
use automl_config::{CommandRequest, TrialRecipe};
use automl_core::{
    Algorithm, Conduct, Direction, EarlyStop, Fidelity, FidelityPlan, KeepCheckpoints, Limits, Objective,
    Reading, Resources, StudySettings,
};

/// Longest running time of an attempt.
pub(crate) const WALL_MS: u64 = 300_000;

/// Probabilities of what may go wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    /// The engine dies at an effect.
    pub(crate) crash: f64,
    /// An append finds the disk full, which lasts for a while.
    pub(crate) full_disk: f64,
    /// A submission never arrives.
    pub(crate) lost_submission: f64,
    /// A message takes long.
    pub(crate) late: f64,
    /// The end of an attempt is reported again.
    pub(crate) duplicate: f64,
    /// A node is cut off for a while, per minute.
    pub(crate) partition: f64,
    /// A node dies, per minute.
    pub(crate) node_loss: f64,
    /// An attempt fails in some way.
    pub(crate) failure: f64,
    /// The user wishes something, per look.
    pub(crate) wish: f64,
    /// The clock is set, per look.
    pub(crate) clock_jump: f64,
    /// A checkpoint breaks or vanishes, per minute.
    pub(crate) damage: f64,
    /// Another action is started from a checkpoint, per look.
    pub(crate) reference: f64,
    /// The user has checkpoints deleted between two engines.
    pub(crate) garbage: f64,
}

/// How programs keep their checkpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Whether the name of each tells its epoch; otherwise there is one file, which is written over.
    pub(crate) epoch_in_name: bool,
    /// Whether a file gets its name when it is whole.
    pub(crate) saves_whole: bool,
    /// Whether an epoch is saved before it is reported.
    pub(crate) saves_first: bool,
}

impl Rates {
    /// Nothing goes wrong.
    pub(crate) const CALM: Rates = Rates {
        crash: 0.0,
        full_disk: 0.0,
        lost_submission: 0.0,
        late: 0.0,
        duplicate: 0.0,
        partition: 0.0,
        node_loss: 0.0,
        failure: 0.0,
        wish: 0.0,
        clock_jump: 0.0,
        damage: 0.0,
        reference: 0.0,
        garbage: 0.0,
    };
}

/// A study to simulate.
pub(crate) struct Plan {
    pub(crate) settings: StudySettings,
    pub(crate) recipe: TrialRecipe,
    pub(crate) rates: Rates,
    pub(crate) habits: Habits,
    /// Whether processes can be looked up, as on one machine; otherwise only heartbeats tell.
    pub(crate) one_machine: bool,
}

/// Whose checkpoints may be asked to be kept.
pub(crate) const KEPT: [KeepCheckpoints; 4] =
    [KeepCheckpoints::All, KeepCheckpoints::Best, KeepCheckpoints::None, KeepCheckpoints::Top(2)];
/// Budgets for checkpoints in bytes: one that is always used up, and some that are now and then.
const DISKS: [u64; 3] = [1, 300, 1_000];

/// Share of the studies that a model proposes trials for: these take more time.
const MODELS: f64 = 0.2;
const WITHOUT_MODEL: [Algorithm; 8] = [
    Algorithm::Random,
    Algorithm::Sobol,
    Algorithm::Hyperband,
    Algorithm::SuccessiveHalving,
    Algorithm::Asha,
    Algorithm::Pasha,
    Algorithm::Dehb,
    Algorithm::Pbt,
];
const WITH_MODEL: [Algorithm; 5] =
    [Algorithm::Race, Algorithm::Bohb, Algorithm::Bayesian, Algorithm::Tpe, Algorithm::CmaEs];

/// Draws how trials are stopped and cleaned up after. Rungs to pause at and rungs to stop at exclude each
/// other.
fn conduct(algorithm: Algorithm, chance: &Chance) -> Conduct {
    let rules: &[EarlyStop] = match algorithm.pauses_trials() {
        true if algorithm == Algorithm::Pbt => &[EarlyStop::None],
        true => &[EarlyStop::None, EarlyStop::Median],
        false => &[EarlyStop::None, EarlyStop::Asha, EarlyStop::Median, EarlyStop::Curve],
    };
    Conduct {
        reading: Reading::Last,
        early_stop: chance.one_of(rules),
        keep_checkpoints: chance.one_of(&KEPT),
        disk_bytes: chance.happens(0.3).then(|| chance.one_of(&DISKS)),
        ..Conduct::default()
    }
}

impl Plan {
    /// Draws a plan. Each kind of trouble is absent from about half of all plans, so that it is also seen
    /// without the others.
    pub(crate) fn draw(chance: &Chance) -> Self {
        let rate = |most: f64| if chance.happens(0.5) { most * chance.unit() } else { 0.0 };
        let rates = Rates {
            crash: rate(0.15),
            full_disk: rate(0.1),
            lost_submission: rate(0.1),
            late: rate(0.3),
            duplicate: rate(0.3),
            partition: rate(0.3),
            node_loss: rate(0.15),
            failure: rate(0.4),
            wish: rate(0.05),
            clock_jump: rate(0.05),
            damage: rate(0.5),
            reference: rate(0.02),
            garbage: rate(0.3),
        };
        let algorithm = match chance.happens(MODELS) {
            true => chance.one_of(&WITH_MODEL),
            false => chance.one_of(&WITHOUT_MODEL),
        };
        let parallel = 1 + chance.below(4) as u32;
        let habits = Habits {
            epoch_in_name: chance.happens(0.5),
            saves_whole: chance.happens(0.5),
            saves_first: chance.happens(0.5),
        };
        // Enough for a model to propose some of them.
        let trials = if WITH_MODEL.contains(&algorithm) { 4 + chance.below(4) } else { 2 + chance.below(9) };
        let mut plan = Plan::of(algorithm, trials, parallel, habits);
        plan.settings.seed = chance.below(1 << 40);
        plan.settings.retries = chance.below(3) as u32;
        plan.settings.max_consecutive_failures = chance.one_of(&[3, 1000]);
        // A clock that jumps would end a search with a time limit, rightly.
        let timed = rates.clock_jump == 0.0 && chance.happens(0.2);
        plan.settings.timeout_ms = timed.then(|| 60_000 + chance.below(600_000));
        plan.settings.conduct = conduct(algorithm, chance);
        if plan.settings.conduct.early_stop != EarlyStop::None {
            plan.settings.fidelity.max = Fidelity(9);
        }
        if algorithm != Algorithm::Pbt && chance.happens(0.1) {
            plan.settings.fidelity.resumable = false;
        }
        plan.show_more_of(algorithm);
        plan.rates = rates;
        plan.one_machine = chance.happens(0.5);
        plan
    }

    /// Chooses fidelities with which a few trials get to what an algorithm does late.
    pub(crate) fn show_more_of(&mut self, algorithm: Algorithm) {
        let plan = &mut self.settings.fidelity;
        match algorithm {
            Algorithm::Pbt => plan.min = Fidelity(3),
            Algorithm::Dehb if self.settings.conduct.early_stop == EarlyStop::None => plan.max = Fidelity(3),
            _ => {}
        }
    }

    /// A plan under which nothing goes wrong.
    pub(crate) fn calm(algorithm: Algorithm, trials: u64, parallel: u32) -> Self {
        let habits = Habits { epoch_in_name: true, saves_whole: true, saves_first: true };
        Self::of(algorithm, trials, parallel, habits)
    }

    fn of(algorithm: Algorithm, trials: u64, parallel: u32, habits: Habits) -> Self {
        let argv = ["true", "{x}", "{fidelity}", "{resume}"].map(String::from).to_vec();
        let mut request = CommandRequest::new("loss:min", argv);
        request.params = vec!["x=0.0..1.0".into()];
        request.max_fidelity = Some(9);
        // Without epochs the usual names are taken for checkpoints.
        request.checkpoints = habits.epoch_in_name.then(|| r"(^|/)ckpt_(?P<epoch>\d+)$".into());
        let resolved = automl_config::resolve_command(&request).expect("a sound command");
        let max = if algorithm.pauses_trials() { 9 } else { 3 };
        let settings = StudySettings {
            space: resolved.space,
            objective: Objective { metric: "loss".into(), direction: Direction::Minimize },
            trials,
            fidelity: FidelityPlan {
                unit: "epoch".into(),
                min: Fidelity(1),
                max: Fidelity(max),
                reduction_factor: 3,
                resumable: true,
                base: None,
                full_first: FidelityPlan::FULL_FIRST,
            },
            limits: Limits { wall_ms: Some(WALL_MS), grace_ms: 5_000, ..Limits::default() },
            resources: Resources { gpus: "none".into(), gpus_per_trial: 1.0, parallel: Some(parallel) },
            recipe: serde_json::to_value(&resolved.trial).expect("a recipe serialises"),
            ..automl_testkit::settings(algorithm)
        };
        Plan { settings, recipe: resolved.trial, rates: Rates::CALM, habits, one_machine: true }
    }
}
