//! Whether a program that returned 0 did its whole work, by the signs that its network names.
//!
//! Programs return 0 after a signal and after trainings that learnt nothing, too. The printed lines are read
//! once more when an attempt has ended: the line in question may stand anywhere.

use automl_config::SuccessRule;
use automl_core::Attempt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Bytes of each stream that are looked through, from its beginning.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Returns what an attempt lacks of its network's signs of success, in words; `None` where nothing is.
pub(crate) fn incomplete(
    rule: &SuccessRule,
    attempt: &Attempt,
    metric: Option<&str>,
    streams: &[&Path],
) -> Option<String> {
    if rule.is_plain() {
        return None;
    }
    let seen = Seen::read(rule, streams);
    if let Some(line) = seen.failure {
        return Some(format!("it printed `{}`", line.trim()));
    }
    if let Some(pattern) = rule.line.as_ref().filter(|_| !seen.end) {
        return Some(format!("it never printed `{}`, so it did not come to its end", pattern.as_str()));
    }
    let metric = metric.filter(|_| rule.last_epoch)?;
    let expected = attempt.until.0.saturating_sub(1);
    let reached = attempt.series.readings(metric).iter().filter_map(|(step, _)| *step).max();
    (reached < Some(expected)).then(|| {
        let reached = reached.map_or_else(|| "none".into(), |epoch| epoch.to_string());
        format!("the last epoch with `{metric}` is {reached}, and {expected} was to be the last")
    })
}

/// What the streams hold.
#[derive(Default)]
struct Seen {
    end: bool,
    /// The first line that means failure.
    failure: Option<String>,
}

impl Seen {
    fn read(rule: &SuccessRule, streams: &[&Path]) -> Self {
        let mut seen = Seen::default();
        for file in streams.iter().filter_map(|path| File::open(path).ok()) {
            let mut reader = BufReader::new(std::io::Read::take(file, BYTES_MAX));
            let mut bytes = Vec::new();
            while reader.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
                // A progress bar is one line of many states.
                for state in String::from_utf8_lossy(&bytes).split('\r') {
                    seen.end |= rule.line.as_ref().is_some_and(|pattern| pattern.matches(state));
                    if seen.failure.is_none() && rule.failure_lines.iter().any(|p| p.matches(state)) {
                        seen.failure = Some(state.to_string());
                    }
                }
                bytes.clear();
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_config::Pattern;
    use automl_core::{AttemptNumber, Fidelity, Series};

    fn check(rule: &SuccessRule, epochs: u64, printed: &str) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.log");
        std::fs::write(&path, printed).unwrap();
        let mut series = Series::default();
        for epoch in 0..epochs {
            series.push(0, epoch + 1, Some(epoch), [("loss", 0.5)]);
        }
        let attempt = Attempt { series, ..Attempt::new(AttemptNumber(1), Fidelity(3)) };
        incomplete(rule, &attempt, Some("loss"), &[&path, Path::new("/nowhere")])
    }

    fn rule() -> SuccessRule {
        let mut rule = SuccessRule::default();
        rule.line = Some(Pattern::new("Finished training at:").unwrap());
        rule.last_epoch = true;
        rule.failure_lines = vec![Pattern::new("Could not read frame").unwrap()];
        rule
    }

    #[test]
    fn every_sign_has_to_be_there() {
        let done = "x\rEpoch 2\n2026 | Finished training at: noon\nthen more\n";
        assert_eq!(check(&rule(), 3, done), None);
        assert!(check(&rule(), 3, "Epoch 2\n").unwrap().contains("never printed `Finished"));
        assert_eq!(
            check(&rule(), 2, done).unwrap(),
            "the last epoch with `loss` is 1, and 2 was to be the last"
        );
        assert!(check(&rule(), 0, done).unwrap().contains("`loss` is none"));
        let warned = format!("WARNING - Could not read frame 3\n{done}");
        assert_eq!(check(&rule(), 3, &warned).unwrap(), "it printed `WARNING - Could not read frame 3`");
    }

    #[test]
    fn networks_without_signs_ask_for_nothing() {
        assert_eq!(check(&SuccessRule::default(), 0, ""), None);
    }
}
