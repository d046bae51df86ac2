//! Checks that a log can be explained: every suggestion, every other choice of a model, every decision of the
//! scheduler, every stop, every checkpoint that went and every end in it is derived again from the events before
//! it and compared, values bit for bit. What another version of the algorithms decided is not compared, but
//! counted.

mod ends;
mod rounds;
mod starts;

use crate::algorithms::ALGORITHMS;
use crate::engine::{self, EventLog, LogError, Resolved, history, records, sampler_for};
use crate::files::StudyDir;
use crate::study::{StudyError, exists, whole_journal};
use automl_core::{Algorithm, Event, Fidelity, Params, Record, Study, TrialId};
use automl_sampler::{SuggestError, Suggestion};
use automl_scheduler::{Decision, Disposal, disposals, may_go, scheduler_for, should_stop};
use ends::Limits;
use rounds::{Judged, Rounds};
use starts::Starts;

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// Events in the log.
    pub events: u64,
    /// Suggestions and promotions by a model that were derived again and were the same.
    pub suggestions: u64,
    /// Decisions of the scheduler, which trial runs how far, that were derived again and were the same.
    pub starts: u64,
    /// Decisions to stop a running trial that were derived again and were the same.
    pub stops: u64,
    /// Decisions to let checkpoints go that were derived again and were the same.
    pub disposals: u64,
    /// The first suggestion or promotion that was not; nothing beyond it was looked at.
    pub difference: Option<Difference>,
    /// The first other decision that was not; nothing beyond it was looked at.
    pub unexplained: Option<Unexplained>,
    /// What cannot be compared, because other versions of the algorithms decided it.
    pub other_algorithms: Option<OtherAlgorithms>,
    /// Whether nobody noted which version of the algorithms made the decision that differs: it may only have
    /// been another one.
    pub algorithms_unknown: bool,
}

impl Replay {
    /// Tells whether the log explains everything that could be compared.
    #[must_use]
    pub fn explains_all(&self) -> bool {
        self.difference.is_none() && self.unexplained.is_none()
    }
}

/// A suggestion or a promotion that the log does not explain.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Number of its event.
    pub event: u64,
    /// Its trial.
    pub trial: TrialId,
    /// Values in the log.
    pub recorded: Params,
    /// Values derived again, those of another trial where that one would have gone on; `None` where nothing
    /// would have been started.
    pub derived: Option<Params>,
}

/// A start, a stop, a disposal of checkpoints or the end of a search that the log does not explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexplained {
    /// Number of its event.
    pub event: u64,
    /// `start`, `stop`, `disposal` or `end`.
    pub what: &'static str,
    /// Its trial, where it is about one.
    pub trial: Option<TrialId>,
    /// What the log says.
    pub recorded: String,
    /// What is derived again; `None` where nothing would have happened.
    pub derived: Option<String>,
}

/// Decisions of other versions of the algorithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherAlgorithms {
    /// Version of the first of them.
    pub version: u32,
    /// Number of the first event that was not compared.
    pub event: u64,
    /// How many there are.
    pub decisions: u64,
}

/// Replays a study's log. Takes no lock and writes nothing, so it works beside a running engine.
///
/// # Errors
/// If there is no study, or its log cannot be read.
pub fn replay(dir: &StudyDir) -> Result<Replay, StudyError> {
    if !exists(dir) {
        return Err(StudyError::Missing { path: dir.path().to_path_buf() });
    }
    Ok(replay_records(&records(&whole_journal(dir)?.0.records)?)?)
}

/// Derives every decision among the records of a whole log again.
pub(crate) fn replay_records(records: &[Record]) -> Result<Replay, LogError> {
    let mut replay = Replay::default();
    let mut study: Option<Study> = None;
    let mut course = Course::default();
    for (i, record) in records.iter().enumerate() {
        replay.events += 1;
        if let Event::StudyCreated { format, .. } = &record.event {
            course.format = *format;
        }
        if let Some(study) = &study {
            course.limits.follow(study, record);
            if study.algorithms == 0 || study.algorithms == ALGORITHMS {
                replay.compare(study, &records[i..], &mut course);
            } else {
                replay.pass_over(study, &record.event);
            }
            if !replay.explains_all() {
                replay.algorithms_unknown = study.algorithms == 0;
                return Ok(replay);
            }
        }
        let seq = replay.events;
        EventLog::fold_one(&mut study, record).map_err(|source| LogError::Fold { seq, source })?;
    }
    Ok(replay)
}

