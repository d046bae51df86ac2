//! What a search is about to do, printed before its first trial.

use super::paint::{Paint, Style};
use super::time;
use super::value::{self, count};
use automl_core::{Parameter, Study};
use automl_exec::slots::Slot;

/// Width of the labels at the left.
const LABEL: usize = 11;

/// Returns the header's lines.
pub(crate) fn lines(
    title: Option<&str>,
    study: &Study,
    slots: &[Slot],
    folder: &str,
    notes: &[String],
    paint: Paint,
) -> Vec<String> {
    let settings = &study.settings;
    let field =
        |label: &str, text: &str| format!("{}{text}", paint.paint(Style::Bold, &format!("{label:<LABEL$}")));
    let mut lines = vec![field("study", &format!("{} in {folder}", settings.study))];
    lines.extend(title.map(|title| field("tuning", title)));
    let names = settings.space.parameters().iter().map(|parameter| parameter.name.chars().count());
    let widest = names.max().unwrap_or(0);
    for (i, parameter) in settings.space.parameters().iter().enumerate() {
        lines.push(field(if i == 0 { "space" } else { "" }, &describe(parameter, widest)));
    }
    lines.push(field(
        "objective",
        &format!("{}, {}", settings.objective.metric, settings.objective.direction),
    ));
    lines.push(field("algorithm", &algorithm(study)));
    lines.push(field("slots", &places(slots)));
    lines.extend(notes.iter().map(|note| field("note", note)));
    lines
}

fn describe(parameter: &Parameter, widest: usize) -> String {
    let default =
        parameter.default.as_ref().map_or_else(String::new, |d| format!("  (default {})", value::param(d)));
    format!("{:<widest$}  {}{default}", parameter.name, value::domain(parameter))
}

fn algorithm(study: &Study) -> String {
    let settings = &study.settings;
    let (unit, max) = (&settings.fidelity.unit, settings.fidelity.max.0);
    let each = if max == 1 { String::new() } else { format!(" of {}", count(max, unit)) };
    let limit =
        settings.timeout_ms.map_or_else(String::new, |ms| format!(", at most {}", time::duration(ms)));
    format!(
        "{}, {}{each}{limit}, seed {}",
        settings.algorithm,
        count(settings.trials, "trial"),
        settings.seed
    )
}

fn places(slots: &[Slot]) -> String {
    let n = slots.len();
    let gpus: Vec<String> = slots
        .iter()
        .filter(|slot| !slot.gpus.is_empty())
        .map(|slot| slot.gpus.iter().map(ToString::to_string).collect::<Vec<_>>().join("+"))
        .collect();
    if gpus.is_empty() { format!("{n} on the CPU") } else { format!("{n} on GPUs {}", gpus.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn header_names_space_and_slots() {
        let slots = [Slot { id: 0, gpus: vec![0], cpus: 2 }, Slot { id: 1, gpus: vec![1], cpus: 2 }];
        let notes = ["lr: log scale".to_string()];
        let study = fixture::study();
        let lines = lines(Some("command ./a"), &study, &slots, "studies/demo-1", &notes, Paint::new(false));
        insta::assert_snapshot!(lines.join("\n"), @r"
        study      demo-1 in studies/demo-1
        tuning     command ./a
        space      lr   1e-5 .. 0.1, log
                   act  relu | gelu
        objective  loss, minimize
        algorithm  bayesian, 6 trials of 3 epochs, seed 0
        slots      2 on GPUs 0, 1
        note       lr: log scale
        ");
    }
}
