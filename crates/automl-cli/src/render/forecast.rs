//! What a search would do, for people and programs.

use super::size::size;
use super::time::duration;
use super::value::{count, padded, plural};
use automl::{Bracket, Rehearsal};
use automl_core::{Algorithm, StudySettings};
use serde_json::{Value, json};

/// What is known of the costs of a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Milliseconds of a fidelity unit.
    pub(crate) unit_ms: Option<u64>,
    /// Bytes of a trial's checkpoints.
    pub(crate) trial_bytes: Option<u64>,
    /// Study that the time was measured in; `None` where it was said.
    pub(crate) unit_from: Option<String>,
}

/// A rehearsed search with its costs.
pub(crate) struct Forecast<'a> {
    pub(crate) settings: &'a StudySettings,
    pub(crate) rehearsal: &'a Rehearsal,
    pub(crate) slots: usize,
    pub(crate) known: Known,
    pub(crate) notes: Vec<String>,
}

impl Forecast<'_> {
    /// Returns the JSON object of `plan --json`.
    pub(crate) fn to_json(&self) -> Value {
        let plan = self.rehearsal;
        let rung = |rung: &automl::Rung| json!({"fidelity": rung.fidelity, "trials": rung.trials});
        let bracket = |b: &Bracket| json!({"rungs": b.rungs.iter().map(rung).collect::<Vec<_>>()});
        json!({
            "study": self.settings.study,
            "algorithm": self.settings.algorithm,
            "exact": self.is_exact(),
            "unit": self.settings.fidelity.unit,
            "resumable": self.settings.fidelity.resumable,
            "slots": self.slots,
            "brackets": plan.brackets.iter().map(bracket).collect::<Vec<_>>(),
            "trials": plan.trials,
            "attempts": plan.attempts,
            "total_fidelity": plan.units,
            "repeated_fidelity": plan.repeated,
            "epoch_s": self.known.unit_ms.map(|ms| ms as f64 / 1000.0),
            "measured_in": self.known.unit_from,
            "time_s": self.time_ms().map(|ms| ms as f64 / 1000.0),
            "checkpoints": plan.checkpoints,
            "checkpoint_bytes": self.known.trial_bytes,
            "disk_bytes": self.disk_bytes(),
            "notes": self.notes,
        })
    }

    /// Returns lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let (plan, unit) = (self.rehearsal, &self.settings.fidelity.unit);
        let mut lines = vec![format!(
            "{} on {}{}",
            self.settings.algorithm,
            count(self.slots as u64, "slot"),
            if self.is_exact() { "" } else { "; rungs fill as trials come, so these are expectations" }
        )];
        lines.extend(self.bracket_lines());
        lines.push(format!("trials   {}, in {}", plan.trials, count(plan.attempts, "run")));
        let repeated = match plan.repeated {
            0 => String::new(),
            n => format!(", {n} of them again because promoted trials begin anew"),
        };
        lines.push(format!("{}{}{repeated}", padded(&plural(unit), 9), plan.units));
        lines.push(format!("time     {}", self.time_line()));
        lines.push(format!("disk     {}", self.disk_line()));
        lines
    }

    /// Equal brackets in one line.
    fn bracket_lines(&self) -> Vec<String> {
        let mut groups: Vec<(&Bracket, Vec<usize>)> = Vec::new();
        for (number, bracket) in self.rehearsal.brackets.iter().enumerate() {
            match groups.iter_mut().find(|(known, _)| *known == bracket) {
                Some((_, numbers)) => numbers.push(number),
                None => groups.push((bracket, vec![number])),
            }
        }
        let units = plural(&self.settings.fidelity.unit);
        let line = |(bracket, numbers): (&Bracket, Vec<usize>)| {
            let rungs: Vec<String> =
                bracket.rungs.iter().map(|r| format!("{} to {}", r.trials, r.fidelity)).collect();
            let times = if numbers.len() > 1 { format!(" ({} times)", numbers.len()) } else { String::new() };
            format!("bracket {}{times}: {} {units}", numbers[0], rungs.join(", "))
        };
        groups.into_iter().map(line).collect()
    }

    fn time_line(&self) -> String {
        let Some(total) = self.time_ms() else {
            return format!(
                "unknown: `--epoch-time` says how long one {} takes, or an earlier study of this program",
                self.settings.fidelity.unit
            );
        };
        let unit_ms = self.known.unit_ms.expect("known with the total");
        let from = self.known.unit_from.as_ref().map_or_else(String::new, |name| format!(" as in {name}"));
        let unit = format!("{} for each {}{from}", duration(unit_ms), self.settings.fidelity.unit);
        match self.settings.timeout_ms.filter(|limit| *limit < total) {
            Some(limit) => {
                format!("about {}, {unit}; ended by the limit of {}", duration(total), duration(limit))
            }
            None => format!("about {}, {unit}", duration(total)),
        }
    }

    fn disk_line(&self) -> String {
        let needed = count(self.rehearsal.checkpoints, "checkpoint");
        match (self.known.trial_bytes, self.disk_bytes()) {
            (Some(bytes), Some(all)) => format!(
                "{} for all {}, {} each; {needed} may be needed at a time: {}",
                size(all),
                count(self.rehearsal.trials, "trial"),
                size(bytes),
                size(bytes.saturating_mul(self.rehearsal.checkpoints)),
            ),
            _ => format!("unknown: `--checkpoint-size` says it; {needed} may be needed at a time"),
        }
    }

    fn time_ms(&self) -> Option<u64> {
        Some(self.rehearsal.span.saturating_mul(self.known.unit_ms?))
    }

    /// Bytes of the checkpoints of all trials.
    fn disk_bytes(&self) -> Option<u64> {
        Some(self.known.trial_bytes?.saturating_mul(self.rehearsal.trials))
    }

    /// Whether a search without failures does exactly this.
    fn is_exact(&self) -> bool {
        !matches!(self.settings.algorithm, Algorithm::Asha | Algorithm::Race | Algorithm::Pasha)
    }
}
