//! Processor time of one suggestion: `cargo bench -p automl --bench ask`.
//!
//! A ten-dimensional space, n observations of one, two or three quadratics with a little structure, one thread. What other programs do
//! meanwhile does not count, though it makes the caches colder. The last line is the largest memory that the process
//! has had, measurements included.

use automl_core::{
    Direction, Distribution, Fidelity, Objective, Parameter, Params, Scale, SearchSpace, TrialId, rng,
};
use automl_sampler::{History, Observation, SamplerKind};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::hint::black_box;
use std::time::Duration;

const DIMENSIONS: u64 = 10;

fn space() -> SearchSpace {
    let parameter = |i| {
        let scale = if i % 2 == 0 { Scale::Linear } else { Scale::Log };
        Parameter::new(format!("p{i}"), Distribution::Float { low: 1e-3, high: 1.0, scale, step: None })
    };
    SearchSpace::new((0..DIMENSIONS).map(parameter).collect()).expect("a sound space")
}

fn observation(space: &SearchSpace, trial: u64, objectives: u64) -> Observation {
    let row: Vec<f64> = (0..DIMENSIONS).map(|i| rng::uniform(&[5, trial, i])).collect();
    // The optimum of each further objective lies a third of the way round.
    let distance = |j: u64| {
        let optimum = |i: usize| 0.1 * ((i as u64 + 3 * j) % DIMENSIONS) as f64;
        row.iter().enumerate().map(|(i, x)| (x - optimum(i)).powi(2)).sum()
    };
    let objective = Objective { metric: "loss".into(), direction: Direction::Minimize };
    let loss = |j: u64| objective.loss(distance(j)).expect("finite");
    let params: Params = space.decode(&row);
    let others = (1..objectives).map(loss).collect();
    Observation { others, ..Observation::single(TrialId(trial), params, loss(0), Fidelity(1)) }
}

fn ask(c: &mut Criterion) {
    few_and_many(c, "gp", SamplerKind::Bayesian, 1, &[20, 50, 100, 200, 500, 1000, 10_000]);
    few_and_many(c, "gp-2-objectives", SamplerKind::Bayesian, 2, &[20, 50, 100, 200, 300, 500, 1000]);
    few_and_many(c, "gp-3-objectives", SamplerKind::Bayesian, 3, &[20, 50, 100, 200, 300, 500]);
    few_and_many(c, "gp-warped", SamplerKind::Warped, 1, &[100, 1000]);
    few_and_many(c, "tpe", SamplerKind::Tpe, 1, &[100, 1000, 10_000]);
    few_and_many(c, "cma-es", SamplerKind::CmaEs, 1, &[100, 1000, 10_000]);
}

/// One row for each number of observations.
fn few_and_many(c: &mut Criterion, name: &str, kind: SamplerKind, objectives: u64, counts: &[u64]) {
    let space = space();
    let sampler = kind.build();
    let mut group = c.benchmark_group(format!("ask/{name}/d10"));
    group.sample_size(10);
    for &n in counts {
        let observations = (1..n).map(|trial| observation(&space, trial, objectives)).collect();
        let mut history = History { observations, ..History::default() };
        // The state a running study is in: the previous suggestion's fit is known, one result is new.
        let before = sampler.suggest(&space, &history, TrialId(n), 1).expect("an infinite space");
        history.theta = before.origin.theta;
        history.observations.push(observation(&space, n, objectives));
        group.bench_with_input(BenchmarkId::from_parameter(n), &n, |b, n| {
            b.iter_custom(|rounds| {
                let before = thread_time();
                for _ in 0..rounds {
                    black_box(sampler.suggest(&space, &history, TrialId(n + 1), 1))
                        .expect("an infinite space");
                }
                thread_time() - before
            });
        });
    }
    group.finish();
}

/// Processor time that this thread has had.
fn thread_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("the kernel knows its threads");
    let spent = usage.user_time() + usage.system_time();
    Duration::from_micros(spent.num_microseconds().try_into().expect("time only grows"))
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn memory(_: &mut Criterion) {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel knows its processes");
    println!("peak memory of the process: {} MiB", usage.max_rss() / 1024);
}

criterion_group!(benches, ask, memory);
criterion_main!(benches);