/// What has to be remembered from event to event.
#[derive(Default)]
struct Course {
    rounds: Rounds,
    starts: Starts,
    limits: Limits,
    /// Of the log.
    format: u32,
}

/// Format from which on logs tell enough to derive ends and deletions of checkpoints again.
const FORMAT_MIN: u32 = 4;

impl Replay {
    /// Derives the decision that the first of the records that are left records, if it does, and compares.
    fn compare(&mut self, study: &Study, left: &[Record], course: &mut Course) {
        let (seq, record) = (self.events, &left[0]);
        let event = &record.event;
        let unexplained =
            |what, trial, recorded, derived| Some(Unexplained { event: seq, what, trial, recorded, derived });
        match course.rounds.judge(study, seq - 1, left) {
            Judged::Nothing => {}
            Judged::Suggestion => self.suggestions += 1,
            Judged::Start { by_model } => {
                self.starts += 1;
                self.suggestions += u64::from(by_model);
            }
            Judged::OtherValues { trial, recorded, derived } => {
                self.difference = Some(Difference { event: seq, trial, recorded, derived });
            }
            Judged::OtherStart { trial, recorded, derived } => {
                self.unexplained = unexplained("start", Some(trial), recorded, derived);
            }
            Judged::NothingTold => self.compare_start(study, left, course),
        }
        match event {
            Event::StopDecided { trial, reason, .. } => {
                let derived = should_stop(study, *trial);
                match derived.as_ref() == Some(reason) {
                    true => self.stops += 1,
                    false => self.unexplained = unexplained("stop", Some(*trial), reason.clone(), derived),
                }
            }
            // Of these, earlier formats tell too little.
            Event::CheckpointsDropped { .. } | Event::StudyEnded { .. } if course.format < FORMAT_MIN => {}
            Event::CheckpointsDropped { trial, keep, reason, spared } => {
                let recorded = Disposal { trial: *trial, keep: keep.clone(), reason: reason.clone() };
                let spared = spared.as_ref().map(|spared| spared.iter().copied().collect());
                if may_go(study, &recorded, spared.as_ref()) {
                    self.disposals += 1;
                } else {
                    let own = disposals(study, &spared.unwrap_or_default());
                    let own = own.into_iter().find(|own| own.trial == *trial);
                    let derived = own.as_ref().map(describe);
                    self.unexplained = unexplained("disposal", Some(*trial), describe(&recorded), derived);
                }
            }
            Event::StudyEnded { reason } if !course.limits.may_end(study, record.at, *reason) => {
                self.unexplained = unexplained("end", None, reason.to_string(), None);
            }
            _ => {}
        }
    }

    /// Compares what a program decided that did not note what its scheduler was asked.
    fn compare_start(&mut self, study: &Study, left: &[Record], course: &mut Course) {
        let (seq, event) = (self.events, &left[0].event);
        if let Some(made) = Made::of(study, event) {
            let (trial, recorded) = (made.trial, made.params.clone());
            match made.derived() {
                Ok(()) => self.suggestions += 1,
                Err(derived) => self.difference = Some(Difference { event: seq, trial, recorded, derived }),
            }
        }
        match course.starts.explain(study, event, left.get(1).map(|record| &record.event)) {
            None => {}
            Some(Ok(())) => self.starts += 1,
            Some(Err((trial, recorded, derived))) => {
                let (what, trial) = ("start", Some(trial));
                self.unexplained = Some(Unexplained { event: seq, what, trial, recorded, derived });
            }
        }
    }

