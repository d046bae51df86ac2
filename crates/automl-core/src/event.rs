//! Everything that can happen to a study, in its stored form.
//!
//! One [`Record`] is one JSON object in the log. Readers of this format accept records whose objects
//! have fields they do not know; a new kind of event raises [`EVENT_FORMAT`], and a log written with
//! a higher number is refused, never half-read.

use crate::further::Further;
use crate::ids::{AttemptNumber, Fidelity, TrialId};
use crate::number;
use crate::settings::StudySettings;
use crate::space::SearchSpace;
use crate::value::Params;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Version of the event format that this crate writes; it reads this and all older ones.
///
/// 4 added bounds that are changed while a search runs, and which version of the algorithms decides,
/// and trials that carry on from another one's checkpoint;
/// 3 added the decision to stop a running trial, what becomes of checkpoints, a raised largest fidelity, kinds
/// of failures, and the end of a search whose trials cannot work;
/// 2 added enqueued configurations, trials from elsewhere, stopped trials, infeasible outcomes, and results
/// of further objectives and constraints.
pub const EVENT_FORMAT: u32 = 4;

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds since 1970, by the engine's clock.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// serde asks with a reference.
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// What can happen to a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first event of every log.
    StudyCreated {
        /// [`EVENT_FORMAT`] of the writer.
        format: u32,
        /// Version of the program that wrote it.
        version: String,
        /// What was asked for.
        settings: Box<StudySettings>,
    },
    /// An engine took the study over.
    EngineStarted {
        /// Counts the engines of this study from 1.
        epoch: u64,
        /// Version of the program.
        version: String,
        /// Version of the algorithms that it decides by; 0 where nobody noted it.
        #[serde(default, skip_serializing_if = "is_zero")]
        algorithms: u32,
        /// Host it runs on.
        host: String,
        /// Its process id.
        pid: u32,
        /// Number of trials it runs at a time.
        slots: u32,
    },
    /// The budget was changed; absent values stay as they were. Reopens an ended study.
    BudgetChanged {
        /// Number of trials in all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trials: Option<u64>,
        /// Wall-clock limit in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
        /// Limit of the GPU time in milliseconds of one GPU.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gpu_time_ms: Option<u64>,
        /// Number of trials that run at a time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parallel: Option<u32>,
    },
    /// What parameters may vary over was changed. Trials outside of it stay, but do not go on.
    BoundsChanged {
        /// The whole space from now on: the same parameters in the same order.
        space: Box<SearchSpace>,
        /// What the user asked for, one `name=values` each.
        asked: Vec<String>,
    },
    /// A configuration of the user's own, to be tried before anything that a sampler proposes.
    Enqueued {
        /// Its values, complete and checked against the space.
        params: Params,
        /// Name of the request it came with, so that a request that is read twice counts once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wish: Option<String>,
    },
    /// A finished trial from elsewhere: another study, a table, another program. It costs no budget.
    TrialAdded {
        /// Its number here: one above the highest so far.
        trial: TrialId,
        /// Its values; they may lie outside the space.
        params: Params,
        /// Where it comes from, for people.
        source: String,
        /// Whether its result was measured like this study's own. If not, only its rank among those of
        /// the same source means something.
        comparable: bool,
        /// What came of it; never an interruption.
        outcome: Outcome,
    },
    /// A trial that does not run was given up on purpose.
    TrialStopped {
        /// The trial.
        trial: TrialId,
        /// Why.
        reason: String,
    },
    /// A new trial and its parameters. Carries the values, so that replay never samples again.
    TrialSuggested {
        /// Its number: one above the highest so far.
        trial: TrialId,
        /// Its values.
        params: Params,
        /// Bracket it belongs to, counted from 0, where the scheduler has brackets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bracket: Option<u32>,
        /// Who proposed it and why.
        origin: Origin,
    },
    /// The decision to run a trial; logged before the process is started.
    AttemptStarted {
        /// The trial.
        trial: TrialId,
        /// Its attempt: one above the highest so far.
        attempt: AttemptNumber,
        /// Fidelity at which it shall end.
        until: Fidelity,
        /// Checkpoint it carries on from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume_from: Option<String>,
        /// Slot it occupies.
        slot: u32,
        /// Bytes that each of the trial's logs holds already, left by earlier attempts.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        log_offsets: Vec<u64>,
        /// Who works on it, where trials are handed out to workers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<String>,
        /// Why this trial and no other, where a model chose it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// What the scheduler was asked; `None` in logs of programs that did not note it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
    },
    /// Readings from one line of a trial's log.
    Measured {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: AttemptNumber,
        /// Which of the trial's logs, in order of precedence (0 is believed first).
        source: u16,
        /// Number of the line among those the attempt wrote there, from 1.
        line: u64,
        /// Step (completed epochs where the program has epochs), where the line tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<u64>,
        /// Metric values; NaN and infinities are kept.
        #[serde(with = "number::map")]
        values: BTreeMap<String, f64>,
    },
    /// An attempt is over and will not come back.
    AttemptEnded {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: AttemptNumber,
        /// How it ended.
        end: AttemptEnd,
    },
    /// The decision to stop a running trial; logged before its program is told.
    StopDecided {
        /// The trial.
        trial: TrialId,
        /// Its running attempt.
        attempt: AttemptNumber,
        /// By which rule, and why.
        reason: String,
    },
    /// The size of a trial's checkpoints when its attempt had ended.
    CheckpointsCounted {
        /// The trial.
        trial: TrialId,
        /// Bytes.
        bytes: u64,
    },
    /// The decision to delete a trial's checkpoints; logged before any file goes.
    CheckpointsDropped {
        /// The trial; it neither runs nor waits to.
        trial: TrialId,
        /// The one that stays, where a promotion may need it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep: Option<String>,
        /// Why the others can go.
        reason: String,
        /// Trials that something else needs the checkpoints of, where that was looked at; `None` in logs of programs
        /// that did not note it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spared: Option<Vec<TrialId>>,
    },
    /// A checkpoint was missing or damaged where it was needed: the trial begins anew.
    CheckpointLost {
        /// The trial.
        trial: TrialId,
        /// The checkpoint.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A new trial carries on from a copy of another one's checkpoint; logged before anything is copied.
    CheckpointInherited {
        /// The new trial; it has not run yet.
        trial: TrialId,
        /// The trial that it carries on from.
        from: TrialId,
        /// Fidelity that the checkpoint was trained to.
        fidelity: Fidelity,
        /// The checkpoint, where files are kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        /// Its copy, which is the new trial's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copy: Option<String>,
    },
    /// The largest fidelity was raised. Finished trials may go on; reopens an ended study.
    FidelityRaised {
        /// The new largest fidelity.
        max: Fidelity,
    },
    /// Nothing is left to do.
    StudyEnded {
        /// Why.
        reason: EndReason,
    },
}

