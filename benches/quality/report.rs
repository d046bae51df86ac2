//! Runs as Markdown tables.
//!
//! Only cases that every sampler has met are counted, so that all numbers of a table speak of the same
//! problems and seeds.

use crate::reach::reached;
use crate::results::Run;
use crate::statistics::{Estimate, estimate, log_regret, mean, median, ranks};
use std::collections::{BTreeMap, BTreeSet};

/// After how many trials, or full trainings, regrets are shown, besides the last.
const CHECKPOINTS: [u64; 5] = [10, 25, 50, 100, 200];
const CHECKPOINTS_OF_TRAININGS: [u64; 5] = [2, 4, 8, 15, 30];
/// Wins and losses by less than this share of the worse regret are ties.
const TIE: f64 = 0.05;

/// What to show.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Trials of a run, or full trainings.
    pub(crate) evaluations: u64,
    pub(crate) unit: Unit,
    /// The sampler that the others are paired with.
    pub(crate) baseline: String,
    /// The sampler whose last regret the others are to reach.
    pub(crate) reach: Option<String>,
    pub(crate) by_problem: bool,
}

/// What the traces of runs count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Trials,
    /// Epochs, so many to a full training.
    Trainings(u64),
    /// Trials, and the figure is a missing volume.
    Volumes,
}

impl Unit {
    /// Returns how often the traces' unit goes into that of the table.
    fn factor(self) -> u64 {
        match self {
            Unit::Trials | Unit::Volumes => 1,
            Unit::Trainings(epochs) => epochs,
        }
    }

    fn checkpoints(self) -> [u64; 5] {
        match self {
            Unit::Trials | Unit::Volumes => CHECKPOINTS,
            Unit::Trainings(_) => CHECKPOINTS_OF_TRAININGS,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Unit::Trials | Unit::Volumes => "trials",
            Unit::Trainings(_) => "trainings",
        }
    }

    /// Returns what is measured.
    fn figure(self) -> &'static str {
        match self {
            Unit::Trials | Unit::Trainings(_) => "regret",
            Unit::Volumes => "missing volume",
        }
    }
}

/// An instance of a problem, met with some number of workers.
type Case = (String, u64);

/// The runs of one table: samplers in order of first appearance, and the cases that all of them met.
struct Table<'a> {
    samplers: Vec<&'a str>,
    cases: Vec<Case>,
    /// Index of each case's problem.
    strata: Vec<usize>,
    runs: BTreeMap<(&'a str, Case), &'a Run>,
    unit: Unit,
}

/// Renders every table.
pub(crate) fn render(runs: &[Run], request: &Request) -> Result<String, String> {
    let mut text = String::new();
    let workers: BTreeSet<usize> = runs.iter().map(|run| run.workers).collect();
    for workers in workers {
        let runs: Vec<&Run> = runs.iter().filter(|run| run.workers == workers).collect();
        let mut families: Vec<&str> = Vec::new();
        for run in &runs {
            if !families.contains(&run.family.as_str()) {
                families.push(&run.family);
            }
        }
        for family in &families {
            let members: Vec<&Run> = runs.iter().filter(|run| run.family == *family).copied().collect();
            section(&mut text, &Table::new(&members, request.unit), family, workers, request)?;
        }
        if families.len() > 1 {
            section(&mut text, &Table::new(&runs, request.unit), "all families", workers, request)?;
        }
        if request.by_problem {
            by_problem(&mut text, &Table::new(&runs, request.unit), workers, request);
        }
    }
    Ok(text)
}

impl<'a> Table<'a> {
    fn new(runs: &[&'a Run], unit: Unit) -> Self {
        let mut samplers: Vec<&str> = Vec::new();
        let mut order: Vec<Case> = Vec::new();
        let mut met = BTreeMap::new();
        for run in runs {
            let case = (run.problem.clone(), run.seed);
            if !samplers.contains(&run.sampler.as_str()) {
                samplers.push(&run.sampler);
            }
            if !order.contains(&case) {
                order.push(case.clone());
            }
            met.insert((run.sampler.as_str(), case), *run);
        }
        let complete =
            |case: &Case| samplers.iter().all(|sampler| met.contains_key(&(*sampler, case.clone())));
        let cases: Vec<Case> = order.into_iter().filter(complete).collect();
        let mut problems: Vec<&str> = Vec::new();
        let mut strata = Vec::new();
        for (problem, _) in &cases {
            let known = problems.iter().position(|known| known == problem);
            strata.push(known.unwrap_or(problems.len()));
            if known.is_none() {
                problems.push(problem);
            }
        }
        Table { samplers, cases, strata, runs: met, unit }
    }

    fn runs<'b>(&'b self, sampler: &'b str) -> impl Iterator<Item = &'a Run> + 'b {
        self.cases.iter().map(move |case| self.runs[&(sampler, case.clone())])
    }

