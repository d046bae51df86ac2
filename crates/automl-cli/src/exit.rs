//! How the program ends: exit codes, and errors turned into a message and one of them.

use automl::{EngineError, JobError, LogError, ParentError, StudyError};
use automl_config::{Problem, Problems, RecipeError, Severity};
use automl_core::FoldError;
use automl_exec::slots::SlotError;
use automl_store::{LockError, StoreError};
use std::error::Error;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done: the budget or the goal is reached, or the question is answered.
    Done = 0,
    /// The search ended and no trial succeeded.
    NoSuccess = 1,
    /// Wrong usage or a bad input file.
    Usage = 2,
    /// Something of the environment is missing: dataset, program, a writable disk.
    Environment = 3,
    /// Stopped on request; can be resumed.
    Stopped = 4,
    /// The study's store is damaged.
    Damaged = 5,
    /// Another engine holds the study.
    Busy = 7,
    /// Interrupted by a signal; can be resumed.
    Interrupted = 130,
}

/// Why a command ends without having done its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit code.
    pub(crate) exit: Exit,
    /// Errors to print, one an entry; none where the reader of the output has gone.
    pub(crate) messages: Vec<String>,
}

impl Failure {
    /// Returns a failure with a message of its own.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, messages: vec![message.into()] }
    }

    /// Returns a failure that needs no words: nobody reads the output any more.
    pub(crate) fn unheard() -> Self {
        Failure { exit: Exit::Done, messages: Vec::new() }
    }

    /// Adds advice to the last message.
    pub(crate) fn advise(&mut self, advice: &str) {
        if let Some(message) = self.messages.last_mut() {
            message.push_str(&format!("\n  hint: {advice}"));
        }
    }

    fn from_error(exit: Exit, error: &dyn Error) -> Self {
        Failure::new(exit, with_causes(error))
    }
}

impl From<StudyError> for Failure {
    fn from(error: StudyError) -> Self {
        Failure::from_error(study_exit(&error), &error)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Failure::from_error(engine_exit(&error), &error)
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        let exit = match &error {
            JobError::Occupied { .. } => Exit::Usage,
            JobError::Busy { .. } => Exit::Busy,
            JobError::NotWritable { .. } | JobError::Refused(_) | JobError::Program(_) => Exit::Environment,
            JobError::Recipe(error) => recipe_exit(error),
            JobError::Study(error) => study_exit(error),
            JobError::Engine(_) => Exit::Environment,
        };
        Failure::from_error(exit, &error)
    }
}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Self {
        Failure::from_error(recipe_exit(&error), &error)
    }
}

impl From<ParentError> for Failure {
    fn from(error: ParentError) -> Self {
        let exit = match error {
            ParentError::Study(error) => return error.into(),
            ParentError::Spec(problems) => return problems.into(),
            ParentError::NoTrial { .. } | ParentError::NoJob { .. } => Exit::Usage,
            ParentError::NoResult { .. }
            | ParentError::Record(_)
            | ParentError::Checkpoint { .. }
            | ParentError::NoFile { .. } => Exit::Environment,
        };
        Failure::from_error(exit, &error)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let errors: Vec<&Problem> = problems.0.iter().filter(|p| p.severity == Severity::Error).collect();
        let environment = !errors.is_empty() && errors.iter().all(|p| p.code.is_environment());
        let exit = if environment { Exit::Environment } else { Exit::Usage };
        Failure { exit, messages: errors.into_iter().map(problem).collect() }
    }
}

/// Writes a problem as place, message and hint, without its severity.
pub(crate) fn problem(problem: &Problem) -> String {
    let mut text = problem.file.clone();
    for number in [problem.line, problem.column].into_iter().flatten() {
        text.push_str(&format!(":{number}"));
    }
    if !problem.path.is_empty() {
        text.push_str(&format!(": {}", problem.path));
    }
    text.push_str(&format!(": {}", problem.message));
    if !problem.hint.is_empty() {
        text.push_str(&format!("\n  hint: {}", problem.hint));
    }
    text
}

/// Writes an error and those of its causes that its own text does not hold already.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(&format!(": {words}"));
        }
        cause = error.source();
    }
    text
}