    /// Counts a decision that another version of the algorithms made.
    fn pass_over(&mut self, study: &Study, event: &Event) {
        let decided = matches!(
            event,
            Event::TrialSuggested { .. }
                | Event::AttemptStarted { .. }
                | Event::StopDecided { .. }
                | Event::CheckpointsDropped { .. }
        );
        if decided {
            let first = OtherAlgorithms { version: study.algorithms, event: self.events, decisions: 0 };
            self.other_algorithms.get_or_insert(first).decisions += 1;
        }
    }
}

/// Says what goes and why.
fn describe(disposal: &Disposal) -> String {
    let Disposal { keep, reason, .. } = disposal;
    keep.as_ref().map_or_else(|| reason.clone(), |keep| format!("all but {keep}: {reason}"))
}

/// A choice in the log, and the study that it was made for.
struct Made<'a> {
    study: &'a Study,
    trial: TrialId,
    params: &'a Params,
    /// Fidelity of a promotion; `None` for a new trial.
    until: Option<Fidelity>,
}

impl<'a> Made<'a> {
    /// Returns the choice that an event records, if it does.
    fn of(study: &'a Study, event: &'a Event) -> Option<Self> {
        match event {
            Event::TrialSuggested { trial, params, .. } => {
                Some(Made { study, trial: *trial, params, until: None })
            }
            Event::AttemptStarted { trial, until, why: Some(_), .. } => {
                let params = &study.trials.get(trial)?.params;
                Some(Made { study, trial: *trial, params, until: Some(*until) })
            }
            _ => None,
        }
    }

    /// Makes the choice again; where it differs, returns the values of what is chosen now.
    fn derived(&self) -> Result<(), Option<Params>> {
        match (chosen(self.study), self.until) {
            (Some(Resolved::Start { suggestion, .. }), None) => {
                let next = self.study.next_trial() == self.trial;
                let same = next && suggestion.params == *self.params;
                if same { Ok(()) } else { Err(Some(suggestion.params).filter(|_| next)) }
            }
            (Some(Resolved::Run { trial, until, .. }), Some(recorded))
                if trial == self.trial && until == recorded =>
            {
                Ok(())
            }
            (Some(Resolved::Run { trial, .. }), _) => {
                Err(self.study.trials.get(&trial).map(|trial| trial.params.clone()))
            }
            (Some(Resolved::Start { suggestion, .. }), Some(_)) => Err(Some(suggestion.params)),
            (Some(Resolved::End(_)) | None, _) => Err(None),
        }
    }
}

/// What is chosen next where the log does not say how many slots were free: who starts trials whatever else there
/// is to do is only asked for its values.
fn chosen(study: &Study) -> Option<Resolved> {
    let decision = match study.settings.algorithm {
        Algorithm::Race => scheduler_for(Algorithm::Race).decide(study, 1).into_iter().next()?,
        // Which trials a new one is made from is part of what has to be found again.
        Algorithm::Dehb | Algorithm::Pbt => first_start(study)?,
        _ => Decision::Start { bracket: None, until: study.settings.fidelity.max },
    };
    resolve(study, decision).ok()
}

/// The first new trial that the scheduler wants, however many others run before it.
fn first_start(study: &Study) -> Option<Decision> {
    let scheduler = scheduler_for(study.settings.algorithm);
    let is_new = |decision: &Decision| matches!(decision, Decision::Start { .. } | Decision::Breed(_));
    let mut free = 1_usize;
    loop {
        let decisions = scheduler.decide(study, free);
        let all = decisions.len() < free;
        match decisions.into_iter().find(is_new) {
            None if !all => free *= 2,
            found => return found,
        }
    }
}

/// Returns what a decision about a study comes to: the values of a new trial, or the choice of a model. A pure
/// function of both.
///
/// # Errors
/// [`SuggestError::Exhausted`] when a new trial is wanted and a finite space has no configuration left.
pub fn resolve(study: &Study, decision: Decision) -> Result<Resolved, SuggestError> {
    engine::resolve(study, &*sampler_for(study.settings.algorithm), decision)
}