    fn regrets(&self, sampler: &str, evaluations: u64) -> Vec<f64> {
        let count = evaluations * self.unit.factor();
        self.runs(sampler).map(|run| run.outcome.regret_at(count)).collect()
    }

    fn estimate(&self, values: &[f64], statistic: impl Fn(&[f64]) -> f64) -> Estimate {
        estimate(values, &self.strata, statistic)
    }

    /// Each sampler's rank in each case.
    fn ranks(&self, evaluations: u64) -> Vec<Vec<f64>> {
        let regrets: Vec<Vec<f64>> = self.samplers.iter().map(|s| self.regrets(s, evaluations)).collect();
        let mut all = vec![Vec::new(); self.samplers.len()];
        for case in 0..self.cases.len() {
            let column: Vec<f64> = regrets.iter().map(|of_sampler| of_sampler[case]).collect();
            for (sampler, rank) in ranks(&column).into_iter().enumerate() {
                all[sampler].push(rank);
            }
        }
        all
    }
}

fn section(
    text: &mut String,
    table: &Table,
    title: &str,
    workers: usize,
    request: &Request,
) -> Result<(), String> {
    if table.cases.is_empty() {
        return Err(format!("{title}: no instance was met by all of {}", table.samplers.join(", ")));
    }
    let problems = table.strata.iter().collect::<BTreeSet<_>>().len();
    let (problems, cases) = (counted(problems, "problem"), counted(table.cases.len(), "instance"));
    let workers = counted(workers, "worker");
    line(text, &format!("\n### {title}, {workers} ({problems}, {cases})\n"));
    regrets(text, table, request);
    if table.samplers.len() > 1 && table.samplers.contains(&request.baseline.as_str()) {
        pairs(text, table, request);
    }
    if let Some(goal) = &request.reach {
        reach(text, table, goal, request);
    }
    Ok(())
}

fn regrets(text: &mut String, table: &Table, request: &Request) {
    let (evaluations, unit) = (request.evaluations, request.unit);
    let mut checkpoints: Vec<u64> = unit.checkpoints().into_iter().filter(|n| *n < evaluations).collect();
    checkpoints.push(evaluations);
    let (word, is_volume) = (unit.word(), matches!(unit, Unit::Volumes));
    let head = |n: &u64| match unit {
        Unit::Trials | Unit::Trainings(_) => format!("median regret at {n} {word}"),
        Unit::Volumes => format!("log10 of the {} at {n} {word}", unit.figure()),
    };
    let mut heads: Vec<String> = checkpoints.iter().map(head).collect();
    if !is_volume {
        heads.push("log10".into());
    }
    let rule = "---|".repeat(heads.len());
    line(text, &format!("| sampler | {} | mean rank | ms/suggestion |", heads.join(" | ")));
    line(text, &format!("|---|{rule}---|---|"));
    let ranks = table.ranks(evaluations);
    for (sampler, ranks) in table.samplers.iter().zip(ranks) {
        let logs = |n: u64| table.regrets(sampler, n).into_iter().map(log_regret).collect::<Vec<_>>();
        let figure = |n: &u64| match unit {
            Unit::Trials | Unit::Trainings(_) => cell(table.estimate(&table.regrets(sampler, *n), median)),
            Unit::Volumes => {
                let Estimate { value, low, high } = table.estimate(&logs(*n), mean);
                format!("{value:.2} [{low:.2}, {high:.2}]")
            }
        };
        let mut cells: Vec<String> = checkpoints.iter().map(figure).collect();
        if !is_volume {
            cells.push(format!("{:.2}", mean(&logs(evaluations))));
        }
        let rank = table.estimate(&ranks, mean);
        let seconds: f64 = table.runs(sampler).map(|run| run.outcome.seconds).sum();
        let finished: u64 = table.runs(sampler).map(|run| run.outcome.finished).sum();
        line(
            text,
            &format!(
                "| {sampler} | {} | {:.2} [{:.2}, {:.2}] | {:.2} |",
                cells.join(" | "),
                rank.value,
                rank.low,
                rank.high,
                1e3 * seconds / finished as f64,
            ),
        );
    }
}