/// What the scheduler was asked when it decided on a start. Starts that follow each other may be answers to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Number of the last event that it knew of.
    pub after: u64,
    /// How many trials there was room for.
    pub free: u32,
}

/// Who proposed a configuration, and why it looked good.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Name of the model, for example `sobol`, `gp-logei`, `default`.
    pub model: String,
    /// One sentence for people.
    pub reason: String,
    /// Number of observations the model had seen.
    #[serde(default)]
    pub observations: u64,
    /// Value of the acquisition function at the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquisition: Option<f64>,
    /// Fitted hyperparameters of the model, to start the next fit from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theta: Vec<f64>,
    /// Trial whose values these were made from, and whose place the new trial is to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TrialId>,
}

impl Origin {
    /// Model name of configurations that the user enqueued.
    pub const ENQUEUED: &'static str = "enqueued";
    /// Model name of trials from elsewhere.
    pub const FOREIGN: &'static str = "foreign";

    /// Returns the origin of a configuration that the user enqueued.
    #[must_use]
    pub fn enqueued() -> Self {
        Origin {
            model: Self::ENQUEUED.into(),
            reason: "asked for by the user, before anything else".into(),
            ..Origin::default()
        }
    }

    /// Tells whether the user enqueued the configuration.
    #[must_use]
    pub fn is_enqueued(&self) -> bool {
        self.model == Self::ENQUEUED
    }
}

/// The end of an attempt, with what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// What came out.
    pub outcome: Outcome,
    /// Processor time of all its processes in milliseconds, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Largest resident memory of a process in KiB, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rss_kib: Option<u64>,
    /// Most memory that all its processes held together in KiB, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_peak_kib: Option<u64>,
    /// What it used of GPUs, where it had any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuUse>,
}

impl AttemptEnd {
    /// Returns an end of which nobody measured what it cost.
    #[must_use]
    pub fn unmeasured(outcome: Outcome) -> Self {
        AttemptEnd { outcome, cpu_ms: None, max_rss_kib: None, memory_peak_kib: None, gpu: None }
    }
}

/// What an attempt used of GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuUse {
    /// Time from start to end, times the number of its GPUs, in milliseconds; of a shared one its share.
    pub ms: u64,
    /// Most memory it held on all of its GPUs together, in MiB, as far as anybody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_mib: Option<u64>,
}

/// What came out of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It ran to its target and reported the objective.
    Reached {
        /// The target.
        fidelity: Fidelity,
        /// The objective metric there; finite.
        value: f64,
        /// Checkpoint to carry on from, where the program keeps one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<String>,
        /// Further objectives and constraints there.
        #[serde(default, skip_serializing_if = "Further::is_empty")]
        further: Further,
    },
    /// It cannot be carried out under its parameters: a fact about the configuration, not a fault.
    Infeasible {
        /// Why.
        reason: String,
    },
    /// It failed by itself.
    Failed {
        /// Kind of failure.
        kind: FailureKind,
        /// What happened, with the last lines of the log where they help.
        reason: String,
    },
    /// It was ended from outside; the trial is run again.
    Interrupted {
        /// What happened.
        reason: String,
        /// True where the user asked for it; false where the machine lost it.
        by_request: bool,
    },
}

