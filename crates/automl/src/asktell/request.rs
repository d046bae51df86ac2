//! What somebody wants to be asked for, and the settings that become of it.

use super::AskError;
use crate::study::{check_name, check_population, new_tag};
use automl_core::{
    Algorithm, Conduct, Constraint, EarlyStop, Fidelity, FidelityPlan, Limits, Objective, Resources,
    SearchSpace, Study, StudySettings,
};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Beginning of the names of studies that were given none.
const STEM: &str = "study";

/// Where a study is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: it ends with the process.
    Memory,
    /// In a folder of its own below this one.
    Folder(PathBuf),
}

/// A study to be asked and told, as its user describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyRequest {
    /// Name; absent for the first free one.
    pub name: Option<String>,
    /// What may vary; at least one parameter.
    pub space: SearchSpace,
    /// What is optimised, at least one; their names differ.
    pub objectives: Vec<Objective>,
    /// What a trial must keep to.
    pub constraints: Vec<Constraint>,
    /// Algorithm.
    pub algorithm: Algorithm,
    /// Root of every random choice.
    pub seed: u64,
    /// Number of trials to hand out in all; absent for no limit.
    pub max_trials: Option<u64>,
    /// Number of workers, for readers only: whoever asks gets a trial.
    pub workers: Option<u32>,
    /// The fidelities that trials may be run to; absent where a trial runs whole.
    pub fidelity: Option<FidelityPlan>,
    /// Rule by which reports are answered with `stop`.
    pub early_stop: EarlyStop,
}

impl StudyRequest {
    /// Describes a study without a name or limits, by the default algorithm. Set fields for anything else.
    ///
    /// ```
    /// use automl::{Answer, AskTell, Place, StudyRequest, Told};
    /// use automl_core::{Distribution, Objective, ParamValue, Parameter, SearchSpace};
    ///
    /// let space = SearchSpace::new(vec![Parameter::new("x", Distribution::float(-5.0, 5.0))]).unwrap();
    /// let request = StudyRequest { max_trials: Some(20), ..StudyRequest::new(space, vec![Objective::minimize("loss")]) };
    /// let mut study = AskTell::create(&Place::Memory, request)?;
    /// while let Answer::Trials(trials) = study.ask(1, None)? {
    ///     let x = trials[0].params.get("x").and_then(ParamValue::as_f64).unwrap();
    ///     study.tell(trials[0].trial, Told::value((x - 1.0).powi(2)))?;
    /// }
    /// assert!(study.study().incumbent().unwrap().value() < Some(0.1));
    /// # Ok::<(), automl::AskError>(())
    /// ```
    #[must_use]
    pub fn new(space: SearchSpace, objectives: Vec<Objective>) -> Self {
        StudyRequest {
            name: None,
            space,
            objectives,
            constraints: Vec::new(),
            algorithm: Algorithm::Auto,
            seed: 0,
            max_trials: None,
            workers: None,
            fidelity: None,
            early_stop: EarlyStop::None,
        }
    }

