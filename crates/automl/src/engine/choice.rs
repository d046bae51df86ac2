//! From a decision to what it means for the log: new trials get their values, and choices are made.
//!
//! A pure function of the study and the decision, so that a replay makes the same choices again.

use super::history::{history, suggest};
use automl_core::{Algorithm, EndReason, Event, Fidelity, Study, TrialId, TrialState};
use automl_sampler::{
    Ancestor, Chosen, Contender, Contest, Sampler, SamplerKind, Start, SuggestError, Suggestion, choose,
    differential, perturbed,
};
use automl_scheduler::{Ancestry, Breed, Choice, Decision, NewTrial};

/// A decision that leaves nothing open.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// Start a new trial.
    Start {
        /// Its values.
        suggestion: Suggestion,
        /// Bracket it belongs to, where there are brackets.
        bracket: Option<u32>,
        /// Fidelity at which its first attempt ends.
        until: Fidelity,
        /// What it takes over from an earlier one, if anything.
        takeover: Option<Takeover>,
    },
    /// Run a trial that is queued or paused.
    Run {
        /// The trial.
        trial: TrialId,
        /// Fidelity at which the attempt ends.
        until: Fidelity,
        /// Why this one, where a model chose it.
        why: Option<String>,
    },
    /// End the search.
    End(EndReason),
}

/// That a new trial goes on with what an earlier one has trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The earlier trial.
    pub from: TrialId,
    /// Fidelity that it was trained to.
    pub at: Fidelity,
    /// The trial that is given up for the new one, unless it ended by itself.
    pub instead_of: TrialId,
}

/// Returns the sampler that an algorithm's name stands for.
pub(crate) fn sampler_for(algorithm: Algorithm) -> Box<dyn Sampler> {
    let kind = match algorithm {
        Algorithm::Random => SamplerKind::Random,
        // The last two for the trials that others are made from.
        Algorithm::Sobol
        | Algorithm::Hyperband
        | Algorithm::SuccessiveHalving
        | Algorithm::Asha
        | Algorithm::Pasha
        | Algorithm::Dehb
        | Algorithm::Pbt => SamplerKind::Sobol,
        Algorithm::Auto => SamplerKind::Auto,
        // Whatever the race starts without asking its own model.
        Algorithm::Bayesian | Algorithm::Race => SamplerKind::Bayesian,
        Algorithm::BayesianWarped => SamplerKind::Warped,
        Algorithm::Tpe => SamplerKind::Tpe,
        Algorithm::Bohb => SamplerKind::Bohb,
        Algorithm::CmaEs => SamplerKind::CmaEs,
    };
    kind.build()
}

/// Returns the events that make a new trial, the study's next one. `copy` says where the copy of a checkpoint goes that
/// the trial takes over, given the earlier trial and its checkpoint.
pub fn beginning(
    study: &Study,
    suggestion: Suggestion,
    bracket: Option<u32>,
    takeover: Option<Takeover>,
    copy: impl FnOnce(TrialId, &str) -> String,
) -> Vec<Event> {
    let trial = study.next_trial();
    let mut events = Vec::new();
    if let Some(Takeover { from, at, instead_of }) = takeover
        && study.trials.get(&instead_of).is_some_and(|trial| trial.state == TrialState::Paused)
    {
        let unit = &study.settings.fidelity.unit;
        let reason = format!(
            "pbt: among the worst at {unit} {at}; trial {trial} goes on in its place, from trial {from}"
        );
        events.push(Event::TrialStopped { trial: instead_of, reason });
    }
    let (params, origin) = (suggestion.params, suggestion.origin);
    events.push(Event::TrialSuggested { trial, params, bracket, origin });
    if let Some(Takeover { from, at, .. }) = takeover {
        let source = study.trials.get(&from).and_then(|parent| parent.checkpoint.clone());
        // Where somebody else runs the trials, checkpoints are theirs to know.
        if source.is_some() || study.settings.recipe.is_null() {
            let copy = source.as_deref().map(|source| copy(from, source));
            events.push(Event::CheckpointInherited { trial, from, fidelity: at, source, copy });
        }
    }
    events
}

