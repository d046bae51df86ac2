//! What an ended attempt means for its trial: verdict, readings and the program's own words in,
//! outcome out. Pure; the one place where success is defined.
//!
//! Success needs all of: exit code 0, no word of failure in the program's own log, the signs of a whole
//! training that its network asks for, and a finite value of the objective. Anything else is recorded with
//! its cause, what is known of such failures, and the last lines of the log. A configuration that does not
//! fit the GPU, or diverges, is infeasible: that is a fact about it, and no fault.

use super::failures::Diagnosis;
use automl_config::FailurePolicy;
use automl_core::{Attempt, FailureKind, Fidelity, Further, Outcome};
use automl_exec::Cause;
use automl_scrape::Notes;

/// Exit code by which a program says that it ran out of device memory.
const OUT_OF_MEMORY_EXIT: i32 = 17;
/// The signal that the kernel kills with.
const SIGKILL: i32 = 9;
/// Lines of the log that go into a failure's reason.
const EXCERPT_LINES: usize = 5;
/// Most metric names offered where the objective is missing.
const NAMES_SHOWN: usize = 8;

/// Everything the outcome of an attempt depends on.
pub(crate) struct Facts<'a> {
    /// Why it ended.
    pub(crate) cause: &'a Cause,
    /// Whether the kernel killed processes for want of memory while it ran.
    pub(crate) oom_kills: bool,
    /// The attempt with all of its readings.
    pub(crate) attempt: &'a Attempt,
    /// Metrics that a result needs: the objective, further ones, constraints. A plain job may do
    /// without any.
    pub(crate) metrics: Vec<&'a str>,
    /// How many of the metrics are objectives beside the first.
    pub(crate) further_objectives: usize,
    /// The best reading of the objective, where that is the one that counts.
    pub(crate) best: Option<f64>,
    /// Where the trial was when it was decided to stop it, if it was.
    pub(crate) stopped_at: Option<Fidelity>,
    /// What the program's logs said beside metrics, in order of precedence.
    pub(crate) notes: &'a [&'a Notes],
    /// Checkpoint to carry on from.
    pub(crate) checkpoint: Option<String>,
    /// Why the engine asked it to end, if it did.
    pub(crate) asked: Option<&'static str>,
    /// What its logs tell of a failure, if it failed.
    pub(crate) diagnosis: Diagnosis,
    /// What its network's signs of success are lacking, if anything.
    pub(crate) incomplete: Option<String>,
}