/// Every sampler against the baseline, case by case.
fn pairs(text: &mut String, table: &Table, request: &Request) {
    let base = table.regrets(&request.baseline, request.evaluations);
    line(
        text,
        &format!(
            "\n| against {} | log10 ratio of {}s | wins | ties | losses |",
            request.baseline,
            request.unit.figure()
        ),
    );
    line(text, "|---|---|---|---|---|");
    for sampler in table.samplers.iter().filter(|sampler| **sampler != request.baseline) {
        let other = table.regrets(sampler, request.evaluations);
        let ratios: Vec<f64> =
            other.iter().zip(&base).map(|(a, b)| log_regret(*a) - log_regret(*b)).collect();
        let tie = -(1.0 - TIE).log10();
        let wins = ratios.iter().filter(|ratio| **ratio < -tie).count();
        let losses = ratios.iter().filter(|ratio| **ratio > tie).count();
        let ties = ratios.len() - wins - losses;
        let ratio = table.estimate(&ratios, mean);
        line(
            text,
            &format!(
                "| {sampler} | {:+.2} [{:+.2}, {:+.2}] | {wins} | {ties} | {losses} |",
                ratio.value, ratio.low, ratio.high
            ),
        );
    }
}

/// What each sampler needs to be as good as `goal` at its end.
fn reach(text: &mut String, table: &Table, goal: &str, request: &Request) {
    let budget = request.evaluations * request.unit.factor();
    let goals = table.regrets(goal, request.evaluations);
    let needs = |sampler: &str| -> Vec<Option<u64>> {
        table.runs(sampler).zip(&goals).map(|(run, goal)| reached(&run.outcome, budget, *goal)).collect()
    };
    let own = needs(goal);
    line(
        text,
        &format!(
            "\n| regret of {goal} at its end | reached by | share of its budget | of what it took itself |"
        ),
    );
    line(text, "|---|---|---|---|");
    for sampler in table.samplers.iter().filter(|sampler| **sampler != goal) {
        let needs = needs(sampler);
        let share = |of: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let share = |(case, need): (usize, &Option<u64>)| {
                need.map_or(f64::INFINITY, |need| need.max(1) as f64 / of(case))
            };
            needs.iter().enumerate().map(share).collect()
        };
        let of_budget = share(&|_| budget as f64);
        let of_own = share(&|case| own[case].map_or(budget, |need| need.max(1)) as f64);
        let met: Vec<f64> = needs.iter().map(|need| f64::from(u8::from(need.is_some()))).collect();
        let met = table.estimate(&met, mean);
        line(
            text,
            &format!(
                "| {sampler} | {:.0} % [{:.0}, {:.0}] | {} | {} |",
                100.0 * met.value,
                100.0 * met.low,
                100.0 * met.high,
                cell(table.estimate(&of_budget, median)),
                cell(table.estimate(&of_own, median)),
            ),
        );
    }
}

