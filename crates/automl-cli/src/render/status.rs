//! A study's state as a page: what `status` prints and what the live view is made of.

use super::paint::{Paint, Style};
use super::sparkline::sparkline;
use super::table::{Align, Table, cut};
use super::{rungs, time, value};
use crate::facts::{self, StudyState};
use crate::standing::{Standings, further_values};
use automl_core::{Study, Trial, TrialState};

/// Blocks of a running trial's curve.
const CURVE_WIDTH: usize = 20;
/// Width of the labels at the left.
const LABEL: usize = 11;

/// What a page is drawn for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// Columns of the terminal; nothing is cut without one.
    pub(crate) width: Option<usize>,
    /// Colours.
    pub(crate) paint: Paint,
    /// The present time in milliseconds since 1970.
    pub(crate) now: u64,
}

/// Returns the lines of `status`.
pub(crate) fn lines(study: &Study, state: &StudyState, page: Page) -> Vec<String> {
    let settings = &study.settings;
    let running = matches!(state, StudyState::Running { .. });
    let mut lines = vec![
        field("study", &settings.study, page),
        field("state", &describe(state, study), page),
        field("algorithm", &settings.algorithm.to_string(), page),
        field("trials", &trials(study), page),
        field("best", &best(study), page),
        field("worked", &time::duration(facts::worked_ms(study, running, page.now)), page),
    ];
    lines.extend(rungs::line(study).map(|rungs| field("rungs", &rungs, page)));
    lines.extend(bounds(study).map(|bounds| field("bounds", &bounds, page)));
    let eta = facts::eta_ms(study, study.slots, page.now).filter(|_| running);
    lines.extend(eta.map(|eta| field("remaining", &format!("about {}", time::duration(eta)), page)));
    let table = running_trials(study, page);
    if !table.is_empty() {
        lines.push(String::new());
        lines.extend(table);
    }
    lines
}

/// Returns the table of running trials, or nothing where none runs.
pub(crate) fn running_trials(study: &Study, page: Page) -> Vec<String> {
    let running: Vec<&Trial> = study.in_state(TrialState::Running).collect();
    if running.is_empty() {
        return Vec::new();
    }
    let metric = study.settings.objective.metric.as_str();
    let whole = study.settings.fidelity.max.0 == 1;
    let mut table = Table::new([
        ("trial", Align::Right),
        (if whole { "step" } else { study.settings.fidelity.unit.as_str() }, Align::Right),
        (metric, Align::Right),
        ("curve", Align::Left),
        ("time", Align::Right),
        ("params", Align::Left),
    ]);
    for trial in running {
        let curve: Vec<f64> = trial.curve(metric).into_iter().map(|(_, value)| value).collect();
        table.row([
            trial.id.to_string(),
            facts::progress(trial).map_or_else(String::new, |(done, until)| match whole {
                // A program that runs whole may count steps all the same, but nobody knows to where.
                true => done.to_string(),
                false => format!("{done}/{until}"),
            }),
            curve.last().map_or_else(|| "-".into(), |value| value::number(*value)),
            sparkline(&curve, CURVE_WIDTH),
            time::duration(facts::run_time_ms(trial, page.now)),
            value::params(&trial.params),
        ]);
    }
    let mut lines = table.lines(page.width);
    lines[0] = page.paint.paint(Style::Dim, &lines[0]);
    lines
}

/// Returns the incumbent in one line.
pub(crate) fn best(study: &Study) -> String {
    let Some(trial) = study.incumbent() else { return "none yet".into() };
    let metric = &study.settings.objective.metric;
    let value = trial.value().map_or_else(String::new, value::number);
    let further: String =
        further_values(study, trial).map(|(name, v)| format!(", {name} {}", value::number(v))).collect();
    let word = Standings::of(study).word(study, trial).filter(|word| *word != "best");
    let outside = study.outside.contains(&trial.id).then_some("outside the present bounds");
    let words: Vec<&str> = word.into_iter().chain(outside).collect();
    let standing = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
    format!("trial {}: {metric} {value}{further}{standing}  {}", trial.id, value::params(&trial.params))
}

/// Says that bounds were changed, and what is left outside of them.
fn bounds(study: &Study) -> Option<String> {
    let rebound = study.rebound.as_ref()?;
    let pairs = rebound.first_space.parameters().iter().zip(study.settings.space.parameters());
    let changed = pairs.filter(|(first, now)| first.distribution != now.distribution);
    let changed: Vec<String> =
        changed.map(|(_, now)| format!("{} {}", now.name, value::domain(now))).collect();
    let outside = match study.outside.len() as u64 {
        0 => String::new(),
        n => format!("; {} outside", value::count(n, "trial")),
    };
    let what = if changed.is_empty() { "as in the beginning".into() } else { changed.join(", ") };
    Some(format!("{what}{outside}"))
}

fn describe(state: &StudyState, study: &Study) -> String {
    match state {
        StudyState::Running { pid } => format!("running (process {pid})"),
        StudyState::Paused if study.settings.recipe.is_null() => {
            "paused; `automl serve` opens it for its workers".into()
        }
        StudyState::Paused => "paused; `automl resume` carries it on".into(),
        StudyState::Interrupted => {
            "interrupted: its engine is gone, trials may still be running; `automl resume` carries it on, `automl stop` \
             ends them"
                .into()
        }
        StudyState::Ended(reason) => format!("ended: {reason}"),
    }
}

fn trials(study: &Study) -> String {
    let counts = facts::counts(study).into_iter().filter(|(_, n)| *n > 0);
    let parts: Vec<String> = counts.map(|(state, n)| format!("{n} {state}")).collect();
    let total = match study.settings.budget() {
        Some(budget) => format!("{} of {budget}", study.started()),
        None => study.started().to_string(),
    };
    if parts.is_empty() { total } else { format!("{total}: {}", parts.join(", ")) }
}

fn field(label: &str, text: &str, page: Page) -> String {
    let text = page.width.map_or_else(|| text.to_string(), |width| cut(text, width.saturating_sub(LABEL)));
    format!("{}{text}", page.paint.paint(Style::Bold, &value::padded(label, LABEL)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn page(width: Option<usize>) -> Page {
        Page { width, paint: Paint::new(false), now: fixture::study().updated_at }
    }

    #[test]
    fn status_says_what_runs() {
        let lines = lines(&fixture::study(), &StudyState::Running { pid: 42 }, page(None));
        insta::assert_snapshot!(lines.join("\n"), @r"
        study      demo-1
        state      running (process 42)
        algorithm  bayesian
        trials     4 of 6: 1 running, 2 complete, 1 failed
        best       trial 2: loss 0.25  act=gelu lr=0.0123457
        worked     32s
        remaining  about 4.0s

        trial  epoch  loss  curve  time  params
            4    2/3   0.4  █▁     4.0s  act=relu lr=1e-5
        ");
    }

    #[test]
    fn narrow_terminals_cut_lines() {
        let lines = lines(&fixture::study(), &StudyState::Interrupted, page(Some(50)));
        assert!(lines.iter().all(|line| line.chars().count() <= 50), "{lines:#?}");
    }
}
