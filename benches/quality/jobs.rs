//! All runs of a comparison, spread over threads.

use crate::arguments::Arguments;
use crate::asker::{OWN, Own, PEERS};
use crate::peer::Peers;
use crate::race::{Outcome, Setup, race};
use crate::results::Run;
use automl_testkit::problems::{Definition, Problem};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

struct Job {
    sampler: String,
    definition: Definition,
    seed: u64,
    workers: usize,
}

/// Makes every run that the arguments name, in their order. The first error ends all.
pub(crate) fn run_all(arguments: &Arguments) -> Result<Vec<Run>, String> {
    let jobs = jobs(arguments);
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Run, String>)>> = Mutex::new(Vec::new());
    let work = || {
        let mut peers = Peers::new(arguments.python.clone());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { return };
            let run = run(job, arguments, &mut peers);
            if run.is_err() {
                next.store(jobs.len(), Ordering::Relaxed);
            }
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((index, run));
            progress(results.len(), &jobs, index);
        }
    };
    thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, run)| run).collect()
}

fn jobs(arguments: &Arguments) -> Vec<Job> {
    let mut jobs = Vec::new();
    for sampler in &arguments.samplers {
        for workers in &arguments.workers {
            for definition in arguments.definitions() {
                for seed in arguments.first_seed..arguments.first_seed + arguments.seeds {
                    jobs.push(Job { sampler: sampler.clone(), definition, seed, workers: *workers });
                }
            }
        }
    }
    jobs
}

fn run(job: &Job, arguments: &Arguments, peers: &mut Peers) -> Result<Run, String> {
    let problem = job.definition.instance(job.seed);
    let setup = Setup {
        evaluations: arguments.evaluations,
        workers: job.workers,
        durations: arguments.durations,
        seed: job.seed,
    };
    let outcome = outcome(job, &problem, setup, peers).map_err(|why| {
        format!("{} on {} (instance {}): {why}", job.sampler, job.definition.name, job.seed)
    })?;
    Ok(Run {
        sampler: job.sampler.clone(),
        problem: job.definition.name.into(),
        family: job.definition.family.name().into(),
        seed: job.seed,
        workers: job.workers,
        outcome,
    })
}

fn outcome(job: &Job, problem: &Problem, setup: Setup, peers: &mut Peers) -> Result<Outcome, String> {
    if let Some((_, kind)) = OWN.iter().find(|(name, _)| *name == job.sampler) {
        return race(problem, &mut Own::new(*kind, &problem.space, setup.evaluations, setup.seed), setup);
    }
    let kind = PEERS.iter().find(|peer| peer.name == job.sampler);
    let kind = kind.ok_or_else(|| "no such sampler".to_string())?;
    peers.outcome(kind, problem, setup)
}

/// A line for every twentieth of the work.
fn progress(done: usize, jobs: &[Job], index: usize) {
    let step = jobs.len().div_ceil(20);
    if done.is_multiple_of(step) {
        let job = &jobs[index];
        eprintln!(
            "{done}/{} runs ({} on {}, {} workers)",
            jobs.len(),
            job.sampler,
            job.definition.name,
            job.workers
        );
    }
}