fn by_problem(text: &mut String, table: &Table, workers: usize, request: &Request) {
    let evaluations = request.evaluations;
    let word = request.unit.word();
    line(
        text,
        &format!(
            "\n### median {} at {evaluations} {word} by problem, {}\n",
            request.unit.figure(),
            counted(workers, "worker")
        ),
    );
    line(text, &format!("| problem | {} |", table.samplers.join(" | ")));
    line(text, &format!("|---|{}", "---|".repeat(table.samplers.len())));
    let problems: Vec<usize> = table.strata.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    for problem in problems {
        let own = |values: Vec<f64>| {
            let members = values.into_iter().zip(&table.strata).filter(|(_, stratum)| **stratum == problem);
            median(&members.map(|(value, _)| value).collect::<Vec<_>>())
        };
        let name = table.strata.iter().position(|stratum| *stratum == problem).map(|i| &table.cases[i].0);
        let name = name.expect("every stratum has a case");
        let cells = table.samplers.iter().map(|sampler| number(own(table.regrets(sampler, evaluations))));
        line(text, &format!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")));
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn cell(estimate: Estimate) -> String {
    format!("{} [{}, {}]", number(estimate.value), number(estimate.low), number(estimate.high))
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        "never".into()
    } else if value == 0.0 {
        "0".into()
    } else if value >= 0.0995 {
        format!("{value:.2}")
    } else if value >= 0.00995 {
        format!("{value:.3}")
    } else {
        format!("{value:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::Outcome;

    fn run(sampler: &str, problem: &str, seed: u64, regret: f64) -> Run {
        let outcome = Outcome { trace: vec![(0, 2.0), (5, regret)], finished: 20, failed: 0, seconds: 0.02 };
        let (sampler, problem) = (sampler.into(), problem.into());
        Run { sampler, problem, family: "numeric".into(), seed, workers: 1, outcome }
    }

    fn request() -> Request {
        Request {
            evaluations: 20,
            unit: Unit::Trials,
            baseline: "good".into(),
            reach: None,
            by_problem: true,
        }
    }

    #[test]
    fn tables_hold_medians_ranks_pairs_and_times() {
        let mut runs = Vec::new();
        for seed in 1..4 {
            for problem in ["p", "q"] {
                runs.push(run("good", problem, seed, 0.01));
                runs.push(run("bad", problem, seed, 0.1));
            }
        }
        let text = render(&runs, &request()).unwrap();
        for expected in [
            "### numeric, 1 worker (2 problems, 6 instances)",
            "| sampler | median regret at 10 trials | median regret at 20 trials | log10 | mean rank | ms/suggestion |",
            "| good | 0.010 [0.010, 0.010] | 0.010 [0.010, 0.010] | -2.00 | 1.00 [1.00, 1.00] | 1.00 |",
            "| bad | +1.00 [+1.00, +1.00] | 0 | 0 | 6 |",
            "| q | 0.010 | 0.10 |",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn missing_volumes_are_shown_as_logarithms() {
        let runs: Vec<Run> =
            (1..4).flat_map(|seed| [run("good", "p", seed, 0.01), run("bad", "p", seed, 0.1)]).collect();
        let text = render(&runs, &Request { unit: Unit::Volumes, ..request() }).unwrap();
        for expected in [
            "| sampler | log10 of the missing volume at 10 trials | log10 of the missing volume at 20 trials | mean rank | ms/suggestion |",
            "| bad | -1.00 [-1.00, -1.00] | -1.00 [-1.00, -1.00] | 2.00 [2.00, 2.00] | 1.00 |",
            "| against good | log10 ratio of missing volumes | wins | ties | losses |",
            "### median missing volume at 20 trials by problem, 1 worker",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn what_it_takes_to_reach_another_is_shown() {
        let runs: Vec<Run> =
            (1..6).flat_map(|seed| [run("good", "p", seed, 0.01), run("bad", "p", seed, 0.1)]).collect();
        let text = render(&runs, &Request { reach: Some("bad".into()), ..request() }).unwrap();
        assert!(
            text.contains("| good | 100 % [100, 100] | 0.25 [0.25, 0.25] | 1.00 [1.00, 1.00] |"),
            "{text}"
        );
        let text = render(&runs, &Request { reach: Some("good".into()), ..request() }).unwrap();
        assert!(text.contains("| bad | 0 % [0, 0] | never [never, never] |"), "{text}");
    }

    #[test]
    fn only_cases_that_all_met_are_counted() {
        let runs = [run("good", "p", 1, 0.01), run("bad", "p", 1, 0.1), run("good", "p", 2, 9.0)];
        let text = render(&runs, &request()).unwrap();
        assert!(text.contains("(1 problem, 1 instance)"), "{text}");
        let message = render(&[run("good", "p", 1, 0.01), run("bad", "q", 1, 0.1)], &request()).unwrap_err();
        assert!(message.contains("good, bad"), "{message}");
    }
}
