//! Which version of the algorithms this is: every engine records the one that it decides by, and a replay
//! compares only decisions of its own.

/// Version of everything that decides what is tried next and how far it runs. It rises with any change after which
/// some log would get another suggestion, start or stop; the test below finds most of these.
pub const ALGORITHMS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Resolved, beginning, resolve, sampler_for};
    use crate::replay::replay_records;
    use automl_core::{
        Algorithm, Asked, AttemptEnd, Distribution, EndReason, Event, Fidelity, Further, Objective, Outcome,
        Parameter, Params, Record, Scale, SearchSpace, Study, StudySettings, TrialState, rng,
    };
    use automl_scheduler::{Decision, scheduler_for};

    /// What each algorithm decides in one small study, as a number. Where the test finds another one, an algorithm
    /// decides differently than before: raise [`ALGORITHMS`] and put the new numbers here.
    const DIGESTS: [(&str, u64); 15] = [
        ("auto", 17_015_886_880_943_018_682),
        ("random", 17_263_334_093_650_380_407),
        ("sobol", 11_214_004_541_807_571_174),
        ("bayesian", 17_015_886_880_943_018_682),
        ("bayesian-warped", 1_086_008_490_513_218_382),
        ("tpe", 14_456_093_845_957_306_499),
        ("cma-es", 6_892_363_845_939_804_449),
        ("hyperband", 16_502_482_657_396_826_405),
        ("successive-halving", 13_428_056_567_398_986_594),
        ("asha", 1_325_471_244_179_543_836),
        ("bohb", 15_549_200_587_033_011_536),
        ("race", 13_575_219_488_175_138_753),
        ("pasha", 1_463_442_449_648_306_997),
        ("dehb", 12_222_392_022_398_539_010),
        ("pbt", 14_485_174_799_343_033_530),
    ];

    /// The same with a second objective, for the two ways in which models treat several.
    const DIGESTS_OF_TWO: [(Algorithm, u64); 2] =
        [(Algorithm::Bayesian, 1_122_501_689_583_427_644), (Algorithm::Tpe, 11_962_002_342_126_326_129)];

    fn settings(algorithm: Algorithm) -> StudySettings {
        let float = |low, high, scale| Distribution::Float { low, high, scale, step: None };
        let parameters = vec![
            Parameter::new("x", float(0.0, 1.0, Scale::Linear)),
            Parameter::new("lr", float(1e-5, 1e-1, Scale::Log)),
            Parameter::new("n", Distribution::Int { low: 1, high: 9, step: 2, scale: Scale::Linear }),
        ];
        let space = SearchSpace::new(parameters).unwrap();
        StudySettings { space, trials: 40, ..automl_testkit::settings(algorithm) }
    }

    /// Any smooth function will do, as long as it is computed alike everywhere.
    fn value(params: &Params, fidelity: Fidelity) -> f64 {
        let at = |name: &str| params.get(name).unwrap().as_f64().unwrap();
        let (x, n) = (at("x") - 0.3, at("n") - 5.0);
        -(x * x) - 10.0 * at("lr") - n * n / 100.0 - 1.0 / (1.0 + fidelity.0 as f64)
    }

    /// Searches with so many trials at a time, which end together, with events from outside in between, and returns
    /// the log.
    fn search(
        settings: StudySettings,
        slots: u32,
        mut from_outside: impl FnMut(&Study) -> Option<Event>,
    ) -> Vec<Record> {
        let algorithm = settings.algorithm;
        let (scheduler, sampler) = (scheduler_for(algorithm), sampler_for(algorithm));
        let mut records = automl_testkit::Log::new(settings).records;
        let Event::EngineStarted { algorithms, slots: of, .. } = &mut records[1].event else {
            panic!("no engine")
        };
        (*algorithms, *of) = (ALGORITHMS, slots);
        let mut study = Study::replay(&records).unwrap();
        let apply = |records: &mut Vec<Record>, study: &mut Study, event: Event| {
            records.push(Record { at: 0, event });
            study.apply(&records[records.len() - 1]).unwrap();
        };
        while study.ended.is_none() {
            if let Some(event) = from_outside(&study) {
                apply(&mut records, &mut study, event);
            }
            let asked = Asked { after: records.len() as u64, free: slots };
            for decision in scheduler.decide(&study, slots as usize) {
                let (trial, until, why) = match resolve(&study, &*sampler, decision).unwrap() {
                    Resolved::End(reason) => {
                        apply(&mut records, &mut study, Event::StudyEnded { reason });
                        continue;
                    }
                    Resolved::Run { trial, until, why } => (trial, until, why),
                    Resolved::Start { suggestion, bracket, until, takeover } => {
                        let trial = study.next_trial();
                        let begun =
                            beginning(&study, suggestion, bracket, takeover, |_, source| source.into());
                        begun.into_iter().for_each(|event| apply(&mut records, &mut study, event));
                        (trial, until, None)
                    }
                };
                let attempt = study.trials[&trial].next_attempt();
                let (resume_from, log_offsets, worker, asked) = (None, Vec::new(), None, Some(asked));
                let slot = 0;
                let start = Event::AttemptStarted {
                    trial,
                    attempt,
                    until,
                    resume_from,
                    slot,
                    log_offsets,
                    worker,
                    why,
                    asked,
                };
                apply(&mut records, &mut study, start);
            }
            let running: Vec<_> = study.in_state(TrialState::Running).map(|trial| trial.id).collect();
            for trial in running {
                let known = &study.trials[&trial];
                let attempt = known.running_attempt().unwrap();
                let (number, until) = (attempt.number, attempt.until);
                let distance = known.params.get("x").unwrap().as_f64().unwrap() - 0.8;
                let objectives =
                    study.settings.further_objectives.iter().map(|_| -distance * distance).collect();
                let (value, further) =
                    (value(&known.params, until), Further { objectives, ..Further::default() });
                let outcome = Outcome::Reached { fidelity: until, value, checkpoint: None, further };
                let end = AttemptEnd::unmeasured(outcome);
                apply(&mut records, &mut study, Event::AttemptEnded { trial, attempt: number, end });
            }
        }
        records
    }

    fn digest(records: &[Record]) -> u64 {
        let decision = |record: &Record| match &record.event {
            Event::TrialSuggested { params, bracket, .. } => Some(format!("{} {bracket:?}", params.key())),
            Event::AttemptStarted { trial, until, .. } => Some(format!("{trial} {until}")),
            _ => None,
        };
        let step = |digest: u64, byte: u8| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let decisions: Vec<String> = records.iter().filter_map(decision).collect();
        decisions.join(";").bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }

    #[test]
    fn decisions_change_only_with_their_version() {
        let of = |algorithm| digest(&search(settings(algorithm), 1, |_| None));
        let all = Algorithm::NAMES.map(|(algorithm, names)| (names[0], of(algorithm)));
        assert_eq!(all[..], DIGESTS[..], "raise ALGORITHMS (now {ALGORITHMS}) and put these digests here");
    }

    #[test]
    fn decisions_over_two_objectives_change_only_with_their_version() {
        let of = |algorithm| {
            let further_objectives = vec![Objective::maximize("second")];
            let settings = StudySettings { further_objectives, ..settings(algorithm) };
            digest(&search(settings, 1, |_| None))
        };
        let all = DIGESTS_OF_TWO.map(|(algorithm, _)| (algorithm, of(algorithm)));
        assert_eq!(all, DIGESTS_OF_TWO, "raise ALGORITHMS (now {ALGORITHMS}) and put these digests here");
    }

    /// Draws bounds, wide or narrow, or one value only.
    fn drawn(study: &Study, draw: &mut dyn FnMut() -> f64) -> SearchSpace {
        let float = |low: f64, high: f64, scale| Distribution::Float { low, high, scale, step: None };
        let n = 1 + (draw() * 9.0) as i64;
        let distributions = [
            float(draw() * 0.5 - 0.2, 0.3 + draw(), Scale::Linear),
            float(1e-6 * (1.0 + 1e3 * draw()), 1e-2 * (0.1 + 20.0 * draw()), Scale::Log),
            Distribution::Int { low: n, high: n + (draw() * 8.0) as i64, step: 1, scale: Scale::Linear },
        ];
        let parameters = study.settings.space.parameters().iter().zip(distributions);
        let parameters =
            parameters.map(
                |(old, distribution)| {
                    if draw() < 0.5 { old.clone() } else { Parameter::new(&old.name, distribution) }
                },
            );
        SearchSpace::new(parameters.collect()).unwrap()
    }

    /// Bounds change at random moments: what is proposed lies within those that hold, and the log replays.
    #[test]
    fn every_algorithm_keeps_to_bounds_that_change() {
        for (algorithm, names) in Algorithm::NAMES {
            for seed in 0..3 {
                let mut count = 0;
                let mut draw = || {
                    count += 1;
                    rng::uniform(&[seed, count])
                };
                let settings = StudySettings { seed, ..settings(algorithm) };
                let records = search(settings, 1, |study| {
                    let changes = draw() < 0.25;
                    let space = changes.then(|| Box::new(drawn(study, &mut draw)))?;
                    Some(Event::BoundsChanged { space, asked: Vec::new() })
                });
                let mut study = Study::replay(&records[..1]).unwrap();
                for record in &records[1..] {
                    if let Event::TrialSuggested { trial, params, .. } = &record.event {
                        let space = &study.settings.space;
                        assert_eq!(space.check(params), Ok(()), "{names:?}, seed {seed}, trial {trial}");
                    }
                    study.apply(record).unwrap();
                }
                assert!(study.rebound.is_some(), "{names:?}, seed {seed}: no bounds were changed");
                let replayed = replay_records(&records).unwrap();
                assert!(replayed.explains_all(), "{names:?}, seed {seed}: {replayed:?}");
                let by_model =
                    |record: &&Record| matches!(record.event, Event::AttemptStarted { why: Some(_), .. });
                let promoted = records.iter().filter(by_model).count();
                assert_eq!(replayed.suggestions as usize, study.trials.len() + promoted);
            }
        }
    }

    #[test]
    fn decisions_of_another_version_are_not_compared() {
        let mut records = search(settings(Algorithm::Asha), 1, |_| None);
        let forged = |records: &mut Vec<Record>| {
            for record in records {
                if let Event::TrialSuggested { params, .. } = &mut record.event {
                    *params = [("x".to_string(), automl_core::ParamValue::Float(0.5))].into_iter().collect();
                }
            }
        };
        forged(&mut records);
        assert!(replay_records(&records).unwrap().difference.is_some());
        let Event::EngineStarted { algorithms, .. } = &mut records[1].event else { panic!("no engine") };
        *algorithms = ALGORITHMS + 1;
        let replayed = replay_records(&records).unwrap();
        assert!(replayed.explains_all());
        let other = replayed.other_algorithms.unwrap();
        assert_eq!((other.version, other.event), (ALGORITHMS + 1, 3));
        assert!(other.decisions > 40, "{other:?}");
    }

    #[test]
    fn promotions_and_ends_are_derived_again() {
        for (algorithm, names) in Algorithm::NAMES.into_iter().filter(|(a, _)| a.pauses_trials()) {
            for (slots, tells) in [(1, true), (1, false), (3, true), (3, false)] {
                let mut records = search(settings(algorithm), slots, |_| None);
                if !tells {
                    forget_what_was_asked(&mut records);
                }
                let starts =
                    records.iter().filter(|r| matches!(r.event, Event::AttemptStarted { .. })).count();
                let replayed = replay_records(&records).unwrap();
                assert_eq!(replayed.starts as usize, starts, "{names:?}, {slots} slots: {replayed:?}");
                let mut forged = records.clone();
                let promoted = forged.iter_mut().find_map(|record| match &mut record.event {
                    Event::AttemptStarted { attempt, until, .. } if attempt.0 > 1 => Some(until),
                    _ => None,
                });
                let promoted = promoted.unwrap();
                *promoted = Fidelity(promoted.0 + 1);
                let found = replay_records(&forged).unwrap();
                assert!(!found.explains_all(), "{names:?}: {found:?}");
                let mut early = records[..records.len() / 2].to_vec();
                early.push(Record { at: 0, event: Event::StudyEnded { reason: EndReason::Budget } });
                let found = replay_records(&early).unwrap().unexplained.unwrap();
                assert_eq!(found.what, "end", "{names:?}");
            }
        }
    }

    fn forget_what_was_asked(records: &mut [Record]) {
        for record in records {
            if let Event::AttemptStarted { asked, .. } = &mut record.event {
                *asked = None;
            }
        }
    }

    /// A start that another number of free slots would have led to does not follow from the one that the log names.
    #[test]
    fn starts_follow_from_the_number_of_free_slots_in_the_log() {
        let records = search(settings(Algorithm::Asha), 9, |_| None);
        let scheduler = scheduler_for(Algorithm::Asha);
        let second = |n: &usize| {
            let study = Study::replay(&records[..*n]).unwrap();
            match scheduler.decide(&study, 2)[..] {
                [Decision::Run { .. } | Decision::Start { .. }, Decision::Run { trial, until }] => {
                    Some((study, trial, until))
                }
                _ => None,
            }
        };
        let is_question = |n: &usize| {
            let next = records[*n..].iter().find_map(|record| match &record.event {
                Event::AttemptStarted { asked, .. } => *asked,
                _ => None,
            });
            next.is_some_and(|asked| asked.after == *n as u64)
        };
        let at = (3..records.len()).filter(is_question).find(|n| second(n).is_some()).unwrap();
        let (study, trial, until) = second(&at).unwrap();
        let with = |asked: Option<Asked>| {
            let attempt = study.trials[&trial].next_attempt();
            let (resume_from, log_offsets, worker, why, slot) = (None, Vec::new(), None, None, 0);
            let start = Event::AttemptStarted {
                trial,
                attempt,
                until,
                resume_from,
                slot,
                log_offsets,
                worker,
                why,
                asked,
            };
            let mut forged = records[..at].to_vec();
            if asked.is_none() {
                forget_what_was_asked(&mut forged);
            }
            forged.push(Record { at: 0, event: start });
            replay_records(&forged).unwrap()
        };
        assert!(with(None).explains_all(), "nothing tells that one slot was free");
        let after = at as u64;
        for asked in [Asked { after, free: 1 }, Asked { after: after - 1, free: 1 }, Asked { after, free: 2 }]
        {
            let found = with(Some(asked)).unexplained.unwrap();
            assert_eq!(
                (found.what, found.event, found.trial),
                ("start", after + 1, Some(trial)),
                "{asked:?}"
            );
        }
    }

    /// Whoever says that more slots were free than there are, or once does not say how many, is found.
    #[test]
    fn what_was_asked_is_sound_and_always_told() {
        // Somebody's own workers ask for as many trials as they like, but programs of the study's have slots.
        let settings = StudySettings { recipe: serde_json::json!({}), ..settings(Algorithm::Hyperband) };
        let records = search(settings, 3, |_| None);
        let changed = |number: usize, of: usize, change: &dyn Fn(&mut Option<Asked>)| {
            let mut forged = records.clone();
            let starts = forged.iter_mut().filter_map(|record| match &mut record.event {
                Event::AttemptStarted { asked, .. } => Some(asked),
                _ => None,
            });
            starts.skip(number).take(of).for_each(change);
            replay_records(&forged).unwrap()
        };
        assert!(changed(0, 3, &|_| {}).explains_all());
        let free = |free| move |asked: &mut Option<Asked>| asked.as_mut().unwrap().free = free;
        for found in [changed(4, 1, &|asked| *asked = None), changed(1, 1, &free(2)), changed(0, 3, &free(4))]
        {
            assert_eq!(found.unexplained.unwrap().what, "start");
        }
    }
}
