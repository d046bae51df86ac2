//! What a study may begin with: trials that were finished elsewhere, and configurations to try first.
//!
//! Results that were measured like the study's own count as they are. Of others only the ranking is used:
//! another program, another data set or another metric has another scale, but what was good there is
//! likely to be good here. In both cases the best configuration of each source is tried soon.

use automl_core::{
    Direction, Event, FailureKind, Fidelity, Further, Outcome, Params, Study, StudySettings, Trial, TrialId,
    TrialState,
};

/// Trials taken over from one source at most; the best and the latest would do.
const TAKEN_MAX: usize = 10_000;

/// A trial that was finished elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignTrial {
    /// Its values, in the names of its source.
    pub params: Params,
    /// Value of the objective; `None` where it failed.
    pub value: Option<f64>,
    /// Values of further objectives and constraints, where the source has them all.
    pub further: Further,
}

/// What a study begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WarmStart {
    added: Vec<Event>,
    enqueued: Vec<Params>,
}

impl WarmStart {
    /// Puts a configuration in line.
    pub fn enqueue(&mut self, params: Params) {
        if !self.enqueued.contains(&params) {
            self.enqueued.push(params);
        }
    }

    /// Takes over the finished trials of another study. Returns what people should know.
    pub fn from_study(&mut self, source: &Study, target: &StudySettings) -> Vec<String> {
        let name = format!("study {}", source.settings.study);
        let full = source.settings.fidelity.max;
        let same_metrics = target.metrics().eq(source.settings.metrics());
        let foreign = |trial: &Trial| ForeignTrial {
            params: trial.params.clone(),
            value: trial.reached.get(&full).copied(),
            further: trial.further.get(&full).filter(|_| same_metrics).cloned().unwrap_or_default(),
        };
        let counts = |t: &&Trial| {
            let own = t.is_comparable();
            own && (t.reached.contains_key(&full) || t.state == TrialState::Failed)
        };
        let trials: Vec<ForeignTrial> = source.trials.values().filter(counts).map(foreign).collect();
        let comparable = same_metrics
            && target.objectives().eq(source.settings.objectives())
            && target.recipe == source.settings.recipe
            && target.fidelity.max == full;
        let flipped = target.objective.direction != source.settings.objective.direction;
        let mut notes = Vec::new();
        if !comparable {
            let why = if target.objective == source.settings.objective {
                "it measures another program or other data"
            } else {
                "it optimises something else"
            };
            notes.push(format!("{name}: only the ranking of its results is used, because {why}"));
        }
        notes.extend(self.take(&name, trials, target, comparable, flipped));
        notes
    }

    /// Takes over finished trials of a table whose results are values of the study's objectives.
    pub fn from_table(
        &mut self,
        name: &str,
        trials: Vec<ForeignTrial>,
        target: &StudySettings,
    ) -> Vec<String> {
        self.take(name, trials, target, true, false)
    }

    fn take(
        &mut self,
        source: &str,
        trials: Vec<ForeignTrial>,
        target: &StudySettings,
        comparable: bool,
        flipped: bool,
    ) -> Vec<String> {
        let mut ignored: Vec<String> = Vec::new();
        let (mut misfits, mut first_misfit) = (0, None);
        let mut best: Option<(f64, Params)> = None;
        let (before, total) = (self.added.len(), trials.len());
        for trial in trials.into_iter().rev().take(TAKEN_MAX).rev() {
            let params = shared(&trial.params, target, &mut ignored);
            if let Err(problems) = target.space.check(&params) {
                misfits += 1;
                first_misfit = first_misfit.or_else(|| problems.first().map(ToString::to_string));
                continue;
            }
            let sign = if flipped { -1.0 } else { 1.0 };
            let Some(outcome) = outcome(&trial, target, sign, comparable) else { continue };
            if let Outcome::Reached { value, .. } = outcome {
                let loss = if target.objective.direction == Direction::Minimize { value } else { -value };
                if best.as_ref().is_none_or(|(least, _)| loss < *least) {
                    best = Some((loss, params.clone()));
                }
            }
            self.added.push(Event::TrialAdded {
                trial: TrialId(0),
                params,
                source: source.into(),
                comparable,
                outcome,
            });
        }
        if let Some((_, params)) = best {
            target.space.defaults().into_iter().for_each(|defaults| self.enqueue(defaults));
            self.enqueue(params);
        }
        let taken = self.added.len() - before;
        let mut notes = vec![format!("{source}: {taken} of {total} finished trials taken over")];
        if !ignored.is_empty() {
            notes.push(format!("{source}: not in the search space, ignored: {}", ignored.join(", ")));
        }
        if let Some(first) = first_misfit {
            notes.push(format!("{source}: {misfits} trials do not fit the search space; the first: {first}"));
        }
        notes
    }