fn study_exit(error: &StudyError) -> Exit {
    match error {
        StudyError::BadName { .. }
        | StudyError::Exists { .. }
        | StudyError::Missing { .. }
        | StudyError::NotBegun { .. }
        | StudyError::BadArchive { .. }
        | StudyError::NoProgram { .. }
        | StudyError::Fidelity { .. }
        | StudyError::TooFewTrials { .. }
        | StudyError::Patterns(_)
        | StudyError::GpuList { .. }
        | StudyError::UploadTo(_) => Exit::Usage,
        StudyError::NotWritable { .. } | StudyError::Program(_) | StudyError::Fetch(_) => Exit::Environment,
        StudyError::Recipe(_)
        | StudyError::Damaged { .. }
        | StudyError::OtherStudy { .. }
        | StudyError::Contradictory { .. }
        | StudyError::NothingLeft { .. } => Exit::Damaged,
        StudyError::Realise(error) => recipe_exit(error),
        StudyError::Slots(error) => match error {
            SlotError::NoSuchGpu { .. } | SlotError::TooFewGpus { .. } => Exit::Environment,
            SlotError::BadList { .. }
            | SlotError::BadShare { .. }
            | SlotError::NoParallel
            | SlotError::ParallelBeyondReason { .. }
            | SlotError::TooManyParallel { .. } => Exit::Usage,
        },
        StudyError::Lock(error) => match error {
            LockError::Held { .. } | LockError::HeldByUnknown { .. } => Exit::Busy,
            LockError::Io { .. } => Exit::Environment,
        },
        StudyError::Store(error) => store_exit(error),
        StudyError::Log(error) => log_exit(error),
        StudyError::Engine(error) => engine_exit(error),
    }
}

fn engine_exit(error: &EngineError) -> Exit {
    match error {
        EngineError::Log(error) => log_exit(error),
        EngineError::TrialLog(_) | EngineError::Launch(_) | EngineError::File { .. } => Exit::Environment,
    }
}

fn recipe_exit(error: &RecipeError) -> Exit {
    match error {
        RecipeError::SecretMissing { .. } => Exit::Environment,
        RecipeError::NotUtf8 { .. }
        | RecipeError::Write { .. }
        | RecipeError::Mount { .. }
        | RecipeError::Rule { .. } => Exit::Usage,
    }
}

fn log_exit(error: &LogError) -> Exit {
    match error {
        LogError::Store(error) => store_exit(error),
        LogError::Fold { source: FoldError::NewerFormat { .. }, .. } => Exit::Environment,
        LogError::Record { .. } | LogError::Fold { .. } => Exit::Damaged,
    }
}

fn store_exit(error: &StoreError) -> Exit {
    match error {
        StoreError::Busy { .. } | StoreError::Fenced { .. } => Exit::Busy,
        StoreError::Io { .. } | StoreError::NewerFormat { .. } | StoreError::BadPayload { .. } => {
            Exit::Environment
        }
        StoreError::Exists { .. } => Exit::Usage,
        StoreError::Database { .. }
        | StoreError::Damaged { .. }
        | StoreError::Unreadable { .. }
        | StoreError::Lost { .. }
        | StoreError::Conflict { .. }
        | StoreError::Mixed { .. } => Exit::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn causes_are_told_once() {
        let source = io::Error::other("no space left");
        let store = StoreError::Io { action: "append to", path: "/s/events.jsonl".into(), source };
        let failure = Failure::from(StudyError::Store(store));
        assert_eq!(failure.exit, Exit::Environment);
        assert_eq!(failure.messages, ["cannot append to /s/events.jsonl: no space left"]);
        let written = StudyError::NotWritable { path: "/r".into(), source: io::Error::other("read-only") };
        assert_eq!(Failure::from(written).messages[0].matches("read-only").count(), 1);
    }

    #[test]
    fn damage_and_busy_have_their_codes() {
        let damaged = StoreError::Damaged { path: "/s".into(), seq: 3 };
        assert_eq!(Failure::from(StudyError::Log(LogError::Store(damaged))).exit, Exit::Damaged);
        let busy = StoreError::Busy { study_dir: "/s".into() };
        assert_eq!(Failure::from(StudyError::Store(busy)).exit, Exit::Busy);
    }
}