/// Resolves a decision about a study.
///
/// # Errors
/// [`SuggestError::Exhausted`] when a new trial is wanted and a finite space has no configuration left.
pub(crate) fn resolve(
    study: &Study,
    sampler: &dyn Sampler,
    decision: Decision,
) -> Result<Resolved, SuggestError> {
    match decision {
        Decision::Start { bracket, until } => {
            suggest(study, sampler).map(|suggestion| started(suggestion, bracket, until))
        }
        Decision::Breed(breed) => bred(study, sampler, breed),
        Decision::Run { trial, until } => Ok(Resolved::Run { trial, until, why: None }),
        Decision::Choose(choice) => made(study, sampler, choice),
        Decision::End(reason) => Ok(Resolved::End(reason)),
    }
}

fn started(suggestion: Suggestion, bracket: Option<u32>, until: Fidelity) -> Resolved {
    Resolved::Start { suggestion, bracket, until, takeover: None }
}

/// Makes a trial from earlier ones. What the user enqueued takes the place of values that would be evolved, not that of a
/// copy, which goes on with what was trained.
fn bred(study: &Study, sampler: &dyn Sampler, breed: Breed) -> Result<Resolved, SuggestError> {
    let Breed { bracket, until, ancestry } = breed;
    let (settings, next) = (&study.settings, study.next_trial());
    let ancestor = |id: &TrialId| Some(Ancestor { trial: *id, params: &study.trials.get(id)?.params });
    match ancestry {
        Ancestry::Differential { .. } if !study.queue.is_empty() => {
            resolve(study, sampler, Decision::Start { bracket, until })
        }
        Ancestry::Differential { target, parents } => {
            let target = target.as_ref().and_then(ancestor);
            let parents: Vec<Ancestor<'_>> = parents.iter().filter_map(ancestor).collect();
            let history = history(study);
            let suggestion = differential(&settings.space, &history, target, &parents, next, settings.seed)?;
            Ok(started(suggestion, bracket, until))
        }
        Ancestry::Copy { parent, at, instead_of } => {
            let copied = ancestor(&parent).expect("schedulers name trials of the study");
            let suggestion = perturbed(&settings.space, copied, next, settings.seed);
            let takeover = Some(Takeover { from: parent, at, instead_of });
            Ok(Resolved::Start { suggestion, bracket, until, takeover })
        }
    }
}

/// Makes a choice. What the user enqueued comes before anything else.
fn made(study: &Study, sampler: &dyn Sampler, choice: Choice) -> Result<Resolved, SuggestError> {
    let start = choice.start;
    if let (Some(NewTrial { bracket, until, .. }), false) = (start, study.queue.is_empty()) {
        return resolve(study, sampler, Decision::Start { bracket, until });
    }
    let settings = &study.settings;
    let contest = contest(study, choice);
    let chosen = choose(&settings.space, &history(study), &contest, study.next_trial(), settings.seed)?;
    Ok(match (chosen, start) {
        (Chosen::Promote { trial, until, reason }, _) => Resolved::Run { trial, until, why: Some(reason) },
        (Chosen::Start(suggestion), start) => {
            let NewTrial { bracket, until, .. } = start.expect("a trial is started only where one may start");
            started(suggestion, bracket, until)
        }
    })
}

fn contest(study: &Study, choice: Choice) -> Contest {
    let resumable = study.settings.fidelity.resumable;
    let contender = |promotion: automl_scheduler::Promotion| Contender {
        trial: promotion.trial,
        params: study.trials[&promotion.trial].params.clone(),
        // A program that cannot carry on trains again what it has trained.
        from: if resumable { promotion.from } else { Fidelity(0) },
        until: promotion.until,
    };
    let running = study.in_state(TrialState::Running);
    Contest {
        levels: choice.levels,
        start: choice.start.map(|start| Start { until: start.until, all_the_way: start.all_the_way }),
        contenders: choice.promotions.into_iter().map(contender).collect(),
        running: running.filter_map(|trial| Some((trial.id, trial.running_attempt()?.until))).collect(),
    }
}
