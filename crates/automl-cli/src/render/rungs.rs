//! What is known of the rungs of a race: which of them trials are compared at.

use super::value;
use automl::{Verdict, agreements};
use automl_core::{Algorithm, Study};
use serde_json::{Value, json};

/// Returns the rungs below full fidelity in one line, with how well each one's ranking agrees with the final
/// one; `None` while nothing is known, or where no race is run.
pub(crate) fn line(study: &Study) -> Option<String> {
    let rungs = if study.settings.algorithm == Algorithm::Race { agreements(study) } else { Vec::new() };
    let unit = &study.settings.fidelity.unit;
    let said = |rung: &automl::Agreement| {
        let known = match (rung.value, rung.verdict) {
            (Some(agreement), _) => {
                format!(" (agreement {agreement:.2} over {})", value::count(rung.trials as u64, "trial"))
            }
            (None, Verdict::Useful) => return None,
            (None, _) => String::new(),
        };
        let verdict = match rung.verdict {
            Verdict::Useful => "useful",
            Verdict::Misleading => "skipped, its ranking says little",
            Verdict::Flat => "skipped, trials hardly differ there yet",
            Verdict::Unproven => "skipped, because another one is and too few trials speak for it",
        };
        Some(format!("{} {verdict}{known}", value::count(rung.fidelity.0, unit)))
    };
    let said: Vec<String> = rungs.iter().filter_map(said).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Returns the rungs of a race as JSON; empty where none is run.
pub(crate) fn json(study: &Study) -> Value {
    if study.settings.algorithm != Algorithm::Race {
        return json!([]);
    }
    let rung = |rung: &automl::Agreement| {
        json!({
            "fidelity": rung.fidelity,
            "trials": rung.trials,
            "agreement": rung.value,
            "useful": rung.is_useful(),
            "verdict": match rung.verdict {
                Verdict::Useful => "useful",
                Verdict::Misleading => "misleading",
                Verdict::Flat => "flat",
                Verdict::Unproven => "unproven",
            },
        })
    };
    agreements(study).iter().map(rung).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Direction, Fidelity};
    use automl_testkit::{Log, settings};

    #[test]
    fn skipped_rungs_are_named() {
        let mut settings = settings(Algorithm::Race);
        settings.objective.direction = Direction::Minimize;
        let mut log = Log::new(settings);
        assert_eq!(line(&log.study().unwrap()), None);
        for trial in 1..=4 {
            let final_loss = trial as f64;
            log = log.suggest(trial).start(trial, 1, 1).reach(trial, 1, 1, -final_loss);
            log = log.start(trial, 2, 3).reach(trial, 2, 3, final_loss);
            log = log.start(trial, 3, 9).reach(trial, 3, 9, final_loss);
        }
        let study = log.study().unwrap();
        insta::assert_snapshot!(line(&study).unwrap(), @"1 epoch skipped, its ranking says little (agreement -1.00 over 4 trials); 3 epochs useful (agreement 1.00 over 4 trials)");
        let json = json(&study);
        assert_eq!((&json[0]["useful"], &json[1]["useful"]), (&false.into(), &true.into()));
        assert_eq!(json[1]["fidelity"], Fidelity(3).0);
    }
}
