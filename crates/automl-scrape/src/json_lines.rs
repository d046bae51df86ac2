//! Reads logs of one JSON object a line.
//!
//! Numbers may be nested; their path, joined by `/`, is their name, so `{"val": {"loss": 1}}` holds
//! `val/loss`, also found as `val_loss` and `val.loss`. The last part of a path alone is a looser
//! reading. A number called `epoch`, `step`, `global_step` or `iteration` at the top places the
//! measurement, by the rules of `position.rs`.

use crate::json;
use crate::notes::Notes;
use crate::position::{Mention, Position};
use crate::resolve::{Found, LineValues, Resolver};
use crate::rules::Metrics;
use crate::scraper::Measurement;

/// Reads one file of JSON lines.
#[derive(Debug, Default)]
pub(crate) struct JsonLinesReader {
    position: Position,
    resolver: Resolver,
}

impl JsonLinesReader {
    /// Reads one clean line; torn and foreign lines give nothing.
    pub(crate) fn read(
        &mut self,
        metrics: &Metrics,
        line: &[u8],
        number: u64,
        notes: &mut Notes,
    ) -> Option<Measurement> {
        let object = json::parse_object(line)?;
        let mut mention = Mention::default();
        let mut values = LineValues::default();
        json::visit_numbers(&object, &mut |path, value| {
            let is_counter = mention.take(path, value);
            match self.resolve(metrics, path) {
                Some(found) => values.offer(found, value),
                None if is_counter => {}
                None => notes.see(path.as_bytes(), number),
            }
        });
        self.position.move_to(&mention);
        notes.epoch = mention.epoch.or(notes.epoch);
        let values = self.resolver.settle(values);
        let step = self.position.step(&mention);
        (!values.is_empty()).then_some(Measurement { step, values, line: number })
    }

    fn resolve(&mut self, metrics: &Metrics, path: &str) -> Option<Found> {
        let dotted = || path.replace('/', ".");
        let leaf = || path.rsplit_once('/').map(|(_, leaf)| leaf);
        self.resolver
            .whole(metrics, path.as_bytes())
            .or_else(|| self.resolver.whole(metrics, dotted().as_bytes()))
            .or_else(|| {
                let found = self.resolver.whole(metrics, leaf()?.as_bytes())?;
                Some(Found { rank: found.rank.qualified(), ..found })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::MetricRules;

    /// Step and values of a measurement.
    type Read = (Option<u64>, Vec<(String, f64)>);

    fn read(lines: &[&str]) -> Vec<Read> {
        let metrics = Metrics::compile(&MetricRules {
            monitoring: vec!["val_loss".into()],
            available: vec!["a.b".into(), "acc".into()],
            ..MetricRules::default()
        })
        .unwrap();
        let mut reader = JsonLinesReader::default();
        let mut notes = Notes::default();
        lines
            .iter()
            .filter_map(|line| reader.read(&metrics, line.as_bytes(), 1, &mut notes))
            .map(|found| (found.step, found.values.into_iter().collect()))
            .collect()
    }

    #[test]
    fn nested_names_are_joined() {
        let found = read(&[r#"{"epoch": 2, "val": {"loss": 0.5}, "a": {"b": 1}, "x": {"acc": 0.9}}"#]);
        let values = vec![("a.b".into(), 1.0), ("acc".into(), 0.9), ("val_loss".into(), 0.5)];
        assert_eq!(found, [(Some(2), values)]);
    }

    #[test]
    fn step_comes_from_the_best_counter() {
        let steps = |lines: &[&str]| read(lines).into_iter().map(|(step, _)| step).collect::<Vec<_>>();
        assert_eq!(steps(&[r#"{"step": 7, "val_loss": 1}"#]), [Some(7)]);
        assert_eq!(steps(&[r#"{"step": 7, "global_step": 70, "val_loss": 1}"#]), [Some(70)]);
        assert_eq!(steps(&[r#"{"val_loss": 1, "iteration": 3}"#]), [Some(3)]);
        assert_eq!(steps(&[r#"{"epoch": 1.5, "step": 7}"#, r#"{"val_loss": 1}"#]), [Some(1)]);
        assert_eq!(steps(&[r#"{"val_loss": 1}"#]), [None]);
    }

    #[test]
    fn foreign_lines_give_nothing() {
        assert!(read(&["val_loss: 3", r#"{"val_loss": "#, "[1, 2]", r#"{"other": 1}"#]).is_empty());
    }
}
