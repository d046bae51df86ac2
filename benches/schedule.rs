//! What deciding costs: `cargo bench -p automl --bench schedule`.
//!
//! Searches of 10,000 trials over random learning curves, on 16 and on 1,000 workers in simulated time, with the real
//! scheduler and fold and without a model. Prints for every algorithm the time of the whole search, and of a decision once
//! 9,000 trials have begun: the median, the 99th percentile and the mean. A last line is the race's model at 1,000
//! results. Times of decisions and of the model are those of the processor; the search's is that of the wall clock.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use automl::{Takeover, beginning, resolve};
use automl_core::{
    Algorithm, AttemptEnd, Distribution, Event, Fidelity, Further, Origin, Outcome, Parameter, Record, Scale,
    SearchSpace, Study, TrialId, rng,
};
use automl_sampler::Suggestion;
use automl_scheduler::{Ancestry, Breed, Choice, Decision, Scheduler, scheduler_for};
use automl_testkit::{Log, curve, settings};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const TRIALS: u64 = 10_000;
/// Trials after whose start decisions are timed.
const TIMED_FROM: u64 = 9_000;
const DIMENSIONS: u64 = 10;
const WORKERS: [usize; 2] = [16, 1_000];
/// Results that the model of the race is asked with.
const RESULTS: usize = 1_000;
const DECISION_TARGET_US: f64 = 100.0;
const SEARCH_TARGET_S: f64 = 10.0;
const MODEL_TARGET_MS: f64 = 50.0;

const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::Random,
    Algorithm::Hyperband,
    Algorithm::SuccessiveHalving,
    Algorithm::Asha,
    Algorithm::Bohb,
    Algorithm::Race,
    Algorithm::Pasha,
    Algorithm::Dehb,
    Algorithm::Pbt,
];

fn main() {
    println!("{TRIALS} trials; targets: {SEARCH_TARGET_S} s a search, {DECISION_TARGET_US} us a decision");
    println!("algorithm           workers    search   median       p99      mean");
    for algorithm in ALGORITHMS {
        for workers in WORKERS {
            let mut search = Search::new(algorithm, workers);
            let begin = Instant::now();
            search.run();
            let whole = begin.elapsed().as_secs_f64();
            let mut times = std::mem::take(&mut search.times);
            times.sort();
            let us = |time: Duration| time.as_secs_f64() * 1e6;
            let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().map_or(0.0, us);
            let mean = us(times.iter().sum::<Duration>()) / times.len().max(1) as f64;
            println!(
                "{:<20}{workers:>6} {whole:>8.2}s {:>6.1}us {:>7.1}us {mean:>7.1}us",
                algorithm.to_string(),
                at(0.5),
                at(0.99)
            );
        }
    }
    let time = ask_the_race();
    println!("model of the race at {RESULTS} results {time:.1} ms (target {MODEL_TARGET_MS} ms)");
}

/// Time that this thread has had of a processor: nothing that is timed here waits for anything.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn space() -> SearchSpace {
    let float = Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
    let parameter = |i| Parameter::new(format!("p{i}"), float.clone());
    SearchSpace::new((0..DIMENSIONS).map(parameter).collect()).expect("a sound space")
}

/// A search without programs and models.
struct Search {
    study: Study,
    scheduler: Box<dyn Scheduler>,
    workers: usize,
    /// When each running trial ends, in units of a millionth of an epoch.
    ends: BTreeMap<(u64, TrialId), ()>,
    now: u64,
    times: Vec<Duration>,
}

impl Search {
    fn new(algorithm: Algorithm, workers: usize) -> Self {
        let mut settings = settings(algorithm);
        settings.space = space();
        settings.trials = TRIALS;
        settings.fidelity.max = Fidelity(27);
        settings.max_consecutive_failures = u32::MAX;
        let study = Log::new(settings).study().expect("a log that was just begun");
        let scheduler = scheduler_for(algorithm);
        Search { study, scheduler, workers, ends: BTreeMap::new(), now: 0, times: Vec::new() }
    }

    fn run(&mut self) {
        loop {
            while self.decide() {}
            if !self.finish_one() {
                return;
            }
        }
    }

    fn decide(&mut self) -> bool {
        let free = self.workers - self.ends.len();
        let begin = processor_time();
        let decisions = self.scheduler.decide(&self.study, free);
        if self.study.started() >= TIMED_FROM {
            self.times.push((processor_time() - begin) / decisions.len().max(1) as u32);
        }
        let busy = self.ends.len();
        decisions.into_iter().for_each(|decision| self.perform(decision));
        self.ends.len() > busy
    }

