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

    /// Trials that were trained fully, with these losses after 1, 3 and 9 epochs.
    fn trained(curves: impl Iterator<Item = [f64; 3]>) -> Study {
        let mut settings = settings(Algorithm::Race);
        settings.objective.direction = Direction::Minimize;
        let mut log = Log::new(settings);
        for (trial, losses) in (1..).zip(curves) {
            log = log.suggest(trial);
            for (attempt, (fidelity, loss)) in (1..).zip([1, 3, 9].into_iter().zip(losses)) {
                log = log.start(trial, attempt, fidelity).reach(trial, attempt, fidelity, loss);
            }
        }
        log.study().unwrap()
    }

    #[test]
    fn skipped_rungs_are_named() {
        assert_eq!(line(&trained(std::iter::empty())), None);
        let turned = |trials: u32| trained((1..=trials).map(f64::from).map(|x| [-x, x, x]));
        insta::assert_snapshot!(line(&turned(16)).unwrap(), @"1 epoch skipped, its ranking says little (agreement -1.00 over 16 trials); 3 epochs useful (agreement 1.00 over 16 trials)");
        insta::assert_snapshot!(line(&turned(2)).unwrap(), @"1 epoch skipped, its ranking says little (agreement -1.00 over 2 trials); 3 epochs skipped, because another one is and too few trials speak for it (agreement 1.00 over 2 trials)");
        let begun = trained((1..=5).map(f64::from).map(|x| [9.0, x, x]));
        insta::assert_snapshot!(line(&begun).unwrap(), @"1 epoch skipped, trials hardly differ there yet (agreement 0.00 over 5 trials); 3 epochs skipped, because another one is and too few trials speak for it (agreement 1.00 over 5 trials)");
        let json = json(&turned(16));
        assert_eq!((&json[0]["useful"], &json[1]["useful"]), (&false.into(), &true.into()));
        assert_eq!((&json[0]["verdict"], &json[1]["verdict"]), (&"misleading".into(), &"useful".into()));
        assert_eq!(json[1]["fidelity"], Fidelity(3).0);
    }
}