impl Facts<'_> {
    /// Decides the outcome.
    pub(crate) fn outcome(self) -> Outcome {
        if let Some(step) = self.stopped_at
            && !(matches!(self.cause, Cause::Exit(0)) && step >= self.attempt.until)
        {
            return self.stopped(step);
        }
        match self.cause {
            Cause::Exit(0) => self.ended_well(),
            Cause::Exit(code) => self.failed_with_code(*code),
            Cause::Signal(SIGKILL) if self.oom_kills => {
                let what = "killed by the kernel, because the machine's memory ran out";
                self.judged(FailureKind::HostMemory, what.into())
            }
            Cause::Signal(signal) => {
                let what = format!("ended by signal {}", signal_name(*signal));
                self.judged(FailureKind::Signal, self.with_headline(what))
            }
            Cause::Terminated => {
                self.interrupted(self.asked.unwrap_or("ended from outside"), self.asked.is_some())
            }
            Cause::TimeLimit => self.failed(FailureKind::TimeLimit, "ran past its time limit".into()),
            Cause::Silent => self.failed(FailureKind::Silent, "printed nothing for too long".into()),
            Cause::MemoryLimit => self.infeasible("used more memory than its limit".into()),
            Cause::DiskLimit => {
                self.failed(FailureKind::Limit, "its results took more disk space than their limit".into())
            }
            Cause::Fenced => self.interrupted("ended because a newer attempt was started", false),
            Cause::Lost => self.interrupted("its runner is gone without a trace", false),
            Cause::LaunchFailed(reason) => Outcome::Failed {
                kind: FailureKind::Launch,
                reason: format!("could not be started: {reason}"),
            },
        }
    }

    /// Decides the outcome of a job whose results are files, whatever it measured; `None` where it ended
    /// well.
    pub(crate) fn of_job(self) -> Option<Outcome> {
        match self.cause {
            Cause::Exit(0) => self.reported_failure().or_else(|| {
                let what = self.incomplete.clone()?;
                Some(self.failed(FailureKind::Reported, format!("exit code 0, but {what}")))
            }),
            _ => Some(self.outcome()),
        }
    }

    fn ended_well(self) -> Outcome {
        if let Some(failure) = self.reported_failure() {
            return failure;
        }
        if self.metrics.is_empty() {
            return self.without_metric("");
        }
        let fidelity = self.attempt.until;
        self.reached(fidelity)
    }

    /// Whatever way it ended: it had a value when it was decided to stop it.
    fn stopped(self, step: Fidelity) -> Outcome {
        let said = |metric: &&str| self.attempt.series.last(metric).is_some();
        if !self.metrics.iter().all(said) {
            return self.interrupted("stopped before it had reported every metric", true);
        }
        let fidelity = step.min(self.attempt.until);
        self.reached(fidelity)
    }

    /// The result at a fidelity, with the value that counts of each metric.
    fn reached(self, fidelity: Fidelity) -> Outcome {
        let mut values = Vec::new();
        for (index, metric) in self.metrics.iter().enumerate() {
            let best = self.best.filter(|_| index == 0);
            match best.or_else(|| self.attempt.series.last(metric)) {
                None => return self.without_metric(metric),
                Some(value) if !value.is_finite() => {
                    return self.infeasible(format!("`{metric}` is {value}"));
                }
                Some(value) => values.push(value),
            }
        }
        if let Some(what) = self.incomplete.clone() {
            return self.failed(FailureKind::Reported, format!("exit code 0, but {what}"));
        }
        let constraints = values.split_off(1 + self.further_objectives);
        let objectives = values.split_off(1);
        Outcome::Reached {
            fidelity,
            value: values[0],
            checkpoint: self.checkpoint,
            further: Further { objectives, constraints },
        }
    }

    fn metric(&self) -> Option<&str> {
        self.metrics.first().copied()
    }

    /// Exit code 0 is not enough where the program says that it failed.
    fn reported_failure(&self) -> Option<Outcome> {
        let said = |notes: &&&Notes| {
            notes.last_status.as_deref() == Some("FAILURE") || notes.execution_status == Some(false)
        };
        let notes = self.notes.iter().find(said)?;
        let message = notes.failure_message.clone().unwrap_or_else(|| "Execution status: FAIL".into());
        Some(self.judged(FailureKind::Reported, format!("exit code 0, but it reported: {message}")))
    }

    fn failed_with_code(self, code: i32) -> Outcome {
        let said = self.notes.iter().find_map(|notes| notes.failure_message.as_ref());
        let what = match said {
            Some(message) => format!("exit code {code}: {message}"),
            None => self.with_headline(format!("exit code {code}")),
        };
        let last = self.metric().and_then(|metric| self.attempt.series.last(metric));
        let diverged = last.is_some_and(|value| !value.is_finite());
        if code == OUT_OF_MEMORY_EXIT || (diverged && self.diagnosis.policy.is_none()) {
            return self.infeasible(what);
        }
        self.judged(FailureKind::Exit, what)
    }

    /// Adds the line that tells best what happened.
    fn with_headline(&self, what: String) -> String {
        match &self.diagnosis.headline {
            Some(headline) => format!("{what}: {headline}"),
            None => what,
        }
    }

    /// What is known of the failure decides; without that, how the program ended.
    fn judged(&self, by_its_end: FailureKind, what: String) -> Outcome {
        match self.diagnosis.policy {
            Some(FailurePolicy::Infeasible) => self.infeasible(what),
            _ => self.failed(self.diagnosis.kind.unwrap_or(by_its_end), what),
        }
    }

    fn without_metric(&self, metric: &str) -> Outcome {
        let mut names: Vec<&str> =
            self.notes.iter().flat_map(|n| n.seen_names.keys().map(String::as_str)).collect();
        names.extend(self.attempt.series.names());
        names.sort_unstable();
        names.dedup();
        names.truncate(NAMES_SHOWN);
        let seen = if names.is_empty() {
            "no metric at all was seen".to_string()
        } else {
            format!("metrics seen: {}", names.join(", "))
        };
        let reason = format!("exit code 0, but `{metric}` was never reported; {seen}");
        self.judged(FailureKind::NoMetric, reason)
    }

    fn failed(&self, kind: FailureKind, what: String) -> Outcome {
        Outcome::Failed { kind, reason: self.explained(&what) }
    }

    fn infeasible(&self, what: String) -> Outcome {
        Outcome::Infeasible { reason: self.explained(&what) }
    }

    fn explained(&self, what: &str) -> String {
        let advice = self.diagnosis.advice.as_ref();
        let advice = advice.map_or_else(String::new, |advice| format!("\nadvice: {advice}"));
        format!("{what}{advice}{}", self.excerpt())
    }

    fn interrupted(&self, reason: &str, by_request: bool) -> Outcome {
        Outcome::Interrupted { reason: reason.into(), by_request }
    }

    /// The last lines of the logs, those of the lowest precedence (the plain streams) last. A status
    /// file is left out: what it says of a failure is in the reason already.
    fn excerpt(&self) -> String {
        let tail = |notes: &&Notes| -> Vec<String> {
            let skip = notes.tail.len().saturating_sub(EXCERPT_LINES);
            notes.tail.iter().skip(skip).map(|line| format!("\n  | {line}")).collect()
        };
        self.notes.iter().filter(|notes| notes.last_status.is_none()).flat_map(tail).collect()
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL; killed from outside, or by the kernel because memory ran out",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return signal.to_string(),
    };
    format!("{signal} ({name})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, AttemptNumber, Constraint, Direction, Objective, Series, StudySettings};

    fn attempt(values: &[f64]) -> Attempt {
        let mut series = Series::default();
        for (line, value) in (1..).zip(values) {
            series.push(0, line, Some(line), [("loss", *value)]);
        }
        Attempt { series, ..Attempt::new(AttemptNumber(1), Fidelity(3)) }
    }

    fn outcome(cause: Cause, values: &[f64], notes: &Notes) -> Outcome {
        outcome_under(&settings(), cause, values, notes)
    }

    fn settings() -> StudySettings {
        let objective = Objective { metric: "loss".into(), direction: Direction::Minimize };
        StudySettings { objective, ..automl_testkit::settings(Algorithm::Random) }
    }

    fn outcome_under(settings: &StudySettings, cause: Cause, values: &[f64], notes: &Notes) -> Outcome {
        let attempt = attempt(values);
        let facts = Facts {
            cause: &cause,
            oom_kills: true,
            attempt: &attempt,
            metrics: settings.metrics().collect(),
            further_objectives: settings.further_objectives.len(),
            best: None,
            stopped_at: None,
            notes: &[notes],
            checkpoint: None,
            asked: Some("ended on request"),
            diagnosis: Diagnosis::default(),
            incomplete: None,
        };
        facts.outcome()
    }

    fn kind(outcome: &Outcome) -> Option<FailureKind> {
        match outcome {
            Outcome::Failed { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    #[test]
    fn the_last_value_is_the_result() {
        let reached = outcome(Cause::Exit(0), &[0.5, 0.3, 0.4], &Notes::default());
        assert_eq!(
            reached,
            Outcome::Reached {
                fidelity: Fidelity(3),
                value: 0.4,
                checkpoint: None,
                further: Further::default()
            }
        );
    }

    #[test]
    fn a_result_needs_every_metric_that_counts() {
        let mut settings = settings();
        settings.constraints = vec![Constraint::parse("loss<=1").unwrap()];
        let outcome = outcome_under(&settings, Cause::Exit(0), &[0.5], &Notes::default());
        let Outcome::Reached { further, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(further.constraints, [0.5]);
        settings.constraints.push(Constraint::named("latency"));
        let outcome = outcome_under(&settings, Cause::Exit(0), &[0.5], &Notes::default());
        let Outcome::Failed { kind, reason } = outcome else { panic!("{outcome:?}") };
        assert_eq!(kind, FailureKind::NoMetric);
        assert!(reason.contains("`latency` was never reported; metrics seen: loss"), "{reason}");
    }

    #[test]
    fn success_needs_more_than_exit_code_zero() {
        let mut failing = Notes::default();
        failing.last_status = Some("FAILURE".into());
        let cases = [
            (Cause::Exit(0), vec![], Notes::default(), FailureKind::NoMetric),
            (Cause::Exit(0), vec![0.1], failing, FailureKind::Reported),
            (Cause::Exit(1), vec![0.1], Notes::default(), FailureKind::Exit),
            (Cause::Signal(11), vec![0.1], Notes::default(), FailureKind::Signal),
            (Cause::Signal(9), vec![0.1], Notes::default(), FailureKind::HostMemory),
            (Cause::TimeLimit, vec![0.1], Notes::default(), FailureKind::TimeLimit),
            (Cause::DiskLimit, vec![0.1], Notes::default(), FailureKind::Limit),
        ];
        for (cause, values, notes, expected) in cases {
            let outcome = outcome(cause.clone(), &values, &notes);
            assert_eq!(kind(&outcome), Some(expected), "{cause:?} {values:?}");
        }
    }

    #[test]
    fn what_does_not_fit_or_diverges_is_infeasible() {
        for (code, values) in [(17, vec![]), (0, vec![0.1, f64::NAN]), (1, vec![f64::INFINITY])] {
            let outcome = outcome(Cause::Exit(code), &values, &Notes::default());
            assert!(matches!(outcome, Outcome::Infeasible { .. }), "{code} {values:?}: {outcome:?}");
        }
    }

    #[test]
    fn what_is_known_of_a_failure_decides() {
        let attempt = attempt(&[0.5]);
        let under = |cause: Cause, policy, kind| {
            let diagnosis = Diagnosis {
                kind,
                policy,
                advice: Some("mend it".into()),
                headline: Some("ValueError: x".into()),
            };
            let facts = Facts {
                cause: &cause,
                oom_kills: false,
                attempt: &attempt,
                metrics: vec!["loss"],
                further_objectives: 0,
                best: None,
                stopped_at: None,
                notes: &[],
                checkpoint: None,
                asked: None,
                incomplete: None,
                diagnosis,
            };
            facts.outcome()
        };
        let reason = || "exit code 1: ValueError: x\nadvice: mend it".to_string();
        assert_eq!(
            under(Cause::Exit(1), Some(FailurePolicy::Stop), Some(FailureKind::Setup)),
            Outcome::Failed { kind: FailureKind::Setup, reason: reason() }
        );
        assert_eq!(
            under(Cause::Exit(1), Some(FailurePolicy::Infeasible), Some(FailureKind::Known)),
            Outcome::Infeasible { reason: reason() }
        );
        assert_eq!(kind(&under(Cause::Exit(1), None, None)), Some(FailureKind::Exit));
        // Signs in the log of a program that ended well are warnings.
        let well = under(Cause::Exit(0), Some(FailurePolicy::Stop), Some(FailureKind::Setup));
        assert!(matches!(well, Outcome::Reached { .. }), "{well:?}");
    }

    #[test]
    fn a_training_cut_short_is_no_success() {
        let attempt = attempt(&[0.5]);
        let facts = Facts {
            cause: &Cause::Exit(0),
            attempt: &attempt,
            metrics: vec!["loss"],
            further_objectives: 0,
            notes: &[],
            checkpoint: None,
            asked: None,
            best: None,
            stopped_at: None,
            oom_kills: false,
            diagnosis: Diagnosis::default(),
            incomplete: Some("it never printed `done`".into()),
        };
        let Outcome::Failed { kind, reason } = facts.outcome() else { panic!("not failed") };
        assert_eq!(kind, FailureKind::Reported);
        assert_eq!(reason, "exit code 0, but it never printed `done`");
    }

    #[test]
    fn missing_metric_names_those_that_were_seen() {
        let mut notes = Notes::default();
        notes.seen_names.insert("val_los".into(), 1);
        let Outcome::Failed { reason, .. } = outcome(Cause::Exit(0), &[], &notes) else {
            panic!("not failed")
        };
        assert!(reason.contains("`loss` was never reported; metrics seen: val_los"), "{reason}");
    }

    #[test]
    fn failures_quote_the_log() {
        let mut notes = Notes::default();
        notes.tail.extend((0..9).map(|i| format!("line {i}")));
        let Outcome::Failed { reason, .. } = outcome(Cause::Exit(3), &[], &notes) else {
            panic!("not failed")
        };
        assert!(reason.starts_with("exit code 3\n  | line 4\n"), "{reason}");
    }

    #[test]
    fn the_programs_own_words_come_first() {
        let mut status = Notes::default();
        status.last_status = Some("FAILURE".into());
        status.failure_message = Some("no such folder".into());
        status.tail.push_back("{\"status\": \"FAILURE\"}".into());
        let Outcome::Failed { reason, .. } = outcome(Cause::Exit(1), &[], &status) else {
            panic!("not failed")
        };
        assert_eq!(reason, "exit code 1: no such folder");
    }

    #[test]
    fn a_lost_attempt_is_no_failure_of_the_trial() {
        let lost = outcome(Cause::Lost, &[], &Notes::default());
        assert!(matches!(lost, Outcome::Interrupted { by_request: false, .. }));
        let asked = outcome(Cause::Terminated, &[], &Notes::default());
        assert!(matches!(asked, Outcome::Interrupted { by_request: true, .. }));
    }
}
