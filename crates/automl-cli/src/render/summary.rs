//! What a search came to, printed once at its end.

use super::paint::{Paint, Style};
use super::{rungs, time, value};
use crate::facts;
use automl_core::{Direction, EndReason, Study, TrialState};

/// Width of the labels at the left.
const LABEL: usize = 14;

/// Where the results of a study lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// What names the study on a command line.
    pub(crate) study: String,
    /// Folder of the incumbent.
    pub(crate) best: String,
    /// The incumbent's spec, where the program takes one.
    pub(crate) spec: Option<String>,
}

/// How the work ended, for the first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The search is over; the reason.
    Over(String),
    /// It was stopped and can be carried on.
    Stopped,
}

/// Returns the lines of the summary.
pub(crate) fn lines(study: &Study, finish: &Finish, places: &Places, paint: Paint) -> Vec<String> {
    let mut lines = vec![headline(study, finish, paint)];
    match study.incumbent() {
        Some(_) => lines.extend(best(study, places, paint)),
        None => lines.extend(nothing(study)),
    }
    lines.extend(front(study, &places.study).map(|front| field("front", &front, paint)));
    lines.extend(rungs::line(study).map(|rungs| field("rungs", &rungs, paint)));
    lines.push(field("next", &next(study, finish, &places.study), paint));
    lines
}

fn headline(study: &Study, finish: &Finish, paint: Paint) -> String {
    let counts = facts::counts(study);
    let total = counts.iter().map(|(_, n)| n).sum();
    let parts = counts.into_iter().filter(|(_, n)| *n > 0);
    let parts: Vec<String> = parts.map(|(state, n)| format!("{n} {state}")).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let trials = value::count(total, "trial");
    let elsewhere = match study.trials.values().filter(|trial| trial.foreign.is_some()).count() {
        0 => String::new(),
        n => format!(" and {n} from elsewhere"),
    };
    let worked = time::duration(facts::worked_ms(study, false, study.updated_at));
    let how = match finish {
        Finish::Over(reason) => format!("ended: {reason}"),
        Finish::Stopped => "stopped".into(),
    };
    format!(
        "{} {how}; {trials}{parts}{elsewhere} in {worked}",
        paint.paint(Style::Bold, &study.settings.study)
    )
}

fn best(study: &Study, places: &Places, paint: Paint) -> Vec<String> {
    let Some(trial) = study.incumbent() else { return Vec::new() };
    let objective = &study.settings.objective;
    let number = trial.value().map_or_else(String::new, value::number);
    let mut lines = vec![
        field("best", &format!("trial {}", trial.id), paint),
        field(&objective.metric, &format!("{number} ({})", objective.direction), paint),
    ];
    lines.extend(against_default(study).map(|text| field("default", &text, paint)));
    lines.extend(trial.params.iter().map(|(name, v)| field(&format!("  {name}"), &value::param(v), paint)));
    if let Some(broken) = facts::broken(study, trial) {
        lines.push(field("infeasible", &format!("{broken}; no trial keeps to every constraint"), paint));
    }
    if let Some(foreign) = &trial.foreign {
        lines.push(field("from", &foreign.source, paint));
        return lines;
    }
    lines.push(field("results", &places.best, paint));
    lines.extend(places.spec.as_ref().map(|spec| field("spec", spec, paint)));
    lines
}

/// Of several objectives one trial is not all there is to choose from.
fn front(study: &Study, name: &str) -> Option<String> {
    let trials = study.pareto_front().len() as u64;
    let several = !study.settings.further_objectives.is_empty() && trials > 0;
    several.then(|| {
        let trials = value::count(trials, "trial");
        format!("{trials} that no other beats in every objective; `automl best {name}` lists them")
    })
}

fn against_default(study: &Study) -> Option<String> {
    let gain = facts::gain(study)?;
    let default = value::number(gain.default);
    let plan = &study.settings.fidelity;
    if gain.fidelity < study.incumbent()?.fidelity()? {
        let at = value::count(gain.fidelity.0, &plan.unit);
        let there = study.settings.objective.loss(gain.default + gain.difference);
        let better = there < study.settings.objective.loss(gain.default);
        let ahead = if better {
            format!(", where the best was ahead by {}", value::number(gain.difference.abs()))
        } else {
            String::new()
        };
        return Some(format!("{default} at {at}{ahead}; it was not trained further"));
    }
    let better = match study.settings.objective.direction {
        Direction::Minimize => gain.difference < 0.0,
        Direction::Maximize => gain.difference > 0.0,
    };
    if !better {
        return Some(format!("{default}; no trial beat the default configuration"));
    }
    let share = gain.share.map_or_else(String::new, |share| format!(" ({:.1} %)", 100.0 * share.abs()));
    Some(format!("{default}; the best beats it by {}{share}", value::number(gain.difference.abs())))
}