    /// The events that a study begins with.
    pub(crate) fn events(&self) -> Vec<Event> {
        let numbered = self.added.iter().zip(1..).map(|(event, number)| {
            let mut event = event.clone();
            if let Event::TrialAdded { trial, .. } = &mut event {
                *trial = TrialId(number);
            }
            event
        });
        let enqueued = self.enqueued.iter().map(|p| Event::Enqueued { params: p.clone(), wish: None });
        numbered.chain(enqueued).collect()
    }
}

/// Keeps the parameters that the target has, in its types; collects the names of the others.
fn shared(params: &Params, target: &StudySettings, ignored: &mut Vec<String>) -> Params {
    let (known, unknown): (Vec<_>, Vec<_>) =
        params.iter().partition(|(name, _)| target.space.get(name).is_some());
    for (name, _) in unknown {
        if !ignored.iter().any(|n| n == name) {
            ignored.push(name.into());
        }
    }
    let mut kept: Params = known.into_iter().map(|(name, value)| (name.into(), value.clone())).collect();
    kept = target.space.canonical(&kept);
    // A parameter that is inactive here had no say in the result there either.
    let inactive = |name: &str| target.space.get(name).is_some_and(|p| !p.is_active(&kept));
    let active = kept.iter().filter(|(name, _)| !inactive(name));
    active.map(|(name, value)| (name.to_string(), value.clone())).collect()
}

/// What came of a trial; `None` where it says nothing here. Another program's failures are its own.
fn outcome(trial: &ForeignTrial, target: &StudySettings, sign: f64, comparable: bool) -> Option<Outcome> {
    match trial.value {
        Some(value) if value.is_finite() => Some(Outcome::Reached {
            fidelity: Fidelity(target.fidelity.max.0),
            value: sign * value,
            checkpoint: None,
            further: if comparable { trial.further.clone() } else { Further::default() },
        }),
        _ if comparable => {
            let reason = "failed elsewhere".into();
            Some(Outcome::Failed { kind: FailureKind::Reported, reason })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Objective, ParamValue};
    use automl_testkit::{Log, settings};

    fn params(pairs: &[(&str, f64)]) -> Params {
        pairs.iter().map(|(name, value)| ((*name).to_string(), ParamValue::Float(*value))).collect()
    }

    fn foreign(pairs: &[(&str, f64)], value: f64) -> ForeignTrial {
        ForeignTrial { params: params(pairs), value: Some(value), further: Further::default() }
    }

    fn begun(start: &WarmStart, settings: StudySettings) -> Study {
        let mut log = Log::new(settings);
        for event in start.events() {
            log.push(event);
        }
        log.study().unwrap()
    }

    #[test]
    fn tables_bring_what_fits_and_say_what_does_not() {
        let target = settings(Algorithm::Random);
        let mut start = WarmStart::default();
        let rows = vec![foreign(&[("lr", 0.5), ("wd", 1.0)], 0.3), foreign(&[("lr", 7.0)], 0.9)];
        let notes = start.from_table("old.csv", rows, &target);
        assert_eq!(notes[0], "old.csv: 1 of 2 finished trials taken over");
        assert_eq!(notes[1], "old.csv: not in the search space, ignored: wd");
        assert!(notes[2].contains("1 trials do not fit the search space; the first: `lr`: 7"), "{notes:?}");
        let study = begun(&start, target);
        assert_eq!(study.incumbent().unwrap().value(), Some(0.3));
        assert_eq!(study.queue, [params(&[("lr", 0.5)])], "the best of it is tried here");
    }

    #[test]
    fn other_objectives_bring_their_ranking_only() {
        let mut other = settings(Algorithm::Random);
        other.objective = Objective { metric: "loss".into(), direction: Direction::Minimize };
        let source = Log::new(other).suggest(1).start(1, 1, 9).reach(1, 1, 9, 4.0).study().unwrap();
        let mut start = WarmStart::default();
        let mut target = settings(Algorithm::Random);
        target.space = automl_core::SearchSpace::new(Vec::new()).unwrap();
        let notes = start.from_study(&source, &target);
        assert!(notes[0].contains("only the ranking"), "{notes:?}");
        let study = begun(&start, target);
        assert_eq!(study.trials[&TrialId(1)].value(), Some(-4.0), "maximised here, minimised there");
        assert_eq!(study.incumbent(), None);
    }
}
