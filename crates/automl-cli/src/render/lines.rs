//! One line an event, with the verb in a column of its own.

use super::happening::Happening;
use super::paint::{Paint, Style};
use super::value;
use automl_core::StudySettings;

/// Width of the verb's column.
const VERB: usize = 12;

/// Writes what happened as one line; a failure's last log lines follow on lines of their own.
pub(crate) fn line(happening: &Happening, settings: &StudySettings, paint: Paint) -> String {
    let unit = settings.fidelity.unit.as_str();
    let metric = settings.objective.metric.as_str();
    match happening {
        Happening::Started { trial, params, .. } => {
            verb("Started", Style::Good, paint) + &format!("trial {trial}: {}", value::params(params))
        }
        Happening::Promoted { trial, until } => {
            verb("Promoted", Style::Good, paint) + &format!("trial {trial} to {}", value::count(*until, unit))
        }
        Happening::Repeated { trial, attempt } => {
            verb("Repeated", Style::Warn, paint) + &format!("trial {trial}: attempt {attempt}")
        }
        Happening::Reached { trial, fidelity, value: v, complete, standing, further } => {
            let name = if *complete { "Finished" } else { "Paused" };
            let at = if *complete { String::new() } else { format!(" at {}", value::count(*fidelity, unit)) };
            let standing =
                standing.map_or_else(String::new, |word| paint.paint(style_of(word), &format!(" ({word})")));
            let further: String =
                further.iter().map(|(name, v)| format!(", {name} {}", value::number(*v))).collect();
            verb(name, Style::Good, paint)
                + &format!("trial {trial}{at}: {metric} {}{further}{standing}", value::number(*v))
        }
        Happening::Failed { trial, reason, again, .. } => {
            let again = if *again { "; it is tried again" } else { "" };
            verb("Failed", Style::Bad, paint) + &format!("trial {trial}: {}", indented(reason, again, paint))
        }
        Happening::Interrupted { trial, reason } => {
            verb("Interrupted", Style::Warn, paint) + &format!("trial {trial}: {reason}")
        }
        Happening::Infeasible { trial, reason } => {
            verb("Infeasible", Style::Warn, paint)
                + &format!("trial {trial}: {}", indented(reason, "", paint))
        }
        Happening::Stopped { trial, reason } => {
            verb("Stopped", Style::Warn, paint) + &format!("trial {trial}: {reason}")
        }
        Happening::Bounded { asked, outside } => {
            let outside = match outside {
                0 => String::new(),
                n => format!("; {} outside now", value::count(*n as u64, "trial")),
            };
            verb("Bounded", Style::Warn, paint) + &asked.join(", ") + &outside
        }
        Happening::Ended(reason) => verb("Ended", Style::Good, paint) + &reason.to_string(),
    }
}

/// The first line of a reason with what follows from it, the others below in the column of texts.
fn indented(reason: &str, consequence: &str, paint: Paint) -> String {
    let mut lines = reason.lines();
    let first = lines.next().unwrap_or_default();
    let rest: String =
        lines.map(|line| format!("\n{:VERB$} {}", "", paint.paint(Style::Dim, line))).collect();
    format!("{first}{consequence}{rest}")
}

/// A good word is green, one about a broken constraint is not.
fn style_of(standing: &str) -> Style {
    if standing.starts_with("infeasible") { Style::Warn } else { Style::Good }
}

/// Writes a verb right-aligned in its column, in its style.
pub(crate) fn verb(name: &str, style: Style, paint: Paint) -> String {
    format!("{}{} ", " ".repeat(VERB.saturating_sub(name.len())), paint.paint(style, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn events_become_lines() {
        let study = fixture::study();
        let lines: Vec<String> = fixture::records()
            .iter()
            .filter_map(|record| Happening::of(record, &study))
            .map(|happening| line(&happening, &study.settings, Paint::new(false)))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
         Started trial 1: act=relu lr=0.001
        Finished trial 1: loss 0.5
         Started trial 2: act=gelu lr=0.0123457
        Finished trial 2: loss 0.25 (best)
         Started trial 3: act=gelu lr=0.09
          Failed trial 3: exit code 17
                 | CUDA out of memory
         Started trial 4: act=relu lr=1e-5
        ");
    }

    #[test]
    fn rungs_are_named_in_the_fidelity_unit() {
        let settings = fixture::study().settings;
        let paused = Happening::Reached {
            trial: 2,
            fidelity: 1,
            value: 0.5,
            complete: false,
            standing: None,
            further: vec![("mem".into(), 2.0)],
        };
        assert_eq!(
            line(&paused, &settings, Paint::new(false)),
            "      Paused trial 2 at 1 epoch: loss 0.5, mem 2"
        );
        let promoted = Happening::Promoted { trial: 2, until: 3 };
        assert_eq!(line(&promoted, &settings, Paint::new(false)), "    Promoted trial 2 to 3 epochs");
    }
}
