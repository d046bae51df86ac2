//! A plain job: one action of a network, run once, without a search.
//!
//! It is run as a trial's attempt is: by a runner that outlives this process, with the same readers, the
//! same limits, the same rule of what counts as failed. Its folder holds the spec, the results and a
//! record, so that it can be the parent of another job. Run again in the same folder, a job carries on
//! from its last checkpoint.

mod error;
mod folder;
mod record;

pub use error::JobError;
pub(crate) use record::JOB_FILE;
pub use record::{JobRecord, JobState};

use crate::clock::now_ms;
use crate::engine::failures::Failures;
use crate::engine::launch::{Place, PrepareError, log_files, streams};
use crate::engine::live::LiveAttempt;
use crate::engine::{Control, EngineError, Uploads, outcome, success};
use crate::files::{InstalledPackage, LogFile, News, Tail, find_program};
use crate::study::{StudyError, fetch_downloads, metric_rules, slots};
use folder::{DOWNLOADS, TRIAL, UPLOADS_FILE, attempt_dir, earlier, last_checkpoint, own_files};

use automl_config::{
    AttemptContext, AttemptFiles, JobRecipe, LogOrigin, LogRules, LogSource, Origins, RecipeError,
};
use automl_core::{Attempt, AttemptNumber, Event, Fidelity, Limits, Outcome, Params, Resources};
use automl_exec::slots::Slot;
use automl_exec::{
    AttemptEnded, AttemptKey, CancelMode, Executor, LocalExecutor, STDERR_LOG, STDOUT_LOG, Submit, Verdict,
};
use automl_scrape::Metrics;
use automl_transfer::Place as UploadPlace;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How often the logs of the job are looked at.
const POLL: Duration = Duration::from_millis(100);
/// How uploads that are left are tried again.
const UPLOAD_AGAIN: &str = "running it again with the same --results";

/// What a user can choose about a job.
#[derive(Clone, Debug)]
pub struct JobOptions {
    /// Folder of its results, absolute.
    pub results: PathBuf,
    /// Limits of the program.
    pub limits: Limits,
    /// `all`, `none` or GPU numbers separated by commas.
    pub gpus: String,
    /// GPUs to use of these.
    pub num_gpus: u32,
    /// Folder that the program starts in; absolute.
    pub workdir: PathBuf,
}

