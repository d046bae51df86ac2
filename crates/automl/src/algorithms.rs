//! Which version of the algorithms this is: every engine records the one that it decides by, and a replay
//! compares only decisions of its own.

/// Version of everything that decides what is tried next and how far it runs. It rises with any change after which
/// some log would get another suggestion, start or stop; the test below finds most of these.
pub const ALGORITHMS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Resolved, beginning, resolve, sampler_for};
    use crate::replay::replay_records;
    use automl_core::{
        Algorithm, AttemptEnd, Distribution, EndReason, Event, Fidelity, Further, Outcome, Parameter, Params,
        Record, Scale, SearchSpace, Study, StudySettings, rng,
    };
    use automl_scheduler::scheduler_for;

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
        ("race", 10_544_486_002_816_417_829),
        ("pasha", 1_463_442_449_648_306_997),
        ("dehb", 12_222_392_022_398_539_010),
        ("pbt", 14_485_174_799_343_033_530),
    ];

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

    /// Searches one trial after the other, with events from outside in between, and returns the log.
    fn search(settings: StudySettings, mut from_outside: impl FnMut(&Study) -> Option<Event>) -> Vec<Record> {
        let algorithm = settings.algorithm;
        let (scheduler, sampler) = (scheduler_for(algorithm), sampler_for(algorithm));
        let mut records = automl_testkit::Log::new(settings).records;
        let Event::EngineStarted { algorithms, .. } = &mut records[1].event else { panic!("no engine") };
        *algorithms = ALGORITHMS;
        let mut study = Study::replay(&records).unwrap();
        let mut apply = |study: &mut Study, event: Event| {
            records.push(Record { at: 0, event });
            study.apply(&records[records.len() - 1]).unwrap();
        };
        while study.ended.is_none() {
            if let Some(event) = from_outside(&study) {
                apply(&mut study, event);
            }
            let decision = scheduler.decide(&study, 1).remove(0);
            let (trial, until) = match resolve(&study, &*sampler, decision).unwrap() {
                Resolved::End(reason) => {
                    apply(&mut study, Event::StudyEnded { reason });
                    continue;
                }
                Resolved::Run { trial, until, .. } => (trial, until),
                Resolved::Start { suggestion, bracket, until, takeover } => {
                    let trial = study.next_trial();
                    let begun = beginning(&study, suggestion, bracket, takeover, |_, source| source.into());
                    begun.into_iter().for_each(|event| apply(&mut study, event));
                    (trial, until)
                }
            };
            let known = &study.trials[&trial];
            let (attempt, value) = (known.next_attempt(), value(&known.params, until));
            let (further, checkpoint) = (Further::default(), None);
            let outcome = Outcome::Reached { fidelity: until, value, checkpoint, further };
            let (resume_from, log_offsets, worker, why) = (None, Vec::new(), None, None);
            let slot = 0;
            let start =
                Event::AttemptStarted { trial, attempt, until, resume_from, slot, log_offsets, worker, why };
            apply(&mut study, start);
            apply(&mut study, Event::AttemptEnded { trial, attempt, end: AttemptEnd::unmeasured(outcome) });
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
        let of = |algorithm| digest(&search(settings(algorithm), |_| None));
        let all = Algorithm::NAMES.map(|(algorithm, names)| (names[0], of(algorithm)));
        assert_eq!(all[..], DIGESTS[..], "raise ALGORITHMS (now {ALGORITHMS}) and put these digests here");
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
                let records = search(settings, |study| {
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
                assert_eq!(replayed.suggestions as usize, study.trials.len());
            }
        }
    }

    #[test]
    fn decisions_of_another_version_are_not_compared() {
        let mut records = search(settings(Algorithm::Asha), |_| None);
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
            let records = search(settings(algorithm), |_| None);
            let starts = records.iter().filter(|r| matches!(r.event, Event::AttemptStarted { .. })).count();
            assert_eq!(replay_records(&records).unwrap().starts as usize, starts, "{names:?}");
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
