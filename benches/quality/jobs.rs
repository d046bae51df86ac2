//! All runs of a comparison, spread over threads.

use crate::arguments::{Arguments, peers};
use crate::asker::{OWN, Own};
use crate::peer::{Peers, remembered};
use crate::race::{Outcome, Setup, race};
use crate::results::Run;
use crate::subject::{Instance, Kind, Subject};
use crate::trade::trade;
use crate::training::train;
use automl_testkit::problems::CurveDefinition;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

struct Job {
    sampler: String,
    subject: Subject,
    seed: u64,
    workers: usize,
}

/// Makes every run that the arguments name, in their order. The first error ends all.
pub(crate) fn run_all(arguments: &Arguments) -> Result<Vec<Run>, String> {
    let mut jobs = jobs(arguments);
    if arguments.remembered {
        keep_remembered(&mut jobs, arguments)?;
    }
    let jobs = jobs;
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Run, String>)>> = Mutex::new(Vec::new());
    let work = || {
        let mut peers = Peers::new(arguments.environments.clone());
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

/// Seed by seed, so that what is remembered of a comparison that was cut short covers all problems.
fn jobs(arguments: &Arguments) -> Vec<Job> {
    let mut jobs = Vec::new();
    for sampler in &arguments.samplers {
        for seed in arguments.first_seed..arguments.first_seed + arguments.seeds {
            for workers in &arguments.workers {
                for subject in arguments.subjects() {
                    jobs.push(Job { sampler: sampler.clone(), subject, seed, workers: *workers });
                }
            }
        }
    }
    jobs
}

/// Leaves the instances that every peer has met before, and says how many each of them has.
fn keep_remembered(jobs: &mut Vec<Job>, arguments: &Arguments) -> Result<(), String> {
    let case = |job: &Job| (job.subject.name(), job.seed, job.workers);
    let mut lacking = BTreeSet::new();
    let peers = peers(arguments.kind).iter();
    for kind in peers.filter(|kind| arguments.samplers.iter().any(|name| name == kind.name)) {
        let (mut met, mut all) = (0, 0);
        for job in jobs.iter().filter(|job| job.sampler == kind.name) {
            all += 1;
            if remembered(kind, &job.subject.instance(job.seed), setup(job, arguments))?.is_some() {
                met += 1;
            } else {
                lacking.insert(case(job));
            }
        }
        eprintln!("{}: {met} of {all} runs are remembered", kind.name);
    }
    jobs.retain(|job| !lacking.contains(&case(job)));
    if jobs.is_empty() {
        return Err(
            "no instance is remembered of every chosen peer; try fewer samplers, families or workers".into(),
        );
    }
    Ok(())
}

fn setup(job: &Job, arguments: &Arguments) -> Setup {
    let unit = if arguments.kind == Kind::Curves { CurveDefinition::EPOCHS } else { 1 };
    Setup {
        evaluations: arguments.evaluations * unit,
        workers: job.workers,
        durations: arguments.durations,
        seed: job.seed,
    }
}

fn run(job: &Job, arguments: &Arguments, peers: &mut Peers) -> Result<Run, String> {
    let outcome = search(&job.sampler, &job.subject.instance(job.seed), setup(job, arguments), peers);
    let name = job.subject.name();
    let outcome =
        outcome.map_err(|why| format!("{} on {name} (instance {}): {why}", job.sampler, job.seed))?;
    Ok(Run {
        sampler: job.sampler.clone(),
        problem: name.into(),
        family: job.subject.family().into(),
        seed: job.seed,
        workers: job.workers,
        outcome,
    })
}

fn search(name: &str, instance: &Instance, setup: Setup, known: &mut Peers) -> Result<Outcome, String> {
    if let Some(kind) = peers(instance.kind()).iter().find(|peer| peer.name == name) {
        return known.outcome(kind, instance, setup);
    }
    let own = |space| {
        let (_, kind) = OWN.iter().find(|(own, _)| *own == name).ok_or("no such sampler")?;
        Ok::<_, String>(Own::new(*kind, space, setup.evaluations, setup.seed))
    };
    match instance {
        Instance::Problem(problem) => race(problem, &mut own(&problem.space)?, setup),
        Instance::Curves(_, curves) => train(curves, name.parse()?, setup),
        Instance::Objectives(problem) => trade(problem, &mut own(&problem.space)?, setup),
    }
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
            job.subject.name(),
            job.workers
        );
    }
}