/// What a running job tells.
#[derive(Debug)]
pub enum JobUpdate<'a> {
    /// The program printed something, on either stream.
    Output(&'a [u8]),
    /// Metrics were read.
    Measured {
        /// Epoch or step, where the source has one.
        step: Option<u64>,
        /// Their values.
        values: &'a std::collections::BTreeMap<String, f64>,
    },
    /// Something people should know: what became of uploads.
    Note(&'a str),
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub struct JobEnd {
    /// The record as it stands in the folder.
    pub record: JobRecord,
    /// Whether the program never came to life: it is missing something here.
    pub never_started: bool,
}

/// A job, ready to run.
pub struct Job {
    recipe: JobRecipe,
    options: JobOptions,
    record: JobRecord,
    resume_from: Option<PathBuf>,
    slot: Option<Slot>,
    metrics: Arc<Metrics>,
    /// Where results are uploaded to.
    upload_to: Option<UploadPlace>,
    /// Facts about devices, for people.
    pub notes: Vec<String>,
}

impl Job {
    /// Checks that a job can be run: its folder, its program, its devices. Writes nothing.
    ///
    /// # Errors
    /// What is missing, or in the way.
    pub fn new(recipe: JobRecipe, options: JobOptions) -> Result<Self, JobError> {
        let record = earlier(&recipe.trial, &options.results)?;
        let metrics = Arc::new(
            Metrics::compile(&metric_rules(&LogRules::of_recipe(&recipe.trial), monitored(&recipe)))
                .map_err(StudyError::from)?,
        );
        let resources = Resources {
            gpus: options.gpus.clone(),
            gpus_per_trial: f64::from(options.num_gpus.max(1)),
            parallel: Some(1),
        };
        let (slots, reason) = slots(&resources)?;
        let package = recipe.trial.package();
        let package =
            package.map(|rule| Ok::<_, JobError>((rule, InstalledPackage::find(rule)?))).transpose()?;
        let package = package.and_then(|(rule, installed)| installed.warning(rule));
        let resume_from = last_checkpoint(&recipe.trial, &options.results);
        let on_cpu = reason.map(|reason| format!("running on the CPU: {reason}"));
        let notes = on_cpu
            .into_iter()
            .chain(package)
            .chain(resume_from.iter().map(|path| format!("carrying on from {}", path.display())));
        let notes = notes.collect();
        let slot = slots.into_iter().next();
        let upload_to =
            recipe.trial.upload_to().map(UploadPlace::open).transpose().map_err(StudyError::from)?;
        let job = Job { recipe, options, record, resume_from, slot, metrics, upload_to, notes };
        let files = job.files()?;
        find_program(&files.argv[0], files.workdir.as_deref().unwrap_or(&job.options.workdir))?;
        Ok(job)
    }

    /// Returns the spec, the command and the environment of the next attempt.
    ///
    /// # Errors
    /// If they cannot be built.
    pub fn files(&self) -> Result<AttemptFiles, RecipeError> {
        self.recipe.trial.realise(&self.context(&self.downloads(), &Params::default()))
    }

    /// Returns the spec of the next attempt as values, and where each came from.
    ///
    /// # Errors
    /// If it cannot be built.
    pub fn explain(&self) -> Result<Option<(serde_json::Value, Origins)>, RecipeError> {
        self.recipe.trial.explain(&self.context(&self.downloads(), &Params::default()))
    }

    fn context<'a>(&'a self, downloads: &'a Path, params: &'a Params) -> AttemptContext<'a> {
        AttemptContext {
            study: &self.record.tag,
            trial: TRIAL.0,
            attempt: self.record.attempt + 1,
            params,
            trial_dir: &self.options.results,
            results_dir: &self.options.results,
            downloads_dir: downloads,
            until: self.recipe.full_fidelity,
            max_fidelity: self.recipe.full_fidelity,
            resume_from: self.resume_from.as_deref(),
            seed: 0,
            gpus: self.slot.as_ref().map_or(&[], |slot| &slot.gpus),
        }
    }

    /// Runs the job to its end.
    ///
    /// # Errors
    /// If it cannot be started, or its files cannot be written or read. Its program runs on then.
    pub async fn run(
        mut self,
        runner: Vec<String>,
        control: &mut UnboundedReceiver<Control>,
        observer: &mut dyn FnMut(JobUpdate<'_>),
    ) -> Result<JobEnd, JobError> {
        let files = self.files()?;
        let folder = self.options.results.clone();
        let number = self.record.attempt + 1;
        let attempt_dir = attempt_dir(&folder, number);
        self.claim(&attempt_dir)?;
        let logs = log_files(&self.recipe.trial, &folder, &attempt_dir);
        let mut attempt = self.attempt(number, &logs);
        self.begin(number, &files)?;
        self.fetch().await?;
        let key = self.key();
        let place = Place {
            key: key.clone(),
            recipe: &self.recipe.trial,
            folder: &folder,
            results: &folder,
            attempt: &attempt_dir,
            workdir: &self.options.workdir,
            limits: &self.options.limits,
        };
        let watch = logs.iter().map(|log| log.path()).collect();
        let spec = place.write(&files, self.slot.as_ref(), watch).map_err(prepare_error)?;
        let (sender, mut ended) = unbounded_channel();
        let mut executor = LocalExecutor::new(runner, sender);
        if let Submit::Refused { reason } = executor.submit(&spec) {
            return Err(JobError::Refused(reason));
        }
        let mut uploads = self.uploads(&files, observer);
        let mut live = LiveAttempt::open(TRIAL, &attempt, &logs, &self.metrics);
        let mut streams = [STDOUT_LOG, STDERR_LOG].map(|name| Tail::new(&attempt_dir.join(name), 0));
        let mut asked = None;
        let verdict = loop {
            tokio::select! {
                Some(AttemptEnded { verdict, .. }) = ended.recv() => break verdict,
                Some(wish) = control.recv() => {
                    let firm = wish == Control::Kill;
                    asked = Some(if firm { "killed on request" } else { "ended on request" });
                    executor.cancel(&key, if firm { CancelMode::Kill } else { CancelMode::Graceful });
                }
                () = tokio::time::sleep(POLL) => {
                    show(&mut streams, observer);
                    uploads.report(&mut |note| observer(JobUpdate::Note(note)));
                    take(live.poll().map_err(EngineError::from)?, &mut attempt, observer);
                }
            }
        };
        take(live.finish().map_err(EngineError::from)?, &mut attempt, observer);
        show(&mut streams, observer);
        live.asked = asked;
        let never_started = verdict.started_ms.is_none() && asked.is_none();
        self.conclude(&live, &verdict, &attempt)?;
        uploads.follow(self.upload_name(), folder, true);
        uploads.finish(control, UPLOAD_AGAIN, &mut |note| observer(JobUpdate::Note(note))).await;
        Ok(JobEnd { record: self.record, never_started })
    }

    /// Starts uploading the results, where that is wanted.
    fn uploads(&mut self, files: &AttemptFiles, observer: &mut dyn FnMut(JobUpdate<'_>)) -> Uploads {
        let folder = &self.options.results;
        let stays = own_files(files);
        let rules = self.recipe.trial.upload_rules().clone();
        let (uploads, problem) =
            Uploads::start(self.upload_to.take(), folder.join(UPLOADS_FILE), rules, move |path| stays(path));
        problem.iter().for_each(|note| observer(JobUpdate::Note(note)));
        uploads.follow(self.upload_name(), folder.clone(), false);
        uploads
    }

    /// Returns the name that the results have where they are uploaded to: that of their folder.
    fn upload_name(&self) -> String {
        let name = self.options.results.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Makes the attempt's folder: whoever comes second does not, and leaves the job alone.
    fn claim(&self, attempt_dir: &Path) -> Result<(), JobError> {
        let folder = &self.options.results;
        let not_writable = |path: &Path| {
            let path = path.to_path_buf();
            move |source| JobError::NotWritable { path, source }
        };
        std::fs::create_dir_all(folder).map_err(not_writable(folder))?;
        match std::fs::create_dir(attempt_dir) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(JobError::Busy { path: folder.clone(), what: self.title() })
            }
            made => made.map_err(not_writable(attempt_dir)),
        }
    }

    /// Returns the folder of the files that are fetched for the action.
    fn downloads(&self) -> PathBuf {
        self.options.results.join(DOWNLOADS)
    }

    /// Fetches what the action needs, once the job is on record.
    async fn fetch(&mut self) -> Result<(), JobError> {
        let (recipe, folder) = (self.recipe.trial.clone(), self.downloads());
        // It blocks, and may have a runtime of its own, which must not end within this one.
        let fetching = tokio::task::spawn_blocking(move || fetch_downloads(&recipe, &folder));
        let fetched = fetching.await.expect("fetching files does not panic");
        if let Err(error) = &fetched {
            self.record.state = JobState::Failed;
            self.record.reason = Some(error.to_string());
            self.record.ended = Some(now_ms());
            self.save()?;
        }
        fetched.map_err(|error| StudyError::from(error).into())
    }

    fn title(&self) -> String {
        format!("{} {}", self.record.network, self.record.action)
    }

    fn key(&self) -> AttemptKey {
        AttemptKey { study: self.record.tag.clone(), trial: TRIAL.0, attempt: self.record.attempt }
    }

    /// Writes the record of a job that runs.
    fn begin(&mut self, number: u32, files: &AttemptFiles) -> Result<(), JobError> {
        let record = &mut self.record;
        record.state = JobState::Running;
        record.reason = None;
        record.attempt = number;
        record.started = now_ms();
        record.ended = None;
        record.spec = files.spec.as_ref().map(|(name, _)| name.clone());
        record.parent_checkpoint = self.recipe.trial.parent_checkpoint().map(Path::to_path_buf);
        record.objective.clone_from(&self.recipe.objective);
        record.checkpoints = self.recipe.trial.checkpoints().cloned();
        self.save()
    }

    fn save(&self) -> Result<(), JobError> {
        let path = self.options.results.join(JOB_FILE);
        self.record.write(&self.options.results).map_err(|source| JobError::NotWritable { path, source })
    }

    /// Returns the attempt as it is before its first reading. Files of earlier attempts are read from
    /// where those left them; the streams are its own.
    fn attempt(&self, number: u32, logs: &[LogFile]) -> Attempt {
        let sources = self.recipe.trial.logs().iter().zip(logs);
        let offset = |(source, log): (&LogSource, &LogFile)| match source.origin {
            LogOrigin::File(_) => log.bytes(),
            LogOrigin::Stdout | LogOrigin::Stderr => 0,
        };
        Attempt {
            log_offsets: sources.map(offset).collect(),
            started_at: now_ms(),
            ..Attempt::new(AttemptNumber(number), Fidelity(self.recipe.full_fidelity))
        }
    }

    /// Decides what came of the job and writes it down.
    fn conclude(&mut self, live: &LiveAttempt, verdict: &Verdict, attempt: &Attempt) -> Result<(), JobError> {
        let notes = live.notes();
        let metric = self.recipe.objective.as_ref().map(|objective| objective.metric.as_str());
        let printed = streams(&attempt_dir(&self.options.results, attempt.number.0));
        let printed = printed.each_ref().map(PathBuf::as_path);
        let facts = outcome::Facts {
            incomplete: success::incomplete(self.recipe.trial.success(), attempt, metric, &printed),
            cause: &verdict.cause,
            oom_kills: verdict.oom_kills,
            attempt,
            metrics: self.recipe.objective.iter().map(|objective| objective.metric.as_str()).collect(),
            further_objectives: 0,
            best: None,
            stopped_at: None,
            notes: &notes,
            checkpoint: None,
            asked: live.asked,
            diagnosis: Failures::of(self.recipe.trial.error_patterns()).diagnose(&notes),
        };
        let (state, reason) = match facts.of_job() {
            None | Some(Outcome::Reached { .. }) => (JobState::Complete, None),
            Some(Outcome::Failed { reason, .. } | Outcome::Infeasible { reason }) => {
                (JobState::Failed, Some(reason))
            }
            Some(Outcome::Interrupted { reason, .. }) => (JobState::Stopped, Some(reason)),
        };
        let record = &mut self.record;
        (record.state, record.reason, record.ended) = (state, reason, Some(verdict.ended_ms));
        let last = |name: &str| attempt.series.last(name).map(|value| (name.to_string(), value));
        record.metrics.extend(attempt.series.names().filter_map(last).filter(|(_, v)| v.is_finite()));
        if let Some(objective) = &record.objective {
            let readings = attempt.series.readings(&objective.metric).iter();
            let finite =
                readings.filter_map(|(step, value)| Some(((*step)?, *value))).filter(|r| r.1.is_finite());
            record.readings.extend(finite);
        }
        self.save()
    }
}

fn show(streams: &mut [Tail], observer: &mut dyn FnMut(JobUpdate<'_>)) {
    for stream in streams {
        // What cannot be shown is still in its file.
        let _ = stream.read_new(|news| match news {
            News::Bytes(bytes) => observer(JobUpdate::Output(bytes)),
            News::Anew | News::Gone { .. } => {}
        });
    }
}

/// Takes readings in and passes them on.
fn take(events: Vec<Event>, attempt: &mut Attempt, observer: &mut dyn FnMut(JobUpdate<'_>)) {
    for event in events {
        if let Event::Measured { source, line, step, values, .. } = event {
            attempt.series.push(
                source,
                line,
                step,
                values.iter().map(|(name, value)| (name.as_str(), *value)),
            );
            observer(JobUpdate::Measured { step, values: &values });
        }
    }
}

fn prepare_error(error: PrepareError) -> JobError {
    match error {
        PrepareError::Recipe(error) => error.into(),
        PrepareError::Program(error) => error.into(),
        PrepareError::Launch(error) => EngineError::from(error).into(),
        PrepareError::File { path, source } => JobError::NotWritable { path, source },
    }
}

/// The metric that a job's log is read for, where one counts.
fn monitored(recipe: &JobRecipe) -> Vec<String> {
    recipe.objective.iter().map(|objective| objective.metric.clone()).collect()
}