    /// Checks the request and makes it the settings that the first event records.
    pub(super) fn settings(self, place: &Place) -> Result<StudySettings, AskError> {
        let wrong = |what: &str| Err(AskError::Request { what: what.into() });
        let study = match self.name {
            Some(name) => name,
            None => free_name(place),
        };
        check_name(&study)?;
        if self.space.parameters().is_empty() {
            return wrong("`space` is empty; give at least one parameter");
        }
        if self.max_trials.is_some_and(|trials| trials == 0 || trials > StudySettings::UNLIMITED) {
            return wrong("`max_trials` must be at least 1 and at most 2^53");
        }
        let fidelity = self.fidelity.unwrap_or(whole_runs());
        check_fidelity(&fidelity, self.algorithm)?;
        if self.early_stop != EarlyStop::None && fidelity.max.0 < 2 {
            return wrong(
                "`early_stop` needs trials that are run further and further; give `fidelity` {min, max}",
            );
        }
        // A rule that stops running trials wants trials that run.
        let algorithm = match self.early_stop {
            EarlyStop::None => automl_scheduler::resolve_auto(self.algorithm, &fidelity, self.max_trials),
            _ => self.algorithm,
        };
        let mut objectives = self.objectives.into_iter();
        let Some(objective) = objectives.next() else {
            return wrong("`objective` is missing; give {name, direction}");
        };
        let tag = format!("{:08x}", new_tag(&study));
        let settings = StudySettings {
            tag,
            study,
            space: self.space,
            objective,
            further_objectives: objectives.collect(),
            constraints: self.constraints,
            algorithm,
            seed: self.seed,
            trials: self.max_trials.unwrap_or(StudySettings::UNLIMITED),
            timeout_ms: None,
            gpu_time_ms: None,
            fidelity,
            retries: 0,
            max_consecutive_failures: u32::MAX,
            limits: Limits { grace_ms: 0, ..Limits::default() },
            resources: Resources { gpus: "none".into(), gpus_per_trial: 0.0, parallel: self.workers },
            conduct: Conduct { early_stop: self.early_stop, ..Conduct::default() },
            workdir: String::new(),
            recipe: serde_json::Value::Null,
        };
        check_metrics(&settings)?;
        if settings.algorithm == Algorithm::Pbt {
            // Whoever runs the trials keeps the checkpoints.
            let plan = FidelityPlan { resumable: true, ..settings.fidelity.clone() };
            check_population(&plan, self.early_stop).map_err(|what| AskError::Request { what })?;
        }
        if self.early_stop == EarlyStop::Asha && self.algorithm.pauses_trials() {
            return wrong("`early_stop: asha` stops trials at the rungs that the algorithm pauses them at");
        }
        Ok(settings)
    }
}

/// Tells whether an existing study asks for the same things.
pub(super) fn same_question(existing: &Study, asked: &StudySettings) -> Result<(), AskError> {
    let known = &existing.settings;
    let difference = if known.space != asked.space {
        "another space"
    } else if !known.objectives().eq(asked.objectives()) {
        "other objectives"
    } else if known.constraints != asked.constraints {
        "other constraints"
    } else if known.fidelity != asked.fidelity {
        "other fidelities"
    } else if known.conduct != asked.conduct {
        "another rule of early stopping"
    } else {
        return Ok(());
    };
    Err(AskError::Another { study: known.study.clone(), difference: difference.into() })
}

/// The one fidelity of trials that run whole.
fn whole_runs() -> FidelityPlan {
    let one = Fidelity(1);
    FidelityPlan {
        unit: "run".into(),
        min: one,
        max: one,
        reduction_factor: 3,
        resumable: false,
        base: None,
        full_first: FidelityPlan::FULL_FIRST,
    }
}

fn check_fidelity(plan: &FidelityPlan, algorithm: Algorithm) -> Result<(), AskError> {
    let wrong = |what: String| Err(AskError::Request { what });
    if plan.min.0 == 0 || plan.min > plan.max {
        return wrong(format!(
            "`fidelity` must have 1 <= min <= max, found min {} and max {}",
            plan.min, plan.max
        ));
    }
    if plan.reduction_factor < 2 {
        return wrong(format!("`fidelity.eta` must be at least 2, found {}", plan.reduction_factor));
    }
    if algorithm.pauses_trials() && plan.min == plan.max {
        return wrong(format!("{algorithm} needs `fidelity` with min below max"));
    }
    Ok(())
}

fn check_metrics(settings: &StudySettings) -> Result<(), AskError> {
    let mut seen = BTreeSet::new();
    for name in settings.metrics() {
        if name.trim().is_empty() {
            return Err(AskError::Request { what: "an objective or constraint has an empty name".into() });
        }
        if !seen.insert(name) {
            return Err(AskError::Request { what: format!("`{name}` is declared twice") });
        }
    }
    Ok(())
}

fn free_name(place: &Place) -> String {
    let taken = |name: &String| match place {
        Place::Memory => false,
        Place::Folder(root) => root.join(name).exists(),
    };
    let mut names = (1_u64..).map(|n| format!("{STEM}-{n}"));
    names.find(|name| !taken(name)).expect("there are more numbers than folders")
}