    fn perform(&mut self, decision: Decision) {
        let (trial, until) = match decision {
            Decision::Start { bracket, until } => (self.begin(bracket, None, None), until),
            Decision::Run { trial, until } => (trial, until),
            Decision::Breed(Breed { bracket, until, ancestry }) => {
                let (parent, takeover) = match ancestry {
                    Ancestry::Differential { target, .. } => (target, None),
                    Ancestry::Copy { parent, at, instead_of } => {
                        (Some(parent), Some(Takeover { from: parent, at, instead_of }))
                    }
                };
                (self.begin(bracket, parent, takeover), until)
            }
            Decision::Choose(choice) => return self.choose(&choice),
            Decision::End(_) => return,
        };
        let known = &self.study.trials[&trial];
        let epochs = until.0 - known.trained().map_or(0, |fidelity| fidelity.0);
        let attempt = known.next_attempt();
        let pace = 0.25 + 4.0 * rng::uniform(&[3, trial.0, u64::from(attempt.0)]).powi(4);
        self.ends.insert((self.now + (epochs as f64 * pace * 1e6) as u64, trial), ());
        self.apply(Event::AttemptStarted {
            trial,
            attempt,
            until,
            resume_from: None,
            slot: 0,
            log_offsets: Vec::new(),
            worker: None,
            why: None,
            asked: None,
        });
    }

    fn begin(
        &mut self,
        bracket: Option<u32>,
        parent: Option<TrialId>,
        takeover: Option<Takeover>,
    ) -> TrialId {
        let trial = self.study.next_trial();
        let row: Vec<f64> = (0..DIMENSIONS).map(|i| rng::uniform(&[5, trial.0, i])).collect();
        let params = self.study.settings.space.decode(&row);
        let suggestion = Suggestion { params, origin: Origin { parent, ..Origin::default() } };
        let events = beginning(&self.study, suggestion, bracket, takeover, |_, path| path.into());
        events.into_iter().for_each(|event| self.apply(event));
        trial
    }

    /// Stands in for the model: one in four times the first promotion.
    fn choose(&mut self, choice: &Choice) {
        let promotion = choice.promotions.first().map(|p| Decision::Run { trial: p.trial, until: p.until });
        let start = choice.start.map(|new| Decision::Start { bracket: new.bracket, until: new.until });
        let promoted = self.study.index().attempts().is_multiple_of(4) || start.is_none();
        if let Some(decision) = if promoted { promotion.or(start) } else { start } {
            self.perform(decision);
        }
    }

    fn finish_one(&mut self) -> bool {
        let Some(((end, trial), ())) = self.ends.pop_first() else { return false };
        self.now = end;
        let attempt = self.study.trials[&trial].running_attempt().expect("it was started");
        let (attempt, fidelity) = (attempt.number, attempt.until);
        let checkpoint = Some(String::from("c"));
        let outcome = match rng::uniform(&[4, trial.0, u64::from(attempt.0)]) < 0.02 {
            true => Outcome::Infeasible { reason: "does not fit".into() },
            false => {
                let value = -curve(trial.0, fidelity.0);
                Outcome::Reached { fidelity, value, checkpoint, further: Further::default() }
            }
        };
        self.apply(Event::AttemptEnded { trial, attempt, end: AttemptEnd::unmeasured(outcome) });
        true
    }

    fn apply(&mut self, event: Event) {
        self.study.apply(&Record { at: self.now, event }).expect("schedulers decide what is possible");
    }
}

/// Milliseconds of one choice of the race's model, the median of some.
fn ask_the_race() -> f64 {
    let mut search = Search::new(Algorithm::Race, 16);
    let results = |study: &Study| study.index().rungs().map(|(_, rung)| rung.results.len()).sum::<usize>();
    let mut times = Vec::new();
    while times.len() < 9 {
        let free = search.workers - search.ends.len();
        for decision in search.scheduler.decide(&search.study, free) {
            match decision {
                Decision::Choose(choice) if results(&search.study) >= RESULTS => {
                    let begin = processor_time();
                    let _ = std::hint::black_box(resolve(&search.study, Decision::Choose(choice.clone())));
                    times.push((processor_time() - begin).as_secs_f64() * 1e3);
                    search.choose(&choice);
                }
                decision => search.perform(decision),
            }
        }
        if search.ends.len() == search.workers {
            search.finish_one();
        }
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