impl Outcome {
    /// Returns why there is no result, for whoever has to take something out of it.
    pub fn reason_mut(&mut self) -> Option<&mut String> {
        match self {
            Outcome::Reached { .. } => None,
            Outcome::Infeasible { reason }
            | Outcome::Failed { reason, .. }
            | Outcome::Interrupted { reason, .. } => Some(reason),
        }
    }
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Exit code other than 0.
    Exit,
    /// Ended by a signal.
    Signal,
    /// Ran out of device memory.
    OutOfMemory,
    /// Ran past its time limit.
    TimeLimit,
    /// Printed nothing for too long.
    Silent,
    /// Could not be started.
    Launch,
    /// Said itself that it failed although its exit code was 0.
    Reported,
    /// Ended well without ever reporting the objective.
    NoMetric,
    /// The objective is NaN or infinite.
    NotFinite,
    /// Lost by the machine too often.
    Lost,
    /// Ran out of the machine's memory.
    HostMemory,
    /// The disk was full.
    DiskFull,
    /// A GPU, its driver or the link between GPUs failed.
    Device,
    /// Something that every trial needs is missing or wrong: a module, data, a licence, an argument.
    Setup,
    /// Went beyond one of the user's limits.
    Limit,
    /// Failed in a way that its network's config knows.
    Known,
}

impl FailureKind {
    /// Tells whether trying again could help; a diverged or metric-less trial would do the same again, and
    /// so would every other trial where the setup is wrong.
    #[must_use]
    pub fn may_be_transient(self) -> bool {
        match self {
            FailureKind::Exit
            | FailureKind::Signal
            | FailureKind::Silent
            | FailureKind::Reported
            | FailureKind::HostMemory
            | FailureKind::DiskFull
            | FailureKind::Device => true,
            FailureKind::OutOfMemory
            | FailureKind::TimeLimit
            | FailureKind::Launch
            | FailureKind::NoMetric
            | FailureKind::NotFinite
            | FailureKind::Lost
            | FailureKind::Setup
            | FailureKind::Limit
            | FailureKind::Known => false,
        }
    }
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// All trials of the budget are done.
    Budget,
    /// The wall-clock limit was reached.
    Timeout,
    /// Every configuration of a finite space has been tried.
    Exhausted,
    /// Too many trials failed in a row.
    Failures,
    /// The first trials failed for a reason that all others share.
    Setup,
    /// The limit of GPU time was reached.
    GpuTime,
}

impl EndReason {
    /// Tells whether the search ended for what people can mend, with budget left.
    #[must_use]
    pub fn can_be_mended(self) -> bool {
        match self {
            EndReason::Failures | EndReason::Setup => true,
            EndReason::Budget | EndReason::Timeout | EndReason::GpuTime | EndReason::Exhausted => false,
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EndReason::Budget => "the budget of trials is used up",
            EndReason::Timeout => "the time limit is reached",
            EndReason::Exhausted => "every configuration of the search space has been tried",
            EndReason::Failures => "too many trials failed in a row",
            EndReason::GpuTime => "the limit of GPU time is reached",
            EndReason::Setup => "its trials cannot work before what they need is in place",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_form_is_stable() {
        let record = Record {
            at: 5,
            event: Event::Measured {
                trial: TrialId(3),
                attempt: AttemptNumber(1),
                source: 0,
                line: 7,
                step: Some(2),
                values: [("loss".to_string(), f64::NAN), ("acc".to_string(), 0.1 + 0.2)].into(),
            },
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            text,
            r#"{"at":5,"event":"measured","trial":3,"attempt":1,"source":0,"line":7,"step":2,"values":{"acc":0.30000000000000004,"loss":"NaN"}}"#
        );
        let back = Record::from_json(text.as_bytes()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{:?}", serde_json::from_str::<Record>(&text).unwrap()));
        let Event::Measured { values, .. } = back.event else { panic!("other kind") };
        assert!(values["loss"].is_nan());
        assert_eq!(values["acc"], 0.1 + 0.2);
    }

    #[test]
    fn outcomes_survive_json() {
        let further = Further { objectives: vec![1e-300], constraints: vec![-0.5] };
        let infeasible = Outcome::Infeasible { reason: "does not fit".into() };
        let reached = Outcome::Reached {
            fidelity: Fidelity(9),
            value: 0.1 + 0.2,
            checkpoint: Some("c".into()),
            further,
        };
        let failed = Outcome::Failed { kind: FailureKind::OutOfMemory, reason: "out".into() };
        for outcome in
            [reached, failed, infeasible, Outcome::Interrupted { reason: "stop".into(), by_request: true }]
        {
            let record = Record {
                at: 1,
                event: Event::AttemptEnded {
                    trial: TrialId(1),
                    attempt: AttemptNumber(2),
                    end: AttemptEnd { cpu_ms: Some(3), ..AttemptEnd::unmeasured(outcome) },
                },
            };
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
        }
    }
}