/// Returns what is tried as the study's next trial: what the user enqueued, then what its algorithm
/// proposes. A pure function of the study.
///
/// # Errors
/// [`SuggestError::Exhausted`] when a finite space has no configuration left.
pub fn suggest(study: &Study) -> Result<Suggestion, SuggestError> {
    history::suggest(study, &*sampler_for(study.settings.algorithm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Conduct, KeepCheckpoints, ParamValue, StudySettings};
    use automl_testkit::{Log, settings};

    /// Trials that have ended, each better than those before, whose checkpoints take ten bytes each.
    fn trials(count: u64, conduct: Conduct) -> Log {
        let settings = StudySettings { conduct, ..settings(Algorithm::Random) };
        let params: Params = [("lr".to_string(), ParamValue::Float(0.5))].into_iter().collect();
        (1..=count).fold(Log::new(settings), |log, number| {
            let trial = TrialId(number);
            let origin = automl_core::Origin::enqueued();
            log.with(Event::Enqueued { params: params.clone(), wish: None })
                .with(Event::TrialSuggested { trial, params: params.clone(), bracket: None, origin })
                .start(number, 1, 9)
                .reach(number, 1, 9, number as f64)
                .with(Event::CheckpointsCounted { trial, bytes: 10 })
        })
    }

    fn dropped(trial: u64, reason: &str) -> Event {
        Event::CheckpointsDropped { trial: TrialId(trial), keep: None, reason: reason.into(), spared: None }
    }

    #[test]
    fn checkpoints_go_only_by_a_rule() {
        let best = Conduct { keep_checkpoints: KeepCheckpoints::Best, ..Conduct::default() };
        let small = |bytes| Conduct { disk_bytes: Some(bytes), ..Conduct::default() };
        let only_best = "only the best trial keeps its checkpoints";
        for (conduct, trial, reason, explained) in [
            (best.clone(), 1, only_best, true),
            (best.clone(), 2, only_best, false),
            (best.clone(), 1, "nobody likes them", false),
            (small(15), 1, "the disk budget is used up", true),
            (small(15), 2, "the disk budget is used up", false),
            (small(20), 1, "the disk budget is used up", false),
            (Conduct::default(), 1, "the disk budget is used up", false),
            // As `automl gc` may have been asked to.
            (Conduct::default(), 1, only_best, true),
            (Conduct::default(), 1, "only the best 1 keep their checkpoints", true),
            (Conduct::default(), 1, "only the best 2 keep their checkpoints", false),
            (Conduct::default(), 2, "no trial keeps its checkpoints", true),
            (Conduct::default(), 1, "they were to go already", false),
        ] {
            let log = trials(2, conduct).with(dropped(trial, reason));
            let found = replay_records(&log.records).unwrap();
            let (unexplained, disposals) =
                (found.unexplained.as_ref().map(|other| other.what), found.disposals);
            let expected = if explained { (None, 1) } else { (Some("disposal"), 0) };
            assert_eq!((unexplained, disposals), expected, "trial {trial}: {reason}: {found:?}");
        }
        let twice = trials(2, best).with(dropped(1, only_best)).with(dropped(1, "they were to go already"));
        assert_eq!(replay_records(&twice.records).unwrap().disposals, 2);
    }

    /// The worst goes first, unless another action needs its checkpoints: the log says so.
    #[test]
    fn others_go_only_in_the_place_of_trials_that_were_spared() {
        let trials = trials(3, Conduct { disk_bytes: Some(25), ..Conduct::default() });
        for (trial, spared, explained) in [
            (1, Some(vec![]), true),
            (2, Some(vec![]), false),
            (2, Some(vec![1]), true),
            (1, Some(vec![1]), false),
            (3, Some(vec![1, 2]), false),
            // Nobody noted which were spared.
            (2, None, true),
        ] {
            let shown = format!("{trial} {spared:?}");
            let (trial, keep, reason) = (TrialId(trial), None, "the disk budget is used up".into());
            let spared = spared.map(|spared| spared.into_iter().map(TrialId).collect());
            let log = trials.clone().with(Event::CheckpointsDropped { trial, keep, reason, spared });
            assert_eq!(replay_records(&log.records).unwrap().explains_all(), explained, "{shown}");
        }
    }
}