/// Why there is no result: the last failure, as it is likely the same for all.
fn nothing(study: &Study) -> Vec<String> {
    let failed = [TrialState::Failed, TrialState::Infeasible].map(|state| study.in_state(state).last());
    let last = failed.into_iter().flatten().max_by_key(|trial| trial.ended_at);
    let reason = last.and_then(|trial| Some((trial, trial.reason.as_deref()?)));
    let reason = reason.map(|(trial, reason)| {
        let what = if trial.state == TrialState::Failed { "failed" } else { "was infeasible" };
        format!("trial {} {what} last: {reason}", trial.id)
    });
    std::iter::once("no trial succeeded".to_string()).chain(reason).collect()
}

fn next(study: &Study, finish: &Finish, name: &str) -> String {
    match (finish, study.incumbent().is_some()) {
        (Finish::Stopped, _) => format!("automl resume {name}"),
        (Finish::Over(_), false) if study.ended == Some(EndReason::Setup) => {
            format!("automl resume {name}, once that is mended")
        }
        (Finish::Over(_), true) => format!("automl trials {name}"),
        (Finish::Over(_), false) => match study.trials.last_key_value() {
            Some((trial, _)) => format!("automl logs {trial} --study {name}"),
            None => format!("automl status {name}"),
        },
    }
}

fn field(label: &str, text: &str, paint: Paint) -> String {
    format!("{}{text}", paint.paint(Style::Dim, &value::padded(label, LABEL)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use automl_core::{Fidelity, Foreign, Further, Trial, TrialId};

    fn summary(study: &Study, finish: &Finish) -> String {
        let places = Places {
            study: "demo-1".into(),
            best: "studies/demo-1/best".into(),
            spec: Some("studies/demo-1/best_spec.yaml".into()),
        };
        lines(study, finish, &places, Paint::new(false)).join("\n")
    }

    #[test]
    fn defaults_that_were_not_trained_further_are_compared_where_they_stopped() {
        let mut study = fixture::study();
        study.trials.get_mut(&TrialId(1)).unwrap().reached = [(Fidelity(1), 0.75)].into();
        study.trials.get_mut(&TrialId(2)).unwrap().reached.insert(Fidelity(1), 0.5);
        let said = against_default(&study).unwrap();
        assert_eq!(said, "0.75 at 1 epoch, where the best was ahead by 0.25; it was not trained further");
        study.trials.get_mut(&TrialId(2)).unwrap().reached.insert(Fidelity(1), 1.0);
        assert_eq!(against_default(&study).unwrap(), "0.75 at 1 epoch; it was not trained further");
    }

    #[test]
    fn trials_from_elsewhere_are_counted_apart() {
        let mut study = fixture::study();
        let foreign = Foreign { source: "study t".into(), comparable: true };
        let trial = Trial { foreign: Some(foreign), ..study.trials[&TrialId(1)].clone() };
        study.trials.insert(TrialId(9), trial);
        let said = summary(&study, &Finish::Stopped);
        assert!(
            said.contains("4 trials (1 running, 2 complete, 1 failed) and 1 from elsewhere in 32s"),
            "{said}"
        );
    }

    #[test]
    fn summary_names_best_gain_and_next_step() {
        let over = Finish::Over("the budget of trials is used up".into());
        insta::assert_snapshot!(summary(&fixture::study(), &over), @r"
        demo-1 ended: the budget of trials is used up; 4 trials (1 running, 2 complete, 1 failed) in 32s
        best          trial 2
        loss          0.25 (minimize)
        default       0.5; the best beats it by 0.25 (50.0 %)
          act         gelu
          lr          0.0123457
        results       studies/demo-1/best
        spec          studies/demo-1/best_spec.yaml
        next          automl trials demo-1
        ");
    }

    #[test]
    fn several_objectives_have_a_front() {
        let mut study = fixture::study();
        assert_eq!(front(&study, "demo-1"), None);
        study.settings.further_objectives = vec![study.settings.objective.clone()];
        for (number, size) in [(1, 7.0), (2, 9.0)] {
            let trial = study.trials.get_mut(&TrialId(number)).unwrap();
            let fidelity = trial.fidelity().unwrap();
            trial.further.insert(fidelity, Further { objectives: vec![size], constraints: Vec::new() });
        }
        let said = front(&study, "demo-1").unwrap();
        assert_eq!(said, "2 trials that no other beats in every objective; `automl best demo-1` lists them");
    }

    #[test]
    fn search_without_result_shows_the_last_failure() {
        let mut study = fixture::study();
        for trial in [1, 2, 4] {
            study.trials.remove(&TrialId(trial));
        }
        insta::assert_snapshot!(summary(&study, &Finish::Over("too many trials failed in a row".into())), @r"
        demo-1 ended: too many trials failed in a row; 1 trial (1 failed) in 32s
        no trial succeeded
        trial 3 failed last: exit code 17
        | CUDA out of memory
        next          automl logs 3 --study demo-1
        ");
    }

    #[test]
    fn unbeaten_defaults_are_named_so() {
        let mut study = fixture::study();
        study.trials.remove(&TrialId(2));
        let text = summary(&study, &Finish::Stopped);
        assert!(text.contains("no trial beat the default configuration"), "{text}");
        assert!(text.contains("automl resume demo-1"), "{text}");
    }
}
