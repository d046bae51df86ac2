//! Decides which printed names count, and which reading of a name is the right one.
//!
//! One metric may be printed under several spellings (`loss`, `train loss`, `loss_step`). Mixing
//! them in one series would be wrong, so the closest spelling wins: within a line, and then for
//! the rest of the source, once it has been seen.

use std::collections::BTreeMap;

use crate::names::Rank;
use crate::pairs::Pair;
use crate::rules::Metrics;

/// Most distinct names whose match with the dynamic patterns is remembered; later ones are
/// ignored, so that a program that invents names cannot grow the memory of the engine.
const DYNAMIC_NAMES_MAX: usize = 4096;

/// Longest name that is matched with the dynamic patterns, in bytes.
const DYNAMIC_NAME_BYTES_MAX: usize = 256;

/// A name that counts, as it is reported, and how well it fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) rank: Rank,
}

/// The values of one line, the best reading of each name.
#[derive(Debug, Default)]
pub(crate) struct LineValues {
    values: BTreeMap<String, (Rank, f64)>,
}

impl LineValues {
    /// Takes a value unless a better reading is there; of equal ones the later wins.
    pub(crate) fn offer(&mut self, found: Found, value: f64) {
        let Found { name, rank } = found;
        let better = self.values.get(&name).is_none_or(|(known, _)| rank <= *known);
        if better {
            self.values.insert(name, (rank, value));
        }
    }
}

/// What one source has shown so far of its names.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    dynamic: BTreeMap<Vec<u8>, bool>,
    best_ranks: BTreeMap<String, Rank>,
}

impl Resolver {
    /// Resolves a name that is known to be whole, such as a JSON key.
    pub(crate) fn whole(&mut self, metrics: &Metrics, name: &[u8]) -> Option<Found> {
        let wanted = metrics
            .names()
            .whole(name)
            .map(|found| Found { name: metrics.names().wanted()[found.wanted].clone(), rank: found.rank });
        self.prefer_dynamic(metrics, wanted, &[name])
    }

    /// Resolves the name in front of a value in a text line.
    pub(crate) fn before(&mut self, metrics: &Metrics, pair: &Pair<'_>) -> Option<Found> {
        let wanted = pair.wanted(metrics.names()).map(|found| {
            let rank = if pair.bare { found.rank.bare() } else { found.rank };
            Found { name: metrics.names().wanted()[found.wanted].clone(), rank }
        });
        let names = [pair.phrase(), pair.word()];
        self.prefer_dynamic(metrics, wanted, if pair.bare { &[] } else { &names })
    }

    /// A pattern names what was printed exactly, so it beats a mere alias of a wanted name.
    fn prefer_dynamic(&mut self, metrics: &Metrics, wanted: Option<Found>, names: &[&[u8]]) -> Option<Found> {
        if !metrics.has_dynamic() || wanted.as_ref().is_some_and(|found| found.rank <= Rank::FOLDED) {
            return wanted;
        }
        let dynamic = names.iter().find(|name| self.is_dynamic(metrics, name));
        let dynamic =
            dynamic.map(|name| Found { name: String::from_utf8_lossy(name).into_owned(), rank: Rank::EXACT });
        dynamic.or(wanted)
    }

    fn is_dynamic(&mut self, metrics: &Metrics, name: &[u8]) -> bool {
        if let Some(&known) = self.dynamic.get(name) {
            return known;
        }
        if self.dynamic.len() == DYNAMIC_NAMES_MAX || name.len() > DYNAMIC_NAME_BYTES_MAX {
            return false;
        }
        let matches =
            !name.is_empty() && std::str::from_utf8(name).is_ok_and(|name| metrics.is_dynamic(name));
        self.dynamic.insert(name.to_vec(), matches);
        matches
    }

    /// Drops readings that are worse than one this source has shown before.
    pub(crate) fn settle(&mut self, line: LineValues) -> BTreeMap<String, f64> {
        let mut values = BTreeMap::new();
        for (name, (rank, value)) in line.values {
            let best = self.best_ranks.entry(name.clone()).or_insert(rank);
            if rank <= *best {
                *best = rank;
                values.insert(name, value);
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::MetricRules;

    fn metrics() -> Metrics {
        Metrics::compile(&MetricRules {
            monitoring: vec!["mIoU".into()],
            dynamic_patterns: vec!["^val_mIoU$".into(), "^n[0-9]+$".into()],
            ..MetricRules::default()
        })
        .unwrap()
    }

    #[test]
    fn pattern_beats_alias_but_not_the_name() {
        let mut resolver = Resolver::default();
        let mut name = |text: &str| resolver.whole(&metrics(), text.as_bytes()).map(|found| found.name);
        assert_eq!(name("val_mIoU").as_deref(), Some("val_mIoU"));
        assert_eq!(name("eval_mIoU").as_deref(), Some("mIoU"));
        assert_eq!(name("miou").as_deref(), Some("mIoU"));
        assert_eq!(name("other"), None);
    }

    #[test]
    fn worse_spelling_is_dropped_once_better_was_seen() {
        let mut resolver = Resolver::default();
        let mut settle = |rank| {
            let mut line = LineValues::default();
            line.offer(Found { name: "loss".into(), rank }, 1.0);
            resolver.settle(line).len()
        };
        assert_eq!(settle(Rank::SAME), 1);
        assert_eq!(settle(Rank::LIKELY), 0);
        assert_eq!(settle(Rank::EXACT), 1);
        assert_eq!(settle(Rank::SAME), 0);
    }

    #[test]
    fn later_of_equal_readings_wins() {
        let mut line = LineValues::default();
        for (rank, value) in [(Rank::FOLDED, 1.0), (Rank::FOLDED, 2.0), (Rank::SAME, 3.0)] {
            line.offer(Found { name: "loss".into(), rank }, value);
        }
        assert_eq!(Resolver::default().settle(line)["loss"], 2.0);
    }

    #[test]
    fn invented_names_do_not_grow_memory() {
        let (metrics, mut resolver) = (metrics(), Resolver::default());
        for index in 0..2 * DYNAMIC_NAMES_MAX {
            resolver.whole(&metrics, format!("n{index}").as_bytes());
        }
        assert_eq!(resolver.dynamic.len(), DYNAMIC_NAMES_MAX);
    }
}
